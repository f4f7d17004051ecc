"""Servers under load: fastws' own endpoints against those that do the same work best.

Every server is a process of its own, the client that drives them is this one. ``echo_cases`` lists the cases,
``idle_memory`` measures what a connection costs that does nothing.
"""

from __future__ import annotations

from .load import LOOPS, Endpoints, echo_cases
from .memory import CONTENDERS, UNCOMPRESSED, idle_memory
from .servers import missing

__all__ = ["CONTENDERS", "LOOPS", "UNCOMPRESSED", "Endpoints", "echo_cases", "idle_memory", "missing"]
