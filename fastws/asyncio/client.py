"""A client: connects, makes the opening handshake, follows redirects, and connects again."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from ..connection import Connection
from ..errors import HandshakeError
from ..frames import DEFAULT_MAX_FRAGMENTS, Role
from ..handshake import URI, ClientHandshake
from .exceptions import InvalidStatus
from .server import as_deflate
from .websocket import WebSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
    from types import TracebackType

    from ..deflate import Deflate
    from .protocol import Endpoint

__all__ = ["connect"]

_MAX_REDIRECTS = 10


class connect:  # noqa: N801 - used like a function
    """Connect to a server: ``ws = await connect(…)`` or ``async with connect(…) as ws``.

    ``async for ws in connect(…)`` connects again, with growing delays, whenever the connection is lost.

    Args:
        uri: "ws://…" or "wss://…".
        origin, subprotocols: see ``ClientHandshake``.
        compression: "deflate", a ``Deflate``, or None.
        additional_headers: of the request.
        protocol: a subclass of ``WebSocketProtocol``, for callbacks.
        path: of a Unix socket, in place of the host and port of the URI.
        max_size: bytes of a message; None for any number.
        max_fragments: frames of a message; None for any number.
        text_as: "str", or "bytes" for text that is checked only.
        open_timeout: seconds that connecting may take, all redirects included; None for any time.
        options: of ``WebSocket``, such as ``max_queue``, ``ping_interval`` and ``close_timeout``.
        others: of ``create_connection`` or ``create_unix_connection``, such as ``ssl``, ``host`` and ``sock``.

    Raises:
        OSError, TimeoutError: there is no connection.
        HandshakeError: there is one, but no WebSocket; ``InvalidStatus`` where the server says why.
    """

    _OURS = ("ping_interval", "ping_timeout", "close_timeout", "write_limit", "max_queue")

    def __init__(
        self,
        uri: str,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] = (),
        compression: str | Deflate | None = "deflate",
        additional_headers: Iterable[tuple[str, str]] = (),
        protocol: type[Endpoint] = WebSocket,
        path: str | None = None,
        max_size: int | None = 2**20,
        max_fragments: int | None = DEFAULT_MAX_FRAGMENTS,
        text_as: str = "str",
        open_timeout: float | None = 10,
        delays: Callable[[], Iterable[float]] | None = None,
        **options: Any,
    ) -> None:
        self._uri = URI.parse(uri)
        self._handshake: dict[str, Any] = {
            "origin": origin,
            "subprotocols": subprotocols,
            "deflate": as_deflate(compression),
            "headers": list(additional_headers),
        }
        self._protocol = protocol
        self._path = path
        self._limits: dict[str, Any] = {
            "max_message_size": max_size,
            "max_fragments": max_fragments,
            "text_as": text_as,
        }
        self._open_timeout = open_timeout
        self._delays = delays or _delays
        self._options = {name: options.pop(name) for name in self._OURS if name in options}
        self._others = options
        self._websocket: Any = None

    async def _connect(self) -> Any:
        websocket = await asyncio.wait_for(self._follow(), self._open_timeout)
        self._websocket = websocket
        return websocket

    async def _follow(self) -> Any:
        uri = self._uri
        for _ in range(_MAX_REDIRECTS):
            websocket = await self._open(uri)
            connection = websocket.connection
            if websocket.is_opened:
                return websocket
            # Nobody has a use for it any more, and the server may leave it open for long.
            websocket.abort()
            response = connection.response
            target = None if response is None else uri.redirected(response)
            if target is None:
                error = connection.error or HandshakeError("the connection was lost")
                if response is not None and response.status != 101:
                    raise InvalidStatus(str(error), response.status, response) from None
                raise error
            uri = target
        raise HandshakeError(f"more than {_MAX_REDIRECTS} redirects")

    async def _open(self, uri: URI) -> Any:
        """One connection; whatever the server answered."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()

        def make() -> Endpoint:
            connection = Connection(Role.CLIENT, handshake=ClientHandshake(uri, **self._handshake), **self._limits)
            websocket = self._protocol(connection, open_timeout=None, **self._options)
            websocket.answered = answered
            return websocket

        others = dict(self._others)
        if uri.secure:
            others.setdefault("ssl", True)
            others.setdefault("server_hostname", uri.host)
        if self._path is not None:
            _, websocket = await loop.create_unix_connection(make, self._path, **others)
        else:
            if "sock" not in others:
                others.setdefault("host", uri.host)
                others.setdefault("port", uri.port)
            _, websocket = await loop.create_connection(make, **others)
        try:
            await answered
        except BaseException:
            websocket.abort()
            raise
        return websocket

    def __await__(self) -> Generator[Any, None, Any]:
        return self._connect().__await__()

    async def __aenter__(self) -> Any:
        return await self._connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(self._websocket, WebSocket):
            await self._websocket.__aexit__(kind, error, traceback)
        else:
            self._websocket.start_close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        delays = iter(self._delays())
        while True:
            try:
                websocket = await self._connect()
            except (OSError, asyncio.TimeoutError, HandshakeError) as error:
                if isinstance(error, HandshakeError) and error.status not in (None, 500, 502, 503, 504):
                    raise
                await asyncio.sleep(next(delays))
                continue
            delays = iter(self._delays())
            try:
                yield websocket
            finally:
                await websocket.close()


def _delays() -> Iterable[float]:
    """Up to 5 seconds first, so that not all clients come at once, then from 3 up to 90."""
    yield random.random() * 5  # noqa: S311 - no secret
    delay = 3.1
    while True:
        yield min(delay, 90.0)
        delay *= 1.618
