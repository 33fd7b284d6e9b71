/*
 * debug.c: one document tells why something is stuck, nothing of it from anywhere but this host; the level changes while it runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "running.h"

static json_t *state_of(struct running *r)
{
	json_error_t error;
	json_t *state;

	assert_int_equal(ask(r, (struct server_request){ .path = "/debug/state", .loopback = true }), 200);
	assert_string_equal(r->reply.content_type, "application/json");
	state = json_loadb(r->reply.body, r->reply.body_len, JSON_REJECT_DUPLICATES, &error);
	if (!state)
		fail_msg("%s: %s", error.text, r->reply.body);
	return state;
}

/* By a path such as "queue.oldest.0.name". */
static json_t *at(json_t *json, const char *path)
{
	char part[64];

	while (*path) {
		size_t len = strcspn(path, ".");

		assert_true(len < sizeof(part));
		memcpy(part, path, len);
		part[len] = '\0';
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(part)) : json_object_get(json, part);
		if (!json)
			fail_msg("there is no %s", path);
		path += len + (path[len] == '.');
	}
	return json;
}

#define assert_text(json, path, value) assert_string_equal(json_string_value(at(json, path)), value)
#define assert_number(json, path, value) assert_float_equal(json_number_value(at(json, path)), value, 0.0001)
#define assert_null_at(json, path) assert_true(json_is_null(at(json, path)))

static struct key key_of(struct running *r, enum kind_id kind, const char *ns, const char *name)
{
	return (struct key){ .kind = (uint8_t)kind, .ns = ns ? atom_of(r->manager.atoms, ns) : NULL, .name = atom_of(r->manager.atoms, name) };
}

/* The queue has references of its own. */
static void forget(struct running *r, struct key key)
{
	atom_unref(r->manager.atoms, key.ns);
	atom_unref(r->manager.atoms, key.name);
}

static void it_says_who_and_what_it_is(void **state)
{
	struct running *r = *state;
	json_t *json;

	manager_start(&r->manager);
	r->mono += 61500;
	json = state_of(r);
	assert_text(json, "version", "1.2.3");
	assert_text(json, "identity", "host_uuid");
	assert_text(json, "now", "2026-11-22T10:06:20Z");
	assert_number(json, "upSeconds", 61.5);
	assert_text(json, "server.url", "https://test");
	assert_text(json, "server.standing", "Fine");
	assert_true(json_is_false(at(json, "synced")) && json_is_false(at(json, "deciding")));
	assert_text(json, "checks.ping", "ok");
	assert_non_null(strstr(json_string_value(at(json, "checks.caches-synced")), "not listed yet: namespaces"));
	assert_null_at(json, "webhook");
	assert_null_at(json, "events");
	assert_true(json_is_true(at(json, "leadership.leads")) && json_is_false(at(json, "leadership.election")));
	assert_null_at(json, "certificates.webhook");
	assert_null_at(json, "certificates.client");
	assert_int_equal(json_array_size(at(json, "requests")), 0);
	assert_text(json, "log.level", "info");
	assert_true(json_is_integer(at(json, "memory.heapInUse"))); /* a sanitizer's allocator does not count */
	assert_number(json, "memory.internedStrings", (double)atoms_count(r->manager.atoms));
	assert_true(json_integer_value(at(json, "memory.queue")) > 0);
	json_decref(json);
}

