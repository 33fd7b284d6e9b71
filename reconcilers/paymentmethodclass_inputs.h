/* What one decision on a PaymentMethodClass depends on. */
#ifndef TOLLGATE_PAYMENTMETHODCLASS_INPUTS_H
#define TOLLGATE_PAYMENTMETHODCLASS_INPUTS_H

#include "paymentmethodclass.h"
#include "reconcile.h"

struct paymentmethodclass_inputs {
	instant_t now;
	const struct paymentmethodclass *self;          /* NULL once gone */
	const struct paymentmethodclass *default_class; /* the cluster's; NULL if none is marked */
};

struct paymentmethodclass_inputs paymentmethodclass_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome paymentmethodclass_reconcile(const struct paymentmethodclass_inputs *, struct arena *);

/* The cluster's default class, or NULL. Of several marked ones the oldest, then the lesser name: who came first keeps it. */
const struct paymentmethodclass *class_default(const struct view *);

/* For watch rules; either may be NULL. May class_default() say something else now, or the same class mean another provider? */
bool class_default_moved(const struct paymentmethodclass *old, const struct paymentmethodclass *new);
/* Do methods that name it see the same class? */
bool class_looks_the_same(const struct paymentmethodclass *old, const struct paymentmethodclass *new);

/* The same as admission sees it; `but`: not that one, NULL = any. */
const struct paymentmethodclass *class_default_now(const struct admission *, atom_t but);

#endif
