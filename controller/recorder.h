/*
 * Tells people what happened, as events.k8s.io/v1 Events on the object concerned: `kubectl describe` shows them. Events never hold
 * anything up: they wait in a bounded queue, no more than three a second are sent while there is something to decide (what is news in a large
 * cluster's first minutes would else be written twice, once as a status), and what cannot be sent is dropped and counted. Repeats become a series. Numbers:
 * client-go tools/events (event_broadcaster.go), Kubernetes API reference "Event v1 events.k8s.io".
 */
#ifndef TOLLGATE_RECORDER_H
#define TOLLGATE_RECORDER_H

#include "log.h"
#include "port.h"
#include "reconcile.h"

struct recorder;

/* The object that an event is about. All borrowed, copied. */
struct regarding {
	const char *api_version, *kind; /* "billing.miloapis.com/v1alpha1", "BillingAccount" */
	const char *ns, *name;          /* ns NULL: cluster-scoped; its events go to "default" */
	const char *uid;                /* NULL = not known */
};

struct recorder_config {
	const struct port *port; /* writers' port: a follower's events are dropped */
	struct log *log;
	const char *instance;    /* reportingInstance: the pod's or host's name */
};

/* Everything in the config is borrowed. */
struct recorder *recorder_new(const struct recorder_config *);
/* What has not been sent is dropped. */
void recorder_free(struct recorder *);

/* Takes a copy; never fails and never sends from within. Reason, action and note are cut to the API's limits. */
void recorder_add(struct recorder *, const struct regarding *, const struct event *);
/* As elector_tick. Busy: there are statuses to be written, and events may not take much of the API server from them. */
int64_t recorder_tick(struct recorder *, bool busy);
/* Nothing waits and nothing is under way. */
bool recorder_is_idle(const struct recorder *);

struct recorder_stats {
	uint64_t sent, repeated /* series that were brought up to date */, dropped /* queue full, refused, or no answer */;
	size_t waiting, series; /* now */
};
struct recorder_stats recorder_stats(const struct recorder *);

#endif
