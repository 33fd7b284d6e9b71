/*
 * A hash table of numbers: eight bytes a place, of which half is the hash, so that a search reads nothing but neighbours here until the
 * hash is right, and growing asks nobody. What a number means, and whether it is the one that is searched for, is the caller's to say.
 */
#ifndef TOLLGATE_TABLE_H
#define TOLLGATE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct spot {
	uint32_t hash;
	uint32_t ref; /* 0: nothing is here */
};

/* All zeros is an empty one. */
struct table {
	struct spot *spots;
	uint32_t size, n; /* size: any number, at most seven eighths are taken */
};

/* Spots move when something is added or removed. */
void table_add(struct table *, uint32_t hash, uint32_t ref);
void table_remove(struct table *, struct spot *);
void table_close(struct table *);

/* The high bits choose, by a multiplication in place of a division: then a size need not be a power of two, and a table that has just
 * grown is not half empty. */
static inline uint32_t table_home(const struct table *table, uint32_t hash)
{
	return (uint32_t)(((uint64_t)hash * table->size) >> 32);
}

/* Everything with that hash, one after the other; *at begins with table_home(). NULL: that was all. */
static inline struct spot *table_next(const struct table *table, uint32_t hash, uint32_t *at)
{
	struct spot *spot;

	if (!table->size)
		return NULL;
	while ((spot = &table->spots[*at])->ref) {
		*at = *at + 1 == table->size ? 0 : *at + 1;
		if (spot->hash == hash)
			return spot;
	}
	return NULL;
}

#endif
