/* Code units to text: what an encoder does; and every code point there and back. */
#include "fastws.h"

#include <string.h>

#include "guard.h"
#include "reference.h"
#include "stages.h"
#include "texts.h"

static const uint8_t a_key[4] = {0xC4, 0x5B, 0x00, 0x7E};

static text t;
static uint8_t wire[sizeof t.bytes];

static void encode_agrees(int width, const uint8_t *key, edge at) {
    const buffer src = open_buffer(SOURCE, at, 0, t.n * (size_t)width);
    const buffer dst = open_buffer(TARGET, at, 0, t.size);
    reference_units(src.data, width, t.code_points, t.n);
    reference_mask(wire, t.bytes, t.size, key != NULL ? key : (const uint8_t[4]){0}, 0);
    CALLING(fws_encoded_size, width, t.n, t.size);
    EXPECT(fws_encoded_size(src.data, width, t.n) == t.size);
    CALLING(fws_encode_text, width, t.n, key != NULL);
    fws_encode_text(dst.data, src.data, width, t.n, key);
    EXPECT(memcmp(dst.data, wire, t.size) == 0);
    EXPECT(is_intact(&src) && is_intact(&dst));
}

/* In every width from `narrowest` on. */
static void encode_agrees_in_all_ways(int narrowest) {
    for (int width = narrowest; width <= 4; width *= 2) {
        for (edge at = AT_START; at < EDGES; at++) {
            encode_agrees(width, NULL, at);
            encode_agrees(width, a_key, at);
        }
    }
}

static void encode_every_mix_and_length(void) {
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t n = 0; n <= 300; n += stride_up_to(7)) {
            random_text(&t, &mixes[m], n);
            encode_agrees_in_all_ways(mixes[m].width);
        }
    }
}

/* Masked text is encoded 1024 units at a time; each such slice ends at another phase. */
static void encode_across_slices(void) {
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t slices = 1; slices <= 4; slices++) {
            for (size_t n = 1024 * slices - 2; n <= 1024 * slices + 2; n++) {
                random_text(&t, &mixes[m], n);
                encode_agrees_in_all_ways(mixes[m].width);
            }
        }
    }
}

static void encode_every_order_of_lengths(void) {
    for (unsigned order = 0; order < 4096; order++) {
        unsigned longest = 1;
        empty_text(&t);
        for (unsigned i = 0; i < 48; i++) {
            const unsigned length = 1 + (order >> i % 6 * 2 & 3);
            longest = length > longest ? length : longest;
            append_code_point(&t, random_code_point(length, 0x10FFFF));
        }
        for (int width = longest == 4 ? 4 : 2; width <= 4; width *= 2) {
            encode_agrees(width, order & 1 ? a_key : NULL, order & 2 ? AT_START : AT_END);
        }
    }
}

/* Sizes are summed in blocks of 65536 units. */
static void size_of_long_texts(void) {
    static const size_t counts[] = {65535, 65536, 65537, 3 * 65536 + 1};
    static const struct {
        int width;
        uint32_t code_point;
        size_t bytes;
    } kinds[] = {{1, 'a', 1},    {1, 0xFF, 2},  {2, 'a', 1},    {2, 0x7FF, 2},
                 {2, 0xFFFF, 3}, {4, 0x7FF, 2}, {4, 0xFFFF, 3}, {4, 0x10FFFF, 4}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            const size_t n = counts[k], width = (size_t)kinds[i].width;
            const buffer src = open_buffer(SOURCE, AT_END, 0, n * width);
            for (size_t unit = 0; unit < n; unit++) {
                reference_units(src.data + unit * width, kinds[i].width, &kinds[i].code_point, 1);
            }
            CALLING(fws_encoded_size, width, n, kinds[i].code_point);
            EXPECT(fws_encoded_size(src.data, kinds[i].width, n) == n * kinds[i].bytes);
        }
    }
}

