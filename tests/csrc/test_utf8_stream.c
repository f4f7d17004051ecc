/* UTF-8 in pieces: however a text is cut, masked or not, it is judged as it is in one piece. */
#include "fastws.h"

#include <string.h>

#include "guard.h"
#include "reference.h"
#include "stages.h"
#include "texts.h"

static text t;
static uint8_t masked[sizeof t.bytes];

/* Feed the next piece, from a buffer that holds nothing else. */
static int feed_piece(fws_utf8 *state, const uint8_t *bytes, size_t n, edge at) {
    const buffer b = open_buffer(SOURCE, at, 0, n);
    memcpy(b.data, bytes, n);
    return fws_utf8_feed(state, b.data, n);
}

/* Feed three pieces, the first two ending at the cuts, until one is refused. */
static int feed_pieces(fws_utf8 *state, const uint8_t *bytes, size_t n, size_t cut1, size_t cut2) {
    return feed_piece(state, bytes, cut1, AT_END) && feed_piece(state, bytes + cut1, cut2 - cut1, AT_START) &&
           feed_piece(state, bytes + cut2, n - cut2, AT_END);
}

/* What must be known after n bytes, however they were cut. */
static void state_agrees(int accepted, const fws_utf8 *state, const uint8_t *bytes, size_t n) {
    const utf8_verdict v = reference_utf8(bytes, n);
    EXPECT(accepted == (v.first_bad == n));
    EXPECT(state->offset == v.first_bad);
    if (v.first_bad == n) {
        const uint8_t cut_lead = v.prefix < n ? bytes[v.prefix] : 0;
        EXPECT(state->code_points == v.code_points);
        EXPECT(state->widest == (cut_lead > v.widest ? cut_lead : v.widest));
        EXPECT(state->n_pending == n - v.prefix && memcmp(state->pending, bytes + v.prefix, n - v.prefix) == 0);
    }
}

static void every_cut_agrees(const uint8_t *bytes, size_t n) {
    for (size_t cut1 = 0; cut1 <= n; cut1++) {
        /* Two pieces where both cuts are one; three otherwise. */
        for (size_t cut2 = cut1; cut2 <= n; cut2 += stride_up_to(5)) {
            fws_utf8 state = {0};
            CALLING(fws_utf8_feed, n, cut1, cut2);
            state_agrees(feed_pieces(&state, bytes, n, cut1, cut2), &state, bytes, n);
        }
    }
}

static void byte_by_byte_agrees(const uint8_t *bytes, size_t n) {
    fws_utf8 state = {0};
    int accepted = 1;
    for (size_t i = 0; i < n && accepted; i++) {
        CALLING(fws_utf8_feed, n, i, 1);
        accepted = feed_piece(&state, bytes + i, 1, AT_END);
        state_agrees(accepted, &state, bytes, i + 1);
    }
    EXPECT(accepted == (reference_utf8(bytes, n).first_bad == n));
}

static void all_ways_agree(const uint8_t *bytes, size_t n) {
    every_cut_agrees(bytes, n);
    byte_by_byte_agrees(bytes, n);
}

/* What cannot be, each in its own way, and what is only unfinished. */
static const char *const odd_ones[] = {
    "\x80",             /* a continuation of nothing */
    "\xBF",             /* and the last of these */
    "\xC0\x80",         /* U+0000 in two bytes */
    "\xC1\xBF",         /* U+007F in two bytes */
    "\xC3(",            /* two bytes, cut */
    "\xC3\xC3\xA9",     /* and begun again */
    "\xE0\x9F\xBF",     /* U+07FF in three bytes */
    "\xE2\x82(",        /* three bytes, cut after two */
    "\xED\xA0\x80",     /* the first surrogate */
    "\xED\xBF\xBF",     /* the last surrogate */
    "\xEF\xBF\xBF\x80", /* one continuation too many */
    "\xF0\x8F\xBF\xBF", /* U+FFFF in four bytes */
    "\xF0\x9F\x98(",    /* four bytes, cut after three */
    "\xF4\x90\x80\x80", /* U+110000 */
    "\xF5\x80\x80\x80", /* a lead above all */
    "\xFE",             /* and those that never were leads */
    "\xFF",
    "\xC3",
    "\xE2\x82",
    "\xF0\x9F",
    "\xF0\x9F\x98",
};

