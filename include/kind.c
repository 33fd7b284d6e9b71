/* Joins what the rooms define for each kind: the one place that knows both, made from the list in kinds.h. */
#include "kind.h"

#define KIND(id, prefix) [KIND_##id] = { .controller = #prefix, .resource = &prefix##_resource, .reconciler = &prefix##_reconciler },
const struct kind kinds[KIND_COUNT] = { KINDS(KIND) };
#undef KIND

void kinds_wake_dependents(const struct view *view, enum kind_id kind, const void *old, const void *new, const struct key_sink *sink)
{
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		const struct reconciler *dependent = kinds[k].reconciler;
		for (unsigned i = 0; i < dependent->n_watches; i++)
			if (dependent->watches[i].source == kind)
				dependent->watches[i].moved(view, old, new, sink);
	}
}

void kinds_wake(const struct view *view, enum kind_id kind, const void *old, const void *new, const struct key_sink *sink)
{
	const struct object *any = new ? new : old;

	if (kinds[kind].reconciler->run)
		key_sink_add(sink, kind, any->ns, any->name);
	kinds_wake_dependents(view, kind, old, new, sink);
}

void kinds_settled(const struct view *view, enum kind_id kind, const void *object, const struct key_sink *sink)
{
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		const struct reconciler *dependent = kinds[k].reconciler;
		for (unsigned i = 0; i < dependent->n_watches; i++)
			if (dependent->watches[i].source == kind && dependent->watches[i].settled)
				dependent->watches[i].settled(view, object, sink);
	}
}
