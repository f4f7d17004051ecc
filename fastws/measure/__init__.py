"""The measuring code: it stands here once, for ``python -m fastws bench`` and for the pytest-benchmark suites alike.

A ``Case`` is one amount of work with a subject and its rivals; ``measure`` times them in one interleaved run.
``codec_cases``, ``pure_cases``, ``kernel_cases`` and ``host_cases`` list the cases; ``exchanges`` lists what is
measured over a socket, with ``measure_exchange`` and the server of ``serving``. Rivals that are not installed stay
empty.
"""

from __future__ import annotations

from .allocator import keep_freed_memory
from .case import Case, Contender, Measurement, Topic, measure
from .codec import codec_cases, pure_cases
from .hosts import host_cases
from .hosts.library import noise
from .kernels import kernel_cases
from .machine import describe, notes
from .server import serving
from .sockets import Exchange, exchanges, measure_exchange, trade
from .timing import QUICK, Plan, Timing

__all__ = [
    "QUICK",
    "Case",
    "Contender",
    "Exchange",
    "Measurement",
    "Plan",
    "Timing",
    "Topic",
    "codec_cases",
    "describe",
    "exchanges",
    "host_cases",
    "keep_freed_memory",
    "kernel_cases",
    "measure",
    "measure_exchange",
    "noise",
    "notes",
    "pure_cases",
    "serving",
    "trade",
]
