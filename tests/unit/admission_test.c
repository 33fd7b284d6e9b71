/*
 * What an admission rule sees: the cache, with what has been looked up at the API server in front of it; and what rules do with
 * objects that no schema has seen.
 */
#include "../../reconcilers/paymentmethodclass_inputs.h"
#include "admission.h"
#include "billingarrangement.h"
#include "cluster.h"
#include "invoice.h"

static struct key class_key(const char *name)
{
	return key_of(KIND_PAYMENTMETHODCLASS, NULL, name);
}

/* Of each what stays when the walk goes on. */
struct seen {
	struct {
		atom_t name;
		char provider[16];
	} items[8];
	size_t n;
};

static void see(void *context, const void *object)
{
	const struct paymentmethodclass *class = object;
	struct seen *seen = context;

	assert_true(seen->n < COUNT(seen->items));
	seen->items[seen->n].name = class->meta.name;
	snprintf(seen->items[seen->n++].provider, sizeof(seen->items[0].provider), "%s", class->provider);
}

/* Once, and in which version, by its provider: NULL when it is not among them. */
static const char *find_seen(const struct admission *in, const char *name)
{
	static struct seen seen;
	const char *found = NULL;

	seen.n = 0;

	admission_each(in, KIND_PAYMENTMETHODCLASS, see, &seen);
	for (size_t i = 0; i < seen.n; i++)
		if (seen.items[i].name == word(name)) {
			assert_null(found);
			found = seen.items[i].provider;
		}
	return found;
}

static void what_was_looked_up_goes_before_the_cache(void **state)
{
	struct paymentmethodclass newer = { .meta = named(NULL, "cached"), .provider = "newer" };
	struct paymentmethodclass newest = { .meta = named(NULL, "cached"), .provider = "newest" };
	struct paymentmethodclass unseen = { .meta = named(NULL, "unseen"), .provider = "unseen" };
	const struct look looks[] = {
		{ class_key("cached"), &newer },	  { class_key("unseen"), &unseen }, { class_key("gone"), NULL },
		{ key_of(KIND_NAMESPACE, NULL, "x"), NULL }, { class_key("cached"), &newest }, { class_key("never"), NULL },
	};
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_class(&c, "cached", "manual");
	put_class(&c, "gone", "manual");
	put_class(&c, "untouched", "manual");
	settle(&c);
	const void *untouched = get(&c, KIND_PAYMENTMETHODCLASS, NULL, "untouched"), *gone = get(&c, KIND_PAYMENTMETHODCLASS, NULL, "gone");
	struct admission in = { .view = cache_view(c.cache), .looks = looks, .n_looks = COUNT(looks) };
	/* By key: the last look counts, and what was found to be gone is gone. */
	assert_ptr_equal(admission_get(&in, KIND_PAYMENTMETHODCLASS, NULL, word("cached")), &newest);
	assert_ptr_equal(admission_get(&in, KIND_PAYMENTMETHODCLASS, NULL, word("unseen")), &unseen);
	assert_null(admission_get(&in, KIND_PAYMENTMETHODCLASS, NULL, word("gone")));
	assert_null(admission_get(&in, KIND_PAYMENTMETHODCLASS, NULL, word("never")));
	assert_ptr_equal(admission_get(&in, KIND_PAYMENTMETHODCLASS, NULL, word("untouched")), untouched);
	/* One that the cache found. */
	assert_ptr_equal(admission_now(&in, KIND_PAYMENTMETHODCLASS, untouched), untouched);
	assert_null(admission_now(&in, KIND_PAYMENTMETHODCLASS, gone));
	/* In walks: each once. */
	assert_string_equal(find_seen(&in, "cached"), "newest");
	assert_string_equal(find_seen(&in, "unseen"), "unseen");
	assert_string_equal(find_seen(&in, "untouched"), "manual");
	assert_null(find_seen(&in, "gone"));
	/* A kind that was listed has what the looks hold, and nothing else. */
	in.listed = 1u << KIND_PAYMENTMETHODCLASS;
	assert_null(admission_get(&in, KIND_PAYMENTMETHODCLASS, NULL, word("untouched")));
	assert_null(admission_now(&in, KIND_PAYMENTMETHODCLASS, untouched));
	assert_null(find_seen(&in, "untouched"));
	assert_string_equal(find_seen(&in, "cached"), "newest");
	cluster_close(&c);
}

