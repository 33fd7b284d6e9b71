/*
 * The certificates of the admission webhook as a decision: what follows from those that there are, and from the time? No clock, no
 * randomness, no API server: pki.c makes certificates, certkeeper.c fetches and stores them.
 *
 *   CA 1 ─────────────── 2/3 ─┬ CA 2 joins the bundle, in front
 *   leaf of CA 1 ─────────────┼────┬ one wait later: leaf of CA 2
 *   bundle  1                 │ 2+1│ 2+1     │ 2   one wait later still: CA 1 leaves
 *
 * Invariant: a leaf is served only when the CA that signed it has been in the bundle for an overlap, unless no other leaf can be used; and
 * a CA stays in the bundle for an overlap after its last leaf was replaced. So whoever trusts a bundle that was right within the last
 * overlap trusts what is served, also by a replica that has not looked for an overlap.
 */
#ifndef TOLLGATE_CERTS_H
#define TOLLGATE_CERTS_H

#include <stdbool.h>
#include <stddef.h>

#include "instant.h"

enum { CERTS_CAS_MAX = 4 };

struct cert_span {
	instant_t from, until; /* notBefore, notAfter: whole seconds */
};

/* What the Secret holds, read and checked. */
struct certs {
	struct cert_span cas[CERTS_CAS_MAX]; /* of the bundle, the newest first */
	size_t n_cas;
	bool keyed;       /* the newest CA's key is there */
	struct cert_span leaf;
	int leaf_ca;      /* which of cas signed it; -1 = none of them, or it has no key: there is no leaf */
	bool leaf_named;  /* it names every host that it must */
};

struct certs_times {
	int64_t leaf_ms, ca_ms; /* lifetimes */
	int64_t overlap_ms;     /* how long anybody may go on with an old bundle or an old leaf */
	int64_t back_ms;        /* how much two hosts' clocks may differ: certificates begin that much before they are made */
	int64_t wait_ms;        /* what a decision waits so that an overlap has passed on every clock */
};
/* From the leaf's lifetime, ten seconds or more: the CA lives four times as long; the overlap is a twelfth of the leaf's, at most five
 * minutes; clocks may differ by a twentieth, at most a minute. */
struct certs_times certs_times_of(int64_t leaf_ms);
/* The life of a certificate that is made now. */
struct cert_span certs_span(const struct certs_times *, int64_t life_ms, instant_t now);

/* Is there a leaf that clients accept? One whose time has not come counts where that is a matter of clocks. */
bool certs_leaf_usable(const struct certs *, const struct certs_times *, instant_t now);

struct certs_step {
	bool new_ca;   /* make a CA, and put it in front of the bundle */
	bool new_leaf; /* sign a leaf with the newest CA (the new one, if new_ca) */
	bool drop[CERTS_CAS_MAX]; /* take these out of the bundle; the places are those before the new one joins */
	instant_t next; /* without a step: when to ask again at the latest */
};
/* No step (all false): what is there is right until `next`. Two replicas that decide at once decide the same. */
struct certs_step certs_decide(const struct certs *, const struct certs_times *, instant_t now);
bool certs_step_any(const struct certs_step *);

#endif
