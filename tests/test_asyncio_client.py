"""Clients: redirects that lead nowhere, tries that run out, and the end of what they opened."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from endpoints import Echo, contexts, echo, in_loop, uri_of
from fastws import State
from fastws.asyncio import InvalidStatus, WebSocketProtocol, connect, serve, unix_connect, unix_serve
from fastws.handshake import Headers, Response

if TYPE_CHECKING:
    from pathlib import Path


class Collecting(WebSocketProtocol):
    """A client that keeps what comes."""

    def on_open(self) -> None:
        self.messages: list[Any] = []
        self.send("hello")

    def on_message(self, data: str | bytes) -> None:
        self.messages.append(data)


def _to(location: str, status: int = 302) -> Any:
    """A server's ``process_request`` that redirects once."""

    def redirect(_: Any, request: Any) -> Response | None:
        return Response(status, "", Headers([("Location", location)])) if request.path == "/old" else None

    return redirect


# Redirects ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["ftp://x/", "ws://x:99999/", "ws://[x/", "wss://x/#fragment"])
@in_loop
async def test_redirects_to_nowhere(location: str) -> None:
    async with serve(echo, "127.0.0.1", 0, process_request=_to(location)) as server:
        with pytest.raises(InvalidStatus, match=r"^a redirect that cannot be followed: ") as caught:
            await connect(uri_of(server, "/old"))
        assert (caught.value.status, caught.value.response.headers["Location"]) == (302, location)


@in_loop
async def test_redirects_out_of_tls() -> None:
    server, client = contexts()
    async with serve(echo, "127.0.0.1", 0, ssl=server, process_request=_to("ws://localhost/")) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(InvalidStatus, match="which is not secure"):
            await connect(f"wss://localhost:{port}/old", ssl=client)


@in_loop
async def test_redirects_to_another_server_where_the_place_is_fixed(tmp_path: Path) -> None:
    """With ``host``, ``port`` or a path, all servers would be the same one."""
    async with serve(echo, "127.0.0.1", 0, process_request=_to("ws://other.test/")) as server:
        port = server.sockets[0].getsockname()[1]
        for options in ({"host": "127.0.0.1", "port": port}, {"host": "127.0.0.1"}):
            with pytest.raises(InvalidStatus, match=r"^a redirect to ws://other\.test/, and it is said where"):
                await connect(f"ws://localhost:{port}/old", **options)
    path = tmp_path / "socket"
    async with unix_serve(echo, path, process_request=_to("ws://other.test/")):
        with pytest.raises(InvalidStatus, match="a redirect to ws://other"):
            await unix_connect(path, "ws://localhost/old")
    async with unix_serve(echo, path, process_request=_to("/new")), unix_connect(path, "ws://localhost/old") as ws:
        assert ws.request.path == "/new"


# Tries ----------------------------------------------------------------------------------------------------------------


@in_loop
async def test_no_more_tries() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uri = f"ws://127.0.0.1:{listening.getsockname()[1]}"
    tries = connect(uri, reconnect_delays=lambda: [0.0, 0.0])
    with pytest.raises(OSError, match=r"Connect call failed|Connection refused|No connection"):
        await anext(aiter(tries))


@pytest.mark.parametrize("protocol", [None, Collecting], ids=["async", "callbacks"])
@in_loop
async def test_connect_again(protocol: Any) -> None:
    """Each connection is closed, and lost, when the next one is there."""
    options = {} if protocol is None else {"protocol": protocol}
    before: Any = None
    visits = 0
    async with serve(Echo, "127.0.0.1", 0) as server:
        async for ws in connect(uri_of(server), **options):
            assert ws.state is State.OPEN
            assert before is None or before.connection.close_code == 1000
            before = ws
            visits += 1
            if visits == 3:
                break
        ws.start_close()
        await ws.wait_closed()


# The end --------------------------------------------------------------------------------------------------------------


@in_loop
async def test_callbacks_are_over_behind_the_block() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        async with connect(uri_of(server), protocol=Collecting) as client:
            while not client.messages:
                await asyncio.sleep(0)
        assert client.messages == ["hello"]
        assert client.connection.close_code == 1000
        await client.wait_closed()
        with pytest.raises(RuntimeError, match="on purpose"):
            async with connect(uri_of(server), protocol=Collecting) as client:
                raise RuntimeError("on purpose")
        assert client.connection.close_code == 1011


@in_loop
async def test_one_connection_for_a_block() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        connecting = connect(uri_of(server))
        async with connecting as ws:
            with pytest.raises(RuntimeError, match="connected already"):
                await connecting.__aenter__()
            await ws.send("x")
            assert await ws.recv() == "x"
        async with connecting as again:
            assert again is not ws


@in_loop
async def test_names_of_a_response() -> None:
    def refuse(ws: Any, _: Any) -> Any:
        return ws.respond(418, "short and stout")

    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(uri_of(server))
        response = caught.value.response
        assert (response.status_code, response.reason_phrase) == (418, "I'm a Teapot")
        assert (response.status, response.reason, response.body) == (418, "I'm a Teapot", b"short and stout")
