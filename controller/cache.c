/*
 * Owns: the records, the indexes over them, and what is needed to read our own writes (cache.h draws it).
 * Must not know: the queue, sockets, time, any kind by name.
 * Invariant: an entry is in the table while it has a record or something to remember about its key; its record is in exactly the
 * index postings that its kind's index function names.
 */
#include "cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum {
	NOTED_MAX = 8,
	/* So many events of a key and still not the awaited one: something is not as we think, so look. */
	DROPPED_MAX = 32,
	VERSION_SIZE = 64,
	TABLE_FIRST = 64,
};

enum flight { IN_STEP = 0, FLYING, AWAITING };

/* What few entries need: a request about the key is under way or just was, or a provider has answered. */
struct aside {
	enum flight flight;
	bool doubtful;
	bool blurred; /* while FLYING: more happened than noted[] can tell */
	bool behind;  /* while FLYING: `awaited`, of the request before, is still to come, and what comes before it is old news */
	bool unseen;             /* what we hold came with an answer, and the watch has not shown it yet */
	bool held_unseen;        /* that, when the request began, */
	char held[VERSION_SIZE]; /* and the version */
	unsigned n_noted;
	char noted[NOTED_MAX][VERSION_SIZE]; /* versions that events brought while FLYING */
	char awaited[VERSION_SIZE];
	unsigned n_dropped;        /* events while AWAITING */
	char listed[VERSION_SIZE]; /* what a list named instead of `awaited`: the stream goes on after it and never brings it */
	struct provider_result *answer;
};

struct entry {
	void *object; /* the kind's record, or NULL when only `aside` matters */
	atom_t ns, name;
	struct aside *aside;
	struct entry *next; /* in its bucket */
	uint32_t hash;
	uint32_t mark; /* the list that last named it */
};

struct posting {
	struct posting *next;
	atom_t scope, value; /* borrowed from the members' records */
	uint32_t hash;
	uint32_t n, room;
	uint8_t kind, index;
	union {
		const struct entry *one; /* n is 1 and room 0: most are */
		const struct entry **many;
	} members;
};

/* A chained table that grows with what is in it; `next` and `hash` are the element's own. */
struct store {
	struct entry **buckets;
	size_t n, n_buckets;
	size_t objects, bytes; /* of entries with a record */
	uint32_t classes[CLASSES_MAX]; /* and how many are in each class of the kind's census */
	uint32_t mark; /* of the list under way or last completed */
	bool listing;
};

struct view {
	struct store stores[KIND_COUNT];
	struct posting **buckets;
	size_t n_postings, n_buckets;
	const struct settings *settings;
};

struct cache {
	struct view view;
	struct atoms *atoms;
	struct codec *codec;
	struct cache_listener listener;
	size_t awaiting;
};

/* ---- entries ---- */

static uint32_t mix(uint32_t a, uint32_t b)
{
	uint32_t h = (a ^ (b * 0x9e3779b1u)) * 0x85ebca6bu;

	return h ^ (h >> 15);
}

static uint32_t key_hash(atom_t ns, atom_t name)
{
	return mix(ns ? ns->hash : 0, name->hash);
}

static struct entry *find(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct store *store = &view->stores[kind];
	uint32_t hash;
	struct entry *e;

	if (!store->n || !name)
		return NULL;
	hash = key_hash(ns, name);
	for (e = store->buckets[hash & (store->n_buckets - 1)]; e; e = e->next)
		if (e->ns == ns && e->name == name)
			return e;
	return NULL;
}

static void store_grow(struct store *store)
{
	size_t n = store->n_buckets ? store->n_buckets * 2 : TABLE_FIRST;
	struct entry **buckets = memory_alloc(n * sizeof(struct entry *));

	for (size_t i = 0; i < store->n_buckets; i++) {
		for (struct entry *e = store->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (n - 1)];
			buckets[e->hash & (n - 1)] = e;
		}
	}
	free(store->buckets);
	store->buckets = buckets;
	store->n_buckets = n;
}

static struct entry *find_or_add(struct cache *cache, struct key key)
{
	struct store *store = &cache->view.stores[key.kind];
	struct entry *e = find(&cache->view, key.kind, key.ns, key.name);
	struct entry **bucket;

	if (e)
		return e;
	if (store->n >= store->n_buckets)
		store_grow(store);
	e = memory_alloc(sizeof(*e));
	e->ns = atom_ref(key.ns);
	e->name = atom_ref(key.name);
	e->hash = key_hash(key.ns, key.name);
	bucket = &store->buckets[e->hash & (store->n_buckets - 1)];
	e->next = *bucket;
	*bucket = e;
	store->n++;
	return e;
}

