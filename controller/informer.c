/*
 * Owns: the one request that a kind has under way, list page or stream, and the way of its bytes into the cache.
 * Must not know: what to do next (watch.c says), what a change means (the cache's listener says).
 * Invariant: the watch hears of a resourceVersion only after the cache has taken in what came with it.
 */
#include "informer.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "caps.h"

/* A stream's own end is timeoutSeconds; a server that then does not hang up is cut off 5 s later. A list must keep flowing. */
enum { STREAM_GRACE_S = 5, LIST_SILENCE_MS = 60000 };

static void act(struct informer *, struct watch_cmd);

static void step(struct informer *inf, const struct watch_event *event)
{
	act(inf, watch_step(&inf->watch, event, inf->port->monotonic_ms(inf->port->self)));
}

/* An object that can't be read is no reason to stop: say so, and no longer believe what we held under its name. */
static void take_poison(struct informer *inf, const struct wire_event *event)
{
	inf->stats.unreadable++;
	if (event->poison_key.name)
		cache_drop(inf->cache, event->poison_key);
	inf->listener.unreadable(inf->listener.context, inf->kind, &event->poison);
}

static void *take_record(struct wire_event *event)
{
	void *record = event->record;

	event->record = NULL;
	return record;
}

static atom_t find_atom(const struct informer *inf, struct frame_word word)
{
	return word.len ? atom_find(inf->atoms, word.at, word.len) : NULL;
}

/* The slice brings nothing that the cache does not hold, which has been told. An equal version is the same object: none is given twice. */
static bool take_known(struct informer *inf, const struct frame_head *head, char version[WIRE_VERSION_SIZE])
{
	const struct key key = { .kind = (uint8_t)inf->kind, .ns = find_atom(inf, head->ns), .name = find_atom(inf, head->name) };

	if (!key.name || !key.ns != !head->ns.at || !frame_word_copy(head->resource_version, version, WIRE_VERSION_SIZE) ||
	    !cache_put_known(inf->cache, key, version))
		return false;
	inf->stats.events++;
	inf->stats.known++;
	return true;
}

static bool item_is_known(struct informer *inf)
{
	struct frame_head head;
	char version[WIRE_VERSION_SIZE];

	return frame_head(&inf->frame, &head) && take_known(inf, &head, version);
}

/* The version of a DELETED is that of the deletion. */
static bool event_is_known(struct informer *inf)
{
	struct frame_head head;
	char version[WIRE_VERSION_SIZE];

	if (!frame_head(&inf->frame, &head) ||
	    (!frame_word_is(head.type, "MODIFIED") && !frame_word_is(head.type, "ADDED")) || !take_known(inf, &head, version))
		return false;
	step(inf, &(struct watch_event){ .type = WATCH_EVENT, .resource_version = version });
	return true;
}

static int take_item(struct informer *inf, const char *text, size_t len)
{
	const struct resource *r = kinds[inf->kind].resource;
	struct wire_event event;

	if (item_is_known(inf))
		return 0;
	if (item_decode(inf->codec, r, text, len, &event, &inf->error) < 0)
		return -1;
	if (event.poison.class)
		take_poison(inf, &event);
	else
		cache_put(inf->cache, inf->kind, take_record(&event));
	inf->stats.events++;
	wire_event_close(inf->codec, r, &event);
	return 0;
}

static int take_event(struct informer *inf, const char *text, size_t len)
{
	const struct resource *r = kinds[inf->kind].resource;
	struct wire_event event;
	int result = 0;

	if (event_is_known(inf))
		return 0;
	if (event_decode(inf->codec, r, text, len, &event, &inf->error) < 0)
		return -1;
	switch (event.type) {
	case EVENT_ADDED:
	case EVENT_MODIFIED:
		if (!event.poison.class)
			cache_put(inf->cache, inf->kind, take_record(&event));
		break;
	case EVENT_DELETED:
		if (!event.poison.class)
			cache_delete(inf->cache, object_key(inf->kind, event.record), ((const struct object *)event.record)->uid);
		break;
	case EVENT_BOOKMARK:
		break;
	case EVENT_ERROR:
		inf->error = event.status;
		result = -1;
		break;
	}
	if (event.poison.class)
		take_poison(inf, &event);
	if (result == 0) {
		inf->stats.events++;
		step(inf, &(struct watch_event){ .type = WATCH_EVENT, .resource_version = event.resource_version });
	}
	wire_event_close(inf->codec, r, &event);
	return result;
}

