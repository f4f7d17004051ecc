"""Echo servers of ws4py and gevent-websocket, each in a process of its own, and a client that sends any bytes.

As a program: ``python scripted_servers.py SERVER HOST`` prints the port and serves, with this host accelerated unless
its name is empty.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


#: What is echoed: text and binary, of every form of the length, and what takes many reads.
PAYLOADS: list[str | bytes] = [
    "",
    b"",
    "héllo",
    b"\xff\x00",
    "x" * 125,
    "é" * 63,
    "中" * 1365,
    b"\x80" * 65_535,
    "😀" * 16_384,
    "a" * 300_000,
    bytes(range(256)) * 1024,
]


@contextmanager
def serving(server: str, host: str = "", **environment: str) -> Iterator[int]:
    """A server, for as long as the block runs; yields its port.

    Args:
        server: one of ``_SERVERS``.
        host: what is accelerated in its process, if anything.
        environment: variables for it.
    """
    home = str(Path(__file__).parents[2])
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, __file__, server, host],
        env={**os.environ, "PYTHONPATH": home, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = process.stdout.readline()
        assert told, process.communicate(timeout=60)[1]
        yield int(told)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.close()


def exchange(port: int, pieces: Sequence[bytes]) -> bytes:
    """What a server answers to these bytes, each piece sent alone, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(_HANDSHAKE)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")
        answer = b""
        try:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            while received := client.recv(65_536):
                answer += received
        except ConnectionError:
            # A server that closes before it has read all resets the connection, which may drop what it sent.
            return b"reset"
    return answer


# The servers ----------------------------------------------------------------------------------------------------------


def _gevent_websocket() -> None:
    from gevent import monkey, pywsgi

    monkey.patch_all()
    from geventwebsocket.exceptions import WebSocketError
    from geventwebsocket.handler import WebSocketHandler

    def application(environ: dict[str, Any], _: Any) -> list[bytes]:
        connection = environ["wsgi.websocket"]
        try:
            while (message := connection.receive()) is not None:
                connection.send(message)
        except WebSocketError:
            pass
        return []

    server = pywsgi.WSGIServer(("127.0.0.1", 0), application, handler_class=WebSocketHandler, log=None)
    server.start()
    _serve(server)


def _ws4py_gevent() -> None:
    from gevent import monkey

    monkey.patch_all()
    from ws4py.server.geventserver import WSGIServer  # type: ignore[import-untyped]
    from ws4py.server.wsgiutils import WebSocketWSGIApplication  # type: ignore[import-untyped]
    from ws4py.websocket import EchoWebSocket  # type: ignore[import-untyped]

    server = WSGIServer(("127.0.0.1", 0), WebSocketWSGIApplication(handler_cls=EchoWebSocket), log=None)
    server.start()
    _serve(server)


def _ws4py_wsgiref() -> None:
    from wsgiref.simple_server import make_server

    from ws4py.server.wsgirefserver import WebSocketWSGIRequestHandler, WSGIServer  # type: ignore[import-untyped]
    from ws4py.server.wsgiutils import WebSocketWSGIApplication
    from ws4py.websocket import EchoWebSocket

    class Quiet(WebSocketWSGIRequestHandler):  # type: ignore[misc]
        def log_message(self, *_: Any) -> None:
            pass

    application = WebSocketWSGIApplication(handler_cls=EchoWebSocket)
    server: Any = make_server("127.0.0.1", 0, server_class=WSGIServer, handler_class=Quiet, app=application)
    server.initialize_websockets_manager()
    _serve(server)


def _serve(server: Any) -> None:
    print(server.server_port, flush=True)
    server.serve_forever()


_SERVERS = {"gevent-websocket": _gevent_websocket, "ws4py gevent": _ws4py_gevent, "ws4py wsgiref": _ws4py_wsgiref}


def _main(server: str, host: str) -> None:
    # These hosts are older than the Python that runs them.
    warnings.simplefilter("ignore")
    if "FASTWS_TEST_WSACCEL" in os.environ:
        from fastws.hosts import wsaccel

        wsaccel.install()
    else:
        sys.modules.update(dict.fromkeys(("wsaccel", "wsaccel.utf8validator")))  # type: ignore[arg-type]
    if host:
        import fastws

        assert fastws.accelerate(host) == (host,)
    _SERVERS[server]()


if __name__ == "__main__":
    _main(*sys.argv[1:])
