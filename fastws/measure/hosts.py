"""The cases of the hosts: the time that each host library itself takes, plain and accelerated.

Bytes come from memory and go nowhere, so neither the kernel nor the other end counts. ``sockets.py`` measures the
same libraries over a socket.
"""

from __future__ import annotations

import functools
import importlib
import io
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode
from fastws.hosts import accelerated

from .case import Case, Contender
from .payloads import KIB, MIB, frames, size_name, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["host_cases"]

_SIZES: Final = (32, 4 * KIB, MIB)
_SHAPES: Final = ("ASCII", "Latin")

# Bytes of payload in one call, where a message is not longer.
_STREAM: Final = 16 * KIB


def host_cases(host: str) -> list[Case]:
    """Text received and sent, as far as this host can be measured; none for one that cannot."""
    return _CASES[host]() if host in _CASES else []


# websocket-client -----------------------------------------------------------------------------------------------------


class _Memory:
    """A socket that gives what it was given, and swallows what is sent."""

    def __init__(self, stream: bytes) -> None:
        self.recv = io.BytesIO(stream).read
        self.send = len

    def gettimeout(self) -> None:
        return None


def _websocket_client_cases() -> list[Case]:
    client_class = importlib.import_module("websocket").WebSocket

    def receive(stream: bytes, count: int) -> list[str]:
        client = client_class()
        client.sock = _Memory(stream)
        return [client.recv() for _ in range(count)]

    def send(message: str, count: int) -> list[int]:
        client = client_class()
        client.sock = _Memory(b"")
        return [client.send(message) for _ in range(count)]

    amounts = [(shape, n) for n in _SIZES for shape in _SHAPES]
    goals = {32: 2.0, 4 * KIB: 20.0, MIB: 200.0}
    return [
        *[_case("websocket-client", "text received", shape, n, receive, goals[n]) for shape, n in amounts],
        *[_case("websocket-client", "text sent", shape, n, send, None) for shape, n in amounts],
    ]


def _case(host: str, work: str, shape: str, n: int, call: Callable[[Any, int], list[Any]], goal: float | None) -> Case:
    count = max(1, _STREAM // n)
    message = text(shape, n)
    given = frames(message.encode(), Opcode.TEXT, count, masked=False) if work == "text received" else message
    return Case(
        f"{host}: {work}, time in the library",
        f"{shape}, {size_name(n)}",
        (
            Contender("accelerated", call, (given, count), around=functools.partial(accelerated, host)),
            Contender("plain", call, (given, count), goal=goal),
        ),
        "message",
        count,
        short=True,
    )


_CASES: Final[dict[str, Callable[[], list[Case]]]] = {"websocket-client": _websocket_client_cases}
