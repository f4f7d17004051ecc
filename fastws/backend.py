"""Picks one of the two twins, once, and says which.

``FASTWS_NO_EXTENSIONS=1`` picks the pure twin. Otherwise the native one is taken, and only a module that is not there
is forgiven, and a sub-interpreter, which cannot load it: a native module that is there and does not load is otherwise
a broken build, and its error is heard.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["backend", "backend_name", "kernel_name", "why_not_native"]

_why_not_native: str | None = None


def _pick() -> ModuleType:
    global _why_not_native
    from . import _pure

    if os.environ.get("FASTWS_NO_EXTENSIONS", "") not in ("", "0"):
        _why_not_native = "FASTWS_NO_EXTENSIONS is set"
        return _pure
    try:
        return importlib.import_module("._native", __package__)
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}._native":
            raise
        _why_not_native = "this installation was built without it"
        return _pure
    except ImportError:
        if not _in_sub_interpreter():
            raise
        _why_not_native = "a sub-interpreter cannot load it"
        return _pure


def _in_sub_interpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        return bool(interpreters.get_current() != interpreters.get_main())
    return False


if TYPE_CHECKING:
    from . import _pure as backend
else:
    backend = _pick()


def backend_name() -> str:
    """Which twin runs: ``"native"`` or ``"python"``."""
    return "python" if backend.__name__.endswith("_pure") else "native"


def kernel_name() -> str:
    """Which CPU kernel the native twin uses, or ``"none"`` for the pure one."""
    return backend.kernel_name()


def why_not_native() -> str | None:
    """Why the pure twin runs, or None where the native one does."""
    return _why_not_native