/* One unit of n is the given one; the others are not surrogates. */
static void surrogate_is_told(int width, size_t n, size_t at, uint32_t unit, int is_surrogate) {
    const buffer src = open_buffer(SOURCE, AT_END, 0, n * (size_t)width);
    reference_units(src.data, width, t.code_points, n);
    reference_units(src.data + at * (size_t)width, width, &unit, 1);
    CALLING(fws_encoded_size, n, at, unit);
    EXPECT((fws_encoded_size(src.data, width, n) == FWS_SURROGATE) == is_surrogate);
}

static void surrogates_are_told(void) {
    static const struct {
        uint32_t unit;
        int is_surrogate;
    } units[] = {{0xD7FF, 0}, {0xD800, 1}, {0xDBFF, 1},  {0xDC00, 1},  {0xDFFF, 1},
                 {0xE000, 0}, {0xFFFF, 0}, {0x1D800, 0}, {0x1DFFF, 0}, {0x10D800, 0}};
    random_text(&t, &mixes[8], 65700);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        for (int width = units[i].unit > 0xFFFF ? 4 : 2; width <= 4; width *= 2) {
            for (size_t n = 1; n <= 70; n++) {
                for (size_t at = 0; at < n; at++) {
                    surrogate_is_told(width, n, at, units[i].unit, units[i].is_surrogate);
                }
            }
            surrogate_is_told(width, 65700, 0, units[i].unit, units[i].is_surrogate);
            surrogate_is_told(width, 65700, 65535, units[i].unit, units[i].is_surrogate);
            surrogate_is_told(width, 65700, 65536, units[i].unit, units[i].is_surrogate);
            surrogate_is_told(width, 65700, 65699, units[i].unit, units[i].is_surrogate);
        }
    }
}

/* Encode the text and decode what came of it. */
static void round_trip_agrees(int width) {
    const size_t n = t.n * (size_t)width;
    encode_agrees(width, a_key, AT_END);
    const buffer src = open_buffer(SOURCE, AT_START, 0, t.size);
    const buffer dst = open_buffer(TARGET, AT_END, 0, n);
    memcpy(src.data, wire, t.size);
    CALLING(fws_decode_text, width, t.n, t.size);
    fws_decode_text(dst.data, width, src.data, t.size, a_key, 0);
    /* The bytes are done with: the units that were to come of them take their place. */
    reference_units(wire, width, t.code_points, t.n);
    EXPECT(memcmp(dst.data, wire, n) == 0);
    EXPECT(is_intact(&dst));
}

/* Every code point below `end`, each once, `step` after the one before so that neighbours differ. */
static void round_trip_below(uint32_t end, uint32_t step, int width) {
    empty_text(&t);
    for (uint64_t i = 0; i < end; i++) {
        const uint32_t c = (uint32_t)(i * step % end);
        if (c < 0xD800 || c > 0xDFFF) {
            append_code_point(&t, c);
        }
        if (t.n == MAX_CODE_POINTS || i == end - 1) {
            round_trip_agrees(width);
            empty_text(&t);
        }
    }
}

static void every_code_point_there_and_back(void) {
    /* Steps without a divisor in common with the end: 0x110000 is 2^16 times 17. */
    static const uint32_t steps[] = {1, 65537, 40503};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i += stride_up_to(2)) {
        for (int width = 1; width <= 4; width *= 2) {
            round_trip_below(0x80, steps[i], width);
            round_trip_below(0x100, steps[i], width);
        }
        round_trip_below(0x10000, steps[i], 2);
        round_trip_below(0x10000, steps[i], 4);
        round_trip_below(0x110000, steps[i], 4);
    }
}

const test encode_tests[] = {
    {"encode every mix and length", encode_every_mix_and_length},
    {"encode across slices", encode_across_slices},
    {"encode every order of lengths", encode_every_order_of_lengths},
    {"size of long texts", size_of_long_texts},
    {"surrogates are told", surrogates_are_told},
    {"every code point there and back", every_code_point_there_and_back},
    {NULL, NULL},
};
