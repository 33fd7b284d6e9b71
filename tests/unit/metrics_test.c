/*
 * /metrics as a whole: which series there are, from the start and on a follower, where their values come from, and that what a scrape
 * costs does not grow with the number of objects. What Prometheus says of it is for tests/e2e/test_metrics.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "metrics.h"
#include "projectbilling.h"
#include "stopwatch.h"

struct rig {
	struct port port;
	struct log log;
	struct settings settings;
	struct cluster_config cluster;
	struct manager manager;
	struct parts parts;
	struct loop *loop;
	struct http *http;
	int64_t mono;
	void *something;
	char *text; /* of the last scrape */
	size_t len;
};

struct call {
	int unused;
};

/* A server that never answers. */
static struct call *silent_send(void *self, const struct request *request, const struct reply *reply)
{
	(void)self, (void)request, (void)reply;
	return calloc(1, sizeof(struct call));
}

static void silent_cancel(void *self, struct call *call)
{
	(void)self;
	free(call);
}

static int64_t rig_mono(void *self)
{
	return ((struct rig *)self)->mono;
}

static instant_t rig_now(void *self)
{
	return 1795341980000 + ((struct rig *)self)->mono;
}

static uint64_t rig_random(void *self)
{
	(void)self;
	return 88172645463325252u;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err = { 0 };

	rig->port = (struct port){ .self = rig, .send = silent_send, .cancel = silent_cancel, .monotonic_ms = rig_mono, .now = rig_now,
				   .random = rig_random };
	rig->log = (struct log){ .fd = -1, .level = LOG_ERROR };
	rig->settings.project_label = PROJECT_LABEL_DEFAULT;
	rig->mono = 1000;
	rig->cluster.server = strdup("http://127.0.0.1:1");
	rig->loop = loop_new();
	rig->http = http_new(rig->loop, &rig->cluster, &rig->log, "tollgate/test", &err);
	assert_non_null(rig->http);
	manager_init(&rig->manager, &(struct manager_config){ .port = &rig->port, .settings = &rig->settings, .log = &rig->log,
							      .source = "https://test", .max_concurrent_writes = 8,
							      .cache_sync_timeout_ms = 120000 });
	queue_measure(rig->manager.queue, stopwatch_ns);
	manager_start(&rig->manager);
	rig->parts = (struct parts){ .log = &rig->log, .version = "1.2.3 \"quoted\"", .loop = rig->loop, .http = rig->http,
				     .manager = &rig->manager };
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	manager_close(&rig->manager);
	http_free(rig->http);
	loop_free(rig->loop);
	cluster_config_close(&rig->cluster);
	free(rig->text);
	free(rig);
	return 0;
}

static const char *scrape(struct rig *rig)
{
	const struct server_request request = { .method = "GET", .path = "/metrics", .query = "", .content_type = "" };
	struct server_reply reply;

	free(rig->text);
	assert_true(metrics_handle(&rig->parts, &request, NULL, &reply));
	assert_int_equal(reply.status, 200);
	rig->text = reply.body;
	rig->len = reply.body_len;
	assert_int_equal(strlen(rig->text), rig->len);
	return rig->text;
}

/* "\nseries value\n" is in the text of the last scrape. */
static void expect(struct rig *rig, const char *series, const char *value)
{
	char line[512];
	const char *found;

	snprintf(line, sizeof(line), "\n%s ", series);
	found = strstr(rig->text, line);
	if (!found)
		fail_msg("no series %s", series);
	found += strlen(line);
	if (strncmp(found, value, strlen(value)) != 0 || found[strlen(value)] != '\n')
		fail_msg("%s is %.*s, not %s", series, (int)strcspn(found, "\n"), found, value);
}

static void put(struct rig *rig, unsigned number, const char *version, const char *reason)
{
	char text[1024], status[256] = "";
	struct error err = { 0 };
	void *record;

	if (reason)
		snprintf(status, sizeof(status),
			 ",\"status\":{\"conditions\":[{\"type\":\"DeployAllowed\",\"status\":\"False\",\"reason\":\"%s\","
			 "\"message\":\"\",\"lastTransitionTime\":\"2026-11-22T10:00:00Z\"}]}",
			 reason);
	snprintf(text, sizeof(text),
		 "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"ProjectBilling\",\"metadata\":{\"name\":\"p%u\","
		 "\"namespace\":\"ns%u\",\"uid\":\"u%u\",\"resourceVersion\":\"%s\",\"generation\":1,"
		 "\"creationTimestamp\":\"2026-11-22T10:00:00Z\"}%s}",
		 number, number, number, version, status);
	record = record_decode(rig->manager.codec, kinds[KIND_PROJECTBILLING].resource, text, strlen(text), &err);
	if (!record)
		fail_msg("%s", err.message);
	cache_put(rig->manager.cache, KIND_PROJECTBILLING, record);
}