static void each_watch_tells_where_it_stands(void **state)
{
	struct running *r = *state;
	struct informer *inf = &r->manager.informers[KIND_INVOICE];
	json_t *json;

	manager_start(&r->manager);
	inf->stats = (struct informer_stats){ .lists = 1, .watches = 3, .events = 4, .bytes = 5, .failures = 2, .unreadable = 6,
					      .heard_at = r->mono - 2500 };
	strcpy(inf->watch.resource_version, "4711");
	inf->watch.moved_at = r->mono - 90000;
	inf->last_error_at = r->mono - 3000;
	strcpy(inf->last_error.message, "GET /invoices: connection reset");
	r->manager.states[KIND_INVOICE] = KIND_REFUSED;
	json = state_of(r);
	assert_int_equal(json_object_size(at(json, "watches")), KIND_COUNT);
	assert_text(json, "watches.invoices.state", "Listing");
	assert_text(json, "watches.invoices.standing", "Forbidden");
	assert_text(json, "watches.invoices.resourceVersion", "4711");
	assert_number(json, "watches.invoices.resourceVersionAgeSeconds", 90);
	assert_number(json, "watches.invoices.heardSecondsAgo", 2.5);
	assert_number(json, "watches.invoices.lists", 1);
	assert_number(json, "watches.invoices.watches", 3);
	assert_number(json, "watches.invoices.events", 4);
	assert_number(json, "watches.invoices.bytes", 5);
	assert_number(json, "watches.invoices.failures", 2);
	assert_number(json, "watches.invoices.unreadable", 6);
	assert_text(json, "watches.invoices.lastFailure.message", "GET /invoices: connection reset");
	assert_number(json, "watches.invoices.lastFailure.secondsAgo", 3);
	assert_null_at(json, "watches.invoices.nextTryInSeconds");
	assert_null_at(json, "watches.namespaces.heardSecondsAgo");
	assert_null_at(json, "watches.namespaces.resourceVersionAgeSeconds");
	assert_null_at(json, "watches.namespaces.lastFailure");
	json_decref(json);
	free(inf->call);
	inf->call = NULL;
	inf->watch.state = WATCH_WAITING;
	inf->watch.due = r->mono + 700;
	json = state_of(r);
	assert_text(json, "watches.invoices.state", "Waiting");
	assert_number(json, "watches.invoices.nextTryInSeconds", 0.7);
	assert_true(json_is_false(at(json, "watches.invoices.requestUnderWay")));
	json_decref(json);
}

static void the_ten_oldest_keys_are_shown_the_oldest_first(void **state)
{
	struct running *r = *state;
	json_t *json;

	/* Added in no order of age: 7, 14 ... 98, 5, 12 ... */
	for (int i = 0; i < 100; i++) {
		int n = (i * 7 + 7) % 100;
		char name[16];
		struct key key;

		snprintf(name, sizeof(name), "a-%d", n);
		key = key_of(r, KIND_BILLINGACCOUNT, "acme", name);
		queue_add(r->manager.queue, key, n % 2 ? PRIORITY_HIGH : PRIORITY_LOW, r->mono - 1000 * (n + 1));
		forget(r, key);
	}
	json = state_of(r);
	assert_number(json, "queue.depth", 100);
	assert_int_equal(json_array_size(at(json, "queue.oldest")), 10);
	for (size_t i = 0; i < 10; i++) {
		json_t *one = json_array_get(at(json, "queue.oldest"), i);
		char name[16];

		snprintf(name, sizeof(name), "a-%zu", 99 - i);
		assert_text(one, "name", name);
		assert_text(one, "namespace", "acme");
		assert_text(one, "kind", "BillingAccount");
		assert_number(one, "readyForSeconds", (double)(100 - i));
		assert_number(one, "failures", 0);
		assert_null_at(one, "nextTryInSeconds");
	}
	assert_int_equal(json_array_size(at(json, "queue.failing")), 0);
	json_decref(json);
}

