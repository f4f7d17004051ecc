# cython: language_level=3
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The codec in C: the same names, results and errors as ``_pure.py``, where the docstrings stand in full.

This file does three things: buffers in, calls to csrc, values or exceptions out. While a decoder's loop runs, no
Python code does: faults travel as numbers, and the exception is made when the state is complete. So a decoder that
two threads use by mistake gives nonsense, but never crashes.
"""

import os

cimport cython
from cpython.buffer cimport PyBUF_FULL_RO, PyBUF_WRITABLE, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_CheckExact, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_Check
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from ._csrc cimport *

from .errors import Fault, protocol_error
from .frames import (
    DEFAULT_MAX_FRAGMENTS,
    MAX_CLOSE_REASON,
    MAX_CONTROL_PAYLOAD,
    MAX_PAYLOAD,
    Opcode,
    Role,
    is_sendable_close_code,
)


cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t n, Py_UCS4 highest)
    void *PyUnicode_DATA(object text)
    int PyUnicode_KIND(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyUnicode_IS_ASCII(object text)
    bint PyUnicode_CheckExact(object text)
    PyObject *PyMemoryView_GET_BASE(object view)
    bint PyLong_CheckExact(object number)

cdef extern from *:
    """
    /* Strings are always ready from CPython 3.12 on, where the old call is deprecated. */
    #if PY_VERSION_HEX >= 0x030C0000
    #define fastws_ready(text) 0
    #else
    #define fastws_ready(text) PyUnicode_READY(text)
    #endif
    """
    int fastws_ready(object text) except -1


cdef enum:
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    FIN = 0x80
    RSV1 = 0x40
    RSV2 = 0x20
    RSV3 = 0x10
    RSV = 0x70
    OPCODE = 0x0F
    CONTROL = 0x08

    MASKED = 0x80
    NO_STATUS = 1005

cdef uint64_t LIMIT = MAX_PAYLOAD
cdef object CLIENT = Role.CLIENT
cdef object SERVER = Role.SERVER

# Opcode by number, None where it is reserved.
cdef tuple OPCODES = tuple([Opcode(value) if value in set(map(int, Opcode)) else None for value in range(16)])

# The faults that this file finds by itself; csrc/header.c reports the others by the same numbers.
cdef int FRAME_TOO_BIG = Fault.FRAME_TOO_BIG
cdef int MESSAGE_TOO_BIG = Fault.MESSAGE_TOO_BIG
cdef int TOO_MANY_FRAGMENTS = Fault.TOO_MANY_FRAGMENTS
cdef int RESERVED_OPCODE = Fault.RESERVED_OPCODE
cdef int CLOSE_TOO_SHORT = Fault.CLOSE_TOO_SHORT
cdef int CLOSE_CODE = Fault.CLOSE_CODE
cdef int CLOSE_REASON = Fault.CLOSE_REASON
cdef int CLOSE_REASON_TRUNCATED = Fault.CLOSE_REASON_TRUNCATED
cdef int BAD_TEXT = Fault.TEXT
cdef int TEXT_TRUNCATED = Fault.TEXT_TRUNCATED


# Buffers in -----------------------------------------------------------------------------------------------------------

# The bytes of a buffer while they are looked at; `held` where the view has to be given back.
cdef struct Source:
    const uint8_t *data
    Py_ssize_t n
    bint held
    Py_buffer view


cdef inline int open_source(object data, Source *source) except -1:
    if PyBytes_CheckExact(data):
        source.held = False
        source.data = <const uint8_t *>PyBytes_AS_STRING(data)
        source.n = PyBytes_GET_SIZE(data)
        return 0
    return open_buffer(data, source)


cdef int open_buffer(object data, Source *source) except -1:
    source.held = False
    try:
        PyObject_GetBuffer(data, &source.view, PyBUF_FULL_RO)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    if not PyBuffer_IsContiguous(&source.view, b"C"):
        PyBuffer_Release(&source.view)
        raise BufferError("a C-contiguous buffer is required")
    source.data = <const uint8_t *>source.view.buf
    source.n = source.view.len
    source.held = True
    return 0


cdef inline void close_source(Source *source) noexcept:
    if source.held:
        PyBuffer_Release(&source.view)


cdef bint is_stable(object data):
    """Whether nobody can write to a buffer while this thread holds the GIL: so what was validated stays valid."""
    if PyMemoryView_Check(data):
        if PyMemoryView_GET_BASE(data) == NULL:
            return False
        data = <object>PyMemoryView_GET_BASE(data)
    return PyBytes_CheckExact(data) or PyByteArray_CheckExact(data)


cdef inline object stable(object data):
    """`data`, or a copy of a buffer that others could write to, such as shared memory."""
    if PyBytes_CheckExact(data) or is_stable(data):
        return data
    return copy_of(data)


cdef bytes copy_of(object data):
    cdef Source source
    open_source(data, &source)
    try:
        return PyBytes_FromStringAndSize(<const char *>source.data, source.n)
    finally:
        close_source(&source)


cdef inline int read_key(object key, uint8_t *out) except -1:
    if PyBytes_CheckExact(key) and PyBytes_GET_SIZE(key) == 4:
        memcpy(out, PyBytes_AS_STRING(key), 4)
        return 0
    return read_buffer_key(key, out)


cdef int read_buffer_key(object key, uint8_t *out) except -1:
    cdef Source source
    open_source(key, &source)
    try:
        if source.n != 4:
            raise ValueError(f"a masking key has 4 bytes, not {source.n}")
        memcpy(out, source.data, 4)
    finally:
        close_source(&source)
    return 0


cdef extern from *:
    """
    static inline int fastws_small_int(PyObject *number) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(number, &overflow);
        return overflow || value < 0 || value > 3 ? -1 : (int)value;
    }
    """
    int fastws_small_int(object number)
    object PyNumber_Index(object number)


cdef inline int read_phase(object phase) except -1:
    cdef int value = fastws_small_int(phase) if PyLong_CheckExact(phase) else -1
    return value if value >= 0 else read_any_phase(phase)


cdef int read_any_phase(object phase) except -1:
    cdef object number = PyNumber_Index(phase)
    cdef int value = fastws_small_int(number)
    if value < 0:
        raise ValueError(f"phase is 0 to 3, not {number}")
    return value


# Values ---------------------------------------------------------------------------------------------------------------


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
        self.opcode = opcode
        self.key = key
        self.length = int(length)
        self.size = size

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
        self.code = int(code)
        self.reason = str(reason)

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


# Header ---------------------------------------------------------------------------------------------------------------


def parse_header(data, offset=0, *, minimal_length=True):
    """Read the header of a frame (RFC 6455 §5.2)."""
    cdef Source source
    cdef fws_header h
    cdef fws_fault fault
    cdef Py_ssize_t start
    cdef bint minimal
    open_source(data, &source)
    try:
        number = PyNumber_Index(offset)
        if not 0 <= number <= source.n:
            raise ValueError(f"offset is 0 to {source.n}, not {number}")
        start = number
        minimal = minimal_length
        fault = fws_parse_header(source.data + start, source.n - start, minimal, &h)
    finally:
        close_source(&source)
    if fault == FWS_SHORT:
        return None
    if fault != FWS_OK:
        raise protocol_error(<int>fault)
    cdef FrameHeader header = FrameHeader.__new__(FrameHeader)
    header.fin = h.first & FIN != 0
    header.rsv1 = h.first & RSV1 != 0
    header.rsv2 = h.first & RSV2 != 0
    header.rsv3 = h.first & RSV3 != 0
    header.opcode = h.first & OPCODE
    if h.second & MASKED:
        header.key = PyBytes_FromStringAndSize(<const char *>h.key, 4)
    header.length = h.length
    header.size = h.size
    return header


def encode_header(opcode, length, *, fin=True, rsv1=False, rsv2=False, rsv3=False, key=None):
    """Write the header of a frame (RFC 6455 §5.2), its length in the shortest form."""
    cdef uint8_t first = first_byte(opcode, fin, rsv1, rsv2, rsv3)
    cdef uint8_t dst[14]
    cdef uint8_t masking_key[4]
    cdef uint64_t n
    number = PyNumber_Index(length)
    if not 0 <= number <= MAX_PAYLOAD:
        raise ValueError(f"a payload has 0 to {MAX_PAYLOAD} bytes, not {number}")
    n = number
    check_control(first, n)
    if key is not None:
        read_key(key, masking_key)
    cdef size_t size = fws_format_header(dst, first, n, NULL if key is None else masking_key)
    return PyBytes_FromStringAndSize(<const char *>dst, size)


cdef int first_byte(object opcode, object fin, object rsv1, object rsv2, object rsv3) except -1:
    number = PyNumber_Index(opcode)
    if not 0 <= number <= 15 or OPCODES[number] is None:
        raise ValueError(f"opcode {number} is reserved")
    cdef int first = number
    if fin:
        first |= FIN
    if rsv1:
        first |= RSV1
    if rsv2:
        first |= RSV2
    if rsv3:
        first |= RSV3
    return first


cdef inline int check_control(uint8_t first, uint64_t length) except -1:
    if first & CONTROL:
        if not first & FIN:
            raise ValueError("a control frame cannot be fragmented")
        if length > 125:
            raise ValueError(f"a control frame has 0 to {MAX_CONTROL_PAYLOAD} bytes of payload, not {length}")
    return 0


# Mask -----------------------------------------------------------------------------------------------------------------


def mask(data, key, phase=0):
    """XOR ``data`` with a masking key (RFC 6455 §5.3)."""
    cdef Source source
    cdef uint8_t masking_key[4]
    cdef int start
    open_source(data, &source)
    try:
        read_key(key, masking_key)
        start = read_phase(phase)
        masked = PyBytes_FromStringAndSize(NULL, source.n)
        fws_mask(<uint8_t *>PyBytes_AS_STRING(masked), source.data, source.n, masking_key, start)
    finally:
        close_source(&source)
    return masked


def mask_inplace(buffer, key, phase=0):
    """XOR a writable buffer with a masking key, in place (RFC 6455 §5.3)."""
    cdef uint8_t masking_key[4]
    cdef uint8_t *data
    cdef int start
    cdef Py_buffer view
    if PyByteArray_CheckExact(buffer):
        # Nothing runs between taking the pointer and using it, so the buffer need not be held.
        read_key(key, masking_key)
        start = read_phase(phase)
        data = <uint8_t *>PyByteArray_AS_STRING(buffer)
        return fws_mask(data, data, PyByteArray_GET_SIZE(buffer), masking_key, start)
    open_writable(buffer, &view)
    try:
        read_key(key, masking_key)
        start = read_phase(phase)
        data = <uint8_t *>view.buf
        return fws_mask(data, data, view.len, masking_key, start)
    finally:
        PyBuffer_Release(&view)


cdef int open_writable(object buffer, Py_buffer *view) except -1:
    try:
        PyObject_GetBuffer(buffer, view, PyBUF_FULL_RO)
    except TypeError:
        raise TypeError(f"a writable bytes-like object is required, not {type(buffer).__name__!r}") from None
    cdef bint of_bytes = view.format == NULL or view.format in (b"B", b"b", b"c")
    cdef bint contiguous = PyBuffer_IsContiguous(view, b"C")
    if view.readonly or not of_bytes:
        PyBuffer_Release(view)
        raise TypeError(f"a writable bytes-like object is required, not {type(buffer).__name__!r}")
    if not contiguous:
        PyBuffer_Release(view)
        raise BufferError("a C-contiguous buffer is required")
    return 0


# Utf8 -----------------------------------------------------------------------------------------------------------------


def is_utf8(data):
    """Whether ``data`` is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF."""
    cdef Source source
    open_source(data, &source)
    cdef bint valid = fws_is_utf8(source.data, source.n)
    close_source(&source)
    return valid


@cython.final
cdef class Utf8Validator:
    """Checks text that arrives in pieces (RFC 3629), and refuses at the first byte that cannot be."""

    cdef fws_utf8 state
    cdef int fault
    cdef object _error

    def __init__(self):
        self.reset()

    def __reduce__(self):
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def offset(self):
        return self.state.offset

    @property
    def complete(self):
        return self.state.n_pending == 0

    @property
    def error(self):
        if self.fault and self._error is None:
            self._error = protocol_error(self.fault, self.state.offset)
        return self._error

    def reset(self):
        """Forget everything fed so far, an error included."""
        memset(&self.state, 0, sizeof(self.state))
        self.fault = 0
        self._error = None

    def feed(self, data, final=False):
        """Check the next piece of the text."""
        cdef Source source
        cdef bint last
        open_source(data, &source)
        try:
            last = final
            with cython.critical_section(self):
                if not self.fault:
                    if not fws_utf8_feed(&self.state, source.data, source.n):
                        self.fault = BAD_TEXT
                        self.state.n_pending = 0
                    elif last and self.state.n_pending:
                        self.fault = TEXT_TRUNCATED
        finally:
            close_source(&source)
        if self.fault:
            raise self.error.with_traceback(None)


# Why text could not be decoded; `fault` is 0 where it could.
cdef struct Refusal:
    int fault
    uint64_t a
    uint64_t b


cdef inline int refuse(Refusal *refusal, int fault, uint64_t a, uint64_t b) noexcept:
    refusal.fault = fault
    refusal.a = a
    refusal.b = b
    return fault


cdef object error_of(Refusal *refusal):
    """The exception for a fault, with as many numbers as its text has."""
    if refusal.fault in (FRAME_TOO_BIG, MESSAGE_TOO_BIG, TOO_MANY_FRAGMENTS):
        return protocol_error(refusal.fault, refusal.a, refusal.b)
    return protocol_error(refusal.fault, refusal.a)


cdef inline Py_UCS4 highest_of(int width) noexcept:
    return 0xFF if width == 1 else 0xFFFF if width == 2 else 0x10FFFF


cdef object new_text(
    const uint8_t *data, Py_ssize_t n, const uint8_t *key, unsigned phase, int invalid, int truncated, Refusal *refusal
):
    """Unmask, validate and decode; None, with a refusal, where that cannot be.

    ASCII in one pass, straight into the string. Other text in two, and the only allocation is the string: the first
    pass validates and learns how many code points there are, and how wide.
    """
    cdef fws_utf8 state
    cdef int width
    text = PyUnicode_New(n, 0x7F)
    if <Py_ssize_t>fws_mask_ascii(<uint8_t *>PyUnicode_DATA(text), data, n, key, phase) == n:
        return text
    memset(&state, 0, sizeof(state))
    if not fws_utf8_feed_masked(&state, data, n, key, phase):
        refuse(refusal, invalid, state.offset, 0)
        return None
    if state.n_pending:
        refuse(refusal, truncated, state.offset, 0)
        return None
    width = fws_utf8_width(&state)
    text = PyUnicode_New(state.code_points, highest_of(width))
    fws_decode_text(PyUnicode_DATA(text), width, data, n, key, phase)
    return text


def decode_text(data, key=None, phase=0):
    """Unmask, validate and decode the payload of a text message."""
    cdef Source source
    cdef Refusal refusal
    cdef uint8_t masking_key[4]
    cdef int start
    data = stable(data)
    open_source(data, &source)
    try:
        if key is not None:
            read_key(key, masking_key)
        start = read_phase(phase)
        text = new_text(
            source.data,
            source.n,
            NULL if key is None else masking_key,
            start,
            BAD_TEXT,
            TEXT_TRUNCATED,
            &refusal,
        )
    finally:
        close_source(&source)
    if text is None:
        raise error_of(&refusal)
    return text


# How text will look on the wire.
cdef struct Units:
    const void *data
    int width
    Py_ssize_t n
    size_t size


cdef int measure_text(object text, Units *units) except -1:
    """Fill `units`, or raise CPython's own UnicodeEncodeError."""
    fastws_ready(text)
    units.data = PyUnicode_DATA(text)
    units.n = PyUnicode_GET_LENGTH(text)
    if PyUnicode_IS_ASCII(text):
        units.width = 0
        units.size = units.n
        return 0
    units.width = PyUnicode_KIND(text)
    units.size = fws_encoded_size(units.data, units.width, units.n)
    if units.size == FWS_SURROGATE:
        str.encode(text)
    return 0


