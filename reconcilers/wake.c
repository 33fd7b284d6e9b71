/*
 * The fan-out of a moved fact along the graph account ─ binding ─ project ─ gate. Knows indexes, not verdicts: it may
 * wake a key for nothing, never leave one asleep. Superseded bindings are history and are never woken.
 */
#include "wake.h"

#include <string.h>

#include "billingaccount_inputs.h"
#include "billingaccountbinding.h"
#include "billingarrangement_inputs.h"
#include "namespace.h"
#include "paymentmethod_inputs.h"

bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

void wake_found(const struct view *view, const struct key_sink *sink, enum kind_id kind, unsigned index, atom_t scope, atom_t value)
{
	struct postings found = view_find(view, kind, index, scope, value);

	for (size_t i = 0; i < found.n; i++) {
		const struct key key = postings_key(&found, i);
		key_sink_add(sink, kind, key.ns, key.name);
	}
}

void wake_gates(const struct view *view, const struct key_sink *sink, atom_t project)
{
	if (!project)
		return;
	struct postings namespaces = view_find(view, KIND_NAMESPACE, NAMESPACE_BY_PROJECT, NULL, project);
	for (size_t i = 0; i < namespaces.n; i++) {
		atom_t name = postings_key(&namespaces, i).name;
		key_sink_add(sink, KIND_NAMESPACE, NULL, name);
		key_sink_add(sink, KIND_PROJECTBILLING, name, project);
	}
}

void wake_bindings(const struct view *view, const struct key_sink *sink, atom_t project)
{
	if (!project)
		return;
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_PROJECT, NULL, project);
	for (size_t i = 0; i < bindings.n; i++) {
		const struct billingaccountbinding *binding = postings_object(&bindings, i);
		if (binding->status.phase != BINDING_SUPERSEDED)
			key_sink_add(sink, KIND_BINDING, binding->meta.ns, binding->meta.name);
	}
}

struct projects {
	const struct view *view;
	const struct key_sink *sink;
};

static void wake_project(void *context, const void *object)
{
	const struct projects *of = context;
	const struct billingaccountbinding *binding = object;

	if (binding->status.phase == BINDING_SUPERSEDED)
		return;
	wake_bindings(of->view, of->sink, binding->spec.project);
	wake_gates(of->view, of->sink, binding->spec.project);
}

void wake_account_projects(const struct view *view, const struct key_sink *sink, atom_t ns, atom_t account)
{
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_ACCOUNT, ns, account);

	postings_each(&bindings, wake_project, &(struct projects){ .view = view, .sink = sink });
}

void wake_on_account(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingaccount *any = after ? after : before;

	if (!account_looks_the_same(before, after))
		wake_account_projects(view, sink, any->meta.ns, any->meta.name);
}

void wake_on_method(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct object *any = after ? after : before;

	if (method_looks_the_same(before, after))
		return;
	struct postings accounts = view_find(view, KIND_BILLINGACCOUNT, ACCOUNT_BY_DEFAULT_METHOD, any->ns, any->name);
	for (size_t i = 0; i < accounts.n; i++) {
		const struct key account = postings_key(&accounts, i);
		wake_account_projects(view, sink, account.ns, account.name);
	}
}

void wake_on_arrangement(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct billingarrangement *old = before, *new = after;

	if (arrangement_looks_the_same(old, new))
		return;
	if (old)
		wake_account_projects(view, sink, old->meta.ns, old->spec.account);
	if (new && (!old || old->spec.account != new->spec.account))
		wake_account_projects(view, sink, new->meta.ns, new->spec.account);
}

static void wake_residents(const struct view *view, const struct key_sink *sink, atom_t ns)
{
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_NAMESPACE, NULL, ns);

	postings_each(&bindings, wake_project, &(struct projects){ .view = view, .sink = sink });
}

static void wake_project_of(const struct view *view, const struct key_sink *sink, const struct namespace *namespace)
{
	if (!namespace || !namespace->project || !namespace->organization)
		return;
	wake_bindings(view, sink, namespace->project);
	wake_gates(view, sink, namespace->project);
}

/* Organizations alone matter: of the namespace's project, and of the bindings that live in the namespace. */
void wake_on_namespace(const struct view *view, const void *before, const void *after, const struct key_sink *sink)
{
	const struct namespace *old = before, *new = after, *any = new ? new : old;
	atom_t old_organization = old ? old->organization : NULL, new_organization = new ? new->organization : NULL;

	if (!same_object(before, after) || old->project != new->project || old_organization != new_organization) {
		wake_project_of(view, sink, old);
		wake_project_of(view, sink, new);
	}
	if (old_organization != new_organization)
		wake_residents(view, sink, any->meta.name); /* NOLINT(clang-analyzer-core.NullDereference): one of both is there */
}
