/*
 * The yardstick of latency: a client that holds a watch, and for each object that is added sends what the plan says, on the same HTTP/2
 * connection. It reads nothing of the object and decides nothing, so that no controller can be much quicker.
 *
 *     react FILE URL CA CERT KEY
 *
 * FILE's first line is the path to watch, with its query. Behind it is a round an object, in the order in which they come: a line a request,
 * "METHOD path body", and an empty line at its end. The first is sent at once, the others when it has been answered. PATCHes are merge
 * patches. Prints "watching" when the watch has begun, and ends when all has been answered.
 * Exit codes: 0 all were answered 2xx; 1 one was not, or the watch ended; 2 wrong usage.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { ANSWERS_AT_ONCE = 64, WAIT_MS = 1000 };

enum { PATCH, POST, METHODS };

struct line {
	unsigned method;
	char *path, *body;
};

struct react {
	struct server server;
	const char *watched;
	char *rest; /* of the plan */
	CURLM *multi;
	struct curl_slist *headers[METHODS];
	CURL *watch;
	CURL *idle[ANSWERS_AT_ONCE]; /* handles that send nothing just now */
	size_t n_idle;
	size_t n_due; /* objects that were seen, rounds not begun yet: libcurl takes no new transfer inside a callback */
	char *line; /* of the watch, as far as it has come */
	size_t line_len, line_room;
	bool failed;
};

static void give_up(struct react *r, const char *what, const char *why)
{
	fprintf(stderr, "react: %s: %s\n", what, why);
	r->failed = true;
}

static void take_line(struct react *r, const char *line)
{
	static const char added[] = "{\"type\":\"ADDED\"";

	r->n_due += strncmp(line, added, sizeof(added) - 1) == 0;
}

static size_t on_event(char *data, size_t size, size_t n, void *context)
{
	struct react *r = context;
	size_t len = size * n;
	char *from, *end;

	if (r->line_len + len + 1 > r->line_room) {
		r->line_room = 2 * (r->line_len + len + 1);
		r->line = realloc(r->line, r->line_room);
		if (!r->line)
			client_fail("a line of the watch", "no memory");
	}
	memcpy(r->line + r->line_len, data, len);
	r->line_len += len;
	r->line[r->line_len] = '\0';
	for (from = r->line; (end = strchr(from, '\n')); from = end + 1) {
		*end = '\0';
		take_line(r, from);
	}
	r->line_len -= (size_t)(from - r->line);
	memmove(r->line, from, r->line_len + 1);
	return len;
}

static size_t on_header(char *data, size_t size, size_t n, void *context)
{
	(void)context;
	if (size * n == 2 && data[0] == '\r') { /* the end of the headers */
		printf("watching\n");
		fflush(stdout);
	}
	return size * n;
}

static size_t on_answer(char *data, size_t size, size_t n, void *context)
{
	(void)data;
	(void)context;
	return size * n;
}

static void open_all(struct react *r)
{
	char url[2048];

	r->multi = curl_multi_init();
	curl_multi_setopt(r->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L);
	r->headers[PATCH] = curl_slist_append(NULL, "Content-Type: application/merge-patch+json");
	r->headers[POST] = curl_slist_append(NULL, "Content-Type: application/json");
	for (size_t i = 0; i < ANSWERS_AT_ONCE; i++) {
		CURL *easy = client_easy(&r->server);

		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
		r->idle[r->n_idle++] = easy;
	}
	snprintf(url, sizeof(url), "%s%s", r->server.url, r->watched);
	r->watch = client_easy(&r->server);
	curl_easy_setopt(r->watch, CURLOPT_URL, url);
	curl_easy_setopt(r->watch, CURLOPT_WRITEFUNCTION, on_event);
	curl_easy_setopt(r->watch, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->watch, CURLOPT_HEADERFUNCTION, on_header);
	curl_multi_add_handle(r->multi, r->watch);
}

