"""What a server of the asyncio endpoints does for a foreign client here, and what it is told."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from fastws import State
from fastws.asyncio import WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["CLIENT_CLOSE", "PATIENCE", "PIECES", "SERVER_CLOSE", "Answer", "answer", "ended", "in_loop"]

# Long enough for a machine that is busy with something else; no test waits for it.
PATIENCE = 120

PIECES = ["schö", "", "n ", "你好 😀" * 20_000, "!"]

SERVER_CLOSE = 4001, "é" * 61
CLIENT_CLOSE = 4002, "genug 你好"


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A coroutine as a test."""

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**arguments), PATIENCE))

    return run


async def answer(ws: Any) -> None:
    """Echo, and do what some texts ask for."""
    async for message in ws:
        if message == "ping":
            await (await ws.ping(b"from the server"))
            await ws.send("ponged")
        elif message == "fragments":
            await ws.send(PIECES)
        elif message == "close":
            await ws.close(*SERVER_CLOSE)
        else:
            await ws.send(message)


class Answer(WebSocketProtocol):
    """The same with callbacks."""

    def on_message(self, data: str | bytes) -> None:
        if data == "ping":
            self.send_ping(b"from the server")
        elif data == "fragments":
            for piece in PIECES:
                self.send_fragment(piece, fin=piece is PIECES[-1])
        elif data == "close":
            self.start_close(*SERVER_CLOSE)
        else:
            self.send(data)

    def on_pong(self, data: bytes) -> None:
        if data == b"from the server":
            self.send("ponged")


async def ended(endpoint: Any) -> None:
    """Until an endpoint has no connection any more."""
    while endpoint.state is not State.CLOSED:
        await asyncio.sleep(0.001)
