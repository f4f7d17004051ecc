"""paho-mqtt over WebSocket, plain against accelerated: the same script gives the same values, errors and state."""

# ruff: noqa: SLF001 -- paho's WebSocket is private, all of it

from __future__ import annotations

import array
import inspect
import os
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.client import _WebsocketWrapper

import fastws.hosts
from cases import each_case
from fastws.hosts.paho_mqtt import HOST
from fastws.hosts.random_source import SYSTEM_RANDOM
from oracles import frame
from recording import called, told
from scripted import Event, in_pieces
from scripted_paho import ScriptedSocket, draw_the_same_keys, opened, receive, send, state
from traffic import BINARY, CLOSE, CONT, PING, PONG, TEXT, UNFINISHED_BINARY, UNFINISHED_CONT, frames, streams
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

# With what a peer may send as binary, which paho looks at.
STREAMS: dict[str, bytes] = {
    **streams(None),
    "one byte": frame(BINARY, b"x"),
    "binary fragments in many parts": frame(UNFINISHED_BINARY, b"abc")
    + frame(UNFINISHED_CONT, b"de")
    + frame(CONT, b"f"),
    "empty fragments of binary": frame(UNFINISHED_BINARY) + frame(UNFINISHED_CONT) + frame(CONT, b"x"),
    "ping between": frame(UNFINISHED_BINARY, b"abc") + frame(PING, b"??") + frame(CONT, b"d"),
    "empty": frame(BINARY) + frame(BINARY, b"x"),
    "text, binary": frame(TEXT, b"abc") + frame(BINARY, b"x"),
    "empty text, binary": frame(TEXT) + frame(BINARY, b"x"),
    "ping": frame(PING, b"abc") + frame(BINARY, b"x"),
    "pong": frame(PONG, b"abc") + frame(BINARY, b"x"),
    "long ping": frame(PING, bytes(130)) + frame(BINARY, b"x"),
    "close, binary": frame(CLOSE, b"\x03\xe8bye") + frame(BINARY, b"x"),
    "empty close, binary": frame(CLOSE) + frame(BINARY, b"x"),
    "reserved opcode, binary": frame(0x83, b"abc") + frame(BINARY, b"x"),
    "reserved control opcode, binary": frame(0x8B, b"abc") + frame(BINARY, b"x"),
    "reserved bits of binary": frame(0xF2, b"abc") + frame(BINARY, b"x"),
    "masked": frame(BINARY, b"abcdefghi", KEY) + frame(BINARY, b"x"),
    "masked and empty": frame(BINARY, b"", KEY) + frame(BINARY, b"x"),
    "masked ping": frame(PING, b"abcdef", KEY) + frame(BINARY, b"x"),
    "masked and long": frame(BINARY, b"ab", KEY, form=16) + frame(BINARY, b"x"),
    "126 bytes of binary": frame(BINARY, b"x" * 126) + frame(BINARY, b"y"),
    "long forms of binary": frame(BINARY, b"ab", form=16) + frame(BINARY, b"cd", form=64) + frame(BINARY, b"x"),
}

# How much paho asks for at a time: the parts of a packet of MQTT, or whatever.
LENGTHS = {"packets": (1, 1, 5), "single bytes": (1,), "much": (1000,), "odd": (3, 0, -1, 2)}

_lengths = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
_streams = each_case("stream", STREAMS.values(), ids=STREAMS)


