/*
 * jansson's parser for the common case, in front of jansson's own (the linker's --wrap): that one takes byte after byte, and a
 * simulation would spend half its time there. Whatever is not plain (an escape, a byte beyond ASCII, a number with a fraction, a duplicate
 * key, an error) goes to the real one, from the start; so the trees, and what is refused, are the same.
 */
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

json_t *__real_json_loadb(const char *text, size_t len, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t len, size_t flags, json_error_t *error);

enum { DEPTH_MAX = 64, DIGITS_MAX = 18 };

struct plain {
	const char *at, *end;
	unsigned depth;
};

static json_t *value(struct plain *);

static void skip(struct plain *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
}

static bool take(struct plain *p, char c)
{
	skip(p);
	if (p->at == p->end || *p->at != c)
		return false;
	p->at++;
	return true;
}

/* After the opening quote; NULL when it is not plain. */
static const char *plain_string(struct plain *p, size_t *len)
{
	const char *from = p->at;

	while (p->at < p->end && *p->at != '"') {
		if (*p->at == '\\' || *p->at < ' ' || (unsigned char)*p->at >= 0x7f)
			return NULL;
		p->at++;
	}
	if (p->at == p->end)
		return NULL;
	*len = (size_t)(p->at++ - from);
	return from;
}

static json_t *refuse(struct plain *p, json_t *made)
{
	json_decref(made);
	p->at = p->end;
	return NULL;
}

static json_t *object(struct plain *p)
{
	json_t *made = json_object(), *member;
	const char *key;
	size_t len;

	if (take(p, '}'))
		return made;
	do {
		key = take(p, '"') ? plain_string(p, &len) : NULL;
		member = key && take(p, ':') ? value(p) : NULL;
		if (!member)
			return refuse(p, made);
		size_t before = json_object_size(made);
		json_object_setn_new_nocheck(made, key, len, member);
		if (json_object_size(made) == before) /* twice the same key */
			return refuse(p, made);
	} while (take(p, ','));
	return take(p, '}') ? made : refuse(p, made);
}

static json_t *array(struct plain *p)
{
	json_t *made = json_array(), *item;

	if (take(p, ']'))
		return made;
	do {
		item = value(p);
		if (!item)
			return refuse(p, made);
		json_array_append_new(made, item);
	} while (take(p, ','));
	return take(p, ']') ? made : refuse(p, made);
}

static json_t *integer(struct plain *p)
{
	json_int_t n = 0;
	const char *from = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		n = n * 10 + (*p->at++ - '0');
	if (p->at == from || p->at - from > DIGITS_MAX || (*from == '0' && p->at - from > 1) || p->at == p->end || strchr(".eE", *p->at))
		return NULL;
	return json_integer(n);
}

static json_t *word(struct plain *p, const char *text, json_t *is)
{
	size_t len = strlen(text);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, text, len) != 0)
		return NULL;
	p->at += len;
	return is;
}

static json_t *value(struct plain *p)
{
	const char *text;
	json_t *made = NULL;
	size_t len;

	skip(p);
	if (p->at == p->end || p->depth == DEPTH_MAX)
		return NULL;
	p->depth++;
	switch (*p->at) {
	case '{':
		p->at++;
		made = object(p);
		break;
	case '[':
		p->at++;
		made = array(p);
		break;
	case '"':
		p->at++;
		text = plain_string(p, &len);
		made = text ? json_stringn_nocheck(text, len) : NULL;
		break;
	case 't':
		made = word(p, "true", json_true());
		break;
	case 'f':
		made = word(p, "false", json_false());
		break;
	case 'n':
		made = word(p, "null", json_null());
		break;
	default:
		made = integer(p);
	}
	p->depth--;
	return made;
}

json_t *__wrap_json_loadb(const char *text, size_t len, size_t flags, json_error_t *error)
{
	struct plain p = { .at = text, .end = text + len };
	json_t *made = value(&p);

	skip(&p);
	if (made && p.at == p.end && (json_is_object(made) || json_is_array(made)))
		return made;
	json_decref(made);
	return __real_json_loadb(text, len, flags, error);
}
