"""What the right answer is, told without the codec: the plainest statement of each rule, or CPython's own decoder."""

from __future__ import annotations

import hashlib
import re
import sys

#: RFC 3629 §4, its grammar word for word.
_UTF8 = re.compile(
    rb"(?: [\x00-\x7F]"
    rb"  | [\xC2-\xDF] [\x80-\xBF]"
    rb"  | \xE0        [\xA0-\xBF] [\x80-\xBF]"
    rb"  | [\xE1-\xEC] [\x80-\xBF]{2}"
    rb"  | \xED        [\x80-\x9F] [\x80-\xBF]"
    rb"  | [\xEE-\xEF] [\x80-\xBF]{2}"
    rb"  | \xF0        [\x90-\xBF] [\x80-\xBF]{2}"
    rb"  | [\xF1-\xF3] [\x80-\xBF]{3}"
    rb"  | \xF4        [\x80-\x8F] [\x80-\xBF]{2}"
    rb")*",
    re.VERBOSE,
)


def noise(n: int, seed: str = "") -> bytes:
    """n bytes without pattern, the same in every run."""
    return hashlib.shake_128(seed.encode()).digest(n)


def xor(data: bytes, key: bytes, phase: int = 0) -> bytes:
    """RFC 6455 §5.3: octet i of the transformed data is octet i XOR key octet i modulo 4."""
    turned = key[phase:] + key[:phase]
    keys = (turned * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(data), "big")


def header(first: int, length: int, key: bytes | None = None, form: int | None = None) -> bytes:
    """A frame header (RFC 6455 §5.2).

    Args:
        form: bits of the length field, 7, 16 or 64, where it is not to be the shortest.
    """
    masked = 0 if key is None else 0x80
    if form is None:
        form = 7 if length < 126 else 16 if length < 65_536 else 64
    marker = {7: length, 16: 126, 64: 127}[form]
    extended = b"" if form == 7 else length.to_bytes(form // 8, "big")
    return bytes([first, masked | marker]) + extended + (key or b"")


def frame(first: int, payload: bytes = b"", key: bytes | None = None, form: int | None = None) -> bytes:
    """A frame with its payload, masked where there is a key."""
    return header(first, len(payload), key, form) + (payload if key is None else xor(payload, key))


def is_text(data: bytes) -> bool:
    """Whether all of it is UTF-8, by the grammar of RFC 3629."""
    return _UTF8.fullmatch(data) is not None


def first_bad(data: bytes) -> int | None:
    """Offset of the first byte that cannot be, as CPython's decoder implies it; None where there is none.

    CPython names the code point that is lost and how many of its bytes are good: the byte after them is the bad one.
    Where only bytes are missing, that is the length.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason == "invalid start byte":
            return error.start
        if error.reason == "invalid continuation byte":
            return error.end
        return len(data)
    return None


def text_fault(data: bytes) -> str | None:
    """The message that text ``data`` is refused with, or None."""
    bad = first_bad(data)
    if bad is None:
        return None
    if bad < len(data):
        return f"text is not UTF-8 at byte {bad}"
    return f"text ends inside a code point at byte {bad}"


def encode_fault(text: str) -> UnicodeEncodeError | None:
    """The error that CPython's encoder refuses a surrogate with, or None."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error
    return None


def is_canonical(text: str) -> bool:
    """Whether a string is held in the one representation that CPython allows it (PEP 393), by its size.

    A single character is not judged: CPython shares those, and what it has stored beside one of them counts, too.
    """
    if len(text) == 1 or sys.implementation.name != "cpython":
        return True
    widest = max(text, default="\0")
    if widest < "\x80":
        return sys.getsizeof(text) == sys.getsizeof("aa") - 2 + len(text)
    alike, width = ("é", 1) if widest < "\u0100" else ("你", 2) if widest < "\U00010000" else ("😀", 4)
    return sys.getsizeof(text) == sys.getsizeof(alike * 2) + (len(text) - 2) * width
