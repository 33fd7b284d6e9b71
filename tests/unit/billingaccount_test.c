/*
 * BillingAccount: what is wrong with a spec, the phase, the four conditions in their order, and a finalizer that lets go only
 * when no binding is, or can become, Active.
 */
#include "../../reconcilers/billingaccount_inputs.h"
#include "currency.h"
#include "cluster.h"

/* ---- the spec ---- */

static void a_spec_is_judged_by_its_first_fault(void **state)
{
	static const struct {
		const char *currency, *email;
		const char *invoice_emails[12];
		int64_t net_days, day;
		enum invoice_frequency frequency;
		const char *expected; /* NULL: nothing is wrong */
	} rows[] = {
		{ "USD", "a@example.com", { NULL }, 30, 1, FREQUENCY_MONTHLY, NULL },
		{ "XCG", NULL, { NULL }, INTEGER_ABSENT, INTEGER_ABSENT, FREQUENCY_ABSENT, NULL },
		{ "ZZZ", NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "spec.currencyCode: \"ZZZ\" is not an ISO 4217 currency code" },
		{ "usd", NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "spec.currencyCode: \"usd\" is not" },
		{ "", NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "spec.currencyCode: \"\" is not" },
		{ NULL, NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "spec.currencyCode: \"\" is not" },
		{ "XXX", NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "XXX" },
		{ "XTS", NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "XTS" },
		{ "XAU", NULL, { NULL }, 30, 1, FREQUENCY_MONTHLY, "XAU" },
		{ "EUR", NULL, { NULL }, 45, 1, FREQUENCY_MONTHLY, "spec.paymentTerms.netDays: 45" },
		{ "EUR", NULL, { NULL }, 45, 1, FREQUENCY_MONTHLY, "payment terms are granted by billing staff through a BillingArrangement" },
		{ "EUR", NULL, { NULL }, 30, 1, FREQUENCY_ANNUAL, "spec.paymentTerms.invoiceFrequency: " },
		{ "EUR", NULL, { NULL }, 30, 15, FREQUENCY_MONTHLY, "spec.paymentTerms.invoiceDayOfMonth: 15" },
		{ "EUR", "not-an-email", { NULL }, 30, 1, FREQUENCY_MONTHLY,
		  "spec.contactInfo.email: \"not-an-email\" must be a valid email address" },
		{ "EUR", "a@example.com", { "b@example.com", "c@" }, 30, 1, FREQUENCY_MONTHLY,
		  "spec.contactInfo.invoiceEmails[1]: \"c@\" must be a valid email address" },
		{ "EUR", "a@example.com", { "b@example.com", "B@Example.com" }, 30, 1, FREQUENCY_MONTHLY,
		  "spec.contactInfo.invoiceEmails[1]: \"B@Example.com\" repeats \"b@example.com\"" },
		{ "EUR", "a@example.com", { "a@example.com" }, 30, 1, FREQUENCY_MONTHLY, NULL },
		{ "EUR", "a@e.com", { "a@e", "b@e", "c@e", "d@e", "e@e", "f@e", "g@e", "h@e", "i@e", "j@e" }, 30, 1, 0, NULL },
		{ "EUR", "a@e.com", { "a@e", "b@e", "c@e", "d@e", "e@e", "f@e", "g@e", "h@e", "i@e", "j@e", "k@e" }, 30, 1, 0,
		  "spec.contactInfo.invoiceEmails: 11 addresses are more than 10" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct payment_terms terms = { rows[i].net_days, rows[i].frequency, rows[i].day };
		struct contact_info contact = { .email = rows[i].email, .invoice_emails = { 0, rows[i].invoice_emails } };
		struct account_spec spec = { .currency_code = rows[i].currency, .payment_terms = &terms };
		while (rows[i].invoice_emails[contact.invoice_emails.n])
			contact.invoice_emails.n++;
		spec.contact_info = rows[i].email ? &contact : NULL;
		const char *fault = account_validate(&spec, &test_arena);
		assert_int_equal(!fault, !rows[i].expected);
		if (fault)
			expect_text(fault, rows[i].expected);
		struct billingaccount account = { .spec = spec };
		assert_int_equal(account_phase(&account), fault ? ACCOUNT_PROVISIONING : ACCOUNT_READY);
	}
}

static void emails_are_well_formed_or_not(void **state)
{
	static const char *const good[] = { "a@b.example", "first.last+tag@sub.example.com", "o'neil@example.ie", "a@localhost",
					    "x@xn--bcher-kva.example", "用户@例子.example", "a@1.2.3.4",
					    "{a|b}~@b.example" };
	static const char *const bad[] = { "", "@", "a", "a@", "@b.example", "a b@c.example", "a@b@c.example", ".a@b.example",
					   "a.@b.example", "a..b@c.example", "a@b..example", "a@.example", "a@example.", "a@-b.example",
					   "a@b-.example", "a@b_c.example", "Joe <joe@example.com>", "joe@example.com ", "a@b.example\n",
					   "a\"b@c.example", "a,b@c.example", "a@b{c.example", NULL };
	struct contact_info contact = { 0 };
	struct account_spec spec = { .currency_code = "EUR", .contact_info = &contact };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		contact.email = good[i];
		if (account_validate(&spec, &test_arena))
			fail_msg("%s should be well formed", good[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		contact.email = bad[i];
		if (!account_validate(&spec, &test_arena))
			fail_msg("\"%s\" should be refused", bad[i] ? bad[i] : "(none)");
	}
}

/* RFC 5321, 4.5.3.1, and RFC 1035, 2.3.4: 64 before the @, 254 in all, 63 a label, 253 octets a host. */
static void emails_have_their_limits(void **state)
{
	struct contact_info contact = { 0 };
	struct account_spec spec = { .currency_code = "EUR", .contact_info = &contact };
	char label[64], local[65];

	(void)state;
	memset(label, 'b', 63);
	memset(local, 'a', 64);
	label[63] = local[64] = '\0';
	contact.email = arena_printf(&test_arena, "%s@%s.%s.%.61s", local, label, label, label); /* 254 */
	assert_null(account_validate(&spec, &test_arena));
	contact.email = arena_printf(&test_arena, "%s@%s.%s.%.62s", local, label, label, label);
	assert_non_null(account_validate(&spec, &test_arena));
	contact.email = arena_printf(&test_arena, "a@%s.example", label);
	assert_null(account_validate(&spec, &test_arena));
	contact.email = arena_printf(&test_arena, "a@b%s.example", label);
	assert_non_null(account_validate(&spec, &test_arena));
	for (size_t i = 0; i + 1 < 62; i += 2) /* two octets each, and one character */
		memcpy(label + i, "\u00e4", 2);
	label[62] = '\0';
	contact.email = arena_printf(&test_arena, "a@%s.%s.%s.%s", label, label, label, label); /* 251 octets of a host */
	assert_null(account_validate(&spec, &test_arena));
	contact.email = arena_printf(&test_arena, "a@%s.%s.%s.%s.bb", label, label, label, label);
	assert_non_null(account_validate(&spec, &test_arena));

	char long_local[128];
	memset(long_local, 'a', 65);
	strcpy(long_local + 65, "@b.example");
	contact.email = long_local;
	assert_non_null(account_validate(&spec, &test_arena));
	contact.email = long_local + 1;
	assert_null(account_validate(&spec, &test_arena));
}

static void only_currencies_in_use_are_known(void **state)
{
	static const char *const known[] = { "AED", "EUR", "USD", "JPY", "KWD", "XAF", "XOF", "XPF", "XCD", "XCG", "ZWG", "GBP", "CHF" };
	static const char *const unknown[] = { "ZZZ", "XXX", "XTS", "XAG", "XDR", "CHE", "USN", "DEM", "HRK", "ANG", "ZWL", "eur", "EU",
					       "EURO", "", " EUR" };

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++)
		assert_true(currency_known(known[i]));
	for (size_t i = 0; i < COUNT(unknown); i++)
		assert_false(currency_known(unknown[i]));
	assert_false(currency_known(NULL));
	size_t n = 0;
	for (char a = 'A'; a <= 'Z'; a++)
		for (char b = 'A'; b <= 'Z'; b++)
			for (char c = 'A'; c <= 'Z'; c++)
				n += currency_known((char[]){ a, b, c, '\0' });
	assert_int_equal(n, 155); /* each of the table is found: it is sorted */
}

/* Edge case 13, and what sticks. */
static void staff_decide_suspended_and_archived(void **state)
{
	static const struct {
		enum account_phase observed, expected;
		const char *currency;
	} rows[] = {
		{ ACCOUNT_PHASE_ABSENT, ACCOUNT_READY, "EUR" },        { ACCOUNT_PROVISIONING, ACCOUNT_READY, "EUR" },
		{ ACCOUNT_READY, ACCOUNT_READY, "EUR" },               { ACCOUNT_SUSPENDED, ACCOUNT_SUSPENDED, "EUR" },
		{ ACCOUNT_ARCHIVED, ACCOUNT_ARCHIVED, "EUR" },         { ACCOUNT_PHASE_ABSENT, ACCOUNT_PROVISIONING, "ZZZ" },
		{ ACCOUNT_READY, ACCOUNT_PROVISIONING, "ZZZ" },        { ACCOUNT_SUSPENDED, ACCOUNT_SUSPENDED, "ZZZ" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct billingaccount account = ready_account("acme", "main", NULL);
		account.status.phase = rows[i].observed;
		account.spec.currency_code = rows[i].currency;
		assert_int_equal(account_phase(&account), rows[i].expected);
	}
}

/* ---- the conditions ---- */

struct row {
	const char *rule;
	enum account_phase observed;
	const char *currency, *default_method;
	const char *method_account; /* NULL: there is no method */
	enum method_phase method;
	const char *failure_reason;
	int expiry_year;
	enum condition_status ready;
	const char *ready_reason, *ready_message;
	enum condition_status method_ready;
	const char *method_reason, *method_message;
	enum condition_status payment_ready;
	const char *payment_reason;
};

static const struct row rows[] = {
	{ "new, no method", 0, "EUR", NULL, NULL, 0, NULL, 0, CONDITION_TRUE, "BillingAccountReady", "Billing account is ready.",
	  CONDITION_FALSE, "NotConfigured", "spec.defaultPaymentMethodRef", CONDITION_FALSE, "NotConfigured" },
	{ "an Active default method", 0, "EUR", "visa", "main", METHOD_ACTIVE, NULL, 0, CONDITION_TRUE, "BillingAccountReady", "",
	  CONDITION_TRUE, "Ready", "visa", CONDITION_TRUE, "PaymentMethodReady" },
	{ "its card is good for now", 0, "EUR", "visa", "main", METHOD_ACTIVE, NULL, 2027, CONDITION_TRUE, "BillingAccountReady", "",
	  CONDITION_TRUE, "Ready", "", CONDITION_TRUE, "PaymentMethodReady" },
	{ "its card is no longer", 0, "EUR", "visa", "main", METHOD_ACTIVE, NULL, 2025, CONDITION_TRUE, "BillingAccountReady", "",
	  CONDITION_FALSE, "PaymentMethodDegraded", "card expired", CONDITION_FALSE, "PaymentMethodDegraded" },
	{ "default method missing", 0, "EUR", "visa", NULL, 0, NULL, 0, CONDITION_TRUE, "BillingAccountReady", "", CONDITION_FALSE,
	  "PaymentMethodNotFound", "\"visa\" cannot be used: it was not found", CONDITION_FALSE, "PaymentMethodNotFound" },
	{ "default method of another account", 0, "EUR", "visa", "other", METHOD_ACTIVE, NULL, 0, CONDITION_TRUE, "BillingAccountReady", "",
	  CONDITION_FALSE, "PaymentMethodNotFound", "belongs to billing account \"other\"", CONDITION_FALSE, "PaymentMethodNotFound" },
	{ "default method failed", 0, "EUR", "visa", "main", METHOD_FAILED, "card_declined", 0, CONDITION_TRUE, "BillingAccountReady", "",
	  CONDITION_FALSE, "PaymentMethodDegraded", "card declined (card_declined)", CONDITION_FALSE, "PaymentMethodDegraded" },
	{ "default method pending", 0, "EUR", "visa", "main", METHOD_PENDING, NULL, 0, CONDITION_TRUE, "BillingAccountReady", "",
	  CONDITION_FALSE, "PaymentMethodDegraded", "pending", CONDITION_FALSE, "PaymentMethodDegraded" },
	{ "unknown currency", 0, "ZZZ", NULL, NULL, 0, NULL, 0, CONDITION_FALSE, "BillingAccountNotReady",
	  "Billing account is in Provisioning phase. spec.currencyCode: \"ZZZ\" is not an ISO 4217 currency code", CONDITION_FALSE,
	  "NotConfigured", "", CONDITION_FALSE, "NotConfigured" },
	{ "suspended by staff", ACCOUNT_SUSPENDED, "EUR", "visa", "main", METHOD_ACTIVE, NULL, 0, CONDITION_FALSE, "BillingAccountNotReady",
	  "Billing account is in Suspended phase.", CONDITION_TRUE, "Ready", "", CONDITION_TRUE, "PaymentMethodReady" },
	{ "archived by staff", ACCOUNT_ARCHIVED, "EUR", NULL, NULL, 0, NULL, 0, CONDITION_FALSE, "BillingAccountNotReady",
	  "Billing account is in Archived phase.", CONDITION_FALSE, "NotConfigured", "", CONDITION_FALSE, "NotConfigured" },
};

static void check_conditions(const struct row *row, const struct account_status *status)
{
	assert_int_equal(status->conditions.n, 4);
	expect_text(expect_condition(&status->conditions, 0, "Ready", row->ready, row->ready_reason)->message, row->ready_message);
	expect_text(expect_condition(&status->conditions, 1, "DefaultPaymentMethodReady", row->method_ready, row->method_reason)->message,
		    row->method_message);
	expect_condition(&status->conditions, 2, "InvoicingReady", CONDITION_TRUE, "NoInvoicesYet");
	expect_condition(&status->conditions, 3, "PaymentReady", row->payment_ready, row->payment_reason);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(status->conditions.items[i].observed_generation, 3);
	assert_int_equal(status->observed_generation, 3);
	assert_int_equal(status->linked_projects_count, 2);
}

/* Edge cases 4, 8 and 11: an observed list in an older order, with foreign types, comes out right. */
static const struct condition old_order[] = {
	{ .type = "PaymentReady", .status = CONDITION_TRUE, .reason = "Old", .message = "", .last_transition = NOW - DAY },
	{ .type = "Default", .status = CONDITION_TRUE, .reason = "Old", .message = "", .last_transition = NOW - DAY },
	{ .type = "Ready", .status = CONDITION_TRUE, .reason = "Old", .message = "", .last_transition = NOW - DAY },
};

static void all_four_conditions_in_order_and_then_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		struct account_estimate estimate = { "1.00", "2.00", NOW };
		struct method_card card = { .expiry_month = 12, .expiry_year = row->expiry_year };
		struct method_details details = { .card = &card };
		struct billingaccount account = ready_account("acme", "main", row->default_method);
		struct paymentmethod method = method_of("acme", "visa", row->method_account, row->method);

		rule(row->rule);
		account.status = (struct account_status){ .phase = row->observed, .conditions = { COUNT(old_order), old_order },
							  .linked_projects_count = INTEGER_ABSENT, .observed_generation = INTEGER_ABSENT,
							  .estimate = &estimate, .action_required_count = 5 };
		account.spec.currency_code = row->currency;
		method.status.failure_reason = row->failure_reason;
		method.status.details = row->expiry_year ? &details : NULL;
		struct billingaccount_inputs in = { .now = NOW + 5, .self = &account,
						    .means = { .method = row->method_account ? &method : NULL }, .n_active = 2 };
		struct outcome outcome = billingaccount_reconcile(&in, &test_arena);
		const struct account_status *status = outcome.status;
		check_conditions(row, status);
		assert_int_equal(status->phase, account_phase(&account));
		assert_ptr_equal(status->estimate, &estimate); /* others' facts are handed on */
		assert_int_equal(status->action_required_count, 0); /* counted anew */
		assert_int_equal(status->conditions.items[0].last_transition, row->ready == CONDITION_TRUE ? NOW - DAY : NOW);
		assert_int_equal(outcome.wake_at, row->expiry_year == 2027 ? instant_after_month(2027, 12) : 0);
		assert_int_equal(outcome.finalizer, FINALIZER_ADD);
		account.status = *status;
		in.now += DAY;
		outcome = billingaccount_reconcile(&in, &test_arena);
		assert_true(status_equal(&billingaccount_resource, outcome.status, status));
		expect_event(&outcome, false, NULL, NULL);
	}
}

