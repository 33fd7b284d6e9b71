/*
 * Decides a PaymentMethod's status. The phase is the provider's: the sandbox's answer is copied in, any other provider
 * writes it itself. Ours are: absent becomes Pending, an Active card fails when its last month is over, InstrumentReady.
 * Invariant: a failure that someone else wrote is never cleared, and no phase is taken back that nobody gave.
 */
#include "paymentmethod_inputs.h"

#include <string.h>

#include "billingaccount.h"
#include "condition.h"
#include "hash.h"
#include "owner.h"
#include "paymentmethodclass_inputs.h"
#include "transition.h"
#include "wake.h"

#define CARD_EXPIRED "card_expired"
#define CARD_TYPE "card"

enum { SANDBOX_CARD_YEARS = 5 };

const char *method_phase_name(enum method_phase phase)
{
	static const char *const names[] = {
		[METHOD_PHASE_ABSENT] = "Pending", [METHOD_PENDING] = "Pending",
		[METHOD_AWAITING_CONFIRMATION] = "AwaitingConfirmation",
		[METHOD_ACTIVE] = "Active",        [METHOD_FAILED] = "Failed",
	};
	return names[phase];
}

static instant_t expires_at(const struct method_details *details)
{
	const struct method_card *card = details ? details->card : NULL;

	if (!card || (details->type && strcmp(details->type, CARD_TYPE) != 0))
		return 0;
	if (card->expiry_month < 1 || card->expiry_month > 12 || card->expiry_year < 1970 || card->expiry_year > 9999)
		return 0;
	return instant_after_month((int)card->expiry_year, (int)card->expiry_month);
}

instant_t method_expires_at(const struct paymentmethod *method)
{
	return expires_at(method->status.details);
}

static bool has_expired(const struct method_details *details, instant_t now)
{
	instant_t at = expires_at(details);
	return at && now >= at;
}

static const char *expiry_words(const struct method_details *details, struct arena *arena)
{
	return arena_printf(arena, "card expired at the end of %02d/%04d", (int)details->card->expiry_month,
			    (int)details->card->expiry_year);
}

/* "card declined (card_declined)": the provider's message, or its reason spelled out, then the reason as it can be looked up. */
static const char *failure_words(const char *reason, const char *message, struct arena *arena)
{
	bool has_reason = reason && *reason, has_message = message && *message;

	if (!has_reason)
		return has_message ? message : "its payment provider reports a failure";
	if (!has_message) {
		char *words = arena_strndup(arena, reason, strlen(reason));
		for (char *c = words; *c; c++)
			if (*c == '_' || *c == '-')
				*c = ' ';
		message = words;
	}
	return arena_printf(arena, "%s (%s)", message, reason);
}

bool method_usable(const struct paymentmethod *method, instant_t now, const char **why, struct arena *arena)
{
	const struct method_status *status = &method->status;

	switch (status->phase) {
	case METHOD_ACTIVE:
		if (!has_expired(status->details, now))
			return true;
		*why = failure_words(CARD_EXPIRED, expiry_words(status->details, arena), arena);
		return false;
	case METHOD_FAILED:
		*why = failure_words(status->failure_reason, status->failure_message, arena);
		return false;
	case METHOD_AWAITING_CONFIRMATION:
		*why = "awaiting confirmation";
		return false;
	case METHOD_PHASE_ABSENT:
	case METHOD_PENDING:
		break;
	}
	*why = "pending, not yet set up by its payment provider";
	return false;
}

static bool has_provider(const struct paymentmethod_inputs *in, const char *provider)
{
	return in->class && same_text(in->class->provider, provider);
}

static struct provider_request sandbox_request(const struct paymentmethod_inputs *in, struct arena *arena)
{
	const struct paymentmethod *self = in->self;
	struct provider_request request = {
		.provider = PROVIDER_SANDBOX,
		.outcome = self->sandbox_outcome,
		/* Counted from the method's creation, so that a restarted sandbox makes up the same card. */
		.card_year = instant_year(self->meta.created) + SANDBOX_CARD_YEARS,
	};
	/* Whoever writes the annotation owns the method. */
	uint64_t hash = hash_text(hash_text(HASH_EMPTY, self->sandbox_outcome), atom_text(in->class->meta.name));
	const char *token = arena_printf(arena, "%.64s/%016llx", self->meta.uid ? self->meta.uid : "", (unsigned long long)hash);
	memcpy(request.token, token, strlen(token) + 1);
	return request;
}

/* The sandbox makes up a card where there is none; details that someone wrote, or that are no card's, stay. */
static const struct method_details *details_after(const struct paymentmethod *self, const struct provider_result *result,
						  struct arena *arena)
{
	const struct method_details *observed = self->status.details;

	if (!result->has_card || (self->spec.type != METHOD_TYPE_ABSENT && self->spec.type != METHOD_CARD))
		return observed;
	if (observed && (observed->card || observed->us_bank_account || (observed->type && strcmp(observed->type, CARD_TYPE) != 0)))
		return observed;
	struct method_details *details = arena_new(arena, struct method_details);
	details->type = CARD_TYPE;
	details->card = &result->card;
	return details;
}

