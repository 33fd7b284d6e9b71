/*
 * review.h: an AdmissionReview's tree, read member by member. A mutating review comes before the schema has judged the object, so
 * every member may be anything: what is not what it should be is left to the schema, never guessed at. Must not know any kind.
 * Invariant: the tree stays as it was sent; a patch is made beside it.
 */
#include "review.h"

#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "decode.h"
#include "memory.h"
#include "tree.h"

#define DIGITS "0123456789"
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

struct review_tree {
	json_t *root, *object, *old; /* the latter two borrowed from the first; NULL: missing */
};

static const struct resource envelope = { .group = "admission.k8s.io", .version = "v1", .kind = "AdmissionReview" };

/* A null is no value. */
static json_t *member(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

/* ---- the request ---- */

static bool is_text(const json_t *object, const char *name, const char *expected)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) && json_string_length(value) == strlen(expected) &&
	       strcmp(json_string_value(value), expected) == 0;
}

static const char *text_or_empty(const json_t *object, const char *name)
{
	const char *text = tree_text(object, name, CAP_TEXT_BYTES);

	return text ? text : "";
}

static enum kind_id kind_of(const json_t *kind)
{
	unsigned k = 0;

	while (k < KIND_COUNT &&
	       !(is_text(kind, "group", tree_resources[k]->group) && is_text(kind, "version", tree_resources[k]->version) &&
		 is_text(kind, "kind", tree_resources[k]->kind)))
		k++;
	return (enum kind_id)k;
}

static enum admission_operation operation_of(const json_t *request)
{
	static const char *const names[] = { "CREATE", "UPDATE", "DELETE" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_text(request, "operation", names[i]))
			return (enum admission_operation)(ADMISSION_CREATE + i);
	return 0;
}

static bool spec_changed(const struct review *review)
{
	const json_t *new = member(review->tree->object, "spec"), *old = member(review->tree->old, "spec");

	if (review->operation != ADMISSION_UPDATE)
		return review->operation == ADMISSION_CREATE;
	return new && old ? !json_equal(new, old) : new || old;
}

static int read_request(struct review *review, const json_t *request, struct error *err)
{
	struct review_tree *tree = review->tree;

	review->uid = tree_text(request, "uid", REVIEW_UID_BYTES);
	if (!json_is_object(request))
		return error_set(err, ERROR_INVALID, "request: missing");
	if (!review->uid)
		return error_set(err, ERROR_INVALID, "request.uid: missing, or longer than %d bytes", REVIEW_UID_BYTES);
	if (!json_is_object(json_object_get(request, "kind")))
		return error_set(err, ERROR_INVALID, "request.kind: missing");
	if (!tree_text(request, "operation", CAP_TEXT_BYTES))
		return error_set(err, ERROR_INVALID, "request.operation: missing");
	tree->object = member(request, "object");
	tree->old = member(request, "oldObject");
	review->operation = operation_of(request);
	review->kind = kind_of(json_object_get(request, "kind"));
	review->ns = text_or_empty(request, "namespace");
	review->name = text_or_empty(request, "name");
	review->subresource = text_or_empty(request, "subResource");
	review->username = text_or_empty(json_object_get(request, "userInfo"), "username");
	review->dry_run = json_is_true(json_object_get(request, "dryRun"));
	review->spec_changed = spec_changed(review);
	review->being_deleted = member(member(tree->object, "metadata"), "deletionTimestamp") ||
				member(member(tree->old, "metadata"), "deletionTimestamp");
	return 0;
}

int review_decode(const char *text, size_t len, struct review *review, struct error *err)
{
	json_t *root = NULL;

	*review = (struct review){ .kind = KIND_COUNT };
	if (len <= REVIEW_BYTES_MAX && tree_weight(text, len) > REVIEW_TREE_BYTES)
		error_set(err, ERROR_INVALID, "would take more than %d bytes of memory", REVIEW_TREE_BYTES);
	else
		root = tree_parse(text, len, REVIEW_BYTES_MAX, err);
	if (root) {
		review->tree = memory_alloc(sizeof(*review->tree));
		review->tree->root = root;
		if (tree_check_kind(&envelope, "", false, root, err) == 0 &&
		    read_request(review, json_object_get(root, "request"), err) == 0)
			return 0;
		review_free(review);
	}
	return error_wrap(err, "%s", envelope.kind);
}

void review_free(struct review *review)
{
	if (review->tree) {
		json_decref(review->tree->root);
		free(review->tree);
	}
	*review = (struct review){ .kind = KIND_COUNT };
}

static instant_t time_or_zero(const json_t *object, const char *name)
{
	const char *text = tree_text(object, name, CAP_TEXT_BYTES);
	instant_t at;

	return text && instant_parse(text, strlen(text), &at) == 0 ? at : 0;
}

