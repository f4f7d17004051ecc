"""autobahn fed from a script: what its protocol told the application, wrote, logged, and the state it was left in.

A script is what the network delivers: pieces of bytes. ``FASTWS_TEST_FRAMEWORK`` chooses the framework, because a
process has only one: "asyncio", or "twisted".
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recording import called, told

FRAMEWORK = os.environ.get("FASTWS_TEST_FRAMEWORK", "asyncio")

adapters: Any = importlib.import_module(f"autobahn.{FRAMEWORK}.websocket")
host: Any = importlib.import_module("autobahn.websocket.protocol")
deflate: Any = importlib.import_module("autobahn.websocket.compress_deflate")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Not compared: objects of the framework, what depends on time or chance, and what only has a name in common.
_NOT_COMPARED = (
    "factory", "is_closed", "is_open", "utf8validator", "transport", "log", "events", "trackedTimings",
    "websocket_key", "http_request_data",
)  # fmt: skip


class Transport:
    """Takes what is written, and notes how it is closed."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events

    def write(self, data: bytes) -> None:
        self.events.append(("write", type(data), bytes(data)))

    def close(self) -> None:
        self.events.append("close")

    def abort(self) -> None:
        self.events.append("abort")

    loseConnection, abortConnection = close, abort  # noqa: N815

    def unregisterProducer(self) -> None:  # noqa: N802
        pass


class Log:
    """A logger that keeps what it is told, formatted as txaio would."""

    def __init__(self, events: list[Any], *levels: str) -> None:
        for level in ("debug", "info", "warn", "error"):
            keep = self._keeper(events, level) if level in levels else (lambda *_, **__: None)
            setattr(self, level, keep)

    @staticmethod
    def _keeper(events: list[Any], level: str) -> Callable[..., None]:
        def keep(text: str, **values: Any) -> None:
            events.append((level, text.format(**values)))

        return keep


class Timers:
    """Calls nothing later."""

    def call_later(self, delay: float, *_: Any) -> Timers:
        self.delay = delay
        return self

    def cancel(self) -> None:
        pass


@dataclass(frozen=True)
class Setup:
    """One way to use the host.

    Attributes:
        server: which side.
        application: what the application overrides, a name in ``APPLICATIONS``.
        options: attributes of the connection.
        compressed: whether permessage-deflate was agreed on.
        levels: what is logged.
    """

    server: bool = True
    application: str = "messages"
    options: Mapping[str, Any] = field(default_factory=dict)
    compressed: bool = False
    levels: tuple[str, ...] = ("warn", "error")

    def __str__(self) -> str:
        flags = [*map(str, self.options), *["compressed"] * self.compressed]
        return "-".join(["server" if self.server else "client", self.application, *flags])


@dataclass
class Trace:
    """What happened, piece by piece, as plain values."""

    pieces: list[Any] = field(default_factory=list)


def play(script: Iterable[bytes], setup: Setup) -> Trace:
    """Deliver the pieces of a script; one that raises does not keep the next from being delivered."""
    connection = connect(setup)
    trace = Trace()
    for piece in script:
        result = called(receive, connection, piece)
        trace.pieces.append((result, list(connection.events), glance(connection)))
        connection.events.clear()
    trace.pieces.append(state(connection))
    return trace


def receive(connection: Any, data: bytes) -> Any:
    """What the network delivers."""
    return connection._dataReceived(data)  # noqa: SLF001 (what both frameworks call)


def connect(setup: Setup, kind: type[Any] | None = None) -> Any:
    """An open connection."""
    connection = (kind or application(setup.application, setup.server))()
    connection.factory = _factory(setup.server)
    connection.events = []
    connection.transport = Transport(connection.events)
    connection.log = Log(connection.events, *setup.levels)
    connection.peer = "tcp4:127.0.0.1:1"
    connection._connectionMade()  # noqa: SLF001 (as above)
    for name, value in setup.options.items():
        setattr(connection, name, value)
    if setup.options.get("trackTimings"):
        connection.trackedTimings = host.Timings()
    connection.websocket_version = 13
    connection.state = connection.STATE_OPEN
    connection.inside_message = False
    connection.current_frame = None
    if setup.compressed:
        extension = deflate.PerMessageDeflate(setup.server, False, False, 15, 15, 8)
        connection._perMessageCompress = extension  # noqa: SLF001 (as the handshake sets it)
    connection.events.clear()
    random.seed(7)
    return connection


@functools.cache
def _factory(server: bool) -> Any:
    kind = host.WebSocketServerFactory if server else host.WebSocketClientFactory
    factory = kind("ws://127.0.0.1:9000")
    factory._batched_timer = Timers()  # noqa: SLF001 (there is no other way)
    factory.openHandshakeTimeout = factory.closeHandshakeTimeout = factory.serverConnectionDropTimeout = 0
    return factory


def state(connection: Any) -> dict[str, Any]:
    """Every attribute of a connection."""
    return {name: _shown(value) for name, value in vars(connection).items() if name not in _NOT_COMPARED} | {
        "data": _shown(connection.data)
    }


def glance(connection: Any) -> list[Any]:
    """What tells how far a connection is."""
    shown = [_shown(getattr(connection, name, "none")) for name in _GLANCED_AT]
    return [*shown, dict(vars(connection.trafficStats))]


