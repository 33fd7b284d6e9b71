/*
 * BillingArrangement: its phase as it follows from its window and the time, what its condition tells people, and what it does for
 * an account's payment and the deploy gate.
 */
#include "../../reconcilers/billingaccount_inputs.h"
#include "../../reconcilers/billingarrangement_inputs.h"
#include "../../reconcilers/payment.h"
#include "cluster.h"
#include "projectbilling.h"

/* What a row leaves out is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const struct owner_reference owner = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-1" };
static const struct owner_reference stranger = { "billing.miloapis.com/v1alpha1", "BillingAccount", "main", "uid-0" };

/* Seconds from now; 0 = not set. */
static struct billingarrangement arrangement_of(const char *name, int starts_s, int ends_s)
{
	return (struct billingarrangement){
		.meta = named("acme", name),
		.owners = { 1, &owner },
		.spec = { .account = word("main"), .type = ARRANGEMENT_INVOICE, .starts_at = starts_s ? NOW + starts_s * SECOND : 0,
			  .ends_at = ends_s ? NOW + ends_s * SECOND : 0 },
		.status = { .observed_generation = INTEGER_ABSENT },
	};
}

/* ---- the window; edge case 9 ---- */

static void phases_follow_the_window(void **state)
{
	static const struct {
		const char *rule;
		int starts_ms, ends_ms; /* from now; 1 = not set */
		enum arrangement_phase phase;
		int turns_ms; /* 1 = never */
		const char *message;
	} rows[] = {
		{ "no window: from its creation, for ever", 1, 1, ARRANGEMENT_ACTIVE, 1, "In force." },
		{ "starts this moment", 0, 1, ARRANGEMENT_ACTIVE, 1, "In force." },
		{ "starts in a moment", 2, 1, ARRANGEMENT_SCHEDULED, 2, "Starts at 2026-11-22T10:06:20Z." },
		{ "ends this moment", -5000, 0, ARRANGEMENT_ENDED, 1, "Ended at 2026-11-22T10:06:20Z." },
		{ "ends in a moment", -5000, 2000, ARRANGEMENT_ACTIVE, 2000, "In force until 2026-11-22T10:06:22Z." },
		{ "starts, then ends", 2000, 5000, ARRANGEMENT_SCHEDULED, 2000, "Starts at" },
		{ "withdrawn before it starts: ends when it starts", 2000, 2000, ARRANGEMENT_ENDED, 1, "Withdrawn" },
		{ "withdrawn before it starts: ended already", 5000, -2000, ARRANGEMENT_ENDED, 1, "Withdrawn" },
		{ "ends before its creation, without a start", 1, -2 * 86400000, ARRANGEMENT_ENDED, 1, "Withdrawn" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct billingaccount account = ready_account("acme", "main", NULL);
		struct billingarrangement one = arrangement_of("terms", 0, 0);
		const struct billingarrangement *siblings[] = { &one };
		struct billingarrangement_inputs in = { .now = NOW, .self = &one, .account = &account, 
							.means = { .arrangements = siblings, .n_arrangements = 1 } };
		bool active = rows[i].phase == ARRANGEMENT_ACTIVE;
		static const char *const reasons[] = { "", "Scheduled", "Active", "Ended" };

		rule(rows[i].rule);
		one.spec.starts_at = rows[i].starts_ms == 1 ? 0 : NOW + rows[i].starts_ms;
		one.spec.ends_at = rows[i].ends_ms == 1 ? 0 : NOW + rows[i].ends_ms;
		struct outcome outcome = billingarrangement_reconcile(&in, &test_arena);
		const struct arrangement_status *status = outcome.status;
		assert_int_equal(status->phase, rows[i].phase);
		assert_int_equal(outcome.wake_at, rows[i].turns_ms == 1 ? 0 : NOW + rows[i].turns_ms);
		expect_text(expect_condition(&status->conditions, 0, "Active", active ? CONDITION_TRUE : CONDITION_FALSE,
					     reasons[rows[i].phase])->message, rows[i].message);
		one.status = *status;
		outcome = billingarrangement_reconcile(&in, &test_arena);
		assert_true(status_equal(&billingarrangement_resource, outcome.status, status));
		expect_event(&outcome, false, NULL, NULL);
	}
	struct billingarrangement_inputs gone = { .now = NOW };
	assert_null(billingarrangement_reconcile(&gone, &test_arena).status);
}

/* A leap day's midnight, the end of a year, a second before and at each boundary. */
static void boundaries_are_instants_of_the_calendar(void **state)
{
	static const char *const boundaries[] = { "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "2027-03-01T00:00:00Z",
						  "2027-01-01T00:00:00Z", "2100-03-01T00:00:00Z", "2026-11-30T23:59:59Z" };

	(void)state;
	for (size_t i = 0; i < COUNT(boundaries); i++) {
		struct billingarrangement one = arrangement_of("terms", 0, 0);
		assert_int_equal(instant_parse(boundaries[i], strlen(boundaries[i]), &one.spec.ends_at), 0);
		assert_int_equal(arrangement_phase(&one, one.spec.ends_at - 1), ARRANGEMENT_ACTIVE);
		assert_int_equal(arrangement_turns_at(&one, one.spec.ends_at - 1), one.spec.ends_at);
		assert_int_equal(arrangement_phase(&one, one.spec.ends_at), ARRANGEMENT_ENDED);
	}
}

/* ---- what keeps it from applying ---- */

static void an_arrangement_says_why_it_does_not_apply(void **state)
{
	static const struct {
		const char *rule;
		bool has_account;
		const struct owner_reference *owner;
		enum arrangement_type type;
		struct {
			const char *name;
			int starts_s, ends_s;
			bool stranger, deleted;
		} other; /* beside "terms", which runs from -100 to 100 */
		const char *message;
		int wake_s;
	} rows[] = {
		{ "no account", false, &owner, ARRANGEMENT_INVOICE, { 0 }, "billing account \"main\" was not found", 100 },
		{ "an earlier account's", true, &stranger, ARRANGEMENT_INVOICE, { 0 }, "metadata.ownerReferences: it belongs to another billing account", 100 },
		{ "a type of a later version", true, &owner, ARRANGEMENT_TYPE_ABSENT, { 0 }, "spec.type is not Invoice", 100 },
		{ "another goes before it", true, &owner, ARRANGEMENT_INVOICE, { "first", -200, 50, false, false }, "overlaps arrangement \"first\"", 50 },
		{ "another will end after it", true, &owner, ARRANGEMENT_INVOICE, { "first", -200, 500, false, false }, "overlaps arrangement \"first\"", 100 },
		{ "another without an end", true, &owner, ARRANGEMENT_INVOICE, { "first", -200, 0, false, false }, "overlaps arrangement \"first\"", 100 },
		{ "another starts later: it is that one's to say", true, &owner, ARRANGEMENT_INVOICE, { "later", -50, 50, false, false }, "In force until", 100 },
		{ "of one start the lesser name decides", true, &owner, ARRANGEMENT_INVOICE, { "alpha", -100, 50, false, false }, "overlaps arrangement \"alpha\"", 50 },
		{ "of one start this is the lesser name", true, &owner, ARRANGEMENT_INVOICE, { "zeta", -100, 50, false, false }, "In force until", 100 },
		{ "another touches it", true, &owner, ARRANGEMENT_INVOICE, { "before", -200, -100, false, false }, "In force until", 100 },
		{ "another has ended", true, &owner, ARRANGEMENT_INVOICE, { "ended", -200, -10, false, false }, "In force until", 100 },
		{ "another was withdrawn", true, &owner, ARRANGEMENT_INVOICE, { "gone", -200, 50, false, true }, "In force until", 100 },
		{ "another is an earlier account's", true, &owner, ARRANGEMENT_INVOICE, { "old", -200, 50, true, false }, "In force until", 100 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct billingaccount account = ready_account("acme", "main", NULL);
		struct billingarrangement one = arrangement_of("terms", -100, 100);
		struct billingarrangement two = arrangement_of(rows[i].other.name ? rows[i].other.name : "", rows[i].other.starts_s, rows[i].other.ends_s);
		const struct billingarrangement *siblings[] = { &one, &two };
		struct billingarrangement_inputs in = { .now = NOW, .self = &one, .account = rows[i].has_account ? &account : NULL,
							.means = { .arrangements = siblings, .n_arrangements = rows[i].other.name ? 2 : 1 } };

		rule(rows[i].rule);
		one.owners.items = rows[i].owner;
		one.spec.type = rows[i].type;
		two.owners.items = rows[i].other.stranger ? &stranger : &owner;
		two.meta.deleted = rows[i].other.deleted ? NOW : 0;
		struct outcome outcome = billingarrangement_reconcile(&in, &test_arena);
		const struct arrangement_status *status = outcome.status;
		assert_int_equal(status->phase, ARRANGEMENT_ACTIVE); /* its own window's */
		expect_text(status->conditions.items[0].message, rows[i].message);
		assert_int_equal(outcome.wake_at, NOW + rows[i].wake_s * SECOND);
	}
}

/* Windows are half-open: one may begin at the very moment at which another ends. */
static void windows_that_touch_do_not_overlap(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct billingarrangement one = arrangement_of("terms", 100, 200), two = arrangement_of("first", 50, 100);
	const struct billingarrangement *siblings[] = { &one, &two };
	struct billingarrangement_inputs in = { .now = NOW, .self = &one, .account = &account, 
						.means = { .arrangements = siblings, .n_arrangements = 2 } };
	const struct arrangement_status *status = billingarrangement_reconcile(&in, &test_arena).status;

	(void)state;
	expect_text(status->conditions.items[0].message, "Starts at");
	two.spec.ends_at += 1;
	status = billingarrangement_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "overlaps arrangement \"first\"");
	in.self = &two; /* the later one alone says it */
	status = billingarrangement_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "Starts at");
	one.spec.starts_at = two.spec.starts_at - 2; /* now it is the earlier one, and ends in the midst of the other */
	one.spec.ends_at = two.spec.starts_at;
	status = billingarrangement_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "Starts at");
	one.spec.ends_at += 1;
	status = billingarrangement_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "overlaps arrangement \"terms\"");
}

