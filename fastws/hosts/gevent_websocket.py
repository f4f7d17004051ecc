"""gevent-websocket: mask, UTF-8 check, frames and messages read, frames sent.

Tried with 0.10 and 0.10.1, with wsaccel and without. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what the
replacements rely on. ``fastws.restore("gevent-websocket")`` undoes it, also for connections that are open.

A text message of one frame is unmasked, checked and decoded in one pass; the host unmasks it byte by byte, checks it
twice and then decodes it. Its validator is left as these checks leave it. Errors, control frames, fragments and odd
types are the host's own work, with the same reads in the same order.

The validator itself is replaced where it is the host's own. Where the host found ``wsaccel`` when it was imported, that
one stays, and is asked about fragments only; ``fastws.hosts.wsaccel`` is as good.

Out of reach: classes that are derived from the host's ``WebSocket`` keep its ``read_message`` and ``send_frame``. What
is merged here is no longer called for usual messages, so patching it after ``accelerate`` has no effect:
``WebSocket.read_frame``, ``validate_utf8``, ``_decode_bytes``, ``_encode_bytes`` and ``Header.encode_header``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from .host import Host
from .replay import Replay
from .seams import make_seams
from .utf8_automaton import ACCEPT, REJECT, advance

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from .host import Seam

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
MSG_SOCKET_DEAD: Any = None
UTF8VALIDATOR_DFA_S: Any = None
Header: Any = None
ProtocolError: Any = None
WebSocket: Any = None
WebSocketError: Any = None
error: Any = OSError
struct: Any = None

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "websocket.Header.__init__": ("ba469c844c173225",),
    "websocket.Header.mask_payload": ("89b71b21d71633a3",),
    "websocket.Header.unmask_payload": ("89b71b21d71633a3",),
    "websocket.Header.decode_header": ("54c446bc0f0e0660",),
    "websocket.Header.encode_header": ("3963391f96e8ecfa",),
    "websocket.WebSocket.__init__": ("ad9afda6e669ffc2",),
    "websocket.WebSocket._decode_bytes": ("79e0a91dc3fd7f1a",),
    "websocket.WebSocket._encode_bytes": ("040ca2868cad583c",),
    "websocket.WebSocket.read_frame": ("033b47bd698e3090",),
    "websocket.WebSocket.validate_utf8": ("7f49153603921ecc",),
    "websocket.WebSocket.read_message": ("4eb5b95d28855020",),
    "websocket.WebSocket.send_frame": ("f96484e62ba4993b",),
    "websocket.Stream.__init__": ("1d8a1b5a18256974",),
}

# The same for the host's own validator, which is not there where the host found wsaccel.
_KNOWN_VALIDATOR: Final[dict[str, tuple[str, ...]]] = {
    "utf8validator.Utf8Validator.__init__": ("9ff980a09cdd697b",),
    "utf8validator.Utf8Validator.reset": ("c715cc49a09e2175",),
    "utf8validator.Utf8Validator.validate": ("b4fab84a451486eb",),
}


# Mask and UTF-8 -------------------------------------------------------------------------------------------------------


def _make_mask_payload(plain: FunctionType, backend: ModuleType) -> Any:
    xor_inplace = backend.mask_inplace

    def mask_payload(self: Any, payload: Any) -> Any:
        mask = self.mask
        if (
            (type(payload) is bytes or type(payload) is bytearray)
            and self.length == len(payload)
            and (type(mask) is bytes or type(mask) is bytearray)
            and len(mask) == 4
        ):
            payload = bytearray(payload)
            xor_inplace(payload, mask)
            return payload
        return plain(self, payload)

    return mask_payload


def _make_validate(plain: FunctionType, backend: ModuleType) -> Any:
    is_utf8, accept, reject, go = backend.is_utf8, ACCEPT, REJECT, advance

    def validate(self: Any, ba: Any) -> Any:
        state = self.state
        if type(state) is not int or not (type(ba) is bytes or type(ba) is bytearray):
            return plain(self, ba)
        if state == accept and is_utf8(ba):
            accepted = len(ba)
        elif ba:
            state, accepted = go(ba, state, UTF8VALIDATOR_DFA_S, backend)
            self.state = state
            if state == reject:
                self.i += accepted
                return False, False, accepted, self.i
        else:
            return plain(self, ba)
        self.i += accepted
        return True, state == accept, accepted, self.i

    return validate


def _make_decode_bytes(plain: FunctionType, backend: ModuleType) -> Any:
    # The pure twin has nothing faster than what the host does.
    decode_text = None if backend.kernel_name() == "none" else backend.decode_text

    def _decode_bytes(self: Any, bytestring: Any) -> Any:
        if decode_text is not None and (type(bytestring) is bytearray or type(bytestring) is bytes):
            try:
                return decode_text(bytestring)
            except ValueError:
                pass  # the host closes the connection, and raises its own
        return plain(self, bytestring)

    return _decode_bytes


def _make_encode_bytes(plain: FunctionType, backend: ModuleType) -> Any:
    # The pure twin has nothing faster than what the host does.
    encode_text = str.encode if backend.kernel_name() == "none" else backend.encode_text

    def _encode_bytes(self: Any, text: Any) -> Any:
        if type(text) is str:
            try:
                return encode_text(text)
            except UnicodeEncodeError:
                pass  # the host raises its own
        return plain(self, text)

    return _encode_bytes


# Receiving ------------------------------------------------------------------------------------------------------------


class _Begun:
    """A stream of which the first read is done."""

    __slots__ = ("_data", "_stream")

    def __init__(self, stream: Any, data: Any) -> None:
        self._stream = stream
        self._data = [data]

    def read(self, size: int) -> Any:
        return self._data.pop() if self._data else self._stream.read(size)


def _make_decode_header(plain: FunctionType, _: ModuleType) -> Any:
    begun, largest_control = _Begun, 125

    def decode_header(cls: Any, stream: Any) -> Any:
        read = stream.read
        data = read(2)
        if cls is not Header or type(data) is not bytes or len(data) != 2:
            return plain(cls, begun(stream, data))
        first, second = data
        length = second & 0x7F
        if first & 0x08 and (first < 0x80 or length > largest_control):
            return plain(cls, begun(stream, data))
        if length > largest_control:
            size, form = (2, "!H") if length == 126 else (8, "!Q")
            data = read(size)
            if len(data) != size:
                raise WebSocketError("Unexpected EOF while decoding header")
            length = struct.unpack(form, data)[0]
        header = cls(first >= 0x80, first & 0x0F, first & 0x70, length)
        if second >= 0x80:
            mask = read(4)
            if len(mask) != 4:
                raise WebSocketError("Unexpected EOF while decoding header")
            header.mask = mask
        return header

    return decode_header


def _make_read_frame(_plain: FunctionType, _: ModuleType) -> Any:
    read_masked = _read_masked

    def read_frame(self: Any) -> Any:
        header, payload = read_masked(self, Header.decode_header(self.stream), ProtocolError, WebSocketError)
        if payload and header.mask:
            payload = header.unmask_payload(payload)
        return header, payload

    return read_frame


def _read_masked(connection: Any, header: Any, protocol_error: Any, websocket_error: Any) -> tuple[Any, Any]:
    """A header and its payload, as that is on the wire."""
    if header.flags:
        raise protocol_error
    length = header.length
    if not length:
        return header, b""
    try:
        payload = connection.raw_read(length)
    except Exception:
        payload = b""
    if len(payload) != length:
        raise websocket_error("Unexpected EOF reading frame payload")
    return header, payload


def _make_read_message(plain: FunctionType, backend: ModuleType) -> Any:
    read_masked, decode_text, xor_inplace, replay = _read_masked, backend.decode_text, backend.mask_inplace, Replay
    validator_type: Any = _settable(plain.__globals__["Utf8Validator"])
    text, binary = 1, 2

    def read_message(self: Any) -> Any:
        if type(self) is not WebSocket:
            return plain(self)
        header, payload = read_masked(self, Header.decode_header(self.stream), ProtocolError, WebSocketError)
        validator, mask = self.utf8validator, header.mask
        if header.fin and type(payload) is bytes and (not mask or type(mask) is bytes):
            if header.opcode == text and type(validator) is validator_type:
                try:
                    decoded = decode_text(payload, mask or None)
                except ValueError:
                    pass  # the host's checks tell what is wrong
                else:
                    # As two checks of the whole message leave it, one of the frame and one of the message.
                    n = len(payload)
                    validator.reset()
                    validator.i = 2 * n
                    self.utf8validate_last = (True, True, n, 2 * n)
                    return decoded
            elif header.opcode == binary:
                validator.reset()
                self.utf8validate_last = (True, True, 0, 0)
                message = bytearray(payload)
                if mask:
                    xor_inplace(message, mask)
                return message
        if payload and mask:
            payload = header.unmask_payload(payload)
        return plain(replay(self, "read_frame", (header, payload)))

    return read_message


def _settable(validator_type: type) -> type | None:
    """The type of validator itself, if its count can be set; nobody else's is touched."""
    known = ("geventwebsocket.utf8validator", "wsaccel.utf8validator", "fastws.hosts.wsaccel")
    return validator_type if validator_type.__module__ in known else None


