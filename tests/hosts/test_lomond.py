"""lomond, plain against accelerated: the same input gives the same values, errors, bytes and state."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastws.hosts
from cases import each_case
from fastws.hosts import lomond as adapter
from fresh import run_python
from names import named
from oracles import frame
from recording import all_same_on, called, told
from scripted import in_pieces
from traffic import BINARY, TEXT, streams
from vectors import KEY

with pytest.MonkeyPatch.context() as _patch:
    # The host takes wsaccel where it finds it.
    for _name in ("wsaccel", "wsaccel.utf8validator"):
        _patch.setitem(sys.modules, _name, None)
    import lomond.frame  # type: ignore[import-untyped]
    import lomond.mask  # type: ignore[import-untyped]
    import lomond.message  # type: ignore[import-untyped]
    import lomond.stream  # type: ignore[import-untyped]
    import lomond.utf8validator  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

STREAMS = streams(None) | {"high bytes": frame(BINARY, bytes(range(200, 256))) + frame(BINARY, b"\xff" * 130)}


@pytest.fixture(autouse=True)
def _same_keys(adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host and the codec draw the same key for ever."""

    def urandom(size: int) -> bytes:
        return (KEY * size)[:size]

    monkeypatch.setattr(adapter, "SYSTEM_RANDOM", urandom)
    monkeypatch.setattr(lomond.frame, "make_masking_key", functools.partial(urandom, 4))
    monkeypatch.setattr(adapted, "new_key", lambda: KEY)


compare = functools.partial(all_same_on, "lomond")


# Receiving ------------------------------------------------------------------------------------------------------------


def play(pieces: list[Any]) -> Any:
    """What a client's stream makes of these pieces."""
    stream = lomond.stream.WebsocketStream()
    assert len(list(stream.feed(RESPONSE))) == 1
    results: list[Any] = []
    for piece in [*pieces, b""]:

        def take(piece: bytes = piece) -> list[Any]:
            return [[type(event).__name__, *_attributes(event)] for event in stream.feed(piece)]

        results.append(called(take))
    return results


def _attributes(event: Any) -> list[Any]:
    return [told(getattr(event, name, None)) for name in ("text", "data", "code", "reason", "opcode")]


@each_case("stream", STREAMS.values(), ids=STREAMS)
def test_streams(stream: bytes) -> None:
    compare(lambda: play([stream]), lambda: play(in_pieces(stream, range(1, len(stream)))))
    compare(*[lambda cut=cut: play(in_pieces(stream, [cut])) for cut in range(1, min(len(stream), 40))])


@pytest.mark.parametrize("size", [125, 126, 4096, 65_535, 65_536, 200_001])
def test_long_messages(size: int) -> None:
    text = ("é" * size).encode()[:size] + b"."
    stream = frame(TEXT, b"x" * size) + frame(BINARY, bytes(size)) + frame(TEXT, text)
    compare(lambda: play([stream]), lambda: play(in_pieces(stream, range(5001, len(stream), 5001))))


PIECES = [
    *[b"", b"abc", "é中𝄞".encode(), b"\xe4", b"\xb8\xad", b"\xad", b"\xff", b"\xed\xa0", b"\xf0\x9d", b"\x84\x9e!"],
    *[bytearray(b"\xc3\xa9x"), memoryview(b"abc"), [65, 0xC3], "text", (300,), b"x" * 5000],
]


def validate(pieces: Any) -> Any:
    validator = lomond.utf8validator.Utf8Validator()
    results = []
    for piece in pieces:
        result = called(validator.validate, piece)
        results.append((result, [told(getattr(validator, name)) for name in ("_state", "_index", "_codepoint")]))
    validator.reset()
    return results, called(validator.validate, b"abc")


@pytest.mark.parametrize("first", PIECES, ids=named)
def test_validator(first: Any) -> None:
    compare(*[lambda rest=rest: validate([first, rest, b"", b"ok", rest]) for rest in PIECES])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=12), st.text(max_size=6).map(str.encode))))
def test_validator_of_anything(pieces: list[bytes]) -> None:
    compare(lambda: validate(pieces))


class _Payload(bytes):
    def decode(self, *_: Any) -> str:
        return "overridden"


@pytest.mark.parametrize(
    "payload", [b"", b"abc", "é中".encode(), b"ab\xff", b"\xe4\xb8", _Payload(b"abc"), bytearray(b"\xc3"), None, "x"]
)
def test_text_from_payload(payload: Any) -> None:
    class Own(lomond.message.Text):  # type: ignore[misc]
        pass

    compare(
        lambda: _built(lomond.message.Text.from_payload, payload),
        lambda: _built(Own.from_payload, payload),
        lambda: _built(lomond.message.Text.from_payload, payload=payload),
    )


def _built(function: Any, *arguments: Any, **named: Any) -> Any:
    result = called(lambda: function(*arguments, **named))
    return (type(result[1][1]).__name__, result[1][1].text) if result[0] == "returned" else result


