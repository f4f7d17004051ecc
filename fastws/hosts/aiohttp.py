"""aiohttp: text to and from UTF-8, frame building; and its reader, as far as that can be reached.

Tried with 3.11.18, 3.12.15, 3.13.5 and 3.14.0 to 3.14.5, as installed and with ``AIOHTTP_NO_EXTENSIONS=1``. The tables
at the end of this file list what is replaced, and ``_KNOWN`` what the replacements rely on.
``fastws.restore("aiohttp")`` undoes it, also for connections that are open; a connection that was opened before
``accelerate`` keeps its reader.

aiohttp reads and masks in C, and its C code cannot be changed from outside. What can be done is to stand between a
connection and its reader: see ``_new_reader``. Messages of one frame are read there, whole reads of them at once;
control frames, fragments and what is wrong go through the C code. Where aiohttp runs without its extensions, its Python
reader is replaced in place, mask included. The pure twin is slower than aiohttp's C code, which it leaves alone.

Out of reach: the queue, zlib, messages in fragments, and the reader of a connection with compression, or with a queue
of a class that a program has derived. Where a program has put a mask of its own, the host masks with it. A frame over
16 KiB that is not masked stays two writes, as the host's tests demand. Before 3.13.2 ``send_frame`` builds its frames
itself, and keeps doing so.
"""

from __future__ import annotations

import functools
import inspect
import sys
from operator import itemgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, ref

from .counting import is_one_of_ours
from .host import Host, HostError, Seam
from .rebase import rebase
from .seams import make_seams
from .shape import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
ClientConnectionResetError: Any = None
COMPRESSED_FALSE: Any = None
COMPRESSED_NOT_SET: Any = None
MSG_SIZE: Any = None
PACK_LEN1: Any = None
PACK_LEN2: Any = None
PACK_LEN3: Any = None
PACK_RANDBITS: Any = None
READ_HEADER: Any = None
READ_PAYLOAD: Any = None
TUPLE_NEW: Any = None
WS_MSG_TYPE_TEXT: Any = None
WSMessage: Any = None
WSMsgType: Any = None
websocket_mask: Any = None

# What the replacements do the work of, or rely on, and its digests in the versions named above. The compiled reader is
# compiled from this Python source.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "_websocket.helpers._websocket_mask_python": ("c8063a236a2c642c",),
    "_websocket.reader_py.WebSocketDataQueue.feed_data": ("82213060851d16e0", "3ec33037090c8ba8"),
    "_websocket.reader_py.WebSocketDataQueue.read": ("cfc2c94a1f5a857d",),
    "_websocket.reader_py.WebSocketDataQueue._read_from_buffer": ("09e0525230e48c39", "b2a4f8a106a1365d"),
    "_websocket.reader_py.WebSocketReader.__init__": (
        "3746ddbb721261a0",
        "6c8a0597fd7a8a21",
        "8f77ea3e8f9912b6",
        "97a73580292b1c7f",
    ),
    "_websocket.reader_py.WebSocketReader.feed_data": ("d4c9daf82d0793f1",),
    "_websocket.reader_py.WebSocketReader._feed_data": (
        "ff1b3bde0a98f26b",
        "6012432056f7523c",
        "7f79e07f450c6527",
        "34ba76c824383e75",
        "8b76e799c78a53f0",
    ),
    "_websocket.reader_py.WebSocketReader._handle_frame": (
        "80228ee3e02a0712",
        "6f90d05f6caf0b87",
        "6fc93c8274bd6c9d",
        "a65ef0a9bb2d12c4",
        "570402e8b90ab0d7",
        "5c319e3bec74cf87",
    ),
    "client_ws.ClientWebSocketResponse.send_str": ("368332455c4b0f75",),
}
_KNOWN_WEB: Final[dict[str, tuple[str, ...]]] = {
    "web_ws.WebSocketResponse.send_str": ("dde90732112b2370",),
}
# Before 3.13.2 ``send_frame`` does this work itself, and is left alone.
_KNOWN_WRITER: Final[dict[str, tuple[str, ...]]] = {
    "_websocket.writer.WebSocketWriter._write_websocket_frame": ("c3045ad61913357e", "8e8e71fead22754a"),
}


