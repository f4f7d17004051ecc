"""websockets fed from a script: the events, the bytes written, the log, and the state that it was left in.

A script is what the peer does: pieces of bytes, and ``EOF``.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import zlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import pytest
import websockets.version
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, Side, State

import traffic
from oracles import frame
from recording import called, failure, same_on, told
from traffic import (
    BINARY,
    CLOSE,
    COMPRESSED_BINARY,
    COMPRESSED_TEXT,
    CONT,
    PING,
    PONG,
    TEXT,
    UNFINISHED_COMPRESSED,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
)
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from websockets.extensions import Extension

EOF = None


def deflated(text: bytes = b"hello " * 9) -> tuple[bytes, bytes]:
    """Payloads of one message after another, compressed in one context."""
    peer = PerMessageDeflate(False, False, 15, 15)
    first, second = [bytes(peer.encode(Frame(Opcode.TEXT, data)).data) for data in (text, text)]
    return first, second


def ended(text: bytes) -> bytes:
    """The payload of a message whose last block says that nothing follows (RFC 7692 §7.2.3.4)."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(text) + deflater.flush() + b"\x00"


def key_for(side: Side) -> bytes | None:
    """What a peer masks with that sends to this side."""
    return KEY if side is SERVER else None


def streams(side: Side) -> dict[str, bytes]:
    """What a peer may send to this side: what every host is sent, and messages that are compressed."""
    key = key_for(side)
    compressed, again = deflated()

    def f(first: int, payload: bytes = b"") -> bytes:
        return frame(first, payload, key)

    def c(payload: bytes) -> bytes:
        return f(COMPRESSED_TEXT, payload)

    x = f(TEXT, b"x")
    return {
        **traffic.streams(key),
        "compressed": c(compressed) + f(TEXT, b"plain") + c(again) + f(PING, b"p"),
        "compressed binary": f(COMPRESSED_BINARY, compressed) + f(BINARY, b"plain") + c(again) + x,
        "compressed, one after another": c(compressed) + c(again) + c(again) + x,
        "compressed nothing": c(b"\x00") + c(b"") + c(compressed) + x,
        "compressed fragments": f(UNFINISHED_COMPRESSED, compressed[:4]) + f(PING) + f(CONT, compressed[4:]) + x,
        "compressed fragments, more of them": (
            c(compressed) + f(UNFINISHED_COMPRESSED, again[:1]) + f(UNFINISHED_CONT) + f(CONT, again[1:]) + c(again) + x
        ),
        "compressed between control frames": f(PING, b"a") + c(compressed) + f(PONG) + c(again) + f(PING) + x,
        "compressed within fragments": f(UNFINISHED_TEXT, b"a") + c(compressed) + f(CONT, b"b") + x,
        "compressed, then close": c(compressed) + f(CLOSE, b"\x03\xe8bye") + c(again),
        "compressed badly": c(b"\xff\xff\xff") + x,
        "compressed badly, later": x + c(compressed) + c(b"\xff" + again) + c(again) + x,
        "compressed, not all of it": c(compressed[:-2]) + c(again) + x,
        "compressed with an end": c(ended(b"abc")) + c(compressed) + x,
        "compressed with an end and more": c(ended(b"abc") + compressed) + x,
        "compressed text that is invalid": c(deflated(b"ab\xff")[0]) + x,
        "compressed, reserved bit 2": c(compressed) + f(0xE1, again) + x,
        "compressed, reserved opcode": c(compressed) + f(0xC3, again) + x,
        "compressed continuation": c(compressed) + f(UNFINISHED_COMPRESSED, again[:4]) + f(0xC0, again[4:]) + x,
        "compressed, masked wrongly": c(compressed) + frame(COMPRESSED_TEXT, again, None if key else KEY) + x,
    }


def after_a_message(side: Side, stream: bytes) -> bytes:
    """The same where something that a host takes at once comes first."""
    return frame(TEXT, b"0", key_for(side)) + stream


@dataclass(frozen=True)
class Options:
    """How a protocol is set up; ``looks``: whether somebody looks at the reader's buffer after each step."""

    max_size: Any = 2**20
    compressed: bool = False
    debug: bool = False
    state: State = State.OPEN
    deflate: tuple[bool, bool, int, int] = (False, False, 15, 15)
    looks: bool = True

    def __str__(self) -> str:
        flags = ["deflate"] * self.compressed + ["debug"] * self.debug
        flags += [f"max_size={self.max_size}"] * (self.max_size != 2**20)
        return "-".join([self.state.name, *flags])

    def extensions(self) -> list[Extension]:
        return [PerMessageDeflate(*self.deflate)] if self.compressed else []


