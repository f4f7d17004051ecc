"""paho's client over its WebSocket: packets in the queue, and how it is written.

What is sent by TCP, or by a WebSocket of a class of somebody else, takes the host's own way. A subclass of the client
keeps its say in ``_easy_log``, ``_packet_queue``, ``_packet_write``, ``_sock_send``, ``want_write`` and the callbacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["Packet", "make_loop_write", "make_packet_write", "published_teller"]

# Globals of the host's module, which the replacements read there, see `rebase`.
MQTT_LOG_ERR: Any = None
time_func: Any = None


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
    tell = published_teller(host)

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
                tell(self, packet["mid"], packet["info"])
        with self._msgtime_mutex:
            self._last_msg_out = time_func()
        return success

    return _packet_write


def published_teller(host: dict[str, Any]) -> Callable[[Any, Any, Any], None]:
    """What tells the program that a packet of QoS 0 has left."""
    version_1, version_2 = host["CallbackAPIVersion"].VERSION1, host["CallbackAPIVersion"].VERSION2
    acknowledged = host["PacketTypes"].PUBACK

    def tell(self: Any, mid: Any, info: Any) -> None:
        with self._callback_mutex:
            on_publish = self.on_publish
        if on_publish:
            with self._in_callback_mutex:
                try:
                    if self._callback_api_version == version_1:
                        on_publish(self, self._userdata, mid)
                    elif self._callback_api_version == version_2:
                        reason, properties = host["ReasonCode"](acknowledged), host["Properties"](acknowledged)
                        on_publish(self, self._userdata, mid, reason, properties)
                    else:
                        raise RuntimeError("Unsupported callback API version")
                except Exception as error:
                    self._easy_log(host["MQTT_LOG_ERR"], "Caught exception in on_publish: %s", error)
                    if not self.suppress_exceptions:
                        raise
        info._set_as_published()

    return tell
