"""Utf8: what is text and what is not, and where it stops being text (RFC 3629); text to ``str`` and back.

A vector kernel judges a byte by the three before it, wherever in its registers they lie. So short sequences are tried
exhaustively, and those that stand for all at each of 68 positions (lanes): that covers registers of 16, 32 and 64
bytes, every border between two of them, and the scalar end after the last. The text after them is plain and long
enough to reach the vector code, or absent, so that they end the text. The text before them is plain, too, or it begins
with 64 bytes of wide characters: a kernel may know simpler rules for text that has been narrow so far.

The pure twin leaves the judging to CPython's decoder, which is the reference here. Fewer positions do for it, and
the exhaustive search through three bytes tries one third byte of each kind; the search for the position is its own
and is tried in full.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import combinations, cycle, islice, product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import each_case
from fastws import CloseCode, Utf8Error
from oracles import encode_fault, first_bad, is_canonical, is_text, text_fault, xor
from outcomes import outcome
from vectors import ALPHABETS, BAD_TEXTS, BORDER_BYTES, GOOD_TEXTS, KEY, LyingText, bytewise, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType

_BEFORE = b"p" * 68
_WIDE = "€".encode() * 21 + b"p"
_AFTER = b"s" * 64
_ALL_BYTES = [bytes([byte]) for byte in range(256)]
_PHASES = range(4)


def _is_vector(codec: ModuleType) -> bool:
    return bool(codec.kernel_name() != "none")


def _lanes(codec: ModuleType) -> Sequence[int]:
    return range(68) if _is_vector(codec) else (0, 31, 67)


def _flags(is_utf8: Callable[[bytes], bool], texts: Iterable[bytes]) -> bytes:
    """One byte a text: 1 where it is UTF-8."""
    return bytes(map(is_utf8, texts))


# Every sequence of one, two and three bytes ---------------------------------------------------------------------------

_NEVER = bytes(256)
_ASCII = b"\1" * 128 + bytes(128)
_CONTINUATIONS = bytes(128) + b"\1" * 64 + bytes(64)


def _second_range(lead: int) -> range:
    """Which second bytes may follow a lead of three (RFC 3629 §4)."""
    return range(0xA0 if lead == 0xE0 else 0x80, 0xA0 if lead == 0xED else 0xC0)


def _last_byte(before: bytes) -> bytes:
    """Which bytes make one or two bytes ``before`` a text: 256 flags."""
    if is_text(before):
        return _ASCII
    *rest, last = before
    if 0xC2 <= last <= 0xDF and is_text(bytes(rest)):
        return _CONTINUATIONS
    if rest and 0xE0 <= rest[0] <= 0xEF and last in _second_range(rest[0]):
        return _CONTINUATIONS
    return _NEVER


def test_the_expectation_itself() -> None:
    """``_last_byte`` against the grammar: the exhaustive tests below lean on it."""
    for before in [*_ALL_BYTES, *map(bytes, product(BORDER_BYTES, repeat=2))]:
        assert _last_byte(before) == bytes(is_text(before + last) for last in _ALL_BYTES)


def test_every_single_byte(codec: ModuleType) -> None:
    for lane in range(68):
        before = _BEFORE[:lane]
        assert _flags(codec.is_utf8, [before + byte for byte in _ALL_BYTES]) == _ASCII
        assert _flags(codec.is_utf8, [before + byte + _AFTER for byte in _ALL_BYTES]) == _ASCII


_contexts = pytest.mark.parametrize(
    ("start", "after"),
    [(b"", b""), (b"", _AFTER), (_WIDE, _AFTER)],
    ids=["at the end", "inside", "inside wide text"],
)


@_contexts
def test_every_two_bytes_at_every_lane(codec: ModuleType, start: bytes, after: bytes) -> None:
    endings = [byte + after for byte in _ALL_BYTES]
    for lead in _ALL_BYTES:
        expected = _last_byte(lead)
        for lane in _lanes(codec):
            before = start + _BEFORE[:lane] + lead
            assert _flags(codec.is_utf8, [before + ending for ending in endings]) == expected, (lead, lane)


def test_every_three_bytes(codec: ModuleType) -> None:
    """2**24 sequences, inside a longer text; each pair of first bytes at a lane of its own, so that pairs of one kind
    meet every lane. For the pure twin see above."""
    last_bytes = _ALL_BYTES if _is_vector(codec) else [bytes([byte]) for byte in BORDER_BYTES]
    endings = [byte + _AFTER for byte in last_bytes]
    indices = [byte[0] for byte in last_bytes]
    for first, second in product(range(256), repeat=2):
        pair = bytes([first, second])
        flags = _last_byte(pair)
        before = _BEFORE[: (7 * first + second) % 68] + pair
        assert _flags(codec.is_utf8, [before + ending for ending in endings]) == bytes([flags[i] for i in indices]), (
            pair
        )


# Sequences that stand for all, of three and four bytes ----------------------------------------------------------------

_LAST_BYTES = b"\x7f\x80\xbf\xc0"


@cache
def _sequences() -> list[bytes]:
    """Every three of the bytes beside a border of the grammar; and of four, with both last ones beside theirs."""
    threes = product(BORDER_BYTES, repeat=3)
    fours = product(BORDER_BYTES, BORDER_BYTES, _LAST_BYTES, _LAST_BYTES)
    return [bytes(each) for each in (*threes, *fours)]


@cache
def _expected_flags(after: bytes) -> bytes:
    return _flags(is_text, [sequence + after for sequence in _sequences()])


@_contexts
def test_border_sequences_at_every_lane(codec: ModuleType, start: bytes, after: bytes) -> None:
    endings = [sequence + after for sequence in _sequences()]
    for lane in _lanes(codec):
        before = start + _BEFORE[:lane]
        assert _flags(codec.is_utf8, [before + ending for ending in endings]) == _expected_flags(after), lane


@cache
def _expected_of_four() -> bytes:
    return _flags(is_text, [bytes(four) for four in product(BORDER_BYTES, repeat=4)])


def test_border_sequences_of_four(codec: ModuleType) -> None:
    """Every four of the bytes beside a border, at lanes in turn."""
    step = 1 if _is_vector(codec) else 7
    texts = (_BEFORE[: i % 68] + bytes(four) + _AFTER for i, four in enumerate(product(BORDER_BYTES, repeat=4)))
    assert _flags(codec.is_utf8, islice(texts, 0, None, step)) == _expected_of_four()[::step]


# The position of the first byte that cannot be ------------------------------------------------------------------------


@cache
def _faults(after: bytes) -> list[tuple[bytes, int]]:
    """Each border sequence that is not text, and its first byte that cannot be."""
    texts = [sequence + after for sequence in _sequences()]
    return [(text, bad) for text in texts if (bad := first_bad(text)) is not None]


def _position(call: Callable[..., object], *args: object) -> int:
    """The offset that a call refuses its text with."""
    try:
        call(*args)
    except Utf8Error as error:
        return error.offset
    return -1


@pytest.mark.parametrize("after", [b"", _AFTER], ids=["at the end", "inside"])
def test_position(codec: ModuleType, after: bytes) -> None:
    for lane in (0, 14, 31, 61):
        before = _BEFORE[:lane]
        for i, (text, bad) in enumerate(_faults(after)):
            data = before + text
            # By turns, so that each of the two meets each text at two of the lanes.
            if (i + lane) & 1:
                position = _position(codec.decode_text, data)
            else:
                position = _position(codec.Utf8Validator().feed, data, True)
            assert position == lane + bad, data


@pytest.mark.parametrize("filler", ["a", "é", "€", "😀"], ids=["ascii", "two bytes", "three bytes", "four bytes"])
def test_bad_texts_at_every_lane(codec: ModuleType, filler: str) -> None:
    """Each bad text after 0 to 67 bytes of good text, masked at each phase, and with good text after it or none."""
    unit = filler.encode()
    for bad_text in BAD_TEXTS:
        for count in range(68 // len(unit)):
            for after in (b"", unit * 20):
                data = unit * count + bad_text + after
                expected = text_fault(data)
                phase = count & 3
                assert _fault(codec.decode_text, data) == expected
                assert _fault(codec.decode_text, xor(data, KEY, phase), KEY, phase) == expected
                assert not codec.is_utf8(data)


def _fault(call: Callable[..., object], *args: object) -> str | None:
    try:
        call(*args)
    except Utf8Error as error:
        return str(error)
    return None


@each_case("text", [*GOOD_TEXTS, *BAD_TEXTS], ids=lambda text: text.hex()[:20])
def test_known_texts(codec: ModuleType, text: bytes) -> None:
    fault = text_fault(text)
    assert (fault is None) == (text in GOOD_TEXTS)
    assert codec.is_utf8(text) == (fault is None)
    assert _fault(codec.Utf8Validator().feed, text, True) == fault
    assert _fault(codec.decode_text, text) == fault
    if fault is None:
        assert codec.decode_text(text) == text.decode()


@pytest.mark.parametrize("border", [256, 1024, 4096, 8192, 16_384, 65_536])
def test_across_block_borders(codec: ModuleType, border: int) -> None:
    """Texts good and bad on both sides of borders that an implementation may work in, masked and not."""
    for text in (*GOOD_TEXTS, *BAD_TEXTS):
        for start in range(border - len(text), border + 1, 1 if border <= 4096 else 3):
            data = b"b" * start + text + b"a" * 70
            bad = first_bad(text + b"a")
            expected = None if bad is None else f"text is not UTF-8 at byte {start + bad}"
            assert _fault(codec.decode_text, data) == expected
            assert codec.is_utf8(data) == (bad is None)
            validator = codec.Utf8Validator()
            assert (_fault(validator.feed, data[:border]) or _fault(validator.feed, data[border:], True)) == expected


def test_error_of_bad_text(codec: ModuleType) -> None:
    with pytest.raises(Utf8Error, match=r"^text is not UTF-8 at byte 4$") as caught:
        codec.decode_text(b"abc\xed\xa0\x80")
    assert caught.value.offset == 4
    assert caught.value.close_code is CloseCode.INVALID_DATA
    with pytest.raises(Utf8Error, match=r"^text ends inside a code point at byte 5$") as caught:
        codec.decode_text(b"abc\xed\x90")
    assert caught.value.offset == 5


# Streaming ------------------------------------------------------------------------------------------------------------

_STREAMED = [
    *GOOD_TEXTS,
    *BAD_TEXTS,
    "schön, 你好 😀!".encode(),
    "abc😀".encode()[:-1] + b"x",
    b"a" * 40 + "€".encode() + b"b" * 40,
    b"a" * 62 + b"\xe2\x82" + b"b" * 40,
]


def _feed_all(codec: ModuleType, pieces: Sequence[bytes]) -> None:
    """Feed pieces, the last one as final, and check what the validator tells after each."""
    whole = b"".join(pieces)
    bad, fault = first_bad(whole), text_fault(whole)
    validator = codec.Utf8Validator()
    taken = 0
    for i, piece in enumerate(pieces):
        final = i == len(pieces) - 1
        end = taken + len(piece)
        refused = bad is not None and (bad < end or final)
        assert _fault(validator.feed, piece, final) == (fault if refused else None)
        if refused:
            assert validator.offset == bad
            assert validator.error.offset == bad
            assert str(validator.error) == fault
            return
        assert validator.error is None
        assert validator.offset == end
        assert validator.complete == is_text(whole[:end])
        taken = end


@each_case("text", _STREAMED, ids=lambda text: text.hex()[:20])
def test_every_split(codec: ModuleType, text: bytes) -> None:
    n = len(text)
    for cut in range(n + 1):
        _feed_all(codec, [text[:cut], text[cut:]])
        _feed_all(codec, [text[:cut], text[cut:], b""])
        for end in range(cut, min(cut + 5, n + 1)):
            _feed_all(codec, [text[:cut], text[cut:end], text[end:]])
    _feed_all(codec, bytewise(text) or [b""])
    _feed_all(codec, [each for byte in bytewise(text) for each in (byte, b"")] or [b""])


def test_refused_at_the_first_byte_that_cannot_be(codec: ModuleType) -> None:
    """Byte by byte, no later than the byte itself: CPython's incremental decoder would wait for the next one."""
    for text in BAD_TEXTS:
        bad = first_bad(text)
        assert bad is not None
        validator = codec.Utf8Validator()
        for i in range(min(bad, len(text))):
            validator.feed(text[i : i + 1])
        with pytest.raises(Utf8Error):
            validator.feed(text[bad : bad + 1], bad == len(text))


