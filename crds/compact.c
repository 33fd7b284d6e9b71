/*
 * compact.h: a record as bytes, by its field table. What a form holds it was given by ourselves, so it is read without doubting it.
 * Must not know JSON, nor any kind: only that every record begins with its struct object, and every table with METADATA_ROWS.
 *
 *     | size | 8 bits | bytes of those 8 | 8 bits | bytes of those 8 | ...
 *
 * Fields come in the table's order, those of structs and lists within as if they stood there. Whether one is there is a bit, so that
 * all that is absent, which is most, costs eight to a byte; what it is, if it is there, are bytes. A byte of bits stands where the
 * first of them is needed: bits and bytes are one stream, and nobody has to know how many of either there will be.
 *
 * Small choices are counted in bits ("1" so many times, then "0"), 0 for absent. Integers and instants are told by their difference
 * from the one before, which is often none; a reference to an atom by its distance from the table of atoms, since what is on one heap
 * is near.
 */
#include "compact.h"

#include <assert.h>
#include <stdlib.h>

#include "memory.h"
#include "pack.h"
#include "slot.h"
#include "tree.h"

/* How a text is written. */
enum { TEXT_ABSENT, TEXT_DECIMAL, TEXT_UUID, TEXT_PLAIN };
/* How an integer or instant is. */
enum { NUMBER_ABSENT, NUMBER_AS_BEFORE, NUMBER_STEP, NUMBER_FINE_STEP };

enum {
	UUID_BYTES = 16,
	UUID_LEN = 36,
	DECIMAL_LEN_MAX = 18, /* any so long fits */
	TEXT_ROOM = UUID_LEN + 1,
	SECOND = 1000,
};

/* What the first number of a kind is compared with: objects are made at generation 1, and after 2026-01-01T00:00:00Z or not long
 * before, which takes a byte less than if it were 1970. */
#define INTEGER_FIRST 1
#define INSTANT_FIRST INT64_C(1767225600000)

static bool is_hyphen_place(size_t place)
{
	return place == 8 || place == 13 || place == 18 || place == 23;
}

/* ---- writing ---- */

struct writing {
	unsigned char *at;	   /* where the next byte goes */
	unsigned char *bits;	   /* the byte that takes bits, */
	unsigned bit;		   /* and the next of them; 0: it is full */
	int64_t integer, instant;  /* those before */
	const struct object *meta; /* the record, whose key is left out */
	const void *atoms;
};

static void put_bit(struct writing *w, bool bit)
{
	if (!w->bit) {
		w->bits = w->at++;
		*w->bits = 0;
		w->bit = 1;
	}
	if (bit)
		*w->bits = (unsigned char)(*w->bits | w->bit);
	w->bit = w->bit << 1 & 0xff;
}

static void put_choice(struct writing *w, unsigned choice)
{
	for (unsigned i = 0; i < choice; i++)
		put_bit(w, true);
	put_bit(w, false);
}

static void put_varint(struct writing *w, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*w->at++ = (unsigned char)(value | 0x80);
	*w->at++ = (unsigned char)value;
}

