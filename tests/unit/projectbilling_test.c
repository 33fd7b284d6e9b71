/*
 * ProjectBilling: one in each of a project's namespaces, saying who pays and whether it may deploy, and naming no stranger.
 */
#include "../../reconcilers/projectbilling_inputs.h"
#include "cluster.h"
#include "seats.h"

static struct namespace project_namespace(const char *project)
{
	return (struct namespace){ .meta = named(NULL, "web-ns"), .project = word(project) };
}

/* ---- is there one? ---- */

static void one_in_each_namespace_of_a_project_and_none_elsewhere(void **state)
{
	static const struct {
		const char *rule, *key, *label; /* label NULL: not labelled */
		bool namespace, terminating, self, self_deleted;
		int effect; /* 0: none */
		bool status;
	} rows[] = {
		{ "labelled, none yet: created, and judged when it is there", "web", "web", true, false, false, false, EFFECT_CREATE, false },
		{ "labelled, there: judged", "web", "web", true, false, true, false, 0, true },
		{ "labelled, on its way out by hand: left until gone", "web", "web", true, false, true, true, 0, false },
		{ "no longer labelled: deleted", "web", NULL, true, false, true, false, EFFECT_DELETE, false },
		{ "no longer labelled, on its way out", "web", NULL, true, false, true, true, 0, false },
		{ "labelled for another project: deleted", "web", "api", true, false, true, false, EFFECT_DELETE, false },
		{ "not labelled, none: nothing", "web", NULL, true, false, false, false, 0, false },
		{ "terminating: nothing is created", "web", "web", true, true, false, false, 0, false },
		{ "terminating: nothing is deleted either", "web", NULL, true, true, true, false, 0, false },
		{ "namespace gone", "web", NULL, false, false, false, false, 0, false },
		{ "a label that no object can be named after", "My_Project", "My_Project", true, false, false, false, 0, false },
		{ "another", "a..b", "a..b", true, false, false, false, 0, false },
		{ "another", "web.", "web.", true, false, false, false, 0, false },
		{ "another", "a-.b", "a-.b", true, false, false, false, 0, false },
		{ "dots and dashes in place", "a-1.b--2", "a-1.b--2", true, false, false, false, EFFECT_CREATE, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct namespace namespace = project_namespace(rows[i].label);
		struct projectbilling self = { .meta = named("web-ns", rows[i].key) };
		struct projectbilling_inputs in = { .now = NOW, .project = word(rows[i].key) };
		rule(rows[i].rule);
		namespace.meta.deleted = rows[i].terminating ? NOW : 0;
		self.meta.deleted = rows[i].self_deleted ? NOW : 0;
		in.namespace = rows[i].namespace ? &namespace : NULL;
		in.self = rows[i].self ? &self : NULL;
		struct outcome outcome = projectbilling_reconcile(&in, &test_arena);
		assert_int_equal(effects_of(&outcome, EFFECT_CREATE), rows[i].effect == EFFECT_CREATE);
		assert_int_equal(effects_of(&outcome, EFFECT_DELETE), rows[i].effect == EFFECT_DELETE);
		expect_event(&outcome, true, rows[i].status ? "DeployBlocked" : NULL, "(NoBinding)");
		assert_int_equal(!!outcome.status, rows[i].status);
	}
}

/* Its namespace may be made anew for another project before anybody hears of it: so it is looked at again, unless it goes too. */
static void without_its_namespace_it_looks_again(void **state)
{
	struct projectbilling self = { .meta = named("web-ns", "web") };
	struct projectbilling_inputs in = { .now = NOW, .project = word("web"), .self = &self };
	struct outcome outcome = projectbilling_reconcile(&in, &test_arena);

	(void)state;
	assert_int_equal(outcome.wake_at, NOW + 10 * SECOND);
	assert_int_equal(outcome.n_effects, 0);
	assert_null(outcome.status);
	in.self = NULL;
	assert_int_equal(projectbilling_reconcile(&in, &test_arena).wake_at, 0);
}

/* ---- what does it say? ---- */

struct row {
	const char *rule;
	const char *binding; /* bindingRef.name; NULL: nobody pays */
	const char *reason, *message;
	bool whole; /* the message is this and no more */
	enum rebind rebind;
	const char *organization;
	struct seat seats[4];
};

static const struct row rows[] = {
	{ "no binding at all", NULL, "NoBinding", "billing account required before deploy", true, 0, NULL, { { 0 } } },
	{ "only history", NULL, "NoBinding", "billing account required before deploy", true, 0, NULL,
	  { { "acme", "shop", 10, BINDING_SUPERSEDED, .established = 10, .ended = 20 } } },
	{ "only one that leaves", NULL, "NoBinding", "billing account required before deploy", true, 0, NULL,
	  { { "acme", "shop", .created = 10, .deleted = 20 } } },
	{ "a binding without its account", NULL, "NoBinding",
	  "billing account required before deploy: binding \"shop\" in \"acme\": billing account \"account-of-shop\" was not found in namespace \"acme\"", true, 0,
	  NULL, { { "acme", "shop", .created = 10, .account = MISSING } } },
	{ "a binding whose account is not ready", NULL, "NoBinding",
	  "billing account required before deploy: binding \"shop\" in \"acme\": billing account \"account-of-shop\" is not ready "
	  "(current phase: Provisioning)", true, 0, NULL, { { "acme", "shop", .created = 10, .account = PROVISIONING } } },
	{ "of two that can't, the newest is told", NULL, "NoBinding", "binding \"new\" in \"zeta\"", false, 0, NULL,
	  { { "acme", "old", .created = 10, .account = MISSING }, { "zeta", "new", .created = 20, .account = DELETING } } },
	{ "another organization's: without names", NULL, "NoBinding",
	  "billing account required before deploy: a binding was made from another organization than the project's", true, 0, "acme-org",
	  { { "zeta", "secret", .created = 10, .organization = "zeta-org" } } },
	{ "another organization's is not told over an own one", NULL, "NoBinding", "binding \"shop\" in \"acme\"", false, 0, "acme-org",
	  { { "acme", "shop", .created = 10, .account = MISSING, .organization = "acme-org" },
	    { "zeta", "secret", .created = 20, .organization = "zeta-org" } } },
	{ "a winner without a default method", "shop", "PaymentMethodRequired", "payment method required before deploy", true, 0, NULL,
	  { { "acme", "shop", .created = 10 } } },
	{ "an Active one whose account is Suspended", "shop", "AccountSuspended", "account-of-shop", false, 0, NULL,
	  { { "acme", "shop", 10, BINDING_ACTIVE, .established = 10, .account = SUSPENDED } } },
	{ "an Active one whose account is gone", "shop", "AccountNotReady", "was not found", false, 0, NULL,
	  { { "acme", "shop", 10, BINDING_ACTIVE, .established = 10, .account = MISSING } } },
	{ "an Active one whose account is being deleted", "shop", "AccountDeleting", "is being deleted", false, 0, NULL,
	  { { "acme", "shop", 10, BINDING_ACTIVE, .established = 10, .account = DELETING } } },
	{ "the winner of several", "new", "PaymentMethodRequired", "", false, 0, NULL,
	  { { "acme", "new", .created = 20 }, { "acme", "old", 10, BINDING_ACTIVE, .established = 10 },
	    { "zeta", "late", .created = 30 } } },
};

static void it_says_who_pays_and_why_not_and_then_rests(void **state)
{
	static const struct payment_means means[SEATS_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct namespace namespace = project_namespace("web");
		struct projectbilling self = { .meta = named("web-ns", "web") };
		struct projectbilling_inputs in = { .now = NOW, .project = word("web"), .self = &self, .namespace = &namespace,
						    .facts.means = means };
		struct table table;
		rule(rows[i].rule);
		seat_all(&table, rows[i].seats, rows[i].organization, rows[i].rebind);
		in.facts.contest = table.contest;
		struct outcome outcome = projectbilling_reconcile(&in, &test_arena);
		const struct projectbilling_status *status = outcome.status;
		const struct condition *condition = expect_condition(&status->conditions, 0, "DeployAllowed", CONDITION_FALSE, rows[i].reason);
		assert_int_equal(status->conditions.n, 1);
		assert_int_equal(status->deploy_allowed, NO);
		assert_int_equal(status->observed_generation, 3);
		expect_text(condition->message, rows[i].message);
		if (rows[i].whole)
			assert_string_equal(condition->message, rows[i].message);
		assert_int_equal(!status->binding, !rows[i].binding);
		assert_int_equal(!status->billing_account, !rows[i].binding);
		if (rows[i].binding) {
			assert_string_equal(status->binding->name, rows[i].binding);
			assert_string_equal(status->binding->ns, "acme");
			assert_string_equal(status->billing_account->ns, "acme");
			expect_text(status->billing_account->name, rows[i].binding);
		}
		expect_event(&outcome, true, "DeployBlocked", arena_printf(&test_arena, "Deploys are blocked (%s): %s. Next: ", rows[i].reason, condition->message));
		self.status = *status;
		in.now += DAY;
		assert_int_equal(projectbilling_reconcile(&in, &test_arena).n_effects, 0);
		assert_true(status_equal(&projectbilling_resource, projectbilling_reconcile(&in, &test_arena).status, status));
	}
}

/* ---- in a cluster ---- */

static const struct projectbilling_status *says(const struct cluster *c, const char *ns, const char *project)
{
	const struct projectbilling *found = get(c, KIND_PROJECTBILLING, ns, project);
	assert_non_null(found);
	return &found->status;
}

static void expect_verdict(const struct cluster *c, const char *reason, const char *message)
{
	const struct projectbilling_status *status = says(c, "web-ns", "web");
	bool allowed = !strcmp(reason, "Allowed");

	assert_int_equal(status->deploy_allowed, allowed ? YES : NO);
	expect_text(expect_condition(&status->conditions, 0, "DeployAllowed", allowed ? CONDITION_TRUE : CONDITION_FALSE, reason)->message,
		    message);
}

/* The demo's story, and the answer to the question. */
static void the_story_of_a_project(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "cards", "sandbox");
	put_namespace(&c, "web-ns", "web", NULL);
	settle(&c);
	expect_verdict(&c, "NoBinding", "billing account required before deploy");
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "b1", "main", "web");
	settle(&c);
	expect_verdict(&c, "PaymentMethodRequired", "payment method required before deploy");
	put_method(&c, "acme", "visa", "main", "cards");
	put_account(&c, "acme", "main", "visa");
	settle(&c);
	expect_verdict(&c, "Allowed", "");
	assert_string_equal(says(&c, "web-ns", "web")->billing_account->name, "main");
	assert_string_equal(says(&c, "web-ns", "web")->binding->name, "b1");
	apply(&c, KIND_PAYMENTMETHOD, "acme", "visa", "{'metadata':{'annotations':{'%s':'declined'}}}", SANDBOX_OUTCOME_ANNOTATION);
	settle(&c);
	expect_verdict(&c, "PaymentMethodNotUsable", "payment method \"visa\" cannot be used: card declined (card_declined)");
	c.now += 5 * SECOND;
	put_account(&c, "acme", "second", "amex");
	put_method(&c, "acme", "amex", "second", "cards");
	put_binding(&c, "acme", "b2", "second", "web");
	settle(&c);
	expect_verdict(&c, "Allowed", "");
	assert_string_equal(says(&c, "web-ns", "web")->billing_account->name, "second");
	apply(&c, KIND_BILLINGACCOUNT, "acme", "second", "{'status':{'phase':'Suspended','suspension':{'reason':'overdue'}}}");
	settle(&c);
	expect_verdict(&c, "AccountSuspended", "overdue");
	delete(&c, KIND_BINDING, "acme", "b2");
	settle(&c);
	expect_verdict(&c, "NoBinding", "");
	assert_null(says(&c, "web-ns", "web")->billing_account);
	assert_null(says(&c, "web-ns", "web")->binding);
	cluster_close(&c);
}

