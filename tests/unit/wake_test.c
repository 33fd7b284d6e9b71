/*
 * Who is woken by a change of what its decision reads: watch rules told of two records, old and new, as the contract in reconcile.h
 * has it. A change that matters must wake; one that nobody looks at must not.
 */
#include "cluster.h"
#include "kind.h"
#include "namespace.h"
#include "paymentmethodclass.h"

enum { WOKEN_MAX = 32 };

struct woken {
	struct key keys[WOKEN_MAX];
	size_t n;
};

static void add(void *context, struct key key)
{
	struct woken *woken = context;

	assert_true(woken->n < WOKEN_MAX);
	woken->keys[woken->n++] = key;
}

static bool has(const struct woken *woken, enum kind_id kind, const char *ns, const char *name)
{
	for (size_t i = 0; i < woken->n; i++)
		if (key_equal(woken->keys[i], key_of(kind, ns, name)))
			return true;
	return false;
}

/* A record of that text, with what every object has; NULL for none. */
static void *record_of(struct cluster *c, enum kind_id kind, const char *ns, const char *name, const char *text)
{
	if (!text)
		return NULL;
	const struct resource *resource = kinds[kind].resource;
	json_t *object = json_pack("{s:s++,s:s,s:{s:s,s:s*,s:s,s:s,s:s,s:i}}", "apiVersion", resource->group, *resource->group ? "/" : "",
				   resource->version, "kind", resource->kind, "metadata", "name", name, "namespace", ns, "uid", "uid-1",
				   "resourceVersion", "1", "creationTimestamp", "2026-11-20T00:00:00Z", "generation", 1);
	json_t *patch = parse(text);
	merge_patch(object, patch);
	char *whole = json_dumps(object, 0);
	void *record = decode(c, kind, whole);

	free(whole);
	json_decref(patch);
	json_decref(object);
	return record;
}

static struct woken wake(struct cluster *c, enum kind_id kind, const char *ns, const char *name, const char *before, const char *after)
{
	void *old = record_of(c, kind, ns, name, before), *new = record_of(c, kind, ns, name, after);
	struct woken woken = { .n = 0 };
	struct key_sink sink = { .context = &woken, .add = add };

	kinds_wake(cache_view(c->cache), kind, old, new, &sink);
	if (old)
		record_free(c->codec, kinds[kind].resource, old);
	if (new)
		record_free(c->codec, kinds[kind].resource, new);
	return woken;
}

/* Two accounts of acme pay for a project each, and everything that a decision looks at is there. */
static void build(struct cluster *c)
{
	cluster_init(c);
	put_class(c, "cards", "manual");
	put_namespace(c, "web-ns", "web", NULL);
	put_namespace(c, "api-ns", "api", NULL);
	put_account(c, "acme", "main", "visa");
	put_account(c, "acme", "other", "giro");
	put_method(c, "acme", "visa", "main", "cards");
	put_binding(c, "acme", "pays-web", "main", "web");
	put_binding(c, "acme", "pays-api", "other", "api");
	apply(c, KIND_BILLINGARRANGEMENT, "acme", "terms", "{'spec':{'billingAccountRef':{'name':'main'},'type':'Invoice'}}");
	apply(c, KIND_INVOICE, "acme", "main-2026-10", "{'spec':{'billingAccountRef':{'name':'main'},'period':{'start':'2026-10-01T00:00:00Z',"
						       "'end':'2026-10-31T23:59:59Z'}}}");
	settle(c);
	put_binding(c, "zeta", "waits", "none", "web");
	put_binding(c, "zeta", "waits-too", "none", "api");
	settle(c);
}

#define OWNER(version, kind, name, uid, controller) \
	"{'apiVersion':'" version "','kind':'" kind "','name':'" name "','uid':'" uid "','controller':" controller "}"
#define MAIN OWNER("v1", "BillingAccount", "main", "u", "false")

struct change {
	const char *rule, *before, *after;
	bool wakes;
};

/* Each change, both ways, wakes that key or does not. */
static void try_changes(enum kind_id kind, const char *ns, const char *name, const struct change *changes, size_t n, struct key woken)
{
	struct cluster c;

	build(&c);
	for (size_t i = 0; i < n; i++) {
		rule(changes[i].rule);
		struct woken there = wake(&c, kind, ns, name, changes[i].before, changes[i].after);
		struct woken back = wake(&c, kind, ns, name, changes[i].after, changes[i].before);
		if (has(&there, woken.kind, atom_text(woken.ns), woken.name->text) != changes[i].wakes)
			fail_msg("%s: %s", changes[i].rule, changes[i].wakes ? "wakes nobody" : "wakes");
		if (has(&back, woken.kind, atom_text(woken.ns), woken.name->text) != changes[i].wakes)
			fail_msg("%s, taken back: %s", changes[i].rule, changes[i].wakes ? "wakes nobody" : "wakes");
		if (!changes[i].wakes)
			assert_true(there.n == 1 && back.n == 1); /* itself */
	}
	cluster_close(&c);
}

