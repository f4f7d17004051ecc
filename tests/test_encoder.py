"""Encoder: frames and messages into bytes (RFC 6455 §5), and the masking keys that clients draw (§5.3)."""

from __future__ import annotations

import array
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fastws import CloseCode, Opcode, Role
from oracles import encode_fault, frame, noise
from vectors import (
    ALPHABETS,
    BAD_CLOSE_CODES,
    GOOD_CLOSE_CODES,
    KEY,
    LONG_LENGTHS,
    SHORT_LENGTHS,
    LyingBytes,
    LyingText,
    sample,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_LENGTHS = (*SHORT_LENGTHS, *LONG_LENGTHS)
_KEYS = (None, KEY)
_DATA = (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)
_CONTROL = (Opcode.CLOSE, Opcode.PING, Opcode.PONG)

_keys = pytest.mark.parametrize("key", _KEYS, ids=["unmasked", "masked"])


# Frames ---------------------------------------------------------------------------------------------------------------


@_keys
def test_every_length(codec: ModuleType, key: bytes | None) -> None:
    data = noise(max(_LENGTHS))
    for n in _LENGTHS:
        encoded = codec.encode_frame(2, data[:n], key=key)
        assert encoded == frame(0x82, data[:n], key)
        assert type(encoded) is bytes
        assert sys.getsizeof(encoded) == sys.getsizeof(b"") + len(encoded)


@_keys
@pytest.mark.parametrize("alphabet", list(ALPHABETS))
def test_every_text_length(codec: ModuleType, alphabet: str, key: bytes | None) -> None:
    whole = sample(alphabet, 70_000)
    for n in (*range(301), 4095, 4096, 4097, 16_384, 21_845, 21_846, 65_535, 65_536, 70_000):
        text = whole[:n]
        assert codec.encode_frame(1, text, key=key) == frame(0x81, text.encode(), key)


@_keys
def test_flags_and_opcodes(codec: ModuleType, key: bytes | None) -> None:
    for bits in range(16):
        fin, rsv1, rsv2, rsv3 = (bool(bits >> bit & 1) for bit in (3, 2, 1, 0))
        for opcode in (*_DATA, *(_CONTROL if fin else ())):
            encoded = codec.encode_frame(opcode, b"abc", fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3, key=key)
            assert encoded == frame(bits << 4 | opcode, b"abc", key)


@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, lambda data: array.array("B", data), lambda data: memoryview(b"x" + data)[1:]],
)
def test_any_buffer(codec: ModuleType, kind: Any) -> None:
    for n in (0, 1, 125, 126, 300, 5000):
        data = noise(n)
        for key in _KEYS:
            assert codec.encode_frame(2, kind(data), key=key) == frame(0x82, data, key)
            assert codec.encode_frame(2, data, key=key and kind(key)) == frame(0x82, data, key)


def test_buffer_is_its_bytes(codec: ModuleType) -> None:
    """Items wider than a byte are taken as they lie in memory."""
    wide = array.array("I", [1, 2, 3])
    assert codec.encode_frame(2, wide) == frame(0x82, wide.tobytes())


@pytest.mark.parametrize("opcode", _CONTROL, ids=lambda opcode: opcode.name)
def test_control_rules(codec: ModuleType, opcode: Opcode) -> None:
    for payload in (b"x" * 125, "x" * 125, "é" * 62 + "x"):
        assert len(codec.encode_frame(opcode, payload)) == 127
    for too_long in (b"x" * 126, "x" * 126, "é" * 63):
        with pytest.raises(ValueError, match=r"^a control frame has 0 to 125 bytes of payload, not 126$"):
            codec.encode_frame(opcode, too_long)
    with pytest.raises(ValueError, match=r"^a control frame cannot be fragmented$"):
        codec.encode_frame(opcode, b"", fin=False)


@pytest.mark.parametrize("opcode", [-1, 3, 7, 11, 15, 16, 129, 2**64 + 1])
def test_reserved_opcode(codec: ModuleType, opcode: int) -> None:
    with pytest.raises(ValueError, match=f"^opcode {opcode} is reserved$"):
        codec.encode_frame(opcode, b"")


@pytest.mark.parametrize("payload", [None, 1, ["x"], 1.5], ids=lambda payload: type(payload).__name__)
def test_payload_of_the_wrong_type(codec: ModuleType, payload: object) -> None:
    name = type(payload).__name__
    with pytest.raises(TypeError, match=f"^a bytes-like object is required, not '{name}'$"):
        codec.encode_frame(2, payload)
    with pytest.raises(TypeError, match=f"^a bytes-like object is required, not '{name}'$"):
        codec.encode_message(payload, Role.SERVER)


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
def test_key_length(codec: ModuleType, key: bytes) -> None:
    message = f"^a masking key has 4 bytes, not {len(key)}$"
    with pytest.raises(ValueError, match=message):
        codec.encode_frame(2, b"", key=key)
    with pytest.raises(ValueError, match=message):
        codec.encode_message(b"", Role.CLIENT, key=key)