/* Takes over the sandbox's answer, or asks for one. */
static void ask_sandbox(const struct paymentmethod_inputs *in, struct method_status *status, struct effects *effects)
{
	const struct effect ask = { .type = EFFECT_PROVIDER, .request = sandbox_request(in, effects->arena) };

	if (!in->result || strcmp(in->result->token, ask.request.token) != 0) {
		effects_add(effects, ask);
		return;
	}
	status->phase = in->result->phase;
	status->failure_reason = in->result->failure_reason;
	status->failure_message = in->result->failure_message;
	status->details = details_after(in->self, in->result, effects->arena);
}

/* Time alone moves a phase here and nowhere else, whoever the provider is. */
static void expire(const struct paymentmethod_inputs *in, struct method_status *status, struct arena *arena)
{
	if (status->phase != METHOD_ACTIVE)
		return;
	if (has_expired(status->details, in->now)) {
		status->phase = METHOD_FAILED;
		status->failure_reason = CARD_EXPIRED;
		status->failure_message = expiry_words(status->details, arena);
	} else if (has_provider(in, PROVIDER_MANUAL) && same_text(status->failure_reason, CARD_EXPIRED)) {
		/* Staff renewed the card; the failure was ours. */
		status->failure_reason = NULL;
		status->failure_message = NULL;
	}
}

static const char *whom_it_waits_for(const struct paymentmethod_inputs *in, struct arena *arena)
{
	if (!in->class && in->self->spec.class)
		return arena_printf(arena, "PaymentMethodClass \"%s\" does not exist", in->self->spec.class->text);
	if (!in->class)
		return "no default PaymentMethodClass exists; name one in spec.paymentMethodClassRef";
	if (has_provider(in, PROVIDER_MANUAL))
		return "waiting for billing staff to confirm the payment method";
	if (has_provider(in, PROVIDER_SANDBOX) && !in->sandbox)
		return "the sandbox provider is not enabled; start tollgate with --enable-sandbox-provider";
	return arena_printf(arena, "waiting for payment provider \"%s\"", in->class->provider ? in->class->provider : "");
}

static struct condition instrument_ready(const struct paymentmethod_inputs *in, const struct method_status *status,
					 struct arena *arena)
{
	struct condition condition = { .type = "InstrumentReady", .status = CONDITION_FALSE,
				       .reason = method_phase_name(status->phase),
				       .observed_generation = in->self->meta.generation };

	if (status->phase == METHOD_ACTIVE) {
		condition.status = CONDITION_TRUE;
		condition.message = "The payment method can be charged.";
	} else if (status->phase == METHOD_FAILED) {
		condition.reason = condition_reason(status->failure_reason, condition.reason, arena);
		condition.message = failure_words(status->failure_reason, status->failure_message, arena);
	} else {
		condition.message = whom_it_waits_for(in, arena);
	}
	return condition;
}

static void tell(const struct paymentmethod *self, const struct method_status *status, struct effects *effects)
{
	const struct transition t = transition_of(&self->status.conditions, &status->conditions, "InstrumentReady");
	const char *name = self->meta.name->text;
	bool expired = same_text(status->failure_reason, CARD_EXPIRED);

	if (!transition_took_place(&t))
		return;
	if (status->phase == METHOD_ACTIVE)
		effects_tell(effects, (struct event){ .reason = "Usable", .action = "JudgingPaymentMethod",
			.note = arena_printf(effects->arena, "Payment method \"%s\" can be charged.", name) });
	if (status->phase == METHOD_FAILED)
		effects_tell(effects, (struct event){ .warning = true, .reason = expired ? "Expired" : "Failed", .action = "JudgingPaymentMethod",
			.note = arena_printf(effects->arena, "Payment method \"%s\" cannot be charged: %s. Next: %s, or use another one.", name,
					     t.after->message, expired ? "have the card renewed" : "put it right with its provider") });
}

struct outcome paymentmethod_reconcile(const struct paymentmethod_inputs *in, struct arena *arena)
{
	const struct paymentmethod *self = in->self;

	if (!self)
		return (struct outcome){ 0 };
	struct outcome outcome = { 0 };
	struct effects effects = { .arena = arena };
	struct method_status *status = arena_copy(arena, &self->status, sizeof(self->status));

	if (has_provider(in, PROVIDER_SANDBOX) && in->sandbox && !self->meta.deleted)
		ask_sandbox(in, status, &effects);
	if (status->phase == METHOD_PHASE_ABSENT)
		status->phase = METHOD_PENDING;
	expire(in, status, arena);
	status->observed_generation = self->meta.generation;
	struct condition condition = instrument_ready(in, status, arena);
	status->conditions = conditions_merge(&self->status.conditions, &condition, 1, in->now, arena);
	tell(self, status, &effects);
	outcome.status = status;
	outcome.effects = effects.items;
	outcome.n_effects = effects.n;
	if (status->phase == METHOD_ACTIVE)
		outcome.wake_at = expires_at(status->details);
	return outcome;
}

