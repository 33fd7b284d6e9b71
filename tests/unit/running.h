/*
 * A Tollgate at rest for the tests of what looks at it: all parts but sockets, over a port on which nothing is answered, with clocks that
 * are the test's. Its log goes to a pipe.
 */
#ifndef TOLLGATE_TEST_RUNNING_H
#define TOLLGATE_TEST_RUNNING_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "health.h"

struct call {
	int unused;
};

struct running {
	struct port port;
	struct log log;
	int log_reader;
	struct settings settings;
	struct manager manager;
	struct loop *loop;
	struct parts parts;
	int64_t mono;
	instant_t wall;
	struct server_reply reply; /* the last one */
};

static inline struct call *running_send(void *self, const struct request *request, const struct reply *reply)
{
	(void)self, (void)request, (void)reply;
	return calloc(1, sizeof(struct call));
}

static inline void running_cancel(void *self, struct call *call)
{
	(void)self;
	free(call);
}

static inline int64_t running_mono(void *self)
{
	return ((struct running *)self)->mono;
}

static inline instant_t running_wall(void *self)
{
	return ((struct running *)self)->wall;
}

static inline uint64_t running_random(void *self)
{
	(void)self;
	return 88172645463325252u;
}

static inline int running_set_up(void **state)
{
	struct running *r = calloc(1, sizeof(*r));
	int ends[2];

	if (pipe2(ends, O_NONBLOCK) < 0)
		return -1;
	r->log_reader = ends[0];
	r->log = (struct log){ .fd = ends[1], .level = LOG_INFO, .format = LOG_TEXT };
	r->port = (struct port){ .self = r, .send = running_send, .cancel = running_cancel, .monotonic_ms = running_mono,
				 .now = running_wall, .random = running_random };
	r->settings.project_label = PROJECT_LABEL_DEFAULT;
	r->mono = 1000000;
	r->wall = 1795341980000; /* 2026-11-22T10:06:20Z */
	manager_init(&r->manager, &(struct manager_config){ .port = &r->port, .settings = &r->settings, .log = &r->log,
							    .source = "https://test", .max_concurrent_writes = 8,
							    .cache_sync_timeout_ms = 120000, .watch_idle_timeout_ms = 150000 });
	r->loop = loop_new();
	r->parts = (struct parts){ .log = &r->log, .version = "1.2.3", .identity = "host_uuid", .loop = r->loop,
				   .manager = &r->manager, .stale_ms = 300000 };
	*state = r;
	return 0;
}

static inline int running_tear_down(void **state)
{
	struct running *r = *state;

	free(r->reply.body);
	manager_close(&r->manager);
	loop_free(r->loop);
	close(r->log.fd);
	close(r->log_reader);
	free(r);
	return 0;
}

/* The status of the answer, whose body is in r->reply; one that is not answered at once is no answer here. */
static inline int ask(struct running *r, struct server_request request)
{
	free(r->reply.body);
	r->reply = (struct server_reply){ 0 };
	if (!request.method)
		request.method = "GET";
	if (!request.query)
		request.query = "";
	if (!request.host)
		request.host = "localhost:8081";
	if (!request.origin)
		request.origin = "";
	request.content_type = request.authorization = "";
	return health_handle(&r->parts, &request, NULL, &r->reply) ? r->reply.status : 0;
}

#endif
