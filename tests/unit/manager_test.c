/*
 * The runtime as a whole on a scripted port: what requests it makes, in which order, and what it does when their answers are lost,
 * late or refusals. The clock is the test's. Real servers are for tests/e2e; here are the answers that they rarely give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manager.h"

enum { CALLS_MAX = 64 };

struct call {
	char method[8], path[512], body[4096], content_type[64];
	struct reply reply;
};

struct script {
	struct port port;
	struct log log;
	struct settings settings;
	struct manager manager;
	struct call *calls[CALLS_MAX];
	unsigned sent;
	int64_t mono;
	instant_t wall;
	bool follows; /* another replica leads */
};

static struct call *script_send(void *self, const struct request *request, const struct reply *reply)
{
	struct script *s = self;
	struct call *call = calloc(1, sizeof(*call));

	snprintf(call->method, sizeof(call->method), "%s", request->method);
	snprintf(call->path, sizeof(call->path), "%s", request->path);
	snprintf(call->body, sizeof(call->body), "%s", request->body ? request->body : "");
	snprintf(call->content_type, sizeof(call->content_type), "%s", request->content_type ? request->content_type : "");
	call->reply = *reply;
	for (unsigned i = 0; i < CALLS_MAX; i++) {
		if (s->calls[i])
			continue;
		s->calls[i] = call;
		s->sent++;
		return call;
	}
	fail_msg("too many requests at once");
	return NULL;
}

static void forget(struct script *s, struct call *call)
{
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (s->calls[i] == call)
			s->calls[i] = NULL;
	free(call);
}

static void script_cancel(void *self, struct call *call)
{
	forget(self, call);
}

static int64_t script_mono(void *self)
{
	return ((struct script *)self)->mono;
}

static instant_t script_wall(void *self)
{
	return ((struct script *)self)->wall;
}

static uint64_t script_random(void *self)
{
	(void)self;
	return 88172645463325252u;
}

static bool script_leads(void *context)
{
	return !((const struct script *)context)->follows;
}

/* ---- the server's side ---- */

/* The request under way whose path ends with (or, for lists, contains) this, or NULL. */
static struct call *find(struct script *s, const char *method, const char *path)
{
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (s->calls[i] && strcmp(s->calls[i]->method, method) == 0 && strstr(s->calls[i]->path, path))
			return s->calls[i];
	return NULL;
}

static struct call *expect(struct script *s, const char *method, const char *path)
{
	struct call *call = find(s, method, path);

	if (!call)
		fail_msg("no %s %s", method, path);
	return call;
}

static void answer(struct script *s, struct call *call, int status, int retry_after_ms, const char *body)
{
	struct reply reply = call->reply;

	forget(s, call);
	assert_int_equal(reply.on_data(reply.context, status, body, strlen(body)), 0);
	reply.on_done(reply.context, status, retry_after_ms, NULL);
}

static void lose(struct script *s, struct call *call)
{
	const struct error err = { .class = ERROR_RETRY, .message = "connection reset" };
	struct reply reply = call->reply;

	forget(s, call);
	reply.on_done(reply.context, 0, 0, &err);
}

static void stream(struct script *s, const char *plural, const char *type, const char *object)
{
	char path[128], line[4096];
	struct call *call;

	snprintf(path, sizeof(path), "/%s?watch=true", plural);
	call = expect(s, "GET", path);
	snprintf(line, sizeof(line), "{\"type\":\"%s\",\"object\":%s}\n", type, object);
	assert_int_equal(call->reply.on_data(call->reply.context, 200, line, strlen(line)), 0);
}

/* Both clocks go on. */
static void pass(struct script *s, int64_t ms)
{
	s->mono += ms;
	s->wall += ms;
}

/* Lets everything happen that is due now. */
static void settle(struct script *s)
{
	while (manager_drain(&s->manager) == 0)
		;
}

