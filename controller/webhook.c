/*
 * Owns: the reviews under way and what has been looked up for them; which rules apply to which request.
 * Must not know: sockets, any kind by name, any rule.
 * Invariants: each object is looked up at most once a review, and LOOKS_MAX of them; a request that changes nothing that is judged is let
 * through, whatever the object is like; nothing is written, so that a dry run is like any other.
 */
#include "webhook.h"

#include <stdlib.h>
#include <string.h>

#include "cardnumber.h"
#include "frame.h"
#include "kind.h"
#include "lookup.h"
#include "memory.h"
#include "pki.h"
#include "review.h"
#include "stopwatch.h"

enum { LOOKS_MAX = 8, NAME_BYTES_MAX = 253 };

const char *const webhook_paths[WEBHOOKS] = { "/mutate", "/validate" };

struct webhook {
	struct webhook_config config;
	struct arena arena; /* of the judgement at hand */
	struct frame frame; /* of the body at hand */
	struct error fault; /* what is wrong with it */
	struct inquiry *inquiries;
	struct webhook_stats stats;
};

/* One review, from its request to its answer. */
struct inquiry {
	struct webhook *webhook;
	struct inquiry *next, **link;
	struct review review;
	int path;
	int64_t began_ns;
	struct exchange *exchange; /* set once it is to be answered later */
	void *object, *old;        /* records; NULL where there is none, or it cannot be read */
	struct look *looks;
	void **found;              /* the records of looks, to be freed */
	size_t n_looks, n_lookups;
	uint32_t listed;
	struct key looking; /* what `lookup` asks for; holds references */
	struct lookup *lookup;
	bool blind; /* the API server did not answer: what the cache says has to do */
};

/* What is to be said, or what must be known before. */
struct judgement {
	const char *refusal; /* NULL = allowed */
	char *patch;         /* malloc'ed JSON; NULL = none */
	struct key basis;    /* look this up first; kind KIND_COUNT = no need */
};

/* ---- the life of an inquiry ---- */

static const struct resource *resource_of(const struct inquiry *q)
{
	return kinds[q->review.kind].resource;
}

static struct inquiry *inquiry_new(struct webhook *webhook, int path)
{
	struct inquiry *q = memory_alloc(sizeof(*q));

	*q = (struct inquiry){ .webhook = webhook, .next = webhook->inquiries, .link = &webhook->inquiries, .path = path,
			       .began_ns = stopwatch_ns(), .review.kind = KIND_COUNT };
	if (q->next)
		q->next->link = &q->next;
	webhook->inquiries = q;
	webhook->stats.in_flight++;
	webhook->stats.paths[path].in_flight++;
	return q;
}

static void forget_key(struct atoms *atoms, struct key *key)
{
	atom_unref(atoms, key->ns);
	atom_unref(atoms, key->name);
	*key = (struct key){ 0 };
}

static void inquiry_free(struct inquiry *q)
{
	struct webhook *webhook = q->webhook;

	if (q->lookup)
		lookup_cancel(q->lookup);
	forget_key(webhook->config.atoms, &q->looking);
	for (size_t i = 0; i < q->n_looks; i++) {
		if (q->found[i])
			record_free(webhook->config.codec, kinds[q->looks[i].key.kind].resource, q->found[i]);
		forget_key(webhook->config.atoms, &q->looks[i].key);
	}
	free(q->looks);
	free(q->found);
	if (q->object)
		record_free(webhook->config.codec, resource_of(q), q->object);
	if (q->old)
		record_free(webhook->config.codec, resource_of(q), q->old);
	review_free(&q->review);
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	webhook->stats.in_flight--;
	webhook->stats.paths[q->path].in_flight--;
	free(q);
}

/* ---- what is known ---- */

static instant_t now_of(const struct inquiry *q)
{
	return q->webhook->config.port->now(q->webhook->config.port->self);
}

static struct admission admission_of(const struct inquiry *q)
{
	return (struct admission){ .operation = q->review.operation, .object = q->object, .old = q->old,
				   .view = cache_view(q->webhook->config.cache), .looks = q->looks, .n_looks = q->n_looks,
				   .listed = q->listed, .now = now_of(q) };
}

