"""One WebSocket connection without I/O: bytes and calls in, events and bytes out (RFC 6455 §5 to §7).

    transport ─► receive_data ─► events ─► the application
    transport ◄─ data_to_send ◄─ send_text, send_bytes, send_fragment, ping, pong, close ◄─ the application

What an endpoint does for each read:

    for event in connection.receive_data(data):
        ...                                          # the application may send
    transport.write(connection.data_to_send())       # all answers in one write
    if connection.closes_tcp:
        transport.close()

and, when the peer has closed or the transport was lost, ``connection.receive_eof()``. The endpoint has the clocks: it
limits how long the handshakes may take, and a client that closed waits for the server to close TCP.

Pings are answered and a close is echoed here; they are told all the same. A fault of the peer is not raised: what came
before it is told first, ``error`` says what it was, the peer gets a close frame, and ``closes_tcp`` is set.

What came before a close or a fault may still be answered, though it came in the same read: the connection stays open,
and ``is_ending`` is set, until ``data_to_send`` is called.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .backend import backend as _twin
from .errors import HandshakeError, ProtocolError, StateError
from .frames import DEFAULT_MAX_FRAGMENTS, MAX_CLOSE_REASON, MAX_PAYLOAD, CloseCode, Opcode, Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias, TypeVar

    from ._pure import (
        Close,
        Frame,
        Message,
        MessageDecoder,
        Ping,
        Pong,
        Utf8Validator,
        decode_text,
        encode_frame,
        encode_message,
        new_key,
    )
    from .deflate import PerMessageDeflate
    from .handshake import ClientHandshake, Request, Response, ServerHandshake

    _Error = TypeVar("_Error", ProtocolError, HandshakeError)

    #: What ``receive_data`` tells.
    Event: TypeAlias = Message | Ping | Pong | Close | "Fragment" | Request | Response
else:
    Close = _twin.Close
    Frame = _twin.Frame
    Message = _twin.Message
    MessageDecoder = _twin.MessageDecoder
    Ping = _twin.Ping
    Pong = _twin.Pong
    Utf8Validator = _twin.Utf8Validator
    decode_text = _twin.decode_text
    encode_frame = _twin.encode_frame
    encode_message = _twin.encode_message
    new_key = _twin.new_key

__all__ = ["Connection", "Fragment", "State"]

_CLIENT: Final = Role.CLIENT
_SERVER: Final = Role.SERVER


class State(enum.IntEnum):
    """Where a connection stands (RFC 6455 §4.1, §7.1). The numbers are those of a browser's ``readyState``."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


_CONNECTING: Final = State.CONNECTING
_OPEN: Final = State.OPEN
_CLOSING: Final = State.CLOSING
_CLOSED: Final = State.CLOSED