# Sending --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, bytearray(KEY), b"abc", b"abcde", None, list(KEY)], ids=repr)
def test_mask_payload(key: Any) -> None:
    def run(make: Callable[[], Any]) -> Any:
        data = make()
        return called(lomond.mask.mask_payload, key, data), told(data)

    makers = [*[lambda n=n: bytearray(range(n % 256)) * (1 + n // 255) for n in (0, 1, 2, 3, 4, 5, 255, 4096)]]
    compare(*[lambda make=make: run(make) for make in [*makers, lambda: b"abc", lambda: [1, 2], lambda: None]])


PAYLOADS: list[Callable[[], Any]] = [
    bytes,
    bytearray,
    lambda: b"abcdefg",
    lambda: bytearray(b"abcdefg"),
    lambda: bytearray(130),
    lambda: bytes(65_536),
    lambda: bytearray(65_535),
    lambda: "text",
    lambda: [1, 2],
]


@each_case("opcode", [0, 1, 2, 3, 8, 9, 10, 16, 300, True, 1.0, "1"], ids=repr)
@each_case(
    "options",
    [
        {},
        {"fin": 0},
        {"fin": True},
        {"fin": 2},
        {"rsv1": 1},
        {"rsv2": 1, "rsv3": 1},
        {"rsv1": 0.0},
        {"mask": False},
        {"mask": 1},
        {"masking_key": b"\x01\x02\x03\x04"},
        {"masking_key": b"\x01\x02"},
        {"masking_key": bytearray(4)},
    ],
    ids=repr,
)
def test_build(opcode: Any, options: dict[str, Any]) -> None:
    """Also what it does to its argument."""

    def run(make: Callable[[], Any]) -> Any:
        data = make()
        return called(lambda: lomond.frame.Frame.build(opcode, data, **options)), told(data)

    compare(*[lambda make=make: run(make) for make in PAYLOADS])


def test_to_bytes() -> None:
    def run(kind: Any, payload: bytes) -> Any:
        built = kind(lomond.opcode.Opcode.TEXT, payload=bytearray(payload), rsv1=1)
        return called(built.to_bytes), told(built.payload), repr(built)

    for kind in (lomond.frame.Frame, lomond.frame.CompressedFrame):
        compare(*[lambda n=n, kind=kind: run(kind, bytes(n)) for n in (0, 5, 125, 126, 70_000)])


def test_the_random_source_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        drawn = iter([b"\x01\x02\x03\x04", b"\x11\x12\x13\x14\x15", b"\x21\x22\x23\x24", bytearray(b"abcd")])
        monkeypatch.setattr(lomond.frame, "make_masking_key", lambda: next(drawn))
        return [called(lomond.frame.Frame.build, 1, b"abcdef") for _ in range(4)]

    compare(run)


# The adapter ----------------------------------------------------------------------------------------------------------


def test_the_place_of_the_plain_functions() -> None:
    plain = lomond.frame.Frame.build
    with fastws.hosts.accelerated("lomond"):
        assert inspect.signature(lomond.frame.Frame.build) == inspect.signature(plain)
        assert lomond.frame.mask_payload is lomond.mask.mask_payload
        assert lomond.mask.mask_payload.__wrapped__
        assert lomond.utf8validator.Utf8Validator.validate.__wrapped__
    assert not hasattr(lomond.frame.mask_payload, "__wrapped__")
    assert not hasattr(lomond.frame.Frame.build, "__wrapped__")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (lomond.mask, "mask_payload"),
        (lomond.frame.Frame, "build"),
        (lomond.utf8validator.Utf8Validator, "validate"),
        (lomond.utf8validator.Utf8Validator, "reset"),
    ],
)
def test_a_moved_host_is_left_alone(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, lambda *_: None)
    with pytest.raises(fastws.hosts.HostError, match=name):
        fastws.hosts.accelerate("lomond")
    assert not hasattr(lomond.frame.Frame.build, "__wrapped__")


@pytest.mark.parametrize("origin", ["installed", "offered"])
def test_where_the_host_found_wsaccel(origin: str) -> None:
    """That one stays, and is left as if it had seen every byte."""
    code = r"""
        import sys
        from fastws.hosts import accelerated, lomond as adapter, wsaccel
        if ORIGIN == "offered":
            wsaccel.install()
        import lomond.stream
        from lomond.utf8validator import Utf8Validator

        def feed(pieces):
            stream = lomond.stream.WebsocketStream()
            told = []
            list(stream.feed(b"HTTP/1.1 101 OK\r\n\r\n"))
            for piece in pieces:
                try:
                    told += [event.text for event in stream.feed(piece)]
                except Exception as error:
                    told += [type(error), str(error), type(error.__context__)]
                    break
                validator = stream.frame_parser._utf8_validator
                told.append((validator.i, validator.state, validator.codepoint))
            return told

        texts = ["h\u00e9\u4e2d".encode(), b"ab\xffc", b"\xed\xa0\x80", b"\xf0\x9d", "\U0001d11e!".encode(), b""]
        fragments = [b"\x01\x02ab", b"\x00\x01\xe4", b"\x00\x02\xb8\xad", b"\x80\x01x", b"\x01\x01\xe4\x80\x01x"]
        streams = [bytes([0x81, len(text)]) + text + b"\x81\x01x" for text in texts] + [b"".join(fragments)]
        scripts = [[stream[:cut], stream[cut:]] for stream in streams for cut in range(1, len(stream))]
        plain = [feed(script) for script in scripts]
        adapter._SHORT = 0
        with accelerated("lomond"):
            assert [feed(script) for script in scripts] == plain
        print(Utf8Validator.__module__)
    """
    found = {"installed": "wsaccel.utf8validator", "offered": "fastws.hosts.wsaccel"}
    assert run_python(code.replace("ORIGIN", repr(origin))) == found[origin]
