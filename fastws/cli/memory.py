"""``python -m fastws bench memory``: what an idle connection costs a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..measure import describe
from ..measure.endpoints import CONTENDERS, UNCOMPRESSED, idle_memory, missing
from .figures import machine
from .progress import progress
from .table import Table, markdown, show

if TYPE_CHECKING:
    import argparse

__all__ = ["measure_memory"]

_HOW = {"compression off": False, "compression on": True}


def measure_memory(options: argparse.Namespace) -> int:
    """Measure and print; the exit status.

    Args:
        options: ``quick``, ``markdown`` and ``json`` of the command.
    """
    count = 200 if options.quick else 2000
    told: dict[str, list[float | None]] = {}
    with progress(len(_HOW) * len(CONTENDERS)) as step:
        for name in CONTENDERS:
            for how, compression in _HOW.items():
                step(name, how)
                cannot = missing(name) or (compression and name in UNCOMPRESSED)
                figure = None if cannot else idle_memory(name, count, compression=compression)
                told.setdefault(name, []).append(figure)
    rows = [[name, *["-" if figure is None else f"{figure / 1024:.1f} KiB" for figure in told[name]]] for name in told]
    notes = [f"{name}: needs {missing(name)}" for name in CONTENDERS if missing(name)]
    notes.append("No message was sent yet: some take their memory for compression with the first one.")
    title = f"Memory of an idle connection, one of {count}"
    table = Table(title, ["server", *_HOW], rows, numbers=True, notes=notes)
    if options.markdown:
        print(markdown(table))
    else:
        show(table)
        print()
    print(machine(describe()))
    if options.json is not None:
        document = {"machine": describe(), "connections": count, "bytes": told}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0
