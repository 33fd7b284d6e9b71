/*
 * Owns: time, what is under way, and which of the possible things happens next (world.h).
 * Must not know: what objects mean, what people want, what is checked.
 * Invariant: within one request bytes arrive in order and on_done comes exactly once; everything else may happen in any order.
 */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	STEPS_MAX = 6000,
	BOOKMARK_MS = 60000,
	PATIENCE_MS = 40 * 60 * 1000, /* after the last misfortune everything has come to rest by then */
	HORIZON_MS = 45000,           /* what the runtime does later than that is routine: bookmarks, resync */
	ROUNDS_MAX = 2,               /* moments of the wall clock that are awaited after the end */
	ELECTIONS_PERCENT = 10,       /* of the runs have two controllers */
	RESTARTS_PERCENT = 10,        /* of the runs that came to rest */
};

instant_t world_wall(const struct world *w, const struct controller *c)
{
	return w->wall_base + w->mono + c->clock_offset;
}

void world_say(const struct world *w, const char *format, ...)
{
	va_list args;

	fprintf(w->trace, "%5u %9.3f  ", w->step, (double)w->mono / 1000);
	va_start(args, format);
	vfprintf(w->trace, format, args);
	va_end(args);
	fputc('\n', w->trace);
	fflush(w->trace);
}

void world_break(struct world *w, char property, const char *format, ...)
{
	va_list args;

	if (w->broken)
		return;
	w->broken = property;
	va_start(args, format);
	vsnprintf(w->words, sizeof(w->words), format, args);
	va_end(args);
	world_trace(w, "PROPERTY (%c) DOES NOT HOLD: %s", property, w->words);
}

static void pass(struct world *w, int64_t ms)
{
	w->mono += ms;
	w->server.now = w->wall_base + w->mono;
}

/* ---- what is under way ---- */

static struct controller *owner_of(struct world *w, const struct call *call)
{
	return &w->controllers[call->owner];
}

static void finish(struct world *w, struct call *call, int status, const char *broken)
{
	const struct error err = { .class = ERROR_RETRY, .message = "connection reset" };
	struct reply reply = call->reply;
	struct controller *c = owner_of(w, call);
	int retry_after_ms = call->retry_after_ms;

	call->state = CALL_FREE;
	c->stirred = true;
	if (broken)
		world_trace(w, "%s: %s %s", broken, call->request.method, call->request.path);
	reply.on_done(reply.context, status, retry_after_ms, broken ? &err : NULL);
}

/* Some bytes arrive. False: the controller wants no more of it. */
static bool give(struct world *w, struct call *call, const char *data, size_t len)
{
	owner_of(w, call)->stirred = true;
	call->heard_at = w->mono;
	if (!len || call->reply.on_data(call->reply.context, call->answer.status, data, len) == 0)
		return true;
	finish(w, call, call->answer.status, NULL);
	return false;
}

/* How much of what is left comes at once. */
static size_t portion(struct world *w, size_t left)
{
	if (w->calm || left < 2 || chance_percent(&w->schedule, 70))
		return left;
	return 1 + chance_below(&w->schedule, (unsigned)left - 1);
}

static void remember_own(struct controller *c, const struct api_answer *a)
{
	unsigned i = 0;

	while (i < c->n_own && (c->own[i].resource != a->resource || strcmp(c->own[i].name, a->name) != 0 || strcmp(c->own[i].ns, a->ns) != 0))
		i++;
	if (i == OWN_MAX)
		return;
	if (i == c->n_own)
		c->n_own++;
	c->own[i] = (struct own_write){ .resource = (uint8_t)a->resource, .ns = a->ns, .name = a->name, .revision = a->revision };
}

static void judge(struct world *w, struct call *call)
{
	apiserver_handle(&w->server, &call->request, &call->answer);
	if (!call->answer.writes || call->answer.resource == LEASES)
		return;
	w->stats->writes++;
	w->stats->refusals += call->answer.status >= 300;
	world_trace(w, "%s %s is judged: %d%s", call->request.method, call->request.path, call->answer.status,
		    call->answer.changed ? "" : ", nothing changed");
	property_write(w, owner_of(w, call), call);
	if (call->answer.changed && w->reached)
		w->reached(apiserver_hash(&w->server));
}

static bool is_paused(const struct world *w, const struct call *call)
{
	return w->controllers[call->owner].paused_until > w->mono;
}

