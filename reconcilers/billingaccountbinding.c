/*
 * Decides a BillingAccountBinding's status: its own place in its project's contest (contest.c), and, while Active, the
 * deploy verdict (gate.c). Never decides for a sibling.
 * Invariants: at no moment are two bindings of a project Active, because the winner goes last; Superseded is never rewritten.
 */
#include "billingaccountbinding_inputs.h"

#include <string.h>

#include "condition.h"
#include "contest.h"
#include "owner.h"
#include "payment.h"
#include "transition.h"
#include "wake.h"

static const char *const bound_reasons[] = {
	[STANDING_WINS] = "SuccessfulBinding",
	[STANDING_SUPERSEDED] = "Superseded",
	[STANDING_ACCOUNT_NOT_FOUND] = "AccountNotFound",
	[STANDING_ACCOUNT_NOT_READY] = "AccountNotReady",
	[STANDING_OTHER_ORGANIZATION] = "ProjectInOtherOrganization",
	[STANDING_CLAIMED_ELSEWHERE] = "ProjectClaimedElsewhere",
	[STANDING_LEAVING] = "", /* not written */
};

static const struct condition *bound_condition(const struct billingaccountbinding *binding)
{
	return condition_find(&binding->status.conditions, "Bound");
}

/* Does its status say that it lost, and for this reason? */
static bool shows(const struct billingaccountbinding *binding, enum standing standing)
{
	const struct condition *bound = bound_condition(binding);

	return binding->status.phase == BINDING_PHASE_ABSENT && bound && bound->status == CONDITION_FALSE && bound->reason &&
	       !strcmp(bound->reason, bound_reasons[standing]);
}

/*
 * The winner goes last: it becomes Active only when every sibling shows that it knows its place, and has no write under way that
 * was decided when its place was another. A sibling that shows nothing may have one from before a restart: what it writes now is a
 * new version, which that write would not fit any more. Each sibling's change wakes us, and each end of a write.
 */
static bool others_settled(const struct contest *contest, const struct claim *winner)
{
	for (size_t i = 0; i < contest->n_claims; i++) {
		const struct claim *other = &contest->claims[i];
		enum standing standing = contest_judge(contest, winner, other);
		if (other == winner || other->binding->status.phase == BINDING_SUPERSEDED)
			continue;
		if (other->unsettled || (standing != STANDING_LEAVING && !shows(other->binding, standing)))
			return false;
	}
	return true;
}

const char *claim_obstacle(const struct claim *claim, struct arena *arena)
{
	const char *account = atom_text(claim->binding->spec.account);

	if (!claim->account)
		return account_not_found(claim->binding->meta.ns, claim->binding->spec.account, arena);
	if (claim->account->meta.deleted)
		return arena_printf(arena, "billing account \"%s\" is being deleted", account);
	if (account_phase(claim->account) == ACCOUNT_READY)
		return arena_printf(arena, "billing account \"%s\" is to be closed (spec.closureRequested) and takes no new binding", account);
	return arena_printf(arena, "billing account \"%s\" is not ready (current phase: %s)", account,
			    account_phase_name(account_phase(claim->account)));
}

/* Names nothing of another namespace: that is another tenant's. */
static const char *bound_message(const struct claim *claim, enum standing standing, const struct claim *winner, struct arena *arena)
{
	const struct billingaccountbinding *self = claim->binding;
	const char *project = atom_text(self->spec.project);

	switch (standing) {
	case STANDING_ACCOUNT_NOT_FOUND:
	case STANDING_ACCOUNT_NOT_READY:
		return claim_obstacle(claim, arena);
	case STANDING_SUPERSEDED:
		if (winner->binding->meta.ns != self->meta.ns)
			return arena_printf(arena, "project \"%s\" is now billed to an account of another namespace", project);
		return arena_printf(arena, "superseded by billing account binding \"%s\"", winner->binding->meta.name->text);
	case STANDING_OTHER_ORGANIZATION:
		return arena_printf(arena, "project \"%s\" belongs to another organization than namespace \"%s\"", project,
				    atom_text(self->meta.ns));
	case STANDING_CLAIMED_ELSEWHERE:
		if (winner->binding->meta.ns == self->meta.ns)
			return arena_printf(arena, "project \"%s\" already has an active billing account binding \"%s\"", project,
					    winner->binding->meta.name->text);
		return arena_printf(arena, "project \"%s\" is already billed to an account of another namespace", project);
	case STANDING_LEAVING: /* not written */
	case STANDING_WINS:
		break;
	}
	/* The same text for all: kept once, not ten thousand times. */
	return claim->account ? "The project is billed to this account." : claim_obstacle(claim, arena);
}

