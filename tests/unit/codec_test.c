/*
 * The codec's rules. Golden cases are folders, tests/golden/<kind>/<case>/, registered nowhere:
 *   input.json with record.json    what is kept of an object
 *   input.json with error          the exact refusal (a * at the end stands for any rest: jansson's own words)
 *   input.json with desired.json   a status to be, and patch.json: the body that is sent, null for none
 * Then properties over all of them, and the envelopes. Every test ends with an empty table of atoms: nothing leaked.
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
#include "../written.h"
#include "billingaccount.h"
#include "caps.h"
#include "codec.h"
#include "kind.h"
#include "memory.h"
#include "namespace.h"
#include "settings.h"

#define GOLDEN "tests/golden"

enum { CASES_MAX = 1024 };

static struct atoms *atoms;
static struct codec *codec;

static const struct resource *const account = &billingaccount_resource;

static int open_codec(void **state)
{
	(void)state;
	atoms = atoms_new();
	codec = codec_new(atoms, PROJECT_LABEL_DEFAULT);
	return 0;
}

static int close_codec(void **state)
{
	(void)state;
	codec_free(codec);
	assert_int_equal(atoms_count(atoms), 0);
	atoms_free(atoms);
	return 0;
}

/* ---- files and trees ---- */

/* NULL when there is no such file. */
static char *slurp(const char *folder, const char *name, size_t *len)
{
	char path[512], *text;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file)
		return NULL;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	text = memory_alloc((size_t)size + 1);
	*len = fread(text, 1, (size_t)size, file);
	fclose(file);
	return text;
}

static json_t *load(const char *folder, const char *name)
{
	size_t len;
	cleanup_free char *text = slurp(folder, name, &len);
	json_t *tree = text ? json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL) : NULL;

	if (text && !tree)
		fail_msg("%s/%s is not JSON", folder, name);
	return tree;
}

/* Takes both. */
static void assert_same_json(json_t *got, json_t *expected)
{
	if (!json_equal(got, expected)) {
		char *a = json_dumps(got, JSON_INDENT(2) | JSON_ENCODE_ANY),
		     *b = json_dumps(expected, JSON_INDENT(2) | JSON_ENCODE_ANY);

		fail_msg("got %s\nexpected %s", a, b);
	}
	json_decref(got);
	json_decref(expected);
}

static void *decode_tree(const struct resource *resource, const json_t *tree, struct error *err)
{
	char *text = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);
	void *record = record_decode(codec, resource, text, strlen(text), err);

	free(text);
	return record;
}

static const void *status_in(const struct resource *resource, const void *record)
{
	return (const char *)record + resource->status_offset;
}

/* RFC 7386, its pseudocode. Changes target. */
static void merge(json_t *target, const json_t *patch)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, name, value)
	{
		if (json_is_null(value)) {
			json_object_del(target, name);
		} else if (json_is_object(value)) {
			if (!json_is_object(json_object_get(target, name)))
				json_object_set_new(target, name, json_object());
			merge(json_object_get(target, name), value);
		} else {
			json_object_set_new(target, name, json_deep_copy(value));
		}
	}
}

/* ---- golden cases ---- */

struct golden {
	char folder[300];
	const struct resource *resource;
};

static struct golden cases[CASES_MAX];
static size_t n_cases;

static void golden_record(const struct golden *golden, const char *text, size_t len)
{
	struct error err = { 0 };
	void *record = record_decode(codec, golden->resource, text, len, &err);

	if (!record)
		fail_msg("refused: %s", err.message);
	assert_true(record_size(record) < sizeof(struct object) + 8192);
	assert_same_json(written(golden->resource->shape, record), load(golden->folder, "record.json"));
	record_free(codec, golden->resource, record);
}

static void golden_error(const struct golden *golden, const char *text, size_t len)
{
	struct error err = { 0 };
	void *record = record_decode(codec, golden->resource, text, len, &err);
	size_t expected_len;
	cleanup_free char *expected = slurp(golden->folder, "error", &expected_len);

	assert_null(record);
	expected[--expected_len] = '\0';
	assert_int_equal(err.class, ERROR_INVALID);
	if (expected[expected_len - 1] == '*')
		assert_memory_equal(err.message, expected, expected_len - 1);
	else
		assert_string_equal(err.message, expected);
}

/* Makes the patch, and holds that applying it leads to what was desired and leaves nothing more to patch. */
static void golden_patch(const struct golden *golden, const char *text, size_t len)
{
	const struct resource *resource = golden->resource;
	struct error err = { 0 };
	json_t *input = json_loadb(text, len, 0, NULL), *tree = json_deep_copy(input);
	void *record = record_decode(codec, resource, text, len, &err), *desired, *after;
	char *patch;

	json_object_set_new(tree, "status", load(golden->folder, "desired.json"));
	desired = decode_tree(resource, tree, &err);
	if (!record || !desired)
		fail_msg("refused: %s", err.message);
	patch = status_patch(resource, record, status_in(resource, desired));
	assert_int_equal(patch == NULL, status_equal(resource, status_in(resource, record), status_in(resource, desired)));
	assert_same_json(patch ? json_loads(patch, 0, NULL) : json_null(), load(golden->folder, "patch.json"));
	if (patch) {
		json_t *parsed = json_loads(patch, 0, NULL);

		merge(input, parsed);
		json_decref(parsed);
	}
	after = decode_tree(resource, input, &err);
	assert_non_null(after);
	assert_null(status_patch(resource, after, status_in(resource, desired)));
	record_free(codec, resource, record);
	record_free(codec, resource, desired);
	record_free(codec, resource, after);
	json_decref(input);
	json_decref(tree);
	free(patch);
}