cdef inline void write_text(uint8_t *dst, Units *units, const uint8_t *key) noexcept:
    """Encode and mask; `width` 0 stands for ASCII, which is UTF-8 already."""
    if units.width:
        fws_encode_text(dst, units.data, units.width, units.n, key)
    elif key != NULL:
        fws_mask(dst, <const uint8_t *>units.data, units.n, key, 0)
    else:
        memcpy(dst, units.data, units.n)


def encode_text(text, key=None):
    """Encode text as UTF-8, and mask it where there is a key."""
    cdef Units units
    cdef uint8_t masking_key[4]
    if not isinstance(text, str):
        raise TypeError(f"str is required, not {type(text).__name__!r}")
    if key is not None:
        read_key(key, masking_key)
    measure_text(text, &units)
    data = PyBytes_FromStringAndSize(NULL, units.size)
    write_text(<uint8_t *>PyBytes_AS_STRING(data), &units, NULL if key is None else masking_key)
    return data


# Decoder --------------------------------------------------------------------------------------------------------------


cdef int read_rules(object role, int reserved, object minimal_length, fws_rules *rules) except -1:
    if not isinstance(role, Role):
        raise TypeError(f"role is a Role, not {type(role).__name__!r}")
    rules.masked = MASKED if role is SERVER else 0
    rules.reserved = reserved
    rules.minimal_length = bool(minimal_length)
    rules.in_message = 0
    return 0


