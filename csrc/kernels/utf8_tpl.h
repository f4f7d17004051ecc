/* Validation of UTF-8 by table lookup, over the vectors of the kernel that includes this.
 *
 * Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (2021): the first 12 bits of every pair
 * of neighbouring bytes tell all that can be wrong with two bytes. Three tables of 16, for the high and low nibble of
 * the first byte and the high nibble of the second, each hold a set of errors as bits; an error that stands in all
 * three has happened. What is left is to ask of every third and fourth byte whether it should be a continuation. */

/* clang-format off */
/* An error is named by its two bytes: the first byte ends or leads a code point, the second follows it. */
enum {
    TOO_SHORT = 1 << 0,  /* 11...... 0.......   a lead, then no continuation         */
                         /* 11...... 11......                                        */
    TOO_LONG = 1 << 1,   /* 0....... 10......   ASCII, then a continuation           */
    OVERLONG3 = 1 << 2,  /* 11100000 100.....   below U+0800 in three bytes          */
    TOO_LARGE = 1 << 3,  /* 11110100 1001....   above U+10FFFF                       */
                         /* 11110100 101.....                                        */
                         /* 11110101 1001....   and so for 11110110 to 11111111      */
                         /* 11110101 101.....                                        */
    SURROGATE = 1 << 4,  /* 11101101 101.....   U+D800 to U+DFFF                     */
    OVERLONG2 = 1 << 5,  /* 1100000. 10......   ASCII in two bytes                   */
    TOO_LARGE8 = 1 << 6, /* 11110101 1000....   above U+10FFFF, and so to 11111111   */
    OVERLONG4 = 1 << 6,  /* 11110000 1000....   below U+10000 in four bytes: no lead has both, so one bit serves */
    TWO_CONTINUATIONS = 1 << 7, /* 10...... 10......   an error, unless a code point of 3 or 4 bytes is under way */

    /* Errors that the low nibble of the first byte does not decide. */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS
};

FWS_ALIGN16 static const uint8_t first_high[16] = {
    /* 0....... */
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
    /* 10...... */
    TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS,
    /* 1100.... */ TOO_SHORT | OVERLONG2,
    /* 1101.... */ TOO_SHORT,
    /* 1110.... */ TOO_SHORT | OVERLONG3 | SURROGATE,
    /* 1111.... */ TOO_SHORT | TOO_LARGE | TOO_LARGE8 | OVERLONG4,
};

FWS_ALIGN16 static const uint8_t first_low[16] = {
    /* ....0000 */ ANY_LOW | OVERLONG3 | OVERLONG2 | OVERLONG4,
    /* ....0001 */ ANY_LOW | OVERLONG2,
    /* ....0010 */ ANY_LOW,
    /* ....0011 */ ANY_LOW,
    /* ....0100 */ ANY_LOW | TOO_LARGE,
    /* ....0101 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....0110 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....0111 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1000 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1001 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1010 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1011 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1100 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1101 */ ANY_LOW | TOO_LARGE | TOO_LARGE8 | SURROGATE,
    /* ....1110 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
    /* ....1111 */ ANY_LOW | TOO_LARGE | TOO_LARGE8,
};

FWS_ALIGN16 static const uint8_t second_high[16] = {
    /* 0....... */
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    /* 1000.... */ TOO_LONG | OVERLONG2 | TWO_CONTINUATIONS | OVERLONG3 | TOO_LARGE8 | OVERLONG4,
    /* 1001.... */ TOO_LONG | OVERLONG2 | TWO_CONTINUATIONS | OVERLONG3 | TOO_LARGE,
    /* 1010.... */ TOO_LONG | OVERLONG2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE,
    /* 1011.... */ TOO_LONG | OVERLONG2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE,
    /* 11...... */
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
};

/* clang-format on */

/* Bytes are checked this many at a time, whatever the vector: one branch for all of them. */
enum { CHECK_BLOCK = 64, CHECK_VECTORS = CHECK_BLOCK / V_BYTES };

/* Non-zero in every byte of `v` at which an error shows. */
FWS_INLINE vec utf8_errors(vec before, vec v) {
    const vec previous1 = v_previous1(before, v);
    const vec pair =
        v_and(v_and(v_lookup(first_high, v_right(previous1, 4)), v_lookup(first_low, v_and(previous1, v_splat(0x0F)))),
              v_lookup(second_high, v_right(v, 4)));
    /* 0x80 and above where the byte must be the third (after 1110....) or the fourth (after 11110...). */
    const vec third = v_subtract_saturated(v_previous2(before, v), v_splat(0xE0 - 0x80));
    const vec fourth = v_subtract_saturated(v_previous3(before, v), v_splat(0xF0 - 0x80));
    /* TWO_CONTINUATIONS must be there exactly where it is asked for. */
    return v_xor(v_and(v_or(third, fourth), v_splat(0x80)), pair);
}

/* The same where no byte is above 0xC3, that is in Latin-1: a continuation follows each lead and nothing else. Bit 7 of
 * a byte tells that it is not ASCII, bit 6 that it is a lead then. */
FWS_INLINE vec latin1_errors(vec before, vec v) {
    const vec previous = v_previous1(before, v);
    const vec after_lead = v_and(previous, v_double(previous));
    const vec continuation = v_and_not(v_double(v), v);
    const vec overlong = v_equal(v_and(v, v_splat(0xFE)), v_splat(0xC0));
    return v_or(v_and(v_xor(after_lead, continuation), v_splat(0x80)), overlong);
}

/* Non-zero if the last bytes of `v` begin a code point that is not complete: a lead of 4 within the last 3 bytes, of
 * 3 within the last 2, of 2 at the end. */
