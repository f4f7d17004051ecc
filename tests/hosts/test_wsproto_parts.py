"""wsproto, plain against accelerated: sending, each function by itself, and hosts that are not as they usually are."""

# ruff: noqa: SLF001 - the state that is compared is private

from __future__ import annotations

import copy
import inspect
import os
import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import wsproto
from wsproto import connection as connections
from wsproto import events, frame_protocol
from wsproto.connection import Connection, ConnectionState
from wsproto.frame_protocol import (
    Buffer,
    CloseReason,
    Frame,
    FrameDecoder,
    FrameProtocol,
    Header,
    MessageDecoder,
    Opcode,
    RsvBits,
    XorMaskerNull,
    XorMaskerSimple,
)

import fastws
import fastws.hosts
from fastws import _pure
from fastws.hosts import HostError
from oracles import frame
from recording import called, told
from scripted_wsproto import assembler_state, connect, parser_state, play, state
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("adapted")

_roles = pytest.mark.parametrize("client", [True, False], ids=["client", "server"])


def compare(run: Callable[[], Any]) -> None:
    """A run gives the same result plain and accelerated."""
    fastws.hosts.restore()
    plain = run()
    with fastws.hosts.accelerated("wsproto"):
        assert run() == plain


@pytest.fixture
def same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A masking key that is the same in every run."""
    monkeypatch.setattr(os, "urandom", lambda size: KEY[:size])


# Sending --------------------------------------------------------------------------------------------------------------

_TEXTS = ("", "héllo", "中" * 100, "x" * 125, "x" * 126, "x" * 70_000, "\ud800", "a\udfff")
_KINDS: tuple[Any, ...] = (bytes, bytearray, memoryview)
_CODES = (1000, 1005, CloseReason.NO_STATUS_RCVD, 4000)
_CONTROL: tuple[Any, ...] = (events.Ping, events.Pong)
_MESSAGES: tuple[Any, ...] = (events.TextMessage, events.BytesMessage)
_BASE: Any = events.Message

_EVENTS: list[Any] = [
    *[events.TextMessage(text) for text in _TEXTS],
    *[events.BytesMessage(kind(data)) for kind in _KINDS for data in (b"", b"ab\xff", bytes(200))],
    *[kind(data) for kind in _MESSAGES for data in ("text", b"bytes", None, 7, [1], memoryview(b"abcdef")[::2])],
    *[kind("x", message_finished=fin) for kind in _MESSAGES for fin in (False, 0, 1, 2, None)],
    *[kind(b"x", frame_finished=False) for kind in _MESSAGES],
    *[_BASE(data) for data in ("a message", b"a message")],
    *[kind(data) for kind in _CONTROL for data in (b"", b"x", bytes(125), bytes(126), bytes(70_000))],
    *[kind(data) for kind in _CONTROL for data in (bytearray(b"x"), memoryview(b"x"), "x", None, 3)],
    *[events.CloseConnection(code, reason) for code in _CODES for reason in (None, "é" * 99)],
    events.RejectData(b"x"),
    events.Request("host", "/"),
    None,
    "no event",
]


def _sent(connection: Connection, *sent: Any) -> list[Any]:
    return [(called(connection.send, event), state(connection)) for event in sent]


@_roles
@pytest.mark.parametrize("connection_state", ConnectionState)
@pytest.mark.usefixtures("same_key")
def test_send(connection_state: ConnectionState, client: bool) -> None:
    def run() -> list[Any]:
        traces = []
        for event in _EVENTS:
            connection = connect(client=client)
            connection._state = connection_state
            traces.append(_sent(connection, event, events.TextMessage("after"), event))
        return traces

    compare(run)


@_roles
@pytest.mark.usefixtures("same_key")
def test_send_within_a_fragmented_message(client: bool) -> None:
    begun = [events.TextMessage("a", message_finished=False), events.BytesMessage(b"a", message_finished=False)]

    def run() -> list[Any]:
        return [_sent(connect(client=client), start, event, start, event) for start in begun for event in _EVENTS]

    compare(run)


def test_masking_keys_are_fresh() -> None:
    sent = []
    with fastws.hosts.accelerated("wsproto"):
        connection = connect(client=True)
        for _ in range(50):
            sent += [
                connection.send(event)
                for event in (events.TextMessage("é"), events.BytesMessage(b"ab"), events.Ping(b"ab"))
            ]
            sent.append(bytes(connection._proto._serialize_frame(Opcode.TEXT, b"ab")))
    keys = {data[2:6] for data in sent}
    assert len(keys) > 190
    assert {_pure.mask(data[6:], data[2:6]) for data in sent} == {"é".encode(), b"ab"}


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("place", ["os.urandom", "the host's os"])
def test_another_random_source_is_asked(place: str, early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is put there before the host is accelerated or after."""
    asked = []

    def urandom(size: int) -> bytes:
        asked.append(size)
        return KEY

    def patch() -> None:
        if place == "os.urandom":
            monkeypatch.setattr(os, "urandom", urandom)
        else:
            monkeypatch.setattr(frame_protocol, "os", SimpleNamespace(urandom=urandom))

    if early:
        patch()
    with fastws.hosts.accelerated("wsproto"):
        if not early:
            patch()
        connection = connect(client=True)
        sent = [connection.send(events.TextMessage("a")), bytes(connection._proto._serialize_frame(Opcode.TEXT, b"a"))]
        server = connect(client=False)
        server.send(events.TextMessage("a"))
    assert sent == [frame(0x81, b"a", KEY)] * 2
    assert asked == [4, 4]


