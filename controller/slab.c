/* Invariant: block b holds the numbers from b * SLAB_BLOCK on; number 0 is nobody's, so that 0 can mean none. */
#include "slab.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

void slab_init(struct slab *slab, size_t size)
{
	*slab = (struct slab){ .size = (uint32_t)(size + 7) & ~7u, .end = 1 };
}

void slab_close(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->n_blocks; i++)
		free(slab->blocks[i]);
	free(slab->blocks);
	*slab = (struct slab){ 0 };
}

uint32_t slab_take(struct slab *slab)
{
	uint32_t number = slab->free;

	if (number) {
		memcpy(&slab->free, slab_at(slab, number), sizeof(slab->free));
		memset(slab_at(slab, number), 0, sizeof(slab->free));
		return number;
	}
	number = slab->end++;
	if (number / SLAB_BLOCK == slab->n_blocks) {
		slab->blocks = memory_resize(slab->blocks, (slab->n_blocks + 1) * sizeof(*slab->blocks));
		slab->blocks[slab->n_blocks++] = memory_alloc((size_t)SLAB_BLOCK * slab->size);
	}
	return number;
}

void slab_give(struct slab *slab, uint32_t number)
{
	memset(slab_at(slab, number), 0, slab->size);
	memcpy(slab_at(slab, number), &slab->free, sizeof(slab->free));
	slab->free = number;
}
