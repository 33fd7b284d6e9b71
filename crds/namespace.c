/* Namespace on the wire: of core/v1 we read three labels and an annotation; there is no status that we would write. */
#include "namespace.h"

#include "metadata.h"
#include "settings.h"

static const struct field label_fields[] = {
	FIELD(struct namespace, project, label_of_project, FIELD_ATOM),
	FIELD(struct namespace, organization, ORGANIZATION_LABEL, FIELD_ATOM),
	FIELD(struct namespace, deploy, DEPLOY_LABEL, FIELD_WORD),
};
static const struct shape label_shape = SHAPE("labels", struct namespace, label_fields);

static const struct field annotation_fields[] = {
	FIELD(struct namespace, deploy_message, DEPLOY_MESSAGE_ANNOTATION, FIELD_WORD),
};
static const struct shape annotation_shape = SHAPE("annotations", struct namespace, annotation_fields);

static const struct field metadata_fields[] = { METADATA_ROWS, FIELD_HERE("labels", &label_shape),
					       FIELD_HERE("annotations", &annotation_shape) };
static const struct shape labelled_metadata_shape = SHAPE("metadata", struct namespace, metadata_fields);

static const struct field fields[] = { FIELD_HERE("metadata", &labelled_metadata_shape) };
static const struct shape shape = SHAPE("Namespace", struct namespace, fields);

const struct resource namespace_resource = {
	.group = "",
	.version = "v1",
	.plural = "namespaces",
	.kind = "Namespace",
	.namespaced = false,
	.shape = &shape,
};
