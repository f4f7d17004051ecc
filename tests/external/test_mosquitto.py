"""MQTT over WebSocket for real: paho-mqtt against a mosquitto broker, plain and accelerated.

Needs the program ``mosquitto``, built with its WebSocket listener.
"""

from __future__ import annotations

import queue
import shutil
import socket
import subprocess
import threading
import time
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

import fastws.hosts
from fastws.hosts.paho_mqtt import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Transport = Literal["tcp", "websockets"]

# Long enough for a machine that is busy with something else.
_PATIENCE = 120

SIZES = (0, 1, 100, 125, 126, 127, 4096, 16_000, 65_535, 65_536, 300_000, 1 << 20)


@dataclass(frozen=True)
class Broker:
    """Where mosquitto listens."""

    tcp: int
    websockets: int

    def port(self, transport: Transport) -> int:
        return self.tcp if transport == "tcp" else self.websockets


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    assert program, "mosquitto is not installed"
    folder = tmp_path_factory.mktemp("mosquitto")
    # Somebody else may take a port that was free a moment ago.
    for _ in range(5):
        found = Broker(_free_port(), _free_port())
        with _running(program, folder, found) as listens:
            if listens:
                with _kept_awake(found):
                    yield found
                return
    pytest.fail((folder / "log").read_text())


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def _running(program: str, folder: Path, broker: Broker) -> Iterator[bool]:
    """The broker, for as long as the block runs; yields whether it listens."""
    lines = (
        "allow_anonymous true",
        "persistence false",
        "max_queued_messages 0",
        f"listener {broker.tcp} 127.0.0.1",
        f"listener {broker.websockets} 127.0.0.1",
        "protocol websockets",
    )
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join([*lines, ""]))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "-c", str(configuration)], stdout=log, stderr=log)  # noqa: S603
        try:
            yield _listens(process, broker.tcp) and _listens(process, broker.websockets)
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)):
            return True
        time.sleep(0.01)
    return False


@contextmanager
def _kept_awake(broker: Broker) -> Iterator[None]:
    """Pings by TCP: the broker sends 4 KiB to a WebSocket whenever it wakes up, else ten times a second."""
    stop = threading.Event()
    with closing(socket.create_connection(("127.0.0.1", broker.tcp), timeout=_PATIENCE)) as pinging:
        pinging.sendall(bytes([0x10, 12, 0, 4, *b"MQTT", 4, 2, 0, 0, 0, 0]))
        assert pinging.recv(4) == b"\x20\x02\x00\x00"

        def ping() -> None:
            while not stop.wait(0.0005):
                pinging.sendall(b"\xc0\x00")
                pinging.recv(2)

        thread = threading.Thread(target=ping)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@dataclass
class Peer:
    """A client of MQTT and what it met, in a thread of its own."""

    client: Client
    arrived: queue.Queue[tuple[Any, ...]] = field(default_factory=queue.Queue)

    def next(self, kind: str) -> tuple[Any, ...]:
        """What comes next, which has to be of this kind."""
        event = self.arrived.get(timeout=_PATIENCE)
        assert event[0] == kind, event
        return event[1:]

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        info = self.client.publish(topic, payload, qos)
        info.wait_for_publish(_PATIENCE)
        assert info.is_published()

    def messages(self, count: int) -> list[tuple[Any, ...]]:
        return [self.next("message") for _ in range(count)]


@contextmanager
def connected(broker: Broker, transport: Transport, *topics: tuple[str, int], version: int = 4) -> Iterator[Peer]:
    """A client that is connected and subscribed, and that ends in good order."""
    client = Client(CallbackAPIVersion.VERSION2, transport=transport, protocol=MQTTProtocolVersion(version))
    peer = Peer(client)

    def on_message(_: Client, __: Any, message: MQTTMessage) -> None:
        told = message.topic, type(message.payload).__name__, bytes(message.payload), message.qos, message.retain
        peer.arrived.put(("message", *told))

    client.on_message = on_message
    client.on_connect = lambda *told: peer.arrived.put(("connected", str(told[3])))
    client.on_subscribe = lambda *told: peer.arrived.put(("subscribed", [str(code) for code in told[3]]))
    client.on_disconnect = lambda *told: peer.arrived.put(("disconnected", told[3].is_failure))
    client.connect("127.0.0.1", broker.port(transport), keepalive=600)
    client.loop_start()
    try:
        assert peer.next("connected") == ("Success",)
        if topics:
            client.subscribe(list(topics))
            assert peer.next("subscribed") == ([f"Granted QoS {qos}" for _, qos in topics],)
        yield peer
        client.disconnect()
        assert peer.next("disconnected") == (False,)
    finally:
        client.loop_stop()
        # Else the client is garbage, and its sockets may be found unclosed before it closes them.
        client.on_message = client.on_connect = client.on_subscribe = client.on_disconnect = None


