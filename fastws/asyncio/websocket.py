"""The async API: one WebSocket whose messages are awaited, sent and received."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sys
import uuid
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..arrival import arrive
from ..backend import backend as _twin
from ..connection import Connection, Fragment, State
from ..frames import CloseCode, Opcode
from .exceptions import ConcurrencyError, ConnectionClosed, ConnectionClosedOK, closed_error
from .fragments import Decoder, Encoder, Fragments
from .options import as_marks
from .protocol import LONG, MOST_GATHERED, Endpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType
    from typing import TypeAlias

    from .. import Message, encode_message
    from ..handshake import Request, Response

    #: A message, or what a ping carries.
    Data: TypeAlias = str | bytes | bytearray | memoryview
else:
    Message = _twin.Message
    encode_message = _twin.encode_message

__all__ = ["WebSocket", "broadcast"]

_OPEN: Final = State.OPEN

# Seconds that an application has to receive, and answer, what came in the same read as the peer's close or fault.
_GRACE: Final = 0.1


class WebSocket(Endpoint):
    """One WebSocket, of a client or of a server.

    Cancelling a call loses no message. An ``async for`` over it ends when the connection is closed as it should be, and
    raises ``ConnectionClosedError`` otherwise.

    Args:
        connection: without I/O, its handshake still to be made.
        max_queue: messages that may wait to be received before reading pauses; None for any number. What is in the
            reads that were under way then may come on top. As a tuple: that, and how many wait when it goes on.
        options: those of ``Endpoint``.

    Attributes:
        logger: of the client or server that it belongs to.
        username: who it is, where ``basic_auth`` let it in; otherwise None.
    """

    logger: logging.Logger | logging.LoggerAdapter[Any] = logging.getLogger("fastws.asyncio")
    username: str | None = None

    def __init__(
        self, connection: Connection, *, max_queue: int | tuple[int, int | None] | None = 16, **options: Any
    ) -> None:
        super().__init__(connection, **options)
        # Messages and fragments that nobody has received.
        self._queue: deque[Message | Fragment] = deque()
        self._max_queue: int | None = None
        self._low_queue = 0
        if max_queue is not None:
            self._max_queue, self._low_queue = as_marks(max_queue)
        self._is_paused = False
        # What is awaited for one, unless it is done.
        self._arrival: asyncio.Future[None] | None = None
        self._is_receiving = False
        # Who waits for the transport to write.
        self._drained: asyncio.Future[None] | None = None
        # The message that is being sent in fragments, done when it is complete.
        self._fragmented: asyncio.Future[None] | None = None
        # Pings that are not answered: when they were sent, and who waits.
        self._pings: dict[bytes, tuple[float, asyncio.Future[float]]] = {}
        # What the transport says it was lost by.
        self._lost_by: Exception | None = None

    # What there is to know

    @functools.cached_property
    def id(self) -> uuid.UUID:
        """One that no other connection has, for logs."""
        return uuid.uuid4()

    @property
    def request(self) -> Request | None:
        """What the client asked for."""
        return self.connection.request

    @property
    def response(self) -> Response | None:
        """What the server answered."""
        return self.connection.response

    @property
    def subprotocol(self) -> str | None:
        """What both sides agreed on."""
        return self.connection.subprotocol

    @property
    def close_code(self) -> int | None:
        """What the connection was closed with; None while it is not closed."""
        return self.connection.close_code

    @property
    def close_reason(self) -> str | None:
        """Why; None while it is not closed."""
        return self.connection.close_reason

    # Receiving

    async def recv(self, decode: bool | None = None) -> Any:
        """Receive the next message: ``str`` for text and ``bytes`` for binary.

        Args:
            decode: True for ``str`` and False for ``bytes`` in any case.
        Raises:
            ConnectionClosed: there will be no more; or ``decode`` is True, and bytes came that are no UTF-8: the
                connection is closed with 1007 then.
            ConcurrencyError: somebody else receives.
        """
        self._start_receiving()
        try:
            data = await self._next()
        finally:
            self._is_receiving = False
        return data if decode is None else await self._decoded(data, Decoder(decode), is_last=True)

    async def _decoded(self, data: str | bytes, decoder: Decoder, *, is_last: bool) -> str | bytes:
        try:
            return decoder.decode(data, is_last=is_last)
        except UnicodeDecodeError as error:
            await self.close(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
            raise self._closed_error() from error

    def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        """Receive the next message fragment by fragment, as they come.

        A receiver that stops in the middle leaves the rest to the next call.

        Raises:
            ConnectionClosed: there will be no more.
            ConcurrencyError: somebody else receives.
        """
        return Fragments(self._start_streaming, self._receive_part, self._stop_receiving, decode)

    def _start_streaming(self) -> None:
        self._start_receiving()
        self.connection.streaming = True

    def _stop_receiving(self) -> None:
        self._is_receiving = False

    async def _receive_part(self, decoder: Decoder | None) -> tuple[Any, bool]:
        """The next fragment, or a whole message, and whether the message ends with it."""
        await self._wait()
        part = self._pop()
        is_last = not isinstance(part, Fragment) or part.fin
        return part.data if decoder is None else await self._decoded(part.data, decoder, is_last=is_last), is_last

    async def __aiter__(self) -> AsyncIterator[Any]:
        queue = self._queue
        try:
            while True:
                # Between two messages somebody else may receive, too: what the loop calls for each of them.
                if not queue or self._is_receiving:
                    self._start_receiving()
                    try:
                        while not queue:
                            await self._next_arrival()
                    finally:
                        self._is_receiving = False
                if not self._is_paused and type(queue[0]) is Message:
                    yield queue.popleft().data
                else:
                    yield await self.recv()
        except ConnectionClosedOK:
            return

    def _start_receiving(self) -> None:
        if self._is_receiving:
            raise ConcurrencyError("another call receives already")
        self._is_receiving = True

    async def _next(self) -> str | bytes:
        """The next message, its fragments joined: they stay in the queue until the last one is there."""
        n = 0
        while True:
            await self._wait(n)
            part = self._queue[n]
            n += 1
            if not isinstance(part, Fragment):
                # Fragments in front of it belong to a message that some earlier call has begun.
                break
            if part.fin:
                break
        pieces: list[Any] = [self._pop().data for _ in range(n)]
        if n == 1:
            data: str | bytes = pieces[0]
            return data
        return "".join(pieces) if isinstance(pieces[0], str) else b"".join(pieces)

    async def _wait(self, n: int = 0) -> None:
        """Until more than n messages or fragments are there."""
        while len(self._queue) <= n:
            await self._next_arrival()

    def _next_arrival(self) -> asyncio.Future[None]:
        """To be awaited by who finds too little in the queue."""
        if self._is_lost:
            raise self._closed_error()
        # Whoever waits has nothing more to say for now.
        self._is_held = False
        if not self._reading:
            self._flush()
        if self._is_paused:
            self._resume_reading()
        arrival = self._arrival = asyncio.Future(loop=self._loop)
        return arrival

    def _pop(self) -> Message | Fragment:
        part = self._queue.popleft()
        if self._is_paused and len(self._queue) <= self._low_queue:
            self._resume_reading()
        return part

    # Sending

    async def send(self, message: Any, text: bool | None = None) -> None:
        """Send a message; where it waits for another one to be sent or written, it is cancelled without harm.

        Args:
            message: ``str`` for text, bytes-like for binary; an iterable or async iterable of one of these is sent in
                fragments.
            text: True for text and False for binary in any case.
        Raises:
            ConnectionClosed: the connection is not open.
            TypeError: ``message`` is nothing of that.
        """
        kind = type(message)
        if text is None and self._fragmented is None and (kind is str or kind is bytes):
            # What most messages are.
            connection = self.connection
            out = connection.outbox
            if out is not None:
                out.append(encode_message(message, connection.role))
            elif connection.state is not _OPEN:
                raise self._closed_error()
            elif kind is str:
                connection.send_text(message)
            else:
                connection.send_bytes(message)
            n = len(message)
            if self._reading and n <= LONG and self._gathered + n <= MOST_GATHERED and not self._is_held:
                # It goes out when the read is done.
                self._gathered += n
            else:
                self._flush_after(n)
        else:
            await self._send_any(message, text)
        if self._drained is not None:
            await self._drain()

    async def _send_any(self, message: Any, text: bool | None) -> None:
        while self._fragmented is not None:
            await asyncio.shield(self._fragmented)
        if isinstance(message, str | bytes | bytearray | memoryview):
            self._require_open()
            self._send_whole(message, text)
            self._flush_after(len(message))
        elif isinstance(message, AsyncIterable | Iterable) and not isinstance(message, Mapping):
            await self._send_fragments(message, text)
        else:
            raise TypeError(f"a message is str, bytes-like or an iterable of these, not {type(message).__name__!r}")

    def _send_whole(self, message: Any, text: bool | None) -> None:
        connection = self.connection
        if isinstance(message, str):
            if text is False:
                connection.send_bytes(str.encode(message))
            else:
                connection.send_text(message)
        elif text:
            connection.send_text(message)
        else:
            connection.send_bytes(message)

    def _flush_after(self, n: int) -> None:
        """Messages that answer those of one read go out together, when the last one was received."""
        if not self._queue:
            self._is_held = False
        self._gathered += n
        if n > LONG or self._gathered > MOST_GATHERED:
            self._flush()
        elif self._reading:
            # It goes out when the read is done.
            pass
        elif not self._queue:
            self._flush_soon()
        elif not self._flush_scheduled:
            self._schedule_flush()

    async def _send_fragments(self, fragments: Any, text: bool | None) -> None:
        self._require_open()
        done = self._fragmented = self._loop.create_future()
        encoder = Encoder(text)
        try:
            if isinstance(fragments, AsyncIterable):
                await self._send_as_they_come(fragments, encoder)
            else:
                await self._send_all(fragments, encoder)
        except BaseException:
            # The peer would take what comes next for the rest of this message.
            if self.connection.is_sending_fragments:
                self.connection.fail(CloseCode.INTERNAL_ERROR, "error in fragmented message")
                self._flush()
            raise
        finally:
            self._fragmented = None
            done.set_result(None)

    async def _send_as_they_come(self, fragments: AsyncIterable[Any], encoder: Encoder) -> None:
        """Each at once, so the last one is an empty one: only the end tells that there are no more."""
        data: str | bytes | None = None
        async for fragment in fragments:
            data = encoder.encode(fragment)
            await self._send_fragment(data, fin=False)
        if data is not None:
            await self._send_fragment(data[:0] + encoder.end(), fin=True)

    async def _send_all(self, fragments: Iterable[Any], encoder: Encoder) -> None:
        """Always one behind, so that the last one is sent as such."""
        held: Any = None
        for fragment in fragments:
            data = encoder.encode(fragment)
            if held is not None:
                await self._send_fragment(held, fin=False)
            held = data
        if held is not None:
            await self._send_fragment(held + encoder.end(), fin=True)

    async def _send_fragment(self, fragment: Any, *, fin: bool) -> None:
        self._require_open()
        self.connection.send_fragment(fragment, fin=fin)
        self._flush()
        if self._drained is not None:
            await self._drain()

    async def _drain(self) -> None:
        """Until the transport takes more."""
        while self._drained is not None:
            await asyncio.shield(self._drained)
        self._require_open()

    def _require_open(self) -> None:
        if self.connection.state is not _OPEN:
            raise self._closed_error()

    def _closed_error(self) -> ConnectionClosed:
        """How the connection ended, and why, where that is known."""
        error = closed_error(self.connection)
        if error.__cause__ is None:
            error.__cause__ = self._lost_by
        return error

    # Pings and closing

    async def ping(self, data: Data | None = None) -> Awaitable[float]:
        """Send a ping.

        Args:
            data: ``str`` or bytes-like, up to 125 bytes; None for some that no other ping has.
        Returns: what can be awaited for the pong, and gives the seconds that it took.
        Raises:
            ConnectionClosed: the connection is not open.
            ConcurrencyError: a ping with that data is under way.
        """
        self._require_open()
        payload = os.urandom(4) if data is None else _as_bytes(data)
        while data is None and payload in self._pings:
            payload = os.urandom(4)
        if payload in self._pings:
            raise ConcurrencyError("a ping with the same data is under way")
        self.connection.ping(payload)
        answered: asyncio.Future[float] = self._loop.create_future()
        self._pings[payload] = self._loop.time(), answered
        self._flush_soon()
        return answered

    async def pong(self, data: Data = b"") -> None:
        """Send a pong that no ping has asked for.

        Raises:
            ConnectionClosed: the connection is not open.
        """
        self._require_open()
        self.send_pong(_as_bytes(data))

    def start_close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Start the closing handshake; without effect where the connection is closing already."""
        super().start_close(code, reason)
        # The peer's close must be read.
        self._resume_reading()

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close, and wait until that is done. What comes meanwhile may still be received."""
        self._is_held = False
        self.start_close(code, reason)
        await self.wait_closed()

    async def __aenter__(self) -> WebSocket:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close(CloseCode.NORMAL_CLOSURE if kind is None else CloseCode.INTERNAL_ERROR)

    # Callbacks

    def data_received(self, data: bytes | memoryview) -> None:
        """Take what was read; nothing of ``data`` is kept. Who waits for a message goes on before this returns."""
        self._reading = True
        self._corked = False
        connection, queue = self.connection, self._queue
        try:
            for event in connection.receive_data(data):
                if type(event) is Message or type(event) is Fragment:
                    queue.append(event)
                else:
                    self._on_event(event)
            if queue:
                if connection.is_ending:
                    self._is_held = True
                    self._loop.call_later(_GRACE, self._let_it_end)
                arrival, self._arrival = self._arrival, None
                if arrival is not None and not arrival.done():
                    arrive(arrival, self._loop)
                if self._max_queue is not None and len(queue) > self._max_queue:
                    self._pause_reading()
        finally:
            self._reading = False
            self._flush()

    def _let_it_end(self) -> None:
        self._is_held = False
        self._flush()

    def _handle(self, events: Any) -> None:
        for event in events:
            if type(event) is Message or type(event) is Fragment:
                self._queue.append(event)
            else:
                self._on_event(event)
        self._hand_out()

    def _hand_out(self) -> None:
        """Wake who waits for a message; stop reading where more than enough waits."""
        if not self._wake() and self._max_queue is not None and len(self._queue) > self._max_queue:
            self._pause_reading()

    def _wake(self) -> bool:
        """In the loop's next turn; whether somebody waits."""
        arrival, self._arrival = self._arrival, None
        if arrival is None or arrival.done():
            return False
        arrival.set_result(None)
        return True

    def _pause_reading(self) -> None:
        if self.connection.close_sent is not None:
            # The peer's close must be read, and nobody has to take what comes before it.
            while len(self._queue) > (self._max_queue or 0):
                self._queue.pop()
        elif not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._is_paused:
            return
        self._is_paused = False
        # That of TLS cannot be asked once it is closed.
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _is_deaf(self) -> bool:
        return self._is_paused

    def on_pong(self, data: bytes) -> None:
        """Of a ping, and of those before it, which it answers, too (RFC 6455 §5.5.3)."""
        if data not in self._pings:
            return
        now = self._loop.time()
        for each in list(self._pings):
            sent, answered = self._pings.pop(each)
            if not answered.done():
                answered.set_result(now - sent)
            if each == data:
                self.latency = now - sent
                return

    def on_pause(self) -> None:
        self._drained = self._loop.create_future()

    def _stall(self) -> None:
        """Who sends has to wait until the loop says it: one that sends for ever would keep the loop from that."""
        if self._drained is None:
            self.on_pause()

    def on_resume(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        # What it passed through would keep the transport.
        self._lost_by = None if exc is None else exc.with_traceback(None)
        super().connection_lost(exc)

    def on_close(self) -> None:
        self.on_resume()
        for _, answered in self._pings.values():
            if not answered.done():
                answered.set_exception(self._closed_error())
                # Nobody has to wait for it.
                answered.exception()
        self._pings.clear()
        self._wake()

    def _schedule_flush(self) -> None:
        self._flush_scheduled = True
        self._loop.call_soon(self._flush_scheduled_now)


def _as_bytes(data: Data) -> bytes:
    """What a ping or pong carries."""
    if isinstance(data, str):
        return str.encode(data)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"str or bytes-like is expected, not {type(data).__name__!r}")
    return bytes(data)


