/*
 * The yardstick of `make bench`: a client that does nothing but requests. It sends those of a file over N streams of one HTTP/2
 * connection (libcurl's multi interface, GnuTLS) and prints one JSON line: how many, how long, how much CPU. It decides nothing,
 * parses nothing and shares no code with Tollgate, so that no client of the same API server can be much faster.
 *
 *     bare MODE FILE STREAMS URL CA CERT KEY     MODE: load (POST), patch (merge patch), get
 *
 * FILE has one request a line: the path and, but for get, a tab and the body. Only loopback URLs are accepted.
 * Exit codes: 0 all were answered 2xx; 1 some were not (the first is shown), or it took longer than ten minutes; 2 wrong usage.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS_MAX = 256, ANSWER_KEPT = 400, PROGRESS_MS = 500, DEADLINE_S = 600, EXIT_USAGE = 2 };

struct mode {
	const char *name, *method, *content_type;
};

static const struct mode modes[] = {
	{ "load", "POST", "Content-Type: application/json" },
	{ "patch", "PATCH", "Content-Type: application/merge-patch+json" },
	{ "get", "GET", NULL },
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
	const char *url;
	struct plan plan;
	CURLM *multi;
	struct curl_slist *headers;
	struct stream streams[STREAMS_MAX];
	size_t in_flight, done, failed;
	unsigned long long bytes_sent, bytes_received;
	bool terminal;
	double began, shown;
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bare: %s: %s\n", what, why);
	exit(EXIT_USAGE);
}

static void plan_read(struct plan *plan, const char *path)
{
	FILE *file = fopen(path, "r");
	size_t room = 0;

	if (!file)
		fail(path, "cannot be opened");
	if (getdelim(&plan->text, &room, '\0', file) <= 0)
		fail(path, "is empty");
	fclose(file);
	plan->next = plan->text;
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

static void open_streams(struct bare *bare, size_t n, const char *ca, const char *cert, const char *key)
{
	bare->multi = curl_multi_init();
	curl_multi_setopt(bare->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L);
	if (bare->mode->content_type)
		bare->headers = curl_slist_append(NULL, bare->mode->content_type);
	for (size_t i = 0; i < n; i++) {
		struct stream *stream = &bare->streams[i];
		CURL *easy = curl_easy_init();

		*stream = (struct stream){ .bare = bare, .easy = easy };
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
		curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* rather wait for the one connection than open another */
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
		curl_easy_setopt(easy, CURLOPT_SSLCERT, cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
		curl_easy_setopt(easy, CURLOPT_USERAGENT, "tollgate-bench-bare");
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, bare->mode->method);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, bare->headers);
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
	snprintf(url, sizeof(url), "%s%s", bare->url, stream->path);
	curl_easy_setopt(stream->easy, CURLOPT_URL, url);
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

static void show_progress(struct bare *bare, bool last)
{
	double now = seconds(CLOCK_MONOTONIC);

	if (!bare->terminal || (!last && now - bare->shown < PROGRESS_MS / 1e3))
		return;
	bare->shown = now;
	fprintf(stderr, "\r\033[K");
	if (!last)
		fprintf(stderr, "  %s: %zu of %zu, %.0f s", bare->mode->name, bare->done, bare->plan.n, now - bare->began);
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
		show_progress(bare, false);
		if (seconds(CLOCK_MONOTONIC) - bare->began > DEADLINE_S) {
			fprintf(stderr, "bare: gave up after %d s\n", DEADLINE_S);
			exit(EXIT_FAILURE);
		}
		if (bare->in_flight) /* what was added above makes it return at once */
			curl_multi_poll(bare->multi, NULL, 0, PROGRESS_MS, NULL);
	}
	show_progress(bare, true);
}

static void report(const struct bare *bare, size_t n_streams)
{
	double wall = seconds(CLOCK_MONOTONIC) - bare->began, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
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
	free(bare->plan.text);
}

int main(int argc, char **argv)
{
	static struct bare bare;
	size_t n_streams;

	if (argc != 8)
		fail("usage", "bare load|patch|get FILE STREAMS URL CA CERT KEY");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			bare.mode = &modes[i];
	n_streams = strtoul(argv[3], NULL, 10);
	bare.url = argv[4];
	if (!bare.mode)
		fail(argv[1], "is none of load, patch, get");
	if (!n_streams || n_streams > STREAMS_MAX)
		fail(argv[3], "is no number of streams between 1 and 256");
	if (strncmp(bare.url, "https://127.0.0.1:", 18) != 0)
		fail(bare.url, "is not on loopback; no other server is to be loaded");
	plan_read(&bare.plan, argv[2]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	bare.terminal = isatty(STDERR_FILENO);
	bare.began = seconds(CLOCK_MONOTONIC);
	open_streams(&bare, n_streams, argv[5], argv[6], argv[7]);
	run(&bare, n_streams);
	report(&bare, n_streams);
	close_streams(&bare, n_streams);
	curl_global_cleanup();
	return bare.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
