"""What ``Connection`` gives: events, taken straight from the buffer where that is possible, see `taking`.

Whatever else there is (fragments, control frames, errors, anything under an extension) goes through the host's
generator, ``FrameProtocol._parse_more``.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

from ..shape import digest
from .frames import LARGE, frame_protocol_of
from .holding import holder, holding_class
from .taking import event_classes, event_takers, new_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["make_events", "make_receive_data"]

# Globals of the host's module, as in `frames`.
BytesMessage: Any = None
CloseConnection: Any = None
ParseFailed: Any = Exception
Ping: Any = None
Pong: Any = None
TextMessage: Any = None

# In 1.3.0 and 1.3.1 a binary event has a bytearray, whatever its frame has.
_BYTEARRAY_EVENTS: Final = "2e65ede582a1c42e"  # of Connection.events


def make_receive_data(plain: FunctionType, _: ModuleType) -> Any:
    host: Any = plain.__globals__
    frame_protocol, listening = frame_protocol_of(plain), _listening(host)
    connection, protocol, state = host["Connection"], frame_protocol.FrameProtocol, host["Connection"].state
    frame_decoder, buffer_class = frame_protocol.FrameDecoder, frame_protocol.Buffer
    hold, large = holder(frame_protocol), LARGE

    def receive_data(self: Any, data: Any) -> Any:
        proto = self._proto
        if (
            type(data) is bytes
            and type(proto) is protocol
            and self._state in listening
            and (type(self) is connection or type(self).state is state)
        ):
            decoder = proto._frame_decoder
            buffer = decoder.buffer
            if type(decoder) is frame_decoder and type(buffer) is buffer_class:
                if len(data) < large or buffer.buffer or not hold(decoder, buffer, data):
                    buffer.buffer += data
                return None
        return plain(self, data)

    return receive_data


def _listening(host: dict[str, Any]) -> tuple[Any, Any]:
    """The states of a connection in which the other side has not said that it closes."""
    return host["ConnectionState"].OPEN, host["ConnectionState"].LOCAL_CLOSING


def make_events(plain: FunctionType, backend: ModuleType) -> Any:  # noqa: C901 (a call costs here)
    host: Any = plain.__globals__
    frame_protocol, listening, copied = frame_protocol_of(plain), _listening(host), digest(plain) == _BYTEARRAY_EVENTS
    is_usual, event_of = _usual(host, frame_protocol), _teller(host, copied=copied)
    take, take_held = event_takers(event_classes(host), frame_protocol, backend, copied=copied)
    holding = holding_class(frame_protocol.Buffer)

    def events(self: Any) -> Any:
        while self._events:
            yield self._events.popleft()
        proto = self._proto
        if not is_usual(proto, TextMessage, BytesMessage):
            yield from plain(self)
            return
        decoder, assembler, parse_more = proto._frame_decoder, proto._message_decoder, proto._parse_more
        bare = not (decoder.extensions or proto.extensions)
        try:
            while True:
                event = None
                # A generator without a frame has ended; after a close frame it is about to.
                if bare and self._state in listening and parse_more.gi_frame is not None:
                    buffer = decoder.buffer
                    if type(buffer) is holding:
                        event = take_held(decoder, assembler, buffer)
                    else:
                        data = buffer.buffer
                        if not data:
                            return
                        event = take(decoder, assembler, data)
                if event is None:
                    frame = next(parse_more, None)
                    if frame is None:
                        return
                    event = event_of(self, frame)
                yield event
        except ParseFailed as error:
            yield CloseConnection(code=error.code, reason=str(error))

    return events


def _usual(host: dict[str, Any], frame_protocol: Any) -> Callable[[Any, Any, Any], bool]:
    """Whether a ``FrameProtocol``, what it is made of and the classes of the events are the host's own."""
    protocol, frame_decoder = frame_protocol.FrameProtocol, frame_protocol.FrameDecoder
    message_decoder, buffer_class = frame_protocol.MessageDecoder, frame_protocol.Buffer
    parse_code, (own_text_event, own_binary_event) = protocol._parse_more_gen.__code__, event_classes(host)
    masker, holding = frame_protocol.XorMaskerSimple, holding_class(buffer_class)

    def is_usual(proto: Any, text_event: Any, binary_event: Any) -> bool:
        if type(proto) is not protocol or text_event is not own_text_event or binary_event is not own_binary_event:
            return False
        decoder, parse_more = proto._frame_decoder, proto._parse_more
        return (
            type(decoder) is frame_decoder
            and frame_protocol.XorMaskerSimple is masker
            and type(proto._message_decoder) is message_decoder
            and (type(decoder.buffer) is buffer_class or type(decoder.buffer) is holding)
            and not decoder.buffer.bytes_used
            and type(parse_more) is GeneratorType
            and parse_more.gi_code is parse_code
        )

    return is_usual


def _teller(host: dict[str, Any], *, copied: bool) -> Callable[[Any, Any], Any]:
    """What makes the event of a frame that the host has parsed.

    Args:
        copied: whether binary data becomes a ``bytearray``.
    """
    opcodes, states, (text_event, binary_event) = host["Opcode"], host["ConnectionState"], event_classes(host)
    text, binary, ping, pong = opcodes.TEXT, opcodes.BINARY, opcodes.PING, opcodes.PONG

    def event_of(connection: Any, frame: Any) -> Any:
        opcode, payload, frame_finished, message_finished = frame
        if opcode is text:
            return new_event(text_event, payload, frame_finished, message_finished)
        if opcode is binary:
            data = bytearray(payload) if copied else payload
            return new_event(binary_event, data, frame_finished, message_finished)
        if opcode is ping or opcode is pong:
            return host["Ping" if opcode is ping else "Pong"](payload=payload)
        code, reason = payload
        closing = connection.state is states.LOCAL_CLOSING
        connection._state = states.CLOSED if closing else states.REMOTE_CLOSING
        return host["CloseConnection"](code=code, reason=reason)

    return event_of