static void golden(void **state)
{
	const struct golden *golden = *state;
	size_t len, unused;
	cleanup_free char *text = slurp(golden->folder, "input.json", &len);
	cleanup_free char *kept = slurp(golden->folder, "record.json", &unused);
	cleanup_free char *refused = slurp(golden->folder, "error", &unused);
	cleanup_free char *desired = slurp(golden->folder, "desired.json", &unused);

	open_codec(NULL);
	if (!text || !!kept + !!refused + !!desired != 1)
		fail_msg("%s: needs input.json and one of record.json, error, desired.json", golden->folder);
	if (kept)
		golden_record(golden, text, len);
	else if (refused)
		golden_error(golden, text, len);
	else
		golden_patch(golden, text, len);
	close_codec(NULL);
}

static void find_cases(void)
{
	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		char folder[128];
		struct dirent *entry;
		DIR *dir;

		snprintf(folder, sizeof(folder), GOLDEN "/%s", kinds[kind].controller);
		dir = opendir(folder);
		while (dir && (entry = readdir(dir))) {
			if (entry->d_name[0] == '.' || n_cases == CASES_MAX)
				continue;
			snprintf(cases[n_cases].folder, sizeof(cases[n_cases].folder), "%.120s/%.160s", folder, entry->d_name);
			cases[n_cases++].resource = kinds[kind].resource;
		}
		if (dir)
			closedir(dir);
	}
}

/* The text of the i-th case that is accepted, or NULL. */
static char *good_text(size_t i, size_t *len)
{
	size_t unused;
	cleanup_free char *refused = slurp(cases[i].folder, "error", &unused);

	return refused ? NULL : slurp(cases[i].folder, "input.json", len);
}

static void every_kind_has_golden_cases(void **state)
{
	(void)state;
	assert_true(n_cases < CASES_MAX);
	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		size_t kept = 0, refused = 0;

		for (size_t i = 0; i < n_cases; i++) {
			size_t len;
			cleanup_free char *text = good_text(i, &len);

			if (cases[i].resource == kinds[kind].resource)
				*(text ? &kept : &refused) += 1;
		}
		if (kept < 2 || refused < 1)
			fail_msg("%s/%s: %zu kept, %zu refused", GOLDEN, kinds[kind].controller, kept, refused);
	}
}

/* ---- properties ---- */

static void check_table(const struct shape *shape, unsigned depth)
{
	assert_true(depth < 12 && shape->name && shape->n_fields > 0);
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const bool here = field->type == FIELD_STRUCT && field->offset == 0 && field->shape->size == shape->size;

		assert_non_null(field->name);
		assert_true(field->offset < shape->size);
		assert_int_equal(field->type == FIELD_ENUM, field->names != NULL);
		assert_int_equal(field->type == FIELD_STRUCT || field->type == FIELD_OPTIONAL || field->type == FIELD_LIST,
				 field->shape != NULL);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(field->name, shape->fields[j].name);
			/* Rows that lie over the record itself (FIELD_HERE) share its start. */
			if (!here && shape->fields[j].type != FIELD_STRUCT && field->offset == shape->fields[j].offset)
				fail_msg("%s: %s and %s share a place", shape->name, field->name, shape->fields[j].name);
		}
		if (field->shape)
			check_table(field->shape, depth + 1);
	}
}

static void tables_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		check_table(kinds[i].resource->shape, 0);
		assert_true(!kinds[i].resource->status ||
			    kinds[i].resource->status_offset + kinds[i].resource->status->size <= kinds[i].resource->shape->size);
	}
}

/* An object with every member of a table; the variant changes every value. */
static json_t *specimen(const struct shape *shape, unsigned variant)
{
	json_t *object = json_object();

	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		unsigned n = 0;
		json_t *value = NULL;

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
		case FIELD_WORD:
		case FIELD_ATOM:
			value = json_sprintf("%s %u é", field->name, variant);
			break;
		case FIELD_INTEGER:
			value = json_integer((json_int_t)variant);
			break;
		case FIELD_BOOLEAN:
			value = json_boolean(variant % 2);
			break;
		case FIELD_INSTANT:
			value = json_sprintf("2026-01-02T03:04:%02uZ", variant % 60);
			break;
		case FIELD_ENUM:
			while (field->names[n])
				n++;
			value = json_string(field->names[variant % n]);
			break;
		case FIELD_STRUCT:
		case FIELD_OPTIONAL:
			value = specimen(field->shape, variant);
			break;
		case FIELD_LIST:
			value = json_pack("[o,o]", specimen(field->shape, variant), specimen(field->shape, variant + 1));
			break;
		case FIELD_STRINGS:
			value = json_pack("[o,s]", json_sprintf("one %u", variant), "two");
			break;
		}
		json_object_set_new(object, field->name, value);
	}
	return object;
}

static json_t *specimen_of(const struct resource *resource, unsigned variant)
{
	json_t *tree = specimen(resource->shape, variant);
	char version[64];

	snprintf(version, sizeof(version), "%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);
	json_object_set_new(tree, "apiVersion", json_string(version));
	json_object_set_new(tree, "kind", json_string(resource->kind));
	if (!resource->namespaced)
		json_object_del(json_object_get(tree, "metadata"), "namespace");
	return tree;
}

static void every_row_and_enum_value_round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		for (unsigned variant = 0; variant < 4; variant++) {
			struct error err = { 0 };
			json_t *tree = specimen_of(kinds[i].resource, variant);
			void *record = decode_tree(kinds[i].resource, tree, &err);

			if (!record)
				fail_msg("%s", err.message);
			json_object_del(tree, "apiVersion");
			json_object_del(tree, "kind");
			assert_same_json(written(kinds[i].resource->shape, record), tree);
			record_free(codec, kinds[i].resource, record);
		}
	}
}

/* Is the record made without the server's answer, and as the answer gives it? */
static bool is_foreseen(const struct resource *resource, const void *record, const void *desired, const void *answer)
{
	void *foreseen = record_with_status(codec, resource, record, desired);

	assert_int_equal(foreseen != NULL, encode_empty(resource->status, status_in(resource, record)));
	if (!foreseen)
		return false;
	record_set_version(foreseen, ((const struct object *)answer)->resource_version);
	assert_true(encode_equal(resource->shape, foreseen, answer));
	record_free(codec, resource, foreseen);
	return true;
}

