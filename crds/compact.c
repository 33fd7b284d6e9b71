/*
 * compact.h: a record as bytes, by its field table. What a form holds it was given by ourselves, so it is read without doubting it.
 * Must not know JSON, nor any kind: only that every record and its table begin with metadata, and that with METADATA_ROWS.
 *
 *     | size | bytes: what is there ...  -> | <- ... bits: whether, and how |
 *
 * Fields come in the table's order, those of structs and lists within as if they stood there. Bits come from the end: a choice is
 * as many ones and then a zero, 0 for absent. So all that is absent, which is most, costs eight to a byte, small enums cost no
 * byte, and nobody has to know how many of either there will be. Integers and instants are told by the difference from the one
 * before, which is often none; a reference to an atom by the distance from the table of atoms, since what is on one heap is near,
 * or by a number if it is one of the words that repeat.
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
/* How a reference to an atom is. */
enum { ATOM_ABSENT, ATOM_NUMBERED, ATOM_NEAR, ATOM_FAR, ATOM_ANYWHERE };

enum {
	UUID_BYTES = 16,
	UUID_WORDS = 4,
	UUID_LEN = 36,
	DECIMAL_LEN_MAX = 18, /* any so long fits */
	TEXT_ROOM = UUID_LEN + 1,
	SECOND = 1000,
	KEY_ROWS = 2,	 /* of METADATA_ROWS, first */
	KEPT_TEXTS = 2,	 /* the uid and resourceVersion, which every record has and which are next */
	CHOICE_MAX = 31, /* the longest enum's */
	HEAD_MAX = 10,
};

/* What malloc() gives is as far apart, so distances are counted in it: three bytes reach over 256 MB, four over 64 GB. */
enum { ATOM_STEP = 16, NEAR_BYTES = 3, FAR_BYTES = 4 };
#define NEAR_HALF (INT64_C(1) << 23)
#define FAR_HALF  (INT64_C(1) << 31)

/* What the first number of a kind is compared with: objects are made at generation 1, and after 2026-01-01T00:00:00Z or not long
 * before, which takes a byte less than if it were 1970. */
#define INTEGER_FIRST 1
#define INSTANT_FIRST INT64_C(1767225600000)

/*
 * Eight hex digits and the four bytes of their values, eight at a time in one word. Either way of laying a word in memory will do,
 * since both directions use the same.
 */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* What it makes of other characters than 0-9 and a-f is something, and prints as something else than them. */
static uint32_t from_hex(uint64_t digits)
{
	uint64_t value = (digits & EACH(0x0f)) + 9 * (digits >> 6 & EACH(1));

	value = (value | value >> 4) & UINT64_C(0x00ff00ff00ff00ff);
	value = (value | value >> 8) & UINT64_C(0x0000ffff0000ffff);
	return (uint32_t)(value | value >> 16);
}

static uint64_t to_hex(uint32_t bytes)
{
	uint64_t value = bytes;

	value = (value | value << 16) & UINT64_C(0x0000ffff0000ffff);
	value = (value | value << 8) & UINT64_C(0x00ff00ff00ff00ff);
	value = (value | value << 4) & EACH(0x0f);
	return value + EACH('0') + ('a' - '0' - 10) * ((value + EACH(6)) >> 4 & EACH(1));
}

/* Where the digits of those eight are, by fours. */
static const unsigned char uuid_places[UUID_WORDS][2] = { { 0, 4 }, { 9, 14 }, { 19, 24 }, { 28, 32 } };

static const char *print_uuid(const unsigned char bytes[UUID_BYTES], char room[TEXT_ROOM])
{
	memcpy(room, "........-....-....-....-............", TEXT_ROOM);
	for (size_t i = 0; i < UUID_WORDS; i++) {
		unsigned char digits[sizeof(uint64_t)];
		uint32_t word;
		uint64_t hex;

		memcpy(&word, bytes + i * sizeof(word), sizeof(word));
		hex = to_hex(word);
		memcpy(digits, &hex, sizeof(hex));
		memcpy(room + uuid_places[i][0], digits, 4);
		memcpy(room + uuid_places[i][1], digits + 4, 4);
	}
	return room;
}

