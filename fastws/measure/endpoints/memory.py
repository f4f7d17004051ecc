"""What a connection costs that does nothing: the memory that a server's process grows by."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from .process import ServerProcess

__all__ = ["CONTENDERS", "UNCOMPRESSED", "idle_memory"]

#: Those that are compared, fastws first.
CONTENDERS: Final = ("fastws callbacks", "fastws async", "websockets", "aiohttp", "tornado", "picows core")

#: Those of them that have no compression.
UNCOMPRESSED: Final = frozenset({"picows core"})

# Connections that are open before the first look, so that what all of them share is there.
_WARM: Final = 100


def idle_memory(name: str, connections: int, *, compression: bool, loop: str = "asyncio") -> float:
    """Bytes of memory for each connection that is open and has carried no message yet.

    What a server takes for compression with the first message is not in it.

    Args:
        name: the server.
        connections: how many are opened; each takes a file of this process and one of the server's.
        compression: whether permessage-deflate is agreed on.
        loop: the event loop of the server.
    Raises:
        OSError: the system does not tell the memory of a process (``/proc``).
    """
    with ServerProcess(name, loop, compression=compression) as server, ExitStack() as opened:
        for _ in range(_WARM):
            opened.enter_context(server.connect())
        before = _resident(server.pid)
        for _ in range(connections):
            opened.enter_context(server.connect())
        return (_resident(server.pid) - before) / connections


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