# Sending messages -----------------------------------------------------------------------------------------------------


def _make_send_str(plain: FunctionType, backend: ModuleType) -> Any:
    encode_text, plain_send_str = backend.encode_text, plain

    async def send_str(self: Any, data: Any, compress: Any = None) -> Any:
        writer = self._writer
        if writer is None or type(data) is not str:
            return await plain_send_str(self, data, compress)
        try:
            message = encode_text(data)
        except UnicodeEncodeError:
            message = None
        if message is None:
            return await plain_send_str(self, data, compress)
        await writer.send_frame(message, WSMsgType.TEXT, compress=compress)
        return None

    return send_str


def _make_write_frame(mask: Any, plain: FunctionType, backend: ModuleType) -> Any:
    """Builds and masks a frame in one step while ``mask`` is what the host masks with, as a program may change."""
    encode_frame, plain_write, payloads, compressed = backend.encode_frame, plain, (bytes, bytearray), 0x40
    usual_mask, is_ours = mask, is_one_of_ours
    kinds = plain.__globals__["WSMsgType"]
    text, binary, control_opcodes = kinds.TEXT, kinds.BINARY, (kinds.PING, kinds.PONG, kinds.CLOSE)
    largest_control = 125

    def _write_websocket_frame(self: Any, message: Any, opcode: Any, rsv: Any) -> Any:
        transport, size = self.transport, len(message)
        if not self.use_mask:
            # What the host does, without its steps for a mask: no copy can be saved.
            first = 0x80 | rsv | opcode
            if size < 126:
                header = PACK_LEN1(first, size)
            elif size < 65536:
                header = PACK_LEN2(first, 126, size)
            else:
                header = PACK_LEN3(first, 127, size)
            if transport.is_closing():
                raise ClientConnectionResetError("Cannot write to closing transport")
            if size > MSG_SIZE:
                transport.write(header)
                transport.write(message)
            else:
                transport.write(header + message)
            self._output_size += len(header) + size
            return None
        # The host itself gives one of these two.
        usual = opcode is text or opcode is binary
        if not usual and isinstance(opcode, int):
            usual = opcode in (1, 2) or (rsv == 0 and opcode in control_opcodes and size <= largest_control)
        if (
            not usual
            or rsv not in (0, compressed)
            or type(message) not in payloads
            or not (websocket_mask is usual_mask or is_ours(websocket_mask, usual_mask))
        ):
            return plain_write(self, message, opcode, rsv)
        if transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        key = PACK_RANDBITS(self.get_random_bits())
        frame = encode_frame(opcode, message, rsv1=True, key=key) if rsv else encode_frame(opcode, message, key=key)
        transport.write(frame)
        self._output_size += len(frame)
        return None

    return _write_websocket_frame


# The compiled reader --------------------------------------------------------------------------------------------------

# After a read that begins with something else than a whole message, the next ones go to the C code unseen: one, then
# three, then seven, up to so many. A read counts once, and once more for each so many bytes.
_LONGEST_PAUSE: Final = 63
_PAUSE_SHIFT: Final = 12
# Pieces of a message are joined when there are so many.
_PIECES: Final = 512
# Binary payloads of so many bytes that come in pieces are put together without their header, which saves a copy.
_LARGE: Final = 32 * 1024

# What `WebSocketReader.feed_data` returns where nothing is wrong.
_FINE: Final = (False, b"")

# Classes that have stood, or stand, in the place of the host's reader.
_ours: Final[WeakSet[type[Any]]] = WeakSet()


