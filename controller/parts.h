/*
 * The parts of a running Tollgate that health, metrics and the debugging view look at. They read; only main.c fills it in.
 */
#ifndef TOLLGATE_PARTS_H
#define TOLLGATE_PARTS_H

#include "certkeeper.h"
#include "elector.h"
#include "http.h"
#include "loop.h"
#include "manager.h"
#include "recorder.h"
#include "server.h"
#include "webhook.h"

struct parts {
	struct log *log; /* its level can be changed at run time */
	const char *version, *identity;
	const struct loop *loop;
	const struct http *http;
	const struct manager *manager;
	const struct recorder *recorder;
	const struct elector *elector; /* NULL: no election, this process always leads */
	/* NULL when admission is off. */
	const struct webhook *webhook;
	const struct server *webhook_server;
	const struct certkeeper *certs;
	int64_t stale_ms; /* a watch that has been silent for longer is stale */
	bool stopping;    /* readiness fails first */
};

#endif
