"""The codec in Python: the specification to read, and what runs where nothing can be compiled.

``_native.pyx`` has the same sections in the same order, the same names, the same results and the same errors; the
docstrings stand here in full and there with their first sentence. The order is the one in which a frame is read:
values, header, mask, utf8, decoder, assembler, encoder.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from operator import index
from typing import Any, Final, NoReturn, TypeAlias

from .errors import Fault, ProtocolError, protocol_error
from .frames import (
    DEFAULT_MAX_FRAGMENTS,
    MAX_CLOSE_REASON,
    MAX_CONTROL_PAYLOAD,
    MAX_PAYLOAD,
    CloseCode,
    Opcode,
    Role,
    is_sendable_close_code,
)

#: Anything that exports a C-contiguous buffer: bytes, bytearray, memoryview, array.array, mmap, …
Buffer: TypeAlias = Any

_CONTINUATION: Final = int(Opcode.CONTINUATION)
_TEXT: Final = int(Opcode.TEXT)
_BINARY: Final = int(Opcode.BINARY)
_CLOSE: Final = int(Opcode.CLOSE)
_PING: Final = int(Opcode.PING)
_PONG: Final = int(Opcode.PONG)

_OPCODES: Final[dict[int, Opcode]] = {int(opcode): opcode for opcode in Opcode}


def _as_bytes(data: Buffer) -> bytes:
    """The bytes of a buffer: itself where it is ``bytes``, a copy otherwise."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    if not view.c_contiguous:
        raise BufferError("a C-contiguous buffer is required")
    return view.tobytes()


def _as_key(key: Buffer) -> bytes:
    key = _as_bytes(key)
    if len(key) != 4:
        raise ValueError(f"a masking key has 4 bytes, not {len(key)}")
    return key


def _as_phase(phase: int) -> int:
    phase = index(phase)
    if not 0 <= phase <= 3:
        raise ValueError(f"phase is 0 to 3, not {phase}")
    return phase


# Values ---------------------------------------------------------------------------------------------------------------


def _require_bytes(data: Any, what: str) -> bytes:
    if not isinstance(data, bytes):
        raise TypeError(f"{what} is bytes, not {type(data).__name__!r}")
    return data if type(data) is bytes else bytes(data)


