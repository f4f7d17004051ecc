/* UTF-8 to code units and back, over the vectors of the kernel that includes this.
 *
 * To units of 2 or 4 bytes: the last byte of a code point is where its unit is made, out of itself and the bytes before
 * it. That is done in every byte at once, a plane for each byte of a unit; then a bit for every byte that ends a code
 * point chooses which are kept. So it does not matter how lengths follow each other: no branch looks at them, but for
 * blocks of one length, which have a short way.
 *
 * Stores are whole vectors and may reach past what is used, never past what will be written later: so the loops stop
 * MARGIN bytes before the end, and the rest is done in a scratch with room behind it. */
#include "tables.h"

enum {
    BLOCK = 64,
    BLOCK_VECTORS = BLOCK / V_BYTES,
    /* A store has 8 units at most; 32 bytes behind the block are 8 code points or more. */
    MARGIN = BLOCK + 32,
    /* Fewer bytes than this are done one by one: a scratch costs more. */
    SCALAR_BELOW = 16
};

/* The key as it meets bytes 0 to 3 places further on. */
typedef struct {
    vec turned[4];
} turned_keys;

FWS_INLINE turned_keys turn_key(uint32_t key) {
    turned_keys keys;
    for (unsigned r = 0; r < 4; r++) {
        keys.turned[r] = v_splat_key(fws_rotate_key(key, r));
    }
    return keys;
}

/* A block that starts with a code point, unmasked. */
typedef struct {
    vec v[BLOCK_VECTORS];
    vec all;        /* what any of them has */
    uint64_t leads; /* a bit for every byte that is not a continuation byte */
} utf8_block;

FWS_INLINE utf8_block load_block(const uint8_t *src, vec keys) {
    utf8_block block = {.all = v_zero(), .leads = 0};
    for (int i = 0; i < BLOCK_VECTORS; i++) {
        block.v[i] = v_xor(v_load(src + i * V_BYTES), keys);
        block.all = v_or(block.all, block.v[i]);
        block.leads |= v_lead_bits(block.v[i]) << (i * V_BYTES);
    }
    return block;
}

/* The k-th 16 bytes of a block. */
FWS_INLINE quad quad_of(const utf8_block *block, int k) {
    return v_quad(block->v[k * 16 / V_BYTES], k % (V_BYTES / 16));
}

/* A block of ASCII: a unit for each byte. */
#define DEFINE_WIDEN_BLOCK(name, unit, widen)                  \
    FWS_INLINE void name(unit *out, const utf8_block *block) { \
        for (int k = 0; k < BLOCK / 16; k++) {                 \
            widen(out + 16 * k, quad_of(block, k));            \
        }                                                      \
    }

DEFINE_WIDEN_BLOCK(widen_block_to_ucs2, uint16_t, q_widen_to_ucs2)
DEFINE_WIDEN_BLOCK(widen_block_to_ucs4, uint32_t, q_widen_bytes_to_ucs4)

/* The bytes before the last lead of a block, which is one of its last 4: two bits for each of their 16 patterns. */
FWS_INLINE size_t up_to_last_lead(uint64_t leads) {
    return BLOCK - 4 + (0xFFFFAA50u >> 2 * (leads >> (BLOCK - 4)) & 3);
}

/* Bits of `leads` where all code points have one length: 64 bytes of them, or 60 and the lead that follows. */
#define LEADS_TWO64 UINT64_C(0x5555555555555555)
#define LEADS_THREE60 UINT64_C(0x1249249249249249)
#define LEADS_FOUR64 UINT64_C(0x1111111111111111)

/* Eight code points of 2 bytes to 16-bit units, four of 3 bytes or of 4 to 32-bit units: the last byte lowest. */
FWS_ALIGN16 static const uint8_t swap_twos[16] = {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14};
FWS_ALIGN16 static const uint8_t spread_threes[16] = {2, 1, 0, 0xFF, 5, 4, 3, 0xFF, 8, 7, 6, 0xFF, 11, 10, 9, 0xFF};
FWS_ALIGN16 static const uint8_t swap_fours[16] = {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12};

FWS_INLINE quad join_threes(const uint8_t *src, quad keys) {
    return q_join3(q_shuffle(q_xor(q_load(src), keys), q_load(spread_threes)));
}

