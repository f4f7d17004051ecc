"""From bytes to frames: the header, the mask and the payload of a ``FrameDecoder``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError
from ..shape import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = [
    "BYTES",
    "LARGE",
    "advancer",
    "frame_protocol_of",
    "key_reader",
    "make_mask",
    "make_parse_header",
    "make_process_buffer",
    "payload_maker",
    "payload_types",
]

# Globals of the host's module. The replacements read them there, see `rebase`; here they only have a name.
Frame: Any = None
Header: Any = None
XorMaskerNull: Any = None
XorMaskerSimple: Any = None

#: The types that the host itself hands on.
BYTES: Final = (bytes, bytearray)

#: From this size on, bytes are taken out of the buffer through a view rather than by slicing it.
LARGE: Final = 8192

# Until 1.2.0 the payload of a frame is what the masker gives: bytes where there was something to unmask, and the
# bytearray taken from the buffer otherwise.
_MASKER_GIVES_BYTES: Final = "660b5d82bb44ac50"  # of XorMaskerSimple.process
_PAYLOAD_AS_IT_COMES: Final = "ada242b7de7e157b"  # of FrameDecoder.process_buffer


def frame_protocol_of(function: FunctionType) -> Any:
    """The module ``frame_protocol`` of the host that a function belongs to."""
    return sys.modules[f"{function.__module__.partition('.')[0]}.frame_protocol"]


def make_mask(plain: FunctionType, backend: ModuleType) -> Any:
    mask, mask_inplace, byte_types = backend.mask, backend.mask_inplace, BYTES
    gives_bytes = digest(plain) == _MASKER_GIVES_BYTES

    def process(self: Any, data: Any) -> Any:
        key = self._masking_key
        if not (data and type(data) in byte_types and type(key) in byte_types and len(key) == 4):
            return plain(self, data)
        if gives_bytes:
            masked = mask(data, key)
        else:
            masked = bytearray(data)
            mask_inplace(masked, key)
        turn = len(data) & 3
        self._masking_key = key[turn:] + key[:turn]
        return masked

    return process


def make_parse_header(plain: FunctionType, backend: ModuleType) -> Any:
    frame_protocol = frame_protocol_of(plain)
    frame_decoder, buffer_class = frame_protocol.FrameDecoder, frame_protocol.Buffer
    first_bytes, header_of, new_tuple = _first_bytes(frame_protocol), backend.parse_header, tuple.__new__
    codec_error, largest_control = ProtocolError, 125

    def parse_header(self: Any) -> Any:
        buffer, client = self.buffer, self.client
        if type(self) is not frame_decoder or type(buffer) is not buffer_class or buffer.bytes_used:
            return plain(self)
        data = buffer.buffer
        try:
            header = header_of(data)
        except codec_error:
            header = None
        if header is None or (header.key is None) != bool(client):
            return plain(self)
        said, length, end = first_bytes[data[0]], header.length, header.size
        if said is None or (said[3] and length > largest_control):
            return plain(self)
        fin, reserved, opcode, control = said
        size = end if client else end - 4
        if self.extensions or True in reserved:
            buffer.bytes_used = size
            self.extension_processing(opcode, reserved, length)
            buffer.bytes_used = 0
        self.masker = XorMaskerNull() if client else XorMaskerSimple(data[size:end])
        del data[:end]
        self.header = new_tuple(Header, (fin, reserved, opcode, length, None))
        self.effective_opcode = opcode
        self.payload_required = length if control else 0
        self.payload_consumed = 0
        return True

    return parse_header


def _first_bytes(frame_protocol: Any) -> list[tuple[bool, Any, Any, bool] | None]:
    """What each value of the first byte of a frame says: fin, reserved bits, opcode, whether it is a control frame.

    None where the host refuses it whatever the reserved bits mean.
    """
    said: list[tuple[bool, Any, Any, bool] | None] = [None] * 256
    for first in range(256):
        fin, opcode = first >= 0x80, first & 0x0F
        if opcode in (0, 1, 2) or (fin and opcode in (8, 9, 10)):
            reserved = frame_protocol.RsvBits(bool(first & 0x40), bool(first & 0x20), bool(first & 0x10))
            said[first] = fin, reserved, frame_protocol.Opcode(opcode), opcode >= 8
    return said


def make_process_buffer(plain: FunctionType, backend: ModuleType) -> Any:
    frame_protocol = frame_protocol_of(plain)
    frame_decoder, buffer_class, new_tuple = frame_protocol.FrameDecoder, frame_protocol.Buffer, tuple.__new__
    key_of, advance, payload_of = key_reader(frame_protocol), advancer(frame_protocol), payload_maker(plain, backend)
    large = LARGE

    def process_buffer(self: Any) -> Any:
        buffer = self.buffer
        if type(self) is not frame_decoder or type(buffer) is not buffer_class or self.extensions:
            return plain(self)
        if not self.header and not self.parse_header():
            return None
        key = key_of(self.masker)
        if buffer.bytes_used or key is False:
            return plain(self)
        data, length = buffer.buffer, self.header.payload_len
        taken = min(length - self.payload_consumed, len(data))
        if len(data) < self.payload_required or (length and not taken):
            return None
        if taken < large:
            payload = payload_of(data[:taken], key)
        else:
            with memoryview(data)[:taken] as view:
                payload = payload_of(view, key)
        del data[:taken]
        opcode, fin = self.effective_opcode, self.header.fin
        return new_tuple(Frame, (opcode, payload, advance(self, taken, key), fin))

    return process_buffer


def payload_types(process_buffer: FunctionType, *, copied: bool) -> tuple[str, str]:
    """How the payload of a binary message is typed on the server and on the client, see ``parse_frame``.

    Args:
        process_buffer: the host's own.
        copied: whether a ``bytearray`` is made of it in the end.
    """
    if copied:
        return "bytearray", "bytearray"
    return "bytes", "bytearray" if digest(process_buffer) == _PAYLOAD_AS_IT_COMES else "bytes"


def payload_maker(
    process_buffer: FunctionType, backend: ModuleType, *, copied: bool = False
) -> Callable[[Any, Any], Any]:
    """What makes a payload as the host types it, from bytes and their key, or None where they are not masked.

    Args:
        process_buffer: the host's own.
        copied: whether a ``bytearray`` is made of it in the end.
    """
    mask = backend.mask
    if copied:
        return lambda part, key: bytearray(part) if key is None else bytearray(mask(part, key))
    if digest(process_buffer) == _PAYLOAD_AS_IT_COMES:
        return lambda part, key: bytearray(part) if key is None else mask(part, key) or bytearray()
    return lambda part, key: bytes(part) if key is None else mask(part, key)


def key_reader(frame_protocol: Any) -> Callable[[Any], Any]:
    """What tells the key of a masker of the host, turned so that it starts with the next byte.

    None where nothing is masked, False for another masker.
    """
    xor_masker, null_masker, byte_types = frame_protocol.XorMaskerSimple, frame_protocol.XorMaskerNull, BYTES

    def key_of(masker: Any) -> Any:
        if type(masker) is null_masker:
            return None
        if type(masker) is not xor_masker:
            return False
        key = masker._masking_key
        return key if type(key) in byte_types and len(key) == 4 else False

    return key_of


def advancer(frame_protocol: Any) -> Callable[[Any, int, Any], bool]:
    """What leaves a ``FrameDecoder`` behind bytes taken of its payload; tells whether the frame ends there."""
    continuation = frame_protocol.Opcode.CONTINUATION

    def advance(decoder: Any, taken: int, key: Any) -> bool:
        decoder.payload_consumed += taken
        if key is not None:
            turn = taken & 3
            decoder.masker._masking_key = key[turn:] + key[:turn]
        if decoder.payload_consumed == decoder.header.payload_len:
            decoder.header = decoder.effective_opcode = decoder.masker = None
            return True
        decoder.effective_opcode = continuation
        return False

    return advance