cdef uint64_t read_limit(object limit, str name) except? 1:
    if limit is None:
        return LIMIT
    number = PyNumber_Index(limit)
    if not 0 <= number <= MAX_PAYLOAD:
        raise ValueError(f"{name} is 0 to {MAX_PAYLOAD}, not {number}")
    return number


# A stream between two headers, or inside of one.
cdef struct HeaderReader:
    fws_rules rules
    uint8_t n_partial
    uint8_t partial[14]


cdef int next_header(
    HeaderReader *reader, const uint8_t *data, size_t n, size_t *position, fws_header *h
) noexcept:
    """Read one header at `position` and move behind it.

    Returns: FWS_OK, a fault, or FWS_SHORT where the data ends before the header does, whose bytes are then kept;
        `h.has_length` tells whether the length is known already, and `h.first` is set if so.
    """
    cdef size_t rest = n - position[0]
    cdef size_t have = reader.n_partial
    cdef size_t take
    cdef int status, start
    if have == 0:
        status = fws_parse_header(data + position[0], rest, reader.rules.minimal_length, h)
        take = rest
    else:
        take = 14 - have if 14 - have < rest else rest
        memcpy(reader.partial + have, data + position[0], take)
        status = fws_parse_header(reader.partial, have + take, reader.rules.minimal_length, h)
    if have + take >= 2:
        start = fws_check_start(h.first, h.second, &reader.rules)
        if start != FWS_OK:
            return start
    if status == FWS_OK:
        position[0] += h.size - have
        reader.n_partial = 0
    elif status == FWS_SHORT:
        if have == 0:
            memcpy(reader.partial, data + position[0], rest)
        reader.n_partial = <uint8_t>(have + take)
        position[0] = n
    return status


