/* Text between its two shapes: UTF-8 on the wire, code units of one width in memory. */
#include "kernels/kernels.h"

/* Masked text passes through a scratch of this many bytes, which stays in the first-level cache: a second XOR costs
 * less than memory for the whole text. */
enum { SCRATCH = 4096 };

/* Code units encoded before their bytes are masked, for the same reason. */
enum { SLICE = 1024 };

static size_t to_units(void *dst, int width, const uint8_t *src, size_t n) {
    switch (width) {
    case 1:
        return fws_active->utf8_to_ucs1(dst, src, n);
    case 2:
        return fws_active->utf8_to_ucs2(dst, src, n);
    default:
        return fws_active->utf8_to_ucs4(dst, src, n);
    }
}

/* Bytes of the unfinished code point at the end of valid UTF-8, 0 to 3. n is at least 4. */
static size_t unfinished(const uint8_t *src, size_t n) {
    for (size_t back = 1; back <= 3; back++) {
        const uint8_t byte = src[n - back];
        if (byte >= 0xC0) {
            const size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
            return length > back ? back : 0;
        }
        if (byte < 0x80) {
            return 0;
        }
    }
    return 0;
}

void fws_decode_text(void *dst, int width, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase) {
    uint8_t scratch[SCRATCH];
    uint8_t *out = dst;
    size_t carried = 0;
    if (key == NULL) {
        to_units(dst, width, src, n);
        return;
    }
    while (n > 0) {
        const size_t room = SCRATCH - carried;
        const size_t piece = n < room ? n : room;
        phase = fws_mask(scratch + carried, src, piece, key, phase);
        src += piece;
        n -= piece;
        const size_t have = carried + piece;
        carried = n > 0 ? unfinished(scratch, have) : 0;
        out += to_units(out, width, scratch, have - carried) * (size_t)width;
        memmove(scratch, scratch + have - carried, carried);
    }
}

size_t fws_encoded_size(const void *src, int width, size_t n) {
    switch (width) {
    case 1:
        return fws_active->ucs1_size(src, n);
    case 2:
        return fws_active->ucs2_size(src, n);
    default:
        return fws_active->ucs4_size(src, n);
    }
}

static size_t from_units(uint8_t *dst, const void *src, int width, size_t n) {
    switch (width) {
    case 1:
        return fws_active->ucs1_to_utf8(dst, src, n);
    case 2:
        return fws_active->ucs2_to_utf8(dst, src, n);
    default:
        return fws_active->ucs4_to_utf8(dst, src, n);
    }
}

void fws_encode_text(uint8_t *dst, const void *src, int width, size_t n, const uint8_t *key) {
    const uint8_t *units = src;
    unsigned phase = 0;
    if (key == NULL) {
        from_units(dst, src, width, n);
        return;
    }
    while (n > 0) {
        const size_t slice = n < SLICE ? n : SLICE;
        const size_t written = from_units(dst, units, width, slice);
        phase = fws_mask(dst, dst, written, key, phase);
        dst += written;
        units += slice * (size_t)width;
        n -= slice;
    }
}
