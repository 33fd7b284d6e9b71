/*
 * What people are told of a decision: events, made by comparing what an object's status said with what it says from now on. So nothing is
 * told twice: once the status has been written, nothing differs.
 */
#ifndef TOLLGATE_TRANSITION_H
#define TOLLGATE_TRANSITION_H

#include "reconcile.h"

/* One condition, before and after. */
struct transition {
	const struct condition *before, *after; /* NULL: there is none of that type */
};

struct transition transition_of(const struct conditions *before, const struct conditions *after, const char *type);
/* Is it there now, and was it not there before, or with another status or reason? */
bool transition_took_place(const struct transition *);
/* Did it have that reason before? */
bool transition_is_from(const struct transition *, const char *reason);

/* An outcome's effects while they are put together, in the arena. */
struct effects {
	struct arena *arena;
	struct effect *items;
	size_t n;
};

void effects_add(struct effects *, struct effect);
/* The texts are borrowed: static, or of the arena or the record. */
void effects_tell(struct effects *, struct event);

#endif
