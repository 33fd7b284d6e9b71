/* words.h: an open-addressed table that only grows, and not beyond what it began as. */
#include "words.h"

/* A word of this many referrers is one of those that repeat. The first records of a kind go without. */
enum { REFERRERS_MIN = 16 };

unsigned words_number(struct words *words, atom_t atom)
{
	unsigned place = atom->hash % WORDS_PLACES;

	for (; words->places[place]; place = (place + 1) % WORDS_PLACES)
		if (words->by_number[words->places[place]] == atom)
			return words->places[place];
	if (words->n == WORDS_MAX || atom->refs < REFERRERS_MIN)
		return 0;
	words->by_number[++words->n] = atom_ref(atom);
	words->places[place] = (unsigned char)words->n;
	return words->n;
}

void words_close(struct atoms *atoms, struct words *words)
{
	for (unsigned i = 1; i <= words->n; i++)
		atom_unref(atoms, words->by_number[i]);
	*words = (struct words){ 0 };
}
