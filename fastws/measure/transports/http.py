"""What polling, Comet and Server-Sent Events share: a web server with a mailbox for each subscriber, by aiohttp.

``GET /`` asks for what has come, ``POST /`` sends the other way: HTTP has one request or one answer on a connection at
a time, so what a subscriber says takes a request of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp import web

from .ends import HOST, PATIENCE, RETRY, Take
from .mailbox import ANSWER, ANSWER_BYTES, Mailbox

__all__ = ["HttpPublisher", "HttpSubscriber"]

# Bytes of a request's body, at most.
_LARGEST: Final = 2**24


class HttpPublisher:
    """A server whose subclass answers ``GET``."""

    def __init__(self) -> None:
        self.mailboxes: list[Mailbox] = []
        self._runner: web.AppRunner | None = None

    async def answer(self, request: web.Request, mailbox: Mailbox, after: int) -> web.StreamResponse:
        """What follows message ``after``."""
        raise NotImplementedError

    async def start(self, subscribers: int) -> int:
        self.mailboxes = [Mailbox() for _ in range(subscribers)]
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_get("/", self._get)
        application.router.add_post("/", self._post)
        # A handler ends with its connection.
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def joined(self, count: int) -> None:
        """Their mailboxes were there before them."""

    async def publish(self, message: str) -> None:
        data = message.encode()
        for mailbox in self.mailboxes:
            await mailbox.put(data)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def helper(self) -> None:
        return None

    async def _get(self, request: web.Request) -> web.StreamResponse:
        # What an EventSource sends when it comes back.
        after = request.headers.get("Last-Event-ID", request.query.get("after", "0"))
        return await self.answer(request, self._mailbox(request), int(after))

    async def _post(self, request: web.Request) -> web.Response:
        await self._mailbox(request).put(await request.read())
        return web.Response(status=204)

    def _mailbox(self, request: web.Request) -> Mailbox:
        return self.mailboxes[int(request.query["client"])]


class HttpSubscriber:
    """A client whose subclass gets messages.

    Args:
        port, number, take: as for every subscriber.
        keep: whether connections are used again.
    """

    def __init__(self, port: int, number: int, take: Take, *, keep: bool = True) -> None:
        self.opened = 0
        #: Messages taken so far.
        self.taken = 0
        #: Where it asks, and where it sends.
        self.source = f"http://{HOST}:{port}/?client={number}"
        self._take = take
        self._keep = keep
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def receive(self, session: aiohttp.ClientSession) -> None:
        """Get messages until there is trouble; calls ``is_ready`` when it is connected."""
        raise NotImplementedError

    def is_ready(self) -> None:
        """The server has answered, or is about to hold a request."""
        if not self._ready.is_set():
            self.opened += 1
            self._ready.set()

    def take(self, message: bytes) -> None:
        self.taken += 1
        self._take(message)

    async def open(self) -> None:
        connector = aiohttp.TCPConnector() if self._keep else aiohttp.TCPConnector(force_close=True)
        # No answer comes compressed, none is waited for too short.
        headers = {"Accept-Encoding": "identity"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout, read_bufsize=2**18)
        self._task = asyncio.create_task(self._run(self._session))
        await asyncio.wait_for(self._ready.wait(), PATIENCE)

    async def send(self, message: str) -> None:
        assert self._session is not None
        async with self._session.post(self.source, data=message.encode()) as answer:
            answer.raise_for_status()

    async def close(self) -> None:
        assert self._task is not None
        assert self._session is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._session.close()

    async def _run(self, session: aiohttp.ClientSession) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError, asyncio.TimeoutError):
                await self.receive(session)
            self._ready.clear()
            await asyncio.sleep(RETRY)

    async def get(self, session: aiohttp.ClientSession) -> bool:
        """Ask once for what follows the last message, and take what comes; whether there may be more already."""
        async with session.get(f"{self.source}&after={self.taken}") as answer:
            answer.raise_for_status()
            body = await answer.read()
        messages = body.split(b"\n") if body else []
        for message in messages:
            self.take(message)
        return len(messages) >= ANSWER or len(body) >= ANSWER_BYTES
