"""Servers that end: called to, cancelled, and with handlers and connections in every state."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from endpoints import Echo, contexts, echo, in_loop, raw_connection, uri_of
from fastws import HandshakeError
from fastws.asyncio import ConnectionClosedOK, InvalidStatus, WebSocketProtocol, connect, serve


async def _closed_with(ws: Any) -> int | None:
    with pytest.raises(ConnectionClosedOK):
        await ws.recv()
    code: int | None = ws.close_code
    return code


@in_loop
async def test_serve_forever_is_cancelled() -> None:
    server = await serve(echo, "127.0.0.1", 0)
    forever = asyncio.create_task(server.serve_forever())
    ws = await connect(uri_of(server))
    forever.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forever
    assert not server.is_serving()
    assert await _closed_with(ws) == 1001


@in_loop
async def test_serve_forever_ends_when_the_server_is_closed() -> None:
    server = await serve(echo, "127.0.0.1", 0)
    forever = asyncio.create_task(server.serve_forever())
    ws = await connect(uri_of(server))
    server.close(code=1012, reason="restart")
    await forever
    await server.wait_closed()
    await ws.wait_closed()
    assert (ws.close_code, ws.close_reason) == (1012, "restart")
    await server.serve_forever()


@in_loop
async def test_a_program_is_cancelled_that_serves() -> None:
    """As an interrupt does."""

    async def program() -> None:
        async with serve(echo, "127.0.0.1", 0, start_serving=False) as server:
            assert not server.is_serving()
            started.set_result(server)
            await server.serve_forever()

    started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(program())
    server = await started
    ws = await connect(uri_of(server))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await _closed_with(ws) == 1001


@in_loop
async def test_wait_closed_waits_for_the_close() -> None:
    server = await serve(echo, "127.0.0.1", 0)
    waiting = asyncio.create_task(server.wait_closed())
    await asyncio.sleep(0)
    async with connect(uri_of(server)) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"
    assert not waiting.done()
    server.close()
    server.close()
    await waiting


@in_loop
async def test_what_a_server_cannot_be_closed_with() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        for code, reason in ((1006, ""), (999, ""), (1001, "x" * 124)):
            with pytest.raises(ValueError, match="close"):
                server.close(code=code, reason=reason)
        assert server.is_serving()


@in_loop
async def test_handlers_that_go_on_when_their_client_is_gone() -> None:
    """They have returned when the server is closed."""
    lost, go_on = asyncio.Event(), asyncio.Event()
    returned: list[Any] = []

    async def tidy(ws: Any) -> None:
        assert ws.server is server
        await ws.wait_closed()
        lost.set()
        await go_on.wait()
        returned.append(ws)

    server = await serve(tidy, "127.0.0.1", 0)
    await (await connect(uri_of(server))).close()
    await lost.wait()
    server.close()
    closed = asyncio.create_task(server.wait_closed())
    await asyncio.sleep(0.01)
    assert not closed.done()
    go_on.set()
    await closed
    assert len(returned) == 1


@in_loop
async def test_connections_with_callbacks_are_waited_for() -> None:
    lost = []

    class Noted(WebSocketProtocol):
        def on_close(self) -> None:
            lost.append(self.connection.close_code)

    async with serve(Noted, "127.0.0.1", 0) as server:
        clients = [await connect(uri_of(server)) for _ in range(5)]
    assert lost == [1001] * 5
    for ws in clients:
        await ws.wait_closed()


@in_loop
async def test_a_handler_that_receives_nothing() -> None:
    """What waits to be received does not keep the client's close from being read."""

    async def sleep(ws: Any) -> None:
        await ws.wait_closed()

    async with serve(sleep, "127.0.0.1", 0, max_queue=1, close_timeout=None) as server:
        ws = await connect(uri_of(server), close_timeout=None)
        (there,) = server.connections
        while not there._is_paused:  # noqa: SLF001
            await ws.send("x")
            await asyncio.sleep(0)
        closed = asyncio.create_task(ws.wait_closed())
    await closed
    assert ws.close_code == 1001