class Log(logging.Handler):
    """A logger's records, as they would be written; a traceback counts as there or not."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Some versions cannot write every frame.
        self.lines.append((record.levelname, called(record.getMessage), record.exc_info is not None))


@dataclass
class Trace:
    """What happened, step by step, as plain values."""

    steps: list[Any] = field(default_factory=list)
    log: list[Any] = field(default_factory=list)


def new_protocol(side: Side, options: Options, kind: type[Protocol] = Protocol) -> tuple[Protocol, Log]:
    logger = logging.Logger("scripted", logging.DEBUG if options.debug else logging.INFO)
    log = Log()
    logger.addHandler(log)
    protocol = kind(side, max_size=options.max_size, logger=logger)
    protocol.extensions = options.extensions()
    protocol.state = options.state
    return protocol, log


def play(script: Iterable[bytes | None], side: Side, options: Options, kind: type[Protocol] = Protocol) -> Trace:
    """Give a protocol what the peer sends, piece by piece."""
    protocol, log = new_protocol(side, options, kind)
    trace = Trace(log=log.lines)
    for event in script:
        if event is EOF:
            protocol.receive_eof()
        else:
            protocol.receive_data(event)
        trace.steps.append(told_step(protocol, looks=options.looks))
    trace.steps.append(told_step(protocol))
    return trace


def told_step(protocol: Protocol, *, looks: bool = True) -> dict[str, Any]:
    """What a step gave, and every attribute that it may have changed."""
    reader = protocol.reader
    return {
        "events": [told(event) for event in protocol.events_received()],
        "writes": protocol.data_to_send(),
        "buffer": (type(reader.buffer), bytes(reader.buffer), type(reader), list(vars(reader))) if looks else None,
        "eof": reader.eof,
        "parser": protocol.parser.gi_code.co_name,  # type: ignore[attr-defined]
        "parser_exc": failure(protocol.parser_exc),
        "close_expected": protocol.close_expected(),
        "extensions": [told_deflate(each) for each in protocol.extensions if isinstance(each, PerMessageDeflate)],
        **{name: told(getattr(protocol, name)) for name in _STATE if hasattr(protocol, name)},
    }


def told_deflate(extension: PerMessageDeflate) -> Any:
    """What an extension remembers between frames."""
    decoder = vars(extension).get("decoder")
    seen = decoder and (decoder.unconsumed_tail, decoder.unused_data, decoder.eof)
    return sorted(vars(extension)), extension.decode_cont_data, seen


_STATE = (
    "state",
    "current_size",
    "cur_size",
    "expect_continuation_frame",
    "close_rcvd",
    "close_sent",
    "close_rcvd_then_sent",
    "eof_sent",
    "close_code",
    "close_reason",
)


@told.register(Frame)
@told.register(Close)
def _(value: Frame | Close) -> Any:
    return type(value).__name__, [(item.name, told(getattr(value, item.name))) for item in fields(value)]


@told.register(Opcode)
def _(value: Opcode) -> Any:
    """Whether it is the host's own object, too."""
    return "opcode", value is Opcode(int(value)), value.name


def cut(stream: bytes, cuts: Sequence[int]) -> list[bytes | None]:
    """A stream in pieces, cut at these offsets."""
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


SIDES = (CLIENT, SERVER)


same = functools.partial(same_on, "websockets")


# Frames and messages --------------------------------------------------------------------------------------------------

LONG = "中文é😀 abc " * 3000

