/* What one decision on a BillingAccount depends on, and the verdict on its default method that the gate shares. */
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

enum default_method {
	DEFAULT_METHOD_NOT_CONFIGURED = 1,
	DEFAULT_METHOD_NOT_FOUND, /* there is none of that name, or it is another account's */
	DEFAULT_METHOD_DEGRADED,
	DEFAULT_METHOD_READY,
};

struct default_method_verdict {
	enum default_method standing;
	const char *message; /* names the method, and why it can't be used */
	instant_t until;     /* READY: when its card expires; 0 = never */
};

struct default_method_verdict account_judge_method(const struct billingaccount *, const struct paymentmethod *, instant_t now,
						   struct arena *);

#endif
