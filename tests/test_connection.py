"""Connection: states, answers, both closing handshakes, errors, fragments and compression (RFC 6455 §5 to §7)."""

from __future__ import annotations

import gc
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from cases import each_case
from fastws import CloseCode, DeflateError, Opcode, ProtocolError, Role, SizeError, State, StateError, Utf8Error
from fastws.deflate import Deflate, Parameters
from oracles import frame, noise
from outcomes import plain, told_all
from vectors import ALPHABETS, BAD_TEXTS, GOOD_TEXTS, ROLES, STREAMS, Stream, bytewise, cuts, key_for, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

_roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)
_MAX = 2**20


def _other(role: Role) -> Role:
    return Role.SERVER if role is Role.CLIENT else Role.CLIENT


def _make(connections: ModuleType, role: Role, limit: int | None = _MAX, **options: Any) -> Any:
    return connections.Connection(role, max_message_size=limit, **options)


def _wire(role: Role, *frames: tuple[int, bytes]) -> bytes:
    """What the side with this role receives."""
    return b"".join([frame(first, payload, key_for(role)) for first, payload in frames])


def _sent(codec: ModuleType, connection: Any) -> list[tuple[int, bytes]]:
    """The first byte and the payload of each frame that waits to be written; masked as they must be."""
    decoder = codec.FrameDecoder(_other(connection.role), max_frame_size=None, rsv1=True)
    frames = decoder.feed(connection.data_to_send())
    assert decoder.buffered == 0
    return [(each.fin << 7 | each.rsv1 << 6 | each.opcode, each.payload) for each in frames]


def _told(events: Iterable[Any]) -> list[Any]:
    """As `told_all`; a fragment by its fields."""
    return [
        ("Fragment", each.data, each.opcode, each.fin) if type(each).__name__ == "Fragment" else told_all([each])[0]
        for each in events
    ]


# Messages -------------------------------------------------------------------------------------------------------------


