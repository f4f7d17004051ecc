"""What callers may hand in: buffers, keys, numbers, and how the wrong ones are refused."""

from __future__ import annotations

from operator import index
from typing import Any, TypeAlias

from ..frames import MAX_PAYLOAD

#: Anything that exports a C-contiguous buffer: bytes, bytearray, memoryview, array.array, mmap, …
Buffer: TypeAlias = Any


def as_bytes(data: Buffer) -> bytes:
    """The bytes of a buffer: itself where it is ``bytes``, a copy otherwise."""
    if type(data) is bytes:
        same: bytes = data
        return same
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    if view.nbytes and not view.c_contiguous:
        raise BufferError("a C-contiguous buffer is required")
    return view.tobytes()


def as_flat(data: Buffer) -> bytes | bytearray:
    """The same where nobody writes to them meanwhile: a ``bytearray`` itself is not copied."""
    return data if type(data) is bytearray else as_bytes(data)


def as_key(key: Buffer) -> bytes:
    key_bytes = as_bytes(key)
    if len(key_bytes) != 4:
        raise ValueError(f"a masking key has 4 bytes, not {len(key_bytes)}")
    return key_bytes


def as_offset(offset: int, n: int) -> int:
    """Where to start in ``n`` bytes."""
    if not 0 <= offset <= n:
        raise ValueError(f"offset is 0 to {n}, not {offset}")
    return offset


def as_limit(limit: int | None, name: str) -> int:
    """A limit that may be None, which leaves what a header can announce."""
    if limit is None:
        return MAX_PAYLOAD
    limit = index(limit)
    if not 0 <= limit <= MAX_PAYLOAD:
        raise ValueError(f"{name} is 0 to {MAX_PAYLOAD}, not {limit}")
    return limit


def as_phase(phase: int) -> int:
    phase = index(phase)
    if not 0 <= phase <= 3:
        raise ValueError(f"phase is 0 to 3, not {phase}")
    return phase


def turned(key: bytes, phase: int) -> bytes:
    """The key for data that starts at its byte ``phase``."""
    return key[phase:] + key[:phase] if phase else key
