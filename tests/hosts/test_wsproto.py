"""wsproto, plain against accelerated: the same script gives the same events, one by one, and the same state."""

# ruff: noqa: SLF001 - the state that is compared is private

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto import events, extensions, frame_protocol
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, ParseFailed

import fastws.hosts
from oracles import frame
from recording import called, same_on, told
from scripted import in_pieces
from scripted_wsproto import connect, play, state
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
    from collections.abc import Callable, Iterable, Iterator

pytestmark = pytest.mark.usefixtures("adapted")

# name → (first byte, payload, form of the length) of each frame; None for the form leaves the shortest
Frames = list[tuple[Any, ...]]
STREAMS: dict[str, Frames] = {
    "text": [(TEXT, "héllo".encode())],
    "empty text": [(TEXT, b"")],
    "binary": [(BINARY, bytes(range(40)))],
    "empty binary": [(BINARY, b"")],
    "three messages": [(TEXT, b"a"), (BINARY, b"\xff"), (TEXT, "中文".encode())],
    "fragments": [(UNFINISHED_TEXT, b"\xe4\xb8"), (UNFINISHED_CONT, b"\xad"), (CONT, b"!"), (TEXT, b"x")],
    "binary fragments": [(UNFINISHED_BINARY, b"\xff\xfe"), (CONT, b"\xfd"), (TEXT, b"x")],
    "empty fragments": [(UNFINISHED_TEXT, b""), (UNFINISHED_CONT, b""), (CONT, b"x")],
    "only empty fragments": [(UNFINISHED_TEXT, b""), (CONT, b"")],
    "control frames between": [
        (UNFINISHED_TEXT, b"ab"), (PING, b"?"), (PONG, b"!"), (CONT, b"cd"), (PING, b""), (TEXT, b"e"),
    ],
    "text after unfinished": [(UNFINISHED_TEXT, b"ab"), (TEXT, b"cd"), (CONT, b"ef")],
    "binary after unfinished": [(UNFINISHED_TEXT, b"ab"), (UNFINISHED_BINARY, b"cd"), (CONT, b"ef")],
    "nothing to continue": [(CONT, b"ab"), (TEXT, b"cd")],
    "pings": [(PING, b""), (PING, bytes(125)), (TEXT, b"x")],
    "ping of 126": [(PING, bytes(126)), (TEXT, b"x")],
    "ping without fin": [(0x09, b"x"), (TEXT, b"x")],
    "close": [(CLOSE, b"\x03\xe8bye"), (TEXT, b"x")],
    "message and close": [(TEXT, b"x"), (CLOSE, b""), (TEXT, b"x")],
    "close of 1": [(CLOSE, b"\x03"), (TEXT, b"x")],
    "close with bad code": [(CLOSE, b"\x03\xed"), (TEXT, b"x")],
    "close with bad reason": [(CLOSE, b"\x03\xe8\xff"), (TEXT, b"x")],
    "close without fin": [(0x08, b"\x03\xe8"), (TEXT, b"x")],
    "reserved bit 1": [(TEXT, b"a"), (0xC1, b"x"), (TEXT, b"x")],
    "reserved bit 2": [(0xA1, b"x"), (TEXT, b"x")],
    "reserved bit 3": [(0x91, b"x"), (TEXT, b"x")],
    "reserved bit of a ping": [(0xC9, b"x"), (TEXT, b"x")],
    "reserved opcode": [(0x83, b"x"), (TEXT, b"x")],
    "reserved control opcode": [(0x8B, b"x"), (TEXT, b"x")],
    "reserved opcode without fin": [(0x0F, b"x"), (TEXT, b"x")],
    "125 and 126 bytes": [(TEXT, b"x" * 125), (TEXT, b"x" * 126), (BINARY, b"x" * 126)],
    "long form of a short length": [(TEXT, b"ab", 16), (TEXT, b"x")],
    "longer form of a short length": [(BINARY, b"ab", 64), (TEXT, b"x")],
    "longer form of 126": [(BINARY, bytes(126), 64), (TEXT, b"x")],
    "long form of a ping": [(PING, b"ab", 16), (TEXT, b"x")],
    "invalid text": [(TEXT, b"good"), (TEXT, b"ab\xff"), (TEXT, b"x")],
    "overlong text": [(TEXT, b"\xc0\xaf"), (TEXT, b"x")],
    "surrogate": [(TEXT, b"\xed\xa0\x80"), (TEXT, b"x")],
    "first half of a surrogate": [(TEXT, b"\xed\xa0"), (TEXT, b"x")],
    "first half of a surrogate in fragments": [(UNFINISHED_TEXT, b"a\xed\xa0"), (CONT, b"\x80"), (TEXT, b"x")],
    "above U+10FFFF": [(TEXT, b"\xf4\x90\x80\x80"), (TEXT, b"x")],
    "unfinished code point": [(TEXT, b"ab\xe4\xb8"), (TEXT, b"x")],
    "invalid fragments": [(UNFINISHED_TEXT, b"\xe4"), (CONT, b"x"), (TEXT, b"x")],
    "unfinished code point in fragments": [(UNFINISHED_TEXT, b"a"), (CONT, b"\xe4"), (TEXT, b"x")],
}  # fmt: skip

