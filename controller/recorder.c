/*
 * Owns: the events that wait to be sent, and the series that they began, for as long as a repeat counts as one.
 * Must not know: what happened (the reconcilers say), when it may be told (dispatch.c), JSON (crds/event.c).
 *
 *              a new one                      2xx                        a second one
 *     (nothing) ------> WAITING --> UNDER_WAY -----> RESTING (counting) ------------> WAITING --> ...
 *                          ^            |               |
 *                          +- no answer-+               +-- 6 min without a repeat: its count is told, then it is forgotten
 *
 * As in client-go, repeats beyond the second are counted here and told when the series ends, or every half hour. What makes two events the
 * same is client-go's key (eventKey) and, beyond it, the note: a count beside another note would say what is not so.
 * Invariants: never more than QUEUE_MAX wait, UNDER_WAY_MAX are under way and SERIES_MAX are known; what the API server refuses is dropped, and
 * what it does not answer is tried a few times.
 */
#include "recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "codec.h"
#include "event.h"
#include "hash.h"
#include "memory.h"
#include "text.h"

#define CONTROLLER "billing.miloapis.com/tollgate"
#define NAMESPACE_OF_CLUSTER "default"

enum {
	QUEUE_MAX = 1000,               /* client-go: maxQueuedEvents */
	FINISH_MS = 6 * 60 * 1000,      /* finishTime */
	REFRESH_MS = 30 * 60 * 1000,    /* refreshTime */
	TRIES_MAX = 12,                 /* maxTriesPerEvent */
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_LAST_MS = 30 * 1000,
	TIMEOUT_MS = 10 * 1000,
	SERIES_MAX = 2048,
	UNDER_WAY_MAX = 4,
	BUSY_EVERY_MS = 300,            /* between two, while statuses are to be written */
	BUCKETS = 1024,
	ANSWER_MAX = 2048,              /* of a refusal; the rest is not looked at */
	NAME_MAX_BYTES = 253,
	SUFFIX_MAX = 17,                /* ".", and 64 bits in hexadecimal */
	PATH_SIZE = 1024,
};

enum state { RESTING, WAITING, UNDER_WAY };

struct series {
	TAILQ_ENTRY(series) seen;    /* until it is over: the one that was not seen for longest first */
	LIST_ENTRY(series) alike;    /* until it is over: in its bucket */
	TAILQ_ENTRY(series) waiting; /* WAITING */
	uint64_t hash;
	int64_t seen_at;             /* monotonic */
	struct event_record record;  /* of texts below */
	uint32_t told;               /* the count that the API server has; 0 = it has no such event */
	enum state state;
	bool over;                   /* the next one is another series' first */
	unsigned tries;              /* without an answer, in a row */
	char texts[];
};

TAILQ_HEAD(series_list, series);
LIST_HEAD(series_bucket, series);

/* A request under way; series NULL = none. */
struct sending {
	struct recorder *recorder;
	struct series *series;
	struct call *call;
	uint32_t count; /* that it tells */
	size_t answer_len;
	char answer[ANSWER_MAX];
};

struct recorder {
	struct recorder_config config;
	char *instance;
	struct series_list seen, waiting;
	struct series_bucket buckets[BUCKETS];
	struct sending sendings[UNDER_WAY_MAX];
	uint64_t names; /* made so far, from a random start */
	int64_t refresh_at, retry_at, backoff_ms, sent_at;
	bool refused_said;
	struct recorder_stats stats; /* series: of all states, also those that are over */
};

static int64_t mono(const struct recorder *r)
{
	return r->config.port->monotonic_ms(r->config.port->self);
}

/* ---- series ---- */

static const char *put_text(char **at, const char *text, size_t max)
{
	char *put = *at;
	size_t len = text ? text_cut(text, max) : 0;

	if (!text)
		return NULL;
	memcpy(put, text, len);
	put[len] = '\0';
	*at += len + 1;
	return put;
}

/* "NAME.HEX" as client-go names them; a long name gives way, and must not end in what a name's part may not end in. */
static const char *put_name(char **at, const char *name, uint64_t number)
{
	char *put = *at;
	size_t len = text_cut(name, NAME_MAX_BYTES - SUFFIX_MAX);

	while (len && (name[len - 1] == '.' || name[len - 1] == '-'))
		len--;
	*at += sprintf(put, "%.*s.%" PRIx64, (int)len, name, number) + 1;
	return put;
}

