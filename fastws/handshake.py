"""The opening handshake, both sides, without I/O (RFC 6455 §4). h11 reads and writes the HTTP/1.1.

A ``ServerHandshake`` or ``ClientHandshake`` is for one connection, which drives it: ``Connection(role, handshake=…)``.
URIs, redirects and basic authentication have their functions here; who to connect to is an endpoint's matter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from .deflate import EXTENSION
from .errors import HandshakeError
from .frames import Role

try:
    import h11
except ModuleNotFoundError as error:
    if error.name != "h11":
        raise
    text = "the opening handshake needs h11: python -m pip install 'fastws-codec[connection]'"
    raise ModuleNotFoundError(text, name="h11") from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from .deflate import Deflate, Parameters, PerMessageDeflate, RawParameters

    Pairs: TypeAlias = Iterable[tuple[str, str]]

__all__ = [
    "DEFAULT_MAX_HEADERS",
    "DEFAULT_MAX_HEADER_SIZE",
    "GUID",
    "URI",
    "ClientHandshake",
    "Headers",
    "Request",
    "Response",
    "ServerHandshake",
    "accept_key",
    "basic_authorization",
    "parse_extensions",
    "parse_tokens",
]

#: RFC 6455 §1.3.
GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#: The only version of the protocol (RFC 6455 §4.1).
VERSION: Final = "13"

#: Lines of a request or response, and bytes of all of them: what browsers and proxies send fits many times.
DEFAULT_MAX_HEADERS: Final = 128
DEFAULT_MAX_HEADER_SIZE: Final = 32_768

#: Bytes that are kept of the body of a response that refuses; the rest is not waited for.
MAX_BODY_SIZE: Final = 65_536

# Bytes that a client may send behind its request before it is answered.
_MAX_EARLY: Final = 65_536

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_is_token = re.compile(_WORD).fullmatch
_parameter = re.compile(
    rf"""[ \t]*;[ \t]*(?P<name>{_WORD})[ \t]*(?:=[ \t]*(?:(?P<value>{_WORD})|"(?P<quoted>(?:[^"\\]|\\.)*)"))?"""
).match
_extension = re.compile(rf"[ \t]*(?P<name>{_WORD})").match
_separator = re.compile(r"[ \t]*(?:,[ \t,]*|$)").match

# What the handshake itself writes, and a caller may not write beside it.
_OURS: Final = frozenset(
    (
        *("connection", "upgrade", "sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key"),
        *("sec-websocket-protocol", "sec-websocket-version", "transfer-encoding", "content-length"),
    )
)


# Values ---------------------------------------------------------------------------------------------------------------


class Headers(MutableMapping[str, str]):
    """Header lines in their order; names are compared without regard to case.

    ``headers[name]`` joins the lines of that name with commas (RFC 9110 §5.3), ``headers[name] = value`` adds one
    behind all others, and ``del headers[name]`` removes all of that name.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Pairs = ()) -> None:
        self._pairs = [(name, value) for name, value in pairs]

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        self._pairs.append((name, value))

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._pairs = [(each, value) for each, value in self._pairs if each.lower() != name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in reversed(self._pairs)}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._pairs})

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"

    def get_all(self, name: str) -> list[str]:
        """The values of all lines of that name."""
        name = name.lower()
        return [value for each, value in self._pairs if each.lower() == name]

    def raw_items(self) -> tuple[tuple[str, str], ...]:
        """Every line as it came."""
        return tuple(self._pairs)


@dataclass(frozen=True)
class Request:
    """What a client asks for.

    Attributes:
        path: with the query, as it stands in the first line.
        headers: all of them.
        method: of HTTP; "GET" in a WebSocket handshake.
    """

    path: str
    headers: Headers
    method: str = "GET"


@dataclass(frozen=True)
class Response:
    """What a server answers.

    Attributes:
        status: of HTTP; 101 in a WebSocket handshake.
        reason: of HTTP.
        headers: all of them.
        body: of a response that refuses; the first 64 KiB.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    @property
    def status_code(self) -> int:
        """``status``, by the name that users of websockets know."""
        return self.status

    @property
    def reason_phrase(self) -> str:
        """``reason``, likewise."""
        return self.reason