RAW: dict[str, bytes] = {
    "length with its top bit": b"\x82\x7f\x80" + bytes(7) + b"abc",
    "length with its top bit, masked": b"\x82\xff\x80" + bytes(7) + b"abcdefg",
    "nothing that was announced": b"\x81\x7e\xff\xff",
    "nothing that was announced, masked": b"\x81\xfe\xff\xff1234",
}


def stream(frames: Frames, *, client: bool) -> bytes:
    """Frames as the other side sends them."""
    key = None if client else KEY
    return b"".join([frame(first, payload, key, *form) for first, payload, *form in frames])


_roles = pytest.mark.parametrize("client", [True, False], ids=["client", "server"])
_streams = pytest.mark.parametrize("frames", STREAMS.values(), ids=STREAMS)


def compare(run: Callable[[], Any]) -> None:
    """A run gives the same result plain and accelerated."""
    same_on("wsproto", run)


def compare_scripts(client: bool, *scripts: Iterable[bytes | None]) -> None:
    given = [list(script) for script in scripts]
    compare(lambda: [play(script, connect(client=client)) for script in given])


@_roles
@_streams
def test_one_piece_and_single_bytes(frames: Frames, client: bool) -> None:
    data = stream(frames, client=client)
    compare_scripts(client, [data, None, b""], [*in_pieces(data, range(1, len(data))), None])


@_roles
@_streams
def test_every_split(frames: Frames, client: bool) -> None:
    data = stream(frames, client=client)
    compare_scripts(client, *[in_pieces(data, [cut]) for cut in range(1, min(len(data), 50))])


@_roles
@_streams
def test_the_end_at_every_byte(frames: Frames, client: bool) -> None:
    data = stream(frames, client=client)
    compare_scripts(client, [None], *[[data[:end], None, data[end:]] for end in range(min(len(data), 50))])


@_streams
@_roles
def test_frames_of_the_wrong_side(frames: Frames, client: bool) -> None:
    data = stream(frames, client=not client)
    compare_scripts(client, [data], *[in_pieces(data, [cut]) for cut in range(1, 7)])


@_roles
@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_headers_alone(data: bytes, client: bool) -> None:
    good = stream([(TEXT, b"x")], client=client)
    compare_scripts(client, [data], *[[good + data[:cut], data[cut:], good] for cut in range(len(data))])


