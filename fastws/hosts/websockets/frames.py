"""One frame: masked, parsed out of the host's buffer, and serialized."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError as CodecError
from ..framing import frame_parsers
from .gathering import SHORTEST, start_gathering, take_gathered
from .stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = [
    "LARGE",
    "is_flat",
    "make_apply_mask",
    "make_encoder",
    "make_frame_parsers",
    "make_parse",
    "make_serialize",
    "make_unmask",
    "system_keys",
]

# Payloads of this many bytes and more are not copied where that can be avoided.
LARGE: Final = 16_384


# Masking --------------------------------------------------------------------------------------------------------------


def make_apply_mask(plain: FunctionType, backend: ModuleType) -> Any:
    """What the host masks with where its own extension is missing."""
    xor, types = backend.mask, (bytes, bytearray)

    def apply_mask(data: Any, mask: Any) -> Any:
        if type(data) in types and type(mask) in types and len(mask) == 4:
            return xor(data, mask)
        return plain(data, mask)

    return apply_mask


def make_unmask(module: ModuleType, backend: ModuleType) -> Callable[[Any, Any], bytes]:
    """What unmasks: the codec, or, where that is not compiled, what the host has, which may be."""
    if backend.kernel_name() != "none":
        compiled: Callable[[Any, Any], bytes] = backend.mask
        return compiled
    host: Any = module
    return lambda data, key: host.apply_mask(data, key)


def make_frame_parsers(module: ModuleType, backend: ModuleType) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``parse_frame`` and ``parse_messages``, which unmask as above."""
    return frame_parsers(backend, make_unmask(module, backend))


# Parsing --------------------------------------------------------------------------------------------------------------


def make_parse(plain: FunctionType, backend: ModuleType) -> Any:
    module = sys.modules[plain.__module__]
    stream_reader = sys.modules[f"{module.__package__}.streams"].StreamReader
    plain_read = stream_reader.read_exact
    opcodes = {int(opcode): opcode for opcode in module.Opcode}
    header_of, take_payload, unmask = backend.parse_header, _take_payload, make_unmask(module, backend)
    codec_error, shortest, start = CodecError, SHORTEST, start_gathering

    def parse(cls: Any, read_exact: Any, *, mask: Any, max_size: Any = None, extensions: Any = None) -> Any:
        reader: Any = getattr(read_exact, "__self__", None)
        header = None
        if type(reader) is stream_reader and getattr(read_exact, "__func__", None) is plain_read:
            try:
                header = header_of(reader.buffer, minimal_length=False)
            except codec_error:
                header = None  # a length that the host takes as it is
        if (
            header is None
            or header.opcode not in opcodes
            or (header.key is not None) != mask
            or (max_size is not None and header.length > max_size)
        ):
            return (yield from plain(cls, read_exact, mask=mask, max_size=max_size, extensions=extensions))
        length = header.length
        # The host, too, has taken the header by the time that it waits for the payload.
        del reader.buffer[: header.size]
        if length >= shortest and len(reader.buffer) < length:
            start(reader, length)
        while len(reader.buffer) < length if type(reader) is stream_reader else reader.gathering.missing:
            if reader.eof:
                yield from read_exact(length)  # raises, and tells what is missing
            yield
        data = take_payload(reader, length, header.key, unmask)
        frame = cls(opcodes[header.opcode], data, header.fin, header.rsv1, header.rsv2, header.rsv3)
        if extensions is not None:
            for extension in reversed(extensions):
                frame = extension.decode(frame, max_size=max_size)
        frame.check()
        return frame

    return parse


def _take_payload(reader: Any, length: int, key: bytes | None, unmask: Callable[[Any, bytes], bytes]) -> Any:
    """The payload that a reader has whole, unmasked."""
    if hasattr(reader, "gathering"):
        payload = take_gathered(reader, as_bytes=key is not None)
        return payload if key is None else unmask(payload, key)
    buffer = reader.buffer
    if key is None and length >= LARGE:
        # A large payload keeps the memory that it arrived in.
        reader.buffer = buffer[length:]
        del buffer[length:]
        return buffer
    payload = buffer[:length] if key is None else _unmasked(buffer, length, key, unmask)
    del buffer[:length]
    return payload


def _unmasked(buffer: bytearray, length: int, key: bytes, unmask: Callable[[Any, bytes], bytes]) -> bytes:
    """The payload at the start of a buffer, unmasked; a large one is not copied before."""
    if length == len(buffer):
        return unmask(buffer, key)
    if length < LARGE:
        return unmask(buffer[:length], key)
    with memoryview(buffer) as view, view[:length] as payload:
        return unmask(payload, key)


# Serializing ----------------------------------------------------------------------------------------------------------


def make_encoder(module: ModuleType, backend: ModuleType) -> Callable[..., bytes]:
    """What writes one frame: the codec, or the header alone where it is not compiled and the host's mask may be."""
    if backend.kernel_name() != "none":
        compiled: Callable[..., bytes] = backend.encode_frame
        return compiled
    host: Any = module
    encode_header = backend.encode_header

    def encode_frame(opcode: int, payload: Any, *, key: Any = None, **flags: Any) -> bytes:
        data = payload.encode() if isinstance(payload, str) else payload
        header: bytes = encode_header(opcode, len(data), key=key, **flags)
        return b"".join((header, data if key is None else host.apply_mask(data, key)))

    return encode_frame


def system_keys(module: ModuleType) -> Any:
    """What the host draws masking keys with, unless a test has replaced it; what equals nothing otherwise.

    Where it stands there unreplaced, keys may come from the codec as well.

    Args:
        module: the host's ``frames``, in which it stands.
    """
    host: Any = module
    found = host.secrets.token_bytes
    return found if getattr(found, "__globals__", None) is vars(secrets) else object()


def make_serialize(plain: FunctionType, backend: ModuleType) -> Any:
    module = sys.modules[plain.__module__]
    opcode_class, first_control = module.Opcode, 8
    encode_frame, new_key, drawn = make_encoder(module, backend), backend.new_key, system_keys(module)
    flat, checked, largest_control = is_flat, _checked, 125

    def serialize(self: Any, *, mask: Any, extensions: Any = None) -> Any:
        self.check()
        if extensions is not None:
            for extension in extensions:
                self = extension.encode(self)
        opcode, data, fin = self.opcode, self.data, self.fin
        if (
            type(opcode) is opcode_class
            and flat(data)
            and (opcode < first_control or (fin and len(data) <= largest_control))
            and (not mask or secrets.token_bytes is drawn)
        ):
            key = new_key() if mask else None
            if fin and not (self.rsv1 or self.rsv2 or self.rsv3):
                return encode_frame(opcode, data, key=key)
            return encode_frame(opcode, data, fin=fin, rsv1=self.rsv1, rsv2=self.rsv2, rsv3=self.rsv3, key=key)
        return plain(checked(self), mask=mask)

    return serialize


def is_flat(data: Any) -> bool:
    """Whether the bytes of ``data`` are as many as its length says, one behind the other."""
    if type(data) is memoryview:
        return data.itemsize == 1 and data.ndim == 1 and data.c_contiguous
    return type(data) is bytes or type(data) is bytearray


def _checked(frame: Any) -> Any:
    """A frame that need not be checked: extensions may have set bits that the host would refuse by now."""
    return StandIn(frame, check=lambda: None)
