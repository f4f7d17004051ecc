#include "reference.h"

#include <string.h>

/* The forms of a code point, as the grammar of RFC 3629 §4 lists them. */
static const struct {
    size_t length;
    struct {
        uint8_t low, high;
    } bytes[4];
} forms[] = {
    {1, {{0x00, 0x7F}}},
    {2, {{0xC2, 0xDF}, {0x80, 0xBF}}},
    {3, {{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}}},
    {3, {{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {3, {{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}}},
    {3, {{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {4, {{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {4, {{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {4, {{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}}},
};

enum { FORMS = sizeof forms / sizeof *forms };

/* States: between code points, after 1 to 3 bytes of each form, and nowhere. */
enum { BETWEEN = 0, STATES = 1 + 3 * FORMS, NOWHERE = 0xFF };

static uint8_t next_state[STATES][256];

static size_t state_within(size_t form, size_t bytes_seen) {
    return bytes_seen == 0 || bytes_seen == forms[form].length ? BETWEEN : 1 + 3 * form + bytes_seen - 1;
}

void build_reference(void) {
    memset(next_state, NOWHERE, sizeof next_state);
    for (size_t form = 0; form < FORMS; form++) {
        for (size_t seen = 0; seen < forms[form].length; seen++) {
            for (unsigned byte = forms[form].bytes[seen].low; byte <= forms[form].bytes[seen].high; byte++) {
                next_state[state_within(form, seen)][byte] = (uint8_t)state_within(form, seen + 1);
            }
        }
    }
}

utf8_verdict reference_utf8(const uint8_t *src, size_t n) {
    utf8_verdict v = {0, n, 0, 0};
    unsigned state = BETWEEN;
    uint8_t highest = 0;
    for (size_t i = 0; i < n; i++) {
        state = next_state[state][src[i]];
        if (state == NOWHERE) {
            v.first_bad = i;
            break;
        }
        highest = src[i] > highest ? src[i] : highest;
        if (state == BETWEEN) {
            v.prefix = i + 1;
            v.code_points++;
            v.widest = highest < 0x80 ? 0 : highest;
        }
    }
    return v;
}

void reference_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = (uint8_t)(src[i] ^ key[(phase + i) % 4]);
    }
}

size_t reference_encode(uint8_t *dst, uint32_t code_point) {
    static const uint8_t marks[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    const size_t length = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        dst[i] = (uint8_t)(0x80 + code_point % 64);
        code_point /= 64;
    }
    dst[0] = (uint8_t)(marks[length] + code_point);
    return length;
}

void reference_units(void *dst, int width, const uint32_t *code_points, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint8_t one = (uint8_t)code_points[i];
        const uint16_t two = (uint16_t)code_points[i];
        const void *unit = width == 1 ? (const void *)&one : width == 2 ? (const void *)&two : &code_points[i];
        memcpy((uint8_t *)dst + i * (size_t)width, unit, (size_t)width);
    }
}
