/*
 * Owns: whose turn it is to lead, from what one process has seen of the Lease and when.
 * Must not know: requests, JSON, clocks, what leading is for.
 * Invariants: valid_until only ever follows from a write of ours that the server has confirmed; what is not known for sure is read before
 * it is written; RELEASED and LOST are for good.
 */
#include "election.h"

#include <assert.h>
#include <string.h>

enum {
	PATIENCE = 10,      /* how many times our own duration a record may make us wait: somebody may have written nonsense into it */
	TRIES = 2,          /* that fit into a renew deadline: one lost answer must not cost the lead. controller-runtime's too */
	RELEASED_MS = 1000, /* the duration of one that is given back; client-go's */
	RELEASE_MS = 3000,  /* then others had better wait until it has run out */
	FUTURE_MS = 24 * 3600 * 1000,
	RACE_MS = 100,      /* after a write that came too late, so that not all try again at once, and nobody as fast as a server can refuse */
};

static int64_t up_to(struct election *e, int64_t range)
{
	/* splitmix64; any seed will do */
	uint64_t z = (e->random += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return (int64_t)((z ^ (z >> 31)) % (uint64_t)(range + 1));
}

/* Half a retry period at most: what is given back must not lie about. */
static int64_t pause_of(struct election *e)
{
	return e->times.retry_ms / 2 - up_to(e, e->times.retry_ms / 8);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* By the record that was seen last, though the Lease may have vanished since. */
static bool names_us(const struct election *e)
{
	return strcmp(e->seen.holder, e->identity) == 0;
}

static bool is_ours(const struct election *e)
{
	return e->exists && names_us(e);
}

/* ---- what an event says ---- */

/* NULL: there is none. What was in it stays in mind, for its duration and the count of its holders. */
static void note(struct election *e, const struct lease_record *record, int64_t now)
{
	const bool exists = record != NULL;

	/* Whoever has written it, and whatever: a leader whose wall clock stands may renew it in the same words. */
	if (exists != e->exists || (exists && strcmp(record->version, e->seen.version) != 0))
		e->changed_at = now;
	if (exists)
		e->seen = *record;
	e->exists = exists;
	e->held |= exists && (record->holder[0] || record->renewed);
	e->known = true;
	e->unsure = false;
	if (e->state == ELECTION_LEADING && exists && !is_ours(e))
		e->state = ELECTION_LOST;
}

/* When a follower may take what it has seen. Only a release frees it at once. */
static int64_t free_at(const struct election *e)
{
	const bool released = e->exists && !e->seen.holder[0] && e->seen.duration_ms && e->seen.duration_ms <= RELEASED_MS;

	if (!e->held || released)
		return e->changed_at;
	/* At least as long as ours, and so is one that vanished or does not say for how long: who holds it goes by its own flags, whatever somebody has
	 * written there meanwhile. */
	return e->changed_at + sooner(later(e->seen.duration_ms, e->times.lease_ms), PATIENCE * e->times.lease_ms);
}

static void seen(struct election *e, const struct lease_record *record, int64_t now)
{
	note(e, record, now);
	e->due = now;
	if (e->state == ELECTION_FOLLOWING && !is_ours(e))
		e->due = later(now, sooner(now + pause_of(e), free_at(e)));
}

static void written(struct election *e, const struct lease_record *record, int64_t now)
{
	const int64_t until = e->sent_at + e->times.renew_ms;

	seen(e, record, now);
	if (!is_ours(e) || now >= until)
		return; /* so late that it is no use: once more */
	if (e->state == ELECTION_FOLLOWING)
		e->state = ELECTION_LEADING;
	if (e->state != ELECTION_LEADING)
		return;
	e->valid_until = until;
	e->due = e->sent_at + e->times.retry_ms;
}

static void release(struct election *e, int64_t now)
{
	const bool may_be_ours = e->state == ELECTION_LEADING || e->unsure || is_ours(e);

	if (e->state == ELECTION_RELEASING)
		return;
	e->state = may_be_ours ? ELECTION_RELEASING : ELECTION_RELEASED;
	e->release_by = now + RELEASE_MS;
	e->due = now;
}

static void take_in(struct election *e, enum election_event event, const struct lease_record *record, int64_t now)
{
	switch (event) {
	case ELECTION_SEEN:
		seen(e, record, now);
		break;
	case ELECTION_WRITTEN:
		written(e, record, now);
		break;
	case ELECTION_CONFLICT:
		e->known = e->unsure = false;
		e->due = now + up_to(e, RACE_MS);
		break;
	case ELECTION_FAILED:
		/* Without regard to Retry-After: a second from each replica is no load, and a leader's time is short. */
		e->known = false;
		e->due = later(now, e->sent_at + pause_of(e));
		break;
	case ELECTION_RELEASE:
		release(e, now);
		break;
	case ELECTION_TICK:
		break;
	}
}

/* ---- what to do ---- */

/* When the present state ends by itself. */
static int64_t end_of(const struct election *e)
{
	return e->state == ELECTION_LEADING ? e->valid_until : e->state == ELECTION_RELEASING ? e->release_by : INT64_MAX;
}

static bool is_over(const struct election *e)
{
	return e->state == ELECTION_LOST || e->state == ELECTION_RELEASED;
}

static struct election_cmd rest(struct election *e)
{
	e->asking = false;
	return (struct election_cmd){ .type = ELECTION_REST, .due = INT64_MAX };
}

static struct election_cmd ask(struct election *e, enum election_do type, int64_t now)
{
	e->asking = true;
	e->sent_at = now;
	return (struct election_cmd){ .type = type, .due = end_of(e), .timeout_ms = sooner(e->times.renew_ms / TRIES, end_of(e) - now) };
}

static struct election_cmd write(struct election *e, const struct lease_record *record, int64_t now)
{
	struct election_cmd cmd = ask(e, e->exists ? ELECTION_UPDATE : ELECTION_CREATE, now);

	e->unsure = true;
	cmd.record = *record;
	return cmd;
}

/* To get it, or to keep it. */
static struct election_cmd take(struct election *e, int64_t now, instant_t wall)
{
	struct lease_record record = { .duration_ms = e->times.lease_ms, .acquired = wall, .renewed = wall };

	if (names_us(e)) {
		record.acquired = e->seen.acquired;
		record.transitions = e->seen.transitions;
		/* The API server stores nothing when nothing differs, and others would see no renewal: a wall clock may stand, or be set back. */
		record.renewed = later(wall, e->seen.renewed + 1);
		if (record.renewed > wall + FUTURE_MS) /* no clock's doing, and beyond what the API server can store */
			record.renewed = wall;
	} else if (e->held) {
		record.transitions = e->seen.transitions + 1;
	}
	memcpy(record.holder, e->identity, sizeof(record.holder));
	return write(e, &record, now);
}

static struct election_cmd give_back(struct election *e, int64_t now, instant_t wall)
{
	const struct lease_record record = { .duration_ms = RELEASED_MS, .acquired = wall, .renewed = wall, .transitions = e->seen.transitions };

	return write(e, &record, now);
}

static struct election_cmd proceed(struct election *e, int64_t now, instant_t wall)
{
	if (is_over(e))
		return rest(e);
	if (e->asking || now < e->due)
		return (struct election_cmd){ .type = ELECTION_WAIT, .due = e->asking ? end_of(e) : sooner(e->due, end_of(e)) };
	if (!e->known)
		return ask(e, ELECTION_READ, now);
	if (e->state == ELECTION_RELEASING && is_ours(e))
		return give_back(e, now, wall);
	if (e->state == ELECTION_RELEASING) {
		e->state = ELECTION_RELEASED;
		return rest(e);
	}
	return e->state == ELECTION_LEADING || is_ours(e) || now >= free_at(e) ? take(e, now, wall) : ask(e, ELECTION_READ, now);
}

struct election_cmd election_step(struct election *e, enum election_event event, const struct lease_record *record, int64_t now,
				  instant_t wall)
{
	if (event != ELECTION_TICK && event != ELECTION_RELEASE)
		e->asking = false;
	/* First, as nothing that comes later counts any more. */
	if (now >= end_of(e))
		e->state = e->state == ELECTION_LEADING ? ELECTION_LOST : ELECTION_RELEASED;
	if (!is_over(e))
		take_in(e, event, record, now);
	return proceed(e, now, wall);
}

bool election_leads(const struct election *e, int64_t now)
{
	return e->state == ELECTION_LEADING && now < e->valid_until;
}

bool election_lost(const struct election *e, int64_t now)
{
	return e->state == ELECTION_LOST || (e->state == ELECTION_LEADING && now >= e->valid_until);
}

void election_init(struct election *e, const struct election_times *times, const char *identity, uint64_t seed)
{
	assert(strlen(identity) < sizeof(e->identity));
	*e = (struct election){ .times = *times, .random = seed };
	memcpy(e->identity, identity, strlen(identity));
}
