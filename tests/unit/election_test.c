/*
 * election.c: each rule as a row, and the promise behind them in a world with one true clock: a Lease with versions, and replicas whose
 * clocks differ, that are killed, stopped, cut off and told to go, with requests that come late, twice as late, or whose answers are lost.
 * Never do two lead; and soon after the last misfortune one does.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "election.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW ((int64_t)1000000)
#define WALL ((instant_t)1795428380000)

static const struct election_times field_times = { .lease_ms = 15000, .renew_ms = 10000, .retry_ms = 2000 };

/* ---- the rules ---- */

#define US "us"

static const struct lease_record ours = { .holder = US, .duration_ms = 15000, .acquired = 7, .renewed = 8, .transitions = 3, .version = "3" };
static const struct lease_record theirs = { .holder = "them", .duration_ms = 20000, .acquired = 5, .renewed = 6, .transitions = 3, .version = "4" };
static const struct lease_record renewed = { .holder = "them", .duration_ms = 20000, .acquired = 5, .renewed = 7, .transitions = 3, .version = "5" };
static const struct lease_record touched = { .holder = "them", .duration_ms = 20000, .acquired = 5, .renewed = 6, .transitions = 3, .version = "9" };
static const struct lease_record endless = { .holder = "them", .acquired = 5, .renewed = 6, .version = "4" };
static const struct lease_record released = { .duration_ms = 1000, .acquired = 9, .renewed = 9, .transitions = 3, .version = "6" };
static const struct lease_record wiped = { .duration_ms = 20000, .acquired = 5, .renewed = 6, .transitions = 3, .version = "7" };
static const struct lease_record blank = { .version = "1" };
static const struct lease_record others = { .holder = "others", .duration_ms = 1000, .acquired = 5, .renewed = 6, .version = "8" };

struct event {
	int64_t after; /* milliseconds since the one before */
	enum election_event type;
	const struct lease_record *record;
};

/* What led to it, then what is asked last. */
struct row {
	const char *rule;
	struct event story[8];
	enum election_do does;
	enum election_state state;
	int64_t due_from, due_to; /* since the last event; both 0 = not asked */
	int64_t timeout_ms;       /* 0 = not asked */
	const char *holder;       /* of what is written; NULL = not asked */
	uint32_t transitions;
	instant_t acquired, renewed, duration_ms;
};

#define FIRST_LOOK { 0, ELECTION_TICK, NULL }
#define SEEN(after, what) { (after), ELECTION_SEEN, (what) }
#define WRITTEN(after, what) { (after), ELECTION_WRITTEN, (what) }
#define TICK(after) { (after), ELECTION_TICK, NULL }
#define FAILED(after) { (after), ELECTION_FAILED, NULL }
#define CONFLICT(after) { (after), ELECTION_CONFLICT, NULL }
#define RELEASE(after) { (after), ELECTION_RELEASE, NULL }
/* It leads since NOW + 20: sent at NOW + 10. */
#define LEADS FIRST_LOOK, SEEN(10, NULL), WRITTEN(10, &ours)

