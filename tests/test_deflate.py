"""Compression: what two sides agree on, messages there and back, and what does not inflate (RFC 7692)."""

from __future__ import annotations

import tracemalloc
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastws import CloseCode, Role, SizeError
from fastws.deflate import ENGINES, Deflate, Parameters, PerMessageDeflate
from fastws.errors import DeflateError
from oracles import noise

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL = b"\x00\x00\xff\xff"
_MAX = 2**20

_engines = pytest.mark.parametrize("engine", list(ENGINES))
_each_window = pytest.mark.parametrize("bits", range(9, 16))


def _side(role: Role = Role.SERVER, agreed: Parameters | None = None, **wanted: Any) -> PerMessageDeflate:
    return Deflate(**wanted).agree(role, agreed or Parameters())


def _raw(text: str) -> list[tuple[str, str | None]]:
    """The parameters in a header, which a test writes as ``name=value; name``."""
    pairs = [each.strip().partition("=") for each in text.split(";") if each.strip()]
    return [(name, value if equals else None) for name, equals, value in pairs]


# Offers and answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "offer"),
    [
        ({}, "server_max_window_bits=12; client_max_window_bits=12"),
        ({"window_bits": 15, "peer_window_bits": 15}, "client_max_window_bits"),
        ({"window_bits": 9, "peer_window_bits": 10}, "server_max_window_bits=10; client_max_window_bits=9"),
        (
            {"context_takeover": False, "window_bits": 15, "peer_window_bits": 15},
            "client_no_context_takeover; client_max_window_bits",
        ),
        (
            {"peer_context_takeover": False, "window_bits": 15, "peer_window_bits": 15},
            "server_no_context_takeover; client_max_window_bits",
        ),
    ],
)
def test_offers(wanted: dict[str, Any], offer: str) -> None:
    made = Deflate(**wanted).offer()
    assert made.format() == f"permessage-deflate; {offer}"
    assert Parameters.parse(_raw(offer), is_offer=True) == made


_FULL = {"window_bits": 15, "peer_window_bits": 15}


@pytest.mark.parametrize(
    ("wanted", "offer", "answer"),
    [
        (_FULL, "", ""),
        ({}, "", "server_max_window_bits=12"),
        ({}, "client_max_window_bits", "server_max_window_bits=12; client_max_window_bits=12"),
        ({}, "client_max_window_bits=10", "server_max_window_bits=12; client_max_window_bits=10"),
        (_FULL, "client_max_window_bits=8", "client_max_window_bits=8"),
        (_FULL, "client_max_window_bits=15", ""),
        (_FULL, "client_max_window_bits", ""),
        (_FULL, "server_max_window_bits=15", "server_max_window_bits=15"),
        (_FULL, "server_max_window_bits=9", "server_max_window_bits=9"),
        ({}, "server_max_window_bits=9", "server_max_window_bits=9"),
        ({}, "server_max_window_bits=13", "server_max_window_bits=12"),
        (_FULL, "server_max_window_bits=8", None),
        (_FULL, "server_no_context_takeover", "server_no_context_takeover"),
        (_FULL, "client_no_context_takeover", "client_no_context_takeover"),
        ({**_FULL, "context_takeover": False}, "", "server_no_context_takeover"),
        ({**_FULL, "peer_context_takeover": False}, "", "client_no_context_takeover"),
        (_FULL, "unknown", None),
        (_FULL, "server_no_context_takeover; server_no_context_takeover", None),
        (_FULL, "server_no_context_takeover=1", None),
        (_FULL, "client_no_context_takeover=", None),
        (_FULL, "server_max_window_bits", None),
        *[
            (_FULL, f"server_max_window_bits={bits}", None)
            for bits in ("7", "16", "09", "+9", "x", "", "10.0", "1\u0660")
        ],
        *[(_FULL, f"client_max_window_bits={bits}", None) for bits in ("7", "16", "08", "-8", "")],
    ],
)
def test_answers(wanted: dict[str, Any], offer: str, answer: str | None) -> None:
    made = Deflate(**wanted).answer([_raw(offer)])
    assert (None if made is None else made.format()) == (
        None if answer is None else "; ".join(["permessage-deflate", *([answer] if answer else [])])
    )