@dataclass(frozen=True)
class URI:
    """A WebSocket URI (RFC 6455 §3).

    Attributes:
        secure: "wss", not "ws".
        host: without the brackets of an IPv6 address.
        port: where none is given, 443 or 80.
        path: with the query; what the first line of a request needs.
        username, password: of basic authentication, or None.
    """

    secure: bool
    host: str
    port: int
    path: str
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str) -> URI:
        """Read a URI.

        Raises:
            ValueError: it is not one, is of another scheme, or has a fragment.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{text!r} is no WebSocket URI: {error}") from None
        if parts.scheme not in ("ws", "wss"):
            raise ValueError(f"{text!r} is no WebSocket URI: its scheme is not ws or wss")
        if not parts.hostname:
            raise ValueError(f"{text!r} is no WebSocket URI: it has no host")
        if "#" in text:
            raise ValueError(f"{text!r} is no WebSocket URI: it has a fragment")
        secure = parts.scheme == "wss"
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~") if parts.query else ""
        )
        return cls(
            secure,
            _ascii_host(parts.hostname),
            (443 if secure else 80) if port is None else port,
            path,
            None if parts.username is None else unquote(parts.username),
            None if parts.username is None else unquote(parts.password or ""),
        )

    @property
    def host_header(self) -> str:
        """The value of the Host header: without the port where it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.host_header}{self.path}"

    def redirected(self, response: Response) -> URI | None:
        """Where a response redirects to (RFC 9110 §15.4); None where it does not.

        Username and password go with it only where it ``shares_secrets_with`` this one.

        Raises:
            ValueError: that is no WebSocket URI, or a "ws" one where this is "wss".
        """
        locations = response.headers.get_all("Location")
        if response.status not in (301, 302, 303, 307, 308) or len(locations) != 1:
            return None
        # `urljoin` knows the HTTP schemes only.
        joined = urljoin("http" + str(self)[2:], re.sub(r"^ws(?=s?:)", "http", locations[0], flags=re.IGNORECASE))
        target = URI.parse(re.sub(r"^http", "ws", joined, flags=re.IGNORECASE))
        if self.secure and not target.secure:
            raise ValueError(f"{self} redirects to {target}, which is not secure")
        if target.username is None and self.shares_secrets_with(target):
            return replace(target, username=self.username, password=self.password)
        return target

    def shares_secrets_with(self, target: URI) -> bool:
        """Whether what only this server may know, such as credentials, may go to where it redirects to.

        That is the same origin (RFC 6454 §5), or the same host once more, now with TLS, on the usual ports of both.
        """
        if target.host != self.host:
            return False
        if target.secure is self.secure:
            return target.port == self.port
        return target.secure and (self.port, target.port) == (80, 443)


def _ascii_host(host: str) -> str:
    """A host name as the network writes it (RFC 3490)."""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError(f"{host!r} is no host name: {error}") from None


def accept_key(key: str) -> str:
    """What a server answers to a client's key (RFC 6455 §4.2.2)."""
    digest = hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def basic_authorization(username: str, password: str) -> str:
    """The value of an Authorization or Proxy-Authorization header (RFC 7617).

    Raises:
        ValueError: ``username`` has a colon.
    """
    if ":" in username:
        raise ValueError("a username for basic authentication has no colon")
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def parse_tokens(values: Iterable[str]) -> list[str]:
    """The tokens of header lines with commas between them (RFC 9110 §5.6.1).

    Raises:
        ValueError: there is something else.
    """
    tokens = [each.strip(" \t") for value in values for each in value.split(",")]
    for token in tokens:
        if token and not _is_token(token):
            raise ValueError(f"{token!r} is no token")
    return [token for token in tokens if token]


def _list(subprotocols: Sequence[str] | None) -> Sequence[str]:
    """What a caller gives, if it is not one string, which would be a list of letters."""
    if isinstance(subprotocols, str):
        raise TypeError(f"subprotocols are a list of strings, not {subprotocols!r}")
    return subprotocols or ()


def parse_extensions(values: Iterable[str]) -> list[tuple[str, RawParameters]]:
    """The extensions of header lines with their parameters (RFC 6455 §9.1).

    Raises:
        ValueError: they are malformed.
    """
    return [extension for value in values for extension in _extensions_in(value)]


