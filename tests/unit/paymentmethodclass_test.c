/*
 * PaymentMethodClass: ParametersResolved, and one default among however many are marked.
 */
#include "../../reconcilers/paymentmethodclass_inputs.h"
#include "cluster.h"

static const struct parameters_ref parameters = { "v1", "Secret", "keys" };
static const struct condition by_stripe = { .type = "ParametersResolved", .status = CONDITION_TRUE, .reason = "SecretFound",
					    .message = "found", .last_transition = NOW - DAY, .observed_generation = 2 };
static const struct condition refused_once = { .type = "ParametersResolved", .status = CONDITION_FALSE, .reason = "ParametersNotSupported",
					       .message = "", .last_transition = NOW - DAY };
static const struct condition left_once = { .type = "ParametersResolved", .status = CONDITION_UNKNOWN, .reason = "ProviderOwned", .message = "",
					    .last_transition = NOW - DAY };
static const struct condition ours_once = { .type = "ParametersResolved", .status = CONDITION_TRUE, .reason = "ParametersNotRequired",
					    .message = "", .last_transition = NOW - DAY };

struct row {
	const char *rule, *provider;
	const struct parameters_ref *parameters;
	const struct condition *observed;
	enum condition_status status;
	const char *reason, *message;
};

static const struct row rows[] = {
	{ "no parameters needed", "manual", NULL, NULL, CONDITION_TRUE, "ParametersNotRequired", "" },
	{ "sandbox, none needed", "sandbox", NULL, NULL, CONDITION_TRUE, "ParametersNotRequired", "" },
	{ "outside, none named", "stripe", NULL, NULL, CONDITION_TRUE, "ParametersNotRequired", "" },
	{ "manual takes none", "manual", &parameters, NULL, CONDITION_FALSE, "ParametersNotSupported", "\"manual\" takes no parameters" },
	{ "sandbox takes none", "sandbox", &parameters, NULL, CONDITION_FALSE, "ParametersNotSupported", "spec.parametersRef" },
	{ "outside: its provider's business", "stripe", &parameters, NULL, CONDITION_UNKNOWN, "ProviderOwned", "stripe" },
	{ "outside: what it wrote stays", "stripe", &parameters, &by_stripe, CONDITION_TRUE, "SecretFound", "found" },
	{ "outside: what we wrote before is renewed", "stripe", &parameters, &ours_once, CONDITION_UNKNOWN, "ProviderOwned", "" },
	{ "outside: what we refused before too", "stripe", NULL, &refused_once, CONDITION_TRUE, "ParametersNotRequired", "" },
	{ "outside: and what we left to it", "stripe", NULL, &left_once, CONDITION_TRUE, "ParametersNotRequired", "" },
	{ "a provider without a name", NULL, &parameters, NULL, CONDITION_UNKNOWN, "ProviderOwned", "" },
	{ "manual: what a former provider wrote goes", "manual", &parameters, &by_stripe, CONDITION_FALSE, "ParametersNotSupported", "" },
};

static void parameters_are_resolved_or_not_and_then_it_rests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct paymentmethodclass class = { .meta = named(NULL, "cards"), .provider = rows[i].provider,
						    .parameters = rows[i].parameters };
		struct paymentmethodclass_inputs in = { .now = NOW, .self = &class };
		rule(rows[i].rule);
		if (rows[i].observed)
			class.status.conditions = (struct conditions){ 1, rows[i].observed };
		const struct class_status *status = paymentmethodclass_reconcile(&in, &test_arena).status;
		assert_int_equal(status->conditions.n, 1);
		expect_text(expect_condition(&status->conditions, 0, "ParametersResolved", rows[i].status, rows[i].reason)->message,
			    rows[i].message);
		assert_int_equal(status->observed_generation, 3);
		class.status = *status;
		in.now += DAY;
		assert_true(status_equal(&paymentmethodclass_resource, paymentmethodclass_reconcile(&in, &test_arena).status, status));
	}
}

static void either_mark_makes_a_default(void **state)
{
	(void)state;
	assert_true(class_is_default(&(struct paymentmethodclass){ .default_label = "true" }));
	assert_true(class_is_default(&(struct paymentmethodclass){ .default_annotation = "true", .default_label = "no" }));
	assert_false(class_is_default(&(struct paymentmethodclass){ .default_label = "True" }));
	assert_false(class_is_default(&(struct paymentmethodclass){ 0 }));
}

