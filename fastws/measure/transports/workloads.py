"""What is sent: numbered messages with the time in them, and how many of them at which pace.

A message is ASCII text: 16 hexadecimal digits of its number, 16 of the nanoseconds of the monotonic clock when it was
made, then dots. One clock for all processes of a machine, so the receiver can tell how long a message took.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from dataclasses import dataclass
from typing import Any, Final

from ..payloads import MIB

__all__ = ["QUICK_WORKLOADS", "WORKLOADS", "Workload", "make_message", "read_message"]

_DIGITS: Final = 16
_HEAD: Final = 2 * _DIGITS

_GOLDEN: Final = (5**0.5 - 1) / 2


def make_message(number: int, size: int) -> str:
    """A message of ``size`` bytes, 32 at least, that was made now."""
    return f"{number:016x}{time.monotonic_ns():016x}{_filler(size - _HEAD)}"


@functools.cache
def _filler(n: int) -> str:
    return "." * n


def read_message(message: str | bytes | bytearray) -> tuple[int, int]:
    """The number of a message, and the nanoseconds of the monotonic clock when it was made."""
    return int(message[:_DIGITS], 16), int(message[_DIGITS:_HEAD], 16)


@dataclass(frozen=True)
class Workload:
    """A stream of messages.

    Attributes:
        name: "rare", "chat", "ticks", "stream" or "exchange".
        title: for people.
        size: bytes of a message.
        count: messages, at most.
        rate: messages a second; None for as fast as it goes.
        seconds: after which no further message is published.
        in_flight: for an exchange, in which the subscribers send and get their own messages back: how many each of them
            sends before the first is back. 0 for a stream from the publisher to every subscriber.
        counted_only: whether one run has to do, through the relay that counts bytes.
    """

    name: str
    title: str
    size: int
    count: int
    rate: float | None = None
    seconds: float = 1.5
    in_flight: int = 0
    counted_only: bool = False

    def shorter(self) -> Workload:
        """The same for a run in which only bytes are counted."""
        return self if self.rate is not None else dataclasses.replace(self, seconds=self.seconds / 3)

    def due(self, index: int) -> float:
        """When a message is published, in seconds after the first.

        Not on the beat of a clock, else a poll would meet all of them at the same age: each comes somewhere in its own
        turn, and the places are spread evenly (multiples of the golden ratio, without what is before the point).
        """
        return 0.0 if self.rate is None else (index + index * _GOLDEN % 1) / self.rate

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


#: In the order of the tables.
WORKLOADS: Final = (
    Workload("rare", "rare events: 100 B, one a second", 100, 10, rate=1, seconds=60, counted_only=True),
    Workload("chat", "chat: 100 B, 100 a second", 100, 250, rate=100, seconds=60),
    Workload("ticks", "ticks: 100 B, as fast as it goes", 100, 1_000_000),
    Workload("stream", "a stream of 1 MiB messages", MIB, 200),
    Workload("exchange", "both directions at once: 100 B, 16 requests in flight", 100, 1_000_000, in_flight=16),
)

#: Enough to see that everything works.
QUICK_WORKLOADS: Final = (
    Workload("rare", "rare events: 100 B, ten a second", 100, 2, rate=10, counted_only=True),
    Workload("chat", "chat: 100 B, 100 a second", 100, 10, rate=100),
    Workload("ticks", "ticks: 100 B, as fast as it goes", 100, 200),
    Workload("stream", "a stream of 1 MiB messages", MIB, 2),
    Workload("exchange", "both directions at once: 100 B, 4 requests in flight", 100, 20, in_flight=4),
)
