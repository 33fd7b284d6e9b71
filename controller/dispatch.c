/*
 * Owns: the way of a key from the queue through its decision to the writer and back.
 * Must not know: kinds by name, sockets, what decisions mean.
 * Invariant: every key taken is given back with queue_done exactly once, and never before its request has ended.
 */
#include "dispatch.h"

#include <string.h>

enum {
	OUTAGE_FIRST_MS = 100,
	OUTAGE_LAST_MS = 5000,
	COMPLAIN_EVERY_MS = 10000,
	CLOCK_LOOK_EVERY = 16, /* decisions between two looks at the clock */
	WAKE_LEAST_MS = 1000,  /* a decision that asks to be woken at once would be taken for ever */
};

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

/* For people: what is about to be written, and why. */
static void tell(struct dispatch *d, struct key key, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->n_effects; i++)
		if (outcome->effects[i].type == EFFECT_EVENT)
			log_info(d->log, outcome->effects[i].event.note, "reason", outcome->effects[i].event.reason, "kind",
				 kinds[key.kind].resource->kind, "namespace", key.ns ? key.ns->text : NULL, "name", key.name->text);
}

static struct outcome decide(struct dispatch *d, struct key key)
{
	const struct reconciler *r = kinds[key.kind].reconciler;
	instant_t now = d->port->now(d->port->self);
	struct outcome outcome;

	arena_reset(&d->arena);
	d->stats.reconciles[key.kind]++;
	outcome = r->run(cache_view(d->cache), key, now, &d->arena);
	if (ask_providers(d, key, &outcome))
		outcome = r->run(cache_view(d->cache), key, now, &d->arena);
	if (outcome.wake_at && outcome.wake_at <= now)
		outcome.wake_at = now + WAKE_LEAST_MS;
	return outcome;
}

static void handle(struct dispatch *d, struct key key)
{
	struct outcome outcome;

	if (cache_is_doubtful(d->cache, key)) {
		writer_read(d->writer, key);
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
	if (writer_carry_out(d->writer, key, &outcome)) {
		d->stats.writes[key.kind]++;
		tell(d, key, &outcome);
		return;
	}
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
		if (!queue_take(d->queue, now, d->port->now(d->port->self), &key))
			return false;
		handle(d, key);
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

static void complain(struct dispatch *d, struct key key, enum write_type type, const struct error *err, int64_t now)
{
	int64_t *at = &d->complained_at[key.kind][type];
	bool unreadable = type == WRITE_READ && err->class == ERROR_INVALID && !err->code; /* its informer has named it */

	if (unreadable || (*at && now - *at < COMPLAIN_EVERY_MS)) {
		log_debug(d->log, "request failed, will be tried again", "kind", kinds[key.kind].resource->kind, "namespace",
			  key.ns ? key.ns->text : NULL, "name", key.name->text, "request", write_type_names[type], "error", err->message);
		return;
	}
	*at = now;
	log_warn(d->log, "request failed, will be tried again", "kind", kinds[key.kind].resource->kind, "namespace",
		 key.ns ? key.ns->text : NULL, "name", key.name->text, "request", write_type_names[type], "error", err->message);
}

static void wake_now(void *context, struct key key)
{
	struct dispatch *d = context;

	queue_add(d->queue, key, PRIORITY_HIGH, mono(d));
}

/* What was under way is not any more: whoever waited for that, whatever came of it, can go on. */
static void tell_watchers(struct dispatch *d, struct key key)
{
	const struct view *view = cache_view(d->cache);
	const void *object = view_get(view, key.kind, key.ns, key.name);
	const struct key_sink sink = { .context = d, .add = wake_now };

	if (object)
		kinds_settled(view, (enum kind_id)key.kind, object, &sink);
}

void dispatch_finished(void *context, struct key key, enum write_type type, const struct error *err)
{
	struct dispatch *d = context;
	int64_t now = mono(d), least = 0;

	if (!err || err->code) {
		d->outage_ms = 0;
		d->closed_until = 0;
	}
	if (!err && type == WRITE_READ) {
		/* What failed and led to this read has not succeeded yet: its failures stay on the account. */
		queue_add(d->queue, key, PRIORITY_HIGH, now);
	} else if (!err) {
		queue_forget(d->queue, key);
	} else if (!err->code && err->class == ERROR_RETRY) {
		note_outage(d, now);
		queue_add(d->queue, key, PRIORITY_HIGH, now);
	} else {
		if (err->class != ERROR_CONFLICT) {
			d->stats.errors[key.kind]++;
			complain(d, key, type, err, now);
		}
		if (err->retry_after_ms > 0) /* spread those who were told the same */
			least = err->retry_after_ms + (int64_t)(d->port->random(d->port->self) % (uint64_t)(err->retry_after_ms / 4 + 1));
		queue_retry(d->queue, key, now, least);
	}
	tell_watchers(d, key);
	queue_done(d->queue, key);
}

void dispatch_init(struct dispatch *d, const struct port *port, struct cache *cache, struct queue *queue, struct log *log,
		   bool (*ask)(const struct provider_request *, struct provider_result *))
{
	*d = (struct dispatch){ .port = port, .cache = cache, .queue = queue, .log = log, .ask = ask };
	arena_init(&d->arena);
}

void dispatch_close(struct dispatch *d)
{
	arena_close(&d->arena);
}
