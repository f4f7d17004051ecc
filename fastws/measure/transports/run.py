"""One transport under one workload: both ends started, messages sent, and what became of them."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .process import End
from .relay import Counts, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .registry import Transport
    from .workloads import Workload

__all__ = ["LAST", "QUIET", "Ends", "Result", "measure", "measure_all"]

#: Seconds without any message after which no more is expected.
QUIET: Final = 5.0

#: Seconds after which what has not come is not waited for.
LAST: Final = 20.0

# Transports that are measured at a time where hardly anything happens.
_SIDE_BY_SIDE: Final = 6


@dataclass(frozen=True)
class Result:
    """A transport under a workload; figures are for each message that was delivered to one subscriber.

    Attributes:
        transport, workload: their names.
        missing: why it was not measured, "" where it was. All figures are 0 or None then.
        failed: whether that is because something went wrong.
        subscribers: how many.
        published: messages, for all subscribers together.
        delivered: messages, each counted for each subscriber that got it.
        lost, doubled, late, damaged: messages that never came, came again, came after one that was sent later, or came
            with another length.
        down, up: bytes from the server and to it, all of the handshakes and headers included.
        opening_down, opening_up: those of them that had passed before the first message was published.
        connections: TCP connections, of all subscribers.
        median, p99: seconds from making a message to taking it.
        rate: messages a second that came to all subscribers together, from making the first to taking the last.
        server, helper, client: seconds of CPU time of the publisher, of what works for it, and of the subscribers.
    """

    transport: str
    workload: str
    missing: str = ""
    failed: bool = False
    subscribers: int = 0
    published: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    late: int = 0
    damaged: int = 0
    down: float = 0.0
    up: float = 0.0
    opening_down: float = 0.0
    opening_up: float = 0.0
    connections: int = 0
    median: float | None = None
    p99: float | None = None
    rate: float = 0.0
    server: float = 0.0
    helper: float | None = None
    client: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


class Ends:
    """The processes of both ends of a transport, for the time of a ``with`` block."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._open = ExitStack()

    def __enter__(self) -> Ends:
        self.publisher = self._open.enter_context(End("publisher"))
        self.subscribers = self._open.enter_context(End("subscribers"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def connected(self, subscribers: int, size: int, *, counted: bool) -> Iterator[Relay | None]:
        """A server and its subscribers, all of them connected.

        Args:
            subscribers: how many.
            size: bytes of the messages to come.
            counted: whether a relay is between them; it is yielded.
        """
        with ExitStack() as opened:
            # Also where it did not start to the end.
            opened.callback(self.publisher.call, "stop")
            port = self.publisher.call("start", transport=self.transport.name, subscribers=subscribers)["port"]
            relay = opened.enter_context(Relay(port)) if counted else None
            where = port if relay is None else relay.port
            self.subscribers.call("open", transport=self.transport.name, port=where, subscribers=subscribers, size=size)
            opened.callback(self.subscribers.call, "close")
            self.publisher.call("joined", count=subscribers)
            yield relay

    def cpu(self) -> list[float | None]:
        """Seconds of CPU time so far, of the publisher, of what works for it, and of the subscribers."""
        publisher = self.publisher.call("cpu")
        return [publisher["own"], publisher["helper"], self.subscribers.call("cpu")["own"]]


def measure_all(
    transports: Sequence[Transport],
    workloads: Sequence[Workload],
    subscribers: int,
    step: Callable[[str, str], None],
) -> list[Result]:
    """Every transport under every workload, in this order.

    Args:
        transports, workloads: what is measured.
        subscribers: how many get each message.
        step: called with a group and a name before each.
    """
    slow = [workload for workload in workloads if workload.counted_only]
    fast = [workload for workload in workloads if not workload.counted_only]
    lock = threading.Lock()

    def one(transport: Transport, workload: Workload) -> Result:
        with lock:
            step(workload.title, transport.name)
        return _measure_each(transport, [workload], subscribers, lambda *_: None)[0]

    # Where there is a message a second, they do not disturb each other.
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        waiting = [[pool.submit(one, transport, workload) for workload in slow] for transport in transports]
        first = [[future.result() for future in futures] for futures in waiting]
    results = []
    for transport, measured in zip(transports, first, strict=True):
        by_name = {each.workload: each for each in [*measured, *_measure_each(transport, fast, subscribers, step)]}
        results += [by_name[workload.name] for workload in workloads]
    return results


def _measure_each(
    transport: Transport, workloads: Sequence[Workload], subscribers: int, step: Callable[[str, str], None]
) -> list[Result]:
    """A transport under some workloads; where it cannot run, its results say why."""
    if reason := transport.missing():
        return [Result(transport.name, workload.name, f"needs {reason}") for workload in workloads]
    results = []
    with ExitStack() as opened:
        ends: Ends | None = None
        for workload in workloads:
            step(transport.name, workload.title)
            try:
                ends = ends or opened.enter_context(Ends(transport))
                results.append(measure(ends, workload, subscribers))
            except (RuntimeError, OSError) as error:
                # The others can still be measured, by processes that know nothing of it.
                results.append(Result(transport.name, workload.name, f"failed: {error}", failed=True))
                ends = None
    return results


def measure(ends: Ends, workload: Workload, subscribers: int) -> Result:
    """Run a workload: once through a relay that counts bytes, and once without it for all that is about time.

    Args:
        ends: of the transport, started.
        workload: what is sent.
        subscribers: how many get it.
    """
    counted = _run(ends, workload if workload.counted_only else workload.shorter(), subscribers, counted=True)
    if workload.counted_only or not counted.delivered:
        return counted
    timed = _run(ends, workload, subscribers, counted=False)
    # Nothing that went wrong in either of them is left out.
    faults = {name: getattr(counted, name) + getattr(timed, name) for name in ("lost", "doubled", "late", "damaged")}
    passed = {name: getattr(counted, name) for name in ("down", "up", "opening_down", "opening_up", "connections")}
    return dataclasses.replace(timed, **faults, **passed)


def _run(ends: Ends, workload: Workload, subscribers: int, *, counted: bool) -> Result:
    with ends.connected(subscribers, workload.size, counted=counted) as relay:
        opening = Counts() if relay is None else relay.counts
        before = ends.cpu()
        sent = _send(ends, workload, subscribers)
        ends.subscribers.call("finish", counts=sent["counts"], quiet=QUIET, patience=LAST)
        used = [None if a is None or b is None else b - a for a, b in zip(before, ends.cpu(), strict=True)]
        passed = Counts() if relay is None else relay.counts
        told = ends.subscribers.call("tell", counts=sent["counts"])
    accounts = told["accounts"]
    total = {name: sum(each[name] for each in accounts) for name in ("delivered", "lost", "doubled", "late", "damaged")}
    each = 1 / max(1, total["delivered"])
    seconds = (max(account["last"] for account in accounts) - sent["began"]) / 1e9
    server, helper, client = used
    assert server is not None
    assert client is not None
    return Result(
        ends.transport.name,
        workload.name,
        subscribers=subscribers,
        published=sum(sent["counts"]) if workload.in_flight else sent["counts"][0],
        **total,
        down=passed.down * each,
        up=passed.up * each,
        opening_down=opening.down * each,
        opening_up=opening.up * each,
        connections=passed.connections,
        median=told["latencies"]["median"],
        p99=told["latencies"]["p99"],
        rate=total["delivered"] / seconds if total["delivered"] else 0.0,
        server=server * each,
        helper=None if helper is None else helper * each,
        client=client * each,
    )


def _send(ends: Ends, workload: Workload, subscribers: int) -> dict[str, Any]:
    """Send what is to be sent: how many messages each subscriber has to get, and when the first was made."""
    if workload.in_flight:
        return ends.subscribers.call("exchange", workload=workload.as_dict())
    sent = ends.publisher.call("publish", workload=workload.as_dict())
    return {"counts": [sent["published"]] * subscribers, "began": sent["began"]}
