/*
 * Between JSON text and records, for any kind, driven by the kind's field table. The JSON tree lives only inside these
 * calls. Everything here takes what the network sent: no input makes it crash, and errors say key and field path.
 */
#ifndef TOLLGATE_CODEC_H
#define TOLLGATE_CODEC_H

#include "arena.h"
#include "error.h"
#include "object.h"
#include "resource.h"

struct codec; /* atoms, scratch memory and the configurable label key */

enum { WIRE_VERSION_SIZE = 64 }; /* a longer resourceVersion is refused */

/* project_label is borrowed for the codec's life. */
struct codec *codec_new(struct atoms *, const char *project_label);
void codec_free(struct codec *);

/* One object's JSON text -> a record in one heap allocation (record_free). NULL with err: ERROR_INVALID. The message holds
 * "Kind namespace/name: path: what" as far as they could be read. Objects of another kind or version are an error. */
void *record_decode(struct codec *, const struct resource *, const char *text, size_t len, struct error *err) must_check;
void record_free(struct codec *, const struct resource *, void *record);
/* Bytes of the record's allocation. */
size_t record_size(const void *record);

/* Are two status structs of that resource the same on the wire? */
bool status_equal(const struct resource *, const void *a, const void *b);

/* The merge patch (RFC 7386) for /status that turns the observed status of `record` into `desired`: changed members only, lists
 * whole, guarded by metadata.resourceVersion (the uid goes along, but /status ignores it: seen on 1.35.4). malloc'ed, NUL-terminated; NULL when equal. */
char *status_patch(const struct resource *, const void *record, const void *desired);
/* What record_decode() would make of the answer to that patch, if the server does as it says: the record with `desired` for its
 * status, by the second. NULL if it had a status before, since the patch then does not say all of it. Its resourceVersion is for the
 * answer to tell: record_set_version(), fewer than WIRE_VERSION_SIZE bytes, once. */
void *record_with_status(struct codec *, const struct resource *, const void *record, const void *desired) must_check;
void record_set_version(void *record, const char *resource_version);

/* The body that creates an object of metadata only. malloc'ed. */
char *object_body(const struct resource *, struct key);
/* A JSON Patch (RFC 6902) on metadata.finalizers that adds (add true) or removes `finalizer`, guarded by test operations on
 * uid and on the place in the list, so that others' finalizers survive. malloc'ed; NULL if there is nothing to do. */
char *finalizer_patch(const void *record, const char *finalizer, bool add);
/* A server-side apply of one owner reference, guarded by the version that was looked at; other owners stay. malloc'ed. */
char *owner_patch(const struct resource *, const void *record, const struct owner_reference *);
/* A merge patch of labels and annotations, guarded by the version that was looked at. malloc'ed. */
char *marks_patch(const void *record, const struct mark *, size_t n);
/* The body of a DELETE with a UID precondition. malloc'ed. */
char *delete_body(const char *uid);

/* ---- the envelopes around objects ---- */

enum event_type { EVENT_ADDED = 1, EVENT_MODIFIED, EVENT_DELETED, EVENT_BOOKMARK, EVENT_ERROR };

/* One line of a watch (metav1.WatchEvent). */
struct wire_event {
	enum event_type type;
	void *record;                 /* ADDED, MODIFIED, DELETED; NULL when poison is set. The caller's */
	struct error poison;          /* class set: the object is well-formed JSON that the codec can't read; go on past it */
	struct key poison_key;        /* its name if that could be read (atoms owned by the caller), else name NULL */
	char resource_version[WIRE_VERSION_SIZE]; /* of the object, or of the BOOKMARK */
	bool initial_events_end;      /* BOOKMARK with annotation k8s.io/initial-events-end=true */
	struct error status;          /* ERROR: the Status inside, as status_error() makes it */
};

/* 0, or -1 when the line is no event at all: the stream is broken and must be ended without moving its resourceVersion. */
int event_decode(struct codec *, const struct resource *, const char *line, size_t len, struct wire_event *, struct error *err) must_check;

/* One item of a list. Like a watch's ADDED, for items that carry no apiVersion and kind of their own. */
int item_decode(struct codec *, const struct resource *, const char *text, size_t len, struct wire_event *, struct error *err) must_check;
void wire_event_close(struct codec *, const struct resource *, struct wire_event *);

/* A list without its items: metadata. */
struct wire_list {
	char resource_version[WIRE_VERSION_SIZE];
	char *continue_token; /* malloc'ed, NULL on the last page */
};
int list_decode(const struct resource *, const char *text, size_t len, struct wire_list *, struct error *err) must_check;

/* What an HTTP answer that is no success means: class by HTTP code and Status.reason, message from Status.message (or the first
 * line of a body that is no Status), retry_after_ms from details.retryAfterSeconds and, when larger, from the header's value
 * (milliseconds, 0 = none). Always fills err. */
void status_error(int http_code, const char *body, size_t len, int retry_after_header_ms, struct error *err);

#endif
