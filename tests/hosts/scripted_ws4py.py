"""ws4py fed from a script: what it asked for, returned, raised, sent, logged and called, and the state it is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ws4py.messaging import CloseControlMessage, Message  # type: ignore[import-untyped]
from ws4py.streaming import Stream  # type: ignore[import-untyped]
from ws4py.websocket import WebSocket  # type: ignore[import-untyped]

from recording import called, told
from scripted import ScriptedSocket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scripted import Event

# A generator that the end of a test finds unfinished would otherwise clean its stream up.
_kept: list[Any] = []


@told.register(Message)
def _(value: Message) -> Any:
    """A message as what it holds."""
    shown = [type(value).__name__, value.opcode, told(value.data), value.completed, value.encoding]
    if isinstance(value, CloseControlMessage):
        shown += [told(value.code), told(value.reason)]
    return shown


# Streams --------------------------------------------------------------------------------------------------------------


def stream_state(stream: Stream) -> dict[str, Any]:
    return {name: told(getattr(stream, name)) for name in ("message", "pings", "pongs", "closing", "errors")}


def play_stream(chunks: Iterable[Any], *, masked: bool, taken: bool) -> list[Any]:
    """Send chunks to the parser of a stream, one after the other.

    Args:
        chunks: what to send; None stands for as much as the parser asks for of what follows, which has to be bytes.
        masked: whether the stream is that of a server.
        taken: whether every message is taken out once it is complete, as ``WebSocket.process`` does.
    """
    stream = Stream(always_mask=not masked, expect_masking=masked)
    told_ = [called(lambda: stream.parser.send(None))]
    _kept.append(stream)
    for chunk in chunks:
        told_.append((called(stream.parser.send, chunk), stream_state(stream)))
        if taken and stream.message is not None and stream.message.completed:
            stream.message = None
            stream.errors = []
    told_.append((called(stream.parser.close), called(stream_state, stream)))
    return told_


def as_asked(data: bytes, *, masked: bool) -> list[bytes]:
    """The data in the pieces that the parser of a stream asks for, but for the last."""
    stream, chunks, position = Stream(expect_masking=masked), [], 0
    need = stream.parser.send(None)
    while position < len(data):
        chunks.append(data[position : position + need])
        position += need
        try:
            need = stream.parser.send(chunks[-1])
        except Exception:
            return [*chunks, data[position:]]
        if stream.message is not None and stream.message.completed:
            stream.message = None
    return chunks


# Connections ----------------------------------------------------------------------------------------------------------


class RecordedSocket(ScriptedSocket):
    """Writes down what else the host asks of a socket."""

    def __init__(self, script: Iterable[Event] = ()) -> None:
        super().__init__(script)
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in ("sendall", "setblocking", "shutdown", "close"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, told(arguments)))


class Recorder(WebSocket):  # type: ignore[misc]
    """Writes down what the host calls.

    Args:
        at: the number of a message, from 1 on, and what is then done with the connection, if anything.
    """

    at: Any = None

    def __init__(self, sock: Any, *, masked: bool, log: list[Any]) -> None:
        super().__init__(sock)
        self.stream.expect_masking = masked
        self.stream.always_mask = False
        self.log = log
        self.received = 0

    def opened(self) -> None:
        self.log.append("opened")

    def closed(self, code: int, reason: Any = None) -> None:
        self.log.append(("closed", told(code), told(reason)))

    def received_message(self, message: Any) -> None:
        self.received += 1
        self.log.append((told(message), called(str, message), called(len, message), self.reading_buffer_size))
        if self.at is not None and self.at[0] == self.received:
            self.at[1](self)

    def ponged(self, pong: Any) -> None:
        self.log.append(("ponged", told(pong)))

    def unhandled_error(self, error: Any) -> None:
        self.log.append(("unhandled", type(error), str(error)))


@dataclass
class Trace:
    """What happened, as plain values."""

    log: list[Any] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    end: Any = None


def play(script: Iterable[Event], *, masked: bool, kind: type[Recorder] = Recorder, secure: bool = False) -> Trace:
    """What ``run`` does with a script."""
    socket, trace = RecordedSocket(script), Trace()
    connection = kind(socket, masked=masked, log=trace.log)
    connection._is_secure = secure  # noqa: SLF001
    outcome = called(connection.run)
    trace.calls = socket.calls
    trace.end = outcome, connection_state(connection)
    return trace


def play_once(script: Iterable[Event], *, masked: bool, calls: int = 40) -> list[Any]:
    """What ``once`` does with a script, call by call, as a manager calls it."""
    socket, log = RecordedSocket(script), []  # type: ignore[var-annotated]
    connection = Recorder(socket, masked=masked, log=log)
    _kept.append(connection)
    told_ = []
    for _ in range(calls):
        outcome = called(connection.once)
        state = connection_state(connection), stream_state(connection.stream), told(connection.buf)
        told_.append((outcome, list(socket.reads), list(socket.calls), state, list(log)))
        socket.reads.clear()
        if outcome != ("returned", told(True)):
            break
    connection.terminate()
    return [*told_, connection_state(connection)]


def connection_state(connection: WebSocket) -> dict[str, Any]:
    names = ("client_terminated", "server_terminated", "reading_buffer_size", "environ")
    return {name: told(getattr(connection, name)) for name in names} | {
        "sock": connection.sock is None,
        "stream": connection.stream is None,
    }
