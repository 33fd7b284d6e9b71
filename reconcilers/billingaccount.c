/*
 * Decides a BillingAccount's status and its finalizer. Owns the four conditions, the phase, the counts, what is outstanding and the
 * arrangement in force; what others write into the status (estimate, suspension, credit) is handed on as it was observed.
 * Invariants: always all four conditions, in order; an account is deleted or closed only when no binding is, or can become, Active.
 */
#include "billingaccount_inputs.h"

#include <string.h>

#include "billingaccountbinding_inputs.h"
#include "billingarrangement_inputs.h"
#include "condition.h"
#include "invoice_inputs.h"
#include "invoicing.h"
#include "payment.h"
#include "paymentmethod_inputs.h"
#include "transition.h"
#include "wake.h"

/* How Ready says what people are told of once: by these words it is known that they were. */
#define IN_PHASE "Billing account is in "
#define DELETION_WAITS "Deletion waits for "
#define CLOSURE_WAITS "Closure is requested; it waits for "

struct verdict {
	enum condition_status status;
	const char *reason, *message;
};

/* What rules look at: all computed once. */
struct facts {
	const struct billingaccount_inputs *in;
	enum account_phase phase;
	struct payment_verdict payment;
	struct invoicing_verdict invoicing;
	const char *closure_obstacle; /* while it is closing */
	struct arena *arena;
};

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Why a requested closure has not come about; NULL when nothing stands in the way. */
static const char *closure_obstacle(const struct facts *facts)
{
	const struct billingaccount_inputs *in = facts->in;
	const struct invoicing_verdict *invoicing = &facts->invoicing;
	const char *bindings = "", *invoices = "";

	if (in->self->status.phase == ACCOUNT_SUSPENDED)
		return CLOSURE_WAITS "billing staff, because the account is suspended.";
	if (in->n_active)
		bindings = arena_printf(facts->arena, "%zu active binding%s", in->n_active, plural(in->n_active));
	else if (in->n_unsettled)
		bindings = arena_printf(facts->arena, "%zu binding%s under way", in->n_unsettled, plural(in->n_unsettled));
	if (invoicing->n_unpaid)
		invoices = arena_printf(facts->arena, "%zu unpaid invoice%s (the oldest is %s)", invoicing->n_unpaid,
					plural(invoicing->n_unpaid), invoicing->unpaid->meta.name->text);
	if (!*bindings && !*invoices)
		return NULL;
	return arena_printf(facts->arena, CLOSURE_WAITS "%s%s%s.", bindings, *bindings && *invoices ? " and " : "", invoices);
}

static bool closing(const struct billingaccount *account)
{
	return account->spec.closure_requested == YES && account->status.phase != ACCOUNT_ARCHIVED && !account->meta.deleted;
}

static bool waits_for_bindings(const struct billingaccount *account)
{
	return account && (account->meta.deleted || closing(account));
}

static struct verdict ready(const struct facts *facts)
{
	const struct billingaccount_inputs *in = facts->in;
	const char *fault = account_validate(&in->self->spec, facts->arena), *message = "Billing account is ready.";

	if (facts->phase != ACCOUNT_READY)
		message = arena_printf(facts->arena, IN_PHASE "%s phase.", account_phase_name(facts->phase));
	if (fault)
		message = arena_printf(facts->arena, "%s %s", message, fault);
	if (in->self->meta.deleted)
		message = arena_printf(facts->arena, "%s " DELETION_WAITS "%zu active binding%s.", message, in->n_active,
				       plural(in->n_active));
	if (facts->closure_obstacle)
		message = arena_printf(facts->arena, "%s %s", message, facts->closure_obstacle);
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
	struct verdict verdict = verdicts[facts->payment.method.standing];

	verdict.message = facts->payment.method.message;
	return verdict;
}

