"""websockets, measured: its asyncio client, and what servers are built on; over a socket, two of its clients.

In the library both with compression, which is what its connections agree on by default, and without.
"""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode

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

    def __init__(self, *, compressed: bool = False) -> None:
        self._compressed = compressed
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
            if self._compressed:
                self._server.extensions = [_deflate()]
                self._client.protocol.extensions = [_deflate()]


def _deflate() -> Any:
    """What a client and a server agree on where neither says otherwise."""
    extension = importlib.import_module("websockets.extensions.permessage_deflate")
    return extension.PerMessageDeflate(False, False, 12, 12, {"memLevel": 5})


def _compressed_frames(data: bytes, opcode: Opcode, count: int, *, masked: bool) -> bytes:
    """The same message so often, each compressed on what came before."""
    host = importlib.import_module("websockets.protocol")
    sender = host.Protocol(host.CLIENT if masked else host.SERVER)
    sender.extensions = [_deflate()]
    for _ in range(count):
        (sender.send_text if opcode is Opcode.TEXT else sender.send_binary)(data)
    return b"".join(sender.data_to_send())


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
    plain, compressed = _Calls(_Connections()), _Calls(_Connections(compressed=True))
    deflated = _compressed_frames
    return [
        *[_with_goal(case) for case in received("websockets", plain.receive, _GOALS, client="asyncio")],
        *received("websockets", plain.receive_frames, masked=True, client="server without I/O"),
        *sent("websockets", plain.send, client="asyncio"),
        *received("websockets", compressed.receive, client="asyncio, compressed", stream_of=deflated),
        *received(
            "websockets",
            compressed.receive_frames,
            masked=True,
            client="server without I/O, compressed",
            stream_of=deflated,
        ),
        *sent("websockets", compressed.send, client="asyncio, compressed"),
    ]


class _Calls:
    """What is measured, on these connections."""

    def __init__(self, connections: _Connections) -> None:
        self._connections = connections

    def receive(self, stream: bytes, count: int) -> list[str | bytes]:
        messages: list[str | bytes] = _done(self._receive_all(stream, count))
        return messages

    async def _receive_all(self, stream: bytes, count: int) -> list[str | bytes]:
        connection, view = self._connections.client(), memoryview(stream)
        for start in range(0, len(stream), _READ):
            connection.data_received(view[start : start + _READ])
        recv = connection.recv
        return [await recv() for _ in range(count)]

    def receive_frames(self, stream: bytes, _: int) -> list[bytes]:
        connection, view = self._connections.server(), memoryview(stream)
        frames: list[Any] = []
        for start in range(0, len(stream), _READ):
            connection.receive_data(view[start : start + _READ])
            frames += connection.events_received()
        return [frame.data for frame in frames]

    def send(self, message: str | bytes, count: int) -> list[None]:
        done: list[None] = _done(self._send_all(message, count))
        return done

    async def _send_all(self, message: str | bytes, count: int) -> list[None]:
        send = self._connections.client().send
        return [await send(message) for _ in range(count)]


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
