/* Streaming validation of UTF-8 (RFC 3629): carries an unfinished code point over to the next piece. */
#include "kernels/kernels.h"

/* Masked bytes are unmasked this many at a time into a scratch that stays in the first-level cache. */
enum { SCRATCH = 4096 };

/* What may follow a lead byte (RFC 3629 §4). */
typedef struct {
    unsigned length;   /* bytes of the code point; 0 if the byte cannot lead */
    uint8_t low, high; /* bounds of its second byte, where overlong forms and surrogates show */
} sequence;

static sequence sequence_of(uint8_t lead) {
    if (lead < 0x80) {
        return (sequence){1, 0, 0};
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return (sequence){0, 0, 0};
    }
    if (lead < 0xE0) {
        return (sequence){2, 0x80, 0xBF};
    }
    if (lead < 0xF0) {
        return (sequence){3, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF};
    }
    return (sequence){4, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF};
}

/* How many of the bytes at src can stand there as the start of one code point: all n, or the offset of the first
 * that cannot. n is at least 1. */
static size_t acceptable(const uint8_t *src, size_t n) {
    const sequence s = sequence_of(src[0]);
    if (s.length == 0) {
        return 0;
    }
    const size_t end = n < s.length ? n : s.length;
    for (size_t i = 1; i < end; i++) {
        const uint8_t low = i == 1 ? s.low : 0x80;
        const uint8_t high = i == 1 ? s.high : 0xBF;
        if (src[i] < low || src[i] > high) {
            return i;
        }
    }
    return end;
}

/* Finish the pending code point with bytes of src. Returns the bytes used, or SIZE_MAX at one that cannot be. */
static size_t finish_pending(fws_utf8 *state, const uint8_t *src, size_t n) {
    uint8_t bytes[4];
    size_t have = state->n_pending;
    const size_t length = sequence_of(state->pending[0]).length;
    size_t used = 0;
    memcpy(bytes, state->pending, have);
    while (have < length && used < n) {
        bytes[have] = src[used];
        if (acceptable(bytes, have + 1) <= have) {
            state->offset += used;
            return SIZE_MAX;
        }
        have++;
        used++;
    }
    if (have == length) {
        state->n_pending = 0;
        state->code_points++;
    } else {
        memcpy(state->pending, bytes, have);
        state->n_pending = (uint8_t)have;
    }
    state->offset += used;
    return used;
}

int fws_utf8_feed(fws_utf8 *state, const uint8_t *src, size_t n) {
    if (state->n_pending) {
        const size_t used = finish_pending(state, src, n);
        if (used == SIZE_MAX) {
            return 0;
        }
        src += used;
        n -= used;
    }
    if (n == 0) {
        return 1;
    }
    fws_text_stats stats = {0, state->widest};
    const size_t valid = fws_active->utf8_check(src, n, &stats);
    state->code_points += stats.code_points;
    state->widest = stats.widest;
    const size_t rest = n - valid;
    if (rest == 0) {
        state->offset += n;
        return 1;
    }
    const size_t good = acceptable(src + valid, rest);
    /* Four good bytes would have been a code point: the buffer is being written to, and is refused. */
    if (good < rest || rest > sizeof state->pending) {
        state->offset += valid + good;
        return 0;
    }
    if (src[valid] > state->widest) {
        state->widest = src[valid];
    }
    memcpy(state->pending, src + valid, rest);
    state->n_pending = (uint8_t)rest;
    state->offset += n;
    return 1;
}

int fws_utf8_feed_masked(fws_utf8 *state, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase) {
    uint8_t scratch[SCRATCH];
    if (key == NULL) {
        return fws_utf8_feed(state, src, n);
    }
    while (n > 0) {
        const size_t piece = n < SCRATCH ? n : SCRATCH;
        phase = fws_mask(scratch, src, piece, key, phase);
        if (!fws_utf8_feed(state, scratch, piece)) {
            return 0;
        }
        src += piece;
        n -= piece;
    }
    return 1;
}

int fws_is_utf8(const uint8_t *src, size_t n) {
    fws_text_stats stats = {0, 0};
    return fws_active->utf8_check(src, n, &stats) == n;
}

int fws_utf8_width(const fws_utf8 *state) { return state->widest < 0xC4 ? 1 : state->widest < 0xF0 ? 2 : 4; }
