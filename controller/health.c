/*
 * Owns: the texts that the health and metrics addresses answer.
 * Must not know: how they are served, how anything is decided. Changes nothing.
 */
#include "health.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(struct server_reply *reply, int status, const char *type, char *body, size_t len)
{
	*reply = (struct server_reply){ .status = status, .content_type = type, .body = body, .body_len = len };
}

struct check {
	const char *name;
	bool ok;
	const char *why;
};

static void report(const struct check *checks, size_t n, const char *what, bool verbose, struct server_reply *reply)
{
	bool ok = true;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	for (size_t i = 0; i < n; i++)
		ok &= checks[i].ok;
	out = open_memstream(&text, &len);
	if (!out) {
		answer(reply, 500, "text/plain; charset=utf-8", NULL, 0);
		return;
	}
	if (ok && !verbose) {
		fputs("ok", out);
	} else { /* the lines of controller-runtime's healthz */
		for (size_t i = 0; i < n; i++)
			fprintf(out, "[%c]%s %s%s\n", checks[i].ok ? '+' : '-', checks[i].name, checks[i].ok ? "ok" : "failed: ",
				checks[i].ok ? "" : checks[i].why);
		fprintf(out, "%s check %s\n", what, ok ? "passed" : "failed");
	}
	fclose(out);
	answer(reply, ok ? 200 : 500, "text/plain; charset=utf-8", text, len);
}

static bool has_certificate(const struct health *health)
{
	const struct port *port = health->manager->config.port;

	return !health->certs || certkeeper_stats(health->certs).expires > port->now(port->self);
}

bool health_handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	const struct health *health = context;
	const struct check live[] = { { .name = "ping", .ok = true, .why = "" } };
	const struct check ready[] = {
		{ .name = "ping", .ok = true, .why = "" },
		{ .name = "caches-synced", .ok = health->manager->synced, .why = "not every kind has been listed yet" },
		{ .name = "webhook-certificate", .ok = has_certificate(health),
		  .why = "there is no certificate to serve, or it has expired; the log says what it waits for" },
		{ .name = "shutdown", .ok = !health->manager->stopping, .why = "stopping" },
	};
	bool verbose = strstr(request->query, "verbose") != NULL;

	(void)exchange;
	if (strcmp(request->path, "/healthz") == 0 || strcmp(request->path, "/livez") == 0)
		report(live, 1, request->path + 1, verbose, reply);
	else if (strcmp(request->path, "/readyz") == 0)
		report(ready, sizeof(ready) / sizeof(ready[0]), "readyz", verbose, reply);
	else
		answer(reply, 404, "text/plain; charset=utf-8", strdup("try /healthz, /livez or /readyz\n"), 32);
	return true;
}

static void family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *kind_label(unsigned kind)
{
	return kinds[kind].resource->kind;
}

