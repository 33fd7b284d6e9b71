/*
 * Owns: requests about the Lease, one at a time, and what people are told of the election; and the gate in front of the writers' port.
 * Must not know: the rules (election.c), JSON (crds/lease.c), what is written by those who lead.
 * Invariant: what is not a GET leaves through the gate only while election_leads, and never after its end.
 */
#include "elector.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "codec.h"
#include "election.h"
#include "memory.h"

enum { FIRST_ROOM = 1024 };

/* A write that was not let out; it ends with the next tick, as port.h wants no answer from within send. Those that are let out are the port's. */
struct call {
	struct call *next;
	struct reply reply;
};

struct elector {
	struct elector_config config;
	struct election election;
	int64_t due;             /* monotonic: when the election wants a TICK */

	/* The request under way. */
	struct call *call;
	enum election_do asked;
	char *body;              /* of the answer */
	size_t body_len, body_room;

	char *text;              /* of the Lease as it was read or written last: what the next write replaces */
	size_t text_len;
	struct call *refused, *ending; /* in the order in which they came; the one whose on_done is running */

	/* What has been said. */
	bool lost_said, trouble_said;
	char said_holder[LEASE_HOLDER_SIZE];
	unsigned failures_in_a_row;
	struct error trouble; /* of the last request */
	uint64_t failures;
};

static int64_t mono(const struct elector *e)
{
	return e->config.port->monotonic_ms(e->config.port->self);
}

static instant_t wall(const struct elector *e)
{
	return e->config.port->now(e->config.port->self);
}

/* ---- what people are told ---- */

static void say_who_leads(struct elector *e)
{
	const char *holder = e->election.exists ? e->election.seen.holder : "";
	const bool leads = e->election.state == ELECTION_LEADING;

	if (!holder[0] || strcmp(e->said_holder, holder) == 0 || (!leads && strcmp(holder, e->config.identity) == 0))
		return;
	snprintf(e->said_holder, sizeof(e->said_holder), "%s", holder);
	if (leads)
		log_info(e->config.log, "leading begins", "namespace", e->config.ns, "lease", e->config.name, "identity", holder);
	else
		log_info(e->config.log, "waiting: another replica leads", "namespace", e->config.ns, "lease", e->config.name, "holder", holder);
	if (leads && e->config.began)
		e->config.began(e->config.context, e->election.seen.uid);
}

static void say_lost(struct elector *e)
{
	const bool taken = strcmp(e->election.seen.holder, e->config.identity) != 0;

	if (e->lost_said)
		return;
	e->lost_said = true;
	log_error(e->config.log, "leadership lost: nothing more is written, and this process ends", "lease", e->config.name, "because",
		  taken ? "the Lease was taken away" : "the Lease could not be renewed in time", "holder", taken ? e->election.seen.holder : NULL);
}

static void say(struct elector *e)
{
	if (e->election.state == ELECTION_LOST)
		say_lost(e);
	else
		say_who_leads(e);
}

/* Once when it begins, at the second failure in a row (a server that starts up refuses for a moment), and once when it is over. */
static void say_trouble(struct elector *e, const struct error *err)
{
	e->failures++;
	e->trouble = *err;
	if (++e->failures_in_a_row < 2 || e->trouble_said)
		return;
	e->trouble_said = true;
	log_warn(e->config.log,
		 err->class == ERROR_FORBIDDEN ? "waiting: not allowed to read and write the Lease that elects a leader; apply deploy/base" :
						 "the Lease that elects a leader cannot be read or written; trying again",
		 "namespace", e->config.ns, "name", e->config.name, "error", err->message);
}

static void say_well(struct elector *e)
{
	if (e->trouble_said)
		log_info(e->config.log, "the Lease that elects a leader is read and written again", "lease", e->config.name);
	e->trouble_said = false;
	e->failures_in_a_row = 0;
	e->trouble = (struct error){ 0 };
}

/* ---- requests ---- */

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct elector *e = context;

	(void)status;
	if (len > CAP_OBJECT_BYTES - e->body_len)
		return -1;
	if (e->body_len + len >= e->body_room) {
		e->body_room = 2 * (e->body_len + len) + FIRST_ROOM;
		e->body = memory_resize(e->body, e->body_room);
	}
	memcpy(e->body + e->body_len, data, len);
	e->body_len += len;
	return 0;
}

static void drop_body(struct elector *e)
{
	free(e->body);
	e->body = NULL;
	e->body_len = e->body_room = 0;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport);

