"""autobahn, plain against accelerated: the same script gives the same calls, bytes, log lines and state."""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import random
import sys
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastws.hosts
from oracles import frame
from recording import called, same_on
from scripted import in_pieces
from scripted_autobahn import COMMANDS, FRAMEWORK, Setup, application, connect, host, play, receive, state
from traffic import (
    BINARY,
    CLOSE,
    COMPRESSED_BINARY,
    COMPRESSED_TEXT,
    CONT,
    PING,
    PONG,
    TEXT,
    UNFINISHED_BINARY,
    UNFINISHED_CONT,
    UNFINISHED_TEXT,
    streams,
)
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

txaio: Any = importlib.import_module("txaio")

pytestmark = pytest.mark.usefixtures("adapted", "_loop", "_short_log")


@pytest.fixture
def _loop() -> Iterator[None]:
    """A loop that never runs, for the futures of the host on asyncio."""
    if FRAMEWORK != "asyncio":
        yield
        return
    before = txaio.config.loop
    txaio.config.loop = asyncio.new_event_loop()
    yield
    txaio.config.loop.close()
    txaio.config.loop = before


@pytest.fixture
def _short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host formats all options of a connection for its debug log, which takes longer than a test of it."""
    monkeypatch.setattr(host, "pformat", repr)


def _python_parts() -> tuple[Any, Any]:
    """What the host masks and validates with where its C code is not built or not wanted."""
    package = sys.modules["autobahn.websocket"]
    parts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "USES_NVX", False, raising=False)
        for module, name in (("xormasker", "create_xor_masker"), ("utf8validator", "Utf8Validator")):
            found = importlib.util.find_spec(f"autobahn.websocket.{module}")
            assert found is not None
            assert found.loader is not None
            spec = importlib.util.spec_from_file_location(f"{found.name}_in_python", found.origin)
            assert spec is not None
            made = importlib.util.module_from_spec(spec)
            assert spec.loader is not None
            spec.loader.exec_module(made)
            parts.append(getattr(made, name))
    return parts[0], parts[1]


_IN_PYTHON = _python_parts()
_AS_INSTALLED = host.create_xor_masker, host.Utf8Validator


@pytest.fixture(params=["as installed", "in Python"])
def _own_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The two sets of maskers and validators that the host has: NVX where it is built, and Python."""
    make_masker, validator = _AS_INSTALLED if request.param == "as installed" else _IN_PYTHON
    monkeypatch.setattr(host, "create_xor_masker", make_masker)
    monkeypatch.setattr(host, "Utf8Validator", validator)
    yield
    fastws.hosts.restore()


# With both sets.
both = pytest.mark.usefixtures("_own_parts")


# What came out plain, which is the same for both twins.
_plain: dict[Any, Any] = {}


def compare(setup: Setup, *scripts: list[Any]) -> None:
    fastws.hosts.restore()
    key = repr(setup), host.Utf8Validator, tuple([tuple(script) for script in scripts])
    if key not in _plain:
        _plain[key] = [play(script, setup) for script in scripts]
    plain = _plain[key]
    with fastws.hosts.accelerated("autobahn"):
        for script, expected in zip(scripts, plain, strict=True):
            assert play(script, setup) == expected


# Receiving ------------------------------------------------------------------------------------------------------------


def _streams(key: bytes | None) -> dict[str, bytes]:
    """What a peer may send, and what makes the application do something in the middle of it; masked with a key."""

    def told_to(command: bytes) -> bytes:
        frames = (TEXT, command), (TEXT, b"x"), (PING, b"p"), (BINARY, b"end")
        return b"".join([frame(first, payload, key) for first, payload in frames])

    return streams(key) | {f"{command.decode()} in a message": told_to(command) for command in COMMANDS}


_SERVER, _CLIENT = _streams(KEY), _streams(None)
_COMMANDS = [name for name in _SERVER if name.endswith("in a message")]

