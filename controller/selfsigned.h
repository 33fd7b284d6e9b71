/*
 * A certificate that vouches for itself, for a port whose clients need privacy more than proof: made in memory when the process starts, as
 * controller-runtime does for metrics, and made anew long before it expires while the process runs. Names localhost, 127.0.0.1, ::1 and
 * the host. Nothing is stored; after a restart it is another one.
 */
#ifndef TOLLGATE_SELFSIGNED_H
#define TOLLGATE_SELFSIGNED_H

#include "log.h"
#include "port.h"

struct selfsigned;

struct selfsigned_config {
	const struct port *port; /* for its clocks alone */
	struct log *log;
	const char *host; /* left out where it is no DNS name */
	/* What is to be served from now on; PEM, borrowed. Called by selfsigned_new, and by selfsigned_tick when it has made another. */
	void (*serve)(void *context, const char *chain_pem, const char *key_pem);
	void *context;
};

#define SELFSIGNED_LIFE_MS (INT64_C(365) * 24 * 3600 * 1000)

/* Everything in the config is borrowed. */
struct selfsigned *selfsigned_new(const struct selfsigned_config *, struct error *) must_check;
void selfsigned_free(struct selfsigned *);
/* Does what is due, which is mostly nothing; returns when it wants to be called again at the latest, in milliseconds. */
int64_t selfsigned_tick(struct selfsigned *);
/* When what is served expires. */
instant_t selfsigned_expires(const struct selfsigned *);

#endif
