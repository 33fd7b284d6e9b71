/* webhookconfig.h. Nothing but clientConfig is ever in a patch: rules, selectors and policies are whoever installed them. */
#include "webhookconfig.h"

#include <stdio.h>
#include <string.h>

#include "caps.h"
#include "memory.h"
#include "tree.h"

enum { URL_MAX = 4096, NAME_MAX_BYTES = 512, VERSION_MAX = 64, POINTER_SIZE = 64 };

/* Where the webhook is asked now, behind host and port; "" = nowhere in particular. */
static const char *path_of(const json_t *client)
{
	const char *url = tree_text(client, "url", URL_MAX), *authority = url ? strstr(url, "://") : NULL;
	const char *path = tree_text(json_object_get(client, "service"), "path", URL_MAX);

	if (authority)
		return authority + 3 + strcspn(authority + 3, "/");
	return path && *path == '/' ? path : "";
}

static bool lies_below(const char *url, const char *base)
{
	const size_t len = strlen(base);

	return strncmp(url, base, len) == 0 && (url[len] == '\0' || url[len] == '/');
}

/* What clientConfig must be, or NULL when it is. */
static json_t *client_at(const json_t *client, const char *ca_bundle, const char *base)
{
	const char *present = tree_text(client, "url", URL_MAX), *bundle = json_string_value(json_object_get(client, "caBundle"));
	cleanup_free char *url = present && lies_below(present, base) ? memory_strdup(present) : memory_printf("%s%s", base, path_of(client));

	if (present && strcmp(present, url) == 0 && bundle && strcmp(bundle, ca_bundle) == 0)
		return NULL;
	return json_pack("{s:s,s:s}", "url", url, "caBundle", ca_bundle);
}

static int patch_webhook(json_t *patch, size_t i, const json_t *webhook, const char *ca_bundle, const char *base, struct error *err)
{
	const json_t *client = json_object_get(webhook, "clientConfig");
	const char *name = tree_text(webhook, "name", NAME_MAX_BYTES), *bundle = json_string_value(json_object_get(client, "caBundle"));
	char pointer[POINTER_SIZE];
	json_t *value = NULL;

	if (!name || !json_is_object(client))
		return error_set(err, ERROR_INVALID, "webhooks[%zu]: no name or no clientConfig", i);
	if (base)
		value = client_at(client, ca_bundle, base);
	else if (!bundle || strcmp(bundle, ca_bundle) != 0)
		value = tree_string(ca_bundle);
	if (!value)
		return 0;
	snprintf(pointer, sizeof(pointer), "/webhooks/%zu/name", i);
	json_array_append_new(patch, tree_operation("test", pointer, tree_string(name)));
	snprintf(pointer, sizeof(pointer), "/webhooks/%zu/clientConfig%s", i, base ? "" : "/caBundle");
	json_array_append_new(patch, tree_operation(base ? "replace" : "add", pointer, value));
	return 0;
}

int webhookconfig_patch(const char *text, size_t len, const char *ca_bundle, const char *url, char **patch, struct error *err)
{
	cleanup_tree json_t *tree = tree_parse(text, len, CAP_OBJECT_BYTES, err), *operations = json_array();
	const json_t *webhooks = json_object_get(tree, "webhooks");
	const char *version = tree_text(json_object_get(tree, "metadata"), "resourceVersion", VERSION_MAX);

	*patch = NULL;
	if (!tree)
		return -1;
	if (!version)
		return error_set(err, ERROR_INVALID, "metadata.resourceVersion: missing");
	json_array_append_new(operations, tree_operation("test", "/metadata/resourceVersion", tree_string(version)));
	for (size_t i = 0; i < json_array_size(webhooks); i++)
		if (patch_webhook(operations, i, json_array_get(webhooks, i), ca_bundle, url, err) < 0)
			return -1;
	if (json_array_size(operations) > 1)
		*patch = tree_print(json_incref(operations));
	return 0;
}
