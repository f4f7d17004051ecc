"""What came to one subscriber: which messages were lost or came twice, and how long each took."""

from __future__ import annotations

import time
from array import array
from typing import Any

from .workloads import read_message

__all__ = ["Account"]


class Account:
    """Takes the messages of one subscriber as they come. One thread takes, others may look.

    Args:
        size: bytes that each message has to have.

    Attributes:
        latencies: nanoseconds from making to taking, of each message that came for the first time.
        doubled: messages that had come before.
        late: messages that came after one with a higher number.
        damaged: messages of another size.
        last: when the last one came, in nanoseconds of the monotonic clock.
    """

    def __init__(self, size: int) -> None:
        self.latencies = array("q")
        self.doubled = 0
        self.late = 0
        self.damaged = 0
        self.last = 0
        self._size = size
        # The number that comes next, if nothing goes wrong; lower ones that have not come.
        self._next = 0
        self._absent: set[int] = set()

    def __len__(self) -> int:
        """How many different messages came."""
        return len(self.latencies)

    def take(self, message: str | bytes | bytearray) -> None:
        """A message came."""
        now = time.monotonic_ns()
        number, made = read_message(message)
        if number == self._next:
            self._next += 1
        elif number > self._next:
            self._absent.update(range(self._next, number))
            self._next = number + 1
        elif number in self._absent:
            self._absent.remove(number)
            self.late += 1
        else:
            self.doubled += 1
            return
        if len(message) != self._size:
            self.damaged += 1
        self.last = now
        self.latencies.append(now - made)

    def absent(self, count: int) -> list[int]:
        """The numbers below ``count`` that have not come."""
        return sorted([number for number in self._absent if number < count] + list(range(self._next, count)))

    def as_dict(self, count: int) -> dict[str, Any]:
        """All of it, where ``count`` messages were published."""
        return {
            "delivered": len(self),
            "lost": count - len(self),
            "doubled": self.doubled,
            "late": self.late,
            "damaged": self.damaged,
            "last": self.last,
        }
