"""A client: connects, makes the opening handshake, follows redirects, and connects again."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl as tls
from typing import TYPE_CHECKING, Any

from ..connection import Connection
from ..errors import HandshakeError
from ..frames import DEFAULT_MAX_FRAGMENTS, CloseCode, Role
from ..handshake import URI, ClientHandshake
from .exceptions import InvalidStatus
from .network import network, require_aiofastnet
from .options import PRODUCT, as_deflate, as_marks, as_pairs, as_sizes
from .proxy import Proxy, http_tunnel, proxy_from_environment, socks_tunnel
from .websocket import WebSocket

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
    from types import TracebackType

    from ..deflate import Deflate
    from ..handshake import Response
    from .options import HeadersLike
    from .protocol import Endpoint

__all__ = ["connect", "process_exception", "unix_connect"]

_logger = logging.getLogger("fastws.client")

_MAX_REDIRECTS = 10

# Headers that are meant for the server that the caller named, and for no other.
_FOR_ONE_SERVER = frozenset(("authorization", "cookie", "host", "proxy-authorization"))


class connect:  # noqa: N801 - used like a function
    """Connect to a server: ``ws = await connect(…)`` or ``async with connect(…) as ws``.

    ``async for ws in connect(…)`` connects again whenever the connection is lost, with growing delays while that fails.

    Args:
        uri: "ws://…" or "wss://…".
        origin, subprotocols: see ``ClientHandshake``.
        compression: "deflate", a ``Deflate``, or None.
        additional_headers: of the request: pairs of name and value, or a mapping. Authorization, Cookie and Host do not
            follow a redirect to another server.
        user_agent_header: for the server, and a proxy; None for none.
        proxy: the URL of an HTTP or SOCKS proxy, True for what the environment says, or None. SOCKS needs python-socks.
            TLS to the server through TLS to a proxy needs Python 3.11, or uvloop.
        protocol: a subclass of ``WebSocketProtocol``, for callbacks.
        create_connection: makes the ``WebSocket`` out of the same arguments; a subclass of it, for example.
        path: of a Unix socket, in place of the host and port of the URI.
        unix: the connection is that of a Unix socket; a ``sock``, where there is no path.
        max_size: bytes of a message; None for any number. As a tuple: that, and bytes of each of its fragments.
        max_fragments: frames of a message; None for any number.
        text_as: "str", or "bytes" for text that is checked only.
        open_timeout: seconds that connecting may take, all redirects included; None for any time.
        process_exception: what connecting again asks about an exception; it returns None to try once more, or the
            exception to be raised.
        reconnect_delays: gives the seconds before the second try, the third, and so on; where it gives no more, the
            last exception is raised.
        logger: for what is told while connecting again; "fastws.client" where there is none.
        use_aiofastnet: take transports of aiofastnet, which cost less than asyncio's own, and less with TLS; see
            ``serve``.
        options: of ``WebSocket``, such as ``max_queue``, ``ping_interval`` and ``close_timeout``.
        others: of ``create_connection`` or ``create_unix_connection``, such as ``ssl``, ``host`` and ``sock``; for the
            connection to a proxy with "proxy_" in front, such as ``proxy_ssl``.

    Raises:
        OSError, TimeoutError: there is no connection.
        HandshakeError: there is one, but no WebSocket; ``InvalidStatus`` where the server says why, or redirects to
            where this does not go; ``ProxyError`` where a proxy is why.
    """

    _OURS = ("ping_interval", "ping_timeout", "close_timeout", "write_limit", "max_queue")

    def __init__(
        self,
        uri: str,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] | None = (),
        compression: str | Deflate | None = "deflate",
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = PRODUCT,
        proxy: str | bool | None = True,
        protocol: type[Endpoint] = WebSocket,
        path: str | os.PathLike[str] | None = None,
        unix: bool = False,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        max_fragments: int | None = DEFAULT_MAX_FRAGMENTS,
        text_as: str = "str",
        open_timeout: float | None = 10,
        process_exception: Callable[[Exception], Exception | None] | None = None,
        reconnect_delays: Callable[[], Iterable[float]] | None = None,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        create_connection: Callable[..., Endpoint] | None = None,
        use_aiofastnet: bool = False,
        **options: Any,
    ) -> None:
        if use_aiofastnet:
            require_aiofastnet()
        self._use_aiofastnet = use_aiofastnet
        self._uri = URI.parse(uri)
        self._user_agent = user_agent_header
        self._proxy = proxy
        self._handshake: dict[str, Any] = {
            "origin": origin,
            "subprotocols": subprotocols,
            "deflate": as_deflate(compression),
            "headers": _with_user_agent(as_pairs(additional_headers), user_agent_header),
        }
        self._protocol = create_connection or protocol
        self._path: Any = path
        self._is_unix = unix or path is not None
        self._limits: dict[str, Any] = {
            **as_sizes(max_size),
            "max_fragments": max_fragments,
            "text_as": text_as,
        }
        # What is wrong with these is told now.
        self._connection(self._uri, self._handshake)
        self._open_timeout = open_timeout
        self._process_exception = process_exception or _process_exception
        self._delays = reconnect_delays or _delays
        self._logger = logger or _logger
        self._options = {name: options.pop(name) for name in self._OURS if name in options}
        for name in ("write_limit", "max_queue"):
            if self._options.get(name) is not None:
                self._options[name] = as_marks(self._options[name])
        if "ssl" in options and bool(options["ssl"]) != self._uri.secure:
            raise ValueError(f"ssl={options['ssl']!r} does not fit a {'wss' if self._uri.secure else 'ws'}:// URI")
        self._others = options
        self._websocket: Any = None

    async def _connect(self) -> Any:
        try:
            return await asyncio.wait_for(self._follow(), self._open_timeout)
        except asyncio.TimeoutError as error:
            if error.args:
                # The system's, not this one.
                raise
            raise asyncio.TimeoutError(f"no WebSocket within {self._open_timeout} seconds") from error

    async def _follow(self) -> Any:
        uri, handshake = self._uri, self._handshake
        for _ in range(_MAX_REDIRECTS):
            websocket = await self._open(uri, handshake)
            connection = websocket.connection
            if websocket.is_opened:
                return websocket
            # Nobody has a use for it any more, and the server may leave it open for long.
            websocket.abort()
            response = connection.response
            if response is None or response.status == 101:
                raise connection.error or HandshakeError("the connection was lost")
            target = self._redirected(uri, response)
            if target is None:
                raise InvalidStatus(str(connection.error), response.status, response)
            if not uri.shares_secrets_with(target):
                headers = [(name, value) for name, value in handshake["headers"] if name.lower() not in _FOR_ONE_SERVER]
                handshake = {**handshake, "headers": headers}
            uri = target
        raise HandshakeError(f"more than {_MAX_REDIRECTS} redirects", response.status)

    def _redirected(self, uri: URI, response: Response) -> URI | None:
        """Where a response redirects to; None where it does not.

        Raises:
            InvalidStatus: it does, but not to where this may go.
        """
        try:
            target = uri.redirected(response)
        except ValueError as error:
            raise InvalidStatus(f"a redirect that cannot be followed: {error}", response.status, response) from None
        if target is None:
            return None
        if self._others.get("sock") is not None:
            raise InvalidStatus("a redirect needs a second connection, not sock", response.status, response)
        is_fixed = self._is_unix or self._others.get("host") is not None or self._others.get("port") is not None
        if is_fixed and (uri.secure, uri.host, uri.port) != (target.secure, target.host, target.port):
            told = f"a redirect to {target}, and it is said where to connect to"
            raise InvalidStatus(told, response.status, response)
        return target

    async def _open(self, uri: URI, handshake: dict[str, Any]) -> Any:
        """One connection; whatever the server answered."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()

        def make() -> Endpoint:
            websocket = self._protocol(self._connection(uri, handshake), open_timeout=None, **self._options)
            websocket.answered = answered
            if isinstance(websocket, WebSocket):
                websocket.logger = self._logger
            return websocket

        websocket = await self._dial(uri, make)
        try:
            await answered
        except BaseException:
            websocket.abort()
            raise
        return websocket

    def _connection(self, uri: URI, handshake: dict[str, Any]) -> Connection:
        return Connection(Role.CLIENT, handshake=ClientHandshake(uri, **handshake), **self._limits)

    async def _dial(self, uri: URI, make: Callable[[], Endpoint]) -> Any:
        """The protocol of a connection to the server, whichever way leads there."""
        net = network(self._use_aiofastnet)
        others = dict(self._others)
        if uri.secure:
            others.setdefault("ssl", True)
            others.setdefault("server_hostname", uri.host)
        if self._is_unix:
            return (await net.create_unix_connection(make, self._path, **others))[1]
        if others.get("sock") is not None:
            return (await net.create_connection(make, **others))[1]
        others.setdefault("host", uri.host)
        others.setdefault("port", uri.port)
        url = proxy_from_environment(uri) if self._proxy is True else self._proxy
        if not url:
            direct = {name: value for name, value in others.items() if not name.startswith("proxy_")}
            return (await net.create_connection(make, **direct))[1]
        proxy = Proxy.parse(url)
        if proxy.is_socks:
            return await self._through_socks(proxy, make, others)
        return await self._through_http(proxy, make, others)

    async def _through_socks(self, proxy: Proxy, make: Callable[[], Endpoint], others: dict[str, Any]) -> Any:
        """All of TCP is the proxy's matter; what is left is TLS."""
        host, port = others.pop("host"), others.pop("port")
        local = {name: others.pop(name) for name in ("local_addr",) if name in others}
        sock = await socks_tunnel(proxy, host, port, **local)
        others = {name: value for name, value in others.items() if not name.startswith("proxy_")}
        return (await network(self._use_aiofastnet).create_connection(make, sock=sock, **others))[1]

    async def _through_http(self, proxy: Proxy, make: Callable[[], Endpoint], others: dict[str, Any]) -> Any:
        """Options of TLS are for the server, all others for the connection to the proxy."""
        host, port = others.pop("host"), others.pop("port")
        ours = {name: others.pop(name) for name in list(others) if name.startswith(("ssl", "server_hostname"))}
        theirs = {name.removeprefix("proxy_"): value for name, value in others.items()}
        net = network(self._use_aiofastnet)
        transport = await http_tunnel(net, proxy, host, port, self._user_agent, **theirs)
        websocket = make()
        context = ours.pop("ssl", None)
        if context:
            if context is True:
                context = tls.create_default_context()
            try:
                transport = await net.start_tls(transport, websocket, context, **ours)
            except BaseException:
                transport.abort()
                raise
        else:
            transport.set_protocol(websocket)
        websocket.connection_made(transport)
        return websocket

    def __await__(self) -> Generator[Any, None, Any]:
        return self._connect().__await__()

    async def __aenter__(self) -> Any:
        if self._websocket is not None:
            raise RuntimeError("it is connected already: call connect again for a second connection")
        self._websocket = await self._connect()
        return self._websocket

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        websocket, self._websocket = self._websocket, None
        if isinstance(websocket, WebSocket):
            await websocket.__aexit__(kind, error, traceback)
        else:
            await _leave(websocket, CloseCode.NORMAL_CLOSURE if kind is None else CloseCode.INTERNAL_ERROR)

    async def __aiter__(self) -> AsyncIterator[Any]:
        delays = iter(self._delays())
        while True:
            try:
                websocket = await self._connect()
            except Exception as error:
                fatal = self._process_exception(error)
                if fatal is error:
                    raise
                if fatal is not None:
                    raise fatal from error
                delay = next(delays, None)
                if delay is None:
                    # There are no more tries.
                    raise
                kind = type(error).__name__
                self._logger.info("connect failed; trying again in %.1f seconds: %s: %s", delay, kind, error)
                await asyncio.sleep(delay)
                continue
            delays = iter(self._delays())
            try:
                yield websocket
            finally:
                await _leave(websocket, CloseCode.NORMAL_CLOSURE)


