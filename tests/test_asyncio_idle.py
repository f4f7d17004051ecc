"""Ten thousand idle connections to one server: it in one process, its clients in another."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import in_loop
from fastws.asyncio import WebSocket, connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

resource = pytest.importorskip("resource", reason="Windows has no limit to raise")

_COUNT = 10_000
_AT_ONCE = 500

# Seconds for so many, more than a loaded machine needs; and for all that they do in turn.
_PATIENCE = 120
_ALTOGETHER = 3600

# It says where it listens, tells everybody each line that it reads, and closes at the end of its input.
_SERVER = """
import asyncio
import sys

from endpoints import Echo, echo
from fastws.asyncio import broadcast, serve

async def main(handler):
    loop = asyncio.get_running_loop()
    # Pings are sent; but how soon they are answered is up to the machine.
    async with serve(handler, "127.0.0.1", 0, backlog=1000, ping_timeout=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            connections = server.connections
            broadcast(connections, f"{line.strip()} {len(connections)}")

asyncio.run(main({"async": echo, "callbacks": Echo}[sys.argv[1]]))
"""


@contextmanager
def _many_files() -> Iterator[None]:
    """As many as a socket for each connection needs; a process that is started then inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _COUNT + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def _serving(kind: str) -> Iterator[subprocess.Popen[str]]:
    home = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(home), *sys.path])}
    command = [sys.executable, "-c", _SERVER, kind]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.kill()


async def _in_turn(call: Callable[[Any], Awaitable[Any]], arguments: Sequence[Any]) -> list[Any]:
    """Many at a time, which must all be done before patience is lost; then the next."""
    done: list[Any] = []
    for start in range(0, len(arguments), _AT_ONCE):
        calls = [call(each) for each in arguments[start : start + _AT_ONCE]]
        done += await asyncio.wait_for(asyncio.gather(*calls), _PATIENCE)
    return done


async def _opened(uri: str) -> Any:
    return await connect(uri, ping_interval=None, open_timeout=None)


@pytest.mark.long
@pytest.mark.timeout(_ALTOGETHER)
@pytest.mark.parametrize("kind", ["async", "callbacks"])
@functools.partial(in_loop, patience=_ALTOGETHER)
async def test_ten_thousand_idle_connections(kind: str) -> None:
    """All are there, hear what is told to all, are answered, and see the server leave."""
    with _many_files(), _serving(kind) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        uri = f"ws://127.0.0.1:{int(server.stdout.readline())}"
        everybody = await _in_turn(_opened, [uri] * _COUNT)
        server.stdin.write("hello\n")
        server.stdin.flush()
        assert set(await _in_turn(WebSocket.recv, everybody)) == {f"hello {_COUNT}"}
        for ws in everybody[:: _COUNT // 10]:
            await ws.send("still there")
            assert await ws.recv() == "still there"
        server.stdin.close()
        await _in_turn(WebSocket.wait_closed, everybody)
        assert {ws.close_code for ws in everybody} == {1001}
        assert await asyncio.get_running_loop().run_in_executor(None, server.wait) == 0
