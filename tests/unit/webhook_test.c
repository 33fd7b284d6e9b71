/*
 * Admission, rule by rule: reviews as the API server sends them, judged by the real rules over the real codec and cache. The API server
 * that is looked up is a table of texts by path; it answers when the test says so.
 *
 * Objects are written in short: "Kind|name|spec|status|more metadata", each part JSON with single quotes, in namespace acme, made on the
 * first of November; in a review the same, so that a row reads as what somebody applies.
 */
#include "decide.h"

#include <jansson.h>

#include "paymentmethodclass.h"
#include "webhook.h"

enum { SERVED_MAX = 8, CALLS_MAX = 8, OBJECTS_MAX = 8 };

struct call {
	char path[512];
	struct reply reply;
	bool open;
};

struct world {
	struct settings settings;
	struct codec *codec;
	struct cache *cache;
	struct webhook *webhook;
	struct port port;
	struct log log;
	bool synced, silent; /* silent: the API server answers nothing */
	int troubled;        /* or this code, unless 0 */
	const char *served[SERVED_MAX]; /* objects in short; what is not here is not found */
	struct call calls[CALLS_MAX];
	size_t n_calls;
	instant_t now;
	bool answered;
	int status;
	json_t *answer; /* of the last review; NULL when it was no 200 */
	char text[512]; /* what was said instead */
};

/* ---- objects ---- */

static char *unquoted(const char *text, size_t len)
{
	char *json = strndup(text, len);

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return json;
}

static json_t *part(const char *brief, int n)
{
	while (n-- > 0 && brief)
		brief = strchr(brief, '|') ? strchr(brief, '|') + 1 : NULL;
	size_t len = brief ? strcspn(brief, "|") : 0;
	if (!len)
		return NULL;
	char *text = unquoted(brief, len);
	json_error_t where;
	json_t *json = text[0] == '{' ? json_loads(text, 0, &where) : json_string(text);
	if (!json)
		fail_msg("%s: %s", text, where.text);
	free(text);
	return json;
}

static const struct resource *resource_named(const char *kind)
{
	for (int k = 0; k < KIND_COUNT; k++)
		if (!strcmp(kinds[k].resource->kind, kind))
			return kinds[k].resource;
	fail_msg("no kind %s", kind);
	return NULL;
}

static enum kind_id id_of(const struct resource *resource)
{
	for (int k = 0; k < KIND_COUNT; k++)
		if (kinds[k].resource == resource)
			return (enum kind_id)k;
	return KIND_COUNT;
}

static json_t *object_of(const char *brief)
{
	json_t *kind = part(brief, 0), *name = part(brief, 1), *spec = part(brief, 2), *status = part(brief, 3), *more = part(brief, 4);
	const struct resource *resource = resource_named(json_string_value(kind));
	const char *version = resource->group[0] ? BILLING_GROUP "/" BILLING_VERSION : "v1";
	json_t *object = json_pack("{s:s,s:o,s:{s:o,s:s*,s:s+,s:s,s:i,s:s}}", "apiVersion", version, "kind", kind, "metadata", "name", name,
				   "namespace", resource->namespaced ? "acme" : NULL, "uid", "uid-of-", json_string_value(name),
				   "resourceVersion", "1", "generation", 1, "creationTimestamp", "2026-11-01T00:00:00Z");

	assert_non_null(object);
	if (spec)
		json_object_set_new(object, "spec", spec);
	if (status)
		json_object_set_new(object, "status", status);
	if (more) {
		json_object_update(json_object_get(object, "metadata"), more);
		json_decref(more);
	}
	return object;
}

static void cached(struct world *w, const char *brief)
{
	json_t *object = object_of(brief);
	char *text = json_dumps(object, 0);
	const struct resource *resource = resource_named(json_string_value(json_object_get(object, "kind")));
	struct error err = { 0 };
	void *record = record_decode(w->codec, resource, text, strlen(text), &err);

	if (!record)
		fail_msg("%s", err.message);
	cache_put(w->cache, id_of(resource), record);
	free(text);
	json_decref(object);
}

/* ---- the API server ---- */

static struct call *send_call(void *self, const struct request *request, const struct reply *reply)
{
	struct world *w = self;

	assert_true(w->n_calls < CALLS_MAX);
	assert_string_equal(request->method, "GET");
	struct call *call = &w->calls[w->n_calls++];
	snprintf(call->path, sizeof(call->path), "%s", request->path);
	call->reply = *reply;
	call->open = true;
	return call;
}

static void cancel_call(void *self, struct call *call)
{
	(void)self;
	call->open = false;
}

static int64_t monotonic(void *self)
{
	(void)self;
	return 1;
}

static instant_t wall(void *self)
{
	return ((struct world *)self)->now;
}

static uint64_t no_random(void *self)
{
	(void)self;
	return 4;
}

static bool is_list(const char *path, const struct resource *resource)
{
	const char *end = strrchr(path, '/');

	return end && !strcmp(end + 1, resource->plural);
}

static char *served_text(struct world *w, const char *path)
{
	json_t *items = json_array();
	char *text = NULL;
	const struct resource *listed = NULL;

	for (int k = 0; k < KIND_COUNT; k++)
		if (is_list(path, kinds[k].resource))
			listed = kinds[k].resource;
	for (int i = 0; i < SERVED_MAX && w->served[i] && !text; i++) {
		json_t *object = object_of(w->served[i]), *kind = json_object_get(object, "kind");
		const struct resource *resource = resource_named(json_string_value(kind));
		char own[512];
		snprintf(own, sizeof(own), "/%s/%s", resource->plural,
			 json_string_value(json_object_get(json_object_get(object, "metadata"), "name")));
		if (listed == resource)
			json_array_append(items, object);
		else if (strlen(path) > strlen(own) && !strcmp(path + strlen(path) - strlen(own), own))
			text = json_dumps(object, 0);
		json_decref(object);
	}
	if (listed) {
		char kind[128];
		snprintf(kind, sizeof(kind), "%sList", listed->kind);
		json_t *list = json_pack("{s:s,s:s,s:{s:s},s:O}", "apiVersion", BILLING_GROUP "/" BILLING_VERSION, "kind", kind, "metadata",
					 "resourceVersion", "9", "items", items);
		text = json_dumps(list, 0);
		json_decref(list);
	}
	json_decref(items);
	return text;
}

