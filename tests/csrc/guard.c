/* Pages from mmap, the first and the last of them without access. */
#define _DEFAULT_SOURCE
#include "guard.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANARY = 0xA5, CANARIES = 64 };

/* Where the pages with access begin; ARENA_BYTES is a multiple of any page. */
static uint8_t *arenas[ARENAS];

static uint8_t *map_guarded(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *all = mmap(NULL, ARENA_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || mprotect(all + page, ARENA_BYTES, PROT_READ | PROT_WRITE) != 0) {
        return NULL;
    }
    return all + page;
}

/* How a child ends that was refused a byte: quietly, without the report and the core file of a crash. */
enum { REFUSED = 42 };

static void leave_refused(int number) {
    (void)number;
    _exit(REFUSED);
}

/* Whether reading the byte at p is refused, tried in a child. */
static int is_refused(const uint8_t *p) {
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, leave_refused);
        signal(SIGBUS, leave_refused);
        _exit(*(const volatile uint8_t *)p & 0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
}

int open_arenas(void) {
    for (int i = 0; i < ARENAS; i++) {
        arenas[i] = map_guarded();
        if (arenas[i] == NULL || is_refused(arenas[i]) || !is_refused(arenas[i] - 1) ||
            is_refused(arenas[i] + ARENA_BYTES - 1) || !is_refused(arenas[i] + ARENA_BYTES)) {
            return 0;
        }
    }
    return 1;
}

buffer open_buffer(arena from, edge at, size_t slack, size_t n) {
    uint8_t *const start = arenas[from], *const end = start + ARENA_BYTES;
    buffer b = {.n = n};
    if (at == AT_START) {
        b.low = start;
        b.data = start + slack;
        b.high = b.data + n + CANARIES;
    } else {
        b.high = end;
        b.data = end - slack - n;
        b.low = b.data - CANARIES;
    }
    memset(b.low, CANARY, (size_t)(b.data - b.low));
    memset(b.data + n, CANARY, (size_t)(b.high - b.data) - n);
    return b;
}

int is_intact(const buffer *b) {
    for (const uint8_t *p = b->low; p < b->data; p++) {
        if (*p != CANARY) {
            return 0;
        }
    }
    for (const uint8_t *p = b->data + b->n; p < b->high; p++) {
        if (*p != CANARY) {
            return 0;
        }
    }
    return 1;
}
