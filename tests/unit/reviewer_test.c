/*
 * reviewer.c with an API server behind its port that knows a few tokens and rights, on a clock of the test's: what each answer means for who
 * asks, for how long it holds, and what the API server is asked on the way. In JSON ' stands for ". In the end the log holds no token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "accessreview.h"
#include "memory.h"
#include "reviewer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TOKENS "/apis/authentication.k8s.io/v1/tokenreviews"
#define RIGHTS "/apis/authorization.k8s.io/v1/subjectaccessreviews"
#define SECRET "eyJhbGciOi" /* each token begins with it, and nothing else does */
#define GOOD SECRET ".good"
#define POOR SECRET ".poor"
#define BAD SECRET ".bad"
#define USER "system:serviceaccount:monitoring:prometheus"

enum { CALLS_MAX = 128, CLIENTS = 200 };

struct call {
	char *path, *body;
	struct reply reply;
	int timeout_ms;
};

struct exchange {
	struct server_request request;
	bool waits, answered;
	int status;
	char text[512];
};

struct rig {
	struct port port;
	struct log log;
	struct reviewer *reviewer;
	int64_t mono;
	struct call *calls[CALLS_MAX]; /* under way */
	size_t n_calls;
	unsigned token_reviews, access_reviews; /* that came */
	unsigned served; /* requests that were let through */
	bool next_waits; /* the next handler answers later */
	struct exchange clients[CLIENTS];
};

/* ---- the port ---- */

static struct call *port_send(void *self, const struct request *request, const struct reply *reply)
{
	struct rig *rig = self;
	struct call *call = calloc(1, sizeof(*call));

	assert_string_equal(request->method, "POST");
	assert_string_equal(request->content_type, "application/json");
	assert_int_equal(request->body_len, strlen(request->body));
	assert_in_range(request->timeout_ms, 1, REVIEWER_TIMEOUT_MS);
	assert_true(rig->n_calls < CALLS_MAX);
	*call = (struct call){ .path = strdup(request->path), .body = strdup(request->body), .reply = *reply, .timeout_ms = request->timeout_ms };
	*(strcmp(request->path, TOKENS) == 0 ? &rig->token_reviews : &rig->access_reviews) += 1;
	rig->calls[rig->n_calls++] = call;
	return call;
}

static struct call *take_call(struct rig *rig, size_t i)
{
	struct call *call = rig->calls[i];

	assert_true(i < rig->n_calls);
	memmove(rig->calls + i, rig->calls + i + 1, (--rig->n_calls - i) * sizeof(struct call *));
	return call;
}

static void call_free(struct call *call)
{
	free(call->path);
	free(call->body);
	free(call);
}

static void port_cancel(void *self, struct call *call)
{
	struct rig *rig = self;
	size_t i = 0;

	while (i < rig->n_calls && rig->calls[i] != call)
		i++;
	call_free(take_call(rig, i));
}

static int64_t port_mono(void *self)
{
	return ((struct rig *)self)->mono;
}

/* ---- what the API server answers to the oldest request ---- */

static char *json(const char *text)
{
	char *copy = strdup(text);

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return copy;
}

/* In pieces of every length. */
static void answer_bytes(struct rig *rig, int status, const char *text, size_t len)
{
	struct call *call = take_call(rig, 0);
	int result = 0;

	for (size_t at = 0, piece = 1; at < len && result == 0; at += piece, piece++) {
		if (piece > len - at)
			piece = len - at;
		result = call->reply.on_data(call->reply.context, status, text + at, piece);
	}
	call->reply.on_done(call->reply.context, status, 0, NULL);
	call_free(call);
}

static void answer(struct rig *rig, int status, const char *text)
{
	char *body = json(text);

	answer_bytes(rig, status, body, strlen(body));
	free(body);
}

static void lose(struct rig *rig, enum error_class class)
{
	const struct error broken = { .class = class, .message = "connection reset" };
	struct call *call = take_call(rig, 0);

	call->reply.on_done(call->reply.context, 0, 0, &broken);
	call_free(call);
}

