/* What one decision on an Invoice depends on, and what is said of an invoice in more than one place. */
#ifndef TOLLGATE_INVOICE_INPUTS_H
#define TOLLGATE_INVOICE_INPUTS_H

#include "invoice.h"
#include "money.h"
#include "reconcile.h"

struct invoice_inputs {
	instant_t now;
	const struct invoice *self;           /* NULL once gone */
	const struct billingaccount *account; /* the one it names; NULL if there is none */
};

struct invoice_inputs invoice_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome invoice_reconcile(const struct invoice_inputs *, struct arena *);

/* What is left to pay to this account's debts: amountDue, else total less amountPaid. NULL and the amount, or why it can't be told or
 * doesn't count (another currency), as a clause for people, and zero. */
const char *invoice_amount_due(const struct invoice *, const struct billingaccount *, struct money *out, struct arena *);

/* For watch rules; either may be NULL. Does the account see the same invoice? */
bool invoice_looks_the_same(const struct invoice *old, const struct invoice *new);

#endif
