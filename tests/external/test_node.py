"""The asyncio endpoints against ``ws`` of Node, both ways.

Needs the programs ``node`` and ``npm``, which fetches ``ws``.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fastws import Close, State
from fastws.asyncio import ConnectionClosed, WebSocket, connect, serve
from fastws_endpoints import CLIENT_CLOSE, PATIENCE, PIECES, SERVER_CLOSE, Answer, answer, ended, in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_COMMON = r"""
const { WebSocket, WebSocketServer } = require("ws");
const perMessageDeflate = process.argv[2] === "compressed" && { threshold: 0 };
const { pieces, serverClose, clientClose } = require("./agreed.json");
const tell = (what) => console.log(JSON.stringify(what));
function sendPieces(socket) {
    pieces.forEach((piece, index) => socket.send(piece, { fin: index === pieces.length - 1 }));
}
"""

_SERVER = (
    _COMMON
    + r"""
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate });
server.on("listening", () => tell(server.address().port));
server.on("connection", (socket) => {
    socket.on("pong", (data) => { if (String(data) === "from the server") socket.send("ponged"); });
    socket.on("close", (code, reason) => tell([code, String(reason)]));
    socket.on("error", (error) => tell(String(error)));
    socket.on("message", (data, isBinary) => {
        const text = isBinary || data.length > 20 ? null : String(data);
        if (text === "ping") socket.ping("from the server");
        else if (text === "fragments") sendPieces(socket);
        else if (text === "close") socket.close(...serverClose);
        else socket.send(data, { binary: isBinary });
    });
});
"""
)

_CLIENT = (
    _COMMON
    + r"""
const socket = new WebSocket(process.argv[3], { perMessageDeflate, maxPayload: 0 });
const closed = new Promise((resolve) => {
    socket.on("close", (code, reason) => resolve([code, String(reason)]));
});
const waiting = [], received = [];
socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : String(data);
    if (waiting.length) waiting.shift()(message); else received.push(message);
});
const next = () => new Promise((resolve) => received.length ? resolve(received.shift()) : waiting.push(resolve));
const opened = new Promise((resolve, reject) => { socket.on("open", resolve); socket.on("error", reject); });

async function exchange() {
    const wrong = [];
    for (const size of [0, 1, 125, 126, 127, 65535, 65536, 300000, 1048576]) {
        for (const character of ["x", "é", "中", "😀"]) {
            const sent = character.repeat(size / Buffer.byteLength(character));
            socket.send(sent);
            if (await next() !== sent) wrong.push([character, size]);
        }
        const sent = Buffer.alloc(size, Buffer.from([...Array(251).keys()]));
        socket.send(sent);
        const got = await next();
        if (!Buffer.isBuffer(got) || Buffer.compare(got, sent)) wrong.push(["binary", size]);
    }
    sendPieces(socket);
    if (await next() !== pieces.join("")) wrong.push("fragments out");
    socket.send("fragments");
    if (await next() !== pieces.join("")) wrong.push("fragments in");
    for (let i = 0; i < 1000; i++) socket.send(String(i));
    for (let i = 0; i < 1000; i++) if (await next() !== String(i)) wrong.push(["burst", i]);
    return wrong;
}

async function pings() {
    const answered = new Promise((resolve) => socket.on("pong", (data) => resolve(String(data))));
    socket.ping("from the client");
    const pong = await answered;
    socket.send("ping");
    return [pong, await next()];
}

async function main() {
    await opened;
    const told = { extensions: socket.extensions, wrong: await exchange(), pings: await pings() };
    if (process.argv[4] === "server closes") socket.send("close"); else socket.close(...clientClose);
    told.closed = await closed;
    tell(told);
}
main();
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``ws`` can be imported from, and the scripts lie."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is not installed (Debian: apt-get install nodejs npm)"
    made = tmp_path_factory.mktemp("node")
    command = [npm, "install", "ws@8", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=made, check=True, timeout=PATIENCE)  # noqa: S603
    agreed = {"pieces": PIECES, "serverClose": SERVER_CLOSE, "clientClose": CLIENT_CLOSE}
    (made / "agreed.json").write_text(json.dumps(agreed))
    (made / "server.js").write_text(_SERVER)
    (made / "client.js").write_text(_CLIENT)
    return made


