/*
 * Owns: the objects, their versions, the log of changes, and the server's rules (apiserver.h).
 * Must not know: who asks, what the objects mean, when an answer arrives.
 * Invariant: each version of an object is in the log exactly once, and the newest one's text is the object's own.
 */
#include "apiserver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BILLING "billing.miloapis.com"

const struct api_resource api_resources[RESOURCES] = {
	[NAMESPACES] = { "", "v1", "namespaces", "Namespace", false },
	[CLASSES] = { BILLING, "v1alpha1", "paymentmethodclasses", "PaymentMethodClass", false },
	[ACCOUNTS] = { BILLING, "v1alpha1", "billingaccounts", "BillingAccount", true },
	[METHODS] = { BILLING, "v1alpha1", "paymentmethods", "PaymentMethod", true },
	[ARRANGEMENTS] = { BILLING, "v1alpha1", "billingarrangements", "BillingArrangement", true },
	[INVOICES] = { BILLING, "v1alpha1", "invoices", "Invoice", true },
	[BINDINGS] = { BILLING, "v1alpha1", "billingaccountbindings", "BillingAccountBinding", true },
	[PROJECTBILLINGS] = { BILLING, "v1alpha1", "projectbillings", "ProjectBilling", true },
	[LEASES] = { "coordination.k8s.io", "v1", "leases", "Lease", true },
};

/* ---- versions: a bijection on 32 bits, so that neither size nor neighbourhood survives ---- */

static const uint32_t scramble = 0x2c9277b5u, unscramble = 0xcc2bfe9du /* its inverse modulo 2^32 */, flip = 0x5bd1e995u;

