/* Text between its two shapes: UTF-8 on the wire, code units of one width in memory. */
#include "kernels/kernels.h"

/* Code units encoded before their bytes are masked: they stay in the
 * first-level cache, so a second pass costs little. */
enum { SLICE = 1024 };

static uint32_t turned(const uint8_t *key, unsigned phase) {
    return key == NULL ? 0 : fws_rotate_key(fws_load32(key), phase);
}

size_t fws_decode_latin1(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase,
                         size_t *written) {
    return fws_active->utf8_to_ucs1(dst, src, n, turned(key, phase), written);
}

void fws_decode_text(void *dst, int width, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase) {
    size_t written;
    switch (width) {
    case 1:
        fws_active->utf8_to_ucs1(dst, src, n, turned(key, phase), &written);
        break;
    case 2:
        fws_active->utf8_to_ucs2(dst, src, n, turned(key, phase));
        break;
    default:
        fws_active->utf8_to_ucs4(dst, src, n, turned(key, phase));
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
