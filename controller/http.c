/*
 * libcurl's multi handle driven by libuv: curl says which sockets and which timer it wants, we say what became of them. Owns the
 * calls under way, a few spare easy handles, and the deadlines (a patrol of our own: curl's know neither short silences nor
 * suspensions). Must not know JSON, nor what a path means. Invariants: curl_multi_* is never called while curl is calling us
 * (`inside`); a call is in the list exactly while its easy handle is in the multi handle; a body of which a byte was sent is never
 * sent again by curl's own choice, because only the caller knows whether that is safe.
 */
#include "http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <uv.h>

#include "auth.h"
#include "endpoint.h"
#include "memory.h"

enum {
	CONNECT_TIMEOUT_MS = 30 * 1000, /* name, TCP and TLS together */
	KEEPALIVE_S = 30,
	UNACKNOWLEDGED_MS = 90 * 1000, /* what we sent and nobody acknowledged: the connection is dead */
	RETRY_AFTER_MAX_MS = 5 * 60 * 1000,
	HEADER_BYTES_MAX = 64 << 10,
	BUFFER_BYTES = 16 << 10, /* a call; larger is not faster, since TLS records have 16 KiB */
	STREAMS_MAX = 250,	 /* on one connection, if the server takes as many: kube-apiserver's own limit */
	SPARE_MAX = 16,
};

/* One socket of curl's in the loop. Freed by its own close callback, which may come after http is gone. */
struct watched {
	struct watched *next;
	struct http *http;
	uv_poll_t poll;
	curl_socket_t fd;
	int64_t heard_ms; /* when it was last readable */
};

struct call {
	struct call *prev, *next;
	struct http *http;
	CURL *easy;
	struct reply reply;
	char *method, *path;
	char *body;
	size_t body_len, body_sent;
	bool has_body;
	char *content_type, *authorization; /* whole header lines; NULL = none */
	struct curl_slist own_headers[2];   /* these two, in front of http->headers */
	int timeout_ms, idle_timeout_ms;
	int64_t started_ms, heard_ms;
	size_t header_bytes;
	bool rejection_asked, resend, resent; /* 401: see is_rejected */
	bool aborted;			      /* by on_data */
	const char *failure;		      /* our own word for why, instead of curl's */
	char curl_text[CURL_ERROR_SIZE];
};

struct http {
	struct loop *loop;
	const struct cluster_config *config;
	CURLM *multi;
	uv_timer_t timer, patrol;
	int64_t patrol_at_ms; /* INT64_MAX = not armed */
	int open_timers;
	struct watched *sockets;
	struct call *calls;
	CURL *spare[SPARE_MAX];
	size_t n_spare;
	struct auth *auth; /* NULL: no bearer tokens */
	struct endpoint endpoint;
	char *user_agent;
	struct curl_slist *headers, *connect_to;
	bool inside; /* curl is on the stack and may call us */
	struct http_stats stats;
};

static void run_curl(struct http *http, curl_socket_t fd, int events);
static void start(struct call *call);
static void finish(struct call *call, CURLcode result);

/* ---- curl ↔ uv ---- */

static void socket_ready(uv_poll_t *poll, int status, int events)
{
	struct watched *watched = poll->data;
	int curl_events = status < 0 ? CURL_CSELECT_ERR : 0;

	if (events & UV_READABLE) {
		curl_events |= CURL_CSELECT_IN;
		watched->heard_ms = loop_monotonic_ms();
	}
	if (events & UV_WRITABLE)
		curl_events |= CURL_CSELECT_OUT;
	run_curl(watched->http, watched->fd, curl_events);
}

static void free_watched(uv_handle_t *poll)
{
	free(poll->data);
}

static void unwatch(struct http *http, struct watched *watched)
{
	struct watched **at = &http->sockets;

	while (*at != watched)
		at = &(*at)->next;
	*at = watched->next;
	uv_poll_stop(&watched->poll);
	uv_close((uv_handle_t *)&watched->poll, free_watched);
}

