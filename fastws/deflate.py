"""permessage-deflate (RFC 7692): what two sides agree on, and the messages that they compress.

``Deflate`` says what this side wants; the handshake makes ``Parameters`` of it that both sides agree on, and these a
``PerMessageDeflate`` for each connection. Memory is taken when the first message is compressed or inflated, so an idle
connection has none of it. Then it is, in bytes and by zlib's own account,

    to compress   4 * 2**window_bits + 512 * 2**memory_level + 6,000
    to inflate    2**peer_window_bits + 7,000

kept from message to message with context takeover, given back after each message without it. The defaults come to
44 KiB for a connection that uses both directions; zlib's own (15 bits, memory level 8) to 300 KiB.

zlib-ng and isal do the same faster where they are installed and asked for: other bytes on the wire, the same messages.
What is resident for a connection with the defaults was 40 KiB with zlib, 80 KiB with zlib-ng and 60 KiB with isal.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .errors import Fault, protocol_error
from .frames import MAX_PAYLOAD, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    #: What stands behind the name of an extension: parameters with and without a value.
    RawParameters: TypeAlias = Sequence[tuple[str, str | None]]

__all__ = ["ENGINES", "EXTENSION", "Deflate", "Parameters", "PerMessageDeflate"]

#: The name of the extension in a handshake (RFC 7692 §7).
EXTENSION: Final = "permessage-deflate"

#: What can do the work, by the name it is asked for: the module, its own choice of a level, and its best one.
ENGINES: Final[dict[str, tuple[str, int, int]]] = {
    "zlib": ("zlib", -1, 9),
    "zlib-ng": ("zlib_ng.zlib_ng", -1, 9),
    "isal": ("isal.isal_zlib", 2, 3),
}

# An empty block without compression: what a sync flush ends with, and a sender leaves out (RFC 7692 §7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
_EMPTY_BLOCK: Final = b"\x00" + _TAIL

# Streams that may end within one message (RFC 7692 §7.2.3.5). Each costs a new inflater and a copy of what is left.
_MAX_FINAL_BLOCKS: Final = 16

# zlib cannot write a raw stream with a window of 2**8 bytes, though it can read one.
_WINDOW_BITS: Final = range(9, 16)
_ANY_WINDOW_BITS: Final = {str(bits): bits for bits in range(8, 16)}


@dataclass(frozen=True)
class Parameters:
    """The four parameters of an offer or of an answer (RFC 7692 §7.1).

    Attributes:
        server_no_context_takeover: the server forgets its window after each message.
        client_no_context_takeover: so does the client.
        server_max_window_bits: the window of the server has 2**8 to 2**15 bytes; None where that is not told.
        client_max_window_bits: the same of the client; 0, in an offer only, where the client lets the server choose.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None

    @classmethod
    def parse(cls, parameters: RawParameters, *, is_offer: bool) -> Parameters:
        """Read what a header says.

        Raises:
            ValueError: a parameter is unknown, there twice, or has a wrong value.
        """
        values: dict[str, Any] = {}
        for name, value in parameters:
            if name in values:
                raise ValueError(f"parameter {name} of {EXTENSION} is there twice")
            values[name] = _value(name, value, is_offer=is_offer)
        return cls(**values)

    def format(self) -> str:
        """What stands in a header, the name of the extension first."""
        words = [EXTENSION]
        words += [name for name in ("server_no_context_takeover", "client_no_context_takeover") if getattr(self, name)]
        for name in ("server_max_window_bits", "client_max_window_bits"):
            bits = getattr(self, name)
            if bits is not None:
                words.append(f"{name}={bits}" if bits else name)
        return "; ".join(words)


def _value(name: str, value: str | None, *, is_offer: bool) -> bool | int:
    """The value of one parameter, if it may stand there."""
    if name in ("server_no_context_takeover", "client_no_context_takeover"):
        if value is None:
            return True
    elif name in ("server_max_window_bits", "client_max_window_bits"):
        if value is None and is_offer and name == "client_max_window_bits":
            return 0
        if value in _ANY_WINDOW_BITS:
            return _ANY_WINDOW_BITS[value]
    else:
        raise ValueError(f"parameter {name} of {EXTENSION} is unknown")
    raise ValueError(f"parameter {name} of {EXTENSION} cannot be {value!r}")


