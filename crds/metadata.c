/* metav1.ObjectMeta as far as we look at it, metav1.OwnerReference without what is for the garbage collector, metav1.Condition whole. */
#include "metadata.h"

#include "settings.h"

const char label_of_project[] = PROJECT_LABEL_DEFAULT;

static const struct field metadata_fields[] = { METADATA_ROWS };
const struct shape metadata_shape = SHAPE("metadata", struct object, metadata_fields);

static const char *const condition_statuses[] = { "True", "False", "Unknown", NULL };

static const struct field condition_fields[] = {
	FIELD(struct condition, last_transition, "lastTransitionTime", FIELD_INSTANT),
	FIELD(struct condition, message, "message", FIELD_WORD),
	FIELD(struct condition, observed_generation, "observedGeneration", FIELD_INTEGER),
	FIELD(struct condition, reason, "reason", FIELD_WORD),
	FIELD_NAMES(struct condition, status, "status", condition_statuses),
	FIELD(struct condition, type, "type", FIELD_WORD),
};
const struct shape condition_shape = SHAPE("condition", struct condition, condition_fields);

static const struct field owner_fields[] = {
	FIELD(struct owner_reference, api_version, "apiVersion", FIELD_WORD),
	FIELD(struct owner_reference, kind, "kind", FIELD_WORD),
	FIELD(struct owner_reference, name, "name", FIELD_WORD),
	FIELD(struct owner_reference, uid, "uid", FIELD_WORD),
	FIELD(struct owner_reference, controller, "controller", FIELD_BOOLEAN),
};
const struct shape owner_shape = SHAPE("ownerReference", struct owner_reference, owner_fields);
