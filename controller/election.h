/*
 * The rules of an election on a Lease as a state machine: events in, one command out. No sockets, no clock (time is an argument), no
 * JSON. What it guarantees: at no moment do two processes lead, as long as their monotonic clocks run at about the same speed, whatever
 * their wall clocks say, however slow answers are, and for however long one of them is stopped.
 *
 *                 WRITTEN in time              somebody else holds it, or
 *     FOLLOWING ───────────────────► LEADING ──────valid_until has come──────► LOST
 *         │                             │
 *         └──────────RELEASE────────────┴─► RELEASING ──given back, or too late──► RELEASED
 *
 *   follower   looks; takes the Lease when it was given back or never was, or when nobody has written it for its own duration since *we* first
 *              saw it so
 *   leader     renews every retry period, and leads until the last renewal that succeeded was *sent* one renew deadline ago
 *   lost       for good, and so is released. Whoever wants to lead again starts anew
 *
 * Others wait for the lease duration from when they saw a renewal, which is after it was sent; the renew deadline is shorter. So a leader's
 * time is over before anybody's wait is. A write whose fate is not known counts for nothing but as something to be read about: what came of
 * it is there to be seen, and the next write says whether it still is so.
 * Rules and numbers: client-go tools/leaderelection/leaderelection.go. Stricter than there: validity counts from the sending, not from the
 * answer, and is asked about at each write. A Lease that vanishes, or whose holder is wiped out by hand, is held for its duration: its leader
 * does not know yet. (Whoever deletes one before all have seen it, or starts a replica just then, is on their own.)
 * Sooner than there: followers look every half retry period and take at the very moment of expiry, where client-go waits for 1 to 2.2 retry
 * periods in between. So a Lease that is given back is taken in about a second, and that of a killed leader within lease duration and half a
 * retry period. The price is one small request a second from each follower.
 */
#ifndef TOLLGATE_ELECTION_H
#define TOLLGATE_ELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lease.h"

struct election_times {
	int64_t lease_ms, renew_ms, retry_ms; /* lease > renew > 1.2 * retry > 0 */
};

enum election_state { ELECTION_FOLLOWING = 0, ELECTION_LEADING, ELECTION_RELEASING, ELECTION_RELEASED, ELECTION_LOST };

enum election_event {
	ELECTION_TICK = 1, /* time passed; also the first */
	ELECTION_SEEN,     /* the Lease was read: record; NULL = there is none */
	ELECTION_WRITTEN,  /* what was commanded has been stored: record, as the server has it now */
	ELECTION_CONFLICT, /* it was not: somebody else has written, created or deleted meanwhile */
	ELECTION_FAILED,   /* no answer, or another refusal: a write may have been stored all the same, or be so later */
	ELECTION_RELEASE,  /* give it back; at any time */
};

enum election_do { ELECTION_WAIT = 0, ELECTION_READ, ELECTION_CREATE, ELECTION_UPDATE, ELECTION_REST /* nothing ever again */ };

struct election_cmd {
	enum election_do type;
	int64_t due;                /* step with TICK then, also while a request is under way; INT64_MAX: need not */
	int64_t timeout_ms;         /* of a request */
	struct lease_record record; /* CREATE, UPDATE; guarded by the version that was seen last */
};

struct election {
	struct election_times times;
	char identity[LEASE_HOLDER_SIZE];
	enum election_state state;
	struct lease_record seen; /* last */
	bool exists;              /* then */
	bool held;                /* by anybody, at any time that we know of */
	bool known;               /* that is how it is, as far as we know: it can be written */
	bool asking;              /* a request is under way */
	bool unsure;              /* a write of ours may have been stored, or be so later */
	int64_t changed_at;       /* monotonic, as all below: when we first saw it as it is */
	int64_t sent_at;          /* the last request */
	int64_t due;              /* no request before then */
	int64_t valid_until;      /* of our leading */
	int64_t release_by;       /* then it is given up to give it back */
	uint64_t random;          /* jitter's state */
};

void election_init(struct election *, const struct election_times *, const char *identity, uint64_t seed);
/* One event in, what to do now out. READ, CREATE and UPDATE are requests, one at a time: the end of each is an event. record: SEEN, WRITTEN. */
struct election_cmd election_step(struct election *, enum election_event, const struct lease_record *, int64_t now_ms, instant_t wall);
/* May it decide and write, now? */
bool election_leads(const struct election *, int64_t now_ms);
/* It did, and does not any more. */
bool election_lost(const struct election *, int64_t now_ms);

#endif
