/*
 * Owns: what must hold, by letter:
 *   (a) at most one Active binding a project, and it is the right one;
 *   (b) every object is as the pure reconciler says of the final world, of which the cache shows every version;
 *   (c) at rest nothing is written, and no write changes nothing;
 *   (d) no write is a non-leader's, unguarded, or based on a version older than one's own last write;
 *   (e) whatever is due happens in bounded time (world.c);
 *   (f) no finalizer stays on an object that may go, none goes before that;
 *   (g) the deploy label and ProjectBilling say what the model says;
 *   (h) memory returns to what it was (sim.c);
 *   (i) a condition's transition time moves when its status does and not else; what was observed is the generation that there is.
 * Must not know: how the run came here. Reads only.
 */
#include <stdlib.h>
#include <string.h>

#include "billingaccount.h"
#include "model.h"
#include "world.h"

static const enum kind_id kind_of[DECIDED] = {
	[NAMESPACES] = KIND_NAMESPACE,     [CLASSES] = KIND_PAYMENTMETHODCLASS, [ACCOUNTS] = KIND_BILLINGACCOUNT,
	[METHODS] = KIND_PAYMENTMETHOD,    [ARRANGEMENTS] = KIND_BILLINGARRANGEMENT, [INVOICES] = KIND_INVOICE,
	[BINDINGS] = KIND_BINDING,         [PROJECTBILLINGS] = KIND_PROJECTBILLING,
};

/* ---- each write ---- */

static bool is_active(const struct stored *o)
{
	return o->resource == BINDINGS && strcmp(doc_word(o->tree, "status", "phase", NULL), "Active") == 0;
}

static const char *project_of(const struct stored *o)
{
	return doc_word(o->tree, "spec", "projectRef", "name", NULL);
}

static void gave_way_to_a_newer_one(struct world *w, const struct api_answer *a)
{
	const struct stored *o = apiserver_find(&w->server, BINDINGS, a->ns, a->name);

	if (o && a->status_part && strcmp(doc_word(o->tree, "status", "phase", NULL), "Superseded") == 0 && !w->statuses_by_hand &&
	    !model_gave_way(&w->server, o, w->organizations_moved))
		world_break(w, 'a', "%s/%s is Superseded, and no newer binding has ever named its project", o->ns, o->name);
}

/* An Active binding to that account, whether it is there or not; NULL: none. */
static const struct stored *pays_by(const struct world *w, const char *ns, const char *account)
{
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i];

		if (is_active(o) && strcmp(o->ns, ns) == 0 && strcmp(doc_word(o->tree, "spec", "billingAccountRef", "name", NULL), account) == 0)
			return o;
	}
	return NULL;
}

static void pays_for_nothing(struct world *w, const struct api_answer *a)
{
	const struct stored *binding = pays_by(w, a->ns, a->name);

	if (binding && !apiserver_find(&w->server, ACCOUNTS, a->ns, a->name) && !w->statuses_by_hand)
		world_break(w, 'f', "account %s/%s lost its finalizer while it paid by %s", a->ns, a->name, binding->name);
}

static void at_most_one_is_active(struct world *w, const char *ns, const char *name)
{
	const struct stored *one = apiserver_find(&w->server, BINDINGS, ns, name);

	if (!one || !is_active(one) || w->statuses_by_hand)
		return;
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i];

		if (o != one && is_active(o) && (strcmp(o->ns, ns) == 0 || !w->organizations_moved) && strcmp(project_of(o), project_of(one)) == 0)
			world_break(w, 'a', "%s/%s and %s/%s are Active for project %s at the same time", ns, one->name, o->ns, o->name, project_of(o));
	}
}

static void is_newer_than_own_writes(struct world *w, const struct controller *c, const struct api_answer *a)
{
	for (unsigned i = 0; i < c->n_own; i++) {
		const struct own_write *own = &c->own[i];

		if (own->resource == a->resource && a->guard && a->guard < own->revision && strcmp(own->name, a->name) == 0 &&
		    strcmp(own->ns, a->ns) == 0)
			world_break(w, 'd', "a write to %s %s/%s is based on a version older than the last one written",
				    api_resources[a->resource].plural, a->ns, a->name);
	}
}

