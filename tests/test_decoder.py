"""Decoder: a stream of bytes into frames (RFC 6455 §5), cut anywhere, refused by the first rule it breaks."""

from __future__ import annotations

import array
import gc
import tracemalloc
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import each_case
from fastws import CloseCode, Opcode, ProtocolError, Role, SizeError
from oracles import frame, header, noise
from outcomes import feed_all, told_all
from vectors import LONG_LENGTHS, ROLES, STREAMS, Refusal, Stream, WireFrame, bytewise, cuts, key_for

if TYPE_CHECKING:
    from types import ModuleType

_streams = each_case("stream", STREAMS, ids=lambda stream: stream.source)
_roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)


def _decoder(codec: ModuleType, role: Role, limit: int | None = None, **options: bool) -> Any:
    return codec.FrameDecoder(role, max_frame_size=limit, **options)


def _expected(stream: Stream) -> list[Any]:
    frames = stream.frames if stream.good_frames is None else stream.frames[: stream.good_frames]
    return [_told(each) for each in frames]


def _told(sent: WireFrame) -> tuple[Any, ...]:
    flags = [bool(sent.first & bit) for bit in (0x80, 0x40, 0x20, 0x10)]
    return ("Frame", Opcode(sent.first & 0x0F), sent.payload, *flags)


def _check_refusal(error: ProtocolError | None, refusal: Refusal | None) -> None:
    if refusal is None:
        assert error is None
        return
    assert type(error) is refusal.kind
    assert error.close_code is refusal.close_code
    assert str(error) == refusal.text


# Streams --------------------------------------------------------------------------------------------------------------


@_roles
@_streams
def test_streams_cut_anywhere(codec: ModuleType, stream: Stream, role: Role) -> None:
    """Whole, in two at every place, and one byte at a time: always the same frames, and the same error."""
    data = stream.wire(role)
    expected = _expected(stream)
    refusal = None if stream.good_frames is None else stream.refusal
    splits = [[data], *[[data[:cut], data[cut:]] for cut in cuts(len(data))]]
    if len(data) <= 600:
        splits += [bytewise(data), [b"", *bytewise(data), b""]]
    for pieces in splits:
        decoder = _decoder(codec, role)
        assert feed_all(decoder, pieces) == expected
        _check_refusal(decoder.error, refusal)
        assert decoder.buffered == 0


@_roles
def test_streams_in_a_row(codec: ModuleType, role: Role) -> None:
    """All good streams through one decoder, in reads of sizes that fit nothing."""
    good = [stream for stream in STREAMS if stream.refusal is None]
    data = b"".join([stream.wire(role) for stream in good])
    expected = [each for stream in good for each in _expected(stream)]
    for size in (7, 61, 509, 4096, 65_536, len(data)):
        decoder = _decoder(codec, role)
        assert feed_all(decoder, [data[i : i + size] for i in range(0, len(data), size)]) == expected


@_roles
def test_every_payload_length(codec: ModuleType, role: Role) -> None:
    payloads = [noise(n) for n in (*range(301), *LONG_LENGTHS)]
    data = b"".join([frame(0x82, payload, key_for(role)) for payload in payloads])
    frames = _decoder(codec, role).feed(data)
    assert [each.payload for each in frames] == payloads
    assert {type(each.payload) for each in frames} == {bytes}


@_roles
def test_every_split_of_one_frame(codec: ModuleType, role: Role) -> None:
    """The key goes on at the right phase, wherever the payload was cut in three."""
    payload = noise(70)
    data = frame(0x82, payload, key_for(role))
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1, 1 if first < 20 else 9):
            decoder = _decoder(codec, role)
            frames = feed_all(decoder, [data[:first], data[first:second], data[second:]])
            assert frames == [_told(WireFrame(0x82, payload))]


@given(data=st.data())
def test_any_frames_in_any_pieces(codec: ModuleType, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from(ROLES))
    payloads = data.draw(st.lists(st.tuples(st.sampled_from([0x81, 0x82, 0x89, 0x8A, 0x88]), st.binary(max_size=125))))
    frames = [WireFrame(first, payload) for first, payload in payloads]
    wire = b"".join([frame(each.first, each.payload, key_for(role)) for each in frames])
    borders = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    pieces = [wire[start:end] for start, end in zip([0, *borders], [*borders, len(wire)], strict=True)]
    decoder = _decoder(codec, role)
    assert feed_all(decoder, pieces) == [_told(each) for each in frames]
    assert decoder.error is None


