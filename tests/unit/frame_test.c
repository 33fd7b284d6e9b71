/*
 * frame.c: what is cut out of a body does not depend on where the chunks end, managed fields never come through, and no input
 * breaks it. Each sample is fed whole, a byte at a time, and in two parts at every offset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { LIMIT = 4096 };

/* What came out, as one text: a letter, the slice, a newline. */
struct seen {
	char text[65536];
	size_t len;
	int refuse_after; /* slices to take before emit returns -1; negative: all */
};

static int collect(void *context, enum slice_type type, const char *text, size_t len)
{
	struct seen *seen = context;

	assert_int_equal(text[len], '\0');
	if (seen->refuse_after-- == 0)
		return -1;
	assert_true(seen->len + len + 3 < sizeof(seen->text));
	seen->text[seen->len++] = "LIEW"[type];
	memcpy(seen->text + seen->len, text, len);
	seen->len += len;
	seen->text[seen->len++] = '\n';
	seen->text[seen->len] = '\0';
	return 0;
}

static int ignore(void *context, enum slice_type type, const char *text, size_t len)
{
	(void)context;
	(void)type;
	(void)text;
	(void)len;
	return 0;
}

/* Feeds text in parts of the given lengths: first, then step at a time. 0, or -1 with err. Each part lies in memory of its own,
 * so that asan sees a read past its end. */
static int feed(struct frame *frame, const char *text, size_t len, size_t first, size_t step, struct seen *seen, struct error *err)
{
	for (size_t at = 0, part = first; at < len; at += part, part = step) {
		if (part > len - at)
			part = len - at;
		char *copy = malloc(part + 1);

		memcpy(copy, text + at, part);
		int result = frame_push(frame, part > 0 ? copy : NULL, part, collect, seen, err);

		free(copy);
		if (result != 0)
			return -1;
	}
	return frame_finish(frame, collect, seen, err);
}

struct sample {
	const char *rule;
	enum frame_mode mode;
	const char *in, *out;
	const char *error; /* part of the message, NULL for success */
};

#define APPLIED "\"kubectl.kubernetes.io/last-applied-configuration\""

