"""eventlet's websocket module, plain against accelerated: the same input gives the same values, errors and bytes."""

# ruff: noqa: SLF001 -- what is replaced is private

from __future__ import annotations

import functools
import importlib
import inspect
import random
import sys
import warnings
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastws.hosts
from cases import each_case
from fresh import run_python
from oracles import frame
from recording import all_same_on, called, failure, told
from scripted import ScriptedSocket, in_pieces
from traffic import BINARY, TEXT, streams
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scripted import Event

pytestmark = pytest.mark.usefixtures("adapted")

with pytest.MonkeyPatch.context() as _patch:
    # The host takes wsaccel where it finds it. What resolves names for it does not bear every other package.
    for _name in ("wsaccel", "wsaccel.utf8validator"):
        _patch.setitem(sys.modules, _name, None)
    _patch.setenv("EVENTLET_NO_GREENDNS", "yes")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\\s*Eventlet is deprecated")
        host: Any = importlib.import_module("eventlet.websocket")

WebSocket = host.RFC6455WebSocket


def _masked(first: int, payload: bytes = b"") -> bytes:
    return frame(first, payload, KEY)


STREAMS = streams(KEY) | {"high bytes": _masked(BINARY, bytes(range(200, 256))) + _masked(BINARY, b"\xff" * 130)}


class _Socket(ScriptedSocket):
    """Keeps what is sent, and how it is closed."""

    def __init__(self, script: Sequence[Event]) -> None:
        super().__init__(script)
        self.sent: list[bytes] = []
        self.closed: list[Any] = []

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)

    def shutdown(self, how: Any) -> None:
        self.closed.append(how)

    def close(self) -> None:
        self.closed.append("closed")


class _Random:
    """Draws the same key for ever."""

    def __init__(self, _: float) -> None:
        self.key = iter(KEY)

    def getrandbits(self, _: int) -> int:
        return next(self.key)


def play(script: Sequence[Event], client: bool = False) -> Any:
    """What a program gets until the end, and what it sends."""
    sock = _Socket(script)
    websocket = WebSocket(sock, {}, client=client)
    results: list[Any] = []
    for _ in range(10):
        try:
            message = websocket.wait()
        except Exception as error:
            results.append(failure(error))
            break
        results.append(told(message))
        if message is None:
            break
        websocket.send(message)
    return results, sock.sent, sock.closed, websocket.websocket_closed


compare = functools.partial(all_same_on, "eventlet")


@pytest.mark.parametrize("client", [False, True])
@each_case("stream", STREAMS.values(), ids=STREAMS)
def test_streams(stream: bytes, client: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "Random", _Random)
    compare(lambda: play([stream], client), lambda: play(in_pieces(stream, range(1, len(stream))), client))
    compare(*[lambda cut=cut: play(in_pieces(stream, [cut]), client) for cut in range(1, min(len(stream), 40))])


@pytest.mark.parametrize("size", [125, 126, 4096, 65_535, 65_536, 100_001])
def test_long_messages(size: int) -> None:
    text = ("é" * size).encode()[: size - 1] + b"."
    stream = _masked(TEXT, b"x" * size) + _masked(BINARY, bytes(size)) + _masked(TEXT, text)
    compare(lambda: play([stream]), lambda: play(in_pieces(stream, range(5001, len(stream), 5001))))


def test_keys_are_the_hosts() -> None:
    """They come from a generator of its own, which a program can know the seed of."""

    def run() -> Any:
        websocket = WebSocket(_Socket([]), {}, client=True)
        websocket.send("abc")
        websocket.send(bytes(500))
        return websocket.socket.sent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "Random", lambda _: random.Random(1))  # noqa: S311
        compare(run)


