"""The words of the protocol: roles, opcodes, close codes and the limits that RFC 6455 sets.

Both twins of the codec share these. The values that travel (``Frame``, ``Message``, ``Ping``, ``Pong``, ``Close``,
``FrameHeader``) are defined by each twin, because the native ones are extension types.
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = [
    "DEFAULT_MAX_FRAGMENTS",
    "MAX_CLOSE_REASON",
    "MAX_CONTROL_PAYLOAD",
    "MAX_HEADER_SIZE",
    "MAX_PAYLOAD",
    "CloseCode",
    "Opcode",
    "Role",
    "is_sendable_close_code",
]


class Role(enum.Enum):
    """Which side of the connection is the local one.

    A client masks what it sends and refuses masked frames; a server does the opposite (RFC 6455 §5.1).
    """

    CLIENT = "client"
    SERVER = "server"


class Opcode(enum.IntEnum):
    """What a frame carries (RFC 6455 §5.2). The ten values not listed here are reserved."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(enum.IntEnum):
    """Why a connection is closed (RFC 6455 §7.4.1 and the IANA registry it founded)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RCVD = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


#: Payload bytes of a control frame, at most (RFC 6455 §5.5).
MAX_CONTROL_PAYLOAD: Final = 125

#: UTF-8 bytes of a close reason, at most: a control payload less the two bytes of the code (RFC 6455 §5.5.1).
MAX_CLOSE_REASON: Final = MAX_CONTROL_PAYLOAD - 2

#: Bytes of the longest header: 2, an 8-byte length, a 4-byte masking key (RFC 6455 §5.2).
MAX_HEADER_SIZE: Final = 14

#: Payload bytes that a header can announce: the top bit of the 64-bit length must be 0 (RFC 6455 §5.2).
MAX_PAYLOAD: Final = 2**63 - 1

#: Frames in one message before a decoder gives up, unless its owner says otherwise. Empty fragments count: they cost
#: no memory, yet a peer that sends nothing else keeps a message open for ever. (Autobahn 9.3.1 sends 65,537.)
DEFAULT_MAX_FRAGMENTS: Final = 131_072


def is_sendable_close_code(code: int) -> bool:
    """Whether ``code`` may stand in a close frame (RFC 6455 §7.4).

    1004, 1005, 1006 and 1015 are set aside for local use, everything else below 3000 is unassigned, and 3000 to 4999
    belong to libraries and applications.
    """
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
