"""Tells when a module has been imported, for hosts that a program imports after ``accelerate``."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["unwatch", "watch"]

# full name of a module → what is called with that name when it has been imported
_watched: Final[dict[str, Callable[[str], None]]] = {}
_lock: Final = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def watch(module: str, call: Callable[[str], None]) -> None:
    """Call ``call`` in the importing thread whenever a module has been imported, before the program sees it.

    Another watch of the same module is replaced. ``call`` must not raise.
    """
    with _lock:
        _watched[module] = call
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)


def unwatch(module: str) -> None:
    """End a watch; nothing where there is none."""
    with _lock:
        _watched.pop(module, None)
        if not _watched and _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)


class _Finder(MetaPathFinder):
    """Finds nothing itself: it asks the finders behind it, and has the loader of a watched module tell the end."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _watched:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if find is None and hasattr(finder, "find_module"):
                return None  # of a kind that Python before 3.12 asks itself
            spec: ModuleSpec | None = find(fullname, path, target) if find and finder is not self else None
            if spec is not None:
                if spec.loader is not None:
                    _tell_the_end(spec.loader)
                return spec
        return None


_FINDER: Final = _Finder()


def _tell_the_end(loader: Any) -> None:
    """Have a loader call what watches a module once that is executed.

    The loader itself stays the one of the module, because it also serves ``inspect``, ``importlib.resources`` and
    ``pkgutil``; one that cannot take the attribute, has it already, or lacks the method, is left as it is.
    """
    execute = getattr(loader, "exec_module", None)
    if execute is None or "exec_module" in getattr(loader, "__dict__", {"exec_module": None}):
        return

    def exec_module(module: ModuleType) -> None:
        # From here on the loader is as it was, for whoever compares or pickles it.
        vars(loader).pop("exec_module", None)
        execute(module)
        call = _watched.get(module.__name__)
        if call is not None:
            call(module.__name__)

    with suppress(Exception):
        loader.exec_module = exec_module