static void the_keys_that_fail_most_are_shown_with_their_next_try(void **state)
{
	struct running *r = *state;
	json_t *json;

	for (int n = 0; n < 12; n++) {
		char name[16];
		struct key key, taken;

		snprintf(name, sizeof(name), "c-%d", n);
		key = key_of(r, KIND_PAYMENTMETHODCLASS, NULL, name);
		for (int failures = 0; failures < n; failures++) {
			queue_add(r->manager.queue, key, PRIORITY_HIGH, r->mono);
			assert_true(queue_take(r->manager.queue, r->mono, r->wall, &taken));
			queue_retry(r->manager.queue, key, r->mono - 1000000, 0);
			queue_done(r->manager.queue, key);
		}
		if (queue_take(r->manager.queue, r->mono, r->wall, &taken)) /* its delay is over */
			queue_done(r->manager.queue, taken);
		queue_add_after(r->manager.queue, key, r->mono + 1000 * (n + 1));
		queue_add_at(r->manager.queue, key, r->wall + 3600000);
		forget(r, key);
	}
	json = state_of(r);
	assert_int_equal(json_array_size(at(json, "queue.failing")), 10);
	for (size_t i = 0; i < 10; i++) {
		json_t *one = json_array_get(at(json, "queue.failing"), i);
		char name[16];

		snprintf(name, sizeof(name), "c-%zu", 11 - i);
		assert_text(one, "name", name);
		assert_null_at(one, "namespace");
		assert_number(one, "failures", (double)(11 - i));
		assert_number(one, "nextTryInSeconds", (double)(12 - i));
		assert_text(one, "wakesAt", "2026-11-22T11:06:20Z");
		assert_null_at(one, "readyForSeconds");
	}
	assert_int_equal(json_array_size(at(json, "queue.oldest")), 0);
	assert_number(json, "queue.delayed", 12);
	assert_number(json, "queue.timed", 12);
	json_decref(json);
}

static void a_pause_of_all_keys_is_shown(void **state)
{
	struct running *r = *state;
	json_t *json;

	r->manager.dispatch.closed_until = r->mono + 4200;
	json = state_of(r);
	assert_number(json, "queue.pausedForSeconds", 4.2);
	assert_true(json_is_false(at(json, "queue.open")));
	json_decref(json);
}

/* Whatever a server says, and whoever gives an object its name, the document is one. */
static void what_is_no_utf8_leaves_the_rest_whole(void **state)
{
	struct running *r = *state;
	struct informer *inf = &r->manager.informers[KIND_INVOICE];
	json_t *json;

	inf->last_error_at = r->mono;
	strcpy(inf->last_error.message, "\xff\xfe");
	json = state_of(r);
	assert_null_at(json, "watches.invoices.lastFailure.message");
	assert_number(json, "watches.invoices.lastFailure.secondsAgo", 0);
	json_decref(json);
}

static void others_than_this_host_are_refused(void **state)
{
	static const char *const paths[] = { "/debug/state", "/debug/loglevel", "/debug/", "/debug/pprof" };
	struct running *r = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(ask(r, (struct server_request){ .path = paths[i] }), 403);
		assert_non_null(strstr(r->reply.body, "kubectl port-forward"));
		assert_int_equal(ask(r, (struct server_request){ .path = paths[i], .method = "PUT", .body = "debug", .body_len = 5 }), 403);
	}
	assert_int_equal(r->log.level, LOG_INFO);
	assert_int_equal(ask(r, (struct server_request){ .path = "/debug/pprof", .loopback = true }), 404);
	assert_int_equal(ask(r, (struct server_request){ .path = "/debug/state", .method = "PUT", .loopback = true }), 405);
}

/* A page whose name has been made to point at a port-forward (DNS rebinding), and one that just asks there. */
static void web_pages_of_other_hosts_are_refused(void **state)
{
	static const struct {
		const char *host, *origin;
		int status;
	} rows[] = {
		{ "localhost:8081", "", 200 },
		{ "LOCALHOST", "", 200 },
		{ "127.0.0.1", "", 200 },
		{ "127.9.9.9:65535", "", 200 },
		{ "[::1]", "", 200 },
		{ "[::1]:8081", "", 200 },
		{ "localhost:9000", "http://localhost:9000", 200 },
		{ "127.0.0.1:8081", "https://[::1]", 200 },
		{ "", "", 403 },
		{ "evil.example", "", 403 },
		{ "evil.example:8081", "", 403 },
		{ "localhost.evil.example", "", 403 },
		{ "127.0.0.1.evil.example:8081", "", 403 },
		{ "10.0.0.1:8081", "", 403 },
		{ "[::2]", "", 403 },
		{ "[::1", "", 403 },
		{ "::1", "", 403 },
		{ "localhost:8081:8081", "", 403 },
		{ "localhost:evil", "", 403 },
		{ "localhost@evil.example", "", 403 },
		{ "localhost:8081@evil.example", "", 403 },
		{ ":8081", "", 403 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", 403 },
		{ "localhost:8081", "http://evil.example", 403 },
		{ "localhost:8081", "http://evil.example:8081", 403 },
		{ "localhost:8081", "http://localhost.evil.example", 403 },
		{ "localhost:8081", "null", 403 },
		{ "localhost:8081", "localhost", 403 },
		{ "localhost:8081", "http://", 403 },
	};
	struct running *r = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server_request request = { .path = "/debug/loglevel", .loopback = true, .host = rows[i].host, .origin = rows[i].origin };

		if (ask(r, request) != rows[i].status)
			fail_msg("\"%s\" from \"%s\": %d", rows[i].host, rows[i].origin, r->reply.status);
		if (rows[i].status == 403)
			assert_non_null(strstr(r->reply.body, *rows[i].origin ? "Origin" : "Host"));
		request.method = "PUT";
		request.body = "info";
		request.body_len = 4;
		assert_int_equal(ask(r, request), rows[i].status);
	}
	assert_int_equal(ask(r, (struct server_request){ .path = "/livez", .host = "tollgate.example" }), 200); /* kubelet's to ask */
}

