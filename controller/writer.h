/*
 * Carries out what a decision asks for, one request a key at a time, and tells the cache what came of it. No policy: what to write is
 * the reconciler's, when to try again is the queue's. Many keys' requests are under way at once, up to a limit.
 */
#ifndef TOLLGATE_WRITER_H
#define TOLLGATE_WRITER_H

#include "cache.h"
#include "log.h"
#include "port.h"

enum write_type { WRITE_READ = 0 /* fetch a doubtful object */, WRITE_CREATE, WRITE_DELETE, WRITE_FINALIZER, WRITE_OWNER, WRITE_MARKS, WRITE_STATUS, WRITE_TYPES };
extern const char *const write_type_names[WRITE_TYPES];

/* The caller's, carried along with a request: which decision it belongs to. */
struct turn {
	uint64_t number;
	bool timed; /* the decision asked to be woken at a moment */
};

/* A request that has come to its end. All valid during the call. */
struct ending {
	struct key key;
	enum write_type type;
	struct turn turn;
	/* What came true with the status that has just been written, and of which object; none unless that is known for certain. */
	const struct event *events;
	size_t n_events;
	const char *uid;
};

struct writer_listener {
	void *context;
	/* error NULL: done. Else when to come back is up to the caller, at the earliest after error->retry_after_ms. May start writes. */
	void (*finished)(void *context, const struct ending *, const struct error *error);
};

struct writer_stats {
	uint64_t started[WRITE_TYPES], failed[WRITE_TYPES], conflicts;
	uint64_t known; /* answers that the watch was faster than, or that said nothing new, and were not decoded */
	uint64_t foreseen; /* answers that showed just what was asked for, and were not decoded either */
	unsigned in_flight;
};

struct writer;

/* port, cache, codec and atoms are borrowed. */
struct writer *writer_new(const struct port *, struct cache *, struct codec *, struct atoms *, unsigned max_in_flight, struct writer_listener);
/* Cancels what is under way. */
void writer_free(struct writer *);

bool writer_has_room(const struct writer *);
/* What one decision needs next, in this order: create or delete, finalizer, labels, status, owner. Starts at most one request; false if nothing
 * differs and so nothing needs writing. Events go with the status alone, so a turn that writes something else first does not lose them: the
 * next one asks for them again. */
bool writer_carry_out(struct writer *, struct key, struct turn, const struct outcome *);
/* Fetches the object anew. */
void writer_read(struct writer *, struct key, struct turn);
const struct writer_stats *writer_stats(const struct writer *);

#endif