SETUPS = [
    Setup(),
    Setup(application="only messages", options={"failByDrop": False}),
    Setup(levels=("debug", "warn", "error")),
    Setup(options={"requireMaskedClientFrames": False, "maxMessagePayloadSize": 3, "maskServerFrames": True}),
    Setup(options={"maxFramePayloadSize": 2, "failByDrop": False}),
    Setup(options={"utf8validateIncoming": False, "logFrames": True}, levels=("debug", "warn", "error")),
    Setup(options={"applyMask": False}),
    Setup(options={"trackTimings": True}),
    Setup(options={"autoPingTimeoutCall": True, "autoPingRestartOnAnyTraffic": False}),
    Setup(compressed=True),
    *[Setup(application=name) for name in ("frames", "streams", "watches", "inner hooks", "steps", "fires")],
    Setup(server=False),
    Setup(server=False, options={"acceptMaskedServerFrames": True, "failByDrop": False, "echoCloseCodeReason": True}),
]


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_one_piece_and_single_bytes(setup: Setup) -> None:
    for stream in (_SERVER if setup.server else _CLIENT).values():
        compare(setup, [stream], in_pieces(stream, range(1, len(stream))))


@both
@pytest.mark.parametrize("setup", [SETUPS[0], SETUPS[1], SETUPS[-1]], ids=str)
def test_every_split(setup: Setup) -> None:
    for stream in (_SERVER if setup.server else _CLIENT).values():
        compare(setup, *[in_pieces(stream, [cut]) for cut in range(1, min(len(stream), 24))])


@pytest.mark.parametrize("looks", ["messages", "only messages"])
@pytest.mark.parametrize("name", _COMMANDS)
def test_long_reads(name: str, looks: str) -> None:
    """Reads of which the host would cut off every message, with what a message does in the middle of them."""
    many = b"".join([frame(TEXT, b"message %d" % number, KEY) for number in range(150)])
    bad = frame(TEXT, b"\xff", KEY)
    for options in ({}, {"failByDrop": False}):
        setup = Setup(application=looks, options=options)
        compare(setup, [many + _SERVER[name] + many], [many + bad + many, many], [_SERVER[name] + many + _SERVER[name]])


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
def test_lengths(server: bool) -> None:
    key = KEY if server else None
    for size in (125, 126, 127, 1023, 1024, 65_535, 65_536, 100_000):
        for first in (TEXT, BINARY):
            stream = frame(first, b"x" * size, key) + frame(TEXT, b"y", key)
            setup = Setup(server=server, application="only messages")
            compare(setup, [stream], in_pieces(stream, [2, 4, 5, 9, 10, 11, size, size + 1]))


def test_a_frame_that_is_never_complete() -> None:
    compare(Setup(), [frame(BINARY, bytes(65_536), KEY)[:5000]] * 3, [b"\x82\xff" + b"\x7f" * 8 + KEY + b"abc", b"def"])


@both
@pytest.mark.parametrize("bad", [0, 1, 4095, 4096, 99_999])
def test_invalid_bytes_in_long_text(bad: int) -> None:
    text = bytearray("é".encode() * 50_000)
    text[bad] = 0xFF
    stream = frame(TEXT, bytes(text), KEY) + frame(TEXT, b"x", KEY)
    for options in ({}, {"failByDrop": False}):
        setup = Setup(application="only messages", options=options)
        compare(setup, [stream], in_pieces(stream, range(30_000, len(stream), 30_000)))


@both
@pytest.mark.parametrize("name", ["messages", "watches"])
def test_compressed_messages(name: str) -> None:
    packer = zlib.compressobj(wbits=-15)
    packed = (packer.compress("héllo".encode() * 20) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    stream = (
        frame(COMPRESSED_TEXT, packed, KEY) + frame(TEXT, b"plain", KEY) + frame(COMPRESSED_TEXT, b"\xff\xff\xff", KEY)
    )
    setup = Setup(application=name, compressed=True)
    compare(
        setup,
        [stream],
        in_pieces(stream, range(1, len(stream))),
        [frame(COMPRESSED_BINARY, b"", KEY) + frame(TEXT, b"", KEY)],
    )


_frames = st.builds(
    frame,
    st.sampled_from(
        [TEXT, BINARY, CONT, PING, PONG, UNFINISHED_TEXT, UNFINISHED_BINARY, UNFINISHED_CONT, CLOSE, COMPRESSED_TEXT]
    ),
    st.one_of(st.binary(max_size=140), st.text(max_size=60).map(str.encode), st.sampled_from([b"!echo", b"!raise"])),
    st.sampled_from([KEY, KEY, KEY, bytes(4), None]),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), traffic=st.lists(_frames, max_size=12), setup=st.sampled_from(SETUPS))