static int put_level(struct running *r, const char *body)
{
	return ask(r, (struct server_request){ .path = "/debug/loglevel", .method = "PUT", .loopback = true, .body = *body ? body : NULL,
					       .body_len = strlen(body) });
}

/* What has been logged since. */
static const char *logged(struct running *r, char text[1024])
{
	ssize_t n = read(r->log_reader, text, 1023);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void the_level_changes_while_it_runs_and_the_log_says_so(void **state)
{
	static const struct {
		const char *body, *now;
		bool told;
	} rows[] = {
		{ "debug", "debug\n", true },
		{ "debug", "debug\n", false }, /* as it was */
		{ "error\n", "error\n", true }, /* told before it falls silent */
		{ " \r\n warn \n", "warn\n", true },
		{ "error", "error\n", true },
		{ "info", "info\n", true },
	};
	struct running *r = *state;
	char text[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(put_level(r, rows[i].body), 200);
		assert_string_equal(r->reply.body, rows[i].now);
		assert_int_equal(strstr(logged(r, text), "log level changed while running") != NULL, rows[i].told);
		assert_int_equal(ask(r, (struct server_request){ .path = "/debug/loglevel", .loopback = true }), 200);
		assert_string_equal(r->reply.body, rows[i].now);
	}
	log_debug(&r->log, "hidden");
	assert_string_equal(logged(r, text), "");
	put_level(r, "debug");
	log_debug(&r->log, "shown");
	assert_non_null(strstr(logged(r, text), "shown"));
}

static void a_level_that_is_none_changes_nothing(void **state)
{
	static const char *const bodies[] = { "", "verbose", "DEBUG", "debug info", "\"debug\"", "level=debug",
					      "debugdebugdebugdebugdebugdebugdebugdebugdebugdebugdebugdebugdebugdebugdebug" };
	struct running *r = *state;
	char text[1024];

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(put_level(r, bodies[i]), 400);
		assert_string_equal(r->reply.body, "the body must be one of error, warn, info or debug\n");
	}
	assert_int_equal(r->log.level, LOG_INFO);
	assert_string_equal(logged(r, text), "");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, running_set_up, running_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(it_says_who_and_what_it_is),
		CASE(each_watch_tells_where_it_stands),
		CASE(the_ten_oldest_keys_are_shown_the_oldest_first),
		CASE(the_keys_that_fail_most_are_shown_with_their_next_try),
		CASE(a_pause_of_all_keys_is_shown),
		CASE(what_is_no_utf8_leaves_the_rest_whole),
		CASE(others_than_this_host_are_refused),
		CASE(web_pages_of_other_hosts_are_refused),
		CASE(the_level_changes_while_it_runs_and_the_log_says_so),
		CASE(a_level_that_is_none_changes_nothing),
	};

	return cmocka_run_group_tests_name("debug", tests, NULL, NULL);
}
