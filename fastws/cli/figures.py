"""What measurements say, as tables: one for each group, with figures that people can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..measure import Measurement

__all__ = ["duration", "figure", "grouped", "machine", "ratio", "speed", "tables"]

_EMPTY = "-"


def tables(measurements: Sequence[Measurement], *, goals: bool = False) -> list[Table]:
    """One table for each group of cases, in order.

    Args:
        measurements: any number of them.
        goals: tell beside each ratio what it should be.
    """
    return [_table(group, measured, goals) for group, measured in grouped(measurements).items()]


def grouped(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """The measurements by their group, in the order in which the groups first appear."""
    groups: dict[str, list[Measurement]] = {}
    for one in measurements:
        groups.setdefault(one.case.group, []).append(one)
    return groups


def _table(group: str, measurements: list[Measurement], goals: bool) -> Table:
    case = measurements[0].case
    names = [contender.name for contender in case.contenders]
    work = "payload" if case.unit == "byte" else "message"
    if case.show == "rate":
        headers = [work, *names]
        rows = [[one.case.name, *[_rate_cell(one, name) for name in names]] for one in measurements]
    elif len(names) == 2:
        headers = [work, names[1], names[0], "ratio", *["goal"][:goals], "speed"]
        rows = [_before_and_after(one, goals) for one in measurements]
    else:
        headers = [work, names[0], "speed", *names[1:]]
        rows = [_against_each(one, goals) for one in measurements]
    missing = {name: reason for one in measurements for name, reason in one.missing.items()}
    return Table(group, headers, rows, numbers=True, notes=[f"{name}: {reason}" for name, reason in missing.items()])


def _before_and_after(one: Measurement, goals: bool) -> list[str]:
    """A row for a subject and its only rival."""
    subject, rival = one.case.contenders
    there = rival.name in one.timings
    goal = [_EMPTY if rival.goal is None else ratio(rival.goal)] if goals else []
    return [
        one.case.name,
        _time(one, rival.name) if there else _EMPTY,
        _time(one, subject.name),
        ratio(one.ratio(rival.name)) if there else _EMPTY,
        *goal,
        speed(one, subject.name),
    ]


def _against_each(one: Measurement, goals: bool) -> list[str]:
    """A row for a subject and several rivals, each with its ratio."""
    subject, *rivals = one.case.contenders
    cells = [one.case.name, _time(one, subject.name), speed(one, subject.name)]
    for rival in rivals:
        if rival.name not in one.timings:
            cells.append(_EMPTY)
            continue
        goal = f", goal {rival.goal:g}x" if goals and rival.goal is not None else ""
        cells.append(f"{_time(one, rival.name)} ({ratio(one.ratio(rival.name))}{goal})")
    return cells


def _rate_cell(one: Measurement, name: str) -> str:
    return speed(one, name) if name in one.timings else _EMPTY


def _time(one: Measurement, name: str) -> str:
    """Time of a call for bytes, of a message for messages: the best batch, and how far the middle ones lie apart."""
    timing = one.timings[name]
    return f"{duration(timing.best if one.case.unit == 'byte' else one.per_unit(name))} ±{timing.spread / 2:.0%}"


def speed(one: Measurement, name: str) -> str:
    """Bytes or messages a second in the best batch."""
    rate = 1 / one.per_unit(name)
    if one.case.unit == "byte":
        return f"{figure(rate / 1e9)} GB/s" if rate >= 1e8 else f"{figure(rate / 1e6)} MB/s"
    if rate >= 1e6:
        return f"{figure(rate / 1e6)} M/s"
    return f"{figure(rate / 1e3)} k/s" if rate >= 1e3 else f"{figure(rate)} /s"


def duration(seconds: float) -> str:
    """A time with its unit and three figures."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{figure(seconds / size)} {unit}"
    return f"{figure(seconds / 1e-9)} ns"


def ratio(value: float) -> str:
    """How many times as fast."""
    return f"{figure(value)}x"


def figure(value: float) -> str:
    """Three figures, or all that stand before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine(described: dict[str, Any]) -> str:
    """Where it was measured, in a line."""
    libraries = ", ".join(f"{name} {version}" for name, version in described["libraries"].items())
    return (
        f"Measured with fastws {described['fastws']} ({described['backend']}, kernel {described['kernel']}), "
        f"{described['python']}, {described['system']}, {described['cpu']}; {libraries}."
    )
