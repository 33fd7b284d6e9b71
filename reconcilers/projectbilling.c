/*
 * Decides whether a namespace has a ProjectBilling, and what it says: who pays for the project, and may it deploy?
 * The answer is the contest's and the gate's, judged here anew and never read from a binding's status.
 * Invariant: exactly one in each namespace of a project, and none elsewhere; nothing of another organization is named.
 */
#include "projectbilling_inputs.h"

#include "billingaccountbinding_inputs.h"
#include "condition.h"
#include "transition.h"
#include "wake.h"

enum { HOMELESS_MS = 10000 };

static const struct effect create = { .type = EFFECT_CREATE }, remove_it = { .type = EFFECT_DELETE };

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A label's value may hold what an object's name may not ("My_Project", "a..b"): such a project can have no ProjectBilling. */
static bool is_object_name(const char *name)
{
	for (char before = '.';; before = *name++) {
		bool label_ends = *name == '.' || !*name;
		bool fits = label_ends ? is_lower_alnum(before) : is_lower_alnum(*name) || (*name == '-' && before != '.');
		if (!fits || !*name)
			return fits;
	}
}

static const struct object_ref *reference(atom_t ns, atom_t name, struct arena *arena)
{
	struct object_ref *ref = arena_new(arena, struct object_ref);

	ref->ns = atom_text(ns);
	ref->name = atom_text(name);
	return ref;
}

static const char *const next_steps[] = {
	[DEPLOY_ALLOWED] = "",
	[DEPLOY_NO_BINDING] = "bind the project to a billing account",
	[DEPLOY_PAYMENT_METHOD_REQUIRED] = "set spec.defaultPaymentMethodRef of the billing account",
	[DEPLOY_PAYMENT_METHOD_NOT_USABLE] = "put the payment method right, or make another one the account's default",
	[DEPLOY_ACCOUNT_NOT_READY] = "bring the account to the phase Ready, or bind the project to another one",
	[DEPLOY_ACCOUNT_SUSPENDED] = "settle it with billing staff",
	[DEPLOY_ACCOUNT_DELETING] = "bind the project to another billing account",
};

static void tell(const struct projectbilling *self, const struct projectbilling_status *status, enum deploy_reason reason, struct effects *effects)
{
	const struct transition t = transition_of(&self->status.conditions, &status->conditions, "DeployAllowed");
	struct event event = { .reason = "DeployAllowed", .action = "JudgingDeploys" };
	const char *old = t.before && t.before->reason ? t.before->reason : "", *arrow = *old ? " -> " : "";

	if (!transition_took_place(&t))
		return;
	if (reason == DEPLOY_ALLOWED) {
		event.note = *old ? arena_printf(effects->arena, "Deploys are allowed (%s -> %s).", old, t.after->reason) : "Deploys are allowed.";
	} else {
		event.warning = true;
		event.reason = "DeployBlocked";
		event.note = arena_printf(effects->arena, "Deploys are blocked (%s%s%s): %s. Next: %s.", old, arrow, t.after->reason,
					  t.after->message, next_steps[reason]);
	}
	effects_tell(effects, event);
}

static struct outcome judge(const struct projectbilling_inputs *in, struct arena *arena)
{
	const struct projectbilling *self = in->self;
	struct project_verdict verdict = project_judge(&in->facts, in->now, arena);
	struct deploy_verdict deploy = verdict.deploy;
	struct projectbilling_status *status = arena_copy(arena, &self->status, sizeof(self->status));

	status->billing_account = NULL;
	status->binding = NULL;
	if (verdict.winner) {
		const struct billingaccountbinding *binding = verdict.winner->binding;
		status->billing_account = reference(binding->meta.ns, binding->spec.account, arena);
		status->binding = reference(binding->meta.ns, binding->meta.name, arena);
	}

	bool allowed = deploy.reason == DEPLOY_ALLOWED;
	struct condition condition = {
		.type = "DeployAllowed",
		.status = allowed ? CONDITION_TRUE : CONDITION_FALSE,
		.reason = deploy_reason_name(deploy.reason),
		.message = deploy.message,
		.observed_generation = self->meta.generation,
	};
	status->deploy_allowed = allowed ? YES : NO;
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, &condition, 1, in->now, arena);
	struct effects effects = { .arena = arena };
	tell(self, status, deploy.reason, &effects);
	return (struct outcome){ .status = status, .effects = effects.items, .n_effects = effects.n };
}

