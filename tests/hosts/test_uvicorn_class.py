"""``fastws.uvicorn.WebSocketProtocol``: uvicorn's own suite passes with it, and programs see no difference."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from archives import source_archive
from fastws import Opcode, Role, encode_frame, encode_message
from fastws.uvicorn import WebSocketProtocol
from suites import Run, run_pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path


@asynccontextmanager
async def served(app: Any, **settings: Any) -> AsyncIterator[str]:
    """The application under uvicorn, with our class unless told otherwise."""
    settings = {"ws": "fastws.uvicorn:WebSocketProtocol", "lifespan": "off", "log_level": "critical", **settings}
    server = uvicorn.Server(uvicorn.Config(app, port=0, **settings))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        await task


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "websocket"
    while True:
        event = await receive()
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif event["type"] == "websocket.disconnect":
            return
        elif "text" in event:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


class Recorder:
    """An application that accepts and writes down what it receives, and the event loop turns in which it could."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.gone = asyncio.Event()

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        while True:
            event = await receive()
            self.events.append(event)
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            elif event["type"] == "websocket.disconnect":
                self.gone.set()
                return


# uvicorn's own suite --------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_uvicorns_own_suite(tmp_path: Path) -> None:
    """Every test does with our class in the place of the default one what it does with that."""
    root = source_archive("uvicorn", tmp_path / "archive")
    # Beside the archive's own package, the installed one would not be found.
    (root / "tests").rename(tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    runs = {"theirs": Run(), "ours": Run(environment={"PYTEST_ADDOPTS": "-p uvicorn_plugin"})}
    tests = str(tmp_path / "tests" / "protocols" / "test_websocket.py")
    told = run_pytest(runs, tmp_path, ["-c", str(tmp_path / "pytest.ini"), "-k", "sansio", tests])
    outcomes = told["theirs"]["outcomes"]
    assert sum("call passed" in outcome for outcome in outcomes.values()) > 60
    pairs = [(test, done, told["ours"]["outcomes"].get(test)) for test, done in outcomes.items()]
    different = [pair for pair in pairs if pair[1] != pair[2]]
    # Some are skipped for the default class, which cannot do what they ask for.
    assert [pair for pair in different if pair[1:] != (["call skipped"], ["call passed"])] == []


# What that does not test ----------------------------------------------------------------------------------------------


def test_messages_of_one_read_are_answered_in_one_write() -> None:
    writes: list[int] = []

    class Counting(WebSocketProtocol):
        def connection_made(self, transport: Any) -> None:
            write = transport.write

            def counted(data: bytes) -> None:
                writes.append(len(data))
                write(data)

            transport.write = counted
            super().connection_made(transport)

    async def test() -> None:
        async with served(echo, ws=Counting, loop="asyncio") as url, connect(url, compression=None) as client:
            client.transport.write(b"".join([encode_message(f"{n}", Role.CLIENT) for n in range(20)]))
            assert [await client.recv() for _ in range(20)] == [str(n) for n in range(20)]

    run(test())
    # The answer to the handshake, the echoes, the close frame.
    assert len([size for size in writes if size > 4]) <= 3


def test_a_flood_pauses_reading() -> None:
    """An application that does not read makes the client wait, after the queue and the buffers of the system."""

    async def idle(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await let_go.wait()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    let_go = asyncio.Event()

    async def test() -> None:
        async with served(idle, ws_max_queue=4) as url, connect(url, compression=None) as client:
            flood = asyncio.create_task(send_many(client))
            done, _ = await asyncio.wait([flood], timeout=1)
            assert not done
            let_go.set()
            await flood

    async def send_many(client: ClientConnection) -> None:
        for _ in range(64):
            await client.send(bytes(1_000_000))

    run(test())


def test_an_application_that_never_waits_is_written_on() -> None:
    """What it sends does not pile up until it waits."""

    async def talk(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(20_000):
            await send({"type": "websocket.send", "text": f"{number:050}"})

    async def test() -> None:
        async with served(talk) as url, connect(url) as client:
            for number in range(20_000):
                assert int(await client.recv()) == number

    run(test())


@pytest.mark.parametrize("compression", ["deflate", None])
def test_every_kind_of_message(compression: str | None) -> None:
    messages: list[str | bytes] = ["", b"", "é", "中" * 100_000, bytes(500_000), "😀" * 30, b"\xff" * 126]

    async def test() -> None:
        async with served(echo) as url, connect(url, compression=compression, max_size=None) as client:
            assert client.response is not None
            agreed = client.response.headers.get("Sec-WebSocket-Extensions", "")
            assert agreed.startswith("permessage-deflate") == (compression is not None)
            for message in messages:
                await client.send(message)
                assert await client.recv() == message
            await client.send(["frag", "ments é", ""])
            assert await client.recv() == "fragments é"
            await (await client.ping())

    run(test())


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (encode_frame(Opcode.TEXT, b"\xff", key=b"abcd"), 1007),
        (encode_frame(Opcode.TEXT, b"x"), 1002),
        (encode_frame(Opcode.BINARY, bytes(2000), key=b"abcd"), 1009),
        (b"\x83\x80abcd", 1002),
    ],
)
def test_what_a_client_sends_wrong(raw: bytes, code: int) -> None:
    """The messages before it arrive, then the application and the client are told why."""
    recorder = Recorder()

    async def test() -> None:
        async with served(recorder, ws_max_size=1000) as url:
            client = await connect(url, compression=None)
            client.transport.write(encode_message("good", Role.CLIENT) + raw + encode_message("late", Role.CLIENT))
            with pytest.raises(ConnectionClosedError):
                await client.recv()
            assert client.close_code == code
            await recorder.gone.wait()

    run(test())
    assert [event["type"] for event in recorder.events] == [
        "websocket.connect",
        "websocket.receive",
        "websocket.disconnect",
    ]
    assert recorder.events[-1]["code"] == code


def test_a_lost_connection() -> None:
    recorder = Recorder()

    async def test() -> None:
        async with served(recorder) as url:
            client = await connect(url)
            await client.send("x")
            client.transport.abort()
            await recorder.gone.wait()

    run(test())
    assert recorder.events[-1] == {"type": "websocket.disconnect", "code": 1005}


def test_a_subprotocol_and_headers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"x-one", b"1"), (b"x-two", b"2")]
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][1], "headers": headers})
        await receive()

    async def test() -> None:
        protocols: Any = ["a", "b"]
        async with served(app) as url, connect(url, subprotocols=protocols) as client:
            assert client.subprotocol == "b"
            assert client.response is not None
            assert client.response.headers["X-One"] == "1"
            assert client.response.headers["X-Two"] == "2"
            assert client.response.headers["Server"] == "uvicorn"

    run(test())


