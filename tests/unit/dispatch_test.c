/*
 * dispatch.c and writer.c around the real cache, queue and recorder, with an API server of a few accounts behind the port: when events are
 * told, what is logged and counted, and how requests are held to a rate. The clock is the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "billingaccount.h"
#include "dispatch.h"
#include "kind.h"
#include "memory.h"

#define ACCOUNTS "/apis/billing.miloapis.com/v1alpha1/namespaces/acme/billingaccounts/"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/acme/events"
#define SECOND ((int64_t)1000)

enum { CALLS_MAX = 600, WRITES_MAX = 512, BUDGET_MS = 1000 };

struct call {
	char method[8], path[256], type[48];
	char *body;
	struct reply reply;
};

struct rig {
	struct port port;
	struct log log;
	struct settings settings;
	struct atoms *atoms;
	struct codec *codec;
	struct cache *cache;
	struct queue *queue;
	struct dispatch dispatch;
	struct recorder *recorder;
	struct call *calls[CALLS_MAX];
	unsigned n_calls;
	json_t *accounts; /* as stored */
	json_t *events;   /* bodies, in order */
	unsigned version;
	int64_t mono;
};

static struct call *rig_send(void *self, const struct request *request, const struct reply *reply)
{
	struct rig *rig = self;
	struct call *call = memory_alloc(sizeof(*call));

	snprintf(call->method, sizeof(call->method), "%s", request->method);
	snprintf(call->path, sizeof(call->path), "%s", request->path);
	snprintf(call->type, sizeof(call->type), "%s", request->content_type ? request->content_type : "");
	call->body = memory_strndup(request->body ? request->body : "", request->body_len);
	call->reply = *reply;
	assert_true(rig->n_calls < CALLS_MAX);
	rig->calls[rig->n_calls++] = call;
	return call;
}

static void rig_cancel(void *self, struct call *call)
{
	struct rig *rig = self;
	unsigned i = 0;

	while (rig->calls[i] != call)
		i++;
	rig->calls[i] = rig->calls[--rig->n_calls];
	free(call->body);
	free(call);
}

static int64_t rig_mono(void *self)
{
	return ((struct rig *)self)->mono;
}

static instant_t rig_wall(void *self)
{
	return 1795341980000 + ((struct rig *)self)->mono;
}

static uint64_t rig_random(void *self)
{
	(void)self;
	return 0xABCD1234;
}

static void on_changed(void *context, enum kind_id kind, const void *old, const void *new)
{
	struct rig *rig = context;
	const struct object *any = new ? new : old;

	queue_add(rig->queue, (struct key){ .kind = (uint8_t)kind, .ns = any->ns, .name = any->name }, PRIORITY_HIGH, rig->mono);
}

static void on_doubtful(void *context, struct key key)
{
	struct rig *rig = context;

	queue_add(rig->queue, key, PRIORITY_HIGH, rig->mono);
}

static bool ask_nobody(const struct provider_request *request, struct provider_result *result)
{
	(void)request, (void)result;
	return false;
}

static int setup(void **state)
{
	struct rig *rig = memory_alloc(sizeof(*rig));

	rig->port = (struct port){ .self = rig, .send = rig_send, .cancel = rig_cancel, .monotonic_ms = rig_mono, .now = rig_wall,
				   .random = rig_random };
	rig->log = (struct log){ .fd = memfd_create("log", 0), .level = LOG_INFO, .format = LOG_JSON };
	rig->settings.project_label = "project";
	rig->mono = 1000;
	rig->atoms = atoms_new();
	rig->codec = codec_new(rig->atoms, rig->settings.project_label);
	rig->cache = cache_new(rig->atoms, rig->codec, &rig->settings, (struct cache_listener){ rig, on_changed, on_doubtful });
	rig->queue = queue_new(rig->atoms);
	dispatch_init(&rig->dispatch, &rig->port, rig->cache, rig->queue, &rig->log, ask_nobody);
	rig->dispatch.writer = writer_new(&rig->port, rig->cache, rig->codec, rig->atoms, WRITES_MAX,
					  (struct writer_listener){ &rig->dispatch, dispatch_finished });
	rig->dispatch.open = true;
	rig->recorder = recorder_new(&(struct recorder_config){ .port = &rig->port, .log = &rig->log, .instance = "test" });
	rig->dispatch.recorder = rig->recorder;
	rig->accounts = json_object();
	rig->events = json_array();
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	writer_free(rig->dispatch.writer);
	recorder_free(rig->recorder);
	dispatch_close(&rig->dispatch);
	queue_free(rig->queue);
	cache_free(rig->cache);
	codec_free(rig->codec);
	atoms_free(rig->atoms);
	assert_int_equal(rig->n_calls, 0); /* all cancelled */
	json_decref(rig->accounts);
	json_decref(rig->events);
	close(rig->log.fd);
	free(rig);
	return 0;
}

