/*
 * For tests of the contest: one project's bindings as a table of seats, made into the claims that a contest is judged on.
 */
#ifndef TOLLGATE_TEST_SEATS_H
#define TOLLGATE_TEST_SEATS_H

#include "decide.h"
#include "gate.h"

enum { SEATS_MAX = 8 };
enum account_state { READY = 0, MISSING, PROVISIONING, SUSPENDED, ARCHIVED, DELETING, CLOSING };

/* Times are seconds after NOW - 1000 s; 0 = unset. */
struct seat {
	const char *ns, *name; /* NULL ends the list */
	int created;
	enum binding_phase phase;
	int established, ended, deleted;
	enum account_state account;
	const char *organization;
};

struct table {
	struct billingaccountbinding bindings[SEATS_MAX];
	struct billingaccount accounts[SEATS_MAX];
	struct claim claims[SEATS_MAX];
	struct contest contest;
	atom_t organizations[2];
};

MAYBE_UNUSED static instant_t at(int seconds)
{
	return seconds ? NOW + (seconds - 1000) * SECOND : 0;
}

static void sit(struct table *table, size_t i, const struct seat *seat)
{
	struct billingaccountbinding *binding = &table->bindings[i];
	struct billingaccount *account = &table->accounts[i];
	char *name = arena_printf(&test_arena, "account-of-%s", seat->name);

	*account = ready_account(seat->ns, name, NULL);
	if (seat->account == PROVISIONING)
		account->spec.currency_code = "ZZZ";
	if (seat->account == SUSPENDED)
		account->status.phase = ACCOUNT_SUSPENDED;
	if (seat->account == ARCHIVED)
		account->status.phase = ACCOUNT_ARCHIVED;
	if (seat->account == CLOSING)
		account->spec.closure_requested = YES;
	if (seat->account == DELETING)
		account->meta.deleted = NOW;
	*binding = binding_of(seat->ns, seat->name, name, "web");
	binding->meta.created = at(seat->created);
	binding->meta.deleted = at(seat->deleted);
	binding->status.phase = seat->phase;
	binding->status.responsibility.established_at = at(seat->established);
	binding->status.ended_at = at(seat->ended);
	table->claims[i] = (struct claim){ .binding = binding, .account = seat->account == MISSING ? NULL : account,
					   .organization = word(seat->organization) };
}

/* organization: of the project's namespace, or NULL. */
MAYBE_UNUSED static void seat_all(struct table *table, const struct seat *seats, const char *organization, enum rebind rebind)
{
	size_t n = 0;

	memset(table, 0, sizeof(*table));
	for (; n < SEATS_MAX && seats[n].name; n++)
		sit(table, n, &seats[n]);
	table->organizations[0] = word(organization);
	table->contest = (struct contest){ .claims = table->claims, .n_claims = n, .organizations = table->organizations,
					   .n_organizations = organization ? 1 : 0, .rebind = rebind };
}

#endif
