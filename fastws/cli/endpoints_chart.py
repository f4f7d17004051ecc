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


def draw_endpoints(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw a panel for each loop and number in flight: how many times as fast as each rival, with short text."""
    from matplotlib.figure import Figure

    panels = _ratios(measurements)
    rows = -(-len(panels) // _COLUMNS)
    height = _MARGIN + _BAR * max(map(len, panels.values()))
    figure = Figure(figsize=(_WIDTH, rows * height), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for panel, (name, ratios) in zip(axes, panels.items(), strict=False):
        _bars(panel, name, ratios)
    figure.savefig(path)


def _ratios(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """For each loop and number in flight: ratios of what ran side by side, the middle one of all rounds."""
    panels: dict[str, dict[str, float]] = {}
    for one in measurements:
        if one.case.short:
            subject, _, panel = one.case.group.partition(": ")
            for rival in one.timings:
                if rival != subject:
                    panels.setdefault(panel, {})[f"{subject} / {rival}"] = one.median_ratio(rival)
    return panels


def _bars(panel: Axes, name: str, ratios: dict[str, float]) -> None:
    """Bars start at 1, so that what is slower points to the left."""
    bars = panel.barh([*ratios], [ratio - 1 for ratio in ratios.values()], left=1)
    panel.bar_label(bars, [f"{ratio:.2g}x" for ratio in ratios.values()], padding=3, fontsize=8)
    panel.invert_yaxis()
    panel.set_xscale("log")
    panel.axvline(1, color="black", linewidth=1)
    panel.set_title(name, loc="left")
    panel.set_xlabel("times as fast, messages of 32 B")
    panel.margins(x=0.15)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter("")
