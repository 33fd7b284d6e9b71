/*
 * Owns: the way of a key from the queue through its decision to the writer and back.
 * Must not know: kinds by name, sockets, what decisions mean.
 * Invariant: every key taken is given back with queue_done exactly once, and never before its request has ended.
 */
#include "dispatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"

enum {
	OUTAGE_FIRST_MS = 100,
	OUTAGE_LAST_MS = 5000,
	CLOCK_LOOK_EVERY = 16, /* decisions between two looks at the clock */
	WAKE_LEAST_MS = 1000,  /* a decision that asks to be woken at once would be taken for ever */
};

const char *const dispatch_result_names[DISPATCH_RESULTS] = { "success", "error", "requeue", "requeue_after" };
const char *const written_result_names[WRITTEN_RESULTS] = { "ok", "conflict", "error" };

static int64_t mono(const struct dispatch *d)
{
	return d->port->monotonic_ms(d->port->self);
}

/* Puts provider requests to the provider. True: an answer is in the cache, so the decision is worth taking anew. */
static bool ask_providers(struct dispatch *d, struct key key, const struct outcome *outcome)
{
	bool answered = false;

	for (size_t i = 0; i < outcome->n_effects; i++) {
		struct provider_result result = { .token = "" };

		if (outcome->effects[i].type != EFFECT_PROVIDER)
			continue;
		d->stats.provider_calls++;
		if (!d->ask(&outcome->effects[i].request, &result))
			continue;
		cache_provider_answered(d->cache, key, &result);
		answered = true;
	}
	return answered;
}

/* ---- what people are told ---- */

enum { TURN_TEXT_SIZE = 32, API_VERSION_SIZE = 128 };

/* As controller-runtime's reconcileID: the same for all that one decision leads to. */
static const char *turn_text(const struct dispatch *d, uint64_t number, char text[TURN_TEXT_SIZE])
{
	snprintf(text, TURN_TEXT_SIZE, "%08" PRIx32 "-%" PRIu64, d->process, number);
	return text;
}

/* The fields that say which decision a line is about. */
#define DECISION(d, key, number) \
	"controller", kinds[(key).kind].controller, "namespace", (key).ns ? (key).ns->text : NULL, "name", (key).name->text, "reconcileID", \
		turn_text((d), (number), (char[TURN_TEXT_SIZE]){ 0 })

static void tell(struct dispatch *d, const struct ending *ending)
{
	const struct resource *r = kinds[ending->key.kind].resource;
	char api_version[API_VERSION_SIZE];

	if (ending->n_events)
		snprintf(api_version, sizeof(api_version), "%s%s%s", r->group, *r->group ? "/" : "", r->version);
	for (size_t i = 0; i < ending->n_events; i++) {
		const struct event *event = &ending->events[i];
		const struct regarding about = { .api_version = api_version, .kind = r->kind, .ns = ending->key.ns ? ending->key.ns->text : NULL,
						 .name = ending->key.name->text, .uid = ending->uid };

		log_info(d->log, event->note, DECISION(d, ending->key, ending->turn.number), "reason", event->reason);
		if (d->recorder)
			recorder_add(d->recorder, &about, event);
	}
}

/* The same key, request and answer; what the server says about it may name a version. */
static uint64_t failure_hash(const struct ending *ending, const struct error *err)
{
	uint64_t hash = hash_text(HASH_EMPTY, kinds[ending->key.kind].resource->kind);

	hash = hash_text(hash_text(hash, atom_text(ending->key.ns)), ending->key.name->text);
	hash = hash_text(hash, write_type_names[ending->type]);
	return hash_bytes(hash_bytes(hash, &err->code, sizeof(err->code)), &err->class, sizeof(err->class));
}

static void complain(struct dispatch *d, const struct ending *ending, const struct error *err, int64_t now)
{
	bool unreadable = ending->type == WRITE_READ && err->class == ERROR_INVALID && !err->code; /* its informer has named it */

	if (!unreadable && complaints_may(&d->complaints, failure_hash(ending, err), now))
		log_warn(d->log, "request failed, will be tried again", DECISION(d, ending->key, ending->turn.number), "request",
			 write_type_names[ending->type], "error", err->message);
	else
		log_debug(d->log, "request failed, will be tried again", DECISION(d, ending->key, ending->turn.number), "request",
			  write_type_names[ending->type], "error", err->message);
}