struct outcome projectbilling_reconcile(const struct projectbilling_inputs *in, struct arena *arena)
{
	/* It goes with its namespace; or that one is made anew, perhaps for another project, and nothing but time tells that it had none meanwhile. */
	if (!in->namespace && in->self)
		return (struct outcome){ .wake_at = in->now + HOMELESS_MS };
	/* A namespace that goes takes its ProjectBilling with it, and lets nothing be created any more. */
	if (!in->namespace || in->namespace->meta.deleted || (in->self && in->self->meta.deleted))
		return (struct outcome){ 0 };
	if (in->namespace->project != in->project)
		return (struct outcome){ .effects = &remove_it, .n_effects = in->self ? 1 : 0 };
	if (!in->self)
		return (struct outcome){ .effects = &create, .n_effects = is_object_name(in->project->text) ? 1 : 0 };
	return judge(in, arena);
}

struct projectbilling_inputs projectbilling_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct projectbilling_inputs in = {
		.now = now,
		.project = key.name,
		.self = view_get(view, KIND_PROJECTBILLING, key.ns, key.name),
		.namespace = view_get(view, KIND_NAMESPACE, NULL, key.ns),
	};

	if (!in.self || !in.namespace || in.namespace->project != key.name)
		return in;
	in.facts = project_gather(view, key.name, arena);
	return in;
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct projectbilling_inputs in = projectbilling_gather(view, key, now, arena);
	return projectbilling_reconcile(&in, arena);
}

/* It is made, and removed, with its project's namespace. */
static void namespace_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct namespace *old = before, *new = after, *any = new ? new : old;

	(void)view;
	if (same_object(before, after) && old->project == new->project && !old->meta.deleted == !new->meta.deleted)
		return;
	key_sink_add(sink, KIND_PROJECTBILLING, any->meta.name, old ? old->project : NULL);
	key_sink_add(sink, KIND_PROJECTBILLING, any->meta.name, new ? new->project : NULL);
}

static void binding_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingaccountbinding *old = before, *new = after;

	if (claim_looks_the_same(old, new))
		return;
	wake_gates(view, sink, old ? old->spec.project : NULL);
	wake_gates(view, sink, new && (!old || old->spec.project != new->spec.project) ? new->spec.project : NULL);
}

/* What else moves the verdict moves the bindings' too: billingaccountbinding.c's rules wake both. */
static const struct watch_rule watches[] = {
	{ .source = KIND_NAMESPACE, .moved = namespace_moved },
	{ .source = KIND_BINDING, .moved = binding_moved },
};

/* ---- metrics ---- */

enum { CLASS_UNDECIDED = 0 /* or a reason of another version; else its deploy_reason */, CLASSES = DEPLOY_ACCOUNT_DELETING + 1 };

static unsigned class_of(const void *object)
{
	const struct projectbilling *self = object;
	const struct condition *condition = condition_find(&self->status.conditions, "DeployAllowed");
	unsigned class = DEPLOY_ALLOWED;

	while (condition && class < CLASSES && !same_text(condition->reason, deploy_reason_name((enum deploy_reason)class)))
		class++;
	return condition && class < CLASSES ? class : CLASS_UNDECIDED;
}

static const char *class_value(unsigned class, unsigned label)
{
	static const char *const deploy[CLASSES] = { [CLASS_UNDECIDED] = CENSUS_NONE, [DEPLOY_ALLOWED] = "allowed" };

	if (label == 0)
		return deploy[class] ? deploy[class] : "blocked";
	return class == CLASS_UNDECIDED ? CENSUS_NONE : deploy_reason_name((enum deploy_reason)class);
}

static const struct census census = {
	.metric = "tollgate_projects",
	.help = "Projects, once for each of their namespaces, by whether they may deploy, and the reason",
	.labels = { "deploy", "reason" },
	.n = CLASSES,
	.of = class_of,
	.value = class_value,
};

const struct reconciler projectbilling_reconciler = {
	.run = run,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
	.census = &census,
};