/* As the server knows it, not as the process believes. */
static void written_by_the_leader(struct world *w, const struct controller *c, const struct api_answer *a)
{
	const struct stored *lease = apiserver_find(&w->server, LEASES, LEASE_NAMESPACE, LEASE_NAME);
	const char *holder = lease ? doc_word(lease->tree, "spec", "holderIdentity", NULL) : "";

	if (c->elector && strcmp(holder, c->identity) != 0)
		world_break(w, 'd', "%s writes %s %s/%s, and %s leads", c->identity, api_resources[a->resource].plural, a->ns, a->name,
			    holder[0] ? holder : "nobody");
}

static const struct change *earlier(const struct apiserver *server, const struct api_answer *a, unsigned *from)
{
	while (*from) {
		const struct change *c = &server->changes[--*from];

		if (c->resource == a->resource && strcmp(c->name, a->name) == 0 && strcmp(c->ns, a->ns) == 0)
			return c;
	}
	return NULL;
}

/* A clock's second may pass unseen, and a request take its time. */
static bool is_long_ago(const struct world *w, const char *text)
{
	instant_t at = 0;

	return instant_parse(text, strlen(text), &at) == 0 && at + 60000 < w->server.now;
}

/* The status alone where it comes last, as it does unless people wrote otherwise: to read all of it would take a tenth of the whole run. */
static json_t *status_then(const struct change *then)
{
	static const char mark[] = ",\"status\":{";
	const char *at = memmem(then->text, then->len, mark, sizeof(mark) - 1);
	const char *end = then->text + then->len - 1, *from = at ? at + sizeof(mark) - 2 : end;
	json_t *status = json_loadb(from, (size_t)(end - from), 0, NULL);

	return status ? json_pack("{s:o}", "status", status) : json_loadb(then->text, then->len, 0, NULL);
}

/* Of this write: what stood in the status before it is in the log. */
static void transitions_are_true(struct world *w, const struct controller *c, const struct api_answer *a)
{
	unsigned from = w->server.n_changes;
	const struct change *now = earlier(&w->server, a, &from), *then = earlier(&w->server, a, &from);
	const struct stored *o = now && now->type == CHANGE_MODIFIED ? apiserver_find(&w->server, a->resource, a->ns, a->name) : NULL;
	const json_t *list = o ? doc_at(o->tree, "status", "conditions", NULL) : NULL;
	json_t *old = list && then && then->type != CHANGE_DELETED ? status_then(then) : NULL;

	if (!old)
		return;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *after = json_array_get(list, i), *before = doc_condition(old, doc_word(after, "type", NULL));
		const char *moved = doc_word(after, "lastTransitionTime", NULL), *was = before ? doc_word(before, "lastTransitionTime", NULL) : "";
		bool flips = before && strcmp(doc_word(before, "status", NULL), doc_word(after, "status", NULL)) != 0;

		if (was[0] && !flips && strcmp(was, moved) != 0)
			world_break(w, 'i', "%s/%s: %s is %s as before, and its transition time moves from %s to %s", a->ns, a->name,
				    doc_word(after, "type", NULL), doc_word(after, "status", NULL), was, moved);
		if (flips && was[0] && strcmp(was, moved) == 0 && c->clock_offset == 0 && is_long_ago(w, was))
			world_break(w, 'i', "%s/%s: %s changes to %s, and its transition time stays at %s", a->ns, a->name,
				    doc_word(after, "type", NULL), doc_word(after, "status", NULL), was);
	}
	json_decref(old);
}

/* No binding becomes Active by an account that was closed, nor is one closed while it pays. */
static void is_not_of_a_closed_account(struct world *w, const struct api_answer *a)
{
	const char *name = a->name;
	const struct stored *account, *binding;

	if (a->resource == BINDINGS) {
		binding = apiserver_find(&w->server, BINDINGS, a->ns, a->name);
		if (!binding || !is_active(binding))
			return;
		name = doc_word(binding->tree, "spec", "billingAccountRef", "name", NULL);
	}
	account = apiserver_find(&w->server, ACCOUNTS, a->ns, name);
	if (!account || w->statuses_by_hand || w->accounts_by_hand || strcmp(doc_word(account->tree, "status", "phase", NULL), "Archived") != 0)
		return;
	binding = pays_by(w, a->ns, name);
	if (binding)
		world_break(w, 'f', "account %s/%s is closed, and pays by %s", a->ns, name, binding->name);
}

