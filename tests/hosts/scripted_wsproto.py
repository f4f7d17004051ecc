"""wsproto fed from a script: the events that it gave, and the state that it was left in after each of them.

A script is what arrives: pieces of bytes, and None for the end of the stream.
"""

# ruff: noqa: SLF001 - the state that is compared is private

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import Event

from recording import called, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wsproto.extensions import Extension


def connect(*, client: bool, extensions: Sequence[Extension] = (), kind: type[Connection] = Connection) -> Connection:
    return kind(ConnectionType.CLIENT if client else ConnectionType.SERVER, list(extensions))


def play(script: Iterable[bytes | None], connection: Connection, *, looking: bool = True) -> list[Any]:
    """Feed a connection and take every event after each piece; what happened, with the state after each step.

    Args:
        looking: whether somebody looks at the state between the piece and the events, too.
    """
    trace: list[Any] = []
    for piece in script:
        result = called(connection.receive_data, piece)
        trace.append((result, state(connection) if looking else None))
        for event in connection.events():
            trace.append((told(event), state(connection)))  # noqa: PERF401 - the state changes with each event
        trace.append(state(connection))
    return trace


@told.register(Event)
def _(value: Event) -> Any:
    return type(value).__qualname__, [(name, told(item)) for name, item in vars(value).items()]


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
