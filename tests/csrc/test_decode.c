/* Text to code units: what a decoder does. */
#include "fastws.h"

#include <string.h>

#include "guard.h"
#include "reference.h"
#include "stages.h"
#include "texts.h"

/* The masked bytes that a validator takes at a time. */
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

/* Latin-1 in one pass: exactly as many units as code points are touched. */
static void latin1_agrees(const uint8_t *key, unsigned phase, edge at) {
    const buffer src = open_buffer(SOURCE, at, 0, t.size);
    const buffer dst = open_buffer(TARGET, at, 0, t.n);
    size_t written = SIZE_MAX;
    reference_mask(src.data, t.bytes, t.size, key != NULL ? key : (const uint8_t[4]){0}, phase);
    CALLING(fws_decode_latin1, t.n, t.size, key == NULL ? 4 : phase);
    EXPECT(fws_decode_latin1(dst.data, src.data, t.size, key, phase, &written) == t.size);
    EXPECT(written == t.n && memcmp(dst.data, units, t.n) == 0);
    EXPECT(is_intact(&src) && is_intact(&dst));
}

static void latin1_of_every_mix_and_length(void) {
    for (size_t m = 0; m < MIXES && mixes[m].width == 1; m++) {
        for (size_t n = 0; n <= 400; n += stride_up_to(3)) {
            random_text(&t, &mixes[m], n);
            reference_units(units, 1, t.code_points, t.n);
            for (edge at = AT_START; at < EDGES; at++) {
                latin1_agrees(NULL, 0, at);
                latin1_agrees(a_key, n % 4, at);
            }
        }
    }
}

/* Whatever the bytes are: all is taken if all is Latin-1, and what is taken is. */
static void latin1_is_told(const uint8_t *bytes, size_t n, unsigned phase, edge at) {
    const buffer src = open_buffer(SOURCE, at, 0, n);
    const buffer dst = open_buffer(TARGET, at, 0, n);
    const utf8_verdict whole = reference_utf8(bytes, n);
    size_t written = SIZE_MAX;
    reference_mask(src.data, bytes, n, a_key, phase);
    CALLING(fws_decode_latin1, n, whole.prefix, phase);
    const size_t taken = fws_decode_latin1(dst.data, src.data, n, a_key, phase, &written);
    const utf8_verdict v = reference_utf8(bytes, taken);
    EXPECT((taken == n) == (whole.prefix == n && whole.widest < 0xC4));
    EXPECT(taken <= n && v.prefix == taken && v.widest < 0xC4 && written == v.code_points);
    for (size_t i = 0, unit = 0; i < taken && unit < written; unit++) {
        const size_t length = bytes[i] < 0x80 ? 1 : 2;
        EXPECT(dst.data[unit] == (length == 1 ? bytes[i] : (uint8_t)(bytes[i] << 6 | (bytes[i + 1] & 0x3F))));
        i += length;
    }
    EXPECT(is_intact(&src) && is_intact(&dst));
}

/* Every two bytes, at places where vectors and blocks meet and where the text ends. */
static void latin1_with_every_two_bytes(void) {
    static const size_t places[] = {0, 15, 31, 47, 62, 63, 64, 78, 79, 80, 127, 143};
    static const size_t sizes[] = {2, 17, 33, 49, 64, 65, 66, 80, 81, 82, 129, 145, 160, 200};
    uint8_t bytes[200];
    for (size_t pair = 0; pair < 65536; pair += stride) {
        const size_t place = places[pair % 12], size = sizes[(pair >> 4) % 14];
        memset(bytes, 'a', sizeof bytes);
        if (pair & 1) {
            memcpy(bytes + 2, "\xC3\xA9", 2);
        }
        for (size_t at = place; at + 2 <= size; at += size) {
            bytes[at] = (uint8_t)(pair >> 8);
            bytes[at + 1] = (uint8_t)pair;
        }
        latin1_is_told(bytes, size, pair % 4, pair & 2 ? AT_START : AT_END);
    }
}

/* What is wrong, at every place of texts with and without accents, and cut off behind every byte. */
static void latin1_with_one_fault(void) {
    static const char *const faults[] = {
        "\xC3",     "\x80",         "\xC3\xC3\xA9", "\xC2\xC3",         "\xC1\x80",     "\xC0\x80", "\xC4\x80",
        "\xDF\xBF", "\xE2\x82\xAC", "\xC3\xA9\xA9", "\xF0\x9F\x98\x80", "\xED\xA0\x80", "\xFF",     "\xC3\xE9"};
    for (size_t fault = 0; fault < sizeof faults / sizeof *faults; fault++) {
        const size_t length = strlen(faults[fault]);
        for (size_t m = 0; m < 5; m++) {
            for (size_t place = 0; place < 150; place += stride_up_to(3)) {
                random_text(&t, &mixes[m], 150);
                size_t start = place;
                while ((t.bytes[start] & 0xC0) == 0x80) {
                    start++;
                }
                memmove(t.bytes + start + length, t.bytes + start, t.size - start);
                memcpy(t.bytes + start, faults[fault], length);
                latin1_is_told(t.bytes, t.size + length, place % 4, AT_END);
                latin1_is_told(t.bytes, start + length, place % 4, AT_START);
                latin1_is_told(t.bytes, start + 1, place % 4, AT_END);
            }
        }
    }
}

const test decode_tests[] = {
    {"Latin-1 of every mix and length", latin1_of_every_mix_and_length},
    {"Latin-1 with every two bytes", latin1_with_every_two_bytes},
    {"Latin-1 with one fault", latin1_with_one_fault},
    {"decode every mix and length", decode_every_mix_and_length},
    {"decode every order of lengths", decode_every_order_of_lengths},
    {"decode every order of Latin-1", decode_every_order_of_latin1},
    {"decode across the scratch", decode_across_the_scratch},
    {NULL, NULL},
};
