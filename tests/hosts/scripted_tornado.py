"""tornado fed from a script: what its handler was told, what it sent, and the state it was left in at every step.

A script is what the peer does: pieces of bytes, each of which arrives alone, and exceptions that a read raises between
them. After the script the peer is gone.
"""

# ruff: noqa: SLF001 (a connection keeps its state to itself)

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tornado import iostream, websocket
from tornado.log import app_log, gen_log

from fastws._pure import mask, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scripted import Event

# Turns of the event loop in which everything that can happen has happened.
_TURNS = 8


class ScriptedSocket(socket.socket):
    """A socket whose next read can be made to fail."""

    failure: BaseException | None = None

    def recv_into(self, *arguments: Any) -> int:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return super().recv_into(*arguments)


@dataclass(frozen=True)
class Side:
    """One side of a connection, and what its handler does with a message.

    Attributes:
        server: which side.
        on_message: "keep", "echo", "echo and wait", "wait", "raise", "raise later", "close", "write and close".
        compressed: whether permessage-deflate was agreed on.
        limit: bytes of a message.
    """

    server: bool = True
    on_message: str = "keep"
    compressed: bool = False
    limit: int = 100_000

    def __str__(self) -> str:
        return "-".join([("server" if self.server else "client"), self.on_message, *["compressed"] * self.compressed])


@dataclass
class Trace:
    """What happened, in order, as plain values."""

    told: list[Any] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    steps: list[Any] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)


