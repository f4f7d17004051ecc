"""websockets' assemblers of its three APIs, plain against accelerated: frames in, messages out."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import websockets.asyncio.connection
import websockets.asyncio.messages
import websockets.sync.connection
import websockets.sync.messages
from websockets.exceptions import ConcurrencyError
from websockets.frames import Frame, Opcode

import fastws.hosts
from recording import failure, told
from scripted_websockets import DECODE, MESSAGES, Calls, outcome, same

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.usefixtures("adapted")

TEXT, CONT = Opcode.TEXT, Opcode.CONT

_messages = pytest.mark.parametrize("frames", MESSAGES.values(), ids=MESSAGES)
_early = pytest.mark.parametrize("early", [True, False], ids=["early", "late"])


# asyncio --------------------------------------------------------------------------------------------------------------


async def _from_asyncio(frames: Iterable[Frame], decode: Any, *, early: bool, streaming: bool) -> list[Any]:
    calls = Calls()
    assembler = websockets.asyncio.messages.Assembler(**calls.arguments(2, 1))

    async def put() -> None:
        for frame in frames:
            assembler.put(frame)
            await asyncio.sleep(0)
        assembler.close()

    task = asyncio.ensure_future(put())
    if early:
        await task
    results: list[Any] = []
    while not results or results[-1][0] == "returned":
        try:
            if streaming:
                results.append(("returned", [told(part) async for part in assembler.get_iter(decode)]))
            else:
                results.append(("returned", told(await assembler.get(decode))))
        except UnicodeDecodeError as error:
            results += [outcome(error), ("returned",)]
            assembler.get_in_progress = False
        except Exception as error:
            results.append(outcome(error))
        results.append((results[-1][0], assembler.paused, assembler.get_in_progress, len(assembler.frames)))
    await task
    return [*results, calls.made]


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
@_early
@_messages
def test_asyncio(frames: list[Frame], early: bool, streaming: bool) -> None:
    async def run() -> Any:
        return [await _from_asyncio(frames, decode, early=early, streaming=streaming) for decode in DECODE]

    same(lambda: asyncio.run(run()))


@pytest.mark.parametrize("first", [0, 1, 2])
def test_asyncio_cancelled(first: int) -> None:
    """What was taken from the queue is there again; ``first`` frames were there before it was cancelled."""
    frames = [Frame(TEXT, b"a", False), Frame(CONT, b"b", False), Frame(CONT, b"c")]

    async def run() -> Any:
        assembler = websockets.asyncio.messages.Assembler()
        for frame in frames[:first]:
            assembler.put(frame)
        task = asyncio.ensure_future(assembler.get())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = list(assembler.frames.queue)
        for frame in frames[first:]:
            assembler.put(frame)
        return left, await assembler.get(), assembler.get_in_progress

    assert same(lambda: asyncio.run(run()))[1] == "abc"


@_early
def test_asyncio_one_at_a_time(early: bool) -> None:
    async def run() -> Any:
        assembler = websockets.asyncio.messages.Assembler()
        if early:
            assembler.put(Frame(TEXT, b"a", False))
        waiting = asyncio.ensure_future(assembler.get())
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencyError) as caught:
            await assembler.get()
        assembler.put(Frame(CONT if early else TEXT, b"b"))
        return str(caught.value), await waiting

    assert same(lambda: asyncio.run(run()))[1] == ("ab" if early else "b")


def test_asyncio_what_a_subclass_overrides() -> None:
    class Noting(websockets.asyncio.messages.Assembler):
        noted: list[str]

        def maybe_pause(self) -> None:
            self.noted.append("pause?")

        def maybe_resume(self) -> None:
            self.noted.append("resume?")

    async def run() -> Any:
        assembler = Noting(high=1)
        assembler.noted = []
        assembler.put(Frame(TEXT, b"a"))
        return await assembler.get(), assembler.noted

    assert same(lambda: asyncio.run(run())) == ("a", ["pause?", "resume?"])


# threading ------------------------------------------------------------------------------------------------------------


def _from_threads(frames: Iterable[Frame], decode: Any, timeout: Any, *, early: bool, streaming: bool) -> list[Any]:
    calls = Calls()
    # With threads it is not told when the queue is short.
    assembler = websockets.sync.messages.Assembler(**calls.arguments(2 if early else None, 1 if early else None))

    def put() -> None:
        for frame in frames:
            assembler.put(frame)

    thread = threading.Thread(target=put)
    thread.start()
    if early:
        thread.join()
        assembler.close()
    results: list[Any] = []
    ended = early
    while True:
        try:
            if streaming:
                results.append(("returned", [told(part) for part in assembler.get_iter(decode)]))
            else:
                results.append(("returned", told(assembler.get(timeout, decode))))
        except UnicodeDecodeError as error:
            results.append(outcome(error))
            assembler.get_in_progress = False
        except (EOFError, TimeoutError, AssertionError, ConcurrencyError) as error:
            results.append(outcome(error))
            if ended:
                break
        results.append((assembler.paused, assembler.get_in_progress))
        if not ended and len([1 for name, *_ in results if name in ("returned", "raised")]) >= _messages_in(frames):
            thread.join()
            assembler.close()
            ended = True
    thread.join()
    return [*results, calls.made]


def _messages_in(frames: Iterable[Frame]) -> int:
    return max(1, len([frame for frame in frames if frame.fin]))


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
@pytest.mark.parametrize("timeout", [None, 30, 0], ids=str)
@_messages
def test_sync(frames: list[Frame], timeout: Any, streaming: bool) -> None:
    same(lambda: [_from_threads(frames, decode, timeout, early=True, streaming=streaming) for decode in DECODE])


@pytest.mark.parametrize("name", [name for name in MESSAGES if name != "no end"])
def test_sync_while_frames_arrive(name: str) -> None:
    same(lambda: [_from_threads(MESSAGES[name], decode, None, early=False, streaming=False) for decode in DECODE])


@pytest.mark.parametrize("timeout", [0.01, 0, -1])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_sync_timeouts(first: int, timeout: float) -> None:
    """What was taken from the queue is there again."""
    frames = [Frame(TEXT, b"a", False), Frame(CONT, b"b", False), Frame(CONT, b"c")]

    def run() -> Any:
        assembler = websockets.sync.messages.Assembler()
        for frame in frames[:first]:
            assembler.put(frame)
        with pytest.raises(TimeoutError):
            assembler.get(timeout)
        left = assembler.frames.qsize(), assembler.get_in_progress
        for frame in frames[first:]:
            assembler.put(frame)
        return left, assembler.get(timeout=30), assembler.get_in_progress

    assert same(run) == ((first, False), "abc", False)


@_early
def test_sync_one_at_a_time(early: bool) -> None:
    def run() -> Any:
        assembler = websockets.sync.messages.Assembler()
        if early:
            assembler.put(Frame(TEXT, b"a", False))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(assembler.get)
            while not assembler.get_in_progress or assembler.frames.qsize():
                pass
            with pytest.raises(ConcurrencyError) as caught:
                assembler.get()
            still = assembler.get_in_progress
            assembler.put(Frame(CONT if early else TEXT, b"b"))
            return str(caught.value), still, waiting.result(30), assembler.get_in_progress

    assert same(run)[1:] == (True, "ab" if early else "b", False)


def test_sync_closed_while_it_waits() -> None:
    def run() -> Any:
        assembler = websockets.sync.messages.Assembler()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(assembler.get)
            while not assembler.get_in_progress:
                pass
            assembler.close()
            error = waiting.exception(30)
        assert error is not None
        return failure(error), assembler.get_in_progress

    same(run)


# Decoders -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["asyncio", "sync"])
def test_the_decoder_of_streams(api: str) -> None:
    """It is the incremental decoder of codecs in all that can be seen, one byte at a time too."""
    module = getattr(websockets, api).messages
    text = "aé中😀".encode()
    streams = [text, text[:-1], text + b"\xff", b"\xed\xa0\x80", b"", bytearray(text)]

    def run() -> Any:
        results = []
        for stream in streams:
            for size in (1, 2, 3, len(stream) or 1):
                decoder = module.UTF8Decoder()
                pieces = [stream[i : i + size] for i in range(0, len(stream), size)] or [stream]
                for n, piece in enumerate(pieces):
                    try:
                        results.append(decoder.decode(piece, n == len(pieces) - 1))
                    except UnicodeDecodeError as error:
                        results.append(failure(error))
                    results.append(decoder.getstate())
        decoder = module.UTF8Decoder("replace")
        return [*results, decoder.decode(b"a\xff"), decoder.errors]

    same(run)


def test_a_decoder_that_was_replaced_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets.asyncio.messages, "UTF8Decoder", object)
    with pytest.raises(fastws.HostError, match="UTF8Decoder has been replaced"):
        fastws.hosts.accelerate("websockets")