def _extensions_in(text: str) -> Iterator[tuple[str, RawParameters]]:
    separator = re.match(r"[ \t,]*", text)
    position = separator.end() if separator else 0
    while position < len(text):
        name = _extension(text, position)
        if name is None:
            raise ValueError(f"{text!r} is no list of extensions")
        position = name.end()
        parameters: list[tuple[str, str | None]] = []
        while (match := _parameter(text, position)) is not None:
            parameters.append((match["name"], _value_of(match)))
            position = match.end()
        end = _separator(text, position)
        if end is None:
            raise ValueError(f"{text!r} is no list of extensions")
        position = end.end()
        yield name["name"], parameters


def _value_of(match: re.Match[str]) -> str | None:
    """A value, which must be a token once it is unquoted (RFC 6455 §9.1)."""
    quoted = match["quoted"]
    if quoted is None:
        return match["value"]
    value = re.sub(r"\\(.)", r"\1", quoted)
    if not _is_token(value):
        raise ValueError(f"{quoted!r} is no token")
    return value


# What both sides share ------------------------------------------------------------------------------------------------


class _Handshake:
    """One opening handshake.

    Attributes:
        request: what the client asked for, once it is known.
        response: what the server answered, once it is known.
        error: why it failed, a ``HandshakeError``, or None.
        is_accepted: whether the connection is open.
        subprotocol: the one that both sides agreed on, or None.
        deflate: the compression that both sides agreed on, or None.
        rest: the bytes behind the handshake that came with it.
    """

    _role: Role

    def __init__(self, deflate: Deflate | None, max_headers: int, max_header_size: int) -> None:
        self.request: Request | None = None
        self.response: Response | None = None
        self.error: HandshakeError | None = None
        self.is_accepted = False
        self.subprotocol: str | None = None
        self.deflate: PerMessageDeflate | None = None
        self.rest = b""
        self._wanted = deflate
        self._max_headers = max_headers
        self._max_header_size = max_header_size
        our_role: Any = h11.CLIENT if self._role is Role.CLIENT else h11.SERVER
        self._http = h11.Connection(our_role, max_incomplete_event_size=max_header_size)

    def start(self) -> list[bytes]:
        """What is to be sent first."""
        return []

    def refusal(self, error: HandshakeError) -> list[bytes]:
        """What is to be sent to a peer whose handshake failed."""
        self.error = error
        return []

    def _next_event(self) -> Any:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise HandshakeError(str(error) or "malformed HTTP", error.error_status_hint) from None

    def _headers(self, event: h11.Request | h11.Response | h11.InformationalResponse) -> Headers:
        """The headers, if they are not too many."""
        pairs = event.headers.raw_items()
        if len(pairs) > self._max_headers:
            raise HandshakeError(f"more than {self._max_headers} headers", 431)
        if sum([len(name) + len(value) + 4 for name, value in pairs]) > self._max_header_size:
            raise HandshakeError(f"headers of more than {self._max_header_size} bytes", 431)
        return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs])

    def _agree(self, agreed: Parameters | None) -> None:
        if agreed is not None and self._wanted is not None:
            self.deflate = self._wanted.agree(self._role, agreed)


def _written(http: h11.Connection, event: h11.Event) -> bytes:
    return http.send(event) or b""


def _raw(pairs: Pairs) -> list[tuple[bytes, bytes]]:
    """Header lines for h11, which refuses what could be taken for other lines."""
    try:
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs]
    except UnicodeEncodeError as error:
        raise ValueError(f"a header cannot hold {error.object!r}") from None


def _extra(headers: Pairs) -> list[tuple[str, str]]:
    """Header lines of a caller, none of which are the handshake's own."""
    pairs = [(name, value) for name, value in headers]
    for name, _ in pairs:
        if name.lower() in _OURS:
            raise ValueError(f"header {name} is written by the handshake")
    return pairs


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _one(headers: Headers, name: str, status: int = 400) -> str:
    """The value of a header that must be there once."""
    values = headers.get_all(name)
    if len(values) != 1:
        raise HandshakeError(f"{'more than one' if values else 'no'} {name} header", status)
    return values[0]


