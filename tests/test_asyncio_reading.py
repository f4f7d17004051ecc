"""How the asyncio endpoints read: one buffer for all of a loop, and receivers that go on within the read."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import PATIENCE, Echo, contexts, echo, handlers, in_loop, raw_connection, uri_of
from fastws import Connection, Opcode, Role, encode_frame
from fastws.asyncio import WebSocket, WebSocketProtocol, connect, serve
from fastws.read_buffer import SIZE, read_buffer

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY = b"\x01\x02\x03\x04"


class _Transport:
    """What is written, and nothing else."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def _served(kind: Any) -> tuple[Any, _Transport]:
    """An endpoint of a server without a network, its handshake done."""
    endpoint = kind(Connection(Role.SERVER, max_message_size=None), ping_interval=None)
    transport = _Transport()
    endpoint.connection_made(transport)
    return endpoint, transport


def _frames(*messages: str) -> bytes:
    return b"".join(encode_frame(Opcode.TEXT, each.encode(), key=_KEY) for each in messages)


def _answers(*messages: str) -> bytes:
    return b"".join(encode_frame(Opcode.TEXT, each.encode()) for each in messages)


def _read(endpoint: Any, data: bytes) -> None:
    """As a transport does, which fills the buffer."""
    endpoint.get_buffer(-1)[: len(data)] = data
    endpoint.buffer_updated(len(data))


async def _next_turn(function: Callable[..., object], *arguments: Any) -> None:
    """Call it in the loop, as transports are, where no task is running."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def call() -> None:
        try:
            function(*arguments)
        except BaseException as error:
            done.set_exception(error)
            raise
        done.set_result(None)

    loop.call_soon(call)
    await done


@in_loop
async def test_endpoints_of_a_loop_share_a_buffer() -> None:
    one, _ = _served(Echo)
    other, _ = _served(WebSocket)
    loop = asyncio.get_running_loop()
    assert one.get_buffer(-1) is other.get_buffer(1) is read_buffer(loop)
    assert len(read_buffer(loop)) == SIZE
    second = asyncio.new_event_loop()
    assert read_buffer(second) is not read_buffer(loop)
    second.close()


@in_loop
async def test_what_is_read_in_pieces_outlives_the_buffer() -> None:
    text = "schön 你好 😀" * 20
    frame = _frames(text)
    for cut in range(1, len(frame)):
        one, written = _served(Echo)
        other, theirs = _served(Echo)
        _read(one, frame[:cut])
        _read(other, _frames("x" * 2000))
        _read(one, frame[cut:])
        assert (written.written, theirs.written) == ([_answers(text)], [_answers("x" * 2000)])


@handlers
@in_loop
async def test_a_handshake_in_pieces_outlives_the_buffer(handler: Any) -> None:
    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        first_reader, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgr")
        second_reader, second = await raw_connection(server)
        second.write(_frames("x" * 5000))
        assert await second_reader.readexactly(5004) == _answers("x" * 5000)
        first.write(b"ade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        first.write(_frames("a"))
        assert (await first_reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await first_reader.readexactly(3) == _answers("a")
        first.close()
        second.close()


@handlers
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@in_loop
async def test_reads_as_large_as_the_buffer(handler: Any, secure: bool) -> None:
    theirs, ours = contexts() if secure else (None, None)
    sent = [bytes([i]) * n for i, n in enumerate((SIZE - 4, SIZE, SIZE + 1, 3 * SIZE))]
    async with serve(handler, "localhost", 0, ssl=theirs, max_size=None, compression=None) as server:
        uri = uri_of(server).replace("ws://127.0.0.1", "wss://localhost" if secure else "ws://127.0.0.1")
        async with connect(uri, ssl=ours, max_size=None, compression=None) as ws:
            for message in sent:
                await ws.send(message)
            for message in sent:
                assert await ws.recv() == message


# A receiver goes on within the read -----------------------------------------------------------------------------------


async def _echo_by_recv(ws: WebSocket) -> None:
    while True:
        await ws.send(await ws.recv())


@pytest.mark.parametrize("handler", [echo, _echo_by_recv], ids=["async for", "recv"])
@in_loop
async def test_answers_are_written_when_the_read_is_done(handler: Any) -> None:
    ws, transport = _served(WebSocket)
    task = asyncio.create_task(handler(ws))
    await asyncio.sleep(0)
    for _ in range(3):
        transport.written.clear()
        await _next_turn(_read, ws, _frames("a"))
        # Before the loop has come round, and in one piece.
        assert transport.written == [_answers("a")]
        transport.written.clear()
        await _next_turn(_read, ws, _frames("a", "b", "c"))
        assert transport.written == [_answers("a", "b", "c")]
    task.cancel()


@in_loop
async def test_a_pong_and_an_answer_go_out_together() -> None:
    ws, transport = _served(WebSocket)
    task = asyncio.create_task(echo(ws))
    await asyncio.sleep(0)
    await _next_turn(_read, ws, encode_frame(Opcode.PING, b"data", key=_KEY) + _frames("a"))
    assert transport.written == [encode_frame(Opcode.PONG, b"data") + _answers("a")]
    task.cancel()


@in_loop
async def test_it_goes_on_in_the_next_turn_where_a_task_is_running() -> None:
    """As when a task closes TLS, which reads what is left."""
    ws, transport = _served(WebSocket)
    task = asyncio.create_task(echo(ws))
    await asyncio.sleep(0)
    _read(ws, _frames("a", "b"))
    assert transport.written == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert b"".join(transport.written) == _answers("a", "b")
    task.cancel()


@in_loop
async def test_a_task_keeps_its_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen = []

    async def receive(ws: WebSocket) -> None:
        variable.set("of the task")
        async for _ in ws:
            seen.append((variable.get(), asyncio.current_task()))  # noqa: PERF401 - one by one

    ws, _ = _served(WebSocket)
    task = asyncio.create_task(receive(ws))
    await asyncio.sleep(0)
    await _next_turn(_read, ws, _frames("a", "b"))
    assert seen == [("of the task", task)] * 2
    assert variable.get() == "none"
    task.cancel()


@in_loop
async def test_a_task_of_another_kind() -> None:
    """asyncio has one in Python."""
    loop = asyncio.get_running_loop()
    ws, transport = _served(WebSocket)
    other: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined] # noqa: SLF001
    task = other(echo(ws), loop=loop)
    await asyncio.sleep(0)
    for _ in range(3):
        await _next_turn(_read, ws, _frames("a", "b"))
        await asyncio.sleep(0)
    assert b"".join(transport.written) == _answers("a", "b") * 3
    task.cancel()
    await asyncio.sleep(0)


@in_loop
async def test_a_future_of_another_kind() -> None:
    """asyncio has one in Python, which it takes where nothing compiles."""
    ws, transport = _served(WebSocket)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "Future", asyncio.futures._PyFuture)  # type: ignore[attr-defined] # noqa: SLF001
        task = asyncio.create_task(echo(ws))
        await asyncio.sleep(0)
        for _ in range(3):
            transport.written.clear()
            await _next_turn(_read, ws, _frames("a", "b"))
            assert transport.written == [_answers("a", "b")]
        task.cancel()
        await asyncio.sleep(0)


_INTERRUPTED = """
import asyncio, sys
from fastws.asyncio import connect, serve

