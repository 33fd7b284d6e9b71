/*
 * What all Kubernetes objects share, and what names one: metadata, keys, conditions. Every record of a kind begins with a
 * struct object, so a pointer to the record is a pointer to its metadata.
 * Sources: Kubernetes API conventions ("Metadata", "Typical status properties"); metav1.ObjectMeta, metav1.Condition.
 */
#ifndef TOLLGATE_OBJECT_H
#define TOLLGATE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atom.h"
#include "instant.h"

/* An integer that is not there. Zero means zero; strings are NULL, instants and enums 0, lists empty when absent. */
#define INTEGER_ABSENT INT64_MIN

enum tristate { UNSET = 0, NO, YES };

struct strings {
	size_t n;
	const char *const *items;
};

/* Names one object. Atoms are borrowed unless a holder says that it took references. ns is NULL for cluster-scoped kinds. */
struct key {
	uint8_t kind; /* enum kind_id, kinds.h */
	atom_t ns, name;
};

static inline bool key_equal(struct key a, struct key b)
{
	return a.kind == b.kind && a.ns == b.ns && a.name == b.name;
}

struct object {
	atom_t ns; /* NULL for cluster-scoped kinds */
	atom_t name;
	const char *uid;
	const char *resource_version; /* opaque: compared for equality, never by size */
	int64_t generation;
	instant_t created, deleted; /* deleted: deletionTimestamp, 0 while it is wanted */
	struct strings finalizers;
};

/* Of a record of that kind. Atoms are borrowed from it. */
static inline struct key object_key(unsigned kind, const void *record)
{
	const struct object *object = record;

	return (struct key){ .kind = (uint8_t)kind, .ns = object->ns, .name = object->name };
}

enum condition_status { CONDITION_ABSENT = 0, CONDITION_TRUE, CONDITION_FALSE, CONDITION_UNKNOWN };

struct condition {
	const char *type, *reason, *message;
	enum condition_status status;
	instant_t last_transition;   /* moves only when status flips */
	int64_t observed_generation; /* the generation that the verdict was reached on */
};

struct conditions {
	size_t n;
	const struct condition *items; /* in the order clients see */
};

/* metav1.OwnerReference. A kind that looks at its owners keeps them beside its struct object. */
struct owner_reference {
	const char *api_version, *kind, *name, *uid;
	enum tristate controller;
};

struct owner_references {
	size_t n;
	const struct owner_reference *items;
};

/* A label or annotation of an object, as it is to be. */
struct mark {
	enum { MARK_LABEL = 1, MARK_ANNOTATION } type;
	const char *key;
	const char *value; /* NULL = take it away */
};

bool object_has_finalizer(const struct object *, const char *finalizer);

#endif
