/* reference.h: what the functions under test must do, said once more in the shortest way, a byte at a time. */
#ifndef FASTWS_TESTS_REFERENCE_H
#define FASTWS_TESTS_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/* What can be said of n bytes as UTF-8. */
typedef struct {
    size_t prefix;      /* bytes of the longest valid prefix that ends on a code point */
    size_t first_bad;   /* offset of the first byte that cannot be; n if there is none */
    size_t code_points; /* in the prefix */
    uint8_t widest;     /* the highest byte of the prefix that is not ASCII, or 0 */
} utf8_verdict;

/* Build the automaton that reference_utf8 runs. */
void build_reference(void);

void reference_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase);

utf8_verdict reference_utf8(const uint8_t *src, size_t n);

/* Write a code point as UTF-8. Returns its bytes, 1 to 4. */
size_t reference_encode(uint8_t *dst, uint32_t code_point);

/* Write n code points as units of 1, 2 or 4 bytes, native byte order. */
void reference_units(void *dst, int width, const uint32_t *code_points, size_t n);

#endif
