/*
 * JSON text, written from front to back without a tree: for what is written ten thousand times. Names of members are ours and need no
 * escapes. Texts are UTF-8; one that is not is a bug of ours and asserts. Private to crds/.
 */
#ifndef TOLLGATE_PRINT_H
#define TOLLGATE_PRINT_H

#include <stddef.h>
#include <stdint.h>

/* Begin with { 0 }. The text is NUL-terminated as soon as there is one, and the caller's: free(3). */
struct print {
	char *text;
	size_t len, room;
};

/* "{", "}", "[", "]", or a literal. */
void print_token(struct print *, const char *token);
/* Before a member's value, and before an element: with a comma, if it is not the first. */
void print_member(struct print *, const char *name);
void print_element(struct print *);
void print_string(struct print *, const char *text);
void print_integer(struct print *, int64_t value);

#endif