class _Value:
    """Equality, hash, repr, pickling and immutability for the small values below, by the fields in ``__slots__``."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self._fields()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._fields()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is read-only")

    __delattr__ = __setattr__  # type: ignore[assignment]


# A slot's own setter, for constructors: it gets past the `__setattr__` that makes the values read-only.
def _setter(cls: type, name: str) -> Callable[[object, object], None]:
    setter: Callable[[object, object], None] = getattr(cls, name).__set__
    return setter


class FrameHeader(_Value):
    """The first 2 to 14 bytes of a frame (RFC 6455 §5.2), as they stand on the wire.

    Attributes:
        fin, rsv1, rsv2, rsv3: the four flags.
        opcode: 0 to 15; reserved ones are not refused here.
        key: the masking key, 4 bytes, or None where the frame is not masked.
        length: payload bytes that follow.
        size: bytes of the header itself.
    """

    __slots__ = ("fin", "key", "length", "opcode", "rsv1", "rsv2", "rsv3", "size")
    __match_args__ = ("fin", "rsv1", "rsv2", "rsv3", "opcode", "key", "length", "size")

    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    opcode: int
    key: bytes | None
    length: int
    size: int

    def __init__(
        self, fin: bool, rsv1: bool, rsv2: bool, rsv3: bool, opcode: int, key: bytes | None, length: int, size: int
    ) -> None:
        for name, value in zip(
            self.__match_args__, (fin, rsv1, rsv2, rsv3, opcode, key, length, size), strict=True
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return (
            f"FrameHeader(fin={self.fin}, rsv1={self.rsv1}, rsv2={self.rsv2}, rsv3={self.rsv3}, opcode={self.opcode}, "
            f"key={self.key!r}, length={self.length}, size={self.size})"
        )


class Frame(_Value):
    """One frame with its payload, unmasked.

    Attributes:
        opcode: an ``Opcode``.
        payload: the payload, ``bytes``.
        fin: whether the message ends with this frame.
        rsv1, rsv2, rsv3: bits that an extension gives a meaning.
    """

    __slots__ = ("fin", "opcode", "payload", "rsv1", "rsv2", "rsv3")
    __match_args__ = ("opcode", "payload", "fin", "rsv1", "rsv2", "rsv3")

    opcode: Opcode
    payload: bytes
    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool

    def __init__(
        self,
        opcode: int,
        payload: bytes,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
    ) -> None:
        _set_frame_opcode(self, _as_opcode(opcode))
        _set_frame_payload(self, _require_bytes(payload, "a payload"))
        _set_frame_fin(self, bool(fin))
        _set_frame_rsv1(self, bool(rsv1))
        _set_frame_rsv2(self, bool(rsv2))
        _set_frame_rsv3(self, bool(rsv3))

    def __repr__(self) -> str:
        flags = [name for name in ("rsv1", "rsv2", "rsv3") if getattr(self, name)]
        shown = "".join([", fin=False" if not self.fin else "", *(f", {name}=True" for name in flags)])
        return f"Frame({self.opcode.name}, {self.payload!r}{shown})"


_set_frame_opcode = _setter(Frame, "opcode")
_set_frame_payload = _setter(Frame, "payload")
_set_frame_fin = _setter(Frame, "fin")
_set_frame_rsv1 = _setter(Frame, "rsv1")
_set_frame_rsv2 = _setter(Frame, "rsv2")
_set_frame_rsv3 = _setter(Frame, "rsv3")


class Message(_Value):
    """A whole text or binary message, its fragments joined.

    Attributes:
        data: ``str`` for text (``bytes`` from a decoder with ``text_as="bytes"``), ``bytes`` for binary.
        opcode: ``Opcode.TEXT`` or ``Opcode.BINARY``; where it is not given, the type of ``data`` tells.
    """

    __slots__ = ("data", "opcode")
    __match_args__ = ("data", "opcode")

    data: str | bytes
    opcode: Opcode

    def __init__(self, data: str | bytes, opcode: int | None = None) -> None:
        if not isinstance(data, (str, bytes)):
            raise TypeError(f"a message is str or bytes, not {type(data).__name__!r}")
        if opcode is None:
            opcode = _TEXT if isinstance(data, str) else _BINARY
        elif opcode not in (_TEXT, _BINARY):
            raise ValueError("the opcode of a message is TEXT or BINARY")
        _set_message_data(self, data)
        _set_message_opcode(self, _OPCODES[opcode])

    def __repr__(self) -> str:
        told = (self.opcode == _TEXT) == isinstance(self.data, str)
        return f"Message({self.data!r})" if told else f"Message({self.data!r}, {self.opcode.name})"


_set_message_data = _setter(Message, "data")
_set_message_opcode = _setter(Message, "opcode")


class Ping(_Value):
    """A ping, to be answered with a pong of the same data (RFC 6455 §5.5.2).

    Attributes:
        data: up to 125 bytes.
    """

    __slots__ = ("data",)
    __match_args__ = ("data",)

    data: bytes

    def __init__(self, data: bytes = b"") -> None:
        object.__setattr__(self, "data", _require_bytes(data, "a ping"))

    def __repr__(self) -> str:
        return f"Ping({self.data!r})"


class Pong(_Value):
    """A pong, asked for by a ping or not (RFC 6455 §5.5.3).

    Attributes:
        data: up to 125 bytes.
    """

    __slots__ = ("data",)
    __match_args__ = ("data",)

    data: bytes

    def __init__(self, data: bytes = b"") -> None:
        object.__setattr__(self, "data", _require_bytes(data, "a pong"))

    def __repr__(self) -> str:
        return f"Pong({self.data!r})"


class Close(_Value):
    """The start, or the echo, of the closing handshake (RFC 6455 §5.5.1).

    Attributes:
        code: the close code; 1005 stands for a close frame without one.
        reason: the close reason, up to 123 bytes as UTF-8.
    """

    __slots__ = ("code", "reason")
    __match_args__ = ("code", "reason")

    code: int
    reason: str

    def __init__(self, code: int = CloseCode.NO_STATUS_RCVD, reason: str = "") -> None:
        if not isinstance(reason, str):
            raise TypeError(f"a close reason is str, not {type(reason).__name__!r}")
        object.__setattr__(self, "code", int(code))
        object.__setattr__(self, "reason", str(reason))

    def __repr__(self) -> str:
        return f"Close({self.code}, {self.reason!r})"


# Header ---------------------------------------------------------------------------------------------------------------

_unpack_length16 = struct.Struct("!H").unpack_from
_unpack_length64 = struct.Struct("!Q").unpack_from
_pack_header = struct.Struct("!BB").pack
_pack_header16 = struct.Struct("!BBH").pack
_pack_header64 = struct.Struct("!BBQ").pack


def parse_header(data: Buffer, offset: int = 0, *, minimal_length: bool = True) -> FrameHeader | None:
    """Read the header of a frame (RFC 6455 §5.2).

    Only what the header alone decides is checked; role, extensions and the order of frames are a decoder's matter.

    Args:
        data: a buffer of n bytes; nothing is consumed.
        offset: where in ``data`` the header starts, 0 to n.
        minimal_length: refuse a length that a shorter form could tell, as RFC 6455 asks.
    Returns: the header, or None while ``data`` ends before it does.
    Raises:
        ProtocolError: the length has its top bit set, or is not minimal.
        ValueError: ``offset`` is outside of ``data``.
    """
    data = _as_bytes(data)
    start = index(offset)
    n = len(data)
    if not 0 <= start <= n:
        raise ValueError(f"offset is 0 to {n}, not {start}")
    if n - start < 2:
        return None
    first, second = data[start], data[start + 1]
    length = second & 0x7F
    end = start + 2
    if length == 126:
        end += 2
        if n < end:
            return None
        (length,) = _unpack_length16(data, start + 2)
        if minimal_length and length < 126:
            raise protocol_error(Fault.LENGTH_NOT_MINIMAL)
    elif length == 127:
        end += 8
        if n < end:
            return None
        (length,) = _unpack_length64(data, start + 2)
        if length > MAX_PAYLOAD:
            raise protocol_error(Fault.LENGTH_TOP_BIT)
        if minimal_length and length < 65_536:
            raise protocol_error(Fault.LENGTH_NOT_MINIMAL)
    key = None
    if second & 0x80:
        end += 4
        if n < end:
            return None
        key = data[end - 4 : end]
    return FrameHeader(
        first & 0x80 != 0,
        first & 0x40 != 0,
        first & 0x20 != 0,
        first & 0x10 != 0,
        first & 0x0F,
        key,
        length,
        end - start,
    )


def encode_header(
    opcode: int,
    length: int,
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    key: Buffer | None = None,
) -> bytes:
    """Write the header of a frame (RFC 6455 §5.2), its length in the shortest form.

    Args:
        opcode: an ``Opcode``.
        length: payload bytes that will follow.
        fin: whether the message ends with this frame.
        rsv1, rsv2, rsv3: bits that an extension gives a meaning.
        key: the masking key, 4 bytes; the frame is announced as masked.
    Returns: 2 to 14 bytes.
    Raises:
        ValueError: ``opcode`` is reserved, ``length`` is negative or above 2**63 - 1, a control frame is fragmented
            or longer than 125 bytes, or ``key`` is not 4 bytes.
    """
    first = _first_byte(opcode, fin, rsv1, rsv2, rsv3)
    length = index(length)
    if not 0 <= length <= MAX_PAYLOAD:
        raise ValueError(f"a payload has 0 to {MAX_PAYLOAD} bytes, not {length}")
    _check_control(first, length)
    return _header(first, length, None if key is None else _as_key(key))


def _as_opcode(opcode: int) -> Opcode:
    try:
        return _OPCODES[index(opcode)]
    except KeyError:
        raise ValueError(f"opcode {index(opcode)} is reserved") from None


def _first_byte(opcode: int, fin: bool, rsv1: bool, rsv2: bool, rsv3: bool) -> int:
    first = int(_as_opcode(opcode))
    if fin:
        first |= 0x80
    if rsv1:
        first |= 0x40
    if rsv2:
        first |= 0x20
    if rsv3:
        first |= 0x10
    return first


def _check_control(first: int, length: int) -> None:
    if first & 0x08:
        if not first & 0x80:
            raise ValueError("a control frame cannot be fragmented")
        if length > MAX_CONTROL_PAYLOAD:
            raise ValueError(f"a control frame has 0 to {MAX_CONTROL_PAYLOAD} bytes of payload, not {length}")


def _header(first: int, length: int, key: bytes | None) -> bytes:
    masked = 0 if key is None else 0x80
    if length < 126:
        header = _pack_header(first, masked | length)
    elif length < 65_536:
        header = _pack_header16(first, masked | 126, length)
    else:
        header = _pack_header64(first, masked | 127, length)
    return header if key is None else header + key


# Mask -----------------------------------------------------------------------------------------------------------------

# Below this many bytes one XOR of two big integers is the fastest that Python offers; above, four byte translations,
# one for every byte of the key.
_TRANSLATE_FROM: Final = 512

_translations: dict[int, bytes] = {}


def _translation(byte: int) -> bytes:
    """The table that XORs with ``byte`` in ``bytes.translate``; 256 of them at most, made when first used."""
    table = _translations.get(byte)
    if table is None:
        table = _translations[byte] = bytes([value ^ byte for value in range(256)])
    return table


def _xor(data: bytes, key: bytes) -> bytes:
    """XOR with a key of 4 bytes that starts at its first byte."""
    n = len(data)
    if n < _TRANSLATE_FROM:
        repeated = key * (n >> 2) + key[: n & 3]
        return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(n, "little")
    masked = bytearray(n)
    for lane, byte in enumerate(key):
        masked[lane::4] = data[lane::4].translate(_translation(byte))
    return bytes(masked)


def mask(data: Buffer, key: Buffer, phase: int = 0) -> bytes:
    """XOR ``data`` with a masking key (RFC 6455 §5.3).

    Args:
        data: a buffer of n bytes; not modified.
        key: 4 bytes in wire order.
        phase: which byte of the key meets ``data[0]``, 0 to 3.
    Returns: n new bytes.
    Raises:
        ValueError: ``key`` is not 4 bytes, or ``phase`` is out of range.
        TypeError: an argument is not a bytes-like object.
        BufferError: a buffer is not C-contiguous.
    """
    data = _as_bytes(data)
    key = _as_key(key)
    phase = _as_phase(phase)
    return _xor(data, key[phase:] + key[:phase])


def mask_inplace(buffer: Buffer, key: Buffer, phase: int = 0) -> int:
    """XOR a writable buffer with a masking key, in place (RFC 6455 §5.3).

    Args:
        buffer: n bytes (format "B", "b" or "c") that can be written.
        key: 4 bytes in wire order.
        phase: which byte of the key meets ``buffer[0]``, 0 to 3.
    Returns: the phase for the byte after the last, so that a stream can go on.
    Raises:
        ValueError: ``key`` is not 4 bytes, or ``phase`` is out of range.
        TypeError: ``buffer`` is not a buffer of bytes that can be written, or ``key`` is not bytes-like.
        BufferError: a buffer is not C-contiguous.
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        raise TypeError(f"a writable bytes-like object is required, not {type(buffer).__name__!r}") from None
    if view.readonly or view.format not in ("B", "b", "c"):
        raise TypeError(f"a writable bytes-like object is required, not {type(buffer).__name__!r}")
    if not view.c_contiguous:
        raise BufferError("a C-contiguous buffer is required")
    key = _as_key(key)
    phase = _as_phase(phase)
    if not view.nbytes:
        return phase
    view.cast("B")[:] = _xor(view.tobytes(), key[phase:] + key[:phase])
    return (phase + view.nbytes) & 3


