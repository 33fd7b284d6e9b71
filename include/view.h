/*
 * Read-only look-ups in the cache, by key and by index: all that gathering may see. Everything returned is borrowed and valid
 * until the cache next changes, that is at most until the current decision ends. Within one that walks, a visitor's object and whatever
 * it looks up itself are valid until it returns: a walk shows one object at a time. Order within an index is not defined: a
 * gatherer that passes on a list sorts it, so that a replay is exact.
 *
 * A look at a record costs something, since it is kept in a smaller form: who needs no more than keys asks for keys.
 */
#ifndef TOLLGATE_VIEW_H
#define TOLLGATE_VIEW_H

#include "kinds.h"
#include "object.h"
#include "settings.h"

struct view; /* the cache, seen from here; store.c and postings.c implement most of it */

/* What an index has under one key: n objects of a kind, from 0 on. Valid as long as they are. */
struct postings {
	size_t n;
	const struct view *view;
	const uint32_t *entries;
	uint8_t kind;
};

/* The record (its kind's struct), or NULL. A NULL ns is right for cluster-scoped kinds only. */
const void *view_get(const struct view *, enum kind_id, atom_t ns, atom_t name);
/* Is there one? Costs less than to look at it. */
bool view_has(const struct view *, struct key);
/* All objects of a kind whose reconciler->index put (scope, value) at `index`. */
struct postings view_find(const struct view *, enum kind_id, unsigned index, atom_t scope, atom_t value);
const void *postings_object(const struct postings *, size_t i);
/* Its key alone costs next to nothing. Atoms borrowed. */
struct key postings_key(const struct postings *, size_t i);
/* Each object, for those of which there may be thousands. */
void postings_each(const struct postings *, void (*visit)(void *context, const void *object), void *context);
/* Every object of a kind; for kinds of which there are few, and for rare changes, as it costs the whole kind. */
void view_each(const struct view *, enum kind_id, void (*visit)(void *context, const void *object), void *context);
/* The same in parts, between which the cache may change: from *at, 0 at first, over at most n of them. Whatever is there from the first
 * part to the last is visited, what comes or goes meanwhile may be. False: that was the last part. */
bool view_walk(const struct view *, enum kind_id, uint32_t *at, uint32_t n, void (*visit)(void *context, const void *object), void *context);

/* Is a request of ours about this object under way, or lost without an answer? Then it may be about to become what its record does not
 * show. When that ends, watch rules' `settled` is told. */
bool view_unsettled(const struct view *, enum kind_id, atom_t ns, atom_t name);

const struct settings *view_settings(const struct view *);

/* The last answer of a payment provider for this method (provider.h), or NULL when none has been asked since start. */
struct provider_result;
const struct provider_result *view_provider_result(const struct view *, struct key method);

#endif
