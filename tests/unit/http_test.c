/*
 * http.c against the scripted servers of tests/wire/server.py: what arrives, what is sent, and what is said when it goes wrong. The
 * server runs once for all tests; "report" asks it what it saw. Every wait has a deadline and no test sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"
#include "memory.h"

enum { DEADLINE_MS = 30000, BODY_MAX = 9 << 20 };

/* ---- the server ---- */

static struct {
	pid_t pid;
	FILE *to, *from;
	int http, https, h2, proxy;
	char dir[128];
} wire;

static int start_server(void **state)
{
	int to[2], from[2];
	char line[512] = "";

	(void)state;
	if (pipe(to) || pipe(from))
		return -1;
	wire.pid = fork();
	if (wire.pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execlp("python3", "python3", "tests/wire/server.py", (char *)0);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	wire.to = fdopen(to[1], "w");
	wire.from = fdopen(from[0], "r");
	if (!fgets(line, sizeof(line), wire.from) || sscanf(line, "http %d https %d h2 %d proxy %d dir %127s", &wire.http,
							    &wire.https, &wire.h2, &wire.proxy, wire.dir) != 5) {
		fprintf(stderr, "tests/wire/server.py did not start: run from the top of the repository\n");
		return -1;
	}
	return 0;
}

static int stop_server(void **state)
{
	int status;

	(void)state;
	fclose(wire.to);
	fclose(wire.from);
	waitpid(wire.pid, &status, 0);
	return 0;
}

/* What the server logged since the last time. */
static const char *report(void)
{
	static char text[64 << 10];
	char line[1024];
	size_t used = 0;

	fputs("report\n", wire.to);
	fflush(wire.to);
	text[0] = '\0';
	while (fgets(line, sizeof(line), wire.from) && strcmp(line, ".\n") != 0)
		if (used + strlen(line) < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", line);
	return text;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static char *read_file(const char *name)
{
	char path[256];
	char *text = memory_alloc(64 << 10);

	snprintf(path, sizeof(path), "%s/%s", wire.dir, name);
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, (64 << 10) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static char *in_dir(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", wire.dir, name);
	return memory_strdup(path);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* ---- the client ---- */

struct client {
	struct cluster_config config;
	struct loop *loop;
	struct http *http;
	struct port port;
	unsigned pending;
	int64_t give_up_ms;
	bool late;
};

/* A call and all that came of it. */
struct answer {
	struct client *client;
	struct call *call;
	unsigned done;
	int status, retry_after_ms;
	bool failed;
	struct error error;
	char *body;
	size_t body_len, room;
	size_t abort_after; /* on_data says -1 when it has that much; 0 = never */
	struct answer *cancel_when_done;
};

static int64_t drain(void *context)
{
	struct client *client = context;
	int64_t left = client->give_up_ms - loop_monotonic_ms();

	client->late = client->pending && left <= 0;
	if (!client->pending || client->late) {
		loop_stop(client->loop);
		return -1;
	}
	return left;
}

/* Until nothing is pending. */
static void run_at_most(struct client *client, int ms)
{
	client->give_up_ms = loop_monotonic_ms() + ms;
	loop_on_drain(client->loop, drain, client);
	loop_run(client->loop);
}

static void run(struct client *client)
{
	run_at_most(client, DEADLINE_MS);
	assert_false(client->late);
}

static void connect_client(struct client *client)
{
	struct error err;

	client->loop = loop_new();
	client->http = http_new(client->loop, &client->config, "tollgate/test", &err);
	if (!client->http)
		fail_msg("%s", err.message);
	client->port = http_port(client->http);
}

static char *make_url(const char *scheme, int port)
{
	char url[64];

	snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, port);
	return memory_strdup(url);
}

static void open_http(struct client *client)
{
	*client = (struct client){ .config = { .server = make_url("http", wire.http) } };
	report();
	connect_client(client);
}

/* Not yet connected, so that the test can change the configuration. */
static void prepare_tls(struct client *client, int port)
{
	*client = (struct client){ .config = { .server = make_url("https", port), .ca_file = in_dir("ca.crt") } };
	report();
}

static void close_client(struct client *client)
{
	http_free(client->http);
	if (client->loop)
		loop_free(client->loop);
	cluster_config_close(&client->config);
}

static void open_h2(struct client *client)
{
	if (!wire.h2) {
		print_message("the Python module h2 is missing: pip install -r tests/requirements.txt\n");
		skip();
	}
	prepare_tls(client, wire.h2);
	connect_client(client);
}

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct answer *answer = context;

	assert_false(answer->done);
	assert_true(status > 0);
	assert_true(answer->body_len + len <= BODY_MAX);
	if (answer->body_len + len >= answer->room) {
		answer->room = 2 * (answer->body_len + len) + 1;
		answer->body = memory_resize(answer->body, answer->room);
	}
	memcpy(answer->body + answer->body_len, data, len);
	answer->body_len += len;
	answer->body[answer->body_len] = '\0';
	return answer->abort_after && answer->body_len >= answer->abort_after ? -1 : 0;
}

static void cancel(struct answer *answer)
{
	answer->client->port.cancel(answer->client->port.self, answer->call);
	answer->client->pending--;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct answer *answer = context;

	answer->done++;
	answer->status = status;
	answer->retry_after_ms = retry_after_ms;
	answer->failed = transport;
	if (transport)
		answer->error = *transport;
	answer->client->pending--;
	if (answer->cancel_when_done)
		cancel(answer->cancel_when_done);
}

static void ask(struct client *client, struct answer *answer, const struct request *request)
{
	struct reply reply = { .context = answer, .on_data = on_data, .on_done = on_done };

	answer->client = client;
	client->pending++;
	answer->call = client->port.send(client->port.self, request, &reply);
	assert_non_null(answer->call);
	assert_int_equal(answer->done, 0);
}

static void ask_get(struct client *client, struct answer *answer, const char *path)
{
	ask(client, answer, &(struct request){ .method = "GET", .path = path });
}

/* Until the server has seen so many requests of the kind, which it does not answer. */
static void wait_until_seen(struct client *client, const char *what, unsigned n)
{
	int64_t give_up_ms = loop_monotonic_ms() + DEADLINE_MS;

	for (unsigned seen = 0; seen < n; seen += count(report(), what)) {
		assert_true(loop_monotonic_ms() < give_up_ms);
		run_at_most(client, 10);
	}
}

/* One GET, to its end. */
static struct answer get(struct client *client, const char *path)
{
	struct answer answer = { 0 };

	ask_get(client, &answer, path);
	run(client);
	assert_int_equal(answer.done, 1);
	return answer;
}

static void forget(struct answer *answer)
{
	free(answer->body);
	answer->body = NULL;
}

static void assert_answer(struct answer *answer, int status, const char *body)
{
	if (answer->failed)
		fail_msg("%s", answer->error.message);
	assert_int_equal(answer->status, status);
	assert_string_equal(answer->body ? answer->body : "", body);
	forget(answer);
}

static void assert_failure(struct answer *answer, int status, const char *message)
{
	assert_true(answer->failed);
	assert_int_equal(answer->error.class, ERROR_RETRY);
	if (!strstr(answer->error.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, answer->error.message);
	assert_int_equal(answer->status, status);
	forget(answer);
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void assert_has_not(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("\"%s\" is in:\n%s", what, text);
}

/* ---- answers ---- */

static void body_arrives_whole_however_it_is_cut(void **state)
{
	static const char *const paths[] = { "/hello",	     "/length",	 "/chunked", "/slow-headers",
					     "/until-close", "/interim", "/too-long" };
	struct client client;

	(void)state;
	open_http(&client);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct answer answer = get(&client, paths[i]);

		assert_answer(&answer, 200, "hello, world");
	}
	struct answer none = get(&client, "/none");

	assert_answer(&none, 204, "");
	assert_int_equal(http_stats(client.http)->by_class[2], 8);
	assert_int_equal(http_stats(client.http)->transport_errors, 0);
	assert_int_equal(http_stats(client.http)->in_flight, 0);
	close_client(&client);
}

static void broken_answers_are_transport_errors(void **state)
{
	static const struct {
		const char *path;
		int status;
		const char *message;
	} rows[] = {
		{ "/cut", 200, "GET /cut: " },
		{ "/cut-chunked", 200, "GET /cut-chunked: " },
		{ "/no-answer", 0, "GET /no-answer: Empty reply from server" },
		{ "/garbage", 0, "GET /garbage: " },
		{ "/many-headers", 200, "GET /many-headers: the answer's headers exceed 64 KiB" },
		{ "/endless-header", 200, "GET /endless-header: " },
	};
	struct client client;

	(void)state;
	open_http(&client);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct answer answer = get(&client, rows[i].path);

		assert_failure(&answer, rows[i].status, rows[i].message);
	}
	/* And none of that harms the next. */
	struct answer answer = get(&client, "/hello");

	assert_answer(&answer, 200, "hello, world");
	assert_int_equal(http_stats(client.http)->transport_errors, 6);
	close_client(&client);
}

static void messages_leave_out_the_query(void **state)
{
	struct client client;

	(void)state;
	open_http(&client);
	struct answer answer = get(&client, "/no-answer?continue=a-very-long-token");

	assert_has_not(answer.error.message, "continue");
	assert_failure(&answer, 0, "GET /no-answer: ");
	close_client(&client);
}

static void retry_after_is_read_in_both_forms_and_capped(void **state)
{
	static const struct {
		const char *path;
		int least_ms, most_ms;
	} rows[] = {
		{ "/retry/7", 7000, 7000 },
		{ "/retry/0", 0, 0 },
		{ "/retry/86400", 300000, 300000 },
		{ "/retry/soon", 0, 0 },
		{ "/retry/date", 85000, 90000 },
		{ "/retry/past", 0, 0 },
		{ "/retry/-5", 0, 0 },
		{ "/retry/99999999999999999999", 0, 300000 },
	};
	struct client client;

	(void)state;
	open_http(&client);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct answer answer = get(&client, rows[i].path);

		if (answer.retry_after_ms < rows[i].least_ms || answer.retry_after_ms > rows[i].most_ms)
			fail_msg("%s: %d ms", rows[i].path, answer.retry_after_ms);
		assert_answer(&answer, 429, "{}");
	}
	struct answer answer = get(&client, "/hello");

	assert_int_equal(answer.retry_after_ms, 0);
	assert_answer(&answer, 200, "hello, world");
	close_client(&client);
}

static void redirects_are_not_followed(void **state)
{
	struct client client;

	(void)state;
	open_http(&client);
	struct answer answer = get(&client, "/redirect");

	assert_answer(&answer, 302, "elsewhere");
	assert_int_equal(count(report(), "GET"), 1);
	close_client(&client);
}

static void callers_abort_is_not_a_transport_error(void **state)
{
	struct client client;
	struct answer answer = { .abort_after = 3 };

	(void)state;
	open_http(&client);
	ask_get(&client, &answer, "/length");
	run(&client);
	assert_int_equal(answer.done, 1);
	assert_false(answer.failed);
	assert_true(answer.body_len >= 3);
	assert_int_equal(http_stats(client.http)->transport_errors, 0);
	forget(&answer);
	close_client(&client);
}

/* ---- requests ---- */

static void request_says_what_it_is(void **state)
{
	struct client client;
	struct answer patch = { 0 }, post = { 0 };

	(void)state;
	open_http(&client);
	struct answer answer = get(&client, "/echo/a%20b/../c?x=1");

	assert_has(answer.body, "GET /echo/a%20b/../c?x=1\n");
	assert_has(answer.body, "\nUser-Agent: tollgate/test\n");
	assert_has(answer.body, "\nAccept: application/json\n");
	assert_has_not(answer.body, "Accept-Encoding");
	assert_has_not(answer.body, "Content-");
	forget(&answer);

	size_t len = 3 << 20;
	char *body = memory_alloc(len);

	memset(body, 'b', len);
	ask(&client, &patch,
	    &(struct request){ .method = "PATCH",
			       .path = "/echo",
			       .content_type = "application/merge-patch+json",
			       .body = body,
			       .body_len = len });
	memset(body, 'c', len); /* send copied it */
	ask(&client, &post, &(struct request){ .method = "POST", .path = "/echo" });
	run(&client);
	assert_has(patch.body, "PATCH /echo\n");
	assert_has(patch.body, "\nContent-Type: application/merge-patch+json\n");
	assert_has(patch.body, "\nContent-Length: 3145728\n");
	assert_has_not(patch.body, "Expect");
	assert_int_equal(strspn(strstr(patch.body, "\n\n") + 2, "b"), len);
	assert_has(post.body, "POST /echo\n");
	assert_has(post.body, "\nContent-Length: 0\n");
	assert_has_not(post.body, "Content-Type");
	free(body);
	forget(&patch);
	forget(&post);
	close_client(&client);
}

static void fill_identity(struct cluster_config *config)
{
	config->impersonate_user = memory_strdup("jane");
	config->impersonate_uid = memory_strdup("42");
	config->impersonate_groups = memory_alloc(3 * sizeof(char *));
	config->impersonate_groups[0] = memory_strdup("staff");
	config->impersonate_groups[1] = memory_strdup("night shift");
}

static void identity_is_not_sent_in_clear(void **state)
{
	struct client client = { .config = { .server = make_url("http", wire.http), .token = memory_strdup("secret") } };

	(void)state;
	fill_identity(&client.config);
	client.config.username = memory_strdup("u");
	client.config.password = memory_strdup("p");
	connect_client(&client);
	struct answer answer = get(&client, "/echo");

	assert_has_not(answer.body, "Authorization");
	assert_has_not(answer.body, "Impersonate");
	forget(&answer);
	close_client(&client);
}

static void identity_is_sent_over_tls(void **state)
{
	struct client client;

	(void)state;
	prepare_tls(&client, wire.https);
	client.config.token = memory_strdup("secret");
	fill_identity(&client.config);
	connect_client(&client);
	struct answer answer = get(&client, "/echo");

	assert_has(answer.body, "\nAuthorization: Bearer secret\n");
	assert_has(answer.body, "\nImpersonate-User: jane\n");
	assert_has(answer.body, "\nImpersonate-Uid: 42\n");
	assert_has(answer.body, "\nImpersonate-Group: staff\n");
	assert_has(answer.body, "\nImpersonate-Group: night shift\n");
	forget(&answer);
	close_client(&client);
}

static void basic_authentication_is_sent_at_once(void **state)
{
	struct client client;

	(void)state;
	prepare_tls(&client, wire.https);
	client.config.username = memory_strdup("Aladdin");
	client.config.password = memory_strdup("open sesame");
	connect_client(&client);
	struct answer answer = get(&client, "/echo");

	assert_has(answer.body, "\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n");
	forget(&answer);
	close_client(&client);
}

static void write_is_not_repeated_when_its_connection_dies(void **state)
{
	struct client client;
	struct answer patch = { 0 };

	(void)state;
	open_http(&client);
	struct answer first = get(&client, "/hello"); /* so that the connection is a reused one */

	assert_answer(&first, 200, "hello, world");
	ask(&client, &patch,
	    &(struct request){
		    .method = "PATCH", .path = "/no-answer", .content_type = "application/json", .body = "{}", .body_len = 2 });
	run(&client);
	assert_failure(&patch, 0, "PATCH /no-answer: ");
	assert_int_equal(count(report(), "PATCH"), 1);
	close_client(&client);
}

/* ---- tokens ---- */

static void prepare_token_file(struct client *client, int port, const char *token)
{
	prepare_tls(client, port);
	client->config.token_file = in_dir("token");
	write_file(client->config.token_file, token);
	connect_client(client);
}

static void ask_unauthorized(struct client *client, struct answer *answer)
{
	ask(client, answer,
	    &(struct request){ .method = "PATCH",
			       .path = "/unauthorized",
			       .content_type = "application/json",
			       .body = "{\"a\":1}",
			       .body_len = 7 });
}

static void rejected_token_is_read_again_and_the_request_repeated_once(void **state)
{
	const int ports[] = { wire.https, wire.h2 };
	struct client client;

	(void)state;
	for (size_t i = 0; i < 2 && ports[i]; i++) {
		struct answer answer = { 0 };

		prepare_token_file(&client, ports[i], "old\n");
		struct answer first = get(&client, "/hello");

		assert_answer(&first, 200, "hello, world");
		write_file(client.config.token_file, "new\n");
		ask_unauthorized(&client, &answer);
		run(&client);
		assert_int_equal(answer.done, 1);
		assert_answer(&answer, 200, "welcome");
		const char *seen = report();

		assert_has(seen, "authorization Bearer old body 7\n");
		assert_has(seen, "authorization Bearer new body 7\n");
		assert_int_equal(count(seen, "authorization"), 2);
		close_client(&client);
	}
}

static void all_requests_that_a_rotation_overtook_are_repeated(void **state)
{
	struct client client;
	struct answer answers[8] = { 0 };

	(void)state;
	prepare_token_file(&client, wire.https, "old");
	for (size_t i = 0; i < 8; i++)
		ask_unauthorized(&client, &answers[i]);
	write_file(client.config.token_file, "new");
	run(&client);
	for (size_t i = 0; i < 8; i++)
		assert_answer(&answers[i], 200, "welcome");
	close_client(&client);
}

static void rejection_without_another_token_is_the_answer(void **state)
{
	struct client client;
	struct answer answer = { 0 };

	(void)state;
	prepare_token_file(&client, wire.https, "old");
	ask_unauthorized(&client, &answer);
	run(&client);
	assert_answer(&answer, 401, "who are you");
	assert_int_equal(count(report(), "authorization"), 1);

	/* Another token, but wrong again: the second answer counts, there is no third try. */
	struct answer again = { 0 };

	write_file(client.config.token_file, "older");
	ask_unauthorized(&client, &again);
	run(&client);
	assert_answer(&again, 401, "who are you");
	assert_int_equal(count(report(), "authorization"), 2);
	close_client(&client);
}

/* ---- TLS ---- */

static void server_is_verified(void **state)
{
	struct client client;

	(void)state;
	prepare_tls(&client, wire.https);
	free(client.config.ca_file);
	client.config.ca_file = in_dir("stranger.crt");
	connect_client(&client);
	struct answer answer = get(&client, "/hello");

	assert_failure(&answer, 0, "connect to https://127.0.0.1:");
	assert_int_equal(count(report(), "GET"), 0);
	close_client(&client);

	prepare_tls(&client, wire.https);
	free(client.config.ca_file);
	client.config.ca_file = NULL;
	client.config.insecure = true;
	connect_client(&client);
	answer = get(&client, "/hello");
	assert_answer(&answer, 200, "hello, world");
	close_client(&client);
}

static void tls_server_name_decides_sni_and_verification_but_not_host(void **state)
{
	const int ports[] = { wire.https, wire.h2 };
	struct client client;
	char host[64];

	(void)state;
	for (size_t i = 0; i < 2 && ports[i]; i++) {
		prepare_tls(&client, ports[i]);
		client.config.tls_server_name = memory_strdup("tollgate.test");
		connect_client(&client);
		struct answer answer = get(&client, "/echo");

		assert_int_equal(answer.status, 200);
		assert_has(answer.body, "sni: tollgate.test\n");
		snprintf(host, sizeof(host), "%s: 127.0.0.1:%d\n", i ? ":authority" : "\nHost", ports[i]);
		assert_has(answer.body, host);
		forget(&answer);
		close_client(&client);
	}
	prepare_tls(&client, wire.https);
	client.config.tls_server_name = memory_strdup("other.test");
	connect_client(&client);
	struct answer answer = get(&client, "/echo");

	assert_failure(&answer, 0, "connect to https://127.0.0.1:");
	close_client(&client);
}

static void client_certificate_may_be_files_or_inline(void **state)
{
	struct client client;

	(void)state;
	for (int inline_data = 0; inline_data < 2; inline_data++) {
		prepare_tls(&client, wire.https);
		if (inline_data) {
			free(client.config.ca_file);
			client.config.ca_file = NULL;
			client.config.ca_data = read_file("ca.crt");
			client.config.cert_data = read_file("client.crt");
			client.config.key_data = read_file("client.key");
		} else {
			client.config.cert_file = in_dir("client.crt");
			client.config.key_file = in_dir("client.key");
		}
		connect_client(&client);
		struct answer answer = get(&client, "/echo");

		assert_int_equal(answer.status, 200);
		assert_has(answer.body, "peer: client\n");
		forget(&answer);
		close_client(&client);
	}
}

/* ---- deadlines ---- */

static void answer_that_does_not_come_is_given_up(void **state)
{
	static const struct {
		const char *path;
		int timeout_ms, idle_timeout_ms, status;
		const char *message;
	} rows[] = {
		{ "/silent", 150, 0, 0, "GET /silent: no complete answer within 0.15 s" },
		{ "/silent", 0, 150, 0, "GET /silent: no sign of life for 0.15 s" },
		{ "/silent", 5000, 150, 0, "no sign of life for 0.15 s" },
		{ "/half-then-silence", 0, 150, 200, "no sign of life for 0.15 s" },
		{ "/drip", 400, 5000, 200, "no complete answer within 0.4 s" },
	};
	struct client client;

	(void)state;
	open_http(&client);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct answer answer = { 0 };
		int64_t began = loop_monotonic_ms();

		ask(&client, &answer,
		    &(struct request){ .method = "GET",
				       .path = rows[i].path,
				       .timeout_ms = rows[i].timeout_ms,
				       .idle_timeout_ms = rows[i].idle_timeout_ms });
		run(&client);
		assert_true(loop_monotonic_ms() - began >= 150);
		assert_int_equal(answer.done, 1);
		assert_failure(&answer, rows[i].status, rows[i].message);
	}
	close_client(&client);
}

/* The drip has a byte every 30 ms: many times the idle timeout in all, never that long in silence. */
static void idle_time_counts_from_the_last_byte(void **state)
{
	struct client client;
	struct answer answer = { 0 };

	(void)state;
	open_http(&client);
	ask(&client, &answer, &(struct request){ .method = "GET", .path = "/drip", .idle_timeout_ms = 1000 });
	run_at_most(&client, 2500);
	assert_true(client.late);
	assert_int_equal(answer.done, 0);
	cancel(&answer);
	forget(&answer);
	close_client(&client);
}

static void server_that_is_gone_is_named(void **state)
{
	struct client client = { 0 };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	char expected[128];
	/* Bound and not listening: nobody else can have the port, and connecting is refused. */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	client.config.server = make_url("https", ntohs(address.sin_port));
	connect_client(&client);
	struct answer answer = get(&client, "/hello");

	snprintf(expected, sizeof(expected), "connect to %s: Connection refused", client.config.server);
	assert_true(answer.failed);
	assert_string_equal(answer.error.message, expected);
	assert_int_equal(answer.error.class, ERROR_RETRY);
	close_client(&client);
	close(fd);
}

/* ---- ending early ---- */

static void cancelled_call_is_not_heard_of_again(void **state)
{
	struct client client;
	struct answer at_once = { 0 }, in_flight = { 0 }, other = { 0 };

	(void)state;
	open_http(&client);
	ask_get(&client, &at_once, "/hello");
	cancel(&at_once);
	ask_get(&client, &in_flight, "/drip");
	other.cancel_when_done = &in_flight;
	ask_get(&client, &other, "/slow-headers");
	run(&client);
	assert_int_equal(at_once.done, 0);
	assert_int_equal(in_flight.done, 0);
	assert_answer(&other, 200, "hello, world");
	struct answer after = get(&client, "/hello");

	assert_answer(&after, 200, "hello, world");
	assert_int_equal(in_flight.done, 0);
	assert_int_equal(http_stats(client.http)->in_flight, 0);
	forget(&in_flight);
	close_client(&client);
}

static void free_aborts_without_callbacks(void **state)
{
	struct client client;
	struct answer answers[4] = { 0 };

	(void)state;
	open_http(&client);
	struct answer first = get(&client, "/hello");

	assert_answer(&first, 200, "hello, world");
	for (size_t i = 0; i < 4; i++)
		ask(&client, &answers[i], &(struct request){ .method = "GET", .path = "/drip", .timeout_ms = 60000 });
	run_at_most(&client, 100);
	close_client(&client);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(answers[i].done, 0);
		forget(&answers[i]);
	}
}

