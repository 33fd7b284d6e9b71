/*
 * Owns: what the store holds, and what is needed to read our own writes (cache.h draws it).
 * Must not know: the queue, sockets, time, any kind by name.
 * Invariant: an entry is in the store while it has a record or something to remember about its key; its record is in exactly the
 * index postings that its kind's index function names.
 */
#include "cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store.h"

enum {
	NOTED_MAX = 8,
	/* So many events of a key and still not the awaited one: something is not as we think, so look. */
	DROPPED_MAX = 32,
};

enum flight { IN_STEP = 0, FLYING, AWAITING };

/* What is needed while a request about the key is under way, or just was. */
struct aside {
	enum flight flight;
	bool doubtful;
	bool blurred; /* while FLYING: more happened than noted[] can tell */
	bool behind;  /* while FLYING: `awaited`, of the request before, is still to come, and what comes before it is old news */
	bool unseen;             /* what we hold came with an answer, and the watch has not shown it yet */
	bool held_unseen;        /* that, when the request began, */
	char held[WIRE_VERSION_SIZE]; /* and the version */
	unsigned n_noted;
	char noted[NOTED_MAX][WIRE_VERSION_SIZE]; /* versions that events brought while FLYING */
	char awaited[WIRE_VERSION_SIZE];
	unsigned n_dropped;        /* events while AWAITING */
	char listed[WIRE_VERSION_SIZE]; /* what a list named instead of `awaited`: the stream goes on after it and never brings it */
};

/* What few entries keep besides their record (store.h: HELD_BESIDE). */
struct beside {
	struct compact *record;
	struct aside *aside;
	struct provider_result *answer;
};

struct cache {
	struct view view;
	struct atoms *atoms;
	struct codec *codec;
	struct cache_listener listener;
	size_t awaiting;
};

/* ---- entries ---- */

static struct beside *beside(const struct entry *e)
{
	return e->held & HELD_BESIDE ? (struct beside *)(e->held - HELD_BESIDE) : NULL;
}

static struct beside *beside_of(struct entry *e)
{
	struct beside *b = beside(e);

	if (b)
		return b;
	b = memory_alloc(sizeof(*b));
	b->record = entry_record(e);
	e->held = (uintptr_t)b | HELD_BESIDE;
	return b;
}

static struct aside *aside(const struct entry *e)
{
	return e->held & HELD_BESIDE ? beside(e)->aside : NULL;
}

static struct aside *aside_of(struct entry *e)
{
	struct beside *b = beside_of(e);

	if (!b->aside)
		b->aside = memory_alloc(sizeof(*b->aside));
	return b->aside;
}

static void aside_free(struct cache *cache, struct entry *e)
{
	struct aside *a = aside(e);

	if (!a)
		return;
	cache->awaiting -= a->flight == AWAITING;
	free(a);
	beside(e)->aside = NULL;
}

static void beside_free(struct cache *cache, struct entry *e)
{
	struct beside *b = beside(e);

	if (!b)
		return;
	aside_free(cache, e);
	e->held = (uintptr_t)b->record;
	free(b->answer);
	free(b);
}

/* Drops what is no longer worth remembering: the aside, then the entry. */
static void tidy(struct cache *cache, enum kind_id kind, uint32_t number)
{
	struct entry *e = entry_at(&cache->view, kind, number);
	const struct aside *a = aside(e);

	if (a && a->flight == IN_STEP && !a->doubtful)
		aside_free(cache, e);
	if (beside(e) && !aside(e) && (!beside(e)->answer || !entry_record(e)))
		beside_free(cache, e);
	if (!e->held)
		store_remove(&cache->view, cache->atoms, kind, number);
}

/* ---- records ---- */

static void count(struct store *store, const struct census *census, const struct compact *record, const void *object, int one)
{
	unsigned class = census ? census->of(object) : 0;

	assert(class < CLASSES_MAX);
	store->objects += (size_t)one;
	store->bytes += (size_t)one * compact_size(record);
	store->classes[class] += (uint32_t)one;
}

/* Swaps the record in. Postings are touched only where the index key moved: most updates move none. */
static void swap(struct cache *cache, enum kind_id kind, uint32_t number, void *record)
{
	const struct kind *k = &kinds[kind];
	struct store *store = &cache->view.stores[kind];
	struct entry *e = entry_at(&cache->view, kind, number);
	struct index_key before[INDEXES_MAX], after[INDEXES_MAX];
	struct compact *old = entry_record(e), *new = record ? compact_new(cache->codec, k->resource, record) : NULL;
	const void *was, *is;

	looks_end(cache->view.looks);
	was = entry_look(&cache->view, kind, e);
	looks_forget(cache->view.looks);
	entry_set_record(e, new);
	is = entry_look(&cache->view, kind, e);
	index_keys(kind, was, before);
	index_keys(kind, is, after);
	for (unsigned i = 0; i < k->reconciler->n_indexes; i++) {
		if (before[i].scope == after[i].scope && before[i].value == after[i].value)
			continue;
		if (before[i].value)
			index_remove(&cache->view, kind, i, before[i], number);
		if (after[i].value)
			index_add(&cache->view, kind, i, after[i], number);
	}
	if (new)
		count(store, k->reconciler->census, new, is, 1);
	if (old)
		count(store, k->reconciler->census, old, was, -1);
	cache->listener.changed(cache->listener.context, kind, was, is);
	looks_end(cache->view.looks);
	if (old)
		compact_free(cache->codec, k->resource, old);
}

