"""Objects made by ``__new__`` alone: they may be useless, and must be harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chosen import attempt, codec
from fastws import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = (
    *("FrameDecoder", "MessageDecoder", "Utf8Validator"),
    *("FrameHeader", "Frame", "Message", "Ping", "Pong", "Close"),
)
STREAMS = (b"", b"\x81\x05Hello", b"\x81\x85abcdHello", b"\xff" * 300, b"\x01\x01x\x80\x01y")


def uses(kind: Any) -> Iterator[Callable[[], object]]:
    thing = kind.__new__(kind)
    public = [name for name in dir(kind) if not name.startswith("_")]
    for data in STREAMS:
        yield from ((lambda name=name: getattr(thing, name)) for name in public)
        yield lambda data=data: getattr(thing, "feed")(data)  # type: ignore[misc] # noqa: B009 - not all have it
    yield lambda: repr(thing)
    yield lambda: hash(thing)
    yield lambda: thing == kind.__new__(kind)
    yield lambda: thing.__reduce__()
    yield lambda: codec.encode_message(thing, Role.CLIENT)
    yield lambda: getattr(thing, "reset")()  # noqa: B009
    yield lambda: repr(thing)


for name in NAMES:
    for use in uses(getattr(codec, name)):
        attempt(use)
