/*
 * One kind's list and watch on a scripted port: the bytes of an API server in, the cache out. Every transcript is fed whole, a
 * byte at a time, and split at every offset; the end must be the same. What a real server will not do is played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "informer.h"

enum { IDLE_MS = 42000 };

/* A port whose other end is the test. */
struct call {
	char path[512];
	struct reply reply;
	int timeout_ms, idle_timeout_ms;
};

struct script {
	struct port port;
	struct atoms *atoms;
	struct codec *codec;
	struct settings settings;
	struct cache *cache;
	struct informer informer;
	struct call *call; /* the one under way */
	int64_t now;
	unsigned changes, unreadable, state_changes;
	struct error last_error, last_unreadable;
};

static struct call *script_send(void *self, const struct request *request, const struct reply *reply)
{
	struct script *s = self;

	assert_null(s->call); /* one request at a time */
	assert_string_equal(request->method, "GET");
	s->call = calloc(1, sizeof(*s->call));
	snprintf(s->call->path, sizeof(s->call->path), "%s", request->path);
	s->call->reply = *reply;
	s->call->timeout_ms = request->timeout_ms;
	s->call->idle_timeout_ms = request->idle_timeout_ms;
	return s->call;
}

static void script_cancel(void *self, struct call *call)
{
	struct script *s = self;

	assert_ptr_equal(call, s->call);
	free(call);
	s->call = NULL;
}

static int64_t script_now(void *self)
{
	return ((struct script *)self)->now;
}

static uint64_t script_random(void *self)
{
	(void)self;
	return 88172645463325252u;
}

static void on_changed(void *context, enum kind_id kind, const void *old, const void *new)
{
	(void)kind, (void)old, (void)new;
	((struct script *)context)->changes++;
}

static void on_doubtful(void *context, struct key key)
{
	(void)context, (void)key;
}

static void on_state(void *context, enum kind_id kind, const struct error *err)
{
	struct script *s = context;

	(void)kind;
	s->state_changes++;
	s->last_error = err ? *err : (struct error){ 0 };
}

static void on_unreadable(void *context, enum kind_id kind, const struct error *err)
{
	struct script *s = context;

	(void)kind;
	s->unreadable++;
	s->last_unreadable = *err;
}

static int setup(void **state)
{
	struct script *s = calloc(1, sizeof(*s));

	s->port = (struct port){ .self = s, .send = script_send, .cancel = script_cancel, .monotonic_ms = script_now,
				 .now = script_now, .random = script_random };
	s->atoms = atoms_new();
	s->codec = codec_new(s->atoms, PROJECT_LABEL_DEFAULT);
	s->cache = cache_new(s->atoms, s->codec, &s->settings,
			     (struct cache_listener){ .context = s, .changed = on_changed, .doubtful = on_doubtful });
	informer_init(&s->informer, KIND_BINDING, &s->port, s->cache, s->codec, s->atoms, NULL, IDLE_MS,
		      (struct informer_listener){ .context = s, .state = on_state, .unreadable = on_unreadable });
	informer_start(&s->informer);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct script *s = *state;

	informer_close(&s->informer);
	assert_null(s->call);
	cache_free(s->cache);
	codec_free(s->codec);
	assert_int_equal(atoms_count(s->atoms), 0);
	atoms_free(s->atoms);
	free(s);
	return 0;
}

/* ---- the server's side ---- */

/* Sends text in two parts, cut at `cut`; cut < 0: a byte at a time. -1 when the informer aborted. */
static int say(struct script *s, int status, const char *text, int cut)
{
	size_t len = strlen(text), step = cut < 0 ? 1 : len, at = 0, first = cut > 0 && (size_t)cut < len ? (size_t)cut : step;

	for (size_t n = first; at < len; at += n, n = step) {
		if (n > len - at)
			n = len - at;
		if (s->call->reply.on_data(s->call->reply.context, status, text + at, n) < 0)
			return -1;
	}
	return 0;
}