/* Holds references: key_drop. */
static struct key key_of(struct rig *rig, unsigned number)
{
	char name[32], ns[32];

	snprintf(name, sizeof(name), "p%u", number);
	snprintf(ns, sizeof(ns), "ns%u", number);
	return (struct key){ .kind = KIND_PROJECTBILLING, .ns = atom_of(rig->manager.atoms, ns), .name = atom_of(rig->manager.atoms, name) };
}

static void key_drop(struct rig *rig, struct key key)
{
	atom_unref(rig->manager.atoms, key.name);
	atom_unref(rig->manager.atoms, key.ns);
}

static void wait_in_queue(struct rig *rig, unsigned number)
{
	struct key key = key_of(rig, number);

	queue_add(rig->manager.queue, key, PRIORITY_HIGH, rig->mono);
	key_drop(rig, key);
}

static void series_are_there_before_anything_happens(void **state)
{
	struct rig *rig = *state;

	scrape(rig);
	expect(rig, "controller_runtime_reconcile_total{result=\"requeue_after\",controller=\"billingaccountbinding\"}", "0");
	expect(rig, "controller_runtime_reconcile_errors_total{controller=\"invoice\"}", "0");
	expect(rig, "controller_runtime_reconcile_panics_total{controller=\"invoice\"}", "0");
	expect(rig, "controller_runtime_max_concurrent_reconciles{controller=\"namespace\"}", "8");
	expect(rig, "controller_runtime_reconcile_time_seconds_bucket{controller=\"namespace\",le=\"0.005\"}", "0");
	expect(rig, "controller_runtime_reconcile_time_seconds_bucket{controller=\"namespace\",le=\"60\"}", "0");
	expect(rig, "workqueue_depth{name=\"paymentmethod\",controller=\"paymentmethod\"}", "0");
	expect(rig, "workqueue_work_duration_seconds_bucket{name=\"paymentmethod\",controller=\"paymentmethod\",le=\"1e-08\"}", "0");
	expect(rig, "workqueue_work_duration_seconds_bucket{name=\"paymentmethod\",controller=\"paymentmethod\",le=\"+Inf\"}", "0");
	expect(rig, "rest_client_requests_total{code=\"<error>\",method=\"PATCH\",host=\"127.0.0.1:1\"}", "0");
	expect(rig, "tollgate_writes_total{kind=\"BillingAccount\",request=\"finalizer\",result=\"conflict\"}", "0");
	expect(rig, "tollgate_projects{deploy=\"blocked\",reason=\"NoBinding\"}", "0");
	expect(rig, "tollgate_build_info{version=\"1.2.3 \\\"quoted\\\"\"}", "1");
	expect(rig, "leader_election_master_status{name=\"tollgate\"}", "1"); /* without election it always decides */
	assert_null(strstr(rig->text, "webhook")); /* admission is off */
}

static void each_family_is_introduced_once_and_each_series_is_there_once(void **state)
{
	struct rig *rig = *state;
	char *seen[4096], *rest, *line;
	size_t n = 0;

	scrape(rig);
	rest = rig->text;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (strncmp(line, "# HELP", 6) == 0)
			continue;
		if (*line != '#')
			*strrchr(line, ' ') = '\0';
		for (size_t i = 0; i < n; i++)
			if (strcmp(seen[i], line) == 0)
				fail_msg("twice: %s", line);
		assert_true(n < 4096);
		seen[n++] = line;
	}
	assert_null(rest ? strchr(rest, '#') : NULL);
	rig->len = 0;
}

