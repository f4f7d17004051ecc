"""gevent-websocket, plain against accelerated: the same script gives the same reads, values, errors and state."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastws.hosts
from cases import each_case
from fresh import run_python
from oracles import frame
from recording import called, same_on
from scripted_gevent_websocket import ScriptedStream, connect, imported, play, shown, state
from traffic import BINARY, TEXT, frames, streams
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripted import Event

pytestmark = pytest.mark.usefixtures("adapted")

_hypothesis = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

_FOUND = (
    ["blocked", "offered"] if importlib.util.find_spec("wsaccel") is None else ["blocked", "offered", "as installed"]
)


@pytest.fixture(scope="module", params=_FOUND)
def host(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The host, with its own validator, with that of fastws, and with that of wsaccel."""
    with imported(request.param) as package:
        yield package


def sent(first: int, payload: bytes = b"", form: int | None = None) -> bytes:
    return frame(first, payload, KEY, form)


STREAMS = streams(KEY) | {"65536 bytes": sent(TEXT, b"x" * 65_536) + sent(BINARY, b"y" * 65_535)}

_streams = each_case("stream", STREAMS.values(), ids=STREAMS)


same = functools.partial(same_on, "gevent-websocket")


@pytest.mark.parametrize("method", ["receive", "read_message", "read_frame"])
@_streams
def test_traffic(host: Any, stream: bytes, method: str) -> None:
    same(lambda: play(host, [stream], method))


@_streams
def test_the_end_at_every_byte(host: Any, stream: bytes) -> None:
    same(lambda: [play(host, [stream[:end]]) for end in range(min(len(stream), 30))])


@pytest.mark.parametrize(
    "error",
    [OSError("gone"), ConnectionResetError(104, "reset"), TimeoutError("late"), ValueError("odd"), SystemExit(3)],
)
def test_errors_of_the_socket(host: Any, error: BaseException) -> None:
    stream = sent(TEXT, b"abc") + sent(TEXT, b"x" * 200)

    def run() -> Any:
        scripts: list[list[Event]] = [[stream[:cut], error, stream[cut:]] for cut in range(20)]
        return [outcome(script, method) for script in scripts for method in ("receive", "read_frame")]

    def outcome(script: list[Event], method: str) -> Any:
        try:
            return play(host, script, method)
        except SystemExit as left:
            return left.code

    same(run)


@_hypothesis
@given(frames=st.lists(frames, max_size=6), missing=st.integers(0, 9))
def test_random_traffic(host: Any, frames: list[bytes], missing: int) -> None:
    stream = b"".join(frames)
    same(lambda: play(host, [stream[: len(stream) - missing]]))


# The functions one by one ---------------------------------------------------------------------------------------------

_DATA: tuple[Any, ...] = (b"", b"x", b"12345", bytes(range(256)), bytearray(b"abcdef"), "text", "é", None, 7, [1, 2])
_MASKS: tuple[Any, ...] = (b"abcd", bytearray(b"abcd"), b"abcdefgh", b"abc", b"", "", "abcd", None, [1, 2, 3, 4])


def test_mask_of_anything(host: Any) -> None:
    def run() -> Any:
        told = []
        for mask in _MASKS:
            for data in _DATA:
                for length in (0, 1, 5, 6, 256, None):
                    header = host.websocket.Header(length=length)
                    header.mask = mask
                    told.append((called(header.mask_payload, data), called(header.unmask_payload, data)))
        return told

    same(run)


_ODD_READS: list[list[Any]] = [
    [b"\x81"],
    [b""],
    [None],
    ["ab"],
    [bytearray(b"\x81\x02"), b"ab"],
    [bytearray(b"\x81\xfe"), bytearray(b"\x00\x01"), bytearray(b"abcd"), bytearray(b"x")],
    [b"\x81\xfe", b"\x00\x01", bytearray(b"abcd"), bytearray(b"x")],
    [b"\x81\xfe", bytearray(b"\x00\x03"), b"abcd", bytearray(b"xyz")],
    [b"\x81\x02", "ab"],
    [b"\x81\x82", "abcd", b"ab"],
    [b"\x81\x82", b"abcd", memoryview(b"ab")],
    [b"\x82\x82", b"abcd", memoryview(b"ab")],
    [b"\x82\x02", bytearray(b"ab")],
    [b"\x81\x7e", b"\x00"],
    [b"\x81\x7f", b"\x00" * 7],
    [b"\x81\x7e", None],
    [b"\x81\x81", b"abc"],
    [b"\x89\x7e", b"\x00\x01"],
    [b"\x09\x01", b"a"],
]