@given(data=st.data())
def test_any_text_in_any_pieces(codec: ModuleType, data: st.DataObject) -> None:
    text = data.draw(st.text(max_size=100)).encode("utf-8", "surrogatepass")
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.binary(max_size=3)) + text[place + data.draw(st.integers(0, 3)) :]
    borders = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)]
    _feed_all(codec, pieces)
    phase = data.draw(st.integers(0, 3))
    assert codec.is_utf8(text) == is_text(text)
    assert _fault(codec.decode_text, xor(text, KEY, phase), KEY, phase) == text_fault(text)


def test_new_validator(codec: ModuleType) -> None:
    validator = codec.Utf8Validator()
    assert (validator.offset, validator.complete, validator.error) == (0, True, None)
    assert validator.feed(b"") is None
    assert validator.feed(b"", True) is None
    assert (validator.offset, validator.complete, validator.error) == (0, True, None)


def test_error_is_sticky_until_reset(codec: ModuleType) -> None:
    validator = codec.Utf8Validator()
    with pytest.raises(Utf8Error) as caught:
        validator.feed(b"ab\xff")
    first = caught.value
    for piece, final in ((b"", False), (b"good", False), (b"", True), (b"\xff", True)):
        with pytest.raises(Utf8Error) as caught:
            validator.feed(piece, final)
        assert caught.value is first
        assert validator.error is first
        assert validator.offset == 2
    validator.reset()
    assert (validator.offset, validator.complete, validator.error) == (0, True, None)
    validator.feed("€".encode()[:2])
    assert not validator.complete
    validator.reset()
    assert validator.complete
    validator.feed(b"good", True)
    assert validator.offset == 4


