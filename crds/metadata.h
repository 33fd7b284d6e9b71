/* The tables that all kinds share: what struct object and struct conditions look like on the wire. Private to crds/. */
#ifndef TOLLGATE_METADATA_H
#define TOLLGATE_METADATA_H

#include "object.h"
#include "resource.h"

/* A JSON object without a struct of its own: its rows count from the same place as this one. */
#define FIELD_HERE(json, of) { .name = (json), .type = FIELD_STRUCT, .offset = 0, .shape = (of) }

/* Rows of "metadata". Records begin with their struct object, so that these count from the record too: a kind that also
 * keeps labels or annotations has its own table, with these rows first. */
#define METADATA_ROWS                                                             \
	FIELD(struct object, ns, "namespace", FIELD_ATOM),                        \
	FIELD(struct object, name, "name", FIELD_ATOM),                           \
	FIELD(struct object, uid, "uid", FIELD_STRING),                           \
	FIELD(struct object, resource_version, "resourceVersion", FIELD_STRING),  \
	FIELD(struct object, generation, "generation", FIELD_INTEGER),            \
	FIELD(struct object, created, "creationTimestamp", FIELD_INSTANT),        \
	FIELD(struct object, deleted, "deletionTimestamp", FIELD_INSTANT),        \
	FIELD(struct object, finalizers, "finalizers", FIELD_STRINGS)

extern const struct shape metadata_shape;  /* for kinds that keep no labels */
extern const struct shape condition_shape; /* metav1.Condition */
extern const struct shape owner_shape;     /* metav1.OwnerReference: the items of "ownerReferences", for kinds that look at them */

/* The name of the row whose label key the operator chooses: known by its address, it reads as the default key. */
extern const char label_of_project[];

#endif
