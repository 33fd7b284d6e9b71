/*
 * What the benchmark's two C programs share: how to reach the API server of a test's control plane, the clock, and giving up.
 * Shares no code with Tollgate.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <curl/curl.h>
#include <time.h>

enum { CLIENT_EXIT_USAGE = 2 };

struct server {
	const char *url, *ca, *cert, *key;
};

/* From four arguments: URL CA CERT KEY. Anything but a loopback URL ends the program. */
struct server server_from(char *const arguments[4]);

/* A handle with credentials that waits for a connection it can share (HTTP/2) rather than opening another. The caller's to clean up. */
CURL *client_easy(const struct server *server);

double client_seconds(clockid_t clock);

/* Ends the program: wrong usage, and why. */
_Noreturn void client_fail(const char *what, const char *why);

/* The whole of a file, ended by NUL; the caller's to free. One that cannot be read, or is empty, ends the program. */
char *client_read_file(const char *path);

#endif