# Bytes that have arrived and wait for more. Room grows with them, never with what a header promised.
cdef struct Gathered:
    uint8_t *data
    size_t n
    size_t room


cdef int gather(Gathered *gathered, size_t more) except -1:
    """Make room for `more` bytes: twice as much as there was, or as much as is needed."""
    cdef size_t needed = gathered.n + more
    cdef size_t room = 2 * gathered.room
    cdef void *data
    if needed <= gathered.room:
        return 0
    if room < needed:
        room = needed
    data = PyMem_Realloc(gathered.data, room)
    if data == NULL:
        raise MemoryError
    gathered.data = <uint8_t *>data
    gathered.room = room
    return 0


cdef inline void forget(Gathered *gathered) noexcept:
    PyMem_Free(gathered.data)
    gathered.data = NULL
    gathered.n = gathered.room = 0


@cython.final
cdef class FrameDecoder:
    """Cuts a stream of bytes into frames (RFC 6455 §5.2), cut anywhere on its way here."""

    cdef HeaderReader reader
    cdef uint64_t max_frame_size
    cdef Refusal refusal
    cdef object _error
    # The frame whose header is read and whose payload is not complete.
    cdef bint in_frame
    cdef fws_header head
    cdef Gathered payload

    def __init__(self, role, *, max_frame_size, rsv1=False, rsv2=False, rsv3=False, minimal_length=True):
        cdef int reserved = (RSV1 if rsv1 else 0) | (RSV2 if rsv2 else 0) | (RSV3 if rsv3 else 0)
        read_rules(role, reserved, minimal_length, &self.reader.rules)
        self.max_frame_size = read_limit(max_frame_size, "max_frame_size")
        self.refusal.fault = 0
        self._error = None
        self.reader.n_partial = 0
        self.in_frame = False
        forget(&self.payload)

    def __dealloc__(self):
        forget(&self.payload)

    def __reduce__(self):
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def error(self):
        if self.refusal.fault and self._error is None:
            self._error = error_of(&self.refusal)
        return self._error

    @property
    def buffered(self):
        return self.reader.n_partial + self.payload.n

    def feed(self, data, /):
        """Take the next bytes of the stream."""
        cdef Source source
        cdef list frames = []
        cdef bint failed
        open_source(data, &source)
        try:
            with cython.critical_section(self):
                failed = self.refusal.fault != 0
                if not failed and self.decode(source.data, source.n, frames):
                    self.reader.n_partial = 0
                    self.in_frame = False
                    forget(&self.payload)
        finally:
            close_source(&source)
        if failed or (self.refusal.fault and not frames):
            raise self.error.with_traceback(None)
        return frames

    cdef int decode(self, const uint8_t *data, size_t n, list frames) except -1:
        """Returns the fault, or 0."""
        cdef size_t position = 0
        cdef size_t piece
        cdef int status
        while position < n:
            if not self.in_frame:
                status = next_header(&self.reader, data, n, &position, &self.head)
                if status > FWS_OK:
                    return refuse(&self.refusal, status, self.head.first & OPCODE, 0)
                if self.head.has_length and self.head.length > self.max_frame_size:
                    return refuse(&self.refusal, FRAME_TOO_BIG, self.head.length, self.max_frame_size)
                if status == FWS_SHORT:
                    return 0
                if n - position >= self.head.length:
                    piece = <size_t>self.head.length
                    frames.append(self.frame(data + position, piece))
                    position += piece
                    continue
                self.in_frame = True
            piece = n - position
            if piece > self.head.length - self.payload.n:
                piece = <size_t>self.head.length - self.payload.n
            gather(&self.payload, piece)
            memcpy(self.payload.data + self.payload.n, data + position, piece)
            self.payload.n += piece
            position += piece
            if self.payload.n == self.head.length:
                frames.append(self.frame(self.payload.data, self.payload.n))
                self.in_frame = False
                forget(&self.payload)
        return 0

    cdef Frame frame(self, const uint8_t *data, size_t n):
        cdef Frame frame = Frame.__new__(Frame)
        cdef uint8_t first = self.head.first
        frame.first = first
        frame.payload = unmasked(data, n, self.head.key if self.reader.rules.masked else NULL)
        if not first & CONTROL:
            self.reader.rules.in_message = not first & FIN
        return frame