/* ---- our own writes ---- */

/* Someone must read it at the server; the listener sees to that. */
static void mark_doubtful(struct cache *cache, enum kind_id kind, struct entry *e)
{
	struct aside *a = aside_of(e);

	if (a->flight == AWAITING)
		cache->awaiting--;
	a->flight = IN_STEP;
	a->doubtful = true;
	cache->listener.doubtful(cache->listener.context, entry_key(kind, e));
}

static void note(struct aside *a, const char *version)
{
	if (a->n_noted == NOTED_MAX || strlen(version) >= WIRE_VERSION_SIZE)
		a->blurred = true;
	else
		memcpy(a->noted[a->n_noted++], version, strlen(version) + 1);
}

/* Does this piece of news from the watch apply? */
static bool is_news(struct cache *cache, const struct entry *e, const char *version)
{
	struct aside *a = aside(e);

	if (!a || a->flight == IN_STEP)
		return true;
	if (a->flight == FLYING && a->behind) {
		a->unseen = a->held_unseen = a->behind = strcmp(a->awaited, version) != 0;
		return false;
	}
	if (a->flight == FLYING) {
		note(a, version);
		return true;
	}
	if (strcmp(a->awaited, version) != 0)
		return false; /* older than what we wrote and hold */
	a->flight = IN_STEP;
	a->unseen = false;
	cache->awaiting--;
	return false; /* it is what we hold */
}

static void set_object(struct cache *cache, enum kind_id kind, uint32_t number, void *record)
{
	const struct compact *old = entry_record(entry_at(&cache->view, kind, number));

	if (old && !compact_has_uid(old, ((const struct object *)record)->uid))
		swap(cache, kind, number, NULL); /* another object that has the name now */
	swap(cache, kind, number, record);
}

/* A list or an event names it. */
static void named(const struct store *store, struct entry *e)
{
	struct aside *a = aside(e);

	e->mark = store->mark;
	if (store->listing && a && a->flight == FLYING)
		a->blurred = true; /* a list skips versions, so ours may be older than what it brings */
}

static bool holds(const struct entry *e, const char *version)
{
	return entry_record(e) && compact_has_version(entry_record(e), version);
}

/* A list or a replayed event repeats what we hold. */
static void repeated(struct cache *cache, const struct entry *e, const char *version)
{
	is_news(cache, e, version);
	if (aside(e))
		aside(e)->unseen = false;
}

bool cache_put_known(struct cache *cache, struct key key, const char *version)
{
	uint32_t number = store_find(&cache->view, key.kind, key.ns, key.name);
	struct entry *e = number ? entry_at(&cache->view, key.kind, number) : NULL;

	if (!e || !holds(e, version))
		return false;
	named(&cache->view.stores[key.kind], e);
	repeated(cache, e, version);
	tidy(cache, key.kind, number);
	return true;
}

void cache_put(struct cache *cache, enum kind_id kind, void *record)
{
	const struct object *new = record;
	struct store *store = &cache->view.stores[kind];
	uint32_t number = store_find_or_add(&cache->view, object_key(kind, record));
	struct entry *e = entry_at(&cache->view, kind, number);
	struct aside *a = aside(e);

	named(store, e);
	if (holds(e, new->resource_version)) {
		repeated(cache, e, new->resource_version);
		record_free(cache->codec, kinds[kind].resource, record);
	} else if (!is_news(cache, e, new->resource_version)) {
		/* A list may be older than our write, or newer: then the awaited event never comes. */
		if (store->listing && strlen(new->resource_version) < WIRE_VERSION_SIZE)
			memcpy(a->listed, new->resource_version, strlen(new->resource_version) + 1);
		if (a->flight == FLYING)
			a->behind &= !store->listing;
		else if (store->listing || a->n_dropped++ == DROPPED_MAX)
			mark_doubtful(cache, kind, e);
		record_free(cache->codec, kinds[kind].resource, record);
	} else {
		if (a)
			a->unseen = false;
		set_object(cache, kind, number, record);
	}
	tidy(cache, kind, number);
}

