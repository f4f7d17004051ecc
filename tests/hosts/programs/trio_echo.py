"""A server of trio-websocket: echoes text and binary, and closes with a code when asked."""

from __future__ import annotations

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket


async def echo(request: WebSocketRequest) -> None:
    websocket = await request.accept()
    try:
        while (message := await websocket.get_message()) != "close":
            await websocket.send_message(message)
        await websocket.aclose(4001, "asked to")
    except ConnectionClosed:
        pass


async def main() -> None:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket_at_any_port)
        print(f"http://127.0.0.1:{server.port}/", flush=True)


async def serve_websocket_at_any_port(task_status: trio.TaskStatus[object]) -> None:
    await serve_websocket(echo, "127.0.0.1", 0, None, max_message_size=10_000_000, task_status=task_status)


trio.run(main)
