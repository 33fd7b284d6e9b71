/*
 * Owns: a controller in the simulated world: the real runtime on a port whose other end is world.c.
 * Must not know: what its requests are about, what will become of them.
 * Invariant: all it learns of time, chance and the cluster comes from the world, so that a run can be repeated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { WRITES_MAX = 4 };

static char *keep(struct world *w, const char *text, size_t len)
{
	return text ? arena_strndup(&w->server.arena, text, len) : NULL;
}

static bool is_about_one_object(const struct call *call)
{
	return call->state != CALL_FREE && (call->request.method[0] != 'G' || !strchr(call->request.path, '?')) && !strstr(call->request.path, "/leases");
}

/* Before one more. Lists and watches are the informers', and the Lease is the elector's. */
static void busy_within_reason(struct world *w, const struct controller *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_calls; i++)
		n += is_about_one_object(&w->calls[i]) && &w->controllers[w->calls[i].owner] == c;
	if (n > WRITES_MAX)
		world_break(w, 'd', "%s has %u requests under way at once, and may have %d", c->identity, n, WRITES_MAX);
}

static struct call *port_send(void *self, const struct request *request, const struct reply *reply)
{
	struct controller *c = self;
	struct world *w = c->world;
	struct call *call = w->calls;

	while (call->state != CALL_FREE)
		if (++call == w->calls + CALLS_MAX)
			abort(); /* more than eight informers and the writer's limit together */
	if (w->n_calls <= (unsigned)(call - w->calls))
		w->n_calls = (unsigned)(call - w->calls) + 1;
	*call = (struct call){
		.state = CALL_SENT, .owner = (uint8_t)(c - w->controllers), .reply = *reply, .cut_at = SIZE_MAX,
		.sent_at = w->mono, .heard_at = w->mono, .timeout_ms = request->timeout_ms, .idle_timeout_ms = request->idle_timeout_ms,
		.body_until = request->body_until_ms,
		.request = { .method = request->method[0] == 'G' ? "GET" : keep(w, request->method, strlen(request->method)),
			     .path = keep(w, request->path, strlen(request->path)),
			     .content_type = keep(w, request->content_type, request->content_type ? strlen(request->content_type) : 0),
			     .body = keep(w, request->body, request->body_len), .body_len = request->body_len },
	};
	busy_within_reason(w, c);
	w->stats->requests++;
	world_trace(w, "  sends %s %s%s%s", request->method, request->path, request->body ? " " : "", request->body ? request->body : "");
	return call;
}

/* What has been sent may have gone out. */
static void abandon(struct world *w, struct call *call)
{
	if (call->state == CALL_SENT && call->request.method[0] != 'G' && (!call->body_until || w->mono <= call->body_until) && chance_percent(&w->schedule, 50)) {
		apiserver_handle(&w->server, &call->request, &call->answer);
		world_trace(w, "abandoned %s %s is applied all the same: %d", call->request.method, call->request.path, call->answer.status);
	}
	call->state = CALL_FREE;
}

static void port_cancel(void *self, struct call *call)
{
	abandon(((struct controller *)self)->world, call);
}

static int64_t port_mono(void *self)
{
	return ((struct controller *)self)->world->mono;
}

static instant_t port_wall(void *self)
{
	const struct controller *c = self;

	return world_wall(c->world, c);
}

static uint64_t port_random(void *self)
{
	return chance_next(&((struct controller *)self)->jitter);
}

static bool leads(void *context)
{
	return controller_leads(context);
}

bool controller_leads(const struct controller *c)
{
	return c->up && (!c->elector || elector_leads(c->elector));
}

/* Each life of a process has an identity of its own. */
static void take_part(struct controller *c)
{
	struct error err;

	snprintf(c->identity, sizeof(c->identity), "%c%u", (char)('a' + (c - c->world->controllers)), ++c->lives);
	c->elector = elector_new(&(struct elector_config){ .port = &c->port, .log = &c->log, .ns = LEASE_NAMESPACE, .name = LEASE_NAME,
							   .identity = c->identity, .lease_ms = 15000, .renew_ms = 10000, .retry_ms = 2000 }, &err);
	if (!c->elector)
		abort();
	c->writers = elector_port(c->elector);
}

void controller_start(struct controller *c)
{
	struct world *w = c->world;

	c->port = (struct port){ .self = c, .send = port_send, .cancel = port_cancel, .monotonic_ms = port_mono, .now = port_wall,
				 .random = port_random };
	c->log = (struct log){ .fd = w->trace ? fileno(w->trace) : -1, .level = w->trace ? LOG_INFO : LOG_ERROR, .format = LOG_TEXT };
	if (!w->trace)
		c->log.level = (enum log_level)(LOG_ERROR - 1); /* what cannot be seen need not be worded */
	c->writers = c->port;
	if (w->n_controllers > 1)
		take_part(c);
	manager_init(&c->manager, &(struct manager_config){ .port = &c->writers, .settings = &w->settings, .log = &c->log, .source = "simulated",
							     .leads = leads, .leads_context = c, .max_concurrent_writes = WRITES_MAX,
							     .sweep_ahead = 1 + (unsigned)(w->seed % 5),
							     .watch_idle_timeout_ms = 130000, .cache_sync_timeout_ms = 24 * 3600 * 1000 });
	c->up = c->stirred = true;
	c->wakes_at = c->elects_at = w->mono;
	c->paused_until = 0;
	c->n_own = 0;
	manager_start(&c->manager);
}

static void count_known(const struct controller *c)
{
	struct sim_stats *stats = c->world->stats;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		stats->taken += c->manager.informers[kind].stats.events;
		stats->taken_known += c->manager.informers[kind].stats.known;
	}
	stats->answers_known += writer_stats(c->manager.writer)->known;
}

void controller_crash(struct controller *c)
{
	c->up = false;
	count_known(c);
	manager_close(&c->manager);
	elector_free(c->elector);
	c->elector = NULL;
}

static int64_t later(const struct world *w, int64_t wait)
{
	return wait < 0 ? INT64_MAX : w->mono + wait;
}

void controller_drain(struct controller *c)
{
	struct world *w = c->world;
	int64_t wait;
	instant_t wall;

	c->stirred = false;
	wait = manager_drain(&c->manager);
	wall = wait ? manager_wakes_at(&c->manager) : 0;
	c->wakes_at = later(w, wait);
	if (wall) {
		int64_t at = wall > world_wall(w, c) ? w->mono + wall - world_wall(w, c) : w->mono;

		c->wakes_at = at < c->wakes_at ? at : c->wakes_at;
	}
	c->elects_at = c->elector ? later(w, elector_tick(c->elector)) : INT64_MAX;
	if (c->manager.failed)
		world_break(w, 'e', "the controller gave up");
	if (c->elector && elector_lost(c->elector)) {
		world_trace(w, "%s has lost the lease, and ends", c->identity);
		controller_crash(c);
	}
}
