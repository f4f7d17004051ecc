"""Transports that are lost before the loop says so: by a reset, or a peer that closed while an answer was made."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import Echo, contexts, echo, in_loop, uri_of
from fastws.asyncio import ConnectionClosedError, connect, serve

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

    server_tls, client_tls = contexts() if secure else (None, None)
    async with serve(sender, "127.0.0.1", 0, ssl=server_tls, compression=None) as server:
        uri = uri_of(server) if client_tls is None else uri_of(server).replace("ws://127.0.0.1", "wss://localhost")
        ws = await connect(uri, **({} if client_tls is None else {"ssl": client_tls}))
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

        options = {"process_request": process_request} if handler is echo else {}
        async with serve(handler, "127.0.0.1", 0, **options) as server:
            await asyncio.get_running_loop().run_in_executor(None, client.connect, server.sockets[0].getsockname())
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            if handler is Echo:
                client.close()
            async with connect(uri_of(server)) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
    assert caplog.records == []


def test_a_queue_for_callbacks() -> None:
    """There is none, and that is not told to the first client."""
    with pytest.raises(TypeError, match="max_queue"):
        serve(Echo, "127.0.0.1", 0, max_queue=4)
