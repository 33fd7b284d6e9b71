/*
 * codec.h's envelopes: watch events, items and heads of lists, and the Status of a refusal. An envelope that can't be
 * read ends its stream; an object inside that can't be read is poison, and the stream goes on past it. Must not decide
 * what to do next: it says what came.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "codec.h"
#include "memory.h"
#include "tree.h"

#define BOOKMARK_INITIAL_END "k8s.io/initial-events-end"

static uint8_t kind_of(const struct resource *resource)
{
	uint8_t kind = 0;

	while (kind < KIND_COUNT - 1 && tree_resources[kind] != resource)
		kind++;
	return kind;
}

/* Into a buffer of wire_event or wire_list; false when there is none that fits. */
static bool copy_resource_version(const json_t *object, char text[WIRE_VERSION_SIZE])
{
	const char *version = tree_text(json_object_get(object, "metadata"), "resourceVersion", WIRE_VERSION_SIZE - 1);

	if (version)
		memcpy(text, version, strlen(version) + 1);
	return version;
}

static void read_poison_key(struct codec *codec, const struct resource *resource, const json_t *object, struct key *key)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char *ns = tree_text(metadata, "namespace", CAP_TEXT_BYTES);
	const char *name = tree_text(metadata, "name", CAP_TEXT_BYTES);

	key->kind = kind_of(resource);
	if (!name || !ns == resource->namespaced)
		return;
	key->ns = ns ? atom_of(codec->atoms, ns) : NULL;
	key->name = atom_of(codec->atoms, name);
}

/* The object inside: a record or poison. */
static void read_object(struct codec *codec, const struct resource *resource, bool kind_optional, const json_t *object,
			struct wire_event *event)
{
	const bool versioned = copy_resource_version(object, event->resource_version);

	event->record = tree_record(codec, resource, kind_optional, object, &event->poison);
	if (event->record && !versioned) {
		record_free(codec, resource, event->record);
		event->record = NULL;
		error_set(&event->poison, ERROR_INVALID, "%s: metadata.resourceVersion: longer than 63 bytes", resource->kind);
	}
	if (!event->record)
		read_poison_key(codec, resource, object, &event->poison_key);
}

static int read_bookmark(const json_t *object, struct wire_event *event, struct error *err)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char *end = tree_text(annotations, BOOKMARK_INITIAL_END, 8);

	if (!copy_resource_version(object, event->resource_version))
		return error_set(err, ERROR_INVALID, "a BOOKMARK without a resourceVersion");
	event->initial_events_end = end && strcmp(end, "true") == 0;
	return 0;
}

static bool has_cause(const json_t *details, const char *reason)
{
	const json_t *causes = json_object_get(details, "causes");

	for (size_t i = 0; i < json_array_size(causes); i++) {
		const char *text = json_string_value(json_object_get(json_array_get(causes, i), "reason"));

		if (text && strcmp(text, reason) == 0)
			return true;
	}
	return false;
}

static enum error_class class_of_code(int code)
{
	switch (code) {
	case 409:
		return ERROR_CONFLICT;
	case 410:
		return ERROR_GONE;
	case 404:
		return ERROR_NOT_FOUND;
	case 401:
	case 403:
		return ERROR_FORBIDDEN;
	case 408:
	case 429:
		return ERROR_RETRY;
	default:
		return code >= 400 && code < 500 ? ERROR_INVALID : ERROR_RETRY;
	}
}

/* metav1.Status.reason where the code isn't told, and where it says more than the code. A version from the future (a
 * restored etcd, another server) is answered as one from too far back: by listing again. */
static enum error_class class_of(int code, const json_t *status)
{
	static const struct {
		const char *reason;
		enum error_class class;
		bool beats_code;
	} reasons[] = {
		{ "Expired", ERROR_GONE, true },
		{ "Gone", ERROR_GONE, true },
		{ "Conflict", ERROR_CONFLICT, false },
		{ "AlreadyExists", ERROR_CONFLICT, false },
		{ "NotFound", ERROR_NOT_FOUND, false },
		{ "Forbidden", ERROR_FORBIDDEN, false },
		{ "Unauthorized", ERROR_FORBIDDEN, false },
		{ "Invalid", ERROR_INVALID, false },
		{ "BadRequest", ERROR_INVALID, false },
	};
	const char *reason = tree_text(status, "reason", 64);

	if (has_cause(json_object_get(status, "details"), "ResourceVersionTooLarge"))
		return ERROR_GONE;
	for (size_t i = 0; reason && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].reason, reason) == 0 && (reasons[i].beats_code || code == 0))
			return reasons[i].class;
	return class_of_code(code);
}

static int retry_after_of(const json_t *status, int at_least_ms)
{
	const json_t *details = json_object_get(status, "details");
	const json_int_t seconds = json_integer_value(json_object_get(details, "retryAfterSeconds"));
	const int ms = seconds <= 0 ? 0 : seconds > INT_MAX / 1000 ? INT_MAX : (int)seconds * 1000;

	return ms > at_least_ms ? ms : at_least_ms > 0 ? at_least_ms : 0;
}