static void remove_object(struct cache *cache, enum kind_id kind, uint32_t number)
{
	struct entry *e = entry_at(&cache->view, kind, number);
	struct aside *a = aside(e);

	if (a && a->flight == AWAITING) {
		a->flight = IN_STEP;
		cache->awaiting--;
	} else if (a && a->flight == FLYING) {
		a->blurred = true;
		a->behind = false;
	}
	if (entry_record(e))
		swap(cache, kind, number, NULL);
	tidy(cache, kind, number);
}

void cache_delete(struct cache *cache, struct key key, const char *uid)
{
	uint32_t number = store_find(&cache->view, key.kind, key.ns, key.name);
	const struct compact *record = number ? entry_record(entry_at(&cache->view, key.kind, number)) : NULL;

	if (!number)
		return;
	if (record && !compact_has_uid(record, uid))
		return; /* we hold its successor already, from the answer to our own create */
	remove_object(cache, key.kind, number);
}

void cache_drop(struct cache *cache, struct key key)
{
	uint32_t number = store_find(&cache->view, key.kind, key.ns, key.name);

	if (number)
		remove_object(cache, key.kind, number);
	mark_doubtful(cache, key.kind, entry_at(&cache->view, key.kind, store_find_or_add(&cache->view, key)));
}

void cache_list_begin(struct cache *cache, enum kind_id kind)
{
	static const uint32_t never = 0;
	struct store *store = &cache->view.stores[kind];

	if (++store->mark == never)
		store->mark = 1;
	store->listing = true;
}

void cache_list_end(struct cache *cache, enum kind_id kind)
{
	struct store *store = &cache->view.stores[kind];

	store->listing = false;
	for (uint32_t number = 1; number < store->entries.end; number++) {
		struct entry *e = entry_at(&cache->view, kind, number);
		struct aside *a;

		if (e->mark == store->mark || !e->name || !entry_record(e))
			continue;
		a = aside(e);
		if (a && a->flight == FLYING)
			a->blurred = true, a->behind = false;
		else if (a && a->flight == AWAITING)
			mark_doubtful(cache, kind, e);
		else
			remove_object(cache, kind, number);
	}
}

void cache_write_begin(struct cache *cache, struct key key)
{
	struct entry *e = entry_at(&cache->view, key.kind, store_find_or_add(&cache->view, key));
	struct aside *a = aside_of(e);

	a->held_unseen = a->unseen;
	a->held[0] = '\0';
	if (entry_record(e))
		compact_version(entry_record(e), a->held, WIRE_VERSION_SIZE);
	a->behind = a->flight == AWAITING;
	cache->awaiting -= a->behind; /* the answer may name a newer version to await */
	a->flight = FLYING;
	a->n_noted = 0;
	a->blurred = a->doubtful = false;
}

static bool was_noted(const struct aside *a, const char *version)
{
	for (unsigned i = 0; i < a->n_noted; i++)
		if (strcmp(a->noted[i], version) == 0)
			return true;
	return false;
}

static void await(struct cache *cache, struct aside *a, const char *version)
{
	memmove(a->awaited, version, strlen(version) + 1);
	a->flight = AWAITING;
	a->unseen = true;
	a->n_dropped = 0;
	cache->awaiting++;
}

/* The request has ended; what was awaited before it still is. */
static void land(struct cache *cache, struct aside *a)
{
	a->flight = IN_STEP;
	if (a->behind)
		await(cache, a, a->awaited);
}

static void take_answer(struct cache *cache, enum kind_id kind, uint32_t number, void *record)
{
	struct aside *a = aside(entry_at(&cache->view, kind, number));
	const struct object *new = record;

	cache->awaiting -= a->flight == AWAITING;
	a->flight = IN_STEP;
	if (strcmp(a->listed, new->resource_version) != 0)
		await(cache, a, new->resource_version);
	a->listed[0] = '\0';
	set_object(cache, kind, number, record);
}

/* From a request's beginning to its end the entry stays, whatever the watch says meanwhile. */
static uint32_t under_way(const struct cache *cache, struct key key)
{
	uint32_t number = store_find(&cache->view, key.kind, key.ns, key.name);

	assert(number && aside(entry_at(&cache->view, key.kind, number)));
	return number;
}

/* A read of this version: has the watch brought something newer than what we had, or than what the list named? */
static bool was_overtaken(const struct aside *a, const char *version)
{
	return (strcmp(a->held, version) == 0 && !a->held_unseen) || (strcmp(a->listed, version) == 0 && a->n_noted);
}