def _new_reader(plain: type[Any], layout: _State, source: ModuleType, backend: ModuleType) -> type[Any]:
    """A subclass of the compiled reader, to stand in its place.

    The C code is slower in a subclass: for every frame it asks whether its methods are overridden. So an object of this
    class has a reader of the host's own class do what it does not do itself, for the same queue. What is gained, is
    gained in a ``feed_data`` that is put here as a seam, see ``_make_feed_compiled``. Classes derived from this one are
    as classes derived from the host's. For a connection with compression, or text that is not decoded, the host's own
    class is made: there is little to gain. So it is for a queue of a derived class, which may do with each message what
    it likes, also raise.
    """
    names = tuple(inspect.signature(source.WebSocketReader).parameters)
    kinds, record = (source.WSMsgType.TEXT, source.WSMsgType.BINARY), source.WSMessage
    overhead, own_queue = layout.overhead, type(layout.arguments[0])

    class WebSocketReader(plain):  # type: ignore[misc]
        # _plain: does the rest of the work, or None. _free: whether that one waits for a frame, with nothing begun, and
        # nothing is held here. _held: a message that has begun, in pieces, the first of which has the header; or None.
        # _missing: bytes that it lacks, or its header. _joined: how many of the pieces are joined from others. _stash:
        # what waits until the queue has room, from _stashed on; the C code has the first byte of it. _pause: reads that
        # go to the C code unseen; _pauses: how many these were at first. _queue, _put, _buffer: where messages go.
        __slots__ = (
            *("_buffer", "_deliver", "_free", "_held", "_joined", "_missing", "_parse"),
            *("_pause", "_pauses", "_plain", "_put", "_queue", "_stash", "_stashed"),
            *([] if plain.__weakrefoffset__ else ["__weakref__"]),
        )

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            given = dict(zip(names, args, strict=False)) | kwargs
            if cls is WebSocketReader and (
                given.get("compress") or not given.get("decode_text", True) or type(given.get("queue")) is not own_queue
            ):
                return plain(*args, **kwargs)
            return plain.__new__(cls, *args, **kwargs)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._free, self._plain = False, None
            if type(self) is WebSocketReader:
                stand_before(self, plain(*args, **kwargs))

        def feed_data(self, data: Any) -> Any:
            if self._plain is None:
                return plain.feed_data(self, data)
            before = [self._stash[self._stashed + 1 :], *(self._held or ())]
            self._free, self._held, self._stash = False, None, b""
            return self._plain.feed_data(b"".join([*before, data]) if any(before) else data)

    def stand_before(self: Any, reader: Any) -> None:
        state = reader.__reduce_cython__()[2]
        if layout.has_reference:
            # A queue that is full remembers the reader that has to go on later: this one.
            reader.__setstate_cython__(layout.changed(state, {"_weak_self": ref(self)}))
        self._plain, self._queue = reader, layout.queue(state)
        self._put, self._buffer = _put_first(ref(self), layout), self._queue._buffer
        # What the C code has made of an argument that need not be an integer.
        limit = layout.limit(state)
        largest = limit - 1 if limit else None
        parser = backend.MessageParser(
            record, *kinds, ("",), role=None, max_frame_size=largest, minimal_length=False, overhead=overhead
        )
        self._parse, self._deliver = parser.parse, parser.deliver
        self._free, self._held, self._stash = True, None, b""
        self._stashed = self._missing = self._joined = self._pause = self._pauses = 0

    for function in (WebSocketReader.__new__, WebSocketReader.__init__, WebSocketReader.feed_data):
        function.__qualname__ = f"{plain.__qualname__}.{function.__name__}"
        function.__module__ = plain.__module__
    WebSocketReader.__qualname__ = plain.__qualname__
    WebSocketReader.__module__ = plain.__module__
    WebSocketReader.__doc__ = plain.__doc__
    _ours.add(WebSocketReader)
    return WebSocketReader


