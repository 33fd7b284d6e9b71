/*
 * Text to tree to record: the steps in which an object from the server is accepted or refused as a whole. The tree is
 * the caller's and dies with its call. Strictness follows what the API server itself accepts: a NUL character inside an
 * annotation that nobody here reads must not make an object unreadable, so it is refused only in what is kept.
 */
#include "tree.h"

#include <stdio.h>
#include <string.h>

#include "caps.h"
#include "pack.h"
#include "text.h"

enum { NAME_SHOWN = 63, KEY_TEXT = 2 * NAME_SHOWN + 64 };

void tree_cleanup(json_t **tree)
{
	json_decref(*tree);
	*tree = NULL;
}

json_t *tree_parse(const char *text, size_t len, struct error *err)
{
	json_error_t where;
	json_t *tree;

	if (len > CAP_OBJECT_BYTES) {
		error_set(err, ERROR_INVALID, "JSON text is longer than %d bytes", CAP_OBJECT_BYTES);
		return NULL;
	}
	tree = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
	if (!tree)
		error_set(err, ERROR_INVALID, "not JSON at byte %d: %s", where.position, where.text);
	return tree;
}

const char *tree_text(const json_t *object, const char *member, size_t max)
{
	const json_t *value = json_object_get(object, member);
	const size_t len = json_string_length(value);

	return len > 0 && len <= max && strlen(json_string_value(value)) == len ? json_string_value(value) : NULL;
}

int tree_check_kind(const struct resource *resource, const char *suffix, bool optional, const json_t *tree, struct error *err)
{
	const json_t *api_version = json_object_get(tree, "apiVersion"), *kind = json_object_get(tree, "kind");
	const char *got_version = json_string_value(api_version), *got_kind = json_string_value(kind);
	char version[64], name[64];

	if (!json_is_object(tree))
		return error_set(err, ERROR_INVALID, "expected an object, got %s", decode_type_name(tree));
	snprintf(version, sizeof(version), "%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);
	snprintf(name, sizeof(name), "%s%s", resource->kind, suffix);
	if ((got_version ? strcmp(got_version, version) == 0 : optional && !api_version) &&
	    (got_kind ? strcmp(got_kind, name) == 0 : optional && !kind))
		return 0;
	if (!got_kind)
		got_kind = "no kind";
	if (!got_version)
		got_version = "no apiVersion";
	return error_set(err, ERROR_INVALID, "expected %s of %s, got %.*s of %.*s", name, version, (int)text_cut(got_kind, 64),
			 got_kind, (int)text_cut(got_version, 64), got_version);
}

/* "Kind namespace/name", as far as it can be read; a long name is cut so that the message still says what is wrong. */
static const char *key_print(const struct resource *resource, const json_t *tree, char text[KEY_TEXT])
{
	const json_t *metadata = json_object_get(tree, "metadata");
	const char *ns = tree_text(metadata, "namespace", NAME_SHOWN), *name = tree_text(metadata, "name", CAP_TEXT_BYTES);
	int shown;

	if (!name)
		return resource->kind;
	shown = (int)text_cut(name, NAME_SHOWN);
	snprintf(text, KEY_TEXT, "%s %s%s%.*s%s", resource->kind, ns ? ns : "", ns ? "/" : "", shown, name, name[shown] ? "…" : "");
	return text;
}

/* What every object from the server has. */
static int check_metadata(const struct resource *resource, const struct object *meta, struct error *err)
{
	const char *missing = NULL;

	if (!meta->name)
		missing = "name";
	else if (resource->namespaced && !meta->ns)
		missing = "namespace";
	else if (!meta->uid || !meta->uid[0])
		missing = "uid";
	else if (!meta->resource_version || !meta->resource_version[0])
		missing = "resourceVersion";
	if (missing)
		return error_set(err, ERROR_INVALID, "metadata.%s: missing", missing);
	if (!resource->namespaced && meta->ns)
		return error_set(err, ERROR_INVALID, "metadata.namespace: the kind is cluster-scoped");
	return 0;
}

void *tree_record(struct codec *codec, const struct resource *resource, bool kind_optional, const json_t *tree, struct error *err)
{
	struct decoder decoder = {
		.atoms = codec->atoms, .arena = &codec->scratch, .project_label = codec->project_label, .err = err
	};
	void *scratch = arena_alloc(&codec->scratch, resource->shape->size), *record = NULL;
	char key[KEY_TEXT];

	if (tree_check_kind(resource, "", kind_optional, tree, err) == 0 &&
	    decode_record(&decoder, resource->shape, tree, scratch) == 0 && check_metadata(resource, scratch, err) == 0) {
		record = pack_record(&decoder, resource->shape, scratch);
	} else {
		pack_release(codec->atoms, resource->shape, scratch);
		error_wrap(err, "%s", key_print(resource, tree, key));
	}
	arena_reset(&codec->scratch);
	return record;
}
