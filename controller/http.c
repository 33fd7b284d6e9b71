/*
 * libcurl's multi handles driven by libuv: curl says which sockets and which timer it wants, we say what became of them. Owns the
 * calls under way, a few spare easy handles, the deadlines (a patrol of our own: curl's know neither short silences nor suspensions),
 * and the moments when credentials are looked at (what they are is auth.c's and trust.c's business). Must not know JSON, nor what a
 * path means, but that a watch has no end of its own.
 *
 * Each set of certificates has a multi handle of its own, a generation. curl takes an idle connection, or a TLS session, for one that it
 * may use if the *paths* of the certificates are the same, and reads them when it connects; so within one multi handle every set would
 * need paths that no connection in the pool still has, and old connections would stay in the pool until it is full. With a generation
 * they go when its last call has ended, and no connection can be found by anybody for whom it was not made.
 *
 * Invariants: curl_multi_* is never called while curl is calling us (`inside`); a call has a generation exactly while its easy handle
 * is in that one's multi handle; a body of which a byte was sent is never sent again by curl's own choice, because only the caller
 * knows whether that is safe.
 */
#include "http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "auth.h"
#include "endpoint.h"
#include "memory.h"
#include "pki.h"
#include "plugin.h"
#include "trust.h"

enum {
	CONNECT_TIMEOUT_MS = 30 * 1000, /* name, TCP and TLS together */
	KEEPALIVE_S = 30,
	UNACKNOWLEDGED_MS = 90 * 1000, /* what we sent and nobody acknowledged: the connection is dead */
	RETRY_AFTER_MAX_MS = 5 * 60 * 1000,
	HEADER_BYTES_MAX = 64 << 10,
	BUFFER_BYTES = 16 << 10, /* a call; larger is not faster, since TLS records have 16 KiB */
	STREAMS_MAX = 250,	 /* on one connection, if the server takes as many: kube-apiserver's own limit */
	SPARE_MAX = 16,
	LOOK_AGAIN_MS = 50,       /* see look_at_what_was_left */
	REST_WRITES = 24,	  /* see rest */
	REST_SHARE = 8,
	ANSWER_MAX_MS = 64, /* longer ones count as this: no rest is longer than 8 ms */
	STIR_FIRST_MS = 100,
	STIR_LAST_MS = 2000,
	STIR_TIMEOUT_MS = 10 * 1000,
	REREAD_MS = 60 * 1000,	  /* certificates; client-go looks every 5 minutes */
	REREAD_BAD_MS = 5 * 1000, /* when they were found half written */
};

const char *const http_method_names[HTTP_METHODS] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

/* All connections that were made with one set of certificates. Freed by its timer's close callback, which may come after http is gone. */
struct generation {
	struct generation *next; /* an older one */
	struct http *http;
	CURLM *multi;
	uv_timer_t timer;
	struct watched *sockets;
	struct trust *trust; /* NULL: in clear */
	size_t n_calls;
	bool running; /* run_curl is on the stack */
};

/* One socket of curl's in the loop. Freed by its own close callback, which may come after http is gone. */
struct watched {
	struct watched *next;
	struct generation *generation;
	uv_poll_t poll;
	curl_socket_t fd;
	int wanted, polled; /* events: what curl waits for, and what the loop does; see follow_curl */
	bool resting;     /* what comes waits a moment for more */
	bool look;        /* something came, and nobody has looked again since */
	int64_t heard_ms; /* when it was last readable */
};

struct call {
	struct call *prev, *next;
	struct http *http;
	CURL *easy;                    /* NULL: it has ended */
	struct generation *generation; /* NULL: it waits for the plugin, or is over without having begun */
	struct reply reply;
	char *method, *path;
	char *body;
	size_t body_len, body_sent;
	bool has_body;
	char *content_type, *authorization; /* whole header lines; NULL = none */
	struct curl_slist own_headers[2];   /* these two, in front of http->headers */
	int timeout_ms, idle_timeout_ms;
	int64_t sent_ms, heard_ms, body_until_ms;
	bool endless; /* a watch */
	/* Of this try; there may be a second one after a 401. */
	int status;
	size_t header_bytes;
	uint64_t bytes;
	bool counted;
	bool rejection_asked, resend, resent; /* 401: see is_rejected */
	bool aborted;			      /* by on_data */
	bool over;			      /* it must not go out: the patrol ends it */
	const char *failure;		      /* our own word for why, instead of curl's */
	char curl_text[CURL_ERROR_SIZE];
};

struct http {
	struct loop *loop;
	const struct cluster_config *config;
	struct log *log;
	struct generation *generations; /* the newest first: all new calls go there */
	bool renewed;                   /* there is a new one, and watches on the others have not been ended yet */
	uv_timer_t patrol, again; /* again: look_at_what_was_left */
	uv_timer_t rested;
	double answer_ms; /* what a write that was answered well has lately taken, as far as rest() wants to know */
	unsigned writes_out; /* calls with a body that curl has in hand */
	int64_t stir_ms, stirred_at_ms; /* after so long a silence; counted from the last time at the earliest */
	struct call *stirring; /* NULL = none is under way */
	int64_t patrol_at_ms; /* INT64_MAX = not armed */
	int64_t late_at_ms;   /* no call under way is late before; INT64_MAX = none ever is */
	int64_t reread_at_ms; /* INT64_MAX = there is no file to read */
	struct call *calls, *dead; /* dead: by http_abort, until somebody cancels them */
	curl_socket_t *fds; /* all that curl has open, idle ones too */
	size_t n_fds;
	CURL *spare[SPARE_MAX];
	size_t n_spare;
	struct auth *auth;     /* NULL: in clear, where nobody hears who we are */
	struct plugin *plugin; /* NULL: none */
	struct error auth_said, trust_said; /* troubles that are in the log already */
	uint64_t reloads, failures;
	struct endpoint endpoint;
	char *user_agent;
	struct curl_slist *headers, *connect_to;
	bool inside; /* curl is on the stack and may call us */
	struct http_stats stats;
};

