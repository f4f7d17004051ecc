"""One whole frame out of a buffer, or the messages that stand there one after the other (RFC 6455 §5.2)."""

from __future__ import annotations

import copy
import sys
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from fastws import CloseCode, ProtocolError, Role, SizeError, Utf8Error
from oracles import first_bad, frame, header, is_canonical, noise, text_fault
from vectors import ALPHABETS, BAD_TEXTS, FORM_LENGTHS, GOOD_TEXTS, KEY, ROLES, key_for, sample

if TYPE_CHECKING:
    from types import ModuleType

_NOT_MINIMAL = "payload length is not in its shortest form"
_TOP_BIT = "payload length has its top bit set"
_UNMASKED = "frame from a client is not masked"
_MASKED = "frame from a server is masked"
_LENGTHS = (0, 1, 5, 124, 125, 126, 127, 300, 65_535, 65_536, 65_537)
_roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)


def _parse(codec: ModuleType, data: Any, offset: int = 0, **options: Any) -> Any:
    return codec.parse_frame(data, offset, **{"role": Role.CLIENT, "max_frame_size": None, **options})


def _parse_all(codec: ModuleType, data: Any, offset: int = 0, **options: Any) -> Any:
    return codec.parse_messages(data, offset, **{"role": Role.CLIENT, "max_frame_size": None, **options})


_both = pytest.mark.parametrize("parse", [_parse, _parse_all], ids=["parse_frame", "parse_messages"])


# Whole frames ---------------------------------------------------------------------------------------------------------


@_roles
@pytest.mark.parametrize("n", _LENGTHS)
def test_every_length_and_type(codec: ModuleType, role: Role, n: int) -> None:
    payload = noise(n)
    data = frame(0x82, payload, key_for(role))
    for payload_as, kind in (("bytes", bytes), ("bytearray", bytearray)):
        for given in (data, bytearray(data), memoryview(data), data + b"\x81"):
            first, got, size, end = _parse(codec, given, role=role, payload_as=payload_as)
            assert (first, got, size, end) == (0x82, payload, n, len(data))
            assert type(got) is kind
            assert _parse_all(codec, given, role=role, payload_as=payload_as) == [(0x82, payload, n, len(data))]
    assert type(_parse(codec, data, role=role)) is tuple


@_roles
def test_every_first_byte(codec: ModuleType, role: Role) -> None:
    """Reserved bits, reserved opcodes, fragments and control frames of any length are told as they are."""
    for first, n in product(range(256), (0, 4, 126)):
        data = frame(first, b"x" * n, key_for(role))
        expected = "x" * n if first == 0x81 else b"x" * n
        assert _parse(codec, data, role=role, decode=True) == (first, expected, n, len(data))
        assert _parse(codec, data, role=role) == (first, b"x" * n, n, len(data))


@_roles
def test_offset(codec: ModuleType, role: Role) -> None:
    data = frame(0x81, b"Hello", key_for(role))
    for offset in range(70):
        whole = b"\xff" * offset + data + b"\xff" * 20
        for given in (whole, bytearray(whole), memoryview(whole)):
            expected = (0x81, "Hello", 5, offset + len(data))
            assert _parse(codec, given, offset, role=role, decode=True) == expected
            assert _parse_all(codec, given, offset, role=role, decode=True) == [expected]


@_both
@pytest.mark.parametrize("offset", [-1, 4, 2**31, 2**63, 2**64, -(2**63), -(2**70)])
def test_offset_outside(codec: ModuleType, parse: Any, offset: int) -> None:
    for data in (b"\x81\x00\x00", bytearray(3)):
        with pytest.raises(ValueError, match=f"^offset is 0 to 3, not {offset}$"):
            parse(codec, data, offset)


@_roles
@pytest.mark.parametrize("n", [0, 1, 5, 125, 126, 300])
def test_short_at_every_cut(codec: ModuleType, role: Role, n: int) -> None:
    data = frame(0x81, b"x" * n, key_for(role))
    for cut in range(len(data)):
        for given in (data[:cut], bytearray(data[:cut])):
            assert _parse(codec, given, role=role, decode=True) is None
            assert _parse_all(codec, given, role=role, decode=True) == []
            assert _parse(codec, b"abc" + given, 3, role=role) is None


