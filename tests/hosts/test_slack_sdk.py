"""slack-sdk's builtin client of Socket Mode, plain against accelerated: the same messages, errors, reads and bytes."""

# ruff: noqa: SLF001 -- the functions of the client are private

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastws.hosts
from cases import each_case
from fastws.backend import backend
from fastws.hosts import registry
from fresh import run_python
from live_server import serving
from names import named
from oracles import frame
from recording import Noting, all_same_on, called, told
from scripted import ScriptedSocket, in_pieces
from traffic import BINARY, CLOSE, CONT, PING, PONG, TEXT, streams
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from scripted import Event

connection: Any = importlib.import_module("slack_sdk.socket_mode.builtin.connection")
internals: Any = importlib.import_module("slack_sdk.socket_mode.builtin.internals")

pytestmark = pytest.mark.usefixtures("adapted")

# The host leaves line feeds out that come before a frame.
STREAMS = streams(None) | {
    "empty ones": frame(TEXT) + frame(PING) + frame(TEXT, b"x"),
    "control frames of Slack": frame(PING, b"1:2") + frame(PONG, b"3:4") + frame(CLOSE, b"\x03\xe8bye"),
    "empty at the end": frame(TEXT, b"x") + frame(TEXT),
    "several reserved bits": frame(0xF3, b"abc") + frame(0x8F, b"x"),
    "line feed": b"\n" + frame(TEXT, b"abc"),
    "line feeds between": frame(TEXT, b"abc") + b"\n" + frame(TEXT, b"de") + b"\n\n" + frame(TEXT, b"f"),
    "opcode of a line feed": frame(0x0A, b"abc") + frame(TEXT, b"x"),
    "masked at the end": frame(TEXT, b"x") + frame(TEXT, b"abc", KEY),
    "126 bytes of text": frame(TEXT, b"x" * 126) + frame(TEXT, b"y"),
    "more than comes": b"\x81\x7f\x80" + bytes(7) + b"abc",
}

_streams = each_case("stream", STREAMS.values(), ids=STREAMS)


compare = functools.partial(all_same_on, "slack-sdk")


def receive(script: Sequence[Event], size: int = 1024) -> Any:
    """What each call gives until the socket has nothing left, and what it read."""
    socket: Any = ScriptedSocket(script)
    trace: list[Any] = []
    while socket.script or not trace:
        result = called(
            lambda: [
                (header and sorted(vars(header).items()), told(data))
                for header, data in internals._receive_messages(
                    socket, threading.Lock(), logging.getLogger("test"), receive_buffer_size=size
                )
            ]
        )
        trace.append((result, list(socket.reads)))
        socket.reads.clear()
    return trace


def compare_receiving(*scripts: Sequence[Event], size: int = 1024) -> None:
    compare(*[lambda script=script: receive(script, size) for script in scripts])


# Receiving ------------------------------------------------------------------------------------------------------------


@_streams
def test_one_piece_and_single_bytes(stream: bytes) -> None:
    compare_receiving([stream], in_pieces(stream, range(1, len(stream))), in_pieces(stream, range(3, len(stream), 3)))


@_streams
def test_every_split(stream: bytes) -> None:
    compare_receiving(*[in_pieces(stream, [cut]) for cut in range(1, min(len(stream), 40))])


@_streams
def test_an_error_at_every_split(stream: bytes) -> None:
    """What was received before is lost to the host."""
    for error in (TimeoutError("timed out"), OSError(9, "bad descriptor"), OSError(5, "broken")):
        compare_receiving(
            *[in_pieces(stream, [cut], lambda error=error: [error]) for cut in range(1, min(len(stream), 24))]  # type: ignore[misc]
        )


@_streams
def test_the_end_at_every_byte(stream: bytes) -> None:
    scripts = [[stream[:end]] for end in range(1, min(len(stream), 40))]
    compare_receiving([], *scripts)