@_roles
def test_a_new_connection(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    assert connection.role is role
    assert connection.state == State.OPEN == connections.State.OPEN
    assert (connection.closes_tcp, connection.error, connection.close_code, connection.close_reason) == (
        *(False, None),
        *(None, None),
    )
    assert (connection.close_received, connection.close_sent, connection.deflate) == (None, None, None)
    assert (connection.request, connection.response, connection.subprotocol) == (None, None, None)
    assert connection.data_to_send() == b""
    assert connection.receive_data(b"") == []
    assert repr(connection) == f"<Connection {role.value} OPEN>"


@_roles
def test_messages_are_sent(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    for alphabet in ALPHABETS:
        for n in (0, 1, 125, 126, 3000, 70_000):
            text = sample(alphabet, n)
            connection.send_text(text)
            assert _sent(codec, connection) == [(0x81, text.encode())]
            connection.send_bytes(text.encode())
            assert _sent(codec, connection) == [(0x82, text.encode())]


class _Text(str):
    __slots__ = ()


@_roles
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_kinds_of_data(codec: ModuleType, connections: ModuleType, role: Role, kind: Callable[[bytes], Any]) -> None:
    connection = _make(connections, role)
    connection.send_bytes(kind(b"data"))
    connection.send_text(kind("schön".encode()))
    connection.send_text(_Text("schön"))
    connection.send_fragment(kind(b"one"), fin=False)
    connection.ping(kind(b"?"))
    connection.send_fragment(kind(b"two"), fin=True)
    connection.pong(kind(b"!"))
    assert _sent(codec, connection) == [
        *((0x82, b"data"), (0x81, "schön".encode()), (0x81, "schön".encode())),
        *((0x02, b"one"), (0x89, b"?"), (0x80, b"two"), (0x8A, b"!")),
    ]


@_roles
def test_callers_mistakes_change_nothing(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    calls: list[tuple[type[Exception], Callable[[], object]]] = [
        (TypeError, lambda: connection.send_bytes("text")),
        *[(TypeError, lambda wrong=wrong: connection.send_text(wrong)) for wrong in (None, 5, [1])],
        *[(TypeError, lambda wrong=wrong: connection.send_bytes(wrong)) for wrong in (None, 5, [1])],
        (TypeError, lambda: connection.send_fragment(None, fin=False)),
        (TypeError, lambda: connection.receive_data("text")),
        (UnicodeEncodeError, lambda: connection.send_text("\ud800")),
        (UnicodeEncodeError, lambda: connection.send_fragment("\ud800", fin=False)),
        (ValueError, lambda: connection.ping(b"x" * 126)),
        (ValueError, lambda: connection.pong(b"x" * 126)),
        (ValueError, lambda: connection.close(1006)),
        (ValueError, lambda: connection.close(1000, "x" * 124)),
        (ValueError, lambda: connection.close(1005, "x")),
        (UnicodeEncodeError, lambda: connection.close(1000, "\ud800")),
    ]
    for error, call in calls:
        with pytest.raises(error):
            call()
    assert connection.data_to_send() == b""
    assert connection.state is connections.State.OPEN
    connection.send_text("fine")
    assert _sent(codec, connection) == [(0x81, b"fine")]


@pytest.mark.parametrize(
    "options",
    [
        {"max_message_size": -1},
        {"max_message_size": 5, "max_fragments": -1},
        {"max_message_size": 5, "max_frame_size": -1},
        {"max_message_size": 5, "text_as": "x"},
        {"max_message_size": 5, "handshake": "there", "text_as": "x"},
    ],
)
def test_wrong_options(connections: ModuleType, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(max_|text_as)"):
        connections.Connection(Role.CLIENT, **options)
    with pytest.raises(TypeError):
        connections.Connection("client", max_message_size=5)


@_roles
@each_case("stream", STREAMS, ids=lambda stream: stream.source)
def test_streams_cut_anywhere(codec: ModuleType, connections: ModuleType, role: Role, stream: Stream) -> None:
    """What comes is told, pings are answered, a close is echoed, an error is told to the peer; for every cut."""
    data, refusal = stream.wire(role), stream.refusal
    answers = [(0x8A, event[1]) for event in stream.events if event[0] == "Ping"]
    closes = [event for event in stream.events if event[0] == "Close"]
    if closes:
        answers.append((0x88, b"" if closes[0][1] == 1005 else closes[0][1].to_bytes(2, "big")))
    if refusal is not None:
        answers.append((0x88, refusal.close_code.to_bytes(2, "big") + refusal.text.encode()))
    splits = [[data], *[[data[:cut], data[cut:]] for cut in cuts(len(data))[:: 1 if len(data) < 50 else 19]]]
    for pieces in [*splits, bytewise(data[:900])] if len(data) <= 900 else splits:
        connection = _make(connections, role)
        events = [event for piece in pieces for event in connection.receive_data(piece)]
        assert told_all(events) == list(stream.events)
        assert _sent(codec, connection) == answers
        assert (connection.error and str(connection.error)) == (refusal and refusal.text)
        ended = bool(closes) or refusal is not None
        assert connection.state == (State.CLOSING if ended else State.OPEN)
        assert connection.closes_tcp == (refusal is not None or (ended and role is Role.SERVER))


@_roles
def test_answers_of_one_read_are_one_write(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    wire = _wire(role, (0x89, b"1"), (0x81, b"one"), (0x89, b"2"), (0x82, b"two"), (0x88, b"\x03\xe8"))
    for event in connection.receive_data(wire):
        if type(event).__name__ == "Message":
            connection.send_bytes(event.data.encode() if isinstance(event.data, str) else event.data)
    answers = [(0x8A, b"1"), (0x8A, b"2"), (0x82, b"one"), (0x82, b"two"), (0x88, b"\x03\xe8")]
    assert _sent(codec, connection) == answers
    connection = _make(connections, role)
    for event in connection.receive_data(_wire(role, (0x81, b"one"), (0x89, b"?"), (0x81, b"two"))):
        if type(event).__name__ == "Message":
            connection.send_text(event.data)
    assert _sent(codec, connection) == [(0x8A, b"?"), (0x81, b"one"), (0x81, b"two")]
    assert connection.data_to_send() == b""


@_roles
def test_limits(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role, 10, max_fragments=2)
    assert len(connection.receive_data(_wire(role, (0x82, b"x" * 10), (0x02, b"x" * 5), (0x80, b"x" * 5)))) == 2
    assert connection.receive_data(_wire(role, (0x82, b"x" * 11))) == []
    assert isinstance(connection.error, SizeError)
    assert _sent(codec, connection) == [(0x88, b"\x03\xf1message of 11 bytes is over the limit of 10")]
    connection = _make(connections, role, 10, max_frame_size=5)
    assert len(connection.receive_data(_wire(role, (0x02, b"x" * 5), (0x80, b"x" * 5)))) == 1
    assert connection.receive_data(_wire(role, (0x82, b"x" * 6))) == []
    assert _sent(codec, connection) == [(0x88, b"\x03\xf1frame of 6 bytes is over the limit of 5")]
    connection = _make(connections, role, max_fragments=1)
    assert connection.receive_data(_wire(role, (0x02, b"x"), (0x80, b""))) == []
    assert connection.error.close_code is CloseCode.MESSAGE_TOO_BIG


@_roles
def test_text_as_bytes(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role, text_as="bytes")
    (event,) = connection.receive_data(_wire(role, (0x81, "schön".encode())))
    assert plain(event.data) == ("bytes", "schön".encode())
    assert event.opcode is Opcode.TEXT
    connection.receive_data(_wire(role, (0x81, b"\xff")))
    assert isinstance(connection.error, Utf8Error)


@_roles
@pytest.mark.parametrize("data", ["", "Zürich", b"", bytes(range(256))], ids=repr)
def test_the_outbox_takes_what_would_be_sent(
    codec: ModuleType, connections: ModuleType, role: Role, data: str | bytes
) -> None:
    connection = _make(connections, role)
    connection.send_text("before")
    connection.outbox.append(codec.encode_message(data, role))
    connection.send_bytes(b"behind")
    first, payload = (0x81, data.encode()) if isinstance(data, str) else (0x82, data)
    assert _sent(codec, connection) == [(0x81, b"before"), (first, payload), (0x82, b"behind")]
    connection.outbox.append(codec.encode_message(data, role))
    assert _sent(codec, connection) == [(first, payload)]


@_roles
def test_there_is_an_outbox_only_where_a_message_is_sent_as_it_is(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    assert connection.outbox == []
    connection.send_fragment("a", fin=False)
    assert connection.outbox is None
    connection.send_fragment("b", fin=True)
    assert connection.outbox is not None
    # What the peer has sent in front of its close may still be answered.
    connection.receive_data(_wire(role, (0x81, b"x"), (0x88, b"")))
    assert connection.outbox is not None
    connection.data_to_send()
    assert connection.outbox is None


@_roles
@pytest.mark.parametrize("end", ["close", "fail", "eof", "error"])
def test_there_is_no_outbox_behind_the_end(connections: ModuleType, role: Role, end: str) -> None:
    connection = _make(connections, role)
    if end == "close":
        connection.close()
    elif end == "fail":
        connection.fail(1011)
    elif end == "eof":
        connection.receive_eof()
    else:
        connection.receive_data(_wire(role, (0x83, b"")))
        connection.data_to_send()
    assert connection.outbox is None


# Fragments ------------------------------------------------------------------------------------------------------------


@_roles
def test_fragments_are_sent(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    connection.send_fragment("ein ", fin=False)
    with pytest.raises(TypeError, match=r"^the message began with str$"):
        connection.send_fragment(b"bytes", fin=True)
    for send in (connection.send_text, connection.send_bytes):
        with pytest.raises(StateError, match=r"^cannot send a message: the last one still lacks fragments$"):
            send("x" if send == connection.send_text else b"x")
    connection.ping()
    connection.send_fragment("", fin=False)
    connection.send_fragment("schönes", fin=True)
    connection.send_fragment(b"", fin=False)
    with pytest.raises(TypeError, match=r"^the message began with bytes$"):
        connection.send_fragment("text", fin=True)
    connection.send_fragment(b"x", fin=True)
    connection.send_fragment("whole", fin=True)
    connection.send_text("next")
    assert _sent(codec, connection) == [
        *((0x01, b"ein "), (0x89, b""), (0x00, b""), (0x80, "schönes".encode())),
        *((0x02, b""), (0x80, b"x"), (0x81, b"whole"), (0x81, b"next")),
    ]


@_roles
def test_a_close_may_come_between_fragments(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    connection.send_fragment("ein ", fin=False)
    connection.close()
    with pytest.raises(StateError, match=r"^cannot send: the connection is CLOSING$"):
        connection.send_fragment("schönes", fin=True)
    assert _sent(codec, connection) == [(0x01, b"ein "), (0x88, b"\x03\xe8")]


@_roles
@each_case("text", [*GOOD_TEXTS, "schön 你好 😀!".encode()], ids=lambda text: text.hex()[:20])
def test_text_fragments_end_where_a_code_point_does(connections: ModuleType, role: Role, text: bytes) -> None:
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            frames = (0x01, text[:first]), (0x00, text[first:second]), (0x89, b""), (0x80, text[second:])
            connection = _make(connections, role, streaming=True)
            events = [each for each in connection.receive_data(_wire(role, *frames)) if type(each).__name__ != "Ping"]
            assert [each.fin for each in events] == [False, False, True]
            assert {each.opcode for each in events} == {Opcode.TEXT}
            assert "".join([each.data for each in events]) == text.decode()
            # As much as there can be of it.
            assert events[0].data == text[:first].decode(errors="ignore")


@_roles
def test_fragments_are_told_as_they_come(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role, streaming=True)
    text, binary = Opcode.TEXT, Opcode.BINARY
    wire = _wire(role, (0x02, b"\xff"), (0x89, b"?"), (0x00, b""), (0x80, b"x"), (0x82, b"whole"), (0x01, b"\xe2\x82"))
    for pieces in ([wire], bytewise(wire)):
        connection = _make(connections, role, streaming=True)
        events = [event for piece in pieces for event in connection.receive_data(piece)]
        assert _told(events) == [
            *(("Fragment", b"\xff", binary, False), ("Ping", b"?"), ("Fragment", b"", binary, False)),
            *(("Fragment", b"x", binary, True), ("Message", b"whole", binary), ("Fragment", "", text, False)),
        ]
    assert _told(connection.receive_data(_wire(role, (0x80, b"\xac")))) == [("Fragment", "€", text, True)]
    assert _told(connection.receive_data(_wire(role, (0x01, b"a"), (0x80, b"\xff")))) == [
        ("Fragment", "a", text, False)
    ]
    assert isinstance(connection.error, Utf8Error)
    connection = _make(connections, role, streaming=True, text_as="bytes")
    events = connection.receive_data(_wire(role, (0x01, b"\xe2\x82"), (0x80, b"\xac")))
    assert _told(events) == [("Fragment", b"\xe2\x82", text, False), ("Fragment", b"\xac", text, True)]


@_roles
def test_streaming_may_be_switched(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    assert connection.streaming is False
    assert connection.receive_data(_wire(role, (0x01, b"a"))) == []
    connection.streaming = True
    assert connection.streaming is True
    assert _told(connection.receive_data(_wire(role, (0x00, b"b")))) == [("Fragment", "ab", Opcode.TEXT, False)]
    connection.streaming = False
    assert _told(connection.receive_data(_wire(role, (0x80, b"c"), (0x01, b"d"), (0x80, b"e")))) == [
        *(("Fragment", "c", Opcode.TEXT, True), ("Message", "de", Opcode.TEXT)),
    ]
    connection.receive_eof()
    assert connection.streaming is False
    connection.streaming = True


# Pings and the closing handshake --------------------------------------------------------------------------------------


@_roles
def test_no_pong_after_a_close(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    """RFC 6455 §5.5.1: nothing is sent behind a close frame. What the peer sends before its own is still told."""
    connection = _make(connections, role)
    connection.close(1001, "going")
    wire = _wire(role, (0x89, b"?"), (0x81, b"late"), (0x8A, b"!"), (0x88, b"\x03\xe9"), (0x81, b"too late"))
    assert told_all(connection.receive_data(wire)) == [
        *(("Ping", b"?"), ("Message", "late", Opcode.TEXT), ("Pong", b"!"), ("Close", 1001, "")),
    ]
    assert _sent(codec, connection) == [(0x88, b"\x03\xe9going")]
    assert connection.receive_data(_wire(role, (0x81, b"x"))) == []
    assert connection.receive_data(b"\xff" * 100) == []
    assert connection.error is None


@_roles
def test_pongs_may_wait(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    """RFC 6455 §5.5.3: the last ping is answered, and with it those before it."""
    connection = _make(connections, role)
    connection.receive_data(_wire(role, (0x89, b"first")))
    connection.holds_pongs = True
    assert connection.holds_pongs
    connection.receive_data(_wire(role, *[(0x89, b"%d" % n) for n in range(100)]))
    assert _sent(codec, connection) == [(0x8A, b"first")]
    connection.holds_pongs = False
    connection.send_text("next")
    connection.receive_data(_wire(role, (0x89, b"last")))
    assert _sent(codec, connection) == [(0x8A, b"99"), (0x81, b"next"), (0x8A, b"last")]
    connection.holds_pongs = True
    connection.receive_data(_wire(role, (0x89, b"?"), (0x88, b"\x03\xe8")))
    assert _sent(codec, connection) == [(0x88, b"\x03\xe8")]
    connection.holds_pongs = False
    assert connection.data_to_send() == b""


@_roles
@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (1000, "", b"\x03\xe8"),
        (1005, "", b""),
        (4999, "schön" * 20, b"\x13\x87" + "schön".encode() * 20),
        (CloseCode.GOING_AWAY, "x" * 123, b"\x03\xe9" + b"x" * 123),
    ],
)
def test_close_from_here(
    codec: ModuleType, connections: ModuleType, role: Role, code: int, reason: str, payload: bytes
) -> None:
    connection = _make(connections, role)
    connection.close(code, reason)
    assert connection.state == State.CLOSING
    assert _sent(codec, connection) == [(0x88, payload)]
    assert (connection.close_sent.code, connection.close_sent.reason) == (code, reason)
    assert (connection.closes_tcp, connection.close_code) == (False, None)
    connection.receive_data(_wire(role, (0x88, payload)))
    assert (connection.close_received.code, connection.close_received.reason) == (code, reason)
    assert connection.state == State.CLOSING
    # The server closes first (RFC 6455 §7.1.1).
    assert connection.closes_tcp is (role is Role.SERVER)
    assert connection.data_to_send() == b""
    assert connection.receive_eof() == []
    assert (connection.state, connection.closes_tcp) == (State.CLOSED, True)
    assert (connection.close_code, connection.close_reason) == (code, reason)


@_roles
@pytest.mark.parametrize(("payload", "code", "reason"), [(b"", 1005, ""), (b"\x0f\xa0bye", 4000, "bye")])
def test_close_from_there(
    codec: ModuleType, connections: ModuleType, role: Role, payload: bytes, code: int, reason: str
) -> None:
    """The code comes back, and the reason does not; first what there is to say about what came before."""
    connection = _make(connections, role)
    connection.receive_data(_wire(role, (0x81, b"x"), (0x88, payload), (0x81, b"y")))
    assert (connection.is_ending, connection.state, connection.closes_tcp) == (True, State.OPEN, False)
    assert connection.receive_data(_wire(role, (0x81, b"z"))) == []
    connection.send_text("answer")
    assert _sent(codec, connection) == [(0x81, b"answer"), (0x88, payload[:2])]
    assert (connection.is_ending, connection.state) == (False, State.CLOSING)
    connection = _make(connections, role)
    connection.receive_data(_wire(role, (0x88, payload)))
    connection.close(3000)
    assert _sent(codec, connection) == [(0x88, b"\x0b\xb8")]
    assert connection.closes_tcp is (role is Role.SERVER)
    connection = _make(connections, role)
    connection.receive_data(_wire(role, (0x88, payload)))
    assert _sent(codec, connection) == [(0x88, payload[:2])]
    assert connection.state == State.CLOSING
    assert connection.closes_tcp is (role is Role.SERVER)
    connection.receive_eof()
    assert (connection.close_code, connection.close_reason) == (code, reason)


@_roles
def test_both_close_at_once(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    connection.close(1000)
    connection.receive_data(_wire(role, (0x88, b"\x03\xe9")))
    assert _sent(codec, connection) == [(0x88, b"\x03\xe8")]
    connection.receive_eof()
    assert connection.close_code == 1001


@_roles
def test_lost_without_a_close(connections: ModuleType, role: Role) -> None:
    for close in (False, True):
        connection = _make(connections, role)
        connection.receive_data(_wire(role, (0x01, b"unfinished")))
        if close:
            connection.close()
        connection.receive_eof()
        assert connection.state == State.CLOSED
        assert connection.closes_tcp
        assert (connection.close_code, connection.close_reason) == (1006, "")
        assert connection.receive_data(_wire(role, (0x80, b""))) == []
        assert connection.receive_eof() == []


@_roles
def test_calls_that_a_state_does_not_allow(connections: ModuleType, role: Role) -> None:
    closing, closed = _make(connections, role), _make(connections, role)
    closing.close()
    closed.receive_eof()
    for connection in (closing, closed):
        connection.data_to_send()
        for name, arguments, what in (
            ("send_text", {"text": "x"}, "send"),
            ("send_bytes", {"data": b"x"}, "send"),
            ("send_fragment", {"data": "x", "fin": True}, "send"),
            ("ping", {}, "send a ping"),
            ("pong", {}, "send a pong"),
            ("close", {}, "close"),
        ):
            with pytest.raises(StateError, match=f"^cannot {what}: the connection is {connection.state.name}$"):
                getattr(connection, name)(**arguments)
        with pytest.raises(StateError, match=r"^there is no request to be answered$"):
            connection.accept()
        with pytest.raises(StateError, match=r"^there is no request to be answered$"):
            connection.reject(404)
        assert connection.data_to_send() == b""


@_roles
def test_fail(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    """At once, on either side, and only once."""
    connection = _make(connections, role)
    connection.fail(1011, "keepalive ping timeout")
    assert connection.closes_tcp
    assert connection.state == State.CLOSING
    assert connection.receive_data(_wire(role, (0x81, b"x"))) == []
    connection.fail(1000)
    assert _sent(codec, connection) == [(0x88, b"\x03\xf3keepalive ping timeout")]
    connection.receive_eof()
    assert connection.close_code == 1006
    connection = _make(connections, role)
    connection.close()
    connection.fail(1011)
    assert connection.closes_tcp
    assert _sent(codec, connection) == [(0x88, b"\x03\xe8")]


# Errors ---------------------------------------------------------------------------------------------------------------


@_roles
def test_an_error_after_our_close(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    """No second close frame; what came before is told."""
    connection = _make(connections, role)
    connection.close()
    events = connection.receive_data(_wire(role, (0x81, b"x"), (0x83, b""), (0x81, b"y")))
    assert told_all(events) == [("Message", "x", Opcode.TEXT)]
    assert type(connection.error) is ProtocolError
    assert connection.closes_tcp
    assert _sent(codec, connection) == [(0x88, b"\x03\xe8")]


@_roles
def test_frames_of_the_wrong_side(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    connection.receive_data(_wire(_other(role), (0x81, b"x")))
    assert connection.error.close_code is CloseCode.PROTOCOL_ERROR


@_roles
@pytest.mark.parametrize("payload", BAD_TEXTS[::9], ids=lambda payload: payload.hex()[:20])
def test_bad_text(codec: ModuleType, connections: ModuleType, role: Role, payload: bytes) -> None:
    connection = _make(connections, role)
    assert connection.receive_data(_wire(role, (0x81, payload))) == []
    ((first, told),) = _sent(codec, connection)
    assert (first, told[:2]) == (0x88, b"\x03\xef")


# Compression ----------------------------------------------------------------------------------------------------------


def _deflating(connections: ModuleType, role: Role, limit: int | None = _MAX, **options: Any) -> Any:
    deflate = Deflate(threshold=options.pop("threshold", 10)).agree(role, Parameters())
    return _make(connections, role, limit, deflate=deflate, **options)


@_roles
def test_a_connection_that_compresses_has_no_outbox(connections: ModuleType, role: Role) -> None:
    connection = _deflating(connections, role)
    assert connection.outbox is None
    connection.send_fragment("a", fin=False)
    connection.send_fragment("b", fin=True)
    assert connection.outbox is None


def _compressed(*fragments: bytes) -> list[bytes]:
    peer = Deflate().agree(Role.SERVER, Parameters())
    return [peer.compress(each, i == len(fragments) - 1) for i, each in enumerate(fragments)]


@_roles
def test_compressed_messages(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    connection = _deflating(connections, role)
    peer = Deflate().agree(_other(role), Parameters())
    text = "schön " * 30
    connection.send_text(text)
    connection.send_bytes(bytearray(200))
    connection.send_text("short")
    connection.send_text("123456789")
    connection.send_text("1234567890")
    connection.send_fragment("a" * 50, fin=False)
    connection.send_fragment("", fin=False)
    connection.send_fragment("b" * 50, fin=True)
    connection.ping(b"never compressed")
    sent = _sent(codec, connection)
    assert [first for first, _ in sent] == [0xC1, 0xC2, 0x81, 0x81, 0xC1, 0x41, 0x00, 0x80, 0x89]
    inflated = [peer.inflate(payload, _MAX, bool(first & 0x80)) for first, payload in sent if first in (0xC1, 0xC2)]
    assert inflated == [text.encode(), bytes(200), b"1234567890"]
    assert peer.inflate(b"".join([payload for _, payload in sent[5:8]]), _MAX) == b"a" * 50 + b"b" * 50
    assert sum([len(payload) for _, payload in sent]) < 160


@_roles
def test_compressed_messages_come(connections: ModuleType, role: Role) -> None:
    connection = _deflating(connections, role)
    peer = Deflate().agree(_other(role), Parameters())
    texts = ["schön " * 30, "", "x", "schön " * 30]
    frames: list[tuple[int, bytes]] = []
    for text in texts:
        frames.append((0xC1, peer.compress(text.encode())))
        halves = peer.compress(b"Hello", False), peer.compress(b"Hello" + noise(50))
        frames += [(0x42, halves[0]), (0x89, b"?"), (0x80, halves[1]), (0x81, b"plain")]
    wire = _wire(role, *frames)
    expected = [
        event
        for text in texts
        for event in (
            *(("Message", text, Opcode.TEXT), ("Ping", b"?"), ("Message", b"HelloHello" + noise(50), Opcode.BINARY)),
            ("Message", "plain", Opcode.TEXT),
        )
    ]
    for pieces in ([wire], bytewise(wire), [wire[:300], wire[300:]]):
        connection = _deflating(connections, role)
        assert told_all([event for piece in pieces for event in connection.receive_data(piece)]) == expected


@_roles
def test_compressed_fragments_come(connections: ModuleType, role: Role) -> None:
    """Inflated one by one; text is checked, and cut where a code point ends."""
    payloads = _compressed(b"\xe2\x82", b"\xacHello", b"")
    wire = _wire(role, (0x41, payloads[0]), (0x00, payloads[1]), (0x80, payloads[2]), (0xC2, payloads[2]))
    text, events = Opcode.TEXT, [("Fragment", "", Opcode.TEXT, False), ("Fragment", "€Hello", Opcode.TEXT, False)]
    connection = _deflating(connections, role, streaming=True)
    told = _told(connection.receive_data(wire))
    assert told == [*events, ("Fragment", "", text, True), ("Message", b"", Opcode.BINARY)]
    for bad in ((b"ab", b"\xff"), (b"ab", b"\xc3")):
        payloads = _compressed(*bad)
        connection = _deflating(connections, role, streaming=True)
        wire = _wire(role, (0x41, payloads[0]), (0x80, payloads[1]), (0x81, b"after"))
        assert _told(connection.receive_data(wire)) == [("Fragment", "ab", text, False)]
        assert isinstance(connection.error, Utf8Error)
        assert connection.error.offset in (2, 3)


@_roles
def test_limits_of_compressed_messages(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    """Of what they inflate to, over all fragments; a message of just the limit gets through, compressible or not."""
    for limit in (0, 10, 1000):
        for data in (bytes(limit), noise(limit)):
            connection = _deflating(connections, role, limit)
            (event,) = connection.receive_data(_wire(role, (0xC2, _compressed(data)[0])))
            assert event.data == data
        for streaming in (False, True):
            one, two = _compressed(bytes(limit), b"x")
            connection = _deflating(connections, role, limit, streaming=streaming)
            connection.receive_data(_wire(role, (0x42, one), (0x80, two)))
            assert isinstance(connection.error, SizeError)
            assert (connection.error.size, connection.error.limit) == (limit + 1, limit)
            ((_, told),) = _sent(codec, connection)
            assert told == b"\x03\xf1message of %d bytes or more is over the limit of %d" % (limit + 1, limit)


@_roles
@pytest.mark.parametrize("streaming", [False, True])
def test_limits_of_compressed_fragments(
    codec: ModuleType, connections: ModuleType, role: Role, streaming: bool
) -> None:
    """Each may have its limit as it comes, and as much once inflated, however long the message gets."""
    limit = 50
    for whole in (bytes(limit), noise(limit - 15)):
        connection = _deflating(connections, role, max_frame_size=limit, streaming=streaming)
        payloads = _compressed(*[whole] * 5)
        frames = [(0x42, payloads[0]), *[(0x00, each) for each in payloads[1:-1]], (0x80, payloads[-1])]
        events = connection.receive_data(_wire(role, *frames, (0xC2, connection.deflate.compress(whole))))
        assert b"".join([event.data for event in events]) == whole * 6
        assert len(events) == (6 if streaming else 2)
    for first, fragments in ((0xC2, [bytes(limit + 1)]), (0x42, [b"x", bytes(limit + 1), b"y"])):
        connection = _deflating(connections, role, max_frame_size=limit, streaming=streaming)
        payloads = _compressed(*fragments)
        wire = _wire(role, (first, payloads[0]), *[(0x00, each) for each in payloads[1:]])
        assert len(connection.receive_data(wire)) == (1 if streaming and len(fragments) > 1 else 0)
        assert isinstance(connection.error, SizeError)
        assert (connection.error.size, connection.error.limit) == (limit + 1, limit)
        ((_, told),) = _sent(codec, connection)
        assert told == b"\x03\xf1frame of 51 bytes or more, inflated, is over the limit of 50"
    # As they come; and the limit of the message, where less is left of that.
    connection = _deflating(connections, role, max_frame_size=limit, streaming=streaming)
    assert connection.receive_data(_wire(role, (0xC2, _compressed(noise(limit))[0]))) == []
    assert str(connection.error) == "frame of 56 bytes is over the limit of 50"
    connection = _deflating(connections, role, 60, max_frame_size=limit, streaming=streaming)
    one, two = _compressed(bytes(limit), bytes(11))
    connection.receive_data(_wire(role, (0x42, one), (0x80, two)))
    assert str(connection.error) == "message of 61 bytes or more is over the limit of 60"


@_roles
@pytest.mark.parametrize("text_as", ["str", "bytes"])
def test_a_limit_for_fragments_changes_nothing_else(
    codec: ModuleType, connections: ModuleType, role: Role, text_as: str
) -> None:
    """Where the connection joins fragments, because each of them is inflated on its own, as where the decoder does."""
    one, two, three = _compressed(b"ein sch" + b"\xc3", b"\xb6ner Tag ", "€".encode())
    bad = _compressed(b"ab", b"\xff")
    streams = {stream.source: stream.wire(role) for stream in STREAMS} | {
        "compressed text": _wire(role, (0x41, one), (0x89, b"?"), (0x00, two), (0x80, three), (0x81, b"x")),
        "compressed, invalid": _wire(role, (0x81, b"x"), (0x41, bad[0]), (0x80, bad[1]), (0x81, b"x")),
        "compressed, unfinished": _wire(role, (0x42, one), (0x00, two)),
    }
    for name, wire in streams.items():
        for streaming in (False, True):
            made = [
                _deflating(connections, role, max_frame_size=size, streaming=streaming, text_as=text_as)
                for size in (None, _MAX)
            ]
            told = [_told(connection.receive_data(wire)) for connection in made]
            assert told[0] == told[1], (name, streaming)
            errors = [(type(connection.error), str(connection.error)) for connection in made]
            assert errors[0] == errors[1], (name, streaming)
            assert _sent(codec, made[0]) == _sent(codec, made[1]), (name, streaming)


@_roles
def test_streaming_begins_within_a_message_with_a_limit_for_fragments(connections: ModuleType, role: Role) -> None:
    """What was kept comes with the next fragment; a message of which nothing was told comes whole."""
    parts = [b"ab", b"cd", b"ef", b"gh"]
    for first, payloads in ((0x41, _compressed(*parts)), (0x01, parts)):
        wires = [_wire(role, each) for each in zip((first, 0x00, 0x00, 0x80), payloads, strict=True)]
        for begins in range(4):
            for ends in range(begins + 1, 5):
                made = [_deflating(connections, role, max_frame_size=size) for size in (None, 100)]
                told: list[list[Any]] = [[], []]
                for at, wire in enumerate(wires):
                    for connection, events in zip(made, told, strict=True):
                        connection.streaming = begins <= at < ends
                        assert connection.streaming == (begins <= at < ends)
                        events.append(_told(connection.receive_data(wire)))
                assert told[0] == told[1], (begins, ends)
                data = "".join([event[1] for events in told[1] for event in events])
                assert data == "abcdefgh", (begins, ends)
                assert bool(told[1][begins]), (begins, ends)


@_roles
def test_a_bomb(connections: ModuleType, role: Role) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = bomb.compress(bytes(64 * _MAX)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    wire = _wire(role, (0xC2, payload))
    connection = _deflating(connections, role)
    tracemalloc.start()
    try:
        assert connection.receive_data(wire) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(connection.error, SizeError)
    assert peak < 4 * _MAX


@_roles
def test_what_does_not_inflate(codec: ModuleType, connections: ModuleType, role: Role) -> None:
    """What came before is told; what comes after is not."""
    good = _compressed(b"Hello")[0]
    for bad in (b"\xff" * 10, good[:-2]):
        connection = _deflating(connections, role)
        events = connection.receive_data(_wire(role, (0x81, b"one"), (0x89, b"?"), (0xC1, bad), (0x81, b"two")))
        assert told_all(events) == [("Message", "one", Opcode.TEXT), ("Ping", b"?")]
        assert isinstance(connection.error, DeflateError)
        pong, (first, told) = _sent(codec, connection)
        assert (pong, first, told[:2]) == ((0x8A, b"?"), 0x88, b"\x03\xef")
        assert connection.closes_tcp


@_roles
@pytest.mark.parametrize("first", [0xC9, 0xCA, 0xC8, 0xC0, 0x40, 0xA1, 0x91])
def test_reserved_bits_with_compression(connections: ModuleType, role: Role, first: int) -> None:
    connection = _deflating(connections, role)
    wire = _wire(role, (0x01, b"a"), (first, b"")) if not first & 0x0F else _wire(role, (first, b""))
    assert connection.receive_data(wire) == []
    assert connection.error.close_code is CloseCode.PROTOCOL_ERROR


@_roles
def test_compressed_messages_without_compression(connections: ModuleType, role: Role) -> None:
    connection = _make(connections, role)
    assert connection.receive_data(_wire(role, (0xC1, _compressed(b"Hello")[0]))) == []
    assert connection.error.close_code is CloseCode.PROTOCOL_ERROR


# Memory ---------------------------------------------------------------------------------------------------------------


@_roles
def test_nothing_is_left_for_the_garbage_collector(connections: ModuleType, role: Role) -> None:
    def live() -> None:
        for ending in (b"", _wire(role, (0x88, b"")), _wire(role, (0x83, b"")), _wire(role, (0xC1, b"\xff"))):
            connection = _deflating(connections, role, streaming=True)
            connection.send_text("Hello " * 50)
            connection.receive_data(_wire(role, (0x89, b""), (0x01, b"a")) + ending)
            # Where nothing is told before it, a fault is raised within.
            connection = _deflating(connections, role, streaming=True)
            connection.receive_data(ending)

    live()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        live()
        gc.collect()
        # Other threads of this process may have left something, too.
        assert [each for each in gc.garbage if type(each).__module__.startswith("fastws")] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_an_idle_connection_is_small(connections: ModuleType) -> None:
    kept: list[Any] = [_make(connections, Role.SERVER) for _ in range(10)]
    tracemalloc.start()
    try:
        kept += [_make(connections, Role.SERVER) for _ in range(1000)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 1000 < 1500