# Rules ----------------------------------------------------------------------------------------------------------------


def _fault(first: int, second: int, role: Role, in_message: bool) -> str | None:
    """What the first two bytes of a frame are refused with (RFC 6455 §5.1, §5.2, §5.4, §5.5)."""
    opcode, control, masked = first & 15, bool(first & 8), bool(second & 0x80)
    rules = [
        (first & 0x70 != 0, "reserved bit set without an extension that uses it"),
        (opcode not in (0, 1, 2, 8, 9, 10), f"reserved opcode {opcode:#x}"),
        (control and first < 0x80, "control frame is fragmented"),
        (control and second & 0x7F > 125, "control frame payload is over 125 bytes"),
        (role is Role.SERVER and not masked, "frame from a client is not masked"),
        (role is Role.CLIENT and masked, "frame from a server is masked"),
        (opcode == 0 and not in_message, "continuation frame without a message to continue"),
        (opcode in (1, 2) and in_message, "new message before the last one was finished"),
    ]
    return next((text for broken, text in rules if broken), None)


@pytest.mark.parametrize("kind", ["FrameDecoder", "MessageDecoder"])
@pytest.mark.parametrize("in_message", [False, True], ids=["between messages", "in a message"])
@_roles
def test_first_two_bytes(codec: ModuleType, role: Role, in_message: bool, kind: str) -> None:
    """Every first byte, with every mask bit and kind of length: refused by two bytes alone, or not at all."""
    limit = {"max_frame_size" if kind == "FrameDecoder" else "max_message_size": None}
    start = frame(0x02, b"", key_for(role)) if in_message else b""
    for first in range(256):
        for second in (*(0, 1, 2, 125, 126, 127), *(0x80, 0x81, 0x82, 0xFD, 0xFE, 0xFF)):
            decoder = getattr(codec, kind)(role, **limit)
            decoder.feed(start)
            fault = _fault(first, second, role, in_message)
            assert decoder.feed(bytes([first])) == []
            feed_all(decoder, [bytes([second])])
            error = decoder.error
            assert (None if error is None else str(error)) == fault, (first, second)
            assert error is None or error.close_code is CloseCode.PROTOCOL_ERROR


@_roles
def test_message_state_follows_fin(codec: ModuleType, role: Role) -> None:
    """Control frames between fragments leave the message open; FIN on any data frame closes it."""
    for open_message, last in ((0x01, 0x80), (0x02, 0x80)):
        decoder = _decoder(codec, role)
        for first in (open_message, 0x89, 0x00, 0x8A, 0x00, 0x88, last, 0x81, 0x82, open_message):
            decoder.feed(frame(first, b"", key_for(role)))
        with pytest.raises(ProtocolError, match="before the last one was finished"):
            decoder.feed(frame(0x81, b"", key_for(role)))


_BITS = {"rsv1": 0x40, "rsv2": 0x20, "rsv3": 0x10}


@_roles
def test_reserved_bits_of_extensions(codec: ModuleType, role: Role) -> None:
    """RSV1 on a frame that starts a message, RSV2 and RSV3 on any data frame, none on control frames."""
    for allowed in range(8):
        used = {name: bool(allowed & bit >> 4) for name, bit in _BITS.items()}
        for sent in range(8):
            for first in (0x81, 0x82, 0x80, 0x88, 0x89, 0x8A):
                decoder = _decoder(codec, role, **used)
                if first == 0x80:
                    decoder.feed(frame(0x01, b"", key_for(role)))
                usable = 0 if first & 8 else allowed if first & 15 else allowed & 3
                data = frame(first | sent << 4, b"x", key_for(role))
                if sent & ~usable:
                    with pytest.raises(ProtocolError, match=r"^reserved bit set"):
                        decoder.feed(data)
                else:
                    assert told_all(decoder.feed(data)) == [_told(WireFrame(first | sent << 4, b"x"))]


