"""XOR with the masking key, at any phase (RFC 6455 §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .buffers import as_bytes, as_key, as_phase, turned

if TYPE_CHECKING:
    from .buffers import Buffer

# Below this many bytes one XOR of two big integers is the fastest that Python offers; above, four byte translations,
# one for every byte of the key.
TRANSLATE_FROM: Final = 1024

_from_bytes = int.from_bytes


class _Translations(dict[int, bytes]):
    """The table that XORs with a byte in ``bytes.translate``; 256 of them at most, each made when first used."""

    def __missing__(self, byte: int) -> bytes:
        table = self[byte] = bytes([value ^ byte for value in range(256)])
        return table


_translations = _Translations()


def xor(data: bytes, key: bytes) -> bytes:
    """XOR with a key of 4 bytes that starts at its first byte."""
    n = len(data)
    if n >= TRANSLATE_FROM:
        return bytes(xor_long(data, key))
    repeated = (key * ((n + 3) >> 2))[:n]
    return (_from_bytes(data, "little") ^ _from_bytes(repeated, "little")).to_bytes(n, "little")


def xor_long(data: bytes, key: bytes) -> bytearray:
    """The same for long data. What is assigned to a slice of a bytearray is copied, unless it is one as well."""
    masked = bytearray(data)
    first, second, third, fourth = key
    masked[::4] = masked[::4].translate(_translations[first])
    masked[1::4] = masked[1::4].translate(_translations[second])
    masked[2::4] = masked[2::4].translate(_translations[third])
    masked[3::4] = masked[3::4].translate(_translations[fourth])
    return masked


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
    if type(data) is not bytes:
        data = as_bytes(data)
    if type(key) is not bytes or len(key) != 4:
        key = as_key(key)
    if phase != 0 or type(phase) is not int:
        key = turned(key, as_phase(phase))
    return xor(data, key)


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
    if view.nbytes and not view.c_contiguous:
        raise BufferError("a C-contiguous buffer is required")
    key = as_key(key)
    phase = as_phase(phase)
    if not view.nbytes:
        return phase
    view.cast("B")[:] = xor(view.tobytes(), turned(key, phase))
    return (phase + view.nbytes) & 3
