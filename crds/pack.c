/*
 * Packs a decoded record: behind the record come the structs and lists that hang on it, then its own texts. One free()
 * gives all back; the atoms it refers to are counted elsewhere and must be released first. Must not know JSON.
 *
 *     | size | record | structs and lists ... | texts ... |
 *            ^ what everybody else calls the record
 */
#include "pack.h"

#include <assert.h>
#include <stdlib.h>

#include "memory.h"
#include "slot.h"

struct packed {
	size_t size;	      /* of the whole allocation */
	max_align_t record[]; /* 16 bytes of head on most machines, for any record's alignment */
};

/*
 * Allocations come in few sizes, so that the record of one object fits into the hole that another's older version left. An update
 * adds a status or some words to it; with exact sizes no hole would ever fit, and a heap of ten thousand records grew by a third
 * while they were all written to once.
 */
enum { SIZE_STEP = 160 };

struct packing {
	char *structs, *texts; /* where the next of each goes */
};

static struct packed *packed_of(void *record)
{
	return (struct packed *)((char *)record - offsetof(struct packed, record));
}

static void *place(struct packing *packing, const void *from, size_t bytes)
{
	void *to = packing->structs;

	packing->structs += slot_room(bytes);
	return memcpy(to, from, bytes);
}

/* The record is a copy of the scratch one whose pointers still lead to scratch memory. */
static void move_in(struct packing *packing, const struct shape *shape, void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const void *old;
		struct slot_list list;
		size_t bytes;

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
			old = slot_pointer(field, record);
			if (!old)
				break;
			bytes = strlen(old) + 1;
			slot_set_pointer(field, record, memcpy(packing->texts, old, bytes));
			packing->texts += bytes;
			break;
		case FIELD_STRUCT:
			move_in(packing, field->shape, slot_of(field, record));
			break;
		case FIELD_OPTIONAL:
			old = slot_pointer(field, record);
			if (old) {
				void *child = place(packing, old, field->shape->size);

				slot_set_pointer(field, record, child);
				move_in(packing, field->shape, child);
			}
			break;
		case FIELD_LIST:
			list = slot_list(field, record);
			if (list.n) {
				char *items = place(packing, list.items, list.n * field->shape->size);

				slot_set_list(field, record, (struct slot_list){ .n = list.n, .items = items });
				for (size_t n = 0; n < list.n; n++)
					move_in(packing, field->shape, items + n * field->shape->size);
			}
			break;
		case FIELD_STRINGS:
			list = slot_list(field, record);
			if (list.n)
				list.items = place(packing, list.items, list.n * sizeof(char *));
			slot_set_list(field, record, list);
			break;
		case FIELD_WORD:
		case FIELD_ATOM:
		case FIELD_INTEGER:
		case FIELD_BOOLEAN:
		case FIELD_INSTANT:
		case FIELD_ENUM:
			break; /* copied with the record */
		}
	}
}

void *pack_record(const struct decoder *decoder, const struct shape *shape, const void *scratch)
{
	const size_t own = slot_room(shape->size);
	const size_t size = sizeof(struct packed) + own + decoder->struct_bytes + decoder->text_bytes;
	struct packed *packed = memory_resize(NULL, (size + SIZE_STEP - 1) / SIZE_STEP * SIZE_STEP);
	char *record = (char *)packed->record;
	char *texts = record + own + decoder->struct_bytes;
	struct packing packing = { .structs = record + own, .texts = texts };

	packed->size = size;
	memcpy(record, scratch, shape->size);
	move_in(&packing, shape, record);
	assert(packing.structs == texts && packing.texts == (char *)packed + size);
	return record;
}

void pack_release(struct atoms *atoms, const struct shape *shape, const void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const void *held;
		struct slot_list list;

		switch ((enum field_type)field->type) {
		case FIELD_WORD:
			held = slot_pointer(field, record);
			if (held)
				atom_unref(atoms, atom_from_text(held));
			break;
		case FIELD_ATOM:
			atom_unref(atoms, slot_pointer(field, record));
			break;
		case FIELD_STRUCT:
			pack_release(atoms, field->shape, slot_in(field, record));
			break;
		case FIELD_OPTIONAL:
			held = slot_pointer(field, record);
			if (held)
				pack_release(atoms, field->shape, held);
			break;
		case FIELD_LIST:
			list = slot_list(field, record);
			for (size_t n = 0; n < list.n; n++)
				pack_release(atoms, field->shape, slot_item(field, list, n));
			break;
		case FIELD_STRINGS:
			list = slot_list(field, record);
			for (size_t n = 0; n < list.n; n++) {
				const char *text = ((const char *const *)list.items)[n];

				if (text)
					atom_unref(atoms, atom_from_text(text));
			}
			break;
		case FIELD_STRING:
		case FIELD_INTEGER:
		case FIELD_BOOLEAN:
		case FIELD_INSTANT:
		case FIELD_ENUM:
			break; /* hold no reference */
		}
	}
}

size_t pack_size(const void *record)
{
	return ((const struct packed *)((const char *)record - offsetof(struct packed, record)))->size;
}

void pack_free(struct atoms *atoms, const struct shape *shape, void *record)
{
	if (!record)
		return;
	pack_release(atoms, shape, record);
	pack_drop(record);
}

void pack_drop(void *record)
{
	free(packed_of(record));
}
