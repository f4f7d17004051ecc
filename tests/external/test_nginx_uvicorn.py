"""uvicorn with the class of fastws, and nginx in front of it.

Needs the program ``nginx``.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import websockets.asyncio.client

from fastws import Close
from fastws.asyncio import ConnectionClosed, ConnectionClosedError, InvalidStatus, connect
from fastws_endpoints import CLIENT_CLOSE, PIECES, SERVER_CLOSE, in_loop
from test_nginx import MESSAGES, proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class _Application:
    """ASGI: echoes, closes where it is told to, and keeps what it was told itself."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.disconnects: asyncio.Queue[Any] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        assert await receive() == {"type": "websocket.connect"}
        if scope["path"] == "/refused":
            await send({"type": "websocket.http.response.start", "status": 403, "headers": [(b"x-why", b"because")]})
            await send({"type": "websocket.http.response.body", "body": b"not you\n"})
            return
        await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
        while (event := await receive())["type"] == "websocket.receive":
            text = event.get("text")
            if text == "close":
                await send({"type": "websocket.close", "code": SERVER_CLOSE[0], "reason": SERVER_CLOSE[1]})
            else:
                data = {"bytes": event["bytes"]} if text is None else {"text": text}
                await send({"type": "websocket.send", **data})
        self.disconnects.put_nowait(event)


@asynccontextmanager
async def _served(folder: Path, **settings: Any) -> AsyncIterator[tuple[_Application, Any, Any]]:
    """The application, uvicorn's server, and nginx in front of it."""
    application = _Application()
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        ws="fastws.uvicorn:WebSocketProtocol",
        ws_max_size=1 << 24,
        lifespan="off",
        log_level="critical",
        **settings,
    )
    server = uvicorn.Server(config)
    # The signals are those of the tests.
    running = asyncio.create_task(server._serve())  # noqa: SLF001
    try:
        while not server.started:
            assert not running.done()
            await asyncio.sleep(0.01)
        async with proxy(folder, server.servers[0].sockets[0].getsockname()[1]) as front:
            yield application, server, front
    finally:
        server.should_exit = True
        await running


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("http", ["h11", "httptools"])
@in_loop
async def test_messages_and_pings(tmp_path: Path, http: str, compression: str | None, secure: bool) -> None:
    async with _served(tmp_path, http=http) as (application, _, front):
        uri, context = (front.secure_uri, front.trust) if secure else (front.uri, None)
        options: Any = {"ssl": context, "compression": compression, "max_size": None, "subprotocols": ["chat"]}
        async with connect(uri + "path?query=1", **options) as ws:
            assert ws.subprotocol == "chat"
            assert ws.response.headers["Server"].startswith("nginx")
            assert (ws.connection.deflate is not None) == (compression is not None)
            (scope,) = application.scopes
            assert (scope["path"], scope["query_string"]) == ("/path", b"query=1")
            # uvicorn believes the proxy on this machine.
            assert scope["scheme"] == ("wss" if secure else "ws")
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(PIECES)
            assert await ws.recv() == "".join(PIECES)
            assert await (await ws.ping()) >= 0


@in_loop
async def test_another_client(tmp_path: Path) -> None:
    async with (
        _served(tmp_path) as (_, _, front),
        websockets.asyncio.client.connect(front.uri, max_size=None) as ws,
    ):
        for message in MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message


@in_loop
async def test_either_side_closes(tmp_path: Path) -> None:
    async with _served(tmp_path) as (application, _, front):
        ws = await connect(front.uri)
        await ws.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert caught.value.rcvd == Close(*SERVER_CLOSE)
        await ws.wait_closed()
        event = await application.disconnects.get()
        assert event == {"type": "websocket.disconnect", "code": SERVER_CLOSE[0], "reason": SERVER_CLOSE[1]}

        ws = await connect(front.uri)
        await ws.close(*CLIENT_CLOSE)
        event = await application.disconnects.get()
        assert event == {"type": "websocket.disconnect", "code": CLIENT_CLOSE[0], "reason": CLIENT_CLOSE[1]}


@in_loop
async def test_the_server_goes_away(tmp_path: Path) -> None:
    async with _served(tmp_path) as (application, server, front):
        ws = await connect(front.uri)
        server.should_exit = True
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
        assert (await application.disconnects.get())["code"] == 1012


@in_loop
async def test_the_proxy_is_killed(tmp_path: Path) -> None:
    async with _served(tmp_path) as (application, _, front):
        ws = await connect(front.uri)
        front.process.kill()
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.rcvd is None
        assert (await application.disconnects.get())["code"] == 1005


@in_loop
async def test_a_refusal_passes_through(tmp_path: Path) -> None:
    async with _served(tmp_path) as (_, _, front):
        with pytest.raises(InvalidStatus) as caught:
            await connect(front.uri + "refused")
        response = caught.value.response
        assert (response.status, response.headers["X-Why"], response.body) == (403, "because", b"not you\n")