@_roles
@pytest.mark.parametrize(("length", "form"), [(0, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65_535, 64)])
def test_length_not_minimal(codec: ModuleType, role: Role, length: int, form: int) -> None:
    payload = noise(length)
    data = frame(0x82, payload, key_for(role), form)
    strict = _decoder(codec, role)
    length_ends = 2 + form // 8
    assert strict.feed(data[: length_ends - 1]) == []
    with pytest.raises(ProtocolError, match=r"^payload length is not in its shortest form$") as caught:
        strict.feed(data[length_ends - 1 : length_ends])
    assert caught.value.close_code is CloseCode.PROTOCOL_ERROR
    frames = _decoder(codec, role, minimal_length=False).feed(data)
    assert told_all(frames) == [_told(WireFrame(0x82, payload))]


@_roles
@pytest.mark.parametrize("length", [2**63, 2**63 + 5, 2**64 - 1])
@pytest.mark.parametrize("minimal_length", [True, False])
def test_length_top_bit(codec: ModuleType, role: Role, length: int, minimal_length: bool) -> None:
    data = header(0x82, length, key_for(role))
    for pieces in ([data], bytewise(data)):
        decoder = _decoder(codec, role, None, minimal_length=minimal_length)
        assert feed_all(decoder, pieces) == []
        assert str(decoder.error) == "payload length has its top bit set"
        assert decoder.error.close_code is CloseCode.PROTOCOL_ERROR


# Limits ---------------------------------------------------------------------------------------------------------------


