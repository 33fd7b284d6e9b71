/*
 * What stands around objects. Input: a digit for the kind, a letter (e a watch's line, i a list's item, l a list without its
 * items), and the text. An event holds a record or says why not, agrees with what the object alone decodes to, and leaves no atom
 * behind.
 */
#include "encode.h"
#include "fuzz.h"

static void check_object(struct codec *codec, const struct resource *resource, const struct wire_event *event, const json_t *object)
{
	struct error err;

	check(!event->record == (event->poison.class != ERROR_NONE));
	if (!event->record) {
		check_error(&event->poison);
		check(event->poison.class == ERROR_INVALID);
		check(event->poison_key.kind < KIND_COUNT);
		check(!event->poison_key.name || !event->poison_key.ns == !resource->namespaced);
		return;
	}
	const struct object *meta = event->record;

	check(strcmp(meta->resource_version, event->resource_version) == 0);
	if (!json_object_get(object, "apiVersion") || !json_object_get(object, "kind"))
		return;
	cleanup_free char *text = json_dumps(object, JSON_COMPACT);
	void *alone = record_decode(codec, resource, text, strlen(text), &err);

	check(alone && encode_equal(resource->shape, event->record, alone));
	record_free(codec, resource, alone);
}

static void check_event(struct codec *codec, const struct resource *resource, const char *text, size_t len)
{
	struct wire_event event;
	struct error err = { 0 };
	json_t *tree = json_of(text, len);

	if (event_decode(codec, resource, text, len, &event, &err) < 0) {
		check_error(&err);
		check(!event.record && !event.poison_key.name);
	} else if (event.type == EVENT_ERROR) {
		check_error(&event.status);
	} else if (event.type == EVENT_BOOKMARK) {
		check(event.resource_version[0] && !event.record);
	} else {
		check(event.type >= EVENT_ADDED && event.type <= EVENT_DELETED);
		check_object(codec, resource, &event, json_object_get(tree, "object"));
	}
	wire_event_close(codec, resource, &event);
	json_decref(tree);
}

static void check_item(struct codec *codec, const struct resource *resource, const char *text, size_t len)
{
	struct wire_event event;
	struct error err = { 0 };
	json_t *tree = json_of(text, len);

	if (item_decode(codec, resource, text, len, &event, &err) < 0)
		check_error(&err);
	else
		check_object(codec, resource, &event, tree);
	wire_event_close(codec, resource, &event);
	json_decref(tree);
}

static void check_list(const struct resource *resource, const char *text, size_t len)
{
	struct wire_list list;
	struct error err = { 0 };

	if (list_decode(resource, text, len, &list, &err) < 0)
		check_error(&err);
	else
		check(list.resource_version[0] && (!list.continue_token || list.continue_token[0]));
	free(list.continue_token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct resource *resource = size > 1 ? kind_of_digit(data[0]) : NULL;

	if (!resource)
		return 0;
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 2);

	if (data[1] == 'e')
		check_event(fuzz.codec, resource, text, size - 2);
	else if (data[1] == 'i')
		check_item(fuzz.codec, resource, text, size - 2);
	else
		check_list(resource, text, size - 2);
	codec_close(&fuzz);
	return 0;
}
