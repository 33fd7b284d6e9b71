/* Invoice on the wire. invoice.yaml beside it is its schema. */
#include "invoice.h"

#include "billingaccount_shapes.h"
#include "metadata.h"

static const char *const phases[] = { "Open", "Paid", "PastDue", "Void", NULL };
static const char *const categories[] = { "ActionRequired", "Upcoming", "History", NULL };

static const struct field metadata_fields[] = {
	METADATA_ROWS,
	FIELD_OF(struct invoice, owners, "ownerReferences", FIELD_LIST, &owner_shape),
};
static const struct shape owned_metadata_shape = SHAPE("metadata", struct invoice, metadata_fields);

static const struct field account_ref_fields[] = { FIELD(struct invoice_spec, account, "name", FIELD_ATOM) };
static const struct shape account_ref_shape = SHAPE("billingAccountRef", struct invoice_spec, account_ref_fields);

static const struct field spec_fields[] = {
	FIELD_HERE("billingAccountRef", &account_ref_shape),
	FIELD_OF(struct invoice_spec, period, "period", FIELD_OPTIONAL, &billing_period_shape),
	FIELD(struct invoice_spec, void_requested, "voidRequested", FIELD_BOOLEAN),
};
static const struct shape spec_shape = SHAPE("spec", struct invoice_spec, spec_fields);

static const struct field line_fields[] = {
	FIELD(struct invoice_line, amount, "amount", FIELD_STRING),
	FIELD(struct invoice_line, description, "description", FIELD_WORD),
	FIELD(struct invoice_line, project, "project", FIELD_WORD),
	FIELD(struct invoice_line, quantity, "quantity", FIELD_STRING),
	FIELD(struct invoice_line, unit, "unit", FIELD_WORD),
	FIELD(struct invoice_line, unit_price, "unitPrice", FIELD_STRING),
};
static const struct shape line_shape = SHAPE("line", struct invoice_line, line_fields);

static const struct field status_fields[] = {
	FIELD(struct invoice_status, amount_due, "amountDue", FIELD_STRING),
	FIELD(struct invoice_status, amount_paid, "amountPaid", FIELD_STRING),
	FIELD(struct invoice_status, attempt_count, "attemptCount", FIELD_INTEGER),
	FIELD_NAMES(struct invoice_status, category, "category", categories),
	FIELD_OF(struct invoice_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD(struct invoice_status, credits_applied, "creditsApplied", FIELD_STRING),
	FIELD(struct invoice_status, currency_code, "currencyCode", FIELD_WORD),
	FIELD(struct invoice_status, document_uri, "documentUri", FIELD_STRING),
	FIELD(struct invoice_status, due_date, "dueDate", FIELD_INSTANT),
	FIELD(struct invoice_status, issued_at, "issuedAt", FIELD_INSTANT),
	FIELD_OF(struct invoice_status, lines, "lines", FIELD_LIST, &line_shape),
	FIELD(struct invoice_status, next_attempt_at, "nextAttemptAt", FIELD_INSTANT),
	FIELD(struct invoice_status, number, "number", FIELD_STRING),
	FIELD(struct invoice_status, observed_generation, "observedGeneration", FIELD_INTEGER),
	FIELD(struct invoice_status, paid_at, "paidAt", FIELD_INSTANT),
	FIELD_NAMES(struct invoice_status, phase, "phase", phases),
	FIELD(struct invoice_status, rounding, "rounding", FIELD_STRING),
	FIELD(struct invoice_status, subtotal, "subtotal", FIELD_STRING),
	FIELD(struct invoice_status, tax, "tax", FIELD_STRING),
	FIELD(struct invoice_status, total, "total", FIELD_STRING),
};
static const struct shape status_shape = SHAPE("status", struct invoice_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &owned_metadata_shape),
	FIELD_OF(struct invoice, spec, "spec", FIELD_STRUCT, &spec_shape),
	FIELD_OF(struct invoice, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("Invoice", struct invoice, fields);

const struct resource invoice_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "invoices",
	.kind = "Invoice",
	.namespaced = true,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct invoice, status),
};