static void run_curl(struct generation *generation, curl_socket_t fd, int events);
static void retire(struct generation *generation);
static void start(struct call *call);
static void finish(struct call *call, CURLcode result);
static void withdraw(struct call *call);
static void arm_patrol(struct http *http, int64_t at_ms);
static void reread_trust(struct http *http);

/* ---- curl ↔ uv ---- */

static const char LATE[] = "past its time: nothing of it may go out any more";

static bool is_late(const struct call *call)
{
	return call->body_until_ms && loop_monotonic_ms() >= call->body_until_ms;
}

static void expect_late(const struct call *call)
{
	if (call->body_until_ms && call->body_until_ms < call->http->late_at_ms)
		call->http->late_at_ms = call->body_until_ms;
}

static void look_at_what_was_left(uv_timer_t *timer);
static struct call *port_send(void *self, const struct request *request, const struct reply *reply);

static void reset(curl_socket_t fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	shutdown(fd, SHUT_RDWR);
}

/* Armed once for all that comes until it fires: something comes a thousand times a second. */
static void arm_again(struct http *http)
{
	if (!uv_is_active((uv_handle_t *)&http->again))
		uv_timer_start(&http->again, look_at_what_was_left, LOOK_AGAIN_MS, 0);
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
	struct watched *watched = poll->data;
	int curl_events = status < 0 ? CURL_CSELECT_ERR : 0;

	if (status < 0)
		watched->polled = 0; /* libuv has stopped it */
	if (events & UV_READABLE) {
		curl_events |= CURL_CSELECT_IN;
		watched->heard_ms = loop_monotonic_ms();
		watched->look = true;
		arm_again(watched->generation->http);
	}
	if (events & UV_WRITABLE)
		curl_events |= CURL_CSELECT_OUT;
	run_curl(watched->generation, watched->fd, curl_events);
}

static void free_watched(uv_handle_t *poll)
{
	free(poll->data);
}

static void unwatch(struct watched *watched)
{
	struct watched **at = &watched->generation->sockets;

	while (*at != watched)
		at = &(*at)->next;
	*at = watched->next;
	uv_poll_stop(&watched->poll);
	uv_close((uv_handle_t *)&watched->poll, free_watched);
}

static struct watched *find_watched(struct generation *generation, curl_socket_t fd)
{
	struct watched *watched = generation->sockets;

	while (watched && watched->fd != fd)
		watched = watched->next;
	return watched;
}

static bool follow_curl(struct watched *watched)
{
	const int events = watched->resting ? watched->wanted & ~UV_READABLE : watched->wanted;

	if (events == watched->polled)
		return true;
	watched->polled = events;
	return uv_poll_start(&watched->poll, events, socket_ready) == 0;
}

static void must_follow_curl(struct watched *watched)
{
	if (!follow_curl(watched))
		abort(); /* libuv refuses only a descriptor that somebody else watches */
}

static void end_rest(uv_timer_t *timer)
{
	struct http *http = timer->data;

	for (struct generation *generation = http->generations; generation; generation = generation->next)
		for (struct watched *watched = generation->sockets; watched; watched = watched->next) {
			watched->resting = false;
			must_follow_curl(watched);
		}
}

/* Whenever something comes, curl (7.88) asks each call on the connection whether it is its own, which costs more than all else that is done
 * with an answer. So while many writes are awaited, answers are let come together: for a small part of what the server takes for one, so that
 * it always has enough to do, however fast it is. Not where more came than fits into a buffer: curl may have left the rest of a list. */
static void rest(struct watched *watched, uint64_t bytes)
{
	struct http *http = watched->generation->http;
	const double ms = http->answer_ms / REST_SHARE;

	if (http->writes_out < REST_WRITES || ms < 1 || bytes >= BUFFER_BYTES)
		return;
	watched->resting = true;
	if (!uv_is_active((uv_handle_t *)&http->rested))
		uv_timer_start(&http->rested, end_rest, (uint64_t)ms, 0);
}

/* CURLMOPT_SOCKETFUNCTION. Where curl has a turn the loop follows when that is over: with each request it wants to write, and when it has
 * written no longer, which would be three system calls for nothing. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
	struct generation *generation = context;
	struct watched *watched = find_watched(generation, fd);
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE) {
		if (watched)
			unwatch(watched);
		return 0;
	}
	if (!watched) {
		watched = memory_alloc(sizeof(*watched));
		if (uv_poll_init_socket(loop_uv(generation->http->loop), &watched->poll, fd)) {
			free(watched);
			return -1;
		}
		watched->generation = generation;
		watched->fd = fd;
		watched->heard_ms = loop_monotonic_ms();
		watched->poll.data = watched;
		watched->next = generation->sockets;
		generation->sockets = watched;
	}
	watched->wanted = events;
	return generation->running || follow_curl(watched) ? 0 : -1;
}

static void timer_fired(uv_timer_t *timer)
{
	run_curl(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION. */
static int want_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct generation *generation = context;

	(void)multi;
	if (timeout_ms < 0) {
		uv_timer_stop(&generation->timer);
		return 0;
	}
	uv_update_time(loop_uv(generation->http->loop));
	return uv_timer_start(&generation->timer, timer_fired, (uint64_t)timeout_ms, 0);
}

/* The socket of a call, told by its local port: CURLINFO_ACTIVESOCKET knows it only when the call is over. */
static struct watched *find_socket(const struct call *call)
{
	long port = 0;

	curl_easy_getinfo(call->easy, CURLINFO_LOCAL_PORT, &port);
	for (struct watched *watched = call->generation->sockets; port > 0 && watched; watched = watched->next) {
		struct sockaddr_in6 address = { 0 }; /* where the port of IPv4 stands in the same place */
		socklen_t len = sizeof(address);

		if (getsockname(watched->fd, (struct sockaddr *)&address, &len))
			continue;
		if (ntohs(address.sin6_port) == port)
			return watched;
	}
	return NULL;
}

