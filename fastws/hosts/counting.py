"""Counts how often each replacement is called, to prove that a program really went through it.

Only where ``FASTWS_COUNT_SEAMS`` is set when a host is accelerated; otherwise the replacements stand there bare.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .host import Seam

__all__ = ["count_if_asked", "is_one_of_ours", "seam_hits"]

_hits: Final[Counter[str]] = Counter()
_lock: Final = threading.Lock()


def seam_hits() -> dict[str, int]:
    """Calls so far of each replacement, by its path; empty unless ``FASTWS_COUNT_SEAMS`` is set."""
    with _lock:
        return dict(_hits)


def count_if_asked(seams: list[Seam]) -> list[Seam]:
    """The same seams, with replacements that count where ``FASTWS_COUNT_SEAMS`` is set."""
    if os.environ.get("FASTWS_COUNT_SEAMS", "") in ("", "0"):
        return seams
    return [seam.with_replacement(_counted(seam.path, seam.replacement)) for seam in seams]


def is_one_of_ours(found: Any, ours: Any) -> bool:
    """Whether what stands in a host is what we put there, be it counted."""
    return found is ours or (
        getattr(found, "__wrapped__", None) is ours and getattr(found, "__globals__", None) is globals()
    )


def _counted(path: str, replacement: Any) -> Any:
    if isinstance(replacement, (staticmethod, classmethod)):
        return type(replacement)(_counted(path, replacement.__func__))
    if isinstance(replacement, type) or not callable(replacement):
        return replacement  # its methods are what is called

    @functools.wraps(replacement)
    def counted(*args: Any, **kwargs: Any) -> Any:
        with _lock:
            _hits[path] += 1
        return replacement(*args, **kwargs)

    return counted
