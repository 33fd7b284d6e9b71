/*
 * The fan-out of a moved fact along the graph account ─ binding ─ project ─ gate. Knows indexes, not verdicts: it may
 * wake a key for nothing, never leave one asleep. Superseded bindings are history and are never woken.
 */
#include "wake.h"

#include <string.h>

#include "billingaccountbinding.h"
#include "namespace.h"

bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool same_object(const struct object *old, const struct object *new)
{
	return old && new && same_text(old->uid, new->uid);
}

void wake_gates(const struct view *view, const struct key_sink *sink, atom_t project)
{
	if (!project)
		return;
	struct postings namespaces = view_find(view, KIND_NAMESPACE, NAMESPACE_BY_PROJECT, NULL, project);
	for (size_t i = 0; i < namespaces.n; i++) {
		const struct namespace *namespace = entry_object(namespaces.items[i]);
		key_sink_add(sink, KIND_PROJECTBILLING, namespace->meta.name, project);
	}
}

void wake_bindings(const struct view *view, const struct key_sink *sink, atom_t project)
{
	if (!project)
		return;
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_PROJECT, NULL, project);
	for (size_t i = 0; i < bindings.n; i++) {
		const struct billingaccountbinding *binding = entry_object(bindings.items[i]);
		if (binding->status.phase != BINDING_SUPERSEDED)
			key_sink_add(sink, KIND_BINDING, binding->meta.ns, binding->meta.name);
	}
}

void wake_account_projects(const struct view *view, const struct key_sink *sink, atom_t ns, atom_t account)
{
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_ACCOUNT, ns, account);

	for (size_t i = 0; i < bindings.n; i++) {
		const struct billingaccountbinding *binding = entry_object(bindings.items[i]);
		if (binding->status.phase == BINDING_SUPERSEDED)
			continue;
		wake_bindings(view, sink, binding->spec.project);
		wake_gates(view, sink, binding->spec.project);
	}
}