#define USER_JSON "'username':'" USER "','uid':'u-1','groups':['system:serviceaccounts','system:authenticated'],'extra':{'k/x':['a','b']}"
#define TOKEN_REVIEW(status) "{'kind':'TokenReview','apiVersion':'authentication.k8s.io/v1','metadata':{},'spec':{'token':'" GOOD "'},'status':{" status "}}"
#define KNOWN TOKEN_REVIEW("'authenticated':true,'user':{" USER_JSON "},'audiences':['x']")
#define UNKNOWN TOKEN_REVIEW("'user':{},'error':'[invalid bearer token, " GOOD "]'")
#define ACCESS_REVIEW(status) "{'kind':'SubjectAccessReview','apiVersion':'authorization.k8s.io/v1','metadata':{},'spec':{},'status':{" status "}}"
#define ALLOWED ACCESS_REVIEW("'allowed':true,'reason':'RBAC'")
#define REFUSED ACCESS_REVIEW("'allowed':false")

/* By what was asked, until nothing is: GOOD may, POOR may not, all others are nobody's. */
static void serve(struct rig *rig)
{
	while (rig->n_calls > 0) {
		const struct call *call = rig->calls[0];
		const bool known = strstr(call->body, GOOD) || strstr(call->body, POOR);

		if (strcmp(call->path, TOKENS) != 0)
			answer(rig, 201, strstr(call->body, "poor") ? REFUSED : ALLOWED);
		else if (known && strstr(call->body, POOR))
			answer(rig, 201, TOKEN_REVIEW("'authenticated':true,'user':{'username':'poor'}"));
		else
			answer(rig, 201, known ? KNOWN : UNKNOWN);
	}
}

/* ---- clients ---- */

static void note(struct exchange *client, const struct server_reply *reply)
{
	assert_false(client->answered);
	client->answered = true;
	client->status = reply->status;
	snprintf(client->text, sizeof(client->text), "%.*s", (int)reply->body_len, reply->body ? reply->body : "");
	free(reply->body);
}

static void take_answer(struct exchange *client, const struct server_reply *reply)
{
	assert_true(client->waits);
	note(client, reply);
}

static bool next(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	struct rig *rig = context;

	assert_ptr_equal(request, &exchange->request);
	rig->served++;
	if (rig->next_waits)
		return false;
	*reply = (struct server_reply){ .status = 200, .body = strdup("metrics"), .body_len = 7 };
	return true;
}

static struct exchange *ask_for(struct rig *rig, int i, const char *method, const char *path, const char *authorization)
{
	struct exchange *client = &rig->clients[i];
	struct server_reply reply = { .status = 200 };

	*client = (struct exchange){ .request = { .method = method, .path = path, .query = "", .content_type = "", .authorization = authorization } };
	if (reviewer_handle(rig->reviewer, &client->request, client, &reply))
		note(client, &reply);
	else
		client->waits = true;
	return client;
}

static struct exchange *ask(struct rig *rig, int i, const char *authorization)
{
	return ask_for(rig, i, "GET", "/metrics", authorization);
}

/* The status of a request that the API server is at hand for. */
static int status_of(struct rig *rig, const char *authorization)
{
	struct exchange *client = ask(rig, CLIENTS - 1, authorization);

	serve(rig);
	assert_true(client->answered);
	return client->status;
}

static unsigned asked(const struct rig *rig)
{
	return rig->token_reviews + rig->access_reviews;
}

/* ---- the rig ---- */

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	*rig = (struct rig){ .mono = 5000, .log = { .fd = memfd_create("log", 0), .level = LOG_DEBUG } };
	rig->port = (struct port){ .self = rig, .send = port_send, .cancel = port_cancel, .monotonic_ms = port_mono };
	rig->reviewer = reviewer_new(&(struct reviewer_config){
		.port = &rig->port, .log = &rig->log, .next = { .context = rig, .handle = next }, .answer = take_answer });
	*state = rig;
	return rig->log.fd < 0;
}

