"""aiohttp, plain against accelerated: the same bytes give the same messages, errors and state, and so does sending."""

# ruff: noqa: SLF001 (there is nothing public below the two endpoints)

from __future__ import annotations

import copy
import functools
import gc
import importlib
import inspect
import os
import struct
import subprocess
import sys
import weakref
import zlib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import client, http, http_websocket
from aiohttp._websocket import helpers, reader_py
from aiohttp._websocket import reader as reader_module
from aiohttp._websocket.writer import WebSocketWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastws
import fastws.hosts
from cases import each_case
from fastws import HostError
from fastws.backend import backend
from fastws.hosts import aiohttp as adapter
from fastws.hosts import registry
from fresh import run_python
from oracles import frame
from recording import Noting, called, failure, same_on
from scripted import in_pieces
from scripted_aiohttp import COMPILED, Options, Protocol, done, play, take, write
from traffic import (
    BINARY,
    CLOSE,
    COMPRESSED_TEXT,
    CONT,
    PING,
    PONG,
    TEXT,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
    streams,
)
from vectors import KEY

if TYPE_CHECKING:
    from types import ModuleType

writer_module: Any = importlib.import_module("aiohttp._websocket.writer")

LATIN = ("plain text with an é in it. " * 300).encode()
CHINESE = ("中文" * 900).encode()
ASCII = b"nothing but ASCII. " * 200
LONG = ("é" * 40_000).encode()

# Whether the host has the function that is replaced, since 3.13.2.
WRITES_FRAMES = hasattr(WebSocketWriter, "_write_websocket_frame")


@pytest.fixture(autouse=True)
def _each_twin(adapted: ModuleType) -> None:
    """Every test runs with both."""


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


SMALL = streams(None)

LARGE: dict[str, bytes] = {
    "Latin": frame(TEXT, LATIN),
    "masked Latin": frame(TEXT, LATIN, KEY),
    "Chinese": frame(TEXT, CHINESE) * 3,
    "masked Chinese": frame(TEXT, CHINESE, KEY) * 3,
    "ASCII": frame(TEXT, ASCII) * 5,
    "of several reads": frame(TEXT, LONG) + frame(TEXT, b"x"),
    "masked, of several reads": frame(TEXT, LONG, KEY) + frame(TEXT, LATIN, KEY),
    "binary": frame(BINARY, LONG + b"\xff") + frame(TEXT, LATIN) + frame(BINARY, bytes(5000), KEY),
    "small ones between": frame(TEXT, b"a") + frame(TEXT, LATIN) + frame(PING, b"?") + frame(TEXT, LATIN) + frame(PONG),
    "many small ones before": frame(TEXT, b"abc") * 20 + frame(TEXT, LATIN) + frame(TEXT, b"abc") * 20,
    "long forms of short lengths": frame(TEXT, LATIN, form=64) + frame(TEXT, CHINESE, KEY, 64),
    "fragments": frame(UNFINISHED_TEXT, LATIN) + frame(CONT, CHINESE) + frame(TEXT, LATIN),
    "fragments of several reads": frame(UNFINISHED_TEXT, LONG) + frame(UNFINISHED_CONT, LONG, KEY) + frame(CONT, LONG),
    "control frames between": frame(UNFINISHED_TEXT, LATIN) + frame(PING, b"?") + frame(CONT, LATIN) + frame(PING),
    "text after unfinished": frame(UNFINISHED_TEXT, b"ab") + frame(TEXT, LATIN) + frame(CONT, b"ef"),
    "text after an empty start": frame(UNFINISHED_TEXT) + frame(TEXT, LATIN) + frame(CONT, b"ef"),
    "nothing to continue": frame(TEXT, LATIN) + frame(CONT, LATIN),
    "invalid at its start": frame(TEXT, b"\xff" + LATIN) + frame(TEXT, b"x"),
    "invalid at its end": frame(TEXT, LATIN) + frame(TEXT, LATIN + b"\xe4\xb8") + frame(TEXT, LATIN),
    "invalid and masked": frame(TEXT, b"a", KEY) + frame(TEXT, LATIN + b"\xff", KEY) + frame(TEXT, LATIN, KEY),
    "invalid, of several reads": frame(TEXT, LONG + b"\xff" + LONG) + frame(TEXT, b"x"),
    "invalid fragments": frame(UNFINISHED_TEXT, LATIN) + frame(CONT, b"\xff" + LATIN) + frame(TEXT, b"x"),
    "reserved bit": frame(TEXT, LATIN) + frame(0xA1, LATIN),
    "compressed": frame(COMPRESSED_TEXT, deflated(LATIN * 30))
    + frame(TEXT, LATIN)
    + frame(COMPRESSED_TEXT, deflated(os.urandom(4000).hex().encode())),
    "bad opcode behind": frame(TEXT, LATIN) + frame(0x83, LATIN),
    "close behind": frame(TEXT, LATIN) + frame(CLOSE, b"\x03\xe8bye") + frame(TEXT, LATIN),
}

