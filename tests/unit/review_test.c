/*
 * review.c. Golden cases are folders, tests/golden/review/<case>/, registered nowhere: input.json is a review as kube-apiserver
 * 1.35.4 sent it, review.json what is read from it; texts are in order, "object" and "oldObject" are "readable" or say why not.
 * Then rules as tables, in JSON with ' for ", and properties over all golden cases.
 */
#include <dirent.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../crds/tree.h"
#include "billingarrangement.h"
#include "billingaccount.h"
#include "caps.h"
#include "memory.h"
#include "paymentmethod.h"
#include "review.h"
#include "settings.h"

#define GOLDEN "tests/golden/review"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW ((instant_t)1795341980000)

enum { CASES_MAX = 64 };

static struct atoms *atoms;
static struct codec *codec;

/* What jansson holds, as malloc gives it: rounded up, with its own head. Texts that it prints are freed past this, so a test that
 * asks begins anew. */
static size_t held, peak;

static void *counted_alloc(size_t bytes)
{
	void *memory = memory_resize(NULL, bytes);

	held += malloc_usable_size(memory) + sizeof(size_t);
	if (held > peak)
		peak = held;
	return memory;
}

static void counted_free(void *memory)
{
	if (memory)
		held -= malloc_usable_size(memory) + sizeof(size_t);
	free(memory);
}

static int open_codec(void **state)
{
	(void)state;
	atoms = atoms_new();
	codec = codec_new(atoms, PROJECT_LABEL_DEFAULT);
	json_set_alloc_funcs(counted_alloc, counted_free);
	return 0;
}

static int close_codec(void **state)
{
	(void)state;
	codec_free(codec);
	assert_int_equal(atoms_count(atoms), 0);
	atoms_free(atoms);
	return 0;
}

/* ---- texts ---- */

/* NULL when there is no such file. */
static char *slurp(const char *folder, const char *name)
{
	char path[512], *text;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file)
		return NULL;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	text = memory_alloc((size_t)size + 1);
	assert_int_equal(fread(text, 1, (size_t)size, file), size);
	fclose(file);
	return text;
}

/* JSON that is easy to read in C. */
static char *unquoted(const char *text)
{
	char *json = memory_strdup(text);

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	return json;
}

static json_t *parsed(const char *text)
{
	cleanup_free char *json = unquoted(text);
	json_t *tree = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (!tree)
		fail_msg("not JSON: %s", text);
	return tree;
}

/* A review of our group; texts of objects, NULL for none. */
static char *review_text(const char *operation, const char *kind, const char *subresource, const char *object, const char *old)
{
	cleanup_free char *text = memory_printf(
		"{'apiVersion':'admission.k8s.io/v1','kind':'AdmissionReview','request':{'uid':'u-1','kind':{'group':'" BILLING_GROUP
		"','version':'" BILLING_VERSION "','kind':'%s'},'subResource':'%s','namespace':'acme','operation':'%s',"
		"'object':%s,'oldObject':%s}}",
		kind, subresource, operation, object ? object : "null", old ? old : "null");

	return unquoted(text);
}

static struct review open_review(const char *operation, const char *kind, const char *subresource, const char *object, const char *old)
{
	cleanup_free char *text = review_text(operation, kind, subresource, object, old);
	struct review review;
	struct error err;

	if (review_decode(text, strlen(text), &review, &err) < 0)
		fail_msg("%s: %s", err.message, text);
	return review;
}

static bool list_text(void *context, const char *path, const char *text)
{
	json_array_append_new(context, tree_made(json_pack("[s,s]", path, text)));
	return true;
}

/* Takes both. */
static void assert_same_json(json_t *got, json_t *expected)
{
	if (!json_equal(got, expected))
		fail_msg("got %s\nexpected %s", json_dumps(got, JSON_INDENT(2) | JSON_ENCODE_ANY),
			 json_dumps(expected, JSON_INDENT(2) | JSON_ENCODE_ANY));
	json_decref(got);
	json_decref(expected);
}

/* ---- golden cases ---- */

static char cases[CASES_MAX][300];
static size_t n_cases;

static json_t *readable(const struct review *review, bool old)
{
	struct error err = { 0 };
	void *record = review_record(codec, review, old, NOW, &err);

	if (!record) {
		assert_int_equal(err.class, ERROR_INVALID);
		return json_string(err.message);
	}
	record_free(codec, tree_resources[review->kind], record);
	return json_string("readable");
}

static json_t *summary(const struct review *review)
{
	static const char *const operations[] = { "", "CREATE", "UPDATE", "DELETE" };
	json_t *texts = json_array();

	review_each_text(review, list_text, texts);
	return tree_made(json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:b,s:o,s:o,s:o}", "uid", review->uid, "operation",
				   operations[review->operation], "kind",
				   review->kind < KIND_COUNT ? tree_resources[review->kind]->kind : "", "namespace", review->ns, "name",
				   review->name, "subresource", review->subresource, "username", review->username, "dryRun",
				   review->dry_run, "specChanged", review->spec_changed, "beingDeleted", review->being_deleted, "texts",
				   texts, "object", readable(review, false), "oldObject", readable(review, true)));
}

static void golden(void **state)
{
	const char *folder = *state;
	cleanup_free char *text = slurp(folder, "input.json");
	cleanup_free char *expected = slurp(folder, "review.json");
	struct error err = { 0 };
	struct review review;

	open_codec(NULL);
	assert_true(text && expected);
	if (review_decode(text, strlen(text), &review, &err) < 0)
		fail_msg("refused: %s", err.message);
	assert_same_json(summary(&review), json_loads(expected, 0, NULL));
	review_free(&review);
	review_free(&review);
	close_codec(NULL);
}

static void find_cases(void)
{
	DIR *dir = opendir(GOLDEN);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && n_cases < CASES_MAX)
			snprintf(cases[n_cases++], sizeof(cases[0]), "%s/%.200s", GOLDEN, entry->d_name);
	if (dir)
		closedir(dir);
}

static void there_are_golden_cases(void **state)
{
	(void)state;
	assert_true(n_cases >= 9 && n_cases < CASES_MAX);
}

/* ---- the request ---- */

#define HEAD "{'apiVersion':'admission.k8s.io/v1','kind':'AdmissionReview',"
#define KIND_HERE "'kind':{'group':'billing.miloapis.com','version':'v1alpha1','kind':'BillingAccount'}"

