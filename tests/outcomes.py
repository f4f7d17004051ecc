"""What a call did, as plain values, so that two twins can be compared: result and its type, or exception with its
text and fields.

The twins' value classes differ, so a value becomes its class name and its fields; the exception classes are shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastws import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_VALUES = frozenset({"FrameHeader", "Frame", "Message", "Ping", "Pong", "Close"})

# What has nothing inside: most of it all, and told without looking further.
_SIMPLE = frozenset({bool, bytes, float, int, str, type(None)})


def told(value: object) -> Any:
    """One event, frame or header as a tuple: class name, then the fields."""
    fields: tuple[str, ...] = type(value).__match_args__  # type: ignore[attr-defined]
    return (type(value).__name__, *[getattr(value, name) for name in fields])


def told_all(values: Iterable[object]) -> list[Any]:
    return [told(value) for value in values]


def feed_all(decoder: Any, pieces: Iterable[object]) -> list[Any]:
    """Everything that comes of the pieces up to the error, which then stands in the decoder."""
    events: list[Any] = []
    for piece in pieces:
        try:
            events += decoder.feed(piece)
        except ProtocolError:
            break
        if decoder.error is not None:
            break
    return told_all(events)


def plain(value: object) -> Any:
    """A result with its type, at every depth: 1 is not True, and bytes are not a bytearray."""
    kind = type(value)
    name = kind.__name__
    if kind in _SIMPLE:
        return name, value
    if name in _VALUES:
        return (name, *[plain(field) for field in told(value)[1:]])
    if isinstance(value, BaseException):
        return raised(value)
    if isinstance(value, list | tuple):
        return (name, *[plain(item) for item in value])
    return name, value


def raised(error: BaseException) -> Any:
    """An exception: its type, its text, what it was made of and the attributes it carries."""
    return type(error), str(error), plain(error.args), sorted(vars(error).items())


def outcome(call: Callable[..., object], *args: object, **kwargs: object) -> Any:
    """What a call did: ``("returned", value)`` or ``("raised", exception)``, as plain values."""
    try:
        value = call(*args, **kwargs)
    except Exception as error:
        return "raised", raised(error)
    return "returned", plain(value)
