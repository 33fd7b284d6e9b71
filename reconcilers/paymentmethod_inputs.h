/* What one decision on a PaymentMethod depends on. */
#ifndef TOLLGATE_PAYMENTMETHOD_INPUTS_H
#define TOLLGATE_PAYMENTMETHOD_INPUTS_H

#include "paymentmethod.h"
#include "paymentmethodclass.h"
#include "reconcile.h"

struct paymentmethod_inputs {
	instant_t now;
	const struct paymentmethod *self;       /* NULL once gone */
	const struct paymentmethodclass *class; /* the one it names, else the cluster's default; NULL if there is none */
	bool sandbox;                           /* the operator turned the sandbox provider on */
	const struct provider_result *result;   /* the provider's last answer; NULL when none was asked since start */
};

struct paymentmethod_inputs paymentmethod_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome paymentmethod_reconcile(const struct paymentmethod_inputs *, struct arena *);

/* For watch rules; either may be NULL. Do accounts and gates see the same method as before: what method_usable() and its words are
 * made of, and whose it is? */
bool method_looks_the_same(const struct paymentmethod *old, const struct paymentmethod *new);

#endif
