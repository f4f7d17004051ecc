"""Echoes for the Autobahn TestSuite with tornado: ``server PORT`` or ``client URL``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler, websocket_connect

# The suite sends messages of up to 16 MiB.
_LIMIT = 64 * 1024 * 1024


class Echo(WebSocketHandler):
    def get_compression_options(self) -> dict[str, Any]:
        return {}

    async def on_message(self, message: str | bytes) -> None:
        with suppress(WebSocketClosedError):
            await self.write_message(message, binary=isinstance(message, bytes))


async def serve(port: int) -> None:
    Application([("/.*", Echo)], websocket_max_message_size=_LIMIT).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


async def run_cases(url: str) -> None:
    connection = await websocket_connect(f"{url}/getCaseCount")
    count = int(await connection.read_message() or 0)
    for case in range(1, count + 1):
        await run_case(f"{url}/runCase?case={case}&agent=tornado")


async def run_case(url: str) -> None:
    connection = await websocket_connect(url, compression_options={}, max_message_size=_LIMIT)
    while (message := await connection.read_message()) is not None:
        with suppress(WebSocketClosedError):
            await connection.write_message(message, binary=isinstance(message, bytes))


if __name__ == "__main__":
    role, where = sys.argv[1:]
    asyncio.run(serve(int(where)) if role == "server" else run_cases(where))
