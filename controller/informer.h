/*
 * Keeps the cache in step with the server for one kind: carries out what watch.c decides, over the port, and passes what arrives
 * through frame and codec into the cache. What the cache holds at that version already is not decoded: the news of our own writes,
 * whose answers came first, and most of a list after the first.
 */
#ifndef TOLLGATE_INFORMER_H
#define TOLLGATE_INFORMER_H

#include "cache.h"
#include "frame.h"
#include "port.h"
#include "watch.h"

struct informer_stats {
	uint64_t lists, watches, events, bytes, failures;
	uint64_t known;          /* of the events: at the version that the cache had, and not decoded */
	uint64_t unreadable;     /* objects that the codec could not read */
	int64_t heard_at;        /* monotonic: when a list or stream last began well or brought something; 0 = not yet */
};

struct informer_listener {
	void *context;
	/* The list or stream failed with err (NULL: it answered well after a failure, or for the first time). */
	void (*state)(void *context, enum kind_id, const struct error *err);
	/* An object that cannot be read; the message names it and the field. */
	void (*unreadable)(void *context, enum kind_id, const struct error *err);
};

struct informer {
	enum kind_id kind;
	const struct port *port;
	struct cache *cache;
	struct codec *codec;
	struct atoms *atoms;
	const char *ns; /* watch only this namespace; NULL = all */
	int64_t idle_timeout_ms;
	struct informer_listener listener;
	struct watch watch;
	struct call *call;
	enum watch_do doing;
	struct frame frame;      /* the 200 body: items or events */
	struct frame error_body; /* any other body */
	int64_t ends_at;         /* monotonic: our patience with the stream under way */
	bool begun;              /* the answer under way: 200 */
	bool listed;             /* a list has been complete since informer_relist, or since the start */
	bool error_body_begun, answered;
	struct error error;      /* from within the body: an ERROR event, or a body that can't be read */
	struct error last_error; /* why the last one that failed did */
	int64_t last_error_at;   /* monotonic; 0 = none has */
	struct wire_list page;   /* the envelope of the page, once read */
	bool page_complete;
	struct informer_stats stats;
};

/* Everything is borrowed and outlives the informer. idle_timeout_ms: a stream that is silent for longer is opened again; 0 = never. The
 * server's bookmarks come once a minute: with less than twice that, streams that are well are opened again too, which costs a request. */
void informer_init(struct informer *, enum kind_id, const struct port *, struct cache *, struct codec *, struct atoms *, const char *ns,
		   int64_t idle_timeout_ms, struct informer_listener);
void informer_start(struct informer *);
/* When it wants informer_tick at the latest (monotonic), or INT64_MAX. */
int64_t informer_due(const struct informer *);
void informer_tick(struct informer *);
/* The server has just been heard again: a long wait is cut short. Sends nothing. */
void informer_hurry(struct informer *);
/* Lists anew; until that is done informer_listed is false. Not from within a callback of the port. */
void informer_relist(struct informer *);
bool informer_listed(const struct informer *);
bool informer_synced(const struct informer *);
void informer_close(struct informer *);

#endif