/* Only one that is printed again as it is: lower case, hyphens in their places. */
static bool read_uuid(const char *text, size_t len, unsigned char bytes[UUID_BYTES])
{
	char printed[TEXT_ROOM];

	if (len != UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_WORDS; i++) {
		unsigned char digits[sizeof(uint64_t)];
		uint32_t word;
		uint64_t hex;

		memcpy(digits, text + uuid_places[i][0], 4);
		memcpy(digits + 4, text + uuid_places[i][1], 4);
		memcpy(&hex, digits, sizeof(hex));
		word = from_hex(hex);
		memcpy(bytes + i * sizeof(word), &word, sizeof(word));
	}
	return memcmp(print_uuid(bytes, printed), text, UUID_LEN) == 0;
}

static const char *print_decimal(uint64_t value, char room[TEXT_ROOM])
{
	char *at = room + TEXT_ROOM - 1;

	for (*at = '\0'; value > 9; value /= 10)
		*--at = (char)('0' + value % 10);
	*--at = (char)('0' + value);
	return at;
}

static bool read_decimal(const char *text, size_t len, uint64_t *value)
{
	if (len == 0 || len > DECIMAL_LEN_MAX || (text[0] == '0' && len > 1))
		return false;
	*value = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (uint64_t)(text[i] - '0');
	}
	return true;
}

/* ---- writing ---- */

struct writing {
	unsigned char *at;	  /* behind the bytes */
	unsigned char *tail;	  /* before it are no bits yet */
	unsigned bits, n_bits;	  /* those that make no byte yet, the first one lowest */
	int64_t integer, instant; /* those before */
	const void *atoms;
	struct words *words;
	unsigned lists; /* around what is written: words repeat in their items, others name other objects */
};

static void put_choice(struct writing *w, unsigned choice)
{
	uint64_t bits = w->bits | ((UINT64_C(1) << choice) - 1) << w->n_bits;

	assert(choice <= CHOICE_MAX);
	for (w->n_bits += choice + 1; w->n_bits >= 8; w->n_bits -= 8) {
		*--w->tail = (unsigned char)bits;
		bits >>= 8;
	}
	w->bits = (unsigned)bits;
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

static void put_low_bytes(struct writing *w, uint64_t value, unsigned n)
{
	for (; n > 0; n--, value >>= 8)
		*w->at++ = (unsigned char)value;
}

static void put_atom(struct writing *w, atom_t atom)
{
	const int64_t away = (int64_t)((uintptr_t)atom - (uintptr_t)w->atoms), steps = away / ATOM_STEP;
	const unsigned number = atom && w->lists ? words_number(w->words, atom) : 0;

	if (!atom) {
		put_choice(w, ATOM_ABSENT);
	} else if (number) {
		put_choice(w, ATOM_NUMBERED);
		put_low_bytes(w, number, 1);
	} else if (away % ATOM_STEP == 0 && steps >= -NEAR_HALF && steps < NEAR_HALF) {
		put_choice(w, ATOM_NEAR);
		put_low_bytes(w, (uint64_t)(steps + NEAR_HALF), NEAR_BYTES);
	} else if (away % ATOM_STEP == 0 && steps >= -FAR_HALF && steps < FAR_HALF) {
		put_choice(w, ATOM_FAR);
		put_low_bytes(w, (uint64_t)(steps + FAR_HALF), FAR_BYTES);
	} else {
		put_choice(w, ATOM_ANYWHERE);
		memcpy(w->at, &atom, sizeof(atom));
		w->at += sizeof(atom);
	}
}

static void put_word(struct writing *w, const char *text)
{
	put_atom(w, text ? atom_from_text(text) : NULL);
}

static void put_text(struct writing *w, const char *text)
{
	const size_t len = text ? strlen(text) : 0;
	uint64_t value;

	if (!text) {
		put_choice(w, TEXT_ABSENT);
	} else if (read_decimal(text, len, &value)) {
		put_choice(w, TEXT_DECIMAL);
		put_varint(w, value);
	} else if (read_uuid(text, len, w->at)) {
		put_choice(w, TEXT_UUID);
		w->at += UUID_BYTES;
	} else {
		put_choice(w, TEXT_PLAIN);
		memcpy(w->at, text, len + 1);
		w->at += len + 1;
	}
}

static void put_fields(struct writing *w, const struct field *fields, size_t n_fields, const void *record)
{
	for (const struct field *field = fields, *end = fields + n_fields; field < end; field++) {
		const void *held;
		struct slot_list list;

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
			put_text(w, slot_pointer(field, record));
			break;
		case FIELD_WORD:
			put_word(w, slot_pointer(field, record));
			break;
		case FIELD_ATOM:
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
			put_fields(w, field->shape->fields, field->shape->n_fields, slot_in(field, record));
			break;
		case FIELD_OPTIONAL:
			held = slot_pointer(field, record);
			put_choice(w, held != NULL);
			if (held)
				put_fields(w, field->shape->fields, field->shape->n_fields, held);
			break;
		case FIELD_LIST:
		case FIELD_STRINGS:
			list = slot_list(field, record);
			put_choice(w, list.n > 0);
			if (!list.n)
				break;
			put_varint(w, list.n);
			w->lists++;
			for (size_t n = 0; n < list.n; n++)
				if (field->type == FIELD_STRINGS)
					put_word(w, ((const char *const *)list.items)[n]);
				else
					put_fields(w, field->shape->fields, field->shape->n_fields, slot_item(field, list, n));
			w->lists--;
			break;
		}
	}
}

/*
 * As in pack.c, allocations come in few sizes, so that a form fits into the hole that another one's older version left: a new
 * object's grows when it gets its status. Of each the heap takes some bytes more for itself.
 */
enum { SIZE_STEP = 32, HEAP_OWN = 8 };

static size_t allocation(size_t size)
{
	return (size + HEAP_OWN + SIZE_STEP - 1) / SIZE_STEP * SIZE_STEP - HEAP_OWN;
}

/* The table of the record's metadata, without the key's rows. */
static const struct shape *metadata_of(const struct resource *resource)
{
	const struct field *first = resource->shape->fields;

	assert(first->type == FIELD_STRUCT && first->offset == 0 && first->shape->fields[0].offset == offsetof(struct object, ns) &&
	       first->shape->fields[1].offset == offsetof(struct object, name));
	return first->shape;
}

struct compact *compact_new(struct codec *codec, const struct resource *resource, void *record)
{
	const struct shape *whole = resource->shape, *metadata = metadata_of(resource);
	const struct object *meta = record;
	/* No field takes twice its place in the record: of 8 bytes a varint makes 10. And read_uuid() tries where the text may be
	 * none. */
	const size_t room = 2 * pack_size(record) + UUID_BYTES;
	unsigned char *bytes = arena_alloc(&codec->scratch, room), *end = bytes + room, *form;
	struct writing w = { .at = bytes,
			     .tail = end,
			     .integer = INTEGER_FIRST,
			     .instant = INSTANT_FIRST,
			     .atoms = codec->atoms,
			     .words = &codec->words };
	unsigned char head[HEAD_MAX];
	size_t n_bytes, n_tail, n_head;

	put_fields(&w, metadata->fields + KEY_ROWS, metadata->n_fields - KEY_ROWS, record);
	put_fields(&w, whole->fields + 1, whole->n_fields - 1, record);
	*--w.tail = (unsigned char)w.bits;
	assert(w.at <= w.tail);
	n_bytes = (size_t)(w.at - bytes);
	n_tail = (size_t)(end - w.tail);
	w.at = head;
	put_varint(&w, n_bytes + n_tail);
	n_head = (size_t)(w.at - head);
	form = memory_resize(NULL, allocation(n_head + n_bytes + n_tail));
	memcpy(form, head, n_head);
	memcpy(form + n_head, bytes, n_bytes);
	memcpy(form + n_head + n_bytes, w.tail, n_tail);
	arena_reset(&codec->scratch);
	atom_unref(codec->atoms, meta->ns);
	atom_unref(codec->atoms, meta->name);
	pack_drop(record);
	return (struct compact *)form;
}

/* ---- reading ---- */

struct reading {
	const unsigned char *at;   /* the next byte, */
	const unsigned char *tail; /* and before it the next eight bits, behind these: */
	uint64_t bits;		   /* the next one lowest, */
	unsigned n_bits;	   /* so many; what is above is 0 */
	int64_t integer, instant;
	char *texts; /* room for n_texts, which came with the record's */
	unsigned n_texts;
	const void *atoms;
	const struct words *words;
	struct arena *arena;
};

static uint64_t get_varint(struct reading *r)
{
	const unsigned char *at = r->at;
	uint64_t value = *at & 0x7f;

	for (unsigned shift = 7; *at++ & 0x80; shift += 7)
		value |= (uint64_t)(*at & 0x7f) << shift;
	r->at = at;
	return value;
}

/* As many as the longest choice has. Those of the last may be followed by bytes, which nobody asks for. */
static __attribute__((noinline)) void more_bits(struct reading *r)
{
	const unsigned char *tail = r->tail;

	if (tail - r->at >= 4) {
		r->bits |= (uint64_t)((uint32_t)tail[-1] | (uint32_t)tail[-2] << 8 | (uint32_t)tail[-3] << 16 |
				      (uint32_t)tail[-4] << 24)
			   << r->n_bits;
		r->n_bits += 32;
		r->tail = tail - 4;
		return;
	}
	for (; r->n_bits <= CHOICE_MAX && r->tail > r->at; r->n_bits += 8)
		r->bits |= (uint64_t) * --r->tail << r->n_bits;
}

static inline __attribute__((always_inline)) unsigned get_choice(struct reading *r)
{
	uint64_t bits;
	unsigned choice;

	if (r->n_bits <= CHOICE_MAX)
		more_bits(r);
	bits = r->bits;
	choice = (unsigned)__builtin_ctzll(~bits);
	r->bits = bits >> 1 >> choice;
	r->n_bits -= choice + 1;
	return choice;
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
	const unsigned char *at = r->at;
	uint64_t low = at[0];
	atom_t atom = NULL;

	switch (get_choice(r)) {
	case ATOM_NUMBERED:
		r->at++;
		return r->words->by_number[low];
	case ATOM_NEAR:
		low |= (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16;
		r->at += NEAR_BYTES;
		return (atom_t)((uintptr_t)r->atoms + (uintptr_t)((int64_t)low - NEAR_HALF) * ATOM_STEP);
	case ATOM_FAR:
		low |= (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
		r->at += FAR_BYTES;
		return (atom_t)((uintptr_t)r->atoms + (uintptr_t)((int64_t)low - FAR_HALF) * ATOM_STEP);
	case ATOM_ANYWHERE:
		memcpy(&atom, at, sizeof(atom));
		r->at += sizeof(atom);
		break;
	}
	return atom;
}

static const char *get_word(struct reading *r)
{
	const atom_t atom = get_atom(r);

	return atom ? atom->text : NULL;
}

/* It lies in the form, or in the room made for it. */
static const char *get_text(struct reading *r)
{
	const unsigned how = get_choice(r);
	const char *text = (const char *)r->at;
	char *room;

	if (how == TEXT_ABSENT)
		return NULL;
	if (how == TEXT_PLAIN) {
		r->at += strlen(text) + 1;
		return text;
	}
	if (r->n_texts) {
		room = r->texts;
		r->texts += TEXT_ROOM;
		r->n_texts--;
	} else {
		room = arena_alloc(r->arena, TEXT_ROOM);
	}
	if (how == TEXT_DECIMAL)
		return print_decimal(get_varint(r), room);
	r->at += UUID_BYTES;
	return print_uuid(r->at - UUID_BYTES, room);
}

static void get_fields(struct reading *, const struct field *, size_t n, void *record);

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
		get_fields(r, field->shape->fields, field->shape->n_fields, items + i * field->shape->size);
}

/* Into zeroed memory. */
static void get_fields(struct reading *r, const struct field *fields, size_t n_fields, void *record)
{
	for (const struct field *field = fields, *end = fields + n_fields; field < end; field++) {
		void *child;

		switch ((enum field_type)field->type) {
		case FIELD_STRING:
			slot_set_pointer(field, record, get_text(r));
			break;
		case FIELD_WORD:
			slot_set_pointer(field, record, get_word(r));
			break;
		case FIELD_ATOM:
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
			get_fields(r, field->shape->fields, field->shape->n_fields, slot_of(field, record));
			break;
		case FIELD_OPTIONAL:
			if (!get_choice(r))
				break;
			child = arena_alloc(r->arena, field->shape->size);
			slot_set_pointer(field, record, child);
			get_fields(r, field->shape->fields, field->shape->n_fields, child);
			break;
		case FIELD_LIST:
		case FIELD_STRINGS:
			if (get_choice(r))
				get_list(r, field, record);
			break;
		}
	}
}

static struct reading read_from(const struct compact *compact)
{
	struct reading r = { .at = (const unsigned char *)compact, .integer = INTEGER_FIRST, .instant = INSTANT_FIRST };
	const size_t size = get_varint(&r);

	r.tail = r.at + size;
	return r;
}

void *compact_record(const struct codec *codec, const struct compact *compact, const struct resource *resource, atom_t ns,
		     atom_t name, struct arena *arena)
{
	const struct shape *whole = resource->shape, *metadata = metadata_of(resource);
	struct reading r = read_from(compact);
	struct object *meta = arena_alloc(arena, whole->size + (size_t)KEPT_TEXTS * TEXT_ROOM);

	r.texts = (char *)meta + whole->size;
	r.n_texts = KEPT_TEXTS;
	r.atoms = codec->atoms;
	r.words = &codec->words;
	r.arena = arena;
	get_fields(&r, metadata->fields + KEY_ROWS, metadata->n_fields - KEY_ROWS, meta);
	get_fields(&r, whole->fields + 1, whole->n_fields - 1, meta);
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
	return allocation((size_t)(read_from(compact).tail - (const unsigned char *)compact));
}

/* ---- without expanding: METADATA_ROWS have the uid first of what is written, then the resourceVersion ---- */

static const char *uid_of(const struct compact *compact, char room[TEXT_ROOM])
{
	struct reading r = read_from(compact);

	r.texts = room;
	r.n_texts = 1;
	return get_text(&r);
}

static const char *version_of(const struct compact *compact, char room[KEPT_TEXTS * TEXT_ROOM])
{
	struct reading r = read_from(compact);

	r.texts = room;
	r.n_texts = KEPT_TEXTS;
	get_text(&r);
	return get_text(&r);
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

bool compact_has_version(const struct compact *compact, const char *resource_version)
{
	char room[KEPT_TEXTS * TEXT_ROOM];

	return same(version_of(compact, room), resource_version);
}

bool compact_has_uid(const struct compact *compact, const char *uid)
{
	char room[TEXT_ROOM];

	return same(uid_of(compact, room), uid);
}

size_t compact_version(const struct compact *compact, char *to, size_t room)
{
	char kept[KEPT_TEXTS * TEXT_ROOM];
	const char *text = version_of(compact, kept);
	const size_t len = text ? strlen(text) : 0;

	if (len && len < room)
		memcpy(to, text, len + 1);
	else
		to[0] = '\0';
	return len;
}
