/* The plain kernel: correct everywhere, 8 bytes a step where that is easy, and the oracle for the others. */
#include "kernels.h"

/* The high bit of every byte of a word: set in any byte that is not ASCII. */
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Mask ------------------------------------------------------------------------------------------------------------ */

void fws_mask_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key) {
    const uint64_t key64 = (uint64_t)key << 32 | key;
    uint8_t bytes[4];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        fws_store64(dst + i, fws_load64(src + i) ^ key64);
    }
    fws_store32(bytes, key);
    for (; i < n; i++) {
        dst[i] = src[i] ^ bytes[i & 3];
    }
}

size_t fws_mask_ascii_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key) {
    const uint64_t key64 = (uint64_t)key << 32 | key;
    uint8_t bytes[4];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t v = fws_load64(src + i) ^ key64;
        if (v & HIGH_BITS) {
            return i;
        }
        fws_store64(dst + i, v);
    }
    fws_store32(bytes, key);
    for (; i < n; i++) {
        const uint8_t byte = src[i] ^ bytes[i & 3];
        if (byte & 0x80) {
            return i;
        }
        dst[i] = byte;
    }
    return n;
}

/* Utf8 ------------------------------------------------------------------------------------------------------------ */

FWS_INLINE int is_continuation(int byte) { return (byte & 0xC0) == 0x80; }

/* The length of the code point at src, 1 to 4, if it is valid and complete in n bytes (RFC 3629 §4); otherwise 0. */
FWS_INLINE size_t valid_code_point(const uint8_t *src, size_t n) {
    const uint8_t lead = src[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    if (lead < 0xE0) {
        return n >= 2 && is_continuation(src[1]) ? 2 : 0;
    }
    if (lead < 0xF0) {
        if (n < 3 || !is_continuation(src[1]) || !is_continuation(src[2])) {
            return 0;
        }
        /* E0 80..9F would be overlong, ED A0..BF a surrogate. */
        return (lead == 0xE0 && src[1] < 0xA0) || (lead == 0xED && src[1] > 0x9F) ? 0 : 3;
    }
    if (n < 4 || !is_continuation(src[1]) || !is_continuation(src[2]) || !is_continuation(src[3])) {
        return 0;
    }
    /* F0 80..8F would be overlong, F4 90..BF above U+10FFFF. */
    return (lead == 0xF0 && src[1] < 0x90) || (lead == 0xF4 && src[1] > 0x8F) ? 0 : 4;
}

size_t fws_utf8_check_scalar(const uint8_t *src, size_t n, fws_text_stats *stats) {
    size_t i = 0;
    while (i < n) {
        while (i + 8 <= n && !(fws_load64(src + i) & HIGH_BITS)) {
            i += 8;
            stats->code_points += 8;
        }
        if (i == n) {
            break;
        }
        const size_t length = valid_code_point(src + i, n - i);
        if (length == 0) {
            break;
        }
        if (src[i] >= 0x80 && src[i] > stats->widest) {
            stats->widest = src[i];
        }
        stats->code_points++;
        i += length;
    }
    return i;
}

/* UTF-8 to code units --------------------------------------------------------------------------------------------- */

/* The code point at src, which is valid and masked with these bytes; *length is how many bytes it has. */
FWS_INLINE uint32_t decode_code_point(const uint8_t *src, const uint8_t *key, size_t *length) {
    const uint32_t lead = src[0] ^ key[0];
    if (lead < 0x80) {
        *length = 1;
        return lead;
    }
    const uint32_t second = (src[1] ^ key[1]) & 0x3Fu;
    if (lead < 0xE0) {
        *length = 2;
        return (lead & 0x1F) << 6 | second;
    }
    const uint32_t third = (src[2] ^ key[2]) & 0x3Fu;
    if (lead < 0xF0) {
        *length = 3;
        return (lead & 0x0F) << 12 | second << 6 | third;
    }
    *length = 4;
    return (lead & 0x07) << 18 | second << 12 | third << 6 | ((src[3] ^ key[3]) & 0x3Fu);
}

/* The length of the code point at src, 1 or 2, if it is of Latin-1, valid and complete in n bytes; otherwise 0. */
FWS_INLINE size_t latin1_code_point(const uint8_t *src, size_t n, const uint8_t *key, uint8_t *unit) {
    const uint8_t lead = src[0] ^ key[0];
    if (lead < 0x80) {
        *unit = lead;
        return 1;
    }
    if ((lead & 0xFE) != 0xC2 || n < 2 || !is_continuation(src[1] ^ key[1])) {
        return 0;
    }
    *unit = (uint8_t)((lead & 1) << 6 | (src[1] ^ key[1]));
    return 2;
}

size_t fws_utf8_to_ucs1_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key, size_t *written) {
    uint8_t bytes[8];
    uint8_t *out = dst;
    size_t i = 0, length = 1;
    fws_store32(bytes, key);
    fws_store32(bytes + 4, key);
    while (i < n && length > 0) {
        const size_t ascii = fws_mask_ascii_scalar(out, src + i, n - i, fws_rotate_key(key, i & 3));
        out += ascii;
        i += ascii;
        for (const size_t end = i + 8; i < n && i < end; i += length) {
            length = latin1_code_point(src + i, n - i, bytes + (i & 3), out);
            if (length == 0) {
                break;
            }
            out++;
        }
    }
    *written = (size_t)(out - dst);
    return i;
}

