"""The opening handshake, both sides: what is right, what is refused and how, limits, and cuts (RFC 6455 §4, §10)."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fastws import Connection, HandshakeError, Message, Role, State, StateError
from fastws.deflate import Deflate
from fastws.handshake import (
    GUID,
    MAX_BODY_SIZE,
    URI,
    ClientHandshake,
    Headers,
    Request,
    Response,
    ServerHandshake,
    accept_key,
    basic_authorization,
    parse_extensions,
    parse_tokens,
)
from oracles import frame
from vectors import KEY, bytewise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

_GOOD = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": _KEY,
    "Sec-WebSocket-Version": "13",
}
_ANSWER = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": _ACCEPT}


def _lines(first: str, headers: dict[str, Any], body: bytes = b"") -> bytes:
    """A request or response; a header with a list as its value stands there as often, one with None not at all."""
    pairs = [
        (name, each)
        for name, value in headers.items()
        if value is not None
        for each in (value if isinstance(value, list) else [value])
    ]
    return "\r\n".join([first, *[f"{name}: {value}" for name, value in pairs], "", ""]).encode("latin-1") + body


def _request(first: str = "GET /chat?x=1 HTTP/1.1", **changes: Any) -> bytes:
    """The request of RFC 6455 §1.3, with other headers; an underscore stands for a hyphen."""
    return _lines(first, _GOOD | {name.replace("_", "-"): value for name, value in changes.items()})


def _response(first: str = "HTTP/1.1 101 Switching Protocols", **changes: Any) -> bytes:
    return _lines(first, _ANSWER | {name.replace("_", "-"): value for name, value in changes.items()})


def _server(**options: Any) -> Connection:
    return Connection(Role.SERVER, max_message_size=1000, handshake=ServerHandshake(**options))


def _client(uri: str = "ws://server.example.com/chat?x=1", **options: Any) -> Connection:
    return Connection(Role.CLIENT, max_message_size=1000, handshake=ClientHandshake(uri, key=_KEY, **options))


def _parsed(data: bytes) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a response."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    assert first.startswith("HTTP/1.1 ")
    return int(first.split(" ")[1]), Headers([(name, value) for name, value in pairs]), body


# Values ---------------------------------------------------------------------------------------------------------------


def test_sample_of_the_rfc() -> None:
    """RFC 6455 §1.3: copies of the GUID with a letter O in place of a zero are in circulation."""
    assert accept_key(_KEY) == _ACCEPT
    assert GUID == "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    assert GUID.isupper()
    assert "O" not in GUID


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ws://example.com", (False, "example.com", 80, "/", "example.com")),
        ("wss://example.com", (True, "example.com", 443, "/", "example.com")),
        ("WSS://EXAMPLE.com:443/A?b=C", (True, "example.com", 443, "/A?b=C", "example.com")),
        ("ws://example.com:443/", (False, "example.com", 443, "/", "example.com:443")),
        ("wss://example.com:80", (True, "example.com", 80, "/", "example.com:80")),
        ("ws://[::1]:8765/x", (False, "::1", 8765, "/x", "[::1]:8765")),
        ("ws://[2001:db8::1]", (False, "2001:db8::1", 80, "/", "[2001:db8::1]")),
        ("ws://bücher.example/ä?ö=ü", (False, "xn--bcher-kva.example", 80, "/%C3%A4?%C3%B6=%C3%BC", None)),
        ("ws://example.com?q", (False, "example.com", 80, "/?q", "example.com")),
        ("ws://example.com/a%20b c", (False, "example.com", 80, "/a%20b%20c", "example.com")),
    ],
)
def test_uris(text: str, expected: tuple[bool, str, int, str, str | None]) -> None:
    uri = URI.parse(text)
    assert (uri.secure, uri.host, uri.port, uri.path) == expected[:4]
    assert expected[4] is None or uri.host_header == expected[4]
    assert (uri.username, uri.password) == (None, None)
    assert URI.parse(str(uri)) == uri


@pytest.mark.parametrize(
    "text",
    [
        *("http://example.com", "example.com", "", "ws://", "ws:///path", "ws://example.com/#fragment", "ws://a:b:c/"),
        *("ws://example.com#", "ws://example.com:x/", "ws://example.com:65536/", "ws://[::1", f"ws://{'ä' * 100}.com/"),
    ],
)
def test_no_uris(text: str) -> None:
    with pytest.raises(ValueError, match=r"WebSocket URI|host name"):
        URI.parse(text)


def test_username_and_password() -> None:
    uri = URI.parse("ws://us%40er:p%3Ass@example.com/")
    assert (uri.username, uri.password) == ("us@er", "p:ss")
    assert (URI.parse("ws://user@example.com/").username, URI.parse("ws://user@example.com/").password) == ("user", "")
    assert "p:ss" not in str(uri)
    # RFC 7617 §2.
    assert basic_authorization("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    with pytest.raises(ValueError, match="no colon"):
        basic_authorization("a:b", "c")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/new?x=2", "wss://example.com/new?x=2"),
        ("new", "wss://example.com/a/new"),
        ("wss://other.example:99/", "wss://other.example:99/"),
        ("https://other.example/x", "wss://other.example/x"),
        ("//other.example/x", "wss://other.example/x"),
        ("", "wss://example.com/a/b"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(location: str, target: str, status: int) -> None:
    uri = URI.parse("wss://user:pw@example.com/a/b")
    found = uri.redirected(Response(status, "", Headers([("location", location)])))
    assert found is not None
    assert str(found) == target
    same = "other" not in target
    assert (found.username, found.password) == (("user", "pw") if same else (None, None))


@pytest.mark.parametrize(
    ("uri", "target", "shares"),
    [
        ("ws://example.com/a", "ws://example.com/b", True),
        ("ws://example.com/", "ws://example.com:80/", True),
        ("wss://example.com/", "wss://EXAMPLE.com:443/", True),
        ("wss://example.com:9/", "wss://example.com:9/", True),
        # TLS from now on: what a server on the usual ports asks for.
        ("ws://example.com/", "wss://example.com/", True),
        # Nobody knows whose those ports are, nor, without TLS, who reads along.
        ("ws://example.com:8080/", "wss://example.com:8080/", False),
        ("ws://example.com:8080/", "wss://example.com/", False),
        ("ws://example.com/", "wss://example.com:8443/", False),
        ("ws://example.com/", "ws://example.com:81/", False),
        ("ws://example.com:443/", "wss://example.com/", False),
        ("wss://example.com/", "ws://example.com/", False),
        ("wss://example.com:80/", "ws://example.com:443/", False),
        ("wss://example.com/", "wss://www.example.com/", False),
        ("wss://example.com/", "wss://example.org/", False),
    ],
)
def test_who_may_know_secrets(uri: str, target: str, shares: bool) -> None:
    """One rule for credentials, whether the URI has them or a header."""
    source = URI.parse(uri.replace("//", "//user:pw@"))
    assert source.shares_secrets_with(URI.parse(target)) is shares
    if target.startswith("wss") or not source.secure:
        found = source.redirected(Response(302, "", Headers([("Location", target)])))
        assert found is not None
        assert (found.username, found.password) == (("user", "pw") if shares else (None, None))


def test_what_is_no_redirect() -> None:
    uri = URI.parse("wss://example.com/")
    to = Headers([("Location", "/x")])
    for response in (Response(200, "", to), Response(304, "", to), Response(302, "", Headers())):
        assert uri.redirected(response) is None
    assert uri.redirected(Response(302, "", Headers([("Location", "/x"), ("Location", "/y")]))) is None
    for location in ("ws://example.com/", "http://example.com/"):
        with pytest.raises(
            ValueError, match=r"^wss://example.com/ redirects to ws://example.com/, which is not secure$"
        ):
            uri.redirected(Response(302, "", Headers([("Location", location)])))
    with pytest.raises(ValueError, match="scheme is not ws or wss"):
        uri.redirected(Response(302, "", Headers([("Location", "ftp://example.com/")])))


def test_headers() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert (headers["a"], headers["B"], headers.get("c"), headers.get_all("A")) == ("1, 3", "2", None, ["1", "3"])
    assert "B" in headers
    assert "c" not in headers
    assert None not in headers
    assert sorted(headers) == ["A", "b"]
    assert len(headers) == 2
    assert headers.raw_items() == (("A", "1"), ("b", "2"), ("a", "3"))
    assert headers == {"A": "1, 3", "b": "2"}
    assert repr(Headers([("A", "1")])) == "Headers([('A', '1')])"
    with pytest.raises(KeyError):
        headers["c"]


def test_headers_that_are_changed() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    told = headers.raw_items()
    headers["B"] = "4"
    assert headers.raw_items() == (("A", "1"), ("b", "2"), ("a", "3"), ("B", "4"))
    del headers["a"]
    assert headers.raw_items() == (("b", "2"), ("B", "4"))
    assert told == (("A", "1"), ("b", "2"), ("a", "3"))
    with pytest.raises(KeyError, match="a"):
        del headers["a"]


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a, b", "c"], ["a", "b", "c"]),
        ([" a\t,, b ,", ""], ["a", "b"]),
        (["chat.v1!#$%&'*+-^_`|~"], ["chat.v1!#$%&'*+-^_`|~"]),
        (["a b"], None),
        (['"a"'], None),
        (["ä"], None),
        (["a/b"], None),
    ],
)
def test_tokens(values: list[str], tokens: list[str] | None) -> None:
    if tokens is None:
        with pytest.raises(ValueError, match="is no token"):
            parse_tokens(values)
    else:
        assert parse_tokens(values) == tokens


@pytest.mark.parametrize(
    ("values", "extensions"),
    [
        ([], []),
        ([""], []),
        (["a"], [("a", [])]),
        (['a; b; c=d , e;f="g"', "h"], [("a", [("b", None), ("c", "d")]), ("e", [("f", "g")]), ("h", [])]),
        ([" ,, a ;b = 1,, c ,"], [("a", [("b", "1")]), ("c", [])]),
        (['a; b="1\\2"'], [("a", [("b", "12")])]),
        *[([bad], None) for bad in ("a;", "a b", ";a", "a;=b", "a; b=", 'a; b="', 'a; b="c d"', 'a; b=""', "a=b", "ä")],
    ],
)
def test_extensions(values: list[str], extensions: list[Any] | None) -> None:
    if extensions is None:
        with pytest.raises(ValueError, match=r"is no (list of extensions|token)"):
            parse_extensions(values)
    else:
        assert parse_extensions(values) == extensions


def test_long_headers_are_read_in_one_go() -> None:
    """Nothing here goes back over what it has read."""
    for hostile in ("a" + " " * 30_000 + "=", "a" + "; b" * 8_000 + ";", 'a; b="' + "\\" * 30_001, ", " * 16_000 + ";"):
        with pytest.raises(ValueError, match="is no list of extensions"):
            parse_extensions([hostile])


# The server -----------------------------------------------------------------------------------------------------------


def test_the_server_accepts() -> None:
    """Byte for byte, and however the request was cut."""
    data = _request()
    for pieces in ([data], bytewise(data), *[[data[:cut], data[cut:]] for cut in range(len(data))]):
        server = _server()
        assert server.state is State.CONNECTING
        events = [event for piece in pieces for event in server.receive_data(piece)]
        assert [type(event) for event in events] == [Request]
        request = server.request
        assert request is events[0]
        assert isinstance(request, Request)
        assert (request.method, request.path, dict(request.headers)) == ("GET", "/chat?x=1", _GOOD)
        assert server.data_to_send() == b""
        assert server.accept() == []
        assert server.data_to_send() == _response()
        assert repr(server) == "<Connection server OPEN>"
        assert server.response is not None
        assert server.response.status == 101
        assert (server.subprotocol, server.deflate, server.error, server.closes_tcp) == (None, None, None, False)


def test_headers_and_case() -> None:
    """What RFC 6455 §4.2.1 compares without regard to case, and lists of tokens; extra headers are sent."""
    server = _server()
    changes = {"Upgrade": "WebSocket", "Connection": "keep-alive, uPGRADE"}
    server.receive_data(_request(**changes).replace(b"Sec-WebSocket", b"sec-websocket").replace(b"Host", b"hOST"))
    server.accept(headers=[("X-One", "1"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
    status, headers, _ = _parsed(server.data_to_send())
    assert status == 101
    assert headers["x-one"] == "1"
    assert headers.get_all("Set-Cookie") == ["a=b", "c=d"]
    assert server.response is not None
    assert server.response.headers == headers


def test_a_response_that_is_changed_before_it_is_sent() -> None:
    server = _server(subprotocols=["a"], server="me")
    server.receive_data(_request(Sec_WebSocket_Protocol="a") + b"\x81\x80\0\0\0\0")
    response = server.prepare_response(headers=[("X-One", "1")])
    assert (response.status, response.headers["Server"], response.headers["X-One"]) == (101, "me", "1")
    assert (server.state, server.data_to_send(), server.subprotocol) == (State.CONNECTING, b"", None)
    del response.headers["Server"]
    response.headers["X-Two"] = "2"
    assert server.respond(response) == [Message("")]
    status, headers, _ = _parsed(server.data_to_send())
    assert (status, headers) == (101, response.headers)
    assert (server.state, server.subprotocol, server.response) == (State.OPEN, "a", response)
    with pytest.raises(StateError, match=r"^there is no request to be answered$"):
        server.prepare_response()


def test_a_prepared_response_need_not_be_sent() -> None:
    server = _server()
    server.receive_data(_request())
    server.prepare_response()
    assert server.respond(Response(403, "", Headers([("X-Why", "because")]), b"no")) == []
    status, headers, body = _parsed(server.data_to_send())
    assert (status, headers["X-Why"], body) == (403, "because", b"no")
    assert server.closes_tcp


def test_a_refusal_cannot_be_turned_into_acceptance() -> None:
    server = _server(origins=["https://here"])
    server.receive_data(_request(Origin="https://there"))
    response = server.prepare_response()
    assert (response.status, response.body) == (403, b"Forbidden: origin https://there is not allowed.\n")
    with pytest.raises(ValueError, match=r"^a request that is refused cannot be answered with 101$"):
        server.respond(Response(101, "", Headers()))
    assert server.state is State.CONNECTING
    response.headers["X-One"] = "1"
    server.respond(response)
    status, headers, body = _parsed(server.data_to_send())
    assert (status, headers["X-One"], body) == (403, "1", response.body)
    assert isinstance(server.error, HandshakeError)
    assert server.error.status == 403


def test_what_comes_behind_the_request() -> None:
    """In the same read, or before the answer: it is told with it."""
    message = frame(0x81, b"early", KEY)
    for pieces in ([_request() + message], [_request(), message], [*bytewise(_request() + message)]):
        server = _server()
        for piece in pieces:
            server.receive_data(piece)
        assert server.accept() == [Message("early")]
        assert server.receive_data(message) == [Message("early")]
    server = _server()
    server.receive_data(_request() + b"x" * 65_536)
    assert server.error is None
    assert server.receive_data(b"x") == []
    assert str(server.error) == "too many bytes before the request was answered"
    assert _parsed(server.data_to_send())[0] == 400


_NONCE = base64.b64encode(bytes(16)).decode()


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"first": "POST / HTTP/1.1"}, 405, "method POST instead of GET"),
        ({"Upgrade": None}, 426, "no 'websocket' in the Upgrade header"),
        ({"Upgrade": "h2c"}, 426, "no 'websocket' in the Upgrade header"),
        ({"Connection": "keep-alive"}, 426, "no 'upgrade' in the Connection header"),
        ({"Connection": None}, 426, "no 'upgrade' in the Connection header"),
        ({"Connection": "up grade"}, 400, "Connection header: 'up grade' is no token"),
        ({"Sec_WebSocket_Version": None}, 426, "version 13 of the protocol is needed, not none"),
        ({"Sec_WebSocket_Version": "8"}, 426, "version 13 of the protocol is needed, not 8"),
        ({"Sec_WebSocket_Version": ["13", "8"]}, 426, "version 13 of the protocol is needed, not 13 and 8"),
        ({"Sec_WebSocket_Key": None}, 400, "no Sec-WebSocket-Key header"),
        ({"Sec_WebSocket_Key": [_NONCE, _NONCE]}, 400, "more than one Sec-WebSocket-Key header"),
        *[
            ({"Sec_WebSocket_Key": key}, 400, "the Sec-WebSocket-Key is not 16 bytes in base64")
            for key in ("", "x", _NONCE[:-1], _NONCE[:-4], _NONCE + "AAAA", _NONCE[:-3] + "=A=", "ä" * 24, "-" * 24)
        ],
        ({"Sec_WebSocket_Protocol": "a b"}, 400, "Sec-WebSocket-Protocol header: 'a b' is no token"),
        ({"Sec_WebSocket_Extensions": "a b"}, 400, "Sec-WebSocket-Extensions header: 'a b' is no list of extensions"),
        ({"Origin": ["http://a", "http://b"]}, 400, "more than one Origin header"),
    ],
)
def test_what_the_server_refuses(changes: dict[str, Any], status: int, text: str) -> None:
    """The request is told and may be answered otherwise; when it is accepted it is refused, and says why."""
    server = _server()
    (request,) = server.receive_data(_request(**changes))
    assert type(request) is Request
    assert server.accept() == []
    assert str(server.error) == text
    assert isinstance(server.error, HandshakeError)
    assert server.error.status == status
    assert server.closes_tcp
    assert server.state is State.CLOSING
    got, headers, body = _parsed(server.data_to_send())
    assert got == status
    assert body.decode().endswith(f": {text}.\n")
    assert headers["Content-Length"] == str(len(body))
    assert "close" in headers["Connection"]
    assert headers.get("Allow") == ("GET" if status == 405 else None)
    assert (headers.get("Upgrade") == "websocket") == (status == 426)
    assert headers.get("Sec-WebSocket-Version") == ("13" if "version" in text else None)
    assert server.receive_data(frame(0x81, b"x", KEY)) == []
    server.receive_eof()
    assert server.close_code == 1006


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00" + bytes(100), 400),
        (_request().replace(b"Host", b"Ho st"), 400),
        (_request(Host=None), 400),
        (_request(Host=["a", "b"]), 400),
        (_request("GET / HTTP/1.0"), 505),
        (_request(Content_Length="3") + b"abc", 400),
        (_request(Transfer_Encoding="chunked"), 400),
        (_request(X_Long="x" * 40_000), 431),
        (_request(**{f"X_{i}": "x" for i in range(200)}), 431),
        (b"GET /" + b"x" * 40_000, 431),
        (_request(f"GET /{'x' * 40_000} HTTP/1.1"), 414),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_request(data: bytes, status: int) -> None:
    """It is not even told: the answer is there at once."""
    for pieces in ([data], [data[:5], data[5:]]):
        server = _server()
        for piece in pieces:
            assert server.receive_data(piece) == []
        assert isinstance(server.error, HandshakeError)
        assert server.closes_tcp
        got, headers, body = _parsed(server.data_to_send())
        assert got == status
        assert headers["Content-Length"] == str(len(body))
        with pytest.raises(StateError):
            server.accept()


def test_limits_that_are_chosen() -> None:
    count, size = len(_GOOD), sum([len(name) + len(value) + 4 for name, value in _GOOD.items()])
    for changes, refused in (({}, False), ({"max_headers": count - 1}, True), ({"max_header_size": size - 1}, True)):
        server = _server(**{"max_headers": count, "max_header_size": size, **changes})
        server.receive_data(_request())
        assert (server.error is not None) == refused


def test_a_request_that_never_ends_is_refused() -> None:
    server = _server(max_header_size=1000)
    for _ in range(1100):
        server.receive_data(b"x")
    assert server.closes_tcp
    assert _parsed(server.data_to_send())[0] == 431


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (None, "http://any.example", True),
        (None, None, True),
        (["http://a.example"], "http://a.example", True),
        (["http://a.example"], "http://a.example:8080", False),
        (["http://a.example"], None, False),
        (["http://a.example", None], None, True),
        (["http://b.example", re.compile(r"https?://.*\.example")], "https://x.example", True),
        ([re.compile(r"https?://.*\.example")], "https://x.example.evil", False),
        ([re.compile(r".*")], None, False),
        ([], "http://a.example", False),
    ],
)
def test_origins(origins: Sequence[str | re.Pattern[str] | None] | None, origin: str | None, allowed: bool) -> None:
    server = _server(origins=origins)
    server.receive_data(_request(Origin=origin))
    server.accept()
    assert (server.state is State.OPEN) == allowed
    assert _parsed(server.data_to_send())[0] == (101 if allowed else 403)


@pytest.mark.parametrize(
    ("spoken", "offered", "chosen"),
    [
        ([], "a", None),
        (["a"], None, None),
        (["a", "b"], "b, a", "a"),
        (["a", "b"], ["c", "b"], "b"),
        (["a"], "A", None),
    ],
)
def test_subprotocols(spoken: list[str], offered: Any, chosen: str | None) -> None:
    """The server's first choice; names are compared as they are."""
    server = _server(subprotocols=spoken)
    server.receive_data(_request(Sec_WebSocket_Protocol=offered))
    server.accept()
    assert server.subprotocol == chosen
    assert _parsed(server.data_to_send())[1].get("Sec-WebSocket-Protocol") == chosen


