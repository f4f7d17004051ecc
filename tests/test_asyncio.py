"""The asyncio endpoints over real sockets of this machine: both APIs, closing, limits, backpressure, and peers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect as websockets_connect
from websockets.asyncio.server import serve as websockets_serve

from endpoints import PATIENCE, contexts, echo, handlers, in_loop, raw_connection, uri_of
from fastws import HandshakeError, Message, MessageDecoder, Role, State, encode_frame, encode_message
from fastws.asyncio import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidStatus,
    WebSocket,
    WebSocketProtocol,
    broadcast,
    connect,
    serve,
)
from fastws.handshake import Headers, Response
from oracles import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_MESSAGES: list[str | bytes] = ["", b"", "text", b"bytes", "schön 你好 😀" * 1000, noise(70_000), "x" * 10**6]


# Messages -------------------------------------------------------------------------------------------------------------


@handlers
@pytest.mark.parametrize("compression", [None, "deflate"])
@in_loop
async def test_echo(handler: Any, compression: str | None) -> None:
    async with serve(handler, "127.0.0.1", 0, compression=compression) as server:
        async with connect(uri_of(server), compression=compression) as ws:
            assert (ws.connection.deflate is not None) == (compression is not None)
            for message in _MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            for message in _MESSAGES:
                await ws.send(message)
            assert [await ws.recv() for _ in _MESSAGES] == _MESSAGES
        assert (ws.state, ws.close_code, ws.close_reason) == (State.CLOSED, 1000, "")


@handlers
@in_loop
async def test_many_at_once(handler: Any) -> None:
    async with serve(handler, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        messages = [str(i) for i in range(5000)]

        async def send() -> None:
            for message in messages:
                await ws.send(message)

        sender = asyncio.create_task(send())
        assert [await ws.recv() for _ in messages] == messages
        await sender


@in_loop
async def test_recv_decodes_as_told() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        await ws.send("schön")
        assert await ws.recv(decode=False) == "schön".encode()
        await ws.send(b"bytes")
        assert await ws.recv(decode=True) == "bytes"
        await ws.send(b"text", text=True)
        assert await ws.recv() == "text"
        await ws.send("bytes", text=False)
        assert await ws.recv() == b"bytes"
        for wrong in (None, 5, {"a": 1}):
            with pytest.raises(TypeError):
                await ws.send(wrong)


@in_loop
async def test_fragments() -> None:
    """Iterables go out in fragments, and come in as they come; or joined, for who does not ask."""

    async def fragments() -> AsyncIterator[str]:
        yield "schö"
        yield ""
        yield "n"

    async def stream(ws: Any) -> None:
        parts = [part async for part in ws.recv_streaming()]
        await ws.send(repr(parts))
        await echo(ws)

    async with serve(stream, "127.0.0.1", 0, compression=None) as server, connect(uri_of(server)) as ws:
        await ws.send(fragments())
        assert await ws.recv() == "['schö', '', 'n', '']"
        await ws.send([b"a", b"b"])
        assert await ws.recv() == b"ab"
        await ws.send(iter([]))
        await ws.send(["alone"])
        assert await ws.recv() == "alone"
        with pytest.raises(TypeError, match="fragment"):
            await ws.send(["a", 1])


@in_loop
async def test_messages_wait_for_the_end_of_fragments() -> None:
    go_on = asyncio.Event()

    async def fragments() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        await go_on.wait()
        yield "c"

    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        first = asyncio.create_task(ws.send(fragments()))
        second = asyncio.create_task(ws.send("after"))
        answered = await ws.ping()
        await answered
        assert not second.done()
        go_on.set()
        await asyncio.gather(first, second)
        assert [await ws.recv(), await ws.recv()] == ["abc", "after"]


@in_loop
async def test_a_cancelled_call_loses_nothing() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        for i in range(50):
            receiver = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            await ws.send(str(i))
            for _ in range(i % 5):
                await asyncio.sleep(0)
            if receiver.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await receiver
                assert await ws.recv() == str(i)
            else:
                assert receiver.result() == str(i)


@in_loop
async def test_one_receiver_at_a_time() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        receiver = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencyError):
            await ws.recv()
        await ws.send("x")
        assert await receiver == "x"


@in_loop
async def test_broadcast() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        clients = [await connect(uri_of(server), compression=each) for each in (None, "deflate", None)]
        await clients[2].close()
        for message in ("to all " * 20, b"bytes"):
            broadcast(server.connections, message)
            assert [await ws.recv() for ws in clients[:2]] == [message] * 2
        for ws in clients[:2]:
            await ws.close()


# Pings ----------------------------------------------------------------------------------------------------------------


@in_loop
async def test_ping() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        first, second = await ws.ping(), await ws.ping("data")
        with pytest.raises(ConcurrencyError):
            await ws.ping(b"data")
        latency = await second
        assert first.done()
        assert latency >= 0
        assert ws.latency == latency
        await ws.pong()


@in_loop
async def test_keepalive() -> None:
    """Pings go out by themselves; a peer that does not answer is dropped with 1011."""

    async def slow(ws: Any) -> None:
        await ws.wait_closed()

    async with serve(slow, "127.0.0.1", 0, ping_interval=0.01, ping_timeout=PATIENCE) as server:
        async with connect(uri_of(server), ping_interval=None) as ws:
            (other,) = server.connections
            while not other.latency:
                await asyncio.sleep(0.01)
        # One that speaks the protocol and then goes silent.
        data = b""
        async with serve(slow, "127.0.0.1", 0, ping_interval=0.01, ping_timeout=0.05) as strict:
            silent, silent_writer = await raw_connection(strict)
            while piece := await silent.read(1000):
                data += piece
            silent_writer.close()
        events = MessageDecoder(Role.CLIENT, max_message_size=None).feed(data)
        assert type(events[0]).__name__ == "Ping"
        assert (events[-1].code, events[-1].reason) == (1011, "keepalive ping timeout")  # type: ignore[union-attr]
        assert ws.close_code == 1000


# Closing --------------------------------------------------------------------------------------------------------------


@in_loop
async def test_the_client_closes() -> None:
    ended: asyncio.Future[ConnectionClosed] = asyncio.get_running_loop().create_future()

    async def handler(ws: Any) -> None:
        try:
            await ws.recv()
        except ConnectionClosed as error:
            ended.set_result(error)

    async with serve(handler, "127.0.0.1", 0) as server:
        ws = await connect(uri_of(server))
        await ws.close(4000, "bye")
        error = await ended
        assert isinstance(error, ConnectionClosedError)
        assert str(error) == "received 4000 (bye); sent 4000"
        assert error.rcvd_then_sent is True
        assert (ws.close_code, ws.close_reason) == (4000, "")
        for call in (ws.send("x"), ws.recv(), ws.ping(), ws.pong()):
            with pytest.raises(ConnectionClosedError, match=r"^received 4000; sent 4000 \(bye\)$"):
                await call
        await ws.close()


@in_loop
async def test_the_server_closes() -> None:
    """By returning, by failing, and by a call; an iteration ends quietly where that was as it should be."""

    async def handler(ws: Any) -> None:
        how = ws.request.path
        if how == "/fails":
            raise RuntimeError("on purpose")
        if how == "/closes":
            await ws.close(1001, "away")
        await ws.send("last")

    async with serve(handler, "127.0.0.1", 0) as server:
        async with connect(uri_of(server, "/returns")) as ws:
            assert [message async for message in ws] == ["last"]
            assert ws.close_code == 1000
            with pytest.raises(ConnectionClosedOK):
                await ws.recv()
        async with connect(uri_of(server, "/closes")) as ws:
            assert [message async for message in ws] == []
            assert (ws.close_code, ws.close_reason) == (1001, "away")
        async with connect(uri_of(server, "/fails")) as ws:
            with pytest.raises(ConnectionClosedError, match=r"^received 1011; sent 1011$"):
                await ws.recv()


@in_loop
async def test_the_server_shuts_down() -> None:
    server = await serve(echo, "127.0.0.1", 0)
    ws = await connect(uri_of(server))
    half = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    await ws.send("x")
    assert await ws.recv() == "x"
    assert server.is_serving()
    server.close()
    await server.wait_closed()
    assert not server.is_serving()
    with pytest.raises(ConnectionClosedOK, match=r"^received 1001; sent 1001$"):
        await ws.recv()
    assert await half[0].read() == b""
    half[1].close()


@in_loop
async def test_messages_before_a_close_are_received() -> None:
    async def handler(ws: Any) -> None:
        for i in range(100):
            await ws.send(str(i))

    async with serve(handler, "127.0.0.1", 0) as server:
        ws = await connect(uri_of(server), max_queue=4)
        await asyncio.sleep(0.05)
        assert [message async for message in ws] == [str(i) for i in range(100)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode_frame(1, b"unmasked"), 1002),
        (encode_frame(1, b"\xff", key=b"1234"), 1007),
        (encode_frame(2, bytes(2000), key=b"1234"), 1009),
        (encode_frame(2, b"x", rsv1=True, key=b"1234"), 1002),
    ],
)
@in_loop
async def test_a_peer_that_breaks_the_rules(data: bytes, code: int) -> None:
    """It reads why, though what it has sent behind that is never read."""
    async with serve(echo, "127.0.0.1", 0, max_size=1000) as server:
        reader, writer = await raw_connection(server)
        writer.write(encode_message("good", Role.CLIENT) + data + bytes(500_000))
        events = MessageDecoder(Role.CLIENT, max_message_size=None).feed(await reader.read())
        writer.close()
        assert events[0] == Message("good")
        assert events[1].code == code  # type: ignore[union-attr]


@in_loop
async def test_a_peer_that_does_not_close() -> None:
    """It is dropped when its time is over, on either side."""
    async with serve(echo, "127.0.0.1", 0, close_timeout=0.05) as server:
        reader, writer = await raw_connection(server)
        (ws,) = server.connections
        await ws.close()
        assert ws.close_code == 1006
        assert await reader.read() == b"\x88\x02\x03\xe8"
        writer.close()


@in_loop
async def test_a_peer_that_goes_away() -> None:
    lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(ws: Any) -> None:
        try:
            await ws.recv()
        except ConnectionClosedError as error:
            lost.set_result((str(error), ws.close_code))
            raise

    async with serve(handler, "127.0.0.1", 0) as server:
        _, writer = await raw_connection(server)
        writer.transport.abort()
        assert await lost == ("no close frame received; no close frame sent", 1006)


# Backpressure ---------------------------------------------------------------------------------------------------------


@in_loop
async def test_a_slow_receiver_slows_the_sender() -> None:
    """What waits on both sides is bounded, and everything arrives in the end."""
    release = asyncio.Event()
    received = 0

    async def handler(ws: Any) -> None:
        nonlocal received
        await release.wait()
        async for _ in ws:
            received += 1

    async with serve(handler, "127.0.0.1", 0, max_queue=4, compression=None) as server:
        async with connect(uri_of(server), compression=None) as ws:
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(1000):
                    await ws.send(bytes(100_000))
                    sent += 1

            sender = asyncio.create_task(send())
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.2)
            assert sent < 500
            (other,) = server.connections
            assert len(other._queue) < 20  # noqa: SLF001 - there is no other way to see it
            release.set()
            await sender
        await other.wait_closed()
        assert received == 1000


@in_loop
async def test_callbacks_are_told_to_pause() -> None:
    class Flood(WebSocketProtocol):
        paused = resumed = 0

        def on_open(self) -> None:
            self.pump()

        def pump(self) -> None:
            for _ in range(1000):
                if self.paused > self.resumed or self.paused >= 3:
                    break
                self.send(bytes(100_000))

        def on_pause(self) -> None:
            type(self).paused += 1

        def on_resume(self) -> None:
            type(self).resumed += 1
            self.pump()
            if self.paused >= 3:
                self.start_close()

    async with serve(Flood, "127.0.0.1", 0, compression=None) as server, connect(uri_of(server)) as ws:
        count = len([message async for message in ws])
        assert count >= 3
        assert Flood.paused >= 3


# Handshakes -----------------------------------------------------------------------------------------------------------


@in_loop
async def test_process_request_and_subprotocol() -> None:
    async def process_request(ws: Any, request: Any) -> Response | None:
        if request.path == "/healthz":
            return ws.respond(200, "OK\n")  # type: ignore[no-any-return]
        if request.path == "/old":
            return Response(302, "", Headers([("Location", "/new")]))
        if request.path == "/loop":
            return Response(302, "", Headers([("Location", "/loop")]))
        if request.path == "/fails":
            raise RuntimeError("on purpose")
        return None

    def select(_: WebSocket, subprotocols: list[str]) -> str | None:
        return subprotocols[-1] if subprotocols else None

    options: dict[str, Any] = {"process_request": process_request, "select_subprotocol": select}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        async with connect(uri_of(server, "/old"), subprotocols=["a", "b"]) as ws:
            assert (ws.subprotocol, ws.request.path, ws.response.status) == ("b", "/new", 101)
        for path, status in (("/healthz", 200), ("/fails", 500)):
            with pytest.raises(InvalidStatus) as caught:
                await connect(uri_of(server, path))
            assert caught.value.response.status == status
            assert caught.value.response.body
        with pytest.raises(HandshakeError, match="redirects"):
            await connect(uri_of(server, "/loop"))


@in_loop
async def test_what_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uri = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(asyncio.TimeoutError, match=r"^no WebSocket within 0\.\d+ seconds$"):
            await connect(uri, open_timeout=0.05)
    with pytest.raises(OSError, match=r".*"):
        await connect(uri)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 101 \r\n\r\n", b"HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n", b"SSH-2.0\r\n\r\n"],
    ids=["no key", "status", "no HTTP"],
)
@in_loop
async def test_a_refused_connection_is_dropped(answer: bytes) -> None:
    """By the client at once, also where the server leaves it open."""
    made = []

    class Client(WebSocketProtocol):
        def connection_made(self, transport: Any) -> None:
            made.append(transport)
            super().connection_made(transport)

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await over.wait()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    over, left = asyncio.Event(), asyncio.Event()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        with pytest.raises(HandshakeError):
            await connect(uri_of(server), protocol=Client)
        assert [transport.is_closing() for transport in made] == [True]
        over.set()
        await left.wait()


@in_loop
async def test_a_client_that_never_asks() -> None:
    async with serve(echo, "127.0.0.1", 0, open_timeout=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


@in_loop
async def test_connect_again() -> None:
    visits = 0

    async def handler(ws: Any) -> None:
        nonlocal visits
        visits += 1
        await ws.send(str(visits))

    async with serve(handler, "127.0.0.1", 0) as server:
        async for ws in connect(uri_of(server), reconnect_delays=lambda: iter([0.0] * 9)):
            if await ws.recv() == "3":
                break
        await ws.close()
    assert visits == 3


@in_loop
async def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with serve(echo, path=path), connect("ws://localhost/", path=path) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


@handlers
@in_loop
async def test_tls(handler: Any) -> None:
    server_context, client_context = contexts()
    async with serve(handler, "localhost", 0, ssl=server_context) as server:
        uri = f"wss://localhost:{server.sockets[0].getsockname()[1]}"
        async with connect(uri, ssl=client_context) as ws:
            for message in _MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
        with pytest.raises(ssl.SSLError):
            await connect(uri)


# Peers ----------------------------------------------------------------------------------------------------------------


@handlers
@in_loop
async def test_websockets_as_the_client(handler: Any) -> None:
    async with serve(handler, "127.0.0.1", 0) as server, websockets_connect(uri_of(server)) as ws:
        for message in _MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["frag", "ments"])
        assert await ws.recv() == "fragments"
        await (await ws.ping())
        await ws.close(4000, "bye")
        assert ws.close_code == 4000


@in_loop
async def test_websockets_as_the_server() -> None:
    async with websockets_serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        assert ws.connection.deflate is not None
        for message in _MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["frag", "ments"])
        assert await ws.recv() == "fragments"
        await (await ws.ping())
