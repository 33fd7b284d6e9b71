/*
 * recorder.c with a small API server behind its port, which keeps events and holds to the API's rules for them. The clock is the test's.
 * Requests may be refused, or lost before or after they were carried out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "memory.h"
#include "recorder.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define NOW ((instant_t)1795341980123) /* 2026-11-22T10:06:20.123Z */
#define EVENTS "/apis/events.k8s.io/v1/namespaces/"

enum { CALLS_MAX = 16, UNDER_WAY_MAX = 4, QUEUE_MAX = 1000, SERIES_MAX = 2048 };

struct call {
	char method[8], path[1024], content_type[64];
	char *body;
	struct reply reply;
};

struct rig {
	struct port port;
	struct log log;
	struct recorder *recorder;
	struct call *calls[CALLS_MAX];
	unsigned n_calls, arrived;
	json_t *events; /* "NAMESPACE/NAME": as stored */
	int64_t mono;
	instant_t wall;
	uint64_t dice;
};

static struct call *rig_send(void *self, const struct request *request, const struct reply *reply)
{
	struct rig *rig = self;
	struct call *call = memory_alloc(sizeof(*call));

	snprintf(call->method, sizeof(call->method), "%s", request->method);
	snprintf(call->path, sizeof(call->path), "%s", request->path);
	snprintf(call->content_type, sizeof(call->content_type), "%s", request->content_type);
	call->body = memory_strndup(request->body, request->body_len);
	call->reply = *reply;
	assert_true(request->timeout_ms > 0);
	assert_true(rig->n_calls < UNDER_WAY_MAX);
	rig->calls[rig->n_calls++] = call;
	return call;
}

static void rig_forget(struct rig *rig, struct call *call)
{
	unsigned i = 0;

	while (rig->calls[i] != call)
		i++;
	memmove(&rig->calls[i], &rig->calls[i + 1], (--rig->n_calls - i) * sizeof(call));
	free(call->body);
	free(call);
}

static void rig_cancel(void *self, struct call *call)
{
	rig_forget(self, call);
}

static int64_t rig_mono(void *self)
{
	return ((struct rig *)self)->mono;
}

static instant_t rig_wall(void *self)
{
	return ((struct rig *)self)->wall;
}

static uint64_t rig_random(void *self)
{
	struct rig *rig = self;

	return rig->dice = rig->dice * 6364136223846793005ULL + 1442695040888963407ULL;
}

/* ---- the server ---- */

static const char *text(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* k8s.io/kubernetes pkg/apis/core/validation/events.go */
static bool is_valid(const json_t *event, const char *ns)
{
	const json_t *meta = json_object_get(event, "metadata"), *regarding = json_object_get(event, "regarding");
	const json_t *series = json_object_get(event, "series");
	const struct {
		const char *member;
		size_t max;
	} texts[] = { { "reason", 128 }, { "action", 128 }, { "note", 1024 }, { "reportingInstance", 128 }, { "reportingController", 63 + 64 } };
	const char *at = text(regarding, "namespace"), *name = text(meta, "name");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *value = text(event, texts[i].member);
		if (!value || !*value || strlen(value) > texts[i].max)
			return false;
	}
	if (strcmp(text(event, "apiVersion"), "events.k8s.io/v1") != 0 || strcmp(text(event, "kind"), "Event") != 0)
		return false;
	if (strcmp(at ? at : "default", ns) != 0 || strcmp(text(meta, "namespace"), ns) != 0 || strlen(name) > 253 || strstr(name, ".."))
		return false;
	if (series && (json_integer_value(json_object_get(series, "count")) < 2 || strlen(text(series, "lastObservedTime")) != 27))
		return false;
	return strlen(text(event, "eventTime")) == 27;
}

static int serve_create(struct rig *rig, const char *path, json_t *body)
{
	char key[512], ns[64] = "";

	assert_int_equal(sscanf(path, EVENTS "%63[^/]/events", ns), 1);
	if (!is_valid(body, ns))
		return 422;
	snprintf(key, sizeof(key), "%s/%s", ns, text(json_object_get(body, "metadata"), "name"));
	if (json_object_get(rig->events, key))
		return 409;
	json_object_set(rig->events, key, body);
	return 201;
}

static int serve_patch(struct rig *rig, const char *path, json_t *body)
{
	char ns[64] = "", name[300] = "", key[512];

	assert_int_equal(sscanf(path, EVENTS "%63[^/]/events/%299s", ns, name), 2);
	snprintf(key, sizeof(key), "%s/%s", ns, name);
	json_t *event = json_object_get(rig->events, key);
	if (!event)
		return 404;
	assert_int_equal(json_object_size(body), 1);
	json_object_update(event, body);
	return is_valid(event, ns) ? 200 : 422;
}

