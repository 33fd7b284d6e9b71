/* What one decision on a BillingAccount depends on. */
#ifndef TOLLGATE_BILLINGACCOUNT_INPUTS_H
#define TOLLGATE_BILLINGACCOUNT_INPUTS_H

#include "billingaccount.h"
#include "paymentmethod.h"
#include "reconcile.h"

struct billingaccount_inputs {
	instant_t now;
	const struct billingaccount *self;          /* NULL once gone */
	const struct paymentmethod *default_method; /* what spec.defaultPaymentMethodRef names; NULL if there is none */
	size_t n_active;                            /* Active bindings of this account */
	size_t n_unsettled;                         /* bindings that may yet become Active; counted while it is being deleted */
};

struct billingaccount_inputs billingaccount_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome billingaccount_reconcile(const struct billingaccount_inputs *, struct arena *);

#endif
