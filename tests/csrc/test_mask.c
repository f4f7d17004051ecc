/* XOR with the masking key: every offset, phase and length, in place and not, and the stop at what is not ASCII. */
#include "fastws.h"

#include <string.h>

#include "guard.h"
#include "reference.h"
#include "stages.h"
#include "texts.h"

enum { EVERY_LENGTH = 300, EVERY_OFFSET = 64, AROUND = 34, MAX_BYTES = 65536 + AROUND };

static uint8_t plain[MAX_BYTES], masked[MAX_BYTES];
static uint8_t key[4];

static void random_data(size_t n, unsigned phase) {
    random_bytes(plain, n);
    random_bytes(key, 4);
    reference_mask(masked, plain, n, key, phase);
}

/* Mask from one buffer to another, each `slack` bytes from an edge. */
static void copy_agrees(size_t n, unsigned phase, edge src_at, size_t src_slack, edge dst_at, size_t dst_slack) {
    const buffer src = open_buffer(SOURCE, src_at, src_slack, n);
    const buffer dst = open_buffer(TARGET, dst_at, dst_slack, n);
    memcpy(src.data, plain, n);
    CALLING(fws_mask, n, phase, src_slack);
    EXPECT(fws_mask(dst.data, src.data, n, key, phase) == (phase + n) % 4);
    EXPECT(memcmp(dst.data, masked, n) == 0);
    EXPECT(memcmp(src.data, plain, n) == 0);
    EXPECT(is_intact(&src) && is_intact(&dst));
}

static void in_place_agrees(size_t n, unsigned phase, edge at, size_t slack) {
    const buffer both = open_buffer(TARGET, at, slack, n);
    memcpy(both.data, plain, n);
    CALLING(fws_mask, n, phase, slack);
    EXPECT(fws_mask(both.data, both.data, n, key, phase) == (phase + n) % 4);
    EXPECT(memcmp(both.data, masked, n) == 0);
    EXPECT(is_intact(&both));
}

static void mask_agrees(size_t n, unsigned phase, size_t slack) {
    /* The target lies elsewhere than the source, at each of its own offsets in turn. */
    const size_t other = (slack * 37 + n) % EVERY_OFFSET * (slack != 0);
    random_data(n, phase);
    copy_agrees(n, phase, AT_END, slack, AT_END, other);
    copy_agrees(n, phase, AT_START, slack, AT_START, other);
    copy_agrees(n, phase, AT_END, slack, AT_START, other);
    in_place_agrees(n, phase, AT_END, slack);
    in_place_agrees(n, phase, AT_START, slack);
}

static void mask_every_offset_phase_and_length(void) {
    for (size_t n = 0; n <= EVERY_LENGTH; n++) {
        for (size_t slack = 0; slack < EVERY_OFFSET; slack += slack == 0 ? 1 : stride_up_to(7)) {
            for (unsigned phase = 0; phase < 4; phase++) {
                mask_agrees(n, phase, slack);
            }
        }
    }
}

static void mask_long(void) {
    static const size_t centres[] = {4096, 65536};
    for (size_t i = 0; i < 2; i++) {
        for (size_t n = centres[i] - AROUND; n <= centres[i] + AROUND; n++) {
            mask_agrees(n, n % 4, 0);
            mask_agrees(n, (n + 1) % 4, n % EVERY_OFFSET);
        }
    }
}

/* What fws_mask_ascii is to do with n bytes, of which the one at first_bad is the first that is not ASCII. */
static void ascii_agrees(const uint8_t *k, size_t n, size_t first_bad, unsigned phase, edge at, int in_place) {
    const buffer dst = open_buffer(TARGET, at, 0, n);
    const buffer src = in_place ? dst : open_buffer(SOURCE, at, 0, n);
    memcpy(src.data, k != NULL ? masked : plain, n);
    CALLING(fws_mask_ascii, n, first_bad, phase);
    const size_t written = fws_mask_ascii(dst.data, src.data, n, k, phase);
    EXPECT(first_bad == n ? written == n : written <= first_bad);
    EXPECT(written > n || memcmp(dst.data, plain, written) == 0);
    EXPECT(is_intact(&dst) && is_intact(&src));
}

static void ascii_agrees_everywhere(size_t n, size_t first_bad, unsigned phase) {
    for (edge at = AT_START; at < EDGES; at++) {
        ascii_agrees(key, n, first_bad, phase, at, 0);
        ascii_agrees(key, n, first_bad, phase, at, 1);
        ascii_agrees(NULL, n, first_bad, phase, at, 0);
        ascii_agrees(NULL, n, first_bad, phase, at, 1);
    }
}

static void random_ascii(size_t n, unsigned phase) {
    random_bytes(plain, n);
    for (size_t i = 0; i < n; i++) {
        plain[i] &= 0x7F;
    }
    random_bytes(key, 4);
    reference_mask(masked, plain, n, key, phase);
}

/* Set or clear the top bit of one byte. */
static void flip_ascii(size_t at) {
    plain[at] ^= 0x80;
    masked[at] ^= 0x80;
}

static void mask_ascii_stops_in_time(void) {
    for (size_t n = 0; n <= EVERY_LENGTH; n++) {
        const unsigned phase = n / 4 % 4;
        random_ascii(n, phase);
        ascii_agrees_everywhere(n, n, phase);
        for (size_t bad = n; bad-- > 0;) {
            /* Alone, and with all that follow. */
            flip_ascii(bad);
            ascii_agrees_everywhere(n, bad, phase);
            if (n % 2) {
                flip_ascii(bad);
            }
        }
    }
}

static void mask_ascii_stops_in_time_long(void) {
    static const size_t sizes[] = {4095, 4096, 4097, 4159};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = sizes[i];
        random_ascii(n, i % 4);
        ascii_agrees_everywhere(n, n, i % 4);
        for (size_t bad = 0; bad < n; bad += stride_up_to(13)) {
            flip_ascii(bad);
            ascii_agrees(key, n, bad, i % 4, bad & 1 ? AT_END : AT_START, bad & 2);
            flip_ascii(bad);
        }
    }
}

const test mask_tests[] = {
    {"mask at every offset, phase and length", mask_every_offset_phase_and_length},
    {"mask around 4096 and 65536 bytes", mask_long},
    {"mask ASCII, stopped at every byte", mask_ascii_stops_in_time},
    {"mask ASCII, stopped at every byte of 4096", mask_ascii_stops_in_time_long},
    {NULL, NULL},
};
