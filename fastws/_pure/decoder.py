"""From bytes to frames (RFC 6455 §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from ..errors import Fault, ProtocolError, protocol_error
from ..frames import MAX_CONTROL_PAYLOAD, Role
from .buffers import as_bytes, as_limit
from .header import extended_length
from .mask import xor
from .values import BINARY, CONTINUATION, OPCODES, TEXT, Frame

if TYPE_CHECKING:
    from .buffers import Buffer


def as_role(role: Role) -> Role:
    if not isinstance(role, Role):
        raise TypeError(f"role is a Role, not {type(role).__name__!r}")
    return role


# First bytes of data frames that are right where they stand: no reserved bit, in order.
_STARTS: Final = frozenset((TEXT, BINARY, 0x80 | TEXT, 0x80 | BINARY))
_CONTINUES: Final = frozenset((CONTINUATION, 0x80 | CONTINUATION))


class HeaderReader:
    """Reads headers from a stream cut anywhere, and refuses a bad one as soon as its bytes tell.

    The rules of two bytes come first (reserved bits, opcode, control frames, masking, the order of frames), then
    those of the length; so an error does not depend on how the stream was cut.
    """

    __slots__ = ("_in_message", "_masked", "_minimal_length", "_partial", "_reserved")

    def __init__(self, role: Role, reserved: int, minimal_length: bool) -> None:
        self._masked = 0x80 if as_role(role) is Role.SERVER else 0
        # Reserved bits that data frames may carry.
        self._reserved = reserved
        self._minimal_length = bool(minimal_length)
        # The bytes of a header that is not complete.
        self._partial = b""
        # Whether a message has begun, so that a continuation must follow.
        self._in_message = False

    def _check(self, first: int, second: int) -> None:
        """What the first two bytes decide (RFC 6455 §5.1, §5.2, §5.4, §5.5)."""
        if first in (_CONTINUES if self._in_message else _STARTS) and second & 0x80 == self._masked:
            return
        opcode = first & 0x0F
        if first & 0x70 & ~self._allowed_bits(opcode):
            raise protocol_error(Fault.RESERVED_BITS)
        if opcode not in OPCODES:
            raise protocol_error(Fault.RESERVED_OPCODE, opcode)
        if opcode & 0x08:
            self._check_control(first, second)
        if second & 0x80 != self._masked:
            raise protocol_error(Fault.FRAME_UNMASKED if self._masked else Fault.FRAME_MASKED)
        if opcode == CONTINUATION and not self._in_message:
            raise protocol_error(Fault.NOTHING_TO_CONTINUE)
        if opcode in (TEXT, BINARY) and self._in_message:
            raise protocol_error(Fault.MESSAGE_UNFINISHED)

    def _check_control(self, first: int, second: int) -> None:
        if not first & 0x80:
            raise protocol_error(Fault.CONTROL_FRAGMENTED)
        if second & 0x7F > MAX_CONTROL_PAYLOAD:
            raise protocol_error(Fault.CONTROL_TOO_LONG)

    def _allowed_bits(self, opcode: int) -> int:
        """Reserved bits that an extension may set: RSV1 where a message starts (RFC 7692 §6), none on control."""
        if opcode & 0x08:
            return 0
        return self._reserved if opcode else self._reserved & 0x30

    def _next_header(self, data: bytes, position: int) -> tuple[int, int, int, bytes]:
        """Read one header.

        Returns: the offset after it, its first byte, the payload length and the key; or offset 0 where ``data`` ends
            before the header does, whose bytes are then kept.
        """
        partial = self._partial
        if partial:
            header = partial + data[position : position + 14 - len(partial)]
            position -= len(partial)
        else:
            header = data[position : position + 14]
        n = len(header)
        if n >= 2:
            first, second = header[0], header[1]
            self._check(first, second)
            length, size = second & 0x7F, 2
            if length >= 126:
                length, size = extended_length(header, 0, self._minimal_length)
            if size:
                self._check_length(first, length)
                if self._masked:
                    size += 4
                if n >= size:
                    self._partial = b""
                    return position + size, first, length, header[size - 4 : size] if self._masked else b""
        self._partial = header
        return 0, 0, 0, b""

    def _check_length(self, first: int, length: int) -> None:
        raise NotImplementedError


class FrameDecoder(HeaderReader):
    """Cuts a stream of bytes into frames (RFC 6455 §5.2), cut anywhere on its way here.

    It belongs to one owner at a time. An error is final.

    Args:
        role: the local side; a server expects masked frames and a client refuses them (§5.1).
        max_frame_size: payload bytes that a frame may have; None for what a header can announce, 2**63 - 1. A frame
            is refused by its header, before any of its payload is kept.
        rsv1: whether an extension uses RSV1, on the frames that start a message (RFC 7692 §6).
        rsv2, rsv3: whether an extension uses that bit, on data frames.
        minimal_length: refuse lengths that a shorter form could tell.

    Attributes:
        error: the ``ProtocolError`` that stopped the decoder, or None.
        buffered: bytes kept of a frame that is not complete.
    """

    __slots__ = ("_error", "_first", "_key", "_length", "_max_frame_size", "_payload")

    def __init__(
        self,
        role: Role,
        *,
        max_frame_size: int | None,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
        minimal_length: bool = True,
    ) -> None:
        reserved = (0x40 if rsv1 else 0) | (0x20 if rsv2 else 0) | (0x10 if rsv3 else 0)
        super().__init__(role, reserved, minimal_length)
        self._max_frame_size = as_limit(max_frame_size, "max_frame_size")
        self._error: ProtocolError | None = None
        # The frame whose header is read and whose payload is not complete; None between frames.
        self._payload: bytearray | None = None
        self._first = 0
        self._length = 0
        self._key = b""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def error(self) -> ProtocolError | None:
        return self._error

    @property
    def buffered(self) -> int:
        return len(self._partial) + (0 if self._payload is None else len(self._payload))

    def feed(self, data: Buffer, /) -> list[Frame]:
        """Take the next bytes of the stream.

        Args:
            data: a buffer of n bytes; none of it is kept but a copy of an unfinished frame.
        Returns: every frame that is complete now, in order; those before an error, too, which then stands in
            ``error``.
        Raises:
            ProtocolError: nothing was decoded before the error, or an earlier call met it.
        """
        data = as_bytes(data)
        frames: list[Frame] = []
        if self._error is None:
            try:
                self._decode(data, frames)
            except ProtocolError as error:
                self._error = error.with_traceback(None)
                self._partial = b""
                self._payload = None
        if self._error is not None and not frames:
            # The traceback of an error that a decoder keeps would keep the data.
            del data
            raise self._error.with_traceback(None)
        return frames

    def _check_length(self, first: int, length: int) -> None:  # noqa: ARG002 -- the assembler's needs it
        if length > self._max_frame_size:
            raise protocol_error(Fault.FRAME_TOO_BIG, length, self._max_frame_size)

    def _decode(self, data: bytes, frames: list[Frame]) -> None:
        position, n = 0, len(data)
        while position < n:
            if self._payload is None:
                position, self._first, self._length, self._key = self._next_header(data, position)
                if not position:
                    return
                self._payload = bytearray()
            piece = data[position : position + self._length - len(self._payload)]
            position += len(piece)
            if len(self._payload) + len(piece) < self._length:
                self._payload += piece
                return
            frames.append(self._complete(piece))

    def _complete(self, piece: bytes) -> Frame:
        """The frame whose payload ends with ``piece``."""
        payload = bytes(self._payload) + piece if self._payload else piece
        self._payload = None
        if self._key and payload:
            payload = xor(payload, self._key)
        first = self._first
        if not first & 0x08:
            self._in_message = not first & 0x80
        if first & 0x70:
            return Frame(first & 0x0F, payload, first >= 0x80, first & 0x40 != 0, first & 0x20 != 0, first & 0x10 != 0)
        return Frame(first & 0x0F, payload, first >= 0x80)
