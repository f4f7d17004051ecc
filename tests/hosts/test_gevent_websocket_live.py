"""A real gevent server, real clients, real sockets: the same answers, plain and accelerated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import websockets.sync.client

from oracles import frame
from scripted_servers import PAYLOADS, exchange, serving
from suites import BACKENDS
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a client sends; the server answers until something is wrong.
TRAFFIC: dict[str, list[bytes]] = {
    "messages": [frame(0x81, "é".encode(), KEY), frame(0x82, b"\xff" * 300, KEY), frame(0x81, b"", KEY)],
    "fragments": [frame(0x01, b"\xe4\xb8", KEY), frame(0x89, b"?", KEY), frame(0x80, b"\xad", KEY)],
    "fragments at code points": [frame(0x01, b"ab", KEY), frame(0x00, b"cd", KEY), frame(0x80, "é".encode(), KEY)],
    "unmasked": [frame(0x81, b"ab"), frame(0x82, b"cd")],
    "long": [frame(0x82, bytes(range(256)) * 300, KEY)],
    "close": [frame(0x81, b"ab", KEY), frame(0x88, b"\x03\xe8bye", KEY)],
    "close without code": [frame(0x88, b"", KEY)],
    "bad close code": [frame(0x88, b"\x03\xed", KEY)],
    "bad close reason": [frame(0x88, b"\x03\xe8\xff", KEY)],
    "invalid text": [frame(0x81, b"ab", KEY), frame(0x81, b"ab\xffcd", KEY)],
    "unfinished code point": [frame(0x81, b"ab\xe4\xb8", KEY)],
    "invalid fragments": [frame(0x01, b"\xe4", KEY), frame(0x80, b"x", KEY)],
    "nothing to continue": [frame(0x80, b"ab", KEY)],
    "reserved bit": [frame(0xC1, b"", KEY)],
    "reserved opcode": [frame(0x83, b"", KEY)],
    "half a header": [frame(0x81, b"ab", KEY), b"\x81"],
    "half a payload": [frame(0x81, b"abcdef", KEY)[:-3]],
}


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    with serving("gevent-websocket") as port:
        yield port


@pytest.fixture(scope="module", params=[*BACKENDS, "wsaccel offered"])
def accelerated(request: pytest.FixtureRequest) -> Iterator[int]:
    environment = {"FASTWS_NO_EXTENSIONS": "1" if request.param == "python" else ""}
    if request.param == "wsaccel offered":
        environment["FASTWS_TEST_WSACCEL"] = "1"
    with serving("gevent-websocket", "gevent-websocket", **environment) as port:
        yield port


@pytest.mark.parametrize("traffic", TRAFFIC.values(), ids=TRAFFIC)
def test_traffic(plain: int, accelerated: int, traffic: list[bytes]) -> None:
    stream = b"".join(traffic)
    pieces = [*[stream[i : i + 1] for i in range(40)], stream[40:]]
    expected = exchange(plain, [stream])
    assert exchange(accelerated, [stream]) == expected
    assert exchange(accelerated, pieces) == expected


def test_echo(accelerated: int) -> None:
    with websockets.sync.client.connect(f"ws://127.0.0.1:{accelerated}/", compression=None, max_size=None) as client:
        for payload in PAYLOADS:
            client.send(payload)
            assert client.recv(timeout=60) == payload
        for payload in PAYLOADS * 3:
            client.send(payload)
        assert [client.recv(timeout=60) for _ in PAYLOADS * 3] == PAYLOADS * 3
