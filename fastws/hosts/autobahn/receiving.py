"""autobahn's way in: whole messages are delivered in one step, instead of two cuts of the buffer and a dozen calls.

The host goes through ``processData`` twice for every frame and calls a hook for the begin, the data and the end of
each message and frame, which users override to stream. Where nobody has, a message that came as one frame is handed
over at once; the state that its receiver can see is that of the host at this point. All else (fragments, control
frames, frames that are not complete, what breaks a rule) takes the host's way, one frame at a time.

Hooks that are overridden on a class while a read is delivered count from the next read; on a connection, at once.
"""

from __future__ import annotations

import functools
import operator
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ..counting import is_one_of_ours
from ..rebase import rebase
from ..shape import read_digest
from .known import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .parts import Parts

__all__ = ["make_consume_data"]

# Globals of the host's module, which the replacements read there, see `rebase`.
FrameHeader: Any = None
XorMaskerNull: Any = None
create_xor_masker: Any = None
txaio: Any = None

# A buffer of fewer bytes is cut at every message, as the host does it.
_SHORT: Final = 2048

# A payload of fewer bytes is copied out of the buffer before it is unmasked, which is faster than a view of it.
_SMALL: Final = 1024

# What a message passes through in the host: all of it must be the host's own, or the message takes the host's way.
_NAMES: Final = tuple(sorted({path.rpartition(".")[2] for path in HOOKS}))
_hooks_of: Final = operator.attrgetter(*_NAMES, "__getattribute__")


@functools.lru_cache(maxsize=256)
def _are_the_hosts_own(hooks: tuple[Any, ...]) -> bool:
    """Whether nobody has overridden a hook."""
    *functions, getter = hooks
    return getter is object.__getattribute__ and all(map(_is_the_hosts_own, functions))


def _is_the_hosts_own(function: Any) -> bool:
    if type(function) is not FunctionType:
        return False
    path = f"{function.__globals__.get('__name__')}.{function.__qualname__}"
    try:
        return read_digest(function) in HOOKS.get(path, ())
    except (OSError, TypeError, SyntaxError):
        return False


def make_consume_data(parts: Parts) -> Callable[[FunctionType, ModuleType], Any]:
    return lambda plain, backend: _consume_data(parts, plain, backend)


def _consume_data(parts: Parts, plain: FunctionType, backend: ModuleType) -> Any:
    deliver = rebase(_deliver(parts, plain, backend), plain)
    deliver_long = _deliver_long(parts, deliver)
    opened, closed, short = parts.opened, parts.closed, _SHORT

    def consumeData(self: Any) -> Any:  # noqa: N802
        if self.state != opened:
            return plain(self)
        while True:
            if self.current_frame is None:
                finished = deliver(self, None) if len(self.data) < short else deliver_long(self)
                if finished:
                    return None
            if not self.processData() or self.state == closed:
                return None

    return consumeData


def _deliver_long(parts: Parts, deliver: Any) -> Any:
    unread = parts.unread

    def deliver_long(self: Any) -> bool:
        """Deliver from a buffer that is so long that cutting it at every message would cost more than the messages."""
        if not unread.serves(type(self)):
            finished: bool = deliver(self, None)
            return finished
        rest = [self.data, 0, vars(self)]
        unread.open[id(self)] = rest
        try:
            finished = deliver(self, rest)
        finally:
            unread.open.pop(id(self), None)
            if "data" not in vars(self):
                buffer, start, _ = rest
                self.data = buffer[start:]
        return finished

    return deliver_long


def _deliver(parts: Parts, plain: FunctionType, backend: ModuleType) -> Any:  # noqa: C901 (a call costs here)
    xor, is_utf8, view, small = backend.mask, backend.is_utf8, memoryview, _SMALL
    is_ours, hooks_of, are_the_hosts_own, the_parts = is_one_of_ours, _hooks_of, _are_the_hosts_own, parts
    names, find_message, is_usual = frozenset(_NAMES), _find_message, _is_usual(parts)
    tell_listeners, unread = _tell_listeners, parts.unread
    begin, closed = rebase(_begin(parts), plain), parts.closed

    def deliver(self: Any, rest: Any) -> bool:  # noqa: C901
        """Deliver whole messages for as long as they are the usual ones.

        Args:
            rest: what ``Unread.open`` has of a long buffer; None where it is cut at every message.
        Returns: whether nothing is left to do for the host.
        """
        kind, attributes = type(self), vars(self)
        if not are_the_hosts_own(hooks_of(kind)) or not is_ours(create_xor_masker, the_parts.create_xor_masker):
            return False
        data, at, size = self.data, 0, -1
        while True:
            start, end, is_binary, key = find_message(data, at)
            if (
                not end
                or type(self) is not kind
                or (len(attributes) != size and not attributes.keys().isdisjoint(names))
                or not is_usual(self, end - start, key)
            ):
                return False
            if key is None:
                payload = data[start:end]
            else:
                payload = xor(data[start:end] if end - start < small else view(data)[start:end], key)
            is_checked = not is_binary and self.utf8validateIncoming
            if is_checked and not is_utf8(payload):
                return False
            if rest is None:
                self.data = data[end:]
            else:
                rest[1] = end
                attributes.pop("data", None)
                if unread.withdrawn:
                    self.data = data[end:]
            begin(self, payload, key, is_binary, is_checked)
            size = len(attributes)
            self._onMessage(payload, is_binary)
            if self._listeners is not None:
                tell_listeners(self, payload, txaio)
            self.message_data = None
            self.inside_message = False
            self.current_frame = None
            # What is left: the receiver may have changed it, or have seen it and thereby cut it off.
            if rest is None:
                data = self.data
            elif "data" in attributes:
                data = rest[0] = self.data
                at = rest[1] = 0
            else:
                at = end
            if self.state == closed or at == len(data):
                return True

    return deliver


