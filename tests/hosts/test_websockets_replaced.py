"""websockets while somebody else has a hand in it: plain against accelerated.

Methods, modules and random sources that a program or a test has replaced, a connection that begins to close while a
message is being sent, exceptions met within the handling of others, views of odd formats, copies of a reader.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import secrets
import socket
import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import websockets.asyncio.connection
import websockets.frames
import websockets.protocol
import websockets.sync.connection
import websockets.sync.messages
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from oracles import frame
from recording import called, failure, told
from scripted_websockets import same
from traffic import BINARY, CLOSE, TEXT
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("adapted")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class _Transport:
    """A transport in memory; ``meanwhile`` happens within the next write."""

    def __init__(self, meanwhile: Callable[[Any, _Transport], None] | None = None) -> None:
        self.written: list[bytes] = []
        self.closing = False
        self.connection: Any = None
        self._meanwhile = meanwhile

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile(self.connection, self)

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True
        asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.written.append(b"EOF")

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, *limits: Any) -> None: ...


async def _sent(
    protocol: Protocol, meanwhile: Callable[[Any, _Transport], None] | None = None, extension: Any = None
) -> Any:
    """What a message that is sent with asyncio ends in."""
    connection: Any = websockets.asyncio.connection.Connection(protocol, close_timeout=0.05)
    transport: Any = _Transport(meanwhile)
    transport.connection = connection
    connection.connection_made(transport)
    if extension is not None:
        protocol.extensions = [extension(protocol)]
    try:
        result: Any = await asyncio.wait_for(connection.send("x"), 2)
    except Exception as error:
        result = type(error), str(error), failure(error.__cause__), type(error.__context__)
    return result, transport.written, protocol.state, connection.close_deadline is None


class _Closing(Protocol):
    """A protocol with a last word."""

    def send_text(self, data: Any, fin: Any = True) -> None:
        super().send_text(data, fin)
        self.send_close(1000)


class _Expecting(Protocol):
    """A protocol that counts how often it was asked."""

    asked = 0

    def close_expected(self) -> bool:
        self.asked += 1
        return super().close_expected()


class _Failing:
    """An extension that fails the connection when it encodes a text, and may raise then."""

    name = "failing"

    def __init__(self, protocol: Protocol, error: Exception | None = None) -> None:
        self._protocol, self._error = protocol, error

    def encode(self, frame: Frame) -> Frame:
        if frame.opcode is Opcode.TEXT:
            self._protocol.fail(1011, "no")
            if self._error is not None:
                raise self._error
        return frame


# Sending --------------------------------------------------------------------------------------------------------------


def test_asyncio_a_protocol_that_closes_with_the_message() -> None:
    same(lambda: asyncio.run(_sent(_Closing(SERVER))))


@pytest.mark.parametrize("error", [None, ValueError("bad")], ids=repr)
def test_asyncio_an_extension_that_fails_the_connection(error: Exception | None) -> None:
    same(lambda: asyncio.run(_sent(Protocol(SERVER), extension=lambda protocol: _Failing(protocol, error))))


def test_asyncio_what_a_protocol_expects() -> None:
    async def run() -> Any:
        protocol = _Expecting(SERVER)
        return await _sent(protocol), protocol.asked

    same(lambda: asyncio.run(run()))


def _lost(connection: Any, transport: _Transport) -> None:
    transport.closing = True
    connection.connection_lost(None)


def _lost_by_error(connection: Any, transport: _Transport) -> None:
    transport.closing = True
    connection.connection_lost(OSError("gone"))


def _closed_by_peer(connection: Any, transport: _Transport) -> None:
    transport.closing = True
    connection.data_received(frame(CLOSE, b"\x03\xe8", KEY))
    asyncio.get_running_loop().call_soon(connection.connection_lost, None)


def _paused_and_lost(connection: Any, transport: _Transport) -> None:
    connection.pause_writing()
    _lost(connection, transport)


def _raising(connection: Any, transport: _Transport) -> None:
    _closed_by_peer(connection, transport)
    raise OSError(32, "broken")


@pytest.mark.parametrize("meanwhile", [_lost, _lost_by_error, _closed_by_peer, _paused_and_lost, _raising])
def test_asyncio_the_connection_changes_within_a_write(meanwhile: Callable[[Any, _Transport], None]) -> None:
    same(lambda: asyncio.run(_sent(Protocol(SERVER), meanwhile)))


@pytest.mark.parametrize("name", ["drain", "send_context"])
def test_asyncio_a_method_replaced_on_a_connection(name: str) -> None:
    async def run() -> Any:
        connection: Any = websockets.asyncio.connection.Connection(Protocol(SERVER))
        transport: Any = _Transport()
        connection.connection_made(transport)
        wrapper = mock.Mock(wraps=getattr(connection, name))
        setattr(connection, name, wrapper)
        await connection.send("x")
        await connection.send(b"y")
        return wrapper.call_count, transport.written

    assert same(lambda: asyncio.run(run()))[0] == 2


def _sent_by_thread(protocol: Protocol, extension: Any = None, *, raises: bool = False) -> Any:
    """What a message that is sent with threads ends in.

    Args:
        raises: whether sending fails. Then the host's other thread may send what was made before, or be too late.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        connection = websockets.sync.connection.Connection(ours, protocol, close_timeout=0.05)
        if extension is not None:
            protocol.extensions = [extension(protocol)]
        try:
            connection.send("x")
            result: Any = None
        except Exception as error:
            result = type(error), str(error), failure(error.__cause__)
        deadline = connection.close_deadline is None
        free = connection.protocol_mutex.acquire(blocking=False)
        connection.protocol_mutex.release()
        theirs.settimeout(0.05)
        written = None if raises else theirs.recv(4096)
        return result, written, protocol.state, deadline, free


