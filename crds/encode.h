/*
 * From records to JSON trees, and what "the same on the wire" means. Texts may be anybody's: static, in an arena, in a
 * record. They are UTF-8; one that is not is a bug of ours and asserts. Private to crds/.
 */
#ifndef TOLLGATE_ENCODE_H
#define TOLLGATE_ENCODE_H

#include <jansson.h>
#include <stdbool.h>

#include "shape.h"

/* All members that are there; the caller's. */
json_t *encode_record(const struct shape *, const void *record);
/* Is nothing there? */
bool encode_empty(const struct shape *, const void *record);
bool encode_equal(const struct shape *, const void *a, const void *b);
/* The merge patch (RFC 7386) from one to the other; NULL when they are equal. The caller's. */
json_t *encode_diff(const struct shape *, const void *from, const void *to);
/* A text as JSON; the caller's. */
json_t *encode_text(const char *text);

#endif
