"""How a function is timed: calibrated batches, interleaved with those of its rivals.

A machine's speed drifts (clock, cache, other programs), so two functions are comparable only within one run in which
their batches alternate. The best batch is the one that was disturbed least; the median and the spread tell how much
the others were. The garbage collector rests during a batch. Nothing that is timed here waits, so the clock is the CPU
time of the thread where the system tells it finely enough: other programs that take the CPU away then do not count.
"""

from __future__ import annotations

import math
import statistics
import time
import timeit
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["QUICK", "Loop", "Plan", "Timing", "calibrate", "interleave"]

T = TypeVar("T")

# Calls of a fast function that stand in one turn of the loop, so that the loop itself (some 8 ns) does not count.
_UNROLLED: Final = 10

# Seconds a call may take to be a fast one.
_FAST: Final = 5e-6


def _finest_clock() -> Callable[[], float]:
    """The CPU time of this thread, or the wall clock where that one ticks too slowly (15 ms on Windows)."""
    return time.thread_time if time.get_clock_info("thread_time").resolution <= 1e-6 else time.perf_counter


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Many short batches find a quiet moment more often than a few long ones.

    Attributes:
        rounds: batches of each contender.
        least_rounds: the same where a case takes longer than ``seconds``.
        seconds: what the rounds of a case may take before it is cut short.
        batch: seconds that a batch of calls takes, at least.
        exchange: seconds that a batch of messages over a socket takes, at least.
        clock: tells seconds; not used over a socket.
    """

    rounds: int = 20
    least_rounds: int = 5
    seconds: float = 1.0
    batch: float = 0.005
    exchange: float = 0.05
    clock: Callable[[], float] = field(default_factory=_finest_clock)


#: Shows that everything works; its figures mean little.
QUICK: Final = Plan(rounds=2, least_rounds=2, batch=0.0002, exchange=0.002)


@dataclass(frozen=True)
class Timing:
    """What the batches of one contender took.

    Attributes:
        samples: seconds a call, one figure for each round.
    """

    samples: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """How far apart the middle half of the samples lies, as a share of the median."""
        if len(self.samples) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (high - low) / self.median


class Loop:
    """One function with its arguments, called in a loop that is just long enough.

    Args:
        call: the function.
        args: its positional arguments, the same ones for every call.
        plan: how long a batch is, and the clock.
    """

    def __init__(self, call: Callable[..., object], args: tuple[Any, ...], plan: Plan) -> None:
        self._timer = _timer(call, args, 1, plan.clock)
        self._unrolled = self._turns = 1
        self._timer.timeit(1)
        once = self._timer.timeit(1)
        if once >= plan.batch:
            return
        if once < _FAST:
            self._unrolled = _UNROLLED
        self._timer = _timer(call, args, self._unrolled, plan.clock, warm=True)
        self._turns = calibrate(self._timer.timeit, plan.batch)

    def __call__(self) -> float:
        """Run one batch; seconds a call."""
        return self._timer.timeit(self._turns) / (self._turns * self._unrolled)


def _timer(
    call: Callable[..., object], args: tuple[Any, ...], unrolled: int, clock: Callable[[], float], *, warm: bool = False
) -> timeit.Timer:
    """A loop over ``call(*args)`` in which function and arguments are local variables.

    Args:
        warm: call it once before the clock starts: the first call of a batch may have to open a connection again,
            since the other contender's cannot be gone on with.
    """
    names = [f"arg{number}" for number in range(len(args))]
    once = f"call({', '.join(names)})"
    local = ["call = given_call", *(f"{name} = given_args[{number}]" for number, name in enumerate(names))]
    setup = "\n".join([*local, once] if warm else local)
    statement = "\n".join([once] * unrolled)
    return timeit.Timer(statement, setup, clock, globals={"given_call": call, "given_args": args})


def calibrate(run: Callable[[int], float], seconds: float) -> int:
    """How many turns last ``seconds``.

    Args:
        run: runs so many turns and tells the seconds they took.
        seconds: what a batch should last.
    """
    turns = 1
    while (taken := run(turns)) < seconds:
        if taken > seconds / 10:
            return math.ceil(turns * seconds / taken)
        turns *= 10
    return turns


def interleave(batches: Sequence[Callable[[], T]], plan: Plan) -> list[list[T]]:
    """Run each batch once a round, every other round backwards, so that a steady drift hits all alike.

    Returns: for each batch, what it returned in each round.
    """
    taken: list[list[T]] = [[] for _ in batches]
    began = plan.clock()
    for number in range(plan.rounds):
        if number >= plan.least_rounds and plan.clock() - began > plan.seconds:
            break
        order = range(len(batches)) if number % 2 == 0 else reversed(range(len(batches)))
        for index in order:
            taken[index].append(batches[index]())
    return taken
