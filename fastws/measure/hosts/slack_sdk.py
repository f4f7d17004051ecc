"""slack-sdk's builtin client of Socket Mode, measured."""

from __future__ import annotations

import importlib
import io
import logging
import struct
import threading
from typing import TYPE_CHECKING, Any, Final

from ..payloads import MIB, size_name
from .library import received, sent

if TYPE_CHECKING:
    from ..case import Case

__all__ = ["library_cases"]

# What the client reads at once, unless it is told otherwise.
_READ: Final = 1024


class _Memory:
    """A socket that gives what it was given."""

    def __init__(self, stream: bytes) -> None:
        self.recv = io.BytesIO(stream).read


def library_cases() -> list[Case]:
    internals = importlib.import_module("slack_sdk.socket_mode.builtin.internals")
    logger = logging.getLogger("slack_sdk")

    def receive(stream: bytes, count: int) -> list[Any]:
        sock, lock = _Memory(stream), threading.Lock()
        messages: list[str | bytes] = []
        while len(messages) < count:
            for header, data in internals._receive_messages(sock, lock, logger, _READ):
                messages.append(data.decode("utf-8") if header.opcode == 1 else data)
        return messages

    def send(message: str | bytes, count: int) -> list[int]:
        opcode = 1 if isinstance(message, str) else 2
        return [len(internals._build_data_frame_for_sending(message, opcode)) for _ in range(count)]

    # Plain it cannot receive what takes a thousand reads, each a call within the last.
    cases = _without_longest(received("slack-sdk", receive))
    sends = sent("slack-sdk", send)
    return cases + (sends if _sends_long_frames(internals) else _without_longest(sends))


def _without_longest(cases: list[Case]) -> list[Case]:
    return [case for case in cases if not case.name.endswith(size_name(MIB))]


def _sends_long_frames(internals: Any) -> bool:
    """Whether plain it can send more than 65,535 bytes, which releases before 3.48 cannot."""
    try:
        internals._build_data_frame_for_sending(bytes(65_536), 2)
    except struct.error:
        return False
    return True