static void aside_free(struct cache *cache, struct entry *e)
{
	if (!e->aside)
		return;
	if (e->aside->flight == AWAITING)
		cache->awaiting--;
	free(e->aside->answer);
	free(e->aside);
	e->aside = NULL;
}

/* Drops what is no longer worth remembering: the aside, then the entry. */
static void tidy(struct cache *cache, enum kind_id kind, struct entry *e)
{
	struct store *store = &cache->view.stores[kind];
	struct entry **link;

	if (e->aside && e->aside->flight == IN_STEP && !e->aside->doubtful && (!e->aside->answer || !e->object))
		aside_free(cache, e);
	if (e->object || e->aside)
		return;
	for (link = &store->buckets[e->hash & (store->n_buckets - 1)]; *link != e; link = &(*link)->next)
		;
	*link = e->next;
	store->n--;
	atom_unref(cache->atoms, e->ns);
	atom_unref(cache->atoms, e->name);
	free(e);
}

static struct key entry_key(enum kind_id kind, const struct entry *e)
{
	return (struct key){ .kind = (uint8_t)kind, .ns = e->ns, .name = e->name };
}

/* ---- indexes ---- */

static uint32_t posting_hash(enum kind_id kind, unsigned index, atom_t scope, atom_t value)
{
	return mix(key_hash(scope, value), (uint32_t)kind * INDEXES_MAX + index);
}

static struct posting **posting_link(const struct view *view, enum kind_id kind, unsigned index, atom_t scope, atom_t value)
{
	uint32_t hash = posting_hash(kind, index, scope, value);
	struct posting **link;

	for (link = &view->buckets[hash & (view->n_buckets - 1)]; *link; link = &(*link)->next)
		if ((*link)->value == value && (*link)->scope == scope && (*link)->kind == kind && (*link)->index == index)
			break;
	return link;
}

static void postings_grow(struct view *view)
{
	size_t n = view->n_buckets ? view->n_buckets * 2 : TABLE_FIRST;
	struct posting **buckets = memory_alloc(n * sizeof(struct posting *));

	for (size_t i = 0; i < view->n_buckets; i++) {
		for (struct posting *p = view->buckets[i], *next; p; p = next) {
			next = p->next;
			p->next = buckets[p->hash & (n - 1)];
			buckets[p->hash & (n - 1)] = p;
		}
	}
	free(view->buckets);
	view->buckets = buckets;
	view->n_buckets = n;
}

static void posting_add(struct view *view, enum kind_id kind, unsigned index, struct index_key at, const struct entry *e)
{
	struct posting **link, *p;

	if (view->n_postings >= view->n_buckets)
		postings_grow(view);
	link = posting_link(view, kind, index, at.scope, at.value);
	p = *link;
	if (!p) {
		p = memory_alloc(sizeof(*p));
		*p = (struct posting){ .scope = at.scope, .value = at.value, .kind = (uint8_t)kind, .index = (uint8_t)index,
				       .hash = posting_hash(kind, index, at.scope, at.value), .n = 1, .members.one = e };
		*link = p;
		view->n_postings++;
		return;
	}
	if (!p->room) {
		const struct entry **many = memory_alloc(4 * sizeof(*many));

		many[0] = p->members.one;
		p->members.many = many;
		p->room = 4;
	} else if (p->n == p->room) {
		p->room *= 2;
		p->members.many = memory_resize(p->members.many, p->room * sizeof(*p->members.many));
	}
	p->members.many[p->n++] = e;
}

static void posting_remove(struct view *view, enum kind_id kind, unsigned index, struct index_key at, const struct entry *e)
{
	struct posting **link = posting_link(view, kind, index, at.scope, at.value), *p = *link;
	uint32_t i = 0;

	assert(p);
	if (p->room) {
		while (p->members.many[i] != e)
			i++;
		p->members.many[i] = p->members.many[p->n - 1];
	}
	if (--p->n)
		return;
	*link = p->next;
	if (p->room)
		free(p->members.many);
	free(p);
	view->n_postings--;
}

static void index_keys(const struct reconciler *r, const void *object, struct index_key out[INDEXES_MAX])
{
	memset(out, 0, INDEXES_MAX * sizeof(*out));
	if (object && r->index)
		r->index(object, out);
}

