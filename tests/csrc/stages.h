/* stages.h: the tests of each stage, in the order in which a frame is read. */
#ifndef FASTWS_TESTS_STAGES_H
#define FASTWS_TESTS_STAGES_H

#include "verdict.h"

/* Headers have no kernels. */
extern const test header_tests[];

extern const test kernel_tests[]; /* the choice itself */
extern const test mask_tests[];
extern const test utf8_tests[];
extern const test stream_tests[];
extern const test decode_tests[];
extern const test encode_tests[];

/* Exhaustive tests take every stride-th case: 1 is all of them, more is for emulated CPUs. */
extern size_t stride;

/* The same where too few cases would be left: the stride, but at most so much. */
size_t stride_up_to(size_t most);

#endif
