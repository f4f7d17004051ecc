"""tornado, measured: what a server receives and a client sends; over a socket, its client."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB
from .library import received, sent
from .trading import trade_async

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

_GOALS: Final = {32: 2.0, 4 * KIB: 2.0, MIB: 2.0}


class _Memory:
    """A socket that gives what it was given, and swallows what is sent."""

    def __init__(self) -> None:
        self.stream = memoryview(b"")
        self.send = len

    def recv_into(self, buffer: bytearray | memoryview, size: int) -> int:
        piece, self.stream = self.stream[:size], self.stream[size:]
        if not piece:
            raise BlockingIOError
        buffer[: len(piece)] = piece
        return len(piece)

    def fileno(self) -> int:
        return 0

    def setblocking(self, blocking: bool) -> None:
        pass


class _Loop(asyncio.BaseEventLoop):
    """An event loop that never waits, and asks the system for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self

    def select(self, _: float | None) -> list[Any]:
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]
        pass

    def remove_reader(self, _: Any) -> bool:
        return True

    def __del__(self) -> None:
        pass  # nothing has to be closed


class _Handler:
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)

    def on_ws_connection_close(self, *_: object) -> None:
        pass


class _Connection:
    """A connection over memory, which stays open: the host takes its time to make one."""

    def __init__(self, *, server: bool) -> None:
        websocket, iostream = importlib.import_module("tornado.websocket"), importlib.import_module("tornado.iostream")
        self._kind = websocket.WebSocketProtocol13
        self._made_for = self._kind._receive_frame_loop
        self._memory, self._handler, self._loop = _Memory(), _Handler(), _Loop()
        self.protocol = self._kind(self._handler, not server, websocket._WebSocketParams())
        self.run(self._start(iostream.IOStream))

    async def _start(self, stream: Any) -> None:
        self._stream = self.protocol.stream = stream(self._memory)
        self._receiving = self.protocol._receive_frame_loop()
        self._receiving.send(None)

    def run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)

    def is_current(self) -> bool:
        """Whether the host has neither been replaced nor put back meanwhile."""
        return self._made_for is self._kind._receive_frame_loop

    def receive(self, stream: bytes) -> list[str | bytes]:
        """Let these bytes arrive, and do what the host's loop does then; the messages that they are."""
        self._memory.stream = memoryview(stream)
        asyncio._set_running_loop(self._loop)
        try:
            self._stream._handle_events(0, self._stream.io_loop.READ)
            # Nothing is yielded where the host lets others run, and a future where it waits for more.
            while self._receiving.send(None) is None:
                pass
        finally:
            asyncio._set_running_loop(None)
        messages, self._handler.messages = self._handler.messages, []
        return messages


def library_cases() -> list[Case]:
    connections: dict[str, _Connection] = {}

    def connection(side: str) -> _Connection:
        if side not in connections or not connections[side].is_current():
            connections[side] = _Connection(server=side == "server")
        return connections[side]

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        messages = connection("server").receive(stream)
        assert len(messages) == count
        return messages

    async def send_all(write: Any, message: str | bytes, count: int) -> list[Any]:
        binary = isinstance(message, bytes)
        return [await write(message, binary) for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[Any]:
        client = connection("client")
        sent: list[Any] = client.run(send_all(client.protocol.write_message, message, count))
        return sent

    return [*received("tornado", receive, _GOALS, masked=True), *sent("tornado", send)]


class _Client:
    """The host's client, under the names that the exchange uses."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.recv = connection.read_message

    def send(self, message: str | bytes) -> Awaitable[object]:
        sent: Awaitable[object] = self._connection.write_message(message, isinstance(message, bytes))
        return sent

    async def close(self) -> None:
        self._connection.close()
        # Nothing more is read once the server has closed, too.
        while await self._connection.read_message() is not None:
            pass


async def _exchange(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    websocket = importlib.import_module("tornado.websocket")
    connection = await websocket.websocket_connect(url)
    # Otherwise an echo takes as long as the server waits for more before it acknowledges, some 40 ms.
    connection.protocol.set_nodelay(True)
    return await trade_async(_Client(connection), exchange, count, watch)


def _trade(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    return asyncio.run(_exchange(url, exchange, count, watch))


TRADERS: Final[dict[str, Trader]] = {"client": _trade}
