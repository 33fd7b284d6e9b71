/*
 * Matches what names an account with the one account that it was made for. Knows owner references and creation times alone.
 * Invariant: nothing passes from an account to its namesake: neither with its UID, nor without a reference when it is older.
 */
#include "owner.h"

#include <string.h>

#include "resource.h"
#include "wake.h"

enum ownership {
	OWNER_MATCHES = 1, /* an owner reference has the account's kind, name and UID, and is no controller's */
	OWNER_UNSET,       /* no reference to any account, and made after the account: it is to get one, and counts already */
	OWNER_OTHER,       /* belongs to another account, as one of that name that is gone, or has a reference that is wrong */
	OWNER_EARLIER,     /* no reference, but older than the account: it may have been made for a predecessor */
};

static bool names_an_account(const struct owner_reference *ref)
{
	static const char group[] = BILLING_GROUP "/";

	return ref->api_version && !strncmp(ref->api_version, group, sizeof(group) - 1) && same_text(ref->kind, "BillingAccount");
}

static enum ownership ownership(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account)
{
	bool wrong = false;

	for (size_t i = 0; i < owners->n; i++) {
		const struct owner_reference *ref = &owners->items[i];
		bool same_uid = same_text(ref->uid, account->meta.uid);
		if (!names_an_account(ref)) {
			wrong |= same_uid;
			continue;
		}
		if (same_uid && ref->controller != YES && same_text(ref->name, account->meta.name->text))
			return OWNER_MATCHES;
		wrong = true;
	}
	if (wrong)
		return OWNER_OTHER;
	return meta->created < account->meta.created ? OWNER_EARLIER : OWNER_UNSET;
}

bool owned_by(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account)
{
	enum ownership verdict = ownership(meta, owners, account);

	return verdict == OWNER_MATCHES || verdict == OWNER_UNSET;
}

const char *owner_fault(const struct object *meta, const struct owner_references *owners, const struct billingaccount *account,
			struct arena *arena)
{
	const char *name = account->meta.name->text;

	if (ownership(meta, owners, account) == OWNER_OTHER)
		return arena_printf(arena, "metadata.ownerReferences: it belongs to another billing account, or to \"%s\" in a wrong way (the kind, the "
					   "name and the UID must be the present account's, and controller must not be true)", name);
	return arena_printf(arena, "It is older than billing account \"%s\" and so may belong to an earlier one of that name; if it does not, "
				   "delete it and create it again.", name);
}

const char *account_not_found(atom_t ns, atom_t account, struct arena *arena)
{
	return arena_printf(arena, "billing account \"%s\" was not found in namespace \"%s\"", atom_text(account), atom_text(ns));
}

bool same_owners(const struct owner_references *a, const struct owner_references *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_text(a->items[i].uid, b->items[i].uid) || !same_text(a->items[i].kind, b->items[i].kind) ||
		    !same_text(a->items[i].name, b->items[i].name) || !same_text(a->items[i].api_version, b->items[i].api_version) ||
		    a->items[i].controller != b->items[i].controller)
			return false;
	return true;
}

const struct owner_reference *owner_wanted(const struct object *meta, const struct owner_references *owners,
					   const struct billingaccount *account, struct arena *arena)
{
	if (!account || account->meta.deleted || meta->deleted || ownership(meta, owners, account) != OWNER_UNSET)
		return NULL;
	struct owner_reference *ref = arena_new(arena, struct owner_reference);
	*ref = (struct owner_reference){ .api_version = BILLING_GROUP "/" BILLING_VERSION, .kind = "BillingAccount",
					 .name = account->meta.name->text, .uid = account->meta.uid };
	return ref;
}

struct refusal owner_refusal(const struct admission *in, const struct object *meta, const struct owner_references *owners, atom_t account,
			     struct arena *arena)
{
	const struct billingaccount *found = admission_get(in, KIND_BILLINGACCOUNT, meta->ns, account);
	const char *fault = NULL;

	if (!found)
		fault = arena_printf(arena, "spec.billingAccountRef.name: %s", account_not_found(meta->ns, account, arena));
	else if (!owned_by(meta, owners, found))
		fault = owner_fault(meta, owners, found, arena);
	return fault ? refused_by(KIND_BILLINGACCOUNT, meta->ns, account, fault) : NOT_REFUSED;
}

struct refusal owner_left(const struct admission *in, const struct object *meta, const struct owner_references *before,
			  const struct owner_references *after, atom_t account, struct arena *arena)
{
	const struct billingaccount *found = admission_get(in, KIND_BILLINGACCOUNT, meta->ns, account);

	if (!found || !owned_by(meta, before, found) || owned_by(meta, after, found))
		return NOT_REFUSED;
	return refused_by(KIND_BILLINGACCOUNT, meta->ns, account, owner_fault(meta, after, found, arena));
}

void owner_default(const struct admission *in, const struct object *meta, const struct owner_references *owners, atom_t account,
		   struct defaults *defaults, struct arena *arena)
{
	const struct billingaccount *found = account ? admission_get(in, KIND_BILLINGACCOUNT, meta->ns, account) : NULL;
	struct object now = *meta;

	if (!account)
		return;
	if (!found)
		defaults->basis = (struct key){ .kind = KIND_BILLINGACCOUNT, .ns = meta->ns, .name = account };
	if (found && now.created < found->meta.created)
		now.created = found->meta.created; /* it is being made: our clock is behind the one that stamped the account */
	defaults->owner = owner_wanted(&now, owners, found, arena);
}
