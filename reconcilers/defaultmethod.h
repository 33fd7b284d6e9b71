/* Can an account's default payment method be used? One verdict, shared by the account's conditions and the gate. Pure. */
#ifndef TOLLGATE_DEFAULTMETHOD_H
#define TOLLGATE_DEFAULTMETHOD_H

#include "billingaccount.h"
#include "paymentmethod.h"

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

struct default_method_verdict default_method_judge(const struct billingaccount *, const struct paymentmethod *, instant_t now,
						   struct arena *);

#endif