/* If we were stopped, curl still has what it was given in time, behind a socket or an HTTP/2 window that took no more, and would go on
 * with it when there is room again. It must not get a turn before this. As long as there is something to send curl waits to be able to;
 * whose it is cannot be told, so the late call's connection goes with all that is on it. */
static void cut_what_is_late(const struct generation *generation)
{
	struct http *http = generation->http;

	/* Asked at each turn of curl's, and there are many calls. */
	if (http->late_at_ms == INT64_MAX || loop_monotonic_ms() < http->late_at_ms)
		return;
	http->late_at_ms = INT64_MAX;
	for (struct call *call = http->calls; call; call = call->next) {
		if (call->status)
			continue;
		expect_late(call);
		if (call->generation != generation || !is_late(call))
			continue;
		const struct watched *watched = find_socket(call);

		if (!watched || !(watched->wanted & UV_WRITABLE))
			continue;
		call->failure = LATE;
		reset(watched->fd);
	}
}

/* Of all calls on a connection curl tells only one that its end has come, and of an end that TLS alone announces (close_notify) the socket
 * says nothing more: the others would wait for as long as they have patience. So where one fails, curl looks for the next. */
static curl_socket_t look_again(const struct call *call, CURLcode result)
{
	struct watched *watched = result != CURLE_OK && call->generation ? find_socket(call) : NULL;

	return watched ? watched->fd : CURL_SOCKET_BAD;
}

static void run_curl(struct generation *generation, curl_socket_t fd, int events)
{
	struct http *http = generation->http;
	const uint64_t before = http->stats.bytes_in;
	int running, left;
	CURLMsg *message;
	bool again;

	cut_what_is_late(generation);
	generation->running = true;
	do {
		again = false;
		http->inside = true;
		curl_multi_socket_action(generation->multi, fd, events, &running);
		http->inside = false;
		/* The callers' callbacks may send and cancel: curl takes a cancelled call's message back out of its queue. */
		while ((message = curl_multi_info_read(generation->multi, &left)) != NULL) {
			struct call *call = NULL;
			CURLcode result = message->data.result;

			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
			curl_socket_t broken = look_again(call, result);

			if (broken != CURL_SOCKET_BAD) {
				fd = broken;
				events = CURL_CSELECT_IN;
				again = true;
			}
			finish(call, result);
		}
	} while (again && find_watched(generation, fd));
	generation->running = false;
	struct watched *ready = events & CURL_CSELECT_IN ? find_watched(generation, fd) : NULL;

	if (ready)
		rest(ready, http->stats.bytes_in - before);
	for (struct watched *watched = generation->sockets; watched; watched = watched->next)
		must_follow_curl(watched);
	retire(generation);
}

/* Grows whenever a caller hears something: bytes that came, and calls that have ended. */
static uint64_t told(const struct http *http)
{
	return http->stats.bytes_in + http->stats.requests - http->stats.in_flight;
}

/* Only the newest generation has new calls. */
bool http_send_now(struct http *http)
{
	const uint64_t before = told(http);
	uv_timer_t *timer = &http->generations->timer;

	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > 0)
		return false;
	uv_timer_stop(timer);
	timer_fired(timer);
	return told(http) != before;
}

/* ---- what curl leaves behind ---- */

/* silent: only one on which nothing has come for a while, since what comes is looked at anyway. */
static struct watched *find_look(const struct http *http, bool silent)
{
	const int64_t since_ms = loop_monotonic_ms() - LOOK_AGAIN_MS;

	for (const struct generation *generation = http->generations; generation; generation = generation->next)
		for (struct watched *watched = generation->sockets; watched; watched = watched->next)
			if (watched->look && (!silent || watched->heard_ms <= since_ms))
				return watched;
	return NULL;
}

/* An answer that has begun and does not go on. */
static bool is_stuck(const struct call *call)
{
	const struct http *http = call->http;
	const int64_t since_ms = call->heard_ms > http->stirred_at_ms ? call->heard_ms : http->stirred_at_ms;
	long version = 0;

	if (!call->generation || !call->status || call->endless || loop_monotonic_ms() - since_ms < http->stir_ms)
		return false;
	curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &version);
	return version == CURL_HTTP_VERSION_2_0;
}

static int ignore_data(void *context, int status, const char *data, size_t len)
{
	(void)context;
	(void)status;
	(void)data;
	(void)len;
	return 0;
}

static void stirred(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct http *http = context;

	(void)status;
	(void)retry_after_ms;
	(void)transport;
	http->stirring = NULL;
}

/* Whatever the server answers to this one, something comes. */
static void stir(struct http *http)
{
	const struct request request = { .method = "GET", .path = "/version", .timeout_ms = STIR_TIMEOUT_MS };
	const struct reply reply = { .context = http, .on_data = ignore_data, .on_done = stirred };

	http->stirring = port_send(http, &request, &reply);
	http->stirred_at_ms = loop_monotonic_ms();
	http->stir_ms = http->stir_ms < STIR_LAST_MS / 2 ? 2 * http->stir_ms : STIR_LAST_MS;
}

/* When an HTTP/2 stream's buffer is full, curl (7.88) has nghttp2 pause in the middle of what has come, and does not always go on with it:
 * other streams' data may be left, and where all that was left is that a stream ends, nothing but new bytes on the connection brings that
 * to light. One start of twenty stood still for a minute that way with a list that had come whole, until a watch was told something. So
 * a moment after something came curl is made to look once more; and where an answer is not complete by then, a small request stirs the
 * connection. */
