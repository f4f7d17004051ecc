"""Makes installed WebSocket libraries faster, and puts them back.

Importing this package replaces nothing. ``registry.py`` lists the hosts; each has a file of its own that says what it
replaces and what it cannot reach.
"""

from __future__ import annotations

from .counting import seam_hits
from .host import HostError, HostStatus
from .registry import accelerate, accelerate_installed, accelerated, host_status, restore, tell_late, unnoticed

__all__ = [
    "HostError",
    "HostStatus",
    "accelerate",
    "accelerate_installed",
    "accelerated",
    "host_status",
    "restore",
    "seam_hits",
    "tell_late",
    "unnoticed",
]