void property_write(struct world *w, const struct controller *c, const struct call *call)
{
	const struct api_answer *a = &call->answer;
	const char *plural = api_resources[a->resource].plural;

	written_by_the_leader(w, c, a);
	if (!a->guarded && a->status != 404)
		world_break(w, 'd', "a write to %s %s/%s names neither version nor UID", plural, a->ns, a->name);
	is_newer_than_own_writes(w, c, a);
	if (a->status < 300 && !a->changed)
		world_break(w, 'c', "a write to %s %s/%s changes nothing: %s", plural, a->ns, a->name, call->request.body);
	if (a->changed && a->resource == BINDINGS) {
		at_most_one_is_active(w, a->ns, a->name);
		gave_way_to_a_newer_one(w, a);
	}
	if (a->changed && a->status_part)
		transitions_are_true(w, c, a);
	if (a->changed && a->status_part && (a->resource == BINDINGS || a->resource == ACCOUNTS))
		is_not_of_a_closed_account(w, a);
	if (a->changed && a->resource == ACCOUNTS && !a->status_part)
		pays_for_nothing(w, a);
}

/* ---- at rest ---- */

static atom_t atom_in(const struct manager *m, const char *text)
{
	return text[0] ? atom_find(m->atoms, text, strlen(text)) : NULL;
}

static const struct object *cached(const struct manager *m, const struct stored *o)
{
	atom_t name = atom_in(m, o->name), ns = atom_in(m, o->ns);

	return name && (ns || !o->ns[0]) ? view_get(cache_view(m->cache), kind_of[o->resource], ns, name) : NULL;
}

static void cache_is_the_world(struct world *w, const struct controller *c)
{
	struct cache_stats stats;
	size_t there[RESOURCES] = { 0 };
	char version[VERSION_TEXT];

	cache_stats(c->manager.cache, &stats);
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i];
		const struct object *seen;

		if (o->resource == LEASES)
			continue;
		seen = cached(&c->manager, o);
		there[o->resource]++;
		if (!seen)
			world_break(w, 'b', "the cache does not know %s %s/%s", api_resources[o->resource].plural, o->ns, o->name);
		else if (strcmp(seen->resource_version, version_text(o->revision, version)) != 0)
			world_break(w, 'b', "the cache shows an old version of %s %s/%s", api_resources[o->resource].plural, o->ns, o->name);
	}
	for (unsigned r = 0; r < DECIDED; r++)
		if (stats.objects[kind_of[r]] != there[r])
			world_break(w, 'b', "the cache knows %zu %s, and there are %zu", stats.objects[kind_of[r]], api_resources[r].plural, there[r]);
}

/* Moments to come, and nothing else: neither failures of keys that have long succeeded nor writes that nobody awaits any more. */
static void nothing_else_is_remembered(struct world *w, const struct controller *c)
{
	struct queue_stats queue = queue_stats(c->manager.queue, w->mono);
	struct cache_stats cache;

	cache_stats(c->manager.cache, &cache);
	if (queue.keys != queue.timed)
		world_break(w, 'h', "the queue remembers %zu keys, of which %zu wait for a moment", queue.keys, queue.timed);
	if (cache.awaiting)
		world_break(w, 'b', "the cache awaits events of %zu keys, and none are to come", cache.awaiting);
}

/* What the decision about a key would still write, in the arena; "" = nothing. */
static const char *still_to_do(const struct manager *m, struct key key, const struct outcome *outcome, struct arena *arena)
{
	const struct kind *kind = &kinds[key.kind];
	const void *self = view_get(cache_view(m->cache), key.kind, key.ns, key.name);
	const char *words;
	char *patch;

	for (size_t i = 0; i < outcome->n_effects; i++) {
		if (outcome->effects[i].type == EFFECT_CREATE && !self)
			return "created";
		if (outcome->effects[i].type == EFFECT_DELETE && self)
			return "deleted";
	}
	if (!self)
		return "";
	if (outcome->finalizer != FINALIZER_KEEP) {
		patch = finalizer_patch(self, kind->reconciler->finalizer, outcome->finalizer == FINALIZER_ADD);
		free(patch);
		if (patch)
			return outcome->finalizer == FINALIZER_ADD ? "given its finalizer" : "freed of its finalizer";
	}
	if (outcome->n_marks)
		return "marked";
	if (outcome->owner)
		return "given its owner";
	patch = outcome->status ? status_patch(kind->resource, self, outcome->status) : NULL;
	words = patch ? arena_printf(arena, "given another status: %s", patch) : "";
	free(patch);
	return words;
}