@pytest.mark.parametrize(
    "message",
    ["", "abc", "é" * 70, "中" * 30_000, "\ud800", b"", b"\xff", bytes(126), bytes(70_000), bytearray(b"abc"), 5, None],
    ids=lambda message: repr(message)[:12],
)
@pytest.mark.parametrize("extensions", [None, {"permessage-deflate": {}}], ids=["plain", "deflate"])
def test_frames_packed(message: Any, extensions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every option, twice: a compressor remembers."""
    monkeypatch.setattr(host, "Random", _Random)
    options = product((False, True, 1), (False, True), (True, False), (None, 0, 8, 9, 3))

    def run(*given: Any) -> Any:
        websocket = WebSocket(_Socket([]), {}, extensions=extensions)
        return [called(websocket._pack_message, message, *given) for _ in range(2)]

    compare(*[functools.partial(run, *each) for each in options])


def test_keys_of_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "Random", lambda _: SimpleNamespace(getrandbits=lambda _: 256))
    websocket = WebSocket(_Socket([]), {})
    compare(lambda: called(websocket._pack_message, "abc", True), lambda: called(websocket._pack_message, "", True))


DATA: list[Any] = [
    b"",
    b"abc",
    bytes(range(256)) * 20,
    bytearray(b"abcde"),
    memoryview(b"abcdef"),
    [1, 2, 3],
    "abc",
    None,
]


@each_case("data", DATA, ids=lambda data: repr(data)[:12])
@pytest.mark.parametrize(
    "mask",
    [tuple(KEY), list(KEY), KEY, (1, 2, 3), (1, 2, 3, 4, 5), (1, 2, 300, 4), (1, 2, -3, 4), ("a", 1, 2, 3), None],
)
def test_apply_mask(data: Any, mask: Any) -> None:
    lengths, offsets = (None, 3, 0, -1, 99), (0, 1, 7, -3, 10**30, 1.0, None)
    options: list[tuple[Any, Any]] = [(length, offset) for length in lengths for offset in offsets]
    compare(*[lambda each=each: called(WebSocket._apply_mask, data, mask, *each) for each in options])


def decode(pieces: list[tuple[Any, Any]]) -> Any:
    decoder = WebSocket.UTF8Decoder()
    results = [(called(decoder.decode, *piece), decoder.decoder.getstate()) for piece in pieces]
    decoder.reset()
    return results, called(decoder.decode, b"abc", True)


_pieces = [
    b"",
    b"abc",
    "é中𝄞".encode(),
    b"\xe4",
    b"\xb8\xad",
    b"\xff",
    b"\xed\xa0",
    bytearray(b"\xc3\xa9"),
    "text",
    None,
]


@pytest.mark.parametrize("first", _pieces, ids=repr)
@pytest.mark.parametrize("final", [True, False, 1, 0, None])
def test_decoder(first: Any, final: Any) -> None:
    compare(
        *[lambda rest=rest: decode([(first, final), (rest, True), (rest, False), (b"x", True)]) for rest in _pieces]
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.one_of(st.binary(max_size=9), st.text(max_size=6).map(str.encode)), st.booleans())))
def test_decoder_of_anything(pieces: list[tuple[bytes, bool]]) -> None:
    compare(lambda: decode(pieces))


# The adapter ----------------------------------------------------------------------------------------------------------


def test_the_place_of_the_plain_functions() -> None:
    plain: Any = vars(WebSocket)["_apply_mask"]
    plain_decode = WebSocket.UTF8Decoder.decode
    with fastws.hosts.accelerated("eventlet"):
        replacement: Any = vars(WebSocket)["_apply_mask"]
        assert isinstance(replacement, staticmethod)
        assert inspect.unwrap(replacement.__func__) is plain.__func__ is not replacement.__func__
        assert inspect.signature(replacement.__func__) == inspect.signature(plain.__func__)
        assert inspect.unwrap(WebSocket.UTF8Decoder.decode) is plain_decode is not WebSocket.UTF8Decoder.decode
    assert vars(WebSocket)["_apply_mask"] is plain
    assert WebSocket.UTF8Decoder.decode is plain_decode


@pytest.mark.parametrize(
    ("owner", "name"),
    [(WebSocket, "_apply_mask"), (WebSocket, "_pack_message"), (WebSocket.UTF8Decoder, "decode")],
)
def test_a_moved_host_is_left_alone(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, lambda *_: None)
    before = vars(WebSocket).copy()
    with pytest.raises(fastws.hosts.HostError, match=name):
        fastws.hosts.accelerate("eventlet")
    assert vars(WebSocket) == before


@pytest.mark.parametrize("origin", ["installed", "offered"])
def test_where_the_host_found_wsaccel(origin: str) -> None:
    """That validator is left as if it had seen every byte."""
    code = r"""
        import os, warnings
        from fastws.hosts import accelerated, wsaccel
        os.environ["EVENTLET_NO_GREENDNS"] = "yes"
        warnings.filterwarnings("ignore", "\\s*Eventlet is deprecated")
        if ORIGIN == "offered":
            wsaccel.install()
        from eventlet.websocket import RFC6455WebSocket, utf8validator

        def decode(pieces):
            decoder = RFC6455WebSocket.UTF8Decoder()
            told = []
            for piece in pieces:
                try:
                    told.append(decoder.decode(*piece))
                except ValueError as error:
                    told += [type(error), str(error), type(error.__context__)]
                validator = decoder.validator
                told.append((validator.i, validator.state, validator.codepoint, decoder.decoder.getstate()))
            return told

        pieces = [b"", b"abc", "h\u00e9\u4e2d".encode(), b"\xff", b"\xe4", b"\xb8\xad", b"\xed\xa0\x80"]
        scripts = [[(a, final), (b, True), (a, True)] for a in pieces for b in pieces for final in (True, False)]
        plain = [decode(script) for script in scripts]
        with accelerated("eventlet"):
            assert [decode(script) for script in scripts] == plain
        print(utf8validator.Utf8Validator.__module__)
    """
    found = {"installed": "wsaccel.utf8validator", "offered": "fastws.hosts.wsaccel"}
    assert run_python(code.replace("ORIGIN", repr(origin))) == found[origin]


def test_a_program_of_green_threads() -> None:
    """Server and client in one patched interpreter, with the validator of wsaccel where the host finds it."""
    code = """
        import os, warnings
        warnings.filterwarnings("ignore", "\\\\s*Eventlet is deprecated")
        os.environ["EVENTLET_NO_GREENDNS"] = "yes"
        os.environ["FASTWS_COUNT_SEAMS"] = "1"
        import eventlet
        eventlet.monkey_patch()
        import fastws.hosts
        from eventlet import websocket, wsgi
        fastws.hosts.accelerate("eventlet")

        @websocket.WebSocketWSGI
        def echo(peer):
            while (message := peer.wait()) is not None:
                peer.send(message)

        listener = eventlet.listen(("127.0.0.1", 0))
        eventlet.spawn(wsgi.server, listener, echo, log=open(os.devnull, "w"))
        sock = eventlet.connect(listener.getsockname())
        lines = ["GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        sock.sendall("\\r\\n".join([*lines, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""]).encode())
        answer = b""
        while not answer.endswith(b"\\r\\n\\r\\n"):
            answer += sock.recv(1)
        client = websocket.RFC6455WebSocket(sock, {}, client=True)
        messages = ["a", "h\\u00e9llo", b"\\xff" * 200, "\\u4e2d" * 100_000]
        for message in messages:
            client.send(message)
            assert client.wait() == message
        hits = fastws.hosts.seam_hits()
        native = {"_pack_message"} if fastws.hosts.registry.backend.kernel_name() != "none" else set()
        assert {path.rpartition(".")[2] for path in hits} == {"_apply_mask", "decode", *native}, hits
        print("done", flush=True)
        os._exit(0)
    """
    assert run_python(code) == "done"