static void nothing_linked_is_a_zero_and_not_a_gap(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct billingaccount_inputs in = { .now = NOW, .self = &account };
	const struct account_status *status = billingaccount_reconcile(&in, &test_arena).status;

	(void)state;
	assert_int_equal(status->linked_projects_count, 0);
}

/* ---- going ---- */

static void the_finalizer_goes_last(void **state)
{
	static const struct {
		const char *rule;
		bool deleted, held;
		size_t n_active, n_unsettled;
		enum finalizer expected;
		const char *message; /* of Ready; NULL: no status is written */
	} cases[] = {
		{ "wanted, without it: added", false, false, 0, 0, FINALIZER_ADD, "Billing account is ready." },
		{ "wanted, with it: kept", false, true, 0, 0, FINALIZER_KEEP, "Billing account is ready." },
		{ "deleted, nothing bound: removed, and nothing more is said", true, true, 0, 0, FINALIZER_REMOVE, NULL },
		{ "deleted, bound once: kept, and says so", true, true, 1, 0, FINALIZER_KEEP, "Deletion waits for 1 active binding." },
		{ "deleted, bound: kept, and says so", true, true, 3, 1, FINALIZER_KEEP, "Deletion waits for 3 active bindings." },
		{ "deleted, a binding may be on its way: kept for a moment", true, true, 0, 1, FINALIZER_KEEP, NULL },
		{ "deleted without it, nothing bound", true, false, 0, 0, FINALIZER_KEEP, NULL },
		{ "deleted without it: never added", true, false, 2, 0, FINALIZER_KEEP, "Deletion waits for 2 active bindings." },
	};
	static const char *const finalizers[] = { "other/finalizer", ACCOUNT_FINALIZER };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct billingaccount account = ready_account("acme", "main", NULL);
		rule(cases[i].rule);
		account.meta.deleted = cases[i].deleted ? NOW : 0;
		account.meta.finalizers = (struct strings){ cases[i].held ? 2 : 1, finalizers };
		struct billingaccount_inputs in = { .now = NOW, .self = &account, .n_active = cases[i].n_active,
						    .n_unsettled = cases[i].n_unsettled };
		struct outcome outcome = billingaccount_reconcile(&in, &test_arena);
		const struct account_status *status = outcome.status;
		assert_int_equal(outcome.finalizer, cases[i].expected);
		assert_int_equal(!status, !cases[i].message);
		if (status)
			expect_text(status->conditions.items[0].message, cases[i].message);
	}
	struct billingaccount_inputs gone = { .now = NOW };
	assert_null(billingaccount_reconcile(&gone, &test_arena).status);
}

