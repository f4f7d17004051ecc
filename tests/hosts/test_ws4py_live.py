"""ws4py's own client and servers over real sockets: the same messages and endings, plain and accelerated."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest
import websockets.sync.client
from ws4py.client.threadedclient import WebSocketClient  # type: ignore[import-untyped]

import live_server
import scripted_ws4py  # noqa: F401 - tells messages
from oracles import frame
from recording import called, same_on, told
from scripted_servers import PAYLOADS, exchange, serving
from suites import BACKENDS
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator


# The client -----------------------------------------------------------------------------------------------------------

# What the server is told to send; where that is no ending, the client then asks it to close.
COMMANDS: dict[str, list[str]] = {
    "cut in a header": ["!raw 81 05 68656c6c6f"],
    "cut in a long header": ["!raw 817e 00 7e" + " 78" * 2 + "78" * 124],
    "cut in a code point": ["!raw 8106 e4b8ade6 9687"],
    "two frames in one piece": ["!raw 8101788201ff"],
    "a frame and a half": ["!raw 810178820261 62"],
    "fragments": ["!fragments one two three é"],
    "burst": ["!burst 300", "!burst 300"],
    "ping between fragments": ["!raw 010161 890170 800162"],
    "invalid text": ["!raw 8102ff41"],
    "text that ends in a code point": ["!raw 8102e4b8"],
    "masked": ["!raw 818400000000" + b"text".hex()],
    "reserved bit": ["!raw c100"],
    "continuation of nothing": ["!raw 800178"],
    "pong": ["!raw 8a0178"],
}

ENDINGS: dict[str, list[str]] = {
    "closed": ["!close 1000"],
    "closed with a reason": ["!close 1001 é"],
    "closed without a code": ["!raw 8800"],
    "closed with a bad code": ["!raw 880203ed"],
    "dropped": ["!drop"],
}


class Client(WebSocketClient):  # type: ignore[misc]
    """Writes down what is called, and sends commands when it is connected."""

    def __init__(self, url: str, commands: list[str]) -> None:
        super().__init__(url)
        self.log: list[Any] = []
        self.expected = len(PAYLOADS)
        self.complete = threading.Event()
        self._commands = commands

    def opened(self) -> None:
        for command in self._commands:
            self.send(command)

    def received_message(self, message: Any) -> None:
        self.log.append((told(message), called(str, message)))
        if len(self.log) == self.expected:
            self.complete.set()

    def ponged(self, pong: Any) -> None:
        self.log.append(told(pong))

    def closed(self, code: int, reason: Any = None) -> None:
        self.log.append(("closed", code, reason))
        self._last = self.sock

    def run_forever(self) -> None:
        super().run_forever()
        # The host leaves a socket open that the server has closed first.
        self._last.close()


@pytest.fixture(params=[False, True], ids=["ws", "wss"], scope="module")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with live_server.serving(secure=request.param) as served:
        yield served


same = functools.partial(same_on, "ws4py")


@pytest.mark.usefixtures("adapted")
@pytest.mark.parametrize(
    "commands",
    [*[[*commands, "done", "!close 1000 bye"] for commands in COMMANDS.values()], *ENDINGS.values()],
    ids=[*COMMANDS, *ENDINGS],
)
def test_client(url: str, commands: list[str]) -> None:
    def run() -> list[Any]:
        client = Client(url, commands)
        client.connect()
        client.run_forever()
        return client.log

    entries = same(run)
    assert entries[-1][0] == "closed"


@pytest.mark.usefixtures("adapted")
def test_echo_of_every_size(url: str) -> None:
    def run() -> list[Any]:
        client = Client(url, [])
        client.connect()
        for payload in PAYLOADS:
            client.send(payload, isinstance(payload, bytes))
        assert client.complete.wait(60)
        client.close(1000, "enough")
        client.run_forever()
        return client.log

    entries = same(run)
    assert len(entries) == len(PAYLOADS) + 1


# The servers ----------------------------------------------------------------------------------------------------------

# What a client sends. Nothing follows what is wrong: the host closes without reading it, and so resets the connection.
TRAFFIC: dict[str, list[bytes]] = {
    "messages": [frame(0x81, "é".encode(), KEY), frame(0x82, b"\xff" * 300, KEY), frame(0x81, b"", KEY)],
    "fragments": [frame(0x01, b"\xe4\xb8", KEY), frame(0x89, b"?", KEY), frame(0x80, b"\xad", KEY)],
    "long": [frame(0x82, bytes(range(256)) * 300, KEY), frame(0x81, b"after", KEY)],
    "pings": [frame(0x89, b"?", KEY), frame(0x8A, b"!", KEY), frame(0x89, b"", KEY)],
    "close": [frame(0x81, b"ab", KEY), frame(0x88, b"\x03\xe8bye", KEY)],
    "close without code": [frame(0x88, b"", KEY)],
    "bad close code": [frame(0x88, b"\x03\xed", KEY)],
    "bad close reason": [frame(0x88, b"\x03\xe8\xff", KEY)],
    "invalid text": [frame(0x81, b"ab", KEY), frame(0x81, b"ab\xffcd", KEY)],
    "unfinished code point": [frame(0x81, b"ab\xe4\xb8", KEY)],
    "invalid fragments": [frame(0x01, b"\xe4", KEY), frame(0x80, b"x", KEY)],
    "nothing to continue": [frame(0x80, b"ab", KEY)],
    "text after unfinished": [frame(0x01, b"ab", KEY), frame(0x81, b"cd", KEY)],
    "unmasked": [frame(0x81, b"ab", KEY), frame(0x81, b"cd")],
    "half a header": [frame(0x81, b"ab", KEY), b"\x81"],
    "half a payload": [frame(0x81, b"abcdef", KEY)[:-3]],
}


@pytest.fixture(scope="module", params=["ws4py gevent", "ws4py wsgiref"])
def servers(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """A plain one, and one with each twin. Under gevent ``run`` reads, under wsgiref a manager calls ``once``."""
    with serving(request.param) as plain, serving(request.param, "ws4py", FASTWS_NO_EXTENSIONS="1") as pure:
        if BACKENDS == ["python"]:
            yield [plain, pure]
            return
        with serving(request.param, "ws4py", FASTWS_NO_EXTENSIONS="") as native:
            yield [plain, pure, native]


def pieces(stream: bytes) -> list[bytes]:
    """The first bytes one by one."""
    return [*[stream[i : i + 1] for i in range(40)], stream[40:]]


@pytest.mark.parametrize("traffic", TRAFFIC.values(), ids=TRAFFIC)
def test_server(servers: list[int], traffic: list[bytes]) -> None:
    plain, *accelerated = servers
    stream = b"".join(traffic)
    expected = exchange(plain, [stream])
    for port in accelerated:
        assert exchange(port, [stream]) == expected
        assert exchange(port, pieces(stream)) == expected


def test_echo(servers: list[int]) -> None:
    for port in servers[1:]:
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/", compression=None, max_size=None) as client:
            for payload in PAYLOADS:
                client.send(payload)
                assert client.recv(timeout=60) == payload
            for payload in PAYLOADS:
                client.send(payload)
            assert [client.recv(timeout=60) for _ in PAYLOADS] == PAYLOADS
