"""The rivals: other libraries that do the same work, where they are installed.

Each function returns what to call; nothing is imported before. ``peer`` turns a library that is not there, or not
shaped as expected, into a contender that says so.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, Final

from .case import Contender

__all__ = [
    "LIMIT",
    "aiohttp_decode",
    "aiohttp_encode",
    "attribute",
    "patched",
    "peer",
    "websockets_decode",
    "websockets_encode",
    "wsproto_decode",
    "wsproto_encode",
]

#: Bytes that a message may have, for every decoder.
LIMIT: Final = 16 * 1024 * 1024

Decode = Callable[[list[bytes]], list[list[Any]]]


def peer(
    name: str,
    build: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]],
    *,
    goal: float | None = None,
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    value: Callable[[Any], Any] | None = None,
) -> Contender:
    """A contender from another library.

    Args:
        name: what heads its column.
        build: imports the library; returns the function and its arguments.
        goal, around, value: as for ``Contender``.
    """
    try:
        call, args = build()
    except (ImportError, AttributeError, TypeError) as error:
        return Contender(name, goal=goal, missing=_reason(error))
    contender = Contender(name, call, args, around=around, goal=goal)
    return contender if value is None else Contender(name, call, args, around=around, goal=goal, value=value)


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        library = error.name.partition(".")[0]
        if library == error.name or importlib.util.find_spec(library) is None:
            return f"{library} is not installed"
        return f"{error.name} is not in this build of {library}"
    return f"another version was expected: {error}"


def attribute(module: str, name: str) -> Any:
    """An attribute of a module that may not be installed."""
    return getattr(importlib.import_module(module), name)


@contextmanager
def patched(module: str, name: str, value: Any) -> Iterator[None]:
    """Put another object in the place of a library's own, for the time of a ``with`` block."""
    owner = importlib.import_module(module)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


# Decoder: reads of a stream of masked frames → for each read, the data of its messages --------------------------------


def websockets_decode(*, text: bool) -> Decode:
    """Feed websockets' ``ServerProtocol``; text frames are decoded, as its connections do on top of it."""
    protocol_class = attribute("websockets.server", "ServerProtocol")
    state = attribute("websockets.protocol", "State").OPEN

    def decode(reads: list[bytes]) -> list[list[Any]]:
        protocol = protocol_class(state=state, max_size=LIMIT)
        batches = []
        for read in reads:
            protocol.receive_data(read)
            frames = protocol.events_received()
            batches.append([frame.data.decode() for frame in frames] if text else [frame.data for frame in frames])
        return batches

    return decode


def wsproto_decode() -> Decode:
    """Feed wsproto's ``Connection``; a frame that spans two reads stays in two pieces."""
    connection_class = attribute("wsproto.connection", "Connection")
    server = attribute("wsproto.connection", "ConnectionType").SERVER

    def decode(reads: list[bytes]) -> list[list[Any]]:
        connection = connection_class(server)
        batches = []
        for read in reads:
            connection.receive_data(read)
            batches.append([event.data for event in connection.events()])
        return batches

    return decode


def aiohttp_decode(module: str) -> Decode:
    """Feed aiohttp's ``WebSocketReader`` and empty its queue.

    The queue is given room enough never to stall, and is emptied in one go, without a coroutine for each message.

    Args:
        module: "aiohttp._websocket.reader_c" for the compiled one, "….reader_py" for the other.
    """
    reader_class = attribute(module, "WebSocketReader")
    queue_class = attribute(module, "WebSocketDataQueue")
    room = 2**30

    def decode(reads: list[bytes]) -> list[list[Any]]:
        queue = queue_class(None, room, loop=None)
        reader = reader_class(queue, LIMIT, False, True)
        messages = queue._buffer  # noqa: SLF001 - an await for each message would count against aiohttp
        batches = []
        for read in reads:
            reader.feed_data(read)
            batches.append([message.data for message, _ in messages])
            messages.clear()
        return batches

    decode([])
    return decode


# Encoder: text → one frame --------------------------------------------------------------------------------------------


def websockets_encode(*, masked: bool) -> Callable[[str], bytes]:
    """websockets' ``Frame.serialize``, for text."""
    frame_class = attribute("websockets.frames", "Frame")
    opcode = attribute("websockets.frames", "Opcode").TEXT

    def encode(text: str) -> bytes:
        frame: bytes = frame_class(opcode, text.encode()).serialize(mask=masked)
        return frame

    return encode


def wsproto_encode(*, masked: bool) -> Callable[[str], bytes]:
    """wsproto's ``Connection.send``, for text."""
    sides = attribute("wsproto.connection", "ConnectionType")
    connection = attribute("wsproto.connection", "Connection")(sides.CLIENT if masked else sides.SERVER)
    message_class = attribute("wsproto.events", "TextMessage")

    def encode(text: str) -> bytes:
        frame: bytes = connection.send(message_class(text))
        return frame

    return encode


def aiohttp_encode(*, masked: bool) -> Callable[[str], deque[bytes]]:
    """aiohttp's ``WebSocketWriter``, below its coroutine, with a transport that keeps the last two writes.

    Returns: what to call; it returns the writes, one or two for a frame.
    """
    written: deque[bytes] = deque(maxlen=2)
    transport = SimpleNamespace(write=written.append, is_closing=bool)
    writer = attribute("aiohttp._websocket.writer", "WebSocketWriter")(None, transport, use_mask=masked)
    write = writer._write_websocket_frame  # noqa: SLF001 - what an await would add would count against aiohttp
    opcode = attribute("aiohttp", "WSMsgType").TEXT

    def encode(text: str) -> deque[bytes]:
        write(text.encode(), opcode, 0)
        return written

    return encode