static int serve(struct rig *rig, const struct call *call)
{
	json_t *body = json_loads(call->body, 0, NULL);
	int status;

	assert_non_null(body);
	if (strcmp(call->method, "POST") == 0) {
		assert_string_equal(call->content_type, "application/json");
		status = serve_create(rig, call->path, body);
	} else {
		assert_string_equal(call->method, "PATCH");
		assert_string_equal(call->content_type, "application/merge-patch+json");
		status = serve_patch(rig, call->path, body);
	}
	json_decref(body);
	return status;
}

/* What becomes of the oldest request. */
static void end_call(struct rig *rig, int status, const struct error *transport, int retry_after_ms)
{
	struct reply reply = rig->calls[0]->reply;
	char body[128];

	snprintf(body, sizeof(body), "{\"kind\":\"Status\",\"status\":\"%s\",\"message\":\"so it is\",\"code\":%d}", status < 300 ? "Success" : "Failure", status);
	rig->arrived++;
	rig_forget(rig, rig->calls[0]);
	if (!transport) {
		assert_int_equal(reply.on_data(reply.context, status, body, 5), 0);
		assert_int_equal(reply.on_data(reply.context, status, body + 5, strlen(body) - 5), 0);
	}
	reply.on_done(reply.context, status, retry_after_ms, transport);
}

static void answer(struct rig *rig)
{
	end_call(rig, serve(rig, rig->calls[0]), NULL, 0);
}

static void refuse(struct rig *rig, int status)
{
	end_call(rig, status, NULL, 0);
}

static const struct error broken = { .class = ERROR_RETRY, .message = "connection reset" };

static void lose(struct rig *rig, bool applied)
{
	if (applied)
		serve(rig, rig->calls[0]);
	end_call(rig, 0, &broken, 0);
}

/* Both clocks go on, and what comes due meanwhile is done; requests are answered at once if `answering`. */
static void run(struct rig *rig, int64_t ms, bool answering)
{
	for (int64_t end = rig->mono + ms;;) {
		int64_t wait = recorder_tick(rig->recorder, false);

		while (answering && rig->n_calls)
			answer(rig);
		if (answering && (wait = recorder_tick(rig->recorder, false), rig->n_calls))
			continue;
		if (wait < 0 || rig->mono + wait > end) {
			rig->wall += end - rig->mono;
			rig->mono = end;
			return;
		}
		assert_true(wait > 0 || rig->n_calls); /* else it would be called for ever */
		if (!wait)
			return;
		rig->mono += wait;
		rig->wall += wait;
	}
}

static const struct regarding account = { "billing.miloapis.com/v1alpha1", "BillingAccount", "acme", "main", "u-1" };
static const struct event declined = { true, "PaymentMethodDegraded", "Judging", "The default payment method \"visa\" cannot be used." };

static void tell(struct rig *rig, const char *name, const char *note)
{
	struct regarding about = account;
	struct event event = declined;

	about.name = name;
	event.note = note;
	recorder_add(rig->recorder, &about, &event);
}

static const json_t *only_event(const struct rig *rig)
{
	assert_int_equal(json_object_size(rig->events), 1);
	return json_object_iter_value(json_object_iter(rig->events));
}

static long long count_of(const json_t *event)
{
	const json_t *series = json_object_get(event, "series");

	return series ? json_integer_value(json_object_get(series, "count")) : 1;
}

static int setup(void **state)
{
	struct rig *rig = memory_alloc(sizeof(*rig));

	rig->port = (struct port){ .self = rig, .send = rig_send, .cancel = rig_cancel, .monotonic_ms = rig_mono, .now = rig_wall,
				   .random = rig_random };
	rig->log = (struct log){ .fd = -1, .level = LOG_ERROR };
	rig->mono = 5000;
	rig->wall = NOW;
	rig->dice = 7;
	rig->events = json_object();
	rig->recorder = recorder_new(&(struct recorder_config){ .port = &rig->port, .log = &rig->log, .instance = "pod-1" });
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	recorder_free(rig->recorder);
	assert_int_equal(rig->n_calls, 0); /* all cancelled */
	json_decref(rig->events);
	free(rig);
	return 0;
}

/* ---- the rules ---- */