static void look_at_what_was_left(uv_timer_t *timer)
{
	struct http *http = timer->data;
	const uint64_t before = http->stats.bytes_in;
	struct watched *watched;
	bool incomplete = false, silent = false, stuck = false;

	while ((watched = find_look(http, true))) {
		watched->look = false;
		run_curl(watched->generation, watched->fd, CURL_CSELECT_IN);
	}
	for (const struct call *call = http->calls; call; call = call->next) {
		const bool begun = call->generation && call->status && !call->endless;

		incomplete |= begun;
		silent |= begun && loop_monotonic_ms() - call->heard_ms >= STIR_FIRST_MS;
		stuck |= is_stuck(call);
	}
	/* A look that has brought something may have left something, too. */
	if (http->stats.bytes_in != before)
		for (const struct generation *generation = http->generations; generation; generation = generation->next)
			for (watched = generation->sockets; watched; watched = watched->next)
				watched->look = true;
	if (!silent)
		http->stir_ms = STIR_FIRST_MS;
	else if (stuck && !http->stirring)
		stir(http);
	if (incomplete || find_look(http, false))
		arm_again(http);
}

/* ---- generations ---- */

static void generation_closed(uv_handle_t *timer)
{
	free(timer->data);
}

static void close_generation(struct generation *generation)
{
	struct generation **at = &generation->http->generations;

	while (*at != generation)
		at = &(*at)->next;
	*at = generation->next;
	curl_multi_cleanup(generation->multi);
	while (generation->sockets)
		unwatch(generation->sockets);
	trust_free(generation->trust);
	uv_close((uv_handle_t *)&generation->timer, generation_closed);
}

/* If nobody uses it any more, nor will. */
static void retire(struct generation *generation)
{
	if (generation != generation->http->generations && !generation->n_calls && !generation->running)
		close_generation(generation);
}

/* Takes the certificates. All calls that begin from now on go there. */
static void open_generation(struct http *http, struct trust *trust)
{
	struct generation *generation = memory_alloc(sizeof(*generation));
	CURLM *multi = curl_multi_init();

	if (!multi)
		abort(); /* out of memory, as in memory.c */
	*generation = (struct generation){ .next = http->generations, .http = http, .multi = multi, .trust = trust };
	uv_timer_init(loop_uv(http->loop), &generation->timer);
	generation->timer.data = generation;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, generation);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, generation);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_MAX);
	http->generations = generation;
}

/* Watches would stay for minutes on connections that were made as somebody whom we no longer are. What is short may end there. Not at
 * once: their callers hear of it. */
static void renew_generation(struct http *http, struct trust *trust)
{
	open_generation(http, trust);
	http->renewed = true;
	http->reloads++;
	log_info(http->log, "credentials have changed: new requests go over a new connection, and watches are resumed there");
	arm_patrol(http, 0);
}

/* ---- curl's callbacks for one call ---- */

/* Is there another credential now than the call went out with? Then looks for one. */
static bool has_another_chance(struct call *call)
{
	struct http *http = call->http;
	int64_t now = loop_monotonic_ms();
	const char *current = auth_header(http->auth, now), *used = call->authorization;

	/* Another call may have found the new one already: then looking brings nothing new, and yet this call has a chance. */
	if (current && (!used || strcmp(used + strlen("Authorization: "), current) != 0))
		return true;
	if (auth_rejected(http->auth, now))
		return true;
	if (call->generation == http->generations)
		reread_trust(http);
	return call->generation != http->generations;
}

/* May this 401 be hidden behind a second try? Asked once a call, at the latest when it is done. */
static bool is_rejected(struct call *call)
{
	if (call->status == 401 && call->http->auth && !call->resent && !call->rejection_asked) {
		call->rejection_asked = true;
		call->resend = has_another_chance(call);
	}
	return call->resend;
}

/* As rest_client_requests_total and rest_client_request_duration_seconds count: each try that was on the wire, once. */
static void count(struct call *call)
{
	struct http_stats *stats = &call->http->stats;
	unsigned method = 0;

	while (method < HTTP_METHODS && strcmp(call->method, http_method_names[method]) != 0)
		method++;
	if (call->counted || method == HTTP_METHODS)
		return;
	call->counted = true;
	stats->answers[method][call->status < HTTP_CODES ? call->status : 0]++;
	const double took_ms = (double)(loop_monotonic_ms() - call->sent_ms);
	histogram_observe(&stats->durations[method], took_ms / 1000);
	if (call->has_body && call->status >= 200 && call->status < 300)
		call->http->answer_ms += ((took_ms < ANSWER_MAX_MS ? took_ms : ANSWER_MAX_MS) - call->http->answer_ms) / 8;
}

/* All headers of an answer have come. */
static size_t tell_begin(struct call *call, size_t len)
{
	if (call->idle_timeout_ms <= 0 || call->status < 200 || is_rejected(call) ||
	    call->reply.on_data(call->reply.context, call->status, "", 0) == 0)
		return len;
	call->aborted = true;
	return CURL_WRITEFUNC_ERROR;
}

static size_t take_header(char *text, size_t size, size_t n, void *context)
{
	struct call *call = context;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call->status = (int)status;
	if (call->endless && status >= 200)
		count(call);
	call->heard_ms = loop_monotonic_ms();
	call->header_bytes += size * n;
	call->http->stats.bytes_in += size * n;
	if (call->header_bytes <= HEADER_BYTES_MAX)
		return size * n == 2 && memcmp(text, "\r\n", 2) == 0 ? tell_begin(call, size * n) : size * n;
	call->failure = "the answer's headers exceed 64 KiB";
	return CURL_WRITEFUNC_ERROR;
}

static size_t take_data(char *data, size_t size, size_t n, void *context)
{
	struct call *call = context;

	call->heard_ms = loop_monotonic_ms();
	call->http->stats.bytes_in += size * n;
	call->bytes += size * n;
	if (is_rejected(call))
		return size * n;
	if (call->reply.on_data(call->reply.context, call->status, data, size * n) == 0)
		return size * n;
	call->aborted = true;
	return CURL_WRITEFUNC_ERROR;
}

/* A callback and not CURLOPT_POSTFIELDS, because curl cannot rewind it: when a reused connection dies under a write, curl would
 * silently send the write again on a new one. */