def test_the_first_good_offer_is_taken() -> None:
    offers = [_raw(each) for each in ("server_max_window_bits=8", "unknown=1", "server_max_window_bits=10", "")]
    answer = Deflate().answer(offers)
    assert answer is not None
    assert answer.server_max_window_bits == 10
    assert Deflate().answer(offers[:2]) is None
    assert Deflate().answer([]) is None


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        (_FULL, ""),
        (_FULL, "server_max_window_bits=8"),
        (_FULL, "server_no_context_takeover; client_no_context_takeover"),
        (_FULL, "client_max_window_bits=9"),
        ({}, "server_max_window_bits=12"),
        ({}, "server_max_window_bits=9; client_max_window_bits=11"),
        ({**_FULL, "peer_context_takeover": False}, "server_no_context_takeover"),
    ],
)
def test_good_answers(wanted: dict[str, Any], answer: str) -> None:
    assert Deflate(**wanted).check(_raw(answer)) == Parameters.parse(_raw(answer), is_offer=False)


@pytest.mark.parametrize(
    ("wanted", "answer", "text"),
    [
        ({}, "", "the server's window is larger than what was asked"),
        ({}, "server_max_window_bits=13", "the server's window is larger than what was asked"),
        ({}, "server_max_window_bits=12; client_max_window_bits=13", "the server asks for a window of 13 bits"),
        (_FULL, "client_max_window_bits=8", "the server asks for a window of 8 bits"),
        (_FULL, "client_max_window_bits", "client_max_window_bits of permessage-deflate cannot be None"),
        (_FULL, "client_max_window_bits=16", "client_max_window_bits of permessage-deflate cannot be '16'"),
        (_FULL, "server_max_window_bits", "server_max_window_bits of permessage-deflate cannot be None"),
        (_FULL, "x=1", "parameter x of permessage-deflate is unknown"),
        (_FULL, "server_max_window_bits=9; server_max_window_bits=9", "is there twice"),
        ({**_FULL, "peer_context_takeover": False}, "", "the server keeps its context against what was asked"),
    ],
)
def test_bad_answers(wanted: dict[str, Any], answer: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Deflate(**wanted).check(_raw(answer))


_WANTED: list[dict[str, Any]] = [
    {"window_bits": bits, "peer_window_bits": peer_bits, "context_takeover": keeps, "peer_context_takeover": peer_keeps}
    for bits, peer_bits, keeps, peer_keeps in product((9, 12, 15), (9, 15), (True, False), (True, False))
]


@pytest.mark.parametrize("client_wanted", _WANTED, ids=str)
def test_every_two_sides_understand_each_other(client_wanted: dict[str, Any]) -> None:
    """An answer is one that the client takes, and both sides then inflate what the other compresses."""
    message = noise(3000) * 12
    for server_wanted in _WANTED:
        client_side, server_side = Deflate(**client_wanted), Deflate(**server_wanted)
        answer = server_side.answer([_raw(client_side.offer().format().partition(";")[2])])
        assert answer is not None
        agreed = client_side.check(_raw(answer.format().partition(";")[2]))
        assert agreed == answer
        client, server = client_side.agree(Role.CLIENT, agreed), server_side.agree(Role.SERVER, answer)
        for _ in range(2):
            assert server.inflate(client.compress(message), _MAX) == message
            assert client.inflate(server.compress(message), _MAX) == message


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"window_bits": 8}, "window_bits is 9 to 15, not 8"),
        ({"window_bits": 16}, "window_bits is 9 to 15, not 16"),
        ({"peer_window_bits": 8}, "peer_window_bits is 9 to 15, not 8"),
        ({"memory_level": 0}, "memory_level is 1 to 9, not 0"),
        ({"memory_level": 10}, "memory_level is 1 to 9, not 10"),
        ({"level": 10}, "level is 0 to 9, not 10"),
        ({"level": 4, "engine": "isal"}, "level is 0 to 3, not 4"),
        ({"threshold": -1}, "threshold is 0 or more, not -1"),
        ({"engine": "brotli"}, "engine is one of zlib, zlib-ng, isal, not 'brotli'"),
    ],
)
def test_what_cannot_be_wanted(wanted: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        Deflate(**wanted)


def test_an_engine_that_is_not_installed_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "other", ("a_module_that_is_missing", 6, 9))
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_missing"):
        Deflate(engine="other")


