/*
 * For tests: a cluster in memory, around the real cache, codecs, index functions and reconcilers. The server side is a list of
 * JSON objects with resource versions; watch events wait in one line a kind; a decision's write is under way until it is
 * answered, and conflicts when the object has moved since. Each of these steps is taken on its own, so a test chooses the
 * order, and a random one finds races. Header only, since each test links alone.
 */
#ifndef TOLLGATE_TEST_CLUSTER_H
#define TOLLGATE_TEST_CLUSTER_H

#include <jansson.h>

#include "cache.h"
#include "decide.h"
#include "kind.h"

enum { CLUSTER_KEYS = 512, CLUSTER_EVENTS = 4096 };

struct stored {
	struct key key;
	json_t *object;
	struct stored *next;
};

struct told {
	struct key key;
	bool warning;
	char uid[32], reason[64], note[1024];
};

struct flight {
	struct key key;
	struct told *events; /* to be told once the status that goes with them is written */
	size_t n_events;
	char *patch, *owner, *marks;           /* of status, or NULL */
	enum finalizer finalizer;
	bool create, delete;
	char version[32], uid[32]; /* of the object it was decided on */
};

struct news {
	enum kind_id kind;
	struct key key;
	char *text; /* NULL: deleted */
	char uid[32];
};

struct cluster {
	struct settings settings;
	struct codec *codec;
	struct cache *cache;
	struct arena arena;
	instant_t now;
	struct stored *stored;
	unsigned version, uid;
	struct key dirty[CLUSTER_KEYS];
	size_t n_dirty;
	struct flight flights[CLUSTER_KEYS];
	size_t n_flights;
	struct news events[CLUSTER_EVENTS];
	size_t first_event, n_events;
	size_t decisions, writes;
	struct key wake[CLUSTER_KEYS]; /* keys that asked for a moment */
	instant_t wake_at[CLUSTER_KEYS];
	size_t n_wake;
	struct told *told; /* in order; see forget_told() */
	size_t n_told;
	void (*after_write)(struct cluster *); /* an invariant to check on the server's side */
};

static void cluster_dirty(void *context, struct key key)
{
	struct cluster *c = context;

	if (!kinds[key.kind].reconciler->run)
		return;
	for (size_t i = 0; i < c->n_dirty; i++)
		if (key_equal(c->dirty[i], key))
			return;
	assert_true(c->n_dirty < CLUSTER_KEYS);
	key.ns = atom_ref(key.ns);
	key.name = atom_ref(key.name);
	c->dirty[c->n_dirty++] = key;
}

static void cluster_changed(void *context, enum kind_id kind, const void *old, const void *new)
{
	struct cluster *c = context;
	struct key_sink sink = { .context = c, .add = cluster_dirty };

	kinds_wake(cache_view(c->cache), kind, old, new, &sink);
}

static void cluster_doubtful(void *context, struct key key)
{
	(void)context;
	(void)key;
	fail_msg("a key became doubtful, which no test here makes happen");
}

MAYBE_UNUSED static void cluster_init(struct cluster *c)
{
	word("");
	*c = (struct cluster){ .now = NOW, .settings = { .sandbox = true, .project_label = PROJECT_LABEL_DEFAULT } };
	c->codec = codec_new(test_atoms, c->settings.project_label);
	c->cache = cache_new(test_atoms, c->codec, &c->settings, (struct cache_listener){ c, cluster_changed, cluster_doubtful });
	arena_init(&c->arena);
}

static void flight_close(struct flight *flight)
{
	free(flight->patch);
	free(flight->owner);
	free(flight->marks);
	free(flight->events);
}

static void append_told(struct told **list, size_t *n, const struct told *one)
{
	*list = realloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = *one;
}

MAYBE_UNUSED static void forget_told(struct cluster *c)
{
	c->n_told = 0;
}

