/*
 * The table-driven reader. It takes what the network sent: everything kept is checked for type, length and content
 * first, and a refusal names the path. Recursion follows our tables, never the input, so it is as deep as the deepest.
 */
#include "decode.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "caps.h"
#include "metadata.h"
#include "slot.h"
#include "text.h"

enum { QUOTE_MAX = 40 };

const char *decode_type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "nothing";
}

size_t decode_path_add(char path[DECODE_PATH_SIZE], size_t len, const char *name, size_t index)
{
	const char *before = name && strpbrk(name, "./") ? "[" : len ? "." : "", *behind = *before == '[' ? "]" : "";
	char step[DECODE_PATH_SIZE];
	size_t taken;

	if (name)
		snprintf(step, sizeof(step), "%s%.*s%s", before, (int)text_cut(name, sizeof(step) - 3), name, behind);
	else
		snprintf(step, sizeof(step), "[%zu]", index);
	taken = text_cut(step, DECODE_PATH_SIZE - 1 - len);
	memcpy(path + len, step, taken);
	path[len + taken] = '\0';
	return len + taken;
}

static void complain(struct decoder *decoder, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct decoder *decoder, const char *format, ...)
{
	char path[DECODE_PATH_SIZE] = "", what[ERROR_MESSAGE_MAX];
	size_t len = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	for (unsigned i = 0; i < decoder->depth; i++)
		len = decode_path_add(path, len, decoder->path[i].name, decoder->path[i].index);
	error_set(decoder->err, ERROR_INVALID, "%s%s%s", path, path[0] ? ": " : "", what);
}

#define fail(...) (complain(__VA_ARGS__), -1)

static int fail_type(struct decoder *decoder, const char *expected, const json_t *value)
{
	return fail(decoder, "expected %s, got %s", expected, decode_type_name(value));
}

static void enter(struct decoder *decoder, const char *name, size_t index)
{
	assert(decoder->depth < DECODE_DEPTH_MAX);
	decoder->path[decoder->depth].name = name;
	decoder->path[decoder->depth].index = index;
	decoder->depth++;
}

static void leave(struct decoder *decoder)
{
	decoder->depth--;
}

/* Room for n structs in scratch memory, and as much in the packed record. */
static void *hang_on(struct decoder *decoder, size_t bytes)
{
	decoder->struct_bytes += slot_room(bytes);
	return arena_alloc(decoder->arena, bytes);
}

static int read_text(struct decoder *decoder, const json_t *value, const char **text, size_t *len)
{
	if (!json_is_string(value))
		return fail_type(decoder, "a string", value);
	*text = json_string_value(value);
	*len = json_string_length(value);
	if (*len > CAP_TEXT_BYTES)
		return fail(decoder, "longer than %d bytes", CAP_TEXT_BYTES);
	return 0;
}

/* A text that something is looked up by must be taken whole or not at all. */
static int read_name(struct decoder *decoder, const json_t *value, const char **text, size_t *len)
{
	if (read_text(decoder, value, text, len) < 0)
		return -1;
	return memchr(*text, '\0', *len) ? fail(decoder, "holds a NUL character") : 0;
}

static const char *quote(const char *text, char quoted[QUOTE_MAX + 6])
{
	const int shown = (int)text_cut(text, QUOTE_MAX);

	snprintf(quoted, QUOTE_MAX + 6, "\"%.*s%s\"", shown, text, text[shown] ? "…" : "");
	return quoted;
}

#define FIRST_INSTANT INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z */

static int read_instant(struct decoder *decoder, const json_t *value, instant_t *at)
{
	char quoted[QUOTE_MAX + 6];
	const char *text;
	size_t len;

	if (read_name(decoder, value, &text, &len) < 0)
		return -1;
	if (instant_parse(text, len, at) < 0)
		return fail(decoder, "expected an RFC 3339 time, got %s", quote(text, quoted));
	/* What we hand on must be a time that the API server takes; and 0 means unset. */
	if (*at < FIRST_INSTANT)
		*at = FIRST_INSTANT;
	if (!*at)
		*at = 1;
	return 0;
}

static int read_enum(struct decoder *decoder, const json_t *value, const char *const *names, unsigned *choice)
{
	char quoted[QUOTE_MAX + 6], allowed[ERROR_MESSAGE_MAX];
	const char *text;
	size_t len, used = 0;

	if (read_name(decoder, value, &text, &len) < 0)
		return -1;
	for (unsigned i = 0; names[i]; i++) {
		if (strcmp(names[i], text) == 0) {
			*choice = i + 1;
			return 0;
		}
		if (used < sizeof(allowed))
			used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "", names[i]);
	}
	return fail(decoder, "unknown value %s; allowed: %s", quote(text, quoted), allowed);
}

static int read_array(struct decoder *decoder, const json_t *value, size_t *n)
{
	if (!json_is_array(value))
		return fail_type(decoder, "a list", value);
	*n = json_array_size(value);
	if (*n > CAP_LIST_ITEMS)
		return fail(decoder, "more than %d items", CAP_LIST_ITEMS);
	return 0;
}