static int take_slice(void *context, enum slice_type type, const char *text, size_t len)
{
	struct informer *inf = context;

	switch (type) {
	case SLICE_ITEM:
		return take_item(inf, text, len);
	case SLICE_LINE:
		return take_event(inf, text, len);
	case SLICE_ENVELOPE:
		inf->page_complete = true;
		return list_decode(kinds[inf->kind].resource, text, len, &inf->page, &inf->error);
	case SLICE_WHOLE:
		break;
	}
	return 0;
}

static int keep_status(void *context, enum slice_type type, const char *text, size_t len)
{
	struct informer *inf = context;
	int code = inf->error.code;

	(void)type;
	status_error(code, text, len, inf->error.retry_after_ms, &inf->error);
	return 0;
}

static void said_well(struct informer *inf)
{
	if (!inf->answered)
		inf->listener.state(inf->listener.context, inf->kind, NULL);
	inf->answered = true;
}

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct informer *inf = context;

	inf->stats.bytes += len;
	if (status == 200) {
		inf->begun = true;
		inf->stats.heard_at = inf->port->monotonic_ms(inf->port->self);
		said_well(inf);
	}
	if (len == 0) /* the answer has begun */
		return 0;
	if (status != 200) {
		inf->error_body_begun = true;
		/* A body too large to be a Status is cut off; its code alone decides then. */
		return frame_push(&inf->error_body, data, len, keep_status, inf, NULL);
	}
	return frame_push(&inf->frame, data, len, take_slice, inf, &inf->error);
}

static enum watch_failure classify(const struct error *err)
{
	if (err->class == ERROR_GONE)
		return FAILURE_EXPIRED;
	/* storage.NewTooLargeResourceVersionError: a 504 that only its message tells from others */
	if (err->code == 504 && strstr(err->message, "Too large resource version"))
		return FAILURE_TOO_LARGE;
	if (err->class == ERROR_NOT_FOUND)
		return FAILURE_NO_SUCH_KIND;
	if (err->class == ERROR_FORBIDDEN)
		return FAILURE_REFUSED;
	if (err->class == ERROR_INVALID && err->code) /* 400, 422: what we asked for is wrong, and only a new list asks otherwise */
		return FAILURE_EXPIRED;
	return FAILURE_PASSING;
}

static void failed(struct informer *inf)
{
	struct watch_event event = { .type = WATCH_FAILED, .failure = classify(&inf->error), .retry_after_ms = inf->error.retry_after_ms };

	inf->stats.failures++;
	inf->last_error = inf->error;
	inf->last_error_at = inf->port->monotonic_ms(inf->port->self);
	/* An expired version is the protocol's way to ask for a list, not a state of the server. */
	if (inf->error.class != ERROR_GONE) {
		inf->answered = false;
		inf->listener.state(inf->listener.context, inf->kind, &inf->error);
	}
	step(inf, &event);
}

static void list_answered(struct informer *inf)
{
	struct wire_list page = inf->page;

	inf->page = (struct wire_list){ 0 };
	if (!page.continue_token) {
		cache_list_end(inf->cache, inf->kind);
		inf->listed = true;
	}
	step(inf, &(struct watch_event){
			  .type = WATCH_PAGE, .resource_version = page.resource_version, .continue_token = page.continue_token });
	free(page.continue_token);
}

/* A stream that began well and of which nothing came, or its end did not, until our patience ended: it may be dead, or there is nothing to
 * tell. The next one will show: a server that is not there does not begin it. */
