"""wsproto, plain against accelerated: the same script gives the same events, one by one, and the same state."""

# ruff: noqa: SLF001 - the state that is compared is private

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto import events, extensions, frame_protocol
from wsproto.frame_protocol import Buffer, CloseReason, FrameDecoder, FrameProtocol, ParseFailed

import fastws.hosts
from cases import each_case
from fastws.hosts.wsproto import events as adapter_events
from oracles import frame
from recording import called, same_on, told
from scripted import in_pieces
from scripted_wsproto import connect, play, state
from traffic import (
    BINARY,
    CONT,
    PING,
    TEXT,
    UNFINISHED_BINARY,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
    first_bytes,
    payloads,
    streams,
)
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wsproto.connection import Connection

pytestmark = pytest.mark.usefixtures("adapted")

STREAMS = {True: streams(None), False: streams(KEY)}

# first byte, payload, form of the length of each frame; without a form it is the shortest
Frames = list[tuple[Any, ...]]

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
_streams = each_case("name", STREAMS[True])


def compare(run: Callable[[], Any]) -> None:
    """A run gives the same result plain and accelerated."""
    same_on("wsproto", run)


def compare_scripts(client: bool, *scripts: Iterable[bytes | None], looking: bool = True) -> None:
    given = [list(script) for script in scripts]
    compare(lambda: [play(script, connect(client=client), looking=looking) for script in given])


@_roles
@_streams
def test_one_piece_and_single_bytes(name: str, client: bool) -> None:
    data = STREAMS[client][name]
    compare_scripts(client, [data, None, b""], [*in_pieces(data, range(1, len(data))), None])


@_roles
@_streams
def test_every_split(name: str, client: bool) -> None:
    data = STREAMS[client][name]
    compare_scripts(client, *[in_pieces(data, [cut]) for cut in range(1, min(len(data), 50))])


@_roles
@_streams
def test_the_end_at_every_byte(name: str, client: bool) -> None:
    data = STREAMS[client][name]
    compare_scripts(client, [None], *[[data[:end], None, data[end:]] for end in range(min(len(data), 50))])


@_streams
@_roles
def test_frames_of_the_wrong_side(name: str, client: bool) -> None:
    data = STREAMS[not client][name]
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
@each_case("sequence", _SEQUENCES, ids=lambda sequence: sequence.hex())
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


# Held as it was received ----------------------------------------------------------------------------------------------