static void it_follows_its_namespaces_label_and_comes_back_when_deleted(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "web-ns", "web", NULL);
	put_namespace(&c, "web-two", "web", NULL);
	put_namespace(&c, "plain", NULL, NULL);
	settle(&c);
	assert_non_null(get(&c, KIND_PROJECTBILLING, "web-ns", "web"));
	assert_non_null(get(&c, KIND_PROJECTBILLING, "web-two", "web"));
	assert_null(get(&c, KIND_PROJECTBILLING, "plain", "web"));
	delete(&c, KIND_PROJECTBILLING, "web-ns", "web");
	settle(&c);
	assert_non_null(get(&c, KIND_PROJECTBILLING, "web-ns", "web"));
	put_namespace(&c, "web-ns", "api", NULL);
	settle(&c);
	assert_null(get(&c, KIND_PROJECTBILLING, "web-ns", "web"));
	assert_non_null(get(&c, KIND_PROJECTBILLING, "web-ns", "api"));
	put_namespace(&c, "web-ns", NULL, NULL);
	settle(&c);
	assert_null(get(&c, KIND_PROJECTBILLING, "web-ns", "api"));
	apply(&c, KIND_PROJECTBILLING, "plain", "web", "{'status':{'deployAllowed':true}}"); /* forged where none belongs */
	settle(&c);
	assert_null(get(&c, KIND_PROJECTBILLING, "plain", "web"));
	forget_told(&c);
	apply(&c, KIND_PROJECTBILLING, "web-two", "web", "{'status':{'deployAllowed':true,'conditions':[]}}"); /* forged where one is */
	settle(&c);
	assert_int_equal(says(&c, "web-two", "web")->deploy_allowed, NO);
	cluster_close(&c);
}

