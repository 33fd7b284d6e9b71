/*
 * PaymentMethod: whose phase it is, when a card ends, what InstrumentReady says, and who hears of it.
 */
#include "../../reconcilers/paymentmethod_inputs.h"
#include "cluster.h"

static struct paymentmethodclass class_of(const char *name, const char *provider)
{
	return (struct paymentmethodclass){ .meta = named(NULL, name), .provider = provider };
}

/* ---- expiry ---- */

/* Edge case 6. */
static void a_card_is_good_through_the_last_day_of_its_month(void **state)
{
	static const struct {
		int64_t month, year;
		const char *type, *last_good; /* NULL: never expires */
	} rows[] = {
		{ 2, 2028, "card", "2028-02-29T23:59:59Z" }, /* leap */
		{ 2, 2027, "card", "2027-02-28T23:59:59Z" },
		{ 2, 2100, "card", "2100-02-28T23:59:59Z" }, /* no leap year */
		{ 12, 2027, "card", "2027-12-31T23:59:59Z" },
		{ 11, 2026, NULL, "2026-11-30T23:59:59Z" },
		{ 11, 2026, "usBankAccount", NULL },
		{ 0, 2026, "card", NULL },
		{ 13, 2026, "card", NULL },
		{ INTEGER_ABSENT, 2026, "card", NULL },
		{ 11, INTEGER_ABSENT, "card", NULL },
		{ 11, 99999999, "card", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct method_card card = { .expiry_month = rows[i].month, .expiry_year = rows[i].year };
		struct method_details details = { .type = rows[i].type, .card = &card };
		struct paymentmethod method = method_of("acme", "visa", "main", METHOD_ACTIVE);
		const char *why = NULL;
		instant_t last = 0;

		method.status.details = &details;
		if (!rows[i].last_good) {
			assert_int_equal(method_expires_at(&method), 0);
			assert_true(method_usable(&method, NOW + 400 * 365 * DAY, &why, &test_arena));
			continue;
		}
		assert_int_equal(instant_parse(rows[i].last_good, strlen(rows[i].last_good), &last), 0);
		assert_int_equal(method_expires_at(&method), last + SECOND);
		assert_true(method_usable(&method, last + 999, &why, &test_arena));
		assert_false(method_usable(&method, last + SECOND, &why, &test_arena));
		expect_text(why, "expired");
	}
}

/* ---- the decision ---- */

struct row {
	const char *rule, *provider; /* NULL: the class does not exist */
	bool sandbox_on;
	enum method_phase observed;
	const char *observed_reason, *observed_message;
	int expiry_year; /* of an observed card, December; 0: no details */
	enum method_phase phase;
	enum condition_status ready;
	const char *reason, *message;
	const char *failure_reason;
	bool asks;
};

static const struct row rows[] = {
	{ "absent becomes Pending", "manual", false, 0, NULL, NULL, 0, METHOD_PENDING, CONDITION_FALSE, "Pending", "billing staff", NULL, 0 },
	{ "manual stays Pending", "manual", false, METHOD_PENDING, NULL, NULL, 0, METHOD_PENDING, CONDITION_FALSE, "Pending", "", NULL, 0 },
	{ "manual made Active by staff", "manual", false, METHOD_ACTIVE, NULL, NULL, 0, METHOD_ACTIVE, CONDITION_TRUE, "Active", "", NULL, 0 },
	{ "awaiting confirmation", "stripe", false, METHOD_AWAITING_CONFIRMATION, NULL, NULL, 0, METHOD_AWAITING_CONFIRMATION,
	  CONDITION_FALSE, "AwaitingConfirmation", "provider \"stripe\"", NULL, 0 },
	{ "failed for a reason", "stripe", false, METHOD_FAILED, "card_declined", NULL, 0, METHOD_FAILED, CONDITION_FALSE, "card_declined",
	  "card declined", "card_declined", 0 },
	{ "failed for a reason that a condition can't have", "stripe", false, METHOD_FAILED, "card declined: 51!", "No funds", 0,
	  METHOD_FAILED, CONDITION_FALSE, "card_declined:_51", "No funds", "card declined: 51!", 0 },
	{ "failed for no reason", "stripe", false, METHOD_FAILED, NULL, NULL, 0, METHOD_FAILED, CONDITION_FALSE, "Failed", "failure", NULL, 0 },
	{ "failed, with empty words", "stripe", false, METHOD_FAILED, "", "", 0, METHOD_FAILED, CONDITION_FALSE, "Failed", "failure", "", 0 },
	{ "failed for no reason, but with words", "stripe", false, METHOD_FAILED, NULL, "No funds", 0, METHOD_FAILED, CONDITION_FALSE, "Failed",
	  "No funds", NULL, 0 },
	{ "failed for a reason with hyphens", "stripe", false, METHOD_FAILED, "do-not-honor", "", 0, METHOD_FAILED, CONDITION_FALSE,
	  "do_not_honor", "do not honor (do-not-honor)", "do-not-honor", 0 },
	{ "failed for an unspeakable reason", "stripe", false, METHOD_FAILED, "!!", NULL, 0, METHOD_FAILED, CONDITION_FALSE, "Failed", "",
	  "!!", 0 },
	{ "an Active card in time", "stripe", false, METHOD_ACTIVE, NULL, NULL, 2027, METHOD_ACTIVE, CONDITION_TRUE, "Active", "", NULL, 0 },
	{ "an Active card out of time fails, whoever the provider is", "stripe", false, METHOD_ACTIVE, NULL, NULL, 2025, METHOD_FAILED,
	  CONDITION_FALSE, "card_expired", "card expired at the end of 12/2025", "card_expired", 0 },
	{ "manual too", "manual", false, METHOD_ACTIVE, NULL, NULL, 2025, METHOD_FAILED, CONDITION_FALSE, "card_expired", "", "card_expired", 0 },
	{ "and without a class", NULL, false, METHOD_ACTIVE, NULL, NULL, 2025, METHOD_FAILED, CONDITION_FALSE, "card_expired", "",
	  "card_expired", 0 },
	{ "a Pending card out of time stays Pending", "stripe", false, METHOD_PENDING, NULL, NULL, 2025, METHOD_PENDING, CONDITION_FALSE,
	  "Pending", "", NULL, 0 },
	{ "renewed by staff: our own failure goes", "manual", false, METHOD_ACTIVE, "card_expired", "card expired", 2027, METHOD_ACTIVE,
	  CONDITION_TRUE, "Active", "", NULL, 0 },
	{ "what an outside provider wrote stays", "stripe", false, METHOD_ACTIVE, "soft_decline", "try again", 2027, METHOD_ACTIVE,
	  CONDITION_TRUE, "Active", "", "soft_decline", 0 },
	{ "class missing", NULL, true, 0, NULL, NULL, 0, METHOD_PENDING, CONDITION_FALSE, "Pending",
	  "PaymentMethodClass \"cards\" does not exist", NULL, 0 },
	{ "sandbox off: says so", "sandbox", false, 0, NULL, NULL, 0, METHOD_PENDING, CONDITION_FALSE, "Pending", "not enabled", NULL, 0 },
	{ "sandbox on: Pending while it is asked", "sandbox", true, 0, NULL, NULL, 0, METHOD_PENDING, CONDITION_FALSE, "Pending", "sandbox",
	  NULL, true },
	{ "sandbox on, after a restart: stays as it was while asked again", "sandbox", true, METHOD_FAILED, "card_declined", "card declined",
	  0, METHOD_FAILED, CONDITION_FALSE, "card_declined", "", "card_declined", true },
};

static void check_row(const struct row *row, const struct outcome *outcome)
{
	const struct method_status *status = outcome->status;

	assert_int_equal(status->phase, row->phase);
	assert_int_equal(status->conditions.n, 1);
	expect_text(expect_condition(&status->conditions, 0, "InstrumentReady", row->ready, row->reason)->message, row->message);
	assert_int_equal(status->conditions.items[0].observed_generation, 3);
	assert_int_equal(status->observed_generation, 3);
	if (row->failure_reason)
		assert_string_equal(status->failure_reason, row->failure_reason);
	else
		assert_null(status->failure_reason);
	assert_int_equal(effects_of(outcome, EFFECT_PROVIDER), row->asks);
	assert_int_equal(outcome->wake_at, row->phase == METHOD_ACTIVE && row->expiry_year ? instant_after_month(2027, 12) : 0);
}

static void each_phase_shows_in_the_condition_and_then_rests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		struct method_card card = { .expiry_month = 12, .expiry_year = row->expiry_year };
		struct method_details details = { .type = "card", .card = &card };
		struct paymentmethod method = method_of("acme", "visa", "main", row->observed);
		struct paymentmethodclass class = class_of("cards", row->provider);

		rule(row->rule);
		method.status.failure_reason = row->observed_reason;
		method.status.failure_message = row->observed_message;
		method.status.details = row->expiry_year ? &details : NULL;
		struct paymentmethod_inputs in = { .now = NOW, .self = &method, .class = row->provider ? &class : NULL,
						   .sandbox = row->sandbox_on };
		struct outcome outcome = paymentmethod_reconcile(&in, &test_arena);
		check_row(row, &outcome);
		method.status = *(const struct method_status *)outcome.status;
		in.now += 60 * SECOND;
		struct outcome again = paymentmethod_reconcile(&in, &test_arena);
		assert_true(status_equal(&paymentmethod_resource, again.status, outcome.status));
		assert_int_equal(effects_of(&again, EFFECT_EVENT), 0);
	}
}

