"""ws4py: mask, UTF-8 check, frame building and parsing, messages to and from ``str``, and what sends and receives them.

Tried with 0.5.1 and 0.6.0. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what the replacements rely on.

A message of one frame, as nearly all are, is taken out of the stream at once, where the host runs a generator for every
step of its header. Everything else goes to the host's own receiver, byte by byte as before: control frames, fragments,
errors, short reads, chunks that end anywhere. So what a ``Stream`` asks for, and what it makes of chunks of any size,
does not change.

``WebSocket.run`` reads what is there, up to 64 KiB, where the host asks the socket four times for every frame. Nobody
else reads this socket: ``run`` ends the connection when it returns, and ``received_message`` is still called for one
message after the other, until ``terminated`` says otherwise. What differs: a ``received_message`` that reads from
``sock`` itself finds nothing there of what came behind its message. ``once`` and ``process``, which managers and event
loops call, read no byte before the host would.

Out of reach: a connection that is open keeps the receiver that it was opened with, across ``accelerate`` and
``restore``. What is merged here is no longer called for usual messages, so patching it after ``accelerate`` has no
effect: ``Frame`` and its parser when receiving, ``Stream.text_message``, ``Stream.binary_message`` and
``Message.single`` in ``send``, ``once`` and ``process`` of the class itself in ``run``.
"""

from __future__ import annotations

import os
import sys
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

from .host import Host
from .random_source import SYSTEM_RANDOM
from .seams import make_seams
from .utf8_automaton import ACCEPT, REJECT, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FunctionType, ModuleType

    from .host import Seam

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
BinaryMessage: Any = None
Frame: Any = None
Heartbeat: Any = None
Stream: Any = None
TextMessage: Any = None
Utf8Validator: Any = None
errno: Any = None
pyOpenSSLError: Any = OSError  # noqa: N816

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "utf8validator.Utf8Validator.__init__": ("9ff980a09cdd697b",),
    "utf8validator.Utf8Validator.reset": ("4234037808eedab9",),
    "utf8validator.Utf8Validator.validate": ("3d5a8a44a4c2b58e",),
    "framing.Frame.__init__": ("8603245852443d39",),
    "framing.Frame._cleanup": ("aa9d541f8a483311",),
    "framing.Frame._parsing": ("7b89b9375dcd490b",),
    "framing.Frame.mask": ("599bc0487c65b24b",),
    "framing.Frame.unmask": ("599bc0487c65b24b",),
    "framing.Frame.build": ("07706a8fdfb760c0",),
    "messaging.Message.__init__": ("2f1902aee1b5707b",),
    "messaging.Message.single": ("bde76373bec95b75",),
    "messaging.Message.extend": ("87cbc4b5347fa19e",),
    "messaging.Message.__len__": ("d43e53e14413fc8e",),
    "messaging.Message.__str__": ("93d952aeac21563a",),
    "messaging.Message.__unicode__": ("75174c5af2d2a5d1",),
    "messaging.TextMessage.__init__": ("d2021d671bdeb5a0",),
    "messaging.BinaryMessage.__init__": ("e9a75073a8ae85cb",),
    "streaming.Stream.__init__": ("1da5aaaf04cc41d0",),
    "streaming.Stream._cleanup": ("107e835c4a7b5d0b",),
    "streaming.Stream.text_message": ("fae4f10e096fd313",),
    "streaming.Stream.binary_message": ("4077bffa26a52ffd",),
    "streaming.Stream.receiver": ("5b44d03f40f16b59",),
    "websocket.WebSocket._write": ("d1ac9efd8f98735a",),
    "websocket.WebSocket.send": ("7d2a664e49bfe1dc",),
    "websocket.WebSocket.once": ("3d6aa4d2c1c82671",),
    "websocket.WebSocket.process": ("ed43a7f1d84919f6", "017c95a6f85b0ec7"),
    "websocket.WebSocket.run": ("3772e0a4cede361c",),
    "websocket.WebSocket.terminate": ("3b598733f8445231",),
}


# Mask and UTF-8 -------------------------------------------------------------------------------------------------------


def _make_mask(plain: FunctionType, backend: ModuleType) -> Any:
    xor_inplace = backend.mask_inplace

    def mask(self: Any, data: Any) -> Any:
        key = self.masking_key
        # A key that came together with the payload may be longer: the host then uses its first four bytes.
        if (type(data) is bytes or type(data) is bytearray) and type(key) is bytes and len(key) >= 4:
            masked = bytearray(data)
            xor_inplace(masked, key[:4])
            return masked
        return plain(self, data)

    return mask


