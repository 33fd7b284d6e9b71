/*
 * The contract between deciding and doing. For each kind two functions stand side by side in reconcilers/<kind>.c:
 *   gather     reads the view and decides nothing;
 *   reconcile  decides and reads nothing but its inputs and `now`: same inputs, same outcome.
 * Reconcile cannot fail: a bad spec becomes a condition; only the runtime meets I/O errors. An object decides its own status
 * alone. Feeding an outcome's status back as the observed one must yield an equal status: that is what ends the loop.
 */
#ifndef TOLLGATE_RECONCILE_H
#define TOLLGATE_RECONCILE_H

#include "admission.h"
#include "arena.h"
#include "object.h"
#include "provider.h"
#include "view.h"

enum finalizer { FINALIZER_KEEP = 0, FINALIZER_ADD, FINALIZER_REMOVE };

enum effect_type {
	EFFECT_CREATE = 1, /* create the key's own object: metadata only */
	EFFECT_DELETE,     /* delete the key's own object, guarded by the UID in the cache */
	EFFECT_PROVIDER,   /* ask the provider; its answer comes back as an input on a later turn */
	EFFECT_EVENT,      /* tell people what the status that goes with it changes; told once that status has been written */
};

/* As events.k8s.io/v1 has them. */
struct event {
	bool warning;       /* type: Warning, else Normal */
	const char *reason; /* CamelCase, at most 128 characters: what happened */
	const char *action; /* CamelCase, at most 128 characters: what was being done */
	const char *note;   /* for people, at most 1 kB: what, why, and what to do next */
};

struct effect {
	enum effect_type type;
	struct provider_request request; /* EFFECT_PROVIDER */
	struct event event;              /* EFFECT_EVENT */
};

struct outcome {
	const void *status;           /* desired, the kind's status struct; NULL = leave alone */
	enum finalizer finalizer;     /* of reconciler->finalizer */
	const struct owner_reference *owner; /* to be added to the object's owners, not as controller; NULL = leave alone */
	const struct mark *marks;     /* that differ from what is there; others stay */
	size_t n_marks;
	const struct effect *effects; /* in order, before the status */
	size_t n_effects;
	instant_t wake_at;            /* then this key is decided anew, and who watches the object with it; 0 = only a change wakes it */
};

/* Where a watch rule puts the keys that must be decided again. Atoms are borrowed: the receiver takes references. */
struct key_sink {
	void *context;
	void (*add)(void *context, struct key);
	/* For bookkeeping that can wait behind everything else, such as a count that many changes touch; NULL = as add. */
	void (*add_later)(void *context, struct key);
};

static inline void key_sink_add(const struct key_sink *sink, enum kind_id kind, atom_t ns, atom_t name)
{
	if (name)
		sink->add(sink->context, (struct key){ .kind = (uint8_t)kind, .ns = ns, .name = name });
}

static inline void key_sink_add_later(const struct key_sink *sink, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct key_sink later = { .context = sink->context, .add = sink->add_later ? sink->add_later : sink->add };

	key_sink_add(&later, kind, ns, name);
}

enum { CLASSES_MAX = 24, CENSUS_LABELS_MAX = 2 };

/* How metrics tell a kind's objects apart: a series for each class. The cache keeps the counts, so of() is a cheap pure function of the
 * record, and the class of a record never changes. */
struct census {
	const char *metric;                    /* "tollgate_accounts" */
	const char *help;
	const char *labels[CENSUS_LABELS_MAX]; /* "phase"; what is not needed is NULL */
	unsigned n;                            /* classes, at most CLASSES_MAX */
	unsigned (*of)(const void *object);    /* below n */
	const char *(*value)(unsigned class, unsigned label); /* of labels[label], for each class; static */
};

/* The value of what nobody has decided yet. */
#define CENSUS_NONE "None"

enum { INDEXES_MAX = 5 };

struct index_key {
	atom_t scope; /* a namespace, or NULL where the index spans the cluster */
	atom_t value; /* NULL = not in this index */
};

/* What a kind's decisions depend on beyond its own object, declared by the kind that depends: so a new kind changes no other.
 * `moved` is told of each add (old NULL), delete (new NULL) and update of a `source`, and wakes those keys of its own kind whose
 * decision may differ now: of both the old and the new object's. The view already shows the new state. When a moment comes that the
 * source's decision asked for (wake_at), that is told as an add: so a decision that time turns through another object alone, such as a
 * card that expires, needs no moment of its own. */
struct watch_rule {
	enum kind_id source;
	void (*moved)(const struct view *, const void *old, const void *new, const struct key_sink *);
	/* For decisions that look at view_unsettled(), else NULL: a request of ours about the object has ended, whatever came of it, and
	 * who waited for that can go on. Never wakes the object's own key: its next turn is the queue's to choose. */
	void (*settled)(const struct view *, const void *object, const struct key_sink *);
};

struct reconciler {
	/* gather, then reconcile; NULL for kinds that are only looked at. Each change of an object wakes its own key. self may be gone:
	 * then the key alone is known. */
	struct outcome (*run)(const struct view *, struct key, instant_t now, struct arena *);
	/* Fills out[0..n_indexes): a pure function of the record. */
	void (*index)(const void *object, struct index_key out[INDEXES_MAX]);
	unsigned n_indexes;
	const struct watch_rule *watches;
	unsigned n_watches;
	const struct census *census; /* NULL: counted as a whole alone */
	const char *finalizer; /* what FINALIZER_ADD adds; NULL if the kind has none */
	/* admission.h. validate: on CREATE, DELETE, and an UPDATE that changes the spec. NULL: no rules. */
	struct refusal (*validate)(const struct admission *, struct arena *);
	void (*defaults)(const struct admission *, struct defaults *, struct arena *);
	bool judges_metadata; /* validate looks at labels, annotations or owners too: any UPDATE may concern it */
};

#define KIND(id, prefix) extern const struct reconciler prefix##_reconciler;
KINDS(KIND)
#undef KIND

#endif