def _put_first(owner: ref[Any], layout: _State) -> Any:
    """What puts the first message that the C code does not see, and has later ones go straight to the queue.

    The C code is told of it, for a message says that a refused close frame has the first bit of the data frame before
    it. Later messages leave the same behind, whoever reads them.
    """

    def put(message: Any, size: int) -> None:
        self: Any = owner()
        reader = self._plain
        reader.__setstate_cython__(layout.changed(reader.__reduce_cython__()[2], _AFTER_A_MESSAGE))
        self._put = self._queue.feed_data
        self._put(message, size)

    return put


class _State:
    """Where a compiled reader is in the stream, as Cython tells it for pickling: all fields, in their order.

    Nothing but the reader's own methods changes it, so what is read stays true until one of them is called.

    Attributes:
        arguments: what makes a reader.
        progress: gives the fields of ``_PROGRESS`` from a state.
        queue, limit: give the queue and the largest message from a state.
        has_reference: whether there is a field by which a queue finds the reader, ``_weak_self``.
        stops: whether the reader stops where a queue is full.
        room: what messages may count until a queue is full; below zero, it is.
        overhead: what a message counts besides its bytes.
    Raises:
        HostError: the reader has other fields.
    """

    def __init__(self, source: ModuleType, queue: Any) -> None:
        options = inspect.signature(source.WebSocketReader).parameters
        self.stops = "_stalled_reader" in source.WebSocketReader._feed_data.__code__.co_names
        self.room = _room if self.stops else _endless
        counts = "MSG_SIZE_OVERHEAD" in source.WebSocketDataQueue.feed_data.__code__.co_names
        self.overhead = source.MSG_SIZE_OVERHEAD if counts else 0
        self.arguments = (queue, 2**20, False, *([True] if "decode_text" in options else []))
        # The class in the Python source has the same fields as the one that is compiled from it.
        names = sorted(vars(source.WebSocketReader(*self.arguments)))
        self._places = places = {name: place for place, name in enumerate(names)}
        self.has_reference = "_weak_self" in places
        for name in (*_PROGRESS, *_AFTER_A_MESSAGE, "queue", "_max_msg_size"):
            if name not in places:
                raise HostError(f"aiohttp's reader has other fields: there is no {name}")
        self.progress = itemgetter(*[places[name] for name in _PROGRESS])
        self.queue, self.limit = itemgetter(places["queue"]), itemgetter(places["_max_msg_size"])

    def changed(self, state: tuple[Any, ...], values: Mapping[str, Any]) -> tuple[Any, ...]:
        """A state with other values in some fields."""
        changed = list(state)
        for name, value in values.items():
            changed[self._places[name]] = value
        return tuple(changed)


def _room(queue: Any) -> int:
    return int(queue._limit - queue._size)


def _endless(_: Any) -> int:
    """Before 3.14.4 a reader never stops."""
    return sys.maxsize


# Where the reader stopped, its error, bytes of a header, bytes and opcode of a message that has begun.
_PROGRESS: Final = ("_state", "_exc", "_tail", "_partial", "_opcode")
# What a message of one frame leaves behind that is not set anew by a control frame.
_AFTER_A_MESSAGE: Final = {"_frame_fin": True, "_compressed": 0}