/* Whoever replaces an object needs to say nothing of what the server keeps as it was. */
void *review_record(struct codec *codec, const struct review *review, bool old, instant_t now, struct error *err)
{
	const json_t *tree = old ? review->tree->old : review->tree->object;
	const json_t *was = json_object_get(review->tree->old, "metadata");
	const struct resource *resource = tree_resources[review->kind];
	struct tree_fill fill;

	if (!tree) {
		error_set(err, ERROR_INVALID, "%s: request.%s: missing", resource->kind, old ? "oldObject" : "object");
		return NULL;
	}
	if (old)
		return tree_record(codec, resource, false, tree, err);
	fill = (struct tree_fill){ .new = review->operation == ADMISSION_CREATE, .ns = review->ns };
	fill.uid = text_or_empty(was, "uid");
	fill.resource_version = text_or_empty(was, "resourceVersion");
	fill.created = fill.new ? now : time_or_zero(was, "creationTimestamp");
	fill.deleted = time_or_zero(was, "deletionTimestamp");
	return tree_record_sent(codec, resource, &fill, tree, err);
}

/* ---- texts that people write ---- */

struct walk {
	bool (*visit)(void *context, const char *path, const char *text);
	void *context;
	bool amounts; /* the schema says where amounts are */
	bool stopped;
	char path[DECODE_PATH_SIZE];
};

/* A text may hold NULs, which end it for C: what stands behind one is a text too. */
static void show(struct walk *walk, const char *text, size_t len)
{
	for (const char *end = text + len; text < end && !walk->stopped; text += strlen(text) + 1)
		if (*text)
			walk->stopped = !walk->visit(walk->context, walk->path, text);
}

static bool is_decimal(const char *text, size_t len)
{
	const char *whole = text + (*text == '-'), *rest = whole + strspn(whole, DIGITS);

	if (rest > whole && *rest == '.' && strspn(rest + 1, DIGITS) > 0)
		rest += 1 + strspn(rest + 1, DIGITS);
	return rest > whole && rest == text + len;
}

/* Has the member a schema that takes nothing but decimal amounts? */
static bool is_amount(const char *name)
{
	static const char *const amounts[] = {
		"amount",      "amountDue",	    "amountPaid", "creditBalance", "creditLimit", "creditsApplied", "forecast",
		"monthToDate", "outstandingAmount", "quantity",	  "rounding",	   "subtotal",	  "tax",	    "total",
		"unitPrice",
	};

	for (size_t i = 0; name && i < sizeof(amounts) / sizeof(amounts[0]); i++)
		if (strcmp(amounts[i], name) == 0)
			return true;
	return false;
}

/* The path leads to the value; name: its member, NULL for an item. Recursion ends at REVIEW_LEVELS_MAX. */
static void walk_value(struct walk *walk, size_t path, unsigned level, const char *name, json_t *value, const json_t *old)
{
	const char *key, *text = json_string_value(value);
	const size_t len = json_string_length(value);
	json_t *child;
	size_t i;

	if (text && !json_equal(value, old) && !(walk->amounts && is_amount(name) && is_decimal(text, len)))
		show(walk, text, len);
	if (level == REVIEW_LEVELS_MAX)
		return;
	json_object_foreach(value, key, child) {
		if (walk->stopped)
			return;
		walk_value(walk, decode_path_add(walk->path, path, key, 0), level + 1, key, child, json_object_get(old, key));
	}
	json_array_foreach(value, i, child) {
		if (walk->stopped)
			return;
		walk_value(walk, decode_path_add(walk->path, path, NULL, i), level + 1, NULL, child, json_array_get(old, i));
	}
}

static void walk_member(struct walk *walk, size_t path, const json_t *object, const json_t *old, const char *name)
{
	walk_value(walk, decode_path_add(walk->path, path, name, 0), 1, name, json_object_get(object, name),
		   json_object_get(old, name));
}

/* Labels or annotations, whose keys people write too; a key's path is that of them all, since its own would hold it. What kubectl
 * applied is the whole object once more, and comes when all else has been seen. */
static void walk_marks(struct walk *walk, size_t path, json_t *marks, const json_t *old)
{
	const char *key;
	json_t *child;

	if (!json_is_object(marks))
		walk_value(walk, path, 1, NULL, marks, old);
	json_object_foreach(marks, key, child) {
		walk->path[path] = '\0';
		if (!json_object_get(old, key))
			show(walk, key, strlen(key));
		if (walk->stopped)
			return;
		if (strcmp(key, LAST_APPLIED) != 0)
			walk_member(walk, path, marks, old, key);
	}
}

