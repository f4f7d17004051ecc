"""aiohttp's client and server over real sockets: the same conversations, plain and accelerated."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, ClientTimeout, WSMsgType, web

import fastws.hosts
from oracles import frame
from recording import failure
from traffic import BINARY, CLOSE, CONT, PING, TEXT
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.usefixtures("adapted")


LATIN = "plain text with an é in it. " * 300
LONG = "中文é" * 60_000

MESSAGES: list[str | bytes] = [
    "",
    "x",
    "héllo",
    b"",
    b"\xff\x00",
    "x" * 125,
    "x" * 126,
    "é" * 8192,
    "é" * 8193,
    LATIN,
    LATIN.encode(),
    "x" * 65_536,
    LONG,
    LONG.encode(),
    "after",
]

# What a peer sends once the handshake is done.
TRAFFIC: dict[str, bytes] = {
    "messages": frame(TEXT, b"a", KEY) + frame(BINARY, b"\xff", KEY) + frame(TEXT, LATIN.encode(), KEY),
    "without mask": frame(TEXT, b"a") + frame(TEXT, LATIN.encode()) + frame(TEXT, LONG.encode()) + frame(TEXT, b"b"),
    "fragments": frame(0x01, LATIN.encode(), KEY) + frame(PING, b"?", KEY) + frame(CONT, LATIN.encode(), KEY),
    "large": frame(TEXT, LONG.encode(), KEY) + frame(TEXT, b"b", KEY),
    "invalid text": frame(TEXT, b"a", KEY) + frame(TEXT, b"\xff", KEY) + frame(TEXT, b"b", KEY),
    "invalid large text": frame(TEXT, b"a", KEY) + frame(TEXT, LATIN.encode() + b"\xff", KEY) + frame(TEXT, b"b", KEY),
    "invalid text of several reads": frame(TEXT, LONG.encode() + b"\xff", KEY) + frame(TEXT, b"b", KEY),
    "reserved bit": frame(TEXT, LATIN.encode(), KEY) + frame(0xC1, b"x", KEY),
    "reserved opcode": frame(TEXT, LATIN.encode(), KEY) + frame(0x83, b"x", KEY),
    "too large": frame(TEXT, LATIN.encode(), KEY) + frame(TEXT, bytes(2**20), KEY),
    "nothing to continue": frame(CONT, LATIN.encode(), KEY),
    "close": frame(TEXT, LATIN.encode(), KEY) + frame(CLOSE, b"\x0f\xa0bye", KEY) + frame(TEXT, b"b", KEY),
    "bad close code": frame(CLOSE, b"\x03\xec", KEY),
    "end in a header": frame(TEXT, LATIN.encode(), KEY) + b"\x81",
    "end in a frame": frame(TEXT, LATIN.encode(), KEY) + frame(TEXT, LONG.encode(), KEY)[:70_000],
}


def told(message: Any) -> Any:
    """A message as plain values."""
    data = failure(message.data) if isinstance(message.data, BaseException) else message.data
    return type(message).__name__, message.type, type(message.data).__name__, data, message.extra


async def everything(websocket: Any) -> list[Any]:
    """All that an endpoint receives, and how it ended."""
    received = [told(message) async for message in websocket]
    return [*received, websocket.close_code, failure(websocket.exception()), websocket.closed]


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server on a port of its own; yields its URL."""
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(total=60)) as opened:
        yield opened


def compare(conversation: Callable[[], Awaitable[Any]]) -> Any:
    """Hold a conversation plain and accelerated."""

    async def run() -> Any:
        return await asyncio.wait_for(conversation(), 120)

    fastws.hosts.restore()
    plain = asyncio.run(run())
    with fastws.hosts.accelerated("aiohttp"):
        assert asyncio.run(run()) == plain
    return plain


