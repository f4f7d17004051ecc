#include "texts.h"

#include "reference.h"

static uint64_t random_state;

void restart_random(void) { random_state = UINT64_C(0x9E3779B97F4A7C15); }

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016). */
uint64_t random_bits(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

size_t random_below(size_t n) { return (size_t)((random_bits() >> 32) * n >> 32); }

void random_bytes(uint8_t *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = (uint8_t)(random_bits() >> 56);
    }
}

const mix mixes[MIXES] = {
    {1, 0x7F, {1, 0, 0, 0}, 1},       /* ASCII */
    {1, 0xFF, {0, 1, 0, 0}, 1},       /* Latin-1 without ASCII */
    {1, 0xFF, {1, 1, 0, 0}, 1},       /* and with as much of it */
    {1, 0xFF, {30, 1, 0, 0}, 1},      /* English with a rare accent */
    {1, 0xFF, {2, 1, 0, 0}, 100},     /* in runs: blocks of ASCII stand between others */
    {2, 0x7FF, {0, 1, 0, 0}, 1},      /* Greek, Cyrillic, Hebrew, Arabic */
    {2, 0x7FF, {1, 3, 0, 0}, 8},      /* with spaces and numbers */
    {2, 0xFFFF, {0, 0, 1, 0}, 1},     /* Chinese, Japanese */
    {2, 0xFFFF, {1, 1, 1, 0}, 1},     /* all that 16 bits hold */
    {2, 0xFFFF, {1, 1, 1, 0}, 100},   /* in runs */
    {4, 0x10FFFF, {0, 0, 0, 1}, 1},   /* emoji */
    {4, 0x10FFFF, {30, 0, 0, 1}, 1},  /* English with a rare emoji */
    {4, 0x10FFFF, {1, 1, 1, 1}, 1},   /* all there is */
    {4, 0x10FFFF, {1, 1, 1, 1}, 100}, /* in runs */
};

/* The code points of 1 to 4 bytes start here, and end before the next. */
static const uint32_t first_of_length[5] = {0, 0x80, 0x800, 0x10000, 0x110000};

uint32_t random_code_point(unsigned length, uint32_t limit) {
    const uint32_t first = first_of_length[length - 1];
    const uint32_t end = limit < first_of_length[length] ? limit + 1 : first_of_length[length];
    const uint64_t bits = random_bits();
    if (bits % 8 == 0) {
        return bits & 8 ? first : end - 1;
    }
    const uint32_t c = first + (uint32_t)random_below(end - first);
    /* Surrogates are not code points: what stands right before and behind them is more often met then. */
    return c < 0xD800 || c > 0xDFFF ? c : c & 1 ? 0xD7FF : 0xE000;
}

static unsigned random_length(const unsigned *weights) {
    size_t pick = random_below(weights[0] + weights[1] + weights[2] + weights[3]);
    unsigned length = 1;
    while (pick >= weights[length - 1]) {
        pick -= weights[length - 1];
        length++;
    }
    return length;
}

void empty_text(text *t) {
    t->n = 0;
    t->size = 0;
}

void append_code_point(text *t, uint32_t code_point) {
    t->code_points[t->n++] = code_point;
    t->size += reference_encode(t->bytes + t->size, code_point);
}

void random_text(text *t, const mix *m, size_t n) {
    empty_text(t);
    while (t->n < n) {
        const unsigned length = random_length(m->weights);
        for (size_t left = 1 + random_below(m->run); left > 0 && t->n < n; left--) {
            append_code_point(t, random_code_point(length, m->limit));
        }
    }
}