/* The same words about an object twice in a row are once too many: its own status asked for them. */
static void tell_people(struct cluster *c, const struct told *one)
{
	for (size_t i = c->n_told; i-- > 0;)
		if (key_equal(c->told[i].key, one->key)) {
			if (!strcmp(c->told[i].uid, one->uid) && !strcmp(c->told[i].reason, one->reason) && !strcmp(c->told[i].note, one->note))
				fail_msg("%s: %s is told twice", one->key.name->text, one->note);
			break;
		}
	append_told(&c->told, &c->n_told, one);
}

MAYBE_UNUSED static void cluster_close(struct cluster *c)
{
	for (struct stored *s = c->stored, *next; s; s = next) {
		next = s->next;
		json_decref(s->object);
		free(s);
	}
	for (size_t i = 0; i < c->n_flights; i++)
		flight_close(&c->flights[i]);
	for (size_t i = c->first_event; i < c->n_events; i++)
		free(c->events[i].text);
	free(c->told);
	cache_free(c->cache);
	codec_free(c->codec);
	arena_close(&c->arena);
}

/* ---- the server ---- */

static struct stored *server_find(const struct cluster *c, struct key key)
{
	for (struct stored *s = c->stored; s; s = s->next)
		if (key_equal(s->key, key))
			return s;
	return NULL;
}

static const char *meta_text(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), member));
}

static void server_announce(struct cluster *c, const struct stored *s, bool gone)
{
	struct news *event = &c->events[c->n_events++];

	assert_true(c->n_events < CLUSTER_EVENTS);
	*event = (struct news){ .kind = s->key.kind, .key = s->key, .text = gone ? NULL : json_dumps(s->object, 0) };
	snprintf(event->uid, sizeof(event->uid), "%s", meta_text(s->object, "uid"));
}

static void server_touch(struct cluster *c, struct stored *s)
{
	char version[32];

	snprintf(version, sizeof(version), "%u", ++c->version);
	json_object_set_new(json_object_get(s->object, "metadata"), "resourceVersion", json_string(version));
}

static bool has_finalizers(const json_t *object)
{
	return json_array_size(json_object_get(json_object_get(object, "metadata"), "finalizers")) > 0;
}

static void server_remove(struct cluster *c, struct stored *s)
{
	struct stored **link = &c->stored;

	server_touch(c, s);
	server_announce(c, s, true);
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	json_decref(s->object);
	free(s);
	if (c->after_write)
		c->after_write(c);
}

/* After any change to s: a new version, an event, and the end of what is only waiting for its finalizers. */
static void server_commit(struct cluster *c, struct stored *s)
{
	if (meta_text(s->object, "deletionTimestamp") && !has_finalizers(s->object)) {
		server_remove(c, s);
		return;
	}
	server_touch(c, s);
	server_announce(c, s, false);
	if (c->after_write)
		c->after_write(c);
}

/* RFC 7386. */
static void merge_patch(json_t *target, json_t *patch)
{
	const char *member;
	json_t *value;

	json_object_foreach(patch, member, value) {
		if (json_is_null(value)) {
			json_object_del(target, member);
			continue;
		}
		if (json_is_object(value)) {
			if (!json_is_object(json_object_get(target, member)))
				json_object_set_new(target, member, json_object());
			merge_patch(json_object_get(target, member), value);
			continue;
		}
		json_object_set(target, member, value);
	}
}

static void member_merge(json_t *object, const char *member, json_t *patch)
{
	if (!patch)
		return;
	if (!json_object_get(object, member))
		json_object_set_new(object, member, json_object());
	merge_patch(json_object_get(object, member), patch);
}

static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;

	for (char *q = copy; *q; q++)
		if (*q == '\'')
			*q = '"';
	json_t *json = json_loads(copy, 0, &error);
	if (!json)
		fail_msg("%s: %s", error.text, text);
	free(copy);
	return json;
}

