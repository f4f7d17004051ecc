"""tornado accelerated, between its own server and client: over TCP and TLS, with and without compression."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

import fastws.hosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.usefixtures("adapted")

_AUTHORITY = trustme.CA()

# Sizes around what one read gives, what is read in place, and what is told by each form of a length.
_TEXTS = ["", "é", *["aé中😀"[i % 4] * n for i, n in enumerate((125, 126, 5000, 16_384, 40_000, 65_536, 300_000))]]


def kernel_message(kind: str, content: dict[str, Any], *buffers: bytes) -> bytes:
    """A message as notebooks send it: how many parts, where each begins, then JSON and the parts themselves."""
    parts = [json.dumps({"header": {"msg_type": kind}, "content": content}).encode(), *buffers]
    starts, position = [], 4 * (len(parts) + 1)
    for part in parts:
        starts.append(position)
        position += len(part)
    return struct.pack(f"!{len(parts) + 1}I", len(parts), *starts) + b"".join(parts)


class Kernel(WebSocketHandler):
    """Answers each request with what it printed, its parts and its end, as a notebook's server does."""

    def initialize(self, options: dict[str, Any] | None) -> None:
        self.deflate = options

    def get_compression_options(self) -> dict[str, Any] | None:
        return self.deflate

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None

    async def on_message(self, message: str | bytes) -> None:
        self.write_message(kernel_message("status", {"state": "busy"}), binary=True)
        await self.write_message(message, binary=isinstance(message, bytes))
        self.ping(b"alive")
        self.write_message({"state": "idle"})


@asynccontextmanager
async def serving(options: dict[str, Any] | None, secure: bool) -> AsyncIterator[str]:
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    server = HTTPServer(Application([("/", Kernel, {"options": options})]), ssl_options=context)
    listening, port = bind_unused_port()
    server.add_socket(listening)
    try:
        yield f"{'wss' if secure else 'ws'}://127.0.0.1:{port}/"
    finally:
        server.stop()
        await server.close_all_connections()


async def talk(url: str, options: dict[str, Any] | None) -> list[Any]:
    """Send everything at once, and read what comes back."""
    context = ssl.create_default_context()
    _AUTHORITY.configure_trust(context)
    request = HTTPRequest(url, ssl_options=context)
    client = await websocket_connect(request, compression_options=options, subprotocols=["v1.kernel.websocket.org"])
    messages: list[str | bytes] = [*_TEXTS, kernel_message("execute", {"code": "é"}, bytes(100_000), b"\xff" * 7)]
    for message in messages:
        client.write_message(message, binary=isinstance(message, bytes))
    received = [await client.read_message() for _ in range(3 * len(messages))]
    assert received[1::3] == messages
    subprotocol = client.selected_subprotocol
    client.close(1000, "done")
    return [subprotocol, received, await client.read_message(), client.close_code, client.close_reason]


@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("options", [None, {}, {"compression_level": 1}], ids=["plain", "deflate", "fast deflate"])
def test_the_same_is_received(options: dict[str, Any] | None, secure: bool) -> None:
    async def run() -> list[Any]:
        async with serving(options, secure) as url:
            return await talk(url, options)

    plain = asyncio.run(run())
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(run()) == plain


def test_a_client_that_reads_late_is_waited_for() -> None:
    """The handler's writes fill every buffer on the way; nothing is lost, and the order is kept."""

    async def run() -> list[Any]:
        async with serving(None, secure=False) as url:
            client = await websocket_connect(url)
            for number in range(200):
                client.write_message(f"{number}" * 5000)
            received = [await client.read_message() for _ in range(600)]
            client.close()
            return received

    plain = asyncio.run(run())
    with fastws.hosts.accelerated("tornado"):
        assert asyncio.run(run()) == plain
