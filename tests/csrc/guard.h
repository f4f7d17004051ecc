/* guard.h: buffers that touch a page which nobody may read or write.
 *
 *     | no access | canaries |    data    | slack | no access |      AT_END
 *     | no access | slack |    data    | canaries | no access |      AT_START
 *
 * With a slack of 0, one byte too far at that edge is a crash; on the other side, and in the slack, canaries tell. */
#ifndef FASTWS_TESTS_GUARD_H
#define FASTWS_TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

typedef enum { AT_START, AT_END, EDGES } edge;

/* The memory that a buffer is cut out of: one buffer of each at a time. */
typedef enum { SOURCE, TARGET, ARENAS } arena;

enum { ARENA_BYTES = 8 << 20 };

typedef struct {
    uint8_t *data;
    size_t n;
    uint8_t *low, *high; /* canaries stand in [low, data) and in [data + n, high) */
} buffer;

/* Map the arenas, and make sure that their guard pages hold. Returns 0 if they do not. */
int open_arenas(void);

/* n bytes at an edge of the arena, `slack` bytes away from it. Their contents are what was there. */
buffer open_buffer(arena from, edge at, size_t slack, size_t n);

/* Whether all canaries still stand. */
int is_intact(const buffer *b);

#endif