static void arrive(struct world *w, struct call *call)
{
	if (is_paused(w, call)) { /* it is out already */
		judge(w, call);
		call->state = call->answer.stream ? CALL_STREAM : CALL_ANSWERED;
		call->ends_at = w->mono + BOOKMARK_MS;
		return;
	}
	if (call->body_until && w->mono > call->body_until) {
		finish(w, call, 0, "too late to go out");
		return;
	}
	if (w->outage_until > w->mono || fault_takes(w, FAULT_LOST_BEFORE)) {
		finish(w, call, 0, "lost on its way");
		return;
	}
	if (!fault_answers(w, call)) {
		judge(w, call);
		fault_hides(w, call);
	}
	if (call->request.method[0] != 'G' && fault_takes(w, FAULT_LOST_AFTER)) {
		finish(w, call, 0, "applied, and its answer lost");
		return;
	}
	call->state = CALL_ANSWERED;
	if (call->answer.stream) {
		call->state = CALL_STREAM;
		call->ends_at = w->mono + 300000 + chance_below(&w->schedule, 300000);
		if (call->timeout_ms)
			call->ends_at = call->sent_at + call->timeout_ms - 5000;
	} else if (call->answer.len && fault_takes(w, FAULT_CUT_ANSWER)) {
		call->cut_at = chance_below(&w->schedule, (unsigned)call->answer.len);
	}
}

static void answer_some(struct world *w, struct call *call)
{
	size_t end = call->cut_at < call->answer.len ? call->cut_at : call->answer.len;
	size_t n = portion(w, end - call->given);

	if (!give(w, call, call->answer.body + call->given, n))
		return;
	call->given += n;
	if (call->given < end)
		return;
	if (call->cut_at < call->answer.len) {
		finish(w, call, call->answer.status, "cut off in its answer");
		return;
	}
	if (w->trace)
		world_say(w, "%s %s answers %d%s%s", call->request.method, call->request.path, call->answer.status, call->answer.revision ? " at " : "",
			  call->answer.revision ? version_text(call->answer.revision, (char[VERSION_TEXT]){ 0 }) : "");
	if (call->answer.writes && call->answer.status < 300 && call->answer.revision)
		remember_own(owner_of(w, call), &call->answer);
	finish(w, call, call->answer.status, NULL);
}

/* ---- streams ---- */

static void line_of(struct world *w, struct call *call, const struct change *change)
{
	static const char *const types[] = { "ADDED", "MODIFIED", "DELETED" };
	char *text = arena_alloc(&w->server.arena, change->len + 48);
	int head = sprintf(text, "{\"type\":\"%s\",\"object\":", types[change->type]);

	memcpy(text + head, change->text, change->len);
	strcpy(text + (size_t)head + change->len, "}\n");
	call->last_line = call->line = text;
	call->line_len = (size_t)head + change->len + 2;
	call->answer.position = change->revision;
	w->stats->events++;
	world_trace(w, "%s %s %s/%s at %s is told", types[change->type], api_resources[change->resource].plural, change->ns, change->name,
		    version_text(change->revision, (char[VERSION_TEXT]){ 0 }));
}

static void bookmark(struct world *w, struct call *call)
{
	const struct api_resource *r = &api_resources[call->answer.resource];
	char version[VERSION_TEXT];

	call->answer.position = w->server.revision;
	call->line = arena_printf(&w->server.arena,
				  "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",\"metadata\":{\"resourceVersion\":\"%s\","
				  "\"creationTimestamp\":null}}}\n",
				  r->kind, r->group, r->group[0] ? "/" : "", r->version, version_text(w->server.revision, version));
	call->line_len = strlen(call->line);
}

static const struct change *pending(const struct world *w, const struct call *call)
{
	return apiserver_next(&w->server, call->answer.resource, call->answer.ns, call->answer.position);
}

static void line_is(struct call *call, const char *text, uint32_t position)
{
	call->answer.position = position;
	call->line = text;
	call->line_len = strlen(text);
}

