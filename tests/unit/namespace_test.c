/*
 * Namespace: who is woken when a project's or an organization's label moves, and who sleeps on.
 */
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
	assert_int_equal(c.n_dirty, 1); /* without an organization it changes nothing for bindings */
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

static void nothing_is_ever_decided_for_a_namespace(void **state)
{
	(void)state;
	assert_null(namespace_reconciler.run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whom_a_label_concerns_is_woken),
		cmocka_unit_test(a_namespace_that_comes_or_goes_wakes_its_gate),
		cmocka_unit_test(nothing_is_ever_decided_for_a_namespace),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
