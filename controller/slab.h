/*
 * Many small things of one size, each known by a number: a number takes half of what a pointer does, and no thing has a head of malloc's.
 * A thing keeps its place and number until it is given back. Memory goes back to the heap with the whole slab alone; what was given back
 * is handed out again first.
 */
#ifndef TOLLGATE_SLAB_H
#define TOLLGATE_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { SLAB_BLOCK = 128 }; /* things in one allocation */

struct slab {
	char **blocks;
	uint32_t size, n_blocks;
	uint32_t end;  /* no number from here on has ever been handed out */
	uint32_t free; /* the last number given back, or 0; the thing's first four bytes name the one before */
};

void slab_init(struct slab *, size_t size);
void slab_close(struct slab *);

/* A number that is not 0; the thing is all zeros. */
uint32_t slab_take(struct slab *);
/* All but the first four bytes is zeros from now on, until it is handed out again: so a walk over all numbers below `end` can tell. */
void slab_give(struct slab *, uint32_t number);

static inline void *slab_at(const struct slab *slab, uint32_t number)
{
	return slab->blocks[number / SLAB_BLOCK] + (size_t)(number % SLAB_BLOCK) * slab->size;
}

#endif
