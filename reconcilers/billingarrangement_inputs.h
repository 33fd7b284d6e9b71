/* What one decision on a BillingArrangement depends on. */
#ifndef TOLLGATE_BILLINGARRANGEMENT_INPUTS_H
#define TOLLGATE_BILLINGARRANGEMENT_INPUTS_H

#include "billingarrangement.h"
#include "gate.h"
#include "reconcile.h"

struct billingarrangement_inputs {
	instant_t now;
	const struct billingarrangement *self; /* NULL once gone */
	const struct billingaccount *account;  /* the one it names; NULL if there is none */
	struct payment_means means;            /* of the account: its arrangements, this one included, are its siblings */
};

struct billingarrangement_inputs billingarrangement_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome billingarrangement_reconcile(const struct billingarrangement_inputs *, struct arena *);

/* For watch rules; either may be NULL. Do the account and its projects see the same arrangement? */
bool arrangement_looks_the_same(const struct billingarrangement *old, const struct billingarrangement *new);

#endif