/* ---- set-up ---- */

static void refuse(struct client *client, const char *message)
{
	struct error err = { 0 };

	client->loop = loop_new();
	client->http = http_new(client->loop, &client->config, "test", &err);
	assert_null(client->http);
	assert_int_equal(err.class, ERROR_INVALID);
	assert_has(err.message, message);
	close_client(client);
}

static void unusable_certificates_are_named_at_once(void **state)
{
	struct client client;

	(void)state;
	prepare_tls(&client, wire.https);
	free(client.config.ca_file);
	client.config.ca_file = in_dir("missing.crt");
	refuse(&client, "missing.crt: No such file or directory");

	prepare_tls(&client, wire.https);
	free(client.config.ca_file);
	client.config.ca_file = in_dir("server.ext");
	refuse(&client, "server.ext: ");

	prepare_tls(&client, wire.https);
	client.config.cert_file = in_dir("client.crt");
	client.config.key_file = in_dir("server.key");
	refuse(&client, "server.key: ");

	prepare_tls(&client, wire.https);
	client.config.cert_data = read_file("client.crt");
	client.config.key_data = read_file("stranger.key");
	refuse(&client, "client-certificate-data and client-key-data: ");
}

/* ---- proxy ---- */

static void proxy_sees_the_tunnel_and_no_credentials(void **state)
{
	struct client client;
	char expected[64];

	(void)state;
	for (int named = 0; named < 2; named++) {
		prepare_tls(&client, wire.https);
		client.config.proxy_url = make_url("http", wire.proxy);
		client.config.token = memory_strdup("secret");
		if (named)
			client.config.tls_server_name = memory_strdup("tollgate.test");
		connect_client(&client);
		struct answer answer = get(&client, "/echo");

		assert_int_equal(answer.status, 200);
		assert_has(answer.body, "Authorization: Bearer secret\n");
		forget(&answer);
		const char *seen = report();

		snprintf(expected, sizeof(expected), "proxy CONNECT 127.0.0.1:%d\n", wire.https);
		assert_has(seen, expected);
		assert_has(seen, "proxy saw authorization None\n");
		close_client(&client);
	}
}