static const struct sample samples[] = {
	{ "a line is a slice", FRAME_LINES, "{\"type\":\"ADDED\"}\n{\"type\":\"DELETED\"}\n",
	  "L{\"type\":\"ADDED\"}\nL{\"type\":\"DELETED\"}\n", NULL },
	{ "an empty stream has no lines", FRAME_LINES, "", "", NULL },
	{ "blank lines are skipped", FRAME_LINES, "\n \r\n{}\r\n\t\n", "L{}\n", NULL },
	{ "managedFields becomes null in a line", FRAME_LINES,
	  "{\"object\":{\"metadata\":{\"name\":\"a\",\"managedFields\":[{\"f\":{\"x\":[\"]}\\\"\",1]}}],\"uid\":\"u\"}}}\n",
	  "L{\"object\":{\"metadata\":{\"name\":\"a\",\"managedFields\":null,\"uid\":\"u\"}}}\n", NULL },
	{ "the last-applied annotation becomes empty", FRAME_LINES,
	  "{\"object\":{\"metadata\":{\"annotations\":{" APPLIED " : \"{\\\"a\\\": 1}\\n\" , \"x\":\"y\"}}}}\n",
	  "L{\"object\":{\"metadata\":{\"annotations\":{" APPLIED " : \"\" , \"x\":\"y\"}}}}\n", NULL },
	{ "managedFields that is a scalar becomes null", FRAME_LINES,
	  "{\"object\":{\"metadata\":{\"managedFields\":12,\"annotations\":{" APPLIED ":{\"a\":[{}]}}}}}\n",
	  "L{\"object\":{\"metadata\":{\"managedFields\":null,\"annotations\":{" APPLIED ":\"\"}}}}\n", NULL },
	{ "lookalikes stay", FRAME_LINES,
	  "{\"metadata\":{\"managedFields\":[1]},\"object\":{\"managedFields\":[2],\"spec\":{\"metadata\":{\"managedFields\":[3]}},"
	  "\"annotations\":{" APPLIED ":\"4\"},\"metadata\":{" APPLIED ":\"5\",\"labels\":{" APPLIED ":\"6\"},"
	  "\"metadata\":{\"managedFields\":[7]},\"managedfields\":8,\"managedField\":9,\"managedFieldss\":10}}}\n",
	  "L{\"metadata\":{\"managedFields\":[1]},\"object\":{\"managedFields\":[2],\"spec\":{\"metadata\":{\"managedFields\":[3]}}"
	  ","
	  "\"annotations\":{" APPLIED ":\"4\"},\"metadata\":{" APPLIED ":\"5\",\"labels\":{" APPLIED ":\"6\"},"
	  "\"metadata\":{\"managedFields\":[7]},\"managedfields\":8,\"managedField\":9,\"managedFieldss\":10}}}\n",
	  NULL },
	{ "arrays in the place of objects hide what is in them", FRAME_LINES,
	  "{\"object\":{\"metadata\":[{\"managedFields\":[1]},{\"managedFields\":[2]}]}}\n",
	  "L{\"object\":{\"metadata\":[{\"managedFields\":[1]},{\"managedFields\":[2]}]}}\n", NULL },
	{ "so do arrays that no one asked for", FRAME_LINES,
	  "{\"object\":{\"spec\":[{},{\"metadata\":{\"managedFields\":[1]}},[{\"metadata\":{\"managedFields\":[1]}}]]}}\n",
	  "L{\"object\":{\"spec\":[{},{\"metadata\":{\"managedFields\":[1]}},[{\"metadata\":{\"managedFields\":[1]}}]]}}\n", NULL },
	{ "a key that is a value is no key", FRAME_LINES,
	  "{\"object\":{\"a\":\"metadata\",\"b\":{\"managedFields\":[1]},\"metadata\":{\"x\":\"managedFields\",\"y\":[2]}}}\n",
	  "L{\"object\":{\"a\":\"metadata\",\"b\":{\"managedFields\":[1]},\"metadata\":{\"x\":\"managedFields\",\"y\":[2]}}}\n",
	  NULL },
	{ "a key with an escape is another key", FRAME_LINES, "{\"object\":{\"\\u006detadata\":{\"managedFields\":[1]}}}\n",
	  "L{\"object\":{\"\\u006detadata\":{\"managedFields\":[1]}}}\n", NULL },
	{ "twice is twice", FRAME_LINES, "{\"object\":{\"metadata\":{\"managedFields\":[1],\"managedFields\":{\"a\":2}}}}\n",
	  "L{\"object\":{\"metadata\":{\"managedFields\":null,\"managedFields\":null}}}\n", NULL },
	{ "escapes and UTF-8 pass through", FRAME_LINES, "{\"a\":\"\\\\\",\"b\":\"\\\"}\\u00e9\xc3\xa9\xf0\x9f\x92\xb3\"}\n",
	  "L{\"a\":\"\\\\\",\"b\":\"\\\"}\\u00e9\xc3\xa9\xf0\x9f\x92\xb3\"}\n", NULL },
	{ "a line that is no JSON is passed on, and the next is read", FRAME_LINES,
	  "what?\n{]\n}\n{\"a\" 1}\n{}{}\n{\"a\":\"\n{\"a\":\"\\\n{\"b\":1}\n",
	  "Lwhat?\nL{]\nL}\nL{\"a\" 1}\nL{}{}\nL{\"a\":\"\nL{\"a\":\"\\\nL{\"b\":1}\n", NULL },
	{ "a line broken within a dropped value is passed on", FRAME_LINES,
	  "{\"object\":{\"metadata\":{\"managedFields\":[[\n{\"object\":{\"metadata\":{\"managedFields\":[}]\n{}\n",
	  "L{\"object\":{\"metadata\":{\"managedFields\":null\nL{\"object\":{\"metadata\":{\"managedFields\":null}]\nL{}\n", NULL },
	{ "a line needs its newline", FRAME_LINES, "{\"a\":1}\n{\"b\":2}", "L{\"a\":1}\n", "truncated" },
	{ "half a line is truncated", FRAME_LINES, "{\"a\":\"", "", "truncated" },

	{ "items are slices, the rest is the envelope", FRAME_LIST,
	  " {\"kind\":\"List\",\"items\":[ {\"a\":1} , {\"b\":[2]}\n],\"metadata\":{\"continue\":\"x\"}}\n",
	  "I{\"a\":1}\nI{\"b\":[2]}\nE{\"kind\":\"List\",\"items\":[],\"metadata\":{\"continue\":\"x\"}}\n\n", NULL },
	{ "an empty list", FRAME_LIST, "{\"items\":[]}", "E{\"items\":[]}\n", NULL },
	{ "an empty list with air", FRAME_LIST, "{ \"items\" : [ \r\n\t] }", "E{ \"items\" : [] }\n", NULL },
	{ "items: null is an empty list", FRAME_LIST, "{\"items\":null,\"a\":1}", "E{\"items\":[],\"a\":1}\n", NULL },
	{ "items of any type are slices", FRAME_LIST, "{\"items\":[1,null,\"a\\\"]\",[],[[{}]],-2.5e+3 ]}",
	  "I1\nInull\nI\"a\\\"]\"\nI[]\nI[[{}]]\nI-2.5e+3\nE{\"items\":[]}\n", NULL },
	{ "managedFields becomes null in each item", FRAME_LIST,
	  "{\"metadata\":{\"managedFields\":[0]},\"items\":[{\"metadata\":{\"managedFields\":[1]}},"
	  "{\"metadata\":{\"annotations\":{" APPLIED
	  ":\"2\"},\"managedFields\":[]},\"items\":[{\"metadata\":{\"managedFields\":3}}]}]}",
	  "I{\"metadata\":{\"managedFields\":null}}\nI{\"metadata\":{\"annotations\":{" APPLIED ":\"\"},\"managedFields\":null},"
	  "\"items\":[{\"metadata\":{\"managedFields\":3}}]}\nE{\"metadata\":{\"managedFields\":[0]},\"items\":[]}\n",
	  NULL },
	{ "items elsewhere are not the list's", FRAME_LIST, "{\"a\":{\"items\":[1]},\"items\":[2],\"b\":[{\"items\":[3]}]}",
	  "I2\nE{\"a\":{\"items\":[1]},\"items\":[],\"b\":[{\"items\":[3]}]}\n", NULL },
	{ "a list may be cut nowhere", FRAME_LIST, "{\"items\":[{\"a\":1},{\"b\"", "I{\"a\":1}\n", "truncated" },
	{ "a list may not lack its last bracket", FRAME_LIST, "{\"items\":[{\"a\":1}]", "I{\"a\":1}\n", "truncated" },
	{ "nothing is no list", FRAME_LIST, "", "", "truncated" },
	{ "garbage after a list", FRAME_LIST, "{\"items\":[]} x", "", "not a list: unexpected byte 0x78 at offset 13" },
	{ "a second list", FRAME_LIST, "{\"items\":[]}{\"items\":[]}", "", "not a list" },
	{ "an array is no list", FRAME_LIST, "[]", "", "not a list" },
	{ "an object without items is no list", FRAME_LIST, "{\"kind\":\"Status\"}", "", "no \"items\"" },
	{ "items twice", FRAME_LIST, "{\"items\":[1],\"items\":[2]}", "I1\n", "twice" },
	{ "items that are an object", FRAME_LIST, "{\"items\":{}}", "", "not an array" },
	{ "items that are a string", FRAME_LIST, "{\"items\":\"null\"}", "", "not an array" },
	{ "items that are nul", FRAME_LIST, "{\"items\":nul}", "", "not an array" },
	{ "items that are nulls", FRAME_LIST, "{\"items\":nulls}", "", "not an array" },
	{ "items without a comma", FRAME_LIST, "{\"items\":[{}{}]}", "I{}\n", "not a list" },
	{ "a comma too much", FRAME_LIST, "{\"items\":[{},]}", "I{}\n", "not a list" },
	{ "a comma too early", FRAME_LIST, "{\"items\":[,{}]}", "", "not a list" },
	{ "the wrong bracket", FRAME_LIST, "{\"items\":[{\"a\":[}]}]}", "", "unexpected byte 0x7d" },
	{ "the wrong bracket after a value", FRAME_LIST, "{\"items\":[{\"a\":[1}]}]}", "", "unexpected byte 0x7d" },
	{ "a control character between items", FRAME_LIST, "{\"items\":[\x01]}", "", "unexpected byte 0x01" },

	{ "a whole comes at the end", FRAME_WHOLE, "{\"kind\":\"Status\",\n \"code\":404}\n",
	  "W{\"kind\":\"Status\",\n \"code\":404}\n\n", NULL },
	{ "nothing is an empty whole", FRAME_WHOLE, "", "W\n", NULL },
	{ "a whole need not be JSON", FRAME_WHOLE, "404 page not found\n", "W404 page not found\n\n", NULL },
	{ "a whole need not be JSON at all", FRAME_WHOLE, "<html>\"{[}\n</html>", "W<html>\"{[}\n</html>\n", NULL },
	{ "a whole may be cut", FRAME_WHOLE, "{\"a\":\"b", "W{\"a\":\"b\n", NULL },
	{ "managedFields becomes null in both objects of a review, and annotations stay", FRAME_REVIEW,
	  "{\"request\":{\"object\":{\"metadata\":{\"managedFields\":[{\"f:a\\u0000b\":{}}],"
	  "\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"x\"}}},\"oldObject\":{\"metadata\":{\"managedFields\":[]}}}}",
	  "W{\"request\":{\"object\":{\"metadata\":{\"managedFields\":null,"
	  "\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"x\"}}},\"oldObject\":{\"metadata\":{\"managedFields\":null}}}}\n", NULL },
	{ "but not elsewhere in a review", FRAME_REVIEW, "{\"object\":{\"metadata\":{\"managedFields\":1}},\"metadata\":{\"managedFields\":1}}",
	  "W{\"object\":{\"metadata\":{\"managedFields\":1}},\"metadata\":{\"managedFields\":1}}\n", NULL },
	{ "a word alone", FRAME_WHOLE, "ok", "Wok\n", NULL },
	{ "managedFields becomes null in a whole", FRAME_WHOLE,
	  "{\"metadata\":{\"managedFields\":[{\"a\":\"\n\"}],\"annotations\":{" APPLIED
	  ":\"x\"}},\"items\":[{\"metadata\":{\"managedFields\":1}}]}",
	  "W{\"metadata\":{\"managedFields\":null,\"annotations\":{" APPLIED
	  ":\"\"}},\"items\":[{\"metadata\":{\"managedFields\":1}}]}\n",
	  NULL },
};

