"""Clients behind a proxy: real ones in the test's own loop, that open tunnels by CONNECT or SOCKS."""

from __future__ import annotations

import asyncio
import base64
import builtins
import socket
import struct
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import contexts, echo, in_loop, uri_of
from fastws.asyncio import InvalidProxyStatus, ProxyError, WebSocketProtocol, connect, serve
from fastws.asyncio.proxy import Proxy, proxy_from_environment
from fastws.handshake import URI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


class _Proxy:
    """One that listens; what it was asked for is kept."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connected\r\nVia: x\r\n\r\n") -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.port = 0

    async def by_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(self.answer)
        if b" 200 " not in self.answer:
            writer.close()
            return
        host, _, port = head.split()[1].rpartition(":")
        await self._tunnel(host, int(port), reader, writer)

    async def by_socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """SOCKS 5 without authentication (RFC 1928)."""
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = socket.inet_ntoa(await reader.readexactly(4))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.heads.append(f"{host}:{port}")
        writer.write(b"\x05" + self.answer + b"\x00\x01" + bytes(6))
        if self.answer == b"\x00":
            await self._tunnel(host, port, reader, writer)
        else:
            writer.close()

    async def _tunnel(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))

    @asynccontextmanager
    async def listening(self, talk: Callable[..., Any], **options: Any) -> AsyncIterator[_Proxy]:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, **options)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


async def _exchange(uri: str, proxy: str, **options: Any) -> None:
    async with connect(uri, proxy=proxy, **options) as ws:
        for message in ("text", bytes(200_000)):
            await ws.send(message)
            assert await ws.recv() == message
    assert ws.close_code == 1000


# CONNECT --------------------------------------------------------------------------------------------------------------


@in_loop
async def test_connect() -> None:
    proxy = _Proxy()
    async with serve(echo, "127.0.0.1", 0) as server, proxy.listening(proxy.by_connect):
        uri = uri_of(server)
        where = uri.removeprefix("ws://").removesuffix("/")
        await _exchange(uri, f"http://us%65r:p%3A@127.0.0.1:{proxy.port}", user_agent_header="tester")
        token = base64.b64encode(b"user:p:").decode()
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", "User-Agent: tester"]
        assert proxy.heads == ["\r\n".join([*lines, f"Proxy-Authorization: Basic {token}", "", ""])]
        await _exchange(uri, f"http://127.0.0.1:{proxy.port}/", user_agent_header=None)
        assert proxy.heads[1] == "\r\n".join([*lines[:2], "", ""])


@in_loop
async def test_callbacks_behind_a_proxy() -> None:
    class Client(WebSocketProtocol):
        got: asyncio.Future[Any]

        def on_open(self) -> None:
            self.got = asyncio.get_running_loop().create_future()
            self.send("hello")

        def on_message(self, data: str | bytes) -> None:
            self.got.set_result(data)

    proxy = _Proxy()
    async with serve(echo, "127.0.0.1", 0) as server, proxy.listening(proxy.by_connect):
        client = await connect(uri_of(server), proxy=f"http://127.0.0.1:{proxy.port}", protocol=Client)
        assert await client.got == "hello"


@in_loop
async def test_tls_to_the_server() -> None:
    proxy = _Proxy()
    theirs, ours = contexts()
    async with serve(echo, "localhost", 0, ssl=theirs) as server, proxy.listening(proxy.by_connect):
        uri = f"wss://localhost:{server.sockets[0].getsockname()[1]}"
        await _exchange(uri, f"http://127.0.0.1:{proxy.port}", ssl=ours)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await connect(uri, proxy=f"http://127.0.0.1:{proxy.port}")


@in_loop
async def test_tls_to_the_proxy() -> None:
    proxy = _Proxy()
    theirs, ours = contexts()
    async with serve(echo, "127.0.0.1", 0) as server, proxy.listening(proxy.by_connect, ssl=theirs):
        url = f"https://localhost:{proxy.port}"
        await _exchange(uri_of(server), url, proxy_ssl=ours)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await connect(uri_of(server), proxy=url)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio's TLS in TLS is new in 3.11")
@in_loop
async def test_tls_to_both() -> None:
    proxy = _Proxy()
    theirs, ours = contexts()
    async with serve(echo, "localhost", 0, ssl=theirs) as server, proxy.listening(proxy.by_connect, ssl=theirs):
        uri = f"wss://localhost:{server.sockets[0].getsockname()[1]}"
        await _exchange(uri, f"https://localhost:{proxy.port}", ssl=ours, proxy_ssl=ours)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 1000\r\n\r\n", "answered 407 Who$"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 502 \r\n\r\n", "answered 502$"),
        (b"what\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n", "bytes behind"),
        (b"", "closed"),
        (b"HTTP/1.1 ", "closed"),
    ],
)
@in_loop
async def test_a_proxy_that_refuses(answer: bytes, text: str) -> None:
    proxy = _Proxy(answer)
    async with serve(echo, "127.0.0.1", 0) as server, proxy.listening(proxy.by_connect):
        with pytest.raises(ProxyError, match=text) as caught:
            await connect(uri_of(server), proxy=f"http://127.0.0.1:{proxy.port}")
        assert not server.connections
    if isinstance(caught.value, InvalidProxyStatus):
        assert caught.value.status == caught.value.response.status
        assert caught.value.response.headers.get("proxy-authenticate") == ("Basic" if b"407" in answer else None)
    else:
        assert caught.value.status is None


@in_loop
async def test_no_proxy_there_and_one_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(asyncio.TimeoutError):
            await connect("ws://127.0.0.1:9", proxy=url, open_timeout=0.05)
    with pytest.raises(OSError, match=r".*"):
        await connect("ws://127.0.0.1:9", proxy=url)


# SOCKS ----------------------------------------------------------------------------------------------------------------


@in_loop
async def test_socks() -> None:
    proxy = _Proxy(b"\x00")
    theirs, ours = contexts()
    async with serve(echo, "localhost", 0, ssl=theirs) as server, proxy.listening(proxy.by_socks):
        port = server.sockets[0].getsockname()[1]
        await _exchange(f"wss://localhost:{port}", f"socks5h://127.0.0.1:{proxy.port}", ssl=ours)
        assert proxy.heads == [f"localhost:{port}"]
    async with serve(echo, "127.0.0.1", 0) as server, proxy.listening(proxy.by_socks):
        port = server.sockets[0].getsockname()[1]
        await _exchange(uri_of(server), f"socks5://127.0.0.1:{proxy.port}")
        assert proxy.heads[1] == f"127.0.0.1:{port}"
        proxy.answer = b"\x02"
        with pytest.raises(ProxyError, match="SOCKS proxy does not connect"):
            await connect(uri_of(server), proxy=f"socks5://127.0.0.1:{proxy.port}")


@in_loop
async def test_socks_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("python_socks"):
            raise ModuleNotFoundError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"python-socks\[asyncio\]"):
        await connect("ws://127.0.0.1:9", proxy="socks5://127.0.0.1:9")


# Which proxy ----------------------------------------------------------------------------------------------------------


@in_loop
async def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = _Proxy()
    async with serve(echo, "127.0.0.1", 0) as server, proxy.listening(proxy.by_connect):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        choices: list[dict[str, Any]] = [{"proxy": None}, {}, {"proxy": True}, {"proxy": None}]
        for proxies, choice in enumerate(choices):
            async with connect(uri_of(server), **choice) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
            assert len(proxy.heads) == min(proxies, 2)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await (await connect(uri_of(server))).close()
        monkeypatch.delenv("no_proxy")
        with socket.create_connection(server.sockets[0].getsockname()) as sock:
            await (await connect(uri_of(server), sock=sock)).close()
        assert len(proxy.heads) == 2
        # What stands in for the server's host and port is where the tunnel leads to.
        options = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
        async with connect("ws://example.org/", **options) as ws:
            assert ws.request.headers["Host"] == "example.org"
        assert proxy.heads[2].startswith(f"CONNECT 127.0.0.1:{options['port']} ")


@pytest.mark.parametrize(
    ("environment", "plain", "secure"),
    [
        ({}, None, None),
        ({"http_proxy": "http://a"}, "http://a", None),
        ({"http_proxy": "http://a", "https_proxy": "http://b"}, "http://b", "http://b"),
        ({"https_proxy": "http://b", "socks_proxy": "http://c:1"}, "socks5h://c:1", "socks5h://c:1"),
        ({"socks_proxy": "socks4://c:1", "ws_proxy": "http://d"}, "http://d", "socks4://c:1"),
        ({"WSS_PROXY": "http://e", "ws_proxy": ""}, None, "http://e"),
        ({"https_proxy": "http://b", "no_proxy": "example.org"}, None, None),
        ({"https_proxy": "http://b", "no_proxy": "example.org:80"}, None, "http://b"),
    ],
)
def test_what_the_environment_says(
    environment: dict[str, str], plain: str | None, secure: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", environment)
    assert proxy_from_environment(URI.parse("ws://example.org")) == plain
    assert proxy_from_environment(URI.parse("wss://example.org")) == secure


def test_urls_of_proxies() -> None:
    assert Proxy.parse("http://[::1]") == Proxy("http", "::1", 80)
    assert Proxy.parse("https://u@h/") == Proxy("https", "h", 443, "u", "")
    assert Proxy.parse("socks5h://u:p%20@h:9") == Proxy("socks5h", "h", 9, "u", "p ")
    assert Proxy.parse("socks4://h").port == 1080
    for wrong in ("h:80", "ftp://h", "http://", "http://h/path", "http://h?q", "http://u:secret@h:x", "http://h#f"):
        with pytest.raises(ValueError, match="proxy's URL") as caught:
            Proxy.parse(wrong)
        assert "secret" not in str(caught.value)
