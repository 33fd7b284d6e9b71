/*
 * The credentials of each request: they rotate while we run. Re-reads a token file at most every 50 s (client-go token_source),
 * trimmed, and keeps the last one when the file is unreadable or empty. No sockets, no curl.
 */
#ifndef TOLLGATE_AUTH_H
#define TOLLGATE_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct auth;

/* config is borrowed and outlives it. */
struct auth *auth_new(const struct cluster_config *);
void auth_free(struct auth *);

/* "Bearer ..." for the Authorization header, or NULL (client certificate, basic or anonymous). Borrowed until the next call. */
const char *auth_header(struct auth *, int64_t monotonic_ms);
/* The server answered 401: forget what is cached. True if another try has a chance (the token changed). */
bool auth_rejected(struct auth *, int64_t monotonic_ms);

#endif
