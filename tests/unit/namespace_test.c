/*
 * Namespace: who is woken when a label of a project or an organization moves, and the mark of the deploy gate.
 */
#include "../../reconcilers/namespace_inputs.h"
#include "cluster.h"

enum { WEB_GATE = 1, API_GATE = 2, BINDING = 4, FOREIGN = 8, TWIN_GATE = 16 };

/* web-ns and twin are web's namespaces; acme/b and zeta/f are bindings to web. */
static void build(struct cluster *c)
{
	cluster_init(c);
	put_namespace(c, "web-ns", "web", "acme-org");
	put_namespace(c, "twin", "web", "acme-org");
	put_namespace(c, "acme", NULL, "acme-org");
	put_namespace(c, "zeta", NULL, NULL);
	put_account(c, "acme", "main", NULL);
	put_binding(c, "acme", "b", "main", "web");
	put_binding(c, "zeta", "f", "none", "web");
	settle(c);
}

static void only_whom_a_label_concerns_is_woken(void **state)
{
	static const struct {
		const char *rule, *ns, *patch;
		int woken; /* of the flags above */
	} rows[] = {
		{ "another label", "web-ns", "{'metadata':{'labels':{'a':'b'}}}", 0 },
		{ "its project", "web-ns", "{'metadata':{'labels':{'resourcemanager.miloapis.com/project-name':'api'}}}",
		  WEB_GATE | API_GATE | BINDING | FOREIGN | TWIN_GATE },
		{ "its project taken away", "web-ns", "{'metadata':{'labels':{'resourcemanager.miloapis.com/project-name':null}}}",
		  WEB_GATE | BINDING | FOREIGN | TWIN_GATE },
		{ "its organization", "web-ns", "{'metadata':{'labels':{'resourcemanager.miloapis.com/organization-name':'new'}}}",
		  WEB_GATE | BINDING | FOREIGN | TWIN_GATE },
		{ "the organization of a binding's namespace", "zeta",
		  "{'metadata':{'labels':{'resourcemanager.miloapis.com/organization-name':'new'}}}",
		  WEB_GATE | BINDING | FOREIGN | TWIN_GATE },
		{ "the organization of nobody's namespace", "empty",
		  "{'metadata':{'labels':{'resourcemanager.miloapis.com/organization-name':'new'}}}", 0 },
		{ "a project in an unlabelled organization", "empty",
		  "{'metadata':{'labels':{'resourcemanager.miloapis.com/project-name':'api'}}}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cluster c;
		rule(rows[i].rule);
		build(&c);
		put_namespace(&c, "empty", NULL, NULL);
		settle(&c);
		apply(&c, KIND_NAMESPACE, NULL, rows[i].ns, "%s", rows[i].patch);
		deliver(&c, KIND_NAMESPACE);
		int woken = (is_woken(&c, KIND_PROJECTBILLING, "web-ns", "web") ? WEB_GATE : 0) |
			    (is_woken(&c, KIND_PROJECTBILLING, "web-ns", "api") ? API_GATE : 0) |
			    (is_woken(&c, KIND_BINDING, "acme", "b") ? BINDING : 0) |
			    (is_woken(&c, KIND_BINDING, "zeta", "f") ? FOREIGN : 0) |
			    (is_woken(&c, KIND_PROJECTBILLING, "twin", "web") ? TWIN_GATE : 0);
		assert_int_equal(woken, rows[i].woken);
		cluster_close(&c);
	}
}

static void a_namespace_that_comes_or_goes_wakes_its_gate(void **state)
{
	struct cluster c;

	(void)state;
	build(&c);
	put_namespace(&c, "third", "web", NULL);
	deliver(&c, KIND_NAMESPACE);
	assert_true(is_woken(&c, KIND_PROJECTBILLING, "third", "web"));
	assert_true(is_woken(&c, KIND_NAMESPACE, NULL, "third"));
	assert_int_equal(c.n_dirty, 2); /* without an organization it changes nothing for bindings */
	settle(&c);
	delete(&c, KIND_NAMESPACE, NULL, "third");
	deliver(&c, KIND_NAMESPACE);
	assert_true(is_woken(&c, KIND_PROJECTBILLING, "third", "web"));
	settle(&c);
	apply(&c, KIND_NAMESPACE, NULL, "web-ns", "{'metadata':{'finalizers':['x'],'deletionTimestamp':'2026-11-22T10:06:20Z'}}");
	deliver(&c, KIND_NAMESPACE);
	assert_true(is_woken(&c, KIND_PROJECTBILLING, "web-ns", "web"));
	cluster_close(&c);
}

/* ---- the mark ---- */

static void expect_marks(const struct cluster *c, const char *ns, const char *deploy, const char *message)
{
	const struct namespace *namespace = get(c, KIND_NAMESPACE, NULL, ns);

	assert_int_equal(!namespace->deploy, !deploy);
	if (deploy)
		assert_string_equal(namespace->deploy, deploy);
	assert_int_equal(!namespace->deploy_message, !message);
	if (message)
		assert_string_equal(namespace->deploy_message, message);
}

static void a_projects_namespaces_are_marked_and_no_others(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		uint64_t random = seed;
		struct cluster c;
		(void)state;
		cluster_init(&c);
		put_namespace(&c, "web-ns", "web", NULL);
		put_namespace(&c, "web-too", "web", NULL);
		put_namespace(&c, "odd", "My_Project", NULL); /* can have no ProjectBilling */
		put_namespace(&c, "plain", NULL, NULL);
		settle_at_random(&c, &random);
		expect_marks(&c, "web-ns", "blocked", "billing account required before deploy");
		expect_marks(&c, "odd", "blocked", "billing account required before deploy");
		expect_marks(&c, "plain", NULL, NULL);
		put_class(&c, "cards", "sandbox");
		put_account(&c, "acme", "main", NULL);
		put_binding(&c, "acme", "b", "main", "web");
		settle_at_random(&c, &random);
		expect_marks(&c, "web-ns", "blocked", "payment method required before deploy");
		put_account(&c, "acme", "main", "visa");
		put_method(&c, "acme", "visa", "main", "cards");
		settle_at_random(&c, &random);
		expect_marks(&c, "web-ns", "allowed", NULL);
		expect_marks(&c, "web-too", "allowed", NULL);
		apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "{'status':{'phase':'Suspended'}}");
		settle_at_random(&c, &random);
		expect_marks(&c, "web-ns", "blocked", "billing account \"main\" is suspended (current phase: Suspended)");
		restart(&c);
		assert_int_equal(settle(&c), 0);
		put_namespace(&c, "web-ns", NULL, NULL);
		settle_at_random(&c, &random);
		expect_marks(&c, "web-ns", NULL, NULL);
		expect_marks(&c, "web-too", "blocked", "billing account \"main\" is suspended (current phase: Suspended)");
		cluster_close(&c);
	}
}

