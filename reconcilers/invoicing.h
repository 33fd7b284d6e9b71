/* What an account's invoices say together. */
#ifndef TOLLGATE_INVOICING_H
#define TOLLGATE_INVOICING_H

#include "invoice.h"

struct invoicing_verdict {
	const struct invoice *latest;  /* the newest Open, Paid or PastDue one: it decides InvoicingReady; NULL if there is none */
	enum invoice_phase phase;      /* of it, at that time */
	const struct invoice *pending; /* the newest without a phase; NULL if there is none */
	size_t n_action_required;
	size_t n_past_due;
	const struct invoice *past_due; /* the oldest of these */
	size_t n_unpaid;               /* neither Paid nor Void */
	const struct invoice *unpaid;  /* the oldest of these */
	const char *outstanding;       /* the sum of what Open and PastDue ones leave to pay; NULL without a known currency */
	size_t n_left_out;             /* of that sum, as their amounts can't be counted */
	const struct invoice *left_out; /* the newest of these, and why */
	const char *left_out_fault;
	instant_t until; /* when time alone changes any of this; 0 = never */
};

/* invoices: all that name the account, in any order. Those of an earlier account are passed over; a newer one whose owner reference is
 * wrong decides nothing and adds nothing, but is named, and stays unpaid until it is put right. */
struct invoicing_verdict invoicing_judge(const struct billingaccount *, const struct invoice *const *invoices, size_t n, instant_t now,
					 struct arena *);

#endif