/* ---- how the account pays ---- */

enum { ARRANGEMENTS_MAX = 3 };

static void payment_is_judged_by_precedence(void **state)
{
	static const struct {
		const char *rule;
		struct {
			const char *name; /* NULL ends the list */
			int starts_s, ends_s;
		} arrangements[ARRANGEMENTS_MAX];
		const char *default_method;
		bool has_method;
		enum method_phase method;
		enum condition_status ready;
		const char *reason, *message;
		enum deploy_reason deploy;
		const char *in_force; /* status.paymentArrangement */
		int wake_s;
	} rows[] = {
		{ "in force, no method", { { "a", -10, 0 } }, NULL, false, 0, CONDITION_TRUE, "InvoiceTerms", "\"a\" grants payment by invoice.", DEPLOY_ALLOWED, "a", 0 },
		{ "in force until then", { { "a", -10, 30 } }, NULL, false, 0, CONDITION_TRUE, "InvoiceTerms", "until 2026-11-22T10:06:50Z", DEPLOY_ALLOWED, "a", 30 },
		{ "in force goes before a method", { { "a", -10, 30 } }, "visa", true, METHOD_ACTIVE, CONDITION_TRUE, "InvoiceTerms", "", DEPLOY_ALLOWED, "a", 30 },
		{ "in force heals a failed method", { { "a", -10, 30 } }, "visa", true, METHOD_FAILED, CONDITION_TRUE, "InvoiceTerms", "", DEPLOY_ALLOWED, "a", 30 },
		{ "a method goes before what is to come", { { "a", 10, 0 } }, "visa", true, METHOD_ACTIVE, CONDITION_TRUE, "PaymentMethodReady", "", DEPLOY_ALLOWED, NULL, 10 },
		{ "to come, no method", { { "a", 10, 0 } }, NULL, false, 0, CONDITION_FALSE, "ArrangementScheduled", "\"a\" starts at 2026-11-22T10:06:30Z", DEPLOY_PAYMENT_METHOD_REQUIRED, NULL, 10 },
		{ "to come goes before a failed method", { { "a", 10, 0 } }, "visa", true, METHOD_FAILED, CONDITION_FALSE, "ArrangementScheduled", "", DEPLOY_PAYMENT_METHOD_NOT_USABLE, NULL, 10 },
		{ "to come goes before a missing method", { { "a", 10, 0 } }, "visa", false, 0, CONDITION_FALSE, "ArrangementScheduled", "", DEPLOY_PAYMENT_METHOD_NOT_USABLE, NULL, 10 },
		{ "a failed method goes before what is over", { { "a", -20, -10 } }, "visa", true, METHOD_FAILED, CONDITION_FALSE, "PaymentMethodDegraded", "", DEPLOY_PAYMENT_METHOD_NOT_USABLE, NULL, 0 },
		{ "a missing method goes before what is over", { { "a", -20, -10 } }, "visa", false, 0, CONDITION_FALSE, "PaymentMethodNotFound", "", DEPLOY_PAYMENT_METHOD_NOT_USABLE, NULL, 0 },
		{ "over, no method", { { "a", -20, -10 } }, NULL, false, 0, CONDITION_FALSE, "ArrangementEnded", "\"a\" ended at 2026-11-22T10:06:10Z. No default payment method is set", DEPLOY_PAYMENT_METHOD_REQUIRED, NULL, 0 },
		{ "none, no method", { { 0 } }, NULL, false, 0, CONDITION_FALSE, "NotConfigured", "", DEPLOY_PAYMENT_METHOD_REQUIRED, NULL, 0 },
		{ "of two in force the earlier start decides", { { "b", -10, 40 }, { "a", -5, 20 } }, NULL, false, 0, CONDITION_TRUE, "InvoiceTerms", "\"b\"", DEPLOY_ALLOWED, "b", 20 },
		{ "touching: one takes over from the other", { { "a", -20, -10 }, { "b", -10, 0 } }, NULL, false, 0, CONDITION_TRUE, "InvoiceTerms", "", DEPLOY_ALLOWED, "b", 0 },
		{ "of two that are over the later end", { { "a", -30, -20 }, { "b", -40, -10 } }, NULL, false, 0, CONDITION_FALSE, "ArrangementEnded", "\"b\"", DEPLOY_PAYMENT_METHOD_REQUIRED, NULL, 0 },
		{ "of two that ended at once the later start", { { "a", -40, -10 }, { "b", -30, -10 } }, NULL, false, 0, CONDITION_FALSE, "ArrangementEnded", "\"b\"", DEPLOY_PAYMENT_METHOD_REQUIRED, NULL, 0 },
		{ "of two to come the earlier", { { "a", 30, 0 }, { "b", 20, 0 } }, NULL, false, 0, CONDITION_FALSE, "ArrangementScheduled", "\"b\"", DEPLOY_PAYMENT_METHOD_REQUIRED, NULL, 20 },
	};
	static const char *const finalizers[] = { ACCOUNT_FINALIZER };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct billingaccount account = ready_account("acme", "main", rows[i].default_method);
		struct paymentmethod method = method_of("acme", "visa", "main", rows[i].method);
		struct billingarrangement all[ARRANGEMENTS_MAX];
		const struct billingarrangement *list[ARRANGEMENTS_MAX];
		size_t n = 0;

		rule(rows[i].rule);
		account.meta.finalizers = (struct strings){ 1, finalizers };
		for (; n < ARRANGEMENTS_MAX && rows[i].arrangements[n].name; n++)
			all[n] = arrangement_of(rows[i].arrangements[n].name, rows[i].arrangements[n].starts_s, rows[i].arrangements[n].ends_s);
		for (size_t turn = 0; turn < 2; turn++) {
			for (size_t k = 0; k < n; k++)
				list[turn ? n - 1 - k : k] = &all[k];
			struct payment_means means = { rows[i].has_method ? &method : NULL, list, n };
			struct billingaccount_inputs in = { .now = NOW, .self = &account, .means = means };
			struct outcome outcome = billingaccount_reconcile(&in, &test_arena);
			const struct account_status *status = outcome.status;
			expect_text(expect_condition(&status->conditions, 3, "PaymentReady", rows[i].ready, rows[i].reason)->message, rows[i].message);
			assert_int_equal(!status->payment_arrangement, !rows[i].in_force);
			if (rows[i].in_force)
				assert_string_equal(status->payment_arrangement->name, rows[i].in_force);
			assert_int_equal(outcome.wake_at, rows[i].wake_s ? NOW + rows[i].wake_s * SECOND : 0);
			struct deploy_verdict verdict = deploy_judge(account.meta.name, &account, &means, NOW, &test_arena);
			assert_string_equal(deploy_reason_name(verdict.reason), deploy_reason_name(rows[i].deploy));
		}
	}
}

