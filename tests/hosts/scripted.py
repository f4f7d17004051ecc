"""websocket-client fed from a script: what it returned or raised, what it read and sent, and the state it was left in.

A script is what the peer does: pieces of bytes, and exceptions that a read raises between them. After the script the
peer is gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import websocket
from websocket import ABNF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Event = bytes | BaseException

KEY = b"\x37\xfa\x21\x3d"


class ScriptedSocket:
    """A socket whose reads give what a script says, never more than was asked for."""

    def __init__(self, script: Iterable[Event]) -> None:
        self.script = list(script)
        self.reads: list[int] = []
        self.sent: list[bytes] = []
        self.closed = False

    def recv(self, size: int) -> bytes:
        self.reads.append(size)
        if not self.script:
            return b""
        event = self.script[0]
        if isinstance(event, BaseException):
            del self.script[0]
            # A new one each time: what handles it may leave something on it.
            raise type(event)(*event.args)
        if len(event) > size:
            self.script[0] = event[size:]
            return event[:size]
        del self.script[0]
        return event

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
    socket = ScriptedSocket(script)
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


def called(function: Callable[..., object], *arguments: object) -> Any:
    """What a call returned, with its types, or what it raised, with its causes."""
    try:
        return "returned", told(function(*arguments))
    except Exception as error:
        return "raised", failure(error)


def told(value: Any) -> Any:
    """A value with its type, at every depth; a frame as its attributes."""
    if isinstance(value, ABNF):
        attributes = dict(vars(value))
        attributes["get_mask_key"] = attributes["get_mask_key"] is os.urandom
        return type(value).__qualname__, [(name, told(item)) for name, item in attributes.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [told(item) for item in value]
    return type(value).__name__, value


def failure(error: BaseException | None) -> Any:
    """An exception: type, text, arguments, attributes, and the exceptions that it names as its causes."""
    if error is None:
        return None
    return (
        type(error),
        str(error),
        told(error.args),
        sorted(vars(error)),
        error.__suppress_context__,
        failure(error.__cause__),
        failure(error.__context__),
    )


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


def frame(first: int, payload: bytes = b"", key: bytes | None = None, form: int | None = None) -> bytes:
    """A frame as a server sends it, or, with a key, as it must not.

    Args:
        first: the first byte: fin, reserved bits, opcode.
        form: bits of the length field, 7, 16 or 64, where it is not to be the shortest.
    """
    n = len(payload)
    form = form or (7 if n < 126 else 16 if n < 65_536 else 64)
    masked = 0 if key is None else 0x80
    length = bytes([masked | n]) if form == 7 else bytes([masked | (126 if form == 16 else 127)])
    if form != 7:
        length += n.to_bytes(form // 8, "big")
    if key is not None:
        payload = bytes([byte ^ key[i & 3] for i, byte in enumerate(payload)])
    return bytes([first]) + length + (key or b"") + payload


def in_pieces(stream: bytes, cuts: Sequence[int], between: Callable[[], list[Event]] = list) -> list[Event]:
    """A stream cut at these offsets, with what ``between`` makes at every cut."""
    script: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if start:
            script += between()
        if stream[start:end]:
            script.append(stream[start:end])
    return script