def test_a_subprotocol_that_is_told() -> None:
    server = _server(subprotocols=["a", "b"])
    server.receive_data(_request(Sec_WebSocket_Protocol="b, a, c"))
    with pytest.raises(ValueError, match=r"^subprotocol 'd' is not offered$"):
        server.accept(subprotocol="d")
    assert server.state is State.CONNECTING
    server.accept(subprotocol="c")
    assert server.subprotocol == "c"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (None, None),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
        ("x-other, permessage-deflate; x=1, permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
        (["x-other", "permessage-deflate; server_max_window_bits=8"], None),
        (
            'permessage-deflate; client_max_window_bits; server_max_window_bits="10"',
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
        ),
    ],
)
def test_compression_is_agreed_on(offer: Any, answer: str | None) -> None:
    server = _server(deflate=Deflate())
    server.receive_data(_request(Sec_WebSocket_Extensions=offer))
    server.accept()
    assert (server.deflate is not None) == (answer is not None)
    assert _parsed(server.data_to_send())[1].get("Sec-WebSocket-Extensions") == answer
    server = _server()
    server.receive_data(_request(Sec_WebSocket_Extensions=offer))
    server.accept()
    assert server.deflate is None
    assert "Sec-WebSocket-Extensions" not in _parsed(server.data_to_send())[1]


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (404, (), b"", {"Connection": "close", "Content-Length": "0"}),
        (
            403,
            (("X-Why", "no"),),
            b"no",
            {
                "X-Why": "no",
                "Content-Type": "text/plain; charset=utf-8",
                "Connection": "close",
                "Content-Length": "2",
            },
        ),
        (200, (("content-type", "text/html"),), b"<p>", {"content-type": "text/html", "Content-Length": "3"}),
        (302, (("Location", "/x"),), b"", {"Location": "/x"}),
        (204, (), b"", {"Connection": "close"}),
        (599, (), b"odd", {"Content-Length": "3"}),
    ],
)
def test_reject(status: int, headers: Iterable[tuple[str, str]], body: bytes, expected: dict[str, str]) -> None:
    server = _server()
    server.receive_data(_request())
    server.reject(status, headers, body)
    got, told, content = _parsed(server.data_to_send())
    assert (got, content) == (status, body)
    assert expected.items() <= dict(told.raw_items()).items()
    assert (server.state, server.closes_tcp, server.error) == (State.CLOSING, True, None)
    assert server.response is not None
    assert (server.response.status, server.response.body) == (status, body)
    with pytest.raises(StateError):
        server.accept()