# Utf8 -----------------------------------------------------------------------------------------------------------------


def is_utf8(data: Buffer) -> bool:
    """Whether ``data`` is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.

    Args:
        data: a buffer of n bytes.
    Returns: True where all of it is; an unfinished code point at the end is not.
    """
    try:
        _as_bytes(data).decode()
    except UnicodeDecodeError:
        return False
    return True


def _first_bad(data: bytes, start: int) -> int:
    """Offset of the first byte that cannot be, in the code point at ``start``; ``len(data)`` if it only lacks bytes.

    The second byte is where overlong forms, surrogates and values above U+10FFFF show (RFC 3629 §4).
    """
    lead = data[start]
    if 0xC2 <= lead <= 0xDF:
        missing, low, high = 1, 0x80, 0xBF
    elif 0xE0 <= lead <= 0xEF:
        missing, low, high = 2, 0xA0 if lead == 0xE0 else 0x80, 0x9F if lead == 0xED else 0xBF
    elif 0xF0 <= lead <= 0xF4:
        missing, low, high = 3, 0x90 if lead == 0xF0 else 0x80, 0x8F if lead == 0xF4 else 0xBF
    else:
        return start
    for offset in range(start + 1, min(start + 1 + missing, len(data))):
        if not low <= data[offset] <= high:
            return offset
        low, high = 0x80, 0xBF
    return len(data)


