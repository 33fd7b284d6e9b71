/*
 * A field's place in a record, read and written through its row. Only the tables know the real types, so everything
 * goes through memcpy: the record's own code sees it with its type. Private to crds/.
 */
#ifndef TOLLGATE_SLOT_H
#define TOLLGATE_SLOT_H

#include <string.h>

#include "object.h"
#include "shape.h"

/* What every { size_t n; const T *items; } looks like. */
struct slot_list {
	size_t n;
	const void *items;
};

_Static_assert(sizeof(struct slot_list) == sizeof(struct strings) && sizeof(struct slot_list) == sizeof(struct conditions) &&
		       offsetof(struct slot_list, items) == offsetof(struct conditions, items),
	       "lists of all types have one layout");
_Static_assert(sizeof(enum tristate) == sizeof(unsigned) && sizeof(enum condition_status) == sizeof(unsigned),
	       "enums are stored as unsigned");

/* Bytes that something takes where others of any type follow. */
static inline size_t slot_room(size_t bytes)
{
	return (bytes + _Alignof(int64_t) - 1) & ~(_Alignof(int64_t) - 1);
}

static inline void *slot_of(const struct field *field, void *record)
{
	return (char *)record + field->offset;
}

static inline const void *slot_in(const struct field *field, const void *record)
{
	return (const char *)record + field->offset;
}

static inline const void *slot_pointer(const struct field *field, const void *record)
{
	const void *pointer;

	memcpy(&pointer, slot_in(field, record), sizeof(pointer));
	return pointer;
}

static inline void slot_set_pointer(const struct field *field, void *record, const void *pointer)
{
	memcpy(slot_of(field, record), &pointer, sizeof(pointer));
}

static inline struct slot_list slot_list(const struct field *field, const void *record)
{
	struct slot_list list;

	memcpy(&list, slot_in(field, record), sizeof(list));
	return list;
}

static inline void slot_set_list(const struct field *field, void *record, struct slot_list list)
{
	memcpy(slot_of(field, record), &list, sizeof(list));
}

static inline const void *slot_item(const struct field *field, struct slot_list list, size_t i)
{
	return (const char *)list.items + i * field->shape->size;
}

static inline int64_t slot_integer(const struct field *field, const void *record)
{
	int64_t value;

	memcpy(&value, slot_in(field, record), sizeof(value));
	return value;
}

static inline void slot_set_integer(const struct field *field, void *record, int64_t value)
{
	memcpy(slot_of(field, record), &value, sizeof(value));
}

/* Enums and tristates. */
static inline unsigned slot_enum(const struct field *field, const void *record)
{
	unsigned value;

	memcpy(&value, slot_in(field, record), sizeof(value));
	return value;
}

static inline void slot_set_enum(const struct field *field, void *record, unsigned value)
{
	memcpy(slot_of(field, record), &value, sizeof(value));
}

#endif
