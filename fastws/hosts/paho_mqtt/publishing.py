"""paho's client publishes over its WebSocket: a message becomes a packet of MQTT, and that becomes a frame.

A packet that may leave at once does so where it is made: it is in the queue only where it has to wait. That is for
clients that nobody has changed on the way, see ``_WAY``; a subclass, or a client that has methods of its own, keeps
its say in each step. What is sent by TCP, or by a WebSocket of a class of somebody else, takes the host's own way.
"""

from __future__ import annotations

import os
import ssl
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from ..random_source import SYSTEM_RANDOM
from ..shape import digest
from .frames import BINARY, frame_sender
from .packets import Packet, published_teller

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["TAKES_ARRAYS", "TAKES_BYTES", "make_publish", "make_send_publish"]

#: Digests of `_send_publish`: the first refuses a `bytearray`.
TAKES_BYTES: Final = "71dcd72e5ea4cb94"
TAKES_ARRAYS: Final = "ab39591e3ad3cefe"

# Globals of the host's module, which the replacements read there, see `rebase`.
MQTTMessageInfo: Any = None
threading: Any = None

# From so many bytes on, a copy of a packet costs more than what it takes to do without.
_LARGE_PACKET: Final = 32 * 1024

# From so many bytes on, two copies of a packet cost more than the calls that do without them.
_LARGE_FRAME: Final = 16 * 1024

# The largest payload that paho publishes, and the longest topic (MQTT 3.1.1 §1.5.3).
_LARGEST: Final = 268_435_455
_LONGEST_TOPIC: Final = 65_535

# What a message passes through from `publish` to the WebSocket, and what a client or its class may have of its own.
_WAY: Final = (
    "_raise_for_invalid_topic",
    "_mid_generate",
    "_send_publish",
    "_easy_log",
    "_packet_queue",
    "loop_write",
    "_packet_write",
    "_sock_send",
    "want_write",
    "_call_socket_unregister_write",
)
_WAY_OF_CLASSES: Final = (*_WAY, "on_log", "on_publish")


def make_publish(plain: FunctionType, backend: ModuleType) -> Any:
    """A message of QoS 0 in the fewest steps; the host keeps books of the others."""
    host = plain.__globals__
    client, wrapper, own_info = host["Client"], host["_WebsocketWrapper"], host["MQTTMessageInfo"]
    kinds, success, new = _payload_kinds(client._send_publish), host["MQTTErrorCode"].MQTT_ERR_SUCCESS, object.__new__
    is_own, send, way = _is_own(client), _sender(host, backend), _WAY
    longest_topic, largest = _LONGEST_TOPIC, _LARGEST

    def publish(
        self: Any, topic: Any, payload: Any = None, qos: Any = 0, retain: Any = False, properties: Any = None
    ) -> Any:
        if (
            type(topic) is not str
            or not topic
            or "+" in topic
            or "#" in topic
            or type(qos) is not int
            or qos != 0
            or type(retain) is not bool
            or properties is not None
            or type(self._sock) is not wrapper
            or MQTTMessageInfo is not own_info
            or (type(self) is not client and not is_own(type(self)))
            or not self.__dict__.keys().isdisjoint(way)
        ):
            return plain(self, topic, payload, qos, retain, properties)
        name = topic.encode()
        # A topic that is too long is refused before a payload is looked at.
        data = payload.encode() if type(payload) is str and len(name) <= longest_topic else payload
        if type(data) not in kinds or not data or len(name) > longest_topic or len(data) > largest:
            return plain(self, topic, payload, qos, retain, properties)
        with self._mid_generate_mutex:
            mid = self._last_mid + 1
            if mid == 65536:
                mid = 1
            self._last_mid = mid
        # What its constructor does.
        info = new(own_info)
        info.mid = mid
        info._published = False
        info._condition = threading.Condition()
        info.rc = success
        info._iterpos = 0
        info.rc = send(self, mid, name, data, 0, retain, False, info, None, True, False)
        return info

    return publish


def make_send_publish(plain: FunctionType, backend: ModuleType) -> Any:
    host = plain.__globals__
    client, wrapper, send = host["Client"], host["_WebsocketWrapper"], _sender(host, backend)
    kinds, is_own, longest_topic, way = _payload_kinds(plain), _is_own(client), _LONGEST_TOPIC, _WAY

    def _send_publish(
        self: Any,
        mid: Any,
        topic: Any,
        payload: Any = b"",
        qos: Any = 0,
        retain: Any = False,
        dup: Any = False,
        info: Any = None,
        properties: Any = None,
    ) -> Any:
        if (
            type(topic) is bytes
            and type(payload) in kinds
            and payload
            and type(qos) is int
            and 0 <= qos <= 2
            and type(retain) is bool
            and type(dup) is bool
            and (qos == 0 or (type(mid) is int and 0 <= mid <= 65535))
            and type(self._sock) is wrapper
            and len(topic) <= longest_topic
        ):
            own = is_own(type(self)) and self.__dict__.keys().isdisjoint(way)
            return send(self, mid, topic, payload, qos, retain, dup, info, properties, own, True)
        return plain(self, mid, topic, payload, qos, retain, dup, info, properties)

    return _send_publish


