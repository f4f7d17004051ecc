"""The other end of a socket: a WebSocket server in a process of its own, so that it costs the measured one nothing.

The first message of a connection says what the server does from then on: ``echo``; ``burst COUNT SHAPE SIZE`` to send
that many messages at once, and then echo; or ``sink COUNT`` to read that many messages, answer with the same words, and
then echo. It serves until its standard input ends, and so never outlives its owner.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from fastws import Close, Message, MessageDecoder, Opcode, Role, encode_frame, encode_message

from .payloads import message as payload
from .peers import LIMIT
from .process import PythonProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve", "serving"]

# RFC 6455 §1.3.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_READ: Final = 256 * 1024

# Bytes that a burst hands to the socket at once, at least.
_BLOCK: Final = 256 * 1024


@contextmanager
def serving() -> Iterator[str]:
    """Run the server in a child process for the time of a ``with`` block.

    Yields: its URL.
    """
    with PythonProcess("from fastws.measure.server import serve; serve()") as process:
        url = process.read_line()
        if not url:
            raise RuntimeError("the server of the benchmark did not start")
        yield url


def serve() -> None:
    """Serve on a free port, tell its URL on standard output, and end with standard input."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        print(f"ws://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        sys.stdin.read()
        # Connections may still be open; nobody waits for them.
        os._exit(0)


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_handle, args=(connection,), daemon=True).start()


def _handle(connection: socket.socket) -> None:
    # A client that leaves in the middle ends its own connection only.
    with connection, suppress(ConnectionError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _shake_hands(connection)
        messages = _messages(connection)
        first = next(messages, "echo")
        command, *words = str(first).split()
        if command == "burst":
            count, shape, size = words
            _burst(connection, int(count), payload(shape, int(size)))
        elif command == "sink":
            for _ in itertools.islice(messages, int(words[0])):
                pass
            connection.sendall(encode_message(first, Role.SERVER))
        for message in messages:
            connection.sendall(encode_message(message, Role.SERVER))
        connection.sendall(encode_message(Close(1000), Role.SERVER))


def _shake_hands(connection: socket.socket) -> None:
    """Answer the opening handshake (RFC 6455 §4.2.2)."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(_READ)
        if not piece:
            raise ConnectionError("the client left before the end of its request")
        request += piece
    headers = dict(line.split(b": ", 1) for line in request.split(b"\r\n") if b": " in line)
    key = {name.lower(): value for name, value in headers.items()}[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")


def _messages(connection: socket.socket) -> Iterator[str | bytes]:
    """The data of what the client sends, until it closes."""
    decoder = MessageDecoder(Role.SERVER, max_message_size=LIMIT)
    while not decoder.closed:
        read = connection.recv(_READ)
        if not read:
            raise ConnectionError("the client left without a close frame")
        for message in decoder.feed(read):
            if isinstance(message, Message):
                yield message.data


def _burst(connection: socket.socket, count: int, message: str | bytes) -> None:
    frame = encode_frame(Opcode.TEXT if isinstance(message, str) else Opcode.BINARY, message)
    at_once = min(count, -(-_BLOCK // len(frame)))
    block = frame * at_once
    for _ in range(count // at_once):
        connection.sendall(block)
    connection.sendall(frame * (count % at_once))
