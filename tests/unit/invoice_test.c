/*
 * Invoice: its phase and category as they follow from its writer, the time and a request to void it; what is wrong with one; and
 * what an account's invoices say together (invoicing.h), in whatever order they come.
 */
#include "../../reconcilers/billingaccount_inputs.h"
#include "../../reconcilers/invoice_inputs.h"
#include "../../reconcilers/invoicing.h"
#include "cluster.h"

#define UID "uid-1" /* of every object that named() makes */

static const struct owner_reference owner = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", UID, UNSET };
static const struct billing_period october = { NOW - 52 * DAY, NOW - 21 * DAY };

static struct invoice invoice_of(const char *name, enum invoice_phase phase)
{
	return (struct invoice){
		.meta = named("acme", name),
		.owners = { 1, &owner },
		.spec = { .account = word("main"), .period = &october },
		.status = { .phase = phase, .currency_code = "EUR", .amount_due = "10.00", .observed_generation = INTEGER_ABSENT,
			    .attempt_count = INTEGER_ABSENT },
	};
}

/* ---- phase and category ---- */

static void phases_follow_writer_time_and_requests(void **state)
{
	static const struct {
		const char *rule;
		enum invoice_phase observed;
		int due_s; /* seconds from now; 0 = no due date */
		enum tristate void_requested;
		const char *paid;
		int64_t attempts;
		enum invoice_phase phase;
		enum invoice_category category;
	} rows[] = {
		{ "open, due later", INVOICE_OPEN, 1, NO, NULL, 0, INVOICE_OPEN, INVOICE_UPCOMING },
		{ "open, due this moment", INVOICE_OPEN, -1000, NO, NULL, 0, INVOICE_PAST_DUE, INVOICE_ACTION_REQUIRED },
		{ "open, without a due date", INVOICE_OPEN, 0, UNSET, NULL, INTEGER_ABSENT, INVOICE_OPEN, INVOICE_UPCOMING },
		{ "open, and a charge failed", INVOICE_OPEN, 60, NO, NULL, 1, INVOICE_OPEN, INVOICE_ACTION_REQUIRED },
		{ "past due stays so when its due date is put off", INVOICE_PAST_DUE, 60, NO, NULL, 0, INVOICE_PAST_DUE,
		  INVOICE_ACTION_REQUIRED },
		{ "paid stays paid", INVOICE_PAID, -5, YES, "10.00", 0, INVOICE_PAID, INVOICE_HISTORY },
		{ "void stays void", INVOICE_VOID, -5, NO, NULL, 3, INVOICE_VOID, INVOICE_HISTORY },
		{ "without a phase: none from the time", INVOICE_PHASE_ABSENT, -5, NO, NULL, 1, INVOICE_PHASE_ABSENT,
		  INVOICE_CATEGORY_ABSENT },
		{ "open, to be voided", INVOICE_OPEN, 60, YES, NULL, 0, INVOICE_VOID, INVOICE_HISTORY },
		{ "past due, and its writer said so", INVOICE_PAST_DUE, -5, NO, NULL, 0, INVOICE_PAST_DUE, INVOICE_ACTION_REQUIRED },
		{ "past due, to be voided, nothing paid", INVOICE_PAST_DUE, -5, YES, "0.00", 0, INVOICE_VOID, INVOICE_HISTORY },
		{ "without a phase, to be voided", INVOICE_PHASE_ABSENT, 0, YES, NULL, 0, INVOICE_VOID, INVOICE_HISTORY },
		{ "to be voided, but paid in part", INVOICE_OPEN, 60, YES, "0.01", 0, INVOICE_OPEN, INVOICE_UPCOMING },
		{ "to be voided, minus nothing paid", INVOICE_OPEN, 60, YES, "-0.00", 0, INVOICE_VOID, INVOICE_HISTORY },
		{ "to be voided, but nobody knows what was paid", INVOICE_OPEN, 60, YES, "some", 0, INVOICE_OPEN, INVOICE_UPCOMING },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct invoice invoice = invoice_of("main-2026-10", rows[i].observed);
		struct billingaccount account = ready_account("acme", "main", NULL);
		struct invoice_inputs in = { .now = NOW, .self = &invoice, .account = &account };

		rule(rows[i].rule);
		invoice.status.due_date = rows[i].due_s == -1000 ? NOW : rows[i].due_s ? NOW + rows[i].due_s * SECOND : 0;
		invoice.status.amount_paid = rows[i].paid;
		invoice.status.attempt_count = rows[i].attempts;
		invoice.spec.void_requested = rows[i].void_requested;
		struct outcome outcome = invoice_reconcile(&in, &test_arena);
		const struct invoice_status *status = outcome.status;
		assert_int_equal(status->phase, rows[i].phase);
		assert_int_equal(status->category, rows[i].category);
		bool awaits = rows[i].phase == INVOICE_OPEN || (rows[i].phase == INVOICE_PAST_DUE && rows[i].due_s > 0);
		assert_int_equal(outcome.wake_at, awaits ? invoice.status.due_date : 0);
		assert_string_equal(status->amount_due, "10.00"); /* its writer's */
		invoice.status = *status;
		outcome = invoice_reconcile(&in, &test_arena);
		assert_true(status_equal(&invoice_resource, outcome.status, status));
		expect_event(&outcome, false, NULL, NULL);
	}
	struct invoice_inputs gone = { .now = NOW };
	assert_null(invoice_reconcile(&gone, &test_arena).status);
}

