/* verdict.h: what is being called, whether it did right, and how much of that there was.
 *
 * A test names each call before it makes it, and states what must hold after it. A wrong result and a crash (a byte
 * touched outside of a buffer meets a guard page) are both reported with the kernel, the test, the call and its
 * sizes. */
#ifndef FASTWS_TESTS_VERDICT_H
#define FASTWS_TESTS_VERDICT_H

#include <stddef.h>
#include <stdint.h>

/* One thing to test; a list of them ends with a name of NULL. */
typedef struct {
    const char *name;
    void (*run)(void);
} test;

/* A call, and the three numbers that are needed to make it again. */
typedef struct {
    const char *function;
    const char *names[3];
    size_t numbers[3];
} call;

extern call current_call;
extern uint64_t comparisons;

/* To stand before every call of a function under test. */
#define CALLING(function, a, b, c) \
    (current_call = (call){#function, {#a, #b, #c}, {(size_t)(a), (size_t)(b), (size_t)(c)}})

#define EXPECT(condition)                           \
    do {                                            \
        comparisons++;                              \
        if (!(condition)) {                         \
            refuse(#condition, __FILE__, __LINE__); \
        }                                           \
    } while (0)

/* Say that the condition does not hold for the current call, and fail the current test. */
void refuse(const char *condition, const char *file, int line);

/* Have crashes name the current call. */
void report_crashes(void);

/* Run the tests and print one line for all of them. `subject` is the kernel, or what else is tested. */
void run_tests(const char *subject, const test *tests);

/* Print the line for the whole program. Returns its exit status. */
int summarise(void);

#endif
