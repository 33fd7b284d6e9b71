/* fuzz.h. JSON is taken apart with jansson here, patches with their RFCs' own words: nothing that is tested tests itself. */
#include "fuzz.h"

#include <stdio.h>

#include "settings.h"
#include "tree.h"

void fuzz_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

bool is_utf8(const char *text)
{
	json_t *string = json_string(text);
	const bool is = string != NULL;

	json_decref(string);
	return is;
}

void check_error(const struct error *err)
{
	check(err->class > ERROR_NONE && err->class <= ERROR_INVALID);
	check(err->message[0]);
	check(memchr(err->message, '\0', sizeof(err->message)));
	check(is_utf8(err->message));
}

char *rest_of(const uint8_t *data, size_t size, size_t at)
{
	const size_t len = size > at ? size - at : 0;
	char *text = memory_alloc(len + 1);

	if (len)
		memcpy(text, data + at, len);
	return text;
}

json_t *json_of(const char *text, size_t len)
{
	return json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

json_t *json_at(const json_t *tree, const char *outer, const char *inner)
{
	return json_object_get(json_object_get(tree, outer), inner);
}

static bool array_covers(const json_t *more, const json_t *less)
{
	if (json_array_size(more) < json_array_size(less))
		return false;
	for (size_t i = 0; i < json_array_size(less); i++)
		if (!json_equal(json_array_get(more, i), json_array_get(less, i)))
			return false;
	return true;
}

bool json_covers(const json_t *more, const json_t *less)
{
	void *at;

	if (!less || json_is_null(less))
		return true;
	if (!more || json_typeof(more) != json_typeof(less))
		return false;
	if (json_is_array(less))
		return array_covers(more, less);
	if (!json_is_object(less))
		return json_equal(more, less);
	for (at = json_object_iter((json_t *)(uintptr_t)less); at; at = json_object_iter_next((json_t *)(uintptr_t)less, at))
		if (!json_covers(json_object_get(more, json_object_iter_key(at)), json_object_iter_value(at)))
			return false;
	return true;
}

/* RFC 6901. The pointer's first name, malloc'ed; the pointer moves past it. */
static char *next_name(const char **pointer)
{
	const char *from = *pointer + 1;
	char *name = memory_alloc(strlen(*pointer) + 1), *to = name;

	check(**pointer == '/');
	for (; *from && *from != '/'; from++)
		*to++ = *from != '~' ? *from : *++from == '1' ? '/' : '~';
	*pointer = from;
	return name;
}

static json_t *child(json_t *tree, const char *name)
{
	return json_is_array(tree) ? json_array_get(tree, strtoul(name, NULL, 10)) : json_object_get(tree, name);
}

static void put_at(json_t *parent, const char *name, json_t *value, bool insert)
{
	const size_t i = strcmp(name, "-") == 0 ? json_array_size(parent) : strtoul(name, NULL, 10);

	check(json_is_object(parent) || json_is_array(parent));
	if (json_is_object(parent))
		check(json_object_set(parent, name, value) == 0);
	else
		check((insert ? json_array_insert : json_array_set)(parent, i, value) == 0);
}

static void apply_operation(json_t *tree, const json_t *operation)
{
	const char *op = json_string_value(json_object_get(operation, "op"));
	json_t *value = json_object_get(operation, "value"), *parent = tree;
	const char *rest = json_string_value(json_object_get(operation, "path"));

	check(op && rest);
	char *name = next_name(&rest);

	while (*rest) {
		parent = child(parent, name);
		check(parent);
		free(name);
		name = next_name(&rest);
	}
	if (strcmp(op, "add") == 0) {
		check(value);
		put_at(parent, name, value, true);
	} else if (strcmp(op, "remove") == 0) {
		check(json_is_array(parent) ? json_array_remove(parent, strtoul(name, NULL, 10)) == 0
					    : json_object_del(parent, name) == 0);
	} else {
		check(child(parent, name));
		if (strcmp(op, "test") == 0)
			check(json_equal(child(parent, name), value));
		else
			put_at(parent, name, value, false);
	}
	free(name);
}

void json_apply(json_t *tree, const char *patch)
{
	json_t *operations = json_of(patch, strlen(patch));

	check(json_is_array(operations) && json_array_size(operations) > 0);
	for (size_t i = 0; i < json_array_size(operations); i++)
		apply_operation(tree, json_array_get(operations, i));
	json_decref(operations);
}

void json_merge(json_t *tree, const json_t *patch)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, name, value)
	{
		if (json_is_null(value)) {
			json_object_del(tree, name);
		} else if (json_is_object(value)) {
			if (!json_is_object(json_object_get(tree, name)))
				json_object_set_new(tree, name, json_object());
			json_merge(json_object_get(tree, name), value);
		} else {
			json_object_set(tree, name, value);
		}
	}
}

struct fuzz_codec codec_open(void)
{
	struct fuzz_codec fuzz = { .atoms = atoms_new() };

	fuzz.codec = codec_new(fuzz.atoms, PROJECT_LABEL_DEFAULT);
	return fuzz;
}

void codec_close(struct fuzz_codec *fuzz)
{
	codec_free(fuzz->codec);
	check(atoms_count(fuzz->atoms) == 0);
	atoms_free(fuzz->atoms);
}

const struct resource *kind_of_digit(uint8_t digit)
{
	return digit >= '0' && digit < '0' + KIND_COUNT ? tree_resources[digit - '0'] : NULL;
}
