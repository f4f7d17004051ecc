"""tornado: frame parsing and building, message text, and the reads below them.

Tried with 6.3 to 6.6.1, with its C extension and without. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what
the replacements rely on. ``fastws.restore("tornado")`` undoes it, also for connections that are open.

tornado awaits a read for every part of a frame: two bytes, the length, the key, the payload. Here a data frame that
has arrived whole is taken from the buffer of its ``IOStream`` at once, and the stream, the counters and the moment at
which the handler runs are as the host would have them: frame by frame, each handler awaited before the next frame. A
payload of more than 64 KiB that has not arrived is read into one place that grows with it, and its text is unmasked,
checked and decoded from there.

Every unusual case is left to the host's own functions: control frames, frames that break a rule or a limit, streams
that are not tornado's, subclasses of ``WebSocketProtocol13``. What programs override or patch (``_handle_message``,
``_receive_frame``, ``_write_frame``, ``_run_callback``, the handler's methods, ``os.urandom``) is still called.

Out of reach: a ``Future`` and a ``Task`` for each message sent, which the caller can see. What differs: what is merged
here is no longer called for a data frame, so patching it after ``accelerate`` has no effect: ``_read_bytes`` and the
``read_bytes`` of the stream, its ``_handle_write`` where the socket takes a message at once, and ``_websocket_mask``
where the codec is compiled. ``_frame_mask`` and ``_frame_length``, which nothing reads later, are not kept.
"""

from __future__ import annotations

import os
import struct
import sys
from operator import attrgetter
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import ProtocolError, Utf8Error
from ..frames import MAX_PAYLOAD
from . import counting
from .framing import frame_parsers
from .host import Host, Seam
from .random_source import SYSTEM_RANDOM
from .replay import Replay
from .seams import make_seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
WebSocketProtocol13: Any = None
StreamClosedError: Any = None
WebSocketClosedError: Any = None
_DecompressTooLargeError: Any = None
_YIELD_THRESHOLD: Any = None
_FRAME_YIELD_COST: Any = None
asyncio: Any = None

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "websocket.WebSocketProtocol13.__init__": ("a44a973a64ce5a72", "8653048a681585ed", "7c735d93d00b73ee"),
    "websocket.WebSocketProtocol13._write_frame": ("3c5b85c704ca5267",),
    "websocket.WebSocketProtocol13.write_message": ("0cb3bd103d4547fa",),
    "websocket.WebSocketProtocol13._receive_frame_loop": ("f3f777e13ce230ae", "f1cc88d8ff051701"),
    "websocket.WebSocketProtocol13._read_bytes": ("858e21e255de093f",),
    "websocket.WebSocketProtocol13._receive_frame": ("3ab8aa8641de93a1",),
    "websocket.WebSocketProtocol13._handle_message": ("c0d0fc7bbd9148fb", "e6124d9e4c89cf8d", "725c699d1a95102e"),
    "iostream.BaseIOStream.__init__": ("1f90305976a7b403", "09915d52eaa12078"),
    "iostream.BaseIOStream.read_bytes": ("8361e39fa91ca2d1",),
    "iostream.BaseIOStream.read_into": ("aeee5dec18943e2a", "40b1bc4032973038"),
    "iostream.BaseIOStream._start_read": ("ad4c1d6f165fa8bd",),
    "iostream.BaseIOStream._try_inline_read": ("5c33b8afc42ff212",),
    "iostream.BaseIOStream._find_read_pos": ("3d3279e85319367f",),
    "iostream.BaseIOStream._read_from_buffer": ("1337c854b91d7480",),
    "iostream.BaseIOStream._finish_read": ("201262d883eba5a1", "a0a2ab263a0632f6"),
    "iostream.BaseIOStream._consume": ("22972606f478fc1d", "0c6df466042c7fa8"),
    "iostream.BaseIOStream._read_to_buffer": (
        "82563ef36da2100f",
        "20092fe806fd1a02",
        "820e205355dc8321",
        "1336721e5c786fc2",
    ),
    "iostream.BaseIOStream._read_to_buffer_loop": ("9eb02d2b5ecd4e31", "dac6bc6c9a4f49de"),
    "iostream.BaseIOStream._handle_read": ("451d12775a48de0e",),
    "iostream.BaseIOStream._handle_events": ("322218e0ef26d0b0",),
    "iostream.BaseIOStream._add_io_state": ("d47de6f20405157c",),
    "iostream.BaseIOStream._check_closed": ("af6cf3cc8f456473",),
    "iostream.BaseIOStream._maybe_add_error_listener": ("a463e9d4a6ed1097",),
    "iostream.BaseIOStream.write": ("fec29b8b4c06017d", "bdcfe58b13839a1e"),
    "iostream.BaseIOStream._handle_write": ("5c0b4f693fb85bb1", "100215885f3a262e", "b21cb57a480cec43"),
    "iostream.IOStream.write_to_fd": ("0a3cd04cc9e96a80",),
    "util._websocket_mask_python": ("4b8bfd427e8cc36a", "9be1cf7fc236824a"),
}