static void statuses_go_first(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 3; i++)
		tell(rig, (const char *[]){ "a", "b", "c" }[i], "x");
	for (unsigned sent = 1; sent <= 2; sent++) {
		assert_in_range(recorder_tick(rig->recorder, true), 1, SECOND * 3 / 10);
		assert_int_equal(rig->n_calls, sent);
		rig->mono += SECOND * 3 / 10 - 1;
		assert_int_equal(recorder_tick(rig->recorder, true), 1);
		assert_int_equal(rig->n_calls, sent);
		rig->mono++;
	}
	recorder_tick(rig->recorder, false); /* nothing else to do any more */
	assert_int_equal(rig->n_calls, 3);
	while (rig->n_calls)
		answer(rig);
}

static void an_event_says_what_the_api_wants_to_know(void **state)
{
	struct rig *rig = *state;

	assert_true(recorder_is_idle(rig->recorder));
	assert_int_equal(recorder_tick(rig->recorder, false), -1);
	recorder_add(rig->recorder, &account, &declined);
	assert_int_equal(rig->n_calls, 0); /* never from within */
	assert_false(recorder_is_idle(rig->recorder));
	recorder_tick(rig->recorder, false);
	assert_string_equal(rig->calls[0]->path, EVENTS "acme/events");
	assert_false(recorder_is_idle(rig->recorder));
	answer(rig);
	assert_true(recorder_is_idle(rig->recorder));

	const json_t *event = only_event(rig), *regarding = json_object_get(event, "regarding");
	assert_string_equal(text(event, "type"), "Warning");
	assert_string_equal(text(event, "reason"), declined.reason);
	assert_string_equal(text(event, "action"), declined.action);
	assert_string_equal(text(event, "note"), declined.note);
	assert_string_equal(text(event, "eventTime"), "2026-11-22T10:06:20.123000Z");
	assert_string_equal(text(event, "reportingController"), "billing.miloapis.com/tollgate");
	assert_string_equal(text(event, "reportingInstance"), "pod-1");
	assert_string_equal(text(regarding, "apiVersion"), account.api_version);
	assert_string_equal(text(regarding, "kind"), "BillingAccount");
	assert_string_equal(text(regarding, "namespace"), "acme");
	assert_string_equal(text(regarding, "name"), "main");
	assert_string_equal(text(regarding, "uid"), "u-1");
	assert_null(json_object_get(event, "series"));
	assert_int_equal(strspn(text(json_object_get(event, "metadata"), "name"), "main."), 5);
	assert_int_equal(recorder_stats(rig->recorder).sent, 1);
}

static void a_cluster_scoped_object_is_told_of_in_default(void **state)
{
	struct rig *rig = *state;
	const struct regarding class = { "billing.miloapis.com/v1alpha1", "PaymentMethodClass", NULL, "cards", NULL };
	const struct event normal = { false, "Resolved", "Resolving", "It is." };

	recorder_add(rig->recorder, &class, &normal);
	run(rig, SECOND, true);
	assert_string_equal(text(json_object_get(only_event(rig), "metadata"), "namespace"), "default");
	assert_null(json_object_get(json_object_get(only_event(rig), "regarding"), "namespace"));
	assert_null(json_object_get(json_object_get(only_event(rig), "regarding"), "uid"));
	assert_string_equal(text(only_event(rig), "type"), "Normal");
}

static void texts_are_cut_between_characters(void **state)
{
	struct rig *rig = *state;
	char name[254], note[2000], reason[200];
	struct regarding about = account;
	struct event event = declined;

	memset(name, 'n', 253);
	name[253] = '\0';
	name[235] = '.'; /* the last that there is room for */
	note[0] = 'x'; /* so that byte 1024 is within a character */
	for (int i = 0; i < 999; i++)
		memcpy(&note[1 + 2 * i], "\xC3\xA9", 2);
	note[1999] = '\0';
	memset(reason, 'R', 199);
	reason[199] = '\0';
	about.name = name;
	event.note = note;
	event.reason = event.action = reason;
	recorder_add(rig->recorder, &about, &event);
	recorder_add(rig->recorder, &about, &event); /* the same, though both were cut */
	run(rig, SECOND, true);
	assert_int_equal(strlen(text(only_event(rig), "note")), 1023);
	assert_int_equal(strlen(text(only_event(rig), "reason")), 128);
	assert_int_equal(strlen(text(only_event(rig), "action")), 128);
	assert_string_equal(text(json_object_get(only_event(rig), "regarding"), "name"), name);
	assert_int_equal(count_of(only_event(rig)), 2);
}

