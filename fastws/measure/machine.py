"""Where it was measured: what a reader must know to repeat a figure, or to doubt it."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import fastws
from fastws.backend import backend_name, kernel_name, why_not_native
from fastws.hosts import host_status

__all__ = ["describe", "notes"]

# Rivals of the codec, some of which are hosts too.
_RIVALS = ("wsaccel", "websockets", "aiohttp", "wsproto")


def describe() -> dict[str, Any]:
    """Versions, backend and machine, for JSON and for the lines below a table."""
    return {
        "fastws": fastws.__version__,
        "backend": backend_name(),
        "kernel": kernel_name(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "libraries": {name: version for name in _libraries() if (version := _version(name)) is not None},
    }


def _libraries() -> list[str]:
    """What is compared, hosts first."""
    return list(dict.fromkeys([*[host.distribution for host in host_status()], *_RIVALS]))


def notes() -> list[str]:
    """What a reader would otherwise misread."""
    told = []
    if backend_name() == "python":
        told.append(f"fastws runs without its native twin ({why_not_native()}): these are not the figures to expect.")
    if sys.gettrace() is not None or sys.getprofile() is not None:
        told.append("A debugger or profiler is active and slows every call.")
    if _version("wsaccel") is not None:
        told.append(
            "wsaccel is installed, and websocket-client, gevent-websocket and lomond use it: "
            "their plain columns are not pure Python."
        )
    return told


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    """The model of the CPU, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model"):
                return value.strip()
    return platform.processor() or platform.machine()