static size_t give_body(char *to, size_t size, size_t n, void *context)
{
	struct call *call = context;
	size_t len = call->body_len - call->body_sent;

	if (is_late(call)) {
		call->failure = LATE;
		return CURL_READFUNC_ABORT;
	}
	if (len > size * n)
		len = size * n;
	memcpy(to, call->body + call->body_sent, len);
	call->body_sent += len;
	call->heard_ms = loop_monotonic_ms();
	call->http->stats.bytes_out += len;
	return len;
}

/* The connection is there, which may have taken its time: for what has no body this is the last moment. */
static int begin_request(void *context, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct call *call = context;

	(void)remote_ip;
	(void)local_ip;
	(void)remote_port;
	(void)local_port;
	if (!is_late(call))
		return CURL_PREREQFUNC_OK;
	call->failure = LATE;
	return CURL_PREREQFUNC_ABORT;
}

static int prepare_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
	struct http *http = context;
	unsigned ms = UNACKNOWLEDGED_MS;

	(void)purpose;
	http->stats.connections++;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	fcntl(fd, F_SETFD, FD_CLOEXEC); /* a plugin must not keep our connections open */
	http->fds = memory_resize(http->fds, (http->n_fds + 1) * sizeof(*http->fds));
	http->fds[http->n_fds++] = fd;
	return CURL_SOCKOPT_OK;
}

static int close_socket(void *context, curl_socket_t fd)
{
	struct http *http = context;

	for (size_t i = 0; i < http->n_fds; i++)
		if (http->fds[i] == fd)
			http->fds[i] = http->fds[--http->n_fds];
	return close(fd);
}

/* ---- easy handles ---- */

/* What the connection is made with; each time, since a spare handle has served another generation. */
static void set_tls(const struct http *http, const struct trust *trust, CURL *easy)
{
	if (!trust)
		return;
	if (trust->pem[TRUST_CA] || http->config->insecure) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, trust->path[TRUST_CA]);
		/* Without this the system's authorities would be trusted as well. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(easy, CURLOPT_SSLCERT, trust->path[TRUST_CERT]);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, trust->path[TRUST_KEY]);
}

/* All that is the same for every call. */
static CURL *new_easy(struct http *http)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		abort(); /* out of memory, as in memory.c */
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* In clear there is no ALPN: a call would wait behind a watch to find out that it cannot share the connection. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http->endpoint.secure ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, prepare_socket);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, http);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy must not see credentials */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");			      /* decided in endpoint.c */
	curl_easy_setopt(easy, CURLOPT_PROXY, http->endpoint.proxy);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_data);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, begin_request);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A session that is resumed keeps the client certificate that it began with. */
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (http->config->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return easy;
}

static void put_back(struct http *http, CURL *easy)
{
	if (http->n_spare < SPARE_MAX)
		http->spare[http->n_spare++] = easy;
	else
		curl_easy_cleanup(easy);
}

/* The call's own headers, in front of those that all calls share. */
static void set_headers(struct call *call)
{
	struct http *http = call->http;
	const char *value = http->auth ? auth_header(http->auth, loop_monotonic_ms()) : NULL;
	struct curl_slist *first = http->headers;

	memory_forget(call->authorization);
	call->authorization = value ? memory_printf("Authorization: %s", value) : NULL;
	char *const lines[] = { call->authorization, call->content_type };

	for (size_t i = 0; i < 2; i++) {
		if (!lines[i])
			continue;
		call->own_headers[i] = (struct curl_slist){ .data = lines[i], .next = first };
		first = &call->own_headers[i];
	}
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, first);
}

