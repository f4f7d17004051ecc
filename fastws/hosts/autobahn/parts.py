"""What autobahn masks and validates with, piece by piece: objects that stand in for the host's own.

They do ``bytes`` through the codec. Everything else, and text that is refused, goes to the host's own objects, so that
the three sets that it may have (NVX in C, plain Python, or wsaccel in older releases) keep their ways: what they take,
what they raise, and what they answer after a refusal, in which they differ.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from .unread import Unread

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["Parts", "masker_class", "validator_class"]


class Parts:
    """What stands in for the host's own parts, and what else the replacements have to know of the host.

    Attributes:
        masker: the class of maskers.
        create_xor_masker: stands for the function of that name.
        validator: stands for ``Utf8Validator``.
        pass_over: brings a validator to where it would be after a new text, which is known to be valid; by its class.
            The host's own are those of connections that are older than the acceleration.
        unread: what ``data`` is while a long read is delivered.
        opened, closed, connecting: states of a connection, as the host numbers them.
    """

    def __init__(
        self, backend: ModuleType, create_plain: Callable[..., Any], validator: Any, protocol: type[Any]
    ) -> None:
        self.masker = masker_class(backend, create_plain)
        self.create_xor_masker = _create_xor_masker(self.masker, create_plain)
        self.validator = validator_class(backend, validator)
        self.pass_over = {self.validator: self.validator.pass_over, validator: _pass_over_plain}
        self.unread = Unread()
        self.opened, self.closed = protocol.STATE_OPEN, protocol.STATE_CLOSED
        self.connecting = (protocol.STATE_CONNECTING, protocol.STATE_PROXY_CONNECTING)


# Masks ----------------------------------------------------------------------------------------------------------------


@functools.cache
def masker_class(backend: ModuleType, create_plain: Callable[..., Any]) -> type[Any]:
    """The class of maskers that a twin of the codec does the work of.

    Args:
        backend: the twin.
        create_plain: the host's own ``create_xor_masker``.
    """
    xor = backend.mask

    class XorMasker:
        """XORs a stream that comes in pieces with a masking key of 4 bytes."""

        __slots__ = ("_key", "_pointer")

        def __init__(self, key: bytes, pointer: int = 0) -> None:
            self._key = key
            self._pointer = pointer

        def pointer(self) -> int:
            return self._pointer

        def reset(self) -> None:
            self._pointer = 0

        def process(self, data: Any) -> Any:
            if type(data) is not bytes:
                return self._process_plain(data)
            masked = xor(data, self._key, self._pointer & 3)
            self._pointer += len(data)
            return masked

        def _process_plain(self, data: Any) -> Any:
            phase = self._pointer & 3
            plain = create_plain(self._key[phase:] + self._key[:phase])
            masked = plain.process(data)
            self._pointer += plain.pointer()
            return masked

    return XorMasker


def _create_xor_masker(masker: type[Any], plain: Callable[..., Any]) -> Any:
    @functools.wraps(plain)
    def create_xor_masker(mask: Any, length: Any = None) -> Any:
        if type(mask) is bytes and len(mask) == 4 and (length is None or type(length) is int):
            return masker(mask)
        return plain(mask, length)

    return create_xor_masker


# UTF-8 ----------------------------------------------------------------------------------------------------------------

# Zeros that bring a validator of the host to where another one has stopped.
_ZEROS: Final = bytes(65_536)

# The bytes that start a code point of several.
_LEADS: Final = tuple([bytes([byte]) for byte in range(0xC2, 0xF5)])


class _Validator:
    """Lets a twin of the codec do the work of the class beside it, until something is refused.

    Attributes:
        _total: bytes taken.
        _tail: the last bytes of text that ends inside a code point.
        _handed_over: whether the host's own state counts.
    """

    _new_codec: Any
    _index: Any

    def __init__(self) -> None:
        self._codec = self._new_codec()
        self._handed_over = True
        super().__init__()
        self.reset()

    def reset(self) -> None:
        if self._handed_over:
            self._host.reset()
        self._codec.reset()
        self._total, self._tail, self._handed_over = 0, b"", False

    def validate(self, ba: Any) -> Any:
        if type(ba) is bytes and not self._handed_over:
            codec = self._codec
            try:
                codec.feed(ba)
            except ValueError:
                pass  # the host tells what follows from it
            else:
                self._total += len(ba)
                complete = codec.complete
                self._tail = b"" if complete else (self._tail + ba[-3:])[-3:]
                return True, complete, len(ba), self._total
        self._hand_over()
        return self._host.validate(ba)

    def pass_over(self, text: bytes) -> None:
        """Be where the host's own validator would be after a new text, which is known to be valid."""
        if self._tail or self._handed_over:
            self.reset()
        self._total = len(text)

    @property
    def _host(self) -> Any:
        return super()

    def _hand_over(self) -> None:
        """Bring the host's own state to where ours is, and go on with that."""
        if self._handed_over:
            return
        self._handed_over = True
        pending = _pending(self._tail)
        left = self._total - len(pending)
        if hasattr(self, "_index"):
            self._index = left
            left = 0
        while left:
            zeros = _ZEROS[:left]
            self._host.validate(zeros)
            left -= len(zeros)
        self._host.validate(pending)


class _ByteByByte(_Validator):
    """The same of a class that also takes single bytes."""

    def decode(self, b: Any) -> Any:
        self._hand_over()
        return self._host.decode(b)


@functools.cache
def validator_class(backend: ModuleType, plain: Any) -> Any:
    """The class of validators that a twin of the codec does the work of.

    Args:
        backend: the twin.
        plain: the host's own class, of which it is one.
    """
    first = _ByteByByte if hasattr(plain, "decode") else _Validator
    told = {name: getattr(plain, name) for name in ("__doc__", "__module__", "__qualname__")}
    return type(plain.__name__, (first, plain), {**told, "_new_codec": backend.Utf8Validator})


def _pass_over_plain(validator: Any, text: bytes) -> None:
    validator.reset()
    if hasattr(validator, "_index"):
        validator._index = len(text)
    else:
        validator.validate(text)


def _pending(tail: bytes) -> bytes:
    """The unfinished code point that valid text ends with, of which these are the last bytes."""
    start = max([tail.rfind(lead) for lead in _LEADS])
    return tail[start:] if start >= 0 else b""
