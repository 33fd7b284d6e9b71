/* The table of kinds: what kinds.h lists, indexed by enum kind_id. kind.c is made from the list and never edited. */
#ifndef TOLLGATE_KIND_H
#define TOLLGATE_KIND_H

#include "reconcile.h"
#include "resource.h"

struct kind {
	const struct resource *resource;
	const struct reconciler *reconciler;
};

extern const struct kind kinds[KIND_COUNT];

#endif
