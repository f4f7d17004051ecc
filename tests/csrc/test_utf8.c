/* UTF-8 in one piece: all short sequences in every lane of a vector, and whole texts, good and damaged. */
#include "kernels/kernels.h"

#include "guard.h"
#include "reference.h"
#include "stages.h"
#include "texts.h"

/* What a sequence stands in: each has its own way through a vector kernel. */
typedef enum { ASCII, LATIN1, THREES, SURROUNDINGS } surroundings;

/* Each place within a block of 64 bytes, and some in the next. */
enum { LANES = 68 };

/* What stands behind a sequence: more than a block, and whole code points of any kind. */
enum { BEHIND = 66 };

/* A sequence of `size` bytes at `lane`, in a text that is valid otherwise. */
typedef struct {
    buffer text;
    size_t lane, size;
    size_t code_points; /* but for those of the sequence */
    uint8_t widest;
} setting;

/* Fill n bytes with code points of 1, 2 or 3 bytes, after as much ASCII as makes them fit. Returns how many. */
static size_t fill(uint8_t *dst, size_t n, surroundings around) {
    static const uint32_t firsts[SURROUNDINGS] = {'a', 0xE0, 0x4E00};
    const size_t length = (size_t)around + 1, ascii = n % length;
    memset(dst, '.', ascii);
    for (size_t i = ascii; i < n; i += length) {
        reference_encode(dst + i, firsts[around] + (uint32_t)(i % 26));
    }
    return ascii + n / length;
}

static setting set(surroundings around, size_t lane, size_t size) {
    setting s = {open_buffer(SOURCE, AT_END, 0, lane + size + BEHIND), lane, size, 0, 0};
    s.code_points = fill(s.text.data, lane, around) + fill(s.text.data + lane + size, BEHIND, around);
    s.widest = reference_utf8(s.text.data + lane + size, BEHIND).widest;
    return s;
}

static size_t number_of(const uint8_t *sequence, size_t size) {
    size_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | sequence[i];
    }
    return number;
}

/* Checked by the kernel: the prefix, and what it has learned of a valid text. */
static void check_agrees(const setting *s, const uint8_t *sequence) {
    const utf8_verdict v = reference_utf8(sequence, s->size);
    const size_t n = s->text.n;
    const int is_valid = v.prefix == s->size;
    fws_text_stats stats = {0, 0};
    memcpy(s->text.data + s->lane, sequence, s->size);
    CALLING(utf8_check, n, s->lane, number_of(sequence, s->size));
    EXPECT(fws_active->utf8_check(s->text.data, n, &stats) == (is_valid ? n : s->lane + v.prefix));
    EXPECT(!is_valid || stats.code_points == s->code_points + v.code_points);
    EXPECT(!is_valid || stats.widest == (s->widest > v.widest ? s->widest : v.widest));
}

/* Fed in one piece: the offset of the byte that cannot be. A sequence that is cut is refused at what stands behind. */
static void feed_agrees(const setting *s, const uint8_t *sequence) {
    const utf8_verdict v = reference_utf8(sequence, s->size);
    const size_t n = s->text.n;
    const int is_valid = v.prefix == s->size;
    fws_utf8 state = {0};
    memcpy(s->text.data + s->lane, sequence, s->size);
    CALLING(fws_utf8_feed, n, s->lane, number_of(sequence, s->size));
    EXPECT(fws_utf8_feed(&state, s->text.data, n) == is_valid);
    EXPECT(state.offset == (is_valid ? n : s->lane + v.first_bad));
    EXPECT(!is_valid || state.code_points == s->code_points + v.code_points);
    EXPECT(!is_valid || state.widest == (s->widest > v.widest ? s->widest : v.widest));
}

static void sequence_agrees(const setting *s, const uint8_t *sequence) {
    check_agrees(s, sequence);
    feed_agrees(s, sequence);
}