@pytest.fixture
def all_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece of a frame is large enough to stay as it was received."""
    monkeypatch.setattr(adapter_events, "LARGE", 2)


@_roles
@_streams
@pytest.mark.usefixtures("all_held")
def test_pieces_that_are_held(name: str, client: bool) -> None:
    data = STREAMS[client][name]
    splits = [in_pieces(data, [cut]) for cut in range(1, min(len(data), 40))]
    steps = [in_pieces(data, range(step, len(data), step)) for step in (1, 2, 3, 7)]
    compare_scripts(client, *splits, *[[*pieces, None] for pieces in steps], looking=False)
    compare_scripts(client, *steps)


@_roles
@pytest.mark.parametrize("first", [TEXT, BINARY, UNFINISHED_TEXT, 0xC1, 0x83])
@pytest.mark.parametrize("form", [None, 64])
def test_long_frames_that_are_held(form: int | None, first: int, client: bool) -> None:
    """From their headers on, in pieces, and with what follows them."""
    letters = ("aé中😀" * 9000).encode()
    data = stream([(TEXT, b"x"), (first, letters, form), (CONT, b""), (PING, b"?"), (TEXT, b"y")], client=client)
    start = data.index(b"\x81", 1) if first == TEXT else len(stream([(TEXT, b"x")], client=client))
    end = len(data) - len(stream([(CONT, b""), (PING, b"?"), (TEXT, b"y")], client=client))
    cuts = [
        [start],
        [start, start + 30_000],
        [start, start + 30_001, start + 60_003],
        [start, end - 9000],
        [end - 9001, end],
    ]
    scripts = [in_pieces(data, cut) for cut in cuts]
    compare_scripts(client, *scripts, looking=False)
    compare_scripts(client, *scripts)


def _begun(client: bool, first: int = TEXT) -> tuple[Connection, bytes]:
    """A connection in the middle of a frame, whose next piece is large, and that piece."""
    text = b"x" * 20_000
    data = stream([(first, text), (TEXT, b"y")], client=client)
    connection = connect(client=client)
    connection.receive_data(data[:-16_000])
    assert len(list(connection.events())) == 1
    return connection, data[-16_000:]


@_roles
def test_a_large_piece_is_not_copied(client: bool) -> None:
    with fastws.hosts.accelerated("wsproto"):
        connection, piece = _begun(client)
        buffer = connection._proto._frame_decoder.buffer
        array = buffer.buffer
        connection.receive_data(piece)
        assert not array
        assert isinstance(buffer, Buffer)
        assert [vars(event)["message_finished"] for event in connection.events()] == [True, True]
        assert type(buffer) is Buffer
        assert buffer.buffer is array
        assert not array


_LOOKS: dict[str, Callable[[Any], Any]] = {
    "buffer": lambda buffer: bytes(buffer.buffer),
    "len": len,
    "consume_at_most": lambda buffer: (bytes(buffer.consume_at_most(5)), buffer.rollback()),
    "consume_exactly": lambda buffer: (bytes(buffer.consume_exactly(7)), buffer.rollback()),
    "commit": lambda buffer: buffer.commit(),
    "feed": lambda buffer: buffer.feed(b""),
    "copy": lambda buffer: (copy.copy(buffer).buffer[:9], copy.deepcopy(buffer).buffer[:9]),
    "put": lambda buffer: setattr(buffer, "buffer", buffer.buffer[:]),
    "put another": lambda buffer: setattr(buffer, "buffer", bytearray(b"x" * 4001)),
}


@_roles
@pytest.mark.parametrize("looks", _LOOKS.values(), ids=_LOOKS)
@pytest.mark.parametrize("restored", [True, False])
def test_whoever_looks_finds_the_bytes(looks: Callable[[Any], Any], client: bool, restored: bool) -> None:
    """Also when the host was restored meanwhile."""

    def run() -> list[Any]:
        connection, piece = _begun(client)
        connection.receive_data(piece)
        if restored:
            fastws.hosts.restore("wsproto")
        trace = [told(looks(connection._proto._frame_decoder.buffer)), state(connection)]
        return [*trace, [told(event) for event in connection.events()], state(connection)]

    compare(run)


@_roles
@pytest.mark.parametrize("turn", [fastws.hosts.restore, fastws.hosts.accelerate, None], ids=["restored", "again", "-"])
@pytest.mark.parametrize("more", [b"", b"\x81", bytes(9000)], ids=len)
def test_more_arrives_before_anybody_takes_it(more: bytes, turn: Any, client: bool) -> None:
    def run(turn: Any) -> list[Any]:
        connection, piece = _begun(client, BINARY)
        waiting = connection.events()
        connection.receive_data(piece[:9000])
        if turn is not None:
            fastws.hosts.restore("wsproto")
            turn("wsproto")
        connection.receive_data(piece[9000:] + more)
        trace = [(told(event), state(connection)) for event in waiting]
        connection.receive_data(more)
        return [*trace, called(lambda: [told(event) for event in connection.events()]), state(connection)]

    with fastws.hosts.accelerated("wsproto"):
        fast = run(turn)
    fastws.hosts.restore()
    assert fast == run(None)


@_roles
def test_what_is_held_is_found_by_an_iteration_that_goes_on(client: bool) -> None:
    def run() -> list[Any]:
        connection, piece = _begun(client)
        connection.receive_data(piece[:100])
        waiting = connection.events()
        trace = [told(next(waiting))]
        connection.receive_data(piece[100:])
        return [*trace, *[(told(event), state(connection)) for event in waiting]]

    compare(run)


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.lists(st.tuples(first_bytes, payloads), min_size=1, max_size=8),
    key=st.one_of(st.none(), st.binary(min_size=4, max_size=4)),
    cuts=st.lists(st.integers(1, 400), max_size=8),
    cut_off=st.integers(0, 3),
    looking=st.booleans(),
)
def test_random_traffic(frames: Frames, key: bytes | None, cuts: list[int], cut_off: int, looking: bool) -> None:
    data = b"".join([frame(first, payload, key) for first, payload in frames])
    data = data[: len(data) - cut_off]
    pieces = in_pieces(data, sorted({cut for cut in cuts if cut < len(data)}))
    compare_scripts(key is None, [*pieces, None], looking=looking)


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
