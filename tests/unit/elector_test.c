/*
 * elector.c with a small API server behind its port: one Lease with its versions, and whatever else is written. The clock is the test's;
 * the answer to each request may be lost, refused or garbled. The rules themselves are election_test.c's.
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

#include "caps.h"
#include "elector.h"
#include "memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW ((instant_t)1795428380000)
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/tollgate-system/leases"

enum { REPLICAS = 2, CALLS_MAX = 8 };

struct rig;

struct call {
	char method[8], path[128];
	char *body;
	int timeout_ms;
	int64_t body_until_ms;
	struct reply reply;
};

struct replica {
	struct rig *rig;
	struct port port, gate;
	struct elector *elector;
	struct call *lease;            /* the request about the Lease that is under way */
	struct call *calls[CALLS_MAX]; /* all others */
	size_t n_calls;
	unsigned cancelled;
	char identity[16];
};

struct rig {
	struct log log;
	int64_t mono;
	json_t *lease; /* NULL = not there */
	unsigned version;
	struct replica replicas[REPLICAS];
	char trace[1024]; /* what arrived */
};

/* ---- the server ---- */

static void stamp(struct rig *rig)
{
	char version[16];

	snprintf(version, sizeof(version), "%u", ++rig->version);
	json_object_set_new(json_object_get(rig->lease, "metadata"), "resourceVersion", json_string(version));
}

static const char *version_of(const json_t *lease)
{
	return json_string_value(json_object_get(json_object_get(lease, "metadata"), "resourceVersion"));
}

static void set_lease(struct rig *rig, const char *spec)
{
	json_decref(rig->lease);
	rig->lease = json_pack("{s:s,s:{s:s,s:{s:s}},s:o}", "kind", "Lease", "metadata", "name", "tollgate", "labels", "team", "billing", "spec",
			       json_loads(spec, 0, NULL));
	assert_non_null(rig->lease);
	stamp(rig);
}

static json_t *spec_of(const struct rig *rig, const char *member)
{
	return json_object_get(json_object_get(rig->lease, "spec"), member);
}

static const char *holder(const struct rig *rig)
{
	return json_string_value(spec_of(rig, "holderIdentity"));
}

/* Does it, and says how it went. */
static int carry_out(struct rig *rig, const struct call *call)
{
	json_t *sent = call->body ? json_loads(call->body, 0, NULL) : NULL;
	int status = 200;

	if (strcmp(call->method, "POST") == 0) {
		assert_string_equal(call->path, LEASES);
		status = rig->lease ? 409 : 201;
	} else {
		assert_string_equal(call->path, LEASES "/tollgate");
		status = !rig->lease ? 404 : sent && strcmp(version_of(sent), version_of(rig->lease)) != 0 ? 409 : 200;
	}
	if (sent && status < 300) {
		json_decref(rig->lease);
		rig->lease = json_incref(sent);
		stamp(rig);
	}
	json_decref(sent);
	return status;
}

static void free_call(struct call *call)
{
	free(call->body);
	free(call);
}

static struct call *take(struct replica *r)
{
	struct call *call = r->lease;
	size_t used = strlen(r->rig->trace);

	assert_non_null(call);
	r->lease = NULL;
	snprintf(r->rig->trace + used, sizeof(r->rig->trace) - used, "%s ", call->method);
	return call;
}

static void end(struct call *call, int status, const char *body, const struct error *transport)
{
	size_t half = body ? strlen(body) / 2 : 0;

	if (!body || (call->reply.on_data(call->reply.context, status, body, half) == 0 &&
		      call->reply.on_data(call->reply.context, status, body + half, strlen(body) - half) == 0))
		call->reply.on_done(call->reply.context, status, 0, transport);
	else
		call->reply.on_done(call->reply.context, status, 0, NULL);
	free_call(call);
}