/* From every good status to every other of its kind: the patch, applied, gives the other, and nothing is left. */
static void patches_lead_from_any_status_to_any_other(void **state)
{
	static void *records[CASES_MAX + 8];
	static json_t *trees[CASES_MAX + 8];

	(void)state;
	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		const struct resource *resource = kinds[kind].resource;
		struct error err;
		size_t n = 0, n_foreseen = 0;

		if (!resource->status)
			continue;
		for (unsigned variant = 0; variant < 2; variant++)
			trees[n++] = specimen_of(resource, variant);
		for (size_t i = 0; i < n_cases; i++) {
			size_t len;
			cleanup_free char *text = cases[i].resource == resource ? good_text(i, &len) : NULL;

			if (text)
				trees[n++] = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
		}
		for (size_t i = 0; i < n; i++)
			assert_non_null(records[i] = decode_tree(resource, trees[i], &err));
		for (size_t from = 0; from < n; from++) {
			for (size_t to = 0; to < n; to++) {
				const void *desired = status_in(resource, records[to]);
				char *text = status_patch(resource, records[from], desired);
				json_t *patch = text ? json_loads(text, 0, NULL) : json_object(),
				       *tree = json_deep_copy(trees[from]);
				void *after;

				assert_true(from != to || !text);
				merge(tree, patch);
				after = decode_tree(resource, tree, &err);
				assert_true(status_equal(resource, status_in(resource, after), desired));
				assert_null(status_patch(resource, after, desired));
				n_foreseen += is_foreseen(resource, records[from], desired, after);
				record_free(codec, resource, after);
				json_decref(patch);
				json_decref(tree);
				free(text);
			}
		}
		assert_true(n_foreseen > 0);
		while (n-- > 0) {
			record_free(codec, resource, records[n]);
			json_decref(trees[n]);
		}
	}
}

/* Whatever comes, it is an error that says which kind, or a record; and nothing stays behind. */
static bool survives(const struct resource *resource, const char *text, size_t len)
{
	/* A copy of its own, so that sanitizers see a read past the end. */
	cleanup_free char *exact = memcpy(memory_alloc(len), text, len);
	struct error err = { 0 };
	void *record = record_decode(codec, resource, exact, len, &err);

	if (record) {
		assert_null(resource->status ? status_patch(resource, record, status_in(resource, record)) : NULL);
		record_free(codec, resource, record);
	} else {
		assert_int_equal(err.class, ERROR_INVALID);
		assert_memory_equal(err.message, resource->kind, strlen(resource->kind));
	}
	assert_int_equal(atoms_count(atoms), 0);
	return record != NULL;
}

/* One text a kind that holds every member there is. */
static char *specimen_text(const struct resource *resource)
{
	json_t *tree = specimen_of(resource, 0);
	char *text = json_dumps(tree, JSON_COMPACT);

	json_decref(tree);
	return text;
}

static void truncated_anywhere_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		cleanup_free char *text = specimen_text(kinds[i].resource);
		size_t len = strlen(text);

		assert_true(survives(kinds[i].resource, text, len));
		while (len-- > 0)
			assert_false(survives(kinds[i].resource, text, len));
	}
}

static void any_byte_may_be_another(void **state)
{
	static const char others[] = { '\0', '"', '{', '}', ',', '\\', '9', '\x1f', '\xff', '\xc3' };

	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		cleanup_free char *text = specimen_text(kinds[i].resource);
		const size_t len = strlen(text);

		for (size_t at = i % 3; at < len; at += 3) {
			const char was = text[at];

			text[at] = others[at % sizeof(others)];
			survives(kinds[i].resource, text, len);
			text[at] = was;
		}
	}
}

/* Puts every value of `others` in place of every value of the tree. */
static void replace_each(const struct resource *resource, json_t *root, json_t *at, const json_t *others)
{
	const char *name;
	json_t *child;
	void *next;
	size_t i, n;

	json_object_foreach_safe(at, next, name, child)
	{
		json_incref(child);
		for (n = 0; n < json_array_size(others); n++) {
			char *text;

			json_object_set_new(at, name, json_deep_copy(json_array_get(others, n)));
			text = json_dumps(root, JSON_COMPACT);
			survives(resource, text, strlen(text));
			free(text);
		}
		json_object_set(at, name, child);
		replace_each(resource, root, child, others);
		json_decref(child);
	}
	for (i = 0; json_is_array(at) && i < json_array_size(at); i++) {
		child = json_incref(json_array_get(at, i));
		for (n = 0; n < json_array_size(others); n++) {
			char *text;

			json_array_set_new(at, i, json_deep_copy(json_array_get(others, n)));
			text = json_dumps(root, JSON_COMPACT);
			survives(resource, text, strlen(text));
			free(text);
		}
		json_array_set(at, i, child);
		replace_each(resource, root, child, others);
		json_decref(child);
	}
}

static void any_value_may_be_of_another_type(void **state)
{
	json_t *others = json_pack("[n,b,i,f,s,[],[n],{s:n}]", 1, 7, 1.5, "text", "name");

	(void)state;
	assert_non_null(others);
	for (size_t i = 0; i < KIND_COUNT; i++) {
		json_t *tree = specimen_of(kinds[i].resource, 0);

		replace_each(kinds[i].resource, tree, tree, others);
		json_decref(tree);
	}
	json_decref(others);
}

/* ---- single rules ---- */

static char *account_text(const char *spec)
{
	char *text = memory_alloc(strlen(spec) + 512);

	sprintf(text,
		"{\"apiVersion\":\"billing.miloapis.com/"
		"v1alpha1\",\"kind\":\"BillingAccount\",\"metadata\":{\"name\":\"main\","
		"\"namespace\":\"acme\",\"uid\":\"u-1\",\"resourceVersion\":\"7\"},\"spec\":%s}",
		spec);
	return text;
}

static char *filled(const char *before, char with, size_t n, const char *after)
{
	char *text = memory_alloc(strlen(before) + n + strlen(after) + 1);

	strcpy(text, before);
	memset(text + strlen(before), with, n);
	strcpy(text + strlen(before) + n, after);
	return text;
}