@dataclass(frozen=True)
class Deflate:
    """What this side wants of permessage-deflate, as a client or as a server.

    Attributes:
        window_bits: the window for what this side sends has at most 2**9 to 2**15 bytes.
        peer_window_bits: what the peer is asked to be content with.
        context_takeover: whether this side keeps its window from message to message, which makes small messages
            smaller and costs the memory all the time.
        peer_context_takeover: whether the peer may.
        memory_level: 1 to 9; more is faster and a little smaller.
        level: 0 (stored) to 9, with isal to 3, the smallest; None for what the engine finds right.
        threshold: messages of fewer bytes are sent as they are.
        engine: "zlib", "zlib-ng" or "isal".

    Raises:
        ValueError: one of them is out of range.
        ModuleNotFoundError: the engine is not installed.
    """

    window_bits: int = 12
    peer_window_bits: int = 12
    context_takeover: bool = True
    peer_context_takeover: bool = True
    memory_level: int = 5
    level: int | None = None
    threshold: int = 64
    engine: str = "zlib"

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(f"engine is one of {', '.join(ENGINES)}, not {self.engine!r}")
        _within(self.window_bits, _WINDOW_BITS, "window_bits")
        _within(self.peer_window_bits, _WINDOW_BITS, "peer_window_bits")
        _within(self.memory_level, range(1, 10), "memory_level")
        if self.level is not None:
            _within(self.level, range(ENGINES[self.engine][2] + 1), "level")
        if self.threshold < 0:
            raise ValueError(f"threshold is 0 or more, not {self.threshold}")
        importlib.import_module(ENGINES[self.engine][0])

    def offer(self) -> Parameters:
        """What a client proposes (RFC 7692 §7.1)."""
        return Parameters(
            server_no_context_takeover=not self.peer_context_takeover,
            client_no_context_takeover=not self.context_takeover,
            server_max_window_bits=self.peer_window_bits if self.peer_window_bits < 15 else None,
            client_max_window_bits=self.window_bits if self.window_bits < 15 else 0,
        )

    def answer(self, offers: Iterable[RawParameters]) -> Parameters | None:
        """What a server says to a client's offers, best first: it takes the first one that it can (RFC 7692 §5).

        Returns: None where there is none; the connection then goes without compression.
        """
        for raw in offers:
            try:
                offer = Parameters.parse(raw, is_offer=True)
            except ValueError:
                continue
            if offer.server_max_window_bits is None or offer.server_max_window_bits in _WINDOW_BITS:
                return self._accept(offer)
        return None

    def _accept(self, offer: Parameters) -> Parameters:
        server_bits = min(self.window_bits, offer.server_max_window_bits or 15)
        client_bits = None
        if offer.client_max_window_bits is not None:
            client_bits = min(self.peer_window_bits, offer.client_max_window_bits or 15)
        return Parameters(
            server_no_context_takeover=offer.server_no_context_takeover or not self.context_takeover,
            client_no_context_takeover=offer.client_no_context_takeover or not self.peer_context_takeover,
            server_max_window_bits=server_bits if server_bits < 15 or offer.server_max_window_bits else None,
            client_max_window_bits=client_bits if client_bits != 15 else None,
        )

    def check(self, raw: RawParameters) -> Parameters:
        """What a server has answered to ``offer()``, if it may (RFC 7692 §7.1).

        Raises:
            ValueError: it is malformed, goes past the offer, or asks for what cannot be done here.
        """
        offer, answer = self.offer(), Parameters.parse(raw, is_offer=False)
        if offer.server_no_context_takeover and not answer.server_no_context_takeover:
            raise ValueError("the server keeps its context against what was asked")
        if offer.server_max_window_bits and (answer.server_max_window_bits or 16) > offer.server_max_window_bits:
            raise ValueError("the server's window is larger than what was asked")
        bits = answer.client_max_window_bits
        if bits is not None and (bits not in _WINDOW_BITS or bits > (offer.client_max_window_bits or 15)):
            raise ValueError(f"the server asks for a window of {bits} bits")
        return answer

    def agree(self, role: Role, agreed: Parameters) -> PerMessageDeflate:
        """The compression of one connection, as the local side that has this role."""
        return PerMessageDeflate(self, role, agreed)


def _within(number: int, allowed: range, name: str) -> None:
    if number not in allowed:
        raise ValueError(f"{name} is {allowed[0]} to {allowed[-1]}, not {number}")


