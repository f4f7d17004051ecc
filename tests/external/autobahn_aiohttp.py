"""Echoes for the Autobahn TestSuite with aiohttp: ``server PORT`` or ``client URL``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

from aiohttp import ClientError, ClientSession, WSMsgType, web


async def echo(connection: Any) -> None:
    with suppress(ClientError):
        async for message in connection:
            if message.type is WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await connection.send_bytes(message.data)


async def handle(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(max_msg_size=0)
    await response.prepare(request)
    await echo(response)
    return response


async def run_server(port: int) -> None:
    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def run_cases(url: str) -> None:
    async with ClientSession() as session:
        async with session.ws_connect(f"{url}/getCaseCount") as connection:
            count = int(await connection.receive_str())
        for case in range(1, count + 1):
            address = f"{url}/runCase?case={case}&agent=aiohttp"
            async with session.ws_connect(address, max_msg_size=0, compress=15) as connection:
                await echo(connection)


if __name__ == "__main__":
    role, where = sys.argv[1:]
    asyncio.run(run_server(int(where)) if role == "server" else run_cases(where))