cdef inline bytes unmasked(const uint8_t *data, size_t n, const uint8_t *key):
    cdef bytes payload
    if key == NULL:
        return PyBytes_FromStringAndSize(<const char *>data, n)
    payload = PyBytes_FromStringAndSize(NULL, n)
    fws_mask(<uint8_t *>PyBytes_AS_STRING(payload), data, n, key, 0)
    return payload


# Assembler ------------------------------------------------------------------------------------------------------------


@cython.final
cdef class MessageDecoder:
    """Turns a stream of bytes into messages and control frames, in wire order (RFC 6455 §5)."""

    cdef HeaderReader reader
    cdef uint64_t max_message_size
    cdef uint64_t max_fragments
    cdef bint text_as_str
    cdef readonly bint closed
    cdef Refusal refusal
    cdef object _error
    # The frame whose header is read and whose payload is not complete.
    cdef bint in_frame
    cdef uint8_t first
    cdef uint64_t left
    cdef uint8_t key[4]
    cdef unsigned phase
    # The unmasked payload so far of an unfinished control frame.
    cdef uint8_t payload[125]
    cdef uint8_t n_payload
    # The message that has begun: its opcode, its unmasked bytes and how many frames gave them.
    cdef uint8_t opcode
    cdef Gathered gathered
    cdef uint64_t fragments
    cdef fws_utf8 text

    def __init__(
        self, role, *, max_message_size, max_fragments=DEFAULT_MAX_FRAGMENTS, text_as="str", minimal_length=True
    ):
        read_rules(role, 0, minimal_length, &self.reader.rules)
        self.max_message_size = read_limit(max_message_size, "max_message_size")
        self.max_fragments = read_limit(max_fragments, "max_fragments")
        if text_as not in ("str", "bytes"):
            raise ValueError(f"text_as is 'str' or 'bytes', not {text_as!r}")
        self.text_as_str = text_as == "str"
        self.closed = False
        self.refusal.fault = 0
        self._error = None
        self.discard()

    def __dealloc__(self):
        forget(&self.gathered)

    def __reduce__(self):
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    @property
    def error(self):
        if self.refusal.fault and self._error is None:
            self._error = error_of(&self.refusal)
        return self._error

    @property
    def buffered(self):
        return self.reader.n_partial + self.n_payload + self.gathered.n

    def feed(self, data, /):
        """Take the next bytes of the stream."""
        cdef Source source
        cdef list events = []
        cdef bint failed
        data = stable(data)
        open_source(data, &source)
        try:
            with cython.critical_section(self):
                failed = self.refusal.fault != 0
                if not failed and not self.closed:
                    if self.decode(source.data, source.n, events) or self.closed:
                        self.discard()
        finally:
            close_source(&source)
        if failed or (self.refusal.fault and not events):
            raise self.error.with_traceback(None)
        return events

    cdef int decode(self, const uint8_t *data, size_t n, list events) except -1:
        """Returns the fault, or 0."""
        cdef size_t position = 0
        cdef size_t piece
        cdef int status
        cdef fws_header h
        while position < n and not self.closed:
            if not self.in_frame:
                status = next_header(&self.reader, data, n, &position, &h)
                if status > FWS_OK:
                    return refuse(&self.refusal, status, h.first & OPCODE, 0)
                if h.has_length and not h.first & CONTROL and self.check_budget(h.length):
                    return self.refusal.fault
                if status == FWS_SHORT:
                    return 0
                if n - position >= h.length and h.first & FIN and h.first & OPCODE:
                    # The whole message, or control frame, is here.
                    piece = <size_t>h.length
                    event = self.whole(
                        h.first & OPCODE, data + position, piece, h.key if self.reader.rules.masked else NULL
                    )
                    if event is None:
                        return self.refusal.fault
                    events.append(event)
                    position += piece
                    continue
                self.begin(&h)
            piece = n - position
            if piece > self.left:
                piece = <size_t>self.left
            if self.take(data + position, piece):
                return self.refusal.fault
            position += piece
            if self.left == 0 and self.end(events):
                return self.refusal.fault
        return 0

    cdef int check_budget(self, uint64_t length) noexcept:
        """What the budget of the message decides, by subtraction: nothing here can overflow."""
        cdef uint64_t size = self.gathered.n
        if self.fragments >= self.max_fragments:
            return refuse(&self.refusal, TOO_MANY_FRAGMENTS, self.fragments + 1, self.max_fragments)
        if length > self.max_message_size - size:
            return refuse(&self.refusal, MESSAGE_TOO_BIG, size + length, self.max_message_size)
        return 0

    cdef object whole(self, uint8_t opcode, const uint8_t *data, size_t n, const uint8_t *key):
        """What one unfragmented frame means; None, with a refusal, if it is bad."""
        if opcode == TEXT:
            if self.text_as_str:
                text = new_text(data, n, key, 0, BAD_TEXT, TEXT_TRUNCATED, &self.refusal)
                return None if text is None else new_message(text, TEXT)
            payload = unmasked(data, n, key)
            if not self.check_text(<const uint8_t *>PyBytes_AS_STRING(payload), n):
                return None
            return new_message(payload, TEXT)
        if opcode == BINARY:
            return new_message(unmasked(data, n, key), BINARY)
        if opcode == PING:
            return new_ping(unmasked(data, n, key))
        if opcode == PONG:
            return new_pong(unmasked(data, n, key))
        close = parse_close(data, n, key, &self.refusal)
        if close is not None:
            self.closed = True
        return close

    cdef bint check_text(self, const uint8_t *data, size_t n) noexcept:
        """Whether all of a text is valid."""
        cdef fws_utf8 state
        memset(&state, 0, sizeof(state))
        if not fws_utf8_feed(&state, data, n):
            refuse(&self.refusal, BAD_TEXT, state.offset, 0)
            return False
        if state.n_pending:
            refuse(&self.refusal, TEXT_TRUNCATED, state.offset, 0)
            return False
        return True

    cdef void begin(self, fws_header *h) noexcept:
        """Start a frame that arrives in pieces, or one of several in its message."""
        self.in_frame = True
        self.first = h.first
        self.left = h.length
        memcpy(self.key, h.key, 4)
        self.phase = 0
        if not h.first & CONTROL:
            self.fragments += 1
            self.reader.rules.in_message = 1
            if h.first & OPCODE:
                self.opcode = h.first & OPCODE

    cdef int take(self, const uint8_t *data, size_t n) except -1:
        """Take the next piece of the payload of the frame that has begun. Returns the fault, or 0."""
        cdef uint8_t *dst
        if self.first & CONTROL:
            dst = self.payload + self.n_payload
        else:
            gather(&self.gathered, n)
            dst = self.gathered.data + self.gathered.n
        # The key of an unmasked frame is zero.
        if n:
            if self.reader.rules.masked:
                self.phase = fws_mask(dst, data, n, self.key, self.phase)
            else:
                memcpy(dst, data, n)
        self.left -= n
        if self.first & CONTROL:
            self.n_payload += <uint8_t>n
            return 0
        self.gathered.n += n
        if self.opcode != TEXT:
            return 0
        if n and not fws_utf8_feed(&self.text, dst, n):
            return refuse(&self.refusal, BAD_TEXT, self.text.offset, 0)
        if self.left == 0 and self.first & FIN and self.text.n_pending:
            return refuse(&self.refusal, TEXT_TRUNCATED, self.text.offset, 0)
        return 0

    cdef int end(self, list events) except -1:
        """The frame is complete, and the message with it if that was its last one. Returns the fault, or 0."""
        cdef size_t n
        self.in_frame = False
        if self.first & CONTROL:
            n = self.n_payload
            self.n_payload = 0
            event = self.whole(self.first & OPCODE, self.payload, n, NULL)
            if event is None:
                return self.refusal.fault
            events.append(event)
        elif self.first & FIN:
            events.append(new_message(self.gathered_data(), self.opcode))
            self.forget_message()
        return 0

    cdef object gathered_data(self):
        """The whole message, whose text has been validated piece by piece."""
        cdef int width
        cdef size_t n = self.gathered.n
        if self.opcode != TEXT or not self.text_as_str:
            return PyBytes_FromStringAndSize(<const char *>self.gathered.data, n)
        if self.text.widest == 0:
            text = PyUnicode_New(n, 0x7F)
            if n:
                memcpy(PyUnicode_DATA(text), self.gathered.data, n)
            return text
        width = fws_utf8_width(&self.text)
        text = PyUnicode_New(self.text.code_points, highest_of(width))
        fws_decode_text(PyUnicode_DATA(text), width, self.gathered.data, n, NULL, 0)
        return text

    cdef void forget_message(self) noexcept:
        self.reader.rules.in_message = 0
        self.fragments = 0
        forget(&self.gathered)
        memset(&self.text, 0, sizeof(self.text))

    cdef void discard(self) noexcept:
        """Nothing more will be decoded: keep no bytes."""
        self.in_frame = False
        self.reader.n_partial = 0
        self.n_payload = 0
        self.forget_message()