def test_any_traffic(data: st.DataObject, traffic: list[bytes], setup: Setup) -> None:
    stream = b"".join(traffic)
    cuts = data.draw(st.lists(st.integers(1, max(1, len(stream) - 1)), max_size=8, unique=True).map(sorted))
    compare(setup, [stream], in_pieces(stream, [cut for cut in cuts if cut < len(stream)]))


def test_whole_messages_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the future that the host makes for every message; and all others do not."""
    made: list[Any] = []
    create = txaio.create_future

    def counted(**options: Any) -> Any:
        made.append(options)
        return create(**options)

    monkeypatch.setattr(txaio, "create_future", counted)
    fastws.hosts.accelerate("autobahn")
    for server, key in ((True, KEY), (False, None)):
        for application_name, futures in (("messages", 0), ("watches", 4)):
            connection = connect(Setup(server=server, application=application_name))
            made.clear()
            receive(connection, frame(TEXT, "é".encode(), key) * 2 + frame(BINARY, b"\xff", key) * 2)
            assert len(connection.events) >= 4
            assert len(made) == futures
        connection = connect(Setup(server=server))
        made.clear()
        receive(connection, frame(UNFINISHED_TEXT, b"a", key) + frame(CONT, b"b", key))
        assert len(made) == 1


def test_what_a_class_overrides_meanwhile() -> None:
    """An application that is patched between two reads is heard."""

    def run() -> Any:
        class Late(application("messages", True)):  # type: ignore[misc]
            pass

        connection = connect(Setup(), Late)
        receive(connection, frame(TEXT, b"a", KEY))
        Late.onMessageFrameData = lambda self, payload: self.events.append(("late", payload))
        receive(connection, frame(TEXT, b"b", KEY))
        return connection.events, state(connection)

    events, _ = same(run)
    assert ("late", b"b") in events


def test_a_masker_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    fastws.hosts.accelerate("autobahn")
    made: list[Any] = []
    plain = host.create_xor_masker

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(host, "create_xor_masker", counted)
    play([frame(TEXT, b"!echo", KEY)], Setup(options={"maskServerFrames": True}))
    assert len(made) == 2


def test_data_is_there_for_who_looks() -> None:
    """As an attribute that an instance has and the class has not; also once nothing is accelerated any more."""
    seen: list[Any] = []

    class Looks(application("only messages", True)):  # type: ignore[misc]
        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N802, N803
            if payload == b"7":
                seen.extend([len(self.data), hasattr(type(self), "data")])
            if payload == b"9":
                fastws.hosts.restore()

    stream = b"".join([frame(TEXT, b"%d" % number, KEY) for number in range(600)])
    with fastws.hosts.accelerated("autobahn"):
        connection = connect(Setup(), Looks)
        receive(connection, stream)
    assert seen == [len(stream) - 8 * 7, False]
    assert connection.data == b""
    assert connection.trafficStats.incomingWebSocketMessages == 600
    with pytest.raises(AttributeError):
        _ = host.WebSocketProtocol.data


@pytest.mark.parametrize("again", [False, True], ids=["restored", "and accelerated again"])
@pytest.mark.parametrize("many", [10, 600])
def test_restored_in_a_message(many: int, again: bool) -> None:
    """``data`` is there for this message and all that follow, also of another connection in the middle of a read."""
    stream = b"".join([frame(TEXT, b"%d" % number, KEY) for number in range(many)]) + b"\x81"

    def run(*switches: Callable[[], Any]) -> Any:
        seen: list[Any] = []

        class Looks(application("only messages", True)):  # type: ignore[misc]
            def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N802, N803
                if payload == b"5" and self is outer:
                    receive(inner, stream)
                if payload == b"7" and self is inner:
                    for switch in switches:
                        switch()
                if payload != b"7" or self is inner:  # which looks first where it is restored
                    seen.append((self is inner, payload, called(lambda: len(self.data))))

        outer, inner = connect(Setup(), Looks), connect(Setup(), Looks)
        receive(outer, stream)
        return seen, state(outer), state(inner)

    plain = run()
    fastws.hosts.accelerate("autobahn")
    assert run(fastws.hosts.restore, *[lambda: fastws.hosts.accelerate("autobahn")] * again) == plain


def test_restored_by_another_thread() -> None:
    """Between any two messages: none is lost, none comes twice, and each finds what follows it."""
    stream = b"".join([frame(TEXT, b"%d" % number, KEY) for number in range(2000)])
    seen: list[Any] = []

    class Looks(application("only messages", True)):  # type: ignore[misc]
        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N802, N803
            seen.append((payload, len(self.data)))

    receive(connect(Setup(), Looks), stream)
    plain = list(seen)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(20):
            seen.clear()
            fastws.hosts.accelerate("autobahn")
            restoring = threading.Timer(0.002, fastws.hosts.restore)
            restoring.start()
            receive(connect(Setup(), Looks), stream)
            restoring.join()
            assert seen == plain
    finally:
        sys.setswitchinterval(interval)


def test_an_attribute_of_the_application_that_is_called_data() -> None:
    def run() -> Any:
        class Named(application("messages", True)):  # type: ignore[misc]
            data = None

        connection = connect(Setup(), Named)
        receive(connection, b"".join([frame(TEXT, b"%d" % number, KEY) for number in range(600)]))
        return connection.events[-1], state(connection)

    same(run)


# Sending --------------------------------------------------------------------------------------------------------------


same = functools.partial(same_on, "autobahn")


_SENT: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[("sendFrame", (opcode, b"abc"), {}) for opcode in (0, 1, 2, 3, 8, 9, 10, 11, 127, 128, -1, True)],
    *[("sendFrame", (1, bytes(size)), {}) for size in (0, 125, 126, 65_535, 65_536)],
    *[("sendFrame", (9, bytes(size)), {}) for size in (0, 125, 126)],
    *[("sendFrame", (1, b"abc"), {"rsv": rsv}) for rsv in (1, 4, 7, 8, 12)],
    ("sendFrame", (9, b"abc"), {"rsv": 4}),
    ("sendFrame", (9, b"abc"), {"fin": False}),
    ("sendFrame", (2, b"abc"), {"fin": False, "rsv": 4}),
    ("sendFrame", (2, b"abc"), {"fin": 0}),
    ("sendFrame", (2, b"abc"), {"mask": b"abcd"}),
    ("sendFrame", (2, b"abc"), {"mask": b"abc"}),
    ("sendFrame", (2, b"abc"), {"payload_len": 10}),
    ("sendFrame", (2, b""), {"payload_len": 10}),
    ("sendFrame", (2, b"abcdefgh"), {"chopsize": 3}),
    ("sendFrame", (2, b"abcdefgh"), {"sync": True}),
    ("sendFrame", (2, bytearray(b"abc")), {}),
    ("sendFrame", (2, memoryview(b"abc")), {}),
    ("sendFrame", (2, "abc"), {}),
    ("sendFrame", (2, None), {}),
    ("sendFrame", ("2", b"abc"), {}),
    ("sendFrame", (), {}),
    *[("sendMessage", (payload,), {}) for payload in (b"", b"abc", b"x" * 70_000, "abc", bytearray(b"abc"))],
    ("sendMessage", (b"abc", True), {}),
    ("sendMessage", (b"abc", 1), {}),
    ("sendMessage", (b"abcdefgh",), {"fragmentSize": 3}),
    ("sendMessage", (b"abcdefgh",), {"fragmentSize": 0}),
    ("sendMessage", (b"abcdefgh",), {"sync": True}),
    ("sendMessage", (b"abcdefgh",), {"doNotCompress": True}),
    ("sendPing", (b"abc",), {}),
    ("sendPong", (), {}),
    ("sendClose", (1000, "bye"), {}),
    ("sendData", (b"raw",), {}),
    ("sendData", (b"raw", False, -1), {}),
    ("sendData", (b"raw", False, 2), {}),
    ("sendData", (bytearray(b"raw"), True), {}),
    ("sendData", (3,), {}),
]

_SENDING = [
    Setup(levels=("debug", "warn")),
    Setup(server=False),
    Setup(server=False, options={"maskClientFrames": False, "logOctets": True}, levels=("debug",)),
    Setup(options={"maskServerFrames": True, "logFrames": True}, levels=("debug",)),
    Setup(server=False, options={"applyMask": False}),
    Setup(server=False, options={"maxMessagePayloadSize": 2, "autoFragmentSize": 2}),
    Setup(server=False, compressed=True),
    *[Setup(server=False, options={"state": number}) for number in (0, 1, 2, 4)],
]


@pytest.mark.parametrize("setup", _SENDING, ids=lambda setup: f"{setup}{setup.options.get('state', '')}")
def test_sending(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[Any] = []
    monkeypatch.setattr(txaio, "call_later", lambda delay, *_: later.append(delay))

    def run() -> Any:
        results = []
        for method, arguments, options in _SENT:
            connection = connect(setup)
            send = functools.partial(getattr(connection, method), *arguments, **options)
            results += [called(send), called(send), list(connection.events), state(connection), list(later)]
            later.clear()
        return results, random.getrandbits(32)

    same(run)


def test_a_message_sent_in_pieces() -> None:
    def run() -> Any:
        connection = connect(Setup(server=False))
        connection.beginMessage(True)
        connection.beginMessageFrame(200)
        left = [connection.sendMessageFrameData(bytes(range(part))) for part in (0, 1, 7, 100)]
        left.append(connection.sendMessageFrameData(bytes(150)))
        connection.sendMessageFrame(b"more")
        connection.endMessage()
        prepared = host.PreparedMessage(b"prepared", False, True, True)
        connection.sendPreparedMessage(prepared)
        return left, connection.events, state(connection)

    same(run)


def test_the_hosts_generator_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (0x01020304, -1, 2**32, "x"):
        monkeypatch.setattr(random, "getrandbits", lambda _, answer=answer: answer)

        def run() -> Any:
            connection = connect(Setup(server=False))
            return called(lambda: connection.sendFrame(1, b"abc")), connection.events

        same(run)


def test_what_stands_in_the_way_of_a_frame() -> None:
    """Tests of applications put something in the place of these methods."""

    def run() -> Any:
        connection = connect(Setup(server=False))
        collected: list[Any] = []
        connection.sendData = lambda *arguments: collected.append(arguments)
        connection.sendMessage(b"abc")
        connection.sendFrame = lambda **arguments: collected.append(arguments)
        connection.sendMessage(b"abc")
        return collected, state(connection) | {"sendData": 0, "sendFrame": 0}

    same(run)


def test_log_lines_of_the_framework() -> None:
    """txaio's own logger, silent and not."""
    module = sys.modules["txaio.aio" if FRAMEWORK == "asyncio" else "txaio.tx"]

    def run() -> Any:
        lines: list[Any] = []
        connection = connect(Setup())
        connection.log = txaio.make_logger()
        assert connection.log.debug is module._no_op  # noqa: SLF001
        connection.sendMessage(b"abc")
        connection.log.debug = lambda *arguments, **values: lines.append((arguments, values))
        connection.sendMessage(b"abc")
        return lines, connection.events

    lines, _ = same(run)
    assert any("sent {data_len} bytes" in line[0][0] for line in lines)