static void say_what_was_left_out(struct dispatch *d, int64_t now)
{
	uint64_t n = complaints_left_out(&d->complaints, now);
	char text[24];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, n);
	log_warn(d->log, "more requests failed than were named", "left_out", text);
}

/* ---- who is woken ---- */

/* Or NULL. It, and what is looked at with it, lasts until the next such look, or until something is decided. */
static const void *look_at(struct dispatch *d, struct key key)
{
	cache_end_looks(d->cache);
	return view_get(cache_view(d->cache), key.kind, key.ns, key.name);
}

static void wake_now(void *context, struct key key)
{
	struct dispatch *d = context;

	queue_add(d->queue, key, PRIORITY_HIGH, mono(d));
}

/* Who has failed waits for its own back-off and for nobody else: two that fail would wake each other for ever, as fast as the server refuses. */
static void wake_unless_failed(void *context, struct key key)
{
	struct dispatch *d = context;

	if (!queue_has_failed(d->queue, key))
		wake_now(d, key);
}

/* ---- a turn ---- */

static struct outcome decide(struct dispatch *d, struct key key)
{
	const struct reconciler *r = kinds[key.kind].reconciler;
	instant_t now = d->port->now(d->port->self);
	struct outcome outcome;

	arena_reset(&d->arena);
	cache_end_looks(d->cache);
	d->stats.reconciles[key.kind]++;
	outcome = r->run(cache_view(d->cache), key, now, &d->arena);
	if (ask_providers(d, key, &outcome))
		outcome = r->run(cache_view(d->cache), key, now, &d->arena);
	if (outcome.wake_at && outcome.wake_at <= now)
		outcome.wake_at = now + WAKE_LEAST_MS;
	return outcome;
}

/* Time is a change like any other: whoever depends on an object whose moment has come is woken with it, and needs no moment of its own. So
 * one card that expires is one moment, and not one for each project that it pays for. */
static void tell_the_time(struct dispatch *d, struct key key)
{
	const struct view *view = cache_view(d->cache);
	const void *object = look_at(d, key);

	if (object)
		kinds_wake_dependents(view, (enum kind_id)key.kind, NULL, object, &(struct key_sink){ .context = d, .add = wake_now });
}

static void handle(struct dispatch *d, struct key key, int64_t now)
{
	struct turn turn = { .number = ++d->turns };
	struct outcome outcome;

	if (queue_moment_came(d->queue, key))
		tell_the_time(d, key);
	if (cache_is_doubtful(d->cache, key)) {
		bucket_take(&d->bucket, now);
		writer_read(d->writer, key, turn);
		return;
	}
	if (!kinds[key.kind].reconciler->run) {
		queue_forget(d->queue, key);
		queue_done(d->queue, key);
		return;
	}
	outcome = decide(d, key);
	queue_forget_at(d->queue, key); /* the newest decision alone knows the moment */
	queue_add_at(d->queue, key, outcome.wake_at);
	turn.timed = outcome.wake_at != 0;
	if (writer_carry_out(d->writer, key, turn, &outcome)) {
		bucket_take(&d->bucket, now);
		return;
	}
	d->stats.results[key.kind][turn.timed ? DISPATCH_REQUEUE_AFTER : DISPATCH_SUCCESS]++;
	queue_forget(d->queue, key);
	queue_done(d->queue, key);
}

bool dispatch_run(struct dispatch *d, int64_t budget_ms)
{
	int64_t now = mono(d), end = now + budget_ms;
	struct key key;

	if (!d->open || now < d->closed_until)
		return false;
	for (unsigned n = 1; writer_has_room(d->writer); n++) {
		if (n % CLOCK_LOOK_EVERY == 0 && (now = mono(d)) >= end)
			return true;
		if (bucket_wait(&d->bucket, now) > 0 || !queue_take(d->queue, now, d->port->now(d->port->self), &key))
			return false;
		handle(d, key, now);
	}
	return false; /* full: an answer will wake us */
}

struct dispatch_wait dispatch_wait(const struct dispatch *d)
{
	int64_t now = mono(d), due = queue_next_mono(d->queue);
	int64_t wait = queue_stats(d->queue, now).depth ? 0 : INT64_MAX;
	instant_t wall = queue_next_wall(d->queue), wall_now = d->port->now(d->port->self);