/* What a stream brings next: false, nothing. Misfortune first. */
static bool next_line(struct world *w, struct call *call)
{
	const struct change *change = pending(w, call);

	if (fault_takes(w, FAULT_STREAM_EXPIRED))
		line_is(call, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":"
			      "\"too old resource version\",\"reason\":\"Expired\",\"code\":410}}\n", call->answer.position);
	else if (change && fault_takes(w, FAULT_STREAM_GARBAGE)) /* in the change's stead: to go on would be to miss it */
		line_is(call, "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\n", change->revision);
	else if (call->last_line && fault_takes(w, FAULT_STREAM_TWICE))
		line_is(call, call->last_line, call->answer.position);
	else if (change)
		line_of(w, call, change);
	else if (!w->calm && chance_percent(&w->schedule, 10))
		bookmark(w, call);
	return call->line != NULL;
}

static void stream_some(struct world *w, struct call *call)
{
	size_t n;

	if (fault_takes(w, FAULT_STREAM_CUT)) {
		finish(w, call, 200, "cut off");
		return;
	}
	if (!call->line && fault_takes(w, FAULT_STREAM_END)) {
		finish(w, call, 200, NULL);
		return;
	}
	if (!call->line && !next_line(w, call))
		return;
	n = portion(w, call->line_len - call->given);
	if (!give(w, call, call->line + call->given, n))
		return;
	call->given += n;
	if (call->given == call->line_len) {
		call->line = NULL;
		call->given = 0;
	}
}

static bool has_something(const struct world *w, const struct call *call)
{
	switch (call->state) {
	case CALL_FREE:
		return false;
	case CALL_SENT:
		return !is_paused(w, call) || !call->stuck;
	case CALL_ANSWERED:
		return !is_paused(w, call);
	case CALL_STREAM:
		return !call->dead && !is_paused(w, call) && call->held_until <= w->mono && (call->line || pending(w, call));
	}
	return false;
}

static void progress(struct world *w, struct call *call)
{
	switch (call->state) {
	case CALL_FREE:
		break;
	case CALL_SENT:
		arrive(w, call);
		break;
	case CALL_ANSWERED:
		answer_some(w, call);
		break;
	case CALL_STREAM:
		stream_some(w, call);
		break;
	}
}

/* ---- time ---- */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When time alone does something to it. */
static int64_t due_of(const struct call *call)
{
	int64_t due = INT64_MAX;

	if (call->state == CALL_FREE)
		return due;
	if (call->timeout_ms)
		due = call->sent_at + call->timeout_ms;
	if (call->idle_timeout_ms)
		due = least(due, call->heard_at + call->idle_timeout_ms);
	if (call->state == CALL_STREAM && !call->dead)
		due = least(due, least(call->ends_at, call->heard_at + BOOKMARK_MS));
	if (call->held_until > call->heard_at)
		due = least(due, call->held_until);
	return due;
}

static void come_due(struct world *w, struct call *call)
{
	if ((call->timeout_ms && w->mono >= call->sent_at + call->timeout_ms) ||
	    (call->idle_timeout_ms && w->mono >= call->heard_at + call->idle_timeout_ms)) {
		finish(w, call, call->state == CALL_SENT ? 0 : call->answer.status, "timed out");
		return;
	}
	if (call->held_until && call->held_until <= w->mono)
		call->held_until = 0;
	if (call->state != CALL_STREAM || call->dead)
		return;
	if (w->mono >= call->ends_at && !call->line && !pending(w, call)) {
		finish(w, call, 200, NULL);
	} else if (w->mono >= call->ends_at) {
		call->ends_at = w->mono + 1000; /* what is in the pipe goes out first */
	} else if (w->mono >= call->heard_at + BOOKMARK_MS && !call->line && !pending(w, call)) {
		bookmark(w, call);
		stream_some(w, call);
	}
}

static void periods_end(struct world *w)
{
	for (unsigned r = 0; r < RESOURCES; r++) {
		if (!w->missing_until[r] || w->missing_until[r] > w->mono)
			continue;
		w->missing_until[r] = 0;
		apiserver_restore_kind(&w->server, (enum resource_id)r);
	}
}

static int64_t turn_of(const struct world *w, const struct controller *c)
{
	return c->paused_until > w->mono ? c->paused_until : least(c->wakes_at, c->elects_at);
}

/* The next moment at which something happens by itself. */
static int64_t next_due(const struct world *w)
{
	int64_t due = INT64_MAX;

	for (unsigned i = 0; i < w->n_controllers; i++)
		if (w->controllers[i].up)
			due = least(due, turn_of(w, &w->controllers[i]));
	for (unsigned i = 0; i < w->n_calls; i++)
		if (!is_paused(w, &w->calls[i]))
			due = least(due, due_of(&w->calls[i]));
	for (unsigned r = 0; r < RESOURCES; r++)
		if (w->missing_until[r])
			due = least(due, w->missing_until[r]);
	return due;
}

