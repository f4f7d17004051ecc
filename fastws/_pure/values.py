"""The values that travel: headers, frames, messages and control frames."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..frames import MAX_HEADER_SIZE, MAX_PAYLOAD, CloseCode, Opcode
from .buffers import as_key

if TYPE_CHECKING:
    from collections.abc import Callable

CONTINUATION: Final = int(Opcode.CONTINUATION)
TEXT: Final = int(Opcode.TEXT)
BINARY: Final = int(Opcode.BINARY)
CLOSE: Final = int(Opcode.CLOSE)
PING: Final = int(Opcode.PING)
PONG: Final = int(Opcode.PONG)

#: The opcodes that are not reserved, by number.
OPCODES: Final[dict[int, Opcode]] = {int(opcode): opcode for opcode in Opcode}


def as_opcode(opcode: int) -> Opcode:
    try:
        return OPCODES[index(opcode)]
    except KeyError:
        raise ValueError(f"opcode {index(opcode)} is reserved") from None


def require_bytes(data: Any, what: str) -> bytes:
    if not isinstance(data, bytes):
        raise TypeError(f"{what} is bytes, not {type(data).__name__!r}")
    # Not bytes(data), which a subclass may answer as it likes.
    return data if type(data) is bytes else memoryview(data).tobytes()


class _Value:
    """Equality, hash, repr, pickling and immutability for the small values below, by the fields in ``__slots__``."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self._fields()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._fields()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is read-only")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is read-only")


# A slot's own setter, for constructors: it gets past the `__setattr__` that makes the values read-only.
def _setter(cls: type, name: str) -> Callable[[object, object], None]:
    setter: Callable[[object, object], None] = getattr(cls, name).__set__
    return setter


def within(number: int, low: int, high: int, what: str) -> int:
    number = index(number)
    if not low <= number <= high:
        raise ValueError(f"{what} {low} to {high}, not {number}")
    return int(number)


class FrameHeader(_Value):
    """The first 2 to 14 bytes of a frame (RFC 6455 §5.2), as they stand on the wire.

    Attributes:
        fin, rsv1, rsv2, rsv3: the four flags.
        opcode: 0 to 15; reserved ones are not refused here.
        key: the masking key, 4 bytes, or None where the frame is not masked.
        length: payload bytes that follow.
        size: bytes of the header itself.
    """

    __slots__ = ("fin", "key", "length", "opcode", "rsv1", "rsv2", "rsv3", "size")
    __match_args__ = ("fin", "rsv1", "rsv2", "rsv3", "opcode", "key", "length", "size")

    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    opcode: int
    key: bytes | None
    length: int
    size: int

    def __init__(
        self, fin: bool, rsv1: bool, rsv2: bool, rsv3: bool, opcode: int, key: bytes | None, length: int, size: int
    ) -> None:
        values = (
            bool(fin),
            bool(rsv1),
            bool(rsv2),
            bool(rsv3),
            within(opcode, 0, 15, "an opcode is"),
            None if key is None else as_key(key),
            within(length, 0, MAX_PAYLOAD, "a payload has bytes,"),
            within(size, 2, MAX_HEADER_SIZE, "a header has bytes,"),
        )
        for name, value in zip(self.__match_args__, values, strict=True):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return (
            f"FrameHeader(fin={self.fin}, rsv1={self.rsv1}, rsv2={self.rsv2}, rsv3={self.rsv3}, opcode={self.opcode}, "
            f"key={self.key!r}, length={self.length}, size={self.size})"
        )


class Frame(_Value):
    """One frame with its payload, unmasked.

    Attributes:
        opcode: an ``Opcode``.
        payload: the payload, ``bytes``.
        fin: whether the message ends with this frame.
        rsv1, rsv2, rsv3: bits that an extension gives a meaning.
    """

    __slots__ = ("fin", "opcode", "payload", "rsv1", "rsv2", "rsv3")
    __match_args__ = ("opcode", "payload", "fin", "rsv1", "rsv2", "rsv3")

    opcode: Opcode
    payload: bytes
    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool

    def __init__(
        self,
        opcode: int,
        payload: bytes,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
    ) -> None:
        _set_frame_opcode(self, as_opcode(opcode))
        _set_frame_payload(self, require_bytes(payload, "a payload"))
        _set_frame_fin(self, bool(fin))
        _set_frame_rsv1(self, bool(rsv1))
        _set_frame_rsv2(self, bool(rsv2))
        _set_frame_rsv3(self, bool(rsv3))

    def __repr__(self) -> str:
        flags = [name for name in ("rsv1", "rsv2", "rsv3") if getattr(self, name)]
        shown = "".join([", fin=False" if not self.fin else "", *(f", {name}=True" for name in flags)])
        return f"Frame({self.opcode.name}, {self.payload!r}{shown})"