static const struct row rows[] = {
	{ "it looks first", { FIRST_LOOK }, ELECTION_READ, ELECTION_FOLLOWING, .timeout_ms = 5000 },
	{ "a Lease that is missing is created", { FIRST_LOOK, SEEN(10, NULL) }, ELECTION_CREATE, ELECTION_FOLLOWING, .holder = US, .transitions = 0,
	  .acquired = WALL, .renewed = WALL, .duration_ms = 15000, .timeout_ms = 5000 },
	{ "whoever's creation is stored leads", { FIRST_LOOK, SEEN(10, NULL), WRITTEN(50, &ours) }, ELECTION_WAIT, ELECTION_LEADING, .due_from = 1950,
	  .due_to = 1950 },
	{ "one that was never held is taken", { FIRST_LOOK, SEEN(10, &blank) }, ELECTION_UPDATE, ELECTION_FOLLOWING, .holder = US, .transitions = 0,
	  .acquired = WALL, .renewed = WALL, .duration_ms = 15000 },
	{ "one that was given back is taken at once", { FIRST_LOOK, SEEN(10, &released) }, ELECTION_UPDATE, ELECTION_FOLLOWING, .holder = US, .transitions = 4,
	  .acquired = WALL, .renewed = WALL, .duration_ms = 15000 },
	{ "one whose holder was wiped out by hand is not", { FIRST_LOOK, SEEN(10, &wiped) }, ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 750,
	  .due_to = 1000 },
	{ "but when its time is over", { FIRST_LOOK, SEEN(10, &wiped), TICK(20000) }, ELECTION_UPDATE, ELECTION_FOLLOWING, .holder = US, .transitions = 4,
	  .acquired = WALL, .renewed = WALL, .duration_ms = 15000 },
	{ "one that is held is looked at again in half a retry period", { FIRST_LOOK, SEEN(10, &theirs) }, ELECTION_WAIT, ELECTION_FOLLOWING,
	  .due_from = 750, .due_to = 1000 },
	{ "not before", { FIRST_LOOK, SEEN(10, &theirs), TICK(749) }, ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 1, .due_to = 251 },
	{ "but then", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000) }, ELECTION_READ, ELECTION_FOLLOWING, .timeout_ms = 5000 },
	{ "it is free when it has not changed for its own duration", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(19000, &theirs) }, ELECTION_UPDATE,
	  ELECTION_FOLLOWING, .holder = US, .transitions = 4, .acquired = WALL, .renewed = WALL, .duration_ms = 15000 },
	{ "not a millisecond before", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(18999, &theirs) }, ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 1,
	  .due_to = 1 },
	{ "and is taken at that very moment", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(18999, &theirs), TICK(1) }, ELECTION_UPDATE, ELECTION_FOLLOWING,
	  .holder = US, .transitions = 4, .acquired = WALL, .renewed = WALL, .duration_ms = 15000 },
	{ "a renewal makes it wait anew", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(19000, &renewed) }, ELECTION_WAIT, ELECTION_FOLLOWING,
	  .due_from = 750, .due_to = 1000 },
	{ "in the same words too", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(19000, &touched) }, ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 750,
	  .due_to = 1000 },
	{ "so does another holder", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(19000, &others), TICK(999) }, .does = ELECTION_READ, .state = ELECTION_FOLLOWING },
	{ "one that does not say for how long is held as long as ours", { FIRST_LOOK, SEEN(10, &endless), TICK(1000), SEEN(13999, &endless) }, ELECTION_WAIT,
	  ELECTION_FOLLOWING, .due_from = 1, .due_to = 1 },
	{ "one that vanishes is held for its duration", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(10, NULL), TICK(1000), SEEN(18999, NULL) },
	  ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 1, .due_to = 1 },
	{ "then it is created, and goes on counting", { FIRST_LOOK, SEEN(10, &theirs), TICK(1000), SEEN(10, NULL), TICK(1000), SEEN(19000, NULL) },
	  ELECTION_CREATE, ELECTION_FOLLOWING, .holder = US, .transitions = 4, .acquired = WALL, .renewed = WALL, .duration_ms = 15000 },
	{ "one that vanishes after it was given back may have been held meanwhile", { FIRST_LOOK, SEEN(10, &released), CONFLICT(10), TICK(100), SEEN(10, NULL),
	  TICK(1000), SEEN(13999, NULL) }, ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 1, .due_to = 1 },
	{ "our own from a write of unknown fate is renewed at once", { FIRST_LOOK, SEEN(10, NULL), FAILED(5000), SEEN(10, &ours) }, ELECTION_UPDATE,
	  ELECTION_FOLLOWING, .holder = US, .transitions = 3, .acquired = 7, .renewed = WALL, .duration_ms = 15000 },
	{ "an answer that comes too late makes nobody a leader", { FIRST_LOOK, SEEN(10, NULL), WRITTEN(10000, &ours) }, ELECTION_UPDATE, ELECTION_FOLLOWING,
	  .holder = US, .transitions = 3, .acquired = 7, .renewed = WALL, .duration_ms = 15000 },
	{ "a lost race is looked at, but not at once", { FIRST_LOOK, SEEN(10, &released), CONFLICT(10) }, ELECTION_WAIT, ELECTION_FOLLOWING, .due_from = 0,
	  .due_to = 100 },
	{ "a failed read is tried again half a retry period after it was sent", { FIRST_LOOK, FAILED(200) }, ELECTION_WAIT, ELECTION_FOLLOWING,
	  .due_from = 550, .due_to = 800 },
	{ "and at once when it took longer", { FIRST_LOOK, FAILED(5000) }, .does = ELECTION_READ, .state = ELECTION_FOLLOWING },
	{ "a follower has nothing to give back", { FIRST_LOOK, SEEN(10, &theirs), RELEASE(10) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "nor while it looks", { FIRST_LOOK, RELEASE(10) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "one that is about to lead waits for what becomes of it", { FIRST_LOOK, SEEN(10, NULL), RELEASE(10) }, ELECTION_WAIT, ELECTION_RELEASING,
	  .due_from = 3000, .due_to = 3000 },
	{ "and gives it back", { FIRST_LOOK, SEEN(10, NULL), RELEASE(10), WRITTEN(10, &ours) }, ELECTION_UPDATE, ELECTION_RELEASING, .holder = "",
	  .transitions = 3, .acquired = WALL, .renewed = WALL, .duration_ms = 1000 },

	{ "a leader renews a retry period after it sent the last", { LEADS, TICK(1990) }, ELECTION_UPDATE, ELECTION_LEADING, .holder = US, .transitions = 3,
	  .acquired = 7, .renewed = WALL, .duration_ms = 15000, .timeout_ms = 5000 },
	{ "not before", { LEADS, TICK(1989) }, ELECTION_WAIT, ELECTION_LEADING, .due_from = 1, .due_to = 1 },
	{ "at once when the answer took longer", { LEADS, TICK(1990), WRITTEN(2001, &ours) }, ELECTION_UPDATE, ELECTION_LEADING, .holder = US, .transitions = 3,
	  .acquired = 7, .renewed = WALL, .duration_ms = 15000 },
	{ "it asks no longer than it leads", { LEADS, TICK(1990), FAILED(5000) }, ELECTION_READ, ELECTION_LEADING, .due_from = 3000, .due_to = 3000,
	  .timeout_ms = 3000 },
	{ "what became of a renewal is looked at", { LEADS, TICK(1990), FAILED(0), TICK(1000) }, ELECTION_READ, ELECTION_LEADING, .timeout_ms = 5000 },
	{ "ours: it is renewed at once", { LEADS, TICK(1990), FAILED(5000), SEEN(10, &ours) }, ELECTION_UPDATE, ELECTION_LEADING, .holder = US,
	  .transitions = 3, .acquired = 7, .renewed = WALL, .duration_ms = 15000 },
	{ "but what is seen does not make it lead for longer", { LEADS, TICK(1990), FAILED(5000), SEEN(10, &ours), FAILED(2990) }, .does = ELECTION_REST, .state = ELECTION_LOST },
	{ "what is confirmed does", { LEADS, TICK(1990), FAILED(5000), SEEN(10, &ours), WRITTEN(10, &ours), TICK(3000) }, ELECTION_UPDATE, ELECTION_LEADING,
	  .holder = US, .transitions = 3, .acquired = 7, .renewed = WALL, .duration_ms = 15000 },
	{ "somebody else's: lost", { LEADS, TICK(1990), CONFLICT(10), TICK(100), SEEN(10, &theirs) }, .does = ELECTION_REST, .state = ELECTION_LOST },
	{ "nobody's: lost, as others may take it", { LEADS, TICK(1990), CONFLICT(10), TICK(100), SEEN(10, &wiped) }, .does = ELECTION_REST, .state = ELECTION_LOST },
	{ "vanished: it is created again", { LEADS, TICK(1990), CONFLICT(10), TICK(100), SEEN(10, NULL) }, ELECTION_CREATE, ELECTION_LEADING, .holder = US,
	  .transitions = 3, .acquired = 7, .renewed = WALL, .duration_ms = 15000 },
	{ "a label that somebody wrote is no harm", { LEADS, TICK(1990), CONFLICT(10), TICK(100), SEEN(10, &ours) }, .does = ELECTION_UPDATE, .state = ELECTION_LEADING },
	{ "its time is over a renew deadline after it sent the last", { LEADS, TICK(1990), TICK(7999) }, ELECTION_WAIT, ELECTION_LEADING, .due_from = 1,
	  .due_to = 1 },
	{ "which is lost, with a request under way too", { LEADS, TICK(1990), TICK(8000) }, .does = ELECTION_REST, .state = ELECTION_LOST },
	{ "an answer that comes then is none", { LEADS, TICK(1990), WRITTEN(8000, &ours) }, .does = ELECTION_REST, .state = ELECTION_LOST },
	{ "lost is lost", { LEADS, TICK(9990), SEEN(1, &ours), TICK(1), WRITTEN(1, &ours) }, .does = ELECTION_REST, .state = ELECTION_LOST },
	{ "it gives back what it holds", { LEADS, RELEASE(100) }, ELECTION_UPDATE, ELECTION_RELEASING, .holder = "", .transitions = 3, .acquired = WALL,
	  .renewed = WALL, .duration_ms = 1000, .timeout_ms = 3000 },
	{ "which is the end", { LEADS, RELEASE(100), WRITTEN(10, &released) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "after a renewal that is under way", { LEADS, TICK(1990), RELEASE(10) }, ELECTION_WAIT, ELECTION_RELEASING, .due_from = 3000, .due_to = 3000 },
	{ "which is not taken for it", { LEADS, TICK(1990), RELEASE(10), WRITTEN(10, &ours) }, ELECTION_UPDATE, ELECTION_RELEASING, .holder = "",
	  .transitions = 3, .acquired = WALL, .renewed = WALL, .duration_ms = 1000 },
	{ "what became of it is looked at", { LEADS, RELEASE(100), FAILED(10), TICK(1000) }, ELECTION_READ, ELECTION_RELEASING, .timeout_ms = 1990 },
	{ "and tried again", { LEADS, RELEASE(100), FAILED(10), TICK(1000), SEEN(10, &ours) }, ELECTION_UPDATE, ELECTION_RELEASING, .holder = "",
	  .transitions = 3, .acquired = WALL, .renewed = WALL, .duration_ms = 1000 },
	{ "until it is somebody else's", { LEADS, RELEASE(100), FAILED(10), TICK(1000), SEEN(10, &theirs) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "or nobody's", { LEADS, RELEASE(100), FAILED(10), TICK(1000), SEEN(10, &released) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "or there is none", { LEADS, RELEASE(100), CONFLICT(10), TICK(100), SEEN(10, NULL) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "or three seconds have passed", { LEADS, RELEASE(100), TICK(3000) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
	{ "and not before", { LEADS, RELEASE(100), TICK(2999) }, ELECTION_WAIT, ELECTION_RELEASING, .due_from = 1, .due_to = 1 },
	{ "to ask twice changes nothing", { LEADS, RELEASE(100), RELEASE(2900), TICK(100) }, .does = ELECTION_REST, .state = ELECTION_RELEASED },
};

static void each_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		struct election_cmd cmd = { 0 };
		struct election e;
		int64_t now = NOW;

		election_init(&e, &field_times, US, i);
		for (const struct event *event = row->story; event->type; event++) {
			now += event->after;
			cmd = election_step(&e, event->type, event->record, now, WALL);
		}
		if (cmd.type != row->does || e.state != row->state)
			fail_msg("%s: does %d, state %d", row->rule, cmd.type, e.state);
		if (row->due_to && (cmd.due - now < row->due_from || cmd.due - now > row->due_to))
			fail_msg("%s: due in %" PRId64 " ms", row->rule, cmd.due - now);
		if (row->timeout_ms && cmd.timeout_ms != row->timeout_ms)
			fail_msg("%s: waits %" PRId64 " ms for the answer", row->rule, cmd.timeout_ms);
		if (row->holder && (strcmp(cmd.record.holder, row->holder) != 0 || cmd.record.transitions != row->transitions ||
				    cmd.record.acquired != row->acquired || cmd.record.renewed != row->renewed ||
				    cmd.record.duration_ms != row->duration_ms))
			fail_msg("%s: writes \"%s\" %u %" PRId64 " %" PRId64 " %" PRId64, row->rule, cmd.record.holder, cmd.record.transitions,
				 cmd.record.acquired, cmd.record.renewed, cmd.record.duration_ms);
		assert_int_equal(election_leads(&e, now), e.state == ELECTION_LEADING);
		assert_int_equal(election_lost(&e, now), e.state == ELECTION_LOST);
	}
}

static void leading_ends_by_the_clock_alone(void **state)
{
	const struct event story[] = { LEADS };
	struct election e;
	int64_t now = NOW;

	(void)state;
	election_init(&e, &field_times, US, 1);
	assert_false(election_leads(&e, now));
	assert_false(election_lost(&e, now + 100000));
	for (size_t i = 0; i < COUNT(story); i++)
		election_step(&e, story[i].type, story[i].record, now += story[i].after, WALL);
	assert_true(election_leads(&e, NOW + 10 + 9999));
	assert_false(election_lost(&e, NOW + 10 + 9999));
	assert_false(election_leads(&e, NOW + 10 + 10000));
	assert_true(election_lost(&e, NOW + 10 + 10000));
}

/* The API server stores nothing when nothing differs. */
static void each_renewal_differs_though_the_wall_clock_stands_or_goes_back(void **state)
{
	struct election e;
	struct election_cmd cmd;
	int64_t now = NOW;
	instant_t before = 0;

	(void)state;
	election_init(&e, &field_times, US, 1);
	election_step(&e, ELECTION_TICK, NULL, now, WALL);
	cmd = election_step(&e, ELECTION_SEEN, NULL, now, WALL);
	for (int i = 0; i < 10; i++) {
		const struct lease_record stored = cmd.record;

		assert_true(stored.renewed > before);
		before = stored.renewed;
		election_step(&e, ELECTION_WRITTEN, &stored, now += 10, WALL);
		cmd = election_step(&e, ELECTION_TICK, NULL, now += 2000, i < 5 ? WALL : WALL - 3600000);
		assert_int_equal(cmd.type, ELECTION_UPDATE);
	}
}

/* ---- the promise ---- */

enum { REPLICAS_MAX = 4, MESSAGES_MAX = 64, LATENCY_MS = 40 };

struct replica {
	struct election election;
	bool alive, stopped, cut_off;
	bool loses_requests, loses_answers; /* while cut off */
	int64_t offset, drift_ppm;          /* its monotonic clock, and its own idea of a second */
	instant_t wall_offset;
	bool wall_stands;
	int64_t due;                        /* on the true clock */
	int64_t restart_at, continue_at, heal_at;
	unsigned request;                   /* the number of the one under way; 0 = none */
	enum election_do asked;
	int64_t asked_until;                /* on the true clock: then it has taken too long */
	unsigned version;                   /* of what it has read or written last */
	bool leaving;
};

enum way { THERE = 1, BACK };

/* A request or an answer on its way. */
struct message {
	enum way way; /* 0 = free */
	int64_t at;
	unsigned replica, request;
	enum election_do type;
	struct lease_record record;
	enum election_event event; /* BACK */
	bool absent;
	unsigned version; /* THERE: the guard; BACK: as read or stored */
	bool answer_lost;
};

struct world {
	uint64_t seed, dice;
	int64_t t;
	struct election_times times;
	unsigned n;
	struct replica replicas[REPLICAS_MAX];
	struct message messages[MESSAGES_MAX];
	unsigned requests, versions, started;
	/* The API server. */
	bool exists;
	struct lease_record lease;
	unsigned version;
	int64_t no_start_before; /* whoever deletes the Lease starts nobody at once */
	/* The story. */
	bool wild, nobody_returns;
	int latency_ms;
	int64_t calm_since; /* the last misfortune */
	unsigned leads_begun;
	int64_t led_at;     /* since when somebody leads; 0 = nobody */
};

static int64_t roll(struct world *w, int64_t below)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return (int64_t)(w->dice % (uint64_t)below);
}

/* Of a thousand. */
static bool chance(struct world *w, int64_t of)
{
	return roll(w, 1000) < of;
}

static int64_t local(const struct replica *r, int64_t t)
{
	return r->offset + t + t * r->drift_ppm / 1000000;
}

/* The first true moment at which its clock shows that. */
static int64_t true_time(const struct replica *r, int64_t shown)
{
	int64_t t;

	if (shown == INT64_MAX)
		return INT64_MAX;
	t = (shown - r->offset) * 1000000 / (1000000 + r->drift_ppm) - 2;
	while (local(r, t) < shown)
		t++;
	return t;
}

static bool leads(const struct world *w, const struct replica *r)
{
	return r->alive && election_leads(&r->election, local(r, w->t));
}

static struct message *new_message(struct world *w)
{
	for (size_t i = 0; i < MESSAGES_MAX; i++)
		if (!w->messages[i].way)
			return &w->messages[i];
	fail_msg("seed %" PRIu64 ": too many messages", w->seed);
	return NULL;
}

/* How long something is on its way; long ones are a misfortune. */
static int64_t travel(struct world *w)
{
	if (w->wild && chance(w, 60))
		return roll(w, 2 * w->times.lease_ms);
	return 1 + roll(w, w->latency_ms);
}

static void misfortune(struct world *w, int64_t until)
{
	if (until > w->calm_since)
		w->calm_since = until;
}

static void send(struct world *w, unsigned i, const struct election_cmd *cmd)
{
	struct replica *r = &w->replicas[i];
	struct message *m;

	r->request = ++w->requests;
	r->asked = cmd->type;
	r->asked_until = true_time(r, local(r, w->t) + cmd->timeout_ms);
	/* Its end is lost, or so late that it comes out at the time-out. */
	if (r->cut_off && r->loses_requests)
		return;
	if (w->wild && chance(w, 30)) {
		misfortune(w, r->asked_until);
		return;
	}
	m = new_message(w);
	*m = (struct message){ .way = THERE, .at = w->t + travel(w), .replica = i, .request = r->request, .type = cmd->type, .record = cmd->record,
			       .version = r->version, .answer_lost = (r->cut_off && r->loses_answers) || (w->wild && chance(w, 30)) };
	if (m->answer_lost)
		misfortune(w, r->asked_until);
	if (m->at > w->t + w->latency_ms)
		misfortune(w, m->at > r->asked_until ? m->at : r->asked_until);
}

static void step(struct world *w, unsigned i, enum election_event event, const struct lease_record *record)
{
	struct replica *r = &w->replicas[i];
	const bool led = leads(w, r);
	const instant_t wall = WALL + (r->wall_stands ? 0 : w->t) + r->wall_offset;
	const struct election_cmd cmd = election_step(&r->election, event, record, local(r, w->t), wall);

	r->due = true_time(r, cmd.due);
	w->leads_begun += !led && leads(w, r);
	if (cmd.type == ELECTION_REST) { /* released or lost: the process ends, and another takes its place */
		r->alive = false;
		r->request = 0;
		r->restart_at = w->nobody_returns ? INT64_MAX : w->t + 100 + roll(w, 3000);
		misfortune(w, r->restart_at);
	} else if (cmd.type != ELECTION_WAIT) {
		send(w, i, &cmd);
	}
}

static void start(struct world *w, unsigned i)
{
	struct replica *r = &w->replicas[i];
	char identity[32];

	snprintf(identity, sizeof(identity), "host%u_%u", i, ++w->started);
	*r = (struct replica){ .alive = true, .cut_off = r->cut_off, .loses_requests = r->loses_requests, .loses_answers = r->loses_answers,
			       .heal_at = r->heal_at, .offset = roll(w, 1000000000), .drift_ppm = roll(w, 4001) - 2000,
			       .wall_offset = roll(w, 7200000) - 3600000, .wall_stands = chance(w, 100) };
	election_init(&r->election, &w->times, identity, w->dice);
	step(w, i, ELECTION_TICK, NULL);
}

static void store(struct world *w, const struct lease_record *record)
{
	/* An update that changes nothing is none. */
	if (w->exists && strcmp(record->holder, w->lease.holder) == 0 && record->duration_ms == w->lease.duration_ms &&
	    record->acquired == w->lease.acquired && record->renewed == w->lease.renewed && record->transitions == w->lease.transitions)
		return;
	w->lease = *record;
	w->exists = true;
	w->version = ++w->versions;
}

static struct lease_record lease_of(const struct world *w)
{
	struct lease_record record = w->lease;

	snprintf(record.version, sizeof(record.version), "%u", w->version);
	return record;
}

/* The request arrives at the API server. */
static void arrive(struct world *w, struct message *m)
{
	m->event = ELECTION_CONFLICT;
	if (m->type == ELECTION_READ) {
		m->event = ELECTION_SEEN;
	} else if (m->type == ELECTION_CREATE ? !w->exists : w->exists && w->version == m->version) {
		store(w, &m->record);
		m->event = ELECTION_WRITTEN;
	}
	m->absent = !w->exists;
	m->record = lease_of(w);
	m->version = w->version;
	m->way = m->answer_lost ? 0 : BACK;
	m->at = w->t + travel(w);
	if (m->way && m->at > w->t + w->latency_ms)
		misfortune(w, m->at);
}

static void deliver(struct world *w, struct message *m)
{
	const struct message got = *m;
	struct replica *r = &w->replicas[got.replica];

	if (r->stopped) {
		m->at = r->continue_at;
		return;
	}
	m->way = 0;
	if (!r->alive || r->request != got.request)
		return; /* it has given up on it, or is another */
	if (r->cut_off && r->loses_answers)
		return;
	r->request = 0;
	if (got.event != ELECTION_CONFLICT)
		r->version = got.version;
	step(w, got.replica, got.event, got.absent || got.event == ELECTION_CONFLICT ? NULL : &got.record);
}

/* ---- misfortunes ---- */

static void kill_it(struct world *w, unsigned i)
{
	w->replicas[i].alive = w->replicas[i].stopped = false;
	w->replicas[i].request = 0;
	w->replicas[i].restart_at = w->t + roll(w, 2 * w->times.lease_ms);
	misfortune(w, w->replicas[i].restart_at);
}

static void stop_it(struct world *w, unsigned i)
{
	w->replicas[i].stopped = true;
	w->replicas[i].continue_at = w->t + 1 + roll(w, chance(w, 500) ? 2000 : 4 * w->times.lease_ms);
	misfortune(w, w->replicas[i].continue_at);
}

static void cut_off(struct world *w, unsigned i)
{
	struct replica *r = &w->replicas[i];

	r->cut_off = true;
	r->loses_requests = chance(w, 500);
	r->loses_answers = !r->loses_requests || chance(w, 500);
	r->heal_at = w->t + 1 + roll(w, 3 * w->times.lease_ms);
	/* What it asks last while cut off takes until its time-out. */
	misfortune(w, r->heal_at + w->times.renew_ms);
}

static void delete_lease(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->replicas[i].alive && !(w->replicas[i].election.held && w->replicas[i].election.exists))
			return; /* see election.h */
	for (size_t i = 0; i < MESSAGES_MAX; i++)
		if (w->messages[i].way == THERE && w->messages[i].type == ELECTION_CREATE)
			return; /* of somebody who is dead by now and never saw it */
	w->exists = false;
	w->no_start_before = w->t + w->times.lease_ms;
	misfortune(w, w->no_start_before);
}

static void touch(struct world *w)
{
	w->version = ++w->versions; /* a label */
	misfortune(w, w->t);
}

static void wipe(struct world *w)
{
	w->lease.holder[0] = '\0';
	memset(w->lease.holder, 0, sizeof(w->lease.holder));
	touch(w);
}

static void befall(struct world *w)
{
	const unsigned i = (unsigned)roll(w, w->n);
	struct replica *r = &w->replicas[i];
	const int64_t what = roll(w, 100);

	if (what < 15 && r->alive)
		kill_it(w, i);
	else if (what < 40 && r->alive && !r->stopped)
		stop_it(w, i);
	else if (what < 65 && !r->cut_off)
		cut_off(w, i);
	else if (what < 85 && r->alive && !r->stopped && !r->leaving) {
		r->leaving = true;
		misfortune(w, w->t);
		step(w, i, ELECTION_RELEASE, NULL);
	} else if (what < 90 && w->exists)
		delete_lease(w);
	else if (what < 95 && w->exists)
		touch(w);
	else if (w->exists && w->lease.duration_ms > 1000)
		wipe(w);
}

/* ---- the run of it ---- */

static void fail_at(const struct world *w, const char *what)
{
	fail_msg("seed %" PRIu64 ", %" PRId64 " ms: %s", w->seed, w->t, what);
}

static void check(struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n; i++)
		n += leads(w, &w->replicas[i]);
	if (n > 1)
		fail_at(w, "two lead");
	w->led_at = !n ? 0 : w->led_at ? w->led_at : w->t;
}

static void sooner(int64_t *next, int64_t at)
{
	if (at < *next)
		*next = at;
}

/* When something happens next. */
static int64_t next_moment(const struct world *w)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < MESSAGES_MAX; i++)
		if (w->messages[i].way)
			sooner(&next, w->messages[i].at);
	for (unsigned i = 0; i < w->n; i++) {
		const struct replica *r = &w->replicas[i];

		if (!r->alive)
			sooner(&next, r->restart_at > w->no_start_before ? r->restart_at : w->no_start_before);
		else if (r->stopped)
			sooner(&next, r->continue_at);
		else
			sooner(&next, r->request && r->asked_until < r->due ? r->asked_until : r->due);
		if (r->cut_off)
			sooner(&next, r->heal_at);
	}
	return next > w->t ? next : w->t;
}

