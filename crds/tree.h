/* Between JSON text, trees and records of a kind: what objects and envelopes share. Private to crds/. */
#ifndef TOLLGATE_TREE_H
#define TOLLGATE_TREE_H

#include <jansson.h>
#include <stdbool.h>

#include "codec.h"
#include "words.h"

struct codec {
	struct atoms *atoms;
	struct arena scratch;
	struct words words; /* of compact forms */
	const char *project_label;
};

/* Every kind's, by enum kind_id. */
extern const struct resource *const tree_resources[KIND_COUNT];

/* The caller's, or NULL with err; max: bytes of text. Nesting ends at jansson's own 2048 levels, which bounds every recursion. */
json_t *tree_parse(const char *text, size_t len, size_t max, struct error *err);
/* No less than what tree_parse will ever hold at once of that text: the tree, and what the parser needs while it builds. */
size_t tree_weight(const char *text, size_t len);
/* A member that is a string without NULs of 1 to max bytes, borrowed; else NULL. */
const char *tree_text(const json_t *object, const char *member, size_t max);
/* metav1.TypeMeta against what is expected: kind plus suffix ("List"). Absent ones pass when `optional`. */
int tree_check_kind(const struct resource *, const char *suffix, bool optional, const json_t *tree, struct error *err) must_check;
/* The record (record_free), or NULL with err: "Kind namespace/name: path: what". */
void *tree_record(struct codec *, const struct resource *, bool kind_optional, const json_t *tree, struct error *err) must_check;

/* What the API server will fill in where an object that is on its way to it says nothing. "" or 0: it knows nothing either. */
struct tree_fill {
	bool new; /* name, uid and resourceVersion may stay empty */
	const char *ns, *uid, *resource_version;
	instant_t created, deleted;
};
void *tree_record_sent(struct codec *, const struct resource *, const struct tree_fill *, const json_t *tree,
		       struct error *err) must_check;

/* What was made, as compact text; takes the tree. */
char *tree_print(json_t *);
/* The argument. Around whatever makes a tree: NULL means that a text of ours is no UTF-8, since running out of memory aborts. */
json_t *tree_made(json_t *);
/* A text of ours; the caller's. */
json_t *tree_string(const char *text);
/* As it is added to an object's owners: not as its controller, and not in the way of the owner's deletion. */
json_t *tree_owner(const struct owner_reference *);
/* An operation of RFC 6902; takes the value, NULL for none. */
json_t *tree_operation(const char *op, const char *path, json_t *value);

void tree_cleanup(json_t **);
#define cleanup_tree __attribute__((cleanup(tree_cleanup)))

#endif
