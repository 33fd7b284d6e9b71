/*
 * Decides an Invoice's status: the phase moved on by time and by a request to void it, the category, and Ready. Amounts and all
 * else are their writer's and stay as they are.
 * Invariants: Paid and Void are never left; what nobody gave a phase gets none from the time.
 */
#include "invoice_inputs.h"

#include <string.h>

#include "condition.h"
#include "owner.h"
#include "transition.h"
#include "wake.h"

#define FELL_DUE "The invoice fell due at "
#define IS_OPEN "The invoice is open"

const char *invoice_phase_name(enum invoice_phase phase)
{
	static const char *const names[] = {
		[INVOICE_PHASE_ABSENT] = "", [INVOICE_OPEN] = "Open", [INVOICE_PAID] = "Paid",
		[INVOICE_PAST_DUE] = "PastDue", [INVOICE_VOID] = "Void",
	};
	return names[phase];
}

/* Is there nothing to give back? An amount that can't be read may be something. */
static bool nothing_paid(const struct invoice *invoice)
{
	const char *text = invoice->status.amount_paid;

	while (text && (*text == '-' || *text == '0' || *text == '.'))
		text++;
	return !text || !*text;
}

/* What Ready says of an invoice that time has moved, and so how we know it again: PastDue may also be its writer's word. */
static bool moved_by_time(const struct invoice *invoice)
{
	const struct condition *ready = condition_find(&invoice->status.conditions, "Ready");
	char due[INSTANT_TEXT_SIZE];
	size_t len = sizeof(FELL_DUE) - 1;

	if (!ready || !ready->message || strncmp(ready->message, FELL_DUE, len) != 0)
		return false;
	instant_format(invoice->status.due_date, due);
	return !strncmp(ready->message + len, due, strlen(due));
}

enum invoice_phase invoice_phase(const struct invoice *invoice, instant_t now)
{
	enum invoice_phase phase = invoice->status.phase;
	bool over = invoice->status.due_date && invoice->status.due_date <= now;

	if (phase == INVOICE_PAID || phase == INVOICE_VOID)
		return phase;
	if (invoice->spec.void_requested == YES && nothing_paid(invoice))
		return INVOICE_VOID;
	if (phase == INVOICE_PAST_DUE && !over && moved_by_time(invoice))
		return INVOICE_OPEN; /* by a clock that was ahead, and has been set back */
	return phase == INVOICE_OPEN && over ? INVOICE_PAST_DUE : phase;
}

enum invoice_category invoice_category(const struct invoice *invoice, enum invoice_phase phase)
{
	switch (phase) {
	case INVOICE_PAST_DUE:
		return INVOICE_ACTION_REQUIRED;
	case INVOICE_OPEN:
		return invoice->status.attempt_count > 0 ? INVOICE_ACTION_REQUIRED : INVOICE_UPCOMING;
	case INVOICE_PAID:
	case INVOICE_VOID:
		return INVOICE_HISTORY;
	case INVOICE_PHASE_ABSENT:
		break;
	}
	return INVOICE_CATEGORY_ABSENT;
}

/* NULL, or what is wrong with the text; absent text is zero. */
static const char *read_amount(const char *field, const char *text, struct money *out, struct arena *arena)
{
	*out = (struct money){ 0 };
	const char *why = text ? money_parse(text, out, arena) : NULL;

	return why ? arena_printf(arena, "status.%s: \"%s\" %s", field, text, why) : NULL;
}

/* Every amount that is there must be one, also those that are not counted. */
static const char *malformed_amount(const struct invoice_status *status, struct arena *arena)
{
	const struct {
		const char *field, *text;
	} amounts[] = {
		{ "total", status->total },       { "amountPaid", status->amount_paid },
		{ "amountDue", status->amount_due }, { "subtotal", status->subtotal },
		{ "tax", status->tax },           { "creditsApplied", status->credits_applied },
		{ "rounding", status->rounding },
	};
	struct money ignored;
	const char *fault = NULL;

	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]) && !fault; i++)
		fault = read_amount(amounts[i].field, amounts[i].text, &ignored, arena);
	return fault;
}

static const char *currency_fault(const struct invoice *invoice, const struct billingaccount *account, struct arena *arena)
{
	const char *currency = invoice->status.currency_code;

	if (!currency)
		return "it has no status.currencyCode";
	if (same_text(currency, account->spec.currency_code))
		return NULL;
	return arena_printf(arena, "status.currencyCode: %s is not the currency of billing account \"%s\", which is %s", currency,
			    account->meta.name->text, account->spec.currency_code ? account->spec.currency_code : "not set");
}

const char *invoice_amount_due(const struct invoice *invoice, const struct billingaccount *account, struct money *out,
			       struct arena *arena)
{
	const struct invoice_status *status = &invoice->status;
	struct money total, paid;
	const char *fault = currency_fault(invoice, account, arena);

