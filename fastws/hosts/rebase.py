"""Gives a replacement the place of the function that it replaces: its module's globals, its name, its signature."""

from __future__ import annotations

import builtins
import dis
import functools
from types import CodeType, FunctionType
from typing import Any

from .host import HostError

__all__ = ["rebase"]


def rebase(function: Any, plain: Any) -> FunctionType:
    """A copy of ``function`` that stands where ``plain`` stood.

    It reads its globals from the module of ``plain``, so what somebody patches there is honoured as before. What it
    needs of its own it must carry in its closure and its locals.

    Returns: a function with the name, documentation and defaults of ``plain``, which is its ``__wrapped__``.
    Raises:
        HostError: ``function`` reads a global that the module of ``plain`` does not have.
    """
    for name in _globals(function.__code__):
        if name not in plain.__globals__ and not hasattr(builtins, name):
            raise HostError(f"{plain.__module__}.{name} does not exist")
    code = function.__code__.replace(co_name=plain.__name__)
    copy = FunctionType(code, plain.__globals__, plain.__name__, plain.__defaults__, function.__closure__)
    copy.__kwdefaults__ = plain.__kwdefaults__
    copy.__annotations__ = plain.__annotations__
    copy.__doc__ = plain.__doc__
    copy.__module__ = plain.__module__
    copy.__qualname__ = plain.__qualname__
    copy.__dict__["__wrapped__"] = plain
    return copy


@functools.cache
def _globals(code: CodeType) -> frozenset[str]:
    return frozenset(
        {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    )
