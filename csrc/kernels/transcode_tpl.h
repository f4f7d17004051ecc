/* UTF-8 to code units and back, over the vectors of the kernel that includes this.
 *
 * To units: 64 bytes give a bit for every byte that ends a code point. Runs of one length have their own short way;
 * otherwise 12 bits of it look up a shuffle that lays six, four or three code points into units.
 *
 * Stores are whole vectors and may reach past what is used, never past what will be written later: so the loops stop
 * MARGIN bytes before the end, and the rest is done in a scratch with room behind it. */
#include "tables.h"

enum {
    BLOCK = 64,
    /* Where in a block the last window may start: 16 bits of `ends` must be known, and the last bit is not. */
    LAST_WINDOW = BLOCK - 16 - 1,
    /* A window stores 8 units at most. LAST_WINDOW bytes into the block, 49 bytes are left, 12 code points or more. */
    MARGIN = BLOCK + 32,
    /* Fewer bytes than this are done one by one: a scratch costs more. */
    SCALAR_BELOW = 24
};

FWS_INLINE uint64_t block_lead_bits(const uint8_t *src) {
    uint64_t bits = 0;
    for (size_t i = 0; i < BLOCK / V_BYTES; i++) {
        bits |= v_lead_bits(v_load(src + i * V_BYTES)) << (i * V_BYTES);
    }
    return bits;
}

/* Whether a block that starts with a code point is ASCII: it has no continuation, and no lead that waits for one. */
FWS_INLINE int block_is_ascii(const uint8_t *src, uint64_t leads) {
    return leads == ~UINT64_C(0) && src[BLOCK - 1] < 0x80;
}

/* Bits of `ends` where code points of one length follow each other. */
#define ENDS_ASCII16 0xFFFFu
#define ENDS_TWO16 0xAAAAu
#define ENDS_THREE12 0x924u
#define ENDS_THREE48 UINT64_C(0x924924924924)
#define ENDS_FOUR16 0x8888u

/* A run of twos has the lead first; units want it high. */
FWS_ALIGN16 static const uint8_t swap_pairs[16] = {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14};
/* A run of threes: four code points to 32-bit units, the last byte lowest. */
FWS_ALIGN16 static const uint8_t spread_threes[16] = {2, 1, 0, 0xFF, 5, 4, 3, 0xFF, 8, 7, 6, 0xFF, 11, 10, 9, 0xFF};
FWS_ALIGN16 static const uint8_t swap_fours[16] = {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12};

FWS_INLINE quad join_threes(const uint8_t *src) { return q_join3(q_shuffle(q_load(src), q_load(spread_threes))); }

/* Units of 2 bytes. Returns the bytes consumed, at least n - MARGIN + 1; *written is the units. */
static size_t ucs2_blocks(uint16_t *dst, const uint8_t *src, size_t n, size_t *written) {
    uint16_t *out = dst;
    size_t i = 0;
    while (n - i >= MARGIN) {
        const uint64_t leads = block_lead_bits(src + i);
        if (block_is_ascii(src + i, leads)) {
            for (size_t k = 0; k < BLOCK; k += 16) {
                q_widen_to_ucs2(out + k, q_load(src + i + k));
            }
            out += BLOCK;
            i += BLOCK;
            continue;
        }
        const uint64_t ends = leads >> 1;
        if ((ends & UINT64_C(0xFFFFFFFFFFFF)) == ENDS_THREE48) {
            const uint8_t *p = src + i;
            q_store(out, q_narrow(join_threes(p), join_threes(p + 12)));
            q_store(out + 8, q_narrow(join_threes(p + 24), join_threes(p + 36)));
            out += 16;
            i += 48;
            continue;
        }
        size_t at = 0;
        while (at <= LAST_WINDOW) {
            const unsigned window = (unsigned)(ends >> at) & 0xFFFF;
            const quad v = q_load(src + i + at);
            if (window == ENDS_ASCII16) {
                q_widen_to_ucs2(out, v);
                out += 16;
                at += 16;
            } else if (window == ENDS_TWO16) {
                q_store(out, q_join2(q_shuffle(v, q_load(swap_pairs))));
                out += 8;
                at += 16;
            } else if ((window & 0xFFF) == ENDS_THREE12) {
                const quad units = q_join3(q_shuffle(v, q_load(spread_threes)));
                q_store_low(out, q_narrow(units, units));
                out += 4;
                at += 12;
            } else {
                const utf8_window way = fws_utf8_windows[window & 0xFFF];
                const quad laid = q_shuffle(v, q_load(fws_utf8_shuffles[way.shuffle]));
                at += way.consumed;
                if (way.shuffle < UTF8_FOUR) {
                    q_store(out, q_join2(laid));
                    out += 6;
                } else {
                    const quad units = q_join3(laid);
                    q_store_low(out, q_narrow(units, units));
                    out += 4;
                }
            }
        }
        i += at;
    }
    *written = (size_t)(out - dst);
    return i;
}

