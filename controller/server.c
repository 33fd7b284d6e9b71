/*
 * libmicrohttpd inside the loop, without threads: its epoll descriptor in a uv_poll_t says that there is something to do, and run()
 * does what there is. Owns the listening socket, the connections, what they may cost and how long each step may take (libmicrohttpd
 * itself only ends those that are silent). Must not know what is served, nor whose certificates are shown. Invariants: nothing but whole requests within the limits
 * reaches the handler; every connection is in one queue, that of its phase, and each queue is in the order of deadlines; after each
 * run the timer stands at the next moment; an identity outlives the TLS sessions that use it; the server's memory lives until both
 * handles are closed.
 */
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <uv.h>

#include "identity.h"
#include "listen.h"
#include "memory.h"

enum {
	PLAIN_CONNECTIONS = 64,
	TLS_CONNECTIONS = 512,
	PLAIN_HEADER_BYTES = 8 * 1024, /* of a connection's memory: the header, and a part of the body */
	TLS_HEADER_BYTES = 16 * 1024,  /* a message of the handshake as well */
	BODIES_BYTES = 16 * 1024 * 1024,
	FIRST_BYTES = 4 * 1024, /* what a body gets before it has shown that it is longer */
	REQUEST_S = 32,
	PLAIN_IDLE_S = 30,
	TLS_IDLE_S = 90,
	ROUNDS = 8, /* of libmicrohttpd, before others on the loop have their turn */
	STILL_RUNS = 2,
	STALL_MS = 20, /* see set_timer() */
};

