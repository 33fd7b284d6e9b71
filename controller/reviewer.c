/*
 * Owns: the verdicts, and the requests that wait for one.
 * Must not know: sockets, JSON, what is behind the door.
 *
 *   no verdict ─→ TokenReview ─→ nobody's ───────────────────────→ 401, kept a moment
 *        ↑             └→ whose ─→ SubjectAccessReview ─→ no ────→ 403, kept a moment
 *        │                                  └────→ yes ──────────→ the next handler, kept longer
 *        └── no usable answer (503) ←── either, within the time for both
 *
 * Invariants: one flight for the same token, verb and path, whoever waits for it; a flight has somebody who waits, whose request (valid
 * until it is answered) holds the token; what is not a clear yes is no; strangers never hold so many places that the known lose theirs, and
 * cost no more reviews than the bucket gives. No token is in a message, nor in what one is made of.
 */
#include "reviewer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accessreview.h"
#include "bucket.h"
#include "frame.h"
#include "memory.h"
#include "pki.h"

#define TOKEN_REVIEWS "/apis/authentication.k8s.io/v1/tokenreviews"
#define ACCESS_REVIEWS "/apis/authorization.k8s.io/v1/subjectaccessreviews"

enum { OK = 200, CREATED = 201, BAD_REQUEST = 400, UNAUTHORIZED = 401, FORBIDDEN = 403, UNAVAILABLE = 503, VERB_SIZE = 8 };

struct waiter {
	struct waiter *next;
	const struct server_request *request;
	struct exchange *exchange;
};

/* Two questions to the API server, the second with the answer to the first. */
struct flight {
	struct reviewer *reviewer;
	struct verdict *verdict;
	struct waiter *waiters; /* at least one */
	struct call *call;
	struct frame body; /* of the answer */
	struct tokenreview who; /* user NULL: the first question */
	struct error problem; /* with that answer */
	bool again; /* asked once more, since the connection broke */
};

struct verdict {
	unsigned char of[PKI_DIGEST_BYTES]; /* token, verb and path */
	int64_t asked_ms, until_ms; /* monotonic; it is kept up to `until` */
	int64_t known_ms; /* up to when it keeps its place, verdict or not, as one that was a yes */
	struct flight *flight; /* NULL: settled, or with nothing kept nor known, free */
	int status; /* OK, UNAUTHORIZED, FORBIDDEN */
	char *user; /* FORBIDDEN: whose token it is */
};

struct reviewer {
	struct reviewer_config config;
	struct verdict verdicts[REVIEWER_VERDICTS];
	struct bucket strangers; /* their reviews */
	const char *trouble; /* what was said last about it; NULL: all is well */
};

static int64_t mono(const struct reviewer *reviewer)
{
	return reviewer->config.port->monotonic_ms(reviewer->config.port->self);
}

/* ---- requests ---- */

static bool is_printable(const char *text)
{
	while (*text > ' ' && *text <= '~')
		text++;
	return *text == '\0';
}

