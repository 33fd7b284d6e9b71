/*
 * codec.h without the envelopes: records from text, and the bodies of our writes. jansson's allocations go through
 * memory.c, so that no path here has to think of running out. Must not know any kind.
 */
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "encode.h"
#include "memory.h"
#include "pack.h"
#include "tree.h"

enum { API_VERSION_SIZE = 64 };

/* Not memory_alloc: a tree is written once, zeroing it first would cost as much again. */
static void *tree_alloc(size_t bytes)
{
	return memory_resize(NULL, bytes);
}

struct codec *codec_new(struct atoms *atoms, const char *project_label)
{
	struct codec *codec = memory_alloc(sizeof(*codec));

	json_set_alloc_funcs(tree_alloc, free);
	codec->atoms = atoms;
	codec->project_label = project_label;
	arena_init(&codec->scratch);
	return codec;
}

void codec_free(struct codec *codec)
{
	if (!codec)
		return;
	words_close(codec->atoms, &codec->words);
	arena_close(&codec->scratch);
	free(codec);
}

void *record_decode(struct codec *codec, const struct resource *resource, const char *text, size_t len, struct error *err)
{
	cleanup_tree json_t *tree = tree_parse(text, len, CAP_OBJECT_BYTES, err);

	if (!tree) {
		error_wrap(err, "%s", resource->kind);
		return NULL;
	}
	return tree_record(codec, resource, false, tree, err);
}

void record_free(struct codec *codec, const struct resource *resource, void *record)
{
	pack_free(codec->atoms, resource->shape, record);
}

size_t record_size(const void *record)
{
	return pack_size(record);
}

bool status_equal(const struct resource *resource, const void *a, const void *b)
{
	return encode_equal(resource->status, a, b);
}

/* The uid is for whoever reads the patch: kube-apiserver 1.35 ignores it on /status, the resourceVersion guards alone. */
char *status_patch(const struct resource *resource, const void *record, const void *desired)
{
	const struct object *meta = record;
	const void *present = (const char *)record + resource->status_offset;
	struct print out = { 0 };

	if (status_equal(resource, present, desired))
		return NULL;
	print_token(&out, "{");
	print_member(&out, "metadata");
	print_token(&out, "{");
	print_member(&out, "resourceVersion");
	print_string(&out, meta->resource_version);
	print_member(&out, "uid");
	print_string(&out, meta->uid);
	print_token(&out, "}");
	print_member(&out, "status");
	encode_diff(&out, resource->status, present, desired);
	print_token(&out, "}");
	return out.text;
}

/* "group/version", or "version" in the core group. */
static const char *api_version(const struct resource *resource, char text[API_VERSION_SIZE])
{
	snprintf(text, API_VERSION_SIZE, "%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);
	return text;
}

char *object_body(const struct resource *resource, struct key key)
{
	char version[API_VERSION_SIZE];

	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s,s:s*}}", "apiVersion", api_version(resource, version), "kind",
					      resource->kind, "metadata", "name", key.name->text, "namespace",
					      key.ns ? key.ns->text : NULL)));
}

static size_t finalizer_place(const struct object *meta, const char *finalizer)
{
	size_t i = 0;

	while (i < meta->finalizers.n && strcmp(meta->finalizers.items[i], finalizer) != 0)
		i++;
	return i;
}

/*
 * What the list was when we looked is tested before it is touched. The empty list can't be tested (the API server drops
 * the member, and testing what is not there fails), so there the whole object must be as it was.
 */
char *finalizer_patch(const void *record, const char *finalizer, bool add)
{
	const struct object *meta = record;
	const size_t place = finalizer_place(meta, finalizer);
	char path[64];
	json_t *patch, *list;

	if (add == (place < meta->finalizers.n))
		return NULL;
	patch = tree_made(json_pack("[o]", tree_operation("test", "/metadata/uid", tree_string(meta->uid))));
	snprintf(path, sizeof(path), "/metadata/finalizers/%zu", place);
	if (!add) {
		json_array_append_new(patch, tree_operation("test", path, tree_string(finalizer)));
		json_array_append_new(patch, tree_operation("remove", path, NULL));
	} else if (meta->finalizers.n == 0) {
		json_array_append_new(patch,
				      tree_operation("test", "/metadata/resourceVersion", tree_string(meta->resource_version)));
		json_array_append_new(patch, tree_operation("add", "/metadata/finalizers", json_pack("[s]", finalizer)));
	} else {
		list = tree_made(json_array());
		for (size_t i = 0; i < meta->finalizers.n; i++)
			json_array_append_new(list, tree_string(meta->finalizers.items[i]));
		json_array_append_new(patch, tree_operation("test", "/metadata/finalizers", list));
		json_array_append_new(patch, tree_operation("add", "/metadata/finalizers/-", tree_string(finalizer)));
	}
	return tree_print(patch);
}

char *owner_patch(const struct resource *resource, const void *record, const struct owner_reference *owner)
{
	const struct object *meta = record;
	char version[API_VERSION_SIZE];

	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s,s:s*,s:s,s:s,s:[o]}}", "apiVersion", api_version(resource, version),
					      "kind", resource->kind, "metadata", "name", meta->name->text, "namespace",
					      meta->ns ? meta->ns->text : NULL, "uid", meta->uid, "resourceVersion",
					      meta->resource_version, "ownerReferences", tree_owner(owner))));
}

char *marks_patch(const void *record, const struct mark *marks, size_t n)
{
	const struct object *meta = record;
	json_t *metadata = tree_made(json_pack("{s:s,s:s}", "resourceVersion", meta->resource_version, "uid", meta->uid));

	for (size_t i = 0; i < n; i++) {
		const char *member = marks[i].type == MARK_LABEL ? "labels" : "annotations";
		if (!json_object_get(metadata, member))
			json_object_set_new(metadata, member, json_object());
		json_object_set_new(json_object_get(metadata, member), marks[i].key,
				    marks[i].value ? tree_string(marks[i].value) : json_null());
	}
	return tree_print(tree_made(json_pack("{s:o}", "metadata", metadata)));
}

char *delete_body(const char *uid)
{
	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions", "preconditions",
					      "uid", uid)));
}
