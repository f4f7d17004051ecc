"""From the buffer of a ``FrameDecoder`` straight to events, where no extension has a say.

A text or binary message of one frame that stands whole in the buffer becomes an event in one step, and so does each
piece of a frame. Before and after every step the state is the one that the host would keep. Where something is not
as it should be nothing is taken, and the host finds and tells what is wrong.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..host import HostError
from .frames import LARGE, advancer, key_reader, payload_maker
from .messages import piece_decoder, text_decoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    # A FrameDecoder, a MessageDecoder and the bytearray of the buffer → the next event, or None.
    _Take: TypeAlias = Callable[[Any, Any, Any], Any]

__all__ = ["event_classes", "event_taker", "new_event"]

# The first byte of a message that is one frame.
_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82

_EVENT_FIELDS: Final = ("data", "frame_finished", "message_finished")


def event_classes(host: dict[str, Any]) -> tuple[Any, Any]:
    """The classes of the events for text and for binary, which hold what they are made of and nothing else.

    Raises:
        HostError: they do not.
    """
    classes = host["TextMessage"], host["BytesMessage"]
    for cls in classes:
        made = cls(data=None, frame_finished=True, message_finished=False)
        values = zip(_EVENT_FIELDS, (None, True, False), strict=True)
        if tuple([field.name for field in fields(cls)]) != _EVENT_FIELDS or [*vars(made).items()] != [*values]:
            raise HostError(f"{cls.__module__}.{cls.__qualname__} is not what the adapter was written against")
    return classes


def new_event(cls: Any, data: Any, frame_finished: bool, message_finished: bool) -> Any:
    """What the constructor of a frozen event makes, which takes a call for each field."""
    event = object.__new__(cls)
    values = event.__dict__
    values["data"] = data
    values["frame_finished"] = frame_finished
    values["message_finished"] = message_finished
    return event


def event_taker(classes: tuple[Any, Any], frame_protocol: Any, backend: ModuleType, *, copied: bool) -> _Take:
    """What takes the next event out of a buffer that is not empty; None where that is the host's to do.

    Args:
        classes: of the events for text and for binary.
        copied: whether binary data becomes a ``bytearray``.
    """
    (text_event, binary_event), new = classes, object.__new__
    whole_text, whole_binary, decode_text = _WHOLE_TEXT, _WHOLE_BINARY, text_decoder(backend)
    payload_of = payload_maker(frame_protocol.FrameDecoder.process_buffer, backend, copied=copied)
    take_other = _other_taker(classes, frame_protocol, backend, copied=copied)

    def take(decoder: Any, assembler: Any, data: Any) -> Any:
        # The shortest way for small messages, which are many; no call that can be spared.
        first, n, client = data[0], len(data), decoder.client
        if n < 2 or (first != whole_text and first != whole_binary) or decoder.header is not None:
            return take_other(decoder, assembler, data)
        start, end = (2, 2 + data[1]) if client else (6, 6 + (data[1] ^ 0x80))
        if end - start >= 126 or n < end or assembler.opcode is not None:
            return take_other(decoder, assembler, data)
        make, event = (decode_text, new(text_event)) if first == whole_text else (payload_of, new(binary_event))
        values = event.__dict__
        try:
            values["data"] = make(data[start:end], None if client else data[2:6])
        except ValueError:
            return None
        values["frame_finished"] = values["message_finished"] = True
        del data[:end]
        decoder.payload_required = 0
        decoder.payload_consumed = end - start
        return event

    return take


def _other_taker(classes: tuple[Any, Any], frame_protocol: Any, backend: ModuleType, *, copied: bool) -> _Take:
    (text_event, binary_event), large, decode_text = classes, LARGE, text_decoder(backend)
    whole_text, whole_binary = _WHOLE_TEXT, _WHOLE_BINARY
    payload_of = payload_maker(frame_protocol.FrameDecoder.process_buffer, backend, copied=copied)
    take_piece = _piece_taker(classes, frame_protocol, backend, copied=copied)

    def take_other(decoder: Any, assembler: Any, data: Any) -> Any:
        """The same for a large message, or for a piece of one."""
        if decoder.header is not None:
            return take_piece(decoder, assembler, data)
        n, is_text, client = len(data), data[0] == whole_text, decoder.client
        if n < 2 or assembler.opcode is not None or not (is_text or data[0] == whole_binary):
            return None
        size, length = _length(data, data[1] if client else data[1] ^ 0x80)
        start = size if client else size + 4
        if length < 0 or n <= start:
            return None
        if n < start + length:
            decoder.parse_header()
            return take_piece(decoder, assembler, data)
        make, key = decode_text if is_text else payload_of, None if client else data[start - 4 : start]
        try:
            if length < large:
                payload = make(data[start : start + length], key)
            else:
                with memoryview(data)[start : start + length] as view:
                    payload = make(view, key)
        except ValueError:
            return None
        del data[: start + length]
        decoder.payload_required = 0
        decoder.payload_consumed = length
        return new_event(text_event if is_text else binary_event, payload, True, True)

    return take_other


def _length(data: bytearray, second: int) -> tuple[int, int]:
    """The size of a header without its key, and the length that it tells.

    The length is -1 where the host refuses it; it may be any other where the header is not all there.

    Args:
        second: the second byte of the header, with its mask bit cleared if that is as it should be.
    """
    if second < 126:
        return 2, second
    size, smallest = (4, 126) if second == 126 else (10, 65_536)
    length = int.from_bytes(data[2:size], "big")
    return size, length if second < 128 and smallest <= length < 1 << 63 else -1


def _piece_taker(classes: tuple[Any, Any], frame_protocol: Any, backend: ModuleType, *, copied: bool) -> _Take:
    (text_event, binary_event), large, opcodes = classes, LARGE, frame_protocol.Opcode
    text, data_opcodes, continuation = opcodes.TEXT, (opcodes.TEXT, opcodes.BINARY), opcodes.CONTINUATION
    key_of, advance, decode_piece = key_reader(frame_protocol), advancer(frame_protocol), piece_decoder(backend)
    payload_of = payload_maker(frame_protocol.FrameDecoder.process_buffer, backend, copied=copied)

    def take_piece(decoder: Any, assembler: Any, data: Any) -> Any:
        """The same for what there is of a payload whose header was read."""
        message, characters, key = assembler.opcode, assembler.decoder, key_of(decoder.masker)
        opcode = decoder.effective_opcode
        if key is False or (opcode not in data_opcodes if message is None else opcode is not continuation):
            return None
        left = decoder.header.payload_len - decoder.payload_consumed
        taken = min(left, len(data))
        last = taken == left and decoder.header.fin
        if message is None:
            message = opcode
            if message is text and not last:
                characters = frame_protocol.getincrementaldecoder("utf-8")()
        is_text = message is text
        if taken < large:
            payload = piece_of(data[:taken], key, is_text, characters, last)
        else:
            with memoryview(data)[:taken] as view:
                payload = piece_of(view, key, is_text, characters, last)
        if payload is None:
            return None
        finished = advance(decoder, taken, key)
        assembler.opcode, assembler.decoder = (None, None) if last else (message, characters)
        return new_event(text_event if is_text else binary_event, payload, finished, last)

    def piece_of(part: Any, key: Any, is_text: bool, characters: Any, last: bool) -> Any:
        return decode_piece(characters, part, key, last) if is_text else payload_of(part, key)

    return take_piece