static void decision_is_carried_out(struct world *w, const struct controller *c, struct key key, struct arena *arena, instant_t *next)
{
	const struct reconciler *r = kinds[key.kind].reconciler;
	instant_t now = world_wall(w, c);
	struct outcome outcome;
	const char *left;

	if (!r->run)
		return;
	arena_reset(arena);
	outcome = r->run(cache_view(c->manager.cache), key, now, arena);
	left = still_to_do(&c->manager, key, &outcome, arena);
	if (left[0])
		world_break(w, outcome.finalizer == FINALIZER_REMOVE ? 'f' : 'b', "%s %s/%s is at rest, and should be %s", kinds[key.kind].resource->plural,
			    atom_text(key.ns), key.name->text, left);
	if (outcome.wake_at > now && (!*next || outcome.wake_at < *next))
		*next = outcome.wake_at;
}

static instant_t decisions_are_carried_out(struct world *w, const struct controller *c)
{
	const struct manager *m = &c->manager;
	struct arena arena;
	instant_t next = 0;

	arena_init(&arena);
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i];
		struct key key = { .ns = atom_in(m, o->ns), .name = atom_in(m, o->name) };

		if (o->resource == LEASES)
			continue;
		key.kind = (uint8_t)kind_of[o->resource];
		decision_is_carried_out(w, c, key, &arena, &next);
		if (o->resource != NAMESPACES || !model_project(o)[0])
			continue;
		key = (struct key){ .kind = KIND_PROJECTBILLING, .ns = key.name, .name = atom_in(m, model_project(o)) };
		decision_is_carried_out(w, c, key, &arena, &next);
	}
	arena_close(&arena);
	return next;
}

static void the_right_one_is_active(struct world *w)
{
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i], *winner;
		bool open;

		if (o->resource != BINDINGS)
			continue;
		at_most_one_is_active(w, o->ns, o->name);
		winner = model_winner(&w->server, o->ns, project_of(o), &open);
		if (open)
			continue;
		if (o == winner && !is_active(o))
			world_break(w, 'a', "%s/%s must be Active for project %s", o->ns, o->name, project_of(o));
		else if (o != winner && is_active(o))
			world_break(w, 'a', "%s/%s is Active for project %s, and it should be %s", o->ns, o->name, project_of(o), winner->name);
	}
}

static void nothing_is_held_without_need(struct world *w)
{
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i];
		bool pays = false;

		if (o->resource != ACCOUNTS || !doc_at(o->tree, "metadata", "deletionTimestamp", NULL))
			continue;
		for (unsigned j = 0; j < w->server.n_objects; j++)
			pays |= is_active(w->server.objects[j]) && strcmp(w->server.objects[j]->ns, o->ns) == 0 &&
				strcmp(doc_word(w->server.objects[j]->tree, "spec", "billingAccountRef", "name", NULL), o->name) == 0;
		if (!pays)
			world_break(w, 'f', "account %s/%s is to go, pays for nothing, and keeps its finalizer", o->ns, o->name);
	}
}

static void gate_says(struct world *w, const struct stored *room, const struct verdict *v)
{
	const char *project = model_project(room), *label = doc_word(room->tree, "metadata", "labels", "billing.miloapis.com/deploy", NULL);
	const struct stored *shown = apiserver_find(&w->server, PROJECTBILLINGS, room->name, project);
	const char *reason = shown ? doc_word(doc_condition(shown->tree, "DeployAllowed"), "reason", NULL) : "";

	if (strcmp(label, v->allowed ? "allowed" : "blocked") != 0)
		world_break(w, 'g', "namespace %s is %s, and its project %s is %s: %s", room->name, label[0] ? label : "without a label", project,
			    v->allowed ? "allowed" : "blocked", v->reason ? v->reason : "");
	else if (!shown)
		world_break(w, 'g', "namespace %s has no ProjectBilling %s", room->name, project);
	else if (json_is_true(doc_at(shown->tree, "status", "deployAllowed", NULL)) != v->allowed)
		world_break(w, 'g', "ProjectBilling %s/%s says the opposite: it should be %s", room->name, project, v->reason ? v->reason : "refused");
	else if (v->reason && strcmp(reason, v->reason) != 0)
		world_break(w, 'g', "ProjectBilling %s/%s says %s, and it should be %s", room->name, project, reason, v->reason);
}