class PerMessageDeflate:
    """Compresses and inflates the messages of one connection.

    Attributes:
        agreed: the parameters, as the server has sent them.
        threshold: messages of fewer bytes should be sent as they are.
    """

    __slots__ = (
        "_compressor",
        "_engine",
        "_forgets",
        "_inflater",
        "_level",
        "_memory_level",
        "_peer_forgets",
        "_peer_window_bits",
        "_size",
        "_window_bits",
        "agreed",
        "threshold",
    )

    def __init__(self, wanted: Deflate, role: Role, agreed: Parameters) -> None:
        server = agreed.server_no_context_takeover, agreed.server_max_window_bits
        client = agreed.client_no_context_takeover, agreed.client_max_window_bits
        (forgets, bits), (self._peer_forgets, peer_bits) = (client, server) if role is Role.CLIENT else (server, client)
        self._forgets = forgets or not wanted.context_takeover
        self._window_bits = min(wanted.window_bits, bits or 15)
        self._peer_window_bits = peer_bits or 15
        module, level, _ = ENGINES[wanted.engine]
        self._level = level if wanted.level is None else wanted.level
        self._memory_level = wanted.memory_level
        self._engine: Any = importlib.import_module(module)
        self._compressor: Any = None
        self._inflater: Any = None
        # Bytes inflated of a message that is not complete.
        self._size = 0
        self.agreed = agreed
        self.threshold = wanted.threshold

    def compress(self, data: bytes, fin: bool = True) -> bytes:
        """Compress a message, or its next fragment.

        Args:
            data: n bytes.
            fin: whether the message ends with them.
        Returns: the payload of a frame (RFC 7692 §7.2.1), never empty.
        """
        compressor = self._compressor
        if compressor is None:
            compressor = self._compressor = self._new_compressor()
        payload: bytes = compressor.compress(data) + compressor.flush(self._engine.Z_SYNC_FLUSH)
        # A flush of nothing, right after another one, gives nothing.
        payload = payload or _EMPTY_BLOCK
        if not fin:
            return payload
        if self._forgets:
            self._compressor = None
        return payload[:-4]

    def inflate(self, payload: bytes, limit: int, fin: bool = True, frame_limit: int = MAX_PAYLOAD) -> bytes:
        """Inflate a message, or its next fragment.

        Args:
            payload: as it came in the frames (RFC 7692 §7.2.2).
            limit: how many bytes the message may come to. One more is asked for and no others, whatever they would
                come to.
            fin: whether the message ends with it.
            frame_limit: how many of them ``payload`` may come to.
        Raises:
            SizeError: it would be more.
            DeflateError: it does not inflate, or ends inside a block. The connection cannot go on.
        """
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = self._engine.decompressobj(-self._peer_window_bits)
        left = limit - self._size
        most = min(left, frame_limit, sys.maxsize - 1) + 1
        try:
            data: bytes = inflater.decompress(payload, most)
            if inflater.eof:
                data, payload = self._inflate_on(data, most)
        except self._engine.error:
            inflater = None
        # Not raised in there: the context of an error that a connection keeps would keep the data.
        if inflater is None:
            raise protocol_error(Fault.DEFLATE)
        if len(data) == most:
            if frame_limit < left:
                raise protocol_error(Fault.INFLATED_FRAME_TOO_BIG, most, frame_limit)
            raise protocol_error(Fault.INFLATED_TOO_BIG, self._size + most, limit)
        self._size += len(data)
        if fin:
            self._size = 0
            self._end(payload)
        return data

    def _inflate_on(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        """Go on behind a block that says it is the last one (RFC 7692 §7.2.3.5), with the window that it leaves.

        Returns: everything so far, and the payload behind the last such block.
        """
        for _ in range(_MAX_FINAL_BLOCKS):
            rest = self._inflater.unused_data
            window = data[-(1 << self._peer_window_bits) :]
            self._inflater = self._engine.decompressobj(-self._peer_window_bits, zdict=window)
            if len(data) < most:
                data += self._inflater.decompress(rest, most - len(data))
            if not self._inflater.eof:
                return data, rest
        raise self._engine.error("too many final blocks")

    def _end(self, payload: bytes) -> None:
        """See whether the message ended where a block must: what the sender left out, and one more, give nothing."""
        # Some send nothing at all for nothing, where the header of the block should stand.
        left_out = _TAIL if payload else _EMPTY_BLOCK
        try:
            whole = not self._inflater.decompress(left_out + _EMPTY_BLOCK, 1) and not self._inflater.eof
        except self._engine.error:
            whole = False
        if not whole:
            raise protocol_error(Fault.DEFLATE_TRUNCATED)
        if self._peer_forgets:
            self._inflater = None

    def _new_compressor(self) -> Any:
        engine = self._engine
        return engine.compressobj(self._level, engine.DEFLATED, -self._window_bits, self._memory_level)
