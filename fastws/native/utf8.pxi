# UTF-8 (RFC 3629): validated whole or in pieces, to text and back.

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


# So many bytes are tried in a scratch. Most text that is not ASCII, or not Latin-1, shows early that it is not: then no
# string was allocated in vain. Short text that is needs no more than this.
cdef enum:
    ASCII_HEAD = 64
    LATIN1_HEAD = 4096


cdef object new_text(
    const uint8_t *data, size_t n, const uint8_t *key, unsigned phase, int invalid, int truncated, Refusal *refusal
):
    """Unmask, validate and decode; None, with a refusal, where that cannot be.

    ASCII and Latin-1 in one pass each, straight into the string. Other text in two, and the only allocation is the
    string: the first pass validates and learns how many code points there are, and how wide.
    """
    cdef fws_utf8 state
    cdef int width
    text = ascii_text(data, n, key, phase)
    if text is not None:
        return text
    memset(&state, 0, sizeof(state))
    if data[0] ^ (0 if key == NULL else key[phase & 3]) < 0xC4:
        text = latin1_text(data, n, key, phase, &state)
        if text is not None:
            return text
    if not fws_utf8_feed_masked(&state, data + state.offset, n - state.offset, key, phase + <unsigned>state.offset):
        refuse(refusal, invalid, state.offset, 0)
        return None
    if state.n_pending:
        refuse(refusal, truncated, state.offset, 0)
        return None
    width = fws_utf8_width(&state)
    text = PyUnicode_New(state.code_points, highest_of(width))
    fws_decode_text(PyUnicode_DATA(text), width, data, n, key, phase)
    return text


cdef object ascii_text(const uint8_t *data, size_t n, const uint8_t *key, unsigned phase):
    """The text, or None if it is not ASCII."""
    cdef uint8_t head[ASCII_HEAD]
    cdef size_t in_head = n if n < ASCII_HEAD else ASCII_HEAD
    if fws_mask_ascii(head, data, in_head, key, phase) < in_head:
        return None
    text = PyUnicode_New(n, 0x7F)
    if in_head == n:
        memcpy(PyUnicode_DATA(text), head, n)
        return text
    return text if fws_mask_ascii(<uint8_t *>PyUnicode_DATA(text), data, n, key, phase) == n else None


cdef object latin1_text(const uint8_t *data, size_t n, const uint8_t *key, unsigned phase, fws_utf8 *state):
    """The text, or None if it is not Latin-1; `state` has what of it is, and need not be validated again."""
    cdef uint8_t head[LATIN1_HEAD]
    cdef size_t head_end = n if n < LATIN1_HEAD else LATIN1_HEAD
    cdef size_t in_head = take_latin1(head, data, head_end, key, phase, state)
    cdef PyObject *text
    # The head may end within a code point, the text not.
    if state.offset < head_end and (head_end == n or state.offset < head_end - 1):
        return None
    # As if there were no other code points of two bytes: each leaves room for one.
    text = new_unicode(in_head + (n - state.offset), 0xFF)
    try:
        memcpy(PyUnicode_DATA(<object>text), head, in_head)
        if head_end < n:
            take_latin1(<uint8_t *>PyUnicode_DATA(<object>text) + in_head, data, n, key, phase, state)
            if state.offset < n:
                return None
            PyUnicode_Resize(&text, state.code_points)
        return <object>text
    finally:
        Py_DECREF(text)


cdef inline size_t take_latin1(
    uint8_t *dst, const uint8_t *data, size_t end, const uint8_t *key, unsigned phase, fws_utf8 *state
) noexcept:
    """Decode what is Latin-1 from where `state` is, up to `end`. Returns the units written."""
    cdef size_t written
    cdef size_t taken = fws_decode_latin1(
        dst, data + state.offset, end - state.offset, key, phase + <unsigned>state.offset, &written
    )
    state.offset += taken
    state.code_points += written
    if written < taken:
        # The highest lead of Latin-1; which one it was does not matter.
        state.widest = 0xC3
    return written


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