static bool ran_out(const struct informer *inf)
{
	const int64_t now = inf->port->monotonic_ms(inf->port->self);
	const bool silent = inf->idle_timeout_ms > 0 && now - inf->stats.heard_at >= inf->idle_timeout_ms;

	return inf->doing == WATCH_DO_WATCH && inf->begun && (silent || now >= inf->ends_at);
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct informer *inf = context;

	inf->call = NULL;
	if (transport && !inf->error.class && ran_out(inf)) {
		step(inf, &(struct watch_event){ .type = WATCH_ENDED });
		return;
	}
	if (status == 200 && !inf->error.class && !transport && frame_finish(&inf->frame, take_slice, inf, &inf->error) == 0) {
		said_well(inf);
		if (inf->doing == WATCH_DO_WATCH)
			step(inf, &(struct watch_event){ .type = WATCH_ENDED });
		else if (inf->page_complete)
			list_answered(inf);
		return;
	}
	if (inf->error.class) /* the body said more than the transport, which we cut ourselves */
		;
	else if (transport)
		inf->error = *transport;
	else {
		inf->error.code = status;
		inf->error.retry_after_ms = retry_after_ms;
		status_error(status, "", 0, retry_after_ms, &inf->error);
		if (inf->error_body_begun && frame_finish(&inf->error_body, keep_status, inf, NULL) < 0)
			status_error(status, "", 0, retry_after_ms, &inf->error); /* cut off as too large: the code decides */
	}
	failed(inf);
}

static void act(struct informer *inf, struct watch_cmd cmd)
{
	const struct reply reply = { .context = inf, .on_data = on_data, .on_done = on_done };
	struct request request = { .method = "GET" };
	struct arena arena;

	if (cmd.type != WATCH_DO_LIST && cmd.type != WATCH_DO_WATCH)
		return;
	if (cmd.type == WATCH_DO_LIST) {
		inf->stats.lists++;
		if (!cmd.continue_token)
			cache_list_begin(inf->cache, inf->kind);
		request.idle_timeout_ms = LIST_SILENCE_MS;
		frame_reset(&inf->frame, FRAME_LIST);
	} else {
		inf->stats.watches++;
		request.idle_timeout_ms = (int)inf->idle_timeout_ms;
		request.timeout_ms = (cmd.timeout_s + STREAM_GRACE_S) * 1000;
		inf->ends_at = inf->port->monotonic_ms(inf->port->self) + request.timeout_ms;
		frame_reset(&inf->frame, FRAME_LINES);
	}
	frame_reset(&inf->error_body, FRAME_WHOLE);
	inf->doing = cmd.type;
	inf->begun = inf->error_body_begun = inf->page_complete = false;
	inf->error = (struct error){ 0 };
	free(inf->page.continue_token);
	inf->page = (struct wire_list){ 0 };
	arena_init(&arena);
	request.path = api_watch_path(kinds[inf->kind].resource, inf->ns, &cmd, &arena);
	inf->call = inf->port->send(inf->port->self, &request, &reply);
	arena_close(&arena);
}

void informer_init(struct informer *inf, enum kind_id kind, const struct port *port, struct cache *cache, struct codec *codec,
		   struct atoms *atoms, const char *ns, int64_t idle_timeout_ms, struct informer_listener listener)
{
	*inf = (struct informer){ .kind = kind, .port = port, .cache = cache, .codec = codec, .atoms = atoms, .ns = ns,
				  .idle_timeout_ms = idle_timeout_ms, .listener = listener };
	watch_init(&inf->watch, port->random(port->self));
	frame_init(&inf->frame, FRAME_LIST, CAP_OBJECT_BYTES);
	frame_init(&inf->error_body, FRAME_WHOLE, CAP_OBJECT_BYTES);
}

void informer_start(struct informer *inf)
{
	step(inf, &(struct watch_event){ .type = WATCH_START });
}

int64_t informer_due(const struct informer *inf)
{
	return inf->watch.state == WATCH_WAITING ? inf->watch.due : INT64_MAX;
}

void informer_tick(struct informer *inf)
{
	if (inf->watch.state == WATCH_WAITING)
		step(inf, &(struct watch_event){ .type = WATCH_TICK });
}

void informer_hurry(struct informer *inf)
{
	watch_hurry(&inf->watch, inf->port->monotonic_ms(inf->port->self));
}

void informer_relist(struct informer *inf)
{
	if (inf->call)
		inf->port->cancel(inf->port->self, inf->call);
	inf->call = NULL;
	inf->listed = false;
	act(inf, watch_relist(&inf->watch, inf->port->monotonic_ms(inf->port->self)));
}

bool informer_listed(const struct informer *inf)
{
	return inf->listed;
}

bool informer_synced(const struct informer *inf)
{
	return inf->watch.synced;
}

void informer_close(struct informer *inf)
{
	if (inf->call)
		inf->port->cancel(inf->port->self, inf->call);
	watch_close(&inf->watch);
	frame_close(&inf->frame);
	frame_close(&inf->error_body);
	free(inf->page.continue_token);
}