/* The newest invoice decides; what could not be counted is named in any case. */
static struct verdict invoicing_ready(const struct facts *facts)
{
	const struct invoicing_verdict *invoicing = &facts->invoicing;
	struct verdict verdict = { CONDITION_TRUE, "NoInvoicesYet", "No invoices yet." };

	if (invoicing->latest && invoicing->phase == INVOICE_PAST_DUE) {
		verdict = (struct verdict){ CONDITION_FALSE, "PastDue", NULL };
		verdict.message = arena_printf(facts->arena, "invoice %s is past due", invoicing->latest->meta.name->text);
	} else if (invoicing->latest) {
		verdict.reason = "Current";
		verdict.message = arena_printf(facts->arena, "invoice %s is %s", invoicing->latest->meta.name->text,
					       invoicing->phase == INVOICE_PAID ? "paid" : "open and not due yet");
	} else if (invoicing->pending) {
		verdict = (struct verdict){ CONDITION_UNKNOWN, "PhasePending", NULL };
		verdict.message = arena_printf(facts->arena, "invoice %s has no phase yet", invoicing->pending->meta.name->text);
	}
	if (invoicing->n_past_due && verdict.status != CONDITION_FALSE)
		verdict.message = arena_printf(facts->arena, "%s; %zu older invoice%s past due (the oldest is %s)", verdict.message,
					       invoicing->n_past_due, invoicing->n_past_due == 1 ? " is" : "s are",
					       invoicing->past_due->meta.name->text);
	if (invoicing->n_left_out)
		verdict.message = arena_printf(facts->arena, "%s; outstandingAmount leaves out %zu invoice%s that cannot be counted: %s: %s",
					       verdict.message, invoicing->n_left_out, plural(invoicing->n_left_out),
					       invoicing->left_out->meta.name->text, invoicing->left_out_fault);
	return verdict;
}

/* "Arrangement "acme-terms" starts at 2027-01-01T00:00:00Z.": moment 0 leaves the last words out. */
static const char *arrangement_words(const struct facts *facts, const struct billingarrangement *one, const char *words, instant_t moment)
{
	char text[INSTANT_TEXT_SIZE];

	return arena_printf(facts->arena, "Arrangement \"%s\" %s%s.", one->meta.name->text, words,
			    moment ? instant_format(moment, text) : "");
}

static bool paid_by_terms(const struct facts *facts, struct verdict *verdict)
{
	const struct billingarrangement *terms = facts->payment.in_force;

	if (!terms)
		return false;
	*verdict = (struct verdict){ CONDITION_TRUE, "InvoiceTerms", NULL };
	verdict->message = arrangement_words(facts, terms, terms->spec.ends_at ? "grants payment by invoice until " : "grants payment by invoice",
					     terms->spec.ends_at);
	return true;
}

static bool paid_by_method(const struct facts *facts, struct verdict *verdict)
{
	*verdict = (struct verdict){ CONDITION_TRUE, "PaymentMethodReady", facts->payment.method.message };
	return facts->payment.method.standing == DEFAULT_METHOD_READY;
}

static bool terms_to_come(const struct facts *facts, struct verdict *verdict)
{
	const struct billingarrangement *terms = facts->payment.scheduled;

	if (!terms)
		return false;
	*verdict = (struct verdict){ CONDITION_FALSE, "ArrangementScheduled",
				     arrangement_words(facts, terms, "starts at ", arrangement_starts_at(terms)) };
	return true;
}

static bool method_fails(const struct facts *facts, struct verdict *verdict)
{
	*verdict = default_method_ready(facts);
	return facts->payment.method.standing == DEFAULT_METHOD_NOT_FOUND || facts->payment.method.standing == DEFAULT_METHOD_DEGRADED;
}

static bool terms_over(const struct facts *facts, struct verdict *verdict)
{
	const struct billingarrangement *terms = facts->payment.ended;

	if (!terms)
		return false;
	*verdict = (struct verdict){ CONDITION_FALSE, "ArrangementEnded", NULL };
	verdict->message = arena_printf(facts->arena, "%s %s", arrangement_words(facts, terms, "ended at ", terms->spec.ends_at),
					facts->payment.method.message);
	return true;
}

