"""From messages to bytes: whole frames, masked with keys that nobody can foresee (RFC 6455 §5.3, §5.6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..frames import MAX_CLOSE_REASON, CloseCode, Role, is_sendable_close_code
from .buffers import as_bytes, as_key
from .decoder import as_role
from .header import check_control, first_byte, format_header
from .mask import xor
from .values import BINARY, CLOSE, PING, PONG, TEXT, Close, Message, Ping, Pong

if TYPE_CHECKING:
    from .buffers import Buffer

_CLIENT: Final = Role.CLIENT

# Keys are drawn from the system this many bytes at a time: one system call for a thousand frames.
_KEY_POOL_SIZE: Final = 4096

# Keys that nobody has used. Taking one out is atomic, so threads need no lock.
_key_pool: list[bytes] = []

if hasattr(os, "register_at_fork"):
    # A forked child must not send the keys of its parent.
    os.register_at_fork(after_in_child=_key_pool.clear)


def new_key() -> bytes:
    """Draw a masking key (RFC 6455 §5.3).

    Keys come from the system's generator, some thousand bytes at a time. No key is given out twice: not to two
    threads, and not to a process and its forked child.

    Returns: 4 unpredictable bytes.
    """
    try:
        return _key_pool.pop()
    except IndexError:
        drawn = os.urandom(_KEY_POOL_SIZE)
        _key_pool.extend([drawn[i : i + 4] for i in range(4, _KEY_POOL_SIZE, 4)])
        return drawn[:4]


def encode_frame(
    opcode: int,
    payload: str | Buffer,
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    key: Buffer | None = None,
) -> bytes:
    """Write one frame (RFC 6455 §5.2), its length in the shortest form.

    Args:
        opcode: an ``Opcode``.
        payload: ``str``, which is encoded as UTF-8, or a buffer of n bytes, which is taken as it is.
        fin: whether the message ends with this frame.
        rsv1, rsv2, rsv3: bits that an extension gives a meaning.
        key: the masking key, 4 bytes; None leaves the frame unmasked.
    Returns: header and payload, 2 to 14 bytes more than n.
    Raises:
        ValueError: ``opcode`` is reserved, a control frame is fragmented or longer than 125 bytes, or ``key`` is not
            4 bytes.
        TypeError: ``payload`` is neither ``str`` nor bytes-like, or ``key`` is not bytes-like.
        BufferError: a buffer is not C-contiguous.
        UnicodeEncodeError: ``payload`` holds a surrogate.
    """
    first = first_byte(opcode, fin, rsv1, rsv2, rsv3)
    data = str.encode(payload) if isinstance(payload, str) else as_bytes(payload)
    check_control(first, len(data))
    return _frame(first, data, None if key is None else as_key(key))


def _frame(first: int, payload: bytes, key: bytes | None) -> bytes:
    if key is None:
        return format_header(first, len(payload), None) + payload
    return format_header(first, len(payload), key) + xor(payload, key)


def encode_message(
    data: str | Buffer | Message | Ping | Pong | Close, role: Role, *, key: Buffer | None = None
) -> bytes:
    """Write a message, or a control frame, as one frame (RFC 6455 §5.6).

    Args:
        data: ``str`` for a text message, bytes-like for a binary one; or a ``Message``, ``Ping``, ``Pong`` or ``Close``
            of this backend.
        role: the local side; a client masks, and a server does not (§5.1).
        key: the masking key of a client, 4 bytes; None draws one.
    Returns: the frame.
    Raises:
        ValueError: a control payload is over 125 bytes, a close code must not be sent, a server was given a key, or
            ``key`` is not 4 bytes.
        TypeError: ``data`` is none of the above, or ``key`` is not bytes-like.
        BufferError: a buffer is not C-contiguous.
        UnicodeEncodeError: text holds a surrogate.
    """
    if type(data) is str:
        opcode, payload = TEXT, data.encode()
    elif type(data) is bytes:
        opcode, payload = BINARY, data
    else:
        opcode, payload = _message_payload(data)
        check_control(0x80 | opcode, len(payload))
    if role is _CLIENT:
        key = new_key() if key is None else as_key(key)
    else:
        as_role(role)
        if key is not None:
            raise ValueError("a server does not mask")
    return _frame(0x80 | opcode, payload, key)


def _message_payload(data: str | Buffer | Message | Ping | Pong | Close) -> tuple[int, bytes]:
    if isinstance(data, str):
        return TEXT, str.encode(data)
    if isinstance(data, Message):
        content = data.data
        return int(data.opcode), str.encode(content) if isinstance(content, str) else as_bytes(content)
    if isinstance(data, Ping):
        return PING, as_bytes(data.data)
    if isinstance(data, Pong):
        return PONG, as_bytes(data.data)
    if isinstance(data, Close):
        return CLOSE, close_payload(data.code, data.reason)
    return BINARY, as_bytes(data)


def close_payload(code: int, reason: str) -> bytes:
    """The payload of a close frame (RFC 6455 §5.5.1); 1005 stands for none."""
    data = str.encode(reason)
    if code == CloseCode.NO_STATUS_RCVD and not data:
        return b""
    if not is_sendable_close_code(code):
        raise ValueError(f"close code {code} must not be sent")
    if len(data) > MAX_CLOSE_REASON:
        raise ValueError(f"a close reason has 0 to {MAX_CLOSE_REASON} bytes, not {len(data)}")
    return code.to_bytes(2, "big") + data
