"""A server: listens, makes the opening handshake, and runs a handler for each connection."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any

from ..connection import Connection, State
from ..errors import HandshakeError
from ..frames import DEFAULT_MAX_FRAGMENTS, CloseCode, Role
from ..handshake import Headers, Response, ServerHandshake
from .exceptions import ConnectionClosed
from .network import network, require_aiofastnet
from .options import PRODUCT, as_deflate, as_marks, as_sizes
from .protocol import Endpoint, WebSocketProtocol
from .websocket import WebSocket

if TYPE_CHECKING:
    import os
    import re
    from collections.abc import Awaitable, Callable, Generator, Sequence
    from types import TracebackType

    from .. import Close, encode_message
    from ..deflate import Deflate
    from ..handshake import Request
else:
    from ..backend import backend as _twin

    Close = _twin.Close
    encode_message = _twin.encode_message

__all__ = ["Server", "ServerWebSocket", "serve", "unix_serve"]

_logger = logging.getLogger("fastws.server")


class ServerWebSocket(WebSocket):
    """One WebSocket of a server, with the task that runs its handler.

    Attributes:
        server: that it belongs to.
    """

    def __init__(self, connection: Connection, server: Server, **options: Any) -> None:
        super().__init__(connection, **options)
        self.server = server
        self._task: asyncio.Task[None] | None = None

    def respond(self, status: int, text: str) -> Response:
        """A response of plain text for ``process_request`` to return; its headers may be changed."""
        return Response(status, "", Headers([("Content-Type", "text/plain; charset=utf-8")]), text.encode())

    def on_request(self, request: Request) -> None:
        self._task = self._loop.create_task(self.server._run(self, request))  # noqa: SLF001 - it is one of its own

    def on_close(self) -> None:
        super().on_close()
        if self._task is None:
            return
        if not self.is_opened:
            # Nobody needs what `process_request` still thinks about; a shutdown would wait for it.
            self._task.cancel()
        if not self._task.done():
            self.server._outlasts(self._task)  # noqa: SLF001 - it is one of its own


class _Connections(set[Any]):
    """Those of a server."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False
        # Done when there are none, where somebody waits for that.
        self.gone: asyncio.Future[None] | None = None

    def add(self, endpoint: Any, /) -> None:
        super().add(endpoint)
        if self.is_closed:
            # It came as the server closed, or its TLS took until then; its request may be there already.
            endpoint.connection.fail(CloseCode.GOING_AWAY)

    def discard(self, endpoint: Any, /) -> None:
        super().discard(endpoint)
        if not self and self.gone is not None and not self.gone.done():
            self.gone.set_result(None)


