"""websockets without sockets, plain against accelerated: the same script gives the same events, bytes and state."""

from __future__ import annotations

import logging
import random
import secrets
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import websockets.frames
import websockets.protocol
import websockets.utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, Side, State
from websockets.streams import StreamReader
from websockets.uri import parse_uri

import fastws
import fastws.hosts
from cases import each_case
from oracles import frame
from recording import called, failure, told
from scripted_websockets import (
    EOF,
    SIDES,
    Options,
    after_a_message,
    cut,
    key_for,
    new_protocol,
    play,
    same,
    streams,
    told_step,
)
from traffic import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    UNFINISHED_BINARY,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
)
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.usefixtures("adapted")

OPTIONS = (
    Options(),
    Options(compressed=True),
    Options(debug=True),
    Options(max_size=4),
    Options(state=State.CLOSING),
)

_sides = pytest.mark.parametrize("side", SIDES, ids=["client", "server"])
_names = each_case("name", streams(SERVER))


_one_key_only = pytest.mark.usefixtures("_one_key")


def compare(side: Side, options: Options, *scripts: list[bytes | None]) -> None:
    same(lambda: [play(script, side, options) for script in scripts])


def _shown(value: Any) -> str:
    """A value in the name of a test; where it is in memory does not matter."""
    return "memoryview" if isinstance(value, memoryview) else f"{type(value).__name__}-{str(value)[:12]}"


# Receiving ------------------------------------------------------------------------------------------------------------


@_one_key_only
@_sides
@_names
def test_one_piece_single_bytes_and_the_end(name: str, side: Side) -> None:
    stream = streams(side)[name]
    single = [stream[i : i + 1] for i in range(len(stream))]
    later = after_a_message(side, stream)
    same(
        lambda: [
            play(script, side, options)
            for options in OPTIONS
            # A protocol that is put into CLOSING by hand has no close frame to compare with the one that it gets.
            if options.state is State.OPEN or "close" not in name
            for script in ([stream], [stream, EOF], [*single, EOF], [later], cut(later, [len(later) - len(stream)]))
        ]
    )


@_one_key_only
@_sides
@_names
def test_every_split_and_the_end_at_every_byte(name: str, side: Side) -> None:
    stream = streams(side)[name]
    later = after_a_message(side, stream)
    splits = [cut(stream, [at]) for at in range(min(len(stream), 40))]
    splits_later = [cut(later, [at]) for at in range(0, min(len(later), 50), 3)]
    for options, scripts in (
        (Options(), splits + splits_later),
        (Options(compressed=True), splits if "compressed" in name else splits[::3]),
    ):
        compare(side, options, *[[*script, EOF] for script in scripts], *[[script[0], EOF] for script in scripts])


