"""``python -m fastws bench``: measures on this machine, and prints tables of ratios."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import hosts
from ..measure import (
    QUICK,
    Case,
    Exchange,
    Measurement,
    Plan,
    codec_cases,
    describe,
    exchanges,
    host_cases,
    keep_freed_memory,
    kernel_cases,
    measure,
    measure_exchange,
    noise,
    notes,
    pure_cases,
    serving,
)
from ..measure.endpoints import LOOPS, Endpoints, echo_cases
from . import PROGRAM
from .chart import draw, why_not
from .endpoints_chart import draw_endpoints
from .figures import machine, tables
from .memory import measure_memory
from .options import name_list, positive
from .overview import overviews
from .progress import progress
from .table import markdown, show
from .transports import SUBSCRIBERS, measure_transports

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

_DESCRIPTION = """\
Measure on this machine. kernels: bytes a second of each CPU kernel. codec: each function against the library that does
the same work best. hosts: host libraries, plain and accelerated. endpoints: servers under load, one process each.
memory: what an idle connection costs a server. transports: server push by WebSocket, HTTP polling, Comet, Server-Sent
Events and MQTT, in some minutes. Without one of them: hosts, and the codec in short, in about a minute.
A ratio such as 5.00x says that fastws took a fifth of that time; times are those of the best batch, ± half the spread
of the middle half.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status."""
    options = _parse(arguments)
    if options.suite == "memory":
        return measure_memory(options)
    if options.suite == "transports":
        return measure_transports(options)
    plan = QUICK if options.quick else Plan()
    if options.rounds is not None:
        plan = dataclasses.replace(plan, rounds=options.rounds, seconds=plan.seconds * options.rounds / plan.rounds)
    if options.suite == "endpoints":
        # A batch waits for another process, so the wall clock counts.
        plan = dataclasses.replace(plan, clock=time.perf_counter)
    # What is plain must be plain, also where `run` started this.
    hosts.restore()
    if options.suite in (None, "hosts"):
        keep_freed_memory()
    measurements: list[Measurement] = []
    told = notes()
    for suite in _SUITES[options.suite]:
        taken = suite(plan, told, options)
        measurements += taken
        _print(taken, options)
    for note in told:
        print(f"Note: {note}")
    print(machine(describe()))
    if options.json is not None:
        options.json.write_text(json.dumps(_document(measurements, plan, told), indent=2) + "\n")
    if options.plot is not None:
        (draw_endpoints if options.suite == "endpoints" else draw)(measurements, options.plot)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; what does not fit ends the command."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for path in (options.json, options.plot):
        if path is not None and not path.parent.is_dir():
            parser.error(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if options.hosts and options.suite not in (None, "hosts"):
        parser.error(f"--hosts does not go with {options.suite}")
    if options.hosts and (refused := _refused(options.hosts)) is not None:
        parser.error(refused)
    for name in ("library", "noise"):
        if getattr(options, name) and options.suite != "hosts":
            parser.error(f"--{name} goes with hosts only")
    if options.subscribers is not None and options.suite != "transports":
        parser.error("--subscribers goes with transports only")
    options.subscribers = options.subscribers or SUBSCRIBERS
    if options.plot is not None and options.suite == "memory":
        parser.error("--plot does not go with memory")
    if options.plot is not None and (reason := why_not(options.plot)) is not None:
        parser.error(reason)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} bench", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("suite", nargs="?", choices=_CHOICES, help="what to measure")
    parser.add_argument(
        "--hosts",
        metavar="A,B",
        type=name_list,
        default=[],
        help="measure these hosts only, and fail where one cannot be",
    )
    parser.add_argument(
        "--library", action="store_true", help="hosts: the time in the libraries only, not over a socket"
    )
    parser.add_argument(
        "--noise",
        action="store_true",
        help="hosts: the same, plain against plain: so far from 1 ratios are here without a reason",
    )
    parser.add_argument(
        "--rounds",
        metavar="N",
        type=positive,
        help=f"batches of each contender, {Plan().rounds} where this is not given; with more, figures repeat better",
    )
    parser.add_argument(
        "--subscribers",
        metavar="N",
        type=positive,
        help=f"how many get each message of transports; {SUBSCRIBERS} where this is not given",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure, and the machine, as JSON")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw a chart (needs matplotlib, the extra 'plot')")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown, with the goals set")
    parser.add_argument("--quick", action="store_true", help="see that everything works; the figures mean little")
    return parser


_CHOICES: Final = ("kernels", "codec", "hosts", "endpoints", "memory", "transports")

# Seconds that the hosts may take in a short run, as far as few rounds will do.
_SHORT_RUN: Final = 45.0


# Suites: each measures a list of cases, and adds to the notes what a reader should know -------------------------------


def _kernels(plan: Plan, *_: Any) -> list[Measurement]:
    return _measure(kernel_cases(), plan)


def _codec(plan: Plan, *_: Any) -> list[Measurement]:
    return _measure([*codec_cases(), *pure_cases()], plan)


def _codec_in_short(plan: Plan, *_: Any) -> list[Measurement]:
    return _measure([case for case in codec_cases() if case.short], plan)


def _hosts(plan: Plan, told: list[str], options: argparse.Namespace) -> list[Measurement]:
    measured = _measurable(told, options.hosts)
    cases = [case for name in measured for case in host_cases(name)]
    if options.noise or options.library:
        return _measure([noise(case) for case in cases] if options.noise else cases, plan)
    return [
        *_measure(cases, plan),
        *_exchange([exchange for name in measured for exchange in exchanges(name)], plan),
    ]


def _hosts_in_short(plan: Plan, told: list[str], options: argparse.Namespace) -> list[Measurement]:
    measured = _measurable(told, options.hosts)
    cases = [case for name in measured for case in host_cases(name) if case.short]
    planned = [exchange for name in measured for exchange in exchanges(name, short=True)]
    share = _SHORT_RUN / max(1, len(cases) + len(planned))
    plan = dataclasses.replace(plan, seconds=min(plan.seconds, share), least_rounds=min(plan.least_rounds, 3))
    return [*_measure(cases, plan), *_exchange(planned, plan)]


def _endpoints(plan: Plan, *_: Any) -> list[Measurement]:
    measurements = []
    with Endpoints() as endpoints:
        for loop in LOOPS:
            measurements += _measure(echo_cases(endpoints, loop), plan)
    return measurements


_SUITES: Final[dict[str | None, tuple[Callable[[Plan, list[str], argparse.Namespace], list[Measurement]], ...]]] = {
    "kernels": (_kernels,),
    "codec": (_codec,),
    "hosts": (_hosts,),
    "endpoints": (_endpoints,),
    None: (_hosts_in_short, _codec_in_short),
}


def _measure(cases: Sequence[Case], plan: Plan) -> list[Measurement]:
    measurements = []
    with progress(len(cases)) as step:
        for case in cases:
            step(case.group, case.name)
            measurements.append(measure(case, plan))
    return measurements


def _exchange(planned: Sequence[Exchange], plan: Plan) -> list[Measurement]:
    if not planned:
        return []
    measurements = []
    with serving() as url, progress(len(planned)) as step:
        for exchange in planned:
            step(f"{exchange.host} ({exchange.client}), over a socket", exchange.name)
            measurements += measure_exchange(exchange, url, plan)
    return measurements


def _refused(names: Sequence[str]) -> str | None:
    """Why one of these hosts cannot be accelerated."""
    try:
        with hosts.accelerated(*names):
            return None
    except (ValueError, hosts.HostError) as error:
        return str(error)


def _measurable(told: list[str], names: Sequence[str]) -> list[str]:
    """The hosts that can be accelerated here, or those that were named; why the others cannot be goes to the notes."""
    if names:
        with hosts.accelerated(*names) as measured:
            return list(measured)
    measured = hosts.accelerate_installed()
    told += [f"{one.name} is not measured: {one.reason}" for one in hosts.host_status() if not one.accelerated]
    hosts.restore()
    return list(measured)


# What comes out -------------------------------------------------------------------------------------------------------


def _print(measurements: Sequence[Measurement], options: argparse.Namespace) -> None:
    goals = options.markdown
    for table in [*overviews(measurements, goals=goals), *tables(measurements, goals=goals)]:
        if options.markdown:
            print(markdown(table))
        else:
            show(table)
            print()


def _document(measurements: Sequence[Measurement], plan: Plan, told: Sequence[str]) -> dict[str, Any]:
    return {
        "machine": describe(),
        "plan": {**vars(plan), "clock": plan.clock.__name__},
        "notes": list(told),
        "measurements": [one.as_dict() for one in measurements],
    }
