"""Other implementations without I/O, one half of a conversation in memory each, and fastws itself in the same dress.

What a peer received is its ``log``: ``("text", str)``, ``("binary", bytes)``, ``("ping", bytes)``, ``("pong", bytes)``
and ``("close", code)``, fragments joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Close
from websockets.http11 import Request as WebsocketsRequest
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto import WSConnection, events
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.extensions import PerMessageDeflate

from fastws import Role
from fastws.deflate import Deflate
from fastws.handshake import ClientHandshake, ServerHandshake

if TYPE_CHECKING:
    from types import ModuleType

_URI = "ws://example.com/chat"
_LIMIT = 2**20

Log = list[tuple[Any, ...]]


class Fastws:
    """The connection under test, on one of the twins."""

    def __init__(self, connections: ModuleType, role: Role, *, compressed: bool) -> None:
        deflate = Deflate(threshold=1) if compressed else None
        handshake = (
            ClientHandshake(_URI, subprotocols=["b", "a"], deflate=deflate)
            if role is Role.CLIENT
            else ServerHandshake(subprotocols=["a", "b"], deflate=deflate)
        )
        self.connection = connections.Connection(role, max_message_size=_LIMIT, handshake=handshake)
        self.log: Log = []

    @property
    def is_open(self) -> bool:
        return bool(self.connection.state.name == "OPEN")

    @property
    def is_compressed(self) -> bool:
        return self.connection.deflate is not None

    @property
    def subprotocol(self) -> str | None:
        subprotocol: str | None = self.connection.subprotocol
        return subprotocol

    def take(self) -> bytes:
        data: bytes = self.connection.data_to_send()
        return data

    def give(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            name = type(event).__name__
            if name == "Request":
                self.log += self.connection.accept()
            elif name == "Message":
                self.log.append(("text" if isinstance(event.data, str) else "binary", event.data))
            elif name == "Close":
                self.log.append(("close", event.code))
            elif name in ("Ping", "Pong"):
                self.log.append((name.lower(), event.data))
        assert self.connection.error is None

    def send(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self.connection.send_text(data)
        else:
            self.connection.send_bytes(data)

    def send_fragment(self, data: str | bytes, first: bool, fin: bool) -> None:  # noqa: ARG002 - others ask for it
        self.connection.send_fragment(data, fin=fin)

    def ping(self, data: bytes) -> None:
        self.connection.ping(data)

    def close(self, code: int) -> None:
        self.connection.close(code, "bye")


class Websockets:
    """`websockets`: its protocol objects answer pings and closes, and tell frames."""

    def __init__(self, role: Role, *, compressed: bool) -> None:
        self.protocol: Any
        if role is Role.CLIENT:
            extensions = [ClientPerMessageDeflateFactory()] if compressed else None
            self.protocol = ClientProtocol(parse_uri(_URI), subprotocols=["b", "a"], extensions=extensions)  # type: ignore[list-item]
            self.protocol.send_request(self.protocol.connect())
        else:
            factories = [ServerPerMessageDeflateFactory()] if compressed else None
            self.protocol = ServerProtocol(subprotocols=["a", "b"], extensions=factories)  # type: ignore[list-item]
        self.log: Log = []
        self._message: list[Any] = []

    @property
    def is_open(self) -> bool:
        return bool(self.protocol.state is State.OPEN)

    @property
    def is_compressed(self) -> bool:
        return bool(self.protocol.extensions)

    @property
    def subprotocol(self) -> str | None:
        subprotocol: str | None = self.protocol.subprotocol
        return subprotocol

    def take(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def give(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, WebsocketsRequest):
                self.protocol.send_response(self.protocol.accept(event))
            elif hasattr(event, "opcode"):
                self._take(event)
        assert self.protocol.parser_exc is None or not self.is_open
        assert self.protocol.handshake_exc is None

    def _take(self, event: Any) -> None:
        kind = event.opcode.name
        if kind in ("TEXT", "BINARY", "CONT"):
            self._message.append(event)
            if event.fin:
                data = b"".join([bytes(each.data) for each in self._message])
                is_text = self._message[0].opcode.name == "TEXT"
                self.log.append(("text", data.decode()) if is_text else ("binary", data))
                self._message = []
        elif kind in ("PING", "PONG"):
            self.log.append((kind.lower(), bytes(event.data)))
        elif kind == "CLOSE":
            self.log.append(("close", int(Close.parse(event.data).code)))

    def send(self, data: str | bytes) -> None:
        self.send_fragment(data, first=True, fin=True)

    def send_fragment(self, data: str | bytes, first: bool, fin: bool) -> None:
        if not first:
            self.protocol.send_continuation(data.encode() if isinstance(data, str) else data, fin)
        elif isinstance(data, str):
            self.protocol.send_text(data.encode(), fin)
        else:
            self.protocol.send_binary(data, fin)

    def ping(self, data: bytes) -> None:
        self.protocol.send_ping(data)

    def close(self, code: int) -> None:
        self.protocol.send_close(code, "bye")


class Wsproto:
    """`wsproto`: the application answers, and puts pieces of messages together."""

    def __init__(self, role: Role, *, compressed: bool) -> None:
        self.out = b""
        self.log: Log = []
        self.is_compressed = False
        self.subprotocol: str | None = None
        self._extensions: list[Any] = [PerMessageDeflate()] if compressed else []
        self._message: list[Any] = []
        if role is Role.CLIENT:
            self.connection = WSConnection(ConnectionType.CLIENT)
            self._send(
                events.Request(host="example.com", target="/chat", subprotocols=["b", "a"], extensions=self._extensions)
            )
        else:
            self.connection = WSConnection(ConnectionType.SERVER)

    def _send(self, event: Any) -> None:
        self.out += self.connection.send(event)

    @property
    def is_open(self) -> bool:
        return self.connection.state is ConnectionState.OPEN

    def take(self) -> bytes:
        data, self.out = self.out, b""
        return data

    def give(self, data: bytes) -> None:
        if self.connection.state is ConnectionState.CLOSED:
            return
        self.connection.receive_data(data)
        for event in self.connection.events():
            self._take(event)

    def _take(self, event: Any) -> None:
        if isinstance(event, events.Request):
            self._send(events.AcceptConnection(subprotocol="a", extensions=self._extensions))
            self.subprotocol = "a"
            self.is_compressed = any(extension.enabled() for extension in self._extensions)
        elif isinstance(event, events.AcceptConnection):
            self.subprotocol = event.subprotocol
            self.is_compressed = bool(event.extensions)
        elif isinstance(event, events.TextMessage | events.BytesMessage):
            self._take_data(event)
        elif isinstance(event, events.Ping):
            self.log.append(("ping", bytes(event.payload)))
            if self.is_open:
                self._send(event.response())
        elif isinstance(event, events.Pong):
            self.log.append(("pong", bytes(event.payload)))
        elif isinstance(event, events.CloseConnection):
            self.log.append(("close", event.code))
            if self.connection.state is ConnectionState.REMOTE_CLOSING:
                self._send(event.response())
        else:
            raise AssertionError(f"{event} was not expected")

    def _take_data(self, event: Any) -> None:
        self._message.append(event.data)
        if event.message_finished:
            is_text = isinstance(event, events.TextMessage)
            self.log.append(("text", "".join(self._message)) if is_text else ("binary", b"".join(self._message)))
            self._message = []

    def send(self, data: str | bytes) -> None:
        self.send_fragment(data, first=True, fin=True)

    def send_fragment(self, data: str | bytes, first: bool, fin: bool) -> None:  # noqa: ARG002 - it remembers
        kind = events.TextMessage if isinstance(data, str) else events.BytesMessage
        self._send(kind(data=data, message_finished=fin))  # type: ignore[arg-type]

    def ping(self, data: bytes) -> None:
        self._send(events.Ping(payload=data))

    def close(self, code: int) -> None:
        self._send(events.CloseConnection(code=code, reason="bye"))
