/* The tests of csrc alone, over every kernel that this machine can run.
 *
 *     test_kernels [STRIDE]
 *
 * STRIDE (1 if not given) thins out what is exhaustive; it is odd, so that nothing is left out by system. Prints a
 * line for the headers and one for each kernel, and last `N passed, 0 failed`; the exit status is 0 only then. */
#include "fastws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "reference.h"
#include "stages.h"

size_t stride = 1;

size_t stride_up_to(size_t most) { return stride < most ? stride : most; }

static const char *kernel_under_test;

static void chosen_by_name(void) {
    CALLING(fws_select_kernel, 0, 0, 0);
    EXPECT(strcmp(fws_kernel_name(), kernel_under_test) == 0);
    EXPECT(fws_select_kernel("none such") == 0);
    EXPECT(fws_select_kernel("") == 0);
    EXPECT(strcmp(fws_kernel_name(), kernel_under_test) == 0);
}

static void best_is_the_last(void) {
    size_t n = 0;
    while (fws_available_kernel(n) != NULL) {
        n++;
    }
    CALLING(fws_select_kernel, n, 0, 0);
    EXPECT(strcmp(fws_available_kernel(0), "scalar") == 0);
    EXPECT(fws_available_kernel(n) == NULL && fws_available_kernel(n + 1) == NULL);
    EXPECT(fws_select_kernel(NULL) == 1);
    EXPECT(strcmp(fws_kernel_name(), fws_available_kernel(n - 1)) == 0);
    EXPECT(fws_select_kernel(kernel_under_test) == 1);
}

const test kernel_tests[] = {
    {"chosen by name", chosen_by_name},
    {"the best is the last", best_is_the_last},
    {NULL, NULL},
};

/* All that a kernel is tested with, in one list. */
static void run_kernel(const char *name) {
    static const test *const stages[] = {kernel_tests, mask_tests,   utf8_tests,
                                         stream_tests, decode_tests, encode_tests};
    enum { MOST = 64 };
    test all[MOST] = {{NULL, NULL}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        for (const test *t = stages[i]; t->name != NULL && n < MOST - 1; t++) {
            all[n++] = *t;
        }
    }
    kernel_under_test = name;
    if (!fws_select_kernel(name)) {
        fprintf(stderr, "%s is said to be available, and is refused\n", name);
        exit(1);
    }
    run_tests(name, all);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        stride = (size_t)strtoul(argv[1], NULL, 10);
    }
    if (argc > 2 || stride % 2 == 0) {
        fprintf(stderr, "usage: %s [STRIDE]; STRIDE is an odd number\n", argv[0]);
        return 2;
    }
    if (!open_arenas()) {
        fprintf(stderr, "no guard pages here: nothing can be tested\n");
        return 2;
    }
    build_reference();
    report_crashes();
    run_tests("headers", header_tests);
    for (size_t i = 0; fws_available_kernel(i) != NULL; i++) {
        run_kernel(fws_available_kernel(i));
    }
    return summarise();
}
