"""A server in a process of its own, and plain connections to it."""

from __future__ import annotations

import socket
from typing import Final

from ..process import PythonProcess

__all__ = ["ServerProcess"]

_HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
_DEFLATE: Final = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

# Seconds for a server to start and for a message to come back, on a machine that does other work.
_PATIENCE: Final = 60


class ServerProcess(PythonProcess):
    """A server of ``servers.py``, for the time of a ``with`` block or until ``stop``.

    Args:
        name, loop, compression: as for ``serve``.

    Attributes:
        port: where it listens.
    """

    def __init__(self, name: str, loop: str, *, compression: bool = False) -> None:
        super().__init__(
            f"from fastws.measure.endpoints.servers import serve;serve({name!r}, {loop!r}, compression={compression})"
        )
        self._compression = compression
        line = self.read_line()
        if not line:
            self.stop()
            raise RuntimeError(f"the server {name!r} did not start")
        self.port = int(line)

    def cpu_time(self) -> float:
        """Seconds of CPU time that the server has taken so far."""
        self.write_line("")
        return float(self.read_line())

    def connect(self) -> socket.socket:
        """An open WebSocket connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_HANDSHAKE + (_DEFLATE if self._compression else b"") + b"\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            # Byte by byte: what is behind the answer belongs to whoever reads next.
            piece = connection.recv(1)
            if not piece:
                raise ConnectionError("the server left in the handshake")
            answer += piece
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"the server answered {answer[:40]!r}")
        return connection