async def _leave(websocket: Any, code: int) -> None:
    """Close, and wait until that is done; the callback API has no call for it."""
    websocket.start_close(code)
    await websocket.wait_closed()


def process_exception(error: Exception) -> Exception | None:
    """Whether connecting may help where it has failed: None where there was no connection, or a server has trouble."""
    if isinstance(error, HandshakeError):
        return None if error.status in (None, 500, 502, 503, 504) else error
    return None if isinstance(error, OSError | asyncio.TimeoutError) else error


# The name belongs to an argument in `connect`.
_process_exception = process_exception


def unix_connect(path: str | os.PathLike[str] | None = None, uri: str | None = None, **options: Any) -> connect:
    """Connect to a server on a Unix socket.

    Args:
        path: of the socket.
        uri: what to ask for; "ws://localhost/", or "wss://localhost/" where there is ``ssl``.
        options: of ``connect``.
    """
    if uri is None:
        uri = "wss://localhost/" if options.get("ssl") else "ws://localhost/"
    return connect(uri, path=path, unix=True, **options)


def _with_user_agent(headers: list[tuple[str, str]], user_agent: str | None) -> list[tuple[str, str]]:
    if user_agent is None or any(name.lower() == "user-agent" for name, _ in headers):
        return headers
    return [*headers, ("User-Agent", user_agent)]


def _delays() -> Iterable[float]:
    """Up to 5 seconds first, so that not all clients come at once, then from 3 up to 90."""
    yield random.random() * 5  # noqa: S311 - no secret
    delay = 3.1
    while True:
        yield min(delay, 90.0)
        delay *= 1.618