@_roles
@pytest.mark.parametrize("limit", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_limit_is_inclusive(codec: ModuleType, role: Role, limit: int) -> None:
    decoder = _decoder(codec, role, limit)
    (whole,) = decoder.feed(frame(0x82, b"x" * limit, key_for(role)))
    assert len(whole.payload) == limit
    data = header(0x82, limit + 1, key_for(role))
    with pytest.raises(SizeError, match=f"^frame of {limit + 1} bytes is over the limit of {limit}$") as caught:
        decoder.feed(data)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert caught.value.close_code is CloseCode.MESSAGE_TOO_BIG
    assert decoder.buffered == 0


@_roles
def test_limit_is_for_control_frames_too(codec: ModuleType, role: Role) -> None:
    with pytest.raises(SizeError, match=r"^frame of 5 bytes is over the limit of 4$"):
        _decoder(codec, role, 4).feed(frame(0x89, b"hello", key_for(role)))


@_roles
@each_case("length", [2**31, 2**32, 2**32 + 1, 2**62, 2**63 - 1])
@each_case("limit", [0, 2**20, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 2, 2**63 - 1, None])
def test_limit_and_enormous_lengths(codec: ModuleType, role: Role, length: int, limit: int | None) -> None:
    decoder = _decoder(codec, role, limit)
    data = header(0x82, length, key_for(role))
    if limit is not None and length > limit:
        with pytest.raises(SizeError, match=f"^frame of {length} bytes is over the limit of {limit}$"):
            decoder.feed(data)
        return
    assert decoder.feed(data + b"abc") == []
    assert decoder.buffered == 3


@_roles
def test_limit_refuses_before_the_key_has_come(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role, 1000)
    data = header(0x82, 1001, key_for(role))[:4]
    with pytest.raises(SizeError):
        decoder.feed(data)


@pytest.mark.parametrize("limit", [-1, 2**63, 2**64, -(2**63)])
def test_limit_out_of_range(codec: ModuleType, limit: int) -> None:
    with pytest.raises(ValueError, match=f"^max_frame_size is 0 to {2**63 - 1}, not {limit}$"):
        codec.FrameDecoder(Role.CLIENT, max_frame_size=limit)


@pytest.mark.parametrize("role", ["client", None, True, 1])
def test_role_is_a_role(codec: ModuleType, role: object) -> None:
    with pytest.raises(TypeError, match=f"^role is a Role, not '{type(role).__name__}'$"):
        codec.FrameDecoder(role, max_frame_size=None)


@pytest.mark.parametrize("promised", [2**20, 2**26, 2**40, 2**62])
@_roles
def test_nothing_is_allocated_for_a_promise(codec: ModuleType, role: Role, promised: int) -> None:
    """A hundred peers promise a frame and send 10 bytes of it: memory stays near what has come."""
    start = header(0x82, promised, key_for(role)) + b"0123456789"
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


# State ----------------------------------------------------------------------------------------------------------------


@_roles
def test_buffered(codec: ModuleType, role: Role) -> None:
    """After each byte: those of an unfinished header, then those of the payload, without the header's."""
    stream = [(0x81, 3), (0x89, 0), (0x02, 130), (0x80, 5)]
    decoder = _decoder(codec, role)
    for first, n in stream:
        data = frame(first, noise(n), key_for(role))
        header_size = len(data) - n
        for i, piece in enumerate(bytewise(data), start=1):
            decoder.feed(piece)
            expected = 0 if i == len(data) else i if i < header_size else i - header_size
            assert decoder.buffered == expected


@_roles
def test_frames_before_the_error_come_first(codec: ModuleType, role: Role) -> None:
    good = frame(0x81, b"one", key_for(role)) + frame(0x82, b"two", key_for(role))
    bad = frame(0x83, b"", key_for(role))
    decoder = _decoder(codec, role)
    frames = decoder.feed(good + bad + good)
    assert [each.payload for each in frames] == [b"one", b"two"]
    error = decoder.error
    assert type(error) is ProtocolError
    for data in (b"", good, bad):
        with pytest.raises(ProtocolError) as caught:
            decoder.feed(data)
        assert caught.value is error
        assert decoder.error is error
        assert decoder.buffered == 0


@_roles
def test_error_with_nothing_before_it_is_raised(codec: ModuleType, role: Role) -> None:
    decoder = _decoder(codec, role)
    assert len(decoder.feed(frame(0x81, b"one", key_for(role)))) == 1
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(frame(0x83, b"", key_for(role)))
    assert decoder.error is caught.value
    with pytest.raises(ProtocolError) as again:
        decoder.feed(frame(0x81, b"one", key_for(role)))
    assert again.value is caught.value


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
    assert [each.payload for each in decoder.feed(b"llo")] == [b"Hello"]
    with pytest.raises(ProtocolError):
        decoder.feed(b"\x83\x00")
    with pytest.raises(TypeError):
        decoder.feed("text")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
@_roles
def test_any_buffer_and_none_is_held(codec: ModuleType, role: Role, kind: Any) -> None:
    """What was fed is copied: the buffer may be written over and resized at once."""
    data = frame(0x82, b"payload of the first", key_for(role)) + frame(0x82, b"second", key_for(role))
    decoder = _decoder(codec, role)
    frames = []
    for start in range(0, len(data), 9):
        buffer = kind(data[start : start + 9])
        frames += decoder.feed(buffer)
        if isinstance(buffer, bytearray):
            buffer[:] = b"\xff" * len(buffer)
            buffer.clear()
    assert [each.payload for each in frames] == [b"payload of the first", b"second"]


@_roles
def test_a_read_is_not_kept_alive(codec: ModuleType, role: Role) -> None:
    """Neither a frame, nor what waits for its rest, holds on to the buffer that it came in."""
    data = frame(0x82, b"x" * 200, key_for(role)) + frame(0x82, b"y" * 200, key_for(role))
    decoder = _decoder(codec, role)
    for end in (len(data), len(data) - 1, 1):
        read = array.array("B", data[:end])
        kept = weakref.ref(read)
        frames = decoder.feed(read)
        del read
        if kept() is not None:  # where references are not counted
            gc.collect()
        assert kept() is None
        assert all(len(each.payload) == 200 for each in frames)
        decoder = _decoder(codec, role)


@pytest.mark.parametrize("before", [b"", frame(0x81, b"good")], ids=["raised", "left in error"])
def test_nothing_is_kept_after_an_error(codec: ModuleType, before: bytes) -> None:
    """Not even by the traceback of the error, which lives as long as the decoder."""
    decoder = _decoder(codec, Role.CLIENT)
    tracemalloc.start()
    try:
        with suppress(ProtocolError):
            decoder.feed(before + frame(0x83, bytes(2**20)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.error is not None
    assert kept < 2**18


def test_state_cannot_be_set(codec: ModuleType) -> None:
    """A failed decoder cannot be talked out of it."""
    decoder = _decoder(codec, Role.CLIENT)
    with pytest.raises(ProtocolError):
        decoder.feed(b"\x83\x00")
    for name in ("error", "buffered"):
        with pytest.raises(AttributeError):
            setattr(decoder, name, None)
    with pytest.raises(ProtocolError):
        decoder.feed(b"")
