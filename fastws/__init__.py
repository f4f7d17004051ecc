"""fastws: a WebSocket frame codec (RFC 6455) in C and Cython, its pure-Python twin, and accelerated host libraries.

The codec comes with the import. What accelerates host libraries is loaded when one of its names is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._version import __version__
from .backend import backend as _twin
from .backend import backend_name, kernel_name
from .errors import DeflateError, HandshakeError, ProtocolError, SizeError, StateError, Utf8Error
from .frames import CloseCode, Opcode, Role

if TYPE_CHECKING:
    from ._pure import (
        Close,
        Frame,
        FrameDecoder,
        FrameHeader,
        Message,
        MessageDecoder,
        MessageParser,
        Ping,
        Pong,
        Utf8Validator,
        decode_text,
        encode_frame,
        encode_header,
        encode_message,
        encode_text,
        is_utf8,
        mask,
        mask_inplace,
        new_key,
        parse_frame,
        parse_header,
        parse_messages,
    )
    from .connection import Connection, Fragment, State
    from .hosts import HostError, accelerate, accelerated, restore
    from .report import status
else:
    Close = _twin.Close
    Frame = _twin.Frame
    FrameDecoder = _twin.FrameDecoder
    FrameHeader = _twin.FrameHeader
    Message = _twin.Message
    MessageDecoder = _twin.MessageDecoder
    MessageParser = _twin.MessageParser
    Ping = _twin.Ping
    Pong = _twin.Pong
    Utf8Validator = _twin.Utf8Validator
    decode_text = _twin.decode_text
    encode_frame = _twin.encode_frame
    encode_header = _twin.encode_header
    encode_message = _twin.encode_message
    encode_text = _twin.encode_text
    is_utf8 = _twin.is_utf8
    mask = _twin.mask
    mask_inplace = _twin.mask_inplace
    new_key = _twin.new_key
    parse_frame = _twin.parse_frame
    parse_header = _twin.parse_header
    parse_messages = _twin.parse_messages

    _LAZY = {
        "Connection": ".connection",
        "Fragment": ".connection",
        "HostError": ".hosts",
        "accelerate": ".hosts",
        "accelerated": ".hosts",
        "restore": ".hosts",
        "State": ".connection",
        "status": ".report",
    }

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_LAZY[name], __name__), name)
        globals()[name] = value
        return value


__all__ = [
    "Close",
    "CloseCode",
    "Connection",
    "DeflateError",
    "Fragment",
    "Frame",
    "FrameDecoder",
    "FrameHeader",
    "HandshakeError",
    "HostError",
    "Message",
    "MessageDecoder",
    "MessageParser",
    "Opcode",
    "Ping",
    "Pong",
    "ProtocolError",
    "Role",
    "SizeError",
    "State",
    "StateError",
    "Utf8Error",
    "Utf8Validator",
    "__version__",
    "accelerate",
    "accelerated",
    "backend_name",
    "decode_text",
    "encode_frame",
    "encode_header",
    "encode_message",
    "encode_text",
    "is_utf8",
    "kernel_name",
    "mask",
    "mask_inplace",
    "new_key",
    "parse_frame",
    "parse_header",
    "parse_messages",
    "restore",
    "status",
]
