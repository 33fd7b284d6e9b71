/*
 * Prints every kind's field table as JSON, for tests/schema_test.py to hold against the CRDs:
 *   [{"kind": "BillingAccount", ..., "fields": [{"path": "spec.closureRequested", "type": "boolean", "names": []}, ...]}]
 * A list's items are "path[]". Knows nothing of schemas.
 */
#include <stdio.h>

#include "resource.h"

static const char *type_name(const struct field *field)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_WORD:
	case FIELD_ATOM:
		return "string";
	case FIELD_INTEGER:
		return "integer";
	case FIELD_BOOLEAN:
		return "boolean";
	case FIELD_INSTANT:
		return "date-time";
	case FIELD_ENUM:
		return "enum";
	case FIELD_STRUCT:
	case FIELD_OPTIONAL:
		return "object";
	case FIELD_LIST:
		return "list";
	case FIELD_STRINGS:
		return "strings";
	}
	return "?";
}

static void dump(const struct shape *shape, const char *prefix, const char **comma)
{
	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];
		char path[512];

		snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "", field->name);
		printf("%s\n  {\"path\": \"%s\", \"type\": \"%s\", \"names\": [", *comma, path, type_name(field));
		*comma = ",";
		for (const char *const *name = field->names; name && *name; name++)
			printf("%s\"%s\"", name == field->names ? "" : ", ", *name);
		printf("]}");
		if (field->type == FIELD_LIST)
			snprintf(path, sizeof(path), "%s%s%s[]", prefix, prefix[0] ? "." : "", field->name);
		if (field->shape)
			dump(field->shape, path, comma);
	}
}

int main(void)
{
#define KIND(id, prefix) &prefix##_resource,
	static const struct resource *const resources[] = { KINDS(KIND) };
#undef KIND

	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct resource *resource = resources[i];
		const char *comma = "";

		printf("%s{\"kind\": \"%s\", \"group\": \"%s\", \"version\": \"%s\", \"plural\": \"%s\", "
		       "\"namespaced\": %s,\n \"fields\": [",
		       i ? ",\n" : "[", resource->kind, resource->group, resource->version, resource->plural,
		       resource->namespaced ? "true" : "false");
		dump(resource->shape, "", &comma);
		printf("]}");
	}
	puts("]");
	return 0;
}