/* How many lines of the log hold this. */
static unsigned said(struct rig *rig, const char *text)
{
	static char log[1 << 20];
	ssize_t len = pread(rig->log.fd, log, sizeof(log) - 1, 0);
	unsigned n = 0;

	assert_true(len >= 0);
	log[len] = '\0';
	for (const char *at = log; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	reviewer_free(rig->reviewer);
	assert_int_equal(rig->n_calls, 0);
	assert_int_equal(said(rig, SECRET), 0);
	for (int i = 0; i < CLIENTS; i++)
		assert_null(strstr(rig->clients[i].text, SECRET));
	close(rig->log.fd);
	free(rig);
	return 0;
}

static void assert_json(const char *text, const char *expected)
{
	char *wanted = json(expected);
	json_t *a = json_loads(text, 0, NULL), *b = json_loads(wanted, 0, NULL);

	assert_non_null(b);
	if (!json_equal(a, b))
		fail_msg("%s instead of %s", text, wanted);
	json_decref(a);
	json_decref(b);
	free(wanted);
}

/* ---- rules ---- */

static void who_may_is_let_through_and_who_they_are_goes_along(void **state)
{
	struct rig *rig = *state;
	struct exchange *client = ask(rig, 0, "Bearer " GOOD);

	assert_true(client->waits && !client->answered);
	assert_string_equal(rig->calls[0]->path, TOKENS);
	assert_json(rig->calls[0]->body, "{'apiVersion':'authentication.k8s.io/v1','kind':'TokenReview','spec':{'token':'" GOOD "'}}");
	answer(rig, 201, KNOWN);
	assert_int_equal(rig->n_calls, 1);
	assert_string_equal(rig->calls[0]->path, RIGHTS);
	assert_json(rig->calls[0]->body, "{'apiVersion':'authorization.k8s.io/v1','kind':'SubjectAccessReview','spec':{'nonResourceAttributes':"
					 "{'verb':'get','path':'/metrics'},'user':'" USER "','uid':'u-1','groups':['system:serviceaccounts',"
					 "'system:authenticated'],'extra':{'k/x':['a','b']}}}");
	assert_false(client->answered);
	answer(rig, 201, ALLOWED);
	assert_true(client->answered);
	assert_int_equal(client->status, 200);
	assert_string_equal(client->text, "metrics");
	assert_int_equal(rig->served, 1);
}

static void who_says_nothing_or_nonsense_is_told_so_unasked(void **state)
{
	static const char *const rows[] = { "", "Bearer", "Bearer ", "Bearer    ", "Basic " GOOD, GOOD, "Bearer" GOOD, " Bearer " GOOD,
					    "Bearer " GOOD " and more", "Bearer a\tb", "Bearer h\xc3\xb6", "Bearer \x01" };
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct exchange *client = ask(rig, 0, rows[i]);

		if (!client->answered || client->status != 401)
			fail_msg("\"%s\" is no token", rows[i]);
	}
	assert_int_equal(ask_for(rig, 0, "GET", "/m\xc3\xb6trics", "Bearer " GOOD)->status, 400);
	assert_int_equal(asked(rig), 0);
}

static void the_scheme_has_any_case_and_room_around(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(status_of(rig, "bearer " GOOD), 200);
	assert_int_equal(status_of(rig, "BEARER   " GOOD "  "), 200);
	assert_int_equal(rig->token_reviews, 1); /* the same token */
}

static void each_answer_has_its_status(void **state)
{
	static const struct {
		const char *first, *second; /* NULL: it is not asked any more */
		int status;
	} rows[] = {
		{ KNOWN, ALLOWED, 200 },
		{ KNOWN, REFUSED, 403 },
		{ KNOWN, ACCESS_REVIEW("'allowed':true,'denied':true"), 403 },
		{ KNOWN, ACCESS_REVIEW("'allowed':'true'"), 403 },
		{ KNOWN, ACCESS_REVIEW("'allowed':1"), 403 },
		{ KNOWN, ACCESS_REVIEW(""), 403 },
		{ KNOWN, ACCESS_REVIEW("'allowed':false,'evaluationError':'role not found'"), 403 },
		{ KNOWN, "{'kind':'SubjectAccessReview','apiVersion':'authorization.k8s.io/v1','spec':{}}", 503 },
		{ KNOWN, "{'kind':'Status','apiVersion':'v1','status':'Success'}", 503 },
		{ KNOWN, "{'kind':'SubjectAccessReview','apiVersion':'authorization.k8s.io/v1beta1','status':{'allowed':true}}", 503 },
		{ KNOWN, "{'kind':'SelfSubjectAccessReview','apiVersion':'authorization.k8s.io/v1','status':{'allowed':true}}", 503 },
		{ KNOWN, "", 503 },
		{ KNOWN, "{'allowed':true", 503 },
		{ KNOWN, KNOWN, 503 },
		{ UNKNOWN, NULL, 401 },
		{ TOKEN_REVIEW("'authenticated':false,'user':{" USER_JSON "}"), NULL, 401 },
		{ TOKEN_REVIEW("'authenticated':'true','user':{" USER_JSON "}"), NULL, 401 },
		{ TOKEN_REVIEW("'user':{" USER_JSON "}"), NULL, 401 },
		{ TOKEN_REVIEW("'authenticated':true"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'groups':['system:masters']}"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'username':''}"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'username':7}"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'username':'a','groups':'b'}"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'username':'a','uid':7}"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'username':'a','extra':[]}"), NULL, 503 },
		{ TOKEN_REVIEW("'authenticated':true,'user':{'username':'a','groups':null,'uid':null,'extra':null}"), ALLOWED, 200 },
		{ "{'kind':'TokenReview','apiVersion':'authentication.k8s.io/v1','status':[]}", NULL, 503 },
		{ "{'kind':'TokenReview','apiVersion':'authentication.k8s.io/v1beta1','status':{'authenticated':true}}", NULL, 503 },
		{ "{'status':{'authenticated':true,'user':{" USER_JSON "}}}", NULL, 503 },
		{ ALLOWED, NULL, 503 },
		{ "", NULL, 503 },
		{ "[]", NULL, 503 },
		{ "null", NULL, 503 },
		{ "{'spec':{'token':'" GOOD, NULL, 503 },
		{ "" GOOD, NULL, 503 },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct exchange *client = ask(rig, 0, "Bearer " GOOD);
		const unsigned served = rig->served;

		answer(rig, 201, rows[i].first);
		if (rows[i].second && rig->n_calls == 1)
			answer(rig, 200, rows[i].second); /* some answer so */
		if (!client->answered || client->status != rows[i].status)
			fail_msg("row %zu: %d instead of %d", i, client->status, rows[i].status);
		assert_int_equal(rig->n_calls, 0);
		assert_int_equal(rig->served, served + (rows[i].status == 200));
		rig->mono += REVIEWER_ALLOWED_MS;
	}
}

