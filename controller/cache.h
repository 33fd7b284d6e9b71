/*
 * What we know of the cluster: one record an object, by key and by index (view.h reads it). Knows nothing of queues, sockets
 * or time; tells one listener of each change, after it can be seen.
 *
 * Read your writes. A watch lags behind the answers to our own requests, and a resourceVersion may not be compared by size. So
 * for every request about a key the cache keeps what it needs to tell old news from new:
 *
 *      write_begin           write_end, answer at version X              event at version X
 *   ───────┬──────────────────────────┬───────────────────────────────────────────┬──────────►
 *          │ FLYING: events apply,    │ AWAITING X: events of the key are older   │ in step again
 *          │ their versions are noted │ than X, and dropped                       │
 *                                     └─ X was among the noted ones: nothing to await, events were newer
 * A request that begins while X is still awaited goes on awaiting it meanwhile, and afterwards unless its answer is newer.
 * Where a relist or too many events blur that, the key is marked doubtful: read it at the server before deciding on it.
 */
#ifndef TOLLGATE_CACHE_H
#define TOLLGATE_CACHE_H

#include "codec.h"
#include "kind.h"
#include "view.h"

struct cache;

struct cache_listener {
	void *context;
	/* old NULL: added; new NULL: gone. Both are records of that kind, borrowed. Must not change the cache. */
	void (*changed)(void *context, enum kind_id, const void *old, const void *new);
	/* A key became doubtful without a change to its object. Atoms borrowed. */
	void (*doubtful)(void *context, struct key);
};

struct cache_stats {
	size_t objects[KIND_COUNT], bytes[KIND_COUNT];
	uint32_t classes[KIND_COUNT][CLASSES_MAX]; /* objects, by the kind's census */
	size_t awaiting; /* keys whose last write the watch has not shown yet */
};

/* All three are borrowed and outlive the cache. */
struct cache *cache_new(struct atoms *, struct codec *, const struct settings *, struct cache_listener);
void cache_free(struct cache *);
const struct view *cache_view(const struct cache *);
void cache_stats(const struct cache *, struct cache_stats *);

/* Records are kept in a compact form (compact.h), and expanded for whoever looks at them. What was looked at lasts until the next record
 * comes in, changes or goes; or until this is called: at the beginning of each decision, review or the like, since a thousand of them may
 * go by without any change. */
void cache_end_looks(struct cache *);

/* A record from a list or a watch's ADDED or MODIFIED; taken. Another UID under the same key is a delete and an add. */
void cache_put(struct cache *, enum kind_id, void *record);
/* Does as cache_put if the object is held at that very version: of a record nothing would be taken, so nobody need read one. False: it
 * is not, and nothing has been done. */
bool cache_put_known(struct cache *, struct key, const char *version);
/* A watch's DELETED: only if the cached object has that UID. */
void cache_delete(struct cache *, struct key, const char *uid);
/* An object that cannot be read: not known is safer than known wrongly. It is doubtful from now on, so that it is asked for now
 * and then until it can be read or is gone. */
void cache_drop(struct cache *, struct key);

/* A list from its first page to its end: what was not put in between is gone. A begin without an end changes nothing. */
void cache_list_begin(struct cache *, enum kind_id);
void cache_list_end(struct cache *, enum kind_id);

/* Around every request about a key, one at a time a key. record: the object as the answer shows it, taken, or NULL when the
 * answer has none. False: the answer shows the very version that was there before, so the request changed nothing. */
void cache_write_begin(struct cache *, struct key);
bool cache_write_end(struct cache *, struct key, void *record);
/* Likewise, if the answer's version is held already, or the watch brought it meanwhile. False: it did not, and the request goes on. */
bool cache_write_end_known(struct cache *, struct key, const char *version, bool *changed);
/* The answer was lost, the write may or may not have been applied: the key is doubtful, and the listener is not told. */
void cache_write_lost(struct cache *, struct key);
/* Ends a read that answered: there is no such object. */
void cache_read_missing(struct cache *, struct key);
bool cache_is_doubtful(const struct cache *, struct key);

/* Keeps a copy for view_provider_result until the object goes. The texts in it must be static. */
void cache_provider_answered(struct cache *, struct key, const struct provider_result *);

#endif
