"""A relay in front of a server: it counts the bytes and connections that pass, and it can be a bad network."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Counts", "Relay"]

_HOST: Final = "127.0.0.1"

# Seconds for the relay to start and to stop.
_PATIENCE: Final = 60


@dataclass(frozen=True)
class Counts:
    """What has passed.

    Attributes:
        down: bytes from the server to its clients.
        up: bytes from the clients to the server.
        connections: TCP connections that clients have opened.
    """

    down: int = 0
    up: int = 0
    connections: int = 0

    def __sub__(self, before: Counts) -> Counts:
        return Counts(self.down - before.down, self.up - before.up, self.connections - before.connections)


@dataclass
class _Network:
    """What all connections of a relay share.

    Attributes:
        target: the port of the server.
        loop: in which all of it happens.
        down, up, connections: as in ``Counts``.
        is_cut: whether connections are dropped.
        refused: connections that were dropped at once.
        swallows: whether what clients send is counted, and then forgotten.
        open: both ends of each connection.
    """

    target: int
    loop: asyncio.AbstractEventLoop
    down: int = 0
    up: int = 0
    connections: int = 0
    is_cut: bool = False
    refused: int = 0
    swallows: bool = False
    open: set[_Side] = field(default_factory=set)


class Relay:
    """Passes TCP connections on, in a thread of its own, for the time of a ``with`` block.

    What it counts is what programs write and read: headers of TCP and IP are not in it.

    Args:
        target: the port of the server, on this machine.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._network = _Network(target, self._loop)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        server = self._call(self._listen)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    @property
    def counts(self) -> Counts:
        """So far."""
        return Counts(self._network.down, self._network.up, self._network.connections)

    @property
    def refused(self) -> int:
        """Connections that were dropped at once, so far."""
        return self._network.refused

    def swallow(self) -> None:
        """Keep what clients send from the server from now on, such as their acknowledgements; ``mend`` ends it."""
        self._network.swallows = True

    def cut(self) -> None:
        """Drop all connections, and every new one at once, until ``mend``."""
        self._network.is_cut = True
        self._call(self._drop_all)

    def mend(self) -> None:
        """The network is as good as new."""
        self._network.is_cut = self._network.swallows = False

    def _call(self, function: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE)

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Near(self._network), _HOST, 0)

    async def _drop_all(self) -> None:
        for side in list(self._network.open):
            side.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._drop_all()
        # What was aborted is told so in the next turn of the loop.
        while self._network.open:
            await asyncio.sleep(0)


class _Side(asyncio.Protocol):
    """One of the two ends of a connection."""

    def __init__(self, network: _Network) -> None:
        self.network = network
        self.transport: Any = None
        self.other: _Side | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.network.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.network.open.discard(self)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    # The other end does not keep up: read no more for it.

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _Near(_Side):
    """Towards a client."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.network.is_cut:
            self.network.refused += 1
            transport.abort()
            return
        self.network.connections += 1
        self.early = bytearray()
        self._connecting = self.network.loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await self.network.loop.create_connection(lambda: _Far(self.network, self), _HOST, self.network.target)
        except OSError:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        network = self.network
        network.up += len(data)
        if network.swallows:
            return
        if self.other is None:
            self.early += data
        else:
            self.other.transport.write(data)


class _Far(_Side):
    """Towards the server."""

    def __init__(self, network: _Network, near: _Near) -> None:
        super().__init__(network)
        self.other: _Near = near

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        near = self.other
        if near.transport.is_closing():
            transport.abort()
            return
        near.other = self
        transport.write(bytes(near.early))

    def data_received(self, data: bytes) -> None:
        self.network.down += len(data)
        self.other.transport.write(data)