def test_reject_of_a_head_request() -> None:
    server = _server()
    server.receive_data(_request("HEAD / HTTP/1.1"))
    server.reject(200, body=b"hello")
    assert _parsed(server.data_to_send())[2] == b""


@pytest.mark.parametrize(
    "headers",
    [
        [("X", "a\r\nEvil: 1")],
        [("X\r\n", "a")],
        [("", "a")],
        [("X", "€")],
        [("X", "a\0")],
        [("ä", "a")],
    ],
)
def test_no_header_is_smuggled_in(headers: list[tuple[str, str]]) -> None:
    """Neither into an answer, nor into a request."""
    server = _server()
    server.receive_data(_request())
    with pytest.raises(ValueError, match=r"."):
        server.accept(headers=headers)
    with pytest.raises(ValueError, match=r"."):
        server.reject(400, headers)
    assert server.data_to_send() == b""
    assert server.state is State.CONNECTING
    with pytest.raises(ValueError, match=r"."):
        _client(headers=headers)
    server.accept()
    assert server.data_to_send() == _response()


@pytest.mark.parametrize(
    "name", ["Upgrade", "connection", "Sec-WebSocket-Accept", "sec-websocket-key", "Content-Length"]
)
def test_headers_of_the_handshake_itself(name: str) -> None:
    server = _server()
    server.receive_data(_request())
    with pytest.raises(ValueError, match=f"^header {name} is written by the handshake$"):
        server.accept(headers=[(name, "x")])
    with pytest.raises(ValueError, match=f"^header {name} is written by the handshake$"):
        _client(headers=[(name, "x")])