static void without_any_class_it_says_what_to_do(void **state)
{
	struct paymentmethod method = method_of("acme", "visa", "main", METHOD_PHASE_ABSENT);
	struct paymentmethod_inputs in = { .now = NOW, .self = &method };

	(void)state;
	method.spec.class = NULL;
	const struct method_status *status = paymentmethod_reconcile(&in, &test_arena).status;
	expect_text(status->conditions.items[0].message, "no default PaymentMethodClass exists");
	in.self = NULL;
	assert_null(paymentmethod_reconcile(&in, &test_arena).status);
}

/* ---- in a cluster ---- */

static const struct paymentmethod *method(const struct cluster *c, const char *name)
{
	const struct paymentmethod *found = get(c, KIND_PAYMENTMETHOD, "acme", name);
	assert_non_null(found);
	return found;
}

static void the_controller_wakes_itself_when_a_card_ends(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "hand", "manual");
	put_namespace(&c, "web-ns", "web", NULL);
	put_account(&c, "acme", "main", "visa");
	put_method(&c, "acme", "visa", "main", "hand");
	put_binding(&c, "acme", "b", "main", "web");
	settle(&c);
	apply(&c, KIND_PAYMENTMETHOD, "acme", "visa",
	      "{'status':{'phase':'Active','details':{'type':'card','card':{'brand':'visa','last4':'4242','expiryMonth':11,'expiryYear':2026}}}}");
	settle(&c);
	expect_condition(&method(&c, "visa")->status.conditions, 0, "InstrumentReady", CONDITION_TRUE, "Active");

	pass_time_until(&c, instant_after_month(2026, 11) - SECOND);
	assert_int_equal(settle(&c), 0);
	pass_time_until(&c, instant_after_month(2026, 11));
	settle(&c);
	assert_int_equal(method(&c, "visa")->status.phase, METHOD_FAILED);
	assert_string_equal(method(&c, "visa")->status.failure_reason, "card_expired");
	const struct billingaccount *account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
	expect_condition(&account->status.conditions, 3, "PaymentReady", CONDITION_FALSE, "PaymentMethodDegraded");
	const struct billingaccountbinding *b = get(&c, KIND_BINDING, "acme", "b");
	const struct condition *refused =
		expect_condition(&b->status.conditions, 1, "DeployAllowed", CONDITION_FALSE, "PaymentMethodNotUsable");
	assert_string_equal(refused->message, "payment method \"visa\" cannot be used: card expired at the end of 11/2026 (card_expired)");
	cluster_close(&c);
}