static void only_the_accounts_own_count(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct billingarrangement one = arrangement_of("a", -10, 0);
	const struct billingarrangement *list[] = { &one };
	struct payment_means means = { NULL, list, 1 };

	(void)state;
	assert_int_equal(deploy_judge(account.meta.name, &account, &means, NOW, &test_arena).reason, DEPLOY_ALLOWED);
	one.owners.items = &stranger;
	assert_int_equal(deploy_judge(account.meta.name, &account, &means, NOW, &test_arena).reason, DEPLOY_PAYMENT_METHOD_REQUIRED);
	one.owners.n = 0; /* none yet, and it was made after the account */
	assert_int_equal(deploy_judge(account.meta.name, &account, &means, NOW, &test_arena).reason, DEPLOY_ALLOWED);
	one.meta.created = account.meta.created - SECOND; /* before it: an earlier account's */
	assert_int_equal(deploy_judge(account.meta.name, &account, &means, NOW, &test_arena).reason, DEPLOY_PAYMENT_METHOD_REQUIRED);
	one.meta.created = account.meta.created;
	one.spec.type = ARRANGEMENT_TYPE_ABSENT; /* of a later version: grants nothing that is known here */
	assert_int_equal(deploy_judge(account.meta.name, &account, &means, NOW, &test_arena).reason, DEPLOY_PAYMENT_METHOD_REQUIRED);
	one.spec.type = ARRANGEMENT_INVOICE;
	one.meta.deleted = NOW;
	assert_int_equal(deploy_judge(account.meta.name, &account, &means, NOW, &test_arena).reason, DEPLOY_PAYMENT_METHOD_REQUIRED);
}

