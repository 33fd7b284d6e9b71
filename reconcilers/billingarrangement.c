/*
 * Decides a BillingArrangement's status: the phase follows from its window and the time, and the condition Active says it again with
 * what people should know: whether it applies, until when, and what is wrong with it.
 * Invariant: no phase is remembered; a clock that jumps back takes it back too.
 */
#include "billingarrangement_inputs.h"

#include <string.h>

#include "condition.h"
#include "owner.h"
#include "payment.h"
#include "transition.h"
#include "wake.h"

#define IN_FORCE "In force"

instant_t arrangement_starts_at(const struct billingarrangement *arrangement)
{
	return arrangement->spec.starts_at ? arrangement->spec.starts_at : arrangement->meta.created;
}

enum arrangement_phase arrangement_phase(const struct billingarrangement *arrangement, instant_t now)
{
	instant_t start = arrangement_starts_at(arrangement), end = arrangement->spec.ends_at;

	if (end && (end <= now || end <= start))
		return ARRANGEMENT_ENDED;
	return start > now ? ARRANGEMENT_SCHEDULED : ARRANGEMENT_ACTIVE;
}

instant_t arrangement_turns_at(const struct billingarrangement *arrangement, instant_t now)
{
	enum arrangement_phase phase = arrangement_phase(arrangement, now);

	if (phase == ARRANGEMENT_ENDED)
		return 0;
	return phase == ARRANGEMENT_SCHEDULED ? arrangement_starts_at(arrangement) : arrangement->spec.ends_at;
}

static const char *phase_name(enum arrangement_phase phase)
{
	static const char *const names[] = {
		[ARRANGEMENT_PHASE_ABSENT] = "", [ARRANGEMENT_SCHEDULED] = "Scheduled",
		[ARRANGEMENT_ACTIVE] = "Active", [ARRANGEMENT_ENDED] = "Ended",
	};
	return names[phase];
}

/* Half-open windows overlap when each starts before the other ends. */
static bool overlap(const struct billingarrangement *a, const struct billingarrangement *b)
{
	instant_t a_end = a->spec.ends_at ? a->spec.ends_at : INT64_MAX, b_end = b->spec.ends_at ? b->spec.ends_at : INT64_MAX;

	return arrangement_starts_at(a) < b_end && arrangement_starts_at(b) < a_end;
}

/* Would both apply, now or later? */
static bool overlaps(const struct billingarrangement *self, const struct billingarrangement *other, const struct billingaccount *account,
		     instant_t now)
{
	return !other->meta.deleted && owned_by(&other->meta, &other->owners, account) &&
	       arrangement_phase(other, now) != ARRANGEMENT_ENDED && overlap(self, other);
}

/* The first of those that go before this one where both apply, now or later; NULL if it is alone. */
static const struct billingarrangement *overlapped(const struct billingarrangement_inputs *in)
{
	const struct billingarrangement *self = in->self, *first = NULL;

	for (size_t i = 0; i < in->means.n_arrangements; i++) {
		const struct billingarrangement *other = in->means.arrangements[i];
		if (other == self || !overlaps(self, other, in->account, in->now))
			continue;
		if (arrangement_precedes(other, self) && (!first || arrangement_precedes(other, first)))
			first = other;
	}
	return first;
}

/* Why it does not apply although its window may say so; NULL if it does. */
static const char *obstacle(const struct billingarrangement_inputs *in, enum arrangement_phase phase, instant_t *until,
			    struct arena *arena)
{
	const struct billingarrangement *self = in->self, *other;

	if (self->spec.type != ARRANGEMENT_INVOICE)
		return "It grants nothing: spec.type is not Invoice.";
	if (!in->account)
		return account_not_found(self->meta.ns, self->spec.account, arena);
	if (!owned_by(&self->meta, &self->owners, in->account))
		return owner_fault(&self->meta, &self->owners, in->account, arena);
	if (self->spec.ends_at && self->spec.ends_at <= arrangement_starts_at(self))
		return "Withdrawn: it never applies, because spec.endsAt is not after its start.";
	if (phase == ARRANGEMENT_ENDED || !(other = overlapped(in)))
		return NULL;
	*until = arrangement_turns_at(other, in->now);
	return arena_printf(arena, "overlaps arrangement \"%s\", which starts earlier and decides as long as both apply",
			    other->meta.name->text);
}

static const char *moment_words(const char *words, instant_t moment, struct arena *arena)
{
	char text[INSTANT_TEXT_SIZE];

	return arena_printf(arena, "%s %s.", words, instant_format(moment, text));
}

static const char *message(const struct billingarrangement *self, enum arrangement_phase phase, struct arena *arena)
{
	if (phase == ARRANGEMENT_ENDED)
		return moment_words("Ended at", self->spec.ends_at, arena);
	if (phase == ARRANGEMENT_SCHEDULED)
		return moment_words("Starts at", arrangement_starts_at(self), arena);
	return self->spec.ends_at ? moment_words(IN_FORCE " until", self->spec.ends_at, arena) : IN_FORCE ".";
}