static void put_signed(struct writing *w, int64_t value)
{
	put_varint(w, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

/* Differences go round: any two have one, and it leads back. */
static int64_t difference(int64_t to, int64_t from)
{
	return (int64_t)((uint64_t)to - (uint64_t)from);
}

static int64_t sum(int64_t from, int64_t step)
{
	return (int64_t)((uint64_t)from + (uint64_t)step);
}

static void put_integer(struct writing *w, int64_t value)
{
	if (value == INTEGER_ABSENT) {
		put_choice(w, NUMBER_ABSENT);
	} else if (value == w->integer) {
		put_choice(w, NUMBER_AS_BEFORE);
	} else {
		put_choice(w, NUMBER_STEP);
		put_signed(w, difference(value, w->integer));
		w->integer = value;
	}
}

static void put_instant(struct writing *w, int64_t value)
{
	const int64_t step = difference(value, w->instant);
	const bool fine = step % SECOND != 0;

	if (!value) {
		put_choice(w, NUMBER_ABSENT);
	} else if (!step) {
		put_choice(w, NUMBER_AS_BEFORE);
	} else {
		put_choice(w, fine ? NUMBER_FINE_STEP : NUMBER_STEP);
		put_signed(w, fine ? step : step / SECOND);
		w->instant = value;
	}
}

/* An atom's address, from the table's in steps of its alignment, which all addresses of atoms are apart. */
static void put_atom(struct writing *w, atom_t atom)
{
	put_bit(w, atom != NULL);
	if (atom) {
		const int64_t away = (int64_t)((uintptr_t)atom - (uintptr_t)w->atoms);

		assert(away % (int64_t)_Alignof(struct atom) == 0);
		put_signed(w, away / (int64_t)_Alignof(struct atom));
	}
}

static void put_word(struct writing *w, const char *text)
{
	put_atom(w, text ? atom_from_text(text) : NULL);
}

/* 16 where it is none. */
static unsigned hex_value(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* Only as it will be printed again: lower case, hyphens in their places. */
static bool read_uuid(const char *text, unsigned char bytes[UUID_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < UUID_LEN; i += 2) {
		unsigned high, low;

		if (is_hyphen_place(i) && text[i++] != '-')
			return false;
		high = hex_value(text[i]);
		if (high > 15)
			return false; /* where the text ends, too: what follows is not looked at */
		low = hex_value(text[i + 1]);
		if (low > 15)
			return false;
		bytes[n++] = (unsigned char)(high << 4 | low);
	}
	return !text[UUID_LEN];
}

static bool read_decimal(const char *text, uint64_t *value)
{
	size_t len = 0;

	for (*value = 0; text[len] >= '0' && text[len] <= '9' && len <= DECIMAL_LEN_MAX; len++)
		*value = *value * 10 + (uint64_t)(text[len] - '0');
	return !text[len] && len > 0 && len <= DECIMAL_LEN_MAX && (text[0] != '0' || len == 1);
}

static void put_text(struct writing *w, const char *text)
{
	unsigned char uuid[UUID_BYTES];
	uint64_t value;

	if (!text) {
		put_choice(w, TEXT_ABSENT);
	} else if (read_decimal(text, &value)) {
		put_choice(w, TEXT_DECIMAL);
		put_varint(w, value);
	} else if (read_uuid(text, uuid)) {
		put_choice(w, TEXT_UUID);
		memcpy(w->at, uuid, UUID_BYTES);
		w->at += UUID_BYTES;
	} else {
		const size_t size = strlen(text) + 1;

		put_choice(w, TEXT_PLAIN);
		memcpy(w->at, text, size);
		w->at += size;
	}
}

static void put_struct(struct writing *w, const struct shape *shape, const void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		const void *slot = slot_in(field, record), *held;
		struct slot_list list;

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
			put_text(w, slot_pointer(field, record));
			break;
		case FIELD_WORD:
			put_word(w, slot_pointer(field, record));
			break;
		case FIELD_ATOM:
			if (slot != &w->meta->ns && slot != &w->meta->name)
				put_atom(w, slot_pointer(field, record));
			break;
		case FIELD_INTEGER:
			put_integer(w, slot_integer(field, record));
			break;
		case FIELD_INSTANT:
			put_instant(w, slot_integer(field, record));
			break;
		case FIELD_BOOLEAN:
		case FIELD_ENUM:
			put_choice(w, slot_enum(field, record));
			break;
		case FIELD_STRUCT:
			put_struct(w, field->shape, slot);
			break;
		case FIELD_OPTIONAL:
			held = slot_pointer(field, record);
			put_bit(w, held != NULL);
			if (held)
				put_struct(w, field->shape, held);
			break;
		case FIELD_LIST:
		case FIELD_STRINGS:
			list = slot_list(field, record);
			put_bit(w, list.n > 0);
			if (!list.n)
				break;
			put_varint(w, list.n);
			for (size_t n = 0; n < list.n; n++)
				if (field->type == FIELD_STRINGS)
					put_word(w, ((const char *const *)list.items)[n]);
				else
					put_struct(w, field->shape, slot_item(field, list, n));
			break;
		}
	}
}

struct compact *compact_new(struct codec *codec, const struct resource *resource, void *record)
{
	const struct object *meta = record;
	/* No field takes twice its place in the record: of 8 bytes a varint makes 10, and its bits none more than another. */
	const size_t room = 2 * pack_size(record);
	unsigned char *bytes = arena_alloc(&codec->scratch, room), *form;
	struct writing w = { .at = bytes, .integer = INTEGER_FIRST, .instant = INSTANT_FIRST, .meta = meta, .atoms = codec->atoms };
	unsigned char head[10];
	size_t size, head_size;

	put_struct(&w, resource->shape, record);
	size = (size_t)(w.at - bytes);
	assert(size <= room);
	w.at = head;
	put_varint(&w, size);
	head_size = (size_t)(w.at - head);
	form = memory_resize(NULL, head_size + size);
	memcpy(form, head, head_size);
	memcpy(form + head_size, bytes, size);
	arena_reset(&codec->scratch);
	atom_unref(codec->atoms, meta->ns);
	atom_unref(codec->atoms, meta->name);
	pack_drop(record);
	return (struct compact *)form;
}

/* ---- reading ---- */

struct reading {
	const unsigned char *at;
	unsigned bits; /* those that are left, the next one lowest, below a 1 that is none */
	int64_t integer, instant;
	struct object *meta;
	const void *atoms;
	struct arena *arena;
};

static bool get_bit(struct reading *r)
{
	bool bit;

	if (r->bits == 1)
		r->bits = *r->at++ | 0x100u;
	bit = r->bits & 1;
	r->bits >>= 1;
	return bit;
}

static unsigned get_choice(struct reading *r)
{
	unsigned choice = 0;

	while (get_bit(r))
		choice++;
	return choice;
}

static uint64_t get_varint(struct reading *r)
{
	uint64_t value = *r->at & 0x7f;

	for (unsigned shift = 7; *r->at++ & 0x80; shift += 7)
		value |= (uint64_t)(*r->at & 0x7f) << shift;
	return value;
}

static int64_t get_signed(struct reading *r)
{
	const uint64_t value = get_varint(r);

	return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

static int64_t get_integer(struct reading *r)
{
	const unsigned how = get_choice(r);

	if (how == NUMBER_ABSENT)
		return INTEGER_ABSENT;
	if (how == NUMBER_STEP)
		r->integer = sum(r->integer, get_signed(r));
	return r->integer;
}

static int64_t get_instant(struct reading *r)
{
	const unsigned how = get_choice(r);

	if (how == NUMBER_ABSENT)
		return 0;
	if (how != NUMBER_AS_BEFORE)
		r->instant = sum(r->instant, get_signed(r) * (how == NUMBER_STEP ? SECOND : 1));
	return r->instant;
}

static atom_t get_atom(struct reading *r)
{
	if (!get_bit(r))
		return NULL;
	return (atom_t)((uintptr_t)r->atoms + (uintptr_t)get_signed(r) * _Alignof(struct atom));
}

static const char *get_word(struct reading *r)
{
	const atom_t atom = get_atom(r);

	return atom ? atom->text : NULL;
}

static const char *print_uuid(const unsigned char bytes[UUID_BYTES], char room[TEXT_ROOM])
{
	static const char digits[] = "0123456789abcdef";
	char *to = room;

	for (size_t i = 0; i < UUID_BYTES; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
		if (i == 3 || i == 5 || i == 7 || i == 9)
			*to++ = '-';
	}
	*to = '\0';
	return room;
}

static const char *print_decimal(uint64_t value, char room[TEXT_ROOM])
{
	char *at = room + TEXT_ROOM - 1;

	for (*at = '\0'; value > 9; value /= 10)
		*--at = (char)('0' + value % 10);
	*--at = (char)('0' + value);
	return at;
}

/* It lies in the form, or in the room that is made for it: somewhere in `room`, or NULL for in the arena. */
static const char *get_text(struct reading *r, char *room)
{
	const unsigned how = get_choice(r);
	const char *text = (const char *)r->at;

	if (how == TEXT_ABSENT)
		return NULL;
	if (how == TEXT_PLAIN) {
		r->at += strlen(text) + 1;
		return text;
	}
	if (!room)
		room = arena_alloc(r->arena, TEXT_ROOM);
	if (how == TEXT_DECIMAL)
		return print_decimal(get_varint(r), room);
	r->at += UUID_BYTES;
	return print_uuid(r->at - UUID_BYTES, room);
}

static void get_struct(struct reading *, const struct shape *, void *);

static void get_list(struct reading *r, const struct field *field, void *record)
{
	const size_t n = get_varint(r);
	char *items;

	if (field->type == FIELD_STRINGS) {
		const char **texts = arena_array(r->arena, const char *, n);

		for (size_t i = 0; i < n; i++)
			texts[i] = get_word(r);
		slot_set_list(field, record, (struct slot_list){ .n = n, .items = texts });
		return;
	}
	items = arena_alloc(r->arena, n * field->shape->size);
	slot_set_list(field, record, (struct slot_list){ .n = n, .items = items });
	for (size_t i = 0; i < n; i++)
		get_struct(r, field->shape, items + i * field->shape->size);
}

/* Into zeroed memory: of what is absent, only integers have to be told. */
static void get_struct(struct reading *r, const struct shape *shape, void *record)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		void *slot = slot_of(field, record);

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
			slot_set_pointer(field, record, get_text(r, NULL));
			break;
		case FIELD_WORD:
			slot_set_pointer(field, record, get_word(r));
			break;
		case FIELD_ATOM:
			if (slot != &r->meta->ns && slot != &r->meta->name)
				slot_set_pointer(field, record, get_atom(r));
			break;
		case FIELD_INTEGER:
			slot_set_integer(field, record, get_integer(r));
			break;
		case FIELD_INSTANT:
			slot_set_integer(field, record, get_instant(r));
			break;
		case FIELD_BOOLEAN:
		case FIELD_ENUM:
			slot_set_enum(field, record, get_choice(r));
			break;
		case FIELD_STRUCT:
			get_struct(r, field->shape, slot);
			break;
		case FIELD_OPTIONAL:
			if (get_bit(r)) {
				void *child = arena_alloc(r->arena, field->shape->size);

				slot_set_pointer(field, record, child);
				get_struct(r, field->shape, child);
			}
			break;
		case FIELD_LIST:
		case FIELD_STRINGS:
			if (get_bit(r))
				get_list(r, field, record);
			break;
		}
	}
}

