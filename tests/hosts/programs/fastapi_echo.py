"""A FastAPI application: echoes text and binary, greets by JSON, and closes with a code when asked."""

from __future__ import annotations

from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        event = await websocket.receive()
        if event["type"] == "websocket.disconnect":
            break
        if event.get("text") is None:
            await websocket.send_bytes(event["bytes"])
        elif event["text"] == "close":
            await websocket.close(4001, "asked to")
            break
        else:
            await websocket.send_text(event["text"])


@app.websocket("/greet")
async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_json():
        await websocket.send_json({"hello": message["name"], "length": len(message["name"])})
