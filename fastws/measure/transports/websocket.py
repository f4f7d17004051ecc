"""WebSocket: one connection, both directions; by fastws.asyncio or by websockets, whose names are the same."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from .ends import HOST, PATIENCE, RETRY, Take
from .mailbox import Mailbox

__all__ = ["ResumingPublisher", "ResumingSubscriber", "WebSocketPublisher", "WebSocketSubscriber"]

# Bytes of a message, at most.
_LARGEST: Final = 2**24

# Nothing here is compressed, and no ping comes in between.
_PLAIN: Final[dict[str, Any]] = {"compression": None, "max_size": _LARGEST, "ping_interval": None}

# library → where its ``serve`` and ``connect`` are; then those of its exceptions that tell of a lost connection, or of
# one that did not come about
_NAMES: Final = {
    "fastws": (
        "fastws.asyncio.serve",
        "fastws.asyncio.connect",
        "fastws.asyncio.ConnectionClosed",
        "fastws.HandshakeError",
    ),
    "websockets": (
        "websockets.asyncio.server.serve",
        "websockets.asyncio.client.connect",
        "websockets.exceptions.ConnectionClosed",
        "websockets.exceptions.InvalidHandshake",
    ),
}


class _Library(NamedTuple):
    serve: Any
    connect: Any
    closed: type[Exception]
    refused: type[Exception]


def _library(name: str) -> _Library:
    return _Library(*[_attribute(*path.rsplit(".", 1)) for path in _NAMES[name]])


def _attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


class WebSocketPublisher:
    """Sends each message to all who are connected.

    Args:
        library: "fastws" or "websockets".
    """

    def __init__(self, *, library: str) -> None:
        self._library = _library(library)
        self._server: Any = None
        self._connections: dict[int, Any] = {}
        self._joined = 0
        self._changed = asyncio.Condition()

    async def start(self, subscribers: int) -> int:  # noqa: ARG002 - whoever connects is one
        self._server = await self._library.serve(self._handle, HOST, 0, **_PLAIN)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def joined(self, count: int) -> None:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: self._joined >= count), PATIENCE)

    async def publish(self, message: str) -> None:
        for connection in list(self._connections.values()):
            with suppress(self._library.closed):
                await connection.send(message)

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def helper(self) -> None:
        return None

    async def _handle(self, connection: Any) -> None:
        asked = parse_qs(urlsplit(connection.request.path).query)
        number = int(asked["client"][0])
        self._connections[number] = connection
        try:
            async with self._changed:
                self._joined += 1
                self._changed.notify_all()
            await self.serve_one(connection, number, int(asked.get("after", "0")[0]))
        finally:
            if self._connections.get(number) is connection:
                del self._connections[number]

    async def serve_one(self, connection: Any, number: int, after: int) -> None:  # noqa: ARG002 - a subclass asks
        """Send back what a subscriber sends, until its connection ends."""
        with suppress(self._library.closed):
            async for message in connection:
                await connection.send(message)


class ResumingPublisher(WebSocketPublisher):
    """Keeps a mailbox for each subscriber, which says what it has when it connects: not WebSocket's doing."""

    async def start(self, subscribers: int) -> int:
        self._mailboxes = [Mailbox() for _ in range(subscribers)]
        return await super().start(subscribers)

    async def publish(self, message: str) -> None:
        for mailbox in self._mailboxes:
            await mailbox.put(message.encode())

    async def serve_one(self, connection: Any, number: int, after: int) -> None:
        sending = asyncio.create_task(self._send(connection, self._mailboxes[number], after))
        try:
            await super().serve_one(connection, number, after)
        finally:
            sending.cancel()

    async def _send(self, connection: Any, mailbox: Mailbox, after: int) -> None:
        with suppress(self._library.closed):
            while True:
                for message in await mailbox.get(after):
                    await connection.send(message.decode())
                    after += 1


class WebSocketSubscriber:
    """Takes what comes, and connects again when the connection is lost.

    Args:
        port, number, take: as for every subscriber.
        library: "fastws" or "websockets".
    """

    def __init__(self, port: int, number: int, take: Take, *, library: str) -> None:
        self.opened = 0
        self._library = _library(library)
        self._url = f"ws://{HOST}:{port}/?client={number}"
        self._take = take
        self._taken = 0
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def url(self) -> str:
        return self._url

    async def open(self) -> None:
        self._task = asyncio.create_task(self._run())
        await asyncio.wait_for(self._ready.wait(), PATIENCE)

    async def send(self, message: str) -> None:
        await self._connection.send(message)

    async def close(self) -> None:
        assert self._task is not None
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            with suppress(self._library.closed, self._library.refused, OSError, EOFError, asyncio.TimeoutError):
                await self._receive()
            await asyncio.sleep(RETRY)

    async def _receive(self) -> None:
        async with self._library.connect(self.url, proxy=None, **_PLAIN) as connection:
            self._connection = connection
            self.opened += 1
            self._ready.set()
            async for message in connection:
                self._taken += 1
                self._take(message)


class ResumingSubscriber(WebSocketSubscriber):
    """Tells how many messages it has when it comes back."""

    @property
    def url(self) -> str:
        return f"{self._url}&after={self._taken}"
