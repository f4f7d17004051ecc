"""Echo servers, by name: each is started in a process of its own and tells its port on standard output."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import sys
import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["SERVERS", "missing", "serve"]

_HOST: Final = "127.0.0.1"

# Bytes of a message, at most: none here is longer.
_LARGEST: Final = 2**24


async def _fastws_callbacks(compression: bool, use_aiofastnet: bool = False) -> int:
    from fastws.asyncio import WebSocketProtocol, serve
    from fastws.deflate import Deflate

    class Echo(WebSocketProtocol):
        def on_message(self, data: str | bytes) -> None:
            self.send(data)

    deflate = Deflate() if compression else None
    options: Any = {"ping_interval": None, "compression": deflate, "use_aiofastnet": use_aiofastnet}
    return _port(await serve(Echo, _HOST, 0, max_size=_LARGEST, **options))


async def _fastws_callbacks_aiofastnet(compression: bool) -> int:
    return await _fastws_callbacks(compression, use_aiofastnet=True)


async def _fastws_async(compression: bool, use_aiofastnet: bool = False) -> int:
    from fastws.asyncio import serve
    from fastws.deflate import Deflate

    deflate = Deflate() if compression else None
    options: Any = {"ping_interval": None, "compression": deflate, "use_aiofastnet": use_aiofastnet}
    return _port(await serve(_echo_iteration, _HOST, 0, max_size=_LARGEST, **options))


async def _fastws_async_aiofastnet(compression: bool) -> int:
    return await _fastws_async(compression, use_aiofastnet=True)


async def _websockets(compression: bool) -> int:
    from websockets.asyncio.server import serve

    how: Any = "deflate" if compression else None
    server = await serve(_echo_iteration, _HOST, 0, max_size=_LARGEST, ping_interval=None, compression=how)
    return _port(server)


async def _picows_websockets(compression: bool) -> int:
    from picows.websockets.asyncio.server import serve

    how: Any = "deflate" if compression else None
    server = await serve(_echo_iteration, _HOST, 0, max_size=_LARGEST, ping_interval=None, compression=how)
    return _port(server)


async def _echo_iteration(connection: Any) -> None:
    async for message in connection:
        await connection.send(message)


async def _picows(_: bool) -> int:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    class Echo(WSListener):  # type: ignore[misc, unused-ignore]
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY):
                transport.send(frame.msg_type, frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()

    return _port(await ws_create_server(lambda _: Echo(), _HOST, 0, max_frame_size=_LARGEST))


async def _aiohttp(compression: bool) -> int:
    from aiohttp import WSMsgType, web

    async def handle(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(max_msg_size=_LARGEST, compress=compression)
        await connection.prepare(request)
        async for message in connection:
            if message.type is WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await connection.send_bytes(message.data)
        return connection

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, _HOST, 0)
    await site.start()
    port: int = runner.addresses[0][1]
    return port


async def _tornado(compression: bool) -> int:
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):
        def get_compression_options(self) -> dict[str, Any] | None:
            return {} if compression else None

        async def on_message(self, message: str | bytes) -> None:
            await self.write_message(message, binary=isinstance(message, bytes))

    sockets = bind_sockets(0, _HOST)
    HTTPServer(Application([("/", Echo)], websocket_max_message_size=_LARGEST)).add_sockets(sockets)
    port: int = sockets[0].getsockname()[1]
    return port


async def _application(_: Any, receive: Any, send: Any) -> None:
    """ASGI: echoes."""
    while True:
        event = await receive()
        if event["type"] == "websocket.receive":
            text = event.get("text")
            data = {"bytes": event["bytes"]} if text is None else {"text": text}
            await send({"type": "websocket.send", **data})
        elif event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            return


async def _uvicorn(ws: str, compression: bool) -> int:
    import uvicorn

    config = uvicorn.Config(
        _application,
        host=_HOST,
        port=0,
        ws=ws,
        lifespan="off",
        log_level="critical",
        ws_per_message_deflate=compression,
        ws_max_size=_LARGEST,
        # Nobody here answers pings.
        ws_ping_interval=None,
    )
    server = uvicorn.Server(config)
    # It would take the signals of the process.
    task = asyncio.create_task(server._serve())  # noqa: SLF001
    _running.add(task)
    while not server.started:
        await asyncio.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


_running: Final[set[asyncio.Task[None]]] = set()


async def _uvicorn_default(compression: bool) -> int:
    return await _uvicorn("auto", compression)


async def _uvicorn_fastws(compression: bool) -> int:
    return await _uvicorn("fastws.uvicorn:WebSocketProtocol", compression)


#: name → what starts it, with or without compression, and returns its port; and the packages that it needs.
SERVERS: Final = MappingProxyType(
    {
        "fastws callbacks": (_fastws_callbacks, ("h11",)),
        "fastws async": (_fastws_async, ("h11",)),
        "fastws callbacks, aiofastnet": (_fastws_callbacks_aiofastnet, ("h11", "aiofastnet")),
        "fastws async, aiofastnet": (_fastws_async_aiofastnet, ("h11", "aiofastnet")),
        "fastws under uvicorn": (_uvicorn_fastws, ("uvicorn", "h11")),
        "picows core": (_picows, ("picows",)),
        "picows.websockets": (_picows_websockets, ("picows",)),
        "websockets": (_websockets, ("websockets",)),
        "aiohttp": (_aiohttp, ("aiohttp",)),
        "tornado": (_tornado, ("tornado",)),
        "uvicorn's default": (_uvicorn_default, ("uvicorn", "websockets")),
    }
)


def missing(name: str) -> str:
    """What a server lacks here, "" where it can run."""
    return ", ".join([package for package in SERVERS[name][1] if importlib.util.find_spec(package) is None])


def serve(name: str, loop: str, *, compression: bool) -> None:
    """Run a server until standard input ends; each line of it is answered with the CPU seconds of this process.

    Args:
        name: of ``SERVERS``.
        loop: "asyncio" or "uvloop".
        compression: whether permessage-deflate is accepted.
    """
    logging.disable()
    start: Callable[[bool], Awaitable[int]] = SERVERS[name][0]

    async def run() -> None:
        print(await start(compression), flush=True)
        await asyncio.Event().wait()

    threading.Thread(target=_follow_input, daemon=True).start()
    if loop == "uvloop":
        import uvloop

        uvloop.run(run())
    else:
        asyncio.run(run())


def _follow_input() -> None:
    for _ in sys.stdin:
        print(time.process_time(), flush=True)
    # Connections may still be open; nobody waits for them.
    os._exit(0)


def _port(server: Any) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port