@pytest.fixture(autouse=True)
def _same_keys(adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_the_same_keys(adapted, monkeypatch)


def compare(*runs: Callable[[], Any]) -> None:
    fastws.hosts.restore()
    plain = [run() for run in runs]
    with fastws.hosts.accelerated("paho-mqtt"):
        for run, expected in zip(runs, plain, strict=True):
            assert run() == expected


def compare_receiving(lengths: tuple[int, ...], *scripts: Sequence[Event]) -> None:
    compare(*[lambda script=script: receive(script, lengths) for script in scripts])


def later() -> list[Event]:
    """The rest comes late."""
    return [BlockingIOError(11, "try again")]


# Receiving ------------------------------------------------------------------------------------------------------------


@_lengths
@_streams
def test_one_piece_and_single_bytes(stream: bytes, lengths: tuple[int, ...]) -> None:
    compare_receiving(lengths, [stream], in_pieces(stream, range(1, len(stream))))


@_lengths
@_streams
def test_every_split(stream: bytes, lengths: tuple[int, ...]) -> None:
    compare_receiving(lengths, *[in_pieces(stream, [cut]) for cut in range(1, min(len(stream), 24))])


@_lengths
@_streams
def test_the_rest_comes_late_at_every_split(stream: bytes, lengths: tuple[int, ...]) -> None:
    compare_receiving(lengths, *[in_pieces(stream, [cut], later) for cut in range(1, min(len(stream), 24))])


@_streams
def test_the_end_at_every_byte(stream: bytes) -> None:
    scripts: list[list[Event]] = [[stream[:end]] for end in range(1, min(len(stream), 24))]
    compare_receiving((1, 1, 5), [], *scripts)


@pytest.mark.parametrize(
    "error",
    [
        BlockingIOError(11, "try again"),
        TimeoutError("timed out"),
        ConnectionResetError(104, "reset by peer"),
        ConnectionAbortedError(),
        BrokenPipeError(32, "broken pipe"),
        OSError(9, "bad descriptor"),
        ssl.SSLWantReadError("read"),
        ssl.SSLWantWriteError("write"),
        ValueError("not a socket error"),
    ],
    ids=repr,
)
def test_errors_of_the_socket(error: Exception) -> None:
    stream = frame(BINARY, b"abc") + frame(BINARY, b"x" * 130)
    scripts = [in_pieces(stream, [cut], lambda: [error]) for cut in range(1, 14)]
    compare_receiving((1, 1, 200), [error, stream], *scripts)


@pytest.mark.parametrize("size", [125, 126, 127, 4095, 4096, 4097, 65_535, 65_536, 100_000])
def test_lengths(size: int) -> None:
    stream = frame(BINARY, os.urandom(size)) + frame(BINARY, b"y")
    late = in_pieces(stream, [2, 4, 5, 9, 10, 11, *range(1000, len(stream), 30_000)], later)
    for lengths in ((1, 1, 3, size), (size,), (size - 1, 1, 1), (1 << 30,)):
        compare_receiving(lengths, [stream], late, in_pieces(stream, range(999, len(stream), 999)))


def test_many_parts_of_one_frame() -> None:
    stream = frame(BINARY, bytes(range(256)) * 40)
    compare(
        lambda: receive([stream], (1, 1, 300), calls=200),
        lambda: receive(in_pieces(stream, range(700, len(stream), 700), later), (5000, 1), calls=200),
    )


def test_what_the_host_began_is_finished() -> None:
    """A connection may be in the middle of a frame when the host is accelerated, or restored."""
    stream = frame(BINARY, b"abcdefgh") + frame(BINARY, b"ij")
    for cut in range(1, 5):
        wrapper = opened(ScriptedSocket([stream]))
        received = [wrapper.recv(1) for _ in range(cut)]
        with fastws.hosts.accelerated("paho-mqtt"):
            received.append(wrapper.recv(2))
        received += [wrapper.recv(100), wrapper.recv(100)]
        assert b"".join(received) == b"abcdefghij"


@st.composite
def _scripts(draw: st.DrawFn) -> Sequence[Event]:
    stream = b"".join(draw(st.lists(frames, min_size=1, max_size=5)))
    cuts = draw(st.lists(st.integers(1, max(1, len(stream) - 1)), max_size=6, unique=True).map(sorted))
    return in_pieces(stream, [cut for cut in cuts if cut < len(stream)], draw(st.sampled_from([list, later])))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_scripts(), st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_random_traffic(script: Sequence[Event], lengths: list[int]) -> None:
    compare_receiving((*lengths, 7), script)


# Sending --------------------------------------------------------------------------------------------------------------

SIZES = [0, 1, 3, 4, 5, 125, 126, 127, 4095, 4096, 4097, 65_535, 65_536, 65_537, 200_000]


@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize("size", SIZES)
def test_sending(size: int, kind: Callable[[bytes], Any]) -> None:
    payload = os.urandom(size)
    compare(lambda: send([kind(payload), kind(b"after")], ()))


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 70_000])
def test_sending_what_a_socket_does_not_take(size: int) -> None:
    payloads = [os.urandom(size), b"after"]
    takes: list[Any]
    for takes in (
        [0, 0],
        [BlockingIOError(11, "try again"), BlockingIOError(11, "try again")],
        [ssl.SSLWantWriteError("write"), 0],
        [ConnectionResetError(104, "reset"), OSError(9, "bad")],
        [-3, 0],
    ):
        compare(lambda takes=takes: send(payloads, takes))  # type: ignore[misc]