class Utf8Validator:
    """Checks text that arrives in pieces (RFC 3629), and refuses at the first byte that cannot be.

    Unlike CPython's incremental decoder it does not wait for the end of a code point that is already lost: ``ED A0``
    (a surrogate) is refused at its second byte. An error is final: every later call raises it again, until ``reset``.

    Attributes:
        offset: bytes fed so far, those of an unfinished code point included; at an error, the first byte that cannot
            be.
        complete: whether the bytes so far end on a code point.
        error: the ``Utf8Error`` that stopped the validator, or None.
    """

    __slots__ = ("_offset", "_pending", "error")

    error: ProtocolError | None

    def __init__(self) -> None:
        self.reset()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def complete(self) -> bool:
        return not self._pending

    def reset(self) -> None:
        """Forget everything fed so far, an error included."""
        self._offset = 0
        self._pending = b""
        self.error = None

    def feed(self, data: Buffer, final: bool = False) -> None:
        """Check the next piece of the text.

        Args:
            data: a buffer of n bytes, cut anywhere.
            final: whether the text ends here; an unfinished code point is then an error, too.
        Raises:
            Utf8Error: with the offset from the start of the text.
        """
        data = _as_bytes(data)
        if self.error is not None:
            raise self.error.with_traceback(None)
        bad = self._accept(data)
        if bad is not None:
            self.error = protocol_error(Fault.TEXT, bad)
        elif final and self._pending:
            self.error = protocol_error(Fault.TEXT_TRUNCATED, self._offset)
        if self.error is not None:
            raise self.error

    def _accept(self, data: bytes) -> int | None:
        """Take a piece; the offset of the first byte that cannot be, or None."""
        offset = self._offset - len(self._pending)
        data = self._pending + data
        self._pending = b""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            bad = _first_bad(data, error.start)
            if bad < len(data):
                self._offset = offset + bad
                return self._offset
            self._pending = data[error.start :]
        self._offset = offset + len(data)
        return None


def decode_text(data: Buffer, key: Buffer | None = None, phase: int = 0) -> str:
    """Unmask, validate and decode the payload of a text message.

    Args:
        data: a buffer of n bytes.
        key: the masking key, 4 bytes, or None where the payload is not masked.
        phase: which byte of the key meets ``data[0]``, 0 to 3.
    Returns: the text.
    Raises:
        Utf8Error: the unmasked bytes are not UTF-8 (RFC 3629).
        ValueError: ``key`` is not 4 bytes, or ``phase`` is out of range.
        TypeError: an argument is not a bytes-like object.
        BufferError: a buffer is not C-contiguous.
    """
    data = _as_bytes(data)
    if key is not None:
        key = _as_key(key)
    phase = _as_phase(phase)
    if key is not None:
        data = _xor(data, key[phase:] + key[:phase])
    return _decode(data, Fault.TEXT, Fault.TEXT_TRUNCATED)


def _decode(data: bytes, invalid: Fault, truncated: Fault) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        bad = _first_bad(data, error.start)
        fault = invalid if bad < len(data) else truncated
        raise protocol_error(fault, bad) from None


