/*
 * From records to JSON, and what "the same on the wire" means. Texts may be anybody's: static, in an arena, in a
 * record. They are UTF-8; one that is not is a bug of ours and asserts. Private to crds/.
 */
#ifndef TOLLGATE_ENCODE_H
#define TOLLGATE_ENCODE_H

#include <stdbool.h>

#include "print.h"
#include "shape.h"

/* All members that are there, in the order of the rows. */
void encode_record(struct print *, const struct shape *, const void *record);
/* Is nothing there? */
bool encode_empty(const struct shape *, const void *record);
bool encode_equal(const struct shape *, const void *a, const void *b);
/* The merge patch (RFC 7386) from one to the other, {} when they are equal. */
void encode_diff(struct print *, const struct shape *, const void *from, const void *to);

#endif
