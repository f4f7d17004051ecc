"""The host's first asyncio implementation, deprecated but in use: frames read, messages decoded and encoded."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from ...errors import ProtocolError as CodecError
from ...frames import MAX_PAYLOAD, Role
from .frames import make_frame_parsers
from .messages import make_to_text
from .stand_in import StandIn

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

__all__ = ["make_prepare_data", "make_read", "make_read_message"]

# A global of the host's module. The replacement reads it there, see `rebase`; here it only has a name.
frames: Any = None


def make_read(plain: FunctionType, backend: ModuleType) -> Any:
    module: Any = sys.modules[plain.__module__]
    opcodes = {int(opcode): opcode for opcode in module.frames.Opcode}
    (parse_frame, _), whole, sides = make_frame_parsers(module, backend), _whole_stream, (Role.CLIENT, Role.SERVER)
    codec_error, no_limit = CodecError, MAX_PAYLOAD
    readexactly = asyncio.StreamReader.readexactly

    async def read(cls: Any, reader: Any, *, mask: Any, max_size: Any = None, extensions: Any = None) -> Any:
        stream, limit = whole(reader, readexactly), no_limit if max_size is None else max_size
        if stream is not None and type(limit) is int and 0 <= limit <= no_limit:
            try:
                told = parse_frame(stream._buffer, role=sides[bool(mask)], max_frame_size=limit, minimal_length=False)
            except codec_error:
                told = None
            if told is not None and told[0] & 0x0F in opcodes:
                first, data, _, end = told
                del stream._buffer[:end]
                stream._maybe_resume_transport()
                frame = frames.Frame(
                    opcodes[first & 0x0F], data, first >= 0x80, first & 0x40 != 0, first & 0x20 != 0, first & 0x10 != 0
                )
                if extensions is not None:
                    for extension in reversed(extensions):
                        frame = extension.decode(frame, max_size=max_size)
                frame.check()
                return cls(frame.fin, frame.opcode, frame.data, frame.rsv1, frame.rsv2, frame.rsv3)
        return await plain(cls, reader, mask=mask, max_size=max_size, extensions=extensions)

    return read


def _whole_stream(read_exactly: Any, own: Any) -> Any:
    """The stream that a bound ``readexactly`` reads from, where its buffer is known and it has not failed.

    Args:
        own: the function that it is unless somebody has replaced it.
    """
    stream = getattr(read_exactly, "__self__", None)
    if (
        type(stream) is asyncio.StreamReader
        and getattr(read_exactly, "__func__", None) is own
        and type(getattr(stream, "_buffer", None)) is bytearray
        and getattr(stream, "_exception", stream) is None
        and hasattr(stream, "_maybe_resume_transport")
    ):
        return stream
    return None


def make_read_message(plain: FunctionType, backend: ModuleType) -> Any:
    package = sys.modules[f"{plain.__module__.partition('.')[0]}.frames"]
    text, binary = package.Opcode.TEXT, package.Opcode.BINARY
    to_text, begun = make_to_text(backend), _begun

    async def read_message(self: Any) -> Any:
        frame = await self.read_data_frame(max_size=self.max_size)
        if frame is not None and frame.fin and type(frame.data) is bytes:
            if frame.opcode is text:
                return to_text(frame.data)
            if frame.opcode is binary:
                return frame.data
        return await plain(begun(self, frame))

    return read_message


def _begun(protocol: Any, first: Any) -> StandIn:
    """A protocol that gives a frame which was read already, and then those that follow."""
    frames = [first]

    async def read_data_frame(max_size: Any) -> Any:
        return frames.pop() if frames else await protocol.read_data_frame(max_size=max_size)

    return StandIn(protocol, read_data_frame=read_data_frame)


def make_prepare_data(plain: FunctionType, backend: ModuleType) -> Any:
    text = sys.modules[plain.__module__].__dict__["frames"].Opcode.TEXT
    encode_text = str.encode if backend.kernel_name() == "none" else backend.encode_text

    def prepare_data(data: Any) -> Any:
        if type(data) is str:
            return text, encode_text(data)
        return plain(data)

    return prepare_data
