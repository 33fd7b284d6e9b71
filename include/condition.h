/*
 * Building a status's list of conditions: desired ones in their fixed order, transition times carried over from the observed
 * ones (by type) when the status did not flip, else now. Foreign condition types are dropped: clients compare the list whole.
 */
#ifndef TOLLGATE_CONDITION_H
#define TOLLGATE_CONDITION_H

#include "arena.h"
#include "object.h"

/* The condition of that type, or NULL. */
const struct condition *condition_find(const struct conditions *, const char *type);

/* The merged list, in the arena, in the order of `desired` (whose last_transition is ignored). */
struct conditions conditions_merge(const struct conditions *observed, const struct condition *desired, size_t n, instant_t now,
				   struct arena *);

/* A reason that Kubernetes accepts (metav1.Condition: ^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$, at most 1024 bytes) made from
 * what a provider sent; `fallback` when nothing usable is left. Unchanged text is returned as it is. */
const char *condition_reason(const char *text, const char *fallback, struct arena *);

/* The largest message Kubernetes takes (metav1.Condition) is 32768 characters; longer ones are cut at a UTF-8 boundary. */

#endif
