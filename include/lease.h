/*
 * A Lease (coordination.k8s.io/v1) between JSON text and what an election reads of it. Takes what anybody wrote.
 */
#ifndef TOLLGATE_LEASE_H
#define TOLLGATE_LEASE_H

#include "error.h"
#include "instant.h"

enum { LEASE_HOLDER_SIZE = 256, LEASE_VERSION_SIZE = 64 };

struct lease_record {
	char holder[LEASE_HOLDER_SIZE]; /* "" = nobody; a longer one is cut */
	int64_t duration_ms;            /* whole seconds on the wire; 0 = not said */
	instant_t acquired, renewed;    /* by the holder's clock; 0 = not said */
	uint32_t transitions;
	char version[LEASE_VERSION_SIZE]; /* resourceVersion; not written */
	char uid[LEASE_VERSION_SIZE];     /* "" = not said; not written */
};

/* ERROR_INVALID when the text is no Lease. What is missing in it is 0 or "". */
int lease_decode(const char *text, size_t len, struct lease_record *, struct error *) must_check;
/* The body that replaces the Lease that was read as `text`, guarded by its resourceVersion: labels, annotations and whatever else is in it stay.
 * malloc'ed; NULL as in lease_decode. */
char *lease_replacement(const char *text, size_t len, const struct lease_record *, struct error *) must_check;
/* The body that creates one. malloc'ed. */
char *lease_body(const char *ns, const char *name, const struct lease_record *);

#endif
