/*
 * The worker: takes a key from the queue, lets its kind decide, hands the outcome to the writer, and puts the key back when there is
 * reason to. Knows no kind by name. A key stays in processing until its write has answered, so that it is decided on what it wrote.
 */
#ifndef TOLLGATE_DISPATCH_H
#define TOLLGATE_DISPATCH_H

#include "log.h"
#include "queue.h"
#include "writer.h"

struct dispatch_stats {
	uint64_t reconciles[KIND_COUNT]; /* decisions */
	uint64_t writes[KIND_COUNT];     /* requests that changed something, or meant to */
	uint64_t errors[KIND_COUNT];
	uint64_t provider_calls;
};

struct dispatch {
	const struct port *port;
	struct cache *cache;
	struct queue *queue;
	struct writer *writer;
	struct log *log;
	/* Asks a payment provider. True: *result holds the answer already. False: it comes later, or there is no such provider. */
	bool (*ask)(const struct provider_request *, struct provider_result *result);
	struct arena arena;
	bool open;             /* false: nothing is decided (caches not in step yet, stopping, not the leader) */
	int64_t closed_until;  /* the server does not answer: it is no use to try before */
	int64_t outage_ms;     /* how long the present pause is; 0 = none */
	int64_t complained_at[KIND_COUNT][WRITE_TYPES];
	struct dispatch_stats stats;
};

/* All borrowed. The writer is made with dispatch_finished as its listener, so it comes after. */
void dispatch_init(struct dispatch *, const struct port *, struct cache *, struct queue *, struct log *,
		   bool (*ask)(const struct provider_request *, struct provider_result *));
void dispatch_close(struct dispatch *);
/* Decides ready keys until none is left, the writer is full, or `budget_ms` have passed. True: there is more to do at once. */
bool dispatch_run(struct dispatch *, int64_t budget_ms);
/* When there is something to do at the latest. */
struct dispatch_wait {
	int64_t ms;     /* from now; negative = only when something happens */
	instant_t wall; /* and at that moment of the wall clock, which has not come yet; 0 = none. Of one look at the clock with ms */
};
struct dispatch_wait dispatch_wait(const struct dispatch *);
/* writer_listener.finished; context is the struct dispatch. */
void dispatch_finished(void *dispatch, struct key, enum write_type, const struct error *);

#endif