/* Edge case 14. */
static void names_at_their_limits(void **state)
{
	char project[64], account[254], binding[254];
	struct cluster c;

	(void)state;
	memset(project, 'p', 63);
	project[63] = '\0';
	memset(account, 'a', 253);
	account[253] = '\0';
	memset(binding, 'b', 253);
	binding[253] = '\0';
	cluster_init(&c);
	put_namespace(&c, "web-ns", project, NULL);
	put_account(&c, "acme", account, NULL);
	put_binding(&c, "acme", binding, account, project);
	settle(&c);
	assert_string_equal(says(&c, "web-ns", project)->billing_account->name, account);
	assert_string_equal(says(&c, "web-ns", project)->binding->name, binding);
	cluster_close(&c);
}

static void a_binding_in_any_order_of_events_ends_in_the_same_verdict(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint64_t random = seed;
		struct cluster c;
		cluster_init(&c);
		int todo[5] = { 0, 1, 2, 3, 4 };
		for (size_t i = 4; i > 0; i--) {
			size_t j = next_random(&random) % (i + 1);
			int swapped = todo[i];
			todo[i] = todo[j];
			todo[j] = swapped;
		}
		for (size_t i = 0; i < 5; i++) {
			switch (todo[i]) {
			case 0: put_class(&c, "cards", "sandbox"); break;
			case 1: put_namespace(&c, "web-ns", "web", NULL); break;
			case 2: put_account(&c, "acme", "main", "visa"); break;
			case 3: put_method(&c, "acme", "visa", "main", "cards"); break;
			default: put_binding(&c, "acme", "b", "main", "web");
			}
			for (unsigned steps = next_random(&random) % 10; steps && cluster_step(&c, &random); steps--)
				;
		}
		settle_at_random(&c, &random);
		expect_verdict(&c, "Allowed", "");
		assert_int_equal(settle(&c), 0);
		cluster_close(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_in_each_namespace_of_a_project_and_none_elsewhere),
		cmocka_unit_test(without_its_namespace_it_looks_again),
		cmocka_unit_test(it_says_who_pays_and_why_not_and_then_rests),
		cmocka_unit_test(the_story_of_a_project),
		cmocka_unit_test(it_follows_its_namespaces_label_and_comes_back_when_deleted),
		cmocka_unit_test(names_at_their_limits),
		cmocka_unit_test(a_binding_in_any_order_of_events_ends_in_the_same_verdict),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