@_one_key_only
@pytest.mark.parametrize("size", [0, 125, 126, 127, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("first", [TEXT, BINARY, UNFINISHED_TEXT])
@_sides
def test_lengths(side: Side, first: int, size: int) -> None:
    key = key_for(side)
    message = frame(first, b"x" * size, key)
    stream = frame(TEXT, b"0", key) + message + frame(CONT if first == UNFINISHED_TEXT else TEXT, b"y", key)
    for options in (Options(), Options(max_size=size), Options(max_size=None), Options(max_size=max(0, size - 1))):
        pieces = cut(stream, range(40_000, len(stream), 40_000))
        compare(side, options, [stream], pieces, cut(stream, [9, 10, 11, 17, min(len(stream), 5000)]))


@_one_key_only
@pytest.mark.parametrize("max_size", [5, (10, 5), (None, 5), (10, None), (3, 5), 0, (0, 0)], ids=str)
@_sides
def test_limits(side: Side, max_size: Any) -> None:
    if isinstance(max_size, tuple) and not hasattr(Protocol(side), "max_message_size"):
        pytest.skip("this version has no limit for fragments")
    key = key_for(side)
    options = Options(max_size=max_size)
    scripts: list[list[bytes | None]] = []
    for size in range(12):
        whole = frame(TEXT, b"x" * size, key)
        parts = frame(UNFINISHED_TEXT, b"x" * (size // 2), key) + frame(CONT, b"x" * (size - size // 2), key)
        after = frame(TEXT, b"1", key) + parts + whole
        scripts += [[whole], [parts], [after], [frame(PING, b"x" * size, key)], cut(after, [3, 9])]
    compare(side, options, *scripts)


@_one_key_only
@_sides
def test_events_are_of_the_hosts_own_types(side: Side) -> None:
    stream = streams(side)["control frames between"] + frame(BINARY, b"z" * 20_000, KEY if side is SERVER else None)
    with fastws.hosts.accelerated("websockets"):
        protocol, _ = new_protocol(side, Options())
        protocol.receive_data(stream)
        for event in protocol.events_received():
            assert type(event) is Frame
            assert event.opcode is Opcode(event.opcode)
            assert type(event.data) is (bytes if side is SERVER else bytearray)
            assert list(vars(event)) == ["opcode", "data", "fin", "rsv1", "rsv2", "rsv3"]
            assert event == Frame(event.opcode, event.data, event.fin)


@_one_key_only
@_sides
def test_many_messages_at_once(side: Side) -> None:
    key = key_for(side)
    chance = random.Random(5)  # noqa: S311
    kinds = [TEXT, BINARY, PING, PONG]
    stream = b"".join(
        [frame(chance.choice(kinds), chance.randbytes(chance.choice([0, 1, 5, 120])), key) for _ in range(400)]
    )
    compare(side, Options(), [stream], cut(stream, range(1000, len(stream), 1000)), [stream[:-1], EOF])


@_one_key_only
@_sides
def test_a_parser_steps_no_further_after_an_error(side: Side) -> None:
    def run() -> Any:
        protocol, _ = new_protocol(side, Options())
        parser = protocol.parser
        protocol.receive_data(frame(0x83, b"x", KEY if side is SERVER else None))
        return called(next, parser), protocol.parser is parser, failure(protocol.parser_exc)

    ((_, (kind, text, *_)), is_kept, _) = same(run)
    assert (kind, text, is_kept) == (AssertionError, "parse() shouldn't step after error", False)


@_one_key_only
@_sides
def test_an_internal_error_ends_the_connection(side: Side) -> None:
    class Broken(Protocol):
        def recv_frame(self, frame: Frame) -> None:
            raise RuntimeError(f"internal: {frame}")

    same(lambda: play([streams(side)["three messages"], b"more", EOF], side, Options(), Broken))


@_one_key_only
@_sides
def test_what_subclasses_override_is_called(side: Side) -> None:
    class Noting(Protocol):
        seen: list[Any]

        def recv_frame(self, frame: Frame) -> None:
            self.seen.append(("received", told(frame), bytes(self.reader.buffer)))
            super().recv_frame(frame)

        def send_frame(self, frame: Frame) -> None:
            self.seen.append(("sent", told(frame)))
            super().send_frame(frame)

    def run() -> Any:
        protocol, _ = new_protocol(side, Options(), Noting)
        assert isinstance(protocol, Noting)
        protocol.seen = []
        protocol.receive_data(streams(side)["control frames between"])
        protocol.send_text(b"abc")
        protocol.send_binary(b"abc")
        return protocol.seen

    assert [what for what, *_ in same(run)].count("sent") == 4


@_sides
def test_a_method_replaced_on_one_connection_is_called(side: Side) -> None:
    def run() -> Any:
        protocol, _ = new_protocol(side, Options())
        frames: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocol, "recv_frame", lambda frame: frames.append(told(frame)))
            protocol.receive_data(streams(side)["three messages"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocol, "send_frame", lambda frame: frames.append(told(frame)))
            protocol.send_text(b"x")
        return frames

    assert len(same(run)) == 4


class Shifting(Extension):
    """An extension of a user: adds one to every byte of data frames, and notes what it was asked."""

    name = "x-shift"  # type: ignore[assignment]

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        self.asked.append(("decode", told(frame), max_size))
        if frame.opcode >= Opcode.CLOSE:
            return frame
        return Frame(frame.opcode, bytes([(byte - 1) % 256 for byte in frame.data]), frame.fin)

    def encode(self, frame: Frame) -> Frame:
        self.asked.append(("encode", told(frame)))
        if frame.opcode >= Opcode.CLOSE:
            return frame
        return Frame(frame.opcode, bytes([(byte + 1) % 256 for byte in frame.data]), frame.fin, rsv2=True)


@_one_key_only
@pytest.mark.parametrize("name", ["three messages", "fragments", "control frames between", "reserved bit 2"])
@_sides
def test_an_extension_of_a_user(name: str, side: Side) -> None:
    def run() -> Any:
        protocol, _ = new_protocol(side, Options())
        first, second = Shifting(), Shifting()
        protocol.extensions = [first, PerMessageDeflate(False, False, 15, 15), second]
        protocol.receive_data(streams(side)[name])
        steps = [told_step(protocol)]
        if protocol.state is State.OPEN:
            protocol.send_text(b"abc", fin=False)
            protocol.send_continuation(bytearray(b"def"), fin=True)
            protocol.send_ping(b"p")
            steps.append(told_step(protocol))
        return steps, first.asked, second.asked

    same(run)


@_one_key_only
@_sides
def test_a_failing_extension(side: Side) -> None:
    class Failing(Shifting):
        def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
            raise PayloadTooBig(5, max_size) if frame.data == b"big" else ZeroDivisionError("no")

        encode = None  # type: ignore[assignment]

    def run(data: bytes) -> Any:
        protocol, log = new_protocol(side, Options())
        protocol.extensions = [Failing()]
        results = [called(protocol.send_text, b"x")]
        protocol.extensions[0].encode = lambda frame: frame  # type: ignore[method-assign]
        protocol.receive_data(frame(TEXT, data, KEY if side is SERVER else None))
        return results, told_step(protocol), log.lines

    same(lambda: run(b"big"))
    same(lambda: run(b"x"))


_chunks = st.lists(
    st.tuples(
        st.sampled_from(
            [TEXT, BINARY, CONT, UNFINISHED_TEXT, UNFINISHED_BINARY, UNFINISHED_CONT, PING, PONG, CLOSE, 0xC1, 0x83]
        ),
        st.binary(max_size=300) | st.sampled_from([b"\x03\xe8bye", b"\x03\xe8\xff", b"\x00"]),
        st.sampled_from([None, None, None, 16, 64]),
        st.integers(0, 19),
    ),
    max_size=8,
)


@_one_key_only
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    chunks=_chunks,
    cuts=st.lists(st.integers(0, 600), max_size=5),
    side=st.sampled_from(SIDES),
    max_size=st.sampled_from([None, 100, 2**20]),
    compressed=st.booleans(),
    ended=st.booleans(),
)
def test_any_traffic(
    chunks: list[Any], cuts: list[int], side: Side, max_size: Any, compressed: bool, ended: bool
) -> None:
    parts = []
    for first, payload, form, oddness in chunks:
        key = KEY if (side is SERVER) == (oddness > 0) else None
        fits = form is None or len(payload) < 2**16
        parts.append(frame(first, payload, key, form if fits else None))
    stream = b"".join(parts)
    script = cut(stream, sorted(min(at, len(stream)) for at in cuts))
    compare(side, Options(max_size=max_size, compressed=compressed), script + [EOF] * ended)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=60), side=st.sampled_from(SIDES))
def test_noise(noise: bytes, side: Side) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", lambda n: KEY[:n])
        compare(side, Options(), [noise, EOF], [noise[i : i + 1] for i in range(len(noise))])


# Handshakes -----------------------------------------------------------------------------------------------------------


def test_frames_that_come_with_the_handshake() -> None:
    """The parsers of both sides start with HTTP and go on with frames, in the same bytes if it has to be."""

    def run() -> Any:
        client = ClientProtocol(parse_uri("ws://localhost/"), max_size=100)
        client.key = "dGhlIHNhbXBsZSBub25jZQ=="
        client.send_request(client.connect())
        response = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        client.receive_data(response + streams(CLIENT)["three messages"])
        _, *events = client.events_received()
        client.receive_data(frame(TEXT, b"x" * 101))
        return [told(event) for event in events], client.state, failure(client.parser_exc)

    events, _, _ = same(run)
    assert len(events) == 3


# Open connections -----------------------------------------------------------------------------------------------------


@_sides
def test_connections_that_are_open_when_it_starts_and_ends(side: Side) -> None:
    """Each goes on with the parser that it has, until the host is put back; no byte is lost."""
    key = key_for(side)
    early, _ = new_protocol(side, Options())
    early.receive_data(frame(UNFINISHED_TEXT, b"ab", key)[:-1])
    fastws.hosts.accelerate("websockets")
    late, _ = new_protocol(side, Options())
    late.receive_data(frame(UNFINISHED_TEXT, b"ab", key)[:-1])
    for protocol in (early, late):
        protocol.receive_data(frame(UNFINISHED_TEXT, b"ab", key)[-1:] + frame(UNFINISHED_CONT, b"cd", key)[:-2])
    fastws.hosts.restore()
    for protocol in (early, late):
        protocol.receive_data(frame(UNFINISHED_CONT, b"cd", key)[-2:])
        protocol.receive_data(frame(CONT, b"ef", key) + frame(TEXT, b"gh", key))
        assert [bytes(event.data) for event in protocol.events_received()] == [b"ab", b"cd", b"ef", b"gh"]  # type: ignore[union-attr]
        protocol.receive_data(frame(0x83, b"", key))
        assert str(protocol.parser_exc) == "invalid opcode"


_GIVEN: dict[str, Any] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "a view": memoryview,
    "a slice": lambda data: memoryview(b"abc" + data + b"d")[3:-1],
    "every second byte": lambda data: memoryview(bytes(2 * len(data)))[::2],
    "numbers": lambda data: memoryview(data + bytes(-len(data) % 4)).cast("I"),
    "two dimensions": lambda data: memoryview(data + bytes(-len(data) % 4) + bytes(4)).cast(
        "B", (1 + (len(data) + 3) // 4, 4)
    ),
    "text": bytes.hex,
    "a list": list,
    "nothing": lambda _: None,
}


@_sides
@pytest.mark.parametrize("kind", list(_GIVEN))
def test_what_is_received_may_be_of_many_kinds(side: Side, kind: str) -> None:
    """While the buffer is empty, and within a frame; nothing but the host's own buffer keeps what was given."""
    stream = streams(side)["message, fragments, message"]

    def run() -> Any:
        steps = []
        for pieces in ([stream], [stream[:4], stream[4:]], [b"", stream[:-1], stream[-1:] + stream]):
            protocol, _ = new_protocol(side, Options())
            for piece in pieces:
                given = _GIVEN[kind](piece)
                steps += [called(protocol.receive_data, given), told_step(protocol)]
                if kind == "bytearray":
                    given.append(0)
        return steps

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", lambda n: KEY[:n])
        same(run)


@_sides
def test_receiving_after_the_end(side: Side) -> None:
    def run() -> Any:
        protocol, _ = new_protocol(side, Options())
        protocol.receive_eof()
        return called(protocol.receive_data, streams(side)["text"]), told_step(protocol)

    same(run)


@_sides
def test_messages_that_arrive_whole_do_not_go_through_the_buffer(side: Side) -> None:
    fed: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch, fastws.hosts.accelerated("websockets"):
        protocol, _ = new_protocol(side, Options())
        plain = StreamReader.feed_data

        def feed_data(reader: StreamReader, data: bytes) -> None:
            fed.append(bytes(data))
            plain(reader, data)

        patch.setattr(StreamReader, "feed_data", feed_data)
        stream = streams(side)["three messages"]
        protocol.receive_data(stream)
        assert fed == []
        protocol.receive_data(stream + b"\x81")
        assert fed == [b"\x81"]
        assert len(protocol.events_received()) == 6


# Sending --------------------------------------------------------------------------------------------------------------

PAYLOADS: tuple[Any, ...] = (
    b"",
    b"x",
    "héllo".encode(),
    b"x" * 125,
    b"x" * 126,
    b"x" * 65_535,
    b"x" * 65_536,
    bytearray(b"abc"),
    memoryview(b"abcdef"),
    memoryview(b"abcdef")[::2],
    memoryview(struct.pack("3I", 1, 2, 3)).cast("I"),
    "text",
    None,
    5,
)


@_one_key_only
@pytest.mark.parametrize("payload", PAYLOADS, ids=_shown)
@_sides
def test_sending(side: Side, payload: Any) -> None:
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("send_text", (payload,), {}),
        ("send_binary", (payload,), {}),
        ("send_text", (payload,), {"fin": False}),
        ("send_text", (payload,), {}),
        ("send_continuation", (payload, False), {}),
        ("send_ping", (payload,), {}),
        ("send_continuation", (payload,), {"fin": True}),
        ("send_continuation", (payload, True), {}),
        ("send_pong", (payload,), {}),
        ("send_text", (), {"data": payload, "fin": 1}),
        ("send_close", (1000, "bye"), {}),
        ("send_text", (payload,), {}),
    ]

    def run(options: Options) -> Any:
        protocol, log = new_protocol(side, options)
        steps = []
        for name, arguments, named in calls:
            result = called(partial(getattr(protocol, name), *arguments, **named))
            steps.append((result, told_step(protocol)))
        return steps, log.lines

    same(lambda: [run(options) for options in OPTIONS])


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "deflate"])
def test_what_a_client_sends_with_keys_of_the_codec(compressed: bool) -> None:
    """The keys are unpredictable; unmasked, the frames are the host's."""
    sizes = (0, 1, 125, 126, 65_535, 65_536)

    def run() -> Any:
        client, _ = new_protocol(CLIENT, Options(compressed=compressed))
        server, _ = new_protocol(SERVER, Options(compressed=compressed))
        for size in sizes:
            client.send_text(b"x" * size)
            client.send_binary(b"y" * size, fin=False)
            client.send_continuation(b"z" * size, fin=True)
        written = client.data_to_send()
        server.receive_data(b"".join(written))
        return [len(data) for data in written], [told(event) for event in server.events_received()]

    same(run)


