"""Programs as people run them, unchanged: plain with python, and accelerated with ``python -m fastws run``."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

import fastws

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROGRAMS = Path(__file__).parent / "programs"
_HOME = str(Path(fastws.__file__).parent.parent)
_ACCELERATE = ["-m", "fastws", "run", "--verbose", "--"]

MESSAGES: list[str | bytes] = [
    "",
    b"",
    "hello",
    "héllo 你好 😀",
    b"\x00\xff" * 70,
    "é" * 70_000,
    "中" * 400_000,
    bytes(1_000_000),
    *[f"message {number} é" for number in range(200)],
]


@dataclass
class Server:
    """A server that runs, and what it has written to its outputs."""

    port: int
    lines: list[str]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def says_accelerated(self, host: str) -> bool:
        return any(re.search(rf"run: {re.escape(host)} \S+ is accelerated", line) for line in self.lines)


@contextmanager
def started(command: Sequence[str]) -> Iterator[Server]:
    """Run a Python program that tells its address on one of its outputs, for the time of a ``with`` block."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, *command],
        cwd=_PROGRAMS,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line)
                if found := re.search(r"(?:http://|TCP address )127\.0\.0\.1:(\d+)", line):
                    break
            else:
                raise AssertionError("".join(lines))
            # What nobody reads would block it in the end.
            reader = threading.Thread(target=lines.extend, args=(process.stdout,))
            reader.start()
            yield Server(int(found[1]), lines)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        reader.join()


