"""wsproto, measured: as a server and as a client from memory, and below simple-websocket over a socket.

Bytes arrive as reads of 64 KiB, which is what hypercorn and httpx-ws ask for.
"""

from __future__ import annotations

import functools
import importlib
import socket
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB, cut
from .library import received, sent
from .trading import trade_blocking

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

_GOALS: Final = {32: 4.0, 4 * KIB: 4.0, MIB: 5.0}

_READ: Final = 64 * KIB


def library_cases() -> list[Case]:
    connection = importlib.import_module("wsproto.connection")
    server, client = connection.ConnectionType.SERVER, connection.ConnectionType.CLIENT
    return [
        *received("wsproto", _receiver(server), _GOALS, masked=True, client="server"),
        *received("wsproto", _receiver(client), _GOALS, client="client"),
        *sent("wsproto", _sender(server), client="server"),
        *sent("wsproto", _sender(client), client="client"),
    ]


def _receiver(side: Any) -> Callable[[bytes, int], list[Any]]:
    # One connection for all calls: each of them leaves it between two messages.
    connection = importlib.import_module("wsproto.connection").Connection(side)

    def receive(stream: bytes, count: int) -> list[Any]:
        messages, size, last = 0, 0, None
        for data in _reads(stream):
            connection.receive_data(data)
            for event in connection.events():
                last = event.data
                messages += event.message_finished
                size += len(last)
        assert messages == count
        return [size, last]

    return receive


@functools.cache
def _reads(stream: bytes) -> list[bytes]:
    return cut(stream, _READ)


def _sender(side: Any) -> Callable[[str | bytes, int], list[int]]:
    connection = importlib.import_module("wsproto.connection").Connection(side)
    events = importlib.import_module("wsproto.events")

    def send(message: str | bytes, count: int) -> list[int]:
        event = (events.TextMessage if isinstance(message, str) else events.BytesMessage)(data=message)
        return [len(connection.send(event)) for _ in range(count)]

    return send


class _Client:
    """simple-websocket's client, which blocks."""

    def __init__(self, url: str) -> None:
        self._client = importlib.import_module("simple_websocket").Client(url)
        # Otherwise an echo may take as long as the server waits for more before it acknowledges, some 40 ms.
        self._client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send = self._client.send
        self.recv = self._client.receive
        self.close = self._client.close


def _trade(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    client = _Client(url)
    if exchange.kind != "burst received":
        return trade_blocking(client, exchange, count, watch)
    last: Any = None
    try:
        with watch:
            # The client reads in a thread of its own, as soon as there is something.
            client.send(exchange.command(count))
            for _ in range(count):
                last = client.recv()
    finally:
        client.close()
    return last


TRADERS: Final[dict[str, Trader]] = {"simple-websocket": _trade}