/* The condition of an outside provider's class is its provider's, also while another class is the default. */
static void a_second_default_says_so_in_our_own_words_alone(void **state)
{
	struct paymentmethodclass first = { .meta = named(NULL, "first"), .provider = "manual", .default_label = "true" };
	struct paymentmethodclass second = { .meta = named(NULL, "second"), .provider = "stripe", .default_label = "true" };
	struct paymentmethodclass_inputs in = { .now = NOW, .self = &second, .default_class = &first };
	const struct class_status *status = paymentmethodclass_reconcile(&in, &test_arena).status;

	(void)state;
	expect_text(status->conditions.items[0].message, "PaymentMethodClass \"first\" is already the default");
	second.status.conditions = (struct conditions){ 1, &by_stripe };
	status = paymentmethodclass_reconcile(&in, &test_arena).status;
	assert_string_equal(status->conditions.items[0].message, by_stripe.message);
	second.status.conditions.n = 0;
	second.default_label = NULL;
	status = paymentmethodclass_reconcile(&in, &test_arena).status;
	assert_null(strstr(status->conditions.items[0].message, "already"));
}

static void mark(struct cluster *c, const char *name, bool is_default)
{
	apply(c, KIND_PAYMENTMETHODCLASS, NULL, name, "{'metadata':{'annotations':{'%s':%s}},'spec':{'provider':'manual'}}",
	      DEFAULT_CLASS_KEY, is_default ? "'true'" : "null");
}

static const char *message_of(const struct cluster *c, const char *name)
{
	const struct paymentmethodclass *class = get(c, KIND_PAYMENTMETHODCLASS, NULL, name);
	return class->status.conditions.items[0].message;
}

/* Edge case 7. */
static void of_two_defaults_the_older_then_the_lesser_name_is_it(void **state)
{
	static const char refused[] = "Class \"b\" is already the default; only one default class is permitted.";
	struct cluster c;

	(void)state;
	cluster_init(&c);
	mark(&c, "c", true);
	mark(&c, "b", true);
	c.now += SECOND;
	mark(&c, "a", true);
	settle(&c);
	assert_string_equal(class_default(cache_view(c.cache))->meta.name->text, "b");
	expect_text(message_of(&c, "c"), refused);
	expect_text(message_of(&c, "a"), refused);
	assert_null(strstr(message_of(&c, "b"), "already"));

	mark(&c, "b", false);
	settle(&c);
	assert_string_equal(class_default(cache_view(c.cache))->meta.name->text, "c");
	assert_null(strstr(message_of(&c, "c"), "already"));
	expect_text(message_of(&c, "a"), "Class \"c\" is already the default");
	delete(&c, KIND_PAYMENTMETHODCLASS, NULL, "c");
	settle(&c);
	assert_null(strstr(message_of(&c, "a"), "already"));
	mark(&c, "a", false);
	settle(&c);
	assert_null(class_default(cache_view(c.cache)));
	cluster_close(&c);
}

static void of_many_defaults_it_does_not_matter_which_is_seen_first(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	for (char name[2] = "m"; *name >= 'a'; --*name)
		mark(&c, name, true);
	settle(&c);
	for (char name[2] = "a"; *name < 'm'; ++*name) {
		assert_string_equal(class_default(cache_view(c.cache))->meta.name->text, name);
		mark(&c, name, false);
		settle(&c);
	}
	cluster_close(&c);
}

static void only_methods_that_it_concerns_are_woken(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	mark(&c, "cards", false);
	mark(&c, "wires", false);
	put_method(&c, "acme", "card", "main", "cards");
	put_method(&c, "acme", "wire", "main", "wires");
	apply(&c, KIND_PAYMENTMETHOD, "acme", "any", "{'spec':{'billingAccountRef':{'name':'main'},'displayName':'x'}}");
	settle(&c);

	apply(&c, KIND_PAYMENTMETHODCLASS, NULL, "cards", "{'metadata':{'labels':{'a':'b'}}}");
	deliver(&c, KIND_PAYMENTMETHODCLASS);
	assert_int_equal(c.n_dirty, 1);
	settle(&c);
	apply(&c, KIND_PAYMENTMETHODCLASS, NULL, "cards", "{'spec':{'provider':'stripe'}}");
	deliver(&c, KIND_PAYMENTMETHODCLASS);
	assert_int_equal(c.n_dirty, 2);
	assert_true(is_woken(&c, KIND_PAYMENTMETHOD, "acme", "card"));
	settle(&c);
	mark(&c, "wires", true);
	deliver(&c, KIND_PAYMENTMETHODCLASS);
	assert_int_equal(c.n_dirty, 2);
	assert_true(is_woken(&c, KIND_PAYMENTMETHOD, "acme", "any"));
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_resolved_or_not_and_then_it_rests),
		cmocka_unit_test(either_mark_makes_a_default),
		cmocka_unit_test(a_second_default_says_so_in_our_own_words_alone),
		cmocka_unit_test(of_two_defaults_the_older_then_the_lesser_name_is_it),
		cmocka_unit_test(of_many_defaults_it_does_not_matter_which_is_seen_first),
		cmocka_unit_test(only_methods_that_it_concerns_are_woken),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
