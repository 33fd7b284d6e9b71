/*
 * server.c on a real loopback socket, plain and with TLS: what reaches the handler, what is refused, and that no client, however
 * slow, rude or numerous, keeps the others from their answers. Server and clients share a process: clients never block, and look at
 * their sockets whenever the loop is about to sleep. Every wait ends at a deadline, every test with as many descriptors as it
 * began.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "loop.h"
#include "memory.h"
#include "identity.h"
#include "listen.h"
#include "server.h"

enum { DEADLINE_MS = 20000, CLIENTS = 100, SLOTS = 450, CAP = 64, LARGE = 4 << 20, HELD = 4, NAME = 32 };
enum { BODY_MAX = 4 << 20, BODIES_MAX = 16 << 20, TLS_CAP = 512 };

struct client {
	int fd;
	gnutls_session_t tls; /* NULL: in the clear */
	bool shaken;	      /* hands */
	char *out;	      /* what is still to be sent with TLS */
	size_t out_len, out_sent;
	char server[NAME]; /* whom its certificate names */
	bool closed;
	char text[8192]; /* what came, as much as fits */
	size_t len, total;
};

struct rig {
	struct loop *loop;
	struct server *server;
	bool tls;
	const char *versions; /* that clients speak */
	gnutls_certificate_credentials_t trust;
	int calls;
	char method[8], path[64], query[64], type[64], authorization[64], host[64], origin[64];
	size_t query_len;
	bool loopback;
	unsigned methods; /* that the handler takes; 0 = the usual ones */
	size_t body_max;
	char *body;
	size_t body_len;
	struct exchange *held[HELD]; /* those that asked for /later */
	const struct server_request *held_requests[HELD];
	int n_held;
	struct client clients[SLOTS];
	const char *drip; /* what the first client says, one byte after the other */
	size_t drip_len;
	int64_t drip_at_ms;
	int64_t nap_ms; /* how often clients look when nothing happens */
	unsigned looks;
	size_t descriptors;
	bool (*condition)(struct rig *rig);
	int64_t deadline_ms;
	bool late;
};

static void give(struct rig *rig, int i, const char *text)
{
	server_answer(rig->held[i], &(struct server_reply){ .status = 200, .body = memory_strdup(text), .body_len = strlen(text) });
}

static bool handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	struct rig *rig = context;

	rig->calls++;
	snprintf(rig->method, sizeof(rig->method), "%s", request->method);
	snprintf(rig->path, sizeof(rig->path), "%s", request->path);
	snprintf(rig->query, sizeof(rig->query), "%s", request->query);
	rig->query_len = strlen(request->query);
	snprintf(rig->type, sizeof(rig->type), "%s", request->content_type);
	snprintf(rig->authorization, sizeof(rig->authorization), "%s", request->authorization);
	snprintf(rig->host, sizeof(rig->host), "%s", request->host);
	snprintf(rig->origin, sizeof(rig->origin), "%s", request->origin);
	rig->loopback = request->loopback;
	free(rig->body);
	rig->body = request->body_len > 0 ? memory_strndup(request->body, request->body_len) : NULL;
	rig->body_len = request->body_len;
	if (strcmp(request->path, "/later") == 0) {
		rig->held_requests[rig->n_held] = request;
		rig->held[rig->n_held++] = exchange;
		return false;
	}
	if (strcmp(request->path, "/release") == 0)
		give(rig, 0, "released");
	reply->content_type = "text/plain";
	if (strcmp(request->path, "/nothing") == 0) {
		reply->status = 204;
		reply->content_type = NULL;
	} else if (strcmp(request->path, "/who") == 0) {
		reply->status = 401;
	} else if (strcmp(request->path, "/large") == 0) {
		reply->body = calloc(1, LARGE);
		reply->body_len = LARGE;
	} else {
		reply->status = strcmp(request->path, "/ok") == 0 ? 200 : 404;
		reply->body = strdup("hello\n");
		reply->body_len = 6;
	}
	return true;
}

/* --- clients --- */

static bool is_over(ssize_t result)
{
	return result < 0 && gnutls_error_is_fatal((int)result);
}

static void read_name(struct client *client)
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(client->tls, &n);
	gnutls_x509_crt_t certificate;
	size_t size = sizeof(client->server);

	assert_true(n > 0);
	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	assert_int_equal(gnutls_x509_crt_import(certificate, chain, GNUTLS_X509_FMT_DER), 0);
	assert_int_equal(gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, client->server, &size), 0);
	gnutls_x509_crt_deinit(certificate);
}

/* True when data may come and go. */
static bool shake(struct client *client)
{
	if (client->tls == NULL || client->shaken)
		return true;
	int result = gnutls_handshake(client->tls);

	client->closed |= is_over(result);
	client->shaken = result == GNUTLS_E_SUCCESS;
	if (client->shaken)
		read_name(client);
	return client->shaken;
}

static void flush(struct client *client)
{
	while (client->out_sent < client->out_len) {
		ssize_t n = gnutls_record_send(client->tls, client->out + client->out_sent, client->out_len - client->out_sent);

		if (n < 0)
			return; /* if it is for good, receiving will tell */
		client->out_sent += (size_t)n;
	}
}

/* -1: nothing more for now; 0: nothing more. */
static ssize_t take(struct client *client, char *buffer, size_t size)
{
	ssize_t n = client->tls != NULL ? gnutls_record_recv(client->tls, buffer, size) : recv(client->fd, buffer, size, 0);

	if (n >= 0)
		return n;
	if (client->tls != NULL)
		return is_over(n) ? 0 : -1;
	return errno == EAGAIN ? -1 : 0;
}

static void receive(struct client *client)
{
	static char buffer[65536];
	ssize_t n;

	if (client->fd < 0 || client->closed || !shake(client))
		return;
	flush(client);
	while ((n = take(client, buffer, sizeof(buffer))) > 0) {
		size_t keep =
			sizeof(client->text) - 1 - client->len < (size_t)n ? sizeof(client->text) - 1 - client->len : (size_t)n;

		memcpy(client->text + client->len, buffer, keep);
		client->len += keep;
		client->total += (size_t)n;
		client->text[client->len] = '\0';
	}
	client->closed = n == 0;
}