static void texts_are_capped(void **state)
{
	static const struct {
		const char *before, *after, *path;
	} rows[] = {
		{ "{\"currencyCode\":\"", "\"}", "spec.currencyCode" },
		{ "{\"contactInfo\":{\"email\":\"", "\"}}", "spec.contactInfo.email" },
		{ "{\"defaultPaymentMethodRef\":{\"name\":\"", "\"}}", "spec.defaultPaymentMethodRef.name" },
		{ "{\"contactInfo\":{\"invoiceEmails\":[\"a\",\"", "\"]}}", "spec.contactInfo.invoiceEmails[1]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const size_t sizes[] = { CAP_TEXT_BYTES, CAP_TEXT_BYTES + 1, 1 << 20 };

		for (size_t s = 0; s < 3; s++) {
			cleanup_free char *spec = filled(rows[i].before, 'x', sizes[s], rows[i].after), *text = account_text(spec);
			char expected[256];
			struct error err = { 0 };
			void *record = record_decode(codec, account, text, strlen(text), &err);

			assert_int_equal(record != NULL, s == 0);
			if (!record) {
				snprintf(expected, sizeof(expected), "BillingAccount acme/main: %s: longer than 524288 bytes",
					 rows[i].path);
				assert_string_equal(err.message, expected);
			}
			record_free(codec, account, record);
		}
	}
}

static void lists_are_capped(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		json_t *emails = json_array();
		struct error err = { 0 };
		cleanup_free char *text = NULL;
		char *spec;
		void *record;

		for (int i = 0; i < CAP_LIST_ITEMS + over; i++)
			json_array_append_new(emails, json_string("e"));
		emails = json_pack("{s:{s:o}}", "contactInfo", "invoiceEmails", emails);
		spec = json_dumps(emails, 0);
		text = account_text(spec);
		record = record_decode(codec, account, text, strlen(text), &err);
		assert_int_equal(record != NULL, !over);
		if (over)
			assert_string_equal(err.message,
					    "BillingAccount acme/main: spec.contactInfo.invoiceEmails: more than 524288 items");
		record_free(codec, account, record);
		json_decref(emails);
		free(spec);
	}
}

static void objects_are_capped(void **state)
{
	cleanup_free char *text = filled("\"", 'x', CAP_OBJECT_BYTES, "\"");
	struct error err = { 0 };

	(void)state;
	assert_null(record_decode(codec, account, text, strlen(text), &err));
	assert_string_equal(err.message, "BillingAccount: JSON text is longer than 4194304 bytes");
}

static void texts_are_in_the_record_or_in_atoms(void **state)
{
	cleanup_free char *text = account_text("{\"currencyCode\":\"USD\",\"contactInfo\":{\"email\":\"a@b.c\"}}");
	struct error err = { 0 };
	struct billingaccount *record = record_decode(codec, account, text, strlen(text), &err);
	const char *email = record->spec.contact_info->email;

	(void)state;
	assert_ptr_equal(atom_from_text(record->spec.currency_code), atom_find(atoms, "USD", 3));
	assert_null(atom_find(atoms, "a@b.c", 5));
	assert_true(email > (const char *)record && email < (const char *)record + record_size(record));
	assert_true((const char *)record->spec.contact_info < (const char *)record + record_size(record));
	assert_int_equal(record->meta.generation, INTEGER_ABSENT);
	assert_int_equal(record->status.linked_projects_count, INTEGER_ABSENT);
	assert_true(record_size(record) < 700);
	record_free(codec, account, record);
}

/* A reconciler's texts come from anywhere; only comparing and writing see them. */
static void desired_texts_may_be_anybodys(void **state)
{
	static const struct condition condition = { "Ready", "R", "m", CONDITION_TRUE, 1000, 1 };
	char reason[] = "made up";
	struct account_suspension suspension = { .reason = reason, .since = INSTANT_TEXT_SIZE };
	struct account_status desired = {
		.phase = ACCOUNT_READY,
		.conditions = { 1, &condition },
		.linked_projects_count = INTEGER_ABSENT,
		.observed_generation = INTEGER_ABSENT,
		.action_required_count = INTEGER_ABSENT,
		.latest_invoice = "i",
		.suspension = &suspension,
	};
	cleanup_free char *text = account_text("{\"currencyCode\":\"USD\"}"), *patch = NULL;
	struct error err;
	void *record = record_decode(codec, account, text, strlen(text), &err);

	(void)state;
	patch = status_patch(account, record, &desired);
	assert_string_equal(patch,
			    "{\"metadata\":{\"resourceVersion\":\"7\",\"uid\":\"u-1\"},\"status\":{\"conditions\":["
			    "{\"lastTransitionTime\":\"1970-01-01T00:00:01Z\",\"message\":\"m\",\"observedGeneration\":1,"
			    "\"reason\":\"R\",\"status\":\"True\",\"type\":\"Ready\"}],\"latestInvoiceRef\":{\"name\":\"i\"},"
			    "\"phase\":\"Ready\",\"suspension\":{\"reason\":\"made up\",\"since\":\"1970-01-01T00:00:00Z\"}}}");
	assert_true(status_equal(account, &desired, &desired));
	record_free(codec, account, record);
}

static void assert_in_order(const struct shape *shape)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		assert_true(i == 0 || strcmp(shape->fields[i - 1].name, shape->fields[i].name) < 0);
		if (shape->fields[i].shape)
			assert_in_order(shape->fields[i].shape);
	}
}

static void a_status_is_written_in_the_order_of_its_names(void **state)
{
	(void)state;
	for (size_t id = 0; id < KIND_COUNT; id++)
		if (kinds[id].resource->status)
			assert_in_order(kinds[id].resource->status);
}

/* Read again by jansson, which has no hand in writing it: every character that JSON escapes, all lengths of UTF-8, and a text that makes the
 * room grow. */