/* Nanoseconds, of which the clock gives milliseconds and a counter the rest. */
static uint64_t next_number(struct recorder *r, instant_t now)
{
	return (uint64_t)now * 1000000 + r->names++ % 1000000;
}

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static struct series *series_new(struct recorder *r, const struct regarding *about, const struct event *event)
{
	size_t size = size_of(about->api_version) + size_of(about->kind) + size_of(about->ns) + 2 * size_of(about->name) + SUFFIX_MAX +
		      size_of(about->uid) + size_of(event->reason) + size_of(event->action) + size_of(event->note);
	struct series *s = memory_alloc(sizeof(*s) + size);
	instant_t now = r->config.port->now(r->config.port->self);
	char *at = s->texts;

	s->record = (struct event_record){
		.regarding = { .api_version = put_text(&at, about->api_version, SIZE_MAX), .kind = put_text(&at, about->kind, SIZE_MAX),
			       .ns = put_text(&at, about->ns, SIZE_MAX), .name = put_text(&at, about->name, SIZE_MAX),
			       .uid = put_text(&at, about->uid, SIZE_MAX) },
		.reason = put_text(&at, event->reason, EVENT_REASON_MAX), .action = put_text(&at, event->action, EVENT_ACTION_MAX),
		.note = put_text(&at, event->note, EVENT_NOTE_MAX), .warning = event->warning,
		.controller = CONTROLLER, .instance = r->instance, .time = now, .series = { .count = 1, .last = now },
	};
	s->record.ns = about->ns ? s->record.regarding.ns : NAMESPACE_OF_CLUSTER;
	s->record.name = put_name(&at, about->name, next_number(r, now));
	return s;
}

/* What two events have in common that are one series. */
static void key_of(const struct event_record *e, const char *key[8])
{
	const char *const texts[8] = { e->regarding.api_version, e->regarding.kind, e->regarding.ns, e->regarding.name, e->regarding.uid,
				       e->reason, e->action, e->note };
	memcpy(key, texts, sizeof(texts));
}

static uint64_t hash_of(const struct event_record *e)
{
	uint64_t hash = hash_bytes(HASH_EMPTY, &e->warning, sizeof(e->warning));
	const char *key[8];

	key_of(e, key);
	for (int i = 0; i < 8; i++)
		hash = hash_text(hash, key[i]);
	return hash;
}

static bool is_alike(const struct event_record *a, const struct event_record *b)
{
	const char *a_key[8], *b_key[8];
	bool alike = a->warning == b->warning;

	key_of(a, a_key);
	key_of(b, b_key);
	for (int i = 0; i < 8 && alike; i++)
		alike = a_key[i] == b_key[i] || (a_key[i] && b_key[i] && strcmp(a_key[i], b_key[i]) == 0);
	return alike;
}

static struct series *find(struct recorder *r, const struct series *one)
{
	struct series *s;

	LIST_FOREACH(s, &r->buckets[one->hash % BUCKETS], alike)
		if (s->hash == one->hash && is_alike(&s->record, &one->record))
			return s;
	return NULL;
}

/* Does the API server want to hear of it now? Counts can wait, but for the second, which makes it a series. */
static bool wants_telling(const struct series *s)
{
	return !s->told || (s->record.series.count > s->told && (s->told == 1 || s->over));
}

static void forget(struct recorder *r, struct series *s)
{
	if (!s->over) {
		TAILQ_REMOVE(&r->seen, s, seen);
		LIST_REMOVE(s, alike);
	}
	r->stats.series--;
	free(s);
}

static void enqueue(struct recorder *r, struct series *s, bool first)
{
	s->state = WAITING;
	r->stats.waiting++;
	if (first)
		TAILQ_INSERT_HEAD(&r->waiting, s, waiting);
	else
		TAILQ_INSERT_TAIL(&r->waiting, s, waiting);
}

/* What is to become of one that is neither waiting nor under way. */
static void settle(struct recorder *r, struct series *s)
{
	s->state = RESTING;
	if (wants_telling(s) && r->stats.waiting < QUEUE_MAX)
		enqueue(r, s, false);
	else if (s->over)
		forget(r, s);
}

/* No repeat is counted for it any more. */
static void end(struct recorder *r, struct series *s)
{
	TAILQ_REMOVE(&r->seen, s, seen);
	LIST_REMOVE(s, alike);
	s->over = true;
	if (s->state == RESTING)
		settle(r, s);
}

