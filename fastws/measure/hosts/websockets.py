"""websockets, measured: its asyncio client, and what servers are built on; over a socket, two of its clients."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB, size_name
from .library import received, sent
from .trading import trade_async, trade_blocking

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

_GOALS: Final = {32: 2.0, 4 * KIB: 2.0}
_LARGE_TEXT: Final = tuple([f"{shape}, {size_name(MIB)}" for shape in ("Latin", "Chinese")])
_GOAL_OF_LARGE_TEXT: Final = 3.0

# Bytes that the event loop reads at once, at most.
_READ: Final = 256 * KIB


class _Memory:
    """A transport: what is sent is swallowed."""

    def __init__(self) -> None:
        self.write = len

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: Any, low: Any) -> None:
        pass


class _Connections:
    """Open connections over memory, kept as long as the host makes them of the same parts."""

    def __init__(self) -> None:
        self._host = importlib.import_module("websockets.protocol")
        self._parse: Any = None

    def client(self) -> Any:
        self._renew()
        return self._client

    def server(self) -> Any:
        self._renew()
        return self._server

    def _renew(self) -> None:
        if self._parse is not self._host.Protocol.parse:
            self._parse = self._host.Protocol.parse
            self._server = self._host.Protocol(self._host.SERVER, max_size=None)
            self._client = _done_in_loop(_open_client(self._host))


async def _open_client(protocol: Any) -> Any:
    client = importlib.import_module("websockets.asyncio.client")
    connection = client.ClientConnection(protocol.Protocol(protocol.CLIENT, max_size=None), ping_interval=None)
    connection.connection_made(_Memory())
    connection.response = "received"
    return connection


def _done_in_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def _done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a message was missing")


def library_cases() -> list[Case]:
    connections = _Connections()

    async def receive_all(stream: bytes, count: int) -> list[str | bytes]:
        connection, view = connections.client(), memoryview(stream)
        for start in range(0, len(stream), _READ):
            connection.data_received(view[start : start + _READ])
        recv = connection.recv
        return [await recv() for _ in range(count)]

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        messages: list[str | bytes] = _done(receive_all(stream, count))
        return messages

    def receive_frames(stream: bytes, _: int) -> list[bytes]:
        connection, view = connections.server(), memoryview(stream)
        frames: list[Any] = []
        for start in range(0, len(stream), _READ):
            connection.receive_data(view[start : start + _READ])
            frames += connection.events_received()
        return [frame.data for frame in frames]

    async def send_all(message: str | bytes, count: int) -> list[None]:
        send = connections.client().send
        return [await send(message) for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[None]:
        done: list[None] = _done(send_all(message, count))
        return done

    cases = received("websockets", receive, _GOALS, client="asyncio")
    return [
        *[_with_goal(case) for case in cases],
        *received("websockets", receive_frames, masked=True, client="server without I/O"),
        *sent("websockets", send, client="asyncio"),
    ]


def _with_goal(case: Case) -> Case:
    if case.name not in _LARGE_TEXT:
        return case
    accelerated, plain = case.contenders
    return replace(case, contenders=(accelerated, replace(plain, goal=_GOAL_OF_LARGE_TEXT)))


def _trade_asyncio(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    async def run() -> Any:
        connect = importlib.import_module("websockets.asyncio.client").connect
        async with connect(url, max_size=None, ping_interval=None) as client:
            return await trade_async(client, exchange, count, watch)

    return asyncio.run(run())


def _trade_sync(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    connect = importlib.import_module("websockets.sync.client").connect
    with connect(url, max_size=None) as client:
        return trade_blocking(client, exchange, count, watch)


TRADERS: Final[dict[str, Trader]] = {"asyncio": _trade_asyncio, "sync": _trade_sync}