@pytest.mark.parametrize("status", [100, 101, 199, 600, 0])
def test_statuses_that_are_no_refusal(status: int) -> None:
    server = _server()
    server.receive_data(_request())
    with pytest.raises(ValueError, match=f"^a refusal has a status of 200 to 599, not {status}$"):
        server.reject(status)


def test_calls_before_there_is_a_request() -> None:
    server = _server()
    for pieces in ((), (b"GET / HT",)):
        for piece in pieces:
            server.receive_data(piece)
        with pytest.raises(StateError, match=r"^there is no request to be answered$"):
            server.accept()
        with pytest.raises(StateError, match=r"^cannot send: the connection is CONNECTING$"):
            server.send_text("x")
        with pytest.raises(StateError, match=r"^cannot close: the connection is CONNECTING$"):
            server.close()


def test_the_client_goes_away() -> None:
    """Before its request, within it, and before the answer."""
    for data in (b"", b"GET / HTTP/1.1\r\n", _request()):
        server = _server()
        server.receive_data(data)
        assert server.receive_eof() == []
        assert server.state is State.CLOSED
        assert str(server.error) == "the connection ended before the handshake did"
        with pytest.raises(StateError):
            server.accept()


# The client -----------------------------------------------------------------------------------------------------------


def test_the_client_asks() -> None:
    client = _client()
    assert client.state is State.CONNECTING
    assert client.data_to_send() == _request()
    assert client.request is not None
    assert dict(client.request.headers) == _GOOD
    client = _client(
        "wss://user:pass@example.com:8443",
        origin="http://a.example",
        subprotocols=["a", "b"],
        deflate=Deflate(),
        headers=[("X-One", "1"), ("User-Agent", "me")],
    )
    assert client.data_to_send() == _lines(
        "GET / HTTP/1.1",
        {
            **(_GOOD | {"Host": "example.com:8443"}),
            "Origin": "http://a.example",
            "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            "Sec-WebSocket-Protocol": "a, b",
            "Authorization": "Basic dXNlcjpwYXNz",
            "X-One": "1",
            "User-Agent": "me",
        },
    )
    client = _client("ws://user:pass@example.com", headers=[("host", "other"), ("authorization", "Bearer x")])
    assert client.request is not None
    assert client.request.headers.get_all("Host") == ["other"]
    assert client.request.headers.get_all("Authorization") == ["Bearer x"]


