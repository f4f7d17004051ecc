"""The sizes and shapes that every bench shares. The same arguments give the same bytes in every run."""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING, Final

from fastws import _pure

if TYPE_CHECKING:
    from fastws.frames import Opcode

__all__ = ["KEY", "KIB", "MIB", "SHAPES", "binary", "cut", "frames", "message", "size_name", "text"]

KIB: Final = 1024
MIB: Final = 1024 * KIB

#: A masking key whose bytes differ.
KEY: Final = b"\x37\xfa\x21\x3d"

# Bytes of text that are drawn character by character.
_PIECE: Final = 16 * KIB

_ASCII: Final = 'abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,:;{}[]"'
_ACCENTED: Final = "éèêàçñöüäßåøæíóú"

#: Text by its name: the characters of the text, and those that one in twenty is taken from instead.
SHAPES: Final[dict[str, tuple[str, str]]] = {
    "ASCII": (_ASCII, _ASCII),
    "Latin": (_ASCII, _ACCENTED),
    "Cyrillic": ("абвгдежзийклмнопрстуфхцчшщъыьэюя",) * 2,
    "Chinese": (
        "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然",
    )
    * 2,
    "emoji": ("😀😂🥰😎🤔👍🎉🚀🔥💡🌍🎶🐍🦀🍕",) * 2,
}


def size_name(n: int) -> str:
    """``n`` bytes for people: "125 B", "4 KiB", "1 MiB"."""
    if n >= MIB and n % MIB == 0:
        return f"{n // MIB} MiB"
    if n >= KIB and n % KIB == 0:
        return f"{n // KIB} KiB"
    return f"{n} B"


@functools.cache
def binary(n: int) -> bytes:
    """``n`` bytes without a pattern."""
    return random.Random(n).randbytes(n)  # noqa: S311 - to be repeated, not to be kept secret


@functools.cache
def text(shape: str, n: int) -> str:
    """Text of a shape that is ``n`` bytes long as UTF-8; what no character fits into is filled with dots.

    Long text repeats a piece that is longer than any branch predictor remembers.
    """
    if n > _PIECE:
        return text(shape, _PIECE) * (n // _PIECE) + text(shape, n % _PIECE)
    common, rare = SHAPES[shape]
    source = random.Random(n)  # noqa: S311 - as above
    characters: list[str] = []
    left = n
    while left:
        character = source.choice(rare if source.random() < 0.05 else common)
        size = len(character.encode())
        if size > left:
            characters.append("." * left)
            break
        characters.append(character)
        left -= size
    return "".join(characters)


def message(shape: str, n: int) -> str | bytes:
    """Text of a shape, or bytes where the shape is "binary"."""
    return binary(n) if shape == "binary" else text(shape, n)


@functools.cache
def frames(payload: bytes, opcode: Opcode, count: int, *, masked: bool) -> bytes:
    """A stream of ``count`` frames with the same payload, each masked with a key of its own."""
    if not masked:
        return _pure.encode_frame(opcode, payload) * count
    source = random.Random(count)  # noqa: S311 - as above
    return b"".join([_pure.encode_frame(opcode, payload, key=source.randbytes(4)) for _ in range(count)])


def cut(stream: bytes, size: int) -> list[bytes]:
    """The stream as reads of ``size`` bytes; the last one may be shorter."""
    return [stream[start : start + size] for start in range(0, len(stream), size)]
