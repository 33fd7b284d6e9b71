/*
 * The answer of the metrics address: /metrics in Prometheus' text format. Reads counters, changes nothing.
 */
#ifndef TOLLGATE_METRICS_H
#define TOLLGATE_METRICS_H

#include "parts.h"

/* server_handler.handle; context is the struct parts. */
bool metrics_handle(void *parts, const struct server_request *, struct exchange *, struct server_reply *);

#endif
