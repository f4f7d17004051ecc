# XOR with the masking key, at any phase (RFC 6455 §5.3).

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
