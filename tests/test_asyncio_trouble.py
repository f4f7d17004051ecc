"""The asyncio endpoints in trouble: slow, half-closed and silent peers, calls that are cancelled, shutdowns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import PATIENCE, contexts, echo, handlers, in_loop, raw_connection, uri_of
from fastws import Close, Message, MessageDecoder, Role, State, encode_frame, encode_message
from fastws.asyncio import ConnectionClosed, ConnectionClosedError, InvalidStatus, connect, serve
from fastws.handshake import accept_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastws.handshake import Response

_BIG = bytes(100_000)


def _decoded(data: bytes, role: Role = Role.CLIENT) -> list[Any]:
    return list(MessageDecoder(role, max_message_size=None).feed(data))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def _steady(value: Callable[[], Any]) -> None:
    """Until it has not changed for a while; where that comes too early, the test only sees less."""
    before = None
    while before != (before := value()):
        await asyncio.sleep(0.1)


class _RawServer:
    """A server that makes the handshake and does nothing by itself then."""

    def __init__(self) -> None:
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self._met = asyncio.Event()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
        answer = "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
        writer.write(answer.format(accept_key(key)).encode())
        self.reader, self.writer = reader, writer
        self._met.set()

    async def __aenter__(self) -> _RawServer:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=1000)
        return self

    async def connect(self, **options: Any) -> Any:
        options.setdefault("compression", None)
        ws = await connect(uri_of(self._server), **options)
        await self._met.wait()
        return ws

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self._met.is_set():
            self.writer.transport.abort()


# Slow peers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["messages", "fragments"])
@in_loop
async def test_a_peer_that_does_not_read(kind: str) -> None:
    """What waits for it is bounded; others are not slowed; when it reads, it gets everything."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(400):
            yield _BIG
            sent += 1

    async def handler(ws: Any) -> None:
        if ws.request.path == "/echo":
            await echo(ws)
        elif kind == "fragments":
            await ws.send(pieces())
        else:
            async for piece in pieces():
                await ws.send(piece)

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        reader, writer = await raw_connection(server, limit=1000)
        (ws,) = server.connections
        await _steady(lambda: sent)
        assert sent < 300
        assert ws.transport.get_write_buffer_size() < 32_768 + 2 * len(_BIG)
        async with connect(uri_of(server, "/echo")) as other:
            await other.send("x")
            assert await other.recv() == "x"
        decoder = MessageDecoder(Role.CLIENT, max_message_size=None)
        events: list[Any] = []
        while not events or type(events[-1]) is not Close:
            events += decoder.feed(await reader.read(10**6))
        writer.close()
        assert sum(len(event.data) for event in events[:-1]) == 400 * len(_BIG)
        assert events[-1].code == 1000


@handlers
@in_loop
async def test_a_peer_that_writes_byte_by_byte(handler: Any) -> None:
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        reader, writer = await raw_connection(server)
        for byte in encode_message("slow", Role.CLIENT) + encode_message(Close(1000), Role.CLIENT):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert _decoded(await reader.read()) == [Message("slow"), Close(1000)]
        writer.close()


@in_loop
async def test_a_client_whose_server_does_not_read() -> None:
    async with _RawServer() as server:
        ws = await server.connect(ping_interval=None, close_timeout=0.05)
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await ws.send(_BIG)
                sent += 1

        sender = asyncio.create_task(send())
        await _steady(lambda: sent)
        assert ws.transport.get_write_buffer_size() < 32_768 + 2 * len(_BIG)
        # Even so it can be closed, by force.
        await ws.close()
        assert ws.close_code == 1006
        with pytest.raises(ConnectionClosedError):
            await sender


# Peers that are gone, by half or in silence ---------------------------------------------------------------------------


