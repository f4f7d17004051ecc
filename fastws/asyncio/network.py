"""What makes connections and servers in a loop: the loop itself, or aiofastnet in its place."""

from __future__ import annotations

import asyncio
import functools
from types import SimpleNamespace
from typing import Any, Final

__all__ = ["network", "require_aiofastnet"]

_CALLS: Final = ("create_connection", "create_server", "create_unix_connection", "create_unix_server", "start_tls")


def network(use_aiofastnet: bool) -> Any:
    """What has ``create_connection``, ``create_server``, ``start_tls`` and the like of the running loop.

    Args:
        use_aiofastnet: whether its transports are wanted; nothing of the loop itself is changed.
    Raises:
        ImportError: aiofastnet is not installed.
    """
    loop = asyncio.get_running_loop()
    if not use_aiofastnet:
        return loop
    aiofastnet = require_aiofastnet()
    return SimpleNamespace(**{name: functools.partial(getattr(aiofastnet, name), loop) for name in _CALLS})


def require_aiofastnet() -> Any:
    """The module.

    Raises:
        ImportError: it is not installed; the text says how.
    """
    try:
        import aiofastnet
    except ImportError:
        text = "use_aiofastnet needs aiofastnet: python -m pip install 'fastws-codec[fastnet]'"
        raise ImportError(text, name="aiofastnet") from None
    return aiofastnet
