"""Hosts over a real socket, plain and accelerated in turn: what a program gains from end to end.

The server is a process of its own. CPU time is that of this process alone; the wall clock also counts the kernel, the
server and the way between. Every batch has a connection of its own, made and closed outside of the measured time.
"""

from __future__ import annotations

import functools
import gc
import importlib
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from fastws.hosts import accelerated

from .case import Case, Contender, Measurement
from .payloads import KIB, MIB, size_name, text
from .timing import Plan, Timing, calibrate, interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Client", "Exchange", "Sample", "connect", "exchanges", "measure_exchange", "trade"]

_SIZES: Final = (32, 4 * KIB, MIB)


class Client(Protocol):
    """A connected client that blocks."""

    def send(self, message: str, /) -> object:
        """Send a text message."""

    def recv(self) -> Any:
        """Wait for a message."""

    def close(self) -> object:
        """Close the connection."""


@dataclass(frozen=True)
class Sample:
    """Seconds a message in one batch."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Exchange:
    """What a client and the server do.

    Attributes:
        host: the library of the client.
        kind: "burst" to receive messages that the server sends at once; "echo" to send each and wait for it.
        shape, size: the text of each message; bytes.
    """

    host: str
    kind: Literal["burst", "echo"]
    shape: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.kind}, {size_name(self.size)}"


def exchanges(host: str) -> list[Exchange]:
    """Text with some accents, from a chat message to what takes many reads; none for a host without a client here."""
    if host not in _CLIENTS:
        return []
    return [Exchange(host, kind, "Latin", n) for kind in ("burst", "echo") for n in _SIZES]


def measure_exchange(exchange: Exchange, url: str, plan: Plan) -> list[Measurement]:
    """Run an exchange plain and accelerated in turn.

    Returns: the CPU time and the wall clock of the same batches.
    """
    arounds: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "accelerated": functools.partial(accelerated, exchange.host),
        "plain": nullcontext,
    }
    batches = [_batch(exchange, url, around, plan) for around in arounds.values()]
    samples = dict(zip(arounds, interleave(batches, plan), strict=True))
    contenders = tuple([Contender(name) for name in arounds])
    measurements = []
    for what, label in (("cpu", "CPU time"), ("wall", "wall clock")):
        case = Case(f"{exchange.host}: over a socket, {label}", exchange.name, contenders, "message", 1)
        timings = {name: Timing(tuple([getattr(sample, what) for sample in taken])) for name, taken in samples.items()}
        measurements.append(Measurement(case, timings))
    return measurements


def _batch(
    exchange: Exchange, url: str, around: Callable[[], AbstractContextManager[Any]], plan: Plan
) -> Callable[[], Sample]:
    def run(count: int) -> Sample:
        with around():
            return _run(exchange, url, count)

    count = calibrate(lambda turns: run(turns).wall * turns, plan.exchange)
    return lambda: run(count)


def _run(exchange: Exchange, url: str, count: int) -> Sample:
    """Exchange ``count`` messages on a connection of its own."""
    client = connect(exchange, url)
    try:
        with _no_collection():
            cpu, wall = time.process_time(), time.perf_counter()
            last = trade(client, exchange, count)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    finally:
        client.close()
    if last != text(exchange.shape, exchange.size):
        raise RuntimeError(f"{exchange.host} received another message than was sent")
    return Sample(cpu / count, wall / count)


def connect(exchange: Exchange, url: str) -> Client:
    """A new connection to the server of ``serving``."""
    return _CLIENTS[exchange.host](url)


def trade(client: Client, exchange: Exchange, count: int) -> Any:
    """Exchange ``count`` messages, at least one; the last one that was received. A connection serves for one call."""
    if exchange.kind == "burst":
        return _burst(client, f"burst {count} {exchange.shape} {exchange.size}", count)
    return _echo(client, text(exchange.shape, exchange.size), count)


def _burst(client: Client, command: str, count: int) -> Any:
    client.send(command)
    receive = client.recv
    for _ in range(count - 1):
        receive()
    return receive()


def _echo(client: Client, message: str, count: int) -> Any:
    client.send("echo")
    send, receive = client.send, client.recv
    for _ in range(count - 1):
        send(message)
        receive()
    send(message)
    return receive()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from running in a batch."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _websocket_client(url: str) -> Client:
    client: Client = importlib.import_module("websocket").create_connection(url, timeout=60)
    return client


_CLIENTS: Final[dict[str, Callable[[str], Client]]] = {"websocket-client": _websocket_client}