	*out = (struct money){ 0 };
	if (fault || status->amount_due)
		return fault ? fault : read_amount("amountDue", status->amount_due, out, arena);
	if (!status->total)
		return "it has neither status.amountDue nor status.total";
	fault = read_amount("total", status->total, &total, arena);
	if (!fault)
		fault = read_amount("amountPaid", status->amount_paid, &paid, arena);
	if (!fault)
		*out = money_subtract(total, paid, arena);
	return fault;
}

static const char *period_fault(const struct billing_period *period)
{
	return !period || !period->start || !period->end || period->start >= period->end ? "spec.period: start must be before end" : NULL;
}

struct verdict {
	const char *reason, *message;
};

/* What is wrong, the gravest first; reason NULL when nothing is. */
static struct verdict fault_of(const struct invoice_inputs *in, enum invoice_phase phase, struct arena *arena)
{
	const struct invoice *self = in->self;
	const char *fault;
	struct money due;

	if (!in->account)
		return (struct verdict){ "AccountNotFound", account_not_found(self->meta.ns, self->spec.account, arena) };
	if (!owned_by(&self->meta, &self->owners, in->account))
		return (struct verdict){ "OwnerMismatch", owner_fault(&self->meta, &self->owners, in->account, arena) };
	if ((fault = period_fault(self->spec.period)))
		return (struct verdict){ "PeriodInvalid", fault };
	if (phase == INVOICE_PHASE_ABSENT)
		return (struct verdict){ "PhasePending", "Whoever writes the invoice has not set its phase yet." };
	if ((fault = malformed_amount(&self->status, arena)))
		return (struct verdict){ "AmountInvalid", fault };
	if (phase == INVOICE_VOID)
		return (struct verdict){ 0 };
	if ((fault = currency_fault(self, in->account, arena)))
		return (struct verdict){ "CurrencyMismatch", fault };
	if (phase != INVOICE_PAID && (fault = invoice_amount_due(self, in->account, &due, arena)))
		return (struct verdict){ "AmountInvalid", fault };
	return (struct verdict){ 0 };
}

static const char *message(const struct invoice *self, enum invoice_phase phase, instant_t now, struct arena *arena)
{
	char text[INSTANT_TEXT_SIZE];
	instant_t due = self->status.due_date;

	if (self->spec.void_requested == YES && phase != INVOICE_VOID)
		return arena_printf(arena, "The invoice is %s. It cannot be voided: %s has been paid; give that back first.",
				    invoice_phase_name(phase), self->status.amount_paid ? self->status.amount_paid : "it");
	if (due && phase == INVOICE_OPEN)
		return arena_printf(arena, IS_OPEN " and due at %s.", instant_format(due, text));
	if (phase == INVOICE_OPEN)
		return IS_OPEN ". It has no dueDate, so it does not fall due.";
	if (due && phase == INVOICE_PAST_DUE && (self->status.phase == INVOICE_OPEN || moved_by_time(self)))
		return arena_printf(arena, FELL_DUE "%s and is not paid.", instant_format(due, text));
	if (due && due <= now && phase == INVOICE_PAST_DUE)
		return arena_printf(arena, "The invoice is past due since %s.", instant_format(due, text));
	return arena_printf(arena, "The invoice is %s.", invoice_phase_name(phase));
}

/* Did our status say so before? Its writer's phase comes before our category, which tells all but one case: an Open invoice that could not be
 * charged needs action too. */
static bool was_past_due(const struct invoice *self)
{
	const struct condition *ready = condition_find(&self->status.conditions, "Ready");

	return self->status.phase == INVOICE_PAST_DUE && self->status.category == INVOICE_ACTION_REQUIRED &&
	       !(ready && ready->message && strstr(ready->message, IS_OPEN));
}

static void tell(const struct invoice *self, const struct invoice_status *status, struct effects *effects)
{
	enum invoice_category before = self->status.category;
	const char *name = self->meta.name->text;
	char due[INSTANT_TEXT_SIZE] = "";

	if (status->due_date)
		instant_format(status->due_date, due);
	if (status->phase == INVOICE_OPEN && before == INVOICE_CATEGORY_ABSENT)
		effects_tell(effects, (struct event){ .reason = "Issued", .action = "Invoicing",
			.note = arena_printf(effects->arena, "Invoice \"%s\" is open%s%s.", name, *due ? " and due at " : "", due) });
	if (status->phase == INVOICE_PAST_DUE && !was_past_due(self))
		effects_tell(effects, (struct event){ .warning = true, .reason = "PastDue", .action = "Invoicing",
			.note = arena_printf(effects->arena, "Invoice \"%s\" is not paid and past due%s%s. Next: pay what is left of it.", name,
					     *due ? "; it fell due at " : "", due) });
	if (status->phase == INVOICE_PAID && before != INVOICE_HISTORY)
		effects_tell(effects, (struct event){ .reason = "Paid", .action = "Invoicing",
			.note = arena_printf(effects->arena, "Invoice \"%s\" is paid.", name) });
}