cdef inline Message new_message(object data, uint8_t opcode):
    cdef Message message = Message.__new__(Message)
    message.data = data
    message.number = opcode
    return message


cdef inline Ping new_ping(bytes data):
    cdef Ping ping = Ping.__new__(Ping)
    ping.data = data
    return ping


cdef inline Pong new_pong(bytes data):
    cdef Pong pong = Pong.__new__(Pong)
    pong.data = data
    return pong


cdef Close new_close(unsigned code, str reason):
    cdef Close close = Close.__new__(Close)
    close.code = code
    close.reason = reason
    return close


cdef inline bint may_be_sent(unsigned code) noexcept:
    """``is_sendable_close_code`` of frames.py; the suite compares them on every code."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


cdef object parse_close(const uint8_t *data, size_t n, const uint8_t *key, Refusal *refusal):
    """What a close frame says (RFC 6455 §5.5.1, §7.4); None, with a refusal, if it is bad."""
    cdef uint8_t payload[125]
    cdef unsigned code
    if n == 0:
        return new_close(NO_STATUS, "")
    if n == 1:
        refuse(refusal, CLOSE_TOO_SHORT, 0, 0)
        return None
    if key == NULL:
        memcpy(payload, data, n)
    else:
        fws_mask(payload, data, n, key, 0)
    code = <unsigned>payload[0] << 8 | payload[1]
    if not may_be_sent(code):
        refuse(refusal, CLOSE_CODE, code, 0)
        return None
    reason = new_text(payload + 2, n - 2, NULL, 0, CLOSE_REASON, CLOSE_REASON_TRUNCATED, refusal)
    return None if reason is None else new_close(code, reason)


# Encoder --------------------------------------------------------------------------------------------------------------


cdef enum:
    # Keys are drawn from the system this many bytes at a time: one system call for a thousand frames.
    KEY_POOL_SIZE = 4096

cdef uint8_t key_pool[KEY_POOL_SIZE]
cdef size_t key_position = KEY_POOL_SIZE
# What a free-threaded interpreter locks; with the GIL it costs nothing.
cdef object key_lock = object()


def _drop_keys():
    """Forget the keys drawn so far: a forked child must not send the parent's."""
    global key_position
    key_position = KEY_POOL_SIZE
    memset(key_pool, 0, KEY_POOL_SIZE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_keys)