def encode_text(text: str, key: Buffer | None = None) -> bytes:
    """Encode text as UTF-8, and mask it where there is a key.

    Args:
        text: the text.
        key: the masking key, 4 bytes, or None.
    Returns: the payload of a text message.
    Raises:
        UnicodeEncodeError: ``text`` holds a surrogate.
        ValueError: ``key`` is not 4 bytes.
        TypeError: ``text`` is not ``str``, or ``key`` is not bytes-like.
    """
    if not isinstance(text, str):
        raise TypeError(f"str is required, not {type(text).__name__!r}")
    if key is not None:
        key = _as_key(key)
    data = str.encode(text)
    return data if key is None else _xor(data, key)


# Decoder --------------------------------------------------------------------------------------------------------------


def _as_role(role: Role) -> Role:
    if not isinstance(role, Role):
        raise TypeError(f"role is a Role, not {type(role).__name__!r}")
    return role


def _as_limit(limit: int | None, name: str) -> int:
    """A limit that may be None, which leaves what a header can announce."""
    if limit is None:
        return MAX_PAYLOAD
    limit = index(limit)
    if not 0 <= limit <= MAX_PAYLOAD:
        raise ValueError(f"{name} is 0 to {MAX_PAYLOAD}, not {limit}")
    return limit


class _HeaderReader:
    """Reads headers from a stream cut anywhere, and refuses a bad one as soon as its bytes tell.

    The rules of two bytes come first (reserved bits, opcode, control frames, masking, the order of frames), then
    those of the length; so an error does not depend on how the stream was cut.
    """

    __slots__ = ("_in_message", "_masked", "_minimal_length", "_partial", "_reserved")

    def __init__(self, role: Role, reserved: int, minimal_length: bool) -> None:
        self._masked = 0x80 if _as_role(role) is Role.SERVER else 0
        # Reserved bits that data frames may carry.
        self._reserved = reserved
        self._minimal_length = bool(minimal_length)
        # The bytes of a header that is not complete.
        self._partial = b""
        # Whether a message has begun, so that a continuation must follow.
        self._in_message = False

    def _check(self, first: int, second: int) -> None:
        """What the first two bytes decide (RFC 6455 §5.1, §5.2, §5.4, §5.5)."""
        opcode = first & 0x0F
        if first & 0x70 & ~self._allowed_bits(opcode):
            raise protocol_error(Fault.RESERVED_BITS)
        if opcode not in _OPCODES:
            raise protocol_error(Fault.RESERVED_OPCODE, opcode)
        if opcode & 0x08:
            if not first & 0x80:
                raise protocol_error(Fault.CONTROL_FRAGMENTED)
            if second & 0x7F > MAX_CONTROL_PAYLOAD:
                raise protocol_error(Fault.CONTROL_TOO_LONG)
        if second & 0x80 != self._masked:
            raise protocol_error(Fault.FRAME_UNMASKED if self._masked else Fault.FRAME_MASKED)
        if opcode == _CONTINUATION:
            if not self._in_message:
                raise protocol_error(Fault.NOTHING_TO_CONTINUE)
        elif opcode < 0x08 and self._in_message:
            raise protocol_error(Fault.MESSAGE_UNFINISHED)

    def _allowed_bits(self, opcode: int) -> int:
        """Reserved bits that an extension may set: RSV1 where a message starts (RFC 7692 §6), none on control."""
        if opcode & 0x08:
            return 0
        return self._reserved if opcode else self._reserved & 0x30

    def _next_header(self, data: bytes, position: int) -> tuple[int, int, int, bytes]:
        """Read one header.

        Returns: the offset after it, its first byte, the payload length and the key; or offset 0 where ``data`` ends
            before the header does, whose bytes are then kept.
        """
        partial = self._partial
        if partial:
            header = partial + data[position : position + 14 - len(partial)]
            position -= len(partial)
        else:
            header = data[position : position + 14]
        n = len(header)
        if n >= 2:
            first, second = header[0], header[1]
            self._check(first, second)
            length = second & 0x7F
            size = 2
            if length == 126:
                size = 4
                if n >= 4:
                    (length,) = _unpack_length16(header, 2)
                    if length < 126 and self._minimal_length:
                        raise protocol_error(Fault.LENGTH_NOT_MINIMAL)
            elif length == 127:
                size = 10
                if n >= 10:
                    (length,) = _unpack_length64(header, 2)
                    if length > MAX_PAYLOAD:
                        raise protocol_error(Fault.LENGTH_TOP_BIT)
                    if length < 65_536 and self._minimal_length:
                        raise protocol_error(Fault.LENGTH_NOT_MINIMAL)
            if n >= size:
                self._check_length(first, length)
                if self._masked:
                    size += 4
                if n >= size:
                    self._partial = b""
                    key = header[size - 4 : size] if self._masked else b""
                    return position + size, first, length, key
        self._partial = header
        return 0, 0, 0, b""

    def _check_length(self, first: int, length: int) -> None:
        raise NotImplementedError


