/*
 * libmicrohttpd inside the loop, without threads: its epoll descriptor in a uv_poll_t says that there is something to do,
 * MHD_get_timeout feeds a uv_timer_t, and run() does what there is. Owns the listening socket and the connections. Must not know
 * what is served. Invariants: no request with a body, and none but GET and HEAD, reaches the handler; after each run the timer
 * stands at libmicrohttpd's next moment; the server's memory lives until both handles are closed.
 */
#include "server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>
#include <uv.h>

#include "memory.h"

enum { CONNECTIONS_MAX = 64, BACKLOG = 64, IDLE_S = 30, CONNECTION_BYTES = 8 * 1024, HOST_MAX = 255 };

/* Under two names, depending on the version of libmicrohttpd. */
enum { HTTP_CONTENT_TOO_LARGE = 413 };

struct server {
	struct MHD_Daemon *daemon;
	void (*handle)(void *context, const struct server_request *, struct server_reply *);
	void *context;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
	unsigned idle_s;
	int port;
};

/* One request; allocated when its first line is read. */
struct visit {
	bool begun; /* the header has been seen */
	char uri[];
};

/* --- requests --- */

static void *begin_visit(void *context, const char *uri, struct MHD_Connection *connection)
{
	size_t size = strlen(uri) + 1;
	struct visit *visit = memory_alloc(sizeof(*visit) + size);

	(void)context;
	(void)connection;
	memcpy(visit->uri, uri, size);
	return visit;
}

static void end_visit(void *context, struct MHD_Connection *connection, void **visit, enum MHD_RequestTerminationCode how)
{
	(void)context;
	(void)connection;
	(void)how;
	free(*visit);
	*visit = NULL;
}

/* Takes the reply's body. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct server_reply *reply, const char *allow)
{
	enum MHD_ResponseMemoryMode mode = reply->body != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
	static char nothing[1];
	struct MHD_Response *response = MHD_create_response_from_buffer(reply->body != NULL ? reply->body_len : 0,
									reply->body != NULL ? reply->body : nothing, mode);

	if (response == NULL) {
		free(reply->body);
		return MHD_NO;
	}
	if (reply->content_type != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	if (allow != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)reply->status, response);

	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, int status, const char *why)
{
	struct server_reply reply = {
		.status = status, .content_type = "text/plain; charset=utf-8", .body = memory_strdup(why), .body_len = strlen(why)
	};

	return send_reply(connection, &reply, status == MHD_HTTP_METHOD_NOT_ALLOWED ? "GET, HEAD" : NULL);
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length != NULL && strcmp(length, "0") != 0) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* Called at the end of the header, when a refusal ends the connection and with it what else the client would send, and again at
 * the end of the request, when an answer leaves it open for the next. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_len, void **state)
{
	struct server *server = context;
	struct visit *visit = *state;

	(void)url; /* unescaped: the handler sees what was asked */
	(void)version;
	(void)upload;
	if (!visit->begun) {
		visit->begun = true;
		if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
			return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
		if (has_body(connection))
			return refuse(connection, HTTP_CONTENT_TOO_LARGE, "no body is taken\n");
		return MHD_YES;
	}
	*upload_len = 0;
	char *query = strchr(visit->uri, '?');

	if (query != NULL)
		*query++ = '\0';
	struct server_request request = { .method = method, .path = visit->uri, .query = query != NULL ? query : "" };
	struct server_reply reply = { .status = MHD_HTTP_OK };

	server->handle(server->context, &request, &reply);
	return send_reply(connection, &reply, NULL);
}

static void set_idle(void *context, struct MHD_Connection *connection, void **state, enum MHD_ConnectionNotificationCode what)
{
	const struct server *server = context;

	(void)state;
	if (what == MHD_CONNECTION_NOTIFY_STARTED && server->idle_s != IDLE_S)
		MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, server->idle_s);
}

/* --- the loop --- */

