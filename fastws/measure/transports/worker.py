"""The process of one end of a transport: takes commands on standard input, a JSON object a line, and answers each.

    {"do": "start", "transport": NAME, …}  →  {"port": …}

It ends with its standard input, and so never outlives its owner.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from .account import Account
from .ends import PATIENCE
from .registry import find
from .workloads import Workload, make_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ends import Publisher, Subscriber

__all__ = ["work"]

# Seconds that a command may take: more than any takes that gets on at all.
_LIMIT: Final = 300


def work(end: str) -> None:
    """Hold one end until standard input ends.

    Args:
        end: "publisher" or "subscribers".
    """
    # Connections that end in the middle are what is to be looked at here.
    logging.disable()
    asyncio.run(_work(PublishingEnd() if end == "publisher" else SubscribingEnd()))


async def _work(end: PublishingEnd | SubscribingEnd) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command: dict[str, Any] = json.loads(line)
        function: Callable[..., Any] = getattr(end, command.pop("do"))
        try:
            answer = await asyncio.wait_for(function(**command), _LIMIT)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
    # Whatever still runs has nobody left to work for.
    os._exit(0)


def _cpu(pid: int) -> float | None:
    """Seconds of CPU time of another process; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    # What clock_getcpuclockid(3) gives on Linux.
    return time.clock_gettime((~pid << 3) | 2)


class PublishingEnd:
    """Starts a publisher and publishes."""

    def __init__(self) -> None:
        self._publisher: Publisher | None = None

    async def start(self, transport: str, subscribers: int) -> dict[str, Any]:
        self._publisher = find(transport).publisher()
        return {"port": await self._publisher.start(subscribers)}

    async def joined(self, count: int) -> dict[str, Any]:
        """Wait until subscribers have connected so often."""
        assert self._publisher is not None
        await self._publisher.joined(count)
        return {}

    async def publish(self, workload: dict[str, Any], first: int = 0) -> dict[str, Any]:
        """Publish the messages from number ``first`` on: how many, and when the first was made."""
        assert self._publisher is not None
        plan = Workload(**workload)
        began = time.monotonic()
        number = first
        while number < first + plan.count:
            due = began + plan.due(number - first)
            now = time.monotonic()
            if now - began >= plan.seconds:
                break
            if due > now:
                await asyncio.sleep(due - now)
            await self._publisher.publish(make_message(number, plan.size))
            number += 1
        return {"published": number - first, "began": int(began * 1e9)}

    async def cpu(self) -> dict[str, Any]:
        """Seconds of CPU time so far: its own, and those of the process that works for it."""
        assert self._publisher is not None
        helper = self._publisher.helper()
        return {"own": time.process_time(), "helper": None if helper is None else _cpu(helper)}

    async def stop(self) -> dict[str, Any]:
        if self._publisher is not None:
            await self._publisher.stop()
            self._publisher = None
        return {}


class SubscribingEnd:
    """All subscribers of a transport, in one loop."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._accounts: list[Account] = []
        # For an exchange: who may send how many more before something has to come back.
        self._windows: list[asyncio.Semaphore] = []
        self._loop = asyncio.new_event_loop()

    async def open(self, transport: str, port: int, subscribers: int, size: int) -> dict[str, Any]:
        """Connect them all, for messages of ``size`` bytes."""
        self._accounts = [Account(size) for _ in range(subscribers)]
        self._windows = []
        found = find(transport)
        self._loop = asyncio.get_running_loop()
        self._subscribers = [found.subscriber(port, i, self._taker(i)) for i in range(subscribers)]
        await asyncio.gather(*[subscriber.open() for subscriber in self._subscribers])
        return {}

    def _taker(self, number: int) -> Callable[[str | bytes | bytearray], None]:
        """What is called with the messages of a subscriber, perhaps in a thread of its own."""
        take = self._accounts[number].take
        home = threading.get_ident()

        def take_one(message: str | bytes | bytearray) -> None:
            take(message)
            if not self._windows:
                return
            if threading.get_ident() == home:
                self._windows[number].release()
            else:
                self._loop.call_soon_threadsafe(self._windows[number].release)

        return take_one

    async def exchange(self, workload: dict[str, Any]) -> dict[str, Any]:
        """Send messages that come back: how many each of them sent, and when the first was made."""
        plan = Workload(**workload)
        self._windows = [asyncio.Semaphore(plan.in_flight) for _ in self._subscribers]
        began = time.monotonic()

        async def send(subscriber: Subscriber, window: asyncio.Semaphore) -> int:
            sending: set[asyncio.Task[None]] = set()
            number = 0
            while number < plan.count:
                await asyncio.wait_for(window.acquire(), PATIENCE)
                if time.monotonic() - began >= plan.seconds:
                    break
                task = asyncio.create_task(subscriber.send(make_message(number, plan.size)))
                sending.add(task)
                task.add_done_callback(sending.discard)
                number += 1
            await asyncio.gather(*sending)
            return number

        pairs = zip(self._subscribers, self._windows, strict=True)
        counts = await asyncio.gather(*[send(subscriber, window) for subscriber, window in pairs])
        return {"counts": counts, "began": int(began * 1e9)}

    async def finish(self, counts: list[int], quiet: float, patience: float) -> dict[str, Any]:
        """Wait until each has so many messages; until nothing has come for a while; or no longer.

        Args:
            counts: for each subscriber.
            quiet: seconds without any message after which no more is expected.
            patience: seconds to wait at most.
        """
        came, since = -1, 0.0
        deadline = time.monotonic() + patience
        while any(len(account) < count for account, count in zip(self._accounts, counts, strict=True)):
            now = time.monotonic()
            total = sum(map(len, self._accounts))
            if total != came:
                came, since = total, now
            if now - since >= quiet or now >= deadline:
                break
            await asyncio.sleep(0.01)
        return {}

    async def reopened(self, times: int) -> dict[str, Any]:
        """Wait until each has been ready so often."""
        deadline = time.monotonic() + PATIENCE
        while any(subscriber.opened < times for subscriber in self._subscribers):
            if time.monotonic() >= deadline:
                raise TimeoutError("a subscriber did not come back")
            await asyncio.sleep(0.01)
        return {}

    async def tell(self, counts: list[int]) -> dict[str, Any]:
        """What came to each, and the latencies of all."""
        pairs = list(zip(self._accounts, counts, strict=True))
        return {
            "accounts": [account.as_dict(count) for account, count in pairs],
            "absent": [account.absent(count)[:1000] for account, count in pairs],
            "latencies": _percentiles(sorted([each for account in self._accounts for each in account.latencies])),
        }

    async def cpu(self) -> dict[str, Any]:
        """Seconds of CPU time so far."""
        return {"own": time.process_time()}

    async def close(self) -> dict[str, Any]:
        await asyncio.gather(*[subscriber.close() for subscriber in self._subscribers])
        self._subscribers = []
        return {}


def _percentiles(latencies: list[int]) -> dict[str, float | None]:
    """The median, and what 99 of 100 do not exceed, in seconds."""
    if not latencies:
        return {"median": None, "p99": None}
    last = len(latencies) - 1
    return {"median": latencies[round(last * 0.5)] / 1e9, "p99": latencies[round(last * 0.99)] / 1e9}
