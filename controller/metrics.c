/*
 * Owns: the table of metrics: names, kinds, series, helps, and where each value is found.
 * Must not know: how they are served or written, how anything is counted. Changes nothing.
 * What controller-runtime, client-go and Prometheus' own clients have is named, labelled and described as there, so that existing
 * dashboards and alerts work; what only Tollgate knows begins with tollgate_.
 */
#include "metrics.h"

#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "series.h"

/* M(type, name, series, help, value): the value may look at the scrape `s` and at which series it is of, `i` (series.h).
 * Two stay 0, so that dashboards find them: nothing here is given up for good, and what would be a panic ends the process. */
#define DECIDING(M)                                                                                                              \
	M(COUNTER, controller_runtime_reconcile_total, results, "Total number of reconciliations per controller",                \
	  s->dispatch->results[i / DISPATCH_RESULTS][i % DISPATCH_RESULTS])                                                      \
	M(COUNTER, controller_runtime_reconcile_errors_total, controllers,                                                       \
	  "Total number of reconciliation errors per controller", s->dispatch->results[i][DISPATCH_ERROR])                       \
	M(COUNTER, controller_runtime_terminal_reconcile_errors_total, controllers,                                              \
	  "Total number of terminal reconciliation errors per controller", 0)                                                    \
	M(COUNTER, controller_runtime_reconcile_panics_total, controllers,                                                       \
	  "Total number of reconciliation panics per controller", 0)                                                             \
	M(GAUGE, controller_runtime_max_concurrent_reconciles, controllers,                                                      \
	  "Maximum number of concurrent reconciles per controller", s->manager->config.max_concurrent_writes)                    \
	M(GAUGE, controller_runtime_active_workers, controllers, "Number of currently used workers per controller",              \
	  s->queues[i].processing)                                                                                               \
	M(HISTOGRAM, controller_runtime_reconcile_time_seconds, controllers, "Length of time per reconciliation per controller", \
	  &s->queues[i].times->reconcile)                                                                                        \
	M(GAUGE, workqueue_depth, queues, "Current depth of workqueue", s->queues[i].depth)                                      \
	M(COUNTER, workqueue_adds_total, queues, "Total number of adds handled by workqueue", s->queues[i].adds_total)           \
	M(COUNTER, workqueue_retries_total, queues, "Total number of retries handled by workqueue", s->queues[i].retries_total)  \
	M(GAUGE, workqueue_unfinished_work_seconds, queues,                                                                      \
	  "How many seconds of work has been done that is in progress and hasn't been observed by work_duration",                \
	  s->queues[i].unfinished_s)                                                                                             \
	M(GAUGE, workqueue_longest_running_processor_seconds, queues,                                                            \
	  "How many seconds has the longest running processor for workqueue been running", s->queues[i].longest_s)               \
	M(HISTOGRAM, workqueue_queue_duration_seconds, queues,                                                                   \
	  "How long in seconds an item stays in workqueue before being requested", &s->queues[i].times->wait)                    \
	M(HISTOGRAM, workqueue_work_duration_seconds, queues, "How long in seconds processing an item from workqueue takes",     \
	  &s->queues[i].times->work)                                                                                             \
	M(GAUGE, tollgate_queue_wait_seconds, once, "For how long the key that waits longest has been ready to be decided",      \
	  (double)s->queue.oldest_ready_ms / 1000)                                                                               \
	M(GAUGE, leader_election_master_status, leader,                                                                          \
	  "1 while this replica decides and writes; without --leader-elect always",                                              \
	  !s->parts->elector || elector_leads(s->parts->elector))

#define TALKING(M)                                                                                                               \
	M(COUNTER, rest_client_requests_total, answers, "Number of HTTP requests, partitioned by status code, method, and host", \
	  s->http->answers[i / HTTP_CODES][i % HTTP_CODES])                                                                      \
	M(HISTOGRAM, rest_client_request_duration_seconds, verbs,                                                                \
	  "Request latency in seconds, broken down by verb and host; of a watch, until it began", &s->http->durations[i])        \
	M(COUNTER, tollgate_http_connections_total, once, "Connections opened to the API server", s->http->connections)          \
	M(COUNTER, tollgate_requests_total, requests, "Requests about single objects, by what they ask", s->writer->started[i])  \
	M(GAUGE, tollgate_requests_in_flight, once, "Requests about single objects under way", s->writer->in_flight)             \
	M(COUNTER, tollgate_writes_total, writes, "Writes that have ended; a conflict met a newer version of its object",        \
	  (&s->dispatch->written[0][0][0])[i])                                                                                   \
	M(COUNTER, tollgate_events_total, events, "Events for people: sent, counted on as repeats, or dropped",                  \
	  i == 0 ? s->events.sent : i == 1 ? s->events.repeated : s->events.dropped)                                             \
	M(GAUGE, tollgate_watch_stale_seconds, kinds, "For how long the API server has not been heard about the kind",           \
	  stale_seconds(s, i))                                                                                                   \
	M(COUNTER, tollgate_watch_failures_total, kinds, "Lists and watches that broke",                                         \
	  s->manager->informers[i].stats.failures)                                                                               \
	M(COUNTER, tollgate_unreadable_objects_total, kinds, "Objects that could not be read; the log names them",               \
	  s->manager->informers[i].stats.unreadable)

