"""Millions of frames (a twentieth of that with the pure twin) and every kind of refusal: nothing stays behind.

Counted are the interpreter's blocks, which tell a lost object or small allocation at once, and the peak of the
process, which tells lost big ones.
"""

from __future__ import annotations

import gc
import sys
from array import array
from typing import TYPE_CHECKING, Any

from chosen import attempt, codec, is_native
from fastws import Role
from oracles import frame, noise
from vectors import BAD_TEXTS, KEY, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":

    def peak() -> int:
        return 0
else:
    import resource

    def peak() -> int:
        """Bytes of memory that the process had at most."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def blocks() -> int:
    """Memory blocks in use, where the interpreter counts them."""
    gc.collect()
    return int(getattr(sys, "getallocatedblocks", int)())


TEXT = "schön 你好 😀 " * 100
SMALL = b"".join(
    [frame(0x81, b"%d" % i, KEY) + frame(0x82, b"x", KEY) + frame(0x89, b"", KEY) for i in range(3000)],
)
FRAGMENTS = b"".join(
    [
        *(frame(0x02, b"a" * 5000, KEY), frame(0x00, b"b" * 300, KEY) * 40, frame(0x80, b"", KEY)),
        *(frame(0x01, "€".encode()[:2], KEY), frame(0x89, b"", KEY), frame(0x80, "€".encode()[2:], KEY)),
    ]
)
REFUSALS = [(role, stream.wire(role)) for stream in STREAMS for role in Role if len(stream.frames[0].payload) < 1000]


def decoders(role: Role) -> Iterator[Any]:
    yield codec.FrameDecoder(role, max_frame_size=2**20)
    yield codec.MessageDecoder(role, max_message_size=2**20)
    yield codec.MessageDecoder(role, max_message_size=2**20, text_as="bytes")


def feed_many(times: int) -> None:
    for decoder in decoders(Role.SERVER):
        for _ in range(times):
            decoder.feed(SMALL)
            decoder.feed(FRAGMENTS)


def feed_all_kinds() -> None:
    for role, data in REFUSALS:
        for decoder in decoders(role):
            for buffer in (data, bytearray(data), array("B", data), memoryview(data)[::2]):
                attempt(decoder.feed, buffer)
            assert decoder.error is None or str(decoder.error)
        for decoder in decoders(role):
            for i in range(0, len(data), 5):
                attempt(decoder.feed, data[i : i + 5])
            attempt(decoder.__init__, role, max_frame_size=5)
    for decoder in decoders(Role.SERVER):
        decoder.feed(frame(0x02, b"x" * 60_000, KEY)[:50_000])


def try_texts() -> None:
    for bad in BAD_TEXTS:
        attempt(codec.Utf8Validator().feed, bad * 9, True)
        attempt(codec.Utf8Validator().feed, array("B", bad))
        attempt(codec.decode_text, bad, KEY)
        attempt(codec.decode_text, array("B", bad * 200))
        attempt(codec.decode_text, bad, bad)
        attempt(codec.is_utf8, memoryview(bad)[::2])
        attempt(codec.mask, bytearray(bad), bad, 9)
        attempt(codec.mask_inplace, bad, KEY)
        attempt(codec.mask_inplace, array("B", bad), bytearray(KEY))
        attempt(codec.mask_inplace, array("H", bad * 2), KEY)
        attempt(codec.parse_header, bad, 1)


def encode_all_kinds() -> None:
    for length in (0, 1, 10, 100, 1000, 10_000):
        data, text = noise(length), TEXT[:length]
        for key in (None, KEY, b"bad", 1):
            attempt(codec.mask, data, key)
            attempt(codec.encode_frame, 2, data, key=key)
            attempt(codec.encode_frame, 9, text, key=key)
            attempt(codec.encode_text, text + "\ud800", key)
            attempt(codec.decode_text, codec.encode_text(text, KEY), key)
            attempt(codec.encode_header, 3, length, key=key)
            attempt(codec.encode_message, codec.Message(text), Role.SERVER, key=key)
            attempt(codec.encode_message, codec.Close(length, text), Role.CLIENT, key=key or KEY)
    # A multiple of what is drawn ahead, so that as much of it is left after every round.
    for _ in range(1024):
        codec.new_key()
        codec.encode_message(TEXT, Role.CLIENT)


def use_values() -> None:
    values = [codec.Frame(1, b"x"), codec.Message(TEXT), codec.Ping(b"x"), codec.Pong(), codec.Close(1000, TEXT)]
    for value in values:
        assert value in {value: repr(value)}
        assert value.__reduce__()
        attempt(setattr, value, "data", 1)
    attempt(codec.Frame, 3, b"")
    attempt(codec.Message, 5)
    attempt(codec.FrameDecoder, Role.CLIENT, max_frame_size=-1)


def one_round(times: int) -> None:
    feed_many(times)
    feed_all_kinds()
    try_texts()
    encode_all_kinds()
    use_values()


# What an implementation may keep for each byte of a key, once and for all.
for byte in range(256):
    codec.mask(bytes(10_000), bytes([byte] * 4))
for _ in range(3):
    one_round(2)
blocks_before, peak_before = blocks(), peak()
for _ in range(10):
    one_round(12 if is_native else 1)
grown_blocks, grown_peak = blocks() - blocks_before, peak() - peak_before
print(f"{grown_blocks} blocks, {grown_peak} bytes more than before")
assert grown_blocks < 50, grown_blocks
assert grown_peak < 2**22, grown_peak