static bool not_configured(const struct facts *facts, struct verdict *verdict)
{
	*verdict = default_method_ready(facts);
	return true;
}

/* By precedence: the first that applies decides PaymentReady. "Unknown", which would come third, is for what can't be looked up; a
 * cache that is in step always can. */
static bool (*const payment_rules[])(const struct facts *, struct verdict *) = { paid_by_terms, paid_by_method, terms_to_come,
										 method_fails,  terms_over,     not_configured };

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

/* What the account shows of the arrangement in force. */
static const struct account_arrangement *arrangement_shown(const struct facts *facts)
{
	const struct billingarrangement *terms = facts->payment.in_force;

	if (!terms)
		return NULL;
	struct account_arrangement *shown = arena_new(facts->arena, struct account_arrangement);
	*shown = (struct account_arrangement){ .name = terms->meta.name->text, .type = terms->spec.type,
					       .starts_at = arrangement_starts_at(terms), .ends_at = terms->spec.ends_at,
					       .invoice = terms->spec.invoice };
	return shown;
}

static const struct account_status *status_of(const struct facts *facts)
{
	const struct billingaccount *self = facts->in->self;
	struct account_status *status = arena_copy(facts->arena, &self->status, sizeof(self->status));
	struct condition conditions[] = {
		condition_of("Ready", ready(facts), self),
		condition_of("DefaultPaymentMethodReady", default_method_ready(facts), self),
		condition_of("InvoicingReady", invoicing_ready(facts), self),
		condition_of("PaymentReady", payment_ready(facts), self),
	};

	status->phase = facts->phase;
	status->linked_projects_count = (int64_t)facts->in->n_active;
	status->latest_invoice = facts->invoicing.latest ? facts->invoicing.latest->meta.name->text : NULL;
	status->action_required_count = (int64_t)facts->invoicing.n_action_required;
	status->outstanding_amount = facts->invoicing.outstanding;
	status->payment_arrangement = arrangement_shown(facts);
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, conditions, sizeof(conditions) / sizeof(conditions[0]),
					      facts->in->now, facts->arena);
	return status;
}

/* ---- what people are told ---- */

/* Did the status say so on an earlier turn? Who suspends an account writes its phase, so only our own words tell. */
static bool said(const struct facts *facts, const char *words)
{
	const struct condition *ready = condition_find(&facts->in->self->status.conditions, "Ready");

	return ready && ready->message && strstr(ready->message, words);
}

static void tell_of_suspension(const struct facts *facts, struct effects *effects)
{
	const struct billingaccount *self = facts->in->self;
	const struct account_suspension *suspension = self->status.suspension;
	const char *name = self->meta.name->text, *why = suspension && suspension->reason ? suspension->reason : "";
	bool is = facts->phase == ACCOUNT_SUSPENDED, was = said(facts, IN_PHASE "Suspended phase.");

	if (is && !was)
		effects_tell(effects, (struct event){ .warning = true, .reason = "Suspended", .action = "Suspending",
			.note = arena_printf(facts->arena, "Billing account \"%s\" is suspended%s%s. Projects billed to it may not deploy. "
					     "Next: settle it with billing staff.", name, *why ? ": " : "", why) });
	if (was && !is)
		effects_tell(effects, (struct event){ .reason = "Resumed", .action = "Resuming",
			.note = arena_printf(facts->arena, "Billing account \"%s\" is not suspended any more.", name) });
}

