/*
 * The yardstick of latency: a client that holds a watch and answers each object that is added with one PATCH of its status, on the
 * same HTTP/2 connection. It parses nothing but namespace and name and decides nothing, so that no controller can be much quicker.
 *
 *     react FILE ANSWERS URL CA CERT KEY
 *
 * FILE has three lines: the path to watch, with its query; the path of a namespace, up to and with /namespaces/, and the plural, parted
 * by a space; the merge patch. Prints "watching" when the watch has begun, and ends after so many answers.
 * Exit codes: 0 all were answered 2xx; 1 one was not, or the watch ended; 2 wrong usage.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { ANSWERS_AT_ONCE = 64, NAME_MAX_LEN = 254, WAIT_MS = 1000 };

struct name {
	char ns[NAME_MAX_LEN], name[NAME_MAX_LEN];
};

struct react {
	struct server server;
	const char *watched, *base, *plural, *body;
	CURLM *multi;
	struct curl_slist *headers;
	CURL *watch;
	CURL *idle[ANSWERS_AT_ONCE]; /* handles that send nothing just now */
	size_t n_idle;
	struct name due[ANSWERS_AT_ONCE]; /* seen, not yet answered: libcurl takes no new transfer inside a callback */
	size_t n_due;
	char *line; /* of the watch, as far as it has come */
	size_t line_len, line_room;
	size_t left;
	bool failed;
};

static void give_up(struct react *r, const char *what, const char *why)
{
	fprintf(stderr, "react: %s: %s\n", what, why);
	r->failed = true;
}

/* What follows `mark` up to the next quotation mark. */
static bool take_text(const char *line, const char *mark, char out[NAME_MAX_LEN])
{
	const char *at = strstr(line, mark), *end = at ? strchr(at + strlen(mark), '"') : NULL;
	size_t len;

	if (!end)
		return false;
	at += strlen(mark);
	len = (size_t)(end - at);
	if (len >= NAME_MAX_LEN)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

/* The API server writes metadata before spec, and its keys in order: the first name is the object's own. */
static void take_line(struct react *r, const char *line)
{
	static const char added[] = "{\"type\":\"ADDED\"";
	const char *meta = strstr(line, "\"metadata\":{");

	if (strncmp(line, added, sizeof(added) - 1) != 0 || !meta)
		return;
	if (r->n_due == ANSWERS_AT_ONCE || !take_text(meta, "\"namespace\":\"", r->due[r->n_due].ns) ||
	    !take_text(meta, "\"name\":\"", r->due[r->n_due].name))
		give_up(r, line, "too many at once, or not as expected");
	else
		r->n_due++;
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
	r->headers = curl_slist_append(NULL, "Content-Type: application/merge-patch+json");
	for (size_t i = 0; i < ANSWERS_AT_ONCE; i++) {
		CURL *easy = client_easy(&r->server);

		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PATCH");
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
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

static void send_due(struct react *r)
{
	char url[2048];

	while (r->n_due && r->n_idle) {
		const struct name *one = &r->due[--r->n_due];
		CURL *easy = r->idle[--r->n_idle];

		snprintf(url, sizeof(url), "%s%s%s/%s/%s/status", r->server.url, r->base, one->ns, r->plural, one->name);
		curl_easy_setopt(easy, CURLOPT_URL, url);
		curl_multi_add_handle(r->multi, easy);
	}
}

static void finish(struct react *r, CURL *easy, CURLcode result)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(r->multi, easy);
	if (easy == r->watch) {
		give_up(r, "the watch ended", curl_easy_strerror(result));
		return;
	}
	r->idle[r->n_idle++] = easy;
	r->left--;
	if (result != CURLE_OK || status < 200 || status > 299)
		give_up(r, "a PATCH was not taken", curl_easy_strerror(result));
}

static void run(struct react *r)
{
	while (r->left && !r->failed) {
		CURLMsg *message;
		int left;

		curl_multi_perform(r->multi, &left);
		while ((message = curl_multi_info_read(r->multi, &left))) {
			CURL *easy = message->easy_handle; /* message dies with the handle's removal */

			finish(r, easy, message->data.result);
		}
		if (r->n_due)
			send_due(r);
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
	curl_slist_free_all(r->headers);
	free(r->line);
}

int main(int argc, char **argv)
{
	static struct react r;
	char *text;

	if (argc != 7)
		client_fail("usage", "react FILE ANSWERS URL CA CERT KEY");
	r.left = strtoul(argv[2], NULL, 10);
	r.server = server_from(&argv[3]);
	text = client_read_file(argv[1]);
	r.watched = strtok(text, "\n");
	r.base = strtok(NULL, " ");
	r.plural = strtok(NULL, "\n");
	r.body = strtok(NULL, "\n");
	if (!r.body)
		client_fail(argv[1], "has not the three lines that are wanted");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	open_all(&r);
	run(&r);
	close_all(&r);
	curl_global_cleanup();
	free(text);
	return r.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
