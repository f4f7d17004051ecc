"""From frames to messages: the text of a ``MessageDecoder``, in pieces that may be cut anywhere."""

from __future__ import annotations

from codecs import utf_8_decode
from encodings.utf_8 import IncrementalDecoder
from typing import TYPE_CHECKING, Any

from .frames import BYTES, frame_protocol_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["make_process_frame", "piece_decoder", "text_decoder"]

# Globals of the host's module, as in `frames`.
Frame: Any = None
getincrementaldecoder: Any = None


def make_process_frame(plain: FunctionType, backend: ModuleType) -> Any:
    frame_protocol = frame_protocol_of(plain)
    message_decoder, frame_class, opcodes = frame_protocol.MessageDecoder, frame_protocol.Frame, frame_protocol.Opcode
    continuation, text, data_opcodes = opcodes.CONTINUATION, opcodes.TEXT, (opcodes.TEXT, opcodes.BINARY)
    decode_piece, byte_types, new_tuple = piece_decoder(backend), BYTES, tuple.__new__

    def process_frame(self: Any, frame: Any) -> Any:
        if type(self) is not message_decoder or type(frame) is not frame_class:
            return plain(self, frame)
        opcode, payload, frame_finished, fin = frame
        finished = frame_finished and fin
        message, decoder = self.opcode, self.decoder
        if type(finished) is not bool or (
            opcode not in data_opcodes if message is None else opcode is not continuation
        ):
            return plain(self, frame)
        if message is None:
            message = opcode
            if opcode is text and not finished:
                decoder = getincrementaldecoder("utf-8")()
        if message is text:
            decoded = decode_piece(decoder, payload, None, finished) if type(payload) in byte_types else None
            if decoded is None:
                return plain(self, frame)
            payload = decoded
        self.opcode, self.decoder = (None, None) if finished else (message, decoder)
        return new_tuple(Frame, (message, payload, frame_finished, finished))

    return process_frame


def text_decoder(backend: ModuleType) -> Callable[[Any, Any], str]:
    """What unmasks, where there is a key, and decodes a whole text; raises ValueError where that cannot be."""
    if backend.kernel_name() != "none":
        decode: Callable[[Any, Any], str] = backend.decode_text
        return decode
    # The pure twin has nothing faster than what the host does.
    mask = backend.mask
    return lambda part, key: str(part if key is None else mask(part, key), "utf-8")


def piece_decoder(backend: ModuleType) -> Callable[[Any, Any, Any, Any], str | None]:
    """What unmasks and decodes the next piece of a text, and leaves the host's decoder as the host would.

    The host's decoder is None for a whole text. Where the piece is refused, the result is None and that decoder is as
    it was.
    """
    mask, decode_text, native = backend.mask, text_decoder(backend), backend.kernel_name() != "none"

    def decode_piece(decoder: Any, piece: Any, key: Any, final: Any) -> str | None:
        try:
            if decoder is None:
                return decode_text(piece, key)
            if not native or type(decoder) is not IncrementalDecoder:
                return str(decoder.decode(piece if key is None else mask(piece, key), final))
            if decoder.buffer:
                piece, key = decoder.buffer + (piece if key is None else mask(piece, key)), None
            kept = b"" if final else _unfinished(piece, key, mask)
            text = _decode_start(piece, len(piece) - len(kept), key) if kept else decode_text(piece, key)
        except ValueError:
            return None
        decoder.buffer = kept
        return text

    def _decode_start(piece: Any, n: int, key: Any) -> str:
        with memoryview(piece)[:n] as view:
            return decode_text(view, key)

    return decode_piece


def _unfinished(piece: Any, key: Any, mask: Callable[[Any, Any, int], bytes]) -> bytes:
    """The bytes at the end of a piece that begin a code point which goes on after them: they are to be held back.

    CPython's decoder decides whether they do; it holds back the start of a surrogate, too.

    Raises:
        UnicodeDecodeError: no code point begins with them.
    """
    n = len(piece)
    if not n or (piece[-1] if key is None else piece[-1] ^ key[(n - 1) & 3]) < 0x80:
        return b""
    start = max(0, n - 3)
    end = bytes(piece[start:]) if key is None else mask(piece[start:], key, start & 3)
    for held in range(1, len(end) + 1):
        byte = end[-held]
        if byte >= 0xC0:
            if held >= (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4):
                break
            utf_8_decode(end[-held:])
            return end[-held:]
        if byte < 0x80:
            break
    return b""