static void a_repeat_makes_a_series_which_is_told_when_it_ends(void **state)
{
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	run(rig, MINUTE, true);
	recorder_add(rig->recorder, &account, &declined);
	run(rig, MINUTE, true);
	assert_int_equal(count_of(only_event(rig)), 2); /* at once */
	assert_string_equal(text(json_object_get(only_event(rig), "series"), "lastObservedTime"), "2026-11-22T10:07:20.123000Z");
	for (int i = 0; i < 3; i++) {
		recorder_add(rig->recorder, &account, &declined);
		run(rig, MINUTE, true);
	}
	assert_int_equal(count_of(only_event(rig)), 2); /* counted here */
	assert_int_equal(rig->arrived, 2);
	run(rig, 5 * MINUTE - 1, true);
	assert_int_equal(rig->arrived, 2);
	assert_int_equal(recorder_stats(rig->recorder).series, 1);
	run(rig, 1, true);
	run(rig, 1, true);
	assert_int_equal(count_of(only_event(rig)), 5);
	assert_string_equal(text(json_object_get(only_event(rig), "series"), "lastObservedTime"), "2026-11-22T10:10:20.123000Z");
	assert_int_equal(recorder_stats(rig->recorder).series, 0);
	assert_int_equal(recorder_stats(rig->recorder).repeated, 2);
	recorder_add(rig->recorder, &account, &declined); /* the first of another */
	run(rig, MINUTE, true);
	assert_int_equal(json_object_size(rig->events), 2);
}

static void one_that_is_not_repeated_is_forgotten_without_a_word(void **state)
{
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	run(rig, 6 * MINUTE, true);
	run(rig, 1, true);
	assert_int_equal(rig->arrived, 1);
	assert_int_equal(recorder_stats(rig->recorder).series, 0);
	assert_int_equal(recorder_tick(rig->recorder, false), -1);
}

static void a_long_series_is_brought_up_to_date_every_half_hour(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 29; i++) {
		recorder_add(rig->recorder, &account, &declined);
		run(rig, MINUTE, true);
	}
	assert_int_equal(count_of(only_event(rig)), 2);
	run(rig, MINUTE, true);
	run(rig, 1, true);
	assert_int_equal(count_of(only_event(rig)), 29);
	assert_int_equal(rig->arrived, 3);
}

/* Each of these is told apart; beyond client-go's key also the note. */
static void what_differs_is_no_repeat(void **state)
{
	struct rig *rig = *state;
	static const struct regarding others[] = {
		{ "billing.miloapis.com/v1", "BillingAccount", "acme", "main", "u-1" },
		{ "billing.miloapis.com/v1alpha1", "Invoice", "acme", "main", "u-1" },
		{ "billing.miloapis.com/v1alpha1", "BillingAccount", "zeta", "main", "u-1" },
		{ "billing.miloapis.com/v1alpha1", "BillingAccount", "acme", "other", "u-1" },
		{ "billing.miloapis.com/v1alpha1", "BillingAccount", "acme", "main", "u-2" },
		{ "billing.miloapis.com/v1alpha1", "BillingAccount", "acme", "main", NULL },
	};
	struct event events[] = { declined, declined, declined, declined };

	events[0].warning = false;
	events[1].reason = "Other";
	events[2].action = "Other";
	events[3].note = "Other.";
	recorder_add(rig->recorder, &account, &declined);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		recorder_add(rig->recorder, &others[i], &declined);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		recorder_add(rig->recorder, &account, &events[i]);
	run(rig, MINUTE, true);
	assert_int_equal(json_object_size(rig->events), 11);
	assert_int_equal(rig->arrived, 11);
}

static void a_repeat_before_the_first_is_sent_or_answered_is_not_lost(void **state)
{
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	recorder_add(rig->recorder, &account, &declined);
	recorder_tick(rig->recorder, false);
	recorder_add(rig->recorder, &account, &declined);
	answer(rig);
	assert_int_equal(count_of(only_event(rig)), 2);
	run(rig, 7 * MINUTE, true);
	assert_int_equal(count_of(only_event(rig)), 3);

	tell(rig, "two", "a");
	recorder_tick(rig->recorder, false);
	tell(rig, "two", "a");
	answer(rig);
	run(rig, SECOND, true); /* the second makes the series, at once */
	assert_int_equal(json_object_size(rig->events), 2);
	assert_int_equal(rig->arrived, 4);
}