/* The request of this replica arrives, and its answer comes back so much later. */
static void answer_after(struct replica *r, int64_t ms)
{
	struct rig *rig = r->rig;
	struct call *call = take(r);
	const int status = carry_out(rig, call);
	char *body = status < 300 ? json_dumps(rig->lease, JSON_COMPACT) : memory_printf("{\"kind\":\"Status\",\"code\":%d,\"message\":\"no\"}", status);

	rig->mono += ms;
	end(call, status, body, NULL);
	free(body);
}

static void answer(struct replica *r)
{
	answer_after(r, 5);
}

/* It arrives or does not, and no answer comes. */
static void lose(struct replica *r, bool arrives)
{
	const struct error lost = { .class = ERROR_RETRY, .message = "connection reset" };
	struct call *call = take(r);

	if (arrives)
		carry_out(r->rig, call);
	end(call, 0, NULL, &lost);
}

static void refuse(struct replica *r, int status)
{
	char *body = memory_printf("{\"kind\":\"Status\",\"code\":%d,\"message\":\"you may not\"}", status);

	end(take(r), status, body, NULL);
	free(body);
}

/* ---- the port ---- */

static struct call *port_send(void *self, const struct request *request, const struct reply *reply)
{
	struct replica *r = self;
	struct call *call = calloc(1, sizeof(*call));

	snprintf(call->method, sizeof(call->method), "%s", request->method);
	snprintf(call->path, sizeof(call->path), "%s", request->path);
	call->body = request->body ? memory_strndup(request->body, request->body_len) : NULL;
	call->timeout_ms = request->timeout_ms;
	call->body_until_ms = request->body_until_ms;
	call->reply = *reply;
	if (strncmp(request->path, LEASES, strlen(LEASES)) == 0) {
		assert_null(r->lease); /* one at a time */
		assert_true(call->timeout_ms > 0);
		assert_int_equal(call->body != NULL, strcmp(call->method, "GET") != 0);
		assert_int_equal(call->body_until_ms, call->body ? r->rig->mono + call->timeout_ms : 0);
		r->lease = call;
	} else {
		assert_true(r->n_calls < CALLS_MAX);
		r->calls[r->n_calls++] = call;
	}
	return call;
}

static void port_cancel(void *self, struct call *call)
{
	struct replica *r = self;

	r->cancelled++;
	if (call == r->lease) {
		r->lease = NULL;
	} else {
		assert_true(r->n_calls > 0);
		assert_ptr_equal(r->calls[r->n_calls - 1], call); /* as the tests do it */
		r->n_calls--;
	}
	free_call(call);
}

static int64_t port_mono(void *self)
{
	return ((struct replica *)self)->rig->mono;
}

static instant_t port_wall(void *self)
{
	return NOW + ((struct replica *)self)->rig->mono;
}

static uint64_t port_random(void *self)
{
	(void)self;
	return 88172645463325252u;
}

/* ---- the rig ---- */

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->mono = 1000000;
	rig->log = (struct log){ .fd = memfd_create("log", 0), .level = LOG_INFO };
	*state = rig;
	return rig->log.fd < 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < REPLICAS; i++) {
		struct replica *r = &rig->replicas[i];

		elector_free(r->elector);
		assert_null(r->lease);
		while (r->n_calls)
			free_call(r->calls[--r->n_calls]);
	}
	json_decref(rig->lease);
	close(rig->log.fd);
	free(rig);
	return 0;
}

static struct elector_config config_of(struct replica *r)
{
	return (struct elector_config){ .port = &r->port, .log = &r->rig->log, .ns = "tollgate-system", .name = "tollgate", .identity = r->identity,
					.lease_ms = 15000, .renew_ms = 10000, .retry_ms = 2000 };
}

static struct replica *start(struct rig *rig, int which)
{
	struct replica *r = &rig->replicas[which];
	struct elector_config config;
	struct error err;

	r->rig = rig;
	r->port = (struct port){ .self = r, .send = port_send, .cancel = port_cancel, .monotonic_ms = port_mono, .now = port_wall, .random = port_random };
	snprintf(r->identity, sizeof(r->identity), "host%d_uuid", which);
	config = config_of(r);
	r->elector = elector_new(&config, &err);
	assert_non_null(r->elector);
	r->gate = elector_port(r->elector);
	return r;
}