static void answer_calls(struct world *w)
{
	static const struct error dead = { .class = ERROR_RETRY, .message = "connection refused" };

	for (size_t i = 0; i < w->n_calls; i++) {
		struct call *call = &w->calls[i];
		if (!call->open)
			continue;
		call->open = false;
		char *text = w->silent || w->troubled ? NULL : served_text(w, call->path);
		if (text) {
			assert_int_equal(call->reply.on_data(call->reply.context, 200, text, strlen(text) / 2), 0);
			assert_int_equal(call->reply.on_data(call->reply.context, 200, text + strlen(text) / 2, strlen(text) - strlen(text) / 2),
					 0);
		}
		call->reply.on_done(call->reply.context, w->silent ? 0 : w->troubled ? w->troubled : text ? 200 : 404, 0, w->silent ? &dead : NULL);
		free(text);
	}
}

/* ---- the world ---- */

static void changed(void *context, enum kind_id kind, const void *old, const void *new)
{
	(void)context;
	(void)kind;
	(void)old;
	(void)new;
}

static void doubtful(void *context, struct key key)
{
	(void)context;
	(void)key;
}

static void take_answer(struct world *w, const struct server_reply *reply)
{
	w->answered = true;
	w->status = reply->status;
	json_decref(w->answer);
	w->answer = reply->status == 200 ? json_loadb(reply->body, reply->body_len, 0, NULL) : NULL;
	snprintf(w->text, sizeof(w->text), "%.*s", (int)reply->body_len, reply->body ? reply->body : "");
	free(reply->body);
}

/* The exchange is the world itself: only its address goes through the webhook. */
static void answer_later(struct exchange *exchange, const struct server_reply *reply)
{
	take_answer((struct world *)(void *)exchange, reply);
}

static void world_init(struct world *w)
{
	word("");
	*w = (struct world){ .settings = { .sandbox = true, .project_label = PROJECT_LABEL_DEFAULT }, .synced = true, .now = NOW };
	w->port = (struct port){ .self = w, .send = send_call, .cancel = cancel_call, .monotonic_ms = monotonic, .now = wall,
				 .random = no_random };
	w->codec = codec_new(test_atoms, w->settings.project_label);
	w->cache = cache_new(test_atoms, w->codec, &w->settings, (struct cache_listener){ .context = w, .changed = changed, .doubtful = doubtful });
	w->webhook = webhook_new(&(struct webhook_config){ .port = &w->port, .cache = w->cache, .codec = w->codec, .atoms = test_atoms,
							   .log = &w->log, .synced = &w->synced, .answer = answer_later });
}

static void world_close(struct world *w)
{
	webhook_free(w->webhook);
	cache_free(w->cache);
	codec_free(w->codec);
	json_decref(w->answer);
}

static void post(struct world *w, const char *path, const char *body, size_t len)
{
	struct server_request request = { .method = "POST", .path = path, .query = "", .content_type = "application/json", .body = body,
					  .body_len = len };
	struct server_reply reply = { 0 };

	w->answered = false;
	if (webhook_handle(w->webhook, &request, (struct exchange *)(void *)w, &reply))
		take_answer(w, &reply);
}

static char *review_text(const char *operation, const char *object, const char *old, const char *subresource)
{
	json_t *new = object ? object_of(object) : NULL, *before = old ? object_of(old) : NULL;
	const struct resource *resource = resource_named(json_string_value(json_object_get(new ? new : before, "kind")));
	json_t *meta = json_object_get(new ? new : before, "metadata");
	json_t *review = json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:s*,s:s,s:s*,s:s,s:{s:s},s:o?,s:o?}}", "apiVersion", "admission.k8s.io/v1",
		"kind", "AdmissionReview", "request", "uid", "review-1", "kind", "group", resource->group, "version", resource->version, "kind",
		resource->kind, "resource", "group", resource->group, "version", resource->version, "resource", resource->plural,
		"subResource", subresource, "name", json_string_value(json_object_get(meta, "name")), "namespace",
		json_string_value(json_object_get(meta, "namespace")), "operation", operation, "userInfo", "username", "jane", "object", new,
		"oldObject", before);

	assert_non_null(review);
	char *text = json_dumps(review, 0);
	json_decref(review);
	return text;
}

static void ask(struct world *w, const char *path, const char *operation, const char *object, const char *old, const char *subresource)
{
	char *text = review_text(operation, object, old, subresource);

	post(w, path, text, strlen(text));
	free(text);
}

static const char *member_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static const json_t *response(const struct world *w)
{
	const json_t *response = json_object_get(w->answer, "response");

	assert_string_equal(member_text(w->answer, "apiVersion"), "admission.k8s.io/v1");
	assert_string_equal(member_text(w->answer, "kind"), "AdmissionReview");
	assert_string_equal(member_text(response, "uid"), "review-1");
	return response;
}

static void expect_verdict(const struct world *w, const char *refusal)
{
	const json_t *said = response(w), *status = json_object_get(said, "status");

	if (refusal)
		expect_text(member_text(status, "message"), refusal);
	else if (!json_is_true(json_object_get(said, "allowed")))
		fail_msg("refused: %s", member_text(status, "message"));
	assert_int_equal(json_is_true(json_object_get(said, "allowed")), !refusal);
	if (refusal)
		assert_int_equal(json_integer_value(json_object_get(status, "code")), 403);
	assert_null(json_object_get(said, "patch"));
}

/* ---- rules ---- */

