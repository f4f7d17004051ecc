/* The shuffles that move code points about: which byte of 16 goes where, for every way that code points can lie.
 * Built once, because the loops below say more than 4,000 numbers would. */
#include "tables.h"

utf8_window fws_utf8_windows[4096];
uint8_t fws_utf8_shuffles[UTF8_SHUFFLES][16];
uint8_t fws_encode_shuffles[256][16];
uint8_t fws_encode_lengths[256];
uint8_t fws_compress_shuffles[256][8];

enum { NOTHING = 0xFF };

/* Lay `count` code points, of lengths[k] bytes each, into units of `width` bytes, the last byte lowest. */
static void lay_out(uint8_t shuffle[16], const unsigned *lengths, unsigned count, unsigned width) {
    unsigned start = 0;
    memset(shuffle, NOTHING, 16);
    for (unsigned k = 0; k < count; k++) {
        for (unsigned byte = 0; byte < lengths[k]; byte++) {
            shuffle[k * width + byte] = (uint8_t)(start + lengths[k] - 1 - byte);
        }
        start += lengths[k];
    }
}

/* The lengths of the first `count` code points, as digits of a number to the base `limit`. Returns -1 if one of them
 * is longer than `limit`. */
static int shape_of(const unsigned *lengths, unsigned count, unsigned limit) {
    int shape = 0;
    for (unsigned k = count; k-- > 0;) {
        if (lengths[k] == 0 || lengths[k] > limit) {
            return -1;
        }
        shape = shape * (int)limit + (int)lengths[k] - 1;
    }
    return shape;
}

static unsigned total(const unsigned *lengths, unsigned count) {
    unsigned sum = 0;
    for (unsigned k = 0; k < count; k++) {
        sum += lengths[k];
    }
    return sum;
}

/* What to do with 12 bytes whose code points end where `ends` has a bit. */
static void build_window(unsigned ends) {
    unsigned lengths[12] = {0};
    unsigned count = 0, start = 0;
    for (unsigned byte = 0; byte < 12; byte++) {
        if (ends >> byte & 1) {
            lengths[count++] = byte + 1 - start;
            start = byte + 1;
        }
    }
    const struct {
        unsigned count, limit, width, first_shuffle;
    } ways[] = {{6, 2, 2, UTF8_SIX}, {4, 3, 4, UTF8_FOUR}, {3, 4, 4, UTF8_THREE}};
    for (unsigned way = 0; way < 3; way++) {
        const int shape = shape_of(lengths, ways[way].count, ways[way].limit);
        if (shape >= 0) {
            const unsigned index = ways[way].first_shuffle + (unsigned)shape;
            lay_out(fws_utf8_shuffles[index], lengths, ways[way].count, ways[way].width);
            fws_utf8_windows[ends].shuffle = (uint8_t)index;
            fws_utf8_windows[ends].consumed = (uint8_t)total(lengths, ways[way].count);
            return;
        }
    }
}

/* Four code points in units of 4 bytes, the last byte lowest, to UTF-8. A length less one has two bits: the low ones
 * are bits 0 to 3 of `lengths`, the high ones bits 4 to 7. */
static void build_encode(unsigned lengths) {
    uint8_t *shuffle = fws_encode_shuffles[lengths];
    unsigned written = 0;
    memset(shuffle, NOTHING, 16);
    for (unsigned k = 0; k < 4; k++) {
        const unsigned length = 1 + (lengths >> k & 1) + 2 * (lengths >> (k + 4) & 1);
        for (unsigned byte = length; byte-- > 0;) {
            shuffle[written++] = (uint8_t)(4 * k + byte);
        }
    }
    fws_encode_lengths[lengths] = (uint8_t)written;
}

/* Keep those of 8 bytes that have a bit. */
static void build_compress(unsigned kept) {
    unsigned written = 0;
    memset(fws_compress_shuffles[kept], NOTHING, 8);
    for (unsigned byte = 0; byte < 8; byte++) {
        if (kept >> byte & 1) {
            fws_compress_shuffles[kept][written++] = (uint8_t)byte;
        }
    }
}

void fws_build_tables(void) {
    for (unsigned ends = 0; ends < 4096; ends++) {
        build_window(ends);
    }
    for (unsigned index = 0; index < 256; index++) {
        build_encode(index);
        build_compress(index);
    }
}
