"""A tornado handler as Jupyter has one: compressed, with a protocol, binary kernel messages and their answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Kernel(WebSocketHandler):
    """Answers a message with its parts counted: a number of offsets, the offsets, then JSON and buffers."""

    def get_compression_options(self) -> dict[str, Any]:
        return {}

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "v1.kernel.websocket.jupyter.org" if "v1.kernel.websocket.jupyter.org" in subprotocols else None

    async def on_message(self, message: str | bytes) -> None:
        if message == "close":
            self.close(4001, "asked to")
        elif isinstance(message, str):
            await self.write_message(message)
        else:
            (count,) = struct.unpack_from("<Q", message)
            offsets = struct.unpack_from(f"<{count}Q", message, 8)
            parts = [message[start:end] for start, end in itertools.pairwise(offsets)]
            await self.write_message(json.dumps([len(part) for part in parts]))
            await self.write_message(message, binary=True)


class Echo(WebSocketHandler):
    """Echoes text and binary."""

    async def on_message(self, message: str | bytes) -> None:
        if message == "close":
            self.close(4001, "asked to")
        else:
            await self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([("/kernel", Kernel), ("/echo", Echo)]))
    server.add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