def test_final_does_not_end_the_validator(codec: ModuleType) -> None:
    validator = codec.Utf8Validator()
    validator.feed(b"ab", True)
    validator.feed(b"c\xc3")
    assert (validator.offset, validator.complete) == (4, False)
    with pytest.raises(Utf8Error, match=r"^text ends inside a code point at byte 4$"):
        validator.feed(b"", final=True)


# Text to str ----------------------------------------------------------------------------------------------------------

_LENGTHS = (*range(301), *range(511, 514), *range(1020, 1030), *range(4096 - 5, 4096 + 6), 20_000, 65_536, 65_537)
_alphabets = pytest.mark.parametrize("alphabet", list(ALPHABETS))


def _same(got: str, expected: str) -> bool:
    """Equal, and told apart by nothing: type, hash and representation."""
    return type(got) is str and got == expected and hash(got) == hash(expected) and is_canonical(got)


@_alphabets
def test_decode_every_length(codec: ModuleType, alphabet: str) -> None:
    whole = sample(alphabet, max(_LENGTHS))
    data = whole.encode()
    masked = [xor(data, KEY, phase) for phase in _PHASES]
    for n in _LENGTHS:
        text = whole[:n]
        size = len(text.encode())
        assert _same(codec.decode_text(data[:size]), text)
        assert _same(codec.decode_text(memoryview(data)[:size], None, n & 3), text)
        for phase in _PHASES:
            assert _same(codec.decode_text(memoryview(masked[phase])[:size], KEY, phase), text)


