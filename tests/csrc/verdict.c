/* Counts and reports; sees a crash. */
#define _DEFAULT_SOURCE
#include "verdict.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "texts.h"

call current_call;
uint64_t comparisons;

/* A broken kernel is wrong a million times: this many are told of each test. */
enum { TOLD = 5 };

static const char *current_subject = "";
static const char *current_test = "";
static unsigned refusals; /* in the current test */
static unsigned passed, failed;

static void print_call(void) {
    fprintf(stderr, "%s, %s: %s(", current_subject, current_test, current_call.function);
    for (int i = 0; i < 3; i++) {
        fprintf(stderr, "%s%s=%zu (0x%zx)", i ? ", " : "", current_call.names[i], current_call.numbers[i],
                current_call.numbers[i]);
    }
    fprintf(stderr, ")");
}

void refuse(const char *condition, const char *file, int line) {
    if (refusals++ < TOLD) {
        print_call();
        fprintf(stderr, ": not true: %s (%s:%d)\n", condition, file, line);
    }
}

/* What a sanitizer has installed: it has its own story to tell after this one. */
static struct sigaction earlier_segv, earlier_bus;

static void on_crash(int number) {
    print_call();
    fprintf(stderr, ": touched memory that is not its own\n");
    fflush(stdout);
    /* On return the same instruction crashes again, and the earlier handler takes it. */
    sigaction(number, number == SIGSEGV ? &earlier_segv : &earlier_bus, NULL);
}

void report_crashes(void) {
    struct sigaction ours = {0};
    ours.sa_handler = on_crash;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, &earlier_segv);
    sigaction(SIGBUS, &ours, &earlier_bus);
}

void run_tests(const char *subject, const test *tests) {
    const unsigned passed_before = passed, failed_before = failed;
    const uint64_t comparisons_before = comparisons;
    current_subject = subject;
    for (const test *t = tests; t->name != NULL; t++) {
        current_test = t->name;
        refusals = 0;
        restart_random();
        t->run();
        if (refusals) {
            fprintf(stderr, "%s, %s: failed, %u times\n", subject, t->name, refusals);
            failed++;
        } else {
            passed++;
        }
    }
    printf("%s: %u passed, %u failed (%" PRIu64 " comparisons)\n", subject, passed - passed_before,
           failed - failed_before, comparisons - comparisons_before);
    fflush(stdout);
}

int summarise(void) {
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
