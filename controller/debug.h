/*
 * /debug/ of the health address, for who looks after a Tollgate, and on loopback only (kubectl port-forward comes from there). A
 * browser on that host brings along whatever page it shows: a request must name this host (Host), not a name that somebody made point here,
 * and may come from none but its own pages (Origin).
 *
 *     GET /debug/state                 one look at all that may be stuck, as JSON. Names of objects, never their contents or secrets
 *     GET, PUT /debug/loglevel         what is logged from now on: error, warn, info or debug
 */
#ifndef TOLLGATE_DEBUG_H
#define TOLLGATE_DEBUG_H

#include "parts.h"

void debug_handle(const struct parts *, const struct server_request *, struct server_reply *);

#endif