#define HOLDING(M)                                                                                                               \
	M(GAUGE, tollgate_build_info, version, "1, for the version", 1)                                                          \
	M(GAUGE, tollgate_objects, kinds, "Objects in the cache", s->cache.objects[i])                                           \
	M(GAUGE, tollgate_object_bytes, kinds, "Bytes of the cached records", s->cache.bytes[i])                                 \
	M(GAUGE, tollgate_heap_bytes, pools, "Memory by what holds it; other: tables, libraries, what the allocator keeps free", \
	  s->pools[i])                                                                                                           \
	M(GAUGE, tollgate_allocated_bytes, once, "Heap that is in use, as the allocator counts it",                              \
	  s->process.allocated_bytes)                                                                                            \
	M(GAUGE, tollgate_interned_strings, once, "Names and other words that are held once each",                               \
	  atoms_count(s->manager->atoms))                                                                                        \
	M(GAUGE, tollgate_memory_limit_bytes, once, "Memory that the cgroup, or one above it, may use",                          \
	  s->process.memory_limit_bytes)                                                                                         \
	M(HISTOGRAM, tollgate_loop_lag_seconds, once, "How late the loop came to what was due, seen once a second",              \
	  loop_lag(s->parts->loop))                                                                                              \
	M(COUNTER, process_cpu_seconds_total, once, "Total user and system CPU time spent in seconds", s->process.cpu_seconds)   \
	M(GAUGE, process_open_fds, once, "Number of open file descriptors", s->process.open_fds)                                 \
	M(GAUGE, process_max_fds, once, "Maximum number of open file descriptors", s->process.max_fds)                           \
	M(GAUGE, process_virtual_memory_bytes, once, "Virtual memory size in bytes", s->process.virtual_bytes)                   \
	M(GAUGE, process_virtual_memory_max_bytes, once, "Maximum amount of virtual memory available in bytes",                  \
	  s->process.virtual_max_bytes)                                                                                          \
	M(GAUGE, process_resident_memory_bytes, once, "Resident memory size in bytes", s->process.resident_bytes)                \
	M(GAUGE, process_start_time_seconds, once, "Start time of the process since unix epoch in seconds",                      \
	  s->process.start_time_seconds)

#define ADMITTING(M)                                                                                                             \
	M(COUNTER, controller_runtime_webhook_requests_total, webhook_codes,                                                     \
	  "Total number of admission requests by HTTP status code", webhook_answers(s, i / WEBHOOK_CODES, i % WEBHOOK_CODES))    \
	M(GAUGE, controller_runtime_webhook_requests_in_flight, webhooks, "Current number of admission requests being served",   \
	  s->webhook->paths[i].in_flight)                                                                                        \
	M(HISTOGRAM, controller_runtime_webhook_latency_seconds, webhooks,                                                       \
	  "Histogram of the latency of processing admission requests", &s->webhook->paths[i].latency)                            \
	M(HISTOGRAM, tollgate_admission_seconds, webhooks, "Time from the whole review to its answer",                           \
	  &s->webhook->paths[i].seconds)                                                                                         \
	M(COUNTER, tollgate_admission_refused_total, webhooks, "Reviews that were answered with a refusal",                      \
	  s->webhook->paths[i].refused)                                                                                          \
	M(COUNTER, tollgate_admission_looks_total, webhooks,                                                                     \
	  "Requests to the API server before an answer, where the cache may be behind", s->webhook->paths[i].looks)              \
	M(GAUGE, tollgate_webhook_connections, admission, "Connections to the webhook that are open", s->server.connections)     \
	M(COUNTER, tollgate_webhook_connections_cut_total, cuts, "Connections cut off",                                          \
	  i == 0 ? s->server.timed_out : s->server.evicted)                                                                      \
	M(GAUGE, tollgate_cert_expiry_timestamp_seconds, admission,                                                              \
	  "When the webhook's certificate expires; 0 = there is none yet", (double)s->certs.expires / 1000)                      \
	M(GAUGE, tollgate_cert_bundle_in_step, admission,                                                                        \
	  "1 when the webhook configurations held the CA at the last look, every 10 s; with --webhook-cert-dir always",          \
	  s->certs.in_step)                                                                                                      \
	M(COUNTER, tollgate_cert_rotations_total, admission,                                                                     \
	  "Certificates that this process made, or took from a changed --webhook-cert-dir", s->certs.rotations)                  \
	M(COUNTER, certwatcher_read_certificate_total, admission, "Total number of certificate reads", s->certs.reads)           \
	M(COUNTER, certwatcher_read_certificate_errors_total, admission, "Total number of certificate read errors",              \
	  s->certs.read_errors)

