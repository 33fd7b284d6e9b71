/*
 * yamldoc.c: what is refused and where it says the fault is, and that no file can make it slow or large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory.h"
#include "yamldoc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct yamldoc *parse(const char *text)
{
	struct error err;
	struct yamldoc *doc = yamldoc_parse("f", text, strlen(text), &err);

	if (!doc)
		fail_msg("%s", err.message);
	return doc;
}

static void assert_refused(const char *text, size_t len, const char *message)
{
	struct error err = { 0 };
	struct yamldoc *doc = yamldoc_parse("f", text, len, &err);

	if (doc)
		fail_msg("accepted: %.60s", text);
	assert_int_equal(err.class, ERROR_INVALID);
	if (strncmp(err.message, message, strlen(message)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", err.message, message);
}

static void tree_is_what_was_written(void **state)
{
	struct yamldoc *doc = parse("a: 1\nb: [x, \"y\", {z: }]\nc:\n  d: |\n    two\n    lines\n\"e f\": 'null'\nn: null\n");
	const struct yamlnode *root = yamldoc_root(doc), *b = yamlnode_get(root, "b");

	(void)state;
	assert_int_equal(root->type, YAMLNODE_MAP);
	assert_int_equal(root->n, 5);
	assert_string_equal(yamlnode_get(root, "a")->text, "1");
	assert_int_equal(b->type, YAMLNODE_LIST);
	assert_int_equal(b->n, 3);
	assert_int_equal(b->line, 2);
	assert_int_equal(b->column, 4);
	assert_false(b->items[0]->quoted);
	assert_true(b->items[1]->quoted);
	assert_int_equal(b->items[1]->column, 8);
	assert_int_equal(b->items[2]->items[0]->type, YAMLNODE_NULL);
	assert_string_equal(yamlnode_get(yamlnode_get(root, "c"), "d")->text, "two\nlines\n");
	assert_string_equal(yamlnode_get(root, "e f")->text, "null");
	assert_null(yamlnode_get(root, "n"));
	assert_null(yamlnode_get(root, "missing"));
	assert_null(yamlnode_get(b, "a"));
	assert_null(yamlnode_get(NULL, "a"));
	yamldoc_free(doc);
}

static void empty_documents_are_null(void **state)
{
	static const char *const texts[] = { "", "\n", "# nothing\n", "---\n", "~", "null\n", "--- \n...\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct yamldoc *doc = parse(texts[i]);

		assert_int_equal(yamldoc_root(doc)->type, YAMLNODE_NULL);
		yamldoc_free(doc);
	}
}

static void json_is_yaml(void **state)
{
	struct yamldoc *doc = parse("{\"a\": {\"b\": [true, 12, \"\\u00e9\"]}}");
	const struct yamlnode *b = yamlnode_get(yamlnode_get(yamldoc_root(doc), "a"), "b");

	(void)state;
	assert_string_equal(b->items[2]->text, "é");
	yamldoc_free(doc);
}

static void an_alias_is_its_anchor(void **state)
{
	struct yamldoc *doc = parse("a: &x {k: v}\nb: *x\nc: &x 2\nd: *x\n");
	const struct yamlnode *root = yamldoc_root(doc);

	(void)state;
	assert_ptr_equal(yamlnode_get(root, "a"), yamlnode_get(root, "b"));
	assert_string_equal(yamlnode_get(root, "d")->text, "2");
	yamldoc_free(doc);
}

static void faults_are_named_with_their_place(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "a: 1\nb: 2\na: 3\n", "f:3:1: \"a\" is there twice (first in line 1)" },
		{ "x:\n  - {k: 1, k: 2}\n", "f:2:12: \"k\" is there twice" },
		{ "a: 1\n---\nb: 2\n", "f:2:1: a second document" },
		{ "a: !!int 3\n", "f:1:4: tags are not supported" },
		{ "a: !x {}\n", "f:1:4: tags are not supported" },
		{ "!x [a]\n", "f:1:1: tags are not supported" },
		{ "base: &b {k: v}\na:\n  <<: *b\n", "f:3:3: merge keys are not supported" },
		{ "[a]: b\n", "f:1:1: a key must be a string" },
		{ "~: b\n", "f:1:1: a key must be a string" },
		{ "a: \"x\\0y\"\n", "f:1:4: a NUL character" },
		{ "a: *x\n", "f:1:4: no anchor before this alias" },
		{ "a: &x [*x]\n", "f:1:8: no anchor before this alias" },
		{ "a: [1, 2\n", "f:2:1: " },
		{ "a: b: c\n", "f:1:5: " },
		{ "a:\n\t- b\n", "f:2:1: " },
		{ "a: 'open\n", "f:2:1: " },
		{ "a: \xff\n", "f:1:" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].message);
}

static void typed_look_ups_take_only_their_type(void **state)
{
	struct yamldoc *doc = parse("s: text\nq: \"true\"\nt: true\nT: FALSE\ny: yes\nn: 12\nneg: -3\nbig: 99999999999999999999\n"
				    "qn: \"12\"\noct: 0x10\nl: [1]\nm: {a: 1}\nz: ~\n");
	const struct yamlnode *root = yamldoc_root(doc), *node = NULL;
	const char *text = "kept";
	bool flag = true;
	long number = 7;
	struct error err;

	(void)state;
	assert_int_equal(yamldoc_string(doc, root, "none", &text, &err), 0);
	assert_int_equal(yamldoc_string(doc, root, "z", &text, &err), 0);
	assert_string_equal(text, "kept");
	assert_int_equal(yamldoc_string(doc, root, "n", &text, &err), 0);
	assert_string_equal(text, "12");
	assert_int_equal(yamldoc_string(doc, root, "l", &text, &err), -1);
	assert_string_equal(err.message, "f:11:4: l: must be a string");

	assert_int_equal(yamldoc_bool(doc, root, "T", &flag, &err), 0);
	assert_false(flag);
	assert_int_equal(yamldoc_bool(doc, root, "t", &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(yamldoc_bool(doc, root, "q", &flag, &err), -1);
	assert_int_equal(yamldoc_bool(doc, root, "y", &flag, &err), -1);
	assert_int_equal(yamldoc_bool(doc, root, "m", &flag, &err), -1);
	assert_string_equal(err.message, "f:12:4: m: must be true or false");

	assert_int_equal(yamldoc_long(doc, root, "n", 1, 12, &number, &err), 0);
	assert_int_equal(number, 12);
	assert_int_equal(yamldoc_long(doc, root, "neg", -3, 0, &number, &err), 0);
	assert_int_equal(number, -3);
	assert_int_equal(yamldoc_long(doc, root, "n", 1, 11, &number, &err), -1);
	assert_string_equal(err.message, "f:6:4: n: must be a number from 1 to 11");
	assert_int_equal(yamldoc_long(doc, root, "big", 0, 12, &number, &err), -1);
	assert_int_equal(yamldoc_long(doc, root, "qn", 0, 12, &number, &err), -1);
	assert_int_equal(yamldoc_long(doc, root, "oct", 0, 99, &number, &err), -1);
	assert_int_equal(number, -3);

	assert_int_equal(yamldoc_map(doc, root, "m", &node, &err), 0);
	assert_ptr_equal(node, yamlnode_get(root, "m"));
	assert_int_equal(yamldoc_list(doc, root, "m", &node, &err), -1);
	assert_string_equal(err.message, "f:12:4: m: must be a list");
	assert_int_equal(yamldoc_map(doc, root, "l", &node, &err), -1);
	assert_int_equal(yamldoc_list(doc, root, "l", &node, &err), 0);
	assert_int_equal(node->n, 1);
	assert_int_equal(yamldoc_fail(doc, node, &err, "%d%%", 5), -1);
	assert_string_equal(err.message, "f:11:4: 5%");
	yamldoc_free(doc);
}

/* ---- bounds ---- */