static void set_request(struct call *call)
{
	cleanup_free char *url = memory_printf("%s%s", call->http->endpoint.base, call->path);
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_READDATA, call);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_text);
	if (call->has_body || strcmp(call->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

/* ---- deadlines ---- */

static int64_t deadline(const struct call *call)
{
	int64_t whole = call->timeout_ms > 0 ? call->sent_ms + call->timeout_ms : INT64_MAX;
	int64_t idle = call->idle_timeout_ms > 0 ? call->heard_ms + call->idle_timeout_ms : INT64_MAX;

	if (call->over)
		return 0;
	return whole < idle ? whole : idle;
}

static void patrol_fired(uv_timer_t *timer);

static void arm_patrol(struct http *http, int64_t at_ms)
{
	int64_t now = loop_monotonic_ms();

	http->patrol_at_ms = at_ms;
	if (at_ms == INT64_MAX)
		return;
	uv_update_time(loop_uv(http->loop));
	uv_timer_start(&http->patrol, patrol_fired, at_ms > now ? (uint64_t)(at_ms - now) : 0, 0);
}

/* A connection that was silent while the call waited (but for the beginning, when the request was still on its way out) is dead, or
 * as good as that: if it stayed, the next request would go the same way. Shut down, it fails all calls that are on it, which is
 * what they need to know. A connection on which others hear something is left alone. */
static void hang_up_if_silent(const struct call *call, int64_t now, int waited_ms)
{
	struct watched *watched = call->generation ? find_socket(call) : NULL;

	if (watched && now - watched->heard_ms >= waited_ms - waited_ms / 4)
		shutdown(watched->fd, SHUT_RDWR);
}

static void give_up(struct call *call, int64_t now)
{
	bool whole = call->timeout_ms > 0 && now >= call->sent_ms + call->timeout_ms;
	int waited_ms = whole ? call->timeout_ms : call->idle_timeout_ms;

	if (call->over) {
		finish(call, CURLE_ABORTED_BY_CALLBACK);
		return;
	}
	if (!call->generation)
		snprintf(call->curl_text, sizeof(call->curl_text), "no credential from exec plugin %.150s within %g s",
			 call->http->config->exec.command, waited_ms / 1000.0);
	else
		snprintf(call->curl_text, sizeof(call->curl_text), whole ? "no complete answer within %g s" : "no sign of life for %g s",
			 waited_ms / 1000.0);
	call->failure = call->curl_text;
	hang_up_if_silent(call, now, waited_ms);
	finish(call, CURLE_OPERATION_TIMEDOUT);
}

/* Watches that are still on an older generation: those that have brought nothing yet move over, the others end as if the server had ended
 * them, and their callers go on where they were. */
static bool end_old_watch(struct http *http)
{
	for (struct call *call = http->calls; call; call = call->next) {
		if (!call->endless || !call->generation || call->generation == http->generations || (call->status && call->status != 200))
			continue;
		if (call->status) {
			finish(call, CURLE_OK);
		} else {
			withdraw(call);
			start(call);
		}
		return true;
	}
	return false;
}

static void end_old_watches(struct http *http)
{
	http->renewed = false;
	/* From the start again after each, since on_done may have ended any other call. */
	while (end_old_watch(http))
		;
	for (struct generation *generation = http->generations, *next; generation; generation = next) {
		next = generation->next;
		retire(generation);
	}
}

static void patrol_fired(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int64_t now = loop_monotonic_ms(), next;
	struct call *call;

	if (now >= http->reread_at_ms)
		reread_trust(http);
	if (http->renewed)
		end_old_watches(http);
	/* From the start again here, too. */
	for (call = http->calls; call;) {
		if (deadline(call) <= now) {
			give_up(call, now);
			call = http->calls;
		} else {
			call = call->next;
		}
	}
	next = http->renewed ? 0 : http->reread_at_ms;
	for (call = http->calls; call; call = call->next)
		next = deadline(call) < next ? deadline(call) : next;
	arm_patrol(http, next);
}

/* ---- credentials ---- */

/* Once for each trouble. */
static void say_trouble(struct http *http, struct error *said, const struct error *now, const char *what)
{
	if (now->class && strcmp(said->message, now->message) != 0)
		log_warn(http->log, what, "error", now->message);
	else if (said->class && !now->class)
		log_info(http->log, "credentials are well again");
	*said = *now;
}

static void take_trust(struct http *http, const struct execcredential *shown)
{
	struct error err;
	struct trust *trust = trust_renew(http->generations->trust, http->config, shown, &err);

	if (trust)
		renew_generation(http, trust);
	http->failures += err.class != ERROR_NONE;
	say_trouble(http, &http->trust_said, &err, "certificates cannot be used; going on with those from before");
	if (http->reread_at_ms == INT64_MAX)
		return;
	http->reread_at_ms = loop_monotonic_ms() + (err.class ? REREAD_BAD_MS : REREAD_MS);
	if (http->reread_at_ms < http->patrol_at_ms)
		arm_patrol(http, http->reread_at_ms);
}

static void reread_trust(struct http *http)
{
	if (http->reread_at_ms != INT64_MAX)
		take_trust(http, NULL);
}

void http_reread(struct http *http)
{
	reread_trust(http);
}

/* The plugin has ended: those that waited for it go on, or fail. */
static void plugin_done(void *context, const char *out, size_t len, const struct error *failure)
{
	struct http *http = context;
	struct execcredential credential = { 0 };
	struct error err = { 0 };
	int64_t now = loop_monotonic_ms();

	if (failure)
		err = *failure;
	else if (execcredential_decode(out, len, http->config->exec.api_version, &credential, &err) ||
		 auth_take(http->auth, &credential, now, loop_now(), &err))
		plugin_blame(http->plugin, &err);
	if (err.class)
		auth_failed(http->auth, &err, now);
	else
		take_trust(http, &credential);
	say_trouble(http, &http->auth_said, auth_trouble(http->auth), "no credential from the plugin");
	execcredential_close(&credential);
	for (struct call *call = http->calls; call; call = call->next)
		if (!call->generation && !call->over)
			start(call);
}

static void run_plugin(struct http *http)
{
	const struct cluster_config *config = http->config;
	const char *ca = http->generations->trust->pem[TRUST_CA];
	struct execinfo info = { .api_version = config->exec.api_version, .interactive = plugin_interactive(http->plugin) };
	cleanup_free char *ca_base64 = ca ? pki_encode(ca) : NULL;

	if (config->exec.provide_cluster_info) {
		info.server = config->server;
		info.tls_server_name = config->tls_server_name;
		info.proxy_url = config->proxy_url;
		info.ca_base64 = ca_base64;
		info.insecure = config->insecure;
	}
	cleanup_free char *text = execcredential_info(&info);

	auth_running(http->auth);
	plugin_run(http->plugin, text);
}

/* ---- the life of a call ---- */

/* It must not go out; said later, since we may be within send. */
static void refuse(struct call *call, const char *why)
{
	snprintf(call->curl_text, sizeof(call->curl_text), "%s", why);
	call->failure = call->curl_text;
	call->over = true;
	arm_patrol(call->http, 0);
}

/* Is there something to go out with? Otherwise it waits for the plugin, or is over. */
static bool has_credential(struct call *call)
{
	struct http *http = call->http;
	instant_t now = loop_now();

	if (!http->auth)
		return true;
	if (auth_is_due(http->auth, loop_monotonic_ms(), now))
		run_plugin(http);
	(void)auth_header(http->auth, loop_monotonic_ms());
	switch (auth_state(http->auth, now)) {
	case AUTH_READY:
		return true;
	case AUTH_FAILED:
		refuse(call, auth_trouble(http->auth)->message);
		return false;
	case AUTH_WAITING:
		break;
	}
	return false;
}

/* Into the hands of curl. */
static void hand_over(struct call *call)
{
	struct http *http = call->http;

	set_headers(call);
	if (http->auth && !http->plugin)
		say_trouble(http, &http->auth_said, auth_trouble(http->auth), "the token file cannot be used; going on with the last token");
	call->generation = http->generations;
	call->generation->n_calls++;
	http->writes_out += call->has_body;
	set_tls(http, call->generation->trust, call->easy);
	curl_multi_add_handle(call->generation->multi, call->easy);
}

/* Again after a 401, and when what it waited for is there. */
static void start(struct call *call)
{
	struct http *http = call->http;

	call->heard_ms = loop_monotonic_ms();
	call->body_sent = call->header_bytes = 0;
	call->status = 0;
	call->bytes = 0;
	call->counted = false;
	expect_late(call);
	if (is_late(call))
		refuse(call, LATE);
	else if (has_credential(call))
		hand_over(call);
	if (deadline(call) < http->patrol_at_ms)
		arm_patrol(http, deadline(call));
}

/* Out of the hands of curl. */
static void withdraw(struct call *call)
{
	struct generation *generation = call->generation;

	if (!generation)
		return;
	call->generation = NULL;
	call->http->writes_out -= call->has_body;
	curl_multi_remove_handle(generation->multi, call->easy);
	generation->n_calls--;
	retire(generation);
}

/* Out of the list and away from curl; the easy handle is used again. */
static void detach(struct call *call)
{
	struct http *http = call->http;

	assert(call->easy);
	withdraw(call);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, NULL);
	put_back(http, call->easy);
	call->easy = NULL;
	if (call->prev)
		call->prev->next = call->next;
	else
		http->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	http->stats.in_flight--;
}

static void free_call(struct call *call)
{
	memory_forget(call->authorization);
	free(call->content_type);
	free(call->method);
	free(call->path);
	free(call->body);
	free(call);
}

static void describe(const struct call *call, CURLcode result, struct error *err)
{
	const char *text = call->failure ? call->failure : *call->curl_text ? call->curl_text : curl_easy_strerror(result);
	const bool late = strcmp(text, LATE) == 0;
	char untrusted[ERROR_MESSAGE_MAX];
	long os_errno = 0;

	if (late)
		result = CURLE_ABORTED_BY_CALLBACK; /* whatever curl made of it */
	if (!call->generation && !late) { /* the plugin's failure has nothing to do with what was asked */
		error_set(err, ERROR_RETRY, "%s", text);
		return;
	}
	switch ((int)result) {
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
		if (os_errno)
			text = strerror((int)os_errno);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		if (!call->failure)
			text = "no connection within 30 s";
		break;
	case CURLE_PEER_FAILED_VERIFICATION: /* curl would name the file behind our snapshot */
		if (strstr(text, "CAfile")) {
			snprintf(untrusted, sizeof(untrusted), "its certificate is not valid now, or signed by none of the authorities of %s", call->http->config->source);
			text = untrusted;
		}
		break;
	case CURLE_SEND_FAIL_REWIND:
		text = "the connection was lost; whether the request was carried out is not known";
		break;
	default:
		break;
	}
	switch ((int)result) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_PROXY:
		error_set(err, ERROR_RETRY, "connect to %s: %s", call->http->config->server, text);
		return;
	default:
		error_set(err, ERROR_RETRY, "%s %.*s: %s", call->method, (int)strcspn(call->path, "?"), call->path, text);
	}
}