class Server:
    """A server that listens; ``serve`` makes it.

    Attributes:
        logger: for exceptions of handlers and of the opening handshake.
    """

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[None]],
        process_request: Callable[[Any, Any], Any] | None,
        process_response: Callable[[Any, Any, Any], Any] | None,
        select_subprotocol: Callable[[Any, Any], str | None] | None,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
    ) -> None:
        self.logger = logger or _logger
        self._handler = handler
        self._process_request = process_request
        self._process_response = process_response
        self._select_subprotocol = select_subprotocol
        self._connections = _Connections()
        # Handlers whose connection is lost.
        self._lasting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self._closing: asyncio.Task[None] | None = None
        # Done when the server is closed.
        self._closed: asyncio.Future[None]

    @property
    def connections(self) -> set[Any]:
        """Those that are open."""
        return {each for each in self._connections if each.state is State.OPEN}

    @property
    def sockets(self) -> tuple[Any, ...]:
        """That it listens on."""
        return tuple(self._server.sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it runs in."""
        return self._server.get_loop()

    async def start_serving(self) -> None:
        """Listen, where ``serve`` was told ``start_serving=False``."""
        await self._server.start_serving()

    def is_serving(self) -> bool:
        return self._server.is_serving()

    async def serve_forever(self) -> None:
        """Until it is closed; or until this is cancelled, which closes it."""
        try:
            if self._closing is None and not self.is_serving():
                await self.start_serving()
            await self.wait_closed()
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    def close(self, close_connections: bool = True, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Listen no more, refuse handshakes that are under way with 503, and close what is open.

        Raises:
            ValueError: ``code`` must not be sent, or ``reason`` is longer than 123 bytes.
        """
        if self._closing is None:
            encode_message(Close(code, reason), Role.SERVER)
            self._closing = self.get_loop().create_task(self._close(close_connections, code, reason))

    async def wait_closed(self) -> None:
        """Until it is closed, every connection is lost, and every handler has returned."""
        await asyncio.shield(self._closed)

    async def _close(self, close_connections: bool, code: int, reason: str) -> None:
        self._server.close()
        # Let connections be made that the loop has accepted.
        await asyncio.sleep(0)
        self._connections.is_closed = True
        connections = list(self._connections)
        for each in connections:
            if each.state is State.CONNECTING:
                if each.connection.request is not None:
                    each.reject(503, body=b"Server is shutting down.\n")
                else:
                    each.abort()
            elif close_connections:
                each.start_close(code, reason)
        tasks = {task for each in connections if (task := getattr(each, "_task", None)) is not None} | self._lasting
        if tasks:
            await asyncio.wait(tasks)
        if self._connections:
            self._connections.gone = self.get_loop().create_future()
            await self._connections.gone
        if hasattr(self._server, "abort_clients"):
            # Python 3.13 and newer: for those whose TLS has not begun.
            self._server.abort_clients()
        await self._server.wait_closed()
        self._closed.set_result(None)

    def _outlasts(self, task: asyncio.Task[None]) -> None:
        """A handler goes on though its connection is lost."""
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()

    async def _run(self, websocket: ServerWebSocket, request: Request) -> None:
        """One connection, from its request to its end."""
        try:
            opened = await self._shake_hands(websocket, request)
        except HandshakeError as error:
            if websocket.connection.state is State.CONNECTING:
                websocket.reject(error.status or 400, error.headers, f"{error}\n".encode())
            return
        except Exception:
            self.logger.exception("opening handshake failed")
            if websocket.connection.state is State.CONNECTING:
                websocket.reject(500, body=b"Failed to open a WebSocket connection.\n")
            return
        if not opened:
            return
        try:
            await self._handler(websocket)
        except ConnectionClosed:
            websocket.start_close()
        except asyncio.CancelledError:
            websocket.start_close(CloseCode.GOING_AWAY)
            raise
        except Exception:
            self.logger.exception("connection handler failed")
            websocket.start_close(CloseCode.INTERNAL_ERROR)
        else:
            websocket.start_close()

    async def _shake_hands(self, websocket: ServerWebSocket, request: Request) -> bool:
        """Ask who is to be asked, and answer; whether the connection is open then."""
        connection = websocket.connection
        response = None
        if self._process_request is not None:
            response = self._process_request(websocket, request)
            if inspect.isawaitable(response):
                response = await response
        # Else it has answered by itself, or the client is gone.
        if connection.state is State.CONNECTING:
            if response is None:
                response = connection.prepare_response(self._choose_subprotocol(websocket))
            if self._process_response is not None:
                other = self._process_response(websocket, request, response)
                response = (await other if inspect.isawaitable(other) else other) or response
        if connection.state is State.CONNECTING and response is not None:
            websocket.answer(response)
        return connection.state is State.OPEN

    def _choose_subprotocol(self, websocket: ServerWebSocket) -> str | None:
        if self._select_subprotocol is None:
            return None
        try:
            offered = websocket.connection.offered_subprotocols
        except HandshakeError:
            # Which the answer will say.
            return None
        return self._select_subprotocol(websocket, offered)


class serve:  # noqa: N801 - used like a function
    """Listen for clients.

    Args:
        handler: a coroutine function that takes each ``WebSocket``, which is closed when it returns; or a subclass of
            ``WebSocketProtocol``.
        host, port: as ``create_server`` of asyncio takes them.
        path: of a Unix socket, in their place.
        unix: listen on a Unix socket; on ``sock``, where there is no path.
        origins, subprotocols: see ``ServerHandshake``. A client that offers none of the subprotocols gets in without
            one, where websockets refuses it.
        select_subprotocol: takes the ``WebSocket`` and what the client offers, and returns one of these or None; it may
            raise a ``HandshakeError``, which refuses the client with the status that this has, or 400.
        compression: "deflate", a ``Deflate``, or None.
        process_request: takes the ``WebSocket`` and its request, and returns None, or a ``Response`` that refuses it; a
            coroutine function will do, too. ``basic_auth`` makes one. It may also answer by itself: with
            ``accept(headers=…)``, which adds headers to the 101, or with ``reject``.
        process_response: takes the ``WebSocket``, its request and the ``Response`` that will answer it, whose headers
            it may change, and returns None, or another one in its place; a coroutine function will do, too.
        create_connection: makes what the handler takes, out of the same arguments: ``ServerWebSocket``, where there is
            none, or a subclass of it.
        server_header: of every answer; None for none.
        logger: for exceptions; "fastws.server" where there is none.
        max_size: bytes of a message; None for any number. As a tuple: that, and bytes of each of its fragments.
        max_fragments: frames of a message; None for any number.
        text_as: "str", or "bytes" for text that is checked only.
        use_aiofastnet: take transports of aiofastnet (the extra "fastnet"), which cost less than asyncio's own, most of
            all with TLS. They are not asyncio's in everything: ``ssl_object`` is one of theirs, and a connection is for
            the thread of its loop only. Where there are none for a loop (Windows' proactor), that one's are taken.
        options: of ``WebSocket``, such as ``max_queue``, ``ping_interval`` and ``close_timeout``.
        others: of ``create_server`` or ``create_unix_server``, such as ``ssl`` and ``sock``.
    """

    _OURS = ("open_timeout", "ping_interval", "ping_timeout", "close_timeout", "write_limit", "max_queue")

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[None]] | type[WebSocketProtocol],
        host: Any = None,
        port: int | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        unix: bool = False,
        origins: Sequence[str | re.Pattern[str] | None] | None = None,
        subprotocols: Sequence[str] | None = (),
        select_subprotocol: Callable[[Any, Any], str | None] | None = None,
        compression: str | Deflate | None = "deflate",
        process_request: Callable[[Any, Any], Any] | None = None,
        process_response: Callable[[Any, Any, Any], Any] | None = None,
        server_header: str | None = PRODUCT,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        max_fragments: int | None = DEFAULT_MAX_FRAGMENTS,
        text_as: str = "str",
        create_connection: Callable[..., ServerWebSocket] | None = None,
        use_aiofastnet: bool = False,
        **options: Any,
    ) -> None:
        if use_aiofastnet:
            require_aiofastnet()
        self._use_aiofastnet = use_aiofastnet
        self._is_unix = unix or path is not None
        self._where = (path,) if self._is_unix else (host, port)
        self._handshake: dict[str, Any] = {
            "origins": origins,
            "subprotocols": subprotocols,
            "deflate": as_deflate(compression),
            "server": server_header,
        }
        self._limits: dict[str, Any] = {
            **as_sizes(max_size),
            "max_fragments": max_fragments,
            "text_as": text_as,
        }
        # What is wrong with these is told now, and not to the first client.
        self._connection()
        self._options = {name: options.pop(name) for name in self._OURS if name in options}
        for name in ("write_limit", "max_queue"):
            if self._options.get(name) is not None:
                self._options[name] = as_marks(self._options[name])
        self._others = self._with_tls_timeouts(options)
        self._protocol: type[WebSocketProtocol] | None = None
        if isinstance(handler, type) and issubclass(handler, WebSocketProtocol):
            self._protocol = handler
            if "max_queue" in self._options:
                raise TypeError("max_queue is for handlers: callbacks are given every message as it comes")
        self._create_connection = create_connection or ServerWebSocket
        handle: Any = handler
        self._server = Server(handle, process_request, process_response, select_subprotocol, logger)

    def _with_tls_timeouts(self, others: dict[str, Any]) -> dict[str, Any]:
        """Opening and closing TLS may take as long as opening and closing a WebSocket."""
        if others.get("ssl") is not None:
            others.setdefault("ssl_handshake_timeout", self._options.get("open_timeout", 10) or None)
            if sys.version_info >= (3, 11):
                others.setdefault("ssl_shutdown_timeout", self._options.get("close_timeout", 10) or None)
        return others

    def _connection(self) -> Connection:
        return Connection(Role.SERVER, handshake=ServerHandshake(**self._handshake), **self._limits)

    def _make(self) -> Endpoint:
        connection = self._connection()
        endpoint: Endpoint
        if self._protocol is not None:
            endpoint = self._protocol(connection, **self._options)
        else:
            endpoint = self._create_connection(connection, self._server, **self._options)
            endpoint.logger = self._server.logger
        endpoint.group = self._server._connections  # noqa: SLF001
        return endpoint

    async def _start(self) -> Server:
        self._server._closed = asyncio.get_running_loop().create_future()  # noqa: SLF001
        net = network(self._use_aiofastnet)
        create = net.create_unix_server if self._is_unix else net.create_server
        others = dict(self._others)
        starts = others.pop("start_serving", True)
        listening = self._server._server = await create(self._make, *self._where, start_serving=False, **others)  # noqa: SLF001
        if starts:
            try:
                await listening.start_serving()
            except BaseException:
                # Cancelled here, asyncio would forget what listens already.
                listening.close()
                raise
        return self._server

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        return await self._start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, traceback)


def unix_serve(
    handler: Callable[[Any], Awaitable[None]] | type[WebSocketProtocol],
    path: str | os.PathLike[str] | None = None,
    **options: Any,
) -> serve:
    """Listen for clients on a Unix socket.

    Args:
        handler: as ``serve`` takes it.
        path: of the socket.
        options: of ``serve``.
    """
    return serve(handler, path=path, unix=True, **options)