struct paymentmethod_inputs paymentmethod_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct paymentmethod_inputs in = { .now = now, .self = view_get(view, KIND_PAYMENTMETHOD, key.ns, key.name) };

	(void)arena;
	if (!in.self)
		return in;
	in.class = in.self->spec.class ? view_get(view, KIND_PAYMENTMETHODCLASS, NULL, in.self->spec.class) : class_default(view);
	in.sandbox = view_settings(view)->sandbox;
	in.result = view_provider_result(view, key);
	return in;
}

/* ---- admission ---- */

static const struct key any_class = { .kind = KIND_PAYMENTMETHODCLASS };

static struct refusal still_default(const struct admission *in, struct arena *arena)
{
	const struct object *method = in->old;
	struct postings found = view_find(in->view, KIND_BILLINGACCOUNT, ACCOUNT_BY_DEFAULT_METHOD, method->ns, method->name);

	for (size_t i = 0; i < found.n; i++) {
		const struct billingaccount *account = admission_now(in, KIND_BILLINGACCOUNT, postings_object(&found, i));
		if (!account || account->meta.deleted || account->spec.default_payment_method != method->name)
			continue;
		return refused_by(KIND_BILLINGACCOUNT, account->meta.ns, account->meta.name,
				  arena_printf(arena, "payment method \"%s\" is the default for billing account \"%s\"; name another in its "
						      "spec.defaultPaymentMethodRef first", method->name->text, account->meta.name->text));
	}
	return NOT_REFUSED;
}

static struct refusal validate(const struct admission *in, struct arena *arena)
{
	const struct paymentmethod *method = in->object;

	if (in->operation == ADMISSION_DELETE)
		return still_default(in, arena);
	if (in->operation != ADMISSION_CREATE || !method->spec.account)
		return NOT_REFUSED; /* account and class are kept by the schema */
	if (!admission_get(in, KIND_BILLINGACCOUNT, method->meta.ns, method->spec.account))
		return refused_by(KIND_BILLINGACCOUNT, method->meta.ns, method->spec.account,
				  arena_printf(arena, "spec.billingAccountRef.name: %s",
					       account_not_found(method->meta.ns, method->spec.account, arena)));
	if (method->spec.class || class_default_now(in, NULL))
		return NOT_REFUSED;
	return (struct refusal){ .message = "spec.paymentMethodClassRef: no default PaymentMethodClass exists; name one", .basis = any_class };
}

static void fill_in(const struct admission *in, struct defaults *defaults, struct arena *arena)
{
	const struct paymentmethod *method = in->object;
	const struct paymentmethodclass *class;

	(void)arena;
	if (method->spec.class)
		return;
	if ((class = class_default_now(in, NULL)))
		defaults->fields[defaults->n_fields++] = (struct field_default){ "/spec/paymentMethodClassRef/name", class->meta.name->text };
	else
		defaults->basis = any_class;
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct paymentmethod_inputs in = paymentmethod_gather(view, key, now, arena);
	return paymentmethod_reconcile(&in, arena);
}

static void index_method(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct paymentmethod *method = object;
	out[METHOD_BY_CLASS] = (struct index_key){ NULL, method->spec.class };
}

bool method_looks_the_same(const struct paymentmethod *old, const struct paymentmethod *new)
{
	return old && new && same_object(&old->meta, &new->meta) && old->spec.account == new->spec.account &&
	       old->status.phase == new->status.phase && method_expires_at(old) == method_expires_at(new) &&
	       same_text(old->status.failure_reason, new->status.failure_reason) &&
	       same_text(old->status.failure_message, new->status.failure_message);
}

static void wake_without_class(void *context, const void *object)
{
	const struct paymentmethod *method = object;

	if (!method->spec.class)
		key_sink_add(context, KIND_PAYMENTMETHOD, method->meta.ns, method->meta.name);
}

/* Methods look at the provider alone; those that name no class, at the default's. */
static void class_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct paymentmethodclass *old = before, *new = after, *any = new ? new : old;
	struct key_sink to = *sink;

	if (class_default_moved(old, new))
		view_each(view, KIND_PAYMENTMETHOD, wake_without_class, &to);
	if (!class_looks_the_same(old, new))
		wake_found(view, sink, KIND_PAYMENTMETHOD, METHOD_BY_CLASS, NULL, any->meta.name);
}

static const struct watch_rule watches[] = { { .source = KIND_PAYMENTMETHODCLASS, .moved = class_moved } };

/* ---- metrics ---- */

static unsigned class_of(const void *object)
{
	return ((const struct paymentmethod *)object)->status.phase;
}

static const char *class_value(unsigned class, unsigned label)
{
	(void)label;
	return class == METHOD_PHASE_ABSENT ? CENSUS_NONE : method_phase_name((enum method_phase)class);
}

static const struct census census = {
	.metric = "tollgate_payment_methods",
	.help = "Payment methods by phase",
	.labels = { "phase" },
	.n = METHOD_FAILED + 1,
	.of = class_of,
	.value = class_value,
};

const struct reconciler paymentmethod_reconciler = {
	.run = run,
	.index = index_method,
	.n_indexes = METHOD_INDEXES,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
	.census = &census,
	.validate = validate,
	.defaults = fill_in,
};
