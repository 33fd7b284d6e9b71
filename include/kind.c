/* Joins what the rooms define for each kind: the one place that knows both, made from the list in kinds.h. */
#include "kind.h"

#define KIND(id, prefix) [KIND_##id] = { .resource = &prefix##_resource, .reconciler = &prefix##_reconciler },
const struct kind kinds[KIND_COUNT] = { KINDS(KIND) };
#undef KIND
