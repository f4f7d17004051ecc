"""websocket-client: mask, UTF-8 check, frame parsing and building, message assembly and the reads below them.

Tried with 1.7.0, 1.8.0, 1.9.0, 1.9.1 and 1.9.2, with wsaccel and without. ``_REPLACED`` lists what is replaced, and
``_KNOWN`` what the replacements rely on. ``fastws.restore("websocket-client")`` undoes it, also for connections that
are open.

Every replacement does the usual case, exactly as the host would, and leaves the others to the host's own function:
errors, trace logging, close frames, short reads, odd types. The methods that people override or patch
(``WebSocket.recv_frame``, ``recv_data_frame``, ``recv_data``, ``pong``, ``frame_buffer.recv_strict``, the ``recv`` that
a ``frame_buffer`` is given, ``set_mask_key``) are still called, in the same order, and subclasses keep their say. No
byte is read before the host would have read it, because dispatchers wait with ``select`` for bytes not yet read.

Out of reach: ``WebSocketApp`` decodes text messages in a function inside ``run_forever``, and every frame costs the
host's two reads. What is merged here is no longer called, so patching it after ``accelerate``, or on one object, has no
effect: the steps of ``frame_buffer.recv_frame`` (``recv_header``, ``has_mask``, …), ``ABNF.validate`` for data frames,
``continuous_frame`` for messages of one frame, and ``ABNF.mask`` below ``ABNF.format``.
"""

from __future__ import annotations

import array
import struct
import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from .host import Host
from .random_source import SYSTEM_RANDOM
from .replay import Replay
from .seams import make_seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from .host import Seam

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
ABNF: Any = None
frame_buffer: Any = None
continuous_frame: Any = None
isEnabledForTrace: Any = None  # noqa: N816

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "_utils._validate_utf8": ("213a3e54d4826fd6", "4e8b9985824cb280"),
    "_abnf._mask": ("6e93099c5b049db5", "a836cf97ff48dccd"),
    "_abnf.ABNF.__init__": ("48c390e2ff873c2e",),
    "_abnf.ABNF.validate": ("723b30e2545f8f43", "da1bbc2a5124f12b", "df17da07f331361e"),
    "_abnf.ABNF.format": ("5a21dfe53a547a09",),
    "_abnf.ABNF._get_masked": ("d57fdaec5ac6a34d",),
    "_abnf.ABNF.mask": ("fdac6fc2985d3ff4",),
    "_abnf.frame_buffer.__init__": ("74f4efae9879a4c8",),
    "_abnf.frame_buffer.clear": ("ce8451223c6b5a9f",),
    "_abnf.frame_buffer.recv_header": ("2f1606ec62eec1c7",),
    "_abnf.frame_buffer.has_mask": ("e33b3651910be312",),
    "_abnf.frame_buffer.recv_length": ("356307d173b6c08f", "9d47796b5b9f1131"),
    "_abnf.frame_buffer.recv_mask": ("7c621e0b72146f2e",),
    "_abnf.frame_buffer.recv_frame": ("068cfcbefc8721bd", "caf9d9646db46e24"),
    "_abnf.frame_buffer.recv_strict": ("6d8d4d118a369d57", "a9da058173bb297a"),
    "_abnf.continuous_frame.__init__": ("7b0d9773931e6367",),
    "_abnf.continuous_frame.validate": ("86edc1ff5a58b52f",),
    "_abnf.continuous_frame.add": ("82a6369766ee9a6a",),
    "_abnf.continuous_frame.is_fire": ("99e1c1526ae04609",),
    "_abnf.continuous_frame.extract": ("de3be3f30b5e0b0a", "ff4585fff9cf071f"),
    "_core.WebSocket.recv": ("3b305cd10f60d095",),
    "_core.WebSocket.recv_data_frame": ("18ff66b31427b42a", "c109026ce5826da3"),
    "_socket.recv": ("593fc896299fe0cb", "d5f611462eac69d7"),
    "_socket.send": ("31ee1a98a1caa08d", "ebdd8e8dc9be4cc9"),
}


