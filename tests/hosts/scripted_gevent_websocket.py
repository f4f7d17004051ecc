"""gevent-websocket fed from a script: what it read, returned, raised, wrote, logged, and the state it was left in.

The host binds ``wsaccel`` when it is imported, so it is imported anew for each of the three ways in which that can go.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from fastws.hosts import wsaccel
from recording import called

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scripted import Event

Wsaccel = Literal["blocked", "offered", "as installed"]

_WSACCEL = ("wsaccel", "wsaccel.utf8validator", "wsaccel.xormask")


@contextmanager
def imported(found: Wsaccel) -> Iterator[Any]:
    """The package ``geventwebsocket``, imported anew, and forgotten afterwards.

    Args:
        found: whether the host finds no wsaccel, that of fastws, or what is installed.
    """
    kept = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "geventwebsocket"}
    before = {name: sys.modules.pop(name) for name in _WSACCEL if name in sys.modules}
    if found == "blocked":
        sys.modules.update(dict.fromkeys(_WSACCEL))  # type: ignore[arg-type]
    elif found == "offered":
        wsaccel.install()
    try:
        with warnings.catch_warnings():
            # The host is from 2017.
            warnings.simplefilter("ignore")
            package = importlib.import_module("geventwebsocket")
    finally:
        wsaccel.uninstall()
        for name in _WSACCEL:
            sys.modules.pop(name, None)
        sys.modules.update(before)
    try:
        yield package
    finally:
        for name in [*sys.modules]:
            if name.partition(".")[0] == "geventwebsocket":
                del sys.modules[name]
        sys.modules.update(kept)


class ScriptedStream:
    """A buffered file whose reads give all that was asked for, or what comes before an exception or the end."""

    def __init__(self, script: Iterable[Event]) -> None:
        self.script = list(script)
        self.reads: list[int] = []
        self.written: list[Any] = []
        self.failure: Exception | None = None

    def read(self, size: int) -> bytes:
        self.reads.append(size)
        data = b""
        while self.script and len(data) < size:
            event = self.script.pop(0)
            if isinstance(event, BaseException):
                if not data:
                    raise type(event)(*event.args)
                self.script.insert(0, event)
                break
            taken = event[: size - len(data)]
            data += taken
            if len(taken) < len(event):
                self.script.insert(0, event[len(taken) :])
        return data

    def write(self, data: Any) -> None:
        self.written.append((type(data).__name__, bytes(data)))
        if self.failure is not None:
            raise self.failure


@dataclass
class Endpoint:
    """A connection, what it reads and writes, and what it tells its handler."""

    connection: Any
    stream: ScriptedStream
    told: list[Any]


def connect(package: Any, script: Iterable[Event], kind: Any = None) -> Endpoint:
    """An open connection over a script."""
    told: list[Any] = []
    logger = logging.Logger("scripted")
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    app = SimpleNamespace(on_close=lambda *arguments: told.append(("on_close", arguments)))
    server = SimpleNamespace(application=SimpleNamespace(current_app=app))
    stream = ScriptedStream(script)
    kind = kind or package.websocket.WebSocket
    return Endpoint(kind({}, stream, SimpleNamespace(server=server, logger=logger)), stream, told)


def play(package: Any, script: Iterable[Event], method: str = "receive", calls: int = 8, kind: Any = None) -> list[Any]:
    """Call a method until it has nothing more, or as often as ``calls`` says; what happened, call by call."""
    endpoint = connect(package, script, kind)
    trace = []
    for _ in range(calls):
        outcome = shown(called(getattr(endpoint.connection, method)))
        stream = endpoint.stream
        trace.append(
            (outcome, list(stream.reads), list(stream.written), list(endpoint.told), state(endpoint.connection))
        )
        if endpoint.connection.closed or not stream.script:
            break
    return [*trace, called(endpoint.connection.close), list(endpoint.told)]


def shown(value: Any) -> Any:
    """A value without the objects that differ from run to run."""
    if type(value).__name__ == "Header":
        return [(name, type(getattr(value, name)), getattr(value, name)) for name in type(value).__slots__]
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    # The text of an error may hold the address of a header.
    return re.sub("at 0x[0-9a-f]+", "at …", value) if isinstance(value, str) else value


def state(connection: Any) -> Any:
    """What receiving leaves behind."""
    validator = connection.utf8validator
    counts = [(type(number), number) for number in (validator.i, validator.state, validator.codepoint)]
    return connection.closed, counts, getattr(connection, "utf8validate_last", "unset"), connection.environ