static void texts_are_written_so_that_they_can_be_read(void **state)
{
	static const int64_t numbers[] = { 0, 7, -1, INT64_MIN, INT64_MAX };
	char text[5000] = "", *at = text;

	(void)state;
	for (char byte = 1; byte != '\x7f'; byte++)
		*at++ = byte;
	strcpy(at, "\x7f \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \"{[,");
	memset(text + strlen(text), 'x', 4000);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct print out = { 0 };
		json_t *tree;

		print_token(&out, "[");
		print_element(&out);
		print_string(&out, text);
		print_element(&out);
		print_integer(&out, numbers[i]);
		print_element(&out);
		print_string(&out, "");
		print_token(&out, "]");
		tree = json_loads(out.text, 0, NULL);
		assert_non_null(tree);
		assert_int_equal(json_array_size(tree), 3);
		assert_string_equal(json_string_value(json_array_get(tree, 0)), text);
		assert_int_equal(json_integer_value(json_array_get(tree, 1)), numbers[i]);
		assert_string_equal(json_string_value(json_array_get(tree, 2)), "");
		assert_int_equal(strlen(out.text), out.len);
		json_decref(tree);
		free(out.text);
	}
}

/* What reconcilers hand out may be anybody's texts, and times finer than what is written. The longest version has room. */
static void a_foreseen_record_is_what_the_answer_would_give(void **state)
{
	static const instant_t times[] = { 1999, 1000, 999, 1, -1, -500, -1000, -1500, INT64_C(-62135596799001) };
	struct account_suspension suspension = { .reason = "made up", .since = 1 };
	struct account_status desired = { .linked_projects_count = 3, .observed_generation = INTEGER_ABSENT,
					  .action_required_count = INTEGER_ABSENT, .suspension = &suspension };
	cleanup_free char *text = account_text("{\"currencyCode\":\"USD\"}");
	char version[WIRE_VERSION_SIZE] = "";
	struct error err;
	void *record = record_decode(codec, account, text, strlen(text), &err);
	struct billingaccount *made = record_with_status(codec, account, record, &desired);

	(void)state;
	memset(version, 'v', sizeof(version) - 1);
	record_set_version(made, version);
	assert_string_equal(made->meta.resource_version, version);
	assert_string_equal(made->meta.uid, "u-1");
	assert_int_equal(made->status.linked_projects_count, 3);
	assert_ptr_not_equal(made->status.suspension, &suspension);
	assert_string_equal(made->status.suspension->reason, "made up");
	assert_ptr_not_equal(made->status.suspension->reason, suspension.reason);
	record_free(codec, account, made);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char written[INSTANT_TEXT_SIZE];
		instant_t read;

		suspension.since = times[i];
		made = record_with_status(codec, account, record, &desired);
		instant_format(times[i], written);
		assert_int_equal(instant_parse(written, strlen(written), &read), 0);
		assert_int_equal(made->status.suspension->since, read ? read : 1); /* 0 is no time */
		record_free(codec, account, made);
	}
	record_free(codec, account, record);
}

/* What golden patches can't show: no status of ours holds a list of strings yet, and 1970 has a first second. */
static void one_string_or_the_first_second_makes_a_difference(void **state)
{
	static const char *const some[] = { "a", "b" }, *const others[] = { "a", "c" };
	struct account_suspension from = { .reason = "r" }, to = { .reason = "r", .since = 1 };
	struct billingaccount a = { .meta.finalizers = { 2, some } }, b = a;
	struct print patch = { 0 };

	(void)state;
	assert_true(encode_equal(account->shape, &a, &b));
	b.meta.finalizers.items = others;
	assert_false(encode_equal(account->shape, &a, &b));
	encode_diff(&patch, account->shape, &a, &b);
	assert_string_equal(patch.text, "{\"metadata\":{\"finalizers\":[\"a\",\"c\"]}}");
	free(patch.text);
	b = a;
	a.status.suspension = &from;
	b.status.suspension = &to;
	assert_false(status_equal(account, &a.status, &b.status));
}

static void project_label_is_the_operators(void **state)
{
	static const char text[] = "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"n\",\"uid\":\"u\","
				   "\"resourceVersion\":\"1\",\"labels\":{\"example.com/project\":\"shop\","
				   "\"resourcemanager.miloapis.com/project-name\":\"other\"}}}";
	struct codec *other = codec_new(atoms, "example.com/project");
	struct error err;
	struct namespace *record = record_decode(other, &namespace_resource, text, sizeof(text) - 1, &err);

	(void)state;
	assert_string_equal(record->project->text, "shop");
	assert_null(record->organization);
	assert_null(record->meta.ns);
	record_free(other, &namespace_resource, record);
	codec_free(other);
}

static void bodies_are_what_the_api_takes(void **state)
{
	const struct key key = { .kind = KIND_PROJECTBILLING, .ns = atom_of(atoms, "acme"), .name = atom_of(atoms, "shop") };
	const struct key cluster = { .kind = KIND_PAYMENTMETHODCLASS, .name = key.name };
	cleanup_free char *body = object_body(&projectbilling_resource, key);
	cleanup_free char *body_of_class = object_body(&paymentmethodclass_resource, cluster), *delete = delete_body("u-1");

	(void)state;
	assert_string_equal(body, "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"ProjectBilling\",\"metadata\":{"
				  "\"name\":\"shop\",\"namespace\":\"acme\"}}");
	assert_string_equal(body_of_class, "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"PaymentMethodClass\","
					   "\"metadata\":{\"name\":\"shop\"}}");
	assert_string_equal(delete, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"u-1\"}}");
	atom_unref(atoms, key.ns);
	atom_unref(atoms, key.name);
}

