/*
 * health.c: which trouble fails which check and which it does not, and the answers as those know them who probe Kubernetes' components.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <uv.h>

#include "running.h"

/* The clock by which the loop judges its beat: each reading finds it later by this much. */
static uint64_t slip_ms, slipped_ms;

uint64_t uv_hrtime(void)
{
	struct timespec now;

	slipped_ms += slip_ms;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * 1000 + slipped_ms) * 1000000 + (uint64_t)now.tv_nsec;
}

static int64_t drain_until_sluggish(void *context)
{
	struct running *r = context;

	if (loop_is_sluggish(r->loop))
		loop_stop(r->loop);
	return -1;
}

static void answers(struct running *r, const char *path, const char *query, int status, const char *body)
{
	assert_int_equal(ask(r, (struct server_request){ .path = path, .query = query }), status);
	assert_int_equal(r->reply.body_len, strlen(body));
	assert_memory_equal(r->reply.body, body, strlen(body));
	assert_string_equal(r->reply.content_type, "text/plain; charset=utf-8");
}

/* Listed, and heard of a second ago. */
static void all_is_well(struct running *r)
{
	r->manager.synced = true;
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		r->manager.states[k] = KIND_FINE;
		r->manager.informers[k].watch.synced = true;
		r->manager.informers[k].stats.heard_at = r->mono - 1000;
	}
}

static void ready_only_when_every_kind_has_been_listed(void **state)
{
	struct running *r = *state;

	answers(r, "/livez", "", 200, "ok");
	answers(r, "/healthz", "", 200, "ok");
	answers(r, "/readyz", "", 500,
		"[+]ping ok\n"
		"[-]caches-synced failed: not listed yet: namespaces, paymentmethodclasses, billingaccounts, paymentmethods, "
		"billingarrangements, invoices, billingaccountbindings, projectbillings\n"
		"[+]watches-fresh ok\n[+]webhook-certificate ok\n[+]shutdown ok\nreadyz check failed\n");
	all_is_well(r);
	r->manager.synced = false;
	r->manager.informers[KIND_INVOICE].watch.synced = r->manager.informers[KIND_BINDING].watch.synced = false;
	r->manager.states[KIND_INVOICE] = KIND_MISSING;
	r->manager.states[KIND_BINDING] = KIND_REFUSED;
	answers(r, "/readyz/caches-synced", "", 500,
		"internal server error: not listed yet: invoices (its definition is missing), billingaccountbindings (not allowed)\n");
	r->manager.server = SERVER_SILENT;
	r->manager.informers[KIND_BINDING].watch.synced = true;
	answers(r, "/readyz/caches-synced", "", 500,
		"internal server error: the API server does not answer; not listed yet: invoices (its definition is missing)\n");
	all_is_well(r);
	answers(r, "/readyz", "", 200, "ok");
	answers(r, "/livez", "", 200, "ok");
}

static void a_silent_watch_is_named_with_its_silence(void **state)
{
	struct running *r = *state;

	all_is_well(r);
	r->manager.informers[KIND_BILLINGACCOUNT].stats.heard_at = r->mono - 300000;
	answers(r, "/readyz", "", 200, "ok");
	r->manager.informers[KIND_BILLINGACCOUNT].stats.heard_at = r->mono - 300001;
	r->manager.informers[KIND_INVOICE].stats.heard_at = r->mono - 412345;
	r->manager.states[KIND_INVOICE] = KIND_REFUSED;
	answers(r, "/readyz", "", 500,
		"[+]ping ok\n[+]caches-synced ok\n"
		"[-]watches-fresh failed: billingaccounts: nothing heard for 300 s, invoices: nothing heard for 412 s (not allowed)\n"
		"[+]webhook-certificate ok\n[+]shutdown ok\nreadyz check failed\n");
	answers(r, "/livez", "", 200, "ok"); /* to be killed would not help */
	r->parts.stale_ms = 500000;
	answers(r, "/readyz", "", 200, "ok");
}

static void not_ready_while_stopping_but_alive(void **state)
{
	struct running *r = *state;

	all_is_well(r);
	r->parts.stopping = true;
	answers(r, "/readyz/shutdown", "", 500, "internal server error: stopping\n");
	assert_int_equal(ask(r, (struct server_request){ .path = "/readyz" }), 500);
	answers(r, "/livez", "", 200, "ok");
}