static void what_is_no_review_is_an_error(void **state)
{
	static const char *const rows[][2] = {
		{ "", "not JSON at byte *" },
		{ "{", "not JSON at byte *" },
		{ "[]", "expected an object, got a list" },
		{ "{}", "expected AdmissionReview of admission.k8s.io/v1, got no kind of no apiVersion" },
		{ "{'apiVersion':'admission.k8s.io/v1beta1','kind':'AdmissionReview','request':{'uid':'u'}}",
		  "expected AdmissionReview of admission.k8s.io/v1, got AdmissionReview of admission.k8s.io/v1beta1" },
		{ "{'apiVersion':'v1','kind':'Pod'}", "expected AdmissionReview of admission.k8s.io/v1, got Pod of v1" },
		{ HEAD "'response':{'uid':'u'}}", "request: missing" },
		{ HEAD "'request':null}", "request: missing" },
		{ HEAD "'request':'u'}", "request: missing" },
		{ HEAD "'request':{" KIND_HERE ",'operation':'CREATE'}}", "request.uid: missing, or longer than 256 bytes" },
		{ HEAD "'request':{'uid':''," KIND_HERE ",'operation':'CREATE'}}", "request.uid: missing, or longer than 256 bytes" },
		{ HEAD "'request':{'uid':7," KIND_HERE ",'operation':'CREATE'}}", "request.uid: missing, or longer than 256 bytes" },
		{ HEAD "'request':{'uid':'u\\u0000v'," KIND_HERE ",'operation':'CREATE'}}", "request.uid: missing, or *" },
		{ HEAD "'request':{'uid':'u','operation':'CREATE'}}", "request.kind: missing" },
		{ HEAD "'request':{'uid':'u','kind':'BillingAccount','operation':'CREATE'}}", "request.kind: missing" },
		{ HEAD "'request':{'uid':'u'," KIND_HERE "}}", "request.operation: missing" },
		{ HEAD "'request':{'uid':'u','uid':'v'," KIND_HERE ",'operation':'CREATE'}}", "not JSON at byte *" },
		/* A number that kube-apiserver takes for a fraction and writes without one; no schema of ours has a place for it. */
		{ HEAD "'request':{'uid':'u'," KIND_HERE ",'operation':'CREATE','object':{'spec':9223372036854776000}}}",
		  "not JSON at byte 224: too big integer*" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *text = unquoted(rows[i][0]);
		cleanup_free char *expected = memory_printf("AdmissionReview: %s", rows[i][1]);
		const size_t len = strlen(expected);
		struct error err = { 0 };
		struct review review;

		assert_int_equal(review_decode(text, strlen(text), &review, &err), -1);
		assert_int_equal(err.class, ERROR_INVALID);
		if (expected[len - 1] == '*')
			expected[len - 1] = err.message[len - 1] = '\0';
		assert_string_equal(err.message, expected);
		review_free(&review);
	}
}

static void a_uid_has_up_to_256_bytes(void **state)
{
	(void)state;
	for (int len = 256; len <= 257; len++) {
		cleanup_free char *quoted = memory_printf(HEAD "'request':{'uid':'%0*d'," KIND_HERE ",'operation':'CREATE'}}", len, 7);
		cleanup_free char *text = unquoted(quoted);
		struct review review;

		assert_int_equal(review_decode(text, strlen(text), &review, NULL), len == 256 ? 0 : -1);
		review_free(&review);
	}
}

static void kinds_are_found_by_group_version_and_kind(void **state)
{
	static const struct {
		const char *kind;
		enum kind_id expected;
	} rows[] = {
		{ "{'group':'billing.miloapis.com','version':'v1alpha1','kind':'Invoice'}", KIND_INVOICE },
		{ "{'group':'billing.miloapis.com','version':'v1alpha1','kind':'PaymentMethod'}", KIND_PAYMENTMETHOD },
		{ "{'group':'','version':'v1','kind':'Namespace'}", KIND_NAMESPACE },
		{ "{'version':'v1','kind':'Namespace'}", KIND_COUNT },
		{ "{'group':'billing.miloapis.com','version':'v1beta1','kind':'Invoice'}", KIND_COUNT },
		{ "{'group':'example.com','version':'v1alpha1','kind':'Invoice'}", KIND_COUNT },
		{ "{'group':'billing.miloapis.com','version':'v1alpha1','kind':'invoice'}", KIND_COUNT },
		{ "{'group':'billing.miloapis.com','version':'v1alpha1','kind':'Invoice\\u0000s'}", KIND_COUNT },
		{ "{'group':'apps','version':'v1','kind':'Deployment'}", KIND_COUNT },
		{ "{'group':7,'version':[],'kind':{}}", KIND_COUNT },
		{ "{}", KIND_COUNT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *quoted =
			memory_printf(HEAD "'request':{'uid':'u','kind':%s,'operation':'CREATE','object':{}}}", rows[i].kind);
		cleanup_free char *text = unquoted(quoted);
		struct review review;

		assert_int_equal(review_decode(text, strlen(text), &review, NULL), 0);
		assert_int_equal(review.kind, rows[i].expected);
		review_free(&review);
	}
}

static void what_a_request_does_not_say_is_empty(void **state)
{
	static const char *const rows[] = {
		HEAD "'request':{'uid':'u'," KIND_HERE ",'operation':'CONNECT'}}",
		HEAD "'request':{'uid':'u'," KIND_HERE ",'operation':'CONNECT','name':7,'namespace':null,'subResource':[],"
		     "'userInfo':'root','dryRun':'true','object':null,'oldObject':null}}",
		HEAD "'request':{'uid':'u'," KIND_HERE ",'operation':'CONNECT','name':'','userInfo':{'username':'a\\u0000b'}}}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *text = unquoted(rows[i]);
		struct review review;

		assert_int_equal(review_decode(text, strlen(text), &review, NULL), 0);
		assert_same_json(summary(&review),
				 parsed("{'uid':'u','operation':'','kind':'BillingAccount','namespace':'','name':'','subresource':'',"
					"'username':'','dryRun':false,'specChanged':false,'beingDeleted':false,'texts':[],"
					"'object':'BillingAccount: request.object: missing',"
					"'oldObject':'BillingAccount: request.oldObject: missing'}"));
		review_free(&review);
	}
}

static void a_spec_is_compared_as_json(void **state)
{
	static const struct {
		const char *operation, *object, *old;
		bool changed;
	} rows[] = {
		{ "CREATE", "{'spec':{}}", NULL, true },
		{ "CREATE", "{}", NULL, true },
		{ "DELETE", NULL, "{'spec':{}}", false },
		{ "UPDATE", "{'spec':{'a':1,'b':[1,2]}}", "{'spec':{'b':[1,2],'a':1},'status':{}}", false },
		{ "UPDATE", "{'spec':{'a':1,'b':[1,2]}}", "{'spec':{'b':[2,1],'a':1}}", true },
		{ "UPDATE", "{'spec':{'a':1}}", "{'spec':{'a':'1'}}", true },
		{ "UPDATE", "{'spec':{'a':null}}", "{'spec':{}}", true },
		{ "UPDATE", "{'spec':{}}", "{}", true },
		{ "UPDATE", "{}", "{'spec':{}}", true },
		{ "UPDATE", "{}", "{}", false },
		{ "UPDATE", "{'spec':null}", "{}", false },
		{ "UPDATE", "{'metadata':{}}", "{'metadata':{'labels':{}}}", false },
		{ "UPDATE", "'text'", "[]", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review(rows[i].operation, "Invoice", "", rows[i].object, rows[i].old);

		if (review.spec_changed != rows[i].changed)
			fail_msg("row %zu: %d", i, review.spec_changed);
		review_free(&review);
	}
}

static void who_is_being_deleted(void **state)
{
#define DELETED "{'metadata':{'deletionTimestamp':'2026-11-25T16:24:58Z'}}"
	static const struct {
		const char *operation, *object, *old;
		bool expected;
	} rows[] = {
		{ "UPDATE", DELETED, "{}", true },
		{ "UPDATE", "{}", DELETED, true },
		{ "UPDATE", "{'metadata':{'deletionTimestamp':null}}", DELETED, true },
		{ "UPDATE", "{'metadata':{'deletionTimestamp':null}}", "{'metadata':{}}", false },
		{ "DELETE", NULL, DELETED, true },
		{ "DELETE", NULL, "{'metadata':{}}", false },
		{ "CREATE", "{'metadata':[]}", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review(rows[i].operation, "Invoice", "", rows[i].object, rows[i].old);

		if (review.being_deleted != rows[i].expected)
			fail_msg("row %zu: %d", i, review.being_deleted);
		review_free(&review);
	}
}

/* ---- records ---- */

#define ACCOUNT_HEAD "'apiVersion':'billing.miloapis.com/v1alpha1','kind':'BillingAccount'"

static void a_new_object_is_given_what_it_lacks(void **state)
{
	struct review review = open_review("CREATE", "BillingAccount", "",
					   "{" ACCOUNT_HEAD ",'metadata':{'generateName':'gen-'},'spec':{'currencyCode':'EUR'}}", NULL);
	struct error err = { 0 };
	struct billingaccount *account = review_record(codec, &review, false, NOW, &err);

	(void)state;
	assert_non_null(account);
	assert_string_equal(account->meta.name->text, "");
	assert_string_equal(account->meta.ns->text, "acme");
	assert_string_equal(account->meta.uid, "");
	assert_string_equal(account->meta.resource_version, "");
	assert_int_equal(account->meta.created, NOW);
	assert_string_equal(account->spec.currency_code, "EUR");
	record_free(codec, &billingaccount_resource, account);
	review_free(&review);
}

static void a_new_object_keeps_what_it_has(void **state)
{
	struct review review = open_review("CREATE", "BillingAccount", "",
					   "{" ACCOUNT_HEAD ",'metadata':{'name':'main','namespace':'other','uid':'u',"
					   "'resourceVersion':'7','creationTimestamp':'2026-11-22T10:06:19Z'}}",
					   NULL);
	struct error err = { 0 };
	struct billingaccount *account = review_record(codec, &review, false, NOW, &err);

	(void)state;
	assert_non_null(account);
	assert_string_equal(account->meta.name->text, "main");
	assert_string_equal(account->meta.ns->text, "other");
	assert_string_equal(account->meta.uid, "u");
	assert_string_equal(account->meta.resource_version, "7");
	assert_int_equal(account->meta.created, NOW - 1000);
	record_free(codec, &billingaccount_resource, account);
	review_free(&review);
}

/* As kubectl replace sends it. */
static void a_replaced_object_keeps_what_it_does_not_say(void **state)
{
	struct review review = open_review("UPDATE", "BillingAccount", "", "{" ACCOUNT_HEAD ",'metadata':{'name':'main'}}",
					   "{" ACCOUNT_HEAD ",'metadata':{'name':'main','namespace':'acme','uid':'u-12',"
					   "'resourceVersion':'7','creationTimestamp':'2026-11-22T10:06:19Z',"
					   "'deletionTimestamp':'2026-11-22T10:06:20Z'}}");
	struct error err = { 0 };
	struct billingaccount *account = review_record(codec, &review, false, NOW + 5000, &err);

	(void)state;
	assert_non_null(account);
	assert_string_equal(account->meta.ns->text, "acme");
	assert_string_equal(account->meta.uid, "u-12");
	assert_string_equal(account->meta.resource_version, "7");
	assert_int_equal(account->meta.created, NOW - 1000);
	assert_int_equal(account->meta.deleted, NOW);
	record_free(codec, &billingaccount_resource, account);
	review_free(&review);
}

/* Everything that must be there once an object is stored; on CREATE alone it need not. */
static void only_a_new_object_may_lack_anything(void **state)
{
	static const struct {
		const char *meta, *stored, *created;
	} rows[] = {
		{ "'name':'main','namespace':'acme','uid':'u','resourceVersion':'7'", "readable", "readable" },
		{ "'namespace':'acme','uid':'u','resourceVersion':'7'", "BillingAccount: metadata.name: missing", "readable" },
		{ "'uid':'u','resourceVersion':'7','namespace':'acme','name':''", "BillingAccount: metadata.name: missing", "readable" },
		{ "'name':'main','namespace':'acme','resourceVersion':'7'", "BillingAccount acme/main: metadata.uid: missing", "readable" },
		{ "'name':'main','namespace':'acme','uid':'','resourceVersion':'7'", "BillingAccount acme/main: metadata.uid: missing",
		  "readable" },
		{ "'name':'main','namespace':'acme','uid':'u'", "BillingAccount acme/main: metadata.resourceVersion: missing", "readable" },
		{ "'name':7", "BillingAccount: metadata.name: expected a string, got an integer",
		  "BillingAccount: metadata.name: expected a string, got an integer" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *object = memory_printf("{" ACCOUNT_HEAD ",'metadata':{%s}}", rows[i].meta);
		struct review created = open_review("CREATE", "BillingAccount", "", object, NULL);
		struct review updated = open_review("UPDATE", "BillingAccount", "", object, object);
		struct review deleted = open_review("DELETE", "BillingAccount", "", NULL, object);

		assert_same_json(readable(&created, false), json_string(rows[i].created));
		assert_same_json(readable(&updated, false), json_string(rows[i].stored));
		assert_same_json(readable(&updated, true), json_string(rows[i].stored));
		assert_same_json(readable(&deleted, true), json_string(rows[i].stored));
		review_free(&created);
		review_free(&updated);
		review_free(&deleted);
	}
}

static void the_namespace_of_what_is_sent_is_the_requests(void **state)
{
	static const char object[] = "{" ACCOUNT_HEAD ",'metadata':{'name':'main','uid':'u','resourceVersion':'7'}}";
	struct review review = open_review("UPDATE", "BillingAccount", "", object, object);

	(void)state;
	assert_same_json(readable(&review, false), json_string("readable"));
	assert_same_json(readable(&review, true), json_string("BillingAccount main: metadata.namespace: missing"));
	review_free(&review);
}

static void odd_objects_are_refused_by_name(void **state)
{
	static const char *const rows[][3] = {
		{ "BillingAccount", "'text'", "BillingAccount: expected an object, got a string" },
		{ "BillingAccount", "[]", "BillingAccount: expected an object, got a list" },
		{ "BillingAccount", "null", "BillingAccount: request.object: missing" },
		{ "BillingAccount", "{}",
		  "BillingAccount: expected BillingAccount of billing.miloapis.com/v1alpha1, got no kind of no apiVersion" },
		{ "Invoice", "{" ACCOUNT_HEAD "}",
		  "Invoice: expected Invoice of billing.miloapis.com/v1alpha1, got BillingAccount of billing.miloapis.com/v1alpha1" },
		{ "BillingAccount", "{" ACCOUNT_HEAD ",'metadata':[]}", "BillingAccount: metadata: expected an object, got a list" },
		{ "BillingAccount", "{" ACCOUNT_HEAD ",'metadata':{'name':'m'},'spec':{'contactInfo':{'name':[]}}}",
		  "BillingAccount m: spec.contactInfo.name: expected a string, got a list" },
		{ "PaymentMethodClass", "{'apiVersion':'billing.miloapis.com/v1alpha1','kind':'PaymentMethodClass','metadata':{}}",
		  "readable" }, /* cluster-scoped: the request's namespace is not the object's */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review("CREATE", rows[i][0], "", rows[i][1], NULL);

		assert_same_json(readable(&review, false), json_string(rows[i][2]));
		review_free(&review);
	}
}

/* ---- texts that people write ---- */

static void assert_texts(const struct review *review, const char *expected)
{
	json_t *texts = json_array();

	review_each_text(review, list_text, texts);
	assert_same_json(texts, parsed(expected));
}

static void texts_that_are_new_or_changed_are_seen(void **state)
{
#define APPLIED "kubectl.kubernetes.io/last-applied-configuration"
	static const struct {
		const char *subresource, *object, *old, *texts;
	} rows[] = {
		{ "", "{'spec':{'a':'x','b':{'c':['y',{'d':'z'}]}}}", NULL, "[['spec.a','x'],['spec.b.c[0]','y'],['spec.b.c[1].d','z']]" },
		{ "", "{'spec':{'a':'x','b':'new'}}", "{'spec':{'a':'x','b':'old'}}", "[['spec.b','new']]" },
		{ "", "{'spec':{'a':'x'}}", "{'spec':{'a':['x']}}", "[['spec.a','x']]" },
		{ "", "{'spec':{'a':['x','y']}}", "{'spec':{'a':['y','x']}}", "[['spec.a[0]','x'],['spec.a[1]','y']]" },
		{ "", "{'spec':{'a':['x','y']}}", "{'spec':{'a':['x']}}", "[['spec.a[1]','y']]" },
		{ "", "{'spec':{'a':['x']}}", "{'spec':{'a':{'0':'x'}}}", "[['spec.a[0]','x']]" },
		{ "", "{'spec':{'a':'xy'}}", "{'spec':{'a':'x'}}", "[['spec.a','xy']]" },
		{ "", "{'spec':{'a':'','b':7,'c':true,'d':null,'e':{},'f':[]}}", NULL, "[]" },
		{ "", "{'spec':{'a.b/c':'x'}}", NULL, "[['spec[a.b/c]','x']]" },
		{ "", "{'spec':{'a':'x\\u0000y\\u0000\\u0000z'}}", "{'spec':{'a':'x'}}", "[['spec.a','x'],['spec.a','y'],['spec.a','z']]" },
		/* Not what the server writes, nor what nobody stores. */
		{ "", "{'apiVersion':'v','kind':'k','metadata':{'uid':'u','managedFields':[{'manager':'m'}]},'status':{'a':'x'}}", NULL,
		  "[]" },
		{ "status", "{'spec':{'a':'x'},'status':{'b':['y']}}", NULL, "[['status.b[0]','y']]" },
		{ "scale", "{'spec':{'a':'x'},'status':{'b':['y']}}", NULL, "[['spec.a','x']]" },
		/* Order, and what kubectl keeps. */
		{ "", "{'metadata':{'annotations':{'" APPLIED "':'all','n':'v'},'labels':{'l':'w'},'generateName':'g-','name':'g-1'},"
		      "'spec':{'a':'x'}}",
		  NULL,
		  "[['spec.a','x'],['metadata.name','g-1'],['metadata.generateName','g-'],"
		  "['metadata.labels','l'],['metadata.labels.l','w'],"
		  "['metadata.annotations','" APPLIED "'],['metadata.annotations','n'],['metadata.annotations.n','v'],"
		  "['metadata.annotations[" APPLIED "]','all']]" },
		{ "", "{'metadata':{'annotations':{'" APPLIED "':'all','example.com/n':'w'}}}",
		  "{'metadata':{'annotations':{'" APPLIED "':'all','example.com/n':'v'}}}",
		  "[['metadata.annotations[example.com/n]','w']]" },
		/* Shapes that no schema takes. */
		{ "", "{'metadata':{'labels':['x'],'annotations':'y','name':{'a':'z'}},'spec':'w'}", NULL,
		  "[['spec','w'],['metadata.name.a','z'],['metadata.labels[0]','x'],['metadata.annotations','y']]" },
		{ "", "{'metadata':['x'],'spec':['y']}", "{'metadata':7,'spec':{}}", "[['spec[0]','y']]" },
		{ "", "['x']", "7", "[]" },
		{ "", "'x'", NULL, "[]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review(rows[i].old ? "UPDATE" : "CREATE", "Invoice", rows[i].subresource, rows[i].object,
						   rows[i].old);

		assert_texts(&review, rows[i].texts);
		review_free(&review);
	}
}

static void decimal_amounts_are_not_seen_where_the_schema_wants_one(void **state)
{
	static const struct {
		const char *object, *texts;
	} rows[] = {
		{ "{'spec':{'total':'4111111111111111'}}", "[]" },
		{ "{'spec':{'total':'-4111111111111111.00'}}", "[]" },
		{ "{'spec':{'lines':[{'amount':'1'},{'unitPrice':'0.001','quantity':'3'}]}}", "[]" },
		{ "{'spec':{'total':'4111 1111 1111 1111'}}", "[['spec.total','4111 1111 1111 1111']]" },
		{ "{'spec':{'total':'--1'}}", "[['spec.total','--1']]" },
		{ "{'spec':{'total':'1.'}}", "[['spec.total','1.']]" },
		{ "{'spec':{'total':'.1'}}", "[['spec.total','.1']]" },
		{ "{'spec':{'total':'1.2.3'}}", "[['spec.total','1.2.3']]" },
		{ "{'spec':{'total':'-'}}", "[['spec.total','-']]" },
		{ "{'spec':{'total':'1\\u0000x'}}", "[['spec.total','1'],['spec.total','x']]" },
		{ "{'spec':{'total':['1']}}", "[['spec.total[0]','1']]" },
		{ "{'spec':{'number':'4111111111111111'}}", "[['spec.number','4111111111111111']]" },
		{ "{'metadata':{'labels':{'total':'1'},'annotations':{'amount':'2'}}}",
		  "[['metadata.labels','total'],['metadata.labels.total','1'],"
		  "['metadata.annotations','amount'],['metadata.annotations.amount','2']]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review("CREATE", "Invoice", "", rows[i].object, NULL);

		assert_texts(&review, rows[i].texts);
		review_free(&review);
	}
}

/* The name of the member that a line of a schema is about: the line above that is indented less. */
static char *member_of(const char *file, const char *line)
{
	const size_t indent = strspn(line, " ");

	while (line > file) {
		for (line--; line > file && line[-1] != '\n';)
			line--;
		if (strspn(line, " ") < indent)
			return memory_strndup(line + strspn(line, " "), strcspn(line + strspn(line, " "), ":"));
	}
	return NULL;
}

/* Each member whose schema takes nothing but decimals is left out; each other one that is a string is seen. */
static void the_schemas_say_where_amounts_are(void **state)
{
	static const char *const files[] = { "billingaccount.yaml", "invoice.yaml", "paymentmethod.yaml", "billingarrangement.yaml" };
	size_t n_amounts = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		cleanup_free char *file = slurp("crds", files[i]);

		for (const char *line = strstr(file, "type: string\n"); line; line = strstr(line + 1, "type: string\n")) {
			const char *begin = line;

			while (begin > file && begin[-1] != '\n')
				begin--;
			cleanup_free char *name = member_of(file, begin);
			cleanup_free char *object = memory_printf("{'spec':{'%s':'1'}}", name);
			cleanup_free char *seen = memory_printf("[['spec.%s','1']]", name);
			/* Its own lines follow, with the same indent. */
			bool amount = false;
			for (const char *next = begin; strspn(next, " ") >= strspn(begin, " "); next = strchr(next, '\n') + 1)
				amount |= memmem(next, strcspn(next, "\n"), "(\\.[0-9]", 8) != NULL; /* of a pattern */
			struct review review = open_review("CREATE", "Invoice", "", object, NULL);

			n_amounts += amount;
			assert_texts(&review, amount ? "[]" : seen);
			review_free(&review);
		}
	}
	assert_true(n_amounts >= 15);
}

struct stop {
	unsigned seen, at;
};

static bool stop_at(void *context, const char *path, const char *text)
{
	struct stop *stop = context;

	(void)path;
	(void)text;
	return ++stop->seen < stop->at;
}

static void a_visit_that_says_no_is_the_last(void **state)
{
	struct review review = open_review("CREATE", "Invoice", "",
					   "{'metadata':{'annotations':{'" APPLIED "':'all','n':'v'},'labels':{'l':'w'},'name':'g'},"
					   "'spec':{'a':['x','y'],'b':'u\\u0000v'}}",
					   NULL);
	struct stop all = { .at = 1000 };

	(void)state;
	review_each_text(&review, stop_at, &all);
	assert_int_equal(all.seen, 11);
	for (unsigned at = 1; at < all.seen; at++) {
		struct stop stop = { .at = at };

		review_each_text(&review, stop_at, &stop);
		assert_int_equal(stop.seen, at);
	}
	review_free(&review);
}

/* Nested in lists and objects by turns; the text is at the bottom. */
static char *deep(unsigned levels)
{
	char *text = memory_strdup("'x'");

	while (levels-- > 0) {
		char *more = memory_printf(levels % 2 ? "[%s]" : "{'a':%s}", text);

		free(text);
		text = more;
	}
	return text;
}

static bool count(void *context, const char *path, const char *text)
{
	(void)text;
	assert_true(strlen(path) < 160);
	++*(size_t *)context;
	return true;
}

static void texts_are_looked_for_64_levels_deep(void **state)
{
	(void)state;
	for (unsigned levels = 0; levels < 2000; levels = levels < 70 ? levels + 1 : levels + 700) {
		cleanup_free char *spec = deep(levels);
		cleanup_free char *object = memory_printf("{'spec':%s}", spec);
		struct review review = open_review("UPDATE", "Invoice", "", object, "{}");
		size_t n = 0;

		review_each_text(&review, count, &n);
		assert_int_equal(n, levels < REVIEW_LEVELS_MAX);
		review_free(&review);
	}
}

static bool is_utf8(void *context, const char *path, const char *text)
{
	json_t *string = json_string(path);

	(void)text;
	assert_non_null(string);
	assert_true(strlen(path) <= 159 && strlen(path) >= 156);
	json_decref(string);
	++*(size_t *)context;
	return true;
}

static void a_long_path_is_cut_at_a_whole_character(void **state)
{
	size_t n = 0;

	(void)state;
	for (int before = 0; before < 4; before++) {
		cleanup_free char *name = memory_alloc(1024);

		memset(name, 'a', (size_t)before);
		for (int i = 0; i < 100; i++)
			strcat(name, "💳");
		cleanup_free char *object = memory_printf("{'spec':{'%s':'x','a':{'%s':['y']},'/%s':'z'}}", name, name, name);
		struct review review = open_review("CREATE", "Invoice", "", object, NULL);

		review_each_text(&review, is_utf8, &n);
		review_free(&review);
	}
	assert_int_equal(n, 12);
}

/* ---- defaults ---- */

#define CLASS_REF "/spec/paymentMethodClassRef"
#define CLASS CLASS_REF "/name"

static const struct owner_reference owner = {
	.api_version = "billing.miloapis.com/v1alpha1", .kind = "BillingAccount", .name = "main", .uid = "u-7", .controller = YES
};
#define OWNER "{'apiVersion':'billing.miloapis.com/v1alpha1','kind':'BillingAccount','name':'main','uid':'u-7'}"

static struct defaults fields(const char *pointer, const char *text, const char *pointer2, const char *text2)
{
	return (struct defaults){ .fields = { { pointer, text }, { pointer2, text2 } }, .n_fields = pointer2 ? 2 : 1,
				  .basis = BASIS_NONE };
}

static void assert_patch(const struct review *review, const struct defaults *defaults, const char *expected)
{
	cleanup_free char *patch = review_patch(review, defaults);
	cleanup_free char *text = expected ? unquoted(expected) : NULL;

	if (expected && patch)
		assert_string_equal(patch, text);
	else if (expected || patch)
		fail_msg("got %s, expected %s", patch, expected);
}

static void a_default_is_set_where_nothing_is(void **state)
{
	static const struct {
		const char *object, *patch;
	} rows[] = {
		{ "{'spec':{}}", "[{'op':'add','path':'" CLASS_REF "','value':{'name':'manual'}}]" },
		{ "{'spec':{'paymentMethodClassRef':null}}", "[{'op':'add','path':'" CLASS_REF "','value':{'name':'manual'}}]" },
		{ "{'spec':{'paymentMethodClassRef':{}}}", "[{'op':'add','path':'" CLASS_REF "/name','value':'manual'}]" },
		{ "{'spec':{'paymentMethodClassRef':{'name':null}}}", "[{'op':'add','path':'" CLASS_REF "/name','value':'manual'}]" },
		{ "{'spec':{'paymentMethodClassRef':{'kind':'x'}}}", "[{'op':'add','path':'" CLASS_REF "/name','value':'manual'}]" },
		{ "{}", "[{'op':'add','path':'/spec','value':{'paymentMethodClassRef':{'name':'manual'}}}]" },
		{ "{'spec':null}", "[{'op':'add','path':'/spec','value':{'paymentMethodClassRef':{'name':'manual'}}}]" },
		{ "{'spec':{'paymentMethodClassRef':{'name':'sandbox'}}}", NULL },
		{ "{'spec':{'paymentMethodClassRef':{'name':''}}}", NULL },
		/* Left to the schema. */
		{ "{'spec':{'paymentMethodClassRef':{'name':7}}}", NULL },
		{ "{'spec':{'paymentMethodClassRef':'manual'}}", NULL },
		{ "{'spec':{'paymentMethodClassRef':[{}]}}", NULL },
		{ "{'spec':'text'}", NULL },
		{ "{'spec':[]}", NULL },
		{ "[]", NULL },
		{ "'text'", NULL },
		{ NULL, NULL },
	};
	const struct defaults defaults = fields(CLASS, "manual", NULL, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review("CREATE", "PaymentMethod", "", rows[i].object, NULL);

		assert_patch(&review, &defaults, rows[i].patch);
		review_free(&review);
	}
}

/* The second must not add the parent anew that the first one added: that would take the first one's text away. */
static void defaults_share_the_parents_they_add(void **state)
{
	static const struct {
		const char *object, *first, *second, *patch;
	} rows[] = {
		{ "{}", "/spec/a/x", "/spec/a/y",
		  "[{'op':'add','path':'/spec','value':{'a':{'x':'1'}}},{'op':'add','path':'/spec/a/y','value':'2'}]" },
		{ "{'spec':{'a':null}}", "/spec/a/x", "/spec/a/y",
		  "[{'op':'add','path':'/spec/a','value':{'x':'1'}},{'op':'add','path':'/spec/a/y','value':'2'}]" },
		{ "{'spec':{}}", "/spec/a/x", "/spec/b/y",
		  "[{'op':'add','path':'/spec/a','value':{'x':'1'}},{'op':'add','path':'/spec/b','value':{'y':'2'}}]" },
		{ "{}", "/spec/a/x", "/spec/a/b/y",
		  "[{'op':'add','path':'/spec','value':{'a':{'x':'1'}}},{'op':'add','path':'/spec/a/b','value':{'y':'2'}}]" },
		{ "{}", "/spec/a", "/spec/a", "[{'op':'add','path':'/spec','value':{'a':'1'}}]" },
		{ "{}", "/spec/a", "/spec/a/b", "[{'op':'add','path':'/spec','value':{'a':'1'}}]" },
		{ "{'spec':{'a':'x'}}", "/spec/a", "/spec/b", "[{'op':'add','path':'/spec/b','value':'2'}]" },
		/* RFC 6901: names with slashes and tildes. */
		{ "{'metadata':{'annotations':{}}}", "/metadata/annotations/example.com~1a", "/metadata/annotations/~01~0~1",
		  "[{'op':'add','path':'/metadata/annotations/example.com~1a','value':'1'},"
		  "{'op':'add','path':'/metadata/annotations/~01~0~1','value':'2'}]" },
		{ "{'metadata':{'annotations':{'example.com/a':'','~1~/':''}}}", "/metadata/annotations/example.com~1a",
		  "/metadata/annotations/~01~0~1", NULL },
		{ "{'metadata':{}}", "/metadata/annotations/example.com~1a", "/metadata/annotations/~01~0~1",
		  "[{'op':'add','path':'/metadata/annotations','value':{'example.com/a':'1'}},"
		  "{'op':'add','path':'/metadata/annotations/~01~0~1','value':'2'}]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct defaults defaults = fields(rows[i].first, "1", rows[i].second, "2");
		struct review review = open_review("CREATE", "PaymentMethod", "", rows[i].object, NULL);

		assert_patch(&review, &defaults, rows[i].patch);
		review_free(&review);
	}
}

static void an_owner_is_added_to_the_others(void **state)
{
	static const struct {
		const char *object, *patch;
	} rows[] = {
		{ "{'metadata':{}}", "[{'op':'add','path':'/metadata/ownerReferences','value':[" OWNER "]}]" },
		{ "{'metadata':{'ownerReferences':null}}", "[{'op':'add','path':'/metadata/ownerReferences','value':[" OWNER "]}]" },
		{ "{'metadata':{'ownerReferences':[]}}", "[{'op':'add','path':'/metadata/ownerReferences/-','value':" OWNER "}]" },
		{ "{'metadata':{'ownerReferences':[{'uid':'u'}]}}", "[{'op':'add','path':'/metadata/ownerReferences/-','value':" OWNER "}]" },
		{ "{}", "[{'op':'add','path':'/metadata','value':{'ownerReferences':[" OWNER "]}}]" },
		{ "{'metadata':null}", "[{'op':'add','path':'/metadata','value':{'ownerReferences':[" OWNER "]}}]" },
		{ "{'metadata':{'ownerReferences':{}}}", NULL },
		{ "{'metadata':{'ownerReferences':'x'}}", NULL },
		{ "{'metadata':[]}", NULL },
		{ "{'metadata':'x'}", NULL },
		{ "7", NULL },
		{ NULL, NULL },
	};
	const struct defaults defaults = { .owner = &owner, .basis = BASIS_NONE };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct review review = open_review("CREATE", "BillingArrangement", "", rows[i].object, NULL);

		assert_patch(&review, &defaults, rows[i].patch);
		review_free(&review);
	}
}

static void fields_and_owner_go_into_one_patch(void **state)
{
	struct defaults defaults = fields("/spec/startsAt", "2026-11-22T10:06:20Z", "/metadata/annotations/a", "b");
	struct review review = open_review("CREATE", "BillingArrangement", "", "{'spec':{}}", NULL);

	(void)state;
	defaults.owner = &owner;
	assert_patch(&review, &defaults,
		     "[{'op':'add','path':'/spec/startsAt','value':'2026-11-22T10:06:20Z'},"
		     "{'op':'add','path':'/metadata','value':{'annotations':{'a':'b'}}},"
		     "{'op':'add','path':'/metadata/ownerReferences','value':[" OWNER "]}]");
	review_free(&review);
	review = open_review("CREATE", "BillingArrangement", "", "{}", NULL);
	assert_patch(&review, &(struct defaults){ .basis = BASIS_NONE }, NULL);
	review_free(&review);
}

/* ---- the answer ---- */

static void answers_are_what_the_api_takes(void **state)
{
#define ANSWER(response) "{'apiVersion':'admission.k8s.io/v1','kind':'AdmissionReview','response':{" response "}}"
	static const struct {
		const char *uid, *refusal, *patch, *expected;
	} rows[] = {
		{ "u-1", NULL, NULL, ANSWER("'uid':'u-1','allowed':true") },
		{ "u-1", NULL, "W10=", ANSWER("'uid':'u-1','allowed':true,'patchType':'JSONPatch','patch':'W10='") },
		{ "u-1", "spec.a: no", NULL,
		  ANSWER("'uid':'u-1','allowed':false,'status':{'metadata':{},'status':'Failure','message':'spec.a: no',"
			 "'reason':'Forbidden','code':403}") },
		{ "\"\\é", "payment method \"visa\"\n\\ 卡", NULL,
		  ANSWER("'uid':'\\'\\\\é','allowed':false,'status':{'metadata':{},'status':'Failure','message':'payment method "
			 "\\'visa\\'\\n\\\\ 卡','reason':'Forbidden','code':403}") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *answer = review_answer(rows[i].uid, rows[i].refusal, rows[i].patch);
		cleanup_free char *expected = unquoted(rows[i].expected);

		assert_string_equal(answer, expected);
	}
}

/* ---- weight ---- */

/* Text of about that many bytes: begin, then many of the pattern, %zu in it being a number, then end. */
static char *worst(const char *begin, const char *pattern, const char *end, size_t bytes)
{
	char *text = memory_alloc(bytes + 128);
	size_t len = strlen(strcpy(text, begin));

	for (size_t i = 0; len < bytes; i++) {
		for (const char *c = pattern; *c; c++) {
			if (*c == '#')
				len += (size_t)sprintf(text + len, "%zx", i);
			else
				text[len++] = *c == '\'' ? '"' : *c;
		}
	}
	strcpy(text + len, end);
	return text;
}

static const char *const worst_cases[][3] = {
	{ "[", "0,", "0]" },
	{ "[", "0.5,", "0]" },
	{ "[", "null,", "0]" },
	{ "[", "'',", "0]" },
	{ "[", "'a',", "0]" },
	{ "[", "'0123456789abcde',", "0]" },
	{ "[", "'\\u0041',", "0]" },
	{ "[", "'é',", "0]" },
	{ "[", "{},", "0]" },
	{ "['\\'',", "{},", "0]" }, /* whoever takes the escaped quote for the end takes the rest for a string */
	{ "['\\\\',", "{},", "0]" },
	{ "[", "[],", "0]" },
	{ "[", "[0],", "0]" },
	{ "[", "[[[]]],", "0]" },
	{ "[", "{'a':0},", "0]" },
	{ "[", "{'a':{'b':''}},", "0]" },
	{ "[", "[0,0,0,0,0,0,0,0,0],", "0]" },
	{ "[", "{'a':0,'b':0,'c':0,'d':0,'e':0,'f':0,'g':0,'h':0,'i':0},", "0]" },
	{ "{", "'#':0,", "'x':0}" },
	{ "{", "'#':{},", "'x':0}" },
	{ "{", "'#':'',", "'x':0}" },
	{ "{", "'#':[],", "'x':0}" },
	{ "{", "'0123456789abcdef#':null,", "'x':0}" },
	{ "['", "x", "']" },
	{ "['", "\\n", "']" },
	{ "{'", "x", "':0}" },
	{ "{'", "x", "':" },
	{ "[", "0", "" },
	{ "[0.", "1", "]" },
	{ "['", "x", "" },
	{ "[", " ", "]" },
	{ "[", "x", "]" },
	{ "[", "'\\", "]" },
	{ "", "{'a':[", "" },
	{ "", "[", "" },
	{ "", "{'#':", "" },
};

/* Parses it, and holds that no more was held at once than what was estimated. */
static void check_weight(const char *begin, const char *pattern, const char *end, size_t bytes)
{
	cleanup_free char *first = unquoted(begin), *last = unquoted(end);
	cleanup_free char *text = worst(first, pattern, last, bytes);
	const size_t len = strlen(text), weight = tree_weight(text, len);
	json_t *tree;

	held = peak = 0;
	tree = tree_parse(text, len, len, NULL);
	if (peak > weight)
		fail_msg("%s%s... of %zu bytes takes %zu, not %zu", begin, pattern, len, peak, weight);
	if (tree && weight > 4 * peak + 1024)
		fail_msg("%s%s... of %zu bytes takes %zu, far from %zu", begin, pattern, len, peak, weight);
	json_decref(tree);
}

/* Sizes on both sides of what doubles; a megabyte shows what seven would. */
static void a_tree_never_weighs_more_than_estimated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(worst_cases); i++)
		for (size_t bytes = 1; bytes <= 1 << 20; bytes += 1 + bytes / 7)
			check_weight(worst_cases[i][0], worst_cases[i][1], worst_cases[i][2], bytes);
}

/* Whatever fills a body to the last byte: it is refused, and nothing is built, or what is built stays below the limit. */
static void a_heavy_review_is_refused_before_it_is_built(void **state)
{
	size_t n_refused = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(worst_cases); i++) {
		cleanup_free char *first = unquoted(worst_cases[i][0]), *last = unquoted(worst_cases[i][2]);
		cleanup_free char *text = worst(first, worst_cases[i][1], last, REVIEW_BYTES_MAX - 128);
		struct error err = { 0 };
		struct review review;

		held = peak = 0;
		assert_int_equal(review_decode(text, strlen(text), &review, &err), -1);
		if (strcmp(err.message, "AdmissionReview: would take more than 50331648 bytes of memory") == 0) {
			assert_int_equal(peak, 0);
			n_refused++;
		}
		assert_true(peak <= REVIEW_TREE_BYTES);
	}
	assert_true(n_refused > COUNT(worst_cases) / 2);
}

static void a_long_review_is_refused_by_its_length(void **state)
{
	cleanup_free char *text = worst("[\"", "x", "\"]", REVIEW_BYTES_MAX);
	struct error err = { 0 };
	struct review review;

	(void)state;
	held = peak = 0;
	assert_int_equal(review_decode(text, strlen(text), &review, &err), -1);
	assert_string_equal(err.message, "AdmissionReview: JSON text is longer than 7340032 bytes");
	assert_int_equal(peak, 0);
}

/* An object as large as etcd takes it, with the old one beside it: in one text, in many lines, in many owners of fields. */
static void large_objects_are_taken(void **state)
{
	static const char *const patterns[][3] = {
		{ "{'metadata':{'annotations':{'a':'", "x", "'}}}" },
		{ "{'status':{'lines':[", "{'description':'storage of the project shop in November','amount':'119.00'},", "{}]}}" },
		{ "{'metadata':{'managedFields':[", "{'manager':'kubectl','time':'2026-11-25T16:24:58Z','fieldsV1':{'f:#':'x'}},",
		  "{}]}}" },
	};
	static const size_t sizes[] = { 3 << 20, 512 << 10, 512 << 10 };

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		cleanup_free char *object = worst(patterns[i][0], patterns[i][1], patterns[i][2], sizes[i]);
		struct review review = open_review("UPDATE", "Invoice", "", object, object);

		review_free(&review);
	}
}

/* ---- any input ---- */

/* Everything that is done with a review, on memory that ends where the text ends. */
static void survives(const char *text, size_t len)
{
	cleanup_free char *exact = memcpy(memory_alloc(len), text, len);
	struct defaults defaults = fields(CLASS, "manual", "/metadata/annotations/a", "b");
	struct review review;
	struct error err;

	if (review_decode(exact, len, &review, &err) == 0) {
		size_t n = 0;
		char *patch;

		defaults.owner = &owner;
		patch = review_patch(&review, &defaults);
		free(patch);
		review_each_text(&review, count, &n);
		if (review.kind < KIND_COUNT) {
			json_decref(readable(&review, false));
			json_decref(readable(&review, true));
		}
	}
	review_free(&review);
}

static void truncated_anywhere_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_cases; i++) {
		cleanup_free char *text = slurp(cases[i], "input.json");

		/* A newline ends the text. */
		for (size_t len = 0; len < strlen(text) - 1; len++) {
			cleanup_free char *exact = memcpy(memory_alloc(len), text, len);
			struct review review;

			assert_int_equal(review_decode(exact, len, &review, NULL), -1);
		}
		survives(text, strlen(text));
	}
}