def _require_token(
    headers: Headers, name: str, token: str, status: int, more: tuple[tuple[str, str], ...] = ()
) -> None:
    try:
        tokens = parse_tokens(headers.get_all(name))
    except ValueError as error:
        raise HandshakeError(f"{name} header: {error}", 400) from None
    if token not in [each.lower() for each in tokens]:
        raise HandshakeError(f"no {token!r} in the {name} header", status, more)


# The server -----------------------------------------------------------------------------------------------------------

_PLAIN_TEXT: Final = "text/plain; charset=utf-8"
_UPGRADE: Final = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
_UPGRADE_NEEDED: Final = (("Upgrade", "websocket"), ("Connection", "Upgrade, close"))


class ServerHandshake(_Handshake):
    """The server's side of an opening handshake (RFC 6455 §4.2).

    Args:
        origins: those that browsers may come from, each a string or a compiled pattern that must match in full; None
            among them allows clients that send none. None for any origin.
        subprotocols: those that the server speaks, best first; None for none.
        deflate: what it wants of permessage-deflate, or None for no compression.
        server: the Server header of every answer, or None.
        any_subprotocol: accept with a subprotocol that the client does not offer, too; it is for the client to fail
            then (RFC 6455 §4.1).
        max_headers, max_header_size: lines and bytes of a request, at most.
    """

    _role = Role.SERVER

    def __init__(
        self,
        *,
        origins: Sequence[str | re.Pattern[str] | None] | None = None,
        subprotocols: Sequence[str] | None = (),
        deflate: Deflate | None = None,
        server: str | None = None,
        any_subprotocol: bool = False,
        max_headers: int = DEFAULT_MAX_HEADERS,
        max_header_size: int = DEFAULT_MAX_HEADER_SIZE,
    ) -> None:
        super().__init__(deflate, max_headers, max_header_size)
        self._server = server
        self._any_subprotocol = any_subprotocol
        self._origins = origins
        self._subprotocols = parse_tokens(_list(subprotocols))
        # What a response that accepts would agree on: the subprotocol, and compression.
        self._prepared: tuple[str | None, Parameters | None] | None = None

    def receive_data(self, data: bytes) -> Request | None:
        """Take the next bytes that came.

        Returns: the request, once it is complete; it is to be answered then, and not checked yet.
        Raises:
            HandshakeError: it is no HTTP request, or a limit is passed.
        """
        if self.request is not None:
            self.rest += data
            if len(self.rest) > _MAX_EARLY:
                raise HandshakeError("too many bytes before the request was answered", 400)
            return None
        if data:
            self._http.receive_data(data)
        event = self._next_event()
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.Request):
            raise HandshakeError("the connection ended before its request", 400)
        headers = self._headers(event)
        if len(event.target) > self._max_header_size:
            raise HandshakeError("the request's path is too long", 414)
        request = Request(event.target.decode("latin-1"), headers, event.method.decode("ascii"))
        if event.http_version < b"1.1":
            raise HandshakeError("HTTP/1.1 is needed", 505)
        if not isinstance(self._next_event(), h11.EndOfMessage):
            raise HandshakeError("the request has a body", 400)
        self.request = request
        self.rest = self._http.trailing_data[0]
        return request

    def receive_eof(self) -> Request | None:
        """Take note that no bytes will come any more.

        Raises:
            HandshakeError: always.
        """
        raise HandshakeError("the connection ended before the handshake did", 400)

    @property
    def offered_subprotocols(self) -> list[str]:
        """What the client offers, best first."""
        headers = Headers() if self.request is None else self.request.headers
        try:
            return parse_tokens(headers.get_all("Sec-WebSocket-Protocol"))
        except ValueError as error:
            raise HandshakeError(f"Sec-WebSocket-Protocol header: {error}", 400) from None

    def check(self, request: Request) -> None:
        """See whether it is a WebSocket request (RFC 6455 §4.2.1).

        Raises:
            HandshakeError: with the status to answer.
        """
        headers = request.headers
        if request.method != "GET":
            raise HandshakeError(f"method {request.method} instead of GET", 405, (("Allow", "GET"),))
        _one(headers, "Host")
        _require_token(headers, "Upgrade", "websocket", 426, _UPGRADE_NEEDED)
        _require_token(headers, "Connection", "upgrade", 426, _UPGRADE_NEEDED)
        versions = headers.get_all("Sec-WebSocket-Version")
        if versions != [VERSION]:
            told = " and ".join(versions) or "none"
            offer = ("Sec-WebSocket-Version", VERSION)
            raise HandshakeError(f"version 13 of the protocol is needed, not {told}", 426, (*_UPGRADE_NEEDED, offer))
        self._check_key(_one(headers, "Sec-WebSocket-Key"))
        self._check_origin(headers)

    def _check_key(self, key: str) -> None:
        try:
            nonce = base64.b64decode(key.encode(), validate=True)
        except (binascii.Error, ValueError):
            nonce = b""
        if len(nonce) != 16:
            raise HandshakeError("the Sec-WebSocket-Key is not 16 bytes in base64", 400)

    def _check_origin(self, headers: Headers) -> None:
        """RFC 6455 §10.2."""
        values = headers.get_all("Origin")
        if len(values) > 1:
            raise HandshakeError("more than one Origin header", 400)
        if self._origins is None:
            return
        origin = values[0] if values else None
        for allowed in self._origins:
            if isinstance(allowed, re.Pattern):
                if origin is not None and allowed.fullmatch(origin):
                    return
            elif origin == allowed:
                return
        raise HandshakeError(f"origin {origin} is not allowed" if values else "no Origin header", 403)

    def accept(self, subprotocol: str | None = None, headers: Pairs = ()) -> list[bytes]:
        """Answer the request: with 101, or by refusing it; ``is_accepted`` tells.

        Args:
            subprotocol: the one to use; None for the first of the server's own that the client offers, if any.
            headers: to be added.
        Returns: what is to be sent.
        Raises:
            ValueError: the client does not offer that subprotocol, or a header cannot be sent.
        """
        return self.respond(self.prepare(subprotocol, headers))

    def prepare(self, subprotocol: str | None = None, headers: Pairs = ()) -> Response:
        """What ``accept`` would answer; its headers may be changed before ``respond`` sends it.

        Args:
            subprotocol, headers: as for ``accept``.
        Returns: 101, or what refuses the request.
        Raises:
            ValueError: the client does not offer that subprotocol, or a header cannot be sent.
        """
        request = self.request
        if request is None:
            raise ValueError("there is no request to accept")
        extra = _extra(headers)
        try:
            self.check(request)
            offered = self.offered_subprotocols
            agreed = self._choose_deflate(request.headers)
        except HandshakeError as error:
            return self._refused(error)
        if subprotocol is None:
            subprotocol = next((each for each in self._subprotocols if each in offered), None)
        elif subprotocol not in offered and not self._any_subprotocol:
            raise ValueError(f"subprotocol {subprotocol!r} is not offered")
        answer = [*_UPGRADE, ("Sec-WebSocket-Accept", accept_key(_one(request.headers, "Sec-WebSocket-Key")))]
        if subprotocol is not None:
            answer.append(("Sec-WebSocket-Protocol", subprotocol))
        if agreed is not None:
            answer.append(("Sec-WebSocket-Extensions", agreed.format()))
        answer += extra
        if self._server is not None and not any(name.lower() == "server" for name, _ in extra):
            answer.append(("Server", self._server))
        self._prepared = subprotocol, agreed
        return Response(101, _reason(101), Headers(answer))

    def respond(self, response: Response) -> list[bytes]:
        """Answer the request with a response as it stands: with the 101 of ``prepare``, or by refusing it.

        Returns: what is to be sent.
        Raises:
            ValueError: the request is not right, and so cannot be accepted; or a header cannot be sent.
        """
        if response.status != 101:
            return self.reject(response.status, response.headers.raw_items(), response.body)
        if self._prepared is None:
            raise ValueError("a request that is refused cannot be answered with 101")
        sent = [_written(self._http, _event(h11.InformationalResponse, 101, response.headers.raw_items()))]
        self.response = response
        self.subprotocol, agreed = self._prepared
        self._agree(agreed)
        self.is_accepted = True
        return sent

    def _choose_deflate(self, headers: Headers) -> Parameters | None:
        try:
            extensions = parse_extensions(headers.get_all("Sec-WebSocket-Extensions"))
        except ValueError as error:
            raise HandshakeError(f"Sec-WebSocket-Extensions header: {error}", 400) from None
        if self._wanted is None:
            return None
        return self._wanted.answer([parameters for name, parameters in extensions if name == EXTENSION])

    def reject(self, status: int, headers: Pairs = (), body: bytes = b"") -> list[bytes]:
        """Answer the request with any other status.

        Returns: what is to be sent; TCP is to be closed then.
        Raises:
            ValueError: the status is not 200 to 599, or a header cannot be sent.
        """
        if not 200 <= status <= 599:
            raise ValueError(f"a refusal has a status of 200 to 599, not {status}")
        pairs = [(name, value) for name, value in headers]
        names = {name.lower() for name, _ in pairs}
        if body and "content-type" not in names:
            pairs.append(("Content-Type", _PLAIN_TEXT))
        if self._server is not None and "server" not in names:
            pairs.append(("Server", self._server))
        if "connection" not in names:
            pairs.append(("Connection", "close"))
        if not names & {"content-length", "transfer-encoding"} and status not in (204, 304):
            pairs.append(("Content-Length", str(len(body))))
        sent = [_written(self._http, _event(h11.Response, status, pairs))]
        try:
            if body and status not in (204, 304) and (self.request is None or self.request.method != "HEAD"):
                sent.append(_written(self._http, h11.Data(data=body)))
            sent.append(_written(self._http, h11.EndOfMessage()))
        except h11.LocalProtocolError as error:
            raise ValueError(str(error)) from None
        self.response = Response(status, _reason(status), Headers(pairs), body)
        return sent

    def refusal(self, error: HandshakeError) -> list[bytes]:
        return self.respond(self._refused(error))

    def _refused(self, error: HandshakeError) -> Response:
        self.error = error
        status = error.status or 400
        return Response(status, _reason(status), Headers(error.headers), f"{_reason(status)}: {error}.\n".encode())