static void end(struct script *s, int status, int retry_after_ms, const char *transport)
{
	struct call *call = s->call;

	struct error err = { .class = ERROR_RETRY };

	s->call = NULL;
	s->now += 2000; /* streams of less than a second are another rule's */
	snprintf(err.message, sizeof(err.message), "%s", transport ? transport : "");
	call->reply.on_done(call->reply.context, status, retry_after_ms, transport ? &err : NULL);
	free(call);
}

static void wait_over(struct script *s)
{
	assert_null(s->call);
	assert_true(informer_due(&s->informer) != INT64_MAX);
	s->now = informer_due(&s->informer);
	informer_tick(&s->informer);
	assert_non_null(s->call);
}

#define OBJECT(name, version) \
	"{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"name\":\"" name "\"," \
	"\"namespace\":\"acme\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version "\",\"generation\":1," \
	"\"creationTimestamp\":\"2026-11-22T10:00:00Z\",\"managedFields\":[{\"manager\":\"kubectl \\\"quoted\\\" ]}\"}]}," \
	"\"spec\":{\"billingAccountRef\":{\"name\":\"main\"},\"projectRef\":{\"name\":\"caf\\u00e9-\xc3\xa9\"}}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST(version, more, items) \
	"{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBindingList\",\"metadata\":{\"resourceVersion\":\"" \
	version "\"" more "},\"items\":[" items "]}\n"
#define BOOKMARK(version) \
	"{\"type\":\"BOOKMARK\",\"object\":{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\"," \
	"\"metadata\":{\"resourceVersion\":\"" version "\",\"creationTimestamp\":null}}}\n"
#define STATUS(code, reason, message) \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"" message "\",\"reason\":\"" \
	reason "\",\"code\":" code "}"

static size_t cached(struct script *s)
{
	struct cache_stats stats;

	cache_stats(s->cache, &stats);
	return stats.objects[KIND_BINDING];
}

static void synced_with(struct script *s, const char *list)
{
	assert_int_equal(say(s, 200, list, 0), 0);
	end(s, 200, 0, NULL);
	assert_non_null(strstr(s->call->path, "watch=true"));
}

/* ---- the rules ---- */

static void a_list_then_a_watch_however_the_bytes_are_cut(void **state)
{
	static const char list[] = LIST("10", "", OBJECT("a", "1") "," OBJECT("b", "2"));
	static const char events[] = EVENT("ADDED", OBJECT("c", "11")) EVENT("MODIFIED", OBJECT("a", "12"))
		EVENT("DELETED", OBJECT("b", "13")) BOOKMARK("20");

	(void)state;
	for (int cut = -1; cut < (int)sizeof(events); cut++) {
		struct script *s;
		void *made;

		setup(&made);
		s = made;
		assert_string_equal(s->call->path,
				    "/apis/billing.miloapis.com/v1alpha1/billingaccountbindings?limit=500000");
		assert_false(informer_synced(&s->informer));
		assert_int_equal(say(s, 200, list, cut), 0);
		end(s, 200, 0, NULL);
		assert_true(informer_synced(&s->informer));
		assert_int_equal(cached(s), 2);
		assert_non_null(strstr(s->call->path, "watch=true&allowWatchBookmarks=true&timeoutSeconds="));
		assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
		assert_int_equal(say(s, 200, events, cut), 0);
		assert_int_equal(cached(s), 2);
		assert_int_equal(s->changes, 5);
		end(s, 200, 0, NULL);
		assert_non_null(strstr(s->call->path, "&resourceVersion=20"));
		teardown(&made);
	}
}

static void pages_are_fetched_to_the_end_before_anything_is_dropped(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("5", "", OBJECT("old", "1")));
	assert_int_equal(say(s, 200, EVENT("ERROR", STATUS("410", "Expired", "too old resource version: 5 (9)")), 0), -1);
	end(s, 200, 0, "aborted");
	wait_over(s);
	assert_null(strstr(s->call->path, "resourceVersion")); /* consistent, not from a cache that may be as old */
	assert_int_equal(say(s, 200, LIST("30", ",\"continue\":\"a/b+c=\"", OBJECT("a", "21")), 0), 0);
	end(s, 200, 0, NULL);
	assert_int_equal(cached(s), 2);
	assert_non_null(strstr(s->call->path, "limit=500000&continue=a%2Fb%2Bc%3D"));
	assert_null(strstr(s->call->path, "resourceVersion"));
	assert_int_equal(say(s, 200, LIST("30", "", OBJECT("b", "22")), 0), 0);
	end(s, 200, 0, NULL);
	assert_int_equal(cached(s), 2); /* a and b: old is gone, though no event ever said so */
	assert_non_null(strstr(s->call->path, "&resourceVersion=30"));
}

