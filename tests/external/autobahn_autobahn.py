"""Echoes for the Autobahn TestSuite with autobahn: ``server PORT`` or ``client URL``."""

# mypy: disable-error-code="attr-defined, misc, no-untyped-call"

from __future__ import annotations

import asyncio
import sys
from typing import Any

from autobahn.asyncio.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)


class EchoServer(WebSocketServerProtocol):
    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        self.sendMessage(payload, isBinary)


class EchoClient(WebSocketClientProtocol):
    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        self.factory.messages.append(payload)
        if not self.factory.url.endswith("/getCaseCount"):
            self.sendMessage(payload, isBinary)

    def onClose(self, *_: Any) -> None:  # noqa: N802
        if not self.factory.closed.done():
            self.factory.closed.set_result(None)


def accept_offer(offers: list[Any]) -> Any:
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None


def accept_response(response: Any) -> Any:
    return PerMessageDeflateResponseAccept(response) if isinstance(response, PerMessageDeflateResponse) else None


async def run_server(port: int) -> None:
    factory = WebSocketServerFactory(f"ws://127.0.0.1:{port}")
    factory.protocol = EchoServer
    factory.setProtocolOptions(perMessageCompressionAccept=accept_offer)
    await asyncio.get_running_loop().create_server(factory, "127.0.0.1", port)
    await asyncio.Event().wait()


async def run_case(url: str) -> list[bytes]:
    """Echo until the connection ends; the messages."""
    loop = asyncio.get_running_loop()
    factory = WebSocketClientFactory(url)
    factory.protocol, factory.closed, factory.messages = EchoClient, loop.create_future(), []
    factory.setProtocolOptions(
        perMessageCompressionOffers=[PerMessageDeflateOffer()], perMessageCompressionAccept=accept_response
    )
    await loop.create_connection(factory, factory.host, factory.port)
    await factory.closed
    messages: list[bytes] = factory.messages
    return messages


async def run_cases(url: str) -> None:
    (count,) = await run_case(f"{url}/getCaseCount")
    for case in range(1, int(count) + 1):
        await run_case(f"{url}/runCase?case={case}&agent=autobahn")


if __name__ == "__main__":
    role, where = sys.argv[1:]
    asyncio.run(run_server(int(where)) if role == "server" else run_cases(where))
