"""A subscriber is cut off and comes back: what it then lacks, and what it gets twice.

First some messages arrive as they should. Then the network keeps what the subscriber says to itself, so that messages
arrive and their acknowledgements do not. Then it breaks, and messages are published while the subscriber is away. It
comes back by itself, and further messages are published.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .run import QUIET, Ends
from .workloads import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .registry import Transport
    from .relay import Relay

__all__ = ["PHASES", "Break", "cut_off", "cut_off_all"]

#: What happens, and how many messages are published meanwhile.
PHASES: Final = {"before": 20, "unacknowledged": 10, "away": 20, "after": 20}

# Seconds that messages may take whose acknowledgements get lost; some wait for those, and do not come.
_GRACE: Final = 2.0

# Seconds without a word after which a subscriber has said all.
_SILENCE: Final = 0.3

# Connections that are refused before the network is mended.
_REFUSED: Final = 2

# Seconds that the rest may take.
_PATIENCE: Final = 60

_SIDE_BY_SIDE: Final = 4

_BURST: Final = Workload("burst", "a burst", 100, 0)


@dataclass(frozen=True)
class Break:
    """What became of the messages of one subscriber.

    Attributes:
        transport: its name.
        missing: why it was not tried, "" where it was.
        failed: whether that is because something went wrong.
        published: messages.
        lost: for each phase, how many of its messages never came.
        doubled: messages that came again.
        late: messages that came after one that was sent later.
    """

    transport: str
    missing: str = ""
    failed: bool = False
    published: int = 0
    lost: dict[str, int] = dataclasses.field(default_factory=dict)
    doubled: int = 0
    late: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def cut_off_all(transports: Sequence[Transport], step: Callable[[str, str], None]) -> list[Break]:
    """Cut off a subscriber of each; a few side by side, since nothing here is about time.

    Args:
        transports: which.
        step: called with a group and a name before each.
    """
    lock = threading.Lock()

    def one(transport: Transport) -> Break:
        with lock:
            step("a subscriber that is cut off", transport.name)
        try:
            return cut_off(transport)
        except (RuntimeError, OSError) as error:
            return Break(transport.name, f"failed: {error}", failed=True)

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(one, transports))


def cut_off(transport: Transport, grace: float = _GRACE) -> Break:
    """Cut a subscriber off.

    Args:
        transport: how it gets its messages.
        grace: seconds without any message to wait for those whose acknowledgements get lost. Some transports hold them
            back then.
    """
    if missing := transport.missing():
        return Break(transport.name, f"needs {missing}")
    with Ends(transport) as ends, ends.connected(1, _BURST.size, counted=True) as relay:
        assert relay is not None
        published = 0

        def publish(phase: str) -> list[int]:
            nonlocal published
            burst = dataclasses.replace(_BURST, count=PHASES[phase], seconds=_PATIENCE)
            published += ends.publisher.call("publish", workload=burst.as_dict(), first=published)["published"]
            return [published]

        def wait(counts: list[int], quiet: float) -> None:
            ends.subscribers.call("finish", counts=counts, quiet=quiet, patience=_PATIENCE)

        wait(publish("before"), QUIET)
        _settle(relay)
        relay.swallow()
        wait(publish("unacknowledged"), grace)
        relay.cut()
        publish("away")
        _wait_until_noticed(relay)
        relay.mend()
        ends.subscribers.call("reopened", times=2)
        ends.publisher.call("joined", count=2)
        counts = publish("after")
        # What was lost does not come; all else does, and the last message is the last of it.
        wait(counts, QUIET)
        told = ends.subscribers.call("tell", counts=counts)
    account, absent = told["accounts"][0], told["absent"][0]
    return Break(
        transport.name,
        published=published,
        lost=_by_phase(absent),
        doubled=account["doubled"],
        late=account["late"],
    )


def _settle(relay: Relay) -> None:
    """Wait until the subscriber has nothing more to say, such as acknowledgements of what came before."""
    before, deadline = None, time.monotonic() + _GRACE
    # Who polls always has something to say; it does not matter there.
    while relay.counts.up != before and time.monotonic() < deadline:
        before = relay.counts.up
        time.sleep(_SILENCE)


def _wait_until_noticed(relay: Relay) -> None:
    """Wait until the subscriber has tried in vain to come back; twice, since a library may try again by itself."""
    deadline = time.monotonic() + _PATIENCE
    while relay.refused < _REFUSED:
        if time.monotonic() >= deadline:
            raise TimeoutError("a subscriber did not try to come back")
        time.sleep(0.01)


def _by_phase(absent: list[int]) -> dict[str, int]:
    """How many of these numbers belong to each phase."""
    lost, first = {}, 0
    for phase, count in PHASES.items():
        lost[phase] = sum(first <= number < first + count for number in absent)
        first += count
    return lost