@_alphabets
def test_decode_at_every_offset(codec: ModuleType, alphabet: str) -> None:
    whole = sample(alphabet, 150)
    data = whole.encode()
    for offset in range(64):
        phase = offset & 3
        view = memoryview(bytes(offset) + xor(data, KEY, phase))[offset:]
        assert _same(codec.decode_text(view, KEY, phase), whole)


@pytest.mark.parametrize("wide", ["\x80", "ÿ", "Ā", "߿", "ࠀ", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"])
def test_one_wide_character_at_every_place(codec: ModuleType, wide: str) -> None:
    """One character decides the width of the whole string, be it the first, the last or any between."""
    for n in (1, 2, 15, 16, 17, 33, 70, 130):
        for place in range(n):
            text = "a" * place + wide + "z" * (n - 1 - place)
            data = text.encode()
            assert _same(codec.decode_text(data), text)
            assert _same(codec.decode_text(xor(data, KEY, place & 3), KEY, place & 3), text)
            assert codec.encode_text(text) == data


@pytest.mark.parametrize("end", ["", "z", "é", "Ā", "€", "😀", b"\xc3", b"\xe2\x82", b"\xa9", b"\xc1\x80"], ids=repr)
def test_latin1_that_ends_otherwise(codec: ModuleType, end: str | bytes) -> None:
    """Text that was taken for Latin-1, alone or after much ASCII, until its last character."""
    tail = end.encode() if isinstance(end, str) else end
    for start in ("", "a" * 64, "a" * 4096, "é", "éa" * 2000):
        for n in (0, 1, 30, 31, 32, 39, 40, 2046, 2047, 2048, 2049):
            for shift in ("", "b"):
                data = (start + shift + "é" * n).encode() + tail
                fault = text_fault(data)
                masked = xor(data, KEY, n & 3)
                if fault is None:
                    assert _same(codec.decode_text(data), data.decode())
                    assert _same(codec.decode_text(masked, KEY, n & 3), data.decode())
                else:
                    assert _fault(codec.decode_text, data) == fault
                    assert _fault(codec.decode_text, masked, KEY, n & 3) == fault


# Characters of each length in UTF-8, and of each width in memory, by turns.
_KINDS = {"1": "aZ~", "Latin": "éÿ\x80", "2": "жĀ߿", "3": "€ࠀ\uffff", "4": "😀\U00010000\U0010ffff"}
_MIXES = [mix for n in range(1, 6) for mix in combinations(_KINDS, n)]


@each_case("mix", _MIXES, ids=" ".join)
def test_every_order_of_lengths(codec: ModuleType, mix: tuple[str, ...]) -> None:
    """Every six characters in a row, of every choice of lengths: what a kernel looks up in a table by lengths."""
    turns = {kind: cycle(letters) for kind, letters in _KINDS.items()}
    text = "".join([next(turns[kind]) for six in product(mix, repeat=6) for kind in six]) * (2 if len(mix) > 1 else 200)
    data = text.encode()
    masked = xor(data, KEY, 1)
    assert _same(codec.decode_text(data), text)
    assert _same(codec.decode_text(masked, KEY, 1), text)
    assert codec.encode_text(text) == data
    assert codec.encode_text(text, KEY[1:] + KEY[:1]) == masked


_CODE_POINTS = [*range(0xD800), *range(0xE000, 0x110000)]


def test_every_code_point_in_one_text(codec: ModuleType) -> None:
    text = "".join(map(chr, _CODE_POINTS))
    data = text.encode()
    assert codec.is_utf8(data)
    assert codec.decode_text(data) == text
    assert codec.encode_text(text) == data
    for phase in _PHASES:
        key = KEY[phase:] + KEY[:phase]
        masked = codec.encode_text(text, key)
        assert masked == codec.mask(data, KEY, phase)
        assert codec.decode_text(masked, KEY, phase) == text


def test_every_code_point_alone(codec: ModuleType) -> None:
    texts = list(map(chr, _CODE_POINTS))
    data = [text.encode() for text in texts]
    assert list(map(codec.decode_text, data)) == texts
    assert list(map(codec.encode_text, texts)) == data


def test_short_strings_are_as_good_as_shared_ones(codec: ModuleType) -> None:
    """CPython shares empty strings and single Latin-1 characters; none of them may be written over."""
    for _ in range(2):
        assert codec.decode_text(b"") == ""
        for point in range(256):
            text = chr(point)
            assert codec.decode_text(text.encode()) == text
            assert {text: point}[codec.decode_text(text.encode())] == point


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
def test_decode_key_length(codec: ModuleType, key: bytes) -> None:
    with pytest.raises(ValueError, match=f"^a masking key has 4 bytes, not {len(key)}$"):
        codec.decode_text(b"x", key)


@pytest.mark.parametrize("key", [None, KEY])
def test_decode_phase_out_of_range(codec: ModuleType, key: bytes | None) -> None:
    for phase in (-1, 4, 2**40):
        with pytest.raises(ValueError, match=f"^phase is 0 to 3, not {phase}$"):
            codec.decode_text(b"x", key, phase)


# str to text ----------------------------------------------------------------------------------------------------------


@_alphabets
def test_encode_every_length(codec: ModuleType, alphabet: str) -> None:
    whole = sample(alphabet, max(_LENGTHS))
    data = whole.encode()
    masked = xor(data, KEY)
    for n in _LENGTHS:
        text = whole[:n]
        encoded = codec.encode_text(text)
        assert encoded == text.encode()
        assert type(encoded) is bytes
        assert codec.encode_text(text, KEY) == masked[: len(encoded)]


@pytest.mark.parametrize("around", ["", "a", "é", "€", "😀"], ids=["alone", "ascii", "latin", "ucs2", "ucs4"])
def test_surrogates_refused_as_cpython_does(codec: ModuleType, around: str) -> None:
    """Text, start, end and reason, for one surrogate and for runs of them, at every lane."""
    runs = ("\ud800", "\udfff", "\udbff\udc00", "\udc80\udc80\udc80")
    for run, place, key in product(runs, range(68 if around else 1), (None, KEY)):
        text = around * place + run + around * 35
        error = encode_fault(text)
        assert error is not None
        with pytest.raises(UnicodeEncodeError) as caught:
            codec.encode_text(text, key)
        assert _fields(caught.value) == _fields(error)
        assert str(caught.value) == str(error)


def _fields(error: UnicodeEncodeError) -> tuple[Any, ...]:
    return error.encoding, error.object, error.start, error.end, error.reason


def test_surrogates_refused_far_out(codec: ModuleType) -> None:
    for place in (299, 4095, 4096, 70_000):
        for filler in ("a", "é", "€", "😀"):
            text = filler * place + "\ud83d" + filler * 9 + "\ude00"
            error = encode_fault(text)
            assert error is not None
            with pytest.raises(UnicodeEncodeError) as caught:
                codec.encode_text(text)
            assert _fields(caught.value) == _fields(error)


def test_encode_takes_the_characters(codec: ModuleType) -> None:
    """A subclass of ``str`` is taken by what it holds, whatever its methods say."""
    for text in ("plain", "schön", "你好", "😀!"):
        assert codec.encode_text(LyingText(text)) == text.encode()
        assert codec.encode_text(LyingText(text), KEY) == xor(text.encode(), KEY)


@pytest.mark.parametrize("text", [b"bytes", None, 1, ["a"], bytearray(b"x")], ids=lambda text: type(text).__name__)
def test_encode_takes_str_only(codec: ModuleType, text: object) -> None:
    with pytest.raises(TypeError, match=f"^str is required, not '{type(text).__name__}'$"):
        codec.encode_text(text)


def test_memory_is_exact(codec: ModuleType) -> None:
    """A result has no room to spare: its size is that of CPython's own."""
    for alphabet in ALPHABETS:
        text = sample(alphabet, 1000)
        assert sys.getsizeof(codec.encode_text(text)) == sys.getsizeof(text.encode())
        assert sys.getsizeof(codec.encode_text(text, KEY)) == sys.getsizeof(text.encode())
        assert is_canonical(codec.decode_text(text.encode()))


def test_round_trip_of_what_cannot_travel(codec: ModuleType) -> None:
    """Surrogates come neither in nor out."""
    assert outcome(codec.decode_text, "\ud800".encode("utf-8", "surrogatepass"))[0] == "raised"
    assert outcome(codec.encode_text, "\ud800")[0] == "raised"
