/* Namespace on the wire: of core/v1 we read two labels; there is no status that we would write. */
#include "namespace.h"

#include "metadata.h"
#include "settings.h"

static const struct field label_fields[] = {
	FIELD(struct namespace, project, label_of_project, FIELD_ATOM),
	FIELD(struct namespace, organization, ORGANIZATION_LABEL, FIELD_ATOM),
};
static const struct shape label_shape = SHAPE("labels", struct namespace, label_fields);

static const struct field metadata_fields[] = { METADATA_ROWS, FIELD_HERE("labels", &label_shape) };
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