/* One that leads since just now. */
static struct replica *start_leader(struct rig *rig)
{
	struct replica *r = start(rig, 0);

	elector_tick(r->elector);
	answer(r);
	answer(r);
	assert_true(elector_leads(r->elector));
	rig->trace[0] = '\0';
	return r;
}

/* Time passes until it wants to be called again, and it is. */
static int64_t rest(struct replica *r)
{
	int64_t wait = elector_tick(r->elector);

	if (wait > 0) {
		r->rig->mono += wait;
		elector_tick(r->elector);
	}
	return wait;
}

static const char *log_text(struct rig *rig)
{
	static char text[1 << 16];
	ssize_t len = pread(rig->log.fd, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	return text;
}

/* How many lines of the log hold this. */
static unsigned said(struct rig *rig, const char *what)
{
	unsigned n = 0;

	for (const char *at = log_text(rig); (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

/* ---- the Lease ---- */

static void the_first_creates_the_lease_and_leads(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);
	struct elector_stats stats;
	int64_t sent;

	assert_false(elector_leads(r->elector));
	assert_int_equal(elector_tick(r->elector), -1); /* until the answer */
	assert_int_equal(r->lease->timeout_ms, 5000);
	answer(r);
	sent = rig->mono;
	assert_int_equal(r->lease->timeout_ms, 5000);
	answer(r);
	assert_string_equal(rig->trace, "GET POST ");
	assert_string_equal(holder(rig), "host0_uuid");
	assert_int_equal(json_integer_value(spec_of(rig, "leaseDurationSeconds")), 15);
	assert_int_equal(json_integer_value(spec_of(rig, "leaseTransitions")), 0);
	assert_true(elector_leads(r->elector));
	assert_false(elector_lost(r->elector));
	assert_int_equal(elector_tick(r->elector), sent + 2000 - rig->mono);
	stats = elector_stats(r->elector);
	assert_string_equal(stats.holder, "host0_uuid");
	assert_int_equal(stats.valid_ms, sent + 10000 - rig->mono);
	assert_int_equal(stats.renewed, NOW + sent);
	assert_int_equal(stats.failures, 0);
	assert_int_equal(said(rig, "leading begins"), 1);
}

static void a_renewal_keeps_what_others_put_on_the_lease(void **state)
{
	struct rig *rig = *state;
	struct replica *r;

	set_lease(rig, "{\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,\"renewTime\":\"2026-01-01T00:00:00.000000Z\",\"leaseTransitions\":4,\"preferredHolder\":\"x\"}");
	r = start_leader(rig);
	assert_int_equal(json_integer_value(spec_of(rig, "leaseTransitions")), 5);
	rest(r);
	answer(r);
	rest(r);
	/* Somebody labels it: a conflict, a look, and on it goes. */
	json_object_set_new(json_object_get(json_object_get(rig->lease, "metadata"), "labels"), "shift", json_string("night"));
	stamp(rig);
	answer(r);
	if (!r->lease)
		rest(r);
	answer(r);
	answer(r);
	assert_string_equal(rig->trace, "PUT PUT GET PUT ");
	assert_true(elector_leads(r->elector));
	assert_string_equal(json_string_value(json_object_get(json_object_get(json_object_get(rig->lease, "metadata"), "labels"), "shift")), "night");
	assert_string_equal(json_string_value(json_object_get(json_object_get(json_object_get(rig->lease, "metadata"), "labels"), "team")), "billing");
	assert_string_equal(json_string_value(spec_of(rig, "preferredHolder")), "x");
	assert_int_equal(json_integer_value(spec_of(rig, "leaseTransitions")), 5);
	assert_int_equal(said(rig, "leading begins"), 1);
}

static void a_follower_takes_over_when_nobody_renews(void **state)
{
	struct rig *rig = *state;
	struct replica *second;
	int64_t seen;

	start_leader(rig); /* and never acts again */
	second = start(rig, 1);
	elector_tick(second->elector);
	answer(second);
	seen = rig->mono;
	while (!elector_leads(second->elector)) {
		rest(second);
		answer_after(second, 0);
		assert_true(rig->mono - seen <= 15000);
	}
	assert_int_equal(rig->mono - seen, 15000);
	assert_string_equal(holder(rig), "host1_uuid");
	assert_int_equal(json_integer_value(spec_of(rig, "leaseTransitions")), 1);
	assert_int_equal(said(rig, "waiting: another replica leads"), 1);
	assert_int_equal(said(rig, "host0_uuid"), 2); /* it said so itself, and the other of it */
}

static void whose_answers_are_lost_for_too_long_has_lost(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);
	const int64_t until = rig->mono - 5 + 10000;
	int64_t left;

	rest(r);
	while (!elector_lost(r->elector)) {
		assert_true(elector_leads(r->elector));
		if (r->lease) {
			left = until - rig->mono;
			assert_int_equal(r->lease->timeout_ms, left < 5000 ? left : 5000);
			rig->mono += r->lease->timeout_ms;
			if (rig->mono < until)
				lose(r, true);
		} else {
			rest(r);
		}
	}
	assert_int_equal(rig->mono, until);
	assert_false(elector_leads(r->elector));
	assert_non_null(r->lease);
	assert_int_equal(elector_tick(r->elector), -1);
	assert_null(r->lease); /* what comes of it is of no interest any more */
	assert_int_equal(said(rig, "leadership lost"), 1);
	assert_int_equal(said(rig, "could not be renewed in time"), 1);
	elector_tick(r->elector);
	elector_release(r->elector);
	assert_int_equal(said(rig, "leadership lost"), 1);
	assert_true(elector_lost(r->elector));
	assert_true(elector_released(r->elector));
	assert_int_equal(elector_stats(r->elector).valid_ms, 0);
}

static void who_was_stopped_has_lost_before_it_does_anything(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);

	rest(r);
	rig->mono += 60000;
	assert_true(elector_lost(r->elector));
	answer(r); /* a renewal that has succeeded meanwhile, and its answer comes first */
	assert_true(elector_lost(r->elector));
	assert_false(elector_leads(r->elector));
	assert_int_equal(elector_tick(r->elector), -1);
	assert_null(r->lease);
}

static void whose_lease_is_taken_has_lost(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);

	set_lease(rig, "{\"holderIdentity\":\"somebody\",\"leaseDurationSeconds\":15}");
	rest(r);
	answer(r);
	if (!r->lease)
		rest(r);
	answer(r);
	assert_true(elector_lost(r->elector));
	assert_false(elector_leads(r->elector));
	assert_int_equal(said(rig, "leadership lost"), 1);
	assert_int_equal(said(rig, "somebody"), 1);
	assert_string_equal(holder(rig), "somebody");
}

