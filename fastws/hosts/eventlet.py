"""eventlet's ``websocket`` module: masking, text from and to UTF-8, frames sent.

Tried with 0.33.3, 0.36.1, 0.39.1 and 0.41.3. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what the replacements
rely on. ``fastws.restore("eventlet")`` undoes it, also for connections that are open.

Where the host found ``wsaccel`` when it was imported, the validator of that is told what it would find out.

Out of reach: frames are parsed within functions that also read the socket. Those that are sent compressed, control
frames and fragments are built by the host. The pure twin leaves building to the host, whose masking it does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from .host import Host
from .seams import make_seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from .host import Seam

__all__ = ["HOST"]

# Where wsaccel's validator comes from; its count can be set.
_WSACCEL: Final = ("wsaccel.utf8validator", "fastws.hosts.wsaccel")

# Globals of the host's module. The replacements read them there, see `rebase`; here they only have a name.
Random: Any = None
time: Any = None

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "websocket.RFC6455WebSocket._apply_mask": ("c3c78fc2cb067dd1", "d701828bbd254224"),
    "websocket.RFC6455WebSocket._pack_message": ("bcee16514ed658e8", "1015c0d69740859a"),
    "websocket.RFC6455WebSocket.UTF8Decoder.__init__": ("2f0709b859fced0f",),
    "websocket.RFC6455WebSocket.UTF8Decoder.decode": ("6a432c17fb84f5bf",),
}


def _make_apply_mask(plain: FunctionType, backend: ModuleType) -> Any:
    xor = backend.mask

    def _apply_mask(data: Any, mask: Any, length: Any = None, offset: Any = 0) -> Any:
        if (
            type(data) is bytes
            and (type(mask) is tuple or type(mask) is list)
            and len(mask) == 4
            and (length is None or (type(length) is int and length == len(data)))
            and type(offset) is int
        ):
            try:
                return xor(data, bytes(mask), offset & 3)
            except (TypeError, ValueError):
                pass  # a key of something else than bytes
        return plain(data, mask, length, offset)

    return _apply_mask


def _make_pack_message(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, plain_pack, payloads = backend.encode_frame, plain, (str, bytes)

    def _pack_message(
        self: Any,
        message: Any,
        masked: Any = False,
        continuation: Any = False,
        final: Any = True,
        control_code: Any = None,
    ) -> Any:
        kind = type(message)
        if (
            kind not in payloads
            or control_code
            or continuation
            or not final
            or self._get_permessage_deflate_enc() is not None
        ):
            return plain_pack(self, message, masked, continuation, final, control_code)
        opcode = 1 if kind is str else 2
        try:
            if masked and message:
                draw = Random(time.time()).getrandbits
                return encode_frame(opcode, message, key=bytes([draw(8), draw(8), draw(8), draw(8)]))
            return encode_frame(opcode, message)
        except ValueError:
            pass  # text that cannot be encoded, or a key of something else than bytes
        return plain_pack(self, message, masked, continuation, final, control_code)

    return _pack_message


def _make_decode(plain: FunctionType, backend: ModuleType) -> Any:
    # The pure twin has nothing faster than what the host does.
    decode_text = bytes.decode if backend.kernel_name() == "none" else backend.decode_text
    between_texts, wsaccel = (b"", 0), _WSACCEL

    def decode(self: Any, data: Any, final: Any = False) -> Any:
        validator = self.validator
        if (
            final is True
            and type(data) is bytes
            and (validator is None or (type(validator).__module__ in wsaccel and validator.state == 0))
            and self.decoder.getstate() == between_texts
        ):
            try:
                text = decode_text(data)
            except ValueError:
                text = None  # the host's own validator and decoder tell what is wrong
            if text is not None:
                if validator is not None:
                    validator.i += len(data)
                return text
        return plain(self, data, final)

    return decode


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "websocket.RFC6455WebSocket._apply_mask": _make_apply_mask,
    "websocket.RFC6455WebSocket.UTF8Decoder.decode": _make_decode,
}
# Not with the pure twin.
_REPLACED_NATIVE: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "websocket.RFC6455WebSocket._pack_message": _make_pack_message,
}


def _seams(backend: ModuleType) -> list[Seam]:
    native = backend.kernel_name() != "none"
    return make_seams(sys.modules["eventlet"], _KNOWN, _REPLACED | (_REPLACED_NATIVE if native else {}), backend)


HOST: Final = Host(
    name="eventlet",
    distribution="eventlet",
    package="eventlet",
    tried="0.33.3 to 0.41.3",
    depth="mask",
    replaces=tuple([f"eventlet.{path}" for path in (*_REPLACED, *_REPLACED_NATIVE)]),
    cannot_reach="frames are parsed by the host; it builds those that are compressed, control frames and fragments",
    seams=_seams,
    modules=("eventlet.websocket",),
)