/* ---- the server ---- */

static json_t *touch(struct rig *rig, json_t *account)
{
	char version[16];

	snprintf(version, sizeof(version), "%u", ++rig->version);
	json_object_set_new(json_object_get(account, "metadata"), "resourceVersion", json_string(version));
	return account;
}

/* The watch brings the account as it is stored. */
static void watch(struct rig *rig, const char *name)
{
	char *text = json_dumps(json_object_get(rig->accounts, name), 0);
	struct error err;
	void *record = record_decode(rig->codec, kinds[KIND_BILLINGACCOUNT].resource, text, strlen(text), &err);

	assert_non_null(record);
	cache_put(rig->cache, KIND_BILLINGACCOUNT, record);
	free(text);
}

/* phase NULL: nobody has written a status yet. */
static void put_account(struct rig *rig, const char *name, const char *phase, bool held)
{
	json_t *account = json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s,s:i},s:{s:s},s:{s:s*}}", "apiVersion", "billing.miloapis.com/v1alpha1", "kind",
				    "BillingAccount", "metadata", "namespace", "acme", "name", name, "uid", "u-1", "creationTimestamp",
				    "2026-11-22T10:00:00Z", "generation", 1, "spec", "currencyCode", "EUR", "status", "phase", phase);

	if (held)
		json_object_set_new(json_object_get(account, "metadata"), "finalizers", json_pack("[s]", ACCOUNT_FINALIZER));
	json_object_set_new(rig->accounts, name, touch(rig, account));
	watch(rig, name);
}

static void run(struct rig *rig)
{
	while (dispatch_run(&rig->dispatch, BUDGET_MS))
		;
}

/* The one request about an account that is under way. */
static struct call *expect(struct rig *rig, const char *method, const char *path)
{
	for (unsigned i = 0; i < rig->n_calls; i++)
		if (strcmp(rig->calls[i]->method, method) == 0 && strcmp(rig->calls[i]->path, path) == 0)
			return rig->calls[i];
	fail_msg("no %s %s", method, path);
	return NULL;
}

static void finish(struct rig *rig, struct call *call, int status, const char *body)
{
	struct reply reply = call->reply;

	rig_cancel(rig, call);
	assert_int_equal(reply.on_data(reply.context, status, body, strlen(body)), 0);
	reply.on_done(reply.context, status, 0, NULL);
}

/* The server does what the call asks; the account as it is then. */
static json_t *apply(struct rig *rig, const struct call *call)
{
	char name[64] = "";

	assert_int_equal(sscanf(call->path, ACCOUNTS "%63[^/]", name), 1);
	json_t *account = json_object_get(rig->accounts, name), *patch = json_loads(call->body, 0, NULL);
	if (strcmp(call->type, "application/json-patch+json") == 0)
		json_object_set_new(json_object_get(account, "metadata"), "finalizers", json_pack("[s]", ACCOUNT_FINALIZER));
	else if (patch)
		json_object_update_recursive(json_object_get(account, "status"), json_object_get(patch, "status"));
	if (patch)
		touch(rig, account);
	json_decref(patch);
	return account;
}

static void accept(struct rig *rig, struct call *call)
{
	char *text = json_dumps(apply(rig, call), JSON_COMPACT);

	finish(rig, call, 200, text);
	free(text);
}

static void refuse(struct rig *rig, struct call *call, int status)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"kind\":\"Status\",\"code\":%d,\"message\":\"because of %u\"}", status, rig->version++);
	finish(rig, call, status, body);
}

