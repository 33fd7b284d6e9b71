/* BillingAccount on the wire. billingaccount.yaml is its schema; tests/schema_test.py holds the two together. */
#include "billingaccount.h"

#include "billingaccount_shapes.h"
#include "metadata.h"

static const char *const phases[] = { "Provisioning", "Ready", "Suspended", "Archived", NULL };
static const char *const frequencies[] = { "Monthly", "Quarterly", "Annual", NULL };
const char *const arrangement_type_names[] = { "Invoice", NULL };

/* ---- spec ---- */

static const struct field terms_fields[] = {
	FIELD(struct payment_terms, net_days, "netDays", FIELD_INTEGER),
	FIELD_NAMES(struct payment_terms, invoice_frequency, "invoiceFrequency", frequencies),
	FIELD(struct payment_terms, invoice_day_of_month, "invoiceDayOfMonth", FIELD_INTEGER),
};
static const struct shape terms_shape = SHAPE("paymentTerms", struct payment_terms, terms_fields);

static const struct field address_fields[] = {
	FIELD(struct address, country, "country", FIELD_WORD), FIELD(struct address, line1, "line1", FIELD_STRING),
	FIELD(struct address, line2, "line2", FIELD_STRING),   FIELD(struct address, city, "city", FIELD_STRING),
	FIELD(struct address, region, "region", FIELD_STRING), FIELD(struct address, postal_code, "postalCode", FIELD_STRING),
};
static const struct shape address_shape = SHAPE("address", struct address, address_fields);

static const struct field contact_fields[] = {
	FIELD(struct contact_info, email, "email", FIELD_STRING),
	FIELD(struct contact_info, name, "name", FIELD_STRING),
	FIELD(struct contact_info, business_name, "businessName", FIELD_STRING),
	FIELD(struct contact_info, invoice_emails, "invoiceEmails", FIELD_STRINGS),
	FIELD_OF(struct contact_info, address, "address", FIELD_OPTIONAL, &address_shape),
};
static const struct shape contact_shape = SHAPE("contactInfo", struct contact_info, contact_fields);

static const struct field tax_id_fields[] = {
	FIELD(struct tax_id, type, "type", FIELD_WORD),
	FIELD(struct tax_id, value, "value", FIELD_STRING),
};
static const struct shape tax_id_shape = SHAPE("taxId", struct tax_id, tax_id_fields);

static const struct field method_ref_fields[] = {
	FIELD(struct account_spec, default_payment_method, "name", FIELD_ATOM),
};
static const struct shape method_ref_shape = SHAPE("defaultPaymentMethodRef", struct account_spec, method_ref_fields);

static const struct field spec_fields[] = {
	FIELD(struct account_spec, currency_code, "currencyCode", FIELD_WORD),
	FIELD_OF(struct account_spec, payment_terms, "paymentTerms", FIELD_OPTIONAL, &terms_shape),
	FIELD_OF(struct account_spec, contact_info, "contactInfo", FIELD_OPTIONAL, &contact_shape),
	FIELD_OF(struct account_spec, tax_ids, "taxIds", FIELD_LIST, &tax_id_shape),
	FIELD_HERE("defaultPaymentMethodRef", &method_ref_shape),
	FIELD_OF(struct account_spec, shipping_address, "shippingAddress", FIELD_OPTIONAL, &address_shape),
	FIELD(struct account_spec, closure_requested, "closureRequested", FIELD_BOOLEAN),
};
static const struct shape spec_shape = SHAPE("spec", struct account_spec, spec_fields);

/* ---- status ---- */

static const struct field invoice_ref_fields[] = {
	FIELD(struct account_status, latest_invoice, "name", FIELD_WORD),
};
static const struct shape invoice_ref_shape = SHAPE("latestInvoiceRef", struct account_status, invoice_ref_fields);