static void finalizers_of_others_survive(void **state)
{
#define UID "{\"op\":\"test\",\"path\":\"/metadata/uid\",\"value\":\"u-1\"}"
	static const char *const none[] = { NULL }, *const theirs[] = { "a", "b" }, *const both[] = { "a", "ours", "b" };
	static const struct {
		struct strings finalizers;
		bool add;
		const char *patch;
	} rows[] = {
		{ { 0, none }, false, NULL },
		{ { 2, theirs }, false, NULL },
		{ { 3, both }, true, NULL },
		{ { 0, none },
		  true,
		  "[" UID ",{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"},"
		  "{\"op\":\"add\",\"path\":\"/metadata/finalizers\",\"value\":[\"ours\"]}]" },
		{ { 2, theirs },
		  true,
		  "[" UID ",{\"op\":\"test\",\"path\":\"/metadata/finalizers\",\"value\":[\"a\",\"b\"]},"
		  "{\"op\":\"add\",\"path\":\"/metadata/finalizers/-\",\"value\":\"ours\"}]" },
		{ { 3, both },
		  false,
		  "[" UID ",{\"op\":\"test\",\"path\":\"/metadata/finalizers/1\",\"value\":\"ours\"},"
		  "{\"op\":\"remove\",\"path\":\"/metadata/finalizers/1\"}]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct object meta = { .uid = "u-1", .resource_version = "7", .finalizers = rows[i].finalizers };
		cleanup_free char *patch = finalizer_patch(&meta, "ours", rows[i].add);

		if (rows[i].patch)
			assert_string_equal(patch, rows[i].patch);
		else
			assert_null(patch);
	}
}

/* ---- envelopes ---- */

#define ACCOUNT_META "\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccount\",\"metadata\":" META
#define META	     "{\"name\":\"main\",\"namespace\":\"acme\",\"uid\":\"u\",\"resourceVersion\":\"12\"}"

static int event(const char *line, struct wire_event *event, struct error *err)
{
	return event_decode(codec, account, line, strlen(line), event, err);
}

static void events_carry_records(void **state)
{
	static const char *const names[] = { "ADDED", "MODIFIED", "DELETED" };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char line[512];
		struct wire_event got;
		struct error err;

		snprintf(line, sizeof(line), "{\"type\":\"%s\",\"object\":{" ACCOUNT_META "}}\n", names[i]);
		assert_int_equal(event(line, &got, &err), 0);
		assert_int_equal(got.type, EVENT_ADDED + i);
		assert_string_equal(((struct object *)got.record)->name->text, "main");
		assert_string_equal(got.resource_version, "12");
		assert_int_equal(got.poison.class, ERROR_NONE);
		assert_null(got.poison_key.name);
		wire_event_close(codec, account, &got);
		wire_event_close(codec, account, &got); /* closing twice is closing once */
	}
}

static void unreadable_objects_are_poison_with_a_key(void **state)
{
	struct wire_event got;
	struct error err;

	(void)state;
	assert_int_equal(event("{\"type\":\"MODIFIED\",\"object\":{" ACCOUNT_META ",\"spec\":7}}", &got, &err), 0);
	assert_null(got.record);
	assert_int_equal(got.poison.class, ERROR_INVALID);
	assert_string_equal(got.poison.message, "BillingAccount acme/main: spec: expected an object, got an integer");
	assert_int_equal(got.poison_key.kind, KIND_BILLINGACCOUNT);
	assert_string_equal(got.poison_key.ns->text, "acme");
	assert_string_equal(got.poison_key.name->text, "main");
	assert_string_equal(got.resource_version, "12");
	wire_event_close(codec, account, &got);
}

static void an_event_says_what_it_carries(void **state)
{
	struct wire_event got;
	struct error err;

	(void)state;
	assert_int_equal(event("{\"type\":\"ADDED\",\"object\":{\"metadata\":" META "}}", &got, &err), 0);
	assert_null(got.record);
	assert_string_equal(got.poison_key.name->text, "main");
	wire_event_close(codec, account, &got);
}

static void poison_without_a_name_has_no_key(void **state)
{
	static const char *const rows[] = {
		"{\"type\":\"ADDED\",\"object\":{}}",
		"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Status\"}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"main\"}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":7,\"namespace\":\"acme\"}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":[]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_event got;
		struct error err;

		assert_int_equal(event(rows[i], &got, &err), 0);
		assert_int_equal(got.poison.class, ERROR_INVALID);
		assert_null(got.poison_key.name);
		assert_null(got.poison_key.ns);
		wire_event_close(codec, account, &got);
	}
}

static void a_long_resource_version_is_poison(void **state)
{
	cleanup_free char *line =
		filled("{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":"
		       "\"BillingAccount\",\"metadata\":{\"name\":\"main\",\"namespace\":\"acme\",\"uid\":\"u\","
		       "\"resourceVersion\":\"",
		       '1', 64, "\"}}}");
	struct wire_event got;
	struct error err;

	(void)state;
	assert_int_equal(event(line, &got, &err), 0);
	assert_null(got.record);
	assert_string_equal(got.poison.message, "BillingAccount: metadata.resourceVersion: longer than 63 bytes");
	assert_string_equal(got.poison_key.name->text, "main");
	wire_event_close(codec, account, &got);
}

static void bookmarks_carry_a_version(void **state)
{
	struct wire_event got;
	struct error err;

	(void)state;
	assert_int_equal(event("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"99\"}}}", &got, &err), 0);
	assert_int_equal(got.type, EVENT_BOOKMARK);
	assert_string_equal(got.resource_version, "99");
	assert_false(got.initial_events_end);
	assert_int_equal(event("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"99\",\"annotations\":{"
			       "\"k8s.io/initial-events-end\":\"true\"}}}}",
			       &got, &err),
			 0);
	assert_true(got.initial_events_end);
	assert_int_equal(event("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"99\",\"annotations\":{"
			       "\"k8s.io/initial-events-end\":\"false\"}}}}",
			       &got, &err),
			 0);
	assert_false(got.initial_events_end);
	assert_int_equal(event("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{}}}", &got, &err), -1);
	assert_string_equal(err.message, "BillingAccount watch: a BOOKMARK without a resourceVersion");
}

