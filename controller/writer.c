/*
 * Owns: the requests under way about single objects, and the comparison that keeps steady state free of writes.
 * Must not know: why something is written, when it is tried again, any kind by name.
 * Invariant: at most one request a key; each write is guarded by the version or the UID that the decision saw.
 */
#include "writer.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "caps.h"
#include "frame.h"
#include "memory.h"

enum { WRITE_TIMEOUT_MS = 30000 };

const char *const write_type_names[WRITE_TYPES] = { "read", "create", "delete", "finalizer", "owner", "labels", "status" };

struct job {
	struct writer *writer;
	struct job *next, **link;
	struct key key; /* holds references */
	enum write_type type;
	struct turn turn;
	struct arena told;    /* holds what is to be told; empty for most */
	struct event *events;
	size_t n_events;
	const char *uid;      /* of the object that they are about */
	struct call *call;
	struct frame body;
	char *text; /* the answer's body */
	size_t len;
	char version[WIRE_VERSION_SIZE]; /* of the object in it, if that could be told without decoding; else "" */
	char *asked;	/* a status patch that says all of the status; NULL for most: */
	void *foreseen; /* the record that it leads to, but for its version */
};

struct writer {
	const struct port *port;
	struct cache *cache;
	struct codec *codec;
	struct atoms *atoms;
	struct writer_listener listener;
	struct job *jobs;
	struct arena arena;
	unsigned max_in_flight;
	struct writer_stats stats;
};

static void job_unlink(struct job *job)
{
	*job->link = job->next;
	if (job->next)
		job->next->link = job->link;
	job->writer->stats.in_flight--;
}

static void job_free(struct job *job)
{
	struct writer *w = job->writer;

	frame_close(&job->body);
	free(job->text);
	free(job->asked);
	record_free(w->codec, kinds[job->key.kind].resource, job->foreseen);
	arena_close(&job->told);
	atom_unref(w->atoms, job->key.ns);
	atom_unref(w->atoms, job->key.name);
	free(job);
}

static bool spells(struct frame_word word, atom_t atom)
{
	return atom ? frame_word_is(word, atom->text) : !word.at;
}

/* Where a finalizer is removed it must be told besides whether the object has gone with it. */
static void note_version(struct job *job)
{
	struct frame_head head;

	if (job->type != WRITE_FINALIZER && frame_head(&job->body, &head) && spells(head.name, job->key.name) && spells(head.ns, job->key.ns))
		frame_word_copy(head.resource_version, job->version, sizeof(job->version));
}

static int keep_body(void *context, enum slice_type type, const char *text, size_t len)
{
	struct job *job = context;

	(void)type;
	job->text = memory_strndup(text, len);
	job->len = len;
	note_version(job);
	return 0;
}

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct job *job = context;

	(void)status;
	return frame_push(&job->body, data, len, keep_body, job, NULL);
}

static bool is_about(const struct job *job, const struct object *object)
{
	return object->ns == job->key.ns && object->name == job->key.name;
}

/*
 * Does the answer's status say what we asked for, to the byte? Then the rest is the object at the version that guarded the patch, since
 * a status subresource changes nothing else (Kubernetes API conventions, "Spec and Status"). The server gives an object's members in the
 * order of their names, so the status comes last; in another order this is false, and the answer is decoded. That the brackets match
 * up to the end is known where the version is, so a text that ends like this has that member.
 */
static bool is_foreseen(const struct job *job)
{
	const char *status = job->asked ? strstr(job->asked, ",\"status\":") : NULL; /* before it are a version and a uid */
	const size_t asked = status ? strlen(status) : 0;
	size_t len = job->len;

	if (!status || !job->version[0])
		return false;
	while (len > 0 && job->text[len - 1] != '}')
		len--;
	return len > asked && memcmp(job->text + len - asked, status, asked) == 0;
}

static void *record_of(struct job *job, struct error *err)
{
	struct writer *w = job->writer;
	const struct resource *r = kinds[job->key.kind].resource;
	void *record;

	if (is_foreseen(job)) {
		record = job->foreseen;
		job->foreseen = NULL;
		record_set_version(record, job->version);
		w->stats.foreseen++;
		return record;
	}
	record = record_decode(w->codec, r, job->text ? job->text : "", job->len, err);
	if (record && !is_about(job, record)) {
		record_free(w->codec, r, record);
		record = NULL;
		error_set(err, ERROR_INVALID, "the answer is about another object");
	}
	return record;
}

