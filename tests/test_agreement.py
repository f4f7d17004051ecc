"""Agreement: the native twin, on each kernel, against the pure one, which is the specification.

Value, exception type, exception text and the state left behind: for every function over every kind of argument, and
for every decoder at every cut of every stream. What the right answer is, the tests of the stages say.

Left out is only what the interpreter itself words: too many or too few arguments (its type is compared), and the text
of an attempt to change a value.
"""

from __future__ import annotations

import array
import ctypes
import io
import mmap
import pickle
import sys
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws import CloseCode, Opcode, ProtocolError, Role
from oracles import frame, header, noise
from outcomes import outcome, plain
from vectors import ALPHABETS, BAD_TEXTS, KEY, ROLES, STREAMS, LyingBytes, LyingText, bytewise, cuts, key_for, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    Twins = Callable[[], Iterator[ModuleType]]


class Kept(NamedTuple):
    """What a caller makes of a message."""

    kind: str
    data: str | bytes
    mark: str


# Kinds of arguments ---------------------------------------------------------------------------------------------------


class _ByteArray(bytearray):
    """A subclass without a say."""


class _Index:
    """A number by ``__index__`` alone; or one that refuses to be."""

    def __init__(self, number: int | None) -> None:
        self.number = number

    def __index__(self) -> int:
        if self.number is None:
            raise ArithmeticError("no number")
        return self.number

    def __repr__(self) -> str:
        return f"Index({self.number})"


def _released(data: bytes) -> memoryview:
    view = memoryview(data)
    view.release()
    return view


def _mapped(data: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, max(len(data), 1))
    memory[: len(data)] = data
    return memory


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)


def _array(code: str, data: bytes) -> Any:
    return array.array(code, _padded(data, 8))


