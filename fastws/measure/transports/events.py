"""Server-Sent Events (HTML standard, §9.2): an answer that never ends, of which every few lines are a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from .http import HttpPublisher, HttpSubscriber

if TYPE_CHECKING:
    from collections.abc import Iterator

    import aiohttp

    from .mailbox import Mailbox

__all__ = ["EventsPublisher", "EventsSubscriber", "event", "read_events"]


def event(number: int, message: bytes) -> bytes:
    """A message as it goes over the wire; it has no end of line in it."""
    return b"id: %d\ndata: %b\n\n" % (number, message)


class EventsPublisher(HttpPublisher):
    """Answers with a stream of events, each with its number."""

    async def answer(self, request: web.Request, mailbox: Mailbox, after: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        while True:
            messages = await mailbox.get(after)
            await response.write(b"".join([event(after + 1 + i, message) for i, message in enumerate(messages)]))
            after += len(messages)


class EventsSubscriber(HttpSubscriber):
    """Reads the stream; where it breaks off, asks for what follows the last event, as an EventSource does."""

    async def receive(self, session: aiohttp.ClientSession) -> None:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.taken:
            headers["Last-Event-ID"] = str(self.taken)
        async with session.get(self.source, headers=headers) as answer:
            answer.raise_for_status()
            self.is_ready()
            unread: list[bytes] = []
            async for data in answer.content.iter_any():
                for message in read_events(unread, data):
                    self.take(message)


def read_events(unread: list[bytes], data: bytes) -> Iterator[bytes]:
    """The messages that are complete with ``data``; what is left stays in ``unread``, in pieces."""
    # The end of an event may be cut: its first line feed may be in the piece before.
    if b"\n\n" not in data and not (data.startswith(b"\n") and unread and unread[-1].endswith(b"\n")):
        unread.append(data)
        return
    *events, rest = b"".join([*unread, data]).split(b"\n\n")
    unread[:] = [rest] if rest else []
    for lines in events:
        for line in lines.split(b"\n"):
            if line.startswith(b"data: "):
                yield line[6:]
