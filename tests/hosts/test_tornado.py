"""tornado, plain against accelerated: the same script gives the same messages, answers, log lines and state."""

# ruff: noqa: SLF001 (a connection keeps its state to itself)

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado import iostream, util, websocket

import fastws.hosts
from cases import each_case
from fastws.hosts import tornado as adapter
from oracles import frame
from recording import called
from scripted import Event, in_pieces
from scripted_tornado import ScriptedSocket, Side, Trace, connect, logged, play, state, unmasked
from traffic import (
    BINARY,
    CLOSE,
    COMPRESSED_BINARY,
    COMPRESSED_TEXT,
    CONT,
    PING,
    PONG,
    TEXT,
    UNFINISHED_BINARY,
    UNFINISHED_COMPRESSED,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
    first_bytes,
    payloads,
)
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

pytestmark = pytest.mark.usefixtures("adapted")


def deflated(data: bytes) -> bytes:
    """A message as an endpoint that keeps no context compresses it (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


f = functools.partial(frame, key=KEY)

STREAMS: dict[str, bytes] = {
    "text": f(TEXT, "héllo".encode()),
    "empty": f(TEXT) + f(BINARY) + f(TEXT, b"x"),
    "binary": f(BINARY, bytes(range(40))),
    "three messages": f(TEXT, b"a") + f(BINARY, b"\xff") + f(TEXT, "中文".encode()),
    "unmasked": frame(TEXT, "héllo".encode()) + frame(BINARY, b"\xff") + f(TEXT, b"x") + frame(TEXT, b"y" * 130),
    "fragments": f(UNFINISHED_TEXT, b"\xe4\xb8") + f(UNFINISHED_CONT, b"\xad") + f(CONT, b"!") + f(TEXT, b"x"),
    "binary fragments": f(UNFINISHED_BINARY, b"\xff\xfe") + frame(CONT, b"\xfd"),
    "empty fragments": f(UNFINISHED_TEXT) + f(UNFINISHED_CONT) + f(CONT, b"x") + f(UNFINISHED_TEXT) + f(CONT),
    "control frames between": (
        f(UNFINISHED_TEXT, b"ab") + f(PING, b"?") + f(PONG, b"!") + f(CONT, b"cd") + f(TEXT, b"e")
    ),
    "text after unfinished": f(UNFINISHED_TEXT, b"ab") + f(TEXT, b"cd") + f(CONT, b"ef"),
    "binary after unfinished": f(UNFINISHED_TEXT, b"ab") + f(UNFINISHED_BINARY, b"cd") + f(CONT, b"ef"),
    "nothing to continue": f(CONT, b"ab") + f(TEXT, b"cd"),
    "pings": f(PING) + f(PING, bytes(125)) + f(PING, b"1") + f(TEXT, b"x"),
    "ping of 126": f(PING, bytes(126)) + f(TEXT, b"x"),
    "ping without fin": f(0x09, b"x") + f(TEXT, b"x"),
    "close": f(CLOSE, b"\x03\xe8bye") + f(TEXT, b"x"),
    "close without code": f(CLOSE) + f(TEXT, b"x"),
    "close of 1": f(CLOSE, b"\x03") + f(TEXT, b"x"),
    "close with bad code": f(CLOSE, b"\x03\xed") + f(TEXT, b"x"),
    "close with bad reason": f(CLOSE, b"\x03\xe8\xff") + f(TEXT, b"x"),
    "message, close with bad reason": f(TEXT, b"a") + f(CLOSE, b"\x03\xe8\xff") + f(TEXT, b"x"),
    "reserved bit 1": f(COMPRESSED_TEXT, b"x") + f(TEXT, b"x"),
    "reserved bit 2": f(0xA1, b"x") + f(TEXT, b"x"),
    "reserved bit 3": f(0x91, b"x") + f(TEXT, b"x"),
    "reserved bit of a ping": f(0xC9, b"x") + f(TEXT, b"x"),
    "reserved bit of a continuation": f(UNFINISHED_TEXT, b"x") + f(0xC0, b"x"),
    "reserved opcode": f(0x83, b"x") + f(TEXT, b"x"),
    "reserved opcode without fin": f(0x03, b"x") + f(CONT, b"y") + f(TEXT, b"x"),
    "reserved control opcode": f(0x8B, b"x") + f(TEXT, b"x"),
    "126 bytes": f(TEXT, b"x" * 126) + f(BINARY, b"y" * 126) + f(TEXT, b"z"),
    "long form of a short length": f(TEXT, b"ab", form=16) + f(TEXT, b"cd", form=64) + f(TEXT, b"x"),
    "length with its top bit": b"\x82\xff\x80" + bytes(7) + KEY + b"abc",
    "too long": f(TEXT, b"x" * 601) + f(TEXT, b"x"),
    "as long as it may be": f(TEXT, b"x" * 600) + f(TEXT, b"x"),
    "too long together": f(UNFINISHED_TEXT, b"x" * 400) + f(CONT, b"x" * 201) + f(TEXT, b"x"),
    "as long as they may be": f(UNFINISHED_TEXT, b"x" * 400) + f(CONT, b"x" * 200) + f(TEXT, b"x"),
    "invalid text": f(TEXT, b"ab\xff") + f(TEXT, b"x"),
    "invalid longer text": f(TEXT, b"ab\xff" * 50) + f(TEXT, b"x"),
    "surrogate": f(TEXT, b"\xed\xa0\x80") + f(TEXT, b"x"),
    "unfinished code point": f(TEXT, b"ab\xe4\xb8") + f(TEXT, b"x"),
    "unfinished code point in fragments": f(UNFINISHED_TEXT, b"a") + f(CONT, b"\xe4") + f(TEXT, b"x"),
    "longer text": f(TEXT, "hé中😀".encode() * 20) + f(TEXT, "é".encode() * 100),
}  # fmt: skip

COMPRESSED: dict[str, bytes] = {
    "text": f(COMPRESSED_TEXT, deflated("héllo".encode())) + f(TEXT, b"plain") + f(BINARY, b"\xff"),
    "binary": f(COMPRESSED_BINARY, deflated(bytes(300))) + f(COMPRESSED_BINARY, deflated(b"")),
    "fragments": f(UNFINISHED_COMPRESSED, deflated(b"abc")[:3]) + f(CONT, deflated(b"abc")[3:]) + f(TEXT, b"x"),
    "ping between fragments": f(UNFINISHED_COMPRESSED, deflated(b"a")) + f(PING, b"?") + f(CONT) + f(TEXT, b"x"),
    "invalid text": f(COMPRESSED_TEXT, deflated(b"\xff")) + f(TEXT, b"x"),
    "too much": f(COMPRESSED_TEXT, deflated(bytes(601))) + f(TEXT, b"x"),
    "as much as it may be": f(COMPRESSED_TEXT, deflated(bytes(600))) + f(TEXT, b"x"),
    "not compressed at all": f(COMPRESSED_TEXT, b"\xff\xff\xff") + f(TEXT, b"x"),
    "reserved bit of a continuation": f(UNFINISHED_COMPRESSED, deflated(b"a")) + f(0xC0, b"x"),
    "reserved bit of a ping": f(0xC9, b"x") + f(TEXT, b"x"),
}  # fmt: skip

SIDES = (
    Side(limit=600),
    Side(server=False, limit=600),
    Side(on_message="echo", limit=600),
    Side(server=False, on_message="echo and wait", limit=600),
    Side(on_message="wait", limit=600),
    Side(on_message="raise"),
    Side(on_message="raise later"),
    Side(on_message="close"),
    Side(on_message="write and close"),
)

_streams = each_case("stream", STREAMS.values(), ids=STREAMS)
_compressed = each_case("stream", COMPRESSED.values(), ids=COMPRESSED)


@functools.cache
def plain_traces(side: Side, scripts: tuple[tuple[Event, ...], ...]) -> list[Trace]:
    """What happens without fastws, which does not depend on the twin."""
    return play(scripts, side)


def compare(side: Side, *scripts: Iterable[Event]) -> None:
    fastws.hosts.restore()
    given = tuple([tuple(script) for script in scripts])
    expected = plain_traces(side, given)
    with fastws.hosts.accelerated("tornado"):
        for script, trace, right in zip(given, play(given, side), expected, strict=True):
            assert trace == right, script


@_streams
def test_one_piece(stream: bytes) -> None:
    for side in SIDES:
        compare(side, [stream])


@pytest.mark.parametrize("side", [SIDES[0], SIDES[3]], ids=str)
@_streams
def test_every_split_and_single_bytes(stream: bytes, side: Side) -> None:
    cuts = [*range(1, min(len(stream), 16)), *range(16, len(stream), 197)]
    compare(side, in_pieces(stream[:200], range(1, min(200, len(stream)))), *[in_pieces(stream, [cut]) for cut in cuts])


@_streams
def test_the_end_at_every_byte(stream: bytes) -> None:
    compare(SIDES[2], [], *[[stream[:end]] for end in range(1, min(len(stream), 24))])


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("on_message", ["keep", "echo and wait"])
@_compressed
def test_compressed(stream: bytes, on_message: str, server: bool) -> None:
    side = Side(server, on_message, compressed=True, limit=600)
    cuts = range(1, min(len(stream), 30), 1 if on_message == "keep" else 7)
    compare(side, [stream], *[in_pieces(stream, [cut]) for cut in cuts])


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
def test_what_does_not_inflate_and_arrives_in_pieces(server: bool) -> None:
    """The host goes on watching the stream then."""
    payload = b"0" + "\x80\x80\x80\U00010000".encode()
    for key in (KEY, None):
        stream = frame(COMPRESSED_TEXT, payload, key)
        compare(
            Side(server, compressed=True), [stream], *[in_pieces(stream, [2, cut]) for cut in range(3, len(stream))]
        )


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(104, "reset by peer"), OSError(5, "broken"), OSError("no number"), ValueError("odd")],
    ids=repr,
)
def test_errors_of_the_socket(error: Exception) -> None:
    stream = f(TEXT, b"abc") + f(TEXT, b"d" * 200)
    scripts: list[list[Event]] = [
        [stream[:cut], type(error)(*error.args), stream[cut:]] for cut in (1, 2, 4, 8, 9, 12, 20, len(stream))
    ]
    compare(SIDES[0], [type(error)(*error.args), stream], *scripts)


def ends(traces: list[Trace]) -> list[Any]:
    """Traces without how far the stream was read ahead, and without the steps in which a payload was half read."""
    for trace in traces:
        for told in [*[each[-1] for each in trace.told], *[step[0] for step in trace.steps[-2:-1]]]:
            del told["buffer"]
    return [(trace.told, trace.sent, trace.logged, trace.steps[-2:]) for trace in traces]


def compare_ends(side: Side, *scripts: Iterable[Event]) -> None:
    fastws.hosts.restore()
    expected = ends(play(scripts, side))
    with fastws.hosts.accelerated("tornado"):
        assert ends(play(scripts, side)) == expected


@pytest.mark.parametrize("size", [125, 126, 127, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 90_000])
@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_lengths(size: int, first: int) -> None:
    scripts = [[frame(first, b"x" * size, key) + f(TEXT, b"y")] for key in (KEY, None)]
    compare_ends(Side(), *scripts)
    compare_ends(Side(server=False, on_message="echo and wait"), *scripts)


@pytest.mark.parametrize("first", [TEXT, BINARY, UNFINISHED_TEXT])
@pytest.mark.parametrize("key", [KEY, None], ids=["masked", "unmasked"])
def test_large_payloads_that_arrive_slowly(first: int, key: bytes | None) -> None:
    """More than what is read at once, so that it is read into a place of its own; also where it never ends."""
    payload = "é".encode() * 150_000
    stream = frame(first, payload, key) + f(CONT, b"!") + f(TEXT, b"x")
    scripts: list[Sequence[Event]] = [
        [stream],
        in_pieces(stream, [1, 2, 5, 9, 10, 13, 14, 15, 64, 70_000, 70_001, 140_000, 299_999]),
        [stream[:5]],
        [stream[:14]],
        [stream[:70_000]],
        [stream[:200_000]],
        [stream[:200_000], OSError(5, "broken")],
        [stream, stream[:100_000]],
    ]
    compare_ends(Side(limit=400_000), *scripts)


@pytest.mark.parametrize("bad", [0, 1, 4095, 65_535, 65_536, 99_999])
def test_invalid_bytes_in_long_text(bad: int) -> None:
    text = bytearray("é".encode() * 50_000)
    text[bad] = 0xFF
    scripts = [[f(TEXT, bytes(text)) + f(TEXT, b"x")], [f(TEXT, bytes(text[:16_500])) + f(TEXT, b"x")]]
    compare_ends(Side(), *scripts)


@pytest.mark.parametrize("size", [134_000, 134_500, 198_000, 199_000, 199_900])
def test_what_follows_a_large_payload_fills_the_buffer(size: int) -> None:
    """The host reads on as far as a read gives, and closes a stream that gave more than it may keep."""
    script = [frame(BINARY, bytes(size)) + frame(BINARY, b"x" * 125) * 600]
    side = Side(limit=400_000)

    def change(connection: Any) -> None:
        connection.stream.max_buffer_size = 200_000

    fastws.hosts.restore()
    expected = ends(play([script], side, change))
    with fastws.hosts.accelerated("tornado"):
        assert ends(play([script], side, change)) == expected


# The end of a stream --------------------------------------------------------------------------------------------------


class _Answering:
    """Writes down what it is told. Messages that begin with "wait" are answered when that is asked for.

    Args:
        meanwhile: what arrives while a message is handled.
        far: where it arrives from.
    """

    def __init__(self, meanwhile: dict[str, bytes], far: socket.socket) -> None:
        self.connection: Any = None
        self.meanwhile, self.far, self.told = meanwhile, far, list[Any]()
        self.held: list[asyncio.Future[None]] = []

    def on_message(self, text: str) -> Any:
        self.told.append((len(text), text[:9], state(self.connection), self.connection.stream._state))
        self.far.sendall(self.meanwhile.get(text, b""))
        return self._answer() if text.startswith("wait") else None

    async def _answer(self) -> None:
        self.held.append(asyncio.get_running_loop().create_future())
        await self.held[-1]
        self.told.append(("answers", state(self.connection), self.connection.stream._state))
        with contextlib.suppress(websocket.WebSocketClosedError):
            await self.connection.write_message("answer")
            self.told.append("answered")

    def on_ping(self, data: bytes) -> None:
        self.told.append(("ping", data))

    def on_ws_connection_close(self, code: int | None, reason: str | None) -> None:
        self.told.append(("closed", code, reason))


async def _settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def _held(
    pieces: Sequence[bytes | Callable[[], Any]], meanwhile: dict[str, bytes], end: str, change: Callable[[Any], None]
) -> list[Any]:
    """What happens where handlers wait until nothing else happens any more, after the end of the stream.

    Args:
        pieces: what arrives, piece by piece, and functions that are called between.
        meanwhile: what arrives while a message is handled.
        end: "shutdown", of the peer, or "close", of the own stream.
        change: is given the connection before it starts.
    """
    near, far = socket.socketpair()
    far.setblocking(False)
    handler = _Answering(meanwhile, far)
    handler.connection = connection = connect(near, Side(limit=1_000_000), handler)
    change(connection)
    task = asyncio.ensure_future(connection._receive_frame_loop())
    await _settle()
    for piece in pieces:
        if isinstance(piece, bytes):
            for start in range(0, len(piece), 60_000):
                far.sendall(piece[start : start + 60_000])
        else:
            piece()
        await _settle()
        handler.told.append((connection.stream._state, connection.stream.reading()))
    far.shutdown(socket.SHUT_WR) if end == "shutdown" else connection.stream.close()
    await _settle()
    while handler.held:
        handler.held.pop().set_result(None)
        await _settle()
    handler.told.append((task.done(), _received(far), state(connection)))
    connection._abort()
    await asyncio.gather(task, return_exceptions=True)
    far.close()
    return handler.told


def _call_back(connection: Any) -> None:
    told = connection.handler.on_ws_connection_close
    connection.stream.set_close_callback(lambda: told(0, "callback"))


def _text(message: str) -> bytes:
    return f(TEXT, message.encode())


_LARGE = _text("wait" + "x" * 150_000)
_QUICK_LARGE = _text("x" * 150_000)

# What arrives, and what arrives while a message is handled.
_HELD: dict[str, tuple[Sequence[bytes], dict[str, bytes]]] = {
    "one": ([_text("wait")], {}),
    "one after another": ([_text("a"), _text("wait")], {}),
    "three at once": ([_text("wait 1") + _text("wait 2") + _text("wait 3")], {}),
    "three at once, more later": ([_text("a") + _text("wait 2") + _text("b"), _text("c"), _text("wait 3")], {}),
    "while the one before is handled": ([_text("a")], {"a": _text("wait")}),
    "two while the one before is handled": ([_text("a") + _text("b")], {"b": _text("wait 1") + _text("wait 2")}),
    "in turn": ([_text("a")], {"a": _text("b"), "b": _text("c") + _text("d"), "d": _text("wait 1") + _text("e")}),
    "a ping before it": ([_text("a")], {"a": f(PING, b"?") + _text("wait")}),
    "a fragment before it": ([_text("a")], {"a": f(UNFINISHED_TEXT, b"wa") + f(CONT, b"it")}),
    "half of it": ([_text("a"), _text("wait")[4:]], {"a": _text("wait")[:4]}),
    "its header": ([_text("a"), _text("wait")[6:]], {"a": _text("wait")[:6]}),
    "an unmasked header": ([_text("a"), b"wait"], {"a": b"\x81\x04"}),
    "one byte": ([_text("a"), _text("wait")[1:] + _text("b")], {"a": _text("wait")[:1]}),
    "after an empty one": ([frame(TEXT), _text("wait")], {}),
    "while an empty one is handled": ([frame(TEXT)], {"": _text("wait")}),
    "large": ([_LARGE + _text("b")], {}),
    "large in pieces": ([_LARGE[:30_000], _LARGE[30_000:90_000], _LARGE[90_000:] + _text("b") + _text("c")], {}),
    "large with its end alone": ([_LARGE[:-10], _LARGE[-10:] + _text("b") * 9000, f(CLOSE, b"\x03\xe8")], {}),
    "after a large one": ([_QUICK_LARGE[:30_000], _QUICK_LARGE[30_000:] + _text("wait")], {}),
    "with a large one": ([_QUICK_LARGE + _text("wait") + _text("b")], {}),
    "large while one is handled": ([_text("a")], {"a": _LARGE[:100_000]}),
}  # fmt: skip


@pytest.mark.parametrize("change", [lambda _: None, _call_back], ids=["", "callback"])
@pytest.mark.parametrize("end", ["shutdown", "close"])
@each_case("case", _HELD.values(), ids=_HELD)
def test_the_end_while_a_handler_waits(
    case: tuple[Sequence[bytes], dict[str, bytes]], end: str, change: Callable[[Any], None]
) -> None:
    """The host does not look at a stream then: the answer is still written, and what was read is still delivered."""
    fastws.hosts.restore()
    expected = asyncio.run(_held(*case, end, change))
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(_held(*case, end, change)) == expected


def test_the_end_where_a_loop_was_running_already() -> None:
    """The host's own loop does not know that a stream could be left watched."""

    async def run(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
        a, last = _text("a"), _text("a") + _text("wait")
        told = [
            await _held([a, first, a, last], {}, "shutdown", lambda _: None),
            await _held([a, first, a, a + a, second, a, last], {}, "shutdown", lambda _: None),
        ]
        fastws.hosts.restore()
        return told

    def nothing() -> None:
        pass

    def accelerate() -> None:
        fastws.hosts.accelerate("tornado")

    fastws.hosts.restore()
    expected = asyncio.run(run(nothing, nothing))
    assert asyncio.run(run(accelerate, nothing)) == expected
    assert asyncio.run(run(accelerate, fastws.hosts.restore)) == expected
    accelerate()
    assert asyncio.run(run(fastws.hosts.restore, accelerate)) == expected


def test_a_large_payload_that_was_given_up() -> None:
    """The rest of it is read as the host reads it, and goes nowhere."""

    async def run() -> Any:
        near, far = socket.socketpair()
        told: list[Any] = []

        class Handler:
            def on_message(self, message: str) -> None:
                told.append(message)

            def on_ws_connection_close(self, *_: Any) -> None:
                told.append("closed")

        connection = connect(near, Side(limit=1_000_000), Handler())
        for piece, cancelled in ((_QUICK_LARGE[:100_000], True), (_QUICK_LARGE[100_000:] + _text("b"), False)):
            task = None if not cancelled else asyncio.ensure_future(connection._receive_frame_loop())
            far.sendall(piece)
            await asyncio.sleep(0.01)
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            told.append((state(connection), connection.stream.reading(), connection.stream._read_bytes))
        task = asyncio.ensure_future(connection._receive_frame_loop())
        await asyncio.sleep(0.01)
        connection._abort()
        await asyncio.gather(task, return_exceptions=True)
        far.close()
        return told

    fastws.hosts.restore()
    plain = asyncio.run(run())
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(run()) == plain


# Random traffic -------------------------------------------------------------------------------------------------------

_firsts = st.one_of(first_bytes, st.sampled_from([COMPRESSED_TEXT, COMPRESSED_BINARY, UNFINISHED_COMPRESSED]))
_frames = st.builds(frame, _firsts, payloads, st.one_of(st.none(), st.just(KEY)))


@st.composite
def _scripts(draw: st.DrawFn) -> list[bytes]:
    stream = b"".join(draw(st.lists(_frames, min_size=1, max_size=6)))
    cuts = draw(st.lists(st.integers(1, max(1, len(stream) - 1)), max_size=6, unique=True).map(sorted))
    stream = stream[: draw(st.integers(1, len(stream)))]
    return in_pieces(stream, [cut for cut in cuts if cut < len(stream)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(script=_scripts(), side=st.sampled_from([*SIDES, Side(compressed=True), Side(False, "echo", compressed=True)]))
def test_random_traffic(script: list[Event], side: Side) -> None:
    compare(side, script)


# Sending --------------------------------------------------------------------------------------------------------------

_MESSAGES: tuple[Any, ...] = (
    "",
    "héllo",
    "x" * 125,
    "x" * 126,
    "é" * 63,
    "x" * 65_535,
    "x" * 65_536,
    "中😀" * 20_000,
    "\ud800",
    b"",
    b"\xff" * 126,
    bytearray(b"abc"),
    memoryview(b"abc"),
    {"a": 1},
    None,
    7,
    type("Text", (str,), {})("text"),
)


async def _sent(side: Side, call: Callable[[Any], Any]) -> Any:
    """What a call returned or raised, what it sent, and the state it left."""
    near, far = socket.socketpair()
    far.setblocking(False)
    connection = connect(ScriptedSocket(fileno=near.detach()), side, None)
    try:
        outcome: Any = call(connection)
        told = type(outcome).__name__, repr(await outcome)
    except Exception as error:
        told = type(error).__name__, f"{error} {error.__context__!r}"
    sent = b""
    while connection.stream.writing():
        sent += _received(far)
        await asyncio.sleep(0)
    sent += _received(far)
    after = state(connection)
    connection.stream.close()
    far.close()
    return told, unmasked(sent), after


def _received(far: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(OSError):
        while data := far.recv(1 << 20):
            received += data
    return received


def compare_sent(side: Side, *calls: Callable[[Any], Any]) -> None:
    async def run() -> list[Any]:
        return [await _sent(side, call) for call in calls]

    fastws.hosts.restore()
    expected = asyncio.run(run())
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(run()) == expected


@pytest.mark.parametrize("side", [Side(), Side(False), Side(compressed=True), Side(False, compressed=True)], ids=str)
@pytest.mark.parametrize("binary", [False, True, 1, ""])
def test_write_message(side: Side, binary: Any) -> None:
    compare_sent(side, *[lambda each, given=given: each.write_message(given, binary) for given in _MESSAGES])
    compare_sent(side, *[lambda each, given=given: each.write_message(given, binary=binary) for given in _MESSAGES])


@pytest.mark.parametrize("side", [Side(), Side(False)], ids=str)
@each_case("fin", [True, False, 1, None])
@each_case("opcode", [0, 1, 2, 8, 9, 10, 3, 15, 16, True, None], ids=repr)
def test_write_frame(side: Side, fin: Any, opcode: Any) -> None:
    data: tuple[Any, ...] = (b"", b"x" * 125, b"x" * 126, b"x" * 65_536, bytearray(b"abc"), memoryview(b"abc"), "text")
    flags = (0, 0x40, 0x10, None)
    cases = [(each, flag) for each in data for flag in flags]
    compare_sent(
        side, *[lambda each, case=case: each._write_frame(fin, opcode, case[0], flags=case[1]) for case in cases]
    )


def test_writing_to_a_closed_stream() -> None:
    def write(connection: Any) -> Any:
        connection.stream.close()
        return connection.write_message("text")

    def write_ping(connection: Any) -> Any:
        connection.stream.close()
        return connection.write_ping(b"data")

    for side in (Side(), Side(False)):
        compare_sent(side, write, write_ping, lambda each: each.close(1000, "é"))


def test_a_task_that_waits_for_a_write_is_called_as_before() -> None:
    """It stands in what asyncio logs about tasks."""

    async def task() -> str:
        near, far = socket.socketpair()
        connection = connect(near, Side(), None)
        task = connection.write_message("text")
        coroutine = task.get_coro()
        told = f"{type(task)} {coroutine.__qualname__} {coroutine.cr_code}"
        await task
        connection.stream.close()
        far.close()
        return told

    plain = asyncio.run(task())
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(task()) == plain


class _NarrowSocket(socket.socket):
    """A socket that takes a few bytes at a time, or fails, as the script says; after it, everything.

    Attributes:
        script: what becomes of each send: how many bytes it takes, or what it raises.
    """

    def __init__(self, near: socket.socket, script: list[int | BaseException]) -> None:
        super().__init__(fileno=near.detach())
        self.script, self.sent = script, bytearray()

    def send(self, data: Any, *_: Any) -> int:
        outcome = self.script.pop(0) if self.script else len(data)
        if isinstance(outcome, BaseException):
            raise type(outcome)(*outcome.args)
        taken = bytes(data[:outcome])
        self.sent += taken
        return len(taken)


_SENDS: dict[str, list[int | BaseException]] = {
    "all": [],
    "some, then the rest": [3],
    "byte after byte": [1] * 40,
    "nothing": [0],
    "would block": [BlockingIOError()],
    "some, then would block": [5, BlockingIOError()],
    "broken pipe": [BrokenPipeError(32, "Broken pipe")],
    "some, then reset": [2, ConnectionResetError(104, "reset")],
    "another error": [OSError(5, "Input/output error")],
    "an error of somebody else's": [ZeroDivisionError("no")],
}


async def _write_to_narrow(script: list[int | BaseException], change: Callable[[Any], None] | None = None) -> Any:
    """Two messages, then once more what waits in the stream; with the state after each step."""
    near, far = socket.socketpair()
    narrow, trace = _NarrowSocket(near, list(script)), Trace()
    connection = connect(narrow, Side(), None)
    stream = connection.stream
    if change:
        change(connection)
    tasks: list[asyncio.Task[None]] = []
    steps: list[Any] = []

    async def step(name: str, call: Callable[[], Any]) -> None:
        try:
            made = call()
        except Exception as error:
            made = None
            steps.append((name, repr(error), repr(error.__context__)))
        tasks.extend([made] if made is not None else [])
        counted = stream._total_write_index, stream._total_write_done_index, len(stream._write_buffer or ())
        steps.append((name, counted, len(stream._write_futures), stream._state, bytes(narrow.sent), state(connection)))
        for _ in range(4):
            await asyncio.sleep(0)
        steps.append([repr(each.exception()) if each.done() else "waits" for each in tasks])

    with logged(trace):
        await step("text", lambda: connection.write_message("héllo"))
        await step("binary", lambda: connection.write_message(b"x" * 3000, binary=True))
        await step("the rest", lambda: stream._handle_write() if not stream.closed() else None)
        connection._abort()
        await asyncio.gather(*tasks, return_exceptions=True)
    narrow.close()
    far.close()
    return steps, trace.logged


@pytest.mark.parametrize("name", list(_SENDS))
def test_sockets_that_take_less(name: str) -> None:
    """What is left of a frame waits in the stream, and errors are the host's to meet."""
    plain = asyncio.run(_write_to_narrow(_SENDS[name]))
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(_write_to_narrow(_SENDS[name])) == plain


def _limit_buffer(connection: Any) -> None:
    connection.stream.max_write_buffer_size = 1000


def _hook_write(connection: Any) -> None:
    stream, plain = connection.stream, connection.stream.write
    stream.write = lambda data: plain(data + b"!")


def _still_connecting(connection: Any) -> None:
    connection.stream._connecting = True


def _hook_write_to_fd(connection: Any) -> None:
    """What it is given is a view, which is its own to release."""
    stream, plain = connection.stream, connection.stream.write_to_fd

    def write_to_fd(data: memoryview) -> Any:
        with data.cast("c") as view:
            return plain(bytes(view[:7]))

    stream.write_to_fd = write_to_fd


@pytest.mark.parametrize("change", [_limit_buffer, _hook_write, _still_connecting, _hook_write_to_fd])
def test_streams_that_write_in_another_way(change: Callable[[Any], None]) -> None:
    plain = asyncio.run(_write_to_narrow([], change))
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(_write_to_narrow([], change)) == plain


def test_a_write_that_was_given_up_is_logged_as_before() -> None:
    async def run() -> list[str]:
        near, far = socket.socketpair()
        connection, trace = connect(near, Side(), None), Trace()
        with logged(trace):
            written = connection.write_message(bytes(5_000_000), binary=True)
            await asyncio.sleep(0)
            written.cancel()
            await asyncio.gather(written, return_exceptions=True)
            connection.stream.close()
            await asyncio.sleep(0)
        far.close()
        return trace.logged

    plain = asyncio.run(run())
    assert "BaseIOStream.write" in plain[0]
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(run()) == plain


def test_writing_where_no_loop_runs() -> None:
    """It fails before anything is sent, and what waits leaves with the next message, however slowly."""

    async def run() -> list[Any]:
        near, far = socket.socketpair()
        far.setblocking(False)
        connection, steps = connect(near, Side(), None), list[Any]()
        stream = connection.stream

        def step(what: Any) -> None:
            counted = stream._total_write_index, stream._total_write_done_index, len(stream._write_buffer)
            steps.append((what, counted, _received(far), state(connection)))

        thread = threading.Thread(target=lambda: step(called(connection.write_message, "lost")), name="another")
        thread.start()
        thread.join()
        step("joined")
        written = connection.write_message(bytes(3_000_000), binary=True)
        while not written.done():
            steps.append(len(_received(far)) > 0)
            await asyncio.sleep(0)
        step(repr(written.exception()))
        stream.close()
        far.close()
        return [each for each in steps if type(each) is tuple]

    plain = asyncio.run(asyncio.wait_for(run(), 20))
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(asyncio.wait_for(run(), 20)) == plain


def test_a_patched_source_of_keys_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with fastws.hosts.accelerated("tornado"):
        monkeypatch.setattr(os, "urandom", lambda n: b"abcdefgh"[:n])
        for call in (lambda each: each.write_message("text"), lambda each: each._write_frame(True, 2, b"text")):
            assert asyncio.run(_keys(call, 2)) == [b"abcd"] * 2


def test_every_key_is_a_new_one() -> None:
    with fastws.hosts.accelerated("tornado"):
        assert len(set(asyncio.run(_keys(lambda each: each.write_message("text"), 100)))) > 95


async def _keys(call: Callable[[Any], Any], count: int) -> list[bytes]:
    near, far = socket.socketpair()
    connection = connect(near, Side(server=False), None)
    keys = []
    for _ in range(count):
        await call(connection)
        keys.append(far.recv(100)[2:6])
    connection.stream.close()
    far.close()
    return keys


def test_mask_of_anything() -> None:
    values: tuple[Any, ...] = (
        b"",
        b"abcd",
        b"abc",
        b"abcde",
        bytes(1000),
        bytearray(b"abcd"),
        memoryview(b"abcd"),
        "abcd",
        None,
    )

    def run() -> list[Any]:
        return [
            called(function, key, data)
            for function in (vars(util)["_websocket_mask"], vars(websocket)["_websocket_mask"])
            for key in values
            for data in values
        ]

    plain = run()
    with fastws.hosts.accelerated("tornado"):
        assert run() == plain


# What others replace --------------------------------------------------------------------------------------------------


def _hook(name: str) -> Callable[[Any], None]:
    """Puts a function on a connection that says it was called."""

    def change(connection: Any) -> None:
        plain = getattr(connection, name)

        def hooked(*arguments: Any, **named: Any) -> Any:
            connection.handler._tell(name, *[value for value in arguments if isinstance(value, int | bytes | str)])
            return plain(*arguments, **named)

        setattr(connection, name, hooked)

    return change


@pytest.mark.parametrize(
    "name", ["_handle_message", "_write_frame", "_run_callback", "write_message", "_abort", "close", "_receive_frame"]
)
def test_methods_that_were_replaced_on_a_connection(name: str) -> None:
    stream = b"".join(STREAMS[key] for key in ("text", "longer text", "pings", "fragments", "invalid longer text"))
    for side in (Side(on_message="echo"), Side(server=False, on_message="echo and wait")):
        fastws.hosts.restore()
        plain = play([[stream]], side, _hook(name))
        with fastws.hosts.accelerated("tornado"):
            assert play([[stream]], side, _hook(name)) == plain


def _make_subclass(connection: Any) -> None:
    class Protocol(websocket.WebSocketProtocol13):
        async def _read_bytes(self, n: int) -> bytes:
            connection.handler._tell("read", n)
            return await super()._read_bytes(n)

        def _handle_message(self, opcode: int, data: bytes) -> Any:
            connection.handler._tell("handle", opcode, data)
            return super()._handle_message(opcode, data)

        def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> Any:
            connection.handler._tell("write", fin, opcode, data, flags)
            return super()._write_frame(fin, opcode, data, flags)

    connection.__class__ = Protocol


def _make_stream_subclass(connection: Any) -> None:
    class Stream(iostream.IOStream):
        def read_bytes(self, num_bytes: int, partial: bool = False) -> Any:
            connection.handler._tell("read", num_bytes, partial)
            return super().read_bytes(num_bytes, partial)

        def read_from_fd(self, buf: Any) -> Any:
            connection.handler._tell("read from", len(buf))
            return super().read_from_fd(buf)

    connection.stream.__class__ = Stream


@pytest.mark.parametrize("change", [_make_subclass, _make_stream_subclass])
def test_subclasses_have_their_say(change: Callable[[Any], None]) -> None:
    stream = b"".join(STREAMS[key] for key in ("text", "longer text", "pings", "fragments", "binary"))
    for side in (Side(on_message="echo"), Side(server=False, on_message="echo and wait")):
        fastws.hosts.restore()
        plain = play([[stream]], side, change)
        with fastws.hosts.accelerated("tornado"):
            assert play([[stream]], side, change) == plain


@pytest.mark.parametrize("name", ["_handle_message", "_run_callback", "_receive_frame", "_abort"])
def test_methods_that_are_replaced_by_a_handler(name: str) -> None:
    def change(connection: Any) -> None:
        plain = connection.handler.on_message

        def on_message(message: str) -> None:
            plain(message)
            if message == "c":
                _hook(name)(connection)

        connection.handler.on_message = on_message

    script = [b"".join(map(_text, "abcdef"))]
    fastws.hosts.restore()
    plain = play([script], Side(), change)
    with fastws.hosts.accelerated("tornado"):
        assert play([script], Side(), change) == plain


def test_restored_while_a_connection_is_open() -> None:
    """The loop that runs goes on with the host's own function."""
    told: list[tuple[Any, str]] = []

    def change(connection: Any) -> None:
        plain = connection.handler.on_message

        def on_message(message: str) -> None:
            plain(message)
            told.append((type(connection)._receive_frame, message))
            if message == "restore":
                fastws.hosts.restore()
            if message == "accelerate":
                fastws.hosts.accelerate("tornado")

        connection.handler.on_message = on_message

    words = ["one", "restore", "two", "accelerate", "three", "x" * 200, "restore", "y" * 200]
    fastws.hosts.accelerate("tornado")
    (trace,) = play([[f(TEXT, word.encode()) for word in words]], Side(), change)
    assert [message for _, message in told] == words
    assert trace.steps[-1] == ("done", "None")
    (plain,) = play([[f(TEXT, word.encode()) for word in words]], Side())
    assert (trace.told, trace.steps) == (plain.told, plain.steps)


def test_others_run_while_many_frames_are_handled() -> None:
    """The host lets the event loop turn after every so many bytes; before 6.6 it does not."""

    async def turns() -> int:
        count = done = 0
        near, far = socket.socketpair()

        class Handler:
            def on_message(self, _: str) -> None:
                nonlocal done
                done += 1

            def on_ws_connection_close(self, *_: object) -> None:
                pass

        connection = connect(near, Side(), Handler())
        # As much as the host counts as 20 turns, of which one read from a socket gives only a part.
        frames = f(TEXT, b"x") * 5000
        connection.stream._read_buffer += frames
        connection.stream._read_buffer_size = len(frames)
        task = asyncio.ensure_future(connection._receive_frame_loop())
        while done < 5000:
            count += 1
            await asyncio.sleep(0)
        connection._abort()
        await task
        far.close()
        return count

    plain = asyncio.run(turns())
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(turns()) == plain


def test_nothing_is_kept_of_a_large_payload_but_its_memory() -> None:
    """The memory is kept for the next one, and no more than so much of it."""
    side = Side(limit=20_000_000)
    with fastws.hosts.accelerated("tornado"):
        for size in (70_000, 1_000_000, 300_000, 5_000_000):
            (trace,) = play([[frame(BINARY, bytes([size & 0xFF]) * size)]], side)
            assert trace.told[0][1] == [("bytes", bytes([size & 0xFF]) * size)]
            assert len(adapter._spare) <= 1
            assert sum(map(len, adapter._spare)) <= 4 << 20