def test_keys_are_drawn() -> None:
    keys = {ClientHandshake("ws://a.example").request.headers["Sec-WebSocket-Key"] for _ in range(100)}  # type: ignore[union-attr]
    assert len(keys) == 100
    assert {len(base64.b64decode(key)) for key in keys} == {16}


def test_the_client_is_accepted() -> None:
    """However the response was cut, and with what comes behind it."""
    message = frame(0x81, b"early")
    data = _lines("HTTP/1.1 100 Continue", {}) + _response(X_One="1") + message
    for pieces in ([data], bytewise(data), *[[data[:cut], data[cut:]] for cut in range(len(data))]):
        client = _client()
        events = [event for piece in pieces for event in client.receive_data(piece)]
        assert events == [client.response, Message("early")]
        assert client.response is not None
        assert (client.response.status, client.response.headers["X-One"]) == (101, "1")
        assert client.state is State.OPEN
        assert (client.subprotocol, client.deflate, client.error, client.closes_tcp) == (None, None, None, False)


_OFFERS: dict[str, Any] = {"subprotocols": ["a", "b"], "deflate": Deflate()}
_DEFLATE = "permessage-deflate; server_max_window_bits=12"


def test_what_the_server_chose() -> None:
    client = _client(**_OFFERS)
    client.receive_data(_response(Sec_WebSocket_Protocol="b", Sec_WebSocket_Extensions=_DEFLATE, Upgrade="WEBSOCKET"))
    assert client.state is State.OPEN
    assert client.subprotocol == "b"
    assert client.deflate is not None


