"""Frame headers from and to bytes (RFC 6455 §5.2), both directions side by side."""

from __future__ import annotations

import struct
from operator import index
from typing import TYPE_CHECKING

from ..errors import Fault, protocol_error
from ..frames import MAX_CONTROL_PAYLOAD, MAX_PAYLOAD
from .buffers import as_flat, as_key, as_offset
from .values import FrameHeader, as_opcode

if TYPE_CHECKING:
    from .buffers import Buffer

_unpack_length16 = struct.Struct("!H").unpack_from
_unpack_length64 = struct.Struct("!Q").unpack_from
_pack_header = struct.Struct("!BB").pack
_pack_header16 = struct.Struct("!BBH").pack
_pack_header64 = struct.Struct("!BBQ").pack


def parse_header(data: Buffer, offset: int = 0, *, minimal_length: bool = True) -> FrameHeader | None:
    """Read the header of a frame (RFC 6455 §5.2).

    Only what the header alone decides is checked; role, extensions and the order of frames are a decoder's matter.

    Args:
        data: a buffer of n bytes; nothing is consumed.
        offset: where in ``data`` the header starts, 0 to n.
        minimal_length: refuse a length that a shorter form could tell, as RFC 6455 asks.
    Returns: the header, or None while ``data`` ends before it does.
    Raises:
        ProtocolError: the length has its top bit set, or is not minimal.
        ValueError: ``offset`` is outside of ``data``.
    """
    data = as_flat(data)
    # What these run may change how long the data are.
    start, minimal_length = index(offset), bool(minimal_length)
    n = len(data)
    start = as_offset(start, n)
    if n - start < 2:
        return None
    first, second = data[start], data[start + 1]
    length, size = second & 0x7F, 2
    if length >= 126:
        length, size = extended_length(data, start, minimal_length)
        if not size:
            return None
    end = start + size
    key = None
    if second & 0x80:
        end += 4
        if n < end:
            return None
        key = bytes(data[end - 4 : end])
    return FrameHeader(
        first & 0x80 != 0,
        first & 0x40 != 0,
        first & 0x20 != 0,
        first & 0x10 != 0,
        first & 0x0F,
        key,
        length,
        end - start,
    )


def extended_length(data: bytes | bytearray, start: int, minimal_length: bool) -> tuple[int, int]:
    """The 16-bit or 64-bit length of the header at ``start``, and the bytes up to its end; 0 where they are short."""
    if data[start + 1] & 0x7F == 126:
        size, smallest, unpack = 4, 126, _unpack_length16
    else:
        size, smallest, unpack = 10, 65_536, _unpack_length64
    if len(data) - start < size:
        return 0, 0
    (length,) = unpack(data, start + 2)
    if length > MAX_PAYLOAD:
        raise protocol_error(Fault.LENGTH_TOP_BIT)
    if minimal_length and length < smallest:
        raise protocol_error(Fault.LENGTH_NOT_MINIMAL)
    return length, size


def encode_header(
    opcode: int,
    length: int,
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    key: Buffer | None = None,
) -> bytes:
    """Write the header of a frame (RFC 6455 §5.2), its length in the shortest form.

    Args:
        opcode: an ``Opcode``.
        length: payload bytes that will follow.
        fin: whether the message ends with this frame.
        rsv1, rsv2, rsv3: bits that an extension gives a meaning.
        key: the masking key, 4 bytes; the frame is announced as masked.
    Returns: 2 to 14 bytes.
    Raises:
        ValueError: ``opcode`` is reserved, ``length`` is negative or above 2**63 - 1, a control frame is fragmented
            or longer than 125 bytes, or ``key`` is not 4 bytes.
    """
    first = first_byte(opcode, fin, rsv1, rsv2, rsv3)
    length = index(length)
    if not 0 <= length <= MAX_PAYLOAD:
        raise ValueError(f"a payload has 0 to {MAX_PAYLOAD} bytes, not {length}")
    check_control(first, length)
    return format_header(first, length, None if key is None else as_key(key))


def first_byte(opcode: int, fin: bool, rsv1: bool, rsv2: bool, rsv3: bool) -> int:
    first = int(as_opcode(opcode))
    if fin:
        first |= 0x80
    if rsv1:
        first |= 0x40
    if rsv2:
        first |= 0x20
    if rsv3:
        first |= 0x10
    return first


def check_control(first: int, length: int) -> None:
    if first & 0x08:
        if not first & 0x80:
            raise ValueError("a control frame cannot be fragmented")
        if length > MAX_CONTROL_PAYLOAD:
            raise ValueError(f"a control frame has 0 to {MAX_CONTROL_PAYLOAD} bytes of payload, not {length}")


def format_header(first: int, length: int, key: bytes | None) -> bytes:
    if key is None:
        if length < 126:
            return _pack_header(first, length)
        if length < 65_536:
            return _pack_header16(first, 126, length)
        return _pack_header64(first, 127, length)
    if length < 126:
        return _pack_header(first, 0x80 | length) + key
    if length < 65_536:
        return _pack_header16(first, 0x80 | 126, length) + key
    return _pack_header64(first, 0x80 | 127, length) + key
