/*
 * Namespace, as far as billing looks at it: which project it belongs to, and which organization. We only read it here.
 */
#ifndef TOLLGATE_NAMESPACE_H
#define TOLLGATE_NAMESPACE_H

#include "object.h"

struct namespace {
	struct object meta;
	atom_t project;      /* label settings.project_label; NULL = no project's namespace */
	atom_t organization; /* label ORGANIZATION_LABEL */
};

enum namespace_index { NAMESPACE_BY_PROJECT /* (NULL, project) */, NAMESPACE_INDEXES };

#endif
