"""Who receives when, and what may be sent: calls within an iteration, fragments, kinds of data, broadcasts."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import Echo, echo, in_loop, raw_connection, uri_of
from fastws.asyncio import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    broadcast,
    connect,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def three(ws: Any) -> None:
    """Messages that wait for nobody."""
    for message in "abc":
        await ws.send(message)
    await ws.wait_closed()


# Receiving ------------------------------------------------------------------------------------------------------------


@in_loop
async def test_receive_within_an_iteration() -> None:
    async def pairs(ws: Any) -> None:
        async for first in ws:
            await ws.send(first + await ws.recv() + "".join([part async for part in ws.recv_streaming()]))

    async with serve(pairs, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        for message in ("a", "b", "c", "d", "e", "f"):
            await ws.send(message)
        assert [await ws.recv(), await ws.recv()] == ["abc", "def"]


@in_loop
async def test_receive_after_an_iteration() -> None:
    async with serve(three, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        async for message in ws:
            assert message == "a"
            break
        assert await ws.recv() == "b"
        async for message in ws:
            assert message == "c"
            break


@in_loop
async def test_nobody_receives_while_an_iteration_waits() -> None:
    async def iterate() -> None:
        got.extend([message async for message in ws])

    got: list[str] = []
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        iteration = asyncio.create_task(iterate())
        await asyncio.sleep(0)
        for receive in (ws.recv(), anext(aiter(ws)), anext(ws.recv_streaming())):
            with pytest.raises(ConcurrencyError):
                await receive
        await ws.send("x")
        await (await ws.ping())
    await iteration
    assert got == ["x"]


@in_loop
async def test_the_rest_of_a_message_is_left_to_the_next_call() -> None:
    async def send(ws: Any) -> None:
        assert await ws.recv() == "streaming"
        for _ in range(3):
            await ws.send(["a", "b", "c"])
        await ws.wait_closed()

    async with serve(send, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        first = ws.recv_streaming()
        waiting = asyncio.create_task(anext(first))
        await asyncio.sleep(0)
        await ws.send("streaming")
        assert await waiting == "a"
        with pytest.raises(ConcurrencyError):
            await ws.recv()
        await first.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(first)
        assert await ws.recv() == "bc"
        async for part in ws.recv_streaming():
            assert part == "a"
            break
        assert [part async for part in ws.recv_streaming()] == ["b", "c"]
        assert await ws.recv() == "abc"


@in_loop
async def test_a_receiver_of_fragments_is_cancelled() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        waiting = asyncio.create_task(anext(ws.recv_streaming()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await ws.send("x")
        assert await ws.recv() == "x"


@in_loop
async def test_fragments_that_end_inside_a_code_point() -> None:
    """With ``decode=True`` bytes are one text, wherever they are cut."""
    text = "grüße 漢字 🎉"

    async def send(ws: Any) -> None:
        assert await ws.recv() == "go"
        await ws.send([bytes([byte]) for byte in text.encode()])
        await ws.send([text])
        await ws.wait_closed()

    async with serve(send, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        stream = ws.recv_streaming(decode=True)
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        await ws.send("go")
        parts = [await first, *[part async for part in stream]]
        assert "".join(parts) == text
        assert len(parts) == len(text.encode())
        assert b"".join([part async for part in ws.recv_streaming(decode=False)]) == text.encode()


@in_loop
async def test_bytes_that_are_no_text() -> None:
    async def send(ws: Any) -> None:
        await ws.send(b"ok\xff")
        with pytest.raises(ConnectionClosedError, match=r"^received 1007 \(invalid start byte at position 2\); "):
            await ws.recv()

    async with serve(send, "127.0.0.1", 0) as server:
        for stream in (False, True):
            ws = await connect(uri_of(server))
            with pytest.raises(ConnectionClosedError) as caught:
                await (anext(ws.recv_streaming(decode=True)) if stream else ws.recv(decode=True))
            assert isinstance(caught.value.__cause__, UnicodeDecodeError)
            assert ws.close_code == 1007


async def _receive(ws: Any, how: str, got: list[str]) -> None:
    """One message, or more; what is there of it when this is cancelled must not be lost either."""
    if how == "recv":
        got.append(await ws.recv())
    elif how == "iteration":
        async for message in ws:
            got.append(message)
            if len(got) % 3 == 0:
                return
    else:
        async for part in ws.recv_streaming():
            got.append(part)  # noqa: PERF401 - each is kept when this is cancelled


@pytest.mark.parametrize("how", ["recv", "iteration", "streaming"])
@pytest.mark.parametrize("max_queue", [1, None])
@in_loop
async def test_cancelled_at_any_step(how: str, max_queue: int | None) -> None:
    """After any number of turns of the loop: every message comes, once and in order."""

    async def send(ws: Any) -> None:
        for i in range(200):
            # Alone, in fragments, in one read with others, and in reads of their own.
            await ws.send([f"{i}", "."] if i % 3 else f"{i}.")
            if i % 5 == 0:
                await asyncio.sleep(0)
        await ws.wait_closed()

    async with serve(send, "127.0.0.1", 0) as server, connect(uri_of(server), max_queue=max_queue) as ws:
        got: list[str] = []
        tries = 0
        while "".join(got).count(".") < 200:
            receiving = asyncio.create_task(_receive(ws, how, got))
            tries += 1
            for _ in range(tries % 7):
                await asyncio.sleep(0)
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await receiving
        assert "".join(got) == "".join([f"{i}." for i in range(200)])


# Sending --------------------------------------------------------------------------------------------------------------


@in_loop
async def test_fragments_of_an_async_iterable_go_out_at_once() -> None:
    answered = asyncio.Event()

    async def fragments() -> AsyncIterator[str]:
        for fragment in "abc":
            answered.clear()
            yield fragment
            await answered.wait()

    async with serve(three, "127.0.0.1", 0, compression=None) as server:
        reader, writer = await raw_connection(server)
        (ws,) = server.connections
        await reader.readexactly(9)
        sending = asyncio.create_task(ws.send(fragments()))
        for header, fragment in ((0x01, b"a"), (0x00, b"b"), (0x00, b"c")):
            assert await reader.readexactly(3) == bytes([header, 1]) + fragment
            answered.set()
        assert await reader.readexactly(2) == b"\x80\x00"
        await sending
        writer.close()


@in_loop
async def test_nothing_of_the_callers_buffers_is_kept() -> None:
    def chunks() -> Any:
        buffer = bytearray(4)
        for i in range(5):
            buffer[:] = bytes([i]) * 4
            yield memoryview(buffer)[: i + 1] if i < 4 else buffer

    async def chunks_as_they_come() -> AsyncIterator[Any]:
        for chunk in chunks():
            yield chunk

    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        for fragments in (chunks(), chunks_as_they_come()):
            await ws.send(fragments)
            assert await ws.recv() == b"\x00\x01\x01\x02\x02\x02\x03\x03\x03\x03\x04\x04\x04\x04"


@in_loop
async def test_fragments_as_text_or_bytes() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        await ws.send([bytes([byte]) for byte in "ü漢".encode()], text=True)
        assert await ws.recv() == "ü漢"
        await ws.send(["ü", "漢"], text=False)
        assert await ws.recv() == "ü漢".encode()
        await ws.send([bytearray(b"a"), memoryview(b"b"), b"c"])
        assert await ws.recv() == b"abc"


@pytest.mark.parametrize(
    ("fragments", "text", "error"),
    [
        (["a", "b", b"c"], None, TypeError),
        ([b"a", b"b", "c"], None, TypeError),
        (["a", "b", 3], None, TypeError),
        ([b"a", b"b", b"\xff"], True, UnicodeDecodeError),
        ([b"a", b"b", "ü".encode()[:1]], True, UnicodeDecodeError),
    ],
)
@in_loop
async def test_fragments_that_cannot_be_sent(fragments: list[Any], text: bool | None, error: type[Exception]) -> None:
    """What was sent of the message cannot be taken back, so the connection is closed."""

    async def as_they_come() -> AsyncIterator[Any]:
        for fragment in fragments:
            yield fragment

    async with serve(echo, "127.0.0.1", 0) as server:
        for message in (fragments, as_they_come()):
            ws = await connect(uri_of(server))
            with pytest.raises(error):
                await ws.send(message, text=text)
            with pytest.raises(ConnectionClosedError, match=r"sent 1011 \(error in fragmented message\)$"):
                await ws.send("x")
            await ws.close()


@in_loop
async def test_the_first_fragment_is_wrong() -> None:
    """Nothing was sent, so nothing has happened."""
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        for wrong in ([5], [None, "a"], {"a": 1}, collections.UserDict(a=1), 5, None):
            with pytest.raises(TypeError):
                await ws.send(wrong)
        await ws.send("x")
        assert await ws.recv() == "x"


@in_loop
async def test_what_pings_carry() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        for data in ("ü", b"bytes", bytearray(b"array"), memoryview(b"view"), b"", None):
            await (await ws.ping(data))
            if data is not None:
                await ws.pong(data)
        for wrong in (5, [1], {"a": 1}):
            with pytest.raises(TypeError):
                await ws.ping(wrong)
            with pytest.raises(TypeError):
                await ws.pong(wrong)
        with pytest.raises(TypeError):
            await ws.pong(None)
        with pytest.raises(ValueError, match="0 to 125 bytes"):
            await ws.ping("x" * 126)
        assert ws.latency >= 0


# Broadcasts -----------------------------------------------------------------------------------------------------------


@in_loop
async def test_kinds_of_broadcasts() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        clients = [await connect(uri_of(server), compression=each) for each in (None, "deflate")]
        for message in ("text", b"bytes", bytearray(b"array"), memoryview(b"view")):
            broadcast(server.connections, message)
            want = message if isinstance(message, str) else bytes(message)
            assert [await ws.recv() for ws in clients] == [want] * 2
        for given, text, want in (("ü", False, "ü".encode()), ("ü".encode(), True, "ü"), ("ü", True, "ü")):
            for long in (1, 100):
                broadcast(server.connections, given * long, text=text)
                assert [await ws.recv() for ws in clients] == [want * long] * 2
        for wrong in (5, [1], None, ["a"]):
            with pytest.raises(TypeError):
                broadcast(server.connections, wrong)  # type: ignore[arg-type]
        for ws in clients:
            await ws.close()


@in_loop
async def test_broadcasts_do_not_go_between_fragments(caplog: pytest.LogCaptureFixture) -> None:
    go_on = asyncio.Event()

    async def fragments() -> AsyncIterator[str]:
        yield "a"
        await go_on.wait()

    async with serve(echo, "127.0.0.1", 0) as server:
        busy, free = await connect(uri_of(server)), await connect(uri_of(server))
        sending = asyncio.create_task(busy.send(fragments()))
        while not busy.connection.is_sending_fragments:
            await asyncio.sleep(0)
        with caplog.at_level(logging.WARNING):
            broadcast([busy, free], "b")
        assert [record.message for record in caplog.records] == [
            "not broadcast to one: ConcurrencyError: the fragments of another message are being sent"
        ]
        with pytest.raises(Exception, match=r"not broadcast to all|fragments of another message") as caught:
            broadcast([busy, free], "c", raise_exceptions=True)
        assert type(caught.value).__name__ == ("ExceptionGroup" if sys.version_info >= (3, 11) else "ConcurrencyError")
        go_on.set()
        await sending
        assert [await free.recv(), await free.recv(), await busy.recv()] == ["b", "c", "a"]
        await busy.close()
        await free.close()


@in_loop
async def test_broadcasts_to_callbacks() -> None:
    async with serve(Echo, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        broadcast(server.connections, b"text", text=True)
        assert await ws.recv() == "text"


# The end --------------------------------------------------------------------------------------------------------------


@in_loop
async def test_code_and_reason() -> None:
    async def leave(ws: Any) -> None:
        await ws.close(4001, "bye")

    async def drop(ws: Any) -> None:
        ws.abort()

    for handler, code, reason in ((leave, 4001, "bye"), (drop, 1006, "")):
        async with serve(handler, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
            with pytest.raises(ConnectionClosed) as caught:
                await ws.recv()
            assert (caught.value.code, caught.value.reason) == (code, reason)


@in_loop
async def test_what_the_connection_was_lost_by() -> None:
    async def drop(ws: Any) -> None:
        sock = ws.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.abort()

    async with serve(drop, "127.0.0.1", 0) as server, connect(uri_of(server)) as ws:
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert caught.value.__cause__.__traceback__ is None


@in_loop
async def test_an_iteration_ends_as_the_connection_does() -> None:
    async with serve(three, "127.0.0.1", 0) as server:
        ws = await connect(uri_of(server))
        server.close()
        messages = [message async for message in ws]
        assert messages == list("abc")[: len(messages)]
        with pytest.raises(ConnectionClosedOK):
            await ws.recv()
        with contextlib.suppress(ConnectionClosedOK):
            await anext(ws.recv_streaming())
