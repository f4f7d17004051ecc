"""The memory that connections read into: one piece for all those of an event loop."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

__all__ = ["read_buffer"]

#: Bytes that are read at once, at most; as many as asyncio reads.
SIZE: Final = 262_144

_buffers: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview]] = weakref.WeakKeyDictionary()


def read_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    """What an ``asyncio.BufferedProtocol`` may give its transport, each time.

    A transport fills it and hands it over before another one can read, and the decoder copies what it keeps. Without
    it, asyncio allocates ``SIZE`` bytes for each read, which the system maps and unmaps: more work than all the rest.

    Args:
        loop: that the connection belongs to. Two of them may run in two threads, so each has a buffer of its own.
    Returns: ``SIZE`` bytes.
    """
    buffer = _buffers.get(loop)
    if buffer is None:
        buffer = _buffers[loop] = memoryview(bytearray(SIZE))
    return buffer
