"""websockets and large messages that arrive in many reads, plain against accelerated."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.protocol import SERVER, Protocol, Side
from websockets.streams import StreamReader

import fastws.hosts
from oracles import frame, noise
from recording import called, told
from scripted_websockets import EOF, SIDES, Options, cut, key_for, new_protocol, play, same, told_step
from traffic import BINARY, CLOSE, CONT, PING, TEXT, UNFINISHED_BINARY
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = [pytest.mark.usefixtures("adapted"), pytest.mark.usefixtures("_one_key")]

_sides = pytest.mark.parametrize("side", SIDES, ids=["client", "server"])

# The shortest message that counts as large, and one that arrives in several reads.
SHORTEST, LARGE = 65_536, 200_000


def _read(stream: bytes, size: int) -> list[bytes | None]:
    return cut(stream, range(size, len(stream), size))


def _unseen(**options: Any) -> Options:
    return Options(looks=False, **options)


# Right and wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SHORTEST - 1, SHORTEST, SHORTEST + 1, LARGE])
@_sides
def test_in_reads_of_any_size(side: Side, size: int) -> None:
    """Alone, between others, and one after the other; also where nearly nothing of it comes first."""
    key = key_for(side)
    large, x = frame(TEXT, noise(size), key), frame(TEXT, b"x", key)
    stream = x + large + x + frame(BINARY, noise(size), key) + large + frame(PING, b"p", key) + large + x
    scripts = [_read(stream, n) for n in (5_000, 16_384, 50_000, 65_536, 262_144)]
    scripts += [cut(stream, [at, 100_000]) for at in (1, 3, 4, 5, 12, 13, 14, 17, 18, 30, 5_000, 16_400)]
    scripts += [[*_read(stream[:-at], 40_000), EOF] for at in (1, 4, 200_000)]
    same(lambda: [play(script, side, _unseen()) for script in scripts])


@pytest.mark.parametrize("first", [TEXT, BINARY, CONT, UNFINISHED_BINARY, 0xC1, 0xC2, 0xA1, 0x91, 0x83, PING, CLOSE])
@_sides
def test_frames_of_every_kind(side: Side, first: int) -> None:
    key = key_for(side)
    wrongly = frame(first, noise(LARGE), KEY if key is None else None)
    stream = frame(first, noise(LARGE), key) + frame(TEXT, b"x", key)
    scripts = [*[_read(each, 40_000) for each in (stream, stream + wrongly)], [*_read(stream[:-100], 40_000), EOF]]
    scripts += [_read(frame(UNFINISHED_BINARY, b"a", key) + stream, 40_000), _read(wrongly, 40_000)]
    optional = [_unseen(), _unseen(compressed=True), _unseen(debug=True), Options()]
    same(lambda: [play(script, side, options) for script in scripts for options in optional])


@_sides
def test_limits(side: Side) -> None:
    limits: list[Any] = [LARGE - 1, LARGE, LARGE + 1, None]
    if hasattr(Protocol(side), "max_message_size"):
        limits += [(None, LARGE - 1), (LARGE, None), (LARGE, LARGE - 1)]
    key = key_for(side)
    large = frame(TEXT, "é".encode() * (LARGE // 2), key)
    fragments = frame(UNFINISHED_BINARY, b"ab", key) + frame(CONT, bytes(LARGE - 1), key)
    same(
        lambda: [
            play(_read(stream + large, 50_000), side, _unseen(max_size=limit))
            for limit in limits
            for stream in (b"", fragments)
        ]
    )


@_sides
def test_lengths_that_are_wrong(side: Side) -> None:
    """Over every limit, with the top bit, and in a form that is longer than it has to be."""
    mask, key = (0x80, KEY) if side is SERVER else (0, b"")
    headers = [bytes([0x82, mask | 127]) + length.to_bytes(8, "big") + key for length in (2**63 - 1, 2**63, 2**64 - 1)]
    streams = [*[header + noise(50_000) for header in headers], frame(BINARY, noise(50_000), key_for(side), form=64)]
    options = [_unseen(), _unseen(max_size=None), _unseen(max_size=2**63 - 1)]
    same(lambda: [play([*_read(each, 20_000), EOF], side, option) for each in streams for option in options])


_parts = st.lists(
    st.tuples(
        st.sampled_from([TEXT, BINARY, BINARY, UNFINISHED_BINARY, CONT, PING]),
        st.sampled_from([0, 100, 20_000, SHORTEST, 70_000, 150_000]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    parts=_parts,
    cuts=st.lists(st.integers(0, 300_000), max_size=12),
    side=st.sampled_from(SIDES),
    max_size=st.sampled_from([None, 100_000, 2**20]),
    compressed=st.booleans(),
    is_ended=st.booleans(),
    looks=st.booleans(),
)
def test_any_traffic(
    parts: list[Any], cuts: list[int], side: Side, max_size: Any, compressed: bool, is_ended: bool, looks: bool
) -> None:
    key = key_for(side)
    stream = b"".join([frame(first, noise(size % 100 if first == PING else size), key) for first, size in parts])
    script = cut(stream, sorted(min(at, len(stream)) for at in cuts))
    options = Options(max_size=max_size, compressed=compressed, looks=looks)
    same(lambda: play(script + [EOF] * is_ended, side, options))


# What happens meanwhile -----------------------------------------------------------------------------------------------


def _looked_at(protocol: Protocol) -> Any:
    return told(protocol.reader.buffer), list(vars(protocol.reader))


def _grown(protocol: Protocol) -> None:
    """Somebody who has the buffer in hand feeds it."""
    buffer = protocol.reader.buffer
    buffer += b"abc"
    protocol.reader.buffer = buffer


def _noting(protocol: Protocol) -> Any:
    seen: list[Any] = []
    protocol.recv_frame = lambda frame: seen.append(told(frame))  # type: ignore[method-assign]
    return seen


_MEANWHILE: dict[str, Callable[[Protocol], Any]] = {
    "nothing": lambda _: None,
    "looked at": _looked_at,
    "grown": _grown,
    "emptied": lambda protocol: protocol.reader.discard(),
    "set": lambda protocol: setattr(protocol.reader, "buffer", bytearray(b"\x81\x00")),
    "eof of the reader": lambda protocol: protocol.reader.feed_eof(),
    "end": lambda protocol: protocol.receive_eof(),
    "failed": lambda protocol: protocol.fail(1011, "no"),
    "closing": lambda protocol: protocol.send_close(1000),
    "sent": lambda protocol: protocol.send_text(b"x"),
    "frames noted": _noting,
    "a smaller limit": lambda protocol: setattr(protocol, "max_message_size", 1),
    "within a message": lambda protocol: setattr(protocol, "current_size", 1),
    "an extension": lambda protocol: protocol.extensions.append(None),  # type: ignore[arg-type]
    "the log": lambda protocol: setattr(protocol, "debug", True),
    "other events": lambda protocol: setattr(protocol, "events", []),
    "nothing read": lambda protocol: protocol.receive_data(b""),
}


@pytest.mark.parametrize("what", _MEANWHILE)
@_sides
def test_what_happens_while_it_arrives(side: Side, what: str) -> None:
    key = key_for(side)
    stream = frame(TEXT, b"x", key) + frame(BINARY, noise(LARGE), key) + frame(TEXT, b"y", key)
    pieces = cut(stream, [60_000, 120_000, 180_000])

    def run(at: int) -> Any:
        protocol, log = new_protocol(side, Options())
        steps: list[Any] = []
        for n, piece in enumerate(pieces):
            if n == at:
                steps.append(called(_MEANWHILE[what], protocol))
            steps += [called(protocol.receive_data, piece), told_step(protocol, looks=False)]
        return steps, told_step(protocol), log.lines

    same(lambda: [run(at) for at in range(1, len(pieces))])


@_sides
@pytest.mark.parametrize("looks", [False, True])
def test_put_back_and_begun_while_it_arrives(side: Side, looks: bool) -> None:
    key = key_for(side)
    payload = noise(LARGE)
    stream = frame(BINARY, payload, key) + frame(TEXT, b"x", key)
    pieces = cut(stream, [60_000, 120_000, 180_000])
    for at in range(len(pieces) + 1):
        for begins in (True, False):
            fastws.hosts.accelerate("websockets") if begins else fastws.hosts.restore()
            protocol, _ = new_protocol(side, Options())
            for n, piece in enumerate(pieces):
                if n == at:
                    fastws.hosts.restore() if begins else fastws.hosts.accelerate("websockets")
                assert piece is not None
                protocol.receive_data(piece)
                assert not looks or told_step(protocol)
            assert protocol.parser_exc is None
            if not looks:
                assert [event.data for event in protocol.events_received()] == [payload, b"x"]  # type: ignore[union-attr]
            assert type(protocol.reader) is StreamReader
            assert protocol.reader.buffer == b""


@_sides
def test_what_is_kept_does_not_change_with_what_was_given(side: Side) -> None:
    key = key_for(side)
    payload = noise(LARGE)
    stream = frame(BINARY, payload, key)
    kinds: tuple[Callable[[bytes], Any], ...] = (
        bytes,
        bytearray,
        lambda data: memoryview(b"abc" + data + b"d")[3:-1],
        lambda data: memoryview(bytearray(data)),
        lambda data: memoryview(bytearray(data)).toreadonly(),
    )
    with fastws.hosts.accelerated("websockets"):
        for kind in kinds:
            protocol, _ = new_protocol(side, Options())
            for piece in _read(stream, 50_000):
                assert piece is not None
                given = kind(piece)
                protocol.receive_data(given)
                whole = given.obj if isinstance(given, memoryview) else given
                if isinstance(whole, bytearray):
                    whole[:] = bytes(len(whole))
            (event,) = protocol.events_received()
            assert event.data == payload  # type: ignore[union-attr]
            assert type(event.data) is (bytes if side is SERVER else bytearray)  # type: ignore[union-attr]


# How it is done -------------------------------------------------------------------------------------------------------


def _fed(side: Side, pieces: Sequence[Any]) -> list[int]:
    """How many bytes went through the host's buffer."""
    fed: list[int] = []
    plain = StreamReader.feed_data

    def feed_data(reader: StreamReader, data: Any) -> None:
        fed.append(len(data))
        plain(reader, data)

    with fastws.hosts.accelerated("websockets"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamReader, "feed_data", feed_data)
        protocol, _ = new_protocol(side, Options())
        for piece in pieces:
            protocol.receive_data(piece)
        assert len(protocol.events_received()) == 2
    return fed


