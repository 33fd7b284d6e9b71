/* BillingAccountBinding on the wire. billingaccountbinding.yaml beside it is its schema. */
#include "billingaccountbinding.h"

#include "metadata.h"

static const char *const phases[] = { "Active", "Superseded", NULL };

static const struct field account_ref_fields[] = { FIELD(struct binding_spec, account, "name", FIELD_ATOM) };
static const struct shape account_ref_shape = SHAPE("billingAccountRef", struct binding_spec, account_ref_fields);

static const struct field project_ref_fields[] = { FIELD(struct binding_spec, project, "name", FIELD_ATOM) };
static const struct shape project_ref_shape = SHAPE("projectRef", struct binding_spec, project_ref_fields);

static const struct field spec_fields[] = {
	FIELD_HERE("billingAccountRef", &account_ref_shape),
	FIELD_HERE("projectRef", &project_ref_shape),
};
static const struct shape spec_shape = SHAPE("spec", struct binding_spec, spec_fields);

static const struct field responsibility_fields[] = {
	FIELD(struct billing_responsibility, current_account, "currentAccount", FIELD_WORD),
	FIELD(struct billing_responsibility, established_at, "establishedAt", FIELD_INSTANT),
};
static const struct shape responsibility_shape =
	SHAPE("billingResponsibility", struct billing_responsibility, responsibility_fields);

static const struct field status_fields[] = {
	FIELD_OF(struct binding_status, responsibility, "billingResponsibility", FIELD_STRUCT, &responsibility_shape),
	FIELD_OF(struct binding_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD(struct binding_status, ended_at, "endedAt", FIELD_INSTANT),
	FIELD(struct binding_status, observed_generation, "observedGeneration", FIELD_INTEGER),
	FIELD_NAMES(struct binding_status, phase, "phase", phases),
};
static const struct shape status_shape = SHAPE("status", struct binding_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &metadata_shape),
	FIELD_OF(struct billingaccountbinding, spec, "spec", FIELD_STRUCT, &spec_shape),
	FIELD_OF(struct billingaccountbinding, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("BillingAccountBinding", struct billingaccountbinding, fields);

const struct resource billingaccountbinding_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "billingaccountbindings",
	.kind = "BillingAccountBinding",
	.namespaced = true,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct billingaccountbinding, status),
};
