"""Tables for a terminal, with rich where it is installed and in plain text where it is not, and for Markdown."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Table", "markdown", "plain", "show"]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a title; the first column is text, and so is every one that is not told to be ``numbers``.

    Attributes:
        title: what it is about.
        headers: one for each column.
        rows: as many cells as there are headers.
        numbers: whether all columns but the first are set to the right.
        notes: lines below the table.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = False
    notes: Sequence[str] = field(default_factory=tuple)


def show(table: Table) -> None:
    """Print a table to standard output."""
    if not (sys.stdout.isatty() and _show_rich(table)):
        print(plain(table))
    for note in table.notes:
        print(note)


def _show_rich(table: Table) -> bool:
    """Print it with rich, which fits it into the terminal; False where rich is not installed."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table as RichTable
    except ImportError:
        return False
    shown = RichTable(title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, header in enumerate(table.headers):
        shown.add_column(header, justify="right" if table.numbers and number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    Console(markup=False, highlight=False).print(shown)
    return True


def plain(table: Table) -> str:
    """The table as text, its columns aligned."""
    lines = [list(table.headers), *[list(row) for row in table.rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.headers))]
    lines.insert(1, ["-" * width for width in widths])
    rows = [
        "  ".join(
            cell.rjust(width) if table.numbers and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, "", *rows])


def markdown(table: Table) -> str:
    """The table in GitHub's Markdown."""
    rule = ["---", *["---:" if table.numbers else "---"] * (len(table.headers) - 1)]
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (table.headers, rule, *table.rows)
    ]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"### {table.title}", "", *lines, *notes, ""])
