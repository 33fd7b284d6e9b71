/*
 * frame.c. Input: a letter for the mode (L lines, I list, W whole, R review; small: slices of at most 64 bytes), a byte that says
 * how to cut, and the body. What is cut out does not depend on where the chunks end; and where jansson calls the body JSON, the
 * slices are the same JSON but for what must be dropped, which jansson's own tree is used to tell. So it is with what is noted of them.
 */
#include <ctype.h>

#include "frame.h"
#include "fuzz.h"

enum { LIMIT = 1 << 20, SMALL_LIMIT = 64, ORACLE_DEPTH = FRAME_DEPTH_MAX - 4 };

struct seen {
	char *text; /* of each slice: a letter, its length, itself */
	size_t len;
	size_t slices, most; /* emit refuses one more than `most` */
	size_t limit;
	const struct frame *frame;
	int result;
	enum error_class class;
};

static void check_word(struct frame_word word, const json_t *value)
{
	check(word.at ? json_is_string(value) && json_string_length(value) == word.len && memcmp(json_string_value(value), word.at, word.len) == 0
		      : !value);
}

/* Of a slice that is JSON. */
static void check_head(const struct frame *frame, enum slice_type type, const char *text, size_t len)
{
	struct frame_head head;
	json_t *tree = frame_head(frame, &head) ? json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL) : NULL;
	const json_t *object = type == SLICE_LINE ? json_object_get(tree, "object") : tree, *metadata = json_object_get(object, "metadata");

	if (tree && type != SLICE_ENVELOPE && frame->mode != FRAME_REVIEW) {
		check_word(head.type, type == SLICE_LINE ? json_object_get(tree, "type") : NULL);
		check_word(head.ns, json_object_get(metadata, "namespace"));
		check_word(head.name, json_object_get(metadata, "name"));
		check_word(head.resource_version, json_object_get(metadata, "resourceVersion"));
	}
	json_decref(tree);
}

static int collect(void *context, enum slice_type type, const char *text, size_t len)
{
	struct seen *seen = context;
	size_t more = 1 + sizeof(len) + len;

	check(text[len] == '\0');
	check(len <= seen->limit);
	check_head(seen->frame, type, text, len);
	if (seen->slices == seen->most)
		return -1;
	seen->text = memory_resize(seen->text, seen->len + more);
	seen->text[seen->len] = "LIEW"[type];
	memcpy(seen->text + seen->len + 1, &len, sizeof(len));
	memcpy(seen->text + seen->len + 1 + sizeof(len), text, len);
	seen->len += more;
	seen->slices++;
	return 0;
}

/* In chunks of step bytes; each lies in memory of its own. The frame has seen other bodies before. */
static struct seen feed(struct frame *frame, enum frame_mode mode, const char *text, size_t len, size_t step, size_t most)
{
	struct seen seen = { .limit = frame->slice_limit, .most = most, .frame = frame };
	struct error err = { 0 };

	frame_reset(frame, mode);
	for (size_t at = 0; at < len && seen.result == 0; at += step) {
		const size_t part = len - at < step ? len - at : step;
		char *chunk = memory_resize(NULL, part);

		memcpy(chunk, text + at, part);
		seen.result = frame_push(frame, chunk, part, collect, &seen, &err);
		free(chunk);
	}
	if (seen.result == 0)
		seen.result = frame_finish(frame, collect, &seen, &err);
	if (seen.result != 0 && seen.slices < most)
		check_error(&err);
	seen.class = seen.result == 0 ? ERROR_NONE : err.class;
	check(frame_push(frame, "x", 1, collect, &seen, &err) == -1 &&
	      frame_finish(frame, collect, &seen, &err) == -1); /* it is over */
	return seen;
}

