/*
 * Webhook configurations. Input: u or s (called at a URL, or as a Service), and the configuration. The patch applies to it, after
 * it every webhook has our bundle, and there is nothing left to do.
 */
#include "fuzz.h"
#include "webhookconfig.h"

#define BUNDLE "Q0E="
#define URL    "https://127.0.0.1:9443"

static void check_webhooks(const json_t *tree, const char *url)
{
	const json_t *webhooks = json_object_get(tree, "webhooks");

	for (size_t i = 0; i < json_array_size(webhooks); i++) {
		const json_t *client = json_object_get(json_array_get(webhooks, i), "clientConfig");
		json_t *bundle = json_string(BUNDLE);

		check(json_equal(json_object_get(client, "caBundle"), bundle));
		check(!url || strncmp(json_string_value(json_object_get(client, "url")), url, strlen(url)) == 0);
		json_decref(bundle);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *url = size && data[0] == 'u' ? URL : NULL;
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 1);
	struct error err = { 0 };
	char *patch, *again;

	if (webhookconfig_patch(text, size ? size - 1 : 0, BUNDLE, url, &patch, &err) == 0) {
		json_t *tree = json_of(text, size - 1);

		if (patch)
			json_apply(tree, patch);
		check_webhooks(tree, url);
		cleanup_free char *patched = json_dumps(tree, JSON_COMPACT);

		check(webhookconfig_patch(patched, strlen(patched), BUNDLE, url, &again, &err) == 0 && !again);
		json_decref(tree);
	} else {
		check_error(&err);
		check(!patch);
	}
	free(patch);
	codec_close(&fuzz);
	return 0;
}