static const char tls_versions[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:"
				   "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305";

/* Under two names, depending on the version of libmicrohttpd. */
enum { HTTP_CONTENT_TOO_LARGE = 413 };

enum phase {
	PEER_NEW,     /* has never brought a whole request; in the order of opening */
	PEER_ASKING,  /* brings another one */
	PEER_RESTING, /* has had an answer, or is being sent one */
	PEER_WAITING, /* for an answer that comes later */
	PEER_SHUT,    /* we have ended it; libmicrohttpd is about to see that */
	PHASES,
};

static const uint64_t never = UINT64_MAX;

struct peers {
	struct peer *first, *last;
};

struct server {
	struct MHD_Daemon *daemon;
	struct server_handler handler;
	struct tls_identity *identity; /* of connections yet to come */
	struct peers queues[PHASES];
	struct server_stats stats;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
	unsigned request_s, idle_s;
	unsigned limit;          /* connections at most */
	unsigned counts[PHASES]; /* of those that are open */
	unsigned long runs;
	bool tls;
	bool stirred; /* something has moved in this run */
	bool again;   /* libmicrohttpd has more to do than it knows */
	int port;
};

/* A connection. */
struct peer {
	struct server *server;
	struct MHD_Connection *connection;
	struct peer *prev, *next; /* in its queue */
	enum phase phase;
	uint64_t deadline_ms; /* of uv_now() */
	unsigned request_s, idle_s;
	unsigned long opened; /* in which run */
	int fd;
	bool loopback; /* comes from this host */
	struct tls_identity *identity; /* NULL: refused */
	struct exchange *exchange;     /* from a request's first line until its answer is sent */
};

/* One request; allocated when its first line is read. */
struct exchange {
	struct peer *peer;
	struct server_request request;
	char *body;
	size_t body_len, body_size;
	size_t body_max;  /* for its method */
	size_t announced; /* the body's length at most */
	size_t discarded; /* of a body that is refused */
	int refusal;	  /* the status to end it with, when all of it has come; 0 = none, ask the handler */
	bool begun;	  /* the header has been seen */
	bool answered;
	char uri[];
};

/* --- connections and their deadlines --- */

static uint64_t now_ms(const struct server *server)
{
	return uv_now(server->timer.loop);
}

static void leave(struct peer *peer)
{
	struct peers *queue = &peer->server->queues[peer->phase];

	*(peer->prev != NULL ? &peer->prev->next : &queue->first) = peer->next;
	*(peer->next != NULL ? &peer->next->prev : &queue->last) = peer->prev;
	peer->server->counts[peer->phase]--;
}

/* At the end, but for those who were given more time. */
static void enter(struct peer *peer, enum phase phase, uint64_t deadline_ms)
{
	struct peers *queue = &peer->server->queues[phase];
	struct peer *before = queue->last;

	while (before != NULL && before->deadline_ms > deadline_ms)
		before = before->prev;
	peer->phase = phase;
	peer->deadline_ms = deadline_ms;
	peer->prev = before;
	peer->next = before != NULL ? before->next : queue->first;
	*(peer->prev != NULL ? &peer->prev->next : &queue->first) = peer;
	*(peer->next != NULL ? &peer->next->prev : &queue->last) = peer;
	peer->server->counts[phase]++;
}

static void move(struct peer *peer, enum phase phase)
{
	uint64_t deadline_ms = never;

	if (phase == PEER_ASKING)
		deadline_ms = now_ms(peer->server) + peer->request_s * UINT64_C(1000);
	else if (phase == PEER_RESTING)
		deadline_ms = now_ms(peer->server) + peer->idle_s * UINT64_C(1000);
	leave(peer);
	enter(peer, phase, deadline_ms);
}

/* libmicrohttpd gets to know as if the client had gone, and takes it from there. */
static void shut(struct peer *peer)
{
	move(peer, PEER_SHUT);
	shutdown(peer->fd, SHUT_RDWR);
}

static void expire(struct server *server)
{
	struct peer *peer;

	for (enum phase phase = PEER_NEW; phase <= PEER_RESTING; phase++) {
		while ((peer = server->queues[phase].first) != NULL && peer->deadline_ms <= now_ms(server)) {
			/* Whoever has got its answer and asks for nothing else has missed nothing. */
			server->stats.timed_out += phase != PEER_RESTING || peer->exchange != NULL;
			shut(peer);
		}
	}
}

static bool is_crowded(const struct server *server)
{
	return (server->stats.connections - server->counts[PEER_SHUT]) * 4 > server->limit * 3;
}

/* Whoever rests has been answered, and is spared. But where these are most, they hold places that others need: then who has rested longest
 * goes, which is not the one that asks now and then. Without TLS the clients are our own, and take turns. */
static struct peer *dispensable(const struct server *server)
{
	struct peer *resting = server->queues[PEER_RESTING].first;

	while (resting != NULL && resting->exchange != NULL) /* is being sent its answer */
		resting = resting->next;
	if (server->tls && resting != NULL && server->counts[PEER_RESTING] * 2 > server->limit)
		return resting;
	return server->queues[PEER_NEW].first;
}

/* Those that were opened in this run have had no chance to ask yet. */
static void evict(struct server *server)
{
	struct peer *peer;

	while (is_crowded(server) && (peer = dispensable(server)) != NULL) {
		server->again = true;
		if (peer->phase == PEER_NEW && peer->opened == server->runs)
			return;
		server->stats.evicted++;
		shut(peer);
	}
}

static uint64_t next_deadline(const struct server *server)
{
	uint64_t next = never;

	for (enum phase phase = PEER_NEW; phase <= PEER_RESTING; phase++) {
		if (server->queues[phase].first != NULL && server->queues[phase].first->deadline_ms < next)
			next = server->queues[phase].first->deadline_ms;
	}
	return next;
}

/* --- TLS --- */

void server_set_identity(struct server *server, struct tls_identity *identity)
{
	tls_identity_unref(server->identity);
	server->identity = identity;
}

/* Asked of connections only that have none of an identity's credentials. */
static int have_no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
			       const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain,
			       unsigned *chain_len, gnutls_privkey_t *key)
{
	(void)session;
	(void)authorities;
	(void)n_authorities;
	(void)algorithms;
	(void)n_algorithms;
	(void)chain;
	(void)chain_len;
	(void)key;
	return -1;
}

static ssize_t pull(gnutls_transport_ptr_t context, void *data, size_t len)
{
	struct peer *peer = context;
	ssize_t n = recv(peer->fd, data, len, 0);

	peer->server->stirred |= n >= 0;
	return n;
}

static ssize_t push(gnutls_transport_ptr_t context, const giovec_t *parts, int n_parts)
{
	struct peer *peer = context;
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n_parts };
	ssize_t n = sendmsg(peer->fd, &message, MSG_NOSIGNAL);

	peer->server->stirred |= n >= 0;
	return n;
}

