/*
 * A record as the API server will show it once it has taken a status of ours: what decoding the answer would make, without the
 * answer. Must not know JSON, nor any kind. Invariant: what is done to a status here is what writing it as JSON (encode.c) and
 * reading that again (decode.c) does to it; codec_test.c holds them together for every kind.
 */
#include "encode.h"
#include "pack.h"
#include "slot.h"
#include "tree.h"

struct copying {
	struct decoder to; /* counts what packing will need */
	const struct shape *status;
};

static void *copy(struct copying *copying, const void *from, size_t bytes)
{
	copying->to.struct_bytes += slot_room(bytes);
	return memcpy(arena_alloc(copying->to.arena, bytes), from, bytes);
}

/* As encode.c writes it, by the second. */
static instant_t as_written(instant_t at)
{
	const instant_t second = at ? instant_second(at) : 0;

	return at && !second ? 1 : second; /* as in decode.c: 0 means unset */
}

/* The struct is a copy whose lists and structs still lie where they came from, and whose words may be no atoms. */
static void own(struct copying *copying, const struct shape *shape, void *record, bool written)
{
	struct atoms *atoms = copying->to.atoms;

	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const void *held;
		const char **texts;
		struct slot_list list;
		char *items;

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
			held = slot_pointer(field, record);
			copying->to.text_bytes += held ? strlen(held) + 1 : 0;
			break;
		case FIELD_WORD:
			held = slot_pointer(field, record);
			if (held)
				slot_set_pointer(field, record, atom_of(atoms, held)->text);
			break;
		case FIELD_ATOM:
			atom_ref(slot_pointer(field, record));
			break;
		case FIELD_INSTANT:
			if (written)
				slot_set_integer(field, record, as_written(slot_integer(field, record)));
			break;
		case FIELD_STRUCT:
			own(copying, field->shape, slot_of(field, record), written || field->shape == copying->status);
			break;
		case FIELD_OPTIONAL:
			held = slot_pointer(field, record);
			if (held) {
				void *child = copy(copying, held, field->shape->size);

				slot_set_pointer(field, record, child);
				own(copying, field->shape, child, written);
			}
			break;
		case FIELD_LIST:
			list = slot_list(field, record);
			if (list.n) {
				items = copy(copying, list.items, list.n * field->shape->size);
				slot_set_list(field, record, (struct slot_list){ .n = list.n, .items = items });
				for (size_t n = 0; n < list.n; n++)
					own(copying, field->shape, items + n * field->shape->size, written);
			}
			break;
		case FIELD_STRINGS:
			list = slot_list(field, record);
			if (list.n) {
				texts = copy(copying, list.items, list.n * sizeof(*texts));
				slot_set_list(field, record, (struct slot_list){ .n = list.n, .items = texts });
				for (size_t n = 0; n < list.n; n++)
					texts[n] = atom_of(atoms, texts[n])->text;
			}
			break;
		case FIELD_INTEGER:
		case FIELD_BOOLEAN:
		case FIELD_ENUM:
			break; /* copied with the struct */
		}
	}
}

void *record_with_status(struct codec *codec, const struct resource *resource, const void *record, const void *desired)
{
	struct copying copying = { .to = { .atoms = codec->atoms, .arena = &codec->scratch }, .status = resource->status };
	char version[WIRE_VERSION_SIZE] = ""; /* the room for it */
	struct object *made;
	void *packed;

	if (!encode_empty(resource->status, (const char *)record + resource->status_offset))
		return NULL;
	made = arena_alloc(&codec->scratch, resource->shape->size);
	memcpy(made, record, resource->shape->size);
	memcpy((char *)made + resource->status_offset, desired, resource->status->size);
	memset(version, '0', sizeof(version) - 1);
	made->resource_version = version;
	own(&copying, resource->shape, made, false);
	packed = pack_record(&copying.to, resource->shape, made);
	arena_reset(&codec->scratch);
	return packed;
}

void record_set_version(void *record, const char *resource_version)
{
	char *to = (char *)(uintptr_t)((const struct object *)record)->resource_version; /* in the record's own allocation */

	memcpy(to, resource_version, strlen(resource_version) + 1);
}
