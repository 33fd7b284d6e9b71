/*
 * The contract of admission: what is decided about one object that somebody wants to create, change or delete. Beside each kind's
 * reconcile stand two more pure functions (reconcile.h):
 *   validate   may it be? One sentence that begins with the field, or nothing. The same rule that the reconciler shows as a condition.
 *   defaults   what is to be filled in before it is stored?
 * Both read the cache, which lags behind. So a refusal names the object that it rests on: it is looked up once at the API server, and
 * what comes back goes before the cache when the question is asked again. A wrong "yes" needs no such care: the reconcilers put right
 * what admission let in.
 */
#ifndef TOLLGATE_ADMISSION_H
#define TOLLGATE_ADMISSION_H

#include "arena.h"
#include "object.h"
#include "view.h"

enum admission_operation { ADMISSION_CREATE = 1, ADMISSION_UPDATE, ADMISSION_DELETE };

/* An object as the API server has it. */
struct look {
	struct key key;
	const void *object; /* its kind's record; NULL = there is none */
};

struct admission {
	enum admission_operation operation;
	/* The kind's records. object: as it would be, NULL on DELETE. old: as it is, NULL on CREATE. On CREATE an object may lack uid,
	 * resourceVersion and, with generateName, its name (an empty atom); its creation is never 0. */
	const void *object, *old;
	const struct view *view;
	const struct look *looks;
	size_t n_looks;
	uint32_t listed; /* kinds (bits) of which looks holds every object that there is */
	instant_t now;
};

/* As view_get, but what has been looked up goes before the cache. */
const void *admission_get(const struct admission *, enum kind_id, atom_t ns, atom_t name);
/* One that the cache found (view_find, view_each), as it is now: itself, or what has been looked up; NULL when that is gone. */
const void *admission_now(const struct admission *, enum kind_id, const void *object);
/* As view_each, for a kind that may be listed as a whole. */
void admission_each(const struct admission *, enum kind_id, void (*visit)(void *context, const void *object), void *context);

struct refusal {
	const char *message; /* NULL = nothing against it */
	/* Whose state is the reason: another one might be newer than the cache. name NULL: every object of that kind. kind KIND_COUNT:
	 * nothing but the object itself. */
	struct key basis;
};

/* A text to be set where there is none: pointer is RFC 6901, through objects only, as in "/spec/paymentMethodClassRef/name". */
struct field_default {
	const char *pointer, *text;
};

enum { FIELD_DEFAULTS_MAX = 4 };

struct defaults {
	struct field_default fields[FIELD_DEFAULTS_MAX];
	size_t n_fields;
	const struct owner_reference *owner; /* to be added to the object's owners; NULL = none */
	struct key basis; /* as in struct refusal: what was missing to say more; kind KIND_COUNT = nothing */
};

#define BASIS_NONE ((struct key){ .kind = KIND_COUNT })
#define NOT_REFUSED ((struct refusal){ .basis = BASIS_NONE })

/* A refusal that rests on that object, whether it is there or not. */
static inline struct refusal refused_by(enum kind_id kind, atom_t ns, atom_t name, const char *message)
{
	return (struct refusal){ .message = message, .basis = { .kind = (uint8_t)kind, .ns = ns, .name = name } };
}

/* One that nothing else could change. */
static inline struct refusal refused_as_such(const char *message)
{
	return (struct refusal){ .message = message, .basis = BASIS_NONE };
}

#endif
