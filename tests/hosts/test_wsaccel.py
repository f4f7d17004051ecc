"""The wsaccel interface: what wsaccel 0.6.7 answered, written down, and a reference of its own for everything else."""

from __future__ import annotations

import array
import functools
import importlib
import importlib.util
import itertools
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastws.hosts import wsaccel
from fastws.hosts.wsaccel import Utf8Validator, XorMaskerNull, XorMaskerSimple, createXorMasker
from fresh import run_python
from oracles import is_text, xor

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("adapted")

KEY = b"abcd"

_hypothesis = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(call: Callable[..., object], *arguments: object) -> tuple[type[Exception], str]:
    try:
        result = call(*arguments)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    pytest.fail(f"not refused: {result!r}")


# wsaccel.xormask ------------------------------------------------------------------------------------------------------

# What one masker with the key "abcd" answered, piece after piece, and its pointer after each.
MASKED: list[tuple[Any, bytes, int]] = [
    (b"hello", b"\t\x07\x0f\x08\x0e", 5),
    (None, b"", 5),
    (bytearray(b"xy"), b"\x1a\x1a", 7),
    (memoryview(b"xyz"), b"\x1c\x18\x18", 10),
    (memoryview(b"abcdef")[::2], b"\x02\x07\x04", 13),
    (array.array("B", [1, 2]), b"ca", 15),
    (memoryview(b"ab").cast("c"), b"\x05\x03", 17),
    (b"", b"", 17),
]

# What it refuses, as data and as a key.
REFUSED: list[tuple[Any, type[Exception], str]] = [
    ("str", TypeError, "a bytes-like object is required, not 'str'"),
    (1, TypeError, "a bytes-like object is required, not 'int'"),
    ([1, 2], TypeError, "a bytes-like object is required, not 'list'"),
    (array.array("I", [1]), ValueError, "Buffer dtype mismatch, expected 'const unsigned char' but got 'unsigned int'"),
    (array.array("b", [1]), ValueError, "Buffer dtype mismatch, expected 'const unsigned char' but got 'signed char'"),
    (
        memoryview(b"abcdef").cast("B", (2, 3)),
        ValueError,
        "Buffer has wrong number of dimensions (expected 1, got 2)",
    ),
]


def test_a_masker_goes_on_where_it_stopped() -> None:
    masker = XorMaskerSimple(KEY)
    for data, masked, pointer in MASKED:
        result = masker.process(data)
        assert (result, type(result), masker.pointer()) == (masked, bytes, pointer)
    masker.reset()
    assert masker.pointer() == 0
    assert masker.process(b"x") == b"\x19"


@pytest.mark.parametrize("make", [XorMaskerSimple, createXorMasker, lambda mask: createXorMasker(mask, len=10)])
def test_keys(make: Callable[[Any], XorMaskerSimple]) -> None:
    for key in (KEY, bytearray(KEY), memoryview(KEY), array.array("B", KEY)):
        masker = make(key)
        assert type(masker) is XorMaskerSimple
        assert masker.process(b"\x00" * 6) == b"abcdab"
    for bad in (None, b"", b"abc", b"abcde"):
        assert refused(make, bad) == (ValueError, "mask should be 4byte.")
    for value, kind, text in REFUSED:
        assert refused(make, value) == (kind, text)


@pytest.mark.parametrize(
    ("data", "kind", "text"), REFUSED, ids=[kind.__name__ + text[-14:] for _, kind, text in REFUSED]
)
def test_data_that_is_refused(data: Any, kind: type[Exception], text: str) -> None:
    masker = XorMaskerSimple(KEY)
    assert refused(masker.process, data) == (kind, text)
    assert masker.pointer() == 0
    validator = Utf8Validator()
    assert refused(validator.validate, data) == (kind, text)
    assert validator.i == 0


def test_a_changing_key_is_copied() -> None:
    key = bytearray(KEY)
    masker = XorMaskerSimple(key)
    key[:] = b"\x00" * 4
    assert masker.process(b"\x00" * 4) == KEY