static void tell_of_closure(const struct facts *facts, struct effects *effects)
{
	const char *name = facts->in->self->meta.name->text;

	if (facts->phase == ACCOUNT_ARCHIVED && !said(facts, IN_PHASE "Archived phase."))
		effects_tell(effects, (struct event){ .reason = "Closed", .action = "Closing",
			.note = arena_printf(facts->arena, "Billing account \"%s\" is closed and takes no bindings any more.", name) });
	if (facts->closure_obstacle && !said(facts, CLOSURE_WAITS))
		effects_tell(effects, (struct event){ .warning = true, .reason = "ClosureBlocked", .action = "Closing",
			.note = arena_printf(facts->arena, "%s Next: %s.", facts->closure_obstacle,
					     facts->phase == ACCOUNT_SUSPENDED ? "settle it with billing staff" :
										 "delete its bindings and settle its invoices") });
}

/* Once, and not for each of a thousand bindings that go. */
static void tell_of_deletion(const struct facts *facts, struct effects *effects)
{
	size_t n = facts->in->n_active;

	if (facts->in->self->meta.deleted && !said(facts, DELETION_WAITS))
		effects_tell(effects, (struct event){ .warning = true, .reason = "DeletionBlocked", .action = "Deleting",
			.note = arena_printf(facts->arena, DELETION_WAITS "%zu active binding%s. Next: delete %s, or bind the project%s to another "
					     "account.", n, plural(n), n == 1 ? "it" : "them", plural(n)) });
}

static void tell_of_method(const struct facts *facts, const struct account_status *status, struct effects *effects)
{
	const struct billingaccount *self = facts->in->self;
	const struct transition t = transition_of(&self->status.conditions, &status->conditions, "DefaultPaymentMethodReady");
	enum default_method standing = facts->payment.method.standing;

	if (self->meta.deleted || !transition_took_place(&t)) /* what goes may lose its methods first */
		return;
	if (standing == DEFAULT_METHOD_NOT_FOUND || standing == DEFAULT_METHOD_DEGRADED)
		effects_tell(effects, (struct event){ .warning = true, .reason = t.after->reason, .action = "JudgingDefaultPaymentMethod",
			.note = arena_printf(facts->arena, "The default %s. Next: put that right, or name another Active payment method in "
					     "spec.defaultPaymentMethodRef.", t.after->message) });
	else if (standing == DEFAULT_METHOD_READY &&
		 (transition_is_from(&t, "PaymentMethodNotFound") || transition_is_from(&t, "PaymentMethodDegraded")))
		effects_tell(effects, (struct event){ .reason = "DefaultPaymentMethodReady", .action = "JudgingDefaultPaymentMethod",
			.note = arena_printf(facts->arena, "The default payment method \"%s\" can be used.",
					     atom_text(self->spec.default_payment_method)) });
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
		.payment = payment_judge(self, &in->means, in->now, arena),
		.invoicing = invoicing_judge(self, in->invoices, in->n_invoices, in->now, arena),
		.arena = arena,
	};
	if (closing(self)) {
		facts.closure_obstacle = closure_obstacle(&facts);
		if (!facts.closure_obstacle)
			facts.phase = ACCOUNT_ARCHIVED;
	}
	const struct account_status *status = status_of(&facts);
	struct effects effects = { .arena = arena };
	tell_of_suspension(&facts, &effects);
	tell_of_closure(&facts, &effects);
	tell_of_deletion(&facts, &effects);
	tell_of_method(&facts, status, &effects);
	return (struct outcome){
		.status = status,
		.finalizer = held || self->meta.deleted ? FINALIZER_KEEP : FINALIZER_ADD,
		.effects = effects.items,
		.n_effects = effects.n,
		.wake_at = sooner_of(facts.payment.until, facts.invoicing.until),
	};
}

/* Bindings that may become Active although they do not show it yet, because their write may be on its way. What is decided from now on
 * knows that the account is to be deleted or closed. */
static size_t count_unsettled(const struct view *view, const struct billingaccount *self)
{
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_NEW_BY_ACCOUNT, self->meta.ns, self->meta.name);
	size_t n = 0;

	for (size_t i = 0; i < bindings.n; i++) {
		const struct key key = postings_key(&bindings, i);
		n += view_unsettled(view, KIND_BINDING, key.ns, key.name);
	}
	return n;
}