/* What a status says of it: its phase alone does not tell whether it applies. */
enum force { FORCE_NOT_YET = 0, FORCE_APPLIES, FORCE_HINDERED, FORCE_OVER };

static enum force force_said(const struct arrangement_status *status)
{
	const struct condition *active = condition_find(&status->conditions, "Active");

	if (status->phase == ARRANGEMENT_ENDED)
		return FORCE_OVER;
	if (status->phase != ARRANGEMENT_ACTIVE)
		return FORCE_NOT_YET;
	return active && active->message && !strncmp(active->message, IN_FORCE, strlen(IN_FORCE)) ? FORCE_APPLIES : FORCE_HINDERED;
}

/* By what the account pays once this one is over. */
static const char *what_applies(const struct billingarrangement_inputs *in, bool *nothing, struct arena *arena)
{
	if (!in->account)
		return "";
	struct payment_verdict payment = payment_judge(in->account, &in->means, in->now, arena);
	*nothing = !payment.ready;
	if (payment.in_force)
		return arena_printf(arena, " Arrangement \"%s\" applies now.", payment.in_force->meta.name->text);
	if (payment.ready)
		return arena_printf(arena, " The account pays by its default payment method \"%s\" now.",
				    atom_text(in->account->spec.default_payment_method));
	return " The account cannot pay now, so its projects may not deploy. Next: set its spec.defaultPaymentMethodRef to an Active payment "
	       "method, or have another arrangement granted.";
}

static const char *sentence(const char *words, struct arena *arena)
{
	size_t len = strlen(words);

	return words[len - 1] != '.' ? arena_printf(arena, "%s.", words) : words;
}

static void tell(const struct billingarrangement_inputs *in, const struct arrangement_status *status, struct effects *effects)
{
	const struct arrangement_status *observed = &in->self->status;
	enum force force = force_said(status);
	const char *words = sentence(status->conditions.items[0].message, effects->arena);
	bool nothing = false;

	if (force == force_said(observed))
		return;
	if (force == FORCE_APPLIES)
		effects_tell(effects, (struct event){ .reason = "InForce", .action = "ApplyingArrangement",
			.note = arena_printf(effects->arena, "%s Billing account \"%s\" pays by invoice.", words,
					     atom_text(in->self->spec.account)) });
	if (force == FORCE_HINDERED)
		effects_tell(effects, (struct event){ .warning = true, .reason = "NotApplied", .action = "ApplyingArrangement",
			.note = arena_printf(effects->arena, "The arrangement does not apply: %s", words) });
	if (force == FORCE_OVER && observed->phase != ARRANGEMENT_PHASE_ABSENT) {
		const char *note = arena_printf(effects->arena, "%s%s", words, what_applies(in, &nothing, effects->arena));
		effects_tell(effects, (struct event){ .warning = nothing, .reason = "Ended", .action = "EndingArrangement", .note = note });
	}
}

struct outcome billingarrangement_reconcile(const struct billingarrangement_inputs *in, struct arena *arena)
{
	const struct billingarrangement *self = in->self;

	if (!self)
		return (struct outcome){ 0 };
	enum arrangement_phase phase = arrangement_phase(self, in->now);
	instant_t until = 0;
	const char *fault = obstacle(in, phase, &until, arena);
	struct arrangement_status *status = arena_copy(arena, &self->status, sizeof(self->status));
	struct condition condition = {
		.type = "Active",
		.status = phase == ARRANGEMENT_ACTIVE ? CONDITION_TRUE : CONDITION_FALSE,
		.reason = phase_name(phase),
		.message = fault ? fault : message(self, phase, arena),
		.observed_generation = self->meta.generation,
	};

	status->phase = phase;
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, &condition, 1, in->now, arena);
	struct effects effects = { .arena = arena };
	tell(in, status, &effects);
	return (struct outcome){
		.status = status,
		.effects = effects.items,
		.n_effects = effects.n,
		.owner = owner_wanted(&self->meta, &self->owners, in->account, arena),
		.wake_at = sooner_of(until, arrangement_turns_at(self, in->now)),
	};
}

struct billingarrangement_inputs billingarrangement_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct billingarrangement_inputs in = { .now = now, .self = view_get(view, KIND_BILLINGARRANGEMENT, key.ns, key.name) };

	if (!in.self || !in.self->spec.account)
		return in;
	in.account = view_get(view, KIND_BILLINGACCOUNT, key.ns, in.self->spec.account);
	in.means = payment_gather(view, in.account, arena);
	return in;
}

/* ---- admission ---- */