static void advance(struct world *w, int64_t to)
{
	if (to > w->mono)
		pass(w, to - w->mono);
	periods_end(w);
	for (unsigned i = 0; i < w->n_calls; i++)
		if (due_of(&w->calls[i]) <= w->mono && !is_paused(w, &w->calls[i]))
			come_due(w, &w->calls[i]);
}

/* ---- the controllers' turns ---- */

static bool wants_a_turn(const struct world *w, const struct controller *c)
{
	return c->up && c->paused_until <= w->mono && (c->stirred || least(c->wakes_at, c->elects_at) <= w->mono);
}

/* ---- steps ---- */

/* A stream that has nothing to bring can still be cut off. */
static bool may_be_struck(const struct world *w, const struct call *call)
{
	return call->state == CALL_STREAM && !call->dead && !is_paused(w, call);
}

static struct call *pick_call(struct world *w)
{
	bool strikes = !w->calm && (w->armed[FAULT_STREAM_CUT] || w->armed[FAULT_STREAM_END] || w->armed[FAULT_STREAM_EXPIRED]);
	struct call *able[CALLS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_calls; i++)
		if (has_something(w, &w->calls[i]) || (strikes && may_be_struck(w, &w->calls[i])))
			able[n++] = &w->calls[i];
	return n ? able[chance_below(&w->schedule, n)] : NULL;
}

static struct controller *pick_controller(struct world *w)
{
	struct controller *able[CONTROLLERS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_controllers; i++)
		if (wants_a_turn(w, &w->controllers[i]))
			able[n++] = &w->controllers[i];
	return n ? able[chance_below(&w->schedule, n)] : NULL;
}

bool world_is_idle(const struct world *w)
{
	for (unsigned i = 0; i < w->n_calls; i++)
		if (has_something(w, &w->calls[i]))
			return false;
	for (unsigned i = 0; i < w->n_controllers; i++)
		if (!w->controllers[i].up || wants_a_turn(w, &w->controllers[i]))
			return false;
	return !w->server.unsettled;
}

/* One thing that is possible now. False: nothing is, but for time and intents. */
static bool step(struct world *w)
{
	struct call *call = pick_call(w);
	struct controller *c = pick_controller(w);
	unsigned choice;

	w->step++;
	w->stats->steps++;
	if (!call && !c && !w->server.unsettled)
		return false;
	if (!w->calm)
		pass(w, chance_below(&w->schedule, 4));
	choice = chance_below(&w->schedule, 8);
	if (w->server.unsettled && (choice == 0 || (!call && !c)))
		apiserver_collect(&w->server);
	else if (c && (choice < 3 || !call))
		controller_drain(c);
	else if (call)
		progress(w, call);
	return true;
}

static bool out_of_steps(struct world *w)
{
	if (w->step > STEPS_MAX || w->server.full)
		world_break(w, 'c', "it does not come to rest: %u steps, %u changes", w->step, w->server.n_changes);
	return w->broken;
}

/* Somebody does something just when one that was stopped wakes up, and another one leads by now. */
static void outlast_pauses(struct world *w, struct chance *c)
{
	for (unsigned i = 0; i < w->n_controllers; i++) {
		int64_t until = w->controllers[i].paused_until;

		if (until <= w->mono || chance_percent(c, 40))
			continue;
		while (w->mono < until && !out_of_steps(w))
			if (!step(w))
				advance(w, least(next_due(w), until));
	}
}

static void act(struct world *w, const struct intent *intent)
{
	struct chance details = { intent->seed };

	if (intent->dropped)
		return;
	if (intent->fault < FAULTS) {
		world_trace(w, "FAULT %u: %s", (unsigned)(intent - w->intents), fault_names[intent->fault]);
		fault_strike(w, (enum fault)intent->fault, &details);
		return;
	}
	outlast_pauses(w, &details);
	if (chance_percent(&details, 60)) /* people are slow */
		advance(w, w->mono + chance_below(&details, 2500));
	world_trace(w, "PERSON %u", (unsigned)(intent - w->intents));
	w->stats->actions++;
	users_act(w, &details);
}

static bool restart_those_that_are_down(struct world *w)
{
	for (unsigned i = 0; i < w->n_controllers; i++) {
		if (w->controllers[i].up)
			continue;
		world_trace(w, "a controller starts again");
		controller_start(&w->controllers[i]);
		return true;
	}
	return false;
}


