"""What the hosts gain, at one look: a row for each work of each host, a column for each size of message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..measure.hosts.library import IN_THE_LIBRARY, SIZES
from ..measure.payloads import size_name
from .figures import duration, ratio, speed
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..measure import Measurement, Topic

__all__ = ["overviews"]

# Text of this shape, or else what there is.
_SHAPE: Final = "Latin"

_PAYLOAD: Final = "text with 5 % of accents; MQTT: bytes"


def overviews(measurements: Sequence[Measurement], *, goals: bool = False) -> list[Table]:
    """What is spent in the libraries, and what over a socket; of the kind of message that is nearest to most.

    Args:
        measurements: any number of them; those that are not about host libraries are left out.
        goals: tell beside each ratio what it should be.
    """
    inside: dict[str, dict[int, str]] = {}
    outside: dict[str, dict[int, str]] = {}
    for one in measurements:
        topic = one.case.topic
        if topic is None or topic.shape != _shape_of(topic, measurements):
            continue
        if topic.what == IN_THE_LIBRARY:
            inside.setdefault(_name(topic), {})[topic.size] = _times(one, goals)
        elif topic.what == "CPU time":
            outside.setdefault(_name(topic), {})[topic.size] = _times(one, goals)
        elif topic.work == "echo":
            outside.setdefault(f"{_name(topic)}, messages a second", {})[topic.size] = _speeds(one)
    titles = {
        f"Time in the library for a message, plain → accelerated ({_PAYLOAD})": inside,
        f"Over a socket: CPU time of the process for a message, plain → accelerated ({_PAYLOAD})": outside,
    }
    return [_table(title, rows) for title, rows in titles.items() if rows]


def _table(title: str, rows: dict[str, dict[int, str]]) -> Table:
    headers = ["work", *map(size_name, SIZES)]
    return Table(title, headers, [_row(name, cells) for name, cells in rows.items()], numbers=True)


def _shape_of(topic: Topic, measurements: Sequence[Measurement]) -> str:
    """The shape that is shown of a host."""
    shapes = {one.case.topic.shape for one in measurements if one.case.topic and one.case.topic.host == topic.host}
    return _SHAPE if _SHAPE in shapes else min(shapes)


def _name(topic: Topic) -> str:
    return f"{topic.host}{topic.part and f' ({topic.part})'}: {topic.work}"


def _row(name: str, cells: dict[int, str]) -> list[str]:
    return [name, *[cells.get(size, "-") for size in SIZES]]


def _times(one: Measurement, goals: bool) -> str:
    subject, rival = one.case.contenders
    goal = f", goal {rival.goal:g}x" if goals and rival.goal is not None else ""
    plain, accelerated = duration(one.per_unit(rival.name)), duration(one.per_unit(subject.name))
    return f"{plain} → {accelerated} ({ratio(one.ratio(rival.name))}{goal})"


def _speeds(one: Measurement) -> str:
    subject, rival = one.case.contenders
    plain, accelerated = speed(one, rival.name), speed(one, subject.name)
    return f"{plain} → {accelerated} ({ratio(one.ratio(rival.name))})"
