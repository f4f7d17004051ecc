"""What can be wrong with bytes that a peer sent: the exception classes and the one table behind them.

Every fault of the peer is a ``ProtocolError`` that carries the close code to answer with (RFC 6455 §7.4.1). A fault of
the caller is a ``TypeError``, ``ValueError`` or ``BufferError``, or the ``StateError`` of a connection. Both twins
raise through ``protocol_error``, so that class, close code and text cannot part.
"""

from __future__ import annotations

import enum
from typing import Final

from .frames import CloseCode

__all__ = [
    "DeflateError",
    "Fault",
    "HandshakeError",
    "ProtocolError",
    "SizeError",
    "StateError",
    "Utf8Error",
    "protocol_error",
]


class ProtocolError(Exception):
    """The peer broke a rule of the protocol.

    Attributes:
        close_code: what a close frame should tell the peer: 1002, 1007 or 1009.
    """

    close_code: CloseCode = CloseCode.PROTOCOL_ERROR


class Utf8Error(ProtocolError, ValueError):
    """Text that is not UTF-8 (RFC 3629; close code 1007, RFC 6455 §8.1).

    Attributes:
        offset: bytes from the start of the text, or of the message, to the first byte that cannot be; where the text
            ends inside a code point, its length.
    """

    close_code = CloseCode.INVALID_DATA

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text, offset)
        self.offset = offset

    def __str__(self) -> str:
        return str(self.args[0])


class SizeError(ProtocolError):
    """A frame or message over the limit that the owner of the decoder set (close code 1009, RFC 6455 §7.4.1).

    Attributes:
        size: bytes (or fragments) that the peer has announced.
        limit: how many of them are allowed.
    """

    close_code = CloseCode.MESSAGE_TOO_BIG

    def __init__(self, text: str, size: int, limit: int) -> None:
        super().__init__(text, size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return str(self.args[0])


class DeflateError(ProtocolError):
    """A compressed message that does not inflate (RFC 7692 §6.2; close code 1007)."""

    close_code = CloseCode.INVALID_DATA


class HandshakeError(Exception):
    """The opening handshake failed (RFC 6455 §4).

    Attributes:
        status: the HTTP status that the server answers with, or has answered with; None where the peer sent none.
        headers: what a server's refusal says beside it, as pairs of name and value.
    """

    def __init__(self, text: str, status: int | None = None, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text, status, headers)
        self.status = status
        self.headers = headers

    def __str__(self) -> str:
        return str(self.args[0])


class StateError(RuntimeError):
    """A call that a connection does not allow in the state that it is in."""


class Fault(enum.IntEnum):
    """Every rule that a codec can check. 1 to 8 are the values of ``fws_fault`` in csrc/fastws.h."""

    RESERVED_BITS = 1
    RESERVED_OPCODE = 2
    CONTROL_FRAGMENTED = 3
    CONTROL_TOO_LONG = 4
    FRAME_UNMASKED = 5
    FRAME_MASKED = 6
    LENGTH_NOT_MINIMAL = 7
    LENGTH_TOP_BIT = 8
    NOTHING_TO_CONTINUE = 9
    MESSAGE_UNFINISHED = 10
    FRAME_TOO_BIG = 11
    MESSAGE_TOO_BIG = 12
    TOO_MANY_FRAGMENTS = 13
    CLOSE_TOO_SHORT = 14
    CLOSE_CODE = 15
    CLOSE_REASON = 16
    CLOSE_REASON_TRUNCATED = 17
    TEXT = 18
    TEXT_TRUNCATED = 19
    DEFLATE = 20
    DEFLATE_TRUNCATED = 21
    INFLATED_TOO_BIG = 22
    INFLATED_FRAME_TOO_BIG = 23


# fault → class and text; the numbers that `protocol_error` was given fill the braces and the class's own attributes.
_TABLE: Final[dict[Fault, tuple[type[ProtocolError], str]]] = {
    Fault.RESERVED_BITS: (ProtocolError, "reserved bit set without an extension that uses it"),
    Fault.RESERVED_OPCODE: (ProtocolError, "reserved opcode {:#x}"),
    Fault.CONTROL_FRAGMENTED: (ProtocolError, "control frame is fragmented"),
    Fault.CONTROL_TOO_LONG: (ProtocolError, "control frame payload is over 125 bytes"),
    Fault.FRAME_UNMASKED: (ProtocolError, "frame from a client is not masked"),
    Fault.FRAME_MASKED: (ProtocolError, "frame from a server is masked"),
    Fault.LENGTH_NOT_MINIMAL: (ProtocolError, "payload length is not in its shortest form"),
    Fault.LENGTH_TOP_BIT: (ProtocolError, "payload length has its top bit set"),
    Fault.NOTHING_TO_CONTINUE: (ProtocolError, "continuation frame without a message to continue"),
    Fault.MESSAGE_UNFINISHED: (ProtocolError, "new message before the last one was finished"),
    Fault.FRAME_TOO_BIG: (SizeError, "frame of {} bytes is over the limit of {}"),
    Fault.MESSAGE_TOO_BIG: (SizeError, "message of {} bytes is over the limit of {}"),
    Fault.TOO_MANY_FRAGMENTS: (SizeError, "message of {} fragments is over the limit of {}"),
    Fault.CLOSE_TOO_SHORT: (ProtocolError, "close frame payload of 1 byte"),
    Fault.CLOSE_CODE: (ProtocolError, "close code {} must not be sent"),
    Fault.CLOSE_REASON: (Utf8Error, "close reason is not UTF-8 at byte {}"),
    Fault.CLOSE_REASON_TRUNCATED: (Utf8Error, "close reason ends inside a code point at byte {}"),
    Fault.TEXT: (Utf8Error, "text is not UTF-8 at byte {}"),
    Fault.TEXT_TRUNCATED: (Utf8Error, "text ends inside a code point at byte {}"),
    Fault.DEFLATE: (DeflateError, "compressed message does not inflate"),
    Fault.DEFLATE_TRUNCATED: (DeflateError, "compressed message ends inside a block"),
    Fault.INFLATED_TOO_BIG: (SizeError, "message of {} bytes or more is over the limit of {}"),
    Fault.INFLATED_FRAME_TOO_BIG: (SizeError, "frame of {} bytes or more, inflated, is over the limit of {}"),
}


def protocol_error(fault: int, *numbers: int) -> ProtocolError:
    """The exception for a fault, ready to be raised.

    Args:
        fault: a ``Fault``, or its number as the C code reports it.
        numbers: what fills the text: the offset of a ``Utf8Error``, size and limit of a ``SizeError``, the value
            that is refused of the others.
    """
    kind, text = _TABLE[Fault(fault)]
    text = text.format(*numbers)
    if kind is ProtocolError:
        return ProtocolError(text)
    return kind(text, *numbers)