static void begin_tls(struct peer *peer)
{
	gnutls_session_t session = MHD_get_connection_info(peer->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;

	gnutls_transport_set_ptr(session, peer);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_vec_push_function(session, push);
	gnutls_handshake_set_max_packet_length(session, TLS_HEADER_BYTES);
	peer->identity = tls_identity_ref(peer->server->identity);
	if (peer->identity != NULL)
		gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls_identity_credentials(peer->identity));
}

static void begin_peer(struct server *server, struct MHD_Connection *connection, void **context)
{
	struct peer *peer = memory_alloc(sizeof(*peer));
	const union MHD_ConnectionInfo *from = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	*peer = (struct peer){ .server = server,
			       .connection = connection,
			       .request_s = server->request_s,
			       .idle_s = server->idle_s,
			       .opened = server->runs,
			       .fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd };
	peer->loopback = from != NULL && listen_peer_is_loopback(from->client_addr);
	*context = peer;
	enter(peer, PEER_NEW, now_ms(server) + peer->request_s * UINT64_C(1000));
	server->stats.connections++;
	if (server->tls)
		begin_tls(peer);
}

static void drop_body(struct exchange *exchange)
{
	exchange->peer->server->stats.body_bytes -= exchange->body_size;
	free(exchange->body);
	exchange->body = NULL;
	exchange->body_len = exchange->body_size = 0;
}

static void exchange_free(struct exchange *exchange)
{
	drop_body(exchange);
	exchange->peer->exchange = NULL;
	free(exchange);
}

static void end_peer(struct peer *peer)
{
	struct server *server = peer->server;

	leave(peer);
	server->stats.connections--;
	/* With all connections or descriptors taken, libmicrohttpd watches its listening socket no more, and looks whether it
	 * should again only at the beginning of a run: without another one, those who wait would wait for an event that cannot
	 * come. */
	server->again = true;
	if (peer->exchange != NULL) /* libmicrohttpd has not ended it: see hide_query(), which sees no further than a NUL */
		exchange_free(peer->exchange);
	tls_identity_unref(peer->identity);
	free(peer);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **peer, enum MHD_ConnectionNotificationCode what)
{
	struct server *server = context;

	server->stirred = true;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		begin_peer(server, connection, peer);
	else
		end_peer(*peer);
}

/* --- requests --- */

/* The query is the handler's to read. libmicrohttpd would keep each parameter in the connection's memory, and what fails there leaves the
 * connection hanging (up to 0.9.75 at least): it is to see none. The text is its own buffer, which it is about to cut up itself. */
static void hide_query(const char *uri)
{
	const char *query = strchr(uri, '?');

	if (query != NULL)
		*(char *)((uintptr_t)query + 1) = '\0';
}

static void *begin_exchange(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct peer *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	size_t size = strlen(uri) + 1;
	struct exchange *exchange = memory_alloc(sizeof(*exchange) + size);

	(void)context;
	memcpy(exchange->uri, uri, size);
	hide_query(uri);
	exchange->peer = peer;
	peer->exchange = exchange;
	if (peer->phase == PEER_RESTING)
		move(peer, PEER_ASKING);
	return exchange;
}

static void end_exchange(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
	(void)context;
	(void)connection;
	(void)how;
	exchange_free(*state);
	*state = NULL;
}

/* Takes the reply's body. name and value are of one more field; NULL: none. */
static enum MHD_Result send_reply(struct exchange *exchange, const struct server_reply *reply, const char *name, const char *value)
{
	enum MHD_ResponseMemoryMode mode = reply->body != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
	static char nothing[1];
	struct MHD_Response *response = MHD_create_response_from_buffer(reply->body != NULL ? reply->body_len : 0,
									reply->body != NULL ? reply->body : nothing, mode);

	exchange->answered = true;
	drop_body(exchange);
	move(exchange->peer, PEER_RESTING);
	if (response == NULL) {
		free(reply->body);
		return MHD_NO;
	}
	if (reply->content_type != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	if (name != NULL)
		MHD_add_response_header(response, name, value);
	if (reply->status == MHD_HTTP_UNAUTHORIZED) /* never without a challenge: RFC 9110, 15.5.2; and we know but one scheme, RFC 6750 */
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"tollgate\"");
	enum MHD_Result result = MHD_queue_response(exchange->peer->connection, (unsigned)reply->status, response);

