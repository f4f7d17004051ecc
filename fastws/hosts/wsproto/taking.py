"""From the buffer of a ``FrameDecoder`` straight to events, where no extension has a say.

A text or binary message of one frame that stands whole in the buffer becomes an event in one step, and so does each
piece of a frame. Before and after every step the state is the one that the host would keep. Where something is not
as it should be nothing is taken, and the host finds and tells what is wrong.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...errors import ProtocolError
from ...frames import Role
from ..host import HostError
from .frames import LARGE, advancer, key_reader, payload_maker, payload_types
from .holding import header_reader, releaser
from .messages import piece_decoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    # A FrameDecoder, a MessageDecoder and the bytearray of the buffer, or that itself → the next event, or None.
    _Take: TypeAlias = Callable[[Any, Any, Any], Any]

__all__ = ["event_classes", "event_takers", "new_event"]

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


def event_takers(
    classes: tuple[Any, Any], frame_protocol: Any, backend: ModuleType, *, copied: bool
) -> tuple[_Take, _Take]:
    """What takes the next event out of a buffer that is not empty, and out of one that holds what was received.

    They give None where that is the host's to do.

    Args:
        classes: of the events for text and for binary.
        copied: whether binary data becomes a ``bytearray``.
    """
    (text_event, binary_event), new, parse_frame = classes, object.__new__, backend.parse_frame
    whole_text, whole_binary, sides = _WHOLE_TEXT, _WHOLE_BINARY, (Role.SERVER, Role.CLIENT)
    payloads = payload_types(frame_protocol.FrameDecoder.process_buffer, copied=copied)
    # Where the two sides differ, so does an empty payload.
    types_differ = payloads[0] != payloads[1]
    take_piece = _piece_taker(classes, frame_protocol, backend, copied=copied)
    read_header = header_reader(frame_protocol, backend)

    def take(decoder: Any, assembler: Any, data: Any) -> Any:
        first, is_client = data[0], bool(decoder.client)
        if decoder.header is None:
            if (first != whole_text and first != whole_binary) or assembler.opcode is not None:
                return None
            try:
                frame = parse_frame(
                    data, role=sides[is_client], max_frame_size=None, decode=True, payload_as=payloads[is_client]
                )
            except ProtocolError:
                return None
            if frame is not None:
                if types_differ and not frame[2]:
                    return None
                event = new(text_event if first == whole_text else binary_event)
                values = event.__dict__
                _, values["data"], decoder.payload_consumed, end = frame
                values["frame_finished"] = values["message_finished"] = True
                decoder.payload_required = 0
                del data[:end]
                return event
            decoder.parse_header()
        return take_piece(decoder, assembler, data, None)

    def take_held(decoder: Any, assembler: Any, buffer: Any) -> Any:
        event = None
        if decoder.header is not None or read_header(decoder, buffer):
            event = take_piece(decoder, assembler, buffer._held, buffer)
        if event is None:
            _ = buffer.buffer  # where the host looks for it
        return event

    return take, take_held


def _piece_taker(  # noqa: C901 (a call costs here)
    classes: tuple[Any, Any], frame_protocol: Any, backend: ModuleType, *, copied: bool
) -> Callable[[Any, Any, Any, Any], Any]:
    (text_event, binary_event), large, opcodes = classes, LARGE, frame_protocol.Opcode
    text, data_opcodes, continuation = opcodes.TEXT, (opcodes.TEXT, opcodes.BINARY), opcodes.CONTINUATION
    key_of, advance, decode_piece = key_reader(frame_protocol), advancer(frame_protocol), piece_decoder(backend)
    payload_of = payload_maker(frame_protocol.FrameDecoder.process_buffer, backend, copied=copied)
    release, null_masker, new = releaser(frame_protocol.Buffer), frame_protocol.XorMaskerNull, object.__new__

    def take_piece(decoder: Any, assembler: Any, data: Any, holding: Any) -> Any:
        """The same for what there is of a payload whose header was read.

        Args:
            data: the bytes that have arrived.
            holding: the buffer, where it holds them as they were received; otherwise they are the bytearray in it.
        """
        header, n = decoder.header, len(data)
        if header is None or not n:
            return None
        message, characters, masker = assembler.opcode, assembler.decoder, decoder.masker
        key, opcode = None if type(masker) is null_masker else key_of(masker), decoder.effective_opcode
        if key is False or (opcode not in data_opcodes if message is None else opcode is not continuation):
            return None
        left = header.payload_len - decoder.payload_consumed
        taken = min(left, n)
        last = taken == left and header.fin
        if message is None:
            message = opcode
            if message is text and not last:
                characters = frame_protocol.getincrementaldecoder("utf-8")()
        is_text = message is text
        if taken == n:
            payload = decode_piece(characters, data, key, last) if is_text else payload_of(data, key)
        elif taken < large:
            payload = piece_of(data[:taken], key, is_text, characters, last)
        else:
            with memoryview(data)[:taken] as view:
                payload = piece_of(view, key, is_text, characters, last)
        if payload is None:
            return None
        if holding is None:
            del data[:taken]
        else:
            release(holding, taken)
        finished = advance(decoder, taken, key)
        assembler.opcode, assembler.decoder = (None, None) if last else (message, characters)
        event = new(text_event if is_text else binary_event)
        values = event.__dict__
        values["data"], values["frame_finished"], values["message_finished"] = payload, finished, last
        return event

    def piece_of(part: Any, key: Any, is_text: bool, characters: Any, last: bool) -> Any:
        return decode_piece(characters, part, key, last) if is_text else payload_of(part, key)

    return take_piece
