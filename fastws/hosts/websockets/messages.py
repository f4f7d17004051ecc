"""From frames to messages: the assemblers of the three APIs, and what decodes text."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING, Any

from .frames import is_flat
from .stand_in import StandIn, raising

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = [
    "make_asyncio_get",
    "make_asyncio_put",
    "make_decoder_class",
    "make_sync_get",
    "make_sync_put",
    "make_to_text",
    "make_trio_get",
]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
Assembler: Any = None


# Text -----------------------------------------------------------------------------------------------------------------


def make_to_text(backend: ModuleType) -> Callable[[Any], str]:
    """What decodes the payload of a text message; it raises CPython's own UnicodeDecodeError, on ``bytes``."""
    if backend.kernel_name() == "none":
        return lambda data: bytes(data).decode()
    decode_text = backend.decode_text

    def to_text(data: Any) -> str:
        try:
            text: str = decode_text(data)
        except ValueError:
            pass  # not raised from here: the error would name this one as its context
        else:
            return text
        return bytes(data).decode()

    return to_text


_CodecsDecoder: Any = codecs.getincrementaldecoder("utf-8")


def make_decoder_class(backend: ModuleType) -> Any:
    """The host's incremental decoder, where what it is given decodes whole as often as not."""
    to_text = backend.decode_text if backend.kernel_name() != "none" else None

    class UTF8Decoder(_CodecsDecoder):  # type: ignore[misc]
        def decode(self, input: Any, final: bool = False) -> Any:  # noqa: A002 (the name in codecs)
            if to_text is not None and not self.buffer and self.errors == "strict":
                try:
                    return to_text(input)
                except (ValueError, TypeError):
                    pass  # cut within a code point, or wrong: the decoder of codecs tells
            return super().decode(input, final)

    return UTF8Decoder


# asyncio --------------------------------------------------------------------------------------------------------------


def make_asyncio_get(plain: FunctionType, backend: ModuleType) -> Any:
    text, binary = _opcodes(plain)
    to_text, flat, resume = make_to_text(backend), is_flat, _resume

    async def get(self: Any, decode: Any = None) -> Any:
        frames = self.frames
        if type(self) is not Assembler or self.get_in_progress:
            return await plain(self, decode)
        if not frames.queue:
            self.get_in_progress = True
            try:
                frame = await frames.get(not self.closed)
            finally:
                self.get_in_progress = False
            frames.queue.appendleft(frame)
        frame = frames.queue[0]
        opcode, data = frame.opcode, frame.data
        if (opcode is not text and opcode is not binary) or (type(data) is not bytes and not flat(data)):
            return await plain(self, decode)
        if decode is None:
            decode = opcode is text
        if not frame.fin:
            data = await plain(self, False)
            return to_text(data) if decode else data
        frames.queue.popleft()
        if self.paused:
            resume(self)
        return to_text(data) if decode else bytes(data)

    return get


def make_asyncio_put(plain: FunctionType, _: ModuleType) -> Any:
    def put(self: Any, frame: Any) -> None:
        if self.closed or type(self) is not Assembler:
            plain(self, frame)
            return
        frames = self.frames
        frames.queue.append(frame)
        waiter, high = frames.get_waiter, self.high
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if high is not None and not self.paused and len(frames.queue) > high:
            self.maybe_pause()

    return put


def _opcodes(plain: FunctionType) -> tuple[Any, Any]:
    """The host's opcodes of text and binary frames, with which messages begin."""
    module = sys.modules[f"{plain.__module__.partition('.')[0]}.frames"]
    return module.Opcode.TEXT, module.Opcode.BINARY


def _resume(assembler: Any) -> None:
    """Have reading go on where there is room again; a ``get`` is in progress then, as with the host."""
    assembler.get_in_progress = True
    try:
        assembler.maybe_resume()
    finally:
        assembler.get_in_progress = False


# threading ------------------------------------------------------------------------------------------------------------


class _Told:
    """Stands for an assembler in its own ``get``, and remembers the opcode of the message.

    Args:
        first: the first frame, where it was taken from the queue already, by a ``get`` that is in progress.
    """

    __slots__ = ("_first", "_target", "opcode")

    def __init__(self, target: Any, first: Any = None) -> None:
        for name, value in (("_first", first), ("_target", target), ("opcode", None)):
            object.__setattr__(self, name, value)

    @property
    def get_in_progress(self) -> Any:
        return self._first is None and self._target.get_in_progress

    def get_next_frame(self, timeout: Any = None) -> Any:
        first = self._first
        object.__setattr__(self, "_first", None)
        frame = self._target.get_next_frame(timeout) if first is None else first
        if self.opcode is None:
            object.__setattr__(self, "opcode", frame.opcode)
        return frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)


def make_sync_get(plain: FunctionType, backend: ModuleType) -> Any:
    text, binary = _opcodes(plain)
    to_text, told, flat = make_to_text(backend), _Told, is_flat

    def get(self: Any, timeout: Any = None, decode: Any = None) -> Any:
        if type(self) is not Assembler:
            return plain(self, timeout, decode)
        if timeout is None:
            with self.mutex:
                begun = not self.get_in_progress
                self.get_in_progress = True
            if not begun:
                return plain(self, timeout, decode)
            stand_in = None
            try:
                frame = self.get_next_frame(None)
                opcode, data = frame.opcode, frame.data
                if frame.fin and (opcode is text or opcode is binary) and flat(data):
                    with self.mutex:
                        if self.paused:
                            self.maybe_resume()
                else:
                    stand_in = told(self, frame)
            finally:
                if stand_in is None:
                    self.get_in_progress = False
            if stand_in is None:
                decode = opcode is text if decode is None else decode
                return to_text(data) if decode else bytes(data)
        else:
            stand_in = told(self)
        data = plain(stand_in, timeout, False)
        decode = stand_in.opcode is text if decode is None else decode
        return to_text(data) if decode else data

    return get


def make_sync_put(plain: FunctionType, _: ModuleType) -> Any:
    def put(self: Any, frame: Any) -> None:
        if type(self) is Assembler:
            with self.mutex:
                if not self.closed:
                    self.frames.put(frame)
                    high = self.high
                    if high is not None and not self.paused and self.frames.qsize() > high:
                        self.maybe_pause()
                    return
        plain(self, frame)

    return put


# trio -----------------------------------------------------------------------------------------------------------------


def make_trio_get(plain: FunctionType, backend: ModuleType) -> Any:
    text, binary = _opcodes(plain)
    to_text, end = make_to_text(backend), plain.__globals__["trio"].EndOfChannel
    stand_in, failing, flat, resume = StandIn, raising, is_flat, _resume

    async def get(self: Any, decode: Any = None) -> Any:
        if type(self) is not Assembler or self.get_in_progress:
            return await plain(self, decode)
        self.get_in_progress, ended = True, None
        try:
            frame = await self.recv_frames.receive()
        except end as error:
            ended = failing(error)
        finally:
            self.get_in_progress = False
        if ended is not None:
            # The host meets the end at once, and tells of it.
            return await plain(stand_in(self, recv_frames=stand_in(self.recv_frames, receive=ended)), decode)
        opcode, data = frame.opcode, frame.data
        if (opcode is not text and opcode is not binary) or not flat(data):
            self.send_frames._state.data.appendleft(frame)
            return await plain(self, decode)
        if decode is None:
            decode = opcode is text
        if not frame.fin:
            self.send_frames._state.data.appendleft(frame)
            data = await plain(self, False)
            return to_text(data) if decode else data
        if self.paused:
            resume(self)
        return to_text(data) if decode else bytes(data)

    return get
