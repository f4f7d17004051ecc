/* Text to code units: what a decoder does. */
#include "fastws.h"

#include <string.h>

#include "guard.h"
#include "reference.h"
#include "stages.h"
#include "texts.h"

/* Masked text passes through a scratch of this many bytes. */
enum { SCRATCH = 4096 };

static const uint8_t a_key[4] = {0x9D, 0x01, 0xF3, 0x66};

static text t;
static uint8_t units[sizeof t.code_points];

static void decode_agrees(int width, const uint8_t *key, unsigned phase, edge at) {
    const size_t n = t.n * (size_t)width;
    const buffer src = open_buffer(SOURCE, at, 0, t.size);
    const buffer dst = open_buffer(TARGET, at, 0, n);
    reference_mask(src.data, t.bytes, t.size, key != NULL ? key : (const uint8_t[4]){0}, phase);
    CALLING(fws_decode_text, width, t.size, key == NULL ? 4 : phase);
    fws_decode_text(dst.data, width, src.data, t.size, key, phase);
    EXPECT(memcmp(dst.data, units, n) == 0);
    EXPECT(is_intact(&src) && is_intact(&dst));
}

/* In every width from `narrowest` on. */
static void decode_agrees_in_all_ways(int narrowest) {
    for (int width = narrowest; width <= 4; width *= 2) {
        reference_units(units, width, t.code_points, t.n);
        for (edge at = AT_START; at < EDGES; at++) {
            decode_agrees(width, NULL, 0, at);
            for (unsigned phase = 0; phase < 4; phase++) {
                decode_agrees(width, a_key, phase, at);
            }
        }
    }
}

static void decode_every_mix_and_length(void) {
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t n = 0; n <= 300; n += stride_up_to(7)) {
            random_text(&t, &mixes[m], n);
            decode_agrees_in_all_ways(mixes[m].width);
        }
    }
}

/* Code points of 1 to 4 bytes in every order of six of them, again and again over some blocks of 64 bytes. */
static void decode_every_order_of_lengths(void) {
    for (unsigned order = 0; order < 4096; order++) {
        unsigned longest = 1;
        empty_text(&t);
        for (unsigned i = 0; t.size < 200; i++) {
            const unsigned length = 1 + (order >> i % 6 * 2 & 3);
            longest = length > longest ? length : longest;
            append_code_point(&t, random_code_point(length, 0x10FFFF));
        }
        for (int width = longest == 4 ? 4 : 2; width <= 4; width *= 2) {
            reference_units(units, width, t.code_points, t.n);
            decode_agrees(width, NULL, 0, AT_END);
            decode_agrees(width, a_key, order % 4, AT_START);
        }
    }
}

/* And those of Latin-1 in every order of twelve. */
static void decode_every_order_of_latin1(void) {
    for (unsigned order = 0; order < 4096; order++) {
        empty_text(&t);
        for (unsigned i = 0; t.size < 200; i++) {
            append_code_point(&t, random_code_point(1 + (order >> i % 12 & 1), 0xFF));
        }
        reference_units(units, 1, t.code_points, t.n);
        decode_agrees(1, NULL, 0, AT_END);
        decode_agrees(1, a_key, order % 4, AT_START);
    }
}

static int width_for(unsigned length, uint32_t limit) { return limit < 0x100 ? 1 : length < 4 ? 2 : 4; }

/* One long code point after so much ASCII that the scratch ends before it, within it or behind it. */
static void decode_one_code_point_across_the_scratch(unsigned length, uint32_t limit) {
    for (size_t scratches = 1; scratches <= 2; scratches++) {
        for (size_t before = 0; before <= length; before++) {
            for (size_t behind = 0; behind <= 4; behind++) {
                empty_text(&t);
                while (t.size < scratches * SCRATCH - before) {
                    append_code_point(&t, 'a' + (uint32_t)(t.n % 26));
                }
                append_code_point(&t, random_code_point(length, limit));
                for (size_t i = 0; i < behind; i++) {
                    append_code_point(&t, '.');
                }
                decode_agrees_in_all_ways(width_for(length, limit));
            }
        }
    }
}

/* Nothing but long code points, shifted by some ASCII, over some scratches. */
static void decode_code_points_across_scratches(unsigned length, uint32_t limit) {
    for (size_t shift = 0; shift < length; shift++) {
        for (size_t size = 3 * SCRATCH - 8; size < 3 * SCRATCH + 8; size += length) {
            empty_text(&t);
            while (t.size < shift) {
                append_code_point(&t, 'a');
            }
            while (t.size < size) {
                append_code_point(&t, random_code_point(length, limit));
            }
            decode_agrees_in_all_ways(width_for(length, limit));
        }
    }
}

static void decode_across_the_scratch(void) {
    static const struct {
        unsigned length;
        uint32_t limit;
    } kinds[] = {{1, 0x7F}, {2, 0xFF}, {2, 0x7FF}, {3, 0xFFFF}, {4, 0x10FFFF}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        decode_one_code_point_across_the_scratch(kinds[i].length, kinds[i].limit);
        decode_code_points_across_scratches(kinds[i].length, kinds[i].limit);
    }
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t n = 0; n < 8; n += stride_up_to(4)) {
            random_text(&t, &mixes[m], 4500 + 500 * n + random_below(100));
            decode_agrees_in_all_ways(mixes[m].width);
        }
    }
}

const test decode_tests[] = {
    {"decode every mix and length", decode_every_mix_and_length},
    {"decode every order of lengths", decode_every_order_of_lengths},
    {"decode every order of Latin-1", decode_every_order_of_latin1},
    {"decode across the scratch", decode_across_the_scratch},
    {NULL, NULL},
};
