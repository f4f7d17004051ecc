"""What ``bench endpoints`` measured, as a chart, with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..measure import Measurement

__all__ = ["draw_endpoints"]

# Inches.
_WIDTH: Final = 12.0
_BAR: Final = 0.25
_MARGIN: Final = 1.1
_COLUMNS: Final = 2

_OURS: Final = "tab:blue"
_OTHERS: Final = "tab:gray"


def draw_endpoints(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw a panel for each loop and number in flight: messages a second of each endpoint, short text."""
    from matplotlib.figure import Figure

    panels = _rates(measurements)
    rows = -(-len(panels) // _COLUMNS)
    height = _MARGIN + _BAR * max(map(len, panels.values()))
    figure = Figure(figsize=(_WIDTH, rows * height), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for panel, (name, rates) in zip(axes, panels.items(), strict=False):
        _bars(panel, name, rates)
    figure.savefig(path)


def _rates(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """For each loop and number in flight: messages a second, best of all rounds, of each endpoint."""
    panels: dict[str, dict[str, float]] = {}
    for one in measurements:
        if one.case.short:
            rates = panels.setdefault(one.case.group.partition(": ")[2], {})
            for name in one.timings:
                rates[name] = max(rates.get(name, 0.0), 1 / one.per_unit(name))
    return panels


def _bars(panel: Axes, name: str, rates: dict[str, float]) -> None:
    ranked = sorted(rates, key=lambda each: rates[each])
    colours = [_OURS if each.startswith("fastws") else _OTHERS for each in ranked]
    bars = panel.barh(ranked, [rates[each] for each in ranked], color=colours)
    panel.bar_label(bars, [f"{rates[each]:,.0f}" for each in ranked], padding=3, fontsize=8)
    panel.set_title(name, loc="left")
    panel.set_xlabel("messages of 32 B a second, there and back")
    panel.margins(x=0.18)
    panel.xaxis.set_major_formatter("{x:,.0f}")
    panel.tick_params(axis="x", labelsize="small")