static void loopback_needs_no_proxy_of_the_environment(void **state)
{
	struct client client;
	char *proxy = make_url("http", wire.proxy);

	(void)state;
	setenv("HTTPS_PROXY", proxy, 1);
	prepare_tls(&client, wire.https);
	connect_client(&client);
	struct answer answer = get(&client, "/hello");

	assert_answer(&answer, 200, "hello, world");
	assert_has_not(report(), "CONNECT");
	unsetenv("HTTPS_PROXY");
	free(proxy);
	close_client(&client);
}

/* ---- HTTP/2 ---- */

static void requests_share_one_connection(void **state)
{
	struct client client;
	struct answer answers[64] = { 0 };

	(void)state;
	open_h2(&client);
	for (size_t i = 0; i < 64; i++)
		ask_get(&client, &answers[i], "/together"); /* answered when all are there */
	run(&client);
	for (size_t i = 0; i < 64; i++)
		assert_answer(&answers[i], 200, "together");
	assert_int_equal(count(report(), "h2 connection"), 1);
	assert_int_equal(http_stats(client.http)->connections, 1);
	close_client(&client);
}

static void large_bodies_arrive_whole_side_by_side(void **state)
{
	enum { N = 8, SIZE = 5 << 20 };
	struct client client;
	struct answer answers[N] = { 0 };

	(void)state;
	open_h2(&client);
	for (size_t i = 0; i < N; i++)
		ask_get(&client, &answers[i], "/big/5242880");
	run(&client);
	for (size_t i = 0; i < N; i++) {
		if (answers[i].failed)
			fail_msg("%s", answers[i].error.message);
		assert_int_equal(answers[i].body_len, SIZE);
		size_t at = 0;

		while (at < SIZE && (unsigned char)answers[i].body[at] == at % 256)
			at++;
		assert_int_equal(at, SIZE);
		forget(&answers[i]);
	}
	assert_int_equal(http_stats(client.http)->connections, 1);
	close_client(&client);
}

