/*
 * Owns: one GET under way, of an object or of a list, and how its answer is read.
 * Must not know: who asks and why, the cache. Invariant: only what was asked for is reported, and absence only after a whole answer.
 */
#include "lookup.h"

#include <stdlib.h>

#include "api.h"
#include "caps.h"
#include "frame.h"
#include "kind.h"
#include "memory.h"

struct lookup {
	const struct port *port;
	struct codec *codec;
	struct key key;
	struct lookup_listener listener;
	struct call *call;
	struct frame body;
	size_t n_found;
	bool broken; /* something in it cannot be read, or is not what was asked for */
};

static void lookup_free(struct lookup *lookup)
{
	frame_close(&lookup->body);
	free(lookup);
}

static bool asked_for(const struct lookup *lookup, const struct object *object)
{
	const struct key key = lookup->key;

	return !key.name || (object->ns == key.ns && object->name == key.name);
}

static void report(struct lookup *lookup, void *record)
{
	const struct object *meta = record;
	const struct key key = { .kind = lookup->key.kind, .ns = meta->ns, .name = meta->name };

	if (!asked_for(lookup, meta) || lookup->n_found == LOOKUP_LIST_MAX) {
		lookup->broken = true;
		record_free(lookup->codec, kinds[key.kind].resource, record);
		return;
	}
	lookup->n_found++;
	lookup->listener.found(lookup->listener.context, key, record);
}

/* An item that our codec cannot read is left out, as it is in the cache. */
static void take_item(struct lookup *lookup, const char *text, size_t len)
{
	const struct resource *resource = kinds[lookup->key.kind].resource;
	struct wire_event item;

	if (item_decode(lookup->codec, resource, text, len, &item, NULL) < 0) {
		lookup->broken = true;
		return;
	}
	if (item.record) {
		report(lookup, item.record);
		item.record = NULL;
	}
	wire_event_close(lookup->codec, resource, &item);
}

static int take_slice(void *context, enum slice_type type, const char *text, size_t len)
{
	struct lookup *lookup = context;

	if (type == SLICE_ITEM) {
		take_item(lookup, text, len);
	} else if (type == SLICE_WHOLE) {
		void *record = record_decode(lookup->codec, kinds[lookup->key.kind].resource, text, len, NULL);
		if (record)
			report(lookup, record);
		else
			lookup->broken = true;
	}
	return 0;
}

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct lookup *lookup = context;

	return status == 200 ? frame_push(&lookup->body, data, len, take_slice, lookup, NULL) : 0;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct lookup *lookup = context;
	const struct lookup_listener listener = lookup->listener;
	bool complete = !transport && status == 404 && lookup->key.name;

	(void)retry_after_ms;
	if (!transport && status == 200)
		complete = frame_finish(&lookup->body, take_slice, lookup, NULL) == 0 && !lookup->broken;
	lookup_free(lookup);
	listener.done(listener.context, complete);
}

struct lookup *lookup_start(const struct port *port, struct codec *codec, struct key key, const struct lookup_listener *listener)
{
	const struct resource *resource = kinds[key.kind].resource;
	struct lookup *lookup = memory_alloc(sizeof(*lookup));
	const struct reply reply = { .context = lookup, .on_data = on_data, .on_done = on_done };
	struct arena arena;

	*lookup = (struct lookup){ .port = port, .codec = codec, .key = key, .listener = *listener };
	frame_init(&lookup->body, key.name ? FRAME_WHOLE : FRAME_LIST, CAP_OBJECT_BYTES);
	arena_init(&arena);
	const struct request request = {
		.method = "GET",
		.path = key.name ? api_object_path(resource, key, NULL, &arena) : api_collection_path(resource, key.ns, &arena),
		.timeout_ms = LOOKUP_TIMEOUT_MS,
	};
	lookup->call = port->send(port->self, &request, &reply);
	arena_close(&arena);
	return lookup;
}

void lookup_cancel(struct lookup *lookup)
{
	lookup->port->cancel(lookup->port->self, lookup->call);
	lookup_free(lookup);
}