/* Phase and facts that stick, as they follow from the standing. */
static void move(struct binding_status *status, const struct billingaccountbinding *self, enum standing standing,
		 const struct claim *winner, instant_t now)
{
	switch (standing) {
	case STANDING_WINS:
		status->phase = BINDING_ACTIVE;
		status->responsibility.current_account = atom_text(self->spec.account);
		if (!status->responsibility.established_at)
			status->responsibility.established_at = instant_second(now);
		return;
	case STANDING_SUPERSEDED: /* not before its successor was made, also when our clock is behind the server's */
		status->phase = BINDING_SUPERSEDED;
		status->ended_at = instant_second(now > winner->binding->meta.created ? now : winner->binding->meta.created);
		return;
	case STANDING_ACCOUNT_NOT_FOUND:
	case STANDING_ACCOUNT_NOT_READY:
	case STANDING_OTHER_ORGANIZATION:
	case STANDING_CLAIMED_ELSEWHERE:
	case STANDING_LEAVING:
		break;
	}
	if (self->status.phase != BINDING_ACTIVE) /* once Active it stays so until it is superseded or deleted */
		status->phase = BINDING_PHASE_ABSENT;
}

/* What to do about a place that is not the winner's. */
static const char *const next_steps[] = {
	[STANDING_WINS] = "",
	[STANDING_SUPERSEDED] = "create another binding to come back",
	[STANDING_ACCOUNT_NOT_FOUND] = "create the account, or bind the project to another one",
	[STANDING_ACCOUNT_NOT_READY] = "bring the account to the phase Ready, or bind the project to another one",
	[STANDING_OTHER_ORGANIZATION] = "bind the project to an account of its own organization",
	[STANDING_CLAIMED_ELSEWHERE] = "have whoever pays for the project now delete that binding",
	[STANDING_LEAVING] = "",
};

static void tell(const struct billingaccountbinding *self, const struct binding_status *status, enum standing standing, struct effects *effects)
{
	const struct transition bound = transition_of(&self->status.conditions, &status->conditions, "Bound");
	struct event event = { .reason = bound_reasons[standing], .action = "Binding", .warning = standing != STANDING_SUPERSEDED };

	if (!transition_took_place(&bound))
		return;
	event.note = arena_printf(effects->arena, "Not bound: %s. Next: %s.", bound.after->message, next_steps[standing]);
	if (bound.after->status == CONDITION_TRUE) {
		event = (struct event){ .reason = "Bound", .action = "Binding" };
		event.note = arena_printf(effects->arena, "Project \"%s\" is billed to billing account \"%s\" from now on.",
					  atom_text(self->spec.project), atom_text(self->spec.account));
	}
	effects_tell(effects, event);
}

struct outcome billingaccountbinding_reconcile(const struct billingaccountbinding_inputs *in, struct arena *arena)
{
	if (!in->claim || in->claim->binding->status.phase == BINDING_SUPERSEDED)
		return (struct outcome){ 0 };

	const struct billingaccountbinding *self = in->claim->binding;
	const struct claim *winner = contest_winner(&in->contest);
	enum standing standing = contest_judge(&in->contest, winner, in->claim);

	if (standing == STANDING_LEAVING)
		return (struct outcome){ 0 };
	if (standing == STANDING_WINS && self->status.phase != BINDING_ACTIVE && !others_settled(&in->contest, winner))
		return (struct outcome){ 0 };