static void send(struct elector *e, const char *method, const char *body, int64_t timeout_ms)
{
	const bool create = e->asked == ELECTION_CREATE;
	cleanup_free char *path = memory_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", e->config.ns, create ? "" : "/",
						create ? "" : e->config.name);
	const struct reply reply = { .context = e, .on_data = on_data, .on_done = on_done };
	const struct request request = { .method = method, .path = path, .content_type = body ? "application/json" : NULL, .body = body,
					 .body_len = body ? strlen(body) : 0, .timeout_ms = (int)timeout_ms,
					 .body_until_ms = body ? mono(e) + timeout_ms : 0 };

	e->call = e->config.port->send(e->config.port->self, &request, &reply);
}

/* Nothing more comes of it. */
static void drop_request(struct elector *e)
{
	if (e->call)
		e->config.port->cancel(e->config.port->self, e->call);
	e->call = NULL;
	drop_body(e);
}

static void carry_out(struct elector *e, const struct election_cmd *cmd)
{
	cleanup_free char *body = NULL;
	struct error err;

	e->due = cmd->due;
	if (cmd->type != ELECTION_WAIT)
		e->asked = cmd->type;
	switch (cmd->type) {
	case ELECTION_WAIT:
		return;
	case ELECTION_REST:
		drop_request(e);
		return;
	case ELECTION_READ:
		send(e, "GET", NULL, cmd->timeout_ms);
		return;
	case ELECTION_CREATE:
		body = lease_body(e->config.ns, e->config.name, &cmd->record);
		send(e, "POST", body, cmd->timeout_ms);
		return;
	case ELECTION_UPDATE:
		body = lease_replacement(e->text, e->text_len, &cmd->record, &err);
		assert(body); /* the text was read before */
		send(e, "PUT", body, cmd->timeout_ms);
		return;
	}
}

static void step(struct elector *e, enum election_event event, const struct lease_record *record)
{
	const struct election_cmd cmd = election_step(&e->election, event, record, mono(e), wall(e));

	say(e);
	carry_out(e, &cmd);
}

/* The Lease as the answer has it; ERROR_INVALID if that is none. */
static int keep_answer(struct elector *e, struct lease_record *record, struct error *err)
{
	if (lease_decode(e->body ? e->body : "", e->body_len, record, err) < 0)
		return -1;
	free(e->text);
	e->text = e->body;
	e->text_len = e->body_len;
	e->body = NULL;
	return 0;
}

/* What the end of the request means to the election. */
static enum election_event meaning(struct elector *e, struct error *err, struct lease_record *record, bool *absent)
{
	const bool reading = e->asked == ELECTION_READ;

	*absent = err->class == ERROR_NOT_FOUND && reading;
	if (*absent)
		return ELECTION_SEEN;
	/* Deleted, or created, or written by somebody else. A namespace that is missing is not to be created in, which is trouble. */
	if (!reading && (err->class == ERROR_CONFLICT || (err->class == ERROR_NOT_FOUND && e->asked == ELECTION_UPDATE)))
		return ELECTION_CONFLICT;
	if (err->class || keep_answer(e, record, err) < 0)
		return ELECTION_FAILED;
	return reading ? ELECTION_SEEN : ELECTION_WRITTEN;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct elector *e = context;
	struct error err = { 0 };
	struct lease_record record;
	enum election_event event;
	bool absent;

	e->call = NULL;
	if (transport)
		err = *transport;
	else if (status < 200 || status > 299)
		status_error(status, e->body ? e->body : "", e->body_len, retry_after_ms, &err);
	event = meaning(e, &err, &record, &absent);
	drop_body(e);
	if (event == ELECTION_FAILED)
		say_trouble(e, &err);
	else if (!absent) /* a missing namespace looks like a missing Lease */
		say_well(e);
	step(e, event, absent ? NULL : &record);
}

/* ---- the gate in front of the writers ---- */

static struct call *refuse(struct elector *e, const struct reply *reply)
{
	struct call *call = memory_alloc(sizeof(*call)), **last = &e->refused;

	call->reply = *reply;
	while (*last)
		last = &(*last)->next;
	*last = call;
	return call;
}

static struct call *gate_send(void *self, const struct request *request, const struct reply *reply)
{
	struct elector *e = self;
	struct request in_time = *request;
	const int64_t until = e->election.valid_until;

	if (strcmp(request->method, "GET") != 0) {
		if (!elector_leads(e))
			return refuse(e, reply);
		if (!in_time.body_until_ms || in_time.body_until_ms > until)
			in_time.body_until_ms = until;
	}
	return e->config.port->send(e->config.port->self, &in_time, reply);
}