static void bindings_wake_their_rivals(void **state)
{
	static const struct change changes[] = {
		{ "nothing", "{}", "{}", false },
		{ "a label", "{}", "{'metadata':{'labels':{'a':'b'}}}", false },
		{ "a new one", NULL, "{'spec':{'projectRef':{'name':'web'}}}", true },
		{ "another of its name", "{'spec':{'projectRef':{'name':'web'}}}", "{'metadata':{'uid':'uid-2'},'spec':{'projectRef':{'name':'web'}}}", true },
		{ "its deletion begins", "{'spec':{'projectRef':{'name':'web'}}}",
		  "{'metadata':{'deletionTimestamp':'2026-11-21T00:00:00Z'},'spec':{'projectRef':{'name':'web'}}}", true },
		{ "another account", "{'spec':{'projectRef':{'name':'web'},'billingAccountRef':{'name':'main'}}}",
		  "{'spec':{'projectRef':{'name':'web'},'billingAccountRef':{'name':'other'}}}", true },
		{ "from project to project", "{'spec':{'projectRef':{'name':'web'}}}", "{'spec':{'projectRef':{'name':'api'}}}", true },
		{ "when it ended", "{'spec':{'projectRef':{'name':'web'}},'status':{'endedAt':'2026-11-20T00:00:00Z'}}",
		  "{'spec':{'projectRef':{'name':'web'}},'status':{'endedAt':'2026-11-21T00:00:00Z'}}", true },
		{ "since when it holds", "{'spec':{'projectRef':{'name':'web'}}}",
		  "{'spec':{'projectRef':{'name':'web'}},'status':{'billingResponsibility':{'establishedAt':'2026-11-21T00:00:00Z'}}}", true },
		{ "why it lost", "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'False','reason':'A'}]}}",
		  "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'False','reason':'B'}]}}", true },
		{ "in which words", "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'False','message':'a'}]}}",
		  "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'False','message':'b'}]}}", true },
		{ "that it lost", "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'True'}]}}",
		  "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'False'}]}}", true },
		{ "when its condition was reached", "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'True'}]}}",
		  "{'spec':{'projectRef':{'name':'web'}},'status':{'conditions':[{'type':'Bound','status':'True','observedGeneration':2}]}}", false },
	};

	(void)state;
	try_changes(KIND_BINDING, "acme", "new", changes, COUNT(changes), key_of(KIND_BINDING, "zeta", "waits"));
}

/* What it left is decided again as well as what it came to. */
static void a_binding_that_moves_wakes_both_sides(void **state)
{
	struct cluster c;

	(void)state;
	build(&c);
	struct woken woken = wake(&c, KIND_BINDING, "acme", "new",
				  "{'spec':{'billingAccountRef':{'name':'main'},'projectRef':{'name':'web'}},'status':{'phase':'Active'}}",
				  "{'spec':{'billingAccountRef':{'name':'other'},'projectRef':{'name':'api'}},'status':{'phase':'Active'}}");
	assert_true(has(&woken, KIND_BILLINGACCOUNT, "acme", "main"));
	assert_true(has(&woken, KIND_BILLINGACCOUNT, "acme", "other"));
	assert_true(has(&woken, KIND_BINDING, "zeta", "waits"));
	assert_true(has(&woken, KIND_BINDING, "zeta", "waits-too"));
	assert_true(has(&woken, KIND_PROJECTBILLING, "web-ns", "web"));
	assert_true(has(&woken, KIND_PROJECTBILLING, "api-ns", "api"));
	assert_true(has(&woken, KIND_NAMESPACE, NULL, "web-ns"));
	assert_true(has(&woken, KIND_NAMESPACE, NULL, "api-ns"));
	cluster_close(&c);
}

