"""Messages in fragments: what a caller gives to send, and what one receives as it comes."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Decoder", "Encoder", "Fragments"]

_utf8_decoder: Final = codecs.getincrementaldecoder("utf-8")


class Decoder:
    """Makes ``str`` or ``bytes`` of a message, or of its fragments, which may end inside a code point.

    Args:
        text: True for ``str``, False for ``bytes``.
    """

    def __init__(self, text: bool) -> None:
        self._utf8 = _utf8_decoder() if text else None

    def decode(self, data: str | bytes, *, is_last: bool) -> str | bytes:
        """One of them, as it is wanted.

        Raises:
            UnicodeDecodeError: ``str`` is wanted, and this is no UTF-8.
        """
        if isinstance(data, str):
            return str.encode(data) if self._utf8 is None else data
        return data if self._utf8 is None else self._utf8.decode(data, is_last)


class Encoder:
    """Makes ``str`` or ``bytes`` of the fragments that a caller gives, all of one kind; keeps nothing of theirs.

    Args:
        text: True for ``str``, False for ``bytes``, None for what they are.
    """

    def __init__(self, text: bool | None) -> None:
        self._text = text
        self._utf8 = _utf8_decoder() if text else None
        self._kind: type[str] | type[bytes] | None = None

    def encode(self, fragment: Any) -> Any:
        """What is to be sent.

        Raises:
            TypeError: it is no fragment, or not of the kind of the first one.
            UnicodeDecodeError: it is to be text, and is no UTF-8.
        """
        if not isinstance(fragment, str | bytes | bytearray | memoryview):
            raise TypeError(f"a fragment is str or bytes-like, not {type(fragment).__name__!r}")
        kind = str if isinstance(fragment, str) else bytes
        if self._kind not in (None, kind):
            raise TypeError(f"the message began with {'bytes' if kind is str else 'str'}")
        self._kind = kind
        if isinstance(fragment, str):
            return str.encode(fragment) if self._text is False else fragment
        return bytes(fragment) if self._utf8 is None else self._utf8.decode(bytes(fragment))

    def end(self) -> Any:
        """What is to be sent behind the last one: nothing, of its kind.

        Raises:
            UnicodeDecodeError: it ended inside a code point.
        """
        if self._utf8 is not None:
            return self._utf8.decode(b"", True)
        return "" if self._kind is str and self._text is not False else b""


class Fragments(AsyncIterator[Any]):
    """The fragments of one message that is received. Who drops it, by ``break``, may receive what follows at once.

    Args:
        start: called before the first one; it raises where somebody else receives.
        receive: gives a fragment, as the decoder has it, and whether it is the last one.
        stop: called when this receives no more.
        decode: see ``Decoder``; None for what comes.
    """

    def __init__(
        self,
        start: Callable[[], None],
        receive: Callable[[Decoder | None], Awaitable[tuple[Any, bool]]],
        stop: Callable[[], None],
        decode: bool | None,
    ) -> None:
        self._start = start
        self._receive = receive
        self._stop = stop
        self._decoder = None if decode is None else Decoder(decode)
        self._is_receiving = self._is_done = False

    async def __anext__(self) -> Any:
        if self._is_done:
            raise StopAsyncIteration
        if not self._is_receiving:
            self._start()
            self._is_receiving = True
        try:
            data, is_last = await self._receive(self._decoder)
        except BaseException:
            self._end()
            raise
        if is_last:
            self._end()
        return data

    async def aclose(self) -> None:
        """Leave the rest of the message to the next call."""
        self._end()

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        self._is_done = True
        if self._is_receiving:
            self._is_receiving = False
            self._stop()