def test_no_key_is_sent_twice() -> None:
    fastws.hosts.accelerate("websockets")
    protocol, _ = new_protocol(CLIENT, Options())
    for _ in range(3000):
        protocol.send_binary(b"")
    assert len({data[2:6] for data in protocol.data_to_send()}) > 2990


@pytest.mark.parametrize("key", [KEY, b"abc", b"", bytearray(KEY)], ids=_shown)
def test_a_replaced_source_of_keys_is_asked(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def draw(n: int) -> Any:
        asked.append(n)
        return key

    def run() -> Any:
        asked.clear()
        protocol, _ = new_protocol(CLIENT, Options())
        results = [called(protocol.send_text, b"abc"), called(protocol.send_ping, b""), protocol.data_to_send()]
        return results, list(asked)

    monkeypatch.setattr(secrets, "token_bytes", draw)
    _, asked_for = same(run)
    assert asked_for == [4, 4]


def test_a_source_of_keys_replaced_before_it_starts_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda _: KEY)
    fastws.hosts.accelerate("websockets")
    protocol, _ = new_protocol(CLIENT, Options())
    protocol.send_text(b"abc")
    assert protocol.data_to_send() == [frame(TEXT, b"abc", KEY)]


# One frame ------------------------------------------------------------------------------------------------------------