const char *version_text(uint32_t revision, char text[VERSION_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	uint32_t bits = (revision * scramble) ^ flip;

	for (int i = 0; i < 8; i++)
		text[i] = hex[bits >> (28 - 4 * i) & 15];
	text[8] = '\0';
	return text;
}

static bool version_read(const char *text, uint32_t *revision)
{
	char *end;
	unsigned long bits = strtoul(text, &end, 16);

	if (*end || end != text + 8)
		return false;
	*revision = ((uint32_t)bits ^ flip) * unscramble;
	return true;
}

/* ---- objects and their log ---- */

static int order(enum resource_id resource, const char *ns, const char *name, const struct stored *o)
{
	int by;

	if (resource != o->resource)
		return resource < o->resource ? -1 : 1;
	by = strcmp(ns, o->ns);
	return by ? by : strcmp(name, o->name);
}

struct stored *apiserver_find(const struct apiserver *server, enum resource_id resource, const char *ns, const char *name)
{
	for (unsigned i = 0; i < server->n_objects; i++)
		if (server->objects[i]->resource == resource && strcmp(server->objects[i]->name, name) == 0 &&
		    strcmp(server->objects[i]->ns, ns) == 0)
			return server->objects[i];
	return NULL;
}

static json_t *metadata_of(const struct stored *o)
{
	return json_object_get(o->tree, "metadata");
}

static bool is_going(const struct stored *o)
{
	return json_object_get(metadata_of(o), "deletionTimestamp");
}

static json_t *stamp(const struct apiserver *server)
{
	char text[INSTANT_TEXT_SIZE];

	return json_string(instant_format(server->now, text));
}

/* The text with its version, which goes in as metadata's first member. */
static void print(struct apiserver *server, struct stored *o)
{
	static const char before[] = "\"metadata\":{", member[] = "\"resourceVersion\":\"", after[] = "\",";
	const char *at = strstr(o->core, before) + sizeof(before) - 1;
	size_t head = (size_t)(at - o->core);
	char *to = arena_alloc(&server->arena, o->core_len + sizeof(member) + sizeof(after) + VERSION_TEXT), *text = to;

	memcpy(to, o->core, head);
	to += head;
	memcpy(to, member, sizeof(member) - 1);
	to += sizeof(member) - 1;
	version_text(o->revision, to);
	to += VERSION_TEXT - 1;
	memcpy(to, after, sizeof(after) - 1);
	to += sizeof(after) - 1;
	memcpy(to, at, o->core_len - head);
	to += o->core_len - head;
	*to = '\0';
	o->text = text;
	o->len = (size_t)(to - text);
}

static void record(struct apiserver *server, const struct stored *o, enum change_type type)
{
	if (server->n_changes == CHANGES_MAX) {
		server->full = true;
		return;
	}
	server->newest[o->resource] = o->revision;
	server->changes[server->n_changes++] = (struct change){
		.revision = o->revision, .resource = (uint8_t)o->resource, .type = (uint8_t)type, .len = (uint32_t)o->len, .text = o->text,
		.ns = o->ns, .name = o->name,
	};
}

/* What the tree is now becomes a version of its own, unless it is what it was. True: something changed. */
static bool commit(struct apiserver *server, struct stored *o, enum change_type type)
{
	doc_write(&server->scratch, o->tree);
	if (type == CHANGE_MODIFIED && o->core_len == server->scratch.len && memcmp(o->core, server->scratch.at, o->core_len) == 0)
		return false;
	o->core = arena_strndup(&server->arena, server->scratch.at, server->scratch.len);
	o->core_len = server->scratch.len;
	o->hash = server->scratch.hash;
	o->revision = ++server->revision;
	print(server, o);
	record(server, o, type);
	return true;
}

static void drop(struct apiserver *server, struct stored *o)
{
	unsigned i = 0;

	o->revision = ++server->revision;
	print(server, o);
	record(server, o, CHANGE_DELETED);
	while (server->objects[i] != o)
		i++;
	memmove(&server->objects[i], &server->objects[i + 1], (--server->n_objects - i) * sizeof(o));
	json_decref(o->tree);
	o->tree = NULL;
	server->unsettled = true;
}

/* ---- what may be done to them ---- */

static json_t *fresh_metadata(struct apiserver *server, const char *ns, const char *name, const char *uid)
{
	json_t *metadata = json_object();

	json_object_set_new(metadata, "name", json_string(name));
	if (ns[0])
		json_object_set_new(metadata, "namespace", json_string(ns));
	json_object_set_new(metadata, "uid", json_string(uid));
	json_object_set_new(metadata, "creationTimestamp", stamp(server));
	return metadata;
}

static int may_create(const struct apiserver *server, enum resource_id resource, const char *ns, const char *name)
{
	const struct stored *room = ns[0] ? apiserver_find(server, NAMESPACES, "", ns) : NULL;

	if (server->missing[resource] || (ns[0] && !room))
		return 404;
	if (room && is_going(room))
		return 403;
	if (server->n_objects == OBJECTS_MAX)
		return 403;
	return apiserver_find(server, resource, ns, name) ? 409 : 201;
}

int apiserver_create(struct apiserver *server, enum resource_id resource, const char *ns, const char *name, json_t *parts)
{
	const struct api_resource *r = &api_resources[resource];
	int status = may_create(server, resource, ns, name);
	struct stored *o;
	json_t *metadata, *tree;
	unsigned at = 0;

	if (status != 201) {
		json_decref(parts);
		return status;
	}
	o = arena_new(&server->arena, struct stored);
	*o = (struct stored){ .resource = resource, .ns = arena_strndup(&server->arena, ns, strlen(ns)),
			      .name = arena_strndup(&server->arena, name, strlen(name)),
			      .uid = arena_printf(&server->arena, "uid-%u", ++server->uids) };
	metadata = fresh_metadata(server, ns, name, o->uid);
	if (resource != NAMESPACES && resource != LEASES)
		json_object_set_new(metadata, "generation", json_integer(1));
	tree = json_object();
	json_object_set_new(tree, "apiVersion", r->group[0] ? json_sprintf("%s/%s", r->group, r->version) : json_string(r->version));
	json_object_set_new(tree, "kind", json_string(r->kind));
	json_object_set_new(tree, "metadata", metadata);
	if (json_object_get(parts, "metadata"))
		doc_merge(metadata, json_object_get(parts, "metadata"));
	if (json_object_get(parts, "spec"))
		json_object_set(tree, "spec", json_object_get(parts, "spec"));
	json_decref(parts);
	o->tree = tree;
	while (at < server->n_objects && order(resource, ns, name, server->objects[at]) > 0)
		at++;
	memmove(&server->objects[at + 1], &server->objects[at], (server->n_objects++ - at) * sizeof(o));
	server->objects[at] = o;
	commit(server, o, CHANGE_ADDED);
	server->unsettled |= json_object_get(metadata, "ownerReferences") != NULL;
	return 201;
}

static void bump(struct stored *o)
{
	json_t *generation = json_object_get(metadata_of(o), "generation");

	if (generation)
		json_integer_set(generation, json_integer_value(generation) + 1);
}

static bool is_held(const struct stored *o)
{
	return json_array_size(json_object_get(metadata_of(o), "finalizers")) || o->resource == NAMESPACES;
}

/* After a change: nothing holds an object any more that is to go. True: it is gone. */
static bool let_go(struct apiserver *server, struct stored *o)
{
	if (!is_going(o) || is_held(o))
		return false;
	drop(server, o);
	return true;
}

void apiserver_delete(struct apiserver *server, struct stored *o)
{
	if (!is_held(o)) {
		drop(server, o);
		return;
	}
	if (is_going(o))
		return;
	json_object_set_new(metadata_of(o), "deletionTimestamp", stamp(server));
	json_object_set_new(metadata_of(o), "deletionGracePeriodSeconds", json_integer(0));
	bump(o);
	commit(server, o, CHANGE_MODIFIED);
	server->unsettled = true;
}

/* The members of a patch that the part of the object takes: the status subresource nothing but the status, the object all else. */
static bool merge(struct apiserver *server, struct stored *o, bool status, const json_t *patch)
{
	json_t *metadata = json_object_get(patch, "metadata"), *spec = NULL;

	if (status) {
		json_t *part = json_pack("{s:O*}", "status", json_object_get(patch, "status"));

		doc_merge(o->tree, part);
		json_decref(part);
		return commit(server, o, CHANGE_MODIFIED);
	}
	json_object_del((json_t *)(uintptr_t)patch, "status");
	json_object_del(metadata, "resourceVersion");
	json_object_del(metadata, "uid");
	if (json_object_get(patch, "spec"))
		spec = json_deep_copy(json_object_get(o->tree, "spec"));
	doc_merge(o->tree, patch);
	if (json_object_get(patch, "spec") && !json_equal(spec, json_object_get(o->tree, "spec")))
		bump(o);
	json_decref(spec);
	server->unsettled |= json_object_get(metadata, "ownerReferences") != NULL;
	if (!is_going(o) || is_held(o))
		return commit(server, o, CHANGE_MODIFIED);
	drop(server, o);
	return true;
}

int apiserver_merge(struct apiserver *server, struct stored *o, bool status, json_t *patch)
{
	merge(server, o, status, patch);
	json_decref(patch);
	return 200;
}

void apiserver_remove_kind(struct apiserver *server, enum resource_id resource)
{
	for (unsigned i = server->n_objects; i-- > 0;)
		if (server->objects[i]->resource == resource)
			drop(server, server->objects[i]);
	server->missing[resource] = true;
}

void apiserver_restore_kind(struct apiserver *server, enum resource_id resource)
{
	server->missing[resource] = false;
	apiserver_compact(server, resource);
}

void apiserver_compact(struct apiserver *server, enum resource_id resource)
{
	server->oldest[resource] = ++server->revision;
}

/* ---- other controllers ---- */

static bool lives(const struct apiserver *server, const char *uid)
{
	for (unsigned i = 0; i < server->n_objects; i++)
		if (strcmp(server->objects[i]->uid, uid) == 0)
			return true;
	return false;
}

static bool is_orphan(const struct apiserver *server, const struct stored *o)
{
	const json_t *owners = json_object_get(metadata_of(o), "ownerReferences");

	for (size_t i = 0; i < json_array_size(owners); i++)
		if (lives(server, doc_word(json_array_get(owners, i), "uid", NULL)))
			return false;
	return json_array_size(owners) > 0;
}

static bool empty_namespace(struct apiserver *server, struct stored *room)
{
	bool held = false;

	for (unsigned i = 0; i < server->n_objects; i++) {
		struct stored *o = server->objects[i];

		if (strcmp(o->ns, room->name) != 0)
			continue;
		held = true;
		if (!is_going(o)) {
			apiserver_delete(server, o);
			return true;
		}
	}
	if (!held)
		drop(server, room);
	return !held;
}

bool apiserver_collect(struct apiserver *server)
{
	for (unsigned i = 0; i < server->n_objects; i++) {
		struct stored *o = server->objects[i];

		if (o->resource == NAMESPACES) {
			if (is_going(o) && empty_namespace(server, o))
				return true;
		} else if (!is_going(o) && is_orphan(server, o)) {
			apiserver_delete(server, o);
			return true;
		}
	}
	server->unsettled = false;
	return false;
}

/* ---- requests ---- */

struct target {
	enum resource_id resource;
	const char *ns, *name; /* "" where the path has none */
	bool status;
	bool watch, exact, versioned;
	const char *version, *token;
	unsigned limit;
};

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
			*to++ = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static void read_query(char *query, struct target *t)
{
	for (char *at, *value; (at = strsep(&query, "&")) != NULL;) {
		value = strchr(at, '=');
		if (!value)
			continue;
		*value++ = '\0';
		unescape(value);
		if (strcmp(at, "watch") == 0)
			t->watch = strcmp(value, "true") == 0;
		else if (strcmp(at, "resourceVersion") == 0)
			t->version = value;
		else if (strcmp(at, "resourceVersionMatch") == 0)
			t->exact = strcmp(value, "Exact") == 0;
		else if (strcmp(at, "continue") == 0)
			t->token = value;
		else if (strcmp(at, "limit") == 0)
			t->limit = (unsigned)strtoul(value, NULL, 10);
	}
}

/* False: there is nothing at that path. The path is cut up in place. */
static bool read_path(char *path, struct target *t)
{
	char *query = strchr(path, '?'), *step[8] = { NULL };
	unsigned n = 0, at = 0;

	*t = (struct target){ .ns = "", .name = "" };
	if (query)
		*query++ = '\0';
	for (char *s; n < 8 && (s = strsep(&path, "/")) != NULL;)
		if (*s)
			step[n++] = s;
	if (n < 3)
		return false;
	at = strcmp(step[0], "api") == 0 ? 2 : 3;
	if (at == 3 && n > 5 && strcmp(step[3], "namespaces") == 0) {
		unescape(step[4]);
		t->ns = step[4];
		at = 5;
	}
	if (at >= n)
		return false;
	for (t->resource = 0; t->resource < RESOURCES; t->resource++)
		if (strcmp(api_resources[t->resource].plural, step[at]) == 0)
			break;
	if (t->resource == RESOURCES)
		return false;
	if (at + 1 < n) {
		unescape(step[at + 1]);
		t->name = step[at + 1];
	}
	t->status = at + 2 < n && strcmp(step[at + 2], "status") == 0;
	if (query)
		read_query(query, t);
	return true;
}

const char *apiserver_status(struct apiserver *server, int code, const char *reason, const char *message, const char *details)
{
	return arena_printf(&server->arena,
			    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"%s\",\"reason\":\"%s\","
			    "\"details\":{%s},\"code\":%d}\n",
			    message, reason, details ? details : "", code);
}

static void refuse(struct apiserver *server, struct api_answer *a, int code, const char *reason, const char *message)
{
	a->status = code;
	a->body = apiserver_status(server, code, reason, message, NULL);
	a->len = strlen(a->body);
}

static void refuse_about(struct apiserver *server, struct api_answer *a, int code, const char *reason, const struct target *t, const char *what)
{
	const struct api_resource *r = &api_resources[t->resource];

	refuse(server, a, code, reason, arena_printf(&server->arena, "%s%s%s \\\"%s\\\" %s", r->plural, r->group[0] ? "." : "", r->group, t->name, what));
}

static void show(struct api_answer *a, int status, const struct stored *o)
{
	a->status = status;
	a->body = o->text;
	a->len = o->len;
	a->revision = o->revision;
}

/* ---- lists and watches ---- */

static bool is_asked_for(const char *ns, const struct change *c)
{
	return !ns[0] || strcmp(c->resource == NAMESPACES ? c->name : c->ns, ns) == 0;
}

const struct change *apiserver_next(const struct apiserver *server, enum resource_id resource, const char *ns, uint32_t after)
{
	unsigned i = server->n_changes;

	if (server->newest[resource] <= after)
		return NULL;
	while (i > 0 && server->changes[i - 1].revision > after)
		i--;
	for (; i < server->n_changes; i++)
		if (server->changes[i].resource == resource && is_asked_for(ns, &server->changes[i]))
			return &server->changes[i];
	return NULL;
}

/* What of a kind there was at a version, in order of name: the last change of each object up to then. */
static unsigned snapshot(const struct apiserver *server, const struct target *t, uint32_t revision, const struct change *found[OBJECTS_MAX])
{
	const struct change *seen[OBJECTS_MAX * 4];
	unsigned n = 0, n_seen = 0;

	for (unsigned i = server->n_changes; i-- > 0;) {
		const struct change *c = &server->changes[i];
		unsigned j = 0;

		if (c->revision > revision || c->resource != t->resource || !is_asked_for(t->ns, c))
			continue;
		while (j < n_seen && (strcmp(seen[j]->name, c->name) != 0 || strcmp(seen[j]->ns, c->ns) != 0))
			j++;
		if (j < n_seen || n_seen == OBJECTS_MAX * 4)
			continue;
		seen[n_seen++] = c;
		if (c->type == CHANGE_DELETED || n == OBJECTS_MAX)
			continue;
		for (j = n++; j > 0; j--) {
			int by = strcmp(found[j - 1]->ns, c->ns);

			if ((by ? by : strcmp(found[j - 1]->name, c->name)) < 0)
				break;
			found[j] = found[j - 1];
		}
		found[j] = c;
	}
	return n;
}

static void list(struct apiserver *server, const struct target *t, struct api_answer *a)
{
	const struct change *items[OBJECTS_MAX];
	const struct api_resource *r = &api_resources[t->resource];
	uint32_t revision = server->revision;
	unsigned from = 0, n, to;
	char version[VERSION_TEXT], *body, *at;
	size_t room = 256;

	if (t->token) {
		revision = (uint32_t)strtoul(t->token, &at, 10);
		from = (unsigned)strtoul(at + (*at != '\0'), NULL, 10);
	} else if (t->version && strcmp(t->version, "0") == 0) {
		revision -= server->stale_by[t->resource] < revision ? server->stale_by[t->resource] : 0;
		if (revision < server->oldest[t->resource])
			revision = server->revision;
	} else if (t->version && t->exact && !version_read(t->version, &revision)) {
		refuse(server, a, 400, "BadRequest", "resourceVersion: Invalid value");
		return;
	}
	if (revision < server->oldest[t->resource]) {
		refuse(server, a, 410, "Expired", t->token ? "The provided continue parameter is too old" : "too old resource version");
		return;
	}
	n = snapshot(server, t, revision, items);
	to = t->limit && n - from > server->page_max ? from + server->page_max : n;
	for (unsigned i = from; i < to; i++)
		room += items[i]->len + 1;
	body = at = arena_alloc(&server->arena, room);
	at += sprintf(at, "{\"apiVersion\":\"%s%s%s\",\"kind\":\"%sList\",\"metadata\":{", r->group, r->group[0] ? "/" : "", r->version, r->kind);
	if (to < n)
		at += sprintf(at, "\"continue\":\"%u&%u\",\"remainingItemCount\":%u,", revision, to, n - to);
	at += sprintf(at, "\"resourceVersion\":\"%s\"},\"items\":[", version_text(revision, version));
	for (unsigned i = from; i < to; i++) {
		if (i > from)
			*at++ = ',';
		memcpy(at, items[i]->text, items[i]->len);
		at += items[i]->len;
	}
	at += sprintf(at, "]}\n");
	a->status = 200;
	a->body = body;
	a->len = (size_t)(at - body);
}

static void watch(struct apiserver *server, const struct target *t, struct api_answer *a)
{
	uint32_t revision;

	if (!t->version || !version_read(t->version, &revision)) {
		refuse(server, a, 400, "BadRequest", "resourceVersion: Invalid value");
		return;
	}
	if (revision < server->oldest[t->resource]) {
		refuse(server, a, 410, "Expired", "too old resource version");
		return;
	}
	a->status = 200;
	a->stream = true;
	a->position = revision;
}

/* ---- writes ---- */

/* The version and the UID that a body names; false: they are not the object's. */
static bool is_as_expected(const struct stored *o, const json_t *metadata, struct api_answer *a)
{
	const char *version = doc_word(metadata, "resourceVersion", NULL), *uid = doc_word(metadata, "uid", NULL);
	uint32_t revision = 0;

	a->guarded = version[0] || uid[0];
	if (version[0] && !version_read(version, &revision))
		return false;
	a->guard = revision;
	return (!version[0] || revision == o->revision) && (!uid[0] || strcmp(uid, o->uid) == 0);
}

static void create(struct apiserver *server, const struct target *t, json_t *body, struct api_answer *a)
{
	struct target about = *t;
	int status;

	about.name = arena_printf(&server->arena, "%s", doc_word(body, "metadata", "name", NULL));
	a->name = about.name;
	status = apiserver_create(server, t->resource, t->ns, about.name, json_incref(body));
	a->guarded = true; /* by the name's being free */
	if (status == 404) {
		about.name = t->ns;
		about.resource = NAMESPACES;
		refuse_about(server, a, 404, "NotFound", &about, "not found");
	} else if (status == 403) {
		refuse_about(server, a, 403, "Forbidden", &about, "is forbidden: unable to create new content because it is being terminated");
	} else if (status == 409) {
		refuse_about(server, a, 409, "AlreadyExists", &about, "already exists");
	} else {
		show(a, 201, apiserver_find(server, t->resource, t->ns, about.name));
		a->changed = true;
	}
}

static void remove_object(struct apiserver *server, const struct target *t, struct stored *o, json_t *body, struct api_answer *a)
{
	if (!is_as_expected(o, json_object_get(body, "preconditions"), a)) {
		refuse_about(server, a, 409, "Conflict", t, "the UID in the precondition does not match the UID in record");
		return;
	}
	apiserver_delete(server, o);
	a->changed = true;
	a->status = 200;
	a->body = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\"}\n";
	a->len = strlen(a->body);
}

/* What is gone is shown as it was at its end, at the version that it had. */
static void show_written(struct api_answer *a, const struct stored *o, const char *text, size_t len)
{
	if (o->tree) {
		show(a, 200, o);
		return;
	}
	a->status = 200;
	a->body = text;
	a->len = len;
	a->revision = o->revision;
}

static void patch_json(struct apiserver *server, const struct target *t, struct stored *o, json_t *operations, struct api_answer *a)
{
	json_t *tree = json_deep_copy(o->tree);
	char version[VERSION_TEXT];
	const char *text = o->text;
	size_t len = o->len;

	json_object_set_new(json_object_get(tree, "metadata"), "resourceVersion", json_string(version_text(o->revision, version)));
	a->guarded = json_array_size(operations) > 0 && strcmp(doc_word(json_array_get(operations, 0), "op", NULL), "test") == 0;
	if (doc_patch(tree, operations) != 0) {
		json_decref(tree);
		refuse_about(server, a, 422, "Invalid", t, "the server rejected our request due to an error in our request: testing failed");
		return;
	}
	json_object_del(json_object_get(tree, "metadata"), "resourceVersion");
	json_decref(o->tree);
	o->tree = tree;
	a->changed = let_go(server, o) || commit(server, o, CHANGE_MODIFIED);
	show_written(a, o, text, len);
}

static void apply_owners(struct stored *o, const json_t *owners)
{
	json_t *list = json_object_get(metadata_of(o), "ownerReferences");

	if (!list) {
		list = json_array();
		json_object_set_new(metadata_of(o), "ownerReferences", list);
	}
	for (size_t i = 0; i < json_array_size(owners); i++) {
		json_t *owner = json_array_get(owners, i);
		size_t at = 0;

		while (at < json_array_size(list) &&
		       strcmp(doc_word(json_array_get(list, at), "uid", NULL), doc_word(owner, "uid", NULL)) != 0)
			at++;
		if (at == json_array_size(list))
			json_array_append_new(list, json_deep_copy(owner));
	}
}

static void patch(struct apiserver *server, const struct target *t, struct stored *o, const char *type, json_t *body, struct api_answer *a)
{
	const char *text = o->text;
	size_t len = o->len;

	if (strcmp(type, "application/json-patch+json") == 0) {
		patch_json(server, t, o, body, a);
		return;
	}
	if (!is_as_expected(o, json_object_get(body, "metadata"), a)) {
		refuse_about(server, a, 409, "Conflict", t, "Operation cannot be fulfilled: the object has been modified");
		return;
	}
	if (strcmp(type, "application/apply-patch+yaml") == 0) {
		apply_owners(o, doc_at(body, "metadata", "ownerReferences", NULL));
		a->changed = commit(server, o, CHANGE_MODIFIED);
		server->unsettled = true;
	} else {
		a->changed = merge(server, o, t->status, body);
	}
	show_written(a, o, text, len);
}

/* What the server owns stays, all else is as the body has it. */
static void replace(struct apiserver *server, const struct target *t, struct stored *o, json_t *body, struct api_answer *a)
{
	static const char *const owned[] = { "name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp" };
	json_t *metadata = json_object_get(body, "metadata"), *fresh = json_object();

	if (!is_as_expected(o, metadata, a)) {
		json_decref(fresh);
		refuse_about(server, a, 409, "Conflict", t, "Operation cannot be fulfilled: the object has been modified");
		return;
	}
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		json_object_del(metadata, owned[i]);
		if (json_object_get(metadata_of(o), owned[i]))
			json_object_set(fresh, owned[i], json_object_get(metadata_of(o), owned[i]));
	}
	json_object_del(metadata, "resourceVersion");
	json_object_update(fresh, metadata);
	json_object_set_new(o->tree, "metadata", fresh);
	if (!json_equal(json_object_get(o->tree, "spec"), json_object_get(body, "spec")))
		bump(o);
	json_object_set(o->tree, "spec", json_object_get(body, "spec"));
	a->changed = commit(server, o, CHANGE_MODIFIED);
	show(a, 200, o);
}

