/*
 * The table-driven writer: whole records, comparison, and merge patches. All three agree on what "absent" is (one
 * function), and a comparison never finds a difference that writing would not remove: instants are compared by the
 * second, as they are written. No tree is built: docs/decisions.md tells why (49).
 */
#include "encode.h"

#include <assert.h>

#include "slot.h"

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

static void put_list(struct print *out, const struct field *field, const void *record)
{
	const struct slot_list list = slot_list(field, record);

	print_token(out, "[");
	for (size_t i = 0; i < list.n; i++) {
		print_element(out);
		if (field->type == FIELD_STRINGS)
			print_string(out, ((const char *const *)list.items)[i]);
		else
			encode_record(out, field->shape, slot_item(field, list, i));
	}
	print_token(out, "]");
}

/* Of a row that is not absent. */
static void put_value(struct print *out, const struct field *field, const void *record)
{
	char text[INSTANT_TEXT_SIZE];

	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		print_string(out, text_of(field, record));
		break;
	case FIELD_INTEGER:
		print_integer(out, slot_integer(field, record));
		break;
	case FIELD_BOOLEAN:
		print_token(out, slot_enum(field, record) == YES ? "true" : "false");
		break;
	case FIELD_INSTANT:
		print_string(out, instant_format(slot_integer(field, record), text));
		break;
	case FIELD_ENUM:
		print_string(out, name_of(field, slot_enum(field, record)));
		break;
	case FIELD_STRUCT:
	case FIELD_OPTIONAL:
		encode_record(out, field->shape, child_of(field, record));
		break;
	case FIELD_LIST:
	case FIELD_STRINGS:
		put_list(out, field, record);
		break;
	}
}

void encode_record(struct print *out, const struct shape *shape, const void *record)
{
	print_token(out, "{");
	for (size_t i = 0; i < shape->n_fields; i++) {
		if (absent(&shape->fields[i], record))
			continue;
		print_member(out, shape->fields[i].name);
		put_value(out, &shape->fields[i], record);
	}
	print_token(out, "}");
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

void encode_diff(struct print *out, const struct shape *shape, const void *from, const void *to)
{
	print_token(out, "{");
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const bool nests = field->type == FIELD_STRUCT || field->type == FIELD_OPTIONAL;

		if (values_equal(field, from, to))
			continue;
		print_member(out, field->name);
		if (absent(field, to))
			print_token(out, "null");
		else if (nests && !absent(field, from))
			encode_diff(out, field->shape, child_of(field, from), child_of(field, to));
		else
			put_value(out, field, to);
	}
	print_token(out, "}");
}