def _make_feed_compiled(plain: type[Any], layout: _State, source: ModuleType) -> Any:  # noqa: C901 (many small steps)
    """A ``feed_data`` that reads messages of one frame itself.

    Everything else goes through the C code, which is then asked where it is before something is kept from it again.
    """
    plain_feed, progress, room, fine = plain.feed_data, layout.progress, layout.room, _FINE
    changed, nothing_put_aside = layout.changed, {"_tail": b""}
    new, view, message_type, binary = tuple.__new__, memoryview, source.WSMessage, source.WSMsgType.BINARY
    resting = (source.READ_HEADER, None, b"", b"", source.OP_CODE_NOT_SET)
    large_binary, masked_long = b"\x82\x7f", 0x80 | 126
    longest_pause, shift, most_pieces, large = _LONGEST_PAUSE, _PAUSE_SHIFT, _PIECES, _LARGE
    stops, endless, overhead = layout.stops, sys.maxsize, layout.overhead

    def feed_data(self: Any, data: Any) -> Any:
        if not self._free:
            return feed_other(self, data)
        # A queue that is empty is not full.
        if not self._buffer and self._deliver(data, self._put):
            return fine
        if type(data) is not bytes:
            data = bytes(data)
        return take(self, data, 0)

    def take(self: Any, data: bytes, start: int) -> Any:
        """Take the messages that stand in a read."""
        queue = self._queue
        messages, end, taken, needed = self._parse(data, start, queue._limit - queue._size if stops else endless)
        if len(messages) > 2:
            # All of them are counted at once.
            self._put(None, taken - overhead)
            buffer = self._buffer
            buffer.pop()
            buffer.extend(messages)
        else:
            for message, size in messages:
                self._put(message, size)
        return fine if end == len(data) else leave(self, data, start, end, needed)

    def leave(self: Any, data: bytes, start: int, end: int, needed: int) -> Any:
        """What follows the messages that were taken."""
        self._free = False
        if not needed and room(self._queue) < 0:
            return stop(self, data, end)
        if end:
            data = data[end:]
        if needed:
            hold(self, data, needed)
            return fine
        if start < end:
            self._pause = self._pauses = 0
        else:
            self._pause = pause(self)
        return self._plain.feed_data(data)

    def hold(self: Any, begun: bytes, needed: int) -> None:
        """Keep the start of a message until so many bytes tell more of it.

        Its length alone does, for the C code refuses what is too long before the key has come.
        """
        given = len(begun)
        if 2 <= given < 10 and begun[1] >= masked_long:
            end_of_length = 4 if begun[1] == masked_long else 10
            if given < end_of_length:
                needed = end_of_length
        self._held, self._missing, self._joined = [begun], needed - given, 0

    def pause(self: Any) -> int:
        self._pauses = pauses = min(2 * self._pauses + 1, longest_pause)
        return int(pauses)

    def stop(self: Any, data: bytes, start: int) -> Any:
        """The queue is full. The C code has it call when there is room: for that, one byte is enough."""
        self._stash, self._stashed = data, start
        return self._plain.feed_data(data[start : start + 1])

    def go_on(self: Any, data: bytes) -> Any:
        """Where the queue was full."""
        stash, start = self._stash, self._stashed
        if data:
            stash, start = b"".join([view(stash)[start:], data]), 0
        if room(self._queue) < 0:
            self._stash, self._stashed = stash, start
            return fine
        self._stash, reader = b"", self._plain
        reader.__setstate_cython__(changed(reader.__reduce_cython__()[2], nothing_put_aside))
        # Now the queue does not have to call any more.
        reader.feed_data(b"")
        self._free = True
        return take(self, stash, start)

    def feed_other(self: Any, data: Any) -> Any:
        """Go on in the middle of a message, or where the C code may be."""
        reader = self._plain
        if reader is None:
            return plain_feed(self, data)
        if self._held is not None:
            return feed_held(self, data if type(data) is bytes else bytes(data))
        if self._stash:
            return go_on(self, data if type(data) is bytes else bytes(data))
        if self._pause > 0 or not data:
            self._pause -= 1 + (len(data) >> shift)
            return reader.feed_data(data)
        if progress(reader.__reduce_cython__()[2]) == resting and room(self._queue) >= 0:
            self._free = True
            return take(self, data if type(data) is bytes else bytes(data), 0)
        self._pause = pause(self)
        return reader.feed_data(data)

    def feed_held(self: Any, data: bytes) -> Any:
        """Go on in the middle of a message that is held here."""
        held, missing, given = self._held, self._missing, len(data)
        if not given:
            return fine
        left = room(self._queue)
        if left < 0:
            self._held = None
            return stop(self, b"".join([*held, data]), 0)
        if given < missing:
            held.append(data)
            self._missing = missing - given
            if len(held) - self._joined > most_pieces:
                held[self._joined :] = [b"".join(held[self._joined :])]
                self._joined += 1
            return fine
        held.append(view(data)[:missing])
        first = held[0]
        if first[:2] == large_binary and len(first) >= 10 and int.from_bytes(first[2:10], "big") >= large:
            held[0] = view(first)[10:]
            payload = b"".join(held)
            self._put(new(message_type, (binary, payload, "")), len(payload))
        else:
            begun = b"".join(held)
            messages, _, _, needed = self._parse(begun, 0, left)
            if needed:
                hold(self, begun, needed)
                return feed_held(self, data[missing:])
            if not messages:
                held.pop()
                return give_up(self, data)
            self._put(*messages[0])
        self._held, self._free = None, True
        if missing == given:
            return fine
        return take(self, data, missing)

    def give_up(self: Any, data: bytes) -> Any:
        """The C code tells what is wrong."""
        held, self._held, self._free = self._held, None, False
        self._pause = 0
        return self._plain.feed_data(b"".join([*held, data]))

    return feed_data