/* The plan's next line; false where it is empty, or the plan has ended. */
static bool next_line(char **rest, struct line *line)
{
	char *text = strsep(rest, "\n"), *method = text && *text ? strsep(&text, " ") : NULL;

	if (method && !*rest)
		client_fail(method, "and what follows is the plan's last line, and has no end");
	line->path = method ? strsep(&text, " ") : NULL;
	line->body = text;
	if (method && !line->body)
		client_fail(method, "is followed by no path and body");
	line->method = method && strcmp(method, "POST") == 0 ? POST : PATCH;
	return method;
}

/* `then`: what is to be sent when it has been answered; NULL for nothing. */
static void send_line(struct react *r, const struct line *line, char *then)
{
	static const char *const methods[METHODS] = { "PATCH", "POST" };
	char url[2048];
	CURL *easy;

	if (!r->n_idle) {
		give_up(r, line->path, "too many at once");
		return;
	}
	easy = r->idle[--r->n_idle];
	snprintf(url, sizeof(url), "%s%s", r->server.url, line->path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, methods[line->method]);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers[line->method]);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, line->body);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, then);
	curl_multi_add_handle(r->multi, easy);
}

static void begin_due(struct react *r)
{
	for (; r->n_due && !r->failed; r->n_due--) {
		struct line line;
		char *end;

		if (!next_line(&r->rest, &line)) {
			give_up(r, "the plan", "has no round for this object");
			return;
		}
		send_line(r, &line, r->rest);
		end = strstr(r->rest, "\n\n"); /* of the round's other lines, which lie untouched until it is their turn */
		r->rest = *r->rest == '\n' ? r->rest + 1 : end ? end + 2 : r->rest + strlen(r->rest);
	}
}

static void go_on(struct react *r, char *then)
{
	struct line line;

	while (next_line(&then, &line) && !r->failed)
		send_line(r, &line, NULL);
}

static void finish(struct react *r, CURL *easy, CURLcode result)
{
	char *then = NULL;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &then);
	curl_multi_remove_handle(r->multi, easy);
	if (easy == r->watch) {
		give_up(r, "the watch ended", curl_easy_strerror(result));
		return;
	}
	r->idle[r->n_idle++] = easy;
	if (result != CURLE_OK || status < 200 || status > 299)
		give_up(r, "a request was not taken", curl_easy_strerror(result));
	if (then)
		go_on(r, then);
}

static void run(struct react *r)
{
	while ((*r->rest || r->n_due || r->n_idle < ANSWERS_AT_ONCE) && !r->failed) {
		CURLMsg *message;
		int left;

		curl_multi_perform(r->multi, &left);
		while ((message = curl_multi_info_read(r->multi, &left))) {
			CURL *easy = message->easy_handle; /* message dies with the handle's removal */

			finish(r, easy, message->data.result);
		}
		if (r->n_due)
			begin_due(r);
		else
			curl_multi_poll(r->multi, NULL, 0, WAIT_MS, NULL);
	}
}

static void close_all(struct react *r)
{
	curl_multi_remove_handle(r->multi, r->watch);
	curl_easy_cleanup(r->watch);
	while (r->n_idle)
		curl_easy_cleanup(r->idle[--r->n_idle]);
	curl_multi_cleanup(r->multi);
	for (unsigned method = 0; method < METHODS; method++)
		curl_slist_free_all(r->headers[method]);
	free(r->line);
}

int main(int argc, char **argv)
{
	static struct react r;
	char *text;

	if (argc != 6)
		client_fail("usage", "react FILE URL CA CERT KEY");
	r.server = server_from(&argv[2]);
	text = r.rest = client_read_file(argv[1]);
	r.watched = strsep(&r.rest, "\n");
	if (!r.rest)
		client_fail(argv[1], "has no rounds");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	open_all(&r);
	run(&r);
	close_all(&r);
	curl_global_cleanup();
	free(text);
	return r.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