static void lose(struct rig *rig, struct call *call)
{
	static const struct error broken = { .class = ERROR_RETRY, .message = "connection reset" };
	struct reply reply = call->reply;

	rig_cancel(rig, call);
	reply.on_done(reply.context, 0, 0, &broken);
}

/* How many lines there are with that in them, and the last of these. */
static unsigned lines_with(const struct rig *rig, const char *part, json_t **last)
{
	static char text[1 << 20];
	ssize_t len = pread(rig->log.fd, text, sizeof(text) - 1, 0);
	unsigned n = 0;

	text[len > 0 ? len : 0] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, part)) {
			n++;
			if (last) {
				json_decref(*last);
				*last = json_loads(line, 0, NULL);
			}
		}
	return n;
}

static const char *member(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

static void expect_told(const struct rig *rig, unsigned n)
{
	assert_int_equal(recorder_stats(rig->recorder).waiting, n);
	assert_int_equal(lines_with(rig, "\"reason\":\"Suspended\"", NULL), n);
}

/* ---- events ---- */

static void an_event_is_told_once_its_status_is_written_and_not_before(void **state)
{
	struct rig *rig = *state;
	json_t *line = NULL;

	put_account(rig, "main", "Suspended", false);
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main")); /* the finalizer goes first, and tells nothing */
	expect_told(rig, 0);
	run(rig);
	struct call *call = expect(rig, "PATCH", ACCOUNTS "main/status");
	expect_told(rig, 0);
	accept(rig, call);
	expect_told(rig, 1);
	watch(rig, "main");
	run(rig);
	assert_int_equal(rig->n_calls, 0); /* at rest */
	expect_told(rig, 1);

	lines_with(rig, "\"reason\":\"Suspended\"", &line);
	assert_string_equal(member(line, "level"), "info");
	assert_string_equal(member(line, "controller"), "billingaccount");
	assert_string_equal(member(line, "namespace"), "acme");
	assert_string_equal(member(line, "name"), "main");
	assert_string_equal(member(line, "reconcileID"), "abcd1234-2");
	assert_null(json_object_get(line, "kind"));
	json_decref(line);

	recorder_tick(rig->recorder, false);
	json_t *event = json_loads(expect(rig, "POST", EVENTS)->body, 0, NULL);
	const json_t *regarding = json_object_get(event, "regarding");
	assert_string_equal(member(event, "reason"), "Suspended");
	assert_string_equal(member(regarding, "kind"), "BillingAccount");
	assert_string_equal(member(regarding, "apiVersion"), "billing.miloapis.com/v1alpha1");
	assert_string_equal(member(regarding, "namespace"), "acme");
	assert_string_equal(member(regarding, "name"), "main");
	assert_string_equal(member(regarding, "uid"), "u-1");
	json_decref(event);
}

static void without_a_recorder_the_log_alone_tells(void **state)
{
	struct rig *rig = *state;

	rig->dispatch.recorder = NULL;
	put_account(rig, "main", "Suspended", true);
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main/status"));
	assert_int_equal(lines_with(rig, "\"reason\":\"Suspended\"", NULL), 1);
	assert_true(recorder_is_idle(rig->recorder));
}

/* What was decided on an old version never came true. */
static void a_conflict_tells_nothing(void **state)
{
	struct rig *rig = *state;

	put_account(rig, "main", "Suspended", true);
	run(rig);
	json_object_set_new(json_object_get(json_object_get(rig->accounts, "main"), "status"), "phase", json_string("Ready"));
	touch(rig, json_object_get(rig->accounts, "main"));
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "main/status"), 409);
	rig->mono += SECOND;
	run(rig);
	accept(rig, expect(rig, "GET", ACCOUNTS "main"));
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main/status"));
	run(rig);
	expect_told(rig, 0);
}

static void a_conflict_that_changes_nothing_tells_once(void **state)
{
	struct rig *rig = *state;

	put_account(rig, "main", "Suspended", true);
	run(rig);
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "main/status"), 409);
	rig->mono += SECOND;
	run(rig);
	accept(rig, expect(rig, "GET", ACCOUNTS "main"));
	expect_told(rig, 0);
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main/status"));
	run(rig);
	expect_told(rig, 1);
}

