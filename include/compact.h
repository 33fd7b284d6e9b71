/*
 * A record at rest: its fields as bytes, driven by the same field table, in one allocation of a quarter to a sixth of the plain
 * struct's. Made when a record is laid down to be kept, expanded into an arena when somebody looks at it. Of the key (meta.ns,
 * meta.name) it keeps nothing: whoever keeps the compact form knows it.
 */
#ifndef TOLLGATE_COMPACT_H
#define TOLLGATE_COMPACT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "codec.h"

struct compact; /* opaque; one malloc'ed allocation */

/* Takes a record that the codec made: its references to atoms pass over to the compact form, those to its namespace and name are
 * released, its allocation is freed. Words that many records repeat (255 at most) get numbers, and a reference of the codec's own
 * until it is freed, which must be after its compact forms. */
struct compact *compact_new(struct codec *, const struct resource *, void *record) must_check;
/* The record again, as it was, valid as long as the arena, the compact form and the key's atoms are: texts may lie in the form
 * itself. It holds no references of its own: it must not be given to record_free(). The codec is the one that made the form. */
void *compact_record(const struct codec *, const struct compact *, const struct resource *, atom_t ns, atom_t name,
		     struct arena *) must_check;
/* Releases its references and frees it. NULL is fine. */
void compact_free(struct codec *, const struct resource *, struct compact *);
/* Bytes of its allocation. */
size_t compact_size(const struct compact *);

/* What is asked most, without expanding, and of any kind. An absent text is equal to none. */
bool compact_has_version(const struct compact *, const char *resource_version);
bool compact_has_uid(const struct compact *, const char *uid);
/* Copies the resourceVersion, NUL-terminated and whole, where it has room (which is at least 1); else "", as for an absent one. Its
 * length, 0 if absent, even when it was not copied. */
size_t compact_version(const struct compact *, char *to, size_t room);

#endif