def test_the_null_masker_counts() -> None:
    for masker in (XorMaskerNull(), XorMaskerNull(b"anything"), XorMaskerNull(mask=None)):
        for data, pointer in ((b"hello", 5), (bytearray(b"xy"), 7), ("str", 10), ([1, 2], 12)):
            assert masker.process(data) is data
            assert masker.pointer() == pointer
        assert refused(masker.process, None) == (TypeError, "object of type 'NoneType' has no len()")
        masker.reset()
        assert masker.pointer() == 0


@_hypothesis
@given(key=st.binary(min_size=4, max_size=4), pieces=st.lists(st.binary(max_size=70), max_size=6))
def test_pieces_are_masked_as_one(key: bytes, pieces: list[bytes]) -> None:
    masker = XorMaskerSimple(key)
    assert b"".join([masker.process(piece) for piece in pieces]) == xor(b"".join(pieces), key)
    assert masker.pointer() == sum(map(len, pieces))


# wsaccel.utf8validator ------------------------------------------------------------------------------------------------

# What one validator answered, piece after piece, and its state after each.
VALIDATED: list[tuple[Any, tuple[bool, bool, int, int], int]] = [
    (b"hello", (True, True, 5, 5), 0),
    (b"ab\xe2\x82", (True, False, 4, 9), 2),
    (b"\xac!", (True, True, 2, 11), 0),
    (bytearray(b"x"), (True, True, 1, 12), 0),
    (array.array("B", b"xy"), (True, True, 2, 14), 0),
    (memoryview(b"xyz"), (True, True, 3, 17), 0),
    (memoryview(b"abcdef")[::2], (True, True, 3, 20), 0),
    (b"", (True, True, 0, 20), 0),
    (b"abc\xffdef", (False, False, 3, 23), 1),
    (b"ok", (False, False, 0, 23), 1),
    (b"", (True, False, 0, 23), 1),
]

# Text that ends inside a code point → the state that waits for the rest.
WAITING = {
    b"\xc3": 2,
    b"\xe2": 3,
    b"\xe2\x82": 2,
    b"\xe0": 4,
    b"\xed": 5,
    b"\xf0": 6,
    b"\xf0\x9f": 3,
    b"\xf0\x9f\x98": 2,
    b"\xf1": 7,
    b"\xf4": 8,
    b"\xf4\x8f": 3,
}

# Bytes at the borders of every range of RFC 3629 §4.
BORDERS = bytes.fromhex("00417f808f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5ff")


def test_a_validator_goes_on_where_it_stopped() -> None:
    validator = Utf8Validator()
    for data, answer, state in VALIDATED:
        assert validator.validate(data) == answer
        assert (validator.i, validator.state) == (answer[3], state)
    validator.reset()
    assert (validator.i, validator.state, validator.codepoint) == (0, 0, 0)
    assert validator.validate(b"ok") == (True, True, 2, 2)


@pytest.mark.parametrize("text", WAITING)
def test_states_inside_a_code_point(text: bytes) -> None:
    for before in (b"", b"a" * 100):
        validator = Utf8Validator()
        assert validator.validate(before + text) == (True, False, len(before + text), len(before + text))
        assert validator.state == WAITING[text]


def test_constants() -> None:
    assert (Utf8Validator.UTF8_ACCEPT, Utf8Validator.UTF8_REJECT) == (0, 1)


def test_decode_byte_by_byte() -> None:
    """States and code points that wsaccel went through."""
    validator = Utf8Validator()
    answers = [(validator.decode(byte), validator.codepoint) for byte in b"\x41\xe2\x82\xac\xf0\x9f\x98\x80\xff"]
    assert answers[:4] == [(0, 0x41), (3, 0x2), (2, 0x82), (0, 0x20AC)]
    assert answers[7] == (0, 0x1F600)
    assert answers[8][0] == 1
    assert validator.decode(0x41) == 1
    assert validator.i == 0
    assert refused(validator.decode, "a")[0] is TypeError