static const struct field arrangement_invoice_fields[] = {
	FIELD(struct arrangement_invoice, accounts_payable_email, "accountsPayableEmail", FIELD_STRING),
	FIELD(struct arrangement_invoice, agreement_reference, "agreementReference", FIELD_STRING),
	FIELD(struct arrangement_invoice, credit_limit, "creditLimit", FIELD_STRING),
	FIELD(struct arrangement_invoice, net_days, "netDays", FIELD_INTEGER),
	FIELD(struct arrangement_invoice, purchase_order_number, "purchaseOrderNumber", FIELD_STRING),
};
const struct shape arrangement_invoice_shape = SHAPE("invoice", struct arrangement_invoice, arrangement_invoice_fields);

static const struct field arrangement_fields[] = {
	FIELD(struct account_arrangement, ends_at, "endsAt", FIELD_INSTANT),
	FIELD_OF(struct account_arrangement, invoice, "invoice", FIELD_OPTIONAL, &arrangement_invoice_shape),
	FIELD(struct account_arrangement, name, "name", FIELD_WORD),
	FIELD(struct account_arrangement, starts_at, "startsAt", FIELD_INSTANT),
	FIELD_NAMES(struct account_arrangement, type, "type", arrangement_type_names),
};
static const struct shape arrangement_shape = SHAPE("paymentArrangement", struct account_arrangement, arrangement_fields);

static const struct field estimate_fields[] = {
	FIELD(struct account_estimate, as_of, "asOf", FIELD_INSTANT),
	FIELD(struct account_estimate, forecast, "forecast", FIELD_STRING),
	FIELD(struct account_estimate, month_to_date, "monthToDate", FIELD_STRING),
};
static const struct shape estimate_shape = SHAPE("estimate", struct account_estimate, estimate_fields);

static const struct field period_fields[] = {
	FIELD(struct billing_period, end, "end", FIELD_INSTANT),
	FIELD(struct billing_period, start, "start", FIELD_INSTANT),
};
const struct shape billing_period_shape = SHAPE("period", struct billing_period, period_fields);

static const struct field upcoming_fields[] = {
	FIELD_OF(struct upcoming_invoice, period, "period", FIELD_OPTIONAL, &billing_period_shape),
	FIELD(struct upcoming_invoice, total, "total", FIELD_STRING),
};
static const struct shape upcoming_shape = SHAPE("upcomingInvoice", struct upcoming_invoice, upcoming_fields);

static const struct field suspension_fields[] = {
	FIELD(struct account_suspension, reason, "reason", FIELD_WORD),
	FIELD(struct account_suspension, since, "since", FIELD_INSTANT),
};
static const struct shape suspension_shape = SHAPE("suspension", struct account_suspension, suspension_fields);

static const struct field status_fields[] = {
	FIELD(struct account_status, action_required_count, "actionRequiredCount", FIELD_INTEGER),
	FIELD_OF(struct account_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD(struct account_status, credit_balance, "creditBalance", FIELD_STRING),
	FIELD_OF(struct account_status, estimate, "estimate", FIELD_OPTIONAL, &estimate_shape),
	FIELD_HERE("latestInvoiceRef", &invoice_ref_shape),
	FIELD(struct account_status, linked_projects_count, "linkedProjectsCount", FIELD_INTEGER),
	FIELD(struct account_status, observed_generation, "observedGeneration", FIELD_INTEGER),
	FIELD(struct account_status, outstanding_amount, "outstandingAmount", FIELD_STRING),
	FIELD_OF(struct account_status, payment_arrangement, "paymentArrangement", FIELD_OPTIONAL, &arrangement_shape),
	FIELD_NAMES(struct account_status, phase, "phase", phases),
	FIELD_OF(struct account_status, suspension, "suspension", FIELD_OPTIONAL, &suspension_shape),
	FIELD_OF(struct account_status, upcoming_invoice, "upcomingInvoice", FIELD_OPTIONAL, &upcoming_shape),
};
static const struct shape status_shape = SHAPE("status", struct account_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &metadata_shape),
	FIELD_OF(struct billingaccount, spec, "spec", FIELD_STRUCT, &spec_shape),
	FIELD_OF(struct billingaccount, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("BillingAccount", struct billingaccount, fields);

const struct resource billingaccount_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "billingaccounts",
	.kind = "BillingAccount",
	.namespaced = true,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct billingaccount, status),
};
