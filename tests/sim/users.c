/*
 * Owns: what people do: customers, staff, providers, cluster administrators. Each action is legal for a real API server with the
 * definitions installed and the webhooks off, and mostly about few names, so that people get into each other's way.
 * Must not know: what should come of it.
 */
#include <string.h>

#include "world.h"

#define PROJECT_LABEL_KEY "resourcemanager.miloapis.com/project-name"
#define ORGANIZATION_LABEL_KEY "resourcemanager.miloapis.com/organization-name"
#define DEPLOY_LABEL_KEY "billing.miloapis.com/deploy"

static const char *const organizations[] = { "acme", "acme", "acme", "acme", "beta" };
static const char *const accounts[] = { "main", "main", "other" };
static const char *const methods[] = { "visa", "visa", "iban" };
static const char *const bindings[] = { "b1", "b2", "b3", "b4" };
static const char *const projects[] = { "shop", "shop", "shop", "blog" };
static const char *const rooms[] = { "shop", "shop", "blog", "shop-test" };
static const char *const classes[] = { "sandbox", "manual" };
static const char *const periods[] = { "one", "two" };

#define ANY(c, list) (list)[chance_below((c), sizeof(list) / sizeof((list)[0]))]

static const char *moment(const struct world *w, struct chance *c, int from_s, int to_s, char text[INSTANT_TEXT_SIZE])
{
	return instant_format(w->server.now + 1000 * ((int64_t)from_s + chance_below(c, (unsigned)(to_s - from_s))), text);
}

static struct stored *any_object(struct world *w, struct chance *c, enum resource_id r)
{
	struct stored *found[OBJECTS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < w->server.n_objects; i++)
		if (w->server.objects[i]->resource == r && strcmp(w->server.objects[i]->name, LEASE_NAMESPACE) != 0)
			found[n++] = w->server.objects[i];
	return n ? found[chance_below(c, n)] : NULL;
}

static void create(struct world *w, enum resource_id r, const char *ns, const char *name, json_t *parts)
{
	int status = apiserver_create(&w->server, r, ns, name, parts);

	world_trace(w, "create %s %s/%s: %d", api_resources[r].plural, ns, name, status);
}

static void edit(struct world *w, struct stored *o, bool status, json_t *patch)
{
	char *text;

	if (w->trace) {
		text = json_dumps(patch, JSON_COMPACT);
		world_trace(w, "edit %s %s/%s%s: %s", api_resources[o->resource].plural, o->ns, o->name, status ? " (status)" : "", text);
		free(text);
	}
	apiserver_merge(&w->server, o, status, patch);
}

static void delete_it(struct world *w, struct stored *o)
{
	world_trace(w, "delete %s %s/%s", api_resources[o->resource].plural, o->ns, o->name);
	apiserver_delete(&w->server, o);
}

static void delete_any(struct world *w, struct chance *c, enum resource_id r)
{
	struct stored *o = any_object(w, c, r);

	if (o)
		delete_it(w, o);
}

/* Somebody else's finalizer: what is deleted stays for a while, marked as going. */
static const enum resource_id held[] = { BINDINGS, BINDINGS, ARRANGEMENTS, METHODS, INVOICES };

static void hold(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, ANY(c, held));

	if (!o || doc_at(o->tree, "metadata", "deletionTimestamp", NULL))
		return;
	edit(w, o, false, json_pack("{s:{s:[s]}}", "metadata", "finalizers", "example.com/hold"));
	if (chance_percent(c, 70))
		delete_it(w, o);
}

static void let_go(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, ANY(c, held));

	if (o && doc_at(o->tree, "metadata", "finalizers", NULL))
		edit(w, o, false, json_pack("{s:{s:n}}", "metadata", "finalizers"));
}

/* ---- who creates what ---- */

static void create_namespace(struct world *w, struct chance *c)
{
	const char *name = ANY(c, rooms);

	create(w, NAMESPACES, "", name,
	       json_pack("{s:{s:{s:s}}}", "metadata", "labels", PROJECT_LABEL_KEY, strcmp(name, "shop-test") == 0 ? "shop" : name));
}

static void create_account(struct world *w, struct chance *c)
{
	json_t *spec = json_pack("{s:s}", "currencyCode", chance_percent(c, 8) ? "ZZZ" : "EUR");

	if (chance_percent(c, 60))
		json_object_set_new(spec, "defaultPaymentMethodRef", json_pack("{s:s}", "name", ANY(c, methods)));
	create(w, ACCOUNTS, ANY(c, organizations), ANY(c, accounts), json_pack("{s:o}", "spec", spec));
}