#define METRICS(M) DECIDING(M) TALKING(M) HOLDING(M) ADMITTING(M)

/* A kind that was never heard has been silent since the start. */
static double stale_seconds(const struct scrape *s, unsigned kind)
{
	int64_t heard_at = s->manager->informers[kind].stats.heard_at;

	return (double)(s->now_ms - (heard_at ? heard_at : s->manager->started_at)) / 1000;
}

static uint64_t webhook_answers(const struct scrape *s, unsigned path, unsigned code)
{
	const uint64_t answers[WEBHOOK_CODES] = { s->webhook->paths[path].ok, s->webhook->paths[path].bad,
						  s->webhook->paths[path].unavailable };

	return answers[code];
}

/* A row of the table, and the function that finds its value. */
#define COUNTER_VALUE(name, expression) NUMBER_VALUE(name, expression)
#define GAUGE_VALUE(name, expression) NUMBER_VALUE(name, expression)
#define NUMBER_VALUE(name, expression)                                      \
	static double name##_value(const struct scrape *s, unsigned i)      \
	{                                                                   \
		(void)s, (void)i;                                           \
		return (double)(expression);                                \
	}
#define HISTOGRAM_VALUE(name, expression)                                                          \
	static const struct histogram *name##_value(const struct scrape *s, unsigned i)            \
	{                                                                                          \
		(void)s, (void)i;                                                                  \
		return expression;                                                                 \
	}
#define VALUE(type, name, series, help, expression) type##_VALUE(name, expression)
METRICS(VALUE) /* NOLINT(bugprone-integer-division): what is divided are subscripts */

struct metric {
	struct metric_family family;
	const struct series *series;
	double (*number)(const struct scrape *, unsigned);
	const struct histogram *(*histogram)(const struct scrape *, unsigned);
};

#define COUNTER_MEMBER .number
#define GAUGE_MEMBER .number
#define HISTOGRAM_MEMBER .histogram
#define ROW(type, name, series_name, help, expression) \
	{ .family = { #name, METRIC_##type, help }, .series = &series_##series_name, type##_MEMBER = name##_value },
static const struct metric metrics[] = { METRICS(ROW) };

static void put_metric(struct exposition *exposition, const struct metric *metric, const struct scrape *s)
{
	for (unsigned i = 0; i < metric->series->n; i++) {
		struct labels labels = { 0 };

		if (!metric->series->labels(s, i, &labels))
			continue;
		if (metric->histogram)
			exposition_histogram(exposition, &metric->family, &labels, metric->histogram(s, i));
		else
			exposition_sample(exposition, &metric->family, &labels, metric->number(s, i));
	}
}

/* What a kind's own file says of how to tell its objects apart. */
static void put_census(struct exposition *exposition, const struct scrape *s, enum kind_id kind)
{
	const struct census *census = kinds[kind].reconciler->census;

	if (!census)
		return;
	const struct metric_family family = { census->metric, METRIC_GAUGE, census->help };
	for (unsigned class = 0; class < census->n; class++) {
		struct labels labels = { 0 };

		for (; labels.n < CENSUS_LABELS_MAX && census->labels[labels.n]; labels.n++)
			labels.of[labels.n] = (struct label){ census->labels[labels.n], census->value(class, labels.n) };
		exposition_sample(exposition, &family, &labels, s->cache.classes[kind][class]);
	}
}

static void put_all(FILE *out, const struct parts *parts)
{
	struct exposition exposition = { .out = out };
	struct scrape scrape;

	scrape_gather(&scrape, parts);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		put_metric(&exposition, &metrics[i], &scrape);
	for (int kind = 0; kind < KIND_COUNT; kind++)
		put_census(&exposition, &scrape, (enum kind_id)kind);
}

bool metrics_handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	static const char hint[] = "try /metrics\n";
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	(void)exchange;
	*reply = (struct server_reply){ .status = 500, .content_type = "text/plain; charset=utf-8" };
	if (strcmp(request->path, "/metrics") != 0) {
		reply->status = 404;
		reply->body = memory_strdup(hint);
		reply->body_len = sizeof(hint) - 1;
	} else if ((out = open_memstream(&text, &len))) {
		put_all(out, context);
		fclose(out);
		*reply = (struct server_reply){ .status = 200, .content_type = EXPOSITION_CONTENT_TYPE, .body = text, .body_len = len };
	}
	return true;
}