# Mask and UTF-8 -------------------------------------------------------------------------------------------------------


def _make_mask_arrays(plain: FunctionType, backend: ModuleType) -> Any:
    xor, byte_array = backend.mask, array.array

    def _mask(mask_value: Any, data_value: Any) -> Any:
        if (
            type(mask_value) is byte_array
            and type(data_value) is byte_array
            and mask_value.typecode == data_value.typecode == "B"
            and len(mask_value) == 4
        ):
            return xor(data_value, mask_value)
        return plain(mask_value, data_value)

    return _mask


def _make_mask(plain: FunctionType, backend: ModuleType) -> Any:
    xor = backend.mask

    def mask(mask_key: Any, data: Any) -> Any:
        if type(mask_key) is bytes and len(mask_key) == 4 and type(data) is bytes:
            return xor(data, mask_key)
        return plain(mask_key, data)

    return mask


def _make_validate_utf8(plain: FunctionType, backend: ModuleType) -> Any:
    is_utf8, new_validator = backend.is_utf8, backend.Utf8Validator

    def _validate_utf8(utfbytes: Any) -> Any:
        if type(utfbytes) is not bytes:
            return plain(utfbytes)
        if is_utf8(utfbytes):
            return True
        try:
            new_validator().feed(utfbytes)
        except ValueError:
            return False
        return True  # the host lets text end inside a code point

    return _validate_utf8


# Building frames ------------------------------------------------------------------------------------------------------


