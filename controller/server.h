/*
 * A small HTTP/1.1 server (libmicrohttpd, no threads) inside the loop: plain for health, TLS for metrics, TLS with bodies for admission. What
 * may be asked and what is answered is the handler's business; when and whether a client is heard at all is decided here. Bounded:
 * connections, header size, body size, bytes of all bodies together, and the time for each step.
 */
#ifndef TOLLGATE_SERVER_H
#define TOLLGATE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "loop.h"

struct server;
struct exchange; /* a request that is answered later */
struct tls_identity; /* identity.h */

struct server_request {
	const char *method, *path; /* path without query */
	const char *query;         /* "verbose&exclude=x", "" if none */
	const char *content_type;  /* "" if none */
	const char *authorization; /* "" if none; a secret. No longer than a header may be: 8 KiB, or 16 with TLS */
	const char *host, *origin; /* what a browser says it talks to, and on whose behalf. "" if none; as long as a header may be */
	bool loopback;             /* the peer's address is one of this host alone */
	const char *body;          /* not NUL-terminated; NULL if none */
	size_t body_len;
};

struct server_reply {
	int status; /* 401 says by itself that a bearer token is wanted (WWW-Authenticate) */
	const char *content_type;
	char *body; /* malloc'ed, taken */
	size_t body_len;
};

enum server_method { SERVER_GET = 1 /* and HEAD */, SERVER_POST = 2, SERVER_PUT = 4 };

struct server_handler {
	void *context;
	/* True: the reply is filled in. False: server_answer(exchange) follows, from a later event; all of the request is valid until then. */
	bool (*handle)(void *context, const struct server_request *, struct exchange *, struct server_reply *);
	unsigned methods; /* of enum server_method; 0 = SERVER_GET, or SERVER_POST with a body_max. Others are answered with 405 */
	size_t body_max;  /* of POST and PUT: 413 beyond; 0 = no bodies. GET has none. At most 16 MiB, which all bodies share */
};

/* address: "host:port", "[v6]:port" or ":port" (all addresses). tls: the port speaks TLS (1.2 and 1.3), and refuses every handshake until
 * server_set_identity. ERROR_INVALID names address and reason. */
struct server *server_new(struct loop *, const char *address, bool tls, const struct server_handler *, struct error *) must_check;
/* Exchanges not yet answered are dropped: their owner must not answer them any more. */
void server_free(struct server *);
void server_answer(struct exchange *, const struct server_reply *);
/* New connections get this one; taken. */
void server_set_identity(struct server *, struct tls_identity *);
/* The port it listens on (for ":0"). */
int server_port(const struct server *);
/* Times for connections yet to come, in seconds. request: from a connection's opening (TLS handshake included), or a request's first line, to
 * the request's last byte; 32 unless told. idle: from an answer to the next request's first line; 30 plain, 90 with TLS unless told. */
void server_set_times(struct server *, unsigned request_s, unsigned idle_s);

struct server_stats {
	unsigned connections, in_flight; /* now */
	size_t body_bytes;               /* held now */
	unsigned long requests, evicted, timed_out; /* since the start */
};
struct server_stats server_stats(const struct server *);

#endif
