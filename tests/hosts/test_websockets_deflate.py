"""websockets with permessage-deflate, plain against accelerated: what arrives, what is sent, and what zlib is asked."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import websockets.extensions.permessage_deflate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, Side
from websockets.streams import StreamReader

import fastws.hosts
from oracles import frame, noise
from recording import called, told
from scripted_websockets import (
    EOF,
    SIDES,
    Options,
    cut,
    deflated,
    ended,
    key_for,
    new_protocol,
    play,
    same,
    told_step,
)
from traffic import (
    BINARY,
    COMPRESSED_BINARY,
    COMPRESSED_TEXT,
    CONT,
    PING,
    TEXT,
    UNFINISHED_COMPRESSED,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.usefixtures("adapted"), pytest.mark.usefixtures("_one_key")]

_sides = pytest.mark.parametrize("side", SIDES, ids=["client", "server"])

# Whether the peer forgets its window, whether this side does, and the bits of both windows.
_SETTINGS = ((False, False, 15, 15), (True, False, 15, 12), (False, True, 9, 15), (True, True, 12, 9))
_SYSTEM = secrets.token_bytes

_settings = pytest.mark.parametrize("deflate", _SETTINGS, ids=str)


class Peer:
    """Compresses what it sends to a side, each message on what came before."""

    def __init__(self, side: Side, deflate: tuple[bool, bool, int, int] = _SETTINGS[0]) -> None:
        forgets, _, bits, _ = deflate
        self._key = key_for(side)
        self._extension = PerMessageDeflate(False, forgets, 15, bits)

    def message(self, text: bytes, first: int = COMPRESSED_TEXT) -> bytes:
        compressed = self._extension.encode(Frame(Opcode(first & 0x0F), text, first >= 0x80))
        return self.frame(first if first & 0x0F else first & ~0x40, bytes(compressed.data))

    def frame(self, first: int, payload: bytes = b"") -> bytes:
        return frame(first, payload, self._key)


# Receiving ------------------------------------------------------------------------------------------------------------

# So many bytes of noise do not become fewer: the host inflates what has less than 2,044 in another way.
_SIZES = (0, 1, 32, 300, 2_020, *range(2_030, 2_046), 2_060, 4_096, 70_000)


@_settings
@_sides
def test_messages_of_every_length(side: Side, deflate: Any) -> None:
    peer = Peer(side, deflate)
    stream = b"".join([peer.message(noise(size)) + peer.message(b"x" * size, COMPRESSED_BINARY) for size in _SIZES])
    scripts: list[list[bytes | None]] = [[stream], cut(stream, range(5_000, len(stream), 5_000)), [stream[:-1], EOF]]
    same(lambda: [play(script, side, Options(compressed=True, deflate=deflate)) for script in scripts])


@_settings
@_sides
def test_compressed_and_not_and_in_fragments(side: Side, deflate: Any) -> None:
    peer = Peer(side, deflate)
    stream = b"".join(
        [
            peer.message(b"hello " * 9),
            peer.frame(TEXT, "héllo".encode()),
            peer.frame(PING, b"p"),
            peer.message("hello é ".encode() * 9),
            peer.message(b"hel", UNFINISHED_COMPRESSED),
            peer.frame(PING, b"q"),
            peer.message(b"lo", UNFINISHED_CONT),
            peer.message(b" hello", CONT),
            peer.frame(UNFINISHED_TEXT, b"a"),
            peer.frame(CONT, b"b"),
            peer.message(b"\xff" * 40, COMPRESSED_BINARY),
            peer.frame(BINARY, b"\xff"),
            peer.message(b"hello " * 9),
        ]
    )
    options = Options(compressed=True, deflate=deflate)
    same(lambda: [play([stream], side, each) for each in (options, replace(options, debug=True))])
    same(lambda: [play([*cut(stream, [at]), EOF], side, options) for at in range(len(stream))])


@pytest.mark.parametrize("deflate", _SETTINGS[::3], ids=str)
@_sides
def test_limits(side: Side, deflate: Any) -> None:
    """Of what was sent, and of what it becomes; also where zlib holds back what no longer fits."""

    def scripts(size: int) -> Iterator[bytes]:
        for text in (b"x" * size, noise(size)):
            peer = Peer(side, deflate)
            yield peer.message(b"a") + peer.message(text) + peer.message(b"b")
            peer = Peer(side, deflate)
            yield peer.message(b"", UNFINISHED_COMPRESSED) + peer.message(text, CONT) + peer.message(b"b")

    limits: list[Any] = [0, 1, 5, 32, 4_000, None, 2**63 - 1, 2**63, 2**70]
    if hasattr(Protocol(side), "max_message_size"):
        limits += [(None, 5), (4_000, 5), (5, 4_000)]
    same(
        lambda: [
            play([stream, b"\x81"], side, Options(max_size=limit, compressed=True, deflate=deflate))
            for size in (0, 1, 5, 6, 32, 33, 2_038, 2_044, 3_999, 4_000, 4_001, 60_000)
            for stream in scripts(size)
            for limit in limits
        ]
    )


@pytest.mark.parametrize("size", [2_030, 2_043, 2_044, 40_000])
@_sides
def test_limits_around_a_bomb(side: Side, size: int) -> None:
    peer = Peer(side)
    bomb = peer.message(b"a") + peer.message(bytes(2_000_000)) + peer.message(b"b")
    same(
        lambda: [play([bomb], side, Options(max_size=limit, compressed=True)) for limit in (size, 1_999_999, 2_000_000)]
    )


@_settings
@_sides
def test_bad_data(side: Side, deflate: Any) -> None:
    compressed, again = deflated()
    bad = {
        "reserved block type": b"\x06\x00",
        "bad distance": b"\x4b\x04\x41\xff\xff",
        "stored block cut": b"\x00\x05\x00\xfa\xffab",
        "stored block with a wrong length": b"\x00\x05\x00\x00\x00abcde",
        "long noise": noise(5_000),
        "cut": compressed[:-3],
        "an end": ended(b"abc"),
        "an end, then more": ended(b"abc") + again,
        "an end, long": ended(noise(4_000)),
        "nothing": b"",
        "the tail itself": b"\x00\x00\xff\xff",
    }
    peer = Peer(side, deflate)
    good = peer.message(b"hello " * 9) + peer.frame(TEXT, b"x")
    scripts = [
        [before + peer.frame(first, payload) + after, peer.frame(PING), EOF]
        for payload in bad.values()
        for before in (b"", good)
        for first in (COMPRESSED_TEXT, COMPRESSED_BINARY, UNFINISHED_COMPRESSED)
        for after in (b"", peer.frame(CONT, payload), peer.frame(TEXT, b"y") + peer.frame(COMPRESSED_TEXT, again))
    ]
    same(lambda: [play(script, side, Options(compressed=True, deflate=deflate)) for script in scripts])


@_sides
def test_a_failure_leaves_what_came_before_and_nothing_after(side: Side) -> None:
    peer = Peer(side)
    stream = peer.message(b"good") + peer.frame(COMPRESSED_TEXT, b"\xff\xff") + peer.frame(TEXT, b"late")
    with fastws.hosts.accelerated("websockets"):
        protocol, _ = new_protocol(side, Options(compressed=True))
        protocol.receive_data(stream)
        assert [event.data for event in protocol.events_received()] == [b"good"]  # type: ignore[union-attr]
        assert isinstance(protocol.parser_exc, websockets.exceptions.ProtocolError)
        assert isinstance(protocol.parser_exc.__cause__, zlib.error)
        protocol.receive_data(peer.frame(TEXT, b"later"))
        assert protocol.events_received() == []


@_sides
def test_messages_that_arrive_whole_do_not_go_through_the_buffer(side: Side) -> None:
    fed: list[bytes] = []
    peer = Peer(side)
    with fastws.hosts.accelerated("websockets"), pytest.MonkeyPatch.context() as patch:
        protocol, _ = new_protocol(side, Options(compressed=True))
        patch.setattr(StreamReader, "feed_data", lambda _, data: fed.append(bytes(data)))
        patch.setattr(Frame, "parse", None)
        for _ in range(2):
            protocol.receive_data(peer.message(b"hello " * 9) + peer.frame(TEXT, b"x") + peer.message(b"y" * 5_000))
        assert fed == []
        assert [event.data for event in protocol.events_received()] == [b"hello " * 9, b"x", b"y" * 5_000] * 2  # type: ignore[union-attr]


_pieces = st.lists(
    st.tuples(
        st.sampled_from(
            [COMPRESSED_TEXT, COMPRESSED_TEXT, COMPRESSED_BINARY, UNFINISHED_COMPRESSED, UNFINISHED_CONT, CONT]
        )
        | st.sampled_from([TEXT, BINARY, PING, 0xC9, 0xE1, 0xC0]),
        st.binary(max_size=60) | st.integers(0, 5_000).map(noise) | st.integers(0, 9_000).map(bytes),
        st.integers(0, 19),
    ),
    max_size=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pieces=_pieces,
    cuts=st.lists(st.integers(0, 20_000), max_size=5),
    side=st.sampled_from(SIDES),
    deflate=st.sampled_from(_SETTINGS),
    max_size=st.sampled_from([None, 100, 5_000, 2**20]),
    is_ended=st.booleans(),
)
def test_any_traffic(
    pieces: list[Any], cuts: list[int], side: Side, deflate: Any, max_size: Any, is_ended: bool
) -> None:
    """Most of it right; one in twenty frames carries what was not compressed, or too much of what was."""
    peer, stream = Peer(side, deflate), b""
    for first, text, oddness in pieces:
        if oddness == 1 or first in (TEXT, BINARY, PING, 0xC9, 0xE1, 0xC0):
            stream += peer.frame(first, text[:125] if first & 0x08 else text)
        elif first & 0x0F or stream:
            stream += called_or_nothing(peer, text, first)
    script = cut(stream, sorted(min(at, len(stream)) for at in cuts))
    options = Options(max_size=max_size, compressed=True, deflate=deflate)
    same(lambda: play(script + [EOF] * is_ended, side, options))


def called_or_nothing(peer: Peer, text: bytes, first: int) -> bytes:
    """Without a context, a peer has nothing to continue before a message has begun."""
    try:
        return peer.message(text, first)
    except AttributeError:
        return b""


# What is not the host's own -------------------------------------------------------------------------------------------


class Noting(PerMessageDeflate):
    """A user's: it is asked for every frame."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[Any] = []

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        self.asked.append(("decode", told(frame), max_size))
        return super().decode(frame, max_size=max_size)

    def encode(self, frame: Frame) -> Frame:
        self.asked.append(("encode", told(frame)))
        return super().encode(frame)