def read(stream: bytes, *, from_reader: bool = True, kind: type[Frame] = Frame, **options: Any) -> Any:
    """Parse one frame by hand, given byte by byte; what it returned or raised, and what is left."""
    reader = StreamReader()

    def read_exact(n: int) -> Generator[None, None, bytes]:
        data = yield from reader.read_exact(n)
        return bytes(data)

    parser = kind.parse(reader.read_exact if from_reader else read_exact, **options)
    waits: list[bytes] = []
    for byte in [*stream, None]:
        try:
            next(parser)
        except StopIteration as stop:
            return told(stop.value), type(stop.value), bytes(reader.buffer), waits
        except Exception as error:
            return failure(error), bytes(reader.buffer), waits
        waits.append(bytes(reader.buffer))
        if byte is None:
            reader.feed_eof()
        else:
            reader.feed_data(bytes([byte]))
    return called(next, parser), bytes(reader.buffer), waits


class OwnFrame(Frame):
    """A frame class of a user."""


@_sides
@_names
def test_parsing_one_frame(name: str, side: Side) -> None:
    stream = streams(side)[name][:80]
    is_server = side is SERVER

    def run(from_reader: bool, kind: type[Frame]) -> list[Any]:
        results = [
            read(stream, from_reader=from_reader, kind=kind, mask=mask, max_size=max_size)
            for mask in (True, False)
            for max_size in (None, 1, 3)
        ]
        given: list[dict[str, Any]] = [
            {"mask": is_server, "extensions": [PerMessageDeflate(False, False, 15, 15)]},
            {"mask": int(is_server)},
        ]
        return [*results, *[read(stream, from_reader=from_reader, kind=kind, **options) for options in given]]

    same(lambda: [run(from_reader, kind) for from_reader in (True, False) for kind in (Frame, OwnFrame)])


