/*
 * What a server does to JSON: write it down, and the three kinds of patches. On jansson's trees.
 */
#ifndef SIM_DOC_H
#define SIM_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that grows. hash: of what the tree says, without uids and moments, so that two runs that differ in nothing else are one state. */
struct doc_text {
	char *at;
	size_t len, room;
	uint64_t hash;
};

/* Replaces what is there. */
void doc_write(struct doc_text *, const json_t *);
void doc_text_close(struct doc_text *);

/* RFC 7386 on an object in place; no member of `patch` is shared with it afterwards. */
void doc_merge(json_t *object, const json_t *patch);
/* RFC 6902 in place: test, add, remove. 0, or -1 when an operation cannot be done; then the object may be half changed. */
int doc_patch(json_t *object, const json_t *operations);

/* doc_at(object, "spec", "projectRef", "name", NULL): borrowed, or NULL where a step is missing. */
json_t *doc_at(const json_t *object, ...) __attribute__((sentinel));
/* The same as text; "" where there is none. */
const char *doc_word(const json_t *object, ...) __attribute__((sentinel));
/* The condition of that type in status.conditions, or NULL. */
const json_t *doc_condition(const json_t *object, const char *type);

#endif
