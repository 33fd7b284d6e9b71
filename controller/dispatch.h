/*
 * The worker: takes a key from the queue, lets its kind decide, hands the outcome to the writer, and puts the key back when there is
 * reason to. Knows no kind by name. A key stays in processing until its write has answered, so that it is decided on what it wrote.
 * Events are told once the status that they go with has been written: a lost answer may lose them, and nothing tells them twice.
 */
#ifndef TOLLGATE_DISPATCH_H
#define TOLLGATE_DISPATCH_H

#include "bucket.h"
#include "complaints.h"
#include "log.h"
#include "queue.h"
#include "recorder.h"
#include "writer.h"

/* How a key's turn ended, as controller-runtime counts it. Each turn ends once. */
enum dispatch_result {
	DISPATCH_SUCCESS,
	DISPATCH_ERROR,         /* a request failed, and not only because the cache was behind */
	DISPATCH_REQUEUE,       /* the cache was behind: read anew, or a write that came too late */
	DISPATCH_REQUEUE_AFTER, /* success, and the decision asked to be woken at a moment */
	DISPATCH_RESULTS
};
extern const char *const dispatch_result_names[DISPATCH_RESULTS]; /* "success", "error", "requeue", "requeue_after" */

/* What came of a request about an object. */
enum written_result { WRITTEN_OK, WRITTEN_CONFLICT, WRITTEN_ERROR, WRITTEN_RESULTS };
extern const char *const written_result_names[WRITTEN_RESULTS]; /* "ok", "conflict", "error" */

struct dispatch_stats {
	uint64_t results[KIND_COUNT][DISPATCH_RESULTS];
	uint64_t written[KIND_COUNT][WRITE_TYPES][WRITTEN_RESULTS]; /* requests that have ended; WRITE_READ writes nothing */
	uint64_t reconciles[KIND_COUNT]; /* decisions */
	uint64_t provider_calls;
};

struct dispatch {
	const struct port *port;
	struct cache *cache;
	struct queue *queue;
	struct writer *writer;
	struct log *log;
	struct recorder *recorder; /* takes events, beside the log; NULL: the log alone. May be set at any time */
	/* Asks a payment provider. True: *result holds the answer already. False: it comes later, or there is no such provider. */
	bool (*ask)(const struct provider_request *, struct provider_result *result);
	struct arena arena;
	bool open;             /* false: nothing is decided (caches not in step yet, stopping, not the leader) */
	int64_t closed_until;  /* the server does not answer: it is no use to try before */
	int64_t outage_ms;     /* how long the present pause is; 0 = none */
	struct bucket bucket;  /* of requests */
	struct complaints complaints;
	uint64_t turns;        /* begun */
	uint32_t process;      /* random: tells this process's turns from another's */
	struct dispatch_stats stats;
};

/* All borrowed. The writer is made with dispatch_finished as its listener, so it comes after. */
void dispatch_init(struct dispatch *, const struct port *, struct cache *, struct queue *, struct log *,
		   bool (*ask)(const struct provider_request *, struct provider_result *));
void dispatch_close(struct dispatch *);
/* At most qps requests a second about single objects, and burst at once after a rest; qps 0: no limit of our own, which is the default. */
void dispatch_limit(struct dispatch *, long qps, long burst);
/* Decides ready keys until none is left, the writer is full, or `budget_ms` have passed. True: there is more to do at once. */
bool dispatch_run(struct dispatch *, int64_t budget_ms);
/* When there is something to do at the latest. */
struct dispatch_wait {
	int64_t ms;     /* from now; negative = only when something happens */
	instant_t wall; /* and at that moment of the wall clock, which has not come yet; 0 = none. Of one look at the clock with ms */
};
struct dispatch_wait dispatch_wait(const struct dispatch *);
/* writer_listener.finished; context is the struct dispatch. */
void dispatch_finished(void *context, const struct ending *, const struct error *);

#endif