static void expect(const struct sample *sample, size_t first, size_t step)
{
	static struct seen seen;
	struct frame frame;
	struct error err = { 0 };

	seen.len = 0;
	seen.text[0] = '\0';
	seen.refuse_after = -1;
	frame_init(&frame, sample->mode, LIMIT);
	int result = feed(&frame, sample->in, strlen(sample->in), first, step, &seen, &err);

	if (strcmp(seen.text, sample->out) != 0 || (result != 0) != (sample->error != NULL) ||
	    (result != 0 && strstr(err.message, sample->error) == NULL))
		fail_msg("%s (cut at %zu, then every %zu):\n%s\nwanted %s\n%s\nwanted %s\n", sample->rule, first, step, seen.text,
			 sample->out, err.message, sample->error);
	frame_close(&frame);
}

static void slices_do_not_depend_on_the_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		size_t len = strlen(samples[i].in);

		expect(&samples[i], len, len);
		expect(&samples[i], 1, 1);
		for (size_t cut = 0; cut < len; cut++)
			expect(&samples[i], cut, len);
	}
}

/* NULs are the decoder's business; within a dropped value they are nobody's. */
static void nul_bytes_do_not_end_a_slice(void **state)
{
	static const char in[] = "{\"a\":\"x\0y\"}\n\0{}\n";
	static const char out[] = "L{\"a\":\"x\0y\"}\nL\0{}\n";
	static struct seen seen;
	struct frame frame;
	struct error err;

	(void)state;
	for (size_t cut = 1; cut < sizeof(in); cut++) {
		seen.len = 0;
		seen.refuse_after = -1;
		frame_init(&frame, FRAME_LINES, LIMIT);
		assert_int_equal(feed(&frame, in, sizeof(in) - 1, cut, cut, &seen, &err), 0);
		assert_int_equal(seen.len, sizeof(out) - 1);
		assert_memory_equal(seen.text, out, sizeof(out) - 1);
		frame_close(&frame);
	}
}