@_roles
@pytest.mark.parametrize("size", [125, 126, 127, 8191, 8192, 8193, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_lengths(size: int, first: int, client: bool) -> None:
    letters = "aé中😀".encode() * (size // 10 + 1)
    payload = letters[:size] if first == BINARY else letters[:size].decode(errors="ignore").ljust(size).encode()[:size]
    data = stream([(first, payload), (TEXT, b"y")], client=client)
    reads = [in_pieces(data, range(step, len(data), step)) for step in (997, 4096, 65_536)]
    compare_scripts(client, [data], *reads, in_pieces(data, [2, 4, 5, 8, 9, 10, 13, 14, 15, size, size + 1]))


@_roles
@pytest.mark.parametrize("bad", [0, 1, 4095, 4096, 50_000, 99_999])
def test_invalid_bytes_in_long_text(bad: int, client: bool) -> None:
    text = bytearray("é".encode() * 50_000)
    text[bad] = 0xFF
    data = stream([(TEXT, b"x"), (TEXT, bytes(text)), (TEXT, b"y")], client=client)
    compare_scripts(client, [data], in_pieces(data, range(4096, len(data), 4096)))


_SEQUENCES = [
    "aé中😀".encode(), b"\xf0\x9f\x98", b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xed\xa0", b"\xed\xbf\xbf", b"\xc0\x80",
    b"\xc1", b"\xe0\x80\x80", b"\xe0\x9f", b"\xf0\x80\x80\x80", b"\xf0\x8f", b"\xf4\x8f\xbf\xbf", b"\xf4\x90", b"\xf5",
    b"\xff", b"\x80", b"\xbf\xbf", b"\xe4\xb8\xe4", b"\xe4a", b"\xc3\xc3\xa9", b"\xf0\x9f\x98a",
]  # fmt: skip


@_roles
@pytest.mark.parametrize("sequence", _SEQUENCES, ids=lambda sequence: sequence.hex())
@pytest.mark.parametrize("around", [b"", "üz".encode()], ids=["alone", "between others"])
def test_code_points_cut_anywhere(sequence: bytes, around: bytes, client: bool) -> None:
    """Within one frame, and over two."""
    text, after = around + sequence + around, stream([(TEXT, b"x")], client=client)
    one = stream([(TEXT, text)], client=client)
    scripts = [in_pieces(one + after, [end, end + 2]) for end in range(len(one) - len(text), len(one) + 1)]
    for cut in range(len(text) + 1):
        two = stream([(UNFINISHED_TEXT, text[:cut]), (CONT, text[cut:])], client=client) + after
        scripts += [[two], in_pieces(two, range(1, len(two)))]
    compare_scripts(client, *scripts)


# Iterating ------------------------------------------------------------------------------------------------------------

_MIXED: Frames = [
    (TEXT, b"one"), (BINARY, b"two"), (PING, b"?"), (TEXT, b"drei"), (UNFINISHED_TEXT, b"v"), (CONT, b"ier"),
    (TEXT, b"x" * 200), (TEXT, b"\xff"), (TEXT, b"never"),
]  # fmt: skip


@_roles
@pytest.mark.parametrize("taken", range(9))
@pytest.mark.parametrize("abandoned", [True, False], ids=["closed", "kept"])
def test_events_that_are_not_all_taken(taken: int, abandoned: bool, client: bool) -> None:
    """The rest waits in the buffer, for this iteration and for others."""
    data = stream(_MIXED, client=client)

    def run() -> list[Any]:
        connection = connect(client=client)
        connection.receive_data(data[:-3])
        first = connection.events()
        trace = [(told(next(first)), state(connection)) for _ in range(taken)]
        if abandoned:
            first.close()
        second = connection.events()
        trace += [(told(event), state(connection)) for event in [*take(second, 1), *take(first, 1), *take(second, 2)]]
        connection.receive_data(data[-3:])
        return [*trace, *[(told(event), state(connection)) for event in [*first, *second, *connection.events()]]]

    compare(run)


def take(iterator: Iterator[Any], count: int) -> list[Any]:
    """So many items, or as many as there are."""
    return [item for _, item in zip(range(count), iterator, strict=False)]


@_roles
def test_bytes_that_arrive_between_events(client: bool) -> None:
    data = stream(_MIXED, client=client)

    def run() -> list[Any]:
        connection, trace, rest = connect(client=client), [], data
        connection.receive_data(b"")
        iterator = connection.events()
        for step in (5, 40, 1, 7, 300, 3, 3, 3, 3, 3):
            connection.receive_data(rest[:step])
            rest = rest[step:]
            trace.append([(told(event), state(connection)) for event in take(iterator, 1)])
        return [*trace, [told(event) for event in connection.events()], state(connection)]

    compare(run)


@_roles
@pytest.mark.parametrize("error", [ParseFailed("from outside", CloseReason.GOING_AWAY), ValueError("other")], ids=repr)
@pytest.mark.parametrize("taken", [1, 3, 6])
def test_errors_thrown_into_the_iteration(taken: int, error: Exception, client: bool) -> None:
    data = stream(_MIXED, client=client)

    def run() -> list[Any]:
        connection = connect(client=client)
        connection.receive_data(data)
        iterator: Any = connection.events()
        take(iterator, taken)
        thrown = called(iterator.throw, error)
        error.__traceback__ = None
        return [thrown, state(connection), [told(event) for event in iterator], play([b""], connection)]

    compare(run)


@_roles
@pytest.mark.parametrize("taken", range(8))
def test_accelerated_and_restored_within_an_iteration(taken: int, client: bool) -> None:
    """Nothing of a connection is kept anywhere but where the host keeps it."""
    data = stream(_MIXED, client=client)
    pieces = in_pieces(data, range(30, len(data), 30))
    fastws.hosts.restore()
    expected = play(pieces, connect(client=client))

    for start in (fastws.hosts.restore, fastws.hosts.accelerate):
        start()
        turn = fastws.hosts.accelerate if start is fastws.hosts.restore else fastws.hosts.restore
        connection, trace, left = connect(client=client), [], taken
        for piece in pieces:
            trace.append((called(connection.receive_data, piece), state(connection)))
            for event in connection.events():
                trace.append((told(event), state(connection)))
                left -= 1
                if not left:
                    turn("wsproto")
            trace.append(state(connection))  # type: ignore[arg-type]
        assert trace == expected


@_roles
def test_the_buffer_is_free_after_every_event(client: bool) -> None:
    """No view of it is left that would keep it from being resized."""
    data = stream([(TEXT, b"x" * 20_000), (TEXT, b"y" * 20_000 + b"\xff")], client=client)
    with fastws.hosts.accelerated("wsproto"):
        connection = connect(client=client)
        for piece in in_pieces(data, [15_000, 30_000]):
            connection.receive_data(piece)
            for _ in connection.events():
                connection.receive_data(b"")
                connection._proto._frame_decoder.buffer.buffer.append(0)
                connection._proto._frame_decoder.buffer.buffer.pop()


# Extensions -----------------------------------------------------------------------------------------------------------


def deflate(**options: Any) -> extensions.PerMessageDeflate:
    extension = extensions.PerMessageDeflate(**options)
    extension.finalize("permessage-deflate")
    return extension


@_roles
@pytest.mark.parametrize("options", [{}, {"client_no_context_takeover": True, "server_no_context_takeover": True}])
def test_permessage_deflate(options: dict[str, Any], client: bool) -> None:
    sender = connect(client=True, extensions=[deflate(**options)])  # masked; undone below for clients
    fastws.hosts.restore()
    proto: Any = sender._proto
    proto.client = not client
    texts: list[Any] = ["héllo" * 40, "", "中" * 300, b"\x00" * 5000, "😀"]
    data = b"".join([bytes(proto.send_data(text)) for text in texts])
    data += b"".join([bytes(proto.send_data(part, fin)) for part, fin in (("ab" * 99, False), ("ü" * 99, True))])
    data += bytes(proto.ping(b"?")) + bytes(proto.send_data("last"))
    uncompressed = stream([(TEXT, "plain é".encode()), (UNFINISHED_TEXT, b"\xc3"), (CONT, b"\xa9")], client=client)
    bad = stream([(0xC1, b"\xff\xff"), (TEXT, b"x")], client=client)
    misplaced = stream([(UNFINISHED_TEXT, b"x"), (0xC0, b"x")], client=client)
    ping = stream([(0xC9, b"x")], client=client)

    def run() -> list[Any]:
        return [
            play(pieces, connect(client=client, extensions=[deflate(**options)]))
            for end in (b"", bad, misplaced, ping)
            for pieces in (
                [data + uncompressed + end],
                in_pieces(data + uncompressed + end, range(37, len(data) + 40, 37)),
            )
        ]

    compare(run)


class Recorder(extensions.Extension):
    """Writes down what it is called with, and answers as it is told."""

    name = "recorder"

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[Any] = []

    def _answer(self, name: str, default: Any, *arguments: Any) -> Any:
        self.calls.append((name, [told(argument) for argument in arguments]))
        return self.answers.get(name, default)

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        return True

    def frame_inbound_header(self, proto: Any, opcode: Any, rsv: Any, payload_length: Any) -> Any:
        assert isinstance(proto, FrameDecoder)
        return self._answer("header", frame_protocol.RsvBits(False, True, False), opcode, rsv, payload_length)

    def frame_inbound_payload_data(self, proto: Any, data: Any) -> Any:
        assert isinstance(proto, FrameDecoder)
        return self._answer("payload", data, data)

    def frame_inbound_complete(self, proto: Any, fin: Any) -> Any:
        assert isinstance(proto, FrameDecoder)
        return self._answer("complete", None, fin)

    def frame_outbound(self, proto: Any, opcode: Any, rsv: Any, data: Any, fin: Any) -> Any:
        assert isinstance(proto, FrameProtocol)
        return self._answer("outbound", (rsv, data), opcode, rsv, data, fin)


@_roles
@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"header": CloseReason.POLICY_VIOLATION},
        {"payload": CloseReason.GOING_AWAY},
        {"complete": CloseReason.INTERNAL_ERROR},
        {"payload": b"other"},
        {"complete": b"more"},
        {"outbound": (frame_protocol.RsvBits(False, True, True), b"out" * 50)},
    ],
    ids=str,
)
def test_any_extension(answers: dict[str, Any], client: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: KEY[:size])
    data = stream([(0xA1, b"ab"), (UNFINISHED_BINARY, b""), (CONT, b"c"), (PING, b"?"), (0xC1, b"x")], client=client)

    def run() -> list[Any]:
        traces = []
        for pieces in ([data], in_pieces(data, range(1, len(data)))):
            recorders = [Recorder(**answers), Recorder()]
            connection = connect(client=client, extensions=recorders)
            traces += [play(pieces, connection), [recorder.calls for recorder in recorders]]
            sent = [events.TextMessage("é"), events.BytesMessage(b"b", message_finished=False), events.Ping(b"p")]
            fresh = connect(client=client, extensions=recorders)
            traces += [[called(fresh.send, event) for event in sent], [recorder.calls for recorder in recorders]]
        return traces

    compare(run)


