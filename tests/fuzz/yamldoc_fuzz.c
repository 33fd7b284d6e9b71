/*
 * YAML. Input: a document. It is the tree that libyaml's own loader makes, which yamldoc.c does not use; or it is refused with its
 * place.
 */
#include <stdio.h>
#include <yaml.h>

#include "fuzz.h"
#include "yamldoc.h"

static void check_node(yaml_document_t *document, const yaml_node_t *theirs, const struct yamlnode *ours);

static void check_children(yaml_document_t *document, const yaml_node_t *theirs, const struct yamlnode *ours)
{
	if (ours->type == YAMLNODE_LIST) {
		check(theirs->type == YAML_SEQUENCE_NODE);
		check(theirs->data.sequence.items.top - theirs->data.sequence.items.start == (ptrdiff_t)ours->n);
		for (size_t i = 0; i < ours->n; i++)
			check_node(document, yaml_document_get_node(document, theirs->data.sequence.items.start[i]),
				   ours->items[i]);
		return;
	}
	check(theirs->type == YAML_MAPPING_NODE);
	check(theirs->data.mapping.pairs.top - theirs->data.mapping.pairs.start == (ptrdiff_t)ours->n);
	for (size_t i = 0; i < ours->n; i++) {
		check_node(document, yaml_document_get_node(document, theirs->data.mapping.pairs.start[i].key), ours->keys[i]);
		check_node(document, yaml_document_get_node(document, theirs->data.mapping.pairs.start[i].value), ours->items[i]);
	}
}

/* Of what libyaml itself makes of anchors, nesting and texts. */
static void check_node(yaml_document_t *document, const yaml_node_t *theirs, const struct yamlnode *ours)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	bool is_null = false;

	check(theirs);
	check(ours->line == theirs->start_mark.line + 1 && ours->column == theirs->start_mark.column + 1);
	if (ours->type == YAMLNODE_LIST || ours->type == YAMLNODE_MAP) {
		check_children(document, theirs, ours);
		return;
	}
	check(theirs->type == YAML_SCALAR_NODE);
	check(strcmp((const char *)theirs->data.scalar.value, ours->text) == 0 && theirs->data.scalar.length == strlen(ours->text));
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		is_null |= strcmp(ours->text, nulls[i]) == 0;
	check((ours->type == YAMLNODE_NULL) == (is_null && !ours->quoted));
	check(ours->quoted || theirs->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

/* libyaml refuses what we take in one case: an anchor that is defined again. */
static void check_tree(const struct yamldoc *doc, const char *text, size_t len)
{
	yaml_parser_t parser;
	yaml_document_t document;

	check(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (yaml_parser_load(&parser, &document)) {
		const yaml_node_t *root = yaml_document_get_root_node(&document);

		if (root)
			check_node(&document, root, yamldoc_root(doc));
		else
			check(yamldoc_root(doc)->type == YAMLNODE_NULL);
		yaml_document_delete(&document);
	} else {
		check(parser.context && strncmp(parser.context, "found duplicate anchor", 22) == 0);
	}
	yaml_parser_delete(&parser);
}

/* All that is there is what it is said to be; all that is not leaves the default alone. */
static void check_lookups(const struct yamldoc *doc)
{
	const struct yamlnode *root = yamldoc_root(doc), *node = NULL;
	const char *text = NULL;
	bool flag = false;
	long number = -7;
	struct error err = { 0 };

	if (yamldoc_string(doc, root, "s", &text, &err) != 0)
		check_error(&err);
	else
		check(!text == !yamlnode_get(root, "s"));
	if (yamldoc_bool(doc, root, "b", &flag, &err) != 0)
		check_error(&err);
	else
		check(!flag || yamlnode_get(root, "b"));
	if (yamldoc_long(doc, root, "n", 1, 99, &number, &err) != 0)
		check_error(&err);
	else
		check(yamlnode_get(root, "n") ? number >= 1 && number <= 99 : number == -7);
	if (yamldoc_map(doc, root, "m", &node, &err) != 0)
		check_error(&err);
	else
		check(!node || node->type == YAMLNODE_MAP);
	node = NULL;
	if (yamldoc_list(doc, root, "l", &node, &err) != 0)
		check_error(&err);
	else
		check(!node || node->type == YAMLNODE_LIST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = rest_of(data, size, 0);
	struct error err = { 0 };
	struct yamldoc *doc = yamldoc_parse("fuzz", text, size, &err);
	unsigned line, column;

	if (!doc) {
		check_error(&err);
		check(sscanf(err.message, "fuzz:%u:%u: ", &line, &column) == 2 && line > 0 && column > 0);
		return 0;
	}
	check(strcmp(yamldoc_name(doc), "fuzz") == 0);
	check_lookups(doc);
	check_tree(doc, text, size);
	yamldoc_free(doc);
	return 0;
}
