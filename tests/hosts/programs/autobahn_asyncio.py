"""An echo server of autobahn on asyncio, as its documentation shows it."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

websocket: Any = importlib.import_module("autobahn.asyncio.websocket")
compress: Any = importlib.import_module("autobahn.websocket.compress")


class Echo(websocket.WebSocketServerProtocol):  # type: ignore[misc]
    async def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 (the host's names)
        if payload == b"close":
            self.sendClose(4001, "asked to")
        else:
            self.sendMessage(payload, isBinary)


def accept(offers: list[Any]) -> Any:
    deflate = [offer for offer in offers if isinstance(offer, compress.PerMessageDeflateOffer)]
    return compress.PerMessageDeflateOfferAccept(deflate[0]) if deflate else None


async def main() -> None:
    loop = asyncio.get_running_loop()
    factory = websocket.WebSocketServerFactory(loop=loop)
    factory.protocol = Echo
    factory.setProtocolOptions(perMessageCompressionAccept=accept)
    server = await loop.create_server(factory, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