static void gone_as_a_status_lists_anew_too(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("5", "", OBJECT("a", "1")));
	say(s, 410, STATUS("410", "Expired", "too old resource version"), 0);
	end(s, 410, 0, NULL);
	wait_over(s);
	assert_null(strstr(s->call->path, "watch"));
	assert_null(strstr(s->call->path, "resourceVersion"));
	assert_int_equal(s->last_error.class, ERROR_NONE); /* the protocol's way, nobody is told */
}

static void a_version_from_the_future_lists_anew(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("5", "", OBJECT("a", "1")));
	say(s, 504, STATUS("504", "Timeout", "Timeout: Too large resource version: 5, current: 3"), 0);
	end(s, 504, 0, NULL);
	wait_over(s);
	assert_null(strstr(s->call->path, "resourceVersion"));
}

static void a_cut_event_is_seen_again(void **state)
{
	static const char event[] = EVENT("ADDED", OBJECT("b", "11"));

	(void)state;
	for (int cut = 1; cut < (int)sizeof(event) - 1; cut++) {
		struct script *s;
		void *made;
		char part[sizeof(event)];

		setup(&made);
		s = made;
		synced_with(s, LIST("10", "", OBJECT("a", "1")));
		memcpy(part, event, (size_t)cut);
		part[cut] = '\0';
		assert_int_equal(say(s, 200, part, 0), 0);
		end(s, 200, 0, "connection reset");
		assert_int_equal(cached(s), 1);
		wait_over(s);
		assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
		assert_int_equal(say(s, 200, event, 0), 0);
		assert_int_equal(cached(s), 2);
		teardown(&made);
	}
}

static void a_clean_close_in_mid_event_is_a_failure(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("10", "", OBJECT("a", "1")));
	assert_int_equal(say(s, 200, "{\"type\":\"ADDED\",\"obj", 0), 0);
	end(s, 200, 0, NULL);
	wait_over(s);
	assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
}

static void a_list_cut_short_drops_nothing_and_is_asked_for_again(void **state)
{
	static const char list[] = LIST("30", "", OBJECT("a", "1") "," OBJECT("b", "2"));

	(void)state;
	for (size_t cut = 1; cut < sizeof(list) - 3; cut++) {
		struct script *s;
		void *made;
		char part[sizeof(list)];

		setup(&made);
		s = made;
		memcpy(part, list, cut);
		part[cut] = '\0';
		say(s, 200, part, 0);
		end(s, 200, 0, NULL);
		assert_false(informer_synced(&s->informer));
		wait_over(s);
		synced_with(s, list);
		assert_int_equal(cached(s), 2);
		teardown(&made);
	}
}

static void garbage_ends_the_stream_and_moves_nothing(void **state)
{
	static const char *const garbage[] = { "not json\n", "[]\n", "{}\n", "{\"type\":\"ADDED\"}\n", "{\"type\":\"WHAT\",\"object\":{}}\n",
					       "{\"type\":\"BOOKMARK\",\"object\":{}}\n", "<html>\n", "{\"type\":5,\"object\":null}\n",
					       "{\"type\":\"ADDED\",\"object\":[[[[[[[[]]]]]]]]}\n" };
	struct script *s = *state;

	synced_with(s, LIST("10", "", OBJECT("a", "1")));
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		if (say(s, 200, garbage[i], 0) == 0)
			fail_msg("taken for an event: %s", garbage[i]);
		end(s, 200, 0, "aborted");
		assert_int_equal(cached(s), 1);
		wait_over(s);
		assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
	}
}

