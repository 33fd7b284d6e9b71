/*
 * The codec of each kind. Input: a digit for the kind (kinds.h's order), an object, and perhaps a byte 0x1e and a second object of
 * that kind. What was decoded and encoded again decodes to the same; its compact form expands to the same; a patch of one's status,
 * applied as the API server would, makes it the other's; the patch of a finalizer adds or takes away that one and no other.
 */
#include "../written.h"
#include "compact.h"
#include "fuzz.h"
#include "tree.h"

#define FINALIZER "billing.miloapis.com/guard"

static const void *status_in(const struct resource *resource, const void *record)
{
	return (const char *)record + resource->status_offset;
}

static json_t *tree_of(const struct resource *resource, const void *record)
{
	json_t *tree = written(resource->shape, record);
	cleanup_free char *version = memory_printf("%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);

	json_object_set_new(tree, "apiVersion", json_string(version));
	json_object_set_new(tree, "kind", json_string(resource->kind));
	return tree;
}

/* Even one of 1970-01-01T00:00:00Z, which is 0 everywhere else. */
static void check_created(const struct object *meta, const char *text, size_t len)
{
	json_t *tree = json_of(text, len);

	check(!meta->created == !json_is_string(json_at(tree, "metadata", "creationTimestamp")));
	json_decref(tree);
}

/* Takes the record, which that tree was made of. */
static void check_compact(struct codec *codec, const struct resource *resource, void *record, json_t *tree)
{
	const struct object *meta = record;
	atom_t ns = atom_ref(meta->ns), name = atom_ref(meta->name);
	cleanup_free char *uid = memory_strdup(meta->uid), *version = memory_strdup(meta->resource_version);
	struct arena arena;
	struct compact *form;
	json_t *again;

	arena_init(&arena);
	form = compact_new(codec, resource, record);
	again = tree_of(resource, compact_record(codec, form, resource, ns, name, &arena));
	check(json_equal(again, tree));
	check(compact_has_uid(form, uid) && compact_has_version(form, version));
	json_decref(again);
	compact_free(codec, resource, form);
	arena_close(&arena);
	atom_unref(codec->atoms, ns);
	atom_unref(codec->atoms, name);
}

static void check_round_trip(struct codec *codec, const struct resource *resource, const void *record)
{
	json_t *first = tree_of(resource, record), *second;
	cleanup_free char *text = json_dumps(first, JSON_COMPACT);
	struct error err;
	void *again = record_decode(codec, resource, text, strlen(text), &err);

	check(again);
	second = tree_of(resource, again);
	check(json_equal(first, second));
	check(encode_equal(resource->shape, record, again));
	check(record_size(record) > resource->shape->size);
	if (resource->status)
		check(status_equal(resource, status_in(resource, record), status_in(resource, again)));
	check_compact(codec, resource, again, first);
	json_decref(first);
	json_decref(second);
}

static void check_status(const struct resource *resource, const void *from, const void *to)
{
	const struct object *meta = from;
	cleanup_free char *patch = status_patch(resource, from, status_in(resource, to));
	json_t *tree = written(resource->status, status_in(resource, from));
	json_t *wanted = written(resource->status, status_in(resource, to));

	check(!patch == status_equal(resource, status_in(resource, from), status_in(resource, to)));
	if (patch) {
		json_t *changes = json_of(patch, strlen(patch));

		check(strcmp(json_string_value(json_at(changes, "metadata", "resourceVersion")), meta->resource_version) == 0);
		json_merge(tree, json_object_get(changes, "status"));
		json_decref(changes);
	}
	check(json_equal(tree, wanted));
	json_decref(tree);
	json_decref(wanted);
}

static size_t count_finalizer(const json_t *tree)
{
	json_t *list = json_at(tree, "metadata", "finalizers");
	size_t found = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		found += strcmp(json_string_value(json_array_get(list, i)), FINALIZER) == 0;
	return found;
}

static void check_finalizer(const void *record, json_t *tree, bool add)
{
	const size_t before = count_finalizer(tree), all = json_array_size(json_at(tree, "metadata", "finalizers"));
	cleanup_free char *patch = finalizer_patch(record, FINALIZER, add);

	check(!patch == (add == (before > 0)));
	if (!patch)
		return;
	json_apply(tree, patch);
	check(count_finalizer(tree) == (add ? before + 1 : before - 1));
	check(json_array_size(json_at(tree, "metadata", "finalizers")) == (add ? all + 1 : all - 1));
}

static void check_bodies(const struct resource *resource, const void *record)
{
	const struct mark marks[] = { { MARK_LABEL, "a", "b" }, { MARK_ANNOTATION, "c", NULL } };
	const struct owner_reference owner = { .api_version = "v1", .kind = "K", .name = "n", .uid = "u" };
	const struct object *meta = record;
	char *bodies[] = { object_body(resource, (struct key){ .ns = meta->ns, .name = meta->name }),
			   owner_patch(resource, record, &owner), marks_patch(record, marks, 2), delete_body(meta->uid) };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		json_t *tree = json_of(bodies[i], strlen(bodies[i]));

		check(json_is_object(tree));
		if (i < 2)
			check(strcmp(json_string_value(json_at(tree, "metadata", "name")), meta->name->text) == 0);
		json_decref(tree);
		free(bodies[i]);
	}
}

static void *decode(struct codec *codec, const struct resource *resource, const char *text, size_t len)
{
	struct error err = { 0 };
	void *record = record_decode(codec, resource, text, len, &err);

	if (!record) {
		check_error(&err);
		check(err.class == ERROR_INVALID && strncmp(err.message, resource->kind, strlen(resource->kind)) == 0);
		return NULL;
	}
	check_created(record, text, len);
	check_round_trip(codec, resource, record);
	check_bodies(resource, record);
	/* A text ends for us at its NUL: a test of the whole then rightly fails. */
	for (int add = 0; add < 2 && !memmem(text, len, "\\u0000", 6); add++) {
		json_t *tree = json_of(text, len);

		check_finalizer(record, tree, add);
		json_decref(tree);
	}
	return record;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct resource *resource = size ? kind_of_digit(data[0]) : NULL;

	if (!resource)
		return 0;
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 1);
	const char *second = memchr(text, 0x1e, size - 1);
	const size_t len = second ? (size_t)(second - text) : size - 1;
	void *a = decode(fuzz.codec, resource, text, len), *b = NULL;

	if (second)
		b = decode(fuzz.codec, resource, second + 1, size - 1 - len - 1);
	if (a && b && resource->status) {
		check_status(resource, a, b);
		check_status(resource, b, a);
	}
	record_free(fuzz.codec, resource, a);
	record_free(fuzz.codec, resource, b);
	codec_close(&fuzz);
	return 0;
}