static void a_sluggish_loop_is_not_alive_but_ready(void **state)
{
	struct running *r = *state;

	all_is_well(r);
	slip_ms = 1500;
	loop_on_drain(r->loop, drain_until_sluggish, r);
	loop_run(r->loop);
	slip_ms = 0;
	answers(r, "/livez", "", 500,
		"[+]ping ok\n[-]loop-lag failed: the event loop has been late by more than a second, again and again\nlivez check failed\n");
	assert_int_equal(ask(r, (struct server_request){ .path = "/healthz" }), 500);
	answers(r, "/readyz", "", 200, "ok");
}

static void verbose_tells_of_each_check(void **state)
{
	static const char *const queries[] = { "verbose", "verbose=true", "verbose=", "x=1&verbose", "verbose&x" };
	struct running *r = *state;

	all_is_well(r);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		answers(r, "/readyz", queries[i], 200,
			"[+]ping ok\n[+]caches-synced ok\n[+]watches-fresh ok\n[+]webhook-certificate ok\n[+]shutdown ok\nreadyz check passed\n");
	answers(r, "/livez", "verbose", 200, "[+]ping ok\n[+]loop-lag ok\nlivez check passed\n");
	answers(r, "/healthz", "verbose", 200, "[+]ping ok\n[+]loop-lag ok\nhealthz check passed\n");
	answers(r, "/livez", "notverbose&x=verbose&verbosely", 200, "ok");
}

static void what_is_excluded_cannot_fail(void **state)
{
	struct running *r = *state;

	all_is_well(r);
	r->manager.synced = false;
	r->parts.stopping = true;
	answers(r, "/readyz", "exclude=caches-synced&exclude=shutdown", 200, "ok");
	answers(r, "/readyz", "exclude=caches-synced&verbose&exclude=shutdown", 200,
		"[+]ping ok\n[+]caches-synced excluded: ok\n[+]watches-fresh ok\n[+]webhook-certificate ok\n[+]shutdown excluded: ok\n"
		"readyz check passed\n");
	assert_int_equal(ask(r, (struct server_request){ .path = "/readyz", .query = "exclude=caches-synced" }), 500);
	assert_int_equal(ask(r, (struct server_request){ .path = "/readyz", .query = "exclude=caches&exclude=shutdown" }), 500);
}

static void excluding_what_there_is_not_is_warned_of(void **state)
{
	struct running *r = *state;

	all_is_well(r);
	answers(r, "/livez", "exclude=etcd", 200, "ok");
	answers(r, "/livez", "verbose&exclude=etcd&exclude=ping&exclude=caches-synced&exclude", 200,
		"[+]ping excluded: ok\n[+]loop-lag ok\n"
		"warn: some health checks cannot be excluded: no matches for \"etcd\",\"caches-synced\",\"\"\nlivez check passed\n");
}

static void each_check_can_be_asked_alone(void **state)
{
	static const char *const ready[] = { "/readyz/ping", "/readyz/caches-synced", "/readyz/watches-fresh", "/readyz/webhook-certificate",
					     "/readyz/shutdown", "/livez/ping", "/livez/loop-lag", "/healthz/loop-lag", "/readyz/" };
	static const char *const nothing[] = { "/readyz/loop-lag", "/livez/shutdown", "/livez/pin", "/livez/ping/x", "/readyzz", "/", "" };
	struct running *r = *state;

	all_is_well(r);
	for (size_t i = 0; i < sizeof(ready) / sizeof(ready[0]); i++)
		answers(r, ready[i], "", 200, "ok");
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		assert_int_equal(ask(r, (struct server_request){ .path = nothing[i] }), 404);
	assert_int_equal(ask(r, (struct server_request){ .path = "/livez", .method = "PUT" }), 405);
	assert_int_equal(ask(r, (struct server_request){ .path = "/livez", .method = "HEAD" }), 200);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, running_set_up, running_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(ready_only_when_every_kind_has_been_listed),
		CASE(a_silent_watch_is_named_with_its_silence),
		CASE(not_ready_while_stopping_but_alive),
		CASE(a_sluggish_loop_is_not_alive_but_ready),
		CASE(verbose_tells_of_each_check),
		CASE(what_is_excluded_cannot_fail),
		CASE(excluding_what_there_is_not_is_warned_of),
		CASE(each_check_can_be_asked_alone),
	};

	alarm(120);
	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