static void any_byte_may_be_another(void **state)
{
	static const char others[] = { '\0', '"', '{', '}', ',', '\\', '9', '\x1f', '\xff', '\xc3', 'n', '[' };

	(void)state;
	for (size_t i = 0; i < n_cases; i++) {
		cleanup_free char *text = slurp(cases[i], "input.json");
		const size_t len = strlen(text);

		for (size_t at = 0; at < len; at++) {
			const char was = text[at];

			text[at] = others[(at + i) % sizeof(others)];
			survives(text, len);
			text[at] = was;
		}
	}
}

static void survives_tree(const json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT);

	survives(text, strlen(text));
	free(text);
}

/* Puts every value of `others` in place of every value of the tree. */
static void replace_each(json_t *root, json_t *at, const json_t *others)
{
	const char *name;
	json_t *child;
	void *next;

	json_object_foreach_safe(at, next, name, child)
	{
		json_incref(child);
		for (size_t n = 0; n < json_array_size(others); n++) {
			json_object_set(at, name, json_array_get(others, n));
			survives_tree(root);
		}
		json_object_set(at, name, child);
		replace_each(root, child, others);
		json_decref(child);
	}
	for (size_t i = 0; i < json_array_size(at); i++) {
		child = json_incref(json_array_get(at, i));
		for (size_t n = 0; n < json_array_size(others); n++) {
			json_array_set(at, i, json_array_get(others, n));
			survives_tree(root);
		}
		json_array_set(at, i, child);
		replace_each(root, child, others);
		json_decref(child);
	}
}

