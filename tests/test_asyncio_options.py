"""Arguments of clients and servers: Unix sockets, basic authentication, headers, marks, loggers, connecting again."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiofastnet
import pytest
from websockets.datastructures import Headers as WebsocketsHeaders

from endpoints import Echo, contexts, echo, handlers, in_loop, uri_of
from fastws import Close, HandshakeError
from fastws.asyncio import (
    ConnectionClosed,
    InvalidStatus,
    ProxyError,
    ServerWebSocket,
    WebSocket,
    basic_auth,
    connect,
    serve,
    unix_connect,
    unix_serve,
)
from fastws.asyncio.options import PRODUCT, as_marks
from fastws.asyncio.proxy import Proxy, http_tunnel
from fastws.handshake import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


async def _check(ws: Any) -> None:
    await ws.send("x")
    assert await ws.recv() == "x"


# Unix sockets ---------------------------------------------------------------------------------------------------------


@handlers
@in_loop
async def test_unix_sockets(handler: Any, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with unix_serve(handler, path), unix_connect(path) as ws:
        assert ws.request.headers["Host"] == "localhost"
        await _check(ws)


@in_loop
async def test_unix_sockets_that_exist_already(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listening, closing(socket.socket(socket.AF_UNIX)) as client:
        listening.bind(str(tmp_path / "socket"))
        client.setblocking(False)
        async with unix_serve(echo, sock=listening):
            client.connect(str(tmp_path / "socket"))
            async with unix_connect(sock=client, uri="ws://name/path") as ws:
                assert (ws.request.headers["Host"], ws.request.path) == ("name", "/path")
                await _check(ws)


@in_loop
async def test_tls_over_a_unix_socket(tmp_path: Path) -> None:
    theirs, ours = contexts()
    path = str(tmp_path / "socket")
    async with unix_serve(echo, path, ssl=theirs), unix_connect(path, ssl=ours) as ws:
        await _check(ws)


# Basic authentication -------------------------------------------------------------------------------------------------


def _authorized(text: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}}


@in_loop
async def test_basic_auth() -> None:
    async def handler(ws: Any) -> None:
        await ws.send(ws.username)

    auth = basic_auth('the "realm"', [("user", "pass:word"), ("schön", "你好")])
    async with serve(handler, "127.0.0.1", 0, process_request=auth) as server:
        uri = uri_of(server)
        for name, secret in (("user", "pass%3Aword"), ("sch%C3%B6n", "%E4%BD%A0%E5%A5%BD")):
            async with connect(uri.replace("//", f"//{name}:{secret}@")) as ws:
                assert await ws.recv() == {"user": "user"}.get(name, "schön")
        wrong: list[dict[str, Any]] = [
            {},
            *[_authorized(text) for text in ("user:wrong", "user:", "nobody:", "nobody:pass:word", ":", "nothing")],
            {"additional_headers": [("Authorization", "Basic !")]},
            {"additional_headers": [("Authorization", "Bearer dXNlcjpwYXNzOndvcmQ=")]},
            {"additional_headers": [("Authorization", "Basic dXNlcjpwYXNzOndvcmQ=")] * 2},
        ]
        for options in wrong:
            with pytest.raises(InvalidStatus) as caught:
                await connect(uri, **options)
            response = caught.value.response
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == 'Basic realm="the \\"realm\\"", charset="UTF-8"'
        assert b"needed" not in response.body


@pytest.mark.parametrize("is_async", [False, True])
@in_loop
async def test_basic_auth_by_a_function(is_async: bool) -> None:
    def check(username: str, password: str) -> bool:
        return username == password

    async def check_later(username: str, password: str) -> bool:
        await asyncio.sleep(0)
        return username == password

    auth = basic_auth(check_credentials=check_later if is_async else check)
    async with serve(echo, "127.0.0.1", 0, process_request=auth) as server:
        async with connect(uri_of(server), **_authorized("a:a")) as ws:
            await _check(ws)
        with pytest.raises(InvalidStatus):
            await connect(uri_of(server), **_authorized("a:b"))


def test_basic_auth_arguments() -> None:
    for arguments in ({}, {"credentials": ("a", "b"), "check_credentials": print}, {"realm": "ö", "credentials": ()}):
        with pytest.raises(ValueError, match=r"basic_auth|realm"):
            basic_auth(**arguments)
    for wrong in (5, ["secret"], ("secret",), [("a", "b"), ("secret", 5)]):
        with pytest.raises(TypeError, match="pair") as caught:
            basic_auth(credentials=wrong)  # type: ignore[arg-type]
        assert "secret" not in str(caught.value)


# Headers --------------------------------------------------------------------------------------------------------------


@handlers
@in_loop
async def test_headers_that_say_who_it_is(handler: Any) -> None:
    assert PRODUCT.startswith("Python/3.")
    async with serve(handler, "127.0.0.1", 0) as server:
        ws = await connect(uri_of(server))
        assert ws.request.headers["User-Agent"] == PRODUCT
        assert ws.response.headers["Server"] == PRODUCT
        await ws.close()
    async with serve(handler, "127.0.0.1", 0, server_header=None, origins=["o"]) as server:
        ws = await connect(uri_of(server), user_agent_header=None, origin="o")
        assert "User-Agent" not in ws.request.headers
        assert "Server" not in ws.response.headers
        await ws.close()
    async with serve(handler, "127.0.0.1", 0, server_header="s", origins=[]) as server:
        with pytest.raises(InvalidStatus, match="403") as caught:
            await connect(uri_of(server))
        assert caught.value.response.headers.get_all("Server") == ["s"]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-A", "1"), ("user-agent", "me")],
        {"X-A": "1", "user-agent": "me"},
        Headers([("X-A", "1"), ("user-agent", "me")]),
        WebsocketsHeaders({"X-A": "1", "user-agent": "me"}),
    ],
    ids=lambda headers: type(headers).__module__.partition(".")[0],
)
@in_loop
async def test_additional_headers(headers: Any) -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server), additional_headers=headers) as ws:
        (other,) = server.connections
        assert other.request.headers["X-A"] == "1"
        assert other.request.headers.get_all("User-Agent") == ["me"]
        assert ws.request.headers.raw_items() == other.request.headers.raw_items()


@in_loop
async def test_process_request_answers_by_itself() -> None:
    def process_request(ws: Any, request: Any) -> None:
        if request.path == "/in":
            ws.accept(headers=[("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
        else:
            ws.reject(418, [("X-Why", "tea")], b"no coffee")

    async with serve(echo, "127.0.0.1", 0, process_request=process_request) as server:
        async with connect(uri_of(server, "/in")) as ws:
            assert ws.response.headers.get_all("Set-Cookie") == ["a=b", "c=d"]
            await _check(ws)
        with pytest.raises(InvalidStatus, match="418") as caught:
            await connect(uri_of(server, "/out"))
        assert (caught.value.response.headers["X-Why"], caught.value.response.body) == ("tea", b"no coffee")


# Limits ---------------------------------------------------------------------------------------------------------------


def test_marks() -> None:
    assert as_marks(17) == (17, 4)
    assert as_marks((17, None)) == (17, 4)
    assert as_marks((17, 17)) == (17, 17)
    assert as_marks(0) == (0, 0)
    for wrong in (-1, (1, 2), (1, -1)):
        for name in ("max_queue", "write_limit"):
            options: dict[str, Any] = {name: wrong}
            with pytest.raises(ValueError, match="marks"):
                serve(echo, **options)
            with pytest.raises(ValueError, match="marks"):
                connect("ws://localhost", **options)


@in_loop
async def test_marks_of_the_queue() -> None:
    """Reading pauses above the high one, and goes on at the low one."""
    async with serve(echo, "127.0.0.1", 0) as server, connect(uri_of(server), max_queue=(8, 6)) as ws:
        (other,) = server.connections
        for i in range(9):
            await other.send(str(i))
            await (await other.ping()) if i < 8 else None
        while ws.transport.is_reading():
            await asyncio.sleep(0.001)
        reading = []
        for i in range(9):
            assert await ws.recv() == str(i)
            reading.append(ws.transport.is_reading())
        assert reading == [False, False, *[True] * 7]


@in_loop
async def test_marks_of_writing() -> None:
    for limit, marks in ((1000, (250, 1000)), ((1000, 10), (10, 1000))):
        async with serve(Echo, "127.0.0.1", 0, write_limit=limit) as server:
            ws = await connect(uri_of(server), write_limit=limit)
            (other,) = server.connections
            assert ws.transport.get_write_buffer_limits() == other.transport.get_write_buffer_limits() == marks
            await ws.close()


@in_loop
async def test_tls_that_does_not_fit() -> None:
    for uri, option in (("ws://h", contexts()[1]), ("ws://h", True), ("wss://h", None), ("wss://h", False)):
        with pytest.raises(ValueError, match="does not fit"):
            connect(uri, ssl=option)
    connect("ws://h", ssl=None)
    for url, option in (("http://h", True), ("https://h", None)):
        with pytest.raises(ValueError, match="does not fit"):
            await http_tunnel(asyncio.get_running_loop(), Proxy.parse(url), "h", 1, None, ssl=option)


# Loggers and names ----------------------------------------------------------------------------------------------------


@in_loop
async def test_loggers(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(ws: Any) -> None:
        await ws.recv()
        raise RuntimeError(str(ws.id))

    own = logging.getLogger("own")
    for logger, name in ((None, "fastws.server"), (own, "own")):
        async with serve(fails, "127.0.0.1", 0, logger=logger) as server:
            ws = await connect(uri_of(server), logger=logger)
            assert ws.logger.name == name.replace("server", "client")
            (other,) = server.connections
            assert other.logger.name == name
            await ws.send("go")
            await ws.wait_closed()
        (record,) = caplog.records
        assert (record.name, record.getMessage()) == (name, "connection handler failed")
        assert str(other.id) in caplog.text
        caplog.clear()
    assert ws.id == ws.id != other.id


# Connecting again -----------------------------------------------------------------------------------------------------


@in_loop
async def test_connect_again_after_failures(caplog: pytest.LogCaptureFixture) -> None:
    """The delays go on while it fails, and begin anew once it has not."""
    answers = iter([503, 500, None, 502, None])
    delays: list[list[float]] = []

    def process_request(*_: Any) -> Response | None:
        status = next(answers)
        return None if status is None else Response(status, "", Headers())

    def reconnect_delays() -> Iterator[float]:
        delays.append([])
        while True:
            delays[-1].append(0.0)
            yield 0.0

    caplog.set_level(logging.INFO, "fastws.client")
    async with serve(echo, "127.0.0.1", 0, process_request=process_request) as server:
        visits = 0
        async for ws in connect(uri_of(server), reconnect_delays=reconnect_delays):
            await _check(ws)
            visits += 1
            if visits == 2:
                break
        await ws.close()
    assert [len(each) for each in delays] == [2, 1]
    assert [record.getMessage() for record in caplog.records][:1] == [
        "connect failed; trying again in 0.0 seconds: InvalidStatus: the server answered 503 Service Unavailable"
    ]
    assert len(caplog.records) == 3


@in_loop
async def test_what_is_not_tried_again() -> None:
    def refuse(_: Any, request: Any) -> Response:
        return Response(int(request.path[1:]), "", Headers())

    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        for status in (400, 403, 404):
            with pytest.raises(InvalidStatus, match=str(status)):
                await anext(aiter(connect(uri_of(server, f"/{status}"))))
        asked: list[Exception] = []

        def last(error: Exception) -> Exception | None:
            asked.append(error)
            return None if len(asked) < 3 else LookupError("enough")

        again = connect(uri_of(server, "/404"), process_exception=last, reconnect_delays=lambda: [0.0] * 9)
        with pytest.raises(LookupError, match="enough") as caught:
            await anext(aiter(again))
        assert caught.value.__cause__ is asked[-1]
        assert [type(error) for error in asked] == [InvalidStatus] * 3


@in_loop
async def test_redirects_need_more_than_a_socket() -> None:
    def redirect(_: Any, request: Any) -> Response | None:
        return Response(302, "", Headers([("Location", "/new")])) if request.path == "/old" else None

    async with serve(echo, "127.0.0.1", 0, process_request=redirect) as server:
        with socket.create_connection(server.sockets[0].getsockname()) as sock:
            with pytest.raises(InvalidStatus, match="sock") as caught:
                await connect(uri_of(server, "/old"), sock=sock)
            assert caught.value.status == 302


@in_loop
async def test_secrets_do_not_follow_a_redirect_to_another_server() -> None:
    """Not even to another port; other headers do."""
    told: list[list[str | None]] = []
    names = ("Authorization", "Cookie", "Host", "X-Other")

    async def redirect(_: Any, request: Any) -> Response | None:
        told.append([request.headers.get(name) for name in names])
        where = {"/here": "/", "/there": uri_of(other)}.get(request.path)
        return None if where is None else Response(302, "", Headers([("Location", where)]))

    given = {"Authorization": "Bearer secret", "Cookie": "session=secret", "Host": "named", "X-Other": "1"}
    async with (
        serve(echo, "127.0.0.1", 0, process_request=redirect) as server,
        serve(echo, "127.0.0.1", 0, process_request=redirect) as other,
    ):
        async with connect(uri_of(server, "/here"), additional_headers=given):
            assert told == [[*given.values()]] * 2
        told.clear()
        async with connect(uri_of(server, "/there"), additional_headers=given):
            assert told == [[*given.values()], [None, None, uri_of(other)[5:-1], "1"]]


def test_errors_of_proxies_are_errors_of_the_handshake() -> None:
    assert issubclass(ProxyError, HandshakeError)


# What users of websockets know, besides -------------------------------------------------------------------------------


@in_loop
async def test_process_response_changes_headers() -> None:
    async def later(ws: Any, request: Any, response: Response) -> None:
        await asyncio.sleep(0)
        assert (ws.request, response.status) == (request, 101)
        del response.headers["Server"]
        response.headers["Set-Cookie"] = "a=1"
        response.headers["Set-Cookie"] = "b=2"

    def at_once(*_: Any) -> Response:
        return Response(403, "", Headers([("X-Why", "because")]), b"not you\n")

    async with serve(echo, "127.0.0.1", 0, process_response=later) as server, connect(uri_of(server)) as ws:
        assert ws.response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert "Server" not in ws.response.headers
        (served,) = server.connections
        assert served.response.headers.raw_items() == ws.response.headers.raw_items()
        await _check(ws)
    async with serve(echo, "127.0.0.1", 0, process_response=at_once) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(uri_of(server))
        response = caught.value.response
        assert (response.status, response.headers["X-Why"], response.body) == (403, "because", b"not you\n")


@in_loop
async def test_process_response_sees_refusals_too() -> None:
    seen = []

    def see(_: Any, __: Any, response: Response) -> None:
        seen.append(response.status)
        response.headers["X-Seen"] = "yes"

    def refuse(ws: Any, request: Any) -> Response | None:
        return ws.respond(410, "gone\n") if request.path == "/gone" else None

    options: Any = {"process_request": refuse, "process_response": see, "origins": ["https://here"]}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        for path, origin, status in (("/gone", "https://here", 410), ("/", "https://there", 403)):
            with pytest.raises(InvalidStatus) as caught:
                await connect(uri_of(server, path), origin=origin)
            assert caught.value.response.status == status
            assert caught.value.response.headers["X-Seen"] == "yes"
        async with connect(uri_of(server), origin="https://here") as ws:
            await _check(ws)
    assert seen == [410, 403, 101]


@in_loop
async def test_process_response_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("of the application")

    def accept(*_: Any) -> Response:
        """What must not be accepted."""
        return Response(101, "", Headers())

    for function, origins in ((fail, None), (accept, ["https://here"])):
        async with serve(echo, "127.0.0.1", 0, process_response=function, origins=origins) as server:
            with pytest.raises(InvalidStatus) as caught:
                await connect(uri_of(server), origin="https://there")
            assert caught.value.response.status == 500
    assert [record.getMessage() for record in caplog.records] == ["opening handshake failed"] * 2


@in_loop
async def test_classes_for_connections() -> None:
    class Served(ServerWebSocket):
        async def send(self, message: Any, text: bool | None = None) -> None:
            await super().send(f"served {message}", text)

    class Connected(WebSocket):
        async def recv(self, decode: bool | None = None) -> Any:
            return "received " + await super().recv(decode)

    async with (
        serve(echo, "127.0.0.1", 0, create_connection=Served) as server,
        connect(uri_of(server), create_connection=Connected) as ws,
    ):
        assert isinstance(ws, Connected)
        await ws.send("x")
        assert await ws.recv() == "received served x"
        assert {type(each) for each in server.connections} == {Served}


@in_loop
async def test_sizes_of_messages_and_of_fragments() -> None:
    pieces = ["x" * 10] * 3
    for sizes, sent, what in (
        ((30, 10), pieces, ""),
        ((None, 10), pieces, ""),
        ((29, None), pieces, "message of 30 bytes is over the limit of 29"),
        ((30, 9), pieces, "frame of 10 bytes is over the limit of 9"),
        (30, pieces, ""),
    ):
        options: Any = {"max_size": sizes, "compression": None}
        for theirs, ours in ((options, {}), ({"compression": None}, options)):
            async with serve(_fragments, "127.0.0.1", 0, **theirs) as server, connect(uri_of(server), **ours) as ws:
                await ws.send(sent)
                if not what:
                    assert await ws.recv() == "".join(sent)
                    continue
                with pytest.raises(ConnectionClosed) as caught:
                    await ws.recv()
                close = caught.value.rcvd if ours == {} else caught.value.sent
                assert close == Close(1009, what)


async def _fragments(ws: Any) -> None:
    """Echoes in fragments of 10."""
    async for message in ws:
        await ws.send([message[i : i + 10] for i in range(0, len(message), 10)])


# aiofastnet -----------------------------------------------------------------------------------------------------------


def _has_their_transport(endpoint: Any) -> bool:
    return isinstance(endpoint.transport, aiofastnet.Transport)


@handlers
@pytest.mark.parametrize("use", [False, True])
@in_loop
async def test_transports_of_aiofastnet(handler: Any, use: bool, tmp_path: Path) -> None:
    """On any loop, and only where they are asked for."""
    theirs, ours = contexts()
    path = str(tmp_path / "socket")
    for secure in (False, True):
        server_tls, client_tls = (theirs, ours) if secure else (None, None)
        where = "wss://localhost" if secure else "ws://127.0.0.1"
        async with serve(handler, "localhost", 0, ssl=server_tls, use_aiofastnet=use) as server:
            uri = uri_of(server).replace("ws://127.0.0.1", where)
            async with connect(uri, ssl=client_tls, use_aiofastnet=use) as ws:
                assert _has_their_transport(ws) == use
                assert {_has_their_transport(each) for each in server.connections} == {use}
                await _check(ws)
        async with (
            unix_serve(handler, path, ssl=server_tls, use_aiofastnet=use) as server,
            unix_connect(path, ssl=client_tls, use_aiofastnet=use) as ws,
        ):
            assert _has_their_transport(ws) == use
            assert {_has_their_transport(each) for each in server.connections} == {use}
            await _check(ws)


def test_aiofastnet_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiofastnet", None)
    for make in (
        lambda: serve(echo, "127.0.0.1", 0, use_aiofastnet=True),
        lambda: connect("ws://127.0.0.1/", use_aiofastnet=True),
    ):
        with pytest.raises(
            ImportError, match=r"use_aiofastnet needs aiofastnet: .*'fastws-codec\[fastnet\]'"
        ) as caught:
            make()
        assert caught.value.name == "aiofastnet"