static void accounts_wake_what_they_pay_for(void **state)
{
	static const struct change changes[] = {
		{ "a label", "{}", "{'metadata':{'labels':{'a':'b'}}}", false },
		{ "what it counts", "{}", "{'status':{'linkedProjectsCount':3,'outstandingAmount':'1'}}", false },
		{ "it comes or goes", NULL, "{}", true },
		{ "another of its name", "{}", "{'metadata':{'uid':'uid-2'}}", true },
		{ "its phase", "{'spec':{'currencyCode':'EUR'}}", "{'spec':{'currencyCode':'EUR'},'status':{'phase':'Suspended'}}", true },
		{ "its deletion begins", "{}", "{'metadata':{'deletionTimestamp':'2026-11-21T00:00:00Z'}}", true },
		{ "its default method", "{}", "{'spec':{'defaultPaymentMethodRef':{'name':'visa'}}}", true },
		{ "a request to close it", "{}", "{'spec':{'closureRequested':true}}", true },
		{ "why it is suspended", "{}", "{'status':{'suspension':{'reason':'fraud'}}}", true },
	};

	(void)state;
	try_changes(KIND_BILLINGACCOUNT, "acme", "main", changes, COUNT(changes), key_of(KIND_PROJECTBILLING, "web-ns", "web"));
}

static void methods_wake_whose_default_they_are(void **state)
{
	static const struct change changes[] = {
		{ "a label", "{}", "{'metadata':{'labels':{'a':'b'}}}", false },
		{ "a display name", "{}", "{'spec':{'displayName':'x'}}", false },
		{ "it comes or goes", NULL, "{}", true },
		{ "another of its name", "{}", "{'metadata':{'uid':'uid-2'}}", true },
		{ "whose it is", "{'spec':{'billingAccountRef':{'name':'main'}}}", "{'spec':{'billingAccountRef':{'name':'other'}}}", true },
		{ "its phase", "{'status':{'phase':'Active'}}", "{'status':{'phase':'Failed'}}", true },
		{ "how long it is good", "{'status':{'details':{'card':{'expiryMonth':1,'expiryYear':2031}}}}",
		  "{'status':{'details':{'card':{'expiryMonth':2,'expiryYear':2031}}}}", true },
		{ "why it failed", "{}", "{'status':{'failureReason':'a'}}", true },
		{ "in which words", "{'status':{'failureMessage':'a'}}", "{'status':{'failureMessage':'b'}}", true },
	};

	(void)state;
	try_changes(KIND_PAYMENTMETHOD, "acme", "visa", changes, COUNT(changes), key_of(KIND_BILLINGACCOUNT, "acme", "main"));
}

static void classes_wake_their_methods(void **state)
{
	static const struct change changes[] = {
		{ "a label", "{}", "{'metadata':{'labels':{'a':'b'}}}", false },
		{ "parameters", "{}", "{'spec':{'parametersRef':{'kind':'Secret','name':'x'}}}", false },
		{ "it comes or goes", NULL, "{}", true },
		{ "another of its name", "{}", "{'metadata':{'uid':'uid-2'}}", true },
		{ "its provider", "{'spec':{'provider':'manual'}}", "{'spec':{'provider':'sandbox'}}", true },
	};

	(void)state;
	try_changes(KIND_PAYMENTMETHODCLASS, NULL, "cards", changes, COUNT(changes), key_of(KIND_PAYMENTMETHOD, "acme", "visa"));
}

/* A method that names no class takes the default's: whichever that is now. */
static void the_default_class_wakes_methods_that_name_none(void **state)
{
#define MARKED(rest) "{'metadata':{'labels':{'" DEFAULT_CLASS_KEY "':'true'}" rest "}"
	static const struct {
		const char *rule, *before, *after;
		bool wakes;
	} changes[] = {
		{ "a default comes or goes", NULL, MARKED("}"), true },
		{ "the mark alone", "{}", MARKED("}"), true },
		{ "a default of another provider", MARKED("},'spec':{'provider':'manual'}"), MARKED("},'spec':{'provider':'sandbox'}"), true },
		{ "a default made anew", MARKED("}"), MARKED(",'uid':'uid-2'}"), true },
		{ "a default's annotation", MARKED("}"), MARKED(",'annotations':{'a':'b'}}"), false },
		{ "one that is none", "{'spec':{'provider':'manual'}}", "{'spec':{'provider':'sandbox'}}", false },
	};
	struct cluster c;

	(void)state;
	build(&c);
	apply(&c, KIND_PAYMENTMETHOD, "acme", "any", "{'spec':{'billingAccountRef':{'name':'main'},'displayName':'x'}}");
	settle(&c);
	for (size_t i = 0; i < COUNT(changes); i++) {
		rule(changes[i].rule);
		struct woken there = wake(&c, KIND_PAYMENTMETHODCLASS, NULL, "new", changes[i].before, changes[i].after);
		struct woken back = wake(&c, KIND_PAYMENTMETHODCLASS, NULL, "new", changes[i].after, changes[i].before);
		assert_int_equal(has(&there, KIND_PAYMENTMETHOD, "acme", "any"), changes[i].wakes);
		assert_int_equal(has(&back, KIND_PAYMENTMETHOD, "acme", "any"), changes[i].wakes);
		assert_false(has(&there, KIND_PAYMENTMETHOD, "acme", "visa"));
	}
	cluster_close(&c);
}