static void few_are_under_way_and_a_thousand_wait(void **state)
{
	struct rig *rig = *state;
	char name[16];

	for (int i = 0; i < QUEUE_MAX + 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		tell(rig, name, "a");
	}
	assert_int_equal(recorder_stats(rig->recorder).waiting, QUEUE_MAX);
	assert_int_equal(recorder_stats(rig->recorder).dropped, 10);
	recorder_tick(rig->recorder, false);
	assert_int_equal(rig->n_calls, UNDER_WAY_MAX);
	run(rig, SECOND, true);
	assert_int_equal(json_object_size(rig->events), QUEUE_MAX);
	assert_true(recorder_is_idle(rig->recorder));
	tell(rig, "n1009", "a"); /* one that was dropped is not known */
	run(rig, SECOND, true);
	assert_int_equal(json_object_size(rig->events), QUEUE_MAX + 1);
}

static void the_oldest_series_make_room(void **state)
{
	struct rig *rig = *state;
	char name[16];

	for (int i = 0; i < SERIES_MAX + 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		tell(rig, name, "a");
		run(rig, 1, true);
		assert_true(recorder_stats(rig->recorder).series <= SERIES_MAX);
		if (i == 50) { /* seen lately, so it stays */
			tell(rig, "n0", "a");
			run(rig, 1, true);
		}
	}
	tell(rig, "n99", "a");
	tell(rig, "n1", "a");
	run(rig, 1, true);
	assert_int_equal(json_object_size(rig->events), SERIES_MAX + 100 + 2); /* both made anew */
	tell(rig, "n200", "a");
	run(rig, 1, true);
	assert_int_equal(json_object_size(rig->events), SERIES_MAX + 100 + 2); /* known */
}

static void what_is_refused_is_dropped(void **state)
{
	static const int statuses[] = { 400, 401, 403, 404, 422 };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		recorder_add(rig->recorder, &account, &declined);
		recorder_tick(rig->recorder, false);
		refuse(rig, statuses[i]);
		assert_true(recorder_is_idle(rig->recorder));
		assert_int_equal(recorder_stats(rig->recorder).series, 0);
		assert_int_equal(recorder_stats(rig->recorder).dropped, i + 1);
	}
	recorder_add(rig->recorder, &account, &declined); /* the next is not held up */
	run(rig, 1, true);
	assert_int_equal(json_object_size(rig->events), 1);
	recorder_add(rig->recorder, &account, &declined);
	recorder_tick(rig->recorder, false);
	refuse(rig, 403);
	run(rig, 10 * MINUTE, true);
	assert_int_equal(recorder_stats(rig->recorder).series, 0);
	assert_int_equal(recorder_stats(rig->recorder).dropped, 6);
}

static void a_lost_answer_makes_no_second_event(void **state)
{
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	recorder_tick(rig->recorder, false);
	lose(rig, true);
	recorder_add(rig->recorder, &account, &declined);
	run(rig, 10 * SECOND, true);
	assert_int_equal(count_of(only_event(rig)), 2); /* nor is the repeat lost with it */
	recorder_add(rig->recorder, &account, &declined);
	run(rig, 6 * MINUTE, false);
	recorder_tick(rig->recorder, false);
	lose(rig, true);
	run(rig, 10 * SECOND, true);
	assert_int_equal(count_of(only_event(rig)), 3);
	assert_int_equal(recorder_stats(rig->recorder).dropped, 0);
	assert_int_equal(recorder_stats(rig->recorder).series, 0);
}

/* Events live an hour by default; a series may live longer. */
static void a_series_whose_event_is_gone_gets_a_new_one(void **state)
{
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	run(rig, SECOND, true);
	json_object_clear(rig->events);
	recorder_add(rig->recorder, &account, &declined);
	run(rig, SECOND, true);
	assert_int_equal(count_of(only_event(rig)), 2);
}

static void without_an_answer_all_wait_and_at_last_give_up(void **state)
{
	struct rig *rig = *state;
	unsigned tries = 0;
	int64_t began = rig->mono, last = 0, pause = 0;

	for (int i = 0; i < 6; i++)
		tell(rig, (char[]){ (char)('a' + i), 0 }, "a");
	while (recorder_stats(rig->recorder).dropped < UNDER_WAY_MAX) {
		int64_t wait = recorder_tick(rig->recorder, false);

		if (!rig->n_calls) {
			assert_true(wait > 0);
			rig->mono += wait;
			continue;
		}
		tries++;
		assert_int_equal(rig->n_calls, UNDER_WAY_MAX);
		if (last && rig->mono - last > pause)
			pause = rig->mono - last;
		last = rig->mono;
		while (rig->n_calls)
			lose(rig, false);
	}
	assert_int_equal(tries, 12);
	assert_in_range(rig->mono - began, 2 * MINUTE, 8 * MINUTE);
	assert_in_range(pause, 30 * SECOND, 38 * SECOND);
	assert_int_equal(recorder_stats(rig->recorder).waiting, 2);
	run(rig, MINUTE, true); /* there it is again */
	assert_int_equal(json_object_size(rig->events), 2);
	tell(rig, "z", "a");
	recorder_tick(rig->recorder, false);
	lose(rig, false);
	assert_in_range(recorder_tick(rig->recorder, false), 1000, 1250); /* the back-off began anew */
}

