/*
 * Invoice: what an account owes for a period. Amounts and phase are written by whoever makes invoices; time alone moves Open to
 * PastDue, and spec.voidRequested voids one that nobody has paid.
 */
#ifndef TOLLGATE_INVOICE_H
#define TOLLGATE_INVOICE_H

#include "billingaccount.h"

enum invoice_phase { INVOICE_PHASE_ABSENT = 0, INVOICE_OPEN, INVOICE_PAID, INVOICE_PAST_DUE, INVOICE_VOID };
enum invoice_category { INVOICE_CATEGORY_ABSENT = 0, INVOICE_ACTION_REQUIRED, INVOICE_UPCOMING, INVOICE_HISTORY };

struct invoice_spec {
	atom_t account; /* billingAccountRef.name, in the invoice's own namespace */
	const struct billing_period *period;
	enum tristate void_requested;
};

struct invoice_line {
	const char *description, *project, *quantity, *unit, *unit_price, *amount;
};

struct invoice_lines {
	size_t n;
	const struct invoice_line *items;
};

/* Amounts are exact decimals as text (money.h), in currency_code. */
struct invoice_status {
	enum invoice_phase phase;
	const char *currency_code, *total, *amount_paid, *amount_due;
	instant_t due_date, paid_at;
	const char *document_uri;
	struct conditions conditions; /* Ready */
	int64_t observed_generation;
	/* Ours, beyond Milo's: */
	const char *number;
	struct invoice_lines lines;
	const char *subtotal, *tax, *credits_applied, *rounding;
	instant_t issued_at;
	enum invoice_category category;
	int64_t attempt_count; /* charges that failed so far */
	instant_t next_attempt_at;
};

struct invoice {
	struct object meta;
	struct owner_references owners;
	struct invoice_spec spec;
	struct invoice_status status;
};

enum invoice_index { INVOICE_BY_ACCOUNT /* (namespace, account) */, INVOICE_INDEXES };

/* The phase at `now`: what its writer said, moved on by time (an Open one is PastDue from its due date on) and by a request to void
 * it. ABSENT while its writer has said nothing. */
enum invoice_phase invoice_phase(const struct invoice *, instant_t now);
const char *invoice_phase_name(enum invoice_phase);
/* Where a portal shows it in that phase (invoice_phase). ABSENT while the phase is. */
enum invoice_category invoice_category(const struct invoice *, enum invoice_phase);

#endif