/* Every item is zeroed and counted before the first is read, so that a release after a failure finds all references. */
static int read_strings(struct decoder *decoder, const struct field *field, const json_t *value, void *record)
{
	const char **items;
	size_t n;

	if (read_array(decoder, value, &n) < 0)
		return -1;
	if (n == 0)
		return 0;
	items = hang_on(decoder, n * sizeof(*items));
	slot_set_list(field, record, (struct slot_list){ .n = n, .items = items });
	for (size_t i = 0; i < n; i++) {
		const char *text;
		size_t len;

		enter(decoder, NULL, i);
		if (read_name(decoder, json_array_get(value, i), &text, &len) < 0)
			return -1;
		leave(decoder);
		items[i] = atom_intern(decoder->atoms, text, len)->text;
	}
	return 0;
}

static int read_struct(struct decoder *, const struct shape *, const json_t *, void *);

static int read_object(struct decoder *decoder, const struct shape *shape, const json_t *value, void *record)
{
	if (!json_is_object(value))
		return fail_type(decoder, "an object", value);
	return read_struct(decoder, shape, value, record);
}

static int read_list(struct decoder *decoder, const struct field *field, const json_t *value, void *record)
{
	char *items;
	size_t n;

	if (read_array(decoder, value, &n) < 0)
		return -1;
	if (n == 0)
		return 0;
	items = hang_on(decoder, n * field->shape->size);
	slot_set_list(field, record, (struct slot_list){ .n = n, .items = items });
	for (size_t i = 0; i < n; i++) {
		enter(decoder, NULL, i);
		if (read_object(decoder, field->shape, json_array_get(value, i), items + i * field->shape->size) < 0)
			return -1;
		leave(decoder);
	}
	return 0;
}

static int read_optional(struct decoder *decoder, const struct field *field, const json_t *value, void *record)
{
	void *child = hang_on(decoder, field->shape->size);

	slot_set_pointer(field, record, child);
	return read_object(decoder, field->shape, value, child);
}

/* The three that are texts differ in who owns the bytes. */
static int read_word(struct decoder *decoder, const struct field *field, const json_t *value, void *record)
{
	const char *text;
	size_t len;

	if ((field->type == FIELD_ATOM ? read_name : read_text)(decoder, value, &text, &len) < 0)
		return -1;
	len = strlen(text); /* words for people end at a NUL, which JSON may hold and C may not: no reason to lose the object */
	if (field->type == FIELD_STRING) {
		decoder->text_bytes += len + 1;
		slot_set_pointer(field, record, text);
	} else if (field->type == FIELD_WORD) {
		slot_set_pointer(field, record, atom_intern(decoder->atoms, text, len)->text);
	} else if (len > 0) {
		/* An atom is a name to look up; an empty one (a label may be) names nothing. */
		slot_set_pointer(field, record, atom_intern(decoder->atoms, text, len));
	}
	return 0;
}

static int read_integer(struct decoder *decoder, const struct field *field, const json_t *value, void *record)
{
	int64_t number;

	if (!json_is_integer(value))
		return fail_type(decoder, "an integer", value);
	number = json_integer_value(value);
	if (number == INTEGER_ABSENT)
		return fail(decoder, "integer out of range");
	slot_set_integer(field, record, number);
	return 0;
}

static int read_value(struct decoder *decoder, const struct field *field, const json_t *value, void *record)
{
	unsigned choice;
	instant_t at;

	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		return read_word(decoder, field, value, record);
	case FIELD_INTEGER:
		return read_integer(decoder, field, value, record);
	case FIELD_BOOLEAN:
		if (!json_is_boolean(value))
			return fail_type(decoder, "a boolean", value);
		slot_set_enum(field, record, json_is_true(value) ? YES : NO);
		return 0;
	case FIELD_INSTANT:
		if (read_instant(decoder, value, &at) < 0)
			return -1;
		slot_set_integer(field, record, at);
		return 0;
	case FIELD_ENUM:
		if (read_enum(decoder, value, field->names, &choice) < 0)
			return -1;
		slot_set_enum(field, record, choice);
		return 0;
	case FIELD_STRUCT:
		return read_object(decoder, field->shape, value, slot_of(field, record));
	case FIELD_OPTIONAL:
		return read_optional(decoder, field, value, record);
	case FIELD_LIST:
		return read_list(decoder, field, value, record);
	case FIELD_STRINGS:
		return read_strings(decoder, field, value, record);
	}
	return fail(decoder, "the table has no type %d", field->type);
}

/* object NULL: nothing is there; what zeroed memory doesn't say yet must still be said. */
static int read_struct(struct decoder *decoder, const struct shape *shape, const json_t *object, void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const char *name = field->name == label_of_project ? decoder->project_label : field->name;
		const json_t *value = json_object_get(object, name);
		int failed = 0;

		enter(decoder, name, 0);
		if (value && !json_is_null(value))
			failed = read_value(decoder, field, value, record);
		else if (field->type == FIELD_INTEGER)
			slot_set_integer(field, record, INTEGER_ABSENT);
		else if (field->type == FIELD_STRUCT)
			failed = read_struct(decoder, field->shape, NULL, slot_of(field, record));
		if (failed < 0)
			return -1;
		leave(decoder);
	}
	return 0;
}

int decode_record(struct decoder *decoder, const struct shape *shape, const json_t *tree, void *record)
{
	decoder->depth = 0;
	decoder->struct_bytes = 0;
	decoder->text_bytes = 0;
	return read_object(decoder, shape, tree, record);
}
