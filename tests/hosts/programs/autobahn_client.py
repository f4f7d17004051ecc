"""A client of autobahn on a framework, the first argument: sends to the URL, the second one, and tells answers."""

from __future__ import annotations

import hashlib
import importlib
import sys
from typing import Any
from urllib.parse import urlsplit

framework, url = sys.argv[1:]
package: Any = importlib.import_module(f"autobahn.{framework}.websocket")

TEXTS = ["", "hello", "héllo 你好 😀", "é" * 70_000, "!burst 100", "!fragments a bé c", "!raw 89 00", "last"]


class Client(package.WebSocketClientProtocol):  # type: ignore[misc]
    def onOpen(self) -> None:  # noqa: N802 (the host's names)
        for text in TEXTS:
            self.sendMessage(text.encode())
            self.sendMessage(text.encode() * 3, isBinary=True)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        print(isBinary, len(payload), hashlib.sha256(payload).hexdigest())
        if payload == b"last" * 3:
            self.sendClose(1000, "done")

    def onClose(self, *arguments: Any) -> None:  # noqa: N802
        print(*arguments)
        stop()


factory: Any = package.WebSocketClientFactory(url)
factory.protocol = Client
address = urlsplit(url)
if framework == "twisted":
    reactor: Any = importlib.import_module("twisted.internet.reactor")
    stop = reactor.stop
    reactor.connectTCP(address.hostname, address.port, factory)
    reactor.run()
else:
    stop = factory.loop.stop
    factory.loop.run_until_complete(factory.loop.create_connection(factory, address.hostname, address.port))
    factory.loop.run_forever()