/* The same for both, since both are told from others by who owns them. */
#define OF_AN_ACCOUNT                                                                                                              \
	{ "a label", "{}", "{'metadata':{'labels':{'a':'b'}}}", false },                                                           \
	{ "another of its name", "{'spec':{'billingAccountRef':{'name':'main'}}}",                                                 \
	  "{'metadata':{'uid':'uid-2'},'spec':{'billingAccountRef':{'name':'main'}}}", true },                                     \
	{ "it comes or goes", NULL, "{'spec':{'billingAccountRef':{'name':'main'}}}", true },                                      \
	{ "its spec", "{'spec':{'billingAccountRef':{'name':'main'}}}",                                                            \
	  "{'metadata':{'generation':2},'spec':{'billingAccountRef':{'name':'main'}}}", true }

static void owners_wake(enum kind_id kind, const char *name)
{
#define SPEC "'spec':{'billingAccountRef':{'name':'main'}}}"
#define WITH(owners) "{'metadata':{'ownerReferences':[" owners "]}," SPEC
	static const struct change changes[] = {
		{ "the same owners", WITH(MAIN), WITH(MAIN), false },
		{ "a first owner", WITH(""), WITH(MAIN), true },
		{ "a second owner", WITH(MAIN), WITH(MAIN "," MAIN), true },
		{ "another UID", WITH(MAIN), WITH(OWNER("v1", "BillingAccount", "main", "v", "false")), true },
		{ "another kind", WITH(MAIN), WITH(OWNER("v1", "ConfigMap", "main", "u", "false")), true },
		{ "another name", WITH(MAIN), WITH(OWNER("v1", "BillingAccount", "other", "u", "false")), true },
		{ "another version", WITH(MAIN), WITH(OWNER("v2", "BillingAccount", "main", "u", "false")), true },
		{ "as a controller", WITH(MAIN), WITH(OWNER("v1", "BillingAccount", "main", "u", "true")), true },
	};

	try_changes(kind, "acme", name, changes, COUNT(changes), key_of(KIND_BILLINGACCOUNT, "acme", "main"));
}

static void arrangements_wake_their_account(void **state)
{
	static const struct change changes[] = {
		OF_AN_ACCOUNT,
		{ "its deletion begins", "{" SPEC, "{'metadata':{'deletionTimestamp':'2026-11-21T00:00:00Z'}," SPEC, true },
	};

	(void)state;
	try_changes(KIND_BILLINGARRANGEMENT, "acme", "new", changes, COUNT(changes), key_of(KIND_BILLINGACCOUNT, "acme", "main"));
	try_changes(KIND_BILLINGARRANGEMENT, "acme", "new", changes, COUNT(changes), key_of(KIND_BILLINGARRANGEMENT, "acme", "terms"));
	try_changes(KIND_BILLINGARRANGEMENT, "acme", "new", changes, COUNT(changes), key_of(KIND_PROJECTBILLING, "web-ns", "web"));
	owners_wake(KIND_BILLINGARRANGEMENT, "new");
}

static void an_arrangement_that_moves_wakes_both_accounts_projects(void **state)
{
	struct cluster c;

	(void)state;
	build(&c);
	struct woken woken = wake(&c, KIND_BILLINGARRANGEMENT, "acme", "new", "{'spec':{'billingAccountRef':{'name':'main'}}}",
				  "{'metadata':{'generation':2},'spec':{'billingAccountRef':{'name':'other'}}}");
	assert_true(has(&woken, KIND_BILLINGACCOUNT, "acme", "main"));
	assert_true(has(&woken, KIND_BILLINGACCOUNT, "acme", "other"));
	assert_true(has(&woken, KIND_PROJECTBILLING, "web-ns", "web"));
	assert_true(has(&woken, KIND_PROJECTBILLING, "api-ns", "api"));
	cluster_close(&c);
}