static struct key key_of(enum kind_id kind, const char *ns, const char *name)
{
	return (struct key){ .kind = (uint8_t)kind, .ns = word(ns), .name = word(name) };
}

/* kubectl apply: creates the object, or merges into it; a changed spec is a new generation. Single quotes stand for double. */
MAYBE_UNUSED __attribute__((format(printf, 5, 6))) static void
apply(struct cluster *c, enum kind_id kind, const char *ns, const char *name, const char *format, ...)
{
	char text[4096], stamp[INSTANT_TEXT_SIZE], uid[32];
	struct stored *s = server_find(c, key_of(kind, ns, name));
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_t *patch = parse(text);
	if (!s) {
		s = calloc(1, sizeof(*s));
		s->key = key_of(kind, ns, name);
		snprintf(uid, sizeof(uid), "uid-%u", ++c->uid);
		char version[64];
		const struct resource *resource = kinds[kind].resource;
		snprintf(version, sizeof(version), "%s%s%s", resource->group, *resource->group ? "/" : "", resource->version);
		s->object = json_pack("{s:s,s:s,s:{s:s,s:s*,s:s,s:s,s:i}}", "apiVersion", version, "kind", resource->kind, "metadata",
				      "name", name, "namespace", ns, "uid", uid, "creationTimestamp", instant_format(c->now, stamp),
				      "generation", 1);
		s->next = c->stored;
		c->stored = s;
	} else if (json_object_get(patch, "spec")) {
		json_t *meta = json_object_get(s->object, "metadata");
		json_object_set_new(meta, "generation", json_integer(json_integer_value(json_object_get(meta, "generation")) + 1));
	}
	merge_patch(s->object, patch);
	json_decref(patch);
	server_commit(c, s);
}

MAYBE_UNUSED static void delete(struct cluster *c, enum kind_id kind, const char *ns, const char *name)
{
	struct stored *s = server_find(c, key_of(kind, ns, name));
	char stamp[INSTANT_TEXT_SIZE];

	assert_non_null(s);
	json_t *meta = json_object_get(s->object, "metadata");
	if (!json_object_get(meta, "deletionTimestamp"))
		json_object_set_new(meta, "deletionTimestamp", json_string(instant_format(c->now, stamp)));
	server_commit(c, s);
}

/* ---- the controller's side, a step at a time ---- */

static void *decode(struct cluster *c, enum kind_id kind, const char *text)
{
	struct error err;
	void *record = record_decode(c->codec, kinds[kind].resource, text, strlen(text), &err);

	if (!record)
		fail_msg("%s", err.message);
	return record;
}

/* The oldest undelivered event of that kind. False when there is none. */
static bool deliver(struct cluster *c, enum kind_id kind)
{
	for (size_t i = c->first_event; i < c->n_events; i++) {
		struct news event = c->events[i];
		if (event.kind != kind)
			continue;
		memmove(&c->events[c->first_event + 1], &c->events[c->first_event], (i - c->first_event) * sizeof(event));
		if (++c->first_event == c->n_events)
			c->first_event = c->n_events = 0;
		if (event.text)
			cache_put(c->cache, kind, decode(c, kind, event.text));
		else
			cache_delete(c->cache, event.key, event.uid);
		free(event.text);
		return true;
	}
	return false;
}

static bool is_flying(const struct cluster *c, struct key key)
{
	for (size_t i = 0; i < c->n_flights; i++)
		if (key_equal(c->flights[i].key, key))
			return true;
	return false;
}

static void note_wake(struct cluster *c, struct key key, instant_t at)
{
	size_t i = 0;

	while (i < c->n_wake && !key_equal(c->wake[i], key))
		i++;
	assert_true(i < CLUSTER_KEYS);
	c->wake[i] = key;
	c->wake_at[i] = at;
	if (i == c->n_wake)
		c->n_wake++;
}