_BUFFERS: dict[str, Callable[[bytes], Any]] = {
    "bytes": lambda data: data,
    "bytes subclass": LyingBytes,
    "bytearray": bytearray,
    "bytearray subclass": _ByteArray,
    "view of bytes": memoryview,
    "view of bytearray": lambda data: memoryview(bytearray(data)),
    "view of view": lambda data: memoryview(memoryview(data)),
    "read-only view": lambda data: memoryview(bytearray(data)).toreadonly(),
    "slice": lambda data: memoryview(b"abc" + data + b"abc")[3:-3],
    "slice of bytearray": lambda data: memoryview(bytearray(b"abc" + data + b"abc"))[3:-3],
    "every second byte": lambda data: memoryview(bytearray(data))[::2],
    "backwards": lambda data: memoryview(bytearray(data))[::-1],
    "strided, one item": lambda data: memoryview(bytearray(data))[:2:2],
    "strided, empty": lambda data: memoryview(bytearray(data))[:0:2],
    "format c": lambda data: memoryview(bytearray(data)).cast("c"),
    "format b": lambda data: memoryview(bytearray(data)).cast("b"),
    "format @B": lambda data: memoryview(bytearray(data)).cast("@B"),
    "format ?": lambda data: memoryview(bytearray(data)).cast("?"),
    "format H": lambda data: memoryview(bytearray(_padded(data, 2))).cast("H"),
    "two dimensions": lambda data: memoryview(bytearray(_padded(data + b"x", 4))).cast("B", (1 + len(data) // 4, 4)),
    "no dimension": lambda data: memoryview(bytearray(_padded(data + b"x", 4)[:4])).cast("I", ()),
    "ctypes char": lambda data: (ctypes.c_char * len(data)).from_buffer_copy(data),
    "ctypes ubyte": lambda data: (ctypes.c_ubyte * len(data)).from_buffer_copy(data),
    "ctypes byte": lambda data: (ctypes.c_byte * len(data)).from_buffer_copy(data),
    "ctypes uint16": lambda data: (ctypes.c_uint16 * len(data)).from_buffer_copy(data * 2),
    "ctypes two dimensions": lambda data: ((ctypes.c_ubyte * 2) * len(data))(),
    "ctypes scalar": lambda data: ctypes.c_uint32(len(data)),
    "mmap": _mapped,
    "PickleBuffer": pickle.PickleBuffer,
    "released": _released,
    **{f"array {code}": partial(_array, code) for code in "bBhHiIlLqQfd"},
}

_OTHERS: dict[str, Callable[[bytes], Any]] = {
    "None": lambda _: None,
    "str": lambda _: "text",
    "str subclass": lambda _: LyingText("schön"),
    "int": len,
    "float": lambda _: 1.5,
    "bool": lambda _: True,
    "list": list,
    "tuple": tuple,
    "set": set,
    "object": lambda _: object,
    "BytesIO itself": io.BytesIO,
    "a class": lambda _: bytes,
}

if sys.version_info >= (3, 12):

    class _Exporter:
        """A buffer made in Python (PEP 688)."""

        def __init__(self, data: bytes) -> None:
            self.data = bytearray(data)

        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(self.data)

    class _Refuser:
        def __buffer__(self, flags: int) -> memoryview:
            raise BufferError("not today")

    _BUFFERS["__buffer__"] = _Exporter
    _BUFFERS["__buffer__ refused"] = lambda _: _Refuser()

_ARGUMENTS = {**_BUFFERS, **_OTHERS}
_INDICES = (0, 1, 3, 4, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 2**70, True, False)
_NO_INDICES = (None, "1", 1.0, b"\1", [1], _Index(2), _Index(2**70), _Index(-1), _Index(None))
_NUMBERS = (*_INDICES, *_NO_INDICES)


def _left(argument: object) -> object:
    """What a call has left of a buffer: its bytes, and whether it was given back."""
    if isinstance(argument, bytearray):
        size = bytearray.__len__(argument)
        argument.append(0)
        return bytes(argument), size
    try:
        return memoryview(argument).tobytes()  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        return None


def _done(codec: ModuleType, call: Callable[..., object], argument: object) -> Any:
    """What a call did, and what it has left of its argument."""
    return outcome(call, codec, argument), _left(argument)


# Functions over kinds of arguments ------------------------------------------------------------------------------------


def _parser(codec: Any, **options: Any) -> Any:
    """One that makes the tuples of ``Kept``."""
    return codec.MessageParser(Kept, "text", "binary", ("!",), **{"role": None, "max_frame_size": None, **options})


def _delivered(parser: Any, data: Any) -> Any:
    """What is delivered of ``data``, with its types, and what ``deliver`` tells."""
    told: list[Any] = []
    taken = parser.deliver(data, lambda *given: told.append(given))
    return taken, [(type(message), tuple(message), size) for message, size in told]


# Each call takes the codec and the one argument that varies.
_CALLS: dict[str, Callable[[Any, Any], object]] = {
    "mask data": lambda codec, each: codec.mask(each, KEY, 1),
    "mask key": lambda codec, each: codec.mask(b"some data", each),
    "mask_inplace buffer": lambda codec, each: codec.mask_inplace(each, KEY, 3),
    "mask_inplace key": lambda codec, each: codec.mask_inplace(bytearray(b"some data"), each),
    "is_utf8": lambda codec, each: codec.is_utf8(each),
    "Utf8Validator.feed": lambda codec, each: codec.Utf8Validator().feed(each),
    "decode_text data": lambda codec, each: codec.decode_text(each),
    "decode_text masked": lambda codec, each: codec.decode_text(each, KEY, 2),
    "decode_text key": lambda codec, each: codec.decode_text(b"text", each),
    "encode_text text": lambda codec, each: codec.encode_text(each),
    "encode_text key": lambda codec, each: codec.encode_text("schön", each),
    "parse_header": lambda codec, each: codec.parse_header(each),
    "parse_frame": lambda codec, each: codec.parse_frame(each, role=None, max_frame_size=None),
    "parse_frame decode": lambda codec, each: codec.parse_frame(each, role=None, max_frame_size=None, decode=True),
    "parse_frame role": lambda codec, each: codec.parse_frame(b"\x81\x00", role=each, max_frame_size=None),
    "parse_messages": lambda codec, each: codec.parse_messages(each, role=None, max_frame_size=None),
    "parse_messages decode": lambda codec, each: codec.parse_messages(
        each, role=None, max_frame_size=None, decode=True
    ),
    "MessageParser.parse": lambda codec, each: _parser(codec).parse(each, 0, 2**31),
    "MessageParser.deliver": lambda codec, each: _delivered(_parser(codec), each),
    "MessageParser record": lambda codec, each: codec.MessageParser(each, 1, 2, role=None, max_frame_size=None),
    "MessageParser more": lambda codec, each: len(
        codec.MessageParser(tuple, 1, 2, each, role=None, max_frame_size=None).parse(b"\x81\x01x", 0, 9)[0][0][0]
    ),
    "encode_header key": lambda codec, each: codec.encode_header(1, 5, key=each),
    "encode_frame payload": lambda codec, each: codec.encode_frame(2, each),
    "encode_frame masked": lambda codec, each: codec.encode_frame(1, each, key=KEY),
    "encode_frame control": lambda codec, each: codec.encode_frame(9, each),
    "encode_frame key": lambda codec, each: codec.encode_frame(1, "text", key=each),
    "encode_message data": lambda codec, each: codec.encode_message(each, Role.SERVER),
    "encode_message masked": lambda codec, each: codec.encode_message(each, Role.CLIENT, key=KEY),
    "encode_message key": lambda codec, each: codec.encode_message("text", Role.SERVER, key=each),
    "FrameDecoder.feed": lambda codec, each: codec.FrameDecoder(Role.CLIENT, max_frame_size=None).feed(each),
    "MessageDecoder.feed": lambda codec, each: codec.MessageDecoder(Role.CLIENT, max_message_size=None).feed(each),
    "FrameDecoder role": lambda codec, each: codec.FrameDecoder(each, max_frame_size=None),
    "MessageDecoder role": lambda codec, each: codec.MessageDecoder(each, max_message_size=None),
    "encode_message role": lambda codec, each: codec.encode_message("text", each),
    "Frame payload": lambda codec, each: codec.Frame(1, each),
    "Message data": lambda codec, each: codec.Message(each),
    "Ping data": lambda codec, each: codec.Ping(each),
    "Pong data": lambda codec, each: codec.Pong(each),
    "Close reason": lambda codec, each: codec.Close(1000, each),
}

_CONTENTS = (b"", b"abc", b"\x81\x05Hello\x01", b"schon: \xc3\xa9", KEY, b"\xed\xa0\x80bad", noise(150))


@pytest.mark.parametrize("name", list(_CALLS))
def test_kinds_of_arguments(pure: ModuleType, twin: ModuleType, name: str) -> None:
    call = _CALLS[name]
    for kind, make in _ARGUMENTS.items():
        for content in _CONTENTS:
            # The argument is made anew for each twin: a call may write to it.
            assert _done(twin, call, make(content)) == _done(pure, call, make(content)), (kind, content)


def _set_streaming(codec: Any, streaming: object) -> object:
    decoder = codec.MessageDecoder(Role.CLIENT, max_message_size=None)
    decoder.streaming = streaming
    return decoder.streaming, decoder.feed(b"\x02\x01H\x80\x01e")


# Each call takes the codec and the one number that varies.
_NUMBER_CALLS: dict[str, Callable[[Any, Any], object]] = {
    "mask phase": lambda codec, each: codec.mask(b"some data", KEY, each),
    "mask_inplace phase": lambda codec, each: codec.mask_inplace(bytearray(b"some data"), KEY, each),
    "mask_inplace phase, view": lambda codec, each: codec.mask_inplace(memoryview(bytearray(9)), KEY, each),
    "decode_text phase": lambda codec, each: codec.decode_text(b"text", None, each),
    "decode_text phase, masked": lambda codec, each: codec.decode_text(b"\x43\x9fYI", KEY, each),
    "Utf8Validator.feed final": lambda codec, each: codec.Utf8Validator().feed(b"\xc3", each),
    "parse_header offset": lambda codec, each: codec.parse_header(b"\x81\x05Hello", each),
    "parse_header minimal_length": lambda codec, each: codec.parse_header(b"\x81\x7e\0\5", minimal_length=each),
    "parse_frame offset": lambda codec, each: codec.parse_frame(b"\x81\x05Hello", each, role=None, max_frame_size=None),
    "parse_frame offset in a bytearray": lambda codec, each: codec.parse_frame(
        bytearray(b"\x81\x05Hello"), each, role=None, max_frame_size=None
    ),
    "parse_frame max_frame_size": lambda codec, each: codec.parse_frame(
        b"\x81\x05Hello", role=None, max_frame_size=each
    ),
    "parse_frame options": lambda codec, each: codec.parse_frame(
        b"\x81\x7e\0\5Hello", role=None, max_frame_size=None, decode=each, minimal_length=each
    ),
    "parse_frame payload_as": lambda codec, each: codec.parse_frame(
        b"\x81\x05Hello", role=None, max_frame_size=None, payload_as=each
    ),
    "parse_messages offset": lambda codec, each: codec.parse_messages(
        b"\x81\x05Hello", each, role=None, max_frame_size=None
    ),
    "MessageParser offset": lambda codec, each: _parser(codec).parse(b"\x81\x05Hello", each, 9),
    "MessageParser room": lambda codec, each: _parser(codec).parse(b"\x81\x05Hello" * 3, 0, each),
    "MessageParser overhead": lambda codec, each: _parser(codec, overhead=each).parse(b"\x81\x05Hello" * 3, 0, 9),
    "MessageParser max_frame_size": lambda codec, each: _parser(codec, max_frame_size=each).parse(b"\x81\5Hello", 0, 9),
    "parse_messages rsv1": lambda codec, each: codec.parse_messages(
        b"\xc1\x01a\x81\x01b", role=None, max_frame_size=None, rsv1=each
    ),
    "encode_header opcode": lambda codec, each: codec.encode_header(each, 5),
    "encode_header length": lambda codec, each: codec.encode_header(2, each),
    "encode_header length of a ping": lambda codec, each: codec.encode_header(9, each),
    "encode_header fin": lambda codec, each: codec.encode_header(1, 0, fin=each, rsv1=each, rsv2=each, rsv3=each),
    "encode_frame opcode": lambda codec, each: codec.encode_frame(each, b""),
    "encode_frame fin": lambda codec, each: codec.encode_frame(9, b"", fin=each),
    "FrameDecoder max_frame_size": lambda codec, each: codec.FrameDecoder(Role.CLIENT, max_frame_size=each).feed(
        b"\x82\x05Hello"
    ),
    "FrameDecoder options": lambda codec, each: codec.FrameDecoder(
        Role.CLIENT, max_frame_size=None, rsv1=each, rsv2=each, rsv3=each, minimal_length=each
    ).feed(b"\xf2\x7e\0\5Hello"),
    "MessageDecoder max_message_size": lambda codec, each: codec.MessageDecoder(
        Role.CLIENT, max_message_size=each
    ).feed(b"\x82\x05Hello"),
    "MessageDecoder options": lambda codec, each: codec.MessageDecoder(
        Role.CLIENT, max_message_size=None, rsv1=each, streaming=each, minimal_length=each
    ).feed(b"\x42\x7e\0\5Hello"),
    "MessageDecoder streaming": lambda codec, each: _set_streaming(codec, each),
    "MessageDecoder max_fragments": lambda codec, each: codec.MessageDecoder(
        Role.CLIENT, max_message_size=None, max_fragments=each
    ).feed(b"\x02\x01H\x80\x01e"),
    "MessageDecoder max_frame_size": lambda codec, each: codec.MessageDecoder(
        Role.CLIENT, max_message_size=None, max_frame_size=each
    ).feed(b"\x02\x01H\x80\x02ey"),
    "Frame opcode": lambda codec, each: codec.Frame(each, b""),
    "Frame flags": lambda codec, each: codec.Frame(1, b"", each, each, each, each),
    "Message opcode": lambda codec, each: codec.Message(b"", each),
    "Close code": lambda codec, each: codec.Close(each),
    "Close code, sent": lambda codec, each: codec.encode_message(codec.Close(each, "why"), Role.SERVER),
    "Close code, sent alone": lambda codec, each: codec.encode_message(codec.Close(each), Role.SERVER),
    "FrameHeader length": lambda codec, each: codec.FrameHeader(True, False, False, False, 1, None, each, 2),
    "FrameHeader opcode": lambda codec, each: codec.FrameHeader(True, False, False, False, each, None, 0, 2),
    "FrameHeader size": lambda codec, each: codec.FrameHeader(True, False, False, False, 1, None, 0, each),
    "FrameHeader flags": lambda codec, each: codec.FrameHeader(each, each, each, each, 1, None, 0, 2),
    "FrameHeader key": lambda codec, each: codec.FrameHeader(True, False, False, False, 1, each, 0, 2),
}


@pytest.mark.parametrize("name", list(_NUMBER_CALLS))
def test_kinds_of_numbers(pure: ModuleType, twin: ModuleType, name: str) -> None:
    for number in (*_NUMBERS, 2, 8, 9, 10, 15, 16, 125, 126, 1000, 1005, CloseCode.GOING_AWAY, Opcode.BINARY, "x", ""):
        assert outcome(_NUMBER_CALLS[name], twin, number) == outcome(_NUMBER_CALLS[name], pure, number), number


# Several wrong arguments at once: both twins complain about the same one.
_MIXES: dict[str, tuple[Callable[..., object], tuple[Sequence[Any], ...]]] = {
    "mask": (
        lambda codec, *args: codec.mask(*args),
        ((b"data", "x", memoryview(b"abcd")[::2]), (KEY, b"", None, memoryview(b"abcdefgh")[::2]), (0, 9, "x")),
    ),
    "mask_inplace": (
        lambda codec, *args: codec.mask_inplace(*args),
        (
            (memoryview(bytearray(4)), b"read-only", None, memoryview(bytearray(8))[::2], memoryview(b"1234")[::2]),
            (KEY, b"", None, memoryview(b"abcdefgh")[::2]),
            (0, 9, "x"),
        ),
    ),
    "decode_text": (
        lambda codec, *args: codec.decode_text(*args),
        ((b"data", b"\xff", b"\xc3", "x", memoryview(b"abcd")[::2]), (None, KEY, b"", 1), (0, 9, "x")),
    ),
    "encode_text": (lambda codec, *args: codec.encode_text(*args), (("x", "\ud800", b"x"), (None, KEY, b"", 1))),
    "parse_header": (
        lambda codec, *args: codec.parse_header(*args),
        ((b"\x81\x00", b"\x81", b"\x82\x7e\0\0", b"\x82\x7f" + b"\xff" * 8, None), (0, 1, 2, 3, -1, "x")),
    ),
    "parse_frame": (
        lambda codec, data, offset, role, size, payload_as: codec.parse_frame(
            data, offset, role=role, max_frame_size=size, decode=True, payload_as=payload_as
        ),
        (
            (b"\x81\x02ab", bytearray(b"\x82\x02ab"), b"\x81\x02a\xff", b"\x81\x7e\0\2ab", b"\x81\x80", "x"),
            (0, 5, "x"),
            (Role.CLIENT, Role.SERVER, None, "x"),
            (None, 1, -1, "x"),
            ("bytes", "bytearray", "str", None),
        ),
    ),
    "parse_messages": (
        lambda codec, data, offset, role, size, payload_as: codec.parse_messages(
            data, offset, role=role, max_frame_size=size, decode=True, payload_as=payload_as
        ),
        (
            (b"\x81\x02ab\x82\x02ab", bytearray(b"\x82\x02ab"), b"\x81\x02a\xff", b"\x82\x7e\0\2ab", "x"),
            (0, 4, 9, "x"),
            (Role.CLIENT, Role.SERVER, None, "x"),
            (None, 1, -1, "x"),
            ("bytes", "bytearray", "str", None),
        ),
    ),
    "MessageParser": (
        lambda codec, record, more, role, size, overhead: codec.MessageParser(
            record, 1, 2, more, role=role, max_frame_size=size, overhead=overhead
        ).parse(b"\x81\2ab\x82\2ab", 0, 99),
        (
            (tuple, Kept, list, "x", type(sys.flags)),
            ((), [3], None),
            (Role.CLIENT, Role.SERVER, None, "x"),
            (None, 1, -1, "x"),
            (0, 65_535, 65_536, -1, "x"),
        ),
    ),
    "MessageParser.parse": (
        lambda codec, data, offset, room: _parser(codec).parse(data, offset, room),
        (
            (b"\x81\x02ab\x82\x02ab", bytearray(b"\x82\x02ab"), b"\x81\x02a\xff", b"\x82\x7e\0\2ab", "x"),
            (0, 4, 9, -1, "x", None),
            (2**70, 2, 1, 0, -1, -(2**70), "x", None),
        ),
    ),
    "encode_header": (
        lambda codec, opcode, length, fin, key: codec.encode_header(opcode, length, fin=fin, key=key),
        ((1, 9, 3, "x"), (0, 126, -1, 2**63, "x"), (True, False), (None, KEY, b"", 1)),
    ),
    "encode_frame": (
        lambda codec, opcode, payload, fin, key: codec.encode_frame(opcode, payload, fin=fin, key=key),
        ((1, 9, 3, "x"), (b"", "x" * 126, b"x" * 126, "\ud800", None), (True, False), (None, KEY, b"", 1)),
    ),
    "encode_message": (
        lambda codec, data, role, key: codec.encode_message(data, role, key=key),
        ((b"x", "x", "\ud800", None, 5), (Role.SERVER, Role.CLIENT, "client"), (KEY, b"", 1)),
    ),
    "encode_message of a control frame": (
        lambda codec, data, role, key: codec.encode_message(codec.Ping(data), role, key=key),
        ((b"x", b"x" * 126), (Role.SERVER, Role.CLIENT, "client"), (KEY, b"", 1)),
    ),
    "encode_message of a close": (
        lambda codec, code, reason, role, key: codec.encode_message(codec.Close(code, reason), role, key=key),
        ((1000, 1005, 1), ("", "x", "x" * 124, "\ud800"), (Role.SERVER, "client"), (None, KEY)),
    ),
    "FrameDecoder": (
        lambda codec, role, size: codec.FrameDecoder(role, max_frame_size=size).buffered,
        ((Role.SERVER, "server"), (None, 0, -1, "x")),
    ),
    "MessageDecoder": (
        lambda codec, role, size, fragments, text_as: (
            codec.MessageDecoder(role, max_message_size=size, max_fragments=fragments, text_as=text_as).buffered
        ),
        ((Role.SERVER, "server"), (None, 0, -1, "x"), (None, -1, "x"), ("str", "bytes", "x", None)),
    ),
    "Frame": (lambda codec, *args: codec.Frame(*args), ((1, 3, "x"), (b"", "x", None), (True, "", []))),
    "Message": (lambda codec, *args: codec.Message(*args), (("x", b"x", None, 5), (None, 1, 2, 3, "x"))),
}


@pytest.mark.parametrize("name", list(_MIXES))
def test_which_argument_is_refused_first(pure: ModuleType, twin: ModuleType, name: str) -> None:
    call, choices = _MIXES[name]
    for arguments in product(*choices):
        assert outcome(call, twin, *arguments) == outcome(call, pure, *arguments), arguments


_FUNCTIONS = (
    *("mask", "mask_inplace", "is_utf8", "decode_text", "encode_text", "parse_header", "encode_header"),
    *("parse_frame", "parse_messages"),
    *("encode_frame", "encode_message", "new_key", "kernel_name", "available_kernels"),
    *("Utf8Validator", "FrameDecoder", "MessageDecoder", "MessageParser"),
    *("FrameHeader", "Frame", "Message", "Ping", "Pong", "Close"),
)


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_too_many_and_unknown_arguments(pure: ModuleType, twin: ModuleType, name: str) -> None:
    """The interpreter words these: that they are refused, and as what, is the same."""
    for args, kwargs in (
        ((), {}),
        ((b"",), {}),
        ((b"",) * 12, {}),
        ((b"", KEY), {"unknown": 1}),
        ((b"",), {"data": b""}),
        ((), {"data": b"", "key": KEY}),
        ((), {"text": ""}),
        ((), {"buffer": bytearray(), "key": KEY, "phase": 1}),
        ((Role.CLIENT, None), {}),
    ):
        expected, got = (outcome(getattr(codec, name), *args, **kwargs) for codec in (pure, twin))
        if name in ("new_key", "kernel_name", "available_kernels") and not args and not kwargs:
            continue
        assert got[0] == expected[0], (args, kwargs)
        if got[0] == "raised":
            assert got[1][0] is expected[1][0], (args, kwargs)


# Functions over lengths and offsets -----------------------------------------------------------------------------------

_BODIES = {
    "ascii": sample("ascii", 400).encode(),
    "mixed": "".join(sample(alphabet, 40) for alphabet in ALPHABETS).encode(),
    "noise": noise(400),
}
_LENGTH_CALLS: dict[str, Callable[[Any, Any], object]] = {
    "mask": lambda codec, view: codec.mask(view, KEY, len(view) & 3),
    "is_utf8": lambda codec, view: codec.is_utf8(view),
    "decode_text": lambda codec, view: codec.decode_text(view),
    "decode_text masked": lambda codec, view: codec.decode_text(view, b"\0\0\1\0", len(view) & 3),
    "parse_header": lambda codec, view: codec.parse_header(view),
    "parse_frame": lambda codec, view: codec.parse_frame(view, role=None, max_frame_size=None),
    "parse_frame decode": lambda codec, view: codec.parse_frame(
        header(0x81, len(view), KEY) + bytes(view), role=Role.SERVER, max_frame_size=None, decode=True
    ),
    "parse_messages": lambda codec, view: codec.parse_messages(view, role=None, max_frame_size=None),
    "MessageParser.deliver": lambda codec, view: _delivered(_parser(codec), header(0x81, len(view), KEY) + bytes(view)),
    "encode_frame": lambda codec, view: codec.encode_frame(2, view, key=KEY),
    "encode_message": lambda codec, view: codec.encode_message(view, Role.SERVER),
    "decode whole": lambda codec, view: codec.FrameDecoder(Role.CLIENT, max_frame_size=None).feed(view),
}


_KERNEL_CALLS = ("mask", "is_utf8", "decode_text", "decode_text masked", "encode_frame")


@pytest.mark.parametrize("name", list(_LENGTH_CALLS))
@pytest.mark.parametrize("body", list(_BODIES))
def test_every_offset_and_length(pure: ModuleType, twins: Twins, body: str, name: str) -> None:
    """All of them for one body and what the kernels do; every few for the rest."""
    call = _LENGTH_CALLS[name]
    view = memoryview(_BODIES[body])
    step = 1 if body == "mixed" and name in _KERNEL_CALLS else 7
    for offset in range(64):
        for n in range(offset % step, 301, step):
            piece = view[offset : offset + n]
            expected = outcome(call, pure, piece)
            for twin in twins():
                assert outcome(call, twin, piece) == expected, (twin.kernel_name(), offset, n)


def test_inplace_every_offset_and_length(pure: ModuleType, twin: ModuleType) -> None:
    ours, theirs = bytearray(noise(400)), bytearray(noise(400))
    for offset in range(64):
        for n in range(301):
            phase = (offset + n) & 3
            expected = pure.mask_inplace(memoryview(ours)[offset : offset + n], KEY, phase)
            assert twin.mask_inplace(memoryview(theirs)[offset : offset + n], KEY, phase) == expected
        assert theirs == ours


def test_validator_every_offset_and_length(pure: ModuleType, twin: ModuleType) -> None:
    """Fed piece after piece of a text that goes bad at its end: offset, completeness and error after each."""
    text = memoryview(_BODIES["mixed"][:301] + b"\xed\xa0")
    for n in range(1, 302):
        ours, theirs = pure.Utf8Validator(), twin.Utf8Validator()
        for start in range(0, len(text), n):
            piece = text[start : start + n]
            expected = outcome(ours.feed, piece)
            assert outcome(theirs.feed, piece) == expected
            assert _validator_state(theirs) == _validator_state(ours)


def _validator_state(validator: Any) -> Any:
    return validator.offset, validator.complete, plain(validator.error)


@pytest.mark.parametrize("alphabet", list(ALPHABETS))
def test_encode_every_length(pure: ModuleType, twin: ModuleType, alphabet: str) -> None:
    whole = sample(alphabet, 301)
    for n in range(301):
        for text in (whole[:n], whole[:n] + "\udfff"):
            for call in (
                lambda codec, text: codec.encode_text(text, KEY),
                lambda codec, text: codec.encode_frame(1, text),
                lambda codec, text: codec.encode_message(text, Role.CLIENT, key=KEY),
            ):
                assert outcome(call, twin, text) == outcome(call, pure, text)


@pytest.mark.parametrize("name", list(_LENGTH_CALLS))
@pytest.mark.parametrize("around", [4096, 65_536])
def test_around_pages(pure: ModuleType, twins: Twins, around: int, name: str) -> None:
    call = _LENGTH_CALLS[name]
    bodies = [noise(around + 100), *(sample(alphabet, around).encode()[: around + 100] for alphabet in ALPHABETS)]
    for body in bodies:
        view = memoryview(body)
        for offset in (0, 1, 31, 63):
            for n in (*range(around - 3, around + 4), around - 64, around + 33):
                piece = view[offset : offset + n]
                expected = outcome(call, pure, piece)
                for twin in twins():
                    assert outcome(call, twin, piece) == expected, (twin.kernel_name(), offset, n)


# Values ---------------------------------------------------------------------------------------------------------------

_VALUES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("FrameHeader", (True, False, True, False, 9, None, 2**62, 10)),
    ("FrameHeader", (False, True, False, True, 15, KEY, 0, 6)),
    ("Frame", (1, b"x")),
    ("Frame", (0, LyingBytes(b"subclass"), 0, 1, "", [1])),
    ("Message", ("schön",)),
    ("Message", (b"x", 1)),
    ("Message", ("x", 2)),
    ("Message", (LyingText("x"),)),
    ("Message", (LyingBytes(b"x"),)),
    ("Ping", ()),
    ("Ping", (LyingBytes(b"x"),)),
    ("Pong", (b"x",)),
    ("Close", ()),
    ("Close", (2**70, "x")),
    ("Close", (1000, LyingText("x"))),
)


@pytest.mark.parametrize(("name", "args"), _VALUES, ids=lambda value: repr(value))
def test_values(pure: ModuleType, twin: ModuleType, name: str, args: tuple[Any, ...]) -> None:
    ours, theirs = getattr(pure, name)(*args), getattr(twin, name)(*args)
    assert plain(theirs) == plain(ours)
    assert repr(theirs) == repr(ours)
    assert hash(theirs) == hash(ours)
    assert theirs.__match_args__ == ours.__match_args__
    assert plain(theirs.__reduce__()[1]) == plain(ours.__reduce__()[1])
    for other in (None, 1, "x", args):
        assert (theirs == other) is (ours == other)
    for operation in ("__lt__", "__le__", "__gt__", "__ge__"):
        assert getattr(theirs, operation)(theirs) is NotImplemented
        assert getattr(ours, operation)(ours) is NotImplemented


# Decoders -------------------------------------------------------------------------------------------------------------

_OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "FrameDecoder": (
        {"max_frame_size": None},
        {"max_frame_size": 9},
        {"max_frame_size": None, "rsv1": True, "rsv2": True, "rsv3": True, "minimal_length": False},
    ),
    "MessageDecoder": (
        {"max_message_size": None},
        {"max_message_size": 12},
        {"max_message_size": 2**20, "max_fragments": 1},
        {"max_message_size": None, "text_as": "bytes", "minimal_length": False, "max_fragments": None},
        {"max_message_size": 12, "rsv1": True},
        {"max_message_size": 12, "max_frame_size": 5},
        {"max_message_size": None, "rsv1": True, "streaming": True},
    ),
}
_options = pytest.mark.parametrize(
    ("kind", "options"),
    [(kind, options) for kind, each in _OPTIONS.items() for options in each],
    ids=lambda value: (
        value if isinstance(value, str) else ", ".join(f"{name}={given}" for name, given in value.items())
    ),
)
_roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)