@pytest.mark.parametrize("handler", [echo, Echo], ids=["async", "callbacks"])
@in_loop
async def test_tls_that_is_done_when_the_server_is_closed(handler: Any) -> None:
    """Nobody gets in any more."""
    server = await serve(handler, "127.0.0.1", 0, ssl=contexts()[0])
    port = server.sockets[0].getsockname()[1]
    late = socket.create_connection(("127.0.0.1", port))
    async with connect(f"wss://localhost:{port}/", ssl=contexts()[1], host="127.0.0.1") as ws:
        server.close()
        assert await _closed_with(ws) == 1001
    with pytest.raises((OSError, HandshakeError)):
        await connect(f"wss://localhost:{port}/", ssl=contexts()[1], sock=late)
    await server.wait_closed()


@in_loop
async def test_a_request_that_comes_when_the_server_is_closed() -> None:
    server = await serve(echo, "127.0.0.1", 0)
    reader, writer = await raw_connection(server)
    port = server.sockets[0].getsockname()[1]
    second, sink = await asyncio.open_connection("127.0.0.1", port)
    server.close()
    await asyncio.sleep(0)
    sink.write(b"GET / HTTP/1.1\r\n")
    with contextlib.suppress(ConnectionError):
        assert await second.read() == b""
    assert await reader.readexactly(4) == b"\x88\x02\x03\xe9"
    writer.close()
    sink.close()
    await server.wait_closed()


# Who gets in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"subprotocols": "chat"}, TypeError),
        ({"subprotocols": ["a b"]}, ValueError),
        ({"max_size": -1}, ValueError),
        ({"text_as": "words"}, ValueError),
        ({"compression": "gzip"}, ValueError),
        ({"max_fragments": -1}, ValueError),
    ],
)
def test_what_is_wrong_is_told_at_once(wrong: dict[str, Any], error: type[Exception]) -> None:
    """Not to the first client, and not when it is awaited."""
    with pytest.raises(error):
        serve(echo, "127.0.0.1", 0, **wrong)
    with pytest.raises(error):
        connect("ws://localhost/", **wrong)


@in_loop
async def test_no_subprotocols() -> None:
    nothing: Any = {"subprotocols": None}
    async with serve(echo, "127.0.0.1", 0, **nothing) as server, connect(uri_of(server), **nothing) as ws:
        assert ws.subprotocol is None


@in_loop
async def test_callbacks_that_refuse(caplog: pytest.LogCaptureFixture) -> None:
    """By the error of the handshake: no fault of theirs, and so not in the log."""

    def select(_: Any, offered: list[str]) -> str | None:
        if "a" not in offered:
            raise HandshakeError("a subprotocol is needed: a")
        return "a"

    def process_request(_: Any, request: Any) -> None:
        if request.path == "/gone":
            raise HandshakeError("no more", 410, (("X-Why", "because"),))

    options: Any = {"select_subprotocol": select, "process_request": process_request}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        for path, status, body in (("/", 400, b"a subprotocol is needed: a\n"), ("/gone", 410, b"no more\n")):
            with pytest.raises(InvalidStatus) as caught:
                await connect(uri_of(server, path), subprotocols=["b"])
            assert (caught.value.response.status, caught.value.response.body) == (status, body)
        assert caught.value.response.headers["X-Why"] == "because"
        async with connect(uri_of(server), subprotocols=["b", "a"]) as ws:
            assert ws.subprotocol == "a"
    assert caplog.records == []


@in_loop
async def test_headers_of_a_refusal_are_changed() -> None:
    """As users of websockets do: what there is gives way to what is set."""

    def page(ws: Any, _: Any) -> Any:
        response = ws.respond(200, "<p>grüße")
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        return response

    async with serve(echo, "127.0.0.1", 0, process_request=page) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(uri_of(server))
        assert caught.value.response.headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
        assert caught.value.response.body == "<p>grüße".encode()


@in_loop
async def test_serve_cancelled_at_any_step() -> None:
    """Nothing listens then: a second server takes the port at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for steps in range(20):
        starting = asyncio.create_task(serve(echo, "127.0.0.1", port).__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        if starting.cancel():
            with pytest.raises(asyncio.CancelledError):
                await starting
        else:
            starting.result().close()
            await starting.result().wait_closed()
        with pytest.raises(OSError, match=r".*"), socket.create_connection(("127.0.0.1", port)):
            pytest.fail("something listens")