@_roles
@pytest.mark.parametrize("n", [n for n in FORM_LENGTHS if n > 65_537])
def test_promises_are_waited_for(codec: ModuleType, role: Role, n: int) -> None:
    data = header(0x82, n, key_for(role))
    for cut in range(len(data) + 1):
        assert _parse(codec, data[:cut], role=role) is None
    assert _parse(codec, data + b"and some of it", role=role) is None


def test_nothing_is_changed_or_held(codec: ModuleType) -> None:
    data = bytearray(frame(0x81, b"Hello", KEY))
    before = bytes(data)
    for decode in (False, True):
        _parse(codec, data, role=Role.SERVER, decode=decode, payload_as="bytearray")
        _parse_all(codec, data, role=Role.SERVER, decode=decode)
        with pytest.raises(ProtocolError):
            _parse(codec, data)
        with pytest.raises(ProtocolError):
            _parse_all(codec, data)
    assert data == before
    data.append(0)


def test_payloads_are_copies(codec: ModuleType) -> None:
    data = bytearray(frame(0x82, b"Hello"))
    payloads = [_parse(codec, data, payload_as=kind)[1] for kind in ("bytes", "bytearray")]
    data[:] = bytes(len(data))
    assert payloads == [b"Hello", b"Hello"]


# Masks, lengths and limits --------------------------------------------------------------------------------------------


@_both
@pytest.mark.parametrize(
    ("role", "key", "text"), [(Role.SERVER, None, _UNMASKED), (Role.CLIENT, KEY, _MASKED)], ids=["server", "client"]
)
def test_frames_of_the_wrong_side(codec: ModuleType, parse: Any, role: Role, key: bytes | None, text: str) -> None:
    """Told by the second byte, and before anything that the length could be refused for."""
    for data in (frame(0x81, b"Hello", key), header(0x82, 2**64 - 1, key), header(0x82, 5, key, form=64)):
        assert not parse(codec, data[:1], role=role)
        for cut in range(2, len(data) + 1):
            with pytest.raises(ProtocolError, match=f"^{text}$") as caught:
                parse(codec, data[:cut], role=role, max_frame_size=1)
            assert caught.value.close_code is CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("key", [None, KEY], ids=["unmasked", "masked"])
def test_without_a_role(codec: ModuleType, key: bytes | None) -> None:
    data = frame(0x81, "schön".encode(), key)
    assert _parse(codec, data, role=None) == (0x81, "schön".encode(), 6, len(data))
    assert _parse(codec, data, role=None, decode=True) == (0x81, "schön", 6, len(data))
    both = frame(0x82, b"one", KEY) + data
    assert [each[1] for each in _parse_all(codec, both, role=None, decode=True)] == [b"one", "schön"]


@_both
@_roles
@pytest.mark.parametrize(("length", "form"), [(0, 16), (125, 16), (0, 64), (126, 64), (65_535, 64)])
def test_length_not_minimal(codec: ModuleType, parse: Any, role: Role, length: int, form: int) -> None:
    start = header(0x82, length, key_for(role), form)
    for cut in range(len(start) + 1):
        if cut < 2 + form // 8:
            assert not parse(codec, start[:cut], role=role)
        else:
            with pytest.raises(ProtocolError, match=f"^{_NOT_MINIMAL}$"):
                parse(codec, start[:cut], role=role)
        assert cut == len(start) or not parse(codec, start[:cut], role=role, minimal_length=False)
    data = frame(0x82, bytes(length), key_for(role), form)
    assert _parse(codec, data, role=role, minimal_length=False) == (0x82, bytes(length), length, len(data))


@_both
@_roles
@pytest.mark.parametrize("length", [2**63, 2**63 + 1, 2**64 - 1])
def test_length_top_bit(codec: ModuleType, parse: Any, role: Role, length: int) -> None:
    for minimal_length in (True, False):
        with pytest.raises(ProtocolError, match=f"^{_TOP_BIT}$"):
            parse(codec, header(0x82, length, key_for(role)), role=role, minimal_length=minimal_length)