/* A Superseded binding is history, and what is to go is not judged any more. */
static void generations_are_observed(struct world *w)
{
	for (unsigned i = 0; i < w->server.n_objects; i++) {
		const struct stored *o = w->server.objects[i];
		json_int_t generation = json_integer_value(doc_at(o->tree, "metadata", "generation", NULL));
		const json_t *list = doc_at(o->tree, "status", "conditions", NULL);

		if (o->resource == NAMESPACES || o->resource == LEASES || doc_at(o->tree, "metadata", "deletionTimestamp", NULL) ||
		    strcmp(doc_word(o->tree, "status", "phase", NULL), "Superseded") == 0)
			continue;
		if (doc_at(o->tree, "status", "observedGeneration", NULL) &&
		    json_integer_value(doc_at(o->tree, "status", "observedGeneration", NULL)) != generation)
			world_break(w, 'i', "%s %s/%s: the status is of another generation", api_resources[o->resource].plural, o->ns, o->name);
		for (size_t j = 0; j < json_array_size(list); j++)
			if (json_integer_value(doc_at(json_array_get(list, j), "observedGeneration", NULL)) != generation)
				world_break(w, 'i', "%s %s/%s: condition %s is of another generation", api_resources[o->resource].plural, o->ns,
					    o->name, doc_word(json_array_get(list, j), "type", NULL));
	}
}

static void words_are_right(struct world *w, const struct stored *room, const struct stored *shown, const struct verdict *v)
{
	bool says = doc_at(room->tree, "metadata", "annotations", "billing.miloapis.com/deploy-message", NULL);
	const char *by = doc_word(shown->tree, "status", "bindingRef", "name", NULL), *account = doc_word(shown->tree, "status", "billingAccount", "name", NULL);
	const json_t *gate = v->binding ? doc_condition(v->binding->tree, "DeployAllowed") : NULL;

	if (says == v->allowed)
		world_break(w, 'g', "namespace %s is %s, and %s why", room->name, v->allowed ? "allowed" : "blocked", says ? "says" : "does not say");
	if (v->binding && (strcmp(by, v->binding->name) != 0 ||
			   strcmp(account, doc_word(v->binding->tree, "spec", "billingAccountRef", "name", NULL)) != 0))
		world_break(w, 'g', "ProjectBilling %s/%s names %s and %s, and %s pays", shown->ns, shown->name, by, account, v->binding->name);
	if (!v->binding && (by[0] || account[0]))
		world_break(w, 'g', "ProjectBilling %s/%s names %s and %s, and nobody pays", shown->ns, shown->name, by, account);
	if (gate && (strcmp(doc_word(gate, "status", NULL), "True") == 0) != v->allowed)
		world_break(w, 'g', "binding %s/%s says the opposite of the gate", v->binding->ns, v->binding->name);
}

static void gates_are_right(struct world *w, const struct controller *c)
{
	for (unsigned i = 0; i < w->server.n_objects && w->server.objects[i]->resource == NAMESPACES; i++) {
		const struct stored *room = w->server.objects[i];
		struct verdict v;

		if (!model_project(room)[0] || doc_at(room->tree, "metadata", "deletionTimestamp", NULL))
			continue;
		v = model_verdict(&w->server, room, world_wall(w, c));
		w->stats->verdicts++;
		w->stats->verdicts_open += v.open;
		if (v.open)
			continue;
		gate_says(w, room, &v);
		if (!w->broken)
			words_are_right(w, room, apiserver_find(&w->server, PROJECTBILLINGS, room->name, model_project(room)), &v);
	}
}

instant_t property_rest(struct world *w, const struct controller *c)
{
	instant_t next = 0;

	cache_is_the_world(w, c);
	if (!controller_leads(c))
		return 0;
	nothing_else_is_remembered(w, c);
	if (!w->broken)
		next = decisions_are_carried_out(w, c);
	the_right_one_is_active(w);
	nothing_is_held_without_need(w);
	gates_are_right(w, c);
	generations_are_observed(w);
	return next;
}
