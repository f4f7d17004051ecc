"""A large piece of a frame is not copied into the buffer of a ``FrameDecoder`` only to be taken out of it again.

It stays as it was received until ``Connection.events`` takes it, or until anybody looks at the buffer: then its bytes
are where the host keeps them, whether the host is accelerated or was restored meanwhile.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["header_reader", "holder", "holding_class", "releaser"]

# First bytes of frames of messages, with no reserved bit; what the second says of a length in 8 bytes, and the size of
# the longest header (RFC 6455 §5.2).
_DATA: Final = frozenset({0x00, 0x01, 0x02, 0x80, 0x81, 0x82})
_LENGTH, _LONGEST, _MASKED = 0x7F, 0x7F, 0x80
_LARGEST_HEADER: Final = 14


@functools.cache
def holding_class(buffer_class: Any) -> Any:
    """What a ``Buffer`` of the host is while it holds what was received; one class for all adapters of that host."""

    def get(self: Any) -> Any:
        values = self.__dict__
        held = values.pop("_held", b"")
        self.__class__ = buffer_class
        values["buffer"] += held
        return values["buffer"]

    def put(self: Any, value: Any) -> None:
        get(self)
        self.buffer = value

    def reduce(self: Any, protocol: Any) -> Any:
        get(self)
        return self.__reduce_ex__(protocol)

    # Its bytearray is the same all the time, behind the property.
    names = {"__slots__": (), "buffer": property(get, put), "__reduce_ex__": reduce}
    return type(buffer_class.__name__, (buffer_class,), names)


def holder(frame_protocol: Any) -> Callable[[Any, Any, bytes], bool]:
    """What has the buffer of a ``FrameDecoder``, which is empty, hold what was received, if that is only payload."""
    holding, most, longest = holding_class(frame_protocol.Buffer), _LENGTH, _LONGEST

    def hold(decoder: Any, buffer: Any, data: bytes) -> bool:
        if decoder.extensions or (decoder.header is None and data[1] & most != longest):
            return False
        buffer._held = data
        buffer.__class__ = holding
        return True

    return hold


def header_reader(frame_protocol: Any, backend: ModuleType) -> Callable[[Any, Any], bool]:
    """What reads the header of a long frame off what a buffer holds; False where the host may refuse it."""
    buffer_class, holding, header_of = frame_protocol.Buffer, holding_class(frame_protocol.Buffer), backend.parse_header
    data_frames, masked, largest, codec_error = _DATA, _MASKED, _LARGEST_HEADER, ProtocolError

    def read_header(decoder: Any, buffer: Any) -> bool:
        held = buffer._held
        start = held[:largest]
        try:
            usual = (
                start[0] in data_frames
                and (start[1] >= masked) != bool(decoder.client)
                and header_of(start) is not None
            )
        except codec_error:
            return False
        if usual:
            buffer.__class__ = buffer_class
            buffer.buffer += start
            decoder.parse_header()
            size = len(start) - len(buffer.buffer)
            del buffer.buffer[:]
            buffer.__class__ = holding
            buffer._held = memoryview(held)[size:]
        return usual

    return read_header


def releaser(buffer_class: Any) -> Callable[[Any, int], None]:
    """What has a buffer let go of what it holds, of which so many bytes were taken; it keeps the others."""

    def release(buffer: Any, taken: int) -> None:
        held = buffer.__dict__.pop("_held")
        buffer.__class__ = buffer_class
        if taken < len(held):
            buffer.buffer += held[taken:]

    return release