# Which functions stand there ------------------------------------------------------------------------------------------


def _is_ours(function: Any, plain: FunctionType) -> bool:
    """Whether ``function`` is what replaced ``plain``, rather than what somebody put there since."""
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None and function.__code__.co_filename == counting._counted.__code__.co_filename:
        function, wrapped = wrapped, getattr(wrapped, "__wrapped__", None)
    return wrapped is plain and function.__code__.co_filename == _is_ours.__code__.co_filename


def _make_untouched(name: str) -> Callable[[Any], bool]:
    """Tells of a connection whether its method ``name`` is the replacement, and nothing that was put there since."""
    plain = vars(sys.modules["tornado.websocket"].WebSocketProtocol13)[name]
    ours, function_of = None, attrgetter(f"{name}.__func__")

    def untouched(connection: Any) -> bool:
        nonlocal ours
        try:
            function = function_of(connection)
        except AttributeError:
            return False  # it was put on the connection
        if function is not ours:
            if not _is_ours(function, plain):
                return False
            ours = function
        return True

    return untouched


# Parsing frames -------------------------------------------------------------------------------------------------------

# First bytes of frames that start a message, without and with an extension that uses RSV1.
_STARTS: Final = frozenset((0x01, 0x02, 0x81, 0x82))
_COMPRESSED_STARTS: Final = _STARTS | frozenset((0x41, 0x42, 0xC1, 0xC2))

# What `take` answers where the host's own function has to do the work.
_NOT_HERE: Final[Any] = object()

# What is longer is copied through a view of it; to slice what is shorter costs less than a view.
_LARGE: Final = 16_384


class _Unfinished(NamedTuple):
    """A frame whose header has arrived, and whose payload has not."""

    first: int
    header: int  # bytes of it that are still in the buffer
    length: int
    key: bytes | None


def _make_unmask(backend: ModuleType) -> Callable[[Any, Any], Any]:
    """Unmasks a payload, to bytes; a key of None leaves it as it is."""
    if backend.kernel_name() != "none":
        xor = backend.mask
        return lambda payload, key: bytes(payload) if key is None else xor(payload, key)
    host = vars(sys.modules["tornado.websocket"])
    # The pure twin has nothing faster than the host's own function, which may be compiled.
    return lambda payload, key: bytes(payload) if key is None else host["_websocket_mask"](bytes(key), bytes(payload))


def _make_parse_frame(backend: ModuleType) -> Callable[..., Any]:
    host = vars(sys.modules["tornado.websocket"])
    # The pure twin has nothing faster than the host's own function, which may be compiled.
    parse_frame, _ = frame_parsers(backend, lambda payload, key: host["_websocket_mask"](key, payload))
    return parse_frame


def _make_decodes(backend: ModuleType) -> Callable[[Any], bool]:
    """Tells of a connection without compression whether text that comes in one frame is sure to be wanted as text."""
    return _make_untouched("_handle_message") if backend.kernel_name() != "none" else lambda _: False


