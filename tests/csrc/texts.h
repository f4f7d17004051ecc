/* texts.h: random numbers that are the same in every run, and texts of every mix made from them. */
#ifndef FASTWS_TESTS_TEXTS_H
#define FASTWS_TESTS_TEXTS_H

#include <stddef.h>
#include <stdint.h>

void restart_random(void);
uint64_t random_bits(void);
/* 0 to n - 1. */
size_t random_below(size_t n);
void random_bytes(uint8_t *dst, size_t n);

/* How a text is made up. */
typedef struct {
    int width;           /* bytes of the smallest unit that holds its code points */
    uint32_t limit;      /* the highest code point */
    unsigned weights[4]; /* how often code points of 1 to 4 bytes come, compared with each other */
    unsigned run;        /* up to how many of one length follow each other */
} mix;

enum { MIXES = 14 };
extern const mix mixes[MIXES];

enum { MAX_CODE_POINTS = 70000 };

/* A text in both shapes. */
typedef struct {
    uint32_t code_points[MAX_CODE_POINTS];
    size_t n;
    uint8_t bytes[4 * MAX_CODE_POINTS];
    size_t size;
} text;

/* Fill t with n random code points of the mix. */
void random_text(text *t, const mix *m, size_t n);

/* A random code point that has `length` bytes and is no surrogate; often the first or the last of these. */
uint32_t random_code_point(unsigned length, uint32_t limit);

void empty_text(text *t);
void append_code_point(text *t, uint32_t code_point);

#endif
