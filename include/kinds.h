/*
 * The wiring table: every kind the controller knows, one row each, and all there is to touch outside a kind's own files.
 * KIND(ID, prefix): ID makes enum kind_id's KIND_ID; prefix names what the kind's files define:
 *   crds/<prefix>.c        const struct resource   <prefix>_resource    how it looks on the wire
 *   reconcilers/<prefix>.c const struct reconciler <prefix>_reconciler  how it is decided
 * The order is the order of start, of metrics, and of debug output: what others refer to comes first.
 */
#ifndef TOLLGATE_KINDS_H
#define TOLLGATE_KINDS_H

#define KINDS(KIND)                               \
	KIND(NAMESPACE, namespace)                \
	KIND(PAYMENTMETHODCLASS, paymentmethodclass) \
	KIND(BILLINGACCOUNT, billingaccount)      \
	KIND(PAYMENTMETHOD, paymentmethod)        \
	KIND(BILLINGARRANGEMENT, billingarrangement) \
	KIND(INVOICE, invoice)                    \
	KIND(BINDING, billingaccountbinding)      \
	KIND(PROJECTBILLING, projectbilling)

#define KIND(id, prefix) KIND_##id,
enum kind_id { KINDS(KIND) KIND_COUNT };
#undef KIND

#endif
