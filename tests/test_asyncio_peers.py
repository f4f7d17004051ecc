"""The asyncio endpoints against other libraries over real sockets: their clients, then their servers.

Both sides do the same everywhere: they exchange messages of every kind, ping, and close with a code and a reason.
"""

from __future__ import annotations

import asyncio
import functools
import struct
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket
import websocket
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
from aiohttp import web

from endpoints import LOOPS, in_loop
from fastws import Close, State
from fastws.asyncio import ConnectionClosed, WebSocketProtocol, connect, serve
from oracles import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

# More than a loaded machine needs; no test waits for it.
_PATIENCE = 120

_MIB = 1 << 20
_MESSAGES: list[str | bytes] = [
    "",
    b"",
    "text",
    bytes(range(256)),
    *("x" * n for n in (125, 126, 65_535, 65_536)),
    noise(70_000),
    "x" * _MIB,
    noise(_MIB),
    "schön 你好 😀 " * (_MIB // 24),
]
_PIECES = ["schö", "", "n ", "你好 😀" * 20_000, "!"]

# What closes with; the reason is not ASCII, and as long as may be.
_SERVER_CLOSE = 4001, "é" * 61
_CLIENT_CLOSE = 4002, "genug 你好"


# Other libraries keep to the loop's own transports.
_in_loop = functools.partial(in_loop, patience=_PATIENCE, loops=[name for name in LOOPS if name != "aiofastnet"])


# What servers do: they echo, and do what some texts ask for -----------------------------------------------------------


async def _answer(ws: Any) -> None:
    """For the async API of fastws, and that of websockets."""
    async for message in ws:
        if message == "ping":
            await (await ws.ping(b"from the server"))
            await ws.send("ponged")
        elif message == "fragments":
            await ws.send(_PIECES)
        elif message == "close":
            await ws.close(*_SERVER_CLOSE)
        else:
            await ws.send(message)


class _Answer(WebSocketProtocol):
    """For the callbacks of fastws."""

    def on_message(self, data: str | bytes) -> None:
        if data == "ping":
            self.send_ping(b"from the server")
        elif data == "fragments":
            for piece in _PIECES:
                self.send_fragment(piece, fin=piece is _PIECES[-1])
        elif data == "close":
            self.start_close(*_SERVER_CLOSE)
        else:
            self.send(data)

    def on_pong(self, data: bytes) -> None:
        if data == b"from the server":
            self.send("ponged")


# Clients of other libraries -------------------------------------------------------------------------------------------


class _Websockets:
    """The client of websockets for asyncio."""

    def __init__(self, ws: Any) -> None:
        self.ws = ws

    async def send(self, message: str | bytes) -> None:
        await self.ws.send(message)

    async def send_pieces(self, pieces: Sequence[str]) -> None:
        await self.ws.send(pieces)

    async def recv(self) -> Any:
        return await self.ws.recv()

    async def ping(self) -> None:
        """And wait for the pong."""
        await (await self.ws.ping())

    async def close(self, code: int, reason: str) -> None:
        await self.ws.close(code, reason)

    async def closed(self) -> tuple[int, str]:
        """What it is closed with."""
        await self.ws.wait_closed()
        return self.ws.close_code, self.ws.close_reason


@asynccontextmanager
async def _websockets(uri: str, compressed: bool) -> AsyncIterator[_Websockets]:
    how = "deflate" if compressed else None
    async with websockets.asyncio.client.connect(uri, compression=how, max_size=None) as ws:
        yield _Websockets(ws)


class _WebsocketsSync(_Websockets):
    """That without asyncio, in threads."""

    async def send(self, message: str | bytes) -> None:
        await asyncio.to_thread(self.ws.send, message)

    async def send_pieces(self, pieces: Sequence[str]) -> None:
        await asyncio.to_thread(self.ws.send, pieces)

    async def recv(self) -> Any:
        return await asyncio.to_thread(self.ws.recv, _PATIENCE)

    async def ping(self) -> None:
        assert await asyncio.to_thread(self.ws.ping().wait, _PATIENCE)

    async def close(self, code: int, reason: str) -> None:
        await asyncio.to_thread(self.ws.close, code, reason)

    async def closed(self) -> tuple[int, str]:
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            await self.recv()
        return self.ws.close_code, self.ws.close_reason


@asynccontextmanager
async def _websockets_sync(uri: str, compressed: bool) -> AsyncIterator[_WebsocketsSync]:
    how = "deflate" if compressed else None
    stack = ExitStack()

    def open_it() -> Any:
        return stack.enter_context(websockets.sync.client.connect(uri, compression=how, max_size=None))

    try:
        yield _WebsocketsSync(await asyncio.to_thread(open_it))
    finally:
        await asyncio.to_thread(stack.close)


class _Aiohttp:
    """Pings are answered here, so that pongs can be seen."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse | web.WebSocketResponse) -> None:
        self.ws = ws

    async def send(self, message: str | bytes) -> None:
        await (self.ws.send_str(message) if isinstance(message, str) else self.ws.send_bytes(message))

    async def send_pieces(self, pieces: Sequence[str]) -> None:
        """It makes no fragments."""
        await self.send("".join(pieces))

    async def _receive(self) -> aiohttp.WSMessage:
        while (message := await self.ws.receive()).type is aiohttp.WSMsgType.PING:
            await self.ws.pong(message.data)
        return message

    async def recv(self) -> Any:
        message = await self._receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return message.data

    async def ping(self) -> None:
        await self.ws.ping(b"data")
        message = await self._receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"data")

    async def close(self, code: int, reason: str) -> None:
        await self.ws.close(code=code, message=reason.encode())

    async def closed(self) -> tuple[int, str]:
        message = await self._receive()
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return message.data, message.extra or ""


@asynccontextmanager
async def _aiohttp(uri: str, compressed: bool) -> AsyncIterator[_Aiohttp]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(uri, compress=15 if compressed else 0, max_msg_size=0, autoping=False) as ws,
    ):
        yield _Aiohttp(ws)


class _WebsocketClient:
    """In threads; it does not compress."""

    def __init__(self, ws: websocket.WebSocket) -> None:
        self.ws = ws

    async def send(self, message: str | bytes) -> None:
        send: Any = self.ws.send if isinstance(message, str) else self.ws.send_binary
        await asyncio.to_thread(send, message)

    async def send_pieces(self, pieces: Sequence[str]) -> None:
        opcode = websocket.ABNF.OPCODE_TEXT
        for piece in pieces:
            frame = websocket.ABNF.create_frame(piece.encode(), opcode, int(piece is pieces[-1]))
            await asyncio.to_thread(self.ws.send_frame, frame)
            opcode = websocket.ABNF.OPCODE_CONT

    async def recv(self) -> Any:
        return await asyncio.to_thread(self.ws.recv)

    async def ping(self) -> None:
        self.ws.ping(b"data")
        received = await asyncio.to_thread(self.ws.recv_data, control_frame=True)
        assert received == (websocket.ABNF.OPCODE_PONG, b"data")

    async def close(self, code: int, reason: str) -> None:
        await asyncio.to_thread(self.ws.close, code, reason.encode())

    async def closed(self) -> tuple[int, str]:
        opcode, data = await asyncio.to_thread(self.ws.recv_data)
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        return struct.unpack("!H", data[:2])[0], data[2:].decode()


@asynccontextmanager
async def _websocket_client(uri: str, _: bool) -> AsyncIterator[_WebsocketClient]:
    ws = await asyncio.to_thread(websocket.create_connection, uri, timeout=_PATIENCE)
    try:
        yield _WebsocketClient(ws)
    finally:
        await asyncio.to_thread(ws.close)
        ws.shutdown()  # type: ignore[no-untyped-call]


class _Tornado:
    def __init__(self, ws: Any) -> None:
        self.ws = ws
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()
        ws.on_pong = self.pongs.put_nowait

    async def send(self, message: str | bytes) -> None:
        await self.ws.write_message(message, binary=isinstance(message, bytes))

    async def send_pieces(self, pieces: Sequence[str]) -> None:
        """It makes no fragments."""
        await self.send("".join(pieces))

    async def recv(self) -> Any:
        return await self.ws.read_message()

    async def ping(self) -> None:
        self.ws.ping(b"data")
        assert await self.pongs.get() == b"data"

    async def close(self, code: int, reason: str) -> None:
        self.ws.close(code, reason)
        assert await self.recv() is None

    async def closed(self) -> tuple[int, str]:
        assert await self.recv() is None
        return self.ws.close_code, self.ws.close_reason


@asynccontextmanager
async def _tornado(uri: str, compressed: bool) -> AsyncIterator[_Tornado]:
    ws = await tornado.websocket.websocket_connect(uri, compression_options={} if compressed else None)
    try:
        yield _Tornado(ws)
    finally:
        ws.close()


_clients = pytest.mark.parametrize(
    ("client", "compressed"),
    [
        (_websockets, False),
        (_websockets, True),
        (_websockets_sync, False),
        (_websockets_sync, True),
        (_aiohttp, False),
        (_aiohttp, True),
        (_websocket_client, False),
        (_tornado, False),
        (_tornado, True),
    ],
    ids=lambda each: each.__name__.strip("_") if callable(each) else "compressed" if each else "plain",
)
_handlers = pytest.mark.parametrize("handler", [_answer, _Answer], ids=["async", "callbacks"])


@asynccontextmanager
async def _connected(client: Any, compressed: bool, handler: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A client, and the endpoint of fastws that serves it."""
    async with (
        serve(handler, "127.0.0.1", 0, max_size=None) as server,
        client(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", compressed) as peer,
    ):
        (served,) = server.connections
        assert (served.connection.deflate is not None) == compressed
        yield peer, served


@_handlers
@_clients
@_in_loop
async def test_their_client_gets_its_messages_back(client: Any, compressed: bool, handler: Any) -> None:
    async with _connected(client, compressed, handler) as (peer, _):
        for message in _MESSAGES:
            await peer.send(message)
            assert await peer.recv() == message
        await peer.send_pieces(_PIECES)
        assert await peer.recv() == "".join(_PIECES)
        await peer.send("fragments")
        assert await peer.recv() == "".join(_PIECES)
        for i in range(100):
            await peer.send(str(i))
        assert [await peer.recv() for _ in range(100)] == [str(i) for i in range(100)]


@_handlers
@_clients
@_in_loop
async def test_pings_with_their_client(client: Any, compressed: bool, handler: Any) -> None:
    async with _connected(client, compressed, handler) as (peer, _):
        await peer.ping()
        await peer.send("ping")
        assert await peer.recv() == "ponged"


@_handlers
@_clients
@_in_loop
async def test_their_client_is_closed(client: Any, compressed: bool, handler: Any) -> None:
    async with _connected(client, compressed, handler) as (peer, served):
        await peer.send("close")
        assert await peer.closed() == _SERVER_CLOSE
        await _ended(served)
        assert served.connection.close_sent == Close(*_SERVER_CLOSE)
        # These two answer with a code of their own.
        answers = 1000 if client in (_aiohttp, _websocket_client) else 4001
        assert served.connection.close_code == answers
        assert not served.connection.peer_closed_first


@_handlers
@_clients
@_in_loop
async def test_their_client_closes(client: Any, compressed: bool, handler: Any) -> None:
    async with _connected(client, compressed, handler) as (peer, served):
        await peer.close(*_CLIENT_CLOSE)
        await _ended(served)
        assert served.connection.close_received == Close(*_CLIENT_CLOSE)
        assert served.connection.close_sent.code == 4002
        assert served.connection.peer_closed_first


async def _ended(served: Any) -> None:
    while served.state is not State.CLOSED:
        await asyncio.sleep(0.001)


# Servers of other libraries -------------------------------------------------------------------------------------------


@asynccontextmanager
async def _websockets_server(compressed: bool, closes: Any) -> AsyncIterator[int]:
    async def handle(ws: Any) -> None:
        try:
            await _answer(ws)
        except websockets.exceptions.ConnectionClosedError:
            pass
        finally:
            await closes.put((ws.close_code, ws.close_reason))

    how: Any = "deflate" if compressed else None
    async with websockets.asyncio.server.serve(handle, "127.0.0.1", 0, compression=how, max_size=None) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _aiohttp_server(compressed: bool, closes: Any) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=compressed, max_msg_size=0, autoping=False)
        await ws.prepare(request)
        async for message in ws:
            await _answer_by_aiohttp(_Aiohttp(ws), message)
        # It keeps no reason.
        await closes.put((ws.close_code, None))
        return ws

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _answer_by_aiohttp(peer: _Aiohttp, message: aiohttp.WSMessage) -> None:
    if message.type is aiohttp.WSMsgType.PING:
        await peer.ws.pong(message.data)
    elif message.type is aiohttp.WSMsgType.PONG:
        await peer.send("ponged")
    elif message.data == "ping":
        await peer.ws.ping(b"from the server")
    elif message.data == "fragments":
        await peer.send_pieces(_PIECES)
    elif message.data == "close":
        await peer.close(*_SERVER_CLOSE)
    else:
        await peer.send(message.data)


@asynccontextmanager
async def _tornado_server(compressed: bool, closes: Any) -> AsyncIterator[int]:
    class Handler(tornado.websocket.WebSocketHandler):
        def get_compression_options(self) -> dict[str, Any] | None:
            return {} if compressed else None

        async def on_message(self, message: str | bytes) -> None:
            if message == "ping":
                self.ping(b"from the server")
            elif message == "close":
                self.close(*_SERVER_CLOSE)
            else:
                answer = "".join(_PIECES) if message == "fragments" else message
                await self.write_message(answer, binary=isinstance(message, bytes))

        def on_pong(self, data: bytes) -> None:
            if data == b"from the server":
                self.write_message("ponged")

        def on_close(self) -> None:
            closes.put_nowait((self.close_code, self.close_reason))

    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Handler)]))
    server.add_sockets(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


_servers = pytest.mark.parametrize(
    "server",
    [_websockets_server, _aiohttp_server, _tornado_server],
    ids=lambda each: each.__name__.strip("_").removesuffix("_server"),
)
_compressions = pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])