#define MAIN "BillingAccount|main|{'currencyCode':'EUR'}|{'phase':'Ready'}"
#define MAIN_PAYS "BillingAccount|main|{'currencyCode':'EUR','defaultPaymentMethodRef':{'name':'visa'}}|{'phase':'Ready'}"
#define VISA "PaymentMethod|visa|{'billingAccountRef':{'name':'main'},'displayName':'Card','paymentMethodClassRef':{'name':'cards'}}"
#define CLASS "PaymentMethodClass|cards|{'provider':'manual'}||{'labels':{'" DEFAULT_CLASS_KEY "':'true'}}"
#define BINDING "BillingAccountBinding|shop-2|{'billingAccountRef':{'name':'main'},'projectRef':{'name':'shop'}}"
#define BOUND "BillingAccountBinding|shop-1|{'billingAccountRef':{'name':'main'},'projectRef':{'name':'shop'}}|{'phase':'Active'}"
#define OCTOBER "'period':{'start':'2026-10-01T00:00:00Z','end':'2026-10-31T23:59:59Z'}"
#define INVOICE "Invoice|main-2026-10|{'billingAccountRef':{'name':'main'}," OCTOBER "}"
#define OWNED_BY(uid) "'ownerReferences':[{'apiVersion':'billing.miloapis.com/v1alpha1','kind':'BillingAccount','name':'main','uid':'" uid "'}]"
#define TERMS(name, window) "BillingArrangement|" name "|{'billingAccountRef':{'name':'main'},'type':'Invoice'" window "}"

struct row {
	const char *rule;
	const char *cached[OBJECTS_MAX];
	const char *served[SERVED_MAX]; /* what the API server has of those that are looked up */
	const char *operation, *object, *old;
	const char *refusal; /* a part of it; NULL = allowed */
	unsigned looks;      /* at the API server */
	const char *subresource;
	enum rebind rebind;
};

static void judge_row(const struct row *row)
{
	struct world w;

	rule(row->rule);
	world_init(&w);
	w.settings.rebind = row->rebind;
	for (int i = 0; i < OBJECTS_MAX && row->cached[i]; i++)
		cached(&w, row->cached[i]);
	memcpy(w.served, row->served, sizeof(w.served));
	ask(&w, "/validate", row->operation, row->object, row->old, row->subresource);
	for (int i = 0; i < CALLS_MAX && !w.answered; i++)
		answer_calls(&w);
	assert_true(w.answered);
	expect_verdict(&w, row->refusal);
	if (w.n_calls != row->looks)
		fail_msg("%s: %zu look-ups, not %u", row->rule, w.n_calls, row->looks);
	assert_int_equal(webhook_stats(w.webhook)->in_flight, 0);
	world_close(&w);
}

#define JUDGE(rows)                                      \
	(void)state;                                     \
	for (size_t i = 0; i < COUNT(rows); i++)         \
		judge_row(&(rows)[i])

static void accounts_are_judged(void **state)
{
	static const struct row rows[] = {
		{ .rule = "a sound account", .operation = "CREATE", .object = MAIN },
		{ .rule = "a currency must be one", .operation = "CREATE", .object = "BillingAccount|main|{'currencyCode':'ZZZ'}",
		  .refusal = "spec.currencyCode: \"ZZZ\" is not an ISO 4217 currency code" },
		{ .rule = "an e-mail address too, if the schema let it pass", .operation = "CREATE",
		  .object = "BillingAccount|main|{'currencyCode':'EUR','contactInfo':{'email':'nobody'}}",
		  .refusal = "spec.contactInfo.email: \"nobody\" must be a valid email address" },
		{ .rule = "the default method must be there; looked up, as it may be new", .operation = "UPDATE", .object = MAIN_PAYS, .old = MAIN,
		  .refusal = "spec.defaultPaymentMethodRef.name: only Active payment methods may be designated as default", .looks = 1 },
		{ .rule = "and cannot be there when the account is not", .operation = "CREATE", .object = MAIN_PAYS, .looks = 1,
		  .refusal = "create the account without it, then the method, and choose it once it is Active" },
		{ .rule = "and is found when only the cache lacks it", .operation = "UPDATE", .object = MAIN_PAYS, .old = MAIN,
		  .served = { VISA "|{'phase':'Active'}" }, .looks = 1 },
		{ .rule = "and Active", .cached = { VISA "|{'phase':'Pending'}" }, .served = { VISA "|{'phase':'Pending'}" },
		  .operation = "UPDATE", .object = MAIN_PAYS, .old = MAIN,
		  .refusal = "only Active payment methods may be designated as default", .looks = 1 },
		{ .rule = "which it may have become a moment ago", .cached = { VISA "|{'phase':'Pending'}" },
		  .served = { VISA "|{'phase':'Active'}" }, .operation = "UPDATE", .object = MAIN_PAYS, .old = MAIN, .looks = 1 },
		{ .rule = "Active is enough", .cached = { VISA "|{'phase':'Active'}" }, .operation = "UPDATE", .object = MAIN_PAYS, .old = MAIN },
		{ .rule = "the default method must be the account's own",
		  .cached = { "PaymentMethod|visa|{'billingAccountRef':{'name':'other'},'displayName':'Card'}|{'phase':'Active'}" },
		  .served = { "PaymentMethod|visa|{'billingAccountRef':{'name':'other'},'displayName':'Card'}|{'phase':'Active'}" },
		  .operation = "UPDATE", .object = MAIN_PAYS, .old = MAIN, .refusal = "it belongs to billing account \"other\"", .looks = 1 },
		{ .rule = "a reference that stays is not looked at again", .cached = { VISA "|{'phase':'Failed'}" }, .operation = "UPDATE",
		  .object = "BillingAccount|main|{'currencyCode':'EUR','defaultPaymentMethodRef':{'name':'visa'},'closureRequested':true}",
		  .old = MAIN_PAYS },
		{ .rule = "taking the default away is free", .operation = "UPDATE", .object = MAIN, .old = MAIN_PAYS },
		{ .rule = "an account that pays is not deleted", .cached = { BOUND }, .served = { BOUND }, .operation = "DELETE", .old = MAIN,
		  .refusal = "billing account has active binding \"shop-1\" (project \"shop\")", .looks = 1 },
		{ .rule = "its binding may be gone already", .cached = { BOUND }, .operation = "DELETE", .old = MAIN, .looks = 1 },
		{ .rule = "or superseded", .cached = { BOUND },
		  .served = { "BillingAccountBinding|shop-1|{'billingAccountRef':{'name':'main'},'projectRef':{'name':'shop'}}|{'phase':'Superseded'}" },
		  .operation = "DELETE", .old = MAIN, .looks = 1 },
		{ .rule = "or made anew for another account", .cached = { BOUND }, .operation = "DELETE", .old = MAIN, .looks = 1,
		  .served = { "BillingAccountBinding|shop-1|{'billingAccountRef':{'name':'other'},'projectRef':{'name':'shop'}}|{'phase':'Active'}" } },
		{ .rule = "one that pays for nothing is deleted", .cached = { BINDING }, .operation = "DELETE", .old = MAIN },
		{ .rule = "a deletion that is under way is not refused", .cached = { BOUND }, .operation = "DELETE",
		  .old = MAIN "|{'deletionTimestamp':'2026-11-20T00:00:00Z'}" },
		{ .rule = "nor one in a namespace that ends",
		  .cached = { BOUND, "Namespace|acme|{}|{}|{'deletionTimestamp':'2026-11-20T00:00:00Z'}" }, .operation = "DELETE", .old = MAIN },
	};
	JUDGE(rows);
}

