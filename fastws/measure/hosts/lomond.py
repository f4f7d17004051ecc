"""lomond, measured: what its session does for each message, without its sockets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from .library import received, sent

if TYPE_CHECKING:
    from ..case import Case

__all__ = ["library_cases"]

_RESPONSE: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

# The host reads as much at once.
_READ: Final = 64 * 1024


def library_cases() -> list[Case]:
    stream_class = importlib.import_module("lomond.stream").WebsocketStream
    frame_class = importlib.import_module("lomond.frame").Frame

    def receive(stream: bytes, _: int) -> list[Any]:
        reader = stream_class()
        list(reader.feed(_RESPONSE))
        messages = []
        for start in range(0, len(stream), _READ):
            messages += [m.text if m.is_text else m.data for m in reader.feed(stream[start : start + _READ])]
        return messages

    def frame(message: str | bytes) -> Any:
        if isinstance(message, str):
            return frame_class(1, payload=bytearray(message.encode()))
        return frame_class(2, payload=bytearray(message))

    def send(message: str | bytes, count: int) -> list[int]:
        return [len(frame(message).to_bytes()) for _ in range(count)]

    return [*received("lomond", receive), *sent("lomond", send)]