static void nesting_is_bounded(void **state)
{
	char text[2 * 100000 + 1];

	(void)state;
	for (int depth = 63; depth <= 65; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		if (depth <= YAMLDOC_DEPTH_MAX)
			yamldoc_free(parse(text));
		else
			assert_refused(text, strlen(text), "f:1:65: nested too deeply");
	}
	memset(text, '[', 100000);
	assert_refused(text, 100000, "f:1:65: nested too deeply");
	for (size_t i = 0; i < 50000; i++)
		memcpy(text + 2 * i, "- ", 2);
	assert_refused(text, 100000, "f:1:129: nested too deeply");
}

/* Each line nests the one before: deep only when aliases are written out. */
static void nesting_through_aliases_is_bounded(void **state)
{
	char text[8192];
	size_t len = (size_t)sprintf(text, "a0: &a0 [x]\n");

	(void)state;
	for (int i = 1; i < 100; i++)
		len += (size_t)sprintf(text + len, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	assert_refused(text, len, "f:63:");
}

static void billion_laughs_are_refused(void **state)
{
	char text[8192];
	size_t len = (size_t)sprintf(text, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");

	(void)state;
	for (int i = 1; i < 10; i++) {
		len += (size_t)sprintf(text + len, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			len += (size_t)sprintf(text + len, "%s*a%d", j ? ", " : "", i - 1);
		len += (size_t)sprintf(text + len, "]\n");
	}
	assert_refused(text, len, "f:6:15: too many values");
}

/* A hundred thousand of each took 20 s. */
static void number_of_anchors_is_bounded(void **state)
{
	char text[8192];
	size_t len = 0;
	struct error err;

	(void)state;
	for (int i = 1; i <= YAMLDOC_ANCHORS_MAX; i++)
		len += (size_t)sprintf(text + len, "- &a%d x\n", i);
	len += (size_t)sprintf(text + len, "- *a1\n");
	struct yamldoc *doc = yamldoc_parse("f", text, len, &err);

	assert_non_null(doc);
	yamldoc_free(doc);
	len += (size_t)sprintf(text + len, "- &more x\n");
	assert_refused(text, len, "f:102:3: too many anchors");
}

static void number_of_values_is_bounded(void **state)
{
	size_t len = 2 * (YAMLDOC_NODES_MAX + 10);
	char *text = memory_alloc(len + 1);

	(void)state;
	for (size_t i = 0; i < len; i += 2)
		memcpy(text + i, "1,", 2);
	text[0] = '[';
	text[len - 1] = ']';
	assert_refused(text, len, "f:1:");
	free(text);
}

static void size_is_bounded(void **state)
{
	size_t len = YAMLDOC_BYTES_MAX + 1;
	char *text = memory_alloc(len);
	char path[] = "/tmp/yamldoc_test.XXXXXX";
	struct error err;

	(void)state;
	memset(text, ' ', len);
	assert_refused(text, len, "f: larger than 8 MiB");
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, len), len);
	assert_null(yamldoc_read(path, &err));
	assert_non_null(strstr(err.message, ": larger than 8 MiB"));
	assert_int_equal(ftruncate(fd, YAMLDOC_BYTES_MAX), 0);
	struct yamldoc *doc = yamldoc_read(path, &err);

	assert_non_null(doc);
	yamldoc_free(doc);
	close(fd);
	unlink(path);
	free(text);
}

/* 100,000 keys, all different: comparing each with each would take minutes. */
static void a_large_map_is_read_quickly(void **state)
{
	char *text = memory_alloc(100000 * 16);
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		len += (size_t)sprintf(text + len, "key%d: 1\n", i);
	struct yamldoc *doc = parse(text);

	assert_int_equal(yamldoc_root(doc)->n, 100000);
	yamldoc_free(doc);
	free(text);
}

static void files_that_cannot_be_read_say_why(void **state)
{
	struct error err;

	(void)state;
	assert_null(yamldoc_read("/nonexistent/file", &err));
	assert_int_equal(err.class, ERROR_NOT_FOUND);
	assert_string_equal(err.message, "/nonexistent/file: No such file or directory");
	assert_null(yamldoc_read("/tmp", &err));
	assert_int_equal(err.class, ERROR_INVALID);
	assert_string_equal(err.message, "/tmp: Is a directory");
}

/* Every beginning of a document is accepted or refused, never more. */
static void truncated_documents_do_no_harm(void **state)
{
	static const char text[] = "a: &x {k: [1, \"two\", 'three']}\nb: *x\nc: |\n  block\nd: >-\n  folded\n? e\n: !t f\n";
	struct error err;

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = memory_strndup(text, len);

		yamldoc_free(yamldoc_parse("f", copy, len, &err));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_is_what_was_written),
		cmocka_unit_test(empty_documents_are_null),
		cmocka_unit_test(json_is_yaml),
		cmocka_unit_test(an_alias_is_its_anchor),
		cmocka_unit_test(faults_are_named_with_their_place),
		cmocka_unit_test(typed_look_ups_take_only_their_type),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(nesting_through_aliases_is_bounded),
		cmocka_unit_test(billion_laughs_are_refused),
		cmocka_unit_test(number_of_anchors_is_bounded),
		cmocka_unit_test(number_of_values_is_bounded),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(a_large_map_is_read_quickly),
		cmocka_unit_test(files_that_cannot_be_read_say_why),
		cmocka_unit_test(truncated_documents_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