class _Handler:
    """Writes down what it is told, with the state of the connection at that moment."""

    def __init__(self, side: Side, trace: Trace) -> None:
        self.side, self.trace = side, trace
        self.connection: Any = None

    def _tell(self, what: str, *values: Any) -> None:
        told = [(type(value).__name__, value) for value in values]
        self.trace.told.append((what, told, state(self.connection)))

    def on_message(self, message: str | bytes) -> Any:
        self._tell("message", message)
        return getattr(self, "_" + self.side.on_message.replace(" ", "_"))(message)

    def on_ping(self, data: bytes) -> None:
        self._tell("ping", data)

    def on_pong(self, data: bytes) -> None:
        self._tell("pong", data)

    def on_ws_connection_close(self, code: int | None, reason: str | None) -> None:
        self._tell("closed", code, reason)

    def log_exception(self, kind: type[BaseException], value: BaseException, _: object) -> None:
        self._tell("exception", kind.__name__, str(value))

    def _keep(self, _: str | bytes) -> None:
        pass

    def _echo(self, message: str | bytes) -> None:
        with contextlib.suppress(websocket.WebSocketClosedError):
            self.connection.write_message(message, binary=isinstance(message, bytes))

    async def _echo_and_wait(self, message: str | bytes) -> None:
        try:
            await self.connection.write_message(message, binary=isinstance(message, bytes))
        except websocket.WebSocketClosedError as error:
            self._tell("write failed", repr(error), repr(error.__context__))
        else:
            self._tell("written")

    async def _wait(self, message: str | bytes) -> None:
        for _ in range(_TURNS // 2):
            await asyncio.sleep(0)
        self._tell("waited", message)

    def _raise(self, _: str | bytes) -> None:
        raise LookupError("no")

    async def _raise_later(self, _: str | bytes) -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    def _close(self, _: str | bytes) -> None:
        self.connection.close(4000, "enough")

    def _write_and_close(self, message: str | bytes) -> None:
        self.connection.write_message(message, binary=isinstance(message, bytes))
        self.connection._abort()


def state(connection: Any) -> dict[str, Any]:
    """What receiving and sending change in a connection and its stream."""
    stream = connection.stream
    return {
        "wire": (connection._wire_bytes_in, connection._wire_bytes_out),
        "messages": (connection._message_bytes_in, connection._message_bytes_out),
        "terminated": (connection.client_terminated, connection.server_terminated),
        "fragments": (type(connection._fragmented_message_buffer), connection._fragmented_message_buffer),
        "opcode": connection._fragmented_message_opcode,
        "compressed": connection._frame_compressed,
        "close": (connection.close_code, connection.close_reason),
        "closing": connection.is_closing(),
        "buffer": (type(stream._read_buffer).__name__, bytes(stream._read_buffer), stream._read_buffer_size),
        "closed": (stream.closed(), repr(stream.error)),
    }


def play(scripts: Iterable[Iterable[Event]], side: Side, change: Callable[[Any], None] | None = None) -> list[Trace]:
    """Let a connection receive each script.

    Args:
        change: is given each connection before it starts, to replace something on it.
    """

    async def play_all() -> list[Trace]:
        return [await _play(script, side, change) for script in scripts]

    return asyncio.run(play_all())


class _Lines(logging.Handler):
    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        # Without what differs from run to run.
        message = re.sub(r"0x[0-9a-f]+|Task-[0-9]+", "…", record.getMessage())
        self.trace.logged.append(f"{record.name} {record.levelname} {message}")


@contextlib.contextmanager
def logged(trace: Trace) -> Iterator[None]:
    lines, loggers = _Lines(trace), (app_log, gen_log, logging.getLogger("asyncio"))
    for logger in loggers:
        logger.addHandler(lines)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(lines)
            logger.propagate = True


async def _play(script: Iterable[Event], side: Side, change: Callable[[Any], None] | None) -> Trace:
    trace = Trace()
    with logged(trace):
        await _receive(script, side, trace, change)
    return trace


async def _receive(script: Iterable[Event], side: Side, trace: Trace, change: Callable[[Any], None] | None) -> None:
    near, far = socket.socketpair()
    here = ScriptedSocket(fileno=near.detach())
    far.setblocking(False)
    handler = _Handler(side, trace)
    handler.connection = connection = connect(here, side, handler)
    if change:
        change(connection)
    task = asyncio.ensure_future(connection._receive_frame_loop())
    await _settle(trace, connection, far)
    for event in script:
        if isinstance(event, BaseException):
            here.failure = type(event)(*event.args)
            _send(far, b"x")
        else:
            for start in range(0, len(event), 60_000):
                _send(far, event[start : start + 60_000])
                await _turn()
        await _settle(trace, connection, far)
    with contextlib.suppress(OSError):
        far.shutdown(socket.SHUT_WR)
    await _settle(trace, connection, far)
    trace.steps.append(("done", task.done() and repr(task.exception())))
    if not task.done():
        connection._abort()
        await _turn()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if connection._waiting:
        connection.stream.io_loop.remove_timeout(connection._waiting)
    connection.stream.close()
    far.close()


def connect(near: socket.socket, side: Side, handler: Any) -> Any:
    parameters = websocket._WebSocketParams(max_message_size=side.limit)
    connection = websocket.WebSocketProtocol13(handler, not side.server, parameters)
    if side.compressed:
        connection._compression_options = {}
        connection._create_compressors("server" if side.server else "client", {})
    connection.stream = iostream.IOStream(near)
    return connection


def unmasked(stream: bytes) -> list[bytes]:
    """Whole frames, each with a key of zeros in place of its own, which differs from run to run."""
    frames = []
    while stream:
        header = parse_header(stream)
        assert header is not None
        payload = stream[header.size : header.size + header.length]
        if header.key is None:
            frames.append(stream[: header.size] + payload)
        else:
            frames.append(stream[: header.size - 4] + bytes(4) + mask(payload, header.key))
        stream = stream[header.size + header.length :]
    return frames


def _send(far: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        far.sendall(data)


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def _settle(trace: Trace, connection: Any, far: socket.socket) -> None:
    """Let happen what can, then write down what was sent, the state, and what the stream is watched for."""
    await _turn()
    with contextlib.suppress(OSError):
        while data := far.recv(1 << 20):
            trace.sent += unmasked(data)
    trace.steps.append((state(connection), connection.stream._state, connection.stream.reading()))