def _compressed_for(side: Side) -> bytes:
    peer = Peer(side)
    return peer.message(b"hello") + peer.frame(TEXT, b"x") + peer.message(b"hello")


_RECEIVED = {side: _compressed_for(side) for side in SIDES}


def _exchange(side: Side, *extensions: Any) -> Any:
    """A connection receives and sends with these extensions."""
    protocol, _ = new_protocol(side, Options())
    protocol.extensions = list(extensions)
    protocol.receive_data(_RECEIVED[side])
    steps = [told_step(protocol)]
    protocol.send_text(b"hello")
    protocol.send_binary(b"hello", fin=False)
    protocol.send_continuation(b"hello", fin=True)
    return [*steps, told_step(protocol)]


@_sides
def test_a_subclass_is_asked(side: Side) -> None:
    def run() -> Any:
        extension = Noting(*_SETTINGS[0])
        return _exchange(side, extension), extension.asked

    _, asked = same(run)
    assert [what for what, *_ in asked] == ["decode"] * 3 + ["encode"] * 3


@_sides
def test_methods_replaced_on_an_instance_and_in_the_class_are_called(side: Side) -> None:
    def run(on_instance: bool) -> Any:
        seen: list[str] = []
        extension = PerMessageDeflate(*_SETTINGS[0])
        decode: Any = PerMessageDeflate.decode
        encode: Any = PerMessageDeflate.encode
        given = [extension] * on_instance

        def note_decode(*arguments: Any, **options: Any) -> Any:
            seen.append("decode")
            return decode(*given, *arguments, **options)

        def note_encode(*arguments: Any) -> Any:
            seen.append("encode")
            return encode(*given, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            owner = extension if on_instance else PerMessageDeflate
            patch.setattr(owner, "decode", note_decode)
            patch.setattr(owner, "encode", note_encode)
            steps = _exchange(side, extension)
        return steps, seen

    for on_instance in (True, False):
        _, seen = same(partial(run, on_instance))
        assert seen == ["decode"] * 3 + ["encode"] * 3


class Counting:
    """Stands for an object of zlib; notes what it is asked."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        if not callable(found):
            return found

        def call(*arguments: Any) -> Any:
            self.asked.append((name, [bytes(each) if not isinstance(each, int) else each for each in arguments]))
            return found(*arguments)

        return call


@_sides
def test_zlib_is_asked_the_same(side: Side) -> None:
    def run() -> Any:
        extension = PerMessageDeflate(*_SETTINGS[0])
        decoder = extension.decoder = Counting(extension.decoder)  # type: ignore[assignment]
        encoder = extension.encoder = Counting(extension.encoder)  # type: ignore[assignment]
        return _exchange(side, extension)[1]["writes"], decoder.asked, encoder.asked

    _, inflated, compressed = same(run)
    assert len(inflated) == 2
    assert len(compressed) == 6


class Failing:
    """Stands for an object of zlib that fails in its own way."""

    unconsumed_tail = unused_data = b""
    eof = False

    def __init__(self, error: Exception) -> None:
        self._error = error

    def decompress(self, *_: Any) -> Any:
        raise self._error

    compress = decompress


@pytest.mark.parametrize("error", [zlib.error("no"), MemoryError("no"), ZeroDivisionError(), EOFError("no")], ids=repr)
@_sides
def test_zlib_fails(side: Side, error: Exception) -> None:
    def run() -> Any:
        protocol, log = new_protocol(side, Options(compressed=True))
        extension: Any = protocol.extensions[0]
        peer = Peer(side)
        protocol.receive_data(peer.message(b"hello"))
        extension.decoder = extension.encoder = Failing(error)
        results = [called(protocol.send_text, b"x"), called(protocol.send_binary, b"x", False)]
        protocol.expect_continuation_frame = False
        protocol.receive_data(peer.message(b"hello") + peer.message(b"hello"))
        return results, told_step(protocol), log.lines

    same(run)


@_sides
def test_objects_that_are_missing(side: Side) -> None:
    def run() -> Any:
        protocol, log = new_protocol(side, Options(compressed=True))
        extension: Any = protocol.extensions[0]
        del extension.decoder, extension.encoder
        results = called(protocol.send_text, b"x")
        protocol.receive_data(Peer(side).message(b"hello"))
        return results, told_step(protocol), log.lines

    same(run)


def _lists() -> list[Any]:
    return [
        (PerMessageDeflate(*_SETTINGS[0]),),
        [PerMessageDeflate(*_SETTINGS[0]), PerMessageDeflate(*_SETTINGS[0])],
        [Noting(*_SETTINGS[0]), PerMessageDeflate(*_SETTINGS[0])],
        [None],
        (),
    ]


@pytest.mark.parametrize("which", range(5))
@_sides
def test_other_lists_of_extensions(side: Side, which: int) -> None:
    """Also of what is no extension at all."""

    def run() -> Any:
        protocol, log = new_protocol(side, Options())
        protocol.extensions = _lists()[which]
        results = [called(protocol.send_text, b"hello"), called(protocol.send_binary, b"hello")]
        peer = Peer(side)
        results.append(called(protocol.receive_data, peer.frame(TEXT, b"x") + peer.message(b"hello")))
        return results, told_step(protocol), log.lines

    same(run)


# Sending --------------------------------------------------------------------------------------------------------------

_PAYLOADS: tuple[Any, ...] = (
    b"",
    b"x",
    b"hello " * 20,
    noise(100),
    *[noise(size) for size in range(2_025, 2_055, 3)],
    noise(70_000),
    bytearray(b"abc" * 9),
    memoryview(b"abcdef" * 9),
    memoryview(b"abcdef" * 9)[::2],
    "text",
    None,
)


@_settings
@_sides
def test_sending(side: Side, deflate: Any) -> None:
    def run() -> Any:
        protocol, log = new_protocol(side, Options(compressed=True, deflate=deflate))
        steps = []
        for payload in _PAYLOADS:
            for name, arguments in (
                ("send_text", (payload,)),
                ("send_binary", (payload, True)),
                ("send_text", (payload, False)),
                ("send_binary", (payload,)),
                ("send_continuation", (payload, 0)),
                ("send_ping", (b"p",)),
                ("send_continuation", (payload, 1)),
                ("send_continuation", (payload, True)),
            ):
                steps += [called(getattr(protocol, name), *arguments), told_step(protocol)]
            protocol.expect_continuation_frame = False
        return steps, log.lines

    same(run)


@_settings
def test_what_one_side_sends_the_other_receives(deflate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both accelerated, with keys of the codec."""
    peer_forgets, forgets, peer_bits, bits = deflate
    texts = [b"", b"hello", noise(3_000), b"hello" * 500]
    monkeypatch.setattr(secrets, "token_bytes", _SYSTEM)
    fastws.hosts.accelerate("websockets")
    for side, other in ((CLIENT, SERVER), (SERVER, CLIENT)):
        sender, _ = new_protocol(side, Options(compressed=True, deflate=deflate))
        mirrored = (forgets, peer_forgets, bits, peer_bits)
        receiver, _ = new_protocol(other, Options(compressed=True, deflate=mirrored))
        for text in texts:
            sender.send_text(text)
        receiver.receive_data(b"".join(sender.data_to_send()))
        assert [event.data for event in receiver.events_received()] == texts  # type: ignore[union-attr]


def test_an_extension_that_has_moved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PerMessageDeflate, "decode", lambda *_: None)
    with pytest.raises(fastws.HostError, match=r"PerMessageDeflate\.decode has been replaced"):
        fastws.hosts.accelerate("websockets")
