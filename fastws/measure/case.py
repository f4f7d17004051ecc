"""What is measured: cases, each with a subject and its rivals, and what came out."""

from __future__ import annotations

import dataclasses
import statistics
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .timing import Loop, Plan, Timing, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Case", "Contender", "Measurement", "Topic", "Unit", "measure"]

#: What a case counts: bytes of payload, or messages.
Unit = Literal["byte", "message"]


def _same(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a case.

    Attributes:
        name: what heads its column.
        call: the function, or None where it cannot run here.
        args: its positional arguments.
        around: makes the context in which its batches run, such as a kernel that is selected.
        value: turns what ``call`` returned into what every contender of the case must agree on.
        clock: tells the seconds that count for it, or None for the plan's.
        goal: how many times as fast as this one the subject should be, or None.
        missing: why it cannot run here.
    """

    name: str
    call: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    value: Callable[[Any], Any] = _same
    clock: Callable[[], float] | None = None
    goal: float | None = None
    missing: str = ""

    def run(self) -> Any:
        """Do the work once; what every contender of the case must agree on."""
        assert self.call is not None, self.missing
        with self.around():
            return self.value(self.call(*self.args))


@dataclass(frozen=True)
class Topic:
    """What a case of a host library is about, for tables that put several groups together.

    Attributes:
        host: the library.
        part: which of its clients, or sides; empty where there is only one.
        work: what is done with a message.
        what: what is counted, such as "CPU time".
        shape, size: the payload of each message; bytes.
    """

    host: str
    part: str
    work: str
    what: str
    shape: str
    size: int


@dataclass(frozen=True)
class Case:
    """One amount of one kind of work.

    Attributes:
        group: the kind of work; cases of a group share a table and have the same contenders.
        name: the amount, which tells it from the others of its group.
        contenders: the subject first, then its rivals.
        unit: what ``count`` counts.
        count: units of work in one call.
        show: "ratio" to compare the rivals with the subject, "rate" to show the speed of each.
        short: whether it belongs to the short run, too.
        topic: what it is about, where a host library is measured.
    """

    group: str
    name: str
    contenders: tuple[Contender, ...]
    unit: Unit
    count: int
    show: Literal["ratio", "rate"] = "ratio"
    short: bool = False
    topic: Topic | None = None

    @property
    def subject(self) -> Contender:
        return self.contenders[0]


@dataclass(frozen=True)
class Measurement:
    """What came out for a case.

    Attributes:
        case: the case.
        timings: seconds a call, for each contender that could run.
        missing: why the others could not.
    """

    case: Case
    timings: dict[str, Timing]
    missing: dict[str, str] = field(default_factory=dict)

    def per_unit(self, name: str) -> float:
        """Seconds a unit in the best batch of a contender."""
        return self.timings[name].best / self.case.count

    def ratio(self, name: str) -> float:
        """How many times as fast as a rival the subject is: best batch against best batch."""
        return self.timings[name].best / self.timings[self.case.subject.name].best

    def median_ratio(self, name: str) -> float:
        """The same for the middle one of the rounds, each of which compares the batches that ran side by side."""
        subject = self.timings[self.case.subject.name]
        pairs = zip(self.timings[name].samples, subject.samples, strict=True)
        return statistics.median([rival / own for rival, own in pairs])

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; times in seconds a call."""
        return {
            "group": self.case.group,
            "case": self.case.name,
            "unit": self.case.unit,
            "count": self.case.count,
            "contenders": [self._contender_dict(contender) for contender in self.case.contenders],
        }

    def _contender_dict(self, contender: Contender) -> dict[str, Any]:
        if contender.name not in self.timings:
            return {"name": contender.name, "missing": self.missing[contender.name]}
        timing = self.timings[contender.name]
        told: dict[str, Any] = {
            "name": contender.name,
            "best": timing.best,
            "median": timing.median,
            "spread": timing.spread,
            "samples": list(timing.samples),
        }
        if contender is not self.case.subject:
            told |= {
                "ratio": self.ratio(contender.name),
                "median_ratio": self.median_ratio(contender.name),
                "goal": contender.goal,
            }
        return told


def measure(case: Case, plan: Plan) -> Measurement:
    """Time the contenders of a case against each other, in one interleaved run.

    A rival that fails is left out, with the reason; a subject that fails is an error.
    """
    batches: dict[str, Callable[[], float]] = {}
    missing: dict[str, str] = {}
    for contender in case.contenders:
        batch = _batch(contender, plan, rival=contender is not case.subject)
        if isinstance(batch, str):
            missing[contender.name] = batch
        else:
            batches[contender.name] = batch
    samples = interleave(list(batches.values()), plan)
    timings = {name: Timing(tuple(taken)) for name, taken in zip(batches, samples, strict=True)}
    return Measurement(case, timings, missing)


def _batch(contender: Contender, plan: Plan, *, rival: bool) -> Callable[[], float] | str:
    """The batches of a contender, or why there are none."""
    if contender.call is None:
        return contender.missing
    if contender.clock is not None:
        plan = dataclasses.replace(plan, clock=contender.clock)
    try:
        with contender.around():
            loop = Loop(contender.call, contender.args, plan)
    except Exception as error:
        if not rival:
            raise
        return f"{type(error).__name__}: {error}"

    def batch() -> float:
        with contender.around():
            return loop()

    return batch