/* status: a metav1.Status, or NULL for an answer that holds none. */
static void read_status(int code, const json_t *status, const char *fallback, int retry_after_ms, struct error *err)
{
	const json_int_t told = json_integer_value(json_object_get(status, "code"));
	const char *message = tree_text(status, "message", CAP_OBJECT_BYTES);

	if (code == 0 && told > 0 && told < 1000)
		code = (int)told;
	if (!message)
		message = tree_text(status, "reason", CAP_TEXT_BYTES);
	if (!message && fallback[0])
		message = fallback;
	if (message)
		error_set(err, class_of(code, status), "%s", message);
	else
		error_set(err, class_of(code, status), "HTTP %d without a message", code);
	err->code = code;
	err->retry_after_ms = retry_after_of(status, retry_after_ms);
	if (err->retry_after_ms > CAP_RETRY_AFTER_MS)
		err->retry_after_ms = CAP_RETRY_AFTER_MS;
}

/* Some proxy's words: what is not printable ASCII is a question mark. */
static void first_line(const char *body, size_t len, char line[ERROR_MESSAGE_MAX])
{
	size_t n = 0;

	while (len > 0 && (*body == ' ' || *body == '\n' || *body == '\r' || *body == '\t')) {
		body++;
		len--;
	}
	for (; n < len && n < ERROR_MESSAGE_MAX - 1 && body[n] != '\n' && body[n] != '\r'; n++)
		line[n] = (char)(body[n] >= ' ' && body[n] <= '~' ? body[n] : '?');
	line[n] = '\0';
}

void status_error(int http_code, const char *body, size_t len, int retry_after_header_ms, struct error *err)
{
	cleanup_tree json_t *tree = tree_parse(body, len, CAP_OBJECT_BYTES, NULL);
	const char *kind = tree_text(tree, "kind", 64);
	const bool is_status = kind && strcmp(kind, "Status") == 0;
	char line[ERROR_MESSAGE_MAX];

	first_line(body, is_status ? 0 : len, line);
	read_status(http_code, is_status ? tree : NULL, line, retry_after_header_ms, err);
}

int event_decode(struct codec *codec, const struct resource *resource, const char *line, size_t len, struct wire_event *event,
		 struct error *err)
{
	static const char *const types[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };
	cleanup_tree json_t *tree = tree_parse(line, len, CAP_OBJECT_BYTES, err);
	const char *type = tree_text(tree, "type", 16);
	const json_t *object = json_object_get(tree, "object");

	*event = (struct wire_event){ 0 };
	if (!tree)
		return error_wrap(err, "%s watch", resource->kind);
	for (unsigned i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			event->type = (enum event_type)(EVENT_ADDED + i);
	if (!event->type)
		return error_set(err, ERROR_INVALID, "%s watch: not an event: type %s", resource->kind, type ? type : "missing");
	if (!json_is_object(object))
		return error_set(err, ERROR_INVALID, "%s watch: not an event: no object", resource->kind);
	if (event->type == EVENT_BOOKMARK)
		return read_bookmark(object, event, err) < 0 ? error_wrap(err, "%s watch", resource->kind) : 0;
	if (event->type == EVENT_ERROR)
		read_status(0, object, "", 0, &event->status);
	else
		read_object(codec, resource, false, object, event);
	return 0;
}

int item_decode(struct codec *codec, const struct resource *resource, const char *text, size_t len, struct wire_event *event,
		struct error *err)
{
	cleanup_tree json_t *tree = tree_parse(text, len, CAP_OBJECT_BYTES, err);

	*event = (struct wire_event){ .type = EVENT_ADDED };
	if (!tree)
		return error_wrap(err, "%s list", resource->kind);
	read_object(codec, resource, true, tree, event);
	return 0;
}

void wire_event_close(struct codec *codec, const struct resource *resource, struct wire_event *event)
{
	record_free(codec, resource, event->record);
	atom_unref(codec->atoms, event->poison_key.ns);
	atom_unref(codec->atoms, event->poison_key.name);
	*event = (struct wire_event){ 0 };
}

int list_decode(const struct resource *resource, const char *text, size_t len, struct wire_list *list, struct error *err)
{
	cleanup_tree json_t *tree = tree_parse(text, len, CAP_OBJECT_BYTES, err);
	const char *more;

	*list = (struct wire_list){ 0 };
	if (!tree || tree_check_kind(resource, "List", false, tree, err) < 0)
		return error_wrap(err, "%s list", resource->kind);
	if (!copy_resource_version(tree, list->resource_version))
		return error_set(err, ERROR_INVALID, "%s list: metadata.resourceVersion: missing", resource->kind);
	more = tree_text(json_object_get(tree, "metadata"), "continue", CAP_TEXT_BYTES);
	list->continue_token = memory_strdup(more);
	return 0;
}
