"""The system's source of random bytes, as a host finds it while nobody has replaced it.

Tests and programs put a function of their own in the place of ``os.urandom``, perhaps before a host is accelerated, or
before fastws is imported. Masking keys come from the codec only where the system's own function stands there.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

__all__ = ["SYSTEM_RANDOM"]

#: What ``os.urandom`` is unless somebody has put something else there: ``posix.urandom``, or that of ``nt``.
SYSTEM_RANDOM: Final[Any] = getattr(sys.modules.get(os.name), "urandom", None)
