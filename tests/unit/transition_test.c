/*
 * What people are told of each kind: an event on its transition and not on the next turn, with the status fed back; at most one about a
 * fresh object; and of a whole story, in a cluster, exactly its turning points, once.
 */
#include "../../reconcilers/billingaccount_inputs.h"
#include "../../reconcilers/billingarrangement_inputs.h"
#include "../../reconcilers/invoice_inputs.h"
#include "../../reconcilers/paymentmethod_inputs.h"
#include "cluster.h"
#include "transition.h"

static const struct owner_reference owner = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-1", UNSET };

static void a_condition_moves_with_its_status_or_reason_alone(void **state)
{
	static const struct condition old = { .type = "Ready", .status = CONDITION_FALSE, .reason = "A", .message = "a" };
	const struct {
		const char *rule;
		struct condition new;
		bool moved;
	} rows[] = {
		{ "nothing", old, false },
		{ "its message", { .type = "Ready", .status = CONDITION_FALSE, .reason = "A", .message = "b" }, false },
		{ "its reason", { .type = "Ready", .status = CONDITION_FALSE, .reason = "B", .message = "a" }, true },
		{ "its status", { .type = "Ready", .status = CONDITION_TRUE, .reason = "A", .message = "a" }, true },
		{ "it is gone", { .type = "Other", .status = CONDITION_TRUE, .reason = "A", .message = "a" }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct conditions before = { 1, &old }, after = { 1, &rows[i].new }, none = { 0 };
		struct transition t = transition_of(&before, &after, "Ready");

		rule(rows[i].rule);
		assert_int_equal(transition_took_place(&t), rows[i].moved);
		assert_true(transition_is_from(&t, "A"));
		t = transition_of(&none, &before, "Ready");
		assert_true(transition_took_place(&t)); /* it is new */
		assert_false(transition_is_from(&t, "A"));
	}
}

/* ---- one kind at a time: a step, what is told, and then nothing ---- */

static void step_account(struct billingaccount_inputs *in, struct billingaccount *account, bool warning, const char *reason, const char *note)
{
	struct outcome outcome = billingaccount_reconcile(in, &test_arena);

	expect_event(&outcome, warning, reason, note);
	account->status = *(const struct account_status *)outcome.status;
	in->now += DAY;
	outcome = billingaccount_reconcile(in, &test_arena);
	expect_event(&outcome, false, NULL, NULL);
}

static void an_account_tells_of_its_method_suspension_and_end(void **state)
{
	static const struct account_suspension suspension = { "three invoices are past due", NOW };
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct paymentmethod visa = method_of("acme", "visa", "main", METHOD_ACTIVE);
	struct billingaccount_inputs in = { .now = NOW, .self = &account };

	(void)state;
	account.status.phase = ACCOUNT_PHASE_ABSENT;
	step_account(&in, &account, false, NULL, NULL); /* fresh, and nothing is wrong with it */
	account.spec.default_payment_method = word("visa");
	in.means.method = &visa;
	step_account(&in, &account, false, NULL, NULL); /* whoever chose it knows */
	visa.status.phase = METHOD_FAILED;
	visa.status.failure_reason = "card_declined";
	step_account(&in, &account, true, "PaymentMethodDegraded",
		     "The default payment method \"visa\" cannot be used: card declined (card_declined). Next: ");
	in.means.method = NULL;
	step_account(&in, &account, true, "PaymentMethodNotFound", "was not found");
	in.means.method = &visa;
	visa.status.phase = METHOD_ACTIVE;
	step_account(&in, &account, false, "DefaultPaymentMethodReady", "The default payment method \"visa\" can be used.");

	account.status.phase = ACCOUNT_SUSPENDED; /* staff need not say why */
	step_account(&in, &account, true, "Suspended", "Billing account \"main\" is suspended. Projects billed to it may not deploy. Next: ");
	account.status.phase = ACCOUNT_READY;
	step_account(&in, &account, false, "Resumed", "is not suspended any more.");
	account.status.phase = ACCOUNT_SUSPENDED;
	account.status.suspension = &suspension;
	step_account(&in, &account, true, "Suspended", "is suspended: three invoices are past due. Projects billed to it may not deploy. Next: ");
	account.spec.closure_requested = YES;
	step_account(&in, &account, true, "ClosureBlocked", "waits for billing staff, because the account is suspended. Next: settle it");
	account.status.phase = ACCOUNT_READY;
	in.n_active = 2;
	step_account(&in, &account, false, "Resumed", "is not suspended any more.");
	in.n_active = 1;
	step_account(&in, &account, false, NULL, NULL); /* it still waits */
	in.n_active = 0;
	step_account(&in, &account, false, "Closed", "is closed and takes no bindings any more.");
}

static void a_closure_that_waits_is_told_once(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct billingaccount_inputs in = { .now = NOW, .self = &account, .n_active = 2 };

	(void)state;
	step_account(&in, &account, false, NULL, NULL);
	account.spec.closure_requested = YES;
	step_account(&in, &account, true, "ClosureBlocked", "it waits for 2 active bindings. Next: delete its bindings");
	account.spec.closure_requested = NO;
	step_account(&in, &account, false, NULL, NULL);
	account.spec.closure_requested = YES;
	step_account(&in, &account, true, "ClosureBlocked", "it waits for 2 active bindings."); /* asked for anew */
	account.status.phase = ACCOUNT_ARCHIVED; /* staff may */
	step_account(&in, &account, false, "Closed", "is closed");
}

static void step_invoice(struct invoice_inputs *in, struct invoice *invoice, bool warning, const char *reason, const char *note)
{
	struct outcome outcome = invoice_reconcile(in, &test_arena);

	expect_event(&outcome, warning, reason, note);
	invoice->status = *(const struct invoice_status *)outcome.status;
	outcome = invoice_reconcile(in, &test_arena);
	expect_event(&outcome, false, NULL, NULL);
}

static void an_invoice_tells_when_it_is_issued_past_due_and_paid(void **state)
{
	static const struct billing_period october = { NOW - 52 * DAY, NOW - 21 * DAY };
	struct billingaccount account = ready_account("acme", "main", NULL);

	(void)state;
	for (int by_writer = 0; by_writer < 2; by_writer++)
		for (int attempts = 0; attempts < 2; attempts++)
			for (int faulty = 0; faulty < 2; faulty++) {
				struct invoice one = { .meta = named("acme", "i"), .owners = { 1, &owner },
						       .spec = { .account = word("main"), .period = &october },
						       .status = { .amount_due = "10.00", .attempt_count = attempts,
								   .observed_generation = INTEGER_ABSENT } };
				struct invoice_inputs in = { .now = NOW, .self = &one, .account = &account };

				one.status.currency_code = faulty ? "USD" : "EUR";
				step_invoice(&in, &one, false, NULL, NULL); /* its writer has said nothing yet */
				one.status.phase = INVOICE_OPEN;
				one.status.due_date = NOW + DAY;
				step_invoice(&in, &one, false, "Issued", "Invoice \"i\" is open and due at 2026-11-23T10:06:20Z.");
				if (by_writer)
					one.status.phase = INVOICE_PAST_DUE;
				else
					in.now += DAY;
				if (by_writer && attempts && faulty) /* that it was open is not to be seen in its status any more */
					step_invoice(&in, &one, false, NULL, NULL);
				else
					step_invoice(&in, &one, true, "PastDue", "Invoice \"i\" is not paid and past due; it fell due at 2026-11-23");
				one.status.phase = INVOICE_PAID;
				step_invoice(&in, &one, false, "Paid", "Invoice \"i\" is paid.");
			}
}

static void an_invoice_without_a_due_date_tells_of_none(void **state)
{
	static const struct billing_period october = { NOW - 52 * DAY, NOW - 21 * DAY };
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct invoice one = { .meta = named("acme", "i"), .owners = { 1, &owner }, .spec = { .account = word("main"), .period = &october },
			       .status = { .phase = INVOICE_OPEN, .currency_code = "EUR", .amount_due = "10.00", .attempt_count = INTEGER_ABSENT,
					   .observed_generation = INTEGER_ABSENT } };
	struct invoice_inputs in = { .now = NOW, .self = &one, .account = &account };

	(void)state;
	step_invoice(&in, &one, false, "Issued", "Invoice \"i\" is open.");
	one.status.phase = INVOICE_PAST_DUE;
	step_invoice(&in, &one, true, "PastDue", "Invoice \"i\" is not paid and past due. Next: pay what is left of it.");
}

static void step_arrangement(struct billingarrangement_inputs *in, struct billingarrangement *one, bool warning, const char *reason, const char *note)
{
	struct outcome outcome = billingarrangement_reconcile(in, &test_arena);

	expect_event(&outcome, warning, reason, note);
	one->status = *(const struct arrangement_status *)outcome.status;
	outcome = billingarrangement_reconcile(in, &test_arena);
	expect_event(&outcome, false, NULL, NULL);
}

static void an_arrangement_tells_when_it_begins_and_what_applies_after_it(void **state)
{
	struct billingarrangement one = { .meta = named("acme", "terms"), .owners = { 1, &owner },
					  .spec = { .account = word("main"), .type = ARRANGEMENT_INVOICE, .starts_at = NOW + DAY,
						    .ends_at = NOW + 3 * DAY } };
	struct billingarrangement next = one, first = one;
	const struct billingarrangement *all[] = { &one, &next, &first };
	const struct {
		const char *rule, *default_method;
		size_t n;
		bool warning;
		const char *note;
	} rows[] = {
		{ "nothing", NULL, 1, true, "The account cannot pay now, so its projects may not deploy. Next: " },
		{ "a default method", "visa", 1, false, "The account pays by its default payment method \"visa\" now." },
		{ "another arrangement", "visa", 2, false, "Arrangement \"next\" applies now." },
	};

	(void)state;
	next.meta.name = word("next");
	next.spec.starts_at = NOW + 3 * DAY;
	next.spec.ends_at = 0;
	first.meta.name = word("first");
	first.spec.starts_at = NOW;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct billingaccount account = ready_account("acme", "main", rows[i].default_method);
		struct paymentmethod visa = method_of("acme", "visa", "main", METHOD_ACTIVE);
		struct billingarrangement_inputs in = { .now = NOW, .self = &one, .account = &account,
							.means = { .method = &visa, .arrangements = all, .n_arrangements = rows[i].n } };

		rule(rows[i].rule);
		one.status = (struct arrangement_status){ 0 };
		step_arrangement(&in, &one, false, NULL, NULL); /* to come */
		in.now = NOW + DAY;
		step_arrangement(&in, &one, false, "InForce", "In force until 2026-11-25T10:06:20Z. Billing account \"main\" pays by invoice.");
		in.means.n_arrangements = 3; /* another one, of an earlier start */
		step_arrangement(&in, &one, true, "NotApplied", "The arrangement does not apply: overlaps arrangement \"first\"");
		in.means.n_arrangements = rows[i].n;
		step_arrangement(&in, &one, false, "InForce", "In force until");
		in.now = NOW + 3 * DAY;
		step_arrangement(&in, &one, rows[i].warning, "Ended", rows[i].note);
		one.status = (struct arrangement_status){ 0 };
		step_arrangement(&in, &one, false, NULL, NULL); /* over before anybody knew of it */
		in.now = NOW + 2 * DAY; /* a clock that was ahead */
		step_arrangement(&in, &one, false, "InForce", "In force until");
		in.now = NOW + 3 * DAY;
		in.account = NULL; /* gone before its terms were over */
		step_arrangement(&in, &one, false, "Ended", "billing account \"main\" was not found in namespace \"acme\".");
	}
}

