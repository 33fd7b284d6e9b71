/*
 * Keeps the admission webhook's certificates: in a Secret that all replicas share, and the CA's bundle in Tollgate's own webhook
 * configurations. Or, with a folder, reads them from there and writes nothing. A state machine over port.h: asks, is answered, decides
 * (certs.h), writes guarded by the resourceVersion it saw; who loses a race reads again.
 */
#ifndef TOLLGATE_CERTKEEPER_H
#define TOLLGATE_CERTKEEPER_H

#include "log.h"
#include "port.h"
#include "recorder.h"

struct certkeeper;

/* Names are such as Kubernetes takes; nothing here escapes them. */
struct certkeeper_config {
	const struct port *port;
	struct log *log;
	const char *dir;         /* tls.crt and tls.key in it; NULL = the Secret */
	const char *ns;          /* of the Secret, and of the Service that clients ask for */
	const char *secret;      /* its name */
	const char *service;     /* name of the Service: the leaf names service.ns.svc */
	const char *url;         /* --webhook-url: the configurations get it in place of the Service, and the leaf names its host; NULL = none */
	const char *webhooks;    /* name of both webhook configurations */
	int64_t leaf_lifetime_ms; /* CERTKEEPER_LIFETIME_MIN_MS or more */
	/* May this replica write? Others look and serve, and the one that may sees to the rest. NULL: it always may. */
	bool (*leads)(void *context);
	void *leads_context;
	struct recorder *recorder; /* is told of new certificates, as an event of the Secret; NULL: nobody is */
};

enum { CERTKEEPER_LIFETIME_MIN_MS = 10 * 1000 };

/* What is to be served from now on; PEM, borrowed. Called again whenever it changes, from certkeeper_tick or from a request's end. */
typedef void certkeeper_serve(void *context, const char *chain_pem, const char *key_pem);

/* Everything in the config is borrowed. ERROR_INVALID: the folder's certificate cannot be used, or the URL is none. */
struct certkeeper *certkeeper_new(const struct certkeeper_config *, certkeeper_serve *, void *context, struct error *) must_check;
void certkeeper_free(struct certkeeper *);
/* Does what is due, which is mostly nothing and then costs nothing; returns when it wants to be called again at the latest, in milliseconds.
 * Also to be called when a request has ended. */
int64_t certkeeper_tick(struct certkeeper *);

/* A write is under way: who else is to lead must wait for its end. */
bool certkeeper_is_writing(const struct certkeeper *);

struct certkeeper_stats {
	instant_t expires;   /* of what is served; 0 = nothing is */
	bool in_step;        /* the configurations that there are hold the bundle (with a folder: always) */
	unsigned long reads, read_errors; /* of the Secret, or of the folder */
	unsigned long rotations;          /* certificates that this replica made and stored, or took from a changed folder */
};
struct certkeeper_stats certkeeper_stats(const struct certkeeper *);

#endif
