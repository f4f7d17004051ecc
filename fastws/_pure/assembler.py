"""From bytes to messages: fragments joined, text checked, sizes limited (RFC 6455 §5.4 to §5.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from ..errors import Fault, ProtocolError, protocol_error
from ..frames import DEFAULT_MAX_FRAGMENTS, MAX_PAYLOAD, Role, is_sendable_close_code
from .buffers import as_bytes, as_limit, turned
from .decoder import HeaderReader
from .mask import TRANSLATE_FROM, xor, xor_long
from .utf8 import PartialText, decode_utf8
from .values import BINARY, CONTINUATION, PING, PONG, TEXT, Close, Frame, Message, Ping, Pong, new_message

if TYPE_CHECKING:
    from typing import TypeAlias

    from .buffers import Buffer

    Event: TypeAlias = Message | Ping | Pong | Close | Frame

_FIN: Final = 0x80
_RSV1: Final = 0x40


class MessageDecoder(HeaderReader):
    """Turns a stream of bytes into messages and control frames, in wire order (RFC 6455 §5).

    Fragments are joined, control frames may stand between them, and text is checked as its bytes arrive, within an
    unfinished frame too. After a close frame the rest of the stream is discarded (§1.4). The decoder belongs to one
    owner at a time. An error is final.

    What it does not make a message of comes as a ``Frame``: a compressed message (RFC 7692 §6) as one frame with
    ``rsv1`` set, its fragments joined; and with ``streaming`` each fragment as soon as its frame is complete, of text
    that is checked, but cut anywhere.

    Args:
        role: the local side; a server expects masked frames and a client refuses them (§5.1).
        max_message_size: bytes that a message may have, as UTF-8 for text; None for what a header can announce,
            2**63 - 1. A message is refused by the header that passes the limit, before any of that payload is kept.
        max_fragments: frames that a message may have, empty ones included; None for any number.
        max_frame_size: bytes that each of them may have, as they come; None for any number.
        text_as: "str" to decode text messages, "bytes" to check them only.
        minimal_length: refuse lengths that a shorter form could tell.
        rsv1: whether an extension uses RSV1, on the frames that start a message (RFC 7692 §6). What such a message
            holds is not judged; and as a little that does not compress gets longer, it may have a quarter and 64 bytes
            more than ``max_message_size``.
        streaming: whether fragments are told as they come.

    Attributes:
        error: the ``ProtocolError`` that stopped the decoder, or None.
        closed: whether a close frame was decoded.
        buffered: bytes kept of what is not complete.
        only_messages: whether the last call of ``feed`` met nothing but messages: no control frame, no ``Frame``, no
            error.
        streaming: as given; it may be set at any time. A message that has begun comes whole if none of it was told.
    """

    __slots__ = (
        "_closed",
        "_compressed",
        "_error",
        "_first",
        "_fragments",
        "_gathered",
        "_key",
        "_left",
        "_max_compressed_size",
        "_max_fragments",
        "_max_frame_size",
        "_max_message_size",
        "_only_messages",
        "_opcode",
        "_payload",
        "_phase",
        "_streaming",
        "_text",
        "_text_as_str",
        "_told",
    )

    def __init__(
        self,
        role: Role,
        *,
        max_message_size: int | None,
        max_fragments: int | None = DEFAULT_MAX_FRAGMENTS,
        max_frame_size: int | None = None,
        text_as: str = "str",
        minimal_length: bool = True,
        rsv1: bool = False,
        streaming: bool = False,
    ) -> None:
        super().__init__(role, _RSV1 if rsv1 else 0, minimal_length)
        self._max_message_size = as_limit(max_message_size, "max_message_size")
        self._max_compressed_size = self._max_message_size + self._slack()
        self._max_fragments = as_limit(max_fragments, "max_fragments")
        self._max_frame_size = as_limit(max_frame_size, "max_frame_size")
        if text_as not in ("str", "bytes"):
            raise ValueError(f"text_as is 'str' or 'bytes', not {text_as!r}")
        self._text_as_str = text_as == "str"
        self._streaming = bool(streaming)
        self._only_messages = True
        self._error: ProtocolError | None = None
        self._closed = False
        # The frame whose header is read: payload bytes it still lacks (-1 between frames), its key and phase.
        self._left = -1
        self._first = 0
        self._key = b""
        self._phase = 0
        # The unmasked payload so far of an unfinished control frame.
        self._payload = b""
        # The message that has begun: its opcode, whether it is compressed, how many bytes of it were told already (-1
        # for nothing), its other unmasked bytes, and how many frames gave them.
        self._opcode = 0
        self._compressed = False
        self._told = -1
        self._gathered = bytearray()
        self._fragments = 0
        self._text = PartialText()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def error(self) -> ProtocolError | None:
        return self._error

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def buffered(self) -> int:
        return len(self._partial) + len(self._payload) + len(self._gathered)

    @property
    def only_messages(self) -> bool:
        return self._only_messages

    @property
    def streaming(self) -> bool:
        return self._streaming

    @streaming.setter
    def streaming(self, streaming: bool) -> None:
        self._streaming = bool(streaming)

    def feed(self, data: Buffer, /) -> list[Event]:
        """Take the next bytes of the stream.

        Args:
            data: a buffer of n bytes; none of it is kept but what an unfinished frame or message needs.
        Returns: what is complete now, in wire order; what came before an error, too, which then stands in ``error``.
        Raises:
            ProtocolError: nothing was decoded before the error, or an earlier call met it.
        """
        data = as_bytes(data)
        events: list[Event] = []
        if self._error is None and not self._closed:
            self._only_messages = True
            try:
                self._decode(data, events)
            except ProtocolError as error:
                self._error = error.with_traceback(None)
                self._only_messages = False
                self._discard()
        if self._error is not None and not events:
            # The traceback of an error that a decoder keeps would keep the data.
            del data
            raise self._error.with_traceback(None)
        return events

    def _check_length(self, first: int, length: int) -> None:
        """What the budget of the message decides, by subtraction: nothing here can overflow a 64-bit twin."""
        if first & 0x08:
            return
        if self._fragments >= self._max_fragments:
            raise protocol_error(Fault.TOO_MANY_FRAGMENTS, self._fragments + 1, self._max_fragments)
        if length > self._max_frame_size:
            raise protocol_error(Fault.FRAME_TOO_BIG, length, self._max_frame_size)
        size = len(self._gathered) + max(self._told, 0)
        compressed = first & _RSV1 if first & 0x0F else self._compressed
        limit = self._max_compressed_size if compressed else self._max_message_size
        if length > limit - size:
            raise protocol_error(Fault.MESSAGE_TOO_BIG, size + length, limit)

    def _slack(self) -> int:
        """By how much a compressed message may be longer than what it holds."""
        return min(self._max_message_size // 4 + 64, MAX_PAYLOAD - self._max_message_size)

    def _decode(self, data: bytes, events: list[Event]) -> None:
        position, n = 0, len(data)
        while position < n:
            if self._left < 0:
                position, first, length, key = self._next_header(data, position)
                if not position:
                    return
                if n - position >= length and first & 0x80 and first & 0x0F:
                    # The whole message, or control frame, is here.
                    payload = data[position : position + length]
                    if first & _RSV1:
                        events.append(self._frame(first, xor(payload, key) if key and payload else payload))
                    else:
                        events.append(self._whole(first & 0x0F, payload, key))
                    position += length
                    if self._closed:
                        self._discard()
                        return
                    continue
                self._begin(first, length, key)
            piece = data[position : position + self._left]
            position += len(piece)
            self._take(piece, events)
            if self._closed:
                self._discard()
                return

    def _frame(self, first: int, payload: bytes) -> Frame:
        """What is no message yet."""
        self._only_messages = False
        return Frame(first & 0x0F, payload, first >= _FIN, first & _RSV1 != 0)

    def _whole(self, opcode: int, payload: bytes, key: bytes) -> Message | Ping | Pong | Close:
        """What one unfragmented frame means."""
        if opcode == TEXT and self._text_as_str:
            long = key and len(payload) >= TRANSLATE_FROM
            text = xor_long(payload, key) if long else xor(payload, key) if key else payload
            return new_message(decode_utf8(text, Fault.TEXT, Fault.TEXT_TRUNCATED), TEXT)
        if key and payload:
            payload = xor(payload, key)
        if opcode == TEXT:
            decode_utf8(payload, Fault.TEXT, Fault.TEXT_TRUNCATED)
            return new_message(payload, TEXT)
        if opcode == BINARY:
            return new_message(payload, BINARY)
        self._only_messages = False
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        close = parse_close(payload)
        self._closed = True
        return close

    def _begin(self, first: int, length: int, key: bytes) -> None:
        """Start a frame that arrives in pieces, or one of several in its message."""
        self._first = first
        self._left = length
        self._key = key
        self._phase = 0
        if not first & 0x08:
            self._fragments += 1
            self._in_message = True
            if first & 0x0F:
                self._opcode = first & 0x0F
                self._compressed = first & _RSV1 != 0

    def _take(self, piece: bytes, events: list[Event]) -> None:
        """Take the next piece of the payload of the frame that has begun."""
        self._left -= len(piece)
        if self._key and piece:
            key = turned(self._key, self._phase)
            self._phase = (self._phase + len(piece)) & 3
            piece = xor(piece, key)
        if self._first & 0x08:
            self._payload += piece
        else:
            if self._opcode == TEXT and not self._compressed:
                self._check_text(piece)
            self._gathered += piece
        if not self._left:
            self._end(events)

    def _check_text(self, piece: bytes) -> None:
        bad = self._text.accept(piece)
        if bad is not None:
            raise protocol_error(Fault.TEXT, bad)
        if not self._left and self._first & 0x80 and self._text.pending:
            raise protocol_error(Fault.TEXT_TRUNCATED, self._text.offset)

    def _end(self, events: list[Event]) -> None:
        """The frame is complete, and the message with it if that was its last one."""
        self._left = -1
        if self._first & 0x08:
            payload, self._payload = self._payload, b""
            events.append(self._whole(self._first & 0x0F, payload, b""))
        elif self._first & _FIN:
            events.append(self._last())
            self._forget_message()
        elif self._streaming or self._told >= 0:
            events.append(self._fragment(0))

    def _last(self) -> Message | Frame:
        """The message, or what was not told of it."""
        if self._compressed or self._told >= 0:
            return self._fragment(_FIN)
        if self._opcode == TEXT and self._text_as_str:
            return new_message(self._gathered.decode(), TEXT)
        return new_message(bytes(self._gathered), self._opcode)

    def _fragment(self, fin: int) -> Frame:
        """What has gathered, as a frame that goes on with what was told already."""
        first = CONTINUATION
        if self._told < 0:
            first = self._opcode | (_RSV1 if self._compressed else 0)
            self._told = 0
        payload = bytes(self._gathered)
        self._told += len(payload)
        self._gathered.clear()
        return self._frame(fin | first, payload)

    def _forget_message(self) -> None:
        self._in_message = False
        self._told = -1
        self._fragments = 0
        self._gathered = bytearray()
        self._text = PartialText()

    def _discard(self) -> None:
        """Nothing more will be decoded: keep no bytes."""
        self._left = -1
        self._partial = self._payload = b""
        self._forget_message()


def parse_close(payload: bytes) -> Close:
    """What a close frame says (RFC 6455 §5.5.1, §7.4)."""
    if not payload:
        return Close()
    if len(payload) == 1:
        raise protocol_error(Fault.CLOSE_TOO_SHORT)
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable_close_code(code):
        raise protocol_error(Fault.CLOSE_CODE, code)
    return Close(code, decode_utf8(payload[2:], Fault.CLOSE_REASON, Fault.CLOSE_REASON_TRUNCATED))
