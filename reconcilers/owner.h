/* Whose is it? Invoices and arrangements belong to an account by UID, not only by name: a recreated account inherits nothing. */
#ifndef TOLLGATE_OWNER_H
#define TOLLGATE_OWNER_H

#include "admission.h"
#include "billingaccount.h"

/* meta, owners: of an object that names `account`. True if it belongs to that very account, or bears no reference to any account yet
 * and was made after this one: then it is to get one. */
bool owned_by(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account);
bool same_owners(const struct owner_references *, const struct owner_references *);

/* Why it isn't owned_by() the account, for people, and what to do. */
const char *owner_fault(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account,
			struct arena *);

/* What conditions and admission say of a name that no account in that namespace has; in the arena. */
const char *account_not_found(atom_t ns, atom_t account, struct arena *);

/* The reference that it is to get, else NULL; in the arena. */
const struct owner_reference *owner_wanted(const struct object *meta, const struct owner_references *owners,
					   const struct billingaccount *account, struct arena *);

/* admission.h, for a new object that names that account: the account must be there and, where owners name one, be it. */
struct refusal owner_refusal(const struct admission *, const struct object *meta, const struct owner_references *owners, atom_t account,
			     struct arena *);
/* For a changed one: what belonged to the account must not leave it, or it would count no more. */
struct refusal owner_left(const struct admission *, const struct object *meta, const struct owner_references *before,
			  const struct owner_references *after, atom_t account, struct arena *);
void owner_default(const struct admission *, const struct object *meta, const struct owner_references *owners, atom_t account,
		   struct defaults *, struct arena *);

#endif
