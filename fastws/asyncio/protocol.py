"""Between a transport and a connection: the callback API, and what the async one stands on.

What is sent while a read is handled goes out in one write when it is done. What is sent outside of a read goes out at
once, and what follows before the loop comes round goes out together then.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ..connection import Connection, Fragment, State
from ..errors import StateError
from ..frames import CloseCode, Opcode
from ..read_buffer import read_buffer
from .options import as_marks

if TYPE_CHECKING:
    from .. import Message, Ping, Pong, encode_message
    from ..handshake import Request, Response
else:
    from ..backend import backend as _twin

    encode_message = _twin.encode_message
    Message = _twin.Message
    Ping = _twin.Ping
    Pong = _twin.Pong

__all__ = ["LONG", "MOST_GATHERED", "Endpoint", "WebSocketProtocol"]

_logger = logging.getLogger("fastws.asyncio")

#: What is longer goes out before the next message is made, within a read, too.
LONG: Final = 8192

#: And so does what is sent when so many bytes were: many short messages, too, may be more than there is memory.
MOST_GATHERED: Final = 65_536

_OPEN: Final = State.OPEN
_CLOSED: Final = State.CLOSED


class Endpoint(asyncio.Protocol, asyncio.BufferedProtocol):
    """What the callback API and the async one share.

    It is both kinds of protocol, so that each loop takes the one that costs it less. asyncio's own and aiofastnet read
    into the buffer, or else they would map and unmap memory for each read; uvloop makes ``bytes``.

    Args:
        connection: without I/O, its handshake still to be made.
        open_timeout: seconds that the opening handshake may take; None for any time.
        ping_interval: seconds between pings that see whether the peer is there; None for no pings.
        ping_timeout: seconds that a pong may take; None for any time.
        close_timeout: seconds that the closing handshake may take, and the end of TCP once more; None for any time.
        write_limit: bytes that may wait to be written before ``on_pause``; the transport's high-water mark, or that and
            the low-water one, as a tuple.

    Attributes:
        connection: as given.
        transport: of asyncio, once there is one.
        answered: done when the opening handshake is over, or the connection lost; None where nobody waits for it.
        group: those that a server has; each is in it while it has a transport. None for a client.
        is_opened: whether the opening handshake has ever been done.
        latency: seconds that the last keepalive ping took; 0.0 before the first.
    """

    __slots__ = (
        "_buffer",
        "_close_timer",
        "_corked",
        "_flush_scheduled",
        "_gathered",
        "_is_held",
        "_is_lost",
        "_keepalive",
        "_loop",
        "_lost",
        "_open_timer",
        "_ping_data",
        "_ping_sent",
        "_reading",
        "_timeouts",
        "_write_limit",
        "answered",
        "connection",
        "group",
        "is_opened",
        "latency",
        "transport",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        write_limit: int | tuple[int, int | None] = 32_768,
    ) -> None:
        self.connection = connection
        self.transport: Any = None
        self.answered: asyncio.Future[None] | None = None
        self.group: set[Endpoint] | None = None
        self.is_opened = False
        self.latency = 0.0
        self._loop = asyncio.get_running_loop()
        self._buffer = read_buffer(self._loop)
        self._timeouts = open_timeout, ping_interval, ping_timeout, close_timeout
        self._write_limit = write_limit
        # Whether a read is handled: what is sent is written when it is done.
        self._reading = False
        # Whether something was written since the last read: what follows waits until the loop comes round.
        self._corked = False
        self._flush_scheduled = False
        # Bytes of the messages that wait to be written.
        self._gathered = 0
        # Whether nothing is written for now: the peer's end is not answered before what came in front of it.
        self._is_held = False
        # Whether the transport is lost, and who waits for that.
        self._is_lost = False
        self._lost: asyncio.Future[None] | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._keepalive: asyncio.TimerHandle | None = None
        # The keepalive ping that is not answered yet: its data, and when it was sent.
        self._ping_data: bytes | None = None
        self._ping_sent = 0.0

    # What a subclass overrides

    def on_request(self, request: Request) -> None:  # noqa: ARG002 - a subclass may ask for it
        """A client wants to connect (servers only): accept or reject it, now or later."""
        self.accept()

    def on_open(self) -> None:
        """The opening handshake is done."""

    def on_message(self, data: str | bytes) -> None:
        """A message came."""

    def on_fragment(self, fragment: Fragment) -> None:
        """Part of a message came, where the connection streams."""

    def on_ping(self, data: bytes) -> None:
        """A ping came; it is answered already."""

    def on_pong(self, data: bytes) -> None:
        """A pong came."""

    def on_pause(self) -> None:
        """More bytes wait to be written than ``write_limit``: better send no more for now."""

    def on_resume(self) -> None:
        """What was waiting is written."""

    def on_close(self) -> None:
        """The connection is lost; ``connection`` tells how. Also called where it never was open."""

    # What it may call

    @property
    def state(self) -> State:
        return self.connection.state

    @property
    def remote_address(self) -> Any:
        """Of the socket: a tuple, or a path; None before there is one."""
        return None if self.transport is None else self.transport.get_extra_info("peername")

    @property
    def local_address(self) -> Any:
        """Of the socket: a tuple, or a path; None before there is one."""
        return None if self.transport is None else self.transport.get_extra_info("sockname")

    def accept(self, subprotocol: str | None = None, headers: Any = ()) -> None:
        """Answer the client's request with 101, or refuse what is wrong with it."""
        self._go_on_with(self.connection.accept(subprotocol, headers))

    def answer(self, response: Response) -> None:
        """Answer the client's request with a response as it stands; see ``Connection.respond``."""
        self._go_on_with(self.connection.respond(response))

    def reject(self, status: int, headers: Any = (), body: bytes = b"") -> None:
        """Refuse the client's request."""
        self.connection.reject(status, headers, body)
        self._flush()

    def send_prepared(self, opcode: Opcode, data: str | bytes, frame: bytes) -> None:
        """Send a message to one of many, if that is possible.

        Args:
            opcode, data: the message.
            frame: the same as a server's frame that is not compressed.
        """
        connection = self.connection
        if not connection.send_encoded(frame):
            if connection.state is not _OPEN or connection.is_sending_fragments:
                return
            if opcode is Opcode.TEXT:
                connection.send_text(data)
            else:
                connection.send_bytes(data)  # type: ignore[arg-type]
        if not self._reading:
            self._flush_soon()

    def send_fragment(self, data: Any, *, fin: bool) -> None:
        """Send the next fragment of a message."""
        self.connection.send_fragment(data, fin=fin)
        if not self._reading:
            self._flush_soon()

    def send_ping(self, data: bytes = b"") -> None:
        self.connection.ping(data)
        if not self._reading:
            self._flush_soon()

    def send_pong(self, data: bytes = b"") -> None:
        self.connection.pong(data)
        if not self._reading:
            self._flush_soon()

    def start_close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Start the closing handshake; without effect where the connection is closing already."""
        if self.connection.state is _OPEN:
            self.connection.close(code, reason)
        elif self.connection.state is State.CONNECTING:
            self.connection.fail(code)
        self._limit_close()
        if not self._reading:
            self._flush()

    async def wait_closed(self) -> None:
        """Until the connection is lost."""
        if self._is_lost:
            return
        if self._lost is None:
            self._lost = self._loop.create_future()
        await asyncio.shield(self._lost)

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None:
            self.transport.abort()

    # What asyncio calls

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.group is not None:
            self.group.add(self)
        transport.set_write_buffer_limits(*as_marks(self._write_limit))
        open_timeout = self._timeouts[0]
        if open_timeout is not None and self.connection.state is not _OPEN:
            self._open_timer = self._loop.call_later(open_timeout, self._not_opened)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it has one size
        """Where to read into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read into it."""
        self.data_received(self._buffer[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Take what was read; nothing of ``data`` is kept."""
        self._reading = True
        self._corked = False
        try:
            for event in self.connection.receive_data(data):
                if type(event) is Message:
                    self.on_message(event.data)
                else:
                    self._on_event(event)
        except Exception as error:
            self._callback_failed(error)
        finally:
            self._reading = False
            self._flush()

    def eof_received(self) -> None:
        """The transport then closes itself."""
        self._handle(self.connection.receive_eof())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the connection tells how it ended
        self._is_lost = True
        try:
            self._tell_lost()
        finally:
            if self._lost is not None:
                self._lost.set_result(None)

    def _tell_lost(self) -> None:
        """Tell it to the connection, to whoever waits, and to the program."""
        if self.connection.state is not _CLOSED:
            self._handle(self.connection.receive_eof())
        for timer in (self._open_timer, self._close_timer, self._keepalive):
            if timer is not None:
                timer.cancel()
        self._open_timer = self._close_timer = self._keepalive = None
        # The TLS of CPython 3.10 warns of transports that the peer has closed, and nobody else.
        self.transport.close()
        if self.group is not None:
            self.group.discard(self)
        self._tell_answered()
        self.on_close()

    def pause_writing(self) -> None:
        self.connection.holds_pongs = True
        self.on_pause()

    def resume_writing(self) -> None:
        self.connection.holds_pongs = False
        self.on_resume()
        self._flush_soon()

    # Private

    def _callback_failed(self, error: Exception) -> None:
        """As where a handler fails: it is logged, and the peer told."""
        if isinstance(error, StateError) and self.connection.state is not _OPEN:
            # What came behind this side's close cannot be answered any more.
            return
        _logger.error("connection callback failed", exc_info=error)
        self.start_close(CloseCode.INTERNAL_ERROR)

    def _handle(self, events: Any) -> None:
        """Events that come outside of a read, or all at once."""
        for event in events:
            if type(event) is Message:
                self.on_message(event.data)
            else:
                self._on_event(event)

    def _on_event(self, event: Any) -> None:
        if type(event) is Pong:
            self._take_pong(event.data)
            self.on_pong(event.data)
        elif type(event) is Ping:
            self.on_ping(event.data)
        elif type(event) is Fragment:
            self.on_fragment(event)
        elif self.connection.state is State.CONNECTING:
            self.on_request(event)
        elif event is self.connection.response:
            self._answered()

    def _go_on_with(self, events: Any) -> None:
        """The request is answered; these came behind it."""
        self._answered()
        self._handle(events)
        self._flush()

    def _answered(self) -> None:
        """The opening handshake is over."""
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None
        self.is_opened = self.connection.state is _OPEN
        self._tell_answered()
        if not self.is_opened:
            return
        interval = self._timeouts[1]
        if interval is not None:
            self._keepalive = self._loop.call_later(interval, self._send_keepalive)
        self.on_open()

    def _tell_answered(self) -> None:
        answered, self.answered = self.answered, None
        if answered is not None and not answered.done():
            answered.set_result(None)

    def _flush(self) -> None:
        """Write what waits."""
        connection, transport = self.connection, self.transport
        if self._is_held or transport is None:
            return
        data = connection.data_to_send()
        is_open = connection.state is _OPEN
        if data:
            if not transport.is_closing():
                transport.write(data)
                self._corked = True
                self._gathered = 0
            elif is_open:
                self._stall()
        if not is_open and (connection.close_sent is not None or connection.closes_tcp):
            self._go_on_closing()

    def _stall(self) -> None:
        """The transport is lost, and the loop has not said so yet."""

    def _flush_soon(self) -> None:
        if not self._corked:
            self._flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush_scheduled_now)

    def _flush_scheduled_now(self) -> None:
        self._flush_scheduled = False
        self._flush()
        self._corked = False

    def _go_on_closing(self) -> None:
        # Where the opening handshake has failed, nobody has to wait until the peer leaves.
        self._tell_answered()
        self._limit_close()
        if not self.connection.closes_tcp or self.transport is None or self.transport.is_closing():
            return
        if self.connection.error is None or not self.transport.can_write_eof():
            self.transport.close()
        elif self.connection.state is not _CLOSED:
            # What the peer still sends is read and dropped: closing a socket with bytes in it would take back what was
            # said last.
            try:
                self.transport.write_eof()
            except (OSError, RuntimeError):
                # It has gone already.
                self.transport.close()
            else:
                self.transport.resume_reading()

    def _limit_close(self) -> None:
        timeout = self._timeouts[3]
        if self._close_timer is None and timeout is not None and self.connection.state is not _CLOSED:
            self._close_timer = self._loop.call_later(timeout, self._not_closed)

    def _not_opened(self) -> None:
        self._open_timer = None
        self.abort()

    def _not_closed(self) -> None:
        """The peer has not closed in time: once more for what is to be written, then no more."""
        self._close_timer = None
        if self.transport is None or self.transport.is_closing():
            self.abort()
            return
        self.transport.close()
        self._limit_close()

    def _send_keepalive(self) -> None:
        _, interval, timeout, _ = self._timeouts
        if self.connection.state is not _OPEN or interval is None:
            return
        self._ping_sent = self._loop.time()
        self._ping_data = self._ping_sent.hex().encode()
        self.send_ping(self._ping_data)
        if timeout is not None:
            self._keepalive = self._loop.call_later(timeout, self._not_answered)
        else:
            self._keepalive = self._loop.call_later(interval, self._send_keepalive)

    def _take_pong(self, data: bytes) -> None:
        if data != self._ping_data:
            return
        self._ping_data = None
        now = self._loop.time()
        self.latency = now - self._ping_sent
        interval = self._timeouts[1]
        if self._keepalive is not None and interval is not None:
            self._keepalive.cancel()
            self._keepalive = self._loop.call_later(max(interval - self.latency, 0), self._send_keepalive)

    def _not_answered(self) -> None:
        self._keepalive = None
        if self._is_deaf() and self._timeouts[2] is not None:
            # The answer may be there, behind messages that nobody has taken yet.
            self._keepalive = self._loop.call_later(self._timeouts[2], self._not_answered)
        elif self.connection.state is _OPEN:
            self.connection.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
            self._flush()
            # Whoever does not answer does not read either.
            self.transport.close()

    def _is_deaf(self) -> bool:
        """Whether nothing is read for now."""
        return False


class WebSocketProtocol(Endpoint):
    """A WebSocket with callbacks: subclass it, and give the class to ``serve`` or ``connect``.

    Everything is called in the loop, in the order in which it came. Nothing is called after ``on_close``. Where a
    callback raises an exception, that is logged ("fastws.asyncio"), and the connection closed with 1011; to answer what
    comes while it is closing is no fault. Arguments and attributes are those of ``Endpoint``.
    """

    def send(self, data: Any) -> None:
        """Send a message: ``str`` is text, bytes-like is binary.

        Raises:
            StateError: the connection is not open.
        """
        connection = self.connection
        out = connection.outbox
        if out is not None and (type(data) is str or type(data) is bytes):
            out.append(encode_message(data, connection.role))
        elif isinstance(data, str):
            connection.send_text(data)
        else:
            connection.send_bytes(data)
        n = len(data)
        self._gathered = gathered = self._gathered + n
        if n > LONG or gathered > MOST_GATHERED:
            self._flush()
        elif not self._reading:
            self._flush_soon()
