"""websockets' four interfaces over real sockets, both ends in one process: plain against accelerated."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.connection
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import ConcurrencyError, ConnectionClosed

import fastws.hosts
from recording import told
from scripted_websockets import (
    BURST,
    NO_PINGS,
    NO_PROXY,
    REFUSED,
    SENT,
    Log,
    burst,
    closed,
    end_talk,
    end_with_invalid_text,
    same,
    serve_talk,
    talk,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import websockets.legacy.client
    import websockets.legacy.server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.usefixtures("adapted")

_compression = pytest.mark.parametrize("compression", [None, "deflate"], ids=["plain", "deflate"])


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Errors that are meant to be are not printed."""
    logger = logging.getLogger("websockets")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


# asyncio, and legacy, which has the same methods ----------------------------------------------------------------------


def _asyncio(compression: Any, last: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        options: dict[str, Any] = {"compression": compression, "ping_interval": None}
        async with websockets.asyncio.server.serve(serve_talk, "127.0.0.1", 0, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/", **NO_PROXY, **options) as client:
                return await talk(client), await last(client)

    return asyncio.run(run())


async def _close(connection: Any) -> Any:
    await connection.close(1001, "bye")
    return await end_talk(connection)


async def _surrogate(connection: Any) -> Any:
    log = Log()
    logger = logging.getLogger("websockets.client")
    logger.setLevel(logging.ERROR)
    logger.addHandler(log)
    try:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.send("\ud800")
    finally:
        logger.removeHandler(log)
        logger.setLevel(logging.NOTSET)
    return closed(caught.value), log.lines, await end_talk(connection)


async def _fails_to_write(connection: Any) -> Any:
    def write(_: bytes) -> None:
        raise OSError("no more")

    connection.transport.write = write
    with pytest.raises(ConnectionClosed) as caught:
        await connection.send("x")
    return closed(caught.value), await end_talk(connection)


async def _in_fragments(connection: Any) -> Any:
    """A message waits for the end of another one that is sent in fragments."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def fragments() -> Any:
        yield "a"
        begun.set()
        await go_on.wait()
        yield "b"

    first = asyncio.ensure_future(connection.send(fragments()))
    await begun.wait()
    second = asyncio.ensure_future(connection.send("c"))
    await asyncio.sleep(0)
    assert not second.done()
    go_on.set()
    await asyncio.gather(first, second)
    return await connection.recv(), await connection.recv()


async def _error_in_fragments(connection: Any) -> Any:
    with pytest.raises(TypeError) as caught:
        await connection.send(["a", b"b"])
    return str(caught.value), await end_talk(connection)


@pytest.mark.parametrize(
    "last",
    [_close, end_with_invalid_text, _surrogate, _in_fragments, _error_in_fragments, _fails_to_write],
    ids=lambda last: last.__name__.strip("_"),
)
@_compression
@pytest.mark.usefixtures("_quiet")
def test_asyncio(compression: Any, last: Callable[[Any], Awaitable[Any]]) -> None:
    results, _ = same(lambda: _asyncio(compression, last))
    assert results[:2] == [("str", "hello"), ("str", "héllo")]


@pytest.mark.parametrize("error", [None, OSError("gone")], ids=str)
@pytest.mark.usefixtures("_quiet")
def test_asyncio_waits_for_room(error: Exception | None) -> None:
    """The peer does not read: sending waits, and ends with the connection."""

    async def run() -> Any:
        stop = asyncio.Event()

        async def serve(_: Any) -> None:
            await stop.wait()

        options: dict[str, Any] = {"compression": None, "ping_interval": None, "close_timeout": 0.1}
        async with websockets.asyncio.server.serve(serve, "127.0.0.1", 0, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/", **NO_PROXY, **options) as client:
                sent = 0
                while not client.paused:
                    sending = asyncio.ensure_future(client.send("x" * 1_000_000))
                    await asyncio.sleep(0)
                    sent += 1
                assert not sending.done()
                stop.set()
                if error is None:
                    client.transport.abort()
                else:
                    client.connection_lost(error)
                    client.connection_lost = lambda exc: None  # type: ignore[method-assign]  # noqa: ARG005
                    client.transport.abort()
                (outcome,) = await asyncio.gather(sending, return_exceptions=True)
                return sent > 0, outcome if outcome is None else closed(outcome)

    same(lambda: asyncio.run(run()))


def test_what_a_connection_class_of_a_user_overrides() -> None:
    class Noting(websockets.asyncio.client.ClientConnection):
        noted: list[str]

        def send_context(self, **options: Any) -> Any:
            self.noted.append("context")
            return super().send_context(**options)

        def send_data(self) -> None:
            self.noted.append("data")
            super().send_data()

        def process_event(self, event: Any) -> None:
            self.noted.append(f"event {type(event).__name__}")
            super().process_event(event)

    Noting.noted = []

    async def run() -> Any:
        Noting.noted.clear()
        async with websockets.asyncio.server.serve(serve_talk, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            connect = websockets.asyncio.client.connect
            async with connect(f"ws://127.0.0.1:{port}/", **NO_PROXY, create_connection=Noting) as client:
                await client.send("a")
                return await client.recv(), [note for note in Noting.noted if note != "data"]

    _, noted = same(lambda: asyncio.run(run()))
    assert noted.count("event Frame") == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@_compression
def test_legacy(compression: Any) -> None:
    options: dict[str, Any] = {"compression": compression, "ping_interval": None}

    async def serve(connection: Any, *_: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                if message == "!burst":
                    for each in burst():
                        await connection.send(each)
                elif message == "!invalid":
                    await connection.write_frame(True, 1, b"ab\xff")
                else:
                    await connection.send(message)

    async def run() -> Any:
        async with websockets.legacy.server.serve(serve, "127.0.0.1", 0, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with websockets.legacy.client.connect(f"ws://127.0.0.1:{port}/", **options) as client:
                results = await talk(client, texts=False)
                await client.send("!invalid")
                return results, await end_talk(client)

    results, (received, *_) = same(lambda: asyncio.run(run()))
    assert results[:2] == [("str", "hello"), ("str", "héllo")]
    assert "1007" in received[1]


# threading ------------------------------------------------------------------------------------------------------------


def _serve_sync(connection: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        for message in connection:
            if message == "!burst":
                for each in burst():
                    connection.send(each)
            elif message == "!invalid":
                connection.send(b"ab\xff", text=True)
            else:
                connection.send(message)


def _talk_sync(connection: Any) -> list[Any]:
    results: list[Any] = []
    for message, options in SENT:
        connection.send(message, **options)
        if message != []:
            results.append(told(connection.recv(timeout=30 if len(results) % 2 else None)))
    connection.send("!burst")
    results.append([told(connection.recv()) for _ in range(BURST)])
    connection.ping().wait()
    for message in REFUSED:
        with pytest.raises(TypeError) as caught:
            connection.send(message)
        results.append(str(caught.value))
    return results


def _end_sync(connection: Any) -> Any:
    try:
        while True:
            connection.recv()
    except ConnectionClosed as error:
        received = closed(error)
    with pytest.raises(ConnectionClosed) as caught:
        connection.send("late")
    return received, closed(caught.value), connection.close_code, connection.close_reason


def _sync(compression: Any, last: Callable[[Any], Any]) -> Any:
    options: dict[str, Any] = {"compression": compression, **NO_PINGS}
    with websockets.sync.server.serve(_serve_sync, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.socket.getsockname()[1]
            with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/", **NO_PROXY, **options) as client:
                return _talk_sync(client), last(client)
        finally:
            server.shutdown()
            thread.join()


def _sync_close(connection: Any) -> Any:
    connection.close(1001, "bye")
    return _end_sync(connection)


def _sync_invalid(connection: Any) -> Any:
    connection.send("!invalid")
    return _end_sync(connection)


def _sync_surrogate(connection: Any) -> Any:
    with pytest.raises(ConnectionClosed) as caught:
        connection.send("\ud800")
    assert not connection.protocol_mutex.locked()
    return closed(caught.value)


class _Broken:
    """A socket that takes nothing more."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def sendall(self, _: bytes) -> None:
        raise OSError("no more")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _sync_fails_to_write(connection: Any) -> Any:
    connection.socket = _Broken(connection.socket)
    with pytest.raises(ConnectionClosed) as caught:
        connection.send("x")
    assert not connection.protocol_mutex.locked()
    return closed(caught.value)


def _sync_in_fragments(connection: Any) -> Any:
    """A message in the middle of another one is refused, and both go on."""

    def fragments() -> Any:
        yield "a"
        with pytest.raises(ConcurrencyError) as caught:
            connection.send("c")
        refused.append(str(caught.value))
        yield "b"

    refused: list[str] = []
    connection.send(fragments())
    return connection.recv(), refused


@pytest.mark.parametrize(
    "last",
    [_sync_close, _sync_invalid, _sync_surrogate, _sync_in_fragments, _sync_fails_to_write],
    ids=lambda last: last.__name__.strip("_"),
)
@_compression
@pytest.mark.usefixtures("_quiet")
def test_sync(compression: Any, last: Callable[[Any], Any]) -> None:
    results, _ = same(lambda: _sync(compression, last))
    assert results[:2] == [("str", "hello"), ("str", "héllo")]


def _send_all(client: Any, texts: list[str]) -> None:
    for text in texts:
        client.send(text)


@pytest.mark.usefixtures("_quiet")
def test_sync_threads_that_send_and_receive_at_once() -> None:
    options: dict[str, Any] = {"compression": None, **NO_PINGS}
    texts = ["é" * (n * 40) for n in range(100)]

    def run() -> Any:
        with websockets.sync.server.serve(_serve_sync, "127.0.0.1", 0, **options) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                port = server.socket.getsockname()[1]
                with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/", **NO_PROXY, **options) as client:
                    senders = [threading.Thread(target=partial(_send_all, client, texts)) for _ in range(3)]
                    for sender in senders:
                        sender.start()
                    received = [client.recv() for _ in range(3 * len(texts))]
                    for sender in senders:
                        sender.join()
                    return sorted(received) == sorted(texts * 3)
            finally:
                server.shutdown()
                thread.join()

    assert same(run) is True


# Keys -----------------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_masked_with_fresh_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is replaced: the other end must understand, and the keys differ."""
    written: list[bytes] = []
    data_to_send = websockets.protocol.Protocol.data_to_send

    def noting(protocol: Any) -> Any:
        writes = data_to_send(protocol)
        if protocol.side is websockets.protocol.CLIENT:
            written.extend(writes)
        return writes

    monkeypatch.setattr(websockets.protocol.Protocol, "data_to_send", noting)
    with pytest.raises(fastws.HostError, match="data_to_send has been replaced"):
        fastws.hosts.accelerate("websockets")
    monkeypatch.undo()
    fastws.hosts.accelerate("websockets")
    monkeypatch.setattr(websockets.protocol.Protocol, "data_to_send", noting)
    _asyncio(None, _close)
    keys = [data[2:6] for data in written if len(data) > 6 and 0x80 < data[1] < 0xFE]
    assert len(keys) > 8
    assert len(set(keys)) == len(keys)
