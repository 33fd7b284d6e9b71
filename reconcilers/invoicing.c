/*
 * Sums up an account's invoices: which one decides InvoicingReady, how many need action, how much is outstanding. Knows no
 * conditions. Invariant: the same verdict in whatever order the invoices come.
 */
#include "invoicing.h"

#include <string.h>

#include "currency.h"
#include "invoice_inputs.h"
#include "owner.h"
#include "payment.h"

/* By the period that it is for; then the later made, then the greater name. */
static bool newer(const struct invoice *a, const struct invoice *b)
{
	static const struct billing_period none = { 0 };
	const struct billing_period *a_for = a->spec.period ? a->spec.period : &none, *b_for = b->spec.period ? b->spec.period : &none;

	if (a_for->end != b_for->end)
		return a_for->end > b_for->end;
	if (a_for->start != b_for->start)
		return a_for->start > b_for->start;
	if (a->meta.created != b->meta.created)
		return a->meta.created > b->meta.created;
	return strcmp(a->meta.name->text, b->meta.name->text) > 0;
}

struct tally {
	const struct billingaccount *account;
	struct invoicing_verdict verdict;
	struct money sum;
	instant_t now;
	struct arena *arena;
};

static void leave_out(struct tally *tally, const struct invoice *invoice, const char *fault)
{
	struct invoicing_verdict *verdict = &tally->verdict;

	verdict->n_left_out++;
	if (!verdict->left_out || newer(invoice, verdict->left_out)) {
		verdict->left_out = invoice;
		verdict->left_out_fault = fault;
	}
}

static void add_to_sum(struct tally *tally, const struct invoice *invoice)
{
	struct money due;
	const char *fault = invoice_amount_due(invoice, tally->account, &due, tally->arena);

	if (fault)
		leave_out(tally, invoice, fault);
	else
		tally->sum = money_add(tally->sum, due, tally->arena);
}

static void keep_oldest(const struct invoice **kept, const struct invoice *invoice)
{
	if (!*kept || newer(*kept, invoice))
		*kept = invoice;
}

/* Made while this account was there, for another one: somebody got its owner wrong, or wants a debt out of sight. */
static void count_foreign(struct tally *tally, const struct invoice *invoice)
{
	const struct object *meta = &invoice->meta;
	enum invoice_phase phase = invoice_phase(invoice, tally->now);

	if (meta->created < tally->account->meta.created || phase == INVOICE_PAID || phase == INVOICE_VOID)
		return;
	tally->verdict.n_unpaid++;
	keep_oldest(&tally->verdict.unpaid, invoice);
	leave_out(tally, invoice, owner_fault(meta, &invoice->owners, tally->account, tally->arena));
}

static void count(struct tally *tally, const struct invoice *invoice)
{
	struct invoicing_verdict *verdict = &tally->verdict;
	enum invoice_phase phase = invoice_phase(invoice, tally->now);

	if (phase == INVOICE_VOID)
		return;
	if (phase != INVOICE_PAID) {
		verdict->n_unpaid++;
		keep_oldest(&verdict->unpaid, invoice);
	}
	if (phase == INVOICE_PHASE_ABSENT) {
		if (!verdict->pending || newer(invoice, verdict->pending))
			verdict->pending = invoice;
		return;
	}
	if (!verdict->latest || newer(invoice, verdict->latest)) {
		verdict->latest = invoice;
		verdict->phase = phase;
	}
	if (phase == INVOICE_PAST_DUE) {
		verdict->n_past_due++;
		keep_oldest(&verdict->past_due, invoice);
	}
	verdict->n_action_required += invoice_category(invoice, phase) == INVOICE_ACTION_REQUIRED;
	if (phase == INVOICE_OPEN)
		verdict->until = sooner_of(verdict->until, invoice->status.due_date);
	if (phase != INVOICE_PAID)
		add_to_sum(tally, invoice);
}

struct invoicing_verdict invoicing_judge(const struct billingaccount *account, const struct invoice *const *invoices, size_t n,
					 instant_t now, struct arena *arena)
{
	struct tally tally = { .account = account, .now = now, .arena = arena };
	int digits = currency_minor_units(account->spec.currency_code);

	for (size_t i = 0; i < n; i++)
		if (owned_by(&invoices[i]->meta, &invoices[i]->owners, account))
			count(&tally, invoices[i]);
		else
			count_foreign(&tally, invoices[i]);
	if (digits >= 0)
		tally.verdict.outstanding = money_format(money_round(tally.sum, (unsigned)digits, arena), (unsigned)digits, arena);
	return tally.verdict;
}
