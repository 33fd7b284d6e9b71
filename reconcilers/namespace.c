/* A Namespace is only looked at: it is found by its project, and nothing is decided about it or written to it. */
#include "namespace.h"

#include "reconcile.h"

static void index_namespace(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct namespace *namespace = object;
	out[NAMESPACE_BY_PROJECT] = (struct index_key){ NULL, namespace->project };
}

const struct reconciler namespace_reconciler = {
	.index = index_namespace,
	.n_indexes = NAMESPACE_INDEXES,
};
