/*
 * Owns: the debugging view, one document put together from what the parts say of themselves, and the log's level while running. Must
 * not know: how it is served, what objects contain. Changes nothing but the level. Whoever reads it is on this host, which is why it may
 * name objects; a secret is in none of the parts that it asks. Work is bounded but for a walk over the queue's keys.
 */
#include "debug.h"

#include <ctype.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "health.h"
#include "listen.h"
#include "memory.h"

enum { KEYS_SHOWN = 10, LEVELS = LOG_DEBUG + 1, AUTHORITY_SIZE = 64 };

/* ---- values ---- */

static json_t *seconds(int64_t ms)
{
	return json_real((double)ms / 1000);
}

/* null: it has not been yet. */
static json_t *seconds_since(int64_t then, int64_t now)
{
	return then ? seconds(now - then) : json_null();
}

/* Texts that come from elsewhere: null where there is none, or no UTF-8. */
static json_t *text(const char *value)
{
	json_t *string = value ? json_string(value) : NULL;

	return string ? string : json_null();
}

static json_t *moment(instant_t at)
{
	char formatted[INSTANT_TEXT_SIZE];

	return at ? json_string(instant_format(at, formatted)) : json_null();
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static int64_t mono(const struct manager *m)
{
	return m->config.port->monotonic_ms(m->config.port->self);
}

/* ---- watches ---- */

static const char *const watch_words[] = {
	[WATCH_STOPPED] = "Stopped", [WATCH_LISTING] = "Listing", [WATCH_WATCHING] = "Watching", [WATCH_WAITING] = "Waiting",
};

static const char *const kind_words[] = {
	[KIND_UNHEARD] = "NoAnswerYet", [KIND_FINE] = "Fine", [KIND_MISSING] = "DefinitionMissing", [KIND_REFUSED] = "Forbidden",
	[KIND_FAILING] = "Failing",
};

static const char *const server_words[] = {
	[SERVER_FINE] = "Fine", [SERVER_SILENT] = "NoAnswer", [SERVER_TROUBLED] = "Errors", [SERVER_UNAUTHORIZED] = "Unauthorized",
};

static json_t *show_watch(const struct manager *m, unsigned kind, int64_t now)
{
	const struct informer *inf = &m->informers[kind];
	const struct informer_stats *s = &inf->stats;
	json_t *failure = json_null(), *due = json_null();

	if (inf->last_error_at)
		failure = json_pack("{s:o, s:o}", "message", text(inf->last_error.message), "secondsAgo", seconds_since(inf->last_error_at, now));
	if (inf->watch.state == WATCH_WAITING)
		due = seconds(inf->watch.due - now);
	return json_pack("{s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "state", watch_words[inf->watch.state],
			 "standing", kind_words[m->states[kind]],
			 "synced", inf->watch.synced,
			 "resourceVersion", inf->watch.resource_version,
			 "resourceVersionAgeSeconds", seconds_since(inf->watch.moved_at, now),
			 "heardSecondsAgo", seconds_since(s->heard_at, now),
			 "lists", count(s->lists),
			 "watches", count(s->watches),
			 "events", count(s->events),
			 "bytes", count(s->bytes),
			 "failures", count(s->failures),
			 "unreadable", count(s->unreadable),
			 "lastFailure", failure,
			 "nextTryInSeconds", due,
			 "requestUnderWay", json_boolean(inf->call != NULL));
}

static json_t *show_watches(const struct manager *m)
{
	json_t *all = json_object();

	for (unsigned k = 0; k < KIND_COUNT; k++)
		json_object_set_new(all, kinds[k].resource->plural, show_watch(m, k, mono(m)));
	return all;
}

static json_t *show_cache(const struct manager *m)
{
	struct cache_stats stats;
	json_t *all = json_object();

	cache_stats(m->cache, &stats);
	for (unsigned k = 0; k < KIND_COUNT; k++)
		json_object_set_new(all, kinds[k].resource->plural,
				    json_pack("{s:o, s:o}", "objects", count(stats.objects[k]), "bytes", count(stats.bytes[k])));
	json_object_set_new(all, "writesNotSeenYet", count(stats.awaiting));
	return all;
}

/* ---- the queue ---- */

/* The first few of many. */
struct top {
	struct queue_entry entries[KEYS_SHOWN];
	size_t n;
};

static void keep(struct top *top, const struct queue_entry *entry, bool (*before)(const struct queue_entry *, const struct queue_entry *))
{
	size_t at = top->n;

	while (at > 0 && before(entry, &top->entries[at - 1]))
		at--;
	if (at == KEYS_SHOWN)
		return;
	if (top->n < KEYS_SHOWN)
		top->n++;
	memmove(&top->entries[at + 1], &top->entries[at], (top->n - 1 - at) * sizeof(*entry));
	top->entries[at] = *entry;
}

static bool is_older(const struct queue_entry *a, const struct queue_entry *b)
{
	return a->since_mono < b->since_mono;
}

static bool fails_more(const struct queue_entry *a, const struct queue_entry *b)
{
	return a->failures > b->failures;
}

struct glance {
	struct top oldest, failing;
};

static void see_key(void *context, const struct queue_entry *entry)
{
	struct glance *glance = context;

	if (entry->ready)
		keep(&glance->oldest, entry, is_older);
	if (entry->failures)
		keep(&glance->failing, entry, fails_more);
}

static json_t *show_key(const struct queue_entry *entry, int64_t now)
{
	return json_pack("{s:s, s:o, s:o, s:i, s:b, s:o, s:o, s:o}",
			 "kind", kinds[entry->key.kind].resource->kind,
			 "namespace", text(entry->key.ns ? entry->key.ns->text : NULL),
			 "name", text(entry->key.name->text),
			 "failures", (int)entry->failures,
			 "processing", entry->processing,
			 "readyForSeconds", entry->ready ? seconds(now - entry->since_mono) : json_null(),
			 "nextTryInSeconds", entry->due_mono != INT64_MAX ? seconds(entry->due_mono - now) : json_null(),
			 "wakesAt", moment(entry->due_wall));
}

static json_t *show_keys(const struct top *top, int64_t now)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < top->n; i++)
		json_array_append_new(keys, show_key(&top->entries[i], now));
	return keys;
}