@pytest.mark.parametrize("method", ["receive", "read_message", "read_frame"])
def test_odd_reads(host: Any, method: str) -> None:
    """A file whose reads are not the ``bytes`` that were asked for."""

    class Odd(ScriptedStream):
        def read(self, size: int) -> Any:
            self.reads.append(size)
            return self.answers.pop(0) if self.answers else b""

        def __init__(self, answers: list[Any]) -> None:
            super().__init__([])
            self.answers = list(answers)

    def run() -> Any:
        told = []
        for answers in _ODD_READS:
            endpoint = connect(host, [])
            stream = Odd(answers)
            endpoint.connection.stream, endpoint.connection.raw_read = stream, stream.read
            told += [shown(called(getattr(endpoint.connection, method))), stream.reads, state(endpoint.connection)]
        return told

    same(run)


def test_headers_of_derived_classes(host: Any) -> None:
    class Mine(host.websocket.Header):  # type: ignore[misc]
        LENGTH_MASK = 0x0F

    def run() -> Any:
        return [
            [(name, getattr(header, name)) for name in ("fin", "mask", "opcode", "flags", "length")]
            for header in (
                Mine.decode_header(ScriptedStream([stream])) for stream in (sent(TEXT, b"x" * 17), b"\x88\x11")
            )
        ]

    same(run)


def test_sending(host: Any) -> None:
    messages: tuple[Any, ...] = (
        "", "héllo", "中" * 30_000, b"", b"ab\xff", bytearray(b"ab"), bytes(70_000), "\ud800", None, 7,
        memoryview(b"ab"),
    )  # fmt: skip
    failures = (None, OSError("gone"), ConnectionResetError(104, "reset"), ValueError("odd"))

    def run() -> Any:
        told: list[Any] = []
        for message in messages:
            for failure in failures:
                for call in ("send", "send_frame"):
                    for argument in (1, 2, 8, 9, 10, 0, 3, True, None):
                        endpoint = connect(host, [])
                        endpoint.stream.failure = failure
                        if call == "send" and argument not in (1, 0, None):
                            continue
                        told += [called(getattr(endpoint.connection, call), message, argument), endpoint.stream.written]
                        endpoint.stream.failure = None
                        endpoint.connection.close()
                        told += [called(getattr(endpoint.connection, call), message, argument), endpoint.told]
        return told

    same(run)


def test_text_to_bytes_and_back(host: Any) -> None:
    values: tuple[Any, ...] = (
        *_DATA,
        "中" * 5000,
        "\ud800",
        b"\xff",
        b"\xe4\xb8",
        bytearray(b"\xff"),
        bytearray("é".encode()),
    )

    def run() -> Any:
        told: list[Any] = []
        for value in values:
            for name in ("_encode_bytes", "_decode_bytes"):
                endpoint = connect(host, [])
                told += [called(getattr(endpoint.connection, name), value), endpoint.told, endpoint.stream.written]
        return told

    same(run)


@_hypothesis
@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=90), st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
    ),
    cut=st.integers(0, 4),
)
def test_validator(host: Any, pieces: list[bytes], cut: int) -> None:
    def run() -> Any:
        validator = host.utf8validator.Utf8Validator()
        told: list[Any] = []
        for piece in pieces:
            parts: tuple[bytes | bytearray, ...] = (piece[:cut], bytearray(piece[cut:]))
            for part in parts:
                told += [called(validator.validate, part), validator.i, validator.state, validator.codepoint]
        return told

    same(run)


# What people override and patch ---------------------------------------------------------------------------------------


