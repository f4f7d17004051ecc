"""ws4py, plain against accelerated: the same script gives the same requests, values, errors, calls and state."""

from __future__ import annotations

import functools
import gc
import inspect
import os
import types
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ws4py import framing, messaging, streaming, utf8validator  # type: ignore[import-untyped]
from ws4py.framing import Frame  # type: ignore[import-untyped]
from ws4py.messaging import BinaryMessage, CloseControlMessage, PingControlMessage, TextMessage  # type: ignore[import-untyped]
from ws4py.streaming import Stream  # type: ignore[import-untyped]
from ws4py.websocket import WebSocket  # type: ignore[import-untyped]

import fastws.hosts
from cases import each_case
from fastws.hosts import wsaccel
from fresh import run_python
from names import named
from oracles import frame
from recording import called, same_on, told
from scripted import in_pieces
from scripted_ws4py import RecordedSocket, Recorder, as_asked, play, play_once, play_stream
from traffic import BINARY, PING, TEXT, UNFINISHED_TEXT, first_bytes, payloads, streams
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scripted import Event

pytestmark = pytest.mark.usefixtures("adapted")

_hypothesis = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

SERVER, CLIENT = streams(KEY), streams(None)

_roles = pytest.mark.parametrize("masked", [True, False], ids=["server", "client"])
_names = each_case("name", SERVER)


def stream_of(name: str, masked: bool) -> bytes:
    return (SERVER if masked else CLIENT)[name]


same = functools.partial(same_on, "ws4py")


# The parser of a stream -----------------------------------------------------------------------------------------------


@_roles
@_names
def test_chunks_as_asked_for(name: str, masked: bool) -> None:
    """As long as it lasts: then, at any step, comes all that is left."""
    chunks = as_asked(stream_of(name, masked), masked=masked)
    rests = [[*chunks[:i], b"".join(chunks[i:])] for i in range(min(len(chunks), 20))]

    def run() -> Any:
        whole = [play_stream(chunks, masked=masked, taken=taken) for taken in (True, False)]
        return whole, [play_stream(rest, masked=masked, taken=True) for rest in rests]

    same(run)


@_roles
@_names
def test_chunks_of_any_size(name: str, masked: bool) -> None:
    """Also of more than was asked for, where the host forgets what comes after a frame, and errs in keys it cuts."""
    stream = stream_of(name, masked)
    cuts: list[Any] = [[cut] for cut in range(1, min(len(stream), 30))]
    cuts += [range(1, len(stream)), range(2, len(stream), 2), range(3, len(stream), 3), []]
    same(lambda: [play_stream(in_pieces(stream, list(cut)), masked=masked, taken=True) for cut in cuts])


@_roles
def test_whole_frames(masked: bool) -> None:
    """One frame a chunk, and what comes after it; some with odd chunks between."""
    key = KEY if masked else None
    frames = [frame(TEXT, b"ab", key), frame(BINARY, b"\xff" * 200, key), frame(TEXT, "é".encode() * 40_000, key)]
    odd: list[Any] = [None, b"", bytearray(b""), bytearray(frames[0]), frames[0] + b"after", frames[0][:3]]
    same(lambda: play_stream([*frames, *odd, *frames, frames[0]], masked=masked, taken=True))


@pytest.mark.parametrize("odd", ["text", 7, memoryview(b"\x81\x01x"), [0x81], b"\x81", bytearray(b"\x81")], ids=named)
@pytest.mark.parametrize("before", [b"", b"\x81", b"\x81\x02", b"\x81\x7e", b"\x81\x7e\x00", b"\x81\x82ab"], ids=repr)
def test_odd_chunks(odd: Any, before: bytes) -> None:
    chunks = [*[before[i : i + 1] for i in range(len(before))], odd, b"x", b"y" * 30]
    same(lambda: [play_stream(chunks, masked=masked, taken=True) for masked in (True, False)])