static json_t *show_queue(const struct manager *m)
{
	int64_t now = mono(m), paused_ms = m->dispatch.closed_until - now;
	const struct queue_stats s = queue_stats(m->queue, now);
	struct glance glance = { 0 };

	queue_each(m->queue, see_key, &glance);
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "open", m->dispatch.open,
			 "pausedForSeconds", seconds(paused_ms > 0 ? paused_ms : 0),
			 "depth", count(s.depth),
			 "processing", count(s.processing),
			 "delayed", count(s.delayed),
			 "timed", count(s.timed),
			 "keys", count(s.keys),
			 "oldest", show_keys(&glance.oldest, now),
			 "failing", show_keys(&glance.failing, now));
}

/* ---- requests ---- */

static void see_request(void *requests, const char *method, const char *path, int64_t age_ms, uint64_t bytes)
{
	json_array_append_new(requests, json_pack("{s:s, s:o, s:o, s:o}", "method", method, "path", text(path), "ageSeconds", seconds(age_ms),
						  "bytes", count(bytes)));
}

/* Those to the API server that are under way; there are never more than may be in flight. */
static json_t *show_requests(const struct http *http)
{
	json_t *requests = json_array();

	if (http)
		http_each_call(http, see_request, requests);
	return requests;
}

static json_t *show_credentials(const struct http *http)
{
	struct http_credentials credentials;

	if (!http)
		return json_null();
	credentials = http_credentials(http);
	return json_pack("{s:o, s:o, s:o, s:o}",
			 "source", text(credentials.source),
			 "expires", moment(credentials.expires),
			 "reloads", count(credentials.reloads),
			 "failures", count(credentials.failures));
}

/* ---- everything else ---- */