static void a_refusal_names_the_user_and_the_missing_right(void **state)
{
	struct rig *rig = *state;
	struct exchange *client = ask(rig, 0, "Bearer " GOOD);

	answer(rig, 201, KNOWN);
	answer(rig, 201, REFUSED);
	assert_int_equal(client->status, 403);
	assert_non_null(strstr(client->text, USER));
	assert_non_null(strstr(client->text, "nonResourceURLs: [/metrics] verbs: [get]"));
	client = ask(rig, 1, "Bearer " GOOD); /* from memory the same */
	assert_true(client->answered);
	assert_string_equal(client->text, rig->clients[0].text);
}

static void a_yes_holds_ten_seconds_from_the_question(void **state)
{
	struct rig *rig = *state;

	ask(rig, 0, "Bearer " GOOD);
	rig->mono += 3000; /* it takes its time */
	answer(rig, 201, KNOWN);
	rig->mono += 3000;
	answer(rig, 201, ALLOWED);
	assert_int_equal(rig->clients[0].status, 200);
	rig->mono += REVIEWER_ALLOWED_MS - 6000 - 1;
	assert_int_equal(ask(rig, 1, "Bearer " GOOD)->status, 200);
	assert_int_equal(asked(rig), 2);
	rig->mono += 1;
	assert_true(ask(rig, 2, "Bearer " GOOD)->waits);
	assert_int_equal(rig->token_reviews, 2);
	answer(rig, 201, KNOWN);
	answer(rig, 201, REFUSED); /* the right is gone */
	assert_int_equal(rig->clients[2].status, 403);
	assert_int_equal(ask(rig, 3, "Bearer " GOOD)->status, 403);
}

static void a_no_holds_two_seconds(void **state)
{
	static const char *const rows[] = { "Bearer " POOR, "Bearer " BAD };
	static const int statuses[] = { 403, 401 };
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(status_of(rig, rows[i]), statuses[i]);
		const unsigned before = asked(rig);

		rig->mono += REVIEWER_REFUSED_MS - 1;
		assert_int_equal(ask(rig, 0, rows[i])->status, statuses[i]);
		assert_int_equal(asked(rig), before);
		rig->mono += 1;
		assert_true(ask(rig, 0, rows[i])->waits);
		serve(rig);
		assert_int_equal(rig->clients[0].status, statuses[i]);
	}
}

