"""paho's WebSocket fed from a script: what it returned or raised, read and sent, and the state it was left in."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import _WebsocketWrapper

import scripted
from fastws.hosts.paho_mqtt import frames, publishing
from recording import called, told
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    import pytest

    from scripted import Event

_STATE = ("connected", "_sendbuffer", "_readbuffer", "_requested_size", "_payload_head", "_readbuffer_head")


def draw_the_same_keys(adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system draws the same key for ever, and so does the codec."""

    def urandom(size: int) -> bytes:
        return (KEY * size)[:size]

    monkeypatch.setattr(os, "urandom", urandom)
    monkeypatch.setattr(frames, "SYSTEM_RANDOM", urandom)
    monkeypatch.setattr(publishing, "SYSTEM_RANDOM", urandom)
    monkeypatch.setattr(adapted, "new_key", lambda: KEY)


class Handshake:
    """A socket that answers the opening handshake, and has nothing else to say."""

    def __init__(self) -> None:
        self.answer = b""

    def send(self, request: bytes) -> int:
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
        assert found
        digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        accept = base64.b64encode(digest)
        lines = b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept
        self.answer = b"\r\n".join([*lines, b"", b""])
        return len(request)

    def recv(self, size: int) -> bytes:
        piece, self.answer = self.answer[:size], self.answer[size:]
        return piece


class ScriptedSocket(scripted.ScriptedSocket):
    """Takes as much at a time as another script says, and all after it. ``sent`` keeps what was sent, not copies."""

    def __init__(self, script: Iterable[Event] = (), takes: Iterable[int | BaseException] = ()) -> None:
        super().__init__(script)
        self.takes = list(takes)
        self.read = 0
        self.ends = 0
        self.sent: list[Any] = []

    def recv(self, size: int) -> bytes:
        self.ends += not self.script
        data = super().recv(size)
        self.read += len(data)
        return data

    def send(self, data: Any) -> int:
        self.sent.append(data)
        if not self.takes:
            return len(data)
        takes = self.takes.pop(0)
        if isinstance(takes, BaseException):
            raise type(takes)(*takes.args)
        return min(takes, len(data))

    def close(self) -> None:
        pass


def opened(socket: Any, kind: type[_WebsocketWrapper] = _WebsocketWrapper) -> Any:
    """A WebSocket of paho over ``socket``, after its handshake."""
    wrapper: Any = kind(Handshake(), "localhost", 80, False, "/mqtt", None)  # type: ignore[arg-type]
    wrapper._socket = socket  # noqa: SLF001
    return wrapper


def state(wrapper: Any) -> dict[str, Any]:
    """Every attribute of a WebSocket that sending and receiving change."""
    return {name: told(copy(getattr(wrapper, name))) for name in _STATE}


@dataclass
class Trace:
    """What happened, call by call, as plain values."""

    calls: list[Any] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)


def receive(script: Iterable[Event], lengths: Sequence[int], calls: int = 60) -> Trace:
    """Read as much at a time as ``lengths`` says, in turn; failed calls are made again, until the peer is gone."""
    socket = ScriptedSocket(script)
    wrapper = opened(socket)
    trace = Trace()
    for turn in range(calls):
        result = called(wrapper.recv, lengths[turn % len(lengths)])
        trace.calls.append((result, socket.read, socket.ends, len(socket.script), state(wrapper)))
        if not wrapper.connected:
            break
    trace.sent = [told(data) for data in socket.sent]
    return trace


def send(payloads: Iterable[Any], takes: Iterable[int | BaseException], socket: Any = None) -> Trace:
    """Send each payload as paho does: again and again, until all of it has left."""
    socket = ScriptedSocket((), takes) if socket is None else socket
    wrapper = opened(socket)
    trace = Trace()
    for payload in payloads:
        for _ in range(40):
            result = called(wrapper.send, payload)
            trace.calls.append((result, told(copy(payload)), state(wrapper)))
            if result[0] == "returned" and (result[1][1] or not payload):
                break
    trace.sent = [told(data) for data in socket.sent]
    return trace