/* Without an election there is nobody else. */
static json_t *show_leadership(const struct elector *elector)
{
	struct elector_stats s;

	if (!elector)
		return json_pack("{s:b, s:b}", "election", false, "leads", true);
	s = elector_stats(elector);
	return json_pack("{s:b, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "election", true,
			 "namespace", text(s.ns),
			 "lease", text(s.name),
			 "leads", elector_leads(elector),
			 "holder", text(s.holder),
			 "renewed", moment(s.renewed),
			 "validForSeconds", seconds(s.valid_ms),
			 "transitions", count(s.transitions),
			 "failures", count(s.failures),
			 "trouble", text(s.trouble[0] ? s.trouble : NULL));
}

static json_t *show_events(const struct recorder *recorder)
{
	struct recorder_stats s;

	if (!recorder)
		return json_null();
	s = recorder_stats(recorder);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}",
			 "waiting", count(s.waiting),
			 "series", count(s.series),
			 "sent", count(s.sent),
			 "repeated", count(s.repeated),
			 "dropped", count(s.dropped));
}

static json_t *show_webhook(const struct parts *parts)
{
	struct server_stats server;

	if (!parts->webhook)
		return json_null();
	server = server_stats(parts->webhook_server);
	return json_pack("{s:o, s:o, s:o, s:o}",
			 "reviewsUnderWay", count(webhook_stats(parts->webhook)->in_flight),
			 "connections", count(server.connections),
			 "cutAsSlow", count(server.timed_out),
			 "cutAsCrowded", count(server.evicted));
}

static json_t *show_certificates(const struct parts *parts)
{
	json_t *webhook = json_null();
	struct certkeeper_stats certs;

	if (parts->certs) {
		certs = certkeeper_stats(parts->certs);
		webhook = json_pack("{s:o, s:b, s:o, s:o}",
				    "expires", moment(certs.expires),
				    "bundleInStep", certs.in_step,
				    "rotations", count(certs.rotations),
				    "readErrors", count(certs.read_errors));
	}
	return json_pack("{s:o, s:o}", "webhook", webhook, "client", show_credentials(parts->http));
}

static json_t *show_memory(const struct manager *m)
{
	const struct mallinfo2 heap = mallinfo2();

	return json_pack("{s:o, s:o, s:o, s:o, s:o}",
			 "heapInUse", count(heap.uordblks + heap.hblkhd),
			 "heapFree", count(heap.fordblks),
			 "queue", count(queue_stats(m->queue, mono(m)).bytes),
			 "internedStrings", count(atoms_count(m->atoms)),
			 "internedBytes", count(atoms_bytes(m->atoms)));
}

static json_t *show_loop(const struct loop *loop)
{
	const struct histogram *lag = loop_lag(loop);

	return json_pack("{s:b, s:o, s:f}", "sluggish", loop_is_sluggish(loop), "beats", count(histogram_count(lag)), "lateSeconds", lag->sum);
}

static json_t *show_log(const struct log *log)
{
	json_t *lines = json_object();

	for (int level = 0; level < LEVELS; level++)
		json_object_set_new(lines, log_level_name((enum log_level)level), count(log->lines[level]));
	return json_pack("{s:s, s:o}", "level", log_level_name(log->level), "lines", lines);
}

static void see_check(void *checks, const char *name, const char *why)
{
	json_object_set_new(checks, name, text(why ? why : "ok"));
}

static json_t *show_checks(const struct parts *parts)
{
	json_t *checks = json_object();

	health_each(parts, see_check, checks);
	return checks;
}

/* From what most often tells it all to what seldom does. */
static json_t *show_state(const struct parts *parts)
{
	const struct manager *m = parts->manager;
	const struct port *port = m->config.port;
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{ "version", text(parts->version) },
		{ "identity", text(parts->identity) },
		{ "now", moment(port->now(port->self)) },
		{ "upSeconds", seconds(mono(m) - m->started_at) },
		{ "checks", show_checks(parts) },
		{ "synced", json_boolean(m->synced) },
		{ "deciding", json_boolean(m->deciding) },
		{ "stopping", json_boolean(parts->stopping) },
		{ "leadership", show_leadership(parts->elector) },
		{ "server", json_pack("{s:o, s:s}", "url", text(m->config.source), "standing", server_words[m->server]) },
		{ "watches", show_watches(m) },
		{ "queue", show_queue(m) },
		{ "cache", show_cache(m) },
		{ "requests", show_requests(parts->http) },
		{ "events", show_events(parts->recorder) },
		{ "webhook", show_webhook(parts) },
		{ "certificates", show_certificates(parts) },
		{ "memory", show_memory(m) },
		{ "loop", show_loop(parts->loop) },
		{ "log", show_log(parts->log) },
	};
	json_t *state = json_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		json_object_set_new(state, members[i].name, members[i].value);
	return state;
}

