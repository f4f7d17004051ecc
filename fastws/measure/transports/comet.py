"""Comet, or long polling: the server keeps the request until there is something to say, and is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from .http import HttpPublisher, HttpSubscriber

if TYPE_CHECKING:
    import aiohttp

    from .mailbox import Mailbox

__all__ = ["CometPublisher", "CometSubscriber"]

# Seconds that a request is kept: proxies drop what is silent for longer.
_KEPT: Final = 30


class CometPublisher(HttpPublisher):
    """Answers when there is a message: 200 with all that have gathered, a line each; or 204 after half a minute."""

    async def answer(self, _: web.Request, mailbox: Mailbox, after: int) -> web.Response:
        messages = await mailbox.get(after, _KEPT)
        return web.Response(body=b"\n".join(messages), content_type="text/plain", status=200 if messages else 204)


class CometSubscriber(HttpSubscriber):
    """Always has a request open."""

    async def receive(self, session: aiohttp.ClientSession) -> None:
        # No answer tells that the server holds the request; what is published before waits.
        self.is_ready()
        while True:
            await self.get(session)