static void a_lease_that_vanishes_is_created_again(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);

	json_decref(rig->lease);
	rig->lease = NULL;
	rest(r);
	answer(r);
	if (!r->lease)
		rest(r);
	answer(r);
	answer(r);
	assert_string_equal(rig->trace, "PUT GET POST ");
	assert_int_equal(elector_stats(r->elector).failures, 0);
	assert_true(elector_leads(r->elector));
	assert_string_equal(holder(rig), "host0_uuid");
}

static void trouble_is_said_once(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);

	elector_tick(r->elector);
	refuse(r, 403);
	assert_int_equal(said(rig, "not allowed"), 0); /* once may be a server that starts up */
	for (int i = 0; i < 5; i++) {
		rest(r);
		refuse(r, 403);
	}
	assert_int_equal(said(rig, "not allowed to read and write the Lease"), 1);
	assert_int_equal(said(rig, "you may not"), 1);
	assert_int_equal(elector_stats(r->elector).failures, 6);
	rest(r);
	answer(r);
	answer(r);
	assert_int_equal(said(rig, "read and written again"), 1);
	assert_true(elector_leads(r->elector));
}

static void a_missing_namespace_is_trouble(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);
	unsigned requests = 0;
	const int64_t since = rig->mono;

	while (rig->mono < since + 20000) {
		rest(r);
		for (; r->lease; requests++)
			refuse(r, 404);
	}
	assert_int_equal(said(rig, "cannot be read or written"), 1);
	assert_in_range(requests, 30, 60); /* and nobody is stormed */
}

