/* One heap allocation for a decoded record and all that hangs on it. Private to crds/. */
#ifndef TOLLGATE_PACK_H
#define TOLLGATE_PACK_H

#include "atom.h"
#include "decode.h"

/* Moves what decode_record() made into one allocation, references to atoms too: the scratch record is dead. */
void *pack_record(const struct decoder *, const struct shape *, const void *scratch);
/* Drops a record's references to atoms. */
void pack_release(struct atoms *, const struct shape *, const void *record);
size_t pack_size(const void *record);
void pack_free(struct atoms *, const struct shape *, void *record);
/* Frees the record alone: its references have gone elsewhere. */
void pack_drop(void *record);

#endif