static void see_again(struct recorder *r, struct series *s)
{
	s->record.series.count++;
	s->record.series.last = r->config.port->now(r->config.port->self);
	TAILQ_REMOVE(&r->seen, s, seen);
	TAILQ_INSERT_TAIL(&r->seen, s, seen);
	if (s->state == RESTING)
		settle(r, s);
}

static void make_room(struct recorder *r)
{
	struct series *s = TAILQ_FIRST(&r->seen);

	while (s && s->state != RESTING)
		s = TAILQ_NEXT(s, seen);
	if (r->stats.series >= SERIES_MAX && s)
		forget(r, s);
}

void recorder_add(struct recorder *r, const struct regarding *about, const struct event *event)
{
	struct series *s = series_new(r, about, event), *known;

	s->hash = hash_of(&s->record);
	known = find(r, s);
	if (known || r->stats.waiting >= QUEUE_MAX) {
		free(s);
		s = known;
	} else {
		make_room(r);
		r->stats.series++;
		LIST_INSERT_HEAD(&r->buckets[s->hash % BUCKETS], s, alike);
		TAILQ_INSERT_TAIL(&r->seen, s, seen);
		enqueue(r, s, false);
	}
	if (known)
		see_again(r, known);
	if (s)
		s->seen_at = mono(r);
	else
		r->stats.dropped++;
}

/* ---- requests ---- */

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct sending *sending = context;
	size_t room = ANSWER_MAX - sending->answer_len;

	(void)status;
	memcpy(sending->answer + sending->answer_len, data, len < room ? len : room);
	sending->answer_len += len < room ? len : room;
	return 0;
}

static void succeeded(struct recorder *r, struct series *s, uint32_t count)
{
	if (count > 1)
		r->stats.repeated++;
	else
		r->stats.sent++;
	s->told = count;
	r->backoff_ms = 0;
	settle(r, s);
}

/* A namespace that is being deleted takes no events, and an API server may have its reasons: nobody is to be bothered with that. */
static void refused(struct recorder *r, struct series *s, const struct error *err)
{
	/* Where a namespace ends nothing new is taken, and that is as it should be. */
	if (err->code == 403 && !r->refused_said && !strstr(err->message, "being terminated")) {
		r->refused_said = true;
		log_warn(r->config.log, "events are refused: this account may not create and patch them; apply deploy/base", "namespace",
			 s->record.regarding.ns, "error", err->message);
	}
	log_debug(r->config.log, "an event was not taken", "reason", s->record.reason, "kind", s->record.regarding.kind, "namespace",
		  s->record.regarding.ns, "name", s->record.regarding.name, "error", err->message);
	r->stats.dropped++;
	s->tries = 0;
	if (!s->told) {
		forget(r, s);
		return;
	}
	s->told = s->record.series.count;
	settle(r, s);
}

/* Events are not worth a retry each: while there is no answer, all of them wait. */
static void try_later(struct recorder *r, struct series *s, const struct error *err)
{
	int64_t wait_ms;

	if (++s->tries >= TRIES_MAX) {
		refused(r, s, err);
		return;
	}
	if (mono(r) >= r->retry_at) /* else one of the same volley */
		r->backoff_ms = !r->backoff_ms ? BACKOFF_FIRST_MS : r->backoff_ms < BACKOFF_LAST_MS / 2 ? 2 * r->backoff_ms : BACKOFF_LAST_MS;
	wait_ms = err->retry_after_ms > r->backoff_ms ? err->retry_after_ms : r->backoff_ms;
	wait_ms += (int64_t)(r->config.port->random(r->config.port->self) % (uint64_t)(wait_ms / 4 + 1));
	if (mono(r) + wait_ms > r->retry_at)
		r->retry_at = mono(r) + wait_ms;
	enqueue(r, s, true);
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct sending *sending = context;
	struct recorder *r = sending->recorder;
	struct series *s = sending->series;
	bool creating = !s->told;
	struct error err = { 0 };

	sending->series = NULL;
	s->state = RESTING;
	if (transport)
		err = *transport;
	else if (status >= 200 && status < 300)
		err.class = ERROR_NONE;
	else
		status_error(status, sending->answer, sending->answer_len, retry_after_ms, &err);
	if (err.class == ERROR_NONE) {
		s->tries = 0;
		succeeded(r, s, sending->count);
	} else if (creating && err.code == 409) { /* made by a request whose answer was lost; what it said then may be less */
		succeeded(r, s, 1);
	} else if (!creating && err.code == 404 && ++s->tries < TRIES_MAX) { /* its time was over: the series goes on with a new one */
		s->told = 0;
		settle(r, s);
	} else if (err.class == ERROR_RETRY) {
		try_later(r, s, &err);
	} else {
		refused(r, s, &err);
	}
}

