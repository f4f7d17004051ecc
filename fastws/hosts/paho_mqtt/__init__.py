"""paho-mqtt over WebSocket (``transport="websockets"``): frames built, masked and taken apart, packets published.

Tried with 2.0.0, 2.1.0 and 2.2.0. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what the replacements rely on.
``fastws.restore("paho-mqtt")`` undoes it, also for connections that are open. ``frames.py`` is about the WebSocket;
about the client above it are ``publishing.py``, what a message becomes, and ``packets.py``, the queue.

Every replacement does the usual case, exactly as the host would, and leaves the others to the host's own function: text
and control frames, masked frames, subclasses, a replaced ``os.urandom``; publishing without a payload.

One thing is mended, because faster masks would make it more frequent: where a socket takes a part of a frame only, the
host's client forgets the packet, and the next one is mutilated. Here the rest is sent as soon as the socket takes it,
as the host does by TCP.

What is merged here is no longer called, so patching it after ``accelerate`` has no effect: ``_create_frame`` for what
is sent, ``_buffered_read`` for what is received, ``_pack_remaining_length`` and ``_pack_str16`` for what is published;
and for a message that may leave at once every step from ``publish`` to ``_sock_send``, if it is patched in ``Client``.
What a subclass or a client has of its own is called as before.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ..host import Host
from ..seams import make_seams
from .frames import RETURNS_BYTEARRAY, RETURNS_BYTES, make_create_frame, make_recv_impl, make_send_impl
from .packets import make_loop_write, make_packet_write
from .publishing import TAKES_ARRAYS, TAKES_BYTES, make_publish, make_send_publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from ..host import Seam

__all__ = ["HOST"]

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "client._WebsocketWrapper.__init__": ("550a0d4f908003cc",),
    "client._WebsocketWrapper._create_frame": ("40ad7aba69a5fefa",),
    "client._WebsocketWrapper._buffered_read": ("e799fefb6ccbd5aa",),
    "client._WebsocketWrapper._recv_impl": (RETURNS_BYTEARRAY, RETURNS_BYTES),
    "client._WebsocketWrapper._send_impl": ("d32e1fa5aa6c40a4",),
    "client._WebsocketWrapper.send": ("d0c926149058adca",),
    "client._encode_payload": ("f162b19d4ac0fba6",),
    "client.MQTTMessageInfo.__init__": ("bf5ad948ba8fc99b",),
    "client.MQTTMessageInfo._set_as_published": ("79fa7e41d653bc3b",),
    "client.Client.publish": ("7dcaf51638c17291", "b26a11120d9f1829"),
    "client.Client._raise_for_invalid_topic": ("79e5e148c3a43802",),
    "client.Client._mid_generate": ("4a173ac4d35d5dd8",),
    "client.Client._easy_log": ("8b43310ea1a53815",),
    "client.Client._send_publish": (TAKES_BYTES, TAKES_ARRAYS),
    "client.Client._pack_remaining_length": ("9e2083f4090fe606", "4f60ef669c26f53f"),
    "client.Client._pack_str16": ("9349605c9875cd1e",),
    "client.Client._packet_queue": ("d1e1c0bdeb689ddd", "63944e563b059081"),
    "client.Client._packet_write": ("ce21941180db5472",),
    "client.Client._sock_send": ("cdbf1e0599acb42c",),
    "client.Client.loop_write": ("166f0578b92d005e",),
    "client.Client.want_write": ("0a265a4c4cf8e316",),
    "client.Client._call_socket_register_write": ("b81b0b65e8d269b6",),
    "client.Client._call_socket_unregister_write": ("a5b6d6410e302752",),
    "client.Client.reconnect": ("e1b9f9b39e11ce94", "86458a5d9302b49a"),
}

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "client._WebsocketWrapper._create_frame": make_create_frame,
    "client._WebsocketWrapper._send_impl": make_send_impl,
    "client._WebsocketWrapper._recv_impl": make_recv_impl,
    "client.Client.publish": make_publish,
    "client.Client._send_publish": make_send_publish,
    "client.Client._packet_write": make_packet_write,
    "client.Client.loop_write": make_loop_write,
}


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["paho.mqtt"], _KNOWN, _REPLACED, backend)


HOST: Final = Host(
    name="paho-mqtt",
    distribution="paho-mqtt",
    package="paho.mqtt",
    tried="2.0.0 to 2.2.0",
    depth="frame",
    replaces=tuple([f"paho.mqtt.{path}" for path in _REPLACED]),
    cannot_reach="each part of a frame that paho wants is a read",
    seams=_seams,
    modules=("paho.mqtt.client",),
)