static void an_answer_that_is_no_lease_is_a_failure(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);
	char *endless = memory_alloc(CAP_OBJECT_BYTES);

	memset(endless, ' ', CAP_OBJECT_BYTES);
	elector_tick(r->elector);
	end(take(r), 200, "<html>", NULL);
	rest(r);
	end(take(r), 200, "", NULL);
	rest(r);
	assert_int_equal(r->lease->reply.on_data(r->lease->reply.context, 200, endless, CAP_OBJECT_BYTES), 0);
	assert_int_equal(r->lease->reply.on_data(r->lease->reply.context, 200, endless, 1), -1); /* and is held no longer */
	end(take(r), 200, NULL, NULL);
	assert_int_equal(elector_stats(r->elector).failures, 3);
	rest(r);
	answer(r);
	end(take(r), 201, "{}", NULL); /* stored or not? */
	assert_false(elector_leads(r->elector));
	rest(r);
	answer(r);
	answer(r);
	assert_true(elector_leads(r->elector));
	free(endless);
}

/* ---- giving it back ---- */

static void it_is_given_back(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig), *second = start(rig, 1);

	elector_tick(second->elector);
	answer(second);
	elector_release(r->elector);
	assert_false(elector_leads(r->elector));
	assert_false(elector_released(r->elector));
	answer(r);
	assert_true(elector_released(r->elector));
	assert_false(elector_lost(r->elector));
	assert_string_equal(holder(rig), "");
	assert_int_equal(json_integer_value(spec_of(rig, "leaseDurationSeconds")), 1);
	assert_true(rest(second) <= 1000);
	answer(second);
	answer(second);
	assert_true(elector_leads(second->elector));
	assert_int_equal(json_integer_value(spec_of(rig, "leaseTransitions")), 1);
	assert_int_equal(elector_tick(r->elector), -1);
	assert_int_equal(said(rig, "leadership lost"), 0);
}

static void it_is_given_back_after_a_renewal_under_way(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);

	rest(r);
	elector_release(r->elector);
	assert_false(elector_leads(r->elector));
	answer(r);
	assert_string_equal(holder(rig), "host0_uuid");
	assert_false(elector_released(r->elector));
	lose(r, true); /* and what became of that is looked at */
	rest(r);
	answer(r);
	assert_true(elector_released(r->elector));
	assert_string_equal(holder(rig), "");
	assert_string_equal(rig->trace, "PUT PUT GET ");
}

static void to_give_it_back_is_given_up_after_three_seconds(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);

	elector_release(r->elector);
	assert_int_equal(r->lease->timeout_ms, 3000);
	assert_int_equal(elector_tick(r->elector), 3000);
	rig->mono += 2999;
	elector_tick(r->elector);
	assert_false(elector_released(r->elector));
	rig->mono++;
	elector_tick(r->elector);
	assert_true(elector_released(r->elector));
	assert_null(r->lease);
	assert_int_equal(said(rig, "leadership lost"), 0);
}

static void a_follower_has_nothing_to_give_back(void **state)
{
	struct rig *rig = *state;
	struct replica *r;

	set_lease(rig, "{\"holderIdentity\":\"somebody\",\"leaseDurationSeconds\":15}");
	r = start(rig, 0);
	elector_tick(r->elector);
	answer(r);
	rest(r);
	assert_non_null(r->lease); /* it is looking */
	elector_release(r->elector);
	assert_true(elector_released(r->elector));
	assert_null(r->lease);
	assert_string_equal(holder(rig), "somebody");
}