def _make_extract(backend: ModuleType) -> Callable[[Any, int, Any, Any], Any]:
    """What to hand on of a payload that was read: text where that is sure to be wanted, otherwise bytes."""
    decode_text, unmask, decodes, text = backend.decode_text, _make_unmask(backend), _make_decodes(backend), 0x81

    def extract(connection: Any, first: int, payload: Any, key: Any) -> Any:
        if first == text and connection._decompressor is None and decodes(connection):
            try:
                return decode_text(payload, key)
            except ValueError:
                pass  # the host's own function closes the connection
        return unmask(payload, key)

    return extract


def _hand_on(connection: Any, first: int, data: Any, length: int) -> Any:
    """What the host does with the payload of a data frame; text may be decoded already."""
    opcode = first & 0x0F
    if opcode and connection._decompressor is not None:
        connection._frame_compressed = first & 0x40 != 0
    if not opcode or first < 0x80:
        return _gather(connection, first, data)
    if type(data) is not str:
        return connection._handle_message(opcode, data)
    if connection.client_terminated:
        return None
    connection._message_bytes_in += length
    return connection._run_callback(connection.handler.on_message, data)


def _gather(connection: Any, first: int, data: bytes) -> Any:
    """Start a message of several frames, or continue it."""
    opcode, gathered = first & 0x0F, connection._fragmented_message_buffer
    if opcode:
        connection._fragmented_message_opcode = opcode
        connection._fragmented_message_buffer = bytearray(data)
        return None
    gathered.extend(data)
    if first < 0x80:
        return None
    data = bytes(gathered)
    connection._fragmented_message_buffer = None
    return connection._handle_message(connection._fragmented_message_opcode, data)


def _room(connection: Any, first: int) -> int:
    """How long the payload of a data frame may be; -1 where the frame must not stand here."""
    limit: int = connection.params.max_message_size
    gathered = connection._fragmented_message_buffer
    if gathered is not None:
        return limit - len(gathered) if not first & 0x7F else -1
    starts = _STARTS if connection._decompressor is None else _COMPRESSED_STARTS
    return limit if first in starts else -1


def _known_streams() -> tuple[Any, Any]:
    iostream = sys.modules["tornado.iostream"]
    return iostream.IOStream, iostream.SSLIOStream


def _make_take(backend: ModuleType) -> Callable[[Any], Any]:
    plain_stream, secure_stream = _known_streams()
    parse_frame, parse_header, decodes = _make_parse_frame(backend), backend.parse_header, _make_decodes(backend)
    room, hand_on, codec_error, text_error = _room, _hand_on, ProtocolError, Utf8Error
    not_here, unfinished, text, binary, largest = _NOT_HERE, _Unfinished, 0x81, 0x82, MAX_PAYLOAD

    def take(connection: Any) -> Any:
        """Take a data frame out of the buffer and hand it on.

        Returns: what the handler wants awaited; None where that is nothing, or the message is not complete;
            ``_Unfinished`` where the payload has not arrived; ``_NOT_HERE`` for everything that is the host's matter.
            In these two cases nothing was taken.
        """
        stream = connection.stream
        kind, buffer, size = type(stream), stream._read_buffer, stream._read_buffer_size
        if (kind is not plain_stream and kind is not secure_stream) or stream._read_future is not None or size < 2:
            return not_here
        first, limit = buffer[0], connection.params.max_message_size
        if (first != text and first != binary) or connection._fragmented_message_buffer is not None:
            limit = room(connection, first)
        if type(limit) is not int or not 0 <= limit <= largest:
            return not_here
        decode = first == text and connection._decompressor is None and decodes(connection)
        try:
            frame = parse_frame(buffer, role=None, max_frame_size=limit, decode=decode, minimal_length=False)
        except text_error:
            # The host's own function closes the connection.
            frame = parse_frame(buffer, role=None, max_frame_size=limit, minimal_length=False)
        except codec_error:
            return not_here
        if frame is None:
            header = parse_header(buffer, minimal_length=False)
            return not_here if header is None else unfinished(first, header.size, header.length, header.key)
        first, data, length, end = frame
        del buffer[:end]
        stream._read_buffer_size = size - end
        if size == end:
            stream._maybe_add_error_listener()
        connection._wire_bytes_in += end
        return hand_on(connection, first, data, length)

    return take