FWS_INLINE vec utf8_unfinished(vec v) {
    /* The highest byte that may stand so close to the end; earlier ones may be any. Longer than any vector. */
    static const uint8_t allowed[32] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,     0xFF,     0xFF,    0xFF,
                                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,     0xFF,     0xFF,    0xFF,
                                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xF0 - 1, 0xE0 - 1, 0xC0 - 1};
    return v_subtract_saturated(v, v_load(allowed + sizeof allowed - V_BYTES));
}

/* The start of the code point that src[0..end) leaves unfinished, or end. All before `end` is valid. */
FWS_INLINE size_t utf8_boundary(const uint8_t *src, size_t end) {
    for (size_t back = 1; back <= 3 && back <= end; back++) {
        const uint8_t byte = src[end - back];
        if (byte >= 0xC0) {
            const size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
            return length > back ? end - back : end;
        }
        if (byte < 0x80) {
            break;
        }
    }
    return end;
}

/* Fewer than CHECK_BLOCK bytes, all ASCII? */
FWS_INLINE int short_is_ascii(const uint8_t *src, size_t n) {
    if (n >= 16) {
        quad seen = q_load(src + n - 16);
        for (size_t i = 0; i + 16 < n; i += 16) {
            seen = q_or(seen, q_load(src + i));
        }
        return q_is_ascii(seen);
    }
    if (n >= 8) {
        return !((fws_load64(src) | fws_load64(src + n - 8)) & HIGH_BITS);
    }
    if (n >= 4) {
        return !((fws_load32(src) | fws_load32(src + n - 4)) & (uint32_t)HIGH_BITS);
    }
    uint8_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        seen |= src[i];
    }
    return seen < 0x80;
}

/* What runs along from block to block. */
typedef struct {
    vec before; /* the last vector of the block before; ASCII at the start */
    vec highest;
    size_t code_points;
    int is_latin1; /* whether no byte so far is above 0xC3 */
} utf8_progress;

/* Check one block. Returns 0 if an error shows in it; the progress is then as it was before. */
FWS_INLINE int check_block(const uint8_t *src, utf8_progress *progress) {
    vec v[CHECK_VECTORS], all = v_zero();
    for (int i = 0; i < CHECK_VECTORS; i++) {
        v[i] = v_load(src + i * V_BYTES);
        all = v_or(all, v[i]);
    }
    if (v_is_ascii(all)) {
        if (!v_is_zero(utf8_unfinished(progress->before))) {
            return 0;
        }
        progress->code_points += CHECK_BLOCK;
    } else {
        vec errors = v_zero(), highest = v_zero(), before = progress->before;
        uint64_t leads = 0;
        for (int i = 0; i < CHECK_VECTORS; i++) {
            highest = v_max(highest, v[i]);
            leads |= v_lead_bits(v[i]) << (i * V_BYTES);
        }
        const int is_latin1 = progress->is_latin1 && v_is_zero(v_subtract_saturated(highest, v_splat(0xC3)));
        if (is_latin1) {
            for (int i = 0; i < CHECK_VECTORS; before = v[i++]) {
                errors = v_or(errors, latin1_errors(before, v[i]));
            }
        } else {
            for (int i = 0; i < CHECK_VECTORS; before = v[i++]) {
                errors = v_or(errors, utf8_errors(before, v[i]));
            }
        }
        if (FWS_UNLIKELY(!v_is_zero(errors))) {
            return 0;
        }
        progress->is_latin1 = is_latin1;
        progress->highest = v_max(progress->highest, highest);
        progress->code_points += FWS_BIT_COUNT(leads);
    }
    progress->before = v[CHECK_VECTORS - 1];
    return 1;
}

/* Bytes of ASCII at the start of src, a multiple of CHECK_BLOCK. */
FWS_INLINE size_t ascii_blocks(const uint8_t *src, size_t n) {
    size_t i = 0;
    for (; n - i >= CHECK_BLOCK; i += CHECK_BLOCK) {
        vec all = v_load(src + i);
        for (int k = 1; k < CHECK_VECTORS; k++) {
            all = v_or(all, v_load(src + i + k * V_BYTES));
        }
        if (!v_is_ascii(all)) {
            break;
        }
    }
    return i;
}

static size_t utf8_check_vector(const uint8_t *src, size_t n, fws_text_stats *stats) {
    size_t i = ascii_blocks(src, n);
    utf8_progress progress = {v_zero(), v_zero(), i, 1};
    while (n - i >= CHECK_BLOCK && check_block(src + i, &progress)) {
        i += CHECK_BLOCK;
    }
    const size_t rest = n - i;
    if (rest < CHECK_BLOCK && short_is_ascii(src + i, rest) && v_is_zero(utf8_unfinished(progress.before))) {
        progress.code_points += rest;
        i = n;
    } else if (rest < CHECK_BLOCK) {
        /* The end, with ASCII behind it: a code point that it cuts shows as an error. */
        uint8_t block[CHECK_BLOCK];
        memset(block, 0, CHECK_BLOCK);
        memcpy(block, src + i, rest);
        if (check_block(block, &progress)) {
            progress.code_points -= CHECK_BLOCK - rest;
            i = n;
        }
    }
    const uint8_t highest = v_highest(progress.highest);
    stats->code_points += progress.code_points;
    if (highest > stats->widest) {
        stats->widest = highest;
    }
    if (i == n && n % CHECK_BLOCK) {
        return n;
    }
    /* The scalar kernel finds the exact place, from the last boundary on. */
    const size_t boundary = utf8_boundary(src, i);
    if (boundary < i) {
        stats->code_points--;
    }
    return boundary + fws_utf8_check_scalar(src + boundary, n - boundary, stats);
}
