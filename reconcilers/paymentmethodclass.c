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

struct pick {
	atom_t best; /* its name: a walk shows one object at a time */
	instant_t created;
	atom_t but; /* not this one */
};

static void pick_default(void *context, const void *object)
{
	const struct paymentmethodclass *class = object;
	struct pick *pick = context;

	if (!class_is_default(class) || class->meta.name == pick->but)
		return;
	if (pick->best && (class->meta.created > pick->created ||
			   (class->meta.created == pick->created && strcmp(class->meta.name->text, pick->best->text) > 0)))
		return;
	pick->best = class->meta.name;
	pick->created = class->meta.created;
}

const struct paymentmethodclass *class_default(const struct view *view)
{
	struct pick pick = { 0 };

	view_each(view, KIND_PAYMENTMETHODCLASS, pick_default, &pick);
	return pick.best ? view_get(view, KIND_PAYMENTMETHODCLASS, NULL, pick.best) : NULL;
}

const struct paymentmethodclass *class_default_now(const struct admission *in, atom_t but)
{
	struct pick pick = { .but = but };

	admission_each(in, KIND_PAYMENTMETHODCLASS, pick_default, &pick);
	return pick.best ? admission_get(in, KIND_PAYMENTMETHODCLASS, NULL, pick.best) : NULL;
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

static const char *second_default(const struct paymentmethodclass *first, struct arena *arena)
{
	return arena_printf(arena, "PaymentMethodClass \"%s\" is already the default; only one default class is permitted", first->meta.name->text);
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
						 "%s %s.", condition.message, second_default(in->default_class, arena));
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, &condition, 1, in->now, arena);
	return (struct outcome){ .status = status };
}

/* To move the mark, take it from one class and then give it to another. */
static struct refusal validate(const struct admission *in, struct arena *arena)
{
	const struct paymentmethodclass *self = in->object, *old = in->old, *first;

	if (in->operation == ADMISSION_DELETE || !class_is_default(self) || (old && class_is_default(old)))
		return NOT_REFUSED;
	if (!(first = class_default_now(in, self->meta.name)))
		return NOT_REFUSED;
	const char *member = same_text(self->default_label, "true") ? "labels" : "annotations";
	return refused_by(KIND_PAYMENTMETHODCLASS, NULL, first->meta.name,
			  arena_printf(arena, "metadata.%s[" DEFAULT_CLASS_KEY "]: %s", member, second_default(first, arena)));
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
	.validate = validate,
	.judges_metadata = true,
};
