/* Headers, read and written: every first and second byte, the lengths where forms change, cut at each byte. */
#include "fastws.h"

#include <string.h>

#include "guard.h"
#include "stages.h"
#include "texts.h"

static const uint64_t lengths[] = {0,
                                   1,
                                   125,
                                   126,
                                   127,
                                   128,
                                   255,
                                   256,
                                   65534,
                                   65535,
                                   65536,
                                   65537,
                                   0x7FFFFFFF,
                                   0x80000000,
                                   0xFFFFFFFF,
                                   0x100000000,
                                   1 << 20,
                                   1ULL << 40,
                                   1ULL << 62,
                                   (1ULL << 63) - 1,
                                   1ULL << 63,
                                   (1ULL << 63) + 1,
                                   UINT64_MAX - 1,
                                   UINT64_MAX};

enum { LENGTHS = sizeof lengths / sizeof *lengths };

static const uint8_t a_key[4] = {0x37, 0xFA, 0x21, 0x3D};

/* Bytes of the length that follow the first two. */
static size_t extension_of(uint8_t second) { return (second & 0x7F) == 126 ? 2 : (second & 0x7F) == 127 ? 8 : 0; }

/* Lay out a header with these two bytes, the low bytes of `length` where they ask for them, and a key. */
static size_t lay_out(uint8_t *dst, uint8_t first, uint8_t second, uint64_t length) {
    const size_t extension = extension_of(second);
    uint8_t *p = dst;
    *p++ = first;
    *p++ = second;
    for (size_t i = extension; i-- > 0;) {
        *p++ = (uint8_t)(length >> 8 * i);
    }
    if (second & 0x80) {
        memcpy(p, a_key, 4);
        p += 4;
    }
    return (size_t)(p - dst);
}

/* The length that such a header tells. */
static uint64_t told_length(uint8_t second, uint64_t length) {
    switch (extension_of(second)) {
    case 0:
        return second & 0x7F;
    case 2:
        return length & 0xFFFF;
    default:
        return length;
    }
}

static fws_fault length_fault(uint8_t second, uint64_t length, int minimal) {
    static const uint64_t smallest[9] = {[2] = 126, [8] = 65536};
    if (length > INT64_MAX) {
        return FWS_ERR_LENGTH_TOP_BIT;
    }
    return minimal && length < smallest[extension_of(second)] ? FWS_ERR_LENGTH_NOT_MINIMAL : FWS_OK;
}

/* Parse the first `cut` bytes of a header of `size` bytes. */
static void parse_agrees(const uint8_t *header, size_t size, size_t cut, uint64_t length, int minimal) {
    const uint8_t first = header[0], second = header[1];
    const buffer src = open_buffer(SOURCE, cut & 1 ? AT_START : AT_END, 0, cut);
    const int is_length_there = cut >= 2 + extension_of(second);
    fws_fault expected = is_length_there ? length_fault(second, length, minimal) : FWS_SHORT;
    if (expected == FWS_OK && cut < size) {
        expected = FWS_SHORT;
    }
    memcpy(src.data, header, cut);
    fws_header h;
    memset(&h, 0xEE, sizeof h);
    CALLING(fws_parse_header, cut, (unsigned)first << 8 | second, length);
    EXPECT(fws_parse_header(src.data, cut, minimal, &h) == expected);
    EXPECT(cut < 2 || (h.first == first && h.second == second));
    if (expected == FWS_SHORT) {
        EXPECT(h.has_length == is_length_there);
        EXPECT(!h.has_length || h.length == length);
    } else if (expected == FWS_OK) {
        EXPECT(h.has_length == 1 && h.length == length && h.size == size);
        EXPECT(memcmp(h.key, second & 0x80 ? a_key : (const uint8_t[4]){0}, 4) == 0);
    }
}

static void parse_every_start_cut_anywhere(void) {
    for (unsigned start = 0; start < 65536; start++) {
        const uint8_t first = (uint8_t)(start >> 8), second = (uint8_t)start;
        const uint64_t length = lengths[(first + second) % LENGTHS];
        uint8_t header[FWS_MAX_HEADER];
        const size_t size = lay_out(header, first, second, length);
        for (size_t cut = 0; cut <= size; cut++) {
            parse_agrees(header, size, cut, told_length(second, length), 0);
            parse_agrees(header, size, cut, told_length(second, length), 1);
        }
    }
}

static void parse_reads_only_the_header(void) {
    for (size_t i = 0; i < LENGTHS; i++) {
        uint8_t bytes[2 * FWS_MAX_HEADER];
        for (unsigned second = 0; second < 256; second++) {
            memset(bytes, 0xFF, sizeof bytes);
            const size_t size = lay_out(bytes, 0x82, (uint8_t)second, lengths[i]);
            const uint64_t length = told_length((uint8_t)second, lengths[i]);
            fws_header h;
            CALLING(fws_parse_header, sizeof bytes, second, length);
            const fws_fault fault = fws_parse_header(bytes, sizeof bytes, 0, &h);
            EXPECT(fault == length_fault((uint8_t)second, length, 0));
            EXPECT(fault != FWS_OK || (h.size == size && h.length == length));
        }
    }
}