/* The bytes of units, where the last byte of their code point is. Lengths are those of a code point:
 *
 *     lowest    1: 0aaaaaaa    2 to 4: from the byte before and the last, ......aa 10bbbbbb -> aabbbbbb
 *     middle    1: 0           2 to 4: from the two before, ....aaaa ..bbbb.. -> aaaabbbb; a lead of 2 has no aaaa,
 *                                      and its bbbb is 0bbb
 *     highest   1 to 3: 0      4: from the three before, .....aaa ..bb.... -> 000aaabb */
typedef struct {
    vec lowest, middle, highest;
} unit_planes;

FWS_INLINE unit_planes planes_of(vec before, vec v) {
    const vec previous1 = v_previous1(before, v), previous2 = v_previous2(before, v);
    const vec previous3 = v_previous3(before, v);
    /* Whether these are continuation bytes. */
    const vec is_next = v_less(v, v_splat(0xC0));
    const vec is_third = v_and(is_next, v_less(previous1, v_splat(0xC0)));
    const vec is_fourth = v_and(is_third, v_less(previous2, v_splat(0xC0)));
    unit_planes planes;
    planes.lowest = v_or(v_and(v, v_splat(0x7F)), v_and(is_next, v_left(previous1, 6)));
    planes.middle =
        v_or(v_and(is_next, v_and(v_right(previous1, 2), v_splat(0x0F))), v_and(is_third, v_left(previous2, 4)));
    planes.highest =
        v_and(is_fourth, v_or(v_and(v_right(previous2, 4), v_splat(0x03)), v_and(v_left(previous3, 2), v_splat(0x1C))));
    return planes;
}

/* Units of 2 bytes. Returns the bytes consumed, at least n - MARGIN + 1; *written is the units. */
static size_t ucs2_blocks(uint16_t *dst, const uint8_t *src, size_t n, uint32_t key, size_t *written) {
    const turned_keys keys = turn_key(key);
    uint16_t *out = dst;
    size_t i = 0;
    while (n - i >= MARGIN) {
        const utf8_block block = load_block(src + i, keys.turned[i & 3]);
        if (v_is_ascii(block.all)) {
            widen_block_to_ucs2(out, &block);
            out += BLOCK;
            i += BLOCK;
            continue;
        }
        if (block.leads == LEADS_TWO64) {
            for (int k = 0; k < BLOCK / 16; k++) {
                q_store(out + 8 * k, q_join2(q_shuffle(quad_of(&block, k), q_load(swap_twos))));
            }
            /* The last one may be longer than it looks. */
            out += BLOCK / 2 - 1;
            i += BLOCK - 2;
            continue;
        }
        if ((block.leads & UINT64_C(0x1FFFFFFFFFFFFFFF)) == LEADS_THREE60) {
            const uint8_t *p = src + i;
            const quad quad_keys = v_quad(keys.turned[i & 3], 0), last = join_threes(p + 48, quad_keys);
            q_store(out, q_narrow(join_threes(p, quad_keys), join_threes(p + 12, quad_keys)));
            q_store(out + 8, q_narrow(join_threes(p + 24, quad_keys), join_threes(p + 36, quad_keys)));
            q_store_low(out + 16, q_narrow(last, last));
            out += 20;
            i += 60;
            continue;
        }
        /* The last code point ends who knows where: the next block starts with it. */
        uint64_t ends = block.leads >> 1;
        vec before = v_zero();
        for (int k = 0; k < BLOCK_VECTORS; before = block.v[k++]) {
            const unit_planes planes = planes_of(before, block.v[k]);
            for (int q = 0; q < V_BYTES / 16; q++, ends >>= 16) {
                const quad lowest = v_quad(planes.lowest, q), middle = v_quad(planes.middle, q);
                const unsigned first = ends & 0xFF, second = ends >> 8 & 0xFF;
                q_store(out, q_shuffle(q_zip_low(lowest, middle), q_load(fws_compress_pairs[first])));
                out += FWS_BIT_COUNT(first);
                q_store(out, q_shuffle(q_zip_high(lowest, middle), q_load(fws_compress_pairs[second])));
                out += FWS_BIT_COUNT(second);
            }
        }
        i += up_to_last_lead(block.leads);
    }
    *written = (size_t)(out - dst);
    return i;
}

