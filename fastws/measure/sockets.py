"""Hosts over a real socket, plain and accelerated in turn: what a program gains from end to end.

The server is a process of its own. CPU time is that of this process alone; the wall clock also counts the kernel, the
server and the way between. Every batch has a connection of its own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from fastws.hosts import accelerated

from .case import Case, Contender, Measurement, Topic
from .hosts import traders
from .hosts.library import SHAPES, SIZES, put_back
from .hosts.trading import Exchange, Kind, Stopwatch
from .timing import Plan, Timing, calibrate, interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

__all__ = ["Exchange", "Sample", "exchanges", "measure_exchange", "trade"]

# What a run in short shows.
_SHORT_KINDS: Final[tuple[Kind, ...]] = ("burst received", "echo")


@dataclass(frozen=True)
class Sample:
    """Seconds a message in one batch."""

    cpu: float
    wall: float


def exchanges(host: str, *, short: bool = False) -> list[Exchange]:
    """What can be measured with the clients of a host; none for a host without a client here.

    Args:
        short: only text with some accents, received and echoed.
    """
    kinds, shapes = (_SHORT_KINDS, ("Latin",)) if short else (get_args(Kind), SHAPES)
    return [
        Exchange(host, client, kind, shape, size)
        for client in traders(host)
        for kind in kinds
        for size in SIZES
        for shape in shapes
    ]


def measure_exchange(exchange: Exchange, url: str, plan: Plan) -> list[Measurement]:
    """Run an exchange plain and accelerated in turn.

    Returns: the CPU time and the wall clock of the same batches.
    """
    arounds: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "accelerated": functools.partial(accelerated, exchange.host),
        "plain": functools.partial(put_back, exchange.host),
    }
    runs = [_run(exchange, url, around) for around in arounds.values()]
    count = _common_count(runs, plan)
    batches = [functools.partial(run, count) for run in runs]
    samples = dict(zip(arounds, interleave(batches, plan), strict=True))
    contenders = tuple([Contender(name) for name in arounds])
    measurements = []
    for what, label in (("cpu", "CPU time"), ("wall", "wall clock")):
        group = f"{exchange.host} ({exchange.client}): over a socket, {label}"
        topic = Topic(exchange.host, exchange.client, exchange.kind, label, exchange.shape, exchange.size)
        case = Case(group, exchange.name, contenders, "message", count, topic=topic)
        timings = {
            name: Timing(tuple([getattr(sample, what) * count for sample in taken])) for name, taken in samples.items()
        }
        measurements.append(Measurement(case, timings))
    return measurements


def _run(exchange: Exchange, url: str, around: Callable[[], AbstractContextManager[Any]]) -> Callable[[int], Sample]:
    def run(count: int) -> Sample:
        with around():
            return trade(exchange, url, count)

    return run


# How many times as long as asked for a batch of the slower one may last, so that one of the faster lasts long enough.
_LONGER: Final = 4


def _common_count(runs: Sequence[Callable[[int], Sample]], plan: Plan) -> int:
    """Messages in a batch, the same for all: a connection's first messages are not like the later ones."""
    counts = [calibrate(lambda turns, run=run: run(turns).wall * turns, plan.exchange) for run in runs]  # type: ignore[misc]
    least = min(counts)
    # A batch of one message may last any time.
    return min(max(counts), least if least == 1 else _LONGER * least)


def trade(exchange: Exchange, url: str, count: int) -> Sample:
    """Exchange ``count`` messages with the server of ``serving``, on a connection of its own.

    Raises:
        RuntimeError: something else arrived than was sent.
    """
    watch = Stopwatch()
    last = traders(exchange.host)[exchange.client](url, exchange, count, watch)
    expected = f"sink {count}" if exchange.kind == "burst sent" else exchange.message
    if last != expected:
        raise RuntimeError(f"{exchange.host} received another message than was sent")
    return Sample(watch.cpu / count, watch.wall / count)
