"""Values: what travels between the stages. Light, comparable, hashable, readable, and never changed."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from fastws import CloseCode, Opcode
from fastws.errors import DeflateError, Fault, ProtocolError, SizeError, Utf8Error, protocol_error
from outcomes import outcome, plain, told

if TYPE_CHECKING:
    from types import ModuleType

_HEADER = (True, False, False, True, 1, b"abcd", 5, 6)

# class name → arguments, what they make, and its repr
_MADE: tuple[tuple[str, tuple[Any, ...], tuple[Any, ...], str], ...] = (
    (
        "FrameHeader",
        _HEADER,
        _HEADER,
        "FrameHeader(fin=True, rsv1=False, rsv2=False, rsv3=True, opcode=1, key=b'abcd', length=5, size=6)",
    ),
    ("Frame", (Opcode.TEXT, b"hi"), (Opcode.TEXT, b"hi", True, False, False, False), "Frame(TEXT, b'hi')"),
    ("Frame", (2, b"", False), (Opcode.BINARY, b"", False, False, False, False), "Frame(BINARY, b'', fin=False)"),
    (
        "Frame",
        (0, b"x", 0, 1, 0, 1),
        (Opcode.CONTINUATION, b"x", False, True, False, True),
        "Frame(CONTINUATION, b'x', fin=False, rsv1=True, rsv3=True)",
    ),
    ("Frame", (9, b"", True, False, True), (Opcode.PING, b"", True, False, True, False), "Frame(PING, b'', rsv2=True)"),
    ("Message", ("hi",), ("hi", Opcode.TEXT), "Message('hi')"),
    ("Message", (b"hi",), (b"hi", Opcode.BINARY), "Message(b'hi')"),
    ("Message", (b"hi", Opcode.TEXT), (b"hi", Opcode.TEXT), "Message(b'hi', TEXT)"),
    ("Message", (b"hi", 2), (b"hi", Opcode.BINARY), "Message(b'hi')"),
    ("Message", ("hi", 2), ("hi", Opcode.BINARY), "Message('hi', BINARY)"),
    ("Message", (b"hi", None), (b"hi", Opcode.BINARY), "Message(b'hi')"),
    ("Ping", (), (b"",), "Ping(b'')"),
    ("Ping", (b"?",), (b"?",), "Ping(b'?')"),
    ("Pong", (), (b"",), "Pong(b'')"),
    ("Pong", (b"!",), (b"!",), "Pong(b'!')"),
    ("Close", (), (1005, ""), "Close(1005, '')"),
    ("Close", (1000,), (1000, ""), "Close(1000, '')"),
    ("Close", (CloseCode.GOING_AWAY, "bye €"), (1001, "bye €"), "Close(1001, 'bye €')"),
)

_made = pytest.mark.parametrize(("name", "args", "fields", "shown"), _MADE, ids=[each[3] for each in _MADE])


@_made
def test_fields_and_repr(
    codec: ModuleType, name: str, args: tuple[Any, ...], fields: tuple[Any, ...], shown: str
) -> None:
    value = getattr(codec, name)(*args)
    assert plain(value) == (name, *[plain(field) for field in fields])
    assert repr(value) == str(value) == shown


@_made
def test_keywords(codec: ModuleType, name: str, args: tuple[Any, ...], fields: tuple[Any, ...], shown: str) -> None:
    kind = getattr(codec, name)
    named = dict(zip(kind.__match_args__, args, strict=False))
    assert repr(kind(**named)) == shown
    assert told(kind(*fields)) == (name, *fields)


@_made
def test_equality_and_hash(
    codec: ModuleType, name: str, args: tuple[Any, ...], fields: tuple[Any, ...], shown: str
) -> None:
    kind = getattr(codec, name)
    value, twice = kind(*args), kind(*fields)
    assert value == twice
    assert (value != twice) is False
    assert hash(value) == hash(twice)
    assert {value: shown}[twice] == shown
    for other in (None, fields, 0, shown):
        assert value != other
        assert (value == other) is False


def test_values_differ(codec: ModuleType) -> None:
    values = [getattr(codec, name)(*args) for name, args, _, _ in _MADE]
    values += [codec.FrameHeader(*_HEADER[:7], 7), codec.Ping(b"??"), codec.Close(1000, "x"), codec.Message("ho")]
    distinct = {repr(value): value for value in values}
    shown = list(distinct)
    for one in shown:
        assert [other for other in shown if distinct[other] == distinct[one]] == [one]


def test_equality_leaves_room_for_the_other(codec: ModuleType) -> None:
    class Anything:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    for name, args, _, _ in _MADE:
        assert getattr(codec, name)(*args) == Anything()


@_made
def test_read_only(codec: ModuleType, name: str, args: tuple[Any, ...], fields: tuple[Any, ...], shown: str) -> None:
    value = getattr(codec, name)(*args)
    for field in (*value.__match_args__, "unknown"):
        with pytest.raises(AttributeError):
            setattr(value, field, None)
        with pytest.raises(AttributeError):
            delattr(value, field)
    assert told(value) == (name, *fields)
    assert repr(value) == shown


@_made
def test_pickles_and_copies(
    codec: ModuleType, name: str, args: tuple[Any, ...], fields: tuple[Any, ...], shown: str
) -> None:
    value = getattr(codec, name)(*args)
    copies = [copy.copy(value), copy.deepcopy(value)]
    copies += [
        pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 - our own bytes
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    for each in copies:
        assert type(each) is type(value)
        assert plain(each) == (name, *[plain(field) for field in fields])
        assert repr(each) == shown


@pytest.mark.parametrize("wrong", [None, 5, ["x"], bytearray(b"x"), memoryview(b"x")], ids=lambda w: type(w).__name__)
def test_content_of_the_wrong_type(codec: ModuleType, wrong: object) -> None:
    """What travels is bytes or str, never a buffer that could still change."""
    name = type(wrong).__name__
    for make, text in (
        (lambda: codec.Message(wrong), f"a message is str or bytes, not '{name}'"),
        (lambda: codec.Frame(1, wrong), f"a payload is bytes, not '{name}'"),
        (lambda: codec.Ping(wrong), f"a ping is bytes, not '{name}'"),
        (lambda: codec.Pong(wrong), f"a pong is bytes, not '{name}'"),
        (lambda: codec.Close(1000, wrong), f"a close reason is str, not '{name}'"),
    ):
        assert outcome(make) == ("raised", (TypeError, text, plain((text,)), []))


def test_structural_matching(codec: ModuleType) -> None:
    match codec.Frame(1, b"x", False):
        case codec.Frame(Opcode.TEXT, payload, fin):
            assert (payload, fin) == (b"x", False)
        case _:
            pytest.fail("no match")
    match codec.Close(4000, "why"):
        case codec.Close(code, reason):
            assert (code, reason) == (4000, "why")
        case _:
            pytest.fail("no match")


@pytest.mark.parametrize("opcode", [-1, 3, 7, 11, 15, 16, 255, 2**70])
def test_reserved_opcode_refused(codec: ModuleType, opcode: int) -> None:
    with pytest.raises(ValueError, match=f"^opcode {opcode} is reserved$"):
        codec.Frame(opcode, b"")


@pytest.mark.parametrize("opcode", [0, 3, 8, 9, 10, -1, 2**70])
def test_opcode_of_a_message(codec: ModuleType, opcode: int) -> None:
    with pytest.raises(ValueError, match=r"^the opcode of a message is TEXT or BINARY$"):
        codec.Message(b"", opcode)


@pytest.mark.parametrize("opcode", [None, "1", 1.0, b"\x01"])
def test_opcode_is_an_integer(codec: ModuleType, opcode: object) -> None:
    with pytest.raises(TypeError):
        codec.Frame(opcode, b"")


# The errors, which both twins share -----------------------------------------------------------------------------------


_SIZE_FAULTS = (
    Fault.FRAME_TOO_BIG,
    Fault.MESSAGE_TOO_BIG,
    Fault.TOO_MANY_FRAGMENTS,
    Fault.INFLATED_TOO_BIG,
    Fault.INFLATED_FRAME_TOO_BIG,
)


def _an_error(fault: Fault) -> ProtocolError:
    return protocol_error(fault, *((7, 5) if fault in _SIZE_FAULTS else (7,)))


def test_every_fault_has_its_error() -> None:
    close_codes = {ProtocolError: 1002, Utf8Error: 1007, DeflateError: 1007, SizeError: 1009}
    errors = [_an_error(fault) for fault in Fault]
    for error in errors:
        assert error.close_code == close_codes[type(error)]
        assert "{" not in str(error)
    assert len({str(error) for error in errors}) == len(Fault)


def test_errors_carry_their_numbers() -> None:
    size = protocol_error(Fault.MESSAGE_TOO_BIG, 11, 10)
    assert isinstance(size, SizeError)
    assert (size.size, size.limit, str(size)) == (11, 10, "message of 11 bytes is over the limit of 10")
    text = protocol_error(Fault.TEXT, 4)
    assert isinstance(text, Utf8Error)
    assert isinstance(text, ValueError)
    assert (text.offset, str(text)) == (4, "text is not UTF-8 at byte 4")


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_errors_pickle_and_copy(fault: Fault) -> None:
    error = _an_error(fault)
    for each in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert plain(each) == plain(error)
        assert each.close_code == error.close_code
