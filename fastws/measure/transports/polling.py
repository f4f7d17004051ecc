"""HTTP polling: the subscriber asks again and again, and mostly in vain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from .http import HttpPublisher, HttpSubscriber

if TYPE_CHECKING:
    import aiohttp

    from .ends import Take
    from .mailbox import Mailbox

__all__ = ["PollingPublisher", "PollingSubscriber"]


class PollingPublisher(HttpPublisher):
    """Answers at once: 200 with what there is, a line each, or 204."""

    async def answer(self, _: web.Request, mailbox: Mailbox, after: int) -> web.Response:
        messages = await mailbox.get(after, 0)
        return web.Response(body=b"\n".join(messages), content_type="text/plain", status=200 if messages else 204)


class PollingSubscriber(HttpSubscriber):
    """Asks every ``interval`` seconds, and again at once where more than one answer could hold had gathered.

    Args:
        keep: whether the connection is kept between two requests.
    """

    def __init__(self, port: int, number: int, take: Take, *, interval: float, keep: bool) -> None:
        super().__init__(port, number, take, keep=keep)
        self._interval = interval

    async def receive(self, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._interval
            while await self.get(session):
                pass
            self.is_ready()
            now = loop.time()
            due = max(due, now)
            await asyncio.sleep(due - now)
