"""An aiohttp application with a heartbeat, as Home Assistant has one: echoes, and closes with a code when asked."""

from __future__ import annotations

import socket

from aiohttp import WSMsgType, web


async def echo(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse(heartbeat=55, max_msg_size=0)
    await websocket.prepare(request)
    async for message in websocket:
        if message.type is WSMsgType.BINARY:
            await websocket.send_bytes(message.data)
        elif message.data == "close":
            await websocket.close(code=4001, message=b"asked to")
        else:
            await websocket.send_str(message.data)
    return websocket


app = web.Application()
app.add_routes([web.get("/echo", echo)])
listening = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
web.run_app(app, sock=listening, print=None)
