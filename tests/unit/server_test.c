/*
 * server.c on a real loopback socket: what reaches the handler, what is refused, and that no client, however slow, rude or
 * numerous, keeps the others from their answers. Server and clients share a process: clients never block, and look at their sockets
 * whenever the loop is about to sleep. Every wait ends at a deadline.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"
#include "server.h"

enum { DEADLINE_MS = 20000, CLIENTS = 100, CAP = 64, LARGE = 4 << 20 };

struct client {
	int fd;
	bool closed;
	char text[8192]; /* what came, as much as fits */
	size_t len, total;
};

struct rig {
	struct loop *loop;
	struct server *server;
	int calls;
	char method[8], path[64], query[64];
	struct client clients[CLIENTS];
	bool (*condition)(struct rig *rig);
	int64_t deadline_ms;
	bool late;
};

static void handle(void *context, const struct server_request *request, struct server_reply *reply)
{
	struct rig *rig = context;

	rig->calls++;
	snprintf(rig->method, sizeof(rig->method), "%s", request->method);
	snprintf(rig->path, sizeof(rig->path), "%s", request->path);
	snprintf(rig->query, sizeof(rig->query), "%s", request->query);
	reply->content_type = "text/plain";
	if (strcmp(request->path, "/nothing") == 0) {
		reply->status = 204;
		reply->content_type = NULL;
	} else if (strcmp(request->path, "/large") == 0) {
		reply->body = calloc(1, LARGE);
		reply->body_len = LARGE;
	} else {
		reply->status = strcmp(request->path, "/ok") == 0 ? 200 : 404;
		reply->body = strdup("hello\n");
		reply->body_len = 6;
	}
}

/* --- clients --- */

static void receive(struct client *client)
{
	static char buffer[65536];
	ssize_t n;

	while (client->fd >= 0 && (n = recv(client->fd, buffer, sizeof(buffer), 0)) != -1) {
		if (n == 0) {
			client->closed = true;
			return;
		}
		size_t keep =
			sizeof(client->text) - 1 - client->len < (size_t)n ? sizeof(client->text) - 1 - client->len : (size_t)n;

		memcpy(client->text + client->len, buffer, keep);
		client->len += keep;
		client->total += (size_t)n;
		client->text[client->len] = '\0';
	}
	if (client->fd >= 0 && errno != EAGAIN)
		client->closed = true;
}

static int64_t look(void *context)
{
	struct rig *rig = context;

	for (int i = 0; i < CLIENTS; i++)
		receive(&rig->clients[i]);
	rig->late = loop_monotonic_ms() > rig->deadline_ms;
	if (rig->late || rig->condition(rig)) {
		loop_stop(rig->loop);
		return 0;
	}
	return 1;
}

#define until(rig, condition) assert_true(comes_true((rig), (condition)))
static bool comes_true(struct rig *rig, bool (*condition)(struct rig *rig))
{
	rig->condition = condition;
	rig->deadline_ms = loop_monotonic_ms() + DEADLINE_MS;
	loop_run(rig->loop);
	return !rig->late;
}

/* A connection that the kernel has taken, whether the server knows of it yet or not. */
static void dial(struct rig *rig, int i)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)server_port(rig->server)) };
	struct client *client = &rig->clients[i];

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_true(client->fd >= 0);
	assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
}

static void say_bytes(struct rig *rig, int i, const char *bytes, size_t len)
{
	assert_int_equal(send(rig->clients[i].fd, bytes, len, MSG_NOSIGNAL), len);
}

static void say(struct rig *rig, int i, const char *text)
{
	say_bytes(rig, i, text, strlen(text));
}