static void a_verdict_is_of_a_token_a_verb_and_a_path(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	assert_true(ask_for(rig, 0, "GET", "/metrics/x", "Bearer " GOOD)->waits);
	assert_true(ask_for(rig, 1, "HEAD", "/metrics", "Bearer " GOOD)->waits);
	assert_true(ask(rig, 2, "Bearer " GOOD "x")->waits);
	assert_int_equal(rig->n_calls, 3);
	answer(rig, 201, KNOWN);
	answer(rig, 201, KNOWN);
	answer(rig, 201, UNKNOWN);
	assert_non_null(strstr(rig->calls[0]->body, "\"/metrics/x\""));
	assert_non_null(strstr(rig->calls[1]->body, "\"head\""));
	answer(rig, 201, REFUSED);
	answer(rig, 201, ALLOWED);
	assert_int_equal(rig->clients[0].status, 403);
	assert_non_null(strstr(rig->clients[0].text, "[/metrics/x]"));
	assert_int_equal(rig->clients[1].status, 200);
	assert_int_equal(rig->clients[2].status, 401);
}

static void all_who_bring_the_same_token_wait_for_one_answer(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 50; i++)
		assert_true(ask(rig, i, "Bearer " GOOD)->waits);
	assert_int_equal(asked(rig), 1);
	answer(rig, 201, KNOWN);
	for (int i = 50; i < 100; i++)
		assert_true(ask(rig, i, "Bearer " GOOD)->waits);
	assert_int_equal(asked(rig), 2);
	answer(rig, 201, ALLOWED);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig->clients[i].status, 200);
	assert_int_equal(rig->served, 100);
	assert_int_equal(asked(rig), 2);
}

static void the_next_handler_may_answer_later(void **state)
{
	struct rig *rig = *state;

	rig->next_waits = true;
	ask(rig, 0, "Bearer " GOOD);
	serve(rig);
	assert_int_equal(rig->served, 1);
	assert_false(rig->clients[0].answered);
	assert_true(ask(rig, 1, "Bearer " GOOD)->waits); /* by a verdict that is known */
	assert_int_equal(rig->served, 2);
	assert_int_equal(asked(rig), 2);
}

static void no_answer_is_no_yes_and_is_not_kept(void **state)
{
	static const int statuses[] = { 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504, 301 };
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(statuses); i++) {
		ask(rig, 0, "Bearer " GOOD);
		answer(rig, statuses[i], KNOWN); /* whatever it says */
		assert_int_equal(rig->clients[0].status, 503);
		ask(rig, 0, "Bearer " GOOD);
		answer(rig, 201, KNOWN);
		answer(rig, statuses[i], ALLOWED);
		assert_int_equal(rig->clients[0].status, 503);
		rig->mono += 200;
	}
	assert_int_equal(rig->served, 0);
	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
}

static void a_broken_connection_is_tried_once_more(void **state)
{
	struct rig *rig = *state;

	ask(rig, 0, "Bearer " GOOD);
	lose(rig, ERROR_RETRY);
	assert_int_equal(rig->token_reviews, 2);
	serve(rig);
	assert_int_equal(rig->clients[0].status, 200);
	ask(rig, 1, "Bearer " GOOD "2");
	answer(rig, 201, KNOWN);
	lose(rig, ERROR_RETRY);
	assert_int_equal(rig->n_calls, 1);
	assert_string_equal(rig->calls[0]->path, RIGHTS);
	lose(rig, ERROR_RETRY);
	assert_int_equal(rig->clients[1].status, 503);
	assert_int_equal(rig->n_calls, 0);
	ask(rig, 2, "Bearer " GOOD "3");
	lose(rig, ERROR_INVALID); /* it would be so again */
	assert_int_equal(rig->clients[2].status, 503);
}

static void both_reviews_share_ten_seconds(void **state)
{
	struct rig *rig = *state;

	ask(rig, 0, "Bearer " GOOD);
	assert_int_equal(rig->calls[0]->timeout_ms, 10000);
	rig->mono += 6000;
	answer(rig, 201, KNOWN);
	assert_int_equal(rig->calls[0]->timeout_ms, 4000);
	rig->mono += 1000;
	lose(rig, ERROR_RETRY);
	assert_int_equal(rig->calls[0]->timeout_ms, 3000);
	rig->mono += 3000;
	lose(rig, ERROR_RETRY);
	assert_int_equal(rig->clients[0].status, 503);
	ask(rig, 1, "Bearer " GOOD);
	rig->mono += 10000;
	lose(rig, ERROR_RETRY); /* there is no time left to try again */
	assert_int_equal(rig->clients[1].status, 503);
	assert_int_equal(rig->n_calls, 0);
}

