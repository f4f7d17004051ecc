"""The transports by name: which ends they have, and what they need."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .broker import find_mosquitto

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .ends import Publisher, Subscriber, Take

__all__ = ["CUT_OFF", "INSTALL_MOSQUITTO", "TRANSPORTS", "Transport", "find"]

#: What to do where there is no broker.
INSTALL_MOSQUITTO: Final = (
    "the program mosquitto: apt install mosquitto (Debian, Ubuntu), brew install mosquitto (macOS), "
    "https://mosquitto.org/download for others"
)


@dataclass(frozen=True)
class Transport:
    """A way for messages from a publisher to subscribers.

    Attributes:
        name: for people; different for each.
        module: of this package.
        ends: the names of the classes of its publisher and its subscriber there.
        both, publishing, subscribing: options for both of them, and for one only.
        packages: what both need.
        broker: whether they need mosquitto, too.
        accelerates: the host library that is accelerated in both processes.
    """

    name: str
    module: str
    ends: tuple[str, str]
    packages: tuple[str, ...]
    both: Mapping[str, Any] = field(default_factory=dict)
    subscribing: Mapping[str, Any] = field(default_factory=dict)
    broker: bool = False
    accelerates: str | None = None

    def missing(self) -> str:
        """What is to be installed first, "" where it can run."""
        lacking = [name for name in self.packages if importlib.util.find_spec(name.partition("-")[0]) is None]
        needs = []
        if lacking:
            needs.append(f'{", ".join(lacking)}: python -m pip install "fastws-codec[transports]"')
        if self.broker and find_mosquitto() is None:
            needs.append(INSTALL_MOSQUITTO)
        return "; ".join(needs)

    def publisher(self) -> Publisher:
        """A new one; to be called in a running loop."""
        made: Publisher = self._class(0)(**self.both)
        return made

    def subscriber(self, port: int, number: int, take: Take) -> Subscriber:
        """A new one; to be called in a running loop."""
        made: Subscriber = self._class(1)(port, number, take, **self.both, **self.subscribing)
        return made

    def _class(self, end: int) -> Any:
        if self.accelerates is not None:
            from fastws.hosts import accelerate

            accelerate(self.accelerates)
        return getattr(importlib.import_module(f"{__package__}.{self.module}"), self.ends[end])


def _polling(name: str, interval: float, *, keep: bool) -> Transport:
    return Transport(
        name,
        "polling",
        ("PollingPublisher", "PollingSubscriber"),
        ("aiohttp",),
        subscribing={"interval": interval, "keep": keep},
    )


def _websocket(
    name: str, library: str, package: str, *, accelerates: str | None = None, ends: str = "WebSocket"
) -> Transport:
    return Transport(
        name,
        "websocket",
        (f"{ends}Publisher", f"{ends}Subscriber"),
        (package,),
        both={"library": library},
        accelerates=accelerates,
    )


def _mqtt(name: str, transport: str, qos: int, *, fast: bool = False, persistent: bool = False) -> Transport:
    return Transport(
        name,
        "mqtt",
        ("MqttPublisher", "MqttSubscriber"),
        ("paho-mqtt",),
        both={"transport": transport, "qos": qos},
        subscribing={"persistent": persistent},
        broker=True,
        accelerates="paho-mqtt" if fast else None,
    )


_COMET: Final = Transport("Comet", "comet", ("CometPublisher", "CometSubscriber"), ("aiohttp",))
_EVENTS: Final = Transport("Server-Sent Events", "events", ("EventsPublisher", "EventsSubscriber"), ("aiohttp",))
_FASTWS: Final = _websocket("WebSocket, fastws", "fastws", "h11")

#: Those that are measured, in the order of the tables.
TRANSPORTS: Final = (
    _polling("polling, 1 s, new connections", 1.0, keep=False),
    _polling("polling, 1 s, kept connection", 1.0, keep=True),
    _polling("polling, 0.1 s, new connections", 0.1, keep=False),
    _polling("polling, 0.1 s, kept connection", 0.1, keep=True),
    _COMET,
    _EVENTS,
    _FASTWS,
    _websocket("WebSocket, websockets", "websockets", "websockets"),
    _websocket("WebSocket, websockets accelerated", "websockets", "websockets", accelerates="websockets"),
    *[_mqtt(f"MQTT, QoS {qos}, TCP", "tcp", qos) for qos in range(3)],
    *[_mqtt(f"MQTT, QoS {qos}, WebSocket", "websockets", qos) for qos in range(3)],
    *[_mqtt(f"MQTT, QoS {qos}, WebSocket accelerated", "websockets", qos, fast=True) for qos in range(3)],
)

#: Those whose subscriber is cut off and comes back.
CUT_OFF: Final = (
    _polling("polling", 0.1, keep=True),
    _COMET,
    _EVENTS,
    _FASTWS,
    _websocket("WebSocket, and the program numbers messages", "fastws", "h11", ends="Resuming"),
    *[_mqtt(f"MQTT, QoS {qos}, clean session", "tcp", qos) for qos in range(3)],
    *[_mqtt(f"MQTT, QoS {qos}, persistent session", "tcp", qos, persistent=True) for qos in range(3)],
)

_BY_NAME: Final = {transport.name: transport for transport in (*TRANSPORTS, *CUT_OFF)}


def find(name: str) -> Transport:
    """The transport of that name."""
    return _BY_NAME[name]
