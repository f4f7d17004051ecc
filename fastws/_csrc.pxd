# The declarations of csrc/fastws.h, in its order. No logic.

from libc.stdint cimport uint8_t, uint64_t

cdef extern from "fastws.h" nogil:
    ctypedef enum fws_fault:
        FWS_SHORT
        FWS_OK

    int FWS_MAX_HEADER

    ctypedef struct fws_header:
        uint64_t length
        uint8_t first
        uint8_t second
        uint8_t size
        uint8_t has_length
        uint8_t key[4]

    ctypedef struct fws_rules:
        uint8_t masked
        uint8_t reserved
        uint8_t minimal_length
        uint8_t in_message

    fws_fault fws_parse_header(const uint8_t *src, size_t n, int minimal_length, fws_header *h)
    fws_fault fws_check_start(uint8_t first, uint8_t second, const fws_rules *rules)
    size_t fws_format_header(uint8_t *dst, uint8_t first, uint64_t length, const uint8_t *key)
    size_t fws_header_size(uint64_t length, int masked)

    unsigned fws_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase)
    size_t fws_mask_ascii(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase)

    ctypedef struct fws_utf8:
        uint64_t offset
        uint64_t code_points
        uint8_t widest
        uint8_t n_pending

    int fws_utf8_feed(fws_utf8 *state, const uint8_t *src, size_t n)
    int fws_utf8_feed_masked(fws_utf8 *state, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase)
    int fws_is_utf8(const uint8_t *src, size_t n)
    int fws_utf8_width(const fws_utf8 *state)

    size_t fws_decode_latin1(
        uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase, size_t *written
    )
    void fws_decode_text(void *dst, int width, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase)

    size_t FWS_SURROGATE
    size_t fws_encoded_size(const void *src, int width, size_t n)
    void fws_encode_text(uint8_t *dst, const void *src, int width, size_t n, const uint8_t *key)

    int fws_select_kernel(const char *name)
    const char *fws_kernel_name()
    const char *fws_available_kernel(size_t i)
