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

Calls, arguments and names are those of websockets' asyncio API. What is different:

- ``compression`` takes a ``fastws.deflate.Deflate``; there are no other extensions.
- Wrong arguments are ValueError or TypeError, at once where that is possible; an opening handshake that fails is a
  ``fastws.HandshakeError``, of which ``InvalidStatus`` and ``ProxyError`` are kinds.
- A server with ``subprotocols`` lets in who offers none of them. A ``Response`` is not changed but for its headers.
- A close is answered with its code and no reason. ``close`` goes between the fragments of a message, with its own code.
- ``recv_streaming`` may be left in the middle: the next call receives the rest. A message that was there before the
  first ``recv_streaming`` comes in one piece. An iterable's last fragment is the last frame, no empty one follows.
- Messages of one read are answered in one write, and a task that receives goes on within the read. ``max_queue`` counts
  what is complete, fragments only where they are streamed.
- ``create_connection`` takes a ``fastws.Connection`` in place of a protocol.
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
