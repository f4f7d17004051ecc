"""An echo server of autobahn on Twisted, as its documentation shows it."""

from __future__ import annotations

import importlib
from typing import Any

websocket: Any = importlib.import_module("autobahn.twisted.websocket")
compress: Any = importlib.import_module("autobahn.websocket.compress")
reactor: Any = importlib.import_module("twisted.internet.reactor")


class Echo(websocket.WebSocketServerProtocol):  # type: ignore[misc]
    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 (the host's names)
        if payload == b"close":
            self.sendClose(4001, "asked to")
        else:
            self.sendMessage(payload, isBinary)


def accept(offers: list[Any]) -> Any:
    deflate = [offer for offer in offers if isinstance(offer, compress.PerMessageDeflateOffer)]
    return compress.PerMessageDeflateOfferAccept(deflate[0]) if deflate else None


factory = websocket.WebSocketServerFactory()
factory.protocol = Echo
factory.setProtocolOptions(perMessageCompressionAccept=accept)
port = reactor.listenTCP(0, factory, interface="127.0.0.1")
print(f"http://127.0.0.1:{port.getHost().port}", flush=True)
reactor.run()
