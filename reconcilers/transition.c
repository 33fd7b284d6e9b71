/*
 * Compares conditions and collects effects. Knows no kind: what is worth an event, and in which words, is each kind's.
 * Invariant: a status that is fed back as the observed one differs in nothing, and so tells nothing.
 */
#include "transition.h"

#include <string.h>

#include "condition.h"
#include "wake.h"

struct transition transition_of(const struct conditions *before, const struct conditions *after, const char *type)
{
	return (struct transition){ .before = condition_find(before, type), .after = condition_find(after, type) };
}

bool transition_took_place(const struct transition *t)
{
	return t->after && (!t->before || t->before->status != t->after->status || !same_text(t->before->reason, t->after->reason));
}

bool transition_is_from(const struct transition *t, const char *reason)
{
	return t->before && same_text(t->before->reason, reason);
}

void effects_add(struct effects *effects, struct effect effect)
{
	struct effect *items = arena_array(effects->arena, struct effect, effects->n + 1); /* few, and rarely any */

	if (effects->n)
		memcpy(items, effects->items, effects->n * sizeof(*items));
	items[effects->n++] = effect;
	effects->items = items;
}

void effects_tell(struct effects *effects, struct event event)
{
	effects_add(effects, (struct effect){ .type = EFFECT_EVENT, .event = event });
}
