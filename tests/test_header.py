"""Header: the first 2 to 14 bytes of a frame, read and written (RFC 6455 §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cases import each_case
from fastws import CloseCode, Opcode, ProtocolError
from oracles import header
from outcomes import told
from vectors import FORM_LENGTHS, KEY

if TYPE_CHECKING:
    from types import ModuleType

_NOT_MINIMAL = "payload length is not in its shortest form"
_TOP_BIT = "payload length has its top bit set"
_KEYS = (None, KEY)


def _fields(first: int, key: bytes | None, length: int, size: int) -> tuple[object, ...]:
    flags = [bool(first >> bit & 1) for bit in (7, 6, 5, 4)]
    return ("FrameHeader", *flags, first & 15, key, length, size)


@pytest.mark.parametrize("key", _KEYS, ids=["unmasked", "masked"])
@each_case("length", FORM_LENGTHS)
def test_every_first_byte_and_form(codec: ModuleType, length: int, key: bytes | None) -> None:
    for first in range(256):
        data = header(first, length, key)
        expected = _fields(first, key, length, len(data))
        assert told(codec.parse_header(data)) == expected
        assert told(codec.parse_header(data + b"payload")) == expected


def test_every_short_length(codec: ModuleType) -> None:
    for length in range(126):
        for key in _KEYS:
            assert codec.parse_header(header(0x82, length, key)).length == length


@pytest.mark.parametrize("key", _KEYS, ids=["unmasked", "masked"])
@each_case("length", FORM_LENGTHS)
def test_short_of_bytes(codec: ModuleType, length: int, key: bytes | None) -> None:
    data = header(0x81, length, key)
    for n in range(len(data)):
        assert codec.parse_header(data[:n]) is None
        assert codec.parse_header(b"xyz" + data[:n], 3) is None


@pytest.mark.parametrize("key", _KEYS, ids=["unmasked", "masked"])
@each_case("length", FORM_LENGTHS)
def test_offset(codec: ModuleType, length: int, key: bytes | None) -> None:
    data = header(0x9F, length, key)
    for offset in range(70):
        whole = b"\xff" * offset + data + b"\xff" * 20
        for buffer in (whole, bytearray(whole), memoryview(whole)):
            assert told(codec.parse_header(buffer, offset)) == _fields(0x9F, key, length, len(data))


@pytest.mark.parametrize("offset", [-1, 4, 2**31, 2**63, 2**64, -(2**63), -(2**70)])
def test_offset_outside(codec: ModuleType, offset: int) -> None:
    with pytest.raises(ValueError, match=f"^offset is 0 to 3, not {offset}$"):
        codec.parse_header(b"\x81\x00\x00", offset)


def test_offset_at_the_end(codec: ModuleType) -> None:
    assert codec.parse_header(b"", 0) is None
    assert codec.parse_header(b"\x81\x00", 2) is None
    assert codec.parse_header(b"\x81\x00", 1) is None


@pytest.mark.parametrize("key", _KEYS, ids=["unmasked", "masked"])
@pytest.mark.parametrize(
    ("length", "form"), [(0, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65_535, 64)], ids=lambda value: str(value)
)
def test_length_not_minimal(codec: ModuleType, length: int, form: int, key: bytes | None) -> None:
    data = header(0x82, length, key, form)
    length_ends = 2 + form // 8
    for n in range(len(data) + 1):
        if n < length_ends:
            assert codec.parse_header(data[:n]) is None
        else:
            with pytest.raises(ProtocolError, match=f"^{_NOT_MINIMAL}$") as caught:
                codec.parse_header(data[:n])
            assert caught.value.close_code is CloseCode.PROTOCOL_ERROR
        if n < len(data):
            assert codec.parse_header(data[:n], minimal_length=False) is None
    assert told(codec.parse_header(data, minimal_length=False)) == _fields(0x82, key, length, len(data))


@pytest.mark.parametrize("length", [2**63, 2**63 + 1, 2**64 - 1])
@pytest.mark.parametrize("minimal_length", [True, False])
def test_length_top_bit(codec: ModuleType, length: int, minimal_length: bool) -> None:
    for key in _KEYS:
        with pytest.raises(ProtocolError, match=f"^{_TOP_BIT}$") as caught:
            codec.parse_header(header(0x82, length, key), minimal_length=minimal_length)
        assert caught.value.close_code is CloseCode.PROTOCOL_ERROR


def test_nothing_else_is_refused(codec: ModuleType) -> None:
    """Reserved bits, reserved opcodes and long or fragmented control frames are a decoder's matter."""
    for first in range(256):
        for second in (0x7D, 0xFD):
            assert codec.parse_header(bytes([first, second]) + KEY).opcode == first & 15
        assert codec.parse_header(header(first, 65_536)).length == 65_536


# Writing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", _KEYS, ids=["unmasked", "masked"])
@each_case("length", FORM_LENGTHS)
def test_encode_shortest_form(codec: ModuleType, length: int, key: bytes | None) -> None:
    for opcode in (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY):
        written = codec.encode_header(opcode, length, key=key)
        assert written == header(0x80 | opcode, length, key)
        assert type(written) is bytes


def test_encode_flags(codec: ModuleType) -> None:
    for bits in range(16):
        fin, rsv1, rsv2, rsv3 = (bool(bits >> bit & 1) for bit in (3, 2, 1, 0))
        for opcode in Opcode:
            if opcode & 8 and not fin:
                continue
            written = codec.encode_header(opcode, 3, fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3)
            assert written == bytes([bits << 4 | opcode, 3])


def test_round_trip(codec: ModuleType) -> None:
    for length in FORM_LENGTHS:
        for key in _KEYS:
            written = codec.encode_header(2, length, fin=False, rsv2=True, key=key)
            assert told(codec.parse_header(written)) == _fields(0x22, key, length, len(written))


@pytest.mark.parametrize("length", [-1, 2**63, 2**64, 2**200, -(2**63), -(2**64)])
def test_encode_length_out_of_range(codec: ModuleType, length: int) -> None:
    with pytest.raises(ValueError, match=f"^a payload has 0 to {2**63 - 1} bytes, not {length}$"):
        codec.encode_header(2, length)


@pytest.mark.parametrize("opcode", [-1, 3, 7, 11, 15, 16, 128, 256 + 1, 2**32 + 1, 2**64 + 1])
def test_encode_reserved_opcode(codec: ModuleType, opcode: int) -> None:
    with pytest.raises(ValueError, match=f"^opcode {opcode} is reserved$"):
        codec.encode_header(opcode, 0)


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_encode_control_rules(codec: ModuleType, opcode: Opcode) -> None:
    assert codec.encode_header(opcode, 125) == bytes([0x80 | opcode, 125])
    with pytest.raises(ValueError, match=r"^a control frame has 0 to 125 bytes of payload, not 126$"):
        codec.encode_header(opcode, 126)
    with pytest.raises(ValueError, match=r"^a control frame cannot be fragmented$"):
        codec.encode_header(opcode, 0, fin=False)


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", bytearray(8)])
def test_encode_key_length(codec: ModuleType, key: bytes) -> None:
    with pytest.raises(ValueError, match=f"^a masking key has 4 bytes, not {len(key)}$"):
        codec.encode_header(2, 0, key=key)