static void ask_provider(struct cluster *c, struct key key, const struct provider_request *request)
{
	struct provider_result result = sandbox_answer(request);

	cache_provider_answered(c->cache, key, &result);
	cluster_dirty(c, key);
}

/* Decides the i-th dirty key; a write, if any, takes off. False when that key's last write has not been answered. */
static bool decide(struct cluster *c, size_t i)
{
	struct key key = c->dirty[i];
	const struct view *view = cache_view(c->cache);

	if (is_flying(c, key))
		return false;
	memmove(&c->dirty[i], &c->dirty[i + 1], (--c->n_dirty - i) * sizeof(key));
	const struct object *record = view_get(view, key.kind, key.ns, key.name);
	struct outcome outcome = kinds[key.kind].reconciler->run(view, key, c->now, &c->arena);
	struct flight flight = { .key = key, .finalizer = outcome.finalizer };

	c->decisions++;
	note_wake(c, key, outcome.wake_at);
	for (size_t e = 0; e < outcome.n_effects; e++) {
		flight.create |= outcome.effects[e].type == EFFECT_CREATE;
		flight.delete |= outcome.effects[e].type == EFFECT_DELETE;
		if (outcome.effects[e].type == EFFECT_PROVIDER)
			ask_provider(c, key, &outcome.effects[e].request);
		if (outcome.effects[e].type != EFFECT_EVENT)
			continue;
		const struct event *event = &outcome.effects[e].event;
		struct told told = { .key = key, .warning = event->warning };
		snprintf(told.uid, sizeof(told.uid), "%s", record->uid);
		snprintf(told.reason, sizeof(told.reason), "%s", event->reason);
		snprintf(told.note, sizeof(told.note), "%s", event->note);
		append_told(&flight.events, &flight.n_events, &told);
	}
	if (outcome.status)
		flight.patch = status_patch(kinds[key.kind].resource, record, outcome.status);
	if (record && outcome.owner)
		flight.owner = owner_patch(kinds[key.kind].resource, record, outcome.owner);
	if (record && outcome.n_marks)
		flight.marks = marks_patch(record, outcome.marks, outcome.n_marks);
	if (record) {
		snprintf(flight.version, sizeof(flight.version), "%s", record->resource_version);
		snprintf(flight.uid, sizeof(flight.uid), "%s", record->uid);
	}
	arena_reset(&c->arena);
	if (flight.n_events && !flight.patch)
		fail_msg("%s: \"%s\" goes with no change of the status", key.name->text, flight.events[0].note);
	if (!flight.patch && !flight.owner && !flight.marks && !flight.create && !flight.delete && flight.finalizer == FINALIZER_KEEP)
		return true;
	cache_write_begin(c->cache, key);
	c->flights[c->n_flights++] = flight;
	return true;
}

static void change_finalizers(struct stored *s, enum finalizer change)
{
	json_t *meta = json_object_get(s->object, "metadata"), *list = json_object_get(meta, "finalizers");

	if (!list)
		json_object_set_new(meta, "finalizers", list = json_array());
	for (size_t i = json_array_size(list); i-- > 0;)
		if (!strcmp(json_string_value(json_array_get(list, i)), ACCOUNT_FINALIZER))
			json_array_remove(list, i);
	if (change == FINALIZER_ADD)
		json_array_append_new(list, json_string(ACCOUNT_FINALIZER));
}

/* A server-side apply of owner references: merged by UID. */
static void add_owner(struct stored *s, const char *text)
{
	json_t *patch = json_loads(text, 0, NULL), *meta = json_object_get(s->object, "metadata"), *owner = NULL;

	assert_int_equal(json_unpack(patch, "{s:{s:[O]}}", "metadata", "ownerReferences", &owner), 0);
	if (!json_object_get(meta, "ownerReferences"))
		json_object_set_new(meta, "ownerReferences", json_array());
	json_array_append_new(json_object_get(meta, "ownerReferences"), owner);
	json_decref(patch);
}

