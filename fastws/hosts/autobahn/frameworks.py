"""What autobahn adds for a framework: the last step to ``onMessage`` on asyncio, the first of a read on Twisted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .quiet import is_quiet

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

__all__ = ["make_data_received", "make_on_message"]

# Globals of the host's modules, which the replacements read there, see `rebase`.
asyncio: Any = None
hltype: Any = None
hlval: Any = None
yields: Any = None


def make_on_message(_: FunctionType, __: ModuleType) -> Any:
    """On asyncio the host asks an abstract base class whether None is a coroutine."""

    def _onMessage(self: Any, payload: Any, isBinary: Any) -> Any:  # noqa: N802, N803
        res = self.onMessage(payload, isBinary)
        if res is not None and yields(res):
            asyncio.ensure_future(res)

    return _onMessage


def make_data_received(_: FunctionType, __: ModuleType) -> Any:
    """On Twisted the host formats a line for its debug log at every read."""
    quiet = is_quiet

    def dataReceived(self: Any, data: Any) -> Any:  # noqa: N802
        debug = self.log.debug
        if not quiet(debug):
            debug(
                '{func} received {data_len} bytes for peer="{peer}"',
                func=hltype(self.dataReceived),
                peer=hlval(self.peer),
                data_len=hlval(len(data)),
            )
        self._dataReceived(data)

    return dataReceived
