"""WebSocket clients and servers on asyncio's own loop, or on one in its place, such as uvloop.

    async with serve(handler, "localhost", 8765) as server: ...
    async with connect("ws://localhost:8765") as ws:
        await ws.send("text or bytes")
        async for message in ws: ...

For the highest rates there are callbacks, without a task for each connection:

    class Echo(WebSocketProtocol):
        def on_message(self, data):
            self.send(data)

    async with serve(Echo, "localhost", 8765): ...
"""

from __future__ import annotations

from .auth import basic_auth
from .client import connect, process_exception, unix_connect
from .exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
)
from .protocol import WebSocketProtocol
from .server import Server, ServerWebSocket, serve, unix_serve
from .websocket import WebSocket, broadcast

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "InvalidProxyStatus",
    "InvalidStatus",
    "ProxyError",
    "Server",
    "ServerWebSocket",
    "WebSocket",
    "WebSocketProtocol",
    "basic_auth",
    "broadcast",
    "connect",
    "process_exception",
    "serve",
    "unix_connect",
    "unix_serve",
]
