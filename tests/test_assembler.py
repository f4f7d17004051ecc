"""Assembler: a stream of bytes into messages and control frames (RFC 6455 §5.4 to §5.6, §7.4, §8.1)."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from cases import each_case
from fastws import CloseCode, Opcode, ProtocolError, Role, SizeError, Utf8Error
from fastws.frames import DEFAULT_MAX_FRAGMENTS
from oracles import first_bad, frame, header, is_canonical, noise, text_fault
from outcomes import feed_all, plain, told_all
from vectors import (
    ALPHABETS,
    BAD_TEXTS,
    GOOD_TEXTS,
    KEY,
    LONG_LENGTHS,
    RFC_6455_EXAMPLES,
    ROLES,
    STREAMS,
    Event,
    Stream,
    binary,
    bytewise,
    close,
    cuts,
    key_for,
    ping,
    pong,
    sample,
    text,
)

if TYPE_CHECKING:
    from types import ModuleType

_streams = each_case("stream", STREAMS, ids=lambda stream: stream.source)
_roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)
_MAX = 2**63 - 1


def _decoder(codec: ModuleType, role: Role, limit: int | None = None, **options: object) -> Any:
    return codec.MessageDecoder(role, max_message_size=limit, **options)


def _wire(role: Role, *frames: tuple[int, bytes]) -> bytes:
    return b"".join([frame(first, payload, key_for(role)) for first, payload in frames])


# Streams --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "wire", "events"), RFC_6455_EXAMPLES, ids=[str(i) for i in range(7)])
def test_examples_of_the_rfc(codec: ModuleType, role: Role, wire: bytes, events: tuple[Event, ...]) -> None:
    """RFC 6455 §5.7, byte for byte."""
    assert told_all(_decoder(codec, role).feed(wire)) == list(events)


@_roles
@_streams
def test_streams_cut_anywhere(codec: ModuleType, stream: Stream, role: Role) -> None:
    """Whole, in two at every place, and one byte at a time: always the same events, and the same error."""
    data = stream.wire(role)
    expected = list(stream.events)
    closed = any(event[0] == "Close" for event in expected)
    splits = [[data], *[[data[:cut], data[cut:]] for cut in cuts(len(data))]]
    if len(data) <= 600:
        splits += [bytewise(data), [b"", *bytewise(data), b""]]
    for pieces in splits:
        decoder = _decoder(codec, role)
        assert feed_all(decoder, pieces) == expected
        assert decoder.closed == closed
        assert decoder.buffered == 0
        error, refusal = decoder.error, stream.refusal
        told = None if error is None else (type(error), error.close_code, str(error))
        assert told == (None if refusal is None else (refusal.kind, refusal.close_code, refusal.text))


@_roles
@_streams
def test_text_as_bytes(codec: ModuleType, stream: Stream, role: Role) -> None:
    """The same events and errors, but text stays bytes."""
    data = stream.wire(role)
    expected = [
        ("Message", event[1].encode(), event[2]) if event[0] == "Message" and isinstance(event[1], str) else event
        for event in stream.events
    ]
    for pieces in ([data], [*bytewise(data[:900]), data[900:]]):
        decoder = _decoder(codec, role, text_as="bytes")
        assert feed_all(decoder, pieces) == expected
        assert (None if decoder.error is None else str(decoder.error)) == (stream.refusal and stream.refusal.text)


@_roles
def test_streams_in_a_row(codec: ModuleType, role: Role) -> None:
    """All good streams without a close through one decoder, in reads of sizes that fit nothing."""
    good = [each for each in STREAMS if each.refusal is None and not any(event[0] == "Close" for event in each.events)]
    data = b"".join([stream.wire(role) for stream in good])
    expected = [event for stream in good for event in stream.events]
    for size in (7, 61, 509, 4096, 65_536, len(data)):
        decoder = _decoder(codec, role)
        assert feed_all(decoder, [data[i : i + size] for i in range(0, len(data), size)]) == expected


@_roles
@pytest.mark.parametrize("alphabet", list(ALPHABETS))
def test_every_text_length(codec: ModuleType, role: Role, alphabet: str) -> None:
    """In one frame and in three, as one read: exact strings, in the representation that CPython gives them."""
    whole = sample(alphabet, max(LONG_LENGTHS))
    texts = [whole[:n] for n in (*range(301), *LONG_LENGTHS[::5])]
    decoder = _decoder(codec, role)
    for each in texts:
        data = each.encode()
        third = len(data) // 3
        pieces = ((0x01, data[:third]), (0x00, data[third : 2 * third]), (0x80, data[2 * third :]))
        one, several = decoder.feed(_wire(role, (0x81, data), *pieces))
        assert one.data == several.data == each
        assert is_canonical(one.data)
        assert is_canonical(several.data)


@_roles
def test_every_binary_length(codec: ModuleType, role: Role) -> None:
    payloads = [noise(n) for n in (*range(301), *LONG_LENGTHS)]
    decoder = _decoder(codec, role)
    for payload in payloads:
        half = len(payload) // 2
        events = decoder.feed(_wire(role, (0x82, payload), (0x02, payload[:half]), (0x80, payload[half:])))
        assert plain(events) == plain([codec.Message(payload)] * 2)


@_roles
def test_types_of_what_is_told(codec: ModuleType, role: Role) -> None:
    frames = ((0x81, b"t"), (0x82, b"b"), (0x89, b"p"), (0x8A, b"q"), (0x88, b"\x03\xe8r"))
    events = _decoder(codec, role).feed(_wire(role, *frames))
    expected = [codec.Message("t"), codec.Message(b"b"), codec.Ping(b"p"), codec.Pong(b"q"), codec.Close(1000, "r")]
    assert events == expected
    assert plain(events) == plain(expected)
    assert type(events[0].opcode) is Opcode


# Text -----------------------------------------------------------------------------------------------------------------


@each_case("payload", [*GOOD_TEXTS, *BAD_TEXTS], ids=lambda payload: payload.hex()[:20])
@_roles
def test_texts(codec: ModuleType, role: Role, payload: bytes) -> None:
    """Whole, in fragments cut at every place, and byte by byte: the same text, or the same error."""
    fault = text_fault(payload)
    expected = [text(payload.decode())] if fault is None else []
    wires = [_wire(role, (0x81, payload))]
    wires += [_wire(role, (0x01, payload[:cut]), (0x80, payload[cut:])) for cut in range(len(payload) + 1)]
    for wire in wires:
        for pieces in ([wire], bytewise(wire)):
            decoder = _decoder(codec, role)
            assert feed_all(decoder, pieces) == expected
            assert (None if decoder.error is None else str(decoder.error)) == fault


@_roles
def test_text_is_refused_as_its_bytes_arrive(codec: ModuleType, role: Role) -> None:
    """Within an unfinished frame of an unfinished message, at the first byte that cannot be (fail fast)."""
    for payload in BAD_TEXTS:
        bad = first_bad(payload)
        assert bad is not None
        if bad == len(payload):
            continue
        wire = _wire(role, (0x01, payload + b"x" * 200))
        taken = len(wire) - 200 - len(payload)
        decoder = _decoder(codec, role)
        for piece in bytewise(wire[: taken + bad]):
            assert decoder.feed(piece) == []
        assert decoder.buffered == bad
        with pytest.raises(Utf8Error) as caught:
            decoder.feed(wire[taken + bad : taken + bad + 1])
        assert caught.value.offset == bad
        assert caught.value.close_code is CloseCode.INVALID_DATA
        assert decoder.buffered == 0


@_roles
def test_offset_counts_from_the_start_of_the_message(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role)
    decoder.feed(_wire(role, (0x81, b"another"), (0x01, b"x" * 100), (0x89, b"ping"), (0x00, b"y" * 100)))
    with pytest.raises(Utf8Error, match=r"^text is not UTF-8 at byte 203$"):
        decoder.feed(_wire(role, (0x80, b"abc\xffz")))


@_roles
def test_binary_is_not_judged(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role)
    for payload in BAD_TEXTS:
        half = len(payload) // 2
        events = decoder.feed(_wire(role, (0x82, payload), (0x02, payload[:half]), (0x80, payload[half:])))
        assert told_all(events) == [binary(payload)] * 2
        assert told_all(decoder.feed(_wire(role, (0x89, payload), (0x8A, payload)))) == [ping(payload), pong(payload)]


@_roles
def test_a_text_does_not_taint_the_next(codec: ModuleType, role: Role) -> None:
    """A message begins with nothing pending, and as narrow as it is."""
    decoder = _decoder(codec, role)
    for content in ("😀", "plain", "é", "你", "plain"):
        data = content.encode()
        (event,) = decoder.feed(_wire(role, (0x01, data[:1]), (0x80, data[1:])))
        assert event.data == content
        assert is_canonical(event.data)


# Close ----------------------------------------------------------------------------------------------------------------


def _is_sendable(code: int) -> bool:
    """RFC 6455 §7.4.1 and §7.4.2, and the codes registered since (1012 to 1014)."""
    return code in {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014} or 3000 <= code < 5000


def test_every_close_code(codec: ModuleType) -> None:
    """Each once, odd ones masked and even ones not."""
    for code in range(65_536):
        role = ROLES[code & 1]
        decoder = _decoder(codec, role)
        data = _wire(role, (0x88, code.to_bytes(2, "big")))
        events = feed_all(decoder, [data])
        assert decoder.closed == _is_sendable(code)
        if _is_sendable(code):
            assert events == [close(code)]
        else:
            assert str(decoder.error) == f"close code {code} must not be sent"
            assert decoder.error.close_code is CloseCode.PROTOCOL_ERROR


@_roles
def test_close_reasons(codec: ModuleType, role: Role) -> None:
    for reason in ("", "bye", "schön 你好 😀", "x" * 123, "é" * 61 + "x"):
        for pieces in ([wire := _wire(role, (0x88, b"\x0f\xa0" + reason.encode()))], bytewise(wire)):
            assert feed_all(_decoder(codec, role), pieces) == [close(4000, reason)]


@each_case("payload", BAD_TEXTS, ids=lambda payload: payload.hex()[:20])
@_roles
def test_bad_close_reason(codec: ModuleType, role: Role, payload: bytes) -> None:
    """The offset counts from the start of the reason, and a bad code is told first."""
    fault = text_fault(payload)
    assert fault is not None
    decoder = _decoder(codec, role)
    with pytest.raises(Utf8Error) as caught:
        decoder.feed(_wire(role, (0x88, b"\x03\xe8" + payload)))
    assert str(caught.value) == fault.replace("text", "close reason", 1)
    assert caught.value.close_code is CloseCode.INVALID_DATA
    assert not decoder.closed
    with pytest.raises(ProtocolError, match=r"^close code 999 must not be sent$"):
        _decoder(codec, role).feed(_wire(role, (0x88, b"\x03\xe7" + payload)))


@_roles
def test_after_a_close_everything_is_discarded(codec: ModuleType, role: Role) -> None:
    """Frames that came with it, later ones, and bytes that break every rule (RFC 6455 §1.4)."""
    decoder = _decoder(codec, role)
    events = decoder.feed(_wire(role, (0x01, b"unfinished"), (0x88, b"\x03\xe8"), (0x83, b""), (0x80, b"\xff")))
    assert told_all(events) == [close(1000)]
    for data in (b"", b"\xff" * 100, _wire(role, (0x81, b"more")), header(0x82, 2**62, key_for(role))):
        assert decoder.feed(data) == []
        assert (decoder.closed, decoder.error, decoder.buffered) == (True, None, 0)
    with pytest.raises(TypeError, match=r"^a bytes-like object is required, not 'str'$"):
        decoder.feed("text")


# Compressed messages and fragments ------------------------------------------------------------------------------------


def _frame(opcode: Opcode, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> Event:
    return "Frame", opcode, payload, fin, rsv1, False, False


_COMPRESSED: tuple[tuple[tuple[tuple[int, bytes], ...], tuple[Event, ...]], ...] = (
    (((0xC1, b"\xff\xc3"),), (_frame(Opcode.TEXT, b"\xff\xc3", rsv1=True),)),
    (((0xC2, b"raw"), (0x82, b"plain")), (_frame(Opcode.BINARY, b"raw", rsv1=True), binary(b"plain"))),
    (((0x41, b"\xff"), (0x00, b""), (0x80, b"\xed")), (_frame(Opcode.TEXT, b"\xff\xed", rsv1=True),)),
    (((0x42, b""), (0x89, b"?"), (0x80, b"")), (ping(b"?"), _frame(Opcode.BINARY, b"", rsv1=True))),
    (
        ((0x41, b"\xff"), (0x80, b"\xfe"), (0x01, b"a"), (0x80, b"b")),
        (_frame(Opcode.TEXT, b"\xff\xfe", rsv1=True), text("ab")),
    ),
)


@_roles
@pytest.mark.parametrize(("frames", "events"), _COMPRESSED, ids=[str(i) for i in range(len(_COMPRESSED))])
def test_compressed_messages_come_as_frames(
    codec: ModuleType, role: Role, frames: tuple[tuple[int, bytes], ...], events: tuple[Event, ...]
) -> None:
    """Joined, unmasked, and not judged: what is in there is not known here (RFC 7692 §6)."""
    data = _wire(role, *frames)
    for pieces in ([data], bytewise(data), *[[data[:cut], data[cut:]] for cut in range(len(data))]):
        decoder = _decoder(codec, role, rsv1=True)
        assert feed_all(decoder, pieces) == list(events)
        assert (decoder.error, decoder.buffered) == (None, 0)


@_roles
@pytest.mark.parametrize(
    "frames",
    [((0xC9, b""),), ((0xCA, b"x"),), ((0xC8, b""),), ((0x41, b"x"), (0xC0, b"y")), ((0x01, b"x"), (0x40, b"y"))],
)
def test_rsv1_where_no_message_starts(codec: ModuleType, role: Role, frames: tuple[tuple[int, bytes], ...]) -> None:
    decoder = _decoder(codec, role, rsv1=True)
    assert feed_all(decoder, [_wire(role, *frames)]) == []
    assert str(decoder.error) == "reserved bit set without an extension that uses it"
    assert decoder.error.close_code is CloseCode.PROTOCOL_ERROR


@_roles
@pytest.mark.parametrize("first", [0xA1, 0x91, 0xE1, 0xD2])
def test_other_reserved_bits_stay_refused(codec: ModuleType, role: Role, first: int) -> None:
    with pytest.raises(ProtocolError, match=r"^reserved bit set"):
        _decoder(codec, role, rsv1=True).feed(_wire(role, (first, b"")))


@_roles
@pytest.mark.parametrize("limit", [0, 10, 1000])
def test_compressed_size_has_some_slack(codec: ModuleType, role: Role, limit: int) -> None:
    """Deflate makes longer what does not compress: a message of just the limit must still get through."""
    most = limit + limit // 4 + 64
    for first, rest in ((0xC2, b"x" * most), (0xC1, b"x" * most)):
        (event,) = _decoder(codec, role, limit, rsv1=True).feed(_wire(role, (first, rest)))
        assert event.payload == rest
    pieces = ((0x42, b"x" * (most - 5)), (0x80, b"x" * 6))
    for frames in (((0xC2, b"x" * (most + 1)),), pieces):
        decoder = _decoder(codec, role, limit, rsv1=True)
        assert feed_all(decoder, [_wire(role, *frames)]) == []
        assert str(decoder.error) == f"message of {most + 1} bytes is over the limit of {most}"
    decoder = _decoder(codec, role, limit, rsv1=True)
    with pytest.raises(SizeError, match=_too_big(limit + 1, limit)):
        decoder.feed(_wire(role, (0x82, b"x" * (limit + 1))))


def test_slack_near_the_end_of_64_bits(codec: ModuleType) -> None:
    for limit in (_MAX, _MAX - 1, _MAX - 2**60, None):
        decoder = _decoder(codec, Role.CLIENT, limit, rsv1=True)
        assert decoder.feed(header(0x42, _MAX)) == []


_STREAMED: tuple[tuple[tuple[tuple[int, bytes], ...], tuple[Event, ...]], ...] = (
    (((0x81, b"whole"), (0x82, b"whole")), (text("whole"), binary(b"whole"))),
    (
        ((0x01, "é".encode()[:1]), (0x89, b"?"), (0x00, "é".encode()[1:]), (0x80, b"")),
        (
            *(_frame(Opcode.TEXT, "é".encode()[:1], fin=False), ping(b"?")),
            *(_frame(Opcode.CONTINUATION, "é".encode()[1:], fin=False), _frame(Opcode.CONTINUATION, b"")),
        ),
    ),
    (
        ((0x02, b""), (0x80, b"x"), (0x02, b"y" * 200), (0x80, b"z")),
        (
            *(_frame(Opcode.BINARY, b"", fin=False), _frame(Opcode.CONTINUATION, b"x")),
            *(_frame(Opcode.BINARY, b"y" * 200, fin=False), _frame(Opcode.CONTINUATION, b"z")),
        ),
    ),
    (
        ((0x41, b"\xff"), (0x00, b"\xed"), (0x80, b""), (0x01, b"a"), (0x80, b"b")),
        (
            *(_frame(Opcode.TEXT, b"\xff", fin=False, rsv1=True), _frame(Opcode.CONTINUATION, b"\xed", fin=False)),
            *(
                _frame(Opcode.CONTINUATION, b""),
                _frame(Opcode.TEXT, b"a", fin=False),
                _frame(Opcode.CONTINUATION, b"b"),
            ),
        ),
    ),
)


@_roles
@pytest.mark.parametrize(("frames", "events"), _STREAMED, ids=[str(i) for i in range(len(_STREAMED))])
def test_fragments_as_they_come(
    codec: ModuleType, role: Role, frames: tuple[tuple[int, bytes], ...], events: tuple[Event, ...]
) -> None:
    """One event for each frame, however the stream is cut; a message of one frame is a message."""
    data = _wire(role, *frames)
    for pieces in ([data], bytewise(data), *[[data[:cut], data[cut:]] for cut in range(len(data))]):
        decoder = _decoder(codec, role, rsv1=True, streaming=True)
        assert feed_all(decoder, pieces) == list(events)
        assert (decoder.error, decoder.buffered) == (None, 0)


@_roles
def test_streamed_text_is_checked(codec: ModuleType, role: Role) -> None:
    """Over the fragments, before they are told, and with the offset in the message."""
    decoder = _decoder(codec, role, streaming=True)
    events = feed_all(decoder, [_wire(role, (0x01, b"ab\xe2"), (0x00, b"\x82\xac"), (0x80, b"\xc3"))])
    assert [event[2] for event in events] == [b"ab\xe2", b"\x82\xac"]
    assert str(decoder.error) == "text ends inside a code point at byte 6"


@_roles
def test_budgets_of_streamed_messages(codec: ModuleType, role: Role) -> None:
    """What was told already counts, in bytes and in fragments."""
    decoder = _decoder(codec, role, 10, streaming=True)
    assert len(decoder.feed(_wire(role, (0x02, b"12345"), (0x00, b"67890"), (0x80, b""), (0x02, b"1234567")))) == 4
    with pytest.raises(SizeError, match=_too_big(11, 10)):
        decoder.feed(_wire(role, (0x80, b"8901")))
    decoder = _decoder(codec, role, max_fragments=2, streaming=True)
    decoder.feed(_wire(role, (0x02, b""), (0x00, b"")))
    with pytest.raises(SizeError, match=_too_many(3, 2)):
        decoder.feed(_wire(role, (0x80, b"")))


@_roles
def test_streaming_may_begin_and_end_inside_a_message(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role)
    assert decoder.feed(_wire(role, (0x01, b"a"), (0x00, b"b"))) == []
    decoder.streaming = True
    assert told_all(decoder.feed(_wire(role, (0x00, b"c")))) == [_frame(Opcode.TEXT, b"abc", fin=False)]
    decoder.streaming = False
    assert told_all(decoder.feed(_wire(role, (0x00, b"d"), (0x80, b"e"), (0x01, b"f"), (0x80, b"g")))) == [
        *(_frame(Opcode.CONTINUATION, b"d", fin=False), _frame(Opcode.CONTINUATION, b"e"), text("fg")),
    ]
    # Nothing of it was told, and now all of it is here.
    decoder.feed(_wire(role, (0x01, b"h")))
    decoder.streaming = True
    assert told_all(decoder.feed(_wire(role, (0x80, b"i")))) == [text("hi")]


@_roles
def test_only_messages(codec: ModuleType, role: Role) -> None:
    """Of the last feed alone, so that nobody has to look at each event."""
    message, good = (0x81, b"x"), (0x01, b"x")
    decoder = _decoder(codec, role, rsv1=True)
    assert decoder.only_messages
    for frames, only in (
        ((message, message), True),
        ((message, (0x89, b"")), False),
        ((), True),
        (((0x8A, b""),), False),
        ((good,), True),
        (((0x80, b"y"), message), True),
        (((0xC1, b"y"), message), False),
        ((message,), True),
        ((message, (0x88, b"")), False),
    ):
        decoder.feed(_wire(role, *frames))
        assert decoder.only_messages is only
    decoder = _decoder(codec, role)
    decoder.feed(_wire(role, message, (0x83, b"")))
    assert not decoder.only_messages


# Limits ---------------------------------------------------------------------------------------------------------------


def _too_big(size: int, limit: int) -> str:
    return f"^message of {size} bytes is over the limit of {limit}$"


@_roles
@each_case("first", [0x01, 0x02], ids=["text", "binary"])
@each_case("limit", [0, 1, 125, 126, 1000, 65_535, 65_536, 70_000])
def test_size_exactly_at_the_limit_and_one_over(codec: ModuleType, role: Role, limit: int, first: int) -> None:
    payload = b"x" * limit
    half = limit // 2
    decoder = _decoder(codec, role, limit)
    wire = _wire(role, (0x80 | first, payload), (first, payload[:half]), (0x89, b"x" * 125), (0x80, payload[half:]))
    whole, _, several = decoder.feed(wire)
    assert len(whole.data) == len(several.data) == limit
    over = header(0x80 | first, limit + 1, key_for(role))
    with pytest.raises(SizeError, match=_too_big(limit + 1, limit)) as caught:
        decoder.feed(over)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert caught.value.close_code is CloseCode.MESSAGE_TOO_BIG


@_roles
def test_size_over_several_fragments(codec: ModuleType, role: Role) -> None:
    """Refused by the header that passes the limit, before any byte of that payload."""
    for last in range(4):
        decoder = _decoder(codec, role, 30)
        for i in range(last):
            decoder.feed(_wire(role, (0x00 if i else 0x02, b"0123456789")))
        over = header(0x80 if last else 0x82, 31 - 10 * last, key_for(role))
        if last == 3:
            over = header(0x80, 1, key_for(role))
        with pytest.raises(SizeError, match=_too_big(31, 30)):
            decoder.feed(over)
        assert decoder.buffered == 0


@_roles
def test_size_counts_bytes_of_text(codec: ModuleType, role: Role) -> None:
    data = "€€".encode()
    assert told_all(_decoder(codec, role, 6).feed(_wire(role, (0x81, data)))) == [text("€€")]
    with pytest.raises(SizeError, match=_too_big(6, 5)):
        _decoder(codec, role, 5).feed(_wire(role, (0x81, data)))


@_roles
def test_the_budget_is_of_each_message(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role, 10)
    for _ in range(5):
        assert len(decoder.feed(_wire(role, (0x02, b"x" * 5), (0x80, b"y" * 5), (0x82, b"z" * 10)))) == 2


@_roles
@each_case("kept", [0, 1, 10])
@each_case("limit", [2**62, _MAX - 11, _MAX - 1, _MAX, None])
@each_case("length", [2**62, _MAX - 10, _MAX - 1, _MAX])
def test_budget_near_the_end_of_64_bits(
    codec: ModuleType, role: Role, length: int, limit: int | None, kept: int
) -> None:
    """The sum of what is kept and what is promised may pass 2**63: it is never formed in 64 bits."""
    decoder = _decoder(codec, role, limit)
    decoder.feed(_wire(role, (0x02, b"x" * kept)))
    data = header(0x80, length, key_for(role))
    allowed = _MAX if limit is None else limit
    if kept + length > allowed:
        with pytest.raises(SizeError, match=_too_big(kept + length, allowed)) as caught:
            decoder.feed(data)
        assert (caught.value.size, caught.value.limit) == (kept + length, allowed)
    else:
        assert decoder.feed(data + b"abc") == []
        assert decoder.buffered == kept + 3


@_roles
@pytest.mark.parametrize("limit", [0, 5])
def test_control_frames_are_not_limited(codec: ModuleType, role: Role, limit: int) -> None:
    """They are bounded already, and belong to no message."""
    frames = ((0x89, b"x" * 125), (0x8A, b"y" * 125), (0x88, b"\x03\xe8" + b"z" * 123))
    assert len(_decoder(codec, role, limit, max_fragments=0).feed(_wire(role, *frames))) == 3


def _too_many(size: int, limit: int) -> str:
    return f"^message of {size} fragments is over the limit of {limit}$"


@_roles
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_fragments_exactly_at_the_limit_and_one_over(codec: ModuleType, role: Role, limit: int) -> None:
    decoder = _decoder(codec, role, max_fragments=limit)
    allowed = [(0x00, b"")] * limit
    allowed[0] = (0x02, b"")
    for _ in range(2):
        whole = [*allowed[:-1], (0x80 | allowed[-1][0], b"x")]
        assert told_all(decoder.feed(_wire(role, *whole))) == [binary(b"x")]
        assert told_all(decoder.feed(_wire(role, (0x89, b"")))) == [ping()]
    assert decoder.feed(_wire(role, *allowed)) == []
    with pytest.raises(SizeError, match=_too_many(limit + 1, limit)) as caught:
        decoder.feed(_wire(role, (0x80, b"")))
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert caught.value.close_code is CloseCode.MESSAGE_TOO_BIG


@_roles
def test_no_fragment_allowed(codec: ModuleType, role: Role) -> None:
    for first in (0x01, 0x02, 0x81, 0x82):
        with pytest.raises(SizeError, match=_too_many(1, 0)):
            _decoder(codec, role, max_fragments=0).feed(_wire(role, (first, b"")))


@_roles
def test_default_and_unlimited_fragments(codec: ModuleType, role: Role) -> None:
    start, empties = _wire(role, (0x01, b"")), _wire(role, (0x00, b"")) * (DEFAULT_MAX_FRAGMENTS - 1)
    decoder = _decoder(codec, role)
    assert decoder.feed(start + empties) == []
    with pytest.raises(SizeError, match=_too_many(DEFAULT_MAX_FRAGMENTS + 1, DEFAULT_MAX_FRAGMENTS)):
        decoder.feed(_wire(role, (0x80, b"")))
    decoder = _decoder(codec, role, max_fragments=None)
    assert decoder.feed(start + empties) == []
    assert decoder.buffered == 0
    assert told_all(decoder.feed(_wire(role, (0x80, b"end")))) == [text("end")]


@_roles
def test_fragments_are_counted_before_bytes(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role, 5, max_fragments=1)
    decoder.feed(_wire(role, (0x02, b"x")))
    with pytest.raises(SizeError, match=_too_many(2, 1)):
        decoder.feed(_wire(role, (0x80, b"too many bytes")))


@_roles
@pytest.mark.parametrize("limit", [0, 1, 125, 126, 65_536])
def test_frames_exactly_at_the_limit_and_one_over(codec: ModuleType, role: Role, limit: int) -> None:
    piece = b"x" * limit
    frames = (0x02, piece), (0x89, b"?" * 125), (0x00, piece), (0x80, piece)
    decoder = _decoder(codec, role, max_frame_size=limit)
    assert told_all(decoder.feed(_wire(role, *frames, (0x82, piece)))) == [
        ping(b"?" * 125),
        binary(piece * 3),
        binary(piece),
    ]
    for first in (0x00, 0x80, 0x01, 0x82, 0xC2, 0x42):
        decoder = _decoder(codec, role, max_frame_size=limit, rsv1=True)
        if not first & 0x0F:
            assert decoder.feed(_wire(role, (0x02, piece))) == []
        with pytest.raises(SizeError, match=f"^frame of {limit + 1} bytes is over the limit of {limit}$") as caught:
            # By its header, before any of it is kept.
            decoder.feed(_wire(role, (first, piece + b"x"))[: 14 if role is Role.SERVER else 10])
        assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
        assert caught.value.close_code is CloseCode.MESSAGE_TOO_BIG


@_roles
def test_frames_are_measured_before_messages(codec: ModuleType, role: Role) -> None:
    with pytest.raises(SizeError, match=r"^frame of 7 bytes is over the limit of 6$"):
        _decoder(codec, role, 5, max_frame_size=6).feed(_wire(role, (0x82, b"x" * 7)))
    with pytest.raises(SizeError, match=r"^message of 6 bytes is over the limit of 5$"):
        _decoder(codec, role, 5, max_frame_size=6).feed(_wire(role, (0x82, b"x" * 6)))


@pytest.mark.parametrize("name", ["max_message_size", "max_fragments", "max_frame_size"])
@pytest.mark.parametrize("limit", [-1, 2**63, 2**64, -(2**63)])
def test_limit_out_of_range(codec: ModuleType, name: str, limit: int) -> None:
    limits: dict[str, int | None] = {"max_message_size": None, "max_fragments": None, name: limit}
    with pytest.raises(ValueError, match=f"^{name} is 0 to {_MAX}, not {limit}$"):
        codec.MessageDecoder(Role.CLIENT, **limits)


@pytest.mark.parametrize("text_as", ["", "text", "STR", None, 1, b"str"])
def test_text_as_is_one_of_two(codec: ModuleType, text_as: object) -> None:
    with pytest.raises(ValueError, match=r"^text_as is 'str' or 'bytes', not ") as caught:
        codec.MessageDecoder(Role.CLIENT, max_message_size=None, text_as=text_as)
    assert str(caught.value).endswith(repr(text_as))


@pytest.mark.parametrize("role", ["server", None, False, 0])
def test_role_is_a_role(codec: ModuleType, role: object) -> None:
    with pytest.raises(TypeError, match=f"^role is a Role, not '{type(role).__name__}'$"):
        codec.MessageDecoder(role, max_message_size=None)


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("promised", [2**20, 2**26, 2**40, 2**62])
@pytest.mark.parametrize("first", [0x81, 0x82, 0x01, 0x02])
@_roles
def test_nothing_is_allocated_for_a_promise(codec: ModuleType, role: Role, first: int, promised: int) -> None:
    """A hundred peers promise a message and send 10 bytes of it: memory stays near what has come."""
    start = header(first, promised, key_for(role)) + (b"0123456789" if role is Role.CLIENT else KEY + KEY + KEY[:2])
    decoders = [_decoder(codec, role) for _ in range(100)]
    tracemalloc.start()
    try:
        for decoder in decoders:
            decoder.feed(start)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [decoder.buffered for decoder in decoders] == [10] * 100
    assert peak < 2**20


@pytest.mark.parametrize(("fragment", "count"), [(0, 20_000), (1, 20_000), (1000, 1000), (65_536, 16)])
def test_memory_follows_what_has_come(codec: ModuleType, fragment: int, count: int) -> None:
    """Fragments are gathered in one buffer: cost is per byte, not per fragment."""
    data = frame(0x00, b"x" * fragment)
    decoder = _decoder(codec, Role.CLIENT, max_fragments=None)
    decoder.feed(frame(0x01, b""))
    tracemalloc.start()
    try:
        for _ in range(count):
            decoder.feed(data)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.buffered == fragment * count
    assert kept < 2 * fragment * count + 10_000


@pytest.mark.parametrize("before", [b"", frame(0x89)], ids=["raised", "left in error"])
def test_nothing_is_kept_after_an_error(codec: ModuleType, before: bytes) -> None:
    """Not even by the traceback of the error, which lives as long as the decoder."""
    decoder = _decoder(codec, Role.CLIENT)
    tracemalloc.start()
    try:
        decoder.feed(frame(0x01, bytes(2**20)))
        with suppress(ProtocolError):
            decoder.feed(before + frame(0x83, bytes(2**20)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.error is not None
    assert kept < 2**18


# State ----------------------------------------------------------------------------------------------------------------


@_roles
@pytest.mark.parametrize("first", [0x01, 0x02], ids=["text", "binary"])
def test_buffered(codec: ModuleType, role: Role, first: int) -> None:
    """After each byte: the message so far, a control frame inside it so far, and an unfinished header."""
    decoder = _decoder(codec, role)
    gathered = 0
    for kind, n in ((first, 130), (0x89, 7), (0x00, 0), (0x00, 3), (0x8A, 0), (0x80, 5), (0x89, 125)):
        data = frame(kind, b"x" * n, key_for(role))
        header_size = len(data) - n
        for i, piece in enumerate(bytewise(data), start=1):
            decoder.feed(piece)
            so_far = 0 if i == len(data) else i if i < header_size else i - header_size
            if i == len(data) and not kind & 8:
                gathered = 0 if kind & 0x80 else gathered + n
            assert decoder.buffered == gathered + so_far


@_roles
def test_events_before_the_error_come_first(codec: ModuleType, role: Role) -> None:
    good = _wire(role, (0x81, b"one"), (0x89, b"two"))
    decoder = _decoder(codec, role)
    assert told_all(decoder.feed(good + _wire(role, (0x81, b"\xff")) + good)) == [text("one"), ping(b"two")]
    error = decoder.error
    assert type(error) is Utf8Error
    for data in (b"", good):
        with pytest.raises(Utf8Error) as caught:
            decoder.feed(data)
        assert caught.value is error
        assert (decoder.error, decoder.closed, decoder.buffered) == (error, False, 0)


def test_wrong_type_is_no_protocol_error(codec: ModuleType) -> None:
    """A caller's mistake changes nothing: the stream goes on, or stays failed."""
    decoder = _decoder(codec, Role.CLIENT)
    decoder.feed(b"\x81\x05He")
    for wrong in ("text", None, 5, [1]):
        with pytest.raises(TypeError, match=f"^a bytes-like object is required, not '{type(wrong).__name__}'$"):
            decoder.feed(wrong)
    with pytest.raises(BufferError, match=r"^a C-contiguous buffer is required$"):
        decoder.feed(memoryview(b"1234")[::2])
    assert decoder.error is None
    assert told_all(decoder.feed(b"llo")) == [text("Hello")]


def test_state_cannot_be_set(codec: ModuleType) -> None:
    """A failed or closed decoder cannot be talked out of it."""
    decoder = _decoder(codec, Role.CLIENT)
    decoder.feed(b"\x88\x00")
    for name in ("error", "closed", "buffered"):
        with pytest.raises(AttributeError):
            setattr(decoder, name, None)
    assert decoder.feed(b"\x81\x00") == []
