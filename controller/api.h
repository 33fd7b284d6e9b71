/*
 * Paths of the Kubernetes API for any kind. Everything that goes into a path is percent-encoded here. Not who asks, not what for.
 */
#ifndef TOLLGATE_API_H
#define TOLLGATE_API_H

#include "arena.h"
#include "object.h"
#include "resource.h"
#include "watch.h"

/* .../namespaces/NS/PLURAL/NAME[/subresource], in the arena. */
char *api_object_path(const struct resource *, struct key, const char *subresource, struct arena *);
/* Where an object of that kind is created. */
char *api_collection_path(const struct resource *, atom_t ns, struct arena *);
/* The list or watch that a command asks for; ns NULL = all namespaces. A namespace's own watch names itself by field selector. */
char *api_watch_path(const struct resource *, const char *ns, const struct watch_cmd *, struct arena *);

#endif