static int64_t look(void *context)
{
	struct rig *rig = context;

	rig->looks++;
	for (int i = 0; i < SLOTS; i++)
		receive(&rig->clients[i]);
	rig->late = loop_monotonic_ms() > rig->deadline_ms;
	if (rig->late || rig->condition(rig)) {
		loop_stop(rig->loop);
		return 0;
	}
	return rig->nap_ms;
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
static int connect_at(struct in_addr host, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = host };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0); /* else the kernel waits for more */
	return fd;
}

static int connect_to(int port)
{
	return connect_at((struct in_addr){ .s_addr = htonl(INADDR_LOOPBACK) }, port);
}

/* In the clear, whatever the server expects. */
static void dial_plain(struct rig *rig, int i)
{
	rig->clients[i] = (struct client){ .fd = connect_to(server_port(rig->server)) };
}

static void dial(struct rig *rig, int i)
{
	struct client *client = &rig->clients[i];

	dial_plain(rig, i);
	if (!rig->tls)
		return;
	assert_int_equal(gnutls_init(&client->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
	assert_int_equal(gnutls_priority_set_direct(client->tls, rig->versions, NULL), 0);
	assert_int_equal(gnutls_credentials_set(client->tls, GNUTLS_CRD_CERTIFICATE, rig->trust), 0);
	gnutls_transport_set_int(client->tls, client->fd);
}

static void say_bytes(struct rig *rig, int i, const char *bytes, size_t len)
{
	struct client *client = &rig->clients[i];

	if (client->tls == NULL) {
		assert_int_equal(send(client->fd, bytes, len, MSG_NOSIGNAL), len);
		return;
	}
	client->out = memory_resize(client->out, client->out_len + len);
	memcpy(client->out + client->out_len, bytes, len);
	client->out_len += len;
}

static void say(struct rig *rig, int i, const char *text)
{
	say_bytes(rig, i, text, strlen(text));
}

static void hang_up(struct rig *rig, int i)
{
	struct client *client = &rig->clients[i];

	if (client->tls != NULL)
		gnutls_deinit(client->tls);
	free(client->out);
	client->tls = NULL;
	client->out = NULL;
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* --- certificates --- */

struct pair {
	gnutls_datum_t chain, key; /* PEM, with a NUL behind it */
};

static struct pair pair_new(const char *name)
{
	unsigned char serial = 1;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	struct pair pair;
	time_t now = time(NULL);

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
			 0);
	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	assert_int_equal(gnutls_x509_crt_set_version(certificate, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(certificate, &serial, sizeof(serial)), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(certificate, now - 60), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(certificate, now + 3600), 0);
	assert_int_equal(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)),
			 0);
	assert_int_equal(gnutls_x509_crt_set_key(certificate, key), 0);
	assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pair.chain), 0);
	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pair.key), 0);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
	return pair;
}

static void pair_close(struct pair *pair)
{
	gnutls_free(pair->chain.data);
	gnutls_free(pair->key.data);
}

static struct tls_identity *identity_named(const char *name)
{
	struct pair pair = pair_new(name);
	struct error err = { 0 };
	struct tls_identity *identity = tls_identity_new((char *)pair.chain.data, (char *)pair.key.data, &err);

	if (identity == NULL)
		fail_msg("%s", err.message);
	pair_close(&pair);
	return identity;
}

/* --- the rig --- */

static size_t open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		n++;
	closedir(folder);
	return n;
}

static struct server *serve(struct rig *rig, const char *address, struct error *err)
{
	const struct server_handler handler = { .context = rig, .handle = handle, .methods = rig->methods, .body_max = rig->body_max };

	return server_new(rig->loop, address, rig->tls, &handler, err);
}

static int set_up_either(void **state, bool tls)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err = { 0 };

	rig->descriptors = open_descriptors();
	rig->tls = tls;
	rig->body_max = tls ? BODY_MAX : 0;
	rig->versions = "NORMAL";
	rig->nap_ms = 1;
	assert_int_equal(gnutls_certificate_allocate_credentials(&rig->trust), 0);
	for (int i = 0; i < SLOTS; i++)
		rig->clients[i].fd = -1;
	rig->loop = loop_new();
	loop_on_drain(rig->loop, look, rig);
	rig->server = serve(rig, "127.0.0.1:0", &err);
	if (rig->server == NULL)
		fail_msg("%s", err.message);
	if (tls)
		server_set_identity(rig->server, identity_named("first"));
	*state = rig;
	return 0;
}

static int set_up(void **state)
{
	return set_up_either(state, false);
}

static int set_up_tls(void **state)
{
	return set_up_either(state, true);
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	server_free(rig->server);
	loop_free(rig->loop);
	for (int i = 0; i < SLOTS; i++)
		hang_up(rig, i);
	gnutls_certificate_free_credentials(rig->trust);
	assert_int_equal(open_descriptors(), rig->descriptors);
	free(rig->body);
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

static bool first_is_answered_or_closed(struct rig *rig)
{
	return first_is_answered(rig) || first_is_closed(rig);
}

static bool second_is_answered(struct rig *rig)
{
	return count(rig->clients[1].text, "\r\n\r\n") > 0;
}

static bool something_has_come(struct rig *rig)
{
	return rig->clients[0].len > 0;
}

static bool one_answer_is_owed(struct rig *rig)
{
	return rig->n_held == 1;
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

/* The same port, for another set of methods. */
static void serve_methods(struct rig *rig, unsigned methods, size_t body_max)
{
	struct error err = { 0 };

	server_free(rig->server);
	rig->methods = methods;
	rig->body_max = body_max;
	rig->server = serve(rig, "127.0.0.1:0", &err);
	assert_non_null(rig->server);
}

static void each_set_of_methods_is_kept_and_named(void **state)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT" };
	static const unsigned bits[] = { SERVER_GET, SERVER_GET, SERVER_POST, SERVER_PUT };
	static const char *const allowed[] = { NULL, "GET, HEAD", "POST", "GET, HEAD, POST", "PUT", "GET, HEAD, PUT", "POST, PUT",
					       "GET, HEAD, POST, PUT" };
	struct rig *rig = *state;

	for (unsigned methods = SERVER_GET; methods <= (SERVER_GET | SERVER_POST | SERVER_PUT); methods++) {
		char line[64], request[64];

		serve_methods(rig, methods, 64);
		snprintf(line, sizeof(line), "Allow: %s\r\n", allowed[methods]);
		assert_contains(ask(rig, "DELETE /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 ");
		assert_contains(rig->clients[0].text, line);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(request, sizeof(request), "%s /ok HTTP/1.1\r\nHost: x\r\n\r\n", names[i]);
			assert_contains(ask(rig, request), methods & bits[i] ? "HTTP/1.1 200 " : "HTTP/1.1 405 ");
			if (methods & bits[i])
				assert_string_equal(rig->method, names[i]);
		}
	}
}

static void a_put_brings_a_small_body_where_a_get_brings_none(void **state)
{
	struct rig *rig = *state;

	serve_methods(rig, SERVER_GET | SERVER_PUT, 8);
	assert_contains(ask(rig, "PUT /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\ndebug"), "HTTP/1.1 200 ");
	assert_string_equal(rig->method, "PUT");
	assert_string_equal(rig->body, "debug");
	assert_contains(ask(rig, "PUT /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n"),
			"HTTP/1.1 200 ");
	assert_string_equal(rig->body, "12345678");
	assert_contains(ask(rig, "PUT /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"), "HTTP/1.1 413 ");
	assert_contains(ask(rig, "PUT /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n"),
			"HTTP/1.1 413 ");
	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), "HTTP/1.1 413 ");
	assert_contains(ask(rig, "HEAD /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"), "HTTP/1.1 413 ");
	assert_int_equal(rig->calls, 2);
	assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
	assert_int_equal(rig->body_len, 0);
	assert_int_equal(server_stats(rig->server).body_bytes, 0);
}