static struct watched *find_watched(struct http *http, curl_socket_t fd)
{
	struct watched *watched = http->sockets;

	while (watched && watched->fd != fd)
		watched = watched->next;
	return watched;
}

/* CURLMOPT_SOCKETFUNCTION. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
	struct http *http = context;
	struct watched *watched = find_watched(http, fd);
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE) {
		if (watched)
			unwatch(http, watched);
		return 0;
	}
	if (!watched) {
		watched = memory_alloc(sizeof(*watched));
		if (uv_poll_init_socket(loop_uv(http->loop), &watched->poll, fd)) {
			free(watched);
			return -1;
		}
		watched->http = http;
		watched->fd = fd;
		watched->heard_ms = loop_monotonic_ms();
		watched->poll.data = watched;
		watched->next = http->sockets;
		http->sockets = watched;
	}
	return uv_poll_start(&watched->poll, events, socket_ready) ? -1 : 0;
}

static void timer_fired(uv_timer_t *timer)
{
	run_curl(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION. */
static int want_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct http *http = context;

	(void)multi;
	if (timeout_ms < 0) {
		uv_timer_stop(&http->timer);
		return 0;
	}
	uv_update_time(loop_uv(http->loop));
	return uv_timer_start(&http->timer, timer_fired, (uint64_t)timeout_ms, 0);
}

static void run_curl(struct http *http, curl_socket_t fd, int events)
{
	int running, left;
	CURLMsg *message;

	http->inside = true;
	curl_multi_socket_action(http->multi, fd, events, &running);
	http->inside = false;
	/* The callers' callbacks may send and cancel: curl takes a cancelled call's message back out of its queue. */
	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct call *call = NULL;
		CURLcode result = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		finish(call, result);
	}
}

/* ---- curl's callbacks for one call ---- */

/* May this 401 be hidden behind a second try with another token? Asked once a call, at the latest when it is done. */
static bool is_rejected(struct call *call)
{
	struct http *http = call->http;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 401 || !http->auth || call->resent || call->rejection_asked)
		return call->resend;
	int64_t now = loop_monotonic_ms();
	const char *current = auth_header(http->auth, now), *used = call->authorization;

	/* Another call may have found the new token already: then the file says nothing new, and yet this call has a chance. */
	call->rejection_asked = true;
	call->resend = (current && (!used || strcmp(strchr(used, ' ') + 1, current) != 0)) || auth_rejected(http->auth, now);
	return call->resend;
}

static size_t take_header(char *text, size_t size, size_t n, void *context)
{
	struct call *call = context;

	(void)text;
	call->heard_ms = loop_monotonic_ms();
	call->header_bytes += size * n;
	call->http->stats.bytes_in += size * n;
	if (call->header_bytes <= HEADER_BYTES_MAX)
		return size * n;
	call->failure = "the answer's headers exceed 64 KiB";
	return CURL_WRITEFUNC_ERROR;
}

static size_t take_data(char *data, size_t size, size_t n, void *context)
{
	struct call *call = context;
	long status = 0;

	call->heard_ms = loop_monotonic_ms();
	call->http->stats.bytes_in += size * n;
	if (is_rejected(call))
		return size * n;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->reply.on_data(call->reply.context, (int)status, data, size * n) == 0)
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

	if (len > size * n)
		len = size * n;
	memcpy(to, call->body + call->body_sent, len);
	call->body_sent += len;
	call->heard_ms = loop_monotonic_ms();
	call->http->stats.bytes_out += len;
	return len;
}

static int prepare_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
	struct http *http = context;
	unsigned ms = UNACKNOWLEDGED_MS;

	(void)purpose;
	http->stats.connections++;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

/* ---- easy handles ---- */