def _event(kind: type[h11.Response | h11.InformationalResponse], status: int, pairs: Pairs) -> h11.Event:
    try:
        return kind(status_code=status, headers=_raw(pairs), reason=_reason(status).encode())
    except h11.LocalProtocolError as error:
        raise ValueError(str(error)) from None


# The client -----------------------------------------------------------------------------------------------------------


class ClientHandshake(_Handshake):
    """The client's side of an opening handshake (RFC 6455 §4.1).

    Args:
        uri: what to ask for; its username and password become an Authorization header.
        origin: the Origin header, for a server that asks for one.
        subprotocols: those that the client speaks, best first; None for none.
        deflate: what it wants of permessage-deflate, or None for no compression.
        headers: to be added; Host and Authorization take the place of those that would be written.
        max_headers, max_header_size: lines and bytes of a response, at most.
        key: the Sec-WebSocket-Key, for tests; None draws one.

    Raises:
        ValueError: ``uri`` is not one, or a header or subprotocol cannot be sent.
        TypeError: ``subprotocols`` is one string.
    """

    _role = Role.CLIENT

    def __init__(
        self,
        uri: URI | str,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] | None = (),
        deflate: Deflate | None = None,
        headers: Pairs = (),
        max_headers: int = DEFAULT_MAX_HEADERS,
        max_header_size: int = DEFAULT_MAX_HEADER_SIZE,
        key: str | None = None,
    ) -> None:
        super().__init__(deflate, max_headers, max_header_size)
        self.uri = URI.parse(uri) if isinstance(uri, str) else uri
        self._key = base64.b64encode(secrets.token_bytes(16)).decode() if key is None else key
        self._subprotocols = parse_tokens(_list(subprotocols))
        self.request = Request(self.uri.path, Headers(self._lines(origin, headers)))
        self._answer: Response | None = None

    def _lines(self, origin: str | None, headers: Pairs) -> list[tuple[str, str]]:
        extra = _extra(headers)
        names = {name.lower() for name, _ in extra}
        lines = [] if "host" in names else [("Host", self.uri.host_header)]
        lines += [*_UPGRADE, ("Sec-WebSocket-Key", self._key), ("Sec-WebSocket-Version", VERSION)]
        if origin is not None:
            lines.append(("Origin", origin))
        if self._wanted is not None:
            lines.append(("Sec-WebSocket-Extensions", self._wanted.offer().format()))
        if self._subprotocols:
            lines.append(("Sec-WebSocket-Protocol", ", ".join(self._subprotocols)))
        if self.uri.username is not None and "authorization" not in names:
            lines.append(("Authorization", basic_authorization(self.uri.username, self.uri.password or "")))
        return lines + extra

    def start(self) -> list[bytes]:
        request = self.request
        assert request is not None
        try:
            event = h11.Request(method=b"GET", target=request.path, headers=_raw(request.headers.raw_items()))
            return [_written(self._http, event) + _written(self._http, h11.EndOfMessage())]
        except h11.LocalProtocolError as error:
            raise ValueError(str(error)) from None

    def receive_data(self, data: bytes) -> Response | None:
        """Take the next bytes that came.

        Returns: the response, once it is complete; ``is_accepted`` and ``error`` then tell what it means.
        Raises:
            HandshakeError: it is no HTTP response, or a limit is passed.
        """
        if data:
            self._http.receive_data(data)
        return self._read()

    def receive_eof(self) -> Response | None:
        """Take note that no bytes will come any more, which may be the end of a response.

        Raises:
            HandshakeError: it is not.
        """
        # Only a body, of a response that refuses, may end so.
        self._http.receive_data(b"")
        response = None if self._answer is None else self._read()
        if response is None:
            raise HandshakeError("the connection ended before the handshake did")
        return response

    def _read(self) -> Response | None:
        while True:
            event = self._next_event()
            if isinstance(event, h11.InformationalResponse | h11.Response):
                headers = self._headers(event)
                self._answer = Response(event.status_code, bytes(event.reason).decode("latin-1"), headers)
                if event.status_code == 101:
                    return self._switched(self._answer)
            elif isinstance(event, h11.Data) and self._answer is not None:
                body = self._answer.body + event.data
                answer = self._answer
                self._answer = Response(answer.status, answer.reason, answer.headers, body[:MAX_BODY_SIZE])
                if len(body) >= MAX_BODY_SIZE:
                    return self._refused(self._answer)
            elif isinstance(event, h11.EndOfMessage) and self._answer is not None:
                return self._refused(self._answer)
            elif event is h11.NEED_DATA:
                return None
            else:
                raise HandshakeError("the connection ended before the handshake did")

    def _refused(self, response: Response) -> Response:
        self.response = response
        reason = f" {response.reason}" if response.reason else ""
        self.error = HandshakeError(f"the server answered {response.status}{reason}", response.status)
        return response

    def _switched(self, response: Response) -> Response:
        """Whether the server means what was asked (RFC 6455 §4.1)."""
        self.response = response
        try:
            self._check(response.headers)
        except HandshakeError as error:
            self.error = HandshakeError(str(error), response.status)
            return response
        self.rest = self._http.trailing_data[0]
        self.is_accepted = True
        return response

    def _check(self, headers: Headers) -> None:
        _require_token(headers, "Upgrade", "websocket", 101)
        _require_token(headers, "Connection", "upgrade", 101)
        if _one(headers, "Sec-WebSocket-Accept") != accept_key(self._key):
            raise HandshakeError("the Sec-WebSocket-Accept header does not fit the key")
        subprotocols = headers.get_all("Sec-WebSocket-Protocol")
        if subprotocols:
            if len(subprotocols) > 1 or subprotocols[0] not in self._subprotocols:
                raise HandshakeError(f"subprotocol {', '.join(subprotocols)} was not offered")
            self.subprotocol = subprotocols[0]
        try:
            self._check_extensions(parse_extensions(headers.get_all("Sec-WebSocket-Extensions")))
        except ValueError as error:
            raise HandshakeError(f"Sec-WebSocket-Extensions header: {error}") from None

    def _check_extensions(self, extensions: list[tuple[str, RawParameters]]) -> None:
        for name, parameters in extensions:
            if name != EXTENSION or self._wanted is None:
                raise ValueError(f"extension {name} was not offered")
            if self.deflate is not None:
                raise ValueError(f"extension {name} is there twice")
            self._agree(self._wanted.check(parameters))