	MHD_destroy_response(response);
	return result;
}

/* --- methods --- */

static const struct {
	enum server_method method;
	const char *name;
	bool has_body;
} methods[] = {
	{ SERVER_GET, MHD_HTTP_METHOD_GET, false },
	{ SERVER_GET, MHD_HTTP_METHOD_HEAD, false },
	{ SERVER_POST, MHD_HTTP_METHOD_POST, true },
	{ SERVER_PUT, MHD_HTTP_METHOD_PUT, true },
};
enum { METHODS = sizeof(methods) / sizeof(methods[0]), ALLOWED_SIZE = 32 };

/* Its place in the table; METHODS: not one of those. */
static size_t find_method(const struct server *server, const char *name)
{
	size_t i = 0;

	while (i < METHODS && !((server->handler.methods & methods[i].method) && strcmp(methods[i].name, name) == 0))
		i++;
	return i;
}

/* "GET, HEAD, PUT" */
static void list_methods(const struct server *server, char text[ALLOWED_SIZE])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < METHODS; i++)
		if (server->handler.methods & methods[i].method)
			len += (size_t)snprintf(text + len, ALLOWED_SIZE - len, "%s%s", len > 0 ? ", " : "", methods[i].name);
}

static enum MHD_Result refuse(struct exchange *exchange, int status)
{
	char allowed[ALLOWED_SIZE], why[ALLOWED_SIZE + sizeof("only \n")];
	const char *name = NULL, *value = NULL, *text = why;

	switch (status) {
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		list_methods(exchange->peer->server, allowed);
		snprintf(why, sizeof(why), "only %s\n", allowed);
		name = MHD_HTTP_HEADER_ALLOW;
		value = allowed;
		break;
	case HTTP_CONTENT_TOO_LARGE:
		text = exchange->body_max > 0 ? "the body is too long\n" : "no body is taken\n";
		break;
	case MHD_HTTP_SERVICE_UNAVAILABLE:
		text = "too many bodies at once\n";
		name = MHD_HTTP_HEADER_RETRY_AFTER;
		value = "1";
		break;
	default:
		text = "the only transfer coding is chunked\n";
	}
	struct server_reply reply = {
		.status = status, .content_type = "text/plain; charset=utf-8", .body = memory_strdup(text), .body_len = strlen(text)
	};

	return send_reply(exchange, &reply, name, value);
}

/* --- the parts of a request --- */

static const char *field(struct MHD_Connection *connection, const char *name)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

	return value != NULL ? value : "";
}

/* At the end of the header. A refusal here ends the connection, and with it what else the client would send. */
static enum MHD_Result take_header(struct exchange *exchange, struct MHD_Connection *connection, const char *method)
{
	const char *length = field(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *coding = field(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	const size_t which = find_method(exchange->peer->server, method);
	const bool chunked = *coding != '\0';
	unsigned long long announced = chunked ? 0 : strtoull(length, NULL, 10);
	char *query = strchr(exchange->uri, '?');

	exchange->begun = true;
	if (which == METHODS)
		return refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED);
	exchange->body_max = methods[which].has_body ? exchange->peer->server->handler.body_max : 0;
	if (announced > exchange->body_max || (chunked && exchange->body_max == 0))
		return refuse(exchange, HTTP_CONTENT_TOO_LARGE);
	if (chunked && strcasecmp(coding, "chunked") != 0)
		return refuse(exchange, MHD_HTTP_NOT_IMPLEMENTED);
	exchange->announced = chunked ? exchange->body_max : (size_t)announced;
	if (query != NULL)
		*query++ = '\0';
	exchange->request = (struct server_request){ .method = method,
						     .path = exchange->uri,
						     .query = query != NULL ? query : "",
						     .content_type = field(connection, MHD_HTTP_HEADER_CONTENT_TYPE),
						     .authorization = field(connection, MHD_HTTP_HEADER_AUTHORIZATION),
						     .host = field(connection, MHD_HTTP_HEADER_HOST),
						     .origin = field(connection, MHD_HTTP_HEADER_ORIGIN),
						     .loopback = exchange->peer->loopback };
	return MHD_YES;
}

/* libmicrohttpd takes no answer in the middle of a body: the rest has to be heard, if not kept. */
static void give_up(struct exchange *exchange, int status)
{
	drop_body(exchange);
	exchange->refusal = status;
}

static struct peer *slowest_body(const struct peers *queue, const struct peer *but)
{
	struct peer *peer = queue->first;