static void a_trouble_is_said_once_and_its_end_too(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 5; i++) {
		ask(rig, 0, "Bearer " GOOD);
		answer(rig, 403, "{'kind':'Status','message':'may not: " GOOD "'}");
	}
	assert_int_equal(said(rig, "not allowed to create tokenreviews"), 1);
	for (int i = 0; i < 5; i++) {
		ask(rig, 0, "Bearer " GOOD);
		answer(rig, 201, KNOWN);
		answer(rig, 403, "{'kind':'Status'}");
	}
	assert_int_equal(said(rig, "not allowed to create subjectaccessreviews"), 1);
	for (int i = 0; i < 5; i++) {
		ask(rig, 0, "Bearer " GOOD);
		answer(rig, 500, GOOD);
	}
	assert_int_equal(said(rig, "HTTP 500"), 1);
	assert_int_equal(said(rig, "\n"), 3);
	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	assert_int_equal(status_of(rig, "Bearer " BAD), 401);
	assert_int_equal(said(rig, "\n"), 4);
}

/* A parser says what it stumbled over, and the API server's answers hold the token. */
static void what_is_said_of_an_odd_answer_shows_no_token(void **state)
{
	static const char *const rows[] = { "{'spec':{'token':'" GOOD, "{'spec':{'token':'" GOOD "' 'oops'}}", GOOD, "{'kind':'" GOOD "'}",
					    "{'kind':'TokenReview','apiVersion':'" GOOD "','status':{}}" };
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ask(rig, 0, "Bearer " GOOD);
		answer(rig, 201, rows[i]);
		assert_int_equal(said(rig, "no TokenReview"), i + 1);
		assert_int_equal(said(rig, SECRET), 0);
		assert_int_equal(status_of(rig, "Bearer " BAD), 401); /* all is well again */
		rig->mono += REVIEWER_REFUSED_MS;
	}
}

static void an_endless_answer_is_none(void **state)
{
	struct rig *rig = *state;
	const size_t len = ACCESSREVIEW_BYTES_MAX + 100;
	char *text = memory_alloc(len + 1);

	memset(text, ' ', len);
	memcpy(text, "{\"a\":\"", 6);
	memset(text + 6, 'x', len - 6);
	ask(rig, 0, "Bearer " GOOD);
	answer_bytes(rig, 201, text, len);
	assert_int_equal(rig->clients[0].status, 503);
	free(text);
}

static void a_user_of_any_name_is_passed_on_as_it_is(void **state)
{
	struct rig *rig = *state;
	char name[2000], review[3000];

	ask(rig, 0, "Bearer " GOOD);
	answer(rig, 201, TOKEN_REVIEW("'authenticated':true,'user':{'username':'a\\'b\\u0007\\u00e4'}"));
	assert_int_equal(rig->n_calls, 1);
	assert_non_null(strstr(rig->calls[0]->body, "\"user\":\"a\\\"b\\u0007\xc3\xa4\""));
	answer(rig, 201, REFUSED);
	assert_int_equal(rig->clients[0].status, 403);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(review, sizeof(review), TOKEN_REVIEW("'authenticated':true,'user':{'username':'%s'}"), name);
	ask(rig, 1, "Bearer " GOOD "2");
	answer(rig, 201, review);
	assert_int_equal(rig->clients[1].status, 503);
}

/* ---- bounds ---- */

static const char *numbered(char text[64], int i)
{
	snprintf(text, 64, "Bearer " BAD "%d", i);
	return text;
}

/* Reviews of strangers that are asked for, one a millisecond, and how many are. Nobody has asked for a while before. */
static unsigned reviews_of_a_crowd(struct rig *rig, int size)
{
	const unsigned before = rig->token_reviews;
	char text[64];

	for (int i = 0; i < size; i++) {
		const int status = status_of(rig, numbered(text, i));

		if (status != 401)
			assert_int_equal(status, 503);
		rig->mono++;
	}
	return rig->token_reviews - before;
}

static void strangers_are_asked_about_ten_times_a_second(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(reviews_of_a_crowd(rig, 1000), 29); /* 20, and another each 100 ms */
	rig->mono += 10 * 1000;
	assert_int_equal(reviews_of_a_crowd(rig, 1), 1);
	rig->mono += 10 * 1000;
	assert_int_equal(reviews_of_a_crowd(rig, 99), 20);
	assert_non_null(strstr(rig->clients[CLIENTS - 1].text, "too many"));
}