@_sides
def test_a_large_message_does_not_go_through_the_buffer(side: Side) -> None:
    key = key_for(side)
    stream = frame(TEXT, b"x", key) + frame(BINARY, noise(LARGE), key)
    for size in (50_000, 65_536, len(stream) - 1):
        assert all(n <= 14 for n in _fed(side, _read(stream, size))), "more than its header does"


@_sides
def test_small_reads_do_go_through_the_buffer(side: Side) -> None:
    """An object for each would take more memory than its bytes."""
    key = key_for(side)
    stream = frame(TEXT, b"x", key) + frame(BINARY, noise(LARGE), key)
    fed = _fed(side, [*_read(stream[:100_000], 50_000), *_read(stream[100_000:], 10)])
    assert sum(fed) > 99_000


@_sides
def test_the_last_large_message_is_held_until_the_next_as_the_host_does(side: Side) -> None:
    """Or the allocator gives its memory back each time, which costs more than all that is saved."""

    def run() -> list[bool]:
        protocol, _ = new_protocol(side, Options())
        seen = []
        for _ in range(3):
            protocol.receive_data(frame(BINARY, noise(30_000), key_for(side)))
            seen += [weakref.ref(event) for event in protocol.events_received()]
        return [each() is not None for each in seen]

    assert same(run) == [False, False, True]