@_roles
def test_lengths(masked: bool) -> None:
    key = KEY if masked else None
    for size in (125, 126, 127, 65_535, 65_536, 200_000):
        stream = frame(TEXT, b"x" * size, key) + frame(BINARY, b"y" * size, key)
        chunks = as_asked(stream, masked=masked)
        same(lambda chunks=chunks: play_stream(chunks, masked=masked, taken=True))  # type: ignore[misc]
        same(lambda stream=stream: play(in_pieces(stream, range(999, len(stream), 7777)), masked=masked))  # type: ignore[misc]


def test_the_host_has_a_frame_at_a_time() -> None:
    """After what is left to the host's own parser, the next message is not."""
    fastws.hosts.accelerate("ws4py")
    stream = Stream()
    for sent in (frame(PING, b"?", KEY), frame(0xC1), frame(TEXT, b"\xff", KEY), frame(UNFINISHED_TEXT, b"", KEY)):
        stream.parser.send(sent[:1])
        if stream.parser.gi_yieldfrom is not None:
            stream.parser.send(sent[1:])
        assert stream.parser.gi_yieldfrom is None
        stream.message = None
    assert (len(stream.pings), len(stream.errors)) == (1, 2)
    stream.parser.send(frame(TEXT, b"x", KEY))
    assert stream.has_message


def test_a_closed_parser_cleans_its_stream_up() -> None:
    def run() -> Any:
        told_ = []
        for sent in (b"", b"\x81", b"\x81\x85", b"\x81\x85abcd", b"\x01\x80abcd", b"\x89"):
            stream = Stream()
            for i in range(len(sent)):
                stream.parser.send(sent[i : i + 1])
            parser = stream.parser
            assert isinstance(parser, types.GeneratorType)
            told_.append(called(parser.close))
            told_.append((stream.errors, stream.pings, stream.message, stream._parser is None))  # noqa: SLF001
            stream = Stream()
            told_.append((stream.parser.gi_running, called(stream._cleanup), stream.errors, stream._parser is None))  # noqa: SLF001
        return told_

    same(run)


def test_messages_that_stay_are_looked_at() -> None:
    """Who does not take a message out of the stream meets what the host does with it."""

    def run() -> Any:
        stream = Stream(expect_masking=False)
        outcomes = []
        for data in (b"ab", None):
            stream.parser.send(frame(TEXT, b"x"))
            assert stream.message is not None
            stream.message.data = data
            outcomes.append(called(stream.parser.send, frame(TEXT, b"y")))
        return outcomes

    same(run)


# Connections ----------------------------------------------------------------------------------------------------------


def slowly() -> list[Event]:
    """A signal comes between the pieces."""
    return [InterruptedError(4, "interrupted")]


@_roles
@_names
def test_run(name: str, masked: bool) -> None:
    stream = stream_of(name, masked)
    scripts: list[Sequence[Event]] = [[stream], in_pieces(stream, range(1, len(stream))), [stream[:-1]], [stream[:-2]]]
    scripts += [in_pieces(stream, [cut], slowly) for cut in range(1, min(len(stream), 30))]
    same(lambda: [play(script, masked=masked) for script in scripts])


@_roles
@_names
def test_once(name: str, masked: bool) -> None:
    """No byte is read before the host would have read it."""
    stream = stream_of(name, masked)
    scripts: list[list[Event]] = [[stream], in_pieces(stream, range(1, len(stream)), slowly), [stream[:-1]]]
    same(lambda: [play_once(script, masked=masked) for script in scripts])


@pytest.mark.parametrize(
    "error", [OSError("no number"), ConnectionResetError(104, "reset"), TimeoutError("timed out"), ValueError("odd")]
)
def test_errors_of_the_socket(error: Exception) -> None:
    stream = frame(TEXT, b"abc", KEY) * 2
    scripts: list[list[Event]] = [[stream[:cut], error, stream[cut:]] for cut in range(len(stream))]
    same(lambda: [(play(script, masked=True), play_once(script, masked=True)) for script in scripts])


