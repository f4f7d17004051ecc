# From bytes to messages: fragments joined, text checked, sizes limited (RFC 6455 §5.4 to §5.6).

@cython.final
cdef class MessageDecoder:
    """Turns a stream of bytes into messages and control frames, in wire order (RFC 6455 §5)."""

    cdef HeaderReader reader
    cdef uint64_t max_message_size
    cdef uint64_t max_compressed_size
    cdef uint64_t max_fragments
    cdef uint64_t max_frame_size
    cdef bint text_as_str
    cdef public bint streaming
    cdef readonly bint only_messages
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
    # The message that has begun: its opcode, whether it is compressed, whether and how many bytes of it were told
    # already, its other unmasked bytes, and how many frames gave them.
    cdef uint8_t opcode
    cdef bint compressed
    cdef bint begun
    cdef uint64_t told
    cdef Gathered gathered
    cdef uint64_t fragments
    cdef fws_utf8 text

    def __init__(
        self,
        role,
        *,
        max_message_size,
        max_fragments=DEFAULT_MAX_FRAGMENTS,
        max_frame_size=None,
        text_as="str",
        minimal_length=True,
        rsv1=False,
        streaming=False,
    ):
        read_rules(role, RSV1 if rsv1 else 0, minimal_length, &self.reader.rules)
        self.max_message_size = read_limit(max_message_size, "max_message_size")
        self.max_compressed_size = self.max_message_size + self.slack()
        self.max_fragments = read_limit(max_fragments, "max_fragments")
        self.max_frame_size = read_limit(max_frame_size, "max_frame_size")
        if text_as not in ("str", "bytes"):
            raise ValueError(f"text_as is 'str' or 'bytes', not {text_as!r}")
        self.text_as_str = text_as == "str"
        self.streaming = streaming
        self.only_messages = True
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
                    self.only_messages = True
                    if self.decode(source.data, source.n, events):
                        self.only_messages = False
                        self.discard()
                    elif self.closed:
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
                if h.has_length and not h.first & CONTROL and self.check_budget(h.first, h.length):
                    return self.refusal.fault
                if status == FWS_SHORT:
                    return 0
                if n - position >= h.length and h.first & FIN and h.first & OPCODE:
                    # The whole message, or control frame, is here.
                    piece = <size_t>h.length
                    event = self.whole(h.first, data + position, piece, h.key if self.reader.rules.masked else NULL)
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

    cdef int check_budget(self, uint8_t first, uint64_t length) noexcept:
        """What the budget of the message decides, by subtraction: nothing here can overflow."""
        cdef uint64_t size = self.gathered.n + self.told
        cdef uint64_t limit = self.max_message_size
        if self.fragments >= self.max_fragments:
            return refuse(&self.refusal, TOO_MANY_FRAGMENTS, self.fragments + 1, self.max_fragments)
        if length > self.max_frame_size:
            return refuse(&self.refusal, FRAME_TOO_BIG, length, self.max_frame_size)
        if first & RSV1 or (self.compressed and not first & OPCODE):
            limit = self.max_compressed_size
        if length > limit - size:
            return refuse(&self.refusal, MESSAGE_TOO_BIG, size + length, limit)
        return 0

    cdef uint64_t slack(self) noexcept:
        """By how much a compressed message may be longer than what it holds."""
        cdef uint64_t slack = self.max_message_size // 4 + 64
        return min(slack, LIMIT - self.max_message_size)

    cdef object whole(self, uint8_t first, const uint8_t *data, size_t n, const uint8_t *key):
        """What one unfragmented frame means; None, with a refusal, if it is bad."""
        cdef uint8_t opcode = first & (RSV1 | OPCODE)
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
        self.only_messages = False
        if opcode & RSV1:
            return new_frame(first, unmasked(data, n, key))
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
                self.compressed = h.first & RSV1 != 0

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
        if self.opcode != TEXT or self.compressed:
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
            event = self.whole(self.first, self.payload, n, NULL)
            if event is None:
                return self.refusal.fault
            events.append(event)
        elif self.first & FIN:
            if self.compressed or self.begun:
                events.append(self.fragment(FIN))
            else:
                events.append(new_message(self.gathered_data(), self.opcode))
            self.forget_message()
        elif self.streaming or self.begun:
            events.append(self.fragment(0))
        return 0

    cdef Frame fragment(self, uint8_t fin):
        """What has gathered, as a frame that goes on with what was told already."""
        cdef uint8_t first = CONTINUATION
        cdef bytes payload = PyBytes_FromStringAndSize(<const char *>self.gathered.data, self.gathered.n)
        if not self.begun:
            first = self.opcode | (RSV1 if self.compressed else 0)
            self.begun = True
        self.told += self.gathered.n
        forget(&self.gathered)
        self.only_messages = False
        return new_frame(fin | first, payload)

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
        self.begun = False
        self.told = 0
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


cdef Frame new_frame(uint8_t first, bytes payload):
    cdef Frame frame = Frame.__new__(Frame)
    frame.first = first
    frame.payload = payload
    return frame


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