@pytest.mark.parametrize("text", ["\ud800", "abc\udfffdef", "€\udc80\udc80", "😀" * 200 + "\ud83d"])
def test_surrogates_refused_as_cpython_does(codec: ModuleType, text: str) -> None:
    error = encode_fault(text)
    assert error is not None
    encoders: tuple[Callable[[], object], ...] = (
        lambda: codec.encode_frame(1, text),
        lambda: codec.encode_frame(1, text, key=KEY),
        lambda: codec.encode_message(text, Role.SERVER),
        lambda: codec.encode_message(codec.Message(text), Role.CLIENT),
        lambda: codec.encode_message(codec.Close(1000, text), Role.CLIENT),
    )
    for encode in encoders:
        with pytest.raises(UnicodeEncodeError) as caught:
            encode()
        assert caught.value.args == error.args


def test_what_is_held_is_sent(codec: ModuleType) -> None:
    """Subclasses of ``str`` and ``bytes`` are taken by what they hold, whatever their methods say."""
    assert codec.encode_frame(1, LyingText("schön")) == frame(0x81, "schön".encode())
    assert codec.encode_message(LyingText("schön"), Role.SERVER) == frame(0x81, "schön".encode())
    assert codec.encode_message(codec.Message(LyingText("schön")), Role.SERVER) == frame(0x81, "schön".encode())
    assert codec.encode_frame(2, LyingBytes(b"abc")) == frame(0x82, b"abc")
    assert codec.encode_message(LyingBytes(b"abc"), Role.SERVER) == frame(0x82, b"abc")
    assert codec.encode_message(codec.Message(LyingBytes(b"abc")), Role.SERVER) == frame(0x82, b"abc")
    assert codec.encode_message(codec.Ping(LyingBytes(b"abc")), Role.SERVER) == frame(0x89, b"abc")
    assert codec.encode_message(codec.Close(1000, LyingText("schön")), Role.SERVER) == frame(
        0x88, b"\x03\xe8" + "schön".encode()
    )


# Messages -------------------------------------------------------------------------------------------------------------


def _both_ways(codec: ModuleType, data: object, first: int, payload: bytes) -> None:
    """As a server sends it, as a client does with a key, and as one does that draws it."""
    assert codec.encode_message(data, Role.SERVER) == frame(first, payload)
    assert codec.encode_message(data, Role.CLIENT, key=KEY) == frame(first, payload, KEY)
    drawn = codec.encode_message(data, Role.CLIENT)
    header = codec.parse_header(drawn)
    assert drawn == frame(first, payload, header.key)


def test_every_message_length(codec: ModuleType) -> None:
    data = noise(max(_LENGTHS))
    for n in _LENGTHS:
        _both_ways(codec, data[:n], 0x82, data[:n])


@pytest.mark.parametrize("alphabet", list(ALPHABETS))
def test_every_text_message_length(codec: ModuleType, alphabet: str) -> None:
    whole = sample(alphabet, 70_000)
    for n in (*range(301), 4096, 65_536, 70_000):
        _both_ways(codec, whole[:n], 0x81, whole[:n].encode())


def test_values(codec: ModuleType) -> None:
    for data, first, payload in (
        (codec.Message("schön"), 0x81, "schön".encode()),
        (codec.Message("schön", Opcode.BINARY), 0x82, "schön".encode()),
        (codec.Message(b"\xff"), 0x82, b"\xff"),
        (codec.Message(b"text", Opcode.TEXT), 0x81, b"text"),
        (bytearray(b"x"), 0x82, b"x"),
        (memoryview(b"xy")[1:], 0x82, b"y"),
        (array.array("H", [1]), 0x82, array.array("H", [1]).tobytes()),
        (codec.Ping(), 0x89, b""),
        (codec.Ping(b"\xff" * 125), 0x89, b"\xff" * 125),
        (codec.Pong(b"pong"), 0x8A, b"pong"),
        (codec.Close(), 0x88, b""),
        (codec.Close(1000), 0x88, b"\x03\xe8"),
        (codec.Close(4999, "schön"), 0x88, b"\x13\x87" + "schön".encode()),
        (codec.Close(CloseCode.GOING_AWAY, "x" * 123), 0x88, b"\x03\xe9" + b"x" * 123),
    ):
        _both_ways(codec, data, first, payload)