@pytest.mark.parametrize("error", [None, ValueError("bad")], ids=repr)
def test_sync_a_connection_that_closes_with_the_message(error: Exception | None) -> None:
    same(
        lambda: (
            _sent_by_thread(_Closing(SERVER)),
            _sent_by_thread(Protocol(SERVER), lambda protocol: _Failing(protocol, error), raises=error is not None),
        )
    )


def test_sync_methods_that_are_replaced_on_a_connection() -> None:
    def run() -> Any:
        protocol = _Expecting(SERVER)
        ours, theirs = socket.socketpair()
        with theirs:
            connection: Any = websockets.sync.connection.Connection(ours, protocol)
            connection.send_context = mock.Mock(wraps=connection.send_context)
            connection.send("x")
            connection.send(b"y")
            return connection.send_context.call_count, protocol.asked, theirs.recv(4096)

    assert same(run)[0] == 2


# Random sources and classes -------------------------------------------------------------------------------------------


def _all_frames(protocol: Protocol) -> bytes:
    protocol.send_text(b"a")
    protocol.send_binary(b"b", fin=False)
    protocol.send_continuation(b"c", fin=True)
    protocol.send_ping(b"d")
    return b"".join(protocol.data_to_send())


def test_a_random_source_replaced_in_the_module_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets.frames, "secrets", types.SimpleNamespace(token_bytes=lambda n: KEY[:n]))

    async def send() -> Any:
        protocol = Protocol(CLIENT)
        return await _sent(protocol)

    written, sent = same(lambda: (_all_frames(Protocol(CLIENT)), asyncio.run(send())))
    assert written.count(KEY) == 4
    assert KEY in sent[1][0]


def test_a_frame_class_replaced_in_the_module_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Any] = []

    class Checked(Frame):
        def check(self) -> None:
            checked.append(self.opcode)
            super().check()

    monkeypatch.setattr(websockets.protocol, "Frame", Checked)
    monkeypatch.setattr(secrets, "token_bytes", lambda n: KEY[:n])

    def run() -> Any:
        checked.clear()
        return _all_frames(Protocol(CLIENT)), list(checked)

    assert len(same(run)[1]) == 4


# Receiving ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["B", "b", "c"])
@pytest.mark.parametrize("size", [5, 70_000])
def test_views_of_every_format(form: str, size: int) -> None:
    stream = frame(BINARY, b"x" * size) + frame(TEXT, b"abc")

    def run() -> Any:
        protocol = Protocol(CLIENT)
        views: list[Any] = [memoryview(part) for part in (stream[:3], stream[3:])]
        results = [called(protocol.receive_data, view.cast(form)) for view in views]
        return results, told(protocol.events_received()), failure(protocol.parser_exc)

    same(run)


def test_a_view_that_is_released() -> None:
    def run() -> Any:
        protocol = Protocol(CLIENT)
        view = memoryview(frame(TEXT, b"abc"))
        view.release()
        return called(protocol.receive_data, view), failure(protocol.parser_exc)

    same(run)


