# Frame headers from and to bytes (RFC 6455 §5.2), both directions side by side.

def parse_header(data, offset=0, *, minimal_length=True):
    """Read the header of a frame (RFC 6455 §5.2)."""
    cdef Source source
    cdef fws_header h
    cdef fws_fault fault
    cdef Py_ssize_t start
    cdef bint minimal
    open_source(data, &source)
    try:
        start = read_offset(offset, source.n)
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