static void step_method(struct paymentmethod_inputs *in, struct paymentmethod *method, bool warning, const char *reason, const char *note)
{
	struct outcome outcome = paymentmethod_reconcile(in, &test_arena);

	expect_event(&outcome, warning, reason, note);
	method->status = *(const struct method_status *)outcome.status;
	outcome = paymentmethod_reconcile(in, &test_arena);
	expect_event(&outcome, false, NULL, NULL);
}

static void a_method_tells_when_it_can_be_charged_and_when_not(void **state)
{
	static const struct method_card card = { .expiry_month = 12, .expiry_year = 2026 };
	static const struct method_details details = { .type = "card", .card = &card };
	struct paymentmethodclass class = { .meta = named(NULL, "cards"), .provider = "manual" };
	struct paymentmethod visa = method_of("acme", "visa", "main", METHOD_PHASE_ABSENT);
	struct paymentmethod_inputs in = { .now = NOW, .self = &visa, .class = &class };

	(void)state;
	step_method(&in, &visa, false, NULL, NULL);
	visa.status.phase = METHOD_AWAITING_CONFIRMATION;
	step_method(&in, &visa, false, NULL, NULL);
	visa.status.phase = METHOD_ACTIVE;
	visa.status.details = &details;
	step_method(&in, &visa, false, "Usable", "Payment method \"visa\" can be charged.");
	visa.status.phase = METHOD_FAILED;
	visa.status.failure_reason = "card_declined";
	step_method(&in, &visa, true, "Failed", "cannot be charged: card declined (card_declined). Next: put it right with its provider");
	visa.status.failure_reason = "card_lost";
	step_method(&in, &visa, true, "Failed", "card lost");
	visa.status.phase = METHOD_ACTIVE;
	visa.status.failure_reason = NULL;
	step_method(&in, &visa, false, "Usable", "can be charged");
	in.now = instant_after_month(2026, 12);
	step_method(&in, &visa, true, "Expired", "card expired at the end of 12/2026 (card_expired). Next: have the card renewed");
}