static unsigned writes(struct script *s)
{
	const struct writer_stats *w = writer_stats(s->manager.writer);

	return (unsigned)(w->started[WRITE_CREATE] + w->started[WRITE_DELETE] + w->started[WRITE_FINALIZER] + w->started[WRITE_OWNER] +
			  w->started[WRITE_STATUS]);
}

static const struct resource *resource_of(const char *plural)
{
	unsigned k = 0;

	while (strcmp(kinds[k].resource->plural, plural) != 0)
		k++;
	return kinds[k].resource;
}

static void list(struct script *s, const char *plural, const char *items)
{
	const struct resource *r = resource_of(plural);
	char path[128], body[8192];

	snprintf(path, sizeof(path), "/%s?limit=", plural);
	snprintf(body, sizeof(body),
		 "{\"kind\":\"%sList\",\"apiVersion\":\"%s%s%s\",\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[%s]}", r->kind,
		 r->group, r->group[0] ? "/" : "", r->version, items);
	answer(s, expect(s, "GET", path), 200, 0, body);
}

#define NAMESPACE(name, labels, version) \
	"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"ns-" name "\",\"resourceVersion\":\"" version \
	"\",\"creationTimestamp\":\"2026-11-22T10:00:00Z\",\"labels\":{" labels "}}}"
#define META(name, ns, version, more) \
	"\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version \
	"\",\"generation\":1,\"creationTimestamp\":\"2026-11-22T10:00:00Z\"" more "}"
#define OBJECT(kind, meta, rest) "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"" kind "\"," meta rest "}"
#define ACCOUNT(version, more, status) \
	OBJECT("BillingAccount", META("main", "acme", version, more), \
	       ",\"spec\":{\"currencyCode\":\"EUR\"}" status)
#define HELD ",\"finalizers\":[\"others.example/x\",\"billing.miloapis.com/billing-account\"]"
#define PROJECT "\"resourcemanager.miloapis.com/project-name\":\"shop\""

static void begin(struct script *s, const char *namespaces, const char *accounts, const char *bindings)
{
	const char *items[KIND_COUNT] = { [KIND_NAMESPACE] = namespaces, [KIND_BILLINGACCOUNT] = accounts, [KIND_BINDING] = bindings };

	manager_start(&s->manager);
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		settle(s);
		assert_int_equal(writes(s), 0); /* not before every kind has been seen */
		assert_false(s->manager.synced);
		list(s, kinds[k].resource->plural, items[k] ? items[k] : "");
	}
	settle(s);
	assert_true(s->manager.synced);
}

static int setup(void **state)
{
	struct script *s = calloc(1, sizeof(*s));

	s->port = (struct port){ .self = s, .send = script_send, .cancel = script_cancel, .monotonic_ms = script_mono,
				 .now = script_wall, .random = script_random };
	s->log = (struct log){ .fd = -1, .level = LOG_ERROR };
	s->settings.project_label = PROJECT_LABEL_DEFAULT;
	s->mono = 1000;
	s->wall = 1795341980000; /* 2026-11-22T10:06:20Z */
	manager_init(&s->manager, &(struct manager_config){ .port = &s->port, .settings = &s->settings, .log = &s->log,
							    .source = "https://test", .max_concurrent_writes = 8,
							    .cache_sync_timeout_ms = 120000, .watch_idle_timeout_ms = 150000,
							    .leads = script_leads, .leads_context = s });
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct script *s = *state;

	manager_close(&s->manager);
	for (unsigned i = 0; i < CALLS_MAX; i++)
		assert_null(s->calls[i]); /* all cancelled */
	free(s);
	return 0;
}

/* ---- the rules ---- */

