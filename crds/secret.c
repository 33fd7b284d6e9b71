/* secret.h. Of the tree only "data" is touched, so that labels, owners and what the future brings survive a replacement. */
#include "secret.h"

#include <string.h>

#include "caps.h"
#include "memory.h"
#include "tree.h"

static json_t *parse(const char *text, size_t len, struct error *err)
{
	json_t *tree = tree_parse(text, len, CAP_OBJECT_BYTES, err);
	const json_t *data = json_object_get(tree, "data");

	if (tree && tree_text(json_object_get(tree, "metadata"), "resourceVersion", 64) && (!data || json_is_object(data) || json_is_null(data)))
		return tree;
	if (tree)
		error_set(err, ERROR_INVALID, "not a Secret");
	json_decref(tree);
	return NULL;
}

int secret_decode(const char *text, size_t len, const char *const keys[], size_t n, size_t max, char *values[], struct error *err)
{
	cleanup_tree json_t *tree = parse(text, len, err);

	for (size_t i = 0; i < n; i++)
		values[i] = memory_strdup(tree_text(json_object_get(tree, "data"), keys[i], max));
	return tree ? 0 : -1;
}

char *secret_uid(const char *text, size_t len)
{
	struct error err;
	cleanup_tree json_t *tree = parse(text, len, &err);

	return memory_strdup(tree_text(json_object_get(tree, "metadata"), "uid", 64));
}

static json_t *data_with(json_t *data, const char *const keys[], size_t n, char *const values[])
{
	for (size_t i = 0; i < n; i++)
		json_object_set_new(data, keys[i], tree_string(values[i]));
	return data;
}

char *secret_replacement(const char *text, size_t len, const char *const keys[], size_t n, char *const values[], struct error *err)
{
	json_t *tree = parse(text, len, err), *data = json_object_get(tree, "data");

	if (!tree)
		return NULL;
	json_object_set_new(tree, "data", data_with(json_is_object(data) ? json_incref(data) : json_object(), keys, n, values));
	return tree_print(tree);
}

char *secret_body(const char *ns, const char *name, const char *const keys[], size_t n, char *const values[])
{
	return tree_print(tree_made(json_pack("{s:s,s:s,s:s,s:{s:s,s:s},s:o}", "apiVersion", "v1", "kind", "Secret", "type", "Opaque", "metadata",
				      "namespace", ns, "name", name, "data", data_with(json_object(), keys, n, values))));
}