static void so_many_strangers_are_asked_about_at_once_and_no_more(void **state)
{
	struct rig *rig = *state;
	char text[REVIEWER_STRANGERS + 2][64];

	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	rig->mono += REVIEWER_ALLOWED_MS;
	assert_true(ask(rig, CLIENTS - 1, "Bearer " GOOD)->waits); /* one that is known is none of them */
	for (int i = 0; i < REVIEWER_STRANGERS; i++) {
		assert_true(ask(rig, i, numbered(text[i], i))->waits);
		rig->mono += 100;
	}
	assert_int_equal(ask(rig, REVIEWER_STRANGERS, numbered(text[REVIEWER_STRANGERS], REVIEWER_STRANGERS))->status, 503);
	assert_int_equal(rig->n_calls, 1 + REVIEWER_STRANGERS);
	assert_true(ask(rig, REVIEWER_STRANGERS + 1, text[3])->waits); /* who joins takes no place */
	answer(rig, 201, KNOWN);
	answer(rig, 201, UNKNOWN);
	assert_true(ask(rig, REVIEWER_STRANGERS, text[REVIEWER_STRANGERS])->waits);
	serve(rig);
	for (int i = 0; i < REVIEWER_STRANGERS + 2; i++)
		assert_int_equal(rig->clients[i].status, 401);
}

/* Each with its own place, so as many as strangers leave. */
static void who_was_allowed_lately_is_asked_about_whatever_the_crowd_does(void **state)
{
	enum { KNOWN_ONES = REVIEWER_VERDICTS - REVIEWER_STRANGERS, CROWD = 2 * REVIEWER_VERDICTS };
	struct rig *rig = *state;
	char known[KNOWN_ONES][64], text[CLIENTS][64];

	for (int i = 0; i < KNOWN_ONES; i++) {
		snprintf(known[i], sizeof(known[i]), "Bearer " GOOD "%d", i);
		assert_int_equal(status_of(rig, known[i]), 200);
	}
	for (int round = 0; round < 3; round++) {
		unsigned waiting = 0;

		rig->mono += REVIEWER_ALLOWED_MS;
		for (int i = 0; i < CROWD; i++, rig->mono += 60) /* nobody is answered meanwhile */
			waiting += ask(rig, i, numbered(text[i], i))->waits;
		assert_int_equal(waiting, REVIEWER_STRANGERS);
		assert_int_equal(ask(rig, CLIENTS - 1, "Bearer " GOOD "new")->status, 503);
		for (int i = 0; i < KNOWN_ONES; i++)
			assert_true(ask(rig, CROWD + i, known[i])->waits);
		while (round == 1 && rig->n_calls > 0) /* who gets no answer stays known */
			answer(rig, 500, "");
		serve(rig);
		for (int i = 0; i < KNOWN_ONES; i++)
			assert_int_equal(rig->clients[CROWD + i].status, round == 1 ? 503 : 200);
	}
}

/* How a known one is answered when strangers have used up their reviews. */
static bool is_known(struct rig *rig, const char *authorization)
{
	char text[64];
	int i = 0;

	while (status_of(rig, numbered(text, i)) == 401)
		i++;
	return ask(rig, 0, authorization)->waits;
}

static void who_was_allowed_ten_minutes_ago_is_a_stranger(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	rig->mono += REVIEWER_KNOWN_MS - 1;
	assert_true(is_known(rig, "Bearer " GOOD));
	serve(rig);
	rig->mono += REVIEWER_KNOWN_MS;
	assert_false(is_known(rig, "Bearer " GOOD));
}

static void who_is_allowed_no_more_is_a_stranger(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	rig->mono += REVIEWER_ALLOWED_MS;
	ask(rig, 0, "Bearer " GOOD);
	answer(rig, 201, UNKNOWN);
	assert_int_equal(rig->clients[0].status, 401);
	rig->mono += REVIEWER_REFUSED_MS;
	assert_false(is_known(rig, "Bearer " GOOD));
}

