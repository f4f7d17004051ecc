"""Numbers and flags whose methods resize the buffer in use, or feed the decoder that asks; a collector that comes back
into a decoder; exporters that fail while they give a buffer back. No crash, and good arguments still do good."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from chosen import attempt, codec
from fastws import Role
from oracles import frame
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = frame(0x82, b"x" * 100_000, KEY)[:70_000]


class Bite:
    """A number, a flag and a name, which does something else each time it is asked."""

    def __init__(self, bite: Callable[[], object], number: int = 0) -> None:
        self.bite = bite
        self.number = number

    def __index__(self) -> int:
        self.bite()
        return self.number

    def __bool__(self) -> bool:
        self.bite()
        return bool(self.number)

    def __eq__(self, other: object) -> bool:
        self.bite()
        return other == "str"

    __hash__ = None  # type: ignore[assignment]


def _resize(buffer: bytearray, shrink: bool) -> None:
    if shrink:
        buffer.clear()
    else:
        buffer.extend(bytes(10 * len(buffer)))


CALLS: tuple[Callable[[Any, Any], object], ...] = (
    lambda data, bite: codec.mask(data, KEY, bite),
    lambda data, bite: codec.mask_inplace(data, KEY, bite),
    lambda data, bite: codec.decode_text(data, KEY, bite),
    lambda data, bite: codec.decode_text(data, None, bite),
    lambda data, bite: codec.parse_header(data, bite),
    lambda data, bite: codec.parse_header(data, minimal_length=bite),
    lambda data, bite: codec.Utf8Validator().feed(data, bite),
    lambda data, bite: codec.encode_frame(bite, data, key=KEY),
    lambda data, bite: codec.encode_frame(2, data, fin=bite, rsv1=bite, key=KEY),
    lambda data, bite: codec.mask(b"x" * 5000, data, bite),
    lambda data, bite: codec.mask_inplace(bytearray(5000), data, bite),
    lambda data, bite: codec.decode_text(b"x" * 5000, data, bite),
)


def resize_what_is_in_use() -> None:
    for size in (3, 4, 40, 5000, 200_000):
        for shrink in (True, False):
            for call in CALLS:
                for view in (bytearray, memoryview):
                    buffer = bytearray(size)
                    bite = Bite(lambda buffer=buffer, shrink=shrink: _resize(buffer, shrink), 1)  # type: ignore[misc]
                    attempt(call, buffer if view is bytearray else memoryview(buffer), bite)


def come_back_into_a_validator() -> None:
    validator = codec.Utf8Validator()
    for bite in (validator.reset, lambda: validator.feed(b"\xe2\x82"), lambda: attempt(validator.feed, b"\xff")):
        for data in (b"abc", b"\xe2", b"\xff"):
            attempt(validator.feed, data, Bite(bite, 1))
            validator.reset()


def come_back_into_a_decoder() -> None:
    for kind, limits in (
        (codec.FrameDecoder, ("max_frame_size",)),
        (codec.MessageDecoder, ("max_message_size", "max_fragments", "max_frame_size", "text_as")),
    ):
        for limit in limits:
            for data in (HALF, HALF[:3], frame(0x83, b"", KEY), frame(0x88, b"", KEY)):
                decoder = kind(Role.SERVER, **{limits[0]: None})
                decoder.feed(HALF)
                bite = Bite(lambda decoder=decoder, data=data: attempt(decoder.feed, data), 10)  # type: ignore[misc]
                attempt(decoder.__init__, Role.SERVER, **{limits[0]: None, limit: bite})
                attempt(decoder.feed, data)
                attempt(decoder.feed, HALF)
                decoder.__init__(Role.SERVER, **{limits[0]: None})
                assert len(decoder.feed(frame(0x82, b"x", KEY))) == 1


def come_back_by_the_collector() -> None:
    """It may run wherever something is made."""
    decoder = codec.MessageDecoder(Role.SERVER, max_message_size=None)
    inside = False

    def come_back(_phase: str, _info: object) -> None:
        nonlocal inside
        if not inside:
            inside = True
            attempt(decoder.feed, frame(0x81, b"again", KEY))
            attempt(decoder.feed, HALF[:20])
            inside = False

    gc.callbacks.append(come_back)
    gc.set_threshold(1, 1, 1)
    for _ in range(300):
        attempt(decoder.feed, frame(0x81, "schön".encode(), KEY) * 20)
        attempt(decoder.feed, HALF)
        attempt(codec.decode_text, b"\xff")
    gc.callbacks.clear()


if sys.version_info >= (3, 12):

    class Exporter:
        """A buffer made in Python (PEP 688), which acts up when it is taken and when it is given back."""

        def __init__(self, bite: Callable[[], object]) -> None:
            self.bite = bite

        def __buffer__(self, flags: int) -> memoryview:
            self.bite()
            return memoryview(bytearray(b"\x81\x85abcd12345"))

        def __release_buffer__(self, view: memoryview) -> None:
            view.release()
            self.bite()
            raise ZeroDivisionError("while a buffer was given back")

    def export_and_bite() -> None:
        sys.unraisablehook = lambda _: None
        decoder = codec.MessageDecoder(Role.SERVER, max_message_size=None)
        validator = codec.Utf8Validator()
        calls = (
            *(codec.is_utf8, codec.decode_text, codec.parse_header, decoder.feed, validator.feed),
            *(lambda data: codec.mask(data, KEY), lambda data: codec.mask(b"x", data)),
            *(lambda data: codec.mask_inplace(data, KEY), lambda data: codec.encode_frame(2, data, key=KEY)),
        )
        for bite in (int, lambda: attempt(decoder.feed, HALF), lambda: attempt(validator.feed, b"\xc3")):
            for call in calls:
                attempt(call, Exporter(bite))


resize_what_is_in_use()
come_back_into_a_validator()
come_back_into_a_decoder()
come_back_by_the_collector()
if sys.version_info >= (3, 12):
    export_and_bite()

assert codec.mask(bytes(5), b"abcd", 1) == b"bcdab"
assert codec.decode_text("schön".encode()) == "schön"
