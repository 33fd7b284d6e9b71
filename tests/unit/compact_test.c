/*
 * A compact record expands to exactly what it was: every golden case, and random objects of every kind made from the field tables,
 * with texts that are nearly numbers or UUIDs, and with integers and instants that no JSON brings. Held together by a comparison of
 * its own, table-driven. Every test ends with an empty table of atoms: the form held each reference once.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../crds/encode.h"
#include "../../crds/slot.h"
#include "billingaccountbinding.h"
#include "compact.h"
#include "kind.h"
#include "memory.h"
#include "settings.h"

#define GOLDEN "tests/golden"
#define UUID   "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

enum { RANDOM_OBJECTS = 3000, LIST_MAX = 4, SIBLINGS = 40, SETTLED_MAX = 132 };

static struct atoms *atoms;
static struct codec *codec;
static struct arena arena;
static uint64_t luck;

static int open_codec(void **state)
{
	(void)state;
	luck = 1;
	atoms = atoms_new();
	codec = codec_new(atoms, PROJECT_LABEL_DEFAULT);
	arena_init(&arena);
	return 0;
}

static int close_codec(void **state)
{
	(void)state;
	arena_close(&arena);
	codec_free(codec);
	assert_int_equal(atoms_count(atoms), 0);
	atoms_free(atoms);
	return 0;
}

static unsigned draw(unsigned below)
{
	luck ^= luck << 13;
	luck ^= luck >> 7;
	luck ^= luck << 17;
	return (unsigned)(luck >> 33) % below;
}

/* ---- the same in all that the table names ---- */

static bool same_text(const char *a, const char *b)
{
	return !a == !b && (!a || strcmp(a, b) == 0);
}

static bool same_record(const struct shape *shape, const void *a, const void *b);

static bool same_list(const struct field *field, struct slot_list a, struct slot_list b)
{
	if (a.n != b.n || !a.items != !b.items || !a.n != !a.items)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (field->type == FIELD_STRINGS ? ((const char *const *)a.items)[i] != ((const char *const *)b.items)[i]
						 : !same_record(field->shape, slot_item(field, a, i), slot_item(field, b, i)))
			return false;
	return true;
}

static bool same_field(const struct field *field, const void *a, const void *b)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
		return same_text(slot_pointer(field, a), slot_pointer(field, b));
	case FIELD_WORD:
	case FIELD_ATOM:
		return slot_pointer(field, a) == slot_pointer(field, b);
	case FIELD_INTEGER:
	case FIELD_INSTANT:
		return slot_integer(field, a) == slot_integer(field, b);
	case FIELD_BOOLEAN:
	case FIELD_ENUM:
		return slot_enum(field, a) == slot_enum(field, b);
	case FIELD_STRUCT:
		return same_record(field->shape, slot_in(field, a), slot_in(field, b));
	case FIELD_OPTIONAL:
		a = slot_pointer(field, a);
		b = slot_pointer(field, b);
		return !a == !b && (!a || same_record(field->shape, a, b));
	case FIELD_LIST:
	case FIELD_STRINGS:
		return same_list(field, slot_list(field, a), slot_list(field, b));
	}
	return false;
}

static bool same_record(const struct shape *shape, const void *a, const void *b)
{
	for (size_t i = 0; i < shape->n_fields; i++)
		if (!same_field(&shape->fields[i], a, b))
			return false;
	return true;
}

static char *print(const struct resource *resource, const void *record)
{
	struct print text = { 0 };

	encode_record(&text, resource->shape, record);
	return text.text;
}

/* ---- what is asked without expanding ---- */

static void check_version(const struct compact *form, const char *text)
{
	const size_t len = strlen(text);
	cleanup_free char *to = memory_alloc(len + 1);

	assert_int_equal(compact_version(form, to, len + 1), len);
	assert_string_equal(to, text);
	assert_int_equal(compact_version(form, to, len), len); /* no room for its NUL: not even its beginning */
	assert_string_equal(to, "");
}

static void check_has(bool (*has)(const struct compact *, const char *), const struct compact *form, const char *text)
{
	const size_t len = strlen(text);
	cleanup_free char *other = memory_printf("%s0", text);

	assert_true(has(form, text));
	assert_false(has(form, other));
	other[len - 1] ^= 1;
	other[len] = '\0';
	assert_false(has(form, other));
	assert_false(has(form, ""));
}

/* ---- there and back ---- */

