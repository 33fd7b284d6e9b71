/*
 * What every Kubernetes object can be asked about its metadata. Knows no kind. Never changes an object.
 */
#include "object.h"

#include <string.h>

bool object_has_finalizer(const struct object *object, const char *finalizer)
{
	for (size_t i = 0; i < object->finalizers.n; i++)
		if (!strcmp(object->finalizers.items[i], finalizer))
			return true;
	return false;
}
