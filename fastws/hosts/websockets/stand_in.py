"""Objects that stand for a host's own in one call, with an attribute or two that differ.

What the host's code does after an exception, or once a step was made already, is left to the host's code: it is called
with one of these, meets the exception or finds the step made, and goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..replay import raise_again

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HeldLock", "StandIn", "raising"]


class StandIn:
    """Stands for ``target``; attributes are read from it and written to it, but for those given here."""

    __slots__ = ("_own", "_target")

    def __init__(self, target: Any, **own: Any) -> None:
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_target", target)

    def __getattr__(self, name: str) -> Any:
        own = self._own
        return own[name] if name in own else getattr(self._target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)


class HeldLock:
    """A lock that is held already: the first ``with`` only gives it back."""

    __slots__ = ("_held", "_lock")

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._held = True

    def __enter__(self) -> None:
        if not self._held:
            self._lock.acquire()
        self._held = False

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises ``error`` as it is, and does not keep it."""
    kept = [error]

    def fail(*_: Any) -> Any:
        raise_again(kept.pop())

    return fail