/* Units of 4 bytes, likewise. */
static size_t ucs4_blocks(uint32_t *dst, const uint8_t *src, size_t n, uint32_t key, size_t *written) {
    const turned_keys keys = turn_key(key);
    uint32_t *out = dst;
    size_t i = 0;
    while (n - i >= MARGIN) {
        const utf8_block block = load_block(src + i, keys.turned[i & 3]);
        if (v_is_ascii(block.all)) {
            widen_block_to_ucs4(out, &block);
            out += BLOCK;
            i += BLOCK;
            continue;
        }
        if (block.leads == LEADS_FOUR64) {
            for (int k = 0; k < BLOCK / 16; k++) {
                q_store(out + 4 * k, q_join4(q_shuffle(quad_of(&block, k), q_load(swap_fours))));
            }
            out += BLOCK / 4;
            i += BLOCK;
            continue;
        }
        uint64_t ends = block.leads >> 1;
        vec before = v_zero();
        for (int k = 0; k < BLOCK_VECTORS; before = block.v[k++]) {
            const unit_planes planes = planes_of(before, block.v[k]);
            for (int q = 0; q < V_BYTES / 16; q++, ends >>= 16) {
                const quad lowest = v_quad(planes.lowest, q), middle = v_quad(planes.middle, q);
                const quad highest = v_quad(planes.highest, q), none = q_splat_key(0);
                const unsigned first = ends & 0xFF, second = ends >> 8 & 0xFF;
                const quad shuffle1 = q_load(fws_compress_pairs[first]), shuffle2 = q_load(fws_compress_pairs[second]);
                q_store_zipped16(out, q_shuffle(q_zip_low(lowest, middle), shuffle1),
                                 q_shuffle(q_zip_low(highest, none), shuffle1));
                out += FWS_BIT_COUNT(first);
                q_store_zipped16(out, q_shuffle(q_zip_high(lowest, middle), shuffle2),
                                 q_shuffle(q_zip_high(highest, none), shuffle2));
                out += FWS_BIT_COUNT(second);
            }
        }
        i += up_to_last_lead(block.leads);
    }
    *written = (size_t)(out - dst);
    return i;
}

/* The rest, fewer than MARGIN bytes, with zeros behind it: as many units too many as zeros were consumed. */
#define DEFINE_TO_UNITS(name, unit, blocks, scalar)                                \
    static size_t name(unit *dst, const uint8_t *src, size_t n, uint32_t key) {    \
        size_t written = 0, more;                                                  \
        const size_t i = n < MARGIN ? 0 : blocks(dst, src, n, key, &written);      \
        const size_t rest = n - i;                                                 \
        const uint32_t key_rest = fws_rotate_key(key, i & 3);                      \
        if (rest < SCALAR_BELOW) {                                                 \
            return written + scalar(dst + written, src + i, rest, key_rest);       \
        }                                                                          \
        uint8_t bytes[2 * MARGIN];                                                 \
        unit units[2 * MARGIN];                                                    \
        memset(bytes, 0, sizeof bytes);                                            \
        mask_vector(bytes, src + i, rest, key_rest);                               \
        const size_t consumed = blocks(units, bytes, rest + MARGIN - 1, 0, &more); \
        more -= consumed - rest;                                                   \
        memcpy(dst + written, units, more * sizeof(unit));                         \
        return written + more;                                                     \
    }

DEFINE_TO_UNITS(utf8_to_ucs2_vector, uint16_t, ucs2_blocks, fws_utf8_to_ucs2_scalar)
DEFINE_TO_UNITS(utf8_to_ucs4_vector, uint32_t, ucs4_blocks, fws_utf8_to_ucs4_scalar)

/* Code units to UTF-8 --------------------------------------------------------------------------------------------- */

/* Four code points, each spread over 4 bytes, to at most 16 bytes; `lengths` as q_spread_code_points tells them.
 * Returns the end of what is used. */
