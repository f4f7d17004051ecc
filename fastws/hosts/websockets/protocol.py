"""The sans-I/O connection: the loop that parses what was received, and frames sent."""

from __future__ import annotations

import sys
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError as CodecError
from ...frames import Role
from .deflate import make_deflate, make_inflate, make_only_extension
from .frames import LARGE, make_encoder, make_frame_parsers, system_keys
from .gathering import begins_large, gathering_reader
from .stand_in import StandIn, raising

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = [
    "make_protocol_parse",
    "make_receive_data",
    "make_send_binary",
    "make_send_continuation",
    "make_send_text",
]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
Frame: Any = None
Protocol: Any = None
OPEN: Any = None
SERVER: Any = None
CLIENT: Any = None

# The bit that opcodes of control frames have, and no others (RFC 6455 §5.5).
_CONTROL: Final = 0x08

# What stands for no limit; longer than any payload that can arrive.
_NO_LIMIT: Final = 2**63 - 1


# Receiving ------------------------------------------------------------------------------------------------------------


def make_protocol_parse(plain: FunctionType, backend: ModuleType) -> Any:
    module = sys.modules[plain.__module__]
    room, take = _make_room(module), _make_take(module, backend)
    largest_frame, _ = _limits(module)
    stand_in, failing, handed, control = StandIn, raising, _Handed, _CONTROL

    def parse(self: Any) -> Any:
        # While it waits, the host's parser has the last frame in hand. It matters where that is large: without it, the
        # allocator would give the memory back to the system, only to ask for it again with every message.
        failure = frame = None
        try:
            # Where the host was put back meanwhile, it goes on by itself.
            while Protocol.parse is not plain:
                buffer = self.reader.buffer
                if not buffer:
                    if self.reader.eof:
                        break
                    frame = yield
                    continue
                limit = -1 if buffer[0] & control else room(self)
                if limit >= 0:
                    del buffer[: take(self, buffer, limit)]
                    if not buffer:
                        continue
                frame = yield from Frame.parse(
                    self.reader.read_exact,
                    mask=self.side is SERVER,
                    max_size=largest_frame(self),
                    extensions=self.extensions,
                )
                if self.debug:
                    self.logger.debug("< %s", frame)
                self.recv_frame(frame)
        except Exception as error:
            failure = error.failure if type(error) is handed else error
        # What ends a connection is the host's: it finds the stream at its end, or meets the error.
        if failure is not None:
            self = stand_in(self, reader=stand_in(self.reader, at_eof=failing(failure)))
            del failure
        yield from plain(self)

    return parse


def make_receive_data(plain: FunctionType, backend: ModuleType) -> Any:
    """What arrives while nothing is in the buffer need not go through it."""
    receive, types, reads_as_bytes, handed = _make_receive(plain, backend), (bytes, bytearray), _reads_as_bytes, _Handed

    def receive_data(self: Any, data: Any) -> None:
        kind = type(data)
        if kind in types or (kind is memoryview and reads_as_bytes(data)):
            failure = None
            try:
                data = receive(self, data)
            except Exception as error:
                failure = handed(error)
            if failure is not None:
                # The parser meets it where it waits, as if it had taken the message itself.
                try:
                    self.parser.throw(failure)
                finally:
                    del failure  # a traceback and its exception would keep each other alive
                return
            if data is None:
                return
        plain(self, data)

    return receive_data


