/*
 * Read-only look-ups in the cache, by key and by index: all that gathering may see. Everything returned is borrowed and valid
 * until the cache next changes, that is at most until the current decision ends. Order within an index is not defined: a
 * gatherer that passes on a list sorts it, so that a replay is exact.
 */
#ifndef TOLLGATE_VIEW_H
#define TOLLGATE_VIEW_H

#include "kinds.h"
#include "object.h"
#include "settings.h"

struct view; /* the cache, seen from here; cache.c implements these */
struct entry;

struct postings {
	const struct entry *const *items;
	size_t n;
};

/* The record (its kind's struct), or NULL. A NULL ns is right for cluster-scoped kinds only. */
const void *view_get(const struct view *, enum kind_id, atom_t ns, atom_t name);
/* All entries of a kind whose reconciler->index put (scope, value) at `index`. */
struct postings view_find(const struct view *, enum kind_id, unsigned index, atom_t scope, atom_t value);
const void *entry_object(const struct entry *);
/* Every object of a kind; for rare changes only (an organization label moves), as it costs the whole kind. */
void view_each(const struct view *, enum kind_id, void (*visit)(void *context, const void *object), void *context);

/* Is a request of ours about this object under way, or lost without an answer? Then it may be about to become what its record does not
 * show. When that ends, watch rules' `settled` is told. */
bool view_unsettled(const struct view *, enum kind_id, atom_t ns, atom_t name);

const struct settings *view_settings(const struct view *);

/* The last answer of a payment provider for this method (provider.h), or NULL when none has been asked since start. */
struct provider_result;
const struct provider_result *view_provider_result(const struct view *, struct key method);

#endif
