/*
 * Owns: what is healthy, and the texts that say so. Liveness is about this process alone, since killing it cures nothing else; readiness
 * is about what is believed of the cluster. Must not know: how the texts are served, how anything is decided. Changes nothing.
 */
#include "health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "debug.h"
#include "memory.h"

enum { WHY_SIZE = 2048 };
enum { LIVE = 1, READY = 2 };

static int64_t mono(const struct parts *parts)
{
	const struct port *port = parts->manager->config.port;

	return port->monotonic_ms(port->self);
}

/* ---- the checks ---- */

__attribute__((format(printf, 2, 3))) static void because(char why[WHY_SIZE], const char *format, ...)
{
	size_t used = strlen(why);
	va_list args;

	va_start(args, format);
	vsnprintf(why + used, WHY_SIZE - used, format, args);
	va_end(args);
}

static bool answers(const struct parts *parts, char why[WHY_SIZE])
{
	(void)parts;
	(void)why;
	return true;
}

static bool keeps_up(const struct parts *parts, char why[WHY_SIZE])
{
	if (loop_is_sluggish(parts->loop))
		because(why, "the event loop has been late by more than a second, again and again");
	return !*why;
}

static const char *const server_words[] = {
	[SERVER_FINE] = "",
	[SERVER_SILENT] = "the API server does not answer; ",
	[SERVER_TROUBLED] = "the API server answers with errors; ",
	[SERVER_UNAUTHORIZED] = "the API server does not accept our credentials; ",
};

static const char *const kind_words[] = {
	[KIND_UNHEARD] = "", [KIND_FINE] = "", [KIND_MISSING] = " (its definition is missing)", [KIND_REFUSED] = " (not allowed)",
	[KIND_FAILING] = " (failing)",
};

static bool has_synced(const struct parts *parts, char why[WHY_SIZE])
{
	const struct manager *m = parts->manager;
	const char *before = "not listed yet: ";

	if (m->synced)
		return true;
	because(why, "%s", server_words[m->server]);
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		if (informer_synced(&m->informers[k]))
			continue;
		because(why, "%s%s%s", before, kinds[k].resource->plural, kind_words[m->states[k]]);
		before = ", ";
	}
	return false;
}

/* What has not been heard of at all is the business of caches-synced. */
static bool hears_the_server(const struct parts *parts, char why[WHY_SIZE])
{
	const struct manager *m = parts->manager;
	int64_t now = mono(parts);
	const char *before = "";

	for (unsigned k = 0; k < KIND_COUNT; k++) {
		int64_t heard_at = m->informers[k].stats.heard_at;

		if (!heard_at || now - heard_at <= parts->stale_ms)
			continue;
		because(why, "%s%s: nothing heard for %lld s%s", before, kinds[k].resource->plural, (long long)(now - heard_at) / 1000,
			kind_words[m->states[k]]);
		before = ", ";
	}
	return !*why;
}

static bool has_certificate(const struct parts *parts, char why[WHY_SIZE])
{
	const struct port *port = parts->manager->config.port;

	if (parts->certs && certkeeper_stats(parts->certs).expires <= port->now(port->self))
		because(why, "there is no certificate to serve, or it has expired; the log says what it waits for");
	return !*why;
}

static bool goes_on(const struct parts *parts, char why[WHY_SIZE])
{
	if (parts->stopping)
		because(why, "stopping");
	return !*why;
}

static const struct check {
	const char *name;
	unsigned asks; /* LIVE, READY */
	bool (*passes)(const struct parts *, char why[WHY_SIZE]); /* why is empty before */
} checks[] = {
	{ "ping", LIVE | READY, answers },
	{ "loop-lag", LIVE, keeps_up },
	{ "caches-synced", READY, has_synced },
	{ "watches-fresh", READY, hears_the_server },
	{ "webhook-certificate", READY, has_certificate },
	{ "shutdown", READY, goes_on },
};

static const struct {
	const char *path;
	unsigned asks;
} endpoints[] = { { "/healthz", LIVE }, { "/livez", LIVE }, { "/readyz", READY } };

enum { CHECKS = sizeof(checks) / sizeof(checks[0]), ENDPOINTS = sizeof(endpoints) / sizeof(endpoints[0]) };

void health_each(const struct parts *parts, void (*see)(void *context, const char *check, const char *why), void *context)
{
	for (size_t i = 0; i < CHECKS; i++) {
		char why[WHY_SIZE] = "";

		see(context, checks[i].name, checks[i].passes(parts, why) ? NULL : why);
	}
}

/* ---- what is asked ---- */

struct param {
	const char *key, *value;
	int key_len, value_len;
};