/* Carried out or not: once at most, and if it was not, once. */
static void a_lost_answer_invents_no_event(void **state)
{
	struct rig *rig = *state;

	for (unsigned applied = 0; applied < 2; applied++) {
		put_account(rig, applied ? "two" : "one", "Suspended", true);
		run(rig);
		struct call *call = expect(rig, "PATCH", applied ? ACCOUNTS "two/status" : ACCOUNTS "one/status");
		if (applied)
			apply(rig, call);
		lose(rig, call);
		rig->mono += 10 * SECOND;
		run(rig);
		accept(rig, expect(rig, "GET", applied ? ACCOUNTS "two" : ACCOUNTS "one"));
		expect_told(rig, applied); /* of the first round */
		run(rig);
		if (!applied)
			accept(rig, expect(rig, "PATCH", ACCOUNTS "one/status"));
		run(rig);
		expect_told(rig, 1);
	}
}

/* ---- answers that are known ---- */

/* With a body that could not even be decoded, but for its head. */
static void answer_with_head(struct rig *rig, struct call *call, const char *name, unsigned version)
{
	char body[160];

	snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"acme\",\"resourceVersion\":\"%u\"}}", name, version);
	finish(rig, call, 200, body);
}

static void an_answer_that_the_watch_was_faster_than_is_not_decoded(void **state)
{
	struct rig *rig = *state;

	put_account(rig, "main", "Suspended", true);
	run(rig);
	struct call *call = expect(rig, "PATCH", ACCOUNTS "main/status");
	apply(rig, call);
	watch(rig, "main");
	answer_with_head(rig, call, "main", rig->version);
	assert_int_equal(writer_stats(rig->dispatch.writer)->known, 1);
	assert_int_equal(writer_stats(rig->dispatch.writer)->failed[WRITE_STATUS], 0);
	expect_told(rig, 1);
	run(rig);
	assert_int_equal(rig->n_calls, 0); /* at rest */
}

static void an_answer_that_changed_nothing_is_said_undecoded(void **state)
{
	struct rig *rig = *state;

	put_account(rig, "main", "Suspended", true);
	run(rig);
	answer_with_head(rig, expect(rig, "PATCH", ACCOUNTS "main/status"), "main", rig->version);
	assert_int_equal(writer_stats(rig->dispatch.writer)->known, 1);
	assert_int_equal(writer_stats(rig->dispatch.writer)->failed[WRITE_STATUS], 1);
	assert_int_equal(lines_with(rig, "changed nothing", NULL), 1);
}

static void an_answer_about_another_object_is_none_that_is_known(void **state)
{
	struct rig *rig = *state;

	put_account(rig, "main", "Suspended", true);
	run(rig);
	answer_with_head(rig, expect(rig, "PATCH", ACCOUNTS "main/status"), "mai", rig->version);
	assert_int_equal(writer_stats(rig->dispatch.writer)->known, 0);
	assert_int_equal(writer_stats(rig->dispatch.writer)->failed[WRITE_STATUS], 1);
	expect_told(rig, 0);
}

/* ---- answers that say what was asked for ---- */

/* To the first status of a new account, which the server writes down with that format and, at will, not quite as asked. */
static const struct account_status *answer_to_first_status(struct rig *rig, size_t format, bool otherwise, const char *behind)
{
	put_account(rig, "main", NULL, true);
	run(rig);
	struct call *call = expect(rig, "PATCH", ACCOUNTS "main/status");
	json_t *account = apply(rig, call), *status = json_object_get(account, "status");

	if (otherwise)
		json_object_set_new(status, "phase", json_string("Suspended"));
	char *text = json_dumps(account, format), *body = memory_printf("%s%s", text, behind);
	finish(rig, call, 200, body);
	free(body);
	free(text);
	const atom_t ns = atom_find(rig->atoms, "acme", 4), name = atom_find(rig->atoms, "main", 4);
	const struct billingaccount *held = view_get(cache_view(rig->cache), KIND_BILLINGACCOUNT, ns, name);
	char version[16];

	snprintf(version, sizeof(version), "%u", rig->version);
	assert_string_equal(held->meta.resource_version, version);
	assert_int_equal(writer_stats(rig->dispatch.writer)->failed[WRITE_STATUS], 0);
	return &held->status;
}