static struct reading read_from(const struct compact *compact)
{
	return (struct reading){ .at = (const unsigned char *)compact, .bits = 1, .integer = INTEGER_FIRST, .instant = INSTANT_FIRST };
}

void *compact_record(const struct codec *codec, const struct compact *compact, const struct resource *resource, atom_t ns, atom_t name,
		     struct arena *arena)
{
	struct reading r = read_from(compact);
	struct object *meta = arena_alloc(arena, resource->shape->size);

	get_varint(&r);
	r.meta = meta;
	r.atoms = codec->atoms;
	r.arena = arena;
	get_struct(&r, resource->shape, meta);
	meta->ns = ns;
	meta->name = name;
	return meta;
}

void compact_free(struct codec *codec, const struct resource *resource, struct compact *compact)
{
	if (!compact)
		return;
	pack_release(codec->atoms, resource->shape, compact_record(codec, compact, resource, NULL, NULL, &codec->scratch));
	arena_reset(&codec->scratch);
	free(compact);
}

size_t compact_size(const struct compact *compact)
{
	struct reading r = read_from(compact);
	const size_t size = get_varint(&r);

	return (size_t)(r.at - (const unsigned char *)compact) + size;
}

/* ---- without expanding: METADATA_ROWS have the uid first of what is written, then the resourceVersion ---- */

static const char *uid_of(const struct compact *compact, char room[TEXT_ROOM])
{
	struct reading r = read_from(compact);

	get_varint(&r);
	return get_text(&r, room);
}

static const char *version_of(const struct compact *compact, char room[TEXT_ROOM])
{
	struct reading r = read_from(compact);

	get_varint(&r);
	get_text(&r, room);
	return get_text(&r, room);
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static size_t copy(const char *text, char *to, size_t room)
{
	const size_t len = text ? strlen(text) : 0;

	if (len && len < room)
		memcpy(to, text, len + 1);
	else
		to[0] = '\0';
	return len;
}

bool compact_has_version(const struct compact *compact, const char *resource_version)
{
	char room[TEXT_ROOM];

	return same(version_of(compact, room), resource_version);
}

bool compact_has_uid(const struct compact *compact, const char *uid)
{
	char room[TEXT_ROOM];

	return same(uid_of(compact, room), uid);
}

size_t compact_version(const struct compact *compact, char *to, size_t room)
{
	char text[TEXT_ROOM];

	return copy(version_of(compact, text), to, room);
}

size_t compact_uid(const struct compact *compact, char *to, size_t room)
{
	char text[TEXT_ROOM];

	return copy(uid_of(compact, text), to, room);
}