/* Write a header, compare it with what it must be, and read it again. */
static void format_agrees(uint8_t first, uint64_t length, const uint8_t *key) {
    const uint8_t short_length = length < 126 ? (uint8_t)length : length < 65536 ? 126 : 127;
    uint8_t expected[FWS_MAX_HEADER];
    const size_t size = lay_out(expected, first, (uint8_t)(short_length | (key != NULL ? 0x80 : 0)), length);
    for (edge at = AT_START; at < EDGES; at++) {
        const buffer dst = open_buffer(TARGET, at, 0, FWS_MAX_HEADER);
        fws_header h;
        CALLING(fws_format_header, first, length, key != NULL);
        EXPECT(fws_header_size(length, key != NULL) == size);
        EXPECT(fws_format_header(dst.data, first, length, key) == size);
        EXPECT(memcmp(dst.data, expected, size) == 0);
        EXPECT(is_intact(&dst));
        CALLING(fws_parse_header, size, first, length);
        EXPECT(fws_parse_header(dst.data, size, 1, &h) == FWS_OK);
        EXPECT(h.first == first && h.length == length && h.size == size);
    }
}

static void format_and_parse_again(void) {
    for (unsigned first = 0; first < 256; first++) {
        for (size_t i = 0; i < LENGTHS; i++) {
            if (lengths[i] <= INT64_MAX) {
                format_agrees((uint8_t)first, lengths[i], NULL);
                format_agrees((uint8_t)first, lengths[i], a_key);
            }
        }
    }
    for (int i = 0; i < 10000; i++) {
        const uint64_t length = random_bits() >> (1 + random_below(63));
        format_agrees((uint8_t)random_below(256), length, random_below(2) ? a_key : NULL);
    }
}

/* The rules of RFC 6455 §5.2 to §5.5, one line each; the first that is broken is the fault. */
static fws_fault first_broken_rule(uint8_t first, uint8_t second, const fws_rules *rules) {
    const unsigned opcode = first & 0x0F;
    const int is_control = opcode >= 8, is_continuation = opcode == 0, is_start = opcode >= 1 && opcode <= 7;
    const int is_final = first >= 0x80, is_masked = second >= 0x80;
    /* An extension's bits: all on the first frame of a message, without RSV1 on the others, none on control frames. */
    const unsigned usable = is_start ? rules->reserved : is_continuation ? rules->reserved & 0x30u : 0;
    const struct {
        fws_fault fault;
        int is_broken;
    } list[] = {
        {FWS_ERR_RESERVED_BITS, (first & 0x70u & usable) != (first & 0x70u)},
        {FWS_ERR_RESERVED_OPCODE, (opcode >= 3 && opcode <= 7) || opcode >= 11},
        {FWS_ERR_CONTROL_FRAGMENTED, is_control && !is_final},
        {FWS_ERR_CONTROL_TOO_LONG, is_control && (second & 0x7F) >= 126},
        {FWS_ERR_FRAME_UNMASKED, rules->masked && !is_masked},
        {FWS_ERR_FRAME_MASKED, !rules->masked && is_masked},
        {FWS_ERR_NOTHING_TO_CONTINUE, is_continuation && !rules->in_message},
        {FWS_ERR_MESSAGE_UNFINISHED, is_start && rules->in_message},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i].is_broken) {
            return list[i].fault;
        }
    }
    return FWS_OK;
}

static void check_every_start_under_all_rules(void) {
    for (unsigned setting = 0; setting < 64; setting++) {
        const fws_rules rules = {.masked = (uint8_t)(setting << 7 & 0x80),
                                 .reserved = (uint8_t)(setting << 3 & 0x70),
                                 .minimal_length = (uint8_t)(setting >> 4 & 1),
                                 .in_message = (uint8_t)(setting >> 5 & 1)};
        for (unsigned start = 0; start < 65536; start++) {
            const uint8_t first = (uint8_t)(start >> 8), second = (uint8_t)start;
            CALLING(fws_check_start, setting, first, second);
            EXPECT(fws_check_start(first, second, &rules) == first_broken_rule(first, second, &rules));
        }
    }
}

const test header_tests[] = {
    {"parse every start, cut anywhere", parse_every_start_cut_anywhere},
    {"parse reads only the header", parse_reads_only_the_header},
    {"format and parse again", format_and_parse_again},
    {"check every start under all rules", check_every_start_under_all_rules},
    {NULL, NULL},
};