_GLANCED_AT = (
    "data", "state", "inside_message", "current_frame", "current_frame_masker", "utf8validateLast", "message_data",
    "frame_data", "message_data_total_length", "frame_length", "failedByMe", "wasClean", "control_frame_data",
)  # fmt: skip


def _shown(value: Any) -> Any:
    if isinstance(value, (list, tuple, bytes, str, int, type(None))):
        return told(value)
    if isinstance(value, deque):
        return told(list(value))
    if isinstance(value, host.FrameHeader):
        return [(name, told(item)) for name, item in vars(value).items()]
    if isinstance(value, host.TrafficStats):
        return json.dumps(value.__json__())
    if hasattr(value, "pointer"):
        return "masker", value.pointer()
    return type(value).__name__


# Applications ---------------------------------------------------------------------------------------------------------


class _Messages:
    """Tells of messages, with all that can be seen when one arrives, and does what a message says."""

    events: list[Any]
    looks_around = True

    def onMessage(self: Any, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        self.events.append(("message", told(payload), isBinary, state(self) if self.looks_around else None))
        COMMANDS.get(payload, lambda _: None)(self)

    def onPing(self: Any, payload: bytes) -> None:  # noqa: N802
        self.events.append(("ping", told(payload)))
        self.sendPong(payload)

    def onPong(self: Any, payload: bytes) -> None:  # noqa: N802
        self.events.append(("pong", told(payload)))

    def onClose(self: Any, *arguments: Any) -> None:  # noqa: N802
        self.events.append(("closed", told(arguments)))

    def onCloseFrame(self: Any, code: Any, reason: Any) -> Any:  # noqa: N802
        self.events.append(("close frame", told(code), told(reason)))
        return super().onCloseFrame(code, reason)  # type: ignore[misc]


def _raise(_: Any) -> None:
    raise LookupError("not today")


def _listen(connection: Any) -> None:
    tell = connection.events.append
    connection.on("message", lambda payload, is_binary: tell(("fired", payload, is_binary)))


def _stream(connection: Any) -> None:
    tell = connection.events.append
    connection.onMessageFrameData = lambda payload: tell(("data", payload))


def _become(connection: Any) -> None:
    connection.__class__ = application("frames", connection.factory.isServer)


def _skip(connection: Any) -> None:
    connection.data = connection.data[-40:]


def _limit(connection: Any) -> None:
    connection.maxMessagePayloadSize = 3


# What an application does when it gets one of these messages.
COMMANDS: dict[bytes, Callable[[Any], None]] = {
    b"!echo": lambda connection: connection.sendMessage(b"!echo"),
    b"!close": lambda connection: connection.sendClose(1000, "enough"),
    b"!drop": lambda connection: connection.dropConnection(),
    b"!raise": _raise,
    b"!listen": _listen,
    b"!stream": _stream,
    b"!become": _become,
    b"!again": lambda connection: receive(connection, b""),
    b"!skip": _skip,
    b"!fail": lambda connection: connection._fail_connection(1001, "failed"),  # noqa: SLF001
    b"!limit": _limit,
}


class _OnlyMessages(_Messages):
    """The same without a look at anything else."""

    looks_around = False


class _Frames(_Messages):
    """Tells of frames, too."""

    def onMessageFrame(self: Any, payload: list[bytes]) -> None:  # noqa: N802
        self.events.append(("frame", told(payload)))
        super().onMessageFrame(payload)  # type: ignore[misc]


def _telling(name: str, *, passed_on: bool) -> Any:
    def hook(self: Any, *arguments: Any) -> Any:
        self.events.append((name, told(arguments), glance(self)))
        return getattr(super(getattr(self, _KIND), self), name)(*arguments) if passed_on else None

    return hook


# The attribute that tells a hook which class it is in.
_KIND = "_kind"

_STREAM = ("Begin", "FrameBegin", "FrameData", "FrameEnd", "End")

APPLICATIONS: dict[str, tuple[tuple[str, ...], bool, type[Any]]] = {
    "messages": ((), True, _Messages),
    "only messages": ((), True, _OnlyMessages),
    "frames": ((), True, _Frames),
    "streams": (tuple([f"onMessage{part}" for part in _STREAM]), False, _Messages),
    "watches": (tuple([f"onMessage{part}" for part in _STREAM]), True, _Messages),
    "inner hooks": (tuple([f"_onMessage{part}" for part in (*_STREAM, "")]), True, _Messages),
    "steps": (("processData", "onFrameBegin", "onFrameData", "onFrameEnd"), True, _Messages),
    "fires": (("fire",), True, _Messages),
}

_kinds: dict[tuple[str, bool], type[Any]] = {}


def application(name: str, server: bool) -> type[Any]:
    """A protocol of the framework, with the hooks of an application."""
    if (name, server) not in _kinds:
        hooks, passed_on, first = APPLICATIONS[name]
        base = adapters.WebSocketServerProtocol if server else adapters.WebSocketClientProtocol
        members: dict[str, Any] = {hook: _telling(hook, passed_on=passed_on) for hook in hooks}
        kind = type("Application", (first, base), members)
        setattr(kind, _KIND, kind)
        _kinds[name, server] = kind
    return _kinds[name, server]