class _Inflating:
    """An extension that fails while it handles an error of its own."""

    name = "inflating"

    def encode(self, frame: Frame) -> Frame:
        return frame

    def decode(self, frame: Frame, *, max_size: Any = None) -> Frame:  # noqa: ARG002
        try:
            raise KeyError("inner")
        except KeyError:
            raise RuntimeError("bad") from None


@pytest.mark.parametrize("stream", [frame(TEXT, b"x", KEY), b"\x83\x80" + KEY, b"\xc1\x81" + KEY + b"x"], ids=repr)
@pytest.mark.parametrize("extension", [None, _Inflating])
def test_what_errors_name_as_their_context(stream: bytes, extension: Any) -> None:
    """Also where they are met while another exception is handled."""

    def run() -> Any:
        protocol = Protocol(SERVER)
        if extension is not None:
            protocol.extensions = [extension()]
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            protocol.receive_data(stream)
        return told(protocol.events_received()), failure(protocol.parser_exc), protocol.data_to_send()

    same(run)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda reader: pickle.loads(pickle.dumps(reader))])  # noqa: S301
def test_copies_of_a_reader_that_waits_for_a_large_payload(make: Callable[[Any], Any]) -> None:
    head = b"\x82\x7f" + (200_000).to_bytes(8, "big") + b"x" * 70_000

    def run() -> Any:
        protocol = Protocol(CLIENT)
        protocol.receive_data(head)
        protocol.receive_data(b"y" * 20_000)
        buffered = bytes(make(protocol.reader).buffer)
        protocol.receive_data(b"z" * 110_000)
        return buffered, told(protocol.events_received())

    same(run)


# Assemblers -----------------------------------------------------------------------------------------------------------


def test_sync_an_error_of_who_is_told_to_resume() -> None:
    def run() -> Any:
        resume = mock.Mock(side_effect=[OSError("no"), None, None])
        assembler: Any = websockets.sync.messages.Assembler(1, 0, resume=resume)
        for _ in range(3):
            assembler.put(Frame(Opcode.TEXT, b"x"))
        results = [called(assembler.get) for _ in range(3)]
        assembler.put(Frame(Opcode.TEXT, b"y"))
        return results, called(assembler.get), assembler.get_in_progress

    same(run)


def test_sync_a_way_to_the_next_frame_that_is_replaced() -> None:
    def run() -> Any:
        assembler: Any = websockets.sync.messages.Assembler()
        assembler.get_next_frame = lambda timeout: Frame(Opcode.TEXT, str(timeout).encode())
        return called(assembler.get)

    assert same(run) == ("returned", ("str", "None"))


def test_who_is_told_to_resume_finds_a_get_in_progress() -> None:
    async def run() -> Any:
        seen = []
        assembler: Any = websockets.asyncio.messages.Assembler(
            1, 0, resume=lambda: seen.append(assembler.get_in_progress)
        )
        for _ in range(3):
            assembler.put(Frame(Opcode.TEXT, b"x"))
        return [await assembler.get() for _ in range(3)], seen

    assert same(lambda: asyncio.run(run()))[1] == [True]


ODD: dict[str, Any] = {
    "ping": Frame(Opcode.PING, b"x"),
    "number": Frame(1, b"x"),  # type: ignore[arg-type]
    "str": Frame(Opcode.TEXT, "x"),  # type: ignore[arg-type]
    "strided": Frame(Opcode.BINARY, memoryview(b"abcd")[::2]),
    "strided text": Frame(Opcode.TEXT, memoryview(b"abcd")[::2]),
    "none": Frame(Opcode.BINARY, None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_frames_that_no_connection_gives(odd: Frame) -> None:
    def from_thread(decode: Any) -> Any:
        assembler: Any = websockets.sync.messages.Assembler()
        assembler.put(odd)
        return called(assembler.get, None, decode), assembler.get_in_progress

    async def from_task(decode: Any) -> Any:
        assembler: Any = websockets.asyncio.messages.Assembler()
        assembler.put(odd)
        try:
            result: Any = told(await assembler.get(decode))
        except Exception as error:
            result = failure(error)
        return result, assembler.get_in_progress, len(assembler.frames)

    same(lambda: [(from_thread(decode), asyncio.run(from_task(decode))) for decode in (None, True, False)])
