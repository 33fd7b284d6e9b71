/*
 * Asks the API server for one object, or for all of a kind, past the cache: for admission, where the cache may be behind by what was
 * created a moment ago. What comes back goes to who asked, not into the cache.
 */
#ifndef TOLLGATE_LOOKUP_H
#define TOLLGATE_LOOKUP_H

#include "codec.h"
#include "port.h"

struct lookup;

struct lookup_listener {
	void *context;
	/* One of what was asked for; the record is the callee's. */
	void (*found)(void *context, struct key key, void *record);
	/* Exactly once, unless it was cancelled; then the lookup is gone. complete: what was not found is not there. False: no usable answer
	 * came. */
	void (*done)(void *context, bool complete);
};

/* key.name NULL: all objects of that kind, at most CAP_OBJECT_BYTES each and LOOKUP_LIST_MAX together. Atoms are borrowed until done. */
enum { LOOKUP_TIMEOUT_MS = 2000, LOOKUP_LIST_MAX = 1000 };
struct lookup *lookup_start(const struct port *, struct codec *, struct key, const struct lookup_listener *);
void lookup_cancel(struct lookup *);

#endif