static void odd_ones_cut_anywhere(void) {
    /* So much ASCII before them that they lie on both sides of the border of a block. */
    static const size_t leads[] = {0, 1, 15, 29, 31, 61, 62, 63, 64};
    for (size_t i = 0; i < sizeof odd_ones / sizeof *odd_ones; i++) {
        for (size_t k = 0; k < sizeof leads / sizeof *leads; k++) {
            uint8_t bytes[128];
            const size_t size = strlen(odd_ones[i]), n = leads[k] + size;
            memset(bytes, 'a', sizeof bytes);
            memcpy(bytes + leads[k], odd_ones[i], size);
            all_ways_agree(bytes, n);
            all_ways_agree(bytes, n + 1);
        }
    }
}

static void texts_cut_anywhere(void) {
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t n = 0; n <= 140; n += 20) {
            random_text(&t, &mixes[m], n);
            /* Whole, unfinished, and with one byte that should be another. */
            t.size = t.size > 150 ? 150 : t.size;
            all_ways_agree(t.bytes, t.size);
            if (t.size > 0) {
                t.bytes[random_below(t.size)] ^= (uint8_t)(1u << random_below(8));
                all_ways_agree(t.bytes, t.size);
            }
        }
    }
}

/* Masked bytes are unmasked 4096 at a time. They are fed in pieces of any size, each beginning at its own phase. */
static void masked_agrees(unsigned phase, size_t longest_piece) {
    const uint8_t key[] = {0x12, 0xEF, 0x80, 0x5A};
    fws_utf8 state = {0};
    int accepted = 1;
    size_t at = 0;
    reference_mask(masked, t.bytes, t.size, key, phase);
    while (at < t.size && accepted) {
        const size_t most = 1 + random_below(longest_piece), left = t.size - at, n = most < left ? most : left;
        const buffer b = open_buffer(SOURCE, n & 1 ? AT_START : AT_END, 0, n);
        memcpy(b.data, masked + at, n);
        CALLING(fws_utf8_feed_masked, n, phase, at);
        accepted = fws_utf8_feed_masked(&state, b.data, n, key, (unsigned)((phase + at) % 4));
        EXPECT(memcmp(b.data, masked + at, n) == 0 && is_intact(&b));
        at += n;
    }
    CALLING(fws_utf8_feed_masked, t.size, phase, longest_piece);
    state_agrees(accepted, &state, t.bytes, t.size);
}

static void masked_texts_in_pieces(void) {
    for (size_t m = 0; m < MIXES; m++) {
        for (unsigned phase = 0; phase < 4; phase++) {
            for (size_t longest = 1; longest <= 20000; longest *= 3) {
                random_text(&t, &mixes[m], longest < 300 ? 300 : 4500);
                masked_agrees(phase, longest);
                t.bytes[random_below(t.size)] ^= 0x80;
                masked_agrees(phase, longest);
            }
        }
    }
}

static void no_key_is_no_mask(void) {
    random_text(&t, &mixes[MIXES - 1], 3000);
    for (unsigned phase = 0; phase < 4; phase++) {
        fws_utf8 state = {0};
        CALLING(fws_utf8_feed_masked, t.size, phase, 0);
        state_agrees(fws_utf8_feed_masked(&state, t.bytes, t.size, NULL, phase), &state, t.bytes, t.size);
    }
}

const test stream_tests[] = {
    {"odd ones, cut anywhere", odd_ones_cut_anywhere},
    {"texts, cut anywhere", texts_cut_anywhere},
    {"masked texts in pieces", masked_texts_in_pieces},
    {"no key is no mask", no_key_is_no_mask},
    {NULL, NULL},
};