def test_every_three_borders() -> None:
    """Against the grammar of RFC 3629: refused at the first byte after which no text can go on."""
    for letters in itertools.product(BORDERS, repeat=3):
        data = bytes(letters)
        validator = Utf8Validator()
        for byte in data:
            validator.decode(byte)
        assert (validator.state != 1) == (accepted_bytes(data) == 3), data
        assert Utf8Validator().validate(data)[2] == accepted_bytes(data), data


def accepted_bytes(data: bytes) -> int:
    """How many bytes can begin some text."""
    length = len(data)
    while not can_begin_text(data[:length]):
        length -= 1
    return length


# Every code point cut short: with one of these before its end, a text is complete again.
_RESTS = [b"", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\x80", b"\x80\x80\x80", b"\x9f\x80", b"\xa0\x80", b"\x90\x80\x80"]


@functools.cache
def can_begin_text(data: bytes) -> bool:
    return any(is_text(data + rest) for rest in _RESTS)


_texts = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from(BORDERS), max_size=8).map(bytes),
)


@_hypothesis
@given(data=_texts, cuts=st.lists(st.integers(0, 40), max_size=4).map(sorted))
def test_pieces_are_validated_as_one(data: bytes, cuts: list[int]) -> None:
    validator = Utf8Validator()
    accepted, total = accepted_bytes(data), 0
    for start, end in itertools.pairwise([0, *[min(cut, len(data)) for cut in cuts], len(data)]):
        piece = data[start:end]
        bad = end > accepted
        expected = max(0, min(len(piece), accepted - start))
        total += expected
        whole = not bad and is_text(data[:end])
        if piece:
            assert validator.validate(piece) == (not bad, whole, expected, total)
        assert (validator.i, validator.state == 0) == (total, is_text(data[:end]) if total == end else False)


# The modules ----------------------------------------------------------------------------------------------------------

NAMES = ("wsaccel", "wsaccel.xormask", "wsaccel.utf8validator")


def test_installed_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "wsaccel", theirs)
    monkeypatch.setitem(sys.modules, "wsaccel.xormask", None)
    monkeypatch.delitem(sys.modules, "wsaccel.utf8validator", raising=False)
    before = [sys.modules.get(name, "none") for name in NAMES]
    for _ in range(2):
        wsaccel.install()
        wsaccel.install()
        package = importlib.import_module("wsaccel")
        assert importlib.import_module("wsaccel.xormask").XorMaskerSimple is XorMaskerSimple
        assert importlib.import_module("wsaccel.xormask").createXorMasker is createXorMasker
        assert importlib.import_module("wsaccel.utf8validator").Utf8Validator is Utf8Validator
        assert package.xormask.XorMaskerNull is XorMaskerNull
        assert importlib.util.find_spec("wsaccel") is package.__spec__
        wsaccel.uninstall()
        wsaccel.uninstall()
        assert [sys.modules.get(name, "none") for name in NAMES] == before


def test_importing_it_installs_nothing() -> None:
    assert run_python("import sys, fastws.hosts.wsaccel; print('wsaccel' in sys.modules)") == "False"


def test_websocket_client_finds_it() -> None:
    """The host takes its own compiled way through our classes, and masks and validates as it should."""
    printed = run_python(
        """
        import fastws.hosts.wsaccel
        fastws.hosts.wsaccel.install()
        import websocket
        from websocket import _abnf, _utils
        print(_abnf.XorMaskerSimple.__module__, _utils.Utf8Validator.__module__)
        print(websocket.ABNF.mask(b"abcd", b"hello"), *map(_utils.validate_utf8, [b"\\xe2\\x82", b"\\xff"]))
        """
    )
    modules, results = printed.splitlines()
    assert modules == "fastws.hosts.wsaccel fastws.hosts.wsaccel"
    assert results == "b'\\t\\x07\\x0f\\x08\\x0e' True False"