/* Takes references to the key's atoms, and the record. */
static void keep_look(struct inquiry *q, struct key key, void *record)
{
	q->found = memory_resize(q->found, (q->n_looks + 1) * sizeof(*q->found));
	q->found[q->n_looks] = record;
	q->looks = memory_resize(q->looks, (q->n_looks + 1) * sizeof(*q->looks));
	q->looks[q->n_looks++] = (struct look){ .key = { .kind = key.kind, .ns = atom_ref(key.ns), .name = atom_ref(key.name) },
						.object = record };
}

static bool looked_up(const struct inquiry *q, struct key key)
{
	if (q->listed & 1u << key.kind)
		return true;
	for (size_t i = 0; i < q->n_looks; i++)
		if (key_equal(q->looks[i].key, key))
			return true;
	return false;
}

/* Defaults are asked for before the schema is: a name that no object can have need not be looked for (RFC 1123 subdomain). */
static bool is_possible(atom_t name)
{
	size_t len = name ? strlen(name->text) : 0;

	return !name || (len > 0 && len <= NAME_BYTES_MAX && strspn(name->text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
			 name->text[0] != '.');
}

static bool worth_a_look(const struct inquiry *q, struct key basis)
{
	return basis.kind < KIND_COUNT && is_possible(basis.ns) && is_possible(basis.name) && !q->blind && q->n_lookups < LOOKS_MAX && !looked_up(q, basis);
}

/* ---- judging ---- */

static struct judgement allowed(void)
{
	return (struct judgement){ .basis = BASIS_NONE };
}

static struct judgement refused(const char *message)
{
	return (struct judgement){ .refusal = message, .basis = BASIS_NONE };
}

/* Everything in a namespace that is on its way out goes with it. */
static bool namespace_ends(const struct inquiry *q)
{
	atom_t ns = atom_find(q->webhook->config.atoms, q->review.ns, strlen(q->review.ns));
	const struct object *namespace = ns ? view_get(cache_view(q->webhook->config.cache), KIND_NAMESPACE, NULL, ns) : NULL;

	return namespace && namespace->deleted;
}

struct card_search {
	struct arena *arena;
	const char *refusal;
};

static bool look_for_card(void *context, const char *path, const char *text)
{
	struct card_search *search = context;

	if (card_number_in(text))
		search->refusal = arena_printf(search->arena, "%s: must not hold a payment card number: it would be stored and shown in plain text; "
							      "remove it", path);
	return !search->refusal;
}

/* Reads what is judged into q->object and q->old. False with a refusal (or none, where it must pass) in *said. */
static bool read_records(struct inquiry *q, struct judgement *said)
{
	const struct review *review = &q->review;
	struct codec *codec = q->webhook->config.codec;
	struct error err = { 0 };

	*said = allowed();
	if (review->operation != ADMISSION_CREATE && !q->old && !(q->old = review_record(codec, review, true, now_of(q), &err)))
		return false; /* what is stored already may be odd; it can be put right, or deleted */
	if (review->operation != ADMISSION_DELETE && !q->object && !(q->object = review_record(codec, review, false, now_of(q), &err))) {
		if (review->spec_changed)
			*said = refused(arena_printf(&q->webhook->arena, "%s", err.message));
		return false;
	}
	return true;
}

static struct judgement judge_rules(struct inquiry *q)
{
	const struct reconciler *kind = kinds[q->review.kind].reconciler;
	struct judgement said;

	if (!kind->validate || (q->review.operation == ADMISSION_UPDATE && !q->review.spec_changed && !kind->judges_metadata))
		return allowed();
	if (!read_records(q, &said))
		return said;
	const struct admission admission = admission_of(q);
	const struct refusal refusal = kind->validate(&admission, &q->webhook->arena);
	return (struct judgement){ .refusal = refusal.message, .basis = refusal.message ? refusal.basis : BASIS_NONE };
}

static struct judgement validate(struct inquiry *q)
{
	const struct review *review = &q->review;
	struct card_search search = { .arena = &q->webhook->arena };

	if (review->being_deleted || (review->subresource[0] && strcmp(review->subresource, "status") != 0))
		return allowed();
	if (review->operation == ADMISSION_DELETE)
		return namespace_ends(q) ? allowed() : judge_rules(q);
	review_each_text(review, look_for_card, &search);
	if (search.refusal)
		return refused(search.refusal);
	return review->subresource[0] ? allowed() : judge_rules(q);
}

static struct judgement mutate(struct inquiry *q)
{
	const struct reconciler *kind = kinds[q->review.kind].reconciler;
	struct judgement said;
	struct defaults defaults = { .basis = BASIS_NONE };

	if (!kind->defaults || q->review.operation != ADMISSION_CREATE || q->review.subresource[0])
		return allowed();
	if (!read_records(q, &said))
		return allowed(); /* the schema will say what is wrong with it */
	const struct admission admission = admission_of(q);
	kind->defaults(&admission, &defaults, &q->webhook->arena);
	if (worth_a_look(q, defaults.basis))
		return (struct judgement){ .basis = defaults.basis };
	return (struct judgement){ .patch = review_patch(&q->review, &defaults), .basis = BASIS_NONE };
}

static struct judgement judge(struct inquiry *q)
{
	if (q->review.kind == KIND_COUNT || !q->review.operation)
		return allowed();
	return q->path == WEBHOOK_MUTATE ? mutate(q) : validate(q);
}

/* ---- answering ---- */

/* What was sent is in no log; who sent it, and what about, is. */
static void log_refusal(const struct inquiry *q, const char *message)
{
	static const char *const operations[] = { [ADMISSION_CREATE] = "CREATE", [ADMISSION_UPDATE] = "UPDATE", [ADMISSION_DELETE] = "DELETE" };

	log_debug(q->webhook->config.log, "refused", "operation", operations[q->review.operation], "kind", resource_of(q)->kind, "namespace",
		  q->review.ns, "name", q->review.name, "user", q->review.username, "message", message);
}

static struct server_reply answer_of(struct inquiry *q, const struct judgement *said)
{
	struct webhook *webhook = q->webhook;
	cleanup_free char *patch = said->patch ? pki_encode(said->patch) : NULL;
	char *body = review_answer(q->review.uid, said->refusal, patch);
	double seconds = stopwatch_seconds_since(q->began_ns);

	if (said->refusal)
		log_refusal(q, said->refusal);
	webhook->stats.paths[q->path].ok++;
	webhook->stats.paths[q->path].refused += said->refusal != NULL;
	webhook->stats.paths[q->path].patched += said->patch != NULL;
	histogram_observe(&webhook->stats.paths[q->path].seconds, seconds);
	histogram_observe(&webhook->stats.paths[q->path].latency, seconds);
	return (struct server_reply){ .status = 200, .content_type = "application/json", .body = body, .body_len = strlen(body) };
}

static void start_looking(struct inquiry *q, struct key basis);

/* True with the reply when all is said; false while something is looked up. */
static bool proceed(struct inquiry *q, struct server_reply *reply)
{
	struct judgement said = judge(q);
	bool final = !worth_a_look(q, said.basis);

	if (final)
		*reply = answer_of(q, &said);
	else
		start_looking(q, said.basis);
	free(said.patch);
	arena_reset(&q->webhook->arena);
	cache_end_looks(q->webhook->config.cache);
	return final;
}

static void on_found(void *context, struct key key, void *record)
{
	keep_look(context, key, record);
}

static void on_done(void *context, bool complete)
{
	struct inquiry *q = context;
	struct server_reply reply;

	q->lookup = NULL;
	if (!complete)
		q->blind = true;
	else if (!q->looking.name)
		q->listed |= 1u << q->looking.kind;
	else if (!looked_up(q, q->looking))
		keep_look(q, q->looking, NULL);
	forget_key(q->webhook->config.atoms, &q->looking);
	if (!proceed(q, &reply))
		return;
	q->webhook->config.answer(q->exchange, &reply);
	inquiry_free(q);
}

static void start_looking(struct inquiry *q, struct key basis)
{
	const struct webhook_config *config = &q->webhook->config;
	const struct lookup_listener listener = { .context = q, .found = on_found, .done = on_done };

	q->n_lookups++;
	q->webhook->stats.paths[q->path].looks++;
	q->looking = (struct key){ .kind = basis.kind, .ns = atom_ref(basis.ns), .name = atom_ref(basis.name) };
	q->lookup = lookup_start(config->port, config->codec, q->looking, &listener);
}

static struct server_reply plain(int status, const char *text)
{
	return (struct server_reply){ .status = status, .content_type = "text/plain; charset=utf-8", .body = memory_strdup(text),
				      .body_len = strlen(text) };
}

static struct server_reply turned_away(struct webhook *webhook, int path, int64_t began_ns, int status, const char *text)
{
	if (status == 400)
		webhook->stats.paths[path].bad++;
	else
		webhook->stats.paths[path].unavailable++;
	histogram_observe(&webhook->stats.paths[path].latency, stopwatch_seconds_since(began_ns));
	return plain(status, text);
}

static bool is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return !content_type[0] ||
	       (strncmp(content_type, json, len) == 0 && (!content_type[len] || strchr("; ", content_type[len])));
}

