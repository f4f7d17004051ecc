# What callers may hand in: buffers, keys and phases, and how the wrong ones are refused.

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


cdef inline int open_briefly(object data, Source *source) except -1:
    """The same where no Python code can run until `close_source`: nothing is made that the garbage collector tracks."""
    if not PyByteArray_CheckExact(data):
        return open_source(data, source)
    source.held = False
    source.data = <const uint8_t *>PyByteArray_AS_STRING(data)
    source.n = PyByteArray_GET_SIZE(data)
    return 0


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


cdef bytes key_bytes(object key):
    cdef uint8_t masking_key[4]
    read_key(key, masking_key)
    return PyBytes_FromStringAndSize(<const char *>masking_key, 4)


cdef extern from *:
    """
    static inline int fastws_small_int(PyObject *number) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(number, &overflow);
        return overflow || value < 0 || value > 3 ? -1 : (int)value;
    }

    /* -1 for what does not fit, and for what is negative. */
    static inline Py_ssize_t fastws_size(PyObject *number) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
        return overflow || value < 0 || value > PY_SSIZE_T_MAX ? -1 : (Py_ssize_t)value;
    }
    """
    int fastws_small_int(object number)
    Py_ssize_t fastws_size(object number)
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


cdef inline Py_ssize_t read_offset(object offset, Py_ssize_t n) except -1:
    cdef Py_ssize_t value = fastws_size(offset) if PyLong_CheckExact(offset) else -1
    return value if 0 <= value <= n else read_any_offset(offset, n)


cdef Py_ssize_t read_any_offset(object offset, Py_ssize_t n) except -1:
    cdef object number = PyNumber_Index(offset)
    if not 0 <= number <= n:
        raise ValueError(f"offset is 0 to {n}, not {number}")
    return number
