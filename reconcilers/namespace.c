/*
 * What a moved Namespace touches: the ProjectBilling in it, and, where organizations are labelled, the bindings of its
 * project and those that live in it. A Namespace itself is only looked at: nothing here decides or writes.
 */
#include "namespace.h"

#include "billingaccountbinding.h"
#include "wake.h"

static void index_namespace(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct namespace *namespace = object;
	out[NAMESPACE_BY_PROJECT] = (struct index_key){ NULL, namespace->project };
}

struct residents {
	const struct view *view;
	const struct key_sink *sink;
	atom_t ns;
};

static void wake_resident(void *context, const void *object)
{
	const struct residents *residents = context;
	const struct billingaccountbinding *binding = object;

	if (binding->meta.ns != residents->ns || binding->status.phase == BINDING_SUPERSEDED)
		return;
	wake_bindings(residents->view, residents->sink, binding->spec.project);
	wake_gates(residents->view, residents->sink, binding->spec.project);
}

static void wake_project_of(const struct view *view, const struct key_sink *sink, const struct namespace *namespace)
{
	if (!namespace || !namespace->project || !namespace->organization)
		return;
	wake_bindings(view, sink, namespace->project);
	wake_gates(view, sink, namespace->project);
}

static void changed(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct namespace *old = before, *new = after, *any = new ? new : old;
	atom_t old_organization = old ? old->organization : NULL, new_organization = new ? new->organization : NULL;
	bool same = same_object(before, after), organization_moved = old_organization != new_organization;
	bool project_moved = !same || old->project != new->project;

	if (project_moved || !old->meta.deleted != !new->meta.deleted) {
		key_sink_add(sink, KIND_PROJECTBILLING, any->meta.name, old ? old->project : NULL);
		key_sink_add(sink, KIND_PROJECTBILLING, any->meta.name, new ? new->project : NULL);
	}
	if (project_moved || organization_moved) {
		wake_project_of(view, sink, old);
		wake_project_of(view, sink, new);
	}
	if (organization_moved) {
		struct residents residents = { .view = view, .sink = sink, .ns = any->meta.name };
		view_each(view, KIND_BINDING, wake_resident, &residents);
	}
}

const struct reconciler namespace_reconciler = {
	.index = index_namespace,
	.n_indexes = NAMESPACE_INDEXES,
	.changed = changed,
};