static void who_asks_is_the_handlers_to_know(void **state)
{
	struct rig *rig = *state;

	ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\nauthorization: Bearer abc.def\r\n\r\n");
	assert_string_equal(rig->authorization, "Bearer abc.def");
	assert_null(strstr(rig->clients[0].text, "WWW-Authenticate"));
	ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_string_equal(rig->authorization, "");
	assert_contains(ask(rig, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 401 ");
	assert_contains(rig->clients[0].text, "\r\nWWW-Authenticate: Bearer ");
}

static void whom_and_for_whom_it_asks_is_the_handlers_to_know(void **state)
{
	struct rig *rig = *state;

	ask(rig, "GET /ok HTTP/1.1\r\nhost: a.example:8081\r\norigin: http://b.example\r\n\r\n");
	assert_string_equal(rig->host, "a.example:8081");
	assert_string_equal(rig->origin, "http://b.example");
	ask(rig, "GET /ok HTTP/1.0\r\n\r\n");
	assert_string_equal(rig->host, "");
	assert_string_equal(rig->origin, "");
}

static void who_asked_is_known_until_the_answer(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0);
	say(rig, 0, "GET /later HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc.def\r\n\r\n");
	until(rig, one_answer_is_owed);
	dial(rig, 1);
	say(rig, 1, "GET /ok HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer another, and a longer one\r\n\r\n");
	until(rig, second_is_answered);
	assert_string_equal(rig->held_requests[0]->authorization, "Bearer abc.def");
	give(rig, 0, "here");
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "\r\n\r\nhere");
}

/* An address of this host that is not of this host alone; false: it has no network. It need not be one that answers. */
static bool own_address(struct in_addr *own)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) }, from;
	socklen_t size = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr); /* nothing is sent there */
	bool found = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && getsockname(fd, (struct sockaddr *)&from, &size) == 0;

	close(fd);
	*own = from.sin_addr;
	return found;
}

static void where_it_comes_from_is_the_handlers_to_know(void **state)
{
	static const char request[] = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rig *rig = *state;
	struct error err = { 0 };
	struct in_addr own;

	ask(rig, request);
	assert_true(rig->loopback);
	server_free(rig->server);
	rig->server = serve(rig, ":0", &err); /* where there is IPv6, as ::ffff:127.0.0.1 */
	assert_non_null(rig->server);
	rig->loopback = false;
	ask(rig, request);
	assert_true(rig->loopback);
	if (!own_address(&own)) {
		print_message("skipped: there is no network to come from\n");
		skip();
	}
	hang_up(rig, 0);
	rig->clients[0] = (struct client){ .fd = connect_at(own, server_port(rig->server)) };
	say(rig, 0, request);
	until(rig, first_is_answered);
	assert_false(rig->loopback);
}

static void loopback_is_what_nobody_else_can_reach(void **state)
{
	static const char *const inside[] = { "127.0.0.1:8080", "127.255.255.254:0",	     "[::1]:8080",	"[0:0:0:0:0:0:0:1]:8080",
					      "localhost:8080", "[::ffff:127.0.0.1]:8080", "LocalHost:8080" };
	static const char *const outside[] = { ":8080",		 "0.0.0.0:8080",     "[::]:8080",	 "128.0.0.1:8080",
					       "126.0.0.1:8080", "10.0.0.1:8080",    "[::2]:8080",	 "[::ffff:10.0.0.1]:8080",
					       "[fe80::1]:8080", "localhost.a:8080", "a.localhost:8080", "127.0.0.1.example.com:80",
					       "127.1:8080",	 "127.0.0.1",	     "::1:8080",	 "127.0.0.1:port",
					       "[127.0.0.1:80",	 "",		     "0" };
	struct sockaddr local = { .sa_family = AF_UNIX };

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		if (!listen_is_loopback(inside[i]))
			fail_msg("%s is loopback", inside[i]);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		if (listen_is_loopback(outside[i]))
			fail_msg("%s is no loopback", outside[i]);
	assert_false(listen_peer_is_loopback(NULL));
	assert_false(listen_peer_is_loopback(&local));
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
	server_set_times(rig->server, 1, 1);
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

/* A request that is whole but for its middle. */
static void say_many(struct rig *rig, int i, const char *before, const char *part, size_t times, const char *after)
{
	dial(rig, i);
	say(rig, i, rig->tls ? "POST /ok" : "GET /ok");
	say(rig, i, before);
	while (times-- > 0)
		say(rig, i, part);
	say(rig, i, after);
}

/* libmicrohttpd keeps more of each part than the part has bytes: its memory may be full in the middle of a header that is short enough. */
static void many_small_parts_are_answered_or_refused_at_once(void **state)
{
#define VERSION "HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
	static const struct {
		const char *before, *part, *after;
		bool kept; /* by libmicrohttpd, part by part */
	} rows[] = {
		{ "?", "a&", " " VERSION "\r\n", false },
		{ "?", "a=b&", " " VERSION "\r\n", false },
		{ "?", "?", " " VERSION "\r\n", false },
		{ " " VERSION, "a:\r\n", "\r\n", true },
		{ " " VERSION "Cookie: ", "a;", "\r\n\r\n", true },
	};
#undef VERSION
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t n = 1; n < 10000; n += 1 + n / 2) {
			const size_t len = n * strlen(rows[i].part);
			const bool fits = len < 4096 && (!rows[i].kept || n < 50);

			hang_up(rig, 0);
			say_many(rig, 0, rows[i].before, rows[i].part, n, rows[i].after);
			until(rig, first_is_answered_or_closed); /* well before its time is over */
			if (fits) {
				assert_contains(rig->clients[0].text, "HTTP/1.1 200 ");
				assert_int_equal(rig->query_len, rows[i].kept ? 0 : len);
			}
		}
	}
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

	server_set_times(rig->server, 1, 1);
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

	for (int i = 0; i < SLOTS; i++)
		n += rig->clients[i].len > 0;
	return n;
}

