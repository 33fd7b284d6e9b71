/*
 * Owns: misfortune. A fault either changes the world at once, for a while, or waits for the next request or stream that it can strike.
 * Must not know: what is checked. Invariant: after faults_end nothing bad is left, and everybody is told what they would be told.
 */
#include <string.h>

#include "world.h"

#define X(id, name) [FAULT_##id] = name,
const char *const fault_names[FAULTS] = { FAULTS_LIST(X) };
#undef X

enum { OUTAGE_MS = 8000, PAUSE_MS = 15000, REFUSED_MS = 20000, MISSING_MS = 6000, HELD_MS = 30000, JUMP_MS = 200000 };

static int64_t soon(const struct world *w, struct chance *c, unsigned ms)
{
	return w->mono + 1 + chance_below(c, ms);
}

/* The n-th stream from a random one on, or NULL when there is none. */
static struct call *any_stream(struct world *w, struct chance *c)
{
	unsigned from = chance_below(c, w->n_calls + 1);

	for (unsigned i = 0; i < w->n_calls; i++) {
		struct call *call = &w->calls[(from + i) % w->n_calls];

		if (call->state == CALL_STREAM && !call->dead)
			return call;
	}
	return NULL;
}

static bool remove_kind(struct world *w, struct chance *c)
{
	enum resource_id r = CLASSES + chance_below(c, DECIDED - CLASSES);

	if (w->server.missing[r])
		return false;
	apiserver_remove_kind(&w->server, r);
	w->missing_until[r] = soon(w, c, MISSING_MS);
	for (unsigned i = 0; i < w->n_calls; i++)
		if (w->calls[i].state == CALL_STREAM && w->calls[i].answer.resource == r && chance_percent(c, 70))
			w->calls[i].ends_at = w->mono;
	world_trace(w, "the definition of %s is removed", api_resources[r].plural);
	return true;
}

static bool make_unreadable(struct world *w, struct chance *c)
{
	struct stored *o = w->server.n_objects ? w->server.objects[chance_below(c, w->server.n_objects)] : NULL;

	if (!o || o->resource == NAMESPACES || o->resource == CLASSES || o->resource == LEASES)
		return false;
	/* The schema keeps bindings readable; one that is not takes no part in its contest (decision 9), and two may seem Active. */
	if (o->resource == BINDINGS)
		return false;
	apiserver_merge(&w->server, o, true, json_pack("{s:{s:i}}", "status", "observedGeneration", 0));
	apiserver_merge(&w->server, o, true, json_pack("{s:{s:s}}", "status", "observedGeneration", "unreadable"));
	world_trace(w, "%s %s/%s becomes unreadable", api_resources[o->resource].plural, o->ns, o->name);
	return true;
}

static void fall_behind(struct world *w, struct chance *c)
{
	for (unsigned r = 0; r < RESOURCES; r++)
		w->server.stale_by[r] = chance_percent(c, 50) ? 0 : chance_below(c, 16);
}

static bool crash(struct world *w, struct chance *c)
{
	struct controller *one = &w->controllers[chance_below(c, w->n_controllers)];

	if (!one->up)
		return false;
	world_trace(w, "controller %s crashes", one->identity);
	controller_crash(one);
	if (chance_percent(c, 40)) /* and comes back to an API server that is behind the one it knew */
		fall_behind(w, c);
	return true;
}

/* SIGSTOP, a virtual machine that is moved, a machine that swaps. */
static bool pause_one(struct world *w, struct chance *c)
{
	struct controller *one = &w->controllers[chance_below(c, w->n_controllers)];

	for (unsigned i = 0; i < w->n_controllers; i++) /* rather the one that leads */
		if (controller_leads(&w->controllers[i]) && chance_percent(c, 70))
			one = &w->controllers[i];
	if (!one->up)
		return false;
	for (unsigned i = 0; i < w->n_calls; i++)
		if (&w->controllers[w->calls[i].owner] == one)
			w->calls[i].stuck |= chance_percent(c, 70);
	one->paused_until = soon(w, c, PAUSE_MS) + (controller_leads(one) ? PAUSE_MS : 0); /* until it leads no more */
	world_trace(w, "controller %s is stopped for %lld ms", one->identity, (long long)(one->paused_until - w->mono));
	return true;
}

static void move_clock(struct world *w, int64_t ms)
{
	for (unsigned i = 0; i < w->n_controllers; i++) {
		w->controllers[i].clock_offset += ms;
		w->controllers[i].stirred = true;
	}
	world_trace(w, "the controller's clock is set by %lld ms", (long long)ms);
}

/* Strikes now; false: there is nothing to strike. */
static bool strike_now(struct world *w, enum fault fault, struct chance *c)
{
	struct call *stream;
	enum resource_id r = (enum resource_id)chance_below(c, RESOURCES);

	switch ((int)fault) {
	case FAULT_BLACK_HOLE:
	case FAULT_HELD_BACK:
		stream = any_stream(w, c);
		if (!stream)
			return false;
		if (fault == FAULT_BLACK_HOLE)
			stream->dead = true;
		else
			stream->held_until = soon(w, c, HELD_MS);
		world_trace(w, "the watch on %s %s", api_resources[stream->answer.resource].plural, fault == FAULT_BLACK_HOLE ? "is dead" : "is slow");
		return true;
	case FAULT_COMPACTED:
		apiserver_compact(&w->server, r);
		return true;
	case FAULT_STALE_LIST:
		fall_behind(w, c);
		return true;
	case FAULT_SMALL_PAGES:
		w->server.page_max = 1 + chance_below(c, 2);
		return true;
	case FAULT_OUTAGE:
		w->outage_until = soon(w, c, OUTAGE_MS);
		return true;
	case FAULT_REFUSED:
		w->refused_until[r] = soon(w, c, REFUSED_MS);
		if (w->anything_refused_until < w->refused_until[r])
			w->anything_refused_until = w->refused_until[r];
		world_trace(w, "the right to %s is revoked", api_resources[r].plural);
		return true;
	case FAULT_NO_KIND:
		return remove_kind(w, c);
	case FAULT_UNREADABLE:
		return make_unreadable(w, c);
	case FAULT_CRASH:
		return crash(w, c);
	case FAULT_PAUSED:
		return pause_one(w, c);
	case FAULT_CLOCK_FORWARD:
		move_clock(w, chance_below(c, JUMP_MS));
		return true;
	case FAULT_CLOCK_BACK:
		/* By less than a second, which passes by itself, what was decided may be early for so long. */
		move_clock(w, -1000 - (int64_t)chance_below(c, JUMP_MS));
		return true;
	}
	return false;
}

