"""Mask: XOR with the masking key (RFC 6455 §5.3), at every length, offset, phase and kind of buffer."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import each_case
from oracles import noise, xor
from vectors import KEY, LONG_LENGTHS, SHORT_LENGTHS

if TYPE_CHECKING:
    from types import ModuleType

_OFFSETS = range(64)
_PHASES = range(4)
# Bytes beside what is masked, which must stay as they are.
_GUARD = 64


def _masked_by_phase(data: bytes) -> list[bytes]:
    """``data`` masked with the key turned by 0 to 3 bytes."""
    return [xor(data, KEY, phase) for phase in _PHASES]


def test_example_of_the_rfc(codec: ModuleType) -> None:
    assert codec.mask(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")
    assert codec.mask(bytes.fromhex("7f9f4d5158"), KEY) == b"Hello"


def test_the_expectation_itself() -> None:
    """``xor`` octet by octet, as RFC 6455 §5.3 puts it: the tests below lean on it."""
    for phase in _PHASES:
        for n in range(40):
            data = noise(n)
            assert xor(data, KEY, phase) == bytes([byte ^ KEY[(i + phase) % 4] for i, byte in enumerate(data)])


@pytest.mark.parametrize("phase", _PHASES)
def test_every_length_and_offset(codec: ModuleType, phase: int) -> None:
    data = noise(max(_OFFSETS) + max(SHORT_LENGTHS))
    masked = _masked_by_phase(data)
    view = memoryview(data)
    for offset in _OFFSETS:
        expected = masked[(phase - offset) % 4]
        for n in SHORT_LENGTHS:
            assert codec.mask(view[offset : offset + n], KEY, phase) == expected[offset : offset + n]


@pytest.mark.parametrize("phase", _PHASES)
def test_inplace_every_length_and_offset(codec: ModuleType, phase: int) -> None:
    data = noise(max(_OFFSETS) + max(SHORT_LENGTHS) + _GUARD)
    masked = _masked_by_phase(data)
    for offset in _OFFSETS:
        expected = masked[(phase - offset) % 4]
        for n in SHORT_LENGTHS:
            buffer = bytearray(data)
            end = offset + n
            assert codec.mask_inplace(memoryview(buffer)[offset:end], KEY, phase) == (phase + n) % 4
            assert buffer == data[:offset] + expected[offset:end] + data[end:]


@each_case("n", LONG_LENGTHS)
def test_long(codec: ModuleType, n: int) -> None:
    data = noise(n + 3)
    masked = _masked_by_phase(data)
    for offset in (0, 1, 3):
        for phase in _PHASES:
            expected = masked[(phase - offset) % 4][offset : offset + n]
            assert codec.mask(memoryview(data)[offset : offset + n], KEY, phase) == expected
            buffer = bytearray(data)
            assert codec.mask_inplace(memoryview(buffer)[offset : offset + n], KEY, phase) == (phase + n) % 4
            assert buffer == data[:offset] + expected + data[offset + n :]


@pytest.mark.parametrize("n", [2**20, 2**22 + 5])
def test_beyond_the_caches(codec: ModuleType, n: int) -> None:
    data = noise(4096) * (n // 4096 + 1)
    data = data[:n]
    masked = codec.mask(data, KEY, 1)
    expected = xor(data[:4096], KEY, 1)
    assert masked == (expected * (n // 4096 + 1))[:n]
    assert codec.mask(masked, KEY, 1) == data


def test_every_key_byte(codec: ModuleType) -> None:
    data = bytes(600)
    for byte in range(256):
        for lane in range(4):
            key = bytearray(4)
            key[lane] = byte
            assert codec.mask(data, key) == bytes(key) * 150


def test_key_of_zeros_copies(codec: ModuleType) -> None:
    data = bytearray(b"some bytes")
    masked = codec.mask(data, bytes(4))
    assert masked == data
    assert type(masked) is bytes


def test_empty(codec: ModuleType) -> None:
    for phase in _PHASES:
        assert codec.mask(b"", KEY, phase) == b""
        assert codec.mask_inplace(bytearray(), KEY, phase) == phase
        assert codec.mask_inplace(memoryview(bytearray(8))[4:4], KEY, phase) == phase


@given(data=st.data())
def test_a_stream_goes_on_where_it_was_cut(codec: ModuleType, data: st.DataObject) -> None:
    payload = data.draw(st.binary(max_size=700))
    key = data.draw(st.binary(min_size=4, max_size=4))
    pieces = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=6)))
    buffer = bytearray(payload)
    phase = 0
    masked = b""
    for start, end in zip([0, *pieces], [*pieces, len(payload)], strict=True):
        masked += codec.mask(payload[start:end], key, phase)
        phase = codec.mask_inplace(memoryview(buffer)[start:end], key, phase)
    assert masked == buffer == xor(payload, key)
    assert phase == len(payload) % 4


# Buffers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
def test_key_of_any_kind(codec: ModuleType, kind: Any) -> None:
    assert codec.mask(b"Hello", kind(KEY)) == xor(b"Hello", KEY)
    buffer = bytearray(b"Hello")
    codec.mask_inplace(buffer, kind(KEY))
    assert buffer == xor(b"Hello", KEY)


def test_data_is_left_alone(codec: ModuleType) -> None:
    data = bytearray(noise(500))
    before = bytes(data)
    codec.mask(data, KEY)
    assert data == before


def test_result_is_new(codec: ModuleType) -> None:
    """Not even for one byte, of which CPython shares the objects, is a shared object written to."""
    for byte in range(256):
        assert codec.mask(bytes([byte]), KEY) == bytes([byte ^ KEY[0]])
    assert [bytes([byte])[0] for byte in range(256)] == list(range(256))


@pytest.mark.parametrize("n", [8, 100, 5000])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_key_inside_the_buffer(codec: ModuleType, n: int, start: int) -> None:
    """The key is read before the first byte is written."""
    buffer = bytearray(noise(n))
    before = bytes(buffer)
    key = memoryview(buffer)[start : start + 4]
    codec.mask_inplace(buffer, key)
    assert buffer == xor(before, before[start : start + 4])


@pytest.mark.parametrize(
    "view",
    [
        array.array("B", bytes(8)),
        array.array("b", bytes(8)),
        memoryview(bytearray(8)).cast("c"),
        memoryview(bytearray(8)).cast("b"),
        memoryview(bytearray(8)).cast("B", (2, 4)),
        memoryview(bytearray(16))[4:12],
    ],
    ids=["array B", "array b", "format c", "format b", "two dimensions", "slice"],
)
def test_inplace_takes_any_bytes(codec: ModuleType, view: Any) -> None:
    assert codec.mask_inplace(view, KEY, 1) == 1
    assert memoryview(view).tobytes() == (KEY[1:] + KEY[:1]) * 2
    codec.mask_inplace(view, KEY, 1)
    assert memoryview(view).tobytes() == bytes(8)


@pytest.mark.parametrize(
    ("buffer", "name"),
    [
        (b"12345678", "bytes"),
        (memoryview(b"12345678"), "memoryview"),
        (memoryview(bytearray(8)).toreadonly(), "memoryview"),
        (array.array("H", bytes(8)), "array"),
        (memoryview(bytearray(8)).cast("I"), "memoryview"),
        ("text", "str"),
        (None, "NoneType"),
        (5, "int"),
        ([1, 2], "list"),
    ],
)
def test_inplace_refuses_what_is_not_writable_bytes(codec: ModuleType, buffer: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"^a writable bytes-like object is required, not '{name}'$"):
        codec.mask_inplace(buffer, KEY)


@pytest.mark.parametrize(
    "data", [memoryview(bytearray(16))[::2], memoryview(bytearray(16))[::-1], memoryview(bytearray(64))[::8]]
)
def test_strides_refused(codec: ModuleType, data: memoryview) -> None:
    with pytest.raises(BufferError, match=r"^a C-contiguous buffer is required$"):
        codec.mask(data, KEY)
    with pytest.raises(BufferError, match=r"^a C-contiguous buffer is required$"):
        codec.mask_inplace(data, KEY)
    with pytest.raises(BufferError, match=r"^a C-contiguous buffer is required$"):
        codec.mask(b"", memoryview(b"abcdefgh")[::2])


@pytest.mark.parametrize("phase", [-1, 4, 255, 256, 2**32, 2**64, -(2**64)])
def test_phase_out_of_range(codec: ModuleType, phase: int) -> None:
    buffer = bytearray(b"Hello")
    with pytest.raises(ValueError, match=f"^phase is 0 to 3, not {phase}$"):
        codec.mask(buffer, KEY, phase)
    with pytest.raises(ValueError, match=f"^phase is 0 to 3, not {phase}$"):
        codec.mask_inplace(buffer, KEY, phase)
    assert buffer == b"Hello"


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", bytes(8)])
def test_key_length(codec: ModuleType, key: bytes) -> None:
    buffer = bytearray(b"Hello")
    with pytest.raises(ValueError, match=f"^a masking key has 4 bytes, not {len(key)}$"):
        codec.mask(buffer, key)
    with pytest.raises(ValueError, match=f"^a masking key has 4 bytes, not {len(key)}$"):
        codec.mask_inplace(buffer, key)
    assert buffer == b"Hello"


def test_buffer_is_released(codec: ModuleType) -> None:
    """After a call, failed or not, a bytearray can be resized again."""
    buffer, key = bytearray(b"Hello"), bytearray(KEY)
    codec.mask(buffer, key)
    codec.mask_inplace(buffer, key)
    for function in (codec.mask, codec.mask_inplace):
        for bad_key in (buffer, None, "text"):
            with pytest.raises((TypeError, ValueError)):
                function(buffer, bad_key)
        with pytest.raises(ValueError, match="phase"):
            function(buffer, key, 9)
    buffer.append(0)
    key.append(0)
