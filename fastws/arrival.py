"""How a task that receives goes on: within the read that brings something."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

__all__ = ["arrive"]


def arrive(waiter: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
    """Set the result of what a task awaits, and let the task go on at once, where no other one is running.

    Otherwise it would go on in the loop's next turn, which would cost as much again as all the rest.

    Args:
        waiter: of asyncio's own class, not done. A subclass could say by itself who awaits it, and each ``await`` would
            cost half as much again.
        loop: that it belongs to.
    """
    callbacks: Any = waiter._callbacks  # noqa: SLF001 - what its own repr reads, the same from 3.10 on
    if not callbacks or asyncio.current_task(loop) is not None:
        waiter.set_result(None)
        return
    go_on, context = callbacks[0]
    waiter.remove_done_callback(go_on)
    waiter.set_result(None)
    try:
        context.run(go_on, waiter)
    except (SystemExit, KeyboardInterrupt) as error:
        # Not every transport lets it through.
        loop.call_soon(_raise, error)


def _raise(error: BaseException) -> NoReturn:
    raise error