static void error_events_are_classified(void **state)
{
	struct wire_event got;
	struct error err;

	(void)state;
	assert_int_equal(event("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":"
			       "{},\"status\":"
			       "\"Failure\",\"message\":\"too old resource version: 1 "
			       "(2)\",\"reason\":\"Expired\",\"code\":410}}",
			       &got, &err),
			 0);
	assert_int_equal(got.type, EVENT_ERROR);
	assert_int_equal(got.status.class, ERROR_GONE);
	assert_int_equal(got.status.code, 410);
	assert_string_equal(got.status.message, "too old resource version: 1 (2)");
	wire_event_close(codec, account, &got);
}

static void what_is_no_event_breaks_the_stream(void **state)
{
	static const char *const rows[][2] = {
		{ "", "BillingAccount watch: not JSON at byte " },
		{ "{\"type\":\"ADDED\",\"object\":{", "BillingAccount watch: not JSON at byte " },
		{ "[]", "BillingAccount watch: not an event: type missing" },
		{ "{}", "BillingAccount watch: not an event: type missing" },
		{ "{\"type\":\"RENAMED\",\"object\":{}}", "BillingAccount watch: not an event: type RENAMED" },
		{ "{\"type\":7,\"object\":{}}", "BillingAccount watch: not an event: type missing" },
		{ "{\"type\":\"ADDED\"}", "BillingAccount watch: not an event: no object" },
		{ "{\"type\":\"ADDED\",\"object\":[]}", "BillingAccount watch: not an event: no object" },
		{ "{\"kind\":\"Status\",\"code\":500}", "BillingAccount watch: not an event: type missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_event got;
		struct error err = { 0 };

		assert_int_equal(event(rows[i][0], &got, &err), -1);
		assert_int_equal(err.class, ERROR_INVALID);
		assert_memory_equal(err.message, rows[i][1], strlen(rows[i][1]));
		wire_event_close(codec, account, &got);
	}
}

static void truncated_events_break_the_stream(void **state)
{
	static const char line[] = "{\"type\":\"ADDED\",\"object\":{" ACCOUNT_META ",\"spec\":{\"currencyCode\":\"USD\"}}}";

	(void)state;
	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		cleanup_free char *exact = memcpy(memory_alloc(len), line, len);
		struct wire_event got;
		struct error err;

		assert_int_equal(event_decode(codec, account, exact, len, &got, &err), -1);
	}
}

static int item(const char *text, struct wire_event *event, struct error *err)
{
	return item_decode(codec, account, text, strlen(text), event, err);
}

static void items_need_no_kind_but_a_wrong_one_is_poison(void **state)
{
	struct wire_event got;
	struct error err;

	(void)state;
	assert_int_equal(item("{\"metadata\":" META "}", &got, &err), 0);
	assert_int_equal(got.type, EVENT_ADDED);
	assert_non_null(got.record);
	wire_event_close(codec, account, &got);
	assert_int_equal(item("{" ACCOUNT_META "}", &got, &err), 0);
	assert_non_null(got.record);
	wire_event_close(codec, account, &got);
	assert_int_equal(item("{\"kind\":\"Secret\",\"metadata\":" META "}", &got, &err), 0);
	assert_null(got.record);
	assert_string_equal(got.poison_key.name->text, "main");
	wire_event_close(codec, account, &got);
	assert_int_equal(item("{\"apiVersion\":7,\"metadata\":" META "}", &got, &err), 0);
	assert_null(got.record);
	wire_event_close(codec, account, &got);
	assert_int_equal(item("{\"metadata\":", &got, &err), -1);
	assert_memory_equal(err.message, "BillingAccount list: not JSON", 29);
}

static int list(const char *text, struct wire_list *list, struct error *err)
{
	return list_decode(account, text, strlen(text), list, err);
}

#define LIST_KIND "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountList\",\"metadata\":"

static void lists_have_a_version_and_maybe_more(void **state)
{
	struct wire_list got;
	struct error err;

	(void)state;
	assert_int_equal(list(LIST_KIND "{\"resourceVersion\":\"5\"},\"items\":[]}", &got, &err), 0);
	assert_string_equal(got.resource_version, "5");
	assert_null(got.continue_token);
	assert_int_equal(list(LIST_KIND "{\"resourceVersion\":\"5\",\"continue\":\"\"}}", &got, &err), 0);
	assert_null(got.continue_token);
	assert_int_equal(list(LIST_KIND "{\"resourceVersion\":\"5\",\"continue\":\"abc\",\"remainingItemCount\":3}}", &got, &err),
			 0);
	assert_string_equal(got.continue_token, "abc");
	free(got.continue_token);
	assert_int_equal(list(LIST_KIND "{}}", &got, &err), -1);
	assert_string_equal(err.message, "BillingAccount list: metadata.resourceVersion: missing");
	assert_int_equal(list("{\"kind\":\"Status\",\"apiVersion\":\"v1\"}", &got, &err), -1);
	assert_string_equal(err.message,
			    "BillingAccount list: expected BillingAccountList of billing.miloapis.com/v1alpha1, got Status of v1");
	assert_int_equal(list("nonsense", &got, &err), -1);
}

