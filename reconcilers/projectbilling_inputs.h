/* What one decision on a ProjectBilling depends on. */
#ifndef TOLLGATE_PROJECTBILLING_INPUTS_H
#define TOLLGATE_PROJECTBILLING_INPUTS_H

#include "namespace.h"
#include "project.h"
#include "projectbilling.h"
#include "reconcile.h"

struct projectbilling_inputs {
	instant_t now;
	atom_t project;                     /* the key's name */
	const struct projectbilling *self;  /* NULL while there is none */
	const struct namespace *namespace;  /* NULL once gone */
	struct project_facts facts;
};

struct projectbilling_inputs projectbilling_gather(const struct view *, struct key, instant_t now, struct arena *);
struct outcome projectbilling_reconcile(const struct projectbilling_inputs *, struct arena *);

#endif
