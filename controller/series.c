/*
 * Owns: which labels there are, and where a scrape finds what it tells. Must not know: the names of metrics, how they are written.
 * Changes nothing.
 */
#include "series.h"

#include <string.h>

/* ---- what is gathered ---- */

/* What the kernel has given, less what is accounted for, is tables, libraries, and what the allocator keeps free. The allocator itself
 * (mallinfo2) is not asked: it walks all of its holes, a hundred thousand of them in 2 to 10 ms. */
static void gather_memory(struct scrape *s)
{
	double known = 0;

	for (unsigned k = 0; k < KIND_COUNT; k++)
		s->pools[POOL_RECORDS] += (double)s->cache.bytes[k];
	s->pools[POOL_ATOMS] = (double)atoms_bytes(s->manager->atoms);
	s->pools[POOL_QUEUE] = (double)s->queue.bytes;
	s->pools[POOL_ARENA] = (double)arena_bytes(&s->manager->dispatch.arena);
	for (int i = 0; i < POOL_OTHER; i++)
		known += s->pools[i];
	s->pools[POOL_OTHER] = s->process.anonymous_bytes < known ? 0 : s->process.anonymous_bytes - known;
}

void scrape_gather(struct scrape *s, const struct parts *parts)
{
	const struct manager *m = parts->manager;

	*s = (struct scrape){ .parts = parts, .manager = m, .http = http_stats(parts->http), .writer = writer_stats(m->writer),
			      .dispatch = &m->dispatch.stats, .process = process_stats("") };
	s->now_ms = m->config.port->monotonic_ms(m->config.port->self);
	s->queue = queue_stats(m->queue, s->now_ms);
	for (int kind = 0; kind < KIND_COUNT; kind++)
		s->queues[kind] = queue_kind_stats(m->queue, (enum kind_id)kind);
	cache_stats(m->cache, &s->cache);
	gather_memory(s);
	if (parts->recorder)
		s->events = recorder_stats(parts->recorder);
	if (!parts->webhook)
		return;
	s->webhook = webhook_stats(parts->webhook);
	s->server = server_stats(parts->webhook_server);
	s->certs = certkeeper_stats(parts->certs);
}

/* ---- series ---- */

static void add(struct labels *labels, const char *name, const char *value)
{
	labels->of[labels->n++] = (struct label){ .name = name, .value = value };
}

static bool without_labels(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)s;
	(void)i;
	(void)labels;
	return true;
}

static bool version(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)i;
	add(labels, "version", s->parts->version);
	return true;
}

/* A controller for each kind that is decided. */
static bool controllers(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)s;
	add(labels, "controller", kinds[i].controller);
	return kinds[i].reconciler->run != NULL;
}

static bool results(const struct scrape *s, unsigned i, struct labels *labels)
{
	add(labels, "result", dispatch_result_names[i % DISPATCH_RESULTS]);
	return controllers(s, i / DISPATCH_RESULTS, labels);
}

/* Controller-runtime has one for each controller, and so it looks here, though the keys share one. */
static bool queues(const struct scrape *s, unsigned i, struct labels *labels)
{
	add(labels, "name", kinds[i].controller);
	return controllers(s, i, labels);
}

static bool by_kind(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)s;
	add(labels, "kind", kinds[i].resource->kind);
	return true;
}

/* A read writes nothing. */
static bool writes(const struct scrape *s, unsigned i, struct labels *labels)
{
	unsigned request = i / WRITTEN_RESULTS % WRITE_TYPES, kind = i / WRITTEN_RESULTS / WRITE_TYPES;

	(void)s;
	add(labels, "kind", kinds[kind].resource->kind);
	add(labels, "request", write_type_names[request]);
	add(labels, "result", written_result_names[i % WRITTEN_RESULTS]);
	return request != WRITE_READ;
}

static bool requests(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)s;
	add(labels, "request", write_type_names[i]);
	return true;
}

static bool pools(const struct scrape *s, unsigned i, struct labels *labels)
{
	static const char *const names[POOLS] = { "records", "atoms", "queue", "arena", "other" };

	(void)s;
	add(labels, "pool", names[i]);
	return true;
}

static bool leader(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)s;
	(void)i;
	add(labels, "name", "tollgate");
	return true;
}

static bool events(const struct scrape *s, unsigned i, struct labels *labels)
{
	static const char *const names[] = { "sent", "repeated", "dropped" };

	add(labels, "result", names[i]);
	return s->parts->recorder != NULL;
}

/* Of six hundred codes few ever come; that there was no answer is told from the start, so that its first time is seen as a change. */
static bool answers(const struct scrape *s, unsigned i, struct labels *labels)
{
	unsigned code = i % HTTP_CODES, method = i / HTTP_CODES;

	if (code && !s->http->answers[method][code])
		return false;
	snprintf(labels->number, sizeof(labels->number), "%u", code);
	add(labels, "code", code ? labels->number : "<error>");
	add(labels, "method", http_method_names[method]);
	add(labels, "host", s->http->host);
	return true;
}

static bool verbs(const struct scrape *s, unsigned i, struct labels *labels)
{
	add(labels, "verb", http_method_names[i]);
	add(labels, "host", s->http->host);
	return true;
}

static bool webhooks(const struct scrape *s, unsigned i, struct labels *labels)
{
	add(labels, "webhook", webhook_paths[i]);
	return s->webhook != NULL;
}

static bool webhook_codes(const struct scrape *s, unsigned i, struct labels *labels)
{
	static const char *const codes[WEBHOOK_CODES] = { "200", "400", "503" };

	add(labels, "code", codes[i % WEBHOOK_CODES]);
	return webhooks(s, i / WEBHOOK_CODES, labels);
}

static bool admission(const struct scrape *s, unsigned i, struct labels *labels)
{
	(void)i;
	(void)labels;
	return s->webhook != NULL;
}

static bool cuts(const struct scrape *s, unsigned i, struct labels *labels)
{
	static const char *const reasons[] = { "slow", "crowded" };

	add(labels, "reason", reasons[i]);
	return s->webhook != NULL;
}

const struct series series_once = { 1, without_labels };
const struct series series_version = { 1, version };
const struct series series_controllers = { KIND_COUNT, controllers };
const struct series series_results = { KIND_COUNT * DISPATCH_RESULTS, results };
const struct series series_queues = { KIND_COUNT, queues };
const struct series series_kinds = { KIND_COUNT, by_kind };
const struct series series_writes = { KIND_COUNT * WRITE_TYPES * WRITTEN_RESULTS, writes };
const struct series series_requests = { WRITE_TYPES, requests };
const struct series series_pools = { POOLS, pools };
const struct series series_leader = { 1, leader };
const struct series series_events = { 3, events };
const struct series series_answers = { HTTP_METHODS * HTTP_CODES, answers };
const struct series series_verbs = { HTTP_METHODS, verbs };
const struct series series_webhooks = { WEBHOOKS, webhooks };
const struct series series_webhook_codes = { WEBHOOKS * WEBHOOK_CODES, webhook_codes };
const struct series series_admission = { 1, admission };
const struct series series_cuts = { 2, cuts };