static void an_answer_that_says_what_was_asked_for_is_not_decoded(void **state)
{
	struct rig *rig = *state;
	const struct account_status *held = answer_to_first_status(rig, JSON_COMPACT, false, "\n");
	char *text = json_dumps(json_object_get(rig->accounts, "main"), 0);
	struct error err;
	struct billingaccount *shown = record_decode(rig->codec, kinds[KIND_BILLINGACCOUNT].resource, text, strlen(text), &err);

	assert_int_equal(writer_stats(rig->dispatch.writer)->foreseen, 1);
	assert_int_not_equal(held->phase, 0);
	assert_true(status_equal(kinds[KIND_BILLINGACCOUNT].resource, held, &shown->status));
	record_free(rig->codec, kinds[KIND_BILLINGACCOUNT].resource, shown);
	free(text);
	run(rig);
	assert_int_equal(rig->n_calls, 0); /* at rest */
}

static void an_answer_that_says_something_else_is_decoded(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(answer_to_first_status(rig, JSON_COMPACT, true, "")->phase, ACCOUNT_SUSPENDED);
	assert_int_equal(writer_stats(rig->dispatch.writer)->foreseen, 0);
}

static void an_answer_in_another_order_is_decoded(void **state)
{
	struct rig *rig = *state;

	assert_int_not_equal(answer_to_first_status(rig, JSON_INDENT(1), false, "")->phase, 0);
	assert_int_equal(writer_stats(rig->dispatch.writer)->foreseen, 0);
}

/* Then the patch says only what differs, and the answer more than that. */
static void an_answer_to_a_later_status_is_decoded(void **state)
{
	struct rig *rig = *state;

	put_account(rig, "main", "Suspended", true);
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main/status"));
	assert_int_equal(writer_stats(rig->dispatch.writer)->foreseen, 0);
	assert_int_equal(writer_stats(rig->dispatch.writer)->failed[WRITE_STATUS], 0);
}

/* ---- lines about failures ---- */

static void the_same_failure_is_said_once_in_ten_seconds(void **state)
{
	struct rig *rig = *state;
	json_t *line = NULL;

	put_account(rig, "one", "Ready", true);
	put_account(rig, "two", "Ready", true);
	run(rig);
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "two/status"), 403);
	for (int64_t end = rig->mono + 9 * SECOND; rig->mono < end; rig->mono += 100) {
		run(rig);
		for (unsigned i = 0; i < rig->n_calls; i++)
			if (strcmp(rig->calls[i]->path, ACCOUNTS "one/status") == 0)
				refuse(rig, rig->calls[i], 403);
	}
	assert_true(rig->dispatch.stats.results[KIND_BILLINGACCOUNT][DISPATCH_ERROR] > 5);
	assert_int_equal(lines_with(rig, "request failed", NULL), 2); /* of each its own */
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "two/status"), 422);
	assert_int_equal(lines_with(rig, "\"name\":\"two\"", NULL), 2); /* another answer is another failure */
	assert_int_equal(lines_with(rig, "\"name\":\"one\"", &line), 1);
	assert_string_equal(member(line, "level"), "warn");
	assert_string_equal(member(line, "controller"), "billingaccount");
	assert_string_equal(member(line, "request"), "status");
	assert_non_null(member(line, "reconcileID"));
	json_decref(line);
	rig->mono += 20 * SECOND;
	run(rig);
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "one/status"), 403);
	assert_int_equal(lines_with(rig, "\"name\":\"one\"", NULL), 2); /* again */
}

static void put_binding(struct rig *rig, const char *name)
{
	char text[512];
	struct error err;

	snprintf(text, sizeof(text),
		 "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"namespace\":\"acme\",\"name\":\"%s\","
		 "\"uid\":\"u-%s\",\"resourceVersion\":\"%u\",\"creationTimestamp\":\"2026-11-22T10:00:00Z\",\"generation\":1},"
		 "\"spec\":{\"billingAccountRef\":{\"name\":\"none\"},\"projectRef\":{\"name\":\"shop\"}}}",
		 name, name, ++rig->version);
	void *record = record_decode(rig->codec, kinds[KIND_BINDING].resource, text, strlen(text), &err);

	if (!record)
		fail_msg("%s", err.message);
	cache_put(rig->cache, KIND_BINDING, record);
}