static void a_crowd_without_rights_takes_nobodys_verdict(void **state)
{
	struct rig *rig = *state;
	char text[64];

	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	for (int i = 0; i < 90; i++, rig->mono += 100)
		assert_int_equal(status_of(rig, numbered(text, i)), 401);
	const unsigned before = asked(rig);

	assert_int_equal(status_of(rig, "Bearer " GOOD), 200);
	assert_int_equal(status_of(rig, numbered(text, 89)), 401);
	assert_int_equal(asked(rig), before);
	for (int i = 0; i < 3 * REVIEWER_VERDICTS; i++, rig->mono += 100) /* until it is the oldest, and over */
		assert_int_equal(status_of(rig, numbered(text, i)), 401);
	assert_true(is_known(rig, "Bearer " GOOD));
}

/* So many, one after the other. */
static void let_in(struct rig *rig, int n)
{
	char text[64];

	for (int i = 0; i < n; i++, rig->mono += 100) {
		snprintf(text, sizeof(text), "Bearer " GOOD "%d", i);
		assert_int_equal(status_of(rig, text), 200);
	}
}

static void of_many_who_may_the_oldest_makes_room(void **state)
{
	struct rig *rig = *state;

	let_in(rig, REVIEWER_VERDICTS + 1);
	const unsigned before = asked(rig);

	assert_int_equal(status_of(rig, "Bearer " GOOD "1"), 200);
	assert_int_equal(asked(rig), before);
	assert_int_equal(status_of(rig, "Bearer " GOOD "0"), 200);
	assert_int_equal(asked(rig), before + 2);
}

static void what_is_over_makes_room_first(void **state)
{
	struct rig *rig = *state;

	let_in(rig, REVIEWER_VERDICTS - 2);
	ask(rig, 0, "Bearer " BAD "older");
	rig->mono += 100;
	ask(rig, 1, "Bearer " BAD "newer");
	struct call *older = take_call(rig, 0);

	answer(rig, 201, UNKNOWN);
	rig->mono += REVIEWER_REFUSED_MS;
	rig->calls[rig->n_calls++] = older;
	answer(rig, 201, UNKNOWN);
	assert_int_equal(status_of(rig, "Bearer " BAD "another"), 401);
	const unsigned before = asked(rig);

	assert_int_equal(status_of(rig, "Bearer " BAD "older"), 401);
	assert_int_equal(asked(rig), before);
	assert_int_equal(status_of(rig, "Bearer " BAD "newer"), 401);
	assert_int_equal(asked(rig), before + 1);
}

static void it_can_go_with_some_who_wait(void **state)
{
	struct rig *rig = *state;

	ask(rig, 0, "Bearer " GOOD);
	ask(rig, 1, "Bearer " GOOD);
	ask(rig, 2, "Bearer " POOR);
	answer(rig, 201, KNOWN);
	assert_int_equal(rig->n_calls, 2);
	reviewer_free(rig->reviewer);
	rig->reviewer = NULL;
	assert_int_equal(rig->n_calls, 0);
	for (int i = 0; i < 3; i++)
		assert_false(rig->clients[i].answered);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(who_may_is_let_through_and_who_they_are_goes_along),
		TEST(who_says_nothing_or_nonsense_is_told_so_unasked),
		TEST(the_scheme_has_any_case_and_room_around),
		TEST(each_answer_has_its_status),
		TEST(a_refusal_names_the_user_and_the_missing_right),
		TEST(a_yes_holds_ten_seconds_from_the_question),
		TEST(a_no_holds_two_seconds),
		TEST(a_verdict_is_of_a_token_a_verb_and_a_path),
		TEST(all_who_bring_the_same_token_wait_for_one_answer),
		TEST(the_next_handler_may_answer_later),
		TEST(no_answer_is_no_yes_and_is_not_kept),
		TEST(a_broken_connection_is_tried_once_more),
		TEST(both_reviews_share_ten_seconds),
		TEST(a_trouble_is_said_once_and_its_end_too),
		TEST(what_is_said_of_an_odd_answer_shows_no_token),
		TEST(an_endless_answer_is_none),
		TEST(a_user_of_any_name_is_passed_on_as_it_is),
		TEST(strangers_are_asked_about_ten_times_a_second),
		TEST(so_many_strangers_are_asked_about_at_once_and_no_more),
		TEST(who_was_allowed_lately_is_asked_about_whatever_the_crowd_does),
		TEST(who_was_allowed_ten_minutes_ago_is_a_stranger),
		TEST(who_is_allowed_no_more_is_a_stranger),
		TEST(a_crowd_without_rights_takes_nobodys_verdict),
		TEST(of_many_who_may_the_oldest_makes_room),
		TEST(what_is_over_makes_room_first),
		TEST(it_can_go_with_some_who_wait),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
