"""websocket-client fed from a script: what it returned or raised, what it read and sent, and the state it is in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import websocket
from websocket import ABNF

from recording import called, told
from scripted import ScriptedSocket
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scripted import Event


@told.register(ABNF)
def _(value: ABNF) -> Any:
    """A frame as its attributes."""
    attributes = dict(vars(value))
    attributes["get_mask_key"] = attributes["get_mask_key"] is os.urandom
    return type(value).__qualname__, [(name, told(item)) for name, item in attributes.items()]


class ClientSocket(ScriptedSocket):
    """What the host asks of a socket, besides reading."""

    def __init__(self, script: Iterable[Event]) -> None:
        super().__init__(script)
        self.sent: list[bytes] = []
        self.closed = False

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    def gettimeout(self) -> float:
        return 1.0

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Reader:
    """One way to receive: the method that is called, and the options that matter to it."""

    method: str = "recv"
    arguments: tuple[Any, ...] = ()
    skip_utf8_validation: bool = False
    fire_cont_frame: bool = False

    def __str__(self) -> str:
        flags = ["skip_utf8"] * self.skip_utf8_validation + ["fire_cont"] * self.fire_cont_frame
        return "-".join([self.method, *map(str, self.arguments), *flags])


@dataclass
class Trace:
    """What happened, call by call, as plain values."""

    calls: list[Any] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)


def play(script: Iterable[Event], reader: Reader, calls: int = 12) -> Trace:
    """Receive until the socket is gone, or as often as ``calls`` says; failed calls are made again."""
    socket = ClientSocket(script)
    connection = connect(socket, reader)
    trace = Trace(sent=socket.sent)
    for _ in range(calls):
        result = called(getattr(connection, reader.method), *reader.arguments)
        trace.calls.append((result, tuple(socket.reads), socket.closed, state(connection)))
        socket.reads.clear()
        if connection.sock is None:
            break
    return trace


def connect(socket: Any, reader: Reader, kind: type[websocket.WebSocket] = websocket.WebSocket) -> websocket.WebSocket:
    """An open connection over ``socket``, with a masking key that is the same in every run."""
    connection = kind(
        get_mask_key=lambda size: KEY[:size],
        skip_utf8_validation=reader.skip_utf8_validation,
        fire_cont_frame=reader.fire_cont_frame,
    )
    connection.sock = socket
    connection.connected = True
    return connection


def state(connection: websocket.WebSocket) -> dict[str, Any]:
    """Every attribute of a connection that receiving changes."""
    parser, assembler = connection.frame_buffer, connection.cont_frame
    message = assembler.cont_data
    return {
        "connected": connection.connected,
        "open": connection.sock is not None,
        "header": told(parser.header),
        "length": told(parser.length),
        "mask_value": told(parser.mask_value),
        "recv_buffer": told(parser.recv_buffer),
        "locked": (parser.lock.locked(), connection.readlock.locked(), connection.lock.locked()),
        "message": None if message is None else [told(item) for item in message],
        "recving_frames": told(assembler.recving_frames),
    }