/* A body with one slice of `size` bytes: a string. */
static char *body_of(enum frame_mode mode, size_t size)
{
	static const char *const around[][2] = {
		[FRAME_LINES] = { "", "\n" },
		[FRAME_LIST] = { "{\"items\":[", "]}" },
		[FRAME_WHOLE] = { "", "" },
		[FRAME_REVIEW] = { "", "" },
	};
	char *body = malloc(size + 32), *at = stpcpy(body, around[mode][0]);

	memset(at, 'x', size);
	at[0] = at[size - 1] = '"';
	strcpy(at + size, around[mode][1]);
	return body;
}

static void a_slice_may_have_as_many_bytes_as_the_limit_and_no_more(void **state)
{
	static const size_t limits[] = { 16, 2047, 2048, 2049, 40000 };

	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		for (int mode = FRAME_LINES; mode <= FRAME_REVIEW; mode++) {
			for (size_t turn = 0; turn < 4; turn++) {
				size_t over = turn % 2;
				static struct seen seen;
				char *body = body_of((enum frame_mode)mode, limits[i] + over);
				struct frame frame;
				struct error err = { 0 };
				char number[32];

				seen.len = 0;
				seen.refuse_after = -1;
				frame_init(&frame, (enum frame_mode)mode, limits[i]);
				int result = feed(&frame, body, strlen(body), turn < 2 ? strlen(body) : 1, 1, &seen, &err);

				snprintf(number, sizeof(number), " %zu ", limits[i]);
				assert_int_equal(result, over ? -1 : 0);
				if (over) {
					assert_int_equal(err.class, ERROR_INVALID);
					assert_non_null(strstr(err.message, number));
					assert_int_equal(seen.len, 0);
				}
				frame_close(&frame);
				free(body);
			}
		}
	}
}