	if (!d->open || !writer_has_room(d->writer))
		return (struct dispatch_wait){ .ms = -1 };
	if (due != INT64_MAX && wait)
		wait = due > now ? due - now : 0;
	if (wall && wall <= wall_now)
		wait = 0;
	if (wait != INT64_MAX && now + wait < d->closed_until)
		wait = d->closed_until - now;
	if (wait < bucket_wait(&d->bucket, now))
		wait = bucket_wait(&d->bucket, now);
	return (struct dispatch_wait){ .ms = wait == INT64_MAX ? -1 : wait, .wall = wall > wall_now ? wall : 0 };
}

/* No answer at all says nothing about the key: hold everything for a moment instead of pushing each key into its back-off. */
static void note_outage(struct dispatch *d, int64_t now)
{
	if (now < d->closed_until)
		return; /* one of the same volley */
	d->outage_ms = d->outage_ms ? d->outage_ms * 2 : OUTAGE_FIRST_MS;
	if (d->outage_ms > OUTAGE_LAST_MS)
		d->outage_ms = OUTAGE_LAST_MS;
	d->closed_until = now + d->outage_ms;
}

/* What was under way is not any more: whoever waited for that, whatever came of it, can go on. */
static void tell_watchers(struct dispatch *d, struct key key, const struct error *err)
{
	const struct view *view = cache_view(d->cache);
	const struct key_sink sink = { .context = d, .add = err ? wake_unless_failed : wake_now };
	const void *object = look_at(d, key);

	if (object)
		kinds_settled(view, (enum kind_id)key.kind, object, &sink);
}

static void count(struct dispatch *d, const struct ending *ending, const struct error *err)
{
	enum written_result written = !err ? WRITTEN_OK : err->class == ERROR_CONFLICT ? WRITTEN_CONFLICT : WRITTEN_ERROR;
	enum dispatch_result result = ending->turn.timed ? DISPATCH_REQUEUE_AFTER : DISPATCH_SUCCESS;

	if (written == WRITTEN_ERROR)
		result = DISPATCH_ERROR;
	else if (written == WRITTEN_CONFLICT || ending->type == WRITE_READ)
		result = DISPATCH_REQUEUE;
	d->stats.written[ending->key.kind][ending->type][written]++;
	d->stats.results[ending->key.kind][result]++;
}

void dispatch_finished(void *context, const struct ending *ending, const struct error *err)
{
	struct dispatch *d = context;
	struct key key = ending->key;
	int64_t now = mono(d), least = 0;

	count(d, ending, err);
	tell(d, ending);
	say_what_was_left_out(d, now);
	if (!err || err->code) {
		d->outage_ms = 0;
		d->closed_until = 0;
	}
	if (!err && ending->type == WRITE_READ) {
		/* What failed and led to this read has not succeeded yet: its failures stay on the account. */
		queue_add(d->queue, key, PRIORITY_HIGH, now);
	} else if (!err) {
		queue_forget(d->queue, key);
	} else if (!err->code && err->class == ERROR_RETRY) {
		note_outage(d, now);
		queue_add(d->queue, key, PRIORITY_HIGH, now);
	} else {
		if (err->class != ERROR_CONFLICT)
			complain(d, ending, err, now);
		if (err->retry_after_ms > 0) /* spread those who were told the same */
			least = err->retry_after_ms + (int64_t)(d->port->random(d->port->self) % (uint64_t)(err->retry_after_ms / 4 + 1));
		queue_retry(d->queue, key, now, least);
	}
	tell_watchers(d, key, err);
	queue_done(d->queue, key);
}

void dispatch_init(struct dispatch *d, const struct port *port, struct cache *cache, struct queue *queue, struct log *log,
		   bool (*ask)(const struct provider_request *, struct provider_result *))
{
	*d = (struct dispatch){ .port = port, .cache = cache, .queue = queue, .log = log, .ask = ask };
	d->process = (uint32_t)port->random(port->self);
	arena_init(&d->arena);
}

void dispatch_limit(struct dispatch *d, long qps, long burst)
{
	bucket_init(&d->bucket, qps, burst, mono(d));
}

void dispatch_close(struct dispatch *d)
{
	arena_close(&d->arena);
}