# The functions one by one ---------------------------------------------------------------------------------------------

_BUFFERS: list[Any] = [
    b"",
    b"ab\xff",
    bytes(range(256)),
    bytearray(),
    bytearray(b"abcde"),
    memoryview(b"abcde"),
    memoryview(b"abcdef")[::2],
    "text",
    "",
    None,
    5,
    [1, 2, 3],
]


def _kind(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("key", [KEY, bytearray(KEY), memoryview(KEY), b"abc", b"abcde", b"", "abcd", None], ids=_kind)
def test_masker(key: Any) -> None:
    def run() -> list[Any]:
        traces = []
        for data in _BUFFERS:
            masker = XorMaskerSimple(key)
            for _ in range(3):
                result = called(masker.process, data)
                traces.append((result, masker._masking_key is key and not data, told(masker._masking_key)))
        return traces

    if isinstance(key, memoryview):
        key = memoryview(bytes(key))
    compare(run)


def test_masker_gives_something_new() -> None:
    data = bytearray(b"abcde")
    with fastws.hosts.accelerated("wsproto"):
        assert XorMaskerSimple(KEY).process(data) is not data
    assert data == b"abcde"


@_roles
@pytest.mark.parametrize("fin", [True, False, 1, 0, None, 2], ids=repr)
@pytest.mark.usefixtures("same_key")
def test_serialize_frame(fin: Any, client: bool) -> None:
    payloads = [*_BUFFERS, bytes(125), bytes(126), bytes(65_536)]

    def run() -> list[Any]:
        proto: Any = FrameProtocol(client=client, extensions=[])
        opcodes: list[Any] = [*Opcode, 1, None]
        return [called(proto._serialize_frame, opcode, data, fin) for opcode in opcodes for data in payloads]

    compare(run)
    compare(lambda: called(FrameProtocol(client=client, extensions=[])._serialize_frame, Opcode.PING))


@pytest.mark.usefixtures("same_key")
def test_serialize_frame_of_a_subclass() -> None:
    """What builds the first byte is a method that it may override."""

    class Marked(FrameProtocol):
        def _make_fin_rsv_opcode(self, fin: Any, rsv: Any, opcode: Any) -> Any:
            return super()._make_fin_rsv_opcode(fin, rsv, opcode) | 0x10

    def run() -> Any:
        return [
            called(Marked(client=client, extensions=[])._serialize_frame, Opcode.TEXT, b"ab")
            for client in (False, True)
        ]

    compare(run)


@_roles
@pytest.mark.usefixtures("same_key")
def test_frame_protocol_alone(client: bool) -> None:
    """Without a connection around it."""
    key = None if client else KEY
    data = b"".join([frame(first, b"ab", key) for first in (0x81, 0x01, 0x80, 0x89, 0x02, 0x80, 0xC1)])

    def run() -> list[Any]:
        proto: Any = FrameProtocol(client=client, extensions=[])
        traces: list[Any] = [
            called(proto.send_data, "é", False),
            called(proto.send_data, "é"),
            called(proto.close, 1000),
        ]
        for start in range(0, len(data), 5):
            proto.receive_bytes(data[start : start + 5])
            traces.append(called(lambda: list(proto.received_frames())))
        return traces

    compare(run)


@_roles
def test_frame_decoder_alone(client: bool) -> None:
    key = None if client else KEY
    frames = [frame(first, data, key) for first in range(256) for data in (b"", b"abc")]
    frames += [frame(0x82, bytes(size), key) for size in (126, 8192, 70_000)]

    def run() -> list[Any]:
        traces = []
        for data in frames:
            for cuts in ([data], [data[:1], data[1:3], data[3:9], data[9:]], [data + b"\x81"]):
                decoder = FrameDecoder(client=client)
                for piece in cuts:
                    decoder.receive_bytes(piece)
                    for _ in range(2):
                        result = called(decoder.process_buffer)
                        traces.append((result, parser_state(decoder)))
                        if result[0] == "raised":
                            break
        return traces

    compare(run)


@pytest.mark.parametrize("payload", [*_BUFFERS, "é".encode(), b"\xc3", b"\xff", "中".encode()[:2]], ids=_kind)
def test_message_decoder_alone(payload: Any) -> None:
    flags: list[tuple[Any, Any]] = [(finished, fin) for finished in (True, False, 1, None) for fin in (True, False, 0)]

    def run() -> list[Any]:
        traces = []
        for opcode in Opcode:
            for finished, fin in flags:
                decoder = MessageDecoder()
                for given in (Frame(opcode, payload, finished, fin), Frame(Opcode.CONTINUATION, payload, True, True)):
                    result = called(decoder.process_frame, given)
                    traces.append((result, assembler_state(decoder)))
        return traces

    compare(run)


def test_a_frame_decoder_in_an_odd_state() -> None:
    """Other maskers, a header that was put there, bytes that were used up."""

    class Masker(XorMaskerSimple):
        def process(self, data: Any) -> Any:
            return bytearray(b"-" * len(data))

    header = Header(True, RsvBits(False, False, False), Opcode.BINARY, 3, None)

    def decoder(masker: Any, used: int) -> FrameDecoder:
        made = FrameDecoder(client=False)
        made.receive_bytes(b"\x82\x83abcdefghij")
        made.header, made.effective_opcode, made.masker = header, Opcode.BINARY, masker
        made.buffer.bytes_used = used
        return made

    def run() -> list[Any]:
        traces = []
        for masker in (Masker(KEY), XorMaskerSimple(KEY), XorMaskerNull(), XorMaskerSimple(b"ab"), None):
            for used in (0, 1):
                made = decoder(masker, used)
                traces.append((called(made.process_buffer), parser_state(made)))
        return traces

    compare(run)


# Hosts that are not as they usually are -------------------------------------------------------------------------------

_DATA = frame(0x81, "é".encode(), KEY) + frame(0x89, b"?", KEY) + frame(0x82, bytes(9000), KEY) + frame(0x81, b"x", KEY)
_PIECES = [_DATA[:5], _DATA[5:3000], _DATA[3000:]]


def test_a_connection_with_a_state_of_its_own() -> None:
    class Other(Connection):
        @property
        def state(self) -> ConnectionState:
            return ConnectionState.CLOSED

    def run() -> list[Any]:
        connection = connect(client=False)
        connection.__class__ = Other
        return [
            called(connection.receive_data, b"x"),
            called(connection.send, events.TextMessage("x")),
            [told(event) for event in connection.events()],
        ]

    compare(run)


def test_a_connection_that_is_a_subclass() -> None:
    """As mitmproxy has one."""

    class Other(Connection):
        pass

    compare(lambda: play(_PIECES, connect(client=False, kind=Other)))
    compare(lambda: called(connect(client=False, kind=Other).send, events.TextMessage("x")))


def _subclasses() -> dict[tuple[Any, str], type]:
    """Subclasses that write down what they are asked, for the places where the host looks its classes up."""

    def noting(base: type, *names: str) -> type:
        def note(name: str) -> Any:
            def method(self: Any, *arguments: Any) -> Any:
                _noted.append(name)
                return getattr(base, name)(self, *arguments)

            return method

        return type(base.__name__, (base,), {name: note(name) for name in names})

    return {
        (connections, "FrameProtocol"): noting(FrameProtocol, "receive_bytes", "received_frames", "send_data", "ping"),
        (frame_protocol, "FrameDecoder"): noting(FrameDecoder, "receive_bytes", "process_buffer", "parse_header"),
        (frame_protocol, "MessageDecoder"): noting(MessageDecoder, "process_frame"),
        (frame_protocol, "Buffer"): noting(Buffer, "feed", "consume_at_most", "consume_exactly", "commit", "rollback"),
        (frame_protocol, "XorMaskerSimple"): noting(XorMaskerSimple, "process"),
        (connections, "TextMessage"): noting(events.TextMessage, "__post_init__", "__eq__"),
        (connections, "BytesMessage"): noting(events.BytesMessage, "__eq__"),
    }


_noted: list[str] = []


@pytest.mark.parametrize("place", _subclasses(), ids=lambda place: place[1])
@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_a_class_that_is_replaced(place: tuple[Any, str], early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used as before, and asked what it is asked when nothing is accelerated."""
    replacement = _subclasses()[place]

    def run() -> list[Any]:
        _noted.clear()
        connection = connect(client=False)
        trace = [_described(event) for piece in _PIECES for event in _received(connection, piece)]
        trace.append(connection.send(events.TextMessage("x")))
        return [*trace, parser_state(connection._proto._frame_decoder)["buffer"], *_noted]

    with monkeypatch.context() as patch:
        patch.setattr(*place, replacement)
        plain = run()
        if not early:
            patch.undo()
            with fastws.hosts.accelerated("wsproto"):
                patch.setattr(*place, replacement)
                assert run() == plain
        elif place[0] is connections:
            with fastws.hosts.accelerated("wsproto"):
                assert run() == plain
        else:
            # What is not the host's own is not replaced.
            with pytest.raises(HostError):
                fastws.hosts.accelerate("wsproto")


def _received(connection: Connection, piece: bytes) -> list[Any]:
    connection.receive_data(piece)
    return list(connection.events())


def _described(event: Any) -> Any:
    return type(event), sorted(vars(event).items())


def test_events_are_what_their_constructors_make() -> None:
    with fastws.hosts.accelerated("wsproto"):
        connection = connect(client=False)
        given = [event for piece in _PIECES for event in _received(connection, piece)]
    assert [type(event) for event in given] == [
        *[events.TextMessage, events.Ping, events.BytesMessage, events.BytesMessage, events.TextMessage]
    ]
    for event in given:
        made = type(event)(**vars(event))
        assert event == made
        assert repr(event) == repr(made)
        assert pickle.loads(pickle.dumps(event)) == copy.copy(event) == copy.deepcopy(event) == made  # noqa: S301
        with pytest.raises(AttributeError):
            event.data = b"other"
    assert hash(given[0]) == hash(events.TextMessage("é"))


def test_replacements_look_like_what_they_replace() -> None:
    functions: list[Any] = [Connection.events, Connection.send, FrameProtocol._serialize_frame]
    plain = [(inspect.signature(function), function.__qualname__, function.__doc__) for function in functions]
    with fastws.hosts.accelerated("wsproto"):
        functions = [Connection.events, Connection.send, FrameProtocol._serialize_frame]
        assert [
            (inspect.signature(function), function.__qualname__, function.__doc__) for function in functions
        ] == plain
        assert inspect.isgeneratorfunction(Connection.events)
        assert inspect.isgenerator(connect(client=True).events())


def test_an_event_class_that_has_moved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(events.TextMessage):
        def __post_init__(self) -> None:
            object.__setattr__(self, "more", 1)

        def __init__(self, data: Any, frame_finished: bool = True, message_finished: bool = True) -> None:
            super().__init__(data, frame_finished, message_finished)
            self.__post_init__()

    monkeypatch.setattr(connections, "TextMessage", Other)
    with pytest.raises(HostError, match="Other"):
        fastws.hosts.accelerate("wsproto")
    assert not hasattr(Connection.events, "__wrapped__")


def test_a_function_that_has_moved_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def process_buffer(_: Any) -> None:
        return None

    monkeypatch.setattr(FrameDecoder, "process_buffer", process_buffer)
    with pytest.raises(HostError, match="process_buffer"):
        fastws.hosts.accelerate("wsproto")
    assert not hasattr(Connection.send, "__wrapped__")


def test_restored_to_the_very_same_objects() -> None:
    def current() -> list[Any]:
        return [vars(owner)[name] for owner, name in places]

    places = [
        (Connection, "events"),
        (Connection, "send"),
        (FrameDecoder, "parse_header"),
        (XorMaskerSimple, "process"),
    ]
    before = current()
    for _ in range(2):
        assert fastws.hosts.accelerate("wsproto") == ("wsproto",)
        assert all(new is not old for new, old in zip(current(), before, strict=True))
        assert fastws.hosts.restore("wsproto") == ("wsproto",)
        assert current() == before


@_roles
def test_through_the_whole_host(client: bool) -> None:
    """Over ``WSConnection``, with a handshake and a closing handshake."""

    def run() -> list[Any]:
        sides = wsproto.WSConnection(wsproto.ConnectionType.CLIENT), wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        here, there = sides if client else sides[::-1]
        sides[1].receive_data(sides[0].send(events.Request("host", "/")))
        trace: list[Any] = [type(event) for event in sides[1].events()]
        sides[0].receive_data(sides[1].send(events.AcceptConnection()))
        trace += [type(event) for event in sides[0].events()]
        for event in (events.TextMessage("é" * 100), events.Ping(b"?"), events.CloseConnection(1000, "bye")):
            there.receive_data(here.send(event))
            for received in there.events():
                trace += [told(received), there.state]
                answer = received.response() if hasattr(received, "response") else received
                here.receive_data(there.send(answer))
                trace += [*[told(each) for each in here.events()], here.state, there.state]
        return trace

    compare(run)
