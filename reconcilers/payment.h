/* How does an account pay, now? One verdict, shared by the account's conditions and the gate. */
#ifndef TOLLGATE_PAYMENT_H
#define TOLLGATE_PAYMENT_H

#include "defaultmethod.h"
#include "gate.h"
#include "view.h"

struct payment_verdict {
	bool ready; /* by an arrangement or by the default method */
	struct default_method_verdict method;
	/* Of its arrangements: the one that decides now (of several the earliest start), the next to start, the last that ended. */
	const struct billingarrangement *in_force, *scheduled, *ended;
	instant_t until; /* when time alone may change any of this; 0 = never */
};

struct payment_verdict payment_judge(const struct billingaccount *, const struct payment_means *, instant_t now, struct arena *);

/* account NULL gives no means. */
struct payment_means payment_gather(const struct view *, const struct billingaccount *account, struct arena *);

/* Does a decide before b, where both apply? The earlier start, then the older one, then the lesser name. */
bool arrangement_precedes(const struct billingarrangement *a, const struct billingarrangement *b);
/* The earlier of two moments of which 0 means never. */
instant_t sooner_of(instant_t, instant_t);

#endif
