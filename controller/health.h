/*
 * Answers of the health address: /livez, /healthz and /readyz as Kubernetes' own components give them, /<endpoint>/<check> for one check
 * alone, ?verbose, ?exclude=<check>; reasons are given, which those withhold. Beside them /debug/ (debug.h). Reads, changes nothing.
 * Sources: k8s.io/apiserver pkg/server/healthz, controller-runtime pkg/healthz; Kubernetes "API health endpoints".
 */
#ifndef TOLLGATE_HEALTH_H
#define TOLLGATE_HEALTH_H

#include "parts.h"

/* What a server_handler for it takes: methods, and bytes of body. */
enum { HEALTH_METHODS = SERVER_GET | SERVER_PUT, HEALTH_BODY_MAX = 64 };

/* server_handler.handle; context is the struct parts. */
bool health_handle(void *parts, const struct server_request *, struct exchange *, struct server_reply *);

/* Every check once; why: NULL = passed. Borrowed. */
void health_each(const struct parts *, void (*see)(void *context, const char *check, const char *why), void *context);

#endif