@asynccontextmanager
async def node(folder: Path, script: str, compressed: bool, *arguments: str) -> AsyncIterator[Any]:
    """A script of Node, ended in any case; yields a function that reads what it tells next."""
    program = shutil.which("node")
    assert program is not None, "Node is not installed (Debian: apt-get install nodejs)"
    process = await asyncio.create_subprocess_exec(
        program,
        folder / script,
        "compressed" if compressed else "plain",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None

    async def read() -> Any:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, "the script ended"
        return json.loads(line)

    try:
        yield read
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


_compressions = pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])


@pytest.mark.parametrize("closes", ["server closes", "client closes"])
@_compressions
@pytest.mark.parametrize("api", ["async", "callbacks"])
@in_loop
async def test_its_client(folder: Path, api: str, compressed: bool, closes: str) -> None:
    opened: list[Any] = []

    async def handler(ws: WebSocket) -> None:
        opened.append(ws)
        await answer(ws)

    class Handler(Answer):
        def on_open(self) -> None:
            opened.append(self)

    async with serve(handler if api == "async" else Handler, "127.0.0.1", 0, max_size=None) as server:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with node(folder, "client.js", compressed, uri, closes) as read:
            told = await read()
        (endpoint,) = opened
        await ended(endpoint)
    assert told["wrong"] == []
    assert told["extensions"] == ("permessage-deflate" if compressed else "")
    assert told["pings"] == ["from the client", "ponged"]
    if closes == "server closes":
        assert told["closed"] == list(SERVER_CLOSE)
        assert endpoint.connection.close_sent == Close(*SERVER_CLOSE)
        assert endpoint.connection.close_received.code == SERVER_CLOSE[0]
    else:
        assert told["closed"][0] == CLIENT_CLOSE[0]
        assert endpoint.connection.close_received == Close(*CLIENT_CLOSE)
    assert endpoint.connection.peer_closed_first == (closes == "client closes")


@asynccontextmanager
async def _connected(folder: Path, compressed: bool) -> AsyncIterator[tuple[Any, Any]]:
    how = "deflate" if compressed else None
    async with (
        node(folder, "server.js", compressed) as read,
        connect(f"ws://127.0.0.1:{await read()}/", compression=how, max_size=None) as ws,
    ):
        assert (ws.connection.deflate is not None) == compressed
        yield ws, read


@_compressions
@in_loop
async def test_its_server(folder: Path, compressed: bool) -> None:
    async with _connected(folder, compressed) as (ws, read):
        for size in (0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20):
            binary = bytes(i % 251 for i in range(size))
            for message in (*(letter * (size // len(letter.encode())) for letter in "xé中😀"), binary):
                await ws.send(message)
                assert await ws.recv() == message
        await ws.send(PIECES)
        assert await ws.recv() == "".join(PIECES)
        await ws.send("fragments")
        assert await ws.recv() == "".join(PIECES)
        await ws.send("fragments")
        assert "".join([each async for each in ws.recv_streaming()]) == "".join(PIECES)
        for i in range(1000):
            await ws.send(str(i))
        assert [await ws.recv() for _ in range(1000)] == [str(i) for i in range(1000)]
        assert await (await ws.ping()) >= 0
        await ws.send("ping")
        assert await ws.recv() == "ponged"
        await ws.close(*CLIENT_CLOSE)
        assert (ws.state, ws.close_code) == (State.CLOSED, CLIENT_CLOSE[0])
        assert await read() == list(CLIENT_CLOSE)


@_compressions
@in_loop
async def test_its_server_closes(folder: Path, compressed: bool) -> None:
    async with _connected(folder, compressed) as (ws, read):
        await ws.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        assert caught.value.rcvd == Close(*SERVER_CLOSE)
        await ws.wait_closed()
        assert (ws.close_code, ws.close_reason) == SERVER_CLOSE
        assert (await read())[0] == SERVER_CLOSE[0]


@in_loop
async def test_its_server_is_killed(folder: Path) -> None:
    async with node(folder, "server.js", False) as read:
        ws = await connect(f"ws://127.0.0.1:{await read()}/")
        await ws.send("x")
        assert await ws.recv() == "x"
    with pytest.raises(ConnectionClosed) as caught:
        await ws.recv()
    assert caught.value.rcvd is None
    assert ws.close_code == 1006
