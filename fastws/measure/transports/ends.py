"""The two ends of a transport, as the processes that hold them see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["HOST", "PATIENCE", "RETRY", "TOPIC", "Publisher", "Subscriber", "Take"]

HOST: Final = "127.0.0.1"

#: Of MQTT: what is published to all goes here.
TOPIC: Final = "news/all"

#: Seconds that anything may take that has to happen, on a machine that does other work.
PATIENCE: Final = 60

#: Seconds between two tries of a subscriber that was cut off to come back.
RETRY: Final = 0.05

#: Called with each message that comes to a subscriber; from any thread, one call at a time.
Take = Callable[[str | bytes | bytearray], None]


class Publisher(Protocol):
    """The end that publishes: a server, or the client of a broker.

    What a subscriber sends goes back to that subscriber.
    """

    async def start(self, subscribers: int) -> int:
        """Listen for so many subscribers, numbered from 0; the port."""

    async def joined(self, count: int) -> None:
        """Wait until subscribers have connected ``count`` times, and get whatever is published from now on."""

    async def publish(self, message: str) -> None:
        """Send to every subscriber; waits where it would get too far ahead."""

    async def stop(self) -> None:
        """End all connections."""

    def helper(self) -> int | None:
        """The process that works for it, such as a broker, if there is one."""


class Subscriber(Protocol):
    """The end that is published to. It comes back by itself when it was cut off.

    Attributes:
        opened: how often it was ready to get messages.
    """

    opened: int

    def __init__(self, port: int, number: int, take: Take, **options: Any) -> None: ...

    async def open(self) -> None:
        """Connect; returns when it is ready."""

    async def send(self, message: str) -> None:
        """Send a message, which then comes back."""

    async def close(self) -> None:
        """End the connection in good order."""