/* While there are intents: they come at their step, or when there is nothing else to do. */
static void play(struct world *w)
{
	while (w->next_intent < w->n_intents && !out_of_steps(w)) {
		const struct intent *intent = &w->intents[w->next_intent];

		if (intent->at <= w->step) {
			w->next_intent++;
			act(w, intent);
		} else if (!step(w)) {
			if (restart_those_that_are_down(w))
				continue;
			if (chance_percent(&w->schedule, 50))
				w->step = intent->at > w->step ? intent->at : w->step;
			else
				advance(w, least(next_due(w), w->mono + 60000));
		} else if (chance_percent(&w->schedule, 2)) {
			advance(w, least(next_due(w), w->mono + 5000));
			restart_those_that_are_down(w);
		}
	}
}

static bool is_delayed(const struct world *w)
{
	bool leader = false;

	for (unsigned i = 0; i < w->n_controllers; i++) {
		const struct controller *c = &w->controllers[i];
		struct queue_stats queue;

		leader |= controller_leads(c);
		if (!c->up || c->paused_until > w->mono)
			return true;
		queue = queue_stats(c->manager.queue, w->mono);
		if (!controller_leads(c)) /* what it has queued waits until it leads */
			queue = (struct queue_stats){ 0 };
		if (!c->manager.synced || queue.delayed || queue.depth || queue.processing || c->wakes_at < w->mono + HORIZON_MS)
			return true;
	}
	for (unsigned i = 0; i < w->n_calls; i++)
		if (w->calls[i].state != CALL_FREE && (w->calls[i].dead || w->calls[i].state != CALL_STREAM))
			return true;
	return !leader;
}

/* Lets everything happen that is going to. */
static void come_to_rest(struct world *w)
{
	int64_t end = w->mono + PATIENCE_MS;

	while (!out_of_steps(w)) {
		if (step(w) || restart_those_that_are_down(w))
			continue;
		if (!is_delayed(w))
			return;
		if (w->mono > end) {
			world_break(w, 'e', "after %d minutes without misfortune something is still due", PATIENCE_MS / 60000);
			return;
		}
		advance(w, next_due(w));
	}
}

/* A moment of the wall clock comes: by waiting for it, or because the clock is set. */
static void let_it_be(struct world *w, instant_t moment)
{
	struct controller *c = &w->controllers[0];
	int64_t ms = moment - world_wall(w, c);

	if (ms > 0 && ms < HORIZON_MS && chance_percent(&w->schedule, 50)) {
		for (int64_t at = w->mono + ms; w->mono < at && !out_of_steps(w);)
			if (!step(w))
				advance(w, least(next_due(w), at));
	} else if (ms > 0) {
		for (unsigned i = 0; i < w->n_controllers; i++) {
			w->controllers[i].clock_offset += ms;
			w->controllers[i].stirred = true; /* timerfd tells */
		}
	}
}

/* Everything is decided anew from nothing, and all of it is as it should be already, unless a moment comes meanwhile: an election takes time. */
static void restart_at_rest(struct world *w, instant_t next)
{
	uint64_t writes = w->stats->writes;

	world_trace(w, "RESTART");
	for (unsigned i = 0; i < w->n_controllers; i++) {
		controller_crash(&w->controllers[i]);
		controller_start(&w->controllers[i]);
	}
	come_to_rest(w);
	if (w->stats->writes != writes && (!next || world_wall(w, &w->controllers[0]) < next))
		world_break(w, 'c', "a restart at rest wrote something");
}

static void check_at_rest(struct world *w)
{
	instant_t next = 0;

	for (unsigned round = 0; round <= ROUNDS_MAX && !w->broken; round++) {
		unsigned changes = w->server.n_changes;

		w->stats->checks++;
		if (w->reached)
			w->reached(apiserver_hash(&w->server));
		next = 0;
		for (unsigned i = 0; i < w->n_controllers; i++) {
			instant_t at = property_rest(w, &w->controllers[i]);

			next = at ? at : next;
		}
		if (w->server.n_changes != changes)
			world_break(w, 'c', "something was written while everything was at rest");
		if (!next || w->broken || round == ROUNDS_MAX)
			break;
		let_it_be(w, next);
		come_to_rest(w);
	}
	if (!w->broken && chance_percent(&w->schedule, RESTARTS_PERCENT))
		restart_at_rest(w, next);
}

