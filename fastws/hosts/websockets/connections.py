"""Connections: what they do around the codec for every message sent and received, shortened."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .frames import make_encoder, system_keys
from .stand_in import HeldLock, StandIn, raising

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FunctionType, ModuleType

__all__ = ["make_asyncio_send", "make_process_event", "make_sync_send"]


# Receiving ------------------------------------------------------------------------------------------------------------


def make_process_event(plain: FunctionType, _: ModuleType) -> Any:
    frame_class, last_data_opcode = plain.__globals__["Frame"], 2

    def process_event(self: Any, event: Any) -> None:
        if type(event) is frame_class and event.opcode <= last_data_opcode:
            self.recv_messages.put(event)
        else:
            plain(self, event)

    return process_event


# Sending --------------------------------------------------------------------------------------------------------------


def _sibling(module: ModuleType, name: str) -> Any:
    """A module of the host, by its name below the package that ``module`` belongs to."""
    return sys.modules[f"{module.__name__.partition('.')[0]}.{name}"]


def _make_write(module: ModuleType, backend: ModuleType) -> Callable[[Any, Any, Any], bool]:
    host, frames = _sibling(module, "protocol"), _sibling(module, "frames")
    client, send_frame, frame_class = host.CLIENT, host.Protocol.send_frame, host.Frame
    encode_frame, new_key, drawn = make_encoder(frames, backend), backend.new_key, system_keys(frames)
    bytes_like = (bytes, bytearray, memoryview)
    encode_text = str.encode if backend.kernel_name() == "none" else backend.encode_text

    def write(protocol: Any, message: Any, text: Any) -> bool:
        """Leave a message with the protocol; returns False, and nothing is done, where that is for the host to do."""
        kind = type(message)
        if kind is str:
            as_text = text is not False
        elif kind in bytes_like:
            as_text = text is True
        else:
            return False
        send = protocol.send_text if as_text else protocol.send_binary
        if kind is str:
            is_client = protocol.side is client
            try:
                if not (
                    protocol.extensions
                    or protocol.debug
                    or protocol.expect_continuation_frame
                    or getattr(send, "__func__", None)
                    is not (host.Protocol.send_text if as_text else host.Protocol.send_binary)
                    or getattr(protocol.send_frame, "__func__", None) is not send_frame
                    or host.Frame is not frame_class
                    or (is_client and frames.secrets.token_bytes is not drawn)
                ):
                    key = new_key() if is_client else None
                    protocol.writes.append(encode_frame(1 if as_text else 2, message, key=key))
                    return True
                message = encode_text(message)
            except UnicodeEncodeError:
                return False
        send(message)
        return True

    return write


# How the host tells that a fragmented message is being sent, by its versions.
_SENDING: Final = ("send_in_progress", "fragmented_send_waiter")


def _makes_text_optional_by_name(plain: FunctionType) -> bool:
    return plain.__code__.co_kwonlyargcount > 0


def make_asyncio_send(plain: FunctionType, backend: ModuleType) -> Any:
    begin = _make_asyncio_begin(plain, backend)

    async def send(self: Any, message: Any, *, text: Any = None) -> None:
        rest = begin(self, message, text)
        if rest is not None:
            await rest

    async def send_by_position(self: Any, message: Any, text: Any = None) -> None:
        rest = begin(self, message, text)
        if rest is not None:
            await rest

    return send if _makes_text_optional_by_name(plain) else send_by_position


def _make_asyncio_begin(plain: Any, backend: ModuleType) -> Callable[[Any, Any, Any], Awaitable[None] | None]:
    module: Any = sys.modules[plain.__module__]
    write, is_open = _make_write(module, backend), module.OPEN
    is_sending = attrgetter(next(name for name in _SENDING if name in plain.__code__.co_names))
    send_context, drain = module.Connection.send_context, module.Connection.drain
    close_expected = _sibling(module, "protocol").Protocol.close_expected

    def begin(self: Any, message: Any, text: Any) -> Awaitable[None] | None:
        """Send a message; returns what is still to be waited for, if anything."""
        protocol = self.protocol
        try:
            usual = (
                self.send_context.__func__ is send_context
                and self.drain.__func__ is drain
                and protocol.close_expected.__func__ is close_expected
                and is_sending(self) is None
                and protocol.state is is_open
            )
        except AttributeError:
            usual = False  # one of them is no method
        if not usual:
            return plain(self, message, text=text)  # type: ignore[no-any-return]
        try:
            written = write(protocol, message, text)
        except Exception as error:
            return _fail(send_context(_begun(self, is_open)), error)
        if not written:
            return plain(self, message, text=text)  # type: ignore[no-any-return]
        if protocol._state is not is_open:
            return _pass(send_context(_begun(self, is_open)))
        try:
            self.send_data()
        except Exception as error:
            return _pass(send_context(_begun(self, is_open, stays=True, send_data=raising(error))))
        if self.paused or self.transport.is_closing():
            return _pass(send_context(_begun(self, is_open, stays=True, send_data=lambda: None)))
        return None

    return begin


def _begun(connection: Any, is_open: Any, *, stays: bool = False, **own: Any) -> StandIn:
    """A connection that was open when sending began, whatever became of it since.

    Args:
        stays: whether it was once the message was made, too.
        own: what else differs.
    """
    expected = {"close_expected": lambda: False} if stays else {}
    return StandIn(connection, protocol=StandIn(connection.protocol, state=is_open, **expected), **own)


async def _pass(context: Any) -> None:
    """What the host does after a message: it waits for room, or ends the connection."""
    async with context:
        pass


async def _fail(context: Any, error: Exception) -> None:
    """What the host does where it could not make a frame."""
    fail = raising(error)
    del error
    async with context:
        fail()


def make_sync_send(plain: FunctionType, backend: ModuleType) -> Any:
    finish = _make_sync_finish(plain, backend)
    # Where there is this warning, it counts the calls up to the caller.
    warns = "maybe_raise_legacy_warning" in plain.__code__.co_names

    def send(self: Any, message: Any, *, text: Any = None) -> None:
        if warns:
            self.maybe_raise_legacy_warning()
        finish(self, message, text)

    def send_by_position(self: Any, message: Any, text: Any = None) -> None:
        finish(self, message, text)

    return send if _makes_text_optional_by_name(plain) else send_by_position


# What became of a message, see `_make_attempt`: the host has nothing more to do, or all of it.
_Outcome: TypeAlias = "tuple[bool, Callable[..., Any] | None]"
_ALL_DONE: Final[_Outcome] = (True, None)
_NOTHING_DONE: Final[_Outcome] = (False, None)


def _make_sync_finish(plain: Any, backend: ModuleType) -> Callable[[Any, Any, Any], None]:
    module: Any = sys.modules[plain.__module__]
    attempt, is_open, send_context = _make_attempt(module, backend), module.OPEN, module.Connection.send_context
    close_expected = _sibling(module, "protocol").Protocol.close_expected

    def finish(self: Any, message: Any, text: Any) -> None:
        protocol, mutex = self.protocol, self.protocol_mutex
        try:
            usual = self.send_context.__func__ is send_context and protocol.close_expected.__func__ is close_expected
        except AttributeError:
            usual = False  # one of them is no method
        if not usual:
            plain(self, message, text=text)
            return
        held, done = False, _NOTHING_DONE
        mutex.acquire()
        try:
            if protocol.state is is_open and not self.send_in_progress:
                done = attempt(self, protocol, message, text)
                held = done is not _NOTHING_DONE and done is not _ALL_DONE
        finally:
            if not held:
                mutex.release()
        if held:
            # The host goes on from here with the lock, which it gives back.
            go_on(StandIn(self, protocol_mutex=HeldLock(mutex)), *done)
        elif done is _NOTHING_DONE:
            plain(self, message, text=text)

    def go_on(connection: Any, made: bool, fail: Callable[..., Any] | None) -> None:
        own = {"send_data": fail} if made else {}
        with send_context(_begun(connection, is_open, stays=made, **own)):
            if fail is not None and not made:
                fail()

    return finish


def _make_attempt(module: ModuleType, backend: ModuleType) -> Callable[[Any, Any, Any, Any], _Outcome]:
    host: Any = module
    write, is_open = _make_write(module, backend), host.OPEN

    def attempt(connection: Any, protocol: Any, message: Any, text: Any) -> _Outcome:
        """Make a message and send it.

        Returns: whether it was made and left the connection open, and what raises the exception that was met.
        """
        made = False
        try:
            if not write(protocol, message, text):
                return _NOTHING_DONE
            made = protocol._state is is_open
            if not made:
                return made, None
            connection.send_data()
        except Exception as error:
            return made, raising(error)
        return _ALL_DONE

    return attempt