static void what_is_dropped_does_not_count(void **state)
{
	static const char head[] = "{\"items\":[{\"metadata\":{\"managedFields\":[";
	struct frame frame;
	struct error err;

	(void)state;
	frame_init(&frame, FRAME_LIST, 64);
	assert_int_equal(frame_push(&frame, head, sizeof(head) - 1, ignore, NULL, &err), 0);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(frame_push(&frame, "{\"f:a\":{}},", 11, ignore, NULL, &err), 0);
	assert_true(frame.slice.size <= 4096);
	assert_int_equal(frame_push(&frame, "0]}}]}", 6, ignore, NULL, &err), 0);
	assert_int_equal(frame_finish(&frame, ignore, NULL, &err), 0);
	frame_close(&frame);
}

static void a_long_list_is_bounded_by_its_longest_item(void **state)
{
	struct frame frame;
	struct error err;

	(void)state;
	frame_init(&frame, FRAME_LIST, 64);
	assert_int_equal(frame_push(&frame, "{\"items\":[0", 11, ignore, NULL, &err), 0);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(frame_push(&frame, ",  {\"name\":\"x\"}  ", 17, ignore, NULL, &err), 0);
	assert_true(frame.slice.size <= 4096 && frame.envelope.size <= 4096);
	assert_int_equal(frame_push(&frame, "]}", 2, ignore, NULL, &err), 0);
	assert_int_equal(frame_finish(&frame, ignore, NULL, &err), 0);
	frame_close(&frame);
}

static int push_nested(enum frame_mode mode, int depth, const char *open, struct error *err)
{
	struct frame frame;
	int result = 0;

	frame_init(&frame, mode, LIMIT);
	for (int i = 0; i < depth && result == 0; i++)
		result = frame_push(&frame, open, strlen(open), ignore, NULL, err);
	frame_close(&frame);
	return result;
}

/* ---- what is noted of a slice ---- */

struct heads {
	const struct frame *frame;
	char text[1024]; /* "type|namespace|name|version;" a slice, "-" for what is not there, "?;" if that cannot be told */
};

static void add_word(char *text, struct frame_word word, char end)
{
	sprintf(text + strlen(text), "%.*s%c", word.at ? (int)word.len : 1, word.at ? word.at : "-", end);
}

static int collect_head(void *context, enum slice_type type, const char *text, size_t len)
{
	struct heads *heads = context;
	struct frame_head head;

	(void)type;
	if (!frame_head(heads->frame, &head)) {
		strcat(heads->text, "?;");
		return 0;
	}
	assert_true(!head.name.at || (head.name.at >= text && head.name.at + head.name.len <= text + len));
	add_word(heads->text, head.type, '|');
	add_word(heads->text, head.ns, '|');
	add_word(heads->text, head.name, '|');
	add_word(heads->text, head.resource_version, ';');
	return 0;
}