static void set_tls(const struct http *http, CURL *easy)
{
	const struct endpoint *endpoint = &http->endpoint;

	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (http->config->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (endpoint->ca_path || http->config->insecure) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->ca_path);
		/* Without this the system's authorities would be trusted as well. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (endpoint->cert_path) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->cert_path);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->key_path);
	}
}

/* All that is the same for every call. */
static CURL *new_easy(struct http *http)
{
	const struct cluster_config *config = http->config;
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
	set_tls(http, easy);
	if (config->username && http->endpoint.secure) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, config->username);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, config->password ? config->password : "");
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
	const char *bearer = http->auth ? auth_header(http->auth, loop_monotonic_ms()) : NULL;
	char *const lines[] = { call->authorization = bearer ? memory_printf("Authorization: %s", bearer) : NULL, call->content_type };
	struct curl_slist *first = http->headers;

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
	int64_t whole = call->timeout_ms > 0 ? call->started_ms + call->timeout_ms : INT64_MAX;
	int64_t idle = call->idle_timeout_ms > 0 ? call->heard_ms + call->idle_timeout_ms : INT64_MAX;

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

/* The socket of a call, told by its local port: CURLINFO_ACTIVESOCKET knows it only when the call is over. */
static struct watched *find_socket(struct http *http, const struct call *call)
{
	long port = 0;

	curl_easy_getinfo(call->easy, CURLINFO_LOCAL_PORT, &port);
	for (struct watched *watched = http->sockets; port > 0 && watched; watched = watched->next) {
		struct sockaddr_storage address = { 0 };
		socklen_t len = sizeof(address);

		if (getsockname(watched->fd, (struct sockaddr *)&address, &len))
			continue;
		/* The port stands in the same place for IPv4 and IPv6. */
		if (ntohs(((const struct sockaddr_in *)&address)->sin_port) == port)
			return watched;
	}
	return NULL;
}

/* A connection that was silent while the call waited (but for the beginning, when the request was still on its way out) is dead, or
 * as good as that: if it stayed, the next request would go the same way. Shut down, it fails all calls that are on it, which is
 * what they need to know. A connection on which others hear something is left alone. */
static void hang_up_if_silent(struct http *http, const struct call *call, int64_t now, int waited_ms)
{
	struct watched *watched = find_socket(http, call);

	if (watched && now - watched->heard_ms >= waited_ms - waited_ms / 4)
		shutdown(watched->fd, SHUT_RDWR);
}

static void give_up(struct call *call, int64_t now)
{
	struct http *http = call->http;
	bool whole = call->timeout_ms > 0 && now >= call->started_ms + call->timeout_ms;
	int waited_ms = whole ? call->timeout_ms : call->idle_timeout_ms;

	snprintf(call->curl_text, sizeof(call->curl_text), whole ? "no complete answer within %g s" : "no sign of life for %g s",
		 waited_ms / 1000.0);
	call->failure = call->curl_text;
	hang_up_if_silent(http, call, now, waited_ms);
	finish(call, CURLE_OPERATION_TIMEDOUT);
}

static void patrol_fired(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int64_t now = loop_monotonic_ms(), next = INT64_MAX;
	struct call *call = http->calls;

	/* From the start again after each, since on_done may have ended any other call. */
	while (call) {
		if (deadline(call) <= now) {
			give_up(call, now);
			call = http->calls;
		} else {
			call = call->next;
		}
	}
	for (call = http->calls; call; call = call->next)
		next = deadline(call) < next ? deadline(call) : next;
	arm_patrol(http, next);
}

/* ---- the life of a call ---- */

/* Into the hands of curl; again after a 401. */
static void start(struct call *call)
{
	struct http *http = call->http;

	call->started_ms = call->heard_ms = loop_monotonic_ms();
	call->body_sent = 0;
	call->header_bytes = 0;
	set_headers(call);
	curl_multi_add_handle(http->multi, call->easy);
	if (deadline(call) < http->patrol_at_ms)
		arm_patrol(http, deadline(call));
}