#define DEFINE_UTF8_TO_UNITS(name, unit)                                                 \
    size_t name(unit *dst, const uint8_t *src, size_t n, uint32_t key) {                 \
        uint8_t bytes[8];                                                                \
        size_t written = 0;                                                              \
        fws_store32(bytes, key);                                                         \
        fws_store32(bytes + 4, key);                                                     \
        for (size_t i = 0, length; i < n; i += length) {                                 \
            dst[written++] = (unit)decode_code_point(src + i, bytes + (i & 3), &length); \
        }                                                                                \
        return written;                                                                  \
    }

DEFINE_UTF8_TO_UNITS(fws_utf8_to_ucs2_scalar, uint16_t)
DEFINE_UTF8_TO_UNITS(fws_utf8_to_ucs4_scalar, uint32_t)

/* Code units to UTF-8 --------------------------------------------------------------------------------------------- */

#include "size_tpl.h"

FWS_INLINE size_t encode_code_point(uint8_t *dst, uint32_t c) {
    if (c < 0x80) {
        dst[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        dst[0] = (uint8_t)(0xC0 | c >> 6);
        dst[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        dst[0] = (uint8_t)(0xE0 | c >> 12);
        dst[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        dst[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    dst[0] = (uint8_t)(0xF0 | c >> 18);
    dst[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    dst[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    dst[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

#define DEFINE_UNITS_TO_UTF8(name, unit)                         \
    size_t name(uint8_t *dst, const unit *src, size_t n) {       \
        size_t written = 0;                                      \
        for (size_t i = 0; i < n; i++) {                         \
            written += encode_code_point(dst + written, src[i]); \
        }                                                        \
        return written;                                          \
    }

DEFINE_UNITS_TO_UTF8(fws_ucs1_to_utf8_scalar, uint8_t)
DEFINE_UNITS_TO_UTF8(fws_ucs2_to_utf8_scalar, uint16_t)
DEFINE_UNITS_TO_UTF8(fws_ucs4_to_utf8_scalar, uint32_t)

const fws_kernel fws_kernel_scalar = {
    .name = "scalar",
    .mask = fws_mask_scalar,
    .mask_ascii = fws_mask_ascii_scalar,
    .utf8_check = fws_utf8_check_scalar,
    .utf8_to_ucs1 = fws_utf8_to_ucs1_scalar,
    .utf8_to_ucs2 = fws_utf8_to_ucs2_scalar,
    .utf8_to_ucs4 = fws_utf8_to_ucs4_scalar,
    .ucs1_size = ucs1_size,
    .ucs2_size = ucs2_size,
    .ucs4_size = ucs4_size,
    .ucs1_to_utf8 = fws_ucs1_to_utf8_scalar,
    .ucs2_to_utf8 = fws_ucs2_to_utf8_scalar,
    .ucs4_to_utf8 = fws_ucs4_to_utf8_scalar,
};
