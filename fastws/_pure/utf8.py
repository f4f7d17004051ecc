"""UTF-8 (RFC 3629): validated whole or in pieces, to text and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ..errors import Fault, ProtocolError, protocol_error
from .buffers import as_bytes, as_key, as_phase, turned
from .mask import xor

if TYPE_CHECKING:
    from .buffers import Buffer


def is_utf8(data: Buffer) -> bool:
    """Whether ``data`` is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.

    Args:
        data: a buffer of n bytes.
    Returns: True where all of it is; an unfinished code point at the end is not.
    """
    data = as_bytes(data)
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _first_bad(data: bytes | bytearray, start: int) -> int:
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


class PartialText:
    """Text that arrives in pieces.

    Attributes:
        offset: bytes taken so far, those of an unfinished code point included; at a refusal, the byte refused.
        pending: the bytes of an unfinished code point.
    """

    __slots__ = ("offset", "pending")

    def __init__(self) -> None:
        self.offset = 0
        self.pending = b""

    def accept(self, data: bytes) -> int | None:
        """Take a piece; the offset of the first byte that cannot be, or None."""
        offset = self.offset - len(self.pending)
        data = self.pending + data
        self.pending = b""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            bad = _first_bad(data, error.start)
            if bad < len(data):
                self.offset = offset + bad
                return self.offset
            self.pending = data[error.start :]
        self.offset = offset + len(data)
        return None


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

    __slots__ = ("_error", "_text")

    def __init__(self) -> None:
        self.reset()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def offset(self) -> int:
        return self._text.offset

    @property
    def error(self) -> ProtocolError | None:
        return self._error

    @property
    def complete(self) -> bool:
        return not self._text.pending

    def reset(self) -> None:
        """Forget everything fed so far, an error included."""
        self._text = PartialText()
        self._error: ProtocolError | None = None

    def feed(self, data: Buffer, final: bool = False) -> None:
        """Check the next piece of the text.

        Args:
            data: a buffer of n bytes, cut anywhere.
            final: whether the text ends here; an unfinished code point is then an error, too.
        Raises:
            Utf8Error: with the offset from the start of the text.
        """
        data = as_bytes(data)
        if self._error is None:
            bad = self._text.accept(data)
            if bad is not None:
                self._error = protocol_error(Fault.TEXT, bad)
            elif final and self._text.pending:
                self._error = protocol_error(Fault.TEXT_TRUNCATED, self._text.offset)
        if self._error is not None:
            # The traceback of an error that a validator keeps would keep the data.
            del data
            raise self._error.with_traceback(None)


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
    data = as_bytes(data)
    if key is not None:
        key = as_key(key)
    phase = as_phase(phase)
    if key is not None:
        data = xor(data, turned(key, phase))
    return decode_utf8(data, Fault.TEXT, Fault.TEXT_TRUNCATED)


def decode_utf8(data: bytes | bytearray, invalid: Fault, truncated: Fault) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = error.start
    # Not raised in there: the context of an error that a decoder keeps would keep the data.
    bad = _first_bad(data, start)
    raise protocol_error(invalid if bad < len(data) else truncated, bad)


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
        key = as_key(key)
    data = str.encode(text)
    return data if key is None else xor(data, key)