/* Of those that start at once the one made first decides, then the lesser name. */
static void one_of_two_always_goes_before_the_other(void **state)
{
	struct billingarrangement a = arrangement_of("a", -10, 0), b = arrangement_of("b", -10, 0);

	(void)state;
	assert_true(arrangement_precedes(&a, &b) && !arrangement_precedes(&b, &a));
	b.meta.created = a.meta.created - SECOND;
	assert_true(arrangement_precedes(&b, &a) && !arrangement_precedes(&a, &b));
	a.spec.starts_at -= SECOND;
	assert_true(arrangement_precedes(&a, &b) && !arrangement_precedes(&b, &a));
}

/* Which of three that overlap is named does not depend on the order in which they come. */
static void of_many_in_the_way_the_first_is_named(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct billingarrangement self = arrangement_of("terms", -10, 100), early = arrangement_of("early", -30, 0), mid = arrangement_of("mid", -20, 0);
	const struct billingarrangement *there[] = { &self, &early, &mid }, *back[] = { &mid, &early, &self };
	struct billingarrangement_inputs in = { .now = NOW, .self = &self, .account = &account };

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		in.means = (struct payment_means){ .arrangements = turn ? back : there, .n_arrangements = 3 };
		const struct arrangement_status *status = billingarrangement_reconcile(&in, &test_arena).status;
		expect_text(status->conditions.items[0].message, "overlaps arrangement \"early\"");
	}
}