# The memory of a large payload at the beginning; later as much again as has arrived.
_FIRST_MEMORY: Final = 65_536

# The memory of the large payload before, if it was no larger than this: memory that the system gives anew costs more
# than what is done with it.
_KEPT: Final = 4 * 1024 * 1024
_spare: Final[list[bytearray]] = []


def _make_take_unfinished(backend: ModuleType) -> Callable[..., Any]:
    extract, compiled = _make_extract(backend), backend.kernel_name() != "none"

    async def take_unfinished(connection: Any, first: int, header: int, length: int, key: bytes | None) -> Any:
        """Take a data frame whose payload has to be waited for, and hand it on; returns what ``take`` does."""
        stream = connection.stream
        del stream._read_buffer[:header]
        stream._read_buffer_size -= header
        if not stream._read_buffer_size:
            stream._maybe_add_error_listener()
        connection._wire_bytes_in += header
        if first & 0x0F and connection._decompressor is not None:
            connection._frame_compressed = first & 0x40 != 0
        # The pure twin needs a copy of the payload in any case, which is what the host's own read gives.
        if compiled and _is_large(stream, length):
            memory = await _read_large(stream, length)
            connection._wire_bytes_in += length
            with memoryview(memory) as whole, whole[:length] as payload:
                data = extract(connection, first, payload, key)
            if len(memory) <= _KEPT:
                _spare[:] = [memory]
        else:
            data = extract(connection, first, await connection._read_bytes(length), key)
        return _hand_on(connection, first, data, length)

    return take_unfinished


def _is_large(stream: Any, length: int) -> bool:
    """Whether a payload is long, and the host would look at none of the reads for it in another way."""
    return (
        length > _FIRST_MEMORY
        and length <= stream.max_buffer_size - stream.read_chunk_size  # what follows it cannot fill the buffer
        and stream._close_callback is None  # with one, the host watches the stream where its buffer is empty
    )


async def _read_large(stream: Any, length: int) -> bytearray:
    """Read into one place that grows with what arrives, rather than through the buffer of the stream.

    What follows a payload is still delivered after the end of the stream if it was read with it. So the last read is
    for a whole chunk, from where the host's would be, and what it gives beyond the payload goes to the buffer.

    Returns: at least ``length`` bytes, of which so many were read.
    """
    memory, done, waited = _take_memory(stream), stream._read_buffer_size, False
    stream._read_buffer, stream._read_buffer_size = bytearray(), 0
    chunk, plain = stream.read_chunk_size, type(stream) is _known_streams()[0]
    try:
        while done < length:
            while len(memory) - done < chunk:
                memory += bytes(min(len(memory), length + chunk - len(memory)))
            # A read from TLS gives one record, whatever is asked for; so all but the last chunk is waited for at once.
            size = length - done + chunk - 1 if plain else max(length - done - 1, chunk)
            size = min(size, len(memory) - done) // chunk * chunk
            with memoryview(memory) as whole, whole[done : done + size] as rest:
                future = stream.read_into(rest, partial=plain or length - done <= chunk)
                waited = waited or not future.done()
                done += await future
    except BaseException:
        _give_back(stream, memory, done, length)
        raise
    if done > length:
        stream._read_buffer += memory[length:done]
        stream._read_buffer_size += done - length
        if waited:
            _unwatch(stream)
    return memory


def _take_memory(stream: Any) -> bytearray:
    """Memory that begins with what is in the buffer of a stream."""
    try:
        memory = _spare.pop()
    except IndexError:
        memory = bytearray(_FIRST_MEMORY)
    memory[: stream._read_buffer_size] = stream._read_buffer
    return memory


def _give_back(stream: Any, memory: bytearray, done: int, length: int) -> None:
    """Keep what was read of a large payload as the host keeps it, which waits for all of it at once."""
    if stream._user_read_buffer:
        stream._read_buffer = memory[: done + stream._read_buffer_size]
        stream._user_read_buffer = False
    else:
        stream._read_buffer[:0] = memory[:done]
    stream._read_buffer_size += done
    if stream._read_future is not None:
        stream._read_bytes, stream._read_partial = length, False