static void finalizer_first_then_status_each_on_what_was_written(void **state)
{
	struct script *s = *state;
	struct call *call;

	begin(s, "", ACCOUNT("1", "", ""), "");
	assert_int_equal(writes(s), 1);
	call = expect(s, "PATCH", "/namespaces/acme/billingaccounts/main");
	assert_string_equal(call->content_type, "application/json-patch+json");
	assert_non_null(strstr(call->body, "billing.miloapis.com/billing-account"));
	answer(s, call, 200, 0, ACCOUNT("2", HELD, ""));
	settle(s);
	call = expect(s, "PATCH", "/namespaces/acme/billingaccounts/main/status");
	assert_string_equal(call->content_type, "application/merge-patch+json");
	assert_non_null(strstr(call->body, "\"resourceVersion\":\"2\"")); /* guarded by what it was decided on */
	assert_non_null(strstr(call->body, "\"phase\":\"Ready\""));
	assert_null(strstr(call->body, "currencyCode")); /* nothing but what we own */
}

/* The account as its own status write would leave it: taken from the patch itself would prove nothing, so spelled out. */
#define CONDITION(type, status, reason, message) \
	"{\"type\":\"" type "\",\"status\":\"" status "\",\"reason\":\"" reason "\",\"message\":\"" message \
	"\",\"lastTransitionTime\":\"2026-11-22T10:00:01Z\",\"observedGeneration\":1}"
#define NOT_CONFIGURED "No default payment method is set: name one in spec.defaultPaymentMethodRef."
#define CONVERGED \
	",\"status\":{\"phase\":\"Ready\",\"observedGeneration\":1,\"linkedProjectsCount\":0,\"actionRequiredCount\":0,\"outstandingAmount\":\"0.00\",\"conditions\":[" CONDITION( \
		"Ready", "True", "BillingAccountReady", "Billing account is ready.") "," CONDITION("DefaultPaymentMethodReady", "False", \
											       "NotConfigured", NOT_CONFIGURED) "," \
	CONDITION("InvoicingReady", "True", "NoInvoicesYet", "No invoices yet.") "," CONDITION("PaymentReady", "False", "NotConfigured", \
											 NOT_CONFIGURED) "]}"

static void a_sweep_reaches_everything_and_fills_the_queue_with_little(void **state)
{
	struct script *s = *state;
	const char *items = NAMESPACE("a", "", "1") "," NAMESPACE("b", "", "2") "," NAMESPACE("c", "", "3") "," NAMESPACE("d", "", "4") ","
		NAMESPACE("e", "", "5") "," NAMESPACE("f", "", "6") "," NAMESPACE("shop", PROJECT, "7");

	s->manager.config.sweep_ahead = 2;
	manager_start(&s->manager);
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		settle(s);
		list(s, kinds[k].resource->plural, k == KIND_NAMESPACE ? items : k == KIND_BILLINGACCOUNT ? ACCOUNT("9", HELD, CONVERGED) : "");
	}
	do
		assert_in_range(queue_stats(s->manager.queue, s->mono).depth, 0, 3); /* and one that is not there yet */
	while (manager_drain(&s->manager) == 0);
	assert_false(manager_is_behind(&s->manager));
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_NAMESPACE], 7);
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], 1);
	expect(s, "POST", "/namespaces/shop/projectbillings"); /* nothing but the namespace could tell of it */
	expect(s, "PATCH", "/namespaces/shop");
}

static void a_converged_account_is_not_written_to(void **state)
{
	struct script *s = *state;

	begin(s, "", ACCOUNT("9", HELD, CONVERGED), "");
	assert_int_equal(writes(s), 0);
	stream(s, "billingaccounts", "MODIFIED", ACCOUNT("10", HELD ",\"labels\":{\"a\":\"b\"}", CONVERGED));
	settle(s);
	assert_int_equal(writes(s), 0);
}

static void a_lost_answer_is_looked_up_before_the_write_is_repeated(void **state)
{
	struct script *s = *state;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	lose(s, expect(s, "PATCH", "/billingaccounts/main/status"));
	settle(s);
	assert_null(find(s, "PATCH", "main")); /* the server is given a moment */
	pass(s, 10000);
	settle(s);
	assert_null(find(s, "PATCH", "main"));
	/* it had been applied after all: nothing is left to write */
	answer(s, expect(s, "GET", "/namespaces/acme/billingaccounts/main"), 200, 0, ACCOUNT("5", HELD, CONVERGED));
	settle(s);
	assert_int_equal(writes(s), 1);
}

