"""``python -m fastws serve`` and ``connect``: as a user starts them, each in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

import fastws
from fastws.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOME = str(Path(fastws.__file__).parent.parent)

# More than a loaded machine needs; no test waits for it.
_PATIENCE = 120


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command, ended in any case."""
    path = os.pathsep.join([_HOME, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-m", "fastws", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True)
class Ended:
    """What a process left behind."""

    status: int
    output: str
    errors: str


def end(process: subprocess.Popen[bytes], stdin: bytes = b"") -> Ended:
    """Give a process the rest of its input, and wait until it ends by itself."""
    output, errors = process.communicate(stdin, _PATIENCE)
    return Ended(process.returncode, output.decode(), errors.decode())


def run(*arguments: str, stdin: str | bytes = "") -> Ended:
    with started(*arguments) as process:
        return end(process, stdin if isinstance(stdin, bytes) else stdin.encode())


# serve ----------------------------------------------------------------------------------------------------------------


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command on a free port; yields its process, and where it listens without the scheme."""
    with started("serve", "--port", "0", *arguments) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        found = re.fullmatch(r"serving --(echo|push) on ws://(\S+)/ · open http://\2/\n", line)
        assert found is not None, line
        yield process, found[2]


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """Where an echo server listens, without the scheme."""
    with served() as (_, address):
        yield address


@pytest.mark.parametrize("arguments", [[], ["--echo"], ["--no-compression"]], ids=lambda each: "".join(each) or "plain")
def test_serve_echoes(arguments: list[str]) -> None:
    with (
        served(*arguments) as (_, address),
        connect(f"ws://{address}/anywhere", max_size=None, open_timeout=_PATIENCE) as ws,
    ):
        assert ws.response is not None
        compressed = "permessage-deflate" in ws.response.headers.get("Sec-WebSocket-Extensions", "")
        assert compressed == ("--no-compression" not in arguments)
        for message in ("", "héllo 你好 😀", b"", bytes(range(256)), "x" * 2**20, bytes(2**22)):
            ws.send(message)
            assert ws.recv(_PATIENCE) == message


def test_serve_pushes_and_echoes() -> None:
    with (
        served("--push", "--rate", "200", "--ping", "0.01") as (_, address),
        connect(f"ws://{address}/", open_timeout=_PATIENCE) as ws,
    ):
        told = [json.loads(ws.recv(_PATIENCE)) for _ in range(5)]
        assert [each["number"] for each in told] == [1, 2, 3, 4, 5]
        assert told == sorted(told, key=lambda each: each["time"])
        # The pings tell how long a round trip takes, which is pushed.
        while not json.loads(ws.recv(_PATIENCE))["latency"]:
            pass
        ws.send("in the other direction")
        while ws.recv(_PATIENCE) != "in the other direction":
            pass


@pytest.mark.parametrize("path", ["/", "/?from=somewhere"])
def test_serve_has_a_page(echo: str, path: str) -> None:
    with urllib.request.urlopen(f"http://{echo}{path}", timeout=_PATIENCE) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        page = response.read().decode()
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")


def test_serve_has_no_other_page(echo: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{echo}/favicon.ico", timeout=_PATIENCE)
    with caught.value as response:
        assert response.code == 404
        assert b"/" in response.read()


def _recv_for_ever(ws: ClientConnection) -> None:
    while True:
        ws.recv(_PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["--echo", "--push"])
def test_signals_end_serve_in_order(number: signal.Signals, mode: str) -> None:
    with served(mode) as (process, address):
        with connect(f"ws://{address}/", open_timeout=_PATIENCE) as ws:
            ws.send("x")
            while ws.recv(_PATIENCE) != "x":
                pass
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as caught:
                _recv_for_ever(ws)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        assert end(process) == Ended(0, "", "")


def test_serve_survives_a_client_that_vanishes() -> None:
    with served("--push", "--rate", "1000") as (process, address):
        host, _, port = address.rpartition(":")
        for _ in range(3):
            with socket.create_connection((host, int(port)), timeout=_PATIENCE) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
                raw.sendall(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
                assert raw.recv(12) == b"HTTP/1.1 101"
        with connect(f"ws://{address}/", open_timeout=_PATIENCE) as ws:
            ws.recv(_PATIENCE)
        process.terminate()
        assert end(process) == Ended(0, "", "")


def test_serve_says_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("serve", "--port", str(taken.getsockname()[1]))
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors.startswith("python -m fastws serve: ")
    assert "already in use" in ended.errors
    assert ended.errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "65536"],
        ["--port", "-1"],
        ["--port", "x"],
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--ping", "-1"],
        ["--ping", "inf"],
        ["--echo", "--push"],
        ["more"],
    ],
    ids="".join,
)
def test_serve_refuses_what_makes_no_sense(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: python -m fastws serve ")


# connect --------------------------------------------------------------------------------------------------------------


@contextmanager
def peer(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """A server of another make in a thread; yields its address."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_lines_go_out_and_messages_come_in(echo: str) -> None:
    ended = run("connect", f"ws://{echo}/", stdin="one\n\ntwo 你好 😀\n//path\nlast, without an end of line")
    assert ended.output == "< one\n< \n< two 你好 😀\n< /path\n< last, without an end of line\n"
    assert ended.errors == f"* connected to ws://{echo}/\n* closed: 1000\n"
    assert ended.status == 0


def test_no_input_at_all(echo: str) -> None:
    """As where a service starts it: the end of the input is there at once."""
    script = f"import sys; sys.stdin = None; from fastws.cli import main; sys.exit(main(['connect', 'ws://{echo}/']))"
    done = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=_PATIENCE, check=False, cwd=_HOME
    )
    assert (done.returncode, done.stderr) == (0, f"* connected to ws://{echo}/\n* closed: 1000\n")


def test_commands(echo: str) -> None:
    lines = ["/ping", "/hex 00 ff7f", "/hex " + "ab" * 33, "/hex zz", "/nope", "/close x", "/close 1006", "/close"]
    ended = run("connect", f"ws://{echo}/", stdin="\n".join([*lines, "not sent", ""]))
    assert ended.output == f"< 3 bytes: 00 ff 7f\n< 33 bytes: {'ab ' * 32}…\n"
    told = ended.errors.splitlines()
    assert re.fullmatch(r"\* pong after \d+\.\d\d ms", told[1])
    assert told[2].startswith("* /hex zz: ")
    assert told[3] == "* /nope: the commands are /ping, /hex and /close"
    assert told[4].startswith("* /close x: ")
    assert told[5] == "* /close 1006: close code 1006 must not be sent"
    assert told[6:] == ["* closed: 1000"]
    assert ended.status == 0


def test_close_with_code_and_reason() -> None:
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def handler(ws: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(_PATIENCE)
        seen.put(caught.value.rcvd)

    with peer(handler) as uri:
        ended = run("connect", uri, stdin="/close 4000 good bye\n")
        close = seen.get(timeout=_PATIENCE)
    assert (close.code, close.reason) == (4000, "good bye")
    assert ended == Ended(1, "", f"* connected to {uri}\n* closed: 4000 good bye\n")


@pytest.mark.parametrize(("code", "status"), [(1000, 0), (1001, 0), (1011, 1), (4321, 1)])
def test_the_server_closes(code: int, status: int) -> None:
    """While the command waits for a line that does not come."""

    def handler(ws: ServerConnection) -> None:
        ws.send("before")
        ws.close(code, "enough")

    with peer(handler) as uri, started("connect", uri) as process:
        assert process.wait(_PATIENCE) == status
        ended = end(process)
    assert ended == Ended(status, "< before\n", f"* connected to {uri}\n* closed: {code} enough\n")


def test_the_connection_is_lost() -> None:
    with peer(lambda ws: ws.socket.shutdown(socket.SHUT_RDWR)) as uri, started("connect", uri) as process:
        assert process.wait(_PATIENCE) == 1
        assert end(process) == Ended(1, "", f"* connected to {uri}\n* closed: 1006\n")


def test_an_interrupt_closes_the_connection() -> None:
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def handler(ws: ServerConnection) -> None:
        ws.send("here")
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(_PATIENCE)
        seen.put(caught.value.rcvd)

    with peer(handler) as uri, started("connect", uri) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"< here\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(_PATIENCE) == 130
        assert end(process) == Ended(130, "", f"* connected to {uri}\n")
        assert seen.get(timeout=_PATIENCE).code == 1001


def test_options_of_the_handshake() -> None:
    def handler(ws: ServerConnection) -> None:
        assert ws.request is not None
        offered = ws.request.headers.get("Sec-WebSocket-Extensions", "nothing")
        ws.send(f"{ws.subprotocol} from {ws.request.headers.get('Origin')}, {offered} offered")

    # At the end of its input the command would close, perhaps before the server has said anything.
    options = ["--subprotocol", "first", "--subprotocol", "second", "--origin", "http://x", "--no-compression"]
    with peer(handler, subprotocols=["second"]) as uri, started("connect", uri, *options) as process:
        assert process.wait(_PATIENCE) == 0
        assert end(process).output == "< second from http://x, nothing offered\n"
    with peer(handler) as uri, started("connect", uri) as process:
        assert process.wait(_PATIENCE) == 0
        assert end(process).output.startswith("< None from None, permessage-deflate")


def test_what_is_no_text_is_told_and_not_sent(echo: str) -> None:
    ended = run("connect", f"ws://{echo}/", stdin=b"b\xffd\ngood\n")
    assert ended.output == "< good\n"
    assert "surrogates not allowed" in ended.errors
    assert ended.status == 0


def test_what_has_no_character_is_shown_escaped(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.stdout.reconfigure(encoding='ascii'); from fastws.cli import main; sys.exit(main({}))"
    monkeypatch.setenv("PYTHONPATH", _HOME)
    ended = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-X", "utf8", "-c", program.format(["connect", f"ws://{echo}/"])],
        input="schön\n".encode(),
        capture_output=True,
        check=True,
        timeout=_PATIENCE,
    )
    assert ended.stdout == b"< sch\\xf6n\n"


def test_the_reader_may_leave() -> None:
    def handler(ws: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                ws.send("more")

    with peer(handler) as uri, started("connect", uri) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"< more\n"
        process.stdout.close()
        assert process.wait(_PATIENCE) == 1
        assert process.stderr is not None
        assert process.stderr.read().decode() == f"* connected to {uri}\n"


def test_connect_says_that_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = run("connect", f"ws://127.0.0.1:{port}/")
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors.startswith("python -m fastws connect: ")
    assert ended.errors.count("\n") == 1


def test_connect_says_that_it_is_refused() -> None:
    with peer(lambda _: None, process_request=lambda ws, _: ws.respond(403, "not you\n")) as uri:
        ended = run("connect", uri)
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors.startswith("python -m fastws connect: ")
    assert "403" in ended.errors
    assert ended.errors.count("\n") == 1


@pytest.mark.parametrize("uri", ["", "no-uri", "http://localhost/", "ws://", "ws://localhost:99999/", "ws://x/#part"])
def test_connect_refuses_what_is_no_uri(capsys: pytest.CaptureFixture[str], uri: str) -> None:
    assert main(["connect", uri]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"python -m fastws connect: {uri!r} ")
    assert told.err.count("\n") == 1