class FrameDecoder(_HeaderReader):
    """Cuts a stream of bytes into frames (RFC 6455 §5.2), cut anywhere on its way here.

    It belongs to one owner at a time. An error is final.

    Args:
        role: the local side; a server expects masked frames and a client refuses them (§5.1).
        max_frame_size: payload bytes that a frame may have; None for what a header can announce, 2**63 - 1. A frame
            is refused by its header, before any of its payload is kept.
        rsv1: whether an extension uses RSV1, on the frames that start a message (RFC 7692 §6).
        rsv2, rsv3: whether an extension uses that bit, on data frames.
        minimal_length: refuse lengths that a shorter form could tell.

    Attributes:
        error: the ``ProtocolError`` that stopped the decoder, or None.
        buffered: bytes kept of a frame that is not complete.
    """

    __slots__ = ("_first", "_key", "_length", "_max_frame_size", "_payload", "error")

    error: ProtocolError | None

    def __init__(
        self,
        role: Role,
        *,
        max_frame_size: int | None,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
        minimal_length: bool = True,
    ) -> None:
        reserved = (0x40 if rsv1 else 0) | (0x20 if rsv2 else 0) | (0x10 if rsv3 else 0)
        super().__init__(role, reserved, minimal_length)
        self._max_frame_size = _as_limit(max_frame_size, "max_frame_size")
        self.error = None
        # The frame whose header is read and whose payload is not complete; None between frames.
        self._payload: bytearray | None = None
        self._first = 0
        self._length = 0
        self._key = b""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def buffered(self) -> int:
        return len(self._partial) + (0 if self._payload is None else len(self._payload))

    def feed(self, data: Buffer, /) -> list[Frame]:
        """Take the next bytes of the stream.

        Args:
            data: a buffer of n bytes; none of it is kept but a copy of an unfinished frame.
        Returns: every frame that is complete now, in order; those before an error, too, which then stands in
            ``error``.
        Raises:
            ProtocolError: nothing was decoded before the error, or an earlier call met it.
        """
        data = _as_bytes(data)
        if self.error is not None:
            raise self.error.with_traceback(None)
        frames: list[Frame] = []
        try:
            self._decode(data, frames)
        except ProtocolError as error:
            self.error = error
            self._partial = b""
            self._payload = None
            if not frames:
                raise
        return frames

    def _check_length(self, first: int, length: int) -> None:
        if length > self._max_frame_size:
            raise protocol_error(Fault.FRAME_TOO_BIG, length, self._max_frame_size)

    def _decode(self, data: bytes, frames: list[Frame]) -> None:
        position, n = 0, len(data)
        while position < n:
            if self._payload is None:
                position, self._first, self._length, self._key = self._next_header(data, position)
                if not position:
                    return
                self._payload = bytearray()
            piece = data[position : position + self._length - len(self._payload)]
            position += len(piece)
            if len(self._payload) + len(piece) < self._length:
                self._payload += piece
                return
            frames.append(self._complete(piece))

    def _complete(self, piece: bytes) -> Frame:
        """The frame whose payload ends with ``piece``."""
        payload = bytes(self._payload) + piece if self._payload else piece
        self._payload = None
        if self._key and payload:
            payload = _xor(payload, self._key)
        first = self._first
        if not first & 0x08:
            self._in_message = not first & 0x80
        if first & 0x70:
            return Frame(first & 0x0F, payload, first >= 0x80, first & 0x40 != 0, first & 0x20 != 0, first & 0x10 != 0)
        return Frame(first & 0x0F, payload, first >= 0x80)


# Assembler ------------------------------------------------------------------------------------------------------------