def _trace(decoder: Any, pieces: Sequence[Any]) -> Iterator[Any]:
    """What each feed did, and the state after it; on past an error, which must stay."""
    for piece in pieces:
        yield outcome(decoder.feed, piece)
        yield decoder.buffered, plain(decoder.error)
        yield [plain(getattr(decoder, name, None)) for name in ("closed", "only_messages", "streaming")]


def _decoders_agree(
    pure: ModuleType, twins: Twins, kind: str, role: Role, options: dict[str, Any], pieces: Sequence[Any]
) -> None:
    expected = list(_trace(getattr(pure, kind)(role, **options), pieces))
    for twin in twins():
        assert list(_trace(getattr(twin, kind)(role, **options), pieces)) == expected, (twin.kernel_name(), pieces)


def _splits(data: bytes, step: int) -> Iterator[list[bytes]]:
    """Whole and again, in two at every place (or every few), and one byte at a time."""
    yield [data, data, b""]
    yield from ([data[:cut], data[cut:]] for cut in cuts(len(data))[::step])
    if len(data) <= 300:
        yield bytewise(data)


@_options
@_roles
def test_streams_cut_anywhere(pure: ModuleType, twins: Twins, role: Role, kind: str, options: dict[str, Any]) -> None:
    """At every place with the plainest options, and at every third with the others."""
    plainest = options == _OPTIONS[kind][0]
    for stream in STREAMS:
        data = stream.wire(role)
        for pieces in _splits(data, 8 if len(data) > 600 else 1 if plainest else 3):
            _decoders_agree(pure, twins, kind, role, options, pieces)