@asynccontextmanager
async def _connection(server: Any, compressed: bool) -> AsyncIterator[tuple[Any, Any]]:
    """A client of fastws, and what the server will have been closed with."""
    closes: asyncio.Queue[Any] = asyncio.Queue()
    async with (
        server(compressed, closes) as port,
        connect(f"ws://127.0.0.1:{port}/", compression="deflate" if compressed else None, max_size=None) as ws,
    ):
        assert (ws.connection.deflate is not None) == compressed
        yield ws, closes


def _answered(server: Any) -> int:
    """The code with which a server answers 4002: one has a code of its own."""
    return 1000 if server is _aiohttp_server else 4002


@_compressions
@_servers
@_in_loop
async def test_their_server_sends_messages_back(server: Any, compressed: bool) -> None:
    async with _connection(server, compressed) as (ws, _):
        for message in _MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(_PIECES)
        assert await ws.recv() == "".join(_PIECES)
        await ws.send("fragments")
        assert await ws.recv() == "".join(_PIECES)
        for i in range(100):
            await ws.send(str(i))
        assert [await ws.recv() for _ in range(100)] == [str(i) for i in range(100)]


@_compressions
@_servers
@_in_loop
async def test_callbacks_with_their_server(server: Any, compressed: bool) -> None:
    received: asyncio.Queue[str | bytes] = asyncio.Queue()

    class Client(WebSocketProtocol):
        def on_message(self, data: str | bytes) -> None:
            received.put_nowait(data)

    closes: asyncio.Queue[Any] = asyncio.Queue()
    how = "deflate" if compressed else None
    async with server(compressed, closes) as port:
        ws = await connect(f"ws://127.0.0.1:{port}/", protocol=Client, compression=how, max_size=None)
        for message in _MESSAGES:
            ws.send(message)
        assert [await received.get() for _ in _MESSAGES] == _MESSAGES
        ws.start_close(*_CLIENT_CLOSE)
        await _ended(ws)
        assert ws.connection.close_code == _answered(server)
        assert (await closes.get())[0] == 4002


@_compressions
@_servers
@_in_loop
async def test_pings_with_their_server(server: Any, compressed: bool) -> None:
    async with _connection(server, compressed) as (ws, _):
        assert await (await ws.ping()) >= 0
        await ws.send("ping")
        assert await ws.recv() == "ponged"


@_compressions
@_servers
@_in_loop
async def test_their_server_closes(server: Any, compressed: bool) -> None:
    async with _connection(server, compressed) as (ws, _):
        await ws.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        await ws.wait_closed()
        assert (ws.close_code, ws.close_reason) == _SERVER_CLOSE
        assert caught.value.rcvd_then_sent


@_compressions
@_servers
@_in_loop
async def test_their_server_is_closed(server: Any, compressed: bool) -> None:
    async with _connection(server, compressed) as (ws, closes):
        await ws.close(*_CLIENT_CLOSE)
        assert (ws.state, ws.close_code) == (State.CLOSED, _answered(server))
        code, reason = await closes.get()
        assert code == 4002
        assert reason in (_CLIENT_CLOSE[1], *([None] if server is _aiohttp_server else []))