static void any_value_may_be_of_another_type(void **state)
{
	json_t *others = parsed("[null,true,7,0.5,'x',[],['x',['y']],{},{'a':{'name':'x'}}]");

	(void)state;
	for (size_t i = 0; i < n_cases; i++) {
		cleanup_free char *text = slurp(cases[i], "input.json");
		json_t *root = json_loads(text, 0, NULL);

		replace_each(root, root, others);
		json_decref(root);
	}
	json_decref(others);
}

int main(void)
{
	static const struct CMUnitTest rules[] = {
		cmocka_unit_test(there_are_golden_cases),
#define RULE(name) cmocka_unit_test_setup_teardown(name, open_codec, close_codec)
		RULE(what_is_no_review_is_an_error),
		RULE(a_uid_has_up_to_256_bytes),
		RULE(kinds_are_found_by_group_version_and_kind),
		RULE(what_a_request_does_not_say_is_empty),
		RULE(a_spec_is_compared_as_json),
		RULE(who_is_being_deleted),
		RULE(a_new_object_is_given_what_it_lacks),
		RULE(a_new_object_keeps_what_it_has),
		RULE(a_replaced_object_keeps_what_it_does_not_say),
		RULE(only_a_new_object_may_lack_anything),
		RULE(the_namespace_of_what_is_sent_is_the_requests),
		RULE(odd_objects_are_refused_by_name),
		RULE(texts_that_are_new_or_changed_are_seen),
		RULE(decimal_amounts_are_not_seen_where_the_schema_wants_one),
		RULE(the_schemas_say_where_amounts_are),
		RULE(a_visit_that_says_no_is_the_last),
		RULE(texts_are_looked_for_64_levels_deep),
		RULE(a_long_path_is_cut_at_a_whole_character),
		RULE(a_default_is_set_where_nothing_is),
		RULE(defaults_share_the_parents_they_add),
		RULE(an_owner_is_added_to_the_others),
		RULE(fields_and_owner_go_into_one_patch),
		RULE(answers_are_what_the_api_takes),
		RULE(a_tree_never_weighs_more_than_estimated),
		RULE(a_heavy_review_is_refused_before_it_is_built),
		RULE(a_long_review_is_refused_by_its_length),
		RULE(large_objects_are_taken),
		RULE(truncated_anywhere_is_an_error),
		RULE(any_byte_may_be_another),
		RULE(any_value_may_be_of_another_type),
	};
	enum { N_RULES = sizeof(rules) / sizeof(rules[0]) };
	static struct CMUnitTest tests[N_RULES + CASES_MAX];

	find_cases();
	memcpy(tests, rules, sizeof(rules));
	for (size_t i = 0; i < n_cases; i++)
		tests[N_RULES + i] = (struct CMUnitTest){ .name = cases[i], .test_func = golden, .initial_state = cases[i] };
	return _cmocka_run_group_tests("review", tests, N_RULES + n_cases, NULL, NULL);
}