FWS_INLINE uint8_t *encode_spread(uint8_t *out, quad spread, unsigned lengths) {
    q_store(out, q_shuffle(spread, q_load(fws_encode_shuffles[lengths])));
    return out + fws_encode_lengths[lengths];
}

FWS_INLINE uint8_t *encode_four(uint8_t *out, quad units) {
    unsigned lengths;
    const quad spread = q_spread_code_points(units, &lengths);
    return encode_spread(out, spread, lengths);
}

/* Eight units of 2 bytes. */
FWS_INLINE uint8_t *encode_eight(uint8_t *out, quad units) {
    unsigned lengths1, lengths2;
    const spread_eight spread = q_spread_eight(units, &lengths1, &lengths2);
    out = encode_spread(out, spread.first, lengths1);
    return encode_spread(out, spread.second, lengths2);
}

/* The same of units below 0x800: pairs of a lead and another byte, without the lead where that is ASCII. */
FWS_INLINE uint8_t *encode_eight_pairs(uint8_t *out, quad units) {
    unsigned twos;
    const quad pairs = q_pair_up(units, &twos);
    q_store(out, q_shuffle(pairs, q_load(fws_encode_pairs[twos])));
    return out + 8 + FWS_BIT_COUNT(twos);
}

/* A store has 16 bytes, and fits while 16 units are left, those that it is for included. The steps of the loops below
 * leave as many before their last store. */
enum { ENCODE_STEP = 32, ENCODE_MARGIN = ENCODE_STEP + 16 };

static size_t ucs1_to_utf8_vector(uint8_t *dst, const uint8_t *src, size_t n) {
    const quad none = q_splat_key(0);
    uint8_t *out = dst;
    size_t i = 0;
    for (; n - i >= ENCODE_MARGIN; i += ENCODE_STEP) {
        const quad a = q_load(src + i), b = q_load(src + i + 16);
        if (q_is_ascii(q_or(a, b))) {
            q_store(out, a);
            q_store(out + 16, b);
            out += ENCODE_STEP;
            continue;
        }
        out = encode_eight_pairs(out, q_zip_low(a, none));
        out = encode_eight_pairs(out, q_zip_high(a, none));
        out = encode_eight_pairs(out, q_zip_low(b, none));
        out = encode_eight_pairs(out, q_zip_high(b, none));
    }
    for (; n - i >= 16; i += 8) {
        out = encode_eight_pairs(out, q_zip_low(q_load(src + i), none));
    }
    return (size_t)(out - dst) + fws_ucs1_to_utf8_scalar(out, src + i, n - i);
}

static size_t ucs2_to_utf8_vector(uint8_t *dst, const uint16_t *src, size_t n) {
    uint8_t *out = dst;
    size_t i = 0;
    for (; n - i >= ENCODE_MARGIN; i += ENCODE_STEP) {
        const quad a = q_load(src + i), b = q_load(src + i + 8), c = q_load(src + i + 16), d = q_load(src + i + 24);
        const quad all = q_or(q_or(a, b), q_or(c, d));
        if (q_is_below_80(all)) {
            q_store(out, q_narrow_to_bytes(a, b));
            q_store(out + 16, q_narrow_to_bytes(c, d));
            out += ENCODE_STEP;
        } else if (q_is_below_800(all)) {
            out = encode_eight_pairs(out, a);
            out = encode_eight_pairs(out, b);
            out = encode_eight_pairs(out, c);
            out = encode_eight_pairs(out, d);
        } else {
            out = encode_eight(out, a);
            out = encode_eight(out, b);
            out = encode_eight(out, c);
            out = encode_eight(out, d);
        }
    }
    for (; n - i >= 16 + 4; i += 8) {
        out = encode_eight(out, q_load(src + i));
    }
    return (size_t)(out - dst) + fws_ucs2_to_utf8_scalar(out, src + i, n - i);
}

static size_t ucs4_to_utf8_vector(uint8_t *dst, const uint32_t *src, size_t n) {
    uint8_t *out = dst;
    size_t i = 0;
    for (; n - i >= 16 + 4; i += 4) {
        out = encode_four(out, q_load(src + i));
    }
    return (size_t)(out - dst) + fws_ucs4_to_utf8_scalar(out, src + i, n - i);
}
