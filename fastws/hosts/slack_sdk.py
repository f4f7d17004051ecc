"""slack-sdk's builtin client of Socket Mode: frames received, frames built.

Tried with 3.19.5, 3.27.2, 3.33.5, 3.47.0 and 3.48.0. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what the
replacements rely on. ``fastws.restore("slack-sdk")`` undoes it, also for connections that are open. The other clients
of Socket Mode use websocket-client, aiohttp and websockets.

Every replacement does the usual case, exactly as the host would, and leaves the others to the host's own function: line
feeds between frames, headers that arrive in pieces, masked frames, the end of the stream, keys of a ``random.choices``
that was replaced. Frames are parsed in a loop. The host calls itself for every read, so its messages have at most as
many reads as Python allows nested calls, about a thousand; here they may have more.

Out of reach: the client decodes text within the function that runs it.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any, Final

from .host import Host
from .seams import make_seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from .host import Seam

__all__ = ["HOST"]

# Globals of the host's module. The replacements read them there, see `rebase`; here they only have a name.
FrameHeader: Any = None
_append_message: Any = None

# While this is what `random.choices` is, a key is four bytes. The module takes its functions from this generator, so it
# tells what stood there before somebody replaced it, perhaps before this file was imported.
_SYSTEM_CHOICES: Final[Any] = getattr(getattr(random, "_inst", None), "choices", None)

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "socket_mode.builtin.frame_header.FrameHeader.__init__": ("4d8b440fbfdbb250",),
    "socket_mode.builtin.internals._receive_messages": ("16a7efc082132313", "eaead08552704e32"),
    "socket_mode.builtin.internals._fetch_messages": ("10a32212dfe19090", "02fdc00cefa8f522"),
    "socket_mode.builtin.internals._append_message": ("0f9028715e9ec4eb",),
    "socket_mode.builtin.internals._build_data_frame_for_sending": ("e1a20aa21aab8370", "086c914cc3733825"),
}


# Receiving ------------------------------------------------------------------------------------------------------------


def _make_fetch_messages(plain: FunctionType, _: ModuleType) -> Any:
    read_header, read_payload = _read_header, _read_payload

    def _fetch_messages(
        messages: Any,
        receive: Any,
        logger: Any,
        remaining_bytes: Any = None,
        current_mask_key: Any = None,
        current_header: Any = None,
        current_data: Any = None,
    ) -> Any:
        data, position = remaining_bytes, 0
        if current_header is not None or current_mask_key is not None:
            return plain(messages, receive, logger, data, current_mask_key, current_header, current_data)
        if data is None:
            data = receive()
        while True:
            found = read_header(data, position)
            if found is None:
                rest = b"" if data is None else data[position:]
                return plain(messages, receive, logger, rest, None, None, current_data)
            first, second, length, start = found
            header = FrameHeader(
                fin=first & 0x80,
                rsv1=first & 0x40,
                rsv2=first & 0x20,
                rsv3=first & 0x10,
                opcode=first & 0x0F,
                masked=second & 0x80,
                length=length,
            )
            position = start + length
            if position <= len(data):
                payload = data[start:position]
            else:
                payload, data, position = read_payload(receive, data[start:], length)
                if len(payload) < length:
                    return plain(messages, receive, logger, data, None, header, payload)
            _append_message(messages, header, payload)
            if position == len(data):
                return messages
            current_data = None  # the host forgets it, too

    return _fetch_messages


def _read_header(data: Any, position: int) -> tuple[int, int, int, int] | None:
    """The two bytes that a frame starts with, its length and where its payload starts; None for what is not usual."""
    if type(data) is not bytes or len(data) - position <= 2 or data[position] == 10:
        return None
    first, second = data[position], data[position + 1]
    if second < 126:
        return first, second, second, position + 2
    start = position + (4 if second == 126 else 10)
    if second > 127 or len(data) < start:
        return None
    return first, second, int.from_bytes(data[position + 2 : start], "big"), start


def _read_payload(receive: Callable[[], Any], begun: bytes, length: int) -> tuple[bytes, Any, int]:
    """Read the rest of a payload.

    Returns: the payload, the last read, and how much of that belongs to the payload. Where the last read cannot be
        used, the payload is not complete and nothing of that read is in it.
    """
    pieces, missing = [begun], length - len(begun)
    while True:
        data = receive()
        if type(data) is not bytes or not data:
            return b"".join(pieces), b"" if data is None else data, 0
        if len(data) >= missing:
            pieces.append(data[:missing])
            return b"".join(pieces), data, missing
        pieces.append(data)
        missing -= len(data)


# Building frames ------------------------------------------------------------------------------------------------------


def _make_build_data_frame_for_sending(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, choices, opcodes, largest_control = backend.encode_frame, _SYSTEM_CHOICES, (0, 1, 2, 8, 9, 10), 125
    zero, one, largest, values = 0, 1, _largest_payload(plain), range(256)
    encode_text = str.encode if backend.kernel_name() == "none" else backend.encode_text

    def _build_data_frame_for_sending(
        payload: Any, opcode: Any, fin: Any = 1, rsv1: Any = 0, rsv2: Any = 0, rsv3: Any = 0, masked: Any = 1
    ) -> Any:
        if (
            type(opcode) is int
            and opcode in opcodes
            and fin is one
            and rsv1 is zero
            and rsv2 is zero
            and rsv3 is zero
            and masked is one
            and random.choices == choices
        ):
            data = encode_text(payload) if type(payload) is str else payload
            if type(data) is bytes and len(data) <= (largest_control if opcode & 8 else largest):
                return encode_frame(opcode, data, key=bytes(choices(values, k=4)))
        return plain(payload, opcode, fin, rsv1, rsv2, rsv3, masked)

    return _build_data_frame_for_sending


def _largest_payload(plain: FunctionType) -> int:
    """The length in bytes up to which the host can build a frame: before 3.48 it had no 64-bit lengths."""
    return sys.maxsize if "!BQ" in plain.__code__.co_consts else 65_535


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "socket_mode.builtin.internals._fetch_messages": _make_fetch_messages,
    "socket_mode.builtin.internals._build_data_frame_for_sending": _make_build_data_frame_for_sending,
}

# What other modules of the host have imported by name.
_IMPORTED_BY_NAME: Final = ("socket_mode.builtin.internals._build_data_frame_for_sending",)


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["slack_sdk"], _KNOWN, _REPLACED, backend, _IMPORTED_BY_NAME)


HOST: Final = Host(
    name="slack-sdk",
    distribution="slack-sdk",
    package="slack_sdk",
    tried="3.19.5 to 3.48.0",
    depth="frame",
    replaces=tuple([f"slack_sdk.{path}" for path in _REPLACED]),
    cannot_reach="text is decoded by the function that runs the client; only its builtin client has frames of its own",
    seams=_seams,
    modules=("slack_sdk.socket_mode.builtin.connection", "slack_sdk.socket_mode.builtin.internals"),
)
