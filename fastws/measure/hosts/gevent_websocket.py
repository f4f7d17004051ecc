"""gevent-websocket, measured. It is a server only, so there is nothing to connect to one."""

from __future__ import annotations

import importlib
import io
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from ..payloads import KIB, MIB
from .library import received, sent

if TYPE_CHECKING:
    from ..case import Case

__all__ = ["library_cases"]

_GOALS: Final = {32: 2.0, 4 * KIB: 13.0, MIB: 60.0}


def library_cases() -> list[Case]:
    websocket = importlib.import_module("geventwebsocket.websocket").WebSocket
    server = SimpleNamespace(application=None)
    handler = SimpleNamespace(server=server, logger=logging.getLogger(__name__))

    def receive(stream: bytes, count: int) -> list[str | bytes]:
        # The host's handler gives it the buffered file of a socket.
        file = SimpleNamespace(read=io.BufferedReader(io.BytesIO(stream)).read, write=len)
        connection = websocket({}, file, handler)
        return [connection.receive() for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[None]:
        connection = websocket({}, SimpleNamespace(read=None, write=len), handler)
        return [connection.send(message) for _ in range(count)]

    return [*received("gevent-websocket", receive, _GOALS, masked=True), *sent("gevent-websocket", send)]