/* Units of 4 bytes, likewise. */
static size_t ucs4_blocks(uint32_t *dst, const uint8_t *src, size_t n, size_t *written) {
    uint32_t *out = dst;
    size_t i = 0;
    while (n - i >= MARGIN) {
        const uint64_t ends = block_lead_bits(src + i) >> 1;
        size_t at = 0;
        while (at <= LAST_WINDOW) {
            const unsigned window = (unsigned)(ends >> at) & 0xFFFF;
            const quad v = q_load(src + i + at);
            if (window == ENDS_ASCII16) {
                q_widen_bytes_to_ucs4(out, v);
                out += 16;
                at += 16;
            } else if (window == ENDS_FOUR16) {
                q_store(out, q_join4(q_shuffle(v, q_load(swap_fours))));
                out += 4;
                at += 16;
            } else {
                const utf8_window way = fws_utf8_windows[window & 0xFFF];
                const quad laid = q_shuffle(v, q_load(fws_utf8_shuffles[way.shuffle]));
                at += way.consumed;
                if (way.shuffle < UTF8_FOUR) {
                    q_widen_to_ucs4(out, q_join2(laid));
                    out += 6;
                } else if (way.shuffle < UTF8_THREE) {
                    q_store(out, q_join3(laid));
                    out += 4;
                } else {
                    q_store(out, q_join4(laid));
                    out += 3;
                }
            }
        }
        i += at;
    }
    *written = (size_t)(out - dst);
    return i;
}

/* Units of 1 byte: leads (0xC2, 0xC3) are taken out and what follows a 0xC3 is lifted. No branch but for ASCII, since
 * Latin text changes between one and two bytes all the time. */
static size_t ucs1_blocks(uint8_t *dst, const uint8_t *src, size_t n, size_t *written) {
    uint8_t *out = dst;
    size_t i = 0;
    while (n - i >= MARGIN) {
        const uint64_t leads = block_lead_bits(src + i);
        if (block_is_ascii(src + i, leads)) {
            for (size_t k = 0; k < BLOCK; k += 16) {
                q_store(out + k, q_load(src + i + k));
            }
            out += BLOCK;
            i += BLOCK;
            continue;
        }
        /* What ends a code point is kept: all but the leads of two. */
        uint64_t kept = leads >> 1 | (uint64_t)(src[i + BLOCK - 1] < 0xC0) << (BLOCK - 1);
        for (size_t k = 0; k < BLOCK; k += 16, kept >>= 16) {
            const quad v = q_load(src + i + k);
            const quad units = q_lift_latin1(v, i + k > 0 ? q_load(src + i + k - 1) : q_shift_in(v, 0));
            const unsigned low = kept & 0xFF, high = kept >> 8 & 0xFF;
            q_store_low(out, q_shuffle(units, q_load_low(fws_compress_shuffles[low])));
            out += FWS_BIT_COUNT(low);
            q_store_low(out, q_shuffle(q_high_half(units), q_load_low(fws_compress_shuffles[high])));
            out += FWS_BIT_COUNT(high);
        }
        i += BLOCK;
    }
    /* A lead at the very end has given nothing yet. */
    if (i > 0 && src[i - 1] >= 0xC0) {
        i--;
    }
    *written = (size_t)(out - dst);
    return i;
}