static bool all_that_called_are_answered(struct rig *rig)
{
	size_t called = 0;

	for (int i = 0; i < SLOTS; i++)
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
		struct server *server = serve(rig, wrong[i], &err);

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
	assert_null(serve(rig, address, &err));
	assert_int_equal(err.class, ERROR_INVALID);
	assert_contains(err.message, address);
	assert_contains(err.message, strerror(EADDRINUSE));
	snprintf(everywhere, sizeof(everywhere), ":%d", server_port(rig->server));
	assert_null(serve(rig, everywhere, &err));
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
	assert_null(serve(rig, address, &err));
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
		rig->server = serve(rig, forms[i], &err);
		if (rig->server == NULL)
			fail_msg("%s", err.message);
		assert_true(server_port(rig->server) > 0);
		if (i < 2) /* localhost may be ::1 alone */
			assert_contains(ask(rig, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
	}
}

/* --- TLS, bodies, answers that come later --- */

static bool nobody_is_connected(struct rig *rig)
{
	return server_stats(rig->server).connections == 0;
}

static bool second_is_closed(struct rig *rig)
{
	return rig->clients[1].closed;
}

static bool first_has_shaken_hands(struct rig *rig)
{
	return rig->clients[0].shaken;
}

/* A request for path with so many bytes of body announced as one length. */
static void say_header(struct rig *rig, int i, const char *path, size_t len)
{
	cleanup_free char *header = memory_printf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, len);

	say(rig, i, header);
}

/* Of a body whose bytes tell their place. */
static void say_body(struct rig *rig, int i, size_t from, size_t to)
{
	cleanup_free char *body = memory_alloc(to - from + 1);

	for (size_t at = from; at < to; at++)
		body[at - from] = (char)('a' + at % 23);
	say_bytes(rig, i, body, to - from);
}

static void say_chunk(struct rig *rig, int i, size_t from, size_t to)
{
	cleanup_free char *size = memory_printf("%zx\r\n", to - from);

	say(rig, i, size);
	say_body(rig, i, from, to);
	say(rig, i, "\r\n");
}

static void assert_body(const struct rig *rig, size_t len)
{
	assert_int_equal(rig->body_len, len);
	for (size_t at = 0; at < len; at++)
		if (rig->body[at] != (char)('a' + at % 23))
			fail_msg("byte %zu of the body is wrong", at);
}

static void redial(struct rig *rig, int i)
{
	hang_up(rig, i);
	dial(rig, i);
}

static void forget(struct client *client)
{
	client->len = 0;
	client->text[0] = '\0';
}

static void a_post_is_the_handlers_to_answer(void **state)
{
	struct rig *rig = *state;
	const char *text = ask(
		rig, "POST /ok?timeout=5s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello");

	assert_contains(text, "HTTP/1.1 200 OK\r\n");
	assert_contains(text, "\r\n\r\nhello\n");
	assert_string_equal(rig->method, "POST");
	assert_string_equal(rig->path, "/ok");
	assert_string_equal(rig->query, "timeout=5s");
	assert_string_equal(rig->type, "application/json");
	assert_int_equal(rig->body_len, 5);
	assert_memory_equal(rig->body, "hello", 5);
	assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 200 OK\r\n");
	assert_string_equal(rig->type, "");
	assert_null(rig->body);
}

static void other_methods_than_post_are_refused(void **state)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char request[64];

		snprintf(request, sizeof(request), "%s /ok HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
		assert_contains(ask(rig, request), "HTTP/1.1 405 ");
		assert_contains(rig->clients[0].text, "Allow: POST\r\n");
	}
	assert_int_equal(rig->calls, 0);
}

static void tls_is_1_2_or_1_3(void **state)
{
	static const struct {
		const char *versions;
		gnutls_protocol_t spoken; /* 0: none */
	} rows[] = {
		{ "NORMAL", GNUTLS_TLS1_3 },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2", GNUTLS_TLS1_2 },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", 0 },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", 0 },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", 0 },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig->versions = rows[i].versions;
		if (rows[i].spoken == 0) {
			redial(rig, 0);
			until(rig, first_is_closed);
			assert_false(rig->clients[0].shaken);
			continue;
		}
		assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), "HTTP/1.1 200 ");
		assert_int_equal(gnutls_protocol_get_version(rig->clients[0].tls), rows[i].spoken);
	}
}

static void without_an_identity_no_hands_are_shaken(void **state)
{
	struct rig *rig = *state;

	server_set_identity(rig->server, NULL);
	dial(rig, 0);
	until(rig, first_is_closed);
	assert_false(rig->clients[0].shaken);
	server_set_identity(rig->server, identity_named("late"));
	assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), "HTTP/1.1 200 ");
	assert_string_equal(rig->clients[0].server, "late");
}

static bool second_is_known(struct rig *rig)
{
	return server_stats(rig->server).connections == 2;
}