def test_a_function_that_only_is_named_like_the_silent_one() -> None:
    lines: list[Any] = []

    def _no_op(*arguments: Any, **_: Any) -> None:
        lines.append(arguments)

    fastws.hosts.accelerate("autobahn")
    connection = connect(Setup())
    connection.log.debug = _no_op
    connection.sendMessage(b"abc")
    assert lines


# Piece by piece -------------------------------------------------------------------------------------------------------

_PIECES = [
    [b"abc", b"", b"d"],
    [b"h\xc3", b"\xa9", b"\xf0", b"\x9f", b"\x98", b"\x80", b"!"],
    [b"\xf0\x9f\x98", b"\xff", b"ok", b"more"],
    [b"ab\xff", b"ok", b"\xff", b"ok"],
    [b"a\xed", b"\xa0", b"ok"],
    [b"\xe4\xb8\xad\xe4\xb8", b"", b"x", b"\x80"],
    [b"x" * 100_000 + b"\xc3", b"\xa9\xc3", b"\xff", b"ok"],
    [bytearray(b"ab\xc3"), b"\xa9"],
    [b"ab\xc3", bytearray(b"\xa9")],
    [b"ab\xc3", memoryview(b"\xa9"), b"\xff", b"x"],
    [b"ab", "cd", b"\xff"],
    [b"ab", None, b"\xff"],
    [b"ab", [0x63, 0xFF], b"ok"],
]


