"""websocket-client, measured."""

from __future__ import annotations

import importlib
import io
from typing import TYPE_CHECKING, Any, Final

from ..payloads import KIB, MIB
from .library import received, sent
from .trading import trade_blocking

if TYPE_CHECKING:
    from ..case import Case
    from .trading import Exchange, Stopwatch, Trader

__all__ = ["TRADERS", "library_cases"]

_GOALS: Final = {32: 2.0, 4 * KIB: 15.0, MIB: 50.0}


class _Memory:
    """A socket that gives what it was given, and swallows what is sent."""

    def __init__(self, stream: bytes) -> None:
        self.recv = io.BytesIO(stream).read
        self.send = len

    def gettimeout(self) -> None:
        return None


def library_cases() -> list[Case]:
    package = importlib.import_module("websocket")
    text, binary = package.ABNF.OPCODE_TEXT, package.ABNF.OPCODE_BINARY

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        client = package.WebSocket()
        client.sock = _Memory(stream)
        return [client.recv() for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[int]:
        client, opcode = package.WebSocket(), text if isinstance(message, str) else binary
        client.sock = _Memory(b"")
        return [client.send(message, opcode) for _ in range(count)]

    return [*received("websocket-client", receive, _GOALS), *sent("websocket-client", send)]


class _Client:
    """The host's client, which wants to be told what is binary."""

    def __init__(self, url: str) -> None:
        package = importlib.import_module("websocket")
        self._client = package.create_connection(url, timeout=60)
        self._binary = package.ABNF.OPCODE_BINARY
        self.recv = self._client.recv
        self.close = self._client.close

    def send(self, message: str | bytes) -> object:
        if isinstance(message, bytes):
            return self._client.send(message, self._binary)
        return self._client.send(message)


def _trade(url: str, exchange: Exchange, count: int, watch: Stopwatch) -> Any:
    return trade_blocking(_Client(url), exchange, count, watch)


TRADERS: Final[dict[str, Trader]] = {"client": _trade}