/* Walks come in any order; the older is the default, and of one age the lesser name. */
static void the_default_class_does_not_depend_on_the_order(void **state)
{
	struct paymentmethodclass old = { .meta = named(NULL, "old"), .default_label = "true" }, b = { .meta = named(NULL, "b"), .default_label = "true" };
	struct paymentmethodclass c = { .meta = named(NULL, "c"), .default_label = "true" }, plain = { .meta = named(NULL, "a") };
	struct look looks[] = { { class_key("old"), &old }, { class_key("b"), &b }, { class_key("c"), &c }, { class_key("a"), &plain } };
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster);
	old.meta.created = NOW - 9 * DAY;
	for (size_t turn = 0; turn < 2 * COUNT(looks); turn++) {
		struct admission in = { .view = cache_view(cluster.cache), .looks = looks, .n_looks = COUNT(looks) };
		struct look moved = looks[0];
		assert_ptr_equal(class_default_now(&in, NULL), &old);
		assert_ptr_equal(class_default_now(&in, word("old")), &b);
		for (size_t i = 0; i + 1 < COUNT(looks); i++) /* around, and on the way back the other way round */
			looks[i] = looks[i + 1];
		looks[COUNT(looks) - 1] = moved;
		if (turn == COUNT(looks)) {
			moved = looks[0];
			looks[0] = looks[2];
			looks[2] = moved;
		}
	}
	cluster_close(&cluster);
}

/* What the schema can say is the schema's to refuse: rules meet an object without its required members in peace. */
static void what_lacks_its_members_is_left_to_the_schema(void **state)
{
	struct billingaccountbinding no_account = { .meta = named("acme", "b"), .spec = { .project = word("web") } };
	struct billingaccountbinding no_project = { .meta = named("acme", "b"), .spec = { .account = word("main") } };
	struct paymentmethod method = { .meta = named("acme", "m") };
	struct billingarrangement arrangement = { .meta = named("acme", "a") };
	struct invoice invoice = { .meta = named("acme", "i") };
	const struct {
		enum kind_id kind;
		const void *object;
	} rows[] = { { KIND_BINDING, &no_account },
		     { KIND_BINDING, &no_project },
		     { KIND_PAYMENTMETHOD, &method },
		     { KIND_BILLINGARRANGEMENT, &arrangement },
		     { KIND_INVOICE, &invoice } };
	struct cluster c;

	(void)state;
	cluster_init(&c);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct reconciler *rules = kinds[rows[i].kind].reconciler;
		struct admission in = { .operation = ADMISSION_CREATE, .object = rows[i].object, .view = cache_view(c.cache), .now = NOW };
		struct defaults defaults = { .basis = BASIS_NONE };
		assert_null(rules->validate(&in, &test_arena).message);
		if (rules->defaults)
			rules->defaults(&in, &defaults, &test_arena);
		assert_null(defaults.owner);
	}
	cluster_close(&c);
}

/* The spec of these is kept by the schema, and nobody depends on their being there. */
static void what_belongs_to_an_account_may_be_deleted(void **state)
{
	static const enum kind_id free_to_go[] = { KIND_BINDING, KIND_BILLINGARRANGEMENT, KIND_INVOICE, KIND_PAYMENTMETHODCLASS };
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "b", "main", "web");
	put_class(&c, "b", "manual");
	apply(&c, KIND_BILLINGARRANGEMENT, "acme", "b", "{'spec':{'billingAccountRef':{'name':'main'},'type':'Invoice'}}");
	apply(&c, KIND_INVOICE, "acme", "b", "{'spec':{'billingAccountRef':{'name':'main'}}}");
	settle(&c);
	for (size_t i = 0; i < COUNT(free_to_go); i++) {
		const void *old = get(&c, free_to_go[i], free_to_go[i] == KIND_PAYMENTMETHODCLASS ? NULL : "acme", "b");
		struct admission in = { .operation = ADMISSION_DELETE, .old = old, .view = cache_view(c.cache), .now = NOW };
		assert_non_null(old);
		assert_null(kinds[free_to_go[i]].reconciler->validate(&in, &test_arena).message);
	}
	cluster_close(&c);
}