/* Each waits for the other's request to end, and both are refused: by rights that are missing, say. */
static void two_that_fail_do_not_wake_each_other(void **state)
{
	struct rig *rig = *state;
	unsigned refused = 0;

	put_binding(rig, "one");
	put_binding(rig, "two");
	for (int64_t end = rig->mono + 10 * SECOND; rig->mono < end; rig->mono += 5) {
		run(rig);
		for (unsigned i = rig->n_calls; i-- > 0;)
			if (strstr(rig->calls[i]->path, "/billingaccountbindings/")) {
				refuse(rig, rig->calls[i], 403);
				refused++;
				break;
			}
	}
	assert_in_range(refused, 10, 2 * 12); /* 5 ms, 10, 20, ... */
}

static void many_failing_objects_do_not_flood_the_log(void **state)
{
	struct rig *rig = *state;
	char name[16];
	json_t *line = NULL;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		put_account(rig, name, "Ready", true);
	}
	run(rig);
	assert_int_equal(rig->n_calls, 500);
	while (rig->n_calls)
		refuse(rig, rig->calls[0], 403);
	assert_int_equal(lines_with(rig, "request failed", NULL), COMPLAINTS_MAX);
	assert_int_equal(lines_with(rig, "left_out", NULL), 0);
	rig->mono += 10 * SECOND;
	run(rig);
	accept(rig, rig->calls[0]);
	assert_int_equal(lines_with(rig, "left_out", &line), 1);
	assert_string_equal(member(line, "left_out"), "480");
	json_decref(line);
}

/* ---- counts ---- */

static void each_turn_and_each_request_is_counted_by_its_end(void **state)
{
	struct rig *rig = *state;
	const uint64_t *results = rig->dispatch.stats.results[KIND_BILLINGACCOUNT];
	uint64_t (*written)[WRITTEN_RESULTS] = rig->dispatch.stats.written[KIND_BILLINGACCOUNT];

	put_account(rig, "main", "Ready", false);
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main"));
	assert_int_equal(written[WRITE_FINALIZER][WRITTEN_OK], 1);
	assert_int_equal(results[DISPATCH_SUCCESS], 1);
	run(rig);
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "main/status"), 409);
	assert_int_equal(written[WRITE_STATUS][WRITTEN_CONFLICT], 1);
	assert_int_equal(results[DISPATCH_REQUEUE], 1);
	rig->mono += SECOND;
	run(rig);
	accept(rig, expect(rig, "GET", ACCOUNTS "main"));
	assert_int_equal(written[WRITE_READ][WRITTEN_OK], 1);
	assert_int_equal(results[DISPATCH_REQUEUE], 2);
	run(rig);
	refuse(rig, expect(rig, "PATCH", ACCOUNTS "main/status"), 403);
	assert_int_equal(written[WRITE_STATUS][WRITTEN_ERROR], 1);
	assert_int_equal(results[DISPATCH_ERROR], 1);
	rig->mono += SECOND;
	run(rig);
	lose(rig, expect(rig, "PATCH", ACCOUNTS "main/status"));
	assert_int_equal(written[WRITE_STATUS][WRITTEN_ERROR], 2);
	assert_int_equal(results[DISPATCH_ERROR], 2);
	rig->mono += 10 * SECOND;
	run(rig);
	accept(rig, expect(rig, "GET", ACCOUNTS "main"));
	run(rig);
	accept(rig, expect(rig, "PATCH", ACCOUNTS "main/status"));
	assert_int_equal(written[WRITE_STATUS][WRITTEN_OK], 1);
	assert_int_equal(results[DISPATCH_SUCCESS], 2);
	run(rig); /* on what it wrote: nothing differs */
	assert_int_equal(results[DISPATCH_SUCCESS], 3);
	assert_int_equal(results[DISPATCH_REQUEUE_AFTER], 0);
	assert_int_equal(results[DISPATCH_SUCCESS] + results[DISPATCH_ERROR] + results[DISPATCH_REQUEUE], rig->dispatch.turns);
}

