/* Whose is it? Invoices and arrangements belong to an account by UID, not only by name: a recreated account inherits nothing. */
#ifndef TOLLGATE_OWNER_H
#define TOLLGATE_OWNER_H

#include "billingaccount.h"

enum ownership {
	OWNER_MATCHES = 1, /* an owner reference has the account's kind, name and UID, and is no controller's */
	OWNER_UNSET,       /* no reference to any account, and made after the account: it is to get one, and counts already */
	OWNER_OTHER,       /* belongs to another account, as one of that name that is gone, or has a reference that is wrong */
	OWNER_EARLIER,     /* no reference, but older than the account: it may have been made for a predecessor */
};

/* meta, owners: of an object that names `account`. */
enum ownership ownership(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account);
/* OWNER_MATCHES or OWNER_UNSET. */
bool owned_by(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account);
bool same_owners(const struct owner_references *, const struct owner_references *);

/* Why it isn't owned_by() the account, for people, and what to do. */
const char *owner_fault(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account,
			struct arena *);

/* The reference that OWNER_UNSET asks for, else NULL; in the arena. */
const struct owner_reference *owner_wanted(const struct object *meta, const struct owner_references *owners,
					   const struct billingaccount *account, struct arena *);

#endif
