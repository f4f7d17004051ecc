"""Echo under load: so many messages in flight on one connection, answered by servers that take turns."""

from __future__ import annotations

import functools
import select
from contextlib import ExitStack
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode

from ..affinity import one_cpu
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

# What is timed: by the wall's clock, and by that of the server.
_CPU: Final = "CPU time of the server for an echo"
_CLOCKS: Final = ("echo", _CPU)

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
    """The servers that were asked for, each started once and with one connection, for the time of a ``with`` block.

    They and this thread share a CPU as long, see ``one_cpu``.
    """

    def __init__(self) -> None:
        self._servers: dict[tuple[str, str], tuple[ServerProcess, socket.socket]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Endpoints:
        self._open.enter_context(one_cpu())
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._servers.clear()

    def echo(self, name: str, loop: str, sent: bytes, expected: int) -> bytes:
        """Send bytes to a server and read so many back."""
        _, connection = self._started(name, loop)
        return _exchange(connection, sent, expected)

    def cpu_time(self, name: str, loop: str) -> float:
        """Seconds of CPU time that a server has taken so far."""
        server, _ = self._started(name, loop)
        return server.cpu_time()

    def _started(self, name: str, loop: str) -> tuple[ServerProcess, socket.socket]:
        started = self._servers.get((name, loop))
        if started is None:
            server = self._open.enter_context(ServerProcess(name, loop))
            started = self._servers[name, loop] = server, self._open.enter_context(server.connect())
        return started


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
    """A case for each subject, clock, number in flight, size and shape.

    The wall's clock tells how long a message takes, there and back, with the client's part. The server's CPU time tells
    how many messages a server can bear.
    """
    return [
        _case(endpoints, loop, subject, clock, flight, shape, size)
        for subject in _RIVALS
        for clock in _CLOCKS
        for flight in FLIGHTS
        for size in _SIZES
        for shape in _SHAPES
    ]


def _case(endpoints: Endpoints, loop: str, subject: str, clock: str, flight: int, shape: str, size: int) -> Case:
    from fastws import encode_frame

    payload = message(shape, size)
    opcode = Opcode.TEXT if isinstance(payload, str) else Opcode.BINARY
    sent = encode_frame(opcode, payload, key=KEY) * flight
    answer = encode_frame(opcode, payload) * flight

    def contender(name: str, goal: float | None = None) -> Contender:
        lacking = missing(name)
        call: Callable[..., Any] | None = None if lacking else endpoints.echo
        return Contender(
            name,
            call,
            (name, loop, sent, len(answer)),
            clock=functools.partial(endpoints.cpu_time, name, loop) if clock == _CPU else None,
            goal=goal,
            missing=lacking and f"needs {lacking}",
        )

    rivals = [contender(name, goals[FLIGHTS.index(flight)]) for name, goals in _RIVALS[subject].items()]
    return Case(
        f"{subject}: {clock} on {loop}, {flight} in flight",
        f"{shape}, {size_name(size)}",
        (contender(subject), *rivals),
        "message",
        flight,
        # What the chart shows.
        short=clock != _CPU and size == 32 and shape == "ASCII",
    )
