/* What one decision on a BillingAccountBinding depends on, and what is said of a binding in more than one place. */
#ifndef TOLLGATE_BILLINGACCOUNTBINDING_INPUTS_H
#define TOLLGATE_BILLINGACCOUNTBINDING_INPUTS_H

#include "gate.h"
#include "reconcile.h"

struct billingaccountbinding_inputs {
	instant_t now;
	struct contest contest;             /* of its project */
	const struct claim *claim;          /* its own place in there; NULL once gone */
	struct payment_means means;         /* of its account */
};

struct billingaccountbinding_inputs billingaccountbinding_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome billingaccountbinding_reconcile(const struct billingaccountbinding_inputs *, struct arena *);

/* Why an account can't take this claim on, for people: ACCOUNT_NOT_FOUND and ACCOUNT_NOT_READY only. */
const char *claim_obstacle(const struct claim *, struct arena *);

/* For watch rules; either may be NULL. Does a contest read the same of it? */
bool claim_looks_the_same(const struct billingaccountbinding *old, const struct billingaccountbinding *new);

#endif
