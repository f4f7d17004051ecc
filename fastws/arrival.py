"""What a task awaits that receives: it goes on within the read that brings something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

__all__ = ["Arrival"]

_set_result: Final = asyncio.Future.set_result


class Arrival(asyncio.Future[None]):
    """What a task awaits that receives: done when there is something, or nothing to come any more.

    Where a read brings it, the task goes on within that read, and not in the loop's next turn, which would cost as much
    again as all the rest.
    """

    __slots__ = ("_context", "_go_on")

    def add_done_callback(self, fn: Callable[[Any], object], *, context: contextvars.Context | None = None) -> None:
        """The task that awaits it calls this, once, with what makes the task go on."""
        self._go_on = fn
        self._context = context

    def set_result(self, result: None) -> None:
        _set_result(self, result)
        self.get_loop().call_soon(self._go_on, self, context=self._context)

    def cancel(self, msg: Any = None) -> bool:
        if not super().cancel(msg):
            return False
        self.get_loop().call_soon(self._go_on, self, context=self._context)
        return True

    def arrive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the task go on at once, where no other one is running."""
        context = self._context
        if context is None or asyncio.current_task(loop) is not None:
            self.set_result(None)
            return
        _set_result(self, None)
        try:
            context.run(self._go_on, self)
        except (SystemExit, KeyboardInterrupt) as error:
            # Not every transport lets it through.
            loop.call_soon(_raise, error)


def _raise(error: BaseException) -> NoReturn:
    raise error
