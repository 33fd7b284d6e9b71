/*
 * BillingAccountBinding: this project's costs go to this account. The newest of a project wins; what it replaces is history.
 */
#ifndef TOLLGATE_BILLINGACCOUNTBINDING_H
#define TOLLGATE_BILLINGACCOUNTBINDING_H

#include "object.h"

enum binding_phase { BINDING_PHASE_ABSENT = 0, BINDING_ACTIVE, BINDING_SUPERSEDED };

struct binding_spec {
	atom_t account; /* billingAccountRef.name, in the binding's own namespace */
	atom_t project; /* projectRef.name */
};

struct billing_responsibility {
	instant_t established_at; /* when it first became Active; a fact that sticks */
	const char *current_account;
};

struct binding_status {
	enum binding_phase phase;
	struct billing_responsibility responsibility; /* billingResponsibility; empty until established */
	struct conditions conditions;                 /* Bound, then DeployAllowed on an Active binding only */
	int64_t observed_generation;
	instant_t ended_at; /* ours: when it was superseded */
};

struct billingaccountbinding {
	struct object meta;
	struct binding_spec spec;
	struct binding_status status;
};

enum binding_index {
	BINDING_BY_ACCOUNT,        /* (namespace, account) */
	BINDING_BY_PROJECT,        /* (NULL, project): across namespaces */
	BINDING_ACTIVE_BY_ACCOUNT, /* (namespace, account), phase Active only: a count */
	BINDING_NEW_BY_ACCOUNT,    /* (namespace, account), those that nobody has decided yet: few */
	BINDING_BY_NAMESPACE,      /* (NULL, namespace) */
	BINDING_INDEXES
};

#endif
