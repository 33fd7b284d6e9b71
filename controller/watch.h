/*
 * The list-and-watch protocol of one kind as a state machine: events in, one command out. No sockets, no clock (time is an
 * argument), no JSON. What it guarantees: no change is missed for good, whatever breaks; a resourceVersion is passed on as it
 * came and never computed with; a broken server is not hammered.
 * Sources: Kubernetes "API Concepts" (efficient detection of changes; resource versions); client-go tools/cache/reflector.go.
 *
 *                    START / TICK when due
 *      STOPPED ───────────────► LISTING ──PAGE with continue──► LISTING (next page)
 *                    ▲             │ PAGE, the last
 *                    │ due         ▼
 *        WAITING ────┴──────► WATCHING ──EVENT──► WATCHING (remembers its resourceVersion)
 *           ▲                  │    │
 *           └──────FAILED──────┘    └──ENDED cleanly──► WATCHING again from the last resourceVersion
 *        (back-off; 410 lists again)
 */
#ifndef TOLLGATE_WATCH_H
#define TOLLGATE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum { RESOURCE_VERSION_SIZE = 64 };

/* Objects of one answer. The items are taken in as they come, so a list takes no memory here, and every client-go reflector takes whole lists
 * too. The first page of a list comes from the server's watch cache; what continues it comes from etcd where nothing of that kind has changed
 * since etcd was last compacted (every five minutes), and takes five times as long. A list that is too large to come within the minute that
 * kube-apiserver gives a request is asked for again in small pages. */
enum { WATCH_LIST_SIZE = 500000, WATCH_PAGE_SIZE = 5000 };

enum watch_state { WATCH_STOPPED = 0, WATCH_LISTING, WATCH_WATCHING, WATCH_WAITING };

/* Where the next list may be served from. After a broken stream there is none: it goes on from its last version. */
enum list_from {
	/* No resourceVersion: a consistent read. Not client-go's resourceVersion=0 either time: a server's cache may be behind what this
	 * controller saw and wrote before a restart, each kind's by another measure, and an account that is free of its bindings there may pay. */
	LIST_LATEST = 0,
	LIST_EXACT,   /* the whole list at the first page's resourceVersion: its continue token expired */
};

enum watch_failure {
	FAILURE_PASSING = 1,  /* transport, 429, 5xx, an answer that can't be read */
	FAILURE_EXPIRED,      /* 410, as a status or as an ERROR event */
	FAILURE_TOO_LARGE,    /* "Too large resource version": the server is behind what we have seen */
	FAILURE_NO_SUCH_KIND, /* 404: its CRD is not installed */
	FAILURE_REFUSED,      /* 401, 403 */
};

struct watch {
	enum watch_state state;
	enum list_from from;
	char resource_version[RESOURCE_VERSION_SIZE]; /* of the last list or event */
	int64_t moved_at;                             /* monotonic: when it last became another one; 0 = it has not been one yet */
	char first_page[RESOURCE_VERSION_SIZE];       /* of the list under way */
	char *continue_token;                         /* of the list under way; owned */
	bool current;                                 /* resource_version can be watched from; else list */
	bool synced;                                  /* a list has been complete once */
	int64_t backoff_ms;                           /* upper bound of the next wait */
	int64_t failed_at, opened_at, due;            /* monotonic */
	int64_t listed_at;                            /* monotonic: when the page under way was asked for */
	bool in_pages;                                /* the list under way did not come whole */
	bool heard;                                   /* the stream has brought something */
	enum watch_failure last_failure;
	unsigned pages;                               /* of the list under way */
	uint64_t random;                              /* jitter's state */
};

enum watch_event_type {
	WATCH_START = 1,
	WATCH_TICK,   /* time passed */
	WATCH_PAGE,   /* a page of the list is complete: resource_version, continue_token */
	WATCH_EVENT,  /* the stream brought an object or a bookmark, and it has been taken in: resource_version */
	WATCH_FAILED, /* the list or the stream failed */
	WATCH_ENDED,  /* the server closed the stream in good order */
};

struct watch_event {
	enum watch_event_type type;
	const char *resource_version; /* PAGE, EVENT; borrowed */
	const char *continue_token;   /* PAGE; NULL on the last */
	enum watch_failure failure;   /* FAILED */
	int64_t retry_after_ms;       /* FAILED: what the server asked for, 0 = nothing */
};

enum watch_do { WATCH_DO_NOTHING = 0, WATCH_DO_LIST, WATCH_DO_WATCH, WATCH_DO_WAIT };

struct watch_cmd {
	enum watch_do type;
	const char *resource_version; /* LIST: NULL = leave out; WATCH. Borrowed until the next step */
	bool exact;                   /* LIST: resourceVersionMatch=Exact */
	const char *continue_token;   /* LIST: NULL on the first page */
	int limit;                    /* LIST: 0 = none */
	int timeout_s;                /* WATCH: timeoutSeconds */
	int64_t due;                  /* WAIT: step with TICK then */
};

/* Another kind has just heard the server again: no need to sit out a long wait. */
void watch_hurry(struct watch *, int64_t now_ms);
/* What has been brought so far is not enough: in any state but STOPPED, from the first page of a consistent list on. Whatever request is under
 * way is the caller's to cancel. */
struct watch_cmd watch_relist(struct watch *, int64_t now_ms);
void watch_init(struct watch *, uint64_t seed);
void watch_close(struct watch *);
/* One event in, what to do now out. Events that the state does not await are a caller's bug (assert). */
struct watch_cmd watch_step(struct watch *, const struct watch_event *, int64_t now_ms);

#endif
