"""What ``bench transports`` measured, as a chart, with matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..measure.transports import Result, Workload

__all__ = ["draw_transports"]

# Inches.
_WIDTH: Final = 16.0
_BAR: Final = 0.22
_MARGIN: Final = 1.0
_COLUMNS: Final = 2

_KINDS: Final = ("polling", "Comet", "Server-Sent Events", "WebSocket", "MQTT")


@dataclass(frozen=True)
class _Panel:
    """A bar for each transport.

    Attributes:
        workload: its name.
        label: what is drawn, with its unit.
        value: of a result.
        scale: of the axis.
    """

    workload: str
    label: str
    value: Callable[[Result], float]
    scale: str = "log"


def _wire(result: Result) -> float:
    return result.down + result.up


def _median(result: Result) -> float:
    return (result.median or 0) * 1e3


def _cpu(result: Result) -> float:
    return (result.server + (result.helper or 0) + result.client) * 1e6


_PANELS: Final = (
    _Panel("rare", "bytes on the wire per message, both directions", _wire, "linear"),
    _Panel("chat", "bytes on the wire per message, both directions", _wire, "linear"),
    _Panel("rare", "median latency, ms", _median),
    _Panel("chat", "median latency, ms", _median),
    _Panel("ticks", "CPU per message, all processes, µs", _cpu),
    _Panel("chat", "CPU per message, all processes, µs", _cpu),
    _Panel("stream", "messages of 1 MiB a second", lambda result: result.rate),
    _Panel("exchange", "median latency of a round trip, ms", _median),
)


def draw_transports(workloads: Sequence[Workload], results: Sequence[Result], path: Path) -> None:
    """Draw a panel for each thing that is compared; transports of which nothing arrived have no bar."""
    from matplotlib.figure import Figure

    titles = {workload.name: workload.title for workload in workloads}
    names = list(dict.fromkeys([result.transport for result in results]))
    rows = -(-len(_PANELS) // _COLUMNS)
    figure = Figure(figsize=(_WIDTH, rows * (_MARGIN + _BAR * len(names))), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for panel, part in zip(axes, _PANELS, strict=False):
        panel.set_title(titles[part.workload], loc="left")
        _bars(panel, part, {each.transport: each for each in results if each.workload == part.workload}, names)
    figure.savefig(path)


def _bars(panel: Axes, part: _Panel, results: dict[str, Result], names: list[str]) -> None:
    values = [part.value(results[name]) if results[name].delivered else 0.0 for name in names]
    shown = [(row, value) for row, value in enumerate(values) if value > 0]
    colours = [f"C{_kind(names[row])}" for row, _ in shown]
    bars = panel.barh([row for row, _ in shown], [value for _, value in shown], color=colours)
    panel.bar_label(
        bars, [f"{value:.0f}" if value >= 100 else f"{value:.3g}" for _, value in shown], padding=3, fontsize=7
    )
    panel.set_yticks(range(len(names)), names, fontsize=8)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_xscale(part.scale)
    panel.margins(x=0.12)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter("")
    panel.set_xlabel(part.label)


def _kind(name: str) -> int:
    """Transports of a kind have a colour."""
    return next(number for number, kind in enumerate(_KINDS) if name.startswith(kind))