/* An invoice wakes itself when it falls due. */
static void a_decision_that_asks_to_be_woken_is_counted_as_such(void **state)
{
	static const char text[] =
		"{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"Invoice\",\"metadata\":{\"namespace\":\"acme\",\"name\":\"i\",\"uid\":\"u\","
		"\"resourceVersion\":\"1\",\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},\"spec\":{},\"status\":{\"phase\":\"Open\","
		"\"dueDate\":\"2027-01-01T00:00:00Z\"}}";
	struct rig *rig = *state;
	const uint64_t *results = rig->dispatch.stats.results[KIND_INVOICE];
	struct error err;

	cache_put(rig->cache, KIND_INVOICE, record_decode(rig->codec, kinds[KIND_INVOICE].resource, text, sizeof(text) - 1, &err));
	run(rig);
	struct call *call = rig->calls[0];
	json_t *invoice = json_loads(text, 0, NULL), *patch = json_loads(call->body, 0, NULL);
	json_object_update(json_object_get(invoice, "status"), json_object_get(patch, "status"));
	json_object_set_new(json_object_get(invoice, "metadata"), "resourceVersion", json_string("2"));
	char *body = json_dumps(invoice, 0);
	finish(rig, call, 200, body);
	assert_int_equal(results[DISPATCH_REQUEUE_AFTER], 1);
	run(rig);
	assert_int_equal(results[DISPATCH_REQUEUE_AFTER], 2); /* without a write too */
	assert_int_equal(results[DISPATCH_SUCCESS], 0);
	free(body);
	json_decref(patch);
	json_decref(invoice);
}

/* ---- the rate ---- */

static void requests_keep_to_their_rate(void **state)
{
	struct rig *rig = *state;
	char name[16];

	dispatch_limit(&rig->dispatch, 10, 3);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		put_account(rig, name, "Ready", true);
	}
	run(rig);
	assert_int_equal(rig->n_calls, 3);
	assert_int_equal(dispatch_wait(&rig->dispatch).ms, 100);
	rig->mono += 99;
	run(rig);
	assert_int_equal(rig->n_calls, 3);
	rig->mono += 1;
	run(rig);
	assert_int_equal(rig->n_calls, 4);
	refuse(rig, rig->calls[0], 409);
	rig->mono += 100;
	run(rig); /* what is fetched anew is a request too */
	assert_int_equal(rig->n_calls, 4);
	rig->mono += 10 * SECOND;
	run(rig);
	assert_int_equal(rig->n_calls, 7); /* no more than the burst, whatever the rest */
	dispatch_limit(&rig->dispatch, 0, 0);
	run(rig);
	assert_int_equal(rig->n_calls, 8);
	assert_int_equal(dispatch_wait(&rig->dispatch).ms, -1);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RULE(an_event_is_told_once_its_status_is_written_and_not_before),
		RULE(without_a_recorder_the_log_alone_tells),
		RULE(a_conflict_tells_nothing),
		RULE(a_conflict_that_changes_nothing_tells_once),
		RULE(a_lost_answer_invents_no_event),
		RULE(an_answer_that_the_watch_was_faster_than_is_not_decoded),
		RULE(an_answer_that_changed_nothing_is_said_undecoded),
		RULE(an_answer_about_another_object_is_none_that_is_known),
		RULE(an_answer_that_says_what_was_asked_for_is_not_decoded),
		RULE(an_answer_that_says_something_else_is_decoded),
		RULE(an_answer_in_another_order_is_decoded),
		RULE(an_answer_to_a_later_status_is_decoded),
		RULE(the_same_failure_is_said_once_in_ten_seconds),
		RULE(two_that_fail_do_not_wake_each_other),
		RULE(many_failing_objects_do_not_flood_the_log),
		RULE(each_turn_and_each_request_is_counted_by_its_end),
		RULE(a_decision_that_asks_to_be_woken_is_counted_as_such),
		RULE(requests_keep_to_their_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