static void a_conflict_is_decided_anew_on_the_fresh_object(void **state)
{
	struct script *s = *state;
	struct call *call;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	answer(s, expect(s, "PATCH", "/billingaccounts/main/status"), 409, 0,
	       "{\"kind\":\"Status\",\"code\":409,\"reason\":\"Conflict\",\"message\":\"modified\"}");
	pass(s, 100);
	settle(s);
	/* meanwhile staff suspended it: that sticks */
	answer(s, expect(s, "GET", "/billingaccounts/main"), 200, 0, ACCOUNT("7", HELD, ",\"status\":{\"phase\":\"Suspended\"}"));
	settle(s);
	call = expect(s, "PATCH", "/billingaccounts/main/status");
	assert_non_null(strstr(call->body, "\"resourceVersion\":\"7\""));
	assert_null(strstr(call->body, "\"phase\""));
	assert_non_null(strstr(call->body, "Billing account is in Suspended phase."));
}

/* Refused for good: the reads in between succeed, and must not start the back-off anew. */
static void a_write_that_is_always_refused_slows_down(void **state)
{
	struct script *s = *state;
	int tries = 0;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	for (int64_t end = s->mono + 60000; s->mono < end; pass(s, 5)) {
		struct call *call = find(s, "PATCH", "/billingaccounts/main/status");

		if (call) {
			tries++;
			answer(s, call, 422, 0, "{\"kind\":\"Status\",\"code\":422,\"reason\":\"Invalid\",\"message\":\"policy says no\"}");
		}
		call = find(s, "GET", "/billingaccounts/main");
		if (call)
			answer(s, call, 200, 0, ACCOUNT("1", HELD, ""));
		settle(s);
	}
	assert_in_range(tries, 10, 16); /* 5 ms, 10, 20 ... in a minute */
}

static void an_answer_about_another_object_is_not_believed(void **state)
{
	struct script *s = *state;
	struct cache_stats stats;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	answer(s, expect(s, "PATCH", "/billingaccounts/main/status"), 200, 0,
	       OBJECT("BillingAccount", META("other", "acme", "9", ""), ",\"spec\":{\"currencyCode\":\"EUR\"}"));
	cache_stats(s->manager.cache, &stats);
	assert_int_equal(stats.objects[KIND_BILLINGACCOUNT], 1);
	pass(s, 10000);
	settle(s);
	expect(s, "GET", "/namespaces/acme/billingaccounts/main");
}

static void retry_after_is_kept_to(void **state)
{
	struct script *s = *state;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	answer(s, expect(s, "PATCH", "/billingaccounts/main/status"), 429, 3000,
	       "{\"kind\":\"Status\",\"code\":429,\"reason\":\"TooManyRequests\",\"message\":\"slow down\"}");
	settle(s);
	pass(s, 2999);
	settle(s);
	assert_int_equal(writes(s), 1);
	pass(s, 1000);
	settle(s);
	assert_int_equal(writes(s), 2);
}

static void an_outage_does_not_wear_out_the_keys(void **state)
{
	struct script *s = *state;
	int64_t began;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	lose(s, expect(s, "PATCH", "/billingaccounts/main/status"));
	began = s->mono;
	for (int i = 0; i < 10000 && s->mono < began + 600000; i++) { /* ten minutes without an answer */
		struct call *call;

		settle(s);
		call = find(s, "GET", "/billingaccounts/main");
		if (call)
			lose(s, call);
		pass(s, 100);
	}
	pass(s, 5001); /* five seconds after it is over at the latest, the key is tried */
	settle(s);
	expect(s, "GET", "/billingaccounts/main");
}

