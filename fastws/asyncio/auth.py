"""Basic authentication of clients (RFC 7617), for a server's ``process_request``."""

from __future__ import annotations

import base64
import binascii
import hmac
import inspect
from typing import TYPE_CHECKING, Any, TypeGuard

from ..handshake import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ..handshake import Request

__all__ = ["basic_auth"]


def basic_auth(
    realm: str = "",
    credentials: tuple[str, str] | Iterable[tuple[str, str]] | None = None,
    check_credentials: Callable[[str, str], bool | Awaitable[bool]] | None = None,
) -> Callable[[Any, Any], Awaitable[Response | None]]:
    """What ``serve(process_request=…)`` takes, to let in only who has a username and password.

    ``username`` of the ``WebSocket`` tells who it is; others are answered 401.

    Args:
        realm: what the passwords are for; ASCII.
        credentials: a pair of username and password, or some of these; or else
        check_credentials: takes a username and a password, and tells whether they are right; a coroutine function will
            do, too.
    Raises:
        ValueError: not one of the two is given, or ``realm`` is not ASCII.
        TypeError: ``credentials`` is nothing of that.
    """
    if (credentials is None) == (check_credentials is None):
        raise ValueError("basic_auth takes either credentials or check_credentials")
    if not realm.isascii():
        raise ValueError("a realm is ASCII")
    check = check_credentials or _checker(credentials)
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    challenge = Headers([("WWW-Authenticate", f'Basic realm="{quoted}", charset="UTF-8"')])

    async def process_request(websocket: Any, request: Request) -> Response | None:
        lines = request.headers.get_all("Authorization")
        if not lines:
            return Response(401, "", challenge, b"Credentials are needed.\n")
        given = _read(lines[0]) if len(lines) == 1 else None
        if given is None:
            return Response(401, "", challenge, b"These are no credentials of basic authentication.\n")
        is_right = check(*given)
        if inspect.isawaitable(is_right):
            is_right = await is_right
        if not is_right:
            return Response(401, "", challenge, b"The credentials are wrong.\n")
        websocket.username = given[0]
        return None

    return process_request


def _is_pair(credentials: Any) -> TypeGuard[tuple[str, str]]:
    try:
        username, password = credentials
    except (TypeError, ValueError):
        return False
    return isinstance(username, str) and isinstance(password, str)


def _checker(credentials: Any) -> Callable[[str, str], bool]:
    try:
        pairs = [credentials] if _is_pair(credentials) else list(credentials)
    except TypeError:
        pairs = [None]
    if not all(_is_pair(pair) for pair in pairs):
        # They are not repeated: there may be passwords in them.
        raise TypeError("credentials are a pair of username and password, or some of these")
    passwords = {username: password.encode() for username, password in pairs}

    def check(username: str, password: str) -> bool:
        """In the same time wherever the password differs."""
        expected = passwords.get(username)
        same = hmac.compare_digest(b"" if expected is None else expected, password.encode())
        return same and expected is not None

    return check


def _read(line: str) -> tuple[str, str] | None:
    """Username and password out of an Authorization header, or None."""
    scheme, _, token = line.partition(" ")
    try:
        username, colon, password = base64.b64decode(token.strip(" "), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (username, password) if scheme.lower() == "basic" and colon else None
