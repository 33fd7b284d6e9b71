/*
 * Admission reviews and the JSON Patch that answers one. Input: a digit whose bits choose the defaults to set, and the review. The
 * patch applies to the object as it was sent, sets each default exactly where nothing was, and takes nothing away.
 */
#include "fuzz.h"
#include "review.h"
#include "tree.h"

static const struct owner_reference owner = { .api_version = "v1", .kind = "K", .name = "n", .uid = "u" };
static const struct field_default fields[] = { { "/spec/paymentMethodClassRef/name", "standard" },
					       { "/spec/startsAt", "2026-01-02T03:04:05Z" },
					       { "/spec/paymentMethodClassRef/a~1b~0/c", "x" } };
static const char *const names[][4] = { { "spec", "paymentMethodClassRef", "name" },
					{ "spec", "startsAt" },
					{ "spec", "paymentMethodClassRef", "a/b~", "c" } };
enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]), OWNER_BIT = 1 << N_FIELDS };

static bool see_text(void *context, const char *path, const char *text)
{
	unsigned *left = context;

	check(*text && is_utf8(text) && is_utf8(path));
	check(strncmp(path, "spec", 4) == 0 || strncmp(path, "status", 6) == 0 || strncmp(path, "metadata", 8) == 0);
	return --*left > 0;
}

static void check_texts(const struct review *review)
{
	for (unsigned most = 1; most <= 1000; most *= 10) {
		unsigned left = most;

		review_each_text(review, see_text, &left);
		if (left > 0)
			return; /* it showed less than it might have */
	}
}

static void check_record(struct codec *codec, const struct review *review, bool old)
{
	struct error err = { 0 };
	void *record = review->kind < KIND_COUNT ? review_record(codec, review, old, 1000, &err) : NULL;

	if (!record) {
		check(review->kind == KIND_COUNT || err.class == ERROR_INVALID);
		return;
	}
	const struct object *meta = record;

	check(meta->name && meta->uid && meta->resource_version);
	check(!meta->ns == !tree_resources[review->kind]->namespaced);
	if (!old && review->operation == ADMISSION_CREATE)
		check(meta->created != 0);
	record_free(codec, tree_resources[review->kind], record);
}

/* Is there a place for the default, and nothing in it? */
static bool is_open(const json_t *object, const char *const path[4])
{
	for (size_t i = 0; i < 4 && path[i] && object && !json_is_null(object); i++) {
		if (!json_is_object(object))
			return false;
		object = json_object_get(object, path[i]);
	}
	return !object || json_is_null(object);
}

static const json_t *look(const json_t *object, const char *const path[4])
{
	for (size_t i = 0; i < 4 && path[i]; i++)
		object = json_object_get(object, path[i]);
	return object;
}

static void check_owner(const json_t *before, const json_t *after)
{
	static const char *const path[4] = { "metadata", "ownerReferences" };
	const json_t *had = json_at(before, path[0], path[1]), *has = json_at(after, path[0], path[1]);

	if (!json_is_array(had) && !is_open(before, path)) {
		check(json_equal(had, has) || !has);
		return;
	}
	const json_t *last = json_array_get(has, json_array_size(has) - 1);

	check(json_array_size(has) == json_array_size(had) + 1);
	check(strcmp(json_string_value(json_object_get(last, "uid")), owner.uid) == 0);
}

static void check_patch(const struct review *review, unsigned bits, const json_t *object)
{
	struct defaults defaults = { .owner = bits & OWNER_BIT ? &owner : NULL, .basis = BASIS_NONE };
	json_t *patched = json_deep_copy(object);

	for (unsigned i = 0; i < N_FIELDS; i++)
		if (bits & 1u << i)
			defaults.fields[defaults.n_fields++] = fields[i];
	cleanup_free char *patch = review_patch(review, &defaults);

	check(!patch || json_is_object(object));
	if (patch)
		json_apply(patched, patch);
	check(json_covers(patched, object));
	for (unsigned i = 0; i < N_FIELDS; i++) {
		const char *now = json_string_value(look(patched, names[i]));

		if (bits & 1u << i && json_is_object(object) && is_open(object, names[i]))
			check(now && strcmp(now, fields[i].text) == 0);
	}
	if (defaults.owner && json_is_object(object))
		check_owner(object, patched);
	json_decref(patched);
}

static void check_answer(const struct review *review)
{
	for (int allowed = 0; allowed < 2; allowed++) {
		cleanup_free char *text = review_answer(review->uid, allowed ? NULL : review->username, allowed ? "W10=" : NULL);
		json_t *tree = json_of(text, strlen(text));

		check(strcmp(json_string_value(json_at(tree, "response", "uid")), review->uid) == 0);
		check(json_is_true(json_at(tree, "response", "allowed")) == allowed);
		json_decref(tree);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_codec fuzz;
	struct review review;
	struct error err = { 0 };

	if (size == 0)
		return 0;
	fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 1);

	if (review_decode(text, size - 1, &review, &err) == 0) {
		json_t *tree = json_of(text, size - 1);

		check(review.uid && review.ns && review.name && review.subresource && review.username);
		check_texts(&review);
		check_record(fuzz.codec, &review, false);
		check_record(fuzz.codec, &review, true);
		check_patch(&review, data[0], json_at(tree, "request", "object"));
		check_answer(&review);
		json_decref(tree);
	} else {
		check_error(&err);
	}
	review_free(&review);
	codec_close(&fuzz);
	return 0;
}