/* Edge case 4: nothing keeps the default method from being deleted when webhooks are off. */
static void a_default_method_that_goes_and_comes_back_is_noticed(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "cards", "sandbox");
	put_account(&c, "acme", "main", "visa");
	put_method(&c, "acme", "visa", "main", "cards");
	settle(&c);
	const struct billingaccount *account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
	expect_condition(&account->status.conditions, 1, "DefaultPaymentMethodReady", CONDITION_TRUE, "Ready");
	delete(&c, KIND_PAYMENTMETHOD, "acme", "visa");
	settle(&c);
	account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
	expect_condition(&account->status.conditions, 1, "DefaultPaymentMethodReady", CONDITION_FALSE, "PaymentMethodNotFound");
	put_method(&c, "acme", "visa", "other", "cards");
	settle(&c);
	account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
	expect_condition(&account->status.conditions, 1, "DefaultPaymentMethodReady", CONDITION_FALSE, "PaymentMethodNotFound");
	expect_text(account->status.conditions.items[1].message, "belongs to billing account \"other\"");
	put_method(&c, "acme", "second", "main", "cards");
	put_account(&c, "acme", "main", "second");
	settle(&c);
	account = get(&c, KIND_BILLINGACCOUNT, "acme", "main");
	expect_condition(&account->status.conditions, 3, "PaymentReady", CONDITION_TRUE, "PaymentMethodReady");
	cluster_close(&c);
}

