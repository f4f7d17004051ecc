"""eventlet's websocket module, measured: its server from memory, and its client, which masks."""

from __future__ import annotations

import importlib
import io
import os
import warnings
from typing import TYPE_CHECKING, Any

from .library import received, sent

if TYPE_CHECKING:
    from ..case import Case

__all__ = ["library_cases"]


class _Memory:
    """A socket that gives what it was given, and swallows what is sent."""

    def __init__(self, stream: bytes) -> None:
        self.recv = io.BytesIO(stream).read
        self.sendall = len


def library_cases() -> list[Case]:
    # Names need not be resolved, and dnspython does not bear eventlet beside every other package.
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        websocket = importlib.import_module("eventlet.websocket").RFC6455WebSocket

    def receive(stream: bytes, count: int) -> list[Any]:
        server = websocket(_Memory(stream), {})
        return [server.wait() for _ in range(count)]

    def send(message: str | bytes, count: int) -> list[Any]:
        server = websocket(_Memory(b""), {})
        return [server.send(message) for _ in range(count)]

    def send_masked(message: str | bytes, count: int) -> list[Any]:
        client = websocket(_Memory(b""), {}, client=True)
        return [client.send(message) for _ in range(count)]

    return [
        *received("eventlet", receive, masked=True),
        *sent("eventlet", send, client="server"),
        *sent("eventlet", send_masked, client="client"),
    ]
