# From bytes to frames (RFC 6455 §5.2).

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
    cdef Py_ssize_t value = fastws_size(limit) if PyLong_CheckExact(limit) else -1
    if value >= 0:
        return <uint64_t>value
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
            if piece:
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