static int retry_after_ms(const struct call *call)
{
	curl_off_t seconds = 0;

	if (call->status) /* else the handle may still know of another call's */
		curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return seconds > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (int)seconds * 1000;
}

/* With what it has found meanwhile, or has to wait for. */
static void try_again(struct call *call)
{
	count(call);
	call->resend = false;
	call->resent = true;
	withdraw(call);
	start(call);
}

/* curl is done with the call, or we are. */
static void finish(struct call *call, CURLcode result)
{
	struct http *http = call->http;
	struct error transport;
	long request_bytes = 0;

	if (call->generation) {
		curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
		http->stats.bytes_out += (uint64_t)request_bytes;
	}
	if (result == CURLE_OK && is_rejected(call)) {
		try_again(call);
		return;
	}
	bool broken = result != CURLE_OK && !call->aborted;
	int status = call->status, wait_ms = retry_after_ms(call);

	if (broken) {
		describe(call, result, &transport);
		http->stats.transport_errors++;
	} else if (status >= 100 && status < 600) {
		http->stats.by_class[status / 100]++;
	}
	if (call->generation) /* else it never went out */
		count(call);
	detach(call);
	call->reply.on_done(call->reply.context, status, wait_ms, broken ? &transport : NULL);
	free_call(call);
}

/* ---- port.h ---- */

/* The one thing that is known of paths. */
static bool is_watch(const char *path)
{
	const char *query = strchr(path, '?');

	for (; query; query = strchr(query, '&'))
		if (strncmp(++query, "watch=true", 10) == 0 && strchr("&", query[10]))
			return true;
	return false;
}

static struct call *port_send(void *self, const struct request *request, const struct reply *reply)
{
	struct http *http = self;
	struct call *call = memory_alloc(sizeof(*call));

	assert(!http->inside);
	call->http = http;
	call->reply = *reply;
	call->method = memory_strdup(request->method);
	call->path = memory_strdup(request->path);
	call->timeout_ms = request->timeout_ms;
	call->idle_timeout_ms = request->idle_timeout_ms;
	call->body_until_ms = request->body_until_ms;
	call->endless = is_watch(call->path);
	call->sent_ms = loop_monotonic_ms();
	/* Without a value it is left out; without the line curl would make one up. */
	call->content_type =
		memory_printf("Content-Type:%s%s", request->content_type ? " " : "", request->content_type ? request->content_type : "");
	if (request->content_type) {
		call->has_body = true;
		call->body = memory_strndup(request->body ? request->body : "", request->body_len);
		call->body_len = request->body_len;
	}
	call->easy = http->n_spare ? http->spare[--http->n_spare] : new_easy(http);
	call->next = http->calls;
	if (call->next)
		call->next->prev = call;
	http->calls = call;
	http->stats.requests++;
	http->stats.in_flight++;
	set_request(call);
	start(call);
	return call;
}

static void port_cancel(void *self, struct call *call)
{
	struct http *http = self;

	assert(!http->inside);
	(void)http;
	if (!call->easy)
		return; /* from its own on_done: finish() frees it; or it has been aborted: http_free() does */
	detach(call);
	free_call(call);
}

static int64_t port_monotonic_ms(void *self)
{
	(void)self;
	return loop_monotonic_ms();
}