@pytest.mark.parametrize("size", [1, 100, 5000, 70_000])
@pytest.mark.parametrize("ends", [BlockingIOError(11, "try again"), ssl.SSLWantWriteError("write"), 0], ids=repr)
@pytest.mark.parametrize("parts", [[1], [2, 3], [1, 1, 1]], ids=str)
def test_the_rest_of_a_frame_follows_at_once(size: int, parts: list[int], ends: Any) -> None:
    """The host tells its client that nothing was sent, which then forgets the packet."""
    payload = os.urandom(size)
    expected = bytearray(frame(BINARY, payload, KEY))
    with fastws.hosts.accelerated("paho-mqtt"):
        whole = opened(ScriptedSocket((), parts))
        assert whole.send(payload) == size
        sizes = [len(expected) - sum(parts[:turn]) for turn in range(len(parts) + 1)]
        assert [len(data) for data in whole._socket.sent] == sizes
        wrapper = opened(ScriptedSocket((), [*parts, ends]))
        result = called(wrapper.send, payload)
        assert result == ("returned", told(0)) if isinstance(ends, int) else result[0] == "raised"
        rest = expected[sum(parts) :]
        assert wrapper._sendbuffer == rest
        # Whatever is asked for then, it is the rest that is sent.
        assert wrapper.send(b"?" * size) == size
        assert wrapper._socket.sent[-1] == rest
        assert wrapper.send(b"after") == 5
        assert wrapper._socket.sent[-1] == frame(BINARY, b"after", KEY)


@pytest.mark.parametrize("odd", [array.array("B", b"abc"), [1, 2], (3,), "text", None, 5, 0], ids=repr)
def test_sending_odd_things(odd: Any) -> None:
    compare(lambda: send([odd, b"after"], ()))


@pytest.mark.parametrize("socket_returns", [None, "3", 2.0])
def test_sockets_that_return_odd_things(socket_returns: Any) -> None:
    class Odd(ScriptedSocket):
        def send(self, data: Any) -> Any:
            super().send(data)
            return socket_returns

    compare(lambda: send([b"abc"], (), Odd()))


def test_what_was_sent_stays_as_it_was() -> None:
    """A socket may keep what it is told to send."""
    socket = ScriptedSocket(takes=[3, 4])
    with fastws.hosts.accelerated("paho-mqtt"):
        send([b"abcdefgh"], (), socket)
    expected = frame(BINARY, b"abcdefgh", KEY)
    assert socket.sent == [expected, expected[3:], expected[7:]]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield near, far


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_sending_to_a_socket_that_is_full(pair: tuple[socket.socket, socket.socket], size: int) -> None:
    near, far = pair
    payload = os.urandom(size)
    expected = send([payload], ()).sent[0][1]
    received = bytearray()
    with fastws.hosts.accelerated("paho-mqtt"):
        wrapper = opened(near)
        sent = 0
        while not sent:
            with suppress(BlockingIOError):
                sent = wrapper.send(payload)
            assert type(wrapper._sendbuffer) is bytearray
            with suppress(BlockingIOError):
                while True:
                    received += far.recv(1 << 20)
            # What has not left yet is what the wrapper keeps.
            assert received + wrapper._sendbuffer == expected
    assert sent == size
    assert received == expected


@pytest.mark.parametrize("masking", [1, 0, True, 2])
@pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10, 3, 127, 255, 256, -1, True, 2.0])
def test_create_frame(opcode: Any, masking: Any) -> None:
    """Also what it does to its argument."""

    def build(payload: Any) -> Any:
        data = payload()
        result = called(opened(None)._create_frame, opcode, data, masking)
        return result, told(data)

    payloads = [bytearray, lambda: bytearray(b"abcdefg"), lambda: bytearray(130), lambda: b"abc", lambda: bytes(0)]
    compare(*[lambda payload=payload: build(payload) for payload in payloads])


@pytest.mark.parametrize("size", SIZES)
def test_create_frame_masks_in_place(size: int) -> None:
    def build() -> Any:
        data = bytearray(b"\x5a" * size)
        return opened(None)._create_frame(2, data), data

    compare(build)
    with fastws.hosts.accelerated("paho-mqtt"):
        built, data = build()
    assert data == bytes([0x5A ^ KEY[i & 3] for i in range(size)])
    assert type(built) is bytearray
    assert built[-size:] == data or not size