_NORMAL_END: Final[tuple[int, str]] = (CloseCode.NORMAL_CLOSURE, "")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Part of a message that its sender has fragmented, told as it came where the connection streams.

    Attributes:
        data: ``str`` for text, cut where a code point ends (``bytes``, cut anywhere, with ``text_as="bytes"``);
            ``bytes`` for binary. It may be empty.
        opcode: ``Opcode.TEXT`` or ``Opcode.BINARY``, the same for all fragments of a message.
        fin: whether the message ends with it.
    """

    data: str | bytes
    opcode: Opcode
    fin: bool


class _Received:
    """The message whose fragments are told as they come."""

    __slots__ = ("_as_text", "_cut", "_deflate", "_gathered", "_is_told", "_opcode", "_validator")

    def __init__(self, opcode: Opcode, deflate: PerMessageDeflate | None, *, as_text: bool) -> None:
        self._opcode = opcode
        self._deflate = deflate
        is_text = opcode is Opcode.TEXT
        self._as_text = is_text and as_text
        # The decoder has checked text, but not what is compressed.
        self._validator = Utf8Validator() if is_text and deflate is not None else None
        # The bytes of a code point that goes on in the next fragment.
        self._cut = b""
        # What is kept until the message is complete; and whether anything of it was told.
        self._gathered: list[Any] = []
        self._is_told = False

    def fragment(self, data: bytes, limit: int, frame_limit: int, fin: bool) -> Fragment:
        if self._deflate is not None:
            data = self._deflate.inflate(data, limit, fin, frame_limit)
        if self._validator is not None:
            self._validator.feed(data, fin)
        if not self._as_text:
            return Fragment(data, self._opcode, fin)
        data = self._cut + data
        end = _end_of_code_points(data)
        self._cut = data[end:]
        return Fragment(decode_text(data[:end]), self._opcode, fin)

    def join(self, fragment: Fragment, *, streaming: bool) -> Message | Fragment | None:
        """What a decoder tells that inflates nothing: the message, or what is new of one whose fragments are told."""
        self._gathered.append(fragment.data)
        if not (fragment.fin or streaming or self._is_told):
            return None
        data = type(fragment.data)().join(self._gathered)
        self._gathered.clear()
        if fragment.fin and not self._is_told:
            return Message(data, self._opcode)
        self._is_told = True
        return Fragment(data, self._opcode, fragment.fin)


def _bare(error: _Error) -> _Error:
    """Without the calls that it came through: they would keep this connection, and what was read last."""
    return error.with_traceback(None)


def _end_of_code_points(data: bytes) -> int:
    """Where the last complete code point of valid text ends: 0 to 3 bytes before its end."""
    n = len(data)
    for back in range(1, min(n, 3) + 1):
        byte = data[n - back]
        if byte >= 0xC0:
            # The first byte of a code point tells how many it has.
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return n - back if back < size else n
        if byte < 0x80:
            break
    return n


class Connection:
    """One WebSocket connection, without I/O.

    It belongs to one owner at a time.

    Args:
        role: the local side.
        max_message_size: bytes that a message may have, as UTF-8 for text, and before compression; None for any number.
        max_fragments: frames that a message may have; None for any number.
        max_frame_size: bytes that each of them may have, as it comes and inflated; None for any number.
        text_as: "str" to tell text as ``str``, "bytes" to check it only.
        streaming: tell the fragments of a message as they come, as ``Fragment``, and only messages of one frame as
            ``Message``.
        deflate: the compression that the handshake agreed on, or None.
        handshake: the opening handshake that is still to be made; None where it is done.

    Attributes:
        role: as given.
        state: CONNECTING, OPEN, CLOSING or CLOSED.
        closes_tcp: whether this side is to close TCP, once ``data_to_send`` is written: after the closing handshake on
            a server, which closes first (RFC 6455 §7.1.1), and on either side after an error, a refused handshake or
            the end of the peer's bytes.
        is_ending: whether the peer has closed, or was at fault, and that is not answered yet; ``data_to_send`` will.
        close_received: the peer's ``Close``, or None.
        close_sent: the ``Close`` that was sent, or None.
        peer_closed_first: whether the peer's close came before one was sent.
        error: what was wrong with what the peer sent, a ``ProtocolError`` or ``HandshakeError``, or None.
        request: what the client asked for, once it is known; None without a handshake.
        response: what the server answered, once it is known; None without a handshake.
        subprotocol: the one that both sides agreed on, or None.
        deflate: the compression in use, or None; None, too, once nothing is received any more.
        outbox: where an endpoint in a hurry may append ``encode_message(data, role)`` of a ``str`` or ``bytes``, which
            is what ``send_text`` and ``send_bytes`` do with it; None where that is not all, and they have to be called:
            the connection is not open, compresses, or is sending the fragments of another message.
    """

    __slots__ = (
        "_decoder",
        "_end",
        "_frame_limit",
        "_handshake",
        "_holds_pongs",
        "_joins",
        "_limit",
        "_options",
        "_out",
        "_pong",
        "_received",
        "_sending",
        "_streaming",
        "_text",
        "close_received",
        "close_sent",
        "closes_tcp",
        "deflate",
        "error",
        "is_ending",
        "outbox",
        "peer_closed_first",
        "request",
        "response",
        "role",
        "state",
        "subprotocol",
    )

    def __init__(
        self,
        role: Role,
        *,
        max_message_size: int | None,
        max_fragments: int | None = DEFAULT_MAX_FRAGMENTS,
        max_frame_size: int | None = None,
        text_as: str = "str",
        streaming: bool = False,
        deflate: PerMessageDeflate | None = None,
        handshake: ClientHandshake | ServerHandshake | None = None,
    ) -> None:
        self.role = role
        self.state = _CONNECTING
        self.closes_tcp = False
        self.is_ending = False
        self.close_received: Close | None = None
        self.close_sent: Close | None = None
        self.peer_closed_first = False
        self.error: ProtocolError | HandshakeError | None = None
        self.request: Request | None = None
        self.response: Response | None = None
        self.subprotocol: str | None = None
        self.deflate = deflate
        # Frames that wait to be written.
        self._out: list[bytes] = []
        # What frames are made of: None unless the connection is open or closing, and the peer has not closed.
        self._decoder: MessageDecoder | None = None
        # Whether answers to pings wait, and the last of them.
        self._holds_pongs = False
        self._pong: bytes | None = None
        # While ``is_ending``: the close frame that is to answer the peer, code and reason, with the next bytes sent.
        self._end = _NORMAL_END
        self.outbox: list[bytes] | None = None
        # The message whose fragments are sent: its opcode and whether it is compressed; and the one that is received.
        self._sending: tuple[Opcode, bool] | None = None
        self._received: _Received | None = None
        self._limit = MAX_PAYLOAD if max_message_size is None else max_message_size
        self._frame_limit = MAX_PAYLOAD if max_frame_size is None else max_frame_size
        # Whether fragments are joined here, once inflated: joined by the decoder, nobody could tell their sizes.
        self._joins = False
        self._streaming = bool(streaming)
        self._text = text_as == "str"
        self._options: dict[str, Any] = {
            "max_message_size": max_message_size,
            "max_fragments": max_fragments,
            "max_frame_size": max_frame_size,
            "text_as": text_as,
        }
        self._handshake = handshake
        if handshake is None:
            self._open()
        else:
            # The decoder refuses wrong options: now is the time.
            MessageDecoder(role, **self._options)
            self._out += handshake.start()
            self.request = handshake.request

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.role.value} {self.state.name}>"

    @property
    def streaming(self) -> bool:
        """Whether fragments are told as they come; it may be set at any time."""
        return self._streaming

    @streaming.setter
    def streaming(self, streaming: bool) -> None:
        self._streaming = bool(streaming)
        if self._decoder is not None:
            self._decoder.streaming = self._joins or self._streaming

    @property
    def holds_pongs(self) -> bool:
        """Whether pings are answered later, and then only the last one, as RFC 6455 §5.5.3 allows.

        To be set while the transport does not take what is written: a peer that pings and does not read would fill the
        memory with answers.
        """
        return self._holds_pongs

    @holds_pongs.setter
    def holds_pongs(self, holds: bool) -> None:
        self._holds_pongs = holds
        pong = self._pong
        if pong is not None and not holds:
            self._pong = None
            if self.state is _OPEN:
                self._out.append(pong)

    @property
    def offered_subprotocols(self) -> list[str]:
        """What the client offers, best first, while its request is to be answered.

        Raises:
            StateError: there is no request to be answered.
            HandshakeError: it is malformed, and will be refused.
        """
        return self._require_request().offered_subprotocols

    @property
    def is_sending_fragments(self) -> bool:
        """Whether a message was begun with ``send_fragment`` and not ended."""
        return self._sending is not None

    @property
    def close_code(self) -> int | None:
        """The code that the connection was closed with (RFC 6455 §7.1.5); None while it is not CLOSED.

        1005 where the peer's close frame had none, 1006 where none came.
        """
        if self.state is not _CLOSED:
            return None
        return CloseCode.ABNORMAL_CLOSURE if self.close_received is None else self.close_received.code

    @property
    def close_reason(self) -> str | None:
        """The reason that the peer gave, or "" (RFC 6455 §7.1.6); None while the connection is not CLOSED."""
        if self.state is not _CLOSED:
            return None
        return "" if self.close_received is None else self.close_received.reason

    # Receiving

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take the next bytes that came.

        Args:
            data: a buffer of n bytes, cut anywhere; none of it is kept but what is not complete.
        Returns: what they tell, in order. After a close frame or an error everything is discarded.
        """
        decoder = self._decoder
        if decoder is None:
            return self._receive_handshake(data) if self.state is _CONNECTING else []
        try:
            events = decoder.feed(data)
        except ProtocolError as error:
            self._refuse(error)
            return []
        return events if decoder.only_messages else self._react(events)  # type: ignore[return-value]

    def receive_eof(self) -> list[Event]:
        """Take note that no bytes will come any more: the peer has closed, or the transport was lost.

        Returns: what only the end could tell: the response of a server that refuses, and has not said how long it is.
        """
        events: list[Event] = []
        if self.state is _CONNECTING and self._handshake is not None:
            events = self._finish_handshake(b"", eof=True)
        self._send_end()
        self.state = _CLOSED
        self.closes_tcp = True
        self._stop()
        return events

    # Sending

    def send_text(self, text: str | bytes | bytearray | memoryview) -> None:
        """Send a text message.

        Args:
            text: ``str``, or the same as UTF-8, which is not checked.
        Raises:
            StateError: the connection is not open, or the fragments of another message are being sent.
            UnicodeEncodeError: ``text`` holds a surrogate.
            TypeError: ``text`` is neither ``str`` nor bytes-like.
        """
        out = self.outbox
        if out is not None and type(text) is str:
            out.append(encode_message(text, self.role))
        else:
            self._send(Opcode.TEXT, text)

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message.

        Raises:
            StateError: the connection is not open, or the fragments of another message are being sent.
            TypeError: ``data`` is not bytes-like.
        """
        out = self.outbox
        if out is not None and type(data) is bytes:
            out.append(encode_message(data, self.role))
        else:
            if isinstance(data, str):
                raise TypeError("a bytes-like object is required, not 'str'")
            self._send(Opcode.BINARY, data)

    def send_encoded(self, frame: bytes) -> bool:
        """Send a message that ``encode_message`` has made for a server, to many.

        Returns: whether it could be sent as it is. It could not where this side masks or compresses, is sending the
            fragments of another message, or is not open.
        """
        out = self.outbox
        if out is None or self.role is _CLIENT:
            return False
        out.append(frame)
        return True

    def send_fragment(self, data: str | bytes | bytearray | memoryview, *, fin: bool) -> None:
        """Send the next fragment of a message (RFC 6455 §5.4).

        Args:
            data: ``str`` throughout a text message, bytes-like throughout a binary one.
            fin: whether the message ends with it.
        Raises:
            StateError: the connection is not open.
            UnicodeEncodeError: ``data`` holds a surrogate.
            TypeError: ``data`` is neither ``str`` nor bytes-like, or not what the first fragment was.
        """
        self._require_open("send")
        is_text = isinstance(data, str)
        opcode = Opcode.TEXT if is_text else Opcode.BINARY
        begun = self._sending
        if begun is None:
            begun = opcode, self.deflate is not None
        elif begun[0] is not opcode:
            raise TypeError(f"the message began with {'bytes' if is_text else 'str'}")
        compressed = begun[1]
        payload = self._payload(data, compressed=compressed, fin=fin)
        first = self._sending is None
        self._append(opcode if first else Opcode.CONTINUATION, payload, fin=fin, rsv1=compressed and first)
        self._sending = None if fin else begun
        self.outbox = self._out if fin and self.deflate is None else None

    def ping(self, data: str | bytes | bytearray | memoryview = b"") -> None:
        """Send a ping.

        Args:
            data: up to 125 bytes, which the pong will bring back.
        Raises:
            StateError: the connection is not open.
            ValueError: ``data`` is longer.
        """
        self._require_open("send a ping")
        self._append(Opcode.PING, data)

    def pong(self, data: str | bytes | bytearray | memoryview = b"") -> None:
        """Send a pong that no ping has asked for (RFC 6455 §5.5.3); pings are answered without it.

        Raises:
            StateError: the connection is not open.
            ValueError: ``data`` is longer than 125 bytes.
        """
        self._require_open("send a pong")
        self._append(Opcode.PONG, data)

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Start the closing handshake (RFC 6455 §7.1.2). Messages may still come until the peer's close does.

        Where that is there already, this is the answer to it.

        Args:
            code: 1000 to 1003, 1007 to 1014 or 3000 to 4999; 1005 for a close frame without a code.
            reason: up to 123 bytes as UTF-8.
        Raises:
            StateError: the connection is not open.
            ValueError: ``code`` must not be sent, or ``reason`` is longer.
        """
        self._require_open("close")
        self._send_close(code, reason)

    def fail(self, code: int, reason: str = "") -> None:
        """Close at once (RFC 6455 §7.1.7): what the peer sends is discarded, and TCP is to be closed.

        Without effect where that has happened already.

        Raises:
            ValueError: ``code`` must not be sent, or ``reason`` is longer than 123 bytes.
        """
        if self.state is _OPEN:
            self._send_close(code, reason)
        elif self.state is _CONNECTING:
            self.state = _CLOSING
        self._stop()
        self.closes_tcp = True

    def data_to_send(self) -> bytes:
        """Everything to be written now, in one piece; b"" where there is nothing. It is told once."""
        if self.is_ending:
            self._send_end()
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # Handshake

    def accept(self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> list[Event]:
        """Answer the client's request: with 101 if it is right, or by refusing what is wrong with it.

        Args:
            subprotocol: the one to use, out of those that the client offers; None leaves the choice to the handshake.
            headers: to be added to the answer.
        Returns: what came behind the request already.
        Raises:
            StateError: there is no request to be answered.
            ValueError: the client did not offer ``subprotocol``.
        """
        handshake = self._require_request()
        self._out += handshake.accept(subprotocol, headers)
        return self._answered(handshake)

    def prepare_response(self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """What ``accept`` would answer: its headers may be changed before ``respond`` sends it.

        Args:
            subprotocol, headers: as for ``accept``.
        Raises:
            StateError: there is no request to be answered.
            ValueError: the client did not offer ``subprotocol``.
        """
        return self._require_request().prepare(subprotocol, headers)

    def respond(self, response: Response) -> list[Event]:
        """Answer the client's request with a response as it stands.

        Args:
            response: 101, of ``prepare_response``; or another one, which refuses.
        Returns: what came behind the request already.
        Raises:
            StateError: there is no request to be answered.
            ValueError: it accepts what ``prepare_response`` refuses.
        """
        handshake = self._require_request()
        self._out += handshake.respond(response)
        return self._answered(handshake)

    def reject(self, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        """Refuse the client's request with an HTTP response.

        Args:
            status: 200 to 599.
            headers: of the response; its length and type are added where they do not tell.
            body: of the response.
        Raises:
            StateError: there is no request to be answered.
        """
        handshake = self._require_request()
        self._out += handshake.reject(status, headers, body)
        self._answered(handshake)

    # Private: receiving

    def _react(self, events: Iterable[Message | Ping | Pong | Close | Frame]) -> list[Event]:
        """Answer control frames and inflate messages; up to the first error."""
        told: list[Event] = []
        for event in events:
            if isinstance(event, Frame):
                try:
                    unpacked = self._unpack(event)
                except ProtocolError as error:
                    self._refuse(error)
                    return told
                if unpacked is not None:
                    told.append(unpacked)
                continue
            told.append(event)
            if isinstance(event, Ping):
                if self.state is _OPEN:
                    pong = encode_message(Pong(event.data), self.role)
                    if self._holds_pongs:
                        self._pong = pong
                    else:
                        self._out.append(pong)
            elif isinstance(event, Close):
                self._receive_close(event)
        if self._decoder is not None and self._decoder.error is not None:
            self._refuse(self._decoder.error)
        return told

    def _receive_close(self, close: Close) -> None:
        self.close_received = close
        self.peer_closed_first = self.state is _OPEN
        self._receive_end(close.code, "")

    def _unpack(self, frame: Frame) -> Message | Fragment | None:
        """A compressed message, or a fragment; None where that is kept for its message."""
        if frame.fin and frame.opcode and self.deflate is not None:
            data = self.deflate.inflate(frame.payload, self._limit, True, self._frame_limit)
            if frame.opcode is not Opcode.TEXT:
                return Message(data, Opcode.BINARY)
            text = decode_text(data)
            return Message(text if self._text else data, Opcode.TEXT)
        received = self._received
        if received is None:
            inflate = self.deflate if frame.rsv1 else None
            received = self._received = _Received(frame.opcode, inflate, as_text=self._text)
        if frame.fin:
            self._received = None
        fragment = received.fragment(frame.payload, self._limit, self._frame_limit, frame.fin)
        return received.join(fragment, streaming=self._streaming) if self._joins else fragment

    def _refuse(self, error: ProtocolError) -> None:
        """What the peer sent is wrong: it will be told, and then that was it (RFC 6455 §7.1.7)."""
        self.error = _bare(error)
        self._receive_end(error.close_code, str(error)[:MAX_CLOSE_REASON])

    def _receive_end(self, code: int, reason: str) -> None:
        """Nothing more is received; what is still to be sent comes before the close frame."""
        self._stop_receiving()
        self._end = code, reason
        self.is_ending = True
        if self.state is not _OPEN:
            self._send_end()

    def _send_end(self) -> None:
        """Answer the peer's close, or its fault."""
        if not self.is_ending:
            return
        if self.state is _OPEN:
            self._send_close(*self._end)
        self._stop()
        self.closes_tcp = self.error is not None or self.role is _SERVER

    def _stop_receiving(self) -> None:
        """Nothing that comes will be looked at; keep nothing that is needed for it."""
        self._decoder = self._received = self._handshake = None

    def _stop(self) -> None:
        """Nothing more will be received or sent."""
        self._stop_receiving()
        self.deflate = self.outbox = None
        self.is_ending = False

    # Private: sending

    def _send(self, opcode: Opcode, data: Any) -> None:
        """Send a message that is not sent as it is: other types, compressed, or not at all."""
        self._require_open("send")
        if self._sending is not None:
            raise StateError("cannot send a message: the last one still lacks fragments")
        if isinstance(data, str):
            data = str.encode(data)
        compressed = self.deflate is not None and memoryview(data).nbytes >= self.deflate.threshold
        self._append(opcode, self._payload(data, compressed=compressed, fin=True), rsv1=compressed)

    def _payload(self, data: Any, *, compressed: bool, fin: bool) -> Any:
        if not compressed or self.deflate is None:
            return data
        return self.deflate.compress(str.encode(data) if isinstance(data, str) else data, fin)

    def _append(self, opcode: Opcode, payload: Any, *, fin: bool = True, rsv1: bool = False) -> None:
        key = new_key() if self.role is _CLIENT else None
        self._out.append(encode_frame(opcode, payload, fin=fin, rsv1=rsv1, key=key))

    def _send_close(self, code: int, reason: str) -> None:
        close = Close(code, reason)
        self._out.append(encode_message(close, self.role))
        self.close_sent = close
        self.state = _CLOSING
        self.outbox = self._sending = None

    def _require_open(self, what: str) -> None:
        if self.state is not _OPEN:
            raise StateError(f"cannot {what}: the connection is {self.state.name}")

    # Private: handshake

    def _open(self) -> None:
        self.state = _OPEN
        self._joins = self.deflate is not None and self._frame_limit < MAX_PAYLOAD
        streaming = self._joins or self._streaming
        self._decoder = MessageDecoder(self.role, rsv1=self.deflate is not None, streaming=streaming, **self._options)
        self._options = {}
        self.outbox = self._out if self.deflate is None else None

    def _receive_handshake(self, data: bytes | bytearray | memoryview) -> list[Event]:
        return self._finish_handshake(bytes(data), eof=False)

    def _finish_handshake(self, data: bytes, *, eof: bool) -> list[Event]:
        """A request, for a server, which is then to be answered; or a response, and what came behind it."""
        handshake = self._handshake
        if handshake is None:
            self._no_handshake()
        try:
            event = handshake.receive_eof() if eof else handshake.receive_data(data)
        except HandshakeError as error:
            self.error = _bare(error)
            self._out += handshake.refusal(error)
            self.response = handshake.response
            return self._answered(handshake)
        if event is None:
            return []
        if self.role is _SERVER:
            self.request = handshake.request
            return [event]
        return [event, *self._answered(handshake)]

    def _answered(self, handshake: ClientHandshake | ServerHandshake) -> list[Event]:
        """Go on as the response says."""
        self.response = handshake.response
        self.error = handshake.error or self.error
        if not handshake.is_accepted:
            self.fail(CloseCode.PROTOCOL_ERROR)
            return []
        self.subprotocol = handshake.subprotocol
        self.deflate = handshake.deflate
        self._handshake = None
        self._open()
        return self.receive_data(handshake.rest) if handshake.rest else []

    def _require_request(self) -> ServerHandshake:
        if self.role is not _SERVER or self.state is not _CONNECTING or self.request is None:
            raise StateError("there is no request to be answered")
        handshake: Any = self._handshake
        return handshake  # type: ignore[no-any-return]

    def _no_handshake(self) -> NoReturn:
        raise StateError("the connection has no handshake to make")