def test_parsing_one_frame_that_is_there() -> None:
    def run(side: Side) -> Any:
        reader = StreamReader()
        reader.feed_data(streams(side)["three messages"])
        return called(next, Frame.parse(reader.read_exact, mask=side is SERVER)), bytes(reader.buffer)

    for side in SIDES:
        same(partial(run, side))


@_one_key_only
@pytest.mark.parametrize("opcode", [*Opcode, 1, 11, 200], ids=str)
@pytest.mark.parametrize("bits", [(False,) * 3, (True, False, False), (0, 0, 1)], ids=str)
def test_serializing_one_frame(opcode: Any, bits: Any) -> None:
    class Bits(Extension):
        def encode(self, frame: Frame) -> Frame:
            return Frame(frame.opcode, frame.data, frame.fin, True, False, True)

    payloads: tuple[Any, ...] = (
        b"",
        b"x" * 126,
        memoryview(b"abc"),
        bytearray(b"abc"),
        memoryview(b"abcde")[::2],
        "abc",
    )
    fins: tuple[Any, ...] = (True, False, 1, 0)
    frames = [Frame(opcode, payload, fin, *bits) for payload in payloads for fin in fins]
    same(
        lambda: [
            called(
                lambda given=given, mask=mask, extensions=extensions: given.serialize(mask=mask, extensions=extensions)
            )
            for given in frames
            for mask in (True, False, 1, 0)
            for extensions in (None, [], [Bits()], [Bits(), Bits()])
        ]
    )