class _Reversed(bytearray):
    def __getitem__(self, index: Any) -> Any:
        return ~super().__getitem__(index) & 0xFF if isinstance(index, int) else super().__getitem__(index)


def test_create_frame_of_a_subclass() -> None:
    compare(lambda: told(opened(None)._create_frame(2, _Reversed(b"abc"))))


# What may be overridden -----------------------------------------------------------------------------------------------


class _Loud(_WebsocketWrapper):
    """Overrides every step."""

    log: list[str] = []  # noqa: RUF012

    def _create_frame(self, opcode: int, data: bytearray, do_masking: int = 1) -> bytearray:
        self.log.append(f"create {opcode} {bytes(data)!r}")
        return super()._create_frame(opcode, data, do_masking)

    def _buffered_read(self, length: int) -> bytearray:
        self.log.append(f"read {length}")
        return super()._buffered_read(length)


def test_subclasses_keep_their_say() -> None:
    def run() -> Any:
        _Loud.log = []
        wrapper = opened(ScriptedSocket([frame(BINARY, b"abc") + frame(PING, b"?")]), _Loud)
        results = [*[called(wrapper.recv, 2) for _ in range(3)], called(wrapper.send, b"x")]
        return results, _Loud.log, state(wrapper), [told(data) for data in wrapper._socket.sent]

    compare(run)
    assert len(_Loud.log) > 5


def test_the_random_source_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        monkeypatch.setattr(os, "urandom", SYSTEM_RANDOM)
        wrapper = opened(ScriptedSocket([frame(PING, b"?")]))
        drawn = iter([b"\x01\x02\x03\x04", b"\x11\x12\x13\x14\x15", b"", b"abcd", b"\x21\x22\x23\x24"])
        monkeypatch.setattr(os, "urandom", lambda _: next(drawn))
        data = bytearray(b"abcdef")
        results = [*[called(wrapper.send, b"abcdef") for _ in range(2)], called(wrapper._create_frame, 2, data)]
        results += [called(wrapper.recv, 1), called(wrapper.send, b"abcdef")]
        return results, told(data), [told(sent) for sent in wrapper._socket.sent]

    compare(run)


def test_every_frame_has_a_key_of_its_own(adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [b"\x01\x02\x03\x04", b"\x05\x06\x07\x08", b"\x09\x0a\x0b\x0c"]
    drawn = iter(keys)
    monkeypatch.setattr(adapted, "new_key", lambda: next(drawn))
    with fastws.hosts.accelerated("paho-mqtt"):
        wrapper = opened(ScriptedSocket())
        wrapper.send(b"abc")
        wrapper.send(bytes(5000))
        built = wrapper._create_frame(2, bytearray(b"abc"))
    sent = [bytes(data) for data in wrapper._socket.sent]
    assert sent == [frame(BINARY, b"abc", keys[0]), frame(BINARY, bytes(5000), keys[1])]
    assert built == frame(BINARY, b"abc", keys[2])


# The adapter ----------------------------------------------------------------------------------------------------------


def test_the_place_of_the_plain_functions() -> None:
    owners: Any = {"_WebsocketWrapper": _WebsocketWrapper, "Client": paho.Client}
    places = [path.split(".")[-2:] for path in HOST.replaces]
    plain = [getattr(owners[owner], name) for owner, name in places]
    with fastws.hosts.accelerated("paho-mqtt"):
        for (owner, name), before in zip(places, plain, strict=True):
            replacement = getattr(owners[owner], name)
            assert replacement is not before
            assert replacement.__wrapped__ is before
            assert inspect.signature(replacement) == inspect.signature(before)
            assert replacement.__module__ == "paho.mqtt.client"
            assert replacement.__qualname__ == before.__qualname__
    assert [getattr(owners[owner], name) for owner, name in places] == plain


@pytest.mark.parametrize("name", ["_create_frame", "_buffered_read", "_recv_impl", "_send_impl", "__init__"])
def test_a_moved_host_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = vars(_WebsocketWrapper).copy()
    monkeypatch.setattr(paho._WebsocketWrapper, name, lambda *_: None)
    moved = vars(_WebsocketWrapper).copy()
    with pytest.raises(fastws.hosts.HostError, match=f"_WebsocketWrapper.{name} "):
        fastws.hosts.accelerate("paho-mqtt")
    assert vars(_WebsocketWrapper) == moved
    monkeypatch.undo()
    assert vars(_WebsocketWrapper) == before
