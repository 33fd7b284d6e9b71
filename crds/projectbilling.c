/* ProjectBilling on the wire: all status, no spec. projectbilling.yaml beside it is its schema. */
#include "projectbilling.h"

#include "metadata.h"

static const struct field ref_fields[] = {
	FIELD(struct object_ref, name, "name", FIELD_WORD),
	FIELD(struct object_ref, ns, "namespace", FIELD_WORD),
};
static const struct shape ref_shape = SHAPE("ref", struct object_ref, ref_fields);

static const struct field status_fields[] = {
	FIELD_OF(struct projectbilling_status, billing_account, "billingAccount", FIELD_OPTIONAL, &ref_shape),
	FIELD_OF(struct projectbilling_status, binding, "bindingRef", FIELD_OPTIONAL, &ref_shape),
	FIELD_OF(struct projectbilling_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD(struct projectbilling_status, deploy_allowed, "deployAllowed", FIELD_BOOLEAN),
	FIELD(struct projectbilling_status, observed_generation, "observedGeneration", FIELD_INTEGER),
};
static const struct shape status_shape = SHAPE("status", struct projectbilling_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &metadata_shape),
	FIELD_OF(struct projectbilling, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("ProjectBilling", struct projectbilling, fields);

const struct resource projectbilling_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "projectbillings",
	.kind = "ProjectBilling",
	.namespaced = true,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct projectbilling, status),
};
