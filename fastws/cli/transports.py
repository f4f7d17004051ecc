"""``python -m fastws bench transports``: server push, transport against transport."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..measure import describe
from ..measure.transports import (
    CUT_OFF,
    LAST,
    PHASES,
    QUICK_WORKLOADS,
    QUIET,
    TRANSPORTS,
    WORKLOADS,
    Break,
    Result,
    Workload,
    cut_off_all,
    measure_all,
    mosquitto_version,
    overhead,
)
from .figures import duration, figure, machine
from .progress import progress
from .table import Table, markdown, show
from .transports_chart import draw_transports

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

__all__ = ["SUBSCRIBERS", "measure_transports"]

#: How many get each message, where nothing else is asked for.
SUBSCRIBERS: Final = 4

_EMPTY: Final = "-"

_LIBRARIES: Final = ("aiohttp", "websockets", "paho-mqtt", "mosquitto")

# Columns of a workload's table: how fast it was stands only where nothing else said how fast it was to be.
_WIRE: Final = ("transport", "bytes down", "bytes up", "median", "99 %")
_SPEED: Final = ("messages/s", "MB/s")
_REST: Final = ("CPU, server", "CPU, broker", "CPU, subscriber", "connections", "missing", "doubled", "out of order")


def measure_transports(options: argparse.Namespace) -> int:
    """Measure and print; the exit status, 1 where something went wrong.

    Args:
        options: ``quick``, ``subscribers``, ``markdown``, ``json`` and ``plot`` of the command.
    """
    workloads = QUICK_WORKLOADS if options.quick else WORKLOADS
    with progress(len(TRANSPORTS) * len(workloads) + len(CUT_OFF)) as step:
        results = measure_all(TRANSPORTS, workloads, options.subscribers, step)
        breaks = cut_off_all(CUT_OFF, step)
    for table in _tables(workloads, results, breaks, options.subscribers):
        if options.markdown:
            print(markdown(table))
        else:
            show(table)
            print()
    described = _described()
    print(machine(described))
    if options.json is not None:
        options.json.write_text(json.dumps(_document(workloads, results, breaks, described), indent=2) + "\n")
    if options.plot is not None:
        draw_transports(workloads, results, options.plot)
    return int(any(each.failed for each in results) or any(each.failed for each in breaks))


def _tables(
    workloads: Sequence[Workload], results: Sequence[Result], breaks: Sequence[Break], subscribers: int
) -> list[Table]:
    return [
        *[
            _table(workload, [each for each in results if each.workload == workload.name], subscribers)
            for workload in workloads
        ],
        _overheads([workload for workload in workloads if workload.rate is not None], results),
        _cut_off(breaks),
    ]


# Workloads ------------------------------------------------------------------------------------------------------------


def _table(workload: Workload, results: Sequence[Result], subscribers: int) -> Table:
    headers = [*_WIRE, *(_SPEED if workload.rate is None else ()), *_REST]
    rows = [[result.transport, *_cells(workload, result, len(headers) - 1)] for result in results]
    title = f"{workload.title[0].upper()}{workload.title[1:]}; subscribers: {subscribers}"
    notes = _missing(results)
    if absent := [result.transport for result in results if not result.missing and result.lost]:
        notes.append(
            f"missing: {'; '.join(absent)}: nothing had come for {QUIET:.0f} s, or {LAST:.0f} s had passed since the "
            "last message was sent, and no more was waited for."
        )
    return Table(title, headers, rows, numbers=True, notes=notes)


def _cells(workload: Workload, result: Result, count: int) -> list[str]:
    """What stands beside the name, in so many cells."""
    if result.missing:
        return [_EMPTY] * count
    told = [str(result.connections), str(result.lost), str(result.doubled), str(result.late)]
    if not result.delivered or result.median is None or result.p99 is None:
        return [*[_EMPTY] * (count - len(told)), *told]
    speed = [figure(result.rate), f"{result.rate * workload.size / 1e6:.3g}"] if workload.rate is None else []
    return [
        _bytes(result.down),
        _bytes(result.up),
        duration(result.median),
        duration(result.p99),
        *speed,
        duration(result.server),
        _EMPTY if result.helper is None else duration(result.helper),
        duration(result.client),
        *told,
    ]


def _bytes(value: float) -> str:
    return f"{value:.0f}" if value >= 1e4 else f"{value:.1f}"


def _missing(results: Iterable[Result | Break]) -> list[str]:
    """Why rows are empty: a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.missing:
            # What follows is a traceback, which stands in the JSON.
            reasons.setdefault(result.missing.splitlines()[0], []).append(result.transport)
    return [f"Not measured: {'; '.join(names)}: {reason}" for reason, names in reasons.items()]


# Computed -------------------------------------------------------------------------------------------------------------


def _overheads(workloads: Sequence[Workload], results: Sequence[Result]) -> Table:
    """Bytes beyond the payload, without the handshake: computed beside measured."""
    headers = ["transport", *[f"{workload.name}, {how}" for workload in workloads for how in ("computed", "measured")]]
    found = {(result.transport, result.workload): result for result in results}
    rows = [
        [
            transport.name,
            *[
                cell
                for workload in workloads
                for cell in (
                    _pair(overhead(transport, workload)),
                    _pair(_measured(workload, found[transport.name, workload.name])),
                )
            ],
        ]
        for transport in TRANSPORTS
    ]
    title = "Bytes beyond the payload of each message of 100 B, down + up, without the handshake"
    return Table(title, headers, rows, numbers=True)


def _measured(workload: Workload, result: Result) -> tuple[float, float] | None:
    if result.missing or not result.delivered:
        return None
    return result.down - result.opening_down - workload.size, result.up - result.opening_up


def _pair(found: tuple[float, float] | None) -> str:
    return _EMPTY if found is None else " + ".join([f"{each:.1f}".removesuffix(".0") for each in found])


# Cut off --------------------------------------------------------------------------------------------------------------


def _cut_off(breaks: Sequence[Break]) -> Table:
    headers = ["transport", *[f"lost {phase} (of {count})" for phase, count in PHASES.items()], "doubled"]
    rows = []
    for each in breaks:
        cells = [str(each.lost[phase]) for phase in PHASES] if each.lost else [_EMPTY] * len(PHASES)
        rows.append([each.transport, *cells, _EMPTY if each.missing else str(each.doubled)])
    return Table("A subscriber is cut off, and comes back", headers, rows, numbers=True, notes=_missing(breaks))


# What else comes out --------------------------------------------------------------------------------------------------


def _described() -> dict[str, Any]:
    """The machine, and what was compared."""
    described = describe()
    versions = {**described["libraries"], "mosquitto": mosquitto_version()}
    described["libraries"] = {name: versions[name] for name in _LIBRARIES if versions.get(name) is not None}
    return described


def _document(
    workloads: Sequence[Workload], results: Sequence[Result], breaks: Sequence[Break], described: dict[str, Any]
) -> dict[str, Any]:
    paced = [workload for workload in workloads if workload.rate is not None]
    return {
        "machine": described,
        "workloads": [workload.as_dict() for workload in workloads],
        "results": [result.as_dict() for result in results],
        "overheads": {
            transport.name: {workload.name: overhead(transport, workload) for workload in paced}
            for transport in TRANSPORTS
        },
        "cut_off": [each.as_dict() for each in breaks],
    }