# Reading --------------------------------------------------------------------------------------------------------------


def _make_read_to_buffer(plain: FunctionType, _: ModuleType) -> Any:
    replay, known, spare, large = Replay, _known_streams(), list[bytearray](), _LARGE

    def _read_to_buffer(self: Any) -> Any:
        size = self.read_chunk_size
        if self._user_read_buffer or type(self) not in known or self._read_buffer_size + size > self.max_buffer_size:
            return plain(self)
        # The host makes 64 KiB of zeros for each read, also for one that finds nothing.
        try:
            chunk = spare.pop()
        except IndexError:
            chunk = bytearray(size)
        if len(chunk) != size:
            chunk = bytearray(size)
        n = failure = None
        try:
            n = self.read_from_fd(chunk)
        except BaseException as error:
            failure = error
        if n:
            if n < large:
                self._read_buffer += chunk[:n]
            else:
                with memoryview(chunk) as whole, whole[:n] as arrived:
                    self._read_buffer += arrived
            self._read_buffer_size += n
        spare[:] = [chunk]
        if n:
            return n
        if n is None and failure is None:
            return 0
        try:
            return plain(replay(self, "read_from_fd", n, failure))
        finally:
            del failure

    return _read_to_buffer


# Waiting --------------------------------------------------------------------------------------------------------------


class _Left(int):
    """State of a stream that the event loop is left to watch for something to read, which the state does not say.

    The host tells the event loop of every state that it gives to a stream, and that is no ``_Left``.
    """

    __slots__ = ()


# Of every combination of what a stream is watched for: made once, as every read needs one.
_LEFT: Final = tuple(map(_Left, range(32)))


async def _arrive(stream: Any, leave: bool) -> None:
    """Wait until something is in the buffer of a stream, which is empty.

    The host waits for the two bytes of a header. If more has arrived, it stops to watch the stream, and starts again
    for the next frame: for each message the system is asked twice. Here all that has arrived is waited for, and the
    event loop may be left to watch the stream: then ``_quiet`` ends that where anybody could tell.
    """
    stream._check_closed()
    if stream._read_to_buffer():
        return
    stream._check_closed()
    future, reading, state = stream._start_read(), stream.io_loop.READ, stream._state
    stream._read_bytes, stream._read_partial = stream.max_buffer_size, True
    if type(state) is _Left:
        stream._state = state | reading
    else:
        stream._add_io_state(reading)
    arrived = await future
    stream._read_buffer += arrived
    stream._read_buffer_size += len(arrived)
    if len(arrived) > 2:
        state = stream._state
        if not leave:
            _unwatch(stream)
        elif state is not None and state & reading:
            stream._state = _LEFT[state & ~reading]


def _unwatch(stream: Any) -> None:
    """Stop to watch a stream for something to read."""
    state, reading = stream._state, stream.io_loop.READ
    if state is not None and state & reading:
        stream._state = state & ~reading
        stream.io_loop.update_handler(stream.fileno(), stream._state)


def _quiet(stream: Any, awaited: Any = None) -> None:
    """Do not watch a stream while others run: the host would not notice more, or its end, before it reads again."""
    state = getattr(stream, "_state", None)
    if type(state) is not _Left:
        return
    done = getattr(awaited, "done", None)
    if done is not None and done():
        return  # there is nothing to wait for
    stream._state = int(state)
    stream.io_loop.update_handler(stream.fileno(), stream._state)


def _make_receive_frame(plain: FunctionType, backend: ModuleType) -> Any:
    take, take_unfinished, arrive, quiet = _make_take(backend), _make_take_unfinished(backend), _arrive, _quiet
    not_here, unfinished, known = _NOT_HERE, _Unfinished, _known_streams()

    async def _receive_frame(self: Any, *leave: bool) -> None:
        stream = self.stream
        if type(self) is not WebSocketProtocol13 or type(stream) not in known:
            await plain(self)
            return
        if not stream._read_buffer_size and not stream.reading():
            await arrive(stream, bool(leave))
        handled = take(self)
        if handled is not_here or type(handled) is unfinished:
            quiet(stream)
            if handled is not_here:
                await plain(self)
                return
            handled = await take_unfinished(self, *handled)
        if handled is not None:
            quiet(stream, handled)
            await handled

    return _receive_frame