#define META "\"metadata\":{\"name\":\"n1\",\"namespace\":\"ns\",\"resourceVersion\":\"42\"}"

static void what_a_slice_is_about_is_noted_as_it_passes(void **state)
{
	static const struct {
		enum frame_mode mode;
		const char *in, *heads;
	} cases[] = {
		{ FRAME_LINES, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"X\"," META "}}\n{\"object\":{" META "},\"type\":\"DELETED\"}\r\n",
		  "ADDED|ns|n1|42;DELETED|ns|n1|42;" },
		{ FRAME_LINES, "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n", "BOOKMARK|-|-|9;" },
		{ FRAME_LINES, "{}\n{\"type\":\"\",\"object\":{\"metadata\":{\"name\":\"\"}}}\n", "-|-|-|-;|-||-;" },
		/* dropped before, between and behind */
		{ FRAME_LINES, "{\"object\":{\"metadata\":{\"managedFields\":[{\"name\":\"x\"}],\"name\":\"a\",\"managedFields\":{\"resourceVersion\":\"3\"},"
		  "\"annotations\":{" APPLIED ":\"{\\\"name\\\":1}\"},\"resourceVersion\":\"7\",\"managedFields\":1}}}\n", "-|-|a|7;" },
		/* of what lies elsewhere nothing counts */
		{ FRAME_LINES, "{\"name\":\"e\",\"metadata\":{\"name\":\"e\"},\"object\":{\"name\":\"o\",\"type\":\"o\",\"spec\":{\"name\":\"s\",\"metadata\":{\"name\":\"s\"}},"
		  "\"metadata\":{\"type\":\"m\",\"ownerReferences\":[{\"name\":\"r\",\"resourceVersion\":\"1\"}],\"labels\":{\"name\":\"l\"},"
		  "\"annotations\":{\"name\":\"a\"},\"name\":\"n\"}}}\n", "-|-|n|-;" },
		/* what only the library can tell */
		{ FRAME_LINES, "{\"object\":{" META "," META "}}\n{\"object\":{" META "},\"object\":{}}\n{\"type\":\"a\",\"type\":\"b\"}\n"
		  "{\"object\":{\"metadata\":{\"name\":\"a\",\"name\":\"a\"}}}\n", "?;?;?;?;" },
		{ FRAME_LINES, "{\"object\":{\"metadata\":{\"name\":\"a\\u0062\"}}}\n{\"object\":{\"metadata\":{\"name\":null}}}\n"
		  "{\"object\":{\"metadata\":{\"name\":{\"name\":\"a\"}}}}\n{\"object\":{\"metadata\":{\"name\":[\"a\"]}}}\n{\"type\":1}\n", "?;?;?;?;?;" },
		{ FRAME_LINES, "{\"object\":{" META "}\n{\"object\":{" META "}}}\n{\"object\":{" META "}} x\n{\"object\":{\"metadata\":{\"name\":\"a\n{\"type\":\"b\"}\nx\n",
		  "?;?;?;?;b|-|-|-;?;" },
		{ FRAME_LINES, "{\"object\":[{" META "}]}\n{\"object\":{\"metadata\":[{\"name\":\"a\"}]}}\n", "-|-|-|-;-|-|-|-;" },
		{ FRAME_LIST, "{\"metadata\":{\"name\":\"l\",\"resourceVersion\":\"1\"},\"items\":[{" META "},{\"metadata\":{\"name\":\"b\"}},{},5,{\"metadata\":{\"name\":\"\\n\"}},"
		  "{" META "}],\"kind\":\"L\"}", "-|ns|n1|42;-|-|b|-;-|-|-|-;-|-|-|-;?;-|ns|n1|42;-|-|-|-;" },
		{ FRAME_WHOLE, " {\"kind\":\"X\",\n" META "}\n", "-|ns|n1|42;" },
		{ FRAME_WHOLE, "{" META, "?;" },
		{ FRAME_WHOLE, "{" META "}}", "?;" },
		{ FRAME_WHOLE, "{" META ",\"x\":\"", "?;" },
		{ FRAME_WHOLE, "", "?;" },
		{ FRAME_REVIEW, "{\"request\":{\"object\":{" META "}}}", "-|-|-|-;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= strlen(cases[i].in) + 1; step++) {
			struct frame frame;
			struct heads heads = { .frame = &frame };
			struct error err;
			const size_t len = strlen(cases[i].in);

			frame_init(&frame, cases[i].mode, LIMIT);
			for (size_t at = 0; at < len; at += step)
				assert_int_equal(frame_push(&frame, cases[i].in + at, at + step < len ? step : len - at, collect_head, &heads, &err), 0);
			assert_int_equal(frame_finish(&frame, collect_head, &heads, &err), 0);
			if (strcmp(heads.text, cases[i].heads) != 0)
				fail_msg("%s\nevery %zu: %s\nwanted %s", cases[i].in, step, heads.text, cases[i].heads);
			frame_close(&frame);
		}
	}
}

