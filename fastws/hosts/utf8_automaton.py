"""Goes through the automaton of a host's UTF-8 validator without visiting every byte.

ws4py and gevent-websocket carry the same table-driven validator, Björn Höhrmann's: 256 classes of bytes, then 16
transitions for every state. Its state is public, so what takes its place has to leave the same state behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["ACCEPT", "REJECT", "advance"]

#: Between code points.
ACCEPT: Final = 0

#: No byte can follow.
REJECT: Final = 1


def advance(data: Any, state: int, table: Sequence[int], backend: ModuleType) -> tuple[int, int]:
    """Take the next piece of a text.

    Args:
        data: ``bytes`` or ``bytearray``.
        state: the state before.
        table: the host's own.
        backend: the twin of the codec that does what can be done at once.
    Returns: the state after, and the number of bytes that are accepted.
    """
    state, start = _finish(data, state, table)
    if state != ACCEPT or start == len(data):
        return state, start
    rest = memoryview(data)[start:]
    if backend.is_utf8(rest):
        return ACCEPT, len(data)
    validator = backend.Utf8Validator()
    try:
        validator.feed(rest)
    except ValueError:
        return REJECT, start + validator.offset
    return _walk(data, _last_start(data), ACCEPT, table)


def _finish(data: Any, state: int, table: Sequence[int]) -> tuple[int, int]:
    """Go on to the end of the code point that ``state`` is in."""
    if state == REJECT:
        return REJECT, 0
    start = 0
    while state != ACCEPT and start < len(data):
        state = table[256 + (state << 4) + table[data[start]]]
        if state == REJECT:
            return REJECT, start
        start += 1
    return state, start


def _walk(data: Any, start: int, state: int, table: Sequence[int]) -> tuple[int, int]:
    """Visit the bytes from ``start`` on, which are known to be accepted."""
    for byte in data[start:]:
        state = table[256 + (state << 4) + table[byte]]
    return state, len(data)


def _last_start(data: Any) -> int:
    """Where the last code point starts, of which bytes are missing."""
    start = len(data) - 1
    while data[start] < 0xC0:
        start -= 1
    return start
