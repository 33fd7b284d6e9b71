/*
 * Whom we trust and what we show for ourselves in TLS: the bundle of authorities, and the client certificate with its key. They rotate
 * while we run, so a set of them is a snapshot: read once, found good, and never changed.
 */
#ifndef TOLLGATE_TRUST_H
#define TOLLGATE_TRUST_H

#include <stdbool.h>

#include "config.h"
#include "error.h"
#include "execcredential.h"
#include "instant.h"

enum { TRUST_BYTES_MAX = 1 << 20 }; /* of each file */

enum trust_part { TRUST_CA, TRUST_CERT, TRUST_KEY, TRUST_PARTS };

struct trust {
	char *pem[TRUST_PARTS];  /* NULL: the system's authorities; no client certificate */
	char *path[TRUST_PARTS]; /* where each can be read as long as the snapshot is there; NULL as above */
	int fd[TRUST_PARTS];     /* behind the paths; -1 */
	instant_t expires;       /* the client certificate's end; 0 = there is none */
};

/* Files win over inline data only where there is none (struct cluster_config). NULL with ERROR_INVALID, naming the file or field. */
struct trust *trust_new(const struct cluster_config *, struct error *) must_check;
/* The next snapshot, or NULL if nothing is other than in the last one. A bundle or a pair that cannot be used stays as it was, and err
 * (class set) says why. shown: what a plugin said just now, NULL = nothing new; a certificate of the configuration goes before one of its. */
struct trust *trust_renew(const struct trust *, const struct cluster_config *, const struct execcredential *shown, struct error *err);
void trust_free(struct trust *);

#endif