/* The token of "Bearer <token>" (RFC 6750, 2.1), malloc'ed; NULL if the field holds none. */
static char *token_of(const struct server_request *request)
{
	static const char scheme[] = "Bearer ";
	const char *begin = request->authorization, *end;
	char *token;

	if (strncasecmp(begin, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	begin += sizeof(scheme) - 1;
	begin += strspn(begin, " ");
	end = begin + strcspn(begin, " ");
	if (end == begin || end[strspn(end, " ")] != '\0')
		return NULL;
	token = memory_strndup(begin, (size_t)(end - begin));
	if (is_printable(token))
		return token;
	pki_forget(token);
	return NULL;
}

/* As the API server names them: the method in small letters. */
static const char *verb_of(const struct server_request *request, char verb[VERB_SIZE])
{
	size_t i = 0;

	for (; i < VERB_SIZE - 1 && request->method[i] != '\0'; i++)
		verb[i] = (char)tolower((unsigned char)request->method[i]);
	verb[i] = '\0';
	return verb;
}

static void say(struct server_reply *reply, int status, char *text)
{
	*reply = (struct server_reply){ .status = status, .content_type = "text/plain; charset=utf-8", .body = text, .body_len = strlen(text) };
}

static void say_forbidden(struct server_reply *reply, const struct server_request *request, const char *user)
{
	char verb[VERB_SIZE];

	say(reply, FORBIDDEN,
	    memory_printf("user \"%s\" may not: it needs a ClusterRole with nonResourceURLs: [%s] verbs: [%s]\n", user, request->path,
			  verb_of(request, verb)));
}

/* What a verdict means for a request: as server_handler.handle. */
static bool conclude(const struct reviewer *reviewer, int status, const char *user, const struct server_request *request,
		     struct exchange *exchange, struct server_reply *reply)
{
	switch (status) {
	case OK:
		return reviewer->config.next.handle(reviewer->config.next.context, request, exchange, reply);
	case UNAUTHORIZED:
		say(reply, status, memory_strdup("the token is nobody's, or has expired\n"));
		return true;
	case FORBIDDEN:
		say_forbidden(reply, request, user);
		return true;
	default:
		say(reply, status, memory_strdup("the API server, which knows who may, gives no answer; the log says more\n"));
		return true;
	}
}

/* ---- verdicts ---- */

static bool is_kept(const struct verdict *verdict, int64_t now_ms)
{
	return verdict->flight || now_ms < verdict->until_ms;
}

static bool is_known(const struct verdict *verdict, int64_t now_ms)
{
	return now_ms < verdict->known_ms;
}

/* Its verdict, or its place. */
static struct verdict *find(struct reviewer *reviewer, const unsigned char of[PKI_DIGEST_BYTES])
{
	const int64_t now_ms = mono(reviewer);

	for (struct verdict *verdict = reviewer->verdicts; verdict < reviewer->verdicts + REVIEWER_VERDICTS; verdict++)
		if ((is_kept(verdict, now_ms) || is_known(verdict, now_ms)) && memcmp(verdict->of, of, PKI_DIGEST_BYTES) == 0)
			return verdict;
	return NULL;
}

/* Which of two that are settled to give up: one that is over, then a refusal, then the known who was asked about longest ago. */
static bool goes_before(const struct verdict *a, const struct verdict *b, int64_t now_ms)
{
	if (is_known(a, now_ms) != is_known(b, now_ms))
		return !is_known(a, now_ms);
	if (is_kept(a, now_ms) != is_kept(b, now_ms))
		return !is_kept(a, now_ms);
	return a->asked_ms < b->asked_ms;
}

static void forget(struct verdict *verdict)
{
	free(verdict->user);
	*verdict = (struct verdict){ 0 };
}

/* An empty place for a stranger, whose review is paid for; NULL when too many are under way, or were a moment ago. */
static struct verdict *make_place(struct reviewer *reviewer)
{
	const int64_t now_ms = mono(reviewer);
	struct verdict *place = NULL;
	unsigned under_way = 0;

	for (struct verdict *verdict = reviewer->verdicts; verdict < reviewer->verdicts + REVIEWER_VERDICTS; verdict++) {
		under_way += verdict->flight && !is_known(verdict, now_ms);
		if (!verdict->flight && (!place || goes_before(verdict, place, now_ms)))
			place = verdict;
	}
	if (!place || under_way >= REVIEWER_STRANGERS || bucket_wait(&reviewer->strangers, now_ms) > 0)
		return NULL;
	bucket_take(&reviewer->strangers, now_ms);
	forget(place);
	return place;
}

/* ---- what people are told ---- */

/* Each trouble when it begins, not with each request. */
static void note_trouble(struct reviewer *reviewer, const char *words, const struct error *err)
{
	if (reviewer->trouble == words)
		return;
	reviewer->trouble = words;
	log_warn(reviewer->config.log, words, "error", err->message);
}

static void note_well(struct reviewer *reviewer)
{
	if (reviewer->trouble)
		log_info(reviewer->config.log, "the API server says again who may read metrics");
	reviewer->trouble = NULL;
}

/* ---- flights ---- */

static void flight_free(struct flight *flight)
{
	for (struct waiter *waiter; (waiter = flight->waiters) != NULL;) {
		flight->waiters = waiter->next;
		free(waiter);
	}
	tokenreview_close(&flight->who);
	frame_close(&flight->body);
	free(flight);
}

static void wait_for(struct flight *flight, const struct server_request *request, struct exchange *exchange)
{
	struct waiter *waiter = memory_alloc(sizeof(*waiter));

	*waiter = (struct waiter){ .next = flight->waiters, .request = request, .exchange = exchange };
	flight->waiters = waiter;
}

/* The flight is over: a verdict (status, and the user where it matters), or none (UNAVAILABLE). */
static void land(struct flight *flight, int status)
{
	struct reviewer *reviewer = flight->reviewer;
	struct verdict *verdict = flight->verdict;

	verdict->flight = NULL;
	if (status == UNAVAILABLE) { /* the known stay so */
		if (!is_known(verdict, mono(reviewer)))
			forget(verdict);
	} else {
		verdict->status = status;
		verdict->known_ms = status == OK ? verdict->asked_ms + REVIEWER_KNOWN_MS : 0;
		verdict->until_ms = status == OK ? verdict->asked_ms + REVIEWER_ALLOWED_MS : mono(reviewer) + REVIEWER_REFUSED_MS;
		verdict->user = status == FORBIDDEN ? memory_strdup(flight->who.user) : NULL;
		note_well(reviewer);
	}
	for (const struct waiter *waiter = flight->waiters; waiter; waiter = waiter->next) {
		struct server_reply reply = { .status = OK };

		if (conclude(reviewer, status, flight->who.user, waiter->request, waiter->exchange, &reply))
			reviewer->config.answer(waiter->exchange, &reply);
	}
	flight_free(flight);
}

static int on_data(void *context, int status, const char *data, size_t len);
static void on_done(void *context, int status, int retry_after_ms, const struct error *transport);

static int left_ms(const struct flight *flight)
{
	return (int)(flight->verdict->asked_ms + REVIEWER_TIMEOUT_MS - mono(flight->reviewer));
}

/* Asks the question that is due. */
static void ask(struct flight *flight)
{
	const struct port *port = flight->reviewer->config.port;
	const struct reply reply = { .context = flight, .on_data = on_data, .on_done = on_done };
	char *token = flight->who.user ? NULL : token_of(flight->waiters->request);
	char *body = token ? tokenreview_body(token) : NULL;
	const char *text = body ? body : flight->who.question;
	const struct request request = { .method = "POST", .path = body ? TOKEN_REVIEWS : ACCESS_REVIEWS, .content_type = "application/json",
					 .body = text, .body_len = strlen(text), .timeout_ms = left_ms(flight) };

	frame_reset(&flight->body, FRAME_WHOLE);
	flight->problem = (struct error){ 0 };
	flight->call = port->send(port->self, &request, &reply);
	pki_forget(token);
	pki_forget(body);
}

static int take_owner(struct flight *flight, const char *text, size_t len)
{
	const struct server_request *request = flight->waiters->request;
	char verb[VERB_SIZE];

	return tokenreview_decode(text, len, verb_of(request, verb), request->path, &flight->who, &flight->problem);
}

static int take_right(struct flight *flight, const char *text, size_t len)
{
	bool allowed;
	const int result = accessreview_decode(text, len, &allowed, &flight->problem);

	flight->verdict->status = result == 0 && allowed ? OK : FORBIDDEN;
	return result;
}

static int take_slice(void *context, enum slice_type type, const char *text, size_t len)
{
	struct flight *flight = context;

	(void)type; /* FRAME_WHOLE knows but one */
	return flight->who.user ? take_right(flight, text, len) : take_owner(flight, text, len);
}

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct flight *flight = context;

	if (status != OK && status != CREATED) /* a word about it could hold the token */
		return 0;
	return frame_push(&flight->body, data, len, take_slice, flight, &flight->problem);
}

/* What else than an answer came. */
static void note_failure(struct flight *flight, int status, const struct error *transport)
{
	struct error err = flight->problem;

	if (transport && transport->class)
		err = *transport;
	else if (!err.class)
		error_set(&err, ERROR_RETRY, "HTTP %d", status);
	if (status == FORBIDDEN && !transport)
		note_trouble(flight->reviewer,
			     flight->who.user ? "nobody may read metrics: not allowed to create subjectaccessreviews; apply deploy/base" :
						"nobody may read metrics: not allowed to create tokenreviews; apply deploy/base",
			     &err);
	else
		note_trouble(flight->reviewer, "nobody may read metrics: the API server does not say who may", &err);
}

static bool read_answer(struct flight *flight)
{
	return !flight->problem.class && frame_finish(&flight->body, take_slice, flight, &flight->problem) == 0;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct flight *flight = context;
	const bool second = flight->who.user != NULL;

	(void)retry_after_ms; /* whoever asked will again */
	if (!transport && (status == OK || status == CREATED) && read_answer(flight)) {
		if (second)
			land(flight, flight->verdict->status);
		else if (!flight->who.user)
			land(flight, UNAUTHORIZED);
		else
			ask(flight);
	} else if (transport && transport->class == ERROR_RETRY && !flight->again && left_ms(flight) > 0) {
		flight->again = true; /* one that has rested may be dead; nothing is written twice here */
		ask(flight);
	} else {
		note_failure(flight, status, transport);
		land(flight, UNAVAILABLE);
	}
}

static struct flight *take_off(struct reviewer *reviewer, struct verdict *verdict, const unsigned char of[PKI_DIGEST_BYTES])
{
	struct flight *flight = memory_alloc(sizeof(*flight));

	flight->reviewer = reviewer;
	flight->verdict = verdict;
	frame_init(&flight->body, FRAME_WHOLE, ACCESSREVIEW_BYTES_MAX);
	verdict->flight = flight;
	verdict->asked_ms = mono(reviewer);
	memcpy(verdict->of, of, PKI_DIGEST_BYTES);
	return flight;
}

/* ---- the whole ---- */

struct reviewer *reviewer_new(const struct reviewer_config *config)
{
	struct reviewer *reviewer = memory_alloc(sizeof(*reviewer));

	reviewer->config = *config;
	bucket_init(&reviewer->strangers, REVIEWER_RATE, REVIEWER_BURST, mono(reviewer));
	return reviewer;
}

void reviewer_free(struct reviewer *reviewer)
{
	if (!reviewer)
		return;
	for (struct verdict *verdict = reviewer->verdicts; verdict < reviewer->verdicts + REVIEWER_VERDICTS; verdict++) {
		if (verdict->flight) {
			reviewer->config.port->cancel(reviewer->config.port->self, verdict->flight->call);
			flight_free(verdict->flight);
		}
		forget(verdict);
	}
	free(reviewer);
}

/* By the verdict on that token, which may be yet to come. */
static bool review(struct reviewer *reviewer, const char *token, const struct server_request *request, struct exchange *exchange,
		   struct server_reply *reply)
{
	unsigned char of[PKI_DIGEST_BYTES];
	char verb[VERB_SIZE];
	struct verdict *verdict;

	pki_digest((const char *const[]){ token, verb_of(request, verb), request->path }, 3, of);
	verdict = find(reviewer, of);
	if (verdict && verdict->flight) {
		wait_for(verdict->flight, request, exchange);
		return false;
	}
	if (verdict && is_kept(verdict, mono(reviewer)))
		return conclude(reviewer, verdict->status, verdict->user, request, exchange, reply);
	if (!verdict)
		verdict = make_place(reviewer);
	if (!verdict) {
		say(reply, UNAVAILABLE, memory_strdup("too many ask at once who they are\n"));
		return true;
	}
	wait_for(take_off(reviewer, verdict, of), request, exchange);
	ask(verdict->flight);
	return false;
}

bool reviewer_handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	char *token = token_of(request);
	bool answered = true;

	if (!token)
		say(reply, UNAUTHORIZED, memory_strdup("a bearer token is needed, such as a service account's\n"));
	else if (!is_printable(request->path))
		say(reply, BAD_REQUEST, memory_strdup("the path is not escaped\n"));
	else
		answered = review(context, token, request, exchange, reply);
	pki_forget(token);
	return answered;
}