/* ---- in a cluster ---- */

static const char *deploy_reason(const struct cluster *c)
{
	const struct projectbilling *billing = get(c, KIND_PROJECTBILLING, "web-ns", "web");
	return billing->status.conditions.items[0].reason;
}

static void the_gate_opens_and_closes_with_the_terms(void **state)
{
	char start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE];
	instant_t began;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		uint64_t random = seed;
		struct cluster c;
		cluster_init(&c);
		began = c.now;
		put_namespace(&c, "web-ns", "web", NULL);
		put_account(&c, "acme", "main", NULL);
		put_binding(&c, "acme", "b", "main", "web");
		apply(&c, KIND_BILLINGARRANGEMENT, "acme", "terms",
		      "{'spec':{'billingAccountRef':{'name':'main'},'type':'Invoice','startsAt':'%s','endsAt':'%s'}}",
		      instant_format(began + 60 * SECOND, start), instant_format(began + 120 * SECOND, end));
		settle_at_random(&c, &random);
		assert_string_equal(deploy_reason(&c), "PaymentMethodRequired");
		pass_time_until(&c, began + 59 * SECOND);
		assert_int_equal(settle(&c), 0);
		pass_time_until(&c, began + 60 * SECOND);
		settle_at_random(&c, &random);
		assert_string_equal(deploy_reason(&c), "Allowed");
		if (seed % 2) /* a restart in between loses no moment */
			restart(&c);
		assert_int_equal(settle(&c), 0);
		pass_time_until(&c, began + 119 * SECOND);
		assert_int_equal(settle(&c), 0);
		pass_time_until(&c, began + 120 * SECOND);
		settle_at_random(&c, &random);
		assert_string_equal(deploy_reason(&c), "PaymentMethodRequired");
		const struct billingarrangement *terms = get(&c, KIND_BILLINGARRANGEMENT, "acme", "terms");
		assert_int_equal(terms->status.phase, ARRANGEMENT_ENDED);
		assert_int_equal(settle(&c), 0);
		/* A clock that jumps back takes it back. */
		c.now = began + 90 * SECOND;
		for (struct stored *s = c.stored; s; s = s->next)
			cluster_dirty(&c, s->key);
		settle(&c);
		assert_string_equal(deploy_reason(&c), "Allowed");
		pass_time_until(&c, began + 120 * SECOND);
		settle(&c);
		assert_string_equal(deploy_reason(&c), "PaymentMethodRequired");
		cluster_close(&c);
	}
}