static void create_binding(struct world *w, struct chance *c)
{
	create(w, BINDINGS, ANY(c, organizations), ANY(c, bindings),
	       json_pack("{s:{s:{s:s},s:{s:s}}}", "spec", "billingAccountRef", "name", ANY(c, accounts), "projectRef", "name", ANY(c, projects)));
}

static void create_method(struct world *w, struct chance *c)
{
	static const char *const outcomes[] = { "declined", "pending", "active" };
	json_t *parts = json_pack("{s:{s:{s:s},s:s,s:{s:s}}}", "spec", "billingAccountRef", "name", ANY(c, accounts), "displayName", "card",
				  "paymentMethodClassRef", "name", ANY(c, classes));

	if (chance_percent(c, 30))
		json_object_set_new(parts, "metadata",
				    json_pack("{s:{s:s}}", "annotations", "billing.miloapis.com/sandbox-outcome", ANY(c, outcomes)));
	create(w, METHODS, ANY(c, organizations), ANY(c, methods), parts);
}

static void create_class(struct world *w, struct chance *c)
{
	const char *name = ANY(c, classes);

	create(w, CLASSES, "", name,
	       json_pack("{s:{s:s},s:{s:{s:s}}}", "spec", "provider", name, "metadata", "labels", "billing.miloapis.com/is-default-class",
			 chance_percent(c, 50) ? "true" : "false"));
}

static void create_arrangement(struct world *w, struct chance *c)
{
	char from[INSTANT_TEXT_SIZE], to[INSTANT_TEXT_SIZE];
	json_t *spec = json_pack("{s:{s:s},s:s,s:s,s:s}", "billingAccountRef", "name", ANY(c, accounts), "type", "Invoice", "reason", "agreed",
				 "startsAt", moment(w, c, -60, 60, from));

	if (chance_percent(c, 60))
		json_object_set_new(spec, "endsAt", json_string(moment(w, c, 60, 120, to)));
	create(w, ARRANGEMENTS, ANY(c, organizations), ANY(c, periods), json_pack("{s:o}", "spec", spec));
}

static void create_invoice(struct world *w, struct chance *c)
{
	create(w, INVOICES, ANY(c, organizations), ANY(c, periods),
	       json_pack("{s:{s:{s:s},s:{s:s,s:s}}}", "spec", "billingAccountRef", "name", ANY(c, accounts), "period", "start",
			 "2026-10-01T00:00:00Z", "end", "2026-10-31T23:59:59Z"));
}

/* ---- who edits what ---- */

static void edit_account(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, ACCOUNTS);
	json_t *spec;

	if (!o)
		return;
	switch (chance_below(c, 4)) {
	case 0:
		spec = json_pack("{s:n}", "defaultPaymentMethodRef");
		break;
	case 1:
		spec = json_pack("{s:b}", "closureRequested", (int)chance_below(c, 2));
		break;
	default:
		spec = json_pack("{s:{s:s}}", "defaultPaymentMethodRef", "name", ANY(c, methods));
	}
	edit(w, o, false, json_pack("{s:o}", "spec", spec));
}

/* Staff and dunning. */
static void suspend_account(struct world *w, struct chance *c)
{
	static const char *const phases[] = { "Suspended", "Suspended", "Ready", "Ready", "Archived", "Provisioning" };
	static const char *const reasons[] = { "unpaid", "fraud" };
	struct stored *o = any_object(w, c, ACCOUNTS);
	const char *phase;
	json_t *status;

	if (!o)
		return;
	phase = ANY(c, phases);
	if (strcmp(doc_word(o->tree, "status", "phase", NULL), "Suspended") == 0 && chance_percent(c, 40)) {
		edit(w, o, true, json_pack("{s:{s:{s:s}}}", "status", "suspension", "reason", ANY(c, reasons)));
		return;
	}
	w->accounts_by_hand |= strcmp(phase, "Archived") == 0;
	status = json_pack("{s:s}", "phase", phase);
	if (chance_percent(c, 40))
		json_object_set_new(status, "suspension", json_pack("{s:s}", "reason", ANY(c, reasons)));
	edit(w, o, true, json_pack("{s:o}", "status", status));
}