struct billingaccount_inputs billingaccount_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct billingaccount_inputs in = { .now = now, .self = view_get(view, KIND_BILLINGACCOUNT, key.ns, key.name) };

	if (!in.self)
		return in;
	in.means = payment_gather(view, in.self, arena);
	struct postings invoices = view_find(view, KIND_INVOICE, INVOICE_BY_ACCOUNT, key.ns, key.name);
	const struct invoice **list = arena_array(arena, const struct invoice *, invoices.n);
	for (size_t i = 0; i < invoices.n; i++)
		list[i] = postings_object(&invoices, i);
	in.invoices = list;
	in.n_invoices = invoices.n;
	in.n_active = view_find(view, KIND_BINDING, BINDING_ACTIVE_BY_ACCOUNT, key.ns, key.name).n;
	if (waits_for_bindings(in.self))
		in.n_unsettled = count_unsettled(view, in.self);
	return in;
}

/* ---- admission ---- */

/* Looked at when the reference changes: later on the method may fail, and the conditions say so. */
static struct refusal unfit_default(const struct admission *in, struct arena *arena)
{
	const struct billingaccount *account = in->object, *old = in->old;
	atom_t name = account->spec.default_payment_method;

	if (!name || (old && old->spec.default_payment_method == name))
		return NOT_REFUSED;
	const struct paymentmethod *method = admission_get(in, KIND_PAYMENTMETHOD, account->meta.ns, name);
	struct default_method_verdict verdict = default_method_judge(account, method, in->now, arena);
	if (verdict.standing == DEFAULT_METHOD_READY)
		return NOT_REFUSED;
	return refused_by(KIND_PAYMENTMETHOD, account->meta.ns, name,
			  arena_printf(arena, "spec.defaultPaymentMethodRef.name: only Active payment methods may be designated as default: %s%s",
				       verdict.message, old ? "" : "; create the account without it, then the method, and choose it once it is Active"));
}

/* The finalizer would keep it anyway, but a deletion that has begun cannot be taken back. */
static struct refusal still_paying(const struct admission *in, struct arena *arena)
{
	const struct billingaccount *account = in->old;
	struct postings active = view_find(in->view, KIND_BINDING, BINDING_ACTIVE_BY_ACCOUNT, account->meta.ns, account->meta.name);

	for (size_t i = 0; i < active.n; i++) {
		const struct billingaccountbinding *binding = admission_now(in, KIND_BINDING, postings_object(&active, i));
		if (!binding || binding->status.phase != BINDING_ACTIVE || binding->spec.account != account->meta.name)
			continue;
		return refused_by(KIND_BINDING, binding->meta.ns, binding->meta.name,
				  arena_printf(arena, "billing account has active binding \"%s\" (project \"%s\"), one of %zu; delete the bindings of \"%s\" first",
					       binding->meta.name->text, atom_text(binding->spec.project), active.n, account->meta.name->text));
	}
	return NOT_REFUSED;
}

static struct refusal validate(const struct admission *in, struct arena *arena)
{
	const struct billingaccount *account = in->object;

	if (in->operation == ADMISSION_DELETE)
		return still_paying(in, arena);
	const char *fault = account_validate(&account->spec, arena);
	return fault ? refused_as_such(fault) : unfit_default(in, arena);
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

/* Their verdicts depend on no more than this. */
bool account_looks_the_same(const struct billingaccount *old, const struct billingaccount *new)
{
	const struct account_suspension *before = old ? old->status.suspension : NULL, *after = new ? new->status.suspension : NULL;

	return old && new && same_object(&old->meta, &new->meta) && account_phase(old) == account_phase(new) &&
	       !old->meta.deleted == !new->meta.deleted && old->spec.default_payment_method == new->spec.default_payment_method &&
	       old->spec.closure_requested == new->spec.closure_requested &&
	       same_text(before ? before->reason : NULL, after ? after->reason : NULL);
}

static const struct billingaccount *account_of(const struct view *view, const struct billingaccountbinding *binding)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a rule is told of an old record, a new one or both */
	return binding->spec.account ? view_get(view, KIND_BILLINGACCOUNT, binding->meta.ns, binding->spec.account) : NULL;
}