/* Time moved it, and the clock was wrong: it goes back with it. Its writer's word stays. */
static void a_clock_that_is_set_back_takes_back_what_it_moved(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice invoice = invoice_of("main-2026-10", INVOICE_OPEN);
	struct invoice_inputs in = { .now = NOW + 30 * DAY, .self = &invoice, .account = &account };

	(void)state;
	invoice.status.due_date = NOW + 8 * DAY;
	invoice.status = *(const struct invoice_status *)invoice_reconcile(&in, &test_arena).status;
	assert_int_equal(invoice.status.phase, INVOICE_PAST_DUE);
	in.now += DAY;
	assert_true(status_equal(&invoice_resource, invoice_reconcile(&in, &test_arena).status, &invoice.status));
	in.now = NOW;
	struct outcome outcome = invoice_reconcile(&in, &test_arena);
	invoice.status = *(const struct invoice_status *)outcome.status;
	assert_int_equal(invoice.status.phase, INVOICE_OPEN);
	assert_int_equal(outcome.wake_at, invoice.status.due_date);
	invoice.status.phase = INVOICE_PAST_DUE; /* somebody says so */
	assert_int_equal(((const struct invoice_status *)invoice_reconcile(&in, &test_arena).status)->phase, INVOICE_PAST_DUE);
	in.now = NOW + 30 * DAY; /* moved by time, then put off by its writer, who leaves the phase */
	invoice.status.phase = INVOICE_OPEN;
	invoice.status = *(const struct invoice_status *)invoice_reconcile(&in, &test_arena).status;
	invoice.status.due_date = NOW + 60 * DAY;
	assert_int_equal(((const struct invoice_status *)invoice_reconcile(&in, &test_arena).status)->phase, INVOICE_PAST_DUE);
}

/* ---- what is wrong with one ---- */