static void a_server_that_asks_for_patience_gets_it(void **state)
{
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	recorder_tick(rig->recorder, false);
	end_call(rig, 429, NULL, 20000);
	assert_in_range(recorder_tick(rig->recorder, false), 20000, 25000);
	run(rig, 26 * SECOND, true);
	assert_int_equal(count_of(only_event(rig)), 1);
	assert_int_equal(recorder_stats(rig->recorder).dropped, 0);
}

static void who_does_not_lead_tells_nothing(void **state)
{
	static const struct error follower = { .class = ERROR_FORBIDDEN, .message = "not the leader" };
	struct rig *rig = *state;

	recorder_add(rig->recorder, &account, &declined);
	recorder_tick(rig->recorder, false);
	end_call(rig, 0, &follower, 0);
	assert_true(recorder_is_idle(rig->recorder));
	assert_int_equal(recorder_stats(rig->recorder).dropped, 1);
}

/* Whatever is lost, refused or late: the bounds hold, it comes to rest, and no event is counted more often than it was told of. */
static void any_history_comes_to_rest_within_its_bounds(void **state)
{
	struct rig *rig = *state;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		unsigned told[8] = { 0 };

		rig->dice = seed;
		json_object_clear(rig->events);
		for (int step = 0; step < 400; step++) {
			unsigned choice = (unsigned)(rig_random(rig) >> 40);

			if (choice % 4 == 0) {
				told[choice / 4 % 8]++;
				tell(rig, (char[]){ (char)('a' + choice / 4 % 8), 0 }, "a");
			} else if (choice % 4 == 1) {
				int64_t ms = (int64_t)(choice / 4 % 90) * SECOND;
				rig->mono += ms;
				rig->wall += ms;
			}
			recorder_tick(rig->recorder, false);
			if (rig->n_calls && choice % 4 == 2 && choice / 4 % 3)
				answer(rig);
			else if (rig->n_calls && choice % 4 == 3 && choice / 4 % 4 == 0)
				lose(rig, choice / 16 % 2);
			else if (rig->n_calls && choice % 4 == 3 && choice / 4 % 8 == 1)
				refuse(rig, choice / 32 % 2 ? 403 : 500);
		}
		while (recorder_stats(rig->recorder).series)
			run(rig, 7 * MINUTE, true);
		assert_true(recorder_is_idle(rig->recorder));
		long long counted[8] = { 0 };
		const char *key;
		json_t *event;
		json_object_foreach(rig->events, key, event)
			counted[text(json_object_get(event, "regarding"), "name")[0] - 'a'] += count_of(event);
		for (int i = 0; i < 8; i++)
			assert_true(counted[i] <= told[i]);
	}
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RULE(statuses_go_first),
		RULE(an_event_says_what_the_api_wants_to_know),
		RULE(a_cluster_scoped_object_is_told_of_in_default),
		RULE(texts_are_cut_between_characters),
		RULE(a_repeat_makes_a_series_which_is_told_when_it_ends),
		RULE(one_that_is_not_repeated_is_forgotten_without_a_word),
		RULE(a_long_series_is_brought_up_to_date_every_half_hour),
		RULE(what_differs_is_no_repeat),
		RULE(a_repeat_before_the_first_is_sent_or_answered_is_not_lost),
		RULE(few_are_under_way_and_a_thousand_wait),
		RULE(the_oldest_series_make_room),
		RULE(what_is_refused_is_dropped),
		RULE(a_lost_answer_makes_no_second_event),
		RULE(a_series_whose_event_is_gone_gets_a_new_one),
		RULE(without_an_answer_all_wait_and_at_last_give_up),
		RULE(a_server_that_asks_for_patience_gets_it),
		RULE(who_does_not_lead_tells_nothing),
		RULE(any_history_comes_to_rest_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
