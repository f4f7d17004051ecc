"""Known bytes with their source: streams of frames, texts good and bad, close codes, lengths that matter.

Autobahn numbers are those of the Autobahn test suite's cases; its 6.5 to 6.23 follow Markus Kuhn's UTF-8 decoder
stress test. Where a case says what an endpoint answers, what stands here is what a codec must tell that endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastws import CloseCode, Opcode, ProtocolError, Role, SizeError, Utf8Error
from oracles import frame, noise

#: The masking key of RFC 6455 §5.7.
KEY = bytes.fromhex("37fa213d")

ROLES = (Role.CLIENT, Role.SERVER)


def key_for(role: Role) -> bytes | None:
    """The key of a frame that the side with this role receives."""
    return KEY if role is Role.SERVER else None


# Lengths --------------------------------------------------------------------------------------------------------------

#: Every length of a few vector registers, and those around the borders of blocks, pages and header forms.
SHORT_LENGTHS = tuple(range(301))
LONG_LENGTHS = (
    *(511, 512, 513, 1023, 1024, 1025),
    *range(4096 - 33, 4096 + 34),
    *(8191, 8192, 8193, 16_383, 16_384, 16_385),
    *range(65_536 - 5, 65_536 + 6),
    *(65_536 + 63, 65_536 + 64, 65_536 + 65),
)

#: Payload lengths on both sides of each header form (RFC 6455 §5.2), and the longest that a header can tell.
FORM_LENGTHS = (0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537, 2**31, 2**32, 2**63 - 1)

# What a message decoder tells, as `outcomes.told` writes it ----------------------------------------------------------


Event = tuple[Any, ...]


def text(data: str) -> Event:
    return "Message", data, Opcode.TEXT


def binary(data: bytes) -> Event:
    return "Message", data, Opcode.BINARY


def ping(data: bytes = b"") -> Event:
    return "Ping", data


def pong(data: bytes = b"") -> Event:
    return "Pong", data


def close(code: int = 1005, reason: str = "") -> Event:
    return "Close", code, reason


@dataclass(frozen=True)
class Refusal:
    """The error that a stream ends in."""

    kind: type[ProtocolError]
    close_code: CloseCode
    text: str


def protocol(text: str) -> Refusal:
    return Refusal(ProtocolError, CloseCode.PROTOCOL_ERROR, text)


def not_utf8(offset: int, what: str = "text") -> Refusal:
    return Refusal(Utf8Error, CloseCode.INVALID_DATA, f"{what} is not UTF-8 at byte {offset}")


def cut_short(offset: int, what: str = "text") -> Refusal:
    return Refusal(Utf8Error, CloseCode.INVALID_DATA, f"{what} ends inside a code point at byte {offset}")


def too_big(text: str) -> Refusal:
    return Refusal(SizeError, CloseCode.MESSAGE_TOO_BIG, text)


_RESERVED_BITS = protocol("reserved bit set without an extension that uses it")
_FRAGMENTED = protocol("control frame is fragmented")
_TOO_LONG = protocol("control frame payload is over 125 bytes")
_NOTHING = protocol("continuation frame without a message to continue")
_UNFINISHED = protocol("new message before the last one was finished")


def _reserved(opcode: int) -> Refusal:
    return protocol(f"reserved opcode {opcode:#x}")


# Streams --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WireFrame:
    """One frame as sent: its first byte, its payload, and the bits of its length field unless they are the fewest."""

    first: int
    payload: bytes = b""
    form: int | None = None


@dataclass(frozen=True)
class Stream:
    """Frames, and what decoders make of them.

    Attributes:
        events: what a message decoder tells.
        refusal: the error that it ends in, or None.
        good_frames: how many frames a frame decoder returns, which judges no payload, before it refuses with
            ``refusal`` too; None where it takes all.
    """

    source: str
    frames: tuple[WireFrame, ...]
    events: tuple[Event, ...] = ()
    refusal: Refusal | None = None
    good_frames: int | None = None

    def wire(self, role: Role) -> bytes:
        """The bytes that the side with this role receives: masked for a server, each frame with a key of its own."""
        keys = noise(4 * len(self.frames), self.source)
        return b"".join(
            [
                frame(each.first, each.payload, keys[4 * i : 4 * i + 4] if role is Role.SERVER else None, each.form)
                for i, each in enumerate(self.frames)
            ]
        )


F = WireFrame
_HELLO = F(0x81, b"Hello, world!")
_KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
_BAD = _KOSME + b"\xed\xa0\x80edited"
_FIRST, _SECOND = F(0x01, b"fragment1"), F(0x80, b"fragment2")


def _octets(data: bytes) -> tuple[WireFrame, ...]:
    """A text message of one byte a frame."""
    last = len(data) - 1
    return tuple([F((0x80 if i == last else 0) | (0x00 if i else 0x01), data[i : i + 1]) for i in range(last + 1)])


def _messages() -> list[Stream]:
    """Autobahn 1: whole messages of lengths that matter."""
    lengths = (0, 125, 126, 127, 128, 65_535, 65_536)
    streams = [
        Stream(f"Autobahn 1.1.{i}", (F(0x81, b"*" * n),), (text("*" * n),)) for i, n in enumerate(lengths, start=1)
    ]
    streams += [
        Stream(f"Autobahn 1.2.{i}", (F(0x82, b"\xfe" * n),), (binary(b"\xfe" * n),))
        for i, n in enumerate(lengths, start=1)
    ]
    return streams


def _pings() -> list[Stream]:
    """Autobahn 2: control frames with and without payload."""
    octets = bytes.fromhex("00fffefdfcfb00ff")
    ten = [b"payload-%d" % i for i in range(10)]
    return [
        Stream("Autobahn 2.1", (F(0x89),), (ping(),)),
        Stream("Autobahn 2.2", (F(0x89, b"Hello, world!"),), (ping(b"Hello, world!"),)),
        Stream("Autobahn 2.3", (F(0x89, octets),), (ping(octets),)),
        Stream("Autobahn 2.4", (F(0x89, b"\xfe" * 125),), (ping(b"\xfe" * 125),)),
        Stream("Autobahn 2.5", (F(0x89, b"\xfe" * 126),), (), _TOO_LONG, 0),
        Stream("Autobahn 2.7", (F(0x8A),), (pong(),)),
        Stream("Autobahn 2.8", (F(0x8A, b"unsolicited pong"),), (pong(b"unsolicited pong"),)),
        Stream("Autobahn 2.9", (F(0x8A, b"unsolicited"), F(0x89, b"ping")), (pong(b"unsolicited"), ping(b"ping"))),
        Stream("Autobahn 2.10", tuple([F(0x89, each) for each in ten]), tuple([ping(each) for each in ten])),
    ]


def _reserved_bits() -> list[Stream]:
    """Autobahn 3: reserved bits without an extension."""
    hello = text("Hello, world!")
    return [
        Stream("Autobahn 3.1", (F(0x91, b"Hello, world!"),), (), _RESERVED_BITS, 0),
        Stream("Autobahn 3.2", (_HELLO, F(0xA1, b"Hello, world!"), F(0x89)), (hello,), _RESERVED_BITS, 1),
        Stream("Autobahn 3.3", (_HELLO, F(0xB1, b"Hello, world!"), F(0x89)), (hello,), _RESERVED_BITS, 1),
        Stream("Autobahn 3.4", (_HELLO, F(0xC1, b"Hello, world!"), F(0x89)), (hello,), _RESERVED_BITS, 1),
        Stream("Autobahn 3.5", (F(0xD2, bytes.fromhex("00fffefdfcfb00ff")),), (), _RESERVED_BITS, 0),
        Stream("Autobahn 3.6", (F(0xE9, b"Hello, world!"),), (), _RESERVED_BITS, 0),
        Stream("Autobahn 3.7", (F(0xF8),), (), _RESERVED_BITS, 0),
    ]


def _opcodes() -> list[Stream]:
    """Autobahn 4: reserved opcodes, data (4.1) and control (4.2)."""
    streams = []
    for group, opcodes in ((1, range(3, 8)), (2, range(11, 16))):
        for i, opcode in enumerate(opcodes, start=1):
            bad = F(0x80 | opcode, b"" if i % 2 else b"reserved opcode payload")
            before = (_HELLO,) if i >= 3 else ()
            events = (text("Hello, world!"),) if i >= 3 else ()
            streams.append(
                Stream(f"Autobahn 4.{group}.{i}", (*before, bad, F(0x89)), events, _reserved(opcode), len(before))
            )
    return streams


def _fragments() -> list[Stream]:
    """Autobahn 5: fragmentation (RFC 6455 §5.4)."""
    whole = text("fragment1fragment2")
    alone = b"non-continuation payload"
    five = [b"fragment%d" % i for i in range(1, 6)]
    return [
        Stream("Autobahn 5.1", (F(0x09, b"fragment1"), _SECOND), (), _FRAGMENTED, 0),
        Stream("Autobahn 5.2", (F(0x0A, b"fragment1"), _SECOND), (), _FRAGMENTED, 0),
        Stream("Autobahn 5.3", (_FIRST, _SECOND), (whole,)),
        Stream("Autobahn 5.6", (_FIRST, F(0x89, b"ping payload"), _SECOND), (ping(b"ping payload"), whole)),
        Stream("Autobahn 5.9", (F(0x80, alone), _HELLO), (), _NOTHING, 0),
        Stream("Autobahn 5.12", (F(0x00, alone), _HELLO), (), _NOTHING, 0),
        Stream("Autobahn 5.15", (_FIRST, _SECOND, F(0x00, five[2]), F(0x81, five[3])), (whole,), _NOTHING, 2),
        Stream("Autobahn 5.16", (F(0x00, five[0]), F(0x01, five[1]), F(0x80, five[2])) * 2, (), _NOTHING, 0),
        Stream("Autobahn 5.17", (F(0x80, five[0]), F(0x01, five[1]), F(0x80, five[2])) * 2, (), _NOTHING, 0),
        Stream("Autobahn 5.18", (_FIRST, F(0x81, b"fragment2")), (), _UNFINISHED, 1),
        Stream(
            "Autobahn 5.19",
            (
                *(F(0x01, five[0]), F(0x00, five[1]), F(0x89, b"pongme 1!")),
                *(F(0x00, five[2]), F(0x00, five[3]), F(0x89, b"pongme 2!"), F(0x80, five[4])),
            ),
            (ping(b"pongme 1!"), ping(b"pongme 2!"), text(b"".join(five).decode())),
        ),
    ]


def _texts() -> list[Stream]:
    """Autobahn 6.1 to 6.4: text in fragments, cut inside code points too, and refused as soon as it is lost."""
    hello = "Hello-µ@ßöäüàá-UTF-8!!"
    above = b"\xf4\x90\x80\x80"
    return [
        Stream("Autobahn 6.1.1", (F(0x81),), (text(""),)),
        Stream("Autobahn 6.1.2", (F(0x01), F(0x00), F(0x80)), (text(""),)),
        Stream("Autobahn 6.1.3", (F(0x01), F(0x00, b"middle frame payload"), F(0x80)), (text("middle frame payload"),)),
        Stream("Autobahn 6.2.1", (F(0x81, hello.encode()),), (text(hello),)),
        Stream("Autobahn 6.2.2", (F(0x01, hello[:11].encode()), F(0x80, hello[11:].encode())), (text(hello),)),
        Stream("Autobahn 6.2.3", _octets(hello.encode()), (text(hello),)),
        Stream("Autobahn 6.2.4", _octets(_KOSME), (text(_KOSME.decode()),)),
        Stream("Autobahn 6.3.1", (F(0x81, _BAD),), (), not_utf8(12)),
        Stream("Autobahn 6.3.2", _octets(_BAD), (), not_utf8(12)),
        Stream("Autobahn 6.4.1", (F(0x01, _KOSME), F(0x00, above), F(0x80, b"edited")), (), not_utf8(12)),
        Stream(
            "Autobahn 6.4.2", (F(0x01, _KOSME + above[:1]), F(0x00, above[1:2]), F(0x80, above[2:])), (), not_utf8(12)
        ),
    ]


def _closes() -> list[Stream]:
    """Autobahn 7: the closing handshake (RFC 6455 §5.5.1, §7.4)."""
    normal = F(0x88, b"\x03\xe8")
    hello = text("Hello, world!")
    long = b"BAsd7&jh23" * 512
    streams = [
        Stream("Autobahn 7.1.1", (_HELLO, normal), (hello, close(1000))),
        Stream("Autobahn 7.1.2", (normal, normal), (close(1000),)),
        Stream("Autobahn 7.1.3", (normal, F(0x89)), (close(1000),)),
        Stream("Autobahn 7.1.4", (normal, _HELLO), (close(1000),)),
        Stream("Autobahn 7.1.5", (_FIRST, normal, _SECOND), (close(1000),)),
        Stream("Autobahn 7.1.6", (F(0x81, long), normal, F(0x89)), (text(long.decode()), close(1000))),
        Stream("Autobahn 7.3.1", (F(0x88),), (close(),)),
        Stream("Autobahn 7.3.2", (F(0x88, b"a"),), (), protocol("close frame payload of 1 byte")),
        Stream("Autobahn 7.3.3", (normal,), (close(1000),)),
        Stream("Autobahn 7.3.4", (F(0x88, b"\x03\xe8Hello World!"),), (close(1000, "Hello World!"),)),
        Stream("Autobahn 7.3.5", (F(0x88, b"\x03\xe8" + b"*" * 123),), (close(1000, "*" * 123),)),
        Stream("Autobahn 7.3.6", (F(0x88, b"\x03\xe8" + b"*" * 124),), (), _TOO_LONG, 0),
        Stream("Autobahn 7.5.1", (F(0x88, b"\x03\xe8" + _BAD),), (), not_utf8(12, "close reason")),
    ]
    for group, codes in ((7, GOOD_CLOSE_CODES), (9, BAD_CLOSE_CODES)):
        for i, code in enumerate(codes, start=1):
            sent = (F(0x88, code.to_bytes(2, "big")),)
            if group == 7:
                streams.append(Stream(f"Autobahn 7.7.{i}", sent, (close(code),)))
            else:
                streams.append(Stream(f"Autobahn 7.9.{i}", sent, (), protocol(f"close code {code} must not be sent")))
    for i, code in enumerate((5000, 65_535), start=1):
        sent = (F(0x88, code.to_bytes(2, "big")),)
        streams.append(Stream(f"Autobahn 7.13.{i}", sent, (), protocol(f"close code {code} must not be sent")))
    return streams


#: Autobahn 7.7 and 7.9.
GOOD_CLOSE_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CLOSE_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)


def _own() -> list[Stream]:
    """What the sources above do not try."""
    euro = "€".encode()
    return [
        Stream(
            "every kind of frame in one stream",
            (
                *(F(0x02, noise(70, "a")), F(0x89, b"?"), F(0x00), F(0x8A, b"!"), F(0x80, noise(201, "b"))),
                *(F(0x81, "schön 你好 😀".encode()), F(0x82, noise(130, "c")), F(0x88, b"\x03\xe9" + euro), F(0x81)),
            ),
            (
                *(ping(b"?"), pong(b"!"), binary(noise(70, "a") + noise(201, "b"))),
                *(text("schön 你好 😀"), binary(noise(130, "c")), close(1001, "€")),
            ),
        ),
        Stream(
            "a control frame inside a code point",
            (F(0x01, euro[:1]), F(0x89, b"\xff"), F(0x00, euro[1:2]), F(0x8A), F(0x80, euro[2:]), F(0x81, euro)),
            (ping(b"\xff"), pong(), text("€"), text("€")),
        ),
        Stream("text ends inside a code point", (F(0x81, b"ab" + euro[:2]),), (), cut_short(4)),
        Stream("a message ends inside a code point", (F(0x01, b"ab"), F(0x00, euro[:2]), F(0x80)), (), cut_short(4)),
        Stream("a reason ends inside a code point", (F(0x88, b"\x0f\xa0a\xf0\x9f"),), (), cut_short(3, "close reason")),
        Stream(
            "good messages, then bad text",
            (_HELLO, F(0x89), F(0x81, b"\xff")),
            (text("Hello, world!"), ping()),
            not_utf8(0),
        ),
        Stream("a close in bad text", (F(0x01, b"a\xff"), F(0x88)), (), not_utf8(1)),
        Stream("a new binary message inside a text", (_FIRST, F(0x82, b"x")), (), _UNFINISHED, 1),
        Stream(
            "long length, not minimal",
            (F(0x82, b"x" * 125, form=16),),
            (),
            protocol("payload length is not in its shortest form"),
            0,
        ),
        Stream(
            "longest length, not minimal",
            (F(0x82, b"x" * 300, form=64),),
            (),
            protocol("payload length is not in its shortest form"),
            0,
        ),
    ]


_RFC_6455 = [
    Stream("RFC 6455 §5.7 a single-frame text message", (F(0x81, b"Hello"),), (text("Hello"),)),
    Stream("RFC 6455 §5.7 a fragmented text message", (F(0x01, b"Hel"), F(0x80, b"lo")), (text("Hello"),)),
    Stream("RFC 6455 §5.7 ping and pong", (F(0x89, b"Hello"), F(0x8A, b"Hello")), (ping(b"Hello"), pong(b"Hello"))),
    Stream("RFC 6455 §5.7 256 bytes binary", (F(0x82, noise(256)),), (binary(noise(256)),)),
    Stream("RFC 6455 §5.7 64 KiB binary", (F(0x82, noise(65_536)),), (binary(noise(65_536)),)),
]

STREAMS: tuple[Stream, ...] = (
    *_RFC_6455,
    *_messages(),
    *_pings(),
    *_reserved_bits(),
    *_opcodes(),
    *_fragments(),
    *_texts(),
    *_closes(),
    *_own(),
)

#: RFC 6455 §5.7, the bytes as printed there: local role, wire, what it means.
RFC_6455_EXAMPLES: tuple[tuple[Role, bytes, tuple[Event, ...]], ...] = (
    (Role.CLIENT, bytes.fromhex("810548656c6c6f"), (text("Hello"),)),
    (Role.SERVER, bytes.fromhex("818537fa213d7f9f4d5158"), (text("Hello"),)),
    (Role.CLIENT, bytes.fromhex("010348656c 80026c6f"), (text("Hello"),)),
    (Role.CLIENT, bytes.fromhex("890548656c6c6f"), (ping(b"Hello"),)),
    (Role.SERVER, bytes.fromhex("8a8537fa213d7f9f4d5158"), (pong(b"Hello"),)),
    (Role.CLIENT, bytes.fromhex("827e0100") + noise(256), (binary(noise(256)),)),
    (Role.CLIENT, bytes.fromhex("827f0000000000010000") + noise(65_536), (binary(noise(65_536)),)),
)


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def cuts(n: int) -> list[int]:
    """Where to cut a stream of n bytes: everywhere, or in a long one at its ends and around the block borders."""
    if n <= 600:
        return list(range(n + 1))
    near = [*range(21), *range(n - 20, n + 1), *range(20, n - 20, 4093)]
    near += [border + shift for border in range(4096, n, 16_384) for shift in range(-2, 17)]
    return sorted({cut for cut in near if 0 <= cut <= n})


# Texts ----------------------------------------------------------------------------------------------------------------

#: One alphabet for each way that CPython holds text, and one of all of them.
ALPHABETS = {
    "ascii": "The quick brown fox, \0\t\x7f!",
    "latin": "déjà vu, ÿ \x80\xff ñandú",
    "ucs2": "你好 κόσμε \u0100\u07ff\u0800\ud7ff\ue000\uffff привет",
    "ucs4": "😀🎉 \U00010000\U0010ffff𝄞",
    "mixed": "a long stretch of plain text and then é, 你, 😀 and plain text again",
}


def sample(alphabet: str, n: int) -> str:
    """n characters of an alphabet; never narrower than it for n > 1 and a wide character at its end."""
    letters = ALPHABETS[alphabet]
    return (letters * (n // len(letters) + 1))[:n]


#: Autobahn 6.5 to 6.23, payload by payload: those that are text …
GOOD_TEXTS = tuple(
    bytes.fromhex(line)
    for line in (
        *("68656c6c6f24776f726c64", "68656c6c6fc2a2776f726c64", "68656c6c6fe282ac776f726c64"),  # 6.5
        *("68656c6c6ff0a4ada2776f726c64", "cebae1bdb9cf83cebcceb5"),
        *("cebae1bdb9", "ceba", "cebae1bdb9cf83", "cebae1bdb9cf83cebc"),  # 6.6, those that end on a code point
        *("00", "c280", "e0a080", "f0908080"),  # 6.7
        *("7f", "dfbf", "efbfbf", "f48fbfbf"),  # 6.9
        *("ed9fbf", "ee8080", "efbfbd"),  # 6.11
        *("efbfbe", "f09fbfbe", "f09fbfbf", "f0afbfbe", "f0bfbfbf", "f18fbfbe", "f3bfbfbf", "f48fbfbe"),  # 6.22
        *("efbfb9", "efbfba", "efbfbb", "efbfbc"),  # 6.23
    )
)

#: … and those that are not.
BAD_TEXTS = tuple(
    bytes.fromhex(line)
    for line in (
        *("ce", "cebae1", "cebae1bd", "cebae1bdb9cf", "cebae1bdb9cf83ce", "cebae1bdb9cf83cebcce"),  # 6.6
        *("f888808080", "fc8480808080"),  # 6.8
        *("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"),  # 6.10
        "f4908080",  # 6.11
        *(
            "80",
            "bf",
            "80bf",
            "80bf80",
            "80bf80bf",
            "80bf80bf80",
            "80bf80bf80bf",
            bytes(range(0x80, 0xBF)).hex(),
        ),  # 6.12
        *("c020c120", "df20", "e020e120", "ef20", "f020f420", "f720", "f820fb20", "fc20fd20"),  # 6.13
        *("c0", "e080", "f08080", "f8808080", "fc80808080"),  # 6.14
        *("df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"),
        "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf",  # 6.15
        *("fe", "ff", "fefeffff"),  # 6.16
        *("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"),  # 6.17
        *("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"),  # 6.18
        *("c080", "e08080", "f0808080", "f880808080", "fc8080808080"),  # 6.19
        *("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"),  # 6.20
        *("eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf"),  # 6.21
        *("edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf"),
    )
)

#: Bytes on both sides of every border in the grammar of RFC 3629.
BORDER_BYTES = bytes.fromhex("00 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 f7 f8 ff")


class LyingText(str):
    """A string that lies about itself: what counts is what it holds."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        return b"not the text"

    def __len__(self) -> int:
        return 1

    def __str__(self) -> str:
        return "not the text"


class LyingBytes(bytes):
    """Bytes that lie about themselves, as well."""

    def __len__(self) -> int:
        return 1

    def __bytes__(self) -> bytes:
        return b"not the bytes"