static void live(struct world *w, unsigned i)
{
	struct replica *r = &w->replicas[i];

	if (r->cut_off && w->t >= r->heal_at)
		r->cut_off = false;
	if (r->stopped && w->t >= r->continue_at)
		r->stopped = false;
	if (!r->alive && w->t >= r->restart_at && w->t >= w->no_start_before) {
		start(w, i);
		return;
	}
	if (!r->alive || r->stopped)
		return;
	if (r->request && w->t >= r->asked_until) {
		r->request = 0;
		step(w, i, ELECTION_FAILED, NULL);
	} else if (w->t >= r->due) {
		step(w, i, ELECTION_TICK, NULL);
	}
}

static void run(struct world *w, int64_t until)
{
	for (int64_t next; (next = next_moment(w)) < until;) {
		const unsigned first = (unsigned)roll(w, w->n); /* of what happens at once, anything may be first */

		w->t = next;
		for (unsigned i = 0; i < w->n && (first & 1); i++)
			live(w, i);
		for (size_t i = 0; i < MESSAGES_MAX; i++) {
			struct message *m = &w->messages[i];

			if (m->way && m->at <= w->t) {
				if (m->way == THERE)
					arrive(w, m);
				else
					deliver(w, m);
			}
			check(w);
		}
		for (unsigned i = 0; i < w->n && !(first & 1); i++)
			live(w, i);
		check(w);
	}
	w->t = until;
	check(w);
}

