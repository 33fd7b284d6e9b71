/*
 * Decides a PaymentMethodClass's one condition, ParametersResolved, and which class is the cluster's default.
 * Our smallest kind, to be read first: gather looks things up, reconcile decides, watches say what wakes it.
 * Invariant: what an outside provider wrote about its own parameters is left as it is.
 */
#include "paymentmethodclass_inputs.h"

#include <string.h>

#include "condition.h"
#include "wake.h"

#define TYPE "ParametersResolved"
#define NOT_REQUIRED "ParametersNotRequired"
#define NOT_SUPPORTED "ParametersNotSupported"
#define PROVIDER_OWNED "ProviderOwned"

bool class_is_default(const struct paymentmethodclass *class)
{
	return same_text(class->default_label, "true") || same_text(class->default_annotation, "true");
}

static void pick_default(void *context, const void *object)
{
	const struct paymentmethodclass **best = context, *class = object;

	if (!class_is_default(class))
		return;
	if (!*best || class->meta.created < (*best)->meta.created ||
	    (class->meta.created == (*best)->meta.created && strcmp(class->meta.name->text, (*best)->meta.name->text) < 0))
		*best = class;
}

const struct paymentmethodclass *class_default(const struct view *view)
{
	const struct paymentmethodclass *best = NULL;

	view_each(view, KIND_PAYMENTMETHODCLASS, pick_default, &best);
	return best;
}

struct paymentmethodclass_inputs paymentmethodclass_gather(const struct view *view, struct key key, instant_t now,
							   struct arena *arena)
{
	(void)arena;
	return (struct paymentmethodclass_inputs){
		.now = now,
		.self = view_get(view, KIND_PAYMENTMETHODCLASS, NULL, key.name),
		.default_class = class_default(view),
	};
}

static bool is_ours(const char *reason)
{
	return same_text(reason, NOT_REQUIRED) || same_text(reason, NOT_SUPPORTED) || same_text(reason, PROVIDER_OWNED);
}

static struct condition parameters_resolved(const struct paymentmethodclass *self, struct arena *arena)
{
	const struct condition *observed = condition_find(&self->status.conditions, TYPE);
	bool builtin = same_text(self->provider, PROVIDER_MANUAL) || same_text(self->provider, PROVIDER_SANDBOX);
	struct condition condition = { .type = TYPE, .observed_generation = self->meta.generation };

	if (!builtin && observed && !is_ours(observed->reason))
		return *observed;
	if (!self->parameters) {
		condition.status = CONDITION_TRUE;
		condition.reason = NOT_REQUIRED;
		condition.message = "The class names no parameters.";
	} else if (builtin) {
		condition.status = CONDITION_FALSE;
		condition.reason = NOT_SUPPORTED;
		condition.message = arena_printf(arena, "provider \"%s\" takes no parameters; remove spec.parametersRef",
						 self->provider);
	} else {
		condition.status = CONDITION_UNKNOWN;
		condition.reason = PROVIDER_OWNED;
		condition.message = arena_printf(arena, "Provider \"%s\" has not yet said whether it found its parameters.",
						 self->provider ? self->provider : "");
	}
	return condition;
}

struct outcome paymentmethodclass_reconcile(const struct paymentmethodclass_inputs *in, struct arena *arena)
{
	const struct paymentmethodclass *self = in->self;

	if (!self)
		return (struct outcome){ 0 };
	struct class_status *status = arena_copy(arena, &self->status, sizeof(self->status));
	struct condition condition = parameters_resolved(self, arena);

	/* Two defaults can be raced past admission. The later one is no default, and says so where there is room. */
	if (class_is_default(self) && in->default_class && in->default_class != self && is_ours(condition.reason))
		condition.message = arena_printf(arena,
						 "%s Class \"%s\" is already the default; only one default class is permitted.",
						 condition.message, in->default_class->meta.name->text);
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, &condition, 1, in->now, arena);
	return (struct outcome){ .status = status };
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct paymentmethodclass_inputs in = paymentmethodclass_gather(view, key, now, arena);
	return paymentmethodclass_reconcile(&in, arena);
}

bool class_looks_the_same(const struct paymentmethodclass *old, const struct paymentmethodclass *new)
{
	return old && new && same_object(&old->meta, &new->meta) && same_text(old->provider, new->provider);
}

bool class_default_moved(const struct paymentmethodclass *old, const struct paymentmethodclass *new)
{
	bool was_default = old && class_is_default(old), is_default = new && class_is_default(new);

	return was_default != is_default || ((was_default || is_default) && !class_looks_the_same(old, new));
}

static void wake_other_default(void *context, const void *object)
{
	const struct paymentmethodclass *class = object;

	if (class_is_default(class))
		key_sink_add(context, KIND_PAYMENTMETHODCLASS, NULL, class->meta.name);
}

/* Which class is the default may have changed with any that is, or was, one. */
static void default_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	struct key_sink to = *sink;

	if (class_default_moved(before, after))
		view_each(view, KIND_PAYMENTMETHODCLASS, wake_other_default, &to);
}

static const struct watch_rule watches[] = { { .source = KIND_PAYMENTMETHODCLASS, .moved = default_moved } };

const struct reconciler paymentmethodclass_reconciler = {
	.run = run,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
};
