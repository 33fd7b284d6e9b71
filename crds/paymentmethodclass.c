/* PaymentMethodClass on the wire: the smallest of our tables. paymentmethodclass.yaml beside it is its schema. */
#include "paymentmethodclass.h"

#include "metadata.h"

/* The mark of the default class is read in both places where people put it. */
static const struct field label_fields[] = {
	FIELD(struct paymentmethodclass, default_label, DEFAULT_CLASS_KEY, FIELD_WORD),
};
static const struct shape label_shape = SHAPE("labels", struct paymentmethodclass, label_fields);

static const struct field annotation_fields[] = {
	FIELD(struct paymentmethodclass, default_annotation, DEFAULT_CLASS_KEY, FIELD_WORD),
};
static const struct shape annotation_shape = SHAPE("annotations", struct paymentmethodclass, annotation_fields);

static const struct field metadata_fields[] = {
	METADATA_ROWS,
	FIELD_HERE("labels", &label_shape),
	FIELD_HERE("annotations", &annotation_shape),
};
static const struct shape marked_metadata_shape = SHAPE("metadata", struct paymentmethodclass, metadata_fields);

static const struct field parameters_fields[] = {
	FIELD(struct parameters_ref, group, "group", FIELD_WORD),
	FIELD(struct parameters_ref, kind, "kind", FIELD_WORD),
	FIELD(struct parameters_ref, name, "name", FIELD_WORD),
};
static const struct shape parameters_shape = SHAPE("parametersRef", struct parameters_ref, parameters_fields);

static const struct field spec_fields[] = {
	FIELD(struct paymentmethodclass, provider, "provider", FIELD_WORD),
	FIELD_OF(struct paymentmethodclass, parameters, "parametersRef", FIELD_OPTIONAL, &parameters_shape),
};
static const struct shape spec_shape = SHAPE("spec", struct paymentmethodclass, spec_fields);

static const struct field status_fields[] = {
	FIELD_OF(struct class_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD(struct class_status, observed_generation, "observedGeneration", FIELD_INTEGER),
};
static const struct shape status_shape = SHAPE("status", struct class_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &marked_metadata_shape),
	FIELD_HERE("spec", &spec_shape),
	FIELD_OF(struct paymentmethodclass, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("PaymentMethodClass", struct paymentmethodclass, fields);

const struct resource paymentmethodclass_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "paymentmethodclasses",
	.kind = "PaymentMethodClass",
	.namespaced = false,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct paymentmethodclass, status),
};
