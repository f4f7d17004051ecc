"""paho-mqtt over WebSocket, measured. MQTT is binary: what a payload holds makes no difference."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib
import io
import re
from typing import TYPE_CHECKING, Any, Final

from fastws.frames import Opcode
from fastws.hosts import accelerated

from ..case import Case, Contender, Topic
from ..payloads import KIB, MIB, frames, message, size_name
from .library import IN_THE_LIBRARY, SIZES, count_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["library_cases"]

_GOALS: Final = {4 * KIB: 70.0, MIB: 500.0}

_TOPIC: Final = "a/topic"


class _Handshake:
    """A socket that answers the opening handshake."""

    def send(self, request: bytes) -> int:
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
        assert found
        digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        head = b"HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % base64.b64encode(digest)
        self.recv = io.BytesIO(head).read
        return len(request)


class _Memory:
    """A socket that gives what it was given, and swallows what is sent."""

    def __init__(self, stream: bytes) -> None:
        self.recv = io.BytesIO(stream).read
        self.send = len

    def close(self) -> None:
        pass


def _packet(payload: bytes) -> bytes:
    """A PUBLISH of QoS 0."""
    content = len(_TOPIC).to_bytes(2, "big") + _TOPIC.encode() + payload
    length, rest = bytearray(), len(content)
    while rest > 127:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([0x30, *length, rest]) + content


def library_cases() -> list[Case]:
    paho = importlib.import_module("paho.mqtt.client")
    version = importlib.import_module("paho.mqtt.enums").CallbackAPIVersion.VERSION2

    websocket = paho._WebsocketWrapper(_Handshake(), "localhost", 80, False, "/mqtt", None)
    client = paho.Client(version, transport="websockets")
    received: list[bytes] = []
    client.on_message = lambda _, __, message: received.append(message.payload)

    def send(packet: bytes, count: int) -> list[int]:
        websocket._socket = _Memory(b"")
        return [websocket.send(packet) for _ in range(count)]

    def publish(payload: bytes, count: int) -> list[int]:
        websocket._socket = _Memory(b"")
        client._sock = websocket
        # More of the answer is not kept: its memory would have to come from somewhere, too.
        return [client.publish(_TOPIC, payload).rc for _ in range(count)]

    def receive(stream: bytes, count: int) -> list[bytes]:
        received.clear()
        websocket._socket = _Memory(stream)
        client._sock = websocket
        for _ in range(count):
            client.loop_read()
        return received

    cases = []
    for size in SIZES:
        count, payload = count_of(size), message("binary", size)
        assert isinstance(payload, bytes)
        packet = _packet(payload)
        stream = frames(packet, Opcode.BINARY, count, masked=False)
        cases += [
            _case("packets sent by the WebSocket", size, send, (packet, count), _GOALS.get(size)),
            _case("messages published", size, publish, (payload, count), _GOALS.get(size)),
            _case("messages received", size, receive, (stream, count)),
        ]
    return sorted(cases, key=lambda case: case.group)


def _case(
    work: str, size: int, call: Callable[[Any, int], list[Any]], args: tuple[Any, int], goal: float | None = None
) -> Case:
    return Case(
        f"paho-mqtt: {work}, {IN_THE_LIBRARY}",
        f"binary, {size_name(size)}",
        (
            Contender("accelerated", call, args, around=functools.partial(accelerated, "paho-mqtt")),
            Contender("plain", call, args, goal=goal),
        ),
        "message",
        args[1],
        short=True,
        topic=Topic("paho-mqtt", "", work, IN_THE_LIBRARY, "binary", size),
    )