def _payload_kinds(send_publish: FunctionType) -> tuple[type, ...]:
    return (bytes,) if digest(send_publish) == TAKES_BYTES else (bytes, bytearray)


def _is_own(client: Any) -> Callable[[type[Any]], bool]:
    """Whether a class of clients does every step as the host's own does."""
    way = _WAY_OF_CLASSES

    def is_own(kind: type[Any]) -> bool:
        return kind is client or all(getattr(kind, name) is getattr(client, name) for name in way)

    return is_own


def _sender(host: dict[str, Any], backend: ModuleType) -> Callable[..., Any]:
    """What makes a packet of a payload that is not empty, and has it sent or puts it into the queue."""
    wrapper, version_5, command_of_publish = host["_WebsocketWrapper"], host["MQTTv5"], int(host["PUBLISH"])
    start_of, pack_mid, join, new_packet = _packet_start, Struct("!H").pack, bytearray().join, Packet
    log, leave, large, system_random = _log, _leaver(host, backend), _LARGE_PACKET, SYSTEM_RANDOM

    def send(
        self: Any,
        mid: int,
        topic: bytes,
        payload: bytes | bytearray,
        qos: int,
        retain: bool,
        dup: bool,
        info: Any,
        properties: Any,
        own: bool,
        known: bool,
    ) -> Any:
        version = self._protocol
        if not own or self._on_log is not None or self._logger is not None:
            log(host, self, version == version_5, (dup, qos, retain, mid, topic), properties, len(payload))
        between = pack_mid(mid) if qos else b""
        if version == version_5:
            between += b"\0" if properties is None else properties.pack()
        length = 2 + len(topic) + len(between) + len(payload)
        head = start_of(self, command_of_publish | dup << 3 | qos << 1 | retain, length, len(topic)) + topic + between
        if own and self._thread is None and self._on_socket_register_write is None and not self._out_packet:
            websocket = self._sock
            if (
                type(websocket) is wrapper
                and not websocket._sendbuffer
                and os.urandom is system_random
                and self._in_callback_mutex.acquire(False)
            ):
                self._in_callback_mutex.release()
                return leave(self, websocket, head, payload, mid, qos, info, known)
        if own and len(payload) >= large:
            packet: bytearray = new_packet(head)
            packet += payload
        else:
            packet = join((head, payload))
        return self._packet_queue(host["PUBLISH"], packet, mid, qos, info)

    return send


def _log(host: dict[str, Any], client: Any, version_5: bool, said: tuple[Any, ...], properties: Any, n: int) -> None:
    form = "Sending PUBLISH (d%d, q%d, r%d, m%d), '%s', "
    if version_5:
        client._easy_log(host["MQTT_LOG_DEBUG"], form + "properties=%s, ... (%d bytes)", *said, properties, n)
    else:
        client._easy_log(host["MQTT_LOG_DEBUG"], form + "... (%d bytes)", *said, n)


_START_1: Final = Struct("!BBH").pack
_START_2: Final = Struct("!BBBH").pack


def _packet_start(client: Any, command: int, length: int, topic: int) -> bytes:
    """The first byte of a packet, the length of what follows (MQTT 3.1.1 §2.2.3), the length of the topic."""
    if length < 128:
        return _START_1(command, length, topic)
    if length < 16_384:
        return _START_2(command, length & 127 | 128, length >> 7, topic)
    start = bytearray([command])
    client._pack_remaining_length(start, length)
    return bytes(start) + topic.to_bytes(2, "big")


