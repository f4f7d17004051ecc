"""aiohttp: text to and from UTF-8, frame building; and its reader, as far as that can be reached.

Tried with 3.11.18, 3.12.15, 3.13.5 and 3.14.0 to 3.14.5, as installed and with ``AIOHTTP_NO_EXTENSIONS=1``. The tables
at the end of this file list what is replaced, and ``_KNOWN`` what the replacements rely on.
``fastws.restore("aiohttp")`` undoes it, also for connections that are open; a connection that was opened before
``accelerate`` keeps its reader.

aiohttp reads and masks in C, and its C code cannot be changed from outside. What can be done is to stand between a
connection and its reader: see ``_new_reader``. Large text is decoded there, and pieces of large frames are not copied;
everything else goes through the C code, which is as fast. Where aiohttp runs without its extensions, its Python reader
is replaced in place, mask included. The pure twin is slower than aiohttp's C code, which it leaves alone.

Out of reach: the C reader's work for each frame, its queue, zlib, and text that is fragmented or compressed. A frame
over 16 KiB that is not masked stays two writes, as the host's tests demand. Before 3.13.2 ``send_frame`` builds its
frames itself, and keeps doing so.
"""

from __future__ import annotations

import inspect
import sys
from operator import itemgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, ref

from .host import Host, HostError, Seam
from .rebase import rebase
from .seams import make_seams
from .shape import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
ClientConnectionResetError: Any = None
COMPRESSED_FALSE: Any = None
COMPRESSED_NOT_SET: Any = None
MSG_SIZE: Any = None
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