@_both
@_roles
@pytest.mark.parametrize("length", [1, 125, 126, 65_536, 2**62])
def test_too_big(codec: ModuleType, parse: Any, role: Role, length: int) -> None:
    """Refused as soon as the length is there: before the key, and before any of the payload."""
    start = header(0x82, length, key_for(role))
    told = len(header(0x82, length))
    for cut in range(len(start) + 1):
        if cut < told:
            assert not parse(codec, start[:cut], role=role, max_frame_size=length - 1)
        else:
            text = f"^frame of {length} bytes is over the limit of {length - 1}$"
            with pytest.raises(SizeError, match=text) as caught:
                parse(codec, start[:cut], role=role, max_frame_size=length - 1)
            assert (caught.value.size, caught.value.limit) == (length, length - 1)
        assert not parse(codec, start[:cut], role=role, max_frame_size=length)


# Text -----------------------------------------------------------------------------------------------------------------


@_roles
def test_text(codec: ModuleType, role: Role) -> None:
    texts = [*GOOD_TEXTS, *(sample(each, n).encode() for each in ALPHABETS for n in (1, 60, 70, 3000))]
    for text in texts:
        data = frame(0x81, text, key_for(role))
        for given in (data, bytearray(data), memoryview(bytearray(data))):
            first, got, size, end = _parse(codec, given, role=role, decode=True)
            assert (first, got, size, end) == (0x81, text.decode(), len(text), len(data))
            assert is_canonical(got)


@_both
@_roles
def test_bad_text(codec: ModuleType, parse: Any, role: Role) -> None:
    for text in BAD_TEXTS:
        data = frame(0x81, text, key_for(role))
        with pytest.raises(Utf8Error) as caught:
            parse(codec, data, role=role, decode=True)
        assert (str(caught.value), caught.value.offset) == (text_fault(text), first_bad(text))
        assert caught.value.close_code is CloseCode.INVALID_DATA
        assert not parse(codec, data[:-1], role=role, decode=True)
        assert _parse(codec, data, role=role)[1] == text


def test_only_whole_uncompressed_text_is_decoded(codec: ModuleType) -> None:
    for first in set(range(256)) - {0x81}:
        assert _parse(codec, frame(first, b"\xff"), decode=True)[1] == b"\xff"


# Messages, one after the other ----------------------------------------------------------------------------------------


@_roles
def test_messages(codec: ModuleType, role: Role) -> None:
    """As many as are whole, at every cut, and from each of them on."""
    key = key_for(role)
    frames = [frame(0x81, b"one", key), frame(0x82, b"\xff", key), frame(0x81, "drü".encode() * 40, key)]
    frames += [frame(0x82, b"", key), frame(0x81, b"x" * 126, key)]
    payloads = ["one", b"\xff", "drü" * 40, b"", "x" * 126]
    data = b"".join(frames)
    ends = [sum(map(len, frames[: i + 1])) for i in range(len(frames))]
    expected = [
        (each[0], payload, size, end)
        for each, payload, size, end in zip(frames, payloads, (3, 1, 160, 0, 126), ends, strict=True)
    ]
    for cut in range(len(data) + 1):
        whole = [each for each in expected if each[3] <= cut]
        for given in (data[:cut], bytearray(data[:cut])):
            assert _parse_all(codec, given, role=role, decode=True) == whole
    for i, end in enumerate(ends):
        assert _parse_all(codec, data, end, role=role, decode=True) == expected[i + 1 :]


@_roles
def test_messages_stop_before_another_frame(codec: ModuleType, role: Role) -> None:
    key = key_for(role)
    one = frame(0x81, b"one", key)
    for first in set(range(256)) - {0x81, 0x82}:
        other = frame(first, b"x", key)
        assert _parse_all(codec, one + other + one, role=role) == [(0x81, b"one", 3, len(one))]
        for cut in range(1, len(other) + 1):
            assert _parse_all(codec, other[:cut] + one, role=role) == []
    assert _parse_all(codec, header(0x83, 2**64 - 1, key, form=64), role=role) == []


