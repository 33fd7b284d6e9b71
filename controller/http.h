/*
 * Requests to the API server: libcurl's multi interface in the loop, HTTP/2 with all requests on one connection where the server
 * allows, GnuTLS. Implements port.h. Knows no JSON and no Kubernetes beyond credentials. The multi handle is never called from
 * inside one of curl's own callbacks.
 */
#ifndef TOLLGATE_HTTP_H
#define TOLLGATE_HTTP_H

#include "config.h"
#include "loop.h"
#include "port.h"

struct http;

struct http_stats {
	uint64_t requests, transport_errors, connections, bytes_in, bytes_out;
	uint64_t by_class[6]; /* answers 1xx ... 5xx at 1 ... 5 */
	unsigned in_flight;
};

/* config is borrowed and outlives it. ERROR_INVALID: unreadable or unusable certificates and keys (named). */
struct http *http_new(struct loop *, const struct cluster_config *, const char *user_agent, struct error *) must_check;
/* Aborts what is under way, without callbacks. */
void http_free(struct http *);

struct port http_port(struct http *);
const struct http_stats *http_stats(const struct http *);

#endif
