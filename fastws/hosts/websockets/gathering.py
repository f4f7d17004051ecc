"""The payload of a large frame that arrives in many reads: what was read is kept as it came, and put together once.

The host appends each read to its buffer, which moves as it grows, and copies the payload out of it at the end. Here the
reader is of another class while its connection waits for such a payload. Whoever looks at the buffer meanwhile, be it
the host's own code at the end of the stream, finds what the host would have there; from then on the reader is the
host's again.
"""

from __future__ import annotations

import functools
from typing import Any, Final

__all__ = ["SHORTEST", "Gathering", "begins_large", "gathering_reader", "start_gathering", "take_gathered"]

#: Payloads of this many bytes and more: their length has 8 bytes.
SHORTEST: Final = 65_536
_LENGTH_IN_8_BYTES: Final = 127

# Reads of fewer bytes go into the buffer: to keep each as an object would take more memory than its bytes.
_SMALL: Final = 16_384


class Gathering:
    """What was read of a payload, behind what was in the buffer before.

    Attributes:
        missing: bytes that have not arrived.
        parts: what has, as it came.
    """

    __slots__ = ("_arrived", "missing", "parts")

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.parts: list[Any] = []
        self._arrived = 0

    def add(self, data: Any) -> bool:
        """Take the next part, not more than is missing.

        Returns: False, and nothing is taken, where the parts have become too small.
        """
        n = len(data)
        if len(self.parts) > self._arrived // _SMALL:
            return False
        self.parts.append(_kept(data))
        self._arrived += n
        self.missing -= n
        return True


def _kept(data: Any) -> Any:
    """Data that nobody can change: a copy, unless nobody can."""
    kind = type(data)
    return data if kind is bytes or (kind is memoryview and type(data.obj) is bytes) else bytes(data)


@functools.cache
def gathering_reader(plain: Any) -> Any:
    """What the host's reader becomes while a large payload arrives; ``gathering`` is what it has of it."""

    class StreamReader(plain):  # type: ignore[misc]
        gathering: Gathering

        @property
        def buffer(self) -> Any:
            own: Any = vars(self)
            own["buffer"] += b"".join(own.pop("gathering").parts)
            self.__class__ = plain
            return own["buffer"]

        @buffer.setter
        def buffer(self, value: Any) -> None:
            own: Any = vars(self)
            del own["gathering"]
            self.__class__ = plain
            own["buffer"] = value

        def __reduce_ex__(self, protocol: Any) -> Any:
            _ = self.buffer
            return self.__reduce_ex__(protocol)

    StreamReader.__qualname__, StreamReader.__module__ = plain.__qualname__, plain.__module__
    return StreamReader


def begins_large(data: Any) -> int:
    """Bytes of the header that stands at the start of the data, if it is one of a large frame; 0 otherwise."""
    if len(data) < 2 or data[1] & 0x7F != _LENGTH_IN_8_BYTES:
        return 0
    size = 14 if data[1] & 0x80 else 10
    return size if len(data) >= size else 0


def start_gathering(reader: Any, length: int) -> None:
    """Wait for a payload, of which the buffer has no more than the beginning."""
    reader.gathering = Gathering(length - len(reader.buffer))
    plain: Any = type(reader)
    reader.__class__ = gathering_reader(plain)


def take_gathered(reader: Any, as_bytes: bool) -> Any:
    """The payload, once nothing is missing; the buffer is empty then, and the reader is the host's again."""
    own = vars(reader)
    parts = [own["buffer"], *own["gathering"].parts]
    payload = b"".join(parts) if as_bytes else bytearray().join(parts)
    del own["gathering"]
    reader.__class__ = type(reader).__base__
    own["buffer"] = bytearray()
    return payload
