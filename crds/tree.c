/*
 * Text to tree to record: the steps in which an object from the server is accepted or refused as a whole. The tree is
 * the caller's and dies with its call. Strictness follows what the API server itself accepts: a NUL character inside an
 * annotation that nobody here reads must not make an object unreadable, so it is refused only in what is kept.
 */
#include "tree.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "caps.h"
#include "pack.h"
#include "text.h"

enum { NAME_SHOWN = 63, KEY_TEXT = 2 * NAME_SHOWN + 64 };

#define KIND(id, prefix) [KIND_##id] = &prefix##_resource,
const struct resource *const tree_resources[KIND_COUNT] = { KINDS(KIND) };
#undef KIND

void tree_cleanup(json_t **tree)
{
	json_decref(*tree);
	*tree = NULL;
}

json_t *tree_parse(const char *text, size_t len, size_t max, struct error *err)
{
	json_error_t where;
	json_t *tree;

	if (len > max) {
		error_set(err, ERROR_INVALID, "JSON text is longer than %zu bytes", max);
		return NULL;
	}
	tree = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
	if (!tree)
		error_set(err, ERROR_INVALID, "not JSON at byte %d: %s", where.position, where.text);
	return tree;
}

/*
 * What jansson 2.14 takes from the heap where pointers have 8 bytes. An allocation and 8 bytes of the heap's own are rounded up to
 * 16, and may get 16 more (ROUND), since no smaller hole is left over. Tables double, and the old one goes when the new one is
 * filled: at most three times the room of what is in them.
 */
enum {
	ROUND = 16,
	WEIGHT_OBJECT = 80 + 144 + 2 * ROUND, /* json_object_t and a table of 8 buckets */
	WEIGHT_ARRAY = 48 + 80 + 2 * ROUND,   /* json_array_t and a table of 8 slots */
	WEIGHT_STRING = 48 + 32 + 2 * ROUND,  /* json_string_t, and what its bytes are rounded up by; a key's pair is no more */
	WEIGHT_ITEM = 3 * 8,		      /* the item's slots */
	WEIGHT_MEMBER = 3 * 16 - WEIGHT_ITEM, /* the pair's buckets, beyond what its comma weighs */
	WEIGHT_SCALAR = 32 + ROUND,	      /* json_integer_t or json_real_t; true, false and null take nothing */
	WEIGHT_PARSER = 128,		      /* its buffer at first, */
	WEIGHT_TOKEN = 3,		      /* and times the longest token: it doubles too */
};

/* The bytes up to and with the quote that ends the string. */
static size_t string_span(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && text[i] != '"')
		i += text[i] == '\\' ? 2 : 1;
	return i < len ? i + 1 : len;
}

static size_t scalar_span(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && !strchr("\"{}[]:, \t\r\n", text[i]))
		i++;
	return i;
}

/* Text that is no JSON weighs what there is up to the first error, which is no more. */
size_t tree_weight(const char *text, size_t len)
{
	size_t weight = WEIGHT_PARSER, longest = 0, token;

	for (size_t i = 0; i < len; i += token) {
		token = 1;
		switch (text[i]) {
		case '{':
			weight += WEIGHT_OBJECT;
			break;
		case '[':
			weight += WEIGHT_ARRAY;
			break;
		case ':':
			weight += WEIGHT_MEMBER;
			break;
		case ',':
			weight += WEIGHT_ITEM;
			break;
		case '"':
			token += string_span(text + i + 1, len - i - 1);
			weight += WEIGHT_STRING + token;
			break;
		case '}':
		case ']':
		case ' ':
		case '\t':
		case '\r':
		case '\n':
			break;
		default:
			token += scalar_span(text + i + 1, len - i - 1);
			weight += text[i] < 'a' ? WEIGHT_SCALAR : 0;
		}
		longest = token > longest ? token : longest;
	}
	return weight + WEIGHT_TOKEN * longest;
}

const char *tree_text(const json_t *object, const char *member, size_t max)
{
	const json_t *value = json_object_get(object, member);
	const size_t len = json_string_length(value);

	return len > 0 && len <= max && strlen(json_string_value(value)) == len ? json_string_value(value) : NULL;
}