static void a_mark_moved_by_hand_is_put_right(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "web-ns", "web", NULL);
	settle(&c);
	apply(&c, KIND_NAMESPACE, NULL, "web-ns",
	      "{'metadata':{'labels':{'billing.miloapis.com/deploy':'allowed','a':'b'},'annotations':{'c':'d'}}}");
	settle(&c);
	expect_marks(&c, "web-ns", "blocked", "billing account required before deploy");
	json_t *meta = json_object_get(server_find(&c, key_of(KIND_NAMESPACE, NULL, "web-ns"))->object, "metadata");
	assert_string_equal(json_string_value(json_object_get(json_object_get(meta, "labels"), "a")), "b"); /* others' stay */
	assert_string_equal(json_string_value(json_object_get(json_object_get(meta, "annotations"), "c")), "d");
	cluster_close(&c);
}

/* A Namespace that has been filled up takes no words: the gate closes all the same, and shows no words of another state. */
static void what_is_not_true_any_more_goes_before_new_words(void **state)
{
	static const char required[] = "billing account required before deploy";
	static const struct {
		const char *rule, *deploy, *message;       /* what is there */
		const char *next_deploy, *next_message;    /* after the next write */
		size_t n_marks;
	} rows[] = {
		{ "an open gate is closed first", "allowed", NULL, "blocked", NULL, 1 },
		{ "and loses words that somebody left on it", "allowed", "x", "blocked", NULL, 2 },
		{ "then the words come", "blocked", NULL, "blocked", required, 1 },
		{ "other words go first", "blocked", "x", "blocked", NULL, 1 },
		{ "where nothing was, both come at once", NULL, NULL, "blocked", required, 2 },
		{ "right words stay while the gate is closed", "allowed", required, "blocked", required, 1 },
		{ "nothing differs", "blocked", required, "blocked", required, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct namespace self = { .meta = named(NULL, "web-ns"), .project = word("web"), .deploy = rows[i].deploy,
					  .deploy_message = rows[i].message };
		struct namespace_inputs in = { .now = NOW, .self = &self };
		rule(rows[i].rule);
		struct outcome outcome = namespace_reconcile(&in, &test_arena);
		assert_int_equal(outcome.n_marks, rows[i].n_marks);
		for (size_t m = 0; m < outcome.n_marks; m++)
			*(outcome.marks[m].type == MARK_LABEL ? &self.deploy : &self.deploy_message) = outcome.marks[m].value;
		assert_string_equal(self.deploy, rows[i].next_deploy);
		assert_int_equal(!self.deploy_message, !rows[i].next_message);
		if (rows[i].next_message)
			assert_string_equal(self.deploy_message, rows[i].next_message);
	}
}

/* A policy's message must be one line and not too long, or the API server says something of its own. */
static void a_message_fits_a_policy(void **state)
{
	char long_text[3000];
	struct namespace self = { .meta = named(NULL, "web-ns"), .project = word("web") };
	struct billingaccountbinding binding = binding_of("acme", "b", "main", "web");
	struct billingaccount account = ready_account("acme", "main", "visa");
	struct paymentmethod method = method_of("acme", "visa", "main", METHOD_FAILED);
	struct claim claim = { .binding = &binding, .account = &account };
	struct payment_means means = { .method = &method };
	struct namespace_inputs in = { .now = NOW, .self = &self, .facts = { .contest = { .claims = &claim, .n_claims = 1 }, .means = &means } };

	(void)state;
	method.status.failure_message = "The bank\nsaid\tno";
	struct outcome outcome = namespace_reconcile(&in, &test_arena);
	assert_int_equal(outcome.n_marks, 2);
	assert_string_equal(outcome.marks[1].value, "payment method \"visa\" cannot be used: The bank said no");
	for (size_t i = 0; i + 2 < sizeof(long_text); i += 2)
		memcpy(long_text + i, "\xc3\xa9", 3);
	method.status.failure_message = long_text;
	outcome = namespace_reconcile(&in, &test_arena);
	size_t len = strlen(outcome.marks[1].value);
	assert_true(len <= 1024 && len > 1000);
	assert_int_equal((unsigned char)outcome.marks[1].value[len - 1], 0xa9); /* no half character */
	self.meta.deleted = NOW;
	assert_int_equal(namespace_reconcile(&in, &test_arena).n_marks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whom_a_label_concerns_is_woken),
		cmocka_unit_test(a_namespace_that_comes_or_goes_wakes_its_gate),
		cmocka_unit_test(a_projects_namespaces_are_marked_and_no_others),
		cmocka_unit_test(a_mark_moved_by_hand_is_put_right),
		cmocka_unit_test(what_is_not_true_any_more_goes_before_new_words),
		cmocka_unit_test(a_message_fits_a_policy),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
