/* PaymentMethod on the wire. paymentmethod.yaml beside it is its schema. */
#include "paymentmethod.h"

#include "metadata.h"
#include "provider.h"

static const char *const phases[] = { "Pending", "AwaitingConfirmation", "Active", "Failed", NULL };
static const char *const types[] = { "card", "usBankAccount", "bankTransfer", "marketplaceSubscription", NULL };
static const char *const marketplaces[] = { "aws", "azure", "gcp", NULL };

static const struct field annotation_fields[] = {
	FIELD(struct paymentmethod, sandbox_outcome, SANDBOX_OUTCOME_ANNOTATION, FIELD_WORD),
};
static const struct shape annotation_shape = SHAPE("annotations", struct paymentmethod, annotation_fields);

static const struct field metadata_fields[] = { METADATA_ROWS, FIELD_HERE("annotations", &annotation_shape) };
static const struct shape annotated_metadata_shape = SHAPE("metadata", struct paymentmethod, metadata_fields);

static const struct field account_ref_fields[] = { FIELD(struct method_spec, account, "name", FIELD_ATOM) };
static const struct shape account_ref_shape = SHAPE("billingAccountRef", struct method_spec, account_ref_fields);

static const struct field class_ref_fields[] = { FIELD(struct method_spec, class, "name", FIELD_ATOM) };
static const struct shape class_ref_shape = SHAPE("paymentMethodClassRef", struct method_spec, class_ref_fields);

static const struct field marketplace_fields[] = {
	FIELD_NAMES(struct marketplace, provider, "provider", marketplaces),
	FIELD(struct marketplace, subscription_id, "subscriptionId", FIELD_STRING),
};
static const struct shape marketplace_shape = SHAPE("marketplace", struct marketplace, marketplace_fields);

static const struct field spec_fields[] = {
	FIELD_HERE("billingAccountRef", &account_ref_shape),
	FIELD(struct method_spec, display_name, "displayName", FIELD_STRING),
	FIELD_HERE("paymentMethodClassRef", &class_ref_shape),
	FIELD_NAMES(struct method_spec, type, "type", types),
	FIELD_OF(struct method_spec, marketplace, "marketplace", FIELD_OPTIONAL, &marketplace_shape),
};
static const struct shape spec_shape = SHAPE("spec", struct method_spec, spec_fields);

static const struct field card_fields[] = {
	FIELD(struct method_card, brand, "brand", FIELD_WORD),
	FIELD(struct method_card, country, "country", FIELD_WORD),
	FIELD(struct method_card, expiry_month, "expiryMonth", FIELD_INTEGER),
	FIELD(struct method_card, expiry_year, "expiryYear", FIELD_INTEGER),
	FIELD(struct method_card, funding, "funding", FIELD_WORD),
	FIELD(struct method_card, last4, "last4", FIELD_STRING),
};
static const struct shape card_shape = SHAPE("card", struct method_card, card_fields);

static const struct field us_bank_account_fields[] = {
	FIELD(struct method_us_bank_account, account_holder_type, "accountHolderType", FIELD_WORD),
	FIELD(struct method_us_bank_account, account_type, "accountType", FIELD_WORD),
	FIELD(struct method_us_bank_account, bank_name, "bankName", FIELD_WORD),
	FIELD(struct method_us_bank_account, last4, "last4", FIELD_STRING),
};
static const struct shape us_bank_account_shape = SHAPE("usBankAccount", struct method_us_bank_account, us_bank_account_fields);

static const struct field details_fields[] = {
	FIELD_OF(struct method_details, card, "card", FIELD_OPTIONAL, &card_shape),
	FIELD(struct method_details, type, "type", FIELD_WORD),
	FIELD_OF(struct method_details, us_bank_account, "usBankAccount", FIELD_OPTIONAL, &us_bank_account_shape),
};
static const struct shape details_shape = SHAPE("details", struct method_details, details_fields);

static const struct field status_fields[] = {
	FIELD_OF(struct method_status, conditions, "conditions", FIELD_LIST, &condition_shape),
	FIELD_OF(struct method_status, details, "details", FIELD_OPTIONAL, &details_shape),
	FIELD(struct method_status, failure_message, "failureMessage", FIELD_WORD),
	FIELD(struct method_status, failure_reason, "failureReason", FIELD_WORD),
	FIELD(struct method_status, observed_generation, "observedGeneration", FIELD_INTEGER),
	FIELD_NAMES(struct method_status, phase, "phase", phases),
};
static const struct shape status_shape = SHAPE("status", struct method_status, status_fields);

static const struct field fields[] = {
	FIELD_HERE("metadata", &annotated_metadata_shape),
	FIELD_OF(struct paymentmethod, spec, "spec", FIELD_STRUCT, &spec_shape),
	FIELD_OF(struct paymentmethod, status, "status", FIELD_STRUCT, &status_shape),
};
static const struct shape shape = SHAPE("PaymentMethod", struct paymentmethod, fields);

const struct resource paymentmethod_resource = {
	.group = BILLING_GROUP,
	.version = BILLING_VERSION,
	.plural = "paymentmethods",
	.kind = "PaymentMethod",
	.namespaced = true,
	.shape = &shape,
	.status = &status_shape,
	.status_offset = offsetof(struct paymentmethod, status),
};
