/*
 * What is in the cache, and how it is found: entries by key (store.c) and by index (postings.c). Private to these and to cache.c, which
 * says what is to be in it. An entry is known by its number in its kind's slab: 4 bytes wherever it is referred to.
 */
#ifndef TOLLGATE_STORE_H
#define TOLLGATE_STORE_H

#include "compact.h"
#include "kind.h"
#include "slab.h"
#include "table.h"
#include "view.h"

struct entry {
	uintptr_t held; /* the record, compact; or, with HELD_BESIDE, where something begins that keeps the record and more; 0 = neither */
	atom_t ns, name; /* name NULL: the slab's, no entry */
	uint32_t mark;   /* the list that last named it */
	uint32_t at[];   /* for each index of the kind: its place among the several of its posting */
};

enum { HELD_BESIDE = 1 };

struct store {
	struct slab entries;
	struct table keys;
	struct table indexes[INDEXES_MAX];
	size_t objects, bytes; /* of entries with a record */
	uint32_t classes[CLASSES_MAX]; /* and how many are in each class of the kind's census */
	uint32_t mark; /* of the list under way or last completed */
	bool listing;
};

/* The records that somebody looks at, expanded, each but once: so the same object is the same pointer. Readers have a const view, and
 * this is what they write to. */
struct looks {
	struct arena arena;
	struct glance {
		const struct entry *entry;
		const void *record;
	} *glances; /* by the entry's address; open addressing */
	uint32_t size, n; /* size: a power of two, of which at most half is taken */
};

struct view {
	struct store stores[KIND_COUNT];
	struct slab postings;
	struct looks *looks;
	const struct codec *codec;
	const struct settings *settings;
};

void store_init(struct view *);
void store_close(struct view *);

/* 0 or NULL where there is none. */
uint32_t store_find(const struct view *, enum kind_id, atom_t ns, atom_t name);
struct entry *store_entry(const struct view *, enum kind_id, atom_t ns, atom_t name);
uint32_t store_find_or_add(struct view *, struct key);
void store_remove(struct view *, struct atoms *, enum kind_id, uint32_t number);

static inline struct entry *entry_at(const struct view *view, enum kind_id kind, uint32_t number)
{
	return slab_at(&view->stores[kind].entries, number);
}

static inline struct key entry_key(enum kind_id kind, const struct entry *e)
{
	return (struct key){ .kind = (uint8_t)kind, .ns = e->ns, .name = e->name };
}

static inline struct compact *entry_record(const struct entry *e)
{
	if (e->held & HELD_BESIDE)
		return *(struct compact *const *)(e->held - HELD_BESIDE);
	return (struct compact *)e->held;
}

/* Another record, or NULL: looks_forget() first. */
static inline void entry_set_record(struct entry *e, struct compact *record)
{
	if (e->held & HELD_BESIDE)
		*(struct compact **)(e->held - HELD_BESIDE) = record;
	else
		e->held = (uintptr_t)record;
}

/* The record expanded, or NULL; valid until looks_end(). */
const void *entry_look(const struct view *, enum kind_id, const struct entry *);
/* Everything that was looked at is gone. */
void looks_end(struct looks *);
/* It stays, but is expanded anew when it is looked at again: entries have other records. */
void looks_forget(struct looks *);

/* Well mixed in all its bits. */
static inline uint32_t key_hash(atom_t ns, atom_t name)
{
	uint32_t h = ((ns ? ns->hash : 0) ^ (name->hash * 0x9e3779b1u)) * 0x85ebca6bu;

	return h ^ (h >> 15);
}

void index_init(struct view *);
void index_close(struct view *);
/* A record's places in its kind's indexes; all NULL where there is no record. */
void index_keys(enum kind_id, const void *object, struct index_key out[INDEXES_MAX]);
/* The entry's record is what says that it belongs there, before it is removed and when it is added. The key's atoms are borrowed from it. */
void index_add(struct view *, enum kind_id, unsigned index, struct index_key, uint32_t number);
void index_remove(struct view *, enum kind_id, unsigned index, struct index_key, uint32_t number);

#endif
