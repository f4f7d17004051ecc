"""Echoes for the Autobahn TestSuite with websockets: ``server PORT`` or ``client URL``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(connection: Any) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def run_server(port: int) -> None:
    async with serve(echo, "127.0.0.1", port, max_size=None, ping_interval=None) as server:
        await server.serve_forever()


async def run_cases(url: str) -> None:
    async with connect(f"{url}/getCaseCount") as connection:
        count = int(await connection.recv())
    for case in range(1, count + 1):
        address = f"{url}/runCase?case={case}&agent=websockets"
        with suppress(ConnectionClosed):
            async with connect(address, max_size=None, ping_interval=None) as connection:
                await echo(connection)


if __name__ == "__main__":
    role, where = sys.argv[1:]
    asyncio.run(run_server(int(where)) if role == "server" else run_cases(where))
