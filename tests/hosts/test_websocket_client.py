"""websocket-client, plain against accelerated: the same script gives the same values, errors, reads and state."""

from __future__ import annotations

import array
import copy
import functools
import gc
import inspect
import os
import socket
import ssl
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import websocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websocket import ABNF, _abnf, _core, _socket, _utils

import fastws.hosts
from cases import each_case
from oracles import frame
from recording import called, failure, same_on, told
from scripted import in_pieces
from scripted_websocket_client import ClientSocket, Reader, connect, play, state
from traffic import BINARY, CLOSE, CONT, PING, TEXT, UNFINISHED_CONT, UNFINISHED_TEXT, frames, streams
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scripted import Event

pytestmark = pytest.mark.usefixtures("adapted")

STREAMS = streams(None)

READERS = (
    Reader(),
    Reader(skip_utf8_validation=True),
    Reader(fire_cont_frame=True),
    Reader("recv_data"),
    Reader("recv_data", (True,), fire_cont_frame=True),
    Reader("recv_data_frame", (True,)),
    Reader("recv_data_frame", (True,), skip_utf8_validation=True, fire_cont_frame=True),
    Reader("recv_frame"),
)

_some_readers = pytest.mark.parametrize("reader", [READERS[0], READERS[4], READERS[7]], ids=str)
_streams = each_case("stream", STREAMS.values(), ids=STREAMS)


def timeouts() -> list[Event]:
    """The rest comes late: a timeout is raised to the caller, who tries again."""
    return [TimeoutError("timed out")]


same = functools.partial(same_on, "websocket-client")


def compare(reader: Reader, *scripts: Sequence[Event]) -> None:
    same(lambda: [play(script, reader) for script in scripts])


@pytest.mark.parametrize("reader", READERS, ids=str)
@_streams
def test_one_piece_and_single_bytes(stream: bytes, reader: Reader) -> None:
    compare(reader, [stream], in_pieces(stream, range(1, len(stream))))


@_some_readers
@_streams
def test_every_split(stream: bytes, reader: Reader) -> None:
    compare(reader, *[in_pieces(stream, [cut]) for cut in range(1, min(len(stream), 40))])


@_some_readers
@_streams
def test_a_timeout_at_every_split(stream: bytes, reader: Reader) -> None:
    compare(reader, *[in_pieces(stream, [cut], timeouts) for cut in range(1, min(len(stream), 40))])