static struct world new_world(uint64_t seed, unsigned n)
{
	static const struct election_times times[] = {
		{ .lease_ms = 15000, .renew_ms = 10000, .retry_ms = 2000 },
		{ .lease_ms = 4000, .renew_ms = 3000, .retry_ms = 1000 },
		{ .lease_ms = 30000, .renew_ms = 29000, .retry_ms = 1000 },
	};
	struct world w = { .seed = seed, .dice = (seed + 1) * 0x9E3779B97F4A7C15u, .n = n, .times = times[seed % COUNT(times)], .latency_ms = LATENCY_MS };

	w.t = 1000;
	for (int i = 0; i < 8; i++)
		roll(&w, 2);
	return w;
}

static void never_two_and_soon_one_whatever_happens(void **state)
{
	unsigned begun = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		struct world w = new_world(seed, 2 + (unsigned)(seed % 3));
		int64_t bound;

		w.wild = true;
		w.latency_ms = seed % 2 ? LATENCY_MS : 400;
		for (unsigned i = 0; i < w.n; i++)
			w.replicas[i].restart_at = w.t + roll(&w, 2000);
		for (int i = 0; i < 30; i++) {
			run(&w, w.t + 1 + roll(&w, w.times.lease_ms));
			befall(&w);
			check(&w);
		}
		w.wild = false;
		bound = w.times.lease_ms + w.times.retry_ms + 6 * w.latency_ms;
		/* What is on its way may still come late, and whoever is dead begins anew. */
		run(&w, (w.calm_since > w.t ? w.calm_since : w.t) + bound);
		if (!w.led_at)
			fail_at(&w, "nobody leads");
		begun += w.leads_begun;
		w.leads_begun = 0;
		run(&w, w.t + 4 * w.times.lease_ms);
		if (w.leads_begun || !w.led_at || w.lease.renewed == 0)
			fail_at(&w, "the lead changes hands though all is well");
	}
	/* It was a lively time: a run in which nobody ever leads would show nothing. */
	assert_true(begun > 3000 * 5);
}

