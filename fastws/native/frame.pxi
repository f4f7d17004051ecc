# One whole frame out of a buffer, unmasked (RFC 6455 §5.2), or the messages that stand there one after the other, as
# tuples or as records of the caller's own.

# What the caller expects of frames, and wants of them.
cdef struct Wanted:
    int masked  # MASKED or 0, as frames must be; EITHER_WAY where that does not matter
    uint64_t limit
    bint decode
    bint mutable
    bint minimal_length


cdef enum:
    EITHER_WAY = -1
    WHOLE_TEXT = FIN | TEXT
    WHOLE_BINARY = FIN | BINARY
    COMPRESSED_TEXT = FIN | RSV1 | TEXT
    COMPRESSED_BINARY = FIN | RSV1 | BINARY


cdef inline int read_wanted(
    object role, object max_frame_size, object decode, object payload_as, object minimal_length, Wanted *wanted
) except -1:
    if role is SERVER:
        wanted.masked = MASKED
    elif role is CLIENT:
        wanted.masked = 0
    elif role is None:
        wanted.masked = EITHER_WAY
    else:
        raise TypeError(f"role is a Role or None, not {type(role).__name__!r}")
    wanted.limit = read_limit(max_frame_size, "max_frame_size")
    wanted.decode = decode
    wanted.mutable = payload_as is not AS_BYTES and read_payload_as(payload_as)
    wanted.minimal_length = minimal_length
    return 0


cdef int read_payload_as(object payload_as) except -1:
    if payload_as not in (AS_BYTES, AS_BYTEARRAY):
        raise ValueError(f"payload_as is {AS_BYTES!r} or {AS_BYTEARRAY!r}, not {payload_as!r}")
    return payload_as == AS_BYTEARRAY


cdef int find_frame(const uint8_t *data, size_t n, const Wanted *wanted, fws_header *h, Refusal *refusal) noexcept:
    """Read the header of a frame that is all there, and judge it as far as it stands for itself.

    Returns: FWS_OK, a fault, or FWS_SHORT where the data ends before the frame does.
    """
    cdef int status
    if n < 2:
        return FWS_SHORT
    if wanted.masked != EITHER_WAY and data[1] & MASKED != wanted.masked:
        return refuse(refusal, FRAME_UNMASKED if wanted.masked else FRAME_MASKED, 0, 0)
    status = fws_parse_header(data, n, wanted.minimal_length, h)
    if status > FWS_OK:
        return refuse(refusal, status, 0, 0)
    if h.has_length and h.length > wanted.limit:
        return refuse(refusal, FRAME_TOO_BIG, h.length, wanted.limit)
    if status == FWS_OK and n - h.size < h.length:
        return FWS_SHORT
    return status


cdef object frame_payload(
    const uint8_t *data, const fws_header *h, const Wanted *wanted, bint stands_still, Refusal *refusal
):
    """The payload behind a header; None, with a refusal, where it is not the text that it should be.

    `stands_still`: whether nobody can write to the data meanwhile, see `is_stable`.
    """
    cdef const uint8_t *key = <const uint8_t *>h.key if h.second & MASKED else NULL
    cdef const uint8_t *body = data + h.size
    cdef Py_ssize_t n = <Py_ssize_t>h.length
    if wanted.decode and h.first == WHOLE_TEXT:
        if stands_still:
            return new_text(body, n, key, 0, BAD_TEXT, TEXT_TRUNCATED, refusal)
        copy = unmasked(body, n, key)
        return new_text(<const uint8_t *>PyBytes_AS_STRING(copy), n, NULL, 0, BAD_TEXT, TEXT_TRUNCATED, refusal)
    if not wanted.mutable:
        return unmasked(body, n, key)
    payload = PyByteArray_FromStringAndSize(<const char *>body, n)
    if key != NULL:
        fws_mask(<uint8_t *>PyByteArray_AS_STRING(payload), <const uint8_t *>PyByteArray_AS_STRING(payload), n, key, 0)
    return payload


cdef inline tuple frame_told(const fws_header *h, object payload, Py_ssize_t start):
    return h.first, payload, <Py_ssize_t>h.length, start + h.size + <Py_ssize_t>h.length


def parse_frame(data, offset=0, *, role, max_frame_size, decode=False, payload_as="bytes", minimal_length=True):
    """Take one whole frame out of a buffer, unmasked (RFC 6455 §5.2)."""
    cdef Source source
    cdef Wanted wanted
    cdef Refusal refusal
    cdef fws_header h
    cdef Py_ssize_t start
    cdef int status
    cdef object payload = None
    read_wanted(role, max_frame_size, decode, payload_as, minimal_length, &wanted)
    offset = PyNumber_Index(offset)
    open_briefly(data, &source)
    try:
        start = read_offset(offset, source.n)
        status = find_frame(source.data + start, source.n - start, &wanted, &h, &refusal)
        if status == FWS_OK:
            payload = frame_payload(source.data + start, &h, &wanted, is_stable(data), &refusal)
    finally:
        close_source(&source)
    if status == FWS_SHORT:
        return None
    if payload is None:
        raise error_of(&refusal)
    return frame_told(&h, payload, start)


cdef inline bint is_message(uint8_t first, bint compressed) noexcept:
    """Whether a frame that begins so is a message of its own; with RSV1, where that stands for compression."""
    if first in (WHOLE_TEXT, WHOLE_BINARY):
        return True
    return compressed and first in (COMPRESSED_TEXT, COMPRESSED_BINARY)


