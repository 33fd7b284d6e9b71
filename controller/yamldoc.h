/*
 * A YAML file as a tree of nodes that know their line and column, for the kubeconfig and our own options file. Strict and bounded:
 * one document, string keys, no key twice in a map, no tags, no merge keys; size, depth and number of nodes (aliases counted as if
 * written out) are capped, so no file can make us slow or large. Knows no keys.
 * Not named yaml.h, and no yaml_ prefix: libyaml owns both.
 */
#ifndef TOLLGATE_YAMLDOC_H
#define TOLLGATE_YAMLDOC_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum yamlnode_type {
	YAMLNODE_NULL,	 /* nothing, ~ or null, unquoted */
	YAMLNODE_SCALAR, /* text is what was written, a C string (no NUL inside) */
	YAMLNODE_LIST,	 /* items */
	YAMLNODE_MAP,	 /* keys (all scalars) and items */
};

/* Immutable; owned by the document. An alias is the same node again, so the tree may share branches but has no circles. */
struct yamlnode {
	enum yamlnode_type type;
	bool quoted;	       /* scalars: "true" in quotes is not a boolean */
	unsigned line, column; /* from 1; of an alias: where its anchor is */
	const char *text;
	size_t n;
	const struct yamlnode *const *keys, *const *items;
};

enum {
	YAMLDOC_BYTES_MAX = 8 << 20,
	YAMLDOC_DEPTH_MAX = 64,
	YAMLDOC_NODES_MAX = 250000,
	YAMLDOC_ANCHORS_MAX = 100, /* each alias is compared with all of them */
};

struct yamldoc;

/* name is for messages and is copied. NULL and ERROR_INVALID ("<name>:<line>:<column>: ...") when it is not acceptable. */
struct yamldoc *yamldoc_parse(const char *name, const char *text, size_t len, struct error *) must_check;
/* The same for a file. ERROR_NOT_FOUND when there is none. */
struct yamldoc *yamldoc_read(const char *path, struct error *) must_check;
void yamldoc_free(struct yamldoc *);

/* Never NULL: an empty document has a YAMLNODE_NULL at its root. */
const struct yamlnode *yamldoc_root(const struct yamldoc *);
const char *yamldoc_name(const struct yamldoc *);

/* The value under a key; NULL when map is NULL, is not a map, has no such key or has a null there. */
const struct yamlnode *yamlnode_get(const struct yamlnode *map, const char *key);

/* Sets ERROR_INVALID "<name>:<line>:<column>: <text>" and returns -1. */
int yamldoc_fail(const struct yamldoc *, const struct yamlnode *, struct error *, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Typed look-ups under a key of a map (or of NULL, which has nothing). Absent and null leave *out alone and give 0; a value of
 * another type gives -1 and a message with place and key. Strings are borrowed from the document. A boolean is an unquoted true
 * or false (True, TRUE, ...), a number unquoted decimal digits.
 */
int yamldoc_string(const struct yamldoc *, const struct yamlnode *map, const char *key, const char **out,
		   struct error *) must_check;
int yamldoc_bool(const struct yamldoc *, const struct yamlnode *map, const char *key, bool *out, struct error *) must_check;
int yamldoc_long(const struct yamldoc *, const struct yamlnode *map, const char *key, long min, long max, long *out,
		 struct error *) must_check;
int yamldoc_map(const struct yamldoc *, const struct yamlnode *map, const char *key, const struct yamlnode **out,
		struct error *) must_check;
int yamldoc_list(const struct yamldoc *, const struct yamlnode *map, const char *key, const struct yamlnode **out,
		 struct error *) must_check;

#endif
