"""A real websocket-client, a real server, real sockets: the same messages and errors, plain and accelerated."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
import websocket
from websocket import ABNF

import fastws.hosts
import scripted_websocket_client  # noqa: F401 - tells frames
from live_server import serving, trusting
from oracles import frame
from recording import called, same_on, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("adapted")

same = functools.partial(same_on, "websocket-client")

# Seconds, more than a loaded machine needs.
_PATIENCE = 60

_OPTIONS: dict[str, Any] = {"sslopt": {"context": trusting()}, "timeout": _PATIENCE}

PAYLOADS: list[str | bytes] = [
    "",
    b"",
    "héllo",
    b"\xff\x00",
    "x" * 125,
    "é" * 63,
    "中" * 1365,
    b"\x80" * 65_535,
    "😀" * 16_384,
    "a" * 1_048_576,
    bytes(range(256)) * 4096,
]

# What the server is told to send → what is wrong with it, if anything; the client then asks for an echo.
TRAFFIC: dict[str, str] = {
    "cut in a header": "!raw 81 05 68656c6c6f",
    "cut in a long header": "!raw 817e 00 7e" + " 78" * 2 + "78" * 124,
    "cut in a code point": "!raw 8106 e4b8ade6 9687",
    "cut in a key": "!raw 8181 0102 0304 79",
    "two frames in one piece": "!raw 8101788201ff",
    "fragments": "!fragments one two three é",
    "ping between fragments": "!raw 010161 890170 800162",
    "invalid text": "!raw 8102ff41",
    "text that ends in a code point": "!raw 8102e4b8",
    "invalid fragments": "!raw 0101e4 800141",
    "masked": "!raw 818400000000" + b"text".hex(),
    "reserved bit": "!raw c10178",
    "reserved opcode": "!raw 830178",
    "continuation of nothing": "!raw 800178",
    "message within a message": "!raw 010178 810179 80017a",
    "long ping": "!raw " + frame(0x89, bytes(126)).hex(),
    "pong": "!raw 8a0178",
}

ENDINGS = [
    "!close 1000 bye",
    "!close 1001",
    "!close 4999 é",
    "!drop",
    "!raw 880103",
    "!raw 880203ed",
    "!raw 880403e8ff41",
]


@pytest.fixture(params=[False, True], ids=["ws", "wss"], scope="module")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with serving(secure=request.param) as served:
        yield served


@pytest.fixture(scope="module")
def plain_url() -> Iterator[str]:
    with serving() as served:
        yield served


# create_connection ----------------------------------------------------------------------------------------------------


def test_echo_of_every_size(url: str) -> None:
    def run() -> list[Any]:
        connection = websocket.create_connection(url, **_OPTIONS)
        try:
            answers = []
            for payload in PAYLOADS:
                connection.send(payload, ABNF.OPCODE_TEXT if isinstance(payload, str) else ABNF.OPCODE_BINARY)
                answers.append(connection.recv())
            return answers
        finally:
            connection.close()

    assert same(run) == PAYLOADS


def test_a_burst(url: str) -> None:
    def run() -> list[Any]:
        connection = websocket.create_connection(url, **_OPTIONS)
        try:
            connection.send("!burst 300")
            return [connection.recv() for _ in range(300)]
        finally:
            connection.close()

    assert len(same(run)) == 300


@pytest.mark.parametrize("options", [{}, {"skip_utf8_validation": True}, {"fire_cont_frame": True}], ids=str)
@pytest.mark.parametrize("method", ["recv", "recv_data_frame"])
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_good_and_bad_traffic(plain_url: str, traffic: str, method: str, options: dict[str, Any]) -> None:
    def run() -> list[Any]:
        connection = websocket.create_connection(plain_url, timeout=_PATIENCE, **options)
        try:
            connection.send(TRAFFIC[traffic])
            connection.send("done")
            answers = []
            while (answer := called(getattr(connection, method))) not in (DONE, DONE_DATA):
                answers.append(answer)
            return answers
        finally:
            connection.close()

    same(run)


DONE = ("returned", told("done"))
DONE_DATA = ("returned", told((1, ABNF(1, 0, 0, 0, 1, 0, b"done"))))


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings(plain_url: str, ending: str) -> None:
    def run() -> list[Any]:
        connection = websocket.create_connection(plain_url, timeout=_PATIENCE)
        try:
            connection.send(ending)
            answers = [called(connection.recv_data, True), connection.connected]
            if ending == "!drop":
                answers.append(called(connection.recv))
            return answers
        finally:
            connection.shutdown()  # type: ignore[no-untyped-call]

    same(run)


def test_timeouts_and_the_rest_later(url: str) -> None:
    def run() -> list[Any]:
        connection = websocket.create_connection(url, **_OPTIONS)
        try:
            answers = []
            # The server sends the rest when it is asked to, and that is after a timeout.
            for piece in ("81", "0c", "68656c", "6c6f2c20776f726c"):
                connection.settimeout(_PATIENCE)
                connection.send("!raw " + piece)
                connection.settimeout(0.005)
                answers.append(called(connection.recv))
            connection.settimeout(_PATIENCE)
            connection.send("!raw 64")
            return [*answers, called(connection.recv)]
        finally:
            connection.settimeout(_PATIENCE)
            connection.close()

    *timeouts, message = same(run)
    assert {timeout[1][0] for timeout in timeouts} == {websocket.WebSocketTimeoutException}
    assert message == ("returned", told("hello, world"))


def test_non_blocking(plain_url: str) -> None:
    def run() -> list[Any]:
        connection = websocket.create_connection(plain_url, timeout=_PATIENCE)
        try:
            connection.settimeout(0)
            answers = [called(connection.recv)]
            connection.settimeout(_PATIENCE)
            connection.send("x")
            return [*answers, called(connection.recv)]
        finally:
            connection.close()

    same(run)


def test_two_threads_on_one_connection(plain_url: str) -> None:
    """One sends, one receives, as ``enable_multithread`` promises; large messages fill the socket's buffers."""

    def run() -> list[Any]:
        connection = websocket.create_connection(plain_url, timeout=_PATIENCE)
        messages = ["é" * (size * 40) for size in range(200)]
        sender = threading.Thread(target=lambda: [connection.send(message) for message in messages])
        sender.start()
        try:
            return [connection.recv() for _ in messages] == messages  # type: ignore[return-value]
        finally:
            sender.join()
            connection.close()

    assert same(run) is True


