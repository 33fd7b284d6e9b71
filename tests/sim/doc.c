/*
 * Owns: JSON as the simulated server treats it. Must not know objects, versions, or who asks.
 */
#include "doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static void room_for(struct doc_text *text, size_t more)
{
	if (text->len + more <= text->room)
		return;
	text->room = (text->len + more) * 2;
	text->at = realloc(text->at, text->room);
	if (!text->at)
		abort();
}

static void hash_bytes(struct doc_text *text, const char *at, size_t len)
{
	uint64_t h = text->hash, word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = (h ^ word) * 0x9fb21c651e98df25u;
		h ^= h >> 29;
	}
	word = len;
	memcpy(&word, at, len);
	text->hash = (h ^ word) * 0x9fb21c651e98df25u;
}

static bool is_moment(const char *at, size_t len)
{
	return len == sizeof("2026-11-22T10:06:20Z") - 1 && at[4] == '-' && at[10] == 'T' && at[len - 1] == 'Z';
}

static void put_string(struct doc_text *text, const char *at, size_t len)
{
	char *to;

	room_for(text, len * 6 + 2);
	to = text->at + text->len;
	*to++ = '"';
	for (const char *end = at + len; at < end; at++) {
		unsigned char c = (unsigned char)*at;

		if (c == '"' || c == '\\') {
			*to++ = '\\';
			*to++ = (char)c;
		} else if (c < ' ') {
			to += sprintf(to, "\\u%04x", c);
		} else {
			*to++ = (char)c;
		}
	}
	*to++ = '"';
	text->len = (size_t)(to - text->at);
}

static void put_raw(struct doc_text *text, const char *raw, size_t len)
{
	room_for(text, len);
	memcpy(text->at + text->len, raw, len);
	text->len += len;
}

static void put(struct doc_text *, const json_t *, bool counts);

static void put_object(struct doc_text *text, const json_t *tree, bool counts)
{
	void *at = json_object_iter((json_t *)(uintptr_t)tree);
	const char *before = "{";

	for (; at; at = json_object_iter_next((json_t *)(uintptr_t)tree, at)) {
		const char *key = json_object_iter_key(at);
		size_t len = strlen(key);

		put_raw(text, before, 1);
		put_string(text, key, len);
		put_raw(text, ":", 1);
		if (counts)
			hash_bytes(text, key, len);
		put(text, json_object_iter_value(at), counts && strcmp(key, "uid") != 0);
		before = ",";
	}
	put_raw(text, before[0] == '{' ? "{}" : "}", before[0] == '{' ? 2 : 1);
}

static void put(struct doc_text *text, const json_t *tree, bool counts)
{
	char number[32];
	size_t start;

	switch (json_typeof(tree)) {
	case JSON_OBJECT:
		put_object(text, tree, counts);
		return;
	case JSON_ARRAY:
		put_raw(text, "[", 1);
		for (size_t i = 0; i < json_array_size(tree); i++) {
			if (i)
				put_raw(text, ",", 1);
			put(text, json_array_get(tree, i), counts);
		}
		put_raw(text, "]", 1);
		return;
	case JSON_STRING:
		put_string(text, json_string_value(tree), json_string_length(tree));
		if (counts && !is_moment(json_string_value(tree), json_string_length(tree)))
			hash_bytes(text, json_string_value(tree), json_string_length(tree));
		return;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(tree));
		break;
	case JSON_REAL:
		snprintf(number, sizeof(number), "%.17g", json_real_value(tree));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		strcpy(number, json_is_true(tree) ? "true" : json_is_null(tree) ? "null" : "false");
		break;
	}
	start = text->len;
	put_raw(text, number, strlen(number));
	if (counts)
		hash_bytes(text, text->at + start, text->len - start);
}

void doc_write(struct doc_text *text, const json_t *tree)
{
	text->len = 0;
	text->hash = 0x243f6a8885a308d3u;
	put(text, tree, true);
}

void doc_text_close(struct doc_text *text)
{
	free(text->at);
	*text = (struct doc_text){ 0 };
}

/* ---- patches ---- */

void doc_merge(json_t *object, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		json_t *old = json_object_get(object, key);

		if (json_is_null(value)) {
			json_object_del(object, key);
		} else if (!json_is_object(value)) {
			json_object_set_new(object, key, json_deep_copy(value));
		} else {
			if (!json_is_object(old)) {
				old = json_object();
				json_object_set_new(object, key, old);
			}
			doc_merge(old, value);
		}
	}
}

/* The container that a JSON Pointer's last step is in, and that step; NULL when there is none. */
static json_t *container_of(json_t *object, const char *pointer, char step[128])
{
	for (;;) {
		size_t n = 0;

		if (*pointer++ != '/')
			return NULL;
		for (; *pointer && *pointer != '/' && n < 127; pointer++) {
			if (pointer[0] == '~' && (pointer[1] == '0' || pointer[1] == '1'))
				step[n++] = *++pointer == '0' ? '~' : '/';
			else
				step[n++] = *pointer;
		}
		step[n] = '\0';
		if (!*pointer)
			return object;
		object = json_is_array(object) ? json_array_get(object, strtoul(step, NULL, 10)) : json_object_get(object, step);
	}
}

static int operate(json_t *object, const char *op, const char *path, json_t *value)
{
	char step[128];
	json_t *in = container_of(object, path, step), *there;
	bool array = json_is_array(in);
	size_t at = array && strcmp(step, "-") == 0 ? json_array_size(in) : strtoul(step, NULL, 10);

	if (!in)
		return -1;
	there = array ? json_array_get(in, at) : json_object_get(in, step);
	if (strcmp(op, "test") == 0)
		return there && json_equal(there, value) ? 0 : -1;
	if (strcmp(op, "add") == 0)
		return array ? json_array_insert(in, at, value) : json_object_set(in, step, value);
	if (strcmp(op, "remove") == 0 && there)
		return array ? json_array_remove(in, at) : json_object_del(in, step);
	return -1;
}

int doc_patch(json_t *object, const json_t *operations)
{
	for (size_t i = 0; i < json_array_size(operations); i++) {
		const json_t *o = json_array_get(operations, i);

		if (operate(object, doc_word(o, "op", NULL), doc_word(o, "path", NULL), json_object_get(o, "value")) != 0)
			return -1;
	}
	return 0;
}

/* ---- reading ---- */

static json_t *walk(const json_t *object, va_list steps)
{
	json_t *at = (json_t *)(uintptr_t)object;

	for (const char *step; at && (step = va_arg(steps, const char *)) != NULL;)
		at = json_object_get(at, step);
	return at;
}

json_t *doc_at(const json_t *object, ...)
{
	va_list steps;
	json_t *at;

	va_start(steps, object);
	at = walk(object, steps);
	va_end(steps);
	return at;
}

const char *doc_word(const json_t *object, ...)
{
	va_list steps;
	const char *text;

	va_start(steps, object);
	text = json_string_value(walk(object, steps));
	va_end(steps);
	return text ? text : "";
}

const json_t *doc_condition(const json_t *object, const char *type)
{
	const json_t *conditions = doc_at(object, "status", "conditions", NULL);

	for (size_t i = 0; i < json_array_size(conditions); i++)
		if (strcmp(doc_word(json_array_get(conditions, i), "type", NULL), type) == 0)
			return json_array_get(conditions, i);
	return NULL;
}