static void large_requests_arrive_whole_side_by_side(void **state)
{
	enum { N = 8, SIZE = 512 << 10 };
	struct client client;
	struct answer answers[N] = { 0 };
	char *body = memory_alloc(SIZE);

	(void)state;
	memset(body, 'x', SIZE);
	open_h2(&client);
	for (size_t i = 0; i < N; i++)
		ask(&client, &answers[i],
		    &(struct request){ .method = "PATCH",
				       .path = "/count",
				       .content_type = "application/json",
				       .body = body,
				       .body_len = SIZE });
	run(&client);
	for (size_t i = 0; i < N; i++)
		assert_answer(&answers[i], 200, "524288");
	assert_int_equal(http_stats(client.http)->connections, 1);
	free(body);
	close_client(&client);
}

static void lost_connection_ends_all_its_calls(void **state)
{
	struct client client;
	struct answer answers[8] = { 0 };

	(void)state;
	open_h2(&client);
	for (size_t i = 0; i < 7; i++)
		ask(&client, &answers[i],
		    &(struct request){ .method = "PATCH",
				       .path = "/silent",
				       .content_type = "application/json",
				       .body = "{}",
				       .body_len = 2 });
	wait_until_seen(&client, "PATCH /silent", 7);
	ask(&client, &answers[7],
	    &(struct request){
		    .method = "PATCH", .path = "/drop", .content_type = "application/json", .body = "{}", .body_len = 2 });
	run(&client);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(answers[i].done, 1);
		assert_failure(&answers[i], 0, i < 7 ? "PATCH /silent: " : "PATCH /drop: ");
	}
	assert_int_equal(count(report(), "PATCH"), 1); /* the last; none was sent again */
	struct answer after = get(&client, "/hello");

	assert_answer(&after, 200, "hello, world");
	close_client(&client);
}