def _make_receive_frame_loop(plain: FunctionType, backend: ModuleType) -> Any:
    make = _make_loop if "_YIELD_THRESHOLD" in plain.__globals__ else _make_loop_before_6_6
    return make(plain, _make_receive(backend))


def _make_receive(backend: ModuleType) -> Callable[[Any], Any]:
    """Receives a frame: None where that is done, otherwise what to await."""
    take, quiet, not_here, unfinished = _make_take(backend), _quiet, _NOT_HERE, _Unfinished

    def receive(connection: Any) -> Any:
        handled = take(connection)
        if handled is not_here or type(handled) is unfinished:
            # Only this loop is sure to call `_quiet` before others run.
            return connection._receive_frame(True)
        if handled is not None:
            quiet(connection.stream, handled)
        return handled

    return receive


def _make_loop(plain: FunctionType, receive: Callable[[Any], Any]) -> Any:
    quiet, untouched = _quiet, _make_untouched("_receive_frame")

    async def _receive_frame_loop(self: Any) -> None:
        if type(self) is not WebSocketProtocol13:
            await plain(self)
            return
        try:
            work = 0
            ours = self._receive_frame if untouched(self) else None
            while not self.client_terminated:
                start = self._wire_bytes_in
                if self._receive_frame == ours:
                    awaited = receive(self)
                else:
                    quiet(self.stream)
                    awaited = self._receive_frame()
                if awaited is not None:
                    await awaited
                    ours = self._receive_frame if untouched(self) else None
                work += _FRAME_YIELD_COST + self._wire_bytes_in - start
                if work >= _YIELD_THRESHOLD:
                    work = 0
                    quiet(self.stream)
                    await asyncio.sleep(0)
                    ours = self._receive_frame if untouched(self) else None
        except StreamClosedError:
            self._abort()
        finally:
            quiet(self.stream)
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)

    return _receive_frame_loop


def _make_loop_before_6_6(plain: FunctionType, receive: Callable[[Any], Any]) -> Any:
    quiet, untouched = _quiet, _make_untouched("_receive_frame")

    async def _receive_frame_loop(self: Any) -> None:
        if type(self) is not WebSocketProtocol13:
            await plain(self)
            return
        try:
            ours = self._receive_frame if untouched(self) else None
            while not self.client_terminated:
                if self._receive_frame == ours:
                    awaited = receive(self)
                else:
                    quiet(self.stream)
                    awaited = self._receive_frame()
                if awaited is not None:
                    await awaited
                    ours = self._receive_frame if untouched(self) else None
        except StreamClosedError:
            self._abort()
        finally:
            quiet(self.stream)
        self.handler.on_ws_connection_close(self.close_code, self.close_reason)

    return _receive_frame_loop


# Messages -------------------------------------------------------------------------------------------------------------


def _make_handle_message(plain: FunctionType, backend: ModuleType) -> Any:
    # The pure twin has nothing faster than what the host does.
    decode_text = bytes.decode if backend.kernel_name() == "none" else backend.decode_text
    text, binary = 0x1, 0x2

    def _handle_message(self: Any, opcode: int, data: Any) -> Any:
        if self.client_terminated or (opcode != text and opcode != binary):
            return plain(self, opcode, data)
        if self._frame_compressed:
            assert self._decompressor is not None
            try:
                data = self._decompressor.decompress(data)
            except _DecompressTooLargeError:
                self.close(1009, "message too big after decompression")
                self._abort()
                return None
        self._message_bytes_in += len(data)
        if opcode == text:
            try:
                data = decode_text(data) if type(data) is bytes else data.decode("utf-8")
            except ValueError:
                self._abort()
                return None
        return self._run_callback(self.handler.on_message, data)

    return _handle_message


