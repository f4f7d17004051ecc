"""What the formats add to each message, computed: to be set beside what was measured. Handshakes are left out."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Final

import fastws
from fastws import Opcode

from .ends import TOPIC

if TYPE_CHECKING:
    from .registry import Transport
    from .workloads import Workload

__all__ = ["overhead"]

# Bytes of a masking key (RFC 6455 §5.3), which clients send.
_KEY: Final = 4

# MQTT 3.1.1: the first byte of a packet, the length of the topic, a packet identifier (§2.3.1), and PUBACK, PUBREC,
# PUBREL or PUBCOMP (§3.4 to §3.7).
_TYPE: Final = 1
_TOPIC_LENGTH: Final = 2
_IDENTIFIER: Final = 2
_ACKNOWLEDGEMENT: Final = 4


def overhead(transport: Transport, workload: Workload) -> tuple[float, float] | None:
    """Bytes beyond the payload for each message from the server to a subscriber: those down, and those up.

    Args:
        transport: one of ``TRANSPORTS``.
        workload: with a rate, since what a poll costs depends on how many messages share it.
    Returns: None where the packages are missing whose names stand in headers.
    """
    if transport.module == "websocket":
        return float(_frame(workload.size)), 0.0
    if transport.module == "mqtt":
        return _mqtt(workload.size, transport.both["qos"], framed=transport.both["transport"] == "websockets")
    if importlib.util.find_spec("aiohttp") is None:
        return None
    if transport.module == "events":
        return float(_event(workload)), 0.0
    if transport.module == "comet":
        # An answer is never empty.
        return float(_answer(workload.size)), float(_request(workload, close=False))
    return _polling(workload, transport.subscribing["interval"], close=not transport.subscribing["keep"])


def _frame(n: int, *, masked: bool = False) -> int:
    """The header of a WebSocket frame of ``n`` bytes (RFC 6455 §5.2)."""
    return len(fastws.encode_header(Opcode.BINARY, n)) + (_KEY if masked else 0)


def _mqtt(size: int, qos: int, *, framed: bool) -> tuple[float, float]:
    """PUBLISH, and what acknowledges it; a frame for each packet where they are in frames."""
    header = _TOPIC_LENGTH + len(TOPIC) + (_IDENTIFIER if qos else 0)
    published = _TYPE + _remaining_length(header + size) + header
    # PUBREL alone comes from the server; PUBACK, or PUBREC and PUBCOMP, go to it.
    down, up = [_ACKNOWLEDGEMENT] * (qos == 2), [_ACKNOWLEDGEMENT] * qos
    if framed:
        published += _frame(published + size)
        down = [n + _frame(n) for n in down]
        up = [n + _frame(n, masked=True) for n in up]
    return float(published + sum(down)), float(sum(up))


def _remaining_length(n: int) -> int:
    """Bytes of MQTT's variable byte integer (§2.2.3): 7 bits in each."""
    return max(1, -(-n.bit_length() // 7))


def _event(workload: Workload) -> int:
    """The lines around an event, and those around its chunk (RFC 9112 §7.1)."""
    from .events import event

    content = len(event(_typical(workload), b"." * workload.size))
    return content - workload.size + len(f"{content:x}\r\n\r\n")


def _polling(workload: Workload, interval: float, *, close: bool) -> tuple[float, float]:
    """Requests and answers, shared by the messages of an interval; empty ones where there is less than one."""
    assert workload.rate is not None
    shared = workload.rate * interval
    request = _request(workload, close=close)
    if shared < 1:
        return _answer(workload.size, close=close) + (1 / shared - 1) * _nothing(close=close), request / shared
    # Line feeds stand between messages.
    content = workload.size * shared + shared - 1
    return (_answer(round(content), close=close) + shared - 1) / shared, request / shared


def _typical(workload: Workload) -> int:
    """The number of a message in the middle."""
    return max(1, workload.count // 2)


def _request(workload: Workload, *, close: bool) -> int:
    """A request as aiohttp's client writes it."""
    lines = [
        f"GET /?client=0&after={_typical(workload)} HTTP/1.1",
        "Host: 127.0.0.1:12345",
        "Accept-Encoding: identity",
        "Accept: */*",
        f"User-Agent: {_software()}",
        *["Connection: close"] * close,
    ]
    return _head(lines)


def _answer(n: int, *, close: bool = False) -> int:
    """The head of an answer with ``n`` bytes as aiohttp's server writes it."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/plain", f"Content-Length: {n}", *_signature(close=close)]
    return _head(lines)


def _nothing(*, close: bool) -> int:
    return _head(["HTTP/1.1 204 No Content", "Content-Type: text/plain", *_signature(close=close)])


def _signature(*, close: bool) -> list[str]:
    return ["Date: Thu, 01 Jan 1970 00:00:00 GMT", f"Server: {_software()}", *["Connection: close"] * close]


def _head(lines: list[str]) -> int:
    return sum(len(line) + 2 for line in lines) + 2


def _software() -> str:
    from aiohttp import __version__

    return f"Python/{sys.version_info[0]}.{sys.version_info[1]} aiohttp/{__version__}"
