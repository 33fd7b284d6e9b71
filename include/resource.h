/*
 * How a kind looks on the wire: its place in the API and its field table. Defined in crds/<kind>.c.
 */
#ifndef TOLLGATE_RESOURCE_H
#define TOLLGATE_RESOURCE_H

#include <stdbool.h>

#include "kinds.h"
#include "shape.h"

#define BILLING_GROUP "billing.miloapis.com"
#define BILLING_VERSION "v1alpha1"

struct resource {
	const char *group;   /* "" for core */
	const char *version;
	const char *plural;  /* in paths: "billingaccounts" */
	const char *kind;    /* "BillingAccount" */
	bool namespaced;
	const struct shape *shape;  /* of the whole record */
	const struct shape *status; /* of its status struct; NULL if we write none */
	size_t status_offset;       /* of the status struct in the record */
};

#define KIND(id, prefix) extern const struct resource prefix##_resource;
KINDS(KIND)
#undef KIND

#endif
