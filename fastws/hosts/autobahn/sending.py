"""autobahn's way out: one frame is built and masked at once, and a log line that nobody sees is not formatted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..counting import is_one_of_ours
from .quiet import is_quiet

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from .parts import Parts

__all__ = ["make_send_data", "make_send_frame"]

# Globals of the host's module, which the replacements read there, see `rebase`.
create_xor_masker: Any = None
hltype: Any = None
hlval: Any = None
random: Any = None
struct: Any = None


def make_send_frame(parts: Parts) -> Callable[[FunctionType, ModuleType], Any]:
    return lambda plain, backend: _send_frame(parts, plain, backend)


def _send_frame(parts: Parts, plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, is_ours, the_parts = backend.encode_frame, is_one_of_ours, parts
    data_opcodes, control_opcodes, largest_control, compressed = (1, 2, 0), (8, 9, 10), 125, (0, 4)

    def sendFrame(  # noqa: N802
        self: Any,
        opcode: Any,
        payload: Any = b"",
        fin: Any = True,
        rsv: Any = 0,
        mask: Any = None,
        payload_len: Any = None,
        chopsize: Any = None,
        sync: Any = False,
    ) -> Any:
        if (
            type(payload) is not bytes
            or type(opcode) is not int
            or type(fin) is not bool
            or type(rsv) is not int
            or mask is not None
            or payload_len is not None
            or self.logFrames
            or not is_ours(create_xor_masker, the_parts.create_xor_masker)
        ):
            return plain(self, opcode, payload, fin, rsv, mask, payload_len, chopsize, sync)
        is_data = opcode in data_opcodes
        if not (
            rsv in compressed
            if is_data
            else opcode in control_opcodes and fin and not rsv and len(payload) <= largest_control
        ):
            return plain(self, opcode, payload, fin, rsv, mask, payload_len, chopsize, sync)
        is_server = self.factory.isServer
        key = None
        if (not is_server and self.maskClientFrames) or (is_server and self.maskServerFrames):
            if payload and not self.applyMask:
                return plain(self, opcode, payload, fin, rsv, mask, payload_len, chopsize, sync)
            # The host's generator, which a program may have seeded.
            key = struct.pack("!I", random.getrandbits(32))
        if fin and not rsv:
            raw = encode_frame(opcode, payload, key=key)
        else:
            raw = encode_frame(opcode, payload, fin=fin, rsv1=rsv, key=key)
        if is_data:
            self.trafficStats.outgoingWebSocketFrames += 1
        self.sendData(raw, sync, chopsize)
        return None

    return sendFrame


def make_send_data(parts: Parts) -> Callable[[FunctionType, ModuleType], Any]:
    return lambda plain, _: _send_data(parts, plain)


def _send_data(parts: Parts, plain: FunctionType) -> Any:
    quiet, opened, connecting = is_quiet, parts.opened, parts.connecting

    def sendData(self: Any, data: Any, sync: Any = False, chopsize: Any = None) -> Any:  # noqa: N802
        if chopsize or sync or len(self.send_queue) > 0:
            return plain(self, data, sync, chopsize)
        self.transport.write(data)
        debug = self.log.debug
        if not quiet(debug):
            debug(
                "{func} sent {data_len} bytes for peer {peer}",
                func=hltype(self.sendData),
                peer=hlval(self.peer),
                data_len=hlval(len(data)),
            )
        state = self.state
        if state == opened:
            self.trafficStats.outgoingOctetsWireLevel += len(data)
        elif state in connecting:
            self.trafficStats.preopenOutgoingOctetsWireLevel += len(data)
        if self.logOctets:
            self.logTxOctets(data, False)
        return None

    return sendData
