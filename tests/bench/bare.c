/*
 * The yardstick of `make bench`: a client that does nothing but requests. It sends those of a file over N streams, spread over so
 * many HTTP/2 connections (libcurl's multi interface, one thread), and prints one JSON line: how many, how long, how much CPU. It
 * decides nothing, parses nothing and shares no code with Tollgate, so that no client of the same API server can be much faster.
 *
 *     bare MODE FILE STREAMS CONNECTIONS URL CA CERT KEY     MODE: load (POST), patch, get, delete
 *
 * FILE has one request a line: the path and, where there is one, a tab and the body. A patch that begins with [ is a JSON patch,
 * any other a merge patch. Only loopback URLs are accepted.
 * Exit codes: 0 all were answered 2xx; 1 some were not (the first is shown), or it took longer than an hour; 2 wrong usage.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"

enum { STREAMS_MAX = 256, ANSWER_KEPT = 400, REPORT_MS = 500, LOOK_MS = 10, DEADLINE_S = 3600 };

struct mode {
	const char *name, *method, *content_type;
};

static const struct mode modes[] = {
	{ "load", "POST", "Content-Type: application/json" },
	{ "patch", "PATCH", "Content-Type: application/merge-patch+json" },
	{ "get", "GET", NULL },
	{ "delete", "DELETE", NULL },
};

/* The requests: the file as it was read, cut into lines and fields. */
struct plan {
	char *text, *next; /* next: the first line not yet sent; NULL after the last */
	size_t n;
};

struct stream {
	struct bare *bare;
	CURL *easy;
	char *path;
	char answer[ANSWER_KEPT + 1]; /* the beginning of the body, for the message when it is a refusal */
	size_t answer_len;
};

struct bare {
	const struct mode *mode;
	struct server server;
	struct plan plan;
	CURLM *multi;
	struct curl_slist *headers, *json_patch;
	struct stream streams[STREAMS_MAX];
	size_t in_flight, done, failed;
	unsigned long long bytes_sent, bytes_received;
	bool reports; /* how far it is, a line a time on stderr: whoever started it shows it to people */
	double began, shown;
};

static void plan_read(struct plan *plan, const char *path)
{
	plan->text = plan->next = client_read_file(path);
	for (char *c = plan->text; *c; c++)
		plan->n += *c == '\n';
}

/* Cuts off the next line. False when there is none. */
static bool plan_take(struct plan *plan, char **path, char **body)
{
	char *line = plan->next, *end = line ? strchr(line, '\n') : NULL;

	if (!end)
		return false;
	*end = '\0';
	plan->next = end[1] ? end + 1 : NULL;
	*path = line;
	*body = strchr(line, '\t');
	if (*body)
		*(*body)++ = '\0';
	return true;
}

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
	struct stream *stream = context;
	size_t len = size * n, room = ANSWER_KEPT - stream->answer_len, kept = len < room ? len : room;

	memcpy(stream->answer + stream->answer_len, data, kept);
	stream->answer_len += kept;
	stream->bare->bytes_received += len;
	return len;
}

static void open_streams(struct bare *bare, size_t n, size_t n_connections)
{
	bare->multi = curl_multi_init();
	curl_multi_setopt(bare->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)n_connections);
	/* A connection that is full makes libcurl open the next. */
	curl_multi_setopt(bare->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)((n + n_connections - 1) / n_connections));
	if (bare->mode->content_type)
		bare->headers = curl_slist_append(NULL, bare->mode->content_type);
	bare->json_patch = curl_slist_append(NULL, "Content-Type: application/json-patch+json");
	for (size_t i = 0; i < n; i++) {
		struct stream *stream = &bare->streams[i];
		CURL *easy = client_easy(&bare->server);

		*stream = (struct stream){ .bare = bare, .easy = easy };
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, bare->mode->method);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
		curl_easy_setopt(easy, CURLOPT_PRIVATE, stream);
	}
}

static void send_next(struct stream *stream)
{
	struct bare *bare = stream->bare;
	char url[2048], *body;

	if (!plan_take(&bare->plan, &stream->path, &body))
		return;
	snprintf(url, sizeof(url), "%s%s", bare->server.url, stream->path);
	curl_easy_setopt(stream->easy, CURLOPT_URL, url);
	curl_easy_setopt(stream->easy, CURLOPT_HTTPHEADER, body && *body == '[' ? bare->json_patch : bare->headers);
	if (body) {
		curl_easy_setopt(stream->easy, CURLOPT_POSTFIELDS, body);
		bare->bytes_sent += strlen(body);
	}
	stream->answer_len = 0;
	curl_multi_add_handle(bare->multi, stream->easy);
	bare->in_flight++;
}