@_some_readers
@_streams
def test_the_end_at_every_byte(stream: bytes, reader: Reader) -> None:
    scripts = [[stream[:end]] for end in range(1, min(len(stream), 40))]
    compare(reader, [], *scripts)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("timed out"),
        TimeoutError(),
        ConnectionResetError(104, "reset by peer"),
        OSError("no number"),
        OSError(9, "bad descriptor"),
        ssl.SSLError("The read operation timed out"),
        ssl.SSLError(1, "bad record"),
        ValueError("not a socket error"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("reader", [Reader(), Reader("recv_data_frame", (True,))], ids=str)
def test_errors_of_the_socket(error: Exception, reader: Reader) -> None:
    stream = frame(TEXT, b"abc")
    scripts = [in_pieces(stream, [cut], lambda: [type(error)(*error.args)]) for cut in range(1, len(stream))]
    compare(reader, [type(error)(*error.args), stream], *scripts)


@pytest.mark.parametrize("size", [125, 126, 127, 16_383, 16_384, 16_385, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_lengths(size: int, first: int) -> None:
    stream = frame(first, b"x" * size) + frame(TEXT, b"y")
    for reader in (Reader(), Reader("recv_data_frame")):
        slow = in_pieces(stream, [2, 4, 5, 9, 10, 11, size, size + 1], timeouts)
        compare(reader, [stream], in_pieces(stream, range(1000, len(stream), 1000)), slow)


@pytest.mark.parametrize("bad", [0, 1, 4095, 4096, 99_999])
def test_invalid_bytes_in_long_text(bad: int) -> None:
    text = bytearray("é".encode() * 50_000)
    text[bad] = 0xFF
    for reader in (Reader(), Reader("recv_data"), Reader(skip_utf8_validation=True)):
        compare(reader, [frame(TEXT, bytes(text))])


def test_many_fragments() -> None:
    """Enough of them for the message to grow in place, with looks at it in between."""
    fragments = [frame(UNFINISHED_CONT, bytes([65 + i % 26]) * 500) for i in range(40)]
    stream = frame(UNFINISHED_TEXT, b"-" * 500) + frame(PING).join(fragments) + frame(CONT, b".")
    for reader in (Reader(), Reader("recv_data"), Reader("recv_data_frame", (True,)), Reader(fire_cont_frame=True)):
        compare(reader, [stream + frame(TEXT, b"x")], in_pieces(stream, range(700, len(stream), 700), timeouts))


# Random traffic -------------------------------------------------------------------------------------------------------


@st.composite
def _scripts(draw: st.DrawFn) -> tuple[bytes, list[int], bool]:
    stream = b"".join(draw(st.lists(frames, min_size=1, max_size=6)))
    cuts = draw(st.lists(st.integers(1, max(1, len(stream) - 1)), max_size=8, unique=True).map(sorted))
    return stream[: draw(st.integers(1, len(stream)))], cuts, draw(st.booleans())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=_scripts(), reader=st.sampled_from(READERS))
def test_random_traffic(script: tuple[bytes, list[int], bool], reader: Reader) -> None:
    stream, cuts, slow = script
    cuts = [cut for cut in cuts if cut < len(stream)]
    compare(reader, in_pieces(stream, cuts, timeouts if slow else list))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(), st.text(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_validate_utf8(data: str | bytes) -> None:
    same(lambda: called(_utils.validate_utf8, data))


# The functions one by one ---------------------------------------------------------------------------------------------

_VALUES: tuple[Any, ...] = (
    b"",
    b"\x01\x02\x03\x04",
    b"\x01\x02\x03",
    b"12345",
    bytes(range(256)),
    bytearray(b"\x01\x02\x03\x04"),
    memoryview(b"\x01\x02\x03\x04"),
    memoryview(b"\x01\x02\x03\x04\x05\x06")[::2],
    array.array("B", b"\x01\x02\x03\x04"),
    array.array("b", b"\x01\x02\x03\x04"),
    array.array("I", [1, 2]),
    "abcd",
    "äbcd",
    "中",
    "",
    None,
    7,
    [1, 2, 3, 4],
)


def test_mask_and_validate_of_anything() -> None:
    def run() -> list[Any]:
        pairs = [(key, data) for key in _VALUES for data in _VALUES]
        masked = [(called(ABNF.mask, key, data), called(vars(_abnf)["_mask"], key, data)) for key, data in pairs]
        return [*masked, *[called(vars(_utils)["_validate_utf8"], data) for data in _VALUES]]

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        for case, (fast, expected) in enumerate(zip(run(), plain, strict=True)):
            assert fast == expected, case


_FLAGS: tuple[Any, ...] = (0, 1, 2, True, False, None, 1.0, 0.0, "1")


def _formatted(frame: ABNF) -> Any:
    return called(frame.format), told(frame)


@each_case("data", [*_VALUES, b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536], ids=lambda _: "")
@pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10, 3, 15, 16, -1, True, 1.0, None], ids=repr)
def test_format(opcode: Any, data: Any) -> None:
    cases: list[dict[str, Any]] = [{"fin": 1}, {"fin": 0}, {"fin": 1, "mask_value": 0}, {"fin": 1, "mask_value": 2}]
    cases += [{"fin": 1, "key": key} for key in (b"abc", b"abcde", "abcd", "äöüß", bytearray(b"abcd"), None, 7)]
    same(lambda: [_formatted(_frame(opcode, data, **case)) for case in cases])


@pytest.mark.parametrize("name", ["fin", "rsv1", "rsv2", "rsv3", "mask_value"])
@pytest.mark.parametrize("flag", _FLAGS, ids=repr)
def test_format_of_odd_flags(name: str, flag: Any) -> None:
    same(lambda: _formatted(_frame(1, b"abc", **{name: flag})))


def _frame(opcode: Any, data: Any, key: Any = KEY, **fields: Any) -> ABNF:
    made = ABNF(opcode=opcode, data=data, **fields)
    made.get_mask_key = lambda _: key
    return made


@pytest.mark.parametrize("size", [0, 1, 2, 3, 16_384, 16_385, True, -1, 1.0, "2", None], ids=repr)
def test_recv_strict(size: Any) -> None:
    """Reads that are short, that give too much, and that give something else."""

    def run() -> Any:
        return [parsed(answers, lambda parser: parser.recv_strict(size)) for answers in ODD_READS]

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


@pytest.mark.parametrize(
    "start", [b"", b"\x81", b"\x81\x02", b"\x81\x7e", b"\x81\x7f", b"\x81\x82", b"\x81\x82abcd", b"\x82\x7e\x80\x00"]
)
def test_recv_frame_of_odd_reads(start: bytes) -> None:
    """A parser that is given its own ``recv``, which answers oddly within a frame."""

    def run() -> Any:
        starts = [[start[:2], start[2:]], [start]] if start else [[]]
        return [
            parsed([*begun, *answers], lambda parser: parser.recv_frame()) for begun in starts for answers in ODD_READS
        ]

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


ODD_READS: list[list[Any]] = [
    [b"ab"],
    [b"a", b"b", b"c"],
    [b"abcd", b"e"],
    [b"", b"ab"],
    [None, b"ab"],
    ["ab", b"ab"],
    [bytearray(b"ab"), b"ab"],
    [memoryview(b"ab"), b"ab"],
    [5, b"ab"],
    [b"x" * 16_384, b"y"],
    [b"x" * 20_000, b"y"],
    [b"x" * 16_384, None],
    [b"x" * 16_384, OSError("lost")],
    [OSError("lost"), b"ab"],
]


def parsed(answers: list[Any], call: Callable[[_abnf.frame_buffer], Any]) -> Any:
    """What three calls gave, what they asked for, and what they left; after the answers comes all that is wanted."""
    asked: list[int] = []
    left = list(answers)

    def recv(n: int) -> Any:
        asked.append(n)
        assert len(asked) < 100
        answer = left.pop(0) if left else b"z" * min(n, 70_000)
        if isinstance(answer, Exception):
            raise type(answer)(*answer.args)
        return answer

    parser = _abnf.frame_buffer(recv, False)
    state_ = ("header", "length", "mask_value", "recv_buffer")
    calls = [(called(call, parser), [told(getattr(parser, name)) for name in state_]) for _ in range(3)]
    return calls, asked


def test_reading_and_writing_a_socket() -> None:
    """Every answer of a real socket: data, nothing yet, timed out, closed here, closed there."""

    def run() -> list[Any]:
        told_: list[Any] = []
        here, there = socket.socketpair()
        with here, there:
            there.sendall(b"abc")
            told_.append(called(_socket.recv, here, 2))
            told_.append(called(_socket.recv, here, 2))
            for timeout in (0.01, 0):
                here.settimeout(timeout)
                told_.append(called(_socket.recv, here, 2))
            told_ += [called(_socket.send, here, data) for data in (b"ab", "äb", bytearray(b"c"), b"")]
            here.settimeout(0.01)
            block = b"x" * (1 << 20)
            while (sent := called(_socket.send, here, block))[0] == "returned":
                pass
            told_.append(sent)
            here.settimeout(None)
            there.close()
            told_ += [called(_socket.send, here, b"x"), called(_socket.recv, here, 2)]
        told_ += [called(_socket.recv, here, 2), called(_socket.send, here, b"x")]
        told_ += [called(_socket.recv, None, 2), called(_socket.send, None, b"x")]
        return told_

    same(run)


def test_an_error_keeps_no_cycle_alive() -> None:
    """A read that fails leaves nothing for the garbage collector: not the exception, not the frames it passed."""
    raised: list[weakref.ref[Exception]] = []

    class LostError(OSError):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            raised.append(weakref.ref(self))

    connection = connect(ClientSocket([LostError("gone")]), Reader())
    gc.disable()
    try:
        with fastws.hosts.accelerated("websocket-client"):
            assert called(connection.recv)[0] == "raised"
        assert raised[-1]() is None
    finally:
        gc.enable()


# What people override, patch and switch on ----------------------------------------------------------------------------


def _messages(connection: websocket.WebSocket, count: int) -> list[Any]:
    return [called(connection.recv) for _ in range(count)]


def test_overridden_methods_are_called() -> None:
    calls: list[str] = []

    class Mine(websocket.WebSocket):
        def recv_frame(self) -> Any:
            calls.append("recv_frame")
            received: Any = super().recv_frame()  # type: ignore[no-untyped-call]
            received.data = received.data.upper()
            return received

        def recv_data_frame(self, control_frame: bool = False) -> Any:
            calls.append("recv_data_frame")
            return super().recv_data_frame(control_frame)

        def recv_data(self, control_frame: bool = False) -> Any:
            calls.append("recv_data")
            return super().recv_data(control_frame)

        def pong(self, payload: str | bytes = "") -> None:
            calls.append("pong")
            super().pong(payload)

        def _recv(self, bufsize: int) -> Any:
            calls.append("_recv")
            return super()._recv(bufsize)  # type: ignore[no-untyped-call]

    def run() -> Any:
        calls.clear()
        stream = frame(TEXT, b"ab") + frame(PING, b"c") + frame(UNFINISHED_TEXT, b"d") + frame(CONT, b"e")
        peer = ClientSocket([stream])
        return _messages(connect(peer, Reader(), Mine), 2), list(calls), peer.sent

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


def _odd_frame(opcode: int, data: Any) -> ABNF:
    return ABNF(1, 0, 0, 0, opcode, 0, data)


@pytest.mark.parametrize(
    "result",
    [None, b"bytes", _odd_frame(1, "str"), _odd_frame(1, bytearray(b"a")), _odd_frame(2, bytearray(b"a"))],
    ids=["None", "bytes", "str", "bytearray as text", "bytearray"],
)
def test_odd_frames_from_an_overridden_method(result: Any) -> None:
    class Mine(websocket.WebSocket):
        def recv_frame(self) -> Any:
            return result

    def run() -> Any:
        connection = Mine()
        return called(connection.recv), called(connection.recv_data_frame, True), state(connection)

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


def test_subclasses_of_the_parser_and_the_assembler() -> None:
    class Parser(_abnf.frame_buffer):
        def recv_header(self) -> None:
            super().recv_header()
            assert self.header is not None
            self.header = (1, *self.header[1:])

    class Assembler(_abnf.continuous_frame):
        def extract(self, frame: ABNF) -> Any:
            opcode, frame = super().extract(frame)
            assert isinstance(frame.data, bytes)
            frame.data = frame.data[::-1]
            return opcode, frame

    def run() -> Any:
        connection = connect(ClientSocket([frame(0x01, b"ab") + frame(TEXT, b"cd")]), Reader())
        connection.frame_buffer = Parser(connection.frame_buffer.recv, False)
        connection.cont_frame = Assembler(False, False)
        return _messages(connection, 3), state(connection)

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


def test_patched_module_functions_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        asked: list[Any] = []

        def recv(sock: Any, bufsize: int) -> Any:
            asked.append(bufsize)
            if data := sock.recv(bufsize):
                return data
            raise EOFError

        def send(_: Any, data: bytes) -> int:
            asked.append(data)
            return len(data)

        with monkeypatch.context() as patched:
            patched.setattr(_core, "recv", recv)
            patched.setattr(_core, "send", send)
            patched.setattr(_abnf, "validate_utf8", lambda data: data == b"\xff")
            stream = frame(BINARY, b"ab") + frame(PING) + frame(TEXT, b"\xff") + frame(TEXT, b"\xfe")
            return _messages(connect(ClientSocket([stream]), Reader()), 4), asked

    plain = run()
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


def test_masking_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program sets, and a patched ``os.urandom``, are asked; otherwise each frame has a key of its own."""
    fastws.hosts.accelerate("websocket-client")
    peer = ClientSocket([])
    connection = connect(peer, Reader())

    def sent(data: str | bytes) -> bytes:
        connection.send(data)
        return peer.sent[-1]

    connection.get_mask_key = None
    assert len({sent("text")[2:6] for _ in range(50)}) == 50
    connection.get_mask_key = lambda n: b"\x00" * n
    assert sent("text") == b"\x81\x84\x00\x00\x00\x00text"
    connection.get_mask_key = None
    monkeypatch.setattr(os, "urandom", lambda n: b"\x01" * n)
    assert sent(b"\x00") == b"\x81\x81\x01\x01\x01\x01\x01"


def test_trace_log(caplog: pytest.LogCaptureFixture) -> None:
    def run() -> Any:
        caplog.clear()
        websocket.enableTrace(True, handler=caplog.handler)
        try:
            connection = connect(ClientSocket([frame(TEXT, b"ab") + frame(PING, b"c") + frame(CLOSE)]), Reader())
            connection.send("héllo")
            messages = _messages(connection, 2)
        finally:
            websocket.enableTrace(False)
        return messages, [record.getMessage() for record in caplog.records]

    plain = run()
    assert len(plain[1]) > 6
    with fastws.hosts.accelerated("websocket-client"):
        assert run() == plain


def test_a_connection_keeps_its_place_across_the_switch() -> None:
    """Accelerated and restored in the middle of a header, a payload and a message of many fragments."""
    long = frame(UNFINISHED_CONT, b"x" * 3000)
    stream = frame(TEXT, "héllo".encode()) + frame(UNFINISHED_TEXT, b"y" * 3000) + long * 3 + frame(CONT, b"!")
    cuts = [1, 2, 5, 8, 11, 20, 4000, 7000, 9000, 12_000]

    def run(switch: Callable[[int], object]) -> Any:
        connection = connect(ClientSocket(in_pieces(stream, cuts, timeouts)), Reader())
        told_ = []
        for call in range(len(cuts) + 2):
            switch(call)
            told_.append((called(connection.recv), state(connection)))
        return told_

    plain = run(lambda _: None)
    switches = (fastws.hosts.restore, lambda: fastws.hosts.accelerate("websocket-client"))
    assert run(lambda call: switches[call % 2]()) == plain
    assert run(lambda call: switches[call // 2 % 2]()) == plain


def test_an_unfinished_message_looks_like_a_list() -> None:
    """``cont_data`` of a long message reads as it always did: indexes, slices, unpacking, equality, repr, copies."""
    fastws.hosts.accelerate("websocket-client")
    assembler = _abnf.continuous_frame(False, False)
    data = b"x" * 5000
    for opcode in (1, 0, 0):
        assembler.add(ABNF(0, 0, 0, 0, opcode, 0, data))
    message = assembler.cont_data
    assert message is not None
    opcode, gathered = message
    assert (opcode, gathered) == (1, data * 3)
    assert {type(message[1]), type(gathered), type(message[-1]), type(message[:][1])} == {bytes}
    assert message == [1, data * 3]
    assert isinstance(message, list)
    assert len(message) == 2
    assert repr(message) == repr([1, data * 3])
    assert type(copy.copy(message)) is list
    assert list(message) == [1, data * 3]
    message[1] += b"y"
    assembler.add(ABNF(1, 0, 0, 0, 0, 0, b"z"))
    assert assembler.cont_data == [1, data * 3 + b"yz"]


def test_replacements_look_like_what_they_replace() -> None:

    def functions() -> list[Any]:
        return [websocket.WebSocket.recv, ABNF.format, ABNF.mask, _abnf.frame_buffer.recv_frame, _socket.recv]

    def look(function: Any) -> Any:
        names = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__annotations__")
        return [getattr(function, name) for name in names], inspect.signature(function)

    plain = functions()
    with fastws.hosts.accelerated("websocket-client"):
        for fast, expected in zip(functions(), plain, strict=True):
            assert fast is not expected
            assert look(fast) == look(expected)


def test_failures_are_compared_with_their_causes() -> None:
    """The comparison above would notice a cause that is missing."""
    alone, caused = OSError("second"), OSError("second")
    caused.__cause__ = ValueError("first")
    assert failure(caused) != failure(alone)