_set_frame_opcode = _setter(Frame, "opcode")
_set_frame_payload = _setter(Frame, "payload")
_set_frame_fin = _setter(Frame, "fin")
_set_frame_rsv1 = _setter(Frame, "rsv1")
_set_frame_rsv2 = _setter(Frame, "rsv2")
_set_frame_rsv3 = _setter(Frame, "rsv3")


class Message(_Value):
    """A whole text or binary message, its fragments joined.

    Attributes:
        data: ``str`` for text (``bytes`` from a decoder with ``text_as="bytes"``), ``bytes`` for binary.
        opcode: ``Opcode.TEXT`` or ``Opcode.BINARY``; where it is not given, the type of ``data`` tells.
    """

    __slots__ = ("data", "opcode")
    __match_args__ = ("data", "opcode")

    data: str | bytes
    opcode: Opcode

    def __init__(self, data: str | bytes, opcode: int | None = None) -> None:
        if not isinstance(data, (str, bytes)):
            raise TypeError(f"a message is str or bytes, not {type(data).__name__!r}")
        if opcode is None:
            opcode = TEXT if isinstance(data, str) else BINARY
        elif opcode not in (TEXT, BINARY):
            raise ValueError("the opcode of a message is TEXT or BINARY")
        _set_message_data(self, data)
        _set_message_opcode(self, OPCODES[opcode])

    def __repr__(self) -> str:
        told = (self.opcode == TEXT) == isinstance(self.data, str)
        return f"Message({self.data!r})" if told else f"Message({self.data!r}, {self.opcode.name})"


_set_message_data = _setter(Message, "data")
_set_message_opcode = _setter(Message, "opcode")


def new_message(data: str | bytes, opcode: int) -> Message:
    """A message whose parts are known to be right."""
    message: Message = object.__new__(Message)
    _set_message_data(message, data)
    _set_message_opcode(message, OPCODES[opcode])
    return message


class Ping(_Value):
    """A ping, to be answered with a pong of the same data (RFC 6455 §5.5.2).

    Attributes:
        data: up to 125 bytes.
    """

    __slots__ = ("data",)
    __match_args__ = ("data",)

    data: bytes

    def __init__(self, data: bytes = b"") -> None:
        object.__setattr__(self, "data", require_bytes(data, "a ping"))

    def __repr__(self) -> str:
        return f"Ping({self.data!r})"


class Pong(_Value):
    """A pong, asked for by a ping or not (RFC 6455 §5.5.3).

    Attributes:
        data: up to 125 bytes.
    """

    __slots__ = ("data",)
    __match_args__ = ("data",)

    data: bytes

    def __init__(self, data: bytes = b"") -> None:
        object.__setattr__(self, "data", require_bytes(data, "a pong"))

    def __repr__(self) -> str:
        return f"Pong({self.data!r})"


class Close(_Value):
    """The start, or the echo, of the closing handshake (RFC 6455 §5.5.1).

    Attributes:
        code: the close code; 1005 stands for a close frame without one.
        reason: the close reason, up to 123 bytes as UTF-8.
    """

    __slots__ = ("code", "reason")
    __match_args__ = ("code", "reason")

    code: int
    reason: str

    def __init__(self, code: int = CloseCode.NO_STATUS_RCVD, reason: str = "") -> None:
        if not isinstance(reason, str):
            raise TypeError(f"a close reason is str, not {type(reason).__name__!r}")
        object.__setattr__(self, "code", int(index(code)))
        # Not str(reason), which a subclass may answer as it likes.
        object.__setattr__(self, "reason", str.__str__(reason))

    def __repr__(self) -> str:
        return f"Close({self.code}, {self.reason!r})"