@_roles
def test_messages_that_are_compressed_where_that_is_asked_for(codec: ModuleType, role: Role) -> None:
    key = key_for(role)
    one, other = frame(0xC1, b"\xff", key), frame(0x81, b"one", key)
    for first in set(range(256)) - {0x81, 0x82}:
        data = one + other + frame(first, b"x", key)
        told = _parse_all(codec, data, role=role, decode=True, rsv1=True)
        assert told[:2] == [(0xC1, b"\xff", 1, len(one)), (0x81, "one", 3, len(one + other))]
        assert told[2:] == ([(first, b"x", 1, len(data))] if first in (0xC1, 0xC2) else [])
    assert _parse_all(codec, one + other, role=role) == _parse_all(codec, one + other, role=role, rsv1=False) == []
    assert type(_parse_all(codec, one, role=role, payload_as="bytearray", rsv1=1)[0][1]) is bytearray
    with pytest.raises(SizeError):
        _parse_all(codec, frame(0xC2, b"four", key), role=role, max_frame_size=3, rsv1=True)


@_roles
def test_messages_before_an_error_are_given_first(codec: ModuleType, role: Role) -> None:
    key, other = key_for(role), KEY if role is Role.CLIENT else None
    one = frame(0x82, b"one", key)
    wrong = {
        frame(0x82, b"x", other): _MASKED if role is Role.CLIENT else _UNMASKED,
        frame(0x82, b"four", key): "frame of 4 bytes is over the limit of 3",
        frame(0x81, b"\xff", key): "text is not UTF-8 at byte 0",
        frame(0x82, b"x", key, form=16): _NOT_MINIMAL,
    }
    options: dict[str, Any] = {"role": role, "max_frame_size": 3, "decode": True}
    for bad, text in wrong.items():
        told = _parse_all(codec, one + one + bad + one, **options)
        assert [each[1] for each in told] == [b"one", b"one"]
        with pytest.raises(ProtocolError, match=f"^{text}$"):
            _parse_all(codec, one + one + bad + one, told[-1][3], **options)


# Messages as records --------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    kind: str
    data: str | bytes
    mark: int


def _parser(codec: ModuleType, **options: Any) -> Any:
    return codec.MessageParser(
        Told, "text", "binary", [7], **{"role": Role.CLIENT, "max_frame_size": None, "overhead": 10, **options}
    )


@_roles
def test_records(codec: ModuleType, role: Role) -> None:
    """What is whole, and how many bytes tell more of what is not, at every cut."""
    key = key_for(role)
    frames = [frame(0x81, "drü".encode() * 40, key), frame(0x82, b"\xff", key), frame(0x81, b"x" * 70_000, key)]
    records = [Told("text", "drü" * 40, 7), Told("binary", b"\xff", 7), Told("text", "x" * 70_000, 7)]
    sizes, data = (160, 1, 70_000), b"".join(frames)
    parser = _parser(codec, role=role)
    for cut in [*range(len(frames[0] + frames[1]) + 20), len(data) - 1, len(data)]:
        whole = [n for n in range(4) if len(b"".join(frames[:n])) <= cut][-1]
        end = len(b"".join(frames[:whole]))
        header_size = len(header(frames[whole][0], sizes[whole], key)) if whole < 3 else 0
        given = cut - end
        needed = 0 if given == 0 else 2 if given < 2 else header_size
        # The length stands before the key.
        if given >= max(2, header_size - (4 if key else 0)):
            needed = len(frames[whole]) if whole < 3 else 0
        expected = list(zip(records[:whole], sizes[:whole], strict=True)), end, sum(sizes[:whole]) + 10 * whole, needed
        got = parser.parse(data[:cut], 0, 10**6)
        assert got == expected
        assert {type(record) for record, _ in got[0]} <= {Told}


def test_records_stop_where_there_is_no_room(codec: ModuleType) -> None:
    """The one that begins within it is taken."""
    data, parser = frame(0x82, b"12345") * 4, _parser(codec)
    for room, count in ((-1, 0), (0, 1), (14, 1), (15, 2), (29, 2), (30, 3), (45, 4), (2**80, 4), (-(2**80), 0)):
        messages, end, taken, needed = parser.parse(data, 0, room)
        assert (len(messages), end, taken, needed) == (count, 7 * count, 15 * count, 0)
    # What is cut is not told either.
    assert parser.parse(data[:9], 0, 14) == ([(Told("binary", b"12345", 7), 5)], 7, 15, 0)


