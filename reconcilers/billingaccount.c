/*
 * Decides a BillingAccount's status and its finalizer. Owns the four conditions, phase and linkedProjectsCount; what
 * others write into the status (estimate, suspension, invoices) is handed on as it was observed.
 * Invariant: always all four conditions, in order; the finalizer goes only when no binding is, or can become, Active.
 */
#include "billingaccount_inputs.h"

#include "billingaccountbinding_inputs.h"
#include "condition.h"
#include "defaultmethod.h"
#include "wake.h"

struct verdict {
	enum condition_status status;
	const char *reason, *message;
};

/* What rules look at: all computed once. */
struct facts {
	const struct billingaccount_inputs *in;
	enum account_phase phase;
	struct default_method_verdict method;
	struct arena *arena;
};

static struct verdict ready(const struct facts *facts)
{
	const struct billingaccount_inputs *in = facts->in;
	const char *fault = account_validate(&in->self->spec, facts->arena), *message = "Billing account is ready.";

	if (facts->phase != ACCOUNT_READY)
		message = arena_printf(facts->arena, "Billing account is in %s phase.", account_phase_name(facts->phase));
	if (fault)
		message = arena_printf(facts->arena, "%s %s", message, fault);
	if (in->self->meta.deleted)
		message = arena_printf(facts->arena, "%s Deletion waits for %zu active binding%s.", message, in->n_active,
				       in->n_active == 1 ? "" : "s");
	if (facts->phase == ACCOUNT_READY)
		return (struct verdict){ CONDITION_TRUE, "BillingAccountReady", message };
	return (struct verdict){ CONDITION_FALSE, "BillingAccountNotReady", message };
}

/* "Unknown" is for a method that can't be looked up; a synced cache always can. */
static struct verdict default_method_ready(const struct facts *facts)
{
	static const struct verdict verdicts[] = {
		[DEFAULT_METHOD_NOT_CONFIGURED] = { CONDITION_FALSE, "NotConfigured", NULL },
		[DEFAULT_METHOD_NOT_FOUND] = { CONDITION_FALSE, "PaymentMethodNotFound", NULL },
		[DEFAULT_METHOD_DEGRADED] = { CONDITION_FALSE, "PaymentMethodDegraded", NULL },
		[DEFAULT_METHOD_READY] = { CONDITION_TRUE, "Ready", NULL },
	};
	struct verdict verdict = verdicts[facts->method.standing];

	verdict.message = facts->method.message;
	return verdict;
}

static bool paid_by_method(const struct facts *facts, struct verdict *verdict)
{
	*verdict = (struct verdict){ CONDITION_TRUE, "PaymentMethodReady", facts->method.message };
	return facts->method.standing == DEFAULT_METHOD_READY;
}

static bool method_fails(const struct facts *facts, struct verdict *verdict)
{
	*verdict = default_method_ready(facts);
	return facts->method.standing == DEFAULT_METHOD_NOT_FOUND || facts->method.standing == DEFAULT_METHOD_DEGRADED;
}

static bool not_configured(const struct facts *facts, struct verdict *verdict)
{
	*verdict = default_method_ready(facts);
	return true;
}

/* By precedence: the first that applies decides PaymentReady. Arrangements put InvoiceTerms first, Unknown and
 * ArrangementScheduled before method_fails, and ArrangementEnded before not_configured. */
static bool (*const payment_rules[])(const struct facts *, struct verdict *) = { paid_by_method, method_fails, not_configured };

static struct verdict payment_ready(const struct facts *facts)
{
	struct verdict verdict = { 0 };
	size_t rule = 0;

	while (!payment_rules[rule](facts, &verdict))
		rule++;
	return verdict;
}

static struct condition condition_of(const char *type, struct verdict verdict, const struct billingaccount *self)
{
	return (struct condition){ .type = type, .status = verdict.status, .reason = verdict.reason, .message = verdict.message,
				   .observed_generation = self->meta.generation };
}