/* ---- answers ---- */

/* body: taken */
static void answer(struct server_reply *reply, int status, const char *type, char *body)
{
	*reply = (struct server_reply){ .status = status, .content_type = type, .body = body, .body_len = body ? strlen(body) : 0 };
}

static void answer_text(struct server_reply *reply, int status, const char *body)
{
	answer(reply, status, "text/plain; charset=utf-8", memory_strdup(body));
}

static void answer_state(const struct parts *parts, struct server_reply *reply)
{
	json_t *state = show_state(parts);
	char *body = json_dumps(state, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

	json_decref(state);
	answer(reply, body ? 200 : 500, "application/json", body);
}

static void answer_level(const struct log *log, struct server_reply *reply)
{
	answer(reply, 200, "text/plain; charset=utf-8", memory_printf("%s\n", log_level_name(log->level)));
}

/* Said at whichever of both levels shows more, so that the log itself tells why it falls silent. */
static void change_level(struct log *log, enum log_level to)
{
	enum log_level from = log->level;

	if (to == from)
		return;
	if (to > from)
		log->level = to;
	log_warn(log, "log level changed while running", "from", log_level_name(from), "to", log_level_name(to));
	log->level = to;
}

static void set_level(struct log *log, const struct server_request *request, struct server_reply *reply)
{
	char name[HEALTH_BODY_MAX + 1];
	const char *from = request->body;
	size_t len = request->body_len;
	enum log_level level;

	for (; len > 0 && isspace((unsigned char)*from); len--)
		from++;
	while (len > 0 && isspace((unsigned char)from[len - 1]))
		len--;
	snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : 0, len ? from : "");
	if (log_level_parse(name, &level) < 0) {
		answer_text(reply, 400, "the body must be one of error, warn, info or debug\n");
		return;
	}
	change_level(log, level);
	answer_level(log, reply);
}

/* "127.0.0.1:8081", "[::1]", "localhost": by the name alone, as DNS may say anything of others. */
static bool names_this_host(const char *authority)
{
	const char *behind = *authority == '[' ? strchr(authority, ']') : authority;
	char with_port[AUTHORITY_SIZE];

	if (!behind || strlen(authority) >= sizeof(with_port) - sizeof(":80"))
		return false;
	snprintf(with_port, sizeof(with_port), "%s%s", authority, strchr(behind, ':') ? "" : ":80");
	return listen_is_loopback(with_port);
}

/* "http://localhost:8081"; none: no browser, or its own page. */
static bool is_own_page(const char *origin)
{
	const char *authority = strstr(origin, "://");

	return !*origin || (authority && names_this_host(authority + 3));
}

void debug_handle(const struct parts *parts, const struct server_request *request, struct server_reply *reply)
{
	bool puts = strcmp(request->method, "PUT") == 0;

	if (!request->loopback)
		answer_text(reply, 403, "answered on loopback only: ask from this host, or through kubectl port-forward\n");
	else if (!names_this_host(request->host))
		answer_text(reply, 403, "answered as localhost, 127.0.0.1 or [::1] only: the Host header names another host\n");
	else if (!is_own_page(request->origin))
		answer_text(reply, 403, "not answered to other hosts' web pages: the Origin header names one\n");
	else if (strcmp(request->path, "/debug/loglevel") == 0 && puts)
		set_level(parts->log, request, reply);
	else if (strcmp(request->path, "/debug/loglevel") == 0)
		answer_level(parts->log, reply);
	else if (strcmp(request->path, "/debug/state") != 0)
		answer_text(reply, 404, "try /debug/state or /debug/loglevel\n");
	else if (puts)
		answer_text(reply, 405, "only GET and HEAD\n");
	else
		answer_state(parts, reply);
}