def _make_write_frame(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, payloads, plain_write = backend.encode_frame, (bytes, bytearray), plain
    data_opcodes, control_opcodes, largest_control = (1, 2), (8, 9, 10), 125

    def _write_websocket_frame(self: Any, message: Any, opcode: Any, rsv: Any) -> Any:
        if (
            rsv != 0
            or type(message) not in payloads
            or not isinstance(opcode, int)
            or not (opcode in data_opcodes or (opcode in control_opcodes and len(message) <= largest_control))
        ):
            return plain_write(self, message, opcode, rsv)
        transport = self.transport
        if self.use_mask:
            if transport.is_closing():
                raise ClientConnectionResetError("Cannot write to closing transport")
            frame = encode_frame(opcode, message, key=PACK_RANDBITS(self.get_random_bits()))
        elif len(message) > MSG_SIZE:
            return plain_write(self, message, opcode, rsv)
        else:
            if transport.is_closing():
                raise ClientConnectionResetError("Cannot write to closing transport")
            frame = encode_frame(opcode, message)
        transport.write(frame)
        self._output_size += len(frame)
        return None

    return _write_websocket_frame


# The compiled reader --------------------------------------------------------------------------------------------------

# Text of fewer bytes is left to the C code, and so is a read of fewer, unless it may end such a text.
_LARGE: Final = 2048
# First bytes of frames that are a message, or a control frame.
_WHOLE: Final = frozenset((0x81, 0x82, 0x88, 0x89, 0x8A))
# After so many frames that are not large text, or mostly ASCII, a read is not looked through any more; and after a read
# that had nothing else, not the next ones: one, then three, then seven, up to so many. Of reads of
# so many bytes every fourth is looked at in any case.
_MOST_DULL: Final = 2
_LONGEST_PAUSE: Final = 63
_NOT_PAUSED: Final = 32 * 1024
# A read of so many bytes in the middle of a frame is kept as it is, while there are fewer than so many pieces.
_READ: Final = 16 * 1024
_PIECES: Final = 512

# What `WebSocketReader.feed_data` returns where nothing is wrong.
_FINE: Final = (False, b"")

# Classes that have stood, or stand, in the place of the host's reader.
_ours: Final[WeakSet[type[Any]]] = WeakSet()


def _new_reader(plain: type[Any], layout: _State) -> type[Any]:
    """A subclass of the compiled reader, to stand in its place.

    The C code is slower in a subclass: for every frame it asks whether its methods are overridden. So an object of this
    class has a reader of the host's own class do the work, for the same queue. What is gained, is gained in a
    ``feed_data`` that is put here as a seam, see ``_make_feed_compiled``. Classes derived from this one are as classes
    derived from the host's.
    """

    class WebSocketReader(plain):  # type: ignore[misc]
        # _plain: does the work, or None. _queue: where messages go. _limit: bytes that a message must not reach, 0
        # where text is not decoded. _large: whether the last read was. _pause: reads that are not looked through;
        # _pauses: how many these were at first.
        __slots__ = ("_large", "_limit", "_pause", "_pauses", "_plain", "_queue")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            given = dict(zip(("queue", "max_msg_size", "compress", "decode_text"), args, strict=False)) | kwargs
            self._plain = plain(*args, **kwargs) if type(self) is WebSocketReader else None
            if self._plain is not None and layout.own_reference is not None:
                # A queue that is full remembers the reader that has to go on later: this one.
                state = list(self._plain.__reduce_cython__()[2])
                state[layout.own_reference] = ref(self)
                self._plain.__setstate_cython__(tuple(state))
            self._queue = given["queue"]
            self._limit = (given["max_msg_size"] or sys.maxsize) if given.get("decode_text", True) else 0
            self._large = False
            self._pause = self._pauses = 0

        def feed_data(self, data: Any) -> Any:
            return plain.feed_data(self, data) if self._plain is None else self._plain.feed_data(data)

    for function in (WebSocketReader.__init__, WebSocketReader.feed_data):
        function.__qualname__ = f"{plain.__qualname__}.{function.__name__}"
        function.__module__ = plain.__module__
    WebSocketReader.__qualname__ = plain.__qualname__
    WebSocketReader.__module__ = plain.__module__
    WebSocketReader.__doc__ = plain.__doc__
    _ours.add(WebSocketReader)
    return WebSocketReader


class _State:
    """Where a compiled reader is in the stream, as Cython tells it for pickling: all fields, in their order.

    Nothing but the reader's own methods changes it, so what is read stays true until one of them is called.

    Attributes:
        arguments: what makes a reader.
        progress: gives the fields of ``_PROGRESS`` from a state.
        frame: gives those of ``_FRAME``.
        own_reference: index of the field by which a queue finds the reader, or None.
        is_full: whether a queue is so full that the reader stops until messages are taken from it.
    Raises:
        HostError: the reader has other fields.
    """

    def __init__(self, source: ModuleType, queue: Any) -> None:
        options = inspect.signature(source.WebSocketReader).parameters
        stops = "_stalled_reader" in source.WebSocketReader._feed_data.__code__.co_names
        self.is_full = _is_full if stops else _is_never_full
        self.arguments = (queue, 2**20, False, *([True] if "decode_text" in options else []))
        # The class in the Python source has the same fields as the one that is compiled from it.
        names = sorted(vars(source.WebSocketReader(*self.arguments)))
        self.own_reference = names.index("_weak_self") if "_weak_self" in names else None
        try:
            self.progress = itemgetter(*map(names.index, _PROGRESS))
            self.frame = itemgetter(*map(names.index, _FRAME))
            self._changed = tuple(map(names.index, _CHANGED))
        except ValueError as error:
            raise HostError(f"aiohttp's reader has other fields: {error}") from error

    def changed(self, state: tuple[Any, ...], *values: Any) -> tuple[Any, ...]:
        """A state with other values in the fields of ``_CHANGED``, or in the first of them."""
        fields = list(state)
        for index, value in zip(self._changed, values, strict=False):
            fields[index] = value
        return tuple(fields)


def _is_full(queue: Any) -> bool:
    full: bool = queue._size > queue._limit
    return full


def _is_never_full(_: Any) -> bool:
    """Before 3.14.4 a reader never stops."""
    return False


# Where the reader stopped, its error, bytes of a header, bytes and opcode of a message that has begun.
_PROGRESS: Final = ("_state", "_exc", "_tail", "_partial", "_opcode")
# The frame whose payload is being read: what has come of it, and the lengths of that and of the rest.
_FRAME: Final = (
    "_frame_opcode",
    "_frame_fin",
    "_compressed",
    "_payload_fragments",
    "_frame_payload_len",
    "_payload_bytes_to_read",
    "_has_mask",
    "_frame_mask",
)
_CHANGED: Final = ("_frame_payload_len", "_payload_bytes_to_read", "_state")


def _make_feed_compiled(plain: type[Any], layout: _State, source: ModuleType, backend: ModuleType) -> Any:
    """A ``feed_data`` that decodes large text itself: the end of a frame, and whole frames that a read brings.

    Everything else goes through the C code, which is always asked where it is before something is kept from it.
    """
    plain_feed, progress, is_full = plain.feed_data, layout.progress, layout.is_full
    in_header, in_payload, nothing_begun = source.READ_HEADER, source.READ_PAYLOAD, source.OP_CODE_NOT_SET
    read_payload, take_texts = _make_read_payload(layout, source, backend), _make_take_texts(layout, source, backend)
    large, not_paused = _LARGE, _NOT_PAUSED

    def feed_data(self: Any, data: Any) -> Any:
        reader = self._plain
        if reader is None:
            return plain_feed(self, data)
        size = len(data)
        if size < large and not self._large:
            return reader.feed_data(data)
        self._large = size >= large
        if self._pause:
            self._pause -= 1
            if size < not_paused or self._pause % 4:
                return reader.feed_data(data)
        state = reader.__reduce_cython__()[2]
        where, failed, header, begun, opcode = progress(state)
        if failed is not None or header or begun or opcode != nothing_begun or is_full(self._queue):
            return reader.feed_data(data)
        if type(data) is not bytes:
            data = bytes(data)
        if where == in_payload:
            return read_payload(self, data, state)
        return take_texts(self, data) if where == in_header else reader.feed_data(data)

    return feed_data


def _make_read_payload(layout: _State, source: ModuleType, backend: ModuleType) -> Any:
    new, frame, changed, text_of = tuple.__new__, layout.frame, layout.changed, _make_text_of(backend)
    take_texts, fine, in_header, text = _make_take_texts(layout, source, backend), _FINE, source.READ_HEADER, 1
    message_type, text_type, large, most_pieces, worth = source.WSMessage, source.WSMsgType.TEXT, _LARGE, _PIECES, _READ

    def read_payload(self: Any, data: bytes, state: tuple[Any, ...]) -> Any:
        """Go on where the payload of a frame is being read."""
        reader = self._plain
        opcode, fin, compressed, pieces, size, missing, masked, key = frame(state)
        given = len(data)
        if worth <= given < missing and len(pieces) < most_pieces:
            # The C code would copy it.
            pieces.append(data)
            reader.__setstate_cython__(changed(state, size + given, missing - given))
            return fine
        length = size + missing
        if missing > given or opcode != text or not fin or compressed or not large <= length < self._limit:
            return reader.feed_data(data)
        payload = b"".join([*pieces, data[:missing]])
        # The memory of the pieces may serve for the text.
        pieces.clear()
        content = text_of(payload, key if masked else None) if len(payload) == length else None
        if content is None:
            # The host's own decoder tells what is wrong.
            pieces.append(payload[: len(payload) - missing])
            return reader.feed_data(data)
        del payload
        reader.__setstate_cython__(changed(state, 0, 0, in_header))
        self._queue.feed_data(new(message_type, (text_type, content, "")), length)
        if not content.isascii():
            self._pause = self._pauses = 0
        return take_texts(self, data[missing:])

    return read_payload


def _make_take_texts(layout: _State, source: ModuleType, backend: ModuleType) -> Any:  # noqa: C901 (a call costs here)
    new, view, fine, frame_at, text_of = tuple.__new__, memoryview, _FINE, _frame_at, _make_text_of(backend)
    message_type, text_type, whole_text, whole = source.WSMessage, source.WSMsgType.TEXT, 0x81, _WHOLE
    large, most_dull, longest_pause, not_paused = _LARGE, _MOST_DULL, _LONGEST_PAUSE, _NOT_PAUSED
    is_full = layout.is_full

    def take_texts(self: Any, data: bytes) -> Any:  # noqa: C901
        """Decode the frames of large text that are whole in ``data``, and give all else to the C code."""
        reader, queue, limit, end = self._plain, self._queue, self._limit, len(data)
        if end == 0:
            return fine
        octets, put = view(data), queue.feed_data
        given = start = dull = found = 0
        while end - start >= large and dull < most_dull and not is_full(queue):
            first, key, payload, last = frame_at(data, start)
            if last > end or first not in whole:
                found += first == whole_text
                break
            if first != whole_text or not large <= last - payload < limit:
                dull += 1
            else:
                text = text_of(octets[payload:last], key)
                if text is None:
                    break  # the host's own decoder tells what is wrong
                # The C code decodes short text that is mostly ASCII as fast.
                extra = last - payload - len(text)
                if extra > (last - payload) >> 3 or (extra and last - payload >= not_paused):
                    found += 1
                    if given < start:
                        result = reader.feed_data(data[given:start])
                        if result[0]:
                            return result
                        given = start
                        if is_full(queue):
                            break
                else:
                    dull += 1
                # What is not worth it is dropped as long as the C code can be given all of the read, without a copy.
                if found and given == start:
                    put(new(message_type, (text_type, text, "")), last - payload)
                    given = last
            start = last
        self._pause = self._pauses = 0 if found else min(2 * self._pauses + 1, longest_pause)
        return reader.feed_data(data[given:]) if given < end else fine

    return take_texts


def _make_text_of(backend: ModuleType) -> Callable[[bytes | memoryview, bytes | None], str | None]:
    decode_text = backend.decode_text

    def text_of(payload: bytes | memoryview, key: bytes | None) -> str | None:
        try:
            text: str = decode_text(payload, key)
        except ValueError:
            return None
        return text

    return text_of


def _frame_at(data: bytes, start: int) -> tuple[int, bytes | None, int, int]:
    """The first byte of a frame, its key or None, where its payload begins and where it ends."""
    second, payload = data[start + 1], start + 2
    length = second & 0x7F
    if length == 126:
        length = data[payload] << 8 | data[payload + 1]
        payload += 2
    elif length == 127:
        length = int.from_bytes(data[payload : payload + 8], "big")
        payload += 8
    if second < 0x80:
        return data[start], None, payload, payload + length
    return data[start], data[payload : payload + 4], payload + 4, payload + 4 + length


class _OurSeam(Seam):
    """A seam in a class that is ours: no module of the host knows it by its name."""

    def in_use(self) -> bool:
        return True


def _reader_seams(package: ModuleType, backend: ModuleType) -> list[Seam]:
    """Our reader in every module that has imported the host's by name, and the ``feed_data`` of it."""
    place = Seam.find(package, "_websocket.reader.WebSocketReader")
    source = sys.modules["aiohttp._websocket.reader_py"]
    plain, queue = place.current(), sys.modules["aiohttp._websocket.reader"].WebSocketDataQueue(None, 2**16, loop=None)
    layout = _State(source, queue)
    reader = _new_reader(plain, layout)
    feed = _OurSeam(f"{place.path}.feed_data", reader, "feed_data", _make_feed_compiled(plain, layout, source, backend))
    _check_reader(reader, feed.replacement, layout)
    return [feed, *[each.with_replacement(reader) for each in (place, *place.elsewhere(package))]]


def _check_reader(reader: type[Any], feed: Any, layout: _State) -> None:
    """Let our reader read large text, cut in two, around a message that the C code reads.

    Raises:
        HostError: the C code is not where it should be, or something else comes out.
    """
    text = "é" * _LARGE
    frame = b"\x81\x7e" + len(text.encode()).to_bytes(2, "big") + text.encode()
    probe, queue = reader(*layout.arguments), layout.arguments[0]
    stages = []
    for piece in (frame[:-9], frame[-9:] + frame, b"\x01\x01a", b"\x80\x01b\x81", b"\x01c"):
        try:
            feed(probe, piece)
        except Exception as error:
            raise HostError(f"aiohttp's reader cannot be read: {error}") from error
        where, failed, header, begun, opcode = layout.progress(probe._plain.__reduce_cython__()[2])
        stages.append((where, failed, header, bytes(begun), opcode, len(queue._buffer)))
    expected = [
        (4, None, b"", b"", -1, 0),
        (1, None, b"", b"", -1, 2),
        (1, None, b"", b"a", 1, 2),
        (1, None, b"\x81", b"", -1, 3),
        (1, None, b"", b"", -1, 4),
    ]
    if stages != expected or [message[1] for message, _ in queue._buffer] != [text, text, "ab", "c"]:
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
_REPLACED_WRITER: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "_websocket.writer.WebSocketWriter._write_websocket_frame": _make_write_frame,
}
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
    seams: list[Seam] = []
    if not _is_pure(backend):
        seams += make_seams(package, {}, _REPLACED_NATIVE, backend)
        writer = sys.modules["aiohttp._websocket.writer"].WebSocketWriter
        if hasattr(writer, "_write_websocket_frame"):
            seams += make_seams(package, _KNOWN_WRITER, _REPLACED_WRITER, backend)
    reader = sys.modules["aiohttp._websocket.reader"].WebSocketReader
    if isinstance(vars(reader).get("_feed_data"), FunctionType):
        seams += make_seams(package, {}, _REPLACED_PYTHON, backend)
        seams += _mask_seams(package, backend)
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
        *[f"aiohttp.{path}" for path in (*_REPLACED_NATIVE, *_REPLACED_WRITER, *_REPLACED_WEB)],
        "aiohttp._websocket.reader.WebSocketReader",
    ),
    cannot_reach="the C reader's work for each frame, its queue and zlib; text that is fragmented or compressed",
    seams=_seams,
    modules=("aiohttp", "aiohttp._websocket.reader_py"),
    parts={"aiohttp.web_ws": _web_seams},
)
