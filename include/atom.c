/*
 * The table of atoms: open addressing with linear probing, so that a look-up touches one run of pointers. Invariant: an
 * atom lies in the first free place at or after its hash's home; removal moves later ones up instead of leaving marks.
 * Must not know what the strings mean.
 */
#include "atom.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { PLACES_FIRST = 256 };

struct atoms {
	struct atom **places;
	size_t n_places; /* a power of two; at most three quarters are taken */
	size_t count;
	size_t text_bytes;
	uint64_t seed;
};

/* Callers get const atoms: only the table, which made them, may count. */
static struct atom *writable(atom_t atom)
{
	return (struct atom *)(uintptr_t)atom;
}

static size_t atom_bytes(size_t len)
{
	return sizeof(struct atom) + len + 1;
}

/* Seeded, since names come from whoever may create objects: who cannot see the seed cannot fill one run of places. */
static uint32_t hash_text(uint64_t seed, const char *text, size_t len)
{
	uint64_t h = seed ^ (len * UINT64_C(0x9E3779B97F4A7C15));

	while (len) {
		const size_t take = len < sizeof(uint64_t) ? len : sizeof(uint64_t);
		uint64_t chunk = 0;

		memcpy(&chunk, text, take);
		h = (h ^ chunk) * (seed | 1);
		h ^= h >> 29;
		h *= UINT64_C(0xBF58476D1CE4E5B9);
		h ^= h >> 32;
		text += take;
		len -= take;
	}
	return (uint32_t)(h ^ h >> 32);
}

/* Where the string is, or the free place where it belongs. */
static size_t place_of(const struct atoms *atoms, uint32_t hash, const char *text, size_t len)
{
	size_t place = hash & (atoms->n_places - 1);

	for (const struct atom *atom; (atom = atoms->places[place]); place = (place + 1) & (atoms->n_places - 1))
		if (atom->hash == hash && strlen(atom->text) == len && memcmp(atom->text, text, len) == 0)
			break;
	return place;
}

static void resize(struct atoms *atoms, size_t n_places)
{
	struct atom **old = atoms->places;
	const size_t n_old = atoms->n_places;

	atoms->places = memory_alloc(n_places * sizeof(struct atom *));
	atoms->n_places = n_places;
	for (size_t i = 0; i < n_old; i++) {
		size_t place;

		if (!old[i])
			continue;
		place = old[i]->hash & (n_places - 1);
		while (atoms->places[place])
			place = (place + 1) & (n_places - 1);
		atoms->places[place] = old[i];
	}
	free(old);
}

struct atoms *atoms_new(void)
{
	struct atoms *atoms = memory_alloc(sizeof(*atoms));

	atoms_seed(atoms, 0);
	resize(atoms, PLACES_FIRST);
	return atoms;
}

void atoms_seed(struct atoms *atoms, uint64_t seed)
{
	assert(atoms->count == 0);
	atoms->seed = (seed + 1) * UINT64_C(0x94D049BB133111EB);
}

void atoms_free(struct atoms *atoms)
{
	if (!atoms)
		return;
	assert(atoms->count == 0);
	for (size_t i = 0; i < atoms->n_places; i++)
		free(atoms->places[i]);
	free(atoms->places);
	free(atoms);
}

atom_t atom_intern(struct atoms *atoms, const char *text, size_t len)
{
	const uint32_t hash = hash_text(atoms->seed, text, len);
	size_t place = place_of(atoms, hash, text, len);
	struct atom *atom = atoms->places[place];

	if (atom)
		return atom_ref(atom);
	assert(!memchr(text, '\0', len));
	if ((atoms->count + 1) * 4 > atoms->n_places * 3) {
		resize(atoms, atoms->n_places * 2);
		place = place_of(atoms, hash, text, len);
	}
	atom = memory_alloc(atom_bytes(len));
	atom->refs = 1;
	atom->hash = hash;
	memcpy(atom->text, text, len);
	atoms->places[place] = atom;
	atoms->count++;
	atoms->text_bytes += atom_bytes(len);
	return atom;
}

atom_t atom_of(struct atoms *atoms, const char *text)
{
	return atom_intern(atoms, text, strlen(text));
}

atom_t atom_find(const struct atoms *atoms, const char *text, size_t len)
{
	return atoms->places[place_of(atoms, hash_text(atoms->seed, text, len), text, len)];
}

atom_t atom_ref(atom_t atom)
{
	if (atom) {
		assert(atom->refs < UINT32_MAX);
		writable(atom)->refs++;
	}
	return atom;
}

/* Frees a place and moves up whatever would no longer be found across the hole. */
static void vacate(struct atoms *atoms, size_t hole)
{
	const size_t mask = atoms->n_places - 1;

	for (size_t at = (hole + 1) & mask; atoms->places[at]; at = (at + 1) & mask) {
		const size_t home = atoms->places[at]->hash & mask;

		/* Its run began at or before the hole, going round the end of the table. */
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			atoms->places[hole] = atoms->places[at];
			hole = at;
		}
	}
	atoms->places[hole] = NULL;
}

void atom_unref(struct atoms *atoms, atom_t atom)
{
	size_t place, len;

	if (!atom)
		return;
	assert(atom->refs > 0);
	if (--writable(atom)->refs > 0)
		return;
	len = strlen(atom->text);
	place = place_of(atoms, atom->hash, atom->text, len);
	assert(atoms->places[place] == atom);
	vacate(atoms, place);
	atoms->count--;
	atoms->text_bytes -= atom_bytes(len);
	free(writable(atom));
	/* A cluster that shrank gives its table back, with room left so that it does not swing. */
	if (atoms->n_places > PLACES_FIRST && atoms->count * 8 < atoms->n_places)
		resize(atoms, atoms->n_places / 2);
}

atom_t atom_from_text(const char *text)
{
	return (const struct atom *)(const void *)(text - offsetof(struct atom, text));
}

size_t atoms_count(const struct atoms *atoms)
{
	return atoms->count;
}

size_t atoms_bytes(const struct atoms *atoms)
{
	return atoms->text_bytes + atoms->n_places * sizeof(struct atom *) + sizeof(*atoms);
}