def test_a_frame_class_that_checks_more() -> None:
    class Strict(Frame):
        def check(self) -> None:
            raise ProtocolError("never right")

    reader = StreamReader()
    reader.feed_data(frame(TEXT, b"x"))
    same(lambda: called(lambda: Strict(Opcode.TEXT, b"x").serialize(mask=False)))
    with fastws.hosts.accelerated("websockets"), pytest.raises(ProtocolError, match="never right"):
        next(Strict.parse(reader.read_exact, mask=False))


# Masking --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b"abcde", bytearray(b"abcdefg"), memoryview(b"abcdef")[::2], "abc", None], ids=_shown
)
@pytest.mark.parametrize("mask", [KEY, bytearray(KEY), b"abc", b"", None, "abcd"], ids=_shown)
def test_the_mask_of_hosts_without_their_extension(data: Any, mask: Any) -> None:
    same(lambda: called(websockets.utils.apply_mask, data, mask))
    same(lambda: called(lambda: websockets.utils.apply_mask(data=data, mask=mask)))


def test_the_mask_is_replaced_where_the_host_has_no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = websockets.utils.apply_mask
    monkeypatch.setattr(websockets.frames, "apply_mask", plain)
    with fastws.hosts.accelerated("websockets"):
        assert vars(websockets.frames)["apply_mask"] is websockets.utils.apply_mask is not plain
    assert vars(websockets.frames)["apply_mask"] is websockets.utils.apply_mask is plain


# The adapter ----------------------------------------------------------------------------------------------------------


def test_the_log_tells_each_frame() -> None:
    protocol, log = new_protocol(SERVER, Options(debug=True))
    with fastws.hosts.accelerated("websockets"):
        protocol, log = new_protocol(SERVER, Options(debug=True))
        protocol.receive_data(frame(TEXT, b"abc", KEY))
        protocol.send_text(b"def")
    lines = [line for level, (_, (_, line)), _ in log.lines if level == "DEBUG"]
    assert lines[-2:] == ["< TEXT 'abc' [3 bytes]", "> TEXT 'def' [3 bytes]"]
    assert protocol.logger.isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    "path", ["frames.Frame.check", "protocol.Protocol.recv_frame", "streams.StreamReader.read_exact"]
)
def test_a_host_that_has_moved_is_refused_whole(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, *owners, name = path.split(".")
    owner: Any = getattr(websockets, module)
    for part in owners:
        owner = getattr(owner, part)
    plain_parse = Protocol.parse
    monkeypatch.setattr(owner, name, lambda *_: None)
    with pytest.raises(fastws.HostError, match=rf"websockets\.{path} has been replaced"):
        fastws.hosts.accelerate("websockets")
    assert Protocol.parse is plain_parse


def test_restored_as_it_was() -> None:
    before = dict(vars(Protocol)), dict(vars(Frame)), dict(vars(websockets.utils))
    fastws.hosts.accelerate("websockets")
    assert dict(vars(Protocol)) != before[0]
    fastws.hosts.restore()
    assert (dict(vars(Protocol)), dict(vars(Frame)), dict(vars(websockets.utils))) == before
