"""Messages for one subscriber, kept until it has asked for them: what polling, Comet and resuming stand on."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Final

__all__ = ["ANSWER", "ANSWER_BYTES", "Mailbox"]

#: Messages, and bytes, that wait before the publisher has to; as much is kept of what was handed out already.
_LIMIT: Final = 10_000
_LIMIT_BYTES: Final = 16 * 2**20

#: Messages in one answer, at most, and bytes after which no further one is added.
ANSWER: Final = 1000
ANSWER_BYTES: Final = 2**20


class Mailbox:
    """A queue whose entries are numbered from 1, and of which any reader may ask for what follows a number.

    What was handed out stays for a while, so that a reader that lost an answer can ask again.
    """

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        # The number of the first that is kept; of the last that was handed out; of the last.
        self._first = 1
        self._handed = 0
        self._last = 0
        self._waiting_bytes = 0
        self._kept_bytes = 0
        self._changed = asyncio.Condition()

    async def put(self, message: bytes) -> None:
        """Add a message; waits while too much is waiting."""
        if self._is_full():
            async with self._changed:
                await self._changed.wait_for(lambda: not self._is_full())
        self._messages.append(message)
        self._last += 1
        self._waiting_bytes += len(message)
        self._kept_bytes += len(message)
        self._forget()
        if self._last == self._handed + 1:
            await self._tell()

    async def get(self, after: int, seconds: float | None = None) -> list[bytes]:
        """The messages that follow number ``after``, as many as one answer may have.

        Args:
            after: the number of the last message that the reader has.
            seconds: to wait for one where there is none; None for any time, 0 for not at all.
        Raises:
            LookupError: some of them are not kept any more.
        """
        if after < self._first - 1:
            raise LookupError(f"messages {after + 1} to {self._first - 1} are not kept any more")
        if after >= self._last and seconds != 0:
            try:
                await asyncio.wait_for(self._wait(after), seconds)
            except asyncio.TimeoutError:
                return []
        found: list[bytes] = []
        size = 0
        start = after - self._first + 1
        for message in itertools.islice(self._messages, start, start + ANSWER):
            found.append(message)
            size += len(message)
            if size >= ANSWER_BYTES:
                break
        handed = after + len(found)
        if handed > self._handed:
            await self._hand_out(handed)
        return found

    def _is_full(self) -> bool:
        return self._last - self._handed >= _LIMIT or self._waiting_bytes >= _LIMIT_BYTES

    async def _wait(self, after: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._last > after)

    async def _hand_out(self, handed: int) -> None:
        start = self._handed + 1 - self._first
        new = itertools.islice(self._messages, start, start + handed - self._handed)
        self._waiting_bytes -= sum([len(message) for message in new])
        self._handed = handed
        self._forget()
        await self._tell()

    def _forget(self) -> None:
        """Drop the oldest that were handed out, where more is kept than need be."""
        while self._first <= self._handed and (len(self._messages) > _LIMIT or self._kept_bytes > _LIMIT_BYTES):
            self._kept_bytes -= len(self._messages.popleft())
            self._first += 1

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