/* ---- the gate ---- */

struct sent {
	struct replica *r;
	struct call *call;
	unsigned ended;
	int status;
	struct error err;
	bool again, cancels_itself;
	struct sent *cancels;
};

static void send_write(struct sent *sent, const char *method, int64_t body_until_ms);

static int no_data(void *context, int status, const char *data, size_t len)
{
	(void)context;
	(void)status;
	(void)data;
	(void)len;
	return 0;
}

static void write_ended(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct sent *sent = context;
	struct call *call = sent->call;

	(void)retry_after_ms;
	sent->ended++;
	sent->status = status;
	sent->err = transport ? *transport : (struct error){ 0 };
	if (sent->again)
		send_write(sent, "PATCH", 0);
	if (sent->cancels_itself)
		sent->r->gate.cancel(sent->r->gate.self, call);
	if (sent->cancels)
		sent->r->gate.cancel(sent->r->gate.self, sent->cancels->call);
}

static void send_write(struct sent *sent, const char *method, int64_t body_until_ms)
{
	const struct reply reply = { .context = sent, .on_data = no_data, .on_done = write_ended };
	const struct request request = { .method = method, .path = "/api/v1/namespaces/shop", .content_type = "application/json", .body = "{}", .body_len = 2,
					 .timeout_ms = 30000, .body_until_ms = body_until_ms };

	sent->call = sent->r->gate.send(sent->r->gate.self, &request, &reply);
}

static void only_reads_pass_a_follower(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);
	struct sent read = { .r = r }, writes[COUNT(methods)];

	send_write(&read, "GET", 0);
	assert_int_equal(r->n_calls, 1);
	assert_int_equal(r->calls[0]->body_until_ms, 0);
	for (size_t i = 0; i < COUNT(methods); i++) {
		writes[i] = (struct sent){ .r = r };
		send_write(&writes[i], methods[i], 0);
		assert_int_equal(writes[i].ended, 0); /* never from within send */
	}
	assert_int_equal(r->n_calls, 1);
	elector_tick(r->elector);
	for (size_t i = 0; i < COUNT(methods); i++) {
		assert_int_equal(writes[i].ended, 1);
		assert_int_equal(writes[i].status, 0);
		assert_int_equal(writes[i].err.class, ERROR_FORBIDDEN);
		assert_string_equal(writes[i].err.message, "not the leader");
	}
	elector_tick(r->elector);
	assert_int_equal(writes[0].ended, 1);
	assert_int_equal(read.ended, 0);
}

static void a_leaders_writes_pass_until_its_time_is_over(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);
	const int64_t until = rig->mono - 5 + 10000;
	struct sent first = { .r = r }, hasty = { .r = r }, patient = { .r = r }, late = { .r = r };

	send_write(&first, "PATCH", 0);
	send_write(&hasty, "PATCH", until - 1);
	send_write(&patient, "PATCH", until + 1);
	assert_int_equal(r->n_calls, 3);
	assert_int_equal(r->calls[0]->body_until_ms, until);
	assert_int_equal(r->calls[1]->body_until_ms, until - 1);
	assert_int_equal(r->calls[2]->body_until_ms, until);
	rig->mono = until;
	send_write(&late, "PATCH", 0);
	assert_int_equal(r->n_calls, 3);
	elector_tick(r->elector);
	assert_int_equal(late.ended, 1);
}

static void nothing_passes_after_the_lease_is_to_be_given_back(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start_leader(rig);
	struct sent late = { .r = r };

	elector_release(r->elector);
	send_write(&late, "PATCH", 0);
	assert_int_equal(r->n_calls, 0);
	elector_tick(r->elector);
	assert_int_equal(late.ended, 1);
}