static void refusals_are_classified(void **state)
{
#define STATUS(rest) "{\"kind\":\"Status\",\"apiVersion\":\"v1\"," rest "}"
	static const struct {
		int code, header_ms;
		const char *body;
		enum error_class class;
		int expected_code, retry_ms;
		const char *message;
	} rows[] = {
		{ 404, 0, STATUS("\"message\":\"no such\",\"reason\":\"NotFound\",\"code\":404"), ERROR_NOT_FOUND, 404, 0,
		  "no such" },
		{ 409, 0, STATUS("\"message\":\"changed\",\"reason\":\"Conflict\""), ERROR_CONFLICT, 409, 0, "changed" },
		{ 409, 0, STATUS("\"message\":\"there\",\"reason\":\"AlreadyExists\""), ERROR_CONFLICT, 409, 0, "there" },
		{ 410, 0, STATUS("\"reason\":\"Gone\""), ERROR_GONE, 410, 0, "Gone" },
		{ 400, 0, STATUS("\"reason\":\"Expired\",\"message\":\"m\""), ERROR_GONE, 400, 0, "m" },
		{ 504, 0,
		  STATUS("\"message\":\"Too "
			 "large\",\"reason\":\"Timeout\",\"details\":{\"causes\":[{\"reason\":\"x\"},{\"reason\":"
			 "\"ResourceVersionTooLarge\"}],\"retryAfterSeconds\":1}"),
		  ERROR_GONE, 504, 1000, "Too large" },
		{ 401, 0, "Unauthorized\n", ERROR_FORBIDDEN, 401, 0, "Unauthorized" },
		{ 403, 0, STATUS("\"message\":\"may not\""), ERROR_FORBIDDEN, 403, 0, "may not" },
		{ 422, 0, STATUS("\"message\":\"bad\",\"reason\":\"Invalid\""), ERROR_INVALID, 422, 0, "bad" },
		{ 400, 0, "", ERROR_INVALID, 400, 0, "HTTP 400 without a message" },
		{ 415, 0, "x", ERROR_INVALID, 415, 0, "x" },
		{ 408, 0, "", ERROR_RETRY, 408, 0, "HTTP 408 without a message" },
		{ 429, 0, STATUS("\"message\":\"busy\",\"details\":{\"retryAfterSeconds\":3}"), ERROR_RETRY, 429, 3000, "busy" },
		{ 429, 5000, STATUS("\"message\":\"busy\",\"details\":{\"retryAfterSeconds\":3}"), ERROR_RETRY, 429, 5000, "busy" },
		{ 429, 1000, STATUS("\"message\":\"busy\",\"details\":{\"retryAfterSeconds\":3}"), ERROR_RETRY, 429, 3000, "busy" },
		{ 429, 0, STATUS("\"message\":\"busy\",\"details\":{\"retryAfterSeconds\":99999999999}"), ERROR_RETRY, 429,
		  60000, "busy" },
		{ 429, -7, STATUS("\"message\":\"busy\",\"details\":{\"retryAfterSeconds\":-3}"), ERROR_RETRY, 429, 0, "busy" },
		{ 503, 2000, "<html>\n<body>", ERROR_RETRY, 503, 2000, "<html>" },
		{ 502, 0, "\r\n\n  bad g\xc3\xa4teway\x01\r\nmore", ERROR_RETRY, 502, 0, "bad g??teway?" },
		{ 500, 0, "{\"kind\":\"Pod\",\"message\":\"not for us\"}", ERROR_RETRY, 500, 0,
		  "{\"kind\":\"Pod\",\"message\":\"not for us\"}" },
		{ 500, 0, STATUS("\"message\":7,\"reason\":[],\"details\":\"x\",\"code\":\"y\""), ERROR_RETRY, 500, 0,
		  "HTTP 500 without a message" },
		{ 0, 0, STATUS("\"message\":\"m\",\"code\":409"), ERROR_CONFLICT, 409, 0, "m" },
		{ 0, 0, STATUS("\"message\":\"m\",\"reason\":\"NotFound\""), ERROR_NOT_FOUND, 0, 0, "m" },
		{ 302, 0, "", ERROR_RETRY, 302, 0, "HTTP 302 without a message" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err;

		memset(&err, 0x55, sizeof(err));
		status_error(rows[i].code, rows[i].body, strlen(rows[i].body), rows[i].header_ms, &err);
		if (err.class != rows[i].class || err.code != rows[i].expected_code || err.retry_after_ms != rows[i].retry_ms ||
		    strcmp(err.message, rows[i].message) != 0)
			fail_msg("row %zu: class %d, code %d, retry %d, \"%s\"", i, err.class, err.code, err.retry_after_ms,
				 err.message);
	}
}

int main(void)
{
	static const struct CMUnitTest rules[] = {
		cmocka_unit_test(every_kind_has_golden_cases),
#define RULE(name) cmocka_unit_test_setup_teardown(name, open_codec, close_codec)
		RULE(tables_are_sound),
		RULE(every_row_and_enum_value_round_trips),
		RULE(patches_lead_from_any_status_to_any_other),
		RULE(truncated_anywhere_is_an_error),
		RULE(any_byte_may_be_another),
		RULE(any_value_may_be_of_another_type),
		RULE(texts_are_capped),
		RULE(lists_are_capped),
		RULE(objects_are_capped),
		RULE(texts_are_in_the_record_or_in_atoms),
		RULE(desired_texts_may_be_anybodys),
		RULE(a_status_is_written_in_the_order_of_its_names),
		RULE(texts_are_written_so_that_they_can_be_read),
		RULE(a_foreseen_record_is_what_the_answer_would_give),
		RULE(one_string_or_the_first_second_makes_a_difference),
		RULE(project_label_is_the_operators),
		RULE(bodies_are_what_the_api_takes),
		RULE(finalizers_of_others_survive),
		RULE(events_carry_records),
		RULE(unreadable_objects_are_poison_with_a_key),
		RULE(an_event_says_what_it_carries),
		RULE(poison_without_a_name_has_no_key),
		RULE(a_long_resource_version_is_poison),
		RULE(bookmarks_carry_a_version),
		RULE(error_events_are_classified),
		RULE(what_is_no_event_breaks_the_stream),
		RULE(truncated_events_break_the_stream),
		RULE(items_need_no_kind_but_a_wrong_one_is_poison),
		RULE(lists_have_a_version_and_maybe_more),
		RULE(refusals_are_classified),
	};
	enum { N_RULES = sizeof(rules) / sizeof(rules[0]) };
	static struct CMUnitTest tests[N_RULES + CASES_MAX];

	find_cases();
	memcpy(tests, rules, sizeof(rules));
	for (size_t i = 0; i < n_cases; i++)
		tests[N_RULES + i] =
			(struct CMUnitTest){ .name = cases[i].folder, .test_func = golden, .initial_state = &cases[i] };
	return _cmocka_run_group_tests("codec", tests, N_RULES + n_cases, NULL, NULL);
}
