/*
 * The table-driven writer: whole records, comparison, and merge patches. All three agree on what "absent" is (one
 * function), and a comparison never finds a difference that writing would not remove: instants are compared by the
 * second, as they are written.
 */
#include "encode.h"

#include <assert.h>

#include "slot.h"

/* jansson's allocations abort on their own (codec.c), so NULL means that a text was no UTF-8. */
static json_t *made(json_t *node)
{
	assert(node);
	return node;
}

static void put(json_t *object, const char *name, json_t *value)
{
	int failed = json_object_set_new(object, name, value);

	assert(!failed);
	(void)failed;
}

json_t *encode_text(const char *text)
{
	return made(json_string(text));
}

static bool absent(const struct field *, const void *record);

bool encode_empty(const struct shape *shape, const void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++)
		if (!absent(&shape->fields[i], record))
			return false;
	return true;
}

/* The struct that a STRUCT or OPTIONAL row leads to; NULL when it is not there. */
static const void *child_of(const struct field *field, const void *record)
{
	if (field->type == FIELD_OPTIONAL)
		return slot_pointer(field, record);
	return encode_empty(field->shape, slot_in(field, record)) ? NULL : slot_in(field, record);
}

static bool absent(const struct field *field, const void *record)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		return !slot_pointer(field, record);
	case FIELD_INTEGER:
		return slot_integer(field, record) == INTEGER_ABSENT;
	case FIELD_INSTANT:
		return slot_integer(field, record) == 0;
	case FIELD_BOOLEAN:
	case FIELD_ENUM:
		return slot_enum(field, record) == 0;
	case FIELD_STRUCT:
	case FIELD_OPTIONAL:
		return !child_of(field, record);
	case FIELD_LIST:
	case FIELD_STRINGS:
		return slot_list(field, record).n == 0;
	}
	return true;
}

static const char *text_of(const struct field *field, const void *record)
{
	const void *pointer = slot_pointer(field, record);

	return pointer && field->type == FIELD_ATOM ? ((atom_t)pointer)->text : pointer;
}

static const char *name_of(const struct field *field, unsigned choice)
{
	const char *const *name = field->names;

	for (unsigned i = 1; i < choice && *name; i++)
		name++;
	assert(*name);
	return *name;
}

static json_t *encode_list(const struct field *field, const void *record)
{
	const struct slot_list list = slot_list(field, record);
	json_t *array = made(json_array());

	for (size_t i = 0; i < list.n; i++) {
		json_t *item = field->type == FIELD_STRINGS ? encode_text(((const char *const *)list.items)[i])
							    : encode_record(field->shape, slot_item(field, list, i));

		json_array_append_new(array, item);
	}
	return array;
}

/* Of a row that is not absent. */
static json_t *encode_value(const struct field *field, const void *record)
{
	char text[INSTANT_TEXT_SIZE];

	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		return encode_text(text_of(field, record));
	case FIELD_INTEGER:
		return made(json_integer(slot_integer(field, record)));
	case FIELD_BOOLEAN:
		return json_boolean(slot_enum(field, record) == YES);
	case FIELD_INSTANT:
		return encode_text(instant_format(slot_integer(field, record), text));
	case FIELD_ENUM:
		return encode_text(name_of(field, slot_enum(field, record)));
	case FIELD_STRUCT:
	case FIELD_OPTIONAL:
		return encode_record(field->shape, child_of(field, record));
	case FIELD_LIST:
	case FIELD_STRINGS:
		return encode_list(field, record);
	}
	return NULL;
}

json_t *encode_record(const struct shape *shape, const void *record)
{
	json_t *object = made(json_object());

	for (size_t i = 0; i < shape->n_fields; i++)
		if (!absent(&shape->fields[i], record))
			put(object, shape->fields[i].name, encode_value(&shape->fields[i], record));
	return object;
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool lists_equal(const struct field *field, struct slot_list a, struct slot_list b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (field->type == FIELD_STRINGS) {
			if (!texts_equal(((const char *const *)a.items)[i], ((const char *const *)b.items)[i]))
				return false;
		} else if (!encode_equal(field->shape, slot_item(field, a, i), slot_item(field, b, i))) {
			return false;
		}
	}
	return true;
}

static bool values_equal(const struct field *field, const void *a, const void *b)
{
	const void *child_a, *child_b;

	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		return texts_equal(text_of(field, a), text_of(field, b));
	case FIELD_INTEGER:
		return slot_integer(field, a) == slot_integer(field, b);
	case FIELD_INSTANT:
		return absent(field, a) == absent(field, b) &&
		       instant_second(slot_integer(field, a)) == instant_second(slot_integer(field, b));
	case FIELD_BOOLEAN:
	case FIELD_ENUM:
		return slot_enum(field, a) == slot_enum(field, b);
	case FIELD_STRUCT:
	case FIELD_OPTIONAL:
		child_a = child_of(field, a);
		child_b = child_of(field, b);
		return child_a && child_b ? encode_equal(field->shape, child_a, child_b) : child_a == child_b;
	case FIELD_LIST:
	case FIELD_STRINGS:
		return lists_equal(field, slot_list(field, a), slot_list(field, b));
	}
	return true;
}

bool encode_equal(const struct shape *shape, const void *a, const void *b)
{
	for (size_t i = 0; i < shape->n_fields; i++)
		if (!values_equal(&shape->fields[i], a, b))
			return false;
	return true;
}

json_t *encode_diff(const struct shape *shape, const void *from, const void *to)
{
	json_t *patch = NULL;

	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const bool nests = field->type == FIELD_STRUCT || field->type == FIELD_OPTIONAL;

		if (values_equal(field, from, to))
			continue;
		if (!patch)
			patch = made(json_object());
		if (absent(field, to))
			put(patch, field->name, json_null());
		else if (nests && !absent(field, from))
			put(patch, field->name, encode_diff(field->shape, child_of(field, from), child_of(field, to)));
		else
			put(patch, field->name, encode_value(field, to));
	}
	return patch;
}
