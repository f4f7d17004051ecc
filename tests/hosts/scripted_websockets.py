"""websockets fed from a script: the events, the bytes written, the log, and the state that it was left in.

A script is what the peer does: pieces of bytes, and ``EOF``.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import pytest
import websockets.version
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, Side, State

from oracles import frame
from recording import called, failure, same_on, told
from traffic import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    UNFINISHED_BINARY,
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


def streams(side: Side) -> dict[str, bytes]:
    """What a peer may send to this side: right, wrong, and half of it."""
    key = KEY if side is SERVER else None

    def f(first: int, payload: bytes = b"", form: int | None = None) -> bytes:
        return frame(first, payload, key, form)

    compressed, again = deflated()
    return {
        "text": f(TEXT, "héllo".encode()),
        "empty text": f(TEXT),
        "binary": f(BINARY, bytes(range(40))),
        "three messages": f(TEXT, b"a") + f(BINARY, b"\xff") + f(TEXT, "中文".encode()),
        "fragments": f(UNFINISHED_TEXT, b"\xe4\xb8") + f(UNFINISHED_CONT, b"\xad") + f(CONT, b"!") + f(TEXT, b"x"),
        "message, fragments, message": f(TEXT, b"a") + f(UNFINISHED_BINARY, b"b") + f(CONT, b"c") + f(TEXT, b"d"),
        "empty fragments": f(UNFINISHED_TEXT) + f(UNFINISHED_CONT) + f(CONT, b"x"),
        "control frames between": (
            f(TEXT, b"0")
            + f(UNFINISHED_TEXT, b"ab")
            + f(PING, b"?")
            + f(PONG, b"!")
            + f(CONT, b"cd")
            + f(PING)
            + f(TEXT, b"e")
        ),
        "text after unfinished": f(UNFINISHED_TEXT, b"ab") + f(TEXT, b"cd") + f(CONT, b"ef"),
        "message, text after unfinished": f(TEXT, b"0") + f(UNFINISHED_TEXT, b"ab") + f(TEXT, b"cd") + f(CONT, b"ef"),
        "nothing to continue": f(CONT, b"ab") + f(TEXT, b"cd"),
        "message, nothing to continue": f(TEXT, b"0") + f(CONT, b"ab") + f(TEXT, b"cd"),
        "pings": f(PING) + f(PING, bytes(125)) + f(TEXT, b"x") + f(PING, b"1") + f(TEXT, b"y"),
        "ping of 126": f(PING, bytes(126)) + f(TEXT, b"x"),
        "message, ping of 126": f(TEXT, b"x") + f(PING, bytes(126)) + f(TEXT, b"x"),
        "ping without fin": f(0x09, b"x") + f(TEXT, b"x"),
        "message, ping without fin": f(TEXT, b"x") + f(0x09, b"x") + f(TEXT, b"x"),
        "pong without fin": f(0x0A, b"x") + f(TEXT, b"x"),
        "close": f(CLOSE, b"\x03\xe8bye") + f(TEXT, b"late"),
        "message, close": f(TEXT, b"0") + f(CLOSE, b"\x03\xe8bye") + f(TEXT, b"late"),
        "close without code": f(CLOSE) + f(TEXT, b"x"),
        "close of 1": f(TEXT, b"x") + f(CLOSE, b"\x03") + f(TEXT, b"x"),
        "close of 2": f(CLOSE, b"\x0f\xa0"),
        "close with bad code": f(TEXT, b"x") + f(CLOSE, b"\x03\xed") + f(TEXT, b"x"),
        "close with bad reason": f(TEXT, b"x") + f(CLOSE, b"\x03\xe8\xff") + f(TEXT, b"x"),
        "close within a message": f(TEXT, b"x") + f(UNFINISHED_TEXT, b"y") + f(CLOSE, b"\x03\xe8") + f(TEXT, b"x"),
        "close of 126": f(CLOSE, b"\x03\xe8" + bytes(124)) + f(TEXT, b"x"),
        "reserved bit 1": f(0xC1, b"x") + f(TEXT, b"x"),
        "message, reserved bit 1": f(TEXT, b"x") + f(0xC1, b"x") + f(TEXT, b"x"),
        "reserved bit 2": f(0xA1, b"x") + f(TEXT, b"x"),
        "reserved bit 3": f(0x91, b"x") + f(TEXT, b"x"),
        "reserved bit of a ping": f(TEXT, b"x") + f(0xC9, b"x") + f(TEXT, b"x"),
        "reserved opcode": f(0x83, b"x") + f(TEXT, b"x"),
        "message, reserved opcode": f(TEXT, b"x") + f(0x83, b"x") + f(TEXT, b"x"),
        "reserved control opcode": f(0x8B, b"x") + f(TEXT, b"x"),
        "wrong masking": frame(TEXT, b"x", None if key else KEY) + f(TEXT, b"x"),
        "message, wrong masking": f(TEXT, b"x") + frame(TEXT, b"x", None if key else KEY) + f(TEXT, b"x"),
        "126 bytes": f(TEXT, b"x" * 126) + f(TEXT, b"y"),
        "long form of a short length": (
            f(TEXT, b"ab", form=16) + f(TEXT, b"cd", form=64) + f(TEXT, b"x") + f(BINARY, b"ef", form=64) + f(TEXT)
        ),
        "long form of a ping": f(TEXT, b"x") + f(PING, b"ab", form=16) + f(TEXT, b"x"),
        "length with its top bit": b"\x82\xff\x80" + bytes(7) + b"abc" if key else b"\x82\x7f\x80" + bytes(7) + b"abc",
        "invalid text": f(TEXT, b"ab\xff") + f(TEXT, b"x"),
        "unfinished code point": f(TEXT, b"ab\xe4\xb8") + f(TEXT, b"x"),
        "compressed": f(0xC1, compressed) + f(TEXT, b"plain") + f(0xC1, again) + f(PING, b"p"),
        "compressed fragments": f(0x41, compressed[:4]) + f(PING) + f(CONT, compressed[4:]) + f(TEXT, b"x"),
        "compressed badly": f(0xC1, b"\xff\xff\xff") + f(TEXT, b"x"),
        "reserved bit of a continuation": f(0x41, compressed[:4]) + f(0xC0, compressed[4:]) + f(TEXT, b"x"),
    }


@dataclass(frozen=True)
class Options:
    """How a protocol is set up."""

    max_size: Any = 2**20
    compressed: bool = False
    debug: bool = False
    state: State = State.OPEN

    def __str__(self) -> str:
        flags = ["deflate"] * self.compressed + ["debug"] * self.debug
        flags += [f"max_size={self.max_size}"] * (self.max_size != 2**20)
        return "-".join([self.state.name, *flags])

    def extensions(self) -> list[Extension]:
        return [PerMessageDeflate(False, False, 15, 15)] if self.compressed else []


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
        trace.steps.append(told_step(protocol))
    return trace


def told_step(protocol: Protocol) -> dict[str, Any]:
    """What a step gave, and every attribute that it may have changed."""
    reader = protocol.reader
    return {
        "events": [told(event) for event in protocol.events_received()],
        "writes": protocol.data_to_send(),
        "buffer": (type(reader.buffer), bytes(reader.buffer), reader.eof),
        "parser": protocol.parser.gi_code.co_name,  # type: ignore[attr-defined]
        "parser_exc": failure(protocol.parser_exc),
        "close_expected": protocol.close_expected(),
        **{name: told(getattr(protocol, name)) for name in _STATE if hasattr(protocol, name)},
    }


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