static void nesting_has_a_limit(void **state)
{
	struct error err = { 0 };

	(void)state;
	const int most = FRAME_DEPTH_MAX + FRAME_DEEP_MAX;

	assert_int_equal(push_nested(FRAME_LINES, most, "[", &err), 0);
	assert_int_equal(push_nested(FRAME_LINES, most + 1, "[", &err), -1);
	assert_int_equal(err.class, ERROR_INVALID);
	assert_non_null(strstr(err.message, "10064"));
	assert_int_equal(push_nested(FRAME_WHOLE, most, "{\"a\":", &err), 0);
	assert_int_equal(push_nested(FRAME_WHOLE, most + 1, "{\"a\":", &err), -1);
	assert_int_equal(push_nested(FRAME_LIST, 1000000, "{\"a\":", &err), -1);
	/* The empty ones are a level deeper. */
	assert_int_equal(push_nested(FRAME_WHOLE, most - 1, "{\"a\":{},\"b\":", &err), 0);
	assert_int_equal(push_nested(FRAME_WHOLE, most, "{\"a\":{},\"b\":", &err), -1);
}

static int keep_last(void *context, enum slice_type type, const char *text, size_t len)
{
	(void)type;
	(void)len;
	strcpy(context, text);
	return 0;
}

/* [[[ ... "x" ... ]]] or {"a":{"a": ... "x" ... }}, or both in turn */
static void nested(char *to, int depth, int kind)
{
	char closing[2048];
	int n = 0;

	*to = '\0';
	for (int i = 0; i < depth; i++) {
		bool array = kind == 2 ? i % 3 == 0 : kind == 1;

		strcat(to, array ? "[" : "{\"a\":");
		closing[n++] = array ? ']' : '}';
	}
	strcat(to, "\"x\"");
	for (to += strlen(to); n > 0;)
		*to++ = closing[--n];
	*to = '\0';
}

/* One odd object must not stop a whole list: the part below the limit is dropped, what follows it is as it was. */
static void what_is_nested_too_deep_becomes_null(void **state)
{
	static char text[16384], want[16384], seen[16384];

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		for (int extra = 0; extra < 300; extra = extra * 2 + 1) {
			struct frame frame;
			struct error err;
			int depth = FRAME_DEPTH_MAX - 2 + extra;

			strcpy(text, "{\"before\":1,\"odd\":");
			nested(text + strlen(text), depth, kind);
			strcat(text, ",\"after\":[{}]}\n");
			frame_init(&frame, FRAME_LINES, LIMIT);
			for (const char *p = text; *p; p++) /* a byte at a time */
				assert_int_equal(frame_push(&frame, p, 1, keep_last, seen, &err), 0);
			frame_close(&frame);
			if (extra <= 1) { /* the object itself is a level */
				text[strlen(text) - 1] = '\0';
				assert_string_equal(seen, text);
				continue;
			}
			strcpy(want, "{\"before\":1,\"odd\":");
			nested(want + strlen(want), FRAME_DEPTH_MAX - 1, kind);
			strcat(want, ",\"after\":[{}]}");
			char *x = strstr(want, "\"x\"");
			memmove(x + 4, x + 3, strlen(x + 3) + 1);
			memcpy(x, "null", 4);
			assert_string_equal(seen, want);
		}
	}
}