/* Takes both, which are the same. The second is compared with, then freed, so that what is still referred to is the form's. */
static void check_there_and_back(const struct resource *resource, void *record, void *twin)
{
	const struct object *meta = twin;
	atom_t ns = atom_ref(meta->ns), name = atom_ref(meta->name);
	cleanup_free char *text = print(resource, twin), *again = NULL;
	struct compact *form;

	assert_true(same_record(resource->shape, record, twin));
	form = compact_new(codec, resource, record);
	assert_true(same_record(resource->shape, compact_record(codec, form, resource, ns, name, &arena), twin));
	check_has(compact_has_uid, form, meta->uid);
	check_has(compact_has_version, form, meta->resource_version);
	check_version(form, meta->resource_version);
	assert_true(compact_size(form) < record_size(twin));
	record_free(codec, resource, twin);
	again = print(resource, compact_record(codec, form, resource, ns, name, &arena));
	assert_string_equal(again, text);
	compact_free(codec, resource, form);
	atom_unref(atoms, ns);
	atom_unref(atoms, name);
	arena_reset(&arena);
}

static void *decode(const struct resource *resource, const char *text, size_t len)
{
	struct error err = { 0 };

	return record_decode(codec, resource, text, len, &err);
}

static void test_golden_cases(void **state)
{
	(void)state;
	size_t checked = 0;

	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		char folder[256];
		DIR *dir;

		snprintf(folder, sizeof(folder), GOLDEN "/%s", kinds[kind].controller);
		dir = opendir(folder);
		assert_non_null(dir);
		for (struct dirent *entry; (entry = readdir(dir));) {
			cleanup_free char *path = memory_printf("%s/%s/input.json", folder, entry->d_name),
					  *text = memory_alloc(1 << 20);
			FILE *file = fopen(path, "rb");
			size_t len = file ? fread(text, 1, 1 << 20, file) : 0;
			void *record = file ? decode(kinds[kind].resource, text, len) : NULL;

			if (file)
				fclose(file);
			if (!record)
				continue;
			check_there_and_back(kinds[kind].resource, record, decode(kinds[kind].resource, text, len));
			checked++;
		}
		closedir(dir);
	}
	assert_true(checked > KIND_COUNT);
}

/* ---- random objects ---- */

static const char *const texts[] = {
	"0",
	"1",
	"9",
	"10",
	"123456789",
	"999999999999999999",
	"1000000000000000000",
	"9223372036854775807",
	"9223372036854775808",
	"18446744073709551615",
	"18446744073709551616",
	"00000000000000000000000000000000000001",
	"00",
	"007",
	"-1",
	"+1",
	" 1",
	"1 ",
	"12a",
	"1.5",
	"1e3",
	"x12",
	UUID,
	"00000000-0000-0000-0000-000000000000",
	"ffffffff-ffff-ffff-ffff-ffffffffffff",
	"0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
	"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1fA",
	"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f",
	UUID "0",
	"0f1e2d3c4b5a69788796a5b4c3d2e1f0",
	"0f1e2d3-c4b5a-6978-8796-a5b4c3d2e1f0",
	"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1g0",
	"0f1e2d3c-4b5a-6978-8796-",
	"0f1e2d3c-",
	"-",
	"00000000_0000_0000_0000_000000000000",
	"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f:",
	"a",
	"Bound",
	"zażółć gęślą jaźń 日本",
	"a text of sixty-three bytes, the longest that a label may have..",
	"a text of sixty-four bytes, one more than a label's value may have",
	"\x01\x7f",
	"what stands here is of no interest, but it is more than would fit into the room that a UUID takes",
};

static const char *const times[] = {
	"2026-01-01T00:00:00Z",	    "2026-10-14T08:15:00Z",	"2026-10-14T08:15:01Z",
	"1970-01-01T00:00:00Z",	    "1969-12-31T23:59:59Z",	"0001-01-01T00:00:00Z",
	"9999-12-31T23:59:59.999Z", "2026-10-14T08:15:00.001Z", "2025-12-31T23:59:59.999Z",
};

static const int64_t numbers[] = { 0,
				   1,
				   -1,
				   2,
				   63,
				   64,
				   -64,
				   -65,
				   127,
				   128,
				   8191,
				   8192,
				   1000,
				   -1000,
				   999,
				   INT32_MAX,
				   INT32_MIN,
				   INT64_MAX,
				   INT64_MIN + 1,
				   INT64_MAX - 1,
				   INT64_MAX / 1000 * 1000,
				   INT64_MIN / 1000 * 1000 };