def _payload(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def _accelerated(fast: bool) -> Any:
    return fastws.hosts.accelerated("paho-mqtt") if fast else nullcontext()


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test went through every replacement that matters to traffic."""
    monkeypatch.setenv("FASTWS_COUNT_SEAMS", "1")
    before = fastws.hosts.seam_hits()
    yield
    after = fastws.hosts.seam_hits()
    for path in HOST.replaces:
        # Frames are built where they are sent, and so is a packet of QoS 0.
        if not path.endswith(("._create_frame", "._send_publish")):
            assert after.get(path, 0) > before.get(path, 0), path


both = pytest.mark.parametrize("fast", [False, True], ids=["plain", "accelerated"])
versions = pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5], ids=str)


@both
@versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_there_and_back(broker: Broker, qos: int, version: int, fast: bool) -> None:
    """Every size by one connection, which gets it back."""
    with _accelerated(fast), connected(broker, "websockets", ("echo/#", qos), version=version) as peer:
        for size in SIZES:
            peer.publish(f"echo/{size}", _payload(size), qos)
            assert peer.next("message") == (f"echo/{size}", "bytes", _payload(size), qos, False)


@both
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize(("sender", "receiver"), [("websockets", "tcp"), ("tcp", "websockets")])
def test_one_direction(broker: Broker, sender: Transport, receiver: Transport, qos: int, fast: bool) -> None:
    """The other end is a connection without WebSocket."""
    with (
        _accelerated(fast),
        connected(broker, receiver, ("one/#", qos)) as far,
        connected(broker, sender) as near,
    ):
        for size in SIZES:
            near.publish(f"one/{size}", _payload(size), qos)
        assert far.messages(len(SIZES)) == [(f"one/{size}", "bytes", _payload(size), qos, False) for size in SIZES]


@both
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_many_at_once(broker: Broker, qos: int, fast: bool) -> None:
    """Messages that need not wait for one another, small and large in turn, in both directions."""
    payloads = [_payload(30_000 if number % 10 == 9 else number) for number in range(100)]
    with _accelerated(fast), connected(broker, "websockets", ("many", qos)) as peer:
        infos = [peer.client.publish("many", payload, qos) for payload in payloads]
        assert [message[2] for message in peer.messages(len(payloads))] == payloads
        for info in infos:
            info.wait_for_publish(_PATIENCE)


@pytest.mark.usefixtures("hits")
def test_accelerated_and_restored_while_connected(broker: Broker) -> None:
    with connected(broker, "websockets", ("switch", 1)) as peer:
        for turn in range(6):
            with _accelerated(turn % 2 == 1):
                peer.publish("switch", _payload(20_000 + turn), 1)
                assert peer.next("message")[2] == _payload(20_000 + turn)


@both
def test_without_a_thread(broker: Broker, fast: bool) -> None:
    """The program calls ``loop`` itself, and publishes from callbacks."""
    received: list[bytes | bytearray] = []
    client = Client(CallbackAPIVersion.VERSION2, transport="websockets")

    def on_message(client: Client, _: Any, message: MQTTMessage) -> None:
        received.append(message.payload)
        if len(received) < 10:
            client.publish("loop", _payload(len(message.payload) * 3), qos=len(received) % 3)

    client.on_connect = lambda client, *_: client.subscribe("loop", qos=2)
    client.on_subscribe = lambda client, *_: client.publish("loop", b"???")
    client.on_message = on_message
    with _accelerated(fast):
        client.connect("127.0.0.1", broker.websockets, keepalive=600)
        deadline = time.monotonic() + _PATIENCE
        while len(received) < 10 and time.monotonic() < deadline:
            client.loop(1)
        client.disconnect()
    assert received[0] == b"???"
    assert received[1:] == [_payload(3**power) for power in range(2, 11)]


@both
def test_a_message_that_arrives_in_many_parts(broker: Broker, fast: bool) -> None:
    """It is sent by TCP, because plain paho loses what a socket does not take at once."""
    payload = _payload(4 << 20)
    with (
        _accelerated(fast),
        connected(broker, "websockets", ("large", 1)) as far,
        connected(broker, "tcp") as near,
    ):
        near.publish("large", payload, 1)
        assert far.next("message")[2] == payload


@pytest.mark.usefixtures("hits")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_that_leave_in_many_parts(broker: Broker, qos: int) -> None:
    """Plain paho loses them, and mutilates those that follow."""
    payloads = [_payload(size) for size in (8 << 20, 5, 3 << 20, 100_000, 9)]
    with (
        _accelerated(True),
        connected(broker, "tcp", ("large", qos)) as far,
        connected(broker, "websockets") as near,
    ):
        infos = [near.client.publish("large", payload, qos) for payload in payloads]
        assert [message[2] for message in far.messages(len(payloads))] == payloads
        for info in infos:
            info.wait_for_publish(_PATIENCE)
