"""Transports that are lost before the loop says so: by a reset, or a peer that closed while an answer was made."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import Echo, contexts, echo, in_loop, uri_of
from fastws import Role, encode_message
from fastws.asyncio import ConnectionClosedError, WebSocketProtocol, connect, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# More than is gathered for one write, and more than a test has patience for where nothing stops it.
_MANY = 100_000


async def _whole(ws: Any, data: str) -> None:
    await ws.send(data)


async def _in_fragments(ws: Any, data: str) -> None:
    await ws.send([data, data])


@pytest.mark.parametrize("size", [1, 1000, 100_000])
@pytest.mark.parametrize("send", [_whole, _in_fragments])
@pytest.mark.parametrize("secure", [False, True])
@in_loop
async def test_who_sends_for_ever_hears_of_it(
    size: int, send: Callable[[Any, str], Awaitable[None]], secure: bool
) -> None:
    """Nobody else could: a sender that never waits keeps the loop from telling anything."""
    ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def sender(ws: Any) -> None:
        await send(ws, "first")
        ws.abort()
        try:
            for _ in range(_MANY):
                await send(ws, "x" * size)
        except ConnectionClosedError as error:
            ended.set_result(error)
        else:
            ended.set_exception(AssertionError("it was never told"))

    tls: list[Any] = [{"ssl": context} if secure else {} for context in contexts()]
    async with serve(sender, "127.0.0.1", 0, compression=None, **tls[0]) as server:
        ws = await connect(
            uri_of(server).replace("ws://127.0.0.1", "wss://localhost" if secure else "ws://127.0.0.1"), **tls[1]
        )
        await ended
        await ws.wait_closed()


@in_loop
async def test_many_senders_wait_for_it() -> None:
    async def sender(ws: Any) -> None:
        ws.abort()
        senders = [asyncio.create_task(ws.send("x" * 100_000)) for _ in range(10)]
        results.append(await asyncio.gather(*senders, return_exceptions=True))

    results: list[list[Any]] = []
    async with serve(sender, "127.0.0.1", 0, compression=None) as server:
        ws = await connect(uri_of(server))
        await ws.wait_closed()
    assert [type(each) for each in results[0]] == [ConnectionClosedError] * 10


@pytest.mark.parametrize("handler", [echo, Echo], ids=["async", "callbacks"])
@in_loop
async def test_a_client_that_has_gone_when_it_is_refused(handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The refusal is answered by a reset, before this side can half-close."""
    with socket.socket() as client:

        def process_request(*_: Any) -> None:
            client.close()

        options: dict[str, Any] = {"process_request": process_request} if handler is echo else {}
        async with serve(handler, "127.0.0.1", 0, **options) as server:
            await asyncio.get_running_loop().run_in_executor(None, client.connect, server.sockets[0].getsockname())
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            if handler is Echo:
                client.close()
            async with connect(uri_of(server)) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
    assert caplog.records == []


@in_loop
async def test_callbacks_that_fail(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(WebSocketProtocol):
        def on_message(self, data: str | bytes) -> None:
            self.send(data)
            if data == "fail":
                raise RuntimeError("on purpose")

    async with serve(Failing, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        for message in ("a", "fail", "b"):
            await ws.send(message)
        assert [await ws.recv(), await ws.recv()] == ["a", "fail"]
        with pytest.raises(ConnectionClosedError, match="received 1011"):
            await ws.recv()
    assert [record.getMessage() for record in caplog.records] == ["connection callback failed"]
    assert "on purpose" in caplog.text


@in_loop
async def test_callbacks_that_answer_while_it_is_closing(caplog: pytest.LogCaptureFixture) -> None:
    """As many do when a server is closed: the closing handshake is made all the same."""

    class Leaving(Echo):
        def on_message(self, data: str | bytes) -> None:
            if data == "leave":
                self.start_close(4000, "enough")
            super().on_message(data)

    async with serve(Leaving, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        ws.transport.write(b"".join([encode_message(each, Role.CLIENT) for each in ("a", "leave", "b", "c")]))
        assert await ws.recv() == "a"
        with pytest.raises(ConnectionClosedError, match=r"received 4000 \(enough\); sent 4000"):
            await ws.recv()
    assert caplog.records == []


@pytest.mark.parametrize("secure", [False, True])
@in_loop
async def test_what_came_before_it_was_lost(secure: bool) -> None:
    """It is received in the end, though reading was paused: there is nothing to go on reading."""
    sent = 0

    async def sender(ws: Any) -> None:
        nonlocal sent
        for sent in range(1, 1000):
            await ws.send(f"{sent}")
            if sent % 100 == 0:
                await (await ws.ping())
        await ws.wait_closed()

    tls: list[Any] = [{"ssl": context} if secure else {} for context in contexts()]
    async with serve(sender, "127.0.0.1", 0, **tls[0]) as server:
        uri = uri_of(server).replace("ws://127.0.0.1", "wss://localhost") if secure else uri_of(server)
        ws = await connect(uri, max_queue=4, ping_interval=None, **tls[1])
        while not ws._is_paused:  # noqa: SLF001
            await asyncio.sleep(0.001)
        ws.abort()
        await ws.wait_closed()
        got = []
        with contextlib.suppress(ConnectionClosedError):
            while True:
                got.append(await ws.recv())
        assert len(got) > 4
        assert got == [f"{i + 1}" for i in range(len(got))]


def test_a_queue_for_callbacks() -> None:
    """There is none, and that is not told to the first client."""
    with pytest.raises(TypeError, match="max_queue"):
        serve(Echo, "127.0.0.1", 0, max_queue=4)