/* The request has been answered with that version. Is its record what we are to hold from now on? */
static bool is_newer(struct cache *cache, struct key key, struct entry *e, const char *version, bool *changed)
{
	struct aside *a = aside(e);

	land(cache, a);
	*changed = true;
	if (a->blurred || strlen(version) >= WIRE_VERSION_SIZE) {
		mark_doubtful(cache, key.kind, e);
	} else if (was_noted(a, version)) {
		/* The watch was faster: what we hold is this version or a newer one. */
	} else if (holds(e, version)) {
		if (a->unseen && a->flight == IN_STEP) /* a list made us ask, and it was older: the stream comes to this version yet */
			await(cache, a, version);
		*changed = false;
	} else {
		return !was_overtaken(a, version);
	}
	return false;
}

bool cache_write_end(struct cache *cache, struct key key, void *record)
{
	uint32_t number = under_way(cache, key);
	struct entry *e = entry_at(&cache->view, key.kind, number);
	bool changed = true;

	if (!record) {
		land(cache, aside(e));
		if (aside(e)->blurred && entry_record(e))
			mark_doubtful(cache, key.kind, e);
	} else if (is_newer(cache, key, e, ((const struct object *)record)->resource_version, &changed)) {
		take_answer(cache, key.kind, number, record);
	} else {
		record_free(cache->codec, kinds[key.kind].resource, record);
	}
	tidy(cache, key.kind, number);
	return changed;
}

bool cache_write_end_known(struct cache *cache, struct key key, const char *version, bool *changed)
{
	uint32_t number = under_way(cache, key);
	struct entry *e = entry_at(&cache->view, key.kind, number);

	if (!was_noted(aside(e), version) && !holds(e, version))
		return false;
	(void)is_newer(cache, key, e, version, changed);
	tidy(cache, key.kind, number);
	return true;
}

void cache_write_lost(struct cache *cache, struct key key)
{
	struct aside *a = aside(entry_at(&cache->view, key.kind, under_way(cache, key)));

	land(cache, a);
	a->doubtful = true; /* the caller knows, and will come back after its back-off */
}

void cache_read_missing(struct cache *cache, struct key key)
{
	uint32_t number = under_way(cache, key);
	struct entry *e = entry_at(&cache->view, key.kind, number);
	struct aside *a = aside(e);

	a->flight = IN_STEP;
	if (!a->n_noted && !a->blurred)
		remove_object(cache, key.kind, number);
	else if (a->blurred)
		mark_doubtful(cache, key.kind, e);
	else /* it came back while we asked, and the watch told us */
		tidy(cache, key.kind, number);
}

bool cache_is_doubtful(const struct cache *cache, struct key key)
{
	const struct entry *e = store_entry(&cache->view, key.kind, key.ns, key.name);

	return e && aside(e) && aside(e)->doubtful;
}

bool view_unsettled(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct entry *e = store_entry(view, kind, ns, name);

	return e && aside(e) && (aside(e)->flight == FLYING || aside(e)->doubtful);
}

void cache_provider_answered(struct cache *cache, struct key key, const struct provider_result *result)
{
	struct entry *e = store_entry(&cache->view, key.kind, key.ns, key.name);
	struct beside *b;

	if (!e || !entry_record(e))
		return;
	b = beside_of(e);
	if (!b->answer)
		b->answer = memory_alloc(sizeof(*b->answer));
	*b->answer = *result;
}

const struct provider_result *view_provider_result(const struct view *view, struct key method)
{
	const struct entry *e = store_entry(view, method.kind, method.ns, method.name);

	return e && beside(e) ? beside(e)->answer : NULL;
}

/* ---- the whole ---- */

struct cache *cache_new(struct atoms *atoms, struct codec *codec, const struct settings *settings, struct cache_listener listener)
{
	struct cache *cache = memory_alloc(sizeof(*cache));

	cache->atoms = atoms;
	cache->codec = codec;
	cache->listener = listener;
	cache->view.codec = codec;
	cache->view.settings = settings;
	store_init(&cache->view);
	return cache;
}

static void entry_close(struct cache *cache, enum kind_id kind, struct entry *e)
{
	beside_free(cache, e);
	compact_free(cache->codec, kinds[kind].resource, entry_record(e));
	atom_unref(cache->atoms, e->ns);
	atom_unref(cache->atoms, e->name);
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		for (uint32_t number = 1; number < cache->view.stores[kind].entries.end; number++)
			if (entry_at(&cache->view, kind, number)->name)
				entry_close(cache, kind, entry_at(&cache->view, kind, number));
	store_close(&cache->view);
	free(cache);
}

const struct view *cache_view(const struct cache *cache)
{
	return &cache->view;
}

void cache_end_looks(struct cache *cache)
{
	looks_end(cache->view.looks);
}

void cache_stats(const struct cache *cache, struct cache_stats *out)
{
	*out = (struct cache_stats){ .awaiting = cache->awaiting };
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		out->objects[kind] = cache->view.stores[kind].objects;
		out->bytes[kind] = cache->view.stores[kind].bytes;
		memcpy(out->classes[kind], cache->view.stores[kind].classes, sizeof(out->classes[kind]));
	}
}