/* No binding may be Active on an account that is not there: looked at after each write on the server's side. */
static void no_active_binding_without_its_account(struct cluster *c)
{
	for (struct stored *s = c->stored; s; s = s->next) {
		const char *account = NULL, *phase = NULL;
		if (s->key.kind != KIND_BINDING || json_unpack(s->object, "{s:{s:{s:s}},s:{s:s}}", "spec", "billingAccountRef", "name",
							       &account, "status", "phase", &phase) != 0)
			continue;
		if (!strcmp(phase, "Active") && !server_find(c, key_of(KIND_BILLINGACCOUNT, s->key.ns->text, account)))
			fail_msg("%s is Active without its account", s->key.name->text);
	}
}

/* Edge case 3. */
static void deletion_never_races_past_a_binding(void **state)
{
	int kept = 0, gone = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		uint64_t random = seed;
		struct cluster c;
		cluster_init(&c);
		c.after_write = no_active_binding_without_its_account;
		put_account(&c, "acme", "main", NULL);
		settle(&c);
		put_binding(&c, "acme", "b", "main", "web");
		for (unsigned steps = next_random(&random) % 8; steps && cluster_step(&c, &random); steps--)
			;
		delete(&c, KIND_BILLINGACCOUNT, "acme", "main");
		settle_at_random(&c, &random);
		assert_int_equal(settle(&c), 0);
		const struct billingaccountbinding *b = get(&c, KIND_BINDING, "acme", "b");
		if (get(&c, KIND_BILLINGACCOUNT, "acme", "main")) {
			kept++;
			assert_int_equal(b->status.phase, BINDING_ACTIVE);
			delete(&c, KIND_BINDING, "acme", "b");
			settle_at_random(&c, &random);
			assert_null(get(&c, KIND_BILLINGACCOUNT, "acme", "main"));
		} else {
			gone++;
			assert_int_equal(b->status.phase, BINDING_PHASE_ABSENT);
			expect_condition(&b->status.conditions, 0, "Bound", CONDITION_FALSE, "AccountNotFound");
		}
		cluster_close(&c);
	}
	assert_true(kept > 20 && gone > 20); /* both ends of the race were run */
}

