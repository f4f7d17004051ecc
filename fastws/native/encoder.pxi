# From messages to bytes: whole frames, masked with keys that nobody can foresee (RFC 6455 §5.3, §5.6).

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
    if key != NULL:
        fws_mask(dst + header, data, n, key, 0)
    elif n:
        memcpy(dst + header, data, n)
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
