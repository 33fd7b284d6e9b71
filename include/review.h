/*
 * AdmissionReview (admission.k8s.io/v1) between JSON text and what admission.h speaks of. Takes what anybody sent: no input makes
 * it crash, nor hold more than REVIEW_TREE_BYTES. A mutating review comes before the schema has judged its object, so any member of
 * that may be of any shape: what is odd is left to the schema.
 * The JSON tree of a review lives until review_free; texts in it are borrowed from there.
 */
#ifndef TOLLGATE_REVIEW_H
#define TOLLGATE_REVIEW_H

#include "admission.h"
#include "codec.h"

enum {
	REVIEW_BYTES_MAX = 7 << 20,   /* the API server's own limit for a review's body */
	REVIEW_TREE_BYTES = 48 << 20, /* what the tree of such a body may weigh: estimated, never too low, before it is built */
	REVIEW_UID_BYTES = 256,
	REVIEW_LEVELS_MAX = 64, /* how deep texts are looked for: no schema is deeper, and what it doesn't know is not stored */
};

struct review_tree;

struct review {
	const char *uid;
	enum admission_operation operation; /* 0 for CONNECT and the like */
	enum kind_id kind;                  /* KIND_COUNT: none of ours */
	const char *ns, *name, *subresource; /* "" where there is none */
	const char *username;
	bool dry_run;
	bool spec_changed;  /* UPDATE: is object.spec other JSON than oldObject.spec? null is missing. CREATE: true */
	bool being_deleted; /* the object or the old one has a deletionTimestamp: nobody takes that back */
	struct review_tree *tree; /* private */
};

/* 0, or -1 with ERROR_INVALID: not JSON, no review of that version, or too heavy; the message says what is wrong. */
int review_decode(const char *text, size_t len, struct review *, struct error *err) must_check;
/* Also after a failed review_decode, and twice. */
void review_free(struct review *);

/*
 * The object (old = false) or oldObject as the kind's record (record_free), or NULL with err naming the field. The object may
 * lack what the API server will fill in. On CREATE (see struct admission) name, uid and resourceVersion are then empty, the
 * namespace is the request's, and the creation is `now`; on UPDATE, where a replaced object says no more than it must, they are
 * oldObject's. Only for kinds of ours.
 */
void *review_record(struct codec *, const struct review *, bool old, instant_t now, struct error *err) must_check;

/*
 * Each text of the object that people write, and that the old one does not have at that place (an item's place is its index).
 * In this order: strings anywhere in spec or (subresource "status") in status; name and generateName; labels; annotations; last
 * what kubectl keeps there of all that, so that it is the field that is found first. Not what is nothing but a decimal amount,
 * where the schema wants one. path as in "spec.contactInfo.name", "metadata.annotations[example.com/note]", cut when it is long,
 * and "metadata.labels" for a label's key; valid during the call. A text that holds NULs is several. Stops when visit returns
 * false.
 */
void review_each_text(const struct review *, bool (*visit)(void *context, const char *path, const char *text), void *context);

/* The JSON Patch (RFC 6902) on the object as it was sent that sets the defaults; missing parents are added, and null is missing.
 * A member that should be an object or a list and is not gets none. malloc'ed; NULL if there is nothing to set. */
char *review_patch(const struct review *, const struct defaults *);

/* The answer. refusal NULL = allowed; else UTF-8, for people. code and reason of a refusal are 403 and Forbidden. patch_base64: a
 * JSON Patch, NULL = none. malloc'ed. */
char *review_answer(const char *uid, const char *refusal, const char *patch_base64);

#endif