# There and back -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payloads", "message"),
    [
        ((b"\xf2\x48\xcd\xc9\xc9\x07\x00",), b"Hello"),
        ((b"\xf2\x48\xcd", b"\xc9\xc9\x07\x00"), b"Hello"),
        ((b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",), b"Hello"),
        ((b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",), b"Hello"),
        ((b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",), b"Hello"),
    ],
    ids=["compressed", "fragmented", "stored", "with a final block", "two blocks"],
)
@_engines
def test_examples_of_the_rfc(engine: str, payloads: Sequence[bytes], message: bytes) -> None:
    """RFC 7692 §7.2.3, byte for byte."""
    side = _side(engine=engine)
    for _ in range(2):
        pieces = [side.inflate(payload, 5, payload is payloads[-1]) for payload in payloads]
        assert b"".join(pieces) == message


@_engines
def test_example_of_a_shared_window(engine: str) -> None:
    """RFC 7692 §7.2.3.2: the second of two equal messages is shorter, and needs the first one's window."""
    side = _side(engine=engine)
    assert side.inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 5) == b"Hello"
    assert side.inflate(b"\xf2\x00\x11\x00\x00", 5) == b"Hello"
    forgetful = _side(engine=engine, agreed=Parameters(client_no_context_takeover=True))
    assert forgetful.inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 5) == b"Hello"
    with pytest.raises(DeflateError):
        forgetful.inflate(b"\xf2\x00\x11\x00\x00", 5)


_MESSAGES = [b"", b"", b"x", b"Hello " * 20, noise(300), b"Hello " * 20, bytes(100_000), noise(100_000), b"", b"end"]


@_engines
@_each_window
@pytest.mark.parametrize("keeps", [True, False])
def test_messages(engine: str, bits: int, keeps: bool) -> None:
    """Each engine's output, with and without a window that is kept, for zlib's own inflater with that very window."""
    side = _side(window_bits=bits, peer_window_bits=bits, context_takeover=keeps, engine=engine)
    agreed = Parameters(client_max_window_bits=bits, client_no_context_takeover=not keeps)
    peer = _side(peer_window_bits=bits, agreed=agreed)
    kept = zlib.decompressobj(-bits)
    for message in _MESSAGES:
        payload = side.compress(message)
        assert payload
        inflater = kept if keeps else zlib.decompressobj(-bits)
        assert inflater.decompress(payload + _TAIL) == message
        assert peer.inflate(payload, len(message)) == message


@_engines
@pytest.mark.parametrize("keeps", [True, False])
def test_fragments(engine: str, keeps: bool) -> None:
    """Compressed one by one, inflated one by one or joined; an empty one in the middle or at the end is nothing."""
    side = _side(context_takeover=keeps, engine=engine)
    agreed = Parameters(client_no_context_takeover=not keeps)
    one_by_one, joined = _side(agreed=agreed, engine=engine), _side(agreed=agreed)
    fragments = [b"Hello ", b"", b"Hello ", noise(5000), b"Hello ", b""]
    for _ in range(3):
        last = len(fragments) - 1
        payloads = [side.compress(each, i == last) for i, each in enumerate(fragments)]
        assert [one_by_one.inflate(each, _MAX, i == last) for i, each in enumerate(payloads)] == fragments
        assert joined.inflate(b"".join(payloads), _MAX) == b"".join(fragments)


@_engines
def test_empty_payloads_are_empty_messages(engine: str) -> None:
    """Some senders leave out the header of the block that is to be completed, if there is nothing to say."""
    side, peer = _side(engine=engine), _side()
    for _ in range(3):
        assert side.inflate(b"", 0) == b""
        assert side.inflate(peer.compress(b"Hello"), 5) == b"Hello"


@_engines
@pytest.mark.parametrize("zero", [b"", b"\x00"], ids=["bare", "as the RFC writes it"])
def test_final_blocks(engine: str, zero: bytes) -> None:
    """Streams that end, within a message and at its end; a few of them (RFC 7692 §7.2.3.5)."""

    def finished(data: bytes) -> bytes:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        return compressor.compress(data) + compressor.flush(zlib.Z_FINISH)

    side = _side(engine=engine)
    for _ in range(2):
        assert side.inflate(finished(b"Hello") + zero, 5) == b"Hello"
        assert side.inflate(finished(b"Hello") + finished(b"") + finished(b"world") + zero, 10) == b"Helloworld"
        assert side.inflate(_side().compress(b"Hello"), 5) == b"Hello"


@given(
    messages=st.lists(st.lists(st.one_of(st.binary(max_size=200), st.text(max_size=50).map(str.encode)), min_size=1)),
    keeps=st.booleans(),
    bits=st.integers(9, 15),
    engines=st.tuples(st.sampled_from(sorted(ENGINES)), st.sampled_from(sorted(ENGINES))),
)
@settings(max_examples=60)
def test_any_messages(messages: list[list[bytes]], keeps: bool, bits: int, engines: tuple[str, str]) -> None:
    side = _side(window_bits=bits, context_takeover=keeps, engine=engines[0])
    agreed = Parameters(client_max_window_bits=bits, client_no_context_takeover=not keeps)
    peer = _side(agreed=agreed, engine=engines[1])
    for fragments in messages:
        size = sum(map(len, fragments))
        for i, fragment in enumerate(fragments):
            fin = i == len(fragments) - 1
            assert peer.inflate(side.compress(fragment, fin), size, fin) == fragment


# What does not inflate ------------------------------------------------------------------------------------------------


@_engines
@pytest.mark.parametrize(
    "payload",
    [
        b"\x07",
        b"\xff" * 20,
        b"\x00\x05\x00\xfa\xfe\x48",
        b"\xf2\x00\x11\x00\x00",
        bytes.fromhex("ed fd 01") + b"\xff" * 9,
    ],
    ids=["block type 3", "noise", "lengths of a stored block", "distance too far", "dynamic header"],
)
def test_corrupt(engine: str, payload: bytes) -> None:
    with pytest.raises(DeflateError, match=r"^compressed message does not inflate$") as caught:
        _side(engine=engine).inflate(payload, _MAX)
    assert caught.value.close_code is CloseCode.INVALID_DATA
    assert caught.value.__context__ is None


def _inflated(side: PerMessageDeflate, payload: bytes) -> bytes | None:
    """None where it does not inflate."""
    try:
        return side.inflate(payload, _MAX)
    except DeflateError:
        return None


@_engines
@pytest.mark.parametrize("level", [0, 1, None])
@pytest.mark.parametrize("message", [b"Hello", b"Hello, hello, " * 40, noise(400)], ids=["short", "text", "noise"])
def test_truncated(engine: str, message: bytes, level: int | None) -> None:
    """Cut anywhere, but behind the first byte of a stored block: that is what an empty message looks like."""
    payload = _side(level=level).compress(message)
    start = 2 if payload[0] == 0 else 1
    got = [_inflated(_side(engine=engine), payload[:cut]) for cut in range(start, len(payload))]
    assert set(got) <= {None, message}
    assert got.count(message) <= 1


@_engines
@pytest.mark.parametrize("limit", [0, 1, 1000, 65_536])
def test_exactly_at_the_limit_and_one_over(engine: str, limit: int) -> None:
    for message in (bytes(limit), noise(limit)):
        side, peer = _side(engine=engine), _side()
        assert side.inflate(peer.compress(message), limit) == message
        with pytest.raises(
            SizeError, match=f"^message of {limit + 1} bytes or more is over the limit of {limit}$"
        ) as caught:
            side.inflate(peer.compress(message + b"x"), limit)
        assert caught.value.close_code is CloseCode.MESSAGE_TOO_BIG


def test_without_a_limit() -> None:
    assert _side().inflate(_side().compress(bytes(_MAX)), 2**63 - 1) == bytes(_MAX)


@_engines
def test_bomb(engine: str) -> None:
    """A thousand bytes for each one: it stops at the limit, and nobody has taken the memory."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = bomb.compress(bytes(64 * _MAX)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    side = _side(engine=engine)
    side.inflate(_side().compress(b"x"), 1)
    tracemalloc.start()
    try:
        with pytest.raises(SizeError):
            side.inflate(payload, _MAX)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * _MAX


@_engines
def test_bomb_of_final_blocks(engine: str) -> None:
    """Each ends a stream, and the rest of the message would be copied for each: that stops early."""
    with pytest.raises(DeflateError):
        _side(engine=engine).inflate(b"\x03\x00" * 100_000, _MAX)


# Memory ---------------------------------------------------------------------------------------------------------------


def _kept(*sides: PerMessageDeflate, message: bytes = b"Hello " * 100) -> int:
    tracemalloc.start()
    try:
        payload = sides[0].compress(message)
        sides[-1].inflate(payload, len(message))
        del payload
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return kept


@pytest.mark.parametrize(("bits", "memory_level"), [(9, 1), (12, 5), (15, 8), (15, 9)])
def test_memory_is_what_the_documentation_says(bits: int, memory_level: int) -> None:
    """With zlib; and none before the first message, nor after one whose window is not kept."""
    agreed = Parameters(client_max_window_bits=bits)
    side = _side(agreed=agreed, window_bits=bits, memory_level=memory_level)
    told = (4 << bits) + (512 << memory_level) + 6000 + (1 << bits) + 7000
    assert 0.7 * told < _kept(side) < 1.5 * told
    forgetful = _side(
        agreed=Parameters(client_no_context_takeover=True), context_takeover=False, memory_level=memory_level
    )
    assert _kept(forgetful) < 2000
