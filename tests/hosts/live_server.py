"""A real WebSocket server in a thread, told by its client what to send.

It echoes every message, but for text that starts with ``!``:

    !raw 8101 78       these bytes, with a pause at each space: a frame cut in pieces, or no frame at all
    !fragments a b c   one text message in that many frames
    !burst 200         that many messages without a pause, text and binary in turn
    !close 1001 bye    a closing handshake
    !drop              the end of the connection without one
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AUTHORITY = trustme.CA()

# Long enough for the pieces to arrive in reads of their own.
_PAUSE = 0.02


def _raw(connection: ServerConnection, *pieces: str) -> None:
    for piece in pieces:
        connection.socket.sendall(bytes.fromhex(piece))
        time.sleep(_PAUSE)


def _fragments(connection: ServerConnection, *texts: str) -> None:
    connection.send(texts)


def _burst(connection: ServerConnection, count: str) -> None:
    for number in range(int(count)):
        connection.send(f"message {number} é" if number % 2 else bytes([number & 0xFF]) * number)


def _close(connection: ServerConnection, code: str, reason: str = "") -> None:
    connection.close(int(code), reason)


def _drop(connection: ServerConnection) -> None:
    # Closing it here would end nothing for as long as another thread waits for bytes of it.
    connection.socket.shutdown(socket.SHUT_RDWR)


_COMMANDS: dict[str, Callable[..., None]] = {
    "!raw": _raw,
    "!fragments": _fragments,
    "!burst": _burst,
    "!close": _close,
    "!drop": _drop,
}


def _handle(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        for message in connection:
            if isinstance(message, str) and message.startswith("!"):
                name, *arguments = message.split()
                _COMMANDS[name](connection, *arguments)
            else:
                connection.send(message)


def trusting() -> ssl.SSLContext:
    """What a client needs to trust the secure server."""
    context = ssl.create_default_context()
    _AUTHORITY.configure_trust(context)
    return context


@contextmanager
def serving(*, secure: bool = False) -> Iterator[str]:
    """The server, for as long as the block runs; yields its URL."""
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    options = {"compression": None, "ping_interval": None, "max_size": None, "close_timeout": 1}
    with serve(_handle, "127.0.0.1", 0, ssl=context, **options) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.socket.getsockname()[1]
            yield f"{'wss' if secure else 'ws'}://127.0.0.1:{port}/"
        finally:
            server.shutdown()
            thread.join()