static unsigned connections(const struct server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

static void run(struct server *server);

static void on_time(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static void run(struct server *server)
{
	unsigned before;
	MHD_UNSIGNED_LONG_LONG wait_ms;

	/* With all connections taken, libmicrohttpd watches its listening socket no more, and looks whether it should again only
	 * at the beginning of a run: without another one, those who wait would wait for an event that cannot come. */
	do {
		before = connections(server);
		MHD_run(server->daemon);
	} while (before >= CONNECTIONS_MAX && connections(server) < CONNECTIONS_MAX);
	if (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&server->timer, on_time, wait_ms, 0);
	else
		uv_timer_stop(&server->timer);
}

/* --- listening --- */

static int bad_address(const char *address, const char *why, struct error *err)
{
	return error_set(err, ERROR_INVALID, "cannot listen on \"%s\": %s", address, why);
}

/* host takes HOST_MAX + 1 bytes; port points into address. */
static int split(const char *address, char *host, const char **port, struct error *err)
{
	const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
	long number = 0;

	if (colon == NULL)
		return bad_address(address, "there is no port, as in :8080 or 127.0.0.1:8080", err);
	if (*begin == '[' && end[-1] == ']') {
		begin++;
		end--;
	} else if (memchr(begin, ':', (size_t)(end - begin)) != NULL) {
		return bad_address(address, "an IPv6 address needs brackets, as in [::1]:8080", err);
	}
	if (end - begin > HOST_MAX)
		return bad_address(address, "the name of the host is too long", err);
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port = colon + 1;
	for (const char *at = *port; *at != '\0' || at == *port; at++) {
		if (*at < '0' || *at > '9' || (number = number * 10 + (*at - '0')) > 65535)
			return bad_address(address, "the port is not a number from 0 to 65535", err);
	}
	return 0;
}

/* The descriptor, or -1 with errno. */
static int listen_on(const struct addrinfo *where)
{
	int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, no = 0;

	if (fd < 0)
		return -1;
	/* Neither matters enough to fail: the first is for a quick restart, the second for IPv4 through an IPv6 socket. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (where->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int why = errno;

	close(fd);
	errno = why;
	return -1;
}

static int open_socket(const char *address, struct error *err)
{
	static const int families[] = { AF_INET6, AF_INET };
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found;
	char host[HOST_MAX + 1] = "";
	const char *port = NULL;
	int fd = -1, result = 0, why = 0;

	if (split(address, host, &port, err) != 0)
		return -1;
	/* IPv6 first, as ":8080" then takes IPv4 as well; the other only where there is no such network. */
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && fd < 0; i++) {
		hints.ai_family = families[i];
		int lookup = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);

		if (lookup != 0) {
			result = lookup;
			continue;
		}
		fd = listen_on(found);
		why = errno;
		freeaddrinfo(found);
		if (fd < 0 && why != EAFNOSUPPORT && why != EADDRNOTAVAIL)
			break;
	}
	if (fd < 0)
		return bad_address(address, why != 0 ? strerror(why) : gai_strerror(result), err);
	return fd;
}

static int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = { .v6 = { .sin6_port = 0 } };
	socklen_t size = sizeof(name);

	if (getsockname(fd, &name.any, &size) != 0)
		return 0;
	return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static struct MHD_Daemon *start_daemon(struct server *server, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, server, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
				MHD_OPTION_NOTIFY_CONNECTION, set_idle, server, MHD_OPTION_URI_LOG_CALLBACK, begin_visit, server,
				MHD_OPTION_NOTIFY_COMPLETED, end_visit, server, MHD_OPTION_END);
}

struct server *server_new(struct loop *loop, const char *address,
			  void (*handle)(void *context, const struct server_request *, struct server_reply *), void *context,
			  struct error *err)
{
	int fd = open_socket(address, err);

	if (fd < 0)
		return NULL;
	struct server *server = memory_alloc(sizeof(*server));

	*server = (struct server){ .handle = handle, .context = context, .idle_s = IDLE_S, .port = port_of(fd) };
	server->daemon = start_daemon(server, fd);
	if (server->daemon == NULL) {
		bad_address(address, "the HTTP server does not start", err);
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
	MHD_stop_daemon(server->daemon); /* closes the descriptor that the loop has let go of */
	server->daemon = NULL;
}

int server_port(const struct server *server)
{
	return server->port;
}

void server_set_idle(struct server *server, unsigned seconds)
{
	server->idle_s = seconds;
}