/* The rest, fewer than MARGIN bytes, with zeros behind it: as many units too many as zeros were consumed. */
#define DEFINE_TO_UNITS(name, unit, blocks, scalar)                             \
    static size_t name(unit *dst, const uint8_t *src, size_t n) {               \
        size_t written = 0, more;                                               \
        const size_t i = n < MARGIN ? 0 : blocks(dst, src, n, &written);        \
        const size_t rest = n - i;                                              \
        if (rest < SCALAR_BELOW) {                                              \
            return written + scalar(dst + written, src + i, rest);              \
        }                                                                       \
        uint8_t bytes[2 * MARGIN];                                              \
        unit units[2 * MARGIN];                                                 \
        memset(bytes, 0, sizeof bytes);                                         \
        memcpy(bytes, src + i, rest);                                           \
        const size_t consumed = blocks(units, bytes, rest + MARGIN - 1, &more); \
        more -= consumed - rest;                                                \
        memcpy(dst + written, units, more * sizeof(unit));                      \
        return written + more;                                                  \
    }

DEFINE_TO_UNITS(utf8_to_ucs1_vector, uint8_t, ucs1_blocks, fws_utf8_to_ucs1_scalar)
DEFINE_TO_UNITS(utf8_to_ucs2_vector, uint16_t, ucs2_blocks, fws_utf8_to_ucs2_scalar)
DEFINE_TO_UNITS(utf8_to_ucs4_vector, uint32_t, ucs4_blocks, fws_utf8_to_ucs4_scalar)

/* Code units to UTF-8 --------------------------------------------------------------------------------------------- */

/* Four code points, to at most 16 bytes. Returns how many are used. */
FWS_INLINE size_t encode_four(uint8_t *dst, quad units) {
    unsigned lengths;
    const quad spread = q_spread_code_points(units, &lengths);
    q_store(dst, q_shuffle(spread, q_load(fws_encode_shuffles[lengths])));
    return fws_encode_lengths[lengths];
}

/* While 16 units are left, 16 bytes at least are still to be written: a whole store fits. */
enum { ENCODE_STEP = 16 };

static size_t ucs1_to_utf8_vector(uint8_t *dst, const uint8_t *src, size_t n) {
    uint8_t *out = dst;
    size_t i = 0;
    for (; n - i >= 2 * ENCODE_STEP; i += ENCODE_STEP) {
        const quad v = q_load(src + i);
        if (q_is_ascii(v)) {
            q_store(out, v);
            out += ENCODE_STEP;
            continue;
        }
        uint32_t units[ENCODE_STEP];
        q_widen_bytes_to_ucs4(units, v);
        for (size_t k = 0; k < ENCODE_STEP; k += 4) {
            out += encode_four(out, q_load(units + k));
        }
    }
    return (size_t)(out - dst) + fws_ucs1_to_utf8_scalar(out, src + i, n - i);
}

static size_t ucs2_to_utf8_vector(uint8_t *dst, const uint16_t *src, size_t n) {
    uint8_t *out = dst;
    size_t i = 0;
    for (; n - i >= 2 * ENCODE_STEP; i += ENCODE_STEP) {
        const quad a = q_load(src + i), b = q_load(src + i + 8);
        if (q_is_ascii16(q_or(a, b))) {
            q_store(out, q_narrow_to_bytes(a, b));
            out += ENCODE_STEP;
            continue;
        }
        out += encode_four(out, q_low_to_ucs4(a));
        out += encode_four(out, q_high_to_ucs4(a));
        out += encode_four(out, q_low_to_ucs4(b));
        out += encode_four(out, q_high_to_ucs4(b));
    }
    return (size_t)(out - dst) + fws_ucs2_to_utf8_scalar(out, src + i, n - i);
}

static size_t ucs4_to_utf8_vector(uint8_t *dst, const uint32_t *src, size_t n) {
    uint8_t *out = dst;
    size_t i = 0;
    for (; n - i >= 2 * ENCODE_STEP; i += 4) {
        out += encode_four(out, q_load(src + i));
    }
    return (size_t)(out - dst) + fws_ucs4_to_utf8_scalar(out, src + i, n - i);
}