@pytest.mark.parametrize("decode_text", [True, False])
@pytest.mark.parametrize("compress", [0, 15])
def test_echo(compress: int, decode_text: bool) -> None:
    async def conversation() -> Any:
        ends = []

        async def handler(request: web.Request) -> web.StreamResponse:
            websocket = web.WebSocketResponse(compress=bool(compress), heartbeat=30, decode_text=decode_text)
            await websocket.prepare(request)
            async for message in websocket:
                if message.type is WSMsgType.TEXT:
                    text = message.data if isinstance(message.data, str) else message.data.decode()
                    await websocket.send_str(text)
                else:
                    await websocket.send_bytes(message.data)
            ends.append((websocket.close_code, websocket.closed))
            return websocket

        received = []
        async with serving(handler) as url, session() as opened:
            websocket = await opened.ws_connect(url, compress=compress, heartbeat=30, decode_text=decode_text)
            for data in MESSAGES:
                await (websocket.send_str(data) if isinstance(data, str) else websocket.send_bytes(data))
                received.append(told(await websocket.receive(timeout=60)))
            for data in MESSAGES:
                await (websocket.send_str(data) if isinstance(data, str) else websocket.send_bytes(data))
            received += [told(await websocket.receive()) for _ in MESSAGES]
            await websocket.ping(b"?")
            await websocket.send_json({"é": LATIN})
            received.append(await websocket.receive_json())
            await websocket.close(code=4000, message=b"bye")
            received.append((websocket.close_code, failure(websocket.exception())))
        return received, ends

    received, ends = compare(conversation)
    expected = [data.encode() if isinstance(data, str) and not decode_text else data for data in MESSAGES]
    assert [message[3] for message in received[:-2]] == expected * 2
    assert received[-2:] == [{"é": LATIN}, (1000, None)]
    assert ends == [(4000, True)]


@pytest.mark.parametrize("text", ["\ud800", "a" * 5000 + "\udfff", 1, b"bytes", None])
def test_what_is_no_text(text: Any) -> None:
    async def conversation() -> Any:
        outcomes = []

        async def attempt(websocket: Any) -> None:
            try:
                outcomes.append(await websocket.send_str(text))
            except Exception as error:
                outcomes.append(failure(error))

        async def handler(request: web.Request) -> web.StreamResponse:
            websocket = web.WebSocketResponse()
            await attempt(websocket)
            await websocket.prepare(request)
            await attempt(websocket)
            await websocket.close()
            return websocket

        async with serving(handler) as url, session() as opened, opened.ws_connect(url) as websocket:
            await attempt(websocket)
            outcomes.append(await everything(websocket))
        return outcomes

    compare(conversation)


def accept_value(key: str) -> str:
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()  # noqa: S324


async def send_slowly(writer: asyncio.StreamWriter, stream: bytes) -> None:
    """Send a stream in pieces that mostly arrive in reads of their own, and no more of it."""
    for start in range(0, len(stream), 50_000):
        writer.write(stream[start : start + 50_000])
        await writer.drain()
        await asyncio.sleep(0)
    writer.write_eof()


@pytest.mark.parametrize("stream", TRAFFIC.values(), ids=TRAFFIC)
def test_what_a_server_makes_of_traffic(stream: bytes) -> None:
    """Also the bytes that it answers with."""

    async def conversation() -> Any:
        received: list[Any] = []

        async def handler(request: web.Request) -> web.StreamResponse:
            websocket = web.WebSocketResponse(max_msg_size=2**20, autoclose=True, timeout=60)
            await websocket.prepare(request)
            received.append(await everything(websocket))
            return websocket

        async with serving(handler) as url:
            host, port = url.removeprefix("http://").removesuffix("/").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            key = base64.b64encode(bytes(16)).decode()
            lines = [
                "GET / HTTP/1.1",
                f"Host: {host}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Version: 13",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert accept_value(key).encode() in head
            # The server may be gone before it has read everything.
            with suppress(ConnectionError):
                await send_slowly(writer, stream)
            answer = bytearray()
            with suppress(ConnectionError):
                while piece := await reader.read(2**16):
                    answer += piece
            writer.close()
        return received, answer

    compare(conversation)


@pytest.mark.parametrize("stream", TRAFFIC.values(), ids=TRAFFIC)
def test_what_a_client_makes_of_traffic(stream: bytes) -> None:
    async def conversation() -> Any:
        finished = asyncio.Event()

        async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            (key,) = [
                line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key")
            ]
            lines = [
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Sec-WebSocket-Accept: {accept_value(key)}",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            with suppress(ConnectionError):
                await send_slowly(writer, stream)
                await reader.read()
            writer.close()
            finished.set()

        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, session() as opened:
            async with opened.ws_connect(f"http://127.0.0.1:{port}/", max_msg_size=2**20) as websocket:
                received = await everything(websocket)
            await finished.wait()
        return received

    compare(conversation)