/* A sequence with nothing around it; one that is cut is taken, and pending. */
static void alone_agrees(const uint8_t *sequence, size_t size) {
    const utf8_verdict v = reference_utf8(sequence, size);
    const buffer b = open_buffer(SOURCE, AT_END, 0, size);
    fws_utf8 state = {0};
    memcpy(b.data, sequence, size);
    CALLING(fws_utf8_feed, size, number_of(sequence, size), 0);
    EXPECT(fws_utf8_feed(&state, b.data, size) == (v.first_bad == size));
    EXPECT(state.offset == v.first_bad);
    EXPECT(v.first_bad < size || (state.n_pending == size - v.prefix && state.code_points == v.code_points));
}

static void every_byte_and_pair(void) {
    for (surroundings around = ASCII; around < SURROUNDINGS; around++) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const setting one = set(around, lane, 1);
            for (unsigned byte = 0; byte < 256; byte++) {
                sequence_agrees(&one, (const uint8_t[]){(uint8_t)byte});
            }
            const setting two = set(around, lane, 2);
            for (size_t pair = lane % stride; pair < 65536; pair += stride) {
                feed_agrees(&two, (const uint8_t[]){(uint8_t)(pair >> 8), (uint8_t)pair});
            }
        }
    }
}

/* All 2^24, each in one lane: every pair of first bytes meets every lane, with some of the third bytes. */
static void every_triple(void) {
    for (size_t lane = 0; lane < LANES; lane++) {
        for (surroundings around = ASCII; around < SURROUNDINGS; around++) {
            const setting s = set(around, lane, 3);
            for (size_t i = lane + around * LANES; i < 1 << 24; i += SURROUNDINGS * LANES * stride) {
                feed_agrees(&s, (const uint8_t[]){(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i});
            }
        }
    }
}

static void every_short_text(void) {
    alone_agrees((const uint8_t[]){0}, 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        alone_agrees((const uint8_t[]){(uint8_t)byte}, 1);
    }
    for (unsigned pair = 0; pair < 65536; pair++) {
        alone_agrees((const uint8_t[]){(uint8_t)(pair >> 8), (uint8_t)pair}, 2);
    }
    for (size_t i = 0; i < 1 << 24; i += stride) {
        alone_agrees((const uint8_t[]){(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 3);
    }
}

/* Every lead of four bytes and those that never are one, with bytes from both sides of each border. */
static void boundary_quadruples(void) {
    static const uint8_t seconds[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    static const uint8_t others[] = {0x7F, 0x80, 0xBF, 0xC0};
    enum { SECONDS = sizeof seconds, OTHERS = sizeof others, QUADRUPLES = 16 * SECONDS * OTHERS * OTHERS };
    for (size_t lane = 0; lane < LANES; lane++) {
        for (surroundings around = ASCII; around < SURROUNDINGS; around++) {
            const setting s = set(around, lane, 4);
            for (size_t i = lane % stride; i < QUADRUPLES; i += stride) {
                const uint8_t bytes[] = {(uint8_t)(0xF0 + i / (SECONDS * OTHERS * OTHERS)),
                                         seconds[i / (OTHERS * OTHERS) % SECONDS], others[i / OTHERS % OTHERS],
                                         others[i % OTHERS]};
                sequence_agrees(&s, bytes);
            }
        }
    }
}

/* A whole text, against the reference and against the scalar kernel. */
static void text_agrees(const uint8_t *bytes, size_t n, edge at) {
    const utf8_verdict v = reference_utf8(bytes, n);
    const buffer b = open_buffer(SOURCE, at, 0, n);
    const uint8_t cut_lead = v.prefix < n ? bytes[v.prefix] : 0;
    fws_text_stats stats = {0, 0}, oracle = {0, 0};
    fws_utf8 state = {0};
    memcpy(b.data, bytes, n);
    fws_kernel_scalar.utf8_check(b.data, n, &oracle);
    CALLING(utf8_check, n, v.prefix, at);
    EXPECT(fws_active->utf8_check(b.data, n, &stats) == v.prefix);
    if (v.first_bad == n) {
        EXPECT(stats.code_points == v.code_points && oracle.code_points == v.code_points);
        EXPECT(oracle.widest == v.widest);
        /* The lead of a code point that the end cuts may count: it will be fed to the state all the same. */
        EXPECT(stats.widest == v.widest || (cut_lead > v.widest && stats.widest == cut_lead));
    }
    CALLING(fws_is_utf8, n, v.prefix, at);
    EXPECT(fws_is_utf8(b.data, n) == (v.prefix == n));
    CALLING(fws_utf8_feed, n, v.prefix, at);
    EXPECT(fws_utf8_feed(&state, b.data, n) == (v.first_bad == n));
    EXPECT(state.offset == v.first_bad);
}

static int expected_width(const text *t) {
    uint32_t highest = 0;
    for (size_t i = 0; i < t->n; i++) {
        highest = t->code_points[i] > highest ? t->code_points[i] : highest;
    }
    return highest < 0x100 ? 1 : highest < 0x10000 ? 2 : 4;
}

static text t;

static void valid_and_cut_texts(void) {
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t n = 0; n <= 300; n++) {
            fws_utf8 state = {0};
            random_text(&t, &mixes[m], n);
            for (size_t cut = 0; cut <= 3 && cut <= t.size; cut++) {
                text_agrees(t.bytes, t.size - cut, AT_END);
                text_agrees(t.bytes, t.size - cut, AT_START);
            }
            CALLING(fws_utf8_width, m, n, t.size);
            EXPECT(fws_utf8_feed(&state, t.bytes, t.size));
            EXPECT(state.code_points == n && fws_utf8_width(&state) == expected_width(&t));
        }
    }
}

/* One byte of a valid text is replaced, inserted or taken away. */
static void damage(uint8_t *bytes, size_t *n) {
    const size_t at = random_below(*n);
    switch (random_below(4)) {
    case 0:
        memmove(bytes + at, bytes + at + 1, *n - at - 1);
        *n -= 1;
        break;
    case 1:
        memmove(bytes + at + 1, bytes + at, *n - at);
        bytes[at] = (uint8_t)random_below(256);
        *n += 1;
        break;
    case 2:
        bytes[at] ^= (uint8_t)(1u << random_below(8));
        break;
    default:
        bytes[at] = (uint8_t)random_below(256);
    }
}

static void damaged_texts(void) {
    const size_t rounds = 5000 / stride_up_to(10);
    for (size_t m = 0; m < MIXES; m++) {
        for (size_t i = 0; i < rounds; i++) {
            random_text(&t, &mixes[m], 1 + random_below(i % 16 ? 200 : 2000));
            damage(t.bytes, &t.size);
            text_agrees(t.bytes, t.size, i & 1 ? AT_START : AT_END);
        }
    }
}

/* Every code point, a thousand to a text. */
static void every_code_point(void) {
    empty_text(&t);
    for (uint32_t c = 0; c < 0x110000; c += (uint32_t)stride) {
        if (c >= 0xD800 && c <= 0xDFFF) {
            continue;
        }
        append_code_point(&t, c);
        if (t.n == 1000) {
            text_agrees(t.bytes, t.size, AT_END);
            empty_text(&t);
        }
    }
    text_agrees(t.bytes, t.size, AT_END);
}

const test utf8_tests[] = {
    {"every byte and pair in every lane", every_byte_and_pair},
    {"every triple in every lane", every_triple},
    {"every text of one to three bytes", every_short_text},
    {"boundary quadruples in every lane", boundary_quadruples},
    {"valid texts, whole and cut", valid_and_cut_texts},
    {"damaged texts", damaged_texts},
    {"every code point", every_code_point},
    {NULL, NULL},
};
