"""``python -m fastws status``: what runs here, and which host libraries can be accelerated."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from .. import hosts
from ..report import HostStatus, Status, status
from . import PROGRAM
from .table import Table, show

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_DESCRIPTION = """\
Tell which backend and CPU kernel run, and for every supported host library what `run` would do with it: each one that
is installed is accelerated here, in a process that ends at once.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} status", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    hosts.accelerate_installed()
    told = status()
    if options.json:
        print(json.dumps(dataclasses.asdict(told), indent=2))
    else:
        _show(told)
    return 0


def _show(told: Status) -> None:
    print(f"fastws   {told.version}")
    print(f"backend  {told.backend}{'' if told.why_not_native is None else f' ({told.why_not_native})'}")
    print(f"kernel   {told.kernel}{_other_kernels(told)}")
    print()
    rows = [[host.name, host.installed or "no", _accelerated(host), host.tried] for host in told.hosts]
    show(Table("Host libraries", ["host", "installed", "accelerated", "tried with"], rows))
    for host in told.hosts:
        if host.accelerated:
            print(f"\n{host.name}")
            print(f"  replaces      {', '.join(host.replaces)}")
            if host.left:
                print(f"  left to it    {', '.join(host.left)}")
            print(f"  out of reach  {host.cannot_reach}")


def _other_kernels(told: Status) -> str:
    others = [kernel for kernel in told.kernels if kernel != told.kernel]
    return f" (this CPU also runs {', '.join(others)}; FASTWS_KERNEL chooses)" if others else ""


def _accelerated(host: HostStatus) -> str:
    return f"yes, depth {host.depth}" if host.accelerated else f"no: {host.reason}"