def _environment() -> dict[str, str]:
    path = os.pathsep.join([_HOME, str(_PROGRAMS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def echoed(url: str, messages: Sequence[str | bytes] = MESSAGES, **options: Any) -> list[Any]:
    """What a server makes of these messages, one by one and at once, and how it closes."""
    with connect(url, max_size=None, **options) as client:
        answers: list[Any] = [client.subprotocol]
        for message in messages:
            client.send(message)
            answers.append(client.recv())
        for message in messages[-100:]:
            client.send(message)
        answers += [client.recv() for _ in range(100)]
        client.send("close")
        with pytest.raises(ConnectionClosed):
            client.recv()
        return [*answers, client.close_code, client.close_reason]


# command of a server → the host that carries it
SERVERS: dict[str, tuple[list[str], str]] = {
    "uvicorn": (["-m", "uvicorn", "fastapi_echo:app", "--port", "0"], "websockets"),
    "uvicorn-websockets": (["-m", "uvicorn", "fastapi_echo:app", "--port", "0", "--ws", "websockets"], "websockets"),
    "uvicorn-wsproto": (["-m", "uvicorn", "fastapi_echo:app", "--port", "0", "--ws", "wsproto"], "wsproto"),
    "hypercorn": (["-m", "hypercorn", "fastapi_echo:app", "--bind", "127.0.0.1:0"], "wsproto"),
    "flask-sock": (["-m", "flask", "--app", "flask_echo", "run", "--port", "0"], "wsproto"),
    "tornado": (["tornado_kernel.py"], "tornado"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_servers(name: str) -> None:
    """With compression and without; and besides, what such programs are written for."""
    command, host = SERVERS[name]
    runs = []
    for start in ([], _ACCELERATE):
        with started([*start, *command]) as server:
            runs.append([echoed(f"{server.url}/echo", compression=compression) for compression in ("deflate", None)])
            if "fastapi_echo:app" in command:
                _check_json(server.url)
            if name == "tornado":
                _check_kernel_messages(server.url)
        assert server.says_accelerated(host) == bool(start)
    plain, accelerated = runs
    for answers in plain:
        assert answers[1 : len(MESSAGES) + 1] == MESSAGES
        assert answers[-2:] == [4001, "asked to"]
    assert accelerated == plain


# The same for programs of which one run is enough.
OTHER_SERVERS: dict[str, tuple[list[str], str]] = {
    "channels": (["-m", "daphne", "-b", "127.0.0.1", "-p", "0", "channels_echo:application"], "autobahn"),
    "aiohttp": (["aiohttp_echo.py"], "aiohttp"),
    "trio-websocket": (["trio_echo.py"], "wsproto"),
}


@pytest.mark.parametrize("name", OTHER_SERVERS)
def test_other_echo_servers(name: str) -> None:
    command, host = OTHER_SERVERS[name]
    # daphne sends nothing that is empty, and takes no more than 1 MiB.
    messages = [message for message in MESSAGES if 0 < len(message) < 300_000 or name != "channels"]
    answers = []
    for start in ([], _ACCELERATE):
        with started([*start, *command]) as server:
            answers.append(echoed(f"{server.url}/echo", messages))
    assert answers[0][1 : len(messages) + 1] == messages
    assert answers[0][-2] == 4001
    assert answers[1] == answers[0]
    assert server.says_accelerated(host)


def _check_json(url: str) -> None:
    """As applications of FastAPI exchange it."""
    with connect(f"{url}/greet") as client:
        for person in ("Ada", "你好", "😀" * 10_000):
            client.send(json.dumps({"name": person}, ensure_ascii=False))
            assert json.loads(client.recv()) == {"hello": person, "length": len(person)}


def _check_kernel_messages(url: str) -> None:
    """As Jupyter exchanges them."""
    parts = [b"shell", json.dumps({"msg_type": "execute", "code": "é" * 3000}).encode(), b"{}", bytes(300_000)]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    message = struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)
    protocol: Any = "v1.kernel.websocket.jupyter.org"
    with connect(f"{url}/kernel", subprotocols=[protocol], max_size=None) as client:
        assert client.subprotocol == protocol
        for _ in range(20):
            client.send(message)
            assert json.loads(client.recv()) == [len(part) for part in parts]
            assert client.recv() == message


# Clients --------------------------------------------------------------------------------------------------------------


def ended(command: Sequence[str], environment: dict[str, str] | None = None) -> tuple[str, str]:
    """Run a Python program to its end: its output and its errors."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, *command],
        cwd=_PROGRAMS,
        env={**_environment(), **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@contextmanager
def pod() -> Iterator[str]:
    """A Kubernetes API with one pod, in which ``cat`` runs: channel 0 is its input, 1 and 2 are its outputs."""

    def run(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for received in connection:
                message = received.encode() if isinstance(received, str) else received
                if message == b"\x00exit\n":
                    break
                # Cut in the middle of characters, as pipes do.
                for start in range(1, len(message), 1021):
                    connection.send(b"\x01" + message[start : start + 1021])
            connection.send(b"\x02bye")
            connection.send(b"\x03" + json.dumps({"status": "Success"}).encode())

    protocols: Any = ["v4.channel.k8s.io"]
    with serve(run, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_exec_in_a_kubernetes_pod() -> None:
    with pod() as url:
        plain, _ = ended(["kubernetes_exec.py", url])
        accelerated, errors = ended([*_ACCELERATE, "kubernetes_exec.py", url])
    assert plain == accelerated
    assert plain.splitlines()[0] == "'hello'"
    assert plain.splitlines()[-1] == "'bye' 0"
    assert "websocket-client" in errors


def test_socketio() -> None:
    """Neither side accelerated, either, and both."""
    outputs = []
    for start in ([], _ACCELERATE):
        with started([*start, "-m", "uvicorn", "socketio_server:app", "--port", "0"]) as server:
            for head in ([], _ACCELERATE):
                output, errors = ended([*head, "socketio_client.py", f"http://127.0.0.1:{server.port}"])
                outputs.append(output)
                assert ("websocket-client" in errors) == bool(head)
        assert server.says_accelerated("websockets") == bool(start)
    assert outputs[0].startswith("websocket\n")
    assert outputs == outputs[:1] * 4


def test_socketio_on_gevent() -> None:
    told = []
    for start in ([], _ACCELERATE):
        with started([*start, "gevent_socketio.py"]) as server:
            told.append(ended(["socketio_client.py", f"http://127.0.0.1:{server.port}"])[0])
    assert told[0].startswith("websocket\n")
    assert told[1] == told[0]
    assert server.says_accelerated("gevent-websocket")