static void count(struct store *store, const struct reconciler *r, const void *object, bool added)
{
	unsigned class = r->census ? r->census->of(object) : 0;

	assert(class < CLASSES_MAX);
	if (added) {
		store->objects++;
		store->bytes += record_size(object);
		store->classes[class]++;
	} else {
		store->objects--;
		store->bytes -= record_size(object);
		store->classes[class]--;
	}
}

/* Swaps the record in. Postings are touched only where the index key moved: most updates move none. A posting borrows its
 * atoms from records, so the new record's membership comes first. */
static void swap(struct cache *cache, enum kind_id kind, struct entry *e, void *record)
{
	const struct kind *k = &kinds[kind];
	struct store *store = &cache->view.stores[kind];
	struct index_key before[INDEXES_MAX], after[INDEXES_MAX];
	void *old = e->object;

	index_keys(k->reconciler, old, before);
	index_keys(k->reconciler, record, after);
	for (unsigned i = 0; i < k->reconciler->n_indexes; i++) {
		if (before[i].scope == after[i].scope && before[i].value == after[i].value)
			continue;
		if (after[i].value)
			posting_add(&cache->view, kind, i, after[i], e);
		if (before[i].value)
			posting_remove(&cache->view, kind, i, before[i], e);
	}
	e->object = record;
	if (record)
		count(store, k->reconciler, record, true);
	if (old)
		count(store, k->reconciler, old, false);
	cache->listener.changed(cache->listener.context, kind, old, record);
	if (old)
		record_free(cache->codec, k->resource, old);
}

/* ---- our own writes ---- */

static struct aside *aside_of(struct entry *e)
{
	if (!e->aside)
		e->aside = memory_alloc(sizeof(*e->aside));
	return e->aside;
}

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
	if (a->n_noted == NOTED_MAX || strlen(version) >= VERSION_SIZE)
		a->blurred = true;
	else
		memcpy(a->noted[a->n_noted++], version, strlen(version) + 1);
}

