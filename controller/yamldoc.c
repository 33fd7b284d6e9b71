/*
 * Builds the tree of yamldoc.h from libyaml's events. Must not know what the keys mean. Invariants: recursion is never deeper than
 * YAMLDOC_DEPTH_MAX; `nodes` counts every node as if aliases were written out and stops at YAMLDOC_NODES_MAX, so who walks the tree
 * is bounded too; a node becomes known as an anchor only when it is complete, so it cannot contain itself.
 */
#include "yamldoc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "arena.h"
#include "memory.h"

struct yamldoc {
	struct arena arena;
	const char *name;
	const struct yamlnode *root;
};

/* A node as long as it is being built: what an alias to it would add. */
struct built {
	const struct yamlnode *node;
	size_t nodes;
	unsigned height;
};

struct anchor {
	struct anchor *next;
	const char *name;
	struct built built;
};

struct parse {
	struct yamldoc *doc;
	yaml_parser_t parser;
	yaml_event_t event;
	struct anchor *anchors;
	size_t n_anchors;
	const struct yamlnode **stack; /* children of the collections that are still open */
	size_t stacked, stack_room;
	size_t nodes;
};

static int fail_at(const struct yamldoc *doc, yaml_mark_t mark, struct error *err, const char *what)
{
	return error_set(err, ERROR_INVALID, "%s:%zu:%zu: %s", doc->name, mark.line + 1, mark.column + 1, what);
}

static int next_event(struct parse *p, struct error *err)
{
	yaml_event_delete(&p->event);
	if (yaml_parser_parse(&p->parser, &p->event))
		return 0;
	/* The reader's errors (not UTF-8) come without a mark. */
	yaml_mark_t mark = p->parser.problem_mark.line ? p->parser.problem_mark : p->parser.mark;

	return fail_at(p->doc, mark, err, p->parser.problem ? p->parser.problem : "not YAML");
}

static void push(struct parse *p, const struct yamlnode *node)
{
	if (p->stacked == p->stack_room) {
		p->stack_room = p->stack_room ? 2 * p->stack_room : 64;
		p->stack = memory_resize(p->stack, p->stack_room * sizeof(*p->stack));
	}
	p->stack[p->stacked++] = node;
}

static bool is_null(const char *text)
{
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
	       strcmp(text, "NULL") == 0;
}

