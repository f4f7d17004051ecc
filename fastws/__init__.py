"""fastws: a WebSocket frame codec (RFC 6455) in C and Cython, its pure-Python twin, and accelerated host libraries."""

from __future__ import annotations

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


__all__ = [
    "Close",
    "CloseCode",
    "Frame",
    "FrameDecoder",
    "FrameHeader",
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
]
