/*
 * Answers of the health and metrics addresses: /healthz /livez /readyz (with ?verbose), /metrics in Prometheus' text format.
 * Reads counters, changes nothing.
 */
#ifndef TOLLGATE_HEALTH_H
#define TOLLGATE_HEALTH_H

#include "certkeeper.h"
#include "http.h"
#include "manager.h"
#include "server.h"
#include "webhook.h"

struct health {
	const struct manager *manager;
	const struct http *http;
	/* NULL when admission is off. */
	const struct webhook *webhook;
	const struct server *webhook_server;
	const struct certkeeper *certs;
	bool stopping; /* readiness fails first */
};

bool health_handle(void *health, const struct server_request *, struct exchange *, struct server_reply *);
bool metrics_handle(void *health, const struct server_request *, struct exchange *, struct server_reply *);

#endif