/* A window that only shrinks overlaps nothing that it did not overlap before: so an arrangement can always be ended or withdrawn. */
static bool within(const struct billingarrangement *new, const struct billingarrangement *old)
{
	return arrangement_starts_at(new) >= arrangement_starts_at(old) &&
	       (!old->spec.ends_at || (new->spec.ends_at && new->spec.ends_at <= old->spec.ends_at));
}

static const char *window_words(const struct billingarrangement *one, struct arena *arena)
{
	char start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE];

	return arena_printf(arena, "from %s, %s%s", instant_format(arrangement_starts_at(one), start),
			    one->spec.ends_at ? "until " : "without an end: set its endsAt first",
			    one->spec.ends_at ? instant_format(one->spec.ends_at, end) : "");
}

static struct refusal overlap_refusal(const struct admission *in, const struct billingarrangement *self, struct arena *arena)
{
	struct postings found =
		view_find(in->view, KIND_BILLINGARRANGEMENT, ARRANGEMENT_BY_ACCOUNT, self->meta.ns, self->spec.account);
	const struct billingaccount *account = admission_get(in, KIND_BILLINGACCOUNT, self->meta.ns, self->spec.account);

	for (size_t i = 0; i < found.n; i++) {
		const struct billingarrangement *other = admission_now(in, KIND_BILLINGARRANGEMENT, postings_object(&found, i));
		if (other && other->meta.name != self->meta.name && account && overlaps(self, other, account, in->now))
			return refused_by(KIND_BILLINGARRANGEMENT, other->meta.ns, other->meta.name,
					  arena_printf(arena, "spec.startsAt, spec.endsAt: overlaps arrangement \"%s\" (%s)", other->meta.name->text,
						       window_words(other, arena)));
	}
	return NOT_REFUSED;
}

static struct refusal validate(const struct admission *in, struct arena *arena)
{
	const struct billingarrangement *self = in->object, *old = in->old;

	if (in->operation == ADMISSION_DELETE || !self->spec.account)
		return NOT_REFUSED;
	struct refusal refusal = old ? owner_left(in, &old->meta, &old->owners, &self->owners, self->spec.account, arena) :
				       owner_refusal(in, &self->meta, &self->owners, self->spec.account, arena);
	if (refusal.message)
		return refusal;
	if ((old && within(self, old)) || arrangement_phase(self, in->now) == ARRANGEMENT_ENDED)
		return NOT_REFUSED;
	return overlap_refusal(in, self, arena);
}

static void fill_in(const struct admission *in, struct defaults *defaults, struct arena *arena)
{
	const struct billingarrangement *self = in->object;
	char text[INSTANT_TEXT_SIZE];

	if (!self->spec.starts_at)
		defaults->fields[defaults->n_fields++] = (struct field_default){
			"/spec/startsAt", arena_printf(arena, "%s", instant_format(instant_second(in->now), text)) };
	owner_default(in, &self->meta, &self->owners, self->spec.account, defaults, arena);
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct billingarrangement_inputs in = billingarrangement_gather(view, key, now, arena);
	return billingarrangement_reconcile(&in, arena);
}

static void index_arrangement(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct billingarrangement *arrangement = object;
	out[ARRANGEMENT_BY_ACCOUNT] = (struct index_key){ arrangement->meta.ns, arrangement->spec.account };
}

/* Its status follows from these and from the time: the phase shows a moment that came before its first decision, which none was left to
 * be told of. A new spec has a new generation. */
bool arrangement_looks_the_same(const struct billingarrangement *old, const struct billingarrangement *new)
{
	return old && new && same_object(&old->meta, &new->meta) && old->meta.generation == new->meta.generation &&
	       old->status.phase == new->status.phase && !old->meta.deleted == !new->meta.deleted && same_owners(&old->owners, &new->owners);
}

static void account_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct object *any = after ? after : before;

	if (!same_object(before, after))
		wake_found(view, sink, KIND_BILLINGARRANGEMENT, ARRANGEMENT_BY_ACCOUNT, any->ns, any->name);
}

static void sibling_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingarrangement *old = before, *new = after;

	if (arrangement_looks_the_same(old, new))
		return;
	if (old)
		wake_found(view, sink, KIND_BILLINGARRANGEMENT, ARRANGEMENT_BY_ACCOUNT, old->meta.ns, old->spec.account);
	if (new)
		wake_found(view, sink, KIND_BILLINGARRANGEMENT, ARRANGEMENT_BY_ACCOUNT, new->meta.ns, new->spec.account);
}

static const struct watch_rule watches[] = {
	{ .source = KIND_BILLINGACCOUNT, .moved = account_moved },
	{ .source = KIND_BILLINGARRANGEMENT, .moved = sibling_moved },
};

const struct reconciler billingarrangement_reconciler = {
	.run = run,
	.index = index_arrangement,
	.n_indexes = ARRANGEMENT_INDEXES,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
	.validate = validate,
	.defaults = fill_in,
	.judges_metadata = true,
};