static struct refusal judge_update(const struct cluster *c, enum kind_id kind, const void *old, const void *object)
{
	struct admission in = { .operation = ADMISSION_UPDATE, .old = old, .object = object, .view = cache_view(c->cache), .now = NOW };

	return kinds[kind].reconciler->validate(&in, &test_arena);
}

/* A window may shrink, whatever else is there, and not grow into another's. */
static void a_window_grows_into_nobody_elses(void **state)
{
	struct billingarrangement old = { .meta = named("acme", "terms"), .spec = { .account = word("main"), .type = ARRANGEMENT_INVOICE,
										    .starts_at = NOW + DAY, .ends_at = NOW + 2 * DAY } };
	struct billingarrangement new;
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	apply(&c, KIND_BILLINGARRANGEMENT, "acme", "other", "{'spec':{'billingAccountRef':{'name':'main'},'type':'Invoice',"
							    "'startsAt':'2026-11-20T00:00:00Z','endsAt':'2026-12-20T00:00:00Z'}}");
	settle(&c);
	old.meta.created = NOW;
	new = old;
	assert_null(judge_update(&c, KIND_BILLINGARRANGEMENT, &old, &new).message);
	new.spec.ends_at -= SECOND;
	assert_null(judge_update(&c, KIND_BILLINGARRANGEMENT, &old, &new).message);
	new.spec.ends_at = 0; /* for ever */
	struct refusal refusal = judge_update(&c, KIND_BILLINGARRANGEMENT, &old, &new);
	expect_text(refusal.message, "overlaps arrangement \"other\" (from 2026-11-20T00:00:00Z, until 2026-12-20T00:00:00Z)");
	assert_true(key_equal(refusal.basis, key_of(KIND_BILLINGARRANGEMENT, "acme", "other")));
	new = old;
	new.spec.starts_at -= SECOND;
	assert_non_null(judge_update(&c, KIND_BILLINGARRANGEMENT, &old, &new).message);
	apply(&c, KIND_BILLINGARRANGEMENT, "acme", "other", "{'spec':{'endsAt':null}}");
	settle(&c);
	expect_text(judge_update(&c, KIND_BILLINGARRANGEMENT, &old, &new).message, "without an end: set its endsAt first)");
	delete(&c, KIND_BILLINGACCOUNT, "acme", "main"); /* whose arrangements they were */
	settle(&c);
	assert_null(judge_update(&c, KIND_BILLINGARRANGEMENT, &old, &new).message);
	cluster_close(&c);
}

/* What has been looked up may be of another project by now: deleted and made anew. */
static void a_rival_that_was_made_anew_for_another_project_is_none(void **state)
{
	struct billingaccountbinding self = binding_of("acme", "new", "main", "web"), rival = binding_of("acme", "old", "main", "api");
	const struct look looks[] = { { key_of(KIND_BINDING, "acme", "old"), &rival } };
	struct cluster c;

	(void)state;
	cluster_init(&c);
	c.settings.rebind = REBIND_REJECT;
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "old", "main", "web");
	settle(&c);
	rival.status.phase = BINDING_ACTIVE;
	struct admission in = { .operation = ADMISSION_CREATE, .object = &self, .view = cache_view(c.cache), .now = NOW };
	expect_text(kinds[KIND_BINDING].reconciler->validate(&in, &test_arena).message, "already has an active billing account binding \"old\"");
	in.looks = looks;
	in.n_looks = 1;
	assert_null(kinds[KIND_BINDING].reconciler->validate(&in, &test_arena).message);
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_looked_up_goes_before_the_cache),
		cmocka_unit_test(the_default_class_does_not_depend_on_the_order),
		cmocka_unit_test(what_lacks_its_members_is_left_to_the_schema),
		cmocka_unit_test(what_belongs_to_an_account_may_be_deleted),
		cmocka_unit_test(a_window_grows_into_nobody_elses),
		cmocka_unit_test(a_rival_that_was_made_anew_for_another_project_is_none),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
