"""paho-mqtt's client over real sockets, plain and accelerated, against a broker that answers as this file says."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

import fastws.hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("adapted")

# Long enough for a machine that is busy with something else.
_PATIENCE = 60

CONNECT, PUBLISH, PUBREL, SUBSCRIBE, PINGREQ = 1, 3, 6, 8, 12


def _packets(stream: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the packets of MQTT that are complete: first byte, content."""
    while True:
        length, size = 0, 1
        while size < len(stream) and (size == 1 or stream[size - 1] & 0x80):
            length |= (stream[size] & 0x7F) << 7 * (size - 1)
            size += 1
        if size == 1 or stream[size - 1] & 0x80 or len(stream) < size + length:
            return
        first, content = stream[0], bytes(stream[size : size + length])
        del stream[: size + length]
        yield first, content


def _answers(first: int, content: bytes) -> list[bytes]:
    """What a broker says to a packet; what is published comes back, as it is, but with QoS 0."""
    kind, qos = first >> 4, first >> 1 & 3
    if kind == CONNECT:
        return [b"\x20\x02\x00\x00"]
    if kind == SUBSCRIBE:
        return [b"\x90\x03" + content[:2] + b"\x00"]
    if kind == PUBREL:
        return [b"\x70\x02" + content[:2]]
    if kind == PINGREQ:
        return [b"\xd0\x00"]
    if kind != PUBLISH:
        return []
    topic = content[: 2 + int.from_bytes(content[:2], "big")]
    if not qos:
        return [_packet(0x30, content)]
    mid, payload = content[len(topic) : len(topic) + 2], content[len(topic) + 2 :]
    return [bytes([0x40 if qos == 1 else 0x50, 2]) + mid, _packet(0x30, topic + payload)]


def _packet(first: int, content: bytes) -> bytes:
    length, rest = bytearray(), len(content)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([first, *length, rest]) + content


def _one_by_one(connection: ServerConnection, packets: list[bytes]) -> None:
    for packet in packets:
        connection.send(packet)


def _together(connection: ServerConnection, packets: list[bytes]) -> None:
    """As a broker may: packets and messages need not match."""
    if packets:
        connection.send(b"".join(packets))


def _in_fragments(connection: ServerConnection, packets: list[bytes]) -> None:
    joined = b"".join(packets)
    if joined:
        connection.send([joined[:1], joined[1:2], joined[2:9], joined[9:]])


@contextmanager
def broker(answer: Callable[[ServerConnection, list[bytes]], None]) -> Iterator[int]:
    """The broker, for as long as the block runs; yields its port."""

    def handle(connection: ServerConnection) -> None:
        stream = bytearray()
        with suppress(ConnectionClosed):
            for message in connection:
                assert isinstance(message, bytes)
                stream += message
                answer(connection, [each for packet in _packets(stream) for each in _answers(*packet)])

    options: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None, "close_timeout": 1}
    with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("mqtt")], **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


MESSAGES = [
    (f"topic/{size}", bytes(range(256)) * (size // 256) + bytes(size % 256)) for size in (0, 1, 119, 126, 5000, 70_000)
]


def talk(port: int, qos: int) -> list[tuple[str, bytes | bytearray]]:
    """What comes back of the messages, one after the other."""
    arrived: queue.Queue[Any] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, transport="websockets")
    client.on_subscribe = lambda *_: arrived.put("subscribed")
    client.on_message = lambda _, __, message: arrived.put((message.topic, message.payload))
    client.on_connect = lambda client, *_: client.subscribe("topic/#")
    client.connect("127.0.0.1", port, keepalive=600)
    client.loop_start()
    try:
        assert arrived.get(timeout=_PATIENCE) == "subscribed"
        received = []
        for topic, payload in MESSAGES:
            info = client.publish(topic, payload, qos)
            received.append(arrived.get(timeout=_PATIENCE))
            info.wait_for_publish(_PATIENCE)
        client.disconnect()
    finally:
        client.loop_stop()
    return received


@pytest.mark.parametrize("answer", [_one_by_one, _together, _in_fragments])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_there_and_back(answer: Callable[[ServerConnection, list[bytes]], None], qos: int) -> None:
    with broker(answer) as port:
        fastws.hosts.restore()
        plain = talk(port, qos)
        with fastws.hosts.accelerated("paho-mqtt"):
            assert talk(port, qos) == plain
    assert plain == MESSAGES
