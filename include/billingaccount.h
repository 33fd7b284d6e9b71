/*
 * BillingAccount: who is billed, in which currency, and by which default payment method.
 */
#ifndef TOLLGATE_BILLINGACCOUNT_H
#define TOLLGATE_BILLINGACCOUNT_H

#include "arena.h"
#include "object.h"

#define ACCOUNT_FINALIZER "billing.miloapis.com/billing-account"

enum account_phase { ACCOUNT_PHASE_ABSENT = 0, ACCOUNT_PROVISIONING, ACCOUNT_READY, ACCOUNT_SUSPENDED, ACCOUNT_ARCHIVED };
enum invoice_frequency { FREQUENCY_ABSENT = 0, FREQUENCY_MONTHLY, FREQUENCY_QUARTERLY, FREQUENCY_ANNUAL };
enum arrangement_type { ARRANGEMENT_TYPE_ABSENT = 0, ARRANGEMENT_INVOICE };

struct address {
	const char *country; /* ISO 3166-1 alpha-2 */
	const char *line1, *line2, *city, *region, *postal_code;
};

struct contact_info {
	const char *email, *name, *business_name;
	struct strings invoice_emails;
	const struct address *address;
};

struct payment_terms {
	int64_t net_days;
	enum invoice_frequency invoice_frequency;
	int64_t invoice_day_of_month;
};

struct tax_id {
	const char *type, *value;
};

struct tax_ids {
	size_t n;
	const struct tax_id *items;
};

struct account_spec {
	const char *currency_code;
	const struct payment_terms *payment_terms;
	const struct contact_info *contact_info;
	struct tax_ids tax_ids;
	atom_t default_payment_method; /* defaultPaymentMethodRef.name */
	const struct address *shipping_address;
	enum tristate closure_requested;
};

/* Terms of the arrangement in force, as the account shows them. */
struct arrangement_invoice {
	int64_t net_days;
	const char *credit_limit, *accounts_payable_email, *purchase_order_number, *agreement_reference;
};

struct account_arrangement {
	const char *name;
	enum arrangement_type type;
	instant_t starts_at, ends_at;
	const struct arrangement_invoice *invoice;
};

struct account_estimate {
	const char *month_to_date, *forecast; /* decimal strings in the account's currency */
	instant_t as_of;
};

struct billing_period {
	instant_t start, end; /* end inclusive on the wire */
};

struct upcoming_invoice {
	const struct billing_period *period;
	const char *total;
};

struct account_suspension {
	const char *reason;
	instant_t since;
};

struct account_status {
	enum account_phase phase;
	struct conditions conditions; /* Ready, DefaultPaymentMethodReady, InvoicingReady, PaymentReady: always all, in this order */
	int64_t linked_projects_count;
	const char *latest_invoice; /* latestInvoiceRef.name */
	const struct account_arrangement *payment_arrangement;
	int64_t observed_generation;
	/* Ours, beyond Milo's: */
	const struct account_estimate *estimate;
	const char *credit_balance, *outstanding_amount;
	const struct upcoming_invoice *upcoming_invoice;
	int64_t action_required_count;
	const struct account_suspension *suspension;
};

struct billingaccount {
	struct object meta;
	struct account_spec spec;
	struct account_status status;
};

enum account_index { ACCOUNT_BY_DEFAULT_METHOD /* (namespace, method name) */, ACCOUNT_INDEXES };

/* What is wrong with the spec, as one sentence that begins with the field ("spec.currencyCode: ..."), or NULL. What
 * admission refuses and what keeps an account in Provisioning is this one rule set. */
const char *account_validate(const struct account_spec *, struct arena *);

/* The phase that follows from the spec and from what staff decided: Suspended and Archived stick, an invalid spec is
 * Provisioning, all else Ready. Never ABSENT. */
enum account_phase account_phase(const struct billingaccount *);
const char *account_phase_name(enum account_phase);

#endif