static int path_of(const char *path)
{
	int i = 0;

	while (i < WEBHOOKS && strcmp(path, webhook_paths[i]) != 0)
		i++;
	return i;
}

static int take_review(void *context, enum slice_type type, const char *text, size_t len)
{
	struct inquiry *q = context;

	(void)type;
	return review_decode(text, len, &q->review, &q->webhook->fault);
}

/* What anybody may put into managedFields (any key, any depth, any number) must not stand in the way of an edit or a deletion. */
static int read_review(struct inquiry *q, const struct server_request *request)
{
	struct webhook *webhook = q->webhook;

	webhook->fault = (struct error){ 0 };
	frame_reset(&webhook->frame, FRAME_REVIEW);
	if (request->body && frame_push(&webhook->frame, request->body, request->body_len, take_review, q, &webhook->fault) < 0)
		return -1;
	return frame_finish(&webhook->frame, take_review, q, &webhook->fault);
}

bool webhook_handle(void *context, const struct server_request *request, struct exchange *exchange, struct server_reply *reply)
{
	struct webhook *webhook = context;
	int path = path_of(request->path);
	int64_t began_ns = stopwatch_ns();

	if (path == WEBHOOKS) {
		*reply = plain(404, "try /validate or /mutate\n");
		return true;
	}
	if (!is_json(request->content_type)) {
		*reply = turned_away(webhook, path, began_ns, 400, "the body must be application/json\n");
		return true;
	}
	if (!*webhook->config.synced) {
		*reply = turned_away(webhook, path, began_ns, 503, "not every kind has been listed yet; try again in a moment\n");
		return true;
	}
	struct inquiry *q = inquiry_new(webhook, path);
	if (read_review(q, request) < 0) {
		cleanup_free char *text = memory_printf("%s\n", webhook->fault.message);
		*reply = turned_away(webhook, path, began_ns, 400, text);
		inquiry_free(q);
		return true;
	}
	bool final = proceed(q, reply);
	if (final)
		inquiry_free(q);
	else
		q->exchange = exchange;
	return final;
}

/* ---- the whole ---- */

struct webhook *webhook_new(const struct webhook_config *config)
{
	struct webhook *webhook = memory_alloc(sizeof(*webhook));

	webhook->config = *config;
	for (int i = 0; i < WEBHOOKS; i++) {
		webhook->stats.paths[i].seconds.buckets = &buckets_short;
		webhook->stats.paths[i].latency.buckets = &buckets_decades;
	}
	arena_init(&webhook->arena);
	frame_init(&webhook->frame, FRAME_REVIEW, REVIEW_BYTES_MAX);
	return webhook;
}

void webhook_free(struct webhook *webhook)
{
	if (!webhook)
		return;
	for (struct inquiry *q = webhook->inquiries, *next; q; q = next) {
		next = q->next;
		inquiry_free(q);
	}
	arena_close(&webhook->arena);
	frame_close(&webhook->frame);
	free(webhook);
}

const struct webhook_stats *webhook_stats(const struct webhook *webhook)
{
	return &webhook->stats;
}
