"""paho's client over its WebSocket: packets made and queued, and the queue written.

What is sent by TCP, or by a WebSocket of a class of somebody else, takes the host's own way. A subclass of the client
keeps its say in ``_easy_log``, ``_packet_queue``, ``_packet_write``, ``_sock_send``, ``want_write`` and the callbacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..rebase import rebase
from ..shape import digest

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

__all__ = ["TAKES_ARRAYS", "TAKES_BYTES", "Packet", "make_loop_write", "make_packet_write", "make_send_publish"]

#: Digests of `_send_publish`: the first refuses a `bytearray`.
TAKES_BYTES: Final = "71dcd72e5ea4cb94"
TAKES_ARRAYS: Final = "ab39591e3ad3cefe"

# Globals of the host's module, which the replacements read there, see `rebase`.
MQTT_LOG_DEBUG: Any = None
MQTT_LOG_ERR: Any = None
PUBLISH: Any = None
Properties: Any = None
ReasonCode: Any = None
struct: Any = None
time_func: Any = None

# From so many bytes on, a copy of a packet costs more than what it takes to do without.
_LARGE: Final = 32 * 1024

# The largest packet that MQTT has a length for (MQTT 3.1.1 §2.2.3).
_LARGEST: Final = 268_435_455


class Packet(bytearray):
    """A packet in the queue of a client.

    Once a frame is being sent of it, the client looks at nothing but its length, which it has noted before. So the
    frame is made in its place.
    """

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        """The client cuts off what has been sent for each attempt to send the rest: mostly nothing."""
        return self if index == _WHOLE else super().__getitem__(index)


_WHOLE: Final = slice(0, None)


def make_send_publish(plain: FunctionType, _: ModuleType) -> Any:
    host = plain.__globals__
    wrapper, version_5, large, largest = host["_WebsocketWrapper"], host["MQTTv5"], _LARGE, _LARGEST
    client, is_untouched, new_packet = host["Client"], _is_untouched, Packet
    kinds = (bytes,) if digest(plain) == TAKES_BYTES else (bytes, bytearray)

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
        size = len(payload) if type(payload) in kinds else 0
        if (
            not size
            or type(topic) is not bytes
            or type(qos) is not int
            or type(self._sock) is not wrapper
            or self._protocol == version_5
        ):
            return plain(self, mid, topic, payload, qos, retain, dup, info, properties)
        length = 2 + len(topic) + size + (2 if qos > 0 else 0)
        if length > largest:
            return plain(self, mid, topic, payload, qos, retain, dup, info, properties)
        packet = new_packet() if size >= large and is_untouched(type(self), client) else bytearray()
        packet.append(PUBLISH | ((dup & 0x1) << 3) | (qos << 1) | retain)
        self._easy_log(
            MQTT_LOG_DEBUG,
            "Sending PUBLISH (d%d, q%d, r%d, m%d), '%s', ... (%d bytes)",
            dup,
            qos,
            retain,
            mid,
            topic,
            size,
        )
        while length > 127:
            packet.append(length & 127 | 128)
            length >>= 7
        packet.append(length)
        packet += struct.pack("!H", len(topic))
        packet += topic
        if qos > 0:
            packet += struct.pack("!H", mid)
        packet += payload
        return self._packet_queue(PUBLISH, packet, mid, qos, info)

    return _send_publish


def _is_untouched(kind: type[Any], client: type[Any]) -> bool:
    """Whether no subclass sees a packet on its way from the queue to the WebSocket."""
    return kind is client or all(getattr(kind, name) is getattr(client, name) for name in _WAY)


# What a packet passes through.
_WAY: Final = ("_packet_queue", "_packet_write", "_sock_send")


def make_loop_write(plain: FunctionType, _: ModuleType) -> Any:
    """The same with the numbers of an enumeration at hand, which CPython 3.11 looks up slowly."""
    host = plain.__globals__
    wrapper, codes = host["_WebsocketWrapper"], host["MQTTErrorCode"]
    success, again = codes.MQTT_ERR_SUCCESS, codes.MQTT_ERR_AGAIN

    def loop_write(self: Any) -> Any:
        if type(self._sock) is not wrapper:
            return plain(self)
        try:
            rc = self._packet_write()
            if rc is success or rc == again:
                return success
            return self._loop_rc_handle(rc) if rc > 0 else success
        finally:
            if self.want_write():
                self._call_socket_register_write()
            else:
                self._call_socket_unregister_write()

    return loop_write


def make_packet_write(plain: FunctionType, _: ModuleType) -> Any:  # noqa: C901 (a call costs here)
    host = plain.__globals__
    wrapper, codes, publish = host["_WebsocketWrapper"], host["MQTTErrorCode"], int(host["PUBLISH"])
    success, again, lost = codes.MQTT_ERR_SUCCESS, codes.MQTT_ERR_AGAIN, codes.MQTT_ERR_CONN_LOST
    tell = rebase(_tell_published(host), plain)

    def _packet_write(self: Any) -> Any:  # noqa: C901
        """Write what is published, and leave the rest to the host: it knows what follows each packet."""
        while True:
            queue = self._out_packet
            if not queue:
                return success
            try:
                packet = queue.popleft()
            except IndexError:
                return success  # another thread was faster
            if packet["command"] & 0xF0 != publish or type(self._sock) is not wrapper:
                queue.appendleft(packet)
                return plain(self)
            try:
                length = self._sock_send(packet["packet"][packet["pos"] :])
            except (AttributeError, ValueError):
                self._out_packet.appendleft(packet)
                return success
            except BlockingIOError:
                self._out_packet.appendleft(packet)
                return again
            except OSError as error:
                self._out_packet.appendleft(packet)
                self._easy_log(MQTT_LOG_ERR, "failed to receive on socket: %s", error)
                return lost
            if length <= 0:
                break
            packet["to_process"] -= length
            packet["pos"] += length
            if packet["to_process"]:
                self._out_packet.appendleft(packet)
            elif packet["qos"] == 0:
                tell(self, packet)
        with self._msgtime_mutex:
            self._last_msg_out = time_func()
        return success

    return _packet_write


def _tell_published(host: dict[str, Any]) -> Any:
    version_1, version_2 = host["CallbackAPIVersion"].VERSION1, host["CallbackAPIVersion"].VERSION2
    acknowledged = host["PacketTypes"].PUBACK

    def tell(self: Any, packet: Any) -> None:
        """Tell the program that a packet of QoS 0 has left."""
        with self._callback_mutex:
            on_publish = self.on_publish
        if on_publish:
            with self._in_callback_mutex:
                try:
                    if self._callback_api_version == version_1:
                        on_publish(self, self._userdata, packet["mid"])
                    elif self._callback_api_version == version_2:
                        reason = ReasonCode(acknowledged)
                        on_publish(self, self._userdata, packet["mid"], reason, Properties(acknowledged))
                    else:
                        raise RuntimeError("Unsupported callback API version")
                except Exception as error:
                    self._easy_log(MQTT_LOG_ERR, "Caught exception in on_publish: %s", error)
                    if not self.suppress_exceptions:
                        raise
        packet["info"]._set_as_published()

    return tell