class _Handed(Exception):  # noqa: N818 (it is no error of its own)
    """Brings the parser an exception that was met outside of it, whose context it would replace with its own."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure


def _reads_as_bytes(view: memoryview) -> bool:
    """Whether a view is of bytes that stand one behind the other, and is not released."""
    try:
        return view.format == "B" and view.ndim == 1 and view.contiguous
    except ValueError:
        return False


def _make_receive(plain: Any, backend: ModuleType) -> Callable[[Any, Any], Any]:
    module: Any = sys.modules[plain.__module__]
    room, take, is_idle, header_size = _make_room(module), _make_take(module, backend), _is_idle, begins_large
    gathering, gather, held = gathering_reader(module.StreamReader), _make_gather(module), LARGE

    def receive(protocol: Any, data: Any) -> Any:
        """Take what was read, as far as the buffer of the reader is not needed for that.

        Returns: what is left for the buffer; None for nothing.
        """
        reader = protocol.reader
        if type(reader) is gathering and not reader.eof:
            data = gather(protocol, data)
            if data is None or type(reader) is gathering:
                return data
        if reader.buffer or not is_idle(protocol.parser) or reader.eof:
            return data
        limit = room(protocol)
        if limit >= 0:
            taken = take(protocol, data, limit)
            if taken and len(protocol.events[-1].data) >= held:
                protocol.parser.send(protocol.events[-1])
            if taken == len(data):
                return None
            if taken:
                data = memoryview(data)[taken:]
        size = header_size(data)
        if not size:
            return data
        # The parser takes the header from the buffer, and waits for the payload.
        plain(protocol, data[:size])
        rest = memoryview(data)[size:]
        return gather(protocol, rest) if type(reader) is gathering else rest

    return receive


def _make_gather(module: ModuleType) -> Callable[[Any, Any], Any]:
    receive_frame = vars(module)["Protocol"].recv_frame

    def gather(protocol: Any, data: Any) -> Any:
        """Keep what belongs to the payload that is waited for; once that is whole, the parser goes on.

        Returns: what is left; None for nothing.
        """
        gathering = protocol.reader.gathering
        missing, n = gathering.missing, len(data)
        # Who gets the frame may look at what stands behind it, and has to leave it there after an error of its own.
        if n > missing and (protocol.extensions or getattr(protocol.recv_frame, "__func__", None) is not receive_frame):
            return data
        if not gathering.add(data if n <= missing else memoryview(data)[:missing]):
            return data
        if n >= missing:
            next(protocol.parser)
        return memoryview(data)[missing:] if n > missing else None

    return gather


def _is_idle(parser: Any) -> bool:
    """Whether a parser is that of ``make_protocol_parse``, or waits for that, and waits for a frame to begin."""
    if type(parser) is not GeneratorType:
        return False
    inner = parser.gi_yieldfrom
    if inner is not None:
        if type(inner) is not GeneratorType or inner.gi_yieldfrom is not None:
            return False
        parser = inner
    return parser.gi_code.co_filename == _is_idle.__code__.co_filename and parser.gi_frame is not None


def _limits(module: ModuleType) -> tuple[Callable[[Any], int | None], Callable[[Any], int]]:
    """How large the payload of the next frame may be, and of one that is a whole message.

    The first is what the host calls ``max_size``, None for no limit. The second is -1 where the limit does not matter:
    inside of a fragmented message.
    """
    if "max_message_size" in module.Protocol.__init__.__code__.co_names:
        return _largest_frame, _largest_message
    return _largest_frame_of_15, _largest_message_of_15


def _largest_frame(protocol: Any) -> Any:
    limit, received, fragment = protocol.max_message_size, protocol.current_size, protocol.max_fragment_size
    if limit is not None and received is not None:
        limit -= received
    if fragment is not None:
        limit = fragment if limit is None else min(limit, fragment)
    return limit


def _largest_message(protocol: Any) -> int:
    if protocol.current_size is not None:
        return -1
    limit, fragment = protocol.max_message_size, protocol.max_fragment_size
    if fragment is not None and (limit is None or fragment < limit):
        limit = fragment
    return _as_limit(limit)


def _largest_frame_of_15(protocol: Any) -> Any:
    limit, received = protocol.max_size, protocol.cur_size
    return limit if limit is None or received is None else limit - received


def _largest_message_of_15(protocol: Any) -> int:
    return -1 if protocol.cur_size is not None else _as_limit(protocol.max_size)


def _as_limit(limit: Any) -> int:
    if limit is None:
        return _NO_LIMIT
    return min(limit, _NO_LIMIT) if type(limit) is int else -1


def _make_room(module: ModuleType) -> Callable[[Any], int]:
    host: Any = module
    frame_class, stream_reader, receive = host.Frame, host.StreamReader, host.Protocol.recv_frame
    _, largest_message = _limits(module)
    only_deflate = make_only_extension(host.__package__, "decode")

    def room(protocol: Any) -> int:
        """How large a message in one frame may be; -1 where the host has to look at each frame step by step."""
        if (
            protocol.debug
            or (protocol.extensions and only_deflate(protocol.extensions) is None)
            or getattr(protocol.recv_frame, "__func__", None) is not receive
            or type(protocol.reader) is not stream_reader
            or type(protocol.events) is not list
            or host.Frame is not frame_class
        ):
            return -1
        return largest_message(protocol)

    return room


def _make_take(module: ModuleType, backend: ModuleType) -> Callable[[Any, Any, int], int]:
    host: Any = module
    frame_class, new, client = host.Frame, object.__new__, host.CLIENT
    frames = sys.modules[frame_class.__module__]
    text, binary, text_opcode, compressed = frames.Opcode.TEXT, frames.Opcode.BINARY, 1, 0x40
    _, parse_messages = make_frame_parsers(frames, backend)
    client_role, server_role, codec_error = Role.CLIENT, Role.SERVER, CodecError
    (largest_frame, _), inflate = _limits(module), make_inflate(host.__package__)

    def take(protocol: Any, data: Any, limit: int) -> int:
        """Give the messages at the start of the data as events, up to what is not one in one frame.

        Returns: how many bytes they had.
        Raises: what the host raises where one cannot be inflated; those before it are given.
        """
        extensions = protocol.extensions
        max_size = largest_frame(protocol) if extensions else None
        try:
            if protocol.side is client:
                messages = parse_messages(
                    data,
                    role=client_role,
                    max_frame_size=limit,
                    payload_as="bytearray",
                    minimal_length=False,
                    rsv1=bool(extensions),
                )
            else:
                messages = parse_messages(
                    data, role=server_role, max_frame_size=limit, minimal_length=False, rsv1=bool(extensions)
                )
        except codec_error:
            return 0
        end, append = 0, protocol.events.append
        for first, payload, _, end in messages:  # noqa: B007 (the last one is returned)
            opcode = text if first & text_opcode else binary
            frame: Any = new(frame_class)
            frame.opcode = opcode
            frame.data = inflate(extensions[0], opcode, payload, max_size) if first & compressed else payload
            frame.fin = True
            frame.rsv1 = False
            frame.rsv2 = False
            frame.rsv3 = False
            append(frame)
        return end

    return take


# Sending --------------------------------------------------------------------------------------------------------------


def make_send_text(plain: FunctionType, backend: ModuleType) -> Any:
    return _make_send(plain, backend, opcode=1)


def make_send_binary(plain: FunctionType, backend: ModuleType) -> Any:
    return _make_send(plain, backend, opcode=2)


def make_send_continuation(plain: FunctionType, backend: ModuleType) -> Any:
    return _make_send(plain, backend, opcode=0)


def _make_send(plain: FunctionType, backend: ModuleType, *, opcode: int) -> Any:
    module = sys.modules[plain.__module__]
    frames = sys.modules[f"{module.__package__}.frames"]
    encode_frame, new_key, drawn = make_encoder(frames, backend), backend.new_key, system_keys(frames)
    send_frame, continuing, frame_class = module.Protocol.send_frame, opcode == 0, module.Frame
    package = str(module.__package__)
    only_deflate, deflate = make_only_extension(package, "encode"), make_deflate(package)

    def send(self: Any, data: Any, fin: Any) -> Any:
        is_client = self.side is CLIENT
        extension = only_deflate(self.extensions) if self.extensions else None
        if not (
            self._state is OPEN
            and self.expect_continuation_frame is continuing
            and not self.debug
            and (not self.extensions or (extension is not None and not extension.local_no_context_takeover))
            and (type(data) is bytes or type(data) is bytearray)
            and getattr(self.send_frame, "__func__", None) is send_frame
            and Frame is frame_class
            and (not is_client or frames.secrets.token_bytes is drawn)
        ):
            return plain(self, data, fin)
        self.expect_continuation_frame = not fin
        if extension is not None:
            data = deflate(extension, data, fin)
            key = new_key() if is_client else None
            self.writes.append(encode_frame(opcode, data, fin=fin, rsv1=not continuing, key=key))
            return None
        key = new_key() if is_client else None
        self.writes.append(encode_frame(opcode, data, key=key) if fin else encode_frame(opcode, data, fin=fin, key=key))
        return None

    return send
