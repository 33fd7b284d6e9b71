/*
 * A Kubernetes API server for eight kinds and Leases, in memory, without sockets or threads: what a client can observe of lists, watches, writes
 * and deletions, for one request at a time. Sources: Kubernetes "API Concepts", "API Conventions", RFC 7386 and 6902, and what was seen of
 * kube-apiserver 1.35.4.
 *
 * It keeps every version of every object as the text that it went out as, in one log; a list as of an older version and a
 * watch are walks over that log. A resourceVersion's text says nothing of its order.
 */
#ifndef SIM_APISERVER_H
#define SIM_APISERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "doc.h"
#include "instant.h"

enum resource_id {
	NAMESPACES = 0,
	CLASSES,
	ACCOUNTS,
	METHODS,
	ARRANGEMENTS,
	INVOICES,
	BINDINGS,
	PROJECTBILLINGS,
	DECIDED, /* so far the kinds that Tollgate decides on */
	LEASES = DECIDED,
	RESOURCES,
};

struct api_resource {
	const char *group, *version, *plural, *kind;
	bool namespaced;
};
extern const struct api_resource api_resources[RESOURCES];

enum { OBJECTS_MAX = 64, CHANGES_MAX = 2048, VERSION_TEXT = 9 };

struct stored {
	json_t *tree; /* without metadata.resourceVersion */
	enum resource_id resource;
	const char *ns, *name, *uid; /* of the tree; ns "" for cluster-scoped kinds */
	uint32_t revision;           /* its version */
	const char *text;            /* as it goes out, with its version */
	size_t len;
	const char *core;            /* the same without */
	size_t core_len;
	uint64_t hash;
};

enum change_type { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED };

struct change {
	uint32_t revision;
	uint8_t resource, type;
	uint32_t len;
	const char *text;
	const char *ns, *name; /* in the arena */
};

struct apiserver {
	struct arena arena; /* texts; of one run */
	struct doc_text scratch;
	struct stored *objects[OBJECTS_MAX]; /* by resource, namespace, name */
	unsigned n_objects;
	struct change changes[CHANGES_MAX];
	unsigned n_changes;
	bool full;                   /* too much was written: something goes round in circles */
	uint32_t revision;
	uint32_t newest[RESOURCES];  /* the last change of each kind */
	uint32_t oldest[RESOURCES];  /* what came before this version is not remembered any more */
	bool missing[RESOURCES];     /* its definition is not installed */
	unsigned page_max;           /* items; however many are asked for */
	uint32_t stale_by[RESOURCES]; /* so many versions the cache that lists are served from is behind: each kind has its own */
	unsigned uids;
	instant_t now;               /* the server's clock */
	bool unsettled;              /* the namespace controller or the garbage collector may have work */
};

void apiserver_init(struct apiserver *);
/* As new; keeps its memory. */
void apiserver_reset(struct apiserver *);
void apiserver_close(struct apiserver *);

/* ---- what anybody may do at once (people, other controllers) ---- */

struct stored *apiserver_find(const struct apiserver *, enum resource_id, const char *ns, const char *name);
/* metadata (labels, annotations, finalizers, ownerReferences), spec and status of a new object; taken. HTTP status. */
int apiserver_create(struct apiserver *, enum resource_id, const char *ns, const char *name, json_t *parts);
/* A merge patch on the object or on its status; taken. HTTP status. */
int apiserver_merge(struct apiserver *, struct stored *, bool status, json_t *patch);
/* The object may be gone afterwards. */
void apiserver_delete(struct apiserver *, struct stored *);
/* Everything of a kind goes, and its path with it; until it is put back, empty. */
void apiserver_remove_kind(struct apiserver *, enum resource_id);
void apiserver_restore_kind(struct apiserver *, enum resource_id);
/* One step of the namespace controller or of the garbage collector. False: neither has anything to do. */
bool apiserver_collect(struct apiserver *);
/* No watch can go on from before now. */
void apiserver_compact(struct apiserver *, enum resource_id);

/* ---- requests of the controller ---- */

struct api_request {
	const char *method, *path, *content_type, *body;
	size_t body_len;
};

struct api_answer {
	int status;
	const char *body; /* in the server's arena */
	size_t len;
	bool stream;              /* it is a watch: apiserver_next from here on */
	enum resource_id resource;
	const char *ns;           /* the request is about one namespace, or one object of it; "" = all */
	const char *name;         /* of the object; "" = none */
	uint32_t position;        /* stream: changes after this one */
	bool writes;              /* it was a write: */
	bool guarded;             /* that named the version or the UID that it was decided on: */
	uint32_t guard;           /* 0 = only the UID, or the place in a list */
	bool status_part;         /* of the status subresource */
	bool changed;             /* something is different now */
	uint32_t revision;        /* of the object in the answer; 0 = none */
};

void apiserver_handle(struct apiserver *, const struct api_request *, struct api_answer *);
/* The first change of that kind (and namespace) after a version, or NULL. */
const struct change *apiserver_next(const struct apiserver *, enum resource_id, const char *ns, uint32_t after);
/* A version as clients see it. */
const char *version_text(uint32_t revision, char text[VERSION_TEXT]);
/* A Status as the server writes it; in the arena. */
const char *apiserver_status(struct apiserver *, int code, const char *reason, const char *message, const char *details);
/* Of all objects but Leases together, without versions, uids and moments. */
uint64_t apiserver_hash(const struct apiserver *);

#endif
