/*
 * Entries by key, and most of view.h. Must not know any kind by name, nor why something is in the store.
 * Invariant: a kind's table of keys names exactly the numbers of its slab that have a name.
 */
#include "store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { GLANCES_FIRST = 32 };

static bool is_key(const struct entry *e, atom_t ns, atom_t name)
{
	return e->ns == ns && e->name == name;
}

static struct spot *spot_of(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct table *keys = &view->stores[kind].keys;
	uint32_t hash = key_hash(ns, name), at = table_home(keys, hash);
	struct spot *spot;

	while ((spot = table_next(keys, hash, &at)))
		if (is_key(entry_at(view, kind, spot->ref), ns, name))
			break;
	return spot;
}

uint32_t store_find(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct spot *spot = name ? spot_of(view, kind, ns, name) : NULL;

	return spot ? spot->ref : 0;
}

struct entry *store_entry(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	uint32_t number = store_find(view, kind, ns, name);

	return number ? entry_at(view, kind, number) : NULL;
}

uint32_t store_find_or_add(struct view *view, struct key key)
{
	struct store *store = &view->stores[key.kind];
	uint32_t number = store_find(view, key.kind, key.ns, key.name);
	struct entry *e;

	if (number)
		return number;
	number = slab_take(&store->entries);
	e = entry_at(view, key.kind, number);
	e->ns = atom_ref(key.ns);
	e->name = atom_ref(key.name);
	table_add(&store->keys, key_hash(key.ns, key.name), number);
	return number;
}

void store_remove(struct view *view, struct atoms *atoms, enum kind_id kind, uint32_t number)
{
	struct store *store = &view->stores[kind];
	struct entry *e = entry_at(view, kind, number);
	atom_t ns = e->ns, name = e->name;

	table_remove(&store->keys, spot_of(view, kind, ns, name));
	slab_give(&store->entries, number);
	atom_unref(atoms, ns);
	atom_unref(atoms, name);
}

/* ---- reading ---- */

static void glances_clear(struct looks *looks, uint32_t size)
{
	if (looks->size != size) {
		free(looks->glances);
		looks->glances = memory_alloc(size * sizeof(*looks->glances));
	} else if (looks->n) {
		assert(looks->glances);
		memset(looks->glances, 0, size * sizeof(*looks->glances));
	}
	looks->size = size;
	looks->n = 0;
}

/* Where it is, or where it belongs. */
static struct glance *glance_at(const struct looks *looks, const struct entry *e)
{
	uint64_t hash = (uint64_t)(uintptr_t)e * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t at = (uint32_t)(hash >> 32) & (looks->size - 1);

	while (looks->glances[at].entry && looks->glances[at].entry != e)
		at = (at + 1) & (looks->size - 1);
	return &looks->glances[at];
}

static void glances_grow(struct looks *looks)
{
	struct looks old = *looks;

	looks->glances = NULL;
	looks->size = 0;
	glances_clear(looks, old.size * 2);
	for (uint32_t i = 0; i < old.size; i++)
		if (old.glances[i].entry)
			*glance_at(looks, old.glances[i].entry) = old.glances[i];
	looks->n = old.n;
	free(old.glances);
}

const void *entry_look(const struct view *view, enum kind_id kind, const struct entry *e)
{
	struct looks *looks = view->looks;
	struct glance *glance = glance_at(looks, e);

	if (glance->entry)
		return glance->record;
	if (!entry_record(e))
		return NULL;
	glance->entry = e;
	glance->record = compact_record(view->codec, entry_record(e), kinds[kind].resource, e->ns, e->name, &looks->arena);
	if (++looks->n * 2 <= looks->size)
		return glance->record;
	glances_grow(looks);
	return glance_at(looks, e)->record;
}

void looks_forget(struct looks *looks)
{
	glances_clear(looks, GLANCES_FIRST);
}

void looks_end(struct looks *looks)
{
	looks_forget(looks);
	arena_reset(&looks->arena);
}

static void looks_begin(struct looks *looks)
{
	*looks = (struct looks){ 0 };
	arena_init(&looks->arena);
	looks_forget(looks);
}

static void looks_close(struct looks *looks)
{
	arena_close(&looks->arena);
	free(looks->glances);
}

const void *view_get(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct entry *e = store_entry(view, kind, ns, name);

	return e ? entry_look(view, kind, e) : NULL;
}

bool view_has(const struct view *view, struct key key)
{
	const struct entry *e = store_entry(view, key.kind, key.ns, key.name);

	return e && entry_record(e);
}

const void *postings_object(const struct postings *found, size_t i)
{
	return entry_look(found->view, found->kind, entry_at(found->view, found->kind, found->entries[i]));
}

struct key postings_key(const struct postings *found, size_t i)
{
	return entry_key(found->kind, entry_at(found->view, found->kind, found->entries[i]));
}

/* A walk has looks of its own: those at one object end before the next, and what its caller looked at stays. */
struct walk {
	const struct view *view;
	struct looks outer;
};

static void walk_begin(struct walk *walk, const struct view *view)
{
	walk->view = view;
	walk->outer = *view->looks;
	looks_begin(view->looks);
}

static void walk_end(struct walk *walk)
{
	looks_close(walk->view->looks);
	*walk->view->looks = walk->outer;
}

void postings_each(const struct postings *found, void (*visit)(void *context, const void *object), void *context)
{
	struct walk walk;

	walk_begin(&walk, found->view);
	for (size_t i = 0; i < found->n; i++) {
		visit(context, postings_object(found, i));
		looks_end(found->view->looks);
	}
	walk_end(&walk);
}

/* An entry keeps its number for as long as it is there. */
bool view_walk(const struct view *view, enum kind_id kind, uint32_t *at, uint32_t n, void (*visit)(void *context, const void *object), void *context)
{
	struct walk walk;

	walk_begin(&walk, view);
	while (n && ++*at < view->stores[kind].entries.end) {
		const struct entry *e = entry_at(view, kind, *at);

		if (!e->name || !entry_record(e))
			continue;
		n--;
		visit(context, entry_look(view, kind, e));
		looks_end(view->looks);
	}
	walk_end(&walk);
	return *at < view->stores[kind].entries.end;
}

void view_each(const struct view *view, enum kind_id kind, void (*visit)(void *context, const void *object), void *context)
{
	view_walk(view, kind, &(uint32_t){ 0 }, UINT32_MAX, visit, context);
}

const struct settings *view_settings(const struct view *view)
{
	return view->settings;
}

/* ---- the whole ---- */

void store_init(struct view *view)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		slab_init(&view->stores[kind].entries, offsetof(struct entry, at) + kinds[kind].reconciler->n_indexes * sizeof(uint32_t));
	index_init(view);
	view->looks = memory_alloc(sizeof(*view->looks));
	looks_begin(view->looks);
}

void store_close(struct view *view)
{
	looks_close(view->looks);
	free(view->looks);
	index_close(view);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		slab_close(&view->stores[kind].entries);
		table_close(&view->stores[kind].keys);
	}
}