static void what_has_happened_is_told(void **state)
{
	struct rig *rig = *state;
	struct dispatch_stats *dispatch = &rig->manager.dispatch.stats;
	struct key key;

	put(rig, 1, "1", "NoBinding");
	put(rig, 2, "1", "Allowed");
	put(rig, 3, "1", NULL);
	put(rig, 1, "2", "AccountSuspended");
	dispatch->results[KIND_INVOICE][DISPATCH_ERROR] = 3;
	dispatch->results[KIND_INVOICE][DISPATCH_REQUEUE_AFTER] = 4;
	dispatch->written[KIND_BILLINGACCOUNT][WRITE_STATUS][WRITTEN_CONFLICT] = 5;
	rig->manager.informers[KIND_BINDING].stats.heard_at = 4000;
	for (unsigned i = 1; i <= 3; i++)
		wait_in_queue(rig, i);
	rig->mono += 6500;
	assert_true(queue_take(rig->manager.queue, rig->mono, 0, &key));
	scrape(rig);
	expect(rig, "tollgate_objects{kind=\"ProjectBilling\"}", "3");
	expect(rig, "tollgate_projects{deploy=\"blocked\",reason=\"NoBinding\"}", "0");
	expect(rig, "tollgate_projects{deploy=\"blocked\",reason=\"AccountSuspended\"}", "1");
	expect(rig, "tollgate_projects{deploy=\"allowed\",reason=\"Allowed\"}", "1");
	expect(rig, "tollgate_projects{deploy=\"None\",reason=\"None\"}", "1");
	expect(rig, "controller_runtime_reconcile_total{result=\"error\",controller=\"invoice\"}", "3");
	expect(rig, "controller_runtime_reconcile_errors_total{controller=\"invoice\"}", "3");
	expect(rig, "controller_runtime_reconcile_total{result=\"requeue_after\",controller=\"invoice\"}", "4");
	expect(rig, "tollgate_writes_total{kind=\"BillingAccount\",request=\"status\",result=\"conflict\"}", "5");
	expect(rig, "tollgate_watch_stale_seconds{kind=\"BillingAccountBinding\"}", "3.5");
	expect(rig, "tollgate_watch_stale_seconds{kind=\"Invoice\"}", "6.5"); /* never heard: since the start */
	expect(rig, "workqueue_adds_total{name=\"projectbilling\",controller=\"projectbilling\"}", "3");
	expect(rig, "workqueue_depth{name=\"projectbilling\",controller=\"projectbilling\"}", "2");
	expect(rig, "controller_runtime_active_workers{controller=\"projectbilling\"}", "1");
	expect(rig, "workqueue_queue_duration_seconds_count{name=\"projectbilling\",controller=\"projectbilling\"}", "1");
	expect(rig, "tollgate_queue_wait_seconds", "6.5");
	queue_done(rig->manager.queue, key);
}

static void another_path_is_not_found(void **state)
{
	struct rig *rig = *state;
	const struct server_request request = { .method = "GET", .path = "/metric", .query = "", .content_type = "" };
	struct server_reply reply;

	assert_true(metrics_handle(&rig->parts, &request, NULL, &reply));
	assert_int_equal(reply.status, 404);
	assert_int_equal(strlen(reply.body), reply.body_len);
	free(reply.body);
}

/* The least of several, in milliseconds: what else the machine does only adds. In between something else has been at the processor's
 * caches, as it is in a process that works. */
static double scrape_ms(struct rig *rig)
{
	enum { CACHES = 32 << 20 };
	double least = 1e9;

	rig->something = malloc(CACHES);
	for (int i = 0; i < 15; i++) {
		memset(rig->something, i, CACHES);
		int64_t began_ns = stopwatch_ns();
		scrape(rig);
		double ms = stopwatch_seconds_since(began_ns) * 1e3;
		least = ms < least ? ms : least;
	}
	free(rig->something);
	return least;
}

/* With all their keys waiting in the queue, which is something else that a scrape might walk over. */
static void what_a_scrape_costs_does_not_grow_with_the_objects(void **state)
{
	enum { FEW = 1000, MANY = 100000 };
	struct rig *rig = *state;
	double few, many;
	unsigned number = 0;

	for (; number < FEW; number++)
		put(rig, number, "1", "Allowed");
	few = scrape_ms(rig);
	for (; number < MANY; number++) {
		put(rig, number, "1", "Allowed");
		wait_in_queue(rig, number);
	}
	many = scrape_ms(rig);
	expect(rig, "tollgate_projects{deploy=\"allowed\",reason=\"Allowed\"}", "100000");
	print_message("a scrape of %zu bytes: %.3f ms with %d objects, %.3f ms with %d\n", rig->len, few, FEW, many, MANY);
	assert_true(many < 3 * few);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(series_are_there_before_anything_happens),
		CASE(each_family_is_introduced_once_and_each_series_is_there_once),
		CASE(what_has_happened_is_told),
		CASE(another_path_is_not_found),
		CASE(what_a_scrape_costs_does_not_grow_with_the_objects),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
