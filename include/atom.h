/*
 * Interned, reference-counted UTF-8 strings: two atoms of one table are the same string exactly when they are
 * the same pointer. Names, namespaces, references and label values are atoms, so that a key costs three words
 * and comparing one costs an instruction. One table per process (made in main, passed down); not thread-safe.
 */
#ifndef TOLLGATE_ATOM_H
#define TOLLGATE_ATOM_H

#include <stddef.h>
#include <stdint.h>

struct atom {
	uint32_t refs; /* the table's business */
	uint32_t hash; /* stable for the life of the process, not across processes */
	char text[];   /* NUL-terminated; never holds a NUL inside. With a head of 8 bytes, texts of 15 fill malloc's least piece */
};
typedef const struct atom *atom_t;

/* For messages: "" where there is no atom. */
static inline const char *atom_text(atom_t atom)
{
	return atom ? atom->text : "";
}

struct atoms;

struct atoms *atoms_new(void);
/* Before the first atom: what hashes depend on. Random in a process that strangers can feed with names, so that they cannot choose
 * names that collide; chosen where a run must be repeated exactly. */
void atoms_seed(struct atoms *, uint64_t seed);
/* Every atom must have been released; a leak is an assertion in debug builds. NULL is fine. */
void atoms_free(struct atoms *);

/* The atom for text[0..len): the caller owns one reference. Aborts when memory runs out. */
atom_t atom_intern(struct atoms *, const char *text, size_t len);
/* The same for a NUL-terminated string. */
atom_t atom_of(struct atoms *, const char *text);
/* Borrowed, or NULL when nobody holds this string. */
atom_t atom_find(const struct atoms *, const char *text, size_t len);

/* One more reference; returns its argument. NULL passes through both. */
atom_t atom_ref(atom_t);
void atom_unref(struct atoms *, atom_t);

/* The atom that owns a text got from atom->text (see FIELD_WORD in shape.h). */
atom_t atom_from_text(const char *text);

size_t atoms_count(const struct atoms *);
size_t atoms_bytes(const struct atoms *);

#endif