static void a_new_identity_is_for_new_connections(void **state)
{
	struct rig *rig = *state;

	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	dial_plain(rig, 1); /* opened, but its handshake begins after the change */
	until(rig, second_is_known);
	for (int i = 0; i < 3; i++)
		server_set_identity(rig->server, identity_named("second"));
	forget(&rig->clients[0]);
	say(rig, 0, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, first_is_answered);
	assert_string_equal(rig->clients[0].server, "first");

	struct client *slow = &rig->clients[1];

	assert_int_equal(gnutls_init(&slow->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_set_default_priority(slow->tls), 0);
	assert_int_equal(gnutls_credentials_set(slow->tls, GNUTLS_CRD_CERTIFICATE, rig->trust), 0);
	gnutls_transport_set_int(slow->tls, slow->fd);
	say(rig, 1, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, second_is_answered);
	assert_string_equal(slow->server, "first");
	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	assert_string_equal(rig->clients[0].server, "second");
}

static void an_identity_is_a_certificate_and_its_own_key(void **state)
{
	struct pair one = pair_new("one"), other = pair_new("other");
	const char *const wrong[][2] = {
		{ (char *)one.chain.data, (char *)other.key.data },
		{ "", "" },
		{ (char *)one.chain.data, "" },
		{ "", (char *)one.key.data },
		{ (char *)one.key.data, (char *)one.chain.data },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", (char *)one.key.data },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct error err = { 0 };

		assert_null(tls_identity_new(wrong[i][0], wrong[i][1], &err));
		assert_int_equal(err.class, ERROR_INVALID);
		assert_contains(err.message, "certificate and key cannot be used: ");
	}
	pair_close(&one);
	pair_close(&other);
}

static void a_body_may_be_as_long_as_the_limit(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0);
	say_header(rig, 0, "/ok", BODY_MAX);
	say_body(rig, 0, 0, BODY_MAX);
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "HTTP/1.1 200 ");
	assert_body(rig, BODY_MAX);
	forget(&rig->clients[0]);
	say(rig, 0, "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (size_t at = 0; at < BODY_MAX; at += BODY_MAX / 64)
		say_chunk(rig, 0, at, at + BODY_MAX / 64);
	say(rig, 0, "0\r\n\r\n");
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "HTTP/1.1 200 ");
	assert_body(rig, BODY_MAX);
	assert_int_equal(server_stats(rig->server).body_bytes, 0);
}

static void longer_bodies_are_refused(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0); /* by what is announced, before any of it has come */
	say_header(rig, 0, "/ok", BODY_MAX + 1);
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "HTTP/1.1 413 ");
	until(rig, first_is_closed);
	redial(rig, 0); /* by what comes */
	say(rig, 0, "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	say_chunk(rig, 0, 0, BODY_MAX);
	say(rig, 0, "1\r\nx\r\n0\r\n\r\n");
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "HTTP/1.1 413 ");
	redial(rig, 0); /* and not without end */
	say(rig, 0, "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 3; i++)
		say_chunk(rig, 0, 0, BODY_MAX);
	until(rig, first_is_closed);
	assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nx"),
			"HTTP/1.1 413 ");
	assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nx"), "HTTP/1.1 501 ");
	assert_int_equal(rig->calls, 0);
	assert_int_equal(server_stats(rig->server).body_bytes, 0);
}

static void what_comes_behind_a_body_is_no_part_of_it(void **state)
{
	struct rig *rig = *state;

	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc and more\r\n\r\n");
	until(rig, first_is_closed);
	assert_contains(rig->clients[0].text, "HTTP/1.1 200 ");
	assert_body(rig, 3);
	assert_int_equal(rig->calls, 1);
}

static void who_expects_a_nod_gets_one(void **state)
{
	struct rig *rig = *state;
	cleanup_free char *too_long =
		memory_printf("POST /ok HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", BODY_MAX + 1);

	assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
			"HTTP/1.1 100 ");
	assert_int_equal(rig->calls, 0);
	say_body(rig, 0, 0, 3);
	until(rig, first_is_answered_twice);
	assert_contains(rig->clients[0].text, "HTTP/1.1 200 ");
	assert_body(rig, 3);
	assert_true(strncmp(ask(rig, too_long), "HTTP/1.1 413 ", 13) == 0);
}

static bool three_bodies_are_held(struct rig *rig)
{
	return server_stats(rig->server).body_bytes == 3 * BODY_MAX;
}

static bool a_quarter_more_is_held(struct rig *rig)
{
	return server_stats(rig->server).body_bytes == 3 * BODY_MAX + BODY_MAX / 4;
}

static bool it_holds_what_it_may(struct rig *rig)
{
	return server_stats(rig->server).body_bytes == BODIES_MAX;
}

static bool third_is_answered(struct rig *rig)
{
	return count(rig->clients[2].text, "\r\n\r\n") > 0;
}

static bool third_is_closed(struct rig *rig)
{
	return rig->clients[2].closed;
}

static bool sixth_is_answered(struct rig *rig)
{
	return count(rig->clients[5].text, "\r\n\r\n") > 0;
}

static bool first_is_answered_fifty_times(struct rig *rig)
{
	return count(rig->clients[0].text, "\r\n\r\n") == 50;
}

static bool fifth_is_answered(struct rig *rig)
{
	return count(rig->clients[4].text, "\r\n\r\n") > 0;
}

static bool four_answers_are_owed(struct rig *rig)
{
	return rig->n_held == 4;
}

/* What is whole, and waits for its answer, is not cut off. */
static void whole_bodies_make_no_room(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 4; i++) {
		dial(rig, i);
		say_header(rig, i, "/later", BODY_MAX);
		say_body(rig, i, 0, BODY_MAX);
	}
	until(rig, four_answers_are_owed);
	assert_true(it_holds_what_it_may(rig));
	dial(rig, 5);
	say(rig, 5, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, sixth_is_answered);
	assert_contains(rig->clients[5].text, "HTTP/1.1 503 ");
	assert_contains(rig->clients[5].text, "Retry-After: 1\r\n");
	for (int i = 0; i < 4; i++)
		give(rig, i, "done");
	until(rig, third_is_answered);
	assert_int_equal(server_stats(rig->server).evicted, 0);
}

static void all_bodies_together_have_a_limit(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 3; i++) {
		dial(rig, i);
		say_header(rig, i, "/ok", BODY_MAX);
		say_body(rig, i, 0, BODY_MAX - 1);
	}
	until(rig, three_bodies_are_held);
	dial(rig, 4); /* its length is not known, so it is let in */
	say(rig, 4, "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	say_chunk(rig, 4, 0, BODY_MAX / 4);
	until(rig, a_quarter_more_is_held);
	dial(rig, 3);
	say_header(rig, 3, "/ok", BODY_MAX / 4 * 3);
	say_body(rig, 3, 0, BODY_MAX / 4 * 3 - 1);
	until(rig, it_holds_what_it_may);

	dial(rig, 5); /* whoever has taken longest makes room */
	assert_int_equal(server_stats(rig->server).evicted, 0);
	say(rig, 5, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, sixth_is_answered);
	assert_contains(rig->clients[5].text, "HTTP/1.1 200 ");
	until(rig, first_is_closed);
	assert_int_equal(server_stats(rig->server).evicted, 1);
	say_chunk(rig, 4, BODY_MAX / 4, BODY_MAX / 2); /* there is room again */
	say(rig, 4, "0\r\n\r\n");
	until(rig, fifth_is_answered);
	assert_contains(rig->clients[4].text, "HTTP/1.1 200 ");
	say_body(rig, 2, BODY_MAX - 1, BODY_MAX);
	until(rig, third_is_answered);
	assert_contains(rig->clients[2].text, "HTTP/1.1 200 ");
	assert_body(rig, BODY_MAX);
	forget(&rig->clients[4]);
	say(rig, 4, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, fifth_is_answered);
	assert_contains(rig->clients[4].text, "HTTP/1.1 200 ");
}