static void bindings_are_judged(void **state)
{
	static const char elsewhere[] = BOUND "|{'namespace':'zeta'}";
	static const struct row rows[] = {
		{ .rule = "a binding to a Ready account", .cached = { MAIN }, .operation = "CREATE", .object = BINDING },
		{ .rule = "an account without status is as ready as its spec", .cached = { "BillingAccount|main|{'currencyCode':'EUR'}" },
		  .operation = "CREATE", .object = BINDING },
		{ .rule = "the account must be there", .operation = "CREATE", .object = BINDING,
		  .refusal = "spec.billingAccountRef.name: billing account \"main\" was not found in namespace \"acme\"", .looks = 1 },
		{ .rule = "it may be new", .served = { MAIN }, .operation = "CREATE", .object = BINDING, .looks = 1 },
		{ .rule = "it must be Ready", .cached = { "BillingAccount|main|{'currencyCode':'EUR'}|{'phase':'Suspended'}" },
		  .served = { "BillingAccount|main|{'currencyCode':'EUR'}|{'phase':'Suspended'}" }, .operation = "CREATE", .object = BINDING,
		  .refusal = "is not ready (current phase: Suspended)", .looks = 1 },
		{ .rule = "Suspended may be over", .cached = { "BillingAccount|main|{'currencyCode':'EUR'}|{'phase':'Suspended'}" },
		  .served = { MAIN }, .operation = "CREATE", .object = BINDING, .looks = 1 },
		{ .rule = "it must stay", .cached = { MAIN "|{'deletionTimestamp':'2026-11-20T00:00:00Z'}" },
		  .served = { MAIN "|{'deletionTimestamp':'2026-11-20T00:00:00Z'}" }, .operation = "CREATE", .object = BINDING,
		  .refusal = "billing account \"main\" is being deleted", .looks = 1 },
		{ .rule = "and not be asked to close", .cached = { "BillingAccount|main|{'currencyCode':'EUR','closureRequested':true}|{'phase':'Ready'}" },
		  .served = { "BillingAccount|main|{'currencyCode':'EUR','closureRequested':true}|{'phase':'Ready'}" }, .operation = "CREATE",
		  .object = BINDING, .refusal = "is to be closed", .looks = 1 },
		{ .rule = "a second binding supersedes", .cached = { MAIN, BOUND }, .operation = "CREATE", .object = BINDING },
		{ .rule = "unless Reject is set", .cached = { MAIN, BOUND }, .served = { BOUND }, .operation = "CREATE", .object = BINDING,
		  .rebind = REBIND_REJECT, .looks = 1,
		  .refusal = "spec.projectRef.name: project \"shop\" already has an active billing account binding \"shop-1\"; delete it first" },
		{ .rule = "which a deleted one does not stand in the way of", .cached = { MAIN, BOUND }, .operation = "CREATE", .object = BINDING,
		  .rebind = REBIND_REJECT, .looks = 1 },
		{ .rule = "nor one that is not Active", .cached = { MAIN, "BillingAccountBinding|shop-1|{'billingAccountRef':{'name':'main'},"
									  "'projectRef':{'name':'shop'}}|{'phase':'Superseded'}" },
		  .operation = "CREATE", .object = BINDING, .rebind = REBIND_REJECT },
		{ .rule = "another tenant's binding is not named", .cached = { MAIN, elsewhere }, .served = { elsewhere }, .operation = "CREATE",
		  .object = BINDING, .rebind = REBIND_REJECT, .looks = 1,
		  .refusal = "already has an active billing account binding in another namespace" },
	};
	JUDGE(rows);
}

static void methods_and_classes_are_judged(void **state)
{
	static const char no_class[] = "PaymentMethod|visa|{'billingAccountRef':{'name':'main'},'displayName':'Card'}";
	static const char plain_class[] = "PaymentMethodClass|other|{'provider':'manual'}";
	static const char marked[] = "PaymentMethodClass|other|{'provider':'manual'}||{'annotations':{'" DEFAULT_CLASS_KEY "':'true'}}";
	static const struct row rows[] = {
		{ .rule = "a method of an account that is there", .cached = { MAIN }, .operation = "CREATE", .object = VISA },
		{ .rule = "not of one that is not", .operation = "CREATE", .object = VISA, .looks = 1,
		  .refusal = "spec.billingAccountRef.name: billing account \"main\" was not found" },
		{ .rule = "without a class there must be a default", .cached = { MAIN, plain_class }, .served = { plain_class },
		  .operation = "CREATE", .object = no_class, .looks = 1,
		  .refusal = "spec.paymentMethodClassRef: no default PaymentMethodClass exists" },
		{ .rule = "and one that was marked a moment ago counts", .cached = { MAIN }, .served = { CLASS }, .operation = "CREATE",
		  .object = no_class, .looks = 1 },
		{ .rule = "as does one in the cache", .cached = { MAIN, CLASS }, .operation = "CREATE", .object = no_class },
		{ .rule = "a default method stays", .cached = { MAIN_PAYS }, .served = { MAIN_PAYS }, .operation = "DELETE", .old = VISA,
		  .refusal = "is the default for billing account \"main\"", .looks = 1 },
		{ .rule = "until another is chosen", .cached = { MAIN_PAYS }, .served = { MAIN }, .operation = "DELETE", .old = VISA, .looks = 1 },
		{ .rule = "or the account goes", .cached = { MAIN_PAYS "|{'deletionTimestamp':'2026-11-20T00:00:00Z'}" }, .operation = "DELETE",
		  .old = VISA },
		{ .rule = "any other method goes", .cached = { MAIN }, .operation = "DELETE", .old = VISA },
		{ .rule = "the first default class", .operation = "CREATE", .object = CLASS },
		{ .rule = "no second one", .cached = { CLASS }, .served = { CLASS }, .operation = "CREATE", .object = marked, .looks = 1,
		  .refusal = "metadata.annotations[" DEFAULT_CLASS_KEY "]: PaymentMethodClass \"cards\" is already the default; only one default class is permitted" },
		{ .rule = "whichever mark it has", .cached = { CLASS }, .served = { CLASS }, .operation = "CREATE", .looks = 1,
		  .object = "PaymentMethodClass|other|{'provider':'manual'}||{'labels':{'" DEFAULT_CLASS_KEY "':'true'}}",
		  .refusal = "metadata.labels[" DEFAULT_CLASS_KEY "]: PaymentMethodClass \"cards\" is already the default" },
		{ .rule = "nor by a label alone, which is no change of spec", .cached = { CLASS, plain_class }, .served = { CLASS },
		  .operation = "UPDATE", .object = marked, .old = plain_class, .looks = 1, .refusal = "only one default class is permitted" },
		{ .rule = "once the first has lost its mark it may", .cached = { CLASS, plain_class },
		  .served = { "PaymentMethodClass|cards|{'provider':'manual'}" }, .operation = "UPDATE", .object = marked, .old = plain_class, .looks = 1 },
		{ .rule = "two that raced in can both be edited", .cached = { CLASS, marked }, .operation = "UPDATE",
		  .object = "PaymentMethodClass|other|{'provider':'sandbox'}||{'annotations':{'" DEFAULT_CLASS_KEY "':'true'}}", .old = marked },
		{ .rule = "and lose the mark", .cached = { CLASS, marked }, .operation = "UPDATE", .object = plain_class, .old = marked },
	};
	JUDGE(rows);
}