# Building frames ------------------------------------------------------------------------------------------------------


def _make_build(backend: ModuleType) -> Callable[[int, Any, bool, bool], bytes]:
    """Writes a final frame of bytes or text: opcode, payload, whether it is compressed, whether to mask it."""
    encode_frame, new_key = backend.encode_frame, backend.new_key
    if backend.kernel_name() != "none":
        return lambda opcode, payload, compressed, masked: encode_frame(
            opcode, payload, rsv1=compressed, key=new_key() if masked else None
        )
    host = vars(sys.modules["tornado.websocket"])

    def build(opcode: int, payload: Any, compressed: bool, masked: bool) -> bytes:
        data = payload.encode() if type(payload) is str else payload
        first, n, bit = 0xC0 | opcode if compressed else 0x80 | opcode, len(data), 0x80 if masked else 0
        if n < 126:
            header = bytes((first, bit | n))
        elif n < 65_536:
            header = _pack_header16(first, bit | 126, n)
        else:
            header = _pack_header64(first, bit | 127, n)
        if not masked:
            return header + data
        key = new_key()
        return b"".join((header, key, host["_websocket_mask"](key, data)))

    return build


_pack_header16 = struct.Struct("!BBH").pack
_pack_header64 = struct.Struct("!BBQ").pack


def _make_write_frame(plain: FunctionType, backend: ModuleType) -> Any:
    build, system_random = _make_build(backend), SYSTEM_RANDOM
    data_opcodes, control_opcodes, compressed, largest_control = (1, 2), (8, 9, 10), 0x40, 125

    def _write_frame(self: Any, fin: Any, opcode: Any, data: Any, flags: Any = 0) -> Any:
        if not (
            fin is True
            and type(data) is bytes
            and type(self) is WebSocketProtocol13
            and (
                (opcode in data_opcodes and (flags == 0 or flags == compressed))
                or (opcode in control_opcodes and flags == 0 and len(data) <= largest_control)
            )
            and os.urandom is system_random
        ):
            return plain(self, fin, opcode, data, flags)
        frame = build(opcode, data, flags != 0, self.mask_outgoing)
        self._wire_bytes_out += len(frame)
        return self.stream.write(frame)

    return _write_frame


def _make_write_message(plain: FunctionType, backend: ModuleType) -> Any:
    build, system_random, untouched = _make_build(backend), SYSTEM_RANDOM, _make_untouched("_write_frame")
    write, header_of = _make_write(), backend.parse_header
    host_asyncio = plain.__globals__["asyncio"]
    ensure_future, running_loop = host_asyncio.ensure_future, host_asyncio._get_running_loop
    cell, function = CellType, FunctionType
    [wrapper_code] = [each for each in plain.__code__.co_consts if isinstance(each, CodeType)]
    host_globals, qualname = plain.__globals__, f"{plain.__qualname__}.<locals>.wrapper"

    def write_message(self: Any, message: Any, binary: Any = False) -> Any:
        kind = type(message)
        if (
            (kind is not str and kind is not bytes)
            or self._compressor
            or type(self) is not WebSocketProtocol13
            or os.urandom is not system_random
            or (loop := running_loop()) is None
            or not untouched(self)
        ):
            return plain(self, message, binary)
        frame = build(2 if binary else 1, message, False, self.mask_outgoing)
        self._wire_bytes_out += len(frame)
        self._message_bytes_out += len(message) if kind is bytes else header_of(frame).length
        try:
            fut = write(self.stream, frame)
        except StreamClosedError:
            raise WebSocketClosedError()  # noqa: B904 (as the host does)
        wrapper = function(wrapper_code, host_globals, "wrapper", None, (cell(fut),))
        wrapper.__qualname__ = qualname
        if asyncio.ensure_future is not ensure_future:
            return asyncio.ensure_future(wrapper())
        return loop.create_task(wrapper())

    return write_message


# Writing --------------------------------------------------------------------------------------------------------------