def _make_format(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, new_key, system_random = backend.encode_frame, backend.new_key, SYSTEM_RANDOM
    replay, zero, one, largest_control, data_opcodes, opcodes = Replay, 0, 1, 125, (0, 1, 2), (0, 1, 2, 8, 9, 10)

    def format(self: Any) -> Any:  # noqa: A001 (the host's name)
        data, opcode, fin = self.data, self.opcode, self.fin
        if not (
            type(self) is ABNF
            and type(data) is bytes
            and self.mask_value is one
            and (fin is one or fin is zero)
            and self.rsv1 is zero
            and self.rsv2 is zero
            and self.rsv3 is zero
            and type(opcode) is int
            and (opcode in data_opcodes or (fin is one and opcode in opcodes and len(data) <= largest_control))
        ):
            return plain(self)
        get_mask_key = self.get_mask_key
        if get_mask_key is system_random:
            return encode_frame(opcode, data, fin=fin, key=new_key())
        key = get_mask_key(4)
        if type(key) is bytes and len(key) == 4:
            return encode_frame(opcode, data, fin=fin, key=key)
        return plain(replay(self, "get_mask_key", key))

    return format


# Parsing frames -------------------------------------------------------------------------------------------------------

# What each value of the first and of the second byte of a frame says, as the host keeps it in ``frame_buffer.header``:
# fin, three reserved bits, opcode; whether there is a mask, 7 bits of length.
_FIRST: Final = tuple([(b >> 7, b >> 6 & 1, b >> 5 & 1, b >> 4 & 1, b & 0x0F) for b in range(256)])
_SECOND: Final = tuple([(b >> 7, b & 0x7F) for b in range(256)])


def _make_recv_frame(plain: FunctionType, _: ModuleType) -> Any:
    first_byte, second_byte, read_length = _FIRST, _SECOND, _read_length

    def recv_frame(self: Any) -> Any:
        if type(self) is not frame_buffer:
            return plain(self)
        with self.lock:
            header, length, mask_value = self.header, self.length, self.mask_value
            try:
                if header is None:
                    start = self.recv_strict(2)
                    header = first_byte[start[0]] + second_byte[start[1]]
                fin, rsv1, rsv2, rsv3, opcode, masked, bits = header
                if length is None:
                    length = bits if bits < 126 else read_length(self, bits)
                if mask_value is None:
                    mask_value = self.recv_strict(4) if masked else ""
                payload = self.recv_strict(length)
                if masked:
                    payload = ABNF.mask(mask_value, payload)
            except BaseException:
                # What was read is kept as the host keeps it: the next call goes on from there.
                self.header, self.length, self.mask_value = header, length, mask_value
                raise
            if self.header is not None:
                self.clear()
            frame = ABNF(fin, rsv1, rsv2, rsv3, opcode, masked, payload)
            if opcode > 2 or rsv1 or rsv2 or rsv3:
                frame.validate(self.skip_utf8_validation)
        return frame

    return recv_frame


def _read_length(buffer: Any, bits: int) -> int:
    """The length that stands in bytes of its own (RFC 6455 §5.2); the host takes any."""
    form, size = ("!H", 2) if bits == 126 else ("!Q", 8)
    length: int = struct.unpack(form, buffer.recv_strict(size))[0]
    return length


# The host reads no more than this at once.
_LARGEST_READ: Final = 16384


def _make_recv_strict(plain: FunctionType, _: ModuleType) -> Any:
    replay, read_large, largest_read = Replay, _read_large, _LARGEST_READ

    def recv_strict(self: Any, bufsize: Any) -> Any:
        if type(bufsize) is not int or bufsize < 1 or self.recv_buffer:
            return plain(self, bufsize)
        if bufsize > largest_read:
            return read_large(self, bufsize, plain)
        data = self.recv(bufsize)
        if type(data) is not bytes:
            return plain(replay(self, "recv", data), bufsize)
        if len(data) == bufsize:
            return data
        self.recv_buffer.append(data)
        return plain(self, bufsize)

    return recv_strict


def _read_large(buffer: Any, size: int, plain: Callable[..., Any]) -> Any:
    """Read into one place that grows with what arrives, rather than join many pieces at the end.

    The same memory then serves every read, which matters more than the copy that is saved: with half of the memory in
    use, the allocator does not give it back to the system, and ask for it again, at every message.
    """
    gathered, pieces, missing = BytesIO(), [], size
    try:
        while missing > 0:
            data = buffer.recv(min(_LARGEST_READ, missing))
            if type(data) is not bytes:
                break
            gathered.write(data)
            pieces.append(len(data))
            missing -= len(data)
    finally:
        if missing:
            # What was read is kept as the host keeps it, piece by piece: the next call goes on from there.
            gathered.seek(0)
            buffer.recv_buffer += [gathered.read(piece) for piece in pieces]
    if not missing:
        return gathered.getvalue()
    return plain(buffer if missing < 0 else Replay(buffer, "recv", data), size)


# Assembling messages --------------------------------------------------------------------------------------------------


class _GrowingMessage(list[Any]):
    """The host's ``[opcode, data]`` of an unfinished message, whose data grows in place.

    The host adds each fragment to a new ``bytes``, so a message of many fragments costs the square of its size. Here
    the second item is a ``bytearray``, which reads as ``bytes``.
    """

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        if type(item) is list:
            return [bytes(part) if type(part) is bytearray else part for part in item]
        return bytes(item) if type(item) is bytearray else item

    def __iter__(self) -> Any:
        for item in super().__iter__():
            yield bytes(item) if type(item) is bytearray else item

    def __repr__(self) -> str:
        return repr(list(self))

    def __reduce__(self) -> Any:
        return list, (list(self),)


def _make_add(plain: FunctionType, _: ModuleType) -> Any:
    growing, large = _GrowingMessage, 4096

    def add(self: Any, frame: Any) -> Any:
        message, data = self.cont_data, frame.data
        if message and type(data) is bytes:
            if type(message) is list and type(message[1]) is bytes and len(message[1]) >= large:
                self.cont_data = message = growing([message[0], bytearray(message[1]), *message[2:]])
            if type(message) is growing:
                gathered = list.__getitem__(message, 1)
                if type(gathered) is bytearray:
                    gathered += data
                    if frame.fin:
                        self.recving_frames = None
                    return
        plain(self, frame)

    return add


# Receiving messages ---------------------------------------------------------------------------------------------------


def _make_recv_data_frame(plain: FunctionType, backend: ModuleType) -> Any:
    replay, is_utf8 = Replay, backend.is_utf8
    text, binary, ping, pong, data_opcodes, longest_ping = 1, 2, 9, 10, (0, 1, 2), 125

    def recv_data_frame(self: Any, control_frame: Any = False) -> Any:
        while True:
            frame = self.recv_frame()
            if type(frame) is not ABNF or isEnabledForTrace():
                return plain(replay(self, "recv_frame", frame), control_frame)
            opcode = frame.opcode
            if opcode in data_opcodes:
                assembler = self.cont_frame
                if (
                    # A message of one frame leaves the assembler as it finds it.
                    frame.fin
                    and type(assembler) is continuous_frame
                    and assembler.cont_data is None
                    and assembler.recving_frames is None
                    and type(frame.data) is bytes
                    and (
                        opcode == binary
                        or (
                            opcode == text
                            and (is_utf8(frame.data) or assembler.skip_utf8_validation or assembler.fire_cont_frame)
                        )
                    )
                ):
                    return opcode, frame
                assembler.validate(frame)
                assembler.add(frame)
                if assembler.is_fire(frame):
                    return assembler.extract(frame)
            elif opcode == ping and len(frame.data) <= longest_ping:
                self.pong(frame.data)
                if control_frame:
                    return opcode, frame
            elif opcode != pong or control_frame:
                return plain(replay(self, "recv_frame", frame), control_frame)

    return recv_data_frame


def _make_recv(_: FunctionType, backend: ModuleType) -> Any:
    # The pure twin has nothing faster than what the host does.
    decode_text = bytes.decode if backend.kernel_name() == "none" else backend.decode_text
    text, binary = 1, 2

    def recv(self: Any) -> Any:
        with self.readlock:
            opcode, data = self.recv_data()
        if opcode == binary:
            return data
        if opcode != text:
            return ""
        if type(data) is bytes:
            try:
                return decode_text(data)
            except ValueError:
                pass  # the host's own decoder tells what is wrong
        if isinstance(data, bytes):
            return data.decode("utf-8")
        return data if isinstance(data, str) else None

    return recv


# Sockets --------------------------------------------------------------------------------------------------------------


def _make_socket_recv(plain: FunctionType, _: ModuleType) -> Any:
    replay = Replay

    def recv(sock: Any, bufsize: Any) -> Any:
        if not sock:
            return plain(sock, bufsize)
        data = failure = None
        try:
            data = sock.recv(bufsize)
            if data:
                return data
        except BaseException as error:
            failure = error
        try:
            return plain(replay(sock, "recv", data, failure), bufsize)
        finally:
            del failure

    return recv


def _make_socket_send(plain: FunctionType, _: ModuleType) -> Any:
    replay = Replay

    def send(sock: Any, data: Any) -> Any:
        if not sock or type(data) is not bytes:
            return plain(sock, data)
        try:
            return sock.send(data)
        except BaseException as error:
            failure = error
        try:
            return plain(replay(sock, "send", failure=failure), data)
        finally:
            del failure

    return send


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "_utils._validate_utf8": _make_validate_utf8,
    "_abnf._mask": _make_mask_arrays,
    "_abnf.ABNF.mask": _make_mask,
    "_abnf.ABNF.format": _make_format,
    "_abnf.frame_buffer.recv_frame": _make_recv_frame,
    "_abnf.frame_buffer.recv_strict": _make_recv_strict,
    "_abnf.continuous_frame.add": _make_add,
    "_core.WebSocket.recv_data_frame": _make_recv_data_frame,
    "_core.WebSocket.recv": _make_recv,
    "_socket.recv": _make_socket_recv,
    "_socket.send": _make_socket_send,
}


# What other modules of the host have imported by name.
_IMPORTED_BY_NAME: Final = ("_socket.recv", "_socket.send")


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["websocket"], _KNOWN, _REPLACED, backend, _IMPORTED_BY_NAME)


HOST: Final = Host(
    name="websocket-client",
    distribution="websocket-client",
    package="websocket",
    tried="1.7.0 to 1.9.2",
    depth="frame",
    replaces=tuple([f"websocket.{path}" for path in _REPLACED]),
    cannot_reach="text is decoded by WebSocketApp.run_forever itself; two system calls per frame stay",
    seams=_seams,
    modules=("websocket",),
)