@pytest.mark.parametrize("size", [16, 100, 1024, 4096])
@pytest.mark.parametrize("length", [125, 126, 1020, 1022, 1024, 5000, 65_535, 65_536])
def test_lengths(length: int, size: int) -> None:
    length = min(length, 400 * size)  # the host calls itself for every read
    stream = frame(TEXT, b"x" * length) + frame(TEXT, b"y" * length) + frame(PING, b"?")
    compare_receiving([stream], [stream[:-1]], size=size)


def test_more_reads_than_nested_calls() -> None:
    text = bytes(range(65, 91)) * 100_000
    with fastws.hosts.accelerated("slack-sdk"):
        ((outcome, _),) = receive([frame(TEXT, text)])
    assert outcome[0] == "returned"
    assert outcome[1][1][0][1][1][1:] == ([str, bytes], ["bytes", text])


_frames = st.builds(
    frame,
    st.one_of(st.sampled_from([TEXT, BINARY, CONT, PING, PONG, CLOSE]), st.integers(0, 255)),
    st.binary(max_size=140),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(_frames, min_size=1, max_size=6).map(b"".join),
    st.integers(16, 300),
    st.lists(st.integers(1, 600), max_size=5),
)
def test_random_traffic(stream: bytes, size: int, cuts: list[int]) -> None:
    compare_receiving(in_pieces(stream, sorted({cut for cut in cuts if cut < len(stream)})), size=size)


def test_other_arguments() -> None:
    """As the host calls itself."""
    header = internals.FrameHeader(opcode=1, length=5)

    def run(**arguments: Any) -> Any:
        messages: list[Any] = []
        reads = iter([b"cde" + frame(TEXT, b"x"), b""])
        logger = logging.getLogger("test")
        result = called(
            lambda: internals._fetch_messages(messages, lambda *_: next(reads), logger, **arguments) is messages
        )
        return result, [(found is header or (found and vars(found)), told(data)) for found, data in messages]

    compare(
        lambda: run(remaining_bytes=b"abcd", current_header=header, current_data=b""),
        lambda: run(current_header=header, current_data=b"ab"),
        lambda: run(remaining_bytes=b"", current_header=header, current_data=b"ab"),
        lambda: run(remaining_bytes=frame(TEXT, b"abc"), current_mask_key=KEY),
        lambda: run(remaining_bytes=b"\n", current_data=b"old"),
        lambda: run(remaining_bytes=bytearray(frame(TEXT, b"abc"))),
        lambda: run(remaining_bytes=memoryview(frame(TEXT, b"abc"))),
        lambda: run(remaining_bytes="text"),
    )


@pytest.mark.parametrize("odd", [None, bytearray(b"cd"), "cd", b""], ids=repr)
def test_reads_that_give_odd_things(odd: Any) -> None:
    def run() -> Any:
        reads = iter([frame(TEXT, b"abcd")[:4], odd, b"d" + frame(TEXT, b"x"), b""])
        messages: list[Any] = []
        result = called(lambda: internals._fetch_messages(messages, lambda *_: next(reads), logging.getLogger("test")))
        return result[0], result[1][:2] if result[0] == "raised" else None, [told(data) for _, data in messages]

    compare(run)


# Sending --------------------------------------------------------------------------------------------------------------

PAYLOADS = [
    *["", "abc", "héllo 中", "x" * 125, "x" * 126, "é" * 63, "x" * 65_535, "x" * 65_536, "\ud800"],
    *[b"", b"abc", b"x" * 200, bytearray(b"abc"), [1, 2, 300], None, memoryview(b"abc"), 5],
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=named)
def test_building(payload: Any) -> None:
    def run(opcode: Any, options: dict[str, Any]) -> Any:
        random.seed(7)
        result = called(lambda: internals._build_data_frame_for_sending(payload, opcode, **options))
        return result, random.getstate()

    opcodes = [0, 1, 2, 3, 8, 9, 10, 300, -1, True, 2.0, "1"]
    options: list[dict[str, Any]] = [{}, {"fin": 0}, {"masked": 0}, {"rsv1": 1}, {"rsv3": 1, "fin": 2}, {"fin": True}]
    compare(*[lambda o=opcode, options=each: run(o, options) for opcode in opcodes for each in options])


