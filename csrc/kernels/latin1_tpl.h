/* Latin-1 in one pass: unmask, validate, and write the code points, over the vectors of the kernel that includes this.
 *
 * Its code points are ASCII bytes and pairs: a lead (0xC2 or 0xC3), then a continuation byte, to which a lead of 0xC3
 * adds 0x40. So leads are taken out and what follows a 0xC3 is lifted. No branch but for ASCII, since Latin text
 * changes between one and two bytes all the time.
 *
 * Stores have 8 units and may reach past what is used, never past what will be written later: so the loop stops
 * LATIN1_MARGIN bytes before the end, and the rest is done in a scratch. */
#include "tables.h"

enum {
    LATIN1_BLOCK = 64,
    LATIN1_VECTORS = LATIN1_BLOCK / V_BYTES,
    /* 16 bytes behind the block are 8 units or more. */
    LATIN1_MARGIN = LATIN1_BLOCK + 16
};

/* A block on its way. */
typedef struct {
    vec units[LATIN1_VECTORS]; /* what each byte becomes, leads aside */
    vec errors;                /* bit 7 is set in every byte that cannot be */
    uint64_t leads;
} latin1_block;

/* `before` is the vector before v[0]. */
FWS_INLINE latin1_block latin1_decode(vec before, const vec *v) {
    latin1_block block = {.errors = v_zero(), .leads = 0};
    vec lead_before = v_equal(v_and(before, v_splat(0xFE)), v_splat(0xC2));
    for (int i = 0; i < LATIN1_VECTORS; i++) {
        const vec lead = v_equal(v_and(v[i], v_splat(0xFE)), v_splat(0xC2));
        const vec continuation = v_less(v[i], v_splat(0xC0));
        const vec misplaced = v_xor(continuation, v_previous1(lead_before, lead));
        const vec other = v_and_not(v_or(lead, continuation), v[i]);
        const vec after_c3 = v_equal(v_previous1(before, v[i]), v_splat(0xC3));
        block.errors = v_or(block.errors, v_or(misplaced, other));
        block.units[i] = v_or(v[i], v_and(after_c3, v_splat(0x40)));
        block.leads |= v_high_bits(lead) << (i * V_BYTES);
        before = v[i];
        lead_before = lead;
    }
    return block;
}

/* Write the units. Up to 8 bytes more are touched. Returns the end of what was written. */
FWS_INLINE uint8_t *latin1_compress(uint8_t *out, const latin1_block *block) {
    uint64_t kept = ~block->leads;
    for (int i = 0; i < LATIN1_BLOCK / 16; i++, kept >>= 16) {
        const quad units = v_quad(block->units[i * 16 / V_BYTES], i % (V_BYTES / 16));
        const unsigned low = kept & 0xFF, high = kept >> 8 & 0xFF;
        q_store_low(out, q_shuffle(units, q_load(fws_compress_shuffles[0][low])));
        out += FWS_BIT_COUNT(low);
        q_store_low(out, q_shuffle(units, q_load(fws_compress_shuffles[1][high])));
        out += FWS_BIT_COUNT(high);
    }
    return out;
}

/* Where a pass stands. */
typedef struct {
    uint8_t *out;
    vec before;          /* the last vector of the block before; ASCII at the start */
    uint64_t unfinished; /* whether it ends with a lead: 1 or 0 */
} latin1_progress;

/* Decode one block. Returns 0 if a byte of it cannot be, or follows an unfinished code point; the progress is then as
 * it was before. */
FWS_INLINE int latin1_step(const uint8_t *src, vec keys, latin1_progress *progress) {
    vec v[LATIN1_VECTORS], all = v_zero();
    for (int i = 0; i < LATIN1_VECTORS; i++) {
        v[i] = v_xor(v_load(src + i * V_BYTES), keys);
        all = v_or(all, v[i]);
    }
    if (v_is_ascii(all)) {
        if (progress->unfinished) {
            return 0;
        }
        for (int i = 0; i < LATIN1_VECTORS; i++) {
            v_store(progress->out + i * V_BYTES, v[i]);
        }
        progress->out += LATIN1_BLOCK;
    } else {
        const latin1_block block = latin1_decode(progress->before, v);
        if (FWS_UNLIKELY(!v_is_ascii(block.errors))) {
            return 0;
        }
        progress->out = latin1_compress(progress->out, &block);
        progress->unfinished = block.leads >> (LATIN1_BLOCK - 1);
    }
    progress->before = v[LATIN1_VECTORS - 1];
    return 1;
}

static size_t utf8_to_ucs1_vector(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key, size_t *written) {
    const vec keys = v_splat_key(key);
    latin1_progress progress = {dst, v_zero(), 0};
    size_t i = 0;
    while (n - i >= LATIN1_MARGIN && latin1_step(src + i, keys, &progress)) {
        i += LATIN1_BLOCK;
    }
    const size_t rest = n - i;
    *written = (size_t)(progress.out - dst);
    if (rest == 0 || rest >= LATIN1_MARGIN) {
        return i - (size_t)progress.unfinished;
    }
    /* The end, with ASCII behind it: a code point that it cuts shows as an error. */
    uint8_t bytes[2 * LATIN1_BLOCK], units[2 * LATIN1_BLOCK + 8];
    uint8_t *const out = progress.out;
    const uint64_t unfinished = progress.unfinished;
    memset(bytes, 0, sizeof bytes);
    mask_vector(bytes, src + i, rest, key);
    progress.out = units;
    size_t done = 0;
    while (done < rest && latin1_step(bytes + done, v_zero(), &progress)) {
        done += LATIN1_BLOCK;
    }
    if (done < rest || progress.unfinished) {
        return i - (size_t)unfinished;
    }
    const size_t more = (size_t)(progress.out - units) - (done - rest);
    mask_vector(out, units, more, 0);
    *written += more;
    return n;
}
