"""wsproto fed from a script: the events that it gave, and the state that it was left in after each of them.

A script is what arrives: pieces of bytes, and None for the end of the stream.
"""

# ruff: noqa: SLF001 - the state that is compared is private

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wsproto.extensions import Extension

KEY = b"\x37\xfa\x21\x3d"


def connect(*, client: bool, extensions: Sequence[Extension] = (), kind: type[Connection] = Connection) -> Connection:
    return kind(ConnectionType.CLIENT if client else ConnectionType.SERVER, list(extensions))


def play(script: Iterable[bytes | None], connection: Connection) -> list[Any]:
    """Feed a connection and take every event after each piece; what happened, with the state after each step."""
    trace: list[Any] = []
    for piece in script:
        trace.append((called(connection.receive_data, piece), state(connection)))
        for event in connection.events():
            trace.append((told(event), state(connection)))  # noqa: PERF401 - the state changes with each event
        trace.append(state(connection))
    return trace


def called(function: Callable[..., object], *arguments: object) -> Any:
    """What a call returned, with its types, or what it raised, with its causes."""
    try:
        return "returned", told(function(*arguments))
    except Exception as error:
        return "raised", failure(error)


def told(value: Any) -> Any:
    """A value with its type, at every depth."""
    if isinstance(value, Event):
        return type(value).__qualname__, [(name, told(item)) for name, item in vars(value).items()]
    if isinstance(value, list | tuple):
        return type(value).__qualname__, [told(item) for item in value]
    if isinstance(value, bytearray):
        return "bytearray", bytes(value)
    return type(value).__qualname__, value


def failure(error: BaseException | None) -> Any:
    """An exception: type, text, arguments, close code, and the exceptions that it names as its causes."""
    if error is None:
        return None
    return (
        type(error),
        str(error),
        told(error.args),
        getattr(error, "code", None),
        error.__suppress_context__,
        failure(error.__cause__),
        failure(error.__context__),
    )


def state(connection: Connection) -> dict[str, Any]:
    """Every attribute of a connection, and of what it is made of, that traffic changes."""
    protocol: Any = connection._proto
    return {
        "state": connection._state,
        "events": [told(event) for event in connection._events],
        "outbound": told(protocol._outbound_opcode),
        "ended": protocol._parse_more.gi_frame is None,
        **parser_state(protocol._frame_decoder),
        **assembler_state(protocol._message_decoder),
    }


def parser_state(decoder: Any) -> dict[str, Any]:
    masker = decoder.masker
    return {
        "buffer": told(decoder.buffer.buffer),
        "bytes_used": decoder.buffer.bytes_used,
        "header": told(decoder.header),
        "effective_opcode": told(decoder.effective_opcode),
        "masker": masker and (type(masker), told(getattr(masker, "_masking_key", None))),
        "payload_required": told(decoder.payload_required),
        "payload_consumed": told(decoder.payload_consumed),
    }


def assembler_state(decoder: Any) -> dict[str, Any]:
    return {
        "message": told(decoder.opcode),
        "characters": decoder.decoder and (type(decoder.decoder), told(decoder.decoder.getstate())),
    }


def frame(first: int, payload: bytes = b"", key: bytes | None = None, form: int | None = None) -> bytes:
    """A frame, masked where there is a key.

    Args:
        first: the first byte: fin, reserved bits, opcode.
        form: bits of the length field, 7, 16 or 64, where it is not to be the shortest.
    """
    n = len(payload)
    form = form or (7 if n < 126 else 16 if n < 65_536 else 64)
    masked = 0 if key is None else 0x80
    length = bytes([masked | n]) if form == 7 else bytes([masked | (126 if form == 16 else 127)])
    if form != 7:
        length += n.to_bytes(form // 8, "big")
    if key is not None:
        repeated = int.from_bytes((key * (n // 4 + 1))[:n], "big")
        payload = (int.from_bytes(payload, "big") ^ repeated).to_bytes(n, "big")
    return bytes([first]) + length + (key or b"") + payload


def in_pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    """A stream cut at these offsets; nothing is in no piece."""
    return [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)]) if end > start]