	struct outcome outcome = { 0 };
	struct effects effects = { .arena = arena };
	struct binding_status *status = arena_copy(arena, &self->status, sizeof(self->status));
	bool bound = standing == STANDING_WINS && in->claim->account;
	/* Active with its account gone: still responsible, but bound to nothing. */
	enum standing shown = standing == STANDING_WINS && !bound ? STANDING_ACCOUNT_NOT_FOUND : standing;
	struct condition conditions[2] = { {
		.type = "Bound",
		.status = bound ? CONDITION_TRUE : CONDITION_FALSE,
		.reason = bound_reasons[shown],
		.message = bound_message(in->claim, standing, winner, arena),
		.observed_generation = self->meta.generation,
	} };
	size_t n = 1;

	move(status, self, standing, winner, in->now);
	if (status->phase == BINDING_ACTIVE) {
		struct deploy_verdict deploy = { .reason = DEPLOY_NO_BINDING };

		if (standing == STANDING_WINS)
			deploy = deploy_judge(self->spec.account, in->claim->account, &in->means, in->now, arena);
		else /* Active, but it pays for nothing until the organizations agree */
			deploy.message = arena_printf(arena, "billing account required before deploy: %s", conditions[0].message);
		conditions[n++] = (struct condition){
			.type = "DeployAllowed",
			.status = deploy.reason == DEPLOY_ALLOWED ? CONDITION_TRUE : CONDITION_FALSE,
			.reason = deploy_reason_name(deploy.reason),
			.message = deploy.message,
			.observed_generation = self->meta.generation,
		};
	}
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, conditions, n, in->now, arena);
	tell(self, status, shown, &effects);
	outcome.status = status;
	outcome.effects = effects.items;
	outcome.n_effects = effects.n;
	return outcome;
}

struct billingaccountbinding_inputs billingaccountbinding_gather(const struct view *view, struct key key, instant_t now,
								 struct arena *arena)
{
	struct billingaccountbinding_inputs in = { .now = now };
	const struct billingaccountbinding *self = view_get(view, KIND_BINDING, key.ns, key.name);

	if (!self || self->status.phase == BINDING_SUPERSEDED)
		return in;
	in.contest = contest_gather(view, self->spec.project, arena);
	for (size_t i = 0; i < in.contest.n_claims && !in.claim; i++)
		if (in.contest.claims[i].binding == self)
			in.claim = &in.contest.claims[i];
	if (in.claim)
		in.means = payment_gather(view, in.claim->account, arena);
	return in;
}

/* ---- admission ---- */

/* With rebind: Reject the one that is Active keeps the project. What is of another namespace is not named. */
static struct refusal already_bound(const struct admission *in, const struct billingaccountbinding *self, struct arena *arena)
{
	struct postings found = view_find(in->view, KIND_BINDING, BINDING_BY_PROJECT, NULL, self->spec.project);

	for (size_t i = 0; i < found.n; i++) {
		const struct billingaccountbinding *other = admission_now(in, KIND_BINDING, postings_object(&found, i));
		bool near = other && other->meta.ns == self->meta.ns;
		if (!other || other->status.phase != BINDING_ACTIVE || other->spec.project != self->spec.project)
			continue;
		return refused_by(KIND_BINDING, other->meta.ns, other->meta.name,
				  arena_printf(arena, "spec.projectRef.name: project \"%s\" already has an active billing account binding%s%s%s",
					       self->spec.project->text, near ? " \"" : " in another namespace",
					       near ? other->meta.name->text : "", near ? "\"; delete it first" : ""));
	}
	return NOT_REFUSED;
}

static struct refusal validate(const struct admission *in, struct arena *arena)
{
	const struct billingaccountbinding *self = in->object;

