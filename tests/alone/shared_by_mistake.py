"""Decoders that several threads feed at once, and a buffer that one resizes while others read it.

That may give nonsense and errors; it must not crash, hang, or harm what comes after.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import Any

from chosen import codec
from fastws import Role
from oracles import frame, noise, xor

KEY = b"abcd"
SECONDS = 1.0

PIECES = (
    *(frame(0x81, "schön".encode(), KEY), frame(0x01, b"abc", KEY), frame(0x00, b"x" * 70_000, KEY)),
    *(frame(0x89, b"ping", KEY)[:5], frame(0x82, noise(200_000), KEY)[:150_000], b"g", b"\x82\xff", b"\xff"),
    *(frame(0x80, "€".encode()[:2], KEY), frame(0x88, b"", KEY)),
)

shared: dict[str, Any] = {}


def renew() -> None:
    shared["frames"] = codec.FrameDecoder(Role.SERVER, max_frame_size=2**20)
    shared["messages"] = codec.MessageDecoder(Role.SERVER, max_message_size=2**20, max_fragments=100)
    shared["text"] = codec.Utf8Validator()
    shared["buffer"] = bytearray(70_000)


def try_decoders(i: int) -> None:
    for name in ("frames", "messages", "text"):
        decoder = shared[name]
        decoder.feed(PIECES[i % len(PIECES)])
        assert decoder.error is None or str(decoder.error)
        assert getattr(decoder, "buffered", 0) >= 0


def try_buffer(i: int) -> None:
    buffer = shared["buffer"]
    codec.mask_inplace(buffer, KEY, i & 3)
    if i % 3:
        buffer.extend(b"x" * 100)
    else:
        del buffer[-300:]
    codec.is_utf8(buffer)
    codec.decode_text(memoryview(buffer)[:1000])


def hammer(start: int) -> None:
    end = time.monotonic() + SECONDS
    i = start
    while time.monotonic() < end:
        i += 1
        # Any exception is allowed: it is this use that is wrong.
        with suppress(Exception):
            try_decoders(i)
        with suppress(Exception):
            try_buffer(i)
        if i % 7 == 0:
            shared["text"].reset()
        if i % 50 == 0:
            renew()


sys.setswitchinterval(1e-5)
renew()
threads = [threading.Thread(target=hammer, args=(i,)) for i in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

assert codec.mask(b"Hello", KEY) == xor(b"Hello", KEY)
decoder = codec.MessageDecoder(Role.SERVER, max_message_size=None)
assert decoder.feed(frame(0x81, b"fine", KEY)) == [codec.Message("fine")]
