/*
 * Requests to the API server: libcurl's multi interface in the loop, HTTP/2 with all requests on one connection where the server
 * allows, GnuTLS. Implements port.h. Knows no JSON and no Kubernetes beyond credentials. The multi handle is never called from
 * inside one of curl's own callbacks.
 */
#ifndef TOLLGATE_HTTP_H
#define TOLLGATE_HTTP_H

#include "config.h"
#include "histogram.h"
#include "log.h"
#include "loop.h"
#include "port.h"

struct http;

/* As client-go labels its metrics. */
enum http_method { HTTP_GET = 0, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHODS };
extern const char *const http_method_names[HTTP_METHODS];
enum { HTTP_CODES = 600 };

struct http_stats {
	const char *host; /* "10.0.0.1:6443", of the server's URL */
	uint64_t requests, transport_errors, connections, bytes_in, bytes_out;
	uint64_t by_class[6]; /* answers 1xx ... 5xx at 1 ... 5 */
	unsigned in_flight;
	/* Requests on the wire by method and status code; at 0 those without an answer, whose code client-go calls "<error>". */
	uint64_t answers[HTTP_METHODS][HTTP_CODES];
	/* Until the answer was complete; of a watch, until its headers came. buckets_request. */
	struct histogram durations[HTTP_METHODS];
};

/* Who we are to the API server, for people. */
struct http_credentials {
	const char *source;         /* "token file", "exec plugin" and so on; static */
	instant_t expires;          /* of the client certificate, or of what the plugin said; 0 = not known */
	uint64_t reloads, failures; /* taken over while running; could not be used */
};

/* config and log are borrowed and outlive it. ERROR_INVALID: unreadable or unusable certificates and keys (named), a plugin that
 * wants a terminal where there is none. */
struct http *http_new(struct loop *, const struct cluster_config *, struct log *, const char *user_agent, struct error *) must_check;
/* Ends what is under way, without callbacks. */
void http_free(struct http *);
/* Ends what is under way, without callbacks, and resets the connections: nothing that is still on its way in this process or its
 * sockets goes out any more. Calls may still be cancelled; new ones go over a new connection. Not from within a callback of curl's. */
void http_abort(struct http *);
/* Looks at the files of client certificate and CA at once; otherwise that is done once a minute. */
void http_reread(struct http *);

/* What has been sent goes out now, and not in the loop's next turn: for the end of a turn. True: somebody has been told something meanwhile,
 * so that there may be more to do. Not from within a callback of curl's. */
bool http_send_now(struct http *);

struct port http_port(struct http *);
const struct http_stats *http_stats(const struct http *);
struct http_credentials http_credentials(const struct http *);
/* Each call under way. path without its query; bytes: of the answer's body so far. Texts are valid during the call of `each`. */
void http_each_call(const struct http *, void (*each)(void *context, const char *method, const char *path, int64_t age_ms, uint64_t bytes),
		    void *context);

#endif