static void a_class_that_comes_later_takes_its_methods(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_method(&c, "acme", "visa", "main", "cards");
	apply(&c, KIND_PAYMENTMETHOD, "acme", "any", "{'spec':{'billingAccountRef':{'name':'main'},'displayName':'x'}}");
	settle(&c);
	assert_int_equal(method(&c, "visa")->status.phase, METHOD_PENDING);
	put_class(&c, "cards", "sandbox");
	settle(&c);
	assert_int_equal(method(&c, "visa")->status.phase, METHOD_ACTIVE);
	assert_int_equal(method(&c, "any")->status.phase, METHOD_PENDING); /* no default */
	apply(&c, KIND_PAYMENTMETHODCLASS, NULL, "cards", "{'metadata':{'labels':{'%s':'true'}}}", DEFAULT_CLASS_KEY);
	settle(&c);
	assert_int_equal(method(&c, "any")->status.phase, METHOD_ACTIVE);
	cluster_close(&c);
}

static void only_what_makes_it_usable_wakes_accounts_and_gates(void **state)
{
	static const struct {
		const char *rule, *patch;
		bool woken;
	} changes[] = {
		{ "a label", "{'metadata':{'labels':{'a':'b'}}}", false },
		{ "its display name", "{'spec':{'displayName':'Other'}}", false },
		{ "conditions", "{'status':{'observedGeneration':1,'conditions':[]}}", false },
		{ "the card's brand", "{'status':{'details':{'card':{'brand':'amex'}}}}", false },
		{ "its phase", "{'status':{'phase':'Active'}}", true },
		{ "its expiry", "{'status':{'details':{'card':{'expiryMonth':1,'expiryYear':2031}}}}", true },
		{ "why it failed", "{'status':{'phase':'Failed','failureReason':'lost'}}", true },
		{ "in which words", "{'status':{'failureMessage':'The card was lost'}}", true },
	};
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "hand", "manual");
	put_namespace(&c, "web-ns", "web", NULL);
	put_account(&c, "acme", "main", "visa");
	put_account(&c, "acme", "other", "none");
	put_method(&c, "acme", "visa", "main", "hand");
	put_binding(&c, "acme", "b", "main", "web");
	put_binding(&c, "acme", "o", "other", "api");
	settle(&c);
	for (size_t i = 0; i < COUNT(changes); i++) {
		rule(changes[i].rule);
		apply(&c, KIND_PAYMENTMETHOD, "acme", "visa", "%s", changes[i].patch);
		deliver(&c, KIND_PAYMENTMETHOD);
		assert_true(is_woken(&c, KIND_PAYMENTMETHOD, "acme", "visa"));
		assert_int_equal(is_woken(&c, KIND_BILLINGACCOUNT, "acme", "main"), changes[i].woken);
		assert_int_equal(is_woken(&c, KIND_BINDING, "acme", "b"), changes[i].woken);
		assert_int_equal(is_woken(&c, KIND_PROJECTBILLING, "web-ns", "web"), changes[i].woken);
		assert_int_equal(c.n_dirty, changes[i].woken ? 5 : 1);
		settle(&c);
	}
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_is_good_through_the_last_day_of_its_month),
		cmocka_unit_test(each_phase_shows_in_the_condition_and_then_rests),
		cmocka_unit_test(without_any_class_it_says_what_to_do),
		cmocka_unit_test(the_controller_wakes_itself_when_a_card_ends),
		cmocka_unit_test(a_default_method_that_goes_and_comes_back_is_noticed),
		cmocka_unit_test(a_class_that_comes_later_takes_its_methods),
		cmocka_unit_test(only_what_makes_it_usable_wakes_accounts_and_gates),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
