"""aiohttp, measured: a message that its client receives or sends; over a socket, its client."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB, size_name
from .library import received, sent
from .trading import trade_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

# One more than of the others: where one read of the event loop has few messages.
_SIZES: Final = (32, 4 * KIB, 64 * KIB, MIB)

# Never slower; and large text that is not ASCII is where there is something to gain.
_GOALS: Final = dict.fromkeys(_SIZES, 1.0)
_LARGE_TEXT: Final = tuple([f"{shape}, {size_name(MIB)}" for shape in ("Latin", "Chinese")])
_GOAL_OF_LARGE_TEXT: Final = 2.0

# Bytes that the event loop reads at once: not always the same, as over a socket. With reads of one size the buffers of
# a large message lie at the same places for ever, and some distances between two buffers are very slow to copy over on
# some CPUs.
_READ: Final = 256 * KIB
_READS: Final = tuple(random.Random(_READ).choices(range(_READ * 3 // 4, _READ, 16), k=97))  # noqa: S311 - to be repeated

# Of larger messages the host compresses in a thread.
_DEFLATED: Final = (32, 4 * KIB, 16 * KIB)
_WINDOW: Final = 15


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
    """One end of a connection over memory, kept as long as the host makes it of the same parts.

    Args:
        compress: as for the host's writer.
    """

    #: Where the host has the parts.
    module = "aiohttp.client"
    masks = True

    def __init__(self, compress: int = 0) -> None:
        self._compress = compress
        self._parts: tuple[Any, ...] = ()

    def open(self) -> Any:
        """The end."""
        module = importlib.import_module(self.module)
        writer = importlib.import_module("aiohttp._websocket.writer").WebSocketWriter
        parts = (module.WebSocketReader, module.WebSocketDataQueue, writer)
        if self._parts != parts:
            reader, queue, writer = self._parts = parts
            memory = _Memory()
            messages = queue(memory, 2**16, loop=None)
            self.feed = reader(messages, 4 * MIB, compress=bool(self._compress), decode_text=True).feed_data
            self._end = self.make(messages, writer(memory, memory, use_mask=self.masks, compress=self._compress))
        return self._end

    def make(self, messages: Any, writer: Any) -> Any:
        timeout = importlib.import_module("aiohttp.client_ws").DEFAULT_WS_CLIENT_TIMEOUT
        loop = asyncio.new_event_loop()
        loop.close()
        client = importlib.import_module(self.module).ClientWebSocketResponse
        return client(messages, writer, None, _Response(), timeout, True, True, loop)


class _ServedConnection(_Connection):
    module = "aiohttp.web_ws"
    masks = False

    def make(self, messages: Any, writer: Any) -> Any:
        end = importlib.import_module(self.module).WebSocketResponse()
        # As `prepare` leaves it.
        end._reader, end._writer = messages, writer
        return end


def _done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("aiohttp waits for something")


def _reads(stream: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    start = 0
    while start < len(stream):
        size = next(sizes)
        yield stream[start : start + size]
        start += size


def _receiver(connection: _Connection) -> Callable[[bytes, int], list[str | bytes]]:
    """Feeds a stream as the event loop reads it, then receives all of it."""
    sizes = itertools.cycle(_READS)

    async def receive_all(count: int) -> list[str | bytes]:
        receive = connection.open().receive
        return [(await receive()).data for _ in range(count)]

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        connection.open()
        for read in _reads(stream, sizes):
            connection.feed(read)
        messages: list[str | bytes] = _done(receive_all(count))
        return messages

    return receive


def _receiver_of_each(connection: _Connection) -> Callable[[bytes, int], list[str | bytes]]:
    """Feeds a message and receives it, then the next."""
    sizes = itertools.cycle(_READS)

    least = min(_READS)

    async def receive_each(stream: bytes, count: int) -> list[str | bytes]:
        receive, feed, messages, size = connection.open().receive, connection.feed, [], len(stream) // count
        for begin in range(0, len(stream), size):
            if size < least:
                feed(stream[begin : begin + size])
            else:
                for read in _reads(stream[begin : begin + size], sizes):
                    feed(read)
            messages.append((await receive()).data)
        return messages

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        messages: list[str | bytes] = _done(receive_each(stream, count))
        return messages

    return receive


def _sender(connection: _Connection) -> Callable[[str | bytes, int], list[None]]:
    async def send_all(message: str | bytes, count: int) -> list[None]:
        end = connection.open()
        send = end.send_str if isinstance(message, str) else end.send_bytes
        return [await send(message) for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[None]:
        done: list[None] = _done(send_all(message, count))
        return done

    return send


def library_cases() -> list[Case]:
    cases: list[Case] = []
    for side, kind in (("", _Connection), ("server", _ServedConnection)):
        options: dict[str, Any] = {"client": side, "sizes": _SIZES}
        masked = kind is _ServedConnection
        cases += received("aiohttp", _receiver(kind()), _GOALS, masked=masked, **options)
        work = "messages received one by one"
        cases += received("aiohttp", _receiver_of_each(kind()), _GOALS, masked=masked, work=work, **options)
        cases += sent("aiohttp", _sender(kind()), _GOALS, **options)
        compressed = _sender(kind(_WINDOW))
        goals, work = dict.fromkeys(_DEFLATED, 1.0), "messages sent with compression"
        cases += sent("aiohttp", compressed, goals, client=side, work=work, sizes=_DEFLATED)
    return [_with_goal(case) for case in cases]


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
