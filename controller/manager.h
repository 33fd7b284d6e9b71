/*
 * The runtime put together: informers, cache, queue, dispatch and writer over one port. Neither sockets nor a loop of its own:
 * main drives it with manager_drain, and so does a simulator.
 */
#ifndef TOLLGATE_MANAGER_H
#define TOLLGATE_MANAGER_H

#include "dispatch.h"
#include "informer.h"
#include "log.h"

struct manager_config {
	const struct port *port;
	const struct settings *settings;
	struct log *log;
	const char *ns;                /* NULL = all namespaces */
	const char *source;            /* which server, for messages */
	unsigned max_concurrent_writes;
	int64_t cache_sync_timeout_ms;
	int64_t watch_idle_timeout_ms; /* of informer_init */
	/* May this replica decide and write, at this very moment? NULL: it always may. Others keep their caches warm. */
	bool (*leads)(void *context);
	void *leads_context;
	struct recorder *recorder;     /* NULL: events are logged alone */
	unsigned sweep_ahead;          /* keys that a sweep puts into the queue before they are decided; 0 = SWEEP_AHEAD */
	long qps, burst;               /* of requests about objects, as in dispatch_limit */
};

enum { SWEEP_AHEAD = 1024 }; /* enough that the writer never waits for it */

enum server_state { SERVER_FINE = 0, SERVER_SILENT, SERVER_TROUBLED /* 429, 5xx */, SERVER_UNAUTHORIZED };
enum kind_state { KIND_UNHEARD = 0, KIND_FINE, KIND_MISSING /* no CRD */, KIND_REFUSED, KIND_FAILING };

/* Everything is being decided anew: kind after kind from the last to the first, and of a kind from `at` on (view_walk). */
struct sweep {
	unsigned left; /* kinds, with the one under way; 0: there is no sweep */
	uint32_t at;
};

struct manager {
	struct manager_config config;
	struct atoms *atoms;
	struct codec *codec;
	struct cache *cache;
	struct queue *queue;
	struct writer *writer;
	struct dispatch dispatch;
	struct informer informers[KIND_COUNT];
	enum kind_state states[KIND_COUNT];
	enum server_state server; /* as it was last said */
	bool synced, stopping;
	bool led;                /* it leads, and lists what was written before */
	bool deciding;           /* synced, and leads: everything has been looked at, and what changes is */
	uint32_t in_trouble;     /* kinds that met what `server` says */
	uint32_t suspected;      /* kinds refused once */
	uint32_t missing_said, refused_said; /* kinds that have been named so: sets of bits */
	struct sweep sweep;
	int64_t started_at, resync_at;
	instant_t wakes_at;
	int64_t clock_offset;    /* of the wall clock from the monotonic one: moves when somebody sets it */
	int64_t unreadable_said_at;
	bool failed;             /* cannot go on: main exits 1; the reason is logged */
};

/* Everything in the config is borrowed. */
void manager_init(struct manager *, const struct manager_config *);
void manager_start(struct manager *);
/* Does what is due. Returns when it wants to be called again at the latest, in milliseconds: 0 = at once, negative = only after
 * something has happened on the port. */
int64_t manager_drain(struct manager *);
/* And at that moment of the wall clock, as of the last drain that did not ask for another at once; 0 = none. */
instant_t manager_wakes_at(const struct manager *);
/* No new decisions; requests under way may finish. */
void manager_stop(struct manager *);
bool manager_is_behind(const struct manager *); /* this replica decides, and keys wait for it or a sweep is on */
bool manager_is_idle(const struct manager *); /* no request about an object is under way */
void manager_close(struct manager *);

#endif