static void reset_stream_is_a_transport_error_of_its_own(void **state)
{
	struct client client;
	struct answer reset = { 0 }, other = { 0 };

	(void)state;
	open_h2(&client);
	ask_get(&client, &reset, "/reset");
	ask_get(&client, &other, "/big/1048576");
	run(&client);
	assert_failure(&reset, 0, "GET /reset: ");
	assert_false(other.failed);
	assert_int_equal(other.body_len, 1 << 20);
	forget(&other);
	assert_int_equal(http_stats(client.http)->connections, 1);
	close_client(&client);
}

static void cancelled_stream_leaves_the_connection(void **state)
{
	struct client client;
	struct answer silent = { 0 };

	(void)state;
	open_h2(&client);
	ask_get(&client, &silent, "/silent");
	struct answer first = { 0 };

	first.cancel_when_done = &silent;
	ask_get(&client, &first, "/hello");
	run(&client);
	assert_answer(&first, 200, "hello, world");
	struct answer second = get(&client, "/hello");

	assert_answer(&second, 200, "hello, world");
	assert_int_equal(silent.done, 0);
	assert_has(report(), "h2 reset\n");
	assert_int_equal(http_stats(client.http)->connections, 1);
	close_client(&client);
}

static void going_away_is_followed_by_a_new_connection(void **state)
{
	struct client client;

	(void)state;
	open_h2(&client);
	struct answer first = get(&client, "/goaway"), second = get(&client, "/hello");

	assert_answer(&first, 200, "hello, world");
	assert_answer(&second, 200, "hello, world");
	assert_int_equal(http_stats(client.http)->connections, 2);
	close_client(&client);
}