static void ready_says_what_is_wrong(void **state)
{
	static const struct billing_period reversed = { NOW, NOW - 1 }, empty = { NOW, NOW }, endless = { NOW, 0 }, beginless = { 0, NOW };
	static const struct owner_reference stranger = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-0", UNSET };
	static const struct owner_reference renamed = { "billing.miloapis.com/v1alpha1", "BillingAccount", "other", UID, UNSET };
	static const struct owner_reference controlled = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", UID, YES };
	static const struct owner_reference disguised = { "v1", "ConfigMap", "main", UID, UNSET };
	static const struct owner_reference others[] = { { "v1", "ConfigMap", "main", "uid-9", UNSET }, { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", UID, NO } };
	const struct {
		const char *rule;
		bool has_account;
		struct owner_references owners;
		const struct billing_period *period;
		enum invoice_phase phase;
		const char *currency, *due, *total, *paid;
		const char *reason; /* InvoiceReady is True, all else False */
		const char *message;
	} rows[] = {
		{ "all right", true, { 1, &owner }, &october, INVOICE_OPEN, "EUR", "1.00", NULL, NULL, "InvoiceReady", "The invoice is open. It has no dueDate" },
		{ "its owner is the second", true, { 2, others }, &october, INVOICE_PAID, "EUR", NULL, "1", "1", "InvoiceReady", "Paid" },
		{ "no owner yet, made after the account", true, { 0 }, &october, INVOICE_OPEN, "EUR", "1.00", NULL, NULL, "InvoiceReady", "" },
		{ "no account", false, { 1, &owner }, &october, INVOICE_OPEN, "EUR", "1", NULL, NULL, "AccountNotFound",
		  "billing account \"main\" was not found in namespace \"acme\"" },
		{ "an earlier account's", true, { 1, &stranger }, &october, INVOICE_OPEN, "EUR", "1", NULL, NULL, "OwnerMismatch",
		  "metadata.ownerReferences: it belongs to another billing account" },
		{ "its owner has another name", true, { 1, &renamed }, &october, INVOICE_OPEN, "EUR", "1", NULL, NULL, "OwnerMismatch", "wrong way" },
		{ "its owner is its controller", true, { 1, &controlled }, &october, INVOICE_OPEN, "EUR", "1", NULL, NULL, "OwnerMismatch", "wrong way" },
		{ "another kind has the account's UID", true, { 1, &disguised }, &october, INVOICE_OPEN, "EUR", "1", NULL, NULL, "OwnerMismatch", "wrong way" },
		{ "period reversed", true, { 1, &owner }, &reversed, INVOICE_OPEN, "EUR", "1", NULL, NULL, "PeriodInvalid", "start must be before end" },
		{ "period empty", true, { 1, &owner }, &empty, INVOICE_OPEN, "EUR", "1", NULL, NULL, "PeriodInvalid", "" },
		{ "no start", true, { 1, &owner }, &beginless, INVOICE_OPEN, "EUR", "1", NULL, NULL, "PeriodInvalid", "" },
		{ "no end", true, { 1, &owner }, &endless, INVOICE_OPEN, "EUR", "1", NULL, NULL, "PeriodInvalid", "" },
		{ "period missing", true, { 1, &owner }, NULL, INVOICE_OPEN, "EUR", "1", NULL, NULL, "PeriodInvalid", "" },
		{ "no phase", true, { 1, &owner }, &october, INVOICE_PHASE_ABSENT, NULL, NULL, NULL, NULL, "PhasePending", "has not set its phase" },
		{ "another currency", true, { 1, &owner }, &october, INVOICE_OPEN, "USD", "1", NULL, NULL, "CurrencyMismatch",
		  "status.currencyCode: USD is not the currency of billing account \"main\", which is EUR" },
		{ "no currency", true, { 1, &owner }, &october, INVOICE_OPEN, NULL, "1", NULL, NULL, "CurrencyMismatch", "no status.currencyCode" },
		{ "exponent", true, { 1, &owner }, &october, INVOICE_OPEN, "EUR", "1e3", NULL, NULL, "AmountInvalid", "status.amountDue: \"1e3\"" },
		{ "no number", true, { 1, &owner }, &october, INVOICE_OPEN, "EUR", NULL, "NaN", NULL, "AmountInvalid", "status.total: \"NaN\"" },
		{ "40 digits", true, { 1, &owner }, &october, INVOICE_PAID, "EUR", NULL, "1234567890123456789012345678901234567890", NULL,
		  "AmountInvalid", "more than 38 digits" },
		{ "open, without any amount", true, { 1, &owner }, &october, INVOICE_OPEN, "EUR", NULL, NULL, "1", "AmountInvalid",
		  "neither status.amountDue nor status.total" },
		{ "void, without any amount or currency", true, { 1, &owner }, &october, INVOICE_VOID, NULL, NULL, NULL, NULL, "InvoiceReady", "Void" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct invoice invoice = invoice_of("main-2026-10", rows[i].phase);
		struct billingaccount account = ready_account("acme", "main", NULL);
		struct invoice_inputs in = { .now = NOW, .self = &invoice, .account = rows[i].has_account ? &account : NULL };

		rule(rows[i].rule);
		invoice.owners = rows[i].owners;
		invoice.spec.period = rows[i].period;
		invoice.status.currency_code = rows[i].currency;
		invoice.status.amount_due = rows[i].due;
		invoice.status.total = rows[i].total;
		invoice.status.amount_paid = rows[i].paid;
		struct outcome outcome = invoice_reconcile(&in, &test_arena);
		const struct invoice_status *status = outcome.status;
		bool ready = !strcmp(rows[i].reason, "InvoiceReady");
		expect_text(expect_condition(&status->conditions, 0, "Ready", ready ? CONDITION_TRUE : CONDITION_FALSE, rows[i].reason)->message,
			    rows[i].message);
		assert_int_equal(status->conditions.n, 1);
		assert_int_equal(!!outcome.owner, rows[i].has_account && !rows[i].owners.n);
	}
}

static void a_refused_void_is_explained(void **state)
{
	struct invoice invoice = invoice_of("main-2026-10", INVOICE_OPEN);
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice_inputs in = { .now = NOW, .self = &invoice, .account = &account };

	(void)state;
	invoice.spec.void_requested = YES;
	invoice.status.amount_paid = "3.00";
	const struct invoice_status *status = invoice_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "It cannot be voided: 3.00 has been paid");
	invoice.status.phase = INVOICE_PAID; /* whoever says so need not say how much */
	invoice.status.amount_paid = NULL;
	status = invoice_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "The invoice is Paid. It cannot be voided: it has been paid");
}

static void what_is_older_than_its_account_is_not_its_own(void **state)
{
	struct invoice invoice = invoice_of("main-2026-10", INVOICE_OPEN);
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice_inputs in = { .now = NOW, .self = &invoice, .account = &account };

	(void)state;
	invoice.owners.n = 0;
	invoice.meta.created = account.meta.created - SECOND;
	struct outcome outcome = invoice_reconcile(&in, &test_arena);
	expect_text(expect_condition(&((const struct invoice_status *)outcome.status)->conditions, 0, "Ready", CONDITION_FALSE, "OwnerMismatch")->message,
		    "It is older than billing account \"main\" and so may belong to an earlier one of that name");
	assert_null(outcome.owner);
}

/* A garbage collector that finds a new owner among what it deletes would have more to do, and so would we. */
static void nothing_gets_an_owner_while_either_goes(void **state)
{
	struct invoice invoice = invoice_of("main-2026-10", INVOICE_OPEN);
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice_inputs in = { .now = NOW, .self = &invoice, .account = &account };

	(void)state;
	invoice.owners.n = 0;
	assert_string_equal(invoice_reconcile(&in, &test_arena).owner->uid, UID);
	account.meta.deleted = NOW;
	assert_null(invoice_reconcile(&in, &test_arena).owner);
	account.meta.deleted = 0;
	invoice.meta.deleted = NOW;
	assert_null(invoice_reconcile(&in, &test_arena).owner);
}

/* An account without a currency has nothing to compare with. */
static void an_account_without_a_currency_is_said(void **state)
{
	struct invoice invoice = invoice_of("main-2026-10", INVOICE_OPEN);
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice_inputs in = { .now = NOW, .self = &invoice, .account = &account };

	(void)state;
	account.spec.currency_code = NULL;
	const struct invoice_status *status = invoice_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "EUR is not the currency of billing account \"main\", which is not set");
}