def test_run_logs_what_it_logged(caplog: pytest.LogCaptureFixture) -> None:
    def run() -> list[str]:
        caplog.clear()
        for name in ("close", "close of 1", "invalid text", "reserved bit 1", "wrong masking", "text"):
            play([SERVER[name]], masked=True)
        play([OSError("gone")], masked=True, kind=Plainly)
        return [record.getMessage() for record in caplog.records]

    class Plainly(Recorder):
        unhandled_error = WebSocket.unhandled_error

    with caplog.at_level("DEBUG", "ws4py"):
        assert len(same(run)) > 4


def _raise(_: Recorder) -> None:
    raise RuntimeError("from the program")


def _close(connection: Recorder) -> None:
    connection.close(1001, "enough")


def _terminate(connection: Recorder) -> None:
    connection.terminate()


def _terminated(connection: Recorder) -> None:
    connection.client_terminated = connection.server_terminated = True


def _send(connection: Recorder) -> None:
    connection.send("answer")


def _keep(connection: Recorder) -> None:
    connection.stream.message = None


@pytest.mark.parametrize("action", [_raise, _close, _terminate, _terminated, _send, _keep, Recorder.close_connection])
def test_what_the_program_does_with_a_message(action: Callable[[Recorder], None]) -> None:
    class Acting(Recorder):
        at = (2, action)

    same(lambda: [play(script, masked=True, kind=Acting) for script in _five_texts()])


def _five_texts() -> list[list[bytes]]:
    texts = b"".join([frame(TEXT, b"%d" % number, KEY) for number in range(5)])
    return [[texts], in_pieces(texts, range(5, len(texts), 5)), [texts + SERVER["close"]]]


@pytest.mark.parametrize("switch", [lambda _: fastws.hosts.accelerate("ws4py"), lambda _: fastws.hosts.restore()])
@pytest.mark.parametrize("accelerated", [False, True])
def test_a_switch_while_running(switch: Callable[[Recorder], None], accelerated: bool) -> None:
    class Switching(Recorder):
        at = (2, switch)

    for script in _five_texts():
        fastws.hosts.restore()
        plain = play(script, masked=True)
        if accelerated:
            fastws.hosts.accelerate("ws4py")
        assert play(script, masked=True, kind=Switching) == plain


@pytest.mark.parametrize("name", ["once", "process"])
def test_overridden_steps_are_called(name: str) -> None:
    """In a derived class, and on the object."""
    steps: list[Any] = []

    def step(self: Any, *arguments: Any) -> Any:
        steps.append(arguments)
        return getattr(WebSocket, name)(self, *arguments)

    class Mine(Recorder):
        def opened(self) -> None:
            setattr(self, name, types.MethodType(step, self))

    derived = type("Derived", (Recorder,), {name: step})

    def run() -> Any:
        steps.clear()
        script = [SERVER["three messages"] + SERVER["close"]]
        return play(script, masked=True, kind=derived), play(script, masked=True, kind=Mine), list(steps)

    same(run)


def test_secure_connections() -> None:
    class Secure(RecordedSocket):
        def pending(self) -> int:
            return len(self.script[0]) if self.script and isinstance(self.script[0], bytes) else 0

    def run() -> Any:
        log: list[Any] = []
        connection = Recorder(Secure([SERVER["three messages"] * 3, SERVER["close"]]), masked=True, log=log)
        connection._is_secure = True  # noqa: SLF001
        connection.run()
        return log

    same(run)


def test_a_stream_of_another_class() -> None:
    class Loud(Stream):  # type: ignore[misc]
        def receiver(self) -> Any:
            yield from super().receiver()

    def run() -> Any:
        log: list[Any] = []
        connection = Recorder(RecordedSocket([SERVER["three messages"] + SERVER["close"]]), masked=True, log=log)
        connection.stream = Loud()
        connection.run()
        return log

    same(run)


