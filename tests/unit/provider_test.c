/*
 * The seam to payment providers: what the sandbox answers, how its answer becomes a status, and that asking comes to an end.
 */
#include "../../reconcilers/paymentmethod_inputs.h"
#include "cluster.h"

static void the_sandbox_answers_what_the_annotation_says(void **state)
{
	static const struct {
		const char *outcome;
		enum method_phase phase;
		const char *reason, *message;
	} rows[] = {
		{ NULL, METHOD_ACTIVE, NULL, NULL },
		{ "", METHOD_ACTIVE, NULL, NULL },
		{ "active", METHOD_ACTIVE, NULL, NULL },
		{ "declined", METHOD_FAILED, "card_declined", "declined" },
		{ "expired", METHOD_FAILED, "card_expired", "expired" },
		{ "awaiting", METHOD_AWAITING_CONFIRMATION, NULL, NULL },
		{ "Active", METHOD_FAILED, "unknown_sandbox_outcome", "active, declined, expired, awaiting" },
		{ "explode", METHOD_FAILED, "unknown_sandbox_outcome", "billing.miloapis.com/sandbox-outcome" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct provider_request request = { .provider = PROVIDER_SANDBOX, .token = "t/1", .outcome = rows[i].outcome,
						    .card_year = 2031 };
		struct provider_result result = sandbox_answer(&request);
		assert_string_equal(result.token, "t/1");
		assert_int_equal(result.phase, rows[i].phase);
		assert_int_equal(!result.failure_reason, !rows[i].reason);
		if (rows[i].reason) {
			assert_string_equal(result.failure_reason, rows[i].reason);
			expect_text(result.failure_message, rows[i].message);
		}
		assert_int_equal(result.has_card, rows[i].phase == METHOD_ACTIVE);
		if (result.has_card)
			assert_int_equal(result.card.expiry_year, 2031);
	}
}

static struct paymentmethodclass sandbox_class(const char *name)
{
	return (struct paymentmethodclass){ .meta = named(NULL, name), .provider = PROVIDER_SANDBOX };
}

static const struct provider_request *asked(const struct outcome *outcome)
{
	assert_int_equal(effects_of(outcome, EFFECT_PROVIDER), 1);
	assert_int_equal(outcome->effects[0].type, EFFECT_PROVIDER); /* what is told comes after */
	return &outcome->effects[0].request;
}

static void the_token_changes_with_the_question_and_with_nothing_else(void **state)
{
	struct paymentmethodclass cards = sandbox_class("cards"), others = sandbox_class("others");
	struct paymentmethod method = method_of("acme", "visa", "main", METHOD_PENDING);
	struct paymentmethod_inputs in = { .now = NOW, .self = &method, .class = &cards, .sandbox = true };
	char first[PROVIDER_TOKEN_SIZE];
	struct outcome outcome = paymentmethod_reconcile(&in, &test_arena);

	(void)state;
	memcpy(first, asked(&outcome)->token, sizeof(first));
	assert_int_equal(asked(&outcome)->card_year, 2031); /* made in 2026 */
	in.now += DAY;
	method.spec.display_name = "renamed";
	method.status.phase = METHOD_FAILED;
	outcome = paymentmethod_reconcile(&in, &test_arena);
	assert_string_equal(asked(&outcome)->token, first);

	in.class = &others;
	outcome = paymentmethod_reconcile(&in, &test_arena);
	assert_string_not_equal(asked(&outcome)->token, first);
	in.class = &cards;
	method.sandbox_outcome = "declined";
	outcome = paymentmethod_reconcile(&in, &test_arena);
	assert_string_not_equal(asked(&outcome)->token, first);
	method.sandbox_outcome = NULL;
	method.meta.uid = "uid-2";
	outcome = paymentmethod_reconcile(&in, &test_arena);
	assert_string_not_equal(asked(&outcome)->token, first);

	char huge[400];
	memset(huge, 'u', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	method.meta.uid = huge;
	outcome = paymentmethod_reconcile(&in, &test_arena);
	assert_true(strlen(asked(&outcome)->token) < PROVIDER_TOKEN_SIZE);
}

static void a_card_is_made_up_only_where_nothing_is_known(void **state)
{
	static const struct method_card own = { .brand = "amex", .expiry_month = 1, .expiry_year = 2030 };
	static const struct method_us_bank_account bank = { .bank_name = "First" };
	static const struct method_details empty = { 0 }, card_type = { .type = "card" }, own_card = { .type = "card", .card = &own },
					   transfer = { .type = "bankTransfer" }, bank_account = { .us_bank_account = &bank };
	static const struct {
		const char *rule;
		enum method_type type;
		const struct method_details *observed;
		const char *brand; /* expected; NULL: details stay as observed */
	} cases[] = {
		{ "no details", METHOD_TYPE_ABSENT, NULL, "visa" },
		{ "no details, of a card", METHOD_CARD, NULL, "visa" },
		{ "empty details", METHOD_TYPE_ABSENT, &empty, "visa" },
		{ "a card without data", METHOD_TYPE_ABSENT, &card_type, "visa" },
		{ "a card that someone described", METHOD_TYPE_ABSENT, &own_card, NULL },
		{ "details of a transfer", METHOD_TYPE_ABSENT, &transfer, NULL },
		{ "a bank account", METHOD_TYPE_ABSENT, &bank_account, NULL },
		{ "no card by its spec", METHOD_BANK_TRANSFER, NULL, NULL },
	};
	struct paymentmethodclass cards = sandbox_class("cards");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct paymentmethod method = method_of("acme", "visa", "main", METHOD_PENDING);
		struct paymentmethod_inputs in = { .now = NOW, .self = &method, .class = &cards, .sandbox = true };
		rule(cases[i].rule);
		method.spec.type = cases[i].type;
		method.status.details = cases[i].observed;
		struct outcome outcome = paymentmethod_reconcile(&in, &test_arena);
		struct provider_result result = sandbox_answer(asked(&outcome));
		in.result = &result;
		outcome = paymentmethod_reconcile(&in, &test_arena);
		const struct method_status *status = outcome.status;
		assert_int_equal(effects_of(&outcome, EFFECT_PROVIDER), 0);
		assert_int_equal(status->phase, METHOD_ACTIVE);
		if (cases[i].brand) {
			assert_string_equal(status->details->type, "card");
			assert_string_equal(status->details->card->brand, cases[i].brand);
		} else {
			assert_ptr_equal(status->details, cases[i].observed);
		}
		method.status = *status;
		assert_true(status_equal(&paymentmethod_resource, paymentmethod_reconcile(&in, &test_arena).status, status));
	}
}

static void an_answer_to_an_older_question_is_not_used(void **state)
{
	struct paymentmethodclass cards = sandbox_class("cards");
	struct paymentmethod method = method_of("acme", "visa", "main", METHOD_PENDING);
	struct paymentmethod_inputs in = { .now = NOW, .self = &method, .class = &cards, .sandbox = true };
	struct outcome outcome = paymentmethod_reconcile(&in, &test_arena);
	struct provider_result result = sandbox_answer(asked(&outcome));

	(void)state;
	in.result = &result;
	method.sandbox_outcome = "declined";
	outcome = paymentmethod_reconcile(&in, &test_arena);
	assert_int_equal(((const struct method_status *)outcome.status)->phase, METHOD_PENDING);
	asked(&outcome);
	method.meta.deleted = NOW; /* what goes is not asked about */
	assert_int_equal(paymentmethod_reconcile(&in, &test_arena).n_effects, 0);
}

static void the_story_of_a_card(void **state)
{
	static const struct {
		const char *annotation;
		enum method_phase phase;
		const char *reason, *failure;
	} chapters[] = {
		{ "null", METHOD_ACTIVE, "Active", NULL },
		{ "'declined'", METHOD_FAILED, "card_declined", "card_declined" },
		{ "'active'", METHOD_ACTIVE, "Active", NULL },
		{ "'expired'", METHOD_FAILED, "card_expired", "card_expired" },
		{ "'awaiting'", METHOD_AWAITING_CONFIRMATION, "AwaitingConfirmation", NULL },
		{ "'nonsense'", METHOD_FAILED, "unknown_sandbox_outcome", "unknown_sandbox_outcome" },
		{ "null", METHOD_ACTIVE, "Active", NULL },
	};
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "cards", "sandbox");
	put_method(&c, "acme", "visa", "main", "cards");
	for (size_t i = 0; i < COUNT(chapters); i++) {
		apply(&c, KIND_PAYMENTMETHOD, "acme", "visa", "{'metadata':{'annotations':{'%s':%s}}}", SANDBOX_OUTCOME_ANNOTATION,
		      chapters[i].annotation);
		settle(&c);
		const struct paymentmethod *method = get(&c, KIND_PAYMENTMETHOD, "acme", "visa");
		assert_int_equal(method->status.phase, chapters[i].phase);
		assert_string_equal(method->status.conditions.items[0].reason, chapters[i].reason);
		if (chapters[i].failure)
			assert_string_equal(method->status.failure_reason, chapters[i].failure);
		else
			assert_true(!method->status.failure_reason && !method->status.failure_message);
		assert_string_equal(method->status.details->card->last4, "4242");
		assert_int_equal(method->status.details->card->expiry_year, 2031);
		c.now += DAY;
		restart(&c);
		assert_int_equal(settle(&c), 0); /* a restarted sandbox makes up the same card */
	}
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sandbox_answers_what_the_annotation_says),
		cmocka_unit_test(the_token_changes_with_the_question_and_with_nothing_else),
		cmocka_unit_test(a_card_is_made_up_only_where_nothing_is_known),
		cmocka_unit_test(an_answer_to_an_older_question_is_not_used),
		cmocka_unit_test(the_story_of_a_card),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
