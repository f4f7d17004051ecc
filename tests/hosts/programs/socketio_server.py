"""A Socket.IO server under uvicorn: echoes events, with text and binary in them."""

from __future__ import annotations

from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(server)


@server.event  # type: ignore[untyped-decorator]
async def echo(_: str, *values: Any) -> tuple[Any, ...]:
    return values


@server.event  # type: ignore[untyped-decorator]
async def push(identity: str, count: int) -> None:
    for number in range(count):
        await server.emit("pushed", (number, "é" * number, bytes(number)), to=identity)