class _OurSeam(Seam):
    """A seam in a class that is ours: no module of the host knows it by its name."""

    def in_use(self) -> bool:
        return True


def _reader_seams(package: ModuleType, backend: ModuleType) -> list[Seam]:
    """Our reader in every module that has imported the host's by name, and the ``feed_data`` of it."""
    place = Seam.find(package, "_websocket.reader.WebSocketReader")
    source = sys.modules["aiohttp._websocket.reader_py"]
    plain, queue = place.current(), _own_queue()
    layout = _State(source, queue(None, 2**16, loop=None))
    reader = _new_reader(plain, layout, source, backend)
    feed = _OurSeam(f"{place.path}.feed_data", reader, "feed_data", _make_feed_compiled(plain, layout, source))
    _check_reader(reader, feed.replacement, layout)
    return [feed, *[each.with_replacement(reader) for each in (place, *place.elsewhere(package))]]


def _own_queue() -> Any:
    """The host's compiled queue, where a program may have put a class derived from it."""
    queue = getattr(sys.modules.get("aiohttp._websocket.reader_c"), "WebSocketDataQueue", None)
    if not isinstance(queue, type) or queue.__module__ != "aiohttp._websocket.reader_c":
        raise HostError("aiohttp's compiled queue is not where it should be")
    return queue


def _check_reader(reader: type[Any], feed: Any, layout: _State) -> None:
    """Let our reader read messages, cut in two, around a message that the C code reads.

    Raises:
        HostError: the C code is not where it should be, or something else comes out.
    """
    probe, queue = reader(*layout.arguments), layout.arguments[0]
    stages = []
    for piece in (
        b"\x81\x03a\xc3",
        b"\xa9" + b"\x82\x01b" * 3,
        b"\x01\x01a",
        b"\x80\x01b\x81",
        b"",
        b"\x01c\x81\x01d\x81",
    ):
        try:
            feed(probe, piece)
        except Exception as error:
            raise HostError(f"aiohttp's reader cannot be read: {error}") from error
        where, failed, header, begun, opcode = layout.progress(probe._plain.__reduce_cython__()[2])
        stages.append((where, failed, header, bytes(begun), opcode, len(queue._buffer)))
    expected = [
        (1, None, b"", b"", -1, 0),
        (1, None, b"", b"", -1, 4),
        (1, None, b"", b"a", 1, 4),
        (1, None, b"\x81", b"", -1, 5),
        (1, None, b"\x81", b"", -1, 5),
        (1, None, b"\x81", b"", -1, 7),
    ]
    told = [(message[1], size) for message, size in queue._buffer]
    if stages != expected or told != [("aé", 3), *[(b"b", 1)] * 3, ("ab", 2), ("c", 1), ("d", 1)]:
        raise HostError("aiohttp's reader does not read as expected")