static bool waits_for_a_victim(enum fault fault)
{
	return fault <= FAULT_STREAM_TWICE;
}

void fault_strike(struct world *w, enum fault fault, struct chance *c)
{
	if (waits_for_a_victim(fault))
		w->armed[fault] += 1 + chance_below(c, 3);
	else if (strike_now(w, fault, c))
		w->stats->faults[fault]++;
}

bool fault_takes(struct world *w, enum fault fault)
{
	if (!w->armed[fault] || w->calm || !chance_percent(&w->schedule, 40))
		return false;
	w->armed[fault]--;
	w->stats->faults[fault]++;
	return true;
}

static void answer(struct world *w, struct call *call, int code, const char *reason, const char *message, const char *details)
{
	call->answer = (struct api_answer){ .status = code, .ns = "", .name = "" };
	call->answer.body = apiserver_status(&w->server, code, reason, message, details);
	call->answer.len = strlen(call->answer.body);
}

/* Somebody else writes to the object just before the request does. */
static void write_in_between(struct world *w, const struct call *call)
{
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		struct stored *o = w->server.objects[i];

		if (!strstr(call->request.path, o->name) || (o->ns[0] && !strstr(call->request.path, o->ns)))
			continue;
		apiserver_merge(&w->server, o, false,
				json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "example.com/touched",
					  arena_printf(&w->server.arena, "%u", w->step)));
		return;
	}
}

static enum resource_id resource_of(const struct call *call)
{
	enum resource_id found = RESOURCES;

	for (unsigned r = 0; r < RESOURCES; r++) {
		const char *at = strstr(call->request.path, api_resources[r].plural);

		if (at && (r != NAMESPACES || found == RESOURCES))
			found = (enum resource_id)r;
	}
	return found;
}

bool fault_answers(struct world *w, struct call *call)
{
	bool writes = call->request.method[0] != 'G';

	if (w->anything_refused_until > w->mono && w->refused_until[resource_of(call)] > w->mono) {
		answer(w, call, 403, "Forbidden", "is forbidden: User \\\"tollgate\\\" cannot do that", NULL);
		return true;
	}
	if (fault_takes(w, FAULT_TOO_MANY)) {
		answer(w, call, 429, "TooManyRequests", "The apiserver is limiting requests", NULL);
	} else if (fault_takes(w, FAULT_TOO_MANY_LATER)) {
		answer(w, call, 429, "TooManyRequests", "too many requests, please try again later", "\"retryAfterSeconds\":1");
		call->retry_after_ms = 1000;
	} else if (fault_takes(w, FAULT_SERVER_ERROR)) {
		static const int codes[] = { 500, 503, 504 };

		answer(w, call, codes[chance_below(&w->schedule, 3)], "InternalError", "etcdserver: leader changed", NULL);
	} else if (fault_takes(w, FAULT_UNAUTHORIZED)) {
		answer(w, call, 401, "Unauthorized", "Unauthorized", NULL);
	} else if (!writes && strstr(call->request.path, "resourceVersion=") && fault_takes(w, FAULT_TOO_LARGE)) {
		answer(w, call, 504, "Timeout", "Too large resource version: 99, current: 12",
		       "\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}],\"retryAfterSeconds\":1");
	} else {
		if (writes && fault_takes(w, FAULT_CONFLICT))
			write_in_between(w, call);
		return false;
	}
	return true;
}

void fault_hides(struct world *w, struct call *call)
{
	if (call->request.method[0] == 'G' || call->answer.status >= 300 || !fault_takes(w, FAULT_ERROR_AFTER))
		return;
	answer(w, call, 504, "Timeout", "request did not complete within the allotted timeout", NULL);
	world_trace(w, "%s %s was applied, and is answered 504", call->request.method, call->request.path);
}

void faults_end(struct world *w)
{
	memset(w->armed, 0, sizeof(w->armed));
	w->outage_until = 0;
	memset(w->server.stale_by, 0, sizeof(w->server.stale_by));
	w->server.page_max = OBJECTS_MAX;
	for (unsigned r = 0; r < RESOURCES; r++) {
		w->refused_until[r] = 0;
		if (w->server.missing[r])
			apiserver_restore_kind(&w->server, (enum resource_id)r);
		w->missing_until[r] = 0;
	}
	for (unsigned i = 0; i < w->n_calls; i++)
		w->calls[i].held_until = 0;
	for (unsigned i = 0; i < w->n_controllers; i++)
		if (!w->controllers[i].up)
			controller_start(&w->controllers[i]);
	/* Who is stopped is continued when his time has come: what happens then is what matters. */
}