/* The next of "a&b=c", and on to the one after it; false at the end. */
static bool next_param(const char **query, struct param *param)
{
	const char *at = *query;
	size_t len = strcspn(at, "&"), key_len = strcspn(at, "=&");

	if (!*at)
		return false;
	*param = (struct param){ .key = at, .key_len = (int)key_len, .value = at + len };
	if (key_len < len) {
		param->value = at + key_len + 1;
		param->value_len = (int)(len - key_len - 1);
	}
	*query = at + len + (at[len] == '&');
	return true;
}

static bool is_text(const char *text, int len, const char *wanted)
{
	return (size_t)len == strlen(wanted) && memcmp(text, wanted, (size_t)len) == 0;
}

static bool is_verbose(const char *query)
{
	struct param param;

	while (next_param(&query, &param))
		if (is_text(param.key, param.key_len, "verbose"))
			return true;
	return false;
}

static bool is_excluded(const char *query, const char *name)
{
	struct param param;

	while (next_param(&query, &param))
		if (is_text(param.key, param.key_len, "exclude") && is_text(param.value, param.value_len, name))
			return true;
	return false;
}

static bool is_check(unsigned asked, const char *name, int len)
{
	for (size_t i = 0; i < CHECKS; i++)
		if ((checks[i].asks & asked) && is_text(name, len, checks[i].name))
			return true;
	return false;
}

/* ---- what is answered ---- */

static void answer(struct server_reply *reply, int status, char *body, size_t len)
{
	*reply = (struct server_reply){ .status = status, .content_type = "text/plain; charset=utf-8", .body = body, .body_len = len };
}

static void answer_text(struct server_reply *reply, int status, char *text)
{
	answer(reply, status, text, strlen(text));
}

static void warn_of_unknown(FILE *out, unsigned asked, const char *query)
{
	const char *before = "warn: some health checks cannot be excluded: no matches for ";
	struct param param;

	while (next_param(&query, &param)) {
		if (!is_text(param.key, param.key_len, "exclude") || is_check(asked, param.value, param.value_len))
			continue;
		fprintf(out, "%s\"%.*s\"", before, param.value_len, param.value);
		before = ",";
	}
	if (*before == ',')
		fputc('\n', out);
}

/* The lines of k8s.io/apiserver's healthz. */
static void report(const struct parts *parts, unsigned asked, const char *endpoint, const char *query, struct server_reply *reply)
{
	bool ok = true;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out) {
		answer(reply, 500, NULL, 0);
		return;
	}
	for (size_t i = 0; i < CHECKS; i++) {
		char why[WHY_SIZE] = "";

		if (!(checks[i].asks & asked))
			continue;
		if (is_excluded(query, checks[i].name)) {
			fprintf(out, "[+]%s excluded: ok\n", checks[i].name);
		} else if (checks[i].passes(parts, why)) {
			fprintf(out, "[+]%s ok\n", checks[i].name);
		} else {
			ok = false;
			fprintf(out, "[-]%s failed: %s\n", checks[i].name, why);
		}
	}
	warn_of_unknown(out, asked, query);
	fprintf(out, "%s check %s\n", endpoint, ok ? "passed" : "failed");
	fclose(out);
	if (ok && !is_verbose(query)) {
		len = strlen("ok"); /* shorter than any report */
		memcpy(text, "ok", len);
	}
	answer(reply, ok ? 200 : 500, text, len);
}

static void report_one(const struct parts *parts, unsigned asked, const char *name, struct server_reply *reply)
{
	for (size_t i = 0; i < CHECKS; i++) {
		char why[WHY_SIZE] = "";

		if (!(checks[i].asks & asked) || strcmp(checks[i].name, name) != 0)
			continue;
		if (checks[i].passes(parts, why))
			answer_text(reply, 200, memory_strdup("ok"));
		else
			answer_text(reply, 500, memory_printf("internal server error: %s\n", why));
		return;
	}
	answer_text(reply, 404, memory_printf("no such check here\n"));
}

bool health_handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	const struct parts *parts = context;

	(void)exchange;
	if (strncmp(request->path, "/debug/", strlen("/debug/")) == 0) {
		debug_handle(parts, request, reply);
		return true;
	}
	for (size_t i = 0; i < ENDPOINTS; i++) {
		size_t len = strlen(endpoints[i].path);
		const char *rest = request->path + len;

		if (strncmp(request->path, endpoints[i].path, len) != 0 || (*rest && *rest != '/'))
			continue;
		if (strcmp(request->method, "PUT") == 0)
			answer_text(reply, 405, memory_strdup("only GET and HEAD\n"));
		else if (!*rest || !rest[1])
			report(parts, endpoints[i].asks, endpoints[i].path + 1, request->query, reply);
		else
			report_one(parts, endpoints[i].asks, rest + 1, reply);
		return true;
	}
	answer_text(reply, 404, memory_strdup("try /livez, /readyz, /healthz, or from this host /debug/state or /debug/loglevel\n"));
	return true;
}
