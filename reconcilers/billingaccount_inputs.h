/* What one decision on a BillingAccount depends on. */
#ifndef TOLLGATE_BILLINGACCOUNT_INPUTS_H
#define TOLLGATE_BILLINGACCOUNT_INPUTS_H

#include "gate.h"
#include "invoice.h"
#include "reconcile.h"

struct billingaccount_inputs {
	instant_t now;
	const struct billingaccount *self;     /* NULL once gone */
	struct payment_means means;
	const struct invoice *const *invoices; /* all that name the account, in any order */
	size_t n_invoices;
	size_t n_active;                       /* Active bindings of this account */
	size_t n_unsettled;                    /* bindings that may yet become Active; counted while it is to be deleted or closed */
};

struct billingaccount_inputs billingaccount_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome billingaccount_reconcile(const struct billingaccount_inputs *, struct arena *);

/* For watch rules; either may be NULL. Do bindings and gates see the same account? */
bool account_looks_the_same(const struct billingaccount *old, const struct billingaccount *new);

#endif
