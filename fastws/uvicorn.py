"""The WebSocket protocol of uvicorn, on ``fastws.Connection``.

    uvicorn app:app --ws fastws.uvicorn:WebSocketProtocol

It gives an application what uvicorn's own classes give (the ASGI WebSocket interface 2.4 with denial responses), and
takes the same settings: ``--ws-max-size``, ``--ws-max-queue``, ``--ws-ping-interval``, ``--ws-ping-timeout``,
``--ws-per-message-deflate``.

What is different: messages of one read are queued together, up to ``--ws-max-queue`` of them, and what the application
sends before it waits again leaves in one write.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from uvicorn.logging import TRACE_LOG_LEVEL
from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)

from .arrival import arrive
from .backend import backend as _twin
from .connection import Connection, State
from .deflate import Deflate
from .errors import HandshakeError, StateError
from .frames import CloseCode, Role
from .handshake import Request, ServerHandshake
from .read_buffer import read_buffer

if TYPE_CHECKING:
    from typing import TypeAlias

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from ._pure import Close, Message, Pong

    #: An event of the ASGI WebSocket interface, in either direction.
    ASGIEvent: TypeAlias = dict[str, Any]
else:
    Close = _twin.Close
    Message = _twin.Message
    Pong = _twin.Pong

__all__ = ["WebSocketProtocol"]

# Seconds for the client to answer a close frame, as in uvicorn.
_CLOSE_TIMEOUT: Final = 10.0

# Bytes that are gathered for one write, at most; an application may send for ever without waiting.
_MOST_GATHERED: Final = 65_536


_SUBPROTOCOL: Final = "sec-websocket-protocol"


class WebSocketProtocol(asyncio.Protocol, asyncio.BufferedProtocol):
    """One WebSocket connection of an ASGI application under uvicorn.

    uvicorn makes it from its configuration, hands it the transport and the request for an upgrade, and calls
    ``shutdown`` when the server stops. It is both kinds of protocol, as ``fastws.asyncio.protocol.Endpoint`` is.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.config = config
        self.app: Any = config.loaded_app
        self.loop = _loop or asyncio.get_event_loop()
        self._buffer = read_buffer(self.loop)
        self.logger = logging.getLogger("uvicorn.error")
        self.root_path = config.root_path
        self.app_state = app_state

        # What all connections of the server share.
        self.connections: set[Any] = server_state.connections
        self.tasks = server_state.tasks
        self.default_headers = server_state.default_headers

        self.transport: asyncio.Transport
        self.scope: Any
        deflate = Deflate() if config.ws_per_message_deflate else None
        self._handshake = ServerHandshake(deflate=deflate, any_subprotocol=True)
        self._connection = Connection(
            Role.SERVER, max_message_size=config.ws_max_size, max_fragments=None, handshake=self._handshake
        )
        # The status and the headers of a refusal whose body is still to come.
        self._refusal: tuple[int, list[tuple[str, str]]] | None = None
        self._body = bytearray()
        # Whether the request was answered, whether this side has closed or refused, whether the transport is lost.
        self._answered = self._closed = self._lost = False

        # Events for the application; who waits for one, and whether reading is paused until they are fewer.
        self._events: deque[ASGIEvent] = deque()
        self._most_events = config.ws_max_queue
        self._waiter: asyncio.Future[None] | None = None
        self._reading_paused = False

        # What is sent is written when the application waits, when a read is handled, or in the next turn of the loop.
        self._reading = False
        self._gathered = 0
        self._flush_is_due = False
        self._writable = asyncio.Event()
        self._writable.set()

        self._keepalive = _Keepalive(self, config.ws_ping_interval, config.ws_ping_timeout)
        self.close_timer: asyncio.TimerHandle | None = None
        self.close_timeout = _CLOSE_TIMEOUT

    # The transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.connections.add(self)
        self.client = get_remote_addr(self.transport)
        self._trace("WebSocket connection made")

    def connection_lost(self, exc: Exception | None) -> None:
        self._keepalive.stop()
        self._tell({"type": "websocket.disconnect", "code": 1005 if self._handshake.is_accepted else 1006})
        self.connections.remove(self)
        self._trace("WebSocket connection lost")
        self._answered = self._lost = True
        # A transport that is lost while it is paused never resumes.
        self._writable.set()
        self._stop_close_timer()
        if exc is None:
            self.transport.close()

    def eof_received(self) -> None:
        """The client sends nothing any more: the transport closes, as uvicorn's classes have it."""

    def pause_writing(self) -> None:
        self._connection.holds_pongs = True
        self._writable.clear()

    def resume_writing(self) -> None:
        self._connection.holds_pongs = False
        self._writable.set()
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it has one size
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self._buffer[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Take what was read; nothing of ``data`` is kept. An application that waits goes on before this returns."""
        connection = self._connection
        self._reading = True
        try:
            for event in connection.receive_data(data):
                kind = type(event)
                if kind is Message:
                    self._receive(event.data)  # type: ignore[union-attr]
                elif kind is Pong:
                    self._keepalive.answered(event.data)  # type: ignore[union-attr]
                elif kind is Close:
                    self._receive_close(event)  # type: ignore[arg-type]
                elif kind is Request:
                    self._receive_request(event)  # type: ignore[arg-type]
            if connection.is_ending or connection.closes_tcp:
                # The application hears of it when it is answered.
                self._flush()
                if connection.closes_tcp:
                    self._end()
            waiter = self._waiter
            if self._events and waiter is not None and not waiter.done():
                arrive(waiter, self.loop)
        finally:
            self._reading = False
            self._flush()

    # uvicorn calls

    def shutdown(self) -> None:
        """The server stops: the client is told 1012, or gets a 500 where it was not accepted yet."""
        self._keepalive.stop()
        if self._closed:
            self._stop_close_timer()
        elif self._answered:
            self._tell({"type": "websocket.disconnect", "code": 1012})
            if self._connection.state is State.OPEN:
                self._connection.close(1012)
            self._flush()
        else:
            self._refuse_in_its_place()
        self.transport.close()

    # The keepalive calls

    def ping(self, data: bytes) -> bool:
        """Send a ping, where one can still be answered; whether it was sent."""
        if self._closed or self.transport.is_closing() or self._connection.state is not State.OPEN:
            return False
        self._connection.ping(data)
        self._flush()
        return True

    def keepalive_failed(self) -> None:
        """The client does not answer pings."""
        if self._closed or self.transport.is_closing():
            return
        if self._reading_paused:
            # The answer may be there, behind messages that the application has not taken yet.
            self._keepalive.wait()
            return
        self._trace("WebSocket keepalive ping timeout")
        self._connection.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        self._flush()
        self._closed = True
        self.transport.close()

    # Events of the connection

    def _receive_request(self, request: Request) -> None:
        try:
            self._handshake.check(request)
            subprotocols = self._handshake.offered_subprotocols
        except HandshakeError:
            # It is refused, and says why.
            self._answered = self._closed = True
            self._connection.accept()
            return
        raw_path, _, query = request.path.partition("?")
        self.scope = {
            "type": "websocket",
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "server": get_local_addr(self.transport),
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path),
            "raw_path": (self.root_path + raw_path).encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.raw_items()
            ],
            "subprotocols": subprotocols,
            "state": self.app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        self._tell({"type": "websocket.connect"})
        task = self.loop.create_task(self._run())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _receive(self, data: str | bytes) -> None:
        if self._closed:
            # The application has closed; only the client's answer to that is waited for.
            return
        if type(data) is str:
            self._tell({"type": "websocket.receive", "text": data})
        else:
            self._tell({"type": "websocket.receive", "bytes": data})
        if len(self._events) >= self._most_events and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def _receive_close(self, close: Close) -> None:
        if not self._closed and not self.transport.is_closing():
            self._tell({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
            self._closed = True

    def _end(self) -> None:
        """The closing handshake is done, the request was refused, or the client sent what is wrong."""
        error = self._connection.error
        if error is not None and not self._closed:
            sent = self._connection.close_sent
            code, reason = (CloseCode.ABNORMAL_CLOSURE, "") if sent is None else (sent.code, sent.reason)
            self._tell({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._closed = True
        self._stop_close_timer()
        self.transport.close()

    # The application

    async def _run(self) -> None:
        try:
            result = await self.app(self.scope, self._next_event, self._send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self._refuse_in_its_place()
        else:
            if not self._answered:
                self.logger.error("ASGI callable returned without completing handshake.")
                self._refuse_in_its_place()
            elif result is not None:
                self.logger.error("ASGI callable should return None, but returned '%s'.", result)
        self._flush()
        if self.close_timer is None:
            self.transport.close()

    async def _next_event(self) -> ASGIEvent:
        events = self._events
        while not events:
            if not self._reading:
                self._flush()
            self._waiter = asyncio.Future(loop=self.loop)
            await self._waiter
        event = events.popleft()
        if self._reading_paused and not events:
            self._resume_reading()
        return event

    async def _send(self, message: ASGIEvent) -> None:
        if not self._writable.is_set():
            await self._writable.wait()
        if self._lost:
            raise ClientDisconnected
        if self._refusal is not None:
            self._send_refusal(message)
        elif not self._answered:
            self._answer(message)
        elif self._closed:
            self._send_too_late(message)
        elif message["type"] == "websocket.send":
            self._send_message(message)
        elif message["type"] == "websocket.close":
            self._send_close(message.get("code", 1000), message.get("reason") or "")
        else:
            raise RuntimeError(
                f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{message['type']}'."
            )

    def _tell(self, event: ASGIEvent) -> None:
        self._events.append(event)
        waiter = self._waiter
        if not self._reading and waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _resume_reading(self) -> None:
        if not self._reading_paused:
            return
        self._reading_paused = False
        # That of TLS cannot be asked once it is closed.
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # Answering the request

    def _answer(self, message: ASGIEvent) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._log_access("[accepted]")
            if not self.transport.is_closing():
                self._accept(message.get("subprotocol"), message.get("headers") or [])
        elif kind == "websocket.close":
            self._tell({"type": "websocket.disconnect", "code": 1006})
            self._log_access("403")
            self._refuse(403, self._pairs(self.default_headers), b"")
        elif kind == "websocket.http.response.start":
            status = message["status"]
            if not 100 <= status < 600:
                raise RuntimeError(f"Invalid HTTP status code '{status}' in response.")
            self._log_access(str(status))
            self._refusal = status, self._pairs(message.get("headers") or [])
        else:
            raise RuntimeError(
                "Expected ASGI message 'websocket.accept', 'websocket.close' or 'websocket.http.response.start' "
                f"but got '{kind}'."
            )

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        pairs = self._pairs([*self.default_headers, *headers])
        # Some say it there.
        named = [value for name, value in pairs if name == _SUBPROTOCOL]
        pairs = [(name, value) for name, value in pairs if name != _SUBPROTOCOL]
        early = self._connection.accept(subprotocol or (named[0] if named else None), pairs)
        self._answered = True
        self._flush()
        self._keepalive.start()
        for event in early:
            if isinstance(event, Message):
                self._receive(event.data)
            elif isinstance(event, Close):
                self._receive_close(event)
        self._flush()
        if self._connection.closes_tcp:
            self._end()

    def _send_refusal(self, message: ASGIEvent) -> None:
        if message["type"] != "websocket.http.response.body":
            raise RuntimeError(f"Expected ASGI message 'websocket.http.response.body' but got '{message['type']}'.")
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            assert self._refusal is not None
            status, headers = self._refusal
            self._tell({"type": "websocket.disconnect", "code": 1006})
            self._refuse(status, headers, bytes(self._body))

    def _refuse(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if not any(name.lower() == "date" for name, _ in headers):
            headers = [*headers, ("Date", formatdate(usegmt=True))]
        self._answered = self._closed = True
        self._connection.reject(status, headers, body)
        self._flush()
        self.transport.close()

    def _refuse_in_its_place(self) -> None:
        """Answer the request where the application did not, or did not end its answer."""
        if self._answered:
            return
        status, headers = self._refusal or (500, [])
        body = b"Internal Server Error" if self._refusal is None else bytes(self._body)
        # What the application has promised may be more than it gave.
        with suppress(ValueError):
            self._refuse(status, headers, body)

    @staticmethod
    def _pairs(headers: Any) -> list[tuple[str, str]]:
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]

    def _log_access(self, what: str) -> None:
        self.logger.info(
            '%s - "WebSocket %s" %s', get_client_addr(self.scope), get_path_with_query_string(self.scope), what
        )

    # Sending

    def _send_message(self, message: Any) -> None:
        connection = self._connection
        data = message.get("bytes")
        try:
            if data is not None:
                connection.send_bytes(data)
            else:
                data = message.get("text")
                if data is None:
                    return
                connection.send_text(data)
        except StateError:
            raise ClientDisconnected from None
        self._gathered += len(data)
        if self._gathered >= _MOST_GATHERED:
            self._flush()
        elif not self._flush_is_due and not self._reading:
            self._flush_is_due = True
            self.loop.call_soon(self._flush_when_due)

    def _send_too_late(self, message: ASGIEvent) -> None:
        """What comes behind the end; what many programs end with is no fault: the client was only first."""
        kind = message["type"]
        client_was_first = self._connection.peer_closed_first
        if client_was_first and kind == "websocket.send":
            raise ClientDisconnected
        if not client_was_first or kind != "websocket.close":
            raise RuntimeError(f"Unexpected ASGI message '{kind}', after sending 'websocket.close'.")

    def _send_close(self, code: int, reason: str) -> None:
        if self.transport.is_closing():
            return
        self._tell({"type": "websocket.disconnect", "code": code, "reason": reason})
        try:
            self._connection.close(code, reason)
        except StateError:
            raise ClientDisconnected from None
        self._flush()
        self._closed = True
        self._resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    def _flush_when_due(self) -> None:
        self._flush_is_due = False
        self._flush()

    def _flush(self) -> None:
        """Write what the connection has to send."""
        data = self._connection.data_to_send()
        if not data:
            return
        self._gathered = 0
        if not self.transport.is_closing():
            self.transport.write(data)
        elif not self._lost:
            # An application that sends for ever would keep the loop from saying so.
            self._writable.clear()

    def _stop_close_timer(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None

    def _trace(self, text: str) -> None:
        if self.logger.level <= TRACE_LOG_LEVEL:
            prefix = f"{self.client[0]}:{self.client[1]} - " if self.client else ""
            self.logger.log(TRACE_LOG_LEVEL, "%s%s", prefix, text)


class _Keepalive:
    """Pings a client now and then, and ends the connection of one that does not answer.

    Args:
        protocol: the connection.
        interval: seconds from ping to ping; None or 0 for none.
        timeout: seconds for the client to answer; None for any number.
    """

    def __init__(self, protocol: WebSocketProtocol, interval: float | None, timeout: float | None) -> None:
        self._protocol = protocol
        self._interval = interval
        self._timeout = timeout
        self.timer: asyncio.TimerHandle | None = None
        # What the ping that is not answered yet carries, and when it was sent.
        self._pending: bytes | None = None
        self.sent_at = 0.0

    def start(self) -> None:
        if self._interval:
            self.timer = self._protocol.loop.call_later(self._interval, self._ping)

    def stop(self) -> None:
        self._pending = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def answered(self, data: object) -> None:
        """A pong came; one that nobody asked for, or that came late, does not count."""
        if self._pending is None or data != self._pending:
            return
        self._pending = None
        if self._timeout is not None and self._interval is not None and self.timer is not None:
            self.timer.cancel()
            loop = self._protocol.loop
            self.timer = loop.call_later(max(0.0, self._interval + self.sent_at - loop.time()), self._ping)

    def _ping(self) -> None:
        self.timer = None
        # Four bytes tell the answer to this ping from a late one.
        data = os.urandom(4)
        if not self._protocol.ping(data):
            return
        self._pending, self.sent_at = data, self._protocol.loop.time()
        if self._timeout is None:
            self.start()
        else:
            self.wait()

    def wait(self) -> None:
        """For the answer to a ping."""
        if self._timeout is not None:
            self.timer = self._protocol.loop.call_later(self._timeout, self._protocol.keepalive_failed)