static void history_does_not_keep_an_account_and_a_new_one_inherits_nothing(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "old", NULL);
	put_account(&c, "acme", "new", NULL);
	put_binding(&c, "acme", "b1", "old", "web");
	settle(&c);
	c.now += 5 * SECOND;
	put_binding(&c, "acme", "b2", "new", "web");
	settle(&c);
	delete(&c, KIND_BILLINGACCOUNT, "acme", "old");
	settle(&c);
	assert_null(get(&c, KIND_BILLINGACCOUNT, "acme", "old"));
	put_account(&c, "acme", "old", NULL);
	settle(&c);
	const struct billingaccount *again = get(&c, KIND_BILLINGACCOUNT, "acme", "old");
	assert_int_equal(again->status.linked_projects_count, 0);
	assert_int_equal(((const struct billingaccountbinding *)get(&c, KIND_BINDING, "acme", "b1"))->status.phase, BINDING_SUPERSEDED);
	cluster_close(&c);
}

/* ---- closing ---- */

static void a_requested_closure_says_what_it_waits_for(void **state)
{
	static const struct {
		const char *rule;
		enum tristate requested;
		enum account_phase observed;
		const char *currency;
		size_t n_active, n_unsettled;
		enum invoice_phase invoices[2]; /* ABSENT ends the list */
		enum account_phase phase;
		const char *message; /* all of Ready's */
	} cases[] = {
		{ "nobody asks", UNSET, ACCOUNT_READY, "EUR", 0, 0, { 0 }, ACCOUNT_READY, "Billing account is ready." },
		{ "asked, and taken back", NO, ACCOUNT_READY, "EUR", 0, 0, { 0 }, ACCOUNT_READY, "Billing account is ready." },
		{ "nothing stands in the way", YES, ACCOUNT_READY, "EUR", 0, 0, { 0 }, ACCOUNT_ARCHIVED, "Billing account is in Archived phase." },
		{ "all is paid", YES, ACCOUNT_READY, "EUR", 0, 0, { INVOICE_PAID, INVOICE_VOID }, ACCOUNT_ARCHIVED,
		  "Billing account is in Archived phase." },
		{ "it pays for a project", YES, ACCOUNT_READY, "EUR", 1, 0, { 0 }, ACCOUNT_READY,
		  "Billing account is ready. Closure is requested; it waits for 1 active binding." },
		{ "a binding has just been made", YES, ACCOUNT_READY, "EUR", 0, 1, { 0 }, ACCOUNT_READY,
		  "Billing account is ready. Closure is requested; it waits for 1 binding under way." },
		{ "it owes something", YES, ACCOUNT_READY, "EUR", 0, 0, { INVOICE_OPEN }, ACCOUNT_READY,
		  "Billing account is ready. Closure is requested; it waits for 1 unpaid invoice (the oldest is i0)." },
		{ "both", YES, ACCOUNT_READY, "EUR", 2, 0, { INVOICE_PAST_DUE, INVOICE_OPEN }, ACCOUNT_READY,
		  "Billing account is ready. Closure is requested; it waits for 2 active bindings and 2 unpaid invoices (the oldest is i0)." },
		{ "one that could not be used can be closed", YES, ACCOUNT_PROVISIONING, "ZZZ", 0, 0, { 0 }, ACCOUNT_ARCHIVED, NULL },
		{ "Suspended sticks", YES, ACCOUNT_SUSPENDED, "EUR", 0, 0, { 0 }, ACCOUNT_SUSPENDED,
		  "Billing account is in Suspended phase. Closure is requested; it waits for billing staff, because the account is suspended." },
		{ "Archived sticks, also when it is taken back", NO, ACCOUNT_ARCHIVED, "EUR", 3, 0, { INVOICE_OPEN }, ACCOUNT_ARCHIVED,
		  "Billing account is in Archived phase." },
	};
	static const struct billing_period period = { NOW - 60 * DAY, NOW - 30 * DAY };
	static const struct owner_reference owner = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-1", UNSET };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct billingaccount account = ready_account("acme", "main", NULL);
		struct invoice invoices[2];
		const struct invoice *list[2];
		size_t n = 0;

		rule(cases[i].rule);
		account.spec.closure_requested = cases[i].requested;
		account.spec.currency_code = cases[i].currency;
		account.status.phase = cases[i].observed;
		for (; n < 2 && cases[i].invoices[n]; n++) {
			invoices[n] = (struct invoice){ .meta = named("acme", n ? "i1" : "i0"), .owners = { 1, &owner },
							.spec = { .account = word("main"), .period = &period },
							.status = { .phase = cases[i].invoices[n], .currency_code = "EUR", .amount_due = "1.00" } };
			list[n] = &invoices[n];
		}
		struct billingaccount_inputs in = { .now = NOW, .self = &account, .invoices = list, .n_invoices = n,
						    .n_active = cases[i].n_active, .n_unsettled = cases[i].n_unsettled };
		const struct account_status *status = billingaccount_reconcile(&in, &test_arena).status;
		assert_int_equal(status->phase, cases[i].phase);
		if (cases[i].message)
			assert_string_equal(status->conditions.items[0].message, cases[i].message);
		account.status = *status;
		assert_true(status_equal(&billingaccount_resource, billingaccount_reconcile(&in, &test_arena).status, status));
	}
}