def _make_write() -> Callable[[Any, bytes], Any]:
    """What ``IOStream.write`` does; a frame that the socket takes at once does not go through the stream's buffer."""
    iostream: Any = sys.modules["tornado.iostream"]
    kind, host_write, future_class, replay = iostream.IOStream, iostream.IOStream.write, iostream.Future, Replay
    host_write_to_fd, look_at = kind.write_to_fd, _look_at(host_write)
    # There the host cuts what it sends.
    cut = iostream._WINDOWS

    def write(stream: Any, frame: bytes) -> Any:
        if (
            cut
            or type(stream) is not kind
            or stream._write_buffer
            or stream._write_futures
            or stream._connecting
            or stream.max_write_buffer_size is not None
            or stream.closed()
            or getattr(stream.write, "__func__", None) is not host_write
            or getattr(stream.write_to_fd, "__func__", None) is not host_write_to_fd
        ):
            return stream.write(frame)
        size, sent, failure = len(frame), 0, None
        try:
            sent = stream.write_to_fd(frame)
        except BaseException as error:
            failure = error
        stream._total_write_index += size
        future = future_class()
        if sent == size:
            stream._total_write_done_index += size
            future.set_result(None)
        else:
            # The host goes on from here, with what came of the attempt.
            stream._write_buffer.append(frame)
            future.add_done_callback(look_at)
            stream._write_futures.append((stream._total_write_index, future))
            try:
                kind._handle_write(replay(stream, "write_to_fd", sent, failure))
            finally:
                del failure
            if stream._write_buffer:
                stream._add_io_state(stream.io_loop.WRITE)
        stream._maybe_add_error_listener()
        return future

    return write


def _look_at(write: Any) -> Any:
    """The host's own callback, with which it looks at the exception of a write: what is logged of it names it."""
    [code] = [each for each in write.__code__.co_consts if isinstance(each, CodeType)]
    look_at = FunctionType(code, write.__globals__)
    look_at.__qualname__ = f"{write.__qualname__}.<locals>.{code.co_name}"
    return look_at


# Mask -----------------------------------------------------------------------------------------------------------------


def _make_mask(plain: Any, backend: ModuleType) -> Any:
    xor = backend.mask

    def _websocket_mask(mask: bytes, data: bytes) -> bytes:
        if type(mask) is bytes and len(mask) == 4 and type(data) is bytes:
            return xor(data, mask)  # type: ignore[no-any-return]
        return plain(mask, data)  # type: ignore[no-any-return]

    _websocket_mask.__wrapped__ = plain  # type: ignore[attr-defined]
    return _websocket_mask


def _mask_seams(backend: ModuleType) -> list[Seam]:
    """The mask function where it is, and where it was imported by name; a compiled one only for a compiled twin."""
    seam = Seam.find(sys.modules["tornado"], "util._websocket_mask")
    plain = seam.current()
    if backend.kernel_name() == "none" and not isinstance(plain, FunctionType):
        return []
    replacement = _make_mask(plain, backend)
    return [each.with_replacement(replacement) for each in (seam, *seam.elsewhere(sys.modules["tornado"]))]


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "websocket.WebSocketProtocol13._receive_frame_loop": _make_receive_frame_loop,
    "websocket.WebSocketProtocol13._receive_frame": _make_receive_frame,
    "websocket.WebSocketProtocol13._handle_message": _make_handle_message,
    "websocket.WebSocketProtocol13._write_frame": _make_write_frame,
    "websocket.WebSocketProtocol13.write_message": _make_write_message,
    "iostream.BaseIOStream._read_to_buffer": _make_read_to_buffer,
}


def _seams(backend: ModuleType) -> list[Seam]:
    seams = make_seams(sys.modules["tornado"], _KNOWN, _REPLACED, backend)
    return [*seams, *_mask_seams(backend)]


HOST: Final = Host(
    name="tornado",
    distribution="tornado",
    package="tornado",
    tried="6.3 to 6.6.1",
    depth="frame",
    replaces=tuple([f"tornado.{path}" for path in (*_REPLACED, "util._websocket_mask")]),
    cannot_reach="a Future and a Task for each message sent, which the caller can see",
    seams=_seams,
    modules=("tornado.websocket",),
)