# The Python reader ----------------------------------------------------------------------------------------------------


def _make_mask(plain: FunctionType, backend: ModuleType) -> Any:
    mask_inplace, plain_mask = backend.mask_inplace, plain

    def _websocket_mask_python(mask: Any, data: Any) -> Any:
        if type(data) is bytearray and type(mask) is bytes and len(mask) == 4:
            mask_inplace(data, mask)
        else:
            plain_mask(mask, data)

    return _websocket_mask_python


def _make_feed_data(plain: FunctionType, _: ModuleType) -> Any:
    """Reads whole data frames from what has come, and leaves the rest to the host: that knows how to wait for more."""
    plain_feed, length_from, whole_messages = plain, int.from_bytes, (0x81, 0x82)
    sizes = {126: 2, 127: 8}
    # Since 3.14.4 a queue that is full holds the reader up.
    stalls = "_stalled_reader" in plain.__code__.co_names

    def _feed_data(self: Any, data: Any) -> None:
        if stalls:
            self.queue._stalled_reader = None
        if self._tail:
            data, self._tail = self._tail + data, b""
        start, end = 0, len(data)
        if self._state == READ_PAYLOAD and 0 < self._payload_bytes_to_read <= end:
            # The end of a frame that has begun.
            start = self._payload_bytes_to_read
            plain_feed(self, data[:start])
        queue, limit = self.queue, self._max_msg_size
        most = queue._limit
        while (
            end - start >= 2
            and data[start] in whole_messages
            and self._state == READ_HEADER
            and queue._size <= most
            and not self._partial
            and (self._frame_fin or self._compressed == COMPRESSED_NOT_SET)
        ):
            opcode, second = data[start] & 0x0F, data[start + 1]
            # How many bytes the length has of its own.
            size = sizes.get(second & 0x7F, 0)
            first = start + 2 + size
            if first > end:
                break
            length = length_from(data[first - size : first], "big") if size else second & 0x7F
            masked = second & 0x80
            if masked:
                first += 4
            last = first + length
            if last > end or (limit and length >= limit):
                break
            payload = data[first:last]
            if masked:
                payload = bytearray(payload)
                websocket_mask(data[first - 4 : first], payload)
            start = last
            self._frame_fin, self._frame_opcode, self._compressed = True, opcode, COMPRESSED_FALSE
            self._handle_frame(True, opcode, payload, COMPRESSED_FALSE)
        plain_feed(self, data[start:] if start else data)

    return _feed_data


def _make_handle_frame(plain: FunctionType, backend: ModuleType) -> Any:
    plain_handle, text = plain, 1
    # The pure twin has nothing faster than what the host does.
    decode_text = _decode if _is_pure(backend) else backend.decode_text

    def _handle_frame(self: Any, fin: Any, opcode: Any, payload: Any, compressed: Any) -> None:
        limit = self._max_msg_size
        size = len(payload)
        if (
            opcode == text
            and fin
            and not compressed
            and not self._partial
            and not (limit and size >= limit)
            and getattr(self, "_decode_text", True)
        ):
            try:
                content = decode_text(payload)
            except ValueError:
                pass  # the host's own decoder tells what is wrong
            else:
                self.queue.feed_data(TUPLE_NEW(WSMessage, (WS_MSG_TYPE_TEXT, content, "")), size)
                return
        plain_handle(self, fin, opcode, payload, compressed)

    return _handle_frame