static void invoices_wake_their_account(void **state)
{
#define STATUS(fields) "{'status':{" fields "}," SPEC
	static const struct change changes[] = {
		OF_AN_ACCOUNT,
		{ "where its document is", STATUS(""), STATUS("'documentUri':'https://x'"), false },
		{ "its phase", STATUS("'phase':'Open'"), STATUS("'phase':'Paid'"), true },
		{ "when it is due", STATUS("'dueDate':'2026-11-20T00:00:00Z'"), STATUS("'dueDate':'2026-11-21T00:00:00Z'"), true },
		{ "how often it was tried", STATUS("'attemptCount':1"), STATUS("'attemptCount':2"), true },
		{ "its currency", STATUS("'currencyCode':'EUR'"), STATUS("'currencyCode':'USD'"), true },
		{ "its total", STATUS("'total':'1'"), STATUS("'total':'2'"), true },
		{ "what is paid", STATUS("'amountPaid':'1'"), STATUS("'amountPaid':'2'"), true },
		{ "what is due", STATUS("'amountDue':'1'"), STATUS("'amountDue':'2'"), true },
	};

	(void)state;
	try_changes(KIND_INVOICE, "acme", "new", changes, COUNT(changes), key_of(KIND_BILLINGACCOUNT, "acme", "main"));
	owners_wake(KIND_INVOICE, "new");
}

/* Namespaces of two organizations keep a binding out: the bindings that live in one are judged anew when it changes sides. */
static void an_organization_wakes_its_own_bindings_and_projects(void **state)
{
#define LABELS(project, organization) "{'metadata':{'labels':{'" PROJECT_LABEL_DEFAULT "':" project ",'" ORGANIZATION_LABEL "':" organization "}}}"
	struct cluster c;

	(void)state;
	build(&c);
	struct woken woken = wake(&c, KIND_NAMESPACE, NULL, "acme", "{}", LABELS("null", "'a'"));
	assert_true(has(&woken, KIND_BINDING, "acme", "pays-web"));
	assert_true(has(&woken, KIND_BINDING, "zeta", "waits")); /* a rival of the same project */
	assert_true(has(&woken, KIND_PROJECTBILLING, "web-ns", "web"));
	woken = wake(&c, KIND_NAMESPACE, NULL, "web-ns", LABELS("'web'", "'a'"), LABELS("'api'", "'a'"));
	assert_true(has(&woken, KIND_BINDING, "acme", "pays-web"));
	assert_true(has(&woken, KIND_BINDING, "acme", "pays-api"));
	woken = wake(&c, KIND_NAMESPACE, NULL, "elsewhere", "{}", LABELS("null", "'a'"));
	assert_int_equal(woken.n, 1); /* itself */
	cluster_close(&c);
}

/* The schema wants these members; an object from before it, or past it, must not bring anybody down. */
static void objects_without_a_spec_wake_nobody_else(void **state)
{
	static const enum kind_id lacking[] = { KIND_BINDING, KIND_PAYMENTMETHOD, KIND_BILLINGARRANGEMENT, KIND_INVOICE };
	struct cluster c;

	(void)state;
	build(&c);
	for (size_t i = 0; i < COUNT(lacking); i++) {
		struct woken woken = wake(&c, lacking[i], "acme", "empty", NULL, "{}");
		assert_int_equal(woken.n, 1); /* itself */
		apply(&c, lacking[i], "acme", "empty", "{}");
	}
	apply(&c, KIND_BINDING, "acme", "no-account", "{'spec':{'projectRef':{'name':'web'}}}");
	settle(&c);
	assert_int_equal(settle(&c), 0);
	assert_null(((const struct billingaccountbinding *)get(&c, KIND_BINDING, "acme", "empty"))->status.conditions.items);
	expect_condition(&((const struct billingaccountbinding *)get(&c, KIND_BINDING, "acme", "no-account"))->status.conditions, 0, "Bound",
			 CONDITION_FALSE, "AccountNotFound");
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bindings_wake_their_rivals),
		cmocka_unit_test(a_binding_that_moves_wakes_both_sides),
		cmocka_unit_test(accounts_wake_what_they_pay_for),
		cmocka_unit_test(methods_wake_whose_default_they_are),
		cmocka_unit_test(classes_wake_their_methods),
		cmocka_unit_test(the_default_class_wakes_methods_that_name_none),
		cmocka_unit_test(arrangements_wake_their_account),
		cmocka_unit_test(an_arrangement_that_moves_wakes_both_accounts_projects),
		cmocka_unit_test(invoices_wake_their_account),
		cmocka_unit_test(an_organization_wakes_its_own_bindings_and_projects),
		cmocka_unit_test(objects_without_a_spec_wake_nobody_else),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
