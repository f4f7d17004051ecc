"""What a call did, as plain values, so that a host plain and the same host accelerated can be compared.

What a host has in kinds of its own is told as that kind's file registers it: ``told.register(Kind)``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import fastws.hosts

if TYPE_CHECKING:
    from collections.abc import Callable


def called(function: Callable[..., object], *arguments: object) -> Any:
    """What a call returned, with its types, or what it raised, with its causes."""
    try:
        return "returned", told(function(*arguments))
    except Exception as error:
        return "raised", failure(error)


@functools.singledispatch
def told(value: Any) -> Any:
    """A value with its type, at every depth."""
    return type(value).__qualname__, value


@told.register(list)
@told.register(tuple)
def _(value: list[Any] | tuple[Any, ...]) -> Any:
    return type(value).__qualname__, [told(item) for item in value]


@told.register(bytearray)
def _(value: bytearray) -> Any:
    # As it is now: it may yet grow.
    return type(value).__qualname__, bytes(value)


def failure(error: BaseException | None) -> Any:
    """An exception: type, text, arguments, attributes, and the exceptions that it names as its causes."""
    if error is None:
        return None
    return (
        type(error),
        str(error),
        told(error.args),
        sorted((name, told(value)) for name, value in vars(error).items()),
        error.__suppress_context__,
        failure(error.__cause__),
        failure(error.__context__),
    )


def same_on(host: str, run: Callable[[], Any]) -> Any:
    """What a run gives, which must be the same with the host plain and accelerated."""
    fastws.hosts.restore()
    plain = run()
    with fastws.hosts.accelerated(host):
        assert run() == plain
    return plain


def all_same_on(host: str, *runs: Callable[[], Any]) -> None:
    """The same of each run."""
    same_on(host, lambda: [run() for run in runs])
