/*
 * The indexes: which entries of a kind have (scope, value)? One table an index. Most keys have one member: then the place in the table
 * names the entry itself, and the key is asked from its record when a hash is right. Of several, the place names a posting:
 *
 *      table of an index        ┌► entry 17                              (its record says which key that is)
 *   │ hash, 17       ├──────────┘
 *   │ hash, MANY | 3 ├────────────► posting 3: scope, value, n = 3  ───► 4 │ 91 │ 23
 *                                                                             └─ entry 91 knows: at[index] is 1
 * An entry knows its place among the several, so that leaving costs the same whether they are three or twenty thousand.
 * Invariants: a posting has two members or more, and all of them, but for the one that index_remove is called for, have records that
 * hold its atoms.
 */
#include "store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct posting {
	atom_t scope, value; /* borrowed from the members' records */
	uint32_t *members;
	uint32_t n, room;
};

enum { ROOM_FIRST = 6 };
static const uint32_t MANY = 1u << 31;

static struct posting *posting_of(const struct view *view, uint32_t ref)
{
	return slab_at(&view->postings, ref & ~MANY);
}

void index_keys(enum kind_id kind, const void *object, struct index_key out[INDEXES_MAX])
{
	memset(out, 0, INDEXES_MAX * sizeof(*out));
	if (object && kinds[kind].reconciler->index)
		kinds[kind].reconciler->index(object, out);
}

static bool is_at(const struct view *view, enum kind_id kind, unsigned index, uint32_t ref, struct index_key key)
{
	struct index_key of_one[INDEXES_MAX];

	if (ref & MANY)
		return posting_of(view, ref)->value == key.value && posting_of(view, ref)->scope == key.scope;
	index_keys(kind, entry_look(view, kind, entry_at(view, kind, ref)), of_one);
	return of_one[index].value == key.value && of_one[index].scope == key.scope;
}

static struct spot *spot_of(const struct view *view, enum kind_id kind, unsigned index, struct index_key key)
{
	const struct table *table = &view->stores[kind].indexes[index];
	uint32_t hash = key_hash(key.scope, key.value), at = table_home(table, hash);
	struct spot *spot;

	while ((spot = table_next(table, hash, &at)))
		if (is_at(view, kind, index, spot->ref, key))
			break;
	return spot;
}

/* Rounded up to what malloc gives anyway: 24, 40, 56 bytes. */
static void set_room(struct posting *p, uint32_t room)
{
	p->room = room <= ROOM_FIRST ? ROOM_FIRST : (room + 1) / 4 * 4 + 2;
	p->members = memory_resize(p->members, p->room * sizeof(*p->members));
}

static void join(struct view *view, enum kind_id kind, unsigned index, struct posting *p, uint32_t number)
{
	if (p->n == p->room)
		set_room(p, p->room + p->room / 2);
	entry_at(view, kind, number)->at[index] = p->n;
	p->members[p->n++] = number;
}

void index_add(struct view *view, enum kind_id kind, unsigned index, struct index_key key, uint32_t number)
{
	struct spot *spot = spot_of(view, kind, index, key);
	uint32_t first;
	struct posting *p;

	if (!spot) {
		table_add(&view->stores[kind].indexes[index], key_hash(key.scope, key.value), number);
		return;
	}
	if (!(spot->ref & MANY)) {
		first = spot->ref;
		spot->ref = slab_take(&view->postings) | MANY;
		p = posting_of(view, spot->ref);
		*p = (struct posting){ .scope = key.scope, .value = key.value };
		join(view, kind, index, p, first);
	}
	join(view, kind, index, posting_of(view, spot->ref), number);
}

/* The last one takes its place. */
static void leave(struct view *view, enum kind_id kind, unsigned index, struct posting *p, uint32_t number)
{
	uint32_t place = entry_at(view, kind, number)->at[index], last = p->members[--p->n];

	assert(number == last || p->members[place] == number);
	p->members[place] = last;
	entry_at(view, kind, last)->at[index] = place;
	if (p->room > ROOM_FIRST && p->n <= p->room / 2)
		set_room(p, p->room / 4 * 3);
}

/* Of the one that is named itself the record need not be asked. */
static struct spot *spot_with(const struct view *view, enum kind_id kind, unsigned index, struct index_key key, uint32_t number)
{
	const struct table *table = &view->stores[kind].indexes[index];
	uint32_t hash = key_hash(key.scope, key.value), at = table_home(table, hash);
	struct spot *spot;

	while ((spot = table_next(table, hash, &at)))
		if (spot->ref == number || (spot->ref & MANY && is_at(view, kind, index, spot->ref, key)))
			break;
	assert(spot);
	return spot;
}

void index_remove(struct view *view, enum kind_id kind, unsigned index, struct index_key key, uint32_t number)
{
	struct spot *spot = spot_with(view, kind, index, key, number);
	uint32_t ref = spot->ref;
	struct posting *p;

	if (!(ref & MANY)) {
		table_remove(&view->stores[kind].indexes[index], spot);
		return;
	}
	p = posting_of(view, ref);
	leave(view, kind, index, p, number);
	if (p->n > 1)
		return;
	spot->ref = p->members[0];
	free(p->members);
	slab_give(&view->postings, ref & ~MANY);
}

struct postings view_find(const struct view *view, enum kind_id kind, unsigned index, atom_t scope, atom_t value)
{
	const struct spot *spot = value ? spot_of(view, kind, index, (struct index_key){ scope, value }) : NULL;
	struct postings found = { .view = view, .kind = (uint8_t)kind };

	if (!spot)
		return found;
	found.entries = spot->ref & MANY ? posting_of(view, spot->ref)->members : &spot->ref;
	found.n = spot->ref & MANY ? posting_of(view, spot->ref)->n : 1;
	return found;
}

void index_init(struct view *view)
{
	slab_init(&view->postings, sizeof(struct posting));
}

void index_close(struct view *view)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		for (unsigned i = 0; i < INDEXES_MAX; i++) {
			const struct table *table = &view->stores[kind].indexes[i];
			for (uint32_t at = 0; at < table->size; at++)
				if (table->spots[at].ref & MANY)
					free(posting_of(view, table->spots[at].ref)->members);
			table_close(&view->stores[kind].indexes[i]);
		}
	}
	slab_close(&view->postings);
}
