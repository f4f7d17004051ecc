"""Takes the operating system's part in large messages out of a measurement.

A message of 1 MiB is several buffers of 1 MiB. Whether the C library gives such memory back when it is freed, and gets
it again page by page, hangs on what ran before, and can cost more than the library that is measured.
"""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["keep_freed_memory"]

# Parameters of glibc's `mallopt`: from how many bytes on memory is mapped for itself, and how many free ones at the end
# of the heap are given back.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_NEVER: Final = 2**30


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, from now on and in this process; whether it can (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _NEVER)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
