"""MQTT 3.1.1, over TCP or over WebSocket: paho-mqtt at both ends, a mosquitto broker between them.

The publisher speaks TCP in any case, because paho loses messages where a WebSocket does not take a frame at once. What
is compared is the way from the broker to the subscribers.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from .broker import Broker
from .ends import HOST, PATIENCE, TOPIC

if TYPE_CHECKING:
    from .ends import Take

__all__ = ["MqttPublisher", "MqttSubscriber"]

# Before the number of a subscriber: what it sends, and what it gets back.
_UP: Final = "up/"
_DOWN: Final = "down/"

# Messages on their way to the broker, at most.
_AHEAD: Final = 100

# Seconds without a word after which a client pings.
_KEEPALIVE: Final = 60


def _client(name: str, **options: Any) -> Client:
    """A client that sends small packets at once, as asyncio's transports do.

    With Nagle's algorithm, which paho and mosquitto leave on, one packet in flight keeps the next one back for the 40
    ms of a delayed acknowledgement.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, **options)

    def opened(_: Client, __: Any, connection: Any) -> None:
        # It may be a wrapper that cannot set options.
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_socket_open = opened
    # Seconds until it connects again: the least that there is, every time.
    client.reconnect_delay_set(1, 1)
    return client


class MqttPublisher:
    """A broker, and a client that publishes.

    Args:
        transport: which of its ports the subscribers are told.
        qos: 0 for at most once, 1 for at least once, 2 for exactly once.
    """

    def __init__(self, *, transport: Literal["tcp", "websockets"], qos: int) -> None:
        self._transport = transport
        self._qos = qos
        self._broker: Broker | None = None
        self._client = _client("publisher")
        self._sent: deque[MQTTMessageInfo] = deque()

    async def start(self, subscribers: int) -> int:  # noqa: ARG002 - whoever subscribes is one
        self._broker = await asyncio.to_thread(Broker)
        subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(f"{_UP}+", self._qos)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._send_back
        self._client.connect(HOST, self._broker.tcp, _KEEPALIVE)
        self._client.loop_start()
        if not await asyncio.to_thread(subscribed.wait, PATIENCE):
            raise RuntimeError("the broker does not answer")
        return self._broker.tcp if self._transport == "tcp" else self._broker.websockets

    async def joined(self, count: int) -> None:
        """The broker tells each subscriber that it has subscribed."""

    async def publish(self, message: str) -> None:
        while len(self._sent) >= _AHEAD:
            # Blocks, but nothing else goes on here.
            self._sent.popleft().wait_for_publish(PATIENCE)
        self._sent.append(self._client.publish(TOPIC, message, self._qos))

    async def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if self._broker is not None:
            await asyncio.to_thread(self._broker.stop)

    def helper(self) -> int | None:
        return None if self._broker is None else self._broker.pid

    def _send_back(self, client: Client, _: Any, message: MQTTMessage) -> None:
        client.publish(_DOWN + message.topic.removeprefix(_UP), message.payload, self._qos)


class MqttSubscriber:
    """A client in a thread of its own, which connects again by itself.

    Args:
        port, number, take: as for every subscriber.
        transport, qos: as for the publisher.
        persistent: whether the broker keeps its session, and messages of QoS 1 and 2, while it is away.
    """

    def __init__(
        self,
        port: int,
        number: int,
        take: Take,
        *,
        transport: Literal["tcp", "websockets"],
        qos: int,
        persistent: bool = False,
    ) -> None:
        self.opened = 0
        self._port = port
        self._up = f"{_UP}{number}"
        self._topics = [(TOPIC, qos), (f"{_DOWN}{number}", qos)]
        self._qos = qos
        self._ready = threading.Event()
        self._client = _client(f"s{number}", transport=transport, clean_session=not persistent)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = lambda _, __, message: take(message.payload)

    async def open(self) -> None:
        self._client.connect(HOST, self._port, _KEEPALIVE)
        self._client.loop_start()
        if not await asyncio.to_thread(self._ready.wait, PATIENCE):
            raise RuntimeError("the broker does not answer")

    async def send(self, message: str) -> None:
        self._client.publish(self._up, message, self._qos)

    async def close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _connected(self, client: Client, _: Any, flags: ConnectFlags, *__: Any) -> None:
        if flags.session_present:
            self._subscribed()
        else:
            client.subscribe(self._topics)

    def _subscribed(self, *_: Any) -> None:
        self.opened += 1
        self._ready.set()