static void staff_shorten_lengthen_and_withdraw(void **state)
{
	static const char *const terms = "{'spec':{'billingAccountRef':{'name':'main'},'type':'Invoice'}}";
	char text[INSTANT_TEXT_SIZE];
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "web-ns", "web", NULL);
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "b", "main", "web");
	apply(&c, KIND_BILLINGARRANGEMENT, "acme", "terms", "%s", terms);
	settle(&c);
	assert_string_equal(deploy_reason(&c), "Allowed");
	apply(&c, KIND_BILLINGARRANGEMENT, "acme", "terms", "{'spec':{'endsAt':'%s'}}", instant_format(c.now + 5 * SECOND, text));
	settle(&c);
	pass_time_until(&c, c.now + 5 * SECOND);
	settle(&c);
	assert_string_equal(deploy_reason(&c), "PaymentMethodRequired");
	apply(&c, KIND_BILLINGARRANGEMENT, "acme", "terms", "{'spec':{'endsAt':null}}");
	settle(&c);
	assert_string_equal(deploy_reason(&c), "Allowed");
	delete(&c, KIND_BILLINGARRANGEMENT, "acme", "terms");
	settle(&c);
	assert_string_equal(deploy_reason(&c), "PaymentMethodRequired");
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases_follow_the_window),
		cmocka_unit_test(boundaries_are_instants_of_the_calendar),
		cmocka_unit_test(an_arrangement_says_why_it_does_not_apply),
		cmocka_unit_test(windows_that_touch_do_not_overlap),
		cmocka_unit_test(payment_is_judged_by_precedence),
		cmocka_unit_test(only_the_accounts_own_count),
		cmocka_unit_test(one_of_two_always_goes_before_the_other),
		cmocka_unit_test(of_many_in_the_way_the_first_is_named),
		cmocka_unit_test(the_gate_opens_and_closes_with_the_terms),
		cmocka_unit_test(staff_shorten_lengthen_and_withdraw),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