static void tell_watchers(struct cluster *c, struct key key)
{
	const void *object = view_get(cache_view(c->cache), key.kind, key.ns, key.name);
	struct key_sink sink = { .context = c, .add = cluster_dirty };

	if (object)
		kinds_settled(cache_view(c->cache), (enum kind_id)key.kind, object, &sink);
}

/* The server takes or refuses the i-th write under way, and its answer arrives. */
static void answer(struct cluster *c, size_t i)
{
	struct flight flight = c->flights[i];
	struct stored *s = server_find(c, flight.key);

	c->flights[i] = c->flights[--c->n_flights];
	c->writes++;
	if (flight.create && !s) {
		apply(c, flight.key.kind, flight.key.ns->text, flight.key.name->text, "{}");
	} else if (!s || strcmp(meta_text(s->object, "uid"), flight.uid) != 0 ||
		   strcmp(meta_text(s->object, "resourceVersion"), flight.version) != 0) {
		flight_close(&flight); /* 404 or 409: decide again on what the watch brings */
		cache_write_end(c->cache, flight.key, NULL);
		cluster_dirty(c, flight.key);
		tell_watchers(c, flight.key);
		return;
	} else if (flight.delete) {
		server_remove(c, s);
	} else {
		json_t *patch = flight.patch ? json_loads(flight.patch, 0, NULL) : NULL;
		if (flight.finalizer != FINALIZER_KEEP)
			change_finalizers(s, flight.finalizer);
		if (flight.owner)
			add_owner(s, flight.owner);
		if (flight.marks) {
			json_t *marks = json_loads(flight.marks, 0, NULL);
			json_object_del(json_object_get(marks, "metadata"), "resourceVersion");
			merge_patch(s->object, marks);
			json_decref(marks);
		}
		member_merge(s->object, "status", json_object_get(patch, "status"));
		json_decref(patch);
		server_commit(c, s);
		for (size_t e = 0; e < flight.n_events; e++)
			tell_people(c, &flight.events[e]);
	}
	flight_close(&flight);
	s = server_find(c, flight.key);
	char *text = s ? json_dumps(s->object, 0) : NULL;
	cache_write_end(c->cache, flight.key, text ? decode(c, flight.key.kind, text) : NULL);
	free(text);
	tell_watchers(c, flight.key);
}

/* One step chosen at random. False when nothing is left to do. */
static bool cluster_step(struct cluster *c, uint64_t *random)
{
	if (!c->n_dirty && !c->n_flights && c->first_event == c->n_events)
		return false;
	switch (next_random(random) % 3) {
	case 0:
		deliver(c, (enum kind_id)(next_random(random) % KIND_COUNT));
		break;
	case 1:
		if (c->n_dirty)
			decide(c, next_random(random) % c->n_dirty);
		break;
	default:
		if (c->n_flights)
			answer(c, next_random(random) % c->n_flights);
	}
	return true;
}

/* Everything delivered, decided and answered, in order. The number of writes it took. */
MAYBE_UNUSED static size_t settle(struct cluster *c)
{
	size_t before = c->writes;

	for (int round = 0;; round++) {
		bool moved = false;
		assert_true(round < 2000); /* else it never comes to rest */
		for (int kind = 0; kind < KIND_COUNT; kind++)
			while (deliver(c, (enum kind_id)kind))
				moved = true;
		while (c->n_flights) {
			answer(c, 0);
			moved = true;
		}
		if (c->n_dirty && decide(c, 0))
			moved = true;
		if (!moved && !c->n_dirty)
			return c->writes - before;
	}
}

/* The same in a random order; the seed is what to try again when it fails. */
MAYBE_UNUSED static void settle_at_random(struct cluster *c, uint64_t *random)
{
	for (int steps = 0; cluster_step(c, random); steps++)
		assert_true(steps < 100000);
}

