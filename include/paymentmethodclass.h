/*
 * PaymentMethodClass (cluster-scoped): which provider sets up the payment methods that name it. Our smallest kind: read
 * it first, together with crds/paymentmethodclass.c and reconcilers/paymentmethodclass.c.
 */
#ifndef TOLLGATE_PAYMENTMETHODCLASS_H
#define TOLLGATE_PAYMENTMETHODCLASS_H

#include "object.h"

#define DEFAULT_CLASS_KEY "billing.miloapis.com/is-default-class" /* label or annotation, value "true" */

struct parameters_ref {
	const char *group, *kind, *name;
};

struct class_status {
	struct conditions conditions; /* ParametersResolved */
	int64_t observed_generation;
};

struct paymentmethodclass {
	struct object meta;
	const char *default_label, *default_annotation; /* DEFAULT_CLASS_KEY; either marks the default */
	const char *provider;
	const struct parameters_ref *parameters;
	struct class_status status;
};


/* Is it marked as the default? */
bool class_is_default(const struct paymentmethodclass *);

#endif