static void finish(struct stream *stream, CURLcode result)
{
	struct bare *bare = stream->bare;
	long status = 0;

	curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(bare->multi, stream->easy);
	bare->in_flight--;
	bare->done++;
	if (result == CURLE_OK && status >= 200 && status < 300)
		return;
	stream->answer[stream->answer_len] = '\0';
	if (!bare->failed++)
		fprintf(stderr, "bare: %s %s: %ld %s\n%s\n", bare->mode->method, stream->path, status, curl_easy_strerror(result),
			stream->answer);
}

static void show_progress(struct bare *bare)
{
	double now = client_seconds(CLOCK_MONOTONIC);

	if (!bare->reports || now - bare->shown < REPORT_MS / 1e3)
		return;
	bare->shown = now;
	fprintf(stderr, "%zu of %zu\n", bare->done, bare->plan.n);
}

static void run(struct bare *bare, size_t n_streams)
{
	for (size_t i = 0; i < n_streams; i++)
		send_next(&bare->streams[i]);
	while (bare->in_flight) {
		CURLMsg *message;
		int left;

		curl_multi_perform(bare->multi, &left);
		while ((message = curl_multi_info_read(bare->multi, &left))) {
			struct stream *stream;
			CURLcode result = message->data.result; /* message dies with the handle's removal */

			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &stream);
			finish(stream, result);
			send_next(stream);
		}
		show_progress(bare);
		if (client_seconds(CLOCK_MONOTONIC) - bare->began > DEADLINE_S) {
			fprintf(stderr, "bare: gave up after %d s\n", DEADLINE_S);
			exit(EXIT_FAILURE);
		}
		/* What was added above makes it return at once; and curl may have left something of what came (controller/http.c). */
		if (bare->in_flight)
			curl_multi_poll(bare->multi, NULL, 0, LOOK_MS, NULL);
	}
}

static void report(const struct bare *bare, size_t n_streams)
{
	double wall = client_seconds(CLOCK_MONOTONIC) - bare->began, cpu = client_seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"mode\": \"%s\", \"streams\": %zu, \"requests\": %zu, \"failed\": %zu, \"seconds\": %.3f, \"cpu_seconds\": %.3f, "
	       "\"per_second\": %.1f, \"bytes_sent\": %llu, \"bytes_received\": %llu, \"peak_rss_kib\": %ld}\n",
	       bare->mode->name, n_streams, bare->done, bare->failed, wall, cpu, (double)bare->done / wall, bare->bytes_sent,
	       bare->bytes_received, usage.ru_maxrss);
}

static void close_streams(struct bare *bare, size_t n)
{
	for (size_t i = 0; i < n; i++)
		curl_easy_cleanup(bare->streams[i].easy);
	curl_multi_cleanup(bare->multi);
	curl_slist_free_all(bare->headers);
	curl_slist_free_all(bare->json_patch);
	free(bare->plan.text);
}

static size_t number(const char *text, size_t max, const char *why)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > max)
		client_fail(text, why);
	return n;
}

int main(int argc, char **argv)
{
	static struct bare bare;
	size_t n_streams, n_connections;

	if (argc != 9)
		client_fail("usage", "bare load|patch|get|delete FILE STREAMS CONNECTIONS URL CA CERT KEY");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			bare.mode = &modes[i];
	if (!bare.mode)
		client_fail(argv[1], "is none of load, patch, get, delete");
	n_streams = number(argv[3], STREAMS_MAX, "is no number of streams between 1 and 256");
	n_connections = number(argv[4], n_streams, "is no number of connections between 1 and that of the streams");
	bare.server = server_from(&argv[5]);
	plan_read(&bare.plan, argv[2]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	bare.reports = !isatty(STDERR_FILENO);
	bare.began = client_seconds(CLOCK_MONOTONIC);
	open_streams(&bare, n_streams, n_connections);
	run(&bare, n_streams);
	report(&bare, n_streams);
	close_streams(&bare, n_streams);
	curl_global_cleanup();
	return bare.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