static void a_project_gets_its_projectbilling_and_it_says_no(void **state)
{
	struct script *s = *state;
	struct call *call;

	begin(s, NAMESPACE("shop-prod", PROJECT, "3"), "", "");
	call = expect(s, "POST", "/namespaces/shop-prod/projectbillings");
	assert_non_null(strstr(call->body, "\"name\":\"shop\""));
	answer(s, call, 201, 0, OBJECT("ProjectBilling", META("shop", "shop-prod", "4", ""), ""));
	settle(s);
	call = expect(s, "PATCH", "/namespaces/shop-prod/projectbillings/shop/status");
	assert_non_null(strstr(call->body, "billing account required before deploy"));
	assert_non_null(strstr(call->body, "\"deployAllowed\":false"));
}

static void a_projectbilling_whose_project_left_is_deleted_by_uid(void **state)
{
	struct script *s = *state;
	struct call *call;

	begin(s, NAMESPACE("shop-prod", PROJECT, "3"), "", "");
	answer(s, expect(s, "POST", "/projectbillings"), 201, 0, OBJECT("ProjectBilling", META("shop", "shop-prod", "4", ""), ""));
	settle(s);
	answer(s, expect(s, "PATCH", "/projectbillings/shop/status"), 200, 0,
	       OBJECT("ProjectBilling", META("shop", "shop-prod", "5", ""), ""));
	stream(s, "namespaces", "MODIFIED", NAMESPACE("shop-prod", "", "6"));
	settle(s);
	call = expect(s, "DELETE", "/namespaces/shop-prod/projectbillings/shop");
	assert_non_null(strstr(call->body, "\"uid\":\"u-shop\""));
}

static void stopping_starts_nothing_and_lets_finish_what_is_under_way(void **state)
{
	struct script *s = *state;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	manager_stop(&s->manager);
	assert_false(manager_is_idle(&s->manager));
	answer(s, expect(s, "PATCH", "/billingaccounts/main/status"), 200, 0, ACCOUNT("2", HELD, ",\"status\":{\"phase\":\"Provisioning\"}"));
	settle(s);
	assert_true(manager_is_idle(&s->manager));
	assert_int_equal(writes(s), 1); /* what it found would be worth another write, but not now */
}

static void everything_is_looked_at_again_after_ten_hours(void **state)
{
	struct script *s = *state;
	uint64_t before;

	begin(s, "", ACCOUNT("9", HELD, CONVERGED), "");
	before = s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT];
	pass(s, (int64_t)8 * 3600 * 1000);
	settle(s);
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], before);
	pass(s, (int64_t)3 * 3600 * 1000 + 1);
	settle(s);
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], before + 1);
	assert_int_equal(writes(s), 0);
}

/* ---- one of several replicas ---- */

/* All kinds' lists, one by one: nothing is decided before the last. */
static void list_anew(struct script *s, const char *namespaces, const char *accounts)
{
	const char *items[KIND_COUNT] = { [KIND_NAMESPACE] = namespaces, [KIND_BILLINGACCOUNT] = accounts };

	for (unsigned k = 0; k < KIND_COUNT; k++) {
		assert_false(s->manager.deciding);
		list(s, kinds[k].resource->plural, items[k] ? items[k] : "");
		settle(s);
	}
}

static void a_follower_keeps_its_caches_and_decides_when_it_leads(void **state)
{
	struct script *s = *state;

	s->follows = true;
	begin(s, "", ACCOUNT("1", HELD, ""), ""); /* synced all the same */
	assert_false(s->manager.deciding);
	assert_int_equal(writes(s), 0);
	stream(s, "billingaccounts", "MODIFIED", ACCOUNT("7", HELD, ""));
	stream(s, "namespaces", "ADDED", NAMESPACE("shop-prod", PROJECT, "60"));
	settle(s);
	assert_int_equal(queue_stats(s->manager.queue, s->mono).keys, 0); /* nothing waits for a day that may not come */
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], 0);
	s->follows = false;
	settle(s);
	assert_int_equal(writes(s), 0); /* its watches may be behind what the leader before it wrote */
	list_anew(s, NAMESPACE("shop-prod", PROJECT, "60"), ACCOUNT("7", HELD, ""));
	assert_true(s->manager.deciding);
	/* What is there as of now. */
	assert_non_null(strstr(expect(s, "PATCH", "/billingaccounts/main/status")->body, "\"resourceVersion\":\"7\""));
	expect(s, "POST", "/namespaces/shop-prod/projectbillings");
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		assert_int_equal(s->manager.informers[k].stats.lists, 2);
		assert_int_equal(s->manager.informers[k].stats.watches, 2);
	}
}