static void reconcile_metrics(FILE *out, const struct manager *m)
{
	const struct dispatch_stats *s = &m->dispatch.stats;
	const struct writer_stats *w = writer_stats(m->writer);
	struct queue_stats q = queue_stats(m->queue, m->config.port->monotonic_ms(m->config.port->self));

	family(out, "tollgate_reconciles_total", "counter", "Decisions taken, by kind.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		fprintf(out, "tollgate_reconciles_total{kind=\"%s\"} %" PRIu64 "\n", kind_label(k), s->reconciles[k]);
	family(out, "tollgate_reconcile_errors_total", "counter", "Requests that failed and are tried again, conflicts not counted, by kind.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		fprintf(out, "tollgate_reconcile_errors_total{kind=\"%s\"} %" PRIu64 "\n", kind_label(k), s->errors[k]);
	family(out, "tollgate_requests_total", "counter", "Requests about single objects, by what they ask.");
	for (unsigned t = 0; t < WRITE_TYPES; t++)
		fprintf(out, "tollgate_requests_total{request=\"%s\"} %" PRIu64 "\n", write_type_names[t], w->started[t]);
	family(out, "tollgate_write_conflicts_total", "counter", "Writes that met a newer version of their object.");
	fprintf(out, "tollgate_write_conflicts_total %" PRIu64 "\n", w->conflicts);
	family(out, "tollgate_requests_in_flight", "gauge", "Requests about single objects under way.");
	fprintf(out, "tollgate_requests_in_flight %u\n", w->in_flight);
	family(out, "workqueue_depth", "gauge", "Keys that are ready to be decided.");
	fprintf(out, "workqueue_depth{controller=\"tollgate\",name=\"tollgate\"} %zu\n", q.depth);
	family(out, "workqueue_adds_total", "counter", "Keys added to the queue.");
	fprintf(out, "workqueue_adds_total{controller=\"tollgate\",name=\"tollgate\"} %" PRIu64 "\n", q.adds_total);
	family(out, "workqueue_retries_total", "counter", "Keys put back after a failure.");
	fprintf(out, "workqueue_retries_total{controller=\"tollgate\",name=\"tollgate\"} %" PRIu64 "\n", q.retries_total);
}

static void cache_metrics(FILE *out, const struct manager *m)
{
	struct cache_stats c;

	cache_stats(m->cache, &c);
	family(out, "tollgate_objects", "gauge", "Objects in the cache, by kind.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		fprintf(out, "tollgate_objects{kind=\"%s\"} %zu\n", kind_label(k), c.objects[k]);
	family(out, "tollgate_object_bytes", "gauge", "Bytes of the cached records, by kind.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		fprintf(out, "tollgate_object_bytes{kind=\"%s\"} %zu\n", kind_label(k), c.bytes[k]);
	family(out, "tollgate_unreadable_objects_total", "counter", "Objects that could not be read, by kind; the log names them.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		fprintf(out, "tollgate_unreadable_objects_total{kind=\"%s\"} %" PRIu64 "\n", kind_label(k), m->informers[k].stats.unreadable);
	family(out, "tollgate_watch_failures_total", "counter", "Lists and watches that broke, by kind.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		fprintf(out, "tollgate_watch_failures_total{kind=\"%s\"} %" PRIu64 "\n", kind_label(k), m->informers[k].stats.failures);
}

/* Prometheus' histograms count up: each bucket holds those before it. */
static void admission_times(FILE *out, const struct webhook_stats *s)
{
	family(out, "tollgate_admission_seconds", "histogram", "Time from the whole review to its answer, by path.");
	for (int i = 0; i < WEBHOOKS; i++) {
		uint64_t sum = 0;
		for (int b = 0; b < WEBHOOK_BUCKETS; b++) {
			sum += s->paths[i].buckets[b];
			fprintf(out, "tollgate_admission_seconds_bucket{webhook=\"%s\",le=\"%s\"} %" PRIu64 "\n", webhook_paths[i],
				webhook_bucket_names[b], sum);
		}
		fprintf(out, "tollgate_admission_seconds_sum{webhook=\"%s\"} %.9g\n", webhook_paths[i], s->paths[i].seconds);
		fprintf(out, "tollgate_admission_seconds_count{webhook=\"%s\"} %" PRIu64 "\n", webhook_paths[i], sum);
	}
}

static void admission_counts(FILE *out, const struct webhook_stats *s)
{
	family(out, "controller_runtime_webhook_requests_total", "counter", "Admission requests, by path and HTTP code.");
	for (int i = 0; i < WEBHOOKS; i++) {
		fprintf(out, "controller_runtime_webhook_requests_total{code=\"200\",webhook=\"%s\"} %" PRIu64 "\n", webhook_paths[i],
			s->paths[i].ok);
		fprintf(out, "controller_runtime_webhook_requests_total{code=\"400\",webhook=\"%s\"} %" PRIu64 "\n", webhook_paths[i],
			s->paths[i].bad);
		fprintf(out, "controller_runtime_webhook_requests_total{code=\"503\",webhook=\"%s\"} %" PRIu64 "\n", webhook_paths[i],
			s->paths[i].unavailable);
	}
	family(out, "tollgate_admission_refused_total", "counter", "Reviews that were answered with a refusal.");
	for (int i = 0; i < WEBHOOKS; i++)
		fprintf(out, "tollgate_admission_refused_total{webhook=\"%s\"} %" PRIu64 "\n", webhook_paths[i], s->paths[i].refused);
	family(out, "tollgate_admission_looks_total", "counter", "Requests to the API server before an answer, where the cache may be behind.");
	for (int i = 0; i < WEBHOOKS; i++)
		fprintf(out, "tollgate_admission_looks_total{webhook=\"%s\"} %" PRIu64 "\n", webhook_paths[i], s->paths[i].looks);
	family(out, "tollgate_admission_in_flight", "gauge", "Reviews not answered yet.");
	fprintf(out, "tollgate_admission_in_flight %u\n", s->in_flight);
}

static void admission_metrics(FILE *out, const struct health *health)
{
	const struct server_stats server = server_stats(health->webhook_server);
	const struct certkeeper_stats certs = certkeeper_stats(health->certs);

	admission_counts(out, webhook_stats(health->webhook));
	admission_times(out, webhook_stats(health->webhook));
	family(out, "tollgate_webhook_connections", "gauge", "Connections to the webhook that are open.");
	fprintf(out, "tollgate_webhook_connections %u\n", server.connections);
	family(out, "tollgate_webhook_connections_cut_total", "counter", "Connections cut off, by reason.");
	fprintf(out, "tollgate_webhook_connections_cut_total{reason=\"slow\"} %lu\n", server.timed_out);
	fprintf(out, "tollgate_webhook_connections_cut_total{reason=\"crowded\"} %lu\n", server.evicted);
	family(out, "tollgate_cert_expiry_timestamp_seconds", "gauge", "When the webhook's certificate expires; 0 = there is none yet.");
	fprintf(out, "tollgate_cert_expiry_timestamp_seconds %" PRId64 "\n", (int64_t)(certs.expires / 1000));
	family(out, "tollgate_cert_bundle_in_step", "gauge", "1 when the webhook configurations held the CA at the last look, every 10 s; with --webhook-cert-dir always.");
	fprintf(out, "tollgate_cert_bundle_in_step %d\n", certs.in_step);
	family(out, "tollgate_cert_rotations_total", "counter", "Certificates that this process made, or took from a changed --webhook-cert-dir.");
	fprintf(out, "tollgate_cert_rotations_total %lu\n", certs.rotations);
	family(out, "certwatcher_read_certificate_total", "counter", "Times the certificate was read.");
	fprintf(out, "certwatcher_read_certificate_total %lu\n", certs.reads);
	family(out, "certwatcher_read_certificate_errors_total", "counter", "Times that failed.");
	fprintf(out, "certwatcher_read_certificate_errors_total %lu\n", certs.read_errors);
}

bool metrics_handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	const struct health *health = context;
	const struct http_stats *h = http_stats(health->http);
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	(void)exchange;
	if (strcmp(request->path, "/metrics") != 0) {
		answer(reply, 404, "text/plain; charset=utf-8", strdup("try /metrics\n"), 13);
		return true;
	}
	out = open_memstream(&text, &len);
	if (!out) {
		answer(reply, 500, "text/plain; charset=utf-8", NULL, 0);
		return true;
	}
	reconcile_metrics(out, health->manager);
	cache_metrics(out, health->manager);
	family(out, "tollgate_http_requests_total", "counter", "Requests sent to the API server.");
	fprintf(out, "tollgate_http_requests_total %" PRIu64 "\n", h->requests);
	family(out, "tollgate_http_connections_total", "counter", "Connections opened to the API server.");
	fprintf(out, "tollgate_http_connections_total %" PRIu64 "\n", h->connections);
	if (health->webhook)
		admission_metrics(out, health);
	fclose(out);
	answer(reply, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
	return true;
}
