"""Progress on standard error: rich's bar on a terminal, else a line for each group of cases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]

#: Called with the group and the name of the case that is measured next.
Step = Callable[[str, str], None]


@contextmanager
def progress(total: int) -> Iterator[Step]:
    """Show how far ``total`` cases have come."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        yield _lines()
        return
    columns = (
        BarColumn(20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        started = False

        def step(group: str, case: str) -> None:
            nonlocal started
            bar.update(task, advance=1 if started else 0, description=f"{group}: {case}")
            started = True

        yield step


def _lines() -> Step:
    last = ""

    def step(group: str, _: str) -> None:
        nonlocal last
        if group != last:
            print(f"measuring {group}", file=sys.stderr, flush=True)
            last = group

    return step