static void hang_up(struct rig *rig, int i)
{
	if (rig->clients[i].fd >= 0)
		close(rig->clients[i].fd);
	rig->clients[i].fd = -1;
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err = { 0 };

	for (int i = 0; i < CLIENTS; i++)
		rig->clients[i].fd = -1;
	rig->loop = loop_new();
	loop_on_drain(rig->loop, look, rig);
	rig->server = server_new(rig->loop, "127.0.0.1:0", handle, rig, &err);
	if (rig->server == NULL)
		fail_msg("%s", err.message);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	server_free(rig->server);
	loop_free(rig->loop);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(rig, i);
	free(rig);
	return 0;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static bool first_is_answered(struct rig *rig)
{
	return count(rig->clients[0].text, "\r\n\r\n") > 0;
}

static bool first_is_answered_twice(struct rig *rig)
{
	return count(rig->clients[0].text, "\r\n\r\n") > 1;
}

static bool first_is_closed(struct rig *rig)
{
	return rig->clients[0].closed;
}

static bool second_is_answered(struct rig *rig)
{
	return count(rig->clients[1].text, "\r\n\r\n") > 0;
}

static bool something_has_come(struct rig *rig)
{
	return rig->clients[0].len > 0;
}

/* The answer to the next request of a fresh client. */
static const char *ask(struct rig *rig, const char *request)
{
	hang_up(rig, 0);
	dial(rig, 0);
	say(rig, 0, request);
	until(rig, first_is_answered);
	return rig->clients[0].text;
}

static void assert_contains(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("no %s in:\n%s", what, text);
}

/* --- rules --- */

static void a_get_is_the_handlers_to_answer(void **state)
{
	struct rig *rig = *state;
	const char *text = ask(rig, "GET /ok?verbose&exclude=a%20b HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_contains(text, "HTTP/1.1 200 OK\r\n");
	assert_contains(text, "Content-Type: text/plain\r\n");
	assert_contains(text, "Content-Length: 6\r\n");
	assert_contains(text, "\r\n\r\nhello\n");
	assert_string_equal(rig->method, "GET");
	assert_string_equal(rig->path, "/ok");
	assert_string_equal(rig->query, "verbose&exclude=a%20b");
	assert_contains(ask(rig, "GET /%6fk HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 ");
	assert_string_equal(rig->path, "/%6fk"); /* as asked */
	assert_string_equal(rig->query, "");
	assert_contains(ask(rig, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 204 ");
}

static void a_connection_serves_one_request_after_another(void **state)
{
	struct rig *rig = *state;

	ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	say(rig, 0, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	until(rig, first_is_answered_twice);
	hang_up(rig, 0);
	dial(rig, 0);
	say(rig, 0, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); /* at once */
	until(rig, first_is_closed);
	assert_int_equal(count(rig->clients[0].text, "hello\n"), 2);
	assert_int_equal(rig->calls, 4);
}

static void head_is_get_without_the_body(void **state)
{
	struct rig *rig = *state;

	ask(rig, "HEAD /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	until(rig, first_is_closed);
	assert_contains(rig->clients[0].text, "HTTP/1.1 200 OK\r\n");
	assert_contains(rig->clients[0].text, "Content-Length: 6\r\n");
	assert_null(strstr(rig->clients[0].text, "hello"));
	assert_string_equal(rig->method, "HEAD");
}

static void other_methods_are_refused(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char request[64];

		snprintf(request, sizeof(request), "%s /ok HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
		assert_contains(ask(rig, request), "HTTP/1.1 405 ");
		assert_contains(rig->clients[0].text, "Allow: GET, HEAD\r\n");
	}
	assert_int_equal(rig->calls, 0);
}

static void bodies_are_refused_and_not_read(void **state)
{
	struct rig *rig = *state;

	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx"), "HTTP/1.1 413 ");
	until(rig, first_is_closed);
	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"), "HTTP/1.1 413 ");
	until(rig, first_is_closed);
	assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"), "HTTP/1.1 405 ");
	assert_int_equal(rig->calls, 0);
	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 200 ");
}

static void garbage_ends_its_own_connection_only(void **state)
{
#define GARBAGE(text)                                                                                                              \
	{                                                                                                                          \
		text, sizeof(text) - 1                                                                                             \
	}
	static const struct {
		const char *bytes;
		size_t len;
	} garbage[] = {
		GARBAGE("\0\0\0\0\r\n\r\n"),
		GARBAGE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n"),
		GARBAGE("what?\r\n\r\n"),
		GARBAGE("GET\r\n\r\n"),
		GARBAGE("GET /ok HTTP/1.1\r\nHost\r\n\r\n"),
		GARBAGE("GET /ok HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
		GARBAGE("GET /ok HTTP/x.y\r\n\r\n"),
		GARBAGE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	};
	struct rig *rig = *state;

	ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	rig->clients[1] = rig->clients[0]; /* one that stays, with the usual patience */
	rig->clients[0].fd = -1;
	server_set_idle(rig->server, 1);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		dial(rig, 0);
		say_bytes(rig, 0, garbage[i].bytes, garbage[i].len);
		/* Whatever it makes of it, it does not wait for more for ever, and does not fall. */
		shutdown(rig->clients[0].fd, SHUT_WR);
		until(rig, first_is_closed);
		hang_up(rig, 0);
	}
	rig->clients[1].len = 0;
	say(rig, 1, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	until(rig, second_is_answered);
	assert_contains(rig->clients[1].text, "HTTP/1.1 200 ");
}

static void headers_have_a_limit(void **state)
{
	struct rig *rig = *state;
	char line[1024];

	memset(line, 'x', sizeof(line));
	memcpy(line, "X: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	dial(rig, 0);
	say(rig, 0, "GET /ok HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 20; i++)
		say_bytes(rig, 0, line, sizeof(line));
	until(rig, first_is_closed);
	assert_int_equal(rig->calls, 0);
	assert_true(rig->clients[0].len == 0 || strncmp(rig->clients[0].text, "HTTP/1.1 4", 10) == 0);
}

static void a_slow_client_is_answered_and_holds_up_nobody(void **state)
{
	static const char request[] = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rig *rig = *state;

	dial(rig, 0);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		say_bytes(rig, 0, request + i, 1);
		hang_up(rig, 1);
		dial(rig, 1);
		say(rig, 1, "GET /ok HTTP/1.0\r\n\r\n");
		until(rig, second_is_answered);
	}
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "HTTP/1.1 200 ");
}

static void a_silent_client_is_closed(void **state)
{
	struct rig *rig = *state;

	server_set_idle(rig->server, 1);
	dial(rig, 0);
	say(rig, 0, "GET /o");
	int64_t begun_ms = loop_monotonic_ms();

	until(rig, first_is_closed);
	assert_true(loop_monotonic_ms() - begun_ms >= 900);
	ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"); /* and so is one that does not come back */
	until(rig, first_is_closed);
}

static size_t answered(const struct rig *rig)
{
	size_t n = 0;

	for (int i = 0; i < CLIENTS; i++)
		n += rig->clients[i].len > 0;
	return n;
}

static bool all_that_called_are_answered(struct rig *rig)
{
	size_t called = 0;

	for (int i = 0; i < CLIENTS; i++)
		called += rig->clients[i].fd >= 0;
	return answered(rig) == called;
}

static bool all_are_answered(struct rig *rig)
{
	return answered(rig) == CLIENTS;
}

static void at_the_cap_others_wait_until_there_is_room(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < CLIENTS; i++) {
		dial(rig, i);
		say(rig, i, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i == CAP / 2 || i == CAP - 1) /* so that the kernel's queue does not overflow */
			until(rig, all_that_called_are_answered);
	}
	/* Some turns with one of those inside show that the others wait. */
	for (int turn = 0; turn < 5; turn++) {
		rig->clients[0].len = 0;
		rig->clients[0].text[0] = '\0';
		say(rig, 0, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
		until(rig, first_is_answered);
	}
	assert_int_equal(answered(rig), CAP);
	/* All inside go at once: nothing else happens then that could wake the server. */
	for (int i = 0; i < CLIENTS; i++)
		if (rig->clients[i].len > 0)
			hang_up(rig, i);
	until(rig, all_are_answered);
	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
}

static bool all_of_it_has_come(struct rig *rig)
{
	return rig->clients[0].total > LARGE;
}

static void a_long_answer_comes_whole_and_may_be_walked_out_on(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0);
	say(rig, 0, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	until(rig, all_of_it_has_come);
	for (int i = 0; i < 10; i++) {
		hang_up(rig, 0);
		dial(rig, 0);
		say(rig, 0, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
		until(rig, something_has_come);
	}
	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
}

static void it_can_go_while_it_is_busy(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0);
	say(rig, 0, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	dial(rig, 1);
	say(rig, 1, "GET /o");
	until(rig, something_has_come);
	server_free(rig->server);
	rig->server = NULL;
	until(rig, first_is_closed);
}

static void addresses_that_are_none_are_named(void **state)
{
	static const char *const wrong[] = { "",
					     "8080",
					     "127.0.0.1",
					     ":",
					     ":x",
					     ":65536",
					     ":-1",
					     ":99999999999999999999",
					     ":80 ",
					     "::1:8080",
					     "[::1]",
					     "[::1:80",
					     "not a host:80",
					     "192.0.2.1:0" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct error err = { 0 };
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "cannot listen on \"%s\": ", wrong[i]);
		struct server *server = server_new(rig->loop, wrong[i], handle, rig, &err);

		if (server != NULL)
			fail_msg("\"%s\" is taken", wrong[i]);
		assert_int_equal(err.class, ERROR_INVALID);
		assert_contains(err.message, quoted);
	}
}

static void a_port_that_is_taken_is_named(void **state)
{
	struct rig *rig = *state;
	struct error err = { 0 };
	char address[32], everywhere[32];

	snprintf(address, sizeof(address), "127.0.0.1:%d", server_port(rig->server));
	assert_null(server_new(rig->loop, address, handle, rig, &err));
	assert_int_equal(err.class, ERROR_INVALID);
	assert_contains(err.message, address);
	assert_contains(err.message, strerror(EADDRINUSE));
	snprintf(everywhere, sizeof(everywhere), ":%d", server_port(rig->server));
	assert_null(server_new(rig->loop, everywhere, handle, rig, &err));
	assert_contains(err.message, strerror(EADDRINUSE));
}

/* Half of all addresses is not what was asked for. */
static void a_port_that_is_taken_for_ipv6_alone_is_taken(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t size = sizeof(any);
	struct error err = { 0 };
	char address[32];
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0 ||
	    bind(fd, (struct sockaddr *)&any, size) != 0) {
		print_message("skipped: no IPv6 here\n");
		close(fd);
		skip();
	}
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
	snprintf(address, sizeof(address), ":%d", ntohs(any.sin6_port));
	assert_null(server_new(rig->loop, address, handle, rig, &err));
	assert_contains(err.message, strerror(EADDRINUSE));
	close(fd);
}

static void no_host_means_all_addresses(void **state)
{
	static const char *const forms[] = { ":0", "0.0.0.0:0", "localhost:0" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct error err = { 0 };

		server_free(rig->server);
		rig->server = server_new(rig->loop, forms[i], handle, rig, &err);
		if (rig->server == NULL)
			fail_msg("%s", err.message);
		assert_true(server_port(rig->server) > 0);
		if (i < 2) /* localhost may be ::1 alone */
			assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
	}
}

int main(void)
{
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		RIGGED(a_get_is_the_handlers_to_answer),
		RIGGED(a_connection_serves_one_request_after_another),
		RIGGED(head_is_get_without_the_body),
		RIGGED(other_methods_are_refused),
		RIGGED(bodies_are_refused_and_not_read),
		RIGGED(garbage_ends_its_own_connection_only),
		RIGGED(headers_have_a_limit),
		RIGGED(a_slow_client_is_answered_and_holds_up_nobody),
		RIGGED(a_silent_client_is_closed),
		RIGGED(at_the_cap_others_wait_until_there_is_room),
		RIGGED(a_long_answer_comes_whole_and_may_be_walked_out_on),
		RIGGED(it_can_go_while_it_is_busy),
		RIGGED(addresses_that_are_none_are_named),
		RIGGED(a_port_that_is_taken_is_named),
		RIGGED(a_port_that_is_taken_for_ipv6_alone_is_taken),
		RIGGED(no_host_means_all_addresses),
	};

	signal(SIGPIPE, SIG_IGN); /* as main does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
