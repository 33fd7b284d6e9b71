/*
 * What the metrics' tables are made of: all that a scrape looks at, gathered once, and the sets of labels that families have series for.
 * Reads counters of the parts; no work here grows with the number of objects.
 */
#ifndef TOLLGATE_SERIES_H
#define TOLLGATE_SERIES_H

#include "exposition.h"
#include "parts.h"
#include "process.h"

enum pool { POOL_RECORDS = 0, POOL_ATOMS, POOL_QUEUE, POOL_ARENA, POOL_OTHER, POOLS };
enum { WEBHOOK_CODES = 3 };

struct scrape {
	const struct parts *parts;
	const struct manager *manager;
	const struct http_stats *http;
	const struct writer_stats *writer;
	const struct dispatch_stats *dispatch;
	const struct webhook_stats *webhook; /* NULL: admission is off */
	int64_t now_ms;                      /* monotonic */
	struct queue_stats queue;
	struct queue_kind_stats queues[KIND_COUNT];
	struct cache_stats cache;
	struct server_stats server;
	struct certkeeper_stats certs;
	struct recorder_stats events;
	struct process_stats process;
	double pools[POOLS]; /* bytes */
};

void scrape_gather(struct scrape *, const struct parts *);

/* A set of series: labels of the i-th of n. False: there is no such series, at least not now. */
struct series {
	unsigned n;
	bool (*labels)(const struct scrape *, unsigned i, struct labels *);
};

/* What i is: an enum kind_id, write_type, http_method or pool, or as it says; a pair is (first * how many seconds + second). */
extern const struct series series_once;          /* no labels */
extern const struct series series_version;       /* version */
extern const struct series series_controllers;   /* controller (kind) */
extern const struct series series_results;       /* controller (kind), result (dispatch_result) */
extern const struct series series_queues;        /* name, controller (kind) */
extern const struct series series_kinds;         /* kind */
extern const struct series series_writes;        /* kind, request (write_type), result (written_result) */
extern const struct series series_requests;      /* request (write_type) */
extern const struct series series_pools;         /* pool */
extern const struct series series_leader;        /* name */
extern const struct series series_events;        /* result (0 sent, 1 repeated, 2 dropped) */
extern const struct series series_answers;       /* method (http_method), code (itself), host */
extern const struct series series_verbs;         /* verb (http_method), host */
extern const struct series series_webhooks;      /* webhook */
extern const struct series series_webhook_codes; /* webhook, code (0 200, 1 400, 2 503) */
extern const struct series series_admission;     /* no labels; while admission is on */
extern const struct series series_cuts;          /* reason (0 slow, 1 crowded); while admission is on */

#endif
