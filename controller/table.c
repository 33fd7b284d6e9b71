/*
 * Open addressing with linear probing. Invariant: a spot lies in the first free place at or after its hash's home; removal moves later
 * ones up instead of leaving marks.
 */
#include "table.h"

#include <stdlib.h>

#include "memory.h"

enum { SPOTS_FIRST = 16 };

static uint32_t after(const struct table *table, uint32_t at)
{
	return at + 1 == table->size ? 0 : at + 1;
}

static void put(struct table *table, struct spot spot)
{
	uint32_t at = table_home(table, spot.hash);

	while (table->spots[at].ref)
		at = after(table, at);
	table->spots[at] = spot;
}

static void resize(struct table *table, uint32_t size)
{
	struct table old = *table;

	table->spots = memory_alloc(size * sizeof(*table->spots));
	table->size = size;
	for (uint32_t i = 0; i < old.size; i++)
		if (old.spots[i].ref)
			put(table, old.spots[i]);
	free(old.spots);
}

void table_add(struct table *table, uint32_t hash, uint32_t ref)
{
	if ((uint64_t)(table->n + 1) * 8 > (uint64_t)table->size * 7)
		resize(table, table->size ? table->size + table->size / 2 : SPOTS_FIRST);
	put(table, (struct spot){ .hash = hash, .ref = ref });
	table->n++;
}

/* Going round the end of the table. */
static uint32_t distance(const struct table *table, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + table->size - from;
}

void table_remove(struct table *table, struct spot *spot)
{
	uint32_t hole = (uint32_t)(spot - table->spots);

	for (uint32_t at = after(table, hole); table->spots[at].ref; at = after(table, at)) {
		if (distance(table, table_home(table, table->spots[at].hash), at) < distance(table, hole, at))
			continue; /* it would no longer be found */
		table->spots[hole] = table->spots[at];
		hole = at;
	}
	table->spots[hole] = (struct spot){ 0 };
	table->n--;
	if (table->size > SPOTS_FIRST && (uint64_t)table->n * 4 < table->size) /* with room left, so that it does not swing */
		resize(table, table->size / 2);
}

void table_close(struct table *table)
{
	free(table->spots);
	*table = (struct table){ 0 };
}