class MessageDecoder(_HeaderReader):
    """Turns a stream of bytes into messages and control frames, in wire order (RFC 6455 §5).

    Fragments are joined, control frames may stand between them, and text is checked as its bytes arrive, within an
    unfinished frame too. After a close frame the rest of the stream is discarded (§1.4). The decoder belongs to one
    owner at a time. An error is final.

    Args:
        role: the local side; a server expects masked frames and a client refuses them (§5.1).
        max_message_size: bytes that a message may have, as UTF-8 for text; None for what a header can announce,
            2**63 - 1. A message is refused by the header that passes the limit, before any of that payload is kept.
        max_fragments: frames that a message may have, empty ones included; None for any number.
        text_as: "str" to decode text messages, "bytes" to check them only.
        minimal_length: refuse lengths that a shorter form could tell.

    Attributes:
        error: the ``ProtocolError`` that stopped the decoder, or None.
        closed: whether a close frame was decoded.
        buffered: bytes kept of what is not complete.
    """

    __slots__ = (
        "_first",
        "_fragments",
        "_gathered",
        "_key",
        "_left",
        "_max_fragments",
        "_max_message_size",
        "_opcode",
        "_payload",
        "_phase",
        "_text_as_str",
        "_validator",
        "closed",
        "error",
    )

    error: ProtocolError | None
    closed: bool

    def __init__(
        self,
        role: Role,
        *,
        max_message_size: int | None,
        max_fragments: int | None = DEFAULT_MAX_FRAGMENTS,
        text_as: str = "str",
        minimal_length: bool = True,
    ) -> None:
        super().__init__(role, 0, minimal_length)
        self._max_message_size = _as_limit(max_message_size, "max_message_size")
        self._max_fragments = _as_limit(max_fragments, "max_fragments")
        if text_as not in ("str", "bytes"):
            raise ValueError(f"text_as is 'str' or 'bytes', not {text_as!r}")
        self._text_as_str = text_as == "str"
        self.error = None
        self.closed = False
        # The frame whose header is read: payload bytes it still lacks (-1 between frames), its key and phase.
        self._left = -1
        self._first = 0
        self._key = b""
        self._phase = 0
        # The unmasked payload so far of an unfinished control frame.
        self._payload = b""
        # The message that has begun: its opcode, its unmasked bytes and how many frames gave them.
        self._opcode = 0
        self._gathered = bytearray()
        self._fragments = 0
        self._validator = Utf8Validator()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def buffered(self) -> int:
        return len(self._partial) + len(self._payload) + len(self._gathered)

    def feed(self, data: Buffer, /) -> list[Message | Ping | Pong | Close]:
        """Take the next bytes of the stream.

        Args:
            data: a buffer of n bytes; none of it is kept but what an unfinished frame or message needs.
        Returns: what is complete now, in wire order; what came before an error, too, which then stands in ``error``.
        Raises:
            ProtocolError: nothing was decoded before the error, or an earlier call met it.
        """
        data = _as_bytes(data)
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self.closed:
            return []
        events: list[Message | Ping | Pong | Close] = []
        try:
            self._decode(data, events)
        except ProtocolError as error:
            self.error = error
            self._discard()
            if not events:
                raise
        return events

    def _check_length(self, first: int, length: int) -> None:
        """What the budget of the message decides, by subtraction: nothing here can overflow a 64-bit twin."""
        if first & 0x08:
            return
        if self._fragments >= self._max_fragments:
            raise protocol_error(Fault.TOO_MANY_FRAGMENTS, self._fragments + 1, self._max_fragments)
        size = len(self._gathered)
        if length > self._max_message_size - size:
            raise protocol_error(Fault.MESSAGE_TOO_BIG, size + length, self._max_message_size)

    def _decode(self, data: bytes, events: list[Message | Ping | Pong | Close]) -> None:
        position, n = 0, len(data)
        while position < n:
            if self._left < 0:
                position, first, length, key = self._next_header(data, position)
                if not position:
                    return
                if n - position >= length and first & 0x80 and first & 0x0F:
                    # The whole message, or control frame, is here.
                    payload = data[position : position + length]
                    position += length
                    if key and payload:
                        payload = _xor(payload, key)
                    events.append(self._whole(first & 0x0F, payload))
                    if self.closed:
                        self._discard()
                        return
                    continue
                self._begin(first, length, key)
            piece = data[position : position + self._left]
            position += len(piece)
            self._take(piece, events)
            if self.closed:
                self._discard()
                return

    def _whole(self, opcode: int, payload: bytes) -> Message | Ping | Pong | Close:
        """What one unfragmented frame means."""
        if opcode == _TEXT:
            text = _decode(payload, Fault.TEXT, Fault.TEXT_TRUNCATED)
            return Message(text if self._text_as_str else payload, _TEXT)
        if opcode == _BINARY:
            return Message(payload, _BINARY)
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        close = _parse_close(payload)
        self.closed = True
        return close

    def _begin(self, first: int, length: int, key: bytes) -> None:
        """Start a frame that arrives in pieces, or one of several in its message."""
        self._first = first
        self._left = length
        self._key = key
        self._phase = 0
        if not first & 0x08:
            self._fragments += 1
            self._in_message = True
            if first & 0x0F:
                self._opcode = first & 0x0F

    def _take(self, piece: bytes, events: list[Message | Ping | Pong | Close]) -> None:
        """Take the next piece of the payload of the frame that has begun."""
        self._left -= len(piece)
        if self._key and piece:
            key, phase = self._key, self._phase
            self._phase = (phase + len(piece)) & 3
            piece = _xor(piece, key[phase:] + key[:phase])
        if self._first & 0x08:
            self._payload += piece
        else:
            if self._opcode == _TEXT:
                self._check_text(piece)
            self._gathered += piece
        if not self._left:
            self._end(events)

    def _check_text(self, piece: bytes) -> None:
        bad = self._validator._accept(piece)
        if bad is not None:
            raise protocol_error(Fault.TEXT, bad)
        if not self._left and self._first & 0x80 and not self._validator.complete:
            raise protocol_error(Fault.TEXT_TRUNCATED, self._validator.offset)

    def _end(self, events: list[Message | Ping | Pong | Close]) -> None:
        """The frame is complete, and the message with it if that was its last one."""
        self._left = -1
        if self._first & 0x08:
            payload, self._payload = self._payload, b""
            events.append(self._whole(self._first & 0x0F, payload))
        elif self._first & 0x80:
            gathered, opcode = self._gathered, self._opcode
            self._forget_message()
            if opcode == _TEXT and self._text_as_str:
                events.append(Message(gathered.decode(), _TEXT))
            else:
                events.append(Message(bytes(gathered), opcode))

    def _forget_message(self) -> None:
        self._in_message = False
        self._fragments = 0
        self._gathered = bytearray()
        self._validator.reset()

    def _discard(self) -> None:
        """Nothing more will be decoded: keep no bytes."""
        self._left = -1
        self._partial = self._payload = b""
        self._forget_message()


def _parse_close(payload: bytes) -> Close:
    """What a close frame says (RFC 6455 §5.5.1, §7.4)."""
    if not payload:
        return Close()
    if len(payload) == 1:
        raise protocol_error(Fault.CLOSE_TOO_SHORT)
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable_close_code(code):
        raise protocol_error(Fault.CLOSE_CODE, code)
    return Close(code, _decode(payload[2:], Fault.CLOSE_REASON, Fault.CLOSE_REASON_TRUNCATED))