bool world_run(struct world *w)
{
	struct chance details = chance_of(w->seed, 4);

	users_settle(w, &details);
	while (w->next_intent < w->n_intents && w->intents[w->next_intent].at == 0)
		act(w, &w->intents[w->next_intent++]);
	for (unsigned i = 0; i < w->n_controllers; i++)
		if (!w->controllers[i].up)
			controller_start(&w->controllers[i]);
	play(w);
	world_trace(w, "CALM");
	w->calm = true;
	faults_end(w);
	users_repair(w);
	if (!w->broken)
		come_to_rest(w);
	if (!w->broken)
		check_at_rest(w);
	for (unsigned i = 0; i < w->n_controllers; i++)
		if (w->controllers[i].up)
			controller_crash(&w->controllers[i]);
	w->stats->schedules++;
	w->stats->elections += w->n_controllers > 1;
	return !w->broken;
}

/* ---- plans ---- */

static int by_step(const void *a, const void *b)
{
	return (int)((const struct intent *)a)->at - (int)((const struct intent *)b)->at;
}

/* What may go wrong in this run: all there is, or two or three things again and again (swarm testing). */
static unsigned choose_faults(struct chance *c, uint8_t from[FAULTS])
{
	unsigned n = chance_percent(c, 30) ? FAULTS : 2 + chance_below(c, 2);

	for (unsigned i = 0; i < n; i++)
		from[i] = (uint8_t)(n == FAULTS ? i : chance_below(c, FAULTS));
	return n;
}

static void plan(struct world *w)
{
	struct chance c = chance_of(w->seed, 1);
	unsigned before = chance_below(&c, 7), after = 2 + chance_below(&c, 8), faults = chance_percent(&c, 15) ? 0 : chance_below(&c, 6);
	unsigned span = 60 + chance_below(&c, 160);
	uint8_t possible[FAULTS];
	unsigned n_possible = choose_faults(&c, possible);

	w->n_intents = before + after + faults;
	for (unsigned i = 0; i < w->n_intents; i++) {
		struct intent *intent = &w->intents[i];

		*intent = (struct intent){ .fault = FAULTS, .seed = chance_next(&c) };
		if (i >= before)
			intent->at = (uint16_t)(1 + chance_below(&c, span));
		if (i >= before + after)
			intent->fault = possible[chance_below(&c, n_possible)];
		if (i >= before + after && w->n_controllers > 1 && chance_percent(&c, 60)) /* what an election is for */
			intent->fault = chance_percent(&c, 60) ? FAULT_PAUSED : chance_percent(&c, 50) ? FAULT_BLACK_HOLE : FAULT_HELD_BACK;
	}
	w->habits = chance_percent(&c, 30) ? UINT64_MAX : chance_next(&c) | chance_next(&c);
	qsort(w->intents, w->n_intents, sizeof(w->intents[0]), by_step);
}

void world_plan(struct world *w, uint64_t seed, uint64_t order)
{
	struct chance c = chance_of(seed, 2);

	w->seed = seed;
	w->order = order;
	w->schedule = chance_of(seed ^ order << 40, 3);
	w->n_controllers = chance_percent(&c, ELECTIONS_PERCENT) ? 2 : 1;
	w->settings = (struct settings){ .sandbox = true, .project_label = PROJECT_LABEL_DEFAULT };
	/* Near the end of a month, so that cards expire. */
	w->wall_base = 1796083200000 /* 2026-12-01T00:00:00Z */ - 30000 - (int64_t)chance_below(&c, 100000);
	w->mono = 1000;
	w->server.now = w->wall_base + w->mono;
	for (unsigned i = 0; i < CONTROLLERS_MAX; i++) {
		struct controller *one = &w->controllers[i];

		one->world = w;
		one->jitter = chance_of(seed ^ order << 40, 5 + i);
	}
	plan(w);
}

void world_init(struct world *w, struct sim_stats *stats)
{
	/* All but the server, whose log is large and begins by being empty. */
	memset(w, 0, offsetof(struct world, server));
	memset((char *)w + offsetof(struct world, controllers), 0, sizeof(*w) - offsetof(struct world, controllers));
	w->stats = stats;
	apiserver_init(&w->server);
}

void world_close(struct world *w)
{
	apiserver_close(&w->server);
}
