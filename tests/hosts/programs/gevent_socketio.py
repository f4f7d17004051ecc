"""A Socket.IO server on gevent, whose WebSocket is that of gevent-websocket: echoes events, with text and binary."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from typing import Any  # noqa: E402

import socketio  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from geventwebsocket.handler import WebSocketHandler  # noqa: E402

server = socketio.Server(async_mode="gevent")


@server.event  # type: ignore[untyped-decorator]
def echo(_: str, *values: Any) -> tuple[Any, ...]:
    return values


@server.event  # type: ignore[untyped-decorator]
def push(identity: str, count: int) -> None:
    for number in range(count):
        server.emit("pushed", (number, "é" * number, bytes(number)), to=identity)


wsgi = WSGIServer(("127.0.0.1", 0), socketio.WSGIApp(server), handler_class=WebSocketHandler, log=None)
wsgi.start()
print(f"http://127.0.0.1:{wsgi.server_port}/", flush=True)
wsgi.serve_forever()