_FRAME_OPTIONS: tuple[dict[str, Any], ...] = (
    {"max_frame_size": None},
    {"max_frame_size": 9, "decode": True},
    {"max_frame_size": None, "decode": True, "payload_as": "bytearray", "minimal_length": False},
)


def _parsed(codec: Any, data: Any, **options: Any) -> Iterator[Any]:
    """Every frame from the start on, one by one and as messages, up to the first that is short or refused."""
    offset = 0
    while True:
        yield outcome(codec.parse_messages, data, offset, **options)
        yield outcome(codec.parse_messages, data, offset, **options, rsv1=True)
        yield outcome(codec.parse_frame, data, offset, **options)
        try:
            told = codec.parse_frame(data, offset, **options)
        except ProtocolError:
            return
        if told is None:
            return
        offset = told[3]


_PARSER_OPTIONS: tuple[dict[str, Any], ...] = (
    {"max_frame_size": None},
    {"max_frame_size": 9, "overhead": 7},
    {"max_frame_size": None, "minimal_length": False, "overhead": 128},
)


@pytest.mark.parametrize("role", [*ROLES, None], ids=lambda role: getattr(role, "value", "either"))
@pytest.mark.parametrize("side", ROLES, ids=lambda role: f"for {role.value}")
def test_messages_in_a_buffer_cut_anywhere(pure: ModuleType, twin: ModuleType, side: Role, role: Role | None) -> None:
    for options in _PARSER_OPTIONS:
        ours, theirs = (_parser(codec, role=role, **options) for codec in (pure, twin))
        for stream in STREAMS:
            data = stream.wire(side)
            for cut in cuts(len(data))[:: 8 if len(data) > 600 else 1]:
                for offset, room in ((0, 2**40), (0, 130), (cut // 2, 0), (cut, 9)):
                    expected, got = (parser.parse(data[:cut], offset, room) for parser in (ours, theirs))
                    assert got == expected
                    assert [type(message) for message, _ in got[0]] == [Kept] * len(got[0])
                    assert [type(message[1]) for message, _ in got[0]] == [type(m[1]) for m, _ in expected[0]]
                assert _delivered(theirs, data[:cut]) == _delivered(ours, data[:cut])


@pytest.mark.parametrize("role", [*ROLES, None], ids=lambda role: getattr(role, "value", "either"))
@pytest.mark.parametrize("side", ROLES, ids=lambda role: f"for {role.value}")
def test_frames_in_a_buffer_cut_anywhere(pure: ModuleType, twins: Twins, side: Role, role: Role | None) -> None:
    for stream in STREAMS:
        data = stream.wire(side)
        for cut in cuts(len(data))[:: 8 if len(data) > 600 else 3]:
            for options in _FRAME_OPTIONS:
                for kind in (bytes, bytearray, memoryview):
                    given = kind(data[:cut])
                    expected = list(_parsed(pure, given, role=role, **options))
                    for twin in twins():
                        got = list(_parsed(twin, given, role=role, **options))
                        assert got == expected, (twin.kernel_name(), data, cut)


@_options
@_roles
def test_streams_for_the_other_side(
    pure: ModuleType, twins: Twins, role: Role, kind: str, options: dict[str, Any]
) -> None:
    other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
    for stream in STREAMS[:40]:
        data = stream.wire(other)[:100]
        _decoders_agree(pure, twins, kind, role, options, [data, data])
        _decoders_agree(pure, twins, kind, role, options, bytewise(data))


@_options
@_roles
def test_bad_texts_in_fragments(pure: ModuleType, twins: Twins, role: Role, kind: str, options: dict[str, Any]) -> None:
    key = key_for(role)
    for text in BAD_TEXTS:
        for cut in range(len(text) + 1):
            data = frame(0x01, b"ok" + text[:cut], key) + frame(0x89, text[:9], key) + frame(0x80, text[cut:], key)
            _decoders_agree(pure, twins, kind, role, options, [data])
            _decoders_agree(pure, twins, kind, role, options, [data[:7], data[7:]])


@_options
@_roles
def test_headers_of_every_kind(pure: ModuleType, twins: Twins, role: Role, kind: str, options: dict[str, Any]) -> None:
    """Every first byte with lengths of every form, and frames of their own after a short one."""
    for first in range(256):
        for second in (0x00, 0x7E, 0x7F, 0x85, 0xFE, 0xFF):
            for rest in (b"\0\0\0\0\0\0\0\5abcd", b"\x7f" + b"\xff" * 11):
                _decoders_agree(pure, twins, kind, role, options, [bytes([first, second]) + rest])


@_options
@_roles
def test_callers_mistakes(pure: ModuleType, twins: Twins, role: Role, kind: str, options: dict[str, Any]) -> None:
    """A wrong argument leaves a decoder as it was, be it fresh, in a frame, failed or closed."""
    key = key_for(role)
    wrong = (None, "text", 5, [1], memoryview(b"abcd")[::2], _released(b"x"))
    starts = (b"", frame(0x81, b"some text", key)[:-3], frame(0x83, b"", key), frame(0x88, b"", key), b"\x82")
    for start, mistake in product(starts, wrong):
        pieces = [start, mistake, frame(0x81, b"on", key), bytearray(frame(0x82, b"x", key)), mistake]
        _decoders_agree(pure, twins, kind, role, options, pieces)


@_roles
def test_lengths_and_budgets(pure: ModuleType, twins: Twins, role: Role) -> None:
    """Promises up to 2**64, kept bytes and limits near 2**63."""
    key = key_for(role)
    lengths = (0, 1, 125, 126, 65_535, 65_536, 2**31, 2**32, 2**62, 2**63 - 2, 2**63 - 1, 2**63, 2**64 - 1)
    for limit in (0, 1, 126, 65_535, 2**32, 2**63 - 2, 2**63 - 1, None):
        for length in lengths:
            for kept in (b"", b"x", b"0123456789"):
                whole = [header(0x82, length, key) + b"abc"]
                _decoders_agree(pure, twins, "FrameDecoder", role, {"max_frame_size": limit}, whole)
                rest = [frame(0x02, kept, key), header(0x80, length, key), b"abc"]
                _decoders_agree(pure, twins, "MessageDecoder", role, {"max_message_size": limit}, rest)


_PAYLOADS = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.sampled_from(BAD_TEXTS),
    st.integers(0, 400).map(noise),
)
_FIRST_BYTES = st.one_of(
    st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x41, 0x42]), st.integers(0, 255)
)


@given(data=st.data())
def test_any_stream_in_any_pieces(pure: ModuleType, twins: Twins, data: st.DataObject) -> None:
    """Frames good and bad, of any options and limits, and any bytes between them."""
    role = data.draw(st.sampled_from(ROLES))
    kind = data.draw(st.sampled_from(sorted(_OPTIONS)))
    options = data.draw(st.sampled_from(_OPTIONS[kind]))
    wire = b""
    for first, payload in data.draw(st.lists(st.tuples(_FIRST_BYTES, _PAYLOADS), max_size=8)):
        key = noise(4, str(len(wire))) if (role is Role.SERVER) else None
        wire += frame(first, payload, key, 16 if len(payload) == 7 else None)
    wire += data.draw(st.binary(max_size=5))
    borders = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    pieces = [wire[start:end] for start, end in zip([0, *borders], [*borders, len(wire)], strict=True)]
    _decoders_agree(pure, twins, kind, role, options, pieces)
