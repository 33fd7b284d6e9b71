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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* Says a word to the server; what it logged since the last time. */
static const char *tell(const char *word)
{
	static char text[64 << 10];
	char line[1024];
	size_t used = 0;

	fprintf(wire.to, "%s\n", word);
	fflush(wire.to);
	text[0] = '\0';
	while (fgets(line, sizeof(line), wire.from) && strcmp(line, ".\n") != 0)
		if (used + strlen(line) < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", line);
	return text;
}

static const char *report(void)
{
	return tell("report");
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
	struct log log; /* read_log() */
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
	int begun; /* the status with which its beginning was told, before any of the body */
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
	client->log = (struct log){ .fd = memfd_create("log", MFD_CLOEXEC), .level = LOG_INFO };
	client->http = http_new(client->loop, &client->config, &client->log, "tollgate/test", &err);
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
	if (client->log.fd > 0)
		close(client->log.fd);
	cluster_config_close(&client->config);
}

static const char *read_log(const struct client *client)
{
	static char text[64 << 10];
	ssize_t len = pread(client->log.fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return text;
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
	if (len == 0) {
		assert_int_equal(answer->begun, 0); /* once */
		assert_int_equal(answer->body_len, 0);
		answer->begun = status;
	}
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

static void ask_patch(struct client *client, struct answer *answer, const char *path)
{
	ask(client, answer,
	    &(struct request){ .method = "PATCH", .path = path, .content_type = "application/json", .body = "{}", .body_len = 2 });
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

/* Until that one has ended, whatever else is under way. */
static void run_until_done(struct client *client, const struct answer *answer)
{
	int64_t give_up_ms = loop_monotonic_ms() + DEADLINE_MS;

	while (!answer->done) {
		assert_true(loop_monotonic_ms() < give_up_ms);
		run_at_most(client, 10);
	}
}

/* Until it has brought something. */
static void run_until_heard(struct client *client, const struct answer *answer)
{
	int64_t give_up_ms = loop_monotonic_ms() + DEADLINE_MS;

	while (!answer->body_len) {
		assert_true(loop_monotonic_ms() < give_up_ms);
		run_at_most(client, 10);
	}
}

/* One GET, to its end. */
static struct answer get(struct client *client, const char *path)
{
	struct answer answer = { 0 };

	ask_get(client, &answer, path);
	run_until_done(client, &answer);
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
		{ "/retry/date", 85000, 91000 /* time(2) may be a tick behind */ },
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
		assert_int_equal(answer.begun, rows[i].idle_timeout_ms ? rows[i].status : 0);
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
	client->http = http_new(client->loop, &client->config, &client->log, "test", &err);
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

/* ---- client certificates and authorities that change ---- */

static void copy(const char *from, const char *to)
{
	char *text = read_file(from), *path = in_dir(to);

	write_file(path, text);
	free(text);
	free(path);
}

static void show(const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "%s.crt", name);
	copy(file, "shown.crt");
	snprintf(file, sizeof(file), "%s.key", name);
	copy(file, "shown.key");
}

static void open_with_certificate(struct client *client, int port)
{
	show("client");
	prepare_tls(client, port);
	client->config.cert_file = in_dir("shown.crt");
	client->config.key_file = in_dir("shown.key");
	connect_client(client);
}

static void assert_peer(struct client *client, const char *name)
{
	struct answer answer = get(client, "/echo");
	char expected[64];

	snprintf(expected, sizeof(expected), "peer: %s\n", name);
	assert_int_equal(answer.status, 200);
	assert_has(answer.body, expected);
	forget(&answer);
}

/* The watch ends as if the server had ended it, the write finishes where it is, and then nothing is left of the old connection. */
static void new_certificate_means_a_new_connection(void **state)
{
	struct client client;
	struct answer watch = { 0 }, held = { 0 };

	(void)state;
	if (!wire.h2)
		skip();
	open_with_certificate(&client, wire.h2);
	tell("hold");
	assert_peer(&client, "client");
	ask_get(&client, &watch, "/drip?a=b&watch=true");
	run_until_heard(&client, &watch);
	ask_patch(&client, &held, "/hold");
	wait_until_seen(&client, "PATCH /hold", 1);
	assert_int_equal(http_stats(client.http)->connections, 1);

	show("client2");
	http_reread(client.http);
	assert_int_equal(watch.done, 0); /* not from within */
	run_until_done(&client, &watch);
	assert_int_equal(watch.status, 200);
	assert_false(watch.failed);
	assert_peer(&client, "client2");
	assert_int_equal(http_stats(client.http)->connections, 2);
	assert_int_equal(held.done, 0);
	assert_has_not(report(), "h2 closed");
	tell("release");
	run(&client);
	assert_answer(&held, 200, "at last");
	wait_until_seen(&client, "h2 closed", 1);
	assert_peer(&client, "client2");
	assert_int_equal(http_stats(client.http)->connections, 2);
	assert_int_equal(count(read_log(&client), "credentials have changed"), 1);
	assert_int_equal(http_credentials(client.http).reloads, 1);
	forget(&watch);
	close_client(&client);
}

static void what_is_not_a_watch_is_not_ended(void **state)
{
	static const char *const paths[] = { "/drip", "/drip?watch=false", "/drip?xwatch=true", "/drip?watch=truely" };
	struct client client;
	struct answer answers[4] = { 0 }, watch = { 0 };

	(void)state;
	if (!wire.h2)
		skip();
	open_with_certificate(&client, wire.h2);
	for (size_t i = 0; i < 4; i++)
		ask_get(&client, &answers[i], paths[i]);
	ask_get(&client, &watch, "/drip?watch=true");
	for (size_t i = 0; i < 4; i++)
		run_until_heard(&client, &answers[i]);
	show("client2");
	http_reread(client.http);
	run_until_done(&client, &watch);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(answers[i].done, 0);
		cancel(&answers[i]);
		forget(&answers[i]);
	}
	forget(&watch);
	close_client(&client);
}

/* Nobody has answered it yet, so nobody notices. */
static void watch_without_an_answer_moves_over(void **state)
{
	struct client client;
	struct answer watch = { 0 };

	(void)state;
	if (!wire.h2)
		skip();
	open_with_certificate(&client, wire.h2);
	ask_get(&client, &watch, "/silent?watch=true");
	wait_until_seen(&client, "GET /silent", 1);
	show("client2");
	http_reread(client.http);
	wait_until_seen(&client, "GET /silent", 1);
	assert_int_equal(watch.done, 0);
	assert_int_equal(http_stats(client.http)->connections, 2);
	cancel(&watch);
	close_client(&client);
}

static void bad_certificate_is_said_once_and_the_old_one_kept(void **state)
{
	struct client client;

	(void)state;
	open_with_certificate(&client, wire.https);
	assert_peer(&client, "client");
	write_file(client.config.cert_file, "");
	for (int i = 0; i < 3; i++)
		http_reread(client.http);
	assert_int_equal(count(read_log(&client), "going on with those from before"), 1);
	assert_has(read_log(&client), "shown.crt");
	assert_peer(&client, "client");
	copy("client2.crt", "shown.crt"); /* its key is not there yet: another trouble */
	for (int i = 0; i < 3; i++)
		http_reread(client.http);
	assert_int_equal(count(read_log(&client), "going on with those from before"), 2);
	assert_peer(&client, "client");
	assert_int_equal(http_stats(client.http)->connections, 1);
	copy("client.crt", "shown.crt");
	http_reread(client.http);
	assert_int_equal(count(read_log(&client), "credentials are well again"), 1);
	assert_peer(&client, "client");
	assert_int_equal(http_stats(client.http)->connections, 1);
	assert_int_equal(http_credentials(client.http).failures, 6);
	assert_int_equal(http_credentials(client.http).reloads, 0);
	assert_string_equal(http_credentials(client.http).source, "client certificate");
	assert_true(http_credentials(client.http).expires > loop_now());
	close_client(&client);
}

static void rejected_certificate_is_read_again_and_the_request_repeated_once(void **state)
{
	struct client client;
	struct answer answers[4] = { 0 }, hopeless = { 0 };

	(void)state;
	open_with_certificate(&client, wire.https);
	for (size_t i = 0; i < 4; i++)
		ask_patch(&client, &answers[i], "/peer/client2");
	show("client2");
	run(&client);
	for (size_t i = 0; i < 4; i++)
		assert_answer(&answers[i], 200, "welcome");
	assert_int_equal(count(report(), "peer client body 2\n"), 4);
	assert_int_equal(count(read_log(&client), "credentials have changed"), 1);
	ask_patch(&client, &hopeless, "/peer/client");
	run(&client);
	assert_answer(&hopeless, 401, "who are you");
	assert_int_equal(count(report(), "peer "), 1);
	close_client(&client);
}

static void authority_may_change_both_ways(void **state)
{
	struct client client;

	(void)state;
	copy("ca.crt", "trusted.crt");
	prepare_tls(&client, wire.https);
	free(client.config.ca_file);
	client.config.ca_file = in_dir("trusted.crt");
	connect_client(&client);
	struct answer answer = get(&client, "/hello");

	assert_answer(&answer, 200, "hello, world");
	copy("stranger.crt", "trusted.crt");
	http_reread(client.http);
	answer = get(&client, "/hello"); /* not over the connection from before */
	assert_failure(&answer, 0, "connect to https://127.0.0.1:");
	copy("ca.crt", "trusted.crt");
	http_reread(client.http);
	answer = get(&client, "/hello");
	assert_answer(&answer, 200, "hello, world");
	close_client(&client);
}

/* ---- plugins ---- */

/* A script that notes each run and then does as told. $token is a file in its folder. */
static void prepare_plugin(struct client *client, int port, const char *body)
{
	char *path = in_dir("plugin"), *runs = in_dir("runs");
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\ncd '%s'; echo run >>runs\n", wire.dir);
	fprintf(file, "say() { printf '%%s\\n' '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{'\"$1\"'}}'; }\n%s\n",
		body);
	fclose(file);
	chmod(path, 0700);
	write_file(runs, "");
	free(runs);
	prepare_tls(client, port);
	client->config.exec.command = path;
	client->config.exec.api_version = memory_strdup("client.authentication.k8s.io/v1");
}

static void open_plugin(struct client *client, int port, const char *body)
{
	prepare_plugin(client, port, body);
	connect_client(client);
}

#define SAY_TOKEN "say '\"token\":\"'$(cat token)'\"'"

static void write_token(const char *token)
{
	char *path = in_dir("token");

	write_file(path, token);
	free(path);
}

static unsigned count_runs(void)
{
	char *text = read_file("runs");
	unsigned n = count(text, "run\n");

	free(text);
	return n;
}

static void requests_wait_for_one_run_of_the_plugin(void **state)
{
	struct client client;
	struct answer answers[8] = { 0 };

	(void)state;
	write_token("new");
	open_plugin(&client, wire.https, SAY_TOKEN);
	for (size_t i = 0; i < 8; i++)
		ask_unauthorized(&client, &answers[i]);
	run(&client);
	for (size_t i = 0; i < 8; i++)
		assert_answer(&answers[i], 200, "welcome");
	assert_int_equal(count_runs(), 1);
	assert_string_equal(http_credentials(client.http).source, "exec plugin");
	close_client(&client);
}

static void plugin_is_told_of_the_cluster_only_if_it_should_be(void **state)
{
	char url[128];

	(void)state;
	for (int told = 0; told < 2; told++) {
		struct client client;

		write_token("new");
		prepare_plugin(&client, wire.https, "printf %s \"$KUBERNETES_EXEC_INFO\" >info; " SAY_TOKEN);
		client.config.exec.provide_cluster_info = told;
		connect_client(&client);
		struct answer answer = get(&client, "/hello");

		assert_answer(&answer, 200, "hello, world");
		char *info = read_file("info");

		assert_has(info, "\"apiVersion\":\"client.authentication.k8s.io/v1\"");
		assert_has(info, "\"interactive\":false");
		snprintf(url, sizeof(url), "\"server\":\"%s\"", client.config.server);
		if (told) {
			assert_has(info, url);
			assert_has(info, "\"certificate-authority-data\":\"LS0tLS1CRUdJTiB");
		} else {
			assert_has_not(info, "cluster");
		}
		free(info);
		close_client(&client);
	}
}

static void plugin_that_fails_fails_the_requests(void **state)
{
	struct client client;
	struct answer answers[3] = { 0 };

	(void)state;
	prepare_plugin(&client, wire.https, "echo s3cret; exit 7");
	client.config.exec.install_hint = memory_strdup("get it there");
	connect_client(&client);
	for (size_t i = 0; i < 3; i++)
		ask_get(&client, &answers[i], "/hello");
	run(&client);
	for (size_t i = 0; i < 3; i++)
		assert_failure(&answers[i], 0, "/plugin: failed with exit code 7: get it there");
	struct answer next = get(&client, "/hello"); /* too early to run it again */

	assert_failure(&next, 0, "/plugin: failed with exit code 7: get it there");
	assert_int_equal(count_runs(), 1);
	assert_int_equal(count(report(), "GET"), 0);
	assert_int_equal(count(read_log(&client), "no credential from the plugin"), 1);
	assert_has_not(read_log(&client), "s3cret");
	assert_int_equal(http_stats(client.http)->answers[HTTP_GET][0], 0); /* nothing was on the wire */
	close_client(&client);
}

static void what_the_plugin_says_must_be_a_credential(void **state)
{
	static const char *const bodies[] = { "echo s3cret", "say '\"token\":\"s3cret\"' | sed s/v1/v2/", "say '\"token\":\"s3 cret\"'" };
	static const char *const messages[] = { "/plugin: what it printed is not JSON", "/plugin: the kubeconfig says client.",
						"/plugin: what it gave as a token is none" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct client client;

		open_plugin(&client, wire.https, bodies[i]);
		struct answer answer = get(&client, "/hello");

		assert_has_not(answer.error.message, "s3");
		assert_failure(&answer, 0, messages[i]);
		assert_has_not(read_log(&client), "s3");
		close_client(&client);
	}
}

static void hung_plugin_holds_nobody_longer_than_he_wants_to_wait(void **state)
{
	struct client client;
	struct answer patient = { 0 }, hasty = { 0 }, idle = { 0 };

	(void)state;
	open_plugin(&client, wire.https, "while :; do sleep 1000; done");
	ask_get(&client, &patient, "/hello");
	ask(&client, &hasty, &(struct request){ .method = "GET", .path = "/hello", .timeout_ms = 150 });
	ask(&client, &idle, &(struct request){ .method = "GET", .path = "/hello", .idle_timeout_ms = 200 });
	run_until_done(&client, &idle);
	assert_failure(&hasty, 0, "no credential from exec plugin");
	assert_failure(&idle, 0, "/plugin within 0.2 s");
	assert_int_equal(patient.done, 0);
	cancel(&patient);
	struct answer other = { 0 };

	ask_get(&client, &other, "/hello");
	close_client(&client); /* with the plugin still there, and one waiting for it */
	assert_int_equal(other.done, 0);
	assert_int_equal(count_runs(), 1);
}

static void rejected_credential_runs_the_plugin_again(void **state)
{
	struct client client;
	struct answer answers[4] = { 0 }, hopeless = { 0 };

	(void)state;
	write_token("old");
	open_plugin(&client, wire.https, SAY_TOKEN);
	struct answer first = get(&client, "/hello");

	assert_answer(&first, 200, "hello, world");
	write_token("new");
	for (size_t i = 0; i < 4; i++)
		ask_unauthorized(&client, &answers[i]);
	run(&client);
	for (size_t i = 0; i < 4; i++)
		assert_answer(&answers[i], 200, "welcome");
	assert_int_equal(count_runs(), 2);
	assert_has_not(read_log(&client), "new");
	close_client(&client);

	write_token("older");
	open_plugin(&client, wire.https, SAY_TOKEN);
	ask_unauthorized(&client, &hopeless);
	run(&client);
	assert_answer(&hopeless, 401, "who are you");
	assert_int_equal(count_runs(), 2);
	struct answer again = { 0 };

	ask_unauthorized(&client, &again);
	run(&client);
	assert_answer(&again, 401, "who are you");
	assert_int_equal(count_runs(), 2); /* not for each */
	close_client(&client);
}

static void expired_credential_is_replaced_without_a_401(void **state)
{
	struct client client;

	(void)state;
	write_token("new");
	open_plugin(&client, wire.https, "say '\"token\":\"new\",\"expirationTimestamp\":\"'$(date -u -d '+2 seconds' +%FT%TZ)'\"'");
	struct answer first = get(&client, "/hello");

	assert_answer(&first, 200, "hello, world");
	instant_t expires = http_credentials(client.http).expires;

	assert_true(expires > 0);
	while (http_credentials(client.http).expires == expires) {
		struct answer answer = { 0 };

		assert_true(loop_now() < expires + DEADLINE_MS);
		ask_unauthorized(&client, &answer);
		run(&client);
		assert_answer(&answer, 200, "welcome");
	}
	assert_has_not(report(), "authorization None");
	close_client(&client);
}

static void plugin_may_give_a_certificate(void **state)
{
	struct client client;
	struct answer watch = { 0 };

	(void)state;
	if (!wire.h2)
		skip();
	show("client");
	open_plugin(&client, wire.h2,
		    "pem() { awk '{printf \"%s\\\\n\", $0}' $1; }\n"
		    "say '\"clientCertificateData\":\"'\"$(pem shown.crt)\"'\",\"clientKeyData\":\"'\"$(pem shown.key)\"'\"'");
	assert_peer(&client, "client");
	ask_get(&client, &watch, "/drip?watch=true");
	run_until_heard(&client, &watch);
	show("client2");
	struct answer rejected = get(&client, "/unauthorized"); /* says 401 to whoever has no token */

	assert_answer(&rejected, 401, "who are you");
	run_until_done(&client, &watch);
	assert_false(watch.failed);
	assert_peer(&client, "client2");
	forget(&watch);
	close_client(&client);
}

static void plugin_that_wants_a_terminal_is_refused(void **state)
{
	struct client client;

	(void)state;
	prepare_plugin(&client, wire.https, "exit 0");
	client.config.exec.interactive = INTERACTIVE_ALWAYS;
	refuse(&client, "interactiveMode is Always, but standard input is not a terminal");
}

/* ---- what is too late ---- */

static void stop_until(int64_t monotonic_ms)
{
	while (loop_monotonic_ms() < monotonic_ms)
		;
}

static void late_write_does_not_go_out(void **state)
{
	struct client client;
	struct answer answers[3] = { 0 };

	(void)state;
	open_http(&client);
	struct answer first = get(&client, "/hello");

	assert_answer(&first, 200, "hello, world");
	/* At once, and stopped after send, before curl could do anything. */
	const struct request request = { .method = "PATCH",
					 .path = "/echo",
					 .content_type = "a/b",
					 .body = "{}",
					 .body_len = 2,
					 .body_until_ms = loop_monotonic_ms() };
	struct request soon = request, bare = { .method = "DELETE", .path = "/echo" };

	ask(&client, &answers[0], &request);
	soon.body_until_ms = bare.body_until_ms = loop_monotonic_ms() + 50;
	ask(&client, &answers[1], &soon);
	ask(&client, &answers[2], &bare);
	stop_until(soon.body_until_ms);
	run(&client);
	for (size_t i = 0; i < 3; i++)
		assert_failure(&answers[i], 0, i < 2 ? "PATCH /echo: past its time" : "DELETE /echo: past its time");
	assert_has_not(report(), " /echo");
	close_client(&client);

	open_http(&client);
	struct answer at_once = { 0 };

	ask(&client, &at_once, &request);
	run(&client);
	assert_failure(&at_once, 0, "PATCH /echo: past its time");
	assert_int_equal(http_stats(client.http)->connections, 0);

	struct answer well = { 0 };

	soon.body_until_ms = loop_monotonic_ms() + DEADLINE_MS;
	ask(&client, &well, &soon);
	run(&client);
	assert_int_equal(well.status, 200);
	assert_false(well.failed);
	forget(&well);
	close_client(&client);
}

/* A large body of which no more has gone out than the server takes; then we are stopped until its time has passed. */
static void stop_in_the_middle(struct client *client, struct answer *answer, const char *seen)
{
	enum { SIZE = 32 << 20 };
	char *body = memory_alloc(SIZE);
	struct request request = { .method = "PATCH", .path = "/slurp", .content_type = "a/b", .body = body, .body_len = SIZE };

	tell("hold");
	request.body_until_ms = loop_monotonic_ms() + 1500;
	ask(client, answer, &request);
	free(body);
	wait_until_seen(client, seen, 1);
	/* Until curl has been given all that there is room for. */
	for (uint64_t given = 0; given != http_stats(client->http)->bytes_out || !given;) {
		assert_true(loop_monotonic_ms() < request.body_until_ms);
		given = http_stats(client->http)->bytes_out;
		run_at_most(client, 100);
	}
	assert_int_equal(answer->done, 0);
	stop_until(request.body_until_ms);
}

/* Something else wakes us up before there is room again. */
static void late_body_is_cut_off_behind_a_full_socket(void **state)
{
	struct client client;
	struct answer answer = { 0 };

	(void)state;
	open_http(&client);
	stop_in_the_middle(&client, &answer, "PATCH /slurp");
	struct answer other = get(&client, "/hello");

	assert_answer(&other, 200, "hello, world");
	run_until_done(&client, &answer);
	assert_failure(&answer, 0, "PATCH /slurp: past its time");
	tell("release");
	wait_until_seen(&client, "slurp reset", 1);
	close_client(&client);
}

/* HTTP/2 did not let more go out; then it does. */
static void late_body_is_cut_off_behind_a_full_window(void **state)
{
	struct client client;
	struct answer answer = { 0 };
	int64_t give_up_ms = loop_monotonic_ms() + DEADLINE_MS;
	unsigned bytes = 0;

	(void)state;
	open_h2(&client);
	stop_in_the_middle(&client, &answer, "h2 begins /slurp");
	tell("release");
	run(&client);
	assert_failure(&answer, 0, "PATCH /slurp: past its time");
	while (!bytes) {
		const char *had = strstr(report(), "h2 had ");

		assert_true(loop_monotonic_ms() < give_up_ms);
		if (had)
			assert_int_equal(sscanf(had, "h2 had %u bytes", &bytes), 1);
		run_at_most(&client, 10);
	}
	assert_in_range(bytes, 1, 65535); /* the window: nothing went out after it was opened */
	struct answer after = get(&client, "/hello");

	assert_answer(&after, 200, "hello, world");
	close_client(&client);
}

static void abort_leaves_nothing_on_its_way(void **state)
{
	enum { SIZE = 32 << 20 };
	struct client client;
	struct answer write = { 0 }, silent = { 0 }, idle = { 0 };
	char *body = memory_alloc(SIZE);

	(void)state;
	tell("hold");
	open_http(&client);
	ask(&client, &write,
	    &(struct request){ .method = "PATCH", .path = "/slurp", .content_type = "a/b", .body = body, .body_len = SIZE });
	ask_get(&client, &silent, "/silent");
	wait_until_seen(&client, "PATCH /slurp", 1);
	ask_get(&client, &idle, "/hello");
	run_until_done(&client, &idle);
	assert_answer(&idle, 200, "hello, world");
	http_abort(client.http);
	assert_int_equal(http_stats(client.http)->in_flight, 0);
	tell("release");
	wait_until_seen(&client, "slurp reset", 1);
	assert_int_equal(write.done + silent.done, 0);
	cancel(&write);
	cancel(&silent);
	struct answer after = get(&client, "/hello");

	assert_answer(&after, 200, "hello, world");
	free(body);
	close_client(&client);
}

/* ---- what is counted and shown ---- */

static void requests_are_counted_by_method_and_code(void **state)
{
	struct client client;
	struct answer watch = { 0 }, patch = { 0 };
	char host[64];

	(void)state;
	prepare_token_file(&client, wire.https, "old");
	struct answer hello = get(&client, "/hello"), lost = get(&client, "/no-answer"), cut = get(&client, "/cut");
	const struct http_stats *stats = http_stats(client.http);

	assert_answer(&hello, 200, "hello, world");
	assert_failure(&lost, 0, "GET /no-answer");
	assert_failure(&cut, 200, "GET /cut");
	assert_int_equal(stats->answers[HTTP_GET][200], 2); /* the answer that was cut off had begun */
	assert_int_equal(stats->answers[HTTP_GET][0], 1);
	assert_int_equal(histogram_count(&stats->durations[HTTP_GET]), 3);
	/* One that is hidden behind a second try was a request, too. */
	write_file(client.config.token_file, "new");
	ask_unauthorized(&client, &patch);
	run(&client);
	assert_answer(&patch, 200, "welcome");
	assert_int_equal(stats->answers[HTTP_PATCH][401], 1);
	assert_int_equal(stats->answers[HTTP_PATCH][200], 1);
	assert_int_equal(histogram_count(&stats->durations[HTTP_PATCH]), 2);
	/* A watch counts when it begins. */
	ask_get(&client, &watch, "/drip?watch=true");
	run_until_heard(&client, &watch);
	assert_int_equal(stats->answers[HTTP_GET][200], 3);
	assert_int_equal(histogram_count(&stats->durations[HTTP_GET]), 4);
	cancel(&watch);
	assert_int_equal(stats->answers[HTTP_GET][200], 3);
	snprintf(host, sizeof(host), "127.0.0.1:%d", wire.https);
	assert_string_equal(stats->host, host);
	forget(&watch);
	close_client(&client);
}

static void note_call(void *context, const char *method, const char *path, int64_t age_ms, uint64_t bytes)
{
	char *text = context;

	assert_in_range(age_ms, 0, DEADLINE_MS);
	sprintf(text + strlen(text), "%s %s %s\n", method, path, bytes ? "some" : "none");
}

static void calls_under_way_can_be_seen(void **state)
{
	struct client client;
	struct answer drip = { 0 }, silent = { 0 };
	char seen[256] = "";

	(void)state;
	open_http(&client);
	http_each_call(client.http, note_call, seen);
	assert_string_equal(seen, "");
	ask_get(&client, &drip, "/drip?continue=very-long");
	ask_patch(&client, &silent, "/silent");
	run_until_heard(&client, &drip);
	http_each_call(client.http, note_call, seen);
	assert_has(seen, "GET /drip some\n");
	assert_has(seen, "PATCH /silent none\n");
	assert_string_equal(http_credentials(client.http).source, "none");
	cancel(&drip);
	cancel(&silent);
	forget(&drip);
	close_client(&client);
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
		ask_patch(&client, &answers[i], "/silent");
	wait_until_seen(&client, "PATCH /silent", 7);
	ask_patch(&client, &answers[7], "/drop");
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
	ask_patch(&client, &watch, "/silent");
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

/* ---- a rest while many are awaited ---- */

enum { AWAITED = 24 };

/* Answers have taken long, and now there are so many writes that nobody answers; nor are they waited for. */
static void await_many(struct client *client, struct answer awaited[AWAITED])
{
	struct answer slow[2 * AWAITED] = { 0 };

	tell("hold");
	for (size_t i = 0; i < 2 * AWAITED; i++)
		ask_patch(client, &slow[i], "/hold");
	wait_until_seen(client, "PATCH /hold", 2 * AWAITED);
	run_at_most(client, 100);
	tell("release");
	run(client);
	for (size_t i = 0; i < 2 * AWAITED; i++)
		assert_answer(&slow[i], 200, "at last");
	for (size_t i = 0; i < AWAITED; i++)
		ask_patch(client, &awaited[i], "/silent");
	wait_until_seen(client, "PATCH /silent", AWAITED);
	client->pending -= AWAITED;
}

static void close_awaiting(struct client *client, struct answer awaited[AWAITED])
{
	client->pending += AWAITED;
	for (size_t i = 0; i < AWAITED; i++)
		cancel(&awaited[i]);
	close_client(client);
}

static void write_one(struct client *client)
{
	struct answer answer = { 0 };

	ask_patch(client, &answer, "/hello");
	run(client);
	assert_answer(&answer, 200, "hello, world");
}

/* The answer that has come last lets the connection rest. */
static void open_resting(struct client *client, struct answer awaited[AWAITED])
{
	open_h2(client);
	await_many(client, awaited);
	write_one(client);
}

/* An eighth of more than 60 ms, rounded down, and a little less with each quick answer: 6, 6, 5, 4 and 4 ms between six. */
static void answers_come_together_while_many_are_awaited(void **state)
{
	struct client client;
	struct answer awaited[AWAITED] = { 0 };

	(void)state;
	open_h2(&client);
	await_many(&client, awaited);
	int64_t began_ms = loop_monotonic_ms();

	for (unsigned i = 0; i < 6; i++)
		write_one(&client);
	assert_true(loop_monotonic_ms() - began_ms >= 20);
	close_awaiting(&client, awaited);
}

/* With a rest after every 16 KiB it would take more than a second longer. */
static void much_that_comes_is_not_held_up(void **state)
{
	enum { SIZE = 8 << 20 };
	struct client client;
	struct answer awaited[AWAITED] = { 0 };

	(void)state;
	open_h2(&client);
	int64_t began_ms = loop_monotonic_ms();
	struct answer alone = get(&client, "/big/8388608");
	int64_t alone_ms = loop_monotonic_ms() - began_ms;

	await_many(&client, awaited);
	began_ms = loop_monotonic_ms();
	struct answer beside = get(&client, "/big/8388608");
	int64_t beside_ms = loop_monotonic_ms() - began_ms;

	assert_int_equal(alone.body_len, SIZE);
	assert_int_equal(beside.body_len, SIZE);
	assert_true(beside_ms < 3 * alone_ms + 100);
	forget(&alone);
	forget(&beside);
	close_awaiting(&client, awaited);
}

static void connection_is_lost_during_a_rest(void **state)
{
	struct client client;
	struct answer awaited[AWAITED] = { 0 }, dropped = { 0 };

	(void)state;
	open_resting(&client, awaited);
	ask_patch(&client, &dropped, "/drop");
	client.pending += AWAITED;
	run(&client);
	assert_failure(&dropped, 0, "PATCH /drop: ");
	for (size_t i = 0; i < AWAITED; i++)
		assert_failure(&awaited[i], 0, "PATCH /silent: ");
	write_one(&client);
	close_client(&client);
}

static void rest_ends_with_an_abort(void **state)
{
	struct client client;
	struct answer awaited[AWAITED] = { 0 };

	(void)state;
	open_resting(&client, awaited);
	http_abort(client.http);
	write_one(&client);
	close_awaiting(&client, awaited);
}

/* loop_free sees what is left open. */
static void rest_ends_with_its_client(void **state)
{
	struct client client;
	struct answer awaited[AWAITED] = { 0 };

	(void)state;
	open_resting(&client, awaited);
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
		cmocka_unit_test(new_certificate_means_a_new_connection),
		cmocka_unit_test(what_is_not_a_watch_is_not_ended),
		cmocka_unit_test(watch_without_an_answer_moves_over),
		cmocka_unit_test(bad_certificate_is_said_once_and_the_old_one_kept),
		cmocka_unit_test(rejected_certificate_is_read_again_and_the_request_repeated_once),
		cmocka_unit_test(authority_may_change_both_ways),
		cmocka_unit_test(requests_wait_for_one_run_of_the_plugin),
		cmocka_unit_test(plugin_is_told_of_the_cluster_only_if_it_should_be),
		cmocka_unit_test(plugin_that_fails_fails_the_requests),
		cmocka_unit_test(what_the_plugin_says_must_be_a_credential),
		cmocka_unit_test(hung_plugin_holds_nobody_longer_than_he_wants_to_wait),
		cmocka_unit_test(rejected_credential_runs_the_plugin_again),
		cmocka_unit_test(expired_credential_is_replaced_without_a_401),
		cmocka_unit_test(plugin_may_give_a_certificate),
		cmocka_unit_test(plugin_that_wants_a_terminal_is_refused),
		cmocka_unit_test(late_write_does_not_go_out),
		cmocka_unit_test(late_body_is_cut_off_behind_a_full_socket),
		cmocka_unit_test(late_body_is_cut_off_behind_a_full_window),
		cmocka_unit_test(abort_leaves_nothing_on_its_way),
		cmocka_unit_test(requests_are_counted_by_method_and_code),
		cmocka_unit_test(calls_under_way_can_be_seen),
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
		cmocka_unit_test(answers_come_together_while_many_are_awaited),
		cmocka_unit_test(much_that_comes_is_not_held_up),
		cmocka_unit_test(connection_is_lost_during_a_rest),
		cmocka_unit_test(rest_ends_with_an_abort),
		cmocka_unit_test(rest_ends_with_its_client),
	};

	/* Whoever runs the tests may sit at a terminal. */
	if (!freopen("/dev/null", "r", stdin))
		return 1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]); /* a name; * stands for anything */
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
