"""``python -m fastws serve``: a server to try things out with, and a page to open."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from importlib import resources
from typing import TYPE_CHECKING, Final

from ..asyncio import ConnectionClosed, serve
from ..deflate import Deflate
from ..handshake import Headers, Response
from . import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..asyncio import WebSocket
    from ..handshake import Request

__all__ = ["main"]

_DESCRIPTION = """\
Serve WebSocket on this machine, and at the same address a page for a browser that shows the state of the connection,
messages in both directions, round-trip time and rate. --echo sends every message back; --push sends a message every
now and then without being asked, and echoes as well.
"""

# Bytes of a message that are taken, so that the page's 1 MiB fits many times.
_LARGEST: Final = 64 * 1024 * 1024


def main(arguments: Sequence[str]) -> int:
    """Run the command until it is interrupted; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        print(f"{PROGRAM} serve: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} serve", description=_DESCRIPTION, allow_abbrev=False)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--echo", dest="push", action="store_false", help="send every message back (the default)")
    kind.add_argument("--push", action="store_true", help="send messages without being asked, and echo")
    parser.set_defaults(push=False)
    parser.add_argument("--rate", type=_rate, default=1.0, metavar="N", help="messages a second with --push (1)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8765, help="the port; 0 for any that is free (8765)")
    parser.add_argument("--no-compression", action="store_true", help="do without permessage-deflate")
    parser.add_argument(
        "--ping", type=_seconds, default=20.0, metavar="SECONDS", help="from ping to ping; 0 for none (20)"
    )
    return parser


def _rate(value: str) -> float:
    rate = float(value)
    if not 0 < rate <= 1_000_000:
        raise argparse.ArgumentTypeError("a number above 0 is expected")
    return rate


def _port(value: str) -> int:
    port = int(value)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a number from 0 to 65535 is expected")
    return port


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("0 or more seconds are expected")
    return seconds


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    _stop_on_signals(stopped)
    server = await serve(
        _pusher(options.rate) if options.push else _echo,
        options.host,
        options.port,
        process_request=_page,
        compression=None if options.no_compression else Deflate(),
        max_size=_LARGEST,
        ping_interval=options.ping or None,
    )
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        print(
            f"serving {'--push' if options.push else '--echo'} on ws://{address}/ · open http://{address}/", flush=True
        )
        await stopped.wait()
        server.close(reason="the server stops")


def _stop_on_signals(stopped: asyncio.Event) -> None:
    """Let an interrupt end the server in order: every client is told 1001."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Where the loop cannot (Windows), an interrupt is a KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)


def _page(_: WebSocket, request: Request) -> Response | None:
    """What a browser gets that does not ask for WebSocket."""
    if "Upgrade" in request.headers:
        return None
    if request.path.partition("?")[0] != "/":
        return Response(404, "Not Found", Headers(), b"there is only one page, at /\n")
    page = resources.files(__package__).joinpath("page.html").read_bytes()
    return Response(200, "OK", Headers([("Content-Type", "text/html; charset=utf-8")]), page)


async def _echo(connection: WebSocket) -> None:
    async for message in connection:
        await connection.send(message)


def _pusher(rate: float) -> Callable[[WebSocket], Awaitable[None]]:
    async def push(connection: WebSocket) -> None:
        pushing = asyncio.create_task(_push(connection, rate))
        try:
            await _echo(connection)
        finally:
            pushing.cancel()

    return push


async def _push(connection: WebSocket, rate: float) -> None:
    """Send numbered messages at a steady rate; where the client is slow, ``send`` waits and they get fewer."""
    clock = asyncio.get_running_loop().time
    began, number = clock(), 0
    with contextlib.suppress(ConnectionClosed):
        while True:
            number += 1
            told = {"number": number, "time": time.time(), "latency": connection.latency}
            await connection.send(json.dumps(told))
            await asyncio.sleep(max(0.0, began + number / rate - clock()))
