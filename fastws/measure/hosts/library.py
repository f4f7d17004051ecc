"""Cases of the time that a host library itself takes, plain and accelerated.

Bytes come from memory and go nowhere, so neither the kernel nor the other end counts.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode
from fastws.hosts import accelerated

from ..case import Case, Contender, Topic
from ..payloads import KIB, MIB, frames, message, size_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["IN_THE_LIBRARY", "SHAPES", "SIZES", "amounts", "count_of", "noise", "put_back", "received", "sent"]

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


def amounts(sizes: Sequence[int] = SIZES) -> list[tuple[str, int]]:
    """Every shape in every size."""
    return [(shape, size) for size in sizes for shape in SHAPES]


@contextmanager
def put_back(host: str) -> Iterator[None]:
    """A host that has just been restored.

    Classes that are changed cost CPython the next calls of their methods. So whatever is plain follows upon a change,
    as whatever is accelerated does.
    """
    with accelerated(host):
        pass
    yield


def noise(case: Case) -> Case:
    """The same case with the plain host against itself: what its ratios say beside 1 is the machine's noise."""
    subject, plain = case.contenders
    again = replace(subject, name="plain again", around=plain.around)
    return replace(case, contenders=(again, replace(plain, goal=None)))


def received(
    host: str,
    receive: Callable[[bytes, int], list[Any]],
    goals: Mapping[int, float] | None = None,
    *,
    masked: bool = False,
    client: str = "",
    work: str = "messages received",
    sizes: Sequence[int] = SIZES,
    stream_of: Callable[..., bytes] = frames,
) -> list[Case]:
    """A case for each shape and size of messages that arrive.

    Args:
        host: its name.
        receive: gets a stream of frames and their number; returns the messages.
        goals: how many times as fast a message of each size should be received.
        masked: whether the host is a server, which gets masked frames.
        client: which part of the host is measured, where there are several.
        work: what is done, where it is not that alone.
        sizes: bytes of a message.
        stream_of: makes the stream, as ``frames`` does.
    """
    cases = []
    for shape, size in amounts(sizes):
        count, payload = count_of(size), message(shape, size)
        data, opcode = (payload, Opcode.BINARY) if isinstance(payload, bytes) else (payload.encode(), Opcode.TEXT)
        stream = stream_of(data, opcode, count, masked=masked)
        goal = (goals or {}).get(size)
        cases.append(_case(host, client, work, shape, size, receive, (stream, count), goal))
    return cases


def sent(
    host: str,
    send: Callable[[str | bytes, int], list[Any]],
    goals: Mapping[int, float] | None = None,
    *,
    client: str = "",
    work: str = "messages sent",
    sizes: Sequence[int] = SIZES,
) -> list[Case]:
    """A case for each shape and size of messages that leave.

    Args:
        host, goals, client, work, sizes: as for ``received``.
        send: gets a message and how often to send it; returns what the host told of each.
    """
    return [
        _case(host, client, work, shape, n, send, (message(shape, n), count_of(n)), (goals or {}).get(n))
        for shape, n in amounts(sizes)
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
            Contender("plain", call, args, around=functools.partial(put_back, host), goal=goal),
        ),
        "message",
        args[1],
        short=shape in _SHORT and work == "messages received",
        topic=Topic(host, client, work, IN_THE_LIBRARY, shape, size),
    )