def parse_messages(
    data, offset=0, *, role, max_frame_size, decode=False, payload_as="bytes", minimal_length=True, rsv1=False
):
    """Take the messages of one frame each that stand one after the other in a buffer (RFC 6455 §5.2, §5.6)."""
    cdef Source source
    cdef Wanted wanted
    cdef Refusal refusal
    cdef fws_header h
    cdef Py_ssize_t start
    cdef int status = FWS_OK
    cdef bint stands_still
    cdef bint compressed
    cdef list messages = []
    cdef object payload
    read_wanted(role, max_frame_size, decode, payload_as, minimal_length, &wanted)
    compressed = rsv1
    offset = PyNumber_Index(offset)
    open_source(data, &source)
    try:
        start = read_offset(offset, source.n)
        stands_still = is_stable(data)
        while start < source.n and is_message(source.data[start], compressed):
            status = find_frame(source.data + start, source.n - start, &wanted, &h, &refusal)
            if status != FWS_OK:
                break
            payload = frame_payload(source.data + start, &h, &wanted, stands_still, &refusal)
            if payload is None:
                status = refusal.fault
                break
            message = frame_told(&h, payload, start)
            messages.append(message)
            start += h.size + <Py_ssize_t>h.length
    finally:
        close_source(&source)
    if status > FWS_OK and not messages:
        raise error_of(&refusal)
    return messages


@cython.final
cdef class MessageParser:
    """Takes the messages of one frame each that stand in buffers, and makes records of them (RFC 6455 §5.2, §5.6)."""

    cdef Wanted wanted
    cdef object record
    cdef object text
    cdef object binary
    cdef tuple more
    cdef Py_ssize_t overhead

    def __cinit__(self):
        self.record = tuple
        self.more = ()

    def __init__(
        self, record, text, binary, more=(), *, role, max_frame_size, minimal_length=True, overhead=0
    ):
        tuple.__new__(record, ())
        more = tuple(more)
        read_wanted(role, max_frame_size, True, AS_BYTES, minimal_length, &self.wanted)
        self.overhead = within(overhead, 0, MAX_OVERHEAD, "overhead is")
        self.record, self.text, self.binary, self.more = record, text, binary, more

    def __reduce__(self):
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object")

    def parse(self, data, offset, room, /):
        """Take the messages from ``offset`` on, as long as there is room."""
        cdef Source source
        cdef Refusal refusal
        cdef fws_header h
        cdef Py_ssize_t start, left, taken = 0
        cdef uint64_t needed = 0
        cdef int status
        cdef bint stands_still
        cdef list messages = []
        cdef object payload
        offset = PyNumber_Index(offset)
        # What is too large for it is clamped.
        left = PyNumber_AsSsize_t(room, NULL)
        open_source(data, &source)
        try:
            start = read_offset(offset, source.n)
            stands_still = is_stable(data)
            while left >= taken and start < source.n and source.data[start] in (WHOLE_TEXT, WHOLE_BINARY):
                status = find_frame(source.data + start, source.n - start, &self.wanted, &h, &refusal)
                if status != FWS_OK:
                    if status == FWS_SHORT:
                        needed = bytes_needed(source.data + start, source.n - start, &h)
                    break
                payload = frame_payload(source.data + start, &h, &self.wanted, stands_still, &refusal)
                if payload is None:
                    break
                record = self.new_record(self.text if h.first == WHOLE_TEXT else self.binary, payload)
                messages.append((record, <Py_ssize_t>h.length))
                taken += <Py_ssize_t>h.length + self.overhead
                start += h.size + <Py_ssize_t>h.length
        finally:
            close_source(&source)
        return messages, start, taken, needed

    def deliver(self, data, put, /):
        """Call ``put`` with a message and its bytes where ``data`` is one message and nothing else; whether it was."""
        cdef Source source
        cdef Refusal refusal
        cdef fws_header h
        cdef object payload = None
        open_source(data, &source)
        try:
            if source.n and source.data[0] in (WHOLE_TEXT, WHOLE_BINARY):
                if find_frame(source.data, source.n, &self.wanted, &h, &refusal) == FWS_OK:
                    if h.size + <Py_ssize_t>h.length == source.n:
                        payload = frame_payload(source.data, &h, &self.wanted, is_stable(data), &refusal)
        finally:
            close_source(&source)
        if payload is None:
            return False
        put(self.new_record(self.text if h.first == WHOLE_TEXT else self.binary, payload), <Py_ssize_t>h.length)
        return True

    cdef object new_record(self, object kind, object payload):
        """What ``tuple.__new__`` makes of the type, without a tuple to copy."""
        cdef Py_ssize_t index
        record = PyType_GenericAlloc(<PyTypeObject *>self.record, 2 + len(self.more))
        set_item(record, 0, kind)
        set_item(record, 1, payload)
        for index in range(len(self.more)):
            set_item(record, 2 + index, self.more[index])
        return record


cdef enum:
    MAX_OVERHEAD = 65535


cdef inline void set_item(object record, Py_ssize_t index, object item):
    Py_INCREF(item)
    PyTuple_SET_ITEM(record, index, item)


cdef uint64_t bytes_needed(const uint8_t *data, size_t n, const fws_header *h) noexcept:
    """How many bytes tell more of a frame that is cut: those of its header, or all of it."""
    cdef uint64_t size = 2
    if n < 2:
        return size
    if data[1] & 0x7F >= 126:
        size += 2 if data[1] & 0x7F == 126 else 8
    if data[1] & MASKED:
        size += 4
    return size + h.length if h.has_length else size