/* An answer that holds an object. What is known already is not decoded. */
static int take_object(struct job *job, struct error *err)
{
	struct writer *w = job->writer;
	bool changed, going = false;

	if (job->version[0] && cache_write_end_known(w->cache, job->key, job->version, &changed)) {
		w->stats.known++;
	} else {
		void *record = record_of(job, err);

		if (!record) {
			cache_write_lost(w->cache, job->key);
			return -1;
		}
		going = job->type == WRITE_FINALIZER && ((const struct object *)record)->deleted; /* shown as it was at its end */
		changed = cache_write_end(w->cache, job->key, record);
	}
	if (!changed && job->type != WRITE_READ && !going)
		return error_set(err, ERROR_INVALID, "the API server took the %s and changed nothing", write_type_names[job->type]);
	return 0;
}

/* What the answer means for the cache. Returns -1 with err when the caller must come back. */
static int settle(struct job *job, int status, int retry_after_ms, const struct error *transport, struct error *err)
{
	struct writer *w = job->writer;

	if (!transport && frame_finish(&job->body, keep_body, job, err) < 0)
		transport = err;
	if (transport) { /* it may have been applied: look before it is repeated */
		cache_write_lost(w->cache, job->key);
		if (err != transport)
			*err = *transport;
		return -1;
	}
	if (status >= 200 && status < 300) {
		if (job->type == WRITE_DELETE) { /* the watch will tell when it is gone; finalizers may hold it */
			cache_write_end(w->cache, job->key, NULL);
			return 0;
		}
		return take_object(job, err);
	}
	status_error(status, job->text, job->len, retry_after_ms, err);
	if (status == 404 && job->type == WRITE_READ) {
		cache_read_missing(w->cache, job->key);
		return 0;
	}
	/* The finalizer's test failed, or the object went while we wrote: the cache was behind, which is no failure. */
	if ((status == 422 && job->type == WRITE_FINALIZER) || (status == 404 && strstr(err->message, job->key.name->text)))
		err->class = ERROR_CONFLICT;
	w->stats.conflicts += err->class == ERROR_CONFLICT;
	/* Refused at the door: nothing happened. Anything else says that the world is not as the cache has it (409, 404, a failed
	 * JSON Patch test is 422), or may hide that the write was applied (5xx from a proxy). */
	if (job->type != WRITE_READ && (status == 401 || status == 403 || status == 429))
		cache_write_end(w->cache, job->key, NULL);
	else
		cache_write_lost(w->cache, job->key);
	return -1;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct job *job = context;
	struct writer *w = job->writer;
	struct ending ending = { .key = job->key, .type = job->type, .turn = job->turn };
	struct error err = { 0 };
	int result = settle(job, status, retry_after_ms, transport, &err);

	job_unlink(job); /* whoever is told may start another request at once */
	if (result < 0) {
		w->stats.failed[job->type]++;
	} else {
		ending.events = job->events;
		ending.n_events = job->n_events;
		ending.uid = job->uid;
	}
	w->listener.finished(w->listener.context, &ending, result < 0 ? &err : NULL);
	job_free(job);
}

static struct job *start(struct writer *w, struct key key, struct turn turn, enum write_type type, const char *method, const char *path,
			 const char *content_type, const char *body)
{
	struct job *job = memory_alloc(sizeof(*job));
	const struct reply reply = { .context = job, .on_data = on_data, .on_done = on_done };
	const struct request request = { .method = method, .path = path, .content_type = content_type, .body = body,
					 .body_len = body ? strlen(body) : 0, .timeout_ms = WRITE_TIMEOUT_MS };

	job->writer = w;
	job->type = type;
	job->turn = turn;
	arena_init(&job->told);
	job->key = (struct key){ .kind = key.kind, .ns = atom_ref(key.ns), .name = atom_ref(key.name) };
	frame_init(&job->body, FRAME_WHOLE, CAP_OBJECT_BYTES);
	job->next = w->jobs;
	job->link = &w->jobs;
	if (job->next)
		job->next->link = &job->next;
	w->jobs = job;
	w->stats.in_flight++;
	w->stats.started[type]++;
	cache_write_begin(w->cache, job->key);
	job->call = w->port->send(w->port->self, &request, &reply);
	arena_reset(&w->arena);
	return job;
}

static const char *keep_text(struct job *job, const char *text)
{
	return text ? arena_strndup(&job->told, text, strlen(text)) : NULL;
}

/* What is to be told once this has been written: the decision's memory is gone by then. */
static void keep_events(struct job *job, const struct outcome *outcome, const char *uid)
{
	for (size_t i = 0; i < outcome->n_effects; i++) {
		const struct event *event = &outcome->effects[i].event;
		if (outcome->effects[i].type != EFFECT_EVENT)
			continue;
		if (!job->events) {
			job->events = arena_array(&job->told, struct event, outcome->n_effects);
			job->uid = keep_text(job, uid);
		}
		job->events[job->n_events++] = (struct event){ .warning = event->warning, .reason = keep_text(job, event->reason),
							       .action = keep_text(job, event->action), .note = keep_text(job, event->note) };
	}
}

