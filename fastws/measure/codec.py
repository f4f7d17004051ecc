"""The cases of the codec: each function of fastws against the library that does the same work best.

Stages stand in the order in which a frame is read: mask, utf8, decoder, encoder. ``codec_cases`` measures the backend
in use against compiled rivals, ``pure_cases`` the pure twin against rivals in pure Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastws import _pure
from fastws.backend import backend
from fastws.frames import Opcode, Role

from .case import Case, Contender
from .payloads import KEY, KIB, MIB, binary, cut, frames, size_name, text
from .peers import (
    LIMIT,
    aiohttp_decode,
    aiohttp_encode,
    attribute,
    patched,
    peer,
    websockets_decode,
    websockets_encode,
    wsproto_decode,
    wsproto_encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from types import ModuleType

__all__ = ["codec_cases", "pure_cases"]

# Bytes of a read, and of a stream that is decoded in one call.
_READ: Final = 64 * KIB
_STREAM: Final = 4 * _READ

_MASK_SIZES: Final = (8, 16, 32, 64, 125, KIB, 4 * KIB, 64 * KIB, MIB)
_INPLACE_SIZES: Final = (8, 16, 32, 64, 125, 16 * KIB, MIB)
_UTF8_SIZES: Final = (16, 32, 64, KIB, 64 * KIB, MIB)
_TEXT_SIZES: Final = (32, 125, KIB, 64 * KIB, MIB)
_MESSAGE_SIZES: Final = (16, 125, KIB, 16 * KIB)
_ENCODE_SIZES: Final = (16, 125, KIB, 16 * KIB, 64 * KIB)
_PURE_SIZES: Final = (16, 125, KIB, 64 * KIB)


def codec_cases() -> list[Case]:
    """The backend in use, against compiled rivals."""
    codec: ModuleType = backend
    return [
        *[_mask_case(codec, n) for n in _MASK_SIZES],
        *[_inplace_case(codec, n) for n in _INPLACE_SIZES],
        *[_utf8_case(codec, shape, n) for shape in ("ASCII", "Cyrillic", "Chinese", "emoji") for n in _UTF8_SIZES],
        *[_text_case(codec, shape, n) for shape in ("ASCII", "Latin", "Chinese", "emoji") for n in _TEXT_SIZES],
        *[_decoder_case(codec, kind, n) for kind in ("text", "binary") for n in _MESSAGE_SIZES],
        *[_encoder_case(codec, role, n) for role in Role for n in _ENCODE_SIZES],
    ]


def pure_cases() -> list[Case]:
    """The pure twin, against what other libraries do in pure Python."""
    return [
        *[_pure_mask_case(n) for n in _PURE_SIZES],
        *[_pure_decoder_case(kind, n) for kind in ("text", "binary") for n in _MESSAGE_SIZES],
        *[_pure_encoder_case(role, n) for role in Role for n in _PURE_SIZES],
    ]


# Mask -----------------------------------------------------------------------------------------------------------------


def _mask_case(codec: ModuleType, n: int) -> Case:
    args = (binary(n), KEY)
    goal = 1.3 if n <= 125 else 1.2 if n <= 4 * KIB else 1.0
    return Case(
        "mask, bytes to bytes",
        size_name(n),
        (
            Contender("fastws", codec.mask, args),
            peer(
                "websockets apply_mask (C)",
                lambda: (attribute("websockets.speedups", "apply_mask"), args),
                goal=goal,
            ),
        ),
        "byte",
        n,
        short=n == 125,
    )


def _inplace_case(codec: ModuleType, n: int) -> Case:
    own, theirs = bytearray(binary(n)), bytearray(binary(n))
    goal = {16 * KIB: 2.0, MIB: 1.3}.get(n, 1.0)
    return Case(
        "mask_inplace",
        size_name(n),
        (
            Contender("fastws", codec.mask_inplace, (own, KEY), value=lambda _: bytes(own)),
            peer(
                "aiohttp mask (compiled)",
                lambda: (attribute("aiohttp._websocket.mask", "_websocket_mask_cython"), (KEY, theirs)),
                goal=goal,
                value=lambda _: bytes(theirs),
            ),
        ),
        "byte",
        n,
    )


# Utf8 -----------------------------------------------------------------------------------------------------------------


def _utf8_case(codec: ModuleType, shape: str, n: int) -> Case:
    data = text(shape, n).encode()
    goal = 1.0 if n < KIB else 2.0 if shape == "ASCII" else 10.0
    return Case(
        "is_utf8",
        f"{shape}, {size_name(n)}",
        (
            Contender("fastws", codec.is_utf8, (data,)),
            Contender("bytes.decode", bytes.decode, (data,), goal=goal, value=lambda decoded: isinstance(decoded, str)),
        ),
        "byte",
        n,
        short=n == KIB and shape == "Chinese",
    )


def _text_case(codec: ModuleType, shape: str, n: int) -> Case:
    masked = codec.mask(text(shape, n).encode(), KEY)
    goals = {32: 1.3} if shape == "ASCII" else {}
    return Case(
        "decode_text, masked bytes to str",
        f"{shape}, {size_name(n)}",
        (
            Contender("fastws", codec.decode_text, (masked, KEY)),
            peer(
                "websockets apply_mask (C), then str",
                lambda: (_mask_then_decode(attribute("websockets.speedups", "apply_mask")), (masked, KEY)),
                goal=goals.get(n) if n < KIB else 1.5 if shape == "ASCII" else 3.0,
            ),
        ),
        "byte",
        n,
        short=n == KIB,
    )


def _mask_then_decode(apply_mask: Callable[[bytes, bytes], bytes]) -> Callable[[bytes, bytes], str]:
    def mask_then_decode(data: bytes, key: bytes) -> str:
        return str(apply_mask(data, key), "utf-8")

    return mask_then_decode


# Decoder --------------------------------------------------------------------------------------------------------------


def _decoder_case(codec: ModuleType, kind: str, n: int) -> Case:
    reads, count = _reads(kind, n)
    small = n <= 125
    return Case(
        "MessageDecoder, reads of 64 KiB",
        f"{kind}, {size_name(n)}",
        (
            Contender("fastws", _decode(codec), (reads,), value=_joined),
            peer(
                "aiohttp WebSocketReader (compiled)",
                lambda: (aiohttp_decode("aiohttp._websocket.reader_c"), (reads,)),
                goal=6.0 if small else 4.0 if n == KIB else 2.0,
                value=_joined,
            ),
            peer(
                "websockets ServerProtocol",
                lambda: (websockets_decode(text=kind == "text"), (reads,)),
                goal=30.0 if small else None,
                value=_joined,
            ),
            peer(
                "wsproto Connection",
                lambda: (wsproto_decode(), (reads,)),
                goal=100.0 if small else None,
                value=_joined,
            ),
        ),
        "message",
        count,
        short=n == 125,
    )


def _pure_decoder_case(kind: str, n: int) -> Case:
    reads, count = _reads(kind, n)
    return Case(
        "pure Python: MessageDecoder, reads of 64 KiB",
        f"{kind}, {size_name(n)}",
        (
            Contender("fastws (pure twin)", _decode(_pure), (reads,), value=_joined),
            peer(
                "websockets ServerProtocol",
                lambda: (websockets_decode(text=kind == "text"), (reads,)),
                goal=1.0,
                around=_websockets_pure,
                value=_joined,
            ),
            peer("wsproto Connection", lambda: (wsproto_decode(), (reads,)), goal=1.0, value=_joined),
            peer(
                "aiohttp WebSocketReader",
                lambda: (aiohttp_decode("aiohttp._websocket.reader_py"), (reads,)),
                goal=1.0,
                around=_aiohttp_reader_pure,
                value=_joined,
            ),
        ),
        "message",
        count,
    )


def _reads(kind: str, n: int) -> tuple[list[bytes], int]:
    """A stream of masked frames with ``n`` bytes of payload, as reads; and how many frames that is."""
    payload, opcode = (text("ASCII", n).encode(), Opcode.TEXT) if kind == "text" else (binary(n), Opcode.BINARY)
    count = _STREAM // (n + 6)
    return cut(frames(payload, opcode, count, masked=True), _READ), count


def _decode(codec: ModuleType) -> Callable[[list[bytes]], list[list[Any]]]:
    """Feed a new ``MessageDecoder``: for each read, the data of its messages."""
    decoder_class: type[_pure.MessageDecoder] = codec.MessageDecoder

    def decode(reads: list[bytes]) -> list[list[Any]]:
        decoder = decoder_class(Role.SERVER, max_message_size=LIMIT)
        return [[message.data for message in decoder.feed(read)] for read in reads]  # type: ignore[union-attr]

    return decode


def _joined(batches: list[list[Any]]) -> Any:
    """All of the data in one piece: not every library joins a frame that came in two reads."""
    pieces = [piece for batch in batches for piece in batch]
    return "".join(pieces) if isinstance(pieces[0], str) else b"".join(pieces)


# Encoder --------------------------------------------------------------------------------------------------------------


def _encoder_case(codec: ModuleType, role: Role, n: int) -> Case:
    message = text("ASCII", n)
    masked = role is Role.CLIENT
    return Case(
        "encode_message, text",
        f"{role.value}, {size_name(n)}",
        (
            Contender("fastws", codec.encode_message, (message, role), value=_unmasked),
            peer(
                "websockets Frame.serialize",
                lambda: (websockets_encode(masked=masked), (message,)),
                goal=10.0 if n == 125 else None,
                value=_unmasked,
            ),
            peer(
                "aiohttp WebSocketWriter",
                lambda: (aiohttp_encode(masked=masked), (message,)),
                goal=4.0 if n == 125 else None,
                value=_unmasked_writes,
            ),
        ),
        "message",
        1,
        short=n == 125,
    )


def _pure_encoder_case(role: Role, n: int) -> Case:
    message = text("ASCII", n)
    masked = role is Role.CLIENT
    return Case(
        "pure Python: encode_message, text",
        f"{role.value}, {size_name(n)}",
        (
            Contender("fastws (pure twin)", _pure.encode_message, (message, role), value=_unmasked),
            peer(
                "websockets Frame.serialize",
                lambda: (websockets_encode(masked=masked), (message,)),
                goal=1.0,
                around=_websockets_pure,
                value=_unmasked,
            ),
            peer(
                "wsproto Connection.send",
                lambda: (wsproto_encode(masked=masked), (message,)),
                goal=1.0,
                value=_unmasked,
            ),
            peer(
                "aiohttp WebSocketWriter",
                lambda: (aiohttp_encode(masked=masked), (message,)),
                goal=1.0,
                around=_aiohttp_writer_pure,
                value=_unmasked_writes,
            ),
        ),
        "message",
        1,
    )


def _unmasked(frame: bytes) -> tuple[bytes, bytes]:
    """The two bytes that start a frame, and its payload: what does not depend on the key that was drawn."""
    header = _pure.parse_header(frame)
    assert header is not None
    payload = frame[header.size :]
    return frame[:2], payload if header.key is None else _pure.mask(payload, header.key)


def _unmasked_writes(writes: Iterable[bytes]) -> tuple[bytes, bytes]:
    return _unmasked(b"".join(writes))


# Rivals without their compiled parts ----------------------------------------------------------------------------------


def _pure_mask_case(n: int) -> Case:
    args = (binary(n), KEY)
    buffer = bytearray(binary(n))
    return Case(
        "pure Python: mask",
        size_name(n),
        (
            Contender("fastws (pure twin)", _pure.mask, args),
            peer("websockets apply_mask", lambda: (attribute("websockets.utils", "apply_mask"), args), goal=1.0),
            peer("wsproto XorMaskerSimple", lambda: (_wsproto_mask(), args), goal=1.0, value=bytes),
            peer(
                "aiohttp mask, in place",
                lambda: (attribute("aiohttp._websocket.helpers", "_websocket_mask_python"), (KEY, buffer)),
                goal=1.0,
                value=lambda _: bytes(buffer),
            ),
        ),
        "byte",
        n,
    )


def _wsproto_mask() -> Callable[[bytes, bytes], bytearray]:
    masker_class = attribute("wsproto.frame_protocol", "XorMaskerSimple")

    def mask(data: bytes, key: bytes) -> bytearray:
        masked: bytearray = masker_class(key).process(data)
        return masked

    return mask


def _websockets_pure() -> AbstractContextManager[None]:
    return patched("websockets.frames", "apply_mask", attribute("websockets.utils", "apply_mask"))


def _aiohttp_reader_pure() -> AbstractContextManager[None]:
    return patched("aiohttp._websocket.reader_py", "websocket_mask", _aiohttp_mask())


def _aiohttp_writer_pure() -> AbstractContextManager[None]:
    return patched("aiohttp._websocket.writer", "websocket_mask", _aiohttp_mask())


def _aiohttp_mask() -> Any:
    return attribute("aiohttp._websocket.helpers", "_websocket_mask_python")
