"""The asyncio endpoints with nginx between client and server.

Needs the program ``nginx``.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import websockets.asyncio.client

from fastws import Close, State
from fastws.asyncio import ConnectionClosed, ConnectionClosedError, InvalidStatus, WebSocket, connect, serve
from fastws_endpoints import CLIENT_CLOSE, PIECES, SERVER_CLOSE, Answer, answer, ended, in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{secure_port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/certificate.pem;
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""

# Longer than what nginx holds, in both directions.
MESSAGES: list[str | bytes] = ["", b"", "schön 你好 😀", bytes(range(256)) * 4096, "é" * (1 << 19), "x" * (1 << 20)]


@dataclass
class Proxy:
    """nginx, listening."""

    process: asyncio.subprocess.Process
    uri: str
    secure_uri: str
    trust: ssl.SSLContext


@asynccontextmanager
async def proxy(folder: Path, behind: int) -> AsyncIterator[Proxy]:
    """nginx in front of a port, ended in any case."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert program is not None, "nginx is not installed (Debian: apt-get install nginx-light)"
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "certificate.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    # Somebody else may take a port that was free a moment ago.
    for _ in range(5):
        port, secure_port = _free_ports()
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(folder=folder, port=port, secure_port=secure_port, behind=behind)
        )
        command = [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        try:
            if await _listens(process, port):
                yield Proxy(process, f"ws://127.0.0.1:{port}/", f"wss://127.0.0.1:{secure_port}/", trust)
                return
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            _, log = await process.communicate()
    pytest.fail(log.decode())


def _free_ports() -> tuple[int, int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as one, closing(socket.create_server(("127.0.0.1", 0))) as two:
        return one.getsockname()[1], two.getsockname()[1]


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    while process.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.01)
    return False


def _port(server: Any) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


_compressions = pytest.mark.parametrize("compression", [None, "deflate"])
_handlers = pytest.mark.parametrize("handler", [answer, Answer], ids=["async", "callbacks"])


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@_compressions
@_handlers
@in_loop
async def test_messages_and_pings(tmp_path: Path, handler: Any, compression: str | None, secure: bool) -> None:
    async with serve(handler, "127.0.0.1", 0, max_size=None) as server, proxy(tmp_path, _port(server)) as front:
        uri, context = (front.secure_uri, front.trust) if secure else (front.uri, None)
        async with connect(uri, ssl=context, compression=compression, max_size=None) as ws:
            assert ws.response.headers["Server"].startswith("nginx")
            assert (ws.connection.deflate is not None) == (compression is not None)
            (served,) = server.connections
            assert served.connection.request.headers["X-Forwarded-Proto"] == ("https" if secure else "http")
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(PIECES)
            assert await ws.recv() == "".join(PIECES)
            await ws.send("fragments")
            assert await ws.recv() == "".join(PIECES)
            assert await (await ws.ping()) >= 0
            await ws.send("ping")
            assert await ws.recv() == "ponged"


@in_loop
async def test_another_client(tmp_path: Path) -> None:
    async with (
        serve(answer, "127.0.0.1", 0, max_size=None) as server,
        proxy(tmp_path, _port(server)) as front,
        websockets.asyncio.client.connect(front.uri, max_size=None) as ws,
    ):
        for message in MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message


@in_loop
async def test_pushed_messages_come_one_by_one(tmp_path: Path) -> None:
    """The proxy holds none back: the next one is pushed when the last one was acknowledged."""
    acknowledged = asyncio.Event()

    async def push(ws: WebSocket) -> None:
        for i in range(100):
            acknowledged.clear()
            await ws.send(str(i))
            await acknowledged.wait()

    async with (
        serve(push, "127.0.0.1", 0) as server,
        proxy(tmp_path, _port(server)) as front,
        connect(front.uri) as ws,
    ):
        received = []
        async for message in ws:
            received.append(message)
            acknowledged.set()
        assert received == [str(i) for i in range(100)]
        assert ws.close_code == 1000


@_handlers
@in_loop
async def test_either_side_closes(tmp_path: Path, handler: Any) -> None:
    async with serve(handler, "127.0.0.1", 0) as server, proxy(tmp_path, _port(server)) as front:
        ws = await connect(front.uri)
        (served,) = server.connections
        await ws.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert caught.value.rcvd == Close(*SERVER_CLOSE)
        await ws.wait_closed()
        await ended(served)
        assert served.connection.close_received.code == SERVER_CLOSE[0]

        ws = await connect(front.uri)
        (served,) = server.connections
        await ws.close(*CLIENT_CLOSE)
        assert (ws.state, ws.close_code) == (State.CLOSED, CLIENT_CLOSE[0])
        await ended(served)
        assert served.connection.close_received == Close(*CLIENT_CLOSE)


@in_loop
async def test_the_server_goes_away(tmp_path: Path) -> None:
    async with serve(answer, "127.0.0.1", 0) as server, proxy(tmp_path, _port(server)) as front:
        ws = await connect(front.uri)
        server.close()
        assert [message async for message in ws] == []
        assert ws.close_code == 1001
        await server.wait_closed()
        # Who comes now hears it from the proxy.
        with pytest.raises(InvalidStatus) as caught:
            await connect(front.uri)
        assert caught.value.response.status == 502


@_handlers
@in_loop
async def test_the_proxy_is_killed(tmp_path: Path, handler: Any) -> None:
    async with serve(handler, "127.0.0.1", 0) as server, proxy(tmp_path, _port(server)) as front:
        ws = await connect(front.uri)
        (served,) = server.connections
        front.process.kill()
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.rcvd is None
        await ended(served)
        assert served.connection.close_code == 1006
        assert server.connections == set()


@in_loop
async def test_a_refusal_passes_through(tmp_path: Path) -> None:
    def refuse(ws: Any, _: object) -> Any:
        return ws.respond(403, "not you\n")

    async with (
        serve(answer, "127.0.0.1", 0, process_request=refuse) as server,
        proxy(tmp_path, _port(server)) as front,
    ):
        with pytest.raises(InvalidStatus) as caught:
            await connect(front.uri)
        assert caught.value.response.status == 403
        assert caught.value.response.body == b"not you\n"


@_handlers
@in_loop
async def test_more_on_the_way_than_the_proxy_holds(tmp_path: Path, handler: Any) -> None:
    sent = [bytes([i]) * 200_000 for i in range(100)]

    async def send() -> None:
        for message in sent:
            await ws.send(message)

    async with (
        serve(handler, "127.0.0.1", 0, compression=None) as server,
        proxy(tmp_path, _port(server)) as front,
        connect(front.uri, compression=None) as ws,
    ):
        sender = asyncio.create_task(send())
        for message in sent:
            assert await ws.recv() == message
        await sender
