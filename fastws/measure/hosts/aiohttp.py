"""aiohttp, measured: a message that its client receives or sends; over a socket, its client."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB, size_name
from .library import received, sent
from .trading import trade_async

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

# Never slower; and large text that is not ASCII is where there is something to gain.
_GOALS: Final = {32: 1.0, 4 * KIB: 1.0, MIB: 1.0}
_LARGE_TEXT: Final = tuple([f"{shape}, {size_name(MIB)}" for shape in ("Latin", "Chinese")])
_GOAL_OF_LARGE_TEXT: Final = 2.0

# Bytes that the event loop reads at once, at most.
_READ: Final = 256 * KIB


class _Memory:
    """A protocol and a transport: nothing arrives, and what is sent is swallowed."""

    _reading_paused = _paused = False

    def __init__(self) -> None:
        self.write = len

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False


class _Response:
    """What a client had for an answer when it connected."""

    connection = None

    def close(self) -> None:
        pass


class _Connection:
    """A client's connection over memory, kept as long as the host makes them of the same parts."""

    def __init__(self) -> None:
        self._parts: tuple[Any, ...] = ()

    def open(self) -> Any:
        client = importlib.import_module("aiohttp.client")
        parts = (client.WebSocketReader, client.WebSocketDataQueue, client.WebSocketWriter)
        if self._parts != parts:
            reader, queue, writer = self._parts = parts
            memory = _Memory()
            messages = queue(memory, 2**16, loop=None)
            self.feed = reader(messages, 4 * MIB, compress=False, decode_text=True).feed_data
            timeout = importlib.import_module("aiohttp.client_ws").DEFAULT_WS_CLIENT_TIMEOUT
            out = writer(memory, memory, use_mask=True)
            loop = asyncio.new_event_loop()
            loop.close()
            self._client = client.ClientWebSocketResponse(messages, out, None, _Response(), timeout, True, True, loop)
        return self._client


def _done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("aiohttp waits for something")


def library_cases() -> list[Case]:
    connection = _Connection()

    async def receive_all(count: int) -> list[str | bytes]:
        receive = connection.open().receive
        return [(await receive()).data for _ in range(count)]

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        connection.open()
        for start in range(0, len(stream), _READ):
            connection.feed(stream[start : start + _READ])
        messages: list[str | bytes] = _done(receive_all(count))
        return messages

    async def send_all(message: str | bytes, count: int) -> list[None]:
        client = connection.open()
        send = client.send_str if isinstance(message, str) else client.send_bytes
        return [await send(message) for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[None]:
        done: list[None] = _done(send_all(message, count))
        return done

    return [*[_with_goal(case) for case in received("aiohttp", receive, _GOALS)], *sent("aiohttp", send, _GOALS)]


def _with_goal(case: Case) -> Case:
    if case.name not in _LARGE_TEXT:
        return case
    accelerated, plain = case.contenders
    return replace(case, contenders=(accelerated, replace(plain, goal=_GOAL_OF_LARGE_TEXT)))


class _Client:
    """The host's client, which has a method for each kind of message."""

    def __init__(self, session: Any, websocket: Any) -> None:
        self._session = session
        self._websocket = websocket

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._websocket.send_bytes(message)
        else:
            await self._websocket.send_str(message)

    async def recv(self) -> str | bytes:
        data: str | bytes = (await self._websocket.receive()).data
        return data

    async def close(self) -> None:
        await self._websocket.close()
        await self._session.close()


def _trade(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    async def run() -> Any:
        session = importlib.import_module("aiohttp").ClientSession()
        return await trade_async(_Client(session, await session.ws_connect(url)), exchange, count, watch)

    return asyncio.run(run())


TRADERS: Final[dict[str, Trader]] = {"client": _trade}