/* The provider. */
static void move_method(struct world *w, struct chance *c)
{
	static const char *const phases[] = { "Active", "Active", "Failed", "Pending", "AwaitingConfirmation" };
	struct stored *o = any_object(w, c, METHODS);
	const char *phase = ANY(c, phases);
	json_t *status;

	if (!o)
		return;
	status = json_pack("{s:s}", "phase", phase);
	if (strcmp(phase, "Failed") == 0)
		json_object_set_new(status, "failureReason", json_string("card_declined"));
	if (strcmp(phase, "Active") == 0 && chance_percent(c, 50))
		json_object_set_new(status, "details",
				    json_pack("{s:s,s:{s:s,s:i,s:i}}", "type", "card", "card", "last4", "4242", "expiryMonth",
					      11 + (int)chance_below(c, 2), "expiryYear", 2026));
	edit(w, o, true, json_pack("{s:o}", "status", status));
}

static void annotate_method(struct world *w, struct chance *c)
{
	static const char *const outcomes[] = { "declined", "pending", "active", "expired" };
	struct stored *o = any_object(w, c, METHODS);

	if (o)
		edit(w, o, false,
		     json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "billing.miloapis.com/sandbox-outcome", ANY(c, outcomes)));
}

/* Who makes invoices. */
static void move_invoice(struct world *w, struct chance *c)
{
	static const char *const phases[] = { "Open", "Open", "Open", "Paid", "Void", "PastDue" };
	struct stored *o = any_object(w, c, INVOICES);
	static const char *const amounts[] = { "119.00", "19.00", "0.00", "many" };
	char due[INSTANT_TEXT_SIZE];

	if (o && chance_percent(c, 40))
		edit(w, o, true, json_pack("{s:{s:s}}", "status", "amountDue", ANY(c, amounts)));
	else if (o)
		edit(w, o, true,
		     json_pack("{s:{s:s,s:s,s:s,s:s,s:s,s:i}}", "status", "phase", ANY(c, phases), "currencyCode", "EUR", "total", "119.00", "amountDue",
			       ANY(c, amounts), "dueDate", moment(w, c, -100, 100, due), "attemptCount", (int)chance_below(c, 2)));
}

static void end_arrangement(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, ARRANGEMENTS);
	char end[INSTANT_TEXT_SIZE];

	if (o)
		edit(w, o, false, json_pack("{s:{s:s}}", "spec", "endsAt", moment(w, c, 60, 90, end)));
}

static void label_class(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, CLASSES);

	if (o)
		edit(w, o, false,
		     json_pack("{s:{s:{s:s}}}", "metadata", "labels", "billing.miloapis.com/is-default-class", chance_percent(c, 50) ? "true" : "false"));
}

static void label_namespace(struct world *w, struct chance *c)
{
	struct stored *o = apiserver_find(&w->server, NAMESPACES, "", ANY(c, rooms));

	if (!o)
		return;
	if (chance_percent(c, 30))
		edit(w, o, false, json_pack("{s:{s:{s:n}}}", "metadata", "labels", PROJECT_LABEL_KEY));
	else
		edit(w, o, false, json_pack("{s:{s:{s:s}}}", "metadata", "labels", PROJECT_LABEL_KEY, ANY(c, projects)));
}

static void label_organization(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, NAMESPACES);

	if (!o)
		return;
	w->organizations_moved = true;
	if (chance_percent(c, 40))
		edit(w, o, false, json_pack("{s:{s:{s:n}}}", "metadata", "labels", ORGANIZATION_LABEL_KEY));
	else
		edit(w, o, false, json_pack("{s:{s:{s:s}}}", "metadata", "labels", ORGANIZATION_LABEL_KEY, ANY(c, organizations)));
}

/* ---- who should not have ---- */

static void forge_binding(struct world *w, struct chance *c)
{
	static const char *const phases[] = { "Active", "Superseded" };
	struct stored *o = any_object(w, c, BINDINGS);

	if (!o)
		return;
	w->statuses_by_hand = true;
	if (chance_percent(c, 40))
		edit(w, o, true, json_pack("{s:n}", "status"));
	else
		edit(w, o, true, json_pack("{s:{s:s}}", "status", "phase", ANY(c, phases)));
}

static void forge_gate(struct world *w, struct chance *c)
{
	struct stored *o = any_object(w, c, PROJECTBILLINGS), *room = apiserver_find(&w->server, NAMESPACES, "", ANY(c, rooms));

	if (o && chance_percent(c, 50))
		edit(w, o, true, json_pack("{s:{s:b}}", "status", "deployAllowed", 1));
	else if (room)
		edit(w, room, false, json_pack("{s:{s:{s:s}}}", "metadata", "labels", DEPLOY_LABEL_KEY, chance_percent(c, 70) ? "allowed" : "blocked"));
}

