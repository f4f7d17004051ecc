"""What a call did, as plain values, so that a host plain and the same host accelerated can be compared.

What a host has in kinds of its own is told as that kind's file registers it: ``told.register(Kind)``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import fastws.hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def called(function: Callable[..., object], *arguments: object) -> Any:
    """What a call returned, with its types, or what it raised, with its causes."""
    try:
        return "returned", told(function(*arguments))
    except Exception as error:
        return "raised", failure(error)


# What has nothing inside and never changes: most of what is written down, and told without looking further.
_SIMPLE = frozenset({bool, bytes, float, int, str, type(None)})


class _Told:
    """Tells a value with its type, at every depth."""

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        return (kind.__qualname__, value) if kind in _SIMPLE else _tell(value)

    def register(self, kind: type[Any]) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        """Have a function tell values of a kind."""
        return _tell.register(kind)


told = _Told()


@functools.singledispatch
def _tell(value: Any) -> Any:
    return type(value).__qualname__, value


@told.register(list)
@told.register(tuple)
def _(value: list[Any] | tuple[Any, ...]) -> Any:
    kinds = list(map(type, value))
    if _SIMPLE.issuperset(kinds):
        return type(value).__qualname__, kinds, list(value)
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


class Noting:
    """A twin of the codec that notes the opcode of each frame that it builds."""

    def __init__(self, twin: ModuleType) -> None:
        self._twin = twin
        self.built: list[int] = []

    def encode_frame(self, opcode: int, *args: Any, **options: Any) -> Any:
        self.built.append(opcode)
        return self._twin.encode_frame(opcode, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._twin, name)


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