static void send(struct recorder *r, struct sending *sending, struct series *s)
{
	const struct event_record *e = &s->record;
	cleanup_free char *body = s->told ? event_patch(&e->series) : event_body(e);
	const struct reply reply = { .context = sending, .on_data = on_data, .on_done = on_done };
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/apis/events.k8s.io/v1/namespaces/%s/events%s%s", e->ns, s->told ? "/" : "", s->told ? e->name : "");
	TAILQ_REMOVE(&r->waiting, s, waiting);
	r->stats.waiting--;
	r->sent_at = mono(r);
	s->state = UNDER_WAY;
	*sending = (struct sending){ .recorder = r, .series = s, .count = e->series.count };
	sending->call = r->config.port->send(r->config.port->self, &(struct request){
		.method = s->told ? "PATCH" : "POST", .path = path, .content_type = s->told ? "application/merge-patch+json" : "application/json",
		.body = body, .body_len = strlen(body), .timeout_ms = TIMEOUT_MS }, &reply);
}

/* ---- time ---- */

static struct sending *free_sending(struct recorder *r)
{
	for (int i = 0; i < UNDER_WAY_MAX; i++)
		if (!r->sendings[i].series)
			return &r->sendings[i];
	return NULL;
}

/* So that people, and the API server's clean-up, see that a long series goes on. */
static void refresh(struct recorder *r, int64_t now)
{
	struct series *s;

	r->refresh_at = now + REFRESH_MS;
	TAILQ_FOREACH(s, &r->seen, seen)
		if (s->state == RESTING && s->record.series.count > s->told && r->stats.waiting < QUEUE_MAX)
			enqueue(r, s, false);
}

static int64_t may_send_at(const struct recorder *r, bool busy)
{
	const int64_t next = busy ? r->sent_at + BUSY_EVERY_MS : INT64_MIN;

	return next > r->retry_at ? next : r->retry_at;
}

int64_t recorder_tick(struct recorder *r, bool busy)
{
	int64_t now = mono(r), next = r->refresh_at, may_at;
	struct sending *sending;
	struct series *s;

	while ((s = TAILQ_FIRST(&r->seen)) && now - s->seen_at >= FINISH_MS)
		end(r, s);
	if (now >= r->refresh_at)
		refresh(r, now);
	while (now >= (may_at = may_send_at(r, busy)) && (s = TAILQ_FIRST(&r->waiting)) && (sending = free_sending(r)))
		send(r, sending, s);
	if (!r->stats.series)
		return -1;
	if ((s = TAILQ_FIRST(&r->seen)) && s->seen_at + FINISH_MS < next)
		next = s->seen_at + FINISH_MS;
	if (!TAILQ_EMPTY(&r->waiting) && now < may_at && may_at < next)
		next = may_at;
	return next > now ? next - now : 0;
}

/* ---- the whole ---- */

bool recorder_is_idle(const struct recorder *r)
{
	for (int i = 0; i < UNDER_WAY_MAX; i++)
		if (r->sendings[i].series)
			return false;
	return !r->stats.waiting;
}

struct recorder_stats recorder_stats(const struct recorder *r)
{
	return r->stats;
}

struct recorder *recorder_new(const struct recorder_config *config)
{
	struct recorder *r = memory_alloc(sizeof(*r));

	r->config = *config;
	r->instance = memory_strndup(config->instance, text_cut(config->instance, EVENT_INSTANCE_MAX));
	r->names = config->port->random(config->port->self) % 1000000;
	r->refresh_at = mono(r) + REFRESH_MS;
	r->retry_at = INT64_MIN;
	r->sent_at = mono(r) - BUSY_EVERY_MS;
	TAILQ_INIT(&r->seen);
	TAILQ_INIT(&r->waiting);
	return r;
}

void recorder_free(struct recorder *r)
{
	struct series *s;

	if (!r)
		return;
	for (int i = 0; i < UNDER_WAY_MAX; i++)
		if (r->sendings[i].series) {
			r->config.port->cancel(r->config.port->self, r->sendings[i].call);
			forget(r, r->sendings[i].series);
		}
	while ((s = TAILQ_FIRST(&r->waiting))) {
		TAILQ_REMOVE(&r->waiting, s, waiting);
		forget(r, s);
	}
	while ((s = TAILQ_FIRST(&r->seen)))
		forget(r, s);
	free(r->instance);
	free(r);
}
