"""Tells whether a log line would go nowhere, before the host formats it.

autobahn's loggers come from txaio. What is below the level is bound to a function that does nothing, yet the host
formats the arguments for it, in colours, for every write and every read.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

__all__ = ["is_quiet"]

# txaio's own functions that do nothing, as far as they have been met: one of asyncio, one of Twisted.
_met: Final[list[Any]] = []


def is_quiet(log: Any) -> bool:
    """Whether ``log``, such as ``self.log.debug``, is one of txaio's functions that do nothing."""
    for each in _met:
        if log is each:
            return True
    if (
        type(log) is not FunctionType
        or log.__name__ != "_no_op"
        or log.__globals__.get("__name__") not in ("txaio.aio", "txaio.tx")
        or log.__code__.co_code != _nothing.__code__.co_code
        or log.__code__.co_consts[-1:] != (None,)
    ):
        return False
    _met.append(log)
    return True


def _nothing(*_: Any, **__: Any) -> None:
    pass
