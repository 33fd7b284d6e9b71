/*
 * Who may: in front of a server_handler, lets through only those who the API server says may. The bearer token's owner is asked for by a
 * TokenReview, their right to the request's verb and path by a SubjectAccessReview, as any API server delegates it (k8s.io/apiserver
 * authenticatorfactory, authorizerfactory; controller-runtime pkg/metrics/filters). Who brings no token, or nobody's, gets 401; who may
 * not 403, with the right that is missing; nobody anything while the API server does not answer: 503. Neither review writes
 * anything, so no leader is needed. Knows no sockets.
 *
 * Verdicts are kept, a yes for as long as a right may outlive its withdrawal. Whoever had a yes lately is known, and renews it whatever the
 * crowd does. All others share a few places and reviews a second; beyond that they get 503, and the API server is spared.
 * Tokens are kept while they are asked about, and as digests after that.
 */
#ifndef TOLLGATE_REVIEWER_H
#define TOLLGATE_REVIEWER_H

#include "log.h"
#include "port.h"
#include "server.h"

enum {
	REVIEWER_ALLOWED_MS = 10 * 1000, /* from when the API server was asked */
	REVIEWER_REFUSED_MS = 2 * 1000,  /* short: somebody who has just been given the right tries again */
	REVIEWER_TIMEOUT_MS = 10 * 1000, /* both reviews together, as controller-runtime's TokenAccessReviewTimeout */
	REVIEWER_KNOWN_MS = 10 * 60 * 1000, /* from the last yes: longer than from one scrape to the next */
	REVIEWER_VERDICTS = 64,          /* kept or under way */
	REVIEWER_STRANGERS = 48,         /* of these at most are of tokens that are not known */
	REVIEWER_RATE = 10,              /* reviews a second of such tokens, */
	REVIEWER_BURST = 20,             /* and at once */
};

struct reviewer;

struct reviewer_config {
	const struct port *port;
	struct log *log;
	struct server_handler next; /* whoever may is its to answer, at once or later; its methods are the server's business */
	/* server_answer but for tests. Must not call the reviewer. */
	void (*answer)(struct exchange *, const struct server_reply *);
};

/* What the config points to is borrowed. */
struct reviewer *reviewer_new(const struct reviewer_config *);
/* Requests that wait are dropped without an answer: their server goes first. */
void reviewer_free(struct reviewer *);
/* server_handler.handle; context is the struct reviewer. */
bool reviewer_handle(void *reviewer, const struct server_request *, struct exchange *, struct server_reply *);

#endif