static bool two_answers_are_owed(struct rig *rig)
{
	return rig->n_held == 2;
}

static void an_answer_may_come_later(void **state)
{
	struct rig *rig = *state;

	server_set_times(rig->server, 1, 1);
	dial(rig, 0);
	say(rig, 0, "POST /later?0 HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello");
	until(rig, one_answer_is_owed);
	dial(rig, 1);
	say(rig, 1, "POST /later?1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, two_answers_are_owed);
	assert_int_equal(server_stats(rig->server).in_flight, 2);
	hang_up(rig, 2); /* others are served meanwhile, and a client is not too slow when we are */
	dial(rig, 2);
	until(rig, third_is_closed);
	assert_int_equal(server_stats(rig->server).in_flight, 2);

	const struct server_request *request = rig->held_requests[0];

	assert_string_equal(request->method, "POST");
	assert_string_equal(request->path, "/later");
	assert_string_equal(request->query, "0");
	assert_string_equal(request->content_type, "a/b");
	assert_int_equal(request->body_len, 5);
	assert_memory_equal(request->body, "hello", 5);
	give(rig, 1, "one");
	until(rig, second_is_answered);
	assert_contains(rig->clients[1].text, "\r\n\r\none");
	assert_int_equal(rig->clients[0].len, 0);
	give(rig, 0, "zero");
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "\r\n\r\nzero");
	assert_int_equal(server_stats(rig->server).in_flight, 0);
	forget(&rig->clients[0]);
	say(rig, 0, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, first_is_answered);
	assert_contains(rig->clients[0].text, "\r\n\r\nhello\n");
}