static void a_failed_frame_takes_nothing_until_it_is_reset(void **state)
{
	static struct seen seen = { .refuse_after = 1 };
	struct frame frame;
	struct error err = { 0 };

	(void)state;
	frame_init(&frame, FRAME_LINES, LIMIT);
	assert_int_equal(frame_push(&frame, "1\n2\n3\n", 6, collect, &seen, &err), -1);
	assert_string_equal(seen.text, "L1\n");
	assert_int_equal(err.class, ERROR_NONE); /* emit's owner knows why */
	assert_int_equal(frame_push(&frame, "4\n", 2, collect, &seen, &err), -1);
	assert_int_equal(frame_finish(&frame, collect, &seen, &err), -1);
	assert_string_equal(seen.text, "L1\n");

	seen.refuse_after = -1;
	frame_reset(&frame, FRAME_LIST);
	assert_int_equal(feed(&frame, "{\"items\":[5]}", 13, 1, 1, &seen, &err), 0);
	assert_string_equal(seen.text, "L1\nI5\nE{\"items\":[]}\n");
	assert_int_equal(frame_push(&frame, "{", 1, collect, &seen, &err), -1);
	/* Nothing of what it was in the middle of stays. */
	frame_reset(&frame, FRAME_LIST);
	assert_int_equal(frame_push(&frame, "{\"items\":[{\"a\":\"\\", 17, collect, &seen, &err), 0);
	frame_reset(&frame, FRAME_LIST);
	assert_int_equal(feed(&frame, "{\"\":0,\"items\":[\"\"]}", 19, 19, 1, &seen, &err), 0);
	assert_string_equal(seen.text, "L1\nI5\nE{\"items\":[]}\nI\"\"\nE{\"\":0,\"items\":[]}\n");
	frame_close(&frame);
}

static void a_reset_frees_large_buffers(void **state)
{
	struct frame frame;
	struct error err;
	char *body = body_of(FRAME_LINES, 1000000);

	(void)state;
	frame_init(&frame, FRAME_LINES, 1 << 20);
	assert_int_equal(frame_push(&frame, body, strlen(body), ignore, NULL, &err), 0);
	frame_reset(&frame, FRAME_LINES);
	assert_int_equal(frame.slice.size, 0);
	frame_close(&frame);
	free(body);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* No input crashes it (asan), and none makes it depend on the chunks. */
static void mutated_bodies_are_cut_alike_however_they_come(void **state)
{
	static const char bytes[] = "{}[]\",:\\\n \r\t0n\x01\xff";
	static struct seen whole, parts;
	uint64_t seed = 0x9e3779b97f4a7c15;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		const struct sample *sample = &samples[random_next(&seed) % COUNT(samples)];
		enum frame_mode mode = (enum frame_mode)(random_next(&seed) % 3);
		uint64_t shown = seed;
		char text[2048];
		size_t len = strlen(sample->in);
		struct frame frame;
		struct error a = { 0 }, b = { 0 };

		memcpy(text, sample->in, len);
		for (uint64_t n = random_next(&seed) % 4; n > 0 && len > 0; n--)
			text[random_next(&seed) % len] = bytes[random_next(&seed) % sizeof(bytes)];
		whole.len = parts.len = 0;
		whole.refuse_after = parts.refuse_after = -1;
		frame_init(&frame, mode, 1 + random_next(&seed) % 400);
		int first = feed(&frame, text, len, len, len, &whole, &a);

		frame_reset(&frame, mode);
		int second = feed(&frame, text, len, random_next(&seed) % 20, 1 + random_next(&seed) % 20, &parts, &b);

		if (first != second || whole.len != parts.len || memcmp(whole.text, parts.text, whole.len) != 0)
			fail_msg("seed %llx", (unsigned long long)shown);
		frame_close(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_do_not_depend_on_the_chunks),
		cmocka_unit_test(nul_bytes_do_not_end_a_slice),
		cmocka_unit_test(a_slice_may_have_as_many_bytes_as_the_limit_and_no_more),
		cmocka_unit_test(what_is_dropped_does_not_count),
		cmocka_unit_test(a_long_list_is_bounded_by_its_longest_item),
		cmocka_unit_test(what_a_slice_is_about_is_noted_as_it_passes),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(what_is_nested_too_deep_becomes_null),
		cmocka_unit_test(a_failed_frame_takes_nothing_until_it_is_reset),
		cmocka_unit_test(a_reset_frees_large_buffers),
		cmocka_unit_test(mutated_bodies_are_cut_alike_however_they_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
