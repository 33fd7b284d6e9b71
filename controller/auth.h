/*
 * The credentials of each request: they rotate while we run. Re-reads a token file at most every 50 s (client-go token_source), trimmed,
 * and keeps the last one when the file is unreadable or empty. Of a credential plugin it says when to run it, and keeps what it said:
 * until a minute before it expires, or, if it does not say when, until a 401 (client-go plugin/pkg/client/auth/exec; kube-rs for the
 * minute). Time is an argument. No sockets, no processes, no curl.
 */
#ifndef TOLLGATE_AUTH_H
#define TOLLGATE_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "error.h"
#include "execcredential.h"
#include "instant.h"

struct auth;

/* config is borrowed and outlives it. */
struct auth *auth_new(const struct cluster_config *);
void auth_free(struct auth *);

/* Reads a token file anew when it is time, and each time as long as there is no token at all. "Bearer ..." or "Basic ..." for the Authorization header, or NULL (client certificate or anonymous). Borrowed until the next call. */
const char *auth_header(struct auth *, int64_t monotonic_ms);
/* The server answered 401: forget what is cached. True if another try has a chance (the token changed, or the plugin is asked again). */
bool auth_rejected(struct auth *, int64_t monotonic_ms);

/* ---- with a plugin ---- */

enum auth_state {
	AUTH_READY,   /* a request may go out */
	AUTH_WAITING, /* the plugin runs, and there is nothing to go out with until it has ended */
	AUTH_FAILED,  /* it failed, and it is too early to run it again; or the token file never had a token (auth_trouble) */
};

/* Should the plugin be run now? To be asked first, and then done. */
bool auth_is_due(const struct auth *, int64_t monotonic_ms, instant_t now);
void auth_running(struct auth *);
/* After auth_header. */
enum auth_state auth_state(const struct auth *, instant_t now);
/* How the run ended. -1: what it said is of no use, err says why, and auth_failed should be called. The credential is copied. */
int auth_take(struct auth *, const struct execcredential *, int64_t monotonic_ms, instant_t now, struct error *) must_check;
void auth_failed(struct auth *, const struct error *, int64_t monotonic_ms);

/* ---- for people ---- */

/* Why the token file or the plugin could not be used the last time; class ERROR_NONE: it could. Borrowed. */
const struct error *auth_trouble(const struct auth *);

struct auth_stats {
	const char *source;         /* "token", "token file", "basic", "exec plugin"; NULL = none of these */
	instant_t expires;          /* what the plugin said; 0 = nothing */
	uint64_t reloads, failures; /* another credential than before; could not be used */
};
struct auth_stats auth_stats(const struct auth *);

#endif