void review_each_text(const struct review *review, bool (*visit)(void *context, const char *path, const char *text), void *context)
{
	const json_t *object = review->tree->object, *metadata = json_object_get(object, "metadata");
	const json_t *old = review->tree->old, *old_metadata = json_object_get(old, "metadata");
	struct walk walk = { .visit = visit, .context = context, .amounts = true };
	static const char *const marks[] = { "labels", "annotations" };
	size_t path;

	walk_member(&walk, 0, object, old, strcmp(review->subresource, "status") == 0 ? "status" : "spec");
	walk.amounts = false;
	path = decode_path_add(walk.path, 0, "metadata", 0);
	walk_member(&walk, path, metadata, old_metadata, "name");
	walk_member(&walk, path, metadata, old_metadata, "generateName");
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		walk_marks(&walk, decode_path_add(walk.path, path, marks[i], 0), json_object_get(metadata, marks[i]),
			   json_object_get(old_metadata, marks[i]));
	walk_member(&walk, decode_path_add(walk.path, path, "annotations", 0), json_object_get(metadata, "annotations"),
		    json_object_get(old_metadata, "annotations"), LAST_APPLIED);
}

/* ---- defaults ---- */

/* What an earlier operation of the patch adds at the pointer of so many bytes, borrowed; NULL if none does. */
static json_t *added(const json_t *patch, const char *pointer, size_t len)
{
	for (size_t i = 0; i < json_array_size(patch); i++) {
		const json_t *operation = json_array_get(patch, i), *path = json_object_get(operation, "path");

		if (json_string_length(path) == len && memcmp(json_string_value(path), pointer, len) == 0)
			return json_object_get(operation, "value");
	}
	return NULL;
}

static void add(json_t *patch, const char *pointer, size_t len, json_t *value)
{
	cleanup_free char *path = memory_strndup(pointer, len);

	json_array_append_new(patch, tree_operation("add", path, value));
}

/* The name that a pointer goes on with; malloc'ed. RFC 6901: ~1 stands for a slash, ~0 for a tilde. */
static char *pointer_name(const char *name, size_t len)
{
	char *text = memory_strndup(name, len), *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == '~' && (from[1] == '0' || from[1] == '1'))
			*to++ = *++from == '0' ? '~' : '/';
		else
			*to++ = *from;
	}
	*to = '\0';
	return text;
}

/* The value, which is taken, inside one object for each name that the pointer goes on with. */
static json_t *nested(const char *pointer, json_t *value)
{
	const size_t len = *pointer ? 1 + strcspn(pointer + 1, "/") : 0;
	cleanup_free char *name = len ? pointer_name(pointer + 1, len - 1) : NULL;

	return name ? tree_made(json_pack("{s:o}", name, nested(pointer + len, value))) : value;
}

/* Adds at the first place on the way that holds nothing; takes the value. What is no object has no members to add to. */
static void add_where_missing(json_t *patch, const json_t *object, const char *pointer, json_t *value)
{
	for (const char *end = pointer; *end && json_is_object(object);) {
		const char *name = end + 1;
		cleanup_free char *plain = pointer_name(name, strcspn(name, "/"));

		end = name + strcspn(name, "/");
		object = member(object, plain);
		if (!object)
			object = added(patch, pointer, (size_t)(end - pointer));
		if (!object) {
			add(patch, pointer, (size_t)(end - pointer), nested(end, value));
			return;
		}
	}
	json_decref(value);
}

static void add_owner(json_t *patch, const json_t *object, const struct owner_reference *owner)
{
	static const char owners[] = "/metadata/ownerReferences", next[] = "/metadata/ownerReferences/-";

	if (json_is_array(json_object_get(json_object_get(object, "metadata"), "ownerReferences")))
		add(patch, next, sizeof(next) - 1, tree_owner(owner));
	else
		add_where_missing(patch, object, owners, tree_made(json_pack("[o]", tree_owner(owner))));
}

char *review_patch(const struct review *review, const struct defaults *defaults)
{
	const json_t *object = review->tree->object;
	cleanup_tree json_t *patch = tree_made(json_array());

	for (size_t i = 0; i < defaults->n_fields; i++)
		add_where_missing(patch, object, defaults->fields[i].pointer, tree_string(defaults->fields[i].text));
	if (defaults->owner)
		add_owner(patch, object, defaults->owner);
	return json_array_size(patch) ? tree_print(json_incref(patch)) : NULL;
}

/* ---- the answer ---- */

char *review_answer(const char *uid, const char *refusal, const char *patch_base64)
{
	json_t *status = NULL;

	if (refusal)
		status = tree_made(json_pack("{s:{},s:s,s:s,s:s,s:i}", "metadata", "status", "Failure", "message", refusal,
					     "reason", "Forbidden", "code", 403));
	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s,s:b,s:o*,s:s*,s:s*}}", "apiVersion", "admission.k8s.io/v1", "kind",
					      envelope.kind, "response", "uid", uid, "allowed", !refusal, "status", status,
					      "patchType", patch_base64 ? "JSONPatch" : NULL, "patch", patch_base64)));
}