@pytest.mark.parametrize("drawn", [[1, 2, 3, 4], [5, 6, 7], [1, 2, 3, 4, 5], (9, 8, 7, 6), [300, 1, 1, 1], []])
def test_the_random_source_is_honoured(drawn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "choices", lambda *_, **__: drawn)
    compare(*[lambda o=opcode: called(internals._build_data_frame_for_sending, "abcdef", o) for opcode in (1, 9)])


@pytest.mark.parametrize("adapted", [backend], ids=["each"], indirect=True)
def test_a_random_source_that_was_replaced_before_anything_was_imported() -> None:
    code = """
        import random
        random.choices = lambda *_, **__: [1, 2, 3, 4, 5]
        import fastws
        from slack_sdk.socket_mode.builtin import internals
        plain = internals._build_data_frame_for_sending("abc", 1)
        fastws.accelerate("slack-sdk")
        assert internals._build_data_frame_for_sending.__wrapped__
        print(internals._build_data_frame_for_sending("abc", 1) == plain)
    """
    assert run_python(code) == "True"


def test_the_codec_builds_frames_with_keys_of_the_system(adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = Noting(adapted)
    monkeypatch.setattr(registry, "backend", twin)
    with fastws.hosts.accelerated("slack-sdk"):
        internals._build_data_frame_for_sending("abc", 1)
        monkeypatch.setattr(random, "choices", lambda *_, **__: [1, 2, 3, 4])
        internals._build_data_frame_for_sending("abc", 2)
    assert twin.built == [1]


# A real connection ----------------------------------------------------------------------------------------------------


def test_a_connection() -> None:
    """Messages of every size that the host can send, there and back."""
    texts = ["a", "héllo 中", "x" * 125, "é" * 63, "y" * 5000, "中" * 20_000]
    if called(internals._build_data_frame_for_sending, "x" * 65_536, TEXT)[0] == "returned":  # since 3.48
        texts.append("中" * 40_000)

    def talk(url: str) -> Any:
        events: list[Any] = []
        state = connection.ConnectionState()
        client = connection.Connection(
            url,
            logging.getLogger("test"),
            on_message_listener=events.append,
            on_close_listener=lambda code, reason: events.append((code, reason)),
        )
        client.connect()
        for text in [*texts, "!fragments a b", "!close 1000 bye"]:
            client.send(text)
        client.run_until_completion(state)
        return events, state.terminated, client.is_active()

    with serving() as url:
        compare(lambda: talk(url))
        assert talk(url)[0] == [*texts, "a", (1000, "bye")]


# The adapter ----------------------------------------------------------------------------------------------------------


def test_the_place_of_the_plain_functions() -> None:
    names = ("_fetch_messages", "_build_data_frame_for_sending")
    plain = {name: getattr(internals, name) for name in names}
    with fastws.hosts.accelerated("slack-sdk"):
        for name in names:
            replacement = getattr(internals, name)
            assert replacement.__wrapped__ is plain[name]
            assert inspect.signature(replacement) == inspect.signature(plain[name])
        assert connection._build_data_frame_for_sending is internals._build_data_frame_for_sending
    assert {name: getattr(internals, name) for name in names} == plain
    assert connection._build_data_frame_for_sending is plain["_build_data_frame_for_sending"]


@pytest.mark.parametrize("name", ["_fetch_messages", "_receive_messages", "_append_message"])
def test_a_moved_host_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, name, lambda *_: None)
    with pytest.raises(fastws.hosts.HostError, match=name):
        fastws.hosts.accelerate("slack-sdk")
    assert not hasattr(connection._build_data_frame_for_sending, "__wrapped__")