	if (in->operation != ADMISSION_CREATE || !self->spec.account || !self->spec.project)
		return NOT_REFUSED; /* the schema keeps the spec as it is, and wants both names */
	struct claim claim = { .binding = self, .account = admission_get(in, KIND_BILLINGACCOUNT, self->meta.ns, self->spec.account) };
	if (!claim.account || !account_takes_bindings(claim.account))
		return refused_by(KIND_BILLINGACCOUNT, self->meta.ns, self->spec.account,
				  arena_printf(arena, "spec.billingAccountRef.name: %s", claim_obstacle(&claim, arena)));
	return view_settings(in->view)->rebind == REBIND_REJECT ? already_bound(in, self, arena) : NOT_REFUSED;
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct billingaccountbinding_inputs in = billingaccountbinding_gather(view, key, now, arena);
	return billingaccountbinding_reconcile(&in, arena);
}

static void index_binding(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct billingaccountbinding *binding = object;
	bool active = binding->status.phase == BINDING_ACTIVE, new = binding->status.phase == BINDING_PHASE_ABSENT;

	out[BINDING_BY_ACCOUNT] = (struct index_key){ binding->meta.ns, binding->spec.account };
	out[BINDING_BY_PROJECT] = (struct index_key){ NULL, binding->spec.project };
	out[BINDING_ACTIVE_BY_ACCOUNT] = (struct index_key){ binding->meta.ns, active ? binding->spec.account : NULL };
	out[BINDING_NEW_BY_ACCOUNT] = (struct index_key){ binding->meta.ns, new ? binding->spec.account : NULL };
	out[BINDING_BY_NAMESPACE] = (struct index_key){ NULL, binding->meta.ns };
}

/* Its spec is immutable, but a new UID may bring another. */
bool claim_looks_the_same(const struct billingaccountbinding *old, const struct billingaccountbinding *new)
{
	return old && new && same_object(&old->meta, &new->meta) && !old->meta.deleted == !new->meta.deleted &&
	       old->spec.account == new->spec.account && old->spec.project == new->spec.project &&
	       old->status.phase == new->status.phase && old->status.ended_at == new->status.ended_at &&
	       old->status.responsibility.established_at == new->status.responsibility.established_at;
}

/* Does it show its place as before (see shows())? */
static bool same_bound(const struct billingaccountbinding *old, const struct billingaccountbinding *new)
{
	const struct condition *before = bound_condition(old), *after = bound_condition(new);

	return before == after || (before && after && before->status == after->status && same_text(before->reason, after->reason) &&
				   same_text(before->message, after->message));
}

/* A winner may have waited for it. Not itself: a write that is always refused would be repeated without a pause. */
static void sibling_settled(const struct view *view, const void *object, const struct key_sink *sink)
{
	const struct billingaccountbinding *settled = object;
	struct postings siblings = view_find(view, KIND_BINDING, BINDING_BY_PROJECT, NULL, settled->spec.project);

	for (size_t i = 0; i < siblings.n; i++) {
		const struct billingaccountbinding *other = postings_object(&siblings, i);
		if (other != settled && other->status.phase == BINDING_PHASE_ABSENT)
			key_sink_add(sink, KIND_BINDING, other->meta.ns, other->meta.name);
	}
}

static void sibling_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingaccountbinding *old = before, *new = after;

	if (claim_looks_the_same(old, new) && same_bound(old, new))
		return;
	if (old)
		wake_bindings(view, sink, old->spec.project);
	if (new && (!old || old->spec.project != new->spec.project))
		wake_bindings(view, sink, new->spec.project);
}

static const struct watch_rule watches[] = {
	{ .source = KIND_BINDING, .moved = sibling_moved, .settled = sibling_settled },
	{ .source = KIND_BILLINGACCOUNT, .moved = wake_on_account },
	{ .source = KIND_PAYMENTMETHOD, .moved = wake_on_method },
	{ .source = KIND_BILLINGARRANGEMENT, .moved = wake_on_arrangement },
	{ .source = KIND_NAMESPACE, .moved = wake_on_namespace },
};

const struct reconciler billingaccountbinding_reconciler = {
	.run = run,
	.index = index_binding,
	.n_indexes = BINDING_INDEXES,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
	.validate = validate,
};
