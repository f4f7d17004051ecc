"""What calls to an endpoint raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import HandshakeError
from ..frames import CloseCode

if TYPE_CHECKING:
    from .. import Close
    from ..connection import Connection
    from ..handshake import Response

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "InvalidProxyStatus",
    "InvalidStatus",
    "ProxyError",
    "closed_error",
]


class ConcurrencyError(RuntimeError):
    """Two calls at once, of which only one can have what comes next."""


class InvalidStatus(HandshakeError):  # noqa: N818 - the name that users know
    """The server answered with another status than 101.

    Attributes:
        response: what it answered.
    """

    def __init__(self, text: str, status: int, response: Response) -> None:
        super().__init__(text, status)
        self.response = response


class ProxyError(HandshakeError):
    """The proxy does not lead to the server."""


class InvalidProxyStatus(ProxyError):  # noqa: N818 - the name that users know
    """The proxy answered CONNECT with a status that is not 2xx.

    Attributes:
        response: what it answered, without its body.
    """

    def __init__(self, text: str, status: int, response: Response) -> None:
        super().__init__(text, status)
        self.response = response


class ConnectionClosed(Exception):  # noqa: N818 - the name that users know
    """The connection is closed, or closing.

    Attributes:
        rcvd: the peer's ``Close``, or None where none came.
        sent: the ``Close`` that was sent, or None.
        rcvd_then_sent: whether the peer's came first; None where one of them is missing.
    """

    def __init__(self, rcvd: Close | None, sent: Close | None, rcvd_then_sent: bool | None = None) -> None:
        super().__init__(rcvd, sent, rcvd_then_sent)
        self.rcvd = rcvd
        self.sent = sent
        self.rcvd_then_sent = rcvd_then_sent

    @property
    def code(self) -> int:
        """What the peer closed with; 1006 where no close frame came."""
        return CloseCode.ABNORMAL_CLOSURE if self.rcvd is None else self.rcvd.code

    @property
    def reason(self) -> str:
        """Why, as the peer tells; "" where it does not."""
        return "" if self.rcvd is None else self.rcvd.reason

    def __str__(self) -> str:
        received = "no close frame received" if self.rcvd is None else f"received {_told(self.rcvd)}"
        sent = "no close frame sent" if self.sent is None else f"sent {_told(self.sent)}"
        return f"{received}; {sent}"


class ConnectionClosedOK(ConnectionClosed):
    """It was closed as it should be: with 1000, 1001 or no code, by both sides."""


class ConnectionClosedError(ConnectionClosed):
    """It was closed with another code, or lost."""


_FINE = frozenset((CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD))


def _told(close: Close) -> str:
    return f"{close.code} ({close.reason})" if close.reason else str(int(close.code))


def closed_error(connection: Connection) -> ConnectionClosed:
    """The exception for how a connection ended."""
    rcvd, sent = connection.close_received, connection.close_sent
    both = rcvd is not None and sent is not None
    fine = both and rcvd is not None and sent is not None and rcvd.code in _FINE and sent.code in _FINE
    kind = ConnectionClosedOK if fine else ConnectionClosedError
    error = kind(rcvd, sent, connection.peer_closed_first if both else None)
    error.__cause__ = connection.error
    return error
