/* BillingArrangement on the wire. billingarrangement.yaml beside it is its schema. */
#include "billingarrangement.h"

#include "billingaccount_shapes.h"
#include "metadata.h"

static const char *const phases[] = { "Scheduled", "Active", "Ended", NULL };

static const struct field metadata_fields[] = {
	METADATA_ROWS,
	FIELD_OF(struct billingarrangement, owners, "ownerReferences", FIELD_LIST, &owner_shape),
};
static const struct shape owned_metadata_shape = SHAPE("metadata", struct billingarrangement, metadata_fields);

static const struct field account_ref_fields[] = { FIELD(struct arrangement_spec, account, "name", FIELD_ATOM) };
static const struct shape account_ref_shape = SHAPE("billingAccountRef", struct arrangement_spec, account_ref_fields);

static const struct field spec_fields[] = {
	FIELD_HERE("billingAccountRef", &account_ref_shape),
	FIELD_NAMES(struct arrangement_spec, type, "type", arrangement_type_names),
	FIELD_OF(struct arrangement_spec, invoice, "invoice", FIELD_OPTIONAL, &arrangement_invoice_shape),
	FIELD(struct arrangement_spec, starts_at, "startsAt", FIELD_INSTANT),
	FIELD(struct arrangement_spec, ends_at, "endsAt", FIELD_INSTANT),
	FIELD(struct arrangement_spec, reason, "reason", FIELD_STRING),
};
static const struct shape spec_shape = SHAPE("spec", struct arrangement_spec, spec_fields);

static const struct field status_fields[] = {
	FIELD_OF(struct arrangement_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD(struct arrangement_status, observed_generation, "observedGeneration", FIELD_INTEGER),
	FIELD_NAMES(struct arrangement_status, phase, "phase", phases),
};
static const struct shape status_shape = SHAPE("status", struct arrangement_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &owned_metadata_shape),
	FIELD_OF(struct billingarrangement, spec, "spec", FIELD_STRUCT, &spec_shape),
	FIELD_OF(struct billingarrangement, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("BillingArrangement", struct billingarrangement, fields);

const struct resource billingarrangement_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "billingarrangements",
	.kind = "BillingArrangement",
	.namespaced = true,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct billingarrangement, status),
};