static void a_deletion_that_waits_is_an_event_once(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct billingaccount_inputs in = { .now = NOW, .self = &account, .n_active = 2 };
	struct outcome outcome = billingaccount_reconcile(&in, &test_arena);

	(void)state;
	assert_int_equal(outcome.n_effects, 0); /* nobody deletes it */
	account.meta.deleted = NOW;
	outcome = billingaccount_reconcile(&in, &test_arena);
	expect_event(&outcome, true, "DeletionBlocked", "Deletion waits for 2 active bindings. Next: delete them");
	account.status = *(const struct account_status *)outcome.status;
	assert_int_equal(billingaccount_reconcile(&in, &test_arena).n_effects, 0); /* said */
	in.n_active = 1;
	assert_int_equal(billingaccount_reconcile(&in, &test_arena).n_effects, 0); /* nor for each that goes */
	account.spec.default_payment_method = word("gone"); /* which it takes along */
	assert_int_equal(billingaccount_reconcile(&in, &test_arena).n_effects, 0);
}

/* Whatever the order: no account is Archived while a binding to it becomes Active. */
static void a_closure_waits_for_bindings_on_their_way(void **state)
{
	int kept = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		uint64_t random = seed;
		struct cluster c;
		cluster_init(&c);
		put_account(&c, "acme", "main", NULL);
		settle(&c);
		put_binding(&c, "acme", "b", "main", "web");
		for (unsigned steps = next_random(&random) % 8; steps && cluster_step(&c, &random); steps--)
			;
		apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "{'spec':{'closureRequested':true}}");
		settle_at_random(&c, &random);
		const struct billingaccount *account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
		const struct billingaccountbinding *b = get(&c, KIND_BINDING, "acme", "b");
		bool archived = account->status.phase == ACCOUNT_ARCHIVED;
		assert_int_equal(b->status.phase, archived ? BINDING_PHASE_ABSENT : BINDING_ACTIVE);
		kept += !archived;
		delete(&c, KIND_BINDING, "acme", "b");
		settle_at_random(&c, &random);
		account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
		assert_int_equal(account->status.phase, ACCOUNT_ARCHIVED);
		assert_int_equal(settle(&c), 0);
		cluster_close(&c);
	}
	assert_true(kept > 20);
}