static void invoices_and_arrangements_are_judged(void **state)
{
	static const struct row rows[] = {
		{ .rule = "an invoice of an account", .cached = { MAIN }, .operation = "CREATE", .object = INVOICE "||{" OWNED_BY("uid-of-main") "}" },
		{ .rule = "an owner reference can come later", .cached = { MAIN }, .operation = "CREATE", .object = INVOICE },
		{ .rule = "not of an account that is not there", .operation = "CREATE", .object = INVOICE, .looks = 1,
		  .refusal = "spec.billingAccountRef.name: billing account \"main\" was not found" },
		{ .rule = "not of its predecessor", .cached = { MAIN }, .served = { MAIN }, .operation = "CREATE", .looks = 1,
		  .object = INVOICE "||{" OWNED_BY("an-older-uid") "}", .refusal = "metadata.ownerReferences: it belongs to another billing account" },
		{ .rule = "the account may have been made anew a moment ago", .cached = { MAIN "|{'uid':'an-older-uid'}" }, .served = { MAIN },
		  .operation = "CREATE", .object = INVOICE "||{" OWNED_BY("uid-of-main") "}", .looks = 1 },
		{ .rule = "start before end", .cached = { MAIN }, .operation = "CREATE", .refusal = "spec.period: start must be before end",
		  .object = "Invoice|main-2026-10|{'billingAccountRef':{'name':'main'},'period':{'start':'2026-10-31T00:00:00+05:00','end':'2026-10-30T19:00:00Z'}}" },
		{ .rule = "an arrangement", .cached = { MAIN }, .operation = "CREATE", .object = TERMS("terms", "") },
		{ .rule = "a second one overlaps", .cached = { MAIN, TERMS("old", "") }, .served = { TERMS("old", "") }, .operation = "CREATE",
		  .object = TERMS("terms", ",'startsAt':'2027-01-01T00:00:00Z'"), .refusal = "overlaps arrangement \"old\"", .looks = 1 },
		{ .rule = "also with one that starts later", .cached = { MAIN, TERMS("old", ",'startsAt':'2027-01-01T00:00:00Z'") },
		  .served = { TERMS("old", ",'startsAt':'2027-01-01T00:00:00Z'") }, .operation = "CREATE", .object = TERMS("terms", ""),
		  .refusal = "overlaps arrangement \"old\"", .looks = 1 },
		{ .rule = "windows may touch", .cached = { MAIN, TERMS("old", ",'endsAt':'2027-01-01T00:00:00Z'") }, .operation = "CREATE",
		  .object = TERMS("terms", ",'startsAt':'2027-01-01T00:00:00Z'") },
		{ .rule = "what has ended does not count", .cached = { MAIN, TERMS("old", ",'endsAt':'2026-11-05T00:00:00Z'") }, .operation = "CREATE",
		  .object = TERMS("terms", ",'startsAt':'2026-11-02T00:00:00Z'") },
		{ .rule = "what was withdrawn a moment ago neither", .cached = { MAIN, TERMS("old", "") }, .operation = "CREATE",
		  .object = TERMS("terms", ""), .looks = 1 },
		{ .rule = "not even itself", .cached = { MAIN, TERMS("terms", "") }, .operation = "UPDATE",
		  .object = TERMS("terms", ",'startsAt':'2026-10-01T00:00:00Z'"), .old = TERMS("terms", "") },
		{ .rule = "two that raced in can be made shorter", .cached = { MAIN, TERMS("old", ""), TERMS("terms", "") }, .operation = "UPDATE",
		  .object = TERMS("terms", ",'endsAt':'2027-01-01T00:00:00Z'"), .old = TERMS("terms", "") },
		{ .rule = "but not longer", .cached = { MAIN, TERMS("old", ""), TERMS("terms", ",'endsAt':'2027-01-01T00:00:00Z'") },
		  .served = { TERMS("old", "") }, .operation = "UPDATE", .object = TERMS("terms", ",'endsAt':'2027-02-01T00:00:00Z'"), .looks = 1,
		  .old = TERMS("terms", ",'endsAt':'2027-01-01T00:00:00Z'"), .refusal = "overlaps arrangement \"old\"" },
		{ .rule = "and be ended", .cached = { MAIN, TERMS("old", ""), TERMS("terms", "") }, .operation = "UPDATE",
		  .object = TERMS("terms", ",'startsAt':'2026-10-01T00:00:00Z','endsAt':'2026-11-10T00:00:00Z'"), .old = TERMS("terms", "") },
		{ .rule = "an owner is not changed away", .cached = { MAIN }, .served = { MAIN }, .operation = "UPDATE", .looks = 1,
		  .object = TERMS("terms", "") "||{" OWNED_BY("another-uid") "}", .old = TERMS("terms", "") "||{" OWNED_BY("uid-of-main") "}",
		  .refusal = "metadata.ownerReferences" },
		{ .rule = "nor an invoice's", .cached = { MAIN }, .served = { MAIN }, .operation = "UPDATE", .looks = 1,
		  .object = INVOICE "||{" OWNED_BY("another-uid") "}", .old = INVOICE "||{" OWNED_BY("uid-of-main") "}",
		  .refusal = "metadata.ownerReferences" },
		{ .rule = "a wrong one can be put right", .cached = { MAIN }, .operation = "UPDATE",
		  .object = INVOICE "||{" OWNED_BY("uid-of-main") "}", .old = INVOICE "||{" OWNED_BY("another-uid") "}" },
		{ .rule = "and one that goes altogether comes back by itself", .cached = { MAIN }, .operation = "UPDATE",
		  .object = INVOICE, .old = INVOICE "||{" OWNED_BY("uid-of-main") "}" },
		{ .rule = "of another account's namesake", .cached = { MAIN, TERMS("old", "") "||{" OWNED_BY("an-older-uid") "}" },
		  .operation = "CREATE", .object = TERMS("terms", "") },
	};
	JUDGE(rows);
}

