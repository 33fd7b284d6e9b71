/* Owns: how the benchmark's C programs reach the API server. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client_fail(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(CLIENT_EXIT_USAGE);
}

struct server server_from(char *const arguments[4])
{
	const struct server server = { arguments[0], arguments[1], arguments[2], arguments[3] };

	if (strncmp(server.url, "https://127.0.0.1:", 18) != 0)
		client_fail(server.url, "is not on loopback; no other server is to be loaded");
	return server;
}

CURL *client_easy(const struct server *server)
{
	CURL *easy = curl_easy_init();

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, server->ca);
	curl_easy_setopt(easy, CURLOPT_SSLCERT, server->cert);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, server->key);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "tollgate-bench-bare");
	return easy;
}

double client_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

char *client_read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	if (!file)
		client_fail(path, "cannot be opened");
	if (getdelim(&text, &room, '\0', file) <= 0)
		client_fail(path, "is empty");
	fclose(file);
	return text;
}