static void binding_settled(const struct view *view, const void *object, const struct key_sink *sink)
{
	const struct billingaccountbinding *binding = object;

	if (waits_for_bindings(account_of(view, binding)))
		key_sink_add(sink, KIND_BILLINGACCOUNT, binding->meta.ns, binding->spec.account);
}

/* It counts Active bindings, which can wait: the next thousand may be its too. While it is to be deleted or closed it waits for each
 * to settle, and so do people. */
static void binding_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingaccountbinding *old = before, *new = after, *any = new ? new : old;
	bool was = old && old->status.phase == BINDING_ACTIVE, is = new && new->status.phase == BINDING_ACTIVE;
	bool elsewhere = old && old->spec.account != any->spec.account; /* deleted and made anew within one event */

	if (waits_for_bindings(account_of(view, any)))
		key_sink_add(sink, KIND_BILLINGACCOUNT, any->meta.ns, any->spec.account);
	else if (was != is || elsewhere)
		key_sink_add_later(sink, KIND_BILLINGACCOUNT, any->meta.ns, any->spec.account);
	if (elsewhere)
		key_sink_add(sink, KIND_BILLINGACCOUNT, old->meta.ns, old->spec.account);
}

static void method_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct object *any = after ? after : before;

	if (!method_looks_the_same(before, after))
		wake_found(view, sink, KIND_BILLINGACCOUNT, ACCOUNT_BY_DEFAULT_METHOD, any->ns, any->name);
}

static void arrangement_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingarrangement *old = before, *new = after;

	(void)view;
	if (arrangement_looks_the_same(old, new))
		return;
	if (old)
		key_sink_add(sink, KIND_BILLINGACCOUNT, old->meta.ns, old->spec.account);
	if (new)
		key_sink_add(sink, KIND_BILLINGACCOUNT, new->meta.ns, new->spec.account);
}

static void invoice_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct invoice *old = before, *new = after;

	(void)view;
	if (invoice_looks_the_same(old, new))
		return;
	if (old)
		key_sink_add(sink, KIND_BILLINGACCOUNT, old->meta.ns, old->spec.account);
	if (new)
		key_sink_add(sink, KIND_BILLINGACCOUNT, new->meta.ns, new->spec.account);
}

static const struct watch_rule watches[] = {
	{ .source = KIND_BINDING, .moved = binding_moved, .settled = binding_settled },
	{ .source = KIND_PAYMENTMETHOD, .moved = method_moved },
	{ .source = KIND_BILLINGARRANGEMENT, .moved = arrangement_moved },
	{ .source = KIND_INVOICE, .moved = invoice_moved },
};

/* ---- metrics ---- */

static unsigned class_of(const void *object)
{
	return ((const struct billingaccount *)object)->status.phase;
}

static const char *class_value(unsigned class, unsigned label)
{
	(void)label;
	return class == ACCOUNT_PHASE_ABSENT ? CENSUS_NONE : account_phase_name((enum account_phase)class);
}

static const struct census census = {
	.metric = "tollgate_accounts",
	.help = "Billing accounts by phase",
	.labels = { "phase" },
	.n = ACCOUNT_ARCHIVED + 1,
	.of = class_of,
	.value = class_value,
};

const struct reconciler billingaccount_reconciler = {
	.run = run,
	.index = index_account,
	.n_indexes = ACCOUNT_INDEXES,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
	.census = &census,
	.validate = validate,
	.finalizer = ACCOUNT_FINALIZER,
};
