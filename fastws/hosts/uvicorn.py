"""uvicorn: text decoded for the application, and encoded for the peer, where it is not ASCII.

For its default on websockets (``websockets_sansio_impl``), tried with 0.35.0 to 0.54.0; frames are the business of the
adapter for websockets, and of that for wsproto under ``--ws wsproto``. ``fastws.restore("uvicorn")`` undoes it.

The host's own functions do everything. They are only given text that is decoded, or encoded, already; what cannot be
decoded or encoded they get as it is, and fail as they always did. Out of reach: ``--ws websockets``, which is the
deprecated implementation of websockets, with the adapter for that.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .host import Host, Seam
from .seams import make_seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["HOST"]

_PROTOCOL: Final = "protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol"

# What the replacements hand to, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    f"{_PROTOCOL}.send_receive_event_to_app": (
        "4895140d3b15e66b",
        "1a95697277aa319a",
        "367992bb056b209d",
        "5e424b630e15ef7c",
    ),
    f"{_PROTOCOL}.send": ("8b6da09b26bf68ff", "6ef5a110c82337fd", "c82de7c7620e1b4b", "dcc7c16b5861e2ce"),
}

# Shorter text is not worth the detour.
_SHORTEST: Final = 512


class _Decoded:
    """Stands for the bytes of a text message, which are decoded already."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def decode(self) -> str:
        return self._text


class _Encoded:
    """Stands for the text of a message, which is encoded already and not empty."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def encode(self) -> bytes:
        return self._data


def _make_receive(plain: FunctionType, backend: ModuleType) -> Any:
    decode, decoded, shortest = backend.decode_text, _Decoded, _SHORTEST
    # By version, what a message is gathered in.
    in_frames, is_compiled = "frames" in plain.__code__.co_names, backend.kernel_name() != "none"

    def send_receive_event_to_app(self: Any) -> None:
        if not is_compiled or self.curr_msg_data_type != "text":
            plain(self)
            return
        if in_frames:
            frames = self.frames
            data = frames[0] if len(frames) == 1 else b"".join(frames)
        else:
            data = self.bytes
        if len(data) < shortest or data.isascii():
            plain(self)
            return
        try:
            text = decoded(decode(data))
        except ValueError:
            text = None
        if text is None:
            plain(self)
        elif in_frames:
            self.frames = [text]
            plain(self)
        else:
            self.bytes = text
            try:
                plain(self)
            finally:
                self.bytes = data

    return send_receive_event_to_app


def _make_send(plain: FunctionType, backend: ModuleType) -> Any:
    encode, encoded, shortest = backend.encode_text, _Encoded, _SHORTEST
    is_compiled, unencodable = backend.kernel_name() != "none", suppress(UnicodeEncodeError)

    async def send(self: Any, message: Any) -> None:
        if is_compiled and type(message) is dict and message.get("type") == "websocket.send":
            text = message.get("text")
            if type(text) is str and len(text) >= shortest and not text.isascii():
                # Where it cannot be encoded, the host's own attempt tells.
                with unencodable:
                    message = {**message, "text": encoded(encode(text))}
        await plain(self, message)

    return send


# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    f"{_PROTOCOL}.send_receive_event_to_app": _make_receive,
    f"{_PROTOCOL}.send": _make_send,
}


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["uvicorn"], _KNOWN, _REPLACED, backend)


HOST: Final = Host(
    name="uvicorn",
    distribution="uvicorn",
    package="uvicorn",
    tried="0.35.0 to 0.54.0",
    depth="mask",
    replaces=tuple([f"uvicorn.{path}" for path in _REPLACED]),
    cannot_reach="its frames, which the adapters for websockets and wsproto make fast",
    seams=_seams,
    modules=("uvicorn.protocols.websockets.websockets_sansio_impl",),
)
