/* The shuffles that move code points about: which byte of 16 goes where, for every way that code points can lie.
 * Built once, because the loops below say more than thousands of numbers would. */
#include "tables.h"

uint8_t fws_encode_shuffles[256][16];
uint8_t fws_encode_lengths[256];
uint8_t fws_encode_pairs[256][16];
uint8_t fws_compress_shuffles[2][256 + 1][8];
uint8_t fws_compress_pairs[256][16];

enum { NOTHING = 0xFF };

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

static void build_encode_pairs(unsigned leads) {
    uint8_t *shuffle = fws_encode_pairs[leads];
    unsigned written = 0;
    memset(shuffle, NOTHING, 16);
    for (unsigned pair = 0; pair < 8; pair++) {
        if (leads >> pair & 1) {
            shuffle[written++] = (uint8_t)(2 * pair);
        }
        shuffle[written++] = (uint8_t)(2 * pair + 1);
    }
}

/* Keep those of 8 bytes that have a bit. */
static void build_compress(unsigned half, unsigned kept) {
    uint8_t *shuffle = fws_compress_shuffles[half][kept];
    unsigned written = 0;
    memset(shuffle, NOTHING, 8);
    for (unsigned byte = 0; byte < 8; byte++) {
        if (kept >> byte & 1) {
            shuffle[written++] = (uint8_t)(8 * half + byte);
        }
    }
}

static void build_pairs(unsigned kept) {
    uint8_t *shuffle = fws_compress_pairs[kept];
    unsigned written = 0;
    memset(shuffle, NOTHING, 16);
    for (unsigned pair = 0; pair < 8; pair++) {
        if (kept >> pair & 1) {
            shuffle[written++] = (uint8_t)(2 * pair);
            shuffle[written++] = (uint8_t)(2 * pair + 1);
        }
    }
}

void fws_build_tables(void) {
    for (unsigned index = 0; index < 256; index++) {
        build_encode(index);
        build_encode_pairs(index);
        build_compress(0, index);
        build_compress(1, index);
        build_pairs(index);
    }
}
