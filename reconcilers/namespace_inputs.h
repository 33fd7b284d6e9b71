/* What one decision on a Namespace depends on. */
#ifndef TOLLGATE_NAMESPACE_INPUTS_H
#define TOLLGATE_NAMESPACE_INPUTS_H

#include "namespace.h"
#include "project.h"
#include "reconcile.h"

struct namespace_inputs {
	instant_t now;
	const struct namespace *self; /* NULL once gone */
	struct project_facts facts;   /* of its project; empty if it has none */
};

struct namespace_inputs namespace_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome namespace_reconcile(const struct namespace_inputs *, struct arena *);

#endif