static void check_same(const struct seen *a, const struct seen *b)
{
	check(a->result == b->result);
	check(a->class == b->class);
	check(a->len == b->len);
	check(a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

/* ---- what jansson makes of it ---- */

static void replace(json_t *object, const char *name, json_t *value)
{
	if (json_object_get(object, name))
		json_object_set_new(object, name, value);
	else
		json_decref(value);
}

static json_t *without(json_t *object, bool judged)
{
	json_t *metadata = json_object_get(object, "metadata");

	replace(metadata, "managedFields", json_null());
	if (!judged)
		replace(json_object_get(metadata, "annotations"), "kubectl.kubernetes.io/last-applied-configuration",
			json_string(""));
	return object;
}

static json_t *expected(enum frame_mode mode, json_t *tree)
{
	json_t *request = json_object_get(tree, "request");

	switch (mode) {
	case FRAME_LINES:
		without(json_object_get(tree, "object"), false);
		break;
	case FRAME_WHOLE:
		without(tree, false);
		break;
	case FRAME_REVIEW:
		without(json_object_get(request, "object"), true);
		without(json_object_get(request, "oldObject"), true);
		break;
	case FRAME_LIST:
		break;
	}
	return tree;
}

/* Parses the slice at *at and moves behind it. */
static json_t *slice(const struct seen *seen, size_t *at, char type)
{
	size_t len;

	check(*at < seen->len && seen->text[*at] == type);
	memcpy(&len, seen->text + *at + 1, sizeof(len));
	json_t *tree = json_of(seen->text + *at + 1 + sizeof(len), len);

	check(tree);
	*at += 1 + sizeof(len) + len;
	return tree;
}

static void check_slice(const struct seen *seen, size_t *at, char type, const json_t *tree)
{
	json_t *got = slice(seen, at, type);

	check(json_equal(got, tree));
	json_decref(got);
}

/* Deep values become null and keys with escapes are other keys: neither is jansson's to tell. */
static bool is_plain(enum frame_mode mode, const char *text, size_t len)
{
	int depth = 0, deepest = 0;

	for (size_t i = 0; i < len; i++) {
		depth += text[i] == '{' || text[i] == '[' ? 1 : text[i] == '}' || text[i] == ']' ? -1 : 0;
		deepest = depth > deepest ? depth : deepest;
		if (text[i] == '\\' || (text[i] == '\n' && mode == FRAME_LINES && i + 1 < len))
			return false;
	}
	return deepest < ORACLE_DEPTH && (mode != FRAME_LINES || (len && text[len - 1] == '\n'));
}

static void check_oracle(enum frame_mode mode, const char *text, size_t len, const struct seen *seen)
{
	json_t *tree = is_plain(mode, text, len) ? json_of(text, len) : NULL;
	size_t at = 0;

	if (tree && seen->result == 0 && mode == FRAME_LIST) {
		json_t *items = json_incref(json_object_get(tree, "items"));

		for (size_t i = 0; i < json_array_size(items); i++)
			check_slice(seen, &at, 'I', without(json_array_get(items, i), false));
		json_object_set_new(tree, "items", json_array());
		check_slice(seen, &at, 'E', tree);
		json_decref(items);
	} else if (tree && mode != FRAME_LIST) {
		check(seen->result == 0 || len > seen->limit);
		if (seen->result == 0)
			check_slice(seen, &at, mode == FRAME_LINES ? 'L' : 'W', expected(mode, tree));
	}
	check(!tree || seen->result != 0 || at == seen->len);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char letters[] = "LIWR";
	const char *letter = size > 2 && data[0] ? strchr(letters, toupper(data[0])) : NULL;
	static const enum frame_mode modes[] = { FRAME_LINES, FRAME_LIST, FRAME_WHOLE, FRAME_REVIEW };

	if (!letter)
		return 0;
	const enum frame_mode mode = modes[letter - letters];
	const size_t limit = islower(data[0]) ? SMALL_LIMIT : LIMIT, steps[] = { 1, 2 + data[1] % 61 };
	cleanup_free char *text = rest_of(data, size, 2);
	struct frame frame;

	frame_init(&frame, FRAME_WHOLE, limit);
	struct seen whole = feed(&frame, mode, text, size - 2, size, SIZE_MAX);

	for (size_t i = 0; i < 2; i++) {
		struct seen parts = feed(&frame, mode, text, size - 2, steps[i], SIZE_MAX);

		check_same(&whole, &parts);
		free(parts.text);
	}
	check_oracle(mode, text, size - 2, &whole);
	if (whole.slices) {
		struct seen cut = feed(&frame, mode, text, size - 2, steps[1], whole.slices - 1);

		check(cut.result == -1 && cut.slices == whole.slices - 1);
		free(cut.text);
	}
	free(whole.text);
	frame_close(&frame);
	return 0;
}