/* Numbers that are promised to people. */

static unsigned leader_of(const struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (leads(w, &w->replicas[i]))
			return i;
	fail_msg("seed %" PRIu64 ": nobody leads", w->seed);
	return 0;
}

static int64_t until_another_leads(struct world *w, unsigned before)
{
	const int64_t since = w->t;

	while (w->t < since + 60000) {
		run(w, w->t + 1);
		for (unsigned i = 0; i < w->n; i++)
			if (i != before && leads(w, &w->replicas[i]))
				return w->t - since;
	}
	fail_at(w, "nobody leads");
	return 0;
}

static struct world settled_world(uint64_t seed)
{
	struct world w = new_world(seed, 2 + (unsigned)(seed % 3));

	w.times = field_times;
	run(&w, w.t + 20000 + roll(&w, 20000));
	return w;
}

static void a_killed_leader_is_followed_within_lease_duration_and_retry_period(void **state)
{
	int64_t longest = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct world w = settled_world(seed);
		const unsigned first = leader_of(&w);
		int64_t took;

		kill_it(&w, first);
		w.replicas[first].restart_at = INT64_MAX;
		took = until_another_leads(&w, first);
		longest = took > longest ? took : longest;
	}
	assert_in_range(longest, field_times.lease_ms, field_times.lease_ms + field_times.retry_ms);
}

