"""Hosts over a real socket, plain and accelerated in turn: what a program gains from end to end.

The server is a process of its own. CPU time is that of this process alone; the wall clock also counts the kernel, the
server and the way between. Every batch has a connection of its own.
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from fastws.hosts import accelerated

from .case import Case, Contender, Measurement
from .hosts import traders
from .hosts.library import SHAPES, SIZES
from .hosts.trading import Exchange, Kind, Stopwatch
from .timing import Plan, Timing, calibrate, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

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
        "plain": nullcontext,
    }
    batches = [_batch(exchange, url, around, plan) for around in arounds.values()]
    samples = dict(zip(arounds, interleave(batches, plan), strict=True))
    contenders = tuple([Contender(name) for name in arounds])
    measurements = []
    for what, label in (("cpu", "CPU time"), ("wall", "wall clock")):
        group = f"{exchange.host} ({exchange.client}): over a socket, {label}"
        case = Case(group, exchange.name, contenders, "message", 1)
        timings = {name: Timing(tuple([getattr(sample, what) for sample in taken])) for name, taken in samples.items()}
        measurements.append(Measurement(case, timings))
    return measurements


def _batch(
    exchange: Exchange, url: str, around: Callable[[], AbstractContextManager[Any]], plan: Plan
) -> Callable[[], Sample]:
    def run(count: int) -> Sample:
        with around():
            return trade(exchange, url, count)

    count = calibrate(lambda turns: run(turns).wall * turns, plan.exchange)
    return lambda: run(count)


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
