/* The shuffle tables that vector kernels share. Written by fws_build_tables only. */
#ifndef FASTWS_TABLES_H
#define FASTWS_TABLES_H

#include "kernels.h"

/* Where the shuffles of each way to take 12 bytes begin: 2^6, 3^4 and 4^3 of them. */
enum {
    UTF8_SIX = 0,                /* six code points of 1 or 2 bytes, to 16-bit units */
    UTF8_FOUR = UTF8_SIX + 64,   /* four of 1 to 3 bytes, to 32-bit units */
    UTF8_THREE = UTF8_FOUR + 81, /* three of 1 to 4 bytes, to 32-bit units */
    UTF8_SHUFFLES = UTF8_THREE + 64
};

/* What to do with 12 bytes of UTF-8, by a bit for every byte that ends a code point. */
typedef struct {
    uint8_t shuffle;  /* index into fws_utf8_shuffles */
    uint8_t consumed; /* bytes that it takes, 3 to 12 */
} utf8_window;

extern utf8_window fws_utf8_windows[4096];
extern uint8_t fws_utf8_shuffles[UTF8_SHUFFLES][16];

/* Four code points to UTF-8, by their lengths: the shuffle, and the bytes it leaves. */
extern uint8_t fws_encode_shuffles[256][16];
extern uint8_t fws_encode_lengths[256];

/* Those of 8 bytes that are kept, by a bit for each. */
extern uint8_t fws_compress_shuffles[256][8];

#endif