#define WITH_NOTE(note) MAIN "|{'annotations':{'example.com/note':'" note "'}}"

static void card_numbers_stay_out(void **state)
{
	static const struct row rows[] = {
		{ .rule = "in a field", .operation = "CREATE", .cached = { MAIN },
		  .object = "PaymentMethod|visa|{'billingAccountRef':{'name':'main'},'displayName':'My 4111 1111 1111 1111'}",
		  .refusal = "spec.displayName: must not hold a payment card number" },
		{ .rule = "in an annotation", .operation = "CREATE", .object = WITH_NOTE("4111111111111111"),
		  .refusal = "metadata.annotations[example.com/note]: must not hold a payment card number" },
		{ .rule = "in one that is added", .operation = "UPDATE", .object = WITH_NOTE("4111111111111111"), .old = MAIN,
		  .refusal = "metadata.annotations[example.com/note]" },
		{ .rule = "what was there before blocks no edit", .operation = "UPDATE", .old = WITH_NOTE("4111111111111111"),
		  .object = MAIN "|{'annotations':{'example.com/note':'4111111111111111'},'labels':{'tier':'gold'}}" },
		{ .rule = "in a kind without a spec", .operation = "UPDATE", .object = "ProjectBilling|shop|||{'annotations':{'note':'5555555555554444'}}",
		  .old = "ProjectBilling|shop", .refusal = "metadata.annotations.note: must not" },
		{ .rule = "in what a provider writes", .operation = "UPDATE", .subresource = "status", .old = VISA,
		  .object = VISA "|{'phase':'Failed','failureMessage':'card 378282246310005 was declined'}",
		  .refusal = "status.failureMessage: must not hold a payment card number" },
		{ .rule = "but status is not looked at with the rest", .operation = "UPDATE", .old = MAIN,
		  .object = "BillingAccount|main|{'currencyCode':'EUR','closureRequested':true}|{'creditBalance':'1'}" },
		{ .rule = "an amount is none", .operation = "UPDATE", .subresource = "status", .old = INVOICE,
		  .object = INVOICE "|{'phase':'Open','total':'4111111111111111.00'}" },
		{ .rule = "nor is the API server's own number", .operation = "CREATE", .object = MAIN "|{'resourceVersion':'4111111111111111'}" },
	};
	JUDGE(rows);
}

static void what_changes_nothing_is_let_through(void **state)
{
	static const char odd[] = "BillingAccount|main|{'currencyCode':'ZZZ','defaultPaymentMethodRef':{'name':'gone'}}";
	static const struct row rows[] = {
		{ .rule = "a finalizer", .operation = "UPDATE", .old = odd,
		  .object = "BillingAccount|main|{'currencyCode':'ZZZ','defaultPaymentMethodRef':{'name':'gone'}}||{'finalizers':['example.com/x']}" },
		{ .rule = "a label", .operation = "UPDATE", .old = odd,
		  .object = "BillingAccount|main|{'currencyCode':'ZZZ','defaultPaymentMethodRef':{'name':'gone'}}||{'labels':{'a':'b'}}" },
		{ .rule = "while it is being deleted also a change of spec", .operation = "UPDATE", .old = MAIN,
		  .object = "BillingAccount|main|{'currencyCode':'ZZZ'}||{'deletionTimestamp':'2026-11-20T00:00:00Z'}" },
		{ .rule = "but any other change of spec is judged whole", .operation = "UPDATE", .old = odd, .refusal = "spec.currencyCode",
		  .object = "BillingAccount|main|{'currencyCode':'ZZZ'}" },
		{ .rule = "an object that cannot be read can be deleted", .operation = "DELETE", .old = "BillingAccount|main|{'currencyCode':5}" },
		{ .rule = "and edited", .operation = "UPDATE", .old = "BillingAccount|main|{'currencyCode':5}",
		  .object = "BillingAccount|main|{'currencyCode':5}||{'labels':{'a':'b'}}" },
		{ .rule = "but no new one gets in", .operation = "CREATE", .object = "BillingAccount|main|{'currencyCode':5}",
		  .refusal = "spec.currencyCode" },
		{ .rule = "kinds that are not ours", .operation = "CREATE", .object = "Namespace|acme|{}" },
	};
	JUDGE(rows);
}

/* ---- defaults ---- */