@pytest.mark.parametrize(
    ("offers", "changes", "text"),
    [
        ({}, {"Upgrade": None}, "no 'websocket' in the Upgrade header"),
        ({}, {"Upgrade": "x"}, "no 'websocket' in the Upgrade header"),
        ({}, {"Connection": "close"}, "no 'upgrade' in the Connection header"),
        ({}, {"Sec_WebSocket_Accept": None}, "no Sec-WebSocket-Accept header"),
        ({}, {"Sec_WebSocket_Accept": [_ACCEPT, _ACCEPT]}, "more than one Sec-WebSocket-Accept header"),
        ({}, {"Sec_WebSocket_Accept": _ACCEPT.lower()}, "the Sec-WebSocket-Accept header does not fit the key"),
        ({}, {"Sec_WebSocket_Protocol": "a"}, "subprotocol a was not offered"),
        (_OFFERS, {"Sec_WebSocket_Protocol": "c"}, "subprotocol c was not offered"),
        (_OFFERS, {"Sec_WebSocket_Protocol": "a, b"}, "subprotocol a, b was not offered"),
        (_OFFERS, {"Sec_WebSocket_Protocol": ["a", "b"]}, "subprotocol a, b was not offered"),
        ({}, {"Sec_WebSocket_Extensions": _DEFLATE}, "extension permessage-deflate was not offered"),
        (_OFFERS, {"Sec_WebSocket_Extensions": "x"}, "extension x was not offered"),
        (_OFFERS, {"Sec_WebSocket_Extensions": [_DEFLATE] * 2}, "extension permessage-deflate is there twice"),
        (_OFFERS, {"Sec_WebSocket_Extensions": "permessage-deflate"}, "the server's window is larger"),
        (
            _OFFERS,
            {"Sec_WebSocket_Extensions": "permessage-deflate; x"},
            "parameter x of permessage-deflate is unknown",
        ),
        (_OFFERS, {"Sec_WebSocket_Extensions": "a b"}, "'a b' is no list of extensions"),
    ],
)
def test_what_the_client_refuses(offers: dict[str, Any], changes: dict[str, Any], text: str) -> None:
    client = _client(**offers)
    client.data_to_send()
    assert client.receive_data(_response(**changes) + frame(0x81, b"x")) == [client.response]
    assert isinstance(client.error, HandshakeError)
    assert text in str(client.error)
    assert (client.state, client.closes_tcp, client.data_to_send()) == (State.CLOSING, True, b"")
    assert client.receive_data(frame(0x81, b"x")) == []