/* ---- a story, in a cluster ---- */

static void expect_told(struct cluster *c, const char *const expected[])
{
	for (size_t i = 0; i < c->n_told; i++) {
		char text[2048];
		snprintf(text, sizeof(text), "%s/%s %s: %s", c->told[i].key.ns->text, c->told[i].key.name->text, c->told[i].reason, c->told[i].note);
		if (!expected[i])
			fail_msg("told besides: %s", text);
		expect_text(text, expected[i]);
	}
	if (expected[c->n_told])
		fail_msg("not told: %s", expected[c->n_told]);
	forget_told(c);
}

#define TOLD(c, ...) expect_told((c), (const char *const[]){ __VA_ARGS__, NULL })
#define TOLD_NOTHING(c) expect_told((c), (const char *const[]){ NULL })

static void a_project_is_told_its_turning_points_and_a_restart_tells_none(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "web-ns", "web", NULL);
	settle(&c);
	TOLD(&c, "web-ns/web DeployBlocked: Deploys are blocked (NoBinding): billing account required before deploy. Next: bind the project");
	put_account(&c, "acme", "main", NULL);
	put_class(&c, "cards", "sandbox");
	settle(&c);
	TOLD_NOTHING(&c);
	put_binding(&c, "acme", "one", "main", "web");
	settle(&c);
	TOLD(&c, "acme/one Bound: Project \"web\" is billed to billing account \"main\" from now on.",
	     "web-ns/web DeployBlocked: Deploys are blocked (NoBinding -> PaymentMethodRequired): payment method required");
	put_method(&c, "acme", "visa", "main", "cards");
	settle(&c);
	TOLD(&c, "acme/visa Usable");
	put_account(&c, "acme", "main", "visa");
	settle(&c);
	TOLD(&c, "web-ns/web DeployAllowed: Deploys are allowed (PaymentMethodRequired -> Allowed).");
	put_account(&c, "acme", "reserve", NULL);
	put_binding(&c, "acme", "two", "reserve", "web");
	settle(&c);
	TOLD(&c, "acme/one Superseded: Not bound: superseded by billing account binding \"two\". Next: create another binding to come back.",
	     "web-ns/web DeployBlocked: Deploys are blocked (Allowed -> PaymentMethodRequired)", "acme/two Bound");
	restart(&c);
	for (int kind = 0; kind < KIND_COUNT; kind++)
		assert_true(c.n_dirty > 0); /* everything is looked at anew */
	assert_int_equal(settle(&c), 0);
	TOLD_NOTHING(&c);
	cluster_close(&c);
}

