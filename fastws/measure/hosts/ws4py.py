"""ws4py, measured: its server from memory, its threaded client over a socket."""

from __future__ import annotations

import importlib
import io
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB
from .library import received, sent
from .trading import trade_blocking

if TYPE_CHECKING:
    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

_GOALS: Final = {32: 2.0, 4 * KIB: 13.0, MIB: 60.0}


class _Memory:
    """A socket that gives what it was given, and swallows what is sent."""

    def __init__(self, stream: bytes) -> None:
        self.recv = io.BytesIO(stream).read
        self.sendall = len

    def setblocking(self, _: bool) -> None:
        pass

    def shutdown(self, _: int) -> None:
        pass

    def close(self) -> None:
        pass


def _content(message: Any) -> str | bytes:
    """What a program takes from a message."""
    data: bytes = message.data
    return data if message.is_binary else str(message)


def library_cases() -> list[Case]:
    websocket = importlib.import_module("ws4py.websocket").WebSocket

    class Server(websocket):  # type: ignore[misc, valid-type]
        """Keeps what is received."""

        def opened(self) -> None:
            self.messages: list[str | bytes] = []

        def received_message(self, message: Any) -> None:
            self.messages.append(_content(message))

    def receive(stream: bytes, _: int) -> list[str | bytes]:
        server = Server(_Memory(stream))
        server.run()
        return server.messages

    def receive_as_managed(stream: bytes, _: int) -> list[str | bytes]:
        server = Server(_Memory(stream))
        server.opened()
        while server.once():
            pass
        return server.messages

    def send(message: str | bytes, count: int) -> list[None]:
        server, binary = websocket(_Memory(b"")), isinstance(message, bytes)
        return [server.send(message, binary) for _ in range(count)]

    return [
        *received("ws4py", receive, _GOALS, masked=True, client="run"),
        *received("ws4py", receive_as_managed, _GOALS, masked=True, client="once"),
        *sent("ws4py", send),
    ]


def _trade(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    client_class = importlib.import_module("ws4py.client.threadedclient").WebSocketClient

    class Client(client_class):  # type: ignore[misc, valid-type]
        """Hands what its thread receives to the one that asks. The thread does nothing before somebody does."""

        def __init__(self) -> None:
            super().__init__(url)
            self._messages: queue.SimpleQueue[str | bytes] = queue.SimpleQueue()
            self._asked = threading.Event()

        def recv(self) -> str | bytes:
            self._asked.set()
            return self._messages.get()

        def send(self, message: str | bytes) -> None:
            super().send(message, isinstance(message, bytes))

        def received_message(self, message: Any) -> None:
            self._asked.wait()
            self._messages.put(_content(message))

    client = Client()
    client.connect()
    try:
        return trade_blocking(client, exchange, count, watch)
    finally:
        client.run_forever()


TRADERS: Final[dict[str, Trader]] = {"threaded": _trade}