/* ---- who is woken ---- */

static void the_end_of_a_bindings_request_wakes_an_account_that_waits(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "b", "main", "web");
	settle(&c);
	tell_watchers(&c, key_of(KIND_BINDING, "acme", "b"));
	assert_int_equal(c.n_dirty, 0); /* it waits for nothing */
	apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "{'spec':{'closureRequested':true}}");
	settle(&c);
	tell_watchers(&c, key_of(KIND_BINDING, "acme", "b"));
	assert_true(is_woken(&c, KIND_BILLINGACCOUNT, "acme", "main"));
	settle(&c);
	delete(&c, KIND_BILLINGACCOUNT, "acme", "main");
	settle(&c);
	tell_watchers(&c, key_of(KIND_BINDING, "acme", "b"));
	assert_true(is_woken(&c, KIND_BILLINGACCOUNT, "acme", "main"));
	cluster_close(&c);
}

static void only_what_bindings_and_gates_see_wakes_them(void **state)
{
	static const struct {
		const char *rule, *patch;
		bool woken;
	} changes[] = {
		{ "a label", "{'metadata':{'labels':{'a':'b'}}}", false },
		{ "a contact", "{'spec':{'contactInfo':{'email':'a@example.com'}}}", false },
		{ "conditions and counts", "{'status':{'linkedProjectsCount':9,'conditions':[]}}", false },
		{ "a rename", "{'metadata':{'annotations':{'kubernetes.io/display-name':'Shop'}}}", false },
		{ "its default method", "{'spec':{'defaultPaymentMethodRef':{'name':'visa'}}}", true },
		{ "a suspension", "{'status':{'phase':'Suspended'}}", true },
		{ "why it is suspended", "{'status':{'suspension':{'reason':'overdue'}}}", true },
		{ "its currency made invalid", "{'spec':{'currencyCode':'ZZZ'},'status':{'phase':'Ready'}}", true },
	};
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "web-ns", "web", NULL);
	put_account(&c, "acme", "main", NULL);
	put_account(&c, "acme", "other", NULL);
	put_binding(&c, "acme", "b", "main", "web");
	put_binding(&c, "acme", "o", "other", "api");
	settle(&c);
	for (size_t i = 0; i < COUNT(changes); i++) {
		rule(changes[i].rule);
		apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "%s", changes[i].patch);
		deliver(&c, KIND_BILLINGACCOUNT);
		assert_true(is_woken(&c, KIND_BILLINGACCOUNT, "acme", "main"));
		assert_int_equal(is_woken(&c, KIND_BINDING, "acme", "b"), changes[i].woken);
		assert_int_equal(is_woken(&c, KIND_PROJECTBILLING, "web-ns", "web"), changes[i].woken);
		assert_int_equal(c.n_dirty, changes[i].woken ? 4 : 1); /* the namespace too */
		settle(&c);
	}
	cluster_close(&c);
}

