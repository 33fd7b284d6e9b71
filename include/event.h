/*
 * An Event (events.k8s.io/v1) as JSON text: what happened to an object, who says so, and how often by now.
 */
#ifndef TOLLGATE_EVENT_H
#define TOLLGATE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "instant.h"

/* All texts are UTF-8 and within the API's limits (k8s.io/kubernetes pkg/apis/core/validation/events.go). */
enum { EVENT_REASON_MAX = 128, EVENT_ACTION_MAX = 128, EVENT_INSTANCE_MAX = 128, EVENT_NOTE_MAX = 1024 }; /* bytes */

/* events.k8s.io/v1 EventSeries: count 1 is no series yet. */
struct event_series {
	uint32_t count;
	instant_t last;
};

struct event_record {
	const char *ns, *name; /* the Event's own */
	struct {
		const char *api_version, *kind, *ns /* NULL: cluster-scoped */, *name, *uid /* NULL: not known */;
	} regarding;
	const char *controller, *instance; /* who reports it */
	instant_t time;                    /* when it happened first */
	bool warning;
	const char *reason, *action, *note;
	struct event_series series;
};

/* The body that creates it. malloc'ed. */
char *event_body(const struct event_record *);
/* The merge patch that brings its series up to date; from the second time on. malloc'ed. */
char *event_patch(const struct event_series *);

#endif
