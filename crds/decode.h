/* From a JSON tree to a record in scratch memory, by its field table. Private to crds/. */
#ifndef TOLLGATE_DECODE_H
#define TOLLGATE_DECODE_H

#include <jansson.h>

#include "arena.h"
#include "error.h"
#include "shape.h"

enum { DECODE_DEPTH_MAX = 12 }; /* levels of our own tables; what lies deeper in the tree is never visited */

struct decoder {
	/* Set by the caller. */
	struct atoms *atoms;
	struct arena *arena;
	const char *project_label; /* stands for the row that is named label_of_project (metadata.h) */
	struct error *err;
	/* The way to what is being read, for messages. */
	struct {
		const char *name;
		size_t index; /* of a list's item, where name is NULL */
	} path[DECODE_DEPTH_MAX];
	unsigned depth;
	/* What packing the record will need beyond the record itself. */
	size_t struct_bytes, text_bytes;
};

/* Fills the zeroed record. Its texts point into the tree, its lists and structs into the arena; it holds references to
 * atoms, also after a failure: pack_release() them. */
int decode_record(struct decoder *, const struct shape *, const json_t *tree, void *record) must_check;

enum { DECODE_PATH_SIZE = 160 };
/* Goes on with the path of so many bytes, "spec.contactInfo.invoiceEmails[3]", by a member or, name NULL, by an item; names that
 * hold dots or slashes themselves go in brackets. Cut where it is full, at a whole character. Its new length. */
size_t decode_path_add(char path[DECODE_PATH_SIZE], size_t len, const char *name, size_t index);

/* "an integer", for messages. */
const char *decode_type_name(const json_t *);

#endif
