"""The codec in Python: the specification to read, and what runs where nothing can be compiled.

``_native.pyx`` has the same stages in the same order, the same names, the same results and the same errors; the
docstrings stand here in full and there with their first sentence. The order is the one in which a frame is read:
values, header, mask, utf8, frame, decoder, assembler, encoder.
"""

from __future__ import annotations

from .assembler import MessageDecoder
from .decoder import FrameDecoder
from .encoder import encode_frame, encode_message, new_key
from .frame import MessageParser, parse_frame, parse_messages
from .header import encode_header, parse_header
from .mask import mask, mask_inplace
from .utf8 import Utf8Validator, decode_text, encode_text, is_utf8
from .values import Close, Frame, FrameHeader, Message, Ping, Pong

__all__ = [
    "Close",
    "Frame",
    "FrameDecoder",
    "FrameHeader",
    "Message",
    "MessageDecoder",
    "MessageParser",
    "Ping",
    "Pong",
    "Utf8Validator",
    "available_kernels",
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
]


def kernel_name() -> str:
    """The CPU kernel in use; ``"none"`` here, where no C code runs."""
    return "none"


def available_kernels() -> tuple[str, ...]:
    """The CPU kernels that this machine can run, weakest first; empty here."""
    return ()
