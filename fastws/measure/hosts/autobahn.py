"""autobahn on asyncio, measured: what a server receives and a client sends; over a socket, its client.

Messages are bytes in autobahn, text too.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..payloads import KIB, MIB, cut
from .library import received, sent
from .trading import trade_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

# With its own C code, and without.
_GOALS: Final = {True: {32: 1.5, 4 * KIB: 1.5, MIB: 1.5}, False: {32: 1.5, 4 * KIB: 50.0, MIB: 50.0}}

# Bytes that an event loop of asyncio reads at once, at most.
_READ: Final = 256 * KIB


class _Loop:
    """As much of an event loop as futures need: it calls what is due when it is told to."""

    def __init__(self) -> None:
        self._due: deque[Any] = deque()

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> Any:
        this: Any = self
        return asyncio.Future(loop=this)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        this: Any = self
        self._due.append(asyncio.Handle(callback, args, this, context))
        return self._due[-1]

    def run_due(self) -> None:
        while self._due:
            self._due.popleft()._run()


class _Transport:
    """Takes what is written, and gives it to nobody."""

    def __init__(self) -> None:
        self.write = len

    def get_extra_info(self, *_: Any) -> None:
        return None


class _Timers:
    """Calls nothing later."""

    def call_later(self, *_: Any) -> _Timers:
        return self

    def cancel(self) -> None:
        pass


class _Connections:
    """Connections over memory, which stay open: the host takes its time to make one."""

    def __init__(self) -> None:
        self.loop = _Loop()
        self._adapters = importlib.import_module("autobahn.asyncio.websocket")
        self._protocol = importlib.import_module("autobahn.websocket.protocol")
        self._open: dict[Any, Any] = {}

    def get(self, side: str) -> Any:
        """The connection of a "Server" or a "Client" whose parts are those that the host has now."""
        importlib.import_module("txaio").config.loop = self.loop
        key = side, self._protocol.Utf8Validator
        if key not in self._open:
            self._open[key] = self._new(side)
        return self._open[key]

    def _new(self, side: str) -> Any:
        factory = getattr(self._adapters, f"WebSocket{side}Factory")(loop=self.loop)
        factory._batched_timer = _Timers()
        connection = _receiver(getattr(self._adapters, f"WebSocket{side}Protocol"))()
        connection.factory, connection.received = factory, []
        connection.connection_made(_Transport())
        # As the opening handshake leaves it.
        connection.state, connection.websocket_version = connection.STATE_OPEN, 13
        connection.current_frame, connection.inside_message = None, False
        return connection


def _receiver(kind: type[Any]) -> type[Any]:
    """A protocol that keeps the messages."""

    class Receiver(kind):  # type: ignore[misc]
        received: list[bytes]

        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N802, N803 (the host's names)
            self.received.append(payload)

    return Receiver


@functools.cache
def _reads(stream: bytes) -> list[bytes]:
    """What the event loop would read, cut once for all rounds."""
    return cut(stream, _READ)


@functools.cache
def _encoded(message: str | bytes) -> bytes:
    """What the host is given: encoding is the program's matter."""
    return message if isinstance(message, bytes) else message.encode()


def library_cases() -> list[Case]:
    package = importlib.import_module("autobahn.websocket")
    connections = _Connections()

    def receive(stream: bytes, count: int) -> list[bytes]:
        connection = connections.get("Server")
        for read in _reads(stream):
            connection.data_received(read)
            connections.loop.run_due()
        messages, connection.received = connection.received, []
        assert len(messages) == count
        return messages  # type: ignore[no-any-return]

    def send(message: str | bytes, count: int) -> list[None]:
        connection = connections.get("Client")
        payload, is_binary = _encoded(message), isinstance(message, bytes)
        return [connection.sendMessage(payload, is_binary) for _ in range(count)]

    uses_nvx = getattr(package, "USES_NVX", False)
    cases = [*received("autobahn", receive, _GOALS[uses_nvx], masked=True), *sent("autobahn", send)]
    if uses_nvx:
        # As it is where that is not built, or not wanted.
        in_python = received("autobahn", receive, _GOALS[False], masked=True, client="without NVX")
        cases += [_in_python(case) for case in in_python]
    return cases


def _in_python(case: Case) -> Case:
    """The same case with the host's maskers and validators in Python."""
    contenders = [replace(each, around=functools.partial(_parts_in_python, each.around)) for each in case.contenders]
    return replace(case, contenders=tuple(contenders))


@contextmanager
def _parts_in_python(around: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    protocol: Any = importlib.import_module("autobahn.websocket.protocol")
    before = protocol.create_xor_masker, protocol.Utf8Validator
    protocol.create_xor_masker, protocol.Utf8Validator = _python_parts()
    try:
        with around():
            yield
    finally:
        protocol.create_xor_masker, protocol.Utf8Validator = before


@functools.cache
def _python_parts() -> tuple[Any, Any]:
    """What the host masks and validates with where ``AUTOBAHN_USE_NVX`` is 0: it decides when it is imported."""
    package: Any = importlib.import_module("autobahn.websocket")
    package.USES_NVX = False
    try:
        return _executed_anew("xormasker").create_xor_masker, _executed_anew("utf8validator").Utf8Validator
    finally:
        package.USES_NVX = True


def _executed_anew(name: str) -> Any:
    """A module of the host once more, beside the one that programs import."""
    spec = importlib.util.find_spec(f"autobahn.websocket.{name}")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Client:
    """The host's client, with messages to wait for."""

    def __init__(self) -> None:
        self._messages: deque[str | bytes] = deque()
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def connect(self, url: str) -> None:
        adapters = importlib.import_module("autobahn.asyncio.websocket")
        client, loop, (host, port) = self, asyncio.get_running_loop(), urlsplit(url).netloc.split(":")
        importlib.import_module("txaio").config.loop = loop
        opened, closed = loop.create_future(), loop.create_future()

        class Protocol(adapters.WebSocketClientProtocol):  # type: ignore[misc, name-defined]
            def onOpen(self) -> None:  # noqa: N802 (the host's names)
                opened.set_result(None)

            def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
                client._messages.append(payload if isBinary else payload.decode())
                client._changed.set()

            def onClose(self, *_: Any) -> None:  # noqa: N802
                closed.set_result(None)

            def pause_writing(self) -> None:
                client._writable.clear()

            def resume_writing(self) -> None:
                client._writable.set()

        factory = adapters.WebSocketClientFactory(url, loop=loop)
        factory.protocol = Protocol
        _, self._protocol = await loop.create_connection(factory, host, int(port))
        self._closed = closed
        await opened

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._protocol.sendMessage(message, True)
        else:
            self._protocol.sendMessage(message.encode())
        if not self._writable.is_set():
            await self._writable.wait()

    async def recv(self) -> str | bytes:
        while not self._messages:
            self._changed.clear()
            await self._changed.wait()
        return self._messages.popleft()

    async def close(self) -> None:
        self._protocol.sendClose(1000)
        await self._closed


async def _exchange(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    client = _Client()
    await client.connect(url)
    return await trade_async(client, exchange, count, watch)


def _trade(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    return asyncio.run(_exchange(url, exchange, count, watch))


TRADERS: Final[dict[str, Trader]] = {"asyncio client": _trade}
