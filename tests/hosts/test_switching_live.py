"""Threads that talk over sockets, while another accelerates and restores: nobody notices."""

from __future__ import annotations

import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import simple_websocket  # type: ignore[import-untyped]
import websocket
from websockets.sync.client import connect
from ws4py.client.threadedclient import WebSocketClient  # type: ignore[import-untyped]

import fastws.hosts
from live_server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES: list[str | bytes] = ["", "x", "héllo 中文 😀", "é" * 40_000, b"", bytes(range(256)), bytes(70_000)] * 2
_TIMEOUT = 60
_SWITCHES = 30


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


def websocket_client(url: str) -> list[Any]:
    connection = websocket.create_connection(url, timeout=_TIMEOUT)
    answers = []
    for message in MESSAGES:
        connection.send(message, websocket.ABNF.OPCODE_TEXT if isinstance(message, str) else 2)
        answers.append(connection.recv())
    connection.close()
    return answers


def websockets(url: str) -> list[Any]:
    with connect(url, max_size=None, open_timeout=_TIMEOUT, compression=None) as connection:
        answers = []
        for message in MESSAGES:
            connection.send(message)
            answers.append(connection.recv(_TIMEOUT))
        return answers


def wsproto(url: str) -> list[Any]:
    connection = simple_websocket.Client(url)
    answers = []
    for message in MESSAGES:
        connection.send(message)
        answers.append(connection.receive(_TIMEOUT))
    connection.close()
    return answers


def ws4py(url: str) -> list[Any]:
    arrived: queue.Queue[Any] = queue.Queue()

    class Client(WebSocketClient):  # type: ignore[misc]
        def received_message(self, message: Any) -> None:
            arrived.put(message.data if message.is_binary else str(message))

    connection = Client(url)
    connection.connect()
    answers = []
    for message in MESSAGES:
        connection.send(message, isinstance(message, bytes))
        answers.append(arrived.get(timeout=_TIMEOUT))
    connection.close()
    return answers


CLIENTS: list[Callable[[str], list[Any]]] = [websocket_client, websockets, wsproto, ws4py]


@pytest.mark.usefixtures("adapted")
def test_switching_while_threads_talk(url: str) -> None:
    stop = threading.Event()

    def talk(client: Callable[[str], list[Any]]) -> None:
        while not stop.is_set():
            assert client(url) == MESSAGES, client.__name__

    # The first time takes longest: adapters are imported, and shapes are checked.
    fastws.hosts.accelerate()
    fastws.hosts.restore()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(CLIENTS)) as pool:
            talks = [pool.submit(talk, client) for client in CLIENTS]
            try:
                for _ in range(_SWITCHES):
                    fastws.hosts.accelerate()
                    fastws.hosts.restore()
            finally:
                stop.set()
    finally:
        sys.setswitchinterval(before)
    for each in talks:
        each.result()
