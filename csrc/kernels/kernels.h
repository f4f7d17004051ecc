/* One signature per operation, and the list of kernels.
 *
 * Four facts hold for every kernel: it reads and writes exactly the bytes it is told to, needs no alignment, touches
 * no global but constant tables, and has a scalar sibling with the same results. */
#ifndef FASTWS_KERNELS_H
#define FASTWS_KERNELS_H

#include "../fastws.h"
#include "../portability.h"

/* What utf8_check learns about the valid part of a text, added to what is there. */
typedef struct {
    size_t code_points;
    uint8_t widest; /* the highest byte that is not ASCII; 0 if all is */
} fws_text_stats;

typedef struct {
    const char *name;

    /* XOR n bytes with a key whose 4 bytes are loaded as they stand in memory. dst == src is allowed. */
    void (*mask)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);

    /* The same until a block with a byte >= 0x80. Returns bytes written that are ASCII; n if all are. */
    size_t (*mask_ascii)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);

    /* src starts on a code point. Returns the length of the longest valid prefix that ends on a code point.
     * stats is exact if the whole of src, or all but an unfinished code point at its end, is valid; `widest` may then
     * count the lead of that one already. */
    size_t (*utf8_check)(const uint8_t *src, size_t n, fws_text_stats *stats);

    /* Unmask Latin-1 that is UTF-8 and write its code points, until what is not. src starts on a code point; dst has
     * room for the code points if all of src is that, and for n units if that is not known. Returns n if it is;
     * otherwise fewer, up to which it is, ending on a code point. *written is the units that this gave. */
    size_t (*utf8_to_ucs1)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key, size_t *written);

    /* Unmask valid, complete UTF-8 to code units; every code point fits the unit. Returns the units written. */
    size_t (*utf8_to_ucs2)(uint16_t *dst, const uint8_t *src, size_t n, uint32_t key);
    size_t (*utf8_to_ucs4)(uint32_t *dst, const uint8_t *src, size_t n, uint32_t key);

    /* UTF-8 bytes that n units need; FWS_SURROGATE if one is a surrogate. */
    size_t (*ucs1_size)(const uint8_t *src, size_t n);
    size_t (*ucs2_size)(const uint16_t *src, size_t n);
    size_t (*ucs4_size)(const uint32_t *src, size_t n);

    /* n units, none a surrogate, to UTF-8. Returns the bytes written. */
    size_t (*ucs1_to_utf8)(uint8_t *dst, const uint8_t *src, size_t n);
    size_t (*ucs2_to_utf8)(uint8_t *dst, const uint16_t *src, size_t n);
    size_t (*ucs4_to_utf8)(uint8_t *dst, const uint32_t *src, size_t n);
} fws_kernel;

/* The one in use. Set by fws_select_kernel (dispatch.c), read everywhere. */
extern const fws_kernel *fws_active;

extern const fws_kernel fws_kernel_scalar;
#if FWS_X86_64
extern const fws_kernel fws_kernel_ssse3;
extern const fws_kernel fws_kernel_avx2;
#endif
#if FWS_AARCH64
extern const fws_kernel fws_kernel_neon;
#endif

/* The scalar kernel's own operations: the oracle, and what finishes a vector kernel's work. */
void fws_mask_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);
size_t fws_mask_ascii_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key);
size_t fws_utf8_check_scalar(const uint8_t *src, size_t n, fws_text_stats *stats);
size_t fws_utf8_to_ucs1_scalar(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key, size_t *written);
size_t fws_utf8_to_ucs2_scalar(uint16_t *dst, const uint8_t *src, size_t n, uint32_t key);
size_t fws_utf8_to_ucs4_scalar(uint32_t *dst, const uint8_t *src, size_t n, uint32_t key);
size_t fws_ucs1_to_utf8_scalar(uint8_t *dst, const uint8_t *src, size_t n);
size_t fws_ucs2_to_utf8_scalar(uint8_t *dst, const uint16_t *src, size_t n);
size_t fws_ucs4_to_utf8_scalar(uint8_t *dst, const uint32_t *src, size_t n);

/* Fill the shuffle tables of the vector kernels (tables.c). To be called before any kernel but the scalar one. */
void fws_build_tables(void);

#endif