OPTIONS = (Options(), Options(take="one"), Options(take="end"))
LARGE_OPTIONS = (
    *OPTIONS,
    Options(compress=True),
    Options(decode_text=False),
    Options(max_msg_size=0),
    Options(max_msg_size=len(LATIN)),
    Options(max_msg_size=len(LATIN) + 1, take="one"),
    Options(limit=100),
    Options(limit=len(LATIN), take="one"),
    Options(limit=3000, take="end"),
)


def compare(options: Options, *scripts: list[bytes]) -> None:
    same_on("aiohttp", lambda: [play(script, options) for script in scripts])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@each_case("stream", SMALL.values(), ids=SMALL)
def test_small_messages(stream: bytes, options: Options) -> None:
    compare(
        options,
        [stream],
        in_pieces(stream, range(1, len(stream))),
        *[in_pieces(stream, [cut]) for cut in range(1, min(len(stream), 40))],
    )


def some_cuts(stream: bytes) -> list[list[bytes]]:
    """Pieces: of one size; cut in two around where frames begin and end; with a short last one."""
    n = len(stream)
    sizes = [700, 2047, 2048, 5000, 16_384, 33_000]
    edges = [1, 2, 3, 4, 5, 9, 10, 13, 14, 15, 2050, n // 3, n // 2, n - len(LATIN), n - 2050, n - 9, n - 2, n - 1]
    return [
        [stream],
        *[in_pieces(stream, range(size, n, size)) for size in sizes],
        *[in_pieces(stream, [edge]) for edge in edges],
        *[in_pieces(stream, [edge, edge + 2500, n - 5]) for edge in edges[:9]],
    ]


@pytest.mark.parametrize("options", LARGE_OPTIONS, ids=str)
@each_case("stream", LARGE.values(), ids=LARGE)
def test_large_messages(stream: bytes, options: Options) -> None:
    compare(options, *(some_cuts(stream) if options == Options() else some_cuts(stream)[::4]))


@pytest.mark.parametrize("stream", LARGE.values(), ids=LARGE)
def test_after_a_large_message(stream: bytes) -> None:
    """Where the reader looks out for more of them."""
    before = frame(TEXT, LATIN)
    compare(Options(), *[[before, *pieces] for pieces in some_cuts(stream)[::3]])


@pytest.mark.parametrize("between", [frame(TEXT, b"small"), frame(TEXT, ASCII), frame(BINARY, bytes(3000), KEY)])
def test_after_messages_that_are_not_worth_it(between: bytes) -> None:
    """Where the reader has given up looking out, and looks again."""
    large = frame(TEXT, LATIN)
    compare(Options(), [between] * 70 + [large + between, large] * 70 + [large[:3000], large[3000:]] * 70)


@pytest.mark.parametrize("limit", [100, 2**16])
def test_very_many_pieces(limit: int) -> None:
    """More than are kept as they are, twice, with another message in the last one."""
    for stream in (frame(TEXT, LATIN, KEY), frame(BINARY, LONG), frame(TEXT, b"\xff" + LATIN)):
        pieces = in_pieces(stream, range(0, len(stream), max(7, len(stream) // 1200)))
        compare(Options(limit=limit), [b"", *pieces, b""], [frame(TEXT, b"x"), *pieces[:-1], pieces[-1] + stream[:99]])


def test_pieces_of_other_types() -> None:
    stream = frame(TEXT, LATIN) + frame(TEXT, LONG)
    for kind in (bytearray, memoryview):
        compare(Options(), [kind(piece) for piece in in_pieces(stream, [3000, 20_000, 60_000])])  # type: ignore[misc]


# How long a frame is said to be, in each form; the last two are more than the host can count.
LENGTHS = (0, 2, 3, 125, 126, 999, 1000, 65_535, 65_536, 2**31, 2**63 - 1, 2**63, 2**64 - 1)


@pytest.mark.parametrize("max_msg_size", [0, 1, 3, 126, 1000, 2**22])
@pytest.mark.parametrize("key", [b"", KEY], ids=["bare", "masked"])
@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_a_header_in_pieces(first: int, key: bytes, max_msg_size: int) -> None:
    """What is too long is refused with the last byte of its length."""
    mask = 0x80 if key else 0
    headers = [
        *[bytes([first, mask | length]) for length in LENGTHS if length < 126],
        *[struct.pack("!BBH", first, mask | 126, length) for length in LENGTHS if length < 65_536],
        *[struct.pack("!BBQ", first, mask | 127, length) for length in LENGTHS],
    ]
    scripts = []
    for header in headers:
        stream = header + key + b"abc"
        scripts += [in_pieces(stream, range(1, len(stream)))]
        scripts += [in_pieces(stream, [cut, cut + 1]) for cut in range(1, len(stream) - 1)]
        scripts += [[frame(TEXT, b"a") + stream[:3], stream[3:4], stream[4:]]]
    compare(Options(max_msg_size=max_msg_size), *scripts)


@pytest.mark.parametrize(
    "before",
    [
        *[b"", frame(PING), frame(TEXT, b"a"), frame(BINARY, b"a", KEY), frame(TEXT, b"a") * 5, frame(BINARY, LONG)],
        *[frame(TEXT, b"a") + frame(PING, b"?"), frame(PING) + frame(TEXT, b"a"), frame(TEXT, b"\xff")],
        *[frame(UNFINISHED_TEXT, b"a"), frame(UNFINISHED_TEXT, b"a") + frame(CONT)],
        *[frame(TEXT, b"a") + frame(UNFINISHED_TEXT, b"b"), frame(TEXT, b"a") + frame(UNFINISHED_TEXT) + frame(CONT)],
    ],
    ids=range(13),
)
def test_a_close_frame_that_is_refused(before: bytes) -> None:
    """The host tells the first bit of the data frame before it, wherever that was read."""
    bad = frame(CLOSE, b"x")
    half, rest = before[: len(before) // 2], before[len(before) // 2 :]
    scripts = [[before + bad], [before, bad], [half, rest, bad], [half, rest + bad]]
    for limit in (1, 2**16):
        compare(Options(limit=limit), *scripts, [*in_pieces(before, range(1, min(len(before), 40))), bad])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    frames=st.lists(
        st.tuples(
            st.sampled_from(
                [TEXT, TEXT, TEXT, BINARY, CONT, PING, UNFINISHED_TEXT, UNFINISHED_CONT, COMPRESSED_TEXT, CLOSE]
            ),
            st.sampled_from([b"", b"x", LATIN, LATIN[:2048], LATIN[:2047], CHINESE, LATIN + b"\xff", LONG, ASCII]),
            st.sampled_from([None, KEY]),
        ),
        max_size=6,
    ),
    cuts=st.lists(st.integers(0, 60_000), max_size=6),
    take=st.sampled_from(["all", "one", "end"]),
    limit=st.sampled_from([100, 3000, 2**16]),
    max_msg_size=st.sampled_from([0, 6000, 2**22]),
)
def test_any_frames(
    frames: list[tuple[int, bytes, bytes | None]], cuts: list[int], take: str, limit: int, max_msg_size: int
) -> None:
    stream = b"".join(
        [frame(first, payload[:100] if first in (PING, CLOSE) else payload, key) for first, payload, key in frames]
    )
    options = Options(max_msg_size=max_msg_size, take=take, limit=limit)
    compare(options, in_pieces(stream, cuts))


# Writing --------------------------------------------------------------------------------------------------------------

MESSAGES: list[Any] = [
    b"",
    b"x",
    b"x" * 125,
    b"x" * 126,
    b"x" * 16_384,
    b"x" * 16_385,
    b"x" * 65_535,
    b"x" * 65_536,
    bytearray(b"abc"),
    memoryview(b"abc"),
    memoryview(b"abcdefgh").cast("I"),
    type("Bytes", (bytes,), {})(b"abc"),
    "text",
    None,
]


@pytest.mark.parametrize("use_mask", [False, True])
@pytest.mark.parametrize("opcode", [1, 2, 8, 9, 10, 0, 3, 11, True, 1.0, *aiohttp.WSMsgType])
def test_frames_written(opcode: Any, use_mask: bool) -> None:
    for compress in (0, 15):
        messages = [data for data in MESSAGES if not compress or data is None or len(data) <= 16_384]
        plain = [write(data, opcode, use_mask=use_mask, compress=compress) for data in messages]
        with fastws.hosts.accelerated("aiohttp"):
            assert [write(data, opcode, use_mask=use_mask, compress=compress) for data in messages] == plain


@pytest.mark.parametrize("closing", ["transport", "writer"])
@pytest.mark.parametrize("use_mask", [False, True])
def test_frames_written_to_what_is_closing(use_mask: bool, closing: str) -> None:
    plain = [write(data, 2, use_mask=use_mask, closing=closing) for data in MESSAGES]
    with fastws.hosts.accelerated("aiohttp"):
        assert [write(data, 2, use_mask=use_mask, closing=closing) for data in MESSAGES] == plain


def test_the_source_of_keys_is_the_hosts() -> None:
    protocol: Any = Protocol()
    with fastws.hosts.accelerated("aiohttp"):
        writer = WebSocketWriter(protocol, protocol, use_mask=True)
        writer.get_random_bits = lambda: 0x01020304  # type: ignore[assignment]
        done(writer.send_frame(bytes(6), 2))
    assert protocol.written == [b"\x82\x86\x01\x02\x03\x04\x01\x02\x03\x04\x01\x02"]


@pytest.mark.parametrize("before", [True, False], ids=["patched before", "patched meanwhile"])
def test_a_mask_of_somebody_else_is_used(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[bytes, bytes]] = []
    plain_mask = writer_module.websocket_mask

    @functools.wraps(plain_mask)
    def mask(key: bytes, data: bytearray) -> None:
        given.append((key, bytes(data)))
        plain_mask(key, data)
        data.reverse()

    def patch() -> None:
        monkeypatch.setattr(writer_module, "websocket_mask", mask)

    def run() -> Any:
        given.clear()
        outcomes = [write(data, 1, use_mask=use_mask) for data in (b"", b"abc", LATIN) for use_mask in (True, False)]
        return outcomes, list(given)

    if before:
        patch()
        _, told = same_on("aiohttp", run)
    else:
        with fastws.hosts.accelerated("aiohttp"):
            patch()
            accelerated, told = run()
        assert run() == (accelerated, told)
    assert [data for _, data in told] == [b"", b"abc", LATIN]


@pytest.mark.skipif(fastws.backend_name() == "python", reason="the pure twin leaves this alone")
@pytest.mark.skipif(not WRITES_FRAMES, reason="the host builds its frames in another function")
@pytest.mark.parametrize("adapted", [backend], ids=["native"], indirect=True)
@pytest.mark.parametrize("counted", ["", "1"])
def test_frames_are_masked_by_the_codec(counted: str, adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nobody has put another mask there."""
    twin = Noting(adapted)
    monkeypatch.setattr(registry, "backend", twin)
    monkeypatch.setenv("FASTWS_COUNT_SEAMS", counted)
    with fastws.hosts.accelerated("aiohttp"):
        write(b"abc", 2, use_mask=True)
    assert twin.built == [2]


def masked(function: Any, key: Any, data: Any) -> Any:
    """What a mask does to its argument, or what it raises."""
    data = copy.copy(data)
    try:
        return function(key, data), type(data), bytes(data)
    except Exception as error:
        return type(error), str(error)


def test_the_mask_without_extensions() -> None:
    long = bytearray(os.urandom(6000))
    arguments = [(KEY, long[:n]) for n in (0, 1, 3, 4, 5, 100, 1023, 1024, 6000)]
    arguments += [(KEY, b"abc"), (b"abc", bytearray(3)), (bytearray(KEY), bytearray(b"abc")), (KEY, None)]  # type: ignore[list-item]
    plain = [masked(helpers._websocket_mask_python, *each) for each in arguments]
    with fastws.hosts.accelerated("aiohttp"):
        assert [masked(helpers._websocket_mask_python, *each) for each in arguments] == plain


# Options that are no integers -----------------------------------------------------------------------------------------


class Number:
    """Something that only tells its value when it is asked for an integer."""

    def __init__(self, name: str) -> None:
        setattr(type(self), name, lambda _: 1000)

    def __repr__(self) -> str:
        return " ".join([name for name in ("__index__", "__int__") if hasattr(self, name)])


SIZES: list[Any] = [
    *[0.0, 0.5, -0.5, 1.0, 1000.9, 1e7, 2.0**31, 1e30, -1.5, float("nan"), float("inf"), True, None, "5", b"5", 1j],
    *[-1, 2**31, 2**32 - 1, 2**32, Decimal(1000), Decimal("0.1"), Decimal("NaN"), Fraction(2001, 2), [1]],
    *[type("Index", (Number,), {})("__index__"), type("Int", (Number,), {})("__int__")],
]


@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_a_size_that_is_no_integer(size: Any) -> None:
    streams = [frame(TEXT, bytes([97]) * n, key) for n in (0, 1, 999, 1000, 1001, 70_000) for key in (None, KEY)]
    scripts = [[stream] for stream in streams] + [in_pieces(stream, [1, 3, 500]) for stream in streams]

    def run() -> Any:
        return [called(lambda script=script: vars(play(script, Options(max_msg_size=size)))) for script in scripts]

    same_on("aiohttp", run)


# What stands where ----------------------------------------------------------------------------------------------------


def places() -> list[Any]:
    """What the host has where something is replaced."""
    return [
        *[module.WebSocketReader for module in (reader_module, http, http_websocket, client)],
        vars(WebSocketWriter)["_write_websocket_frame"],
        vars(aiohttp.ClientWebSocketResponse)["send_str"],
        vars(reader_py.WebSocketReader)["_feed_data"],
        helpers.websocket_mask,
    ]


def test_restored_as_it_was() -> None:
    before = places()
    fastws.accelerate("aiohttp")
    fastws.accelerate("aiohttp")
    fastws.restore("aiohttp")
    assert places() == before


@pytest.mark.skipif(not COMPILED, reason="aiohttp runs without its extensions")
@pytest.mark.skipif(fastws.backend_name() == "python", reason="the pure twin leaves this alone")
@pytest.mark.parametrize("adapted", [backend], ids=["native"], indirect=True)
class TestReader:
    """The class that stands in the place of the compiled reader."""

    def make(self) -> tuple[Any, Any]:
        queue = reader_module.WebSocketDataQueue(Protocol(), 2**16, loop=None)  # type: ignore[arg-type]
        return reader_module.WebSocketReader(queue, 2**22, False, True), queue

    def test_looks_like_the_hosts(self) -> None:
        plain = reader_module.WebSocketReader
        with fastws.hosts.accelerated("aiohttp"):
            ours = reader_module.WebSocketReader
            assert ours is not plain
            assert issubclass(ours, plain)
            assert (ours.__name__, ours.__qualname__, ours.__module__) == (
                plain.__name__,
                plain.__qualname__,
                plain.__module__,
            )
            assert ours.__doc__ == plain.__doc__
            reader, _ = self.make()
            assert isinstance(reader, plain)
            with pytest.raises(AttributeError):
                reader.something = 1  # type: ignore[attr-defined]

    def test_wrong_arguments(self) -> None:
        outcomes = []
        for _ in range(2):
            for arguments in ((), (None, 1, False, True), (None,)):
                with pytest.raises(TypeError) as caught:
                    reader_module.WebSocketReader(*arguments)
                outcomes.append(str(caught.value))
            fastws.accelerate("aiohttp")
        assert outcomes[:3] == outcomes[3:]

    def test_keywords(self) -> None:
        with fastws.hosts.accelerated("aiohttp"):
            queue = reader_module.WebSocketDataQueue(Protocol(), 2**16, loop=None)  # type: ignore[arg-type]
            reader = reader_module.WebSocketReader(decode_text=False, compress=False, max_msg_size=2**22, queue=queue)
            reader.feed_data(frame(TEXT, LATIN))
            assert take(queue)[0][2] == ("bytes", LATIN)

    def test_derived_classes_are_asked_for_every_frame(self) -> None:
        with fastws.hosts.accelerated("aiohttp"):
            frames = []

            class Reader(reader_module.WebSocketReader):
                def _handle_frame(self, *arguments: Any) -> None:
                    frames.append(arguments)
                    super()._handle_frame(*arguments)

            queue = reader_module.WebSocketDataQueue(Protocol(), 2**16, loop=None)  # type: ignore[arg-type]
            reader = Reader(queue, 2**22, False, True)
            reader.feed_data(frame(TEXT, LATIN))
            assert frames == [(True, 1, LATIN, 0)]
            assert take(queue)[0][2] == ("str", LATIN.decode())

    def test_an_open_connection_goes_on_when_restored(self) -> None:
        stream = frame(TEXT, LATIN) * 4
        with fastws.hosts.accelerated("aiohttp"):
            reader, queue = self.make()
            reader.feed_data(stream[:20_000])
        reader.feed_data(stream[20_000:25_000])
        with fastws.hosts.accelerated("aiohttp"):
            reader.feed_data(stream[25_000:])
        assert [message[2] for message in take(queue)] == [("str", LATIN.decode())] * 4

    def test_a_connection_that_was_open_before(self) -> None:
        reader, queue = self.make()
        with fastws.hosts.accelerated("aiohttp"):
            reader.feed_data(frame(TEXT, LATIN))
        assert take(queue)[0][2] == ("str", LATIN.decode())

    def test_a_queue_of_a_derived_class_sees_every_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where it was put there before the host was accelerated, and raises."""
        plain_queue: Any = reader_module.WebSocketDataQueue
        stream = frame(TEXT, b"abc") * 4 + frame(PING) + frame(BINARY, b"d", KEY) * 4

        class Queue(plain_queue):  # type: ignore[misc]
            def feed_data(self, data: Any, size: int) -> None:
                seen.append((data, size))
                if data[1] == b"d":
                    raise LookupError("not today")
                super().feed_data(data, size)

        def run() -> Any:
            seen.clear()
            queue = Queue(Protocol(), 2**16, loop=None)
            reader = reader_module.WebSocketReader(queue, *given)
            results = [called(reader.feed_data, piece) for piece in in_pieces(stream, [1, 7])]
            return results, list(seen), take(queue), failure(queue.exception())

        seen: list[Any] = []
        given: list[Any] = [2**22, False, True][: len(inspect.signature(reader_py.WebSocketReader).parameters) - 1]
        _, told, *_ = same_on("aiohttp", run)
        assert [data[1] for data, _ in told] == ["abc"] * 4 + [b"", b"d"]
        monkeypatch.setattr(reader_module, "WebSocketDataQueue", Queue)
        same_on("aiohttp", run)

    def test_a_refused_close_frame_after_it_was_restored(self) -> None:
        told = []
        for before in ([], [frame(PING)], [frame(TEXT, b"a")], [frame(TEXT, b"a")[:2], b"a"], [frame(TEXT, b"a")[:2]]):
            for accelerated in (False, True):
                fastws.hosts.restore()
                if accelerated:
                    fastws.accelerate("aiohttp")
                reader, queue = self.make()
                for piece in before:
                    reader.feed_data(piece)
                fastws.hosts.restore()
                if before and len(before[-1]) == 2 and before[-1] != frame(PING):
                    reader.feed_data(b"a")
                reader.feed_data(frame(CLOSE, b"x"))
                told.append(failure(queue.exception()))
        assert told[::2] == told[1::2]

    def test_goes_away(self) -> None:
        with fastws.hosts.accelerated("aiohttp"):
            reader, queue = self.make()
            reader.feed_data(frame(TEXT, LATIN)[:5000])
            gone = weakref.ref(reader)
            del reader, queue
            gc.collect()
            assert gone() is None

    def test_messages_of_one_frame_do_not_reach_the_c_code(
        self, adapted: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That is the gain."""
        twin: Any = adapted
        parsed: list[int] = []

        class Parser:
            def __init__(self, *args: Any, **options: Any) -> None:
                self._parser = twin.MessageParser(*args, **options)

            def parse(self, *args: Any) -> Any:
                told = self._parser.parse(*args)
                parsed.extend([size for _, size in told[0]])
                return told

            def deliver(self, data: Any, put: Any) -> Any:
                def note(message: Any, size: int) -> None:
                    parsed.append(size)
                    put(message, size)

                return self._parser.deliver(data, note)

        class Twin:
            MessageParser = Parser

            def __getattr__(self, name: str) -> Any:
                return getattr(twin, name)

        monkeypatch.setattr(registry, "backend", Twin())
        with fastws.hosts.accelerated("aiohttp"):
            reader, _ = self.make()
            stream = frame(TEXT, LONG) + frame(TEXT, LATIN, KEY) + frame(BINARY, b"small") * 3
            parsed.clear()
            for piece in (frame(TEXT, b"a"), *in_pieces(stream, [1, 16_384, 70_000]), frame(PING), frame(TEXT, b"b")):
                reader.feed_data(piece)
            # One read after something else is not looked at.
            reader.feed_data(frame(TEXT, b"bc"))
        assert parsed == [1, len(LONG), len(LATIN), 5, 5, 5, 2]

    @pytest.mark.parametrize(
        "options", [{"compress": True}, {"decode_text": False}, {"compress": 1, "decode_text": 0}], ids=str
    )
    def test_where_nothing_is_gained_the_hosts_own_class_is_made(self, options: dict[str, Any]) -> None:
        plain = reader_module.WebSocketReader
        with fastws.hosts.accelerated("aiohttp"):
            queue = reader_module.WebSocketDataQueue(Protocol(), 2**16, loop=None)  # type: ignore[arg-type]
            given: dict[str, Any] = {"max_msg_size": 2**22, "compress": False, "decode_text": True, **options}
            assert type(reader_module.WebSocketReader(queue, **given)) is plain
            assert type(reader_module.WebSocketReader(queue, *given.values())) is plain

            class Reader(reader_module.WebSocketReader):
                pass

            assert type(Reader(queue, **given)) is Reader

    @pytest.mark.parametrize("limit", [1, 3000, 2**16])
    @pytest.mark.parametrize("at", [1, 2, 9000, 20_000])
    def test_an_open_connection_goes_on_when_restored_at_any_place(self, at: int, limit: int) -> None:
        """In a header, in a payload, and where the queue is full."""
        stream = frame(TEXT, LATIN) * 4 + frame(BINARY, b"x")
        with fastws.hosts.accelerated("aiohttp"):
            queue = reader_module.WebSocketDataQueue(Protocol(), limit, loop=None)  # type: ignore[arg-type]
            reader = reader_module.WebSocketReader(queue, 2**22, False, True)
            reader.feed_data(stream[:at])
        reader.feed_data(stream[at : at + 9])
        with fastws.hosts.accelerated("aiohttp"):
            reader.feed_data(stream[at + 9 : at + 100])
            reader.feed_data(stream[at + 100 :])
            messages = [message[2] for message in take(queue)]
        assert messages == [("str", LATIN.decode())] * 4 + [("bytes", b"x")]

    def test_a_connection_can_be_restored_while_its_queue_is_full(self) -> None:
        with fastws.hosts.accelerated("aiohttp"):
            queue = reader_module.WebSocketDataQueue(Protocol(), 1, loop=None)  # type: ignore[arg-type]
            reader = reader_module.WebSocketReader(queue, 2**22, False, True)
            reader.feed_data(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(BINARY, b"three"))
            reader.feed_data(frame(TEXT, b"four"))
        assert [message[2][1] for message in take(queue)] == ["one", "two", b"three", "four"]

    def test_a_reader_with_other_fields_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(adapter, "_PROGRESS", (*adapter._PROGRESS[:-1], "_something"))
        with pytest.raises(HostError, match="other fields"):
            fastws.accelerate("aiohttp")

    def test_a_reader_that_reads_otherwise_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(adapter, "_PROGRESS", (*adapter._PROGRESS[:-2], "_payload_buffer", "_opcode"))
        with pytest.raises(HostError, match="does not read as expected"):
            fastws.accelerate("aiohttp")


def test_another_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def _handle_frame(self: Any, *frame: Any) -> None:
        """Something else."""

    monkeypatch.setattr(reader_py.WebSocketReader, "_handle_frame", _handle_frame)
    with pytest.raises(HostError, match="has been replaced by something else"):
        fastws.accelerate("aiohttp")


@pytest.mark.skipif(fastws.backend_name() == "python", reason="the pure twin leaves this alone")
@pytest.mark.parametrize("adapted", [backend], ids=["native"], indirect=True)
@pytest.mark.parametrize("order", ["before", "after"])
def test_the_server_is_replaced_whenever_it_is_imported(order: str) -> None:
    """And restored to what it had, although it has imported by name what stood there."""
    code = f"""
        import fastws, aiohttp
        from aiohttp import client
        plain = client.WebSocketReader
        if {order!r} == "before":
            import aiohttp.web
        fastws.accelerate("aiohttp")
        import aiohttp.web
        from aiohttp import web_ws
        for _ in range(2):
            assert web_ws.WebSocketReader is client.WebSocketReader
            assert web_ws.WebSocketResponse.send_str.__wrapped__
            fastws.restore("aiohttp")
            assert web_ws.WebSocketReader is client.WebSocketReader is plain
            assert not hasattr(web_ws.WebSocketResponse.send_str, "__wrapped__")
            fastws.accelerate("aiohttp")
        print(web_ws.WebSocketReader is not plain)
    """
    assert run_python(code, AIOHTTP_NO_EXTENSIONS="", FASTWS_NO_EXTENSIONS="") == "True"


# Without aiohttp's extensions -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not COMPILED, reason="this is that run")
@pytest.mark.parametrize("adapted", [backend], ids=["each"], indirect=True)
def test_without_extensions() -> None:
    """These tests again, where aiohttp reads and masks in Python."""
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1", "PYTEST_ADDOPTS": ""},
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout
