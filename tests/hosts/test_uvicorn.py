"""uvicorn's default WebSocket protocol, fed by hand: plain against accelerated, with websockets and alone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

import fastws.hosts
from oracles import frame
from recording import called, told
from traffic import BINARY, CONT, PING, TEXT, UNFINISHED_TEXT
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.usefixtures("adapted")

LONG = "中文é😀 abc " * 3000

_REQUEST = (
    b"GET /path HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class _Transport:
    """What the protocol wrote, and whether it closed."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.written

    def pause_reading(self) -> None:
        self.written.append("paused")

    def resume_reading(self) -> None:
        self.written.append("resumed")

    def get_extra_info(self, _: str) -> None:
        return None


def same(hosts: tuple[str, ...], run: Callable[[], Any]) -> Any:
    """What ``run`` gives, plain and accelerated alike."""
    fastws.hosts.restore()
    plain = run()
    with fastws.hosts.accelerated(*hosts):
        assert run() == plain
    return plain


def serve(script: Iterable[bytes], answers: Iterable[dict[str, Any]]) -> Any:
    """What the application received, what came of its answers, and what was written."""

    async def run() -> Any:
        received: list[Any] = []

        async def app(_: Any, receive: Any, send: Any) -> None:
            received.append(await receive())
            await send({"type": "websocket.accept"})
            for answer in answers:
                results = await asyncio.gather(send(answer), return_exceptions=True)
                received.extend([(type(error), str(error)) for error in results])
            while "disconnect" not in str(received[-1]):
                message = await receive()
                received.append([(name, told(value)) for name, value in message.items()])

        config = Config(app, lifespan="off", log_config=None, ws_ping_interval=None, ws_per_message_deflate=False)
        config.load()
        protocol = WebSocketsSansIOProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        transport: Any = _Transport()
        protocol.connection_made(transport)
        protocol.data_received(_REQUEST)
        for _ in range(60):
            await asyncio.sleep(0)
        for piece in script:
            protocol.data_received(piece)
            for _ in range(60):
                await asyncio.sleep(0)
        protocol.connection_lost(None)
        await asyncio.gather(*protocol.tasks)
        return received, transport.written

    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return asyncio.run(run())


SCRIPTS: dict[str, list[bytes]] = {
    "text": [frame(TEXT, b"abc", KEY), frame(TEXT, "é".encode(), KEY)],
    "long text": [frame(TEXT, LONG.encode(), KEY), frame(BINARY, LONG.encode(), KEY)],
    "long ASCII": [frame(TEXT, b"x" * 5000, KEY)],
    "fragments": [
        frame(UNFINISHED_TEXT, LONG.encode()[:1000], KEY)
        + frame(PING, b"?", KEY)
        + frame(CONT, LONG.encode()[1000:], KEY)
        + frame(TEXT, b"after", KEY)
    ],
    "invalid": [frame(TEXT, LONG.encode() + b"\xff", KEY), frame(TEXT, b"x", KEY)],
    "short invalid": [frame(TEXT, b"\xff", KEY)],
    "unfinished": [frame(TEXT, LONG.encode() + b"\xe4\xb8", KEY)],
}

ANSWERS: tuple[dict[str, Any], ...] = (
    {"type": "websocket.send", "text": "abc"},
    {"type": "websocket.send", "text": ""},
    {"type": "websocket.send", "text": LONG},
    {"type": "websocket.send", "text": LONG, "bytes": None},
    {"type": "websocket.send", "text": None, "bytes": LONG.encode()},
    {"type": "websocket.send", "text": LONG, "bytes": b"both"},
    {"type": "websocket.send", "text": "x" * 5000},
    {"type": "websocket.send", "text": LONG + "\ud800"},
    {"type": "websocket.send", "text": 5},
    {"type": "websocket.send"},
    {"type": "websocket.unknown", "text": LONG},
)

_hosts = pytest.mark.parametrize("hosts", [("uvicorn",), ("uvicorn", "websockets")], ids="-".join)


@_hosts
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_receiving(script: list[bytes], hosts: tuple[str, ...]) -> None:
    same(hosts, lambda: serve(script, []))


@_hosts
def test_sending(hosts: tuple[str, ...]) -> None:
    _, written = same(hosts, lambda: serve([], ANSWERS))
    assert frame(TEXT, LONG.encode()) in written


def test_a_message_of_the_application_is_left_as_it_is() -> None:
    message = {"type": "websocket.send", "text": LONG}
    with fastws.hosts.accelerated("uvicorn"):
        serve([], [message])
    assert message == {"type": "websocket.send", "text": LONG}


def test_a_host_that_has_moved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = WebSocketsSansIOProtocol.send_receive_event_to_app
    monkeypatch.setattr(WebSocketsSansIOProtocol, "send", lambda *_: None)
    kind, _ = called(fastws.hosts.accelerate, "uvicorn")
    assert kind == "raised"
    assert WebSocketsSansIOProtocol.send_receive_event_to_app is plain
