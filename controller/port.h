/*
 * All that the runtime asks of the world: send a request to the API server, and what time it is. http.c and loop.c are the real
 * one; a simulator is another. Nothing here knows Kubernetes, and nothing behind it knows kinds.
 */
#ifndef TOLLGATE_PORT_H
#define TOLLGATE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "instant.h"

struct call; /* one request under way */

struct request {
	const char *method;       /* "GET", "POST", "PATCH", "DELETE" */
	const char *path;         /* with query, escaped, begins with '/' */
	const char *content_type; /* NULL without a body */
	const char *body;         /* copied by send */
	size_t body_len;
	int timeout_ms;           /* for the whole answer; 0 = none (a watch) */
	int64_t body_until_ms;    /* past that moment of the monotonic clock no byte of the body is given out any more: the call ends without
				   * an answer; 0 = any time. A process that was stopped in between must not write when it wakes up */
	int idle_timeout_ms;      /* no byte for this long means the connection is dead; 0 = none */
};

struct reply {
	void *context;
	/* A part of the body, of any length, cut anywhere; of a call with an idle timeout also once of length 0, when its status and headers
	 * have come, as a stream may have nothing to say for long. -1 aborts the call: then on_done follows with the caller's own error
	 * class unset (transport NULL, aborted). Must not send or cancel from here. */
	int (*on_data)(void *context, int status, const char *data, size_t len);
	/* Exactly once, unless cancelled; never from within send. status 0: no answer came. transport: NULL when the answer is
	 * complete (whatever its status), else why it is not. May send and cancel. The call is gone after it returns. */
	void (*on_done)(void *context, int status, int retry_after_ms, const struct error *transport);
};

struct port {
	void *self;
	/* Never NULL; copies all of both arguments. */
	struct call *(*send)(void *self, const struct request *, const struct reply *);
	/* No callback will come any more. Not from within on_data. */
	void (*cancel)(void *self, struct call *);
	int64_t (*monotonic_ms)(void *self); /* does not jump; goes on while the machine is suspended (CLOCK_BOOTTIME) */
	instant_t (*now)(void *self);        /* wall clock, UTC */
	uint64_t (*random)(void *self);      /* for jitter only */
};

#endif