# Encoder --------------------------------------------------------------------------------------------------------------

# Keys are drawn from the system this many bytes at a time: one system call for a thousand frames.
_KEY_POOL_SIZE: Final = 4096

_key_lock = threading.Lock()
_key_pool = b""
_key_position = 0


def _drop_keys() -> None:
    """Forget the keys drawn so far: a forked child must not send the parent's."""
    global _key_lock, _key_pool, _key_position
    _key_lock = threading.Lock()
    _key_pool = b""
    _key_position = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_keys)


def new_key() -> bytes:
    """Draw a masking key (RFC 6455 §5.3).

    Keys come from the system's generator, some thousand bytes at a time. No key is given out twice: not to two
    threads, and not to a process and its forked child.

    Returns: 4 unpredictable bytes.
    """
    global _key_pool, _key_position
    with _key_lock:
        if _key_position == len(_key_pool):
            _key_pool = os.urandom(_KEY_POOL_SIZE)
            _key_position = 0
        position = _key_position
        _key_position = position + 4
        return _key_pool[position : position + 4]


def encode_frame(
    opcode: int,
    payload: str | Buffer,
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    key: Buffer | None = None,
) -> bytes:
    """Write one frame (RFC 6455 §5.2), its length in the shortest form.

    Args:
        opcode: an ``Opcode``.
        payload: ``str``, which is encoded as UTF-8, or a buffer of n bytes, which is taken as it is.
        fin: whether the message ends with this frame.
        rsv1, rsv2, rsv3: bits that an extension gives a meaning.
        key: the masking key, 4 bytes; None leaves the frame unmasked.
    Returns: header and payload, 2 to 14 bytes more than n.
    Raises:
        ValueError: ``opcode`` is reserved, a control frame is fragmented or longer than 125 bytes, or ``key`` is not
            4 bytes.
        TypeError: ``payload`` is neither ``str`` nor bytes-like, or ``key`` is not bytes-like.
        BufferError: a buffer is not C-contiguous.
        UnicodeEncodeError: ``payload`` holds a surrogate.
    """
    first = _first_byte(opcode, fin, rsv1, rsv2, rsv3)
    data = str.encode(payload) if isinstance(payload, str) else _as_bytes(payload)
    _check_control(first, len(data))
    return _frame(first, data, None if key is None else _as_key(key))


def _frame(first: int, payload: bytes, key: bytes | None) -> bytes:
    header = _header(first, len(payload), key)
    return header + (payload if key is None else _xor(payload, key))


def encode_message(
    data: str | Buffer | Message | Ping | Pong | Close, role: Role, *, key: Buffer | None = None
) -> bytes:
    """Write a message, or a control frame, as one frame (RFC 6455 §5.6).

    Args:
        data: ``str`` for a text message, bytes-like for a binary one; or a ``Message``, ``Ping``, ``Pong`` or ``Close``
            of this backend.
        role: the local side; a client masks, and a server does not (§5.1).
        key: the masking key of a client, 4 bytes; None draws one.
    Returns: the frame.
    Raises:
        ValueError: a control payload is over 125 bytes, a close code must not be sent, a server was given a key, or
            ``key`` is not 4 bytes.
        TypeError: ``data`` is none of the above, or ``key`` is not bytes-like.
        BufferError: a buffer is not C-contiguous.
        UnicodeEncodeError: text holds a surrogate.
    """
    opcode, payload = _message_payload(data)
    _check_control(0x80 | opcode, len(payload))
    if _as_role(role) is Role.CLIENT:
        key = new_key() if key is None else _as_key(key)
    elif key is not None:
        raise ValueError("a server does not mask")
    return _frame(0x80 | opcode, payload, key)


def _message_payload(data: str | Buffer | Message | Ping | Pong | Close) -> tuple[int, bytes]:
    if isinstance(data, str):
        return _TEXT, str.encode(data)
    if isinstance(data, Message):
        content = data.data
        return int(data.opcode), str.encode(content) if isinstance(content, str) else _as_bytes(content)
    if isinstance(data, Ping):
        return _PING, _as_bytes(data.data)
    if isinstance(data, Pong):
        return _PONG, _as_bytes(data.data)
    if isinstance(data, Close):
        return _CLOSE, _close_payload(data.code, data.reason)
    return _BINARY, _as_bytes(data)


def _close_payload(code: int, reason: str) -> bytes:
    """The payload of a close frame (RFC 6455 §5.5.1); 1005 stands for none."""
    data = str.encode(reason)
    if code == CloseCode.NO_STATUS_RCVD and not data:
        return b""
    if not is_sendable_close_code(code):
        raise ValueError(f"close code {code} must not be sent")
    if len(data) > MAX_CLOSE_REASON:
        raise ValueError(f"a close reason has 0 to {MAX_CLOSE_REASON} bytes, not {len(data)}")
    return code.to_bytes(2, "big") + data


# Kernels --------------------------------------------------------------------------------------------------------------


def kernel_name() -> str:
    """The CPU kernel in use; ``"none"`` here, where no C code runs."""
    return "none"


def available_kernels() -> tuple[str, ...]:
    """The CPU kernels that this machine can run, weakest first; empty here."""
    return ()