static json_t *patch_of(const struct world *w)
{
	const json_t *said = response(w);
	const char *coded = member_text(said, "patch");

	assert_true(json_is_true(json_object_get(said, "allowed")));
	if (!coded) {
		assert_null(json_object_get(said, "patchType"));
		return NULL;
	}
	assert_string_equal(member_text(said, "patchType"), "JSONPatch");
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[4096];
	size_t n = 0;
	unsigned bits = 0, held = 0;
	for (const char *c = coded; *c && *c != '='; c++) {
		assert_non_null(strchr(digits, *c));
		bits = bits << 6 | (unsigned)(strchr(digits, *c) - digits);
		held += 6;
		if (held >= 8)
			text[n++] = (char)(bits >> (held -= 8) & 0xFF);
	}
	json_t *patch = json_loadb(text, n, 0, NULL);
	assert_non_null(patch);
	return patch;
}

struct filling {
	const char *rule;
	const char *cached[OBJECTS_MAX], *served[SERVED_MAX];
	const char *object;
	const char *patch; /* NULL = none */
	unsigned looks;
};

static void missing_members_are_filled_in(void **state)
{
	static const char account_ref[] =
		"{'op':'add','path':'/metadata/ownerReferences','value':[{'apiVersion':'billing.miloapis.com/v1alpha1','kind':'BillingAccount',"
		"'name':'main','uid':'uid-of-main'}]}";
	static const char no_class[] = "PaymentMethod|visa|{'billingAccountRef':{'name':'main'},'displayName':'Card'}";
	char with_start[1024], owner_alone[1024];
	(void)state;
	/* NOW is 2026-11-22T10:06:20Z */
	snprintf(with_start, sizeof(with_start), "[{'op':'add','path':'/spec/startsAt','value':'2026-11-22T10:06:20Z'},%s]", account_ref);
	snprintf(owner_alone, sizeof(owner_alone), "[%s]", account_ref);
	const struct filling rows[] = {
		{ "the default class", { CLASS }, { NULL }, no_class, "[{'op':'add','path':'/spec/paymentMethodClassRef','value':{'name':'cards'}}]", 0 },
		{ "one marked a moment ago", { NULL }, { CLASS }, no_class,
		  "[{'op':'add','path':'/spec/paymentMethodClassRef','value':{'name':'cards'}}]", 1 },
		{ "no default, nothing to fill in", { NULL }, { NULL }, no_class, NULL, 1 },
		{ "a class that is named stays", { CLASS }, { NULL }, VISA, NULL, 0 },
		{ "start and owner of an arrangement", { MAIN }, { NULL }, TERMS("terms", ""), with_start, 0 },
		{ "of an account that is new", { NULL }, { MAIN }, TERMS("terms", ""), with_start, 1 },
		{ "a start that is there stays", { MAIN }, { NULL }, TERMS("terms", ",'startsAt':'2027-01-01T00:00:00Z'"), owner_alone, 0 },
		{ "the owner of an invoice, also when our clock is behind the API server's", { MAIN "|{'creationTimestamp':'2026-11-22T11:00:00Z'}" },
		  { NULL }, INVOICE "||{'creationTimestamp':null}", owner_alone, 0 },
		{ "an owner that is there stays", { MAIN }, { NULL }, INVOICE "||{" OWNED_BY("uid-of-main") "}", NULL, 0 },
		{ "a wrong one too: validation refuses it", { MAIN }, { NULL }, INVOICE "||{" OWNED_BY("an-older-uid") "}", NULL, 0 },
		{ "other owners stay beside it", { MAIN }, { NULL },
		  INVOICE "||{'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'x','uid':'y'}]}",
		  "[{'op':'add','path':'/metadata/ownerReferences/-','value':{'apiVersion':'billing.miloapis.com/v1alpha1','kind':'BillingAccount','name':'main','uid':'uid-of-main'}}]", 0 },
		{ "an object of no sensible shape is the schema's to refuse", { MAIN }, { NULL }, "Invoice|x|{'billingAccountRef':7}", NULL, 0 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct world w;
		rule(rows[i].rule);
		world_init(&w);
		for (int k = 0; k < OBJECTS_MAX && rows[i].cached[k]; k++)
			cached(&w, rows[i].cached[k]);
		memcpy(w.served, rows[i].served, sizeof(w.served));
		ask(&w, "/mutate", "CREATE", rows[i].object, NULL, NULL);
		if (!w.answered)
			answer_calls(&w);
		assert_int_equal(w.n_calls, rows[i].looks);
		json_t *patch = patch_of(&w), *wanted = NULL;
		if (rows[i].patch) {
			char *text = unquoted(rows[i].patch, strlen(rows[i].patch));
			wanted = json_loads(text, 0, NULL);
			assert_non_null(wanted);
			free(text);
		}
		if (wanted ? !patch || !json_equal(patch, wanted) : patch != NULL)
			fail_msg("%s: %s", rows[i].rule, patch ? json_dumps(patch, 0) : "no patch");
		json_decref(patch);
		json_decref(wanted);
		world_close(&w);
	}
}

/* ---- looking things up ---- */

static void a_silent_api_server_leaves_the_cache_to_decide(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.silent = true;
	ask(&w, "/validate", "CREATE", BINDING, NULL, NULL);
	assert_false(w.answered);
	answer_calls(&w);
	assert_true(w.answered);
	expect_verdict(&w, "was not found");
	assert_int_equal(w.n_calls, 1); /* asked once, not for ever */
	world_close(&w);
}

/* Only 404 says that there is none. */
static void an_answer_that_is_none_leaves_it_too(void **state)
{
	static const int codes[] = { 500, 403, 429 };

	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++) {
		struct world w;
		world_init(&w);
		w.troubled = codes[i];
		cached(&w, "BillingAccount|main|{'currencyCode':'EUR'}|{'phase':'Suspended'}");
		ask(&w, "/validate", "CREATE", BINDING, NULL, NULL);
		answer_calls(&w);
		assert_true(w.answered);
		expect_verdict(&w, "is not ready (current phase: Suspended)");
		world_close(&w);
	}
}

static void looks_come_to_an_end(void **state)
{
	struct world w;
	char many[20][256];

	(void)state;
	world_init(&w);
	for (int i = 0; i < 20; i++) {
		snprintf(many[i], sizeof(many[i]), "BillingAccountBinding|b%d|{'billingAccountRef':{'name':'main'},'projectRef':{'name':'p%d'}}|{'phase':'Active'}", i, i);
		cached(&w, many[i]);
	}
	ask(&w, "/validate", "DELETE", NULL, MAIN, NULL); /* each of them turns out to be gone */
	while (!w.answered) {
		assert_true(w.n_calls <= CALLS_MAX);
		answer_calls(&w);
	}
	expect_verdict(&w, "billing account has active binding");
	assert_int_equal(w.n_calls, CALLS_MAX);
	world_close(&w);
}

