"""aiohttp fed from a script: what its reader made of the bytes, what its writer wrote, and the state of both."""

# ruff: noqa: SLF001 (there is nothing public below the two endpoints)

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp._websocket import reader as reader_module
from aiohttp._websocket import reader_py
from aiohttp._websocket.writer import WebSocketWriter

from recording import failure

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

#: Whether aiohttp reads with its extension.
COMPILED = "reader_c" in reader_module.WebSocketReader.__module__

# Fields that tell where a reader is. The others are left over from what was read before, and set before they are used.
_FIELDS = ("_opcode", "_partial", "_payload_buffer", "_state", "_tail", "_frame_payload_len", "_payload_bytes_to_read")


class Protocol:
    """A protocol and its transport: remembers what is asked of it."""

    def __init__(self) -> None:
        self._reading_paused = False
        self._paused = False
        self.closing = False
        self.written: list[bytes] = []

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written.append(data)


@dataclass(frozen=True)
class Options:
    """How a reader is made, and when its messages are taken: after every piece, one after every piece, at the end."""

    max_msg_size: int = 2**22
    compress: bool = False
    decode_text: bool = True
    take: str = "all"
    limit: int = 2**16

    def __str__(self) -> str:
        flags = ["compress"] * self.compress + ["bytes"] * (not self.decode_text)
        return "-".join([self.take, str(self.max_msg_size), str(self.limit), *flags])


@dataclass
class Trace:
    """What happened, piece by piece, as plain values."""

    pieces: list[Any] = field(default_factory=list)
    end: Any = None


def play(script: Iterable[bytes], options: Options) -> Trace:
    """Feed a reader piece by piece, and take its messages."""
    protocol = Protocol()
    queue = _queue(protocol, options.limit)
    reader = reader_module.WebSocketReader(*_arguments(queue, options))
    trace = Trace()
    for piece in script:
        failed, rest = reader.feed_data(piece)
        told = [type(failed).__name__, failed, type(rest).__name__, bytes(rest), queue_state(queue, protocol)]
        # One that has stopped may have put more or less of it aside.
        if not failed and getattr(queue, "_stalled_reader", None) is None:
            told.append(reader_state(reader))
        if options.take == "all":
            told.append(take(queue))
        elif options.take == "one":
            told.append(take(queue, 1))
        trace.pieces.append(told)
    reader.feed_data(b"")
    trace.pieces.append(take(queue))
    trace.end = (failure(queue.exception()), queue_state(queue, protocol))
    reader.feed_eof()
    trace.pieces.append((queue.is_eof(), take(queue)))
    return trace


def _queue(protocol: Any, limit: int) -> Any:
    loop: Any = None
    return reader_module.WebSocketDataQueue(protocol, limit, loop=loop)


def _arguments(queue: Any, options: Options) -> list[Any]:
    """What makes a reader; before 3.14 text was always decoded."""
    arguments = [queue, options.max_msg_size, options.compress, options.decode_text]
    return arguments if "decode_text" in inspect.signature(reader_py.WebSocketReader).parameters else arguments[:3]


def take(queue: Any, most: int = 10_000) -> list[Any]:
    """The messages that are there, and how the queue ended if it did."""
    taken: list[Any] = []
    while len(taken) < most and (queue._buffer or queue.is_eof()):
        try:
            message = done(queue.read())
        except Exception as error:
            taken.append(failure(error))
            break
        taken.append((type(message).__name__, *[(type(item).__name__, item) for item in message]))
    return taken


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def queue_state(queue: Any, protocol: Protocol) -> Any:
    stalled = getattr(queue, "_stalled_reader", None) is not None
    return getattr(queue, "_size", None), len(queue._buffer), stalled, protocol._reading_paused


def reader_state(reader: Any) -> Any:
    """Where a reader is, and what it keeps of an unfinished frame."""
    if COMPILED:
        held = getattr(reader, "_held", None)
        reader = getattr(reader, "_plain", reader)
        state = reader.__reduce_cython__()[2]
        if held is not None:
            # A message that has begun and is not given to the C code: where that would be.
            probe = type(reader)(*_arguments(_queue(Protocol(), 2**16), Options(max_msg_size=0)))
            probe.feed_data(b"".join(held))
            state = probe.__reduce_cython__()[2]
        names = sorted(vars(reader_py.WebSocketReader(*_arguments(_queue(Protocol(), 1), Options()))))
        fields = dict(zip(names, state, strict=True))
    else:
        fields = vars(reader)
    told = {name: fields[name] for name in _FIELDS if name in fields}
    told = {name: bytes(value) if isinstance(value, bytearray) else value for name, value in told.items()}
    return told, b"".join(fields["_payload_fragments"])


@dataclass
class Written:
    """What a writer did with one message: what it raised, what it wrote, and its count."""

    raised: Any
    written: list[tuple[str, bytes]]
    output_size: int


def write(message: Any, opcode: Any, *, use_mask: bool, compress: int = 0, closing: str = "") -> Written:
    """Send one frame with keys that are the same in every run."""
    protocol = Protocol()
    transport: Any = protocol
    writer = WebSocketWriter(
        transport,
        transport,
        use_mask=use_mask,
        random=random.Random(1),  # noqa: S311 - to be repeated
        compress=compress,
    )
    protocol.closing = closing == "transport"
    writer._closing = closing == "writer"
    raised = None
    try:
        done(writer.send_frame(message, opcode))
    except Exception as error:
        raised = type(error), str(error)
    return Written(raised, [(type(data).__name__, bytes(data)) for data in protocol.written], writer._output_size)
