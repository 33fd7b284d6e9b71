/*
 * Owns: the model (model.h). Must not know: reconcilers, conditions, the cache; it trusts no status but phases, which have history.
 */
#include "model.h"

#include <string.h>

#define PROJECT_LABEL_KEY "resourcemanager.miloapis.com/project-name"
#define ORGANIZATION_LABEL_KEY "resourcemanager.miloapis.com/organization-name"

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool is_going(const struct stored *o)
{
	return doc_at(o->tree, "metadata", "deletionTimestamp", NULL);
}

static const char *phase(const struct stored *o)
{
	return doc_word(o->tree, "status", "phase", NULL);
}

static instant_t moment(const struct stored *o, const char *in, const char *member)
{
	const char *text = doc_word(o->tree, in, member, NULL);
	instant_t at = 0;

	return text[0] && instant_parse(text, strlen(text), &at) == 0 ? at : 0;
}

const char *model_project(const struct stored *room)
{
	return doc_word(room->tree, "metadata", "labels", PROJECT_LABEL_KEY, NULL);
}

static const char *project_of(const struct stored *binding)
{
	return doc_word(binding->tree, "spec", "projectRef", "name", NULL);
}

static const struct stored *account_of(const struct apiserver *server, const struct stored *o)
{
	return apiserver_find(server, ACCOUNTS, o->ns, doc_word(o->tree, "spec", "billingAccountRef", "name", NULL));
}

/* Organizations play a part in who may claim this project: rules of their own, not repeated here. */
static bool has_organizations(const struct apiserver *server)
{
	for (unsigned i = 0; i < server->n_objects && server->objects[i]->resource == NAMESPACES; i++)
		if (doc_word(server->objects[i]->tree, "metadata", "labels", ORGANIZATION_LABEL_KEY, NULL)[0])
			return true;
	return false;
}

static bool is_newer(const struct stored *a, const struct stored *b)
{
	instant_t at = moment(a, "metadata", "creationTimestamp"), bt = moment(b, "metadata", "creationTimestamp");

	return at != bt ? at > bt : strcmp(a->name, b->name) > 0;
}

/* Could it be the Active one? It is already, or its account takes new bindings. */
static bool may_be_active(const struct apiserver *server, const struct stored *binding)
{
	const struct stored *account = account_of(server, binding);

	if (same(phase(binding), "Active"))
		return true;
	return !phase(binding)[0] && !is_going(binding) && account && !is_going(account) && same(phase(account), "Ready") &&
	       !json_is_true(doc_at(account->tree, "spec", "closureRequested", NULL));
}

static bool claimed_by_others(const struct apiserver *server, const char *ns, const char *project)
{
	for (unsigned i = 0; i < server->n_objects; i++) {
		const struct stored *o = server->objects[i];

		if (o->resource == BINDINGS && !same(o->ns, ns) && same(project_of(o), project) && !same(phase(o), "Superseded") &&
		    may_be_active(server, o))
			return true;
	}
	return false;
}

const struct stored *model_winner(const struct apiserver *server, const char *ns, const char *project, bool *open)
{
	const struct stored *winner = NULL;

	*open = has_organizations(server) || claimed_by_others(server, ns, project);
	for (unsigned i = 0; i < server->n_objects; i++) {
		const struct stored *o = server->objects[i];

		if (o->resource == BINDINGS && same(o->ns, ns) && same(project_of(o), project) && may_be_active(server, o) &&
		    (!winner || is_newer(o, winner)))
			winner = o;
	}
	return winner;
}

bool model_gave_way(const struct apiserver *server, const struct stored *binding, bool elsewhere)
{
	bool found = false;

	for (unsigned i = 0; i < server->n_changes && !found; i++) {
		const struct change *c = &server->changes[i];
		struct stored other = { .ns = c->ns, .name = c->name };

		if (c->resource != BINDINGS || c->type != CHANGE_ADDED)
			continue;
		other.tree = json_loadb(c->text, c->len, 0, NULL);
		found = same(project_of(&other), project_of(binding)) && (same(other.ns, binding->ns) ? is_newer(&other, binding) : elsewhere);
		json_decref(other.tree);
	}
	return found;
}

/* ---- the gate ---- */

static struct verdict refused(const char *reason)
{
	return (struct verdict){ .reason = reason };
}