@pytest.mark.parametrize(
    ("status", "headers", "body", "ends"),
    [
        (404, {"Content-Length": "5"}, b"sorry", False),
        (302, {"Location": "/x", "Content-Length": "0"}, b"", False),
        (401, {"WWW-Authenticate": "Basic"}, b"no length is told", True),
        (200, {"Transfer-Encoding": "chunked"}, b"5\r\nsorry\r\n0\r\n\r\n", False),
        (204, {}, b"", False),
    ],
)
def test_other_answers(status: int, headers: dict[str, str], body: bytes, ends: bool) -> None:
    """With the body, as soon as it is complete."""
    data = _lines(f"HTTP/1.1 {status} Whatever", headers, body)
    for pieces in ([data], bytewise(data)):
        client = _client()
        events = [event for piece in pieces for event in client.receive_data(piece)]
        if ends:
            assert events == []
            assert client.state is State.CONNECTING
            events = client.receive_eof()
        assert events == [client.response]
        assert client.response is not None
        assert client.response.status == status
        assert client.response.body == (b"sorry" if b"sorry" in body else body)
        assert str(client.error) == f"the server answered {status} Whatever"
        assert isinstance(client.error, HandshakeError)
        assert client.error.status == status
        assert client.closes_tcp
    uri = URI.parse("ws://server.example.com/chat")
    response = client.response
    assert response is not None
    assert str(uri.redirected(response)) == ("ws://server.example.com/x" if status == 302 else "None")


