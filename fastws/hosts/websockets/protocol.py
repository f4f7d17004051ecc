"""The sans-I/O connection: the loop that parses what was received, and frames sent."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError as CodecError
from ...frames import Opcode as CodecOpcode
from ...frames import Role
from .frames import LARGE, make_encoder, make_unmask, system_keys
from .stand_in import StandIn, raising

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["make_protocol_parse", "make_send_binary", "make_send_continuation", "make_send_text"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
Frame: Any = None
Protocol: Any = None
OPEN: Any = None
SERVER: Any = None
CLIENT: Any = None

# What stands for no limit; longer than any payload that can arrive.
_NO_LIMIT: Final = 2**63 - 1


# Receiving ------------------------------------------------------------------------------------------------------------


def make_protocol_parse(plain: FunctionType, backend: ModuleType) -> Any:
    module = sys.modules[plain.__module__]
    take_messages = _make_take_messages(module, backend)
    largest_frame, _ = _limits(module)
    stand_in, failing = StandIn, raising

    def parse(self: Any) -> Any:
        failure = None
        try:
            # Where the host was put back meanwhile, it goes on by itself.
            while Protocol.parse is not plain:
                if not self.reader.buffer:
                    if self.reader.eof:
                        break
                    yield
                    continue
                take_messages(self)
                if not self.reader.buffer:
                    continue
                frame = yield from Frame.parse(
                    self.reader.read_exact,
                    mask=self.side is SERVER,
                    max_size=largest_frame(self),
                    extensions=self.extensions,
                )
                if self.debug:
                    self.logger.debug("< %s", frame)
                self.recv_frame(frame)
        except Exception as error:
            failure = error
        # What ends a connection is the host's: it finds the stream at its end, or meets the error.
        if failure is not None:
            self = stand_in(self, reader=stand_in(self.reader, at_eof=failing(failure)))
            del failure
        yield from plain(self)

    return parse


def _limits(module: ModuleType) -> tuple[Callable[[Any], int | None], Callable[[Any], int]]:
    """How large the payload of the next frame may be, and of one that is a whole message.

    The first is what the host calls ``max_size``, None for no limit. The second is -1 where the limit does not matter:
    inside of a fragmented message.
    """
    if "max_message_size" in module.Protocol.__init__.__code__.co_names:
        return _largest_frame, _largest_message
    return _largest_frame_of_15, _largest_message_of_15


def _largest_frame(protocol: Any) -> Any:
    limit, received, fragment = protocol.max_message_size, protocol.current_size, protocol.max_fragment_size
    if limit is not None and received is not None:
        limit -= received
    if fragment is not None:
        limit = fragment if limit is None else min(limit, fragment)
    return limit


def _largest_message(protocol: Any) -> int:
    if protocol.current_size is not None:
        return -1
    limit, fragment = protocol.max_message_size, protocol.max_fragment_size
    if fragment is not None and (limit is None or fragment < limit):
        limit = fragment
    return _as_limit(limit)


def _largest_frame_of_15(protocol: Any) -> Any:
    limit, received = protocol.max_size, protocol.cur_size
    return limit if limit is None or received is None else limit - received


def _largest_message_of_15(protocol: Any) -> int:
    return -1 if protocol.cur_size is not None else _as_limit(protocol.max_size)


def _as_limit(limit: Any) -> int:
    if limit is None:
        return _NO_LIMIT
    return min(limit, _NO_LIMIT) if type(limit) is int else -1


def _make_take_messages(module: ModuleType, backend: ModuleType) -> Callable[[Any], None]:
    host: Any = module
    frame_class, stream_reader, client, receive = host.Frame, host.StreamReader, host.CLIENT, host.Protocol.recv_frame
    frames = sys.modules[frame_class.__module__]
    take_unmasked = _make_take(frames, backend, masked=False)
    take_masked = _make_take(frames, backend, masked=True)
    take_many = None if backend.kernel_name() == "none" else _make_take_many(module, backend)
    _, largest_message = _limits(module)

    def take_messages(protocol: Any) -> None:
        """Take what is all there out of the buffer, up to a frame that the host has to look at step by step."""
        reader, events = protocol.reader, protocol.events
        if (
            protocol.debug
            or protocol.extensions
            or getattr(protocol.recv_frame, "__func__", None) is not receive
            or type(reader) is not stream_reader
            or type(events) is not list
            or host.Frame is not frame_class
        ):
            return
        limit = largest_message(protocol)
        if limit < 0:
            return
        buffer = reader.buffer
        if protocol.side is client:
            del buffer[: take_unmasked(buffer, limit, events.append)]
        else:
            taken = take_masked(buffer, limit, events.append)
            if taken:
                del buffer[:taken]
                if buffer and take_many is not None:
                    take_many(protocol, buffer, limit)

    return take_messages


def _make_take(frames: ModuleType, backend: ModuleType, *, masked: bool) -> Callable[[bytearray, int, Any], int]:
    """Messages in one frame each, out of the buffer. With the compiled codec only one masked message is taken here."""
    new, frame_class, large = object.__new__, frames.Frame, LARGE
    # The first byte of a message in one frame → its opcode; None for every other frame.
    whole = {0x81: frames.Opcode.TEXT, 0x82: frames.Opcode.BINARY}
    opcodes = tuple([whole.get(first) for first in range(256)])
    unmask = make_unmask(frames, backend)
    bit, smallest, key_size = (0x80, 6, 4) if masked else (0, 2, 0)
    only_one = masked and backend.kernel_name() != "none"

    def take(buffer: bytearray, limit: int, append: Callable[[Any], None]) -> int:
        """Returns how many bytes the messages had that were appended."""
        at, n = 0, len(buffer)
        while n - at >= smallest:
            opcode = opcodes[buffer[at]]
            length = buffer[at + 1] - bit
            body = at + smallest
            if opcode is None:
                break
            if length >= 126:
                if length > 127:
                    break
                size = 2 if length == 126 else 8
                body += size
                length = int.from_bytes(buffer[at + 2 : at + 2 + size], "big")
            end = body + length
            if end > n or not 0 <= length <= limit or length >= large:
                break
            data: Any = buffer[body:end]
            if masked:
                data = unmask(data, buffer[body - key_size : body])
            frame: Any = new(frame_class)
            frame.opcode = opcode
            frame.data = data
            frame.fin = True
            frame.rsv1 = False
            frame.rsv2 = False
            frame.rsv3 = False
            append(frame)
            at = end
            if only_one:
                break
        return at

    return take


def _make_take_many(module: ModuleType, backend: ModuleType) -> Callable[[Any, bytearray, int], None]:
    host: Any = module
    frame_class, new, server, text, binary = (
        host.Frame,
        object.__new__,
        Role.SERVER,
        CodecOpcode.TEXT,
        CodecOpcode.BINARY,
    )
    opcodes = sys.modules[frame_class.__module__].Opcode
    host_text, host_binary, host_close = opcodes.TEXT, opcodes.BINARY, opcodes.CLOSE
    new_decoder, largest_frame = backend.FrameDecoder, _limits(module)[0]

    def take_many(protocol: Any, buffer: bytearray, limit: int) -> None:
        """Masked frames, parsed by the codec at one go."""
        try:
            parsed = new_decoder(server, max_frame_size=limit).feed(buffer)
        except CodecError:
            return
        taken, append, fragments = 0, protocol.events.append, False
        for each in parsed:
            opcode, data = each.opcode, each.payload
            length = len(data)
            if fragments and length > limit:
                break
            taken += length + (6 if length < 126 else 8 if length < 65_536 else 14)
            if opcode is text and each.fin:
                opcode = host_text
            elif opcode is binary and each.fin:
                opcode = host_binary
            else:
                # The host does what it does with each kind of frame; it may end the connection.
                del buffer[:taken]
                taken = 0
                opcode = opcodes(opcode)
                protocol.recv_frame(frame_class(opcode, data, each.fin))
                if opcode is host_close:
                    return
                limit, fragments = _as_limit(largest_frame(protocol)), True
                continue
            frame: Any = new(frame_class)
            frame.opcode = opcode
            frame.data = data
            frame.fin = True
            frame.rsv1 = False
            frame.rsv2 = False
            frame.rsv3 = False
            append(frame)
        del buffer[:taken]

    return take_many


# Sending --------------------------------------------------------------------------------------------------------------


def make_send_text(plain: FunctionType, backend: ModuleType) -> Any:
    return _make_send(plain, backend, opcode=1)


def make_send_binary(plain: FunctionType, backend: ModuleType) -> Any:
    return _make_send(plain, backend, opcode=2)


def make_send_continuation(plain: FunctionType, backend: ModuleType) -> Any:
    return _make_send(plain, backend, opcode=0)


def _make_send(plain: FunctionType, backend: ModuleType, *, opcode: int) -> Any:
    module = sys.modules[plain.__module__]
    encode_frame, new_key, drawn = _encoding(module, backend)
    send_frame, continuing, random = module.Protocol.send_frame, opcode == 0, secrets

    def send(self: Any, data: Any, fin: Any) -> Any:
        is_client = self.side is CLIENT
        if not (
            self._state is OPEN
            and self.expect_continuation_frame is continuing
            and not self.debug
            and not self.extensions
            and (type(data) is bytes or type(data) is bytearray)
            and getattr(self.send_frame, "__func__", None) is send_frame
            and (not is_client or random.token_bytes is drawn)
        ):
            return plain(self, data, fin)
        self.expect_continuation_frame = not fin
        key = new_key() if is_client else None
        self.writes.append(encode_frame(opcode, data, key=key) if fin else encode_frame(opcode, data, fin=fin, key=key))
        return None

    return send


def _encoding(module: ModuleType, backend: ModuleType) -> tuple[Callable[..., bytes], Callable[[], bytes], Any]:
    """What writes a frame, what draws a key, and the host's generator of keys, which may be replaced by a test."""
    frames = sys.modules[f"{module.__package__}.frames"]
    return make_encoder(frames, backend), backend.new_key, system_keys()