/* Does this piece of news from the watch apply? */
static bool is_news(struct cache *cache, struct entry *e, const char *version)
{
	struct aside *a = e->aside;

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

static void set_object(struct cache *cache, enum kind_id kind, struct entry *e, void *record)
{
	const struct object *old = e->object, *new = record;

	if (old && strcmp(old->uid, new->uid) != 0)
		swap(cache, kind, e, NULL); /* another object that has the name now */
	swap(cache, kind, e, record);
}

/* A list or an event names it. */
static void named(const struct store *store, struct entry *e)
{
	e->mark = store->mark;
	if (store->listing && e->aside && e->aside->flight == FLYING)
		e->aside->blurred = true; /* a list skips versions, so ours may be older than what it brings */
}

static bool holds(const struct entry *e, const char *version)
{
	const struct object *held = e->object;

	return held && strcmp(held->resource_version, version) == 0;
}

/* A list or a replayed event repeats what we hold. */
static void repeated(struct cache *cache, struct entry *e, const char *version)
{
	is_news(cache, e, version);
	if (e->aside)
		e->aside->unseen = false;
}

bool cache_put_known(struct cache *cache, struct key key, const char *version)
{
	struct entry *e = find(&cache->view, key.kind, key.ns, key.name);

	if (!e || !holds(e, version))
		return false;
	named(&cache->view.stores[key.kind], e);
	repeated(cache, e, version);
	tidy(cache, key.kind, e);
	return true;
}

void cache_put(struct cache *cache, enum kind_id kind, void *record)
{
	const struct object *new = record;
	struct store *store = &cache->view.stores[kind];
	struct entry *e = find_or_add(cache, (struct key){ .kind = (uint8_t)kind, .ns = new->ns, .name = new->name });

	named(store, e);
	if (holds(e, new->resource_version)) {
		repeated(cache, e, new->resource_version);
		record_free(cache->codec, kinds[kind].resource, record);
	} else if (!is_news(cache, e, new->resource_version)) {
		/* A list may be older than our write, or newer: then the awaited event never comes. */
		if (store->listing && strlen(new->resource_version) < VERSION_SIZE)
			memcpy(e->aside->listed, new->resource_version, strlen(new->resource_version) + 1);
		if (e->aside->flight == FLYING)
			e->aside->behind &= !store->listing;
		else if (store->listing || e->aside->n_dropped++ == DROPPED_MAX)
			mark_doubtful(cache, kind, e);
		record_free(cache->codec, kinds[kind].resource, record);
	} else {
		if (e->aside)
			e->aside->unseen = false;
		set_object(cache, kind, e, record);
	}
	tidy(cache, kind, e);
}

static void remove_object(struct cache *cache, enum kind_id kind, struct entry *e)
{
	if (e->aside && e->aside->flight == AWAITING) {
		e->aside->flight = IN_STEP;
		cache->awaiting--;
	} else if (e->aside && e->aside->flight == FLYING) {
		e->aside->blurred = true;
		e->aside->behind = false;
	}
	if (e->object)
		swap(cache, kind, e, NULL);
	tidy(cache, kind, e);
}

void cache_delete(struct cache *cache, struct key key, const char *uid)
{
	struct entry *e = find(&cache->view, key.kind, key.ns, key.name);
	const struct object *object = e ? e->object : NULL;

	if (!e)
		return;
	if (object && strcmp(object->uid, uid) != 0)
		return; /* we hold its successor already, from the answer to our own create */
	remove_object(cache, key.kind, e);
}

void cache_drop(struct cache *cache, struct key key)
{
	struct entry *e = find(&cache->view, key.kind, key.ns, key.name);

	if (e)
		remove_object(cache, key.kind, e);
	mark_doubtful(cache, key.kind, find_or_add(cache, key));
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
	for (size_t i = 0; i < store->n_buckets; i++) {
		for (struct entry *e = store->buckets[i], *next; e; e = next) {
			next = e->next;
			if (e->mark == store->mark || !e->object)
				continue;
			if (e->aside && e->aside->flight == FLYING)
				e->aside->blurred = true, e->aside->behind = false;
			else if (e->aside && e->aside->flight == AWAITING)
				mark_doubtful(cache, kind, e);
			else
				remove_object(cache, kind, e);
		}
	}
}

void cache_write_begin(struct cache *cache, struct key key)
{
	struct entry *e = find_or_add(cache, key);
	struct aside *a = aside_of(e);
	const struct object *held = e->object;

	a->held_unseen = a->unseen;
	a->held[0] = '\0';
	if (held && strlen(held->resource_version) < VERSION_SIZE)
		memcpy(a->held, held->resource_version, strlen(held->resource_version) + 1);
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

static void take_answer(struct cache *cache, enum kind_id kind, struct entry *e, void *record)
{
	struct aside *a = e->aside;
	const struct object *new = record;

	cache->awaiting -= a->flight == AWAITING;
	a->flight = IN_STEP;
	if (strcmp(a->listed, new->resource_version) != 0)
		await(cache, a, new->resource_version);
	a->listed[0] = '\0';
	set_object(cache, kind, e, record);
}

/* From a request's beginning to its end the entry stays, whatever the watch says meanwhile. */
static struct entry *under_way(struct cache *cache, struct key key)
{
	struct entry *e = find(&cache->view, key.kind, key.ns, key.name);

	assert(e && e->aside);
	return e;
}

/* A read of this version: has the watch brought something newer than what we had, or than what the list named? */
static bool was_overtaken(const struct aside *a, const char *version)
{
	return (strcmp(a->held, version) == 0 && !a->held_unseen) || (strcmp(a->listed, version) == 0 && a->n_noted);
}

/* The request has been answered with that version. Is its record what we are to hold from now on? */
static bool is_newer(struct cache *cache, struct key key, struct entry *e, const char *version, bool *changed)
{
	struct aside *a = e->aside;

	land(cache, a);
	*changed = true;
	if (a->blurred || strlen(version) >= VERSION_SIZE) {
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
	struct entry *e = under_way(cache, key);
	bool changed = true;

	if (!record) {
		land(cache, e->aside);
		if (e->aside->blurred && e->object)
			mark_doubtful(cache, key.kind, e);
	} else if (is_newer(cache, key, e, ((const struct object *)record)->resource_version, &changed)) {
		take_answer(cache, key.kind, e, record);
	} else {
		record_free(cache->codec, kinds[key.kind].resource, record);
	}
	tidy(cache, key.kind, e);
	return changed;
}

bool cache_write_end_known(struct cache *cache, struct key key, const char *version, bool *changed)
{
	struct entry *e = under_way(cache, key);

	if (!was_noted(e->aside, version) && !holds(e, version))
		return false;
	(void)is_newer(cache, key, e, version, changed);
	tidy(cache, key.kind, e);
	return true;
}

void cache_write_lost(struct cache *cache, struct key key)
{
	struct entry *e = under_way(cache, key);

	land(cache, e->aside);
	e->aside->doubtful = true; /* the caller knows, and will come back after its back-off */
}

void cache_read_missing(struct cache *cache, struct key key)
{
	struct entry *e = under_way(cache, key);
	bool quiet = !e->aside->n_noted && !e->aside->blurred;

	e->aside->flight = IN_STEP;
	if (quiet)
		remove_object(cache, key.kind, e);
	else if (e->aside->blurred)
		mark_doubtful(cache, key.kind, e);
	else /* it came back while we asked, and the watch told us */
		tidy(cache, key.kind, e);
}

bool cache_is_doubtful(const struct cache *cache, struct key key)
{
	const struct entry *e = find(&cache->view, key.kind, key.ns, key.name);

	return e && e->aside && e->aside->doubtful;
}

bool view_unsettled(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct entry *e = find(view, kind, ns, name);

	return e && e->aside && (e->aside->flight == FLYING || e->aside->doubtful);
}

void cache_provider_answered(struct cache *cache, struct key key, const struct provider_result *result)
{
	struct entry *e = find(&cache->view, key.kind, key.ns, key.name);
	struct aside *a;

	if (!e || !e->object)
		return;
	a = aside_of(e);
	if (!a->answer)
		a->answer = memory_alloc(sizeof(*a->answer));
	*a->answer = *result;
}

/* ---- reading ---- */

const void *view_get(const struct view *view, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct entry *e = find(view, kind, ns, name);

	return e ? e->object : NULL;
}

struct postings view_find(const struct view *view, enum kind_id kind, unsigned index, atom_t scope, atom_t value)
{
	const struct posting *p = value && view->n_postings ? *posting_link(view, kind, index, scope, value) : NULL;

	if (!p)
		return (struct postings){ 0 };
	return (struct postings){ .items = p->room ? p->members.many : &p->members.one, .n = p->n };
}

const void *entry_object(const struct entry *e)
{
	return e->object;
}

void view_each(const struct view *view, enum kind_id kind, void (*visit)(void *context, const void *object), void *context)
{
	const struct store *store = &view->stores[kind];

	for (size_t i = 0; i < store->n_buckets; i++)
		for (const struct entry *e = store->buckets[i]; e; e = e->next)
			if (e->object)
				visit(context, e->object);
}

const struct settings *view_settings(const struct view *view)
{
	return view->settings;
}

const struct provider_result *view_provider_result(const struct view *view, struct key method)
{
	const struct entry *e = find(view, method.kind, method.ns, method.name);

	return e && e->aside ? e->aside->answer : NULL;
}

/* Tables only grow, to twice their size: what was in a bucket not visited yet moves to one that is not visited yet either. */
bool cache_walk(const struct cache *cache, enum kind_id kind, size_t *at, size_t n, void (*visit)(void *context, const void *object), void *context)
{
	const struct store *store = &cache->view.stores[kind];

	for (size_t visited = 0; visited < n && *at < store->n_buckets; ++*at)
		for (const struct entry *e = store->buckets[*at]; e; e = e->next)
			if (e->object) {
				visit(context, e->object);
				visited++;
			}
	return *at < store->n_buckets;
}

/* ---- the whole ---- */

struct cache *cache_new(struct atoms *atoms, struct codec *codec, const struct settings *settings, struct cache_listener listener)
{
	struct cache *cache = memory_alloc(sizeof(*cache));

	cache->atoms = atoms;
	cache->codec = codec;
	cache->listener = listener;
	cache->view.settings = settings;
	postings_grow(&cache->view);
	return cache;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		struct store *store = &cache->view.stores[kind];

		for (size_t i = 0; i < store->n_buckets; i++) {
			for (struct entry *e = store->buckets[i], *next; e; e = next) {
				next = e->next;
				if (e->object)
					record_free(cache->codec, kinds[kind].resource, e->object);
				aside_free(cache, e);
				atom_unref(cache->atoms, e->ns);
				atom_unref(cache->atoms, e->name);
				free(e);
			}
		}
		free(store->buckets);
	}
	for (size_t i = 0; i < cache->view.n_buckets; i++) {
		for (struct posting *p = cache->view.buckets[i], *next; p; p = next) {
			next = p->next;
			if (p->room)
				free(p->members.many);
			free(p);
		}
	}
	free(cache->view.buckets);
	free(cache);
}

const struct view *cache_view(const struct cache *cache)
{
	return &cache->view;
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
