/*
 * Numbers for words that repeat: condition types, reasons, what most messages say. They are given out for good, so that nobody has
 * to count who uses one; so they are few, and only a word that many refer to gets one. Private to crds/.
 */
#ifndef TOLLGATE_WORDS_H
#define TOLLGATE_WORDS_H

#include "atom.h"

enum { WORDS_MAX = 255, WORDS_PLACES = 512 };

struct words {
	atom_t by_number[WORDS_MAX + 1]; /* from 1; holds references */
	unsigned n;
	unsigned char places[WORDS_PLACES]; /* of numbers, by the words' hashes; 0: free. Half of them always are. */
};

/* Its number, which it may get now, or 0. */
unsigned words_number(struct words *, atom_t);
void words_close(struct atoms *, struct words *);

#endif
