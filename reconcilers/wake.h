/* Which keys a moved fact touches: the fan-out that the watch rules of several kinds share. */
#ifndef TOLLGATE_WAKE_H
#define TOLLGATE_WAKE_H

#include "reconcile.h"

/* NULL is equal to NULL alone. */
bool same_text(const char *a, const char *b);
/* Is it the same object before and after: both there, and one UID? */
static inline bool same_object(const struct object *old, const struct object *new)
{
	return old && new && same_text(old->uid, new->uid);
}

/* The objects of a kind that an index has under that value. */
void wake_found(const struct view *, const struct key_sink *, enum kind_id, unsigned index, atom_t scope, atom_t value);
/* Each of the project's namespaces, and the ProjectBilling in it. */
void wake_gates(const struct view *, const struct key_sink *, atom_t project);
/* All bindings of the project but history. */
void wake_bindings(const struct view *, const struct key_sink *, atom_t project);
/* Both, for each project that a binding of this account names, history left out: who wins there, and may it deploy? */
void wake_account_projects(const struct view *, const struct key_sink *, atom_t ns, atom_t account);

/* The same as watch rules (reconcile.h), for bindings and gates at once, as both follow the same facts. */
void wake_on_account(const struct view *, const void *before, const void *after, const struct key_sink *);
void wake_on_method(const struct view *, const void *before, const void *after, const struct key_sink *);
void wake_on_arrangement(const struct view *, const void *before, const void *after, const struct key_sink *);
void wake_on_namespace(const struct view *, const void *before, const void *after, const struct key_sink *);

#endif