def test_overridden_methods_are_called(host: Any) -> None:
    calls: list[Any] = []

    class Mine(host.websocket.WebSocket):  # type: ignore[misc]
        def read_frame(self) -> Any:
            header, payload = super().read_frame()
            calls.append(("read_frame", shown(header), payload))
            return header, payload

        def validate_utf8(self, payload: Any) -> None:
            calls.append(("validate_utf8", bytes(payload)))
            super().validate_utf8(payload)

        def _decode_bytes(self, bytestring: Any) -> Any:
            calls.append(("_decode_bytes", bytes(bytestring)))
            return super()._decode_bytes(bytestring)

        def _encode_bytes(self, text: Any) -> Any:
            calls.append(("_encode_bytes", text))
            return super()._encode_bytes(text)

        def __del__(self) -> None:
            """The host's would close it, whenever that is."""

        def handle_ping(self, header: Any, payload: Any) -> None:
            calls.append(("handle_ping", payload))
            super().handle_ping(header, payload)

    def run() -> Any:
        calls.clear()
        return [play(host, [stream], kind=Mine) for stream in STREAMS.values()], list(calls)

    same(run)


def test_patched_names_are_used(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Header(host.websocket.Header):  # type: ignore[misc]
        def unmask_payload(self, payload: Any) -> Any:
            return super().unmask_payload(payload)[::-1]

    def run() -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(host.websocket, "Header", Header)
            return play(host, [STREAMS["fragments at code points"]], "read_frame")

    same(run)


def test_a_connection_across_the_switch(host: Any) -> None:
    stream = b"".join(
        [STREAMS[name] for name in ("three messages", "fragments at code points", "pings", "wrong masking")]
    )

    def run(switch: Callable[[int], object]) -> Any:
        endpoint = connect(host, [stream])
        told = []
        for call in range(9):
            switch(call)
            told += [shown(called(endpoint.connection.receive)), state(endpoint.connection)]
        return told, endpoint.stream.written

    plain = run(lambda _: None)
    switches = (fastws.hosts.restore, lambda: fastws.hosts.accelerate("gevent-websocket"))
    for offset in (0, 1):
        assert run(lambda call, offset=offset: switches[(call + offset) % 2]()) == plain  # type: ignore[misc]


def test_a_moved_host_is_refused(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.websocket.WebSocket, "read_message", lambda _: None)
    with pytest.raises(fastws.HostError, match="read_message has been replaced"):
        fastws.hosts.accelerate("gevent-websocket")


def test_replacements_look_like_what_they_replace(host: Any) -> None:
    def functions() -> list[Any]:
        kind, header = host.websocket.WebSocket, host.websocket.Header
        return [kind.read_message, kind.read_frame, kind.send_frame, header.mask_payload, header.decode_header]

    def look(function: Any) -> Any:
        names = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__")
        return [getattr(function, name) for name in names], inspect.signature(function)

    plain = [(function, look(function)) for function in functions()]
    with fastws.hosts.accelerated("gevent-websocket"):
        for fast, (function, expected) in zip(functions(), plain, strict=True):
            assert getattr(fast, "__func__", fast) is not getattr(function, "__func__", function)
            assert look(fast) == expected


@pytest.mark.parametrize("wsaccel", [False, True])
def test_a_fresh_program(wsaccel: bool) -> None:
    """Accelerated before it is imported, also after ``fastws.hosts.wsaccel.install``."""
    code = f"""
        import sys, warnings
        import fastws.hosts.wsaccel
        if {wsaccel}:
            fastws.hosts.wsaccel.install()
        else:
            sys.modules["wsaccel"] = sys.modules["wsaccel.utf8validator"] = None
        fastws.accelerate()
        warnings.simplefilter("ignore")
        from geventwebsocket.websocket import Utf8Validator, WebSocket
        print(hasattr(WebSocket.read_message, "__wrapped__"), Utf8Validator.__module__)
    """
    module = "fastws.hosts.wsaccel" if wsaccel else "geventwebsocket.utf8validator"
    assert run_python(code) == f"True {module}"