#define POISON(name, version) \
	"{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"name\":\"" name "\"," \
	"\"namespace\":\"acme\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version "\"},\"spec\":{\"projectRef\":{\"name\":42}}}"

static void one_unreadable_object_is_named_and_the_rest_goes_on(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("10", "", OBJECT("a", "1") "," POISON("bad", "2") "," OBJECT("c", "3")));
	assert_int_equal(cached(s), 2);
	assert_int_equal(s->unreadable, 1);
	assert_non_null(strstr(s->last_unreadable.message, "acme/bad"));
	assert_non_null(strstr(s->last_unreadable.message, "spec.projectRef.name"));
	/* one that could be read before is no longer believed, and the version moves on past it */
	assert_int_equal(say(s, 200, EVENT("MODIFIED", POISON("a", "14")), 0), 0);
	assert_int_equal(cached(s), 1);
	end(s, 200, 0, NULL);
	assert_non_null(strstr(s->call->path, "&resourceVersion=14"));
	/* and it is back when it can be read again */
	assert_int_equal(say(s, 200, EVENT("MODIFIED", OBJECT("a", "15")), 0), 0);
	assert_int_equal(cached(s), 2);
}

static bool awaits_events(struct script *s)
{
	struct cache_stats stats;

	cache_stats(s->cache, &stats);
	return stats.awaiting;
}

/* What could not even be read proves that it was not. */
static void what_is_held_at_that_version_is_not_decoded(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("10", "", OBJECT("a", "1") "," OBJECT("b", "2")));
	assert_int_equal(say(s, 200, EVENT("MODIFIED", POISON("a", "1")) EVENT("ADDED", POISON("b", "2")), 0), 0);
	assert_int_equal(s->unreadable, 0);
	assert_int_equal(s->informer.stats.known, 2);
	assert_int_equal(s->informer.stats.events, 4);
	assert_int_equal(s->changes, 2);
	/* the stream goes on behind it, */
	end(s, 200, 0, NULL);
	assert_non_null(strstr(s->call->path, "&resourceVersion=2"));
	/* and any other version is read */
	assert_int_equal(say(s, 200, EVENT("MODIFIED", POISON("a", "11")), 0), 0);
	assert_int_equal(s->unreadable, 1);
	assert_int_equal(cached(s), 1);
	/* as is what was unreadable at that version, */
	assert_int_equal(say(s, 200, EVENT("MODIFIED", POISON("a", "11")), 0), 0);
	assert_int_equal(s->unreadable, 2);
	/* what has the name or the namespace of another, */
	assert_int_equal(say(s, 200, EVENT("ADDED", OBJECT("c", "2")), 0), 0);
	assert_int_equal(cached(s), 2);
	/* and a deletion, even if it should name the last version. */
	assert_int_equal(say(s, 200, EVENT("DELETED", OBJECT("b", "2")), 0), 0);
	assert_int_equal(cached(s), 1);
	assert_int_equal(s->informer.stats.known, 2);
}

static void a_list_keeps_what_it_names_at_the_same_version(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("10", "", OBJECT("a", "1") "," OBJECT("b", "2")));
	say(s, 200, EVENT("ERROR", STATUS("410", "Expired", "too old resource version: 5 (9)")), 0);
	end(s, 200, 0, "aborted");
	wait_over(s);
	synced_with(s, LIST("20", "", POISON("b", "2")));
	assert_int_equal(cached(s), 1);
	assert_int_equal(s->unreadable, 0);
	assert_int_equal(s->informer.stats.known, 1);
	assert_int_equal(s->changes, 3);
}