/* Out of the list and away from curl; the easy handle is used again. */
static void detach(struct call *call)
{
	struct http *http = call->http;

	assert(call->easy);
	curl_multi_remove_handle(http->multi, call->easy);
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

static void free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void free_call(struct call *call)
{
	free_secret(call->authorization);
	free(call->content_type);
	free(call->method);
	free(call->path);
	free(call->body);
	free(call);
}

static void describe(const struct call *call, CURLcode result, struct error *err)
{
	const char *text = call->failure ? call->failure : *call->curl_text ? call->curl_text : curl_easy_strerror(result);
	long os_errno = 0;

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

	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return seconds > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (int)seconds * 1000;
}

/* curl is done with the call, or we are. */
static void finish(struct call *call, CURLcode result)
{
	struct http *http = call->http;
	struct error transport;
	long status = 0, request_bytes = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	http->stats.bytes_out += (uint64_t)request_bytes;
	if (result == CURLE_OK && is_rejected(call)) {
		curl_multi_remove_handle(http->multi, call->easy);
		free_secret(call->authorization);
		call->resend = false;
		call->resent = true;
		start(call);
		return;
	}
	bool broken = result != CURLE_OK && !call->aborted;

	if (broken) {
		describe(call, result, &transport);
		http->stats.transport_errors++;
	} else if (status >= 100 && status < 600) {
		http->stats.by_class[status / 100]++;
	}
	int wait_ms = retry_after_ms(call);

	detach(call);
	call->reply.on_done(call->reply.context, (int)status, wait_ms, broken ? &transport : NULL);
	free_call(call);
}

/* ---- port.h ---- */

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
		return; /* from its own on_done: finish() frees it */
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

/* ---- beginning and end ---- */

static void timer_closed(uv_handle_t *timer)
{
	struct http *http = timer->data;

	if (--http->open_timers == 0)
		free(http);
}

static void open_timers(struct http *http)
{
	uv_timer_init(loop_uv(http->loop), &http->timer);
	uv_timer_init(loop_uv(http->loop), &http->patrol);
	http->timer.data = http->patrol.data = http;
	http->open_timers = 2;
	http->patrol_at_ms = INT64_MAX;
}

static void open_multi(struct http *http)
{
	http->multi = curl_multi_init();
	if (!http->multi)
		abort(); /* out of memory, as in memory.c */
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_MAX);
}

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

struct http *http_new(struct loop *loop, const struct cluster_config *config, const char *user_agent, struct error *err)
{
	struct http *http = memory_alloc(sizeof(*http));

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		abort(); /* out of memory, as in memory.c */
	http->loop = loop;
	http->config = config;
	http->user_agent = memory_strdup(user_agent);
	open_timers(http);
	open_multi(http);
	if (endpoint_init(&http->endpoint, config, err)) {
		http_free(http);
		return NULL;
	}
	http->headers = make_list(http->endpoint.headers);
	http->connect_to = make_list((char *const[]){ http->endpoint.route, NULL });
	if (http->endpoint.secure && (config->token || config->token_file))
		http->auth = auth_new(config);
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	while (http->calls) {
		struct call *call = http->calls;

		detach(call);
		free_call(call);
	}
	while (http->n_spare)
		curl_easy_cleanup(http->spare[--http->n_spare]);
	curl_multi_cleanup(http->multi);
	while (http->sockets)
		unwatch(http, http->sockets);
	curl_slist_free_all(http->headers);
	curl_slist_free_all(http->connect_to);
	auth_free(http->auth);
	endpoint_close(&http->endpoint);
	free(http->user_agent);
	curl_global_cleanup();
	/* http itself goes with the last of its handles. */
	uv_close((uv_handle_t *)&http->timer, timer_closed);
	uv_close((uv_handle_t *)&http->patrol, timer_closed);
}