def test_a_connection_keeps_its_place_across_the_switch() -> None:
    """Accelerated and restored between any two steps of a frame, for the parser of the one and of the other."""
    stream = SERVER["three messages"] + SERVER["fragments"] + SERVER["control frames between"] + SERVER["close"]

    def run(switch: Callable[[int], object]) -> Any:
        log: list[Any] = []
        connection = Recorder(RecordedSocket([stream]), masked=True, log=log)
        for call in range(100):
            switch(call)
            if not connection.once():
                break
        connection.terminate()
        return log

    plain = run(lambda _: None)
    assert plain[-1][0] == "closed"
    switches = (fastws.hosts.restore, lambda: fastws.hosts.accelerate("ws4py"))
    for offset in (0, 1):
        assert run(lambda call, offset=offset: switches[(call + offset) % 2]()) == plain  # type: ignore[misc]
        assert run(lambda call, offset=offset: switches[(call // 3 + offset) % 2]()) == plain  # type: ignore[misc]


# Random traffic -------------------------------------------------------------------------------------------------------


@st.composite
def _traffic(draw: st.DrawFn) -> tuple[bool, bytes, list[int]]:
    masked = draw(st.booleans())
    usual: st.SearchStrategy[bytes | None] = st.binary(min_size=4, max_size=4) if masked else st.none()
    keys = st.one_of(usual, usual, usual, st.none(), st.just(KEY))
    frames = draw(st.lists(st.builds(frame, first_bytes, payloads, keys), min_size=1, max_size=6))
    stream = b"".join(frames)
    cuts = draw(st.lists(st.integers(1, max(1, len(stream) - 1)), max_size=8, unique=True).map(sorted))
    return masked, stream, [cut for cut in cuts if cut < len(stream)]


@_hypothesis
@given(traffic=_traffic())
def test_random_traffic(traffic: tuple[bool, bytes, list[int]]) -> None:
    masked, stream, cuts = traffic
    fastws.hosts.restore()
    chunks = as_asked(stream, masked=masked)

    def run() -> Any:
        return (
            play_stream(chunks, masked=masked, taken=True),
            play_stream(in_pieces(stream, cuts), masked=masked, taken=True),
            play(in_pieces(stream, cuts), masked=masked),
            play_once(in_pieces(stream, cuts), masked=masked),
        )

    same(run)


# The functions one by one ---------------------------------------------------------------------------------------------

_DATA: tuple[Any, ...] = (
    b"", b"x", b"12345", bytes(range(256)), bytearray(b"abcdef"), memoryview(b"abc"), "text", "é", None, 7, [1, 2],
)  # fmt: skip
_KEYS: tuple[Any, ...] = (b"abcd", b"abcdefgh", b"abc", b"", bytearray(b"abcd"), "abcd", None, [1, 2, 3, 4], 5)


def test_mask_and_unmask_of_anything() -> None:
    def run() -> Any:
        frames = [(Frame(masking_key=key), data) for key in _KEYS for data in _DATA]
        return [(called(made.mask, data), called(made.unmask, data)) for made, data in frames]

    same(run)


def test_build() -> None:
    flags: tuple[Any, ...] = (0, 1, 2, True, None)
    cases: list[dict[str, Any]] = [{"opcode": opcode, "body": body, "masking_key": key, "fin": fin}
        for opcode in (0, 1, 2, 3, 8, 9, 10, 11, 15, 16, -1, True, None)
        for body in (b"", b"abc", b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536)
        for key in (None, KEY, b"abcdef", bytearray(b"abcd"))
        for fin in (0, 1)]  # fmt: skip
    cases += [
        {"opcode": 1, "body": b"abc", "fin": 1, name: flag}
        for name in ("fin", "rsv1", "rsv2", "rsv3")
        for flag in flags
    ]

    def run() -> Any:
        return [called(Frame(**case).build) for case in cases]

    same(run)

    class Mine(Frame):  # type: ignore[misc]
        def mask(self, data: Any) -> Any:
            return super().mask(data[::-1])

    def changed() -> Any:
        longer = Frame(opcode=1, body=b"abc", fin=1)
        longer.payload_length = 200
        return called(longer.build), called(Mine(opcode=1, body=b"abc", fin=1, masking_key=KEY).build)

    same(changed)


def test_messages() -> None:
    contents: tuple[Any, ...] = (*_DATA, "中" * 5000, "\ud800", "a\udfff", b"\xff", b"\xe4\xb8", bytearray(b"\xff"))
    makers: list[Callable[[Any], messaging.Message]] = [
        TextMessage,
        BinaryMessage,
        PingControlMessage,
        lambda content: messaging.Message(1, content, encoding="latin-1"),
        lambda content: messaging.Message(1, content, "utf8"),
        lambda content: messaging.Message(2, content, encoding=None),
        lambda content: CloseControlMessage(1000, content),
    ]

    def used(make: Callable[[Any], messaging.Message], content: Any) -> Any:
        message = make(content)
        shown = [told(message), called(str, message), called(len, message), called(message.single)]
        shown += [called(message.fragment), called(lambda: message.fragment(first=True, last=True))]
        message.extend("é")
        shown.append(told(message))
        message.data = None
        return [*shown, called(str, message), called(message.single)]

    same(lambda: [called(used, make, content) for make in makers for content in contents])


def test_send() -> None:
    def chunks() -> Any:
        yield "ab"
        yield "cé"

    payloads: tuple[Any, ...] = (
        "", "héllo", "中" * 30_000, b"", b"ab\xff", bytearray(b"ab"), TextMessage("x"), BinaryMessage(b"y"),
        CloseControlMessage(1000, "z"), "\ud800", None, 7, memoryview(b"ab"),
    )  # fmt: skip

    def run() -> Any:
        told_: list[Any] = []
        for payload in (*payloads, chunks):
            for binary in (False, True):
                peer = RecordedSocket([])
                connection = Recorder(peer, masked=True, log=[])
                given = payload() if payload is chunks else payload
                told_ += [called(connection.send, given, binary), peer.calls]
                connection.terminate()
                told_.append(called(connection.send, payload, binary))
        return told_

    same(run)


def test_masking_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patched ``os.urandom`` is asked; otherwise each frame has a key of its own."""
    fastws.hosts.accelerate("ws4py")
    peer = RecordedSocket([])
    connection = WebSocket(peer)
    connection.stream.always_mask = True

    def sent(payload: Any) -> bytes:
        connection.send(payload)
        data: bytes = peer.calls[-1][1][2][0]
        return data

    for payload in ("text", TextMessage("text")):
        assert len({sent(payload)[2:6] for _ in range(50)}) == 50
    with monkeypatch.context() as patched:
        patched.setattr(os, "urandom", lambda n: b"\x00" * n)
        for payload in ("text", TextMessage("text"), b"text"):
            assert sent(payload) == b"\x81\x84\x00\x00\x00\x00text"
    with monkeypatch.context() as patched:
        patched.setattr(messaging, "os", types.SimpleNamespace(urandom=lambda n: b"\x01" * n))
        assert sent("\x01") == b"\x81\x81\x01\x01\x01\x01\x00"
        assert TextMessage("\x01").single(mask=True) == b"\x81\x81\x01\x01\x01\x01\x00"


@_hypothesis
@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=90), st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
    ),
    cut=st.integers(0, 4),
)
def test_validator(pieces: list[bytes], cut: int) -> None:
    def run() -> Any:
        validator = utf8validator.Utf8Validator()
        parts: list[bytes | bytearray] = []
        for piece in pieces:
            parts += [piece[:cut], bytearray(piece[cut:])]
        return [(called(validator.validate, part), dict(vars(validator))) for part in parts]

    same(run)


@pytest.mark.parametrize("size", [100, 5000])
@pytest.mark.parametrize(
    "bad", [b"", b"\xff", b"\xe4", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xed\xa0", b"\xc0", b"\xf4\x90"]
)
def test_validator_of_long_pieces(bad: bytes, size: int) -> None:
    filler = ("é" * size).encode()

    def run() -> Any:
        told_ = []
        for text in (filler + bad, filler + bad + filler, bad + filler, filler[1:], bytearray(filler[:-1] + bad)):
            validator = utf8validator.Utf8Validator()
            told_ += [(called(validator.validate, part), dict(vars(validator))) for part in (text, b"", filler, "é")]
        return told_

    same(run)


# What people patch, and what it looks like ----------------------------------------------------------------------------


def test_patched_classes_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Text(TextMessage):  # type: ignore[misc]
        def __init__(self, text: Any = None) -> None:
            made.append(told(text))
            super().__init__(text)

    class Read(Frame):  # type: ignore[misc]
        def unmask(self, data: Any) -> Any:
            made.append(told(data))
            return super().unmask(data)

    class Given(Frame):  # type: ignore[misc]
        def build(self) -> bytes:
            return b"built"

    def run() -> Any:
        made.clear()
        with monkeypatch.context() as patched:
            patched.setattr(streaming, "TextMessage", Text)
            patched.setattr(messaging, "Frame", Given)
            patched.setattr(streaming, "Frame", Read)
            return play([SERVER["three messages"]], masked=True), TextMessage("x").single(), list(made)

    same(run)


def test_another_validator_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``wsaccel.patch_ws4py`` binds, with the validator of fastws."""
    plain = {name: play([SERVER[name]], masked=True) for name in SERVER}
    monkeypatch.setattr(streaming, "Utf8Validator", wsaccel.Utf8Validator)
    with fastws.hosts.accelerated("ws4py"):
        assert {name: play([SERVER[name]], masked=True) for name in SERVER} == plain
        validator = streaming.Stream().parser.gi_frame.f_locals["host"].gi_frame.f_locals["utf8validator"]
        assert type(validator) is wsaccel.Utf8Validator


def test_a_patched_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``wsaccel.patch_ws4py`` leaves it."""
    monkeypatch.setattr(framing.Frame, "mask", lambda *_: b"")
    with pytest.raises(fastws.HostError, match=r"ws4py\.framing\.Frame\.mask has been replaced"):
        fastws.hosts.accelerate("ws4py")
    assert "ws4py" not in fastws.hosts.accelerate()


def test_replacements_look_like_what_they_replace() -> None:
    def functions() -> list[Any]:
        return [
            WebSocket.run,
            WebSocket.send,
            Stream.receiver,
            Frame.mask,
            Frame.unmask,
            Frame.build,
            messaging.Message.__init__,
        ]

    def look(function: Any) -> Any:
        names = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__annotations__")
        shown = [getattr(function, name) for name in names]
        return shown, inspect.signature(function), inspect.isgeneratorfunction(function)

    plain = functions()
    with fastws.hosts.accelerated("ws4py"):
        for fast, expected in zip(functions(), plain, strict=True):
            assert fast is not expected
            assert look(fast) == look(expected)


def test_an_unused_stream_is_collected() -> None:
    fastws.hosts.accelerate("ws4py")
    for started in (False, True):
        stream = Stream()
        if started:
            stream.parser.send(b"\x81")
        gone = weakref.ref(stream)
        del stream
        gc.collect()
        assert gone() is None


def test_a_fresh_program() -> None:
    """Accelerated before it is imported, and imported by the module that programs use."""
    code = """
        import fastws
        fastws.accelerate()
        from ws4py.client.threadedclient import WebSocketClient
        from ws4py.streaming import Stream
        stream = Stream(expect_masking=False)
        stream.parser.send(b"\\x81\\x02hi")
        print(stream.message, hasattr(Stream.receiver, "__wrapped__"))
    """
    assert run_python(code) == "hi True"