def _decode(data: bytes | bytearray) -> str:
    return data.decode()


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
# Not with the pure twin, which is slower than the host.
_REPLACED_NATIVE: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "client_ws.ClientWebSocketResponse.send_str": _make_send_str,
}
_REPLACED_WRITER: Final = "_websocket.writer.WebSocketWriter._write_websocket_frame"
# Where aiohttp runs without its extensions.
_REPLACED_PYTHON: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "_websocket.reader_py.WebSocketReader._feed_data": _make_feed_data,
    "_websocket.reader_py.WebSocketReader._handle_frame": _make_handle_frame,
}
# In ``aiohttp.web``, which a client does not import.
_REPLACED_WEB: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "web_ws.WebSocketResponse.send_str": _make_send_str,
}


def _is_pure(backend: ModuleType) -> bool:
    return bool(backend.kernel_name() == "none")


def _seams(backend: ModuleType) -> list[Seam]:
    package = sys.modules["aiohttp"]
    check_shape(package, _KNOWN)
    reader = sys.modules["aiohttp._websocket.reader"].WebSocketReader
    in_python = isinstance(vars(reader).get("_feed_data"), FunctionType)
    masks = _mask_seams(package, backend) if in_python else []
    seams: list[Seam] = []
    if not _is_pure(backend):
        seams += make_seams(package, {}, _REPLACED_NATIVE, backend)
        writer = sys.modules["aiohttp._websocket.writer"].WebSocketWriter
        if hasattr(writer, "_write_websocket_frame"):
            make = functools.partial(_make_write_frame, _usual_mask(masks))
            seams += make_seams(package, _KNOWN_WRITER, {_REPLACED_WRITER: make}, backend)
    if in_python:
        seams += [*make_seams(package, {}, _REPLACED_PYTHON, backend), *masks]
    elif not _is_pure(backend):
        seams += _reader_seams(package, backend)
    return seams


def _mask_seams(package: ModuleType, backend: ModuleType) -> list[Seam]:
    """The Python mask under both of its names."""
    own = Seam.find(package, "_websocket.helpers._websocket_mask_python")
    used = Seam.find(package, "_websocket.helpers.websocket_mask")
    plain = own.current()
    replacement = rebase(_make_mask(plain, backend), plain)
    places = [own] if used.current() is not plain else [own, used, *used.elsewhere(package)]
    return [place.with_replacement(replacement) for place in places]


def _usual_mask(masks: list[Seam]) -> Any:
    """What the host's writer masks with, unless somebody has put something else there.

    Args:
        masks: the seams of the Python mask, where it is replaced.
    """
    compiled = getattr(sys.modules.get("aiohttp._websocket.mask"), "_websocket_mask_cython", None)
    if compiled is not None:
        return compiled
    return masks[0].replacement if masks else sys.modules["aiohttp._websocket.helpers"]._websocket_mask_python


def _web_seams(backend: ModuleType) -> list[Seam]:
    package = sys.modules["aiohttp"]
    if _is_pure(backend):
        return []
    seams = make_seams(package, _KNOWN_WEB, _REPLACED_WEB, backend)
    replacement = sys.modules["aiohttp._websocket.reader"].WebSocketReader
    if replacement in _ours:
        place = Seam.find(package, "web_ws.WebSocketReader")
        if place.current() is replacement:
            # Imported by name after it was replaced: what it goes back to is the host's own.
            place.put(replacement.__base__)
        seams.append(place.with_replacement(replacement))
    return seams


HOST: Final = Host(
    name="aiohttp",
    distribution="aiohttp",
    package="aiohttp",
    tried="3.11.18 to 3.14.5",
    depth="frame",
    replaces=(
        *[f"aiohttp.{path}" for path in (*_REPLACED_NATIVE, _REPLACED_WRITER, *_REPLACED_WEB)],
        "aiohttp._websocket.reader.WebSocketReader",
    ),
    cannot_reach="the queue, zlib, messages in fragments, and all that a connection with compression receives",
    seams=_seams,
    modules=("aiohttp", "aiohttp._websocket.reader_py"),
    parts={"aiohttp.web_ws": _web_seams},
)