static const struct account_status *status_of(const struct facts *facts)
{
	const struct billingaccount *self = facts->in->self;
	struct account_status *status = arena_copy(facts->arena, &self->status, sizeof(self->status));
	struct condition conditions[] = {
		condition_of("Ready", ready(facts), self),
		condition_of("DefaultPaymentMethodReady", default_method_ready(facts), self),
		condition_of("InvoicingReady", (struct verdict){ CONDITION_TRUE, "NoInvoicesYet", "No invoices yet." }, self),
		condition_of("PaymentReady", payment_ready(facts), self),
	};

	status->phase = facts->phase;
	status->linked_projects_count = (int64_t)facts->in->n_active;
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, conditions, sizeof(conditions) / sizeof(conditions[0]),
					      facts->in->now, facts->arena);
	return status;
}

struct outcome billingaccount_reconcile(const struct billingaccount_inputs *in, struct arena *arena)
{
	const struct billingaccount *self = in->self;

	if (!self)
		return (struct outcome){ 0 };
	bool held = object_has_finalizer(&self->meta, ACCOUNT_FINALIZER);
	if (self->meta.deleted && !in->n_active)
		return (struct outcome){ .finalizer = held && !in->n_unsettled ? FINALIZER_REMOVE : FINALIZER_KEEP };

	struct facts facts = {
		.in = in,
		.phase = account_phase(self),
		.method = default_method_judge(self, in->default_method, in->now, arena),
		.arena = arena,
	};
	return (struct outcome){
		.status = status_of(&facts),
		.finalizer = held || self->meta.deleted ? FINALIZER_KEEP : FINALIZER_ADD,
		.wake_at = facts.method.until,
	};
}

struct billingaccount_inputs billingaccount_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct billingaccount_inputs in = { .now = now, .self = view_get(view, KIND_BILLINGACCOUNT, key.ns, key.name) };

	(void)arena;
	if (!in.self)
		return in;
	if (in.self->spec.default_payment_method)
		in.default_method = view_get(view, KIND_PAYMENTMETHOD, key.ns, in.self->spec.default_payment_method);
	in.n_active = view_find(view, KIND_BINDING, BINDING_ACTIVE_BY_ACCOUNT, key.ns, key.name).n;
	if (in.self->meta.deleted) {
		struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_ACCOUNT, key.ns, key.name);
		for (size_t i = 0; i < bindings.n; i++)
			in.n_unsettled += !binding_gave_up(entry_object(bindings.items[i]));
	}
	return in;
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct billingaccount_inputs in = billingaccount_gather(view, key, now, arena);
	return billingaccount_reconcile(&in, arena);
}

static void index_account(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct billingaccount *account = object;
	out[ACCOUNT_BY_DEFAULT_METHOD] = (struct index_key){ account->meta.ns, account->spec.default_payment_method };
}

/* Do bindings and gates see the same account as before? Their verdicts depend on no more than this. */
static bool looks_the_same(const struct billingaccount *old, const struct billingaccount *new)
{
	const struct account_suspension *before = old->status.suspension, *after = new->status.suspension;

	return account_phase(old) == account_phase(new) && !old->meta.deleted == !new->meta.deleted &&
	       old->spec.default_payment_method == new->spec.default_payment_method &&
	       same_text(before ? before->reason : NULL, after ? after->reason : NULL);
}

static void changed(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingaccount *old = before, *new = after, *any = new ? new : old;

	key_sink_add(sink, KIND_BILLINGACCOUNT, any->meta.ns, any->meta.name);
	if (!same_object(before, after) || !looks_the_same(old, new))
		wake_account_projects(view, sink, any->meta.ns, any->meta.name);
}

const struct reconciler billingaccount_reconciler = {
	.run = run,
	.index = index_account,
	.n_indexes = ACCOUNT_INDEXES,
	.changed = changed,
	.finalizer = ACCOUNT_FINALIZER,
};