# WebSocketApp ---------------------------------------------------------------------------------------------------------


class Log:
    """A ``WebSocketApp`` with every callback written down; the server's commands are sent once it is open."""

    def __init__(self, url: str, commands: list[str], *, fragments: bool) -> None:
        self.entries: list[Any] = []
        self._commands = commands
        self.app = websocket.WebSocketApp(
            url,
            on_open=self._on_open,
            on_message=self._writer("message"),
            on_data=self._writer("data"),
            on_cont_message=self._writer("fragment") if fragments else None,
            on_error=self._writer("error"),
            on_close=self._writer("close"),
            on_ping=self._writer("ping"),
            on_pong=self._writer("pong"),
        )

    def run(self, **options: Any) -> Any:
        result = self.app.run_forever(**options)
        # The host leaves the socket open where the server has closed first.
        self._connection.shutdown()  # type: ignore[no-untyped-call]
        return result, self.entries

    def _on_open(self, app: websocket.WebSocketApp) -> None:
        assert app.sock is not None
        self._connection = app.sock
        for command in self._commands:
            app.send(command)

    def _writer(self, name: str) -> Callable[..., None]:
        def write(_: websocket.WebSocketApp, *arguments: Any) -> None:
            shown = [(type(item), str(item)) if isinstance(item, Exception) else told(item) for item in arguments]
            self.entries.append((name, shown))

        return write


@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "fragments"])
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_app(plain_url: str, traffic: str, fragments: bool) -> None:
    def run() -> Any:
        log = Log(plain_url, [TRAFFIC[traffic], "done", "!close 1000 bye"], fragments=fragments)
        return log.run()

    _, entries = same(run)
    assert entries[-1][0] == "close"


def test_app_over_tls_with_pings(url: str) -> None:
    def run() -> Any:
        log = Log(url, ["!burst 100", "!fragments a b", "!close 1000 bye"], fragments=False)
        return log.run(sslopt=_OPTIONS["sslopt"], ping_interval=2 * _PATIENCE, ping_timeout=_PATIENCE)

    _, entries = same(run)
    assert len([name for name, _ in entries if name == "message"]) == 101


def test_sending_is_understood_with_the_systems_keys(plain_url: str) -> None:
    """No key is set: what fastws draws is what the server unmasks with."""
    fastws.hosts.accelerate("websocket-client")
    connection = websocket.create_connection(plain_url, timeout=_PATIENCE)
    try:
        for size in (0, 1, 125, 126, 65_536):
            payload = os.urandom(size)
            connection.send_binary(payload)
            assert connection.recv() == payload
    finally:
        connection.close()
