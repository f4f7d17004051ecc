"""``python -m fastws connect``: lines out, messages in."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from ..asyncio import ConnectionClosed, connect
from ..deflate import Deflate
from ..errors import HandshakeError
from ..frames import CloseCode
from . import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..asyncio import WebSocket

__all__ = ["main"]

_DESCRIPTION = """\
Connect to a WebSocket server: every line of standard input is sent as a text message, every message that comes is
printed. /ping measures a round trip, /hex 00ff… sends bytes, /close [CODE [REASON]] closes; // sends a line that starts
with /. At the end of the input the connection is closed.
"""

# Bytes of a binary message that are shown.
_SHOWN: Final = 32


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status: 0 where the connection was closed with 1000, 1001 or no code."""
    options = _parser().parse_args(arguments)
    _take_any_characters()
    try:
        return asyncio.run(_talk(options))
    except BrokenPipeError:
        # Nobody reads what comes, which ends every command alike.
        raise
    except asyncio.TimeoutError:
        print(f"{PROGRAM} connect: no answer in time", file=sys.stderr)
        return 1
    except (OSError, ValueError, HandshakeError) as error:
        print(f"{PROGRAM} connect: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} connect", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("uri", help="ws://… or wss://…")
    parser.add_argument("--subprotocol", action="append", default=[], metavar="NAME", help="offer one; may be repeated")
    parser.add_argument("--origin", help="the Origin header")
    parser.add_argument("--no-compression", action="store_true", help="do not offer permessage-deflate")
    return parser


def _take_any_characters() -> None:
    """Neither what is typed nor what comes ends the command: what has no character there is shown escaped."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _cancel_on_interrupt() -> None:
    """Let an interrupt cancel this task, so that the connection is closed, wherever the loop stands."""
    task = asyncio.current_task()
    assert task is not None
    # Where the loop cannot (Windows), it is a KeyboardInterrupt.
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)


async def _talk(options: argparse.Namespace) -> int:
    _cancel_on_interrupt()
    connection = await connect(
        options.uri,
        subprotocols=options.subprotocol,
        origin=options.origin,
        compression=None if options.no_compression else Deflate(),
        max_size=None,
    )
    async with connection:
        _tell(f"connected to {options.uri}")
        sending = asyncio.create_task(_send_lines(connection))
        try:
            await _print_messages(connection)
        except asyncio.CancelledError:
            # Interrupted: that is no fault the server should be told of.
            await connection.close(CloseCode.GOING_AWAY)
            raise
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
    reason = f" {connection.close_reason}" if connection.close_reason else ""
    _tell(f"closed: {connection.close_code}{reason}")
    return 0 if connection.close_code in (1000, 1001, 1005) else 1


async def _print_messages(connection: WebSocket) -> None:
    # However it is closed, the code is told in the end.
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            print(f"< {message}" if isinstance(message, str) else f"< {_hex(message)}", flush=True)


async def _send_lines(connection: WebSocket) -> None:
    lines = _lines()
    with contextlib.suppress(ConnectionClosed):
        while (line := await lines.get()) is not None:
            await _act(connection, line)
        await connection.close()


def _lines() -> asyncio.Queue[str | None]:
    """The lines of standard input, then None. A thread reads them: not every input can be waited for in a loop."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        # There may be no input at all, and it may break; and the loop may be closed before it ends.
        with contextlib.suppress(RuntimeError):
            with contextlib.suppress(OSError):
                for line in sys.stdin or ():
                    loop.call_soon_threadsafe(queue.put_nowait, line.removesuffix("\n"))
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return queue


async def _act(connection: WebSocket, line: str) -> None:
    """Send a line, or do what it asks for; what it asks wrong is told."""
    try:
        await _do(connection, line)
    except ValueError as error:
        _tell(f"{line}: {error}")


async def _do(connection: WebSocket, line: str) -> None:
    command, _, rest = line.partition(" ")
    if command == "/ping":
        latency = await (await connection.ping())
        _tell(f"pong after {latency * 1000:.2f} ms")
    elif command == "/hex":
        await connection.send(bytes.fromhex(rest))
    elif command == "/close":
        code, _, reason = rest.partition(" ")
        await connection.close(int(code or 1000), reason)
    elif command.startswith("/") and not command.startswith("//"):
        _tell(f"{command}: the commands are /ping, /hex and /close")
    else:
        await connection.send(line.removeprefix("/") if command.startswith("//") else line)


def _hex(data: bytes) -> str:
    shown = data[:_SHOWN].hex(" ")
    return f"{len(data)} bytes: {shown}{' …' if len(data) > _SHOWN else ''}"


def _tell(text: str) -> None:
    print(f"* {text}", file=sys.stderr, flush=True)