/* Whatever the order: words about an object never come twice in a row (tell_people), and what came last is true. */
static void in_any_order_the_last_word_is_true(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		uint64_t random = seed;
		const char *last = "";
		struct cluster c;

		cluster_init(&c);
		put_namespace(&c, "web-ns", "web", NULL);
		put_account(&c, "acme", "main", "visa");
		put_class(&c, "cards", "sandbox");
		put_binding(&c, "acme", "one", "main", "web");
		put_method(&c, "acme", "visa", "main", "cards");
		settle_at_random(&c, &random);
		for (size_t i = 0; i < c.n_told; i++)
			if (c.told[i].key.kind == KIND_PROJECTBILLING)
				last = c.told[i].reason;
		assert_string_equal(last, "DeployAllowed");
		cluster_close(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_moves_with_its_status_or_reason_alone),
		cmocka_unit_test(an_account_tells_of_its_method_suspension_and_end),
		cmocka_unit_test(a_closure_that_waits_is_told_once),
		cmocka_unit_test(an_invoice_tells_when_it_is_issued_past_due_and_paid),
		cmocka_unit_test(an_invoice_without_a_due_date_tells_of_none),
		cmocka_unit_test(an_arrangement_tells_when_it_begins_and_what_applies_after_it),
		cmocka_unit_test(a_method_tells_when_it_can_be_charged_and_when_not),
		cmocka_unit_test(a_project_is_told_its_turning_points_and_a_restart_tells_none),
		cmocka_unit_test(in_any_order_the_last_word_is_true),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
