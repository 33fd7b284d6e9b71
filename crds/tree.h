/* Between JSON text, trees and records of a kind: what objects and envelopes share. Private to crds/. */
#ifndef TOLLGATE_TREE_H
#define TOLLGATE_TREE_H

#include <jansson.h>
#include <stdbool.h>

#include "codec.h"

struct codec {
	struct atoms *atoms;
	struct arena scratch;
	const char *project_label;
};

/* The caller's, or NULL with err. */
json_t *tree_parse(const char *text, size_t len, struct error *err);
/* A member that is a string without NULs of 1 to max bytes, borrowed; else NULL. */
const char *tree_text(const json_t *object, const char *member, size_t max);
/* metav1.TypeMeta against what is expected: kind plus suffix ("List"). Absent ones pass when `optional`. */
int tree_check_kind(const struct resource *, const char *suffix, bool optional, const json_t *tree, struct error *err) must_check;
/* The record (record_free), or NULL with err: "Kind namespace/name: path: what". */
void *tree_record(struct codec *, const struct resource *, bool kind_optional, const json_t *tree, struct error *err) must_check;

void tree_cleanup(json_t **);
#define cleanup_tree __attribute__((cleanup(tree_cleanup)))

#endif