static int fill_scalar(struct parse *p, struct yamlnode *node, struct error *err)
{
	const char *text = (const char *)p->event.data.scalar.value;
	const char *tag = (const char *)p->event.data.scalar.tag;
	size_t len = p->event.data.scalar.length;

	if (tag && strcmp(tag, "!") != 0 && strcmp(tag, YAML_STR_TAG) != 0)
		return fail_at(p->doc, p->event.start_mark, err, "tags are not supported");
	if (memchr(text, '\0', len))
		return fail_at(p->doc, p->event.start_mark, err, "a NUL character");
	node->quoted = tag || p->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = arena_strndup(&p->doc->arena, text, len);
	node->type = !node->quoted && is_null(node->text) ? YAMLNODE_NULL : YAMLNODE_SCALAR;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct yamlnode *const *x = a, *const *y = b;
	int order = strcmp((*x)->text, (*y)->text);

	return order ? order : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

/* Sorted, because comparing each with each would let one large map take minutes. */
static int check_keys(struct parse *p, const struct yamlnode *map, struct error *err)
{
	size_t bytes = map->n * sizeof(*map->keys);
	cleanup_free const struct yamlnode **sorted = memory_alloc(bytes ? bytes : 1);

	memcpy(sorted, map->keys, bytes);
	qsort(sorted, map->n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < map->n; i++)
		if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
			return yamldoc_fail(p->doc, sorted[i], err, "\"%s\" is there twice (first in line %u)", sorted[i]->text,
					    sorted[i - 1]->line);
	return 0;
}

static int build(struct parse *p, unsigned depth, struct built *out, struct error *err);

/* The children were pushed in the order of the text; in a map every second one is a key. */
static void take_children(struct parse *p, size_t base, struct yamlnode *node)
{
	size_t step = node->type == YAMLNODE_MAP ? 2 : 1;
	size_t n = (p->stacked - base) / step;
	const struct yamlnode **items = arena_array(&p->doc->arena, const struct yamlnode *, n + 1);
	const struct yamlnode **keys = step == 2 ? arena_array(&p->doc->arena, const struct yamlnode *, n + 1) : NULL;

	for (size_t i = 0; i < n; i++) {
		if (keys)
			keys[i] = p->stack[base + i * 2];
		items[i] = p->stack[base + i * step + step - 1];
	}
	node->n = n;
	node->keys = keys;
	node->items = items;
	p->stacked = base;
}

static int fill_collection(struct parse *p, unsigned depth, struct yamlnode *node, unsigned *height, struct error *err)
{
	bool map = p->event.type == YAML_MAPPING_START_EVENT;
	yaml_event_type_t end = map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	size_t base = p->stacked;

	if (map ? p->event.data.mapping_start.tag : p->event.data.sequence_start.tag)
		return fail_at(p->doc, p->event.start_mark, err, "tags are not supported");
	node->type = map ? YAMLNODE_MAP : YAMLNODE_LIST;
	if (next_event(p, err))
		return -1;
	while (p->event.type != end) {
		bool key = map && (p->stacked - base) % 2 == 0;
		struct built child;

		if (build(p, depth + 1, &child, err))
			return -1;
		if (key && child.node->type != YAMLNODE_SCALAR)
			return yamldoc_fail(p->doc, child.node, err, "a key must be a string");
		if (key && !child.node->quoted && strcmp(child.node->text, "<<") == 0)
			return yamldoc_fail(p->doc, child.node, err, "merge keys are not supported");
		if (child.height >= *height)
			*height = child.height + 1;
		push(p, child.node);
		if (next_event(p, err))
			return -1;
	}
	take_children(p, base, node);
	return map ? check_keys(p, node, err) : 0;
}

static int build_alias(struct parse *p, unsigned depth, struct built *out, struct error *err)
{
	const char *name = (const char *)p->event.data.alias.anchor;

	for (const struct anchor *a = p->anchors; a; a = a->next) {
		if (strcmp(a->name, name) != 0)
			continue;
		*out = a->built;
		p->nodes += out->nodes;
		if (p->nodes > YAMLDOC_NODES_MAX)
			return fail_at(p->doc, p->event.start_mark, err, "too many values");
		if (depth + out->height > YAMLDOC_DEPTH_MAX)
			return fail_at(p->doc, p->event.start_mark, err, "nested too deeply");
		return 0;
	}
	return fail_at(p->doc, p->event.start_mark, err, "no anchor before this alias");
}

static int remember_anchor(struct parse *p, const char *name, const struct built *built, struct error *err)
{
	struct anchor *anchor = arena_new(&p->doc->arena, struct anchor);

	if (++p->n_anchors > YAMLDOC_ANCHORS_MAX)
		return yamldoc_fail(p->doc, built->node, err, "too many anchors");
	anchor->name = name;
	anchor->built = *built;
	anchor->next = p->anchors; /* the newest first: an anchor may be defined again */
	p->anchors = anchor;
	return 0;
}

/* The node whose first event is p->event; its last event is p->event afterwards. */
static int build(struct parse *p, unsigned depth, struct built *out, struct error *err)
{
	if (p->event.type == YAML_ALIAS_EVENT)
		return build_alias(p, depth, out, err);
	size_t nodes_before = p->nodes++;

	if (p->nodes > YAMLDOC_NODES_MAX)
		return fail_at(p->doc, p->event.start_mark, err, "too many values");
	if (depth > YAMLDOC_DEPTH_MAX)
		return fail_at(p->doc, p->event.start_mark, err, "nested too deeply");

	struct yamlnode *node = arena_new(&p->doc->arena, struct yamlnode);
	bool scalar = p->event.type == YAML_SCALAR_EVENT;
	const yaml_char_t *anchor = scalar					? p->event.data.scalar.anchor
				    : p->event.type == YAML_MAPPING_START_EVENT ? p->event.data.mapping_start.anchor
										: p->event.data.sequence_start.anchor;
	const char *name = anchor ? arena_printf(&p->doc->arena, "%s", (const char *)anchor) : NULL;

	node->line = (unsigned)p->event.start_mark.line + 1;
	node->column = (unsigned)p->event.start_mark.column + 1;
	*out = (struct built){ .node = node };
	if (scalar ? fill_scalar(p, node, err) : fill_collection(p, depth, node, &out->height, err))
		return -1;
	out->nodes = p->nodes - nodes_before;
	return name ? remember_anchor(p, name, out, err) : 0;
}

static int skip_events(struct parse *p, int n, struct error *err)
{
	while (n-- > 0)
		if (next_event(p, err))
			return -1;
	return 0;
}

/* Stream and document start and end around the one node. */
static int build_document(struct parse *p, struct error *err)
{
	static const struct yamlnode nothing = { .type = YAMLNODE_NULL, .line = 1, .column = 1, .text = "" };
	struct built root = { .node = &nothing };

	if (skip_events(p, 2, err))
		return -1;
	if (p->event.type == YAML_DOCUMENT_START_EVENT) {
		if (next_event(p, err) || build(p, 1, &root, err) || skip_events(p, 2, err))
			return -1;
		if (p->event.type != YAML_STREAM_END_EVENT)
			return fail_at(p->doc, p->event.start_mark, err, "a second document");
	}
	p->doc->root = root.node;
	return 0;
}

struct yamldoc *yamldoc_parse(const char *name, const char *text, size_t len, struct error *err)
{
	if (len > YAMLDOC_BYTES_MAX) {
		error_set(err, ERROR_INVALID, "%s: larger than %d MiB", name, YAMLDOC_BYTES_MAX >> 20);
		return NULL;
	}
	struct yamldoc *doc = memory_alloc(sizeof(*doc));
	struct parse p = { .doc = doc };

	arena_init(&doc->arena);
	doc->name = arena_printf(&doc->arena, "%s", name);
	if (!yaml_parser_initialize(&p.parser))
		abort(); /* out of memory, as in memory.c */
	yaml_parser_set_input_string(&p.parser, (const unsigned char *)text, len);
	int result = build_document(&p, err);

	yaml_event_delete(&p.event);
	yaml_parser_delete(&p.parser);
	free(p.stack);
	if (result == 0)
		return doc;
	yamldoc_free(doc);
	return NULL;
}

/* Reads on to the end instead of trusting st_size: /proc and pipes have none. */
static char *read_all(int fd, size_t *len)
{
	char *text = NULL;
	size_t room = 0;

	*len = 0;
	for (;;) {
		if (*len == room) {
			room = room ? 2 * room : 16 << 10;
			text = memory_resize(text, room);
		}
		ssize_t got = read(fd, text + *len, room - *len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return NULL;
		}
		*len += (size_t)got;
		if (got == 0 || *len > YAMLDOC_BYTES_MAX)
			return text;
	}
}

struct yamldoc *yamldoc_read(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	char *text = fd < 0 ? NULL : read_all(fd, &len);
	int cause = errno;

	if (fd >= 0)
		close(fd);
	if (!text) {
		error_set(err, cause == ENOENT ? ERROR_NOT_FOUND : ERROR_INVALID, "%s: %s", path, strerror(cause));
		return NULL;
	}
	struct yamldoc *doc = yamldoc_parse(path, text, len, err);

	free(text);
	return doc;
}

void yamldoc_free(struct yamldoc *doc)
{
	if (!doc)
		return;
	arena_close(&doc->arena);
	free(doc);
}

const struct yamlnode *yamldoc_root(const struct yamldoc *doc)
{
	return doc->root;
}

const char *yamldoc_name(const struct yamldoc *doc)
{
	return doc->name;
}

const struct yamlnode *yamlnode_get(const struct yamlnode *map, const char *key)
{
	if (!map || map->type != YAMLNODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->items[i]->type == YAMLNODE_NULL ? NULL : map->items[i];
	return NULL;
}

int yamldoc_fail(const struct yamldoc *doc, const struct yamlnode *node, struct error *err, const char *format, ...)
{
	char text[ERROR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(err, ERROR_INVALID, "%s:%u:%u: %s", doc->name, node->line, node->column, text);
}

int yamldoc_string(const struct yamldoc *doc, const struct yamlnode *map, const char *key, const char **out, struct error *err)
{
	const struct yamlnode *node = yamlnode_get(map, key);

	if (!node)
		return 0;
	if (node->type != YAMLNODE_SCALAR)
		return yamldoc_fail(doc, node, err, "%s: must be a string", key);
	*out = node->text;
	return 0;
}

int yamldoc_bool(const struct yamldoc *doc, const struct yamlnode *map, const char *key, bool *out, struct error *err)
{
	static const char *const words[] = { "false", "true", "False", "True", "FALSE", "TRUE" };
	const struct yamlnode *node = yamlnode_get(map, key);

	if (!node)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && node->type == YAMLNODE_SCALAR && !node->quoted; i++) {
		if (strcmp(node->text, words[i]) == 0) {
			*out = i % 2;
			return 0;
		}
	}
	return yamldoc_fail(doc, node, err, "%s: must be true or false", key);
}

int yamldoc_long(const struct yamldoc *doc, const struct yamlnode *map, const char *key, long min, long max, long *out,
		 struct error *err)
{
	const struct yamlnode *node = yamlnode_get(map, key);
	char *end = NULL;

	if (!node)
		return 0;
	if (node->type == YAMLNODE_SCALAR && !node->quoted && node->text[strspn(node->text, "-0123456789")] == '\0') {
		errno = 0;
		long value = strtol(node->text, &end, 10);

		if (end != node->text && !*end && !errno && value >= min && value <= max) {
			*out = value;
			return 0;
		}
	}
	return yamldoc_fail(doc, node, err, "%s: must be a number from %ld to %ld", key, min, max);
}

static int get_typed(const struct yamldoc *doc, const struct yamlnode *map, const char *key, enum yamlnode_type type,
		     const struct yamlnode **out, struct error *err)
{
	const struct yamlnode *node = yamlnode_get(map, key);

	if (!node)
		return 0;
	if (node->type != type)
		return yamldoc_fail(doc, node, err, "%s: must be a %s", key, type == YAMLNODE_MAP ? "map" : "list");
	*out = node;
	return 0;
}

int yamldoc_map(const struct yamldoc *doc, const struct yamlnode *map, const char *key, const struct yamlnode **out,
		struct error *err)
{
	return get_typed(doc, map, key, YAMLNODE_MAP, out, err);
}

int yamldoc_list(const struct yamldoc *doc, const struct yamlnode *map, const char *key, const struct yamlnode **out,
		 struct error *err)
{
	return get_typed(doc, map, key, YAMLNODE_LIST, out, err);
}