/* Takes the body if it says all of what the status will be. */
static void foresee(struct job *job, const struct object *self, const void *status, char **body)
{
	job->foreseen = record_with_status(job->writer->codec, kinds[job->key.kind].resource, self, status);
	if (!job->foreseen)
		return;
	job->asked = *body;
	*body = NULL;
}

static bool create_or_delete(struct writer *w, struct key key, struct turn turn, const struct effect *effect)
{
	const struct resource *r = kinds[key.kind].resource;
	const struct object *self = view_get(cache_view(w->cache), key.kind, key.ns, key.name);
	cleanup_free char *body = NULL;

	if (effect->type == EFFECT_CREATE && !self) {
		body = object_body(r, key);
		start(w, key, turn, WRITE_CREATE, "POST", api_collection_path(r, key.ns, &w->arena), "application/json", body);
		return true;
	}
	if (effect->type == EFFECT_DELETE && self) {
		body = delete_body(self->uid);
		start(w, key, turn, WRITE_DELETE, "DELETE", api_object_path(r, key, NULL, &w->arena), "application/json", body);
		return true;
	}
	return false;
}

bool writer_carry_out(struct writer *w, struct key key, struct turn turn, const struct outcome *outcome)
{
	const struct kind *kind = &kinds[key.kind];
	const struct object *self = view_get(cache_view(w->cache), key.kind, key.ns, key.name);
	cleanup_free char *body = NULL;

	for (size_t i = 0; i < outcome->n_effects; i++)
		if (create_or_delete(w, key, turn, &outcome->effects[i]))
			return true;
	if (!self)
		return false;
	if (outcome->finalizer != FINALIZER_KEEP) {
		body = finalizer_patch(self, kind->reconciler->finalizer, outcome->finalizer == FINALIZER_ADD);
		if (body) {
			start(w, key, turn, WRITE_FINALIZER, "PATCH", api_object_path(kind->resource, key, NULL, &w->arena),
			      "application/json-patch+json", body);
			return true;
		}
	}
	if (outcome->n_marks) {
		body = marks_patch(self, outcome->marks, outcome->n_marks);
		start(w, key, turn, WRITE_MARKS, "PATCH", api_object_path(kind->resource, key, NULL, &w->arena), "application/merge-patch+json",
		      body);
		return true;
	}
	body = outcome->status ? status_patch(kind->resource, self, outcome->status) : NULL;
	if (body) {
		struct job *job = start(w, key, turn, WRITE_STATUS, "PATCH", api_object_path(kind->resource, key, "status", &w->arena),
					"application/merge-patch+json", body);
		foresee(job, self, outcome->status, &body);
		keep_events(job, outcome, self->uid);
		return true;
	}
	/* Last, as it may be refused for good: another manager may hold the field. */
	if (outcome->owner) {
		const char *path = arena_printf(&w->arena, "%s?fieldManager=tollgate", api_object_path(kind->resource, key, NULL, &w->arena));
		body = owner_patch(kind->resource, self, outcome->owner);
		start(w, key, turn, WRITE_OWNER, "PATCH", path, "application/apply-patch+yaml", body);
		return true;
	}
	return false;
}

void writer_read(struct writer *w, struct key key, struct turn turn)
{
	start(w, key, turn, WRITE_READ, "GET", api_object_path(kinds[key.kind].resource, key, NULL, &w->arena), NULL, NULL);
}

bool writer_has_room(const struct writer *w)
{
	return w->stats.in_flight < w->max_in_flight;
}

const struct writer_stats *writer_stats(const struct writer *w)
{
	return &w->stats;
}

struct writer *writer_new(const struct port *port, struct cache *cache, struct codec *codec, struct atoms *atoms, unsigned max_in_flight,
			  struct writer_listener listener)
{
	struct writer *w = memory_alloc(sizeof(*w));

	*w = (struct writer){ .port = port, .cache = cache, .codec = codec, .atoms = atoms, .max_in_flight = max_in_flight,
			      .listener = listener };
	arena_init(&w->arena);
	return w;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	for (struct job *job = w->jobs, *next; job; job = next) {
		next = job->next;
		w->port->cancel(w->port->self, job->call);
		job_unlink(job);
		job_free(job);
	}
	arena_close(&w->arena);
	free(w);
}
