"""Server push, transport against transport: one publisher, many subscribers, the same numbered messages.

Publisher and subscribers are processes of their own, with real servers and clients; ``measure_all`` runs the workloads,
once through a relay that counts bytes and once without it, ``cut_off`` breaks the network, and ``overhead`` computes
what the formats add.
"""

from __future__ import annotations

from .broker import mosquitto_version
from .cut_off import PHASES, Break, cut_off, cut_off_all
from .overhead import overhead
from .registry import CUT_OFF, TRANSPORTS, Transport
from .run import LAST, QUIET, Result, measure_all
from .workloads import QUICK_WORKLOADS, WORKLOADS, Workload

__all__ = [
    "CUT_OFF",
    "LAST",
    "PHASES",
    "QUICK_WORKLOADS",
    "QUIET",
    "TRANSPORTS",
    "WORKLOADS",
    "Break",
    "Result",
    "Transport",
    "Workload",
    "cut_off",
    "cut_off_all",
    "measure_all",
    "mosquitto_version",
    "overhead",
]
