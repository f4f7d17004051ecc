"""How a client and a server exchange messages over a socket, and what of it is timed.

The connection is made and closed outside of the timed part.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..payloads import message, size_name

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = [
    "AsyncClient",
    "BlockingClient",
    "Exchange",
    "Kind",
    "Stopwatch",
    "Trader",
    "trade_async",
    "trade_blocking",
]

#: Messages that the server sends at once; messages that the client sends at once; each message there and back.
Kind = Literal["burst received", "burst sent", "echo"]


@dataclass(frozen=True)
class Exchange:
    """What a client and the server do.

    Attributes:
        host: the library of the client.
        client: which of its clients.
        kind: who sends what.
        shape, size: the payload of each message; bytes.
    """

    host: str
    client: str
    kind: Kind
    shape: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.shape}, {size_name(self.size)}"

    @property
    def message(self) -> str | bytes:
        return message(self.shape, self.size)

    def command(self, count: int) -> str:
        """What the client first tells the server, see ``server.py``."""
        if self.kind == "burst received":
            return f"burst {count} {self.shape} {self.size}"
        return "echo" if self.kind == "echo" else f"sink {count}"


class Stopwatch:
    """Takes the CPU time of this process and the wall clock of a ``with`` block, with the garbage collector at rest.

    Attributes:
        cpu, wall: seconds.
    """

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __enter__(self) -> None:
        self._collected = gc.isenabled()
        gc.disable()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        if self._collected:
            gc.enable()


#: Connects to a URL, does an exchange of so many messages, at least one, with the stopwatch around it, and closes.
#: Returns the last message that was received.
Trader = Callable[[str, Exchange, int, Stopwatch], Any]


class BlockingClient(Protocol):
    """A connected client that blocks."""

    def send(self, message: Any, /) -> object:
        """Send a message: text as ``str``, binary as ``bytes``."""

    def recv(self) -> Any:
        """Wait for a message."""

    def close(self) -> object:
        """Close the connection."""


class AsyncClient(Protocol):
    """A connected client of an event loop; the methods are those of ``BlockingClient``."""

    def send(self, message: Any, /) -> Awaitable[object]:
        """Send a message."""

    def recv(self) -> Awaitable[Any]:
        """Wait for a message."""

    def close(self) -> Awaitable[object]:
        """Close the connection."""


def trade_blocking(client: BlockingClient, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    """Do an exchange with a client that is connected, and close it."""
    given, send, receive = exchange.message, client.send, client.recv
    last: Any = None
    try:
        client.send(exchange.command(count))
        with watch:
            if exchange.kind == "burst received":
                for _ in range(count):
                    last = receive()
            elif exchange.kind == "echo":
                for _ in range(count):
                    send(given)
                    last = receive()
            else:
                for _ in range(count):
                    send(given)
                last = receive()
    finally:
        client.close()
    return last


async def trade_async(client: AsyncClient, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    """Do an exchange with a client that is connected, and close it."""
    given, send, receive = exchange.message, client.send, client.recv
    last: Any = None
    try:
        await client.send(exchange.command(count))
        with watch:
            if exchange.kind == "burst received":
                for _ in range(count):
                    last = await receive()
            elif exchange.kind == "echo":
                for _ in range(count):
                    await send(given)
                    last = await receive()
            else:
                for _ in range(count):
                    await send(given)
                last = await receive()
    finally:
        await client.close()
    return last