cdef int fill_key_pool() except -1:
    """Other threads may run, and draw, while the system is asked: whoever comes last leaves bytes nobody has used."""
    global key_position
    cdef bytes drawn = os.urandom(KEY_POOL_SIZE)
    memcpy(key_pool, PyBytes_AS_STRING(drawn), KEY_POOL_SIZE)
    key_position = 0
    return 0


cdef int draw_key(uint8_t *key) except -1:
    global key_position
    with cython.critical_section(key_lock):
        if key_position == KEY_POOL_SIZE:
            fill_key_pool()
        memcpy(key, key_pool + key_position, 4)
        key_position += 4
    return 0


def new_key():
    """Draw a masking key (RFC 6455 §5.3)."""
    cdef uint8_t key[4]
    draw_key(key)
    return PyBytes_FromStringAndSize(<const char *>key, 4)


def encode_frame(opcode, payload, *, fin=True, rsv1=False, rsv2=False, rsv3=False, key=None):
    """Write one frame (RFC 6455 §5.2), its length in the shortest form."""
    cdef uint8_t first = first_byte(opcode, fin, rsv1, rsv2, rsv3)
    cdef uint8_t masking_key[4]
    cdef Source source
    cdef Units units
    if isinstance(payload, str):
        measure_text(payload, &units)
        check_control(first, units.size)
        if key is not None:
            read_key(key, masking_key)
        return text_frame(first, &units, NULL if key is None else masking_key)
    open_source(payload, &source)
    try:
        check_control(first, source.n)
        if key is not None:
            read_key(key, masking_key)
        return bytes_frame(first, source.data, source.n, NULL if key is None else masking_key)
    finally:
        close_source(&source)