	while (peer != NULL && (peer == but || peer->exchange == NULL || peer->exchange->body_size == 0))
		peer = peer->next;
	return peer;
}

/* Bodies that are not whole make room, those first that were to be whole first: an API server's take a moment. */
static bool make_room(struct server *server, const struct peer *but, size_t bytes)
{
	while (bytes > BODIES_BYTES - server->stats.body_bytes) {
		struct peer *asking = slowest_body(&server->queues[PEER_ASKING], but), *new = slowest_body(&server->queues[PEER_NEW], but);
		struct peer *slowest = asking == NULL || (new != NULL && new->deadline_ms < asking->deadline_ms) ? new : asking;

		if (slowest == NULL)
			return false;
		server->again = true;
		server->stats.evicted++;
		drop_body(slowest->exchange);
		shut(slowest);
	}
	return true;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t len)
{
	struct server *server = exchange->peer->server;
	size_t size = exchange->body_size > 0 ? exchange->body_size : FIRST_BYTES;

	if (exchange->refusal == 0 && len > exchange->announced - exchange->body_len)
		give_up(exchange, HTTP_CONTENT_TOO_LARGE);
	while (size < exchange->body_len + len)
		size *= 2;
	if (size > exchange->announced)
		size = exchange->announced;
	if (exchange->refusal == 0 && !make_room(server, exchange->peer, size - exchange->body_size))
		give_up(exchange, MHD_HTTP_SERVICE_UNAVAILABLE);
	if (exchange->refusal != 0) {
		exchange->discarded += len;
		return exchange->discarded > exchange->body_max + FIRST_BYTES ? MHD_NO : MHD_YES;
	}
	if (size > exchange->body_size) {
		exchange->body = memory_resize(exchange->body, size);
		server->stats.body_bytes += size - exchange->body_size;
		exchange->body_size = size;
	}
	memcpy(exchange->body + exchange->body_len, data, len);
	exchange->body_len += len;
	return MHD_YES;
}

/* The request is whole: an answer leaves the connection open for the next. */
static enum MHD_Result take_end(struct exchange *exchange, struct MHD_Connection *connection)
{
	struct server *server = exchange->peer->server;
	struct server_reply reply = { .status = MHD_HTTP_OK };

