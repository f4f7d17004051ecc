"""paho's WebSocket: frames built and masked, frames parsed and read in parts.

The attributes of a connection are what they are with the host at every step, so either can go on where the other one
stopped. No byte is read before the host would have read it, because paho and the event loops of its users wait with
``select`` for bytes not yet read.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from ..random_source import SYSTEM_RANDOM
from ..shape import digest
from .packets import Packet

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = [
    "BINARY",
    "RETURNS_BYTEARRAY",
    "RETURNS_BYTES",
    "frame_sender",
    "make_create_frame",
    "make_recv_impl",
    "make_send_impl",
]

#: Digests of `_recv_impl`: the first returns `bytearray`, the second `bytes`.
RETURNS_BYTEARRAY: Final = "1be810f30515e43b"
RETURNS_BYTES: Final = "81bfa50f8effc3e3"

#: The opcode.
BINARY: Final = 2

# From so many bytes on, a copy that is avoided is worth some calls more.
_LARGE: Final = 4096

# Sockets that do not keep what they were told to send.
_SYSTEM_SOCKETS: Final = (socket.socket, ssl.SSLSocket)


def make_create_frame(plain: FunctionType, backend: ModuleType) -> Any:
    encode_header, mask_inplace, new_key = backend.encode_header, backend.mask_inplace, backend.new_key
    system_random, one, data_opcodes, join = SYSTEM_RANDOM, 1, (0, 1, 2), bytearray().join

    def _create_frame(self: Any, opcode: Any, data: Any, do_masking: Any = 1) -> Any:
        if (
            type(data) is bytearray
            and do_masking is one
            and type(opcode) is int
            and opcode in data_opcodes
            and os.urandom is system_random
        ):
            key = new_key()
            header = encode_header(opcode, len(data), key=key)
            mask_inplace(data, key)  # the host's callers see that, too
            return join((header, data))
        return plain(self, opcode, data, do_masking)

    return _create_frame


def make_send_impl(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, new_key, build_large, packet = backend.encode_frame, backend.new_key, _build_large, Packet
    wrapper, system_random, binary, large = plain.__globals__["_WebsocketWrapper"], SYSTEM_RANDOM, BINARY, _LARGE
    encode_header, build_in_place = backend.encode_header, _build_in_place
    mask_inplace, go_on = backend.mask_inplace, frame_sender()

    def _send_impl(self: Any, data: Any) -> Any:
        buffer = self._sendbuffer
        if not buffer:
            kind = type(data)
            if not (
                type(self) is wrapper
                and (kind is bytearray or kind is bytes or kind is packet)
                and type(buffer) is bytearray
                and os.urandom is system_random
            ):
                return plain(self, data)
            size = len(data)
            key = new_key()
            if size < large:
                buffer += encode_frame(binary, data, key=key)
            elif kind is packet:
                build_in_place(data, encode_header(binary, size, key=key), key, mask_inplace)
                self._sendbuffer = data
            else:
                build_large(buffer, encode_header(binary, size, key=key), data, key, mask_inplace)
            self._requested_size = size
        return go_on(self, self._socket.send(self._sendbuffer))

    return _send_impl


def frame_sender() -> Callable[[Any, Any], int]:
    """What sends the rest of a frame after a socket has taken some of it; tells what `_send_impl` does."""
    system_sockets = _SYSTEM_SOCKETS

    def go_on(wrapper: Any, length: Any) -> int:
        sock = wrapper._socket
        while True:
            rest = wrapper._sendbuffer
            if type(length) is not int or not 0 < length < len(rest):
                wrapper._sendbuffer = rest = rest[length:]
                size: int = wrapper._requested_size
                return 0 if rest else size
            # The host returns 0 here, and its client then forgets the packet: the rest of the frame stays behind, and
            # the next packet is mutilated. A socket that is full says so, and then the client tries again.
            if type(sock) in system_sockets:
                del rest[:length]
            else:
                wrapper._sendbuffer = rest[length:]
            length = sock.send(wrapper._sendbuffer)

    return go_on


def _build_in_place(packet: bytearray, header: bytes, key: bytes, mask_inplace: Callable[..., object]) -> None:
    """Make a packet that nobody needs any more into its frame."""
    n = len(header)
    packet[:0] = header
    mask_inplace(packet, key, -n & 3)
    packet[:n] = header


def _build_large(
    buffer: bytearray, header: bytes, data: bytes | bytearray, key: bytes, mask_inplace: Callable[..., object]
) -> None:
    """Append a frame to an empty buffer, in the only copy of the payload that is made.

    The header is masked along, so that the payload need not be a view, and put there once more.
    """
    n = len(header)
    buffer += header
    buffer += data
    mask_inplace(buffer, key, -n & 3)
    buffer[:n] = header


def make_recv_impl(plain: FunctionType, _: ModuleType) -> Any:
    wrapper, masked, data_opcodes = plain.__globals__["_WebsocketWrapper"], 0x80, (0, 2)
    kind = bytearray if digest(plain) == RETURNS_BYTEARRAY else bytes
    read_start, read_length, read_part = _read_start, _read_length, _read_part

    def _recv_impl(self: Any, length: Any) -> Any:
        buffer = self._readbuffer
        if not (type(self) is wrapper and type(length) is int and length > 0 and type(buffer) is bytearray):
            return plain(self, length)
        try:
            if not buffer:
                read_start(self, buffer)
            if len(buffer) < 2 or buffer[1] & masked or buffer[0] & 0x0F not in data_opcodes:
                return plain(self, length)
            size, start = buffer[1], 2
            if size > 125:
                size, start = read_length(self, buffer, size)
            taken = self._payload_head
            end = taken + length
            if end > size:
                end = size
            if not 0 <= taken < end:
                return plain(self, length)
            stop = start + end
            part = read_part(self, buffer, start, end, size) if len(buffer) < stop else buffer[start + taken : stop]
        except ConnectionError:
            self.connected = False
            return b""
        self._readbuffer_head = stop
        if end == size:
            self._readbuffer = bytearray()
            self._payload_head = 0
        else:
            self._payload_head = end
        return part if type(part) is kind else kind(part)

    return _recv_impl


def _read_start(wrapper: Any, buffer: bytearray) -> None:
    """The first two bytes of a frame, or one. The host reads them one by one, and has a use for the second for sure."""
    wrapper._readbuffer_head = 0
    data = wrapper._socket.recv(2)
    if not data:
        raise ConnectionAbortedError
    buffer.extend(data)


def _read_length(wrapper: Any, buffer: bytearray, bits: int) -> tuple[int, int]:
    """The length that stands in bytes of its own (RFC 6455 §5.2), and where the payload starts; the host takes any."""
    start = 4 if bits == 126 else 10
    missing = start - len(buffer)
    if missing > 0:
        wrapper._readbuffer_head = 2
        _require(buffer, wrapper._socket.recv(missing), missing)
    return int.from_bytes(buffer[2:start], "big"), start


def _read_part(wrapper: Any, buffer: bytearray, start: int, end: int, size: int) -> bytes | bytearray:
    """Read the next part of a payload of ``size``, up to ``end``; it starts in ``buffer`` at ``start``."""
    wrapper._readbuffer_head = start
    missing = start + end - len(buffer)
    data = wrapper._socket.recv(missing)
    taken = wrapper._payload_head
    if type(data) is bytes and len(data) == missing == end - taken:
        if end < size:
            buffer += data
        return data  # nobody looks at the buffer of a whole frame again
    _require(buffer, data, missing)
    return _cut_out(buffer, start + taken, start + end)


def _require(buffer: bytearray, data: Any, size: int) -> None:
    """Keep what was read; like the host, try again later where that is not all that was wanted."""
    if not data:
        raise ConnectionAbortedError
    buffer.extend(data)
    if len(data) < size:
        raise BlockingIOError


def _cut_out(buffer: bytearray, start: int, end: int) -> bytes | bytearray:
    if end - start < _LARGE:
        return buffer[start:end]
    with memoryview(buffer) as view, view[start:end] as part:
        return bytes(part)