async def handler(ws):
    await ws.recv()
    raise {fault}

async def main():
    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{{port}}/", proxy=None) as ws:
            await ws.send("x")
            await ws.wait_closed()

async def limited():
    await asyncio.wait_for(main(), {patience})

try:
    if {loop_name!r} == "uvloop":
        import uvloop
        uvloop.run(limited())
    else:
        asyncio.run(limited())
except KeyboardInterrupt:
    sys.exit(42)
"""


@pytest.mark.parametrize("fault", ["KeyboardInterrupt", "SystemExit(42)"])
@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_an_interrupt_ends_the_loop(fault: str, loop_name: str) -> None:
    """Wherever the task goes on, as anywhere else in a task."""
    program = _INTERRUPTED.format(fault=fault, patience=PATIENCE, loop_name=loop_name)
    done = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=5 * PATIENCE
    )
    assert done.returncode == 42, done.stderr


@in_loop
async def test_a_receiver_cancelled_before_and_after_a_read() -> None:
    ws, _ = _served(WebSocket)
    for is_told in (False, True):
        receiver = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        if is_told:
            _read(ws, _frames("a"))
            receiver.cancel()
        else:
            receiver.cancel()
            _read(ws, _frames("a"))
        with pytest.raises(asyncio.CancelledError):
            await receiver
        assert await ws.recv() == "a"


# What is gathered for one write ---------------------------------------------------------------------------------------


async def _send_much(ws: Any) -> None:
    await ws.recv()
    for _ in range(1000):
        await ws.send("x" * 1000)


class _SendMuch(WebSocketProtocol):
    def on_message(self, data: str | bytes) -> None:  # noqa: ARG002
        for _ in range(1000):
            self.send("x" * 1000)


@pytest.mark.parametrize("handler", [_send_much, _SendMuch], ids=["async", "callbacks"])
@in_loop
async def test_short_messages_are_not_gathered_without_end(handler: Any) -> None:
    ws, transport = _served(handler if isinstance(handler, type) else WebSocket)
    if not isinstance(handler, type):
        task = asyncio.create_task(handler(ws))
        await asyncio.sleep(0)
    await _next_turn(_read, ws, _frames("go"))
    assert max(map(len, transport.written)) < 70_000
    assert b"".join(transport.written) == _answers("x" * 1000) * 1000
    if not isinstance(handler, type):
        await task


@in_loop
async def test_a_broadcast_within_a_read_goes_out_once() -> None:
    from fastws.asyncio import broadcast

    class Room(WebSocketProtocol):
        members: Any = ()

        def on_message(self, data: str | bytes) -> None:
            broadcast(self.members, data)

    one, ours = _served(Room)
    other, theirs = _served(Room)
    one.members = [one, other]
    await _next_turn(_read, one, _frames("a", "b", "c"))
    assert ours.written == [_answers("a", "b", "c")]
    await asyncio.sleep(0)
    assert b"".join(theirs.written) == _answers("a", "b", "c")
    # The first at once, and the others when the loop comes round.
    assert len(theirs.written) == 2
