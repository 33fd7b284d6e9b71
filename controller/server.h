/*
 * A small HTTP server (libmicrohttpd, no threads) inside the loop, for metrics and health. Plain HTTP; what may be asked and what is
 * answered is the handler's business. Bounded: connections, header size, idle time; bodies are not taken.
 */
#ifndef TOLLGATE_SERVER_H
#define TOLLGATE_SERVER_H

#include <stddef.h>

#include "error.h"
#include "loop.h"

struct server;

struct server_request {
	const char *method, *path; /* path without query */
	const char *query;         /* "verbose&exclude=x", "" if none */
};

struct server_reply {
	int status;
	const char *content_type;
	char *body; /* malloc'ed, taken */
	size_t body_len;
};

/* address: "host:port", "[v6]:port" or ":port" (all addresses). ERROR_INVALID names address and reason. */
struct server *server_new(struct loop *, const char *address, void (*handle)(void *context, const struct server_request *, struct server_reply *),
			  void *context, struct error *) must_check;
void server_free(struct server *);
/* The port it listens on (for ":0"). */
int server_port(const struct server *);
/* Connections yet to come are closed when nothing happens on them for this long; 30 s unless told. */
void server_set_idle(struct server *, unsigned seconds);

#endif
