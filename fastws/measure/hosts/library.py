"""Cases of the time that a host library itself takes, plain and accelerated.

Bytes come from memory and go nowhere, so neither the kernel nor the other end counts.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode
from fastws.hosts import accelerated

from ..case import Case, Contender, Topic
from ..payloads import KIB, MIB, frames, message, size_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["IN_THE_LIBRARY", "SHAPES", "SIZES", "amounts", "count_of", "received", "sent"]

#: Bytes of a message: one of a chat, one of an interface, one of a document.
SIZES: Final = (32, 4 * KIB, MIB)

#: Text that is ASCII, has 5 % of accents, has no ASCII; and no text.
SHAPES: Final = ("ASCII", "Latin", "Chinese", "binary")

#: What is counted.
IN_THE_LIBRARY: Final = "time in the library"

# Bytes of payload in one call, where a message is not longer: as much as an event loop reads at once. Small messages
# are fewer.
_STREAM: Final = 256 * KIB
_MESSAGES: Final = 512

# What a run in short shows.
_SHORT: Final = ("Latin",)


def amounts() -> list[tuple[str, int]]:
    """Every shape in every size."""
    return [(shape, size) for size in SIZES for shape in SHAPES]


def received(
    host: str,
    receive: Callable[[bytes, int], list[Any]],
    goals: Mapping[int, float] | None = None,
    *,
    masked: bool = False,
    client: str = "",
) -> list[Case]:
    """A case for each shape and size of messages that arrive.

    Args:
        host: its name.
        receive: gets a stream of frames and their number; returns the messages.
        goals: how many times as fast a message of each size should be received.
        masked: whether the host is a server, which gets masked frames.
        client: which part of the host is measured, where there are several.
    """
    cases = []
    for shape, size in amounts():
        count, payload = count_of(size), message(shape, size)
        data, opcode = (payload, Opcode.BINARY) if isinstance(payload, bytes) else (payload.encode(), Opcode.TEXT)
        stream = frames(data, opcode, count, masked=masked)
        goal = (goals or {}).get(size)
        cases.append(_case(host, client, "messages received", shape, size, receive, (stream, count), goal))
    return cases


def sent(
    host: str,
    send: Callable[[str | bytes, int], list[Any]],
    goals: Mapping[int, float] | None = None,
    *,
    client: str = "",
) -> list[Case]:
    """A case for each shape and size of messages that leave.

    Args:
        host, goals, client: as for ``received``.
        send: gets a message and how often to send it; returns what the host told of each.
    """
    return [
        _case(host, client, "messages sent", shape, n, send, (message(shape, n), count_of(n)), (goals or {}).get(n))
        for shape, n in amounts()
    ]


def count_of(size: int) -> int:
    """Messages of so many bytes in one call."""
    return max(1, min(_MESSAGES, _STREAM // size))


def _case(
    host: str,
    client: str,
    work: str,
    shape: str,
    size: int,
    call: Callable[[Any, int], list[Any]],
    args: tuple[Any, int],
    goal: float | None,
) -> Case:
    return Case(
        f"{host}{client and f' ({client})'}: {work}, {IN_THE_LIBRARY}",
        f"{shape}, {size_name(size)}",
        (
            Contender("accelerated", call, args, around=functools.partial(accelerated, host)),
            Contender("plain", call, args, goal=goal),
        ),
        "message",
        args[1],
        short=shape in _SHORT and work == "messages received",
        topic=Topic(host, client, work, IN_THE_LIBRARY, shape, size),
    )