static instant_t port_now(void *self)
{
	(void)self;
	return loop_now();
}

static uint64_t port_random(void *self)
{
	uint64_t value = 0;

	(void)self;
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
		value = (uint64_t)loop_monotonic_ms() * 0x9E3779B97F4A7C15u; /* it is for jitter only */
	return value;
}

struct port http_port(struct http *http)
{
	return (struct port){
		.self = http,
		.send = port_send,
		.cancel = port_cancel,
		.monotonic_ms = port_monotonic_ms,
		.now = port_now,
		.random = port_random,
	};
}

const struct http_stats *http_stats(const struct http *http)
{
	return &http->stats;
}

struct http_credentials http_credentials(const struct http *http)
{
	const struct trust *trust = http->generations->trust;
	const struct auth_stats auth = http->auth ? auth_stats(http->auth) : (struct auth_stats){ 0 };
	const bool certificate = trust && trust->pem[TRUST_CERT];

	return (struct http_credentials){
		.source = auth.source ? auth.source : certificate ? "client certificate" : "none",
		.expires = auth.expires ? auth.expires : certificate ? trust->expires : 0,
		.reloads = http->reloads + auth.reloads,
		.failures = http->failures + auth.failures,
	};
}

void http_each_call(const struct http *http, void (*each)(void *context, const char *method, const char *path, int64_t age_ms, uint64_t bytes),
		    void *context)
{
	int64_t now = loop_monotonic_ms();

	for (const struct call *call = http->calls; call; call = call->next) {
		cleanup_free char *path = memory_strndup(call->path, strcspn(call->path, "?"));

		each(context, call->method, path, now - call->sent_ms, call->bytes);
	}
}

/* ---- beginning and end ---- */

static struct curl_slist *make_list(char *const lines[])
{
	struct curl_slist *list = NULL;

	for (; *lines; lines++) {
		struct curl_slist *longer = curl_slist_append(list, *lines);

		if (!longer)
			abort(); /* out of memory, as in memory.c */
		list = longer;
	}
	return list;
}

static void patrol_closed(uv_handle_t *timer)
{
	free(timer->data);
}

static void again_closed(uv_handle_t *timer)
{
	struct http *http = timer->data;

	uv_close((uv_handle_t *)&http->patrol, patrol_closed);
}

static int open_credentials(struct http *http, struct error *err)
{
	const struct cluster_config *config = http->config;
	struct trust *trust = NULL;

	if (http->endpoint.secure) {
		trust = trust_new(config, err);
		if (!trust)
			return -1;
		http->auth = auth_new(config);
	}
	open_generation(http, trust);
	if (http->endpoint.secure && (config->ca_file || config->cert_file || config->key_file)) {
		http->reread_at_ms = loop_monotonic_ms() + REREAD_MS;
		arm_patrol(http, http->reread_at_ms);
	}
	if (!http->endpoint.secure || !config->exec.command)
		return 0;
	http->plugin = plugin_new(&(struct plugin_config){ .loop = http->loop,
							   .log = http->log,
							   .exec = &config->exec,
							   .timeout_ms = PLUGIN_TIMEOUT_MS,
							   .done = plugin_done,
							   .context = http },
				  err);
	return http->plugin ? 0 : -1;
}

struct http *http_new(struct loop *loop, const struct cluster_config *config, struct log *log, const char *user_agent, struct error *err)
{
	struct http *http = memory_alloc(sizeof(*http));

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		abort(); /* out of memory, as in memory.c */
	http->loop = loop;
	http->config = config;
	http->log = log;
	http->user_agent = memory_strdup(user_agent);
	http->stir_ms = STIR_FIRST_MS;
	http->patrol_at_ms = http->reread_at_ms = http->late_at_ms = INT64_MAX;
	uv_timer_init(loop_uv(loop), &http->patrol);
	uv_timer_init(loop_uv(loop), &http->again);
	uv_timer_init(loop_uv(loop), &http->rested);
	http->patrol.data = http->again.data = http->rested.data = http;
	for (unsigned i = 0; i < HTTP_METHODS; i++)
		http->stats.durations[i].buckets = &buckets_request;
	if (endpoint_init(&http->endpoint, config, err) || open_credentials(http, err)) {
		http_free(http);
		return NULL;
	}
	http->stats.host = http->endpoint.host;
	http->headers = make_list(http->endpoint.headers);
	http->connect_to = make_list((char *const[]){ http->endpoint.route, NULL });
	return http;
}

/* Without callbacks. Whoever sent them may still cancel them. */
static void kill_calls(struct http *http)
{
	http->stirring = NULL;
	while (http->calls) {
		struct call *call = http->calls;

		detach(call);
		call->next = http->dead;
		http->dead = call;
	}
}

void http_abort(struct http *http)
{
	assert(!http->inside);
	for (size_t i = 0; i < http->n_fds; i++)
		reset(http->fds[i]);
	kill_calls(http);
	/* The sockets are closed with their generation. */
	struct generation *old = http->generations;
	struct trust *trust = old->trust;

	old->trust = NULL;
	open_generation(http, trust);
	end_old_watches(http);
}

void http_free(struct http *http)
{
	if (!http)
		return;
	kill_calls(http);
	while (http->dead) {
		struct call *call = http->dead;

		http->dead = call->next;
		free_call(call);
	}
	while (http->n_spare)
		curl_easy_cleanup(http->spare[--http->n_spare]);
	while (http->generations)
		close_generation(http->generations);
	plugin_free(http->plugin);
	auth_free(http->auth);
	curl_slist_free_all(http->headers);
	curl_slist_free_all(http->connect_to);
	endpoint_close(&http->endpoint);
	free(http->fds);
	free(http->user_agent);
	curl_global_cleanup();
	uv_timer_stop(&http->patrol); /* it is closed later, and would meet what is gone by then */
	uv_close((uv_handle_t *)&http->rested, NULL);
	uv_close((uv_handle_t *)&http->again, again_closed);
}
