"""Scripts: what a peer does, as pieces of bytes, and exceptions that a read raises between them.

``scripted_<host>.py`` has what gives a script to a host, and writes down what the host made of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Event = bytes | BaseException


class ScriptedSocket:
    """A socket whose reads give what a script says, never more than was asked for; then the peer is gone."""

    def __init__(self, script: Iterable[Event] = ()) -> None:
        self.script = list(script)
        self.reads: list[int] = []

    def recv(self, size: int) -> bytes:
        self.reads.append(size)
        if not self.script:
            return b""
        event = self.script.pop(0)
        if isinstance(event, BaseException):
            # A new one each time: what handles it may leave something on it.
            raise type(event)(*event.args)
        if len(event) > size:
            self.script.insert(0, event[size:])
        return event[:size]


@overload
def in_pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]: ...
@overload
def in_pieces(stream: bytes, cuts: Iterable[int], between: Callable[[], list[Event]]) -> list[Event]: ...
def in_pieces(
    stream: bytes, cuts: Iterable[int], between: Callable[[], list[Event]] = list
) -> list[bytes] | list[Event]:
    """A stream cut at those of these offsets that are inside it, with what ``between`` makes at every cut."""
    ends = [0, *sorted({cut for cut in cuts if 0 < cut < len(stream)}), len(stream)]
    script: list[Event] = []
    for start, end in pairwise(ends):
        if start:
            script += between()
        if end > start:
            script.append(stream[start:end])
    return script
