"""websockets' trio interface, which came with version 17: plain against accelerated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from websockets.frames import Frame, Opcode

from recording import told
from scripted_websockets import (
    DECODE,
    MESSAGES,
    NO_PROXY,
    Calls,
    end_talk,
    end_with_invalid_text,
    outcome,
    same,
    serve_talk,
    talk,
)

pytest.importorskip("websockets.trio.connection")

import websockets.trio.client
import websockets.trio.messages
import websockets.trio.server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

pytestmark = pytest.mark.usefixtures("adapted")


async def _from_trio(frames: Iterable[Frame], decode: Any, *, early: bool, streaming: bool) -> list[Any]:
    calls = Calls()
    assembler = websockets.trio.messages.Assembler(**calls.arguments(2, 1))
    results: list[Any] = []

    async def put() -> None:
        for frame in frames:
            assembler.put(frame)
            if not early:
                await trio.testing.wait_all_tasks_blocked()
        assembler.close()

    async def get() -> None:
        while True:
            try:
                if streaming:
                    results.append(("returned", [told(part) async for part in assembler.get_iter(decode)]))
                else:
                    results.append(("returned", told(await assembler.get(decode))))
            except UnicodeDecodeError as error:
                results.append(outcome(error))
                assembler.get_in_progress = False
            except Exception as error:
                results.append((type(error), str(error), assembler.get_in_progress))
                return
            results.append((assembler.paused, assembler.get_in_progress))

    if early:
        await put()
        await get()
    else:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(put)
            nursery.start_soon(get)
    return [*results, calls.made]


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
@pytest.mark.parametrize("early", [True, False], ids=["early", "late"])
@pytest.mark.parametrize("frames", MESSAGES.values(), ids=MESSAGES)
def test_trio(frames: list[Frame], early: bool, streaming: bool) -> None:
    run = partial(_from_trio, early=early, streaming=streaming)
    same(lambda: [trio.run(run, frames, decode) for decode in DECODE])


@pytest.mark.parametrize("first", [0, 1, 2])
def test_trio_cancelled(first: int) -> None:
    frames = [Frame(Opcode.TEXT, b"a", False), Frame(Opcode.CONT, b"b", False), Frame(Opcode.CONT, b"c")]

    async def run() -> Any:
        assembler = websockets.trio.messages.Assembler()
        for frame in frames[:first]:
            assembler.put(frame)
        with trio.move_on_after(0.01) as scope:
            await assembler.get()
        left = assembler.send_frames.statistics().current_buffer_used, assembler.get_in_progress
        for frame in frames[first:]:
            assembler.put(frame)
        return scope.cancelled_caught, left, await assembler.get()

    assert same(lambda: trio.run(run)) == (True, (first, False), "abc")


async def _trio_close(connection: Any) -> Any:
    await connection.aclose(1001, "bye")
    return await end_talk(connection)


def _trio(compression: Any, last: Callable[[Any], Awaitable[Any]]) -> Any:
    options: dict[str, Any] = {"compression": compression, "ping_interval": None}

    async def run() -> Any:
        async with trio.open_nursery() as nursery:
            serve = partial(websockets.trio.server.serve, serve_talk, 0, host="127.0.0.1", **options)
            server = await nursery.start(serve)
            port = server.listeners[0].socket.getsockname()[1]
            async with websockets.trio.client.connect(f"ws://127.0.0.1:{port}/", **NO_PROXY, **options) as client:
                results = await talk(client), await last(client)
            nursery.cancel_scope.cancel()
        return results

    return trio.run(run)


@pytest.mark.parametrize("last", [_trio_close, end_with_invalid_text], ids=["close", "invalid"])
@pytest.mark.parametrize("compression", [None, "deflate"], ids=["plain", "deflate"])
def test_trio_over_a_socket(compression: Any, last: Callable[[Any], Awaitable[Any]]) -> None:
    results, _ = same(lambda: _trio(compression, last))
    assert results[:2] == [("str", "hello"), ("str", "héllo")]


def test_cancelled_when_the_end_has_come() -> None:
    """Who waits is told of the end that came first."""

    async def run() -> Any:
        assembler: Any = websockets.trio.messages.Assembler()
        scope, told_of = trio.CancelScope(), []

        async def get() -> None:
            with scope:
                try:
                    await assembler.get()
                except EOFError as error:
                    told_of.append((str(error), type(error.__context__)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(get)
            await trio.testing.wait_all_tasks_blocked()
            assembler.close()
            scope.cancel()
        return told_of, scope.cancelled_caught, assembler.get_in_progress

    assert same(lambda: trio.run(run))[0]
