"""fastws: a WebSocket frame codec (RFC 6455) in C and Cython, its pure-Python twin, and accelerated host libraries.

The codec comes with the import. What accelerates host libraries is loaded when one of its names is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._version import __version__
from .backend import backend, backend_name, kernel_name
from .errors import ProtocolError, SizeError, Utf8Error
from .frames import CloseCode, Opcode, Role

if TYPE_CHECKING:
    from ._pure import (
        Close,
        Frame,
        FrameDecoder,
        FrameHeader,
        Message,
        MessageDecoder,
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
        parse_header,
    )
    from .hosts import HostError, accelerate, accelerated, restore
    from .report import status
else:
    Close = backend.Close
    Frame = backend.Frame
    FrameDecoder = backend.FrameDecoder
    FrameHeader = backend.FrameHeader
    Message = backend.Message
    MessageDecoder = backend.MessageDecoder
    Ping = backend.Ping
    Pong = backend.Pong
    Utf8Validator = backend.Utf8Validator
    decode_text = backend.decode_text
    encode_frame = backend.encode_frame
    encode_header = backend.encode_header
    encode_message = backend.encode_message
    encode_text = backend.encode_text
    is_utf8 = backend.is_utf8
    mask = backend.mask
    mask_inplace = backend.mask_inplace
    new_key = backend.new_key
    parse_header = backend.parse_header

    _LAZY = {
        "HostError": ".hosts",
        "accelerate": ".hosts",
        "accelerated": ".hosts",
        "restore": ".hosts",
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
    "Frame",
    "FrameDecoder",
    "FrameHeader",
    "HostError",
    "Message",
    "MessageDecoder",
    "Opcode",
    "Ping",
    "Pong",
    "ProtocolError",
    "Role",
    "SizeError",
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
    "parse_header",
    "restore",
    "status",
]
