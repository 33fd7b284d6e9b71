/*
 * A bump allocator: what one decision or one decoded object needs, dropped at once. Allocation never fails (out
 * of memory aborts, in memory.h's one place); nothing is freed alone. Returned memory is zeroed and aligned for any type.
 */
#ifndef TOLLGATE_ARENA_H
#define TOLLGATE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *block; /* newest first */
	size_t used;               /* of the newest block */
	size_t total;              /* bytes handed out since the last reset */
};

void arena_init(struct arena *);
/* Everything handed out becomes invalid; one block is kept for reuse. */
void arena_reset(struct arena *);
/* Everything handed out becomes invalid; no memory is kept. */
void arena_close(struct arena *);

/* What it holds of the heap. */
size_t arena_bytes(const struct arena *);

void *arena_alloc(struct arena *, size_t bytes);
void *arena_copy(struct arena *, const void *from, size_t bytes);
char *arena_strndup(struct arena *, const char *text, size_t len);
/* printf into the arena, NUL-terminated. */
char *arena_printf(struct arena *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (n)))

#endif
