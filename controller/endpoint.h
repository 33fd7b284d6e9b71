/*
 * From a cluster's configuration to what a connection needs, but for certificates (trust.h): the URL, the name to verify, the way there
 * (proxy), and the headers that every request carries. Decided once, at the start; checked, so that what cannot work is said then and
 * not with each request. Opens no connection and knows no curl, but its answers are in curl's words (CURLOPT_*).
 */
#ifndef TOLLGATE_ENDPOINT_H
#define TOLLGATE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "error.h"

enum { ENDPOINT_HEADERS_MAX = 64 };

struct endpoint {
	bool secure;				 /* https: only then are certificates, user and headers of identity used */
	char *host;				 /* "10.0.0.1:6443", as the server's URL has it */
	char *base;				 /* the URL without the request's path, no trailing slash */
	char *route;				 /* CONNECT_TO: where base's host really is; NULL = there */
	char *proxy;				 /* PROXY: "" = none; NULL = the environment's */
	char *headers[ENDPOINT_HEADERS_MAX + 1]; /* whole lines, NULL-terminated */
	size_t n_headers;
};

/* ERROR_INVALID names the file or field at fault. config is not kept. On -1 nothing is left to close. */
int endpoint_init(struct endpoint *, const struct cluster_config *, struct error *) must_check;
void endpoint_close(struct endpoint *);

#endif