static void whatever_was_sent_can_be_cancelled(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);
	struct sent read = { .r = r }, first = { .r = r }, second = { .r = r }, third = { .r = r }, fourth = { .r = r };

	send_write(&read, "GET", 0);
	send_write(&first, "PATCH", 0);
	send_write(&second, "PATCH", 0);
	send_write(&third, "PATCH", 0);
	send_write(&fourth, "PATCH", 0);
	r->gate.cancel(r->gate.self, second.call);
	r->gate.cancel(r->gate.self, read.call);
	assert_int_equal(r->n_calls, 0);
	first.cancels_itself = true;
	first.cancels = &third; /* while they are being ended */
	elector_tick(r->elector);
	assert_int_equal(first.ended, 1);
	assert_int_equal(second.ended, 0);
	assert_int_equal(third.ended, 0);
	assert_int_equal(fourth.ended, 1);
	assert_int_equal(r->cancelled, 1);
	send_write(&second, "PATCH", 0); /* and is left to elector_free */
}

static void one_that_asks_again_at_once_keeps_nobody(void **state)
{
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);
	struct sent eager = { .r = r, .again = true };

	send_write(&eager, "PATCH", 0);
	assert_int_equal(elector_tick(r->elector), 0);
	assert_int_equal(eager.ended, 1);
	eager.again = false;
	assert_int_equal(elector_tick(r->elector), 0); /* whoever was told may have something to do */
	assert_int_equal(eager.ended, 2);
	assert_int_equal(elector_tick(r->elector), -1);
}

/* ---- the flags ---- */

static void times_that_are_no_good_are_refused_by_their_flags(void **state)
{
	static const struct {
		int64_t lease, renew, retry;
		const char *flag; /* NULL = good */
	} rows[] = {
		{ 15000, 10000, 2000, NULL },
		{ 15000, 15000, 2000, "--leader-elect-renew-deadline" },
		{ 15000, 12000, 10000, "--leader-elect-retry-period" },
		{ 15000, 12001, 10000, NULL },
		{ 15000, 10000, 0, "--leader-elect-retry-period" },
		{ 15500, 10000, 2000, "--leader-elect-lease-duration" },
		{ INT64_C(2147484000), 10000, 2000, "--leader-elect-lease-duration" },
	};
	struct rig *rig = *state;
	struct replica *r = start(rig, 0);

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct elector_config config = config_of(r);
		struct error err = { 0 };
		struct elector *elector;

		config.lease_ms = rows[i].lease;
		config.renew_ms = rows[i].renew;
		config.retry_ms = rows[i].retry;
		elector = elector_new(&config, &err);
		if (!elector != (rows[i].flag != NULL) || (rows[i].flag && !strstr(err.message, rows[i].flag)))
			fail_msg("row %zu: %s", i, err.message);
		assert_int_equal(err.class, rows[i].flag ? ERROR_INVALID : ERROR_NONE);
		elector_free(elector);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_creates_the_lease_and_leads),
		TEST(a_renewal_keeps_what_others_put_on_the_lease),
		TEST(a_follower_takes_over_when_nobody_renews),
		TEST(whose_answers_are_lost_for_too_long_has_lost),
		TEST(who_was_stopped_has_lost_before_it_does_anything),
		TEST(whose_lease_is_taken_has_lost),
		TEST(a_lease_that_vanishes_is_created_again),
		TEST(trouble_is_said_once),
		TEST(a_missing_namespace_is_trouble),
		TEST(an_answer_that_is_no_lease_is_a_failure),
		TEST(it_is_given_back),
		TEST(it_is_given_back_after_a_renewal_under_way),
		TEST(to_give_it_back_is_given_up_after_three_seconds),
		TEST(a_follower_has_nothing_to_give_back),
		TEST(only_reads_pass_a_follower),
		TEST(a_leaders_writes_pass_until_its_time_is_over),
		TEST(nothing_passes_after_the_lease_is_to_be_given_back),
		TEST(whatever_was_sent_can_be_cancelled),
		TEST(one_that_asks_again_at_once_keeps_nobody),
		TEST(times_that_are_no_good_are_refused_by_their_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