static void the_news_of_our_own_write_ends_the_wait_undecoded(void **state)
{
	static const char text[] = OBJECT("a", "11");
	struct script *s = *state;
	struct error err;

	synced_with(s, LIST("10", "", OBJECT("a", "1")));
	struct key key = { .kind = KIND_BINDING, .ns = atom_of(s->atoms, "acme"), .name = atom_of(s->atoms, "a") };
	cache_write_begin(s->cache, key);
	cache_write_end(s->cache, key, record_decode(s->codec, kinds[KIND_BINDING].resource, text, sizeof(text) - 1, &err));
	assert_true(awaits_events(s));
	assert_int_equal(say(s, 200, EVENT("MODIFIED", OBJECT("a", "5")), 0), 0); /* older than that */
	assert_true(awaits_events(s));
	assert_int_equal(say(s, 200, EVENT("MODIFIED", POISON("a", "11")), 0), 0);
	assert_false(awaits_events(s));
	assert_int_equal(s->informer.stats.known, 1);
	assert_int_equal(s->unreadable, 0);
	atom_unref(s->atoms, key.ns);
	atom_unref(s->atoms, key.name);
}

static void a_refusal_keeps_what_is_known(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("10", "", OBJECT("a", "1")));
	end(s, 200, 0, "connection reset");
	wait_over(s);
	say(s, 403, STATUS("403", "Forbidden", "billingaccountbindings is forbidden"), 0);
	end(s, 403, 0, NULL);
	assert_int_equal(s->last_error.class, ERROR_FORBIDDEN);
	assert_int_equal(cached(s), 1); /* not an empty cluster */
	wait_over(s);
	assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
	say(s, 200, BOOKMARK("11"), 0);
	assert_int_equal(s->last_error.class, ERROR_NONE); /* said that it is well again */
}

static void a_server_in_trouble_is_given_the_time_it_asks_for(void **state)
{
	struct script *s = *state;

	s->now = 1000;
	say(s, 429, STATUS("429", "TooManyRequests", "slow down"), 0);
	end(s, 429, 7000, NULL);
	assert_true(informer_due(&s->informer) >= 8000);
}

static void a_missing_definition_is_told_and_awaited(void **state)
{
	struct script *s = *state;

	say(s, 404, "404 page not found\n", 0);
	end(s, 404, 0, NULL);
	assert_int_equal(s->last_error.class, ERROR_NOT_FOUND);
	wait_over(s);
	synced_with(s, LIST("10", "", ""));
	assert_int_equal(s->last_error.class, ERROR_NONE);
}

static void begins(struct script *s, int status)
{
	assert_int_equal(s->call->reply.on_data(s->call->reply.context, status, "", 0), 0);
}

static void a_stream_gets_the_idle_time_it_was_told_and_a_list_its_own(void **state)
{
	struct script *s = *state;

	assert_int_equal(s->call->idle_timeout_ms, 60000);
	synced_with(s, LIST("10", "", ""));
	assert_int_equal(s->call->idle_timeout_ms, IDLE_MS);
	assert_in_range(s->call->timeout_ms, 305000, 605000);
}

static void a_stream_that_fell_silent_is_opened_again_at_once_where_it_was(void **state)
{
	struct script *s = *state;

	synced_with(s, LIST("10", "", ""));
	for (int i = 0; i < 5; i++) {
		begins(s, 200);
		s->now += IDLE_MS;
		end(s, 200, 0, "no sign of life");
		assert_non_null(s->call);
		assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
	}
	assert_int_equal(s->state_changes, 1); /* nothing is known to be wrong */
	assert_int_equal(s->informer.stats.failures, 0);
	s->now += IDLE_MS; /* one that did not even begin is another matter */
	end(s, 0, 0, "no sign of life");
	assert_null(s->call);
	assert_string_equal(s->last_error.message, "no sign of life");
	wait_over(s);
	begins(s, 200);
	s->now += IDLE_MS - 3000; /* and so is one that broke before */
	end(s, 200, 0, "connection reset");
	assert_null(s->call);
	assert_string_equal(s->last_error.message, "connection reset");
}