@both
@pytest.mark.parametrize("pieces", _PIECES, ids=range(len(_PIECES)))
def test_the_validator(pieces: list[Any]) -> None:
    def run() -> Any:
        validator = host.Utf8Validator()
        results = []
        for _ in range(2):
            results += [called(validator.validate, piece) for piece in pieces]
            validator.reset()
            results.append(called(validator.validate, b"\xc3"))
            validator.reset()
        return results, isinstance(validator, plain)

    plain = host.Utf8Validator
    same(run)


@both
def test_the_validator_byte_by_byte() -> None:
    def run() -> Any:
        validator = host.Utf8Validator()
        if not hasattr(validator, "decode"):
            return None
        states = [validator.validate(b"ab\xe4\xb8"), validator.decode(0xAD)]
        return [*states, validator.validate(b"cd"), validator.decode(0xFF), validator.validate(b"x")]

    same(run)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=5), st.text(max_size=4).map(str.encode)), max_size=6), st.integers(0, 3))
def test_the_validator_and_any_pieces(pieces: list[bytes], size: int) -> None:
    whole = b"".join(pieces)
    cut = [whole[start : start + size] for start in range(0, len(whole), size)] if size else pieces

    def run() -> Any:
        validator = host.Utf8Validator()
        return [called(validator.validate, piece) for piece in cut]

    same(run)


