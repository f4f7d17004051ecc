"""The functions of autobahn that the adapter knows, and their digests in the releases it was tried with."""

from __future__ import annotations

from typing import Final

__all__ = ["ASYNCIO", "CORE", "HOOKS", "TWISTED"]

#: What a message passes through on its way to ``_onMessage``, by full name. Where one of them is overridden, messages
#: take the host's way.
HOOKS: Final[dict[str, tuple[str, ...]]] = {
    "autobahn.websocket.protocol.WebSocketProtocol.processData": ("28faf087a63f1bcb", "47bb2c7407c73687"),
    "autobahn.websocket.protocol.WebSocketProtocol.onFrameBegin": ("b9e6ac50911239dc",),
    "autobahn.websocket.protocol.WebSocketProtocol.onFrameData": (
        "3bdd649e487fb56e",
        "4b7a9f292616ebed",
        "eff8d8e5894ac56b",
        "f68536b3a924b2ff",
    ),
    "autobahn.websocket.protocol.WebSocketProtocol.onFrameEnd": (
        "204d41cdd2692447",
        "2b026c2625adbd59",
        "82bd2df5dd64dab5",
    ),
    "autobahn.websocket.protocol.WebSocketProtocol.onMessageBegin": ("a8a4091fb4780ec9", "b0cdb5ab9c294d23"),
    "autobahn.websocket.protocol.WebSocketProtocol.onMessageFrameBegin": ("53f801c6b796ac64", "ad4be093bf93bbb1"),
    "autobahn.websocket.protocol.WebSocketProtocol.onMessageFrameData": ("818705f2581d3864", "a85929074b579b0d"),
    "autobahn.websocket.protocol.WebSocketProtocol.onMessageFrameEnd": ("e3e57f6f24e3ae78",),
    "autobahn.websocket.protocol.WebSocketProtocol.onMessageFrame": ("6bad9639e3d937a1",),
    "autobahn.websocket.protocol.WebSocketProtocol.onMessageEnd": ("a9701318ff6e3f03",),
    "autobahn.util.ObservableMixin.fire": ("22a909c12bd43042",),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessageBegin": ("1a89cba795a49def",),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessageFrameBegin": ("bfbb1943e73f859c",),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessageFrameData": ("a133cf945bece392",),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessageFrameEnd": ("d67bc9f532ebc5fa",),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessageFrame": ("76b9f770a7bcef5a",),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessageEnd": ("eafc6aa2bbd8ed9a",),
    "autobahn.twisted.websocket.WebSocketAdapterProtocol._onMessageBegin": ("e6075d0ad554c2fc",),
    "autobahn.twisted.websocket.WebSocketAdapterProtocol._onMessageFrameBegin": ("f14699e370495d07",),
    "autobahn.twisted.websocket.WebSocketAdapterProtocol._onMessageFrameData": ("1ef1869d798e16a8",),
    "autobahn.twisted.websocket.WebSocketAdapterProtocol._onMessageFrameEnd": ("9669dbd2e8e36b58",),
    "autobahn.twisted.websocket.WebSocketAdapterProtocol._onMessageFrame": ("c424ce4a4a0296d3",),
    "autobahn.twisted.websocket.WebSocketAdapterProtocol._onMessageEnd": ("fcfd1ae7a602c913",),
}

#: What the replacements do the work of, or rely on, below the package.
CORE: Final[dict[str, tuple[str, ...]]] = {
    "websocket.protocol.FrameHeader.__init__": ("0e86433d8edbeec7",),
    "websocket.protocol.TrafficStats.reset": ("8e1ebfa4da5021c7",),
    "websocket.protocol.WebSocketProtocol._connectionMade": ("7deab158b8d1205e",),
    "websocket.protocol.WebSocketProtocol._dataReceived": ("5ffeae8fb882e3af",),
    "websocket.protocol.WebSocketProtocol.consumeData": ("b2592728daac4341",),
    "websocket.protocol.WebSocketProtocol.sendData": ("baab6b7dc7c98744",),
    "websocket.protocol.WebSocketProtocol.sendFrame": ("1b716c0e219115fe", "da0015c94ec01c57"),
    "websocket.protocol.WebSocketProtocol.sendMessage": ("0912820197c6e202", "67bf69d555ba91df"),
    "websocket.protocol.WebSocketProtocol._cancelAutoPingTimeoutCall": ("ff180fcf7288d312",),
    "util.hltype": ("2f4254f4109cee8e",),
    "util.hlval": ("d48f4e4b4cd7a66b", "f701a66e292f685c"),
    **{
        path.removeprefix("autobahn."): digests
        for path, digests in HOOKS.items()
        if path.startswith(("autobahn.websocket.", "autobahn.util."))
    },
}

#: The same for programs on asyncio.
ASYNCIO: Final[dict[str, tuple[str, ...]]] = {
    "asyncio.websocket.yields": ("2bf931292015a604",),
    "asyncio.websocket.WebSocketAdapterProtocol._onMessage": ("ef93d7e9d1d5231a",),
}

#: The same for programs on Twisted.
TWISTED: Final[dict[str, tuple[str, ...]]] = {
    "twisted.websocket.WebSocketAdapterProtocol.dataReceived": ("aafe9193d0bb1003",),
}
