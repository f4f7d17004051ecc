"""Echoes for the Autobahn TestSuite with wsproto: hypercorn as ``server PORT``, trio-websocket as ``client URL``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

_LIMIT = 64 * 1024 * 1024


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that echoes."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})


async def run_server(port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.websocket_max_message_size = _LIMIT
    await serve(application, config)


async def run_cases(url: str) -> None:
    from trio_websocket import ConnectionClosed, open_websocket_url

    async with open_websocket_url(f"{url}/getCaseCount") as connection:
        count = int(await connection.get_message())
    for case in range(1, count + 1):
        address = f"{url}/runCase?case={case}&agent=wsproto"
        with suppress(ConnectionClosed):
            async with open_websocket_url(address, max_message_size=_LIMIT) as connection:
                while True:
                    await connection.send_message(await connection.get_message())


if __name__ == "__main__":
    role, where = sys.argv[1:]
    if role == "server":
        asyncio.run(run_server(int(where)))
    else:
        import trio

        trio.run(run_cases, where)
