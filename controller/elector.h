/*
 * Leader election on a coordination.k8s.io Lease: of several replicas one decides and writes. The rules are election.h's; here they meet
 * the API server, over port.h. Asks for what client-go asks for: get and update of the Lease by its name, and create. Sources: client-go
 * tools/leaderelection (leaderelection.go, resourcelock/leaselock.go), Kubernetes "Leases"; what is stricter here is said in election.h.
 */
#ifndef TOLLGATE_ELECTOR_H
#define TOLLGATE_ELECTOR_H

#include "log.h"
#include "port.h"

struct elector;

struct elector_config {
	const struct port *port;
	struct log *log;
	const char *ns, *name; /* of the Lease; such as Kubernetes takes */
	const char *identity;  /* "hostname_uuid": another one for each process */
	int64_t lease_ms;      /* for how long others wait after they last saw a renewal; whole seconds, since the Lease says seconds */
	int64_t renew_ms;      /* for how long a leader goes on without a successful one */
	int64_t retry_ms;      /* between two */
	void (*began)(void *context, const char *lease_uid); /* this process leads from now on; NULL: nobody is told */
	void *context;
};

/* ERROR_INVALID names the flag: lease > renew > 1.2 * retry > 0 must hold. Everything in the config is borrowed. */
struct elector *elector_new(const struct elector_config *, struct error *) must_check;
void elector_free(struct elector *);
/* Does what is due; returns when it wants to be called again at the latest, in milliseconds; negative: only when something happens. To be called
 * after those who write, as it is here that what was refused to them ends. */
int64_t elector_tick(struct elector *);

/* May this process decide and write, at this very moment? Counted from when the last successful renewal was sent. */
bool elector_leads(const struct elector *);
/* It led, and does not any more, other than by elector_release: the process must end, for what it believes may be old. */
bool elector_lost(const struct elector *);
/* The port as writers get it: what is no GET goes out only while this process leads, its body never after the lease's end
 * (request.body_until_ms). Otherwise it ends as without an answer (status 0, ERROR_FORBIDDEN, "not the leader"). Borrows the elector. */
struct port elector_port(struct elector *);
/* To be called when no write is under way any more: does not lead from then on and gives the Lease back, so that another need not wait. Done, or
 * given up, when elector_released: at the latest after three seconds. A follower has nothing to give back, and one that lost nothing either. */
void elector_release(struct elector *);
bool elector_released(const struct elector *);

struct elector_stats {
	const char *holder;     /* as last seen; "" = nobody. Borrowed until the next tick */
	instant_t renewed;      /* as the Lease says; 0 = not seen yet */
	int64_t valid_ms;       /* for how much longer this process may write; 0 = it may not */
	uint32_t transitions;   /* as the Lease says */
	uint64_t failures;      /* requests about the Lease that failed */
	const char *ns, *name;  /* of the Lease */
	const char *trouble;    /* why the last request failed; "" = it did not. Borrowed until the next tick */
};
struct elector_stats elector_stats(const struct elector *);

#endif