# What `_find_message` returns where the next frame is not a whole message.
_NO_MESSAGE: Final = (0, 0, False, None)


def _find_message(data: bytes, at: int) -> tuple[int, int, bool, bytes | None]:
    """The frame at ``at``, if it is there with all of its payload, is a message, and has nothing that can be wrong.

    Returns: where its payload starts and ends, whether it is binary, and its key.
    """
    n = len(data)
    if n - at < 2:
        return _NO_MESSAGE
    first, length, start = data[at], data[at + 1], at + 2
    if first != 0x81 and first != 0x82:
        return _NO_MESSAGE
    is_masked = length >= 0x80
    length &= 0x7F
    if length >= 126:
        start, smallest = (at + 4, 126) if length == 126 else (at + 10, 65_536)
        length = int.from_bytes(data[at + 2 : start], "big")
        if n < start or length < smallest:
            return _NO_MESSAGE
    if not is_masked:
        end = start + length
        return (start, end, first == 0x82, None) if n >= end else _NO_MESSAGE
    start += 4
    end = start + length
    return (start, end, first == 0x82, data[start - 4 : start]) if n >= end else _NO_MESSAGE


def _is_usual(parts: Parts) -> Any:
    opened, pass_over = parts.opened, parts.pass_over

    def is_usual(self: Any, length: int, key: bytes | None) -> bool:
        """Whether a connection is in no state, and has no option, that makes more of a message than its payload."""
        try:
            return (
                self.current_frame is None
                and not self.inside_message
                and self.state == opened
                and not self.failedByMe
                and (key is not None) == self.factory.isServer
                and self.applyMask
                and not self.logFrames
                and self.trackedTimings is None
                and self.websocket_version != 0
                and not 0 < self.maxMessagePayloadSize < length
                and not 0 < self.maxFramePayloadSize < length
                and (not self.utf8validateIncoming or type(self.utf8validator) in pass_over)
            )
        except AttributeError:
            return False  # which the host meets in its own time

    return is_usual


def _begin(parts: Parts) -> Any:
    masker, pass_over = parts.masker, parts.pass_over

    def begin(self: Any, payload: bytes, key: bytes | None, is_binary: bool, is_checked: bool) -> None:
        """What the host has done by the time a message is handed over, in its order."""
        length = len(payload)
        if key is not None and length:
            self.current_frame_masker = masker(key, length)
        else:
            self.current_frame_masker = null = XorMaskerNull()
            if length:
                null.process(payload)
        self.current_frame = FrameHeader(2 if is_binary else 1, True, 0, length, key)
        self.inside_message = True
        self._isMessageCompressed = False
        if is_checked:
            validator = self.utf8validator
            pass_over[type(validator)](validator, payload)
            self.utf8validateIncomingCurrentMessage = True
            self.utf8validateLast = (True, True, length, length)
        else:
            self.utf8validateIncomingCurrentMessage = False
        self.message_is_binary = is_binary
        self.message_data = [payload]
        self.message_data_total_length = self.frame_length = length
        self.frame_data = None
        stats = self.trafficStats
        stats.incomingOctetsWebSocketLevel += length
        stats.incomingOctetsAppLevel += length
        stats.incomingWebSocketFrames += 1
        if self.autoPingTimeoutCall and self.autoPingRestartOnAnyTraffic:
            self._cancelAutoPingTimeoutCall()
        stats.incomingWebSocketMessages += 1

    return begin


def _tell_listeners(protocol: Any, payload: bytes, txaio: Any) -> None:
    """Tell who listens for "message", as the host does at the end of each."""
    future = protocol.fire("message", payload, is_binary=protocol.message_is_binary)

    def error(f: Any) -> None:
        protocol.log.error("Firing signal 'message' failed: {fail}", fail=f)

    txaio.add_callbacks(future, None, error)