# Random traffic -------------------------------------------------------------------------------------------------------

_payloads = st.one_of(st.binary(max_size=140), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
_frames = st.tuples(
    st.one_of(st.sampled_from([TEXT, TEXT, BINARY, CONT, CLOSE, PING, PONG, 0x01, 0x02, 0x00]), st.integers(0, 255)),
    _payloads,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.lists(_frames, min_size=1, max_size=8),
    key=st.one_of(st.none(), st.binary(min_size=4, max_size=4)),
    cuts=st.lists(st.integers(1, 400), max_size=8),
    cut_off=st.integers(0, 3),
)
def test_random_traffic(frames: Frames, key: bytes | None, cuts: list[int], cut_off: int) -> None:
    data = b"".join([frame(first, payload, key) for first, payload in frames])
    data = data[: len(data) - cut_off]
    pieces = in_pieces(data, sorted({cut for cut in cuts if cut < len(data)}))
    compare_scripts(key is None, [*pieces, None])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    ),
    cuts=st.lists(st.integers(0, 300), max_size=6).map(sorted),
    client=st.booleans(),
)
def test_random_text_in_fragments(text: bytes, cuts: list[int], client: bool) -> None:
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    firsts = [UNFINISHED_TEXT, *[UNFINISHED_CONT] * (len(parts) - 1)]
    firsts[-1] |= 0x80
    data = stream(list(zip(firsts, parts, strict=True)), client=client)
    compare_scripts(client, [data], in_pieces(data, range(11, len(data), 11)))
