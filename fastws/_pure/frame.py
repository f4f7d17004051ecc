"""One whole frame out of a buffer, unmasked (RFC 6455 §5.2), or the messages that stand there one after the other, as
tuples or as records of the caller's own.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from ..errors import Fault, ProtocolError, protocol_error
from ..frames import Role
from .buffers import as_flat, as_limit, as_offset
from .header import extended_length
from .mask import xor
from .utf8 import decode_utf8
from .values import BINARY, TEXT, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .buffers import Buffer

#: First byte, payload, bytes that the payload had, offset of what follows.
ParsedFrame: TypeAlias = "tuple[int, str | bytes | bytearray, int, int]"

_WHOLE_TEXT: Final = 0x80 | TEXT
_WHOLE_MESSAGES: Final = (_WHOLE_TEXT, 0x80 | BINARY)
_COMPRESSED_MESSAGES: Final = (0xC0 | TEXT, 0xC0 | BINARY)


class FrameParser:
    """What a caller expects of frames, and wants of them.

    Args:
        unmask: XORs bytes with a key of 4 bytes.
    """

    __slots__ = ("_decode", "_limit", "_masked", "_minimal_length", "_mutable", "_unmask")

    def __init__(
        self,
        role: Role | None,
        max_frame_size: int | None,
        decode: bool,
        payload_as: str,
        minimal_length: bool,
        unmask: Callable[[bytes, bytes], bytes] = xor,
    ) -> None:
        if role is not None and not isinstance(role, Role):
            raise TypeError(f"role is a Role or None, not {type(role).__name__!r}")
        self._masked = None if role is None else 0x80 if role is Role.SERVER else 0
        self._limit = as_limit(max_frame_size, "max_frame_size")
        self._decode = bool(decode)
        if payload_as not in ("bytes", "bytearray"):
            raise ValueError(f"payload_as is 'bytes' or 'bytearray', not {payload_as!r}")
        self._mutable = payload_as == "bytearray"
        self._minimal_length = bool(minimal_length)
        self._unmask = unmask

    def parse(self, data: bytes | bytearray, start: int) -> ParsedFrame | None:
        """Take the frame at ``start``, or None while it is not all there."""
        n = len(data)
        if n - start < 2:
            return None
        first, second = data[start], data[start + 1]
        if self._masked is not None and second & 0x80 != self._masked:
            raise protocol_error(Fault.FRAME_UNMASKED if self._masked else Fault.FRAME_MASKED)
        length, size = second & 0x7F, 2
        if length >= 126:
            length, size = extended_length(data, start, self._minimal_length)
            if not size:
                return None
        if length > self._limit:
            raise protocol_error(Fault.FRAME_TOO_BIG, length, self._limit)
        body = start + size + (4 if second & 0x80 else 0)
        end = body + length
        if n < end:
            return None
        payload = bytes(data[body:end])
        if second & 0x80 and payload:
            payload = self._unmask(payload, bytes(data[body - 4 : body]))
        if self._decode and first == _WHOLE_TEXT:
            return first, decode_utf8(payload, Fault.TEXT, Fault.TEXT_TRUNCATED), length, end
        return first, bytearray(payload) if self._mutable else payload, length, end

    def parse_messages(self, data: bytes | bytearray, start: int, rsv1: bool = False) -> list[ParsedFrame]:
        """Take the whole messages from ``start`` on."""
        messages: list[ParsedFrame] = []
        wanted = (*_WHOLE_MESSAGES, *_COMPRESSED_MESSAGES) if rsv1 else _WHOLE_MESSAGES
        n = len(data)
        while start < n and data[start] in wanted:
            try:
                message = self.parse(data, start)
            except ProtocolError:
                if messages:
                    break
                raise
            if message is None:
                break
            messages.append(message)
            start = message[3]
        return messages


def parse_frame(
    data: Buffer,
    offset: int = 0,
    *,
    role: Role | None,
    max_frame_size: int | None,
    decode: bool = False,
    payload_as: str = "bytes",
    minimal_length: bool = True,
) -> ParsedFrame | None:
    """Take one whole frame out of a buffer, unmasked (RFC 6455 §5.2).

    For whoever keeps the bytes and the state of a connection: nothing is consumed, and only what the frame alone
    decides is checked. Reserved bits, opcodes, control frames and the order of frames are the caller's to judge, by
    the first byte.

    Args:
        data: a buffer of n bytes.
        offset: where in ``data`` the frame starts, 0 to n.
        role: the local side; a server expects masked frames and a client refuses them (§5.1). None takes both.
        max_frame_size: payload bytes that the frame may have; None for what a header can announce, 2**63 - 1.
        decode: whether the payload of a text message in this one frame, without reserved bits (first byte 0x81), is
            validated and decoded; other text is not looked at.
        payload_as: "bytes" or "bytearray", for every payload that is not decoded.
        minimal_length: refuse a length that a shorter form could tell, as RFC 6455 asks.
    Returns: the first byte as it was sent, the payload, how many bytes it had, and the offset of what follows; or
        None while ``data`` ends before the frame does.
    Raises:
        ProtocolError: as soon as the bytes tell: the frame is masked and must not be, or the other way round; then
            its length has its top bit set or is not minimal.
        SizeError: the length is over ``max_frame_size``.
        Utf8Error: the text to decode is not UTF-8.
        ValueError: ``offset`` is outside of ``data``, or ``max_frame_size`` or ``payload_as`` is none of the above.
    """
    parser = FrameParser(role, max_frame_size, decode, payload_as, minimal_length)
    offset = index(offset)
    data = as_flat(data)
    return parser.parse(data, as_offset(offset, len(data)))


def parse_messages(
    data: Buffer,
    offset: int = 0,
    *,
    role: Role | None,
    max_frame_size: int | None,
    decode: bool = False,
    payload_as: str = "bytes",
    minimal_length: bool = True,
    rsv1: bool = False,
) -> list[ParsedFrame]:
    """Take the messages of one frame each that stand one after the other in a buffer (RFC 6455 §5.2, §5.6).

    This is ``parse_frame`` for as long as there is a whole frame whose first byte is 0x81 or 0x82: a message of its
    own, text or binary. Before any other frame it stops.

    Args:
        rsv1: whether messages with RSV1 set are taken, too: 0xC1 and 0xC2, which are compressed (RFC 7692 §6). Their
            payload is given as it was sent.
    Returns: what ``parse_frame`` gives for each; what follows the last of them is not complete, no such message, or
        wrong.
    Raises: what ``parse_frame`` does, where there is nothing to return.
    """
    parser = FrameParser(role, max_frame_size, decode, payload_as, minimal_length)
    wants_compressed = bool(rsv1)
    offset = index(offset)
    data = as_flat(data)
    return parser.parse_messages(data, as_offset(offset, len(data)), wants_compressed)


class MessageParser:
    """Takes the messages of one frame each that stand in buffers, and makes records of them (RFC 6455 §5.2, §5.6).

    ``parse_messages`` for whoever asks often and has a named tuple of its own: what is expected is told once. Text is
    always decoded. Nothing is kept from one call to the next.

    Args:
        record: a class derived from tuple. A message is ``tuple.__new__(record, (kind, payload, *more))``.
        text, binary: the kind of a message.
        more: the last items of each record.
        role, max_frame_size, minimal_length: as for ``parse_frame``.
        overhead: what a message counts besides the bytes of its payload, 0 to 65535.
    Raises:
        TypeError, ValueError: an argument is none of the above.
    """

    __slots__ = ("_binary", "_more", "_overhead", "_parser", "_record", "_text")

    def __init__(
        self,
        record: type[tuple[Any, ...]],
        text: object,
        binary: object,
        more: Iterable[object] = (),
        *,
        role: Role | None,
        max_frame_size: int | None,
        minimal_length: bool = True,
        overhead: int = 0,
    ) -> None:
        tuple.__new__(record, ())
        self._more = tuple(more)
        self._parser = FrameParser(role, max_frame_size, True, "bytes", minimal_length)
        self._overhead = within(overhead, 0, _MAX_OVERHEAD, "overhead is")
        self._record, self._text, self._binary = record, text, binary

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    def parse(self, data: Buffer, offset: int, room: int, /) -> tuple[list[tuple[tuple[Any, ...], int]], int, int, int]:
        """Take the messages from ``offset`` on, as long as there is room.

        Args:
            data: a buffer of n bytes.
            offset: where in ``data`` the first frame starts, 0 to n.
            room: what the messages may count, each the bytes of its payload and the overhead. One that begins within it
                is still taken.
        Returns: the messages, each with the bytes of its payload; the offset of what follows; what the messages count;
            and, where a message follows that is cut, how many bytes from its start on tell more: those of its header,
            or of all of it. That is 0 where there is no room, or nothing, or no such message, or one that is wrong.
        Raises:
            ValueError: ``offset`` is outside of ``data``.
        """
        offset, room = index(offset), index(room)
        data = as_flat(data)
        start, n = as_offset(offset, len(data)), len(data)
        messages: list[tuple[tuple[Any, ...], int]] = []
        taken = needed = 0
        while room >= taken and start < n and data[start] in _WHOLE_MESSAGES:
            try:
                message = self._parser.parse(data, start)
            except ProtocolError:
                break
            if message is None:
                needed = _bytes_needed(data, start)
                break
            messages.append((self._new_record(message), message[2]))
            taken += message[2] + self._overhead
            start = message[3]
        return messages, start, taken, needed

    def deliver(self, data: Buffer, put: Callable[[tuple[Any, ...], int], object], /) -> bool:
        """Call ``put`` with a message and its bytes where ``data`` is one message and nothing else; whether it was.

        Args:
            data: a buffer.
            put: gets what ``parse`` gives for a message.
        """
        data = as_flat(data)
        if not data or data[0] not in _WHOLE_MESSAGES:
            return False
        try:
            message = self._parser.parse(data, 0)
        except ProtocolError:
            return False
        if message is None or message[3] != len(data):
            return False
        put(self._new_record(message), message[2])
        return True

    def _new_record(self, message: ParsedFrame) -> tuple[Any, ...]:
        kind = self._text if message[0] == _WHOLE_TEXT else self._binary
        return tuple.__new__(self._record, (kind, message[1], *self._more))


_MAX_OVERHEAD: Final = 65535


def _bytes_needed(data: bytes | bytearray, start: int) -> int:
    """How many bytes tell more of a frame that is cut: those of its header, or all of it."""
    if len(data) - start < 2:
        return 2
    length, size = data[start + 1] & 0x7F, 2
    if length >= 126:
        length, size = extended_length(data, start, False)
    if not size:
        length, size = 0, 4 if data[start + 1] & 0x7F == 126 else 10
    return size + (4 if data[start + 1] & 0x80 else 0) + length