int tree_check_kind(const struct resource *resource, const char *suffix, bool optional, const json_t *tree, struct error *err)
{
	const json_t *api_version = json_object_get(tree, "apiVersion"), *kind = json_object_get(tree, "kind");
	const char *got_version = json_string_value(api_version), *got_kind = json_string_value(kind);
	char version[64], name[64];

	if (!json_is_object(tree))
		return error_set(err, ERROR_INVALID, "expected an object, got %s", decode_type_name(tree));
	snprintf(version, sizeof(version), "%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);
	snprintf(name, sizeof(name), "%s%s", resource->kind, suffix);
	if ((got_version ? strcmp(got_version, version) == 0 : optional && !api_version) &&
	    (got_kind ? strcmp(got_kind, name) == 0 : optional && !kind))
		return 0;
	if (!got_kind)
		got_kind = "no kind";
	if (!got_version)
		got_version = "no apiVersion";
	return error_set(err, ERROR_INVALID, "expected %s of %s, got %.*s of %.*s", name, version, (int)text_cut(got_kind, 64),
			 got_kind, (int)text_cut(got_version, 64), got_version);
}

/* "Kind namespace/name", as far as it can be read; a long name is cut so that the message still says what is wrong. */
static const char *key_print(const struct resource *resource, const json_t *tree, char text[KEY_TEXT])
{
	const json_t *metadata = json_object_get(tree, "metadata");
	const char *ns = tree_text(metadata, "namespace", NAME_SHOWN), *name = tree_text(metadata, "name", CAP_TEXT_BYTES);
	int shown;

	if (!name)
		return resource->kind;
	shown = (int)text_cut(name, NAME_SHOWN);
	snprintf(text, KEY_TEXT, "%s %s%s%.*s%s", resource->kind, ns ? ns : "", ns ? "/" : "", shown, name, name[shown] ? "…" : "");
	return text;
}

/* What every object from the server has, and what a new one will be given. */
static int check_metadata(const struct resource *resource, const struct object *meta, bool new, struct error *err)
{
	const char *missing = NULL;

	if (!meta->name)
		missing = "name";
	else if (resource->namespaced && !meta->ns)
		missing = "namespace";
	else if (!new && (!meta->uid || !meta->uid[0]))
		missing = "uid";
	else if (!new && (!meta->resource_version || !meta->resource_version[0]))
		missing = "resourceVersion";
	if (missing)
		return error_set(err, ERROR_INVALID, "metadata.%s: missing", missing);
	if (!resource->namespaced && meta->ns)
		return error_set(err, ERROR_INVALID, "metadata.namespace: the kind is cluster-scoped");
	return 0;
}

static const char *own_text(struct decoder *decoder, const char *text)
{
	decoder->text_bytes += strlen(text) + 1;
	return text;
}

static void fill_in(struct decoder *decoder, const struct resource *resource, const struct tree_fill *fill, struct object *meta)
{
	if (!meta->name && fill->new)
		meta->name = atom_of(decoder->atoms, "");
	if (!meta->ns && resource->namespaced && fill->ns[0])
		meta->ns = atom_of(decoder->atoms, fill->ns);
	if (!meta->uid)
		meta->uid = own_text(decoder, fill->uid);
	if (!meta->resource_version)
		meta->resource_version = own_text(decoder, fill->resource_version);
	if (!meta->created)
		meta->created = fill->created;
	if (!meta->deleted)
		meta->deleted = fill->deleted;
}

/* fill NULL: it is as the server has it. */
static void *record_of(struct codec *codec, const struct resource *resource, bool kind_optional, const struct tree_fill *fill,
		       const json_t *tree, struct error *err)
{
	struct decoder decoder = {
		.atoms = codec->atoms, .arena = &codec->scratch, .project_label = codec->project_label, .err = err
	};
	void *scratch = arena_alloc(&codec->scratch, resource->shape->size), *record = NULL;
	bool read = tree_check_kind(resource, "", kind_optional, tree, err) == 0 &&
		    decode_record(&decoder, resource->shape, tree, scratch) == 0;
	char key[KEY_TEXT];

	if (read && fill)
		fill_in(&decoder, resource, fill, scratch);
	if (read && check_metadata(resource, scratch, fill && fill->new, err) == 0) {
		record = pack_record(&decoder, resource->shape, scratch);
	} else {
		pack_release(codec->atoms, resource->shape, scratch);
		error_wrap(err, "%s", key_print(resource, tree, key));
	}
	arena_reset(&codec->scratch);
	return record;
}

void *tree_record(struct codec *codec, const struct resource *resource, bool kind_optional, const json_t *tree, struct error *err)
{
	return record_of(codec, resource, kind_optional, NULL, tree, err);
}

void *tree_record_sent(struct codec *codec, const struct resource *resource, const struct tree_fill *fill, const json_t *tree,
		       struct error *err)
{
	return record_of(codec, resource, false, fill, tree, err);
}

char *tree_print(json_t *tree)
{
	char *text = json_dumps(tree, JSON_COMPACT);

	assert(text);
	json_decref(tree);
	return text;
}

json_t *tree_made(json_t *tree)
{
	assert(tree);
	return tree;
}

json_t *tree_string(const char *text)
{
	return tree_made(json_string(text));
}

json_t *tree_owner(const struct owner_reference *owner)
{
	return tree_made(json_pack("{s:s,s:s,s:s,s:s}", "apiVersion", owner->api_version, "kind", owner->kind, "name", owner->name,
				   "uid", owner->uid));
}

json_t *tree_operation(const char *op, const char *path, json_t *value)
{
	return tree_made(json_pack("{s:s,s:s,s:o*}", "op", op, "path", path, "value", value));
}
