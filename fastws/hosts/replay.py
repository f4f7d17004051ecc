"""Hands a call that was already made over to the host's own code.

An adapter does the usual case itself and leaves every other to the host. By then it may have made a call that cannot
be made twice: a read from a socket, a masking key. A ``Replay`` stands for the object that was called and gives the
known outcome once; everything else, and every later call, goes to the object itself.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["Replay", "raise_again"]


def raise_again(error: BaseException) -> NoReturn:
    """Raise an exception that was caught already, as it was: what it names as its context is left alone.

    Whoever calls this keeps no other name for it: a traceback and its exception would keep each other alive.
    """
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context


class Replay:
    """Stands for ``target``, whose method ``name`` was called already.

    Args:
        target: the object that was called; attributes are read from and written to it.
        name: the method that was called.
        outcome: what the call returned.
        failure: what it raised, instead of ``outcome``.
    """

    __slots__ = ("_failure", "_name", "_outcome", "_pending", "_target")

    def __init__(self, target: Any, name: str, outcome: Any = None, failure: BaseException | None = None) -> None:
        for slot, value in zip(Replay.__slots__, (failure, name, outcome, True, target), strict=True):
            object.__setattr__(self, slot, value)

    def __getattr__(self, name: str) -> Any:
        if name == self._name and self._pending:
            return self._replayed
        return getattr(self._target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)

    def __repr__(self) -> str:
        return repr(self._target)  # as it stands in the texts of errors

    def _replayed(self, *_: Any) -> Any:
        object.__setattr__(self, "_pending", False)
        failure, outcome = self._failure, self._outcome
        object.__setattr__(self, "_failure", None)
        object.__setattr__(self, "_outcome", None)
        if failure is None:
            return outcome
        try:
            raise_again(failure)
        finally:
            del failure
