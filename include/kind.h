/* The table of kinds: what kinds.h lists, indexed by enum kind_id. kind.c is made from the list and is not edited for a new one. */
#ifndef TOLLGATE_KIND_H
#define TOLLGATE_KIND_H

#include "reconcile.h"
#include "resource.h"

struct kind {
	const char *controller; /* as logs and metrics call it, after controller-runtime: the kind in lower case, which is its files' name */
	const struct resource *resource;
	const struct reconciler *reconciler;
};

extern const struct kind kinds[KIND_COUNT];

/* An object was added (old NULL), changed or deleted (new NULL): wakes its own key, then whatever says that it watches this kind. */
void kinds_wake(const struct view *, enum kind_id, const void *old, const void *new, const struct key_sink *);
/* The latter alone. */
void kinds_wake_dependents(const struct view *, enum kind_id, const void *old, const void *new, const struct key_sink *);
/* A request about that object has ended: wakes whoever may have waited for it. */
void kinds_settled(const struct view *, enum kind_id, const void *object, const struct key_sink *);

#endif