static void a_follower_is_not_woken_by_resync_or_clock(void **state)
{
	struct script *s = *state;

	s->follows = true;
	begin(s, "", ACCOUNT("1", HELD, ""), "");
	pass(s, (int64_t)24 * 3600 * 1000);
	settle(s);
	s->wall -= 3600 * 1000;
	settle(s);
	assert_int_equal(queue_stats(s->manager.queue, s->mono).keys, 0);
	assert_int_equal(writes(s), 0);
}

/* An object that cannot be read is in no cache that the new leader could look through. */
static void a_follower_remembers_what_cannot_be_read(void **state)
{
	struct script *s = *state;

	s->follows = true;
	begin(s, "", ACCOUNT("1", HELD, ""), "");
	stream(s, "billingaccounts", "MODIFIED", OBJECT("BillingAccount", META("main", "acme", "2", HELD), ",\"spec\":{\"currencyCode\":7}"));
	settle(s);
	assert_null(find(s, "GET", "/namespaces/acme/billingaccounts/main"));
	s->follows = false;
	settle(s);
	list_anew(s, "", OBJECT("BillingAccount", META("main", "acme", "2", HELD), ",\"spec\":{\"currencyCode\":7}"));
	expect(s, "GET", "/namespaces/acme/billingaccounts/main");
}

static void who_does_not_lead_any_more_begins_nothing(void **state)
{
	struct script *s = *state;

	begin(s, "", ACCOUNT("1", HELD, ""), "");
	assert_int_equal(writes(s), 1);
	s->follows = true;
	answer(s, expect(s, "PATCH", "/billingaccounts/main/status"), 200, 0, ACCOUNT("2", HELD, ",\"status\":{\"phase\":\"Provisioning\"}"));
	stream(s, "namespaces", "ADDED", NAMESPACE("shop-prod", PROJECT, "60"));
	settle(s);
	assert_int_equal(writes(s), 1);
}

static void who_stops_before_it_leads_never_decides(void **state)
{
	struct script *s = *state;

	s->follows = true;
	begin(s, "", ACCOUNT("1", HELD, ""), "");
	manager_stop(&s->manager);
	s->follows = false;
	settle(s);
	assert_int_equal(writes(s), 0);
}

/* ---- owners ---- */

#define TERMS(version, status) \
	OBJECT("BillingArrangement", META("terms", "acme", version, ""), \
	       ",\"spec\":{\"billingAccountRef\":{\"name\":\"main\"},\"type\":\"Invoice\"}" status)
#define IN_FORCE \
	",\"status\":{\"phase\":\"Active\",\"observedGeneration\":1,\"conditions\":[" CONDITION("Active", "True", "Active", "In force.") "]}"