def _leaver(host: dict[str, Any], backend: ModuleType) -> Any:  # noqa: C901 (a call costs here)
    """What sends a packet at once, as the host's `loop_write` does with one that it finds in the queue."""
    codes, keep, close_books = host["MQTTErrorCode"], _keeper(host), _book_closer(host)
    success, again, wake = codes.MQTT_ERR_SUCCESS, codes.MQTT_ERR_AGAIN, _waker(host)
    build_large, go_on, large = _large_builder(backend), frame_sender(), _LARGE_FRAME
    encode_frame, new_key, binary, entry = backend.encode_frame, backend.new_key, BINARY, _queue_entry

    def leave(  # noqa: C901
        self: Any,
        websocket: Any,
        head: bytes,
        payload: bytes | bytearray,
        mid: int,
        qos: int,
        info: Any,
        known: bool,
    ) -> Any:
        size = len(head) + len(payload)
        if self._sockpairW is not None:
            wake(self, head, payload, mid, qos, info)
        if size < large:
            frame = bytearray(encode_frame(binary, head + payload, key=new_key()))
        else:
            frame = build_large(head, payload)
        if websocket._sendbuffer or self._out_packet:
            # Another thread was faster.
            self._out_packet.append(entry(host["PUBLISH"], head, payload, mid, qos, info))
            return self.loop_write()
        try:
            try:
                websocket._sendbuffer = frame
                websocket._requested_size = size
                sent = websocket._socket.send(frame)
                if type(sent) is int and sent == len(frame) and websocket._sendbuffer is frame:
                    websocket._sendbuffer = bytearray()
                    written = size
                else:
                    written = go_on(websocket, sent)
            except Exception as error:
                rc = keep(self, head, payload, mid, qos, info, error)
                if rc is None:
                    raise
            else:
                if written == size and not known and self._on_publish is None:
                    info._published = True
                else:
                    close_books(self, head, payload, mid, qos, info, written)
                rc = self._packet_write() if written > 0 and self._out_packet else success
            if rc is success or rc == again:
                return success
            return self._loop_rc_handle(rc) if rc > 0 else success
        finally:
            if len(self._out_packet) > 0:
                self._call_socket_register_write()
            elif self._registered_write:
                self._call_socket_unregister_write()

    return leave


def _waker(host: dict[str, Any]) -> Callable[..., None]:
    """What wakes a loop that waits in another thread; the host has put the packet into the queue before."""
    wake_up, entry = host["sockpair_data"], _queue_entry

    def wake(client: Any, *packet: Any) -> None:
        try:
            client._sockpairW.send(wake_up)
        except BlockingIOError:
            pass  # it has not looked yet
        except BaseException:
            client._out_packet.append(entry(host["PUBLISH"], *packet))
            raise

    return wake


def _keeper(host: dict[str, Any]) -> Callable[..., Any]:
    """What `_sock_send` and `_packet_write` make of an error: a code, or None where the packet is lost."""
    codes, entry = host["MQTTErrorCode"], _queue_entry
    success, again, lost = codes.MQTT_ERR_SUCCESS, codes.MQTT_ERR_AGAIN, codes.MQTT_ERR_CONN_LOST

    def keep(
        client: Any, head: bytes, payload: bytes | bytearray, mid: int, qos: int, info: Any, error: Exception
    ) -> Any:
        if isinstance(error, (ssl.SSLWantWriteError, BlockingIOError)):
            client._call_socket_register_write()
            rc = again
        elif isinstance(error, ssl.SSLWantReadError):
            rc = again
        elif isinstance(error, (AttributeError, ValueError)):
            rc = success
        elif isinstance(error, OSError):
            rc = lost
        else:
            return None
        client._out_packet.appendleft(entry(host["PUBLISH"], head, payload, mid, qos, info))
        if rc is lost:
            client._easy_log(host["MQTT_LOG_ERR"], "failed to receive on socket: %s", error)
        return rc

    return keep


def _book_closer(host: dict[str, Any]) -> Callable[..., None]:
    """What `_packet_write` does once the WebSocket has taken a packet, a part of it, or nothing."""
    tell, entry = published_teller(host), _queue_entry

    def close_books(
        client: Any, head: bytes, payload: bytes | bytearray, mid: int, qos: int, info: Any, written: int
    ) -> None:
        if written == len(head) + len(payload):
            if qos == 0:
                tell(client, mid, info)
        elif written > 0:
            client._out_packet.appendleft(entry(host["PUBLISH"], head, payload, mid, qos, info, written))
        else:
            with client._msgtime_mutex:
                client._last_msg_out = host["time_func"]()

    return close_books


def _queue_entry(
    command: Any, head: bytes, payload: bytes | bytearray, mid: int, qos: int, info: Any, written: int = 0
) -> dict[str, Any]:
    """What stands for a packet in the queue of a client."""
    packet = Packet(head)
    packet += payload
    return {
        "command": command,
        "mid": mid,
        "qos": qos,
        "pos": written,
        "to_process": len(packet) - written,
        "packet": packet,
        "info": info,
    }


def _large_builder(backend: ModuleType) -> Callable[[bytes, bytes | bytearray], bytearray]:
    """What makes a frame of a large packet, in the only copy of the payload that is made."""
    encode_header, mask_inplace, new_key = backend.encode_header, backend.mask_inplace, backend.new_key
    join, binary = bytearray().join, BINARY

    def build_large(head: bytes, payload: bytes | bytearray) -> bytearray:
        key = new_key()
        header = encode_header(binary, len(head) + len(payload), key=key)
        # The header is masked along, and put there once more.
        frame = join((header, head, payload))
        mask_inplace(frame, key, -len(header) & 3)
        frame[: len(header)] = header
        return frame

    return build_large