/* Edge case 12. */
static void a_settled_cluster_writes_nothing(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "cards", "sandbox");
	put_namespace(&c, "web-ns", "web", NULL);
	put_account(&c, "acme", "main", "visa");
	put_method(&c, "acme", "visa", "main", "cards");
	put_binding(&c, "acme", "b", "main", "web");
	settle(&c);
	c.now += DAY;
	for (struct stored *s = c.stored; s; s = s->next)
		cluster_dirty(&c, s->key);
	assert_int_equal(settle(&c), 0);
	restart(&c);
	assert_int_equal(settle(&c), 0);
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spec_is_judged_by_its_first_fault),
		cmocka_unit_test(emails_are_well_formed_or_not),
		cmocka_unit_test(emails_have_their_limits),
		cmocka_unit_test(only_currencies_in_use_are_known),
		cmocka_unit_test(staff_decide_suspended_and_archived),
		cmocka_unit_test(all_four_conditions_in_order_and_then_rest),
		cmocka_unit_test(nothing_linked_is_a_zero_and_not_a_gap),
		cmocka_unit_test(the_finalizer_goes_last),
		cmocka_unit_test(deletion_never_races_past_a_binding),
		cmocka_unit_test(history_does_not_keep_an_account_and_a_new_one_inherits_nothing),
		cmocka_unit_test(a_requested_closure_says_what_it_waits_for),
		cmocka_unit_test(a_deletion_that_waits_is_an_event_once),
		cmocka_unit_test(a_closure_waits_for_bindings_on_their_way),
		cmocka_unit_test(the_end_of_a_bindings_request_wakes_an_account_that_waits),
		cmocka_unit_test(only_what_bindings_and_gates_see_wakes_them),
		cmocka_unit_test(a_settled_cluster_writes_nothing),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