/* Time passes, and whoever asked to be woken by then is, and who watches it. */
MAYBE_UNUSED static void pass_time_until(struct cluster *c, instant_t moment)
{
	const struct view *view = cache_view(c->cache);

	c->now = moment;
	for (size_t i = 0; i < c->n_wake; i++) {
		const struct key key = c->wake[i];
		const void *object = view_get(view, key.kind, key.ns, key.name);

		if (!c->wake_at[i] || c->wake_at[i] > moment)
			continue;
		if (object)
			kinds_wake(view, (enum kind_id)key.kind, NULL, object, &(struct key_sink){ .context = c, .add = cluster_dirty });
		else
			cluster_dirty(c, key);
	}
}

/* A restart: all is forgotten but what the server has; the lists bring it back. */
MAYBE_UNUSED static void restart(struct cluster *c)
{
	for (size_t i = 0; i < c->n_flights; i++)
		flight_close(&c->flights[i]);
	for (size_t i = c->first_event; i < c->n_events; i++)
		free(c->events[i].text);
	c->n_dirty = c->n_flights = c->n_wake = c->first_event = c->n_events = 0;
	cache_free(c->cache);
	c->cache = cache_new(test_atoms, c->codec, &c->settings, (struct cache_listener){ c, cluster_changed, cluster_doubtful });
	for (struct stored *s = c->stored; s; s = s->next)
		server_announce(c, s, false);
	for (int kind = 0; kind < KIND_COUNT; kind++)
		while (deliver(c, (enum kind_id)kind))
			;
}

/* ---- what is in it, and short words for putting it there ---- */

MAYBE_UNUSED static const void *get(const struct cluster *c, enum kind_id kind, const char *ns, const char *name)
{
	return view_get(cache_view(c->cache), kind, word(ns), word(name));
}

MAYBE_UNUSED static void put_namespace(struct cluster *c, const char *name, const char *project, const char *organization)
{
	apply(c, KIND_NAMESPACE, NULL, name, "{'metadata':{'labels':{'%s':%s%s%s,'%s':%s%s%s}}}", PROJECT_LABEL_DEFAULT,
	      project ? "'" : "", project ? project : "null", project ? "'" : "", ORGANIZATION_LABEL, organization ? "'" : "",
	      organization ? organization : "null", organization ? "'" : "");
}

MAYBE_UNUSED static void put_account(struct cluster *c, const char *ns, const char *name, const char *default_method)
{
	apply(c, KIND_BILLINGACCOUNT, ns, name, "{'spec':{'currencyCode':'EUR','defaultPaymentMethodRef':%s%s%s}}",
	      default_method ? "{'name':'" : "", default_method ? default_method : "null", default_method ? "'}" : "");
}

MAYBE_UNUSED static void put_class(struct cluster *c, const char *name, const char *provider)
{
	apply(c, KIND_PAYMENTMETHODCLASS, NULL, name, "{'spec':{'provider':'%s'}}", provider);
}

MAYBE_UNUSED static void put_method(struct cluster *c, const char *ns, const char *name, const char *account, const char *class)
{
	apply(c, KIND_PAYMENTMETHOD, ns, name,
	      "{'spec':{'billingAccountRef':{'name':'%s'},'displayName':'card','paymentMethodClassRef':{'name':'%s'}}}", account, class);
}

MAYBE_UNUSED static void put_binding(struct cluster *c, const char *ns, const char *name, const char *account, const char *project)
{
	apply(c, KIND_BINDING, ns, name, "{'spec':{'billingAccountRef':{'name':'%s'},'projectRef':{'name':'%s'}}}", account, project);
}

/* Does this key wait to be decided? For looking at between deliver() and settle(). */
MAYBE_UNUSED static bool is_woken(const struct cluster *c, enum kind_id kind, const char *ns, const char *name)
{
	for (size_t i = 0; i < c->n_dirty; i++)
		if (key_equal(c->dirty[i], key_of(kind, ns, name)))
			return true;
	return false;
}

#endif