static void the_beginning_of_a_stream_is_a_sign_of_life_and_of_a_refusal_is_not(void **state)
{
	struct script *s = *state;
	int64_t heard;

	assert_int_equal(s->informer.stats.heard_at, 0);
	s->now += 1000;
	synced_with(s, LIST("10", "", ""));
	end(s, 0, 0, "connection refused");
	assert_string_equal(s->last_error.message, "connection refused");
	wait_over(s);
	heard = s->informer.stats.heard_at;
	assert_int_not_equal(heard, 0);
	begins(s, 403);
	say(s, 403, STATUS("403", "Forbidden", "no"), 0);
	end(s, 403, 0, NULL);
	assert_int_equal(s->informer.stats.heard_at, heard);
	assert_int_equal(s->last_error.class, ERROR_FORBIDDEN);
	wait_over(s);
	begins(s, 200);
	assert_int_equal(s->last_error.class, ERROR_NONE); /* without a word of it yet */
	assert_int_equal(s->informer.stats.heard_at, s->now);
}

static void the_last_failure_is_kept_for_those_who_ask_later(void **state)
{
	struct script *s = *state;
	int64_t when;

	assert_int_equal(s->informer.last_error_at, 0);
	synced_with(s, LIST("10", "", ""));
	end(s, 0, 0, "connection reset");
	when = s->now;
	wait_over(s);
	begins(s, 200);
	say(s, 200, BOOKMARK("11"), 0);
	assert_string_equal(s->informer.last_error.message, "connection reset");
	assert_int_equal(s->informer.last_error_at, when);
}

static void a_huge_line_is_refused(void **state)
{
	struct script *s = *state;
	char chunk[65536];
	int result = 0;

	synced_with(s, LIST("10", "", OBJECT("a", "1")));
	memset(chunk, 'x', sizeof(chunk) - 1);
	chunk[sizeof(chunk) - 1] = '\0';
	assert_int_equal(say(s, 200, "{\"type\":\"", 0), 0);
	for (int i = 0; i < 1600 && result == 0; i++) /* 100 MB */
		result = say(s, 200, chunk, 0);
	assert_int_equal(result, -1);
	end(s, 200, 0, "aborted");
	wait_over(s);
	assert_non_null(strstr(s->call->path, "&resourceVersion=10"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_then_a_watch_however_the_bytes_are_cut),
		CASE(pages_are_fetched_to_the_end_before_anything_is_dropped),
		CASE(gone_as_a_status_lists_anew_too),
		CASE(a_version_from_the_future_lists_anew),
		cmocka_unit_test(a_cut_event_is_seen_again),
		CASE(a_clean_close_in_mid_event_is_a_failure),
		cmocka_unit_test(a_list_cut_short_drops_nothing_and_is_asked_for_again),
		CASE(garbage_ends_the_stream_and_moves_nothing),
		CASE(one_unreadable_object_is_named_and_the_rest_goes_on),
		CASE(what_is_held_at_that_version_is_not_decoded),
		CASE(a_list_keeps_what_it_names_at_the_same_version),
		CASE(the_news_of_our_own_write_ends_the_wait_undecoded),
		CASE(a_refusal_keeps_what_is_known),
		CASE(a_server_in_trouble_is_given_the_time_it_asks_for),
		CASE(a_missing_definition_is_told_and_awaited),
		CASE(a_stream_gets_the_idle_time_it_was_told_and_a_list_its_own),
		CASE(a_stream_that_fell_silent_is_opened_again_at_once_where_it_was),
		CASE(the_beginning_of_a_stream_is_a_sign_of_life_and_of_a_refusal_is_not),
		CASE(the_last_failure_is_kept_for_those_who_ask_later),
		CASE(a_huge_line_is_refused),
	};

	return cmocka_run_group_tests_name("informer", tests, NULL, NULL);
}