@_roles
def test_records_stop_before_what_is_none(codec: ModuleType, role: Role) -> None:
    """Another frame, or one that is wrong: nothing is raised, and nothing more is asked for."""
    key, other = key_for(role), KEY if role is Role.CLIENT else None
    one, parser = frame(0x82, b"one", key), _parser(codec, role=role, max_frame_size=3)
    wrong = [frame(first, b"x", key) for first in set(range(256)) - {0x81, 0x82}]
    wrong += [frame(0x82, b"x", other), frame(0x82, b"four", key), frame(0x81, b"\xff", key)]
    wrong += [frame(0x81, b"a\xc3", key), frame(0x82, b"x", key, form=16), frame(0x82, b"x", key, form=64)]
    for bad in wrong:
        for start in (0, 5):
            data = bytes(start) + one + bad + one
            told = [(Told("binary", b"one", 7), 3)]
            assert parser.parse(data, start, 999) == (told, start + len(one), 13, 0)
            assert parser.parse(data, start + len(one), 999) == ([], start + len(one), 0, 0)


@_roles
def test_one_message_is_delivered(codec: ModuleType, role: Role) -> None:
    key, parser = key_for(role), _parser(codec, role=role)
    got: list[Any] = []

    def put(*given: Any) -> None:
        got.append(given)

    for data, expected in (
        (frame(0x81, b"", key), Told("text", "", 7)),
        (frame(0x81, "schön".encode(), key), Told("text", "schön", 7)),
        (frame(0x82, b"x" * 126, key), Told("binary", b"x" * 126, 7)),
        (frame(0x82, b"x" * 65_536, key), Told("binary", b"x" * 65_536, 7)),
    ):
        for given in (data, bytearray(data), memoryview(data)):
            assert parser.deliver(given, put) is True
            assert got == [(expected, len(expected.data.encode() if isinstance(expected.data, str) else expected.data))]
            assert type(got.pop()[0]) is Told
        for not_one in (b"", data[:1], data[:-1], data + b"\x81", data + data, b"\x01" + data[1:]):
            assert parser.deliver(not_one, put) is False
    assert parser.deliver(frame(0x81, b"\xff", key), put) is False
    assert got == []


def test_a_fault_of_put_is_told(codec: ModuleType) -> None:
    def put(*_: Any) -> None:
        raise KeyError("full")

    with pytest.raises(KeyError, match="full"):
        _parser(codec).deliver(frame(0x81, b"x"), put)


def test_records_of_what_can_be_made_of_items(codec: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^tuple.__new__\(list\): list is not a subtype of tuple$"):
        codec.MessageParser(list, 1, 2, role=None, max_frame_size=None)
    with pytest.raises(TypeError, match="is not safe"):
        codec.MessageParser(type(sys.flags), 1, 2, role=None, max_frame_size=None)
    with pytest.raises(ValueError, match=r"^overhead is 0 to 65535, not -1$"):
        _parser(codec, overhead=-1)
    with pytest.raises(TypeError, match=r"^cannot pickle or copy 'MessageParser' object$"):
        copy.copy(_parser(codec))


# Arguments ------------------------------------------------------------------------------------------------------------


@_both
def test_arguments(codec: ModuleType, parse: Any) -> None:
    with pytest.raises(TypeError, match=r"^role is a Role or None, not 'str'$"):
        parse(codec, b"", role="server")
    with pytest.raises(ValueError, match=r"^payload_as is 'bytes' or 'bytearray', not 'str'$"):
        parse(codec, b"", payload_as="str")
    with pytest.raises(ValueError, match=rf"^max_frame_size is 0 to {2**63 - 1}, not -1$"):
        parse(codec, b"", max_frame_size=-1)
    with pytest.raises(TypeError, match=r"^a bytes-like object is required, not 'str'$"):
        parse(codec, "text")
    with pytest.raises(BufferError, match=r"^a C-contiguous buffer is required$"):
        parse(codec, memoryview(b"abcd")[::2])