static void write_object(struct apiserver *server, const struct target *t, const struct api_request *request, struct api_answer *a)
{
	json_t *body = request->body ? json_loadb(request->body, request->body_len, 0, NULL) : NULL;
	struct stored *o = apiserver_find(server, t->resource, t->ns, t->name);

	a->writes = true;
	a->status_part = t->status;
	if (strcmp(request->method, "POST") == 0)
		create(server, t, body, a);
	else if (!o)
		refuse_about(server, a, 404, "NotFound", t, "not found");
	else if (strcmp(request->method, "DELETE") == 0)
		remove_object(server, t, o, body, a);
	else if (strcmp(request->method, "PUT") == 0)
		replace(server, t, o, body, a);
	else
		patch(server, t, o, request->content_type, body, a);
	json_decref(body);
}

void apiserver_handle(struct apiserver *server, const struct api_request *request, struct api_answer *a)
{
	struct target t;
	const struct stored *o;

	*a = (struct api_answer){ .ns = "", .name = "" };
	if (!read_path(arena_strndup(&server->arena, request->path, strlen(request->path)), &t)) {
		refuse(server, a, 404, "NotFound", "the server could not find the requested resource");
		return;
	}
	a->resource = t.resource;
	a->ns = t.ns;
	a->name = t.name;
	if (server->missing[t.resource]) {
		a->status = 404;
		a->body = "404 page not found\n";
		a->len = strlen(a->body);
		return;
	}
	if (strcmp(request->method, "GET") != 0) {
		write_object(server, &t, request, a);
	} else if (t.name[0]) {
		o = apiserver_find(server, t.resource, t.ns, t.name);
		if (o)
			show(a, 200, o);
		else
			refuse_about(server, a, 404, "NotFound", &t, "not found");
	} else if (t.watch) {
		watch(server, &t, a);
	} else {
		list(server, &t, a);
	}
}