static void an_answer_may_come_in_the_middle_of_another_request(void **state)
{
	struct rig *rig = *state;

	dial(rig, 1);
	say(rig, 1, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, one_answer_is_owed);
	assert_contains(ask(rig, "POST /release HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), "HTTP/1.1 404 ");
	until(rig, second_is_answered);
	assert_contains(rig->clients[1].text, "\r\n\r\nreleased");
}

/* Each takes a moment, not the time that a still TLS connection is given. */
static void answers_that_come_later_come_at_once(void **state)
{
	struct rig *rig = *state;
	int64_t begun_ms = loop_monotonic_ms();

	dial(rig, 0);
	until(rig, first_has_shaken_hands);
	rig->nap_ms = 1000; /* the server's own haste counts */
	for (int i = 0; i < 200; i++) {
		rig->n_held = 0;
		forget(&rig->clients[0]);
		say(rig, 0, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
		until(rig, one_answer_is_owed);
		give(rig, 0, "here");
		until(rig, first_is_answered);
	}
	assert_true(loop_monotonic_ms() - begun_ms < 3000);
}

static void a_client_may_go_while_it_waits(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0);
	say(rig, 0, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	dial(rig, 1);
	say(rig, 1, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, two_answers_are_owed);
	hang_up(rig, 0);
	shutdown(rig->clients[1].fd, SHUT_RDWR);
	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	give(rig, 0, "nobody");
	give(rig, 1, "nobody");
	hang_up(rig, 0);
	hang_up(rig, 1);
	until(rig, nobody_is_connected);
	assert_int_equal(server_stats(rig->server).in_flight, 0);
	assert_int_equal(server_stats(rig->server).body_bytes, 0);
}

static void it_can_go_while_it_owes_answers(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0);
	say(rig, 0, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	dial(rig, 1);
	say(rig, 1, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, two_answers_are_owed);
	give(rig, 0, "too late");
	server_free(rig->server);
	rig->server = NULL;
	until(rig, first_is_closed);
	until(rig, second_is_closed);
}

static void a_connection_serves_many_requests(void **state)
{
	static const char request[] = "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
	enum { TIMES = 2000, AT_ONCE = 50 };
	struct rig *rig = *state;

	dial(rig, 0);
	for (int i = 0; i < TIMES; i++) {
		forget(&rig->clients[0]);
		say(rig, 0, request);
		until(rig, first_is_answered);
		assert_int_equal(count(rig->clients[0].text, "HTTP/1.1 200 "), 1);
	}
	forget(&rig->clients[0]);
	for (int i = 0; i < AT_ONCE; i++)
		say(rig, 0, request);
	until(rig, first_is_answered_fifty_times);
	assert_int_equal(rig->calls, TIMES + AT_ONCE);
	assert_int_equal(server_stats(rig->server).requests, TIMES + AT_ONCE);
	assert_int_equal(server_stats(rig->server).connections, 1);
}

/* --- TLS, and clients that are rude or slow --- */

static void what_is_no_tls_ends_its_own_connection_only(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} garbage[] = {
		GARBAGE("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"),
		GARBAGE("POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"),
		GARBAGE("\0\0\0\0\0\0\0\0\0\0\0\0"),
		GARBAGE("\x16\x03\x01\x00\x05hello"),
		GARBAGE("\x16\x03\x01\xff\xff much longer than a record may be"),
		GARBAGE("\x16\x03\x01\x00\x04\x01\x00\x00\x00"),
		GARBAGE("\x16\x03\x01\x00\x04\x01\xff\xff\xff and more"),
		GARBAGE("\x17\x03\x03\x00\x05 data before any key"),
		GARBAGE("\x15\x03\x03\x00\x02\x01\x00"),
		GARBAGE("\x15\x03\x03\x00\x02\x02\x28"),
	};
	struct rig *rig = *state;

	dial(rig, 1);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		dial_plain(rig, 0);
		say_bytes(rig, 0, garbage[i].bytes, garbage[i].len);
		shutdown(rig->clients[0].fd, SHUT_WR);
		until(rig, first_is_closed);
		hang_up(rig, 0);
	}
	dial(rig, 0); /* in the middle of a session as well */
	until(rig, first_has_shaken_hands);
	assert_true(send(rig->clients[0].fd, garbage[0].bytes, garbage[0].len, MSG_NOSIGNAL) > 0);
	until(rig, first_is_closed);
	assert_int_equal(rig->calls, 0);
	say(rig, 1, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, second_is_answered);
}

static bool nothing_is_left_to_send(struct rig *rig)
{
	return rig->clients[0].shaken && rig->clients[0].out_sent == rig->clients[0].out_len;
}

static void half_a_connection_is_enough_for_the_answer(void **state)
{
	struct rig *rig = *state;

	dial(rig, 0); /* the request is not whole yet */
	say(rig, 0, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell");
	until(rig, nothing_is_left_to_send);
	shutdown(rig->clients[0].fd, SHUT_WR);
	until(rig, first_is_closed);
	assert_int_equal(rig->clients[0].len, 0);
	assert_int_equal(rig->calls, 0);
	redial(rig, 0);
	say(rig, 0, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	until(rig, one_answer_is_owed);
	shutdown(rig->clients[0].fd, SHUT_WR);
	give(rig, 0, "here");
	until(rig, first_is_closed);
	assert_contains(rig->clients[0].text, "\r\n\r\nhere");
}

static bool first_has_said_all(struct rig *rig)
{
	int64_t now_ms = loop_monotonic_ms();

	if (rig->clients[0].closed || rig->drip_len == 0)
		return true;
	if (now_ms >= rig->drip_at_ms) {
		rig->drip_at_ms = now_ms + 50;
		rig->drip_len--;
		if (rig->clients[0].tls != NULL)
			say_bytes(rig, 0, rig->drip++, 1);
		else
			(void)send(rig->clients[0].fd, rig->drip++, 1, MSG_NOSIGNAL);
	}
	return false;
}

/* Cut off although it is never silent. */
static void assert_cut_off(struct rig *rig, const char *bytes, size_t len)
{
	unsigned long before = server_stats(rig->server).timed_out;
	int64_t begun_ms = loop_monotonic_ms();

	rig->drip = bytes;
	rig->drip_len = len;
	until(rig, first_has_said_all);
	assert_true(rig->clients[0].closed);
	assert_in_range(loop_monotonic_ms() - begun_ms, 500, 10000);
	assert_int_equal(server_stats(rig->server).timed_out, before + 1);
	assert_int_equal(rig->calls, 0);
}

static void a_byte_at_a_time_is_not_enough(void **state)
{
	static const char hello[300] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	static const char header[300] = "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX: and so on and on";
	struct rig *rig = *state;

	server_set_times(rig->server, 1, 90);
	dial_plain(rig, 0);
	assert_cut_off(rig, hello, sizeof(hello));
	redial(rig, 0);
	assert_cut_off(rig, header, sizeof(header));
	redial(rig, 0);
	say_header(rig, 0, "/ok", 1000);
	assert_cut_off(rig, header, sizeof(header));
}

static void a_second_request_has_its_own_time(void **state)
{
	struct rig *rig = *state;

	server_set_times(rig->server, 1, 90);
	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	rig->calls = 0;
	say_header(rig, 0, "/ok", 1000);
	forget(&rig->clients[0]);
	assert_cut_off(rig, rig->clients[0].text, sizeof(rig->clients[0].text));
}

static void who_rests_too_long_is_closed(void **state)
{
	struct rig *rig = *state;

	server_set_times(rig->server, 90, 1);
	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	int64_t begun_ms = loop_monotonic_ms();

	until(rig, first_is_closed);
	assert_in_range(loop_monotonic_ms() - begun_ms, 900, 10000);
	assert_int_equal(server_stats(rig->server).timed_out, 0); /* it has missed nothing */
}

/* libmicrohttpd wants to go on at once as long as a handshake waits. */
static void a_handshake_that_stalls_keeps_nobody_busy(void **state)
{
	struct rig *rig = *state;

	server_set_times(rig->server, 1, 90);
	dial_plain(rig, 0);
	say_bytes(rig, 0, "\x16\x03\x01\x02\x00\x01", 6);
	rig->looks = 0;
	rig->nap_ms = 100;
	until(rig, first_is_closed);
	assert_in_range(rig->looks, 5, 200);
}

enum { IDLERS = 1000 };

static bool it_is_full(struct rig *rig)
{
	return server_stats(rig->server).evicted > 0;
}

/* Nor one that has had answers, and rests from then on. */
static void a_crowd_that_rests_keeps_nobody_out(void **state)
{
	static const char request[] = "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
	struct rig *rig = *state;

	for (int i = 1; i < SLOTS; i++) {
		dial(rig, i);
		say(rig, i, request);
		until(rig, all_that_called_are_answered);
		if (i % 10 == 0) { /* one of them goes on asking */
			forget(&rig->clients[1]);
			say(rig, 1, request);
			until(rig, second_is_answered);
		}
	}
	assert_true(server_stats(rig->server).evicted > 0);
	assert_true(server_stats(rig->server).connections <= TLS_CAP * 3 / 4 + 1);
	for (int i = 0; i < 5; i++)
		assert_contains(ask(rig, request), "HTTP/1.1 200 ");
	assert_true(rig->clients[2].closed);
	assert_false(rig->clients[1].closed);
}

static void a_crowd_that_asks_for_nothing_keeps_nobody_out(void **state)
{
	struct rig *rig = *state;
	struct rlimit files;
	int idlers[IDLERS];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max < 2 * IDLERS) {
		print_message("skipped: no more than %lu descriptors here\n", (unsigned long)files.rlim_max);
		skip();
	}
	dial(rig, 1); /* one that was there before */
	say(rig, 1, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, second_is_answered);
	for (int i = 0; i < IDLERS; i++) {
		idlers[i] = connect_to(server_port(rig->server));
		if (i % 2 == 0) /* the others do not say a thing */
			assert_int_equal(send(idlers[i], "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL), 6);
		if (i % 100 == 0) { /* the kernel queues but so many */
			forget(&rig->clients[1]);
			say(rig, 1, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
			until(rig, second_is_answered);
		}
	}
	until(rig, it_is_full);
	for (int i = 0; i < 20; i++) {
		int64_t begun_ms = loop_monotonic_ms();

		assert_contains(ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), "HTTP/1.1 200 ");
		assert_true(loop_monotonic_ms() - begun_ms < 1000);
		forget(&rig->clients[1]);
		say(rig, 1, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
		until(rig, second_is_answered);
		assert_false(rig->clients[1].closed);
	}
	assert_true(server_stats(rig->server).connections < TLS_CAP);
	assert_in_range(server_stats(rig->server).evicted, IDLERS - TLS_CAP, IDLERS);
	for (int i = 0; i < IDLERS; i++)
		close(idlers[i]);
	hang_up(rig, 0);
	hang_up(rig, 1);
	until(rig, nobody_is_connected);
}

static size_t heap_in_use(void)
{
	return mallinfo2().uordblks;
}

/* libmicrohttpd, which reads on behind a NUL, ends no request whose parameters fill its memory. */
static void say_hidden_query(struct rig *rig, int i)
{
	char request[4096];

	for (size_t n = 0; n < sizeof(request); n++)
		request[n] = "a&"[n % 2];
	memcpy(request, "POST /", 6);
	memcpy(request + sizeof(request) / 2, "\0?", 2);
	memcpy(request + sizeof(request) - 11, " HTTP/1.1\r\n", 11);
	dial(rig, i);
	say_bytes(rig, i, request, sizeof(request));
}

static void misbehave(struct rig *rig)
{
	for (int i = 0; i < 5; i++) {
		dial_plain(rig, i);
		say(rig, i, "GET / HTTP/1.1\r\n\r\n");
		dial_plain(rig, i + 5);
		say_bytes(rig, i + 5, "\x16\x03\x01\x02\x00\x01", 6);
		dial(rig, i + 10);
		say_header(rig, i + 10, "/ok", BODY_MAX);
		say_body(rig, i + 10, 0, BODY_MAX / 16);
		dial(rig, i + 15);
		say_header(rig, i + 15, "/ok", BODY_MAX + 1);
		say(rig, i + 15, "too much");
		dial(rig, i + 20);
		say(rig, i + 20, "POST /o");
		say_hidden_query(rig, i + 25);
	}
	rig->n_held = 0;
	dial(rig, 30);
	say(rig, 30, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	until(rig, one_answer_is_owed);
	ask(rig, "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	for (int i = 0; i <= 30; i++)
		hang_up(rig, i);
	give(rig, 0, "nobody");
	server_set_identity(rig->server, identity_named("next"));
	until(rig, nobody_is_connected);
	assert_int_equal(server_stats(rig->server).in_flight, 0);
	assert_int_equal(server_stats(rig->server).body_bytes, 0);
}

static void nothing_is_left_of_those_who_have_gone(void **state)
{
	struct rig *rig = *state;

	misbehave(rig); /* what is allocated once, and for good */
	size_t before = heap_in_use();

	for (int i = 0; i < 20; i++)
		misbehave(rig);
	assert_in_range(heap_in_use(), 0, before + 16 * 1024);
}

int main(void)
{
#define RIGGED(test)  cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define SECURED(test) cmocka_unit_test_setup_teardown(test, set_up_tls, tear_down)
	const struct CMUnitTest tests[] = {
		RIGGED(a_get_is_the_handlers_to_answer),
		RIGGED(a_connection_serves_one_request_after_another),
		RIGGED(head_is_get_without_the_body),
		RIGGED(other_methods_are_refused),
		RIGGED(each_set_of_methods_is_kept_and_named),
		RIGGED(a_put_brings_a_small_body_where_a_get_brings_none),
		RIGGED(who_asks_is_the_handlers_to_know),
		RIGGED(whom_and_for_whom_it_asks_is_the_handlers_to_know),
		RIGGED(who_asked_is_known_until_the_answer),
		RIGGED(where_it_comes_from_is_the_handlers_to_know),
		RIGGED(loopback_is_what_nobody_else_can_reach),
		RIGGED(bodies_are_refused_and_not_read),
		RIGGED(garbage_ends_its_own_connection_only),
		RIGGED(headers_have_a_limit),
		RIGGED(many_small_parts_are_answered_or_refused_at_once),
		RIGGED(a_slow_client_is_answered_and_holds_up_nobody),
		RIGGED(a_silent_client_is_closed),
		RIGGED(at_the_cap_others_wait_until_there_is_room),
		RIGGED(a_long_answer_comes_whole_and_may_be_walked_out_on),
		RIGGED(it_can_go_while_it_is_busy),
		RIGGED(addresses_that_are_none_are_named),
		RIGGED(a_port_that_is_taken_is_named),
		RIGGED(a_port_that_is_taken_for_ipv6_alone_is_taken),
		RIGGED(no_host_means_all_addresses),
		SECURED(a_post_is_the_handlers_to_answer),
		SECURED(other_methods_than_post_are_refused),
		SECURED(many_small_parts_are_answered_or_refused_at_once),
		SECURED(tls_is_1_2_or_1_3),
		SECURED(without_an_identity_no_hands_are_shaken),
		SECURED(a_new_identity_is_for_new_connections),
		SECURED(an_identity_is_a_certificate_and_its_own_key),
		SECURED(a_body_may_be_as_long_as_the_limit),
		SECURED(longer_bodies_are_refused),
		SECURED(what_comes_behind_a_body_is_no_part_of_it),
		SECURED(who_expects_a_nod_gets_one),
		SECURED(all_bodies_together_have_a_limit),
		SECURED(whole_bodies_make_no_room),
		SECURED(an_answer_may_come_later),
		SECURED(an_answer_may_come_in_the_middle_of_another_request),
		SECURED(answers_that_come_later_come_at_once),
		SECURED(a_client_may_go_while_it_waits),
		SECURED(it_can_go_while_it_owes_answers),
		SECURED(a_connection_serves_many_requests),
		SECURED(what_is_no_tls_ends_its_own_connection_only),
		SECURED(half_a_connection_is_enough_for_the_answer),
		SECURED(a_byte_at_a_time_is_not_enough),
		SECURED(a_second_request_has_its_own_time),
		SECURED(who_rests_too_long_is_closed),
		SECURED(a_handshake_that_stalls_keeps_nobody_busy),
		SECURED(a_crowd_that_rests_keeps_nobody_out),
		SECURED(a_crowd_that_asks_for_nothing_keeps_nobody_out),
		SECURED(nothing_is_left_of_those_who_have_gone),
	};

	signal(SIGPIPE, SIG_IGN); /* as main does */
	loop_free(loop_new());	  /* libuv opens descriptors that it keeps */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