static void forge_status(struct world *w, struct chance *c)
{
	static const enum resource_id any[] = { ACCOUNTS, METHODS, ARRANGEMENTS, INVOICES, CLASSES };
	struct stored *o = any_object(w, c, ANY(c, any));

	if (!o)
		return;
	if (chance_percent(c, 50))
		edit(w, o, true, json_pack("{s:{s:[]}}", "status", "conditions"));
	else
		edit(w, o, true, json_pack("{s:n}", "status"));
}

static void recreate(struct world *w, struct chance *c)
{
	static const enum resource_id any[] = { ACCOUNTS, ACCOUNTS, METHODS, BINDINGS };
	struct stored *o = any_object(w, c, ANY(c, any));
	json_t *spec;

	if (!o)
		return;
	spec = json_deep_copy(json_object_get(o->tree, "spec"));
	delete_it(w, o);
	create(w, o->resource, o->ns, o->name, json_pack("{s:o}", "spec", spec));
}

static const struct action {
	unsigned weight;
	void (*act)(struct world *, struct chance *);
	enum resource_id deletes; /* act NULL */
} actions[] = {
	{ 12, create_binding, 0 },
	{ 8, create_account, 0 },
	{ 7, create_method, 0 },
	{ 4, create_namespace, 0 },
	{ 2, create_class, 0 },
	{ 4, create_arrangement, 0 },
	{ 3, create_invoice, 0 },
	{ 6, edit_account, 0 },
	{ 4, suspend_account, 0 },
	{ 7, move_method, 0 },
	{ 2, annotate_method, 0 },
	{ 4, move_invoice, 0 },
	{ 2, end_arrangement, 0 },
	{ 1, label_class, 0 },
	{ 3, label_namespace, 0 },
	{ 3, label_organization, 0 },
	{ 2, forge_binding, 0 },
	{ 3, forge_gate, 0 },
	{ 3, forge_status, 0 },
	{ 4, recreate, 0 },
	{ 2, hold, 0 },
	{ 1, let_go, 0 },
	{ 5, NULL, BINDINGS },
	{ 4, NULL, ACCOUNTS },
	{ 3, NULL, METHODS },
	{ 1, NULL, CLASSES },
	{ 2, NULL, ARRANGEMENTS },
	{ 2, NULL, INVOICES },
	{ 1, NULL, PROJECTBILLINGS },
	{ 1, NULL, NAMESPACES },
};

enum { N_ACTIONS = sizeof(actions) / sizeof(actions[0]) };

/* Bindings are what it is all about: somebody always makes some. */
static unsigned weight(const struct world *w, unsigned action)
{
	return w->habits >> action & 1 || action == 0 ? actions[action].weight : 0;
}

void users_act(struct world *w, struct chance *c)
{
	unsigned total = 0, at;

	for (unsigned i = 0; i < N_ACTIONS; i++)
		total += weight(w, i);
	at = chance_below(c, total);
	for (unsigned i = 0;; i++) {
		const struct action *a = &actions[i];

		if (at >= weight(w, i)) {
			at -= weight(w, i);
			continue;
		}
		if (a->act)
			a->act(w, c);
		else
			delete_any(w, c, a->deletes);
		return;
	}
}

void users_settle(struct world *w, struct chance *c)
{
	create(w, NAMESPACES, "", "acme", json_object());
	create(w, NAMESPACES, "", "beta", json_object());
	if (w->n_controllers > 1)
		create(w, NAMESPACES, "", LEASE_NAMESPACE, json_object());
	for (unsigned i = 0; i < 2; i++)
		if (chance_percent(c, 80))
			create_namespace(w, c);
	if (chance_percent(c, 70))
		create_class(w, c);
	if (chance_percent(c, 60))
		create_account(w, c);
	if (chance_percent(c, 40))
		create_method(w, c);
	if (chance_percent(c, 40))
		create_binding(w, c);
	w->mono += chance_below(c, 2500);
}

void users_repair(struct world *w)
{
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		struct stored *o = w->server.objects[i];

		if (json_is_string(doc_at(o->tree, "status", "observedGeneration", NULL)))
			edit(w, o, true, json_pack("{s:{s:n}}", "status", "observedGeneration"));
	}
}