/* The status goes first: the owner's write may be refused for as long as another manager holds the field. */
static void an_owner_is_added_after_the_status_and_holds_nothing_up(void **state)
{
	struct script *s = *state;
	struct call *call;

	begin(s, "", ACCOUNT("9", HELD, CONVERGED), "");
	stream(s, "billingarrangements", "ADDED", TERMS("20", ""));
	settle(s);
	call = expect(s, "PATCH", "/billingarrangements/terms/status");
	answer(s, call, 200, 0, TERMS("21", IN_FORCE));
	settle(s);
	call = expect(s, "PATCH", "/billingarrangements/terms?fieldManager=tollgate");
	assert_string_equal(call->content_type, "application/apply-patch+yaml");
	assert_non_null(strstr(call->body, "\"resourceVersion\":\"21\""));
	assert_non_null(strstr(call->body, "\"kind\":\"BillingAccount\",\"name\":\"main\",\"uid\":\"u-main\""));
	assert_null(strstr(call->body, "controller"));
	answer(s, call, 409, 0, "{\"kind\":\"Status\",\"message\":\"conflict with manager \\\"other\\\"\",\"reason\":\"Conflict\",\"code\":409}");
	pass(s, 10);
	settle(s);
	answer(s, expect(s, "GET", "/billingarrangements/terms"), 200, 0, TERMS("21", IN_FORCE));
	stream(s, "billingarrangements", "MODIFIED", TERMS("21", IN_FORCE));
	stream(s, "billingarrangements", "MODIFIED",
	       OBJECT("BillingArrangement", META("terms", "acme", "22", ""),
		      ",\"spec\":{\"billingAccountRef\":{\"name\":\"main\"},\"type\":\"Invoice\",\"endsAt\":\"2026-11-22T10:00:01Z\"}" IN_FORCE));
	for (int i = 0; i < 20 && !find(s, "PATCH", "/billingarrangements/terms/status"); i++) {
		pass(s, 100);
		settle(s);
	}
	assert_non_null(strstr(expect(s, "PATCH", "/billingarrangements/terms/status")->body, "\"phase\":\"Ended\""));
}

/* ---- moments of the wall clock ---- */

#define INVOICE(version, status) \
	OBJECT("Invoice", META("main-2026-10", "acme", version, ",\"ownerReferences\":[{\"apiVersion\":\"billing.miloapis.com/v1alpha1\"," \
	       "\"kind\":\"BillingAccount\",\"name\":\"main\",\"uid\":\"u-main\"}]"), \
	       ",\"spec\":{\"billingAccountRef\":{\"name\":\"main\"}," \
	       "\"period\":{\"start\":\"2026-10-01T00:00:00Z\",\"end\":\"2026-10-31T23:59:59Z\"}}" status)
#define OPEN_UNTIL(due) \
	",\"status\":{\"phase\":\"Open\",\"category\":\"Upcoming\",\"currencyCode\":\"EUR\",\"amountDue\":\"5.00\",\"dueDate\":\"" due \
	"\",\"observedGeneration\":1,\"conditions\":[" CONDITION("Ready", "True", "InvoiceReady", \
							      "The invoice is open and due at " due ".") "]}"

/* A world at rest with an open invoice that is due at that moment. */
static void begin_with_invoice(struct script *s, const char *status)
{
	begin(s, "", ACCOUNT("9", HELD, ""), "");
	answer(s, expect(s, "PATCH", "/billingaccounts/main/status"), 200, 0, ACCOUNT("10", HELD, CONVERGED));
	stream(s, "invoices", "ADDED", status);
	settle(s);
}

static void an_invoice_falls_due_at_its_moment_and_not_before(void **state)
{
	static const char *const due = "2026-11-22T12:00:00Z";
	struct script *s = *state;
	instant_t moment;

	assert_int_equal(instant_parse(due, strlen(due), &moment), 0);
	s->wall = moment - 3600 * 1000;
	begin_with_invoice(s, INVOICE("20", OPEN_UNTIL("2026-11-22T12:00:00Z")));
	assert_null(find(s, "PATCH", "/invoices/"));
	assert_int_equal(manager_wakes_at(&s->manager), moment);
	pass(s, 3600 * 1000 - 1);
	settle(s);
	assert_null(find(s, "PATCH", "/invoices/"));
	pass(s, 1);
	settle(s);
	assert_non_null(strstr(expect(s, "PATCH", "/invoices/main-2026-10/status")->body, "\"phase\":\"PastDue\""));
}

static void a_clock_set_forwards_makes_moments_due(void **state)
{
	struct script *s = *state;

	begin_with_invoice(s, INVOICE("20", OPEN_UNTIL("2026-11-29T12:00:00Z")));
	s->wall += (instant_t)30 * 86400 * 1000;
	settle(s);
	assert_non_null(strstr(expect(s, "PATCH", "/invoices/main-2026-10/status")->body, "\"phase\":\"PastDue\""));
}