static void many_reviews_wait_side_by_side(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	ask(&w, "/validate", "CREATE", BINDING, NULL, NULL);
	ask(&w, "/validate", "CREATE", VISA, NULL, NULL);
	assert_int_equal(webhook_stats(w.webhook)->in_flight, 2);
	assert_int_equal(histogram_count(&webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].latency), 0);
	w.served[0] = MAIN;
	answer_calls(&w);
	assert_int_equal(webhook_stats(w.webhook)->in_flight, 0);
	assert_int_equal(webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].in_flight, 0);
	assert_int_equal(histogram_count(&webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].latency), 2);
	assert_int_equal(histogram_count(&webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].seconds), 2);
	expect_verdict(&w, NULL);
	world_close(&w);
}

static void stopping_drops_what_waits(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	ask(&w, "/validate", "CREATE", BINDING, NULL, NULL);
	ask(&w, "/mutate", "CREATE", INVOICE, NULL, NULL);
	assert_int_equal(webhook_stats(w.webhook)->in_flight, 2);
	assert_int_equal(webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].in_flight, 1);
	assert_int_equal(webhook_stats(w.webhook)->paths[WEBHOOK_MUTATE].in_flight, 1);
	webhook_free(w.webhook);
	for (size_t i = 0; i < w.n_calls; i++)
		assert_false(w.calls[i].open);
	w.webhook = NULL;
	world_close(&w);
}

/* ---- what is no review ---- */

static char *nested(int levels, const char *end)
{
	char *text = malloc((size_t)levels * 6 + strlen(end) + 1), *to = text;

	for (int i = 0; i < levels; i++)
		to = stpcpy(to, "{\"a\":");
	to = stpcpy(to, end);
	for (int i = 0; i < levels; i++)
		*to++ = '}';
	*to = '\0';
	return text;
}

/* Anybody may put anything there; the API server itself keeps it for them. */
static void odd_managed_fields_stand_in_nobodys_way(void **state)
{
	static const char deep_end[] = "{}";
	char *deep = nested(3000, deep_end);
	const char *const odd[] = { "[{\"f:a\\u0000b\":{}}]", deep };

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct world w;
		world_init(&w);
		for (int operation = 0; operation < 2; operation++) {
			char *plain = operation ? review_text("DELETE", NULL, MAIN, NULL) :
						  review_text("UPDATE", MAIN "|{'labels':{'a':'b'},'x':'X'}", MAIN, NULL);
			char *at = strstr(plain, "\"generation\": 1");
			assert_non_null(at);
			size_t size = strlen(plain) + strlen(odd[i]) + 64;
			char *body = malloc(size);
			snprintf(body, size, "%.*s\"managedFields\":%s,%s", (int)(at - plain), plain, odd[i], at);
			post(&w, "/validate", body, strlen(body));
			assert_int_equal(w.status, 200);
			expect_verdict(&w, NULL);
			free(body);
			free(plain);
		}
		world_close(&w);
	}
	free(deep);
}

static void bad_requests_are_told_so(void **state)
{
	static const struct {
		const char *path, *type, *body;
		int status;
	} rows[] = {
		{ "/validate", "application/json", "", 400 },
		{ "/validate", "application/json", "hello", 400 },
		{ "/validate", "application/json", "[]", 400 },
		{ "/validate", "application/json", "{}", 400 },
		{ "/mutate", "application/json", "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u\"}}", 400 },
		{ "/mutate", "application/json", "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{}}", 400 },
		{ "/validate", "text/plain", "hello", 400 },
		{ "/validate", "application/jsonish", "{}", 400 },
		{ "/", "application/json", "{}", 404 },
		{ "/validate/", "application/json", "{}", 404 },
	};
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct server_request request = { .method = "POST", .path = rows[i].path, .query = "", .content_type = rows[i].type,
							.body = rows[i].body, .body_len = strlen(rows[i].body) };
		struct server_reply reply = { 0 };
		assert_true(webhook_handle(w.webhook, &request, NULL, &reply));
		assert_int_equal(reply.status, rows[i].status);
		assert_non_null(strchr(reply.body, '\n'));
		free(reply.body);
	}
	assert_int_equal(webhook_stats(w.webhook)->in_flight, 0);
	assert_int_equal(webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].bad, 6);
	assert_int_equal(webhook_stats(w.webhook)->paths[WEBHOOK_MUTATE].bad, 2);
	assert_int_equal(histogram_count(&webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].latency), 6); /* of all answers */
	assert_int_equal(histogram_count(&webhook_stats(w.webhook)->paths[WEBHOOK_VALIDATE].seconds), 0); /* of reviews alone */
	world_close(&w);
}

static void nothing_is_judged_before_the_caches_are_in_step(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.synced = false;
	ask(&w, "/validate", "CREATE", MAIN, NULL, NULL);
	assert_int_equal(w.status, 503);
	w.synced = true;
	ask(&w, "/validate", "CREATE", MAIN, NULL, NULL);
	assert_int_equal(w.status, 200);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_are_judged),
		cmocka_unit_test(bindings_are_judged),
		cmocka_unit_test(methods_and_classes_are_judged),
		cmocka_unit_test(invoices_and_arrangements_are_judged),
		cmocka_unit_test(card_numbers_stay_out),
		cmocka_unit_test(what_changes_nothing_is_let_through),
		cmocka_unit_test(missing_members_are_filled_in),
		cmocka_unit_test(a_silent_api_server_leaves_the_cache_to_decide),
		cmocka_unit_test(an_answer_that_is_none_leaves_it_too),
		cmocka_unit_test(looks_come_to_an_end),
		cmocka_unit_test(many_reviews_wait_side_by_side),
		cmocka_unit_test(stopping_drops_what_waits),
		cmocka_unit_test(odd_managed_fields_stand_in_nobodys_way),
		cmocka_unit_test(bad_requests_are_told_so),
		cmocka_unit_test(nothing_is_judged_before_the_caches_are_in_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
