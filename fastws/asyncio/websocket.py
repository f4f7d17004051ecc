"""The async API: one WebSocket whose messages are awaited, sent and received."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import uuid
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Final

from ..arrival import Arrival
from ..backend import backend as _twin
from ..connection import Connection, Fragment, State
from ..frames import CloseCode, Opcode, Role
from .exceptions import ConcurrencyError, ConnectionClosedOK, closed_error
from .options import as_marks
from .protocol import LONG, MOST_GATHERED, Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from types import TracebackType

    from .. import Message
    from ..handshake import Request, Response
else:
    Message = _twin.Message

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
        self._arrival: Arrival | None = None
        self._is_receiving = False
        # Who waits for the transport to write.
        self._drained: asyncio.Future[None] | None = None
        # The message that is being sent in fragments, done when it is complete.
        self._fragmented: asyncio.Future[None] | None = None
        # Pings that are not answered: when they were sent, and who waits.
        self._pings: dict[bytes, tuple[float, asyncio.Future[float]]] = {}
        self._lost: asyncio.Future[None] = self._loop.create_future()

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
            ConnectionClosed: there will be no more.
            ConcurrencyError: somebody else receives.
        """
        self._start_receiving()
        try:
            data = await self._next()
        finally:
            self._is_receiving = False
        return _as(data, decode)

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        """Receive the next message fragment by fragment, as they come.

        A receiver that stops in the middle leaves the rest to the next call.

        Raises:
            ConnectionClosed: there will be no more.
            ConcurrencyError: somebody else receives.
        """
        self.connection.streaming = True
        self._start_receiving()
        try:
            while True:
                await self._wait()
                part = self._pop()
                yield _as(part.data, decode)
                if not isinstance(part, Fragment) or part.fin:
                    return
        finally:
            self._is_receiving = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        queue = self._queue
        self._start_receiving()
        try:
            while True:
                while not queue:
                    await self._next_arrival()
                if not self._is_paused and type(queue[0]) is Message:
                    yield queue.popleft().data
                else:
                    yield await self._next()
        except ConnectionClosedOK:
            return
        finally:
            self._is_receiving = False

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

    def _next_arrival(self) -> Arrival:
        """To be awaited by who finds too little in the queue."""
        if self._lost.done():
            raise closed_error(self.connection)
        # Whoever waits has nothing more to say for now.
        self._is_held = False
        if not self._reading:
            self._flush()
        if self._is_paused:
            self._resume_reading()
        self._arrival = Arrival(loop=self._loop)
        return self._arrival

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
            if connection.state is not _OPEN:
                raise closed_error(connection)
            if kind is str:
                connection.send_text(message)
            else:
                connection.send_bytes(message)
            self._flush_after(len(message))
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
        elif isinstance(message, AsyncIterable):
            await self._send_fragments(message, text)
        elif isinstance(message, Iterable) and not isinstance(message, dict):
            await self._send_fragments(_iterated(message), text)
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

    async def _send_fragments(self, fragments: AsyncIterable[Any], text: bool | None) -> None:
        """Always one behind, so that the last one is sent as such."""
        self._require_open()
        done = self._fragmented = self._loop.create_future()
        begun = False
        try:
            held: Any = None
            async for fragment in fragments:
                if begun or held is not None:
                    await self._send_fragment(held, fin=False)
                    begun = True
                held = _as(fragment, text)
            if held is not None:
                await self._send_fragment(held, fin=True)
        except BaseException:
            # The peer would take what comes next for the rest of this message.
            if begun and self.connection.state is _OPEN:
                self.connection.fail(CloseCode.INTERNAL_ERROR, "error in fragmented message")
                self._flush()
            raise
        finally:
            self._fragmented = None
            done.set_result(None)

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
            raise closed_error(self.connection)

    # Pings and closing

    async def ping(self, data: str | bytes | None = None) -> Awaitable[float]:
        """Send a ping.

        Args:
            data: up to 125 bytes; None for some that no other ping has.
        Returns: what can be awaited for the pong, and gives the seconds that it took.
        Raises:
            ConnectionClosed: the connection is not open.
            ConcurrencyError: a ping with that data is under way.
        """
        self._require_open()
        payload = data.encode() if isinstance(data, str) else data
        while payload is None or (data is None and payload in self._pings):
            payload = os.urandom(4)
        if payload in self._pings:
            raise ConcurrencyError("a ping with the same data is under way")
        self.connection.ping(payload)
        answered: asyncio.Future[float] = self._loop.create_future()
        self._pings[bytes(payload)] = self._loop.time(), answered
        self._flush_soon()
        return answered

    async def pong(self, data: str | bytes = b"") -> None:
        """Send a pong that no ping has asked for.

        Raises:
            ConnectionClosed: the connection is not open.
        """
        self._require_open()
        self.send_pong(data.encode() if isinstance(data, str) else data)

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close, and wait until that is done. What comes meanwhile may still be received."""
        self._is_held = False
        self.start_close(code, reason)
        self._resume_reading()
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Until the connection is lost."""
        await asyncio.shield(self._lost)

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
        queue = self._queue
        try:
            for event in self.connection.receive_data(data):
                if type(event) is Message or type(event) is Fragment:
                    queue.append(event)
                else:
                    self._on_event(event)
            if queue:
                if self.connection.is_ending:
                    self._is_held = True
                    self._loop.call_later(_GRACE, self._let_it_end)
                arrival, self._arrival = self._arrival, None
                if arrival is not None and not arrival.done():
                    arrival.arrive(self._loop)
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
        if self._is_paused:
            self._is_paused = False
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

    def on_resume(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def on_close(self) -> None:
        self.on_resume()
        for _, answered in self._pings.values():
            if not answered.done():
                answered.set_exception(closed_error(self.connection))
                # Nobody has to wait for it.
                answered.exception()
        self._pings.clear()
        if not self._lost.done():
            self._lost.set_result(None)
        self._wake()

    def _schedule_flush(self) -> None:
        self._flush_scheduled = True
        self._loop.call_soon(self._flush_scheduled_now)


async def _iterated(fragments: Iterable[Any]) -> AsyncIterator[Any]:
    for fragment in fragments:
        yield fragment


def _as(fragment: Any, text: bool | None) -> Any:
    """As ``str`` or ``bytes``, where that is asked for."""
    if not isinstance(fragment, str | bytes | bytearray | memoryview):
        raise TypeError(f"a fragment is str or bytes-like, not {type(fragment).__name__!r}")
    if text is None or isinstance(fragment, str) is text:
        return fragment
    return bytes(fragment).decode() if text else str.encode(fragment)  # type: ignore[arg-type]


def broadcast(websockets: Iterable[Endpoint], message: Any) -> None:
    """Send a message to many, made once for all that do not compress; those that are not open are left out.

    Nothing is waited for: who reads too slowly should be closed, by ``write_limit`` or by keepalive pings.
    """
    data = message if isinstance(message, str | bytes) else bytes(message)
    frame = _twin.encode_message(data, Role.SERVER)
    opcode = Opcode.TEXT if isinstance(data, str) else Opcode.BINARY
    for websocket in websockets:
        websocket.send_prepared(opcode, data, frame)