# Sending --------------------------------------------------------------------------------------------------------------


def _make_send_frame(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, text, binary, large = backend.encode_frame, 1, 2, 1024

    def send_frame(self: Any, message: Any, opcode: Any) -> Any:
        if (
            type(self) is not WebSocket
            or self.closed
            or not (
                (opcode == text and type(message) is str)
                # Of bytes the host, too, makes one copy; only what it does around that is saved here.
                or (opcode == binary and type(message) is bytes and len(message) < large)
            )
        ):
            return plain(self, message, opcode)
        try:
            frame = encode_frame(opcode, message)
        except UnicodeEncodeError:
            frame = None  # the host raises its own
        if frame is None:
            return plain(self, message, opcode)
        try:
            # The host hands a bytearray to whatever stands for the socket.
            self.raw_write(bytearray(frame))
        except error:
            raise WebSocketError(MSG_SOCKET_DEAD)  # noqa: B904 (as the host does)
        return None

    return send_frame


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "websocket.Header.mask_payload": _make_mask_payload,
    "websocket.Header.unmask_payload": _make_mask_payload,
    "websocket.Header.decode_header": _make_decode_header,
    "websocket.WebSocket._decode_bytes": _make_decode_bytes,
    "websocket.WebSocket._encode_bytes": _make_encode_bytes,
    "websocket.WebSocket.read_frame": _make_read_frame,
    "websocket.WebSocket.read_message": _make_read_message,
    "websocket.WebSocket.send_frame": _make_send_frame,
}

_REPLACED_VALIDATOR: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "utf8validator.Utf8Validator.validate": _make_validate,
}


def _seams(backend: ModuleType) -> list[Seam]:
    package = sys.modules["geventwebsocket"]
    seams = make_seams(package, _KNOWN, _REPLACED, backend)
    found = sys.modules["geventwebsocket.utf8validator"].Utf8Validator
    if found.__module__ == "geventwebsocket.utf8validator":
        seams += make_seams(package, _KNOWN_VALIDATOR, _REPLACED_VALIDATOR, backend)
    return seams


HOST: Final = Host(
    name="gevent-websocket",
    distribution="gevent-websocket",
    package="geventwebsocket",
    tried="0.10 to 0.10.1",
    depth="frame",
    replaces=tuple([f"geventwebsocket.{path}" for path in (*_REPLACED, *_REPLACED_VALIDATOR)]),
    cannot_reach="wsaccel's validator, where the host found it when it was imported, still checks fragments",
    seams=_seams,
    modules=("geventwebsocket.websocket", "geventwebsocket.utf8validator"),
)
