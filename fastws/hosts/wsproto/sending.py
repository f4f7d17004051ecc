"""From events to bytes: what ``Connection.send`` and ``FrameProtocol`` write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...frames import Role
from ..random_source import SYSTEM_RANDOM
from .frames import BYTES, frame_protocol_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["make_send", "make_serialize_frame"]

# Globals of the host's modules, as in `frames`.
BytesMessage: Any = None
FrameProtocol: Any = None
Ping: Any = None
Pong: Any = None
TextMessage: Any = None


def make_serialize_frame(plain: FunctionType, backend: ModuleType) -> Any:
    opcode_class: Any = plain.__globals__["Opcode"]
    data_opcodes, largest_control = (opcode_class.CONTINUATION, opcode_class.TEXT, opcode_class.BINARY), 125
    system_random, encode_frame, new_key, byte_types = SYSTEM_RANDOM, backend.encode_frame, backend.new_key, BYTES

    def _serialize_frame(self: Any, opcode: Any, payload: Any = b"", fin: Any = True) -> Any:
        if (
            type(self) is FrameProtocol
            and type(opcode) is opcode_class
            and type(payload) in byte_types
            and (fin is True or fin is False)
            and not self.extensions
            and (opcode in data_opcodes or (fin and len(payload) <= largest_control))
        ):
            if not self.client:
                return bytearray(encode_frame(opcode, payload, fin=fin))
            if os.urandom is system_random:
                return bytearray(encode_frame(opcode, payload, fin=fin, key=new_key()))
        return plain(self, opcode, payload, fin)

    return _serialize_frame


def make_send(plain: FunctionType, backend: ModuleType) -> Any:
    host: Any = plain.__globals__
    frame_protocol, connection = frame_protocol_of(plain), host["Connection"]
    protocol, state, is_open = frame_protocol.FrameProtocol, connection.state, host["ConnectionState"].OPEN
    write = _writer(frame_protocol, backend)
    message_opcodes: dict[Any, int] = {str: 1, bytes: 2, bytearray: 2}
    largest_control, ping, pong = 125, 9, 10

    def send(self: Any, event: Any) -> Any:
        proto, kind, opcode, data = self._proto, type(event), None, None
        if kind is TextMessage or kind is BytesMessage:
            payload = event.data
            if event.message_finished is True and proto._outbound_opcode is None:
                opcode = message_opcodes.get(type(payload))
        elif kind is Ping or kind is Pong:
            payload = event.payload
            if type(payload) is bytes and len(payload) <= largest_control:
                opcode = ping if kind is Ping else pong
        if (
            opcode is not None
            and type(proto) is protocol
            and self._state is is_open
            and (type(self) is connection or type(self).state is state)
        ):
            data = write(proto, opcode, payload)
        return plain(self, event) if data is None else data

    return send


def _writer(frame_protocol: Any, backend: ModuleType) -> Callable[[Any, int, Any], bytes | None]:
    system_random, encode_frame, encode_message = SYSTEM_RANDOM, backend.encode_frame, backend.encode_message
    new_key, server, client, last_data_opcode = backend.new_key, Role.SERVER, Role.CLIENT, 2

    def write(proto: Any, opcode: int, payload: Any) -> bytes | None:
        """Write a whole message, or a control frame; None where that is the host's to do."""
        frame: bytes | None = None
        if proto.extensions:
            return None
        try:
            is_client = proto.client
            if is_client and frame_protocol.os.urandom is not system_random:
                pass  # the host asks what stands there
            elif opcode <= last_data_opcode:
                frame = encode_message(payload, client if is_client else server)
            else:
                frame = encode_frame(opcode, payload, key=new_key() if is_client else None)
        except UnicodeEncodeError:
            pass  # the host's own encoder tells what is wrong
        return frame

    return write