#define PICK(from) ((from)[draw(sizeof(from) / sizeof((from)[0]))])

static json_t *random_object(const struct shape *, unsigned absent);

static json_t *random_value(const struct field *field, unsigned absent)
{
	json_t *list;
	unsigned n = 0;

	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		return json_string(draw(12) ? PICK(texts) : "");
	case FIELD_INTEGER:
		return json_integer(PICK(numbers));
	case FIELD_BOOLEAN:
		return json_boolean(draw(2));
	case FIELD_INSTANT:
		return json_string(PICK(times));
	case FIELD_ENUM:
		while (field->names[n])
			n++;
		return json_string(field->names[draw(n)]);
	case FIELD_STRUCT:
	case FIELD_OPTIONAL:
		return random_object(field->shape, absent);
	case FIELD_LIST:
	case FIELD_STRINGS:
		list = json_array();
		n = draw(40) ? draw(LIST_MAX) : 300; /* more than one byte of count */
		if (field->type == FIELD_LIST && n > LIST_MAX)
			n = 130;
		for (unsigned i = 0; i < n; i++)
			json_array_append_new(list, field->type == FIELD_STRINGS ? json_string(draw(12) ? PICK(texts) : "")
										 : random_object(field->shape, absent));
		return list;
	}
	return NULL;
}

/* Of what the table has, so many in a hundred are absent. */
static json_t *random_object(const struct shape *shape, unsigned absent)
{
	json_t *object = json_object();

	for (size_t i = 0; i < shape->n_fields; i++)
		if (draw(100) >= absent)
			json_object_set_new(object, shape->fields[i].name, random_value(&shape->fields[i], absent));
	return object;
}

static char *random_text(const struct resource *resource)
{
	static const unsigned chances[] = { 0, 10, 50, 90, 100 };
	json_t *tree = random_object(resource->shape, PICK(chances)), *meta = json_object_get(tree, "metadata");
	cleanup_free char *version = memory_printf("%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);
	char *text;

	if (!meta) {
		meta = json_object();
		json_object_set_new(tree, "metadata", meta);
	}
	json_object_set_new(meta, "name", json_string(PICK(texts)));
	json_object_set_new(meta, "namespace", resource->namespaced ? json_string(PICK(texts)) : json_null());
	json_object_set_new(meta, "uid", json_string(PICK(texts)));
	json_object_set_new(meta, "resourceVersion", json_string(PICK(texts)));
	json_object_set_new(tree, "apiVersion", json_string(version));
	json_object_set_new(tree, "kind", json_string(resource->kind));
	text = json_dumps(tree, JSON_COMPACT);
	json_decref(tree);
	return text;
}

/* Puts in numbers that no JSON brings. */
static void poke(const struct shape *shape, void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		struct slot_list list;

		if ((field->type == FIELD_INTEGER || field->type == FIELD_INSTANT) && draw(2)) {
			const uint64_t any = (uint64_t)draw(1u << 31) << 33 ^ (uint64_t)draw(1u << 31) << 11 ^ draw(1u << 11);

			slot_set_integer(field, record, draw(4) ? PICK(numbers) : draw(8) ? (int64_t)(any >> draw(64)) : INT64_MIN);
		} else if (field->type == FIELD_STRUCT) {
			poke(field->shape, slot_of(field, record));
		} else if (field->type == FIELD_OPTIONAL && slot_pointer(field, record)) {
			poke(field->shape, (void *)(uintptr_t)slot_pointer(field, record));
		} else if (field->type == FIELD_LIST) {
			list = slot_list(field, record);
			for (size_t n = 0; n < list.n; n++)
				poke(field->shape, (void *)(uintptr_t)slot_item(field, list, n));
		}
	}
}

static void test_random_objects(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RANDOM_OBJECTS; i++) {
		const struct resource *resource = kinds[i % KIND_COUNT].resource;
		cleanup_free char *text = random_text(resource);
		void *record = decode(resource, text, strlen(text)), *twin = decode(resource, text, strlen(text));
		const uint64_t seed = luck;

		assert_non_null(record);
		if (draw(2)) {
			luck = seed;
			poke(resource->shape, record);
			luck = seed;
			poke(resource->shape, twin);
		}
		check_there_and_back(resource, record, twin);
	}
}

/* ---- what it is for ---- */

