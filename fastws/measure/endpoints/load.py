"""Echo under load: so many messages in flight on one connection, answered by servers that take turns."""

from __future__ import annotations

import select
from contextlib import ExitStack
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode

from ..case import Case, Contender
from ..payloads import KEY, KIB, message, size_name
from .process import ServerProcess
from .servers import missing

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

__all__ = ["FLIGHTS", "LOOPS", "Endpoints", "echo_cases"]

_SIZES: Final = (32, 4 * KIB, 64 * KIB)
_SHAPES: Final = ("ASCII", "binary")

# Bytes that the system's buffers take without waiting.
_FITS: Final = 32 * KIB

#: Messages that are sent before the first answer is waited for.
FLIGHTS: Final = (1, 64)

LOOPS: Final = ("asyncio", "uvloop")

# subject → rival → how many times as fast the subject should be, with one message in flight and with 64
_RIVALS: Final[Mapping[str, Mapping[str, tuple[float | None, float | None]]]] = MappingProxyType(
    {
        "fastws callbacks": {"picows core": (1.0, 6.0)},
        "fastws async": {"websockets": (1.5, 10.0), "picows.websockets": (1.0, 4.0), "aiohttp": (None, None)},
        "fastws callbacks, aiofastnet": {"picows core": (1.0, 6.0)},
        "fastws async, aiofastnet": {"picows.websockets": (1.0, 4.0)},
        "fastws under uvicorn": {"uvicorn's default": (1.5, 4.0)},
    }
)


class Endpoints:
    """The servers that were asked for, each started once and with one connection, for the time of a ``with`` block."""

    def __init__(self) -> None:
        self._connections: dict[tuple[str, str], socket.socket] = {}
        self._open = ExitStack()

    def __enter__(self) -> Endpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._connections.clear()

    def echo(self, name: str, loop: str, sent: bytes, expected: int) -> bytes:
        """Send bytes to a server and read so many back."""
        connection = self._connections.get((name, loop))
        if connection is None:
            connection = self._connections[name, loop] = self._connect(name, loop)
        return _exchange(connection, sent, expected)

    def _connect(self, name: str, loop: str) -> socket.socket:
        server = self._open.enter_context(ServerProcess(name, loop))
        return self._open.enter_context(server.connect())


def _exchange(connection: socket.socket, sent: bytes, expected: int) -> bytes:
    """Send and read at once: a server that cannot get rid of its answers may stop reading."""
    got = bytearray(expected)
    unsent, unread = memoryview(sent), memoryview(got)
    if len(sent) <= _FITS:
        connection.sendall(sent)
        unsent = unsent[:0]
    while unread:
        if unsent:
            _, writable, _ = select.select([], [connection], [], 0)
            if writable:
                unsent = unsent[connection.send(unsent[:_FITS]) :]
            readable, _, _ = select.select([connection], [connection] if unsent else [], [])
            if not readable:
                continue
        read = connection.recv_into(unread)
        if not read:
            raise ConnectionError("the server left")
        unread = unread[read:]
    return bytes(got)


def echo_cases(endpoints: Endpoints, loop: str) -> list[Case]:
    """A case for each subject, number in flight, size and shape.

    The clock for them is the wall's: a batch waits for another process.
    """
    return [
        _case(endpoints, loop, subject, flight, shape, size)
        for subject in _RIVALS
        for flight in FLIGHTS
        for size in _SIZES
        for shape in _SHAPES
    ]


def _case(endpoints: Endpoints, loop: str, subject: str, flight: int, shape: str, size: int) -> Case:
    from fastws import encode_frame

    payload = message(shape, size)
    opcode = Opcode.TEXT if isinstance(payload, str) else Opcode.BINARY
    sent = encode_frame(opcode, payload, key=KEY) * flight
    answer = encode_frame(opcode, payload) * flight

    def contender(name: str, goal: float | None = None) -> Contender:
        lacking = missing(name)
        call: Callable[..., Any] | None = None if lacking else endpoints.echo
        return Contender(name, call, (name, loop, sent, len(answer)), goal=goal, missing=lacking and f"needs {lacking}")

    rivals = [contender(name, goals[FLIGHTS.index(flight)]) for name, goals in _RIVALS[subject].items()]
    return Case(
        f"{subject}: echo on {loop}, {flight} in flight",
        f"{shape}, {size_name(size)}",
        (contender(subject), *rivals),
        "message",
        flight,
        short=size == 32 and shape == "ASCII",
    )