static void gate_cancel(void *self, struct call *call)
{
	struct elector *e = self;
	struct call **at = &e->refused;

	if (call == e->ending)
		return; /* from its own on_done: end_refused frees it */
	while (*at && *at != call)
		at = &(*at)->next;
	if (*at) {
		*at = call->next;
		free(call);
	} else {
		e->config.port->cancel(e->config.port->self, call);
	}
}

static int64_t gate_monotonic_ms(void *self)
{
	return mono(self);
}

static instant_t gate_now(void *self)
{
	return wall(self);
}

static uint64_t gate_random(void *self)
{
	const struct elector *e = self;

	return e->config.port->random(e->config.port->self);
}

/* Were there any? Those that come meanwhile wait for the next tick: else one that asks again at once would keep us here. */
static bool end_refused(struct elector *e)
{
	const bool any = e->refused;
	struct error err;
	size_t n = 0;

	error_set(&err, ERROR_FORBIDDEN, "not the leader");
	for (const struct call *call = e->refused; call; call = call->next)
		n++;
	for (; n && e->refused; n--) {
		e->ending = e->refused;
		e->refused = e->ending->next;
		e->ending->reply.on_done(e->ending->reply.context, 0, 0, &err);
		free(e->ending);
		e->ending = NULL;
	}
	return any;
}

struct port elector_port(struct elector *e)
{
	return (struct port){
		.self = e,
		.send = gate_send,
		.cancel = gate_cancel,
		.monotonic_ms = gate_monotonic_ms,
		.now = gate_now,
		.random = gate_random,
	};
}

/* ---- the life of it ---- */

int64_t elector_tick(struct elector *e)
{
	int64_t left;

	if (mono(e) >= e->due)
		step(e, ELECTION_TICK, NULL);
	if (end_refused(e))
		return 0; /* whoever was refused may have something to do now */
	if (e->due == INT64_MAX)
		return -1;
	left = e->due - mono(e);
	return left > 0 ? left : 0;
}

bool elector_leads(const struct elector *e)
{
	return election_leads(&e->election, mono(e));
}

bool elector_lost(const struct elector *e)
{
	return election_lost(&e->election, mono(e));
}

void elector_release(struct elector *e)
{
	step(e, ELECTION_RELEASE, NULL);
}

bool elector_released(const struct elector *e)
{
	return e->election.state == ELECTION_RELEASED || e->election.state == ELECTION_LOST;
}

struct elector_stats elector_stats(const struct elector *e)
{
	const struct election *election = &e->election;

	return (struct elector_stats){
		.holder = election->exists ? election->seen.holder : "",
		.renewed = election->exists ? election->seen.renewed : 0,
		.valid_ms = elector_leads(e) ? election->valid_until - mono(e) : 0,
		.transitions = election->seen.transitions,
		.failures = e->failures,
		.ns = e->config.ns,
		.name = e->config.name,
		.trouble = e->trouble.message,
	};
}

static int check(const struct elector_config *config, struct error *err)
{
	if (config->lease_ms % 1000 || config->lease_ms > INT_MAX)
		return error_set(err, ERROR_INVALID, "--leader-elect-lease-duration must be whole seconds, and no more than 24 days");
	if (config->retry_ms <= 0)
		return error_set(err, ERROR_INVALID, "--leader-elect-retry-period must be more than nothing");
	if (config->lease_ms <= config->renew_ms || 5 * config->renew_ms <= 6 * config->retry_ms)
		return error_set(err, ERROR_INVALID, "--leader-elect-renew-deadline must be less than --leader-elect-lease-duration, and more than 1.2 times "
						     "--leader-elect-retry-period");
	if (!config->identity[0] || strlen(config->identity) >= LEASE_HOLDER_SIZE)
		return error_set(err, ERROR_INVALID, "identity: must have 1 to %d bytes", LEASE_HOLDER_SIZE - 1);
	return 0;
}

struct elector *elector_new(const struct elector_config *config, struct error *err)
{
	const struct election_times times = { .lease_ms = config->lease_ms, .renew_ms = config->renew_ms, .retry_ms = config->retry_ms };
	struct elector *e;

	if (check(config, err) < 0)
		return NULL;
	e = memory_alloc(sizeof(*e));
	e->config = *config;
	election_init(&e->election, &times, config->identity, config->port->random(config->port->self));
	e->due = mono(e);
	return e;
}

void elector_free(struct elector *e)
{
	if (!e)
		return;
	drop_request(e);
	for (struct call *call = e->refused, *next; call; call = next) {
		next = call->next;
		free(call);
	}
	free(e->text);
	free(e);
}