@both
@pytest.mark.parametrize(
    "key",
    [KEY, bytearray(KEY), memoryview(KEY), list(KEY), b"abc", b"abcde", b"", None, "abcd"],
    ids=lambda key: f"{type(key).__name__}-{len(key or ())}",
)
def test_the_masker(key: Any) -> None:
    def run() -> Any:
        results: list[Any] = []
        for lengths in ((), (None,), (5,), (1000,)):
            made: list[Any] = []
            result = called(lambda made=made, lengths=lengths: made.append(host.create_xor_masker(key, *lengths)))
            results.append(result)
            if not made:
                continue
            (masker,) = made
            pieces = (b"", b"abc", bytearray(b"de"), memoryview(b"fgh"), b"x" * 1001, "abc", None, b"yz")
            results += [(called(masker.process, data), masker.pointer()) for data in pieces]
            masker.reset()
            results.append((masker.process(b"again"), masker.pointer()))
        return results

    same(run)


# Putting and putting back ---------------------------------------------------------------------------------------------


@both
def test_connections_that_are_open(adapted: ModuleType) -> None:
    """Accelerated and restored in the middle of a message and of a frame."""
    stream = frame(UNFINISHED_TEXT, b"a\xc3", KEY) + frame(CONT, b"\xa9" + b"b" * 50, KEY) + frame(TEXT, b"c", KEY)
    expected = None
    for switch in (lambda: None, fastws.hosts.restore, lambda: fastws.hosts.accelerate("autobahn")):
        for cut in range(1, len(stream)):
            fastws.hosts.restore()
            if switch is fastws.hosts.restore:
                fastws.hosts.accelerate("autobahn")
            connection = connect(Setup(application="only messages"))
            receive(connection, stream[:cut])
            switch()
            receive(connection, stream[cut:])
            result = connection.events, {name: value for name, value in state(connection).items() if name != "data"}
            expected = expected or result
            assert result == expected
    assert adapted


def test_it_is_put_back() -> None:
    names = ("create_xor_masker", "Utf8Validator")
    before = {name: vars(host)[name] for name in names} | dict(vars(host.WebSocketProtocol))
    fastws.hosts.accelerate("autobahn")
    assert vars(host.WebSocketProtocol)["consumeData"] is not before["consumeData"]
    fastws.hosts.restore()
    assert {name: vars(host)[name] for name in names} | dict(vars(host.WebSocketProtocol)) == before


def test_the_shape_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "Utf8Validator", lambda: None)
        with pytest.raises(fastws.HostError, match="Utf8Validator has been replaced"):
            fastws.hosts.accelerate("autobahn")
    monkeypatch.setattr(host.WebSocketProtocol, "onMessageEnd", lambda _: None)
    with pytest.raises(fastws.HostError, match="onMessageEnd"):
        fastws.hosts.accelerate("autobahn")
    assert "data" not in vars(host.WebSocketProtocol)