/* What a clock that was ahead has decided is decided anew when it is set back, although nothing waits for it any more. */
static void a_clock_set_back_has_everything_decided_anew(void **state)
{
	struct script *s = *state;
	uint64_t before;

	begin(s, "", ACCOUNT("9", HELD, CONVERGED), "");
	before = s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT];
	s->wall -= 900; /* less than anybody notices */
	settle(s);
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], before);
	s->wall -= 2000;
	settle(s);
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], before + 1);
	settle(s);
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], before + 1); /* once */
	for (int i = 0; i < 3; i++) { /* slewed: no step is worth a word, all together are */
		s->wall -= 400;
		settle(s);
	}
	assert_int_equal(s->manager.dispatch.stats.reconciles[KIND_BILLINGACCOUNT], before + 2);
}

static void a_list_that_never_ends_is_fatal_after_the_timeout(void **state)
{
	struct script *s = *state;

	manager_start(&s->manager);
	list(s, "namespaces", "");
	pass(s, 119000);
	settle(s);
	assert_false(s->manager.failed);
	pass(s, 2000);
	settle(s);
	assert_true(s->manager.failed);
}

static void missing_definitions_are_waited_for(void **state)
{
	struct script *s = *state;

	manager_start(&s->manager);
	list(s, "namespaces", "");
	for (int round = 0; round < 200; round++) { /* far longer than the sync timeout */
		for (unsigned k = KIND_NAMESPACE + 1; k < KIND_COUNT; k++) {
			char path[64];
			struct call *call;

			snprintf(path, sizeof(path), "/%s?limit=", kinds[k].resource->plural);
			call = find(s, "GET", path);
			if (call)
				answer(s, call, 404, 0, "404 page not found\n");
		}
		pass(s, 2000);
		settle(s);
	}
	assert_false(s->manager.failed);
	for (unsigned k = KIND_NAMESPACE + 1; k < KIND_COUNT; k++)
		list(s, kinds[k].resource->plural, "");
	settle(s);
	assert_true(s->manager.synced);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(finalizer_first_then_status_each_on_what_was_written),
		CASE(a_converged_account_is_not_written_to),
		CASE(a_lost_answer_is_looked_up_before_the_write_is_repeated),
		CASE(a_conflict_is_decided_anew_on_the_fresh_object),
		CASE(a_write_that_is_always_refused_slows_down),
		CASE(an_answer_about_another_object_is_not_believed),
		CASE(retry_after_is_kept_to),
		CASE(an_outage_does_not_wear_out_the_keys),
		CASE(a_project_gets_its_projectbilling_and_it_says_no),
		CASE(a_projectbilling_whose_project_left_is_deleted_by_uid),
		CASE(stopping_starts_nothing_and_lets_finish_what_is_under_way),
		CASE(everything_is_looked_at_again_after_ten_hours),
		CASE(a_follower_keeps_its_caches_and_decides_when_it_leads),
		CASE(a_follower_is_not_woken_by_resync_or_clock),
		CASE(a_follower_remembers_what_cannot_be_read),
		CASE(who_does_not_lead_any_more_begins_nothing),
		CASE(who_stops_before_it_leads_never_decides),
		CASE(an_owner_is_added_after_the_status_and_holds_nothing_up),
		CASE(a_sweep_reaches_everything_and_fills_the_queue_with_little),
		CASE(an_invoice_falls_due_at_its_moment_and_not_before),
		CASE(a_clock_set_forwards_makes_moments_due),
		CASE(a_clock_set_back_has_everything_decided_anew),
		CASE(a_list_that_never_ends_is_fatal_after_the_timeout),
		CASE(missing_definitions_are_waited_for),
	};

	return cmocka_run_group_tests_name("manager", tests, NULL, NULL);
}
