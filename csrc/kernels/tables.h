/* The shuffle tables that vector kernels share. Written by fws_build_tables only. */
#ifndef FASTWS_TABLES_H
#define FASTWS_TABLES_H

#include "kernels.h"

/* Four code points to UTF-8, by their lengths: the shuffle, and the bytes it leaves. */
extern uint8_t fws_encode_shuffles[256][16];
extern uint8_t fws_encode_lengths[256];

/* Eight pairs of a lead and another byte to UTF-8, by a bit for each lead that is kept. */
extern uint8_t fws_encode_pairs[256][16];

/* Those of bytes 0 to 7, or of 8 to 15, that are kept, by a bit for each: the first 8 bytes of a shuffle, whose others
 * are not looked at. They are loaded with it, so a row stands behind the last. */
extern uint8_t fws_compress_shuffles[2][256 + 1][8];

/* The same of 8 pairs of bytes. */
extern uint8_t fws_compress_pairs[256][16];

#endif
