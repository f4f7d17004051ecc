"""What tests of the asyncio endpoints share: loops, handlers, and peers that do nothing by themselves."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import ssl
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from fastws.asyncio import WebSocketProtocol, connect, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

__all__ = ["LOOPS", "PATIENCE", "Echo", "contexts", "echo", "handlers", "in_loop", "raw_connection", "uri_of"]

# Seconds, more than a loaded machine needs; no test waits for it.
PATIENCE = 20

# The last is asyncio's own; the endpoints take transports of aiofastnet there.
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop", "aiofastnet"]


def _new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name != "uvloop":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _run(test: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, patience: float) -> None:
    """As ``asyncio.run``, which takes a loop from 3.12 on."""
    try:
        loop.run_until_complete(asyncio.wait_for(test, patience))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def in_loop(
    test: Callable[..., Coroutine[Any, Any, None]], patience: float = PATIENCE, loops: Sequence[str] = LOOPS
) -> Callable[..., None]:
    """Run a test in asyncio's own loop, in uvloop and on aiofastnet; it fails where it takes longer than it should."""

    @functools.wraps(test)
    def run(*, loop_name: str, **arguments: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            # No test goes through a proxy that somebody has set.
            for name in os.environ:
                if name.lower().endswith("_proxy"):
                    patch.delenv(name)
            for each in (serve, connect):
                defaults: Any = each.__init__.__kwdefaults__
                patch.setitem(defaults, "use_aiofastnet", loop_name == "aiofastnet")
            _run(test(**arguments), _new_loop(loop_name), patience)

    signature = inspect.signature(test)
    last = inspect.Parameter("loop_name", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), last])  # type: ignore[attr-defined]
    on_all: Callable[..., None] = pytest.mark.parametrize("loop_name", loops)(run)
    return on_all


async def echo(ws: Any) -> None:
    async for message in ws:
        await ws.send(message)


class Echo(WebSocketProtocol):
    def on_message(self, data: str | bytes) -> None:
        self.send(data)


handlers = pytest.mark.parametrize("handler", [echo, Echo], ids=["async", "callbacks"])


def uri_of(server: Any, path: str = "/") -> str:
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server on localhost, and for a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def raw_connection(server: Any, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that does nothing by itself, its handshake made."""
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer
