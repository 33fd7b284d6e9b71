/*
 * How a plain record maps to JSON: a table of fields. One table drives decoding, packing into one allocation, comparison and
 * merge patches, and is held against the CRD's schema by a test. Tables are static const data in crds/<kind>.c.
 *
 * Absent and null are the same on the way in (the API server drops nulls); on the way out absence becomes null in a merge
 * patch (RFC 7386), which removes. JSON members without a row are not kept and never written, so they survive our writes.
 */
#ifndef TOLLGATE_SHAPE_H
#define TOLLGATE_SHAPE_H

#include <stddef.h>
#include <stdint.h>

enum field_type {
	FIELD_STRING = 1, /* const char *: own text, inside the record's allocation */
	FIELD_WORD,       /* const char *: text of an atom; for what repeats (reasons, enums of others, messages) */
	FIELD_ATOM,       /* atom_t: what keys and indexes are made of */
	FIELD_INTEGER,    /* int64_t, INTEGER_ABSENT */
	FIELD_BOOLEAN,    /* enum tristate */
	FIELD_INSTANT,    /* instant_t, RFC 3339 on the wire */
	FIELD_ENUM,       /* an enum: 0 absent, i+1 = names[i] */
	FIELD_STRUCT,     /* a struct inside this one: an object on the wire; empty = absent */
	FIELD_OPTIONAL,   /* const struct *: NULL when the object is absent; an empty object is there */
	FIELD_LIST,       /* { size_t n; const T *items; } of structs */
	FIELD_STRINGS,    /* struct strings of FIELD_WORD texts */
};

struct shape;

struct field {
	const char *name; /* JSON member */
	uint8_t type;     /* enum field_type */
	uint16_t offset;
	const struct shape *shape;      /* STRUCT, OPTIONAL, LIST */
	const char *const *names;       /* ENUM: NULL-terminated */
};

/*
 * The rows of a status, and of all within it, stand in the order of their names. So its text is to the byte what the API server answers
 * with, which keeps objects as maps, and Go prints a map's keys in that order.
 */
struct shape {
	const char *name; /* for messages: "BillingAccount", "card" */
	size_t size;      /* of the record */
	const struct field *fields;
	size_t n_fields;
};

#define FIELD(record, member, json, kind) { .name = (json), .type = (kind), .offset = offsetof(record, member) }
#define FIELD_OF(record, member, json, kind, of) \
	{ .name = (json), .type = (kind), .offset = offsetof(record, member), .shape = (of) }
#define FIELD_NAMES(record, member, json, of) \
	{ .name = (json), .type = FIELD_ENUM, .offset = offsetof(record, member), .names = (of) }
#define SHAPE(label, record, table) \
	{ .name = (label), .size = sizeof(record), .fields = (table), .n_fields = sizeof(table) / sizeof((table)[0]) }

#endif
