"""What runs: backend, CPU kernel, and for each host library whether it is accelerated, how deep, and why not."""

from __future__ import annotations

from dataclasses import dataclass

from ._version import __version__
from .backend import backend, backend_name, kernel_name, why_not_native
from .hosts import HostStatus, host_status

__all__ = ["HostStatus", "Status", "status"]


@dataclass(frozen=True)
class Status:
    """What runs in this process.

    Attributes:
        version: the version of fastws.
        backend: ``"native"`` or ``"python"``.
        kernel: the CPU kernel in use; ``"none"`` for the pure twin.
        kernels: the kernels that this CPU can run, weakest first; empty for the pure twin.
        why_not_native: why the pure twin runs, or None where the native one does.
        hosts: one entry per supported host library.
    """

    version: str
    backend: str
    kernel: str
    kernels: tuple[str, ...]
    why_not_native: str | None
    hosts: tuple[HostStatus, ...]


def status(*, probe: bool = False) -> Status:
    """Tell what runs.

    Args:
        probe: import every installed host that is not accelerated and check its shape, so that ``reason`` tells
            whether it could be; nothing is replaced. Otherwise no host is imported.
    """
    return Status(
        version=__version__,
        backend=backend_name(),
        kernel=kernel_name(),
        kernels=backend.available_kernels(),
        why_not_native=why_not_native(),
        hosts=host_status(probe=probe),
    )