struct outcome invoice_reconcile(const struct invoice_inputs *in, struct arena *arena)
{
	const struct invoice *self = in->self;

	if (!self)
		return (struct outcome){ 0 };
	enum invoice_phase phase = invoice_phase(self, in->now);
	struct invoice_status *status = arena_copy(arena, &self->status, sizeof(self->status));
	struct verdict fault = fault_of(in, phase, arena);
	struct condition condition = {
		.type = "Ready",
		.status = fault.reason ? CONDITION_FALSE : CONDITION_TRUE,
		.reason = fault.reason ? fault.reason : "InvoiceReady",
		.message = fault.reason ? fault.message : message(self, phase, in->now, arena),
		.observed_generation = self->meta.generation,
	};

	status->phase = phase;
	status->category = invoice_category(self, phase);
	status->observed_generation = self->meta.generation;
	status->conditions = conditions_merge(&self->status.conditions, &condition, 1, in->now, arena);
	struct effects effects = { .arena = arena };
	tell(self, status, &effects);
	return (struct outcome){
		.status = status,
		.effects = effects.items,
		.n_effects = effects.n,
		.owner = owner_wanted(&self->meta, &self->owners, in->account, arena),
		/* Also of one that its writer called PastDue too soon: since when it is, the message says only then. */
		.wake_at = phase == INVOICE_OPEN || (phase == INVOICE_PAST_DUE && self->status.due_date > in->now) ? self->status.due_date : 0,
	};
}

struct invoice_inputs invoice_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct invoice_inputs in = { .now = now, .self = view_get(view, KIND_INVOICE, key.ns, key.name) };

	(void)arena;
	if (in.self && in.self->spec.account)
		in.account = view_get(view, KIND_BILLINGACCOUNT, key.ns, in.self->spec.account);
	return in;
}

/* ---- admission ---- */

/* Account and period are kept by the schema. */
static struct refusal validate(const struct admission *in, struct arena *arena)
{
	const struct invoice *self = in->object, *old = in->old;

	if (in->operation == ADMISSION_DELETE || !self->spec.account)
		return NOT_REFUSED;
	if (old)
		return owner_left(in, &old->meta, &old->owners, &self->owners, old->spec.account, arena);
	const char *fault = period_fault(self->spec.period);
	return fault ? refused_as_such(fault) : owner_refusal(in, &self->meta, &self->owners, self->spec.account, arena);
}

static void fill_in(const struct admission *in, struct defaults *defaults, struct arena *arena)
{
	const struct invoice *self = in->object;

	owner_default(in, &self->meta, &self->owners, self->spec.account, defaults, arena);
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct invoice_inputs in = invoice_gather(view, key, now, arena);
	return invoice_reconcile(&in, arena);
}

static void index_invoice(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct invoice *invoice = object;
	out[INVOICE_BY_ACCOUNT] = (struct index_key){ invoice->meta.ns, invoice->spec.account };
}

bool invoice_looks_the_same(const struct invoice *old, const struct invoice *new)
{
	return old && new && same_object(&old->meta, &new->meta) && old->meta.generation == new->meta.generation &&
	       old->status.phase == new->status.phase && old->status.due_date == new->status.due_date &&
	       old->status.attempt_count == new->status.attempt_count &&
	       same_text(old->status.currency_code, new->status.currency_code) && same_text(old->status.total, new->status.total) &&
	       same_text(old->status.amount_paid, new->status.amount_paid) &&
	       same_text(old->status.amount_due, new->status.amount_due) && same_owners(&old->owners, &new->owners);
}

/* Which account it is, and its currency: immutable in practice, but not when an account of another UID takes the name. */
static void account_moved(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingaccount *old = before, *new = after, *any = new ? new : old;

	if (!same_object(before, after) || !same_text(old->spec.currency_code, new->spec.currency_code))
		wake_found(view, sink, KIND_INVOICE, INVOICE_BY_ACCOUNT, any->meta.ns, any->meta.name);
}

static const struct watch_rule watches[] = { { .source = KIND_BILLINGACCOUNT, .moved = account_moved } };

/* ---- metrics ---- */

static unsigned class_of(const void *object)
{
	return ((const struct invoice *)object)->status.phase;
}

static const char *class_value(unsigned class, unsigned label)
{
	(void)label;
	return class == INVOICE_PHASE_ABSENT ? CENSUS_NONE : invoice_phase_name((enum invoice_phase)class);
}

static const struct census census = {
	.metric = "tollgate_invoices",
	.help = "Invoices by phase",
	.labels = { "phase" },
	.n = INVOICE_VOID + 1,
	.of = class_of,
	.value = class_value,
};

const struct reconciler invoice_reconciler = {
	.run = run,
	.index = index_invoice,
	.n_indexes = INVOICE_INDEXES,
	.watches = watches,
	.n_watches = sizeof(watches) / sizeof(watches[0]),
	.census = &census,
	.validate = validate,
	.defaults = fill_in,
	.judges_metadata = true,
};