def broadcast(
    websockets: Iterable[Endpoint], message: Data, text: bool | None = None, raise_exceptions: bool = False
) -> None:
    """Send a message to many, made once for all that do not compress.

    Those that are not open are left out, and so are, with a warning in their log, those that are sending the fragments
    of another message. Nothing is waited for: who reads too slowly should be closed, by ``write_limit`` or by keepalive
    pings.

    Args:
        websockets: of the async API, or protocols of the one with callbacks.
        message: ``str`` for text, bytes-like for binary.
        text: True for text and False for binary in any case.
        raise_exceptions: raise what would go to the log, when it was sent to all others.
    Raises:
        TypeError: ``message`` is neither ``str`` nor bytes-like.
        ExceptionGroup: with ``raise_exceptions``; before Python 3.11, which has none, the first exception.
    """
    data = message if isinstance(message, str) else _as_bytes(message)
    is_text = isinstance(data, str) if text is None else text
    if isinstance(data, str) and not is_text:
        data = str.encode(data)
    opcode = Opcode.TEXT if is_text else Opcode.BINARY
    frame = _twin.encode_frame(opcode, str.encode(data) if isinstance(data, str) else data)
    errors: list[Exception] = []
    for websocket in websockets:
        error = _send_to_one(websocket, opcode, data, frame)
        if error is None:
            continue
        errors.append(error)
        if not raise_exceptions:
            logger = getattr(websocket, "logger", WebSocket.logger)
            logger.warning("not broadcast to one: %s: %s", type(error).__name__, error)
    if raise_exceptions and errors:
        if sys.version_info < (3, 11):
            raise errors[0]
        raise ExceptionGroup("not broadcast to all", errors)  # noqa: F821 - newer than the oldest Python here


def _send_to_one(websocket: Endpoint, opcode: Opcode, data: str | bytes, frame: bytes) -> Exception | None:
    if websocket.connection.is_sending_fragments:
        return ConcurrencyError("the fragments of another message are being sent")
    try:
        websocket.send_prepared(opcode, data, frame)
    except Exception as error:
        return error
    return None
