"""Measurements as a chart, with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .figures import grouped, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..measure import Measurement

__all__ = ["draw", "why_not"]

# Inches.
_WIDTH = 10.0
_BAR = 0.18
_MARGIN = 1.2


def why_not(path: Path) -> str | None:
    """Why no chart can be drawn into a file of that name, or None."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        return f'a chart needs matplotlib ({error}): python -m pip install "fastws-codec[plot]"'
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in kinds:
        return f"a chart is a file of one of these kinds, not {path.name!r}: {', '.join(sorted(kinds))}"
    return None


def draw(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw one panel for each group: bars of ratios, or of speeds where a group compares kernels."""
    from matplotlib.figure import Figure

    groups = grouped(measurements)
    heights = [_MARGIN + _BAR * sum(len(one.timings) for one in measured) for measured in groups.values()]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (group, measured) in zip(panels, groups.items(), strict=True):
        panel.set_title(group, loc="left")
        _bars(panel, measured)
    figure.savefig(path)


def _bars(panel: Axes, measured: list[Measurement]) -> None:
    """A bar for each contender of each case, from the top down, with its figure at the end."""
    rate = measured[0].case.show == "rate"
    subject, *rivals = [contender.name for contender in measured[0].case.contenders]
    names = [subject, *rivals] if rate else rivals
    step = 0.8 / len(names)
    for number, name in enumerate(names):
        shown = [(row, one) for row, one in enumerate(measured) if name in one.timings]
        # Ratios start at 1, so that what is slower points to the left.
        start = 0.0 if rate else 1.0
        values = [1e-9 / one.per_unit(name) if rate else one.ratio(name) for _, one in shown]
        rows = [row + step * (number - (len(names) - 1) / 2) for row, _ in shown]
        bars = panel.barh(rows, [value - start for value in values], height=step, left=start, label=name)
        panel.bar_label(bars, [f"{value:.3g}" if rate else ratio(value) for value in values], padding=3, fontsize=7)
    panel.set_yticks(range(len(measured)), [one.case.name for one in measured])
    panel.invert_yaxis()
    panel.set_xscale("log")
    panel.margins(x=0.12)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter("")
    panel.set_xlabel("GB/s" if rate else f"{subject} is so many times as fast as {_either(rivals)}")
    if not rate:
        panel.axvline(1, color="black", linewidth=1)
    if len(names) > 1:
        panel.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "each"