/* ---- the whole ---- */

uint64_t apiserver_hash(const struct apiserver *server)
{
	uint64_t hash = server->n_objects;

	for (unsigned i = 0; i < server->n_objects; i++)
		if (server->objects[i]->resource != LEASES)
			hash = (hash ^ server->objects[i]->hash) * 0x9fb21c651e98df25u;
	return hash;
}

void apiserver_init(struct apiserver *server)
{
	arena_init(&server->arena);
	server->scratch = (struct doc_text){ 0 };
	server->n_objects = 0;
	apiserver_reset(server);
}

void apiserver_reset(struct apiserver *server)
{
	for (unsigned i = 0; i < server->n_objects; i++)
		json_decref(server->objects[i]->tree);
	arena_reset(&server->arena);
	server->n_objects = server->n_changes = server->uids = 0;
	server->full = server->unsettled = false;
	server->revision = 1;
	server->page_max = OBJECTS_MAX;
	memset(server->stale_by, 0, sizeof(server->stale_by));
	memset(server->newest, 0, sizeof(server->newest));
	memset(server->oldest, 0, sizeof(server->oldest));
	memset(server->missing, 0, sizeof(server->missing));
}

void apiserver_close(struct apiserver *server)
{
	apiserver_reset(server);
	arena_close(&server->arena);
	doc_text_close(&server->scratch);
}