def test_a_subprotocol_that_was_not_offered() -> None:
    """As with uvicorn's classes it is sent, and the client decides."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "mine"})
        await receive()

    async def answer(ws: str) -> str:
        async with served(app, ws=ws) as url:
            host, port = url.removeprefix("ws://").rstrip("/").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            writer.close()
            return head

    for ws in ("websockets-sansio", "fastws.uvicorn:WebSocketProtocol"):
        head = asyncio.run(asyncio.wait_for(answer(ws), 60))
        assert head.startswith("http/1.1 101")
        assert "sec-websocket-protocol: mine" in head


def test_a_denial_with_a_body() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-why", b"tea")]})
        await send({"type": "websocket.http.response.body", "body": b"short ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"and stout"})

    async def test() -> None:
        async with served(app) as url:
            with pytest.raises(InvalidStatus) as caught:
                await connect(url)
            response = caught.value.response
            assert (response.status_code, response.body, response.headers["X-Why"]) == (418, b"short and stout", "tea")

    run(test())


def test_shutdown_tells_both_sides() -> None:
    recorder = Recorder()

    async def test() -> None:
        async with served(recorder) as url:
            client = await connect(url)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1012

    run(test())
    assert recorder.events[-1] == {"type": "websocket.disconnect", "code": 1012}


def test_on_uvloop() -> None:
    async def test() -> None:
        async with served(echo) as url, connect(url) as client:
            for message in ("x", b"y", "é" * 100_000):
                await client.send(message)
                assert await client.recv() == message

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(test(), 60))
    finally:
        loop.close()


# What programs do that is not quite right, as uvicorn takes it --------------------------------------------------------

_BOTH = pytest.mark.parametrize("ws", ["websockets-sansio", "fastws.uvicorn:WebSocketProtocol"])


@_BOTH
def test_a_close_behind_the_clients_is_nothing(ws: str) -> None:
    """Many programs close when they are done, whoever was first; a message is too late."""
    said: list[str] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert await receive() == {"type": "websocket.disconnect", "code": 4000, "reason": "enough"}
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            said.append(type(error).__name__)
        await send({"type": "websocket.close", "code": 1000})
        said.append("closed")

    async def test() -> None:
        async with served(app, ws=ws) as url:
            client = await connect(url)
            await client.close(4000, "enough")
            assert client.close_code == 4000

    run(test())
    assert said == ["ClientDisconnected", "closed"]


@_BOTH
def test_a_subprotocol_among_the_headers(ws: str) -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"Sec-WebSocket-Protocol", b"b"), (b"x-one", b"1")]})
        await receive()

    async def test() -> None:
        protocols: Any = ["a", "b"]
        async with served(app, ws=ws) as url, connect(url, subprotocols=protocols) as client:
            assert client.subprotocol == "b"

    run(test())


def test_headers_that_cannot_be_sent() -> None:
    """The client is told something, too."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"upgrade", b"h2c")]})

    async def test() -> None:
        async with served(app) as url:
            with pytest.raises(InvalidStatus) as caught:
                await connect(url)
            assert caught.value.response.status_code == 500

    run(test())


def test_a_denial_without_a_body() -> None:
    """As the ASGI interface has it, ``body`` may be left out."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body"})

    async def test() -> None:
        async with served(app) as url:
            with pytest.raises(InvalidStatus) as caught:
                await connect(url)
            assert (caught.value.response.status_code, caught.value.response.body) == (404, b"")

    run(test())


def test_an_application_that_sends_for_ever_hears_of_the_end() -> None:
    made: list[WebSocketProtocol] = []
    ended: list[BaseException] = []

    class Noted(WebSocketProtocol):
        def connection_made(self, transport: Any) -> None:
            made.append(self)
            super().connection_made(transport)

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        made[0].transport.abort()
        try:
            for _ in range(100_000):
                await send({"type": "websocket.send", "text": "x" * 1000})
        except OSError as error:
            ended.append(error)

    async def test() -> None:
        async with served(app, ws=Noted) as url:
            client = await connect(url)
            await client.wait_closed()

    run(test())
    assert len(ended) == 1