	if (exchange->answered) /* and the answer was not taken */
		return MHD_NO;
	if (exchange->refusal != 0)
		return refuse(exchange, exchange->refusal);
	exchange->request.body = exchange->body;
	exchange->request.body_len = exchange->body_len;
	server->stats.requests++;
	if (server->handler.handle(server->handler.context, &exchange->request, exchange, &reply))
		return send_reply(exchange, &reply, NULL, NULL);
	move(exchange->peer, PEER_WAITING);
	server->stats.in_flight++;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **state)
{
	struct server *server = context;
	struct exchange *exchange = *state;
	size_t n = *len;

	(void)url; /* unescaped: the handler sees what was asked */
	(void)version;
	server->stirred = true;
	*len = 0;
	if (exchange->peer->phase == PEER_SHUT) /* what had come before that */
		return MHD_NO;
	if (!exchange->begun)
		return take_header(exchange, connection, method);
	return n > 0 ? take_body(exchange, data, n) : take_end(exchange, connection);
}

static void run(struct server *server);

static void on_time(uv_timer_t *timer)
{
	run(timer->data);
}

/* Possibly in the middle of a run, from another request's handler: libmicrohttpd only takes notes here. */
void server_answer(struct exchange *exchange, const struct server_reply *reply)
{
	struct peer *peer = exchange->peer;
	struct server *server = peer->server;

	assert(peer->phase == PEER_WAITING);
	server->stats.in_flight--;
	(void)send_reply(exchange, reply, NULL, NULL); /* if it is not taken, take_end() is asked again */
	MHD_resume_connection(peer->connection);
	server->again = true;
	uv_timer_start(&server->timer, on_time, 0, 0);
}

/* --- the loop --- */

static void on_event(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

/* Soon if there is more to do: not in 0 ms, since libuv does nothing else while a timer that is due starts itself again.
 * libmicrohttpd also says that there is more as long as a TLS handshake waits for its client. So if nothing at all has moved in two
 * runs (one may have been for preparing what the next would send), nothing will before an event comes, but for the little that
 * GnuTLS may have decrypted in advance. */
static void set_timer(struct server *server, bool pending, bool more)
{
	uint64_t now = now_ms(server), next = next_deadline(server);

	if (more)
		next = now + 1;
	else if (pending && next > now + STALL_MS)
		next = now + STALL_MS;
	if (next == never)
		uv_timer_stop(&server->timer);
	else
		uv_timer_start(&server->timer, on_time, next > now ? next - now : 0, 0);
}

static void run(struct server *server)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	bool pending, more;
	int rounds = 0, still = 0;

	do {
		server->again = false;
		server->stirred = !server->tls;
		server->runs++;
		MHD_run(server->daemon);
		evict(server);
		still = server->stirred ? 0 : still + 1;
		pending = MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES; /* with no timeouts of its own: at once */
		more = server->again || (pending && still < STILL_RUNS);
	} while (more && ++rounds < ROUNDS);
	expire(server); /* now: what had come in time has been read, even if we are late */
	set_timer(server, pending, more);
}

/* --- the whole --- */

static struct MHD_Daemon *start_daemon(struct server *server, int fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (server->tls ? MHD_USE_TLS : 0);

	/* The last two are overlooked without TLS. */
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				server->limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)(server->tls ? TLS_HEADER_BYTES : PLAIN_HEADER_BYTES), MHD_OPTION_NOTIFY_CONNECTION,
				on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, begin_exchange, server,
				MHD_OPTION_NOTIFY_COMPLETED, end_exchange, server, MHD_OPTION_HTTPS_PRIORITIES, tls_versions,
				MHD_OPTION_HTTPS_CERT_CALLBACK, have_no_certificate, MHD_OPTION_END);
}

struct server *server_new(struct loop *loop, const char *address, bool tls, const struct server_handler *handler, struct error *err)
{
	int fd = listen_open(address, err);

	if (fd < 0)
		return NULL;
	struct server *server = memory_alloc(sizeof(*server));

	assert(handler->body_max <= BODIES_BYTES);
	*server = (struct server){ .handler = *handler,
				   .request_s = REQUEST_S,
				   .idle_s = tls ? TLS_IDLE_S : PLAIN_IDLE_S,
				   .limit = tls ? TLS_CONNECTIONS : PLAIN_CONNECTIONS,
				   .tls = tls,
				   .port = listen_port(fd) };
	if (server->handler.methods == 0)
		server->handler.methods = handler->body_max > 0 ? SERVER_POST : SERVER_GET;
	server->daemon = start_daemon(server, fd);
	if (server->daemon == NULL) {
		listen_failed(address, "the HTTP server does not start", err);
		close(fd);
		free(server);
		return NULL;
	}
	int epoll = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

	server->poll.data = server->timer.data = server;
	int failed = uv_timer_init(loop_uv(loop), &server->timer);

	assert(failed == 0);
	failed = uv_poll_init(loop_uv(loop), &server->poll, epoll);
	assert(failed == 0); /* an epoll descriptor can be polled */
	(void)failed;
	server->open_handles = 2;
	uv_poll_start(&server->poll, UV_READABLE, on_event);
	run(server);
	return server;
}

static void on_close(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (--server->open_handles == 0)
		free(server);
}

void server_free(struct server *server)
{
	if (server == NULL)
		return;
	uv_close((uv_handle_t *)&server->poll, on_close);
	uv_close((uv_handle_t *)&server->timer, on_close);
	/* It panics at the sight of a suspended connection. */
	for (struct peer *peer = server->queues[PEER_WAITING].first; peer != NULL; peer = peer->next)
		MHD_resume_connection(peer->connection);
	MHD_stop_daemon(server->daemon); /* closes the descriptor that the loop has let go of */
	server->daemon = NULL;
	server_set_identity(server, NULL);
}

int server_port(const struct server *server)
{
	return server->port;
}

void server_set_times(struct server *server, unsigned request_s, unsigned idle_s)
{
	server->request_s = request_s;
	server->idle_s = idle_s;
}

struct server_stats server_stats(const struct server *server)
{
	return server->stats;
}
