"""What a peer may send, right and wrong: one catalogue of streams for every host, and frames at random."""

from __future__ import annotations

from hypothesis import strategies as st

from oracles import frame
from vectors import KEY

# First bytes of frames: fin, reserved bits, opcode.
TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x81, 0x82, 0x80, 0x88, 0x89, 0x8A
UNFINISHED_TEXT, UNFINISHED_BINARY, UNFINISHED_CONT = 0x01, 0x02, 0x00
COMPRESSED_TEXT, COMPRESSED_BINARY, UNFINISHED_COMPRESSED = 0xC1, 0xC2, 0x41


def streams(key: bytes | None) -> dict[str, bytes]:
    """What a peer may send that masks with this key, or not at all: right, wrong, and half of it.

    Good traffic follows what a host may refuse, for those that do not stop there.
    """
    other = KEY if key is None else None

    def f(first: int, payload: bytes = b"", form: int | None = None) -> bytes:
        return frame(first, payload, key, form)

    def wrong(first: int, payload: bytes = b"", form: int | None = None) -> bytes:
        """Masked where it must not be, or not where it must."""
        return frame(first, payload, other, form)

    x = f(TEXT, b"x")
    return {
        # Messages.
        "text": f(TEXT, "héllo".encode()) + x,
        "empty text": f(TEXT) + x,
        "binary": f(BINARY, bytes(range(40))) + f(BINARY, b"ab"),
        "empty binary": f(BINARY) + x,
        "three messages": f(TEXT, b"a") + f(BINARY, b"\xff") + f(TEXT, "中文".encode()),
        "longer text": f(TEXT, "hé中😀".encode() * 20) + f(TEXT, "é".encode() * 100),
        "126 bytes": f(TEXT, b"x" * 126) + f(BINARY, b"y" * 126) + x,
        # Fragments.
        "fragments": f(UNFINISHED_TEXT, b"\xe4\xb8") + f(UNFINISHED_CONT, b"\xad") + f(CONT, b"!") + x,
        "fragments at code points": f(UNFINISHED_TEXT, b"ab") + f(CONT, "é".encode()) + x,
        "binary fragments": f(UNFINISHED_BINARY, b"\xff\xfe") + f(CONT, b"\xfd") + x,
        "empty fragments": f(UNFINISHED_TEXT) + f(UNFINISHED_CONT) + f(CONT, b"x") + f(TEXT, b"y"),
        "only empty fragments": f(UNFINISHED_TEXT) + f(CONT) + x,
        "message, fragments, message": f(TEXT, b"a") + f(UNFINISHED_BINARY, b"b") + f(CONT, b"c") + x,
        "control frames between": (
            f(UNFINISHED_TEXT, b"ab") + f(PING, b"?") + f(PONG, b"!") + f(CONT, b"cd") + f(PING) + f(TEXT, b"e")
        ),
        "control frames within a code point": (
            f(UNFINISHED_TEXT, b"\xe4") + f(PING, b"\xff") + f(PONG, b"!") + f(CONT, b"\xb8\xad") + x
        ),
        "text after unfinished": f(UNFINISHED_TEXT, b"ab") + f(TEXT, b"cd") + f(CONT, b"ef") + x,
        "text after an empty start": f(UNFINISHED_TEXT) + f(TEXT, b"cd") + f(CONT, b"ef") + x,
        "text after an unfinished code point": f(UNFINISHED_TEXT, b"\xe4") + f(TEXT, b"cd") + x,
        "binary after unfinished": f(UNFINISHED_TEXT, b"ab") + f(BINARY, b"cd") + f(CONT, b"ef") + x,
        "a second start": f(UNFINISHED_TEXT, b"ab") + f(UNFINISHED_TEXT, b"cd") + f(CONT, b"ef") + x,
        "a second start, of binary": f(UNFINISHED_TEXT, b"ab") + f(UNFINISHED_BINARY, b"cd") + f(CONT, b"ef") + x,
        "nothing to continue": f(CONT, b"ab") + f(TEXT, b"cd"),
        # Control frames.
        "pings": f(PING) + f(PING, bytes(125)) + f(PONG, b"y") + x + f(PING, "é".encode()) + x,
        "ping of 126": f(PING, bytes(126)) + x,
        "pong of 126": f(PONG, bytes(126)) + x,
        "ping without fin": f(0x09, b"x") + x,
        "pong without fin": f(0x0A, b"x") + x,
        "close": f(CLOSE, b"\x03\xe8bye") + x,
        "message, close": x + f(CLOSE, b"\x03\xe8bye") + x,
        "close within a message": f(UNFINISHED_TEXT, b"y") + f(CLOSE, b"\x03\xe8") + x,
        "close within a code point": f(UNFINISHED_TEXT, b"\xe4") + f(CLOSE, b"\x03\xe8bye") + x,
        "close without code": f(CLOSE) + x,
        "close of 1": f(CLOSE, b"\x03") + x,
        "close of 2": f(CLOSE, b"\x0f\xa0") + x,
        "close of 126": f(CLOSE, b"\x03\xe8" + bytes(124)) + x,
        "close without fin": f(0x08, b"\x03\xe8") + x,
        "close with code 999": f(CLOSE, b"\x03\xe7") + x,
        "close with code 1004": f(CLOSE, b"\x03\xec") + x,
        "close with code 1005": f(CLOSE, b"\x03\xed") + x,
        "close with code 5000": f(CLOSE, b"\x13\x88") + x,
        "close with bad reason": f(CLOSE, b"\x03\xe8\xff") + x + f(TEXT, b"y"),
        "close with unfinished reason": f(CLOSE, b"\x03\xe8\xe4\xb8") + x,
        "message, close with bad reason": x + f(CLOSE, b"\x03\xe8\xff") + x,
        # Reserved bits and opcodes.
        "reserved bit 1": f(0xC1, b"x") + x,
        "reserved bit 2": f(0xA1, b"x") + x,
        "reserved bit 3": f(0x91, b"x") + x,
        "reserved bit of an empty frame": f(0x91) + x,
        "reserved bit of a ping": f(0xC9, b"x") + x,
        "reserved bit of a continuation": f(UNFINISHED_TEXT, b"x") + f(0xC0, b"x") + x,
        "message, reserved bit": x + f(0xC1, b"x") + x,
        "reserved opcode": f(0x83, b"x") + x,
        "reserved opcode without fin": f(0x03, b"x") + f(CONT, b"y") + x,
        "message, reserved opcode": x + f(0x83, b"x") + x,
        "reserved control opcode": f(0x8B, b"x") + x,
        "reserved control opcode without fin": f(0x0F, b"x") + x,
        # Masked wrongly.
        "wrong masking": wrong(TEXT, "héllo".encode()) + wrong(BINARY, bytes(300)) + wrong(PING, b"p") + x,
        "wrong masking, later": f(TEXT, b"ab") + wrong(TEXT, b"cd") + f(TEXT, b"ef"),
        "wrong masking of nothing": wrong(TEXT) + wrong(PING) + x,
        "wrong masking of control frames": wrong(PING, b"abc") + wrong(PONG, b"abc") + x,
        "wrong masking of fragments": wrong(UNFINISHED_TEXT, b"\xe4\xb8") + wrong(CONT, b"\xad") + x,
        "wrong masking of a fragment": f(UNFINISHED_BINARY, b"\xff\xfe") + wrong(CONT, b"\xfd") + x,
        "wrong masking of invalid text": wrong(TEXT, b"ab\xff") + x,
        "wrong masking, long forms": wrong(TEXT, b"ab", 16) + wrong(TEXT, b"cd", 64) + x,
        # Lengths in more bytes than they need, or more than there may be (RFC 6455 §5.2).
        "long forms": f(TEXT, b"ab", 16) + f(TEXT, b"cd", 64) + x + f(BINARY, b"ef", 64) + f(TEXT),
        "longest form of a short length": f(BINARY, b"ab", 64) + x,
        "longest form of 126": f(BINARY, bytes(126), 64) + x,
        "long forms of nothing": f(BINARY, b"", 16) + f(BINARY, b"", 64) + x,
        "long form of a ping": f(PING, b"ab", 16) + x,
        "length with its top bit": bytes([0x82, 0x7F if key is None else 0xFF, 0x80]) + bytes(7) + b"abcdefgh",
        # Bytes that are not UTF-8 (RFC 3629).
        "invalid text": f(TEXT, b"ab\xffcd") + x,
        "message, invalid text": f(TEXT, b"good") + f(TEXT, b"ab\xff") + x,
        "message, longer invalid text": f(TEXT, b"good") + f(TEXT, b"ab\xffcd" * 30) + x,
        "invalid text, again": x + f(TEXT, b"ab\xed\xa0\x80cd") + x + f(UNFINISHED_TEXT, b"\xff") + f(CONT, b"ok") + x,
        "overlong text": f(TEXT, b"\xc0\xaf") + x,
        "surrogate": f(TEXT, b"\xed\xa0\x80") + x,
        "first half of a surrogate": f(TEXT, b"\xed\xa0") + x,
        "first half of a surrogate in fragments": f(UNFINISHED_TEXT, b"a\xed\xa0") + f(CONT, b"\x80") + x,
        "above U+10FFFF": f(TEXT, b"\xf4\x90\x80\x80") + x,
        "unfinished code point": f(TEXT, b"ab\xe4\xb8") + x,
        "code point that goes on at the start": f(TEXT, b"\xb8ab\xe4") + x,
        "invalid fragments": f(UNFINISHED_TEXT, b"\xe4") + f(CONT, b"x") + f(BINARY, b"b") + x,
        "invalid fragments that go on": f(UNFINISHED_TEXT, b"\xe4") + f(UNFINISHED_CONT, b"x") + f(CONT, b"ok") + x,
        "unfinished code point in fragments": f(UNFINISHED_TEXT, b"a") + f(CONT, b"\xe4") + x,
        "unfinished code point, empty end": f(UNFINISHED_TEXT, b"a\xe4") + f(CONT) + x,
    }


# Random traffic -------------------------------------------------------------------------------------------------------

payloads = st.one_of(st.binary(max_size=140), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
first_bytes = st.one_of(
    st.sampled_from([TEXT, BINARY, CONT, CLOSE, PING, PONG, UNFINISHED_TEXT, UNFINISHED_BINARY, UNFINISHED_CONT]),
    st.sampled_from([TEXT, BINARY]),
    st.integers(0, 255),
)
keys = st.one_of(st.none(), st.binary(min_size=4, max_size=4))
frames = st.builds(frame, first_bytes, payloads, keys)