cdef inline bytes bytes_frame(uint8_t first, const uint8_t *data, size_t n, const uint8_t *key):
    cdef size_t header = fws_header_size(n, key != NULL)
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, header + n)
    cdef uint8_t *dst = <uint8_t *>PyBytes_AS_STRING(frame)
    fws_format_header(dst, first, n, key)
    if key == NULL:
        memcpy(dst + header, data, n)
    else:
        fws_mask(dst + header, data, n, key, 0)
    return frame


cdef inline bytes text_frame(uint8_t first, Units *units, const uint8_t *key):
    cdef size_t header = fws_header_size(units.size, key != NULL)
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, header + units.size)
    cdef uint8_t *dst = <uint8_t *>PyBytes_AS_STRING(frame)
    fws_format_header(dst, first, units.size, key)
    write_text(dst + header, units, key)
    return frame


def encode_message(data, role, *, key=None):
    """Write a message, or a control frame, as one frame (RFC 6455 §5.6)."""
    cdef uint8_t masking_key[4]
    cdef uint8_t *chosen = NULL
    cdef uint8_t first
    cdef Source source
    cdef Units units
    cdef object payload
    cdef int opcode
    if PyUnicode_CheckExact(data):
        opcode, payload = TEXT, data
    elif PyBytes_CheckExact(data):
        opcode, payload = BINARY, data
    else:
        opcode, payload = message_payload(data)
    first = FIN | opcode
    if isinstance(payload, str):
        measure_text(payload, &units)
        if read_side(role, key, masking_key):
            chosen = masking_key
        return text_frame(first, &units, chosen)
    open_source(payload, &source)
    try:
        check_control(first, source.n)
        if read_side(role, key, masking_key):
            chosen = masking_key
        return bytes_frame(first, source.data, source.n, chosen)
    finally:
        close_source(&source)


cdef int read_side(object role, object key, uint8_t *out) except -1:
    """Whether a frame of this side is masked, and with which key."""
    if role is CLIENT:
        if key is None:
            draw_key(out)
        else:
            read_key(key, out)
        return 1
    if role is not SERVER:
        raise TypeError(f"role is a Role, not {type(role).__name__!r}")
    if key is not None:
        raise ValueError("a server does not mask")
    return 0


cdef tuple message_payload(object data):
    """The opcode of what is not plain ``str`` or ``bytes``, and its payload, which may still be ``str``."""
    if isinstance(data, str):
        return TEXT, data
    if isinstance(data, Message):
        return (<Message>data).number, (<Message>data).data
    if isinstance(data, Ping):
        return PING, (<Ping>data).data
    if isinstance(data, Pong):
        return PONG, (<Pong>data).data
    if isinstance(data, Close):
        return CLOSE, close_payload((<Close>data).code, (<Close>data).reason)
    return BINARY, data


cdef bytes close_payload(object code, str reason):
    """The payload of a close frame (RFC 6455 §5.5.1); 1005 stands for none."""
    data = str.encode(reason)
    if code == NO_STATUS and not data:
        return b""
    if not is_sendable_close_code(code):
        raise ValueError(f"close code {code} must not be sent")
    if len(data) > MAX_CLOSE_REASON:
        raise ValueError(f"a close reason has 0 to {MAX_CLOSE_REASON} bytes, not {len(data)}")
    return int(code).to_bytes(2, "big") + data


# Kernels --------------------------------------------------------------------------------------------------------------


def kernel_name():
    """The CPU kernel in use."""
    return fws_kernel_name().decode()


def available_kernels():
    """The CPU kernels that this machine can run, weakest first."""
    names = []
    while fws_available_kernel(len(names)) != NULL:
        names.append(fws_available_kernel(len(names)).decode())
    return tuple(names)


def _select_kernel(name, /):
    """Switch to another kernel, for tests and benches: nothing else may run meanwhile. Returns the one before."""
    before = kernel_name()
    if not fws_select_kernel(name.encode()):
        raise ValueError(f"kernel {name!r} is not one of: {', '.join(available_kernels())}")
    return before


# Chosen here, once, before any thread can ask. A wrong name is not an ImportError, which would pass for "not built".
fws_select_kernel(NULL)
cdef str forced = os.environ.get("FASTWS_KERNEL", "")
if forced and not fws_select_kernel(forced.encode()):
    raise ValueError(f"FASTWS_KERNEL={forced!r} is not one of: {', '.join(available_kernels())}")
