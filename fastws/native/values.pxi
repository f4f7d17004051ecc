# The values that travel: headers, frames, messages and control frames.

cdef object within(object number, object low, object high, str what):
    number = PyNumber_Index(number)
    if not low <= number <= high:
        raise ValueError(f"{what} {low} to {high}, not {number}")
    return int(number)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class FrameHeader:
    """The first 2 to 14 bytes of a frame (RFC 6455 §5.2), as they stand on the wire."""

    __match_args__ = ("fin", "rsv1", "rsv2", "rsv3", "opcode", "key", "length", "size")

    cdef readonly bint fin
    cdef readonly bint rsv1
    cdef readonly bint rsv2
    cdef readonly bint rsv3
    cdef readonly int opcode
    cdef readonly bytes key
    cdef readonly object length
    cdef readonly int size

    def __init__(self, fin, rsv1, rsv2, rsv3, opcode, key, length, size):
        self.fin = fin
        self.rsv1 = rsv1
        self.rsv2 = rsv2
        self.rsv3 = rsv3
        self.opcode = within(opcode, 0, 15, "an opcode is")
        self.key = None if key is None else key_bytes(key)
        self.length = within(length, 0, MAX_PAYLOAD, "a payload has bytes,")
        self.size = within(size, 2, FWS_MAX_HEADER, "a header has bytes,")

    cdef tuple fields(self):
        return self.fin, self.rsv1, self.rsv2, self.rsv3, self.opcode, self.key, self.length, self.size

    def __eq__(self, other):
        if type(other) is not FrameHeader:
            return NotImplemented
        return self.fields() == (<FrameHeader>other).fields()

    def __hash__(self):
        return hash(("FrameHeader", *self.fields()))

    def __reduce__(self):
        return FrameHeader, self.fields()

    def __repr__(self):
        return (
            f"FrameHeader(fin={self.fin}, rsv1={self.rsv1}, rsv2={self.rsv2}, rsv3={self.rsv3}, opcode={self.opcode}, "
            f"key={self.key!r}, length={self.length}, size={self.size})"
        )


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Frame:
    """One frame with its payload, unmasked."""

    __match_args__ = ("opcode", "payload", "fin", "rsv1", "rsv2", "rsv3")

    cdef uint8_t first
    cdef readonly bytes payload

    def __init__(self, opcode, payload, fin=True, rsv1=False, rsv2=False, rsv3=False):
        self.first = first_byte(opcode, fin, rsv1, rsv2, rsv3)
        self.payload = require_bytes(payload, "a payload")

    @property
    def opcode(self):
        return OPCODES[self.first & OPCODE]

    @property
    def fin(self):
        return self.first & FIN != 0

    @property
    def rsv1(self):
        return self.first & RSV1 != 0

    @property
    def rsv2(self):
        return self.first & RSV2 != 0

    @property
    def rsv3(self):
        return self.first & RSV3 != 0

    cdef tuple fields(self):
        return self.opcode, self.payload, self.fin, self.rsv1, self.rsv2, self.rsv3

    def __eq__(self, other):
        if type(other) is not Frame:
            return NotImplemented
        return self.first == (<Frame>other).first and self.payload == (<Frame>other).payload

    def __hash__(self):
        return hash(("Frame", *self.fields()))

    def __reduce__(self):
        return Frame, self.fields()

    def __repr__(self):
        flags = [name for name in ("rsv1", "rsv2", "rsv3") if getattr(self, name)]
        shown = "".join([", fin=False" if not self.fin else "", *[f", {name}=True" for name in flags]])
        return f"Frame({self.opcode.name}, {self.payload!r}{shown})"


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Message:
    """A whole text or binary message, its fragments joined."""

    __match_args__ = ("data", "opcode")

    cdef readonly object data
    cdef uint8_t number

    def __init__(self, data, opcode=None):
        if not isinstance(data, (str, bytes)):
            raise TypeError(f"a message is str or bytes, not {type(data).__name__!r}")
        if opcode is None:
            opcode = TEXT if isinstance(data, str) else BINARY
        elif opcode not in (TEXT, BINARY):
            raise ValueError("the opcode of a message is TEXT or BINARY")
        self.data = data
        self.number = opcode

    @property
    def opcode(self):
        return OPCODES[self.number]

    def __eq__(self, other):
        if type(other) is not Message:
            return NotImplemented
        return self.number == (<Message>other).number and self.data == (<Message>other).data

    def __hash__(self):
        return hash(("Message", self.data, self.opcode))

    def __reduce__(self):
        return Message, (self.data, self.opcode)

    def __repr__(self):
        told = (self.number == TEXT) == isinstance(self.data, str)
        return f"Message({self.data!r})" if told else f"Message({self.data!r}, {self.opcode.name})"


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Ping:
    """A ping, to be answered with a pong of the same data (RFC 6455 §5.5.2)."""

    __match_args__ = ("data",)

    cdef readonly bytes data

    def __init__(self, data=b""):
        self.data = require_bytes(data, "a ping")

    def __eq__(self, other):
        if type(other) is not Ping:
            return NotImplemented
        return self.data == (<Ping>other).data

    def __hash__(self):
        return hash(("Ping", self.data))

    def __reduce__(self):
        return Ping, (self.data,)

    def __repr__(self):
        return f"Ping({self.data!r})"


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Pong:
    """A pong, asked for by a ping or not (RFC 6455 §5.5.3)."""

    __match_args__ = ("data",)

    cdef readonly bytes data

    def __init__(self, data=b""):
        self.data = require_bytes(data, "a pong")

    def __eq__(self, other):
        if type(other) is not Pong:
            return NotImplemented
        return self.data == (<Pong>other).data

    def __hash__(self):
        return hash(("Pong", self.data))

    def __reduce__(self):
        return Pong, (self.data,)

    def __repr__(self):
        return f"Pong({self.data!r})"


@cython.final
@cython.no_gc
cdef class Close:
    """The start, or the echo, of the closing handshake (RFC 6455 §5.5.1)."""

    __match_args__ = ("code", "reason")

    cdef readonly object code
    cdef readonly str reason

    def __init__(self, code=NO_STATUS, reason=""):
        if not isinstance(reason, str):
            raise TypeError(f"a close reason is str, not {type(reason).__name__!r}")
        self.code = int(PyNumber_Index(code))
        # Not str(reason), which a subclass may answer as it likes.
        self.reason = str.__str__(reason)

    def __eq__(self, other):
        if type(other) is not Close:
            return NotImplemented
        return self.code == (<Close>other).code and self.reason == (<Close>other).reason

    def __hash__(self):
        return hash(("Close", self.code, self.reason))

    def __reduce__(self):
        return Close, (self.code, self.reason)

    def __repr__(self):
        return f"Close({self.code}, {self.reason!r})"


cdef bytes require_bytes(object data, str what):
    if not PyBytes_CheckExact(data):
        if not isinstance(data, bytes):
            raise TypeError(f"{what} is bytes, not {type(data).__name__!r}")
        return copy_of(data)
    return data
