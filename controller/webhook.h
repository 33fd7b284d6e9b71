/*
 * The admission webhook: reviews in, verdicts out. Answers from the cache; a refusal that rests on an object the cache may be behind with
 * is given only after one look at the API server. Knows no sockets: server.c calls webhook_handle and takes the answers.
 */
#ifndef TOLLGATE_WEBHOOK_H
#define TOLLGATE_WEBHOOK_H

#include "cache.h"
#include "histogram.h"
#include "log.h"
#include "port.h"
#include "server.h"

enum { WEBHOOK_MUTATE = 0, WEBHOOK_VALIDATE, WEBHOOKS };
extern const char *const webhook_paths[WEBHOOKS]; /* "/mutate", "/validate" */

struct webhook_stats {
	struct {
		uint64_t ok, bad, unavailable;    /* answered with 200, 400, 503 */
		uint64_t refused, patched, looks; /* among the 200s; requests to the API server on the way */
		struct histogram seconds;         /* of the 200s, by buckets_short: from the whole request to the answer, looks included */
		struct histogram latency;         /* of all, by buckets_decades */
		unsigned in_flight;
	} paths[WEBHOOKS];
	unsigned in_flight; /* all together */
};

struct webhook_config {
	const struct port *port;
	struct cache *cache;
	struct codec *codec;
	struct atoms *atoms;
	struct log *log;    /* refusals, at debug */
	const bool *synced; /* false: nothing can be judged yet */
	/* server_answer but for tests. */
	void (*answer)(struct exchange *, const struct server_reply *);
};

struct webhook;

/* All that the config points to is borrowed. */
struct webhook *webhook_new(const struct webhook_config *);
/* Reviews under way are dropped without an answer: their server goes first. */
void webhook_free(struct webhook *);
/* server_handler.handle; context is the struct webhook. */
bool webhook_handle(void *webhook, const struct server_request *, struct exchange *, struct server_reply *);
const struct webhook_stats *webhook_stats(const struct webhook *);

#endif
