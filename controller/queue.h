/*
 * The work queue of client-go and controller-runtime as a state machine: which key is decided next, and when again. Each key is
 * ready at most once; one that is added while it is being processed runs exactly once more. Time is an argument: monotonic
 * milliseconds for delays, the wall clock for moments, so that a jump of the clock moves only the latter. Knows no kinds.
 *
 *               add                 take                   done
 *     (nothing) ---> READY --------------------> PROCESSING ---> (nothing), or READY again if it was added meanwhile
 *                      ^
 *   add_after, retry --+-- add_at      when due: may be pending in any state, and count as an add when their time comes
 */
#ifndef TOLLGATE_QUEUE_H
#define TOLLGATE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "instant.h"
#include "kinds.h"
#include "object.h"

enum priority {
	PRIORITY_LOW = 0, /* the initial list, resync */
	PRIORITY_HIGH,	  /* live changes */
};

enum {
	QUEUE_BACKOFF_FIRST_MS = 5,
	QUEUE_BACKOFF_MAX_MS = 1000 * 1000,
	/* A LOW key that has waited for longer than this goes before HIGH ones, though at most every second time. */
	QUEUE_AGED_MS = 1000,
};

struct queue;

/* The atoms' table must outlive the queue, which holds references to its keys' atoms. */
struct queue *queue_new(struct atoms *);
void queue_free(struct queue *);
/* Lends it a clock, in nanoseconds, for struct queue_times and what stands beside them; nothing is decided by it. Before, nothing is
 * measured. */
void queue_measure(struct queue *, int64_t (*now_ns)(void));

/* Ready now, or once it is done if it is being processed. Adding again changes nothing but a LOW to a HIGH. */
void queue_add(struct queue *, struct key, enum priority, int64_t now_mono_ms);
/* Ready, with HIGH priority, at that moment of the monotonic clock. One delay a key: the earliest stays. */
void queue_add_after(struct queue *, struct key, int64_t due_mono_ms);
/* Ready, with HIGH priority, at that moment of the wall clock; 0 (unset) does nothing. One moment a key, beside a delay: the
 * earliest stays, until it is due or forgotten. To move it to a later one, forget it first. */
void queue_add_at(struct queue *, struct key, instant_t wall);
void queue_forget_at(struct queue *, struct key);

/* Moves what is due, then takes the next key; false if none is ready. HIGH before LOW but for ageing; else in the order in which
 * they were added. The key's atoms are valid until queue_done. */
bool queue_take(struct queue *, int64_t now_mono_ms, instant_t now_wall, struct key *out);
/* Of a key that is being processed: had a moment of it come (queue_add_at) before it was taken? */
bool queue_moment_came(const struct queue *, struct key);
/* Only for a key that was taken, once. What else there is to say of it (retry, forget, add_at) comes before. */
void queue_done(struct queue *, struct key);

/* One more failure: a delay as by queue_add_after of 5 ms, 10, 20, ... 1000 s, but at least minimum_ms (a server's Retry-After).
 * The key keeps the priority with which it was taken. */
void queue_retry(struct queue *, struct key, int64_t now_mono_ms, int64_t minimum_ms);
/* Success: the next failure is the first one again. Delays stay. */
void queue_forget(struct queue *, struct key);
/* It has failed since it was forgotten last: it is in its back-off, or in the turn after it. */
bool queue_has_failed(const struct queue *, struct key);

/* When queue_take next has something to move: INT64_MAX and 0 (unset) if it has not. */
int64_t queue_next_mono(const struct queue *);
instant_t queue_next_wall(const struct queue *);

struct queue_stats {
	uint64_t adds_total; /* that changed something: a key that was already waiting is not counted */
	uint64_t retries_total;
	size_t depth; /* ready, */
	size_t low;   /* and of these with LOW priority */
	size_t processing;
	size_t delayed, timed;	 /* pending add_after or retry; pending add_at */
	size_t keys;		 /* remembered for whatever reason, failures included */
	size_t bytes;		 /* of memory, without the atoms */
	int64_t oldest_ready_ms; /* for how long the one that waits longest has been ready; 0 if none is */
};

struct queue_stats queue_stats(const struct queue *, int64_t now_mono_ms);

/* How long keys of one kind waited, from ready to taken, and how long it took from there to done: by client-go's buckets (wait, work), and
 * the latter by controller-runtime's (reconcile). */
struct queue_times {
	struct histogram wait, work, reconcile;
};

/* What client-go's workqueue tells of itself, of the keys of one kind. */
struct queue_kind_stats {
	uint64_t adds_total, retries_total;
	size_t depth, processing;
	double unfinished_s, longest_s; /* so far, of the keys that are being processed: all together; the one that was taken first */
	const struct queue_times *times; /* borrowed */
};

struct queue_kind_stats queue_kind_stats(const struct queue *, enum kind_id);

/* A key as the queue sees it, for people. Atoms are borrowed. */
struct queue_entry {
	struct key key;
	bool ready, processing;
	int64_t since_mono;  /* when it was last added, so a ready one's waiting began then */
	unsigned failures;   /* since the last success; beyond 18, which are as good as more, not counted */
	int64_t due_mono;    /* of its delay or next try; INT64_MAX = none */
	instant_t due_wall;  /* of its moment; 0 = none */
};

/* Every key that it remembers, in no order. `visit` must not change the queue. */
void queue_each(const struct queue *, void (*visit)(void *context, const struct queue_entry *), void *context);

#endif
