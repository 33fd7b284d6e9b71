/*
 * ProjectBilling (ours): what a project's members read: who pays, and may we deploy. One in each namespace of the project,
 * named like the project, written by Tollgate alone.
 */
#ifndef TOLLGATE_PROJECTBILLING_H
#define TOLLGATE_PROJECTBILLING_H

#include "object.h"

struct object_ref {
	const char *ns, *name;
};

struct projectbilling_status {
	const struct object_ref *billing_account; /* absent when nobody pays */
	const struct object_ref *binding;         /* bindingRef */
	enum tristate deploy_allowed;
	struct conditions conditions; /* DeployAllowed */
	int64_t observed_generation;
};

struct projectbilling {
	struct object meta;
	struct projectbilling_status status;
};

#endif
