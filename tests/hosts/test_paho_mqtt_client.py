"""paho-mqtt's client over its WebSocket, plain against accelerated: what is published, told and left in the queue."""

# ruff: noqa: SLF001 -- what a client keeps is private

from __future__ import annotations

import collections
import os
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from paho.mqtt import client as paho
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import fastws.hosts
from fastws import Frame, FrameDecoder, Role
from fastws.hosts.paho_mqtt.packets import Packet
from recording import called, told
from scripted_paho import ScriptedSocket, draw_the_same_keys, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

SIZES = [1, 100, 119, 120, 4096, 16_370, 32_767, 32_768, 65_536]


@pytest.fixture(autouse=True)
def _same_keys(adapted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_the_same_keys(adapted, monkeypatch)


@pytest.fixture(autouse=True, params=[False, True], ids=["quiet", "logged"])
def _log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the program wants to see the lines of the log."""
    monkeypatch.setattr(Publisher, "logged", request.param)


@dataclass
class Publisher:
    """A client that is connected, and all that can be seen of it."""

    logged: ClassVar = True
    takes: tuple[Any, ...] = ()
    version: int = 4
    api: CallbackAPIVersion = CallbackAPIVersion.VERSION2
    kind: type[Client] = Client
    seen: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client: Any = self.kind(self.api, transport="websockets", protocol=MQTTProtocolVersion(self.version))
        self.socket = ScriptedSocket((), self.takes)
        self.client._sock = opened(self.socket)
        self.client._last_msg_out = 0.0
        if self.logged:
            self.client.on_log = lambda _, __, level, line: self.seen.append((level, line))
        self.client.on_socket_register_write = self._note("register")
        self.client.on_socket_unregister_write = self._note("unregister")
        self.client.on_socket_close = self._note("close")
        self.client.on_disconnect = self._note("disconnect")
        # Otherwise the program has a loop of its own.
        self.client.on_socket_register_write = None

    def _note(self, name: str) -> Any:
        return lambda *told: self.seen.append((name, [str(one) for one in told[3:]]))

    def tell(self) -> Any:
        """All that was seen, and what waits."""
        waiting = [
            [packet[name] for name in ("command", "mid", "qos", "pos", "to_process")]
            for packet in self.client._out_packet
        ]
        wrapper = self.client._sock
        left = None if wrapper is None else (bytes(wrapper._sendbuffer), wrapper._requested_size)
        later = self.client._last_msg_out > 0
        return (
            list(self.seen),
            [bytes(data) for data in self.socket.sent],
            waiting,
            left,
            later,
            str(self.client._state),
        )


def compare(run: Callable[[], Any]) -> Any:
    fastws.hosts.restore()
    plain = run()
    with fastws.hosts.accelerated("paho-mqtt"):
        assert run() == plain
    return plain


def _info(info: Any) -> Any:
    values = info.rc, type(info.rc).__name__, info.mid, info._published, type(info._condition).__name__, info._iterpos
    return type(info).__name__, *values, str(info), [*info], called(info.is_published)


# What is published ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_sizes(size: int, qos: int, version: int) -> None:
    def run() -> Any:
        publisher = Publisher(version=version)
        infos = [publisher.client.publish("a/topic", os.urandom(size), qos, retain) for retain in (False, True)]
        return [_info(info) for info in infos], publisher.tell()

    (_, told_plain) = compare(run)
    assert len(told_plain[1]) == 2


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize(
    "payload",
    [None, "", b"", "text", "é" * 40_000, b"bytes", bytearray(b"array"), bytearray(50_000), 5, 2.5, True, [1]],
    ids=lambda payload: f"{type(payload).__name__} {len(str(payload))}",
)
def test_payloads(payload: Any, version: int) -> None:
    def run() -> Any:
        publisher = Publisher(version=version)
        properties = None
        if version == 5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = "some"
        given = [called(publisher.client.publish, topic, payload, 0, False, properties) for topic in ("a", "ä/b", "+")]
        told_infos = [(how, _info(what[1]) if how == "returned" else what) for how, what in given]
        return told_infos, publisher.tell()

    compare(run)


@pytest.mark.parametrize("arguments", [(1, b"a", b"x"), (1, "a", b"x"), (1, bytearray(b"a"), b"x"), (1, b"a", "x")])
@pytest.mark.parametrize("more", [(), (1,), (2, True), (0, 1, True), (1, False, 3), (7,), (-1,), ("1",), (0, None)])
def test_odd_calls(arguments: tuple[Any, ...], more: tuple[Any, ...]) -> None:
    def run() -> Any:
        publisher = Publisher()
        result = called(publisher.client._send_publish, *arguments, *more)
        return result, publisher.tell()

    compare(run)


class _Undecided(bytes):
    def __bool__(self) -> bool:
        raise ValueError("neither")


@pytest.mark.parametrize(
    "topic", ["", None, b"a", "a/+", "#", "ä" * 32_767, "ä" * 32_768, "\ud800", 5], ids=lambda t: repr(t)[:9]
)
@pytest.mark.parametrize(
    "more",
    [(b"x",), ("\ud800",), (b"x", True), (b"x", 3), (b"x", -1), (b"x", "1"), (b"x", 0.0), (b"x", 0, 1), (b"x", 0, 2)],
)
def test_odd_messages(topic: Any, more: tuple[Any, ...]) -> None:
    def run() -> Any:
        publisher = Publisher()
        result = called(publisher.client.publish, topic, *more)
        return result[0] if result[0] == "returned" else result, publisher.client._last_mid, publisher.tell()

    compare(run)


@pytest.mark.parametrize("payload", [_Undecided(b"x"), [], object], ids=lambda payload: type(payload).__name__)
def test_odd_payloads(payload: Any) -> None:
    def run() -> Any:
        publisher = Publisher()
        return called(publisher.client.publish, "a", payload)[0], publisher.tell()

    compare(run)


@pytest.mark.parametrize("last", [0, 65_534, 65_535, 65_536])
def test_message_ids_begin_again(last: int) -> None:
    def run() -> Any:
        publisher = Publisher()
        publisher.client._last_mid = last
        return [publisher.client.publish("a", b"x").mid for _ in range(3)], publisher.client._last_mid

    compare(run)


def test_a_topic_that_is_too_long() -> None:
    def run() -> Any:
        publisher = Publisher()
        results = [called(publisher.client._send_publish, 1, bytes(size), b"x") for size in (65_535, 65_536)]
        return results, publisher.tell()

    compare(run)


def test_a_packet_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host says which is, in ``publish`` and again below it."""
    monkeypatch.setattr("fastws.hosts.paho_mqtt.publishing._LARGEST", 100)
    plain = Client._pack_remaining_length

    def pack(self: Any, packet: bytearray, length: int) -> Any:
        if length > 20_000:
            raise ValueError("Packet too large")
        return plain(self, packet, length)

    def run() -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(Client, "_pack_remaining_length", pack)
            publisher = Publisher()
            results = [
                called(publisher.client._send_publish, 1, b"a", bytes(size)) for size in (19_997, 19_998, 90_000)
            ]
            results += [called(publisher.client.publish, "a", bytes(size)) for size in (100, 101, 90_000)]
            return [result if result[0] == "raised" else result[0] for result in results], publisher.tell()

    compare(run)


def test_what_leaves_at_once_is_not_queued() -> None:
    class Noting(collections.deque[Any]):
        def append(self, packet: Any) -> None:
            queued.append(packet["mid"])
            super().append(packet)

        def appendleft(self, packet: Any) -> None:
            queued.append(packet["mid"])
            super().appendleft(packet)

    queued: list[int] = []
    with fastws.hosts.accelerated("paho-mqtt"):
        publisher = Publisher(takes=(1 << 30, 1 << 30, 1 << 30, BlockingIOError(11, "try again")))
        publisher.client._out_packet = Noting()
        infos = [publisher.client.publish("a", b"x", qos) for qos in (0, 1, 2, 0, 0)]
        assert publisher.client.loop_write() == 0
    # The fourth waits until the fifth leaves, which has to wait for it.
    assert queued == [infos[3].mid, infos[4].mid]
    assert [info._published for info in infos] == [True, False, False, True, True]


def test_the_payload_stays_as_it_was() -> None:
    """A program may change an array that it has published, and the client must not change it."""
    payload = bytearray(b"\x5a" * 100_000)
    with fastws.hosts.accelerated("paho-mqtt"):
        publisher = Publisher(takes=(BlockingIOError(11, "try again"),))
        publisher.client.publish("a", payload, 1)
        assert payload == b"\x5a" * 100_000
        payload[:] = bytes(100_000)
        assert publisher.client.loop_write() == 0
    (frame,) = FrameDecoder(Role.SERVER, max_frame_size=1 << 20).feed(publisher.socket.sent[-1])
    assert frame.payload.endswith(b"\x5a" * 100_000)


# What is written ------------------------------------------------------------------------------------------------------

_ERRORS = (
    BlockingIOError(11, "try again"),
    ssl.SSLWantWriteError("write"),
    ssl.SSLWantReadError("read"),
    ConnectionResetError(104, "reset"),
    TimeoutError("timed out"),
    OSError(9, "bad descriptor"),
    ValueError("closed"),
    AttributeError("no socket"),
    KeyError("anything else"),
)


@pytest.mark.parametrize("size", [5, 40_000])
@pytest.mark.parametrize("error", _ERRORS, ids=repr)
@pytest.mark.parametrize("qos", [0, 1])
def test_errors_of_the_socket(qos: int, error: Exception, size: int) -> None:
    def run() -> Any:
        publisher = Publisher(takes=(1 << 30, error))
        client = publisher.client
        client.on_publish = lambda *told: publisher.seen.append(("published", told[2], str(told[3]), str(told[4])))
        results = []
        for payload in (b"first", bytes(size), b"third"):
            result = called(client.publish, "a", payload, qos)
            results.append((result[0], _info(result[1][1]) if result[0] == "returned" else result[1]))
            results.append(called(client.want_write))
        results += [called(client.loop_write) for _ in range(3)]
        return results, publisher.tell()

    compare(run)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_a_program_that_is_stopped_while_it_sends(error: BaseException) -> None:
    def run() -> Any:
        publisher = Publisher(takes=(error,))
        with pytest.raises(type(error)):
            publisher.client.publish("a", b"first")
        after = publisher.tell()
        return after, _info(publisher.client.publish("a", b"second")), publisher.tell()

    compare(run)


@pytest.mark.parametrize("taken", [0, -1])
def test_a_socket_that_takes_nothing(taken: int) -> None:
    """The host forgets the packet, and so do we: no system's socket does that."""

    def run() -> Any:
        publisher = Publisher(takes=(taken,))
        infos = [_info(publisher.client.publish("a", payload)) for payload in (b"first", b"second")]
        return infos, publisher.tell()

    compare(run)


@pytest.mark.filterwarnings("ignore:Callback API version 1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize("suppressed", [False, True])
@pytest.mark.parametrize("api", CallbackAPIVersion)
def test_callbacks(api: CallbackAPIVersion, suppressed: bool) -> None:
    def run() -> Any:
        publisher = Publisher(api=api)
        client = publisher.client
        client.suppress_exceptions = suppressed

        def on_publish(client: Any, _: Any, mid: int, *more: Any) -> None:
            publisher.seen.append(("published", mid, [(type(one).__name__, str(one)) for one in more]))
            if mid == 1:
                client.publish("a", b"from the callback")
            if mid == 3:
                raise RuntimeError("a program's fault")

        client.on_publish = on_publish
        results = [called(client.publish, "a", bytes(size)) for size in (5, 40_000, 5, 5)]
        told_infos = [(how, _info(what[1]) if how == "returned" else what) for how, what in results]
        client.on_publish = None
        return told_infos, called(client.loop_write), publisher.tell()

    compare(run)


def test_an_unknown_version_of_the_callbacks() -> None:
    def run() -> Any:
        publisher = Publisher()
        publisher.client.on_publish = lambda *_: None
        publisher.client._callback_api_version = None
        return called(publisher.client.publish, "a", b"x"), publisher.tell()

    compare(run)


def test_other_packets_between() -> None:
    """The host knows what follows each of them."""

    def run() -> Any:
        publisher = Publisher(takes=(BlockingIOError(11, "try again"),))
        client = publisher.client
        client.publish("a", b"first")
        results = [called(client.subscribe, "b"), called(client.publish, "a", b"second")]
        results += [called(client._send_pingreq), called(client.unsubscribe, "b")]
        return [how for how, _ in results], publisher.tell()

    compare(run)


def test_another_thread_writes_first() -> None:
    """Two threads of a program may write the queue at once."""

    class Emptied(collections.deque[Any]):
        def __len__(self) -> int:
            return max(1, super().__len__())

    def run() -> Any:
        publisher = Publisher()
        publisher.client._out_packet = Emptied()
        return called(publisher.client.loop_write), called(publisher.client.publish, "a", b"x")[0], publisher.tell()

    compare(run)


class Bell:
    """The end of a pair of sockets that wakes a loop in another thread."""

    def __init__(self, publisher: Publisher, error: BaseException | None = None) -> None:
        self.publisher, self.error = publisher, error

    def send(self, data: bytes) -> int:
        self.publisher.seen.append(("woken", data, len(self.publisher.socket.sent)))
        if self.error is not None:
            raise type(self.error)(*self.error.args)
        return 1

    def close(self) -> None:
        pass


@pytest.mark.parametrize("size", [5, 40_000])
@pytest.mark.parametrize("thread", [None, object()], ids=["own loop", "loop of a thread"])
@pytest.mark.parametrize(
    "error", [None, BlockingIOError(11, "full"), OSError(9, "closed"), KeyboardInterrupt()], ids=repr
)
def test_a_loop_that_waits_is_woken(error: BaseException | None, thread: Any, size: int) -> None:
    """Before anything is sent; what could not wake it is in the queue."""

    def run() -> Any:
        publisher = Publisher()
        client = publisher.client
        client._sockpairW, client._thread = Bell(publisher, error), thread

        def publish(payload: bytes) -> Any:
            try:
                return _info(client.publish("a", payload))
            except BaseException as raised:
                if type(raised) is not type(error):
                    raise
                return type(raised), raised.args

        results = [publish(bytes(size)), publish(b"second")]
        packets = [(bytes(packet["packet"]), packet["info"] is None) for packet in client._out_packet]
        before = publisher.tell()
        client._thread = client._sockpairW = None
        return results, packets, before, client.loop_write(), publisher.tell()

    compare(run)


@pytest.mark.parametrize("size", [5, 40_000])
def test_another_thread_begins_a_frame_meanwhile(size: int) -> None:
    """A loop that was woken may send something itself; the rest of its frame is not lost."""

    class Busy(Bell):
        def send(self, data: bytes) -> int:
            wrapper = self.publisher.client._sock
            wrapper._sendbuffer, wrapper._requested_size = bytearray(b"the rest"), 1
            return super().send(data)

    def run() -> Any:
        publisher = Publisher()
        publisher.client._sockpairW = Busy(publisher)
        info = publisher.client.publish("a", bytes(size))
        publisher.client._sockpairW = None
        return _info(info), publisher.tell()

    (_, told_plain) = compare(run)
    assert told_plain[1][0] == b"the rest"


def test_another_thread_queues_something_meanwhile() -> None:
    class Busy(Bell):
        def send(self, data: bytes) -> int:
            client = self.publisher.client
            client._sockpairW = None
            with client._in_callback_mutex:
                client.publish("a", b"of another thread")
            return super().send(data)

    with fastws.hosts.accelerated("paho-mqtt"):
        publisher = Publisher()
        publisher.client._sockpairW = Busy(publisher)
        assert publisher.client.publish("a", b"of this one").is_published()
        frames = FrameDecoder(Role.SERVER, max_frame_size=1 << 20).feed(b"".join(publisher.socket.sent))
    assert [frame.payload[5:] for frame in frames] == [b"of another thread", b"of this one"]
    assert not publisher.client.want_write()


@pytest.mark.parametrize("takes", [(), (BlockingIOError(11, "try again"),)], ids=["at once", "later"])
def test_who_waits_for_a_message_is_told(takes: tuple[Any, ...]) -> None:
    """Also for one that is sent again and that somebody waits for by now."""

    class Noting(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waiting.set()
            return super().wait(timeout)

    waiting = threading.Event()
    with fastws.hosts.accelerated("paho-mqtt"):
        publisher = Publisher(takes=takes)
        info: Any = paho.MQTTMessageInfo(7)
        info._condition = Noting()
        thread = threading.Thread(target=info.wait_for_publish, daemon=True)
        thread.start()
        assert waiting.wait(60)
        assert publisher.client._send_publish(7, b"a", b"x", 0, False, False, info) == 0
        publisher.client.loop_write()
        thread.join(60)
        assert not thread.is_alive()
    assert info.is_published()


@pytest.mark.parametrize("turn", ["restored", "accelerated"])
@pytest.mark.parametrize("takes", [(BlockingIOError(11, "try again"),), (ssl.SSLWantWriteError("write"),)], ids=repr)
def test_what_waits_is_sent_by_whoever_comes(takes: tuple[Any, ...], turn: str) -> None:
    publisher = Publisher(takes=takes)
    client, payloads = publisher.client, [bytes(5), bytes(40_000), b"last"]
    first, second = fastws.hosts.restore, fastws.hosts.accelerate
    if turn == "restored":
        first, second = second, first
    first("paho-mqtt")
    client.publish("a", payloads[0])
    second("paho-mqtt")
    # The queue is written in the order of the messages, and each has one frame.
    for payload in payloads[1:]:
        client.publish("a", payload)
    fastws.hosts.restore()
    frames = FrameDecoder(Role.SERVER, max_frame_size=1 << 20).feed(b"".join(publisher.socket.sent[1:]))
    assert [frame.payload.partition(b"a")[2] for frame in frames] == payloads
    assert not client.want_write()


def test_the_end_of_a_connection() -> None:
    def run() -> Any:
        publisher = Publisher()
        client = publisher.client
        results = [_info(client.publish("a", b"first")), client.disconnect(), _info(client.publish("a", b"second"))]
        return results, client.loop_write(), publisher.tell()

    compare(run)


def test_a_loop_of_the_programs_own() -> None:
    def run() -> Any:
        publisher = Publisher()
        client = publisher.client
        client.on_socket_register_write = lambda *_: publisher.seen.append("register")
        results = [_info(client.publish("a", bytes(size))) for size in (5, 40_000)]
        before = publisher.tell()
        return results, before, client.want_write(), client.loop_write(), client.want_write(), publisher.tell()

    compare(run)


def test_subclasses_keep_their_say() -> None:
    class Loud(Client):
        log: list[Any] = []  # noqa: RUF012

        def _easy_log(self, level: Any, line: str, *told: Any) -> None:
            self.log.append(("log", line % told))
            super()._easy_log(level, line, *told)

        def _packet_queue(self, *told: Any) -> Any:
            self.log.append(("queue", [told[0], bytes(told[1]), told[2]]))
            return super()._packet_queue(*told)

        def _packet_write(self) -> Any:
            self.log.append("write")
            return super()._packet_write()

        def _sock_send(self, buf: Any) -> int:
            self.log.append(("send", bytes(buf)))
            return super()._sock_send(buf)

        def want_write(self) -> bool:
            self.log.append("want")
            return super().want_write()

    def run() -> Any:
        Loud.log = []
        publisher = Publisher(kind=Loud, takes=(1 << 30, BlockingIOError(11, "try again")))
        infos = [_info(publisher.client.publish("a", bytes(size), 1)) for size in (5, 40_000)]
        return infos, publisher.client.loop_write(), Loud.log, publisher.tell()

    compare(run)


_STEPS = [
    "_raise_for_invalid_topic",
    "_mid_generate",
    "_send_publish",
    "_easy_log",
    "_packet_queue",
    "loop_write",
    "_packet_write",
    "_sock_send",
    "want_write",
    "_call_socket_register_write",
    "_call_socket_unregister_write",
    "_loop_rc_handle",
]


def _noted(name: str, publisher: Publisher, function: Callable[..., Any]) -> Any:
    def step(*given: Any) -> Any:
        simple = [str(one)[:80] for one in given if isinstance(one, (str, bytes, bytearray, int))]
        publisher.seen.append((name, len(given), simple))
        return function(*given)

    return step


@pytest.mark.parametrize("name", _STEPS)
@pytest.mark.parametrize("of_class", [True, False], ids=["subclass", "client"])
def test_each_step_that_is_somebodys_own(name: str, of_class: bool) -> None:
    """A client, or its class, may do one step in its own way."""

    def run() -> Any:
        publisher = Publisher(
            takes=(1 << 30, BlockingIOError(11, "try again"), 1 << 30, ConnectionResetError(104, "reset"))
        )
        client = publisher.client
        # Not every name that a client has of its own is a step.
        client.somebodys_own = True
        step = _noted(name, publisher, getattr(Client if of_class else client, name))
        if of_class:
            is_static = isinstance(vars(Client)[name], staticmethod)
            client.__class__ = type("Own", (Client,), {name: staticmethod(step) if is_static else step})
        else:
            setattr(client, name, step)
        results = [called(client.publish, "a", bytes(size), qos)[0] for size in (5, 40_000) for qos in (0, 1)]
        return results, client.loop_write(), publisher.tell()

    compare(run)


@pytest.mark.parametrize("name", ["on_log", "on_publish"])
def test_callbacks_that_are_a_subclass_s_own(name: str) -> None:
    def run() -> Any:
        publisher = Publisher()
        seen: list[Any] = []
        own = property(lambda _: lambda *told: seen.append([str(one) for one in told[2:]]))
        publisher.client.__class__ = type("Own", (Client,), {name: own})
        return _info(publisher.client.publish("a", b"x")), seen, publisher.tell()

    (_, seen, __) = compare(run)
    assert len(seen) == 1


def test_locks_are_asked_for_by_name() -> None:
    """Programs that have no threads put locks there that do nothing."""

    class NoLock:
        def __init__(self, name: str, taken: list[str]) -> None:
            self.name, self.taken = name, taken

        def __enter__(self) -> None:
            self.taken.append(self.name)

        def __exit__(self, *_: object) -> None:
            pass

        def acquire(self, *_: object) -> bool:
            self.taken.append(self.name)
            return True

        def release(self) -> None:
            pass

    def run() -> Any:
        publisher, taken = Publisher(), list[str]()
        for name in ("_mid_generate_mutex", "_in_callback_mutex", "_msgtime_mutex", "_callback_mutex"):
            setattr(publisher.client, name, NoLock(name, taken))
        infos = [_info(publisher.client.publish("a", b"x", qos)) for qos in (0, 1)]
        # That a callback is read under a lock which nobody else holds for longer cannot be seen.
        return infos, [name for name in taken if name != "_callback_mutex"], publisher.tell()

    compare(run)


def test_a_class_of_infos_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(paho.MQTTMessageInfo):
        pass

    def run() -> Any:
        monkeypatch.setattr(paho, "MQTTMessageInfo", Other)
        info = _info(Publisher().client.publish("a", b"x"))
        monkeypatch.undo()
        return info

    with fastws.hosts.accelerated("paho-mqtt"):
        assert run()[0] == "Other"


def test_a_subclass_that_is_not_on_the_way() -> None:
    class Named(Client):
        def publish(self, *told: Any) -> Any:
            return super().publish("a", *told)

    def run() -> Any:
        publisher = Publisher(kind=Named, takes=(1 << 30, BlockingIOError(11, "try again")))
        infos = [_info(publisher.client.publish(bytes(size), 1)) for size in (5, 40_000)]
        return infos, publisher.client.loop_write(), publisher.tell()

    compare(run)


def test_by_tcp() -> None:
    """What has no WebSocket is the host's."""

    def run() -> Any:
        client: Any = Client(CallbackAPIVersion.VERSION2)
        client._sock = wire = ScriptedSocket((), (3, BlockingIOError(11, "try again"), 50_000))
        infos = [_info(client.publish("a", bytes(size))) for size in (5, 100_000)]
        return infos, client.loop_write(), [told(data) for data in wire.sent]

    compare(run)


# What a socket takes in parts -----------------------------------------------------------------------------------------


def test_a_packet_in_the_queue_is_one() -> None:
    packet = Packet(b"abcdef")
    whole = packet[0:]
    assert whole is packet
    assert packet[1:] == b"bcdef"
    assert type(packet[1:]) is bytearray
    assert packet[2] == 99
    assert packet[0:6] == packet[:] == b"abcdef"
    assert packet[0:] is not packet[:]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield near, far


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_nothing_is_lost_where_a_socket_is_full(pair: tuple[socket.socket, socket.socket], kind: Any) -> None:
    near, far = pair
    publisher = Publisher()
    client = publisher.client
    published: list[int] = []
    client.on_publish = lambda *told: published.append(told[2])
    client._sock = opened(near)
    payloads = [b"small", os.urandom(1_000_000), b"between", os.urandom(500_000), b"last"]
    with fastws.hosts.accelerated("paho-mqtt"):
        infos = [client.publish("a", kind(payload)) for payload in payloads]
        assert client.want_write()
        assert [info.is_published() for info in infos] == [True, False, False, False, False]
        decoder, arrived = FrameDecoder(Role.SERVER, max_frame_size=1 << 22), list[Frame]()
        while len(arrived) < len(payloads):
            arrived += decoder.feed(far.recv(1 << 20))
            client.loop_write()
    assert published == [info.mid for info in infos]
    for frame, payload in zip(arrived, payloads, strict=True):
        topic = struct.unpack(">H", frame.payload[-len(payload) - 3 : -len(payload) - 1])
        assert (topic, frame.payload[-len(payload) :]) == ((1,), payload)