def test_a_body_that_never_ends() -> None:
    client = _client()
    client.receive_data(_lines("HTTP/1.1 500 Oh", {"Transfer-Encoding": "chunked"}))
    pieces = 0
    while not client.closes_tcp:
        client.receive_data(b"400\r\n" + bytes(0x400) + b"\r\n")
        pieces += 1
    assert pieces == MAX_BODY_SIZE // 0x400
    assert client.response is not None
    assert len(client.response.body) == MAX_BODY_SIZE


@pytest.mark.parametrize(
    "data",
    [
        b"rubbish\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        _lines("HTTP/1.1 200 OK", {"Content-Length": "x"}),
        _response(**{f"X_{i}": "x" for i in range(200)}),
        _response(X_Long="x" * 40_000),
        b"HTTP/1.1 101 " + b"x" * 40_000,
    ],
    ids=lambda data: data[:20].decode("latin-1"),
)
def test_what_is_no_response(data: bytes) -> None:
    client = _client()
    client.data_to_send()
    assert client.receive_data(data) == []
    assert isinstance(client.error, HandshakeError)
    assert (client.response, client.closes_tcp, client.data_to_send()) == (None, True, b"")


def test_the_server_goes_away() -> None:
    for data in (b"", b"HTTP/1.1 101 Swi", _lines("HTTP/1.1 200 OK", {"Content-Length": "5"}, b"123")):
        client = _client()
        client.receive_data(data)
        assert client.receive_eof() == []
        assert isinstance(client.error, HandshakeError)
        assert client.state is State.CLOSED


def test_a_server_that_says_nothing() -> None:
    """Or not all of it: no text of h11's."""
    for said in (b"", b"HTTP/1.1 101", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"):
        client = Connection(Role.CLIENT, handshake=ClientHandshake("ws://x/"), max_message_size=None)
        client.receive_data(said)
        assert client.receive_eof() == []
        assert str(client.error) == "the connection ended before the handshake did"


@pytest.mark.parametrize("subprotocols", [["a b"], ["ä"], ['"']])
def test_subprotocols_that_cannot_be_offered(subprotocols: list[str]) -> None:
    with pytest.raises(ValueError, match="is no token"):
        _client(subprotocols=subprotocols)


# Without h11 ----------------------------------------------------------------------------------------------------------


def test_the_error_without_h11_names_the_extra() -> None:
    script = "import sys; sys.modules['h11'] = None; import fastws; fastws.Connection; import fastws.handshake"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 1
    assert done.stderr.endswith("needs h11: python -m pip install 'fastws-codec[connection]'\n")
