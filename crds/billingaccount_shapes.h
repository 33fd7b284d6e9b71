/* Tables of what other kinds have in common with a BillingAccount's status. Private to crds/. */
#ifndef TOLLGATE_BILLINGACCOUNT_SHAPES_H
#define TOLLGATE_BILLINGACCOUNT_SHAPES_H

#include "shape.h"

extern const char *const arrangement_type_names[];     /* enum arrangement_type */
extern const struct shape arrangement_invoice_shape;   /* struct arrangement_invoice */
extern const struct shape billing_period_shape;        /* struct billing_period */

#endif