static bool belongs_to(const struct stored *o, const struct stored *account)
{
	const json_t *owners = doc_at(o->tree, "metadata", "ownerReferences", NULL);
	bool owned = false;

	if (!same(doc_word(o->tree, "spec", "billingAccountRef", "name", NULL), account->name) || !same(o->ns, account->ns))
		return false;
	for (size_t i = 0; i < json_array_size(owners); i++) {
		if (same(doc_word(json_array_get(owners, i), "uid", NULL), account->uid))
			return true;
		owned |= same(doc_word(json_array_get(owners, i), "kind", NULL), "BillingAccount");
	}
	/* Not marked yet: it is not older than the account. */
	return !owned && moment(o, "metadata", "creationTimestamp") >= moment(account, "metadata", "creationTimestamp");
}

static bool pays_by_invoice(const struct apiserver *server, const struct stored *account, instant_t now)
{
	for (unsigned i = 0; i < server->n_objects; i++) {
		const struct stored *o = server->objects[i];
		instant_t from, to;

		if (o->resource != ARRANGEMENTS || is_going(o) || !belongs_to(o, account))
			continue;
		from = moment(o, "spec", "startsAt");
		to = moment(o, "spec", "endsAt");
		if (from <= now && (!to || now < to))
			return true;
	}
	return false;
}

static bool is_expired(const struct stored *method, instant_t now)
{
	const json_t *card = doc_at(method->tree, "status", "details", "card", NULL);
	json_int_t year = json_integer_value(doc_at(card, "expiryYear", NULL)), month = json_integer_value(doc_at(card, "expiryMonth", NULL));

	return year && month && instant_after_month((int)year, (int)month) <= now;
}

static struct verdict payment(const struct apiserver *server, const struct stored *account, instant_t now)
{
	const char *name = doc_word(account->tree, "spec", "defaultPaymentMethodRef", "name", NULL);
	const struct stored *method = apiserver_find(server, METHODS, account->ns, name);

	if (pays_by_invoice(server, account, now))
		return (struct verdict){ .allowed = true, .reason = "Allowed" };
	if (!name[0])
		return refused("PaymentMethodRequired");
	if (!method)
		return refused(NULL);
	if (!same(phase(method), "Active") || is_expired(method, now) ||
	    !same(doc_word(method->tree, "spec", "billingAccountRef", "name", NULL), account->name))
		return refused("PaymentMethodNotUsable");
	return (struct verdict){ .allowed = true, .reason = "Allowed" };
}

static const char *organization_of(const struct stored *room)
{
	return room ? doc_word(room->tree, "metadata", "labels", ORGANIZATION_LABEL_KEY, NULL) : "";
}

/* Is it of another organization than one of the project's namespaces? Who belongs to none is at home everywhere. */
static bool is_foreign(const struct apiserver *server, const struct stored *binding)
{
	const char *home = organization_of(apiserver_find(server, NAMESPACES, "", binding->ns));

	for (unsigned i = 0; i < server->n_objects && server->objects[i]->resource == NAMESPACES; i++) {
		const char *other = organization_of(server->objects[i]);

		if (home[0] && other[0] && same(model_project(server->objects[i]), project_of(binding)) && !same(home, other))
			return true;
	}
	return false;
}

static struct verdict of_account(const struct apiserver *server, const struct stored *account, instant_t now)
{
	if (!account)
		return refused(NULL);
	if (is_going(account))
		return refused("AccountDeleting");
	if (same(phase(account), "Suspended"))
		return refused("AccountSuspended");
	if (!same(phase(account), "Ready"))
		return refused("AccountNotReady");
	return payment(server, account, now);
}

struct verdict model_verdict(const struct apiserver *server, const struct stored *room, instant_t now)
{
	const char *project = model_project(room);
	const struct stored *binding = NULL;
	struct verdict verdict;

	for (unsigned i = 0; i < server->n_objects; i++) {
		const struct stored *o = server->objects[i];

		if (o->resource != BINDINGS || !same(project_of(o), project) || !same(phase(o), "Active") ||
		    is_foreign(server, o))
			continue;
		if (binding)
			return (struct verdict){ .open = true }; /* claims of two namespaces: which is older has its own history */
		binding = o;
	}
	if (!binding)
		return refused("NoBinding");
	verdict = of_account(server, account_of(server, binding), now);
	verdict.binding = binding;
	return verdict;
}