def test_control_payload_too_long(codec: ModuleType) -> None:
    for value in (codec.Ping(b"x" * 126), codec.Pong(b"x" * 126)):
        with pytest.raises(ValueError, match=r"^a control frame has 0 to 125 bytes of payload, not 126$"):
            codec.encode_message(value, Role.SERVER)
    for reason in ("x" * 124, "é" * 62, "€" * 42):
        size = len(reason.encode())
        with pytest.raises(ValueError, match=f"^a close reason has 0 to 123 bytes, not {size}$"):
            codec.encode_message(codec.Close(1000, reason), Role.SERVER)


def test_close_codes(codec: ModuleType) -> None:
    """Every code: what may be sent is sent, and nothing else (RFC 6455 §7.4)."""
    good = {*GOOD_CLOSE_CODES, 1012, 1013, 1014, *range(3000, 5000)}
    for code in range(65_536):
        close = codec.Close(code, "x")
        if code in good:
            assert codec.encode_message(close, Role.SERVER) == frame(0x88, code.to_bytes(2, "big") + b"x")
        else:
            with pytest.raises(ValueError) as caught:  # noqa: PT011 - a pattern for each code would cost seconds
                codec.encode_message(close, Role.SERVER)
            assert str(caught.value) == f"close code {code} must not be sent"


@pytest.mark.parametrize("code", [*BAD_CLOSE_CODES, -1, 65_536, 2**32 + 1000, 2**64 + 1000])
def test_close_code_refused_with_and_without_reason(codec: ModuleType, code: int) -> None:
    for reason in ("x", *([""] if code != 1005 else [])):
        with pytest.raises(ValueError, match=f"^close code {code} must not be sent$"):
            codec.encode_message(codec.Close(code, reason), Role.CLIENT)


@pytest.mark.parametrize("role", ["client", None, 1, True])
def test_role_is_a_role(codec: ModuleType, role: object) -> None:
    for data in ("text", b"bytes", codec.Ping()):
        with pytest.raises(TypeError, match=f"^role is a Role, not '{type(role).__name__}'$"):
            codec.encode_message(data, role)


def test_a_server_does_not_mask(codec: ModuleType) -> None:
    for data in ("text", b"bytes", codec.Close()):
        with pytest.raises(ValueError, match=r"^a server does not mask$"):
            codec.encode_message(data, Role.SERVER, key=KEY)


def test_frames_are_no_messages(codec: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^a bytes-like object is required, not 'Frame'$"):
        codec.encode_message(codec.Frame(1, b""), Role.SERVER)


# And back -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sender", "receiver"), [(Role.CLIENT, Role.SERVER), (Role.SERVER, Role.CLIENT)])
def test_round_trip(codec: ModuleType, sender: Role, receiver: Role) -> None:
    values = [codec.Message(sample(alphabet, n)) for alphabet in ALPHABETS for n in (0, 1, 50, 200, 30_000)]
    values += [codec.Message(noise(n)) for n in (0, 1, 125, 126, 65_535, 65_536)]
    values += [codec.Ping(b"ping"), codec.Pong(b"pong"), codec.Close(4000, "reason")]
    decoder = codec.MessageDecoder(receiver, max_message_size=None)
    assert decoder.feed(b"".join([codec.encode_message(value, sender) for value in values])) == values


def test_frame_round_trip(codec: ModuleType) -> None:
    frames = [
        codec.Frame(Opcode.BINARY, noise(200), fin=False, rsv2=True),
        codec.Frame(Opcode.PING, b"between"),
        codec.Frame(Opcode.CONTINUATION, b"", fin=False),
        codec.Frame(Opcode.CONTINUATION, noise(65_536), rsv2=True),
        codec.Frame(Opcode.TEXT, b""),
    ]
    for role, key in ((Role.CLIENT, None), (Role.SERVER, KEY)):
        decoder = codec.FrameDecoder(role, max_frame_size=None, rsv2=True)
        wire = b"".join(
            [codec.encode_frame(each.opcode, each.payload, fin=each.fin, rsv2=each.rsv2, key=key) for each in frames]
        )
        assert decoder.feed(wire) == frames


# Keys -----------------------------------------------------------------------------------------------------------------


def test_keys_are_drawn_anew(codec: ModuleType) -> None:
    """Far beyond one block from the system: no two in a row, hardly two at all, and every bit of them varies."""
    keys = [codec.new_key() for _ in range(5000)]
    assert {(type(key), len(key)) for key in keys} == {(bytes, 4)}
    assert len(set(keys)) > 4997
    ones = [sum(int.from_bytes(key, "big") >> bit & 1 for key in keys) for bit in range(32)]
    assert all(2000 < count < 3000 for count in ones)


def test_messages_draw_from_the_same_pool(codec: ModuleType) -> None:
    keys = [codec.parse_header(codec.encode_message(b"", Role.CLIENT)).key for _ in range(3000)]
    assert len(set(keys)) > 2997