/* A stream that is silent on a connection that is not costs only itself. */
static void idle_stream_leaves_a_lively_connection(void **state)
{
	struct client client;
	struct answer silent = { 0 }, drip = { 0 };

	(void)state;
	open_h2(&client);
	struct answer before = get(&client, "/hello");

	assert_answer(&before, 200, "hello, world");
	ask_get(&client, &drip, "/drip");
	ask(&client, &silent, &(struct request){ .method = "GET", .path = "/silent", .idle_timeout_ms = 1000 });
	client.pending--; /* the drip never ends */
	run(&client);
	client.pending++;
	assert_failure(&silent, 0, "GET /silent: no sign of life for 1 s");
	assert_int_equal(drip.done, 0);
	assert_true(drip.body_len > 0);
	cancel(&drip);
	forget(&drip);
	struct answer after = get(&client, "/hello");

	assert_answer(&after, 200, "hello, world");
	assert_int_equal(http_stats(client.http)->connections, 1);
	close_client(&client);
}

/* The black hole: the server neither answers nor closes. The next request must not go there again. */
static void silent_connection_is_given_up_for_all(void **state)
{
	struct client client;
	struct answer frozen = { 0 }, watch = { 0 };

	(void)state;
	open_h2(&client);
	struct answer first = get(&client, "/hello");

	assert_answer(&first, 200, "hello, world");
	ask(&client, &watch,
	    &(struct request){ .method = "PATCH", .path = "/silent", .content_type = "a/b", .body = "{}", .body_len = 2 });
	wait_until_seen(&client, "PATCH /silent", 1);
	ask(&client, &frozen, &(struct request){ .method = "GET", .path = "/freeze", .idle_timeout_ms = 1000 });
	run(&client); /* the watch, that has no deadline at all, ends as well */
	assert_failure(&frozen, 0, "GET /freeze: no sign of life for 1 s");
	assert_failure(&watch, 0, "PATCH /silent: ");
	struct answer after = get(&client, "/hello");

	assert_answer(&after, 200, "hello, world");
	assert_int_equal(count(report(), "PATCH"), 0); /* not sent again */
	close_client(&client);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_arrives_whole_however_it_is_cut),
		cmocka_unit_test(broken_answers_are_transport_errors),
		cmocka_unit_test(messages_leave_out_the_query),
		cmocka_unit_test(retry_after_is_read_in_both_forms_and_capped),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(callers_abort_is_not_a_transport_error),
		cmocka_unit_test(request_says_what_it_is),
		cmocka_unit_test(identity_is_not_sent_in_clear),
		cmocka_unit_test(identity_is_sent_over_tls),
		cmocka_unit_test(basic_authentication_is_sent_at_once),
		cmocka_unit_test(write_is_not_repeated_when_its_connection_dies),
		cmocka_unit_test(rejected_token_is_read_again_and_the_request_repeated_once),
		cmocka_unit_test(all_requests_that_a_rotation_overtook_are_repeated),
		cmocka_unit_test(rejection_without_another_token_is_the_answer),
		cmocka_unit_test(server_is_verified),
		cmocka_unit_test(tls_server_name_decides_sni_and_verification_but_not_host),
		cmocka_unit_test(client_certificate_may_be_files_or_inline),
		cmocka_unit_test(answer_that_does_not_come_is_given_up),
		cmocka_unit_test(idle_time_counts_from_the_last_byte),
		cmocka_unit_test(server_that_is_gone_is_named),
		cmocka_unit_test(cancelled_call_is_not_heard_of_again),
		cmocka_unit_test(free_aborts_without_callbacks),
		cmocka_unit_test(unusable_certificates_are_named_at_once),
		cmocka_unit_test(proxy_sees_the_tunnel_and_no_credentials),
		cmocka_unit_test(loopback_needs_no_proxy_of_the_environment),
		cmocka_unit_test(requests_share_one_connection),
		cmocka_unit_test(large_bodies_arrive_whole_side_by_side),
		cmocka_unit_test(large_requests_arrive_whole_side_by_side),
		cmocka_unit_test(lost_connection_ends_all_its_calls),
		cmocka_unit_test(reset_stream_is_a_transport_error_of_its_own),
		cmocka_unit_test(cancelled_stream_leaves_the_connection),
		cmocka_unit_test(going_away_is_followed_by_a_new_connection),
		cmocka_unit_test(idle_stream_leaves_a_lively_connection),
		cmocka_unit_test(silent_connection_is_given_up_for_all),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]); /* a name; * stands for anything */
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