/* ---- all of an account's ---- */

/* What a row leaves out is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { INVOICES_MAX = 5 };

struct entry_of_row {
	const char *name; /* NULL ends the list */
	enum invoice_phase phase;
	int month; /* of the period; the greater the newer */
	int due_s;
	const char *currency, *due, *total, *paid;
	bool stranger;
};

static void invoices_are_summed_up_in_any_order(void **state)
{
	static const struct owner_reference stranger = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-0", UNSET };
	static const struct {
		const char *rule;
		struct entry_of_row invoices[INVOICES_MAX];
		enum condition_status ready;
		const char *reason, *message, *latest, *outstanding;
		int action_required;
		int wake_s;
	} rows[] = {
		{ "none", { { 0 } }, CONDITION_TRUE, "NoInvoicesYet", "No invoices yet.", NULL, "0.00", 0, 0 },
		{ "all void", { { "a", INVOICE_VOID, 1 }, { "b", INVOICE_VOID, 2 } }, CONDITION_TRUE, "NoInvoicesYet", "", NULL, "0.00", 0, 0 },
		{ "one without a phase", { { "a", INVOICE_PHASE_ABSENT, 1 } }, CONDITION_UNKNOWN, "PhasePending", "invoice a has no phase yet",
		  NULL, "0.00", 0, 0 },
		{ "void, and one without a phase", { { "a", INVOICE_PHASE_ABSENT, 1 }, { "b", INVOICE_VOID, 2 } }, CONDITION_UNKNOWN,
		  "PhasePending", "invoice a", NULL, "0.00", 0, 0 },
		{ "open", { { "a", INVOICE_OPEN, 1, 60, "EUR", "12.50" } }, CONDITION_TRUE, "Current", "invoice a is open and not due yet", "a",
		  "12.50", 0, 60 },
		{ "paid", { { "a", INVOICE_PAID, 1, -60, "EUR", NULL, "9" } }, CONDITION_TRUE, "Current", "invoice a is paid", "a", "0.00", 0, 0 },
		{ "past due", { { "a", INVOICE_PAST_DUE, 1, -60, "EUR", "1" } }, CONDITION_FALSE, "PastDue", "invoice a is past due", "a", "1.00", 1, 0 },
		{ "open, and its due date has come", { { "a", INVOICE_OPEN, 1, -1, "EUR", "1" } }, CONDITION_FALSE, "PastDue",
		  "invoice a is past due", "a", "1.00", 1, 0 },
		{ "the newest decides: paid after past due",
		  { { "a", INVOICE_PAST_DUE, 1, -60, "EUR", "1" }, { "b", INVOICE_PAID, 2 } }, CONDITION_TRUE, "Current", "invoice b is paid", "b",
		  "1.00", 1, 0 },
		{ "a newer void one does not",
		  { { "a", INVOICE_PAST_DUE, 1, -60, "EUR", "1" }, { "b", INVOICE_VOID, 2 }, { "c", INVOICE_PHASE_ABSENT, 3 } }, CONDITION_FALSE,
		  "PastDue", "invoice a is past due", "a", "1.00", 1, 0 },
		{ "of one period the greater name", { { "a", INVOICE_PAST_DUE, 1, -60, "EUR", "1" }, { "b", INVOICE_OPEN, 1, 60, "EUR", "2" } },
		  CONDITION_TRUE, "Current", "invoice b", "b", "3.00", 1, 60 },
		{ "total less what was paid; rounded once",
		  { { "a", INVOICE_OPEN, 1, 90, "EUR", NULL, "10.004", "0.002" }, { "b", INVOICE_OPEN, 2, 60, "EUR", "0.003" } }, CONDITION_TRUE,
		  "Current", "invoice b", "b", "10.01", 0, 60 },
		{ "another currency is left out, and said",
		  { { "a", INVOICE_OPEN, 1, 0, "USD", "7" }, { "b", INVOICE_OPEN, 2, 0, "EUR", "2" } }, CONDITION_TRUE, "Current",
		  "outstandingAmount leaves out 1 invoice that cannot be counted: a: status.currencyCode: USD", "b", "2.00", 0, 0 },
		{ "amounts that are none are left out, and the newest is said",
		  { { "a", INVOICE_OPEN, 1, 0, "EUR", "1e3" }, { "b", INVOICE_OPEN, 2, 0, "EUR" } }, CONDITION_TRUE, "Current",
		  "leaves out 2 invoices that cannot be counted: b: it has neither", "b", "0.00", 0, 0 },
		{ "nor what cannot be read",
		  { { "a", INVOICE_OPEN, 1, 0, "EUR", NULL, "much" }, { "b", INVOICE_OPEN, 2, 0, "EUR", NULL, "5", "some" } }, CONDITION_TRUE,
		  "Current", "leaves out 2 invoices that cannot be counted: b: status.amountPaid: \"some\"", "b", "0.00", 0, 0 },
		{ "of two without a phase the newest", { { "a", INVOICE_PHASE_ABSENT, 1 }, { "b", INVOICE_PHASE_ABSENT, 2 } }, CONDITION_UNKNOWN,
		  "PhasePending", "invoice b", NULL, "0.00", 0, 0 },
		{ "another owner's that is settled is nobody's debt",
		  { { "a", INVOICE_PAID, 2, .stranger = true }, { "c", INVOICE_VOID, 2, .stranger = true }, { "b", INVOICE_PAID, 1 } }, CONDITION_TRUE,
		  "Current", "invoice b is paid", "b", "0.00", 0, 0 },
		{ "another owner's does not count, but is named",
		  { { "a", INVOICE_PAST_DUE, 2, -60, "EUR", "1", .stranger = true }, { "b", INVOICE_PAID, 1 } }, CONDITION_TRUE, "Current",
		  "invoice b is paid; outstandingAmount leaves out 1 invoice that cannot be counted: a: metadata.ownerReferences", "b", "0.00", 0, 0 },
		{ "the newest is fine, and older ones are past due",
		  { { "a", INVOICE_PAST_DUE, 1, -60, "EUR", "1" }, { "b", INVOICE_OPEN, 2, -60, "EUR", "2" }, { "c", INVOICE_PAID, 3 } }, CONDITION_TRUE,
		  "Current", "invoice c is paid; 2 older invoices are past due (the oldest is a)", "c", "3.00", 2, 0 },
	};
	static const struct account_status nothing = { .linked_projects_count = INTEGER_ABSENT };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct invoice invoices[INVOICES_MAX];
		struct billing_period periods[INVOICES_MAX];
		const struct invoice *list[INVOICES_MAX];
		struct billingaccount account = ready_account("acme", "main", NULL);
		const struct account_status *first = &nothing;
		size_t n = 0;

		rule(rows[i].rule);
		for (; n < INVOICES_MAX && rows[i].invoices[n].name; n++) {
			const struct entry_of_row *row = &rows[i].invoices[n];
			periods[n] = (struct billing_period){ NOW - (100 - row->month * 30) * DAY, NOW - (71 - row->month * 30) * DAY };
			invoices[n] = invoice_of(row->name, row->phase);
			if (row->stranger)
				invoices[n].owners.items = &stranger;
			invoices[n].spec.period = &periods[n];
			invoices[n].status.due_date = row->due_s ? NOW + row->due_s * SECOND : 0;
			invoices[n].status.currency_code = row->currency;
			invoices[n].status.amount_due = row->due;
			invoices[n].status.total = row->total;
			invoices[n].status.amount_paid = row->paid;
		}
		for (size_t turn = 0; turn < (n ? n : 1); turn++) {
			for (size_t k = 0; k < n; k++)
				list[k] = &invoices[turn % 2 ? n - 1 - (k + turn) % n : (k + turn) % n];
			struct billingaccount_inputs in = { .now = NOW, .self = &account, .invoices = list, .n_invoices = n };
			struct outcome outcome = billingaccount_reconcile(&in, &test_arena);
			const struct account_status *status = outcome.status;
			expect_text(expect_condition(&status->conditions, 2, "InvoicingReady", rows[i].ready, rows[i].reason)->message,
				    rows[i].message);
			assert_int_equal(!status->latest_invoice, !rows[i].latest);
			if (rows[i].latest)
				assert_string_equal(status->latest_invoice, rows[i].latest);
			assert_string_equal(status->outstanding_amount, rows[i].outstanding);
			assert_int_equal(status->action_required_count, rows[i].action_required);
			assert_int_equal(outcome.wake_at, rows[i].wake_s ? NOW + rows[i].wake_s * SECOND : 0);
			if (turn)
				assert_true(status_equal(&billingaccount_resource, status, first));
			first = status;
		}
	}
}