static void a_leader_that_leaves_is_followed_within_two_seconds(void **state)
{
	int64_t longest = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct world w = settled_world(seed);
		const unsigned first = leader_of(&w);
		const uint32_t before = w.lease.transitions;
		int64_t took;

		w.nobody_returns = true;
		step(&w, first, ELECTION_RELEASE, NULL);
		took = until_another_leads(&w, first);
		longest = took > longest ? took : longest;
		assert_int_equal(w.lease.transitions, before + 1);
	}
	assert_in_range(longest, 800, 1999);
}

static void slow_answers_do_not_cost_the_lead(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct world w = settled_world(seed);
		const unsigned first = leader_of(&w);

		w.latency_ms = (int)field_times.renew_ms / 4 - 10; /* each way, at most */
		w.leads_begun = 0;
		run(&w, w.t + 120000);
		assert_int_equal(leader_of(&w), first);
		assert_int_equal(w.leads_begun, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule),
		cmocka_unit_test(leading_ends_by_the_clock_alone),
		cmocka_unit_test(each_renewal_differs_though_the_wall_clock_stands_or_goes_back),
		cmocka_unit_test(never_two_and_soon_one_whatever_happens),
		cmocka_unit_test(a_killed_leader_is_followed_within_lease_duration_and_retry_period),
		cmocka_unit_test(a_leader_that_leaves_is_followed_within_two_seconds),
		cmocka_unit_test(slow_answers_do_not_cost_the_lead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