def _make_validate(plain: FunctionType, backend: ModuleType) -> Any:
    is_utf8, accept, reject, go = backend.is_utf8, ACCEPT, REJECT, advance

    def validate(self: Any, ba: Any) -> Any:
        state, n = self.state, len(ba)
        if not n or type(state) is not int or not (type(ba) is bytes or type(ba) is bytearray):
            return plain(self, ba)
        if state == accept and is_utf8(ba):
            position = n - 1
        else:
            state, position = go(ba, state, Utf8Validator.UTF8VALIDATOR_DFA, backend)
            self.state = state
            if state == reject:
                self.i += position
                return False, False, position, self.i
            # The host tells the index of the last byte.
            position -= 1
        self.i += position
        return True, state == accept, position, self.i

    return validate


# Building frames ------------------------------------------------------------------------------------------------------


def _make_build(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, is_usual = backend.encode_frame, _is_usual

    def build(self: Any) -> Any:
        body, opcode, fin, key = self.body, self.opcode, self.fin, self.masking_key
        if (
            type(self) is Frame
            and type(body) is bytes
            and self.payload_length == len(body)
            and type(fin) is int
            and is_usual(opcode, fin, len(body))
            and self.rsv1 == self.rsv2 == self.rsv3 == 0
            and (not key or (type(key) is bytes and len(key) == 4))
        ):
            return encode_frame(opcode, body, fin=fin, key=key or None)
        return plain(self)

    return build


def _is_usual(opcode: Any, fin: int, length: int) -> bool:
    """Whether the codec builds such a frame as well; the host builds many that a peer must refuse."""
    if type(opcode) is not int or not 0 <= fin <= 1:
        return False
    return 0 <= opcode <= 2 or (8 <= opcode <= 10 and fin == 1 and length <= 125)


# Messages -------------------------------------------------------------------------------------------------------------


def _make_message_init(plain: FunctionType, backend: ModuleType) -> Any:
    encoded = _encoder(backend)

    def __init__(self: Any, opcode: Any, data: Any = b"", encoding: Any = "utf-8") -> Any:  # noqa: N807 (the host's name)
        if type(data) is str and encoding == "utf-8":
            data = encoded(data)
        if type(data) is not bytes:
            return plain(self, opcode, data, encoding)
        self.opcode = opcode
        self._completed = False
        self.encoding = encoding
        self.data = data
        return None

    return __init__


def _encoder(backend: ModuleType) -> Callable[[str], str | bytes]:
    # The pure twin has nothing faster than what the host does.
    encode_text = str.encode if backend.kernel_name() == "none" else backend.encode_text

    def encoded(text: str) -> str | bytes:
        """The text as UTF-8, or as it is where it has none, for the host to tell why."""
        try:
            data: bytes = encode_text(text)
        except UnicodeEncodeError:
            return text
        return data

    return encoded


def _make_text(plain: FunctionType, backend: ModuleType) -> Any:
    decode_text = bytes.decode if backend.kernel_name() == "none" else backend.decode_text

    def text(self: Any) -> Any:
        data = self.data
        if type(data) is bytes and self.encoding == "utf-8":
            try:
                return decode_text(data)
            except ValueError:
                pass  # the host raises its own
        return plain(self)

    return text


def _make_single(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, new_key, is_usual = backend.encode_frame, backend.new_key, _is_usual
    urandom, frame_type = SYSTEM_RANDOM, plain.__globals__["Frame"]

    def single(self: Any, mask: Any = False) -> Any:
        data, opcode = self.data, self.opcode
        if (
            type(data) is not bytes
            or Frame is not frame_type
            or os.urandom is not urandom
            or not is_usual(opcode, 1, len(data))
        ):
            return plain(self, mask)
        return encode_frame(opcode, data, key=new_key() if mask else None)

    return single


# Receiving ------------------------------------------------------------------------------------------------------------


class _ReadAhead:
    """Bytes that ``WebSocket.run`` has read, for a receiver to take whole messages from.

    Attributes:
        data: the bytes.
        position: how many of them are taken.
    """

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0


def _make_receiver(plain: FunctionType, backend: ModuleType) -> Any:
    deliver = _make_deliver(plain, backend)
    take, gather, leave_to_host = _make_take(deliver), _gather, _leave_to_host
    read_ahead, validator_type = _ReadAhead, sys.modules["ws4py.utf8validator"].Utf8Validator

    def receiver(self: Any) -> Any:
        host = plain(self)
        start = next(host)
        validator = host.gi_frame.f_locals["utf8validator"]
        if type(validator) is not validator_type:
            validator = None
        try:
            while True:
                # Waiting here is waiting for the start of a frame: within one, one of the generators below waits.
                chunk = yield start
                if type(chunk) is read_ahead:
                    chunk.position = take(self, validator, chunk.data, chunk.position)
                    continue
                pieces = [chunk]
                if type(chunk) is bytes:
                    if len(chunk) > 2:
                        # The host, too, drops what comes after the frame.
                        if take(self, validator, chunk, 0):
                            continue
                    else:
                        pieces, message = yield from gather(chunk)
                        if message is not None and deliver(self, validator, *message):
                            continue
                yield from leave_to_host(host, pieces)
        finally:
            host.close()

    return receiver


def _leave_to_host(host: Any, pieces: list[Any]) -> Generator[int, Any, None]:
    """Let the host's receiver have a frame, of which these pieces have arrived."""
    frame, need = host.gi_frame.f_locals["frame"], 0
    for piece in pieces:
        need = host.send(piece)
    # What the host sets when it has done with a frame.
    while frame.body is not None:
        need = host.send((yield need))


def _make_deliver(plain: FunctionType, backend: ModuleType) -> Any:
    xor, is_utf8, host, text, accept = backend.mask, backend.is_utf8, plain.__globals__, 1, ACCEPT
    frame_type, text_type, binary_type = host["Frame"], host["TextMessage"], host["BinaryMessage"]

    def deliver(stream: Any, validator: Any, opcode: int, key: bytes | None, payload: bytes) -> bool:
        """Make a message of the payload of one frame; False where that is for the host to do."""
        kind = host["TextMessage"] if opcode == text else host["BinaryMessage"]
        if (
            stream.message is not None
            or validator is None
            or validator.state != accept
            or (kind is not text_type and kind is not binary_type)
            or host["Frame"] is not frame_type
        ):
            return False
        if payload:
            expected = stream.expect_masking
            if (key is None) if expected else (key is not None):
                return False
            if key is not None:
                payload = xor(payload, key)
        if opcode == text and not is_utf8(payload):
            return False
        message = kind(payload)
        message.completed = True
        stream.message = message
        return True

    return deliver


def _make_take(deliver: Callable[..., bool]) -> Any:
    whole_text, whole_binary, from_bytes = 0x81, 0x82, int.from_bytes

    def take(stream: Any, validator: Any, data: bytes, start: int) -> int:
        """Take a message of one frame; where it ends, or ``start`` if it is not all there, or is for the host."""
        n, first = len(data), data[start : start + 2]
        if len(first) < 2 or (first[0] != whole_text and first[0] != whole_binary):
            return start
        length, body = first[1] & 0x7F, start + 2
        if length > 125:
            body = start + (4 if length == 126 else 10)
            if body > n:
                return start
            length = from_bytes(data[start + 2 : body], "big")
        key = None
        if first[1] > 0x7F:
            body += 4
            key = data[body - 4 : body]
        end = body + length
        if end > n or not deliver(stream, validator, first[0] & 0x0F, key, data[body:end]):
            return start
        return end

    return take


_Message = tuple[int, bytes | None, bytes]


def _gather(piece: bytes) -> Generator[int, Any, tuple[list[Any], _Message | None]]:
    """Ask for the rest of a frame, just as the host asks for it, as long as it may be a message.

    Returns: the pieces that arrived, and opcode, key and payload of the message; None where the host is to go on.
    """
    pieces: list[Any] = [piece]
    if piece[:1] not in (b"\x81", b"\x82"):
        return pieces, None
    opcode = piece[0] & 0x0F
    if len(piece) == 1:
        piece = yield 1
        pieces.append(piece)
        if type(piece) is not bytes or len(piece) != 1:
            return pieces, None
    second, key = piece[-1], None
    length = second & 0x7F
    if length > 125:
        size = 2 if length == 126 else 8
        piece = yield size
        pieces.append(piece)
        if type(piece) is not bytes or len(piece) != size or (size == 8 and piece[0] > 0x7F):
            return pieces, None
        length = int.from_bytes(piece, "big")
    if second > 0x7F:
        key = yield 4
        pieces.append(key)
        if type(key) is not bytes or len(key) != 4:
            return pieces, None
    payload = len(pieces)
    while length > 0:
        piece = yield length
        pieces.append(piece)
        if type(piece) is not bytes or len(piece) > length:
            return pieces, None
        length -= len(piece)
    return pieces, (opcode, key, pieces[payload] if len(pieces) == payload + 1 else b"".join(pieces[payload:]))


# Bytes that ``run`` asks the socket for.
_MOST_READ: Final = 65_536


def _make_run(plain: FunctionType, _: ModuleType) -> Any:
    can_read_ahead, read, hand_out = _reading_ahead(plain.__globals__), _read, _hand_out

    def run(self: Any) -> Any:
        self.sock.setblocking(True)
        with Heartbeat(self, frequency=self.heartbeat_freq):
            try:
                self.opened()
                while not self.terminated:
                    if can_read_ahead(self):
                        sock = self.sock
                        if not read(self, sock, (OSError, pyOpenSSLError), errno.EINTR):
                            break
                        if hand_out(self, sock):
                            continue
                    if not self.once():
                        break
            finally:
                self.terminate()

    return run


def _read(connection: Any, sock: Any, errors: tuple[Any, ...], interrupted: int) -> bool:
    """Read what is there, if nothing is left; whether the connection goes on."""
    if connection.buf:
        return True
    try:
        connection.buf += sock.recv(max(connection.reading_buffer_size, _MOST_READ))
    except errors as error:
        if getattr(error, "errno", None) == interrupted:
            return True
        connection.unhandled_error(error)
        return False
    return bool(connection.buf)


def _reading_ahead(host: dict[str, Any]) -> Callable[[Any], bool]:
    stream_type, once, process = host["Stream"], host["WebSocket"].once, host["WebSocket"].process

    def can_read_ahead(connection: Any) -> bool:
        """Whether the steps of ``run`` are the host's own."""
        kind, own = type(connection), vars(connection)
        return (
            kind.once is once
            and kind.process is process
            and type(connection.stream) is stream_type
            and "once" not in own
            and "process" not in own
        )

    return can_read_ahead


def _hand_out(connection: Any, sock: Any) -> bool:
    """Give the program every message that is read and whole; whether that was all there is to do for now."""
    stream = connection.stream
    parser = stream.parser
    if (
        stream.closing is not None
        or stream.errors
        or type(parser) is not GeneratorType
        or parser.gi_code.co_filename != __file__
        or parser.gi_yieldfrom is not None
    ):
        return False
    ahead = _ReadAhead(connection.buf)
    send, end, position = parser.send, len(ahead.data), 0
    try:
        while position < end:
            connection.reading_buffer_size = send(ahead)
            if ahead.position == position:
                return False
            position = ahead.position
            connection.received_message(stream.message)
            if stream.message is not None:
                stream.message.data = None
                stream.message = None
            if connection.terminated or connection.sock is not sock:
                break
    finally:
        if connection.sock is not sock:
            # The host would have left these bytes in the socket.
            connection.buf = b""
        elif position:
            connection.buf = ahead.data[position:]
    return True


# Sending --------------------------------------------------------------------------------------------------------------


def _make_send(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, new_key, text, binary_ = backend.encode_frame, backend.new_key, 1, 2
    urandom, messaging = SYSTEM_RANDOM, sys.modules["ws4py.messaging"]

    def send(self: Any, payload: Any, binary: Any = False) -> Any:
        stream = self.stream
        if (
            type(stream) is not Stream
            or not (type(payload) is bytes or (type(payload) is str and not binary))
            or messaging.os.urandom is not urandom
        ):
            return plain(self, payload, binary)
        key = new_key() if stream.always_mask else None
        try:
            frame = encode_frame(binary_ if binary else text, payload, key=key)
        except UnicodeEncodeError:
            frame = None  # the host raises its own
        if frame is None:
            return plain(self, payload, binary)
        self._write(frame)
        return None

    return send


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "utf8validator.Utf8Validator.validate": _make_validate,
    "framing.Frame.mask": _make_mask,
    "framing.Frame.unmask": _make_mask,
    "framing.Frame.build": _make_build,
    "messaging.Message.__init__": _make_message_init,
    "messaging.Message.__str__": _make_text,
    "messaging.Message.__unicode__": _make_text,
    "messaging.Message.single": _make_single,
    "streaming.Stream.receiver": _make_receiver,
    "websocket.WebSocket.run": _make_run,
    "websocket.WebSocket.send": _make_send,
}


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["ws4py"], _KNOWN, _REPLACED, backend)


HOST: Final = Host(
    name="ws4py",
    distribution="ws4py",
    package="ws4py",
    tried="0.5.1 to 0.6.0",
    depth="frame",
    replaces=tuple([f"ws4py.{path}" for path in _REPLACED]),
    cannot_reach="control frames and fragments go through the host's own parser; so do connections that are open",
    seams=_seams,
    modules=("ws4py.websocket", "ws4py.utf8validator", "ws4py.framing", "ws4py.messaging", "ws4py.streaming"),
)