/* By the end of its period, then by its start, then the later made, then the greater name; one without a period is older than any. */
static void one_of_two_is_the_newest(void **state)
{
	static const struct billing_period longer = { NOW - 82 * DAY, NOW - 21 * DAY };
	static const struct {
		const char *rule;
		const struct billing_period *newest, *other;
		instant_t newest_created, other_created;
		const char *newest_name, *other_name;
	} rows[] = {
		{ "the later start", &october, &longer, NOW, NOW, "a", "b" },
		{ "the later made", &october, &october, NOW, NOW - SECOND, "a", "b" },
		{ "the greater name", &october, &october, NOW, NOW, "b", "a" },
		{ "any period", &october, NULL, NOW - SECOND, NOW, "a", "b" },
		{ "neither has a period", NULL, NULL, NOW, NOW - SECOND, "a", "b" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct billingaccount account = ready_account("acme", "main", NULL);
		struct invoice newest = invoice_of(rows[i].newest_name, INVOICE_OPEN), other = invoice_of(rows[i].other_name, INVOICE_OPEN);
		const struct invoice *there[] = { &newest, &other }, *back[] = { &other, &newest };

		rule(rows[i].rule);
		newest.spec.period = rows[i].newest;
		other.spec.period = rows[i].other;
		newest.meta.created = rows[i].newest_created;
		other.meta.created = rows[i].other_created;
		assert_ptr_equal(invoicing_judge(&account, there, 2, NOW, &test_arena).latest, &newest);
		assert_ptr_equal(invoicing_judge(&account, back, 2, NOW, &test_arena).latest, &newest);
	}
}

/* What an earlier account of that name left behind is not this one's to name. */
static void a_predecessors_invoice_is_nobodys_here(void **state)
{
	static const struct owner_reference stranger = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-0", UNSET };
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice invoice = invoice_of("a", INVOICE_PAST_DUE);
	const struct invoice *list[] = { &invoice };

	(void)state;
	invoice.owners.items = &stranger;
	assert_int_equal(invoicing_judge(&account, list, 1, NOW, &test_arena).n_left_out, 1);
	invoice.meta.created = account.meta.created - SECOND;
	struct invoicing_verdict verdict = invoicing_judge(&account, list, 1, NOW, &test_arena);
	assert_int_equal(verdict.n_left_out + verdict.n_unpaid, 0);
}

static void amounts_have_the_currencys_minor_units(void **state)
{
	static const struct {
		const char *currency, *due, *outstanding;
	} rows[] = { { "JPY", "1000.5", "1001" }, { "KWD", "1.0005", "1.001" }, { "EUR", "-1.005", "-1.01" } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct invoice invoice = invoice_of("a", INVOICE_OPEN);
		const struct invoice *list[] = { &invoice };
		struct billingaccount account = ready_account("acme", "main", NULL);

		account.spec.currency_code = invoice.status.currency_code = rows[i].currency;
		invoice.status.amount_due = rows[i].due;
		assert_string_equal(invoicing_judge(&account, list, 1, NOW, &test_arena).outstanding, rows[i].outstanding);
	}
	struct billingaccount account = ready_account("acme", "main", NULL);
	account.spec.currency_code = "ZZZ";
	assert_null(invoicing_judge(&account, NULL, 0, NOW, &test_arena).outstanding);
}

/* ---- in a cluster ---- */

static void put_invoice(struct cluster *c, const char *name, const char *due)
{
	apply(c, KIND_INVOICE, "acme", name,
	      "{'spec':{'billingAccountRef':{'name':'main'},'period':{'start':'2026-10-01T00:00:00Z','end':'2026-10-31T23:59:59Z'}},"
	      "'status':{'phase':'Open','currencyCode':'EUR','amountDue':'5.00','dueDate':'%s'}}", due);
}

static const struct condition *invoicing_ready(const struct cluster *c)
{
	const struct billingaccount *account = get(c, KIND_BILLINGACCOUNT, "acme", "main");
	return &account->status.conditions.items[2];
}

static void time_moves_invoice_and_account_and_nothing_else_does(void **state)
{
	char text[INSTANT_TEXT_SIZE];
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	put_invoice(&c, "main-2026-10", instant_format(c.now + 60 * SECOND, text));
	settle(&c);
	const struct invoice *invoice = get(&c, KIND_INVOICE, "acme", "main-2026-10");
	assert_int_equal(invoice->owners.n, 1);
	assert_string_equal(invoice->owners.items[0].kind, "BillingAccount");
	assert_string_equal(invoicing_ready(&c)->reason, "Current");
	pass_time_until(&c, c.now + 59 * SECOND);
	assert_int_equal(settle(&c), 0);
	pass_time_until(&c, c.now + SECOND);
	assert_int_equal(settle(&c), 2); /* the invoice's and the account's */
	invoice = get(&c, KIND_INVOICE, "acme", "main-2026-10");
	assert_int_equal(invoice->status.phase, INVOICE_PAST_DUE);
	assert_string_equal(invoicing_ready(&c)->reason, "PastDue");
	assert_string_equal(invoicing_ready(&c)->message, "invoice main-2026-10 is past due");
	restart(&c);
	assert_int_equal(settle(&c), 0);
	apply(&c, KIND_INVOICE, "acme", "main-2026-10", "{'status':{'phase':'Paid'}}");
	settle(&c);
	assert_string_equal(invoicing_ready(&c)->reason, "Current");
	cluster_close(&c);
}

/* Found by name alone, it would pass to the new account. */
static void a_new_account_of_the_name_inherits_no_invoice(void **state)
{
	char text[INSTANT_TEXT_SIZE];
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	put_invoice(&c, "main-2026-10", instant_format(c.now - SECOND, text));
	settle(&c);
	assert_string_equal(invoicing_ready(&c)->reason, "PastDue");
	delete(&c, KIND_BILLINGACCOUNT, "acme", "main");
	settle(&c);
	c.now += 5 * SECOND;
	put_account(&c, "acme", "main", NULL);
	settle(&c);
	assert_string_equal(invoicing_ready(&c)->reason, "NoInvoicesYet");
	const struct invoice *invoice = get(&c, KIND_INVOICE, "acme", "main-2026-10");
	assert_string_equal(invoice->status.conditions.items[0].reason, "OwnerMismatch");
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases_follow_writer_time_and_requests),
		cmocka_unit_test(a_clock_that_is_set_back_takes_back_what_it_moved),
		cmocka_unit_test(ready_says_what_is_wrong),
		cmocka_unit_test(a_refused_void_is_explained),
		cmocka_unit_test(what_is_older_than_its_account_is_not_its_own),
		cmocka_unit_test(nothing_gets_an_owner_while_either_goes),
		cmocka_unit_test(an_account_without_a_currency_is_said),
		cmocka_unit_test(invoices_are_summed_up_in_any_order),
		cmocka_unit_test(one_of_two_is_the_newest),
		cmocka_unit_test(a_predecessors_invoice_is_nobodys_here),
		cmocka_unit_test(amounts_have_the_currencys_minor_units),
		cmocka_unit_test(time_moves_invoice_and_account_and_nothing_else_does),
		cmocka_unit_test(a_new_account_of_the_name_inherits_no_invoice),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