MESSAGES: dict[str, list[Frame]] = {
    "text": [Frame(Opcode.TEXT, b"abc")],
    "text of a client": [Frame(Opcode.TEXT, bytearray("héllo".encode()))],
    "empty": [Frame(Opcode.TEXT, b""), Frame(Opcode.BINARY, bytearray())],
    "binary": [Frame(Opcode.BINARY, b"\xff\x00")],
    "binary of a client": [Frame(Opcode.BINARY, bytearray(b"\xff\x00"))],
    "binary that is text": [Frame(Opcode.BINARY, bytearray("中".encode()))],
    "long text": [Frame(Opcode.TEXT, bytearray(LONG.encode())), Frame(Opcode.TEXT, LONG.encode())],
    "fragments": [
        Frame(Opcode.TEXT, b"\xe4\xb8", False),
        Frame(Opcode.CONT, bytearray(b"\xad"), False),
        Frame(Opcode.CONT, b"!"),
    ],
    "many fragments": [
        Frame(Opcode.TEXT, b"", False),
        *[Frame(Opcode.CONT, b"\xc3\xa9", False)] * 50,
        Frame(Opcode.CONT, b""),
    ],
    "binary fragments": [Frame(Opcode.BINARY, b"\xff", False), Frame(Opcode.CONT, bytearray(b"\xfe"))],
    "one after another": [
        Frame(Opcode.TEXT, b"a"),
        Frame(Opcode.BINARY, b"b"),
        Frame(Opcode.TEXT, b"c", False),
        Frame(Opcode.CONT, b"d"),
    ],
    "invalid": [Frame(Opcode.TEXT, b"ab\xff"), Frame(Opcode.TEXT, b"c")],
    "invalid long": [Frame(Opcode.TEXT, bytearray(LONG.encode() + b"\xed\xa0\x80")), Frame(Opcode.TEXT, b"c")],
    "unfinished": [Frame(Opcode.TEXT, bytearray(b"ab\xe4\xb8")), Frame(Opcode.TEXT, b"c")],
    "invalid fragments": [Frame(Opcode.TEXT, b"\xe4", False), Frame(Opcode.CONT, b"x"), Frame(Opcode.TEXT, b"c")],
    "fragments that end too early": [
        Frame(Opcode.TEXT, b"\xe4", False),
        Frame(Opcode.CONT, b"\xb8"),
        Frame(Opcode.TEXT, b"c"),
    ],
    "no beginning": [Frame(Opcode.CONT, b"x"), Frame(Opcode.TEXT, b"c")],
    "no end": [Frame(Opcode.TEXT, b"x", False)],
}

DECODE = (None, True, False)


class Calls:
    """How often an assembler asked to pause and to resume, and when."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def arguments(self, high: int | None, low: int | None = None) -> dict[str, Any]:
        def call(name: str) -> Callable[[], None]:
            return lambda: self.made.append(name)

        return {"high": high, "low": low, "pause": call("pause"), "resume": call("resume")}


def outcome(error: BaseException) -> Any:
    return "raised", failure(error)


# Talking over a socket ------------------------------------------------------------------------------------------------

LONGEST = LONG * 6

# What the client sends, with the arguments of ``send``; the server sends each back.
SENT: tuple[tuple[Any, dict[str, Any]], ...] = (
    ("hello", {}),
    ("héllo", {}),
    ("", {}),
    (LONGEST, {}),
    (b"\xff\x00", {}),
    (bytearray(b"abc"), {}),
    (memoryview(b"abcdef"), {}),
    (b"x" * 70_000, {}),
    (["a", "é", "中"], {}),
    ([b"a", bytearray(b"b")], {}),
    ([], {}),
    (b"text", {"text": True}),
    (bytearray("é".encode()), {"text": True}),
    ("binary é", {"text": False}),
    ("as ever", {"text": None}),
)

# What cannot be sent.
REFUSED: tuple[Any, ...] = (5, None, {"a": 1})
BURST = 300

# What has to be said from version 15 on: threads shall not ping, and clients go straight to the server.
NO_PINGS: dict[str, Any] = {} if websockets.version.version < "15" else {"ping_interval": None}
NO_PROXY: dict[str, Any] = {} if websockets.version.version < "15" else {"proxy": None}


def burst() -> list[Any]:
    return [f"message {n} é" if n % 2 else bytes([n & 0xFF]) * n for n in range(BURST)]


def closed(error: ConnectionClosed | BaseException) -> Any:
    cause = error.__cause__
    return type(error), str(error), type(cause), str(cause)


async def serve_talk(connection: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            if message == "!burst":
                for each in burst():
                    await connection.send(each)
            elif message == "!invalid":
                await connection.send([b"ab\xff"])
                await connection.send(b"ab\xff", text=True)
            else:
                await connection.send(message)


async def talk(connection: Any, texts: bool = True) -> list[Any]:
    results: list[Any] = []
    for message, options in SENT:
        if options and not texts:
            continue
        await connection.send(message, **options)
        if message != []:
            results.append(told(await connection.recv()))
    await connection.send("!burst")
    results.append([told(await connection.recv()) for _ in range(BURST)])
    await connection.ping()
    for message in REFUSED:
        with pytest.raises(TypeError) as caught:
            await connection.send(message)
        results.append(str(caught.value))
    return results


async def end_talk(connection: Any) -> Any:
    try:
        while True:
            await connection.recv()
    except ConnectionClosed as error:
        received = closed(error)
    with pytest.raises(ConnectionClosed) as caught:
        await connection.send("late")
    return received, closed(caught.value), connection.close_code, connection.close_reason


async def end_with_invalid_text(connection: Any) -> Any:
    await connection.send("!invalid")
    assert await connection.recv(decode=False) == b"ab\xff"
    return await end_talk(connection)