@handlers
@in_loop
async def test_a_peer_that_pings_and_does_not_read(handler: Any) -> None:
    """Its pongs do not fill the memory; once it reads, its last ping is answered."""
    async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.1) as server:
        reader, writer = await raw_connection(server)
        transport: Any = writer.transport
        transport.pause_reading()
        pings = encode_frame(9, bytes(125), key=b"key!") * 1000
        websocket = next(iter(server.connections))
        buffered = websocket.transport.get_write_buffer_size
        while buffered() == 0:
            writer.write(pings)
            await writer.drain()
        most = buffered()
        for _ in range(50):
            writer.write(pings)
            await writer.drain()
            most = max(most, buffered())
        # What one read brings may be answered; it is 262,144 bytes at most.
        assert most < 1_000_000
        writer.write(encode_frame(9, b"last", key=b"key!"))
        transport.resume_reading()
        while not (await reader.read(65_536)).endswith(b"\x8a\x04last"):
            pass
        transport.abort()


@in_loop
async def test_a_client_that_half_closes() -> None:
    """What it sent before is received; the rest of the connection is given up."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(ws: Any) -> None:
        got = [await ws.recv(), await ws.recv()]
        await ws.wait_closed()
        for call in (ws.recv(), ws.send("x"), ws.ping()):
            with pytest.raises(ConnectionClosedError, match="no close frame received"):
                await call
        ended.set_result((got, ws.state, ws.close_code))

    async with serve(handler, "127.0.0.1", 0) as server:
        reader, writer = await raw_connection(server)
        writer.write(encode_message("a", Role.CLIENT) + encode_message("b", Role.CLIENT))
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert await ended == (["a", "b"], State.CLOSED, 1006)


@in_loop
async def test_a_server_that_half_closes() -> None:
    async with _RawServer() as server:
        ws = await server.connect()
        server.writer.write(encode_message("last", Role.SERVER) + encode_frame(1, b"cut off", fin=False))
        server.writer.write_eof()
        assert await ws.recv() == "last"
        with pytest.raises(ConnectionClosedError, match=r"^no close frame received; no close frame sent$"):
            await ws.recv()
        assert ws.close_code == 1006


@in_loop
async def test_an_end_of_tls_without_a_close() -> None:
    theirs, ours = contexts()
    async with serve(echo, "localhost", 0, ssl=theirs) as server:
        ws = await connect(f"wss://localhost:{server.sockets[0].getsockname()[1]}", ssl=ours)
        (other,) = server.connections
        await ws.send("x")
        assert await ws.recv() == "x"
        ws.abort()
        await asyncio.gather(ws.wait_closed(), other.wait_closed())
        assert (ws.close_code, other.close_code) == (1006, 1006)


@in_loop
async def test_a_server_that_goes_silent() -> None:
    async with _RawServer() as server:
        ws = await server.connect(ping_interval=0.01, ping_timeout=0.05)
        with pytest.raises(
            ConnectionClosedError, match=r"^no close frame received; sent 1011 \(keepalive ping timeout\)$"
        ):
            await ws.recv()
        assert ws.close_code == 1006


@in_loop
async def test_a_receiver_slower_than_the_keepalive() -> None:
    """A pong that waits behind messages that nobody has taken yet is in time."""
    async with _RawServer() as server:
        ws = await server.connect(ping_interval=0.05, ping_timeout=0.05, close_timeout=0.05, max_queue=1)
        server.writer.write(encode_frame(1, "?") * 3)
        await _until(lambda: ws.connection.state is State.OPEN and not ws.transport.is_reading())
        pings: list[Any] = []
        decoder = MessageDecoder(Role.SERVER, max_message_size=None)
        while not pings:
            pings += decoder.feed(await server.reader.read(1000))
        server.writer.write(encode_frame(10, pings[0].data))
        # Several times as long as it may take to answer.
        await asyncio.sleep(0.2)
        assert ws.state is State.OPEN
        assert [await ws.recv() for _ in range(3)] == ["?"] * 3
        await _until(lambda: ws.latency > 0)
        await ws.close()


@in_loop
async def test_a_server_that_goes_silent_and_does_not_read() -> None:
    """The ping cannot even be written."""
    async with _RawServer() as server:
        ws = await server.connect(ping_interval=0.2, ping_timeout=0.05, close_timeout=0.05)
        with pytest.raises(ConnectionClosedError):
            await ws.send([_BIG] * 10_000)
        await ws.wait_closed()
        assert (ws.close_code, ws.connection.close_sent.code) == (1006, 1011)


# Cancelled calls ------------------------------------------------------------------------------------------------------


async def _cancelled(task: asyncio.Task[Any]) -> None:
    assert task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@in_loop
async def test_recv_cancelled_within_a_message() -> None:
    """Its fragments stay, for the next call."""
    async with _RawServer() as server:
        ws = await server.connect()
        server.writer.write(encode_frame(1, b"first ", fin=False))
        ws.connection.streaming = True
        for _ in range(3):
            receiver = asyncio.create_task(ws.recv())
            server.writer.write(encode_frame(0, b"more ", fin=False))
            await asyncio.sleep(0.01)
            await _cancelled(receiver)
        server.writer.write(encode_frame(0, b"last") + encode_message("next", Role.SERVER))
        assert await ws.recv() == "first more more more last"
        assert await ws.recv() == "next"


@in_loop
async def test_send_cancelled_while_it_waits_for_the_peer() -> None:
    """The message is on its way, once and whole."""
    async with _RawServer() as server:
        ws = await server.connect(ping_interval=None, close_timeout=PATIENCE)
        senders: list[asyncio.Task[None]] = []
        while not senders or senders[-1].done():
            senders.append(asyncio.create_task(ws.send(len(senders).to_bytes(2, "big") + _BIG)))
            await asyncio.sleep(0.001)
        await _cancelled(senders[-1])
        closer = asyncio.create_task(ws.close())
        decoder = MessageDecoder(Role.SERVER, max_message_size=None)
        events: list[Any] = []
        while not events or type(events[-1]) is not Close:
            events += decoder.feed(await server.reader.read(10**6))
        server.writer.write(encode_message(Close(1000), Role.SERVER))
        server.writer.close()
        await closer
        assert [int.from_bytes(event.data[:2], "big") for event in events[:-1]] == list(range(len(senders)))


@in_loop
async def test_send_cancelled_while_it_waits_for_another() -> None:
    """It is not sent at all, and what it waited for is not harmed."""
    go_on = asyncio.Event()

    async def pieces() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        await go_on.wait()
        yield "c"

    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        first = asyncio.create_task(ws.send(pieces()))
        await asyncio.sleep(0)
        second = asyncio.create_task(ws.send("cancelled"))
        await asyncio.sleep(0)
        await _cancelled(second)
        go_on.set()
        await first
        await ws.send("after")
        assert [await ws.recv(), await ws.recv()] == ["abc", "after"]


@in_loop
async def test_fragments_cancelled_in_the_middle() -> None:
    """A message cannot be taken back: the connection fails, and says why. Where none was sent, it goes on."""

    async def pieces(count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield "piece"
        await asyncio.Event().wait()

    async with serve(echo, "127.0.0.1", 0) as server:
        ws = await connect(uri_of(server))
        for count in (0, 1):
            sender = asyncio.create_task(ws.send(pieces(count)))
            await asyncio.sleep(0.01)
            await _cancelled(sender)
            assert (ws.state is State.OPEN) == (count < 1)
        with pytest.raises(ConnectionClosedError, match=r"sent 1011 \(error in fragmented message\)$"):
            await ws.send("x")
        await ws.wait_closed()


@in_loop
async def test_ping_and_close_cancelled() -> None:
    async with _RawServer() as server:
        ws = await server.connect(close_timeout=None)
        answered = await ws.ping(b"1")
        await _cancelled(asyncio.ensure_future(_awaited(answered)))
        second = await ws.ping(b"2")
        server.writer.write(encode_frame(10, b"2") + encode_message("kept", Role.SERVER))
        assert await second >= 0
        for call in (ws.close(4000, "once"), ws.close(4001), ws.wait_closed()):
            task = asyncio.create_task(call)
            await asyncio.sleep(0)
            await _cancelled(task)
        assert ws.state is State.CLOSING
        server.writer.write(encode_message("late", Role.SERVER) + encode_message(Close(4000), Role.SERVER))
        server.writer.close()
        assert [await ws.recv(), await ws.recv()] == ["kept", "late"]
        await ws.wait_closed()
        events = _decoded(await server.reader.read(), Role.SERVER)
        assert [event.data for event in events[:-1]] == [b"1", b"2"]
        assert (events[-1].code, events[-1].reason) == (4000, "once")


async def _awaited(future: Any) -> Any:
    return await future


@in_loop
async def test_connect_cancelled_at_any_step() -> None:
    """No connection is left behind."""
    async with serve(echo, "127.0.0.1", 0) as server:
        opened = steps = 0
        while not opened:
            task = asyncio.create_task(_awaited(connect(uri_of(server))))
            for _ in range(steps):
                await asyncio.sleep(0)
            steps += 1
            if task.done():
                opened += 1
                await task.result().close()
            else:
                task.cancel()
                done, _ = await asyncio.wait([task])
                if not task.cancelled():
                    # Up to 3.11, `wait_for` gives what it has, where that comes first.
                    await done.pop().result().close()
        assert steps > 3
        await _until(lambda: not server._connections)  # noqa: SLF001 - those in the handshake, too


# Shutdowns ------------------------------------------------------------------------------------------------------------


@in_loop
async def test_a_shutdown_waits_for_handlers() -> None:
    finish = asyncio.Event()
    ended: list[str] = []

    async def handler(ws: Any) -> None:
        try:
            async for _ in ws:
                pass
        except ConnectionClosed:
            pytest.fail("1001 is as it should be")
        await finish.wait()
        ended.append(str(ws.close_code))

    server = await serve(handler, "127.0.0.1", 0)
    clients = [await connect(uri_of(server)) for _ in range(3)]
    server.close(reason="restart")
    waiting = asyncio.create_task(server.wait_closed())
    await asyncio.gather(*[ws.wait_closed() for ws in clients])
    assert {(ws.close_code, ws.close_reason) for ws in clients} == {(1001, "restart")}
    assert not waiting.done()
    finish.set()
    await waiting
    assert ended == ["1001"] * 3
    assert not server.connections


@in_loop
async def test_a_shutdown_that_leaves_connections_open() -> None:
    server = await serve(echo, "127.0.0.1", 0)
    ws = await connect(uri_of(server))
    server.close(close_connections=False)
    waiting = asyncio.create_task(server.wait_closed())
    await _until(lambda: not server.is_serving())
    await ws.send("still here")
    assert await ws.recv() == "still here"
    assert not waiting.done()
    await ws.close()
    await waiting
    assert ws.close_code == 1000


@in_loop
async def test_a_shutdown_refuses_who_is_not_in_yet() -> None:
    asked = asyncio.Event()

    async def never(*_: Any) -> Response | None:
        asked.set()
        await asyncio.Event().wait()
        return None

    server = await serve(echo, "127.0.0.1", 0, process_request=never)
    client = asyncio.create_task(_awaited(connect(uri_of(server))))
    await asked.wait()
    server.close()
    with pytest.raises(InvalidStatus, match="503"):
        await client
    await server.wait_closed()


@in_loop
async def test_who_goes_away_while_its_request_is_processed() -> None:
    asked = asyncio.Event()
    given_up = asyncio.Event()

    async def never(*_: Any) -> Response | None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.set()
            raise
        return None

    async with serve(echo, "127.0.0.1", 0, process_request=never) as server:
        client = asyncio.create_task(_awaited(connect(uri_of(server))))
        await asked.wait()
        await _cancelled(client)
        await given_up.wait()


@in_loop
async def test_a_shutdown_with_a_client_that_does_not_answer() -> None:
    async with serve(echo, "127.0.0.1", 0, close_timeout=0.05) as server:
        reader, writer = await raw_connection(server)
    (close,) = _decoded(await reader.read())
    assert close.code == 1001
    writer.close()
