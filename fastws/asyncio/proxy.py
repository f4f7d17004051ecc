"""A way to the server through a proxy: by HTTP CONNECT (RFC 9110 §9.3.6), or by SOCKS with python-socks."""

from __future__ import annotations

import asyncio
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import h11

from ..handshake import Headers, Response, basic_authorization
from .exceptions import InvalidProxyStatus, ProxyError

if TYPE_CHECKING:
    import socket

    from ..handshake import URI

__all__ = ["Proxy", "http_tunnel", "proxy_from_environment", "socks_tunnel"]

_PORTS: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Attributes:
        scheme: "http", "https", "socks4", "socks4a", "socks5" or "socks5h"; a or h leaves host names to the proxy.
        host: without the brackets of an IPv6 address.
        port: where none is given, 80, 443 or 1080.
        username, password: of basic authentication, or None.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Read the URL of a proxy.

        Raises:
            ValueError: it is not one. The text does not repeat it, which may hold a password.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"the proxy's URL is wrong: {error}") from None
        if parts.scheme not in _PORTS:
            raise ValueError(f"a proxy's URL begins with one of {', '.join(_PORTS)}, not {parts.scheme!r}")
        if not parts.hostname:
            raise ValueError("the proxy's URL has no host")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("a proxy's URL has no path, query or fragment")
        return cls(
            parts.scheme,
            parts.hostname,
            _PORTS[parts.scheme] if port is None else port,
            None if parts.username is None else unquote(parts.username),
            None if parts.username is None else unquote(parts.password or ""),
        )

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks")


def proxy_from_environment(uri: URI) -> str | None:
    """The URL of the proxy that the environment, or the system, names for a server; None for no proxy.

    One for WebSockets (``ws_proxy``, ``wss_proxy``) goes first, then SOCKS, then CONNECT (RFC 6455 §4.1).
    """
    if urllib.request.proxy_bypass(f"{uri.host}:{uri.port}"):
        return None
    known = urllib.request.getproxies()
    for kind in ("wss", "socks", "https") if uri.secure else ("ws", "socks", "https", "http"):
        url = known.get(kind)
        if url:
            # Systems give all of them the same scheme.
            return "socks5h://" + url[7:] if kind == "socks" and url.startswith("http://") else url
    return None


class _Tunnel(asyncio.Protocol):
    """The request for a tunnel, until it is answered."""

    def __init__(self, request: h11.Request) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._http = h11.Connection(h11.CLIENT)

    def connection_made(self, transport: Any) -> None:
        transport.write((self._http.send(self._request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))

    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self._http.receive_data(data)
            self._read()

    def eof_received(self) -> None:
        self._fail("the proxy closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection to the proxy was lost", exc)

    def _read(self) -> None:
        event: Any = h11.NEED_DATA
        try:
            event = self._http.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._fail(f"the proxy's answer is no HTTP: {error}")
            return
        if not isinstance(event, h11.Response):
            return
        if not 200 <= event.status_code < 300:
            self.answered.set_exception(_refused(event))
        elif self._http.trailing_data[0]:
            # A server speaks second, with TLS and without.
            self._fail("the proxy sent bytes behind its answer")
        else:
            self.answered.set_result(None)

    def _fail(self, text: str, cause: Exception | None = None) -> None:
        if not self.answered.done():
            error = ProxyError(text)
            error.__cause__ = cause
            self.answered.set_exception(error)


def _refused(event: h11.Response) -> InvalidProxyStatus:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()]
    response = Response(event.status_code, bytes(event.reason).decode("latin-1"), Headers(pairs))
    told = f"the proxy answered {response.status} {response.reason}".rstrip()
    return InvalidProxyStatus(told, response.status, response)


async def http_tunnel(net: Any, proxy: Proxy, host: str, port: int, user_agent: str | None, **options: Any) -> Any:
    """Open a tunnel with CONNECT.

    Args:
        net: what has ``create_connection``: the loop, or ``network``.
        proxy: of the scheme "http" or "https".
        host, port: of the server.
        user_agent: the User-Agent header, or None.
        options: of ``create_connection``, for the connection to the proxy.
    Returns: the transport, which leads to the server now; its protocol is to be set.
    Raises:
        OSError: there is no connection to the proxy.
        ProxyError: it does not open the tunnel.
        ValueError: ``ssl`` is not what the scheme says.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = [("Host", where)]
    if user_agent is not None:
        headers.append(("User-Agent", user_agent))
    if proxy.username is not None:
        headers.append(("Proxy-Authorization", basic_authorization(proxy.username, proxy.password or "")))
    request = h11.Request(method="CONNECT", target=where, headers=headers)
    is_secure = proxy.scheme == "https"
    if bool(options.setdefault("ssl", is_secure or None)) != is_secure:
        raise ValueError(f"proxy_ssl={options['ssl']!r} does not fit a proxy of {proxy.scheme}://")
    transport, tunnel = await net.create_connection(lambda: _Tunnel(request), proxy.host, proxy.port, **options)
    try:
        await tunnel.answered
        if transport.is_closing():
            raise ProxyError("the proxy closed the connection")
    except BaseException:
        transport.abort()
        raise
    return transport


async def socks_tunnel(proxy: Proxy, host: str, port: int, **options: Any) -> socket.socket:
    """Open a tunnel with SOCKS.

    Args:
        proxy: of one of the SOCKS schemes.
        host, port: of the server.
        options: of python-socks.
    Returns: a socket that leads to the server.
    Raises:
        OSError: there is no connection to the proxy.
        ProxyError: it does not open the tunnel.
        ImportError: python-socks is not installed.
    """
    try:
        import python_socks
        from python_socks.async_.asyncio import Proxy as SocksProxy
    except ImportError:
        text = "a SOCKS proxy needs python-socks: python -m pip install 'python-socks[asyncio]'"
        raise ImportError(text, name="python_socks") from None
    kind = python_socks.ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else python_socks.ProxyType.SOCKS5
    names_there = proxy.scheme in ("socks4a", "socks5h")
    way = SocksProxy(kind, proxy.host, proxy.port, proxy.username, proxy.password, names_there)
    try:
        return await way.connect(host, port, **options)
    except OSError:
        raise
    except Exception as error:
        raise ProxyError(f"the SOCKS proxy does not connect: {error}") from error