static const char settled[] =
	"{\"apiVersion\":\"billing.miloapis.com/"
	"v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"namespace\":\"acme\","
	"\"name\":\"shop\",\"uid\":\"" UUID "\",\"resourceVersion\":\"123456789\",\"generation\":1,"
	"\"creationTimestamp\":\"2026-10-14T08:15:00Z\"},\"spec\":{\"billingAccountRef\":{\"name\":\"main\"},"
	"\"projectRef\":{"
	"\"name\":\"shop\"}},\"status\":{\"phase\":\"Active\",\"billingResponsibility\":{\"establishedAt\":\"2026-10-14T08:"
	"15:02Z\","
	"\"currentAccount\":\"main\"},\"conditions\":[{\"type\":\"Bound\",\"status\":\"True\",\"observedGeneration\":1,"
	"\"lastTransitionTime\":\"2026-10-14T08:15:02Z\",\"reason\":\"Bound\",\"message\":\"The project is "
	"bound.\"},{\"type\":"
	"\"DeployAllowed\",\"status\":\"True\",\"observedGeneration\":1,\"lastTransitionTime\":\"2026-10-14T08:15:02Z\","
	"\"reason\":"
	"\"AccountReady\",\"message\":\"The account is ready.\"}],\"observedGeneration\":1}}";

/* SETTLED_MAX is wherever the atoms are; on one heap it is 60 bytes of 88, or 48 of 56 where the words have numbers. */
static void test_a_settled_binding_is_small(void **state)
{
	(void)state;
	const struct resource *resource = &billingaccountbinding_resource;
	struct compact *form = compact_new(codec, resource, decode(resource, settled, strlen(settled)));

	assert_true(compact_size(form) <= SETTLED_MAX);
	compact_free(codec, resource, form);
}

/* Six words that took three bytes each, or more. */
static void test_words_that_repeat_take_a_byte(void **state)
{
	(void)state;
	const struct resource *resource = &billingaccountbinding_resource;
	struct compact *forms[SIBLINGS];

	for (size_t i = 0; i < SIBLINGS; i++)
		forms[i] = compact_new(codec, resource, decode(resource, settled, strlen(settled)));
	assert_true(compact_size(forms[SIBLINGS - 1]) + 6 * (3 - 1) <= compact_size(forms[0]));
	for (size_t i = 0; i < SIBLINGS; i++)
		compact_free(codec, resource, forms[i]);
}

/* Numbers are few and for good: who comes later is written as before. */
static void test_more_words_than_numbers(void **state)
{
	(void)state;
	const struct resource *resource = kinds[KIND_NAMESPACE].resource;

	for (unsigned i = 0; i < 300; i++) {
		json_t *tree = json_pack("{s:s,s:s,s:{s:s,s:s,s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name",
					 "a", "uid", "u", "resourceVersion", "1");
		json_t *finalizers = json_array();
		cleanup_free char *text = NULL;

		for (unsigned n = 0; n < SIBLINGS; n++)
			json_array_append_new(finalizers, json_sprintf("word-%u", i));
		json_object_set_new(json_object_get(tree, "metadata"), "finalizers", finalizers);
		text = json_dumps(tree, 0);
		json_decref(tree);
		check_there_and_back(resource, decode(resource, text, strlen(text)), decode(resource, text, strlen(text)));
	}
	assert_int_equal(atoms_count(atoms), 255);
}

/* A review's object that is yet to be created has neither; and nothing must be mistaken for it. */
static void test_absent_texts_are_equal_to_none(void **state)
{
	(void)state;
	static const char text[] = "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\","
				   "\"resourceVersion\":\"1\"}}";
	struct object *meta = decode(kinds[KIND_NAMESPACE].resource, text, strlen(text));
	struct compact *form;
	char to[4] = "abc";

	meta->uid = NULL;
	meta->resource_version = NULL;
	form = compact_new(codec, kinds[KIND_NAMESPACE].resource, meta);
	assert_false(compact_has_uid(form, "u"));
	assert_false(compact_has_version(form, ""));
	assert_int_equal(compact_version(form, to, sizeof(to)), 0);
	assert_string_equal(to, "");
	compact_free(codec, kinds[KIND_NAMESPACE].resource, form);
	compact_free(codec, kinds[KIND_NAMESPACE].resource, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_golden_cases, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(test_random_objects, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(test_a_settled_binding_is_small, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(test_words_that_repeat_take_a_byte, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(test_more_words_than_numbers, open_codec, close_codec),
		cmocka_unit_test_setup_teardown(test_absent_texts_are_equal_to_none, open_codec, close_codec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
