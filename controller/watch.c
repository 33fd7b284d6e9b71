/*
 * Owns: the decisions of the list-and-watch protocol for one kind (watch.h draws it).
 * Must not know: sockets, JSON, clocks, which kind it is.
 * Invariant: resource_version is never ahead of what the cache has taken in.
 */
#include "watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* client-go reflector.go: back-off 0.8 s doubling to 30 s, forgotten after two quiet minutes; watches of 5 to 10 minutes. */
enum {
	BACKOFF_FIRST_MS = 800,
	BACKOFF_LAST_MS = 30000,
	BACKOFF_RESET_MS = 120000,
	WAIT_LEAST_MS = 20,
	WATCH_TIMEOUT_MIN_S = 300,
	WATCH_TIMEOUT_SPAN_S = 300,
	LIST_LONG_MS = 10000, /* an answer that broke off later than this may have been too large */
	STREAM_TOO_SHORT_MS = 1000,
	STREAM_CUT_MS = 100,
	/* A missing CRD is awaited at a steady pace: someone is about to install it and looks at the screen. */
	NO_SUCH_KIND_MS = 2000,
	HURRY_MS = 1000,
	PAGES_MAX = 4096, /* twenty million objects; a server whose list has no end must not keep us listing for ever */
};

static uint64_t watch_random(struct watch *w)
{
	/* xorshift64: jitter needs no more; the seed is the caller's, so a run can be repeated */
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static void remember(char to[RESOURCE_VERSION_SIZE], const char *resource_version)
{
	size_t n = strlen(resource_version);

	assert(n < RESOURCE_VERSION_SIZE); /* decoding refuses longer ones */
	memmove(to, resource_version, n + 1);
}

static void move_to(struct watch *w, const char *resource_version, int64_t now)
{
	if (strcmp(w->resource_version, resource_version) != 0)
		w->moved_at = now;
	remember(w->resource_version, resource_version);
}

static void drop_continue(struct watch *w)
{
	free(w->continue_token);
	w->continue_token = NULL;
}

static struct watch_cmd list_page(struct watch *w, int64_t now)
{
	struct watch_cmd cmd = { .type = WATCH_DO_LIST,
				 .continue_token = w->continue_token,
				 .limit = w->in_pages ? WATCH_PAGE_SIZE : WATCH_LIST_SIZE };

	w->state = WATCH_LISTING;
	w->listed_at = now;
	/* A continue token brings its own resourceVersion; to name one is an error. */
	if (!w->continue_token && w->from == LIST_EXACT) {
		cmd.resource_version = w->first_page;
		cmd.exact = true;
		cmd.limit = 0;
	}
	return cmd;
}

static struct watch_cmd open_stream(struct watch *w, int64_t now)
{
	w->state = WATCH_WATCHING;
	w->opened_at = now;
	w->heard = false;
	return (struct watch_cmd){
		.type = WATCH_DO_WATCH,
		.resource_version = w->resource_version,
		.timeout_s = WATCH_TIMEOUT_MIN_S + (int)(watch_random(w) % (WATCH_TIMEOUT_SPAN_S + 1)),
	};
}

/* Go on with whatever is due: the stream if there is a version to go on from, else a list. */
static struct watch_cmd resume(struct watch *w, int64_t now)
{
	return w->current ? open_stream(w, now) : list_page(w, now);
}

static int64_t next_wait(struct watch *w, int64_t now)
{
	int64_t wait;

	if (!w->backoff_ms || now - w->failed_at > BACKOFF_RESET_MS)
		w->backoff_ms = BACKOFF_FIRST_MS;
	w->failed_at = now;
	wait = (int64_t)(watch_random(w) % (uint64_t)w->backoff_ms); /* full jitter */
	w->backoff_ms = w->backoff_ms * 2 < BACKOFF_LAST_MS ? w->backoff_ms * 2 : BACKOFF_LAST_MS;
	return wait < WAIT_LEAST_MS ? WAIT_LEAST_MS : wait;
}

static struct watch_cmd wait_until(struct watch *w, int64_t due)
{
	w->state = WATCH_WAITING;
	w->due = due;
	return (struct watch_cmd){ .type = WATCH_DO_WAIT, .due = due };
}

static struct watch_cmd failed(struct watch *w, const struct watch_event *event, int64_t now)
{
	bool listing = w->state == WATCH_LISTING;
	/* An expired version is answered by a list at once: after an outage it has been waited enough. Only again and again it is not. */
	bool at_once = event->failure == FAILURE_EXPIRED && w->last_failure != FAILURE_EXPIRED;
	int64_t wait = at_once ? WAIT_LEAST_MS : next_wait(w, now);

	w->last_failure = event->failure;
	switch (event->failure) {
	case FAILURE_EXPIRED:
		/* On a later page only the token has expired; the list itself may still be had in one piece. Anywhere else
		 * the version is too old, and the next list must not be served from a cache that is as old. */
		w->from = listing && w->continue_token ? LIST_EXACT : LIST_LATEST;
		w->current = false;
		drop_continue(w);
		break;
	case FAILURE_NO_SUCH_KIND:
		wait = NO_SUCH_KIND_MS;
		/* fall through: what comes back is another kind with the same name */
		__attribute__((fallthrough));
	case FAILURE_TOO_LARGE:
		w->from = LIST_LATEST;
		w->current = false;
		drop_continue(w);
		break;
	case FAILURE_PASSING:
		w->in_pages |= listing && now - w->listed_at >= LIST_LONG_MS;
		__attribute__((fallthrough));
	case FAILURE_REFUSED:
		/* A list goes on at the page it has reached, a stream at the version it has reached. */
		break;
	}
	if (wait < event->retry_after_ms) /* the server's word is a least wait; spread those who heard the same */
		wait = event->retry_after_ms + (int64_t)(watch_random(w) % (uint64_t)(event->retry_after_ms / 4 + 1));
	return wait_until(w, now + wait);
}

static struct watch_cmd page(struct watch *w, const struct watch_event *event, int64_t now)
{
	const struct watch_event endless = { .type = WATCH_FAILED, .failure = FAILURE_PASSING };

	if (!w->continue_token) {
		remember(w->first_page, event->resource_version);
		w->pages = 0;
	}
	if (event->continue_token && ((w->continue_token && strcmp(w->continue_token, event->continue_token) == 0) ||
				      ++w->pages == PAGES_MAX)) {
		drop_continue(w); /* it leads nowhere: from the first page again, after a while */
		return failed(w, &endless, now);
	}
	drop_continue(w);
	if (event->continue_token) {
		w->continue_token = memory_strdup(event->continue_token);
		return list_page(w, now);
	}
	/* A list is as of its first page (all pages share the snapshot), and a stream goes on from there. */
	move_to(w, w->first_page, now);
	w->current = w->synced = true;
	w->in_pages = false;
	w->last_failure = 0;
	return open_stream(w, now);
}

static struct watch_cmd listing_step(struct watch *w, const struct watch_event *event, int64_t now)
{
	switch (event->type) {
	case WATCH_PAGE:
		return page(w, event, now);
	case WATCH_FAILED:
		return failed(w, event, now);
	case WATCH_TICK:
		break;
	case WATCH_START:
	case WATCH_EVENT:
	case WATCH_ENDED:
		assert(0 && "awaiting a page");
	}
	return (struct watch_cmd){ .type = WATCH_DO_NOTHING };
}

static struct watch_cmd watching_step(struct watch *w, const struct watch_event *event, int64_t now)
{
	const struct watch_event too_short = { .type = WATCH_FAILED, .failure = FAILURE_PASSING };

	switch (event->type) {
	case WATCH_EVENT:
		move_to(w, event->resource_version, now);
		w->heard = true;
		break;
	case WATCH_ENDED:
		if (now - w->opened_at >= STREAM_TOO_SHORT_MS)
			return open_stream(w, now);
		/* An API server under load cuts off streams that it can't feed fast enough, again and again: what they brought is progress, and
		 * to wait longer each time would be to fall behind. One that hangs up at once is not asked as fast as it can answer. */
		return w->heard ? wait_until(w, now + STREAM_CUT_MS) : failed(w, &too_short, now);
	case WATCH_FAILED:
		return failed(w, event, now);
	case WATCH_TICK:
		break;
	case WATCH_START:
	case WATCH_PAGE:
		assert(0 && "awaiting events");
	}
	return (struct watch_cmd){ .type = WATCH_DO_NOTHING };
}

void watch_hurry(struct watch *w, int64_t now)
{
	int64_t due = now + (int64_t)(watch_random(w) % HURRY_MS);

	if (w->state == WATCH_WAITING && due < w->due)
		w->due = due;
}

struct watch_cmd watch_relist(struct watch *w, int64_t now)
{
	assert(w->state != WATCH_STOPPED);
	w->from = LIST_LATEST;
	w->current = false;
	drop_continue(w);
	return list_page(w, now);
}

void watch_init(struct watch *w, uint64_t seed)
{
	*w = (struct watch){ .random = seed ? seed : 1 };
}

void watch_close(struct watch *w)
{
	drop_continue(w);
}

struct watch_cmd watch_step(struct watch *w, const struct watch_event *event, int64_t now)
{
	switch (w->state) {
	case WATCH_STOPPED:
		assert(event->type == WATCH_START);
		return list_page(w, now);
	case WATCH_LISTING:
		return listing_step(w, event, now);
	case WATCH_WATCHING:
		return watching_step(w, event, now);
	case WATCH_WAITING:
		if (event->type == WATCH_TICK && now >= w->due)
			return resume(w, now);
		return (struct watch_cmd){ .type = WATCH_DO_WAIT, .due = w->due };
	}
	return (struct watch_cmd){ .type = WATCH_DO_NOTHING };
}
